"""The ledger: what each strategy costs in data, and what motion it leaves in the connectome."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.fmri.compare.run import USED
from neuro.fmri.quality.qcfc import LEAST, qc_fc
from neuro.fmri.regions.connectome import to_matrix
from neuro.fmri.regions.group import by_participant
from neuro.stats.fisher import fisher_z

COLUMNS = (
    *("strategy", "used", "n_runs", "runs_lost", "n_parameters", "dof_left", "dof_lost"),
    *("n_people", "qc_fc_share", "qc_fc_share_fdr", "qc_fc_median_abs_r"),
    *("distance_slope", "distance_r", "network_contrast", "modularity", "communities"),
    *("identified", "n_repeated", "identified_by_chance"),
)
_SCHAEFER = re.compile(r"(?:7|17)Networks_[LR]H_([A-Za-z]+)")


def ledger(
    edges,
    rows,
    strategies,
    *,
    run_keys,
    people,
    kind,
    apart=None,
    network=None,
    used="",
    random_state=0,
):
    """One row of figures per strategy.

    Parameters
    ----------
    edges : ndarray, shape (n_strategies, n_runs, n_edges)
        NaN where a strategy loses a run.
    rows : pandas.DataFrame
        Rows of all runs, see :data:`neuro.fmri.compare.run.ROW_COLUMNS`.
    strategies, run_keys, people : sequence of str
        Labels of the first two axes, and the person of each run.
    kind : str
        Of connectome.
    apart : ndarray, shape (n_edges,), optional
        Distance of the regions (mm).
    network : ndarray of int, shape (n_regions,), optional
        Known network of each region, -1 for none.
    used : str
        The strategy of the study, marked.
    random_state : int
        Of the search for communities.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`. Parameters and degrees of freedom are medians over all runs, those
        that are lost for want of them included. Motion and networks are judged on the runs that
        every strategy keeps that keeps any, so that their columns compare.
    """
    status = rows.assign(kept=rows["status"] == USED).pivot(
        index="strategy", columns="run_key", values="kept"
    )
    status = status.reindex(index=list(strategies), columns=list(run_keys)).fillna(False)
    kept = status.to_numpy(bool)
    common = kept[kept.any(axis=1)].all(axis=0) if kept.any() else np.zeros(len(run_keys), bool)
    table = []
    for number, strategy in enumerate(strategies):
        own = rows[rows["strategy"] == strategy].set_index("run_key").reindex(run_keys)
        row = dict.fromkeys(COLUMNS, np.nan) | {"strategy": strategy}
        row |= {"used": int(strategy == used), "n_runs": int(kept[number].sum())}
        row["runs_lost"] = int((~kept[number]).sum())
        for name in ("n_parameters", "dof_left", "dof_lost"):
            row[name] = pd.to_numeric(own[name], errors="coerce").median()
        if kept[number].any() and common.any():
            runs = own[common].assign(participant_id=np.asarray(people)[common]).reset_index()
            row |= judged(edges[number][common], runs, kind, apart, network, random_state)
        table.append(row)
    return pd.DataFrame(table, columns=list(COLUMNS))


def judged(edges, runs, kind, apart, network, random_state=0) -> dict:
    """Motion, networks and people in the edges of one strategy.

    Parameters
    ----------
    edges : ndarray, shape (n_runs, n_edges)
    runs : pandas.DataFrame
        `participant_id`, `n_kept`, `mean_fd` (mm) of each run.
    kind : str
    apart, network, random_state
        See :func:`ledger`.

    Returns
    -------
    dict
        The columns from `n_people` on.
    """
    mean, fd = by_participant(edges, runs, kind)
    row: dict = {"n_people": len(mean)}
    if np.isfinite(fd).sum() >= LEAST:
        motion = qc_fc(mean, fd, apart)
        row |= {"qc_fc_share": motion.share, "qc_fc_share_fdr": motion.share_fdr}
        row |= {"qc_fc_median_abs_r": motion.median_abs_r, "distance_slope": motion.slope}
        row["distance_r"] = motion.distance_r
    z = fisher_z(mean.astype(float)) if kind in ("pearson", "partial") else mean.astype(float)
    assigned = network is not None and len(set(network[network >= 0].tolist())) > 1
    if assigned:
        row["network_contrast"] = contrast(z, network)
    membership = network if assigned else communities(z, random_state)
    row["modularity"] = modularity(z, membership)
    row["communities"] = "networks" if assigned else "found"
    return row | identified(edges, runs["participant_id"].tolist())


def contrast(z, network) -> float:
    """Mean edge within networks less that between, median over people."""
    i, j = np.triu_indices(len(network), 1)
    both = (network[i] >= 0) & (network[j] >= 0)
    same = both & (network[i] == network[j])
    apart = both & ~same
    if not same.any() or not apart.any():
        return np.nan
    values = [
        row[same & np.isfinite(row)].mean() - row[apart & np.isfinite(row)].mean()
        for row in z
        if np.isfinite(row[same]).any() and np.isfinite(row[apart]).any()
    ]
    return float(np.median(values)) if values else np.nan


def modularity(z, parts) -> float:
    """Newman's Q of the positive edges of each person, median over people.

    Parameters
    ----------
    z : ndarray, shape (n_people, n_edges)
    parts : ndarray of int, shape (n_regions,)
        Community of each region; regions with -1 are left out.

    Returns
    -------
    float
        NaN where no edge is positive.
    """
    inside = parts >= 0
    member = (parts[inside, None] == np.unique(parts[inside])).astype(float)
    values = []
    for row in z:
        weight = to_matrix(np.clip(np.nan_to_num(row), 0, None))[np.ix_(inside, inside)]
        total = weight.sum()
        if total > 0:
            within = np.einsum("ic,ij,jc->c", member, weight, member, optimize=True) / total
            share = member.T @ weight.sum(axis=1) / total
            values.append(float((within - share**2).sum()))
    return float(np.median(values)) if values else np.nan


def communities(z, random_state=0) -> np.ndarray:
    """Communities of the mean connectome's positive edges (Louvain), shape (n_regions,).

    References
    ----------
    Blondel et al. (2008), Journal of Statistical Mechanics P10008.
    """
    import networkx

    count = np.isfinite(z).sum(axis=0)
    mean = np.where(np.isfinite(z), z, 0.0).sum(axis=0) / np.maximum(count, 1)
    graph = networkx.from_numpy_array(to_matrix(np.clip(mean, 0, None)))
    seed = seeds.number(random_state, "fmri compare communities")
    parts = np.full(graph.number_of_nodes(), -1)
    for number, nodes in enumerate(networkx.community.louvain_communities(graph, seed=seed)):
        parts[list(nodes)] = number
    return parts


def identified(edges, people) -> dict:
    """How often a person's second run is most like the first run of the same person.

    Parameters
    ----------
    edges : ndarray, shape (n_runs, n_edges)
    people : sequence of str

    Returns
    -------
    dict
        `identified`: mean of both directions; `n_repeated` people with two runs (the first two
        are taken) and `identified_by_chance`, 1 / `n_repeated`. NaN with fewer than two.

    References
    ----------
    Finn et al. (2015), Nature Neuroscience 18:1664-1671.
    """
    pairs = []
    for who in dict.fromkeys(people):
        own = [number for number, label in enumerate(people) if label == who]
        if len(own) > 1:
            pairs.append(own[:2])
    n = len(pairs)
    if n < 2:
        return {"n_repeated": n, "identified": np.nan, "identified_by_chance": np.nan}
    first, second = (edges[[pair[side] for pair in pairs]].astype(float) for side in (0, 1))
    use = np.isfinite(first).all(axis=0) & np.isfinite(second).all(axis=0)
    if use.sum() < 3:
        return {"n_repeated": n, "identified": np.nan, "identified_by_chance": 1 / n}
    alike = np.corrcoef(first[:, use], second[:, use])[:n, n:]
    hits = (
        (alike.argmax(axis=1) == np.arange(n)).mean(),
        (alike.argmax(axis=0) == np.arange(n)).mean(),
    )
    return {
        "n_repeated": n,
        "identified": float(np.mean(hits)),
        "identified_by_chance": 1 / n,
    }


def known_networks(regions, truth=None) -> np.ndarray | None:
    """Networks of the regions, where names or a planted truth say them.

    Parameters
    ----------
    regions : sequence of str
        Names such as `7Networks_LH_Vis_1` (Schaefer 2018) hold theirs.
    truth : dict, optional
        Content of `truth.json` of a simulated cohort.

    Returns
    -------
    ndarray of int, shape (n_regions,), or None
        -1 for regions without one; None where nobody knows.
    """
    if truth:
        planted = np.array([truth["networks"].get(name, -1) for name in regions])
        return planted if (planted >= 0).any() else None
    named = [_SCHAEFER.search(str(name)) for name in regions]
    if not any(named):
        return None
    words = sorted({match[1] for match in named if match})
    return np.array([words.index(match[1]) if match else -1 for match in named])


def headline(table: pd.DataFrame) -> list[dict]:
    """Share of edges that follow motion under each strategy, for `report.json`."""
    return [
        {
            "name": f"edges correlated with motion (p < .05), strategy {row.strategy}",
            "value": float(row.qc_fc_share),
            "unit": "share",
            "n": int(row.n_people),
            "baseline": None,
            "null": 0.05,
        }
        for row in table.itertuples()
        if np.isfinite(row.qc_fc_share)
    ]
