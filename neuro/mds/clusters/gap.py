"""How many types there are: gaps between groups of units, tested on units and stimuli held out.

Units are cut into more groups than there can be types; neighbouring groups are joined unless the
units that took no part in the cutting leave a gap between them. The published objective is right
for stimuli and wrong for this question: started at planted types it climbs away from them.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.base import seeds
from neuro.mds.clusters.agreement import agreement_matrix, co_assignment, mean_pairwise
from neuro.mds.clusters.components import (
    Components,
    by_size,
    canonical,
    centroids,
    nearest,
    ward,
    zscore,
)
from neuro.stats.splits import content_ids, hold_out

ALPHA = 0.05
"""Of the dip test above which two groups are joined (ours)."""
STRICT = 0.02
"""A second level; other numbers of types at both levels mean that the number is uncertain."""
AGREE = 0.6
"""Mean agreement of the partitions below which no types are reported (ours)."""
N_SPLITS = 10
N_NEAREST = 6
N_SIDE = 10
"""Units on either side of a threshold that enter one test, at most."""
BLOCK = 6
"""Units per block within which both halves are drawn: with 10 rare types miss a half more often."""
FEW = 40
"""Below this many stimuli both halves are all of them: units alone are held out."""
MOST = 3000
"""Units that are searched; more are drawn from and the others join the nearest type."""
FLAT = -1.05
"""Excess kurtosis below which a type is a continuum inside (a uniform line has -1.2)."""
N_FLAT = 100
"""Least units for that question."""


@dataclasses.dataclass
class Types:
    """What the search for gaps found.

    Attributes
    ----------
    labels : ndarray of int, shape (n_units,)
        Groups of the consensus, 0 to K-1, the largest first.
    n_types : int
        Number of types to report: 1 where none were found.
    n_groups : int
        Groups of the consensus before the agreement was asked for.
    n_strict : int
        The same at the level :data:`STRICT`.
    agreement : float
        Mean pairwise adjusted Rand index of the partitions.
    verdict : str
        "stable types", "number uncertain" or "none found by this search".
    inside : list of str
        Per group "continuum", "no continuum" or "not tested".
    above : list of int
        For every group the branch that it belongs to where all groups are cut into two; nested
        structure, such as ON and OFF with types inside, shows in it.
    partitions : list of ndarray
    """

    labels: np.ndarray
    n_types: int
    n_groups: int
    n_strict: int
    agreement: float
    verdict: str
    inside: list
    above: list
    partitions: list


VERDICTS = ("stable types", "number uncertain", "none found by this search")


def halves(values, rng) -> np.ndarray:
    """Which units are in the first half: drawn within small Ward blocks, so that rare types
    reach both halves; bool (n_units,)."""
    blocks = ward(Components(values)(values), max(len(values) // BLOCK, 1))
    order = np.lexsort((rng.random(len(values)), blocks))
    first = np.zeros(len(values), bool)
    first[order[rng.integers(2) :: 2]] = True
    return first


def repeats(values) -> np.ndarray:
    """A number for every stimulus that stimuli with the same answers share.

    Parameters
    ----------
    values : array, shape (n_stimuli, n_units)
        Equal to six decimals is the same: batches of another size are summed in another order.
    """
    return content_ids(np.round(np.asarray(values, np.float64), 6) + 0.0)


def first_half(values, rng) -> np.ndarray:
    """Which stimuli (rows) are in the first half, bool; repeats of a stimulus stay together."""
    family = repeats(values)
    return hold_out(family, (int(family.max()) + 1) // 2, rng)


def gap_p(axis_points, low, high, values) -> float:
    """Dip p of the held-out units near the border of two groups.

    Parameters
    ----------
    axis_points : array, shape (2, n_dims)
        Means of both groups over the units that made them, on the second half of the stimuli.
    low, high : unused sizes of both groups among the held-out units
    values : array, shape (n, n_dims)
        Held-out units of both groups.

    Returns
    -------
    float
        1 where one side is empty.
    """
    from diptest import diptest

    axis = axis_points[1] - axis_points[0]
    along = values @ axis
    border = axis_points.mean(axis=0) @ axis
    below, above = np.sort(border - along[along < border]), np.sort(along[along >= border] - border)
    m = min(low, high, len(below), len(above), N_SIDE)
    if m < 1:
        return 1.0
    near = np.concatenate([-below[:m], above[:m]])
    return float(diptest(near)[1])


class _Joining:
    """Groups of one split, and the pairs of them that may be joined."""

    def __init__(self, first, second, labels, is_first):
        self.first, self.second = first, second
        self.is_first = is_first
        self.groups = {k: np.flatnonzero(labels == k) for k in range(int(labels.max()) + 1)}
        self.known: dict = {}

    def _pair(self, a, b):
        if (a, b) not in self.known:
            means, held = [], []
            for k in (a, b):
                rows = self.groups[k]
                inside = self.is_first[rows]
                means.append(self.second[rows[inside]].mean(axis=0))
                held.append(rows[~inside])
            self.known[a, b] = gap_p(
                np.stack(means), len(held[0]), len(held[1]), self.second[np.concatenate(held)]
            )
        return self.known[a, b]

    def _centre(self, k):
        rows = self.groups[k]
        return self.first[rows[self.is_first[rows]]].mean(axis=0)

    def run(self, alpha):
        """Join the pair with the largest p as long as it reaches alpha."""
        while len(self.groups) > 1:
            names = sorted(self.groups)
            centres = np.stack([self._centre(k) for k in names])
            apart = ((centres[:, None] - centres[None]) ** 2).sum(axis=2)
            np.fill_diagonal(apart, np.inf)
            near = np.argsort(apart, axis=1, kind="stable")[:, : min(N_NEAREST, len(names) - 1)]
            pairs = {tuple(sorted((names[i], names[j]))) for i, row in enumerate(near) for j in row}
            p, a, b = max((self._pair(a, b), -a, -b) for a, b in pairs)
            if p < alpha:
                break
            joined = np.concatenate([self.groups.pop(-a), self.groups.pop(-b)])
            self.groups[max(names) + 1] = joined

    def labels(self, n) -> np.ndarray:
        cluster = np.empty(n, int)
        for number, rows in enumerate(self.groups.values()):
            cluster[rows] = number
        return cluster


def partition(values, is_first, first_half, levels=(ALPHA, STRICT)) -> list:
    """Partition of all units from one split, one per level.

    Parameters
    ----------
    values : array, shape (n_units, n_stimuli)
        z-scored.
    is_first : array of bool, shape (n_units,)
        Units that make the groups; the others test them.
    first_half : array of bool, shape (n_stimuli,)
    levels : tuple of float, descending

    Returns
    -------
    list of ndarray of int, shape (n_units,)
    """
    few = values.shape[1] < FEW
    one, two = (values, values) if few else (values[:, first_half], values[:, ~first_half])
    first = Components(one[is_first])(one)
    second = Components(two[is_first])(two)
    labels = np.zeros(len(values), int)
    n_first = int(is_first.sum())
    labels[is_first] = ward(first[is_first], int(np.clip(n_first // 3, 4, 40)))
    while True:
        centres = centroids(first[is_first], labels[is_first])
        labels[~is_first] = nearest(first[~is_first], centres)
        k = len(centres)
        inside = np.bincount(labels[is_first], minlength=k)
        held = np.bincount(labels[~is_first], minlength=k)
        weak = np.flatnonzero((inside < 2) | (held < 2))
        if not len(weak) or k == 1:
            break
        worst = weak[np.argmin((inside + held)[weak])]
        others = np.delete(np.arange(k), worst)
        target = others[nearest(centres[worst][None], centres[others])[0]]
        labels[labels == worst] = target
        labels = np.unique(labels, return_inverse=True)[1]
    joining = _Joining(first, second, labels, is_first)
    partitions = []
    for level in levels:
        joining.run(level)
        partitions.append(joining.labels(len(values)))
    return partitions


def consensus(partitions) -> np.ndarray:
    """Groups of units that most partitions put together: average linkage, cut at one half."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    together = co_assignment(partitions).astype(np.float64)
    if len(together) < 2:
        return np.zeros(len(together), int)
    apart = 1 - together
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average")
    return by_size(fcluster(tree, 0.5, "distance"))


