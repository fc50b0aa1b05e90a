"""Spectra of simulated scans, moved onto those of real ones."""

from __future__ import annotations

from collections import Counter

import numpy as np

from neuro.demovae.sampling.spectra import TINY

_LEAST = 2 * TINY
"""No direction that a scan shows is left to rounding."""
GAIN = 0.8
"""Share of a gap that a pass closes."""
_SHRINK, _FEWEST = 20, 10
"""People that stand for what is common; people of one site with scans of one length who get a gain
of their own."""
_SPREAD, _FURTHEST = (0.25, 2.0), 5.0


def by_relative_rank(values) -> np.ndarray:
    """Log eigenvalues of each row from its largest to its smallest that is not rounding.

    Runs of unequal length have unequal ranks; so seen, their spectra can be compared.

    Parameters
    ----------
    values : array, shape (n_rows, n_regions)
        Largest first.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_regions)
        Interpolated to as many places as there are regions.
    """
    n_regions = np.shape(values)[1]
    out = np.empty(np.shape(values))
    for line, row in zip(out, np.asarray(values)):
        log = np.log(row[row > TINY])
        line[:] = np.interp(_places(n_regions), _places(len(log)), log)
    return out


def _places(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n


class SpectrumCorrection:
    """Mean and spread of sorted log eigenvalues of simulated scans, corrected after the scan.

    A correction before the scan would not do: with fewer volumes than regions the eigenvalues of
    a scan hardly depend on the single eigenvalues behind them.

    Parameters
    ----------
    names : array of str, shape (n_rows,)
        Site of each training row.
    lengths : array of int, shape (n_rows,)
        Volumes of its scan.
    n_regions : int

    Attributes
    ----------
    gain, middle : dict of (str, int) to ndarray of float64, shape (n_regions,)
        Added to the log eigenvalues, and their mean before, by site and length of the scan. Length
        0 is for other lengths of the site, site '' for other sites. What few people say is drawn
        towards what is common, as if by 20 more people.
    spread : ndarray of float64, shape (n_regions,)
        Factor on a person's deviation from `middle`.
    """

    def __init__(self, names, lengths, n_regions: int):
        pairs = [(str(name), int(length)) for name, length in zip(names, lengths)]
        cells = {("", 0)} | {(name, 0) for name, _ in pairs}
        cells |= {pair for pair, n in Counter(pairs).items() if n >= _FEWEST}
        # the common one first, then sites, then their lengths: each is drawn to the one before
        order = sorted(cells, key=lambda cell: (cell[0] != "", cell[1] > 0, cell))
        self.gain = {cell: np.zeros(n_regions) for cell in order}
        self.middle = {cell: np.zeros(n_regions) for cell in order}
        self.spread = np.ones(n_regions)

    def _cell(self, name, length):
        cells = ((name, int(length)), (name, 0), ("", 0))
        return next(cell for cell in cells if cell in self.gain)

    def apply(self, matrix, name, length, rank) -> tuple[np.ndarray, np.ndarray]:
        """A correlation matrix of a scan with its spectrum corrected.

        Parameters
        ----------
        matrix : array, shape (n_regions, n_regions)
        name : str
            Site.
        length : int
            Volumes of the scan.
        rank : int
            Rank that real scans of this length have; the sample has it, too.

        Returns
        -------
        matrix : ndarray of float64, shape (n_regions, n_regions)
            With a unit diagonal.
        before : ndarray of float64, shape (n_regions,)
            See :func:`by_relative_rank`.
        """
        values, vectors = np.linalg.eigh(matrix)
        rank = int(min(rank, len(values)))
        seen = np.maximum(values[-rank:], _LEAST)
        before = by_relative_rank(np.r_[np.zeros(len(values) - rank), seen][None, ::-1])[0]
        cell = self._cell(name, length)
        change = (self.spread - 1) * (before - self.middle[cell])
        change = np.clip(change, -_FURTHEST, _FURTHEST) + self.gain[cell]
        own = np.interp(_places(rank), _places(len(before)), change)[::-1]
        log = np.maximum(np.sort(np.log(seen) + own), np.log(_LEAST))
        root = vectors[:, -rank:] * np.exp(log / 2)
        root /= np.sqrt((root**2).sum(axis=1))[:, None]
        return root @ root.T, before

    def learn(self, real, made, before, names, lengths) -> float:
        """Close a part of the gap between real rows and simulated ones of the same people.

        Parameters
        ----------
        real, made : array, shape (n_rows, n_regions)
            Eigenvalues, largest first.
        before : array, shape (n_rows, n_regions)
            Log spectra of the simulated rows before the correction.
        names, lengths : array, shape (n_rows,)

        Returns
        -------
        float
            Root mean square over places of the gap as it was.
        """
        own = [self._cell(name, length) for name, length in zip(names, lengths)]
        log_real, log_made = by_relative_rank(real), by_relative_rank(made)
        gap, width = log_real - log_made, []
        same = np.array([f"{name} {length}" for name, length in own])
        for rows in (log_real, log_made):
            away = rows - np.array([rows[same == label].mean(axis=0) for label in same])
            width.append(np.sqrt((away**2).mean(axis=0)))
        factor = width[0] / np.maximum(width[1], 1e-6)
        self.spread = np.clip(self.spread * factor**GAIN, *_SPREAD)
        wanted: dict = {}
        for cell in self.gain:
            name, length = cell
            here = np.ones(len(gap), bool) if not name else np.asarray(names) == name
            if length:
                here = here & (np.asarray(lengths) == length)
            n = int(here.sum())
            weight = n / (n + _SHRINK) if name else 1.0
            above = wanted.get((name, 0) if length else ("", 0), 0.0)
            wanted[cell] = weight * (gap[here].mean(axis=0) if n else 0.0) + (1 - weight) * above
            self.gain[cell] = self.gain[cell] + GAIN * wanted[cell]
            self.middle[cell] = before[here if n else slice(None)].mean(axis=0)
        return float(np.sqrt((wanted["", 0] ** 2).mean()))
