"""Encoders of the Brain Encoding Response Generator (BERG), from their published weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from neuro.base.provenance import checksum
from neuro.encoding import vit
from neuro.encoding.assembled import as_encoder
from neuro.encoding.encoder import VoxelEncoder
from neuro.io.problems import InputProblem


def from_berg(path, network_path) -> VoxelEncoder:
    """An encoder of the Brain Encoding Response Generator on torchvision's ViT-B/32.

    Parameters
    ----------
    path : path-like
        `weights_*.npy` of `fmri-nsd_fsaverage-vit_b_32` or `fmri-things_fmri_1-vit_b_32`: scaler,
        principal components and regression. Only arrays are read from the pickle in it.
    network_path : path-like
        `vit_b_32-*.pth` of torchvision.

    Returns
    -------
    VoxelEncoder
        Units `lh-00000`, ..., `rh-00000`, ... (vertices of fsaverage), or `v00000`, ...

    Raises
    ------
    InputProblem
        When the file has another layout; other models of that collection are refused.
    """
    content = only_arrays(path)
    parts = [key for key in ("lh_reg_param", "rh_reg_param", "reg_param") if key in content]
    if not parts or not {"scaler_param", "pca_param"} <= content.keys():
        listed = ", ".join(map(str, content)) or "nothing"
        raise InputProblem(
            f"{path}: not an encoder on ViT-B/32 (found {listed[:60]}); expected scaler_param, "
            "pca_param and reg_param"
        )
    if network_path is None or not Path(network_path).is_file():
        raise InputProblem(f"{path}: encoder.path must name torchvision's vit_b_32-*.pth")
    coef = np.concatenate([np.asarray(content[key]["coef_"], np.float32) for key in parts])
    bias = np.concatenate([np.asarray(content[key]["intercept_"], np.float32) for key in parts])
    unit = []
    for key in parts:
        prefix = {"lh": "lh-", "rh": "rh-"}.get(key[:2], "v")
        unit += [f"{prefix}{k:05d}" for k in range(len(content[key]["coef_"]))]
    network = vit.read_network(network_path)
    made = vit.LayerFeatures(
        network,
        vit.projection_of(content["scaler_param"], content["pca_param"]),
        sha256=checksum(Path(network_path)),
    )
    return as_encoder(path, made, coef, bias, unit)


ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.{home}", name)
        for core in ("core", "_core")
        for home, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}
"""What a pickle of arrays needs, and nothing else."""


class _Arrays(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"holds {module}.{name}, not only arrays")
        return super().find_class(module, name)


def only_arrays(path) -> dict:
    """A dictionary of arrays in a `.npy` file; anything else in its pickle is refused, not run.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
    """
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
            read = read or np.lib.format.read_array_header_2_0
            _, _, dtype = read(file)
            content = _Arrays(file).load() if dtype.hasobject else None
    except (OSError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputProblem(f"{path}: cannot be read ({str(error)[:60]})") from None
    content = content.item() if isinstance(content, np.ndarray) and content.shape == () else content
    if not isinstance(content, dict):
        raise InputProblem(f"{path}: not a dictionary of arrays")
    return content
