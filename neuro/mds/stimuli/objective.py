"""The objective of most discriminative stimuli, and gradient ascent on it for many at once.

A stimulus is good for its cluster when the cluster's mean response stands out among the mean
responses of all clusters. The value for one cluster depends on its own stimulus and the labels
only, so all clusters, restarts and split candidates climb in one batch.
"""

from __future__ import annotations

import dataclasses

import numpy as np

CHECK_EVERY = 10
"""Steps between two looks at whether an ascent has converged."""


def membership(labels, n_units, units=None) -> np.ndarray:
    """Row-normalised membership of clusters.

    Parameters
    ----------
    labels : array of int, shape (n_fitted,)
        Clusters 0 to K-1; none is empty.
    n_units : int
        Columns of the result.
    units : array of int, shape (n_fitted,), optional
        Columns that the labels belong to; default all.

    Returns
    -------
    ndarray of float64, shape (K, n_units)
        Each row sums to 1: the mean over a cluster, whatever its size.
    """
    labels = np.asarray(labels)
    units = np.arange(n_units) if units is None else np.asarray(units)
    weights = np.zeros((int(labels.max()) + 1, n_units))
    weights[labels, units] = 1.0
    return weights / weights.sum(axis=1, keepdims=True)


def objective(means, temperature) -> np.ndarray:
    r"""Value of every stimulus, given the mean responses of the clusters.

    .. math:: J_c = m_c(s_c)/T - \log \sum_k \exp(m_k(s_c)/T) + \log K

    Parameters
    ----------
    means : array, shape (K, K)
        Row c holds the mean responses of all clusters to the stimulus of cluster c.
    temperature : float
        In response units.

    Returns
    -------
    ndarray, shape (K,)
        0 where a stimulus drives all clusters alike, log K where it drives one only.

    References
    ----------
    Burg, M. F. et al. (2024). Most discriminative stimuli for functional cell type clustering.
    ICLR, Eq. 1.
    """
    scaled = np.asarray(means, dtype=np.float64) / temperature
    top = scaled.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
    return np.diag(scaled) - total + np.log(scaled.shape[1])


@dataclasses.dataclass
class Result:
    """End of one ascent: stimuli, responses of all units to them (K, n_units), mean objective."""

    stimuli: object
    responses: np.ndarray
    objective: float


@dataclasses.dataclass
class Ask:
    """A search's wish: climb these problems for some steps.

    Attributes
    ----------
    problems : list of (stimuli, weights)
        Tensor (K, *shape) and membership (K, n_units) of each problem.
    n_steps : int
    tol : float
        Stop a wish once its mean objective gains less in :data:`CHECK_EVERY` steps; 0 never
        stops early.
    """

    problems: list
    n_steps: int
    tol: float = 0.0


class _Running:
    """A search, its present wish and how far it is."""

    def __init__(self, search):
        self.search, self.result, self.last = search, None, None
        self.advance(None)

    def advance(self, answer):
        try:
            self.ask = next(self.search) if answer is None else self.search.send(answer)
        except StopIteration as end:
            self.ask, self.result = None, end.value
            return
        self.left, self.last, self.best = self.ask.n_steps, None, None


