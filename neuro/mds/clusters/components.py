"""Units as rows of profiles, their principal components, and plain groups of them."""

from __future__ import annotations

import numpy as np

N_DIMS = 12
"""Components that the search for gaps uses."""


def zscore(responses) -> np.ndarray:
    """Responses (n_stimuli, n_units) as rows of units, mean 0 and variance 1 each.

    Raises
    ------
    ValueError
        For another shape, values that are not finite, or a unit with equal responses.
    """
    values = np.asarray(responses, np.float64).T
    if values.ndim != 2 or values.shape[1] < 2 or len(values) < 1:
        raise ValueError(
            f"responses: shape {np.shape(responses)}, expected (n_stimuli >= 2, n_units >= 1)"
        )
    if not np.isfinite(values).all():
        unit = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise ValueError(f"responses: unit {unit} has a value that is not finite; leave it out")
    values = values - values.mean(axis=1, keepdims=True)
    spread = values.std(axis=1, keepdims=True)
    if not (spread > 0).all():
        unit = int(np.argmin(spread[:, 0]))
        raise ValueError(f"responses: unit {unit} answers all stimuli alike; leave it out")
    return values / spread


class Components:
    """Principal components of some units' profiles.

    Parameters
    ----------
    values : array, shape (n_units, n_stimuli)
    n : int
    whiten : bool
        Whether every component has variance 1 over these units.
    """

    def __init__(self, values, n=N_DIMS, whiten=False):
        self.mean = values.mean(axis=0)
        centred = values - self.mean
        # The smaller of both Gram matrices; components of no variance are left out.
        wide = centred.shape[1] > centred.shape[0]
        gram = centred @ centred.T if wide else centred.T @ centred
        level, vectors = np.linalg.eigh(gram)
        keep = np.argsort(level)[::-1][: min(n, len(level))]
        keep = keep[level[keep] > 1e-10 * max(level.max(), 1e-300)]
        vectors, size = vectors[:, keep], np.sqrt(level[keep])
        self.axes = centred.T @ vectors / size if wide else vectors
        if whiten:
            self.axes = self.axes * (np.sqrt(max(len(values) - 1, 1)) / size)

    def __call__(self, values) -> np.ndarray:
        """Scores of other units, (n, n_dims)."""
        return (values - self.mean) @ self.axes


def ward(points, k) -> np.ndarray:
    """Ward's groups, at most k of them, labels from 0."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(points) < 2 or k < 2 or points.shape[1] == 0:
        return np.zeros(len(points), int)
    tree = linkage(points, "ward")
    return np.unique(fcluster(tree, k, "maxclust"), return_inverse=True)[1]


def centroids(points, labels) -> np.ndarray:
    """Mean of every group, (K, n_dims)."""
    k = int(labels.max()) + 1
    return np.stack([points[labels == group].mean(axis=0) for group in range(k)])


def nearest(points, centres) -> np.ndarray:
    """Number of the nearest centre of every point."""
    square = (centres**2).sum(axis=1)[None] - 2 * points @ centres.T
    return square.argmin(axis=1)


def canonical(values) -> np.ndarray:
    """An order of the units that does not depend on the order they came in."""
    return np.lexsort(np.round(values[:, :4], 9).T)


def by_size(labels) -> np.ndarray:
    """The same groups, numbered from 0 by falling size; ties by their first unit."""
    names, first, labels = np.unique(labels, return_index=True, return_inverse=True)
    order = np.lexsort((first, -np.bincount(labels)))
    rank = np.empty(len(names), int)
    rank[order] = np.arange(len(names))
    return rank[labels]
