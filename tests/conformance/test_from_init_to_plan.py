"""`init`, `check` and the plan of every entry: an exit status and lines, never a traceback."""

import contextlib
import io
import os
import sys
import warnings
from pathlib import Path

import pytest
import table
from conformance_cases import DATA

from neuro.command.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from common import snakemake

GROUPS = list(dict.fromkeys(case.group for case in table.CASES))
PLANNED = ("Spikes", "Traces", "Stimuli and responses", "Region tables")
"""Of these groups the first entry that `init` and `check` pass is planned by Snakemake too."""


TREES = ("Trees of fMRIPrep", "BIDS examples", "File lists of XCP-D")


def said(*arguments):
    """Exit status, printed text, lines of what is wrong."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(item) for item in arguments])
    return status, out.getvalue(), err.getvalue()


def plan(path):
    """What the Snakefile asks before it plans a job."""
    from neuro.run import inputs, settings

    config = settings.read_config(path)
    found = inputs.load(config, again=True)
    if not found.problems:
        inputs.decide(config, found)
    return found


def through(case, folder):
    """Exit statuses of `init` and `check`; raises where something ends in a traceback."""
    from neuro.io.problems import InputProblem

    (folder / "in").mkdir()
    (folder / "run").mkdir()
    read, _ = case.make(folder / "in")
    os.chdir(folder / "run")
    inside = list((folder / "in").iterdir())
    path = inside[0] if len(inside) == 1 and inside[0].is_dir() else folder / "in"
    path = getattr(read, "path", path)
    status, text, err = said("init", path, "-o", "mine.yaml")
    assert status in (0, 1) and "Traceback" not in err + text, err
    if status:
        lines = err.splitlines()
        assert not Path("mine.yaml").exists()
        assert len(lines) >= 2 and lines[-1] == f"{len(lines) - 1} problem(s)", err
        return status, None
    checked, text, err = said("check", "--config", "mine.yaml")
    assert checked in (0, 1) and "Traceback" not in err + text, err
    assert bool(err) == bool(checked), err
    with contextlib.suppress(InputProblem), contextlib.redirect_stdout(io.StringIO()):
        plan("mine.yaml")
    return status, checked


@pytest.mark.parametrize("group", GROUPS)
def test_no_entry_of_a_group_ends_in_a_traceback(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, ends = {}, []
    cases = [case for case in table.CASES if case.group == group]
    for number, case in enumerate(cases):
        if case.listed and not (DATA / "layouts").exists():
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ends.append(through(case, folder))
        except Exception as error:  # a traceback is what is looked for
            failed[case.name] = f"{type(error).__name__}: {error}"
    assert not failed, "\n".join(f"{name}: {why[:300]}" for name, why in failed.items())
    assert any(status == 0 for status, _ in ends) or not ends


@pytest.mark.parametrize("group", PLANNED)
def test_an_entry_that_is_read_right_is_planned(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, case in enumerate(table.CASES):
        if case.group != group or isinstance(case.want, str) or case.wrong:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        if through(case, folder) == (0, 0):
            result = snakemake(
                folder / "run", "-n", "--cores", "1", "--configfile", "mine.yaml", check=False
            )
            assert "Traceback" not in result.stderr and result.returncode == 0, result.stderr
            assert "report" in result.stdout
            return
    pytest.fail("no entry passes init and check")


@pytest.mark.slow
@pytest.mark.parametrize("group", [group for group in GROUPS if group in TREES])
def test_every_tree_is_planned_by_snakemake_or_refused_in_one_line(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed: dict[str, str] = {}
    planned = 0
    for number, case in enumerate(table.CASES):
        if case.group != group or (case.listed and not (DATA / "layouts").exists()):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        status, checked = through(case, folder)
        if status:
            continue
        result = snakemake(
            folder / "run", "-n", "--cores", "1", "--configfile", "mine.yaml", check=False
        )
        planned += not result.returncode
        if "Traceback" in result.stderr:
            failed[case.name] = result.stderr[-600:]
        elif result.returncode and not checked:
            failed[case.name] = f"check passes, planning does not: {result.stderr[-600:]}"
        elif not result.returncode and "report" not in result.stdout:
            failed[case.name] = "nothing is planned"
    assert not failed, "\n".join(f"{name}: {why}" for name, why in failed.items())
    # raw examples and file lists hold empty images and tables: `check` refuses them
    assert planned >= 40 if group == TREES[0] else not planned
