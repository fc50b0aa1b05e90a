"""Section `demovae`: connectomes without their demographics, and synthetic ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from neuro.config.demovae_scan import PhenotypeScan
from neuro.config.model import enabled, group, option

PRESET_NAMES = ("robust", "paper", "paper_notebook")
TYPES = ("continuous", "categorical")
ROLES = ("remove", "condition", "protect", "report")
COMPARED = (
    *("none", "residual", "combat", "combat_residual", "covbat", "covbat_residual"),
    *("protected", "linear", "network"),
)
AGE_BASES = ("spline", "poly", "linear", "raw")


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the five terms of the objective; null takes the preset's."""

    rec: float | None = option(
        None,
        "number",
        "Reconstruction error (100; notebooks 1).",
        low=0,
        nullable=True,
        source="released package",
    )
    cov: float | None = option(
        None,
        "number",
        "Latents white over the batch (1).",
        low=0,
        nullable=True,
        source="released package",
    )
    mean: float | None = option(
        None,
        "number",
        "Latents centred over the batch (1).",
        low=0,
        nullable=True,
        source="released package",
    )
    decor: float | None = option(
        None,
        "number",
        "Latents uncorrelated with the demographics (10; notebooks 1).",
        low=0,
        nullable=True,
        source="released package",
    )
    guide: float | None = option(
        None,
        "number",
        "Decoded connectomes look like the requested demographics (0.001).",
        low=0,
        nullable=True,
        source="released package",
    )


@dataclasses.dataclass(frozen=True)
class Planted:
    """Planted connectomes beside simulated data (`data.kind: simulated`): what comes back."""

    n_subjects: int = option(300, "integer", "Planted connectomes, half of them to fit.", low=40)
    n_regions: int = option(40, "integer", "Regions.", low=8)
    latent_dim: int = option(20, "integer", "Number of latents.", low=1)
    effect: float = option(
        4.0,
        "number",
        "Factor on the effects of age, sex, site and diagnosis; 1 is about as strong as in real "
        "cohorts, where 1000 subjects and 264 regions are needed to see them.",
        low=0,
    )
    age_basis: str = option(
        "spline",
        "string",
        "Coding of age for this cohort; a linear one cannot learn the planted square of age.",
        choices=AGE_BASES,
    )


