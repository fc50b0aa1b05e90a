"""Statistics of edges that hang together: components, and enhancement without a threshold.

Two edges are neighbours when they share a node. Arrays of edges are `(n_maps, n_edges)`.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Components:
    """Connected sets of edges beyond a threshold, those of positive and negative sign apart.

    Attributes
    ----------
    label : ndarray of int, shape (n_maps, n_edges)
        Number of an edge's component, -1 below the threshold; numbers run over all maps.
    map : ndarray of int, shape (n_components,)
        Map of each component.
    sign : ndarray of int, shape (n_components,)
    extent : ndarray of int, shape (n_components,)
        Edges.
    intensity : ndarray of float, shape (n_components,)
        Sum of what the edges have beyond the threshold.
    """

    label: np.ndarray
    map: np.ndarray
    sign: np.ndarray
    extent: np.ndarray
    intensity: np.ndarray

    def largest(self, n_maps: int) -> tuple[np.ndarray, np.ndarray]:
        """Largest extent and largest intensity of each map, 0 without any component."""
        extent, intensity = np.zeros(n_maps), np.zeros(n_maps)
        np.maximum.at(extent, self.map, self.extent)
        np.maximum.at(intensity, self.map, self.intensity)
        return extent, intensity


def components(z, pairs, n_nodes: int, threshold: float) -> Components:
    """Components of the network-based statistic.

    Parameters
    ----------
    z : array, shape (n_maps, n_edges)
        Signed statistics; NaN counts as 0.
    pairs : array of int, shape (n_edges, 2)
        Nodes of each edge.
    n_nodes : int
    threshold : float
        Edges of larger size count.

    Returns
    -------
    Components

    References
    ----------
    Zalesky, A., Fornito, A., Bullmore, E. T. (2010). Network-based statistic: identifying
    differences in brain networks. NeuroImage 53, 1197-1207.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    z = np.nan_to_num(np.asarray(z, dtype=np.float64))
    pairs = np.asarray(pairs)
    row, edge = np.nonzero(np.abs(z) > threshold)
    value = z[row, edge]
    # every map and sign has nodes of its own: one graph for all of them
    start = (2 * row + (value < 0)) * n_nodes
    first, second = start + pairs[edge, 0], start + pairs[edge, 1]
    used, node = np.unique(np.concatenate([first, second]), return_inverse=True)
    ends = node[: len(first)], node[len(first) :]
    graph = coo_array((np.ones(len(first), dtype=np.int8), ends), shape=(len(used),) * 2)
    count, of_node = connected_components(graph, directed=False)
    member = of_node[ends[0]]
    label = np.full(z.shape, -1)
    label[row, edge] = member
    where = np.zeros(count, dtype=int)
    where[member] = row
    sign = np.zeros(count, dtype=int)
    sign[member] = np.sign(value)
    return Components(
        label=label,
        map=where,
        sign=sign,
        extent=np.bincount(member, minlength=count),
        intensity=np.bincount(member, np.abs(value) - threshold, minlength=count),
    )


def enhance(z, pairs, n_nodes: int, *, extent=0.4, height=3.0, step=0.1) -> np.ndarray:
    """Threshold-free enhancement of edges by the component that they are in at every height.

    The sum over heights h = step, 2 step, ... up to the edge's own size of
    `n_edges(h) ** extent * h ** height * step`; positive and negative edges apart.

    Parameters
    ----------
    z : array, shape (n_maps, n_edges)
        Signed statistics; NaN counts as 0.
    pairs : array of int, shape (n_edges, 2)
    n_nodes : int
    extent : float, default 0.4 (Vinokur et al. 2015)
    height : float, default 3.0 (Vinokur et al. 2015)
    step : float, default 0.1 (as MRtrix's connectomestats)

    Returns
    -------
    ndarray, shape (n_maps, n_edges)
        With the sign of `z`.

    References
    ----------
    Smith, S. M., Nichols, T. E. (2009). Threshold-free cluster enhancement. NeuroImage 44, 83-98.
    Vinokur, L., Zalesky, A., Raffelt, D., Smith, R. E., Connelly, A. (2015). A novel threshold-free
    network-based statistics method: demonstration using simulated pathology. OHBM, 4144.
    Baggio, H. C. et al. (2018). Statistical inference in brain graphs using threshold-free
    network-based statistics. Hum. Brain Mapp. 39, 2289-2302.
    """
    from neuro.stats.permuted.kernels import enhance_maps

    z = np.ascontiguousarray(np.nan_to_num(np.asarray(z, dtype=np.float64)))
    pairs = np.ascontiguousarray(pairs, dtype=np.int64)
    top = int(np.floor(np.abs(z).max(initial=0.0) / step)) + 2
    weight = (np.arange(top) * step) ** height * step
    power = np.arange(len(pairs) + 1, dtype=np.float64) ** extent
    out = np.zeros_like(z)
    enhance_maps(z, pairs[:, 0].copy(), pairs[:, 1].copy(), n_nodes, 1 / step, weight, power, out)
    return out
