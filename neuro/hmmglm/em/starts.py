"""Starting values, and one seeded start carried through to a fitted model."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np

from neuro.hmmglm.baselines.poisson import PoissonHMM
from neuro.hmmglm.edges.relaxed import ascend_relaxed
from neuro.hmmglm.edges.spike_slab import ascend
from neuro.hmmglm.em import tuning
from neuro.hmmglm.em.batch import Fitted, Parameters, Problem, climb
from neuro.hmmglm.em.likelihood import inverse_link
from neuro.hmmglm.em.paper import Schedule, learn
from neuro.hmmglm.em.tuning import Penalty

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
    ridge, prior_sd : float or None
        Of the couplings, see :class:`neuro.hmmglm.em.tuning.Penalty`; None chooses.
    covariate_ridge : float or None
        Of the covariates; None chooses.
    stop : {'converged', 'tuned'}
        'tuned' chooses the number of iterations instead of a ridge.
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
    ridge: float | None = None
    prior_sd: float | None = None
    covariate_ridge: float | None = None
    stop: str = "converged"
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
        one = _one_state(problem, single)
        theta[:] = one.parameters.theta
        size = max(float(np.sqrt(np.mean(theta[:, :, sources] ** 2))), 0.1)
        theta[:, :, sources] += 0.25 * size * noise
        level *= 0.25 / 0.3
    elif recipe.start == "hmm":
        hmm = _rate_states(problem, recipe, rng)
        theta[:, :, 0] = inverse_link(hmm.rates_, problem.likelihood.link)
        return Parameters(theta, hmm.transitions_, drive=_no_drive(problem, recipe))
    elif recipe.start == "noise":
        theta[:, :, sources] = (PAPER_NOISE if recipe.solver == "paper" else NOISE) * noise
    if not layout.shared_bias and recipe.start != "zeros" and recipe.solver != "paper":
        theta[:, :, 0] += 0.3 * level
    _tie(theta, layout)
    spread = float(np.std(design.counts[design.usable])) if design.n_usable else 1.0
    transitions = first_transitions(recipe.n_states, recipe.stay)
    return Parameters(theta, transitions, max(spread, 1e-3), _no_drive(problem, recipe))


def _no_drive(problem, recipe):
    """Weights of inputs at the start: none, where there are inputs and states to choose."""
    if problem.design.inputs is None or recipe.n_states == 1:
        return None
    return np.zeros((recipe.n_states, problem.design.inputs.shape[1]))


def _one_state(problem, recipe) -> Fitted:
    """A one-state model of the same data, with the ridge that suits it."""
    start = first_parameters(problem, recipe, np.random.default_rng(0))
    ridge, covariates = tuning.ridges(problem, recipe, start)
    own = dataclasses.replace(problem, prior_sd=None, ridge=ridge, covariate_ridge=covariates)
    return climb(own, start)


def choose_penalties(problem: Problem, recipe: Recipe, models, seed) -> dict[str, Penalty]:
    """Ridge, spread and number of iterations of every model, chosen inside the training data.

    Parameters
    ----------
    problem, recipe, models
        As for :func:`fit_starts`.
    seed : sequence of int
        Of the start that the choices are made with.

    Returns
    -------
    dict of str to Penalty
        Of the wanted models, and of 'gaussian' where another begins from it.
    """
    most, sd = problem.max_iter, problem.prior_sd or tuning.DEFAULT_SD
    if recipe.solver == "paper":
        return {name: Penalty(0.0, sd, most) for name in models}
    start = first_parameters(problem, recipe, np.random.default_rng(seed))
    if recipe.stop == "tuned":
        return _stops(problem, recipe, models, start)
    single = dataclasses.replace(recipe, n_states=1, start="noise")
    lone = first_parameters(problem, single, np.random.default_rng(seed))
    ridge, covariates = tuning.ridges(problem, recipe, lone)
    chosen = {"plain": Penalty(ridge, None, most, covariate_ridge=covariates)}
    if set(models) <= {"plain"}:
        return chosen
    spreads = [recipe.prior_sd or sd]
    if recipe.prior_sd is None and recipe.n_states > 1:
        spreads = [precision**-0.5 for precision in tuning.SPREADS]
    chosen["gaussian"] = tuning.best_of(
        problem,
        [Penalty(ridge, one, most, covariate_ridge=covariates) for one in spreads],
        lambda inner: climb(inner, start),
    )
    if "onehot" in models:
        strengths = tuning.STRENGTHS if recipe.ridge is None else [recipe.ridge]
        own = chosen["gaussian"]
        warm: list = []

        def fit(inner):
            if not warm:
                warm.append(_warm(inner, recipe, start, own))
            return _from_warm(inner, recipe, warm[0])

        chosen["onehot"] = tuning.best_of(
            problem, [dataclasses.replace(own, ridge=strength) for strength in strengths], fit
        )
    return chosen


def _stops(problem, recipe, models, start) -> dict[str, Penalty]:
    """Numbers of iterations without any ridge but a given one."""
    ridge = recipe.ridge or 0.0
    sd = recipe.prior_sd or problem.prior_sd or tuning.DEFAULT_SD
    covariates = recipe.covariate_ridge or 0.0
    chosen = {}
    for name, spread in (("plain", None), ("gaussian", sd)):
        given = Penalty(ridge, spread, problem.max_iter, tuning.DAMPING, covariates)
        own = given.of(problem)
        most = tuning.best_stop(own, lambda inner, watch: climb(inner, start, watch=watch))
        chosen[name] = dataclasses.replace(given, max_iter=most)
    if "onehot" in models:
        warm = chosen["gaussian"]
        most = tuning.best_stop(
            Penalty(ridge, sd, problem.max_iter, covariate_ridge=covariates).of(problem),
            lambda inner, watch: _from_warm(
                inner, recipe, _warm(inner, recipe, start, warm), watch
            ),
        )
        chosen["onehot"] = Penalty(ridge, sd, most, covariate_ridge=covariates)
    return chosen


def _warm(problem, recipe, start, penalty: Penalty) -> Fitted:
    """What a one-hot fit begins from."""
    if recipe.start == "hmm":
        return climb(problem, start, max_iter=0)
    most = min(penalty.max_iter, problem.max_iter)
    return climb(penalty.of(problem), start, max_iter=most)


def _from_warm(problem, recipe, warm, watch=None, rng=None) -> Fitted:
    """A one-hot fit."""
    if recipe.solver == "cavi":
        return ascend(problem, warm, recipe.alpha, watch=watch)
    rng = np.random.default_rng(0) if rng is None else rng
    return ascend_relaxed(problem, warm, tau=recipe.tau, rng=rng)


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
    seen = design.usable if design.seen is None else design.usable[:, None] & (design.seen > 0)
    return hmm.fit(np.split(design.counts, borders), mask=np.split(seen, borders))


def _tie(theta, layout):
    """Zero or average the entries that the layout does not leave to each state."""
    if layout.diagonal == "free":
        return
    row, own = np.arange(layout.n_neurons)[:, None], layout.own()
    shared = theta[:, row, own].mean(axis=0) if layout.diagonal == "shared" else 0.0
    theta[:, row, own] = shared


def fit_models(problem: Problem, recipe: Recipe, models, seed, penalties=None) -> dict:
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
    penalties : dict of str to Penalty, optional
        As :func:`choose_penalties` gives them, which is asked by default.

    Returns
    -------
    dict of str to (Fitted, bool)
        By model; whether the start was replaced.
    """
    # Scratch arrays of a likelihood belong to one fit at a time.
    problem = dataclasses.replace(problem, likelihood=problem.likelihood.fresh())
    if penalties is None:
        penalties = choose_penalties(problem, recipe, models, list(seed)[:-1])
    once = _once(problem, recipe, models, seed, penalties)
    fits = {name: (fitted, False) for name, fitted in once.items()}
    usable = problem.design.usable
    poor = [name for name, (fitted, _) in fits.items() if fitted.occupancy(usable).min() < EMPTY]
    if poor and recipe.solver != "paper" and recipe.n_states > 1:
        again = _once(problem, recipe, poor, [*seed, 1], penalties)
        for name, fitted in again.items():
            if rank(name, fitted) > rank(name, fits[name][0]):
                fits[name] = (fitted, True)
    return fits


