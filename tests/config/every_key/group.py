"""Settings of demovae."""

from __future__ import annotations

from every_key.entry import Key


def fit(value, **under):
    return Key("demovae_fit", value, under, target="results/demovae/history.tsv")


def planted(value):
    return Key("demovae_planted", value)


def people(change):
    """Changes the participants table of the case."""

    def prepare(folder):
        import pandas as pd

        path = folder / "results/participants.tsv"
        table = pd.read_csv(path, sep="\t", dtype={"participant_id": str})
        change(table).to_csv(path, sep="\t", index=False, na_rep="n/a")

    return prepare


@people
def missing(table):
    """One age is unknown."""
    table.loc[3, "age"] = float("nan")
    return table


@people
def rare(table):
    """Two sites of two subjects each."""
    table.loc[[0, 1], "site"] = "rare"
    table.loc[[2, 3], "site"] = "rarer"
    return table


def grid(folder):
    (folder / "grid.tsv").write_text("age\tsex\tsite\tdx\n10\tF\talpha\t0\n")


def elsewhere(folder):
    (folder / "grid.tsv").write_text("age\tsex\tsite\tdx\n10\tF\tdelta\t0\n")


UNITS = {"demovae.n_epochs": 12, "demovae.validation": 0.3, "demovae.lr": 0.05}
KEYS = {
    "demovae.enabled": Key(
        "all",
        False,
        {"data.kind": "simulated", "fmri.atlas": "simulated"},
        base=True,
        plan=True,
        target="all",
    ),
    "demovae.preset": fit("paper"),
    "demovae.mode": fit("linear"),
    "demovae.space": fit("edges"),
    "demovae.latent_dim": fit(4),
    "demovae.hidden": fit(21),
    "demovae.pc_components": fit(25),
    "demovae.columns": fit({"age": "continuous remove"}),
    "demovae.age_basis": fit("linear"),
    **{f"demovae.weights.{name}": fit(0.5) for name in ("rec", "cov", "mean", "decor", "guide")},
    "demovae.n_epochs": fit(4),
    "demovae.lr": fit(0.01),
    "demovae.validation": fit(0.3),
    "demovae.patience": fit(1, **UNITS),
    "demovae.guide_reduction": fit("sum"),
    "demovae.unseen": Key(
        "demovae_fit",
        "error",
        {"demovae.grid": "grid.tsv"},
        base="mean",
        prepare=elsewhere,
        target="results/demovae/model.npz",
        then=("demovae_sample", "results/demovae/synthetic.npz"),
        refused="unknown level",
    ),
    "demovae.missing": Key("demovae_fit", "drop", prepare=missing, base="impute"),
    "demovae.min_level_count": Key("demovae_fit", 2, prepare=rare),
    "demovae.folds": Key("demovae_evaluate", 4, {"adhd.enabled": False}),
    "demovae.compare": Key("demovae_compare", ["none", "linear"]),
    "demovae.phenotypes.enabled": Key(
        "all",
        False,
        {"data.kind": "simulated", "fmri.atlas": "simulated", "demovae.enabled": True},
        base=True,
        plan=True,
        target="all",
    ),
    "demovae.phenotypes.permutations": Key("demovae_phenotypes", 30),
    "demovae.latent_dims": Key("demovae_diagnosis", [2]),
    "demovae.permutations": Key("demovae_diagnosis", 4),
    "demovae.n_samples": Key("demovae_sample", 13),
    "demovae.grid": Key("demovae_sample", "grid.tsv", prepare=grid),
    "demovae.psd": Key("demovae_sample", False),
    "demovae.residual_noise": Key("demovae_sample", False, {"demovae.sampler": "model"}),
    "demovae.sampler": Key("demovae_sample", "model"),
    "demovae.batch": Key(
        "demovae_sample", "balanced", {"demovae.sampler": "model", "demovae.n_samples": 40}
    ),
    "demovae.add_back": Key("demovae_features", True),
    "demovae.planted.n_subjects": planted(61),
    "demovae.planted.n_regions": planted(9),
    "demovae.planted.latent_dim": planted(5),
    "demovae.planted.effect": planted(2.0),
    "demovae.planted.age_basis": planted("linear"),
    "demovae.device": Key("demovae_fit", "cuda", refused="cuda"),
    "demovae.seed": fit(1),
}