@dataclasses.dataclass(frozen=True)
class Demovae:
    """Deconfounded features, synthetic connectomes, the diagnosis again without demographics."""

    enabled: bool = enabled()
    preset: str = option(
        "robust",
        "string",
        "A set of defaults: 'robust' is what we would use, 'paper' follows the released package "
        "with its quirks, 'paper_notebook' the notebooks beside it; keys that are given win.",
        choices=PRESET_NAMES,
    )
    mode: str = option(
        "network",
        "string",
        "The network, or its closed-form linear relative (seconds; shown beside it anyway).",
        choices=("network", "linear"),
        source="network: Orlichenko et al. 2024; linear: ours",
    )
    space: str = option(
        "pc",
        "string",
        "Train on coordinates in the space that the training connectomes span (same objective, "
        "a fraction of the cost), or on the edges.",
        choices=("pc", "edges"),
        source="ours; paper: edges",
    )
    latent_dim: int = option(
        60, "integer", "Number of latents.", low=1, source="released package; notebooks: 30"
    )
    hidden: int = option(
        1000, "integer", "Units of each hidden layer.", low=2, source="released package"
    )
    pc_components: int | None = option(
        None,
        "integer",
        "Number of coordinates; null takes all that the training rows span, at most 500.",
        low=1,
        nullable=True,
    )
    columns: dict = option(
        {
            "age": "continuous remove",
            "sex": "categorical remove",
            "site": "categorical remove",
            "log_mean_fd": "continuous remove",
            "dx": "categorical condition",
        },
        "mapping",
        "Columns of participants.tsv: type (continuous, categorical), role and, if wanted, a "
        "reference value. 'remove' is taken out of the latents and told to the decoder, "
        "'condition' is only told to the decoder, 'protect' shields what the removed columns share "
        "with it, 'report' is only reported. log_mean_fd is the logarithm of the mean framewise "
        "displacement of a run, from the quality control or from mean_fd in participants.tsv; "
        "without either it is left out and listed.",
    )
    age_basis: str = option(
        "spline",
        "string",
        "Coding of continuous columns: cubic spline with 4 degrees of freedom, cubic polynomial, "
        "standardised, or in the table's unit.",
        choices=AGE_BASES,
        source="ours; paper: raw",
    )
    weights: LossWeights = group(LossWeights)
    n_epochs: int = option(
        3000, "integer", "Most epochs of a training.", low=1, source="released package"
    )
    lr: float = option(
        1e-4,
        "number",
        "Learning rate; the outer layers in 'pc' space get sqrt(edges / coordinates) times more.",
        above=0,
        source="released package; scaling ours",
    )
    validation: float = option(
        0.1,
        "number",
        "Share of the training subjects that choose the epoch and measure the residual noise.",
        low=0,
        high=0.5,
        source="ours; paper: 0",
    )
    patience: int = option(
        100,
        "integer",
        "Epochs without improvement before training stops; 0 never stops.",
        low=0,
        source="ours; paper: 0",
    )
    guide_reduction: str = option(
        "mean",
        "string",
        "How the guidance terms of the k levels of a column are joined; 'package' adds their sum "
        "k times.",
        choices=("mean", "sum", "package"),
        source="ours; paper: package",
    )
    unseen: str = option(
        "error",
        "string",
        "A level that the training subjects did not have: stop, code it as no level, or as the "
        "training average.",
        choices=("error", "ignore", "mean"),
    )
    missing: str = option(
        "error",
        "string",
        "Missing demographics: stop with a list, leave the run out (listed), or code the value "
        "as the training average.",
        choices=("error", "drop", "impute"),
    )
    min_level_count: int = option(
        5, "integer", "Levels with fewer subjects are pooled when there are two or more.", low=1
    )
    folds: int = option(
        5,
        "integer",
        "Folds of the evaluation on held-out subjects; those of adhd where equal.",
        low=2,
    )
    compare: list = option(
        list(COMPARED),
        "strings",
        "Ways of removing demographics that are compared, each with and without a bottleneck of "
        "latent_dim: 'none', linear 'residual', 'combat' and 'covbat' (site removed, biology "
        "kept), the same with the rest subtracted ('_residual'), the 'protected' closed form, "
        "'linear' and 'network'.",
        choices=COMPARED,
    )
    phenotypes: PhenotypeScan = group(PhenotypeScan)
    latent_dims: list = option(
        [60, 150, 300],
        "integers",
        "Numbers of latents that the diagnosis is repeated with; those that are too many for a "
        "fold are left out and listed.",
        low=1,
    )
    permutations: int = option(
        1000, "integer", "Permutations of the labels within sites, per row of the diagnosis.", low=0
    )
    n_samples: int = option(200, "integer", "Number of synthetic connectomes.", low=1)
    grid: str | None = option(
        None,
        "path",
        "Table with the demographics of the synthetic connectomes, one row each; null draws them "
        "from the participants.",
        nullable=True,
    )
    psd: bool = option(
        True,
        "boolean",
        "Whether synthetic Pearson connectomes are made correlation matrices.",
        source="ours; paper: false",
    )
    residual_noise: bool = option(
        True,
        "boolean",
        "Whether synthetic connectomes get the noise that held-out connectomes have.",
        source="ours; paper: false",
    )
    sampler: str = option(
        "full_rank",
        "string",
        "Who draws synthetic connectomes: 'full_rank' models people around the mean connectome and "
        "draws a scan of each, 'model' decodes the autoencoder (the paper; nearly singular). "
        "'full_rank' needs Pearson correlations and psd.",
        choices=("full_rank", "model"),
        source="ours; paper: model",
    )
    batch: str = option(
        "independent",
        "string",
        "Synthetic connectomes of the model are independent draws, or 'balanced': latents of the "
        "batch have exact moments, less noise in maps, and cannot be counted as people.",
        choices=("independent", "balanced"),
    )
    add_back: bool = option(
        False,
        "boolean",
        "Whether deconfounded connectomes keep what the bottleneck loses (contaminated on new "
        "subjects, see the docs).",
    )
    planted: Planted = group(Planted)
    device: str = option(
        "auto",
        "string",
        "Where the network is trained; 'auto' takes a CUDA device where there is one.",
        choices=("auto", "cpu", "cuda"),
    )
    seed: int = option(
        0, "integer", "Another draw for this stage alone; 0 is the draw of execution.seed.", low=0
    )


