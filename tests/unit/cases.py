"""The stored case of every rule: settings, what it reads, what it must write."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Case:
    """One rule's case.

    Attributes
    ----------
    config : dict
        Settings of the run.
    inputs, outputs : tuple of str
        Patterns of files below the working directory.
    targets : tuple of str
        What Snakemake is asked for.
    run_target : str
        Target of the run from which the case is cut.
    present : tuple of str
        Large files that must be written, but are not stored and compared.
    prepare : callable, optional
        Makes what the stage reads, so that only its own rules run when the case is made.
    """

    config: dict
    inputs: tuple
    outputs: tuple
    targets: tuple
    run_target: str = "all"
    present: tuple = ()
    prepare: Callable | None = None


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


def crop_cohort(folder: Path, size: int = 4) -> None:
    """A simulated cohort cut to a box of voxels around the planted regions' centre."""
    import nibabel
    import numpy as np

    from neuro.simulate.mni import write_cohort

    write_cohort(folder, n_subjects=10, voxel_mm=12, n_volumes=60, random_state=1)
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


def planted_study(folder: Path) -> None:
    """Connectomes, participants and folds of 48 planted subjects, as other stages leave them."""
    from neuro.adhd.splits import make_folds
    from neuro.io import tables
    from neuro.io.connectomes import write_connectomes
    from neuro.simulate.connectomes import planted_connectomes

    made = planted_connectomes(48, 8, 60, 5, random_state=2, effect=3)
    people = made.participants.assign(mean_fd=0.1)
    (folder / "results/fmri").mkdir(parents=True)
    (folder / "results/adhd").mkdir()
    tables.write_tsv(folder / "results/participants.tsv", people)
    keys = [f"sub-{name}_task-rest" for name in people["participant_id"]]
    write_connectomes(
        folder / "results/fmri/connectomes.h5",
        made.edges,
        people["participant_id"],
        keys,
        made.region,
        "pearson",
    )
    folds = make_folds(people.assign(site_group=people["site"]), outer_folds=3, repeats=1)
    tables.write_tsv(folder / "results/adhd/folds.tsv", folds)


def spike_table(folder: Path) -> None:
    """Spike times of four units, one of them all but silent, in a text table."""
    import numpy as np

    folder.mkdir()
    rng = np.random.default_rng(0)
    units = np.r_[rng.integers(0, 3, 400), 3]
    times = np.sort(rng.uniform(5, 65, len(units)))
    lines = [f"{time:.4f}\t{unit + 1}" for time, unit in zip(times, units)]
    (folder / "spikes.txt").write_text("\n".join(lines) + "\n")


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
SCENES = {
    "data": {"kind": "none"},
    "simulate": {"scenes": {"n_train": 10, "n_test": 3, "n_per_roi": 2}},
}
IMAGINED = {
    "data": {"kind": "none"},
    "hmmglm": {"enabled": False},
    "simulate": {"scenes": {"n_train": 16, "n_test": 3, "n_per_roi": 2, "noise": 0.2}},
    "braindive": {
        "enabled": True,
        "objectives": ["face"],
        "encoder": {"backbone": "pixels"},
        "independent": {"backbone": "gabor"},
        "judge": {"type": "none"},
        "generator": {
            "vae_channels": [8, 8, 8],
            "vae_steps": 3,
            "unet_channels": [16, 16],
            "unet_steps": 3,
        },
        "n_seeds": 2,
        "seed_block": 2,
        "steps": 2,
        "min_voxels": 2,
        "min_r2": -1000000,
        "device": "cpu",
    },
}
"""Networks of no quality in a few milliseconds: the rules are tested, not the pictures."""
SWITCHING = {
    "data": {"kind": "none"},
    "hmmglm": {
        "input": ["simulated"],
        "simulated": {"n_sequences": 4, "n_bins": 150, "n_neurons": 4, "n_states": 2},
        "model": ["gaussian", "onehot"],
        "n_states": [1, 2],
        "n_starts": 2,
        "folds": 2,
    },
}
SINGLE_FITS = {**SWITCHING, "hmmglm": {**SWITCHING["hmmglm"], "grid": "jobs"}}
SPIKES = {
    "data": {"kind": "none"},
    "hmmglm": {
        "input": ["spikes"],
        "sets": {"one": "input/spikes.txt"},
        "segment_s": 10,
        "min_rate_hz": 0.1,
        "folds": 2,
    },
}
MOTIFS = {
    "data": {"kind": "none"},
    "ntf": {
        "sources": ["simulated"],
        "simulated": {"n_animals": 3, "n_neurons": 12, "n_conditions": 2, "epoch_s": 20.0},
        "ranks": [2, 3],
        "n_starts": 2,
        "n_null": 2,
    },
}
S1 = "sub-01/func/sub-01_task-rest"
INDEX = ("input/participants.tsv", "input/sub-*/func/*bold.json", "input/sub-*/func/*.tsv")
GROUP = ("results/fmri/runs.tsv", "results/participants.tsv")
ADHD_IN = tuple(f"results/adhd/{name}" for name in ("features.h5", "subjects.tsv", "folds.tsv"))


