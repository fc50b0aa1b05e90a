"""Figure of the further targets of the stage `adhd`."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.scores import scores_paint, scores_table
from neuro.report.pages.adhd_scores import input_name, scheme_name
from neuro.report.site import model

MAIN = {"number": "r_within_site", "classes": "balanced_accuracy"}
LABELS = {"number": "Correlation within sites", "classes": "Balanced accuracy"}
BLIND = ("constant", "site", "phenotype", "phenotype+site", "motion")


def target_dots(part: pd.DataFrame, target: str, scheme: str) -> model.Figure:
    """Scores of one target and scheme with their intervals, nulls as bands.

    Parameters
    ----------
    part : pandas.DataFrame
        Rows of `targets.tsv` of one target and scheme.
    target, scheme : str

    Returns
    -------
    neuro.report.site.model.Figure
    """
    kind = part["kind"].iloc[0]
    part = part[(part["metric"] == MAIN[kind]) & part["value"].notna()]
    table = scores_table(
        part,
        np.where(part["input"].isin(BLIND), "baseline", "imaging"),
        [input_name(name) for name in part["input"]],
    )
    chance = 0.0 if kind == "number" else None
    return draw.figure(
        f"target_{target}_{scheme}",
        partial(scores_paint, colours={"imaging": draw.CONTROL}, label=LABELS[kind], chance=chance),
        data=table,
        size=(4.9, 0.9 + 0.27 * max(len(table), 5)),
        caption=f"{scheme_name(scheme)}: {LABELS[kind].lower()} of predicted and true {target}, "
        "with 95 % interval. Grey: baselines without the brain; blue: brain maps; orange diamond: "
        "the primary input. Grey bands: 95 % of scores with values permuted within sites.",
        how_to_read="A score tells something about the brain when it lies right of its own grey "
        "band and of the baselines.",
        alt=f"{LABELS[kind]} of {target} from every input, {scheme_name(scheme).lower()}",
    )
