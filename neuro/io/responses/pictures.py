"""Pictures in folders: found by name, decoded to one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

EDGE = 128
"""Larger pictures are reduced to this edge (pixels): 10,000 of them take 0.5 GB as bytes."""
PICTURES = (".png", ".jpg", ".jpeg", ".JPEG", ".JPG")


def below(path, pattern, deep=3) -> list[Path]:
    """Files of a pattern within a few folders, in order."""
    for depth in range(deep + 1):
        files = sorted(path.glob("*/" * depth + pattern))
        if files:
            return files
    return []


def decoded(files, where):
    """Pictures as bytes, shape (n, 3, h, w); cut to squares and reduced where they are large.

    Parameters
    ----------
    files : sequence of pathlib.Path
    where : path-like
        Named in messages.

    Returns
    -------
    pictures : ndarray of uint8
    notes : list of str

    Raises
    ------
    InputProblem
        When a picture cannot be read.
    """
    from PIL import Image

    sizes, out = set(), None
    for row, file in enumerate(files):
        with readable(file, "not a readable picture"), Image.open(file) as picture:
            sizes.add(picture.size)
            edge = min(picture.size)
            left, top = ((side - edge) // 2 for side in picture.size)
            square = picture.convert("RGB").crop((left, top, left + edge, top + edge))
            if out is None:
                size = min(edge, EDGE)
                out = np.empty((len(files), 3, size, size), np.uint8)
            if edge != out.shape[2]:
                square = square.resize(out.shape[2:], Image.Resampling.BOX)
            out[row] = np.asarray(square).transpose(2, 0, 1)
    if out is None:
        raise InputProblem(f"{where}: no pictures")
    width, height = max(sizes)
    if sizes == {out.shape[2:]}:
        return out, []
    size = f"{width} x {height}" + (
        f" and {len(sizes) - 1} other sizes" if sizes - {(width, height)} else ""
    )
    return out, [f"{where}: pictures of {size} are read as squares of {out.shape[2]} pixels"]


def by_name(names, pictures, where) -> list[Path]:
    """The picture of each name, whatever its folder and suffix.

    Raises
    ------
    InputProblem
        When some are missing, or two folders hold one name.
    """
    places: dict[str, Path] = {}
    doubled = set()
    for file in pictures:
        if file.suffix in PICTURES:
            doubled |= {file.stem} & set(places)
            places[file.stem] = file
    wanted = [Path(name).stem for name in names]
    lacking = sorted({name for name in wanted if name not in places})
    if lacking:
        raise InputProblem(
            f"{where}: {len(lacking)} of {len(set(wanted))} pictures are in no folder below it "
            f"(first: {lacking[0]}); put the folder of pictures there"
        )
    twice = sorted(doubled & set(wanted))
    if twice:
        raise InputProblem(f"{where}: picture {twice[0]} lies in two folders; remove one")
    return [places[name] for name in wanted]
