"""Outer cross-validation: predictions for subjects that the classifier never saw."""

from __future__ import annotations

import dataclasses
import logging
import time

import numpy as np
import pandas as pd
from sklearn.base import clone

from neuro.adhd.diagnosis.guard import decision, guard
from neuro.adhd.diagnosis.mask import Rows
from neuro.adhd.diagnosis.scores import SCORE_COLUMNS, add_null, headline, score_predictions
from neuro.io.problems import InputProblem
from neuro.stats.subjects import iterate_folds, make_folds, merged_sites

__all__ = [
    "PREDICTION_COLUMNS",
    "SCORE_COLUMNS",
    "NestedResult",
    "add_null",
    "guard",
    "headline",
    "nested_cv",
    "predict_subjects",
    "score_predictions",
]

PREDICTION_COLUMNS = (
    *("participant_id", "scheme", "repeat", "fold", "site"),
    *("input", "mask", "y", "score", "subtype"),
)
MASK_COLUMNS = ("scheme", "repeat", "fold", "input", "region", "score", "kept")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class NestedResult:
    """What :func:`nested_cv` found.

    Attributes
    ----------
    predictions : pandas.DataFrame
        One row per subject, scheme and repeat: :data:`PREDICTION_COLUMNS`.
    mask : pandas.DataFrame
        One row per outer fold and region: :data:`MASK_COLUMNS`; empty without a mask.
    folds : pandas.DataFrame
        See :func:`neuro.stats.make_folds`.
    """

    predictions: pd.DataFrame
    mask: pd.DataFrame
    folds: pd.DataFrame


def nested_cv(
    estimator,
    X,
    y,
    groups,
    site,
    *,
    covariates=None,
    folds=None,
    schemes=("pooled", "leave_site_out"),
    outer_folds: int = 5,
    repeats: int = 5,
    site_groups=None,
    subtype=None,
    input: str = "features",
    mask: str = "none",
    random_state: int = 0,
) -> NestedResult:
    """Judge a classifier on subjects it never saw; its own choices are made inside each fold.

    Parameters
    ----------
    estimator : estimator
        :class:`neuro.adhd.diagnosis.model.GraphDiagnosis` or any scikit-learn classifier. Arguments
        `groups`, `strata` (the site), `site` and `covariates` are passed where its `fit` and
        `decision_function` name them. Inner folds are balanced for site and not for labels, so
        that permuted labels meet the same folds.
    X : array, shape (n_rows, n_features)
    y : array of 0 and 1, shape (n_rows,)
    groups : array of str, shape (n_rows,)
        Subject of each row.
    site : array of str, shape (n_rows,)
    covariates : pandas.DataFrame, optional
        One row per row of `X`.
    folds : pandas.DataFrame, optional
        Fold table; default a new one by `schemes`, `outer_folds`, `repeats`, `site_groups`.
    subtype : array, shape (n_rows,), optional
        Copied into the predictions.
    input, mask : str
        Names for the tables.
    random_state : int, default 0
        Of a new fold table.

    Returns
    -------
    NestedResult

    Raises
    ------
    ValueError
        When sizes differ, a site is missing, a subject is in two folds, or there are fewer than
        2 sites to leave out; an InputProblem where a fold leaves too few subjects.
    """
    rows, y = outer_rows(X, y, groups, site, covariates)
    subtype = np.full(len(y), np.nan) if subtype is None else np.asarray(subtype)
    if folds is None:
        people = pd.DataFrame(
            {"participant_id": rows.groups, "site": rows.site, "dx": y.astype(int)}
        )
        people["site_group"] = merged_sites(rows.site, site_groups)
        folds = make_folds(
            people,
            schemes=schemes,
            outer_folds=outer_folds,
            repeats=repeats,
            random_state=random_state,
        )
    wrapped = guard(estimator)
    predictions, masks = [], []
    started = time.perf_counter()
    for scheme, repeat, fold, train, test in iterate_folds(folds, rows.groups):
        model = clone(wrapped)
        train_rows, test_rows = rows.take(train), rows.take(test)
        check_training(y[train], scheme, fold)
        model.fit(
            train_rows.X,
            y[train].astype(int),
            groups=train_rows.groups,
            strata=train_rows.strata,
            **train_rows.context(),
        )
        score = model.decision_function(test_rows.X, test_rows.groups, **test_rows.context())
        split = {"scheme": scheme, "repeat": repeat, "fold": fold}
        predictions.append(
            pd.DataFrame(
                {
                    "participant_id": test_rows.groups,
                    **split,
                    "site": test_rows.site,
                    "input": input,
                    "mask": mask,
                    "y": y[test].astype(int),
                    # rounded, so that the order of sums on several threads leaves no trace
                    "score": np.round(score, 6),
                    "subtype": subtype[test],
                }
            )
        )
        masks.append(_mask_table(model.estimator_, split, input))
    _log.info("%s, mask %s: judged in %.1f s", input, mask, time.perf_counter() - started)
    return NestedResult(
        pd.concat(predictions, ignore_index=True)[list(PREDICTION_COLUMNS)],
        pd.concat(masks, ignore_index=True)[list(MASK_COLUMNS)],
        folds,
    )


