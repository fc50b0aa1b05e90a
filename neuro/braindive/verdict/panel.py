"""A verdict on guided images that does not depend on how weak the judges are.

A judge that predicts little gives every image a small gain, also the right ones. So gains are
counted in units of what the judge itself sees in natural images that really drive the region:
a judge's unit is its own gain for the natural images with the highest measured responses.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.base import seeds
from neuro.io.problems import InputProblem

TOP_SHARE, TOP_LEAST = 0.1, 8
"""Natural top images: the best tenth by measured response, but at least eight."""
GATE, GATE_FEW, FEW = 3.0, 2.0, 100
"""A judge takes part when its unit is so many standard errors large (fewer below 100 images)."""
GAIN_LIMIT, TRANSFER_LIMIT = 0.25, 0.5
"""Believed: above a quarter of the natural top images' gain, and half of the guide's claim."""
RANGE = (0.005, 0.995)
"""Judges' predictions are clipped to these quantiles of their natural ones."""
POWER = 2.49
"""Standard errors between a limit and a truth that is found in 80 of 100 cases (one side, 5 %)."""
LEVELS = (0.05, 0.95)
LEAST_NATURAL = 20
LEAST_JUDGES = 2
"""One judge alone supports nothing (ours): filters of Gabor like attacks on pixels."""
SUPPORTED, REFUTED, UNKNOWN = "supported", "refuted", "cannot tell"


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one encoder predicts, as values of an objective.

    Attributes
    ----------
    name : str
    natural : ndarray, shape (n_natural,)
        For natural images that it was never fitted on.
    guided, unguided : ndarray, shape (n_pairs,)
        For the images to be judged and for their twins.
    """

    name: str
    natural: np.ndarray
    guided: np.ndarray
    unguided: np.ndarray


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the panel says.

    Attributes
    ----------
    verdict : {'supported', 'refuted', 'cannot tell'}
    reason : str
        Why it cannot tell; empty otherwise.
    claim : float
        The guide's own gain, in its unit.
    gain, low, high : float
        Of the panel, in the panel's unit (1: as natural top images), with its 90 % interval.
    transfer : float
        `gain / claim`.
    on_gain, on_transfer : {'above', 'below', 'open'}
        Where the 90 % interval lies: of the gain against a quarter of the natural top images',
        and of the transfer against a half.
    smallest : float
        Smallest distance from a limit that would have been seen in 80 of 100 cases.
    n_judges : int
        Judges that took part.
    judges : list of dict
        Per judge: judge, r, unit, quality (unit in standard errors), gated, gain, low, high,
        transfer, refutes.
    """

    verdict: str
    reason: str
    claim: float
    gain: float
    low: float
    high: float
    transfer: float
    on_gain: str
    on_transfer: str
    smallest: float
    n_judges: int
    judges: list

    def summary(self) -> dict:
        """All but the judges."""
        own = dataclasses.asdict(self)
        own.pop("judges")
        return own


def n_top(n: int) -> int:
    """Number of natural top images among `n`."""
    return min(n, max(TOP_LEAST, round(TOP_SHARE * n)))


def clipped(seen: Seen) -> Seen:
    """A judge's predictions within the range of its natural ones.

    Parameters
    ----------
    seen : Seen

    Returns
    -------
    Seen
    """
    low, high = np.quantile(seen.natural, RANGE)
    parts = (np.clip(values, low, high) for values in (seen.natural, seen.guided, seen.unguided))
    return Seen(seen.name, *parts)


def unit(prediction, response) -> float:
    """A judge's own gain for natural top images.

    `cov(p, y) / var(y) * (mean y of the top - mean y)`: the slope of the predictions on the
    responses, times how far the natural top images lie above the mean.

    Parameters
    ----------
    prediction, response : array, shape (n,)
        Predicted and measured value of the objective.

    Returns
    -------
    float
        In units of the prediction; 0 where the responses do not vary.
    """
    p, y = (np.asarray(values, np.float64)[None] for values in (prediction, response))
    return float(_units(p, y)[0])


