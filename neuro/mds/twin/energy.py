"""A twin for few images: Gabor filters and their energies at one place per unit, linear readout."""

from __future__ import annotations

import numpy as np

from neuro.encoding.targets import average_repeats
from neuro.mds.twin.core import position_map, unit_correlation
from neuro.mds.twin.image import Regression, split_validation, tiers
from neuro.stats.ridge import RidgePath
from neuro.stats.splits import content_ids

N_ANGLES = 8
WAVES = (3.0, 4.5, 6.75, 10.0)
"""Wavelengths of the filters in pixels (ours)."""
SPREADS = (1.0, 2.0, 3.5)
"""Standard deviations of the round filters in pixels (ours)."""
ENVELOPE = 0.5
"""Standard deviation of a filter's window, times its wavelength (ours)."""
REACH = 1
"""Pixels around the likeliest place that are tried, in each direction."""
PENALTIES = tuple(10.0 ** np.arange(-2, 2.5, 0.5))
"""Ridge penalties that are tried, times the number of training images."""
EPS = 1e-4
"""Under the root of an energy, for a gradient at zero; filters have length one."""


def bank(side) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Filters of length one on a square patch.

    Parameters
    ----------
    side : int
        Pixels, odd.

    Returns
    -------
    even, odd : ndarray, shape (side * side, n_pairs)
        Without mean.
    blob : ndarray, shape (side * side, n_spreads)
        Round filters.
    """
    y, x = np.mgrid[:side, :side] - (side - 1) / 2

    def unit(filters):
        table = np.stack([f.ravel() for f in filters], axis=1)
        return table / np.linalg.norm(table, axis=0)

    pairs: tuple[list, list] = ([], [])
    for wave in WAVES:
        if wave > side:
            continue
        window = np.exp(-(x**2 + y**2) / (2 * (ENVELOPE * wave) ** 2))
        for angle in np.arange(N_ANGLES) * np.pi / N_ANGLES:
            phase = 2 * np.pi / wave * (np.cos(angle) * x + np.sin(angle) * y)
            even = window * np.cos(phase)
            pairs[0].append(even - window * even.sum() / window.sum())
            pairs[1].append(window * np.sin(phase))
    blob = [np.exp(-(x**2 + y**2) / (2 * s**2)) for s in SPREADS]
    return unit(pairs[0]), unit(pairs[1]), unit(blob)


def patch_side(shape) -> int:
    """Side of the patch that a unit sees: odd, at most 17 pixels and the image."""
    side = min(17, *shape[-2:])
    return side - (1 - side % 2)


class EnergyTwin(Regression):
    """Predict units from filters and energies at one place: a ridge that knows complex cells.

    Every unit looks at one patch. Its features are the answers of Gabor filters (two phases) and
    of round filters, both also without their sign, for units that rectify, and the energies of the
    pairs; place and penalty are those with the least squared error of the training images left out
    one at a time (all trials of an image together). Linear, rectifying and energy cells need few
    images so; what a network could learn beyond is missed.

    Parameters
    ----------
    random_state : int, default 0

    Attributes
    ----------
    weights_ : ndarray, shape (n_features, n_units)
    bias_ : ndarray, shape (n_units,)
    place_ : ndarray of int, shape (n_units, 2)
        Centre of the patch in pixels, row and column.
    penalty_ : ndarray, shape (n_units,)
    rates_ : bool
        Whether training responses are never negative; predictions are softplus(4u)/4 of the ridge
        then, so that they are rates too.
    test_correlation_ : ndarray, shape (n_units,)
        On the tier `test`; without one that of the fit that had not seen the validation part.
    validation_ : float
        Mean correlation with the validation part, of the fit that had not seen it.
    scale_, offset : as of the other twins

    References
    ----------
    Adelson, E. H. & Bergen, J. R. (1985). Spatiotemporal energy models for the perception of
    motion. JOSA A 2. Filters and search are ours.
    """

    kind = "energy"

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, stimuli, responses, tier=None, log=None, refit=True):
        """Fit on `train`, then on `validation` too; judge on `test`.

        Parameters
        ----------
        stimuli : array, shape (n_trials, c, h, w)
        responses : array, shape (n_trials, n_units)
            May be negative.
        tier : array of str, shape (n_trials,), optional
            Default: all train.
        log : callable, optional
        refit : bool, default True
            Whether the validation trials are learned from as well in the end.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For responses that are not finite, or too few trials.
        """
        responses = np.asarray(responses, np.float64)
        if not np.isfinite(responses).all():
            raise ValueError("responses hold NaN or infinity; exclude those units or trials")
        tier = tiers(tier, len(responses))
        rows, check = split_validation(tier, self.random_state, stimuli)
        images = np.asarray(stimuli[:], np.float32)
        self.shape_ = images.shape[1:]
        self.offset = images[rows].mean(axis=(0, 2, 3), keepdims=True)[0]
        images = images - self.offset
        self._bank()
        self.rates_ = bool(responses[rows].min() >= 0)
        self.scale_ = responses[rows].std(axis=0)
        y = responses / np.where(self.scale_ > 0, self.scale_, 1)
        self._search(images[rows], y[rows])
        seen = unit_correlation(self._respond(images[check]), y[check])
        if refit:
            self._read(images, y, np.concatenate([rows, check]))
        test = np.flatnonzero(tier == "test")
        self.validation_, self.test_correlation_ = float(seen.mean()), seen
        if len(test):
            self.test_correlation_ = unit_correlation(self._respond(images[test]), y[test])
        if log:
            log(
                f"energies at one place: {len(self.weights_)} features, mean test correlation "
                f"{self.test_correlation_.mean():.3f}"
            )
        return self

    def _bank(self):
        self.side_ = patch_side(self.shape_)
        self.bank_ = bank(self.side_)

    def _features(self, patches) -> np.ndarray:
        """Features of patches (n, c, side, side), (n, n_features)."""
        features = []
        for channel in range(patches.shape[1]):
            flat = patches[:, channel].reshape(len(patches), -1).astype(np.float64)
            even, odd, blob = (flat @ kernel for kernel in self.bank_)
            energy = np.sqrt(even**2 + odd**2 + EPS)
            features += [even, odd, blob, abs(even), abs(odd), abs(blob), energy]
        return np.concatenate(features, axis=1)

    def _patches(self, images, place):
        """What is seen at a place; beyond the border lies the mean."""
        half = self.side_ // 2
        padded = getattr(self, "_padded", None)
        if padded is None or padded[0] is not images:
            wide = np.pad(images, ((0, 0), (0, 0), (half, half), (half, half)))
            self._padded = padded = (images, wide)
        row, column = place
        return padded[1][:, :, row : row + self.side_, column : column + self.side_]

    def _search(self, images, y):
        """Place, penalty and weights of every unit by the error of images left out one at a time.

        Trials of one image count as one of their number, and are left out together.
        """
        y, first, count = average_repeats(y, content_ids(images))
        images, y = images[first], y.astype(np.float64)
        likely = position_map(images, y).reshape(y.shape[1], -1).argmax(axis=1)
        likely = np.stack(np.unravel_index(likely, self.shape_[1:]), axis=1)
        steps = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1).T
        tried: dict = {}
        top = np.array(self.shape_[1:]) - 1
        for unit, start in enumerate(likely):
            for place in {tuple(p) for p in np.clip(start + steps, 0, top).tolist()}:
                tried.setdefault(place, []).append(unit)
        least = np.full(y.shape[1], np.inf)
        self.place_, self.penalty_ = np.zeros((y.shape[1], 2), int), np.zeros(y.shape[1])
        self._no_weights(images, y.shape[1])
        for place in sorted(tried):
            units = np.array(tried[place])
            x = self._features(self._patches(images, place))
            path = RidgePath(x, y[:, units], count)
            for penalty, error in self._left_out(path, x, y[:, units], count):
                better = error < least[units]
                least[units[better]] = error[better]
                self.place_[units[better]], self.penalty_[units[better]] = place, penalty
            self._solve(path, x, units[(self.place_[units] == place).all(axis=1)], units)
        del self._padded

    def _left_out(self, path, x, y, count):
        """Mean squared error of left-out images per unit, for every penalty."""
        scores, share = path.project(x), count / count.sum()
        for penalty in PENALTIES:
            level = penalty * _unit(path, x)
            rest = y - path.y_mean - scores @ path.weights(level)
            free = 1 - share - count * path.leverage(scores, level)
            yield penalty, share @ (rest / free[:, None]) ** 2

    def _no_weights(self, images, n_units):
        n_features = self._features(self._patches(images[:1], (0, 0))).shape[1]
        self.weights_, self.bias_ = np.zeros((n_features, n_units)), np.zeros(n_units)
        del self._padded

    def _solve(self, path, x, units, targets):
        """Weights of some units at their penalties; `targets` are those that the path knows."""
        for penalty in np.unique(self.penalty_[units]):
            same = units[self.penalty_[units] == penalty]
            coef, bias = path.solve(penalty * _unit(path, x))
            columns = np.searchsorted(targets, same)
            self.weights_[:, same], self.bias_[same] = coef[:, columns], bias[columns]

    def _read(self, images, y, rows):
        """Readout weights of all units from some rows."""
        used = images[rows]
        for place, units in self._by_place():
            x = self._features(self._patches(used, place))
            self._solve(RidgePath(x, y[rows][:, units]), x, units, units)
        del self._padded

    def _by_place(self):
        for place in np.unique(self.place_, axis=0):
            yield tuple(place), np.flatnonzero((self.place_ == place).all(axis=1))

    def _respond(self, images) -> np.ndarray:
        drive = np.empty((len(images), len(self.bias_)))
        for place, units in self._by_place():
            x = self._features(self._patches(images, place))
            drive[:, units] = x @ self.weights_[:, units] + self.bias_[units]
        del self._padded
        return np.logaddexp(0, 4 * drive) / 4 if self.rates_ else drive

    def predict(self, stimuli) -> np.ndarray:
        """Responses (n, n_units) in units of the training standard deviation."""
        self._check_fitted("weights_")
        return self._respond(np.asarray(stimuli[:], np.float32) - self.offset)

    def centred(self, crop=True):
        """All units looking at the centre; stimuli are deviations of the size of the patch."""
        return _Centred(self)


class _Centred:
    """Readout of filters and energies of one patch."""

    def __init__(self, twin):
        import torch

        self.filters = [torch.as_tensor(kernel.astype(np.float32)) for kernel in twin.bank_]
        self.weights = torch.as_tensor(twin.weights_.astype(np.float32))
        self.bias = torch.as_tensor(twin.bias_.astype(np.float32))
        self.stimulus_shape = (twin.shape_[0], twin.side_, twin.side_)
        first = [(length - twin.side_) // 2 for length in twin.shape_[1:]]
        sides = (slice(start, start + twin.side_) for start in first)
        self.cut, self.messages = (slice(None), slice(None), *sides), []
        self.rates = twin.rates_

    def __call__(self, x):
        import torch

        features = []
        for channel in range(x.shape[1]):
            flat = x[:, channel].reshape(len(x), -1)
            even, odd, blob = (flat @ kernel.to(x) for kernel in self.filters)
            energy = (even**2 + odd**2 + EPS).sqrt()
            features += [even, odd, blob, even.abs(), odd.abs(), blob.abs(), energy]
        drive = torch.cat(features, dim=1) @ self.weights.to(x) + self.bias.to(x)
        return torch.nn.functional.softplus(4 * drive) / 4 if self.rates else drive


def _unit(path, x) -> float:
    """Mean sum of squares of a feature."""
    return float(path.values.sum()) / x.shape[1] or 1.0
