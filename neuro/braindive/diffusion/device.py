"""Where a model runs and in which number type."""

from __future__ import annotations

from neuro.io.problems import InputProblem


def pick_device(device: str) -> str:
    """`auto` is CUDA where there is one.

    Raises
    ------
    InputProblem
        When CUDA is asked for and there is none.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputProblem(
            "braindive.device: 'cuda', but no CUDA device is visible; use auto or cpu"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def pick_dtype(dtype: str, device: str) -> str:
    """`auto` is bfloat16 on CUDA and float32 elsewhere."""
    if dtype == "auto":
        return "bfloat16" if device == "cuda" else "float32"
    return dtype


def planned_dtype(settings) -> str:
    """The number type that the settings will get; a CUDA that is asked for need not be here.

    Parameters
    ----------
    settings : dict
        `dtype` and `device`.
    """
    import torch

    on_gpu = settings["device"] == "cuda" or torch.cuda.is_available()
    device = "cuda" if on_gpu and settings["device"] != "cpu" else "cpu"
    return pick_dtype(settings["dtype"], device)


def fit_device(settings, backbone: str) -> str:
    """Where features are computed for the fits: that of the settings for a network of a folder.

    Parameters
    ----------
    settings : dict
        `device` and `encode_device`, of which `same` is the former.
    backbone : str
        Networks that are trained here, pixels and energies stay on the CPU.

    Returns
    -------
    str

    Raises
    ------
    InputProblem
        When CUDA is asked for and there is none.
    """
    from neuro.encoding.backbones import ALIASES
    from neuro.encoding.towers import TOWERS

    if ALIASES.get(backbone, backbone) not in TOWERS:
        return "cpu"
    own = settings["encode_device"]
    return pick_device(settings["device"] if own == "same" else own)
