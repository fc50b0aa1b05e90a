"""The network: two layers in, two layers out."""

from __future__ import annotations

import torch

from neuro.demovae.coding.codec import NetworkCodec

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

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return self.enc2.out_features

    def steps(self, *given):
        """One training, see :class:`neuro.demovae.training.torch_steps.TorchSteps`."""
        from neuro.demovae.training.torch_steps import TorchSteps

        return TorchSteps(self, *given)

    def refine_decoder(self, *given, **named) -> None:
        """See :func:`neuro.demovae.training.torch_steps.refine_decoder`."""
        from neuro.demovae.training.torch_steps import refine_decoder

        refine_decoder(self, *given, **named)

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


def from_codec(codec: NetworkCodec) -> Network:
    """A network with given weights."""
    size, told = codec.n_latents, codec.dec1.shape[1] - codec.n_latents
    with torch.random.fork_rng(devices=[]):
        network = Network(codec.enc1.shape[1], told, size, len(codec.enc1))
    return network.load_codec(codec)