class Ascender:
    """Gradient ascent on the stimuli of many searches at once.

    Parameters
    ----------
    model : callable
        (B, *shape) tensor -> (B, n_units) tensor, weights frozen.
    shape : tuple of int
        Of one stimulus.
    temperature : float
    norm : float
        Every stimulus has this L2 norm before it is clipped.
    low, high : array
        Bounds of a stimulus, broadcast against `shape`.
    step : {"relative", "absolute"}
        `relative` moves by `step_size * norm` along the unit gradient, `absolute` by
        `step_size` times the gradient.
    step_size : float
    smooth : float
        Standard deviation of a temporal Gaussian after each step, in frames; 0 is none. Kernel of
        5 frames; time is the first axis of a stimulus.
    keep_best : bool
        Whether an ascent ends with the best stimulus it has seen rather than the last one; long
        absolute steps may overshoot for ever.
    max_batch : int
        Stimuli per call of the model.
    device : str
    dtype : {"float32", "float64"}
    """

    def __init__(
        self,
        model,
        shape,
        *,
        temperature=1.6,
        norm=1.0,
        low=-np.inf,
        high=np.inf,
        step="relative",
        step_size=0.1,
        smooth=0.0,
        keep_best=False,
        max_batch=256,
        device="cpu",
        dtype="float32",
    ):
        import torch

        self.model, self.shape, self.temperature = model, tuple(shape), float(temperature)
        self.norm, self.step, self.step_size = float(norm), step, float(step_size)
        self.keep_best = bool(keep_best)
        self.max_batch, self.device, self.dtype = int(max_batch), device, getattr(torch, dtype)
        self.low = torch.as_tensor(np.asarray(low), dtype=self.dtype, device=device)
        self.high = torch.as_tensor(np.asarray(high), dtype=self.dtype, device=device)
        self.kernel = None
        if smooth:
            lags = np.arange(-2, 3)
            kernel = np.exp(-0.5 * (lags / smooth) ** 2)
            self.kernel = torch.as_tensor(kernel / kernel.sum(), dtype=self.dtype, device=device)

    def noise(self, n, seed):
        """Random normal stimuli within norm and bounds; the first rows do not depend on n."""
        values = np.random.default_rng(seed).standard_normal((n, *self.shape))
        return self.project(self.tensor(values))

    def tensor(self, values):
        """An array on the device."""
        import torch

        return torch.as_tensor(np.asarray(values), dtype=self.dtype, device=self.device)

    def array(self, stimuli) -> np.ndarray:
        """Stimuli as a float32 array."""
        return stimuli.detach().cpu().numpy().astype(np.float32)

    def project(self, stimuli):
        """Rescale to the norm, then clip, then smooth where wanted; the norm may end below."""
        import torch

        flat = stimuli.reshape(len(stimuli), -1)
        length = torch.linalg.vector_norm(flat, dim=1).clamp_min_(1e-12)
        stimuli = stimuli * (self.norm / length).reshape(-1, *[1] * len(self.shape))
        stimuli = torch.clamp(stimuli, self.low, self.high)
        if self.kernel is not None:
            stimuli = _smooth(stimuli, self.kernel)
        return stimuli

    def respond(self, stimuli) -> np.ndarray:
        """Responses of all units, (n_stimuli, n_units) float64.

        Raises
        ------
        ValueError
            When a response is not finite.
        """
        import torch

        with torch.no_grad():
            parts = [self.model(stimuli[rows]) for rows in self._chunks(len(stimuli))]
        values = torch.cat(parts).cpu().numpy().astype(np.float64)
        if not np.isfinite(values).all():
            unit = int(np.argwhere(~np.isfinite(values))[0, 1])
            raise ValueError(
                f"the twin returns non-finite responses (first: unit {unit}); check its weights "
                "and the range of the stimuli"
            )
        return values

    def _chunks(self, n):
        return [slice(k, k + self.max_batch) for k in range(0, n, self.max_batch)]

    def run(self, searches) -> list:
        """Drive searches to their end.

        Parameters
        ----------
        searches : list of generator
            Each yields :class:`Ask`, receives a list of :class:`Result` and returns its result.

        Returns
        -------
        list
            What the searches returned, in their order.
        """
        import torch

        running = [_Running(search) for search in searches]
        while active := [task for task in running if task.ask is not None]:
            problems = [problem for task in active for problem in task.ask.problems]
            sizes = [len(stimuli) for stimuli, _ in problems]
            stimuli = torch.cat([stimuli for stimuli, _ in problems])
            weights = self.tensor(np.concatenate([weights for _, weights in problems]))
            batch = _Batch(self, weights, sizes)
            n = min(task.left for task in active)
            if any(task.ask.tol > 0 for task in active):
                n = min(n, CHECK_EVERY)
            values, best = None, self._best_so_far(active, stimuli) if self.keep_best else None
            for _ in range(n):
                moved, values = batch.climb(stimuli)
                if best is not None:
                    best = _better(best, (values, stimuli))
                stimuli = moved
            if best is not None:
                cuts = [sum(len(pictures) for pictures, _ in task.ask.problems) for task in active]
                for task, level, seen in zip(active, best[0].split(cuts), best[1].split(cuts)):
                    task.best = (level, seen)
            self._hand_out(active, stimuli, values, sizes, n)
        return [task.result for task in running]

    def _best_so_far(self, active, stimuli):
        """Values and stimuli of the best step of every row; minus infinity before the first."""
        import torch

        cuts = [sum(len(batch) for batch, _ in task.ask.problems) for task in active]
        parts = stimuli.split(cuts)
        none = [batch.new_full((len(batch),), -torch.inf) for batch in parts]
        pairs = [task.best or (low, batch) for task, low, batch in zip(active, none, parts)]
        return torch.cat([pair[0] for pair in pairs]), torch.cat([pair[1] for pair in pairs])

    def _answers(self, done) -> list:
        """Responses and objective at the end of the searches that are done."""
        import torch

        wishes = [problem for task in done for problem in task.ask.problems]
        stimuli = torch.cat([wish for wish, _ in wishes])
        responses = self.respond(stimuli)
        cuts = np.cumsum([len(wish) for wish, _ in wishes])[:-1]
        values = np.concatenate(
            [
                objective(rows @ weights.T, self.temperature)
                for (_, weights), rows in zip(wishes, np.split(responses, cuts))
            ]
        )
        if self.keep_best:
            level = torch.cat([task.best[0] for task in done]).cpu().numpy()
            back = np.flatnonzero(level > values + 1e-9)
            if len(back):
                rows = torch.as_tensor(back, device=stimuli.device)
                stimuli = stimuli.clone()
                stimuli[rows] = torch.cat([task.best[1] for task in done])[rows]
                responses[back], values[back] = self.respond(stimuli[rows]), level[back]
        parts = stimuli.split([len(wish) for wish, _ in wishes])
        return [
            Result(wish, rows, float(value.mean()))
            for wish, rows, value in zip(
                parts, np.split(responses, cuts), np.split(values.astype(float), cuts)
            )
        ]

    def _hand_out(self, active, stimuli, values, sizes, n):
        """Give every search its part; searches that are done get an answer and wish anew."""
        parts = stimuli.split(sizes)
        watch = values is not None and any(task.ask.tol > 0 for task in active)
        levels = values.detach().split(sizes) if watch else None
        first, done = 0, []
        for task in active:
            many = len(task.ask.problems)
            mine = parts[first : first + many]
            task.ask.problems = [
                (batch, weights) for batch, (_, weights) in zip(mine, task.ask.problems)
            ]
            task.left -= n
            if watch and task.ask.tol > 0 and task.left > 0:
                level = np.mean([float(batch.mean()) for batch in levels[first : first + many]])
                if task.last is not None and level - task.last < task.ask.tol:
                    task.left = 0
                task.last = level
            if task.left <= 0:
                done.append(task)
            first += many
        if done:
            answers = self._answers(done)
            for task in done:
                many = len(task.ask.problems)
                answer, answers = answers[:many], answers[many:]
                task.advance(answer)


