"""Edge-wise and node-wise tests of one target, family-wise by the largest of each permutation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from neuro.adhd.features import graph_features as features
from neuro.adhd.features.table import COUNTS, FeatureTable
from neuro.adhd.group.people import STEP, Compared
from neuro.io.formats.tables import exclusion
from neuro.io.regions import connectomes
from neuro.stats.false_discovery import adjusted_p
from neuro.stats.permuted.model import COVERAGE, PermutedModel, permuted_p
from neuro.stats.permuted.networks import components, enhance

EDGES = "edges"
STRENGTH = "strength"
"""Map of nodes: mean of a region's edges."""
OTHER_FEATURES = ("fc", "tangent", "distdegree")
"""Features that are no maps with one value per node."""
LEVEL = 0.05
"""Family-wise error that counts and powers are told at."""
POWER = 0.8


@dataclasses.dataclass(frozen=True)
class Found:
    """Tables of the comparison.

    Attributes
    ----------
    edges, nodes, parts, null : pandas.DataFrame
        See :func:`edge_table`, :func:`node_table`, :func:`component_table`; `null` has a row per
        permutation with the largest statistic of every family.
    facts : dict
        Numbers that the page and the headline quote.
    exclusions : list of dict
    """

    edges: pd.DataFrame
    nodes: pd.DataFrame
    parts: pd.DataFrame
    null: pd.DataFrame
    facts: dict
    exclusions: list


def read_edges(path, runs: str) -> tuple[FeatureTable, list[str]]:
    """Edges of every person (Fisher's z of correlations) and the names of the regions.

    Parameters
    ----------
    path : path-like
        See :mod:`neuro.io.regions.connectomes`.
    runs : {'mean', 'first'}
        What becomes of several runs of a person.
    """
    cohort = connectomes.read_connectomes(path)
    table = features.edge_table(cohort.edges, cohort.participant_id, cohort.kind, runs)
    return table, cohort.region


def z_threshold(p: float) -> float:
    """|z| whose two-sided p is `p`."""
    return float(stats.norm.isf(p / 2))


def run(edges, region, maps: FeatureTable, compared: Compared, settings, seed: int) -> Found:
    """All tests.

    Parameters
    ----------
    edges : array, shape (n_people, n_edges)
        Order of `numpy.triu_indices(n_regions, 1)`; NaN where a region had no signal.
    region : sequence of str
    maps : FeatureTable
        Node maps of the same people; may have no columns.
    compared : Compared
    settings : dict
        Section `adhd.group`; and `log1p`.
    seed : int

    Returns
    -------
    Found
    """
    pairs = np.column_stack(np.triu_indices(len(region), 1))
    left_out = list(compared.exclusions)
    model = PermutedModel(edges, compared.design, settings["permutations"], seed)
    left_out += _untested(model, pairs, region)
    null, beyond, tfce, parts = _network(model, pairs, len(region), settings)
    table = edge_table(model, beyond, tfce, parts, null, pairs, region)
    nodes, more = _nodes(edges, pairs, region, maps, compared, settings, seed)
    for name, of_map in nodes.groupby("map", sort=False):
        if of_map["z"].isna().all():
            why = "no node that varies in enough people"
            left_out.append(exclusion(f"map {name}", STEP, why))
    null = pd.concat([null, more], axis=1)
    null.insert(0, "permutation", np.arange(len(null)))
    threshold = z_threshold(settings["component_p"])
    facts = {
        "target": settings["target"],
        "kind": compared.target.kind,
        "classes": compared.target.classes,
        "n_people": len(compared.people),
        "n_sites": int(compared.people["site"].nunique()),
        "covariates": list(compared.design.nuisance_names),
        "df": int(model.df.max(initial=0)),
        "statistic": "t" if compared.design.effect.shape[1] == 1 else "F",
        "component_p": settings["component_p"],
        "component_z": threshold,
        "permutations": settings["permutations"],
        "regions": len(region),
        "edges_tested": int(model.tested.sum()),
        **_power(null["max_z"], model.df.max(initial=0)),
    }
    part_table = component_table(parts, null, pairs, region)
    return Found(table, nodes, part_table, null, facts, left_out)


def _power(null_max, df) -> dict:
    """The edge that the largest statistic finds in 80 % of the cases (ours)."""
    if not len(null_max) or not df:
        return {"critical_z": None, "detectable_r": None}
    critical = float(np.quantile(null_max, 1 - LEVEL))
    away = critical + float(stats.norm.ppf(POWER))
    return {"critical_z": critical, "detectable_r": float(away / np.sqrt(away**2 + df))}


