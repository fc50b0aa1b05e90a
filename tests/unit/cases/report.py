"""The case of the report."""

from __future__ import annotations

from cases.adhd import adhd
from cases.case import Case
from cases.demovae import CASES as demovae_cases
from cases.demovae import DEMOVAE, demovae
from cases.fmri import ROI

CASES: dict[str, Case] = {
    "report": Case(
        {**ROI, "demovae": DEMOVAE["demovae"]},
        (
            "results/participants.tsv",
            "results/fmri/[!s]*",
            "results/fmri/sub-01/func/*_desc-figures_bold.npz",
            *adhd("scores.tsv", "predictions.tsv", "mask.tsv", "group_maps.tsv", "graphs.tsv"),
            *adhd("permutations.tsv", "exclusions.tsv", "report.json", "pattern.tsv"),
            *demovae("[!ls]*.tsv", "report.json", "model.json", "generation.npz"),
        ),
        ("results/report/*.html", "results/report/methods.md", "results/report/references.bib"),
        ("results/report/index.html",),
        "all",
        ("results/report/figures/*/*.[pt][ns][gv]", "results/report/pages/*.html"),
        # ten subjects with four regions are no cohort to fit a network on
        borrowed=tuple(demovae_cases),
    ),
}
