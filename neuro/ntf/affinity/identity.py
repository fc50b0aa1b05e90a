"""Matching neurons across animals by name."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Identity:
    """How names of neurons become names of the tensor.

    Parameters
    ----------
    rename : dict of str to str
        Other spellings, or classes: `{"AVAL": "AVA"}`.
    merge_lr : bool
        Whether `XL` and `XR` become the class `X` where both occur in the data. The affinity of
        two classes is the mean over their pairs of neurons.
    complete : bool
        Whether only neurons that every animal has are kept (preset `paper`).
    """

    rename: dict = dataclasses.field(default_factory=dict)
    merge_lr: bool = False
    complete: bool = False


def match_names(recordings, identity: Identity):
    """Names of the tensor, and where each neuron of each recording goes.

    Parameters
    ----------
    recordings : list of list of str
        Names per recording; an empty name is a neuron that was not identified.
    identity : Identity

    Returns
    -------
    names : list of str
        In the order of their first appearance.
    members : list of ndarray of int
        Per recording the place of every neuron in `names`; -1 where it has none.
    """
    all_names = {name for recording in recordings for name in recording}
    turned = [[_class(name, all_names, identity) for name in recording] for recording in recordings]
    names = list(dict.fromkeys(name for recording in turned for name in recording if name))
    if identity.complete:
        names = [name for name in names if all(name in recording for recording in turned)]
    column = {name: number for number, name in enumerate(names)}
    return names, [
        np.array([column.get(name, -1) for name in recording], dtype=int) for recording in turned
    ]


def _class(name, all_names, identity):
    if name in identity.rename:
        return identity.rename[name]
    if identity.merge_lr and name[-1:] in ("L", "R"):
        other = name[:-1] + ("R" if name[-1] == "L" else "L")
        if len(name) > 1 and other in all_names:
            return name[:-1]
    return name


def spread_pairs(values, members, n_names):
    """Bring affinities of a recording's neurons to the pairs of the tensor.

    Parameters
    ----------
    values : array, shape (n_bins, n_pairs_of_recording)
    members : array of int, shape (n_neurons,)
        Place of each neuron among the names, -1 for none.
    n_names : int

    Returns
    -------
    out : ndarray of float32, shape (n_bins, n_pairs)
        Mean over the pairs of neurons that fall into a pair of names; 0 where there is none.
    seen : ndarray of bool, shape (n_pairs,)
    """
    if np.array_equal(members, np.arange(n_names)):
        return np.asarray(values, np.float32), np.ones(values.shape[1], bool)
    left, right = np.triu_indices(len(members), 1)
    a, b = members[left], members[right]
    low, high = np.minimum(a, b), np.maximum(a, b)
    use = (low >= 0) & (low != high)
    target = low[use] * (2 * n_names - low[use] - 1) // 2 + high[use] - low[use] - 1
    n_pairs = n_names * (n_names - 1) // 2
    count = np.bincount(target, minlength=n_pairs)
    out = np.zeros((len(values), n_pairs), np.float32)
    if count.max(initial=0) <= 1:
        out[:, target] = values[:, use]
    else:
        from scipy.sparse import csr_matrix

        weight = csr_matrix(
            (1.0 / count[target], (target, np.arange(len(target)))), shape=(n_pairs, len(target))
        )
        out[:] = (weight @ np.asarray(values[:, use], np.float64).T).T
    return out, count > 0
