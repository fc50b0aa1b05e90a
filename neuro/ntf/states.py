"""Motifs as states: who dominates when, how long, what follows; and groups of animals compared."""

from __future__ import annotations

import itertools
import math

import numpy as np

from neuro.base.seeds import generator
from neuro.io.problems import InputProblem
from neuro.ntf.communities.dynamic import activity

N_PERMUTATIONS = 9999
MIN_ANIMALS = 3
"""Animals of a group below which nothing is compared (ours)."""


def dominant(factors) -> np.ndarray:
    """The motif that is strongest in every bin of every animal.

    Parameters
    ----------
    factors : Factors or fitted model

    Returns
    -------
    ndarray of int, shape (n_bins, n_animals)
        Component from 0; -1 where the animal has no data or no motif is active.
    """
    out = np.full((len(factors.time_), len(factors.animals_)), -1)
    mask = getattr(factors, "frame_mask", None)
    for w in range(out.shape[1]):
        strength = activity(factors, w)
        out[:, w] = np.where(strength.max(axis=1) > 0, strength.argmax(axis=1), -1)
    if mask is not None:
        out[~np.asarray(mask, bool)] = -1
    return out


def visits(states, breaks=()) -> list[tuple[int, int, int]]:
    """Runs of one state: (state, first bin, bin after the last), without those of state -1.

    Parameters
    ----------
    states : array of int, shape (n_bins,)
    breaks : sequence of int
        Bins at which a new epoch begins; no run goes across.

    Returns
    -------
    list of tuple of int
    """
    states = np.asarray(states)
    new = np.flatnonzero(np.diff(states)) + 1
    ends = sorted({0, len(states), *new.tolist(), *(int(boundary) for boundary in breaks)})
    pairs = itertools.pairwise(ends)
    return [(int(states[a]), a, b) for a, b in pairs if states[a] >= 0]


def _breaks(factors):
    """Bins in which another epoch begins; its neighbour on the axis is not its past."""
    epoch = np.asarray(factors.time_map["epoch"])
    return (np.flatnonzero(np.diff(epoch)) + 1).tolist() if factors.time_alignment != "none" else []


def state_table(factors):
    """How much of the time each motif dominates in each animal, how often, and how long.

    Parameters
    ----------
    factors : Factors

    Returns
    -------
    pandas.DataFrame
        `component` (from 1), `animal`, `share` of the bins with data, `visits`, `dwell_s` (mean
        length of a visit, missing without one) and `longest_s`. Lengths are multiples of a bin.
    """
    import pandas as pd

    states, breaks, bin_s = dominant(factors), _breaks(factors), 1.0 / factors.fs
    rows = []
    for w, animal in enumerate(factors.animals):
        intervals = visits(states[:, w], breaks)
        n_assigned = max(1, int((states[:, w] >= 0).sum()))
        for r in range(len(factors.lambda_)):
            lengths = [b - a for state, a, b in intervals if state == r]
            rows.append(
                {
                    "component": r + 1,
                    "animal": animal,
                    "share": sum(lengths) / n_assigned,
                    "visits": len(lengths),
                    "dwell_s": np.mean(lengths) * bin_s if lengths else np.nan,
                    "longest_s": max(lengths) * bin_s if lengths else np.nan,
                }
            )
    return pd.DataFrame(rows)


def transition_table(factors):
    """Which motif follows which, over all animals.

    Parameters
    ----------
    factors : Factors

    Returns
    -------
    pandas.DataFrame
        `before`, `after` (components from 1), `count`, `probability` (of what follows `before`),
        `chance` (the same where what follows does not depend on what was before: visits of
        `after` among those of all others).
    """
    import pandas as pd

    rank, breaks = len(factors.lambda_), set(_breaks(factors))
    count, visited = np.zeros((rank, rank), int), np.zeros(rank)
    for states in dominant(factors).T:
        intervals = visits(states, breaks)
        for state, _, _ in intervals:
            visited[state] += 1
        for (a, _, end), (b, start, _) in itertools.pairwise(intervals):
            if end == start and start not in breaks:
                count[a, b] += 1
    rows = []
    for a, b in itertools.permutations(range(rank), 2):
        others = visited.sum() - visited[a]
        rows.append(
            {
                "before": a + 1,
                "after": b + 1,
                "count": count[a, b],
                "probability": count[a, b] / count[a].sum() if count[a].any() else np.nan,
                "chance": visited[b] / others if others else np.nan,
            }
        )
    columns = ["before", "after", "count", "probability", "chance"]
    return pd.DataFrame(rows, columns=columns)


