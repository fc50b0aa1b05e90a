"""Site effects taken out of many features by empirical Bayes: ComBat and CovBat, inside folds."""

from __future__ import annotations

import dataclasses
import warnings
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neuro.base.estimator import Tagged
from neuro.stats.covariate_code import CovariateCode, sites_of

UNSEEN = ("error", "keep", "estimate")
_STEPS = 1000


@dataclasses.dataclass(frozen=True)
class SiteEffect:
    """Offset and spread of one site in units of the pooled residual.

    Attributes
    ----------
    offset : ndarray of float64, shape (n_features,)
    spread : ndarray of float64, shape (n_features,)
        Standard deviations relative to the pooled one.
    n_rows : int
    """

    offset: np.ndarray
    spread: np.ndarray
    n_rows: int


def site_effect(rows, *, eb: bool = True, tol: float = 1e-4) -> SiteEffect:
    """Offset and spread of rows of one site, shrunk towards their values over all features.

    Parameters
    ----------
    rows : array, shape (n_rows, n_features)
        Standardised residuals of one site.
    eb : bool
        Empirical Bayes: offsets have a normal prior, variances an inverse gamma one, both with
        the moments that they have over the features (Johnson et al. 2007). Without it, and
        with one feature, mean and variance are taken as they are.
    tol : float
        Relative change at which the search for both stops.

    Returns
    -------
    SiteEffect
        The spread is 1 where the site has one row: it cannot be estimated.

    Notes
    -----
    The change of an offset is taken relative to its signed value, so that only positive offsets
    and the variances decide when to stop. This is what the published programs do; the estimates
    are the same to `tol`, and so equal to theirs.
    """
    rows = np.asarray(rows, dtype=np.float64)
    n, n_features = rows.shape
    mean = rows.mean(axis=0)
    if n < 2:
        return SiteEffect(mean if not eb else _shrunk_alone(mean), np.ones(n_features), n)
    scatter = ((rows - mean) ** 2).sum(axis=0)
    variance = scatter / (n - 1)
    if not eb or n_features < 2:
        return SiteEffect(mean, np.sqrt(np.where(variance > 0, variance, 1.0)), n)
    centre, tau2 = mean.mean(), mean.var(ddof=1)
    middle, width = variance.mean(), variance.var(ddof=1)
    if not (tau2 > 0 and width > 0):
        return SiteEffect(mean, np.sqrt(np.where(variance > 0, variance, 1.0)), n)
    shape = (2 * width + middle**2) / width
    rate = (middle * width + middle**3) / width
    offset, spread2 = mean, variance
    for _ in range(_STEPS):
        new = (n * tau2 * mean + spread2 * centre) / (n * tau2 + spread2)
        new2 = (rate + 0.5 * (scatter + n * (mean - new) ** 2)) / (n / 2 + shape - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.abs(new - offset) / offset
            moved2 = np.abs(new2 - spread2) / spread2
        change = max(_largest(moved), _largest(moved2))
        offset, spread2 = new, new2
        if change <= tol:
            break
    return SiteEffect(offset, np.sqrt(spread2), n)


def _largest(values) -> float:
    """Largest finite value; features without any spread do not move."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else 0.0


def _shrunk_alone(row) -> np.ndarray:
    """Offset of a site with one row: pooled residuals have variance 1, so this is its noise."""
    centre = row.mean()
    tau2 = max(row.var(ddof=1) - 1.0, 0.0) if len(row) > 1 else 0.0
    return centre + (row - centre) * tau2 / (tau2 + 1.0)


class ComBat(Tagged, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Take the mean and the scale of sites out of every feature, covariates protected.

    A feature is modelled as a common level, covariates, an offset of the site and noise with the
    scale of the site. Offsets and scales are shrunk by empirical Bayes over the features
    [1]_ [2]_. Everything is learned in `fit`, so that the estimator can stand inside folds.

    Parameters
    ----------
    eb : bool, default True
        Shrink offsets and scales.
    unseen : {'error', 'keep', 'estimate'}, default 'error'
        Rows of a site that the fit did not see: an error; left as they are; or offset and scale
        estimated from the rows given to `transform` (all rows of a site at once, two or more,
        without labels; one row is left as it is, with a warning).
    tol : float, default 1e-4
        See :func:`site_effect`.

    Attributes
    ----------
    sites_ : dict of str to SiteEffect
    level_ : ndarray of float64, shape (n_features,)
        Mean over the sites' levels, weighted by their rows, at the mean of the covariates.
    slope_ : ndarray of float64, shape (n_covariates, n_features)
    scale_ : ndarray of float64, shape (n_features,)
        Pooled standard deviation of the residuals; 1 for a constant feature.
    varies_ : ndarray of bool, shape (n_features,)
        Features that are not constant; the others pass as they are.
    covariates_ : CovariateCode

    References
    ----------
    .. [1] Johnson, W. E., Li, C., Rabinovic, A. (2007). Adjusting batch effects in microarray
       expression data using empirical Bayes methods. Biostatistics 8, 118-127.
    .. [2] Fortin, J.-P., et al. (2018). Harmonization of cortical thickness measurements across
       scanners and sites. NeuroImage 167, 104-120.
    """

    _tags: ClassVar = {"transformer_tags.preserves_dtype": ["float64", "float32"]}

    def __init__(self, eb=True, unseen="error", tol=1e-4):
        self.eb = eb
        self.unseen = unseen
        self.tol = tol

    def fit(self, X, y=None, *, site=None, covariates=None):
        """Learn from training rows.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
        y : optional
            Never used.
        site : array, shape (n_rows,)
        covariates : pandas.DataFrame or array, shape (n_rows, n_covariates), optional
            What must be kept; text columns are coded by level. Needed again in `transform`.

        Raises
        ------
        ValueError
            When a site or covariate is missing, or covariates cannot be told from sites.

        Warns
        -----
        UserWarning
            When a site has one row: its scale stays as it is.
        """
        self._learn(self._rows(X, reset=True), site, covariates)
        return self

    def _learn(self, X, site, covariates) -> np.ndarray:
        """Fit and return the standardised residuals of the training rows without site effects."""
        if self.unseen not in UNSEEN:
            raise ValueError(f"unseen: got {self.unseen!r}, expected {', '.join(UNSEEN)}")
        names = sites_of(site, len(X))
        self.covariates_ = CovariateCode().learn(covariates, len(X))
        kept = self.covariates_.transform(covariates, len(X))
        levels, code, count = np.unique(names, return_inverse=True, return_counts=True)
        hot = (code[:, None] == np.arange(len(levels))).astype(np.float64)
        design = np.concatenate([hot, kept], axis=1)
        if np.linalg.matrix_rank(design) < design.shape[1]:
            raise ValueError(
                "covariates: a combination of "
                f"{', '.join(self.covariates_.names_)} and the sites; they cannot be told apart"
            )
        values = X.astype(np.float64)
        coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
        self.level_ = count / len(X) @ coefficients[: len(levels)]
        self.slope_ = coefficients[len(levels) :]
        scale = np.sqrt(((values - design @ coefficients) ** 2).mean(axis=0))
        self.varies_ = scale > 1e-12 * np.abs(self.level_).clip(1)
        self.scale_ = np.where(self.varies_, scale, 1.0)
        values -= self.level_ + kept @ self.slope_
        values /= self.scale_
        alone = levels[count == 1]
        if len(alone):
            warnings.warn(
                f"site: one row in {', '.join(alone)}; the scale there is left as it is",
                stacklevel=3,
            )
        self.sites_ = {}
        for number, name in enumerate(levels):
            here = code == number
            effect = self._effect(values[here])
            self.sites_[str(name)] = effect
            values[here] = (values[here] - effect.offset) / effect.spread
        return values

    def transform(self, X, *, site=None, covariates=None) -> np.ndarray:
        """Rows without their sites' offset and scale.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
        site : array, shape (n_rows,)
        covariates : optional
            The same columns as in `fit`.

        Returns
        -------
        ndarray, shape (n_rows, n_features)
            In the precision of `X`.

        Raises
        ------
        ValueError
            When a site was not in the fit and `unseen` is 'error', or covariates do not fit.
        """
        check_is_fitted(self)
        X = self._rows(X, reset=False)
        names = sites_of(site, len(X))
        kept = self.covariates_.transform(covariates, len(X))
        expected = self.level_ + kept @ self.slope_
        values = (X - expected) / self.scale_
        for name, here, effect in self._effects(values, names):
            if effect is None:
                continue
            values[here] = self._clean(name, (values[here] - effect.offset) / effect.spread)
        return (values * self.scale_ + expected).astype(X.dtype, copy=False)

    def fit_transform(self, X, y=None, *, site=None, covariates=None) -> np.ndarray:
        """Fit and transform the same rows; arguments as in `fit`."""
        return self.fit(X, y, site=site, covariates=covariates).transform(
            X, site=site, covariates=covariates
        )

    def _effect(self, values) -> SiteEffect:
        """Effect of one site; a constant feature has none."""
        effect = site_effect(values[:, self.varies_], eb=self.eb, tol=self.tol)
        offset, spread = np.zeros(len(self.varies_)), np.ones(len(self.varies_))
        offset[self.varies_], spread[self.varies_] = effect.offset, effect.spread
        return SiteEffect(offset, spread, effect.n_rows)

    def _clean(self, name, values) -> np.ndarray:
        """What is left to do to standardised residuals of one site."""
        return values

    def _effects(self, values, names):
        """Site by site: name, its rows, its effect (None: leave the rows as they are)."""
        new = sorted(set(names) - set(self.sites_))
        if new and self.unseen == "error":
            raise ValueError(
                f"site: {', '.join(new)} not in the fit (known: {', '.join(self.sites_)}); "
                "set unseen='keep' or 'estimate'"
            )
        for name in sorted(set(names)):
            here = names == name
            effect = self.sites_.get(name)
            if effect is None and self.unseen == "estimate":
                if here.sum() > 1:
                    effect = self._effect(values[here])
                else:
                    warnings.warn(
                        f"site: one row of the new site {name}; it is left as it is", stacklevel=3
                    )
            yield name, here, effect

    def _rows(self, X, reset) -> np.ndarray:
        return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])


