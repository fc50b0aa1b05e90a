"""Emissions: log-likelihood of every bin under every state, and its Fisher statistics."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.em import kernels
from neuro.hmmglm.em.chain import smooth

LINKS = ("sigmoid", "softplus", "exp", "linear")
EMISSIONS = ("poisson", "bernoulli", "gaussian")
FLOOR = 1e-8
"""Added to every rate (paper-era code)."""

CAP = {4: 80.0, 8: 700.0}
"""Arguments of exp are cut here, where a number of so many bytes still holds the exponential."""


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
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name, dtype] = np.empty(size, dtype=dtype)
        return buffer[:size].reshape(shape)

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
            np.minimum(u, CAP[u.itemsize], out=u)
            np.exp(u, out=u)
            if slope is not None:
                slope[:] = 1
        else:
            self._softplus(u, slope)
            if slope is not None:
                slope /= u
            return u
        u += FLOOR
        return u

    def _softplus(self, u, slope):
        """log(1 + exp(u)) plus the floor in place of `u`, its derivative in `slope`.

        It is max(u, 0) + log(1 + exp(-|u|)), which no argument overflows.
        """
        small = self._buffer("small", u.shape, u.dtype)
        np.abs(u, out=small)
        np.negative(small, out=small)
        np.exp(small, out=small)
        if slope is not None:
            # 1 / (1 + e) where u is not negative, else e / (1 + e)
            np.copyto(slope, small)
            slope[u >= 0] = 1
            slope /= 1 + small
        np.maximum(u, 0, out=u)
        np.log1p(small, out=small)
        u += small
        u += FLOOR

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
                seen = None if design.seen is None else design.seen[first:end]
                self._fill(u, design.counts[first:end], seen, out[first:end], n_states)
        if self.emission == "gaussian":
            out *= -0.5 / noise**2
            entries = n_neurons if design.seen is None else design.seen.sum(axis=1)[:, None]
            out -= 0.5 * entries * np.log(2 * np.pi * noise**2)
        elif self.emission == "poisson":
            out -= design.log_factorial[:, None]
        out[~design.usable] = 0.0
        return out

    def _fill(self, u, counts, seen, out, n_states):
        shape = (len(u), n_states, -1)
        given = (counts,) if seen is None else (counts, seen)
        if self.emission == "gaussian":
            terms = kernels.squared_terms if seen is None else kernels.squared_terms_seen
            terms(u.reshape(shape), *given, out)
            return
        other = self._buffer("other", u.shape, u.dtype)
        if self.emission == "bernoulli":
            # log(1 + exp(u)) = max(u, 0) + log1p(exp(-|u|))
            np.abs(u, out=other)
            np.negative(other, out=other)
            np.exp(other, out=other)
            np.log1p(other, out=other)
            other += np.maximum(u, 0)
            terms = kernels.bernoulli_terms if seen is None else kernels.bernoulli_terms_seen
            terms(u.reshape(shape), other.reshape(shape), *given, out)
            return
        rate = self.rate(u)
        np.log(rate, out=other)
        terms = kernels.poisson_terms if seen is None else kernels.poisson_terms_seen
        terms(rate.reshape(shape), other.reshape(shape), *given, out)

    def squared_error(self, design, theta, gamma) -> float:
        """Posterior mean of the squared error per observed value (Gaussian emission)."""
        n_states, n_neurons, _ = theta.shape
        weights = theta.reshape(n_states * n_neurons, -1).astype(design.x.dtype)
        total = 0.0
        for first, end in design.blocks():
            u = self._argument(design.x[first:end], weights)
            miss = np.empty((end - first, n_states))
            self._fill(
                u,
                design.counts[first:end],
                None if design.seen is None else design.seen[first:end],
                miss,
                n_states,
            )
            total += float((miss * gamma[first:end] * design.usable[first:end, None]).sum())
        return total / max(design.n_entries, 1)

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
                if design.seen is not None:
                    seen = design.seen[first:end, None, neurons]
                    shape = (end - first, n_states, n_neurons)
                    up.reshape(shape)[...] *= seen
                    curve.reshape(shape)[...] *= seen
                gradient += up.T @ x
                packed += curve.T @ design.products(first, end)
        shape = (n_states, n_neurons, n_columns)
        return gradient.reshape(shape), _unpack(packed.reshape(*shape[:2], -1), n_columns)

    def weights(self, design, theta, gamma, noise: float = 1.0):
        """Gradient of the expected log-likelihood, and what every bin weighs in its curvature.

        Parameters
        ----------
        design, theta, gamma, noise
            As for :meth:`statistics`.

        Returns
        -------
        gradient : ndarray of float64, shape (K, N, D)
        curve : ndarray of the type of the design, shape (T, K N)
        """
        n_states, n_neurons = theta.shape[:2]
        couplings = theta.reshape(n_states * n_neurons, -1).astype(design.x.dtype)
        gradient = np.zeros(couplings.shape)
        weights = np.empty((design.n_bins, len(couplings)), design.x.dtype)
        gamma = np.where(design.usable[:, None], gamma, 0.0).astype(design.x.dtype)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for first, end in design.blocks():
                x, counts = design.x[first:end], design.counts[first:end]
                u = self._argument(x, couplings)
                up, curve = self._weights(u, counts, gamma[first:end], noise)
                if design.seen is not None:
                    shape = (end - first, n_states, n_neurons)
                    seen = design.seen[first:end, None]
                    up.reshape(shape)[...] *= seen
                    curve.reshape(shape)[...] *= seen
                gradient += up.T @ x
                weights[first:end] = curve
        return gradient.reshape(theta.shape), weights

    def product(self, design, weights, vectors) -> np.ndarray:
        """Curvature times one vector per state and neuron.

        Parameters
        ----------
        design : neuro.hmmglm.design.history.Design
        weights : ndarray, shape (T, K N)
            As :meth:`weights` gives them.
        vectors : ndarray, shape (K N, D)

        Returns
        -------
        ndarray of float64, shape (K N, D)
        """
        flat = vectors.astype(weights.dtype)
        total = np.zeros(flat.shape)
        for first, end in design.blocks():
            u = design.x[first:end] @ flat.T
            u *= weights[first:end]
            total += u.T @ design.x[first:end]
        return total

    def moments(self, design, weights):
        """Second moment of the columns, shape (D, D), and mean weights, shape (K N,)."""
        moment = np.zeros((design.x.shape[1],) * 2)
        for first, end in design.blocks():
            moment += design.x[first:end].T @ design.x[first:end]
        return moment, weights.mean(axis=0, dtype=np.float64)

    def shapes(self, design, weights, n_states: int):
        """What the curvatures of all neurons are made of where none is made whole.

        Parameters
        ----------
        design : neuro.hmmglm.design.history.Design
        weights : ndarray, shape (T, K N)
            As :meth:`weights` gives them.
        n_states : int

        Returns
        -------
        diagonal : ndarray of float64, shape (K, N, D)
            Of the curvature of every state and neuron, exact.
        moments : ndarray of float64, shape (K, D, D)
            Curvature of every state at the mean weights of all neurons.
        """
        n_columns = design.x.shape[1]
        diagonal = np.zeros((weights.shape[1], n_columns))
        moments = np.zeros((n_states, n_columns, n_columns))
        for first, end in design.blocks():
            x, block = design.x[first:end], weights[first:end]
            diagonal += block.T @ (x * x)
            mean = block.reshape(len(x), n_states, -1).mean(axis=2)
            for moment, weight in zip(moments, mean.T):
                moment += (x * weight[:, None]).T @ x
        return diagonal.reshape(n_states, -1, n_columns), moments

    def smooth(self, log_b, starts, transitions):
        """Forward-backward, see :func:`neuro.hmmglm.em.chain.smooth`."""
        return smooth(log_b, starts, transitions)

    def fresh(self) -> Likelihood:
        """The same with scratch arrays of its own."""
        return Likelihood(self.emission, self.link)

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
    index = np.zeros((n_columns, n_columns), dtype=np.intp)
    rows, columns = np.triu_indices(n_columns)
    index[rows, columns] = index[columns, rows] = np.arange(rows.size)
    return packed[..., index]