_RELEASED = {
    "space": "edges",
    "validation": 0.0,
    "patience": 0,
    "psd": False,
    "sampler": "model",
    "residual_noise": False,
}
PRESETS = {
    "robust": {},
    "paper": {**_RELEASED, "age_basis": "raw", "guide_reduction": "package"},
    "paper_notebook": {
        **_RELEASED,
        "age_basis": "linear",
        "guide_reduction": "sum",
        "latent_dim": 30,
        "n_epochs": 2000,
    },
}


def problems(config) -> list[str]:
    """What is wrong with the resolved section beyond single keys, one line each."""
    section = config["demovae"]
    lines: list[str] = []
    if not section["enabled"]:
        return lines
    grid = section["grid"]
    if grid and not Path(grid).is_file():
        lines.append(f"demovae.grid: no such file: {grid}")
    return lines + _columns(section["columns"])


def _columns(columns) -> list[str]:
    lines = []
    for name, text in columns.items():
        key = f"demovae.columns.{name}"
        words = str(text).split(None, 2)
        if not words or words[0] not in TYPES:
            lines.append(f"{key}: got '{text}', expected 'continuous ROLE' or 'categorical ROLE'")
        elif words[1:2] == ["keep"]:
            lines.append(
                f"{key}: role 'keep' is now called 'report' (only reported, not shielded); "
                "'protect' shields a column from the removal of the others"
            )
        elif len(words) > 1 and words[1] not in ROLES:
            lines.append(f"{key}: role '{words[1]}', expected one of {', '.join(ROLES)}")
        elif name == "dx" and words[1:2] in ([], ["remove"]):
            lines.append(
                f"{key}: 'dx' is the prediction target and cannot have role remove; use "
                "'categorical condition'"
            )
        elif words[0] == "continuous" and len(words) > 2 and not _is_number(words[2]):
            lines.append(f"{key}: reference '{words[2]}' is not a number")
    roles = [str(text).split()[1:2] for text in columns.values()]
    if not lines and not any(role in ([], ["remove"]) for role in roles):
        lines.append("demovae.columns: no column has role remove; disable demovae or name one")
    return lines


def _is_number(text) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    own = config["demovae"]
    removed = [
        name for name, text in own["columns"].items() if str(text).split()[1:2] in ([], ["remove"])
    ]
    if own["mode"] == "network":
        first = (
            f"Connectomes were encoded into {own['latent_dim']} latents by a deterministic "
            "autoencoder whose latents are matched to a standard normal distribution and "
            f"decorrelated from {_listed(removed)}, and whose decoder is told the demographics "
            "[@orlichenko2024]."
        )
    else:
        first = (
            f"Connectomes were reduced to {own['latent_dim']} latents by the closed-form linear "
            f"relative of the demographic-conditioned autoencoder [@orlichenko2024], orthogonal "
            f"to {_listed(removed)} on the training subjects."
        )
    sentences = [first]
    if own["mode"] == "network" and own["space"] == "pc":
        sentences.append(
            "The network was trained on coordinates in the row space of the training connectomes, "
            "which leaves the objective unchanged."
        )
    if own["validation"] > 0 and own["mode"] == "network":
        sentences.append(
            f"Training stopped when the reconstruction of {100 * own['validation']:g} % of the "
            "training subjects no longer improved; the constraints were then made exact in closed "
            "form."
        )
    sentences += [
        f"Features were judged on held-out subjects in {own['folds']} folds, with readouts fitted "
        "on held-out subjects (5-fold within them) as well as on training subjects, beside raw "
        "edges, principal components and linear residuals.",
    ]
    if config["adhd"]["enabled"]:
        sentences.append(
            "The diagnosis was repeated on these features, every step fitted inside each training "
            "fold, without the diagnosis among the demographics."
        )
    return sentences, ["orlichenko2024", "pytorch", "sklearn"]


def _listed(names) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
