"""The estimator: demographic-conditioned, moment-matched autoencoder of connectomes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from neuro.base.estimator import Tagged
from neuro.demovae.coding import kinds, schema
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.edges import n_regions
from neuro.demovae.coding.training_rows import edge_rows, training_rows
from neuro.demovae.described import SCORINGS, Described
from neuro.demovae.model_file import read_model, write_model
from neuro.demovae.sampling import generate, reexpress
from neuro.demovae.training import fitting, presets
from neuro.demovae.training.constraints import moments
from neuro.demovae.training.progress import Progress

CONVERGED = 0.02
"""RMSE of Z'Z/n - I up to which latents count as white (ours)."""


class DemoVAE(Described, Tagged, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Latents of connectomes without their demographics, and connectomes for given demographics.

    A deterministic autoencoder whose latents are matched to N(0, I) over the batch and
    decorrelated from demographics, and whose decoder is told the demographics [1]_. Despite its
    name there is no evidence lower bound and no sampling in the encoder.

    Arguments are flat, because grid searches and saved models name each of them.

    Parameters
    ----------
    preset : {'robust', 'paper', 'paper_notebook'}, default 'robust'
        Values of every parameter below that is None. 'paper' is the released package with its
        quirks, 'paper_notebook' the notebooks beside it.
    mode : {'network', 'linear'}, default 'network'
        'linear' is the closed-form relative: seconds, exact on training rows, never called
        DemoVAE in a report.
    space : {'pc', 'edges'}, optional
        'pc' trains on coordinates in the row space of the training connectomes: the same
        objective at a fraction of the cost (robust); 'edges' on the edges (paper).
    latent_dim : int, optional
        Number of latents (60; notebooks 30).
    hidden : int, default 1000
        Units of each hidden layer (paper).
    pc_components : int, optional
        Number of coordinates; default all, at most 500.
    columns : sequence of Column or mapping, optional
        Schema of the demographics, see :func:`neuro.demovae.coding.schema.parse_columns`.
    age_basis : {'spline', 'poly', 'linear', 'raw'}, optional
        How continuous columns are coded: cubic spline with 4 degrees of freedom (robust, ours),
        cubic polynomial, standardised, or in the table's unit (paper).
    weights : dict, optional
        Weights of the terms `rec`, `cov`, `mean`, `decor`, `guide`; terms that are not named
        keep the preset's (100 : 1 : 1 : 10 : 0.001).
    n_epochs, lr, weight_decay : optional
        3000, 1e-4 and 0 (paper); in 'pc' the learning rate of the outer layers is scaled by
        sqrt(n_edges / k).
    batch_size : int, optional
        'paper' takes slices of 1000 in fixed order; 'robust' all rows up to 4000.
    validation : float, optional
        Share of training subjects that choose the epoch (0.1; paper 0).
    patience : int, optional
        Epochs without improvement before training stops (100; 0 never stops).
    guide_reduction : {'mean', 'sum', 'package'}, optional
        How the guidance terms of the levels are joined.
    init : {'linear', 'random'}, optional
        'linear' starts at the closed form (robust, ours).
    unseen : {'error', 'ignore', 'mean'}, default 'error'
        A level that training did not see, where demographics are needed.
    missing : {'error', 'drop', 'impute'}, default 'error'
        Rows with missing demographics; 'impute' codes them as the training average.
    min_level_count : int, default 5
        Levels with fewer subjects are pooled.
    kind : {'auto', 'pearson', 'fisher_z', 'partial', 'covariance'}, default 'auto'
        What the edges are; 'auto' learns it at fit, see
        :func:`neuro.demovae.coding.kinds.learned_kind`. Samples are made of the same kind.
    scoring : {'reconstruction', 'removal', 'both'}, default 'reconstruction'
        What :meth:`score` measures.
    device : {'auto', 'cpu', 'cuda'}, default 'auto'
    n_threads : int, default 1
        Threads of the training.
    random_state : int, RandomState or None
    verbose : bool, default False
        Progress of the training: a bar in a terminal, a line per 100 epochs elsewhere.

    Attributes
    ----------
    columns_ : tuple of Column
    levels_ : dict of str to list of str
        Levels of the categorical columns.
    ranges_ : dict of str to (float, float)
        Training range of the continuous columns.
    history_ : pandas.DataFrame
        Every loss term per epoch; empty for the linear mode.
    n_epochs_ : int
        Epochs behind the weights in use.
    converged_ : bool
        Whether RMSE(Z'Z/n - I) is at most 0.02 on the training rows.
    moment_error_ : float
        That RMSE.
    kind_ : str
    heldout_variance_ : float
        Mean variance of the latents in people of the validation that the constraints were not
        made exact on; on the training rows it is 1 (times the preset's target) by construction,
        in new people it is less. NaN without validation.
    n_regions_, n_features_in_ : int
    settings_ : dict
        Every parameter with the preset filled in.

    References
    ----------
    .. [1] Orlichenko, A., et al. (2024). A demographic-conditioned variational autoencoder for
       fMRI distribution sampling and removal of confounds. arXiv:2405.07977.
    """

    _tags: ClassVar = {"transformer_tags.preserves_dtype": ["float32"]}
    __metadata_request__fit: ClassVar = {"demographics": True, "groups": True}
    __metadata_request__score: ClassVar = {"demographics": True}

    def __init__(
        self,
        preset="robust",
        mode="network",
        space=None,
        latent_dim=None,
        hidden=1000,
        pc_components=None,
        columns=None,
        age_basis=None,
        weights=None,
        n_epochs=None,
        lr=None,
        weight_decay=None,
        batch_size=None,
        validation=None,
        patience=None,
        guide_reduction=None,
        init=None,
        unseen="error",
        missing="error",
        min_level_count=5,
        kind="auto",
        scoring="reconstruction",
        device="auto",
        n_threads=1,
        random_state=None,
        verbose=False,
    ):
        self.preset = preset
        self.mode = mode
        self.space = space
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.pc_components = pc_components
        self.columns = columns
        self.age_basis = age_basis
        self.weights = weights
        self.n_epochs = n_epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.guide_reduction = guide_reduction
        self.init = init
        self.unseen = unseen
        self.missing = missing
        self.min_level_count = min_level_count
        self.kind = kind
        self.scoring = scoring
        self.device = device
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, *, demographics=None, groups=None):
        """Fit on training rows.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
            Edges in the order of `numpy.triu_indices(n_regions, 1)`.
        y : array, optional
            Never used; a column with role 'remove' that equals it is refused.
        demographics : pandas.DataFrame
            One row per row of `X`; matched by index when `X` is a table.
        groups : array, shape (n_rows,), optional
            Subject of each row, so that runs of one subject stay together; default one each.

        Raises
        ------
        ValueError
            All problems at once, one line each: NaN or a number of edges that is not
            R (R - 1) / 2, missing or constant demographics, more latents than directions, ...
        """
        given = {name: getattr(self, name) for name in self.get_params(deep=False)}
        for name in ("preset", "columns", "random_state", "verbose", "kind", "scoring"):
            given.pop(name)
        settings = presets.resolve(self.preset, given)
        for name, value, choices in (
            ("kind", self.kind, ("auto", *kinds.KINDS)),
            ("scoring", self.scoring, SCORINGS),
        ):
            if value not in choices:
                raise ValueError(f"{name}: got {value!r}, expected {', '.join(choices)}")
        validate_data(self, X, skip_check_array=True)
        rows = training_rows(X, y, demographics, groups, self.columns, self.missing)
        X, demographics, groups = rows.X, rows.demographics, rows.groups
        seed = int(check_random_state(self.random_state).randint(2**31 - 2))
        coder = DemographicCoder(
            rows.used,
            settings["age_basis"],
            settings["coding"],
            self.unseen,
            int(self.min_level_count),
        ).fit(demographics, groups)
        D = coder.transform(demographics)
        if self.mode == "linear":
            fitted = fitting.fit_linear(X, D, coder.removal_, settings, groups, seed)
        else:
            fitted = self._fit_network(X, demographics, coder, D, settings, groups, seed)
        self.columns_, self.coder_, self.settings_ = rows.columns, coder, settings
        self.n_regions_ = n_regions(X.shape[1])
        self.kind_ = kinds.learned_kind(X, self.n_regions_) if self.kind == "auto" else self.kind
        self.space_, self.codec_ = fitted.space, fitted.codec
        self.noise_sd_, self.noise_edge_ = fitted.noise_sd, fitted.noise_edge
        self.history_ = pd.DataFrame(fitted.history, columns=list(presets.HISTORY))
        self.n_epochs_, self.device_ = fitted.n_epochs, fitted.device
        self.heldout_variance_ = fitted.heldout_variance
        Z = self.codec_.encode(self.space_.project(X))
        self.moment_error_ = moments(Z / math.sqrt(settings["target"]))[0]
        self.converged_ = bool(self.moment_error_ <= CONVERGED)
        follow = settings["exact"] and not coder.remove_.all()
        vars(self).update(generate.latent_moments(Z, D, follow))
        return self

    def _fit_network(self, X, demographics, coder, D, settings, groups, seed):
        with Progress(settings["n_epochs"], self.verbose) as progress:
            return fitting.fit_network(X, demographics, coder, D, settings, groups, seed, progress)

    def transform(self, X) -> np.ndarray:
        """Latents of connectomes; no demographics are needed.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)

        Returns
        -------
        ndarray of float32, shape (n_rows, latent_dim)
        """
        rows = self._checked(X)
        return self.codec_.encode(self.space_.project(rows))

    def inverse_transform(self, Z, demographics) -> np.ndarray:
        """Decode latents for given demographics.

        Parameters
        ----------
        Z : array, shape (n_rows, latent_dim)
        demographics : pandas.DataFrame
            One row per row of `Z`.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_edges)

        Raises
        ------
        ValueError
            When the number of latents or of rows does not fit.
        """
        check_is_fitted(self)
        Z = np.asarray(Z, dtype=np.float32)
        if Z.ndim != 2 or Z.shape[1] != self.codec_.n_latents:
            raise ValueError(f"Z: shape {Z.shape}, expected (n_rows, {self.codec_.n_latents})")
        told = self._told(schema.match_rows(Z, demographics))
        return self.space_.back(self.codec_.decode(Z, told))

    def reconstruct(self, X, demographics=None, set=None, add_back=False) -> np.ndarray:
        """Connectomes re-expressed with some demographics set to one value for everybody.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
        demographics : pandas.DataFrame, optional
            Needed when a column keeps its own values, and by `add_back`.
        set : dict, optional
            Column and its value for all rows; None as a value is the training average. Default:
            every column at its reference, so that no demographics are needed.
        add_back : bool, default False
            `X - dec(Z, own) + dec(Z, set)`: keeps what the bottleneck loses.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_edges)

        Raises
        ------
        ValueError
            When demographics are needed and missing, or a column in `set` is unknown.
        """
        return reexpress.reexpress(self, X, demographics, set, add_back)

    def sample(
        self,
        n=None,
        demographics=None,
        psd=None,
        residual_noise=None,
        random_state=None,
        kind=None,
        latent_draw="auto",
        batch="independent",
    ) -> np.ndarray:
        """Connectomes for given demographics.

        Parameters
        ----------
        n, demographics, psd, residual_noise, random_state, kind, latent_draw, batch
            See :func:`neuro.demovae.sampling.generate.sample`.

        Returns
        -------
        ndarray of float32, shape (n, n_edges)
        """
        check_is_fitted(self)
        return generate.sample(
            self, n, demographics, psd, residual_noise, random_state, kind, latent_draw, batch
        )

    def save(self, path) -> Path:
        """Write the fitted model as `.npz`, without pickle; it identifies its training subjects."""
        check_is_fitted(self)
        return write_model(self, path)

    @classmethod
    def load(cls, path) -> DemoVAE:
        """Read what :meth:`save` wrote, on any machine; torch is not needed.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        DemoVAE

        Raises
        ------
        InputProblem
            When the file is missing, damaged, or of another kind or version.
        """
        return read_model(cls, path)

    def _told(self, demographics) -> np.ndarray:
        rule = "impute" if self.missing == "impute" else "error"
        problems = schema.check_demographics(
            demographics, self.coder_.columns, missing_rule=rule, constant=False
        )
        if problems:
            raise ValueError("\n".join(problems))
        return self.coder_.transform(demographics)

    def _checked(self, X) -> np.ndarray:
        check_is_fitted(self)
        return edge_rows(self, X, reset=False)

    @property
    def _n_features_out(self) -> int:
        return self.codec_.n_latents
