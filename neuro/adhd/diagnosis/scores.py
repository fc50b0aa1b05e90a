"""Tables of scores: values, intervals, what permuted labels give, and the headline figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.adhd.diagnosis.intervals import null_interval, site_interval
from neuro.adhd.diagnosis.metrics import METRICS, bootstrap_metrics, interval, score_metrics
from neuro.stats import splits

BASELINES = ("majority", "site", "phenotype", "phenotype+site", "motion")
"""Inputs that see no brain."""
SCORE_COLUMNS = (
    *("scheme", "fold", "site", "input", "mask", "metric", "value", "ci_low", "ci_high"),
    *("null_mean", "null_sd", "p", "n", "primary", "interval"),
)


def score_predictions(
    predictions: pd.DataFrame, *, n_bootstrap: int = 2000, primary=(), random_state: int = 0
) -> pd.DataFrame:
    """Metrics with first 95 % intervals; those of totals wait for :func:`add_null`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of any number of inputs, masks and schemes.
    n_bootstrap : int, default 2000
    primary : sequence of two str, optional
        (input, mask) that was declared in advance.
    random_state : int, default 0

    Returns
    -------
    pandas.DataFrame
        :data:`SCORE_COLUMNS`. `fold` and `site` are 'all' for totals over all test subjects (in
        the pooled scheme the mean over repeats); leave-site-out has a row per site as well. The
        null columns are empty until :func:`add_null`. `interval` says where an interval comes
        from, see :data:`neuro.adhd.diagnosis.intervals.KINDS`: a site that was left out has its
        own, totals have those of a bootstrap over subjects until :func:`add_null`.
    """
    tables = []
    for (scheme, input, mask), group in predictions.groupby(
        ["scheme", "input", "mask"], sort=False
    ):
        declared = (input, mask) == tuple(primary)
        places = [("all", "all", group)]
        if scheme == "leave_site_out":
            places += [(fold, fold, some) for fold, some in group.groupby("fold")]
        for fold, site, some in places:
            table = _score_one(some, n_bootstrap if site == "all" else 0, random_state)
            for name, value in {
                "scheme": scheme,
                "fold": fold,
                "site": site,
                "input": input,
                "mask": mask,
                "null_mean": np.nan,
                "null_sd": np.nan,
                "p": np.nan,
                "primary": declared,
            }.items():
                table[name] = value
            tables.append(table[list(SCORE_COLUMNS)])
    return pd.concat(tables, ignore_index=True)


def _score_one(predictions, n_bootstrap, random_state) -> pd.DataFrame:
    """All metrics of one set of test subjects; without resamples, of a site that was left out."""
    predictions = predictions.assign(
        run=predictions.groupby(["repeat", "participant_id"]).cumcount()
    )
    wide = predictions.pivot(index=["participant_id", "run"], columns="repeat", values="score")
    y = predictions.groupby(["participant_id", "run"])["y"].first().loc[wide.index].to_numpy()
    who = wide.index.get_level_values("participant_id").to_numpy()
    decisions = wide.to_numpy()
    each = score_metrics(y, decisions)
    estimates = {name: float(np.mean(each[name])) for name in METRICS}
    if n_bootstrap:
        samples = bootstrap_metrics(y, decisions, who, n_bootstrap, random_state)
        low_high = {name: interval(samples[name]) for name in METRICS}
    else:
        sizes = [len(np.unique(who[y == label])) for label in (1, 0)]
        low_high = {name: site_interval(name, estimates, *sizes) for name in METRICS}
    return pd.DataFrame(
        {
            "metric": METRICS,
            "value": [estimates[name] for name in METRICS],
            "ci_low": [low_high[name][0] for name in METRICS],
            "ci_high": [low_high[name][1] for name in METRICS],
            "n": len(np.unique(who)),
            "interval": "bootstrap" if n_bootstrap else "site",
        }
    )


def empty_scores(input: str, schemes, mask: str = "none") -> pd.DataFrame:
    """Rows of a baseline that cannot be computed: every value is missing, `n` is 0."""
    rows = [
        {"scheme": scheme, "fold": "all", "site": "all", "input": input, "mask": mask}
        | {"metric": metric, "n": 0, "primary": False}
        for scheme in schemes
        for metric in METRICS
    ]
    return pd.DataFrame(rows).reindex(columns=list(SCORE_COLUMNS))


def add_null(scores: pd.DataFrame, permutations: pd.DataFrame) -> pd.DataFrame:
    """Fill the null columns of the totals, and their intervals, from the permutations.

    Parameters
    ----------
    scores : pandas.DataFrame
        As made by :func:`score_predictions`.
    permutations : pandas.DataFrame
        `scheme`, `input`, `mask`, `metric`, `permutation`, `value`.

    Returns
    -------
    pandas.DataFrame
        A copy. `p = (b + 1) / (m + 1)`, b the number of the m permuted values that reach the
        real one; the pooled real value is a mean over repeats and the permuted ones are single
        repeats, which makes p a little too large, never too small. A null that does not vary has
        no p: permuting within sites leaves, for instance, the site baseline as it is. Such a
        total, and one of few permutations, keeps the interval of the bootstrap; all others get
        that of :func:`neuro.adhd.diagnosis.intervals.null_interval`.
    """
    scores = scores.copy()
    keys = ["scheme", "input", "mask", "metric"]
    nulls = {key: group["value"].to_numpy(float) for key, group in permutations.groupby(keys)}
    for row in scores.index[scores["fold"] == "all"]:
        null = nulls.get(tuple(scores.loc[row, keys]), np.empty(0))
        null = null[np.isfinite(null)]
        value = scores.loc[row, "value"]
        if len(null) == 0 or not np.isfinite(value):
            continue
        scores.loc[row, "null_mean"] = null.mean()
        scores.loc[row, "null_sd"] = null.std(ddof=1) if len(null) > 1 else np.nan
        if len(null) == 1 or np.ptp(null) > 1e-9:
            scores.loc[row, "p"] = ((null >= value - 1e-12).sum() + 1) / (len(null) + 1)
        other = (scores.loc[row, "ci_high"] - scores.loc[row, "ci_low"]) / 2
        low, high = null_interval(value, null, scores.loc[row, "metric"], at_least=other)
        if np.isfinite(low):
            scores.loc[row, ["ci_low", "ci_high", "interval"]] = low, high, "permutation"
    return scores


def headline(scores: pd.DataFrame, metric: str = "balanced_accuracy") -> list[dict]:
    """The stage's figures for `report.json`.

    Parameters
    ----------
    scores : pandas.DataFrame
        As made by :func:`add_null`.
    metric : str, default 'balanced_accuracy'

    Returns
    -------
    list of dict
        `name`, `value`, `unit`, `null` (mean of the permutations), `baseline` (the best that sees
        no brain, by name), `ci_low`, `ci_high`, `interval` (where it comes from), `p`, `n`, for
        each scheme: the declared variant, the best of the baselines, phenotype, site, and the
        declared variant with the phenotype. Never the best of several variants.
    """
    totals = scores[(scores["fold"] == "all") & (scores["metric"] == metric)]
    rows = []
    for scheme in totals["scheme"].unique():
        in_scheme = totals[totals["scheme"] == scheme]
        blind = in_scheme[in_scheme["input"].isin(BASELINES) & in_scheme["value"].notna()]
        best = blind.loc[blind["value"].idxmax()] if len(blind) else None
        baseline = None if best is None else {str(best["input"]): float(best["value"])}
        shown = in_scheme["primary"].astype(bool) | in_scheme["input"].isin(("phenotype", "site"))
        shown |= in_scheme["input"].str.endswith("+phenotype")
        if best is not None:
            shown |= in_scheme["input"] == best["input"]
        for _, row in in_scheme[shown].iterrows():
            name = row["input"] if row["mask"] == "none" else f"{row['input']}+{row['mask']}"
            figure: dict = {
                "name": f"{metric.replace('_', ' ')}, {name}, {scheme.replace('_', ' ')}",
                "unit": "",
                "baseline": baseline if row["primary"] else None,
                "n": int(row["n"]),
            }
            for key, column in (
                *(("value", "value"), ("null", "null_mean"), ("ci_low", "ci_low")),
                *(("ci_high", "ci_high"), ("p", "p")),
            ):
                figure[key] = float(row[column]) if np.isfinite(row[column]) else None
            figure["interval"] = row["interval"] if figure["ci_low"] is not None else None
            rows.append(figure)
    return rows


def shared_subjects(predictions: pd.DataFrame, features) -> dict:
    """Headline entry: subjects that any split has in training and test at once.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `participant_id`, `scheme`, `repeat`, `fold` of every test row.
    features : FeatureTable
        Subjects with equal features are one scan under two names.

    Returns
    -------
    dict
    """
    content = dict(zip(features.participant_id, splits.content_ids(features.X)))
    counts = []
    for _, group in predictions.groupby(["scheme", "repeat"]):
        who = group["participant_id"].astype(str).to_numpy()
        # those without features of their own are known by name alone
        scan = [str(content.get(name, name)) for name in who]
        counts.append(splits.shared_over_folds(splits.families(who, scan), group["fold"]))
    entry = dict.fromkeys(("baseline", "ci_low", "ci_high", "p"))
    return entry | {
        "name": "subjects shared by training and test",
        "value": max(counts, default=0),
        "unit": "subjects",
        "null": 0,
        "n": int(predictions["participant_id"].nunique()),
    }


def recovered_regions(maps: pd.DataFrame, planted, name: str, n: int) -> dict:
    """Headline entry of a planted cohort: do the regions that were planted stand out?

    Parameters
    ----------
    maps : pandas.DataFrame
        Group maps: `region`, `map`, `difference`, `p`.
    planted : sequence of str
        Regions in which cases differ.
    name : str
        The map, such as `cycle3`.
    n : int
        Number of subjects.

    Returns
    -------
    dict
        As the entries of :func:`headline`, with `planted`, `recovered` and `error`: as many
        regions as were planted, those with the smallest p, then the largest difference.
    """
    of_map = maps[maps["map"] == name]
    of_map = of_map.assign(size=-of_map["difference"].abs()).sort_values(["p", "size", "region"])
    top = of_map["region"].astype(str).head(len(planted)).tolist()
    missed = sorted(set(planted) - set(top))
    return {
        "name": f"regions in which cases differ ({name})",
        "value": len(planted) - len(missed),
        "unit": "regions",
        "null": round(len(planted) ** 2 / max(len(of_map), 1), 3),
        "baseline": None,
        "n": n,
        "planted": ", ".join(sorted(planted)),
        "recovered": ", ".join(sorted(top)),
        "error": f"{len(missed)} of {len(planted)} missed",
    }
