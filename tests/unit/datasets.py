"""Small data sets in every layout that the workflow reads, made by the tests themselves."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np


def tiny(folder: Path, subjects=("01", "02"), n_volumes=260, seed=0) -> Path:
    """fMRIPrep derivatives of a few voxels: noise, still heads, tissue signals, two regions."""
    import nibabel
    import pandas as pd

    rng = np.random.default_rng(seed)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -10
    inside = np.zeros((6, 6, 6), dtype=np.uint8)
    inside[1:5, 1:5, 1:5] = 1
    labels = np.where(np.arange(6)[:, None, None] < 3, 1, 2) * inside
    folder.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels.astype(np.int16), affine), folder / "atlas.nii.gz")
    names = [*(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")]
    names += ["csf", "white_matter", "global_signal"]
    for label in subjects:
        func = folder / f"sub-{label}" / "func"
        func.mkdir(parents=True)
        base, grid = f"sub-{label}_task-rest", f"sub-{label}_task-rest_space-MNI_desc"
        data = (1000 + rng.normal(0, 10, (6, 6, 6, n_volumes))).astype(np.float32)
        image = nibabel.Nifti1Image(data, affine)
        image.header.set_zooms((4, 4, 4, 2.0))
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, func / f"{grid}-preproc_bold.nii.gz")
        nibabel.save(nibabel.Nifti1Image(inside, affine), func / f"{grid}-brain_mask.nii.gz")
        (func / f"{grid}-preproc_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
        values = rng.normal(0, 1, (n_volumes, 9)) * np.array([0.01] * 3 + [2e-4] * 3 + [5] * 3)
        table = pd.DataFrame(values, columns=names)
        table.to_csv(func / f"{base}_desc-confounds_timeseries.tsv", sep="\t", index=False)
    return folder


def file_of(folder: Path, label: str, ending: str) -> Path:
    """A file of one subject of a data set, by the end of its name."""
    return next((folder / f"sub-{label}").rglob(f"*{ending}"))


def spoil(folder: Path) -> dict:
    """Break one run of each subject from 03 on, in the ways that laboratories know.

    Returns
    -------
    dict
        Label to a piece of the line that must name what is wrong.
    """
    import nibabel
    import pandas as pd

    def image_of(label, ending):
        path = file_of(folder, label, ending)
        return path, nibabel.load(path)

    told = {}
    path = file_of(folder, "03", "_bold.nii.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told["03"] = "the file is cut off"
    path, image = image_of("04", "_bold.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj)[..., 0], image.affine), path)
    told["04"] = "3D image of shape (6, 6, 6), expected 4D"
    path, image = image_of("05", "_bold.nii.gz")
    data = np.asarray(image.dataobj)
    image = nibabel.Nifti1Image(data, image.affine, image.header)
    image.header.set_zooms((4, 4, 4, 3.0))
    nibabel.save(image, path)
    told["05"] = "sampling interval is 2 s in the sidecar but 3 s in the header"
    path = file_of(folder, "06", "_timeseries.tsv")
    pd.read_csv(path, sep="\t").drop(columns="csf").to_csv(path, sep="\t", index=False)
    told["06"] = "no column 'csf', needed by strategy '36P'"
    path = file_of(folder, "07", "_timeseries.tsv")
    table = pd.read_csv(path, sep="\t")
    table["trans_x"] = 3.0 * (np.arange(len(table)) % 2)
    table.to_csv(path, sep="\t", index=False)
    told["07"] = "no volume left after censoring"
    path, image = image_of("08", "_mask.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 6), np.uint8), image.affine), path)
    told["08"] = "grid 5x6x6 differs from 6x6x6"
    file_of(folder, "09", "_bold.json").write_text("{not json")
    told["09"] = "not readable as JSON"
    path = file_of(folder, "10", "_timeseries.tsv")
    pd.read_csv(path, sep="\t").iloc[:-7].to_csv(path, sep="\t", index=False)
    told["10"] = "253 rows"
    return told


def fmriprep(
    folder: Path, n_subjects=4, sessions=("1", "2"), runs=("1", "2"), n_volumes=240, voxel_mm=12
) -> Path:
    """fMRIPrep derivatives with sessions and runs: small images with a planted cohort."""
    from neuro.simulate.mni import write_cohort

    folder.mkdir(parents=True)
    seed = 0
    for session in sessions:
        for run in runs:
            with tempfile.TemporaryDirectory() as top:
                write_cohort(
                    top, n_subjects, voxel_mm=voxel_mm, n_volumes=n_volumes, random_state=seed
                )
                seed += 1
                for source in Path(top).rglob("*"):
                    if source.is_file():
                        _move(source, Path(top), folder, session, run)
    return folder


def _move(source, top, folder, session, run):
    """A file of the cohort under the name that has session and run."""
    inside = source.relative_to(top)
    if not inside.parts[0].startswith("sub-"):
        if not (folder / inside).exists():
            shutil.copy(source, folder / inside)
        return
    label, _, name = inside.parts
    name = name.replace(f"{label}_task-rest", f"{label}_ses-{session}_task-rest_run-{run}")
    target = folder / label / f"ses-{session}" / "func" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def xcpd(folder: Path, n_subjects=3, n_volumes=160, outliers=(40, 41, 90), images=True) -> dict:
    """XCP-D derivatives: outliers are absent from denoised images and region tables.

    Returns
    -------
    dict
        Run key to the denoised series inside the mask, (n_kept, n_voxels).
    """
    import nibabel
    import pandas as pd

    from neuro.simulate.mni import write_cohort

    series = {}
    with tempfile.TemporaryDirectory() as top:
        write_cohort(top, n_subjects, voxel_mm=12, n_volumes=n_volumes, random_state=3)
        for bold in sorted(Path(top).rglob("*_desc-preproc_bold.nii.gz")):
            key = bold.name.split("_space-")[0]
            func = folder / key.split("_")[0] / "func"
            func.mkdir(parents=True, exist_ok=True)
            mask = bold.with_name(bold.name.replace("preproc_bold", "brain_mask"))
            inside = np.asarray(nibabel.load(mask).dataobj) > 0
            image = nibabel.load(bold)
            values = np.asarray(image.dataobj)[inside].T.astype(np.float64)
            values = (values - values.mean(axis=0)).astype(np.float32)
            flags = np.zeros(n_volumes, dtype=int)
            flags[list(outliers)] = 1
            values = values[flags == 0]
            series[key] = values
            motion = pd.read_csv(
                bold.with_name(f"{key}_desc-confounds_timeseries.tsv"), sep="\t", na_values="n/a"
            )
            names = [*(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")]
            motion = motion[[*names, "framewise_displacement"]]
            motion.to_csv(func / f"{key}_motion.tsv", sep="\t", index=False, na_rep="n/a")
            table = pd.DataFrame({"framewise_displacement": flags})
            table.to_csv(func / f"{key}_outliers.tsv", sep="\t", index=False)
            stem = f"{key}_space-MNI152NLin2009aSym"
            if images:
                data = np.zeros((*inside.shape, len(values)), dtype=np.float32)
                data[inside] = values.T
                out = nibabel.Nifti1Image(data, image.affine)
                out.header.set_zooms((*image.header.get_zooms()[:3], 2.0))
                out.header.set_xyzt_units("mm", "sec")
                nibabel.save(out, func / f"{stem}_desc-denoised_bold.nii.gz")
                shutil.copy(mask, func / f"{stem}_desc-brain_mask.nii.gz")
                side = func / f"{stem}_desc-denoised_bold.json"
            else:
                regions = pd.DataFrame(values[:, :60], columns=[f"r{k}" for k in range(60)])
                regions.to_csv(
                    func / f"{stem}_seg-Gordon_stat-mean_timeseries.tsv", sep="\t", index=False
                )
                side = func / f"{stem}_seg-Gordon_stat-mean_timeseries.json"
            side.write_text(json.dumps({"RepetitionTime": 2.0}))
        for name in ("participants.tsv", "atlas.nii.gz", "atlas.tsv"):
            shutil.copy(Path(top) / name, folder / name)
    return series


def nifti(folder: Path, n_subjects=3, n_volumes=160) -> Path:
    """Template images with masks and six motion columns as bare text, nothing else."""
    import pandas as pd

    from neuro.simulate.mni import write_cohort

    with tempfile.TemporaryDirectory() as top:
        write_cohort(top, n_subjects, voxel_mm=12, n_volumes=n_volumes, random_state=4)
        for bold in sorted(Path(top).rglob("*_desc-preproc_bold.nii.gz")):
            key = bold.name.split("_space-")[0]
            place = folder / key.split("_")[0]
            place.mkdir(parents=True, exist_ok=True)
            mask = bold.with_name(bold.name.replace("preproc_bold", "brain_mask"))
            shutil.copy(bold, place / f"{key}_bold.nii.gz")
            shutil.copy(mask, place / f"{key}_mask.nii.gz")
            table = pd.read_csv(
                bold.with_name(f"{key}_desc-confounds_timeseries.tsv"), sep="\t", na_values="n/a"
            )
            names = [*(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")]
            np.savetxt(place / f"{key}_motion.txt", table[names].to_numpy(), fmt="%.6f")
        for name in ("participants.tsv", "atlas.nii.gz", "atlas.tsv"):
            shutil.copy(Path(top) / name, folder / name)
    return folder
