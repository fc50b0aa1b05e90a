"""Results beside what is known from elsewhere: planted truth, published groups, homologues."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem
from neuro.ntf.affinity.prepare import present
from neuro.ntf.communities.agreement import auroc
from neuro.ntf.communities.detect import motifs
from neuro.stats.agreement import ami

MIN_HOMOLOGUES = 10
"""Pairs of left and right neurons below which nothing is said about them (ours)."""
N_PERMUTATIONS = 1000


def planted_epochs(factors, labels, truth):
    """How well epochs and communities of planted recordings were recovered.

    Every condition is matched with one component by the correlation of the component's time
    course with the condition's epochs.

    Parameters
    ----------
    factors : Factors
        With a common clock.
    labels : list of ndarray of int, shape (n_neurons,)
        Communities of every component.
    truth : pandas.DataFrame
        Column `neuron`, then one column per condition with the planted community, -1 for silent.

    Returns
    -------
    pandas.DataFrame
        Columns `condition`, `component` (from 1), `correlation`, `ami` (on the neurons that the
        condition calls up).
    """
    import pandas as pd
    from scipy.optimize import linear_sum_assignment

    conditions = [name for name in truth.columns if name != "neuron"]
    on = np.array(
        [factors.time_map["on"] & (factors.time_map["condition"] == name) for name in conditions]
    )
    table = _correlations(on.astype(float), np.asarray(factors.time_, float).T)
    planted = truth.set_index("neuron").reindex(factors.names)
    rows = []
    for row, component in zip(*linear_sum_assignment(-table)):
        group = planted[conditions[row]].fillna(-1).to_numpy(int)
        active = group >= 0
        rows.append(
            {
                "condition": conditions[row],
                "component": int(component) + 1,
                "correlation": float(table[row, component]),
                "ami": ami(group[active], np.asarray(labels[component])[active]),
            }
        )
    return pd.DataFrame(rows, columns=["condition", "component", "correlation", "ami"])


def _correlations(first, second):
    """Pearson correlations of the rows of two arrays; 0 for constant rows."""
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    size = np.outer(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    return (first @ second.T) / np.where(size > 0, size, 1)


def assemblies(matrices, traces, groups):
    """How well motifs, and plain correlation, tell the pairs inside published assemblies.

    Parameters
    ----------
    matrices : array, shape (n_components, n_neurons, n_neurons)
    traces : array, shape (n_frames, n_neurons)
    groups : list of array of int
        Neurons of each assembly, counted from 0; they may overlap.

    Returns
    -------
    pandas.DataFrame
        Columns `assembly` (from 1), `n_neurons`, `component` and `auroc` (optimal matching of
        assemblies and components), `best_component` and `best_auroc`, `correlation_auroc`.

    Raises
    ------
    InputProblem
        When an assembly names a neuron that the recording lacks.
    """
    import pandas as pd
    from scipy.optimize import linear_sum_assignment

    n = traces.shape[1]
    top = max(int(group.max()) for group in groups)
    if top >= n:
        raise InputProblem(
            f"recordings.assemblies: neuron {top + 1} is named, but the recording has {n}"
        )
    left, right = np.triu_indices(n, 1)
    # pairwise over the frames that both have
    plain = pd.DataFrame(np.asarray(traces, float)).corr().to_numpy()[left, right]
    table, rows = np.zeros((len(groups), len(matrices))), []
    for assembly, group in enumerate(groups):
        member = np.zeros(n, bool)
        member[group] = True
        inside = member[left] & member[right]
        table[assembly] = [auroc(matrix[left, right], inside) for matrix in matrices]
        rows.append(
            {
                "assembly": assembly + 1,
                "n_neurons": len(group),
                "component": 0,
                "auroc": np.nan,
                "best_component": int(np.nanargmax(table[assembly])) + 1,
                "best_auroc": float(np.nanmax(table[assembly])),
                "correlation_auroc": auroc(plain, inside),
            }
        )
    for assembly, component in zip(*linear_sum_assignment(-np.nan_to_num(table))):
        rows[assembly]["component"] = int(component) + 1
        rows[assembly]["auroc"] = float(table[assembly, component])
    return pd.DataFrame(rows)


def homologues(names, labels, *, seed=0):
    """How often the left and the right neuron of a class share a community.

    Parameters
    ----------
    names : list of str
        Left and right neurons end in L and R.
    labels : array of int, shape (n_neurons,)
        -1 for neurons that were not observed; their pairs do not count.
    seed : int

    Returns
    -------
    dict or None
        `share`, `null_mean` and `null_95` (labels permuted over the observed neurons),
        `n_pairs`; None where there are fewer than 10 pairs.
    """
    index_of = {name: k for k, name in enumerate(names)}
    labels = np.asarray(labels)
    pairs = [
        (k, index_of[name[:-1] + "R"])
        for name, k in index_of.items()
        if len(name) > 1 and name[-1] == "L" and name[:-1] + "R" in index_of
    ]
    pairs = np.array([pair for pair in pairs if labels[list(pair)].min() >= 0]).reshape(-1, 2)
    if len(pairs) < MIN_HOMOLOGUES:
        return None
    rng, labelled = np.random.default_rng(seed), np.flatnonzero(labels >= 0)
    null, turned = [], labels.copy()
    for _ in range(N_PERMUTATIONS):
        turned[labelled] = rng.permutation(labels[labelled])
        null.append((turned[pairs[:, 0]] == turned[pairs[:, 1]]).mean())
    return {
        "share": float((labels[pairs[:, 0]] == labels[pairs[:, 1]]).mean()),
        "null_mean": float(np.mean(null)),
        "null_95": float(np.quantile(null, 0.95)),
        "n_pairs": len(pairs),
    }


def placed(group, numbers):
    """Columns of the neurons of a group, where some of the file's neurons were left out.

    Parameters
    ----------
    group : array of int
        Counted from 0 in the file.
    numbers : array of int, optional
        Numbers in the file, from 1, of the neurons that are left.

    Returns
    -------
    ndarray of int
    """
    if numbers is None:
        return group
    column_of = {int(number) - 1: column for column, number in enumerate(numbers)}
    return np.array([column_of[k] for k in group if k in column_of], int)


def compare(source, factors, communities, items, paths, seed=0):
    """Everything that is known of a set, as a table and as headline figures.

    Parameters
    ----------
    source : {"simulated", "recordings", "fmri"}
    factors : Factors
    communities : list of Communities
        One per component.
    items : list of Recording or PairKernels
    paths : sequence of path-like
        The planted truth of `simulated`; published groups of `recordings`, if there are any.
    seed : int

    Returns
    -------
    table : pandas.DataFrame
        From :func:`planted_epochs` or :func:`assemblies`, else columns `component`, `share`,
        `null_mean`, `null_95`, `n_pairs` from :func:`homologues`; may be empty.
    rows : list of dict
        Entries of `report.json`.
    """
    import pandas as pd

    from neuro.io.formats.tables import read_tsv
    from neuro.io.recordings.reader import read_assemblies

    labels = [recording.labels for recording in communities]
    path = next(iter(paths), None)
    if source == "simulated":
        truth = read_tsv(path, dtype={"neuron": str})
        table = planted_epochs(factors, labels, truth)
        return table, _planted_rows(source, factors, table, truth)
    if path is not None:
        recording = present(items[0], factors.kind == "excess")
        groups = [placed(group, recording.numbers) for group in read_assemblies(path)]
        frames = slice(None) if recording.frame_mask is None else recording.frame_mask
        table = assemblies(motifs(factors), recording.traces[frames], groups)
        return table, [_assembly_row(source, table)]
    kept = [homologues(factors.names, label, seed=seed) for label in labels]
    columns = ["component", "share", "null_mean", "null_95", "n_pairs"]
    table = pd.DataFrame(
        [{"component": r + 1, **recording} for r, recording in enumerate(kept) if recording],
        columns=columns,
    )
    return table, [_homologue_row(source, table)] if len(table) else []


def _row(name, value, unit, n, **more):
    return {"name": name, "value": value, "unit": unit, "null": None, "baseline": None, "n": n} | {
        "ci_low": None,
        "ci_high": None,
        **more,
    }


def _planted_rows(source, factors, table, truth):
    n_planted = len(truth.columns) - 1
    n_found = len(factors.lambda_)
    correlation, agreement = float(table["correlation"].mean()), float(table["ami"].mean())
    return [
        _row(
            f"{source}: motifs",
            n_found,
            "motifs",
            len(factors.animals),
            planted=n_planted,
            recovered=n_found,
            error=abs(n_found - n_planted),
        ),
        _row(
            f"{source}: time courses against the planted epochs",
            correlation,
            "correlation",
            n_planted,
            planted=1,
            recovered=round(correlation, 3),
            error=round(1 - correlation, 3),
        ),
        _row(
            f"{source}: communities of the neurons that take part",
            agreement,
            "adjusted mutual information",
            n_planted,
            null=0.0,
            planted=1,
            recovered=round(agreement, 3),
            error=round(1 - agreement, 3),
        ),
    ]


def _assembly_row(source, table):
    return _row(
        f"{source}: published assemblies, one motif each (baseline: correlation)",
        float(table["auroc"].mean()),
        "AUROC of pairs",
        len(table),
        null=0.5,
        baseline=float(table["correlation_auroc"].mean()),
    )


def _homologue_row(source, table):
    return _row(
        f"{source}: left and right neurons of a class in one community",
        float(table["share"].mean()),
        "share of pairs",
        int(table["n_pairs"].max()),
        null=float(table["null_mean"].mean()),
    )
