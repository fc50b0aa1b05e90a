"""Series as rows of unit norm, so that a correlation is a product of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TILE = 512
"""Rows and columns of one correlation tile; 1 MB of float32, whole groups of packed words."""


@dataclass
class Standardised:
    """Unit-norm series, one row per node; constant series are zero rows.

    Attributes
    ----------
    exact : ndarray, float64, (n, n_timepoints)
    padded : ndarray, float32, (n_padded, n_timepoints)
    constant : ndarray, bool, (n,)
    """

    exact: np.ndarray
    padded: np.ndarray
    constant: np.ndarray

    @property
    def n(self) -> int:
        return len(self.exact)

    @property
    def error(self) -> float:
        """Bound on |float32 - float64| of a correlation, for any order of summation.

        Rounding of both factors and of T products and sums, each by at most 2^-24 relative to a
        sum of magnitudes that Cauchy-Schwarz bounds by 1; the rest is slack.
        """
        return 1.01 * (self.exact.shape[1] + 8) * 2.0**-24

    def usable(self) -> np.ndarray:
        """Bit mask of the nodes that may have edges: constant series correlate with nothing."""
        mask = np.zeros(len(self.padded), np.uint8)
        mask[: self.n] = ~self.constant
        return np.packbits(mask, bitorder="little").view(np.uint64)


def padded_size(n: int) -> int:
    """Next whole number of tiles."""
    return -(-n // TILE) * TILE


def standardise(series: np.ndarray) -> Standardised:
    """Centre each series and scale it to unit norm, in float64.

    Parameters
    ----------
    series : ndarray, (n_timepoints, n)

    Raises
    ------
    ValueError
        When a value is not finite; the line says how many and where the first is.
    """
    n_times, n = series.shape
    exact = np.zeros((n, n_times))
    padded = np.zeros((padded_size(n), n_times), np.float32)
    constant = np.zeros(n, bool)
    n_bad, first_bad = 0, None
    for start in range(0, n, 2048):
        rows = np.array(series[:, start : start + 2048].T, dtype=np.float64, order="C")
        bad = ~np.isfinite(rows)
        if bad.any():
            n_bad += int(bad.sum())
            if first_bad is None:
                first_bad = start + int(np.argmax(bad.any(axis=1)))
        if n_bad:
            continue
        # scaling by the largest magnitude first keeps the squares in range
        peak = np.abs(rows).max(axis=1, keepdims=True)
        rows /= np.where(peak > 0, peak, 1.0)
        flat = rows.max(axis=1) == rows.min(axis=1)
        rows -= rows.mean(axis=1, keepdims=True)
        norm = np.sqrt(np.einsum("it,it->i", rows, rows))
        # what is left of a constant after centring is rounding, not signal
        flat |= norm <= 4 * n_times * np.finfo(np.float64).eps
        rows /= np.where(flat, 1.0, norm)[:, None]
        rows[flat] = 0.0
        exact[start : start + 2048] = rows
        padded[start : start + len(rows)] = rows
        constant[start : start + 2048] = flat
    if n_bad:
        raise ValueError(
            f"X: {n_bad} values are not finite (NaN or inf), the first in column {first_bad}; "
            "drop or interpolate these volumes or leave the voxels out of the mask"
        )
    return Standardised(exact, padded, constant)