def adhd(*names):
    """Result files of the stage with their sidecars."""
    return tuple(f"results/adhd/{name}" for name in names)


DEMOVAE = {
    "data": {"kind": "simulated"},
    "fmri": {"atlas": "simulated", "connectome": "pearson"},
    "adhd": {"bootstrap": 100},
    "demovae": {
        "latent_dim": 3,
        "latent_dims": [3, 200],
        "hidden": 20,
        "n_epochs": 5,
        "n_samples": 12,
        "permutations": 3,
        "folds": 3,
        "planted": {"n_subjects": 60, "n_regions": 8, "latent_dim": 4},
    },
}
STUDY = ("results/fmri/connectomes.h5", "results/participants.tsv")


def demovae(*names):
    """Result files of the stage."""
    return tuple(f"results/demovae/{name}" for name in names)


def demovae_case(inputs, outputs, target, present=()):
    """A case of the stage, cut from its own rules on a planted study."""
    return Case(
        DEMOVAE,
        inputs,
        demovae(*outputs),
        demovae(target),
        "results/demovae/report.json",
        demovae(*present),
        planted_study,
    )


def ntf(*names):
    """Result files of the planted set of the stage."""
    return tuple(f"results/ntf/simulated/{name}" for name in names)


def ntf_case(inputs, outputs, target, present=()):
    """A case of the stage, cut from a run on planted recordings."""
    return Case(MOTIFS, inputs, outputs, (target,), "results/ntf/report.json", present)


CALCIUM = ("results/simulated/calcium/w*.npz", "results/simulated/calcium/events.tsv")
TENSOR = ntf("tensor.npy", "axes.npz")


def hmmglm(*names):
    """Result files of the planted set of the stage."""
    return tuple(f"results/hmmglm/planted/{name}" for name in names)


COUNTS = hmmglm("counts.npz", "sequences.tsv", "units.tsv")


def braindive(*names):
    """Result files of the stage's planted data set."""
    return tuple(f"results/braindive/scenes/{name}" for name in names)


def flicker(folder: Path) -> None:
    """Eight units that see a flicker, ON or OFF, and a later recording of three others."""
    import numpy as np

    folder = folder / "input"
    folder.mkdir()
    rng = np.random.default_rng(0)
    stimulus = rng.integers(0, 2, (600, 1)).astype(np.float32)
    drive = np.convolve(stimulus[:, 0] - 0.5, [1.0, 0.5, 0.25])[:600]
    sign = np.array([1, -1] * 4)
    responses = drive[:, None] * sign + rng.normal(0, 0.3, (600, 8))
    responses[:, 7] = 1.0
    np.savez(
        folder / "flicker.npz",
        stimuli=stimulus,
        responses=responses.astype(np.float32),
        known_type=np.where(sign > 0, "ON", "OFF"),
        fs=50.0,
    )
    new = np.array([[3.0, 0.2, 1.0], [0.5, 2.0, 1.0]])
    np.savez(folder / "new.npz", responses=new)


MDS = {
    "data": {"kind": "none"},
    "mds": {
        "input": ["input/flicker.npz"],
        "new_recording": "input/new.npz",
        "twin": {"n_lags": 6},
        "n_clusters_init": 2,
        "n_restarts": 2,
        "k_ladder": [2],
    },
}
PLANTED_CELLS = {
    "data": {"kind": "none"},
    "mds": {
        "input": ["planted"],
        "planted": {"n_per_type": 3, "n_types": 2, "n_images": 100, "n_new": 2, "n_repeats": 2},
        "twin": {"epochs": 1, "min_test_corr": -1},
        "n_clusters_init": 2,
        "n_restarts": 1,
        "held_out_fraction": 0,
    },
}


def mds(*names):
    """Result files of the flicker set of the stage."""
    return tuple(f"results/mds/flicker/{name}" for name in names)


def mds_case(inputs, outputs, target, present=()):
    """A case of the stage, cut from its own rules on a small recording."""
    return Case(MDS, inputs, outputs, (target,), "results/mds/report.json", present, flicker)


