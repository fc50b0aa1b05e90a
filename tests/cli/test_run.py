"""`neuro run`: settings, locks, exit codes; and the wheel outside any clone."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from neuro.command import cli, run
from neuro.command.parser import build_parser
from neuro.io.problems import InputProblem

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Six subjects with region tables, in a folder of which the test is outside."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "study" / "tables"
    folder.mkdir(parents=True)
    for number in range(1, 7):
        shared = rng.normal(size=(120, 1))
        series = pd.DataFrame(rng.normal(size=(120, 5)) + shared, columns=list("abcde"))
        series.to_csv(folder / f"sub-{number:02d}_timeseries.tsv", sep="\t", index=False)
        side = folder / f"sub-{number:02d}_timeseries.json"
        side.write_text('{"RepetitionTime": 2.0}')
    monkeypatch.chdir(tmp_path)
    return folder


def asked(*words):
    return build_parser().parse_args(["run", *map(str, words)])


def prepared(tmp_path, *words):
    work = run.work_folder(tmp_path / "out", None)
    return yaml.safe_load(run.prepare(asked(*words), work).read_text())


def test_the_command_line_chooses_people_and_stages(tables, tmp_path):
    words = ("--participant-label", "sub-01", "02", "--stages", "fmri")
    got = prepared(tmp_path, tables, "out", "participant", *words)
    assert got["data"]["root"] == str(tables)
    assert got["data"]["subjects"] == ["01", "02"]
    on = {name for name, section in got.items() if name != "data" and section.get("enabled")}
    assert on == {"fmri"}
    assert all(got[name]["enabled"] is False for name in ("adhd", "demovae", "ntf", "mds"))


def test_sessions_and_tasks_lose_their_prefix(tables, tmp_path):
    words = ("--session-id", "ses-a", "--task-id", "task-rest", "nback")
    got = prepared(tmp_path, tables, "out", "group", *words)
    assert got["data"]["sessions"] == ["a"] and got["data"]["tasks"] == ["rest", "nback"]


def test_settings_of_the_last_run_are_used_again(tables, tmp_path, capsys):
    prepared(tmp_path, tables, "out")
    path = tmp_path / "out/settings.yaml"
    path.write_text(path.read_text() + "execution:\n  seed: 7\n")
    got = prepared(tmp_path, tables, "out", "group", "--participant-label", "03")
    assert got["execution"]["seed"] == 7 and got["data"]["subjects"] == ["03"]
    assert "used again" in capsys.readouterr().out


def test_a_choice_of_one_run_does_not_rule_the_next(tables, tmp_path, capsys):
    """Else `group` after some participants would be about the last of them, and say nothing."""
    got = prepared(tmp_path, tables, "out", "participant", "--participant-label", "02")
    assert got["data"]["subjects"] == ["02"]
    again = prepared(tmp_path, tables, "out", "participant", "--resume")
    assert again == got and "choices of the last run" in capsys.readouterr().out
    everybody = prepared(tmp_path, tables, "out", "group")
    assert "subjects" not in everybody["data"]
    assert prepared(tmp_path, tables, "out", "group", "--resume") == everybody


def test_settings_of_another_input_are_refused(tables, tmp_path):
    """Else the results would be those of the study that was there before."""
    prepared(tmp_path, tables, "out")
    with pytest.raises(InputProblem, match=r"settings for .*tables, the command says .*other"):
        prepared(tmp_path, tmp_path / "other", "out")
    (tmp_path / "out/settings.yaml").unlink()
    (tmp_path / "other").symlink_to(tables)
    assert prepared(tmp_path, "other", "out")["data"]["root"] == str(tmp_path / "other")


def test_paths_of_own_settings_are_seen_from_where_the_command_was_given(tables, tmp_path):
    own = {"data": {"kind": "table", "root": "study/tables", "tr": 2.0}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    got = prepared(tmp_path, tables, "out", "group", "--config", "own.yaml")
    assert got["data"]["root"] == str(tables)
    with pytest.raises(InputProblem, match=r"own\.yaml: data\.root is .*tables, the command says"):
        prepared(tmp_path, tmp_path, "out", "group", "--config", "own.yaml")


def test_input_of_a_stage_alone_is_no_root_of_images(tables, tmp_path):
    """`data.root` beside `kind: none` is refused, so nothing could be run with --config."""
    own = {"data": {"kind": "none"}, "braindive": {"enabled": True, "images": "study/tables"}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    got = prepared(tmp_path, tables, "out", "group", "--config", "own.yaml")
    assert got["data"] == {"kind": "none"} and got["braindive"]["images"] == str(tables)


def test_names_and_patterns_that_are_no_paths_stay(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one.nwb").touch()
    given = {
        "fmri": {"atlas": "simulated"},
        "hmmglm": {"input": ["a/one.nwb"]},
        "ntf": {"recordings": {"files": ["a/one.nwb", "a/*.nwb", "none/*.nwb"]}},
    }
    got = run.anchored(given, tmp_path)
    assert got["fmri"]["atlas"] == "simulated"
    assert got["hmmglm"]["input"] == [f"{tmp_path}/a/one.nwb"]
    files = got["ntf"]["recordings"]["files"]
    assert files == [f"{tmp_path}/a/one.nwb", f"{tmp_path}/a/*.nwb", "none/*.nwb"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--resume",), r"out/settings\.yaml: no such file, so there is no run to resume"),
        (("--stages", "fmri", "adhd2"), "--stages: adhd2, expected some of fmri, adhd"),
    ],
)
def test_wishes_that_cannot_be_met(tables, tmp_path, words, line):
    with pytest.raises(InputProblem, match=line):
        prepared(tmp_path, tables, "out", "group", *words)


def test_without_an_output_the_command_line_is_wrong(tables, capsys):
    assert cli.main(["run", str(tables)]) == run.USAGE
    assert "give INPUT, OUTPUT" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(["run", str(tables), "out", "everyone"])
    assert end.value.code == run.USAGE


def test_input_that_is_nothing_known_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert cli.main(["run", "empty", "out"]) == run.PROBLEMS
    assert "1 problem(s)" in capsys.readouterr().err
    assert not (tmp_path / "out/settings.yaml").exists()


def test_a_work_folder_shows_the_results_of_its_output(tmp_path):
    work = run.work_folder(tmp_path / "out", tmp_path / "scratch")
    assert work == tmp_path / "scratch"
    (work / "results/x").write_text("1")
    assert (tmp_path / "out/results/x").read_text() == "1"
    assert run.work_folder(tmp_path / "out", tmp_path / "scratch") == work
    with pytest.raises(InputProblem, match="results of another output folder"):
        run.work_folder(tmp_path / "other", tmp_path / "scratch")
    (tmp_path / "file").touch()
    with pytest.raises(InputProblem, match="cannot be made"):
        run.work_folder(tmp_path / "file", None)


@pytest.fixture
def locked(tmp_path):
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    return tmp_path


def holder(folder, **fields):
    content = {"host": socket.gethostname(), "pid": os.getpid(), "started": "0"}
    (folder / ".snakemake/neuro_run.json").write_text(json.dumps(content | fields))


def test_the_lock_of_a_dead_process_is_removed(locked, capsys):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder(locked, pid=ended.pid)
    run.unlock(locked)
    assert not list((locked / ".snakemake/locks").iterdir())
    assert "unlocked" in capsys.readouterr().out


def test_a_process_that_got_the_number_later_is_another_one(locked):
    holder(locked)  # this very process, but with another start time
    run.unlock(locked)
    assert not list((locked / ".snakemake/locks").iterdir())


@pytest.mark.parametrize("who", ["alive", "elsewhere", "unknown"])
def test_a_lock_that_may_be_held_stays(locked, who):
    run._hold(locked, os.getpid())
    if who == "elsewhere":
        holder(locked, host="another-machine")
    elif who == "unknown":
        (locked / ".snakemake/neuro_run.json").unlink()
    with pytest.raises(InputProblem, match=r"in use by .*--unlock"):
        run.unlock(locked)
    assert list((locked / ".snakemake/locks").iterdir())


def started(tmp_path, code):
    command = [sys.executable, "-c", code, "--workflow-profile", "p", "--configfile", "c"]
    return run.start(command, tmp_path, tmp_path)


def test_exit_codes_tell_what_happened(tmp_path, capsys):
    assert started(tmp_path, "print('1 of 1 steps (100%) done')") == run.DONE
    fails = "print('Error in rule a:\\n    jobid: 1\\n    output: o\\n'); raise SystemExit(1)"
    assert started(tmp_path, fails) == run.FAILED
    assert len(list((tmp_path / "logs").glob("crash-*-a-1.txt"))) == 1
    assert "1 failed" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_snakemake_and_decides_the_status(tmp_path, number):
    code = (
        "import signal, time, sys\n"
        "def end(number, frame):\n"
        f"    open({str(tmp_path / 'told')!r}, 'w').write(str(number)); sys.exit(1)\n"
        "for n in (signal.SIGTERM, signal.SIGINT): signal.signal(n, end)\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').close()\n"
        "time.sleep(60)"
    )

    def strike():
        while not (tmp_path / "ready").exists():
            pass
        os.kill(os.getpid(), number)

    threading.Thread(target=strike).start()
    assert started(tmp_path, code) == 128 + number
    assert (tmp_path / "told").read_text() == str(int(number))


def test_stopping_at_the_first_failure_is_a_profile(tables, tmp_path):
    command = run.snakemake(Path("s"), tmp_path, asked(tables, "out", "--stop-on-first-crash"))
    profile = Path(command[command.index("--workflow-profile") + 1]) / "config.yaml"
    usual = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert usual.pop("keep-going") is True
    assert yaml.safe_load(profile.read_text()) == usual


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel, unpacked where no clone is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    copy = folder / "source"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    for name in filter(None, files.stdout.split("\0")):
        if not name.startswith(("tests/", "benchmarks/", "docs/")) and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*command, "-w", folder, copy], check=True, capture_output=True)
    (path,) = folder.glob("neuro_chain-*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def outside(wheel, folder, *words):
    """The command `neuro` of the wheel."""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    return subprocess.run(
        [sys.executable, "-m", "neuro.command", *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_the_wheel_holds_the_workflow_and_nothing_of_the_tests(wheel):
    inside = wheel / "neuro/workflow_files"
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "configs", "envs"):
        source = ROOT / name
        files = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        for file in files:
            if "__pycache__" not in file.parts:
                assert (inside / file.relative_to(ROOT)).read_bytes() == file.read_bytes()
    assert (wheel / "neuro/py.typed").exists()
    assert {path.name for path in wheel.iterdir()} == {
        "neuro",
        *(p.name for p in wheel.glob("*-info")),
    }


def test_the_wheel_plans_the_demo(wheel, tmp_path):
    result = outside(wheel, tmp_path, "demo", "d", "-n", "--cores", "2")
    assert result.returncode == 0, result.stderr
    assert "braindive_judge" in result.stdout
    assert str(ROOT) not in result.stdout + result.stderr


def test_the_wheel_runs_a_study_and_goes_on_where_it_ended(wheel, tables, tmp_path):
    words = ("run", tables, "out", "group", "--stages", "fmri", "--cores", "2")
    result = outside(wheel, tmp_path, *words, "--work-dir", "scratch")
    assert result.returncode == 0, result.stdout + result.stderr
    page = tmp_path / "scratch/results/report/index.html"
    assert f"report: {page}" in result.stdout and page.exists()
    done = [line for line in result.stdout.splitlines() if ": done in" in line]
    assert len(done) >= 4 and done[0].startswith("[1/")
    again = outside(wheel, tmp_path, *words, "--work-dir", "scratch", "--resume")
    assert again.returncode == 0 and "nothing to be done" in again.stdout
    shown = outside(wheel, tmp_path, "report", "--directory", "scratch")
    assert shown.returncode == 0
    headline = json.loads((tmp_path / "out/results/fmri/report.json").read_text())
    assert all(row["name"] in shown.stdout for row in headline)


def test_help_fits_a_screen_and_versions_are_told(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 24 and max(map(len, text.splitlines())) <= 100
    named = {line.split()[0] for line in text.splitlines() if line.startswith("  ")}
    commands = set(build_parser()._subparsers._group_actions[0].choices)
    assert commands <= named
    assert cli.main(["--version"]) == 0
    found = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert {"neuro", "snakemake", "numpy", "torch", "python"} <= set(found)


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command(shell, capsys):
    assert cli.main(["--print-completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("participant-label", "explain", "status"))
