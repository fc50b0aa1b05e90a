"""What runs again: nothing without a change, the stage and what follows after one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import yaml
from cases.fmri import TABLES, small_tables
from common import ROOT, only, report_text, snakemake


def planned(folder, checkout=ROOT, targets=()):
    words = [*targets, "-n", "--configfile", "mine.yaml", "--cores", "1"]
    result = snakemake(folder, *words, checkout=checkout)
    table = result.stdout.split("job", 1)[1] if "count" in result.stdout else ""
    names = set(re.findall(r"^(\w+)\s+\d+$", table, re.MULTILINE))
    return names - {"total", "all"}


def change(folder, **sections):
    settings = yaml.safe_load((folder / "mine.yaml").read_text())
    for name, keys in sections.items():
        settings.setdefault(name, {}).update(keys)
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))


def test_a_finished_run_has_a_report_and_exclusions_with_reasons(finished_tables):
    page = report_text(finished_tables)
    assert "scan too short" in page
    assert str(finished_tables) not in page
    rows = (finished_tables / "results/fmri/exclusions.tsv").read_text().splitlines()[1:]
    # one scan, and the remark that whole tables look unfiltered
    assert len(rows) == 2 and rows[0].split("\t")[2].startswith("scan")


def test_a_second_run_does_nothing(tables_run):
    assert planned(tables_run) == set()


def test_a_touched_input_does_nothing(tables_run):
    for path in (tables_run / "input").glob("*.tsv"):
        path.touch()
    # the list of runs is made again, and is the same
    assert planned(tables_run) == set()


def test_changed_content_of_one_table_runs_what_reads_it(tables_run):
    path = tables_run / "input/sub-01_task-rest_timeseries.tsv"
    path.write_text(path.read_text().replace(".", ".1", 1))
    assert planned(tables_run) == {"fmri_table", "fmri_connectome", "fmri_qc", "report"}


def test_a_changed_key_runs_the_rules_that_read_it(tables_run):
    change(tables_run, fmri={"connectome": "pearson"})
    assert planned(tables_run) == {"fmri_connectome", "fmri_qc", "report"}


def test_a_changed_title_runs_the_report_only(tables_run):
    change(tables_run, report={"title": "another title"})
    assert planned(tables_run) == {"report"}


def test_a_changed_source_file_runs_its_stage_and_what_follows(tables_run, tmp_path):
    # the digest reads the installed package; a checkout of its own keeps this one as it is
    checkout = tmp_path / "checkout"
    shutil.copytree(
        ROOT,
        checkout,
        ignore=shutil.ignore_patterns(".venv*", "results", ".git", ".snakemake", "tests"),
    )
    source = checkout / "neuro/fmri/regions/connectome.py"
    source.write_text(source.read_text() + "\n# a comment is no change\n")
    assert planned(tables_run, checkout) == set(), "the same sources elsewhere change nothing"
    for name, rules in (
        ("neuro/adhd/diagnosis/lda.py", set()),
        ("docs/fmri.md", set()),
        ("neuro/report/figures/draw.py", {"report"}),
        (
            "neuro/fmri/regions/connectome.py",
            {"fmri_table", "fmri_connectome", "fmri_qc", "report"},
        ),
    ):
        source = checkout / name
        source.write_text(source.read_text() + "\nCHANGED = True\n")
        assert planned(tables_run, checkout) == rules, name


def test_a_lost_target_is_made_again(tables_run):
    (tables_run / "results/fmri/report.json").unlink()
    assert planned(tables_run) == {"fmri_qc", "report"}


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    small_tables(folder / "input")
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(TABLES)))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", "mine.yaml", "--cores", "1"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "results/fmri/runs.tsv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "results/report/index.html").exists()
    snakemake(folder, "--unlock", "--configfile", "mine.yaml", "--cores", "1")
    result = snakemake(folder, "--configfile", "mine.yaml", "--cores", "1", "--rerun-incomplete")
    assert (folder / "results/report/index.html").exists()
    assert "fmri_table" in result.stdout + result.stderr


def test_snakemakes_own_report_is_built_without_a_network(tables_run):
    """Every name server is out of reach; the archive holds the page and all figures."""
    out = tables_run / "report.zip"
    blocked = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(tables_run), "--workflow-profile", "none"]
    command += ["--configfile", "mine.yaml"]
    if os.geteuid() == 0 and shutil.which("unshare"):
        command = ["unshare", "--net", *command]
    result = subprocess.run(
        [*command, "--report", str(out)],
        cwd=tables_run,
        env={**os.environ, **blocked},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
    figures = list((tables_run / "results/report/figures").rglob("*.png"))
    assert any(name.endswith("report.html") for name in names)
    assert len([name for name in names if name.endswith(".png")]) >= len(figures) >= 3
