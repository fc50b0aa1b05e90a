"""Demographics as numbers: smooth terms of continuous columns, indicators of levels."""

from __future__ import annotations

import warnings

import numpy as np

from neuro.demovae.coding.schema import POOLED, Column, level_names, missing, numbers
from neuro.io.problems import InputProblem
from neuro.stats.ties import facing

BASES = ("spline", "poly", "linear", "raw")
CODINGS = ("onehot", "scalar")
UNSEEN = ("error", "ignore", "mean")
_SPLINE_DF = 4
_RANK = 1e-6


class ContinuousTerm:
    """Coded form of a continuous column.

    The first column is the value itself, standardised; the others are what a cubic spline (4
    degrees of freedom, one knot at the median) or a cubic polynomial adds to it, standardised and
    uncorrelated with it and with each other on the training rows.

    Parameters
    ----------
    basis : {'spline', 'poly', 'linear', 'raw'}
        'raw' keeps the unit of the table, as the released package does.

    Attributes
    ----------
    range_ : tuple of float
        Smallest and largest training value. Values outside are coded as the nearest of the two
        by 'spline' and 'poly', and extrapolated by the others.
    """

    def __init__(self, basis: str):
        self.basis = basis

    def fit(self, values):
        known = values[np.isfinite(values)]
        self.range_ = (float(known.min()), float(known.max()))
        self.mean_, self.sd_ = float(known.mean()), float(known.std(ddof=1))
        self.state_ = {}
        if self.basis in ("spline", "poly"):
            lo, hi = self.range_
            self.state_["knot"] = float(np.clip(np.median(known), lo + 1e-9, hi - 1e-9))
            linear = (known - self.mean_) / self.sd_
            extra = self._extra(known)
            centre = extra.mean(axis=0)
            extra = extra - centre
            slope = linear @ extra / (linear @ linear)
            extra = extra - np.outer(linear, slope)
            _, scale, right = np.linalg.svd(extra, full_matrices=False)
            kept = scale > _RANK * np.sqrt(len(known)) * max(1.0, float(np.abs(centre).max()))
            kept &= np.arange(len(scale)) < self._n_extra
            rotate = right[kept].T / scale[kept] * np.sqrt(len(known) - 1)
            self.state_ |= {"centre": centre, "slope": slope, "rotate": rotate * facing(rotate)}
        return self

    @property
    def _n_extra(self):
        return {"spline": _SPLINE_DF - 1, "poly": 2}[self.basis]

    def _extra(self, values):
        """Terms beside the linear one, before they are made uncorrelated."""
        lo, hi = self.range_
        inside = np.clip(values, lo, hi)
        if self.basis == "poly":
            a = (inside - self.mean_) / self.sd_
            return np.column_stack([a**2, a**3])
        from scipy.interpolate import BSpline

        knots = np.r_[[lo] * 4, self.state_["knot"], [hi] * 4]
        return BSpline.design_matrix(inside, knots, 3).toarray()

    @property
    def names_(self) -> list[str]:
        """Suffixes of the coded columns: '' is the linear one."""
        extra = self.state_["rotate"].shape[1] if self.state_ else 0
        return ["", *(f":{i + 2}" for i in range(extra))]

    def transform(self, values, clip: bool = True) -> np.ndarray:
        """Coded columns, float64, shape (n_rows, n_terms); a missing value is the mean."""
        values = np.where(np.isfinite(values), values, self.mean_)
        if self.basis == "raw":
            return values[:, None]
        if not self.state_:
            return ((values - self.mean_) / self.sd_)[:, None]
        if clip:
            values = np.clip(values, *self.range_)
        linear = (values - self.mean_) / self.sd_
        extra = self._extra(values) - self.state_["centre"]
        extra = (extra - np.outer(linear, self.state_["slope"])) @ self.state_["rotate"]
        return np.column_stack([linear, extra])


