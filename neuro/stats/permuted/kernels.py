"""Compiled part of the threshold-free enhancement.

All kernels live in this one file because numba refreshes its cache by the age of the file that
holds a function.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _find(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def _one(values, first, second, n_nodes, inverse_step, weight, power, out):
    """Enhance the edges of positive value; heights from the top, components by union and find."""
    n_edges = len(values)
    level = np.zeros(n_edges, dtype=np.int64)
    top = 0
    for edge in range(n_edges):
        if values[edge] > 0:
            level[edge] = int(values[edge] * inverse_step + 1e-9)
            top = max(top, level[edge])
    if top == 0:
        return
    # edges from the highest level down, by counting
    start = np.zeros(top + 2, dtype=np.int64)
    for edge in range(n_edges):
        if level[edge] > 0:
            start[top - level[edge] + 1] += 1
    for k in range(1, top + 2):
        start[k] += start[k - 1]
    order = np.empty(start[top], dtype=np.int64)
    at = start.copy()
    for edge in range(n_edges):
        if level[edge] > 0:
            order[at[top - level[edge]]] = edge
            at[top - level[edge]] += 1
    parent = np.arange(n_nodes)
    count = np.zeros(n_nodes, dtype=np.int64)
    root = np.empty(n_nodes, dtype=np.int64)
    gain = np.empty(n_nodes)
    for below in range(top):
        height = top - below
        for k in range(start[below], start[below + 1]):
            edge = order[k]
            a, b = _find(parent, first[edge]), _find(parent, second[edge])
            if a != b:
                parent[b] = a
                count[a] += count[b]
            count[a] += 1
        for node in range(n_nodes):
            root[node] = _find(parent, node)
            if root[node] == node:
                gain[node] = power[count[node]] * weight[height]
        for k in range(start[below + 1]):
            edge = order[k]
            out[edge] += gain[root[first[edge]]]


@njit(cache=True, nogil=True)
def enhance_maps(z, first, second, n_nodes, inverse_step, weight, power, out):
    """Enhance every map, positive and negative edges apart; `out` is written."""
    n_edges = z.shape[1]
    enhanced = np.empty(n_edges)
    made = np.empty(n_edges)
    for one in range(z.shape[0]):
        for sign in (1.0, -1.0):
            for edge in range(n_edges):
                enhanced[edge] = max(sign * z[one, edge], 0.0)
                made[edge] = 0.0
            _one(enhanced, first, second, n_nodes, inverse_step, weight, power, made)
            for edge in range(n_edges):
                out[one, edge] += sign * made[edge]
