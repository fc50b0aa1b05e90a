"""Image-fMRI data as they are downloaded (Algonauts 2023, NSD, BOLD5000, THINGS) or kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.responses import nsd, picture_table
from neuro.io.responses.parts import HeldPictures, mapped, table_rows
from neuro.io.responses.pictures import below, by_name, decoded


def recognise(path):
    """The reader of a downloaded folder, or of pictures with a table; None for others.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    callable or None
        Takes the path, gives the parts of a data set.
    """
    path = Path(path)
    if not path.is_dir():
        return None
    if (path / "training_split").is_dir():
        return load_algonauts
    if below(path, "nsd_expdesign.mat"):
        return nsd.load
    if below(path, "*_StimulusMetadata.csv"):
        return load_things
    if below(path, "*ROIs_TR*.h5") or below(path, "*ROIs_TR*.mat"):
        return load_bold5000
    return picture_table.load if picture_table.tables(path) else None


def load_algonauts(path) -> dict:
    """A subject of the Algonauts 2023 challenge: pictures, both hemispheres, region masks.

    Parameters
    ----------
    path : path-like
        The folder `subj01`; its test pictures have no responses and are not read.

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When a part is missing, or rows, pictures and masks do not agree.
    """
    root = Path(path)
    files = sorted((root / "training_split" / "training_images").glob("*.png"))
    sides = {}
    for side in ("lh", "rh"):
        file = root / "training_split" / "training_fmri" / f"{side}_training_fmri.npy"
        if file.is_file():
            sides[side] = mapped(file)
            if sides[side].ndim != 2 or len(sides[side]) != len(files):
                raise InputProblem(
                    f"{file}: shape {sides[side].shape}, expected a row for each of the "
                    f"{len(files)} pictures in training_images"
                )
    if not sides:
        raise InputProblem(f"{root}: no training_split/training_fmri/lh_training_fmri.npy or rh_")
    roi, names = [], []
    for side, values in sides.items():
        names += [f"{side}{k:05d}" for k in range(values.shape[1])]
        roi += _masks(root / "roi_masks", side, values.shape[1])
    pictures, notes = decoded(files, root / "training_split" / "training_images")
    # the number of the NSD picture is what two subjects share
    ids = [re.sub(r".*nsd-0*(\d+)$", r"nsd-\1", file.stem) for file in files]
    return {
        "stimuli": HeldPictures(pictures, np.arange(len(pictures))),
        "responses": np.concatenate(list(sides.values()), axis=1),
        "stimulus_id": np.array(ids),
        "unit": names,
        **({"roi": roi} if set(roi) != {"none"} else {}),
        "notes": [*notes, "The test pictures of the challenge have no responses."],
    }


def _masks(folder, side, n_vertices) -> list[str]:
    masks = {}
    for kind in nsd.REGIONS:
        file = folder / f"{side}.{kind}_challenge_space.npy"
        if file.is_file():
            masks[kind] = np.asarray(mapped(file)).ravel()
            if len(masks[kind]) != n_vertices:
                raise InputProblem(
                    f"{file}: {len(masks[kind])} vertices, {side}_training_fmri.npy has "
                    f"{n_vertices}"
                )
    return nsd.regions(masks) if masks else ["none"] * n_vertices


def load_bold5000(path) -> dict:
    """A subject of BOLD5000: responses by region, the list of pictures, the pictures.

    Parameters
    ----------
    path : path-like
        A folder with one `*_ROIs_TR*.h5` (or `.mat`), a text file `*stim_list*.txt` with a
        picture per trial, and the pictures, in any folders below.

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When a part is missing or there are several, or they do not agree.
    """
    root = Path(path)
    tables = below(root, "*ROIs_TR*.h5") or below(root, "*ROIs_TR*.mat")
    lists = below(root, "*stim_list*.txt")
    for what, files in (("*_ROIs_TR*.h5", tables), ("*stim_list*.txt", lists)):
        if len(files) != 1:
            given = ", ".join(file.name for file in files[:4]) or "none"
            raise InputProblem(
                f"{root}: {len(files)} files {what} ({given}); give a folder with one subject and "
                "one TR (TR34 is the mean that the authors use)"
            )
    parts = _arrays(tables[0])
    names = [line.strip() for line in lists[0].read_text("utf-8").splitlines() if line.strip()]
    odd = {key: values.shape for key, values in parts.items() if len(values) != len(names)}
    if odd or not parts:
        key, shape = next(iter(odd.items()), ("no region", ()))
        raise InputProblem(
            f"{tables[0]}: '{key}' of shape {shape}, {lists[0].name} names {len(names)} trials; a "
            "row per trial expected"
        )
    # repeated pictures are called rep_<name> in the list
    names = [re.sub(r"^rep_", "", name) for name in names]
    files = by_name(names, root.rglob("*"), root)
    unique = list(dict.fromkeys(files))
    pictures, notes = decoded(unique, root)
    index_of = {file: number for number, file in enumerate(unique)}
    return {
        "stimuli": HeldPictures(pictures, [index_of[file] for file in files]),
        "responses": np.concatenate(list(parts.values()), axis=1),
        "stimulus_id": np.array([file.stem for file in files]),
        "unit": [f"{key}{k:04d}" for key, v in parts.items() for k in range(v.shape[1])],
        "roi": [key for key, values in parts.items() for _ in range(values.shape[1])],
        "notes": notes,
    }


def _arrays(file) -> dict:
    """Matrices of an HDF5 or MATLAB file by name."""
    with readable(file, "not a readable file of regions"):
        if file.suffix == ".h5":
            import h5py

            with h5py.File(file) as stored:
                return {key: stored[key][()] for key in stored if stored[key].ndim == 2}
        from scipy.io import loadmat

        return {
            key: values
            for key, values in loadmat(file).items()
            if not key.startswith("__") and getattr(values, "ndim", 0) == 2
        }


def load_things(path) -> dict:
    """A subject of THINGS-fMRI: the tables of responses, stimuli and voxels, the pictures.

    Parameters
    ----------
    path : path-like
        A folder with `sub-*_ResponseData.h5`, `sub-*_StimulusMetadata.csv`,
        `sub-*_VoxelMetadata.csv` of one subject, and the pictures in any folders below.

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When a part is missing or there are several subjects, or they do not agree.
    """
    import h5py

    root = Path(path)
    columns = {}
    for name in ("ResponseData.h5", "StimulusMetadata.csv", "VoxelMetadata.csv"):
        files = below(root, f"*_{name}")
        if len(files) != 1:
            given = ", ".join(file.name for file in files[:4]) or "none"
            raise InputProblem(
                f"{root}: {len(files)} files *_{name} ({given}); give a folder with one subject"
            )
        columns[name] = files[0]
    trials, voxels = (table_rows(columns[f"{name}Metadata.csv"]) for name in ("Stimulus", "Voxel"))
    file = columns["ResponseData.h5"]
    with readable(file, "not a table of responses as pandas writes it"), h5py.File(file) as stored:
        table = stored["ResponseData"]
        blocks = [key for key in table if key.endswith("_values") and table[key].dtype.kind == "f"]
        values = np.asarray(table[blocks[0]][()], np.float32)
    if values.shape != (len(voxels), len(trials)):
        raise InputProblem(
            f"{file}: {values.shape[0]} voxels x {values.shape[1]} trials, the tables beside it "
            f"name {len(voxels)} voxels and {len(trials)} trials"
        )
    for name, rows, column in (("Stimulus", trials, "stimulus"), ("Voxel", voxels, "voxel_id")):
        if not rows or column not in rows[0]:
            raise InputProblem(f"{columns[f'{name}Metadata.csv']}: no column '{column}'")
    names = [row["stimulus"] for row in trials]
    files = by_name(names, root.rglob("*"), root)
    unique = list(dict.fromkeys(files))
    pictures, notes = decoded(unique, root)
    index_of = {file: number for number, file in enumerate(unique)}
    tier = [row.get("trial_type", "") for row in trials]
    marks = [key for key in voxels[0] if _is_mask(voxels, key)]
    return {
        "stimuli": HeldPictures(pictures, [index_of[file] for file in files]),
        "responses": values.T,
        "stimulus_id": np.array([Path(name).stem for name in names]),
        "condition": np.array([row.get("concept") or "none" for row in trials]),
        **({"tier": np.array(tier)} if set(tier) == {"train", "test"} else {}),
        "unit": [f"v{row['voxel_id']}" for row in voxels],
        "roi": ["|".join(k for k in marks if float(row[k])) or "none" for row in voxels],
        "notes": notes,
    }


def _is_mask(rows, key) -> bool:
    """Whether a column of the voxels marks a region: 0 and 1, both or 1 alone."""
    values = {row[key] for row in rows}
    named = key.lower() not in ("subject_id", "voxel_id", "subject")
    return named and values <= {"0", "1", "0.0", "1.0"} and bool(values & {"1", "1.0"})
