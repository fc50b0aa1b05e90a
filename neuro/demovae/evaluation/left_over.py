"""One number for how much of some columns is left in features of new people."""

from __future__ import annotations

import numpy as np

from neuro.demovae.evaluation.readouts import readouts


def removal_score(Z, demographics, columns, groups=None, random_state=0) -> float:
    """Minus the mean share of the columns that a fresh linear readout finds; 0 at best.

    Readouts are fitted and tested by cross-validation within the given rows. A number counts by
    its R2, levels by (balanced accuracy - chance) / (1 - chance), neither below 0.

    Parameters
    ----------
    Z : array, shape (n_rows, n_features)
        Features of rows that the transformer was not fitted on.
    demographics : pandas.DataFrame
    columns : sequence of Column or mapping
        The columns that should be gone.
    groups : array, optional
        Subject of each row.
    random_state : int, default 0

    Returns
    -------
    float
        NaN where no column varies.
    """
    table = readouts(
        Z,
        Z,
        demographics,
        demographics,
        columns=columns,
        fit_on="fresh",
        groups_tr=groups,
        groups_te=groups,
        squares=False,
        models=("linear",),
        random_state=random_state,
    )
    if not len(table):
        return float("nan")
    shares = (table["heldout"] - table["chance"]) / (1 - table["chance"])
    return -float(np.maximum(shares, 0).mean())
