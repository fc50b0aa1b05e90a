"""Tables as the Preprocessed Connectomes Project shares them (ABIDE): generated, 20 sites."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from common import ROOT, snakemake

from neuro.adhd import final
from neuro.adhd.diagnosis import variants
from neuro.adhd.features import subjects
from neuro.adhd.features.graph_features import edge_table
from neuro.command.cli import main
from neuro.command.init import pcp
from neuro.config import resolve
from neuro.fmri.regions import group
from neuro.fmri.regions import tables as stage
from neuro.fmri.regions.connectome import Connectome
from neuro.io.formats.tables import read_participants
from neuro.io.problems import InputProblem
from neuro.run import layouts

SITES = tuple(pcp.INTERVALS)
N_REGIONS = 12
CODES = [2001 + 10 * number for number in range(N_REGIONS)]
SMALL = {"CMU": 2, "OLIN": 3, "SBL": 4}
"""Sites with few people; SBL has controls only."""
LOST = 5
"""Rows of the table without a file."""


def abide(folder, seed=0):
    """Write tables and phenotypes; the people and which regions are dead in whom."""
    rng = np.random.default_rng(seed)
    place = folder / "ABIDE_pcp/cpac/filt_global"
    place.mkdir(parents=True)
    rows, dead = [], {}
    number = 50000
    mixing = rng.standard_normal((N_REGIONS, N_REGIONS)) * 0.3 + np.eye(N_REGIONS)
    for site in SITES:
        for person in range(SMALL.get(site, 8)):
            number += 1
            case = 0 if site == "SBL" else person % 2
            series = rng.standard_normal((160, N_REGIONS)) @ mixing
            series[:, 1] += 0.8 * case * series[:, 0]  # an edge that cases have
            if number % 7 == 0:
                dead[f"{number}"] = [3]
                series[:, 3] = 0
            name = f"{site.title()}_{number:07d}"
            header = "\t".join(f"#{code}" for code in CODES)
            lines = ["\t".join(f"{value:.5f}" for value in row) for row in series]
            (place / f"{name}_rois_aal.1D").write_text("\n".join([header, *lines]) + "\n")
            rows.append((number, site, name, 2 - case))
    for extra in range(LOST):
        rows.append((number + 1 + extra, "NYU", "no_filename", 1))
    table = pd.DataFrame(rows, columns=["SUB_ID", "SITE_ID", "FILE_ID", "DX_GROUP"])
    n = len(table)
    table["AGE_AT_SCAN"] = rng.uniform(7, 40, n).round(2)
    table["SEX"] = rng.choice([1, 2], n, p=[0.85, 0.15])
    table["FIQ"] = np.where(rng.random(n) < 0.1, -9999, rng.integers(80, 130, n))
    table["HANDEDNESS_CATEGORY"] = rng.choice(["R", "L", "Ambi", "-9999", ""], n)
    table["func_mean_fd"] = rng.gamma(2, 0.06, n).round(5)
    table.to_csv(folder / "ABIDE_pcp/Phenotypic_V1_0b_preprocessed1.csv")
    return table, dead


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("abide")
    table, dead = abide(folder)
    return folder, table, dead


@pytest.fixture
def here(study, monkeypatch):
    monkeypatch.chdir(study[0])
    return study


def recipe(**adhd):
    """`configs/abide.yaml` as it stands, with keys of section adhd changed."""
    config = yaml.safe_load((ROOT / "configs/abide.yaml").read_text())
    config["adhd"] |= adhd
    assert resolve(config) == []
    return config


def test_the_recipe_reads_everybody_with_interval_site_and_motion(here):
    _, table, dead = here
    config = recipe()
    found = layouts.scan(config)
    used = [row for row in found.rows if row["status"] == "ok"]
    assert len(found.rows) == len(used) == len(table) - LOST
    intervals = {row["site"]: row["tr"] for row in used}
    assert intervals == pcp.INTERVALS
    left_out: list = []
    runs = list(layouts.read_series("table", config["data"], used, left_out))
    assert not left_out and len(runs) == len(used)
    for run in runs:
        flat = np.isnan(run.series).all(axis=0)
        assert np.flatnonzero(flat).tolist() == dead.get(run.participant_id, [])
        assert run.regions == [str(code) for code in CODES]
    people = read_participants(config["data"]["participants"], config["data"]["columns"])
    own = table.set_index(table["SUB_ID"].astype(str))
    known = people.set_index("participant_id")
    assert (known["dx"] == (own["DX_GROUP"] == 1)).all()
    assert (known["sex"] == own["SEX"].map({1: "M", 2: "F"})).all()
    np.testing.assert_array_equal(known["iq"].isna(), own["FIQ"] == -9999)
    np.testing.assert_allclose(known["mean_fd"], own["func_mean_fd"])


def test_motion_of_the_phenotypes_reaches_the_quality_table(here, tmp_path):
    _, table, _ = here
    config = recipe()
    people = read_participants(config["data"]["participants"], config["data"]["columns"])
    label = str(table["SUB_ID"][0])
    row = {"run_key": f"sub-{label}", "status": "used", "mean_fd": "n/a", "n_kept": 9}
    pd.DataFrame([row]).to_csv(tmp_path / "qc.tsv", sep="\t", index=False)
    rows = {f"sub-{label}": {"participant_id": label, "site": "CALTECH"}}
    qc = group.group_qc([tmp_path / "qc.tsv"], rows, people)
    assert qc["mean_fd"][0] == pytest.approx(table["func_mean_fd"][0])


@pytest.mark.parametrize("grouped", [False, True])
def test_every_site_is_left_out_and_small_ones_are_handled(here, grouped):
    _, table, _ = here
    config = recipe(**({} if grouped else {"site_groups": {}}))
    resolve(config)
    settings = {**config["adhd"], "outer_folds": 3, "repeats": 1, "inner_folds": 2}
    settings |= {"permutations": 19, "bootstrap": 100, "features": ["fc"]}
    used = layouts.scan(config).rows
    quality: list = []
    left_out: list = []
    source = layouts.read_series("table", config["data"], used, left_out)
    runs = list(stage.usable(source, config["fmri"], quality, left_out, {}))
    edges = Connectome("fisher_z").transform([run.series for run in runs])
    features = edge_table(edges, [run.participant_id for run in runs], "fisher_z")
    people = read_participants(config["data"]["participants"], config["data"]["columns"])
    qc = pd.DataFrame({"participant_id": [], "status": [], "mean_fd": []})
    cohort = subjects.gather(features.participant_id, people, qc, settings, 0)
    reasons = pd.DataFrame(cohort.exclusions)
    assert len(cohort.table) == len(table) - LOST
    assert set(cohort.table.loc[cohort.table["diagnosed"] == 0, "site"]) == {"SBL"}
    assert reasons["reason"].str.contains("controls only").sum() == SMALL["SBL"]
    folds = cohort.folds[cohort.folds["scheme"] == "leave_site_out"]
    expected = set(SITES) - {"SBL"}
    if grouped:
        expected = {re.sub(r"_\d$", "", site) for site in expected}
    assert set(folds["fold"]) == expected and len(expected) == (16 if grouped else 19)
    chosen = cohort.table[cohort.table["diagnosed"] == 1].reset_index(drop=True)
    rows = features.rows(chosen["participant_id"])
    analyses, _, _ = final.analyses(rows, chosen, settings, 0)
    only = [item for item in analyses if item.input in ("fc", "motion", "majority")]
    predictions, _ = variants.judge(only, chosen, cohort.folds)
    null = variants.permute(only[:1], chosen, cohort.folds, n_permutations=19)
    scores = variants.summarise(predictions, null, primary="fc", n_bootstrap=100)
    own = scores[(scores["input"] == "fc") & (scores["metric"] == "balanced_accuracy")]
    total = own[(own["fold"] == "all")].set_index("scheme")
    assert (total["n"] == len(chosen)).all()
    assert (total["value"] > total["null_mean"] + 0.1).all()  # the planted edge is found
    by_site = own[(own["scheme"] == "leave_site_out") & (own["fold"] != "all")]
    assert set(by_site["site"]) == expected
    small = by_site.set_index("site").loc["CMU"]
    assert small["n"] == 2 and small["ci_high"] - small["ci_low"] > 0.5


def test_init_finds_the_phenotypes_above_and_its_settings_are_accepted(here):
    _, table, _ = here
    assert main(["init", "ABIDE_pcp/cpac/filt_global", "-o", "mine.yaml"]) == 0
    text = Path("mine.yaml").read_text()
    assert "site_tr: {" in text and '"KKI": 2.5' in text and "known for 20 sites" in text
    assert f"{LOST} subjects have no data" in text
    answered = text.replace("# site_tr:", "site_tr:")
    config = yaml.safe_load(answered)
    ours = recipe()
    for key in ("kind", "root", "participants", "columns", "site_tr"):
        assert config["data"][key] == ours["data"][key], key
    assert "adhd" not in config  # on by default: there are enough of both classes
    assert "cannot be used" not in text
    assert resolve(config) == []
    rows = layouts.scan(config).rows
    assert len(rows) == len(table) - LOST and all(row["status"] == "ok" for row in rows)
    Path("mine.yaml").write_text(answered)
    plan = snakemake(Path.cwd(), "-n", "--cores", "1", "--configfile", "mine.yaml")
    assert re.search(r"adhd_diagnose\s+1", plan.stdout)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop(columns="SITE_ID"),
        lambda table: table.rename(columns={"SUB_ID": "id"}),
    ],
)
def test_other_tables_are_no_phenotypes_of_the_project(tmp_path, change):
    table = pd.DataFrame({"SUB_ID": ["1"], "SITE_ID": ["a"], "DX_GROUP": ["1"]})
    change(table).to_csv(tmp_path / "Phenotypic.csv", index=False)
    assert pcp.phenotypes(tmp_path) is None
    table.to_csv(tmp_path / "Phenotypic.csv", index=False)
    (tmp_path / "Phenotypic_a.csv").write_bytes(b"")
    path, columns = pcp.phenotypes(tmp_path / "a/b")
    assert path.name == "Phenotypic.csv" and "age" not in columns and columns["cases"] == ["1"]


def test_ids_without_their_zeros_are_found_and_short_numbers_are_not(tmp_path):
    from neuro.io.regions.roi_scan import scan_roi_tables

    for name in ("A_0050003_rois_aal", "A_0050004_rois_aal", "B_007"):
        (tmp_path / f"{name}.1D").write_text("1 2\n3 4\n")
    people = pd.DataFrame({"participant_id": ["50003", "0050004", "7"]})
    table = scan_roi_tables(tmp_path, people, tr=2.0, atlas="aal").set_index("path")
    assert table["participant_id"].tolist() == ["0050004", "50003"]
    with pytest.raises(InputProblem, match="no participant_id stands in the name"):
        scan_roi_tables(tmp_path, people, tr=2.0, atlas="")
