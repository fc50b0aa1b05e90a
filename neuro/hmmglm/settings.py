"""Settings of the estimator: defaults, checks, and what 'auto' means."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from neuro.base.estimator import Params
from neuro.hmmglm.em.likelihood import Likelihood, check_emission
from neuro.hmmglm.em.paper import Schedule
from neuro.hmmglm.em.starts import MODELS, Recipe


@dataclasses.dataclass(eq=False)
class Settings(Params):
    """Constructor arguments of :class:`neuro.hmmglm.model.OneHotHMMGLM`, described there."""

    _tags: ClassVar = {"input_tags.two_d_array": False}

    n_states: int = 5
    model: str = "onehot"
    preset: str = "robust"
    solver: str = "cavi"
    link: str = "auto"
    emission: str = "poisson"
    bias: str = "auto"
    n_history: int = 5
    decay: float = 1.0
    basis: str = "exponential"
    n_basis: int = 1
    diagonal: str = "free"
    prior_sd: float | str = "auto"
    ridge: float | str = "auto"
    covariate_ridge: float | str = "auto"
    covariate_weights: str = "auto"
    emission_covariates: tuple | None = None
    transition_covariates: tuple = ()
    stop: str = "converged"
    alpha: tuple = (0.2, 1.6, 0.2)
    tau: float = 0.2
    n_starts: int | None = None
    n_finish: int | None = None
    max_iter: int = 200
    tol: float = 1e-6
    start: str = "noise"
    pi_kappa: float = 0.0
    newton: str = "auto"
    device: str = "numpy"
    n_threads: int = 1
    random_state: int | None = None
    n_epochs: int = 10
    n_sub: int = 50
    learning_rate: float = 0.01
    prior_count: str = "per_sequence"

    def resolved(self) -> dict:
        """Settings with every 'auto' replaced, checked.

        Raises
        ------
        ValueError
            One line, for the first setting that is wrong.
        """
        solver = "paper" if self.preset == "paper" else self.solver
        for name, value, allowed in (
            ("model", self.model, MODELS),
            ("preset", self.preset, ("robust", "paper")),
            ("solver", solver, ("cavi", "relaxed", "paper")),
            ("bias", self.bias, ("auto", "per_state", "shared")),
            ("diagonal", self.diagonal, ("free", "zero", "shared")),
            ("start", self.start, ("noise", "glm", "hmm", "zeros")),
            ("prior_count", self.prior_count, ("per_sequence", "once")),
            ("stop", self.stop, ("converged", "tuned")),
            ("device", self.device.split(":")[0], ("numpy", "cpu", "cuda")),
            ("newton", self.newton, ("auto", "full", "truncated")),
            ("covariate_weights", self.covariate_weights, ("auto", "shared", "per_state")),
        ):
            if value not in allowed:
                raise ValueError(f"{name}: got '{value}', expected one of {', '.join(allowed)}")
        for name in ("n_states", "n_history", "max_iter", "n_threads", "n_epochs", "n_sub"):
            if int(getattr(self, name)) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a whole number >= 1")
        self._check_penalties()
        for name in ("tau", "tol", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a number > 0")
        if self.n_finish is not None and (self.n_finish < 1 or solver == "paper"):
            raise ValueError(
                f"n_finish: got {self.n_finish}, expected a whole number >= 1, and none with "
                "solver 'paper'"
            )
        if len(self.alpha) != 3 or min(self.alpha) <= 0:
            raise ValueError(f"alpha: got {self.alpha}, expected three numbers > 0")
        link, emission = self.link, self.emission
        if link == "auto":
            link = {"bernoulli": "sigmoid", "gaussian": "linear"}.get(emission, "softplus")
            link = "sigmoid" if solver == "paper" else link
        check_emission(emission, link)
        bias = self.bias
        if bias == "auto":
            bias = "shared" if solver == "paper" else "per_state"
        if solver == "paper" and (emission != "poisson" or self.diagonal != "free"):
            raise ValueError("solver 'paper' needs emission 'poisson' and diagonal 'free'")
        if self.start == "hmm" and (bias == "shared" or emission == "gaussian"):
            raise ValueError("start 'hmm' needs bias 'per_state' and an emission of counts")
        n_starts = self.n_starts or (1 if solver == "paper" else 5)
        given = self.get_params()
        if solver == "paper":
            given |= {"ridge": 0.0, "prior_sd": 1 / 3 if self.prior_sd == "auto" else self.prior_sd}
        return {
            **given,
            "solver": solver,
            "link": link,
            "bias": bias,
            "covariate_weights": (
                bias if self.covariate_weights == "auto" else self.covariate_weights
            ),
            "n_starts": n_starts,
        }

    def likelihood(self) -> Likelihood:
        """The emission on the wanted device."""
        settings = self.resolved()
        if self.device == "numpy":
            return Likelihood(self.emission, settings["link"])
        if settings["solver"] == "paper":
            raise ValueError("device: solver 'paper' runs in numpy only")
        from neuro.hmmglm.em.on_torch import TorchLikelihood

        return TorchLikelihood(self.emission, settings["link"], self.device)

    def _check_penalties(self):
        for name, allowed in (("prior_sd", "> 0"), ("ridge", ">= 0"), ("covariate_ridge", ">= 0")):
            value = getattr(self, name)
            if value == "auto":
                continue
            good = not isinstance(value, str) and (value > 0 or (value == 0 and name != "prior_sd"))
            if not good:
                raise ValueError(f"{name}: got {value}, expected a number {allowed} or 'auto'")

    def recipe(self) -> Recipe:
        """How starts are made, see :class:`neuro.hmmglm.em.starts.Recipe`."""
        settings = self.resolved()
        schedule = Schedule(
            self.n_epochs, self.n_sub, self.learning_rate, self.tau, self.prior_count
        )
        return Recipe(
            n_states=self.n_states,
            solver=settings["solver"],
            start=self.start,
            n_finish=self.n_finish,
            alpha=tuple(self.alpha),
            tau=self.tau,
            ridge=None if self.ridge == "auto" else float(self.ridge),
            prior_sd=None if self.prior_sd == "auto" else float(self.prior_sd),
            covariate_ridge=(
                None if self.covariate_ridge == "auto" else float(self.covariate_ridge)
            ),
            stop=self.stop,
            schedule=schedule,
        )
