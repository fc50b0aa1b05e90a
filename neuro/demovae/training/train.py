"""Training: full batches or slices, five loss terms, early stopping on held-out subjects."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from neuro.base import seeds
from neuro.demovae.training import losses
from neuro.demovae.training.linear import removed_part
from neuro.demovae.training.network import Network
from neuro.demovae.training.presets import WEIGHTS as TERMS

FULL_BATCH = 4000
"""Rows up to which a robust step sees all of them."""
_SMALLEST = 32
"""A shuffled remainder with fewer rows joins the batch before it."""
_CHECK = 10
"""Epochs between two looks at the validation rows."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one preset trains.

    Attributes
    ----------
    weights : dict
        Weight of each of the five terms.
    n_epochs : int
    lr : float
        Of the small layers.
    lr_outer : float
        Of the two layers that touch edges or coordinates.
    weight_decay : float
    batch_size : int or None
        None takes all rows up to 4000, then 1000 at a time.
    shuffle : bool
    patience : int or None
        Epochs without a better validation error after which training stops; None never stops.
    centred : bool
        Covariance of centred latents that does not grow with the batch (robust).
    target : float
        Second moment of the latents.
    normalised_decor : bool
    guide_reduction : {'mean', 'sum', 'package'}
    guide_average : bool
        Mean over the guided columns rather than their sum.
    """

    weights: dict
    n_epochs: int
    lr: float
    lr_outer: float
    weight_decay: float = 0.0
    batch_size: int | None = None
    shuffle: bool = True
    patience: int | None = 100
    centred: bool = True
    target: float = 1.0
    normalised_decor: bool = True
    guide_reduction: str = "mean"
    guide_average: bool = True


@dataclasses.dataclass
class Rows:
    """Rows to learn from, as arrays.

    Attributes
    ----------
    x : ndarray of float32, shape (n, k)
        Edges, or coordinates of them.
    told : ndarray of float32, shape (n, n_coded)
        What the decoder is told.
    outside : ndarray, shape (n,)
        Sum of squares of each row that the coordinates leave out.
    """

    x: np.ndarray
    told: np.ndarray
    outside: np.ndarray

    def __len__(self):
        return len(self.x)


def batches(n: int, size: int | None, shuffle: bool, rng) -> list[np.ndarray]:
    """Row numbers of the steps of one epoch.

    Shuffled batches never end with fewer than 32 rows: a remainder joins the batch before it.
    Slices in fixed order keep their remainder, as the released package does.
    """
    size = size or (n if n <= FULL_BATCH else 1000)
    if size >= n:
        return [np.arange(n)]
    order = rng.permutation(n) if shuffle else np.arange(n)
    parts = [order[start : start + size] for start in range(0, n, size)]
    if shuffle and len(parts) > 1 and len(parts[-1]) < _SMALLEST:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts


def train(
    network: Network,
    rows: Rows,
    held_out: Rows | None,
    remove: np.ndarray,
    readouts: list,
    requests: Callable,
    recipe: Recipe,
    *,
    n_edges: int,
    seed: int,
    device: str = "cpu",
    progress: Callable | None = None,
) -> tuple[list[dict], int]:
    """Train a network in place; with held-out rows the best epoch's weights are restored.

    Parameters
    ----------
    network : Network
    rows, held_out : Rows
    remove : ndarray
        What of `told` is decorrelated, see
        :func:`neuro.demovae.training.linear.removed_part`.
    readouts : list of Readout
    requests : callable
        See :class:`neuro.demovae.training.guidance.Requests`.
    recipe : Recipe
    n_edges : int
    seed : int
    device : str
    progress : callable, optional
        Called with each finished row of the history.

    Returns
    -------
    history : list of dict
        One row per epoch: the terms (unweighted), `total`, and `val_rec` where it was looked at;
        row 0 is the start.
    n_epochs : int
        Epoch of the weights that the network now has.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite; says in which epoch.
    """
    rng = seeds.generator(seed, "training order")
    network.to(device)

    def tensor(array):
        return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32), device=device)

    x, told, outside = tensor(rows.x), tensor(rows.told), tensor(rows.outside)
    removed = tensor(removed_part(rows.told, remove))
    frozen = [
        (item.name, tensor(item.weights), tensor(item.intercept), bool(item.levels))
        for item in readouts
    ]
    optimizer = _optimizer(network, recipe, device)
    check = (
        None
        if held_out is None
        else (tensor(held_out.x), tensor(held_out.told), tensor(held_out.outside))
    )
    best_error, best_epoch, best_state = np.inf, recipe.n_epochs, None
    size = recipe.batch_size or (len(rows) if len(rows) <= FULL_BATCH else 1000)
    history: list[dict] = []
    for epoch in range(recipe.n_epochs + 1):
        record = dict.fromkeys((*TERMS, "total"), 0.0)
        # epoch 0 only looks: the start is a candidate for the best weights, too
        parts = batches(len(rows), recipe.batch_size, recipe.shuffle, rng)
        for part in parts if epoch else []:
            whole = len(part) == len(rows)
            index = slice(None) if whole else torch.as_tensor(part, device=device)
            optimizer.zero_grad(set_to_none=True)
            z = network.encode(x[index])
            terms = {
                "rec": losses.reconstruction(
                    x[index],
                    network.decode(z, told[index]),
                    n_edges,
                    outside[index].sum() / (len(part) * n_edges),
                ),
                **_on_latents(z, removed[index], recipe, float(min(size, len(rows)))),
                "guide": _guide(network, frozen, requests, rng, recipe, tensor),
            }
            total = sum(recipe.weights[name] * terms[name] for name in TERMS)
            total.backward()
            optimizer.step()
            share = len(part) / len(rows)
            for name in TERMS:
                record[name] += share * float(terms[name].detach())
            record["total"] += share * float(total.detach())
        if not np.isfinite(record["total"]):
            raise FloatingPointError(
                f"training: the loss is no longer finite in epoch {epoch}; use a smaller lr"
            )
        record = {"epoch": epoch, **record, "val_rec": np.nan}
        if check is not None and (epoch % _CHECK == 0 or epoch == recipe.n_epochs):
            record["val_rec"] = _error(network, *check, n_edges)
            if record["val_rec"] < best_error:
                best_error, best_epoch = record["val_rec"], epoch
                best_state = copy.deepcopy(network.state_dict())
        history.append(record)
        if progress is not None:
            progress(record)
        if check is not None and recipe.patience and epoch - best_epoch >= recipe.patience:
            break
    if best_state is not None:
        network.load_state_dict(best_state)
    network.to("cpu")
    return history, best_epoch


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


def _error(network, x, told, outside, n_edges) -> float:
    with torch.no_grad():
        decoded = network.decode(network.encode(x), told)
        return float(losses.reconstruction(x, decoded, n_edges, outside.sum() / (len(x) * n_edges)))


def _guide(network, frozen, requests, rng, recipe, tensor):
    """Guidance of one step: decode random latents for requested demographics, read them out."""
    if not frozen:
        return torch.zeros((), device=network.enc2.bias.device)
    told, wanted = requests(rng)
    z = rng.standard_normal((len(told), network.enc2.out_features), dtype=np.float32)
    latents = torch.cat([tensor(z * recipe.target**0.5), tensor(told)], dim=1)
    hidden = torch.relu(network.dec1(latents))
    terms = []
    for name, weights, intercept, is_level in frozen:
        # readout of the decoded rows, without decoding them: (h W') w = h (W' w)
        found = hidden @ (network.dec2.weight.T @ weights)
        found = found + (network.dec2.bias @ weights + intercept)
        asked = tensor(wanted[name])
        terms.append(
            losses.guidance_levels(found, asked, recipe.guide_reduction)
            if is_level
            else losses.guidance_continuous(found, asked)
        )
    total = sum(terms)
    return total / len(terms) if recipe.guide_average else total


def refine_decoder(
    network: Network, z, rows: Rows, held_out, *, n_edges, epochs: int, lr: float, lr_outer: float
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
