"""The page "Your own data, kind by kind", executed as it is printed, for each kind."""

import os
import re
import subprocess
import sys

import pytest
import strangers
import yaml
from common import ROOT, report_text

SECTION = (
    (ROOT / "docs/own_data.md")
    .read_text("utf-8")
    .split("# Your own data, kind by kind")[1]
    .split("\n## ")[0]
)
FIRST = dict(
    zip(
        ("fmriprep", "tables", "spikes", "calcium", "responses", "download", "pictures", "voxels"),
        re.findall(r"\| `(neuro init [^`]+)` \|$", SECTION, re.MULTILINE),
        strict=True,
    )
)
"""Kind to the first command that the table gives for it."""
STAGE = {
    "fmriprep": "fmri",
    "tables": "adhd",
    "spikes": "hmmglm",
    "calcium": "ntf",
    "responses": "mds",
    "voxels": "braindive",
}
FILLED_IN = {"tables": ("# tr: 2.0", "tr: 2.0")}
"""The line that the settings file asks to be filled in."""


def laboratory(folder):
    """A checkout with `.venv`, as the commands expect it; the programs are those of this test."""
    for name in ("Snakefile", "workflow", "profiles", "config.yaml", "envs"):
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("neuro", "neuro.command"), ("snakemake", "snakemake")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (programs / name).chmod(0o755)


def run(folder, command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert "Traceback" not in result.stderr + result.stdout
    assert result.returncode == 0, command + "\n" + result.stderr[-3000:]
    return result


@pytest.mark.parametrize(
    "kind",
    [
        "spikes",
        # a download is taken to its verdict in tests/braindive/test_downloads_to_verdict.py
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in STAGE if kind != "spikes"),
    ],
)
def test_the_three_commands_end_in_a_report(kind, tmp_path):
    laboratory(tmp_path)
    getattr(strangers, kind)(tmp_path)
    block = re.search(r"^```\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)[1]
    first, *others = block.splitlines()
    assert first.split("#")[0].split() == [".venv/bin/neuro", "init", "my_study", "-o", "mine.yaml"]
    assert len(others) == 2
    run(tmp_path, f".venv/bin/{FIRST[kind]}")
    if kind in FILLED_IN:
        before, after = FILLED_IN[kind]
        text = (tmp_path / "mine.yaml").read_text()
        assert text.count(before) == 1
        (tmp_path / "mine.yaml").write_text(text.replace(before, after))
    for command in others:
        run(tmp_path, command)
    assert (tmp_path / "results" / "report" / f"{STAGE[kind]}.html").is_file()
    assert "Headline figures" in report_text(tmp_path)


def by_hand():
    found = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)]
    return {
        "tables": next(item for item in found if item["data"]["kind"] == "table"),
        "spikes": next(item for item in found if "hmmglm" in item),
        "calcium": next(item for item in found if "ntf" in item),
        "responses": next(item for item in found if "mds" in item),
        "voxels": next(item for item in found if "braindive" in item),
    }


@pytest.mark.parametrize("kind", by_hand())
def test_settings_by_hand_are_checked_and_planned(kind, tmp_path, monkeypatch, capsys):
    from common import snakemake

    from neuro.command.cli import main

    monkeypatch.chdir(tmp_path)
    getattr(strangers, kind)(tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(by_hand()[kind]))
    assert main(["check", "--config", "mine.yaml"]) == 0, capsys.readouterr().err
    planned = snakemake(tmp_path, "-n", "--cores", "2", "--configfile", "mine.yaml")
    assert re.search(rf"^{STAGE[kind]}_\w+ +\d+$", planned.stdout, re.MULTILINE)
