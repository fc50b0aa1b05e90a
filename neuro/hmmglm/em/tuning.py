"""How strongly couplings are held back: chosen on an inner split of the training data.

A converged fit without a prior predicts unseen data worse than constant rates do where units are
many and bins are few. Four penalties can mend that, and each is chosen the same way, on segments of
the training data that are held out meanwhile: a ridge on the couplings' mean over states, a spread
around it, a ridge on one-hot strengths, or the number of iterations (early stopping).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.design.history import Design
from neuro.hmmglm.em.batch import Parameters, Problem, climb
from neuro.hmmglm.em.chain import smooth

RIDGES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Precisions of the mean over states, or of all couplings, the strongest first."""

SPREADS = (9.0, 100.0, 1000.0)
"""Precisions around the mean over states (paper-era code: 9), the default first."""

STRENGTHS = (0.0, 3.0, 30.0)
"""Added to the precision 1 of one-hot strengths, the default first."""

COVARIATE_RIDGES = (300.0, 30.0, 3.0, 0.3)
"""Precisions of the weights of standardised covariates, the strongest first."""

EVERY = 4
"""Every fourth segment is held out."""

FEWEST = 50
"""With fewer bins on either side nothing is chosen, and the defaults below hold."""

DEFAULT_RIDGE, DEFAULT_SD = 3.0, 1 / 3
DEFAULT_COVARIATE_RIDGE = 3.0

DAMPING = 9.0
"""Of steps whose number is chosen: undamped, the first is at the optimum of few data already."""

ROUGH_ITER, ROUGH_TOL = 30, 1e-4
"""Fits that only choose need not end at the last digit."""


@dataclasses.dataclass(frozen=True)
class Penalty:
    """What was chosen, or given.

    Attributes
    ----------
    ridge : float
        Precision of the mean over states; of all couplings in the plain model; of the strengths,
        on top of 1, in the one-hot model.
    prior_sd : float or None
        Around the mean over states.
    max_iter : int
        Iterations; fewer than the settings' where they were chosen.
    damping : float
        Of the steps, where their number is chosen.
    covariate_ridge : float
        Precision of the weights of covariates.
    """

    ridge: float
    prior_sd: float | None
    max_iter: int
    damping: float = 0.0
    covariate_ridge: float = 0.0

    def of(self, problem: Problem) -> Problem:
        """The problem with this penalty."""
        return dataclasses.replace(problem, **dataclasses.asdict(self))


