"""What every rule must say, and that the gates see it when one does not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from common import ROOT, run_rule

WANTED = ("log:", "conda:", "threads:", "resources:", "params:", "message:", "script:")
FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))


def rules(text):
    """Blocks of a rules file by the rule's name, helper functions cut off."""
    found = {}
    for block in re.split(r"^[ ]*(?=rule \w+:)", text, flags=re.MULTILINE)[1:]:
        name = re.match(r"rule (\w+):", block)[1]
        indent = len(re.search(r"^( *)\w+:", block.split("\n", 1)[1], re.MULTILINE)[1])
        lines = block.split("\n")
        end = next(
            (
                number
                for number, line in enumerate(lines[1:], 1)
                if line.strip() and len(line) - len(line.lstrip()) < indent
            ),
            len(lines),
        )
        found[name] = "\n".join(lines[:end])
    return found


def faults(text):
    """What the rules of a file lack or must not have."""
    wrong = []
    for name, block in rules(text).items():
        for word in ("group:", "retries:", "checkpoint ", "run:", "shell:"):
            if re.search(rf"^\s*{re.escape(word)}", block, re.MULTILINE):
                wrong.append(f"{name}: has {word}")
        if "script:" not in block:
            continue
        wrong += [f"{name}: no {word}" for word in WANTED if word not in block]
        for word in ("mem_mb=", "runtime=", "code=stage_digest("):
            if word not in block:
                wrong.append(f"{name}: no {word}")
        if f"scripts/{name}.py" not in block:
            wrong.append(f"{name}: its script has another name")
        for word in ("log", "benchmark"):
            named = re.search(rf"{word}:\s*f?\"([^\"]+)\"", block)
            if named and not re.search(rf"{name}(_\{{\w+\}})?\.(log|tsv)$", named[1]):
                wrong.append(f"{name}: its {word} has another name")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_rules_are_complete(path):
    assert faults(path.read_text("utf-8")) == []


@pytest.mark.parametrize("word", ["conda:", "log:", "message:", "resources:"])
def test_a_planted_gap_is_seen(word):
    text = (ROOT / "workflow/rules/fmri.smk").read_text("utf-8")
    block = rules(text)["fmri_qc"]
    cut = re.sub(rf"\n    {word}\n(        .*\n)+", "\n", block)
    assert cut != block
    assert any(line.startswith("fmri_qc: no ") for line in faults(text.replace(block, cut)))


OUTSIDE = re.compile(
    r"INPUTS\.(files|sources)|run_input|surface_files|"
    r"(raw_file|slice_timed)\(.*, \"|run_affine|atlas_image|"
    r"ntf_(files|known)|hmmglm_bin_inputs|mds_(data|known|recording)|"
    r"braindive_(data|table|category|generator_input)|config\[\"demovae\"\]\[\"grid\"\]"
)
"""Inputs that may come from outside of the results."""


def unstamped(text):
    """Rules that read files from outside without a digest of them among their parameters."""
    found = []
    for name, block in rules(text).items():
        given = re.search(r"^\s*input:\n(.*?)^\s*output:", block, re.MULTILINE | re.DOTALL)
        if given and OUTSIDE.search(given[1]) and "inputs=stamp(" not in block:
            found.append(name)
    return found


def test_rules_that_read_from_outside_have_a_digest_of_what_they_read():
    n_stamped = 0
    for path in FILES:
        text = path.read_text("utf-8")
        assert unstamped(text) == [], path
        n_stamped += text.count("inputs=stamp(")
        bare = re.sub(r"inputs=stamp\(", "other=(", text)
        assert len(unstamped(bare)) == text.count("inputs=stamp(")
    assert n_stamped == 21


def test_no_cluster_words_in_the_rules():
    for path in FILES:
        assert not re.search(r"slurm|gres|sbatch|qos", path.read_text("utf-8")), path


def test_snakemake_lint_congratulates_and_sees_a_missing_log(tmp_path):
    for name in ("neuro", "workflow", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "snakemake", "--lint"]
    run = {"cwd": tmp_path, "capture_output": True, "text": True}
    result = subprocess.run(command, **run)
    assert result.returncode == 0 and "Congratulations" in result.stderr + result.stdout
    path = tmp_path / "workflow/rules/report.smk"
    path.write_text(re.sub(r"    log:\n.*\n", "", path.read_text(), count=1))
    assert subprocess.run(command, **run).returncode != 0


def test_a_rule_runs_where_path_holds_no_python(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    for name in ("bash", "sh"):
        os.symlink(shutil.which(name), tmp_path / "bin" / name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir("/")
    run_rule("fmri_table", tmp_path)


def test_home_need_not_be_writable(tmp_path, monkeypatch):
    """Nothing is written to the home folder: all temporaries lie in the run or in TMPDIR."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run_rule("fmri_connectome", tmp_path)
    assert [path for path in Path(home).rglob("*") if path.is_file()] == []
