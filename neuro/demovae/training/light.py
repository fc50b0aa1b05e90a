"""The same network and steps in numpy: for cohorts so small that calls cost more than numbers.

Gradients are written out by hand; tests hold them against torch's.
"""

from __future__ import annotations

import numpy as np

from neuro.demovae.coding.codec import NetworkCodec
from neuro.demovae.training.presets import WEIGHTS as TERMS
from neuro.demovae.training.recipe import Recipe, Rows

MOST_WORK = 2e7
"""Rows x coordinates x hidden units up to which numpy is the faster one (ours)."""
_OUTER = ("enc1", "enc1_bias", "dec2", "dec2_bias")
_INNER = ("enc2", "enc2_bias", "dec1", "dec1_bias")
_ENCODER, _DECODER = ("enc1", "enc2"), ("dec1", "dec2")
_BETAS, _EPSILON = (0.9, 0.999), 1e-8
_TINY = 1e-12


class LightNetwork:
    """Weights of :class:`neuro.demovae.training.network.Network` in one array.

    Parameters
    ----------
    codec : NetworkCodec

    Attributes
    ----------
    flat : ndarray of float32
        All weights; those of the layers that touch the edges first.
    n_outer : int
        Number of the latter.
    """

    def __init__(self, codec: NetworkCodec):
        self.shapes = {name: getattr(codec, name).shape for name in (*_OUTER, *_INNER)}
        sizes = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        self.n_outer = sum(sizes[name] for name in _OUTER)
        self.flat = np.empty(sum(sizes.values()), np.float32)
        self.of = self.views(self.flat)
        self.load_codec(codec)

    def views(self, flat) -> dict[str, np.ndarray]:
        """Each layer's part of an array like `flat`."""
        out, start = {}, 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape))
            out[name] = flat[start : start + size].reshape(shape)
            start += size
        return out

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.of["enc2_bias"])

    def codec(self) -> NetworkCodec:
        """The weights as arrays, copied."""
        return NetworkCodec(**{name: values.copy() for name, values in self.of.items()})

    def load_codec(self, codec: NetworkCodec):
        """Set all weights."""
        for name, values in self.of.items():
            values[:] = getattr(codec, name)
        return self

    def steps(self, *given):
        """One training, see :class:`LightSteps`."""
        return LightSteps(self, *given)

    def refine_decoder(
        self, z, rows: Rows, held_out, *, n_edges: int, epochs: int, lr: float, lr_outer: float
    ) -> None:
        """Fit the decoder to given latents, encoder untouched; keeps the best held-out weights.

        Parameters
        ----------
        z : ndarray, shape (n, n_latents)
            Latents of `rows`.
        rows : Rows
        held_out : tuple of (ndarray, Rows) or None
            Latents and rows to choose the epoch by.
        n_edges, epochs : int
        lr, lr_outer : float
        """
        grads = np.zeros_like(self.flat)
        adam = Adam(self.flat, self.n_outer, lr, lr_outer)
        given, outside = np.concatenate([z, rows.told], axis=1), _mean_outside(rows, n_edges)
        best, state = np.inf, None
        for epoch in range(epochs + 1):
            if held_out is not None and epoch % 5 == 0:
                latents, data = held_out
                told = np.concatenate([latents, data.told], axis=1)
                decoded = _forward(self.of, _DECODER, told)[2]
                now = _rmse(decoded - data.x, n_edges, _mean_outside(data, n_edges))
                if now < best:
                    best, state = now, self.flat.copy()
            if epoch < epochs:
                _into_decoder(self.of, self.views(grads), given, rows.x, n_edges, outside, 1.0)
                adam(grads)
        if state is not None:
            self.flat[:] = state


class Adam:
    """Adam with a rate of its own for the first `n_outer` weights, in place.

    References
    ----------
    Kingma, D. P., Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    """

    def __init__(self, flat, n_outer: int, lr: float, lr_outer: float, weight_decay: float = 0.0):
        self.flat, self.decay, self.count = flat, weight_decay, 0
        self.rates = (slice(None, n_outer), lr_outer), (slice(n_outer, None), lr)
        self.mean, self.square = np.zeros_like(flat), np.zeros_like(flat)

    def __call__(self, grads):
        """One step along gradients, which are used up."""
        if self.decay:
            grads += np.float32(self.decay) * self.flat
        self.count += 1
        first, second = (1 - beta for beta in _BETAS)
        self.mean += np.float32(first) * (grads - self.mean)
        self.square *= np.float32(_BETAS[1])
        self.square += np.float32(second) * grads * grads
        np.sqrt(self.square, out=grads)
        grads *= np.float32((1 - _BETAS[1] ** self.count) ** -0.5)
        grads += np.float32(_EPSILON)
        np.divide(self.mean, grads, out=grads)
        for which, rate in self.rates:
            self.flat[which] -= np.float32(rate / (1 - _BETAS[0] ** self.count)) * grads[which]


