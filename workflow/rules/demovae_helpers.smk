# Helper functions of the stage demovae.
from neuro.base import seeds


def demovae_folds(wildcards):
    """Folds of the diagnosis, where there is one: both stages then split subjects alike."""
    return ["results/adhd/folds.tsv"] if config["adhd"]["enabled"] else []


def demovae_diagnosis(wildcards):
    """The diagnosis again, where there is a first one."""
    if not config["adhd"]["enabled"]:
        return []
    return ["results/demovae/dx_without_demographics.tsv"]


def demovae_exclusions(wildcards):
    """Tables of who and what was left out."""
    tables = ["results/demovae/exclusions_fit.tsv"]
    if config["demovae"]["phenotypes"]["enabled"]:
        tables.append("results/demovae/exclusions_phenotypes.tsv")
    if config["adhd"]["enabled"]:
        tables.append("results/demovae/exclusions_diagnosis.tsv")
    return tables


def demovae_phenotypes(wildcards):
    """The scan of all columns, where it is asked for."""
    scanned = config["demovae"]["phenotypes"]["enabled"]
    return ["results/demovae/phenotypes.tsv"] if scanned else []


def demovae_planted(wildcards):
    """Planted connectomes beside simulated images: what should come back is known."""
    return (
        ["results/demovae/planted.tsv"] if config["data"]["kind"] == "simulated" else []
    )


DEMOVAE_COHORT = settings("demovae", "columns", "missing") | {
    "site_groups": config["adhd"]["site_groups"]
}
DEMOVAE_MODEL = settings(
    "demovae",
    "preset",
    "mode",
    "space",
    "latent_dim",
    "hidden",
    "pc_components",
    "age_basis",
    "weights",
    "n_epochs",
    "lr",
    "validation",
    "patience",
    "guide_reduction",
    "unseen",
    "missing",
    "min_level_count",
    "device",
)
DEMOVAE_SEED = config["execution"]["seed"]
if config["demovae"]["seed"]:
    DEMOVAE_SEED = seeds.number(DEMOVAE_SEED, "demovae seed", config["demovae"]["seed"])


def demovae_jobs():
    """Rules of the stage in this run, with the wildcards of their jobs."""
    names = ["fit", "features", "sample", "evaluate", "compare", "generation"]
    names += ["summary"]
    names += ["phenotypes"] if config["demovae"]["phenotypes"]["enabled"] else []
    names += ["diagnosis"] if config["adhd"]["enabled"] else []
    names += ["planted"] if config["data"]["kind"] == "simulated" else []
    return {f"demovae_{name}": ONCE for name in names}
