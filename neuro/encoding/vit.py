"""The vision transformer of torchvision from its state dict, without torchvision."""

from __future__ import annotations

import numpy as np

from neuro.encoding.network import Backbone
from neuro.encoding.towers import IMAGENET_MEAN, IMAGENET_STD
from neuro.io.problems import InputProblem

EDGE, CROP = 256, 224
HEAD_WIDTH = 64
"""Features per attention head in every published size."""
EPS = 1e-6


class LayerFeatures(Backbone):
    """Principal components of all tokens of all layers of a vision transformer.

    Images are resized to 256 pixels and cut to the middle 224, as torchvision's weights ask for.
    Tokens of all layers in one row are scaled, `(x - mean) / scale`, and projected,
    `components @ (z - centre)`.

    Parameters
    ----------
    network : dict of str to torch.Tensor
        State dict in torchvision's names (`conv_proj.weight`, `encoder.layers.encoder_layer_0...`).
    projection : dict of str to torch.Tensor
        `mean`, `scale`, `centre` (n_tokens * n_layers * width,), `components` (n_features, same).
    edge, crop : int
        Sizes of the images; other than the defaults for tests only.
    """

    def __init__(self, network, projection, edge=EDGE, crop=CROP, sha256=""):
        import torch

        super().__init__("vit_b_32", edge, IMAGENET_MEAN, IMAGENET_STD)
        self.weights = {key: value.float() for key, value in network.items()}
        self.projection = {key: value.float() for key, value in projection.items()}
        self.details, self.sha256 = {"crop": crop}, sha256
        needed = ("conv_proj.weight", "class_token", "encoder.pos_embedding")
        lost = [key for key in needed if key not in self.weights]
        if lost:
            raise InputProblem(f"vision transformer: no tensor '{lost[0]}'; expected torchvision's")
        # a home for the tensors, so that they move with the backbone
        self.network = torch.nn.Module()
        for k, value in enumerate([*self.weights.values(), *self.projection.values()]):
            self.network.register_buffer(f"b{k}", value, persistent=False)

    def _moved(self):
        names = [*self.weights, *self.projection]
        values = [value for _, value in self.network.named_buffers()]
        both = dict(zip(names, values))
        return {k: both[k] for k in self.weights}, {k: both[k] for k in self.projection}

    def _features(self, x):
        import torch

        weights, projection = self._moved()
        size, crop = x.shape[-1], self.details["crop"]
        first = (size - crop) // 2
        layers = hidden_layers(x[..., first : first + crop, first : first + crop], weights)
        row = torch.cat([tokens.flatten(1) for tokens in layers], dim=1)
        if row.shape[1] != len(projection["mean"]):
            raise InputProblem(
                f"vision transformer: {row.shape[1]} numbers of all layers, the projection takes "
                f"{len(projection['mean'])}"
            )
        scaled = (row - projection["mean"]) / projection["scale"] - projection["centre"]
        return scaled @ projection["components"].T

    def state(self):
        """The projection; the transformer has a file of its own."""
        return dict(self.projection)


def hidden_layers(x, weights) -> list:
    """Tokens after each layer.

    Parameters
    ----------
    x : torch.Tensor, shape (n, 3, h, w)
        Normalised.
    weights : dict of str to torch.Tensor

    Returns
    -------
    list of torch.Tensor, shape (n, 1 + n_patches, width)
    """
    import torch
    from torch.nn import functional

    kernel = weights["conv_proj.weight"]
    width = len(kernel)
    patches = functional.conv2d(x, kernel, weights["conv_proj.bias"], stride=kernel.shape[-1])
    tokens = patches.flatten(2).transpose(1, 2)
    first = weights["class_token"].expand(len(x), -1, -1)
    tokens = torch.cat([first, tokens], dim=1) + weights["encoder.pos_embedding"]
    layers, number = [], 0
    while f"encoder.layers.encoder_layer_{number}.ln_1.weight" in weights:
        own = f"encoder.layers.encoder_layer_{number}."

        def norm(values, name, own=own):
            pair = weights[f"{own}{name}.weight"], weights[f"{own}{name}.bias"]
            return functional.layer_norm(values, (width,), *pair, eps=EPS)

        def linear(values, name, own=own):
            return functional.linear(
                values, weights[f"{own}{name}weight"], weights[own + name + "bias"]
            )

        joint = linear(norm(tokens, "ln_1"), "self_attention.in_proj_")
        heads = max(1, width // HEAD_WIDTH)
        query, key, value = (
            chunk.unflatten(2, (heads, -1)).transpose(1, 2) for chunk in joint.chunk(3, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        mixed = mixed.transpose(1, 2).flatten(2)
        tokens = tokens + linear(mixed, "self_attention.out_proj.")
        inner = functional.gelu(linear(norm(tokens, "ln_2"), "mlp.0."))
        tokens = tokens + linear(inner, "mlp.3.")
        layers.append(tokens)
        number += 1
    return layers


def read_network(path) -> dict:
    """State dict of torchvision's transformer; no code in the file is run.

    Parameters
    ----------
    path : path-like
        `.pth` as torchvision publishes it, or `.safetensors` with the same names.

    Returns
    -------
    dict of str to torch.Tensor

    Raises
    ------
    InputProblem
    """
    import torch

    try:
        if str(path).endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        # readers of weights raise whatever they like
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:60]
        raise InputProblem(f"{path}: not a readable state dict ({line})") from None
    # copies that older versions wrote name the two layers of the perceptron otherwise
    old = {"mlp.linear_1.": "mlp.0.", "mlp.linear_2.": "mlp.3."}
    renamed = {}
    for key, value in content.items():
        for before, after in old.items():
            key = key.replace(before, after)
        renamed[key] = value
    return renamed


def projection_of(scaler, components) -> dict:
    """Scaling and components of scikit-learn's two estimators as tensors.

    Parameters
    ----------
    scaler, components : dict
        `mean_` and `scale_`; `mean_` and `components_`.
    """
    import torch

    values = {
        "mean": scaler["mean_"],
        "scale": scaler["scale_"],
        "centre": components["mean_"],
        "components": components["components_"],
    }
    return {key: torch.as_tensor(np.asarray(value, np.float32)) for key, value in values.items()}
