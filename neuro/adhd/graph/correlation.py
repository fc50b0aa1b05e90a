"""From voxel series to a packed graph: tiles of correlations and exact thresholds.

Correlations are computed in float32, in tiles of one fixed shape, and compared at once. A pair
whose float32 value lies within the rounding bound of the threshold is decided by its float64
product, summed in time order and rounded to 2^-40. The graph is therefore the one that float64
correlations give; it depends neither on tile or block size nor on threads or the BLAS library.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from neuro.adhd.graph import bits as kernels
from neuro.adhd.graph.distance import DistanceBins
from neuro.adhd.graph.packed import run_threads
from neuro.adhd.graph.standardise import TILE, Standardised

RESOLUTION = 2.0**-40
"""Correlations are compared in these steps, so that pairs equal up to rounding are ties."""

SAMPLE = 1 << 20
"""Most pairs drawn to bracket a proportional threshold; a quarter as many are all kept instead."""

MAX_PAIRS = 1 << 25
"""Most undecided pairs held while a proportional threshold is sought (12 bytes each)."""


@dataclass
class PackedGraph:
    """What one pass over the correlations leaves.

    Attributes
    ----------
    bits : ndarray, uint64, (n_padded, n_padded / 64)
        Padded to whole tiles with zeros.
    weight : ndarray, float64, (n,)
    counts : ndarray, int64, (n, n_bins)
    threshold : float
        r > threshold are the edges.
    """

    bits: np.ndarray
    weight: np.ndarray
    counts: np.ndarray
    threshold: float


class TilePass:
    """One run over all pairs of nodes, on `n_threads` threads.

    Threads own whole tiles (and their mirror images), hence whole words of the packed graph;
    sums are private to a thread and added at the end.
    """

    def __init__(self, z: Standardised, distances: DistanceBins, block: int, n_threads: int):
        self.z = z
        self.distances = distances
        self.usable = z.usable()
        self.block = -(-block // TILE) * TILE
        self.n_threads = n_threads
        self.bits = np.zeros((len(z.padded), len(z.padded) // 64), np.uint64)
        self._clear()

    def _clear(self):
        n_bins = self.distances.n_bins
        self.weight = np.zeros(self.z.n, np.int64)
        # one column on either side takes the pairs outside all bins
        self.counts = np.zeros((self.z.n, n_bins + 2) if n_bins else (0, 0), np.int64)

    def _tiles(self):
        """Tiles on and above the diagonal, grouped into square work items."""
        edge, n = self.block, len(self.z.padded)
        for i0 in range(0, n, edge):
            for j0 in range(i0, n, edge):
                yield [
                    (i, j)
                    for i in range(i0, min(i0 + edge, n), TILE)
                    for j in range(max(j0, i), min(j0 + edge, n), TILE)
                ]

    def _run(self, make_worker):
        """Feed work items to `n_threads` workers; returns what each worker returned."""
        items = list(self._tiles())
        queue = iter(items)  # next() on a list iterator is atomic

        def work():
            take, finish = make_worker()
            tile = np.empty((TILE, TILE), np.float32)
            for task in queue:
                for i, j in task:
                    np.dot(self.z.padded[i : i + TILE], self.z.padded[j : j + TILE].T, out=tile)
                    take(tile, i, j)
            return finish()

        return run_threads(work, min(self.n_threads, max(len(items), 1)))

    def scan(self, low: float, high: float, decide=None):
        """Enter every pair above `high`; return or decide the pairs in between.

        Parameters
        ----------
        low, high : float
            Float32 correlations that could lie in [low, high] in float64 are undecided.
        decide : callable, optional
            `decide(i, j)` says which undecided pairs are edges. Without it they are returned.

        Returns
        -------
        tuple of ndarray or None
            i, j, r of the undecided pairs; None with `decide`, or where there are too many.
        """
        self.bits[:] = 0
        self._clear()
        low32 = np.nextafter(np.float32(low - self.z.error), np.float32(-np.inf))
        high32 = np.nextafter(np.float32(high + self.z.error), np.float32(np.inf))

        def make_worker():
            weight, counts = np.zeros_like(self.weight), np.zeros_like(self.counts)
            sums = (weight, counts, *self.distances.kernel_arguments)
            room = 2 * TILE * TILE
            edges, pairs = _pair_lists(TILE * TILE), _pair_lists(room)
            n_pairs, n_kept, kept = 0, 0, []

            def flush():
                nonlocal n_pairs, n_kept
                pairs_so_far = tuple(column[:n_pairs] for column in pairs)
                if decide is not None:
                    chosen = decide(*pairs_so_far[:2])
                    self._add(tuple(column[chosen] for column in pairs_so_far), sums)
                else:
                    n_kept += n_pairs
                    if n_kept <= MAX_PAIRS:
                        kept.append(tuple(column.copy() for column in pairs_so_far))
                n_pairs = 0

            def take(tile, i, j):
                nonlocal n_pairs
                n_edges, n_pairs = kernels.scan_tile(
                    tile, i, j, low32, high32, self.usable, self.bits, *edges, *pairs, n_pairs
                )
                kernels.count_edges(n_edges, *edges, *sums)
                kernels.mirror(self.bits, i, j, TILE)
                if n_pairs > room - TILE * TILE:
                    flush()

            def finish():
                flush()
                return weight, counts, n_kept, kept

            return take, finish

        parts = self._run(make_worker)
        for weight, counts, _, _ in parts:
            self.weight += weight
            self.counts += counts
        if decide is not None or sum(result[2] for result in parts) > MAX_PAIRS:
            return None
        kept = [columns for result in parts for columns in result[3]]
        return tuple(np.concatenate(column) for column in zip(*kept))

    def add(self, edges):
        """Enter pairs (i, j, r) as edges."""
        self._add(edges, (self.weight, self.counts, *self.distances.kernel_arguments))

    def _add(self, edges, sums):
        kernels.set_edges(*edges[:2], self.bits)
        kernels.count_edges(len(edges[0]), *edges, *sums)

    def histogram(self) -> np.ndarray:
        """Counts of the positive correlations in 65,536 equal bins over (0, 1]."""

        def make_worker():
            out = np.zeros(kernels.HISTOGRAM_BINS, np.int64)

            def take(tile, i, j):
                kernels.histogram_tile(tile, i, j, self.usable, out)

            return take, lambda: out

        return np.sum(self._run(make_worker), axis=0)

    def result(self, threshold: float) -> PackedGraph:
        weight = self.weight / float(kernels.FIXED_POINT)
        return PackedGraph(self.bits, weight, self.counts[:, 1:-1].copy(), threshold)


def _pair_lists(size: int) -> tuple[np.ndarray, ...]:
    """Room for i, j and r of `size` pairs."""
    return tuple(np.empty(size, kind) for kind in (np.int32, np.int32, np.float32))


def _exact(z: Standardised, pair_i, pair_j) -> np.ndarray:
    return np.rint(kernels.pair_correlations(z.exact, pair_i, pair_j) / RESOLUTION) * RESOLUTION


def fixed_threshold(tiles: TilePass, threshold: float) -> PackedGraph:
    """The graph of all pairs with r > `threshold`."""
    tiles.scan(threshold, threshold, decide=lambda i, j: _exact(tiles.z, i, j) > threshold)
    return tiles.result(threshold)


def proportional_threshold(tiles: TilePass, density: float) -> PackedGraph:
    """The graph of the `density` N (N - 1) / 2 strongest positive correlations, ties included.

    The k-th largest value is bracketed by a sample of pairs and then found exactly among the
    pairs inside the bracket; where the bracket misses it, a histogram of all pairs replaces the
    sample. The threshold is half a comparison step below the k-th largest value, so that
    r > threshold gives the same graph again.
    """
    n = tiles.z.n
    n_wanted = math.floor(density * (n * (n - 1) // 2) + 0.5)
    n_usable = n - int(tiles.z.constant.sum())
    if n_usable < 2:
        return tiles.result(1.0)
    n_wanted = min(max(n_wanted, 1), n_usable * (n_usable - 1) // 2)
    threshold = _select(tiles, n_wanted, *_sample_bracket(tiles, n_wanted, n_usable))
    if threshold is None:
        threshold = _select(tiles, n_wanted, *_histogram_bracket(tiles, n_wanted))
    if threshold is None:
        raise ValueError(
            f"density: more than {MAX_PAIRS:,} pairs tie at the density of {density}; the series "
            "are too short or take too few values, use threshold= instead"
        )
    if threshold <= 0.0:
        warnings.warn(
            f"density: fewer than {density:g} of all pairs correlate positively; "
            "all positive pairs are edges",
            stacklevel=3,
        )
    return tiles.result(threshold)


def _sample_bracket(tiles: TilePass, n_wanted: int, n_usable: int) -> tuple[float, float]:
    """Bracket of the k-th largest correlation that holds it with near certainty."""
    n_pairs = n_usable * (n_usable - 1) // 2
    if n_pairs <= SAMPLE // 4:
        return 0.0, math.inf
    n_drawn = min(SAMPLE, max(SAMPLE // 16, n_pairs // 64))
    rng = np.random.default_rng(0)
    nodes = np.flatnonzero(~tiles.z.constant)
    first = rng.integers(0, n_usable, n_drawn)
    second = (first + rng.integers(1, n_usable, n_drawn)) % n_usable
    values = kernels.rough_correlations(tiles.z.padded, nodes[first], nodes[second])
    values = np.sort(values)[::-1]
    rank = n_drawn * (n_wanted / n_pairs)
    spread = 6.0 * math.sqrt(rank) + 10.0
    high = values[int(rank - spread)] if rank > spread else math.inf
    low = values[int(rank + spread)] if rank + spread < n_drawn else 0.0
    return max(float(low), 0.0), max(float(high), 0.0)


def _histogram_bracket(tiles: TilePass, n_wanted: int) -> tuple[float, float]:
    """The histogram bin that holds the k-th largest correlation."""
    above = np.cumsum(tiles.histogram()[::-1])
    if above[-1] < n_wanted:
        return 0.0, tiles.z.error
    which = kernels.HISTOGRAM_BINS - 1 - int(np.searchsorted(above, n_wanted))
    width = 1.0 / kernels.HISTOGRAM_BINS
    error = 2.0 * tiles.z.error
    # float32 products of unit vectors may exceed 1, and the last bin takes them
    high = math.inf if which == kernels.HISTOGRAM_BINS - 1 else (which + 1) * width + error
    return max(which * width - error, 0.0), high


def _select(tiles: TilePass, n_wanted: int, low: float, high: float) -> float | None:
    """Enter the `n_wanted` largest positive correlations and their ties as edges.

    Returns the threshold, or None where the bracket [low, high] does not hold it or holds too
    many pairs.
    """
    pairs = tiles.scan(low, high)
    if pairs is None:
        return None
    rough = pairs[2]
    n_sure = int(kernels.degrees(tiles.bits).sum()) // 2
    rank = n_wanted - n_sure
    if rank < 1 or (rank > rough.size and low > 0.0):
        return None
    value = 0.0
    if rank <= rough.size:
        # an order statistic moves by no more than the error of the single values
        middle = np.float64(np.partition(rough, rough.size - rank)[rough.size - rank])
        sure, near, exact = _split(tiles.z, pairs, middle)
        value = float(np.sort(exact)[::-1][rank - 1 - int(sure.sum())])
        if value > high or (value < low and low > 0.0):
            return None
    if value > 0.0:
        sure[near] = exact >= value
    else:
        sure, near, exact = _split(tiles.z, pairs, np.float64(0.0))
        sure[near] = exact > 0.0
    tiles.add(tuple(column[sure] for column in pairs))
    return max(value - RESOLUTION / 2, 0.0)


def _split(z: Standardised, pairs, middle: np.float64):
    """Pairs surely above `middle`, pairs too near to tell, and the exact values of the latter."""
    distance = pairs[2] - middle
    near = np.abs(distance) <= 2 * z.error
    return distance > 2 * z.error, near, _exact(z, pairs[0][near], pairs[1][near])
