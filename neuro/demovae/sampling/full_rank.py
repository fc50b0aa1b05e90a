"""Synthetic connectomes drawn one by one, of full rank, with the scan length of real runs.

A connectome is a covariance of a person, seen through a scan of finite length. Both are modelled:
people in a space that is linear around the mean connectome, scans by drawing the volumes.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from neuro.base.estimator import Tagged
from neuro.demovae.coding import schema
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.edges import n_regions
from neuro.demovae.coding.training_rows import training_rows
from neuro.demovae.sampling.spectra import TINY, eigenvalues, matrices, packed, unpacked
from neuro.stats.ties import facing

PASSES, LAST, GAIN = 8, 6, 0.8
"""Passes of the calibration, more that move the spectrum only, and the share of a gap in the
spectrum that a pass closes."""
_FLOOR, _SHRINK = 1e-9, 20


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
    variance belongs to the site. A sample is `S = G^1/2 exp(Y*) G^1/2`, its eigenvalues corrected,
    and of S a scan is drawn: as many normal volumes as a run has, coloured in time where spectra
    are known. The correlation matrix of these volumes is the sample. Since a scan adds noise that
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
    log_gain_ : dict of str to ndarray of float64, shape (n_regions,)
        Correction of the sorted log eigenvalues per site; '' is for all others. That of a site
        is drawn towards the common one as if by 20 more people.
    log_middle_ : dict of str to ndarray of float64, shape (n_regions,)
        Mean sorted log eigenvalues per site before the correction.
    log_spread_ : ndarray of float64, shape (n_regions,)
        Factor on the deviation of a person's sorted log eigenvalues from that mean.
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
        real = matrices(rows.X, self.n_regions_)
        spectra = eigenvalues(rows.X, self.n_regions_)
        self._learn_scans(spectra, names, n_volumes, spectrum, len(X))
        self._learn_people(real, D - self.told_mean_, names)
        self._calibrate(real, spectra, D, names)
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
        self.volumes_ = {"": np.sort(volumes)}
        self.volumes_ |= {name: np.sort(volumes[names == name]) for name in sorted(set(names))}
        self.spectrum_ = {name: np.asarray(p, float) for name, p in (spectrum or {}).items()}

    def _learn_people(self, real, D, names):
        n = len(real)
        self.centre_ = real.mean(axis=0)
        values, vectors = np.linalg.eigh(self.centre_)
        values = np.maximum(values, 1e-6)
        self.root_ = (vectors * np.sqrt(values)) @ vectors.T
        self.unroot_ = (vectors / np.sqrt(values)) @ vectors.T
        Y = self._linear(real)
        self.level_ = Y.mean(axis=0)
        self.slope_ = np.linalg.pinv(D, rcond=1e-6) @ (Y - self.level_)
        left = Y - self.level_ - D @ self.slope_
        size = max(1, min(int(self.latent_dim), n // 3, left.shape[1] - 1))
        scale, vectors = np.linalg.eigh(left @ left.T)
        scale, vectors = scale[::-1][:size], vectors[:, ::-1][:, :size]
        size = int((scale > 1e-10 * scale[0]).sum())
        axes = (left.T @ (vectors[:, :size] / np.sqrt(scale[:size]))).T
        self.axes_ = axes * np.ravel(facing(axes.T))[:, None]
        scores = left @ self.axes_.T
        # a scan of T independent volumes adds 2 / T to every packed value, which people have less
        scan = {name: 2.0 / max(np.median(T) - self.lost_, 3) for name, T in self.volumes_.items()}
        covariance = scores.T @ scores / n - scan[""] * np.eye(size)
        values, vectors = np.linalg.eigh(covariance)
        self.covariance_ = (vectors * np.maximum(values, 0)) @ vectors.T
        whole = self._outside(left, names)
        self.noise_ = {name: max(value - scan[name], 0.0) for name, value in whole.items()}
        self.log_gain_ = {name: np.zeros(self.n_regions_) for name in self.noise_}
        self.log_middle_ = {name: np.zeros(self.n_regions_) for name in self.noise_}
        self.log_spread_ = np.ones(self.n_regions_)

    def _linear(self, real) -> np.ndarray:
        """Packed Y of correlation matrices, in which distances are Frobenius norms."""
        return packed(self.unroot_ @ (real - self.centre_) @ self.unroot_)

    def _outside(self, left, names) -> dict[str, float]:
        """Mean square per packed value beyond the axes, of all rows and of every site."""
        total = (left**2).sum(axis=1) - ((left @ self.axes_.T) ** 2).sum(axis=1)
        total = np.maximum(total, 0) / max(left.shape[1] - len(self.axes_), 1)
        found = {"": float(total.mean())}
        return found | {str(name): float(total[names == name].mean()) for name in set(names)}

    def _calibrate(self, real, spectra, D, names):
        """Move mean, covariance, noise and spectrum by the gap between real and simulated rows."""
        rng = check_random_state(self.random_state)
        n = len(real)
        Y = self._linear(real)
        some = rng.permutation(n)[: min(int(self.n_simulated), n)]
        some = np.resize(some, min(int(self.n_simulated), 4 * n))
        C = D[some] - self.told_mean_
        wanted = self._moments(Y[some], C, names[some])
        log_real = np.log(np.maximum(spectra[some], _FLOOR))
        seen = np.median(spectra, axis=0) > TINY
        total = int(self.passes) + LAST
        self.gaps_ = np.zeros(total)
        for number in range(total):
            # other draws in every pass: with the same ones the mean would learn their noise
            made, before = self._draw(D[some], names[some], rng)
            Z = self._linear(matrices(made, self.n_regions_))
            found = self._moments(Z, C, names[some])
            # the last passes settle the spectrum, everything else standing still
            step = 1 / (1 + 0.6 * number) if number < int(self.passes) else 0.0
            self.level_ = self.level_ + step * (wanted[0] - found[0])
            moved = self.covariance_ + step * (wanted[1] - found[1])
            values, vectors = np.linalg.eigh(moved)
            self.covariance_ = (vectors * np.maximum(values, 0)) @ vectors.T
            for name in self.noise_:
                self.noise_[name] = max(
                    self.noise_[name] + step * (wanted[2][name] - found[2][name]), 0.0
                )
            log_made = np.log(np.maximum(eigenvalues(made, self.n_regions_), _FLOOR))
            each = np.where(seen, log_real - log_made, 0.0)
            gap = each.mean(axis=0)
            self.gaps_[number] = np.sqrt((gap[seen] ** 2).mean()) if seen.any() else 0.0
            self._spread(log_real, log_made, before, names[some], seen)
            for name, old in self.log_gain_.items():
                own = each[names[some] == name]
                weight = len(own) / (len(own) + _SHRINK)
                mean = own.mean(axis=0) if len(own) else 0.0
                self.log_gain_[name] = old + GAIN * (weight * mean + (1 - weight) * gap)

    def _spread(self, log_real, log_made, before, names, seen):
        """Match how much people of a site differ in their sorted log eigenvalues."""
        width = []
        for rows in (log_real, log_made):
            away = rows - np.array([rows[names == name].mean(axis=0) for name in names])
            width.append(np.sqrt((away**2).mean(axis=0)))
        factor = np.where(seen, width[0] / np.maximum(width[1], 1e-6), 1.0)
        self.log_spread_ = np.clip(self.log_spread_ * factor**GAIN, 0.05, 3.0)
        self.log_middle_ = {
            name: before[names == name].mean(axis=0) if (names == name).any() else before.mean(0)
            for name in self.log_middle_
        }

    def _moments(self, Y, C, names):
        level = Y.mean(axis=0)
        left = Y - level - (C - C.mean(axis=0)) @ self.slope_
        scores = left @ self.axes_.T
        return level, scores.T @ scores / len(Y), self._outside(left, names)

    def _draw(self, told, names, rng) -> tuple[np.ndarray, np.ndarray]:
        """Edges (float32), one independent draw per row, and log eigenvalues before correction."""
        values, vectors = np.linalg.eigh(self.covariance_)
        spread = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        upper = np.triu_indices(self.n_regions_, 1)
        out = np.empty((len(told), len(upper[0])), dtype=np.float32)
        before = np.empty((len(told), self.n_regions_))
        # a stream per row: a volume more or less in one row changes no other
        seeds = rng.randint(2**31 - 1, size=len(told))
        common = self.level_ + (told - self.told_mean_) @ self.slope_
        for place, seed in enumerate(seeds):
            own = np.random.RandomState(seed)
            noise = own.standard_normal(len(self.level_))
            noise -= (noise @ self.axes_.T) @ self.axes_
            tau2 = self.noise_.get(names[place], self.noise_[""])
            row = common[place] + (spread @ own.standard_normal(len(self.axes_))) @ self.axes_
            root, before[place] = self._person(row + np.sqrt(tau2) * noise, names[place])
            series = self._scan(names[place], own) @ root
            series -= series.mean(axis=0)
            series /= np.sqrt((series**2).sum(axis=0))
            out[place] = (series.T @ series)[upper]
        return np.clip(out, -1, 1), before

    def _person(self, row, name) -> tuple[np.ndarray, np.ndarray]:
        """A root R of one person's covariance (R' R), and its log eigenvalues as they were."""
        values, vectors = np.linalg.eigh(unpacked(row, self.n_regions_))
        half = (vectors * np.exp(np.clip(values, -20, 20) / 2)) @ vectors.T @ self.root_
        values, vectors = np.linalg.eigh(half.T @ half)
        before = np.log(np.maximum(values, 1e-12))[::-1]
        name = name if name in self.log_gain_ else ""
        away = (self.log_spread_ - 1) * (before - self.log_middle_[name])
        # the correction is bounded: log eigenvalues of nothing may be anywhere
        log = before + np.clip(away, -5, 5) + self.log_gain_[name]
        return (vectors * np.exp(log[::-1] / 2)) @ vectors.T, before

    def _scan(self, name, rng) -> np.ndarray:
        """White or coloured normal volumes of one run, shape (n_volumes, n_regions)."""
        volumes = self.volumes_.get(name, self.volumes_[""])
        count = max(int(volumes[rng.randint(len(volumes))]) - self.lost_, 3)
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
            told = self.coder_.transform(demographics).astype(np.float64)
        names = self._sites(demographics)
        n = len(told) if n is None else int(n)
        if len(told) == 1:
            told, names = np.repeat(told, n, axis=0), np.repeat(names, n)
        elif len(told) != n:
            chosen = rng.randint(len(told), size=n)
            told, names = told[chosen], names[chosen]
        return self._draw(told, names, rng)[0]