def _untested(model, pairs, region) -> list[dict]:
    """Regions whose edges are all untested, and how many others are."""
    gone = ~model.tested
    rows = []
    whole = set()
    for number, name in enumerate(region):
        own = (pairs == number).any(axis=1)
        if gone[own].all():
            whole.add(number)
            least = int(model.n[own].max())
            needed = int(np.ceil(COVERAGE * model.moves.shape[1]))
            rows.append(
                exclusion(f"region {name}", STEP, "no edge that enough people have", least, needed)
            )
    rest = gone & ~np.isin(pairs, list(whole)).any(axis=1)
    if rest.any():
        why = "edges that too few people have or that do not vary"
        rows.append(exclusion("edges", STEP, why, int(rest.sum()), 0))
    return rows


def _network(model: PermutedModel, pairs, n_regions, settings):
    """Null maxima; counts of permutations beyond each edge; enhanced edges; components."""
    threshold = z_threshold(settings["component_p"])
    powers = {
        "extent": settings["tfce_extent"],
        "height": settings["tfce_height"],
        "step": settings["tfce_step"],
    }
    beyond = np.zeros(len(model.tested), dtype=int)
    size = np.abs(np.nan_to_num(model.z)) * (1 - 1e-9)
    rows = []
    for z in model.batches():
        beyond += (np.abs(z) >= size).sum(axis=0)
        extent, intensity = components(z, pairs, n_regions, threshold).largest(len(z))
        rows.append(
            pd.DataFrame(
                {
                    "max_z": np.abs(z).max(axis=1, initial=0),
                    "max_extent": extent,
                    "max_intensity": intensity,
                    "max_tfce": np.abs(enhance(z, pairs, n_regions, **powers)).max(
                        axis=1, initial=0
                    ),
                }
            )
        )
    names = ["max_z", "max_extent", "max_intensity", "max_tfce"]
    null = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=names, dtype=float)
    tfce = enhance(model.z[None], pairs, n_regions, **powers)[0]
    return null, beyond, tfce, components(model.z[None], pairs, n_regions, threshold)


def _tests(model: PermutedModel, null_max, beyond) -> dict:
    """Columns that edges and nodes share."""
    p = np.where(model.tested, (beyond + 1) / (model.n_permutations + 1), np.nan)
    one = model.effect.shape[1] == 1
    return {
        "n": model.n,
        "df": model.df,
        "effect": model.effect[:, 0] if one else np.full(len(p), np.nan),
        "statistic": model.statistic,
        "z": model.z,
        "explained": model.explained,
        "p": model.p,
        "q": adjusted_p(model.p),
        "p_permuted": p,
        "q_permuted": adjusted_p(p),
        "p_fwe": permuted_p(np.abs(model.z), null_max),
    }


def edge_table(model, beyond, tfce, parts, null, pairs, region) -> pd.DataFrame:
    """One row per edge.

    Returns
    -------
    pandas.DataFrame
        region_a, region_b, n (people), df, effect (Fisher's z per unit of the target or between
        two classes), statistic (t or F), z (of the same p, signed for t), explained (partial R
        squared), p and q (of t or F; Benjamini-Hochberg), p_permuted and q_permuted (of the edge's
        own permuted values), p_fwe (largest |z|), tfce and p_tfce (largest |tfce|), component
        (from 1, the largest extent first; 0 for none).
    """
    number = np.zeros(len(pairs), dtype=int)
    inside = parts.label[0] >= 0
    number[inside] = _ranks(parts)[parts.label[0][inside]]
    name = np.asarray(region, dtype=object)
    return pd.DataFrame(
        {
            "region_a": name[pairs[:, 0]],
            "region_b": name[pairs[:, 1]],
            **_tests(model, null["max_z"], beyond),
            "tfce": np.where(model.tested, tfce, np.nan),
            "p_tfce": np.where(model.tested, permuted_p(np.abs(tfce), null["max_tfce"]), np.nan),
            "component": number,
        }
    )


