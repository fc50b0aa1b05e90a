"""How a preset trains, the rows it learns from, and their order: nothing of it needs torch."""

from __future__ import annotations

import dataclasses

import numpy as np

FULL_BATCH = 4000
"""Rows up to which a robust step sees all of them."""
_SMALLEST = 32
"""A shuffled remainder with fewer rows joins the batch before it."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one preset trains.

    Attributes
    ----------
    weights : dict
        Weight of each of the five terms.
    n_epochs : int
    lr : float
        Of the small layers.
    lr_outer : float
        Of the two layers that touch edges or coordinates.
    weight_decay : float
    batch_size : int or None
        None takes all rows up to 4000, then 1000 at a time.
    shuffle : bool
    patience : int or None
        Epochs without a better validation error after which training stops; None never stops.
    centred : bool
        Covariance of centred latents that does not grow with the batch (robust).
    target : float
        Second moment of the latents.
    normalised_decor : bool
    guide_reduction : {'mean', 'sum', 'package'}
    guide_average : bool
        Mean over the guided columns rather than their sum.
    """

    weights: dict
    n_epochs: int
    lr: float
    lr_outer: float
    weight_decay: float = 0.0
    batch_size: int | None = None
    shuffle: bool = True
    patience: int | None = 100
    centred: bool = True
    target: float = 1.0
    normalised_decor: bool = True
    guide_reduction: str = "mean"
    guide_average: bool = True


@dataclasses.dataclass
class Rows:
    """Rows to learn from, as arrays.

    Attributes
    ----------
    x : ndarray of float32, shape (n, k)
        Edges, or coordinates of them.
    told : ndarray of float32, shape (n, n_coded)
        What the decoder is told.
    outside : ndarray, shape (n,)
        Sum of squares of each row that the coordinates leave out.
    """

    x: np.ndarray
    told: np.ndarray
    outside: np.ndarray

    def __len__(self):
        return len(self.x)


def batches(n: int, size: int | None, shuffle: bool, rng) -> list[np.ndarray]:
    """Row numbers of the steps of one epoch.

    Shuffled batches never end with fewer than 32 rows: a remainder joins the batch before it.
    Slices in fixed order keep their remainder, as the released package does.
    """
    size = size or (n if n <= FULL_BATCH else 1000)
    if size >= n:
        return [np.arange(n)]
    order = rng.permutation(n) if shuffle else np.arange(n)
    parts = [order[start : start + size] for start in range(0, n, size)]
    if shuffle and len(parts) > 1 and len(parts[-1]) < _SMALLEST:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts
