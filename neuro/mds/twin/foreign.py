"""Twins that others trained, from their weights; verified by stored predictions."""

from __future__ import annotations

import numpy as np

from neuro.encoding.verified import stored_predictions
from neuro.mds.twin import candidates, inferred
from neuro.mds.twin.core import CentredTwin, unit_correlation
from neuro.mds.twin.image import Regression, tiers


class Foreign(Regression):
    """What twins of others share: nothing is trained, the fit is judged."""

    offset: np.ndarray

    def fit(self, stimuli, responses, tier=None, log=None):
        """Nothing is trained; the fit is judged on the tier `test`."""
        tier = tiers(tier, len(responses))
        rows = np.flatnonzero(tier == "test")
        rows = rows if len(rows) else np.arange(len(tier))
        self.scale_ = np.asarray(responses, np.float64)[tier == "train"].std(axis=0)
        guess = self.predict(np.asarray(stimuli[rows]))
        self.test_correlation_ = unit_correlation(guess, np.asarray(responses)[rows])
        return self


class CheckpointTwin(Foreign):
    """A network of neuralpredictors that was trained elsewhere, from its state dict.

    Stacked 2-D cores (plain or depth-separable, with skips), readouts `FullGaussian2d`,
    `Gaussian2d` and `PointPooled2d`, one or several sessions, a shifter or none. What the weights
    do not say is found by stored predictions, see :mod:`neuro.mds.twin.inferred`.

    Parameters
    ----------
    path : path-like
        Read with `weights_only=True`: no code in the file is run.
    shape : (int, int, int)
        Channels, height and width of the stimuli.
    n_units : int, optional
        Units of the recording, to compare with the file.
    predictions : path-like, optional
        See :func:`neuro.encoding.verified.stored_predictions`; not needed for the weights of a
        twin trained here.

    Attributes
    ----------
    options_ : neuro.mds.twin.inferred.Options

    Raises
    ------
    ValueError
        When the file cannot be read, lacks a part, has other shapes, or when no predictions are
        given, none or several of the possible networks give them.
    """

    kind = "checkpoint"

    def __init__(self, path, shape, n_units=None, predictions=None):
        import torch

        self.path, self.shape, self.n_units = path, shape, n_units
        self.predictions = predictions
        try:
            content = torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:
            reason = str(error).splitlines()[0][:50] if str(error) else type(error).__name__
            raise ValueError(f"{path}: not a readable checkpoint of tensors ({reason})") from None
        content = content.get("state_dict", content) if isinstance(content, dict) else content
        if not isinstance(content, dict) or not all(
            isinstance(value, torch.Tensor) for value in content.values()
        ):
            raise ValueError(f"{path}: expected a state dict of tensors; save model.state_dict()")
        try:
            network = inferred.Network(content)
            _fits(network, shape, n_units)
            self._take(content, network, tuple(shape), self._options(content, network))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_state(cls, state, shape, options):
        """A twin from a state dict and all options, such as :mod:`neuro.mds.twin.files` wrote."""
        twin = cls.__new__(cls)
        twin.path, twin.shape, twin.n_units = None, tuple(shape), None
        twin.predictions = None
        twin._take(state, inferred.Network(state), tuple(shape), inferred.Options(**options))
        return twin

    def _take(self, state, network, shape, options):
        self.state_, self.network_, self.shape_, self.options_ = state, network, shape, options
        self.offset = np.zeros((shape[0], 1, 1), np.float32)

    def _options(self, content, network):
        if {"readout.mu", "readout.weights"} <= content.keys():
            return trained_here(network)
        if self.predictions is None:
            raise ValueError(
                "weights do not tell padding, strides, nonlinearities, corners and output; give "
                "mds.twin.predictions, a .npz with 'images' and the network's 'predictions'"
            )
        return candidates.infer(network, *stored_predictions(self.predictions))

    @property
    def weights(self) -> np.ndarray:
        """Readout weights (n_features, n_units)."""
        return self.network_.readouts[self.options_.session]["weights"].numpy()

    def predict(self, stimuli) -> np.ndarray:
        """Responses (n, n_units) as the checkpoint gives them."""
        import torch

        with torch.no_grad():
            parts = [
                inferred.respond(
                    self.network_,
                    torch.as_tensor(np.asarray(stimuli[k : k + 250], np.float32)),
                    self.options_,
                )
                for k in range(0, len(stimuli), 250)
            ]
        return torch.cat(parts).numpy()

    def centred(self, crop=True):
        """The twin with all receptive fields at the centre."""
        plain = _plain_state(self.network_, self.options_)
        if plain is None:
            return _Centred(self)
        head = self.network_.readouts[self.options_.session]
        stack = "last" if len(self.options_.stack) == 1 else "all"
        return CentredTwin(
            plain, head["weights"], head["bias"], self.shape_, stack=stack, crop=crop
        )


