"""Backbones that only encoders of others have: a module, the transformer of BERG."""

from __future__ import annotations

from pathlib import Path

from neuro.base.provenance import checksum
from neuro.encoding import verified, vit
from neuro.encoding.network import Backbone
from neuro.io.problems import InputProblem


class ModuleBackbone(Backbone):
    """A module of the user's own, whose answers are the features.

    Parameters
    ----------
    module : str
        `file.py:function` or a TorchScript file, see :func:`neuro.encoding.verified.load_module`.
    size, channels : int
        Of the images.
    """

    def __init__(self, module, size, channels=3):
        super().__init__("module", size, (0.0,) * channels, (1.0,) * channels)
        path, _, name = str(module).rpartition(":")
        try:
            self.network = verified.load_module(module, {})
        except ValueError as error:
            raise InputProblem(str(error)) from None
        self.sha256 = checksum(Path(path or name))
        self.details = {"channels": channels}

    def _features(self, x):
        return self.network(x)


def restore(settings, state, path) -> Backbone:
    """Backbones that only fitted encoders have; see :func:`neuro.encoding.backbones.restore`.

    Parameters
    ----------
    settings : dict
        Of :meth:`Backbone.settings`.
    state : dict of str to torch.Tensor
    path : path-like
        The module, or the transformer's file: it comes from the settings, never from the file.

    Raises
    ------
    InputProblem
        When it changed since.
    """
    if path is None:
        raise InputProblem(f"backbone {settings['name']}: not part of the file; name it again")
    if settings["name"] == "module":
        made: Backbone = ModuleBackbone(path, settings["size"], settings["channels"])
    else:
        network = vit.read_network(path)
        own = {"edge": settings["size"], "crop": settings["crop"]}
        made = vit.LayerFeatures(network, state, **own, sha256=checksum(Path(path)))
    if made.sha256 != settings["sha256"]:
        raise InputProblem(f"{path}: it changed since the encoder was read; run again")
    return made
