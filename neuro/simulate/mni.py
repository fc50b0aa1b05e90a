"""A planted cohort as 4D images in MNI space, in the folder layout of fMRIPrep.

Everything that is planted is written to `truth.json`. Same parameters, same bytes.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from neuro.base.provenance import write_json
from neuro.simulate import bold, names
from neuro.simulate.template import load_template, parcels

RESTLESS_EVERY = 16
"""Every 16th subject moves so much that no usable run should be left."""

# Controls and cases in permuted blocks of four, so that adding subjects changes no earlier one.
_CASES_PER_BLOCK = {0: (2, 2), 1: (2, 1)}
_INTENSITY = (1.0, 0.8, 1.25, 0.9)
_NOISE = (1.0, 1.3, 0.9, 1.15)


def _rng(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng([int(seed), *stream])


def _check(n_subjects, n_volumes, tr, sites, effect, motion) -> None:
    if n_subjects < 1:
        raise ValueError(f"n_subjects: got {n_subjects}, expected a whole number >= 1")
    if n_volumes < 40:
        raise ValueError(f"n_volumes: got {n_volumes}, expected at least 40")
    if not tr > 0:
        raise ValueError(f"tr: got {tr}, expected seconds > 0")
    if not sites or len(set(sites)) != len(sites):
        raise ValueError(f"sites: got {sites}, expected different names, at least one")
    if not 0 <= effect <= 0.4:
        raise ValueError(f"effect: got {effect}, expected a share of variance from 0 to 0.4")
    if not motion >= 0:
        raise ValueError(f"motion: got {motion}, expected a factor >= 0")


def plan(n_subjects: int, sites=("alpha", "beta"), *, motion=1.0, random_state=0) -> list[dict]:
    """Who takes part: site, diagnosis, demographics and head motion of every subject.

    Parameters
    ----------
    n_subjects : int
    sites : sequence of str
        Subjects go to the sites in turn.
    motion : float, default 1
        Factor on the head motion level.
    random_state : int, default 0

    Returns
    -------
    list of dict
        `participant_id`, `site`, `age` (years), `sex` (F, M), `dx` (0, 1), `handedness`
        (-1 left to 1 right), `iq` (NaN where unknown), `motion_level` and `restless`.
    """
    people = []
    for number, label in enumerate(names.subject_labels(n_subjects)):
        site = number % len(sites)
        block, position = divmod(number // len(sites), 4)
        n_cases = _CASES_PER_BLOCK[site % 2][block % 2]
        order = _rng(random_state, 1, site, block).permutation(4)
        dx = int(order[position] < n_cases)
        rng = _rng(random_state, 2, number)
        female = rng.random() < (0.35 if dx else 0.5)
        age = round(float(rng.uniform(8, 18)), 2)
        right = rng.random() < 0.9
        level = motion * np.exp(0.35 * rng.standard_normal() - 0.03 * (age - 13) + 0.1 * dx)
        people.append(
            {
                "participant_id": label,
                "site": sites[site],
                "age": age,
                "sex": "F" if female else "M",
                "dx": dx,
                "handedness": round(float(rng.uniform(0.3, 1) * (1 if right else -1)), 2),
                "iq": float(np.round(rng.normal(110 - 4 * dx, 12))),
                "motion_level": round(float(level), 4),
                "restless": bool(motion > 0 and number % RESTLESS_EVERY == RESTLESS_EVERY - 1),
            }
        )
    # One value is missing, as in every real table.
    if len(people) > 4:
        people[4]["iq"] = float("nan")
    return people


def write_cohort(
    folder,
    n_subjects: int = 32,
    voxel_mm: int = 8,
    n_volumes: int = 240,
    tr: float = 2.0,
    sites=("alpha", "beta"),
    effect: float = 0.25,
    motion: float = 1.0,
    n_parcels: int = 30,
    random_state: int = 0,
) -> Path:
    """Write a simulated resting-state cohort as preprocessed images in MNI space.

    Grey matter voxels share a region and a network signal with 1/f power; cases have one
    more signal in common in two regions, so that these hold more 3-cycles. Age and sex
    change the correlation of two pairs of networks. Sites differ in intensity, noise and
    share of cases. Head motion moves the edges of the brain and leaves spikes; breathing,
    white matter and CSF add their own signals; every fifth subject lacks the lowest slice.

    Parameters
    ----------
    folder : path-like
        Made if missing; the names of all files are those of
        :func:`neuro.simulate.names.cohort_files`.
    n_subjects : int, default 32
        With 16 or more, every 16th is too restless to be used.
    voxel_mm : int, default 8
        Edge of a voxel in mm, 4 to 12.
    n_volumes : int, default 240
    tr : float, default 2.0
        Sampling interval in s.
    sites : sequence of str, default ("alpha", "beta")
    effect : float, default 0.25
        Extra shared variance of the cases in the two planted regions (ours).
    motion : float, default 1
        Factor on all head motion; 0 leaves no motion and no spike.
    n_parcels : int, default 30
        Parcels of `atlas.nii.gz`.
    random_state : int, default 0

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        For a parameter out of range, in one line.
    """
    _check(n_subjects, n_volumes, tr, sites, effect, motion)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    template = load_template(voxel_mm)
    labels, table = parcels(template, n_parcels)
    brain = bold.make_brain(template, labels, table)
    case_parcels = _case_parcels(table, random_state)
    people = plan(n_subjects, sites, motion=motion, random_state=random_state)

    _write_image(folder / "atlas.nii.gz", labels, template.affine)
    _write_tables(folder, table, people)
    subjects = {
        person["participant_id"]: _write_subject(
            folder, number, person, brain, case_parcels, n_volumes, tr, effect, sites, random_state
        )
        for number, person in enumerate(people)
    }
    by_index = {row["index"]: row["name"] for row in table}
    write_json(
        folder / "truth.json",
        {
            "parameters": {
                "n_subjects": n_subjects,
                "voxel_mm": voxel_mm,
                "n_volumes": n_volumes,
                "tr": tr,
                "sites": list(sites),
                "effect": effect,
                "motion": motion,
                "n_parcels": n_parcels,
                "random_state": random_state,
            },
            "case_regions": {
                "index": case_parcels,
                "name": [by_index[index] for index in case_parcels],
                "extra_shared_variance": effect,
            },
            "networks": {row["name"]: row["network"] for row in table},
            "shared_variance": {"region": bold.REGION_SHARE, "network": bold.NETWORK_SHARE},
            "age": {"networks": [1, 2], "correlation_per_year": bold.AGE_SLOPE},
            "sex": {"networks": [3, 4], "women_minus_men": bold.SEX_STEP},
            "sites": {
                site: {"intensity": _INTENSITY[k % 4], "noise": _NOISE[k % 4]}
                for k, site in enumerate(sites)
            },
            "confounds": {
                "motion_fraction": 0.3,
                "breathing": 0.002,
                "white_matter": 0.002,
                "csf": 0.010,
                "drift": 0.002,
                "spike_loss": 0.01,
            },
            "subjects": subjects,
        },
    )
    return folder


def _case_parcels(table: list[dict], random_state: int) -> list[int]:
    """Two parcels of usual size, on different sides and in different networks."""
    rng = _rng(random_state, 3)
    typical = np.median([row["n_voxels"] for row in table])
    usual = [row for row in table if row["n_voxels"] >= typical]
    first = usual[rng.integers(len(usual))]
    rest = [
        row
        for row in usual
        if row["hemisphere"] != first["hemisphere"] and row["network"] != first["network"]
    ]
    # A cohort on a very coarse grid may leave no such partner: take the mirror's neighbour.
    second = rest[rng.integers(len(rest))] if rest else table[first["index"] % len(table)]
    return sorted([first["index"], second["index"]])


def _write_subject(
    folder, number, person, brain, case_parcels, n_volumes, tr, effect, sites, seed
) -> dict:
    rng = _rng(seed, 4, number)
    level = person["motion_level"]
    n_spikes = n_volumes // 2 if person["restless"] else min(rng.poisson(2 * level), n_volumes // 8)
    if level == 0:
        n_spikes = 0
    moves, spikes = bold.head_motion(rng, n_volumes, level, n_spikes)
    site = sites.index(person["site"]) % 4
    series = bold.simulate_run(
        rng,
        brain,
        bold.Person(
            extra=effect * person["dx"],
            age=person["age"],
            female=person["sex"] == "F",
            intensity=_INTENSITY[site],
            noise=_NOISE[site],
        ),
        case_parcels,
        moves,
        spikes,
        tr,
    )
    confounds = bold.confound_table(series, moves, brain)

    mask = brain.template.mask.copy()
    seen = np.ones(len(brain.gm), bool)
    short = number % 5 == 4
    if short:
        lowest = int(np.flatnonzero(mask.any(axis=(0, 1)))[0])
        seen = np.argwhere(mask)[:, 2] != lowest
        mask[:, :, lowest] = False
    image = np.zeros((*mask.shape, n_volumes), np.int16)
    image[mask] = np.rint(series[:, seen].T)

    files = {key: folder / path for key, path in names.run_files(person["participant_id"]).items()}
    files["bold"].parent.mkdir(parents=True, exist_ok=True)
    _write_image(files["bold"], image, brain.template.affine, tr)
    _write_image(files["mask"], mask.astype(np.uint8), brain.template.affine)
    write_json(
        files["bold_json"],
        {
            "RepetitionTime": tr,
            "TaskName": names.TASK,
            "SkullStripped": True,
            "SliceTimingCorrected": True,
            "Description": "Simulated; see truth.json",
        },
    )
    write_json(files["mask_json"], {"Type": "Brain", "Description": "Simulated"})
    write_json(
        files["confounds_json"],
        {
            "framewise_displacement": {"Units": "mm", "Radius": bold.HEAD_RADIUS},
            **{name: {"Units": "mm" if "trans" in name else "rad"} for name in bold.MOTION_NAMES},
        },
    )
    _write_columns(files["confounds"], confounds)
    return {
        "dx": person["dx"],
        "extra_shared_variance": effect * person["dx"],
        "motion_level": level,
        "restless": person["restless"],
        "spikes": spikes,
        "mean_fd": float(np.nanmean(confounds["framewise_displacement"])),
        "lowest_slice_missing": short,
    }


def _write_tables(folder: Path, table: list[dict], people: list[dict]) -> None:
    columns = ("participant_id", "site", "age", "sex", "dx", "handedness", "iq")
    lines = ["\t".join(columns)]
    for person in people:
        cells = {**person, "participant_id": f"sub-{person['participant_id']}"}
        lines.append("\t".join(_cell(cells[name]) for name in columns))
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    write_json(
        folder / "participants.json",
        {
            "age": {"Description": "Age", "Units": "years"},
            "sex": {"Levels": {"F": "female", "M": "male"}},
            "dx": {"Levels": {"0": "control", "1": "case"}},
            "handedness": {"Description": "-1 left handed to 1 right handed"},
            "iq": {"Description": "Full-scale intelligence quotient"},
        },
    )
    rows = ["\t".join(table[0])]
    rows += ["\t".join(_cell(value) for value in row.values()) for row in table]
    (folder / "atlas.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    write_json(
        folder / "dataset_description.json",
        {
            "Name": "Simulated resting-state cohort",
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "neuro.simulate"}],
        },
    )


def _cell(value) -> str:
    if isinstance(value, float):
        return "n/a" if np.isnan(value) else f"{value:g}"
    return str(value)


def _write_columns(path: Path, columns: dict[str, np.ndarray]) -> None:
    values = np.column_stack(list(columns.values()))
    lines = ["\t".join(columns)]
    lines += ["\t".join([f"{value:.8g}" for value in row]) for row in values.tolist()]
    text = "\n".join(lines) + "\n"
    path.write_text(text.replace("nan", "n/a"), "utf-8")


def _write_image(path: Path, data: np.ndarray, affine: np.ndarray, tr: float | None = None) -> None:
    """NIfTI-1 in MNI space; no time stamp in the gzip header, so bytes repeat."""
    import nibabel

    image = nibabel.Nifti1Image(data, affine)
    image.set_qform(affine, code=4)
    image.set_sform(affine, code=4)
    image.header.set_xyzt_units("mm", "sec")
    if tr is not None:
        image.header["pixdim"][4] = tr
    with (
        open(path, "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
    ):
        stream.write(image.to_bytes())
