"""What a rule asks of memory and time grows with every attempt, whatever rules at the first."""

import json
import subprocess
import sys

import pytest
import yaml
from cases.fmri import TABLES, small_tables
from common import ROOT, only

ASK = """
include: {snakefile!r}
import json
found = {{}}
for rule in workflow.rules:
    if rule.norun:
        continue
    ask = rule.resources["mem_mb"]._evaluator
    found[rule.name] = [
        [int(ask(None, [path], attempt=n)) for n in (1, 2, 3)] for path in {paths!r}
    ]
minutes = {{}}
for thousands in (0, 3):
    _RUNS.update({{str(number): None for number in range(1000 * thousands)}})
    for rule in workflow.rules:
        if not rule.norun:
            ask = rule.resources["runtime"]._evaluator
            rows = [int(ask(None, attempt=n)) for n in (1, 2, 3)]
            minutes.setdefault(rule.name, []).append(rows)
_RUNS.update({{str(number): None for number in range({people})}})
crowd = {{}}
for rule in workflow.rules:
    if not rule.norun:
        ask = rule.resources["mem_mb"]._evaluator
        crowd[rule.name] = int(ask(None, ["crowd"], attempt=1))
with open("asked.json", "w") as stream:
    json.dump([found, minutes, crowd], stream)
"""
LARGE = 2000
"""MB."""
PEOPLE, EDGES = 10_000, 19_900
"""A large study, of which every job reads the connectomes (float32) of 200 regions."""


def asked(folder, settings):
    """Requests by rule at three attempts.

    MB for a small and a large input, minutes for a small and a large cohort.
    """
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    sizes = {"small": 1, "large": LARGE << 20, "crowd": 4 * PEOPLE * EDGES}
    for name, size in sizes.items():
        with open(folder / name, "wb") as stream:
            stream.truncate(size)
    text = ASK.format(snakefile=str(ROOT / "Snakefile"), paths=["small", "large"], people=PEOPLE)
    (folder / "Ask").write_text(text)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(folder / "Ask"), "--lint"]
    command += ["--configfile", "mine.yaml", "--directory", str(folder)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (folder / "asked.json").exists(), result.stderr[-3000:]
    return json.loads((folder / "asked.json").read_text())


@pytest.fixture(scope="module")
def all_requests(tmp_path_factory):
    """Requests of every rule with all stages on: images, region tables, fits as jobs."""
    images = yaml.safe_load((ROOT / "config.yaml").read_text())
    images["hmmglm"]["grid"] = "jobs"
    images["fmri"]["compare"] = ["none", "36P"]
    images["adhd"] = {**(images.get("adhd") or {}), "targets": {"iq": "number"}}
    tables = tmp_path_factory.mktemp("tables")
    small_tables(tables / "input")
    raw = tmp_path_factory.mktemp("raw")
    from neuro.simulate.raw import write_raw

    write_raw(raw / "input", n_subjects=1, voxel_mm=12, n_volumes=13, noise=0)
    bids = {"data": {"kind": "bids", "root": "input"}, "fmri": {"atlas": "a.nii.gz"}}
    (raw / "a.nii.gz").write_bytes(b"x")
    studies = (
        asked(tmp_path_factory.mktemp("images"), images),
        asked(tables, only(TABLES)),
        asked(raw, only({**bids, "adhd": {"enabled": False}})),
    )
    return [{k: v for study in studies for k, v in study[part].items()} for part in range(3)]


@pytest.fixture(scope="module")
def requests(all_requests):
    """Memory in MB by rule."""
    return all_requests[0]


@pytest.fixture(scope="module")
def minutes(all_requests):
    """Time in minutes by rule: of a small and of a large cohort, at three attempts."""
    return all_requests[1]


@pytest.fixture(scope="module")
def crowd(all_requests):
    """Memory in MB by rule in a large study."""
    return all_requests[2]


def test_every_rule_is_asked(requests):
    from cases import CASES

    assert set(requests) | {"adhd_graph_roi"} >= set(CASES)


def test_every_request_grows_with_every_attempt(requests):
    for name, rows in requests.items():
        for first, second, third in rows:
            assert first < second < third, (name, rows)
            assert second >= 2 * first - 1, (name, rows)


def test_no_request_shrinks_with_the_input(requests):
    grown = {name for name, (small, large) in requests.items() if large[0] > small[0]}
    assert all(large[0] >= small[0] for small, large in requests.values())
    assert {"fmri_clean", "adhd_graph", "ntf_tensor", "braindive_judge"} <= grown
    assert requests["fmri_clean"][1][0] >= 12 * LARGE


def test_time_grows_with_every_attempt(minutes):
    for name, rows in minutes.items():
        for first, second, third in rows:
            assert (second, third) == (min(2880, 2 * first), min(2880, 3 * first)), name


def test_jobs_about_everybody_ask_for_longer_in_a_large_cohort(minutes):
    longer = {name for name, (small, large) in minutes.items() if large[0] > small[0]}
    assert all(large[0] >= small[0] for small, large in minutes.values())
    assert {"fmri_connectome", "adhd_permute", "demovae_evaluate", "report"} <= longer
    assert not longer & {"fmri_clean", "adhd_graph", "ntf_tensor", "mds_twin"}
    # a few thousand runs, and no more than partitions give
    assert minutes["fmri_connectome"][1][0] == 4 * minutes["fmri_connectome"][0][0]
    assert minutes["demovae_evaluate"][1] == [1920, 2880, 2880]


def test_samples_of_a_large_study_have_room_for_pairs_of_people(crowd):
    """Measured: benchmarks/demovae_memory.py; rows in double precision, and their products."""
    connectomes, pairs = 4 * PEOPLE * EDGES / 2**20, 8 * PEOPLE**2 / 2**20
    assert crowd["demovae_sample"] >= 300 + 5 * connectomes + 2 * pairs
    # what no rule about one run or about recordings asks for more of
    assert crowd["demovae_planted"] == 2000
