"""Networks of neuralpredictors on disk: weights, images and what the library gives to them.

    PYTHONPATH=<folder with neuralpredictors> python neuralpredictors_models.py <out> <variant>

Runs in a process of its own: the library asks for names that newer Python and an installation
without torchvision lack, and these are put in its way here only.
"""

from __future__ import annotations

import collections
import collections.abc
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import torch

SIDE, UNITS, KNOWN, NEW = 24, 9, 20, 100
READ = {"in_shape": None, "outdims": UNITS, "bias": True}
VARIANTS: dict = {
    "default": ({}, "full", {}),
    "no padding": ({"pad_input": False}, "full", {}),
    "corners": ({}, "full", {"align_corners": False}),
    "no final nonlinearity": ({"final_nonlinearity": False}, "full", {}),
    "shifted elu": ({"elu_shift": (0, 1)}, "full", {}),
    "linear": ({"linear": True}, "full", {}),
    "all layers": ({"stack": None}, "full", {}),
    "last two layers": ({"stack": -2}, "full", {}),
    "depth separable": ({"depth_separable": True}, "full", {}),
    "no normalisation": ({"batch_norm": False}, "full", {}),
    "normalisation without scale": (
        {"independent_bn_bias": False, "batch_norm_scale": False},
        "full",
        {},
    ),
    "scale and bias": ({"independent_bn_bias": False, "bias": False}, "full", {}),
    "hidden padding": ({"hidden_padding": 0}, "full", {}),
    "kernels": ({"hidden_kern": [5, 3]}, "full", {}),
    "stride": ({"stride": 2}, "full", {}),
    "dilation": ({"hidden_dilation": 2}, "full", {}),
    "Gaussian2d": ({}, "gauss", {}),
    "PointPooled2d": ({}, "pool", {}),
    "skip": ({"skip": 2}, "full", {}),
    "predicted positions": (
        {},
        "full",
        {
            "grid_mean_predictor": {
                "hidden_layers": 1,
                "hidden_features": 8,
                "final_tanh": True,
            },
            "source_grid": np.random.default_rng(0).standard_normal((UNITS, 2)),
        },
    ),
}


def library():
    """The classes, with what the library misses put in place."""
    collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]
    sys.modules["torchvision"] = types.ModuleType("torchvision")
    warnings.simplefilter("ignore")
    from neuralpredictors.layers.cores.conv2d import Stacked2dCore
    from neuralpredictors.layers.readouts.gaussian import FullGaussian2d, Gaussian2d
    from neuralpredictors.layers.readouts.point_pooled import PointPooled2d

    return Stacked2dCore, {"full": FullGaussian2d, "gauss": Gaussian2d, "pool": PointPooled2d}


def network(variant):
    """One network with weights far from their start."""
    core_class, readouts = library()
    core_options, kind, read_options = VARIANTS[variant]
    torch.manual_seed(3)
    usual = {"input_channels": 1, "hidden_channels": 6, "input_kern": 7, "hidden_kern": 3}
    core = core_class(**(usual | {"layers": 3, "stack": -1} | core_options)).eval()
    shape = core(torch.zeros(1, 1, SIDE, SIDE)).shape[1:]
    options = READ | {"in_shape": tuple(shape)} | read_options
    if kind == "pool":
        options |= {"in_shape": list(shape), "pool_steps": 1, "pool_kern": 2, "init_range": 0.5}
    model = torch.nn.Module()
    model.core, model.readout = core, torch.nn.ModuleDict({"a": readouts[kind](**options)})
    for name, value in model.named_parameters():
        if "mu" in name or "grid" in name:
            value.data.uniform_(-0.7, 0.7)
        elif "features" in name and "readout" in name:
            value.data.normal_(0, 0.3)
        elif "bias" in name or "norm" in name or "scale" in name:
            value.data.add_(0.2 * torch.randn_like(value))
    for name, value in model.named_buffers():
        if "running_mean" in name:
            value.normal_(0, 0.2)
        if "running_var" in name:
            value.uniform_(0.5, 1.5)
    return model.eval()


def main(out, variant):
    """Write `state.pt`, `check.npz` and `new.npz`."""
    model = network(variant)
    for name, n in (("check", KNOWN), ("new", NEW)):
        images = torch.randn(n, 1, SIDE, SIDE)
        with torch.no_grad():
            rate = torch.nn.functional.elu(model.readout["a"](model.core(images))) + 1
        np.savez(out / f"{name}.npz", images=images.numpy(), predictions=rate.numpy())
    torch.save(model.state_dict(), out / "state.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
