"""Weighted benchmark graphs with planted communities, after Lancichinetti and Fortunato (2009).

Degrees and community sizes follow power laws; a share of each node's links and of each node's
strength leaves its community. Written from the published description.
"""

from __future__ import annotations

import numpy as np

NETS = {
    "net1": {"beta": 0.5},
    "net2": {"beta": 1.0},
    "net3": {},
    "net4": {"mut": 0.25},
    "net5": {"mut": 0.5},
    "net6": {"mut": 0.75},
    "net7": {"k": 10},
    "net8": {"muw": 0.25},
    "net9": {"muw": 0.75},
}
"""Where the graphs of the publication's first table differ from the defaults."""


def lfr_graph(
    n=125,
    k=25.0,
    max_k=100,
    t1=2.0,
    t2=1.0,
    smallest=10,
    largest=100,
    mut=0.5,
    muw=0.5,
    beta=2.0,
    *,
    random_state=0,
):
    """One weighted graph with known communities.

    Parameters
    ----------
    n : int
        Nodes.
    k : float
        Mean degree.
    max_k : int
        Largest degree.
    t1, t2 : float
        Exponents of degrees and of community sizes.
    smallest, largest : int
        Bounds of the community sizes.
    mut, muw : float
        Share of each node's links, and of its strength, that leaves the community.
    beta : float
        Strength is degree to this power.
    random_state : int

    Returns
    -------
    weights : ndarray of float64, shape (n, n)
        Symmetric, 0 for no link.
    labels : ndarray of int, shape (n,)
    """
    rng = np.random.default_rng(random_state)
    for _ in range(1000):
        degree = _degrees(n, k, max_k, t1, rng)
        sizes = _sizes(n, t2, smallest, largest, rng)
        inside = np.round((1 - mut) * degree).astype(int)
        labels = _assign(inside, sizes, rng)
        if labels is None:
            continue
        if len(sizes) == 1:
            inside = degree.copy()
        same = labels[:, None] == labels
        links = _wire(inside, same, rng) | _wire(degree - inside, ~same, rng)
        return _weights(links, labels, beta, muw if len(sizes) > 1 else 0.0), labels
    raise ValueError("lfr: no assignment of degrees to communities was found; lower k or mut")


def _power(low, high, exponent, count, rng):
    """Draws from a continuous power law between two bounds."""
    u = rng.random(count)
    if abs(exponent - 1) < 1e-9:
        return low * (high / low) ** u
    a = 1 - exponent
    return (low**a + u * (high**a - low**a)) ** (1 / a)


def _mean(low, high, exponent):
    grid = np.linspace(low, high, 20001)
    density = grid**-exponent
    return float((grid * density).sum() / density.sum())


def _degrees(n, k, max_k, t1, rng):
    """Degrees with the wanted mean: the lower bound is found by bisection."""
    low, high = 1.0, float(k)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(middle, max_k, t1) < k else (low, middle)
    degree = np.round(_power(low, max_k, t1, n, rng)).astype(int)
    if degree.sum() % 2:
        degree[degree.argmin()] += 1
    return degree


def _sizes(n, t2, smallest, largest, rng):
    """Community sizes that add up to n."""
    while True:
        sizes = []
        while sum(sizes) < n:
            sizes.append(int(np.round(_power(smallest, largest, t2, 1, rng)[0])))
        sizes[-1] -= sum(sizes) - n
        if sizes[-1] >= smallest:
            return np.array(sizes)
        short = sizes.pop()
        if sizes:
            # what is missing goes to the communities that exist
            for turn in range(short):
                sizes[turn % len(sizes)] += 1
            if max(sizes) <= max(largest, n):
                return np.array(sizes)


def _assign(inside, sizes, rng):
    """A community for every node that is larger than the links it needs inside."""
    n = len(inside)
    if inside.max() >= sizes.max():
        return None
    labels = np.full(n, -1)
    waiting = list(rng.permutation(n))
    for _ in range(200 * n):
        if not waiting:
            return labels
        node = waiting.pop()
        fits = np.flatnonzero(sizes > inside[node])
        chosen = rng.choice(fits)
        members = np.flatnonzero(labels == chosen)
        if len(members) == sizes[chosen]:
            out = rng.choice(members)
            labels[out] = -1
            waiting.insert(0, out)
        labels[node] = chosen
    return None


def _wire(stubs, allowed, rng):
    """Links with given degrees: the neediest nodes first, then many exchanges of ends.

    Parameters
    ----------
    stubs : array of int, shape (n,)
        Links that each node should get.
    allowed : array of bool, shape (n, n)
        Pairs that may be joined.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n, n)
    """
    n = len(stubs)
    links, left = np.zeros((n, n), bool), np.array(stubs)
    order = rng.random(n)
    while True:
        node = int(np.lexsort((order, -left))[0])
        if left[node] <= 0:
            break
        free = np.flatnonzero(allowed[node] & ~links[node] & (left > 0))
        free = free[free != node]
        chosen = free[np.lexsort((order[free], -left[free]))][: left[node]]
        links[node, chosen] = links[chosen, node] = True
        left[chosen] -= 1
        left[node] = 0
    pairs = np.argwhere(np.triu(links))
    for _ in range(10 * len(pairs)):
        p, q = rng.integers(0, len(pairs), 2)
        (a, b), (c, d) = pairs[p], pairs[q] if rng.random() < 0.5 else pairs[q][::-1]
        if len({a, b, c, d}) < 4 or links[a, d] or links[c, b]:
            continue
        if allowed[a, d] and allowed[c, b]:
            links[a, b] = links[b, a] = links[c, d] = links[d, c] = False
            links[a, d] = links[d, a] = links[c, b] = links[b, c] = True
            pairs[p], pairs[q] = (a, d), (c, b)
    return links


def _weights(links, labels, beta, muw, n_iterations=200):
    """Weights whose sums inside and outside the communities meet the nodes' strengths."""
    strength = links.sum(axis=1).astype(float) ** beta
    same = labels[:, None] == labels
    weights = np.zeros(links.shape)
    for links_of, share in ((links & same, 1 - muw), (links & ~same, muw)):
        target = share * strength
        w = links_of * np.sqrt(np.outer(target, target) + 1e-300)
        for _ in range(n_iterations):
            now = w.sum(axis=1)
            ratio = np.sqrt(np.where(now > 0, target / np.where(now > 0, now, 1), 1))
            w *= np.outer(ratio, ratio)
        weights += w
    return weights
