"""A folder of pictures and a table that names one per trial: the plainest form of image-fMRI data.

The table is a `.tsv` or `.csv` at the top of the folder. One of its columns (`picture`, `image`,
`stimulus`, `file`, `filename`) holds names of picture files, in any folders below; `tier`,
`condition` and `stimulus_id` mean what they mean elsewhere; every further column of numbers is a
voxel. Without such columns the responses are rows of `betas.npy` or `responses.npy` beside it.
Regions are a `rois.tsv` with the columns `voxel` and `roi`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.responses.parts import HeldPictures, mapped, table_rows
from neuro.io.responses.pictures import PICTURES, by_name, decoded

NAMING = ("picture", "image", "stimulus", "file", "filename")
LABELS = ("tier", "condition", "stimulus_id")
MISSING = ("", "n/a", "nan", "na")
ARRAYS = ("betas.npy", "responses.npy")
ROIS = "rois.tsv"


def tables(path) -> list[Path]:
    """Tables at the top of a folder whose first row names a picture.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of pathlib.Path
    """
    root = Path(path)
    files = sorted([*root.glob("*.tsv"), *root.glob("*.csv")])
    return [file for file in files if file.name != ROIS and _naming(_head(file))]


def load(path) -> dict:
    """Pictures, responses and regions of such a folder.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When there are several tables, a picture is missing, a value is no number, or the rows of
        the table and of the responses differ.
    """
    root = Path(path)
    files = tables(root)
    if len(files) != 1:
        given = ", ".join(file.name for file in files)
        raise InputProblem(f"{root}: {len(files)} tables name pictures ({given}); leave one")
    rows = table_rows(files[0])
    column = _naming(rows[:1])
    names = [row[column] for row in rows]
    direct = [root / name for name in names]
    shown = (
        direct if all(file.is_file() for file in direct) else by_name(names, root.rglob("*"), root)
    )
    unique = list(dict.fromkeys(shown))
    pictures, notes = decoded(unique, root)
    number = {file: position for position, file in enumerate(unique)}
    unit, responses = _responses(root, files[0], rows, column)
    return {
        "stimuli": HeldPictures(pictures, [number[file] for file in shown]),
        "responses": responses,
        # the whole name: pictures of two folders may be called alike
        "stimulus_id": np.array([file.relative_to(root).as_posix() for file in shown]),
        **{key: np.array([row[key] for row in rows]) for key in LABELS if key in rows[0]},
        "unit": unit,
        **({"roi": _regions(root / ROIS, unit)} if (root / ROIS).is_file() else {}),
        "notes": notes,
    }


def _head(file) -> list[dict]:
    try:
        return table_rows(file, 1)
    except (InputProblem, OSError):
        return []


def _naming(rows) -> str:
    """The column that names pictures; empty where there is none."""
    for column in NAMING if rows else ():
        if (rows[0].get(column) or "").endswith(PICTURES):
            return column
    return ""


def _responses(root, file, rows, column):
    """Names of the voxels, and their responses, a row per trial."""
    unit = [key for key in rows[0] if key and key not in (column, *LABELS)]
    if unit:
        values = np.full((len(rows), len(unit)), np.nan, np.float32)
        for number, row in enumerate(rows):
            for voxel, key in enumerate(unit):
                text = (row[key] or "").strip()
                if text.lower() in MISSING:
                    continue
                try:
                    values[number, voxel] = float(text)
                except ValueError:
                    raise InputProblem(
                        f"{file}: column '{key}', row {number + 1}: '{text[:20]}' is no number; "
                        f"columns beside '{column}', {', '.join(LABELS)} are voxels"
                    ) from None
        return unit, values
    arrays = [root / name for name in ARRAYS if (root / name).is_file()]
    if len(arrays) != 1:
        raise InputProblem(
            f"{root}: {file.name} has no columns of voxels, and there is "
            f"{'more than one' if arrays else 'none'} of {' and '.join(ARRAYS)} beside it"
        )
    values = mapped(arrays[0])
    if values.ndim != 2 or len(values) != len(rows):
        raise InputProblem(
            f"{arrays[0]}: shape {values.shape}, expected a row for each of the {len(rows)} rows "
            f"of {file.name}"
        )
    return [f"v{number:05d}" for number in range(values.shape[1])], values


def _regions(file, unit) -> list[str]:
    regions: dict[str, list[str]] = {name: [] for name in unit}
    rows = table_rows(file)
    if not rows or not {"voxel", "roi"} <= set(rows[0]):
        raise InputProblem(f"{file}: expected the columns 'voxel' and 'roi'")
    for row in rows:
        if row["voxel"] not in regions:
            raise InputProblem(f"{file}: voxel '{row['voxel']}' is none of the responses'")
        regions[row["voxel"]].append(row["roi"])
    return ["|".join(names) or "none" for names in regions.values()]