def trained_here(network) -> inferred.Options:
    """Options of a twin of :class:`neuro.mds.twin.image.Twin`."""
    (session, head), *_ = network.readouts.items()
    n = network.n_layers
    last = len(head["weights"]) == network.width(n - 1)
    return inferred.Options(
        hidden_padding=tuple(network.kernel(k) // 2 for k in range(1, n)),
        stack=(n - 1,) if last else tuple(range(n)),
        session=session,
    )


def _fits(network, shape, n_units):
    first = network.layers[0]["conv.weight"]
    if first.shape[1] != shape[0]:
        raise ValueError(
            f"first layer of shape {tuple(first.shape)} takes {first.shape[1]} "
            f"channels, the stimuli have {shape[0]}"
        )
    outputs = [network.width(k) for k in range(network.n_layers)]
    units = []
    for head in network.readouts.values():
        width, n = head["weights"].shape
        units.append(n)
        if not head["pooled"] and width > sum(outputs):
            raise ValueError(
                f"readout of {width} features, the core's layers give {'+'.join(map(str, outputs))}"
            )
        if not head["pooled"] and not candidates.stacks(network, width):
            raise ValueError(
                f"readout of {width} features, the core's layers give "
                f"{'+'.join(map(str, outputs))}; expected one or several of them"
            )
        if "mu" in head and len(head["mu"]) != n:
            raise ValueError(f"{len(head['mu'])} positions for {n} units")
    if n_units is not None and n_units not in units:
        sizes = " and ".join(map(str, units))
        raise ValueError(f"readout of {sizes} units, the recording has {n_units}")


def _plain_state(network, options):
    """State in the names of :class:`CentredTwin`, or None where it has no words for a part."""
    n = network.n_layers
    same = tuple(network.kernel(k) // 2 for k in range(1, n))
    odd = all(network.kernel(k) % 2 for k in range(n))
    known = {"conv", "norm"}
    parts = {name.split(".")[0] for layer in network.layers for name in layer}
    skips = any(
        network.layers[k]["conv.weight"].shape[1] != network.width(k - 1)
        for k in range(1, n)
        if "conv.weight" in network.layers[k]
    )
    usual = (
        options.pad_input
        and odd
        and options.hidden_padding == same
        and (options.stride, options.dilation) == (1, 1)
        and not options.linear
        and options.final_nonlinearity
        and options.elu_shift == (0.0, 0.0)
        and options.output == "elu + 1"
        and not options.pool_kern
        and options.stack in ((n - 1,), tuple(range(n)))
    )
    if not usual or parts - known or skips:
        return None
    return {
        f"core.features.layer{k}.{name}": value
        for k, layer in enumerate(network.layers)
        for name, value in layer.items()
        if not name.endswith("num_batches_tracked")
    }


class _Centred:
    """A checkpoint of any kind with all receptive fields at the centre, on the full canvas."""

    def __init__(self, twin):
        self.network, self.options = twin.network_, twin.options_
        self.stimulus_shape, self.cut = twin.shape_, None
        self.messages = ["crop: not for this kind of core; the full canvas is used"]

    def __call__(self, x):
        self.network = inferred.placed(self.network, x.device)
        outputs = inferred.features(self.network, x, self.options)
        return inferred.read(self.network, outputs, self.options, x.new_zeros((1, 2)))
