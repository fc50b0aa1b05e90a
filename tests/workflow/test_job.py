"""What every script shares: the log, one-line errors, warnings as lines."""

import types
import warnings

import pytest

from neuro.base import job
from neuro.io.problems import InputProblem


@pytest.fixture
def task(tmp_path):
    return types.SimpleNamespace(
        threads=1,
        log=[str(tmp_path / "logs" / "x.log")],
        rule="adhd_graph",
        wildcards={"run_key": "sub-01"},
        params={"seed": 3},
        input=["a.nii.gz"],
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


@pytest.mark.parametrize("kind", [ValueError, ZeroDivisionError, OSError, MemoryError])
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
