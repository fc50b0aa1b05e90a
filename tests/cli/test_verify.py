"""`neuro verify`: every altered byte of inputs and outputs is found, and nothing else."""

import json
import os
import re
import shutil

import pytest
from common import report_text, snakemake

from neuro.base import record, verify
from neuro.command.cli import main

TABLE = "input/sub-01_task-rest_timeseries.tsv"


@pytest.fixture
def run(tables_run, monkeypatch):
    """A copy of a finished run as working directory."""
    monkeypatch.chdir(tables_run)
    return tables_run


def everything(folder):
    """Every input, every file of the results, and every record of a job."""
    paths = [*(folder / "input").rglob("*"), *(folder / "results").rglob("*")]
    own = ("results/logs/", "results/benchmarks/", "results/provenance/")
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        about = name.startswith(own) and not name.startswith(str(record.FOLDER))
        if path.is_file() and not about and path.name != ".snakemake_timestamp":
            found.append(name)
    return sorted(set(found) - set(verify.LISTS[1:]))


def flip(path, place):
    """Another byte at a place, with size and times as they were."""
    stat = os.stat(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def findings(**options):
    return verify.verify(**options).findings


def test_an_untouched_run_is_verified(run, capsys):
    assert findings() == findings(fast=True) == []
    assert main(["verify"]) == main(["verify", "--fast", "results"]) == 0
    assert "no problem" in capsys.readouterr().out
    assert re.search(r"Verified on \d{4}-\d\d-\d\d \d\d:\d\d: \d+ files", report_text(run))


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_every_single_byte_of_every_file_is_found(run, share):
    names = everything(run)
    assert len(names) > 40
    for name in names:
        path = run / name
        content, stat = path.read_bytes(), path.stat()
        if not content:
            continue
        flip(path, min(int(share * len(content)), len(content) - 1))
        assert [f.state for f in findings() if f.what == name], name
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert findings() == []


def test_fast_looks_at_size_and_time_first(run):
    path = run / "results/fmri/connectomes.h5"
    flip(path, 100)
    assert findings(fast=True) == []
    os.utime(path)
    assert [f.what for f in findings(fast=True)] == ["results/fmri/connectomes.h5"]


def test_what_is_lost_what_is_strange_and_what_is_stale(run, capsys):
    (run / "results/fmri/qc_fc.tsv").unlink()
    (run / "input/sub-01_task-rest_timeseries.tsv").unlink()
    (run / "results/fmri/mine.txt").write_text("x")
    path = record.path_of("results/logs/fmri/fmri_table.log")
    content = json.loads(path.read_text())
    content["Versions"]["numpy"] = "0.1"
    content["Settings"] = "other"
    row = next(row for row in content["Outputs"] if row["Name"].endswith("timeseries.h5"))
    row["SHA256"] = "0" * 64
    path.write_text(json.dumps(record.sealed(content)))
    assert main(["verify", str(run)]) == 1
    out = capsys.readouterr().out
    for line in (
        "missing         results/fmri/qc_fc.tsv: its job wrote it",
        "missing         input/sub-01_task-rest_timeseries.tsv: fmri_table read it",
        "unknown origin  results/fmri/mine.txt: no job has a record of it",
        "stale           numpy: 0.1 in 1 job(s), now",
        "stale           results/fmri/connectomes.h5: made from another results/fmri/timeseries.h5",
        "made with other settings or code",
    ):
        assert line in out, out


def test_headline_figures_say_whether_they_hold(run, capsys):
    assert main(["report"]) == 0
    assert "Verified on" in capsys.readouterr().out
    path = run / TABLE
    path.write_text(path.read_text().replace("1", "2", 1))
    assert main(["report"]) == 0
    out = capsys.readouterr().out
    assert f"Not verified: {TABLE} (altered: since fmri_table read it); see neuro verify." in out


def test_a_job_without_a_record_is_of_unknown_origin(run):
    record.path_of("results/logs/fmri/fmri_qc.log").unlink()
    found = {f.what: f.state for f in findings()}
    assert found["results/fmri/group_qc.tsv"] == "unknown origin"
    assert "results/fmri/connectomes.h5" not in found


def test_a_folder_without_a_run_is_one_line(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 1
    assert "no records of jobs" in capsys.readouterr().err


@pytest.mark.slow
def test_every_file_of_the_demo(tmp_path, monkeypatch):
    """Ten minutes of CPU; NEURO_DEMO may name a folder with a finished demo."""
    folder = tmp_path / "demo"
    if done := os.environ.get("NEURO_DEMO"):
        shutil.copytree(done, folder, copy_function=shutil.copy2, symlinks=True)
    else:
        folder.mkdir()
        snakemake(folder, "--cores", "2", timeout=3600)
    monkeypatch.chdir(folder)
    assert findings() == []
    names = [name for name in everything(folder) if (folder / name).stat().st_size]
    records = [name for name in names if name.startswith(str(record.FOLDER))]
    assert len(records) > 100 and len(names) > 1000
    # records apart: a file whose record is altered is found whatever it holds
    for part in (records, sorted(set(names) - set(records))):
        for share in (0, 0.5, 1):
            places = {name: (folder / name).stat().st_size for name in part}
            places = {name: min(int(share * size), size - 1) for name, size in places.items()}
            for name, place in places.items():
                flip(folder / name, place)
            found = {f.what for f in findings()}
            assert not [name for name in part if name not in found]
            for name, place in places.items():
                flip(folder / name, place)
    assert findings() == []
