"""What every script shares: the log, one-line errors, warnings as lines."""

import errno
import json
import os
import stat
import types
import warnings
from pathlib import Path

import pytest

from neuro.base import job, record
from neuro.io.problems import InputProblem
from neuro.run import plan


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.nii.gz").touch()
    return types.SimpleNamespace(
        threads=1,
        log=[str(tmp_path / "logs" / "x.log")],
        rule="adhd_graph",
        wildcards={"run_key": "sub-01"},
        params={"seed": 3},
        input=["a.nii.gz"],
        output=[],
        config={"execution": {"seed": 3}},
    )


def lines(task):
    with open(task.log[0], encoding="utf-8") as stream:
        return stream.read().splitlines()


def test_a_log_starts_with_what_is_run_and_ends_with_the_time(task):
    with job.run(task) as log:
        log("done well")
    found = lines(task)
    assert found[0].startswith("neuro ") and found[0].endswith("rule adhd_graph")
    assert {"inputs: ['a.nii.gz']", "seed: 3", "threads: 1"} <= set(found)
    assert found[-2] == "done well" and found[-1].startswith("done in ")
    assert 0 <= float(found[-1].split()[2]) < 60


def test_a_mistake_of_the_user_is_one_line_and_its_stack_is_in_the_log(task, capsys):
    with pytest.raises(SystemExit) as caught, job.run(task):
        raise InputProblem(["a.nii.gz: 3 volumes, expected more than 4", "b.nii.gz: no such file"])
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        "adhd_graph: a.nii.gz: 3 volumes, expected more than 4\n"
        "adhd_graph: b.nii.gz: no such file\n"
    )
    assert lines(task)[-2:] == [
        "error: a.nii.gz: 3 volumes, expected more than 4",
        "error: b.nii.gz: no such file",
    ]
    assert any(line.startswith("Traceback") for line in lines(task))


@pytest.mark.parametrize("kind", [ValueError, ZeroDivisionError, OSError])
def test_an_error_of_ours_is_not_passed_off_as_the_users(task, capsys, kind):
    with pytest.raises(SystemExit) as caught, job.run(task):
        raise kind("shapes (3,) and\n(4,) differ")
    assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and "Traceback" not in shown
    assert shown.startswith(f"adhd_graph: {kind.__name__}: shapes (3,) and (4,) differ; unexpected")
    assert task.log[0] in shown
    assert any(line.startswith("Traceback") for line in lines(task))


def test_warnings_are_lines_of_the_log_each_once(task, capsys):
    with job.run(task):
        for _ in range(3):
            warnings.warn("ages lie\noutside", UserWarning, stacklevel=1)
        warnings.warn("other", RuntimeWarning, stacklevel=1)
    found = [line for line in lines(task) if line.startswith("warning")]
    assert found == ["warning: ages lie outside", "warning: other"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "x", "results/a.h5"), "results/a.h5: No space left on device; free"),
        (OSError("Can't write data (errno = 28, 'No space left on device')"), "No space left on"),
        (OSError(errno.EROFS, "x", "results/a.h5"), "results/a.h5: Read-only file system; make"),
        (PermissionError(errno.EACCES, "x", "a.h5"), "a.h5: Permission denied; make it readable"),
        (MemoryError(), "not enough memory; let fewer jobs run at once"),
        (OSError(errno.ENOMEM, "x"), "not enough memory"),
        (ImportError("libhdf5.so.320: failed to map segment from shared object"), "not enough"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "not enough mem"),
        (RuntimeError("can't start new thread"), "not enough memory"),
    ],
)
def test_a_full_disk_and_a_small_memory_are_one_line_with_a_remedy(task, capsys, error, line):
    with pytest.raises(SystemExit), job.run(task):
        raise error
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and line in shown and "unexpected" not in shown