def read_groups(path, animals) -> list[str]:
    """Group of every animal from a table with columns `animal` and `group`.

    Parameters
    ----------
    path : path-like
    animals : sequence of str

    Returns
    -------
    list of str
        Empty text for animals without a row.

    Raises
    ------
    InputProblem
        Missing columns, animals named twice or unknown, fewer than two groups of three animals.
    """
    from neuro.io.formats.tables import read_tsv

    table = read_tsv(path, dtype=str)
    for name in ("animal", "group"):
        if name not in table.columns:
            raise InputProblem(f"{path}: no column '{name}'; expected animal, group")
    problems = []
    named = table["animal"].dropna().tolist()
    for name in dict.fromkeys(named):
        if named.count(name) > 1:
            problems.append(f"{path}: animal '{name}' stands {named.count(name)} times")
        if name not in animals:
            problems.append(f"{path}: animal '{name}' has a group but no recording")
    given = dict(zip(table["animal"], table["group"].fillna("")))
    groups = [given.get(name, "") for name in animals]
    sizes = {name: groups.count(name) for name in sorted(set(groups) - {""})}
    if len(sizes) < 2 or min(sizes.values()) < MIN_ANIMALS:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items()) or "none"
        problems.append(
            f"{path}: groups are {listed}; expected two or more of {MIN_ANIMALS} animals"
        )
    if problems:
        raise InputProblem(problems)
    return groups


def group_table(loadings, groups, *, n_permutations=N_PERMUTATIONS, seed=0):
    """Whether groups of animals carry a motif differently: permutation of the group labels.

    The statistic is the variance between groups over that within (F; with two groups the square of
    Student's t). All rearrangements are taken where they are no more than `n_permutations`.

    Parameters
    ----------
    loadings : array, shape (n_animals, n_components)
        Loadings of one model of all animals, so that the motifs are shared.
    groups : sequence of str, length n_animals
        Empty text: the animal is left out.
    n_permutations : int, default 9999
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row per component: `component`, per group `mean_<group>`, `statistic`, `p_value`,
        `p_corrected` (largest statistic over the components; holds for all together),
        `n_animals`, `n_permutations`.
    """
    import pandas as pd

    groups = np.asarray(groups, dtype=str)
    x, labels = np.asarray(loadings, float)[groups != ""], groups[groups != ""]
    names, code = np.unique(labels, return_inverse=True)
    observed = _f(x, code, len(names))
    sizes = np.bincount(code)
    n_all = math.factorial(len(code))
    for size in sizes:
        n_all //= math.factorial(int(size))
    if n_all <= n_permutations + 1:
        orders = _all_labels(code)
        null = np.array([_f(x, order, len(names)) for order in orders])
        low = 0
    else:
        rng = generator(seed, "dealt animals")
        null = np.array([_f(x, rng.permutation(code), len(names)) for _ in range(n_permutations)])
        low = 1
    tie = observed * (1 - 1e-9)
    p = (low + (null >= tie).sum(axis=0)) / (low + len(null))
    worst = null.max(axis=1)
    corrected = (low + (worst[:, None] >= tie).sum(axis=0)) / (low + len(null))
    table = pd.DataFrame({"component": np.arange(1, x.shape[1] + 1)})
    for number, name in enumerate(names):
        table[f"mean_{name}"] = x[code == number].mean(axis=0)
    return table.assign(
        statistic=observed,
        p_value=p,
        p_corrected=corrected,
        n_animals=len(x),
        n_permutations=len(null),
    )


def _f(x, code, n_groups):
    """Variance between over variance within; 0 where nothing varies."""
    member = np.eye(n_groups)[code]
    sizes = member.sum(axis=0)
    means = (member.T @ x) / sizes[:, None]
    between = (sizes[:, None] * (means - x.mean(axis=0)) ** 2).sum(axis=0) / (n_groups - 1)
    within = ((x - means[code]) ** 2).sum(axis=0) / max(1, len(x) - n_groups)
    return between / np.where(within > 1e-15, within, np.inf)


def _all_labels(code):
    """Every different arrangement of the labels, the observed one among them."""
    from collections import Counter

    left, out = Counter(int(value) for value in code), []

    def extend(start):
        if len(start) == len(code):
            out.append(np.array(start))
            return
        for value in sorted(left):
            if left[value]:
                left[value] -= 1
                extend([*start, value])
                left[value] += 1

    extend([])
    return out


def compare(paths, factors, seed=0):
    """Groups of animals compared, where a table of groups is given.

    Parameters
    ----------
    paths : sequence of path-like
        The table, or nothing.
    factors : Factors
    seed : int

    Returns
    -------
    pandas.DataFrame
        From :func:`group_table`; without a table no rows.
    """
    import pandas as pd

    if not paths:
        columns = ["component", "statistic", "p_value", "p_corrected", "n_animals"]
        return pd.DataFrame(columns=[*columns, "n_permutations"])
    return group_table(factors.animals_, read_groups(paths[0], factors.animals), seed=seed)


def headline(name, table) -> list[dict]:
    """Entry of `report.json`: motifs that groups carry differently; none without groups.

    Parameters
    ----------
    name : str
        The set.
    table : pandas.DataFrame
        From :func:`compare`.

    Returns
    -------
    list of dict
    """
    if not len(table):
        return []
    return [
        {
            "name": f"{name}: motifs that groups carry differently (p <= .05, corrected)",
            "value": int((table["p_corrected"] <= 0.05).sum()),
            "unit": "components",
            "null": 0.05,
            "baseline": None,
            "n": len(table),
            "ci_low": None,
            "ci_high": None,
        }
    ]
