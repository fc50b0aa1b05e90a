"""The Natural Scenes Dataset as it is downloaded: design, pictures, betas and regions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.responses.parts import HeldPictures
from neuro.io.responses.pictures import EDGE, below

PER_SESSION = 750
SCALE = 300.0
"""Betas are stored as whole numbers, 300 times the percent signal change."""
REGIONS = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": (
        *("early", "midventral", "midlateral", "midparietal"),
        *("ventral", "lateral", "parietal"),
    ),
}
"""Regions by their number in a mask, from 1."""
DEEP = 6


def regions(masks) -> list[str]:
    """Regions of each voxel, joined by `|`.

    Parameters
    ----------
    masks : dict of str to array of int, shape (n_voxels,)
        By kind, see :data:`REGIONS`; 0 and -1 are no region.

    Returns
    -------
    list of str
        'none' where a voxel is in no region.
    """
    labels_of: list[list[str]] = [[] for _ in next(iter(masks.values()), ())]
    for kind, mask in masks.items():
        labels = REGIONS[kind]
        for voxel in np.flatnonzero(mask > 0):
            number = int(mask[voxel])
            named = number <= len(labels)
            labels_of[voxel].append(labels[number - 1] if named else f"{kind}-{number}")
    return ["|".join(entry) or "none" for entry in labels_of]


def load(path) -> dict:
    """A subject of NSD: sessions of betas within the regions, pictures that were shown.

    Parameters
    ----------
    path : path-like
        A folder that holds, at any place below, `nsd_expdesign.mat`, `nsd_stimuli.hdf5`,
        `betas_session*.hdf5` of one subject and one version, and masks (`nsdgeneral.nii.gz`,
        `prf-visualrois.nii.gz`, `floc-*.nii.gz`) on the same grid.

    Returns
    -------
    dict
        Responses are z-scored within sessions; the pictures that all subjects saw are the test.

    Raises
    ------
    InputProblem
        When a part is missing, or there are betas of several subjects or versions.
    """
    root = Path(path)
    sessions, subject = _sessions(root)
    shown, shared = _design(root, subject)
    inside, masks = _masks(root, sessions[0])
    values, ids = [], []
    for file in sessions:
        session = int(re.sub(r"\D", "", file.stem))
        block = _betas(file, inside)
        first = (session - 1) * PER_SESSION
        if len(block) != PER_SESSION or first + len(block) > len(shown):
            raise InputProblem(
                f"{file}: {len(block)} trials, session {session} of the design has {PER_SESSION}"
            )
        sd = block.std(axis=0)
        values.append((block - block.mean(axis=0)) / np.where(sd > 0, sd, 1))
        ids.append(shown[first : first + len(block)])
    shown_ids = np.concatenate(ids)
    unique, index = np.unique(shown_ids, return_inverse=True)
    tier = np.where(np.isin(shown_ids, shared), "test", "train")
    return {
        "stimuli": HeldPictures(_pictures(root, unique), index),
        "responses": np.concatenate(values).astype(np.float32),
        "stimulus_id": np.array([f"nsd-{k}" for k in shown_ids]),
        **({"tier": tier} if len(set(tier)) == 2 else {}),
        "unit": ["v" + "_".join(map(str, xyz)) for xyz in np.argwhere(inside)],
        **({"roi": regions(masks)} if masks else {}),
        "notes": [
            f"{len(sessions)} sessions of subject {subject}: betas z-scored within sessions; the "
            "pictures that all subjects saw are the test."
        ],
    }


def _sessions(root):
    files = below(root, "betas_session*.hdf5", DEEP)
    folders = {file.parent for file in files}
    if len(folders) != 1:
        given = ", ".join(sorted(folder.name for folder in folders)) or "none"
        raise InputProblem(
            f"{root}: {len(folders)} folders of betas_session*.hdf5 ({given}); one subject and one "
            "version of the betas is needed, as HDF5"
        )
    folder = folders.pop()
    subject = re.findall(r"subj0?([1-8])(?!\d)", folder.as_posix())
    if not subject:
        raise InputProblem(f"{folder}: no folder subj01 to subj08 names the subject")
    return files, int(subject[-1])


def _design(root, subject):
    from scipy.io import loadmat

    file = _one(root, "nsd_expdesign.mat")
    with readable(file, "not the design of NSD"):
        stored = loadmat(file)
        order = stored["masterordering"].ravel().astype(int)
        pictures = stored["subjectim"].astype(int)
        shared = stored["sharedix"].ravel().astype(int)
    return pictures[subject - 1][order - 1], shared


def _masks(root, betas):
    """Which voxels are used, and the masks of their regions."""
    import h5py
    import nibabel

    with readable(betas, "not a session of betas"), h5py.File(betas) as stored:
        # MATLAB's order: x, y, z from the back
        grid = stored["betas"].shape[:0:-1]
    mask_of = {}
    for kind in ("nsdgeneral", *REGIONS):
        for file in below(root, f"{kind}.nii.gz", DEEP)[:1]:
            with readable(file, "not a readable mask"):
                image = nibabel.load(file)
                mask = np.asarray(image.dataobj).round().astype(int)
            if mask.shape != grid:
                raise InputProblem(
                    f"{file}: grid {mask.shape}, the betas have {grid}; take the masks of the "
                    "same folder of NSD (such as func1pt8mm)"
                )
            mask_of[kind] = mask
    if not mask_of:
        raise InputProblem(
            f"{root}: no mask (nsdgeneral.nii.gz, prf-visualrois.nii.gz, floc-*.nii.gz); a whole "
            f"brain of {int(np.prod(grid)):,} voxels is not read"
        )
    inside = np.any([mask > 0 for mask in mask_of.values()], axis=0)
    if "nsdgeneral" in mask_of:
        inside = mask_of["nsdgeneral"] > 0
    return inside, {kind: mask_of[kind][inside] for kind in mask_of if kind in REGIONS}


def _betas(file, inside):
    import h5py

    with readable(file, "not a session of betas"), h5py.File(file) as stored:
        data = stored["betas"]
        out = np.empty((len(data), int(inside.sum())), np.float32)
        for first in range(0, len(data), 50):
            out[first : first + 50] = data[first : first + 50].transpose(0, 3, 2, 1)[:, inside]
    return out / SCALE


def _pictures(root, numbers):
    """Pictures by their number in the whole set, from 1."""
    import h5py
    from PIL import Image

    file = _one(root, "nsd_stimuli.hdf5")
    with readable(file, "not the pictures of NSD"), h5py.File(file) as stored:
        brick = stored["imgBrick"]
        if numbers.max() > len(brick):
            raise InputProblem(f"{file}: {len(brick)} pictures, number {numbers.max()} was shown")
        size = min(brick.shape[1], EDGE)
        out = np.empty((len(numbers), 3, size, size), np.uint8)
        for row, number in enumerate(numbers):
            picture = Image.fromarray(brick[number - 1])
            small = picture.resize((size, size), Image.Resampling.BOX)
            out[row] = np.asarray(small).transpose(2, 0, 1)
    return out


def _one(root, name) -> Path:
    files = below(root, name, DEEP)
    if not files:
        raise InputProblem(f"{root}: no {name} below it; NSD needs it beside the betas")
    return files[0]
