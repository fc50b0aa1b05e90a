"""The chaos gate names every rule, its faults do what they say, and a lie would be seen."""

import argparse
import os
import re
import subprocess
import sys

import chaos
import pytest
from common import ROOT


def test_every_rule_is_broken_in_one_study():
    rules = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        for block in re.split(r"^\s*(?=rule \w+:)", path.read_text(), flags=re.M)[1:]:
            if "script:" in block:
                rules.add(re.match(r"rule (\w+):", block)[1])
    named = [rule for own in chaos.RULES.values() for rule in own]
    assert set(named) == rules
    assert len(named) == len(set(named))
    assert set(chaos.RULES) == set(chaos.STUDIES)
    assert len(chaos.all_cases(chaos.STUDIES)) == len(rules) * len(chaos.FAULTS)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("x:kill:0", -9), ("y:kill:0", 0), ("x:memory:64", 1), ("x:memory:8000", 0), ("*:deny:a", 1)],
)
def test_a_fault_meets_its_rule_alone(tmp_path, fault, status):
    script = tmp_path / "tmp123.x.py"
    (tmp_path / "a").write_text("a")
    script.write_text("data = bytes(200 << 20)\nopen('a').read()\n")
    environment = {**os.environ, "PYTHONPATH": str(chaos.HERE / "faults"), "NEURO_FAULT": fault}
    command = [sys.executable, str(script)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert result.returncode == status


def test_a_lie_is_seen(tmp_path):
    """Results of other data, a lost file, and a status without a line do not pass."""
    for name in ("study", "run"):
        (tmp_path / name / "results").mkdir(parents=True)
        (tmp_path / name / "results/a.tsv").write_text("x\n1\n")
        (tmp_path / name / "results/provenance").mkdir()
        (tmp_path / name / "results/provenance/plan.tsv").write_text("rule\ttemporary\n")
    case = chaos.Case.__new__(chaos.Case)
    case.study, case.folder = tmp_path / "study", tmp_path / "run"
    case.rule, case.output, case.fault, case.log = "fmri_qc", "results/a.tsv", "kill", "x.log"
    case.same()
    (tmp_path / "run/results/a.tsv").write_text("x\n2\n")
    with pytest.raises(chaos.Failure, match="other results"):
        case.same()
    (tmp_path / "run/results/a.tsv").unlink()
    with pytest.raises(chaos.Failure, match="other files"):
        case.same()
    with pytest.raises(chaos.Failure, match="without a line"):
        case.told("something went wrong in fmri_qc")
    case.told("fmri_qc: results/a.tsv: cut off; delete it and start again")


def draw(seed, **options):
    given = {"all": False, "only": None, "rule": None, "fault": None, "without": None}
    given["seed"] = seed
    return chaos.chosen(argparse.Namespace(**given | options))


def test_a_seed_draws_the_same_studies_and_cases():
    assert draw(3) == draw(3) != draw(4)
    assert len({study for study, _, _ in draw(3)}) == chaos.DRAWN
    faults = len(chaos.FAULTS) - (os.geteuid() != 0)
    rules = sum(map(len, chaos.RULES.values()))
    assert len(draw(3, all=True)) == rules * faults
    assert "memory" not in {fault for *_, fault in draw(3, all=True, without=["memory"])}
    assert draw(3, rule=["mds_select"], fault=["kill"]) == [("cells", "mds_select", "kill")]


def test_cells_that_were_not_run_again_stay():
    before = chaos.table({("tables", "fmri_qc", "kill"): "equal"})
    now = chaos.table({("tables", "fmri_qc", "empty"): "FAILED"}, before)
    (row,) = [line for line in now.split("\n") if "fmri_qc" in line]
    assert row == "| `fmri_qc` | equal |  |  | FAILED |  |  |  |  |  |"


@pytest.mark.slow
def test_a_sample_passes(tmp_path):
    assert chaos.main(["--only", "tables", "--minutes", "4", "--seed", "1"]) == 0