def inner_split(design: Design, guard: int) -> tuple[Design, Design] | None:
    """Training data and held-out segments of a design.

    Parameters
    ----------
    design : Design
    guard : int
        Bins on either side of a border that belong to neither, as long as the history.

    Returns
    -------
    fit, held : Design
        Every fourth sequence is held out; fewer than eight sequences are cut into 16 pieces.
        None where there are too few bins.
    """
    n_sequences = len(design.starts) - 1
    if n_sequences >= 2 * EVERY:
        borders = design.starts
    else:
        length = max(design.n_bins // (4 * EVERY), 1)
        cut = [np.arange(a, b, length) for a, b in zip(design.starts[:-1], design.starts[1:])]
        borders = np.append(np.concatenate(cut), design.n_bins)
    number = np.repeat(np.arange(len(borders) - 1), np.diff(borders))
    held = number % EVERY == EVERY - 1
    clear = np.ones(design.n_bins, dtype=bool)
    for border in np.setdiff1d(borders, design.starts):
        if held[border] != held[border - 1]:
            clear[max(border - guard, 0) : border + guard] = False
    sides = design.only(~held & clear), design.only(held & clear)
    return None if min(side.n_usable for side in sides) < FEWEST else sides


def held_out(problem: Problem, design: Design, parameters: Parameters) -> np.ndarray:
    """Marginal log-likelihood of the held-out bins of each sequence, shape (n,)."""
    log_b = problem.likelihood.log_b(design, parameters.theta, parameters.noise)
    return smooth(log_b, design.starts, parameters.chain.matrices(design))[2]


def one_state_scores(
    problem: Problem, start: Parameters, ridges=RIDGES, key: str = "ridge"
) -> np.ndarray | None:
    """What one-state models predict of the held-out segments, in nats per bin.

    Parameters
    ----------
    problem : Problem
    start : Parameters
        Of one state.
    ridges : sequence of float
        Tried in this order, each from the optimum of the one before.
    key : {'ridge', 'covariate_ridge'}
        Whether couplings or covariates are held back so.

    Returns
    -------
    ndarray, shape (n_ridges,), or None
        None where there are too few bins.
    """
    sides = inner_split(problem.design, problem.n_history)
    if sides is None:
        return None
    scores = []
    for ridge in ridges:
        inner = dataclasses.replace(
            problem, design=sides[0], prior_sd=None, max_iter=ROUGH_ITER, tol=ROUGH_TOL
        )
        inner = dataclasses.replace(inner, **{key: ridge})
        start = climb(inner, start).parameters
        scores.append(held_out(problem, sides[1], start).sum() / sides[1].n_usable)
    return np.array(scores)


def one_state(problem: Problem, start: Parameters, ridges=RIDGES) -> float:
    """The ridge of a one-state model that predicts the held-out segments best."""
    scores = one_state_scores(problem, start, ridges)
    return DEFAULT_RIDGE if scores is None else ridges[int(np.argmax(scores))]


def covariate_ridge(problem: Problem, start: Parameters) -> float:
    """The ridge on covariates with which a one-state model predicts the held-out segments best."""
    scores = one_state_scores(problem, start, COVARIATE_RIDGES, "covariate_ridge")
    return DEFAULT_COVARIATE_RIDGE if scores is None else COVARIATE_RIDGES[int(np.argmax(scores))]


def ridges(problem, recipe, start) -> tuple[float, float]:
    """Ridges on couplings and on covariates: given, or chosen with one state one by one."""
    n_covariates, covariates = problem.layout.n_covariates, recipe.covariate_ridge
    if covariates is None:
        covariates = DEFAULT_COVARIATE_RIDGE if n_covariates else 0.0
    problem = dataclasses.replace(problem, covariate_ridge=covariates)
    ridge = one_state(problem, start) if recipe.ridge is None else recipe.ridge
    if recipe.covariate_ridge is None and n_covariates:
        covariates = covariate_ridge(dataclasses.replace(problem, ridge=ridge), start)
    return ridge, covariates


def best_of(problem: Problem, penalties, fit):
    """The penalty whose fit predicts the held-out segments best; the first where none is surely so.

    Parameters
    ----------
    problem : Problem
    penalties : list of Penalty
        The first is the default. Fits of several states end in local optima, whose differences
        must not choose: another penalty has to win by more than a standard error over sequences.
    fit : callable
        Gets a problem (inner design, penalty) and gives a
        :class:`~neuro.hmmglm.em.batch.Fitted`.

    Returns
    -------
    Penalty
    """
    sides = inner_split(problem.design, problem.n_history)
    if sides is None or len(penalties) == 1:
        return penalties[0]
    inner = dataclasses.replace(problem, design=sides[0])
    scores = []
    for penalty in penalties:
        fitted = fit(dataclasses.replace(penalty.of(inner), max_iter=ROUGH_ITER, tol=ROUGH_TOL))
        scores.append(held_out(problem, sides[1], fitted.parameters))
    best = int(np.argmax([one.sum() for one in scores]))
    gain = (scores[best] - scores[0])[scores[0] != 0]
    sure = len(gain) > 1 and gain.sum() > gain.std(ddof=1) * np.sqrt(len(gain))
    return penalties[best if sure else 0]


def best_stop(problem: Problem, fit) -> int:
    """The number of iterations after which the held-out segments are predicted best.

    Parameters
    ----------
    problem : Problem
    fit : callable
        Gets a problem on the inner design and a function that is to see the parameters before
        every step.

    Returns
    -------
    int
        At least 1.
    """
    sides = inner_split(problem.design, problem.n_history)
    if sides is None:
        return problem.max_iter
    scores: list[float] = []
    most = min(ROUGH_ITER, problem.max_iter)
    fit(
        dataclasses.replace(problem, design=sides[0], max_iter=most),
        lambda parameters: scores.append(held_out(problem, sides[1], parameters).sum()),
    )
    return max(int(np.argmax(scores)), 1)
