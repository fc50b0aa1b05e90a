"""Which class reads which kind of the user's folder, and how its folder is looked at."""

from __future__ import annotations

from pathlib import Path

from neuro.braindive.diffusion import flow, flow_folder, folder, memory


def check(path, kind, size=None) -> None:
    """Whether a folder holds the kind asked for; no weight is read.

    Parameters
    ----------
    path : path-like
    kind : {'sd', 'sdxl', 'sd3', 'flux'}
    size : int, optional
        Edge of the images of 'sd' and 'sdxl', px.

    Raises
    ------
    InputProblem
    """
    if kind in flow_folder.KINDS:
        flow_folder.check_flow(path, kind)
    else:
        folder.check_model(path, kind, size)


def fingerprint(path, kind) -> str:
    """SHA-256 over all that shapes a picture."""
    return flow_folder.flow_hash(path) if kind in flow_folder.KINDS else folder.weights_hash(path)


def size(path, kind, dtype) -> int:
    """Bytes of the weights once they are loaded; no weight is read."""
    if kind in flow_folder.KINDS:
        return flow_folder.flow_bytes(path, dtype)
    return folder.loaded_bytes(path, dtype, xl=kind == "sdxl")


def estimate(settings):
    """Memory of a guided step, see :func:`neuro.braindive.diffusion.memory.estimate`."""
    own = flow if settings["generator"]["type"] in flow_folder.KINDS else memory
    return own.estimate(settings)


def load(path, kind, dtype, size=None):
    """The generator of a folder.

    Parameters
    ----------
    path : path-like
    kind : {'sd', 'sdxl', 'sd3', 'flux'}
    dtype : str
    size : int, optional
        Edge of the images of 'sd' and 'sdxl', px.

    Returns
    -------
    neuro.braindive.diffusion.generator.Generator
    """
    from neuro.braindive.diffusion.stable_diffusion import DiffusersSD
    from neuro.braindive.diffusion.stable_diffusion_xl import DiffusersSDXL

    if kind in flow_folder.KINDS:
        return flow.FlowGenerator(Path(path), kind, dtype)
    return {"sd": DiffusersSD, "sdxl": DiffusersSDXL}[kind](path, dtype, size)
