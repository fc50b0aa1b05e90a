"""Fitting one model from checked arrays: rows are split, reduced, trained and constrained."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings

import numpy as np

from neuro.base import seeds
from neuro.demovae.coding.codec import LinearCodec, NetworkCodec
from neuro.demovae.coding.row_space import EdgeSpace, RowSpace, row_space
from neuro.demovae.training.linear import linear_codec, removed_part
from neuro.stats.splits import hold_out

PC_LIMIT = 500
"""Most axes that a fit uses unless told otherwise (ours; bounds the cost for large cohorts)."""
_REFINE_EPOCHS, _LOST = 50, 1e-3


@dataclasses.dataclass
class Fitted:
    """What a fit leaves behind.

    Attributes
    ----------
    space : RowSpace or EdgeSpace
    codec : LinearCodec or NetworkCodec
    noise_sd : ndarray of float32, shape (k,)
        Standard deviation of the held-out residual along each coordinate.
    noise_edge : ndarray of float32, shape (n_edges,)
        Standard deviation per edge of what the coordinates leave out.
    history : list of dict
    n_epochs : int
        Epochs behind the weights in use; 0 for the closed form.
    device : str
    heldout_variance : float
        Mean variance of the latents in subjects that the codec was not made white on.
    """

    space: RowSpace | EdgeSpace
    codec: LinearCodec | NetworkCodec
    noise_sd: np.ndarray
    noise_edge: np.ndarray
    history: list
    n_epochs: int
    device: str = "cpu"
    heldout_variance: float = float("nan")


def held_out(groups, share: float, seed: int) -> np.ndarray:
    """Rows of randomly chosen subjects, shape (n_rows,): at least 2 subjects when share > 0.

    Parameters
    ----------
    groups : array, shape (n_rows,)
        Subject of each row; all rows of a subject go the same way.
    share : float
        Share of the subjects.
    seed : int
    """
    subjects = np.unique(np.asarray(groups).astype(str))
    count = max(2, round(share * len(subjects))) if share > 0 else 0
    if len(subjects) - count < 3:
        count = 0
    return hold_out(
        np.asarray(groups).astype(str), count, seeds.stream(seed, "validation subjects")
    )


def residual_noise(space, codec, X, D) -> tuple[np.ndarray, np.ndarray]:
    """Spread of what a codec leaves unexplained in given rows, along and outside its axes.

    Few rows give noisy values: neighbouring coordinates are averaged until 50 values stand
    behind each, and edges are drawn towards their common mean as if by 10 more rows.

    Returns
    -------
    noise_sd : ndarray of float32, shape (k,)
    noise_edge : ndarray of float32, shape (n_edges,)
    """
    from scipy.ndimage import uniform_filter1d

    P = space.project(X)
    left = P - codec.decode(codec.encode(P), D)
    along = (left.astype(np.float64) ** 2).mean(axis=0)
    if isinstance(space, EdgeSpace):
        return np.sqrt(along).astype(np.float32), np.zeros(space.n_edges, np.float32)
    window = max(1, 50 // len(X)) | 1
    along = uniform_filter1d(along, min(window, len(along)), mode="nearest")
    squares = np.zeros(space.n_edges)
    for row, coordinates in zip(X, P):
        squares += (row - space.back(coordinates[None])[0]) ** 2
    squares /= len(X)
    squares = (len(X) * squares + 10 * squares.mean()) / (len(X) + 10)
    return np.sqrt(along).astype(np.float32), np.sqrt(squares).astype(np.float32)


def latent_variance(codec, P) -> float:
    """Mean variance over the latents of rows, around the training mean 0."""
    Z = codec.encode(P).astype(np.float64)
    return float((Z**2).mean())


def fit_linear(X, D, remove, settings, groups, seed) -> Fitted:
    """The closed form on all rows; a second fit without some subjects measures the noise."""
    limit = settings["pc_components"] or PC_LIMIT
    space, P = row_space(X, limit)
    codec = linear_codec(P, D, remove, settings["latent_dim"])
    out = held_out(groups, settings["validation"], seed)
    noise, variance = None, np.nan
    if out.any():
        basis, P_part = row_space(X[~out], limit)
        try:
            other = linear_codec(P_part, D[~out], remove, settings["latent_dim"])
            noise = residual_noise(basis, other, X[out], D[out])
            variance = latent_variance(other, basis.project(X[out]))
        except ValueError:
            # so few subjects that without some of them the latents do not fit
            warnings.warn("too few subjects to measure the noise on others", stacklevel=4)
    noise_sd, noise_edge = residual_noise(space, codec, X, D) if noise is None else noise
    if len(noise_sd) != space.n_columns:
        noise_sd = (
            np.resize(noise_sd[-1:], space.n_columns)
            if not len(noise_sd)
            else np.interp(np.arange(space.n_columns), np.arange(len(noise_sd)), noise_sd).astype(
                np.float32
            )
        )
    return Fitted(space, codec, noise_sd, noise_edge, [], 0, heldout_variance=variance)


_RECIPE = (
    *("weights", "n_epochs", "lr", "weight_decay", "batch_size", "shuffle", "centred", "target"),
    *("normalised_decor", "guide_reduction", "guide_average"),
)
"""Settings that are fields of the recipe as they are."""


def fit_network(X, demographics, coder, D, settings, groups, seed, progress=None) -> Fitted:
    """Train the network of a preset.

    Parameters
    ----------
    X : ndarray of float32, shape (n_rows, n_edges)
    demographics : pandas.DataFrame
        The same rows.
    coder : DemographicCoder
    D : ndarray of float32, shape (n_rows, n_coded)
    settings : dict
        See :mod:`neuro.demovae.training.presets`.
    groups : array, shape (n_rows,)
    seed : int
    progress : callable, optional

    Returns
    -------
    Fitted
    """
    from neuro.demovae.training import guidance, train
    from neuro.demovae.training.constraints import constrain

    out = held_out(groups, settings["validation"], seed)
    keep, removal = ~out, coder.removal_
    n_edges = X.shape[1]
    train_X = X[keep] if out.any() else X
    axes, P = row_space(train_X, settings["pc_components"] or PC_LIMIT)
    readouts = guidance.fit_readouts(P, demographics[keep], coder)
    space: RowSpace | EdgeSpace = axes
    if settings["space"] == "pc":
        x = P
        outside = axes.outside_energy(train_X, P)
    else:
        space, x, outside = EdgeSpace(n_edges), train_X, np.zeros(len(train_X))
        readouts = guidance.in_edges(readouts, axes)
    rows = train.Rows(x, D[keep], outside)
    check = None
    if out.any():
        P_out = space.project(X[out])
        check = train.Rows(P_out, D[out], space.outside_energy(X[out], P_out))
    lr = lr_outer = settings["lr"]
    if settings["space"] == "pc":
        lr_outer = lr * np.sqrt(n_edges / space.n_columns)
    start = _start(axes, space, P, D[keep], removal, settings, seed)
    device = pick_device(settings["device"])
    model = _network(start, len(x), device)
    recipe = train.Recipe(
        lr_outer=lr_outer,
        patience=settings["patience"] or None,
        **{name: settings[name] for name in _RECIPE},
    )
    requests = guidance.Requests(coder, demographics[keep], D[keep], settings["guide_draw"])
    with _torch_threads(model, settings["n_threads"]):
        history, n_epochs = train.train(
            model,
            rows,
            check,
            removal,
            readouts,
            requests,
            recipe,
            n_edges=n_edges,
            seed=seed,
            device=device,
            progress=progress,
        )
        codec = model.codec()
        variance = np.nan
        if check is not None:
            own = space.project(X[keep]), removed_part(D[keep], removal)
            variance = _blind_variance(codec, own, check.x, settings["exact"])
        if settings["exact"]:
            P_all = space.project(X)
            codec, lost = constrain(codec, P_all, removed_part(D, removal))
            if lost > _LOST:
                latents = codec.encode(P_all)
                told = None if check is None else (latents[out], check)
                rates = {"lr": lr, "lr_outer": lr_outer, "n_edges": n_edges}
                model.load_codec(codec)
                model.refine_decoder(latents[keep], rows, told, epochs=_REFINE_EPOCHS, **rates)
                codec = model.codec()
    source = out if out.any() else np.ones(len(X), dtype=bool)
    noise = residual_noise(space, codec, X[source], D[source])
    return Fitted(space, codec, *noise, history, n_epochs, device, variance)


def _blind_variance(codec, kept, P_out, exact) -> float:
    """Variance of latents in rows that had no say in making the constraints exact."""
    from neuro.demovae.training.constraints import constrain

    blind = constrain(codec, *kept)[0] if exact else codec
    return latent_variance(blind, P_out)


@contextlib.contextmanager
def _torch_threads(model, n: int):
    """Threads of a fit by torch; what was set before comes back."""
    from neuro.demovae.training.light import LightNetwork

    if isinstance(model, LightNetwork):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(int(n))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _network(start, n_rows: int, device: str):
    """The network by numpy where there is little to multiply, by torch elsewhere."""
    from neuro.demovae.training.light import MOST_WORK, LightNetwork

    if device == "cpu" and n_rows * start.enc1.size <= MOST_WORK:
        return LightNetwork(start)
    from neuro.demovae.training.network import from_codec

    return from_codec(start)


def _start(axes, space, P, D, remove, settings, seed):
    """The weights that a training begins with."""
    from neuro.demovae.training import weights

    size, hidden, n_edges = settings["latent_dim"], settings["hidden"], axes.n_edges
    start = weights.initial(space.n_columns, D.shape[1], size, hidden, seed)
    if settings["space"] == "pc":
        start = weights.shrunk_first_layer(start, n_edges, seeds.number(seed, "first layers"))
    if settings["init"] == "linear":
        start = _linear_start(start, axes, P, D, remove, settings)
    return start


def _linear_start(start, axes, P, D, remove, settings):
    """Begin at the closed form where the hidden layer can hold it."""
    from neuro.demovae.coding.codec import to_edges
    from neuro.demovae.training import weights

    size, hidden = settings["latent_dim"], settings["hidden"]
    linear = linear_codec(P, D, remove, size)
    if settings["space"] == "pc":
        began = weights.linear_start(start, linear)
    else:
        small = weights.initial(axes.n_columns, D.shape[1], size, hidden, 0)
        began = weights.linear_start(small, linear)
        if began is not None:
            # units without a say keep the random input weights of the edge-space network
            began = to_edges(began, axes)
            began.enc1[2 * size :] = start.enc1[2 * size :]
            began.enc1_bias[2 * size :] = start.enc1_bias[2 * size :]
    if began is None:
        warnings.warn(
            f"hidden: {hidden} units cannot hold the linear start of {size} latents; training "
            "starts from random weights",
            stacklevel=5,
        )
        return start
    return began


def pick_device(wanted: str) -> str:
    """'cuda' or 'cpu'; 'auto' takes cuda where there is one.

    Raises
    ------
    ValueError
        When 'cuda' is wanted and there is none.
    """
    from neuro.base import devices

    # without a device there is no need to start torch
    present = wanted != "cpu" and bool(devices.visible())
    if present:
        import torch

        present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise ValueError("device: got 'cuda', but no CUDA device is visible; use 'auto' or 'cpu'")
    if wanted == "auto":
        return "cuda" if present else "cpu"
    return wanted