class LevelTerm:
    """Indicators of the levels of a categorical column.

    Parameters
    ----------
    coding : {'onehot', 'scalar'}
        'scalar' is one 0/1 column for two levels (the paper's notebooks).
    unseen : {'error', 'ignore', 'mean'}
        A level without training rows: a problem, no level at all, or the training frequencies.

    Attributes
    ----------
    levels_ : list of str
        Sorted; levels with too few subjects are one level named '(pooled)', which stands last.
    pooled_ : list of str
    frequency_ : ndarray, shape (n_levels,)
    """

    def __init__(self, coding: str, unseen: str):
        self.coding = coding
        self.unseen = unseen

    def fit(self, names, groups, min_count: int):
        known = names != ""
        levels = sorted(set(names[known]))
        count = {name: len(set(groups[names == name])) for name in levels}
        rare = [name for name in levels if count[name] < min_count]
        # a single rare level has nobody to be pooled with, and all of them would be one level
        self.pooled_ = rare if 1 < len(rare) < len(levels) else []
        self.rare_ = rare
        self.levels_ = [name for name in levels if name not in self.pooled_]
        if self.pooled_:
            self.levels_.append(POOLED)
        hot = self.indicators(names[known])
        self.frequency_ = hot.mean(axis=0)
        return self

    def indicators(self, names) -> np.ndarray:
        """0 and 1, shape (n_rows, n_levels); all 0 where a level is missing or unknown."""
        names = np.array([POOLED if name in self.pooled_ else name for name in names], object)
        hot = np.array([[name == level for level in self.levels_] for name in names], float)
        return hot.reshape(len(names), len(self.levels_))

    @property
    def names_(self) -> list[str]:
        if self.coding == "scalar" and len(self.levels_) == 2:
            return [f"[{self.levels_[1]}]"]
        return [f"[{name}]" for name in self.levels_]

    def transform(self, names) -> np.ndarray:
        """Coded columns, float64; a missing level is the training frequencies."""
        hot = self.indicators(names)
        hot[names == ""] = self.frequency_
        if self.unseen == "mean":
            hot[hot.sum(axis=1) == 0] = self.frequency_
        if self.coding == "scalar" and len(self.levels_) == 2:
            return hot[:, 1:]
        return hot

    def unknown(self, names) -> list[str]:
        """Levels that the training rows did not have, sorted."""
        return sorted(set(names) - set(self.levels_) - set(self.pooled_) - {""})


