"""The classifier of Dey, Rao and Shah (2012): z-scored maps, region mask, PCA, LDA."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np

from neuro.adhd.diagnosis.decision import Decision
from neuro.adhd.diagnosis.lda import discriminant, principal_components
from neuro.adhd.diagnosis.mask import Rows, as_rows, check_mask
from neuro.adhd.diagnosis.model_file import read_model, write_model
from neuro.adhd.diagnosis.scaling import FeatureScaler, log_counts
from neuro.adhd.diagnosis.search import Plan, make_views, masks, search, search_and_decide


class GraphDiagnosis(Decision):
    """log1p, impute, z-score, region mask, PCA, LDA; every choice is made on training subjects.

    Number of components, share of regions and graph density are chosen by inner cross-validation
    wherever several are offered; in each inner fold the region mask is chosen anew.

    Parameters
    ----------
    regions : array of str, shape (n_features,), optional
        Region of each feature; needed by a mask.
    log1p : bool or array of bool, shape (n_features,), default False
        Which features are counts to be log-transformed.
    mask_rule : {'top', 'se', 'none'}, default 'top'
        See :class:`neuro.adhd.diagnosis.mask.RegionMask`.
    mask_cut : float or sequence of float, default 0.30
        Share of regions that 'top' keeps.
    n_components : int or sequence of int, default (10, 20, 40, 80)
        Sizes of the principal component space (not stated by Dey et al. 2012 as far as we know).
    shrinkage : {'auto', None}, default 'auto'
        Ledoit-Wolf within-class covariance (ours), or the plain one (paper).
    density : array of float, shape (n_features,), optional
        Graph density that each feature comes from; several values are candidates.
    inner_cv : int, default 5
    region_components : int, default 10
        Components of a region when it is judged alone (ours).
    coverage : float, default 0.9
        Features known in fewer training subjects are not used (ours).
    harmonise, transductive, deconfound, protect
        See :class:`neuro.adhd.diagnosis.scaling.FeatureScaler`.
    random_state : int, default 0
        Of the inner folds.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
        The second class are the cases.
    region_mask_ : ndarray of bool, shape (n_regions,)
        Regions in use, in the order of `region_labels_`.
    region_labels_ : ndarray of str, shape (n_regions,)
    region_scores_ : ndarray, shape (n_regions,)
        Balanced accuracy of each region alone; NaN without a mask.
    n_components_, mask_cut_, density_ : int, float, float
        What the inner loop chose.
    inner_accuracy_ : ndarray, shape (n_candidates,)
        Inner balanced accuracy of `candidates_`; empty when there was nothing to choose.
    inner_decision_ : ndarray, shape (n_rows,), or None
        Inner out-of-fold decisions of the chosen candidate; None when there was nothing to choose.
    coef_ : ndarray, shape (n_features,)
        Weights of the scaled features. They filter noise as well; do not read them as a map.
    intercept_ : float
    pattern_ : ndarray, shape (n_features,)
        Forward model Cov(X) w of the scaled features [2]_: where the decision is expressed; 0
        outside the mask.
    components_ : ndarray, shape (k, n_features)
        Principal axes; the entry of largest magnitude is positive. Not part of a saved model.

    References
    ----------
    .. [1] Dey, S., Rao, A. R., Shah, M. (2012). Exploiting the brain's network structure for
       automatic identification of ADHD subjects.
    .. [2] Haufe, S., et al. (2014). On the interpretation of weight vectors of linear models in
       multivariate neuroimaging. NeuroImage 87, 96-110.
    """

    def __init__(
        self,
        regions=None,
        log1p=False,
        mask_rule="top",
        mask_cut=0.30,
        n_components=(10, 20, 40, 80),
        shrinkage="auto",
        density=None,
        inner_cv=5,
        region_components=10,
        coverage=0.9,
        harmonise="none",
        transductive=False,
        deconfound=(),
        random_state=0,
        protect=(),
    ):
        self.regions = regions
        self.log1p = log1p
        self.mask_rule = mask_rule
        self.mask_cut = mask_cut
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.density = density
        self.inner_cv = inner_cv
        self.region_components = region_components
        self.coverage = coverage
        self.harmonise = harmonise
        self.transductive = transductive
        self.deconfound = deconfound
        self.random_state = random_state
        self.protect = protect

    def _plan(self, n_features: int) -> Plan:
        cuts = tuple(np.atleast_1d(self.mask_cut).tolist())
        sizes = tuple(np.atleast_1d(self.n_components).tolist())
        check_mask(self.mask_rule, cuts)
        if self.mask_rule != "none" and self.regions is None:
            raise ValueError("regions: a region mask needs the region of each feature")
        if not sizes or any(size != int(size) or size < 1 for size in sizes):
            raise ValueError(f"n_components: got {self.n_components}, expected whole numbers >= 1")
        shrinkage = None if self.shrinkage in (None, "none") else self.shrinkage
        if shrinkage not in (None, "auto"):
            raise ValueError(f"shrinkage: got '{self.shrinkage}', expected 'auto' or None")
        if self.inner_cv < 2:
            raise ValueError(f"inner_cv: got {self.inner_cv}, expected at least 2 folds")
        # counts are logged once, before any fold: that needs no fitting and takes long
        scaler = FeatureScaler(
            coverage=self.coverage,
            harmonise=self.harmonise,
            transductive=self.transductive,
            deconfound=self.deconfound,
            protect=self.protect,
        ).set_output(transform="default")
        return Plan(
            views=make_views(self.regions, self.density, n_features),
            # only 'top' reads the cut
            cuts=cuts if self.mask_rule == "top" else cuts[:1],
            sizes=tuple(sorted(int(size) for size in sizes)),
            rule=self.mask_rule,
            scaler=scaler,
            shrinkage=shrinkage,
            inner_cv=self.inner_cv,
            random_state=self.random_state,
            region_components=self.region_components,
        )

    def fit(self, X, y, groups=None, strata=None, site=None, covariates=None):
        """Fit the chain on training subjects.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Features as they come from the graphs; NaN where unknown.
        y : array of two classes, shape (n_rows,)
            0 (control) and 1 (case), or any others; the later in order are the cases.
        groups : array of str, shape (n_rows,), optional
            Subject of each row: inner folds keep a subject together. Default one row each.
        strata : array, shape (n_rows,), optional
            What inner folds are balanced for; default the labels.
        site : array of str, shape (n_rows,), optional
        covariates : pandas.DataFrame, optional
            One row per row of `X`, for `deconfound`.

        Raises
        ------
        ValueError
            When an argument is out of range, sizes differ, or only one class is present.

        Warns
        -----
        UserWarning
            When no region passes the rule 'se'; all are kept then.
        """
        rows, y, classes = as_rows(self, X, y, groups, strata, site, covariates)
        plan = self._plan(rows.X.shape[1])
        rows = self._logged(rows)
        labels = y[:, None]
        self.classes_ = classes
        self.candidates_ = [
            {
                "density": plan.views[v].density,
                "mask_cut": plan.cuts[c],
                "n_components": plan.sizes[s],
            }
            for v, c, s in plan.candidates
        ]
        self.inner_accuracy_, self.inner_decision_, best = np.empty(0), None, 0
        if len(self.candidates_) > 1:
            accuracy, chosen, decisions = search(rows, labels, plan)
            self.inner_accuracy_, best = accuracy[:, 0], int(chosen[0])
            self.inner_decision_ = decisions[:, 0]
        v, c, s = plan.candidates[best]
        view = plan.views[v]
        self.density_, self.mask_cut_ = view.density, plan.cuts[c]
        kept, scores = masks(rows, labels, plan)
        n_regions = len(view.regions)
        self.region_labels_ = view.regions
        self.region_scores_ = np.full(n_regions, np.nan) if scores[v] is None else scores[v][:, 0]
        self.region_mask_ = np.ones(n_regions, bool) if kept[v][c] is None else kept[v][c][:, 0]
        if plan.rule == "se" and self.region_mask_.all():
            warnings.warn("region mask: every region is kept (none or all passed)", stacklevel=2)
        self._fit_discriminant(rows, y, plan, view, plan.sizes[s])
        return self

    def _fit_discriminant(self, rows, y, plan, view, size):
        from sklearn.base import clone

        self.scaler_ = clone(plan.scaler)
        Z = self.scaler_.fit_transform(rows.X, **rows.context())
        inside = [nodes for nodes, keep in zip(view.columns, self.region_mask_) if keep]
        columns = np.sort(np.concatenate(inside))
        self.columns_ = np.zeros(Z.shape[1], dtype=bool)
        self.columns_[columns] = True
        loadings, scatter = principal_components(Z[:, columns], min(size, max(1, len(Z) - 2)))
        self.n_components_ = len(scatter)
        weights, threshold = discriminant(
            Z[:, columns] @ loadings, scatter, y[:, None].astype(float), plan.shrinkage
        )
        weights = loadings @ weights[:, 0]
        self.coef_ = np.zeros(Z.shape[1])
        self.coef_[columns] = weights
        self.intercept_ = -float(threshold[0])
        self.pattern_ = np.zeros(Z.shape[1])
        self.pattern_[columns] = Z[:, columns].T @ (Z[:, columns] @ weights) / len(Z)
        self.components_ = np.zeros((len(scatter), Z.shape[1]))
        self.components_[:, columns] = loadings.T

    def decide_many(self, train: Rows, labels, test: Rows, inner: bool = False):
        """Decisions of the whole chain for many label vectors; equal to fitting it for each.

        Parameters
        ----------
        train, test : Rows
        labels : ndarray of bool, shape (n_train, n_labels)
        inner : bool, default False
            Whether inner out-of-fold decisions on the training rows are returned as well.

        Returns
        -------
        ndarray, shape (n_test, n_labels), or a pair of arrays with `inner`
        """
        plan = self._plan(train.X.shape[1])
        return search_and_decide(self._logged(train), labels, self._logged(test), plan, inner)

    def _logged(self, rows: Rows) -> Rows:
        return dataclasses.replace(rows, X=log_counts(rows.X, self.log1p))

    def decision_function(self, X, site=None, covariates=None):
        """Log odds of being a case, shape (n_rows,).

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Features as they come from the graphs.
        site : array of str, shape (n_rows,), optional
            Needed where sites are harmonised.
        covariates : pandas.DataFrame, optional
            Needed for `deconfound`; one row per row of `X`.

        Returns
        -------
        ndarray, shape (n_rows,)

        Raises
        ------
        ValueError
            When the features are not those of the fit.
        """
        X = log_counts(self._new(X), self.log1p)
        Z = self.scaler_.transform(X, site=site, covariates=covariates)
        return Z @ self.coef_ + self.intercept_

    def predict_proba(self, X, site=None, covariates=None):
        """Probabilities of control and case under equal priors, shape (n_rows, 2).

        Parameters
        ----------
        X, site, covariates
            As in :meth:`decision_function`.

        Returns
        -------
        ndarray, shape (n_rows, 2)
        """
        from scipy.special import expit

        decision = self.decision_function(X, site, covariates)
        return np.column_stack([expit(-decision), expit(decision)])

    def save(self, path) -> Path:
        """Write the fitted model as `.npz` with its settings as JSON inside; no pickle.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        pathlib.Path
        """
        return write_model(self, path)

    @classmethod
    def load(cls, path) -> GraphDiagnosis:
        """Read what :meth:`save` wrote; the result predicts, and can be cloned and refitted.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        GraphDiagnosis

        Raises
        ------
        InputProblem
            When the file is missing, damaged, or of another kind or version.
        """
        return read_model(path, cls)
