"""The stage's scripts in a row on a toy cohort, with a stand-in for Snakemake's object."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro.config.demovae import Demovae
from neuro.config.model import walk
from neuro.io.formats import tables
from neuro.io.regions.connectomes import write_connectomes
from neuro.simulate.connectomes import planted_connectomes

ROOT = Path(__file__).parents[2]
FILES = (("connectomes", "h5"), ("participants", "tsv"))


class Files(dict):
    """Named files that can be iterated over and asked by attribute, as Snakemake's are."""

    def __iter__(self):
        for value in self.values():
            yield from value if isinstance(value, list) else [value]

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)

    def __getattr__(self, name):
        return self[name]


class Stand:
    """What a script reads of Snakemake's object."""

    threads, wildcards, config = 1, Files(), {"execution": {"seed": 0}}

    def __init__(self, rule, given, output, params, log):
        self.rule, self.log = rule, [str(log)]
        self.input, self.output, self.params = Files(given), Files(output), Files(params)


def script(rule):
    path = ROOT / "workflow" / "scripts" / f"{rule}.py"
    spec = importlib.util.spec_from_file_location(f"script_{rule}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope="module")
def settings():
    own = {}
    for key, entry in walk(Demovae):
        group, _, leaf = key.rpartition(".")
        (own.setdefault(group, {}) if group else own)[leaf] = entry.default
    return own | {
        "latent_dim": 5,
        "latent_dims": [5, 300],
        "hidden": 60,
        "n_epochs": 200,
        "patience": 20,
        "n_samples": 30,
        "permutations": 20,
        "folds": 3,
        "missing": "drop",
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory, settings):
    """A finished run of all scripts: folder and path by name."""
    folder = tmp_path_factory.mktemp("study")
    cohort = planted_connectomes(80, 20, 60, 6, random_state=1)
    people = cohort.participants.astype({"dx": float})
    people.loc[3, "sex"] = np.nan
    people["mean_fd"] = 0.1
    tables.write_tsv(folder / "participants.tsv", people)
    keys = [f"sub-{who}_task-rest_run-1" for who in people["participant_id"]]
    keys += [f"sub-{who}_task-rest_run-2" for who in people["participant_id"][:10]]
    edges = np.vstack([cohort.edges, cohort.edges[:10] * 0.95])
    edges[5, 0] = np.nan
    write_connectomes(
        folder / "connectomes.h5",
        edges,
        [*people["participant_id"], *people["participant_id"][:10]],
        keys,
        cohort.region,
        "pearson",
    )
    chosen = people.assign(site_group=people["site"], dx=people["dx"].astype(int))
    from neuro.stats.subjects import make_folds

    tables.write_tsv(folder / "folds.tsv", make_folds(chosen, outer_folds=3, repeats=1))
    path = {name: str(folder / name) for name in ("participants.tsv", "connectomes.h5")}
    data = {"connectomes": path["connectomes.h5"], "participants": path["participants.tsv"]}
    params = {
        "cohort": {**settings, "site_groups": {}},
        "settings": settings,
        "seed": 0,
        "bootstrap": 100,
        "config": {"demovae": settings},
        "code": "",
    }
    out = lambda **names: {key: str(folder / "out" / name) for key, name in names.items()}  # noqa: E731
    (folder / "out").mkdir()
    steps = {
        "demovae_fit": (
            data,
            out(model="model.npz", history="history.tsv", exclusions="exclusions_fit.tsv"),
        ),
        "demovae_features": (
            data | out(model="model.npz"),
            out(latents="latents.tsv", deconfounded="deconfounded.npz"),
        ),
        "demovae_sample": (
            data | out(model="model.npz"),
            out(synthetic="synthetic.npz", demographics="synthetic_demographics.tsv"),
        ),
        "demovae_evaluate": (
            data | {"folds": [str(folder / "folds.tsv")]},
            out(
                readouts="readouts.tsv",
                associations="associations.tsv",
                reconstruction="reconstruction.tsv",
            ),
        ),
        "demovae_compare": (
            data,
            out(table="compare.tsv", summary="compare_summary.tsv"),
        ),
        "demovae_phenotypes": (
            data,
            out(table="phenotypes.tsv", exclusions="exclusions_phenotypes.tsv"),
        ),
        "demovae_generation": (
            data,
            out(generation="generation.tsv", maps="map_comparison.tsv", arrays="generation.npz"),
        ),
        "demovae_diagnosis": (
            data | {"folds": str(folder / "folds.tsv")},
            out(scores="dx_without_demographics.tsv", exclusions="exclusions_diagnosis.tsv"),
        ),
    }
    monkey = pytest.MonkeyPatch()
    monkey.chdir(folder)
    for rule, (given, output) in steps.items():
        script(rule)(Stand(rule, given, output, params, folder / "logs" / f"{rule}.log"))
    given = {key: value for _, output in steps.values() for key, value in output.items()} | {
        "diagnosis": [str(folder / "out" / "dx_without_demographics.tsv")],
        "phenotypes": [str(folder / "out" / "phenotypes.tsv")],
        "exclusions": [
            str(folder / "out" / name)
            for name in (
                *("exclusions_fit.tsv", "exclusions_diagnosis.tsv"),
                "exclusions_phenotypes.tsv",
            )
        ],
    }
    script("demovae_summary")(
        Stand(
            "demovae_summary",
            given,
            out(exclusions="exclusions.tsv", report="report.json"),
            params,
            folder / "logs" / "demovae_summary.log",
        )
    )
    monkey.undo()
    return folder / "out"


def read(study, name, **dtype):
    return tables.read_tsv(study / name, dtype={"participant_id": str, "fold": str, **dtype})


def test_every_result_has_its_sidecar(study):
    for name in ("model", "latents", "deconfounded", "synthetic", "readouts", "generation"):
        content = json.loads((study / f"{name}.json").read_text())
        assert content["Inputs"], name
        assert all(not source["Name"].startswith("/") for source in content["Inputs"])


def test_nothing_is_left_out_silently(study):
    left_out = read(study, "exclusions.tsv").set_index("what")["reason"].to_dict()
    assert left_out["sub-0006_task-rest_run-1"] == "a region of the others has no signal"
    assert left_out["sub-0004_task-rest_run-1"] == "no sex"
    assert left_out["sub-0004_task-rest_run-2"] == "no sex"
    assert "more latents" in left_out["latent_dim 300"]
    assert len(read(study, "latents.tsv")) == 90 - 3


def test_columns_are_scanned_before_and_after(study):
    scan = read(study, "phenotypes.tsv")
    assert set(scan["features"]) == {"none", "combat_residual", "network"}
    assert {"age", "sex", "site", "dx"} <= set(scan["column"])
    assert (scan["shared_people"] == 0).all() and (scan["fit"] == "all").all()
    report = json.loads((study / "report.json").read_text())
    told = [row for row in report if row["name"].startswith("columns of")]
    assert len(told) == 4 and "raw connectomes" in told[0]["name"]


def test_features_and_samples(study):
    latents = read(study, "latents.tsv")
    assert list(latents.columns[:3]) == ["participant_id", "run_key", "z000"]
    with np.load(study / "synthetic.npz") as file:
        assert file["edges"].shape == (30, 190)
        assert np.abs(file["edges"]).max() <= 1
    assert list(read(study, "synthetic_demographics.tsv").columns) == ["age", "sex", "site", "dx"]
    with np.load(study / "deconfounded.npz") as file:
        assert file["edges"].shape == (87, 190)


def test_readouts_compare_every_kind_of_features(study):
    found = read(study, "readouts.tsv")
    names = {"raw", "pca-5", "residual", "linear-5", "network-5"}
    assert set(found["features"]) == names
    assert set(found["scheme"]) == {"folds", "halves", "leave_site_out"}
    assert set(found.loc[found["scheme"] == "halves", "fit_on"]) == {"fresh"}
    assert found["heldout"].notna().all()
    seen = read(study, "associations.tsv")
    exact = seen[(seen["features"] != "pca-5") & (seen["scheme"] == "folds")]
    assert (exact["max_abs_r_train"] <= 0.01).all()
    assert set(seen["column"]) >= {"age", "sex", "site"}


def test_every_way_of_removal_is_compared(study):
    found = read(study, "compare_summary.tsv")
    assert len(set(found["method"])) == 9
    assert set(found["bottleneck"]) == {0, 5}
    long = read(study, "compare.tsv")
    assert (long.loc[long["measure"].str.startswith("shared"), "value"] == 0).all()
    assert not (long["measure"] == "failed").any()


def test_samples_are_attacked_and_told_from_people(study):
    values = read(study, "generation.tsv").set_index("name")["value"]
    names = ("attack_samples", "attack_samples_upper", "attack_samples_many", "attack_weights")
    assert values[list(names)].between(0, 1).all()
    assert values["attack_samples_upper"] > values["attack_samples"]
    assert {"told_apart_linear", "told_apart_rbf", "told_apart_eigenvalues"} <= set(values.index)
    assert "amplitude_halves" in read(study, "map_comparison.tsv")


def test_diagnosis_stands_beside_its_controls_and_its_null(study):
    scores = read(study, "dx_without_demographics.tsv", site=str)
    totals = scores[(scores["fold"] == "all") & (scores["metric"] == "balanced_accuracy")]
    pooled = totals[totals["scheme"] == "pooled"].set_index("input")
    names = ["demographics", "raw", "pca-5", "residual", "linear-5", "network-5"]
    assert list(pooled.index) == names
    assert pooled.loc["network-5", "primary"]
    assert pooled["null_mean"].notna().all()
    assert set(totals.loc[totals["scheme"] == "leave_site_out", "input"]) == set(names[1:])


def test_report_json_has_the_agreed_keys(study):
    figures = json.loads((study / "report.json").read_text())
    assert len(figures) > 10
    keys = {"name", "value", "unit", "null", "baseline", "n", "ci_low", "ci_high"}
    assert all(set(entry) == keys for entry in figures)
    assert any("diagnosis from network-5" in entry["name"] for entry in figures)


def test_history_tells_where_training_stopped(study):
    history = pd.read_csv(study / "history.tsv", sep="\t")
    content = json.loads((study / "model.json").read_text())
    best = history.set_index("epoch")["val_rec"].astype(float).idxmin()
    assert content["Epoch"] == best


def test_an_error_of_the_user_is_one_line(study, settings, tmp_path, capsys):
    given = {name: str(study.parent / f"{name}.{end}") for name, end in FILES}
    params = {
        "cohort": {**settings, "site_groups": {}, "missing": "error"},
        "settings": settings,
        "seed": 0,
    }
    stand = Stand("demovae_fit", given, {"model": "x"}, params, tmp_path / "x.log")
    with pytest.raises(SystemExit):
        script("demovae_fit")(stand)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "'sex' has 2 missing values" in lines[0]
    last = (tmp_path / "x.log").read_text().splitlines()[-1]
    assert last == f"error: {lines[0].removeprefix('demovae_fit: ')}"


@pytest.mark.parametrize("n", [1, 2])
def test_a_fit_uses_the_threads_of_its_rule(study, settings, tmp_path, monkeypatch, n):
    """Torch and BLAS get the same number; with more than the rule asks for they wait busily."""
    import torch

    from neuro.base import threads
    from neuro.demovae.training import fitting

    seen = []

    def look(*_arguments):
        seen.append((torch.get_num_threads(), os.environ["OPENBLAS_NUM_THREADS"]))
        raise ValueError("seen")

    monkeypatch.setattr(fitting, "fit_network", look)
    given = {name: str(study.parent / f"{name}.{end}") for name, end in FILES}
    params = {"cohort": {**settings, "site_groups": {}}, "settings": settings, "seed": 0}
    stand = Stand("demovae_fit", given, {"model": "x"}, params, tmp_path / "x.log")
    stand.threads = n
    before = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit):
            script("demovae_fit")(stand)
    finally:
        threads.limit(before)
    assert seen == [(n, str(n))]
