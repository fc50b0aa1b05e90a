"""What the state dict of a network does not say, found by a few stored predictions.

Weights of stacked convolutional cores with point readouts (neuralpredictors and kin) tell kernels,
channels, depth-separable layers, normalisation, sharing, and the number of readouts. They do not
tell padding, strides, dilation, where nonlinearities stand, how positions are counted, and what
comes after the readout. A network with a wrong guess runs without a word and predicts otherwise.
"""

from __future__ import annotations

import copy
import dataclasses
import re

OUTPUTS = ("elu + 1", "none", "softplus", "exp", "relu")
_LAYER = r"layer(\d+)\.(conv|ds_conv\.\w+|norm|bias|scale)\.(\w+)$"


@dataclasses.dataclass(frozen=True)
class Options:
    """Everything that the weights leave open.

    Attributes
    ----------
    pad_input : bool
    hidden_padding : tuple of int
        Per layer after the first.
    stride, dilation : int
        Of the layers after the first.
    linear : bool
        No nonlinearity in the core.
    final_nonlinearity : bool
    elu_shift : (float, float)
    stack : tuple of int
        Layers that are read out.
    align_corners : bool
    final_tanh : bool
        Of a predictor of positions.
    shifter : bool
        Whether the shifter is fed with zeros, or not used.
    pool_kern : int
        Of pooled points; 0 without.
    output : str
    session : str
        Key of the readout; "" for the only one.
    """

    pad_input: bool = True
    hidden_padding: tuple = ()
    stride: int = 1
    dilation: int = 1
    linear: bool = False
    final_nonlinearity: bool = True
    elu_shift: tuple = (0.0, 0.0)
    stack: tuple = (-1,)
    align_corners: bool = False
    final_tanh: bool = False
    shifter: bool = False
    pool_kern: int = 0
    output: str = "elu + 1"
    session: str = ""


class Network:
    """Weights sorted by part.

    Parameters
    ----------
    content : dict of str to tensor
        A state dict; names may have a prefix.

    Attributes
    ----------
    layers : list of dict
        Per layer `conv.weight`, `ds_conv.spatial_conv.weight`, `norm.running_mean`, ...
    readouts : dict of str to dict
        By session: `weights` (c, n_units), `bias`, `mu` (n_units, 2) or parts of its predictor.
    shifters : dict of str to list of (weight, bias)

    Raises
    ------
    ValueError
        When a part is missing or not understood.
    """

    def __init__(self, content):
        parts: dict = {}
        heads: dict = {}
        self.shifters: dict = {}
        for key, value in content.items():
            match = re.search(_LAYER, key)
            if match and "readout" not in key and "shifter" not in key:
                parts.setdefault(int(match[1]), {})[f"{match[2]}.{match[3]}"] = value
            elif "attention_conv" in key:
                raise ValueError(
                    f"attention layers ({key}) are not covered; use mds.twin.type 'module'"
                )
            elif match := re.search(r"shifter\.(.+?)\.mlp\.(\d+)\.(weight|bias)$", key):
                steps = self.shifters.setdefault(match[1], {})
                steps.setdefault(int(match[2]), {})[match[3]] = value
            elif match := re.search(
                r"(?:^|\.)((?:[^.]+\.)*?)(_?mu|_?features|bias|grid|source_grid|mu_transform\..*|"
                r"feature_sharing_index|grid_sharing_index|weights)$",
                key,
            ):
                session = re.sub(r"^(.*\.)?readout\.?", "", match[1]).strip(".")
                heads.setdefault(session, {})[match[2].lstrip("_")] = value
        if not parts or sorted(parts) != list(range(len(parts))):
            raise ValueError("no stacked core: expected '...layer0.conv.weight' and so on")
        self.layers = [parts[k] for k in range(len(parts))]
        if "conv.weight" not in self.layers[0]:
            raise ValueError("no 'layer0.conv.weight'; expected a stacked core")
        self.readouts = {name: _head(head) for name, head in heads.items() if _is_head(head)}
        if not self.readouts:
            raise ValueError(
                "no readout with positions ('_mu', 'mu', 'grid' or 'mu_transform' with "
                "'source_grid') and features"
            )

    @property
    def n_layers(self) -> int:
        """Layers of the core."""
        return len(self.layers)

    def width(self, k) -> int:
        """Channels that layer k gives."""
        layer = self.layers[k]
        return len(layer.get("conv.weight", layer.get("ds_conv.out_depth_conv.weight")))

    def kernel(self, k) -> int:
        """Side of the kernel of layer k."""
        layer = self.layers[k]
        return layer.get("conv.weight", layer.get("ds_conv.spatial_conv.weight")).shape[-1]


def placed(network: Network, device) -> Network:
    """The network with its weights on a device; itself where they are there already."""
    if network.layers[0]["conv.weight"].device == device:
        return network

    def moved(value):
        if isinstance(value, dict):
            return {key: moved(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner) for inner in value]
        return value.to(device) if hasattr(value, "to") else value

    there = copy.copy(network)
    there.layers, there.readouts, there.shifters = map(
        moved, (network.layers, network.readouts, network.shifters)
    )
    return there


def _is_head(head):
    return ("features" in head or "weights" in head) and (
        "mu" in head or "grid" in head or ("source_grid" in head and len(head) > 1)
    )


