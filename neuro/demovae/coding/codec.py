"""Fitted encoders and decoders as plain arrays: they need numpy only, on any machine."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LinearCodec:
    """Closed-form encoder and decoder.

    Attributes
    ----------
    encoder : ndarray of float32, shape (k, n_latents)
    offset : ndarray of float32, shape (n_latents,)
    from_latents : ndarray of float32, shape (n_latents, k)
    from_demographics : ndarray of float32, shape (n_coded, k)
    demographics_mean : ndarray of float32, shape (n_coded,)
    centre : ndarray of float32, shape (k,)
    """

    encoder: np.ndarray
    offset: np.ndarray
    from_latents: np.ndarray
    from_demographics: np.ndarray
    demographics_mean: np.ndarray
    centre: np.ndarray

    @property
    def n_latents(self) -> int:
        return self.encoder.shape[1]

    def encode(self, P) -> np.ndarray:
        """Latents, float32, shape (n_rows, n_latents)."""
        return np.asarray(P, np.float32) @ self.encoder + self.offset

    def decode(self, Z, D) -> np.ndarray:
        """Coordinates, float32, shape (n_rows, k)."""
        coded = np.asarray(D, np.float32) - self.demographics_mean
        return np.asarray(Z, np.float32) @ self.from_latents + (
            coded @ self.from_demographics + self.centre
        )


@dataclasses.dataclass(frozen=True)
class NetworkCodec:
    """Weights of Linear-ReLU-Linear, twice; every matrix has shape (n_out, n_in).

    Attributes
    ----------
    enc1, enc1_bias, enc2, enc2_bias : ndarray of float32
        Encoder: k -> hidden -> n_latents.
    dec1, dec1_bias, dec2, dec2_bias : ndarray of float32
        Decoder: n_latents + n_coded -> hidden -> k.
    """

    enc1: np.ndarray
    enc1_bias: np.ndarray
    enc2: np.ndarray
    enc2_bias: np.ndarray
    dec1: np.ndarray
    dec1_bias: np.ndarray
    dec2: np.ndarray
    dec2_bias: np.ndarray

    @property
    def n_latents(self) -> int:
        return len(self.enc2_bias)

    def hidden(self, P) -> np.ndarray:
        """Activity of the encoder's hidden layer, float32, shape (n_rows, hidden)."""
        return np.maximum(np.asarray(P, np.float32) @ self.enc1.T + self.enc1_bias, 0.0)

    def encode(self, P) -> np.ndarray:
        """Latents, float32, shape (n_rows, n_latents)."""
        return self.hidden(P) @ self.enc2.T + self.enc2_bias

    def decode(self, Z, D) -> np.ndarray:
        """Coordinates, float32, shape (n_rows, k)."""
        inputs = np.concatenate([np.asarray(Z, np.float32), np.asarray(D, np.float32)], axis=1)
        hidden = np.maximum(inputs @ self.dec1.T + self.dec1_bias, 0.0)
        return hidden @ self.dec2.T + self.dec2_bias


def to_edges(codec: NetworkCodec, space) -> NetworkCodec:
    """The network in edge space that computes the same as one in the coordinates of `space`.

    Parameters
    ----------
    codec : NetworkCodec
    space : RowSpace

    Returns
    -------
    NetworkCodec
    """
    shift = space.mean @ space.axes
    return dataclasses.replace(
        codec,
        enc1=codec.enc1 @ space.axes.T,
        enc1_bias=codec.enc1_bias - codec.enc1 @ shift,
        dec2=space.axes @ codec.dec2,
        dec2_bias=space.axes @ codec.dec2_bias + space.mean,
    )


def to_coordinates(codec: NetworkCodec, space) -> NetworkCodec:
    """The network in the coordinates of `space` that equals one in edge space on its rows.

    The decoder's output outside the axes is lost; there is none where it was trained in them.
    """
    return dataclasses.replace(
        codec,
        enc1=codec.enc1 @ space.axes,
        enc1_bias=codec.enc1_bias + codec.enc1 @ space.mean,
        dec2=space.axes.T @ codec.dec2,
        dec2_bias=space.axes.T @ (codec.dec2_bias - space.mean),
    )
