"""Raw BIDS runs with planted head motion and slice times, as they come from a scanner.

What is planted stands in `truth.json`. Same parameters, same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from neuro.simulate import bold, names
from neuro.simulate.template import load_template, parcels

MARGIN = 3
"""Empty voxels around the brain on every side, so that it stays inside when it moves."""
SLOTS = 4
"""Slices are acquired in this many turns per volume, several at once."""
SPREAD = 1.0
"""Point spread of the scanner (standard deviation in voxels); without one the edge of the brain
would hold detail that no grid of this size can carry."""
NATIVE_TO_MNI = (6.0, -11.0, 17.0, 0.05, -0.03, 0.08)
"""Position of the head in the scanner: mm, then rad (R = Rz Ry Rx about the origin)."""


def slice_times(n_slices: int, tr: float) -> list[float]:
    """Interleaved acquisition times of the slices in s, several slices at once."""
    return [round((k % SLOTS) * tr / SLOTS, 6) for k in range(n_slices)]


def planted_motion(rng, n_volumes: int, size: float = 1.0, n_spikes: int = 2) -> np.ndarray:
    """Head motion: a slow sway, small jitter, one lasting shift and short nods.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_volumes : int
    size : float
        Factor on everything; 0 leaves the head still.
    n_spikes : int
        Volumes in which the head is somewhere else by about 1 mm.

    Returns
    -------
    ndarray, shape (n_volumes, 6)
        Translations (mm), then rotations (rad); the first volume is the reference.
    """
    time = np.arange(n_volumes)[:, None] / n_volumes
    scale = np.array([0.5, 0.6, 0.8, 0.010, 0.008, 0.006])
    motion = scale * np.sin(2 * np.pi * (time * rng.uniform(0.5, 1.5, 6) + rng.uniform(0, 1, 6)))
    motion += 0.02 * scale * rng.standard_normal((n_volumes, 6))
    motion[n_volumes // 2 :] += 0.3 * scale
    for volume in rng.choice(np.arange(5, n_volumes - 5), size=n_spikes, replace=False):
        motion[volume] += scale * rng.choice([-1, 1], 6) * 1.5
    return size * (motion - motion[0])


def pose(params, centre=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Rigid motion x' = R (x - c) + c + q with R = Rz Ry Rx, as a 4x4 matrix in mm.

    Parameters
    ----------
    params : sequence of 6 float
        q in mm, then the rotations about x, y and z in rad.
    centre : sequence of 3 float
        c in mm.

    Returns
    -------
    ndarray, shape (4, 4)
    """
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", params[3:]).as_matrix()
    matrix[:3, 3] = np.asarray(centre) + params[:3] - matrix[:3, :3] @ np.asarray(centre)
    return matrix


