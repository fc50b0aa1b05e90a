"""Compiled moves of the weighted stochastic block model."""

from __future__ import annotations

import numpy as np
from numba import njit

EXPONENTIAL, LOGNORMAL = 0, 1


@njit(cache=True, nogil=True)
def _largest(b):
    top = -1
    for value in b:
        top = max(top, value)
    return top


@njit(cache=True, nogil=True)
def term(m, e, x, xx, prior, half_lgamma):
    """Description length of the pairs between two blocks, in nats.

    Parameters
    ----------
    m, e : float
        Observed pairs and edges; whole numbers.
    x, xx : float
        Sum and sum of squares of the weights (exponential: sum only) or of their logarithms.
    prior : float64 array
        (family, mean, variance, kappa, shape).
    half_lgamma : float64 array
        lgamma(k / 2) at place k.
    """
    mm, ee = int(m + 0.5), int(e + 0.5)
    # which pairs are edges: their number uniform, then their places uniform
    value = half_lgamma[2 * (mm + 2)] - half_lgamma[2 * (ee + 1)] - half_lgamma[2 * (mm - ee + 1)]
    if ee == 0:
        return value
    if prior[0] == EXPONENTIAL:
        # rate with a gamma prior of shape 1 and the mean weight as scale
        mean = prior[1]
        return value - np.log(mean) - half_lgamma[2 * (ee + 1)] + (1 + ee) * np.log(mean + x)
    # normal logarithms with a normal-inverse-gamma prior
    centre, variance, kappa, shape = prior[1], prior[2], prior[3], prior[4]
    average = x / ee
    scatter = max(0.0, xx - x * average)
    kappa_n, shape_n = kappa + ee, shape + 0.5 * ee
    scale = variance * shape
    gap = average - centre
    scale_n = scale + 0.5 * scatter + 0.5 * kappa * ee * gap * gap / kappa_n
    value += 0.5 * ee * np.log(2 * np.pi) + 0.5 * np.log(kappa_n / kappa)
    value += half_lgamma[int(2 * shape + 0.5)] - half_lgamma[int(2 * shape_n + 0.5)]
    return value + shape_n * np.log(scale_n) - shape * np.log(scale)


@njit(cache=True, nogil=True)
def _log_choose(n_nodes, n_blocks, half_lgamma):
    """Logarithm of the number of ways to give n_nodes to n_blocks that are not empty."""
    value = half_lgamma[2 * n_nodes] - half_lgamma[2 * n_blocks]
    return value - half_lgamma[2 * (n_nodes - n_blocks + 1)]


@njit(cache=True, nogil=True)
def partition_length(sizes, n_nodes, half_lgamma):
    """Description length of a partition: number of blocks, their sizes, who is where."""
    n_blocks = 0
    value = 0.0
    for size in sizes:
        if size > 0:
            n_blocks += 1
            value -= half_lgamma[2 * (size + 1)]
    value += half_lgamma[2 * (n_nodes + 1)] + np.log(n_nodes)
    return value + _log_choose(n_nodes, n_blocks, half_lgamma)


@njit(cache=True, nogil=True)
def block_sums(stats, b, n_blocks):
    """Sums of the pair statistics over all pairs of blocks, shape (n_blocks, n_blocks, 4)."""
    n = len(b)
    sums = np.zeros((n_blocks, n_blocks, 4))
    for i in range(n):
        for j in range(i + 1, n):
            r, s = b[i], b[j]
            for k in range(4):
                sums[r, s, k] += stats[i, j, k]
                if r != s:
                    sums[s, r, k] += stats[i, j, k]
    return sums


@njit(cache=True, nogil=True)
def description_length(stats, b, prior, half_lgamma):
    """Description length of a graph and its partition, in nats."""
    n_blocks = _largest(b) + 1
    sums = block_sums(stats, b, n_blocks)
    sizes = np.zeros(n_blocks, np.int64)
    for r in b:
        sizes[r] += 1
    value = partition_length(sizes, len(b), half_lgamma)
    for r in range(n_blocks):
        for s in range(r, n_blocks):
            v = sums[r, s]
            value += term(v[0], v[1], v[2], v[3], prior, half_lgamma)
    return value


