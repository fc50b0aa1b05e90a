"""A calibrated posterior over types for new cells, with the answer "untyped".

A cell's responses to the K stimuli, as counts, are compared with the profiles of training cells;
only their shares matter, so gains and units do not. Two further classes stand for cells of no type:
any profile at all, and a flat one.
"""

from __future__ import annotations

import dataclasses

import numpy as np

KAPPA = tuple(float(value) for value in np.logspace(0.5, 4, 29))
"""Concentrations that are tried: how closely a cell follows a profile."""
FLOOR = 0.01
"""Share of a profile that is spread evenly, so that no count is impossible."""
PRIOR = 0.05
"""Of each of both classes without a type, before any cell is recorded (ours)."""
WEIGHT = 20
"""Cells that this prior counts for, against the recorded ones (ours)."""
TYPED = 0.8
"""Largest posterior below which a cell is untyped (ours)."""
STOP = 0.95
"""Posterior of any class at which a sequential recording may end (ours)."""
LEAST_REPEATS = 2
FLAT_TYPED = 0.03
"""Share of flat cells that may be typed, at every number of events (ours)."""
N_FLAT = 2000
"""Flat cells that are drawn to know how sure one may look by chance."""
N_SHARES = 50
"""Steps of that expectation maximisation; it settles in a few."""
NONE, FLAT = "any profile", "flat"