CASES: dict[str, Case] = {
    "mds_simulate": Case(
        PLANTED_CELLS,
        (),
        ("results/simulated/mds/planted.json", "results/simulated/mds/truth.npz"),
        ("results/simulated/mds/planted.h5",),
        "results/mds/report.json",
        ("results/simulated/mds/planted.h5",),
    ),
    "mds_present": Case(
        PLANTED_CELLS,
        ("results/simulated/mds/truth.npz", "results/mds/planted/mds_stimuli.npz"),
        ("results/simulated/mds/new_cells.npz",),
        ("results/simulated/mds/new_cells.npz",),
        "results/mds/report.json",
    ),
    "mds_twin": mds_case(
        ("input/*",),
        mds("twin.json", "twin_metrics.json", "excluded_units.tsv"),
        *mds("twin.pt"),
        mds("twin.pt"),
    ),
    "mds_cluster": mds_case(
        ("input/*", *mds("twin.pt")), mds("runs/part_0.npz"), *mds("runs/part_0.npz")
    ),
    "mds_select": mds_case(
        ("input/*", *mds("twin.pt", "runs/part_0.npz", "excluded_units.tsv")),
        mds(
            *("clusters.*", "mds_stimuli.npz", "summary.json", "restarts.tsv", "history.tsv"),
            *("matrices.npz", "k_ladder.tsv", "objectives.tsv"),
        ),
        *mds("clusters.tsv"),
    ),
    "mds_assign": mds_case(
        ("input/*", *mds("mds_stimuli.npz")), mds("assignments*"), *mds("assignments.tsv")
    ),
    "mds_summary": mds_case(
        (
            "input/*",
            *mds("summary.json", "excluded_units.tsv", "assignments_summary.json"),
        ),
        tuple(
            f"results/mds/{name}"
            for name in (
                "sets.tsv",
                "exclusions.tsv",
                "dataset_description.json",
                ".bidsignore",
                "report.json",
            )
        ),
        "results/mds/report.json",
    ),
    "braindive_generator": Case(
        IMAGINED,
        ("results/simulated/scenes.h5",),
        braindive("generator/recipe.json", "generator/*/*.json"),
        braindive("generator"),
        "results/braindive/report.json",
        braindive("generator/manifest.json", "generator/*.npy", "generator/*/*.safetensors"),
    ),
    "braindive_encode": Case(
        IMAGINED,
        ("results/simulated/scenes.h5",),
        braindive("encoder_card.tsv", "independent_card.tsv"),
        braindive("encoder_card.tsv", "independent_card.tsv"),
        "results/braindive/report.json",
        braindive("encoder.safetensors", "independent.safetensors"),
    ),
    "braindive_sample": Case(
        IMAGINED,
        braindive(
            "encoder.safetensors",
            "encoder_card.tsv",
            "generator/*.json",
            "generator/*/*",
        ),
        braindive("face/block-0.tsv", "face/*.png"),
        braindive("face/block-0.tsv"),
        "results/braindive/report.json",
        braindive("face/*.json"),
    ),
    "braindive_judge": Case(
        IMAGINED,
        (
            "results/simulated/scenes.h5",
            *braindive("*.safetensors", "*_card.tsv", "face/*.png", "face/*.tsv"),
        ),
        (
            "results/braindive/*.tsv",
            "results/braindive/report.json",
            "results/braindive/dataset_description.json",
            "results/braindive/.bidsignore",
        ),
        ("results/braindive/report.json",),
        "results/braindive/report.json",
        ("results/braindive/natural/face/*.png",),
    ),
    "simulate_scenes": Case(
        SCENES,
        (),
        ("results/simulated/scenes.*",),
        ("results/simulated/scenes.h5",),
        "results/simulated/scenes.h5",
    ),
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
        ("input/sub-01/func/*", "input/task-*.json", "input/atlas.nii.gz"),
        (
            f"results/fmri/{S1}_desc-slicetimedExclusions.tsv",
            f"results/fmri/{S1}_desc-slicetimed_bold.json",
        ),
        (f"results/fmri/{S1}_desc-slicetimed_bold.nii.gz",),
        f"results/fmri/{S1}_desc-slicetimed_bold.nii.gz",
        (f"results/fmri/{S1}_desc-slicetimed_bold.nii.gz",),
    ),
    "fmri_realign": Case(
        STILL_SLICES,
        ("input/sub-01/func/*", "input/task-*.json", "input/atlas.nii.gz"),
        (
            f"results/fmri/{S1}_desc-motion_timeseries.*",
            f"results/fmri/{S1}_desc-epi_mask.*",
            f"results/fmri/{S1}_desc-preproc_bold.json",
            f"results/fmri/{S1}_desc-preprocExclusions.tsv",
        ),
        (f"results/fmri/{S1}_desc-preproc_bold.nii.gz",),
        f"results/fmri/{S1}_desc-preproc_bold.nii.gz",
        (f"results/fmri/{S1}_desc-preproc_bold.nii.gz",),
    ),
    "fmri_clean": Case(
        IMAGES,
        ("input/sub-01/func/*", "input/atlas.nii.gz"),
        (f"results/fmri/{S1}_desc-[!p]*", f"results/fmri/{S1}_outliers.tsv"),
        (f"results/fmri/{S1}_desc-denoised_bold.nii.gz",),
    ),
    "fmri_parcellate": Case(
        IMAGES,
        (
            "input/sub-01/func/*bold.*",
            "input/atlas.*",
            f"results/fmri/{S1}_desc-denoised_bold.*",
            f"results/fmri/{S1}_desc-brain_mask.nii.gz",
        ),
        (
            f"results/fmri/{S1}_atlas-*_stat-mean*",
            f"results/fmri/{S1}_atlas-*_stat-coverage*",
            f"results/fmri/{S1}_atlas-*_desc-*",
        ),
        (f"results/fmri/{S1}_atlas-atlas_stat-mean_timeseries.tsv",),
    ),
    "fmri_series": Case(
        IMAGES,
        (
            *GROUP,
            "results/fmri/sub-*/func/*_stat-mean_timeseries.*",
            "results/fmri/sub-*/func/*_stat-coverage_bold.tsv",
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
        ("results/fmri/connectomes.*", "results/fmri/sub-*/func/*_relmat.tsv"),
        ("results/fmri/connectomes.h5",),
    ),
    "fmri_qc": Case(
        IMAGES,
        (
            *GROUP,
            "results/fmri/connectomes.h5",
            "results/fmri/regions.tsv",
            "results/fmri/exclusions_index.tsv",
            "results/fmri/sub-*/func/*_desc-qc.tsv",
            "results/fmri/sub-*/func/*_desc-exclusions.tsv",
            "results/fmri/sub-*/func/*_stat-coverage_bold.tsv",
            "results/fmri/sub-*/func/*_desc-preproc_timeseries.*",
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
    "adhd_mask": Case(
        IMAGES,
        ("input/atlas.*", "results/fmri/sub-*/func/*_desc-brain_mask.nii.gz"),
        adhd("group_mask.*", "group_coverage.nii.gz", "group_dseg.*", "regions.tsv"),
        ("results/adhd/group_mask.nii.gz",),
    ),
    "adhd_graph": Case(
        IMAGES,
        (f"results/fmri/{S1}_desc-denoisedSmoothed_bold.*", "results/adhd/group_mask.nii.gz"),
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
            "results/fmri/sub-*/func/*_desc-brain_mask.nii.gz",
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
    "demovae_fit": demovae_case(
        STUDY, ("history.tsv", "exclusions_fit.tsv", "model.json"), "model.npz", ("model.npz",)
    ),
    "demovae_features": demovae_case(
        (*STUDY, *demovae("model.npz")), ("latents.*", "deconfounded.*"), "latents.tsv"
    ),
    "demovae_sample": demovae_case(
        (*STUDY, *demovae("model.npz")), ("synthetic*",), "synthetic.npz"
    ),
    "demovae_evaluate": demovae_case(
        (*STUDY, "results/adhd/folds.tsv"),
        ("readouts.*", "associations.*", "reconstruction.*"),
        "readouts.tsv",
    ),
    "demovae_generation": demovae_case(
        STUDY, ("generation.*", "map_comparison.*"), "generation.tsv"
    ),
    "demovae_diagnosis": demovae_case(
        (*STUDY, "results/adhd/folds.tsv"),
        ("dx_without_demographics.*", "exclusions_diagnosis.tsv"),
        "dx_without_demographics.tsv",
    ),
    "demovae_planted": demovae_case((), ("planted.*",), "planted.tsv"),
    "demovae_summary": demovae_case(
        demovae(
            *("readouts.tsv", "associations.tsv", "reconstruction.tsv", "generation.tsv"),
            *("map_comparison.tsv", "dx_without_demographics.tsv", "exclusions_*.tsv"),
            *("planted.tsv", "model.npz", "latents.tsv", "synthetic.npz"),
        ),
        ("exclusions.tsv", "dataset_description.json", ".bidsignore", "report.json"),
        "report.json",
    ),
    "hmmglm_simulate": Case(
        SWITCHING,
        (),
        ("results/simulated/spikes*",),
        ("results/simulated/spikes.npz",),
        "results/simulated/spikes.npz",
    ),
    "hmmglm_bin": Case(
        SPIKES,
        ("input/spikes.txt",),
        tuple(
            f"results/hmmglm/one/{name}"
            for name in ("counts.*", "sequences.tsv", "units.tsv", "exclusions.tsv")
        ),
        ("results/hmmglm/one/counts.npz",),
        "results/hmmglm/one/counts.npz",
    ),
    "hmmglm_fit": Case(
        SWITCHING,
        COUNTS,
        hmmglm("fits/K-2.npz", "fits/K-2.tsv"),
        hmmglm("fits/K-2.npz"),
        "hmmglm",
    ),
    "hmmglm_fit_one": Case(
        SINGLE_FITS,
        COUNTS,
        hmmglm("fits/K-2_fold-1_start-0.npz", "fits/K-2_fold-1_start-0.tsv"),
        hmmglm("fits/K-2_fold-1_start-0.npz"),
        "results/hmmglm/planted/fits/K-2.npz",
    ),
    "hmmglm_select": Case(
        SWITCHING,
        (*COUNTS, *hmmglm("fits/*")),
        hmmglm("sweep.tsv", "curve.tsv", "restarts.tsv", "convergence.tsv", "model.*"),
        hmmglm("model.npz"),
        "hmmglm",
    ),
    "hmmglm_export": Case(
        SWITCHING,
        (
            *COUNTS,
            *hmmglm("sweep.tsv", "curve.tsv", "model.*"),
            "results/simulated/spikes_truth.npz",
        ),
        hmmglm(
            "states.*",
            "dwell.tsv",
            "transitions.tsv",
            "weights.tsv",
            "prior.tsv",
            "rates.tsv",
            "events_aligned.tsv",
            "graphs/*",
            "report.json",
        ),
        hmmglm("report.json"),
        "hmmglm",
    ),
    "hmmglm_summary": Case(
        SWITCHING,
        hmmglm("report.json", "exclusions.tsv"),
        tuple(
            f"results/hmmglm/{name}"
            for name in (
                "exclusions.tsv",
                "sets.tsv",
                "dataset_description.json",
                ".bidsignore",
                "report.json",
            )
        ),
        ("results/hmmglm/report.json",),
        "hmmglm",
    ),
    "ntf_simulate": ntf_case(
        (),
        ("results/simulated/calcium/*",),
        "results/simulated/calcium/events.tsv",
    ),
    "ntf_tensor": ntf_case(CALCIUM, ntf("axes.*"), TENSOR[0], TENSOR[:1]),
    "ntf_rank": ntf_case(TENSOR, ntf("rank_sweep.*", "rank.json"), *ntf("rank.json")),
    "ntf_factorize": ntf_case(
        (*TENSOR, *ntf("rank.json")),
        ntf("factors.*", "presence.tsv", "time_map.tsv"),
        *ntf("factors.npz"),
    ),
    "ntf_null": ntf_case((*CALCIUM, *ntf("rank.json")), ntf("null_0.npz"), *ntf("null_0.npz")),
    "ntf_communities": ntf_case(
        (
            *CALCIUM[:1],
            "results/simulated/calcium/truth.tsv",
            *ntf("axes.npz", "factors.npz", "null_0.npz"),
        ),
        ntf(
            "communities.*",
            "components.tsv",
            "nulls.tsv",
            "membership.npz",
            "back_projection.npz",
            "known.tsv",
            "motifs/*.tsv",
            "exclusions.tsv",
            "report.json",
        ),
        *ntf("report.json"),
        ntf("motifs/*.graphml"),
    ),
    "ntf_summary": ntf_case(
        ntf("report.json", "exclusions.tsv"),
        (
            "results/ntf/sets.tsv",
            "results/ntf/exclusions.tsv",
            "results/ntf/dataset_description.json",
            "results/ntf/.bidsignore",
            "results/ntf/report.json",
        ),
        "results/ntf/report.json",
    ),
    "report": Case(
        ROI,
        (
            "results/participants.tsv",
            "results/fmri/[!s]*",
            *adhd("scores.tsv", "predictions.tsv", "mask.tsv", "group_maps.tsv", "graphs.tsv"),
            *adhd("permutations.tsv", "exclusions.tsv", "report.json", "pattern.tsv"),
        ),
        ("results/report/*.html", "results/report/methods.md", "results/report/references.bib"),
        ("results/report/index.html",),
        "all",
        ("results/report/figures/*/*.png",),
    ),
}
"""One case per rule with a body."""
