"""Convolutional core and Gaussian readout of image twins, and the twin at one position."""

from __future__ import annotations

import numpy as np

EPS = 1e-5
"""Of the batch normalisation (torch's default)."""
TOLERANCE = 1e-5
"""Largest difference between crop and full canvas, relative to the largest response."""


def layers(state) -> int:
    """Number of convolutions of a core."""
    return 1 + max(int(key.split(".layer")[1].split(".")[0]) for key in state if ".layer" in key)


def conv(state, number):
    """Weight and bias (None without) of one layer."""
    name = f"core.features.layer{number}.conv"
    return state[f"{name}.weight"], state.get(f"{name}.bias")


def core(state, x, *, training=False, momentum=0.1, stack="last"):
    """Features of images, "same" padding.

    Parameters
    ----------
    state : dict of str to tensor
        `core.features.layer<k>.conv.weight` and `.norm.{weight, bias, running_mean,
        running_var}`.
    x : tensor, shape (n, c, h, w)
    training : bool
        Whether batch statistics are used and running ones updated.
    momentum : float
    stack : {"last", "all"}
        Features of the last layer, or of all layers one after the other.

    Returns
    -------
    tensor, shape (n, n_features, h, w)
    """
    import torch
    from torch.nn import functional as F

    outputs = []
    for number in range(layers(state)):
        weight, bias = conv(state, number)
        x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        norm = f"core.features.layer{number}.norm"
        if f"{norm}.running_mean" in state:
            x = F.batch_norm(
                x,
                state[f"{norm}.running_mean"],
                state[f"{norm}.running_var"],
                state.get(f"{norm}.weight"),
                state.get(f"{norm}.bias"),
                training,
                momentum,
                EPS,
            )
        x = F.elu(x)
        outputs.append(x)
    return x if stack == "last" else torch.cat(outputs, dim=1)


def readout(features, weights, bias, mu, away=None):
    """Gaussian readout: features at one point per unit, times weights.

    Parameters
    ----------
    features : tensor, shape (n, c, h, w)
    weights : tensor, shape (c, n_units)
    bias : tensor, shape (n_units,)
    mu : tensor, shape (n_units, 2)
        Points in [-1, 1], x first.
    away : tensor, shape (n, n_units, 2), optional
        In training, how far from `mu` the point of every image lies.

    Returns
    -------
    tensor, shape (n, n_units)
        elu(.) + 1, a rate.
    """
    from torch.nn import functional as F

    grid = mu[None].expand(len(features), -1, -1)
    if away is not None:
        grid = (grid + away).clamp(-1, 1)
    sampled = F.grid_sample(features, grid[:, :, None], align_corners=False)[..., 0]
    return F.elu((sampled * weights[None]).sum(dim=1) + bias) + 1


def receptive_field(state) -> int:
    """Pixels along a side that one point of the output sees."""
    return 1 + sum(conv(state, number)[0].shape[-1] - 1 for number in range(layers(state)))


def folded(state) -> list:
    """Weights and biases of the convolutions with batch normalisation folded in."""
    import torch

    parts = []
    for number in range(layers(state)):
        weight, bias = conv(state, number)
        norm = f"core.features.layer{number}.norm"
        bias = torch.zeros(len(weight), dtype=weight.dtype) if bias is None else bias
        if f"{norm}.running_mean" in state:
            mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
            scale = state.get(f"{norm}.weight", torch.ones_like(mean)) / (var + EPS).sqrt()
            weight = weight * scale[:, None, None, None]
            bias = (bias - mean) * scale + state.get(f"{norm}.bias", torch.zeros_like(mean))
        parts.append((weight.contiguous(), bias))
    return parts