class LightSteps:
    """One training of a network.

    Parameters
    ----------
    network : LightNetwork
        Trained in place.
    rows, removed, held_out, readouts, recipe, n_edges, device
        See :class:`neuro.demovae.training.torch_steps.TorchSteps`.
    """

    def __init__(
        self, network, rows, removed, held_out, readouts, recipe: Recipe, n_edges, device="cpu"
    ):
        self.network, self.recipe, self.n_edges = network, recipe, n_edges
        self.rows = [np.asarray(a, np.float32) for a in (rows.x, rows.told, rows.outside, removed)]
        self.check, self.readouts = held_out, readouts
        if readouts:
            self.read = np.concatenate([one.weights for one in readouts], axis=1)
            self.intercept = np.concatenate([one.intercept for one in readouts])
        self.grads = np.zeros_like(network.flat)
        self.into = network.views(self.grads)
        self.adam = Adam(
            network.flat, network.n_outer, recipe.lr, recipe.lr_outer, recipe.weight_decay
        )
        self.whole = _standardised(self.rows[3], recipe.normalised_decor)

    def step(self, index, size, told, wanted, latents) -> dict[str, float]:
        """One step; arguments as in :meth:`TorchSteps.step`."""
        terms = self.gradient(index, size, told, wanted, latents)
        self.adam(self.grads)
        return terms

    def gradient(self, index, size, told, wanted, latents) -> dict[str, float]:
        """Terms of the loss; the gradient of their weighted sum is left in `grads`."""
        x, d, outside, removed = (a if index is None else a[index] for a in self.rows)
        of, into, weight = self.network.of, self.into, self.recipe.weights
        n, size_z = len(x), self.network.n_latents
        before, hidden, z = _forward(of, _ENCODER, x)
        left = float(outside.sum(dtype=np.float64)) / (n * self.n_edges)
        given = np.concatenate([z, d], axis=1)
        rec, back = _into_decoder(of, into, given, x, self.n_edges, left, weight["rec"])
        grad = back[:, :size_z]
        terms = {"rec": rec, "guide": 0.0}
        if self.readouts:
            terms["guide"] = self._guide(told, wanted, latents, weight["guide"])
        covariance = _centred_covariance if self.recipe.centred else _covariance
        decor = (
            self.whole if index is None else _standardised(removed, self.recipe.normalised_decor)
        )
        for name, (value, slope) in (
            ("cov", covariance(z, size, self.recipe.target)),
            ("mean", _means(z)),
            ("decor", _decorrelation(z, *decor)),
        ):
            terms[name] = value
            grad = grad + np.float32(weight[name]) * slope
        _back(of, into, _ENCODER, x, before, hidden, grad)
        return {name: terms[name] for name in TERMS}

    def _guide(self, told, wanted, latents, weight) -> float:
        """Term of the guidance; its gradient is added to that of the decoder."""
        of, into, recipe = self.network.of, self.into, self.recipe
        given = np.concatenate([latents, told], axis=1).astype(np.float32)
        before = given @ of["dec1"].T + of["dec1_bias"]
        hidden = np.maximum(before, 0)
        seen = of["dec2"].T @ self.read
        read = hidden @ seen + (of["dec2_bias"] @ self.read + self.intercept)
        slopes, total, start = np.empty_like(read), 0.0, 0
        share = 1 / len(self.readouts) if recipe.guide_average else 1.0
        for one in self.readouts:
            here = slice(start, start + one.weights.shape[1])
            start = here.stop
            asked = wanted[one.name]
            if one.levels:
                value, slope = _levels(read[:, here], asked, recipe.guide_reduction)
            else:
                value, slope = _root_mean_square(read[:, here] - asked)
            total += share * value
            slopes[:, here] = np.float32(weight * share) * slope
        into["dec2"] += self.read @ (slopes.T @ hidden)
        into["dec2_bias"] += self.read @ slopes.sum(axis=0)
        below = slopes @ seen.T
        below *= before > 0
        into["dec1"] += below.T @ given
        into["dec1_bias"] += below.sum(axis=0)
        return total

    def error(self) -> float:
        """Reconstruction error of the held-out rows."""
        of, rows = self.network.of, self.check
        z = _forward(of, _ENCODER, rows.x)[2]
        decoded = _forward(of, _DECODER, np.concatenate([z, rows.told], axis=1))[2]
        return _rmse(decoded - rows.x, self.n_edges, _mean_outside(rows, self.n_edges))

    def state(self):
        """Copy of the weights."""
        return self.network.flat.copy()

    def end(self, state):
        """Take weights back where some were kept."""
        if state is not None:
            self.network.flat[:] = state


