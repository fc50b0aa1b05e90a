"""Plain clustering beside every search for types: Ward, Gaussian mixtures, k-means.

Each is judged as the search for gaps is: units and stimuli are halved, groups are made on one half,
the other half joins the nearest, and partitions from many halvings are compared.
"""

from __future__ import annotations

import numpy as np

from neuro.base import seeds
from neuro.mds.clusters.agreement import agreement_matrix, mean_pairwise
from neuro.mds.clusters.components import Components, canonical, centroids, nearest, ward, zscore
from neuro.mds.clusters.gap import FEW, halves, repeats

N_PLAIN = 20
"""Principal components of plain clustering."""
WHITE = (8, 12, 16, 20, 24)
"""Numbers of whitened components that are tried, all of them shown."""
MOST_GROUPS = 15
N_HALVINGS = 5
N_MOST = 1500
"""Units that are clustered, at most."""
N_MIXTURE = 8
"""Components of a Gaussian mixture: full covariances need units."""


def kmeans(points, k, seed) -> np.ndarray:
    """k-means, best of four starts."""
    from sklearn.cluster import KMeans

    k = min(k, len(points))
    return KMeans(k, n_init=4, random_state=seed).fit_predict(points)


def mixture(points, k, seed):
    """Gaussian mixture with full covariances, and its BIC."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    # Scores are scaled as a whole, so that the floor of the variances means the same everywhere.
    points = points[:, :N_MIXTURE]
    points = points / max(float(points.std()), 1e-300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(min(k, len(points)), reg_covar=1e-3, random_state=seed).fit(points)
    return model.predict(points), float(model.bic(points))


def silhouette_number(points, cluster, most) -> int:
    """Number of groups from 2 on with the highest silhouette; 1 for fewer than four points."""
    from sklearn.metrics import silhouette_score

    scores = {}
    for k in range(2, most + 1):
        labels = cluster(points, k)
        if 1 < len(np.unique(labels)) < len(points):
            scores[k] = silhouette_score(points, labels)
    return max(scores, key=scores.get) if scores else 1  # type: ignore[arg-type]


def _methods(seed):
    return {
        "Ward": ward,
        "k-means": lambda points, k: kmeans(points, k, seed),
        "GMM": lambda points, k: mixture(points, k, seed)[0],
    }


def _number(name, points, cluster, seed):
    """Number of groups: BIC for mixtures, else silhouette."""
    most = min(MOST_GROUPS, len(points) // 3)
    if most < 2 or points.shape[1] == 0:
        return 1
    if name == "GMM":
        bic = {k: mixture(points, k, seed)[1] for k in range(1, most + 1)}
        return min(bic, key=bic.get)  # type: ignore[arg-type]
    return silhouette_number(points, cluster, most)


def stimulus_halves(values, rng) -> list[np.ndarray]:
    """Columns of two halves of the stimuli; repeats of a stimulus stay together.

    Parameters
    ----------
    values : array, shape (n_units, n_stimuli)
    rng : numpy.random.Generator
    """
    family = repeats(values.T)
    order = rng.permutation(int(family.max()) + 1)
    cut = len(order) // 2
    return [np.flatnonzero(np.isin(family, half)) for half in (order[:cut], order[-cut:])]


def halved_agreement(values, cluster, k, n_dims, whiten, seed, stimuli=True) -> float:
    """Mean agreement of partitions that come from different halves of units and stimuli.

    Parameters
    ----------
    values : array, shape (n_units, n_features)
    cluster : callable
        (points, k) -> labels.
    k, n_dims : int
    whiten : bool
    seed : int
    stimuli : bool
        Whether the features are stimuli, which are halved as well.

    Returns
    -------
    float
        NaN for fewer than eight units.
    """
    if len(values) < 8:
        return float("nan")
    labels_of = []
    for number in range(N_HALVINGS):
        rng = seeds.generator(seed, "halves of stimuli", number)
        columns = [np.arange(values.shape[1])] * 2
        if stimuli and values.shape[1] >= FEW:
            columns = stimulus_halves(values, rng)
        first = halves(values, rng)
        for side, some in zip((first, ~first), columns):
            half = values[:, some]
            space = Components(half[side], n_dims, whiten)
            points = space(half)
            made = np.unique(cluster(points[side], k), return_inverse=True)[1]
            labels = nearest(points, centroids(points[side], made))
            labels[side] = made
            labels_of.append(labels)
    return mean_pairwise(agreement_matrix(labels_of))


def baselines(features, labels=None, random_state=0) -> list[dict]:
    """Plain clusterings of units, with their agreement between halves.

    Parameters
    ----------
    features : dict of str to array, shape (n_features, n_units)
        Such as "responses" and "filters"; features of the name "filters" are not halved.
    labels : array of int, shape (n_units,), optional
        What they are compared with, such as the types that were found.
    random_state : int, default 0

    Returns
    -------
    list of dict
        method, features, n_dims, whitened (0 or 1), n_clusters, agreement, ari_with_types and
        `labels` (-1 for units that were not drawn).

    Notes
    -----
    Numbers of groups: the lowest BIC for Gaussian mixtures, the highest silhouette for the others,
    2 to 15. Every plain clustering cuts a continuum too; its agreement tells how reproducibly.
    """
    rows = []
    for name, table in features.items():
        values = zscore(table) if name != "filters" else _unit_length(table)
        order = canonical(values)
        if len(order) > N_MOST:
            rng = seeds.generator(random_state, "plainly clustered units")
            order = order[np.sort(rng.permutation(len(order))[:N_MOST])]
        values = values[order]
        for method, cluster in _methods(random_state % 2**32).items():
            kinds = [(N_PLAIN, False)]
            if method == "Ward":
                widest = min(len(values) // 3, values.shape[1])
                kinds += [(d, True) for d in WHITE if d <= widest]
            for n_dims, whiten in kinds:
                points = Components(values, n_dims, whiten)(values)
                k = _number(method, points, cluster, random_state % 2**32)
                partition = np.unique(cluster(points, k), return_inverse=True)[1]
                every = np.full(np.shape(table)[1], -1)
                every[order] = partition
                rows.append(
                    {
                        "method": method,
                        "features": name,
                        "n_dims": n_dims,
                        "whitened": int(whiten),
                        "n_clusters": int(partition.max()) + 1,
                        "agreement": halved_agreement(
                            values, cluster, k, n_dims, whiten, random_state, name != "filters"
                        ),
                        "ari_with_types": _agree(labels, every),
                        "labels": every,
                    }
                )
    return rows


def _agree(labels, labels_found) -> float:
    from neuro.stats.agreement import adjusted_rand

    if labels is None:
        return float("nan")
    labels = np.asarray(labels)
    there = (labels >= 0) & (labels_found >= 0)
    return adjusted_rand(labels[there], labels_found[there]) if there.any() else float("nan")


def _unit_length(filters) -> np.ndarray:
    """Filters as rows of length one."""
    values = np.asarray(filters, np.float64).T
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(length > 0, length, 1.0)