def write_raw(
    folder,
    n_subjects: int = 2,
    sessions=(None,),
    runs=(None,),
    voxel_mm: int = 8,
    n_volumes: int = 130,
    tr: float = 2.0,
    motion: float = 1.0,
    slice_timing: bool = True,
    noise: float = 40.0,
    random_state: int = 0,
) -> Path:
    """Write a small raw BIDS data set.

    Parameters
    ----------
    folder : path-like
    n_subjects : int
    sessions, runs : sequence of str or None
        Labels; None leaves the entity out.
    voxel_mm : int
        Edge of a voxel, 4 to 12.
    n_volumes : int
    tr : float
        Sampling interval in s.
    motion : float
        Factor on the planted motion.
    slice_timing : bool
        Acquire slices at different times and say so in the sidecar at the top of the data set.
    noise : float
        Spread of the noise in every voxel, the air around the head included; the brain has
        about 10,000.
    random_state : int

    Returns
    -------
    pathlib.Path
        The folder. Beside the images there are `atlas.nii.gz` (the parcels in the native space
        that all subjects share), `xfm/sub-*.txt` (4x4, native to MNI, mm) and `truth.json` with
        the motion of every run and the centre it turns about.
    """
    import nibabel

    folder = Path(folder)
    template = load_template(voxel_mm)
    labels, table = parcels(template, 30)
    brain = bold.make_brain(template, labels, table)
    to_mni = pose(NATIVE_TO_MNI)
    corner = np.eye(4)
    corner[:3, 3] = -MARGIN
    affine = np.linalg.inv(to_mni) @ template.affine @ corner
    shape = tuple(n + 2 * MARGIN for n in template.mask.shape)
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    inside = np.pad(template.mask, MARGIN)
    times = slice_times(shape[2], tr) if slice_timing else [0.0] * shape[2]
    (folder / "xfm").mkdir(parents=True, exist_ok=True)
    nibabel.save(_image(np.pad(labels, MARGIN).astype(np.int16), affine), folder / "atlas.nii.gz")
    sidecar = {"RepetitionTime": tr, "TaskName": names.TASK}
    if slice_timing:
        sidecar |= {"SliceTiming": times, "SliceEncodingDirection": "k"}
    (folder / f"task-{names.TASK}_bold.json").write_text(json.dumps(sidecar), "utf-8")
    description = {"Name": "Simulated raw runs", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(description), "utf-8")
    truth = {"center_mm": centre.tolist(), "slice_times": times, "motion": {}}
    people = ["participant_id\tsite\tage\tsex\tdx"]
    for number, label in enumerate(names.subject_labels(n_subjects)):
        people.append(f"sub-{label}\talpha\t{10 + number % 8}\t{'FM'[number % 2]}\t{number % 2}")
        np.savetxt(folder / "xfm" / f"sub-{label}.txt", to_mni, fmt="%.10g")
        for run_index, (session, run) in enumerate((s, r) for s in sessions for r in runs):
            rng = np.random.default_rng([random_state, number, run_index])
            moves = planted_motion(rng, n_volumes, motion)
            series = _series(rng, brain, n_volumes, tr, number, slots=SLOTS if slice_timing else 1)
            data = _moved(series, inside, times, tr, affine, centre, moves)
            data += np.abs(rng.normal(0, noise, data.shape))
            key = "_".join(
                entity
                for entity in (
                    f"sub-{label}",
                    f"ses-{session}" if session else "",
                    f"task-{names.TASK}",
                    f"run-{run}" if run else "",
                )
                if entity
            )
            image = _image(np.rint(data).clip(0, 32000).astype(np.int16), affine, tr)
            func = folder / f"sub-{label}" / (f"ses-{session}" if session else "") / "func"
            func.mkdir(parents=True, exist_ok=True)
            nibabel.save(image, func / f"{key}_bold.nii.gz")
            truth["motion"][key] = np.round(moves, 6).tolist()
    (folder / "participants.tsv").write_text("\n".join(people) + "\n", "utf-8")
    (folder / "truth.json").write_text(json.dumps(truth), "utf-8")
    return folder


def _image(data, affine, tr=None):
    import nibabel

    image = nibabel.Nifti1Image(data, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    if tr is not None:
        image.header["pixdim"][4] = tr
    return image


def _series(rng, brain, n_volumes, tr, number, slots):
    """BOLD of a still head, sampled `slots` times per volume."""
    count = n_volumes * slots
    person = bold.Person(
        extra=0.2 * (number % 2), age=12.0, female=bool(number % 2), intensity=1.0, noise=0.3
    )
    still = np.zeros((count, 6))
    return bold.simulate_run(rng, brain, person, (1, 2), still, np.array([], int), tr / slots)


def _moved(series, inside, times, tr, affine, centre, moves):
    """Volumes of the moving head; each slice shows the moment at which it was acquired."""
    from scipy import ndimage

    n_volumes = len(moves)
    slots = len(series) // n_volumes
    out = np.empty((*inside.shape, n_volumes), dtype=np.float32)
    head = np.zeros(inside.shape, dtype=np.float32)
    to_voxel = np.linalg.inv(affine)
    turn = np.round(np.array(times) / tr * slots).astype(int)
    for t in range(n_volumes):
        step = to_voxel @ np.linalg.inv(pose(moves[t], centre)) @ affine
        for slot in range(slots):
            head[inside] = series[t * slots + slot]
            here = turn == slot
            if not here.any():
                continue
            grid = np.stack(
                np.meshgrid(*map(np.arange, inside.shape[:2]), np.flatnonzero(here), indexing="ij")
            )
            coordinates = np.tensordot(step[:3, :3], grid, 1) + step[:3, 3, None, None, None]
            seen = ndimage.gaussian_filter(head, SPREAD)
            out[:, :, here, t] = ndimage.map_coordinates(
                seen, coordinates, order=3, mode="constant"
            )
    return out.clip(0)
