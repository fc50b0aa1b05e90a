"""Feature steps for an evaluation that someone else runs: fitted inside each of its folds."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from neuro.demovae.coding.cohort import varies
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
from neuro.demovae.model import DemoVAE
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem

COST = 0.667
"""Cost of the linear machine times the number of features: 1e-4 for the 6,670 edges of AAL-116."""


class FoldFeatures(TransformerMixin, BaseEstimator):
    """A transformer that is fitted on the training rows of a fold, once per fold.

    Columns that have one value in the training rows, as a site does when all others are left
    out, are not used in that fold. Features of a fold are remembered, because they do not
    depend on the labels: permuting these costs no new fit.

    Parameters
    ----------
    transformer : transformer
        With the parameter `columns`; its `fit` takes `demographics` and `groups`.
    store : dict, optional
        Where features are remembered; clones share it.
    """

    def __init__(self, transformer, store=None):
        self.transformer = transformer
        self.store = store

    def __sklearn_clone__(self):
        return FoldFeatures(clone(self.transformer), self.store)

    def fit(self, X, y=None, *, demographics, groups=None):
        """Remember the training rows; the fit itself happens when features are first needed."""
        self.rows_ = (X, demographics, groups)
        self.key_ = _key(np.asarray(X))
        self.fitted_ = None
        # names of columns: features may be remembered, so the inner step need not see new rows
        _check_feature_names(self, X, reset=True)
        return self

    def transform(self, X, *, demographics=None) -> np.ndarray:
        """Features of rows; demographics are used by linear residuals only."""
        check_is_fitted(self)
        _check_feature_names(self, X, reset=False)
        key = (self.key_, _key(np.asarray(X)))
        if self.store is not None and key in self.store:
            return self.store[key]
        if self.fitted_ is None:
            self.fitted_ = self._fit()
        if isinstance(self.fitted_, ConfoundResidualizer):
            features = self.fitted_.transform(X, demographics=demographics)
        else:
            features = self.fitted_.transform(X)
        if self.store is not None:
            self.store[key] = features
        return features

    def _fit(self):
        X, demographics, groups = self.rows_
        model = clone(self.transformer).set_output(transform="default")
        if "columns" in model.get_params():
            columns = [
                column
                for column in parse_columns(model.columns, demographics)
                if column.role == "report" or varies(demographics[column.name], column.type)
            ]
            model.set_params(columns=columns)
        return model.fit(X, demographics=demographics, groups=groups)


def _key(X) -> str:
    """Fingerprint of rows: their number and a few columns of each."""
    thinned = np.ascontiguousarray(X[:, :: max(1, X.shape[1] // 64)])
    return hashlib.sha256(thinned.tobytes() + str(X.shape).encode()).hexdigest()


def transformers(columns, settings, latent_dims, seed, *, store=True) -> dict[str, Any]:
    """The rows of every comparison, in order: name and transformer.

    Parameters
    ----------
    columns : sequence of Column
        Those to be removed; the target of a prediction must not be among them.
    settings : dict
        Keys of the section `demovae`.
    latent_dims : sequence of int
    seed : int
    store : bool, default True
        Whether features are remembered by fold.

    Returns
    -------
    dict of str to FoldFeatures
        `pca-L`, `residual`, `linear-L`, `network-L`; the raw edges need no step.
    """
    columns = tuple(columns)
    shared = {
        "columns": columns,
        "unseen": "mean",
        "missing": "impute",
        "min_level_count": settings["min_level_count"],
    }
    methods: dict[str, Any] = {}
    for size in latent_dims:
        methods[f"pca-{size}"] = PCALatents(size)
    methods["residual"] = ConfoundResidualizer(**shared)
    for mode in ("linear", "network"):
        if mode == "network" and settings["mode"] == "linear":
            continue
        for size in latent_dims:
            methods[f"{mode}-{size}"] = estimator(
                {**settings, **shared, "latent_dim": size, "mode": mode}, columns, seed
            )
    if not store:
        return methods
    return {name: FoldFeatures(model, {}) for name, model in methods.items()}


def estimator(settings, columns, seed, n_threads=1) -> DemoVAE:
    """The estimator that a section of the configuration describes.

    Parameters
    ----------
    settings : dict
        Keys of the section `demovae`; keys that are absent take the preset's value.
    columns : sequence of Column
    seed : int
    n_threads : int, default 1
    """
    names = (
        *("preset", "mode", "space", "latent_dim", "hidden", "pc_components", "age_basis"),
        *("weights", "n_epochs", "lr", "validation", "patience", "guide_reduction", "unseen"),
        *("missing", "min_level_count", "device"),
    )
    given = {name: settings[name] for name in names if name in settings}
    weights = given.get("weights") or {}
    given["weights"] = {name: value for name, value in weights.items() if value is not None}
    return DemoVAE(columns=tuple(columns), n_threads=n_threads, random_state=seed, **given)


_WIDTHS = {"poly": 2, "linear": 1, "raw": 1}
"""Coded columns of a number by its basis; four of a spline."""


def largest_latent_dim(n_rows: int, columns, demographics, basis: str = "spline") -> int:
    """Latents that surely fit after removal from so many training rows.

    Parameters
    ----------
    n_rows : int
        Rows of the smallest training fold, validation subjects taken off.
    columns : sequence of Column
    demographics : pandas.DataFrame
    basis : str, default "spline"
        Of numbers, `demovae.age_basis`; a spline takes most.
    """
    coded = 0
    for column in columns:
        values = demographics[column.name]
        coded += _WIDTHS.get(basis, 4) if column.type == "continuous" else values.nunique()
    return max(n_rows - 1 - coded, 0)


def room_for_latents(n_runs: int, columns, demographics, settings) -> int:
    """Latents that surely fit where so many runs are fitted, by the settings of the stage.

    Parameters
    ----------
    n_runs : int
        Runs of the training part, validation subjects included.
    columns : sequence of Column
        Those that are not removed do not count.
    demographics : pandas.DataFrame
    settings : dict
        Keys `age_basis` and `validation`.
    """
    removed = [column for column in columns if column.role == "remove"]
    n_rows = int(n_runs * (1 - settings["validation"]))
    return largest_latent_dim(n_rows, removed, demographics, settings["age_basis"])


def few_runs(settings, n_runs: int, columns, demographics) -> list[str]:
    """A line where half of the runs, as the evaluation takes them, cannot hold the latents.

    Parameters
    ----------
    settings : dict
        Keys `latent_dim`, `age_basis` and `validation`.
    n_runs : int
    columns : sequence of Column
        Those that vary.
    demographics : pandas.DataFrame

    Returns
    -------
    list of str
    """
    limit = room_for_latents(n_runs // 2, columns, demographics, settings)
    if settings["latent_dim"] <= limit:
        return []
    way = f"set it to {limit} or less" if limit else "there are too few runs"
    return [
        f"demovae.latent_dim: {settings['latent_dim']}, but half of the {n_runs} runs has "
        f"directions for {limit}; {way}, or set demovae.enabled to false"
    ]


def fit_cohort(model, people):
    """Fit an estimator on all rows of a cohort.

    Raises
    ------
    InputProblem
        With the lines of the estimator's own error.
    """
    try:
        return model.fit(
            people.edges, demographics=people.demographics, groups=people.participant_id
        )
    except ValueError as error:
        raise InputProblem([f"demovae: {line}" for line in str(error).splitlines()]) from None


def diagnosed(people, folds):
    """One row per subject of a fold table, and the columns to be removed for a diagnosis.

    The diagnosis leaves the columns altogether: even as a condition it would let the decoder
    take the disease's map and empty the latents of it.

    Parameters
    ----------
    people : Cohort
    folds : pandas.DataFrame
        `participant_id`, `scheme`, `repeat`, `fold`.

    Returns
    -------
    people : Cohort
    removed : list of Column
    exclusions : list of dict

    Raises
    ------
    InputProblem
        When no subject of the fold table has a usable connectome.
    """
    people = people.per_subject()
    wanted = folds["participant_id"].unique()
    known = np.isin(people.participant_id, wanted) & people.demographics["dx"].isin((0, 1))
    if not known.any():
        raise InputProblem("demovae: no subject of the diagnosis has a connectome and demographics")
    people = people.rows(known.to_numpy())
    left_out = [
        exclusion(who, "demovae_diagnosis", "diagnosed by adhd, but left out of demovae")
        for who in sorted(set(wanted) - set(people.participant_id))
    ]
    removed = [
        column for column in people.columns if column.role == "remove" and column.name != "dx"
    ]
    return people, removed, left_out


def fitting_dims(people, folds, removed, settings) -> tuple[dict, list[dict]]:
    """Numbers of latents that fit in every fold of a scheme; the largest possible one else.

    Returns
    -------
    dims : dict of int to tuple of str
        Schemes in whose folds so many latents fit.
    exclusions : list of dict
        A row for each number that does not fit, or for the schemes in which it does not.
    """
    test = folds[folds["participant_id"].isin(set(people.participant_id))]
    sizes = test.groupby(["scheme", "repeat", "fold"]).size().groupby("scheme").max()
    limits = {
        scheme: room_for_latents(
            len(people.edges) - int(largest), removed, people.demographics, settings
        )
        for scheme, largest in sizes.items()
    }
    dims, left_out = {}, []
    for size in sorted(set(settings["latent_dims"])):
        fits = tuple(scheme for scheme, limit in limits.items() if size <= limit)
        if fits:
            dims[size] = fits
        absent = [scheme for scheme in limits if scheme not in fits]
        if absent:
            where = f", {' and '.join(absent)}" if fits else ""
            left_out.append(
                exclusion(
                    f"latent_dim {size}{where}",
                    "demovae_diagnosis",
                    "more latents than the smallest training fold has directions",
                    size,
                    min(limits[scheme] for scheme in absent),
                )
            )
    return dims or {max(1, min(limits.values())): tuple(limits)}, left_out


def n_features(name: str, n_edges: int) -> int:
    """Number of features of a row of :func:`transformers`."""
    return int(name.rpartition("-")[2]) if "-" in name else n_edges


def primary_name(settings, dims) -> str:
    """The row that is declared in advance: the configured mode and number of latents."""
    size = settings["latent_dim"] if settings["latent_dim"] in dims else min(dims)
    return f"{settings['mode']}-{size}"
