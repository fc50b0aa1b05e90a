"""Masks of single entries: which pairs were observed in which bins of which animals."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Entries:
    """Which pairs were observed in which rows, where that is not a matter of whole animals.

    Attributes
    ----------
    masks : ndarray of bool, shape (n_masks, n_pairs)
        The different rows of the mask, each once.
    place : ndarray of int, shape (n_rows,)
        Which of them a row `bin * n_animals + animal` has.
    """

    masks: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, mask) -> Entries:
        """From a mask of shape (n_bins, n_animals, n_pairs)."""
        rows = np.ascontiguousarray(mask, bool).reshape(-1, mask.shape[-1])
        packed = np.packbits(rows, axis=1)
        keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
        _, first, place = np.unique(keys, return_index=True, return_inverse=True)
        return cls(rows[first], place.ravel())

    def full(self, shape) -> np.ndarray:
        """The mask again, shape (n_bins, n_animals, n_pairs)."""
        return self.masks[self.place].reshape(shape)


def refined(operator, mask=None, groups=None):
    """Masks of rows for a fit: those of the tensor, less what a mask of groups leaves out.

    Parameters
    ----------
    operator : object
    mask : array of bool, shape (n_groups, n_pairs), optional
        By default what was observed in each animal.
    groups : list of slice, optional
        Rows of each group; animals by default.

    Returns
    -------
    masks : ndarray of bool, shape (n_masks, n_pairs), or None
    place : ndarray of int, shape (n_rows,), or None
        Which mask a row has; None where every group has one.
    """
    entries = operator.entries
    if entries is None:
        return (operator.pair_mask if mask is None else mask), None
    if mask is None:
        return entries.masks, entries.place
    n_animals = operator.shape[1]
    groups = groups or [slice(w, None, n_animals) for w in range(n_animals)]
    group = np.zeros(operator.n_rows, int)
    for number, rows in enumerate(groups):
        group[rows] = number
    code = group * len(entries.masks) + entries.place
    used, place = np.unique(code, return_inverse=True)
    number, own = np.divmod(used, len(entries.masks))
    return entries.masks[own] & np.asarray(mask, bool)[number], place