def _head(head) -> dict:
    weights = head["features"][0, :, 0] if "features" in head else head["weights"]
    if "feature_sharing_index" in head:
        weights = weights[:, head["feature_sharing_index"].long()]
    head_arrays = {"weights": weights}
    points = head.get("mu", head.get("grid"))
    if points is not None:
        points = points.reshape(-1, 2)
        if "grid_sharing_index" in head:
            points = points[head["grid_sharing_index"].long()]
        head_arrays["mu"] = points
        head_arrays["pooled"] = "grid" in head
    else:
        steps: dict = {}
        for name, value in head.items():
            if step := re.search(r"mu_transform\.(?:layer)?(\d+)\.(weight|bias)$", name):
                steps.setdefault(int(step[1]), {})[step[2]] = value
        if not steps:
            raise ValueError("a predictor of positions without linear layers is not covered")
        head_arrays |= {"source": head["source_grid"], "pooled": False}
        head_arrays["steps"] = [steps[k] for k in sorted(steps)]
    bias = head.get("bias")
    head_arrays["bias"] = weights.new_zeros(weights.shape[1]) if bias is None else bias.reshape(-1)
    return head_arrays


# Forward pass.


def _elu(x, options):
    from torch.nn import functional as F

    return F.elu(x - options.elu_shift[0]) + options.elu_shift[1]


def _convolve(layer, x, k, options):
    from torch.nn import functional as F

    if k == 0:
        weight = layer["conv.weight"]
        padding = weight.shape[-1] // 2 if options.pad_input else 0
        return F.conv2d(x, weight, layer.get("conv.bias"), padding=padding)
    more = {
        "padding": options.hidden_padding[k - 1],
        "stride": options.stride,
        "dilation": options.dilation,
    }
    if "conv.weight" in layer:
        return F.conv2d(x, layer["conv.weight"], layer.get("conv.bias"), **more)
    names = [f"ds_conv.{step}" for step in ("in_depth_conv", "spatial_conv", "out_depth_conv")]
    x = F.conv2d(x, layer[f"{names[0]}.weight"], layer.get(f"{names[0]}.bias"))
    weight = layer[f"{names[1]}.weight"]
    x = F.conv2d(x, weight, layer.get(f"{names[1]}.bias"), groups=len(weight), **more)
    return F.conv2d(x, layer[f"{names[2]}.weight"], layer.get(f"{names[2]}.bias"))


def features(network, x, options) -> list:
    """What every layer of the core gives to images (n, c, h, w)."""
    import torch
    from torch.nn import functional as F

    outputs: list = []
    for k, layer in enumerate(network.layers):
        if k:
            weight = layer.get("conv.weight", layer.get("ds_conv.in_depth_conv.weight"))
            # A skip connection shows in the number of channels that a layer takes.
            n = max(weight.shape[1] // outputs[-1].shape[1], 1)
            x = torch.cat(outputs[-n:], dim=1) if n > 1 else outputs[-1]
        x = _convolve(layer, x, k, options)
        if "norm.running_mean" in layer:
            x = F.batch_norm(
                x,
                layer["norm.running_mean"],
                layer["norm.running_var"],
                layer.get("norm.weight"),
                layer.get("norm.bias"),
            )
        if "bias.bias" in layer:
            x = x + layer["bias.bias"]
        if "scale.scale" in layer:
            x = x * layer["scale.scale"]
        if not options.linear and (k < network.n_layers - 1 or options.final_nonlinearity):
            x = _elu(x, options)
        outputs.append(x)
    return outputs


def positions(network, options):
    """Points of the units in [-1, 1], x first, (n_units, 2)."""
    import torch
    from torch.nn import functional as F

    head = network.readouts[options.session]
    if "mu" in head:
        points = head["mu"]
    else:
        points = head["source"].to(head["weights"].dtype)
        for k, step in enumerate(head["steps"]):
            points = F.linear(F.elu(points) if k else points, step["weight"], step.get("bias"))
        points = torch.tanh(points) if options.final_tanh else points
    points = points.clamp(-1, 1)
    if options.shifter:
        steps = network.shifters[options.session]
        first = steps[min(steps)]["weight"]
        shift = first.new_zeros(1, first.shape[1])
        for k in sorted(steps):
            shift = torch.tanh(F.linear(shift, steps[k]["weight"], steps[k].get("bias")))
        points = points + shift
    return points


def read(network, outputs, options, place):
    """Responses (n, n_units) from what the layers gave, at given points."""
    import torch
    from torch.nn import functional as F

    head = network.readouts[options.session]
    x = torch.cat([outputs[k] for k in options.stack], dim=1)
    grid = place[None, :, None].expand(len(x), -1, -1, -1)
    pools = len(head["weights"]) // x.shape[1] if options.pool_kern else 1
    sampled = []
    for step in range(pools):
        if step:
            x = F.avg_pool2d(x, options.pool_kern, options.pool_kern, count_include_pad=False)
        sampled.append(F.grid_sample(x, grid, align_corners=options.align_corners)[..., 0])
    y = (torch.cat(sampled, dim=1) * head["weights"][None]).sum(dim=1) + head["bias"]
    return finish(y, options.output)


def finish(y, output):
    """What comes after the readout."""
    from torch.nn import functional as F

    steps = {
        "elu + 1": lambda v: F.elu(v) + 1,
        "none": lambda v: v,
        "softplus": F.softplus,
        "exp": lambda v: v.exp(),
        "relu": F.relu,
    }
    return steps[output](y)


def respond(network, x, options):
    """Responses (n, n_units) to images (n, c, h, w)."""
    return read(network, features(network, x, options), options, positions(network, options))
