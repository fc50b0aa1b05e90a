"""What every script shares: the log, one-line errors, warnings as lines."""

import types
import warnings

import pytest

from neuro.base import job


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


def test_a_mistake_of_the_user_is_one_line_and_no_stack(task, capsys):
    with pytest.raises(SystemExit) as caught, job.run(task):
        raise ValueError("a.nii.gz: 3 volumes, expected more than 4")
    assert caught.value.code == 1
    assert capsys.readouterr().err == "adhd_graph: a.nii.gz: 3 volumes, expected more than 4\n"
    assert lines(task)[-1] == "error: a.nii.gz: 3 volumes, expected more than 4"
    assert "Traceback" not in "".join(lines(task))


def test_other_errors_leave_their_stack_in_the_log(task):
    with pytest.raises(ZeroDivisionError), job.run(task):
        _ = 1 / 0
    assert any(line.startswith("ZeroDivisionError") for line in lines(task))


def test_warnings_are_lines_of_the_log_each_once(task, capsys):
    with job.run(task):
        for _ in range(3):
            warnings.warn("ages lie\noutside", UserWarning, stacklevel=1)
        warnings.warn("other", RuntimeWarning, stacklevel=1)
    found = [line for line in lines(task) if line.startswith("warning")]
    assert found == ["warning: ages lie outside", "warning: other"]
    assert capsys.readouterr().err == ""
