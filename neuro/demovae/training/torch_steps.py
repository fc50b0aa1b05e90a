"""Steps of the training by torch: for GPUs, and where there is much to multiply."""

from __future__ import annotations

import copy

import numpy as np
import torch

from neuro.demovae.training import losses
from neuro.demovae.training.presets import WEIGHTS as TERMS
from neuro.demovae.training.recipe import Rows


class TorchSteps:
    """One training of a network: its optimizer, and its rows on the device.

    Parameters
    ----------
    network : Network
        Trained in place.
    rows : Rows
    removed : ndarray, shape (n, n_removed)
        What latents are decorrelated from.
    held_out : Rows or None
    readouts : list of Readout
    recipe : Recipe
    n_edges : int
    device : str
    """

    def __init__(self, network, rows, removed, held_out, readouts, recipe, n_edges, device):
        network.to(device)
        self.network, self.recipe, self.n_edges, self.device = network, recipe, n_edges, device
        self.rows = [self._tensor(a) for a in (rows.x, rows.told, rows.outside, removed)]
        self.frozen = [
            (one.name, self._tensor(one.weights), self._tensor(one.intercept), bool(one.levels))
            for one in readouts
        ]
        self.check = None
        if held_out is not None:
            arrays = held_out.x, held_out.told, held_out.outside
            self.check = [self._tensor(a) for a in arrays]
        self.optimizer = _optimizer(network, recipe, device)

    def _tensor(self, array):
        return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32), device=self.device)

    def step(self, index, size, told, wanted, latents) -> dict[str, float]:
        """One step on rows (None: all); the terms as they were before it.

        Parameters
        ----------
        index : ndarray of int or None
        size : float
            Rows of a usual batch, which scale the covariance term.
        told, wanted, latents
            Request of the guidance, None without readouts.
        """
        index = slice(None) if index is None else torch.as_tensor(index, device=self.device)
        x, d, outside, removed = (array[index] for array in self.rows)
        self.optimizer.zero_grad(set_to_none=True)
        z = self.network.encode(x)
        left = outside.sum() / (len(x) * self.n_edges)
        terms = {
            "rec": losses.reconstruction(x, self.network.decode(z, d), self.n_edges, left),
            **_on_latents(z, removed, self.recipe, size),
            "guide": self._guide(told, wanted, latents),
        }
        sum(self.recipe.weights[name] * terms[name] for name in TERMS).backward()
        self.optimizer.step()
        return {name: float(value.detach()) for name, value in terms.items()}

    def _guide(self, told, wanted, latents):
        """Decode random latents for requested demographics, and read them out."""
        network = self.network
        if not self.frozen:
            return torch.zeros((), device=network.enc2.bias.device)
        given = torch.cat([self._tensor(latents), self._tensor(told)], dim=1)
        hidden = torch.relu(network.dec1(given))
        terms = []
        for name, weights, intercept, is_level in self.frozen:
            # readout of the decoded rows, without decoding them: (h W') w = h (W' w)
            read = hidden @ (network.dec2.weight.T @ weights)
            read = read + (network.dec2.bias @ weights + intercept)
            asked = self._tensor(wanted[name])
            terms.append(
                losses.guidance_levels(read, asked, self.recipe.guide_reduction)
                if is_level
                else losses.guidance_continuous(read, asked)
            )
        total = sum(terms)
        return total / len(terms) if self.recipe.guide_average else total

    def error(self) -> float:
        """Reconstruction error of the held-out rows."""
        x, told, outside = self.check
        with torch.no_grad():
            decoded = self.network.decode(self.network.encode(x), told)
            left = outside.sum() / (len(x) * self.n_edges)
            return float(losses.reconstruction(x, decoded, self.n_edges, left))

    def state(self):
        """Copy of the weights."""
        return copy.deepcopy(self.network.state_dict())

    def end(self, state):
        """Take weights back where some were kept, and leave the device."""
        if state is not None:
            self.network.load_state_dict(state)
        self.network.to("cpu")


def _optimizer(network, recipe, device):
    """Adam with a rate of its own for the layers that touch the edges."""
    outer = [*network.enc1.parameters(), *network.dec2.parameters()]
    inner = [*network.enc2.parameters(), *network.dec1.parameters()]
    return torch.optim.Adam(
        [{"params": outer, "lr": recipe.lr_outer}, {"params": inner, "lr": recipe.lr}],
        weight_decay=recipe.weight_decay,
        fused=device == "cpu" or device.startswith("cuda"),
    )


def _on_latents(z, removed, recipe, n):
    """Terms that latents of a minibatch of `n` rows alone decide."""
    covariance = (
        losses.centred_covariance(z, n, recipe.target)
        if recipe.centred
        else losses.covariance(z, recipe.target)
    )
    return {
        "cov": covariance,
        "mean": losses.means(z),
        "decor": losses.decorrelation(z, removed, recipe.normalised_decor),
    }


def refine_decoder(
    network, z, rows: Rows, held_out, *, n_edges, epochs: int, lr: float, lr_outer: float
) -> None:
    """Fit the decoder to given latents, encoder untouched; keeps the best held-out weights.

    Parameters
    ----------
    network : Network
        Its decoder is trained in place.
    z : ndarray, shape (n, n_latents)
        Latents of `rows`.
    rows : Rows
    held_out : tuple of (ndarray, Rows) or None
        Latents and rows to choose the epoch by.
    n_edges : int
    epochs : int
    lr, lr_outer : float
    """

    def tensor(array):
        return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32))

    def error(latents, data):
        decoded = network.decode(tensor(latents), tensor(data.told))
        left = float(np.sum(data.outside)) / (len(data) * n_edges)
        return losses.reconstruction(tensor(data.x), decoded, n_edges, left)

    optimizer = torch.optim.Adam(
        [
            {"params": [*network.dec2.parameters()], "lr": lr_outer},
            {"params": [*network.dec1.parameters()], "lr": lr},
        ]
    )
    best, state = np.inf, None
    for epoch in range(epochs + 1):
        if held_out is not None and epoch % 5 == 0:
            with torch.no_grad():
                now = float(error(*held_out))
            if now < best:
                best, state = now, copy.deepcopy(network.state_dict())
        if epoch < epochs:
            optimizer.zero_grad(set_to_none=True)
            error(z, rows).backward()
            optimizer.step()
    if state is not None:
        network.load_state_dict(state)
