"""A module of the user's own as a twin, verified by stored predictions."""

from __future__ import annotations

import numpy as np

from neuro.encoding.verified import load_module, stored_predictions, verify
from neuro.mds.twin.foreign import Foreign


class ModuleTwin(Foreign):
    """A module of the user's own, verified against stored predictions.

    Parameters
    ----------
    module : str
        `file.py:function`, which returns a `torch.nn.Module`, or a TorchScript file. The code is
        run: name only what you trust. It comes from the settings, never from a data file.
    shape : tuple of int
        Of one stimulus; movies are (frames, channels, height, width) or as the module takes them.
    n_units : int, optional
        Units of the recording.
    predictions : path-like, optional
        See :func:`stored_predictions`; asked for.
    kwargs : dict, optional
        For the function.

    Raises
    ------
    ValueError
        Without predictions; when the module cannot be loaded; when two calls differ; when an
        answer depends on the other stimuli of a batch; when the largest difference from the stored
        predictions is above 1e-4 of their range; when there is no gradient.

    Notes
    -----
    Traces (n, n_frames, n_units) are averaged over the frames. A method `centred(crop)` of the
    module is used where there is one; else receptive fields stay where they are.
    """

    kind = "module"

    def __init__(self, module, shape, n_units=None, predictions=None, kwargs=None):
        self.module, self.shape, self.n_units = module, shape, n_units
        self.predictions, self.kwargs = predictions, kwargs
        if predictions is None:
            raise ValueError(
                f"{module}: no stored predictions; give mds.twin.predictions, a .npz with 'images' "
                "and the module's 'predictions'"
            )
        self.shape_ = tuple(shape)
        self.offset = np.zeros(1, np.float32)
        self.model_ = load_module(module, kwargs or {})
        verify(self._respond, *stored_predictions(predictions), module, n_units)

    def __getstate__(self):
        # A class from the user's file has no home that pickle knows: it is loaded again.
        return {key: value for key, value in self.__dict__.items() if key != "model_"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.model_ = load_module(self.module, self.kwargs or {})

    def _respond(self, x):
        held = next(iter([*self.model_.parameters(), *self.model_.buffers()]), x)
        if held.device != x.device:
            self.model_.to(x.device)
        out = self.model_(x)
        return out.mean(dim=1) if out.ndim == 3 else out

    def predict(self, stimuli) -> np.ndarray:
        """Responses (n, n_units) as the module gives them."""
        import torch

        with torch.no_grad():
            parts = [
                self._respond(torch.as_tensor(np.asarray(stimuli[k : k + 250], np.float32)))
                for k in range(0, len(stimuli), 250)
            ]
        return torch.cat(parts).cpu().numpy()

    def centred(self, crop=True):
        """The module as it is, or what its own `centred` gives."""
        if hasattr(self.model_, "centred"):
            return self.model_.centred(crop=crop)
        return _AsItIs(self)


class _AsItIs:
    def __init__(self, twin):
        self.twin, self.stimulus_shape, self.cut = twin, twin.shape_, None
        self.messages = [
            "the module has no method 'centred': clusters follow receptive field positions as well"
        ]

    def __call__(self, x):
        return self.twin._respond(x)