def _units(p, y):
    """:func:`unit` of every row."""
    n = y.shape[1]
    k = n_top(n)
    centred = y - y.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1)
    top = np.partition(centred, n - k, axis=1)[:, n - k :].mean(axis=1)
    shared = ((p - p.mean(axis=1, keepdims=True)) * centred).mean(axis=1)
    return np.where(variance > 0, shared / np.where(variance > 0, variance, 1) * top, 0.0)


def _correlation(p, y) -> float:
    spread = np.std(p) * np.std(y)
    return float(np.mean((p - p.mean()) * (y - y.mean())) / spread) if spread > 0 else 0.0


class _Draws:
    """Resamples of natural images and of pairs, the same for all judges.

    Parameters
    ----------
    response : ndarray, shape (n_natural,)
    n_pairs, n_bootstrap : int
    random_state : int
    """

    def __init__(self, response, n_pairs, n_bootstrap, random_state):
        rng = seeds.generator(random_state, "bootstrap of judges")
        n = len(response)
        self.response = response
        self.natural = rng.integers(n, size=(n_bootstrap, n), dtype=np.int32)
        self.pairs = rng.integers(n_pairs, size=(n_bootstrap, n_pairs))

    def units(self, prediction):
        """Unit of a judge in every resample; a thousand images of a hundred resamples at a time."""
        step = max(1, 10**6 // self.natural.shape[1])
        parts = [self.natural[k : k + step] for k in range(0, len(self.natural), step)]
        return np.concatenate([_units(prediction[rows], self.response[rows]) for rows in parts])

    def gains(self, difference):
        """Mean difference of the pairs in every resample."""
        return difference[self.pairs].mean(axis=1)


def assess(
    judges, guide, response, *, guide_response=None, n_bootstrap=1000, random_state=0
) -> Verdict:
    """Judge one set of images.

    Parameters
    ----------
    judges : sequence of Seen
        Encoders that took no part, at best three of different kinds.
    guide : Seen
        The encoder that steered.
    response : array, shape (n_natural,)
        Measured value of the objective for the judges' natural images.
    guide_response : array, optional
        The same for those of the guide, where it never saw others than the judges did not.
    n_bootstrap : int
    random_state : int

    Returns
    -------
    Verdict

    Raises
    ------
    InputProblem
        When there are no pairs.
    """
    y = np.asarray(response, dtype=np.float64)
    n_pairs = len(guide.guided)
    if n_pairs == 0 or len(guide.unguided) != n_pairs:
        raise InputProblem(f"verdict: {n_pairs} images and {len(guide.unguided)} twins")
    own = y if guide_response is None else np.asarray(guide_response, dtype=np.float64)
    if min(len(y), len(own)) < LEAST_NATURAL:
        few = f"{min(len(y), len(own))} natural images, at least {LEAST_NATURAL} are needed"
        return unjudged(np.nan, [], few)
    draws = _Draws(y, n_pairs, n_bootstrap, random_state)
    other = draws
    if guide_response is not None:
        other = _Draws(own, n_pairs, n_bootstrap, random_state)
        other.pairs = draws.pairs
    claim = _Claim(guide, own, other)
    rows, parts = [], []
    for seen in map(clipped, judges):
        measured = _Part(seen, y, draws)
        rows.append(measured.row(claim))
        if measured.gated:
            parts.append(measured)
    if not parts:
        reason = "no judge predicts this region well enough" if rows else "there is no judge"
        return unjudged(claim.value, rows, reason)
    panel = _Panel(parts, claim)
    verdict, reason = _decide(panel, claim, rows)
    return Verdict(
        verdict,
        reason,
        claim.value,
        panel.gain,
        panel.interval[0],
        panel.interval[1],
        panel.transfer,
        _side(panel.of_gain),
        _side(panel.of_transfer),
        panel.smallest,
        len(parts),
        rows,
    )


def _gate(n):
    return GATE_FEW if n < FEW else GATE


class _Claim:
    """The guide's own gain in its unit; its predictions are not clipped."""

    def __init__(self, guide, y, draws):
        self.unit = unit(guide.natural, y)
        units = draws.units(np.asarray(guide.natural, np.float64))
        spread = units.std(ddof=1)
        self.quality = self.unit / spread if spread > 0 else 0.0
        self.gated = bool(self.quality > _gate(len(y)))
        difference = np.asarray(guide.guided, np.float64) - guide.unguided
        self.value = difference.mean() / self.unit if self.unit > 0 else np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            self.draws = draws.gains(difference) / units


class _Part:
    """One judge."""

    def __init__(self, seen, y, draws):
        self.name = seen.name
        p = np.asarray(seen.natural, np.float64)
        self.r, self.unit = _correlation(p, y), unit(p, y)
        self.units = draws.units(p)
        spread, variance = self.units.std(ddof=1), p.var()
        self.quality = self.unit / spread if spread > 0 else 0.0
        self.gated = bool(self.quality > _gate(len(y)) and self.r > 0)
        self.weight = self.unit / variance if variance > 0 else 0.0
        difference = np.asarray(seen.guided, np.float64) - seen.unguided
        self.difference, self.gains = difference.mean(), draws.gains(difference)

    def row(self, claim):
        """Line of the table of judges."""
        row = {"judge": self.name, "r": self.r, "unit": self.unit, "quality": self.quality}
        row |= {"gated": self.gated, "gain": np.nan, "low": np.nan, "high": np.nan}
        row |= {"transfer": np.nan, "refutes": False}
        if self.gated:
            alone = _Panel([self], claim)
            row |= {"gain": alone.gain, "low": alone.interval[0], "high": alone.interval[1]}
            row |= {"transfer": alone.transfer, "refutes": alone.refutes}
        return row


class _Panel:
    """Judges together, each with the weight `unit / variance` of its natural predictions."""

    def __init__(self, parts, claim):
        weights = np.array([judge.weight for judge in parts])
        total = weights @ [judge.difference for judge in parts]
        own = weights @ [judge.unit for judge in parts]
        totals = weights @ np.stack([judge.gains for judge in parts])
        owns = weights @ np.stack([judge.units for judge in parts])
        self.gain = total / own
        self.transfer = self.gain / claim.value if claim.value > 0 else np.nan
        # Contrasts, not ratios: a resample whose unit is near zero would throw a ratio anywhere.
        deviation = (totals - self.gain * owns) / own
        self.interval = tuple(self.gain + np.quantile(deviation, LEVELS))
        self.smallest = POWER * deviation.std(ddof=1)
        self.of_gain = np.quantile(totals - GAIN_LIMIT * owns, LEVELS)
        contrast = totals - TRANSFER_LIMIT * claim.draws * owns
        contrast = contrast[np.isfinite(contrast)]
        self.of_transfer = np.quantile(contrast, LEVELS) if len(contrast) else (np.nan, np.nan)

    @property
    def refutes(self) -> bool:
        """Neither the gain of natural images nor half of the guide's claim is possible."""
        return bool(self.of_gain[1] < 0 and self.of_transfer[1] < 0)


def _side(interval) -> str:
    """Where an interval lies."""
    return "above" if interval[0] > 0 else "below" if interval[1] < 0 else "open"


def unjudged(claim, rows, reason) -> Verdict:
    """The verdict where nobody can tell.

    Parameters
    ----------
    claim : float
    rows : list of dict
        Of the judges that abstain.
    reason : str
    """
    nan = np.nan
    return Verdict(UNKNOWN, reason, claim, nan, nan, nan, nan, "open", "open", nan, 0, rows)


def _decide(panel, claim, rows) -> tuple[str, str]:
    """Verdict and, where it is none, why."""
    if not claim.gated:
        return UNKNOWN, "the guide itself does not predict this region well enough"
    if not claim.value > 0:
        return UNKNOWN, "the guide itself claims no gain"
    if panel.refutes:
        return REFUTED, ""
    against = [row["judge"] for row in rows if row["refutes"]]
    if panel.of_gain[0] > 0 and panel.of_transfer[0] > 0:
        if against:
            return UNKNOWN, f"judge {against[0]} alone refutes it"
        if sum(row["gated"] for row in rows) < LEAST_JUDGES:
            return UNKNOWN, "only one judge predicts this region well enough"
        return SUPPORTED, ""
    if panel.of_transfer[1] < 0:
        times = f"{1 / panel.transfer:.1f} times" if panel.transfer > 0 else "altogether"
        return UNKNOWN, f"the guide overclaims {times}"
    return UNKNOWN, f"power: gains within {panel.smallest:.2f} of the limit are not told apart"
