"""What a sampler gives, its presets, and how a decoder's output becomes a picture."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np

from neuro.io.problems import InputProblem

PRESETS = {
    "robust": {"strength": "ratio", "value": 0.2, "sag_scale": 0.0, "steps": 25, "dtype": "auto"},
    "paper": {
        "strength": "gamma",
        "value": 130.0,
        "sag_scale": 0.75,
        "steps": 50,
        "dtype": "float16",
    },
}


@dataclasses.dataclass(frozen=True)
class GuidedBatch:
    """Images of a set of seeds.

    Attributes
    ----------
    images, unguided : ndarray of float32, shape (n, 3, h, w)
        In [0, 1]. `unguided` starts from the same noise.
    trace : list of list of dict
        Per seed and step: t, activation, ratio.
    correction_ratio : ndarray, shape (n,)
        rms of the correction over rms of the noise prediction, mean over the guided steps.
    finite : ndarray of bool, shape (n,)
        False for a seed whose gradient or image was not finite; its image is not to be used.
    """

    images: np.ndarray
    unguided: np.ndarray
    trace: list
    correction_ratio: np.ndarray
    finite: np.ndarray


@contextlib.contextmanager
def compiling():
    """A compiler that fails is a setting to change, not a traceback."""
    import torch

    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        text = (str(error).strip().splitlines() or ["no reason given"])[0][:70]
        raise InputProblem(
            f"braindive.compile: torch cannot compile here ({text}); set it to false"
        ) from None


def picture(decoded):
    """Decoder output as float image in [0, 1]; no gradient where it is saturated."""
    decoded = decoded if decoded.dtype.itemsize >= 4 else decoded.float()
    return (decoded / 2 + 0.5).clamp(0, 1)
