"""Cases of mds, cut from a small recording."""

from __future__ import annotations

from pathlib import Path

from cases.case import Case


def flicker(folder: Path) -> None:
    """24 units that see a flicker, ON or OFF, and a later recording of three others."""
    import numpy as np

    folder = folder / "input"
    folder.mkdir()
    rng = np.random.default_rng(0)
    stimulus = rng.integers(0, 2, (600, 1)).astype(np.float32)
    drive = np.convolve(stimulus[:, 0] - 0.5, [1.0, 0.5, 0.25])[:600]
    sign = np.array([1, -1] * 12)
    responses = drive[:, None] * sign + rng.normal(0, 0.3, (600, 24))
    responses[:, 23] = 1.0
    # Few digits and compressed: the file is part of five cases.
    np.savez_compressed(
        folder / "flicker.npz",
        stimuli=stimulus,
        responses=responses.round(1).astype(np.float32),
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
        mds("twin.json", "twin_metrics.json", "twins.tsv", "excluded_units.tsv"),
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
            *("matrices.npz", "k_ladder.tsv", "objectives.tsv", "baselines.tsv"),
            "protocols.tsv",
        ),
        *mds("clusters.tsv"),
    ),
    "mds_assign": mds_case(
        ("input/*", *mds("mds_stimuli.npz")), mds("assignments*"), *mds("assignments.tsv")
    ),
    "mds_summary": mds_case(
        (
            "input/*",
            *mds(
                *("summary.json", "twin_metrics.json"),
                *("excluded_units.tsv", "assignments_summary.json"),
            ),
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
}
