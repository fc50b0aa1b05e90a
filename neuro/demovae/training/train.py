"""Training: full batches or slices, five loss terms, early stopping on held-out subjects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neuro.base import seeds
from neuro.demovae.training.linear import removed_part
from neuro.demovae.training.presets import WEIGHTS as TERMS
from neuro.demovae.training.recipe import FULL_BATCH, Recipe, Rows, batches

__all__ = ["Recipe", "Rows", "batches", "train"]

_CHECK = 10
"""Epochs between two looks at the validation rows."""


def train(
    network,
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
    network : Network or LightNetwork
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
    removed = removed_part(rows.told, remove)
    steps = network.steps(rows, removed, held_out, readouts, recipe, n_edges, device)
    best_error, best_epoch, best_state = np.inf, recipe.n_epochs, None
    size = recipe.batch_size or (len(rows) if len(rows) <= FULL_BATCH else 1000)
    history: list[dict] = []
    for epoch in range(recipe.n_epochs + 1):
        record = dict.fromkeys((*TERMS, "total"), 0.0)
        # epoch 0 only looks: the start is a candidate for the best weights, too
        parts = batches(len(rows), recipe.batch_size, recipe.shuffle, rng)
        for batch in parts if epoch else []:
            index = None if len(batch) == len(rows) else batch
            asked = _asked(readouts, requests, rng, network.n_latents, recipe)
            with np.errstate(over="ignore", invalid="ignore"):
                # a loss that is no number is said below
                terms = steps.step(index, float(min(size, len(rows))), *asked)
            share = len(batch) / len(rows)
            for name in TERMS:
                record[name] += share * terms[name]
            record["total"] += share * sum(recipe.weights[name] * terms[name] for name in TERMS)
        if not np.isfinite(record["total"]):
            raise FloatingPointError(
                f"training: the loss is no longer finite in epoch {epoch}; use a smaller lr"
            )
        record = {"epoch": epoch, **record, "val_rec": np.nan}
        if held_out is not None and (epoch % _CHECK == 0 or epoch == recipe.n_epochs):
            record["val_rec"] = steps.error()
            if record["val_rec"] < best_error:
                best_error, best_epoch = record["val_rec"], epoch
                best_state = steps.state()
        history.append(record)
        if progress is not None:
            progress(record)
        if held_out is not None and recipe.patience and epoch - best_epoch >= recipe.patience:
            break
    steps.end(best_state)
    return history, best_epoch


def _asked(readouts, requests, rng, n_latents, recipe):
    """Demographics to decode in a step, what readouts should find, and random latents."""
    if not readouts:
        return None, None, None
    told, wanted = requests(rng)
    z = rng.standard_normal((len(told), n_latents), dtype=np.float32)
    return told, wanted, z * recipe.target**0.5
