"""The ADHD-200 configuration from the tables to the report."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
import yaml
from common import ROOT, snakemake

DATA = Path(os.environ.get("NEURO_TEST_DATA", ROOT / "../shared/data")).resolve()
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "adhd200_aal").exists(), reason=f"no folder adhd200_aal in {DATA}"
    ),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of configs/adhd200.yaml with few permutations."""
    folder = tmp_path_factory.mktemp("adhd200")
    config = yaml.safe_load((ROOT / "configs/adhd200.yaml").read_text())
    config["data"]["root"] = str(DATA / "adhd200_aal")
    config["fmri"]["atlas"] = str(DATA / "atlases/athena_aal_4mm.nii.gz")
    config["adhd"] |= {"permutations": 20, "repeats": 2, "bootstrap": 200}
    # the network of every fold is what the time goes to
    config["demovae"] |= {"permutations": 5, "latent_dims": [60], "mode": "linear"}
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    snakemake(folder, "--configfile", "mine.yaml", "--cores", "2", timeout=3000)
    return folder / "results"


def table(results, name):
    return pd.read_csv(results / name, sep="\t", dtype={"participant_id": str})


def test_subject_counts_are_those_of_the_data(results):
    qc = table(results, "fmri/group_qc.tsv")
    used = qc[qc["status"] == "used"]
    assert len(used) == 812
    assert used.groupby("site")["participant_id"].nunique().to_dict() == {
        "KKI": 83,
        "NYU": 216,
        "Peking_1": 85,
        "Peking_2": 67,
        "Peking_3": 42,
        "Pittsburgh": 89,
        "WashU": 50,
    }


def test_every_exclusion_has_its_reason(results):
    fmri = table(results, "fmri/exclusions.tsv")
    assert fmri["reason"].str.startswith("failed export").sum() == 8
    adhd = table(results, "adhd/exclusions.tsv")
    counts = adhd["value"].value_counts()
    assert counts["Pittsburgh"] == 89 and counts["WashU"] == 50
    assert adhd["reason"].notna().all()


def test_scores_lie_where_the_reference_chains_put_them(results):
    scores = table(results, "adhd/scores.tsv")
    total = scores[(scores["fold"] == "all") & (scores["metric"] == "balanced_accuracy")]
    total = total.set_index(["scheme", "input", "mask"])["value"]
    assert total["pooled", "site", "none"] == pytest.approx(0.605, abs=0.03)
    assert total["pooled", "phenotype", "none"] == pytest.approx(0.660, abs=0.03)
    assert total["pooled", "fc", "none"] == pytest.approx(0.582, abs=0.03)
    assert total["leave_site_out", "phenotype", "none"] == pytest.approx(0.646, abs=0.03)
    assert total["leave_site_out", "fc", "none"] == pytest.approx(0.544, abs=0.03)


def test_every_imaging_score_stands_beside_a_null_and_an_interval(results):
    scores = table(results, "adhd/scores.tsv")
    imaging = scores[
        (scores["fold"] == "all")
        & scores["input"].isin(["degree", "distdegree", "cycle3", "fc"])
        & (scores["metric"] == "balanced_accuracy")
    ]
    assert len(imaging) == 14
    assert imaging[["ci_low", "ci_high", "null_mean", "null_sd", "p"]].notna().all().all()
    assert imaging["null_mean"].between(0.46, 0.58).all()
    assert (imaging["p"] > 1 / 21 - 1e-6).all()


def test_the_report_tells_it(results):
    page = "".join(path.read_text() for path in (results / "report").glob("*.html"))
    assert "failed export" in page and "Pittsburgh" in page
    assert str(DATA) not in page
    names = {figure["name"] for figure in json.loads((results / "adhd/report.json").read_text())}
    assert "balanced accuracy, cycle3+mask, leave site out" in names


def test_without_demographics_little_of_the_diagnosis_is_left(results):
    left_out = table(results, "demovae/exclusions.tsv")
    assert (left_out["reason"] == "no sex").sum() == 2, "two runs of one child"
    scores = table(results, "demovae/dx_without_demographics.tsv")
    total = scores[(scores["fold"] == "all") & (scores["metric"] == "balanced_accuracy")]
    total = total.set_index(["scheme", "input"])["value"]
    assert total["pooled", "demographics"] > total["pooled", "linear-60"] + 0.03
    assert total["pooled", "raw"] == pytest.approx(0.585, abs=0.04)
    readouts = table(results, "demovae/readouts.tsv")
    fresh = readouts[(readouts["scheme"] == "halves") & (readouts["model"] == "linear")]
    fresh = fresh.set_index(["features", "target"])["heldout"]
    assert fresh["linear-60", "age"] <= 0.12 < fresh["raw", "age"]
    assert fresh["linear-60", "site"] <= 0.45 < fresh["raw", "site"]