def test_a_small_memory_behind_another_error_is_told_and_words_alone_are_not(task, capsys):
    with pytest.raises(SystemExit), job.run(task):
        try:
            raise MemoryError
        except MemoryError as cause:
            raise ImportError("numpy cannot be imported") from cause
    assert "not enough memory" in capsys.readouterr().err
    with pytest.raises(SystemExit), job.run(task):
        raise ValueError("column 'out of memory' is no number")
    assert "not enough memory" not in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full_for_the_log_as_well_is_one_line(task, capsys):
    with pytest.raises(SystemExit), job.run(task) as log:
        log.path = Path("/dev/full")
        with open("/dev/full", "w") as stream:
            stream.write("x")
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and "No space left on device" in shown


@pytest.fixture
def real(task, tmp_path, monkeypatch):
    """A task whose inputs and outputs are there."""
    monkeypatch.chdir(tmp_path)
    Path("a.tsv").write_text("a")
    task.input, task.output = ["a.tsv"], ["out.tsv"]
    task.log = ["results/logs/adhd/x.log"]
    return task


def test_a_job_leaves_a_record_of_what_it_read_and_wrote(real):
    with job.run(real):
        Path("out.tsv").write_text("b")
        Path("out.json").write_text("{}")
    path = record.path_of(real.log[0])
    assert path == Path("results/provenance/jobs/adhd/x.json")
    found = record.read(path)
    assert [file.name for file in found.inputs] == ["a.tsv"]
    assert [file.name for file in found.outputs] == ["out.tsv", "out.json"]
    assert all(file.same() for file in found.inputs + found.outputs)
    content = json.loads(path.read_text())
    assert content["Parameters"] == real.params
    with job.run(real) as log:
        Path("picture.png").write_text("p")
        log.beside = ["picture.png"]
    found = record.read(path).outputs
    assert [(file.name, file.of) for file in found][1:] == [
        ("picture.png", "out.tsv"),
        ("out.json", "out.tsv"),
    ]
    with pytest.raises(SystemExit), job.run(real):
        raise ValueError
    assert not path.exists(), "a job that failed has no record"


@pytest.mark.parametrize("what", ["changed", "vanished"])
def test_an_input_that_changes_under_the_job_is_one_line(real, capsys, what):
    with pytest.raises(SystemExit), job.run(real):
        if what == "changed":
            Path("a.tsv").write_text("other")
        else:
            Path("a.tsv").unlink()
    assert f"a.tsv: {what} while the job read it" in capsys.readouterr().err
    if what == "vanished":
        with pytest.raises(SystemExit), job.run(real):
            raise AssertionError
        assert "a.tsv: vanished before the job read it" in capsys.readouterr().err
    assert not record.path_of(real.log[0]).exists()


def test_of_several_inputs_that_change_the_others_are_counted(real, capsys):
    names = ["a.tsv", "b.tsv", "c.tsv"]
    for name in names:
        Path(name).write_text(name)
    real.input = names
    with pytest.raises(SystemExit), job.run(real):
        for name in names:
            Path(name).unlink()
    assert "a.tsv and 2 more: vanished while the job read it" in capsys.readouterr().err
    with pytest.raises(SystemExit), job.run(real):
        raise AssertionError
    assert "a.tsv and 2 more: vanished before the job read it" in capsys.readouterr().err


@pytest.mark.parametrize(("shared", "mode"), [(False, 0o640), (True, 0o644)])
def test_results_are_not_for_everybody(real, shared, mode):
    real.config = {"execution": {"seed": 0, "shared_results": shared}}
    before = os.umask(0o022)
    try:
        with job.run(real):
            Path("out.tsv").write_text("b")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("out.tsv").stat().st_mode) == mode


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_is_full_at_the_start_is_one_line(monkeypatch, number):
    """Snakemake would end with a stack when it writes its lock."""

    def full(**options):
        raise OSError(number, "x")

    monkeypatch.setattr(plan.tempfile, "NamedTemporaryFile", full)
    lines = plan.room()
    assert len(lines) == (number != errno.EROFS)
    assert all("free space there and start again" in line for line in lines)


def test_a_disk_with_room_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plan.room() == [] and not list(tmp_path.iterdir())
