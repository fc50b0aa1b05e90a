"""Cases of hmmglm, cut from planted spike trains."""

from __future__ import annotations

from pathlib import Path

from cases.case import Case


def spike_table(folder: Path) -> None:
    """Spike times of four units, one of them all but silent, in a text table."""
    import numpy as np

    folder.mkdir()
    rng = np.random.default_rng(0)
    units = np.r_[rng.integers(0, 3, 400), 3]
    times = np.sort(rng.uniform(5, 65, len(units)))
    lines = [f"{time:.4f}\t{unit + 1}" for time, unit in zip(times, units)]
    (folder / "spikes.txt").write_text("\n".join(lines) + "\n")
    seconds = np.arange(4, 66)
    rows = [f"{t}\t{abs(t % 20 - 10)}\t{'light' if t // 7 % 2 else 'dark'}" for t in seconds]
    (folder / "room.tsv").write_text("\n".join(["time\tx\tlamp", *rows]) + "\n")


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
        "bin_s": 0.1,
        "min_rate_hz": 0.1,
        "folds": 2,
        "covariates": {
            "place": {"file": "input/room.tsv", "column": "x", "basis": "bspline", "n_basis": 3},
            "lamp": {
                "file": "input/room.tsv",
                "column": "lamp",
                "measure": "held",
                "basis": "onehot",
                "acts_on": ["emissions", "transitions"],
            },
        },
    },
}


def hmmglm(*names):
    """Result files of the planted set of the stage."""
    return tuple(f"results/hmmglm/planted/{name}" for name in names)


COUNTS = hmmglm("counts.npz", "sequences.tsv", "units.tsv")
CASES: dict[str, Case] = {
    "hmmglm_simulate": Case(
        SWITCHING,
        (),
        ("results/simulated/spikes*",),
        ("results/simulated/spikes.npz",),
        "results/simulated/spikes.npz",
    ),
    "hmmglm_bin": Case(
        SPIKES,
        ("input/spikes.txt", "input/room.tsv"),
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
    "hmmglm_ladder": Case(
        SWITCHING,
        (*COUNTS, *hmmglm("model.*")),
        hmmglm("ladder.tsv", "days.tsv"),
        hmmglm("ladder.tsv"),
        "hmmglm",
    ),
    "hmmglm_export": Case(
        SWITCHING,
        (
            *COUNTS,
            *hmmglm("sweep.tsv", "curve.tsv", "ladder.tsv", "model.*"),
            "results/simulated/spikes_truth.npz",
        ),
        hmmglm(
            "states.*",
            "dwell.tsv",
            "transitions.tsv",
            "weights.tsv",
            "prior.tsv",
            "rates.tsv",
            "covariates.tsv",
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
}
