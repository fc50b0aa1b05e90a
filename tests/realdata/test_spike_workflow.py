"""The ready configurations of spike trains and point events, from the recordings to the report."""

import json
import os
import tarfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from common import ROOT, snakemake

DATA = Path(os.environ.get("NEURO_TEST_DATA", ROOT / "../shared/data")).resolve()
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "spikes").exists(), reason=f"no folder spikes in {DATA}"),
]


def run(folder, name, archive=None, **changes):
    """Results of a ready configuration with some settings changed."""
    if archive:
        with tarfile.open(DATA / f"spikes/{archive}.tar.gz") as stream:
            stream.extractall(folder / "recordings", filter="data")
    config = yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text())
    for section, values in changes.items():
        config[section] |= values
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    snakemake(folder, "--configfile", "mine.yaml", "--cores", "2", timeout=3600)
    return folder / "results"


def curve(results, dataset):
    table = pd.read_csv(results / f"hmmglm/{dataset}/curve.tsv", sep="\t", na_values=["n/a"])
    return table.set_index(["model", "k"])["bits_per_spike"]


def entries(results):
    found = json.loads((results / "hmmglm/report.json").read_text())
    return {entry["name"]: entry for entry in found}


def test_linear_track(tmp_path):
    """At most two states and one start; the exported fit is not run to the last digit."""
    small = {"n_states": [1, 2], "n_starts": 1, "max_iter": 60}
    results = run(tmp_path, "hippocampus", "hippocampus_linear_track", hmmglm=small)
    bits = curve(results, "lineartrack")
    # where position and speed are known, the priors of the couplings hardly differ any more
    two = [bits[name, 2] for name in ("onehot", "gaussian", "plain")]
    assert two[0] > max(two) - 0.02 and two[0] > bits["onehot", 1] + 0.1
    assert min(two) > bits["poisson_hmm", 2] + 0.1
    weights = pd.read_csv(results / "hmmglm/lineartrack/covariates.tsv", sep="\t")
    assert set(weights["acts_on"]) <= {"emissions", "transitions"} and len(weights) >= 31 * 15
    found = entries(results)
    assert 0 < found["lineartrack: agreement with the switch (AMI)"]["value"] < 1
    units = pd.read_csv(results / "hmmglm/lineartrack/units.tsv", sep="\t")
    sequences = pd.read_csv(results / "hmmglm/lineartrack/sequences.tsv", sep="\t")
    assert len(units) == 31 and sequences["n_bins"].sum() == 39_362
    assert sequences["start_s"].iloc[0] == pytest.approx(4397.0, abs=0.01)
    assert "HMM without couplings" in (results / "report/hmmglm.html").read_text()
    check_ladder(results / "hmmglm/lineartrack/ladder.tsv")


def check_ladder(path):
    """What docs/hmmglm/real.md says of the rungs, with position and speed known."""
    rungs = pd.read_csv(path, sep="\t", na_values=["n/a"]).set_index("rung")
    assert rungs.loc["glm", "bits_per_spike"] == pytest.approx(0.491, abs=0.02)
    for rung, low, high in (("history", 0.151, 0.259), ("rate_states", 0.236, 0.376)):
        assert low < rungs.loc[rung, "gain"] < high
        assert rungs.loc[rung, "verdict"] == "supported"
    # states of couplings add next to nothing beyond states of rates
    assert rungs.loc["coupling_states", "gain_high"] < 0.05


def test_one_aplysia_preparation(tmp_path):
    config = yaml.safe_load((ROOT / "configs/aplysia.yaml").read_text())
    sets = {"May2214": config["hmmglm"]["sets"]["May2214"]}
    # the ladder of 121 units would take longer than all else; the linear track has one
    small = {"n_states": [2], "sets": sets, "ladder": False}
    results = run(tmp_path, "aplysia", "aplysia", hmmglm=small)
    bits = curve(results, "May2214")
    # the Gaussian prior with chosen penalties is ahead of one-hot edges, see docs/hmmglm/real.md
    assert min(bits["onehot", 2], bits["gaussian", 2]) > bits["poisson_hmm", 2] + 0.05
    assert "May2214: agreement with the switch (AMI)" in entries(results)


def test_point_events_of_three_subjects(tmp_path):
    subjects = ["0010001", "0010002", "0010003"]
    results = run(
        tmp_path,
        "bold_events",
        data={"root": str(DATA / "adhd200_aal"), "subjects": subjects},
        fmri={"atlas": str(DATA / "atlases/athena_aal_4mm.nii.gz")},
        hmmglm={"n_states": [1]},
    )
    for name in ("counts", "states", "model"):
        facts = json.loads((results / f"hmmglm/bold/{name}.json").read_text())
        assert facts["Note"] == "point events of ROI series, not spikes"
    found = entries(results)
    beyond = found["bold: held-out log-likelihood beyond shifted series"]
    assert beyond["value"] > 0
    rates = pd.read_csv(results / "hmmglm/bold/units.tsv", sep="\t")["rate_hz"]
    assert rates.between(0.01, 0.05).all()
    assert "point events of ROI series, not spikes" in (results / "report/hmmglm.html").read_text()