class DemographicCoder:
    """Turn demographics into the columns that the decoder and the decorrelation see.

    Parameters
    ----------
    columns : sequence of Column
        Columns with role 'report' are not coded.
    basis : {'spline', 'poly', 'linear', 'raw'}
    coding : {'onehot', 'scalar'}
    unseen : {'error', 'ignore', 'mean'}
    min_level_count : int
        Levels with fewer training subjects are pooled when there are at least two of them.

    Attributes
    ----------
    terms_ : dict of str to ContinuousTerm or LevelTerm
    names_ : list of str
        Names of the coded columns.
    remove_ : ndarray of bool, shape (n_coded,)
        Which coded columns are decorrelated.
    removal_ : ndarray
        What the latents are decorrelated from: `remove_` itself, or, where columns are protected,
        a matrix (n_coded, n_removed) that takes from the removed columns what the protected ones
        explain of them on the training rows.
    """

    def __init__(self, columns, basis="spline", coding="onehot", unseen="error", min_level_count=5):
        self.columns = tuple(column for column in columns if column.role != "report")
        self.basis = basis
        self.coding = coding
        self.unseen = unseen
        self.min_level_count = min_level_count

    def fit(self, demographics, groups=None):
        """Learn means, knots and levels from training rows.

        Warns
        -----
        UserWarning
            When a level has few subjects.
        """
        groups = np.arange(len(demographics)) if groups is None else np.asarray(groups)
        self.terms_, self.names_, remove = {}, [], []
        protect: list[bool] = []
        for column in self.columns:
            if column.type == "continuous":
                term = ContinuousTerm(self.basis).fit(numbers(demographics[column.name]))
            else:
                term = LevelTerm(self.coding, self.unseen)
                names = level_names(demographics[column.name])
                term.fit(names, groups, self.min_level_count)
                if term.rare_:
                    fate = "pooled" if term.pooled_ else "kept as they are"
                    warnings.warn(
                        f"demographics: levels of '{column.name}' with fewer than "
                        f"{self.min_level_count} subjects, {fate}: {', '.join(term.rare_)}",
                        stacklevel=3,
                    )
            self.terms_[column.name] = term
            self.names_ += [column.name + suffix for suffix in term.names_]
            remove += [column.role == "remove"] * len(term.names_)
            protect += [column.role == "protect"] * len(term.names_)
        self.remove_ = np.array(remove, dtype=bool)
        self.removal_ = self.remove_
        if any(protect) and any(remove):
            self.removal_ = self._shielded(demographics, np.array(protect, dtype=bool))
        return self

    def _shielded(self, demographics, protect) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            D = self.transform(demographics).astype(np.float64)
        D -= D.mean(axis=0)
        slope = np.linalg.pinv(D[:, protect], rcond=_RANK) @ D[:, self.remove_]
        left = D[:, self.remove_] - D[:, protect] @ slope
        said = np.linalg.norm(left, axis=0) < 1e-4 * np.linalg.norm(D[:, self.remove_], axis=0)
        if said.any():
            name = np.array(self.names_)[self.remove_][said][0]
            raise ValueError(
                f"columns: the protected columns say all of '{name}'; nothing of it can be removed"
            )
        matrix = np.zeros((D.shape[1], int(self.remove_.sum())))
        matrix[self.remove_] = np.eye(matrix.shape[1])
        matrix[protect] = -slope
        return matrix

    def fields(self) -> dict[str, slice]:
        """Coded columns of each column."""
        out, start = {}, 0
        for name, term in self.terms_.items():
            out[name] = slice(start, start + len(term.names_))
            start += len(term.names_)
        return out

    def transform(self, demographics) -> np.ndarray:
        """Coded columns, float32, shape (n_rows, n_coded).

        Raises
        ------
        InputProblem
            When a level is unseen and `unseen` is 'error'.

        Warns
        -----
        UserWarning
            When a value is outside the range of the training rows.
        """
        blocks, problems = [np.empty((len(demographics), 0))], []
        for column in self.columns:
            term, values = self.terms_[column.name], demographics[column.name]
            if column.type == "continuous":
                values = numbers(values)
                lo, hi = term.range_
                outside = np.isfinite(values) & ((values < lo) | (values > hi))
                if outside.any():
                    warnings.warn(
                        f"demographics: {int(outside.sum())} values of '{column.name}' are outside "
                        f"the training range {lo:g} to {hi:g}",
                        stacklevel=3,
                    )
                blocks.append(term.transform(values))
                continue
            names = level_names(values)
            unknown = term.unknown(names)
            if unknown and self.unseen == "error":
                known = ", ".join([name for name in term.levels_ if name != POOLED] + term.pooled_)
                problems.append(
                    f"demographics: unknown level '{unknown[0]}' in '{column.name}' (known: "
                    f"{known}); set unseen='mean' or 'ignore'"
                )
            blocks.append(term.transform(names))
        if problems:
            raise InputProblem(problems)
        return np.hstack(blocks).astype(np.float32)

    def reference(self, column: Column) -> np.ndarray:
        """Coded form of a column's reference value, shape (n_terms,)."""
        return self.code_value(column.name, column.reference)

    def code_value(self, name: str, value) -> np.ndarray:
        """Coded form of one value of a column; None is the average of the training rows.

        Parameters
        ----------
        name : str
        value : object
            None is the average.

        Returns
        -------
        ndarray, shape (n_terms,)

        Raises
        ------
        ValueError
            When a level is unknown.
        """
        term = self.terms_[name]
        if isinstance(term, ContinuousTerm):
            value = term.mean_ if value is None else float(value)
            return term.transform(np.array([value]))[0]
        text = level_names([value])
        unknown = term.unknown(text)
        if unknown:
            raise ValueError(
                f"set: unknown level '{unknown[0]}' of '{name}' (known: {', '.join(term.levels_)})"
            )
        return term.transform(text)[0]

    def spread(self, name: str, values) -> np.ndarray:
        """Which values of a column are known, shape (n_rows,)."""
        kind = "continuous" if isinstance(self.terms_[name], ContinuousTerm) else "categorical"
        return ~missing(values, kind)
