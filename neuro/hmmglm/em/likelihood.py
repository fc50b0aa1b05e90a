"""Emissions: log-likelihood of every bin under every state, and its Fisher statistics."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.em import kernels

LINKS = ("sigmoid", "softplus", "exp", "linear")
EMISSIONS = ("poisson", "bernoulli", "gaussian")
FLOOR = 1e-8
"""Added to every rate (paper-era code)."""

CAP = 80.0
"""Arguments of softplus and exp are cut here, where float32 still holds the exponential."""


def check_emission(emission: str, link: str) -> None:
    """Refuse combinations that have no likelihood.

    Raises
    ------
    ValueError
        One line.
    """
    if emission not in EMISSIONS:
        raise ValueError(f"emission: got '{emission}', expected one of {', '.join(EMISSIONS)}")
    if link not in LINKS:
        raise ValueError(f"link: got '{link}', expected one of {', '.join(LINKS)}")
    allowed = {"bernoulli": ("sigmoid",), "gaussian": ("linear",), "poisson": LINKS[:3]}[emission]
    if link not in allowed:
        raise ValueError(
            f"link: got '{link}', but emission '{emission}' needs {' or '.join(allowed)}"
        )


def inverse_link(rate, link: str) -> np.ndarray:
    """Argument of the link that gives a rate; rates beyond the link's range are cut.

    Parameters
    ----------
    rate : array
        Mean count per bin.
    link : str

    Returns
    -------
    ndarray of float64
    """
    rate = np.asarray(rate, dtype=np.float64)
    if link == "linear":
        return rate
    rate = np.maximum(rate, 1e-7)
    if link == "exp":
        return np.log(rate)
    if link == "softplus":
        # log(exp(rate) - 1), without overflow
        return rate + np.log(-np.expm1(-rate))
    rate = np.minimum(rate, 1 - 1e-4)
    return np.log(rate) - np.log1p(-rate)


class Likelihood:
    """Log-likelihood and Fisher statistics, worked through in blocks of bins.

    Parameters
    ----------
    emission : {'poisson', 'bernoulli', 'gaussian'}
    link : {'sigmoid', 'softplus', 'exp', 'linear'}

    Notes
    -----
    The sigmoid rate with Poisson counts is not concave in its argument, so curvature is the
    Fisher information everywhere (softplus and exp would allow Newton steps).
    """

    def __init__(self, emission: str = "poisson", link: str = "softplus"):
        check_emission(emission, link)
        self.emission = emission
        self.link = link
        self._buffers: dict = {}

    def _buffer(self, name, shape, dtype):
        # Fresh pages cost more than the arithmetic on them.
        size = int(np.prod(shape))
        known = self._buffers.get((name, dtype))
        if known is None or known.size < size:
            known = self._buffers[name, dtype] = np.empty(size, dtype=dtype)
        return known[:size].reshape(shape)

    def _argument(self, x, weights):
        u = self._buffer("u", (len(x), len(weights)), x.dtype)
        return np.dot(x, weights.T, out=u)

    def rate(self, u, slope=None):
        """The rate, in place of `u`; with `slope` also the derivative of its logarithm."""
        if self.link == "sigmoid":
            np.negative(u, out=u)
            np.exp(u, out=u)
            u += 1
            np.reciprocal(u, out=u)
            if slope is not None:
                np.subtract(1, u, out=slope)
        elif self.link == "exp":
            np.minimum(u, CAP, out=u)
            np.exp(u, out=u)
            if slope is not None:
                slope[:] = 1
        else:
            np.minimum(u, CAP, out=u)
            np.exp(u, out=u)
            if slope is None:
                np.log1p(u, out=u)
            else:
                np.add(u, 1, out=slope)
                np.divide(u, slope, out=slope)
                np.log1p(u, out=u)
                u += FLOOR
                slope /= u
                return u
        u += FLOOR
        return u

    def log_b(self, design, theta, noise: float = 1.0) -> np.ndarray:
        """Log emission probability of every bin and state.

        Parameters
        ----------
        design : neuro.hmmglm.design.history.Design
        theta : ndarray, shape (K, N, D)
        noise : float, default 1.0
            Standard deviation of a Gaussian emission.

        Returns
        -------
        ndarray of float64, shape (T, K)
            0 in bins that are missing or whose history is.
        """
        n_states, n_neurons, _ = theta.shape
        weights = theta.reshape(n_states * n_neurons, -1).astype(design.x.dtype)
        out = np.empty((design.n_bins, n_states))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for first, end in design.blocks():
                u = self._argument(design.x[first:end], weights)
                self._fill(u, design.counts[first:end], out[first:end], n_states)
        if self.emission == "gaussian":
            out *= -0.5 / noise**2
            out -= 0.5 * n_neurons * np.log(2 * np.pi * noise**2)
        elif self.emission == "poisson":
            out -= design.log_factorial[:, None]
        out[~design.usable] = 0.0
        return out

    def _fill(self, u, counts, out, n_states):
        shape = (len(u), n_states, -1)
        if self.emission == "gaussian":
            kernels.squared_terms(u.reshape(shape), counts, out)
            return
        other = self._buffer("other", u.shape, u.dtype)
        if self.emission == "bernoulli":
            # log(1 + exp(u)) = max(u, 0) + log1p(exp(-|u|))
            np.abs(u, out=other)
            np.negative(other, out=other)
            np.exp(other, out=other)
            np.log1p(other, out=other)
            other += np.maximum(u, 0)
            kernels.bernoulli_terms(u.reshape(shape), other.reshape(shape), counts, out)
            return
        rate = self.rate(u)
        np.log(rate, out=other)
        kernels.poisson_terms(rate.reshape(shape), other.reshape(shape), counts, out)

    def squared_error(self, design, theta, gamma) -> float:
        """Posterior mean of the squared error per observed value (Gaussian emission)."""
        n_states, n_neurons, _ = theta.shape
        weights = theta.reshape(n_states * n_neurons, -1).astype(design.x.dtype)
        total = 0.0
        for first, end in design.blocks():
            u = self._argument(design.x[first:end], weights)
            miss = np.empty((end - first, n_states))
            shape = (end - first, n_states, n_neurons)
            kernels.squared_terms(u.reshape(shape), design.counts[first:end], miss)
            total += float((miss * gamma[first:end] * design.usable[first:end, None]).sum())
        return total / (n_neurons * max(design.n_usable, 1))

    def rates(self, design, theta) -> np.ndarray:
        """Expected count of every bin, state and neuron, shape (T, K, N); float32."""
        n_states, n_neurons, _ = theta.shape
        weights = theta.reshape(n_states * n_neurons, -1).astype(design.x.dtype)
        u = design.x @ weights.T
        u = u if self.emission == "gaussian" else self.rate(u)
        return u.reshape(design.n_bins, n_states, n_neurons)

    def statistics(self, design, theta, gamma, noise: float = 1.0, neurons=None):
        """Gradient and Fisher information of the expected log-likelihood.

        Parameters
        ----------
        design : neuro.hmmglm.design.history.Design
        theta : ndarray, shape (K, N, D)
        gamma : ndarray, shape (T, K)
            State probabilities; bins that are not usable are left out.
        noise : float, default 1.0
        neurons : slice, optional
            Target neurons of this block; all by default.

        Returns
        -------
        gradient : ndarray of float64, shape (K, n, D)
        information : ndarray of float64, shape (K, n, D, D)
            Positive semi-definite.
        """
        neurons = slice(None) if neurons is None else neurons
        theta = theta[:, neurons]
        n_states, n_neurons, n_columns = theta.shape
        weights = theta.reshape(n_states * n_neurons, -1).astype(design.x.dtype)
        gradient = np.zeros((len(weights), n_columns))
        packed = np.zeros((len(weights), n_columns * (n_columns + 1) // 2))
        gamma = np.where(design.usable[:, None], gamma, 0.0).astype(design.x.dtype)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for first, end in design.blocks():
                x = design.x[first:end]
                u = self._argument(x, weights)
                counts = np.ascontiguousarray(design.counts[first:end, neurons])
                up, curve = self._weights(u, counts, gamma[first:end], noise)
                gradient += up.T @ x
                packed += curve.T @ design.products(first, end)
        shape = (n_states, n_neurons, n_columns)
        return gradient.reshape(shape), _unpack(packed.reshape(*shape[:2], -1), n_columns)

    def _weights(self, u, counts, gamma, noise):
        shape = (len(u), gamma.shape[1], counts.shape[1])
        up = self._buffer("up", shape, u.dtype)
        curve = self._buffer("curve", shape, u.dtype)
        if self.emission == "gaussian":
            np.subtract(counts[:, None, :], u.reshape(shape), out=up)
            up *= gamma[:, :, None] / noise**2
            curve[:] = gamma[:, :, None] / noise**2
        elif self.emission == "bernoulli":
            rate = self.rate(u).reshape(shape)
            np.subtract(counts[:, None, :], rate, out=up)
            up *= gamma[:, :, None]
            np.subtract(1, rate, out=curve)
            curve *= rate
            curve *= gamma[:, :, None]
        else:
            slope = self._buffer("slope", shape, u.dtype)
            rate = self.rate(u, slope.reshape(u.shape)).reshape(shape)
            kernels.fisher_weights(rate, slope, counts, gamma, up, curve)
        return up.reshape(u.shape), curve.reshape(u.shape)


def _unpack(packed, n_columns):
    """Symmetric matrices from their upper triangles, row by row."""
    place = np.zeros((n_columns, n_columns), dtype=np.intp)
    rows, columns = np.triu_indices(n_columns)
    place[rows, columns] = place[columns, rows] = np.arange(rows.size)
    return packed[..., place]
