"""From a twin and its training stimuli to what the search needs: scale, norm, range, crop."""

from __future__ import annotations

import dataclasses

import numpy as np

N_SCALE = 2000
"""Training stimuli over which a unit's scale is measured, at most."""
N_PROBE = 500
"""Of these, stimuli whose responses are the units' features, evenly spread, at most."""


@dataclasses.dataclass
class Prepared:
    """A twin made ready for the search.

    Attributes
    ----------
    model : callable
        (B, *shape) tensor -> (B, n_units): receptive fields at one position, divided by `scale`.
    shape : tuple of int
    n_units : int
    scale : ndarray, shape (n_units,)
        Standard deviation of each unit's predicted response over the training stimuli.
    norm, low, high : float, ndarray, ndarray
        L2 norm and bounds of a stimulus, the bounds broadcast against `shape`.
    offset : ndarray
        Added to a stimulus before it is shown; stimuli are deviations from it.
    messages : list of str
    probe : ndarray, shape (n, n_units), or None
        Predicted responses to training stimuli; None without them.
    """

    model: object
    shape: tuple
    n_units: int
    scale: np.ndarray
    norm: float
    low: np.ndarray
    high: np.ndarray
    offset: np.ndarray
    messages: list
    probe: np.ndarray | None = None


def prepare(twin, stimuli=None, *, norm="auto", clip="auto", crop=True, window=None, device="cpu"):
    """Make a twin ready.

    Parameters
    ----------
    twin : callable
        With a method `centred(crop)` receptive fields are moved to one position first.
    stimuli : array, shape (n, *stim_shape), optional
        Training stimuli, for scale, norm and range.
    norm : float or "auto"
        "auto" is the median norm of the training stimuli on the crop; for a linear readout of
        pixels at most what drives units as much as the best training stimulus.
    clip : sequence, None or "auto"
        (low, high), or one such pair per channel; "auto" is the range of the training stimuli
        per channel; None does not clip.
    crop : bool
    window : (int, int), optional
        Frames of a twin that returns traces (B, n_frames, n_units); the response is their mean.
    device : str

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        For a norm that is not positive, a range that is none, or "auto" without stimuli.
    """
    import torch

    messages = []
    model, cut = twin, None
    if hasattr(twin, "centred"):
        model = twin.centred(crop=crop)
        cut = getattr(model, "cut", None)
        messages += getattr(model, "messages", [])
    offset = np.asarray(getattr(twin, "offset", 0.0), np.float32)
    if stimuli is not None:
        stimuli = np.asarray(_some(stimuli, N_SCALE), np.float32)
        stimuli = stimuli - offset
        stimuli = stimuli[cut] if cut is not None else stimuli
    shape = getattr(model, "stimulus_shape", None)
    if shape is None:
        if stimuli is None:
            raise ValueError("twin: no stimulus_shape and no stimuli; give fit(twin, stimuli)")
        shape = stimuli.shape[1:]
    raw = model
    model = _windowed(raw, window)
    scale, probe = np.ones(0), None
    if stimuli is None:
        scale = np.ones(model(torch.zeros((1, *shape), device=device)).shape[1])
    else:
        with torch.no_grad():
            rows = [
                model(torch.as_tensor(stimuli[k : k + 250], device=device)).cpu().numpy()
                for k in range(0, len(stimuli), 250)
            ]
        responses = np.concatenate(rows).astype(np.float64)
        if not np.isfinite(responses).all():
            raise ValueError(
                "the twin returns non-finite responses to the training stimuli; train it again"
            )
        scale, probe = responses.std(axis=0), _some(responses, N_PROBE)
        if norm in (None, "auto") and hasattr(raw, "natural_norm"):
            natural, usual = raw.natural_norm(responses), _norm("auto", stimuli)
            norm = usual if natural is None else min(natural, usual)
    silent = scale <= 1e-8 * max(1.0, float(np.max(scale, initial=0)))
    if silent.any():
        messages.append(f"{int(silent.sum())} units whose twin does not respond are left out")
    scale = np.where(silent, np.nan, scale)
    factor = torch.as_tensor(np.where(silent, 0.0, 1 / scale), device=device)

    def scaled(x):
        return model(x) * factor.to(x.dtype)

    return Prepared(
        scaled,
        tuple(shape),
        len(scale),
        scale,
        _norm(norm, stimuli),
        *_range(clip, stimuli, tuple(shape)),
        offset,
        messages,
        probe,
    )


def _some(stimuli, n):
    if len(stimuli) <= n:
        return stimuli[:]
    return stimuli[np.linspace(0, len(stimuli) - 1, n).astype(int)]


def _windowed(model, window):
    def mean(x):
        out = model(x)
        if out.ndim == 3:
            out = (out if window is None else out[:, window[0] : window[1]]).mean(dim=1)
        return out

    return mean


def _norm(norm, stimuli):
    if norm is None or norm == "auto":
        if stimuli is None:
            raise ValueError("norm: 'auto' needs the training stimuli; give them or a number")
        norm = float(np.median(np.linalg.norm(stimuli.reshape(len(stimuli), -1), axis=1)))
    if not np.isfinite(norm) or norm <= 0:
        raise ValueError(f"norm: got {norm:g}, expected a number > 0 in units of the stimulus")
    return float(norm)


def _range(clip, stimuli, shape):
    """Bounds that broadcast against a stimulus: channels before height, or last without one."""
    channels = shape[-3] if len(shape) >= 3 else shape[-1]
    if isinstance(clip, str) and clip == "auto":
        if stimuli is None:
            raise ValueError("clip: 'auto' needs the training stimuli; give them or two numbers")
        moved = np.moveaxis(stimuli, -3 if len(shape) >= 3 else -1, 0)
        moved = moved.reshape(channels, -1)
        pairs = np.stack([moved.min(axis=1), moved.max(axis=1)], axis=1)
    elif clip is None:
        pairs = np.array([[-np.inf, np.inf]] * channels)
    else:
        pairs = np.asarray(clip, float)
        pairs = np.tile(pairs, (channels, 1)) if pairs.ndim == 1 else pairs
    if pairs.shape != (channels, 2) or not (pairs[:, 0] < pairs[:, 1]).all():
        raise ValueError(
            f"clip: got {np.asarray(clip).tolist() if clip is not None else clip}, expected "
            f"low < high, once or for each of {channels} channels"
        )
    wide = (channels, 1, 1) if len(shape) >= 3 else (channels,)
    return pairs[:, 0].reshape(wide), pairs[:, 1].reshape(wide)
