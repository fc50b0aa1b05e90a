"""Parts of the page of `demovae`: the ways of removal side by side, and what may be shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.report.figures import demovae as figures
from neuro.report.site import model
from neuro.report.site.tables import read_table

_NEAR = 0.6
"""Share of samples nearer to training people above which they should stay at home (ours)."""
_TOLD = 0.55
"""Upper bound of an attack's AUC above which samples should stay at home (ours)."""


def compared(folder: Path) -> list:
    """The referee: one line per way of removing demographics and bottleneck."""
    table = read_table(folder / "compare_summary.tsv")
    if table is None or not len(table):
        return []
    rows = [
        {**row, "bottleneck": "none" if row["bottleneck"] == 0 else str(row["bottleneck"])}
        for row in table.to_dict("records")
    ]
    columns = [model.Column("method", "Method"), model.Column("bottleneck", "Bottleneck")]
    columns += [
        model.Column(name, figures.target_name(name) if name != "cpu_s" else "CPU s", 3)
        for name in table.columns[2:]
    ]
    caption = (
        "Every way of removing demographics under the same bottleneck: fresh linear readouts (R² "
        "or balanced accuracy) among held-out people, age within its site, site with biology "
        "partialled out, scale (largest over smallest site median of the squared norm), share of "
        "the held-out raw variance that the features explain, CPU seconds per fit."
    )
    return [model.Heading("Ways of removing demographics"), model.Table(caption, columns, rows)]


def sharing(values) -> model.Text:
    """What whoever would give samples or weights away has to know."""
    near, auc = float(values.get("privacy_ratio", np.nan)), values.get("membership_auc", np.nan)
    words = "Before you share anything: these samples are not anonymous by construction. "
    if np.isfinite(near):
        words += (
            f"{100 * near:.0f} % of them lie nearer to a person of the training half than to any "
            "other (50 % would say that they know nothing about single people"
            + (f"; above {100 * _NEAR:.0f} % do not share them). " if near > _NEAR else "). ")
        )
    if np.isfinite(auc):
        words += (
            f"Whoever holds model.npz tells people it was trained on from others with an AUC of "
            f"{model.number(float(auc), 2)}: never share model.npz, latents.tsv or "
            "deconfounded.npz without the consent that sharing the connectomes themselves needs."
        )
    upper = float(values.get("attack_samples_upper", np.nan))
    if np.isfinite(upper):
        told = model.number(float(values["attack_samples"]), 2)
        words += (
            f" From the samples alone an attack tells the people behind them with an AUC of {told} "
            f"(upper bound {model.number(upper, 2)}): "
        )
        words += (
            "do not share them."
            if upper > _TOLD
            else f"below the bound of {_TOLD}, on average over people, for this number of samples; "
            "other attacks were not tried, and a single unusual person may be recognised."
        )
    return model.Text(words, "warning")
