"""Frozen image features: CLIP from a local folder, pixels, Gabor energies, small networks.

A backbone is a function of images and nothing else; gradients flow through it to the pixels.
"""

from __future__ import annotations

import json

import numpy as np

from neuro.encoding import towers
from neuro.encoding.network import Backbone
from neuro.io.problems import InputProblem

NAMES = ("clip", "tiny", "tiny_cnn", "pixels", "gabor", "dinov2", "siglip", "convnext")
ALIASES = {"clip_b16": "clip", "tiny_vit": "tiny"}


class Pixels(Backbone):
    """Pixel values, means over squares of `pool` pixels."""

    def __init__(self, size, channels=3, pool=2, antialias=True):
        super().__init__("pixels", size, (0.5,) * channels, (1.0,) * channels, antialias=antialias)
        self.details = {"channels": channels, "pool": pool}

    def _features(self, x):
        from torch.nn import functional

        pool = self.details["pool"]
        return (functional.avg_pool2d(x, pool) if pool > 1 else x).flatten(1)


class Gabor(Backbone):
    """Energies of Gabor filters: three scales, four orientations, means over a grid of places.

    The energy of a filter pair is `sqrt(even^2 + odd^2)` of the grey image, averaged over a grid
    of 4 x 4 places, then log(0.01 + energy).
    """

    def __init__(self, size, grid=4, orientations=4, scales=3, antialias=True):
        super().__init__("gabor", size, (0.5,), (1.0,), antialias=antialias)
        self.details = {"grid": grid, "orientations": orientations, "scales": scales}
        self._bank = None

    def _filters(self, x):
        import torch

        if self._bank is None or self._bank[0].device != x.device or self._bank[0].dtype != x.dtype:
            bank = []
            for scale in range(self.details["scales"]):
                wave = self.size / 8 * 2**scale / 2
                half = max(2, round(wave))
                y, x_ = np.mgrid[-half : half + 1, -half : half + 1]
                window = np.exp(-(x_**2 + y**2) / (2 * (0.4 * wave) ** 2))
                pairs = []
                for number in range(self.details["orientations"]):
                    angle = np.pi * number / self.details["orientations"]
                    phase = 2 * np.pi / wave * (np.cos(angle) * x_ + np.sin(angle) * y)
                    even, odd = window * np.cos(phase), window * np.sin(phase)
                    even -= window * even.sum() / window.sum()
                    pairs += [even / np.abs(even).sum(), odd / np.abs(odd).sum()]
                kernel = np.stack(pairs)[:, None]
                bank.append(torch.as_tensor(kernel, dtype=x.dtype, device=x.device))
            self._bank = bank
        return self._bank

    def _features(self, x):
        import torch
        from torch.nn import functional

        grey = x.mean(dim=1, keepdim=True)
        energies = []
        for kernel in self._filters(x):
            half = kernel.shape[-1] // 2
            padded = functional.pad(grey, (half,) * 4, mode="replicate")
            pair = functional.conv2d(padded, kernel).unflatten(1, (-1, 2))
            energy = (pair.pow(2).sum(dim=2) + 1e-8).sqrt()
            energy = functional.adaptive_avg_pool2d(energy, self.details["grid"])
            energies.append(energy.flatten(1))
        return (torch.cat(energies, dim=1) + 0.01).log()


def clip(path, *, antialias=True) -> Backbone:
    """The image tower of CLIP with its projection; see :func:`neuro.encoding.towers.load`."""
    return towers.load("clip", path, antialias=antialias)


def make(name, images_shape, path=None, *, antialias=True) -> Backbone:
    """A backbone by name for images of one shape.

    Parameters
    ----------
    name : {'clip', 'dinov2', 'siglip', 'convnext', 'tiny', 'tiny_cnn', 'pixels', 'gabor'}
        The small networks are trained by :func:`neuro.encoding.tiny.train` or read from `path`.
    images_shape : tuple
        (..., channels, height, width).
    path : path-like, optional
        Folder of a network of transformers, or a `.safetensors` file that holds a small network.
    antialias : bool

    Raises
    ------
    InputProblem
        When the name is unknown or the weights are missing.
    """
    name = ALIASES.get(name, name)
    channels, height, width = images_shape[-3:]
    if name in towers.TOWERS:
        return towers.load(name, path, antialias=antialias)
    if name == "pixels":
        pool = 2 if max(height, width) <= 64 else 1
        return Pixels(min(max(height, width), 64), channels, pool, antialias)
    if name == "gabor":
        return Gabor(min(max(height, width), 64), antialias=antialias)
    if name in ("tiny", "tiny_cnn"):
        from neuro.encoding import tiny

        if path is None:
            raise InputProblem(
                f"backbone {name}: no weights; fit trains one, or give a .safetensors file"
            )
        return tiny.load(path)
    raise InputProblem(f"backbone: got '{name}', expected one of {', '.join(NAMES)}")


def restore(settings: dict, state: dict, path=None) -> Backbone:
    """The backbone that :meth:`Backbone.settings` and :meth:`Backbone.state` describe."""
    name, antialias = settings["name"], settings["antialias"]
    if name == "pixels":
        return Pixels(settings["size"], settings["channels"], settings["pool"], antialias)
    if name == "gabor":
        details = {key: settings[key] for key in ("grid", "orientations", "scales")}
        return Gabor(settings["size"], **details, antialias=antialias)
    if name in towers.TOWERS:
        backbone = towers.load(name, path, antialias=antialias)
        if settings["sha256"] != backbone.sha256:
            raise InputProblem(
                f"{path}: other weights than those the encoder was fitted with "
                f"(sha256 {backbone.sha256[:12]}, expected {settings['sha256'][:12]})"
            )
        backbone.unit_norm = settings["unit_norm"]
        return backbone
    from neuro.encoding import foreign, tiny

    if name in ("module", "vit_b_32"):
        return foreign.restore(settings, state, path)
    return tiny.build(settings, state)


def dumps(settings: dict) -> str:
    """Settings as JSON text for the header of a file."""
    return json.dumps(settings, sort_keys=True)