class CentredTwin:
    """An image twin with every readout at the centre of the image, on the smallest canvas.

    Only the receptive field of the centre counts: valid convolutions on a crop give the same
    numbers as the full canvas, as long as no padding reaches the centre's cone. This is checked
    on four random images.

    Parameters
    ----------
    state : dict of str to tensor
    weights, bias : tensor
        Of the readout, (n_features, n_units) and (n_units,).
    shape : (int, int, int)
        Channels, height and width of the training images.
    stack : {"last", "all"}
    crop : bool
    device : str

    Attributes
    ----------
    stimulus_shape : (int, int, int)
    cut : tuple of slice or None
        From training images (n, c, h, w) to the crop.
    messages : list of str
    """

    def __init__(self, state, weights, bias, shape, *, stack="last", crop=True, device="cpu"):
        self.state, self.weights, self.bias = state, weights, bias
        self.full_shape, self.stack, self.messages = tuple(shape), stack, []
        self.convolutions = folded(state)
        self._to(device)
        self.cut, self.stimulus_shape = None, self.full_shape
        if crop:
            self._crop()

    def _to(self, device):
        self.state = {key: value.to(device) for key, value in self.state.items()}
        self.weights, self.bias = self.weights.to(device), self.bias.to(device)
        self.convolutions = [(w.to(device), b.to(device)) for w, b in self.convolutions]

    def _crop(self):
        import torch

        field = receptive_field(self.state)
        sides = []
        for length in self.full_shape[1:]:
            # On an even map the centre lies between two points: one pixel more.
            side = field + (1 - length % 2)
            if side > length or self.stack != "last":
                why = "features of all layers" if self.stack != "last" else "padding reaches it"
                self.messages.append(
                    f"crop: the receptive field of {field} pixels does not fit into "
                    f"{length} pixels ({why}); the full canvas is used"
                )
                return
            start = (length - side) // 2
            sides.append(slice(start, start + side))
        probe = torch.randn((4, *self.full_shape), generator=torch.Generator().manual_seed(0)).to(
            self.bias.device
        )
        with torch.no_grad():
            full = self.on_canvas(probe)
            axis = self.on_crop(probe[:, :, sides[0], sides[1]])
        error = float((full - axis).abs().max() / full.abs().max().clamp_min(1e-12))
        if not error <= TOLERANCE:
            self.messages.append(
                f"crop: differs from the full canvas by {error:.1e}; the full canvas is used"
            )
            return
        self.cut = (slice(None), slice(None), *sides)
        self.stimulus_shape = (self.full_shape[0], *(axis.stop - axis.start for axis in sides))

    def on_canvas(self, x):
        """Responses to images of the training size."""
        import torch

        features = core(self.state, x, stack=self.stack)
        mu = torch.zeros((1, 2), dtype=x.dtype, device=x.device)
        grid = mu[None].expand(len(x), -1, -1)[:, :, None]
        sampled = torch.nn.functional.grid_sample(features, grid, align_corners=False)[..., 0, 0]
        return torch.nn.functional.elu(sampled @ self.weights + self.bias) + 1

    def on_crop(self, x):
        """Responses to crops: valid convolutions, mean of what is left."""
        from torch.nn import functional as F

        for weight, bias in self.convolutions:
            x = F.elu(F.conv2d(x, weight, bias))
        return F.elu(x.mean(dim=(2, 3)) @ self.weights + self.bias) + 1

    def __call__(self, x):
        """Responses (n, n_units) to stimuli of `stimulus_shape`, on their device."""
        if x.device != self.bias.device:
            self._to(x.device)
        return self.on_canvas(x) if self.cut is None else self.on_crop(x)


def position_map(stimuli, responses) -> np.ndarray:
    """Where each unit's receptive field is most likely, (n_units, h, w).

    Linear cells show in the blurred square of the spike-triggered average, energy cells in the
    correlation of the response with the local contrast energy.

    Parameters
    ----------
    stimuli : ndarray, shape (n, c, h, w)
    responses : ndarray, shape (n, n_units)

    Returns
    -------
    ndarray, shape (n_units, h, w)
    """
    from scipy.ndimage import gaussian_filter

    def blur(images):
        return gaussian_filter(images, (0, 0, 1.5, 1.5), truncate=4 / 1.5, mode="constant")

    def zscore(values):
        values = values - values.mean(axis=0)
        spread = values.std(axis=0)
        return values / np.where(spread > 0, spread, 1)

    x = np.asarray(stimuli, np.float32)
    n, channels, height, width = x.shape
    energy = blur((x - blur(x)) ** 2).sum(axis=1).reshape(n, -1)
    y = zscore(np.asarray(responses, np.float32))
    linear = (y.T @ zscore(x.reshape(n, -1)) / n).reshape(-1, channels, height, width)
    contrast = (y.T @ zscore(energy) / n).reshape(-1, height, width)
    return n * (blur(linear**2).sum(axis=1) + contrast**2)


def start_positions(stimuli, responses) -> np.ndarray:
    """Start of the readout positions in [-1, 1], x first, (n_units, 2)."""
    score = position_map(stimuli, responses)
    height, width = score.shape[1:]
    rows, columns = np.unravel_index(score.reshape(len(score), -1).argmax(axis=1), (height, width))
    return 0.95 * np.stack(
        [(columns + 0.5) / width * 2 - 1, (rows + 0.5) / height * 2 - 1], axis=1
    ).astype(np.float32)


def unit_correlation(a, b) -> np.ndarray:
    """Correlation of every column of two arrays; 0 where a column is constant."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.where(scale > 0, (a * b).sum(axis=0) / np.where(scale > 0, scale, 1), 0.0)
