"""Folders of the Hugging Face hub's cache: the snapshot that is meant."""

from __future__ import annotations

from pathlib import Path

from neuro.io.problems import InputProblem


def snapshot(path) -> Path:
    """The folder with a model's files, where a path is its root in the hub's cache.

    Parameters
    ----------
    path : path-like
        `models--owner--name` with `snapshots/` and `refs/`, or any other path.

    Returns
    -------
    pathlib.Path
        The snapshot of `refs/main`, or the only one; any other path as it is.

    Raises
    ------
    InputProblem
        When there are several snapshots and nothing says which one is meant.
    """
    path = Path(path)
    if not (path / "snapshots").is_dir():
        return path
    inner = sorted(folder for folder in (path / "snapshots").iterdir() if folder.is_dir())
    main = path / "refs" / "main"
    if main.is_file():
        meant = path / "snapshots" / main.read_text("utf-8").strip()
        if meant in inner:
            return meant
    if len(inner) != 1:
        names = ", ".join(folder.name[:12] for folder in inner[:4]) or "none"
        raise InputProblem(
            f"{path}: a cache of the hub with {len(inner)} snapshots ({names}); give one of the "
            "folders in snapshots/"
        )
    return inner[0]
