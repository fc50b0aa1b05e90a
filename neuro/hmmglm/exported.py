"""What stands beside the exported model: course of its fit, settings, warnings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.hmmglm.design.files import banner
from neuro.hmmglm.em.paper import VALUES
from neuro.hmmglm.model import OneHotHMMGLM


def convergence_table(model: OneHotHMMGLM) -> pd.DataFrame:
    """Objective of the best start after each iteration, and what every start reached."""
    path = pd.DataFrame(
        {
            "what": "iteration",
            "number": np.arange(len(model.history_)),
            "objective": model.history_,
        }
    )
    ends = pd.DataFrame(
        {
            "what": "start",
            "number": np.arange(len(model.starts_)),
            "objective": [start["objective"] for start in model.starts_],
        }
    )
    return pd.concat([path, ends], ignore_index=True)


def sidecar_parameters(model: OneHotHMMGLM, settings: dict) -> dict:
    """Every setting that shaped the exported model, with 'auto' resolved."""
    resolved = {**model.resolved(), "alpha": list(model.alpha), "rule": settings["rule"]}
    resolved["basis_weights"] = model.basis_.tolist()
    resolved["input"] = settings["input"]
    if resolved["solver"] == "paper":
        resolved["paper"] = VALUES
    return resolved


def sidecar_results(model: OneHotHMMGLM, settings: dict) -> dict:
    """What a reader of the model file should know besides its arrays."""
    solvers = {
        "cavi": "3-class spike-and-slab, ours",
        "relaxed": "Gumbel-softmax objective on batch EM",
        "paper": "online Adam, paper-era code",
    }
    fields = {
        "BinSeconds": model.dt_,
        "Weights": "per spike and unit-area history kernel; row target, column source",
        "ClassOrder": ["inhibitory", "none", "excitatory"],
        "Starts": model.starts_,
        "StateOrder": model.order_,
        "EmptyStates": model.empty_states_,
        "MostlyOneSign": model.mostly_one_sign_,
        "FreeParameters": model.n_parameters_,
    }
    if model.model == "onehot":
        fields["OneHotSolver"] = solvers[model.resolved()["solver"]]
    if note := banner(settings):
        fields["Note"] = note
    return fields