@njit(cache=True, nogil=True)
def _node_sums(stats, b, i, n_blocks, own):
    for s in range(n_blocks):
        for k in range(4):
            own[s, k] = 0.0
    for j in range(len(b)):
        if j != i:
            s = b[j]
            for k in range(4):
                own[s, k] += stats[i, j, k]


@njit(cache=True, nogil=True)
def _change(sums, own, sizes, n_nodes, used, r, s, step, prior, half_lgamma):
    """Change of the description length when a node moves from block r to block s."""
    value = 0.0
    for t in range(len(sizes)):
        if sizes[t] == 0 and t != s:
            continue
        for side in range(2):
            # pairs with t leave row r and enter row s; the pair of r and s does both
            row = r if side == 0 else s
            if side == 1 and t == r:
                continue
            for k in range(4):
                if side == 1:
                    step[k] = own[t, k]
                elif t == s:
                    step[k] = own[r, k] - own[s, k]
                else:
                    step[k] = -own[t, k]
            v = sums[row, t]
            for sign in range(2):
                # first what it is now, then what it becomes
                change = term(
                    v[0] + sign * step[0],
                    v[1] + sign * step[1],
                    v[2] + sign * step[2],
                    v[3] + sign * step[3],
                    prior,
                    half_lgamma,
                )
                value += change if sign == 1 else -change
    n_r, n_s = sizes[r], sizes[s]
    value += half_lgamma[2 * (n_r + 1)] - half_lgamma[2 * n_r]
    value += half_lgamma[2 * (n_s + 1)] - half_lgamma[2 * (n_s + 2)]
    blocks = used - (1 if n_r == 1 else 0) + (1 if n_s == 0 else 0)
    if blocks != used:
        value += _log_choose(n_nodes, blocks, half_lgamma)
        value -= _log_choose(n_nodes, used, half_lgamma)
    return value


@njit(cache=True, nogil=True)
def _move(sums, own, sizes, r, s, n_blocks):
    for t in range(n_blocks):
        if t in (r, s):
            continue
        for k in range(4):
            sums[r, t, k] -= own[t, k]
            sums[t, r, k] = sums[r, t, k]
            sums[s, t, k] += own[t, k]
            sums[t, s, k] = sums[s, t, k]
    for k in range(4):
        sums[r, r, k] -= own[r, k]
        sums[s, s, k] += own[s, k]
        sums[r, s, k] += own[r, k] - own[s, k]
        sums[s, r, k] = sums[r, s, k]
    sizes[r] -= 1
    sizes[s] += 1


@njit(cache=True, nogil=True)
def compact(b):
    """Number the blocks from 0 without gaps, in place; returns their number."""
    seen = np.full(_largest(b) + 1, -1)
    count = 0
    for i in range(len(b)):
        if seen[b[i]] < 0:
            seen[b[i]] = count
            count += 1
        b[i] = seen[b[i]]
    return count


