"""Readouts that learn from synthetic people and are tested on real ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.demovae.coding.cohort import varies
from neuro.demovae.coding.schema import missing, numbers, parse_columns
from neuro.demovae.evaluation.readouts import readouts

COLUMNS = ("target", "metric", "synthetic", "real", "rmse_synthetic", "rmse_real", "rmse_mean")


def transfer(made, demo_made, train, demo_train, test, demo_test, columns, random_state=0):
    """Linear readouts from synthetic to real people, beside readouts from real to real people.

    A readout of synthetic people finds what their maker put into them; only on real people whom
    neither the maker nor the readout has seen does it say whether that is right.

    Parameters
    ----------
    made, train, test : array, shape (n_rows, n_edges)
        Synthetic connectomes, the real ones behind them, and real ones of other people.
    demo_made, demo_train, demo_test : pandas.DataFrame
        Demographics of the same rows.
    columns : sequence of Column or mapping
        Columns to read; those with one value only in one of the tables are left out.
    random_state : int, default 0

    Returns
    -------
    pandas.DataFrame
        One row per column: `metric` ('r2', 'balanced_accuracy'), its value on `test` of a readout
        fitted on `made` (`synthetic`) and on `train` (`real`); for numbers also the RMSE of both
        in the unit of the column and that of always guessing the mean (`rmse_mean`).
    """
    columns = [
        column
        for column in parse_columns(columns, demo_test)
        if all(varies(table[column.name], column.type) for table in (demo_made, demo_train))
        and varies(demo_test[column.name], column.type)
    ]
    scores = {}
    for source, rows, table in (("synthetic", made, demo_made), ("real", train, demo_train)):
        scored = readouts(
            rows,
            test,
            table,
            demo_test,
            columns=columns,
            models=("linear",),
            squares=False,
            random_state=random_state,
        )
        scores[source] = scored.set_index("target")
    rows = []
    for column in columns:
        if any(column.name not in table.index for table in scores.values()):
            continue
        row = {"target": column.name, "metric": scores["real"].loc[column.name, "metric"]}
        row |= {source: table.loc[column.name, "heldout"] for source, table in scores.items()}
        if column.type == "continuous":
            values = demo_test[column.name]
            spread = float(np.std(numbers(values[~missing(values, "continuous")])))
            row["rmse_mean"] = spread
            for source in scores:
                row[f"rmse_{source}"] = spread * float(np.sqrt(1 - row[source]))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))
