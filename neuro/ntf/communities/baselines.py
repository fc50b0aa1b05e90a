"""Simple ways to the same answer: assemblies by PCA and ICA, correlation, states of windows, HMM.

What a factorisation finds counts for little where a few lines find it as well. Each function
gives weighted networks of the same shape as motifs, so that all are judged alike.
"""

from __future__ import annotations

import numpy as np

from neuro.base.seeds import number
from neuro.stats.ties import first_best

METHODS = ("PCA-ICA", "correlation", "k-means of windows", "HMM")
MORE = 3
"""Components that PCA-ICA may have beyond those of the factorisation, in a second run."""
ICA_STARTS, ICA_TOL = 5, 1e-6
"""Random starts of FastICA, and the change of its directions that ends one (ours)."""
_SAME = 1e-4
"""Relative difference of negentropy below which two starts ended at one optimum."""
_GAUSSIAN = 0.37456720749
"""Mean of log cosh of a standard normal variable."""
HMM_DIMENSIONS = 10
HMM_SWEEPS = 20
_STAY = 0.95


def stacked(traces) -> np.ndarray:
    """z-scored traces of all recordings one below the other; 0 where there is no value.

    Parameters
    ----------
    traces : list of arrays, shape (n_frames, n_neurons)
        Columns are the same neurons in all; NaN where there is no value.

    Returns
    -------
    ndarray of float64, shape (sum of n_frames, n_neurons)
    """
    parts = []
    for x in traces:
        x = np.array(x, np.float64)
        seen = np.isfinite(x)
        count = np.maximum(seen.sum(axis=0), 1)
        x = np.where(seen, x, 0)
        centred = np.where(seen, x - x.sum(axis=0) / count, 0)
        sd = np.sqrt((centred**2).sum(axis=0) / count)
        parts.append(centred / np.where(sd > 0, sd, 1))
    return np.concatenate(parts)


def pca_ica(z, n_components, seed=0, n_starts=ICA_STARTS) -> np.ndarray:
    """Assemblies: independent directions in the leading principal components.

    FastICA ends at a local optimum; of several starts the one whose sources are furthest from
    Gaussian is kept.

    Parameters
    ----------
    z : array, shape (n_frames, n_neurons)
        From :func:`stacked`.
    n_components : int
    seed : int
    n_starts : int, default 5
        Random starts (ours).

    Returns
    -------
    ndarray, shape (n_components, n_neurons, n_neurons)
        Outer product of each assembly's pattern with itself; below 0 for pairs of unlike sign.

    References
    ----------
    Lopes-dos-Santos et al. 2013, J. Neurosci. Methods 220:149. Hyvärinen 1999, IEEE Trans. Neural
    Netw. 10:626 (negentropy).
    """
    from sklearn.decomposition import PCA

    n = min(n_components, z.shape[1] - 1, len(z) - 1)
    # FastICA would whiten once more, with signs of its axes that rounding decides
    reduced = PCA(n, svd_solver="full", whiten=True).fit(z)
    y = reduced.transform(z)
    fits = [independent(y, number(seed, "assemblies by ICA", n, k)) for k in range(n_starts)]
    best = first_best([negentropy(y @ fit) for fit in fits], _SAME)
    # the pattern of a component, not the filter that reads it out, is what its neurons share
    scale = np.sqrt(reduced.explained_variance_)
    weights = (np.linalg.pinv(fits[best]) * scale) @ reduced.components_
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return np.einsum("ri,rj->rij", weights, weights)


def independent(y, seed) -> np.ndarray:
    """Filters of one start of FastICA on white data, a column per source.

    Parameters
    ----------
    y : array, shape (n_frames, n_components)
    seed : int

    Returns
    -------
    ndarray, shape (n_components, n_components)
    """
    import warnings

    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    ica = FastICA(random_state=seed, max_iter=500, tol=ICA_TOL, whiten=False)
    with warnings.catch_warnings():
        # a baseline that has not settled is still one
        warnings.simplefilter("ignore", ConvergenceWarning)
        return ica.fit(y).components_.T


