"""Twins with a linear readout: lags of one-dimensional stimuli, or frozen image features."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem
from neuro.mds.twin.image import Regression, split_validation, tiers
from neuro.mds.twin.ridges import by_units, correlation_in, mean_and_sd, scaled
from neuro.stats.splits import apart, shared_windows


def lagged(stimuli, n_lags) -> np.ndarray:
    """Windows of a continuous stimulus, oldest sample first; the start is padded with zeros.

    Parameters
    ----------
    stimuli : array, shape (n_samples, c)
    n_lags : int

    Returns
    -------
    ndarray of float32, shape (n_samples, n_lags, c)
    """
    stimuli = np.asarray(stimuli, np.float32)
    padded = np.concatenate([np.zeros((n_lags - 1, stimuli.shape[1]), np.float32), stimuli])
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_lags, axis=0)
    return windows.transpose(0, 2, 1)


class TemporalTwin(Regression):
    """Predict units from the last samples of a one-dimensional stimulus.

    Parameters
    ----------
    n_lags : int, default 64
        Samples of a window; also the length of a most discriminative stimulus.
    random_state : int, default 0

    Attributes
    ----------
    filters_ : ndarray, shape (n_units, n_lags, c)
        Oldest sample first, for the deviation from `offset`, in units of `scale_`.
    bias_ : ndarray, shape (n_units,)
        Of the regression; the clustering does without it.
    test_correlation_ : ndarray, shape (n_units,)
        On the tier `test`; without one that of the fit that had not seen the validation part.
    validation_ : float
        Mean correlation with the validation part, of the fit that had not seen it.
    shared_ : int
        Test windows that touch samples of training windows, of a continuous recording: 0.

    Notes
    -----
    Ridge regression. The regression judges the fit; for the search the filters get length 1 and
    the rectifier softplus(4u)/4, so that a unit has a direction it prefers.
    """

    kind = "temporal"

    def __init__(self, n_lags=64, random_state=0):
        self.n_lags, self.random_state = n_lags, random_state

    def fit(self, stimuli, responses, tier=None, log=None):
        """Fit on `train` and `validation`, judge on `test`.

        Parameters
        ----------
        stimuli : array, shape (n_samples, c), or clips (n_trials, n_lags, c)
        responses : array, shape (n, n_units)
        tier : array of str, shape (n,), optional
            Default: all train.
        log : callable, optional

        Returns
        -------
        self

        Raises
        ------
        InputProblem
            When windows are so long that no test sample lies apart from training.
        """
        stimuli = np.asarray(stimuli[:], np.float32)
        responses = np.asarray(responses)
        tier = tiers(tier, len(responses))
        used = np.isin(tier, ("train", "validation"))
        self.offset = stimuli[used].mean(axis=tuple(range(stimuli.ndim - 1)))
        if stimuli.ndim == 2:
            # every window of the test lies apart from all of the training
            given, place = tier == "test", np.arange(len(tier))
            tier = apart(tier, place, self.n_lags)
            self.shared_ = shared_windows(place, used, tier == "test", self.n_lags)
            if given.any() and not (tier == "test").any():
                raise InputProblem(
                    f"mds.twin.n_lags: windows of {self.n_lags} samples leave no test sample that "
                    f"lies apart from training in {len(tier)} samples; use less"
                )
        windows = self._windows(stimuli, self.n_lags)
        # A block at the end: neighbours in time are alike, a random draw would tell little.
        rows = np.flatnonzero(tier == "train")
        check = np.flatnonzero(tier == "validation")
        if not len(check) and stimuli.ndim == 2:
            cut = int(0.9 * len(rows))
            rows, check = rows[: max(cut - self.n_lags, 1)], rows[cut:]
        elif not len(check):
            rows, check = split_validation(tier, self.random_state, stimuli)
        flat = windows.reshape(len(windows), -1)
        _, self.scale_ = mean_and_sd(responses, used)
        y, n_units = scaled(responses, self.scale_), responses.shape[1]
        weights, self.bias_, self.penalty_, seen = by_units(flat, y, n_units, rows, check)
        self.filters_ = weights.T.reshape(-1, *windows.shape[1:])
        test = np.flatnonzero(tier == "test")
        self.validation_ = float(seen.mean())
        self.test_correlation_ = seen
        if len(test):
            self.test_correlation_ = correlation_in(flat, weights, self.bias_, y, test)
        if log:
            log(
                f"ridge on {flat.shape[1]} lags, penalty {self.penalty_:g}, mean test correlation "
                f"{self.test_correlation_.mean():.3f}"
            )
        return self

    def _windows(self, stimuli, n_lags):
        deviations = stimuli - self.offset
        return deviations if stimuli.ndim == 3 else lagged(deviations, n_lags)

    def predict(self, stimuli) -> np.ndarray:
        """Prediction of the regression in units of the training standard deviation."""
        self._check_fitted("filters_")
        windows = self._windows(np.asarray(stimuli, np.float32), self.filters_.shape[1])
        flat = windows.reshape(len(windows), -1)
        return flat @ self.filters_.reshape(len(self.filters_), -1).T + self.bias_

    def training_stimuli(self, stimuli, n=2000) -> np.ndarray:
        """Windows of the training stimuli, offset included, evenly spread, (n, n_lags, c)."""
        stimuli = np.asarray(stimuli, np.float32)
        if stimuli.ndim == 3:
            return stimuli
        n_lags = self.filters_.shape[1]
        ends = np.linspace(n_lags - 1, len(stimuli) - 1, min(n, len(stimuli))).astype(int)
        return lagged(stimuli, n_lags)[ends]

    def centred(self, crop=True):
        """Rectified responses to windows (n, n_lags, c) of deviations; nothing to crop."""
        return _Rectified(self.filters_)

    def make_cells(self, n_per_unit=10, noise=0.1, random_state=0):
        """Cells made from every unit: filters with noise. Not recorded cells.

        Filters get length 1 for the search, so cells that differ in gain would be the same.

        Parameters
        ----------
        n_per_unit : int, default 10
        noise : float, default 0.1
            Of the filter, relative to its root mean square.
        random_state : int, default 0

        Returns
        -------
        twin : TemporalTwin
        source : ndarray of int, shape (n_units * n_per_unit,)
            Unit that each cell was made from.
        """
        rng = np.random.default_rng(random_state)
        source = np.repeat(np.arange(len(self.filters_)), n_per_unit)
        filters = self.filters_[source]
        size = np.sqrt((filters**2).mean(axis=(1, 2), keepdims=True))
        filters = filters + noise * size * rng.standard_normal(filters.shape)
        made = TemporalTwin(self.filters_.shape[1], self.random_state)
        made.offset, made.bias_ = self.offset, self.bias_[source]
        made.penalty_, made.scale_ = self.penalty_, self.scale_[source]
        made.filters_ = filters
        made.test_correlation_ = self.test_correlation_[source]
        return made, source


class _Rectified:
    """softplus(4u)/4 of filters of length one."""

    def __init__(self, filters):
        import torch

        flat = filters.reshape(len(filters), -1)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        self.weights = torch.as_tensor(
            (flat / np.where(length > 0, length, 1)).T.astype(np.float32)
        )
        self.stimulus_shape, self.cut, self.messages = filters.shape[1:], None, []

    def __call__(self, x):
        import torch

        weights = self.weights.to(x)
        return torch.nn.functional.softplus(4 * (x.reshape(len(x), -1) @ weights)) / 4


class EncoderTwin(Regression):
    """Predict voxels or units from frozen image features and a linear readout.

    Parameters
    ----------
    backbone : str or object, default "pool2"
        "pixels", "pool2" (means of 2 x 2 pixels), or a backbone of :mod:`neuro.encoding`.
    rectify : bool, default False
        Whether responses below the mean count less, softplus(4u)/4.
    random_state : int, default 0

    Attributes
    ----------
    weights_, bias_ : ndarray
        Readout of the features, in units of `scale_`.
    test_correlation_, validation_ : ndarray, shape (n_units,), float
        As those of :class:`TemporalTwin`.

    Notes
    -----
    Pixels keep their place: with such features what a voxel prefers is mostly where its
    receptive field lies, and clusters are spatial clusters.
    """

    kind = "encoder"

    def __init__(self, backbone="pool2", random_state=0):
        self.backbone, self.random_state = backbone, random_state

    def fit(self, stimuli, responses, tier=None, log=None, refit=True):
        """Fit on `train` and `validation`, judge on `test`.

        Parameters
        ----------
        stimuli : array, shape (n_trials, c, h, w)
        responses : array, shape (n_trials, n_units)
        tier : array of str, shape (n_trials,), optional
            Default: all train.
        log : callable, optional
        refit : bool, default True
            Whether the validation trials are learned from as well in the end.

        Returns
        -------
        self
        """
        responses = np.asarray(responses)
        tier = tiers(tier, len(responses))
        rows, check = split_validation(tier, self.random_state, stimuli)
        used = np.concatenate([rows, check])
        images = np.asarray(stimuli[:], np.float32)
        self.shape_ = images.shape[1:]
        self.offset = images[used].mean(axis=(0, 2, 3), keepdims=True)[0]
        self._make_backbone(images)
        features = self.features(images)
        self.mean_, self.scale_ = mean_and_sd(responses, used)
        y, n_units = scaled(responses, self.scale_, self.mean_), responses.shape[1]
        self.weights_, self.bias_, self.penalty_, seen = by_units(
            features, y, n_units, rows, check, refit=refit
        )
        test = np.flatnonzero(tier == "test")
        self.validation_ = float(seen.mean())
        self.test_correlation_ = seen
        if len(test):
            self.test_correlation_ = correlation_in(features, self.weights_, self.bias_, y, test)
        if log:
            log(
                f"{self.backbone}: {features.shape[1]} features, penalty {self.penalty_:g}, mean "
                f"test correlation {self.test_correlation_.mean():.3f}"
            )
        return self

    def _make_backbone(self, images):
        self.backbone_ = None
        if self.backbone in ("pixels", "pool2"):
            return
        from neuro.encoding import backbones

        self.backbone_ = backbones.make(self.backbone, images.shape)

    def _features(self, x):
        """Features of a tensor of images, offset included, (n, n_features)."""
        import torch

        if self.backbone_ is not None:
            return self.backbone_.features(x.clamp(0, 1))
        if self.backbone == "pool2":
            x = torch.nn.functional.avg_pool2d(x, 2)
        return x.reshape(len(x), -1)

    def features(self, images) -> np.ndarray:
        """Features of images (n, c, h, w)."""
        import torch

        with torch.no_grad():
            parts = [
                self._features(torch.as_tensor(np.asarray(images[k : k + 250], np.float32)))
                for k in range(0, len(images), 250)
            ]
        return torch.cat(parts).numpy()

    def predict(self, stimuli) -> np.ndarray:
        """Responses in units of the training standard deviation, mean zero."""
        self._check_fitted("weights_")
        return self.features(stimuli) @ self.weights_ + self.bias_

    def centred(self, crop=True):
        """Responses to deviations from `offset`; features have no common position to move to."""
        return _Encoded(self)


class _Encoded:
    def __init__(self, twin):
        import torch

        self.twin, self.stimulus_shape, self.cut, self.messages = twin, twin.shape_, None, []
        self.weights = torch.as_tensor(twin.weights_.astype(np.float32))
        self.bias = torch.as_tensor(twin.bias_.astype(np.float32))
        self.offset = torch.as_tensor(twin.offset)

    def natural_norm(self, responses, units=None):
        """Norm at which a unit's best stimulus drives it as much as its best training stimulus.

        A linear readout grows without end along directions that images hardly ever take; with
        the norm of whole images every unit would get a cluster of its own. None for features
        that are not linear in the pixels.

        Parameters
        ----------
        responses : ndarray, shape (n, n_units)
            To training stimuli.
        units : sequence of int, optional
            Those that count; default all.

        Returns
        -------
        float or None
        """
        if self.twin.backbone_ is not None:
            return None
        # The mean of four pixels has a gradient of norm 1/2.
        slope = np.linalg.norm(self.twin.weights_, axis=0)
        slope = slope / 2 if self.twin.backbone == "pool2" else slope
        peak = (responses - responses.mean(axis=0)).max(axis=0)
        units = np.arange(len(slope)) if units is None else np.asarray(units)
        units = units[slope[units] > 0]
        return float(np.median(peak[units] / slope[units]))

    def __call__(self, x):
        features = self.twin._features(x + self.offset.to(x))
        return features @ self.weights.to(features) + self.bias.to(features)
