"""Judge images by encoders that did not make them."""

from __future__ import annotations

import re

import numpy as np

from neuro.base import seeds
from neuro.io.problems import InputProblem

MIN_TRANSFER = 0.35
"""Smallest gain under the independent encoder, as a share of the guide's, that is believed."""
COLLAPSE = 0.5
"""Diversity below this share of the unguided twins' counts as collapse."""


def judge_images(
    images,
    unguided,
    guide,
    independent,
    objective,
    category=None,
    preferred=None,
    *,
    n_bootstrap=2000,
    random_state=0,
):
    """Compare guided images with their unguided twins.

    Parameters
    ----------
    images, unguided : array, shape (n, c, h, w)
        Pairs from the same noise, in [0, 1].
    guide : neuro.encoding.VoxelEncoder
        The encoder that steered (A).
    independent : neuro.encoding.VoxelEncoder or None
        Another architecture, fitted on other images (B); None where nothing was measured.
    objective : Objective
    category : neuro.encoding.CategoryJudge, optional
        Names what is seen (J).
    preferred : str, optional
        The category that the objective prefers.
    n_bootstrap : int
    random_state : int

    Returns
    -------
    table : pandas.DataFrame
        Per image: A, B, J (1 where the category judge sees the preferred category), the same of
        the twin (`A_twin`, ...), rank_B (1 is the best; NaN for a flagged objective).
    summary : dict
        n, gain_A, gain_B with 95 % interval, paired t and p, J, J_twin, diversity and that of
        the twins, adversarial, collapsed, reason.

    Raises
    ------
    InputProblem
        When there are no pairs.
    """
    import pandas as pd
    from scipy import stats

    n = len(images)
    if n == 0 or len(unguided) != n:
        raise InputProblem(f"judge: {n} images and {len(unguided)} twins; expected pairs")
    table = pd.DataFrame(index=range(n))
    for letter, encoder in (("A", guide), ("B", independent)):
        for suffix, pictures in (("", images), ("_twin", unguided)):
            table[letter + suffix] = np.nan
            if encoder is not None:
                table[letter + suffix] = objective.value(encoder.predict(pictures), encoder.unit_)
    for suffix, pictures in (("", images), ("_twin", unguided)):
        table[f"J{suffix}"] = _seen(category, pictures, preferred)
    gain = {letter: (table[letter] - table[f"{letter}_twin"]).to_numpy() for letter in "AB"}
    rng = seeds.generator(random_state, "bootstrap of images")
    draws = gain["B"][rng.integers(n, size=(n_bootstrap, n))].mean(axis=1)
    spread = gain["B"].std(ddof=1) if n > 1 else np.nan
    t = gain["B"].mean() / (spread / np.sqrt(n)) if spread > 0 else np.nan
    diversity = {
        suffix: mean_distance((independent or guide).features(pictures))
        for suffix, pictures in (("", images), ("_twin", unguided))
    }
    j, j_twin = table["J"].mean(), table["J_twin"].mean()
    reasons = []
    if gain["A"].mean() > 0 and gain["B"].mean() < MIN_TRANSFER * gain["A"].mean():
        reasons.append(
            f"independent gain is {gain['B'].mean() / gain['A'].mean():.2f} of the guide's"
        )
    if gain["A"].mean() <= 0:
        reasons.append("the guide itself gains nothing")
    if np.isfinite(j) and j <= j_twin:
        reasons.append(f"category share {100 * j:.0f} % against {100 * j_twin:.0f} % unguided")
    summary = {
        "n": n,
        "gain_A": gain["A"].mean(),
        "gain_B": gain["B"].mean(),
        "ci_low": np.quantile(draws, 0.025),
        "ci_high": np.quantile(draws, 0.975),
        "t": t,
        "p": float(2 * stats.t.sf(abs(t), n - 1)) if np.isfinite(t) else np.nan,
        "J": j,
        "J_twin": j_twin,
        "diversity": diversity[""],
        "diversity_twin": diversity["_twin"],
        "collapsed": bool(diversity[""] < COLLAPSE * diversity["_twin"]),
        "adversarial": bool(reasons),
        "reason": "; ".join(reasons),
        "preferred": preferred or "",
    }
    table["rank_B"] = np.nan if reasons else stats.rankdata(-table["B"], method="ordinal")
    return table, summary


def named_category(name, words):
    """The word that names an objective: `faces` for `a photo of a face`; None where none does.

    Parameters
    ----------
    name : str
        Of the objective.
    words : sequence of str

    Returns
    -------
    str or None
    """
    tokens = [
        token.lower().rstrip("s") for token in re.split(r"[^A-Za-z]+", name) if len(token) > 2
    ]
    for word in words:
        last = re.split(r"[^A-Za-z]+", str(word).lower())[-1].rstrip("s")
        if last in tokens:
            return word
    return None


def _seen(category, pictures, preferred):
    if category is None or preferred not in category.classes:
        return np.full(len(pictures), np.nan)
    share = category.predict_proba(pictures)
    return (share.argmax(axis=1) == category.classes.index(preferred)).astype(float)


def mean_distance(features) -> float:
    """Mean Euclidean distance between all pairs of rows."""
    from scipy.spatial.distance import pdist

    return float(pdist(np.asarray(features, dtype=np.float64)).mean()) if len(features) > 1 else 0.0


def preferred_category(objective, betas, unit, condition) -> str:
    """The category whose images drive the objective most, by measured responses.

    Parameters
    ----------
    objective : Objective
    betas : array, shape (n, n_voxels)
    unit : sequence of str, length n_voxels
    condition : sequence of str, length n

    Returns
    -------
    str
    """
    values = objective.value(betas, unit)
    condition = np.asarray(condition).astype(str)
    names = np.unique(condition)
    return str(names[np.argmax([values[condition == name].mean() for name in names])])


def natural_top(images, values, n: int):
    """Rows of the natural images with the highest values, best first.

    Parameters
    ----------
    images : array, shape (n_images, ...)
    values : array, shape (n_images,)
    n : int

    Returns
    -------
    ndarray of int
    """
    return np.argsort(-np.asarray(values), kind="stable")[: min(n, len(images))]


def sub_regions(coef, n_clusters=2, *, n_iter=50, n_starts=4, random_state=0):
    """Split a region by spherical k-means on the directions of its readout weights.

    Parameters
    ----------
    coef : array, shape (n_voxels, n_features)
    n_clusters : int
    n_iter, n_starts : int
    random_state : int

    Returns
    -------
    labels : ndarray of int, shape (n_voxels,)

    Raises
    ------
    InputProblem
        When there are fewer voxels than clusters.
    """
    unit = np.asarray(coef, dtype=np.float64)
    if len(unit) < n_clusters:
        raise InputProblem(f"sub-regions: {len(unit)} voxels for {n_clusters} clusters")
    unit = unit / (np.linalg.norm(unit, axis=1, keepdims=True) + 1e-12)
    best, labels = -np.inf, None
    rng = seeds.generator(random_state, "sub-regions")
    for _ in range(n_starts):
        centres = unit[rng.choice(len(unit), n_clusters, replace=False)]
        for _ in range(n_iter):
            assigned = (unit @ centres.T).argmax(axis=1)
            sums = np.stack([unit[assigned == k].sum(axis=0) for k in range(n_clusters)])
            length = np.linalg.norm(sums, axis=1, keepdims=True)
            centres = np.where(length > 0, sums / np.maximum(length, 1e-12), centres)
        fit = (unit @ centres.T).max(axis=1).sum()
        if fit > best:
            best, labels = fit, (unit @ centres.T).argmax(axis=1)
    return labels
