"""The network: two layers in, two layers out, and how its weights begin."""

from __future__ import annotations

import numpy as np
import torch

from neuro.demovae.coding.codec import LinearCodec, NetworkCodec

_LAYERS = ("enc1", "enc2", "dec1", "dec2")


class Network(torch.nn.Module):
    """Encoder Linear-ReLU-Linear and decoder Linear-ReLU-Linear, both ends linear.

    Parameters
    ----------
    n_columns : int
        Number of edges or coordinates.
    n_coded : int
        Number of coded demographics that the decoder is told.
    latent_dim, hidden : int
    """

    def __init__(self, n_columns: int, n_coded: int, latent_dim: int, hidden: int):
        super().__init__()
        self.enc1 = torch.nn.Linear(n_columns, hidden)
        self.enc2 = torch.nn.Linear(hidden, latent_dim)
        self.dec1 = torch.nn.Linear(latent_dim + n_coded, hidden)
        self.dec2 = torch.nn.Linear(hidden, n_columns)

    def encode(self, x):
        return self.enc2(torch.relu(self.enc1(x)))

    def decode(self, z, d):
        return self.dec2(torch.relu(self.dec1(torch.cat([z, d], dim=1))))

    def codec(self) -> NetworkCodec:
        """The weights as numpy arrays, copied."""
        arrays = {}
        for name in _LAYERS:
            layer = getattr(self, name)
            arrays[name] = layer.weight.detach().cpu().numpy().copy()
            arrays[f"{name}_bias"] = layer.bias.detach().cpu().numpy().copy()
        return NetworkCodec(**arrays)

    def load_codec(self, codec: NetworkCodec):
        """Set all weights from numpy arrays."""
        with torch.no_grad():
            for name in _LAYERS:
                layer = getattr(self, name)
                layer.weight.copy_(torch.from_numpy(getattr(codec, name)))
                layer.bias.copy_(torch.from_numpy(getattr(codec, f"{name}_bias")))
        return self


def build(n_columns, n_coded, latent_dim, hidden, seed: int) -> Network:
    """A network with torch's default initialisation, from a seed of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(n_columns, n_coded, latent_dim, hidden)


def shrink_first_layers(network: Network, n_edges: int) -> None:
    """Draw the input layer as its edge-space counterpart looks in coordinates.

    An edge-space layer starts uniform within 1/sqrt(E), standard deviation 1/sqrt(3 E), and an
    orthonormal change of basis keeps that (rule of ours).
    """
    bound = n_edges**-0.5
    with torch.no_grad():
        network.enc1.weight.uniform_(-bound, bound)
        network.enc1.bias.uniform_(-bound, bound)


def linear_start(network: Network, linear: LinearCodec) -> bool:
    """Make the network compute what a linear codec computes, exactly.

    A linear map passes a ReLU layer as pairs of units, relu(a) - relu(-a) = a. Units that are
    left keep their random input weights and start without any say.

    Parameters
    ----------
    network : Network
    linear : LinearCodec

    Returns
    -------
    bool
        False, with the network untouched, when the hidden layer is too narrow for the pairs.
    """
    L, told = linear.n_latents, linear.from_demographics.shape[0]
    hidden = network.enc1.out_features
    if hidden < 2 * (L + told):
        return False
    with torch.no_grad():
        _pairs(network.enc1, linear.encoder.T, linear.offset)
        _mix(network.enc2, np.eye(L), np.zeros(L))
        centre = np.concatenate([np.zeros(L), -linear.demographics_mean])
        _pairs(network.dec1, np.eye(L + told), centre)
        weights = np.concatenate([linear.from_latents, linear.from_demographics])
        _mix(network.dec2, weights.T, linear.centre)
    return True


def _pairs(layer, rows, offset):
    """Units 2i and 2i + 1 see a row and its negative."""
    n = len(rows)
    rows, offset = torch.as_tensor(np.array(rows)), torch.as_tensor(np.array(offset))
    layer.weight[: 2 * n : 2], layer.weight[1 : 2 * n : 2] = rows, -rows
    layer.bias[: 2 * n : 2], layer.bias[1 : 2 * n : 2] = offset, -offset


def _mix(layer, weights, offset):
    """Read the pairs back; all other units count nothing at first."""
    weights = torch.as_tensor(np.array(weights), dtype=layer.weight.dtype)
    layer.weight.zero_()
    n = weights.shape[1]
    layer.weight[:, : 2 * n : 2], layer.weight[:, 1 : 2 * n : 2] = weights, -weights
    layer.bias.copy_(torch.as_tensor(np.array(offset)))
