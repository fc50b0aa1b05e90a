"""Reading the score tables of the stage `adhd`, and what its terms are called in the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.pages.overview import read_table
from neuro.report.site import model

BASELINES = ("majority", "site", "phenotype", "phenotype+site", "motion")
"""Inputs without brain maps, in the order they are shown."""

SCHEMES = {"pooled": "Pooled folds", "leave_site_out": "Leave one site out"}

_NAMES = {
    "cycle3": "3-cycles",
    "cycle4": "4-cycles",
    "degree": "Degree",
    "distdegree": "Degree by distance",
    "weighteddegree": "Weighted degree",
    "clustering": "Clustering",
    "alff": "ALFF",
    "falff": "fALFF",
    "reho": "ReHo",
    "seed": "Seed correlation",
    "fc": "Connectome edges",
    "tangent": "Connectome edges, tangent space",
    "majority": "Majority class",
    "constant": "Constant",
    "site": "Site",
    "phenotype": "Phenotype",
    "motion": "Head motion",
}

METRICS = (
    ("balanced_accuracy", "Balanced accuracy"),
    ("auc", "AUC"),
    ("sensitivity", "Sensitivity"),
    ("specificity", "Specificity"),
    ("youden_j", "J"),
    ("accuracy", "Accuracy"),
)
TEXT = {"scheme": str, "fold": str, "site": str, "input": str, "mask": str, "metric": str}


def input_name(name: str, mask: str = "none") -> str:
    """An input in words: `cycle3` with a mask becomes `3-cycles + mask`."""
    words = [_NAMES.get(step, step) for step in str(name).split("+")]
    plain = [word for word in _NAMES.values() if word[1:] == word[1:].lower()]
    words[1:] = [word.lower() if word in plain else word for word in words[1:]]
    if str(mask) not in ("none", "nan", "n/a", ""):
        words.append("mask")
    return " + ".join(words)


def scheme_name(scheme: str) -> str:
    """A splitting scheme in words."""
    return SCHEMES.get(scheme, str(scheme).replace("_", " "))


def read_scores(folder: Path) -> pd.DataFrame | None:
    """`scores.tsv` with clean names: mask `none`, boolean `primary`, site '' for totals.

    Parameters
    ----------
    folder : pathlib.Path
        `results/adhd`.

    Returns
    -------
    pandas.DataFrame or None
        Rows that sum up all folds, or all of a held-out site; `imaging` is False for baselines.
    """
    scores = read_table(folder / "scores.tsv", **TEXT)
    if scores is None or scores.empty:
        return None
    scores = scores.copy()
    scores["mask"] = scores["mask"].fillna("none")
    scores["site"] = scores["site"].fillna("").replace("all", "")
    if "primary" not in scores:
        scores["primary"] = False
    scores["primary"] = scores["primary"].astype(str).str.lower().isin(("true", "1", "1.0"))
    scores["metric"] = scores["metric"].replace({"J": "youden_j", "j": "youden_j"})
    scores["imaging"] = ~scores["input"].isin(BASELINES)
    for name in ("ci_low", "ci_high", "null_mean", "null_sd", "p", "n", "interval"):
        if name not in scores:
            scores[name] = np.nan
    fold = scores["fold"].astype(str)
    # A held-out site is a fold of its own; some tables name it in both columns.
    return scores[(fold == "all") | ((fold == scores["site"]) & (scores["site"] != ""))]


def order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in reading order: baselines first, then inputs, without a mask before with one."""
    rank = rows["input"].map({name: number for number, name in enumerate(BASELINES)})
    combined = rows["input"].str.contains("+", regex=False) & rows["imaging"]
    return (
        rows.assign(
            _rank=rank.fillna(len(BASELINES)), _combined=combined, _masked=rows["mask"] != "none"
        )
        .sort_values(["_rank", "_combined", "input", "_masked"], kind="stable")
        .drop(columns=["_rank", "_combined", "_masked"])
    )


def interval_text(row) -> str:
    """The interval of a score, with a star where it comes from a bootstrap over participants."""
    text = model.interval(row["ci_low"], row["ci_high"])
    return f"{text} *" if text and row["interval"] == "bootstrap" else text


INTERVALS = (
    "Intervals are the score and Student's t times the spread of its permuted values, which holds "
    "the expected score in 95 % of planted cohorts; sites are taken as fixed. "
)
STARRED = (
    "Intervals with a star come from a bootstrap over participants, because permuted labels leave "
    "that score as it is or are too few; they are too narrow. "
)


def intervals_note(rows) -> str:
    """What the intervals of these rows are, as the end of a caption."""
    kinds = set(rows["interval"])
    permuted = INTERVALS if "permutation" in kinds else ""
    return permuted + (STARRED if "bootstrap" in kinds else "")


def p_text(p: float) -> str:
    """A p-value with its sign of comparison: `= 0.012` or `< 0.001`."""
    text = model.p_value(p)
    return text if text.startswith("<") else f"= {text}"
