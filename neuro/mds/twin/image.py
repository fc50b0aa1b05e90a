"""A digital twin of units that see images: convolutional core, Gaussian readout."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from neuro.base.estimator import Params
from neuro.mds.twin.core import CentredTwin, core, readout, start_positions, unit_correlation
from neuro.mds.twin.training import train
from neuro.stats.splits import content_ids, hold_out

KERNELS = (7, 3, 5)
CHANNELS = 16


def split_validation(tier, random_state=0, stimuli=None) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training and for validation; one in ten training stimuli where none are named.

    Parameters
    ----------
    tier : sequence of str, length n_trials
    random_state : int
    stimuli : array, shape (n_trials, ...), optional
        Equal ones stay together.

    Returns
    -------
    train, validation : ndarray of int

    Raises
    ------
    ValueError
        When there are fewer than ten training trials.
    """
    tier = np.asarray(tier)
    train, validation = np.flatnonzero(tier == "train"), np.flatnonzero(tier == "validation")
    if len(train) < 10:
        raise ValueError(f"{len(train)} training trials, expected at least 10 to train a twin")
    if not len(validation):
        family = np.arange(len(tier)) if stimuli is None else content_ids(stimuli)
        n_held = len(np.unique(family[train])) // 10 or 1
        held = hold_out(family[train], n_held, random_state)
        train, validation = train[~held], train[held]
    return train, validation


class Regression(Params):
    """What all twins share: stimuli that need not be tables, and a score."""

    _tags: ClassVar = {"input_tags.two_d_array": False, "target_tags.required": True}

    predict: Callable[..., np.ndarray]

    def score(self, stimuli, responses) -> float:
        """Mean over units of the correlation between prediction and responses.

        Parameters
        ----------
        stimuli : array
            As for `predict`.
        responses : array, shape (n, n_units)

        Returns
        -------
        float
        """
        return float(unit_correlation(self.predict(stimuli), responses).mean())


def tiers(tier, n: int) -> np.ndarray:
    """Tier of each trial; all of them train where none is given."""
    return np.full(n, "train") if tier is None else np.asarray(tier)


