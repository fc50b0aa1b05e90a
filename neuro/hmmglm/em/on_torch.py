"""E-step and M-step through torch, for a GPU: the same formulas in double precision.

The recording stays on the device: log-likelihoods, forward-backward, gradients and products with
the curvature are made there. Probabilities of states, and what has the size of the network, come
back.
"""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.em.likelihood import FLOOR, Likelihood
from neuro.io.problems import InputProblem

CHUNK = 2**27
"""Bytes of the largest array over bins, states and neurons."""


def require(device: str):
    """The module torch, with the device there.

    Raises
    ------
    InputProblem
        When torch is not installed, or there is no such device.
    """
    try:
        import torch
    except ImportError:
        raise InputProblem(
            f"hmmglm: device '{device}' needs torch; install it, or 'numpy'"
        ) from None
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputProblem(f"hmmglm: device '{device}': torch sees no GPU; use device 'cpu'")
    return torch


class TorchLikelihood(Likelihood):
    """:class:`neuro.hmmglm.em.likelihood.Likelihood` on a device of torch.

    Parameters
    ----------
    emission, link : str
    device : str
        'cpu', 'cuda' or 'cuda:<n>'.
    """

    def __init__(self, emission: str, link: str, device: str = "cpu"):
        super().__init__(emission, link)
        self.device = device
        self.torch = require(device)
        self._held: dict = {}

    def fresh(self) -> TorchLikelihood:
        """The same without anything on the device."""
        return TorchLikelihood(self.emission, self.link, self.device)

    def __deepcopy__(self, memo):
        return self.fresh()

    def _tensor(self, values):
        return self.torch.as_tensor(np.asarray(values, np.float64), device=self.device)

    def _design(self, design):
        """Columns, counts, usable bins and observed entries on the device; kept for a fit."""
        key = (id(design.x), id(design.usable))
        if self._held.get("key") != key:
            usable = self._tensor(design.usable)[:, None]
            seen = usable if design.seen is None else usable * self._tensor(design.seen)
            self._held = {
                "key": key,
                # the arrays themselves, so that their numbers are not given to others
                "arrays": (design.x, design.usable),
                "x": self._tensor(design.x),
                "counts": self._tensor(design.counts),
                "seen": seen.expand(design.counts.shape),
            }
        return self._held["x"], self._held["counts"], self._held["seen"]

    def _chunks(self, n_bins, width):
        rows = max(CHUNK // (8 * width), 1)
        return [(first, min(first + rows, n_bins)) for first in range(0, n_bins, rows)]

    def _rate_and_slope(self, u):
        """Rate with its floor, and the derivative of the rate."""
        torch = self.torch
        if self.link == "sigmoid":
            rate = torch.sigmoid(u)
            return rate + FLOOR, (1 - rate) * (rate + FLOOR)
        if self.link == "exp":
            rate = torch.exp(torch.clamp(u, max=700.0)) + FLOOR
            return rate, rate
        soft = torch.clamp(u, min=0) + torch.log1p(torch.exp(-u.abs()))
        return soft + FLOOR, torch.sigmoid(u)

    def log_b(self, design, theta, noise: float = 1.0) -> np.ndarray:
        """As :meth:`neuro.hmmglm.em.likelihood.Likelihood.log_b`."""
        torch = self.torch
        x, counts, seen = self._design(design)
        weights = self._tensor(theta)
        n_states, n_neurons, _ = theta.shape
        out = torch.empty((len(x), n_states), dtype=torch.float64, device=self.device)
        for first, end in self._chunks(len(x), n_states * n_neurons):
            u = torch.einsum("td,knd->tkn", x[first:end], weights)
            y, mask = counts[first:end, None], seen[first:end, None]
            if self.emission == "gaussian":
                terms = -0.5 * ((y - u) / noise) ** 2 - 0.5 * np.log(2 * np.pi * noise**2)
            elif self.emission == "bernoulli":
                terms = y * u - (torch.clamp(u, min=0) + torch.log1p(torch.exp(-u.abs())))
            else:
                rate, _ = self._rate_and_slope(u)
                terms = y * torch.log(rate) - rate
            out[first:end] = (terms * mask).sum(dim=2)
        log_b = out.cpu().numpy()
        if self.emission == "poisson":
            log_b -= np.where(design.usable, design.log_factorial, 0.0)[:, None]
        return log_b

    def _bins(self, u, y, mask, gamma, noise):
        """Weights of gradient and curvature of every bin, state and neuron."""
        gamma = gamma[:, :, None] * mask
        if self.emission == "gaussian":
            return gamma * (y - u) / noise**2, gamma.expand(u.shape) / noise**2
        if self.emission == "bernoulli":
            rate = self.torch.sigmoid(u) + FLOOR
            return gamma * (y - rate), gamma * rate * (1 - rate)
        rate, slope = self._rate_and_slope(u)
        return gamma * (y / rate - 1) * slope, gamma * slope**2 / rate

    def _each(self, design, theta, gamma, noise, neurons):
        x, counts, seen = self._design(design)
        weights, gamma = self._tensor(theta[:, neurons]), self._tensor(gamma)
        n_states, n_neurons, n_columns = weights.shape
        for first, end in self._chunks(len(x), n_states * n_neurons * 2 + n_columns**2):
            rows = x[first:end]
            u = self.torch.einsum("td,knd->tkn", rows, weights)
            y, mask = counts[first:end, None, neurons], seen[first:end, None, neurons]
            yield first, end, rows, *self._bins(u, y, mask, gamma[first:end], noise)

    def statistics(self, design, theta, gamma, noise: float = 1.0, neurons=None):
        """As :meth:`neuro.hmmglm.em.likelihood.Likelihood.statistics`."""
        torch = self.torch
        neurons = slice(None) if neurons is None else neurons
        n_states, n_neurons, n_columns = theta[:, neurons].shape
        shape = (n_states, n_neurons, n_columns)
        gradient = torch.zeros(shape, dtype=torch.float64, device=self.device)
        packed = torch.zeros((n_states * n_neurons, n_columns**2), dtype=torch.float64)
        packed = packed.to(self.device)
        for _, _, x, up, curve in self._each(design, theta, gamma, noise, neurons):
            gradient += torch.einsum("tkn,td->knd", up, x)
            pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
            packed += curve.reshape(len(x), -1).T @ pairs
        return gradient.cpu().numpy(), packed.reshape(*shape, n_columns).cpu().numpy()

    def weights(self, design, theta, gamma, noise: float = 1.0):
        """As :meth:`neuro.hmmglm.em.likelihood.Likelihood.weights`; weights stay on the device."""
        torch = self.torch
        gradient = torch.zeros(theta.shape, dtype=torch.float64, device=self.device)
        size = (design.n_bins, theta.shape[0] * theta.shape[1])
        weights = torch.empty(size, dtype=torch.float64, device=self.device)
        for first, end, x, up, curve in self._each(design, theta, gamma, noise, slice(None)):
            gradient += torch.einsum("tkn,td->knd", up, x)
            weights[first:end] = curve.reshape(end - first, -1)
        return gradient.cpu().numpy(), weights

    def product(self, design, weights, vectors):
        """As :meth:`neuro.hmmglm.em.likelihood.Likelihood.product`."""
        x, _, _ = self._design(design)
        flat = self._tensor(vectors)
        total = self.torch.zeros_like(flat)
        for first, end in self._chunks(len(x), len(flat)):
            u = (x[first:end] @ flat.T) * weights[first:end]
            total += u.T @ x[first:end]
        return total.cpu().numpy()

    def moments(self, design, weights):
        """As :meth:`neuro.hmmglm.em.likelihood.Likelihood.moments`."""
        x, _, _ = self._design(design)
        return (x.T @ x).cpu().numpy(), weights.mean(dim=0).cpu().numpy()

    def shapes(self, design, weights, n_states: int):
        """As :meth:`neuro.hmmglm.em.likelihood.Likelihood.shapes`."""
        x, _, _ = self._design(design)
        diagonal = self.torch.zeros((weights.shape[1], x.shape[1]), dtype=x.dtype, device=x.device)
        moments = self.torch.zeros((n_states, *x.shape[1:], x.shape[1]), dtype=x.dtype)
        moments = moments.to(x.device)
        for first, end in self._chunks(len(x), (n_states + 1) * x.shape[1] + weights.shape[1]):
            rows, block = x[first:end], weights[first:end]
            diagonal += block.T @ rows**2
            mean = block.reshape(len(rows), n_states, -1).mean(dim=2)
            moments += self.torch.einsum("td,tk,te->kde", rows, mean, rows)
        return diagonal.reshape(n_states, -1, x.shape[1]).cpu().numpy(), moments.cpu().numpy()

    def smooth(self, log_b, starts, transitions):
        """Forward-backward of all sequences side by side, see :func:`neuro.hmmglm.em.chain.smooth`.

        Sequences are padded to the longest; every step is scaled, as in the kernel.
        """
        torch = self.torch
        lengths = np.diff(starts)
        n, longest, k = len(lengths), int(lengths.max()), log_b.shape[1]
        inside = np.arange(longest) < lengths[:, None]
        at = torch.as_tensor(np.flatnonzero(inside.ravel()), device=self.device)

        def padded(values):
            wide = torch.zeros((n * longest, *values.shape[1:]), dtype=torch.float64)
            wide = wide.to(self.device)
            wide[at] = self._tensor(values)
            return wide.reshape(n, longest, *values.shape[1:]).transpose(0, 1)

        logs = padded(log_b)
        peak = logs.max(dim=2).values
        likely = torch.exp(logs - peak[..., None])
        many = transitions.ndim == 3
        into = padded(transitions) if many else self._tensor(transitions)
        there = torch.as_tensor(inside.T.copy(), device=self.device)
        filtered, predicted, scale = (torch.empty_like(likely) for _ in range(3))
        scale = scale[..., 0]
        now = torch.full((n, k), 1.0 / k, dtype=torch.float64, device=self.device)
        for t in range(longest):
            if t:
                now = torch.einsum("ni,nij->nj", now, into[t]) if many else now @ into
            predicted[t] = now
            now = now * likely[t]
            total = now.sum(dim=1)
            scale[t] = total
            now = now / total[:, None]
            filtered[t] = now
        log_z = torch.where(there, torch.log(scale) + peak, 0.0).sum(dim=0)
        gamma, ratio = torch.empty_like(filtered), torch.zeros_like(filtered)
        after = filtered[longest - 1]
        gamma[longest - 1] = after
        for t in range(longest - 2, -1, -1):
            share = torch.where(predicted[t + 1] > 0, after / predicted[t + 1], 0.0)
            step = into[t + 1] if many else into
            back = torch.einsum("nij,nj->ni", step, share) if many else share @ step.T
            back = back * filtered[t]
            back = back / back.sum(dim=1, keepdim=True)
            # a sequence that is over begins its way back at its own end
            goes_on = there[t + 1][:, None]
            ratio[t + 1] = torch.where(goes_on, share, torch.zeros_like(share))
            after = torch.where(goes_on, back, filtered[t])
            gamma[t] = after

        def flat(values):
            return values.transpose(0, 1).reshape(n * longest, -1)[at]

        if not many:
            xi = torch.einsum("tni,tnj->ij", filtered[:-1], ratio[1:])
            return flat(gamma).cpu().numpy(), transitions * xi.cpu().numpy(), log_z.cpu().numpy()
        xi = transitions * flat(ratio).cpu().numpy()[:, None, :]
        xi[1:] *= flat(filtered).cpu().numpy()[:-1, :, None]
        return flat(gamma).cpu().numpy(), xi, log_z.cpu().numpy()
