"""Samples with a stated privacy loss: the only look at people is one noisy matrix."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from neuro.base.estimator import Tagged
from neuro.demovae.coding import schema
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.edges import n_regions
from neuro.demovae.coding.training_rows import training_rows
from neuro.demovae.sampling.generate import nearest_correlations
from neuro.demovae.sampling.spectra import unpacked

_CLIP = 0.95


def noise_scale(epsilon: float, delta: float) -> float:
    """Standard deviation of the Gaussian mechanism for a sensitivity of 1.

    Zero-concentrated privacy of rho = (sqrt(epsilon + ln 1/delta) - sqrt(ln 1/delta))^2 implies
    (epsilon, delta)-differential privacy.

    References
    ----------
    Bun, M., Steinke, T. (2016). Concentrated differential privacy. TCC 2016-B.
    """
    if not (epsilon > 0 and 0 < delta < 1):
        raise ValueError(f"epsilon {epsilon}, delta {delta}: need epsilon > 0 and 0 < delta < 1")
    rest = np.log(1 / delta)
    rho = (np.sqrt(epsilon + rest) - np.sqrt(rest)) ** 2
    return float(1 / np.sqrt(2 * rho))


class PrivateSampler(Tagged, BaseEstimator):
    """Synthetic connectomes with (epsilon, delta)-differential privacy of whole people.

    Public people, of another study, give the mean connectome, a few components, the directions of
    the demographics and all scales. Of the private people only the second moment of their rows
    (1, demographics, components; cut to a public length) is used, with Gaussian noise. What a
    sample has beyond those components comes from the public people.

    Useful from several thousand people on: with 3,500 planted people readouts of age that learn
    from samples lose half at epsilon 3, with 1,000 nearly all.

    Parameters
    ----------
    epsilon : float, default 3.0
    delta : float, default 1e-5
    columns : sequence of Column or mapping, optional
    n_components : int, default 8
    random_state : int, RandomState or None
        Of the noise. Whoever knows it can take the noise away: leave it at None for a release.

    Attributes
    ----------
    moment_ : ndarray, shape (k, k)
        The noisy second moment: all that is kept of the private people.
    noise_sd_ : float
        Standard deviation of the noise per entry of its diagonal.
    clipped_ : float
        Share of public rows that the cut shortens.

    Notes
    -----
    The number of people counts as public. One row per person; samples are post-processing, so that
    their number does not matter. Choosing settings by looking at the private people is not covered.
    """

    def __init__(self, epsilon=3.0, delta=1e-5, columns=None, n_components=8, random_state=None):
        self.epsilon = epsilon
        self.delta = delta
        self.columns = columns
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None, *, demographics=None, public=None):
        """Learn scales from public people and one noisy matrix from private ones.

        Parameters
        ----------
        X : array, shape (n_people, n_edges)
            Pearson correlations, one row per person.
        y : optional
            Never used.
        demographics : pandas.DataFrame
        public : tuple of (array, pandas.DataFrame)
            Connectomes and demographics of other people.

        Raises
        ------
        ValueError
            When public people are missing or do not fit.
        """
        if public is None:
            raise ValueError("public: missing; scales and components must come from other people")
        rows = training_rows(public[0], None, public[1], None, self.columns, "error")
        scale = noise_scale(self.epsilon, self.delta)
        self.n_features_in_, self.n_regions_ = rows.X.shape[1], n_regions(rows.X.shape[1])
        self.coder_ = DemographicCoder(rows.used, "linear", unseen="mean", min_level_count=1)
        D = self.coder_.fit(rows.demographics).transform(rows.demographics).astype(np.float64)
        self.mean_ = rows.X.mean(axis=0, dtype=np.float64)
        centred = rows.X - self.mean_
        self.told_mean_ = D.mean(axis=0)
        maps = np.linalg.pinv(D - self.told_mean_, rcond=1e-6) @ centred
        left = centred - (D - self.told_mean_) @ maps
        _, _, right = np.linalg.svd(left, full_matrices=False)
        base, size, _ = np.linalg.svd(
            np.vstack([right[: self.n_components], maps / np.linalg.norm(maps, axis=1)[:, None]]).T,
            full_matrices=False,
        )
        self.axes_ = base[:, size > 1e-6 * size[0]]
        self.told_sd_ = np.maximum(D.std(axis=0), 1e-6)
        scores = centred @ self.axes_
        self.score_sd_ = np.maximum(scores.std(axis=0), 1e-12)
        outside = left - (left @ self.axes_) @ self.axes_.T
        self.residual_sd_ = outside.std(axis=0)
        length = np.linalg.norm(self._rows(rows.X, D), axis=1)
        self.length_ = float(np.quantile(length, _CLIP))
        self.clipped_ = float((length > self.length_).mean())
        self._look(X, demographics, scale)
        return self

    def _rows(self, X, D) -> np.ndarray:
        scaled = (D - self.told_mean_) / self.told_sd_
        scores = (np.asarray(X, np.float64) - self.mean_) @ self.axes_ / self.score_sd_
        return np.column_stack([np.ones(len(scaled)), scaled, scores])

    def moment(self, X, demographics) -> np.ndarray:
        """Second moment of the rows, each cut to the public length; no noise."""
        rows = self._rows(X, self.coder_.transform(demographics).astype(np.float64))
        length = np.linalg.norm(rows, axis=1)
        rows = rows * np.minimum(1, self.length_ / length)[:, None]
        return rows.T @ rows / len(rows)

    @property
    def sensitivity_(self) -> float:
        """Largest change of the moment, in Frobenius norm, when one person is replaced."""
        return float(np.sqrt(2) * self.length_**2 / self.n_people_)

    def _look(self, X, demographics, scale):
        """The only use of the private people."""
        table = schema.match_rows(X, demographics)
        problems = schema.check_demographics(table, self.coder_.columns, constant=False)
        if problems:
            raise ValueError("\n".join(problems))
        self.n_people_ = len(X)
        self.noise_sd_ = scale * self.sensitivity_
        k = 1 + len(self.told_mean_) + self.axes_.shape[1]
        rng = check_random_state(self.random_state)
        noise = unpacked(rng.standard_normal(k * (k + 1) // 2) * self.noise_sd_, k)
        values, vectors = np.linalg.eigh(self.moment(X, table) + noise)
        # off the diagonal the noise is 1 / sqrt(2) of that: its largest eigenvalue is near here
        edge = self.noise_sd_ * np.sqrt(2 * k)
        self.moment_ = (vectors * np.maximum(values, edge / 2)) @ vectors.T

    def sample(self, n=None, demographics=None, random_state=None) -> np.ndarray:
        """Connectomes for given demographics; as many as wanted, the privacy loss stays.

        Parameters
        ----------
        n : int, optional
        demographics : pandas.DataFrame
        random_state : int, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, n_edges)

        Raises
        ------
        ValueError
            Without a table of demographics.
        """
        check_is_fitted(self)
        if demographics is None or not len(demographics):
            raise ValueError("demographics: missing; sample(n, demographics=table) needs them")
        rng = check_random_state(random_state)
        D = self.coder_.transform(demographics).astype(np.float64)
        if n is not None and len(D) != int(n):
            D = D[rng.randint(len(D), size=int(n))]
        told = np.column_stack([np.ones(len(D)), (D - self.told_mean_) / self.told_sd_])
        d = told.shape[1]
        inside, across = self.moment_[:d, :d], self.moment_[:d, d:]
        slope = np.linalg.pinv(inside, rcond=1e-6) @ across
        left = self.moment_[d:, d:] - across.T @ slope
        values, vectors = np.linalg.eigh(left)
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        scores = told @ slope + rng.standard_normal((len(D), len(left))) @ root
        edges = self.mean_ + (scores * self.score_sd_) @ self.axes_.T
        edges += rng.standard_normal(edges.shape) * self.residual_sd_
        return nearest_correlations(edges, self.n_regions_)
