"""The case of the report."""

from __future__ import annotations

from cases.adhd import adhd
from cases.case import Case
from cases.fmri import ROI

CASES: dict[str, Case] = {
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