def _ranks(parts) -> np.ndarray:
    """Number of each component: 1 has the most edges, then the most intensity."""
    order = np.lexsort((-parts.intensity, -parts.extent))
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def component_table(parts, null, pairs, region) -> pd.DataFrame:
    """One row per component.

    Returns
    -------
    pandas.DataFrame
        component, sign (1, -1; 1 for F), n_edges, n_regions, intensity (sum of |z| beyond the
        threshold), p_extent, p_intensity (family-wise), regions.
    """
    ranks = _ranks(parts)
    rows = []
    for number in np.argsort(ranks):
        nodes = np.unique(pairs[parts.label[0] == number])
        rows.append(
            {
                "component": int(ranks[number]),
                "sign": int(parts.sign[number]),
                "n_edges": int(parts.extent[number]),
                "n_regions": len(nodes),
                "intensity": float(parts.intensity[number]),
                "p_extent": float(permuted_p(parts.extent[number], null["max_extent"])),
                "p_intensity": float(permuted_p(parts.intensity[number], null["max_intensity"])),
                "regions": ";".join(str(region[node]) for node in nodes),
            }
        )
    names = ["component", "sign", "n_edges", "n_regions", "intensity", "p_extent", "p_intensity"]
    return pd.DataFrame(rows, columns=[*names, "regions"])


def node_strength(edges, pairs, n_regions: int) -> np.ndarray:
    """Mean of the known edges of each region, shape (n_people, n_regions); NaN without any."""
    finite = np.isfinite(edges)
    incidence = np.zeros((len(pairs), n_regions))
    for end in range(2):
        incidence[np.arange(len(pairs)), pairs[:, end]] = 1
    count = finite @ incidence
    return np.where(finite, edges, 0.0) @ incidence / np.where(count > 0, count, np.nan)


def _nodes(edges, pairs, region, maps, compared, settings, seed):
    """Table of all node maps, and the null maxima of each."""
    strength = node_strength(edges, pairs, len(region))
    families = {STRENGTH: (strength, np.arange(len(region)), np.asarray(region))}
    for name in dict.fromkeys(maps.feature.tolist()):
        if name in OTHER_FEATURES:
            continue
        table = maps.select(name)
        X = table.X.astype(np.float64)
        if name in COUNTS and settings["log1p"]:
            X = np.log1p(X)
        families[name] = X, table.node, table.region
    tables, null = [], {}
    for name, (X, node, label) in families.items():
        model = PermutedModel(X, compared.design, settings["permutations"], seed)
        size = np.abs(np.nan_to_num(model.z)) * (1 - 1e-9)
        beyond, largest = np.zeros(X.shape[1], dtype=int), []
        for z in model.batches():
            beyond += (np.abs(z) >= size).sum(axis=0)
            largest.append(np.abs(z).max(axis=1, initial=0))
        null[f"max_z_{name}"] = np.concatenate(largest) if largest else np.empty(0)
        tests = _tests(model, null[f"max_z_{name}"], beyond)
        tables.append(pd.DataFrame({"map": name, "node": node, "region": label, **tests}))
    return pd.concat(tables, ignore_index=True), pd.DataFrame(null)


def headline(result: Found) -> list[dict]:
    """Entries of `report.json`: the largest of each family beside its null.

    Parameters
    ----------
    result : Found

    Returns
    -------
    list of dict
    """
    target, n, null = result.facts["target"], result.facts["n_people"], result.null
    parts, edges = result.parts, result.edges
    rows = [
        ("largest |z| of an edge", edges["z"].abs().max(), "max_z", ""),
        ("largest component", parts["n_edges"].max() if len(parts) else 0, "max_extent", "edges"),
        ("largest enhanced edge (TFCE)", edges["tfce"].abs().max(), "max_tfce", ""),
    ]
    for name, of_map in result.nodes.groupby("map", sort=False):
        if of_map["z"].isna().all():
            continue
        rows.append(
            (f"largest |z| of a node, {name}", of_map["z"].abs().max(), f"max_z_{name}", "")
        )
    entries = []
    for name, value, column, unit in rows:
        testable = np.isfinite(value) and len(null)
        entries.append(
            {
                "name": f"{name} with {target}",
                "value": float(value) if np.isfinite(value) else None,
                "unit": unit,
                "null": float(null[column].mean()) if len(null) else None,
                "p": float(permuted_p(value, null[column])) if testable else None,
                "n": n,
            }
        )
    if result.facts["detectable_r"] is not None:
        entries.append(
            {
                "name": f"smallest partial correlation of an edge with {target} "
                f"found with a power of {POWER}",
                "value": result.facts["detectable_r"],
                "unit": "r",
                "null": None,
                "n": n,
            }
        )
    return entries