def _once(problem, recipe, models, seed, penalties):
    rng = np.random.default_rng(seed)
    start = first_parameters(problem, recipe, rng)
    fits = {}
    if recipe.solver == "paper":
        for name in models:
            fits[name] = learn(problem, start, name, recipe.schedule, rng)
    else:
        for name in ("plain", "gaussian"):
            if name in models:
                fits[name] = climb(penalties[name].of(problem), start)
        if "onehot" in models:
            warm = fits.get("gaussian") if recipe.start != "hmm" else None
            warm = warm or _warm(problem, recipe, start, penalties["gaussian"])
            own = penalties["onehot"].of(problem)
            fits["onehot"] = _from_warm(own, recipe, warm, rng=rng)
    for name in models:
        fits[name].penalty = penalties[name]
        before = ("gaussian", name) if name == "onehot" and "gaussian" in penalties else (name,)
        fits[name].penalties = {one: penalties[one] for one in before}
    return fits


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
    subset = dataclasses.replace(
        problem,
        design=problem.design.part(SCREEN_BINS * recipe.n_states * problem.layout.n_columns),
        likelihood=problem.likelihood.fresh(),
    )
    reached = []
    for seed in seeds:
        start = first_parameters(subset, recipe, np.random.default_rng(seed))
        reached.append(climb(subset, start, max_iter=SCREEN_ITER).objective[-1])
    best = np.argsort(-np.asarray(reached), kind="stable")[: recipe.n_finish]
    return sorted(int(number) for number in best)


def fit_starts(
    problem: Problem, recipe: Recipe, models, seeds, n_threads: int = 1, penalties=None
) -> list[dict]:
    """Fit several starts of the same problem; they share the design and its products.

    Parameters
    ----------
    problem, recipe, models
        As for :func:`fit_models`.
    seeds : list of sequence of int
        One per start. A start gives the same numbers alone, in a batch and in parallel.
    n_threads : int, default 1
        Starts that are fitted at the same time.
    penalties : dict of str to Penalty, optional
        As :func:`choose_penalties` gives them, which is asked by default.

    Returns
    -------
    list of dict
        Of the starts that :func:`screen` keeps; each has its place in `seeds` under 'number'.
    """
    if penalties is None:
        penalties = choose_penalties(problem, recipe, models, list(seeds[0])[:-1])
    # starts are compared as the Gaussian-prior model, or the only one
    first = penalties.get("gaussian", penalties[models[0]]).of(problem)
    first = dataclasses.replace(first, max_iter=problem.max_iter)
    chosen = screen(first, recipe, seeds)

    def one(number):
        fits = fit_models(problem, recipe, models, seeds[number], penalties)
        return {"number": number, **fits}

    if n_threads <= 1 or len(chosen) == 1:
        return [one(number) for number in chosen]
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1),
        concurrent.futures.ThreadPoolExecutor(min(n_threads, len(chosen))) as pool,
    ):
        return list(pool.map(one, chosen))
