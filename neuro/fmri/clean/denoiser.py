"""Confound regression and temporal filtering of voxel or region series.

Both steps are linear in time, so the whole cleaning is one matrix with as many rows as there
are kept volumes. It is built once per run in double precision and applied to blocks of voxels,
which costs one matrix product and next to no memory.
"""

from __future__ import annotations

import warnings

import numpy as np

from neuro.base.estimator import Params
from neuro.fmri.clean.censor import drop_short_segments
from neuro.fmri.clean.filters import (
    FILTERS,
    band_fraction,
    check_band,
    filter_matrix,
    is_filtering,
    out_of_band_columns,
)
from neuro.io.problems import InputProblem

FEW_DOF = 10
"""Fewer degrees of freedom than this give a warning."""
BLOCK_BYTES = 2 << 20
"""Size of one block of voxels in double precision: about a core's second-level cache."""


class NoDegreesOfFreedom(InputProblem):
    """Confounds and filter leave nothing of the run."""


class Denoiser(Params):
    """Regress confounds from series and filter them.

    The joint order (default) filters data and confounds alike before the regression, so that
    no nuisance signal returns to the pass band. The sequential order regresses first and
    filters the residuals afterwards, as the Athena pipeline does.

    Parameters
    ----------
    low, high : float or None
        Pass band in Hz (default 0.01-0.08, XCP-D). None leaves that side open.
    filter : {"butterworth", "fourier", "fft", "none"}
        `butterworth` (default) and `fft` are described at
        :func:`neuro.fmri.clean.filters.filter_columns`. `fourier` adds sines and cosines of all
        frequencies outside the band to the confounds and fits kept volumes only, without
        interpolation.
    order : int
        Order of the Butterworth filter, run in both directions (2, XCP-D).
    sequential : bool
        Regress first and filter the residuals (default False).
    detrend : bool
        Remove a line besides the mean (default True). False where the confounds hold
        polynomials already.
    min_segment : int
        Kept stretches shorter than this are censored too (5, ours).

    Attributes
    ----------
    kept_ : ndarray of bool, shape (n_timepoints,)
        Volumes that the output holds.
    dof_left_ : float
        n_kept x share of the spectrum in the band - rank of the filtered confounds.
    rank_ : int
        Rank of the (filtered) confounds on kept volumes.
    used_columns_, constant_columns_, empty_columns_, collinear_columns_ : list of str
        Confounds by name: used; constant on kept volumes; without power inside the band;
        linear combinations of earlier ones. Only the first group enters the fit, the others
        would not change it.
    n_constant_ : int
        Series that are constant or not finite; their output is zero.
    constant_series_ : ndarray of bool, shape (n_series,)
    operator_ : ndarray, shape (n_kept, n_kept)
        The matrix that maps kept volumes to cleaned volumes.
    notes_ : list of str
        What a report should say about this run.

    References
    ----------
    Lindquist, Geuter, Wager, Caffo (2019), Human Brain Mapping 40:2358-2376.
    Mehta et al. (2024), XCP-D, Imaging Neuroscience 2.
    """

    def __init__(
        self,
        low=0.01,
        high=0.08,
        filter="butterworth",
        order=2,
        sequential=False,
        detrend=True,
        min_segment=5,
    ):
        self.low = low
        self.high = high
        self.filter = filter
        self.order = order
        self.sequential = sequential
        self.detrend = detrend
        self.min_segment = min_segment

    def fit(self, X=None, y=None, *, tr, confounds=None, keep=None, names=None) -> Denoiser:
        """Build the cleaning matrix of one run.

        Parameters
        ----------
        X : ndarray, shape (n_timepoints, n_series), optional
            Only its length is looked at; needed where neither confounds nor `keep` are given.
        y
            Ignored.
        tr : float
            Sampling interval (s).
        confounds : Confounds or ndarray, shape (n_timepoints, n_columns), optional
            Columns without intercept and line.
        keep : ndarray of bool, shape (n_timepoints,), optional
            False marks censored volumes; default all are kept.
        names : sequence of str, optional
            Names of the columns; a `Confounds` object brings its own.

        Returns
        -------
        Denoiser

        Raises
        ------
        NoDegreesOfFreedom
            When confounds and filter leave nothing; an InputProblem.
        InputProblem
            When a confound is not finite on a kept volume.
        ValueError
            When shapes do not agree or a setting is out of range.
        """
        if self.filter not in FILTERS:
            raise ValueError(f"filter: got '{self.filter}', expected one of {', '.join(FILTERS)}")
        values, names, keep = _inputs(confounds, names, keep, None if X is None else len(X))
        self.kept_ = drop_short_segments(keep, self.min_segment)
        n_kept = int(self.kept_.sum())
        if n_kept == 0:
            raise NoDegreesOfFreedom(
                f"no degrees of freedom left: none of {keep.size} volumes is kept; "
                "relax the censoring"
            )
        self._check_finite(values, names)
        low, high = check_band(self.low, self.high, tr)
        filtering = self.filter != "none" and is_filtering(low, high, tr)
        rows = values[self.kept_]
        self.notes_: list[str] = []
        self.constant_columns_ = [
            name for name, column in zip(names, rows.T) if _is_constant(column)
        ]
        varying = [j for j, name in enumerate(names) if name not in set(self.constant_columns_)]
        rows, names = rows[:, varying], [names[j] for j in varying]

        if filtering and self.filter != "fourier":
            basis, rank, fraction = self._fit_filtered(rows, names, tr, low, high)
        else:
            basis, rank, fraction = self._fit_plain(rows, names, tr, low, high, filtering)
        self.rank_ = rank
        self.dof_left_ = float(n_kept * fraction - rank)
        self._check_dof(n_kept, fraction, basis)
        return self

    def transform(self, X) -> np.ndarray:
        """Clean series with the matrix of :meth:`fit`.

        Parameters
        ----------
        X : ndarray, shape (n_timepoints, n_series)
            Full run; only kept volumes are read.

        Returns
        -------
        ndarray, shape (n_kept, n_series), float32
            float64 where the input is float64.

        Raises
        ------
        ValueError
            When the number of volumes differs from the confounds'.
        """
        self._check_fitted("operator_")
        series = np.asarray(X)
        if series.ndim != 2 or len(series) != self.kept_.size:
            raise ValueError(
                f"series: shape {series.shape}, expected ({self.kept_.size}, n_series): "
                "as many volumes as rows of confounds"
            )
        rows = np.flatnonzero(self.kept_)
        everything = bool(self.kept_.all())
        out_type = np.float64 if series.dtype == np.float64 else np.float32
        out = np.empty((rows.size, series.shape[1]), dtype=out_type)
        self.constant_series_ = np.zeros(series.shape[1], dtype=bool)
        width = max(64, BLOCK_BYTES // (8 * rows.size))
        for start in range(0, series.shape[1], width):
            columns = slice(start, start + width)
            block = series[:, columns] if everything else series[rows, columns]
            block = np.asarray(block, dtype=np.float64)
            first = block[0]
            # The mean is removed by the matrix; taking it out first keeps rounding small.
            flat = ~np.isfinite(first) | (block == first).all(axis=0)
            block = block - np.where(np.isfinite(first), first, 0.0)
            # A sum is finite only if every term is.
            flat |= ~np.isfinite(block.sum(axis=0))
            if flat.any():
                block[:, flat] = 0
            out[:, columns] = self.operator_ @ block
            self.constant_series_[columns] = flat
        self.n_constant_ = int(self.constant_series_.sum())
        return out

    def fit_transform(self, X, y=None, **run) -> np.ndarray:
        """:meth:`fit` with its keywords and :meth:`transform` in one call."""
        return self.fit(X, y, **run).transform(X)

    def _fit_filtered(self, rows, names, tr, low, high):
        """Filter and regression on kept rows; the operator, its rank and band share."""
        filtering = filter_matrix(
            self.kept_,
            tr,
            low=low,
            high=high,
            kind=self.filter,
            order=self.order,
            linear=self.detrend,
        )
        filtered = filtering @ (rows - rows.mean(axis=0))
        scale = np.linalg.norm(rows - rows.mean(axis=0), axis=0)
        empty = np.linalg.norm(filtered, axis=0) < 1e-6 * scale
        self.empty_columns_ = [name for name, flag in zip(names, empty) if flag]
        live = np.flatnonzero(~empty)
        basis, used, collinear = orthonormal_basis(filtered[:, live])
        self.used_columns_ = [names[live[j]] for j in used]
        self.collinear_columns_ = [names[live[j]] for j in collinear]
        rank = basis.shape[1]
        if low == 0:
            rank += 1 + int(self.detrend)  # a low-pass keeps frequency 0, detrending takes it
        if self.sequential:
            basis, used, collinear = orthonormal_basis(
                np.hstack([_baseline(self.kept_, self.detrend), rows])
            )
            n_base = 1 + int(self.detrend)
            self.empty_columns_ = []
            self.used_columns_ = [names[j - n_base] for j in used if j >= n_base]
            self.collinear_columns_ = [names[j - n_base] for j in collinear if j >= n_base]
            self.operator_ = filtering - (filtering @ basis) @ basis.T
        else:
            self.operator_ = filtering - basis @ (basis.T @ filtering)
        return basis, rank, band_fraction(low, high, tr)

    def _fit_plain(self, rows, names, tr, low, high, filtering):
        """Regression only; out-of-band columns stand in for a filter."""
        base = _baseline(self.kept_, self.detrend)
        base_names = ["intercept", "line"][: base.shape[1]]
        if filtering:
            columns, column_names = out_of_band_columns(self.kept_.size, tr, low, high)
            base = np.hstack([base, columns[self.kept_]])
            base_names += column_names
        basis, used, collinear = orthonormal_basis(np.hstack([base, rows]))
        n_base = base.shape[1]
        self.empty_columns_ = []
        self.used_columns_ = [names[j - n_base] for j in used if j >= n_base]
        self.collinear_columns_ = [names[j - n_base] for j in collinear if j >= n_base]
        self.operator_ = np.eye(len(rows)) - basis @ basis.T
        return basis, basis.shape[1], 1.0

    def _check_finite(self, values, names):
        bad = ~np.isfinite(values[self.kept_]).all(axis=0)
        if bad.any():
            listed = ", ".join(name for name, flag in zip(names, bad) if flag)
            raise InputProblem(
                f"confounds: missing or infinite values on kept volumes in {listed}; "
                "fill them or leave the columns out"
            )

    def _check_dof(self, n_kept, fraction, basis):
        detail = (
            f"{n_kept} kept volumes x {fraction:.3f} of the spectrum - "
            f"rank {self.rank_} = {self.dof_left_:.1f}"
        )
        if self.dof_left_ <= 0 or basis.shape[1] >= n_kept:
            raise NoDegreesOfFreedom(
                f"no degrees of freedom left: {detail}; use fewer confounds, "
                "a wider band or a longer run"
            )
        if self.dof_left_ < FEW_DOF:
            note = f"only {self.dof_left_:.1f} degrees of freedom left: {detail}"
            self.notes_.append(note)
            warnings.warn(note, UserWarning, stacklevel=3)
        if self.collinear_columns_:
            self.notes_.append(
                "collinear confounds left out: " + ", ".join(self.collinear_columns_)
            )
        if self.constant_columns_:
            self.notes_.append("constant confounds left out: " + ", ".join(self.constant_columns_))


def orthonormal_basis(columns, rtol=1e-7) -> tuple[np.ndarray, list[int], list[int]]:
    """Orthonormal basis of the columns, taken in order.

    A column that earlier ones explain to a relative `rtol` is left out, so the answer to
    "which column is too many" follows the order in which the columns were given.

    Parameters
    ----------
    columns : ndarray, shape (n_rows, n_columns)
    rtol : float
        Norm of the unexplained part, relative to the column's norm.

    Returns
    -------
    basis : ndarray, shape (n_rows, rank)
    used, left_out : list of int
        Positions of the columns.
    """
    columns = np.asarray(columns, dtype=np.float64)
    basis = np.empty((columns.shape[0], min(columns.shape)), order="F")
    used: list[int] = []
    left_out: list[int] = []
    for j, column in enumerate(columns.T):
        norm = np.linalg.norm(column)
        rank = len(used)
        if norm == 0 or rank == basis.shape[1]:
            left_out.append(j)
            continue
        rest = column / norm
        # Twice is enough: the second pass restores orthogonality lost to rounding.
        for _ in range(2):
            rest = rest - basis[:, :rank] @ (basis[:, :rank].T @ rest)
        length = np.linalg.norm(rest)
        if length <= rtol:
            left_out.append(j)
            continue
        basis[:, rank] = rest / length
        used.append(j)
    return basis[:, : len(used)], used, left_out


def _baseline(keep, linear) -> np.ndarray:
    time = np.linspace(-1, 1, keep.size)[keep]
    columns = [np.ones_like(time), time] if linear else [np.ones_like(time)]
    return np.stack(columns, axis=1)


def _is_constant(column) -> bool:
    spread = column.max() - column.min()
    return bool(spread <= 1e-12 * max(abs(column.max()), abs(column.min()), 1e-300))


def _inputs(confounds, names, keep, n_timepoints):
    """Values, names and mask in agreement, or a one-line error."""
    values = getattr(confounds, "values", confounds)
    if names is None:
        names = getattr(confounds, "names", None)
    if keep is not None:
        keep = np.asarray(keep, dtype=bool)
        n_timepoints = keep.size if n_timepoints is None else n_timepoints
    if values is None:
        if n_timepoints is None:
            raise ValueError("confounds: None given without X or keep")
        values = np.empty((n_timepoints, 0))
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"confounds: shape {values.shape}, expected (n_timepoints, n_columns)")
    if n_timepoints is not None and len(values) != n_timepoints:
        raise InputProblem(
            f"confounds: {len(values)} rows for {n_timepoints} volumes; expected one row per volume"
        )
    keep = np.ones(len(values), dtype=bool) if keep is None else keep
    if keep.size != len(values):
        raise ValueError(f"keep: {keep.size} entries for {len(values)} rows of confounds")
    names = [f"confound_{j}" for j in range(values.shape[1])] if names is None else list(names)
    if len(names) != values.shape[1]:
        raise ValueError(f"names: {len(names)} names for {values.shape[1]} confounds")
    return values, names, keep
