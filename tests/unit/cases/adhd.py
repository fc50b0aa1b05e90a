"""Cases of the diagnosis."""

from __future__ import annotations

from cases.case import Case
from cases.fmri import GROUP, IMAGES, LEDGER, ROI, S1

ADHD_IN = tuple(f"results/adhd/{name}" for name in ("features.h5", "subjects.tsv", "folds.tsv"))


TARGETS = {
    **IMAGES,
    "adhd": {**IMAGES["adhd"], "targets": {"age": "number", "sex": "classes"}},
}


GROUP_TESTS = {
    **ROI,
    "adhd": {
        **ROI["adhd"],
        "group": {
            "enabled": True,
            "covariates": ["mean_fd"],
            "permutations": 60,
            "component_p": 0.05,
        },
    },
}


def adhd(*names):
    """Result files of the stage with their sidecars."""
    return tuple(f"results/adhd/{name}" for name in names)


CASES: dict[str, Case] = {
    "adhd_mask": Case(
        IMAGES,
        ("input/atlas.*", "results/work/fmri/sub-*/func/*_desc-brain_mask.nii.gz"),
        adhd("group_mask.*", "group_coverage.nii.gz", "group_dseg.*", "regions.tsv"),
        ("results/adhd/group_mask.nii.gz",),
    ),
    "adhd_graph": Case(
        IMAGES,
        (f"results/work/fmri/{S1}_desc-denoisedSmoothed_bold.*", "results/adhd/group_mask.nii.gz"),
        (f"results/adhd/{S1}_*",),
        (f"results/adhd/{S1}_desc-graph.json",),
    ),
    "adhd_graph_roi": Case(
        ROI,
        ("results/fmri/timeseries.h5", "results/fmri/regions.tsv"),
        adhd("roi_maps.*", "graphs_roi.tsv"),
        ("results/adhd/roi_maps.h5",),
        "results/adhd/roi_maps.h5",
    ),
    "adhd_features": Case(
        IMAGES,
        (
            *GROUP,
            "results/fmri/group_qc.tsv",
            "results/fmri/connectomes.h5",
            "results/work/fmri/sub-*/func/*_desc-brain_mask.nii.gz",
            *adhd("group_mask.nii.gz", "group_dseg.nii.gz", "regions.tsv"),
            *adhd("sub-*/func/*_stat-[dc]*[e3]_boldmap.nii.gz", "sub-*/func/*_desc-graph.json"),
        ),
        adhd("features.*", "subjects.tsv", "folds.*", "graphs.tsv", "exclusions_features.tsv"),
        ("results/adhd/features.h5",),
    ),
    "adhd_diagnose": Case(
        IMAGES,
        ADHD_IN,
        adhd(
            "predictions.*",
            "absent_baselines.tsv",
            "exclusions_diagnose.tsv",
            "mask.tsv",
            "pattern.tsv",
            "model.*",
        ),
        ("results/adhd/predictions.tsv",),
    ),
    "adhd_targets": Case(
        TARGETS,
        ADHD_IN,
        adhd("targets.*", "target_predictions.tsv", "exclusions_targets.tsv"),
        ("results/adhd/targets.tsv",),
        "results/adhd/targets.tsv",
    ),
    "adhd_group": Case(
        GROUP_TESTS,
        ("results/fmri/connectomes.h5", *ADHD_IN[:2]),
        adhd("group/*", "exclusions_group.tsv"),
        ("results/adhd/group/edges.tsv",),
        "results/adhd/group/edges.tsv",
    ),
    "adhd_compare": Case(
        LEDGER,
        ("results/fmri/compare.h5", *ADHD_IN[1:]),
        adhd("compare.*", "exclusions_compare.tsv"),
        ("results/adhd/compare.tsv",),
        "results/adhd/compare.tsv",
    ),
    "adhd_permute": Case(
        IMAGES,
        ADHD_IN,
        ("results/adhd/permutations/chunk-0.tsv",),
        ("results/adhd/permutations/chunk-0.tsv",),
    ),
    "adhd_summary": Case(
        IMAGES,
        (
            *ADHD_IN[:2],
            "results/adhd/permutations/*.tsv",
            *adhd("predictions.tsv", "absent_baselines.tsv", "pattern.tsv", "regions.tsv"),
            *adhd("exclusions_features.tsv", "exclusions_diagnose.tsv", "group_mask.nii.gz"),
        ),
        adhd(
            "scores.*",
            "permutations.tsv",
            "group_maps.tsv",
            "group_*_*.nii.gz",
            "pattern_*.nii.gz",
            "exclusions.tsv",
            "dataset_description.json",
            ".bidsignore",
            "report.json",
        ),
        ("results/adhd/report.json",),
    ),
}
