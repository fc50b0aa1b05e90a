"""Sites and covariates of rows as names and numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd


class CovariateCode:
    """Covariates as centred numbers: numbers as they are, levels as indicators without the first.

    Attributes
    ----------
    names_ : list of str
        Of the coded columns.
    """

    def learn(self, covariates, n_rows: int) -> CovariateCode:
        """Learn columns, levels and means.

        Parameters
        ----------
        covariates : pandas.DataFrame, array of numbers or None
            One row per row of the features.
        n_rows : int

        Raises
        ------
        ValueError
            When the number of rows differs or values are missing.
        """
        table = _table(covariates, n_rows)
        self.columns_ = list(table.columns)
        self.levels_ = {
            name: sorted(set(table[name].astype(str)))
            for name in table
            if not pd.api.types.is_numeric_dtype(table[name])
        }
        self.names_ = []
        for name in table:
            levels = self.levels_.get(name)
            self.names_ += [str(name)] if levels is None else [f"{name}={k}" for k in levels[1:]]
        self.mean_ = np.zeros(len(self.names_))
        coded = self.transform(covariates, n_rows)
        self.mean_ = coded.mean(axis=0)
        return self

    def transform(self, covariates, n_rows: int) -> np.ndarray:
        """Coded covariates around the training mean, shape (n_rows, n_coded).

        Raises
        ------
        ValueError
            When columns or levels are not those of the fit, or values are missing.
        """
        table = _table(covariates, n_rows)
        absent = [name for name in self.columns_ if name not in table]
        if absent:
            raise ValueError(f"covariates: no column {', '.join(map(str, absent))}; it was fitted")
        parts = [np.empty((n_rows, 0))]
        for name in self.columns_:
            if name not in self.levels_:
                parts.append(table[name].to_numpy(dtype=np.float64)[:, None])
                continue
            values = table[name].astype(str).to_numpy()
            levels = self.levels_[name]
            new = sorted(set(values) - set(levels))
            if new:
                raise ValueError(
                    f"covariates: level '{new[0]}' of '{name}' was not in the fit "
                    f"(known: {', '.join(levels)})"
                )
            parts.append((values[:, None] == np.array(levels[1:])[None]).astype(np.float64))
        return np.concatenate(parts, axis=1) - self.mean_


def _table(covariates, n_rows) -> pd.DataFrame:
    if covariates is None:
        return pd.DataFrame(index=range(n_rows))
    table = covariates if isinstance(covariates, pd.DataFrame) else pd.DataFrame(covariates)
    if len(table) != n_rows:
        raise ValueError(f"covariates: {len(table)} rows for {n_rows} rows of X")
    gaps = [str(name) for name in table if table[name].isna().any()]
    if gaps:
        raise ValueError(f"covariates: missing values in {', '.join(gaps)}; leave the rows out")
    return table


def sites_of(site, n_rows) -> np.ndarray:
    if site is None:
        raise ValueError("site: missing; give the site of every row")
    gaps = pd.isna(np.asarray(site, dtype=object))
    names = np.asarray(site).astype(str)
    if names.ndim != 1 or len(names) != n_rows:
        raise ValueError(f"site: shape {names.shape} for {n_rows} rows of X")
    if gaps.any():
        raise ValueError(f"site: {int(gaps.sum())} missing values; leave the rows out")
    return names
