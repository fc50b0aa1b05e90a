"""95 % intervals of scores that hold what they promise."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

RANGES = {
    **dict.fromkeys(("youden_j", "r", "r_within_site"), (-1.0, 1.0)),
    "mae": (0.0, np.inf),
}
"""Smallest and largest value of a metric; of all others 0 and 1."""
MIN_PERMUTATIONS = 20
"""Fewer permutations say too little about a spread (ours; coverage in `docs/adhd/intervals.md`)."""
KINDS = ("permutation", "site", "bootstrap")
"""Where an interval comes from: the spread of the permuted values, of one site's own labels, or a
bootstrap over subjects, which is too narrow and stands only where nothing else is known."""


def null_interval(
    value: float,
    null,
    metric: str,
    level: float = 0.95,
    *,
    at_least: float = 0.0,
) -> tuple[float, float]:
    """The value plus and minus Student's t times the spread of its permuted values.

    The spread of a cross-validated score, over new samples of subjects, is about that of the same
    score under labels that are permuted within sites; a bootstrap over subjects misses that new
    subjects would also train another model. Sites, and their share of cases, are taken as fixed.

    Parameters
    ----------
    value : float
    null : array, shape (n_permutations,)
        Values of the same analysis for permuted labels; of single repeats of the folds, which
        spread a little more than a mean of several.
    metric : str
        Its range bounds the interval, see :data:`RANGES`.
    level : float, default 0.95
    at_least : float, default 0
        Half width of another interval, that of a bootstrap over subjects. Where permuted labels
        leave decisions to the sites, their spread is small, and that of real decisions is not.

    Returns
    -------
    low, high : float
        NaN for fewer than :data:`MIN_PERMUTATIONS` values, or where these do not vary.
    """
    null = np.asarray(null, dtype=float)
    null = null[np.isfinite(null)]
    if len(null) < MIN_PERMUTATIONS or np.ptp(null) <= 1e-9 or not np.isfinite(value):
        return np.nan, np.nan
    half = stdtrit(len(null) - 1, (1 + level) / 2) * null.std(ddof=1)
    half = max(half, at_least) if np.isfinite(at_least) else half
    return _bounded(value, half, metric)


def _bounded(value, half, metric):
    low, high = RANGES.get(metric, (0.0, 1.0))
    return float(max(low, value - half)), float(min(high, value + half))


def site_interval(metric: str, estimates, n_cases: float, n_controls: float) -> tuple[float, float]:
    """Interval of a score at a site that the model has not seen: the model is taken as it is.

    Sensitivity, specificity and accuracy are proportions (Wilson); balanced accuracy and J are sums
    of two, whose distances to the bounds are added in squares (Newcombe); the area under the curve
    has the bounds that Newcombe's fifth method finds.

    Parameters
    ----------
    metric : str
    estimates : mapping of str to float
        All metrics at the site, see :func:`neuro.adhd.diagnosis.metrics.score_metrics`.
    n_cases, n_controls : float

    Returns
    -------
    low, high : float
        NaN where a class is absent that the metric needs.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22:209. Newcombe (1998), Stat. Med. 17:873; (2006),
    Stat. Med. 25:559.
    """
    value = float(estimates[metric])
    if not np.isfinite(value):
        return np.nan, np.nan
    sizes = {"sensitivity": n_cases, "specificity": n_controls, "accuracy": n_cases + n_controls}
    if metric in sizes:
        return _wilson(value, sizes[metric])
    if metric == "auc":
        return _auc_bounds(value, n_cases, n_controls)
    parts = [
        (estimates[name], *_wilson(estimates[name], sizes[name]))
        for name in sizes
        if name[0] == "s"
    ]
    below = np.sqrt(sum((share - low) ** 2 for share, low, _ in parts))
    above = np.sqrt(sum((high - share) ** 2 for share, _, high in parts))
    scale = 0.5 if metric == "balanced_accuracy" else 1.0
    return float(value - scale * below), float(value + scale * above)


_Z = 1.959963984540054
_NEAR = 1e-9


def _wilson(share: float, n: float) -> tuple[float, float]:
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def _auc_bounds(value: float, n_cases: float, n_controls: float) -> tuple[float, float]:
    from scipy.optimize import brentq

    pairs, more = n_cases * n_controls, (n_cases + n_controls) / 2 - 1

    def gap(area, sign):
        spread = 1 + more * ((1 - area) / (2 - area) + area / (1 + area))
        return value - area - sign * _Z * np.sqrt(area * (1 - area) * spread / pairs)

    # the value itself solves the equation where it is 0 or 1; the bound is the other solution
    low = 0.0 if value <= _NEAR else brentq(gap, 0.0, value - _NEAR, args=(1.0,))
    high = 1.0 if value >= 1 - _NEAR else brentq(gap, value + _NEAR, 1.0, args=(-1.0,))
    return float(low), float(high)
