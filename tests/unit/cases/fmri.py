"""Cases of the image and region-table rules."""

from __future__ import annotations

from pathlib import Path

from cases.case import Case


def small_tables(folder: Path) -> None:
    """Region tables of three subjects, one of them too short."""
    import numpy as np
    import pandas as pd

    folder.mkdir()
    rng = np.random.default_rng(0)
    for label, n_volumes in (("01", 60), ("02", 60), ("03", 22)):
        series = rng.standard_normal((n_volumes, 4)).cumsum(axis=0).round(4)
        table = pd.DataFrame(series, columns=["a", "b", "c", "d"])
        table.to_csv(folder / f"sub-{label}_task-rest_timeseries.tsv", sep="\t", index=False)
    (folder / "participants.tsv").write_text(
        "participant_id\tsite\tage\tsex\tdx\n"
        "sub-01\tA\t9\tF\t0\nsub-02\tA\t10\tM\t1\nsub-03\tA\t11\tM\t1\n"
    )


def crop_cohort(folder: Path, size: int = 4, n_subjects: int = 10) -> None:
    """A simulated cohort cut to a box of voxels around the planted regions' centre."""
    import nibabel
    import numpy as np

    from neuro.simulate.mni import write_cohort

    write_cohort(folder, n_subjects=n_subjects, voxel_mm=12, n_volumes=60, random_state=1)
    mask = nibabel.load(next(folder.glob("sub-01/func/*mask.nii.gz")))
    centre = np.round(np.argwhere(np.asarray(mask.dataobj) > 0).mean(axis=0)).astype(int)
    box = tuple(slice(max(c - size // 2, 0), c - size // 2 + size) for c in centre)
    for path in [*folder.glob("sub-*/func/*.nii.gz"), folder / "atlas.nii.gz"]:
        image = nibabel.load(path)
        nibabel.save(image.slicer[box], path)


def raw_run(folder: Path) -> None:
    """One raw run with planted motion and slice times; a sidecar at the top says them."""
    from neuro.simulate.raw import write_raw

    write_raw(folder, n_subjects=1, voxel_mm=12, n_volumes=13, noise=0)


IMAGES = {
    "data": {"kind": "fmriprep", "root": "input"},
    "fmri": {
        "atlas": "input/atlas.nii.gz",
        "strategy": "6P",
        "scrub": False,
        "min_seconds": 60,
        "band": [0.01, 0.15],
    },
    "adhd": {
        "features": ["degree", "distdegree", "cycle3", "fc"],
        "permutations": 4,
        "bootstrap": 100,
        "pca": [2, 3],
        "repeats": 1,
        "outer_folds": 3,
        "inner_folds": 2,
        "density": 0.1,
    },
    "report": {"title": "unit test"},
}

TABLES = {
    "data": {"kind": "table", "root": "input", "tr": 2.0},
    "fmri": {"min_seconds": 60},
    "adhd": {"enabled": False},
}

ONE = {
    **IMAGES,
    "data": {**IMAGES["data"], "subjects": ["sub-01"]},
    "fmri": {**IMAGES["fmri"], "drop_volumes": 40, "min_seconds": 20, "filter": "none"},
    "adhd": {"enabled": False},
}

ROI = {**IMAGES, "adhd": {**IMAGES["adhd"], "level": "roi"}}

SIMULATED = {
    "data": {"kind": "simulated"},
    "simulate": {"n_subjects": 4, "voxel_mm": 12, "n_volumes": 40},
    "fmri": {"atlas": "simulated"},
    "adhd": {"enabled": False},
}

RAW = {
    "data": {"kind": "bids", "root": "input"},
    "fmri": {"atlas": "input/atlas.nii.gz"},
    "adhd": {"enabled": False},
}

STILL_SLICES = {**RAW, "fmri": {**RAW["fmri"], "slice_timing": "off"}}

MAPPED = {
    **IMAGES,
    "fmri": {
        **IMAGES["fmri"],
        "maps": ["alff", "falff", "reho", "seed"],
        "seeds": {"inside": [-6, -30, -6], "off": [200, 0, 0]},
        "sphere_mm": 13.0,
    },
    "adhd": {"enabled": False},
}

LEDGER = {
    **IMAGES,
    "fmri": {**IMAGES["fmri"], "compare": ["none", "6P", "36P"]},
    "adhd": {**IMAGES["adhd"], "features": ["degree"], "primary": "degree"},
}
"""The run is too short for 36 regressors."""

S1 = "sub-01/func/sub-01_task-rest"

RUN_MAPS = ("alff", "falff", "reho", "seed")

INDEX = ("input/participants.tsv", "input/sub-*/func/*bold.json", "input/sub-*/func/*.tsv")

GROUP = ("results/fmri/runs.tsv", "results/participants.tsv")
CASES: dict[str, Case] = {
    "simulate_fmri": Case(
        SIMULATED,
        (),
        ("results/simulated/*", "results/simulated/sub-01/**/*[!d].[tj]s*"),
        ("results/simulated/truth.json",),
        "results/simulated/truth.json",
        ("results/simulated/sub-*/func/*",),
    ),
    "fmri_index": Case(
        IMAGES,
        ("input/participants.tsv",),
        ("results/fmri/runs.*", "results/participants.*", "results/fmri/exclusions_index.tsv"),
        ("results/fmri/runs.tsv",),
    ),
    "fmri_slicetime": Case(
        RAW,
        ("input/sub-01/func/*", "input/*.json", "input/atlas.nii.gz"),
        (
            f"results/work/fmri/{S1}_desc-slicetimedExclusions.tsv",
            f"results/work/fmri/{S1}_desc-slicetimed_bold.json",
        ),
        (f"results/work/fmri/{S1}_desc-slicetimed_bold.nii.gz",),
        f"results/work/fmri/{S1}_desc-slicetimed_bold.nii.gz",
        (f"results/work/fmri/{S1}_desc-slicetimed_bold.nii.gz",),
    ),
    "fmri_realign": Case(
        STILL_SLICES,
        ("input/sub-01/func/*", "input/*.json", "input/atlas.nii.gz"),
        (
            f"results/work/fmri/{S1}_desc-motion_timeseries.*",
            f"results/work/fmri/{S1}_desc-epi_mask.*",
            f"results/work/fmri/{S1}_desc-preproc_bold.json",
            f"results/work/fmri/{S1}_desc-preprocExclusions.tsv",
        ),
        (f"results/work/fmri/{S1}_desc-preproc_bold.nii.gz",),
        f"results/work/fmri/{S1}_desc-preproc_bold.nii.gz",
        (f"results/work/fmri/{S1}_desc-preproc_bold.nii.gz",),
    ),
    "fmri_clean": Case(
        IMAGES,
        ("input/sub-01/func/*", "input/atlas.nii.gz"),
        (f"results/work/fmri/{S1}_desc-[!p]*", f"results/work/fmri/{S1}_outliers.tsv"),
        (f"results/work/fmri/{S1}_desc-denoised_bold.nii.gz",),
    ),
    "fmri_parcellate": Case(
        IMAGES,
        (
            "input/sub-01/func/*bold.*",
            "input/atlas.*",
            f"results/work/fmri/{S1}_desc-denoised_bold.*",
            f"results/work/fmri/{S1}_desc-brain_mask.nii.gz",
        ),
        (
            f"results/work/fmri/{S1}_atlas-*_stat-mean*",
            f"results/work/fmri/{S1}_atlas-*_stat-coverage*",
            f"results/work/fmri/{S1}_atlas-*_desc-*",
        ),
        (f"results/work/fmri/{S1}_atlas-atlas_stat-mean_timeseries.tsv",),
    ),
    "fmri_maps": Case(
        MAPPED,
        (
            "input/sub-01/func/*bold.*",
            "input/atlas.*",
            f"results/work/fmri/{S1}_desc-denoised_bold.*",
            f"results/work/fmri/{S1}_desc-brain_mask.nii.gz",
            f"results/work/fmri/{S1}_desc-confounds_timeseries.tsv",
            f"results/work/fmri/{S1}_outliers.tsv",
        ),
        (
            f"results/work/fmri/{S1}_stat-*_boldmap.*",
            *(f"results/work/fmri/{S1}_atlas-*_stat-{name}_bold.tsv" for name in RUN_MAPS),
        ),
        (f"results/work/fmri/{S1}_stat-alff_boldmap.nii.gz",),
        "results/fmri/maps.h5",
    ),
    "fmri_maps_group": Case(
        MAPPED,
        (
            *GROUP,
            "results/work/fmri/sub-*/func/*_desc-brain_mask.nii.gz",
            "results/work/fmri/sub-*/func/*_stat-*_boldmap.nii.gz",
            *(f"results/work/fmri/sub-*/func/*_atlas-*_stat-{name}_bold.tsv" for name in RUN_MAPS),
        ),
        (
            "results/fmri/maps.*",
            "results/fmri/group_maps.tsv",
            "results/fmri/group_*_*.nii.gz",
            "results/fmri/exclusions_maps.tsv",
        ),
        ("results/fmri/maps.h5",),
        "results/fmri/maps.h5",
    ),
    "fmri_compare_run": Case(
        LEDGER,
        (
            "input/sub-01/func/*bold.*",
            "input/sub-01/func/*mask.nii.gz",
            "input/sub-01/func/*confounds*",
            "input/atlas.*",
            f"results/work/fmri/{S1}_outliers.tsv",
        ),
        (
            f"results/work/fmri/{S1}_*_desc-compare_relmat.npz",
            f"results/work/fmri/{S1}_desc-compare_qc.tsv",
        ),
        (f"results/work/fmri/{S1}_desc-compare_qc.tsv",),
        "results/adhd/compare.tsv",
    ),
    "fmri_compare": Case(
        LEDGER,
        (
            GROUP[0],
            "results/fmri/regions.tsv",
            "results/work/fmri/sub-*/func/*_desc-compare_relmat.npz",
            "results/work/fmri/sub-*/func/*_desc-compare_qc.tsv",
        ),
        ("results/fmri/compare.*", "results/fmri/compare_runs.tsv"),
        ("results/fmri/compare.tsv",),
        "results/adhd/compare.tsv",
    ),
    "fmri_series": Case(
        IMAGES,
        (
            *GROUP,
            "results/work/fmri/sub-*/func/*_stat-mean_timeseries.*",
            "results/work/fmri/sub-*/func/*_stat-coverage_bold.tsv",
        ),
        ("results/fmri/timeseries.*", "results/fmri/regions.tsv"),
        ("results/fmri/timeseries.h5",),
    ),
    "fmri_table": Case(
        TABLES,
        ("input/*", "results/fmri/runs.tsv"),
        (
            "results/fmri/timeseries.*",
            "results/fmri/regions.tsv",
            "results/fmri/table_qc.tsv",
            "results/fmri/exclusions_table.tsv",
        ),
        ("results/fmri/timeseries.h5",),
        "results/fmri/timeseries.h5",
    ),
    "fmri_connectome": Case(
        IMAGES,
        ("results/fmri/timeseries.h5",),
        ("results/fmri/connectomes.*", "results/work/fmri/sub-*/func/*_relmat.tsv"),
        ("results/fmri/connectomes.h5",),
    ),
    "fmri_publish": Case(
        ONE,
        (f"results/work/fmri/{S1}_*",),
        ("results/fmri/published.tsv",),
        ("results/fmri/published.tsv",),
        "results/fmri/published.tsv",
        ("results/fmri/sub-01/func/*",),
    ),
    "fmri_qc": Case(
        IMAGES,
        (
            *GROUP,
            "results/fmri/published.tsv",
            "results/fmri/connectomes.h5",
            "results/fmri/regions.tsv",
            "results/fmri/exclusions_index.tsv",
            "results/work/fmri/sub-*/func/*_desc-qc.tsv",
            "results/work/fmri/sub-*/func/*_desc-exclusions.tsv",
            "results/work/fmri/sub-*/func/*_stat-coverage_bold.tsv",
            "results/work/fmri/sub-*/func/*_desc-preproc_timeseries.*",
        ),
        (
            "results/fmri/group_qc.*",
            "results/fmri/qc_fc.tsv",
            "results/fmri/exclusions.tsv",
            "results/fmri/dataset_description.json",
            "results/fmri/.bidsignore",
            "results/fmri/report.json",
        ),
        ("results/fmri/report.json",),
    ),
}
