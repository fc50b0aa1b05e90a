"""Print the table of the ADHD-200 run (docs/adhd/adhd200.md) from a results folder.

`python docs/adhd200_table.py results` after `snakemake --configfile configs/adhd200.yaml`.
"""

import sys
from pathlib import Path

import pandas as pd

ROWS = {
    ("site", "none"): "site only",
    ("phenotype", "none"): "phenotype only (age, sex, IQ, handedness)",
    ("phenotype+site", "none"): "phenotype and site",
    ("cycle3", "mask"): "**3-cycles with mask (primary)**",
    ("cycle3", "none"): "3-cycles",
    ("degree", "mask"): "degree with mask",
    ("degree", "none"): "degree",
    ("distdegree", "mask"): "degree by distance with mask",
    ("distdegree", "none"): "degree by distance",
    ("fc", "none"): "6,670 connectome edges, linear SVM",
    ("cycle3+phenotype", "none"): "3-cycles and phenotype",
}


def cell(row) -> str:
    """Value, interval and null of one score."""
    if row is None:
        return "-"
    text = f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
    if pd.notna(row["null_mean"]):
        text += f", null {row['null_mean']:.3f}"
    if pd.notna(row["p"]):
        text += f", p {'< .001' if row['p'] < 0.001 else format(row['p'], '.3f')}"
    return text


def table(results: Path) -> str:
    """Markdown table of balanced accuracies."""
    scores = pd.read_csv(results / "adhd/scores.tsv", sep="\t", na_values=["n/a"])
    scores = scores[(scores["fold"] == "all") & (scores["metric"] == "balanced_accuracy")]
    found = {(row["scheme"], row["input"], row["mask"]): row for row in scores.to_dict("records")}
    lines = ["| input | pooled, 5 folds x 5 | leave one site out |", "|---|---|---|"]
    for (name, mask), label in ROWS.items():
        cells = [cell(found.get((s, name, mask))) for s in ("pooled", "leave_site_out")]
        lines.append(f"| {label} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
