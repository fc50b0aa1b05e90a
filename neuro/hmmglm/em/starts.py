"""Starting values, and one seeded start carried through to a fitted model."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np

from neuro.hmmglm.baselines.poisson import PoissonHMM
from neuro.hmmglm.edges.relaxed import ascend_relaxed
from neuro.hmmglm.edges.spike_slab import ascend
from neuro.hmmglm.em.batch import Fitted, Parameters, Problem, climb
from neuro.hmmglm.em.likelihood import Likelihood, inverse_link
from neuro.hmmglm.em.paper import Schedule, learn

MODELS = ("plain", "gaussian", "onehot")
NOISE, PAPER_NOISE = 0.1, 0.01
"""SD of the first couplings: of batch EM, and of the online learning of preset `paper`. There,
states that differ at once lose bins to one another within the 50 steps on the first sequence, and
some never get them back; the released code, whose states differ by rounding only, keeps them."""

SCREEN_ITER, SCREEN_BINS = 3, 100
"""Starts are compared after so many iterations, on so many bins per state and parameter."""

EMPTY = 0.01
"""A state that holds less of the bins than this counts as empty."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How starts are made and fitted; the data-independent part of a model's settings.

    Attributes
    ----------
    n_states : int
    solver : {'cavi', 'relaxed', 'paper'}
    start : {'noise', 'glm', 'hmm', 'zeros'}
    n_finish : int or None
        Starts that are carried through, see :func:`screen`; None for all.
    alpha : tuple of float
    tau : float
    schedule : Schedule
        Of the solver 'paper'.
    stay : float
        Diagonal of the first transition matrix (paper-era code: .98).
    """

    n_states: int
    solver: str = "cavi"
    start: str = "noise"
    n_finish: int | None = None
    alpha: tuple = (0.2, 1.6, 0.2)
    tau: float = 0.2
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    stay: float = 0.98


def first_transitions(n_states: int, stay: float = 0.98) -> np.ndarray:
    """The transition matrix that every start begins with."""
    transitions = np.full((n_states, n_states), (1 - stay) / max(n_states - 1, 1))
    np.fill_diagonal(transitions, stay if n_states > 1 else 1.0)
    return transitions


def first_parameters(problem: Problem, recipe: Recipe, rng) -> Parameters:
    """Starting values: mean rates, small random couplings; or another model's parameters.

    'glm' is a one-state model plus noise; 'hmm' has the rates and transitions of a Poisson HMM and
    no couplings, so that states begin as what is seen in the rates.

    Identical states would stay identical for ever (float rounding aside), so every start but
    'zeros' differs between states.
    """
    layout, design = problem.layout, problem.design
    shape = (recipe.n_states, layout.n_neurons, layout.n_columns)
    theta = np.zeros(shape)
    rates = design.mean_counts()
    if recipe.solver == "paper":
        theta[:, :, 0] = rates  # the mean itself, not its inverse link (paper-era code)
    else:
        theta[:, :, 0] = inverse_link(rates, problem.likelihood.link)
    sources = slice(1, 1 + layout.n_sources)
    noise = rng.normal(size=(*shape[:2], layout.n_sources))
    level = rng.normal(size=shape[:2])
    if recipe.start == "glm":
        single = dataclasses.replace(recipe, n_states=1, start="noise", solver="cavi")
        plain = dataclasses.replace(problem, prior_sd=None)
        one = climb(plain, first_parameters(plain, single, np.random.default_rng(0)))
        theta[:] = one.parameters.theta
        size = max(float(np.sqrt(np.mean(theta[:, :, sources] ** 2))), 0.1)
        theta[:, :, sources] += 0.25 * size * noise
        level *= 0.25 / 0.3
    elif recipe.start == "hmm":
        hmm = _rate_states(problem, recipe, rng)
        theta[:, :, 0] = inverse_link(hmm.rates_, problem.likelihood.link)
        return Parameters(theta, hmm.transitions_)
    elif recipe.start == "noise":
        theta[:, :, sources] = (PAPER_NOISE if recipe.solver == "paper" else NOISE) * noise
    if not layout.shared_bias and recipe.start != "zeros" and recipe.solver != "paper":
        theta[:, :, 0] += 0.3 * level
    _tie(theta, layout)
    spread = float(np.std(design.counts[design.usable])) if design.n_usable else 1.0
    return Parameters(theta, first_transitions(recipe.n_states, recipe.stay), max(spread, 1e-3))


def _rate_states(problem, recipe, rng) -> PoissonHMM:
    """A Poisson HMM of the same data and size, the best of its own five seeded starts."""
    design = problem.design
    borders = design.starts[1:-1]
    hmm = PoissonHMM(
        recipe.n_states,
        random_state=int(rng.integers(2**31)),
        emission=problem.likelihood.emission,
        stay=recipe.stay,
    )
    return hmm.fit(np.split(design.counts, borders), mask=np.split(design.usable, borders))


def _tie(theta, layout):
    """Zero or average the entries that the layout does not leave to each state."""
    if layout.diagonal == "free":
        return
    row, own = np.arange(layout.n_neurons)[:, None], layout.own()
    shared = theta[:, row, own].mean(axis=0) if layout.diagonal == "shared" else 0.0
    theta[:, row, own] = shared


def fit_models(problem: Problem, recipe: Recipe, models, seed) -> dict:
    """Fit the wanted models from one seeded start.

    The one-hot model starts from the Gaussian-prior optimum of the same start, which is
    therefore fitted once for both; with `start` 'hmm' it starts from the states of the HMM, because
    on few bins of many neurons that optimum has fitted states to noise. A start whose best model
    leaves a state empty (< 1 % of the bins) is replaced by one new start where that has the higher
    objective.

    Parameters
    ----------
    problem : Problem
        `prior_sd` is the one of the Gaussian-prior model.
    recipe : Recipe
    models : sequence of str
        From `plain`, `gaussian`, `onehot`.
    seed : sequence of int

    Returns
    -------
    dict of str to (Fitted, bool)
        By model; whether the start was replaced.
    """
    # Scratch arrays of a likelihood belong to one fit at a time.
    likelihood = Likelihood(problem.likelihood.emission, problem.likelihood.link)
    problem = dataclasses.replace(problem, likelihood=likelihood)
    found = {name: (fitted, False) for name, fitted in _once(problem, recipe, models, seed).items()}
    usable = problem.design.usable
    poor = [name for name, (fitted, _) in found.items() if fitted.occupancy(usable).min() < EMPTY]
    if poor and recipe.solver != "paper" and recipe.n_states > 1:
        again = _once(problem, recipe, poor, [*seed, 1])
        for name, fitted in again.items():
            if rank(name, fitted) > rank(name, found[name][0]):
                found[name] = (fitted, True)
    return found


def _once(problem, recipe, models, seed):
    rng = np.random.default_rng(seed)
    start = first_parameters(problem, recipe, rng)
    found = {}
    if recipe.solver == "paper":
        for name in models:
            found[name] = learn(problem, start, name, recipe.schedule, rng)
        return found
    if "plain" in models:
        found["plain"] = climb(dataclasses.replace(problem, prior_sd=None), start)
    if "gaussian" in models:
        found["gaussian"] = climb(problem, start)
    if "onehot" in models:
        if recipe.start == "hmm":
            warm = climb(problem, start, max_iter=0)
        else:
            warm = found["gaussian"] if "gaussian" in models else climb(problem, start)
        found["onehot"] = (
            ascend(problem, warm, recipe.alpha)
            if recipe.solver == "cavi"
            else ascend_relaxed(problem, warm, tau=recipe.tau, rng=rng)
        )
    return found


def rank(model: str, fitted: Fitted) -> float:
    """What the starts of a model are compared by.

    The training objective; for the one-hot model the marginal log-likelihood, because its relaxed
    objective is unbounded and its bound depends on the path.
    """
    return fitted.log_likelihood if model == "onehot" else fitted.objective[-1]


def screen(problem: Problem, recipe: Recipe, seeds) -> list[int]:
    """The starts worth finishing: the best after a few iterations on part of the data.

    Three iterations tell a start that will get stuck from one that will not, long before either has
    converged; more sequences than 100 bins per state and parameter need are left out meanwhile.

    Parameters
    ----------
    problem, recipe, seeds
        As for :func:`fit_starts`.

    Returns
    -------
    list of int
        `recipe.n_finish` numbers of starts, in order.
    """
    everyone = list(range(len(seeds)))
    if recipe.n_finish is None or recipe.n_finish >= len(seeds):
        return everyone
    part = dataclasses.replace(
        problem,
        design=problem.design.part(SCREEN_BINS * recipe.n_states * problem.layout.n_columns),
        likelihood=Likelihood(problem.likelihood.emission, problem.likelihood.link),
    )
    reached = []
    for seed in seeds:
        start = first_parameters(part, recipe, np.random.default_rng(seed))
        reached.append(climb(part, start, max_iter=SCREEN_ITER).objective[-1])
    best = np.argsort(-np.asarray(reached), kind="stable")[: recipe.n_finish]
    return sorted(int(number) for number in best)


def fit_starts(problem: Problem, recipe: Recipe, models, seeds, n_threads: int = 1) -> list[dict]:
    """Fit several starts of the same problem; they share the design and its products.

    Parameters
    ----------
    problem, recipe, models
        As for :func:`fit_models`.
    seeds : list of sequence of int
        One per start. A start gives the same numbers alone, in a batch and in parallel.
    n_threads : int, default 1
        Starts that are fitted at the same time.

    Returns
    -------
    list of dict
        Of the starts that :func:`screen` keeps; each has its place in `seeds` under 'number'.
    """
    chosen = screen(problem, recipe, seeds)

    def one(number):
        return {"number": number, **fit_models(problem, recipe, models, seeds[number])}

    if n_threads <= 1 or len(chosen) == 1:
        return [one(number) for number in chosen]
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1),
        concurrent.futures.ThreadPoolExecutor(min(n_threads, len(chosen))) as pool,
    ):
        return list(pool.map(one, chosen))
