"""Part of the page of `adhd`: further targets beside nulls and baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import scores as figures
from neuro.report.pages.adhd_scores import SCHEMES, input_name, scheme_name
from neuro.report.site import model
from neuro.report.site.tables import read_table

_NAMES = {
    "r_within_site": "r within sites",
    "r": "r",
    "r2": "R²",
    "mae": "MAE",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
}


def blocks(folder: Path) -> list:
    """Figure and table of every further target; empty where there is none.

    Parameters
    ----------
    folder : pathlib.Path
        `results/adhd`.

    Returns
    -------
    list
    """
    names = dict.fromkeys(("target", "kind", "scheme", "input", "metric"), str)
    scores = read_table(folder / "targets.tsv", **names)
    if scores is None or scores.empty:
        return []
    scores = scores.assign(
        primary=scores["primary"].astype(str).str.lower().isin(("true", "1", "1.0"))
    )
    out: list = [
        model.Heading("Further targets"),
        model.Text(
            "Other columns of the participants table, predicted from the same features in the same "
            "folds. What is predicted is never among the covariates of its own prediction. A "
            "correlation within sites is one that differences between sites cannot make."
        ),
    ]
    for target, of_target in scores.groupby("target", sort=False):
        for scheme in [name for name in SCHEMES if (of_target["scheme"] == name).any()]:
            chosen = of_target[of_target["scheme"] == scheme]
            out.append(figures.target_dots(chosen, str(target), scheme))
            out.append(_table(chosen, str(target), scheme))
    return out


def _table(chosen: pd.DataFrame, target: str, scheme: str) -> model.Table:
    main = figures.MAIN[chosen["kind"].iloc[0]]
    keys = list(dict.fromkeys(chosen["metric"]))
    wide = chosen.pivot(index="input", columns="metric", values="value")
    rows = [
        {
            "name": input_name(row["input"]),
            **{key: wide.loc[row["input"], key] for key in keys},
            "ci": model.interval(row["ci_low"], row["ci_high"]),
            "null": f"{model.number(row['null_mean'], 3)} ({model.number(row['null_sd'], 3)})"
            if np.isfinite(row["null_mean"])
            else "",
            "p": model.p_value(row["p"]) if np.isfinite(row["p"]) else "",
            "strong": row["primary"],
        }
        for row in chosen[chosen["metric"] == main].to_dict("records")
    ]
    columns = [
        model.Column("name", "Input"),
        model.Column(main, _NAMES[main], 3),
        model.Column("ci", "95 % interval", 0),
        model.Column("null", "Null mean (SD)", 0),
        model.Column("p", "p", 0),
        *(model.Column(key, _NAMES[key], 3) for key in keys if key != main),
    ]
    caption = (
        f"{scheme_name(scheme)}: {target} of {int(chosen['n'].iloc[0])} participants. Interval, "
        f"null and p are those of the column {_NAMES[main]}."
    )
    return model.Table(caption, columns, rows)
