"""Tensors that are products of two signals and therefore never have to exist."""

from __future__ import annotations

import numpy as np

from neuro.ntf.affinity.pairs import bin_mask, frame_bins, separable_parts

BLOCK = 4096
"""Frames that are multiplied at a time."""


class SeparableTensor:
    """A tensor whose entries are sums of products `p_i p_j` over the frames of a bin.

    Holds for the kinds `product`, `root` and `edge_ts`. Both products of a factorisation then
    need the signals only: with a symmetric matrix per component, `X f` is a row-wise quadratic
    form and `X' g` a weighted cross product.

    Parameters
    ----------
    signals : array, shape (n_entries, n_neurons)
        One row per frame and part, not negative, ordered by tensor row; weights are folded in.
    row : array of int, shape (n_entries,)
        Tensor row `bin * n_animals + animal` of each entry, not falling.
    shape : tuple of int
        (n_bins, n_animals, n_pairs).
    pair_mask : array of bool, shape (n_animals, n_pairs), optional
        Signals of absent neurons must be 0.
    frame_mask : array of bool, shape (n_bins, n_animals), optional
        Masked bins must have no entry.

    Attributes
    ----------
    sq_norm : float
    animal_energy : ndarray of float64, shape (n_animals,)
    """

    signed = False

    def __init__(self, signals, row, shape, pair_mask=None, frame_mask=None):
        self._signals = np.ascontiguousarray(signals, dtype=np.float32)
        self._row = np.asarray(row, np.int64)
        self.shape = tuple(shape)
        self.pair_mask, self.frame_mask, self.entries = pair_mask, frame_mask, None
        self._upper = np.triu_indices(self._signals.shape[1], 1)
        if len(self._upper[0]) != shape[2]:
            raise ValueError(
                f"signals: {self._signals.shape[1]} neurons make {len(self._upper[0])} pairs, "
                f"expected {shape[2]}"
            )
        self._first = np.flatnonzero(np.diff(self._row, prepend=-1))
        self.animal_energy = self._energy()
        self.sq_norm = float(self.animal_energy.sum())

    @classmethod
    def from_traces(cls, traces, fs, kind="product", *, bin_s=1.0, frame_mask=None, **options):
        """Build the tensor of one or several recordings with the same neurons.

        Parameters
        ----------
        traces : list of arrays, shape (n_frames, n_neurons)
        fs : float
            Sampling rate in Hz.
        kind : {"product", "root", "edge_ts"}
        bin_s : float
        frame_mask : list of arrays of bool, shape (n_frames,), optional
        **options
            Passed to :func:`neuro.ntf.affinity.pairs.separable_parts`.

        Returns
        -------
        SeparableTensor
        """
        masks = frame_mask or [None] * len(traces)
        pieces, seen = [], []
        for animal, (trace, mask) in enumerate(zip(traces, masks)):
            parts, _ = separable_parts(trace, fs, kind, frame_mask=mask, **options)
            valid = np.ones(len(trace), bool) if mask is None else np.asarray(mask, bool)
            starts, stops = frame_bins(len(trace), fs, bin_s)
            seen.append(bin_mask(valid, starts, stops))
            for k in np.flatnonzero(seen[-1]):
                frames = np.arange(starts[k], stops[k])[valid[starts[k] : stops[k]]]
                weight = 1 / np.sqrt(len(frames))
                pieces += [(k, animal, signal[frames] * weight) for signal in parts]
        n_bins, n = max(len(mask) for mask in seen), np.asarray(traces[0]).shape[1]
        frames = np.zeros((n_bins, len(traces)), bool)
        for animal, mask in enumerate(seen):
            frames[: len(mask), animal] = mask
        pieces.sort(key=lambda piece: piece[:2])
        row = np.concatenate([np.full(len(s), k * len(traces) + w) for k, w, s in pieces])
        signals = np.concatenate([s for _, _, s in pieces])
        shape = (n_bins, len(traces), n * (n - 1) // 2)
        return cls(signals, row, shape, frame_mask=None if frames.all() else frames)

    @property
    def n_rows(self) -> int:
        """Rows of the matrix: bins times animals."""
        return self.shape[0] * self.shape[1]

    @property
    def incomplete(self) -> bool:
        """Whether anything was not observed."""
        return self.pair_mask is not None or self.frame_mask is not None

    def observed(self, rows: slice, pairs) -> None:
        """Pairs have no gaps here."""

    def _energy(self) -> np.ndarray:
        """Sum of squares of every animal."""
        total = np.zeros(self.shape[1])
        ends = np.append(self._first[1:], len(self._row))
        for first, last in zip(self._first, ends):
            entries = self._signals[first:last].astype(np.float64)
            squares = entries**2
            energy = ((entries @ entries.T) ** 2).sum() - (squares @ squares.T).sum()
            total[self._row[first] % self.shape[1]] += energy
        if total.sum() <= 0:
            raise ValueError("X is 0 wherever it was observed; there is nothing to factorise")
        return total / 2

    def _sum_rows(self, values) -> np.ndarray:
        """Sums over the entries of each row."""
        out = np.zeros((self.n_rows, values.shape[1]), np.float32)
        out[self._row[self._first]] = np.add.reduceat(values, self._first, axis=0)
        return out

    def dot(self, factors) -> np.ndarray:
        """Product with pair factors `(n_pairs, k)`: shape `(n_rows, k)`."""
        n = self._signals.shape[1]
        values = np.empty((len(self._row), factors.shape[1]), np.float32)
        motif = np.zeros((n, n), np.float32)
        for column in range(factors.shape[1]):
            # the upper triangle alone counts each pair once
            motif[self._upper] = factors[:, column]
            for first in range(0, len(self._row), BLOCK):
                block = self._signals[first : first + BLOCK]
                np.einsum(
                    "ti,ti->t", block @ motif, block, out=values[first : first + BLOCK, column]
                )
        return self._sum_rows(values)

    def tdot(self, rows) -> np.ndarray:
        """Product of the transpose with row factors `(n_rows, k)`: shape `(n_pairs, k)`."""
        n = self._signals.shape[1]
        out = np.empty((self.shape[2], rows.shape[1]), np.float32)
        for column in range(rows.shape[1]):
            weight = np.ascontiguousarray(rows[:, column], dtype=np.float32)[self._row]
            full = np.zeros((n, n), np.float32)
            for first in range(0, len(self._row), BLOCK):
                block = self._signals[first : first + BLOCK]
                full += (block * weight[first : first + BLOCK, None]).T @ block
            out[:, column] = full[self._upper]
        return out

    def animal(self, w: int) -> np.ndarray:
        """All values of one animal, shape `(n_bins, n_pairs)`."""
        return self.gather(slice(w, None, self.shape[1]), np.arange(self.shape[2]))

    def gather(self, rows: slice, pairs) -> np.ndarray:
        """Some pairs of the rows of one group, shape `(n_rows_of_group, n_pairs_wanted)`."""
        left, right = self._upper[0][pairs], self._upper[1][pairs]
        wanted = np.arange(self.n_rows)[rows]
        row_of = np.full(self.n_rows, -1)
        row_of[wanted] = np.arange(len(wanted))
        out = np.zeros((len(wanted), len(left)), np.float32)
        ends = np.append(self._first[1:], len(self._row))
        for first, last in zip(self._first, ends):
            target = row_of[self._row[first]]
            if target >= 0:
                entries = self._signals[first:last]
                out[target] = (entries[:, left] * entries[:, right]).sum(axis=0)
        return out
