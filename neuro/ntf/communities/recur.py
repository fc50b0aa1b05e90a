"""Does a motif recur? It is fitted on one half of the time and looked for in the other.

A motif that is one clique is nearly of rank one, so a test of its communities against a null that
keeps the strengths of the neurons explains it away. Here the question is another one: whether pairs
that a motif joins are also the pairs that covary where the motif was not fitted, more than when
every neuron is moved by a few seconds on its own. The movement is short, so that the rates, the
rhythms of each neuron and the slow rate of the population stay.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.base.seeds import generator
from neuro.ntf.affinity.excess import excess, filled

ORDER_S = 2.0
"""Order of the whitening in s."""
SMOOTH_S = 0.25
SLOW_S = 5.0
"""What is slower is taken off."""
GAP_S = 4.0
"""Seconds left out between the halves."""
MOVE_S = 4.0
"""Largest movement of a neuron in the null, both ways."""
N_NULL = 199
WINDOW_S = 10.0
STEPS = 4
"""Windows begin every fourth of a window."""
DERIVATIVE_S = 0.25
"""Finer than for the affinities that are shown: events of a few frames count (ours)."""
LAGS_S = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """Whether components recur.

    Attributes
    ----------
    z : ndarray of float64, shape (n_components,)
        Held-out covariance of the motif's pairs, in standard deviations of the null; summed over
        the two halves and over recordings.
    p : ndarray of float64, shape (n_components,)
        One-sided; NaN for components without a counterpart in the halves.
    null : ndarray of float64, shape (n_components, n_null)
    overlap : ndarray of float64, shape (n_components,)
        Largest cosine with the motif of another component: pieces of one clique recur one by one.
    """

    z: np.ndarray
    p: np.ndarray
    null: np.ndarray
    overlap: np.ndarray


def whitened(traces, fs) -> np.ndarray:
    """Traces without what their own past predicts, smoothed, less their slow part.

    Parameters
    ----------
    traces : array, shape (n_frames, n_neurons)
        Gaps (NaN) are bridged; 0 there afterwards.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of float64, shape (n_frames, n_neurons)
    """
    from scipy.linalg import solve_toeplitz
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import lfilter

    x = np.array(traces, np.float64)
    seen = np.isfinite(x)
    x = filled(x, seen)
    order = max(1, min(round(ORDER_S * fs), len(x) // 10))
    out = np.zeros_like(x)
    for column in range(x.shape[1]):
        own = x[:, column] - x[:, column].mean()
        energy = np.array([own[: len(own) - k] @ own[k:] for k in range(order + 1)])
        if energy[0] <= 0:
            continue
        # a little white noise keeps the equations solvable for smooth traces
        first = energy[:-1].copy()
        first[0] *= 1 + 1e-6
        weights = solve_toeplitz(first, energy[1:])
        rest = lfilter(np.concatenate([[1.0], -weights]), [1.0], own)
        rest[:order] = 0
        out[:, column] = rest
    out = gaussian_filter1d(out, SMOOTH_S * fs, axis=0)
    out -= gaussian_filter1d(out, SLOW_S * fs, axis=0)
    return np.where(seen, out, 0.0)


def lagged_covariances(u, n_lags) -> np.ndarray:
    """Covariance of every neuron with every other at every lag, shape (2 n_lags + 1, n, n).

    ``C[l + n_lags, i, j]`` is the mean of u_i(t) u_j(t + l).
    """
    n_frames, n = u.shape
    out = np.empty((2 * n_lags + 1, n, n))
    for lag in range(n_lags + 1):
        product = u[: n_frames - lag].T @ u[lag:] / (n_frames - lag)
        out[n_lags + lag], out[n_lags - lag] = product, product.T
    return out


def held_out_scores(motifs, u, fs, *, n_null=N_NULL, rng=None):
    """Covariance of the pairs of motifs in traces they were not fitted on, and its null.

    ``S_r = sum_ij (P_ijr - mean P_r) C_ij(0)``; taking off the mean of a motif is what keeps a
    common rise of the whole population out. In the null neuron i is moved by a lag s_i of its own,
    up to 4 s either way: C_ij(s_j - s_i), a look-up.

    Parameters
    ----------
    motifs : array, shape (n_pairs, n_components)
    u : array, shape (n_frames, n_neurons)
        From :func:`whitened`.
    fs : float
    n_null : int, default 199
    rng : numpy.random.Generator

    Returns
    -------
    score : ndarray, shape (n_components,)
    null : ndarray, shape (n_components, n_null)
    """
    n = u.shape[1]
    left, right = np.triu_indices(n, 1)
    most = max(1, round(MOVE_S * fs))
    sd = u.std(axis=0)
    covariance = lagged_covariances(u / np.where(sd > 0, sd, 1), 2 * most)
    weights = motifs - motifs.mean(axis=0)
    score = weights.T @ covariance[2 * most, left, right]
    null = np.empty((len(score), n_null))
    for k in range(n_null):
        moved = rng.integers(-most, most + 1, n)
        null[:, k] = weights.T @ covariance[2 * most + moved[right] - moved[left], left, right]
    return score, null


def recurrence(traces, fs, motifs, *, n_null=N_NULL, n_starts=3, random_state=0) -> Recurrence:
    """Test every component: is its motif there in the half of the time it was not fitted on?

    Parameters
    ----------
    traces : list of arrays, shape (n_frames, n_neurons)
        One per recording, columns in the order of the motifs' neurons; NaN where there is none.
    fs : float
        Sampling rate in Hz.
    motifs : array, shape (n_pairs, n_components)
        Of the full data, edges signed or not; components of the halves are matched to them.
    n_null : int, default 199
    n_starts : int, default 3
        Of the fits on halves.
    random_state : int, default 0

    Returns
    -------
    Recurrence

    Raises
    ------
    ValueError
        When a recording is too short to be halved.
    """
    motifs = np.asarray(motifs, np.float64)
    rank = motifs.shape[1]
    z, null_z = np.zeros(rank), np.zeros((rank, n_null))
    tested = np.zeros(rank, int)
    halves_of = [halves(x, fs) for x in traces]
    rng = generator(random_state, "moved neurons")
    # most motifs are told by what rises together; the others need both signs
    against = np.minimum(motifs, 0)
    signed = 2 * (against**2).sum(axis=0) > (motifs**2).sum(axis=0)
    for which in (False, True):
        own = np.flatnonzero(signed == which)
        if not len(own):
            continue
        parts = motifs[:, own] if which else np.maximum(motifs[:, own], 0)
        for side in (0, 1):
            blocks = [pair_values(both[side], fs, which) for both in halves_of]
            factors = fitted(blocks, rank, which, n_starts, random_state)
            for component, match in matched(parts, factors):
                tested[own[component]] += 1
                for both in halves_of:
                    u = whitened(both[1 - side], fs)
                    score, null = held_out_scores(
                        factors[:, [match]], u, fs, n_null=n_null, rng=rng
                    )
                    spread = null[0].std()
                    if spread > 0:
                        z[own[component]] += (score[0] - null[0].mean()) / spread
                        null_z[own[component]] += (null[0] - null[0].mean()) / spread
    return summed(motifs, z, null_z, tested)


def summed(motifs, z, null_z, tested) -> Recurrence:
    """The result of a test from its sums over halves.

    Parameters
    ----------
    motifs : array, shape (n_pairs, n_components)
    z : array, shape (n_components,)
    null_z : array, shape (n_components, n_null)
    tested : array of int, shape (n_components,)
        Halves in which a component had a counterpart; without one it has no p value.

    Returns
    -------
    Recurrence
    """
    p = (1 + (null_z >= z[:, None]).sum(axis=1)) / (null_z.shape[1] + 1)
    same = cosines(motifs, motifs)
    np.fill_diagonal(same, 0)
    return Recurrence(z, np.where(tested > 0, p, np.nan), null_z, same.max(axis=1, initial=0))


def fitted(blocks, rank, signed, n_starts, random_state):
    """Motifs of one half.

    Parameters
    ----------
    blocks : list of arrays, shape (n_windows, n_pairs)
        From :func:`pair_values`, one per recording.
    rank : int
    signed : bool
        Whether the blocks hold both signs; edges have a sign then.
    n_starts : int
    random_state : int

    Returns
    -------
    ndarray of float64, shape (n_pairs, n_components)
    """
    from neuro.ntf.communities.detect import edges
    from neuro.ntf.factors.models import ConcatenatedNMF

    values, mask = _stacked(blocks)
    # neither of the two halves decides which components there are
    rank = min(rank, *values.shape[::2])
    model = ConcatenatedNMF(rank, n_starts=n_starts, random_state=random_state)
    return edges(model.fit(values, mask=mask).pairs_.astype(np.float64), signed)


def matched(motifs, factors):
    """Components and their counterparts in a half, one to one; none where nothing is alike."""
    from scipy.optimize import linear_sum_assignment

    agreement = cosines(motifs, factors)
    pairs = zip(*linear_sum_assignment(-agreement))
    return [(one, other) for one, other in pairs if agreement[one, other] > 0]


def recurrence_table(recurrence, n_null, reason=""):
    """One row per component; p values adjusted over the components.

    Parameters
    ----------
    recurrence : Recurrence, or int where there was no test
        The number of components in that case.
    n_null : int
    reason : str
        Why there was no test.

    Returns
    -------
    pandas.DataFrame
        Columns `component`, `z`, `null_95` (95 % quantile of the null in the same unit),
        `p_value`, `p_adjusted`, `overlap`, `surrogates`, `reason`.
    """
    import pandas as pd

    from neuro.stats.false_discovery import adjusted_p

    rank = recurrence if isinstance(recurrence, int) else len(recurrence.z)
    table = pd.DataFrame({"component": np.arange(1, rank + 1)})
    empty = np.full(rank, np.nan)
    given = None if isinstance(recurrence, int) else recurrence
    table["z"] = empty if given is None else given.z
    table["null_95"] = empty if given is None else np.quantile(given.null, 0.95, axis=1)
    table["p_value"] = empty if given is None else given.p
    table["p_adjusted"] = adjusted_p(table["p_value"].to_numpy())
    table["overlap"] = empty if given is None else given.overlap
    return table.assign(surrogates=0 if given is None else n_null, reason=reason)


def pair_values(traces, fs, signed=False) -> np.ndarray:
    """Affinities that the halves are fitted on: excess in windows of 10 s.

    What all pairs of a window share stays: the mean of a motif is taken off its score instead.

    Parameters
    ----------
    traces : array, shape (n_frames, n_neurons)
    fs : float
    signed : bool, default False
        Whether pairs that run against each other follow as well; they cost power.

    Returns
    -------
    ndarray of float32, shape (n_windows, n_pairs), or (n_windows, 2 n_pairs) where signed
        NaN where a pair was not observed.
    """
    width = WINDOW_S * fs
    centres = np.arange(width / 2, len(traces) - width / 2 + 0.5, width / STEPS)
    given = {"smooth_s": DERIVATIVE_S, "window_s": WINDOW_S, "lags_s": LAGS_S}
    z = excess(traces, fs, centres=centres, common=False, **given)
    if signed:
        return np.concatenate([np.maximum(z, 0), np.maximum(-z, 0)], axis=1)
    return np.maximum(z, 0)


def halves(x, fs):
    """First and second half of a recording, some seconds apart.

    Raises
    ------
    ValueError
        When a half is shorter than a window and a lag.
    """
    gap = round(GAP_S * fs)
    middle = (len(x) - gap) // 2
    if middle < (WINDOW_S + LAGS_S[0]) * fs:
        raise ValueError(
            f"{len(x) / fs:.3g} s are too short for two halves of {WINDOW_S + LAGS_S[0]:g} s"
        )
    return x[:middle], x[middle + gap :]


def _stacked(blocks):
    """Windows of all recordings one below the other: values (n, 1, n_pairs) and mask."""
    values = np.concatenate(blocks)[:, None]
    finite = np.isfinite(values)
    return np.where(finite, values, 0), None if finite.all() else finite


def cosines(a, b):
    """Cosines of the columns of two arrays."""
    sizes = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
    return (a.T @ b) / np.where(sizes > 0, sizes, 1)
