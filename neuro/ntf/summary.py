"""Tables of a set: components, communities, presence, nulls; and the headline figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.base import seeds
from neuro.io.formats.tables import exclusion, write_tsv
from neuro.io.graphs import write_graphml
from neuro.ntf.communities.detect import (
    active_scale,
    communities,
    motif_graph,
    motifs,
    statistic,
    strength,
)
from neuro.ntf.communities.shape import CO_ACTIVATION, leading_share, negative_share
from neuro.stats.false_discovery import adjusted_p

FEW_ANIMALS = 2.0
"""Components with a smaller participation are flagged where there are at least four animals."""


def find_communities(factors, null, names, settings, seed, log=None):
    """Communities of all components by all back ends, with their nulls.

    Parameters
    ----------
    factors : Factors
    null : NullMotifs or None
    names : list of str
        Back ends; the first decides.
    settings : dict
        The group `communities` of the configuration.
    seed : int
    log : callable, optional

    Returns
    -------
    by_backend : dict of str to list of Communities
        Per back end one entry per component.
    statistics : dict of str to ndarray
        Statistics of the null motifs.
    """
    matrices = motifs(factors)
    scale = active_scale(factors.time_, factors.animals_, factors.lambda_)
    limit = null.strength_limit() if null is not None else -np.inf
    background = [strength(m * s) < limit for m, s in zip(matrices, scale)]
    options = {"transform": settings["transform"], "family": settings["weights"]}
    by_backend, statistics = {}, {}
    for backend in names:
        statistics[backend] = np.array(
            [
                statistic(
                    motif,
                    backend,
                    random_state=seeds.number(seed, "null statistic", number),
                    **options,
                )
                for number, motif in enumerate(null.motifs if null is not None else [])
            ]
        )
        by_backend[backend] = [
            communities(
                motif,
                backend,
                settings["n_seeds"],
                statistics[backend],
                background=weak,
                random_state=seed,
                **options,
            )
            for motif, weak in zip(matrices, background)
        ]
        if log:
            counts = [int(level.labels.max()) + 1 for level in by_backend[backend]]
            log(f"{backend}: {counts} communities, {len(statistics[backend])} null motifs")
    return by_backend, statistics


def community_table(factors, communities):
    """One row per component, back end, level and neuron.

    Returns
    -------
    pandas.DataFrame
        Columns `component`, `backend`, `level`, `neuron`, `label`, `background`, `p_value`.
    """
    import pandas as pd

    rows = []
    for backend, items in communities.items():
        for component, communities_of in enumerate(items, start=1):
            for level, labels in enumerate(communities_of.levels):
                rows.append(
                    pd.DataFrame(
                        {
                            "component": component,
                            "backend": backend,
                            "level": level,
                            "neuron": factors.names,
                            "label": labels,
                            "background": communities_of.background.astype(int),
                            "p_value": communities_of.p_value,
                        }
                    )
                )
    table = pd.concat(rows, ignore_index=True)
    table["label"] = table["label"].where(table["label"] >= 0)
    return table


def component_table(factors, communities, alpha=0.05):
    """One row per component and back end.

    Returns
    -------
    pandas.DataFrame
        Columns `component`, `lambda`, `share` (of the sum of squared weights), `leading_share` (of
        the motif, explained by one outer product of strengths), `is_co_activation` (that share is
        at least .8), `negative_share` (of the motif's energy, edges that run against each other),
        `participation`, `is_background`, `few_animals`, `backend`, `n_communities`, `n_active`,
        `modularity`, `description_length`, `statistic`, `z`, `p_value`, `p_adjusted`,
        `significant`.
    """
    import pandas as pd

    squares = factors.lambda_**2 / (factors.lambda_**2).sum()
    many = len(factors.animals) >= 4
    matrices = motifs(factors)
    leading = np.array([leading_share(matrix) for matrix in matrices])
    rows = []
    for backend, items in communities.items():
        adjusted = adjusted_p([result.p_value for result in items])
        for r, result in enumerate(items):
            active = ~result.background & (result.labels >= 0)
            rows.append(
                {
                    "component": r + 1,
                    "lambda": factors.lambda_[r],
                    "share": squares[r],
                    "leading_share": leading[r],
                    "is_co_activation": int(leading[r] >= CO_ACTIVATION),
                    "negative_share": negative_share(matrices[r]),
                    "participation": factors.participation_[r],
                    "is_background": int(factors.background_[r]),
                    "few_animals": int(many and factors.participation_[r] < FEW_ANIMALS),
                    "backend": backend,
                    "n_communities": len(np.unique(result.labels[active])),
                    "n_active": int(active.sum()),
                    "modularity": result.q,
                    "description_length": result.dl,
                    "statistic": result.statistic,
                    "z": result.z,
                    "p_value": result.p_value,
                    "p_adjusted": adjusted[r],
                    "significant": int(adjusted[r] < alpha) if np.isfinite(adjusted[r]) else 0,
                }
            )
    return pd.DataFrame(rows)


def presence_table(factors):
    """Loading of every component in every animal.

    Returns
    -------
    pandas.DataFrame
        Columns `component`, `animal`, `loading`, `participation`.
    """
    import pandas as pd

    n_animals, rank = factors.animals_.shape
    return pd.DataFrame(
        {
            "component": np.repeat(np.arange(1, rank + 1), n_animals),
            "animal": list(factors.animals) * rank,
            "loading": factors.animals_.T.ravel(),
            "participation": np.repeat(factors.participation_, n_animals),
        }
    )


def null_table(null, statistics):
    """Statistic of every null motif by every back end.

    Returns
    -------
    pandas.DataFrame
        Columns `surrogate`, `motif`, `backend`, `statistic`, `explained`, `null` (what the
        surrogates keep: rate, shift, or dealt for kernels).
    """
    import pandas as pd

    columns = ["surrogate", "motif", "backend", "statistic", "explained", "null"]
    if null is None:
        return pd.DataFrame(columns=columns)
    parts = [
        pd.DataFrame(
            {
                "surrogate": null.run + 1,
                "motif": np.arange(1, len(null.run) + 1),
                "backend": backend,
                "statistic": values,
                "explained": null.explained[null.run],
                "null": null.null,
            }
        )
        for backend, values in statistics.items()
    ]
    return pd.concat(parts, ignore_index=True)


def time_map_table(factors):
    """Where every bin of every animal comes from.

    Returns
    -------
    pandas.DataFrame
        Columns `bin`, `animal`, `start_s` (own clock), `condition` (by the animal's own events),
        `epoch`, `offset_s` (from the onset of the stimulus), `stimulus_on`.
    """
    import pandas as pd

    n_bins, n_animals = factors.time_map["start_s"].shape
    repeat = {name: np.repeat(factors.time_map[name], n_animals) for name in ("epoch", "offset_s")}
    condition = factors.time_map["own"].ravel()
    return pd.DataFrame(
        {
            "bin": np.repeat(np.arange(n_bins), n_animals),
            "animal": list(factors.animals) * n_bins,
            "start_s": factors.time_map["start_s"].ravel(),
            "condition": [name or None for name in condition],
            **repeat,
            "stimulus_on": np.repeat(factors.time_map["on"], n_animals).astype(int),
        }
    )


def write_membership(path, communities) -> None:
    """Write the memberships of all components, one array per back end.

    Parameters
    ----------
    path : path-like
        A `.npz` file; arrays `<back end>` of shape (n_components, n_neurons, n_neurons).
    communities : dict of str to list of Communities
    """
    arrays = {
        name: np.array([motif.membership for motif in items]) for name, items in communities.items()
    }
    write_arrays(path, arrays)


def write_arrays(path, arrays) -> None:
    """Write a mapping of names to arrays as `.npz`."""
    np.savez_compressed(path, **arrays)


def write_motifs(folder, factors, by_motif) -> None:
    """Write every motif as a table and as a graph with its communities.

    Parameters
    ----------
    folder : path-like
    factors : Factors
    by_motif : dict of str to list of Communities
    """
    import pandas as pd

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    left, right = np.triu_indices(len(factors.names), 1)
    names = np.array(factors.names)
    first = next(iter(by_motif.values()))
    for r, matrix in enumerate(motifs(factors)):
        weight = matrix[left, right]
        table = pd.DataFrame({"neuron_a": names[left], "neuron_b": names[right], "weight": weight})
        write_tsv(folder / f"motif_{r + 1:02d}.tsv", table)
        graph = motif_graph(matrix, factors.names, first[r])
        write_graphml(folder / f"motif_{r + 1:02d}.graphml", graph)


def exclusions(name, axes, components) -> list[dict]:
    """What was left out of a set: silent neurons, components that are no motif.

    Parameters
    ----------
    name : str
        The set.
    axes : PairTensor
    components : pandas.DataFrame
        From :func:`component_table`.

    Returns
    -------
    list of dict
    """
    rows = []
    for animal, silent in axes.silent.items():
        for neuron in silent:
            rows.append(
                exclusion(f"{name}: {animal} {neuron}", "affinity", "silent trace: affinity is 0")
            )
    for animal, shares in axes.unobserved.items():
        for neuron, share in shares.items():
            reason = "missing in too many frames (share with values)"
            rows.append(
                exclusion(f"{name}: {animal} {neuron}", "affinity", reason, round(share, 3))
            )
    first = components[components["backend"] == components["backend"].iloc[0]]
    for row in first.itertuples():
        what = f"{name}: component {row.component}"
        if row.is_background:
            rows.append(exclusion(what, "factorise", "background: near constant in all modes"))
        if row.few_animals:
            rows.append(
                exclusion(
                    what,
                    "factorise",
                    "carried by few animals",
                    round(float(row.participation), 3),
                    FEW_ANIMALS,
                )
            )
    return rows
