"""Cases of demovae, cut from a planted study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from common import SINGLE

from cases.case import Case


def planted_study(folder: Path) -> None:
    """Connectomes, participants and folds of 48 planted subjects, as other stages leave them."""
    from neuro.io.formats import tables
    from neuro.io.regions.connectomes import write_connectomes
    from neuro.simulate.connectomes import planted_connectomes
    from neuro.stats.subjects import make_folds

    made = planted_connectomes(48, 8, 60, 5, random_state=2, effect=3)
    people = made.participants.assign(mean_fd=0.1)
    (folder / "results/fmri").mkdir(parents=True)
    (folder / "results/adhd").mkdir()
    tables.write_tsv(folder / "results/participants.tsv", people)
    keys = [f"sub-{name}_task-rest" for name in people["participant_id"]]
    write_connectomes(
        folder / "results/fmri/connectomes.h5",
        made.edges,
        people["participant_id"],
        keys,
        made.region,
        "pearson",
    )
    motion = np.round(0.05 + 0.3 * np.random.default_rng(0).random(len(people)), 3)
    qc = pd.DataFrame({"run_key": keys, "mean_fd": motion, "n_kept": 60})
    tables.write_tsv(folder / "results/fmri/group_qc.tsv", qc)
    folds = make_folds(people.assign(site_group=people["site"]), outer_folds=3, repeats=1)
    tables.write_tsv(folder / "results/adhd/folds.tsv", folds)


DEMOVAE = {
    "data": {"kind": "simulated"},
    "fmri": {"atlas": "simulated", "connectome": "pearson"},
    "adhd": {"bootstrap": 100},
    "demovae": {
        "latent_dim": 3,
        "latent_dims": [3, 200],
        "hidden": 20,
        "n_epochs": 5,
        "n_samples": 12,
        "permutations": 3,
        "folds": 3,
        "planted": {"n_subjects": 60, "n_regions": 8, "latent_dim": 4},
    },
}

STUDY = ("results/fmri/connectomes.h5", "results/fmri/group_qc.tsv", "results/participants.tsv")


def demovae(*names):
    """Result files of the stage."""
    return tuple(f"results/demovae/{name}" for name in names)


def demovae_case(inputs, outputs, target, present=()):
    """A case of the stage, cut from its own rules on a planted study."""
    return Case(
        DEMOVAE,
        inputs,
        demovae(*outputs),
        demovae(target),
        "results/demovae/report.json",
        demovae(*present),
        planted_study,
        SINGLE,
    )


CLOSED_FORMS = ["none", "residual", "combat_residual", "covbat", "protected"]


def closed_form(outputs, target, **keys):
    """A case of counted and ranked people, without features that rounding could decide on."""
    config = {**DEMOVAE, "demovae": {**DEMOVAE["demovae"], **keys}}
    where = demovae(target)
    return Case(config, STUDY, demovae(*outputs), where, where[0], prepare=planted_study)


CASES: dict[str, Case] = {
    "demovae_fit": demovae_case(
        STUDY, ("history.tsv", "exclusions_fit.tsv", "model.json"), "model.npz", ("model.npz",)
    ),
    "demovae_features": demovae_case(
        (*STUDY, *demovae("model.npz")), ("latents.*", "deconfounded.*"), "latents.tsv"
    ),
    "demovae_sample": demovae_case(
        (*STUDY, *demovae("model.npz")), ("synthetic*",), "synthetic.npz"
    ),
    "demovae_evaluate": demovae_case(
        (*STUDY, "results/adhd/folds.tsv"),
        ("readouts.*", "associations.*", "reconstruction.*"),
        "readouts.tsv",
    ),
    "demovae_compare": closed_form(
        ("compare.*", "compare_summary.*"), "compare.tsv", compare=CLOSED_FORMS
    ),
    "demovae_phenotypes": closed_form(
        ("phenotypes.*", "exclusions_phenotypes.tsv"), "phenotypes.tsv", mode="linear"
    ),
    "demovae_generation": demovae_case(
        STUDY, ("generation.*", "map_comparison.*"), "generation.tsv"
    ),
    "demovae_diagnosis": demovae_case(
        (*STUDY, "results/adhd/folds.tsv"),
        ("dx_without_demographics.*", "exclusions_diagnosis.tsv"),
        "dx_without_demographics.tsv",
    ),
    "demovae_planted": demovae_case((), ("planted.*",), "planted.tsv"),
    "demovae_summary": demovae_case(
        demovae(
            *("readouts.tsv", "associations.tsv", "reconstruction.tsv", "generation.tsv"),
            *(
                "map_comparison.tsv",
                "compare_summary.tsv",
                "phenotypes.tsv",
                "dx_without_demographics.tsv",
                "exclusions_*.tsv",
            ),
            *("planted.tsv", "model.npz", "latents.tsv", "synthetic.npz"),
        ),
        ("exclusions.tsv", "dataset_description.json", ".bidsignore", "report.json"),
        "report.json",
    ),
}
