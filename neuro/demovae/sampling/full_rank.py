"""Synthetic connectomes drawn one by one, of full rank, with the scan length of real runs.

A connectome is a covariance of a person, seen through a scan of finite length. Both are modelled:
people in a space that is linear around the mean connectome, scans by drawing the volumes.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from neuro.base.estimator import Tagged
from neuro.demovae.coding import schema
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.edges import n_regions
from neuro.demovae.coding.training_rows import training_rows
from neuro.demovae.sampling.correction import SpectrumCorrection
from neuro.demovae.sampling.spectra import TINY, eigenvalues, matrices, packed, unpacked
from neuro.stats.ties import facing

PASSES, LAST = 8, 6
"""Passes of the calibration, and more that move the spectrum only."""
_CHUNK = 128
"""People that are made, or turned into matrices, at once."""


def _active_rows(n_volumes, power) -> int:
    """Independent rows of a run with a given spectrum, mean taken off."""
    if power is None:
        return int(n_volumes) - 1
    places = np.linspace(0, 1, int(n_volumes) // 2 + 1)[1:]
    seen = np.interp(places, np.linspace(0, 1, len(power)), power)
    return min(2 * int((seen > 1e-3 * np.max(power)).sum()), int(n_volumes) - 1)


class FullRankSampler(Tagged, BaseEstimator):
    """Independent draws of connectomes for given demographics.

    With G the mean correlation matrix, every training connectome C is a symmetric matrix
    `Y = G^-1/2 (C - G) G^-1/2`, which is linear in C. Y is regressed on the demographics; what is
    left has `latent_dim` leading directions with their covariance, and beyond them noise whose
    variance belongs to the site. A person is `S = G^1/2 exp(Y*) G^1/2`, of which a scan is drawn:
    as many normal volumes as a run has, coloured in time where spectra are known. The correlation
    matrix of these volumes, its eigenvalues corrected, is the sample. Since a scan adds noise that
    is already in the training connectomes, mean, covariance, noise and spectrum are calibrated by
    simulation until they agree with the training rows.

    Parameters
    ----------
    columns : sequence of Column or mapping, optional
        As in :class:`neuro.demovae.model.DemoVAE`; every column that is not only reported is used.
    latent_dim : int, default 60
        At most a third of the training rows is used.
    site : str, default 'site'
        Column whose levels have residual variances and scan lengths of their own.
    basis : {'spline', 'poly', 'linear'}, default 'spline'
    passes : int, default 8
    n_simulated : int, default 300
        People that are drawn in each pass.
    unseen : {'error', 'mean'}, default 'error'
    missing : {'error', 'drop', 'impute'}, default 'error'
    min_level_count : int, default 5
    random_state : int, RandomState or None

    Attributes
    ----------
    centre_ : ndarray of float64, shape (n_regions, n_regions)
        G.
    axes_ : ndarray of float64, shape (n_latents, n_packed)
    covariance_ : ndarray of float64, shape (n_latents, n_latents)
    noise_ : dict of str to float
        Residual variance per site; '' is for all others.
    correction_ : SpectrumCorrection
        Of the eigenvalues of a scan.
    volumes_ : dict of str to ndarray of int
        Scan lengths of the training rows of each site.
    lost_ : int
        Degrees of freedom that cleaning took from a coloured run beyond its silent frequencies,
        where connectomes show it.
    gaps_ : ndarray of float64, shape (passes + 6,)
        Root mean square gap of the log spectrum in each pass.
    """

    def __init__(
        self,
        columns=None,
        latent_dim=60,
        site="site",
        basis="spline",
        passes=PASSES,
        n_simulated=300,
        unseen="error",
        missing="error",
        min_level_count=5,
        random_state=None,
    ):
        self.columns = columns
        self.latent_dim = latent_dim
        self.site = site
        self.basis = basis
        self.passes = passes
        self.n_simulated = n_simulated
        self.unseen = unseen
        self.missing = missing
        self.min_level_count = min_level_count
        self.random_state = random_state

    def fit(self, X, y=None, *, demographics=None, groups=None, n_volumes=None, spectrum=None):
        """Fit on training rows.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
            Pearson correlations.
        y : optional
            Never used.
        demographics : pandas.DataFrame
        groups : array, optional
            Subject of each row, for counting levels.
        n_volumes : array of int, shape (n_rows,), optional
            Volumes behind each row. A row without full rank shows how many independent ones it
            has (rank + 1), which counts unless there is a `spectrum`; the others are taken to
            have twice as many volumes as regions where nothing is said.
        spectrum : dict of str to ndarray, optional
            Mean periodogram of each site's series (power at evenly spaced frequencies from 0 to
            Nyquist); scans are coloured with it. Without it volumes are independent.

        Raises
        ------
        ValueError
            All problems at once, one line each; rows that are no correlation matrices.
        """
        rows = training_rows(X, None, demographics, groups, self.columns, self.missing)
        self.n_features_in_, self.n_regions_ = rows.X.shape[1], n_regions(rows.X.shape[1])
        if np.abs(rows.X).max() > 1 + 1e-6:
            raise ValueError("X: values beyond 1; samples of full rank need Pearson correlations")
        self.coder_ = DemographicCoder(
            rows.used, self.basis, "onehot", self.unseen, self.min_level_count
        ).fit(rows.demographics, rows.groups)
        D = self.coder_.transform(rows.demographics).astype(np.float64)
        self.told_mean_ = D.mean(axis=0)
        names = self._sites(rows.demographics)
        spectra = eigenvalues(rows.X, self.n_regions_)
        self._learn_scans(spectra, names, n_volumes, spectrum, len(X))
        self._learn_people(rows.X, D - self.told_mean_, names)
        self.correction_ = SpectrumCorrection(names, self.own_volumes_, self.n_regions_)
        self._calibrate(rows.X, spectra, D, names)
        return self

    def _sites(self, demographics) -> np.ndarray:
        if self.site in demographics:
            return schema.level_names(demographics[self.site]).astype(str)
        return np.full(len(demographics), "")

    def _learn_scans(self, spectra, names, n_volumes, spectrum, n_given):
        rank = (spectra > TINY).sum(axis=1)
        deficient = rank < self.n_regions_
        volumes = np.where(deficient, rank + 1, 2 * self.n_regions_)
        self.lost_ = 0
        if n_volumes is not None:
            told = np.asarray(n_volumes)
            if len(told) != n_given or (np.asarray(told, float) < 3).any():
                raise ValueError(f"n_volumes: needs {n_given} numbers of 3 or more")
            if len(told) != len(names):
                raise ValueError("n_volumes: rows with gaps were dropped; leave them out before")
            if spectrum is None:
                # filtered or cleaned runs hold fewer independent volumes than they have
                volumes = np.where(deficient, volumes, told.astype(int))
            else:
                volumes = told.astype(int)
                if deficient.any():
                    active = [
                        _active_rows(count, spectrum.get(name))
                        for count, name in zip(volumes[deficient], names[deficient])
                    ]
                    self.lost_ = int(max(np.median(active - rank[deficient]), 0))
        self.own_volumes_ = volumes
        self.volumes_ = {"": np.sort(volumes)}
        self.volumes_ |= {name: np.sort(volumes[names == name]) for name in sorted(set(names))}
        self.spectrum_ = {name: np.asarray(p, float) for name, p in (spectrum or {}).items()}

    def _learn_people(self, X, D, names):
        n = len(X)
        self.centre_ = matrices(X.mean(axis=0, dtype=np.float64)[None], self.n_regions_)[0]
        values, vectors = np.linalg.eigh(self.centre_)
        values = np.maximum(values, 1e-6)
        self.root_ = (vectors * np.sqrt(values)) @ vectors.T
        self.unroot_ = (vectors / np.sqrt(values)) @ vectors.T
        # the one array of the size of all rows in double precision: nothing copies it
        left = self._linear(X)
        self.level_ = left.mean(axis=0)
        left -= self.level_
        self.slope_ = np.linalg.pinv(D, rcond=1e-6) @ left
        for first in range(0, n, _CHUNK):
            left[first : first + _CHUNK] -= D[first : first + _CHUNK] @ self.slope_
        size = max(1, min(int(self.latent_dim), n // 3, left.shape[1] - 1))
        # transposed: LAPACK takes the array as it is and needs no second one
        scale, vectors = linalg.eigh(
            (left @ left.T).T,
            subset_by_index=(n - size, n - 1),
            overwrite_a=True,
            check_finite=False,
        )
        scale, vectors = scale[::-1], vectors[:, ::-1]
        size = int((scale > 1e-10 * scale[0]).sum())
        axes = (left.T @ (vectors[:, :size] / np.sqrt(scale[:size]))).T
        self.axes_ = axes * np.ravel(facing(axes.T))[:, None]
        scores = left @ self.axes_.T
        # the regression took degrees of freedom from these rows that new people have
        self.inflation_ = n / max(n - 1 - np.linalg.matrix_rank(D, tol=1e-6), n / 4)
        # a scan of T independent volumes adds 2 / T to every packed value, which people have less
        scan = {name: 2.0 / max(np.median(T) - self.lost_, 3) for name, T in self.volumes_.items()}
        covariance = self.inflation_ * scores.T @ scores / n - scan[""] * np.eye(size)
        values, vectors = np.linalg.eigh(covariance)
        self.covariance_ = (vectors * np.maximum(values, 0)) @ vectors.T
        whole = self._outside(left, names)
        self.noise_ = {
            name: max(self.inflation_ * value - scan[name], 0.0) for name, value in whole.items()
        }

    def _linear(self, edges) -> np.ndarray:
        """Packed Y of rows of edges, in which distances are Frobenius norms."""
        out = np.empty((len(edges), self.n_regions_ * (self.n_regions_ + 1) // 2))
        for first in range(0, len(edges), _CHUNK):
            real = matrices(edges[first : first + _CHUNK], self.n_regions_)
            out[first : first + _CHUNK] = packed(
                self.unroot_ @ (real - self.centre_) @ self.unroot_
            )
        return out

    def _outside(self, left, names) -> dict[str, float]:
        """Mean square per packed value beyond the axes, of all rows and of every site."""
        total = np.einsum("ij,ij->i", left, left) - ((left @ self.axes_.T) ** 2).sum(axis=1)
        total = np.maximum(total, 0) / max(left.shape[1] - len(self.axes_), 1)
        variances = {"": float(total.mean())}
        return variances | {str(name): float(total[names == name].mean()) for name in set(names)}

    def _calibrate(self, X, spectra, D, names):
        """Move mean, covariance, noise and spectrum by the gap between real and simulated rows."""
        rng = check_random_state(self.random_state)
        n = len(X)
        some = rng.permutation(n)[: min(int(self.n_simulated), n)]
        some = np.resize(some, min(int(self.n_simulated), 4 * n))
        C = D[some] - self.told_mean_
        wanted = self._moments(self._linear(X[some]), C, names[some])
        total = int(self.passes) + LAST
        self.gaps_ = np.zeros(total)
        for number in range(total):
            # other draws in every pass: with the same ones the mean would learn their noise
            made, before = self._draw(D[some], names[some], rng, self.own_volumes_[some])
            moments = self._moments(self._linear(made), C, names[some])
            # the last passes settle the spectrum, everything else standing still
            step = 1 / (1 + 0.6 * number) if number < int(self.passes) else 0.0
            self.level_ = self.level_ + step * (wanted[0] - moments[0])
            moved = self.covariance_ + step * (self.inflation_ * wanted[1] - moments[1])
            values, vectors = np.linalg.eigh(moved)
            self.covariance_ = (vectors * np.maximum(values, 0)) @ vectors.T
            for name in self.noise_:
                gap = self.inflation_ * wanted[2][name] - moments[2][name]
                self.noise_[name] = max(self.noise_[name] + step * gap, 0.0)
            values = eigenvalues(made, self.n_regions_)
            self.gaps_[number] = self.correction_.learn(
                spectra[some], values, before, names[some], self.own_volumes_[some]
            )

    def _moments(self, Y, C, names):
        level = Y.mean(axis=0)
        left = Y - level - (C - C.mean(axis=0)) @ self.slope_
        scores = left @ self.axes_.T
        return level, scores.T @ scores / len(Y), self._outside(left, names)

    def _draw(self, told, names, rng, lengths=None) -> tuple[np.ndarray, np.ndarray]:
        """Edges (float32), one independent draw per row, and log spectra before correction.

        Scans are as long as `lengths` says; by default as one of the site's.
        """
        values, vectors = np.linalg.eigh(self.covariance_)
        spread = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        upper = np.triu_indices(self.n_regions_, 1)
        out = np.empty((len(told), len(upper[0])), dtype=np.float32)
        before = np.empty((len(told), self.n_regions_))
        # a stream per row: a volume more or less in one row changes no other
        seeds = rng.randint(2**31 - 1, size=len(told))
        common = self.level_ + (told - self.told_mean_) @ self.slope_
        for first in range(0, len(told), _CHUNK):
            places = range(first, min(first + _CHUNK, len(told)))
            own = [np.random.RandomState(seeds[place]) for place in places]
            noise = np.array([stream.standard_normal(len(self.level_)) for stream in own])
            noise -= (noise @ self.axes_.T) @ self.axes_
            tau2 = [self.noise_.get(names[place], self.noise_[""]) for place in places]
            latents = np.array([stream.standard_normal(len(self.axes_)) for stream in own]) @ spread
            rows = common[places] + latents @ self.axes_ + np.sqrt(tau2)[:, None] * noise
            for place, stream, root in zip(places, own, self._people(rows)):
                name = names[place]
                length = self._length(name, stream) if lengths is None else int(lengths[place])
                series = self._scan(name, stream, length) @ root
                series -= series.mean(axis=0)
                series /= np.sqrt((series**2).sum(axis=0))
                rank = _active_rows(length, self.spectrum_.get(name)) - self.lost_
                matrix, before[place] = self.correction_.apply(
                    series.T @ series, name, length, max(rank, 2)
                )
                out[place] = matrix[upper]
        return np.clip(out, -1, 1), before

    def _people(self, rows) -> np.ndarray:
        """A root R of each person's covariance (R' R), shape (n_rows, n_regions, n_regions)."""
        values, vectors = np.linalg.eigh(unpacked(rows, self.n_regions_))
        half = np.exp(np.clip(values, -20, 20) / 2)[:, None] * vectors
        return half @ vectors.transpose(0, 2, 1) @ self.root_

    def _length(self, name, rng) -> int:
        volumes = self.volumes_.get(name, self.volumes_[""])
        return int(volumes[rng.randint(len(volumes))])

    def _scan(self, name, rng, length) -> np.ndarray:
        """White or coloured normal volumes of one run, shape (n_volumes, n_regions)."""
        count = max(length - self.lost_, 3)
        white = rng.standard_normal((count, self.n_regions_))
        power = self.spectrum_.get(name)
        if power is None:
            return white
        spectrum = np.fft.rfft(white, axis=0)
        places = np.linspace(0, 1, len(spectrum))
        gain = np.sqrt(np.interp(places, np.linspace(0, 1, len(power)), np.maximum(power, 0)))
        return np.fft.irfft(spectrum * gain[:, None], n=count, axis=0)

    def sample(self, n=None, demographics=None, random_state=None) -> np.ndarray:
        """Connectomes for given demographics, each an independent draw.

        Parameters
        ----------
        n : int, optional
            Default one per row of `demographics`; one row serves all, other numbers of rows are
            drawn from with replacement.
        demographics : pandas.DataFrame
        random_state : int, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, n_edges)
            Pearson correlations.

        Raises
        ------
        ValueError
            When demographics are missing or do not fit.
        """
        check_is_fitted(self)
        if demographics is None or not len(demographics):
            raise ValueError("demographics: missing; sample(n, demographics=table) needs them")
        problems = schema.check_demographics(
            demographics, self.coder_.columns, missing_rule="error", constant=False
        )
        if problems:
            raise ValueError("\n".join(problems))
        rng = check_random_state(random_state)
        with warnings.catch_warnings():
            if self.unseen == "mean":
                warnings.simplefilter("ignore", UserWarning)
            coded = self.coder_.transform(demographics).astype(np.float64)
        names = self._sites(demographics)
        n = len(coded) if n is None else int(n)
        if len(coded) == 1:
            coded, names = np.repeat(coded, n, axis=0), np.repeat(names, n)
        elif len(coded) != n:
            chosen = rng.randint(len(coded), size=n)
            coded, names = coded[chosen], names[chosen]
        return self._draw(coded, names, rng)[0]
