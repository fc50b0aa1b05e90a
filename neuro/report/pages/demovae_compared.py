"""Parts of the page of `demovae`: the ways of removal side by side, and what may be shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.report.figures import demovae as figures
from neuro.report.figures.cohort import removal
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
        {
            **row,
            "method": removal.method_name(row["method"]),
            "bottleneck": "none" if row["bottleneck"] == 0 else str(row["bottleneck"]),
        }
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
    compare = read_table(folder / "compare.tsv", method=str, target=str, readout=str)
    return [
        model.Heading("Ways of removing demographics"),
        model.Table(caption, columns, rows),
        *(removal.referee(compare) if compare is not None else []),
    ]


def scanned(folder: Path) -> list:
    """Every column of the participants table before and after removal: table, then figure."""
    scan = read_table(folder / "phenotypes.tsv", column=str, features=str, fit=str, test=str)
    if scan is None or scan.empty:
        return []
    whole = scan[(scan["fit"] == "all") & (scan["test"] == "all")]
    out: list = [
        model.Heading("Every column, before and after"),
        _scan_table(whole, "All runs of a person together. "),
    ]
    others = scan[scan["fit"] != "all"]
    if len(others):
        tables = [
            _scan_table(group, f"Learned from {fit}, tested on {test} of other people. ")
            for (fit, test), group in others.groupby(["fit", "test"], sort=False)
        ]
        out.append(model.Details("From one session or task to the other", tables))
    return [*out, *removal.scan(scan)]


def _scan_table(scores, words: str) -> model.Table:
    """One line per column; a score per kind of features, bold where q < .05 in the latents."""
    kinds = list(dict.fromkeys(zip(scores["features"], scores["bottleneck"])))
    last = kinds[-1]
    rows = []
    for name, own in scores.groupby("column", sort=False):
        line: dict = {
            "name": name,
            "role": {"remove": "removed", "not named": ""}.get(
                own["role"].iloc[0], own["role"].iloc[0]
            ),
            "metric": "R²" if own["metric"].iloc[0] == "r2" else "AUC",
            "n": int(own["n"].max()),
        }
        for row in own.to_dict("records"):
            key = f"{row['features']}|{row['bottleneck']}"
            line[key] = f"{model.number(row['value'], 3)} (q {model.p_value(row['q'])})"
            if (row["features"], row["bottleneck"]) == last:
                line["strong"] = bool(row["q"] < 0.05)
        rows.append(line)
    columns = [
        model.Column("name", "Column"),
        model.Column("role", "Role"),
        model.Column("metric", "Score"),
        *(
            model.Column(f"{name}|{size}", removal.features_name(name, size), 0)
            for name, size in kinds
        ),
        model.Column("n", "People", 0),
    ]
    caption = (
        words + "Ridge regression in five folds among people whom the removal has not seen; q from "
        "values permuted within sites, over the columns of one kind of features. Bold: still told "
        "by the latents (q < .05)."
    )
    return model.Table(caption, columns, rows)


def sharing(values) -> model.Text:
    """What whoever would give samples or weights away has to know."""
    near, auc = float(values.get("privacy_ratio", np.nan)), values.get("membership_auc", np.nan)
    words = "Before you share anything: these samples are not anonymous by construction. "
    if np.isfinite(near):
        words += (
            f"{100 * near:.0f} % of them lie nearer to a person of the training half than to any "
            "other (a share of 50 % protects nobody: attacks on samples succeed there, too"
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
        risk = model.number(float(values["attack_samples"]), 2)
        words += (
            f" From the samples alone an attack tells the people behind them with an AUC of {risk} "
            f"(upper bound {model.number(upper, 2)}): "
        )
        words += (
            "do not share them."
            if upper > _TOLD
            else f"below the bound of {_TOLD}, on average over people, for this number of samples; "
            "other attacks were not tried, and a single unusual person may be recognised."
        )
    return model.Text(words, "warning")