@njit(cache=True, nogil=True)
def sweeps(stats, b, order, draws, inverse_temperature, prior, half_lgamma, allowed):
    """Sweeps of single-node moves, in place.

    Every node in turn looks at all blocks and one empty block. With a positive inverse
    temperature it draws one by its probability (a Gibbs sampler at 1), with 0 it takes the
    shortest description.

    Parameters
    ----------
    stats : float64 array, shape (n, n, 4)
    b : int64 array, shape (n,)
    order : int64 array, shape (n_sweeps, n)
        Nodes in the order of each sweep. With inverse temperature 0 it ends earlier once nothing
        moves.
    draws : float64 array, shape (n_sweeps, n)
        Uniform random numbers; they come from outside because numpy's generators take seconds
        to compile.
    inverse_temperature : float
    prior, half_lgamma : arrays
    allowed : int64 array, shape (2,)
        Two blocks a node may choose from, for splits; (-1, -1) allows all.
    """
    n = len(b)
    limit = min(n, _largest(b) + 2 + n // 2)
    sums = block_sums(stats, b, limit + 1)
    sizes = np.zeros(limit + 1, np.int64)
    for r in b:
        sizes[r] += 1
    own = np.zeros((limit + 1, 4))
    change = np.zeros(limit + 1)
    step = np.zeros(4)
    used = 0
    for size in sizes:
        used += 1 if size > 0 else 0
    for turn in range(len(order)):
        moved = 0
        for position in range(n):
            i = order[turn, position]
            r = b[i]
            if allowed[0] >= 0 and r != allowed[0] and r != allowed[1]:
                continue
            _node_sums(stats, b, i, limit + 1, own)
            used_empty = False
            best, best_change = r, 0.0
            for s in range(limit):
                change[s] = np.inf
                if s == r:
                    change[s] = 0.0
                    continue
                if allowed[0] >= 0:
                    if (s != allowed[0] and s != allowed[1]) or sizes[r] == 1:
                        continue
                elif sizes[s] == 0:
                    if used_empty or sizes[r] == 1:
                        continue
                    used_empty = True
                change[s] = _change(sums, own, sizes, n, used, r, s, step, prior, half_lgamma)
                if change[s] < best_change - 1e-9:
                    best, best_change = s, change[s]
            if inverse_temperature > 0:
                low = best_change
                total = 0.0
                for s in range(limit):
                    if change[s] < np.inf:
                        total += np.exp(-inverse_temperature * (change[s] - low))
                draw = draws[turn, position] * total
                best = r
                for s in range(limit):
                    if change[s] < np.inf:
                        draw -= np.exp(-inverse_temperature * (change[s] - low))
                        if draw <= 0:
                            best = s
                            break
            if best != r:
                used += (1 if sizes[best] == 0 else 0) - (1 if sizes[r] == 1 else 0)
                _move(sums, own, sizes, r, best, limit)
                b[i] = best
                moved += 1
        if moved == 0 and inverse_temperature <= 0:
            break


@njit(cache=True, nogil=True)
def merges(stats, b, prior, half_lgamma):
    """Merge blocks as long as that shortens the description, in place."""
    while True:
        n_blocks = compact(b)
        if n_blocks < 2:
            return
        sums = block_sums(stats, b, n_blocks)
        sizes = np.zeros(n_blocks, np.int64)
        for r in b:
            sizes[r] += 1
        now = partition_length(sizes, len(b), half_lgamma)
        best, best_r, best_s = -1e-9, -1, -1
        for r in range(n_blocks):
            for s in range(r + 1, n_blocks):
                value = 0.0
                for t in range(n_blocks):
                    if t in (r, s):
                        continue
                    a, c = sums[r, t], sums[s, t]
                    value -= term(a[0], a[1], a[2], a[3], prior, half_lgamma)
                    value -= term(c[0], c[1], c[2], c[3], prior, half_lgamma)
                    value += term(
                        a[0] + c[0], a[1] + c[1], a[2] + c[2], a[3] + c[3], prior, half_lgamma
                    )
                a, c, d = sums[r, r], sums[s, s], sums[r, s]
                value -= term(a[0], a[1], a[2], a[3], prior, half_lgamma)
                value -= term(c[0], c[1], c[2], c[3], prior, half_lgamma)
                value -= term(d[0], d[1], d[2], d[3], prior, half_lgamma)
                value += term(
                    a[0] + c[0] + d[0],
                    a[1] + c[1] + d[1],
                    a[2] + c[2] + d[2],
                    a[3] + c[3] + d[3],
                    prior,
                    half_lgamma,
                )
                sizes[r] += sizes[s]
                kept = sizes[s]
                sizes[s] = 0
                value += partition_length(sizes, len(b), half_lgamma) - now
                sizes[s] = kept
                sizes[r] -= kept
                if value < best:
                    best, best_r, best_s = value, r, s
        if best_r < 0:
            return
        for i in range(len(b)):
            if b[i] == best_s:
                b[i] = best_r
