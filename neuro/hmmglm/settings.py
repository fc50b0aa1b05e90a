"""Settings of the estimator: defaults, checks, and what 'auto' means."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from neuro.base.estimator import Params
from neuro.hmmglm.em.likelihood import check_emission
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
    prior_sd: float = 1 / 3
    alpha: tuple = (0.2, 1.6, 0.2)
    tau: float = 0.2
    n_starts: int | None = None
    n_finish: int | None = None
    max_iter: int = 40
    tol: float = 1e-5
    start: str = "noise"
    pi_kappa: float = 0.0
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
        ):
            if value not in allowed:
                raise ValueError(f"{name}: got '{value}', expected one of {', '.join(allowed)}")
        for name in ("n_states", "n_history", "max_iter", "n_threads", "n_epochs", "n_sub"):
            if int(getattr(self, name)) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a whole number >= 1")
        for name in ("prior_sd", "tau", "tol", "learning_rate"):
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
        return {
            **self.get_params(),
            "solver": solver,
            "link": link,
            "bias": bias,
            "n_starts": n_starts,
        }

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
            schedule=schedule,
        )