def _mean_outside(rows, n_edges) -> float:
    return float(np.sum(rows.outside, dtype=np.float64)) / (len(rows) * n_edges)


def _rmse(left, n_edges, outside) -> float:
    squares = float(np.einsum("ij,ij->", left, left, dtype=np.float64)) / (len(left) * n_edges)
    return float(np.sqrt(squares + outside + _TINY**2))


def _forward(of, layers, given):
    """Two layers: the hidden units before and after their threshold, and the output."""
    first, second = layers
    before = given @ of[first].T
    before += of[f"{first}_bias"]
    hidden = np.maximum(before, 0)
    return before, hidden, hidden @ of[second].T + of[f"{second}_bias"]


def _back(of, into, layers, given, before, hidden, grad):
    """Gradients of two layers from that of their output; gives that of the hidden units."""
    first, second = layers
    np.matmul(grad.T, hidden, out=into[second])
    grad.sum(axis=0, out=into[f"{second}_bias"])
    below = grad @ of[second]
    below *= before > 0
    np.matmul(below.T, given, out=into[first])
    below.sum(axis=0, out=into[f"{first}_bias"])
    return below


def _into_decoder(of, into, given, x, n_edges, outside, weight):
    """Reconstruction error, and its gradient with respect to what the decoder is given."""
    before, hidden, decoded = _forward(of, _DECODER, given)
    left = decoded - x
    error = _rmse(left, n_edges, outside)
    left *= np.float32(weight / (len(x) * n_edges * error))
    return error, _back(of, into, _DECODER, given, before, hidden, left) @ of["dec1"]


def _root_mean_square(values):
    norm = float(np.sqrt(np.einsum("ij,ij->", values, values, dtype=np.float64)))
    root = values.size**0.5
    return norm / root, values * np.float32(1 / (norm * root) if norm else 0.0)


def _covariance(z, _size, target):
    away = z.T @ z - np.float32(len(z) * target) * np.eye(z.shape[1], dtype=np.float32)
    value, slope = _root_mean_square(away)
    return value, 2 * (z @ slope)


def _centred_covariance(z, size, target):
    centred = z - z.mean(axis=0)
    away = centred.T @ centred / np.float32(len(z))
    away -= np.float32(target) * np.eye(z.shape[1], dtype=np.float32)
    value, slope = _root_mean_square(away)
    # columns of the centred latents sum to zero, and so do those of this gradient
    return size * value, np.float32(2 * size / len(z)) * (centred @ slope)


def _means(z):
    mean = z.mean(axis=0, keepdims=True)
    value, slope = _root_mean_square(mean)
    return value, slope / np.float32(len(z))


def _standardised(d, normalised: bool):
    """Centred columns over their spread (those without any count nothing), and whether so."""
    if d.shape[1] == 0 or len(d) < 2:
        return np.zeros((len(d), 0), np.float32), normalised
    centred = d - d.mean(axis=0)
    if normalised:
        spread = d.std(axis=0, ddof=1)
        flat = spread <= 1e-6 * np.abs(d).max(axis=0)
        centred = np.where(flat, 0, centred / np.where(flat, 1, spread)).astype(np.float32)
    return centred, normalised


def _decorrelation(z, centred, normalised: bool):
    product = centred.T @ z
    squares = (z * z).sum(axis=0)
    scale = np.maximum(squares, np.float32(_TINY)) if normalised else np.float32(1)
    product = product / scale
    norms = np.sqrt((product * product).sum(axis=1, keepdims=True))
    root = np.float32(z.shape[1] ** 0.5)
    slope = product / np.where(norms > 0, norms * root, np.inf).astype(np.float32)
    grad = centred @ (slope / scale)
    if normalised:
        along = (slope * product).sum(axis=0) / scale
        grad -= 2 * z * np.where(squares > _TINY, along, np.float32(0))
    return float(norms.sum()) / float(root), grad


def _levels(decision, asked, reduction: str):
    """Softplus of each level, averaged over rows and joined over the levels."""
    n, k = decision.shape
    factor = {"mean": 1 / k, "sum": 1.0, "package": float(k)}[reduction]
    at = np.float32(-2) * decision * asked
    value = factor * float(np.logaddexp(0, at).mean(axis=0).sum())
    slope = asked * np.float32(-2 * factor / n) / (1 + np.exp(-at))
    return value, slope
