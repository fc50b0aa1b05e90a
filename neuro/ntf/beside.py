"""Motifs of a set beside simple baselines: one to one on what is known, and on held-out time."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from neuro.base.seeds import generator
from neuro.io.formats.tables import read_tsv
from neuro.io.recordings.reader import Recording, read_assemblies
from neuro.ntf.affinity.identity import Identity
from neuro.ntf.affinity.prepare import present
from neuro.ntf.communities import baselines, recur
from neuro.ntf.communities import known as known_groups
from neuro.ntf.communities.detect import edges, motifs
from neuro.ntf.communities.recur_subjects import subjects_recurrence
from neuro.ntf.traces import by_name
from neuro.stats import splits

OURS = "motifs"
MAX_NEURONS = 400
"""With more neurons the baselines are left out: states of windows need all pairs of all windows."""
N_MOVES = 99
COLUMNS = ("method", "n_networks", "reference", "n_groups", "auroc", "auroc_least")
HELD_OUT = ("held_out_z", "n_recur", "n_tested", "reason")


def references(source, factors, groups) -> list[np.ndarray]:
    """Pairs inside what is known, in the order of the factors' neurons.

    Parameters
    ----------
    source : {"simulated", "recordings"}
    factors : Factors
    groups : pandas.DataFrame or list of arrays of int
        Planted communities (column `neuron`, then one column per condition, -1 for silent), or
        the columns of each published assembly.

    Returns
    -------
    list of ndarray of bool, shape (n_neurons, n_neurons)
    """
    n = len(factors.names)
    if source == "simulated":
        planted = groups.set_index("neuron").reindex(factors.names)
        labels = planted.fillna(-1).to_numpy(int).T
        return [(one[:, None] == one) & (one >= 0) for one in labels]
    out = []
    for group in groups:
        member = np.zeros(n, bool)
        member[group] = True
        out.append(member[:, None] & member)
    return out


def comparison(source, factors, traces, fs, groups, *, window_s=20.0, seed=0, held_out=True):
    """Motifs and baselines, one row each.

    Parameters
    ----------
    source : {"simulated", "recordings", "fmri"}
    factors : Factors
    traces : list of arrays, shape (n_frames, n_neurons)
        In the order of the factors' neurons, from :func:`neuro.ntf.traces.by_name`; empty where
        there are none.
    fs : float
        Sampling rate in Hz.
    groups : list of arrays of bool
        From :func:`references`; may be empty.
    window_s : float
        Of the states of windows.
    seed : int
    held_out : bool, default True
        Whether networks of one half of the time are looked for in the other.

    Returns
    -------
    pandas.DataFrame
        `method`; `n_networks`; `reference` (planted, published or missing), `n_groups`, `auroc`
        (mean over the groups, each with a network of its own) and `auroc_least`; `held_out_z` (mean
        over networks and halves of the covariance of their pairs in the other half, in
        standard deviations of moved neurons), `n_recur` of `n_tested` with p at most .05;
        `reason` where something was not done.
    """
    import pandas as pd

    rank = len(factors.lambda_)
    reason = ""
    if not traces:
        reason = "no traces of one rate"
    elif len(factors.names) > MAX_NEURONS:
        reason = f"more than {MAX_NEURONS} neurons"
    by_method = {OURS: motifs(factors)}
    if not reason:
        by_method |= baselines.networks(traces, fs, rank, window_s, seed)
    rows = []
    for method, matrices in by_method.items():
        row = {"method": method, "n_networks": len(matrices), "reason": reason}
        if groups:
            # planted neurons may run upside down; published assemblies rise together
            values = np.abs(matrices) if source == "simulated" else matrices
            score = baselines.one_to_one(values, groups)
            row["reference"] = "planted" if source == "simulated" else "published"
            row |= {"n_groups": len(groups), "auroc": score.mean(), "auroc_least": score.min()}
        rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=[*COLUMNS, *HELD_OUT])
    if held_out and not reason:
        try:
            scores = held_out_scores(traces, fs, rank, window_s, seed)
        except ValueError as error:
            return table.assign(reason=str(error))
        for name in HELD_OUT[:3]:
            table[name] = [scores.get(method, {}).get(name, np.nan) for method in table["method"]]
    return table


def held_out_scores(traces, fs, rank, window_s=20.0, seed=0, n_moves=N_MOVES) -> dict:
    """Networks of one half of the time, looked for in the other, method by method.

    All methods see the same half, the same surrogates and the same score, that of
    :func:`neuro.ntf.communities.recur.held_out_scores`. The motifs are fitted as in the test of
    recurrence.

    Parameters
    ----------
    traces, fs, rank, window_s, seed
        As for :func:`comparison`.
    n_moves : int, default 99
        Surrogates.

    Returns
    -------
    dict of str to dict
        Per method `held_out_z`, `n_recur`, `n_tested`.

    Raises
    ------
    ValueError
        When a recording is too short to be halved.
    """
    halves = [recur.halves(x, fs) for x in traces]
    rng = generator(seed, "moved baselines")
    left, right = np.triu_indices(traces[0].shape[1], 1)
    pooled: dict = {}
    for side in (0, 1):
        mine = [parts[side] for parts in halves]
        fit = recur.fitted([recur.pair_values(x, fs) for x in mine], rank, False, 3, seed)
        columns = {OURS: fit}
        for method, matrices in baselines.networks(mine, fs, rank, window_s, seed).items():
            columns[method] = matrices[:, left, right].T
        together = np.concatenate(list(columns.values()), axis=1)
        total, null_total = 0.0, 0.0
        for parts in halves:
            u = recur.whitened(parts[1 - side], fs)
            score, null = recur.held_out_scores(together, u, fs, n_null=n_moves, rng=rng)
            spread = null.std(axis=1)
            usable = np.where(spread > 0, spread, np.inf)
            total = total + (score - null.mean(axis=1)) / usable
            null_total = null_total + (null - null.mean(axis=1, keepdims=True)) / usable[:, None]
        p = (1 + (null_total >= np.asarray(total)[:, None]).sum(axis=1)) / (n_moves + 1)
        # z of the sum over recordings, so that their number does not matter
        z = total / np.sqrt(len(halves))
        first = 0
        for method, vectors in columns.items():
            last = first + vectors.shape[1]
            pooled.setdefault(method, []).append((z[first:last], p[first:last]))
            first = last
    out = {}
    for method, parts in pooled.items():
        z, p = (np.concatenate(column) for column in zip(*parts))
        out[method] = {
            "held_out_z": float(z.mean()),
            "n_recur": int((p <= 0.05).sum()),
            "n_tested": len(p),
        }
    return out


def headline(name, table) -> list[dict]:
    """Entry of `report.json`: the motifs beside the best baseline with as many networks.

    Parameters
    ----------
    name : str
        The set.
    table : pandas.DataFrame
        From :func:`comparison`.

    Returns
    -------
    list of dict
        Empty where nothing is known to compare with.
    """
    if table["auroc"].isna().all() or len(table) < 2:
        return []
    ours = table[table["method"] == OURS].iloc[0]
    others = table[(table["method"] != OURS) & ~table["method"].str.contains("more")]
    best = others.loc[others["auroc"].idxmax()]
    return [
        {
            "name": f"{name}: pairs of {ours['reference']} groups, one motif each (baseline: the "
            "best simple method)",
            "value": float(ours["auroc"]),
            "unit": "AUROC of pairs",
            "null": 0.5,
            "baseline": float(best["auroc"]),
            "n": int(ours["n_groups"]),
            "ci_low": None,
            "ci_high": None,
        }
    ]


def of_set(source, items, factors, settings, known=(), seed=0):
    """The comparison of a set, from its recordings and what is known of it.

    Parameters
    ----------
    source : {"simulated", "recordings", "fmri"}
    items : list of Recording or PairKernels
    factors : Factors
    settings : dict
        Keys `identity`, `recordings`, `n_moves`.
    known : sequence of path-like
        The planted truth, or published groups.
    seed : int

    Returns
    -------
    pandas.DataFrame
        From :func:`comparison`. Of BOLD nothing is compared: no grouping of its regions is known
        to it, and any two regions covary beyond moved ones.
    """
    resample_hz = settings["recordings"]["resample_hz"]
    rates = {recording.fs for recording in items} if resample_hz is None else {resample_hz}
    usable = source != "fmri" and len(rates) == 1
    usable &= all(isinstance(recording, Recording) for recording in items)
    traces = (
        by_name(items, factors, Identity(**settings["identity"]), resample_hz) if usable else []
    )
    groups = []
    path = next(iter(known), None)
    if path is not None and source == "simulated":
        groups = references(source, factors, read_tsv(path, dtype={"neuron": str}))
    elif path is not None:
        numbers = present(items[0], factors.kind == "excess").numbers
        placed = [known_groups.placed(group, numbers) for group in read_assemblies(path)]
        groups = references(source, factors, placed)
    held_out = bool(settings["n_moves"])
    fs = next(iter(rates)) if usable else 1.0
    return comparison(source, factors, traces, fs, groups, seed=seed, held_out=held_out)


def subjects_of(items) -> np.ndarray:
    """Recordings of one person, or with the same values, have one number."""
    person = [one.name.split("_")[0] for one in items]
    content = [blake2b(np.ascontiguousarray(one.traces).tobytes()).hexdigest() for one in items]
    return splits.families(person, content)


def recurrence_of(source, items, factors, settings, seed):
    """Whether the motifs of a set recur: in held-out time, those of BOLD in held-out subjects.

    Parameters
    ----------
    source : str
    items : list of Recording or PairKernels
    factors : Factors
    settings : dict
        Keys `n_moves`, `identity`, `recordings`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        As :func:`neuro.ntf.communities.recur.recurrence_table`; without a test where the null
        would be too easy (BOLD), the recordings are too short, or there are no traces.
    """
    rank, reason = len(factors.lambda_), ""
    rates = (
        {recording.fs for recording in items}
        if settings["recordings"]["resample_hz"] is None
        else {0}
    )
    if not settings["n_moves"]:
        reason = "ntf.n_moves is 0"
    elif not all(isinstance(recording, Recording) for recording in items) or len(rates) > 1:
        reason = "no traces of one rate"
    if reason:
        return recur.recurrence_table(rank, 0, reason)
    resample_hz = settings["recordings"]["resample_hz"]
    traces = by_name(items, factors, Identity(**settings["identity"]), resample_hz)
    motifs, fs = edges(np.nan_to_num(factors.pairs_), factors.signed_), resample_hz or items[0].fs
    given = {"n_null": settings["n_moves"], "random_state": seed}
    try:
        if source == "fmri":
            family = subjects_of(items)
            result = subjects_recurrence(traces, fs, motifs, family, **given)
        else:
            result = recur.recurrence(traces, fs, motifs, **given)
    except ValueError as error:
        return recur.recurrence_table(rank, 0, str(error))
    return recur.recurrence_table(result, settings["n_moves"])