def dispersion(responses) -> float:
    """Variance over mean of the repeats, pooled over a session; the unit of one event.

    Parameters
    ----------
    responses : array, shape (n_repeats, K, n_cells)
        Not negative on average; NaN marks a missing repeat.

    Returns
    -------
    float
        1 for Poisson counts, 5 for the same counts in five-fold units.

    Raises
    ------
    ValueError
        With one repeat, or where nothing varies: then the unit must be told.
    """
    values = np.asarray(responses, np.float64)
    there = np.isfinite(values).sum(axis=0)
    if values.ndim != 3 or (there < 2).all():
        raise ValueError(
            "responses: one repeat does not tell the unit of a response; give unit, the size of "
            "one event (1 for spike counts)"
        )
    several = there >= 2
    filled = np.where(np.isfinite(values), values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(there, 1)
    spread = np.where(np.isfinite(values), (values - mean) ** 2, 0.0).sum(axis=0)
    variance = spread[several] / (there[several] - 1)
    total = mean[several].sum()
    if not (variance.sum() > 0 and total > 0):
        raise ValueError(
            "responses: nothing varies between repeats; give unit, the size of one event"
        )
    return float(variance.sum() / total)


def counts(responses, unit=None) -> tuple[np.ndarray, np.ndarray]:
    """Sums over repeats in events, and the number of repeats.

    Parameters
    ----------
    responses : array, shape (n_repeats, K, n_cells) or (K, n_cells)
    unit : float, optional
        Size of one event; default :func:`dispersion`.

    Returns
    -------
    events : ndarray, shape (n_cells, K)
        Not negative. Where repeats are missing the mean times the fewest repeats of the cell.
    n_repeats : ndarray of int, shape (n_cells,)
    """
    values = np.asarray(responses, np.float64)
    values = values[None] if values.ndim == 2 else values
    if unit is None:
        unit = dispersion(values)
    if not (np.isfinite(unit) and unit > 0):
        raise ValueError(f"unit: got {unit:g}, expected a number > 0, the size of one event")
    there = np.isfinite(values).sum(axis=0)
    if not there.all():
        stimulus, cell = np.argwhere(there == 0)[0]
        raise ValueError(f"responses: cell {cell} has no repeat of stimulus {stimulus + 1}")
    mean = np.where(np.isfinite(values), values, 0.0).sum(axis=0) / there
    n_repeats = there.min(axis=0)
    return np.maximum(mean * n_repeats / unit, 0.0).T, n_repeats


def shares(responses) -> np.ndarray:
    """Profiles of training cells: their shares of the response to K stimuli, (n_cells, K).

    Parameters
    ----------
    responses : array, shape (K, n_cells)
        Such as the twin's; negative values count as 0. A cell without a response is flat.
    """
    values = np.maximum(np.asarray(responses, np.float64).T, 0.0)
    total = values.sum(axis=1, keepdims=True)
    k = values.shape[1]
    values = np.where(total > 0, values / np.where(total > 0, total, 1.0), 1.0 / k)
    return (1 - FLOOR) * values + FLOOR / k


def log_multinomial(events, alpha) -> np.ndarray:
    """Log likelihood of a Dirichlet-multinomial, without the factor that all classes share.

    Parameters
    ----------
    events : array, shape (..., K)
    alpha : array, broadcast against it
        Concentration times profile.
    """
    from scipy.special import gammaln

    total, n = alpha.sum(axis=-1), events.sum(axis=-1)
    inside = (gammaln(events + alpha) - gammaln(alpha)).sum(axis=-1)
    return gammaln(total) - gammaln(total + n) + inside


def _pairs(events, alpha) -> np.ndarray:
    """:func:`log_multinomial` of every row of events under every row of alpha."""
    from scipy.special import gammaln

    total = alpha.sum(axis=1)
    level = gammaln(total) - gammaln(total + events.sum(axis=1, keepdims=True))
    level -= gammaln(alpha).sum(axis=1)
    for stimulus, weight in enumerate(alpha.T):
        # counts are few numbers, and the function is dear
        numbers, which = np.unique(events[:, stimulus], return_inverse=True)
        level += gammaln(numbers[:, None] + weight)[which]
    return level


def _odds(posterior) -> np.ndarray:
    """Log odds of a type, whichever it is, against a flat cell."""
    with np.errstate(divide="ignore"):
        return np.log(posterior[:, :-2].sum(axis=1)) - np.log(posterior[:, -1])


@dataclasses.dataclass
class Typing:
    """What new cells are compared with.

    Parameters
    ----------
    profiles : array, shape (n_training, K)
        See :func:`shares`.
    labels : array of int, shape (n_training,)
        Types from 0; all present.
    kappa : float
        How closely a cell follows a profile, from recorded cells (:meth:`calibrated`), never from
        the twin: a twin's cells follow themselves exactly.
    outside : tuple of float
        Shares of cells of any profile, and of flat ones, from recorded cells.
    """

    profiles: np.ndarray
    labels: np.ndarray
    kappa: float = 30.0
    outside: tuple = (PRIOR, PRIOR)

    def log_likelihood(self, events, kappa=None, shows=None) -> np.ndarray:
        """Of every class, (n_cells, n_types + 2): the types, any profile, flat.

        `shows` (K,) says how often each stimulus was shown, where not equally often.
        """
        from scipy.special import logsumexp

        kappa = self.kappa if kappa is None else kappa
        events = np.asarray(events, np.float64)
        k = events.shape[1]
        share = np.ones(k) if shows is None else np.asarray(shows, float) * k / np.sum(shows)
        profiles = self.profiles * share
        profiles = profiles / profiles.sum(axis=1, keepdims=True)
        each = _pairs(events, kappa * profiles)
        terms = [
            logsumexp(each[:, self.labels == kind], axis=1) - np.log((self.labels == kind).sum())
            for kind in range(int(self.labels.max()) + 1)
        ]
        terms.append(log_multinomial(events, share))
        terms.append(log_multinomial(events, self._evenness(k, kappa) / k * share))
        return np.stack(terms, axis=1)

    def prior(self) -> np.ndarray:
        """Types alike, both other classes as they were told or found."""
        n = int(self.labels.max()) + 1
        return np.append(np.full(n, (1 - sum(self.outside)) / n), self.outside)

    def posterior(self, events, shows=None) -> np.ndarray:
        """Probability of every class, (n_cells, n_types + 2)."""
        from scipy.special import softmax

        return softmax(self.log_likelihood(events, shows=shows) + np.log(self.prior()), axis=1)

    def calibrated(self, events) -> Typing:
        """The same with what recorded, unlabelled cells make most likely.

        First the concentration, then how many cells are of no type: with fixed shares a recording
        without such cells is typed with too little confidence. They are what expectation
        maximisation finds, :data:`WEIGHT` cells of the prior counted in.

        Parameters
        ----------
        events : array, shape (n_cells, K)
            About 40 cells are enough; fewer than 10 leave the concentration as it is.
        """
        from scipy.special import logsumexp, softmax

        if len(events) < 10:
            return self
        log_prior = np.log(self.prior())
        levels = [
            logsumexp(self.log_likelihood(events, kappa) + log_prior, axis=1).sum()
            for kappa in KAPPA
        ]
        model = dataclasses.replace(self, kappa=KAPPA[int(np.argmax(levels))])
        level = model.log_likelihood(events)
        for _ in range(N_SHARES):
            kinds = softmax(level + np.log(model.prior()), axis=1)[:, -2:].sum(axis=0)
            outside = (kinds + WEIGHT * PRIOR) / (len(events) + WEIGHT)
            model = dataclasses.replace(model, outside=tuple(outside.tolist()))
        return model

    def needed(self, events) -> np.ndarray:
        """Log odds of a type against a flat cell above which a cell is typed, (n_cells,).

        A few events fall on one stimulus by chance and look like the type that answers it. Flat
        cells are drawn with as many events as a cell has; at most :data:`FLAT_TYPED` of them may
        be typed. With more events :data:`TYPED` alone is enough (minus infinity here).

        Parameters
        ----------
        events : array, shape (n_cells, K)
        """
        from neuro.base import seeds

        total = np.rint(np.asarray(events, np.float64).sum(axis=1)).astype(int)
        k = self.profiles.shape[1]
        odds = np.full(len(total), -np.inf)
        for n in np.unique(total[total > 0]):
            rng = seeds.generator(0, "flat cells", n)
            spread = rng.dirichlet(np.full(k, self._evenness(k) / k), N_FLAT)
            p = self.posterior(rng.multinomial(n, spread).astype(float))
            sure = p[:, :-2].max(axis=1) >= TYPED
            reached = np.sort(np.where(sure, _odds(p), -np.inf))[::-1]
            odds[total == n] = reached[int(FLAT_TYPED * N_FLAT)]
            # chance has lost its say, and more so with more events
            if n > 2 * k and sure.mean() < FLAT_TYPED / 10:
                break
        return odds

    def _evenness(self, k, kappa=None) -> float:
        """Concentration of flat cells."""
        return max(self.kappa if kappa is None else kappa, 10.0 * k)

    def table(self, responses, units=None, unit=None):
        """Type cells.

        Parameters
        ----------
        responses : array, shape (n_repeats, K, n_cells) or (K, n_cells)
        units : sequence of str, optional
        unit : float, optional
            Size of one event, needed for one repeat.

        Returns
        -------
        pandas.DataFrame
            unit, cluster (1 to n_types, 0 untyped: a posterior below :data:`TYPED`, with the
            shares of cells of no type as they were found, or :data:`PRIOR` each at least; or no
            more like a type than flat cells with as few events, see :meth:`needed`), best
            (the most probable type), probability (of the most probable type), p_any and p_flat,
            n_repeats, enough (a class reaches 0.95 with two repeats), why ("" or the reason for
            untyped).
        """
        import pandas as pd

        events, n_repeats = counts(responses, unit)
        if events.shape[1] != self.profiles.shape[1]:
            raise ValueError(
                f"responses: {events.shape[1]} stimuli, the profiles have {self.profiles.shape[1]}"
            )
        p = self.posterior(events)
        inside = p[:, :-2]
        best, level = inside.argmax(axis=1), inside.max(axis=1)
        # a session without cells of no type does not rule them out for the next cell
        wary = dataclasses.replace(self, outside=tuple(max(s, PRIOR) for s in self.outside))
        cautious = wary.posterior(events)
        sure = cautious[:, :-2].max(axis=1) >= TYPED
        sure &= _odds(cautious) > wary.needed(events)
        silent = events.sum(axis=1) <= 0
        even = (np.ptp(events, axis=1) <= 1e-9 * events.max(axis=1, initial=1e-300)) & ~silent
        typed = sure & (level >= TYPED) & ~silent & ~even
        why = np.where(typed, "", "no class is certain")
        why = np.where((p[:, -2:].max(axis=1) >= TYPED), "of no type", why)
        why = np.where(even, "equal answers", np.where(silent, "silent", why))
        return pd.DataFrame(
            {
                "unit": [f"c{k + 1}" for k in range(len(p))] if units is None else list(units),
                "cluster": np.where(typed, best + 1, 0),
                "best": best + 1,
                "probability": level,
                "p_any": p[:, -2],
                "p_flat": p[:, -1],
                "n_repeats": n_repeats,
                "enough": ((p.max(axis=1) >= STOP) & (n_repeats >= LEAST_REPEATS)).astype(int),
                "why": np.where(typed, "", why),
            }
        )

    def next_stimulus(self, events, shows, seed=0, n_draws=64) -> int:
        """Which stimulus to show next to one cell: the one whose answer tells most.

        The expected fall of the posterior's entropy, over answers drawn from the classes.

        Parameters
        ----------
        events : array, shape (K,)
            So far.
        shows : array, shape (K,)
            How often each stimulus was shown, at least once each.
        seed : int
        n_draws : int

        Returns
        -------
        int
            From 0.
        """
        from neuro.base import seeds

        events = np.asarray(events, np.float64)
        rng = seeds.generator(seed, "next stimulus")
        shows = np.asarray(shows, np.float64)
        p = self.posterior(events[None], shows)[0, :-2]
        # A cell's events per showing, from what it has answered so far.
        rate = max(events.sum() / shows.sum(), 1.0)
        kinds = rng.choice(len(p), n_draws, p=p / p.sum())
        cells = np.array([rng.choice(np.flatnonzero(self.labels == kind)) for kind in kinds])
        profile = self.profiles[cells]
        answers = rng.poisson(rate * len(events) * profile)
        falls = []
        for stimulus in range(len(events)):
            after = np.tile(events, (n_draws, 1))
            after[:, stimulus] += answers[:, stimulus]
            q = self.posterior(after, shows + np.eye(len(events))[stimulus])
            falls.append((q * np.log(q + 1e-300)).sum(axis=1).mean())
        return int(np.argmax(falls))


def reliability(probability, correct, n_bins=10):
    """How often cells are right at every level of the posterior.

    Parameters
    ----------
    probability : array, shape (n,)
    correct : array of bool, shape (n,)
    n_bins : int

    Returns
    -------
    table : pandas.DataFrame
        low, high, n, probability (mean), accuracy; bins without cells are left out.
    error : float
        Mean absolute difference of both, weighted by cells.
    """
    import pandas as pd

    probability, correct = np.asarray(probability, float), np.asarray(correct, float)
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    rows = [
        {
            "low": b / n_bins,
            "high": (b + 1) / n_bins,
            "n": int((bins == b).sum()),
            "probability": float(probability[bins == b].mean()),
            "accuracy": float(correct[bins == b].mean()),
        }
        for b in np.unique(bins)
    ]
    table = pd.DataFrame(rows, columns=["low", "high", "n", "probability", "accuracy"])
    gap = (table["probability"] - table["accuracy"]).abs() * table["n"]
    return table, float(gap.sum() / max(table["n"].sum(), 1))
