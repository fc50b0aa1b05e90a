"""The case of the report."""

from __future__ import annotations

from cases.adhd import adhd
from cases.braindive import IMAGINED, braindive
from cases.case import Case
from cases.demovae import CASES as demovae_cases
from cases.demovae import DEMOVAE, demovae
from cases.fmri import ROI
from cases.hmmglm import SWITCHING, hmmglm
from cases.ntf import MOTIFS, ntf

EVERY_STAGE = {
    **ROI,
    "demovae": DEMOVAE["demovae"],
    "simulate": IMAGINED["simulate"],
    "ntf": {**MOTIFS["ntf"], "n_null": 5},
    "hmmglm": {
        **SWITCHING["hmmglm"],
        "simulated": {**SWITCHING["hmmglm"]["simulated"], "n_bins": 100},
    },
    "mds": {
        "input": ["planted"],
        "planted": {"n_per_type": 8, "n_types": 2, "n_images": 300, "n_new": 4, "n_repeats": 3},
        "twin": {"epochs": 1, "min_test_corr": -1},
        "n_clusters_init": 2,
        "n_restarts": 3,
        "held_out_fraction": 0.25,
        "k_ladder": [1, 2],
    },
    "braindive": {
        **IMAGINED["braindive"],
        "objectives": ["face", "place"],
        "n_seeds": 3,
        "seed_block": 3,
    },
}
"""Settings of a run of all stages; small, so that nothing is fitted well."""

MDS = (
    *("summary.json", "clusters.tsv", "matrices.npz", "mds_stimuli.npz", "history.tsv"),
    *("restarts.tsv", "k_ladder.tsv", "assignments.tsv", "assignments_summary.json"),
    *("twins.tsv", "twin_metrics.json", "protocols.tsv"),
)

CASES: dict[str, Case] = {
    "report": Case(
        EVERY_STAGE,
        (
            "results/participants.tsv",
            "results/fmri/[!st]*",
            "results/fmri/sub-01/func/*_desc-figures_bold.npz",
            *adhd("scores.tsv", "predictions.tsv", "mask.tsv", "group_maps.tsv", "graphs.tsv"),
            *adhd("permutations.tsv", "exclusions.tsv", "report.json", "pattern.tsv"),
            *demovae("[!ls]*.tsv", "report.json", "model.json", "generation.npz"),
            *(f"results/{stage}/*.json" for stage in ("ntf", "hmmglm", "mds", "braindive")),
            *(f"results/{stage}/*.tsv" for stage in ("ntf", "hmmglm", "mds", "braindive")),
            *ntf("[!te]*.tsv", "rank.json", "factors.npz", "membership.npz", "back_projection.npz"),
            *hmmglm("*.tsv", "counts.npz", "model.json"),
            *(f"results/mds/planted/{name}" for name in MDS),
            *braindive("*_card.tsv", "*/seed-*.png", "*/seed-*.json"),
            *braindive("judged/natural/*/*-[12].png"),
        ),
        ("results/report/*.html", "results/report/methods.md", "results/report/references.bib"),
        ("results/report/index.html",),
        "all",
        ("results/report/figures/*/*.[pt][ns][gv]", "results/report/pages/*.html"),
        # ten subjects with four regions are no cohort to fit a network on
        borrowed=tuple(demovae_cases),
    ),
}
