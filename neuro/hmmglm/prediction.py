"""What a fitted model says about sequences: states, likelihood, criteria, samples."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.baselines.compare import THRESHOLD
from neuro.hmmglm.baselines.poisson import EMPTY, emission_log_b
from neuro.hmmglm.design.history import make_design
from neuro.hmmglm.design.sequences import check_sequences
from neuro.hmmglm.edges import gumbel
from neuro.hmmglm.em.chain import best_path, smooth
from neuro.hmmglm.em.drive import Chain
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.settings import Settings
from neuro.hmmglm.simulate import draw
from neuro.io.problems import InputProblem


class Prediction(Settings):
    """Methods of a fitted :class:`neuro.hmmglm.model.OneHotHMMGLM`; its `fit` sets the rest."""

    transitions_: np.ndarray
    rates_: np.ndarray
    n_bins_: int
    n_parameters_: float
    weights_: np.ndarray
    anatomical_prior_: np.ndarray

    def _design(self, sequences, mask=None, covariates=None, means=None, dtype=None):
        if (covariates is not None) != (self.n_covariates_ > 0):
            wanted = "with" if self.n_covariates_ else "without"
            raise ValueError(f"covariates: the model was fitted {wanted} them")
        inputs = None
        if covariates is not None:
            scaled = [
                (np.asarray(values, np.float64) - self.covariate_mean_) / self.covariate_scale_
                for values in covariates
            ]
            columns = self.covariate_columns()
            covariates = [values[:, columns] for values in scaled] if columns else None
            if self.transition_covariates:
                # what is not known is taken to be the mean
                inputs = np.nan_to_num(np.concatenate(scaled)[:, list(self.transition_covariates)])
        design = make_design(
            sequences,
            self.basis_,
            mask,
            covariates,
            means=means,
            dtype=dtype,
            poisson=self.emission == "poisson",
        )
        design.inputs = inputs
        return design

    def _scale(self, covariates):
        """Means and SDs of the covariates of the training data."""
        self.n_covariates_ = 0
        wanted = [*(self.emission_covariates or ()), *self.transition_covariates]
        if covariates is None:
            if wanted:
                raise ValueError("covariates: columns are named, but none are given")
            return
        if self.resolved()["solver"] == "paper":
            raise ValueError("solver 'paper' takes no covariates")
        joined = np.concatenate([np.asarray(values, np.float64) for values in covariates])
        self.n_covariates_ = joined.shape[1]
        if max(wanted, default=0) >= joined.shape[1]:
            raise ValueError(
                f"covariates: {joined.shape[1]} columns, but column {max(wanted)} is named (from 0)"
            )
        self.covariate_mean_ = np.nanmean(joined, axis=0)
        scale = np.nanstd(joined, axis=0)
        self.covariate_scale_ = np.where(scale > 0, scale, 1.0)

    def covariate_columns(self) -> list[int]:
        """Columns of the covariates that act on the rates."""
        if self.emission_covariates is None:
            return list(range(self.n_covariates_))
        return list(self.emission_covariates)

    def _matrices(self, design):
        """Transitions of the fitted model, for every bin where inputs drive them."""
        return Chain(self.transitions_, getattr(self, "drive_", None)).matrices(design)

    def _log_b(self, sequences, mask, covariates):
        self._check_fitted("theta_")
        sequences, mask, covariates = check_sequences(
            sequences, mask, covariates, emission=self.emission, bin_s=self.dt_
        )
        if sequences[0].shape[1] != self.layout_.n_neurons:
            raise InputProblem(
                f"hmmglm: {sequences[0].shape[1]} neurons, but the model was fitted to "
                f"{self.layout_.n_neurons}"
            )
        # what is reported is exact; a fit may work on float32
        design = self._design(sequences, mask, covariates, self.fill_, np.float64)
        likelihood = Likelihood(self.emission, self.resolved()["link"])
        return likelihood.log_b(design, self.theta_, self.noise_), design

    def predict_proba(self, sequences, mask=None, covariates=None) -> list:
        """State probabilities given the whole sequence.

        Returns
        -------
        list of ndarray, shape (T_i, K)
        """
        log_b, design = self._log_b(sequences, mask, covariates)
        gamma = smooth(log_b, design.starts, self._matrices(design))[0]
        return np.split(gamma, design.starts[1:-1])

    def predict(self, sequences, mask=None, covariates=None) -> list:
        """The most probable state path (Viterbi).

        Returns
        -------
        list of ndarray of int, shape (T_i,)
        """
        log_b, design = self._log_b(sequences, mask, covariates)
        path = best_path(log_b, design.starts, self._matrices(design))
        return np.split(path, design.starts[1:-1])

    def log_likelihood(self, sequences, mask=None, covariates=None):
        """Marginal log-likelihood of every sequence.

        Returns
        -------
        log_z : ndarray, shape (n,)
        n_bins : int
            Bins that entered.
        """
        log_b, design = self._log_b(sequences, mask, covariates)
        return smooth(log_b, design.starts, self._matrices(design))[2], design.n_usable

    def score(self, sequences, y=None, *, mask=None, covariates=None) -> float:
        """Marginal log-likelihood per bin; `y` is ignored."""
        log_z, n_bins = self.log_likelihood(sequences, mask, covariates)
        return float(log_z.sum() / n_bins)

    def bits_per_spike(self, sequences, rates=None, mask=None, covariates=None) -> float:
        """Log-likelihood gained over constant rates, in bits per spike.

        Parameters
        ----------
        sequences, mask, covariates
            As for :meth:`fit`.
        rates : ndarray, shape (N,), optional
            Counts per bin of the comparison; the training means by default.

        Returns
        -------
        float
        """
        if self.emission == "gaussian":
            raise ValueError("bits_per_spike: emission 'gaussian' has no spikes; use score")
        log_b, design = self._log_b(sequences, mask, covariates)
        log_z = smooth(log_b, design.starts, self._matrices(design))[2].sum()
        counts = design.counts[design.usable]
        seen = None if design.seen is None else design.seen[design.usable]
        rates = self.rates_ if rates is None else np.asarray(rates, np.float64)
        rates = np.maximum(rates, EMPTY / max(self.n_bins_, 1))
        flat = emission_log_b(counts, rates, self.emission, seen=seen).sum()
        return float((log_z - flat) / (counts.sum() * np.log(2)))

    def bic(self, sequences, mask=None, covariates=None) -> float:
        """Bayesian information criterion; smaller is better."""
        log_z, n_bins = self.log_likelihood(sequences, mask, covariates)
        return float(self.n_parameters_ * np.log(n_bins) - 2 * log_z.sum())

    def aic(self, sequences, mask=None, covariates=None) -> float:
        """Akaike's information criterion; smaller is better."""
        log_z, _ = self.log_likelihood(sequences, mask, covariates)
        return float(2 * self.n_parameters_ - 2 * log_z.sum())

    def sample(self, n_bins: int, n_sequences: int = 1, random_state=None):
        """Draw sequences from the fitted model; the first state of each is uniform.

        Parameters
        ----------
        n_bins : int
        n_sequences : int, default 1
        random_state : int, optional

        Returns
        -------
        counts : ndarray, shape (n_sequences, n_bins, N)
        states : ndarray of int, shape (n_sequences, n_bins)
        """
        self._check_fitted("theta_")
        return draw(self, n_bins, n_sequences, np.random.default_rng(random_state))

    def to_signed(self) -> np.ndarray:
        """The signed graph that all states share.

        Returns
        -------
        ndarray of int8, shape (N, N)
            -1, 0, +1; row: target, column: source. For the one-hot model the most probable class
            of the anatomical prior; otherwise the sign of the mean coupling where above 0.2.
        """
        self._check_fitted("theta_")
        if self.model == "onehot":
            return gumbel.hard(self.anatomical_prior_)
        mean = self.weights_.mean(axis=0)
        return (np.sign(mean) * (np.abs(mean) > THRESHOLD)).astype(np.int8)
