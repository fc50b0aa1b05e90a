"""The weights that a training begins with, as arrays."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np

from neuro.demovae.coding.codec import LinearCodec, NetworkCodec


class _Uniform:
    """Uniform float32 numbers of a seed, the same bits as torch's generator on a CPU."""

    def __init__(self, seed: int):
        # the published seeding of the Mersenne twister, as torch.manual_seed uses it
        self.raw = np.random.RandomState(seed)._bit_generator.random_raw

    def __call__(self, bound: float, *shape) -> np.ndarray:
        unit = (self.raw(int(np.prod(shape))) & 0xFFFFFF) * 2.0**-24
        low, high = np.float32(-bound), np.float32(bound)
        # multiplied and added with one rounding, as processors do
        return (unit * float(high - low) + float(low)).astype(np.float32).reshape(shape)


def initial(n_columns: int, n_coded: int, latent_dim: int, hidden: int, seed: int) -> NetworkCodec:
    """Torch's default initialisation of the four layers, from a seed of its own.

    Weights and biases are uniform within 1 / sqrt(number of inputs).

    Parameters
    ----------
    n_columns : int
        Number of edges or coordinates.
    n_coded : int
        Number of coded demographics that the decoder is told.
    latent_dim, hidden : int
    seed : int

    Returns
    -------
    NetworkCodec
    """
    draw = _Uniform(seed)
    arrays = {}
    for name, n_in, n_out in (
        ("enc1", n_columns, hidden),
        ("enc2", hidden, latent_dim),
        ("dec1", latent_dim + n_coded, hidden),
        ("dec2", hidden, n_columns),
    ):
        arrays[name] = draw(n_in**-0.5, n_out, n_in)
        arrays[f"{name}_bias"] = draw(n_in**-0.5, n_out)
    return NetworkCodec(**arrays)


def shrunk_first_layer(codec: NetworkCodec, n_edges: int, seed: int) -> NetworkCodec:
    """Draw the input layer as its edge-space counterpart looks in coordinates.

    An edge-space layer starts uniform within 1/sqrt(E), standard deviation 1/sqrt(3 E), and an
    orthonormal change of basis keeps that (rule of ours).
    """
    draw, bound = _Uniform(seed), n_edges**-0.5
    return dataclasses.replace(
        codec, enc1=draw(bound, *codec.enc1.shape), enc1_bias=draw(bound, *codec.enc1_bias.shape)
    )


def linear_start(codec: NetworkCodec, linear: LinearCodec) -> NetworkCodec | None:
    """Weights that compute what a linear codec computes, exactly.

    A linear map passes a ReLU layer as pairs of units, relu(a) - relu(-a) = a. Units that are
    left keep their random input weights and start without any say.

    Parameters
    ----------
    codec : NetworkCodec
    linear : LinearCodec

    Returns
    -------
    NetworkCodec or None
        None when the hidden layer is too narrow for the pairs.
    """
    L, told = linear.n_latents, linear.from_demographics.shape[0]
    if len(codec.enc1) < 2 * (L + told):
        return None
    made = copy.deepcopy(codec)
    _pairs(made.enc1, made.enc1_bias, linear.encoder.T, linear.offset)
    _mix(made.enc2, made.enc2_bias, np.eye(L), np.zeros(L))
    centre = np.concatenate([np.zeros(L), -linear.demographics_mean])
    _pairs(made.dec1, made.dec1_bias, np.eye(L + told), centre)
    weights = np.concatenate([linear.from_latents, linear.from_demographics])
    _mix(made.dec2, made.dec2_bias, weights.T, linear.centre)
    return made


def _pairs(weight, bias, rows, offset):
    """Units 2i and 2i + 1 see a row and its negative."""
    n = len(rows)
    weight[: 2 * n : 2], weight[1 : 2 * n : 2] = rows, -rows
    bias[: 2 * n : 2], bias[1 : 2 * n : 2] = offset, -offset


def _mix(weight, bias, rows, offset):
    """Read the pairs back; all other units count nothing at first."""
    weight[:] = 0
    n = rows.shape[1]
    weight[:, : 2 * n : 2], weight[:, 1 : 2 * n : 2] = rows, -rows
    bias[:] = offset
