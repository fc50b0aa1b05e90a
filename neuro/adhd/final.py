"""From settings to analyses, the final model, and the maps of the groups."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.adhd.diagnosis.variants import MASK, Variant, baselines, imaging_variants
from neuro.adhd.features.graph_features import RELATIVE
from neuro.adhd.features.table import COUNTS, FeatureTable
from neuro.adhd.maps import group_maps
from neuro.stats.tangent import pairs

NODE_MAPS = ("degree", "cycle3", "weighteddegree", "clustering", *RELATIVE)
"""Maps with one value per node, shown as group maps."""


def analyses(features: FeatureTable, people: pd.DataFrame, settings, seed):
    """Every input with and without mask, and every baseline.

    Parameters
    ----------
    features : FeatureTable
        Of the diagnosed subjects.
    people : pandas.DataFrame
        Same order.
    settings : dict
        Keys of the section `adhd`.
    seed : int

    Returns
    -------
    variants : list of Variant
    absent : list of str
        Baselines whose columns are empty.
    exclusions : list of dict
    """
    joint = settings["primary"].removesuffix(f"+{MASK}")
    imaging = imaging_variants(
        features,
        # Gathering left out, and listed, what the input cannot give.
        inputs=dict.fromkeys(
            [name for name in settings["features"] if name in features.feature] + [joint]
        ),
        primary=settings["primary"],
        log1p=settings["log1p"],
        mask_rule=settings["mask"]["rule"],
        mask_cut=settings["mask"]["cut"],
        n_components=settings["pca"],
        shrinkage=None if settings["shrinkage"] == "none" else settings["shrinkage"],
        inner_folds=settings["inner_folds"],
        deconfound=settings["deconfound"],
        harmonise=settings["harmonise"],
        transductive=settings["transductive"],
        protect=settings["protect"],
        random_state=seed,
    )
    declared = next(variant for variant in imaging if variant.primary)
    others, absent, left_out = baselines(people, declared)
    return [*imaging, *others], absent, left_out


def absent_table(names) -> pd.DataFrame:
    """Baselines that could not be computed, as a table."""
    return pd.DataFrame({"input": list(names)})


def fit(variant: Variant, features: FeatureTable, people: pd.DataFrame):
    """Fit the declared variant on everybody, to predict subjects to come.

    Parameters
    ----------
    variant : Variant
        The primary one.
    features : FeatureTable
    people : pandas.DataFrame

    Returns
    -------
    model : fitted estimator
    pattern : pandas.DataFrame
        feature, region (`A|B` for an edge), node, bin, pattern: the forward-transformed weights,
        which can be read as brain maps (the weights themselves cannot).

    References
    ----------
    Haufe et al. (2014), NeuroImage 87:96-110.
    """
    from sklearn.base import clone

    model = clone(variant.estimator).fit(
        variant.X,
        people["dx"].to_numpy(int),
        groups=people["participant_id"].to_numpy(str),
        strata=people["site"].to_numpy(),
        site=people["site"].to_numpy(),
        covariates=people,
    )
    table = features.select(variant.input)
    # a tangent space is read from covariances, and its features are their pairs of regions
    used = slice(None) if len(model.pattern_) == len(table.node) else pairs(len(table.node))
    pattern = pd.DataFrame(
        {
            "feature": table.feature[used],
            "region": table.region[used],
            "node": table.node[used],
            "bin": table.bin[used],
            "pattern": model.pattern_,
        }
    )
    return model, pattern


def all_group_maps(features: FeatureTable, people: pd.DataFrame, settings, seed):
    """Mean maps of cases and controls and their difference, by region and by node.

    Counts are log(1 + count), as the classifier sees them by default.

    Parameters
    ----------
    features : FeatureTable
        Of everybody with features.
    people : pandas.DataFrame
        Same order, with `dx` and `site`.
    settings : dict
        Keys `features`, `log1p`, `permutations`.
    seed : int

    Returns
    -------
    regions : pandas.DataFrame
        region, map, case, control, difference, p, q.
    nodes : dict of str to pandas.DataFrame
        The same by node.
    """
    diagnosed = people["dx"].notna().to_numpy()
    y = people["dx"][diagnosed].to_numpy(int)
    who = people["participant_id"][diagnosed].to_numpy(str)
    site = people["site"][diagnosed].to_numpy(str)
    regions, nodes = [], {}
    for name in settings["features"]:
        if name not in NODE_MAPS:
            continue
        table = features.select(name)
        X = table.X[diagnosed].astype(np.float64)
        if name in COUNTS and settings["log1p"]:
            X = np.log1p(X)
        options = {"n_permutations": settings["permutations"], "random_state": seed}
        nodes[name] = group_maps(X, y, who, site, **options)
        labels = list(dict.fromkeys(table.region.tolist()))
        mean = np.column_stack([_mean(X[:, table.region == label]) for label in labels])
        region_maps = group_maps(mean, y, who, site, **options)
        region_maps.insert(0, "map", name)
        region_maps.insert(0, "region", labels)
        regions.append(region_maps)
    columns = ["region", "map", "case", "control", "difference", "p", "q"]
    return pd.concat(regions) if regions else pd.DataFrame(columns=columns), nodes


def _mean(values):
    """Mean over known nodes; NaN where a subject has none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=1)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def with_places(table: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Add the coordinates (mm) of the regions."""
    return table.merge(places[["region", "x", "y", "z"]], on="region", how="left")


def write_volumes(paths, nodes, pattern, mask_path) -> None:
    """Write node maps as images: `group_<map>_<column>.nii.gz` and `pattern_<map>.nii.gz`.

    Maps of grayordinates end with `.dscalar.nii`.

    Parameters
    ----------
    paths : sequence of path-like
    nodes : dict of str to pandas.DataFrame
        See :func:`all_group_maps`.
    pattern : pandas.DataFrame
        See :func:`fit`; bins are summed.
    mask_path : path-like
        Group mask whose voxels the nodes are.
    """
    from pathlib import Path

    from neuro.io.images.nodes import MASK, load_nodes

    group = load_nodes(mask_path)
    for path in paths:
        stem = Path(path).name.removesuffix(".nii.gz").removesuffix(MASK)
        kind, name, *column = stem.split("_")
        if kind == "group":
            values = nodes[name][column[0]].to_numpy(float)
            # without a test nothing is significant
            values = np.where(np.isnan(values), 1.0, values) if column[0] == "q" else values
        else:
            of_feature = pattern[pattern["feature"] == name]
            values = of_feature.groupby("node")["pattern"].sum().sort_index().to_numpy(float)
        group.write(path, np.nan_to_num(values))
