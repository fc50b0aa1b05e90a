"""What every frozen image network has in common: images in, features out."""

from __future__ import annotations

from neuro.encoding.preprocess import prepare


class Backbone:
    """Images in, features out.

    Parameters
    ----------
    name : str
    size : int
        Edge of the images that the backbone sees.
    mean, std : sequence of float
        Statistics of the channels.
    unit_norm : bool
        Whether features are scaled to length 1.
    antialias : bool
        See :func:`neuro.encoding.preprocess.prepare`.
    """

    def __init__(self, name, size, mean=(0.0,), std=(1.0,), *, unit_norm=False, antialias=True):
        self.name, self.size, self.unit_norm, self.antialias = name, size, unit_norm, antialias
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.network = None
        self.sha256 = ""
        self.details: dict = {}

    def _features(self, x):
        raise NotImplementedError("a backbone says what its features are")

    def features(self, images):
        """Features of a batch.

        Parameters
        ----------
        images : torch.Tensor, shape (n, c, h, w)
            Values in [0, 1].

        Returns
        -------
        torch.Tensor of float32, shape (n, n_features)
        """
        import torch

        mean = torch.tensor(self.mean, dtype=images.dtype, device=images.device)
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device)
        x = self._features(prepare(images, self.size, mean, std, antialias=self.antialias))
        if self.unit_norm:
            x = x / (x.pow(2).sum(dim=1, keepdim=True) + 1e-12).sqrt()
        return x

    @property
    def device(self):
        """Where the weights are; the CPU for features without weights."""
        import torch

        if self.network is None:
            return torch.device("cpu")
        first = next(iter([*self.network.parameters(), *self.network.buffers()]), None)
        return torch.device("cpu") if first is None else first.device

    def to(self, device):
        """Move the weights to a device."""
        if self.network is not None:
            self.network.to(device)
        return self

    def double(self):
        """Turn the weights to float64, for gradient checks."""
        if self.network is not None:
            self.network.double()
        return self

    def settings(self) -> dict:
        """What is needed to make the same backbone again, apart from weights."""
        return {
            "name": self.name,
            "size": self.size,
            "mean": list(self.mean),
            "std": list(self.std),
            "unit_norm": self.unit_norm,
            "antialias": self.antialias,
            "sha256": self.sha256,
            **self.details,
        }

    def state(self) -> dict:
        """Weights that belong in the encoder's file; empty where they have a file of their own."""
        return {}


class Network(Backbone):
    """A frozen network with a feature head; weights travel with the encoder if they are small."""

    def __init__(
        self, name, network, size, mean, std, *, keep_state=False, antialias=True, **details
    ):
        super().__init__(name, size, mean, std, unit_norm=True, antialias=antialias)
        self.network = network.eval().requires_grad_(False)
        self.keep_state, self.details = keep_state, details

    def _features(self, x):
        return self.network(x)

    def state(self):
        return self.network.state_dict() if self.keep_state else {}
