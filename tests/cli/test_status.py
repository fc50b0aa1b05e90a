"""`neuro status`: what is done, running, failed and missing, from files alone."""

import os
import subprocess
import sys
import time

import datasets
import pytest
import yaml
from common import ROOT, only

from neuro.command import status
from neuro.command.cli import main
from neuro.io.problems import InputProblem
from neuro.run import plan

LABELS = [f"{number:02d}" for number in range(1, 9)]
BROKEN = ("03", "06")


def counts(folder, stage="fmri"):
    """Number of jobs in each state."""
    found = [job for job in status.jobs(folder) if job.stage == stage]
    return {state: sum(job.state == state for job in found) for state in status._STATES}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of eight subjects of whom two have broken images, watched while it went."""
    folder = tmp_path_factory.mktemp("run")
    datasets.tiny(folder / "prep", LABELS)
    for label in BROKEN:
        path = datasets.file_of(folder / "prep", label, "_bold.nii.gz")
        path.write_bytes(path.read_bytes()[:1000])
    settings = {
        "data": {"kind": "fmriprep", "root": "prep"},
        "fmri": {"atlas": "prep/atlas.nii.gz"},
        "adhd": {"enabled": False},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(settings)))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", "mine.yaml", "--cores", "2"]
    command += ["--keep-going", "--workflow-profile", "none"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    seen = []
    with open(folder / "output.txt", "w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            if (folder / status.PLAN).exists():
                seen.append(counts(folder))
            time.sleep(0.1)
    assert process.returncode == 1, (folder / "output.txt").read_text()
    return folder, seen


def test_counts_while_it_runs_only_grow(run):
    _, seen = run
    total = sum(seen[0].values())
    # index, series, connectome, publish, qc and two jobs per subject
    assert total == 5 + 2 * len(LABELS)
    assert all(sum(found.values()) == total for found in seen)
    done = [found["done"] for found in seen]
    assert done == sorted(done) and done[0] <= 1 and done[-1] >= 12
    assert {found["running"] for found in seen} >= {1, 2}
    assert max(found["running"] for found in seen) <= 2


def test_after_two_of_eight_failed(run, capsys):
    folder, _ = run
    assert counts(folder) == {"done": 13, "running": 0, "failed": 2, "waiting": 6}
    failed = [job for job in status.jobs(folder) if job.state == "failed"]
    assert {(job.rule, job.subject) for job in failed} == {("fmri_clean", n) for n in BROKEN}
    assert all("the file is cut off" in job.line for job in failed)
    capsys.readouterr()
    assert main(["status", "--directory", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stage", "done", "running", "failed", "median", "s", "left"]
    assert lines[1].split()[:4] == ["fmri", "13/21", "0", "2"]
    assert [line for line in lines if line.startswith("fmri_clean sub-03: error: ")]
    assert "subjects with something missing: 03 06" in lines
    assert all(len(line) <= 160 for line in lines)


def test_after_success_everything_is_done(run, tmp_path, capsys):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(run[0], folder, copy_function=shutil.copy2)
    for label in BROKEN:
        good = datasets.file_of(folder / "prep", "01", "_bold.nii.gz")
        shutil.copyfile(good, datasets.file_of(folder / "prep", label, "_bold.nii.gz"))
    from common import snakemake

    snakemake(folder, "--configfile", "mine.yaml", "--cores", "2")
    found = status.jobs(folder)
    assert {job.state for job in found} == {"done"}
    assert sum(job.fresh for job in found if job.stage == "fmri") == 8
    assert main(["status", "--watch", "--directory", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "something missing" not in out
    assert out.splitlines()[-1].split()[:2] == ["all", "22/22"]
    times = (folder / "results/provenance/times.tsv").read_text().splitlines()
    assert times[0].split("\t") == ["stage", "job", "s", "cpu_time", "max_rss"]
    assert len(times) == 1 + len(found) == 23


def test_without_a_run_it_is_one_line(tmp_path, capsys):
    assert main(["status", "--directory", str(tmp_path)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert "plan.tsv: no such file; start a run first" in error[0]
    with pytest.raises(InputProblem):
        status.jobs(tmp_path)


def planted(folder, jobs):
    """A plan and what lies on the disk: (path, needed, output, last line of the log)."""
    os.chdir(folder)
    rows = []
    for path, needed, output, line in jobs:
        row = {"stage": "s", "rule": "s_rule", "subject": "", "needed": needed}
        rows.append({**row, "path": path, "log": f"{path}.log", "benchmark": ""})
        if output:
            (folder / path).write_text(output)
        if line:
            (folder / f"{path}.log").write_text(f"first\n{line}\n")
    plan.write({}, {"data": {}}, rows)


@pytest.mark.parametrize(("alive", "cut"), [(True, "running"), (False, "failed")])
def test_a_half_written_output_is_not_done(tmp_path, monkeypatch, alive, cut):
    monkeypatch.chdir(tmp_path)
    planted(
        tmp_path,
        [
            ("a", "yes", "half", "reading"),
            ("b", "yes", "all", "done in 1.0 s"),
            ("c", "no", "old", ""),
            ("d", "yes", "", "error: x: broken"),
            ("e", "yes", "", ""),
        ],
    )
    if alive:
        (tmp_path / ".snakemake/locks").mkdir(parents=True)
        (tmp_path / ".snakemake/locks/0.output.lock").write_text("a")
    states = {job.log[0]: job.state for job in status.jobs(tmp_path)}
    assert states == {"a": cut, "b": "done", "c": "done", "d": "failed", "e": "waiting"}


def test_an_output_of_an_earlier_run_that_must_be_made_again_waits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("old")
    os.utime(tmp_path / "a", (1, 1))
    planted(tmp_path, [("a", "yes", "", "")])
    assert status.jobs(tmp_path)[0].state == "waiting"


def test_time_left_follows_the_rule_and_the_pace():
    def job(rule, state, seconds=None):
        return status.Job("s", rule, "", state, seconds, True, "", "")

    done = [job("slow", "done", 10.0), job("slow", "done", 10.0), job("quick", "done", 1.0)]
    left = [job("slow", "waiting"), job("quick", "waiting")]
    assert status.remaining(done + left, elapsed=21.0) == pytest.approx(11.0)
    # twice as fast: two jobs ran side by side
    assert status.remaining(done + left, elapsed=10.5) == pytest.approx(5.5)
    assert status.remaining(left, elapsed=1.0) is None


def test_no_snakemake_is_loaded():
    code = "import sys, neuro.command.status, neuro.command.cli; print('snakemake' in sys.modules, "
    code += "[m for m in ('numpy', 'pandas', 'yaml') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "False []", result.stderr
