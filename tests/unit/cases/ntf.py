"""Cases of ntf, cut from planted recordings."""

from __future__ import annotations

from common import CONVERGED

from cases.case import Case

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


def ntf(*names):
    """Result files of the planted set of the stage."""
    return tuple(f"results/ntf/simulated/{name}" for name in names)


def ntf_case(inputs, outputs, target, present=()):
    """A case of the stage, cut from a run on planted recordings."""
    return Case(
        MOTIFS, inputs, outputs, (target,), "results/ntf/report.json", present, noise=CONVERGED
    )


CALCIUM = ("results/simulated/calcium/w*.npz", "results/simulated/calcium/events.tsv")

TENSOR = ntf("tensor.npy", "axes.npz")
CASES: dict[str, Case] = {
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
            *ntf("axes.npz", "factors.npz", "null_0.npz", "rank.json"),
        ),
        ntf(
            "communities.*",
            "components.tsv",
            "recurrence.tsv",
            "baselines.tsv",
            "states.tsv",
            "transitions.tsv",
            "groups.tsv",
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
}