def flatness(values, labels) -> list:
    """Whether units of a group lie evenly along a line: see :data:`FLAT`."""
    ratios = []
    for group in range(int(labels.max()) + 1):
        rows = values[labels == group]
        if len(rows) < N_FLAT:
            ratios.append("not tested")
            continue
        score = Components(rows, 1)(rows)[:, 0]
        excess = float((score**4).mean() / (score**2).mean() ** 2 - 3)
        ratios.append("continuum" if excess < FLAT else "no continuum")
    return ratios


def branches(values, labels) -> list:
    """Two branches of the groups' means by average linkage; all 0 for fewer than three groups."""
    k = int(labels.max()) + 1
    if k < 3:
        return [0] * k
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(centroids(values, labels), "average")
    return (fcluster(tree, 2, "maxclust") - 1).tolist()


def find_types(responses, random_state=0) -> Types:
    """Number of types and who belongs to which.

    Parameters
    ----------
    responses : array, shape (n_stimuli, n_units)
        Of every unit to the same stimuli, such as a twin's predictions. A positive gain and an
        offset per unit change nothing, nor does the order of the units.
    random_state : int, default 0

    Returns
    -------
    Types

    Raises
    ------
    ValueError
        See :func:`zscore`.

    Notes
    -----
    Visible gaps are needed: many similar types with noise give "none found by this search", which
    does not say that there are none.

    References
    ----------
    Hartigan, J. A. & Hartigan, P. M. (1985). The dip test of unimodality. Annals of Statistics 13.
    The search is ours.
    """
    values = zscore(responses)
    order = canonical(values)
    everyone = values[order]
    drawn = np.arange(len(everyone))
    if len(everyone) > MOST:
        rng = seeds.generator(random_state, "searched units")
        drawn = np.sort(rng.permutation(len(everyone))[:MOST])
    rows = everyone[drawn]
    loose, strict = [], []
    for number in range(N_SPLITS):
        rng = seeds.generator(random_state, "gap splits", number)
        half = first_half(values.T, rng)
        is_first = halves(rows, rng)
        for side in (is_first, ~is_first):
            few = len(rows) < 8
            pair = [np.zeros(len(rows), int)] * 2 if few else partition(rows, side, half)
            loose.append(pair[0])
            strict.append(pair[1])
    types_found = consensus(loose)
    n_groups = int(types_found.max()) + 1
    n_strict = int(consensus(strict).max()) + 1
    agreement = mean_pairwise(agreement_matrix(loose))
    labels = np.empty(len(values), int)
    if len(drawn) < len(everyone):
        space = Components(rows)
        types_found = nearest(space(everyone), centroids(space(rows), types_found))
    labels[order] = types_found
    labels = by_size(labels)
    if n_groups == 1 or agreement < AGREE:
        verdict = VERDICTS[2]
    else:
        verdict = VERDICTS[0] if n_strict == n_groups else VERDICTS[1]
    return Types(
        labels,
        1 if verdict == VERDICTS[2] else n_groups,
        n_groups,
        n_strict,
        agreement,
        verdict,
        flatness(values, labels),
        branches(values, labels),
        loose,
    )
