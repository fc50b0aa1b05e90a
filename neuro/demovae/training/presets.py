"""What the presets of the estimator stand for."""

from __future__ import annotations

from typing import Any

WEIGHTS = ("rec", "cov", "mean", "decor", "guide")
HISTORY = ("epoch", *WEIGHTS, "total", "val_rec")
"""Columns of a training's history."""

PRESETS: dict[str, dict[str, Any]] = {
    # ours: the published objective with its quirks repaired
    "robust": {
        "space": "pc",
        "latent_dim": 60,
        "age_basis": "spline",
        "coding": "onehot",
        "weights": {"rec": 100.0, "cov": 1.0, "mean": 1.0, "decor": 10.0, "guide": 0.001},
        "n_epochs": 3000,
        "lr": 1e-4,
        "weight_decay": 0.0,
        "batch_size": None,
        "validation": 0.1,
        "patience": 100,
        "guide_reduction": "mean",
        "init": "linear",
        "target": 1.0,
        "shuffle": True,
        "centred": True,
        "normalised_decor": True,
        "guide_draw": "rows",
        "guide_average": True,
        "exact": True,
    },
    # the released package demovae 0.0.6
    "paper": {
        "space": "edges",
        "latent_dim": 60,
        "age_basis": "raw",
        "coding": "onehot",
        "weights": {"rec": 100.0, "cov": 1.0, "mean": 1.0, "decor": 10.0, "guide": 0.001},
        "n_epochs": 3000,
        "lr": 1e-4,
        "weight_decay": 0.0,
        "batch_size": 1000,
        "validation": 0.0,
        "patience": 0,
        "guide_reduction": "package",
        "init": "random",
        "target": 1.0,
        "shuffle": False,
        "centred": False,
        "normalised_decor": True,
        "guide_draw": "package",
        "guide_average": False,
        "exact": False,
    },
    # the notebooks beside that package
    "paper_notebook": {
        "space": "edges",
        "latent_dim": 30,
        "age_basis": "linear",
        "coding": "scalar",
        "weights": {"rec": 1.0, "cov": 1.0, "mean": 1.0, "decor": 1.0, "guide": 0.001},
        "n_epochs": 2000,
        "lr": 1e-4,
        "weight_decay": 0.0,
        "batch_size": 10**9,
        "validation": 0.0,
        "patience": 0,
        "guide_reduction": "sum",
        "init": "random",
        "target": 0.1,
        "shuffle": False,
        "centred": False,
        "normalised_decor": False,
        "guide_draw": "shared",
        "guide_average": False,
        "exact": False,
    },
}

CHOICES = {
    "mode": ("network", "linear"),
    "space": ("pc", "edges"),
    "age_basis": ("spline", "poly", "linear", "raw"),
    "guide_reduction": ("mean", "sum", "package"),
    "init": ("linear", "random"),
    "unseen": ("error", "ignore", "mean"),
    "missing": ("error", "drop", "impute"),
    "device": ("auto", "cpu", "cuda"),
}


def resolve(preset: str, given: dict) -> dict:
    """Settings of a preset with what the user gives on top; None leaves the preset's value.

    Parameters
    ----------
    preset : {'robust', 'paper', 'paper_notebook'}
    given : dict
        Values by name; `weights` may hold some of the five terms only.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        All problems at once, one line each.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset: got {preset!r}, expected {', '.join(PRESETS)}")
    settings = {**PRESETS[preset], "weights": dict(PRESETS[preset]["weights"])}
    problems = []
    for name, value in given.items():
        if value is None:
            settings.setdefault(name, None)
        elif name == "weights":
            unknown = sorted(set(value) - set(WEIGHTS))
            if unknown:
                problems.append(
                    f"weights: unknown term '{unknown[0]}'; expected {', '.join(WEIGHTS)}"
                )
            settings["weights"].update(value)
        else:
            settings[name] = value
    for name, choices in CHOICES.items():
        if settings.get(name) not in (*choices, None):
            problems.append(f"{name}: got {settings[name]!r}, expected {', '.join(choices)}")
    for name, low in (
        ("latent_dim", 1),
        ("hidden", 2),
        ("n_epochs", 1),
        ("patience", 0),
        ("pc_components", 1),
        ("batch_size", 1),
        ("min_level_count", 1),
        ("n_threads", 1),
    ):
        value = settings.get(name)
        if value is not None and (isinstance(value, bool) or value != int(value) or value < low):
            problems.append(f"{name}: got {value!r}, expected a whole number >= {low}")
    if not 0 <= settings["validation"] < 0.9:
        problems.append(f"validation: got {settings['validation']!r}, expected a share below 0.9")
    if not settings["lr"] > 0:
        problems.append(f"lr: got {settings['lr']!r}, expected a number > 0")
    if problems:
        raise ValueError("\n".join(problems))
    return settings
