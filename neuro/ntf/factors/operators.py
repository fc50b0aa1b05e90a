"""The two products that a factorisation needs of its tensor, in memory, from disk or on a device.

A tensor of shape `(n_bins, n_animals, n_pairs)` is kept as a matrix with `n_bins * n_animals`
rows. One product with the pair factors serves the time and the animal mode, one product of the
transposed matrix serves the pair mode; nothing is ever unfolded or copied.
"""

from __future__ import annotations

import mmap

import numpy as np

from neuro.ntf.affinity.separable import SeparableTensor
from neuro.ntf.affinity.tensor import PairTensor
from neuro.ntf.factors.entries import Entries

BLOCK_BYTES = 64 << 20
"""Size of a block of rows that is streamed from disk or checked at a time."""
LEAST_ROWS, TILE = 16, 1 << 16
"""Rows of a block at least, or the factors would be read as often as the data; pairs whose factors
stay in the cache while the rows of a block are multiplied with them."""


class DenseRows:
    """A tensor that exists as numbers.

    Parameters
    ----------
    values : array of float, shape (n_bins, n_animals, n_pairs)
        An array in memory is used as it is where its type is float32 and unobserved entries are
        0 already, else copied once. A memory map is read block by block at every product.
    pair_mask : array of bool, shape (n_animals, n_pairs) or (n_bins, n_animals, n_pairs), optional
        False where a pair was not observed in an animal, or in a bin of an animal.
    frame_mask : array of bool, shape (n_bins, n_animals), optional
        False where a bin of an animal holds nothing.

    Attributes
    ----------
    shape : tuple of int
    entries : Entries or None
        Where pairs are missing in some bins of an animal only; `pair_mask` says then which pairs
        were observed in an animal at all.
    sq_norm : float
        Sum of squares of the observed entries.
    animal_energy : ndarray of float64, shape (n_animals,)
        The same animal by animal.
    signed : bool
        Whether every pair stands twice, once per sign; taken from a :class:`PairTensor`.

    Raises
    ------
    ValueError
        When observed values are negative, NaN or infinite, or shapes do not match.
    """

    signed = False

    def __init__(self, values, pair_mask=None, frame_mask=None):
        values = np.asanyarray(values)
        if values.ndim != 3:
            raise ValueError(
                f"X: shape {values.shape}, expected (n_bins, n_animals, n_pairs); a matrix "
                "needs an axis of length 1"
            )
        self.shape = values.shape
        pair_mask, frame_mask, self.entries = _by_entry(pair_mask, frame_mask, values.shape)
        self.pair_mask = _mask(pair_mask, values.shape[1:], "pair mask")
        self.frame_mask = _mask(frame_mask, values.shape[:2], "frame mask")
        self.streamed = isinstance(values, np.memmap)
        if not self.streamed:
            values = np.ascontiguousarray(values, dtype=np.float32)
        self._values = values
        self._fill = False
        self.animal_energy = self._inspect()
        self.sq_norm = float(self.animal_energy.sum())
        if self._fill and not self.streamed:
            self._values = self._clear(values.copy(), 0)
            self._fill = False
        self._rows = self._values.reshape(self.n_rows, values.shape[2])

    @property
    def n_rows(self) -> int:
        """Rows of the matrix: bins times animals."""
        return self.shape[0] * self.shape[1]

    @property
    def incomplete(self) -> bool:
        """Whether anything was not observed."""
        return any(one is not None for one in (self.pair_mask, self.frame_mask, self.entries))

    def observed(self, rows: slice, pairs) -> np.ndarray | None:
        """Which entries of :meth:`gather` were observed; None where pairs have no gaps."""
        if self.entries is None:
            return None
        return self.entries.masks[self.entries.place[rows]][:, pairs]

    def _clear(self, block, first):
        """Set what is not observed to 0, in place."""
        if self.entries is not None:
            n_animals = self.shape[1]
            rows = self.entries.place[first * n_animals : (first + len(block)) * n_animals]
            block.reshape(-1, self.shape[2])[~self.entries.masks[rows]] = 0
        elif self.pair_mask is not None:
            block[:, ~self.pair_mask] = 0
        if self.frame_mask is not None:
            block[~self.frame_mask[first : first + len(block)]] = 0
        return block

    def _inspect(self) -> np.ndarray:
        """Check all values once; notes whether unobserved entries must be cleared."""
        energy, negative, lowest, bad = np.zeros(self.shape[1]), 0, 0.0, 0
        for first, last in self._blocks():
            block = np.asarray(self._values[first:last], dtype=np.float32)
            if self.incomplete:
                cleared = self._clear(block.copy(), first)
                if not self._fill and not np.array_equal(cleared, block):
                    self._fill = True
                block = cleared
            flat = block.reshape(-1, self.shape[2])
            squares = np.einsum("ij,ij->i", flat, flat).reshape(-1, self.shape[1])
            squares = squares.sum(axis=0, dtype=np.float64)
            low = float(flat.min(initial=0.0))
            if not np.isfinite(squares).all():
                bad += int((~np.isfinite(flat)).sum())
            elif low < 0:
                negative += int((flat < 0).sum())
                lowest = min(lowest, low)
            energy += squares
            self._forget()
        if bad:
            raise ValueError(f"X has {bad} NaN or infinite values; mask what was not observed")
        if negative:
            raise ValueError(
                f"X has {negative} negative values (min {lowest:.3g}); choose sign_blind or split"
            )
        if not energy.any():
            raise ValueError("X is 0 wherever it was observed; there is nothing to factorise")
        return energy

    def _blocks(self):
        n_bins, n_animals, n_pairs = self.shape
        step = max(1, BLOCK_BYTES // max(1, 4 * n_animals * n_pairs), LEAST_ROWS // n_animals)
        for first in range(0, n_bins, step):
            yield first, min(n_bins, first + step)

    def _block(self, first, last):
        """Rows of some bins, as they are used; a view of the map where nothing is to be cleared."""
        block = np.asarray(self._values[first:last], dtype=np.float32)
        if self._fill:
            block = self._clear(block.copy(), first)
            self._forget()
        return block.reshape(-1, self.shape[2])

    def _copied(self, first, last):
        """The same in memory of its own."""
        block = np.array(self._block(first, last))
        self._forget()
        return block

    def _tiles(self):
        """Some pairs at a time."""
        for first in range(0, self.shape[2], TILE):
            yield slice(first, min(self.shape[2], first + TILE))

    def _forget(self):
        """Give the pages of a memory map back: they would count as memory of the process."""
        if not self.streamed or self._values.mode == "c":
            # pages of a copy-on-write map hold what the file does not
            return
        mapped = getattr(self._values, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def dot(self, factors) -> np.ndarray:
        """Product with pair factors `(n_pairs, k)`: shape `(n_rows, k)`."""
        if not self.streamed:
            return self._rows @ factors
        out = np.zeros((self.n_rows, factors.shape[1]), np.float32)
        w = self.shape[1]
        for first, last in self._blocks():
            block = self._block(first, last)
            for pairs in self._tiles():
                out[first * w : last * w] += block[:, pairs] @ factors[pairs]
            self._forget()
        return out

    def tdot(self, rows) -> np.ndarray:
        """Product of the transpose with row factors `(n_rows, k)`: shape `(n_pairs, k)`."""
        # the small matrix on the left: a third faster than the transpose of the large one
        if not self.streamed:
            return (rows.T @ self._rows).T
        out = np.zeros((rows.shape[1], self.shape[2]), np.float32)
        w = self.shape[1]
        for first, last in self._blocks():
            block, some = self._block(first, last), rows[first * w : last * w].T
            for pairs in self._tiles():
                out[:, pairs] += some @ block[:, pairs]
            self._forget()
        return out.T

    def animal(self, w: int) -> np.ndarray:
        """All values of one animal, shape `(n_bins, n_pairs)`; 0 where not observed."""
        values = np.array(self._values[:, w], dtype=np.float32)
        self._forget()
        if self._fill and self.entries is not None:
            values[~self.entries.masks[self.entries.place[w :: self.shape[1]]]] = 0
        elif self._fill and self.pair_mask is not None:
            values[:, ~self.pair_mask[w]] = 0
        if self._fill and self.frame_mask is not None:
            values[~self.frame_mask[:, w]] = 0
        return values

    def gather(self, rows: slice, pairs) -> np.ndarray:
        """Some pairs of the rows of one group, shape `(n_rows_of_group, n_pairs_wanted)`."""
        if not self.streamed:
            return self._rows[rows][:, pairs]
        w = self.shape[1]
        wanted = np.arange(self.n_rows)[rows]
        out = np.empty((len(wanted), len(pairs)), np.float32)
        for first, last in self._blocks():
            here = (wanted >= first * w) & (wanted < last * w)
            if here.any():
                block = self._block(first, last)
                out[here] = block[wanted[here] - first * w][:, pairs]
                self._forget()
        return out


class TorchRows(DenseRows):
    """The same products on a torch device; the small updates stay on the processor.

    Parameters
    ----------
    values, pair_mask, frame_mask
        As for :class:`DenseRows`.
    device : str
        `cpu`, `cuda`, or what torch knows.

    Raises
    ------
    ValueError
        When `cuda` is asked for and there is none.
    """

    def __init__(self, values, pair_mask=None, frame_mask=None, device="cuda"):
        import torch

        super().__init__(values, pair_mask, frame_mask)
        if str(device).startswith("cuda") and not torch.cuda.is_available():
            raise ValueError("device: 'cuda' was asked for, but torch sees no such device; use cpu")
        self._torch, self.device = torch, torch.device(device)
        self._resident = None
        if self._fits():
            parts = [
                torch.from_numpy(self._copied(first, last)).to(self.device)
                for first, last in self._blocks()
            ]
            self._resident = torch.cat(parts) if len(parts) > 1 else parts[0]

    def _fits(self) -> bool:
        if self.device.type != "cuda":
            return not self.streamed
        free, _ = self._torch.cuda.mem_get_info(self.device)
        # the list of blocks and their concatenation exist together for a moment
        return 4 * self.n_rows * self.shape[2] < 0.4 * free

    def dot(self, factors) -> np.ndarray:
        """See :meth:`DenseRows.dot`."""
        right = self._torch.from_numpy(np.ascontiguousarray(factors)).to(self.device)
        if self._resident is not None:
            return (self._resident @ right).cpu().numpy()
        parts = [
            (self._torch.from_numpy(self._copied(*ends)).to(self.device) @ right).cpu().numpy()
            for ends in self._blocks()
        ]
        return np.concatenate(parts)

    def tdot(self, rows) -> np.ndarray:
        """See :meth:`DenseRows.tdot`."""
        right = self._torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)
        if self._resident is not None:
            return (self._resident.T @ right).cpu().numpy()
        w = self.shape[1]
        total = self._torch.zeros(self.shape[2], right.shape[1], device=self.device)
        for first, last in self._blocks():
            block = self._torch.from_numpy(self._copied(first, last)).to(self.device)
            total += block.T @ right[first * w : last * w]
        return total.cpu().numpy()


def _by_entry(mask, frame_mask, shape):
    """A mask of single entries as masks of animals and frames and what these cannot say."""
    if mask is None or np.ndim(mask) != 3:
        return mask, frame_mask, None
    mask = np.asarray(mask, bool)
    if mask.shape != shape:
        raise ValueError(f"pair mask: shape {mask.shape}, expected {shape}")
    frames = mask.any(axis=2)
    if frame_mask is not None:
        frames &= np.asarray(frame_mask, bool)
        mask = mask & frames[:, :, None]
    whole = mask.any(axis=0)
    if (mask == (whole & frames[:, :, None])).all():
        return whole, frames, None
    return whole, frames, Entries.of(mask)


def _mask(mask, shape, name):
    """A boolean mask of the right shape, or None where everything is observed."""
    if mask is None:
        return None
    mask = np.asarray(mask, bool)
    if mask.shape != shape:
        raise ValueError(f"{name}: shape {mask.shape}, expected {shape}")
    return None if mask.all() else mask


def as_operator(X, mask=None, frame_mask=None, backend="numpy", device="cpu"):
    """The tensor as something that can be multiplied.

    Parameters
    ----------
    X : array, PairTensor, SeparableTensor or operator
    mask, frame_mask : arrays of bool, optional
    backend : {"numpy", "torch"}
    device : str

    Returns
    -------
    object
        With `dot`, `tdot`, `gather`, `shape`, `n_rows`, `sq_norm`, `pair_mask`, `frame_mask`.

    Raises
    ------
    ValueError
        On an unknown backend, or what :class:`neuro.ntf.factors.operators.DenseRows` refuses.
    """
    if isinstance(X, (DenseRows, SeparableTensor)):
        return X
    signed = isinstance(X, PairTensor) and X.signed
    if isinstance(X, PairTensor):
        if mask is None:
            mask = X.pair_mask if X.observed is None else X.observed
        frame_mask = X.frame_mask if frame_mask is None else frame_mask
        X = X.values
    if backend not in ("numpy", "torch"):
        raise ValueError(f"backend: got '{backend}', expected 'numpy' or 'torch'")
    if mask is not None:
        seen = np.asarray(mask, bool)
        empty = np.flatnonzero(~(seen.any(axis=(0, 2)) if seen.ndim == 3 else seen.any(axis=1)))
        if len(empty):
            raise ValueError(f"mask: animal {empty[0]} has no observed pair; leave it out")
    operator = (
        TorchRows(X, mask, frame_mask, device)
        if backend == "torch"
        else DenseRows(X, mask, frame_mask)
    )
    operator.signed = signed
    return operator


def unseen(operator) -> np.ndarray:
    """Pairs that were observed in no animal."""
    if operator.pair_mask is None:
        return np.zeros(operator.shape[2], bool)
    return ~operator.pair_mask.any(axis=0)


def supported(start, operator, order) -> np.ndarray:
    """Support of the motif entries of a fitted start, components in the given order."""
    support = start.support()
    if support is None:
        return np.ones((operator.shape[2], len(order)), np.float32)
    return support[:, order]


def check_rank(rank, shape) -> None:
    """Refuse ranks below 1 or above what the tensor can hold.

    Raises
    ------
    ValueError
    """
    n_bins, n_animals, n_pairs = shape
    most = min(n_bins * n_animals, n_pairs)
    if int(rank) < 1 or rank > most:
        raise ValueError(
            f"rank {rank} > min(bins x animals, pairs) = {most}; choose a smaller rank"
            if rank > most
            else f"rank: got {rank}, expected a whole number >= 1"
        )