class Twin(Regression):
    """Predict units from images: three convolutions, one readout position per unit.

    Parameters
    ----------
    epochs : int, default 40
    channels : int, default 16
    kernels : sequence of int, default (7, 3, 5)
    batch : int, default 64
    lr : float, default 5e-3
        Peak of the one-cycle schedule of core and readout weights.
    lr_position : float, default 1e-2
        Peak for positions and their spread.
    l1 : float, default 5e-4
        On readout weights.
    weight_decay : float, default 1e-4
        On the core.
    patience : int, default 10
        Epochs without a better validation correlation before training ends.
    unit_batch : int, default 2000
        Units whose gradients are computed at a time; bounds the memory and changes sums by
        rounding only.
    device : str, default "cpu"
    random_state : int, default 0

    Attributes
    ----------
    state_ : dict of str to tensor
        Names as in stacked cores with a full Gaussian readout.
    test_correlation_ : ndarray, shape (n_units,)
        Between prediction and single trials of the tier `test` (validation where there is none,
        which also ended the training).
    validation_ : float
        Mean validation correlation of the epoch that was kept.
    position_ : ndarray, shape (n_units, 2)
        In [-1, 1], x first.
    scale_ : ndarray, shape (n_units,)
        Standard deviation of the training responses; predictions are in these units.
    history_ : list of dict
        Loss and validation correlation per epoch.

    Notes
    -----
    Poisson loss summed over units. Positions start where responses go with the stimulus or its
    local contrast; started at the centre, energy cells stay without a fit.
    """

    kind = "conv"

    def __init__(
        self,
        epochs=40,
        channels=CHANNELS,
        kernels=KERNELS,
        batch=64,
        lr=5e-3,
        lr_position=1e-2,
        l1=5e-4,
        weight_decay=1e-4,
        patience=10,
        unit_batch=2000,
        device="cpu",
        random_state=0,
    ):
        self.epochs, self.channels, self.kernels, self.batch = epochs, channels, kernels, batch
        self.lr, self.lr_position, self.l1, self.weight_decay = lr, lr_position, l1, weight_decay
        self.patience, self.unit_batch = patience, unit_batch
        self.device, self.random_state = device, random_state

    def fit(self, stimuli, responses, tier=None, log=None):
        """Train on the tier `train`, stop by `validation`, judge on `test`.

        Parameters
        ----------
        stimuli : array, shape (n_trials, c, h, w)
        responses : array, shape (n_trials, n_units)
            Not negative.
        tier : array of str, shape (n_trials,), optional
            Default: all train, one in ten of them for stopping.
        log : callable, optional
            Gets one line per epoch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For negative or non-finite responses, or too few trials.
        """
        import torch

        responses = np.asarray(responses, np.float32)
        if not np.isfinite(responses).all():
            raise ValueError("responses hold NaN or infinity; exclude those units or trials")
        if responses.min() < 0:
            raise ValueError(
                f"responses as low as {responses.min():.3g}; a twin of type conv predicts rates "
                ">= 0, use type encoder for signed responses"
            )
        tier = tiers(tier, len(responses))
        rows, check = split_validation(tier, self.random_state, stimuli)
        x = np.asarray(stimuli[rows], np.float32)
        self.offset = x.mean(axis=(0, 2, 3), keepdims=True)[0]
        self.scale_ = responses[rows].std(axis=0)
        if not (self.scale_ > 0).all():
            raise ValueError("a unit is constant in training; exclude it")
        y = responses / self.scale_
        self.shape_ = x.shape[1:]
        torch.manual_seed(self.random_state)
        self.state_ = self._initial(x - self.offset, y[rows])
        seen = np.asarray(stimuli[check], np.float32) - self.offset
        self.history_ = train(self, x - self.offset, y[rows], seen, y[check], log)
        self.validation_ = max(entry["validation"] for entry in self.history_)
        test = np.flatnonzero(tier == "test")
        test = test if len(test) else check
        self.test_correlation_ = unit_correlation(self.predict(stimuli[test]), y[test])
        return self

    def _initial(self, x, y):
        import torch

        state, before = {}, x.shape[1]
        for number, kernel in enumerate(self.kernels):
            name = f"core.features.layer{number}"
            weight = torch.empty((self.channels, before, kernel, kernel))
            torch.nn.init.kaiming_uniform_(weight, a=5**0.5)
            state[f"{name}.conv.weight"] = weight
            state[f"{name}.norm.weight"] = torch.ones(self.channels)
            state[f"{name}.norm.bias"] = torch.zeros(self.channels)
            state[f"{name}.norm.running_mean"] = torch.zeros(self.channels)
            state[f"{name}.norm.running_var"] = torch.ones(self.channels)
            before = self.channels
        n_units = y.shape[1]
        state["readout.mu"] = torch.as_tensor(start_positions(x, y))
        state["readout.log_sigma"] = torch.full((n_units, 2), -1.5)
        state["readout.weights"] = torch.randn((self.channels, n_units)) / self.channels
        state["readout.bias"] = torch.as_tensor(np.log(y.mean(axis=0)), dtype=torch.float32)
        return {key: value.to(self.device) for key, value in state.items()}

    def _core(self, x, training=False, momentum=0.1):
        """Features of images, and in training the random displacements of all units."""
        features = core(self.state_, x, training=training, momentum=momentum)
        if not training:
            return features, None
        import torch

        shape = (len(x), *self.state_["readout.mu"].shape)
        return features, torch.randn(shape, device=x.device)

    def _readout(self, features, place, units=slice(None)):
        """Rates of a slice of units."""
        state = self.state_
        return readout(
            features,
            state["readout.weights"][:, units],
            state["readout.bias"][units],
            state["readout.mu"][units].clamp(-1, 1),
            None if place is None else state["readout.log_sigma"][units].exp() * place[:, units],
        )

    def _forward(self, x):
        import torch

        features, _ = self._core(x)
        firsts = range(0, len(self.state_["readout.bias"]), self.unit_batch)
        parts = [self._readout(features, None, slice(k, k + self.unit_batch)) for k in firsts]
        return torch.cat(parts, dim=1)

    def predict(self, stimuli) -> np.ndarray:
        """Responses in units of the training standard deviation.

        Parameters
        ----------
        stimuli : array, shape (n, c, h, w)
            As in training, the offset included.

        Returns
        -------
        ndarray of float32, shape (n, n_units)
        """
        import torch

        self._check_fitted("state_")
        parts = []
        with torch.no_grad():
            for start in range(0, len(stimuli), 250):
                x = np.asarray(stimuli[start : start + 250], np.float32) - self.offset
                parts.append(self._forward(torch.as_tensor(x, device=self.device)).cpu().numpy())
        return np.concatenate(parts)

    def centred(self, crop=True) -> CentredTwin:
        """The twin with all receptive fields at the centre; stimuli are deviations."""
        return CentredTwin(
            {key: value for key, value in self.state_.items() if key.startswith("core.")},
            self.state_["readout.weights"],
            self.state_["readout.bias"],
            self.shape_,
            crop=crop,
            device=self.device,
        )

    @property
    def position_(self) -> np.ndarray:
        """Readout positions in [-1, 1], x first."""
        return self.state_["readout.mu"].detach().clamp(-1, 1).cpu().numpy()


class MeanTwin:
    """Several twins of the same units; their mean response.

    Parameters
    ----------
    twins : list of twins
    """

    kind = "mean"

    def __init__(self, twins):
        self.twins = list(twins)
        self.offset = self.twins[0].offset
        self.test_correlation_ = np.mean([twin.test_correlation_ for twin in twins], axis=0)

    def predict(self, stimuli):
        """Mean prediction."""
        return np.mean([twin.predict(stimuli) for twin in self.twins], axis=0)

    def centred(self, crop=True):
        """All twins centred, on the same crop."""
        parts = [twin.centred(crop=crop) for twin in self.twins]
        if len({one.stimulus_shape for one in parts}) > 1:
            parts = [twin.centred(crop=False) for twin in self.twins]
        return _Mean(parts)


class _Mean:
    def __init__(self, parts):
        self.parts, self.stimulus_shape = parts, parts[0].stimulus_shape
        self.cut = getattr(parts[0], "cut", None)
        self.messages = [line for twin in parts for line in getattr(twin, "messages", [])]

    def __call__(self, x):
        return sum(twin(x) for twin in self.parts) / len(self.parts)