def outer_rows(X, y, groups, site, covariates=None):
    """Check the arguments of an evaluation; `y` comes back as booleans.

    Raises
    ------
    ValueError
        When sizes differ, labels are not 0 and 1, or a site is missing.
    """
    X = np.asarray(X)
    y = np.asarray(y)
    wrong = sorted(set(np.unique(y).tolist()) - {0, 1})
    if wrong:
        raise ValueError(f"y: holds {wrong[0]}; expected 0 (control) and 1 (case)")
    if groups is None or site is None:
        name = "groups" if groups is None else "site"
        raise ValueError(f"{name}: needed, one value per row; splits are by subject and site")
    for name, values in {
        "y": y,
        "groups": groups,
        "site": site,
        "covariates": covariates,
    }.items():
        if values is not None and len(values) != len(X):
            raise ValueError(f"{name}: {len(values)} values for {len(X)} rows of X")
    absent = pd.isna(np.asarray(site, dtype=object))
    if absent.any():
        raise ValueError(f"site: missing in {absent.sum()} of {len(X)} rows; every row needs one")
    site = np.asarray(site).astype(str)
    if covariates is not None:
        covariates = covariates.reset_index(drop=True)
    return Rows(X, np.asarray(groups).astype(str), site, site, covariates), y.astype(bool)


def check_training(y, scheme: str, fold: str) -> None:
    """Refuse a training fold with one class."""
    if y.all() or not y.any():
        raise InputProblem(
            f"{scheme}, fold '{fold}': only {'cases' if y.all() else 'controls'} are left for "
            "training; use fewer folds or other sites"
        )


def _mask_table(model, split, input) -> pd.DataFrame:
    labels = getattr(model, "region_labels_", None)
    if labels is None or not np.isfinite(model.region_scores_).any():
        return pd.DataFrame(columns=list(MASK_COLUMNS))
    return pd.DataFrame(
        {
            **split,
            "input": input,
            "region": labels,
            "score": model.region_scores_,
            "kept": model.region_mask_.astype(int),
        }
    )


def predict_subjects(
    estimator, X, participant_id, *, site=None, covariates=None, input="features", mask="none"
) -> pd.DataFrame:
    """Predictions of a fitted classifier for new subjects; their diagnosis is not needed.

    Parameters
    ----------
    estimator : fitted estimator
    X : array, shape (n_rows, n_features)
    participant_id : sequence of str, length n_rows
    site : array of str, optional
    covariates : pandas.DataFrame, optional
    input, mask : str
        Names for the table.

    Returns
    -------
    pandas.DataFrame
        :data:`PREDICTION_COLUMNS` with scheme 'held_out'; `y` and `subtype` are missing, since
        nothing is scored here.
    """
    X = np.asarray(X)
    if len(participant_id) != len(X):
        raise ValueError(f"participant_id: {len(participant_id)} values for {len(X)} rows of X")
    score = decision(estimator, X, site=site, covariates=covariates)
    return pd.DataFrame(
        {
            "participant_id": [str(who) for who in participant_id],
            "scheme": "held_out",
            "repeat": 1,
            "fold": "all",
            "site": "n/a" if site is None else site,
            "input": input,
            "mask": mask,
            "y": np.nan,
            "score": np.round(score, 6),
            "subtype": np.nan,
        }
    )[list(PREDICTION_COLUMNS)]
