"""Which regions the classifier sees: each region is judged alone, on training subjects only."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import ClassifierTags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from neuro.adhd.diagnosis.lda import discriminant, project_stack
from neuro.adhd.diagnosis.scaling import FeatureScaler
from neuro.base import seeds
from neuro.base.estimator import Tagged
from neuro.stats.splits import stratified_group_folds

if TYPE_CHECKING:
    import pandas as pd

RULES = ("top", "se", "none")
_BLOCK = 300_000
"""Decisions held at once; the arrays of a block stay in the processor's cache."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Features of some subjects with all that the label-free steps need to know about them."""

    X: np.ndarray
    groups: np.ndarray
    strata: np.ndarray
    site: np.ndarray | None = None
    covariates: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows) -> Rows:
        """The same for a part of the rows."""
        return Rows(
            self.X[rows],
            self.groups[rows],
            self.strata[rows],
            None if self.site is None else self.site[rows],
            None if self.covariates is None else self.covariates.iloc[rows],
        )

    def context(self) -> dict:
        """Keyword arguments of the scaler."""
        return {"site": self.site, "covariates": self.covariates}


def region_columns(regions) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels of the regions, sorted, and the columns of each."""
    labels, code = np.unique(np.asarray(regions).astype(str), return_inverse=True)
    order = np.argsort(code, kind="stable")
    return labels, np.split(order, np.cumsum(np.bincount(code))[:-1])


def inner_folds(rows: Rows, n_folds: int, random_state: int) -> np.ndarray:
    """Inner fold of each row; fewer folds where there are fewer subjects."""
    n_folds = max(2, min(n_folds, len(np.unique(rows.groups))))
    stream = seeds.stream(random_state, "inner folds")
    return stratified_group_folds(rows.groups, rows.strata, n_folds, stream)


def region_hits(rows: Rows, labels, columns, scaler, n_folds, random_state, k, shrinkage):
    """Correct decisions of each region alone, by inner cross-validation, for many label vectors.

    Parameters
    ----------
    rows : Rows
    labels : ndarray of bool, shape (n_rows, n_labels)
    columns : list of ndarray of int
        Columns of each region.
    scaler : FeatureScaler
        Cloned and fitted in each inner fold.
    n_folds, random_state, k : int
    shrinkage : {'auto', None}

    Returns
    -------
    sensitivity, specificity : ndarray, shape (n_regions, n_labels)
    """
    fold = inner_folds(rows, n_folds, random_state)
    hits = np.zeros((2, len(columns), labels.shape[1]))
    for fold_number in range(fold.max() + 1):
        train, test = np.flatnonzero(fold != fold_number), np.flatnonzero(fold == fold_number)
        Z, Z_new = scale_pair(scaler, rows.take(train), rows.take(test))
        scores, new, scatter = project_stack(Z, Z_new, columns, k)
        train_labels = labels[train].astype(np.float64)
        truth = labels[test]
        step = max(1, _BLOCK // (max(len(train), len(test)) * labels.shape[1]))
        for low in range(0, len(columns), step):
            block = slice(low, low + step)
            weights, threshold = discriminant(
                scores[block], scatter[block], train_labels, shrinkage, scaled=False
            )
            case = (new[block] @ weights) > threshold[:, None, :]
            hits[0, block] += _count(case & truth)
            hits[1, block] += _count(~(case | truth))
    n1 = labels.sum(axis=0)
    return hits[0] / np.maximum(n1, 1), hits[1] / np.maximum(len(rows) - n1, 1)


def _count(flags) -> np.ndarray:
    """Sum of booleans over axis 1; bytes add up many times faster than integers."""
    total = np.zeros((len(flags), *flags.shape[2:]), dtype=np.int64)
    for low in range(0, flags.shape[1], 255):
        block = flags[:, low : low + 255].view(np.uint8)
        total += np.add.reduce(block, axis=1, dtype=np.uint8).astype(np.int64)
    return total


def scale_pair(scaler, train: Rows, test: Rows):
    """Scaled training and test features; the scaler sees training subjects only."""
    from sklearn.base import clone

    scaler = clone(scaler)
    return (
        scaler.fit_transform(train.X, **train.context()),
        scaler.transform(test.X, **test.context()),
    )


def kept_regions(
    sensitivity, specificity, labels, rule: str, cut: float, keep_one: bool = True
) -> np.ndarray:
    """Apply the rule to the regions' scores.

    Parameters
    ----------
    sensitivity, specificity : ndarray, shape (n_regions, n_labels)
    labels : ndarray of bool, shape (n_rows, n_labels)
    rule : {'top', 'se'}
        'top': the best share `cut` of the regions, ties in the order of the labels; 'se':
        balanced accuracy above .5 by more than one standard error.
    cut : float
    keep_one : bool, default True
        Whether all regions are kept where none passes.

    Returns
    -------
    ndarray of bool, shape (n_regions, n_labels)
    """
    score = (sensitivity + specificity) / 2
    if rule == "top":
        n_kept = max(1, round(cut * len(score)))
        order = np.argsort(-score, axis=0, kind="stable")[:n_kept]
        kept = np.zeros(score.shape, dtype=bool)
        np.put_along_axis(kept, order, True, axis=0)
        return kept
    n1 = np.maximum(labels.sum(axis=0), 1)
    n0 = np.maximum(len(labels) - labels.sum(axis=0), 1)
    variance = sensitivity * (1 - sensitivity) / n1 + specificity * (1 - specificity) / n0
    kept = score > 0.5 + np.sqrt(variance) / 2
    return kept | ~kept.any(axis=0) if keep_one else kept


class RegionMask(Tagged, TransformerMixin, BaseEstimator):
    """Choose regions by the accuracy that each reaches alone.

    Parameters
    ----------
    rule : {'top', 'se', 'none'}, default 'top'
        Keep the best share of the regions, those above chance by one standard error, or all.
    cut : float, default 0.30
        Share that 'top' keeps (Dey et al. 2012 do not state theirs; not verified).
    inner_cv : int, default 5
        Folds over training subjects.
    random_state : int, default 0
    n_components : int, default 10
        Principal components of a region (ours: the smallest number offered to the classifier).
    shrinkage : {'auto', None}, default 'auto'
    scaler : FeatureScaler, optional
        Label-free steps, fitted in each inner fold; default imputes and z-scores.

    Attributes
    ----------
    regions_ : ndarray of str, shape (n_regions,)
    scores_ : ndarray, shape (n_regions,)
        Balanced accuracy of each region alone; NaN with rule 'none'.
    kept_ : ndarray of bool, shape (n_regions,)
    columns_ : ndarray of bool, shape (n_features,)
    """

    _tags: ClassVar = {
        "classifier_tags": ClassifierTags(multi_class=False),
        "target_tags.required": True,
        "input_tags.allow_nan": True,
        "transformer_tags.preserves_dtype": ["float64", "float32"],
    }

    def __init__(
        self,
        rule="top",
        cut=0.30,
        inner_cv=5,
        random_state=0,
        n_components=10,
        shrinkage="auto",
        scaler=None,
    ):
        self.rule = rule
        self.cut = cut
        self.inner_cv = inner_cv
        self.random_state = random_state
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.scaler = scaler

    def fit(self, X, y, regions=None, groups=None, strata=None, site=None, covariates=None):
        """Judge every region on these (training) subjects.

        Parameters
        ----------
        X : array, shape (n_subjects, n_features)
            Features before scaling.
        y : array of two classes, shape (n_subjects,)
        regions : array of str, shape (n_features,), optional
            Default: every feature is a region of its own.
        groups, strata, site, covariates : optional
            As in :class:`neuro.adhd.diagnosis.model.GraphDiagnosis`.

        Raises
        ------
        ValueError
            When rule or cut are out of range, sizes differ, or one class is left.

        Warns
        -----
        UserWarning
            When no region passes; all are kept then.
        """
        check_mask(self.rule, [self.cut])
        rows, y, _ = as_rows(self, X, y, groups, strata, site, covariates)
        if regions is None:
            width = len(str(rows.X.shape[1] - 1))
            regions = [f"{column:0{width}d}" for column in range(rows.X.shape[1])]
        self.regions_, columns = region_columns(regions)
        if sum(map(len, columns)) != rows.X.shape[1]:
            raise ValueError(f"regions: {len(regions)} labels for {rows.X.shape[1]} features")
        self.scores_ = np.full(len(columns), np.nan)
        self.kept_ = np.ones(len(columns), dtype=bool)
        if self.rule != "none":
            sensitivity, specificity = region_hits(
                rows,
                y[:, None],
                columns,
                self.scaler or FeatureScaler().set_output(transform="default"),
                self.inner_cv,
                self.random_state,
                self.n_components,
                self.shrinkage,
            )
            self.scores_ = (sensitivity + specificity)[:, 0] / 2
            self.kept_ = kept_regions(
                sensitivity, specificity, y[:, None], self.rule, self.cut, keep_one=False
            )[:, 0]
            if not self.kept_.any():
                warnings.warn("region mask: no region passed, all are kept", stacklevel=2)
                self.kept_[:] = True
        self.columns_ = np.isin(np.asarray(regions).astype(str), self.regions_[self.kept_])
        return self

    def transform(self, X):
        """The columns of the kept regions.

        Parameters
        ----------
        X : array, shape (n_subjects, n_features)

        Returns
        -------
        ndarray, shape (n_subjects, n_kept)
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        return X[:, self.columns_]

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the features in the kept regions."""
        check_is_fitted(self)
        return _check_feature_names_in(self, input_features)[self.columns_]


def check_mask(rule: str, cuts) -> None:
    """Refuse an unknown rule and a cut outside (0, 1]."""
    if rule not in RULES:
        raise ValueError(f"mask rule: got '{rule}', expected one of {', '.join(RULES)}")
    for cut in cuts:
        if not 0 < cut <= 1:
            raise ValueError(f"mask cut: got {cut}, expected a share above 0 and up to 1")


def as_rows(estimator, X, y, groups=None, strata=None, site=None, covariates=None):
    """Check the arguments of a fit and note the columns of `X` in the estimator.

    Returns
    -------
    rows : Rows
    second : ndarray of bool, shape (n_rows,)
        Which rows are of the second class, the cases.
    classes : ndarray, shape (2,)
        Sorted.

    Raises
    ------
    ValueError
        When sizes differ, features are no numbers, or labels are not of two classes.
    """
    X, y = validate_data(estimator, X, y, ensure_all_finite="allow-nan")
    check_classification_targets(y)
    classes, code = np.unique(y, return_inverse=True)
    if len(classes) > 2:
        shown = ", ".join(map(str, classes[:4]))
        raise ValueError(
            "y: Only binary classification is supported. The type of the target is multiclass, "
            f"with {shown}"
        )
    if len(classes) < 2:
        raise ValueError(
            f"y: one class only, {classes[0]}, in {len(y)} rows; a diagnosis needs both"
        )
    y = code.astype(bool)
    named = {"groups": groups, "strata": strata, "site": site, "covariates": covariates}
    for name, values in named.items():
        if values is not None and len(values) != len(X):
            raise ValueError(f"{name}: {len(values)} values for {len(X)} rows of X")
    groups = np.arange(len(X)) if groups is None else np.asarray(groups)
    strata = y if strata is None else np.asarray(strata)
    site = None if site is None else np.asarray(site)
    return Rows(X, groups, strata, site, covariates), y, classes
