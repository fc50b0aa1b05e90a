"""Print time and memory per rule of finished runs as a Markdown table, for docs/cluster.md.

python docs/sizes.py [RESULTS ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.pages.record import read_benchmarks

MEASURABLE = 1.0
"""Seconds; Snakemake samples the memory of shorter jobs too rarely."""


def table(folders) -> str:
    """One row per rule: jobs, CPU time of a job and largest memory."""
    found = pd.concat([read_benchmarks(Path(folder)) for folder in folders])
    found["rule"] = found["rule"].str.replace(r"_\d+$", "", regex=True)
    found = found.sort_values(["stage", "rule"])
    lines = [
        "| rule | jobs | CPU per job, s | longest, CPU s | peak, MB |",
        "|---|---|---|---|---|",
    ]
    for (_, rule), part in found.groupby(["stage", "rule"], sort=False):
        peak = part.loc[part["wall_s"] >= MEASURABLE, "rss_mb"].max()
        lines.append(
            f"| `{rule}` | {len(part)} | {_number(part['cpu_s'].median(), 1)} | "
            f"{_number(part['cpu_s'].max(), 1)} | {_number(peak, 0)} |"
        )
    return "\n".join(lines)


def _number(value, digits):
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


if __name__ == "__main__":
    print(table(sys.argv[1:] or ["results"]))
