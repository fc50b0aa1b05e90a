"""Every stage folder is a described derivative data set; sidecars tell what went in."""

import json
import re
from pathlib import Path

import pytest
import yaml
from cases.fmri import TABLES, small_tables
from common import ROOT, only, snakemake

from neuro.base import provenance
from neuro.config import STAGES

KEYS = {
    "Name",
    "BIDSVersion",
    "DatasetType",
    "GeneratedBy",
    "SourceDatasets",
    "DatasetLinks",
    "HowToAcknowledge",
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_last_rule_of_each_stage_describes_its_folder(stage):
    texts = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    wanted = f"results/{stage}/dataset_description.json"
    blocks = [
        block
        for text in texts
        for block in re.split(r"^\s*rule ", text, flags=re.MULTILINE)
        if wanted in block
    ]
    assert len(blocks) == 1
    # the file that makes a stage complete comes with the description and the exclusions
    assert f"results/{stage}/report.json" in blocks[0]
    assert f"results/{stage}/exclusions.tsv" in blocks[0]


@pytest.mark.parametrize("stage", STAGES)
def test_stored_descriptions_have_all_keys(stage):
    paths = list((ROOT / "tests/unit").glob(f"*/expected/results/{stage}/dataset_description.json"))
    assert paths, "no rule's case stores it"
    for path in paths:
        text = json.loads(path.read_text())
        assert set(text) == KEYS, path
        assert text["DatasetType"] == "derivative"
        (by,) = text["GeneratedBy"]
        assert set(by) == {"Name", "Version", "CodeURL", "ConfigurationHash"}
        assert re.fullmatch("[0-9a-f]{16}", by["ConfigurationHash"])
        assert (path.parent / ".bidsignore").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    small_tables(folder / "input")
    start(folder)
    return folder


def start(folder, *targets, **sections):
    settings = only(TABLES)
    for name, keys in sections.items():
        settings[name] = settings.get(name, {}) | keys
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    snakemake(folder, *targets, "--configfile", "mine.yaml", "--cores", "1")


def description_hash(folder):
    path = folder / "results/fmri/dataset_description.json"
    return json.loads(path.read_text())["GeneratedBy"][0]["ConfigurationHash"]


def test_the_hash_follows_the_configuration_and_nothing_else(run, tmp_path):
    first = description_hash(run)
    small_tables(tmp_path / "input")
    start(tmp_path, "fmri")
    assert description_hash(tmp_path) == first, "another folder, the same settings"
    start(tmp_path, "fmri", fmri={"min_seconds": 50})
    assert description_hash(tmp_path) != first


def test_checksums_of_sidecars_match_the_inputs(run):
    known = {}
    for path in run.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            known.setdefault(path.name, []).append(path)
    checked = 0
    for sidecar in (run / "results").rglob("*.json"):
        text = json.loads(sidecar.read_text())
        if not isinstance(text, dict):
            continue
        for source in text.get("Inputs", []):
            name = Path(source["Name"])
            assert not name.is_absolute()
            found = [path for path in known.get(name.name, []) if str(path).endswith(str(name))]
            sums = {provenance.checksum(path) for path in found}
            assert source["SHA256"] in sums, (sidecar, name)
            assert source["Size"] in {path.stat().st_size for path in found}
            checked += 1
    assert checked >= 4


def test_provenance_holds_settings_packages_plan_and_times(run):
    folder = run / "results/provenance"
    assert {path.name for path in folder.iterdir()} >= {
        "config.yaml",
        "packages.txt",
        "plan.tsv",
        "times.tsv",
    }
    text = (folder / "config.yaml").read_text()
    assert "# fmri.min_seconds: user" in text and "# fmri.band: default" in text
    resolved = yaml.safe_load(text)
    assert resolved["fmri"]["min_seconds"] == 60
    lines = (folder / "packages.txt").read_text().splitlines()
    assert any(line.startswith("numpy==") for line in lines)
    plan = (folder / "plan.tsv").read_text().splitlines()
    assert plan[0].split("\t")[:3] == ["stage", "rule", "subject"]
    assert len(plan) == 6
