"""Every stage alone and every stage off; tasks, spaces, the GPU rule, one key from outside."""

import re
import subprocess
import sys

import pytest
import yaml
from common import ROOT, only, snakemake

from neuro.config import STAGES

NEEDS = {
    "fmri": set(),
    "adhd": {"fmri"},
    "demovae": {"fmri", "adhd"},
    "ntf": {"fmri"},
    "hmmglm": {"fmri"},
    "mds": {"fmri"},
    "braindive": {"fmri", "mds"},
}
"""Stages whose rules may run when one is asked for; their simulations belong to them."""


def counts(result):
    """Jobs of a dry-run by rule."""
    found = dict(re.findall(r"^(\w+)\s+(\d+)$", result.stdout, re.MULTILINE))
    found.pop("total", None)
    return {rule: int(number) for rule, number in found.items()}


def planned(workdir, *arguments, config=None):
    """Job counts of a dry-run of the demo, or of settings."""
    if config is not None:
        (workdir / "mine.yaml").write_text(yaml.safe_dump(only(config)))
        arguments = (*arguments, "--configfile", "mine.yaml")
    return counts(snakemake(workdir, "-n", "--cores", "2", *arguments))


def stages_of(rules):
    """Stages that rules belong to."""
    return {rule.split("_")[0] for rule in rules} - {"simulate", "all"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return planned(tmp_path_factory.mktemp("demo"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_alone_runs_what_it_needs_and_no_more(tmp_path, demo, stage):
    found = planned(tmp_path, stage)
    assert stage in stages_of(found)
    assert stages_of(found) <= {stage} | NEEDS[stage]
    own = {rule: n for rule, n in demo.items() if rule.startswith(f"{stage}_")}
    assert {rule: n for rule, n in found.items() if rule.startswith(f"{stage}_")} == own


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "fmri"])
def test_a_stage_that_is_off_plans_nothing_and_the_others_stay(tmp_path, demo, stage):
    off = ("--config", f'{stage}={{"enabled": false}}')
    if stage == "mds":
        # the demo's images follow a table of that stage; without it they follow a region alone
        refused = snakemake(tmp_path, "-n", "--cores", "2", *off, check=False)
        assert refused.returncode == 1 and "needs stage mds; enable it" in refused.stderr
        settings = yaml.safe_load((ROOT / "config.yaml").read_text())
        settings["mds"]["enabled"] = False
        settings["braindive"] |= {"objectives": ["face"], "objective_table": None}
        found = planned(tmp_path, config=settings)
    else:
        found = planned(tmp_path, *off)
    assert stage not in stages_of(found)
    assert stages_of(found) == stages_of(demo) - {stage}
    others = {rule: n for rule, n in demo.items() if not rule.startswith((stage, "simulate"))}
    # what repeats the analysis of the stage that is off goes with it
    gone = {rule for rule in others if rule not in found}
    assert all(stage == "adhd" and rule == "demovae_diagnosis" for rule in gone), gone


def tree(root, tasks=("rest",), spaces=("MNI152NLin2009cAsym",)):
    """Empty images of two subjects in the names of fMRIPrep."""
    for subject in ("01", "02"):
        func = root / f"sub-{subject}" / "func"
        func.mkdir(parents=True)
        for task in tasks:
            name = f"sub-{subject}_task-{task}"
            (func / f"{name}_desc-confounds_timeseries.tsv").write_text("trans_x\n0\n")
            for space in spaces:
                for ending in ("desc-preproc_bold.nii.gz", "desc-brain_mask.nii.gz"):
                    (func / f"{name}_space-{space}_{ending}").write_bytes(b"x")
                path = func / f"{name}_space-{space}_desc-preproc_bold.json"
                path.write_text('{"RepetitionTime": 2.0}')


def images(**data):
    data = {"kind": "fmriprep", "root": "prep", **data}
    return {"data": data, "adhd": {"enabled": False}}


def test_two_tasks_are_two_runs_and_one_can_be_chosen(tmp_path):
    tree(tmp_path / "prep", tasks=("rest", "nback"))
    assert planned(tmp_path, config=images())["fmri_clean"] == 4
    assert planned(tmp_path, config=images(tasks=["nback"]))["fmri_clean"] == 2


def test_two_spaces_need_a_choice(tmp_path):
    tree(tmp_path / "prep", spaces=("MNI152NLin2009cAsym", "MNI152NLin6Asym"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(only(images())))
    command = ("-n", "--cores", "1", "--configfile", "mine.yaml")
    result = snakemake(tmp_path, *command, check=False)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "MNI152NLin2009cAsym" in result.stderr and "MNI152NLin6Asym" in result.stderr
    assert planned(tmp_path, config=images(space="MNI152NLin6Asym"))["fmri_clean"] == 2


GPU_OF_RULE = """
import sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, ResourceSettings

for device in ("auto", "cuda", "cpu"):
    with SnakemakeApi() as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={"braindive": {"device": device}}),
            snakefile=Path(sys.argv[1]),
            workdir=Path(sys.argv[2]),
        )._workflow
        gpus = workflow.get_rule("braindive_sample").resources["gpu"].value
        print(f"device {device}: {gpus}")
"""


def test_the_gpu_rule_asks_for_a_gpu_unless_it_is_told_not_to(tmp_path):
    # a dry run does not print the resources of a rule that has a message
    command = [sys.executable, "-c", GPU_OF_RULE, str(ROOT / "Snakefile"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = dict(re.findall(r"^device (\w+): (\d)$", result.stdout, re.MULTILINE))
    assert found == {"auto": "1", "cuda": "1", "cpu": "0"}


def test_one_key_of_the_command_line_changes_nothing_else(tmp_path):
    texts = []
    small = 'simulate={"n_subjects": 4, "voxel_mm": 12, "n_volumes": 40}'
    for name, extra in (("a", ()), ("b", ("execution={seed: 3}",))):
        (tmp_path / name).mkdir()
        target = "results/fmri/runs.tsv"
        snakemake(tmp_path / name, target, "--cores", "1", "--config", small, *extra)
        text = (tmp_path / name / "results/provenance/config.yaml").read_text()
        texts.append((yaml.safe_load(text), text))
    first, second = texts[0][0], texts[1][0]
    assert second["execution"].pop("seed") == 3 and first["execution"].pop("seed") == 0
    assert first == second
    assert "# execution.seed: user" in texts[1][1]