class CovBat(ComBat):
    """ComBat, then the sites' mean and scale out of the principal components of its residuals.

    Sites may differ in how features covary, not only in each feature's mean and scale; components
    of the standardised residuals after ComBat are brought to the same mean and variance [1]_.

    Parameters
    ----------
    eb, unseen, tol
        See :class:`ComBat`. Components are adjusted without empirical Bayes, as published; those
        of a site with fewer than three rows, and of one that the fit did not see unless `unseen`
        is 'estimate', are left as they are.
    variance : float, default 0.95
        Share of the residual variance whose components are adjusted.

    Attributes
    ----------
    axes_ : ndarray of float64, shape (n_components, n_features)
    scores_ : dict of str to SiteEffect
        Of the components, by site.
    centre_, unit_ : ndarray of float64
        Mean of the residuals and pooled standard deviation of the components.
    And those of :class:`ComBat`.

    References
    ----------
    .. [1] Chen, A. A., et al. (2022). Mitigating site effects in covariance for machine learning
       in neuroimaging data. Human Brain Mapping 43, 1179-1195.
    """

    def __init__(self, eb=True, unseen="error", tol=1e-4, variance=0.95):
        super().__init__(eb, unseen, tol)
        self.variance = variance

    def _learn(self, X, site, covariates) -> np.ndarray:
        if not 0 < self.variance <= 1:
            raise ValueError(f"variance: got {self.variance!r}, expected more than 0, at most 1")
        values = super()._learn(X, site, covariates)
        names = sites_of(site, len(X))
        self.centre_ = values.mean(axis=0)
        centred = values - self.centre_
        spread = np.sqrt((centred**2).mean(axis=0))
        self.residual_scale_ = np.where(spread > 0, spread, 1.0)
        centred = centred / self.residual_scale_
        self.axes_ = _leading_axes(centred, self.variance)
        scores = centred @ self.axes_.T
        levels, code, count = np.unique(names, return_inverse=True, return_counts=True)
        means = np.stack([scores[code == k].mean(axis=0) for k in range(len(levels))])
        unit = np.sqrt(((scores - means[code]) ** 2).mean(axis=0))
        self.unit_ = np.where(unit > 0, unit, 1.0)
        self.score_level_ = count / len(X) @ means
        scores = (scores - self.score_level_) / self.unit_
        self.scores_ = {
            str(name): site_effect(scores[code == k], eb=False)
            for k, name in enumerate(levels)
            if count[k] > 2
        }
        return values

    def _clean(self, name, values) -> np.ndarray:
        scaled = (values - self.centre_) / self.residual_scale_
        scores = (scaled @ self.axes_.T - self.score_level_) / self.unit_
        effect = self.scores_.get(name)
        if effect is None:
            if name in self.sites_ or len(values) < 3:
                return values
            effect = site_effect(scores, eb=False)
        change = ((scores - effect.offset) / effect.spread - scores) * self.unit_
        return values + (change @ self.axes_) * self.residual_scale_


def _leading_axes(centred, variance) -> np.ndarray:
    """Principal axes of centred rows that hold a share of their variance."""
    wide = len(centred) < centred.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    rank = int((values > 1e-12 * max(values[0], 1e-300)).sum())
    share = np.cumsum(values[:rank]) / max(values[:rank].sum(), 1e-300)
    count = min(int(np.searchsorted(share, variance - 1e-12)) + 1, rank)
    if not wide:
        return vectors[:, :count].T
    return (centred.T @ (vectors[:, :count] / np.sqrt(values[:count]))).T