def _better(a, b):
    """Row by row the stimulus with the higher value."""
    import torch

    first = a[0] >= b[0]
    wide = first.reshape(-1, *[1] * (a[1].ndim - 1))
    return torch.where(first, a[0], b[0]), torch.where(wide, a[1], b[1])


class _Batch:
    """Problems whose stimuli climb together; a stimulus competes within its problem only."""

    def __init__(self, ascender, weights, sizes):
        import torch

        self.ascender = ascender
        # Divided by the temperature: responses @ weights are the softmax's arguments.
        self.weights = weights.T / ascender.temperature
        group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        group = group.to(weights.device)
        # Additive mask: clusters of other problems take no part in the sum.
        self.other = None
        if len(sizes) > 1:
            self.other = torch.where(group[:, None] == group[None, :], 0.0, -torch.inf).to(weights)
        self.log_k = torch.tensor(sizes, dtype=weights.dtype).log().to(weights.device)[group]
        self.own = torch.eye(len(group), dtype=weights.dtype, device=weights.device)

    def climb(self, stimuli):
        """One step of every stimulus; also its value before the step."""
        import torch

        chunks = self.ascender._chunks(len(stimuli))
        parts = [self._gradient(stimuli[rows], rows) for rows in chunks]
        gradient = torch.cat([block for block, _ in parts]) if len(parts) > 1 else parts[0][0]
        values = torch.cat([block for _, block in parts]) if len(parts) > 1 else parts[0][1]
        size = self.ascender.step_size
        if self.ascender.step == "relative":
            length = torch.linalg.vector_norm(gradient.flatten(1), dim=1).clamp_min_(1e-20)
            size = (size * self.ascender.norm / length).reshape(-1, *[1] * (gradient.ndim - 1))
        return self.ascender.project(stimuli + size * gradient), values

    def _gradient(self, stimuli, rows):
        """Gradient and value; the softmax's part is written out, the model's is torch's."""
        import torch

        stimuli = stimuli.detach().requires_grad_()
        responses = self.ascender.model(stimuli)
        with torch.no_grad():
            means = responses @ self.weights
            if self.other is not None:
                means += self.other[rows]
            share = torch.log_softmax(means, dim=1)
            values = share.diagonal(rows.start) + self.log_k[rows]
            pull = (self.own[rows] - share.exp_()) @ self.weights.T
        (gradient,) = torch.autograd.grad(responses, stimuli, pull)
        return gradient, values


def _smooth(stimuli, kernel):
    """Gaussian low-pass along the first axis of each stimulus, edges repeated."""
    import torch

    moved = stimuli.reshape(len(stimuli), stimuli.shape[1], -1).transpose(1, 2)
    flat = moved.reshape(-1, 1, stimuli.shape[1])
    padded = torch.nn.functional.pad(flat, (2, 2), mode="replicate")
    out = torch.nn.functional.conv1d(padded, kernel[None, None])
    return out.reshape(moved.shape).transpose(1, 2).reshape(stimuli.shape)
