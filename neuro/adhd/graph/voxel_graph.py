"""Voxel graphs: degree, distance degree and 3-cycles of thresholded correlations.

An edge joins two voxels (or regions) whose series correlate above a threshold. The graph is held
as one bit per pair of nodes, and 3-cycles are counted by AND and population count on rows of
bits, so that a brain at 4 mm (30,000 voxels, 450 million pairs) takes seconds and 0.3 GB.
"""

from __future__ import annotations

import numbers

import numpy as np
from threadpoolctl import threadpool_limits

from neuro.adhd.graph import bits as kernels
from neuro.adhd.graph import correlation
from neuro.adhd.graph.distance import DistanceBins, bins_of, check_edges
from neuro.adhd.graph.packed import count_cycles, cycles3, cycles4, pack, unpack
from neuro.adhd.graph.standardise import TILE, padded_size, standardise
from neuro.base.estimator import Params

__all__ = ["VoxelGraph", "cycles3", "cycles4", "memory_estimate", "pack", "unpack"]

MEMORY_LIMIT_GB = 4.0
"""Largest estimated need of one graph that is accepted without `allow_large`."""

MAX_DENSITY = 0.5


class VoxelGraph(Params):
    """Graph of strongly correlated voxels and its maps.

    Give exactly one of `threshold` and `density`.

    Parameters
    ----------
    threshold : float, optional
        Edges are the pairs with r > threshold, -1 to 1. 0.8 is the value attributed to Dey et al.
        (2012); at region level it leaves nearly no edges.
    density : float, optional
        Edges are this share of all N (N - 1) / 2 pairs, the strongest positive ones, ties
        included; above 0 and at most 0.5. 0.02 is typical for voxels, 0.10 for regions (ours).
        It removes the dependence of the number of edges on scan length and filtering.
    distance_bins : sequence of float, default (0, 20, 40, 60, 80, inf)
        Edges in mm of half-open bins [low, high) (ours; the paper does not state its bins).
    block : int, default 2048
        Rows and columns of one work item, rounded up to whole tiles of 512. It sets how finely
        work is dealt out to threads; it changes neither the result nor, noticeably, the memory.
    n_threads : int, default 1
        Threads; the result does not depend on their number.
    allow_large : bool, default False
        Accept graphs whose estimated memory exceeds 4 GB.
    keep_bits : bool, default False
        Keep the packed graph as `bits_`.
    cycles4 : bool, default False
        Count 4-cycles too. All pairs of nodes count, not only edges: 10 to 50 times slower.

    Attributes
    ----------
    degree_ : ndarray, int64, (n_voxels,)
    weighted_degree_ : ndarray, float64, (n_voxels,)
        Sum of the correlations of a voxel's edges, accurate to float32 rounding per edge.
    distance_degree_ : ndarray, int64, (n_voxels, n_bins), or None without coordinates
    cycles3_ : ndarray, int64, (n_voxels,)
        Triangles through each voxel.
    cycles4_ : ndarray, int64, (n_voxels,)
        Only with `cycles4=True`.
    clustering_ : ndarray, float64, (n_voxels,)
        2 c / (d (d - 1)), 0 where the degree is below 2.
    n_edges_, n_triangles_ : int
    density_ : float
        Edges per pair of voxels, constant voxels included; 0 for fewer than two voxels.
    threshold_ : float
        `r > threshold_` gives this graph. With `density` it lies 2^-41 below the correlation of the
        weakest edge; 1 where no pair has a correlation.
    n_constant_ : int
        Voxels whose series is constant. They stay in the maps, without edges.
    n_features_in_ : int
        Number of voxels.
    bits_ : ndarray, uint64, (n_voxels, ceil(n_voxels / 64))
        Only with `keep_bits=True`; see :func:`pack`.

    Notes
    -----
    Correlations are computed in float32. Pairs within the rounding bound of the threshold are
    decided in float64 at a resolution of 2^-40, so the graph is the float64 one and independent of
    `block`, `n_threads` and the BLAS library. A correlation that involves a constant series is
    undefined and never an edge, whatever the threshold.

    References
    ----------
    Dey S, Rao AR, Shah M (2012). Exploiting the brain's network structure for automatic
    identification of ADHD subjects. Frontiers in Systems Neuroscience 6:75.

    Examples
    --------
    >>> import numpy as np
    >>> series = np.random.default_rng(0).standard_normal((100, 60))
    >>> graph = VoxelGraph(density=0.1).fit(series)
    >>> graph.n_edges_
    177
    """

    def __init__(
        self,
        threshold=None,
        density=None,
        distance_bins=(0, 20, 40, 60, 80, np.inf),
        block=2048,
        n_threads=1,
        allow_large=False,
        keep_bits=False,
        cycles4=False,
    ):
        self.threshold = threshold
        self.density = density
        self.distance_bins = distance_bins
        self.block = block
        self.n_threads = n_threads
        self.allow_large = allow_large
        self.keep_bits = keep_bits
        self.cycles4 = cycles4

    def fit(self, X, y=None, *, coords_mm=None):
        """Build the graph of one subject and compute its maps.

        Parameters
        ----------
        X : array-like, (n_timepoints, n_voxels)
            Time first. The series are centred and scaled here.
        y
            Ignored.
        coords_mm : array-like, (n_voxels, 3), optional
            World coordinates in mm (the affine applied to the voxel index).

        Returns
        -------
        VoxelGraph

        Raises
        ------
        ValueError
            One line: both or neither of `threshold` and `density`; one of them, `distance_bins`,
            `block` or `n_threads` out of range; fewer than three time points; values that are not
            finite; coordinates that do not match; more memory than the limit; or more ties at the
            wanted density than can be held.
        """
        edges = self._check_settings()
        series, coords = self._check_data(X, coords_mm)
        self.n_features_in_ = series.shape[1]
        n = series.shape[1]
        self._check_memory(*series.shape)
        distances = DistanceBins() if coords is None else bins_of(coords, edges)
        # BLAS threads would multiply ours and split the tiles anew
        with threadpool_limits(limits=1, user_api="blas"):
            z = standardise(series)
            tiles = correlation.TilePass(z, distances, self.block, self.n_threads)
            if self.threshold is not None:
                graph = correlation.fixed_threshold(tiles, float(self.threshold))
            else:
                graph = correlation.proportional_threshold(tiles, float(self.density))
        bits = graph.bits
        self.n_constant_ = int(z.constant.sum())
        self.threshold_ = graph.threshold
        self.degree_ = kernels.degrees(bits[:n])
        self.weighted_degree_ = graph.weight
        self.distance_degree_ = None if coords is None else graph.counts
        self.cycles3_ = count_cycles(kernels.cycles3_rows, bits, n, self.n_threads)
        if self.cycles4:
            self.cycles4_ = count_cycles(kernels.cycles4_rows, bits, n, self.n_threads)
        if self.keep_bits:
            self.bits_ = np.ascontiguousarray(bits[:n, : -(-n // 64)])
        pairs = n * (n - 1) // 2
        self.n_edges_ = int(self.degree_.sum()) // 2
        self.n_triangles_ = int(self.cycles3_.sum()) // 3
        self.density_ = self.n_edges_ / pairs if pairs else 0.0
        possible = self.degree_ * (self.degree_ - 1)
        self.clustering_ = 2.0 * self.cycles3_ / np.maximum(possible, 1)
        self._check_sums(edges)
        return self

    def to_networkx(self, X=None, names=None, coords_mm=None):
        """The fitted graph as networkx, for graphs of regions or of some thousand voxels.

        Parameters
        ----------
        X : array-like, (n_timepoints, n_voxels), optional
            The series that were fitted; their correlations become the weights, which are 1
            otherwise.
        names : sequence of str, optional
        coords_mm : array-like, (n_voxels, 3), optional
            Become the attributes `x`, `y`, `z`.

        Returns
        -------
        networkx.Graph
            Nodes have `degree`, `cycles3` and `clustering`.

        Raises
        ------
        ValueError
            When the graph was not kept, see `keep_bits`.
        """
        from neuro.io.graphs import to_networkx

        if not hasattr(self, "bits_"):
            raise ValueError("VoxelGraph: the graph was not kept; fit with keep_bits=True")
        present = unpack(self.bits_)
        weights = present.astype(np.int8)
        if X is not None:
            weights = np.zeros(present.shape)
            row, column = np.nonzero(present)
            exact = standardise(np.asarray(X)).exact
            weights[row, column] = kernels.pair_correlations(exact, row, column)
        nodes = {name: getattr(self, f"{name}_") for name in ("degree", "cycles3", "clustering")}
        if coords_mm is not None:
            nodes["coords_mm"] = coords_mm
        return to_networkx(weights, names, present=present, nodes=nodes)

    def _check_settings(self) -> np.ndarray:
        if (self.threshold is None) == (self.density is None):
            given = "neither" if self.threshold is None else "both"
            raise ValueError(
                f"VoxelGraph: got {given} of threshold and density, expected exactly one "
                "(e.g. threshold=0.8 or density=0.02)"
            )
        if self.threshold is not None and not -1 <= _number("threshold", self.threshold) <= 1:
            raise ValueError(
                f"threshold: got {self.threshold}, expected a correlation from -1 to 1"
            )
        if self.density is not None and not 0 < _number("density", self.density) <= MAX_DENSITY:
            hint = ""
            if MAX_DENSITY < self.density <= 1:
                hint = f"; for edges above r = {self.density} use threshold={self.density}"
            raise ValueError(
                f"density: got {self.density}, expected a share of all pairs above 0 and at most "
                f"{MAX_DENSITY} (0.02 is typical for voxels, 0.10 for regions){hint}"
            )
        for name in ("block", "n_threads"):
            value = getattr(self, name)
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not whole or value < 1:
                raise ValueError(f"{name}: got {value!r}, expected a whole number >= 1")
        return check_edges(self.distance_bins)

    def _check_data(self, X, coords_mm):
        vars(self).pop("feature_names_in_", None)
        if not isinstance(X, np.ndarray) or X.dtype == object:
            # tables and lists; jobs bring arrays, and importing this takes as long as their graph
            from sklearn.utils.validation import validate_data

            X = validate_data(self, X, ensure_all_finite=False)
        series = np.asarray(X)
        if series.ndim != 2 or series.dtype.kind not in "fiub":
            hint = "; Complex data not supported" if series.dtype.kind == "c" else ""
            raise ValueError(
                f"X: got shape {series.shape} of type {series.dtype}, expected real numbers "
                f"(time points, voxels){hint}"
            )
        n_times, n = series.shape
        if n_times < 3:
            raise ValueError(
                f"X: got {n_times} time points (shape {series.shape}), expected at least 3, "
                "time first"
            )
        if coords_mm is None:
            return series, None
        coords = np.asarray(coords_mm)
        if coords.shape != (n, 3):
            turned = "; X looks transposed" if coords.shape == (n_times, 3) else ""
            raise ValueError(
                f"coords_mm: got shape {coords.shape} for {n} voxels in X, "
                f"expected ({n}, 3){turned}"
            )
        coords = coords.astype(np.float64)
        bad = ~np.isfinite(coords).all(axis=1)
        if bad.any():
            raise ValueError(
                f"coords_mm: {bad.sum()} voxels without finite coordinates, "
                f"the first is voxel {int(np.argmax(bad))}"
            )
        return series, coords

    def _check_memory(self, n_times: int, n: int):
        need = memory_estimate(n, n_times, n_threads=self.n_threads, density=self.density)
        if need > MEMORY_LIMIT_GB and not self.allow_large:
            raise ValueError(
                f"VoxelGraph: {n} voxels need about {need:.1f} GB, the limit is "
                f"{MEMORY_LIMIT_GB:g} GB; use a coarser grid or mask, or allow_large=True"
            )

    def _check_sums(self, edges: np.ndarray):
        """Identities that hold for every graph; a failure is a bug here, never the user's."""
        wrong = []
        if int(self.degree_.sum()) % 2:
            wrong.append("the sum of degrees is odd")
        if int(self.cycles3_.sum()) % 3:
            wrong.append("the sum of 3-cycles is no multiple of 3")
        if (
            self.distance_degree_ is not None
            and edges[0] == 0
            and np.isinf(edges[-1])
            and not np.array_equal(self.distance_degree_.sum(axis=1), self.degree_)
        ):
            wrong.append("distance bins do not add up to the degree")
        if wrong:
            raise RuntimeError(f"VoxelGraph: internal check failed: {'; '.join(wrong)}")


def memory_estimate(n_voxels: int, n_timepoints: int, *, n_threads=1, density=None) -> float:
    """Memory in GB (10^9 bytes) that :class:`VoxelGraph` needs beside its input.

    Parameters
    ----------
    n_voxels, n_timepoints : int
    n_threads : int
    density : float, optional
        A proportional threshold holds the pairs near it: the width of the sampled bracket.

    Returns
    -------
    float
    """
    padded = padded_size(n_voxels)
    per_thread = 40 * TILE**2 + 80 * n_voxels + kernels.ROWS * padded // 4
    total = padded * padded // 8 + 12 * padded * n_timepoints + n_threads * per_thread
    if density is not None:
        n_pairs = n_voxels * (n_voxels - 1) / 2
        n_drawn = min(correlation.SAMPLE, max(correlation.SAMPLE // 16, n_pairs / 64))
        held = min(n_pairs, max(n_drawn, 14 * n_pairs * (density / n_drawn) ** 0.5))
        total += 40 * held
    return total / 1e9


def _number(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name}: got {value!r}, expected a number")
    return float(value)