def negentropy(sources) -> float:
    """How far sources are from Gaussian: Hyvärinen's measure with log cosh, summed over them.

    Parameters
    ----------
    sources : array, shape (n_frames, n_sources)
        Of any scale.

    Returns
    -------
    float
    """
    size = np.abs(sources / sources.std(axis=0))
    # log cosh without overflow
    contrast = size + np.log1p(np.exp(-2 * size)) - np.log(2)
    return float(((contrast.mean(axis=0) - _GAUSSIAN) ** 2).sum())


def correlation(z) -> np.ndarray:
    """Plain correlation of the traces, shape (1, n_neurons, n_neurons)."""
    return _correlations(z, np.ones((1, len(z))))


def window_states(traces, fs, n_states, window_s=20.0, seed=0) -> np.ndarray:
    """States of the network: k-means of the correlations in sliding windows.

    Parameters
    ----------
    traces : list of arrays, shape (n_frames, n_neurons)
    fs : float
        Sampling rate in Hz.
    n_states : int
    window_s : float, default 20
        Length of a window in s; they begin every half of it.
    seed : int

    Returns
    -------
    ndarray, shape (n_states, n_neurons, n_neurons)
        Mean correlations of each state.
    """
    from sklearn.cluster import KMeans

    width = max(4, round(window_s * fs))
    rows = []
    for x in traces:
        z = stacked([x])
        for first in range(0, max(1, len(z) - width + 1), max(1, width // 2)):
            block = z[first : first + width]
            rows.append(_correlations(block, np.ones((1, len(block))))[0])
    cube = np.array(rows)
    left, right = np.triu_indices(cube.shape[1], 1)
    values = cube[:, left, right]
    k = min(n_states, len(values))
    model = KMeans(k, n_init=4, random_state=number(seed, "states of windows", k)).fit(values)
    return np.array([cube[model.labels_ == state].mean(axis=0) for state in range(k)])


def chain_states(traces, n_states, seed=0, n_sweeps=HMM_SWEEPS) -> np.ndarray:
    """States of a hidden Markov chain with Gaussian activity in the leading components.

    Parameters
    ----------
    traces : list of arrays, shape (n_frames, n_neurons)
    n_states : int
    seed : int
    n_sweeps : int, default 20
        Of expectation and maximisation.

    Returns
    -------
    ndarray, shape (n_states, n_neurons, n_neurons)
        Correlations of the traces, frames weighted by the probability of each state.
    """
    z = stacked(traces)
    lengths = [len(x) for x in traces]
    probability = chain_probabilities(z, lengths, n_states, seed, n_sweeps)
    return _correlations(z, probability.T)


def chain_probabilities(z, lengths, n_states, seed=0, n_sweeps=HMM_SWEEPS) -> np.ndarray:
    """Probability of every state in every frame, shape (n_frames, n_states)."""
    from sklearn.cluster import KMeans

    dimensions = min(HMM_DIMENSIONS, z.shape[1])
    _, _, axes = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    y = z @ axes[:dimensions].T
    y /= np.maximum(y.std(axis=0), 1e-12)
    labels = KMeans(
        n_states, n_init=2, random_state=number(seed, "states of a chain", n_states)
    ).fit_predict(y)
    probability = np.eye(n_states)[labels]
    moves = np.full((n_states, n_states), (1 - _STAY) / max(1, n_states - 1))
    np.fill_diagonal(moves, _STAY if n_states > 1 else 1.0)
    begin = np.full(n_states, 1.0 / n_states)
    for _ in range(n_sweeps):
        likelihood = _likelihoods(y, probability)
        probability, counts, first = _forward_backward(likelihood, lengths, moves, begin)
        moves = (counts + 1e-3) / (counts + 1e-3).sum(axis=1, keepdims=True)
        begin = (first + 1e-3) / (first + 1e-3).sum()
    return probability


def _likelihoods(y, probability):
    """Gaussian likelihoods of every frame in every state, the largest of a frame 1."""
    d, out = y.shape[1], np.empty(probability.shape)
    for k, weight in enumerate(probability.T):
        total = weight.sum() + 1e-9
        mean = weight @ y / total
        centred = y - mean
        # a little of the unit covariance of all frames keeps rare states from collapsing
        covariance = (centred.T * weight) @ centred + d * np.eye(d)
        covariance /= total + d
        half = np.linalg.solve(np.linalg.cholesky(covariance), centred.T)
        _, size = np.linalg.slogdet(covariance)
        out[:, k] = -0.5 * ((half**2).sum(axis=0) + size)
    out -= out.max(axis=1, keepdims=True)
    return np.exp(out)


def _forward_backward(likelihood, lengths, moves, begin):
    """State probabilities, expected moves and first states over independent recordings."""
    probability = np.empty_like(likelihood)
    counts, first, start = np.zeros_like(moves), np.zeros_like(begin), 0
    for length in lengths:
        b = likelihood[start : start + length]
        forward, backward = np.empty_like(b), np.ones_like(b)
        now = begin * b[0]
        forward[0] = now / now.sum()
        for t in range(1, length):
            now = (forward[t - 1] @ moves) * b[t]
            forward[t] = now / now.sum()
        for t in range(length - 2, -1, -1):
            now = moves @ (b[t + 1] * backward[t + 1])
            backward[t] = now / now.sum()
        both = forward * backward
        both /= both.sum(axis=1, keepdims=True)
        ahead = b[1:] * backward[1:]
        # every pair of frames weighs one
        norm = np.einsum("tk,kl,tl->t", forward[:-1], moves, ahead)
        counts += moves * np.einsum("tk,tl->kl", forward[:-1] / norm[:, None], ahead)
        first += both[0]
        probability[start : start + length] = both
        start += length
    return probability, counts, first


def _correlations(z, weights):
    """Pearson correlations with weighted frames, one matrix per row of weights; diagonal 0."""
    out = np.zeros((len(weights), z.shape[1], z.shape[1]))
    for matrix, weight in zip(out, weights):
        share = weight / max(weight.sum(), 1e-300)
        centred = z - share @ z
        covariance = (centred.T * share) @ centred
        sd = np.sqrt(np.diag(covariance))
        scale = np.where(sd > 1e-9, 1 / np.where(sd > 1e-9, sd, 1), 0)
        matrix[:] = covariance * scale[:, None] * scale
        np.fill_diagonal(matrix, 0)
    return out


def networks(traces, fs, rank, window_s=20.0, seed=0) -> dict[str, np.ndarray]:
    """All baselines beside a factorisation of a given rank.

    Parameters
    ----------
    traces : list of arrays, shape (n_frames, n_neurons)
    fs : float
    rank : int
        Components of the factorisation; PCA-ICA has as many, and three more in a second run; the
        states are one more, because one of them is rest.
    window_s : float
    seed : int

    Returns
    -------
    dict of str to ndarray, shape (n, n_neurons, n_neurons)
    """
    z = stacked(traces)
    by_method = {"PCA-ICA": pca_ica(z, rank, seed)}
    if rank + MORE < z.shape[1]:
        by_method[f"PCA-ICA, {MORE} more"] = pca_ica(z, rank + MORE, seed)
    by_method["correlation"] = correlation(z)
    by_method["k-means of windows"] = window_states(traces, fs, rank + 1, window_s, seed)
    by_method["HMM"] = chain_states(traces, rank + 1, seed)
    return by_method


def one_to_one(matrices, groups) -> np.ndarray:
    """How well networks tell pairs inside each group, every network used once at most.

    Parameters
    ----------
    matrices : array, shape (n_networks, n_neurons, n_neurons)
        A single network serves all groups.
    groups : list of arrays of bool, shape (n_neurons, n_neurons)
        Pairs inside.

    Returns
    -------
    ndarray, shape (n_groups,)
        Area under the ROC curve of all pairs; .5 for groups that are left without a network.
    """
    from scipy.optimize import linear_sum_assignment

    from neuro.ntf.communities.agreement import auroc

    left, right = np.triu_indices(matrices.shape[1], 1)
    table = np.array(
        [[auroc(one[left, right], inside[left, right]) for one in matrices] for inside in groups]
    )
    if len(matrices) == 1:
        return table[:, 0]
    out = np.full(len(groups), 0.5)
    rows, columns = linear_sum_assignment(-np.nan_to_num(table, nan=0.5))
    out[rows] = table[rows, columns]
    return out
