"""A run that ends with status 0 holds results of the data that lie on the disk, and of no other."""

import json
import os
import shutil

import jobs_alone
import pytest
import yaml
from cases.fmri import TABLES, small_tables
from common import ROOT, only, snakemake
from test_rerun import planned

FAULTS = ROOT / "tests/chaos/faults"
TABLE = "input/sub-01_task-rest_timeseries.tsv"
DOWNSTREAM = {"fmri_connectome", "fmri_qc", "report"}


@pytest.fixture
def run(tables_run):
    """A copy of a finished run of region tables."""
    return tables_run


def start(folder, *targets, check=True):
    return snakemake(folder, *targets, "--configfile", "mine.yaml", "--cores", "1", check=check)


def change(path):
    path.write_text(path.read_text().replace(".", ".1", 1))


def edges(folder):
    import h5py

    with h5py.File(folder / "results/fmri/connectomes.h5") as file:
        return file["edges"][()].tobytes()


def killed(folder, rule, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("NEURO_FAULT", f"{rule}:kill:0")
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{FAULTS}")
        return start(folder, check=False)


def test_a_killed_job_is_not_forgotten(run, monkeypatch):
    before = edges(run)
    change(run / TABLE)
    assert killed(run, "fmri_connectome", monkeypatch).returncode == 1
    assert not (run / "results/fmri/connectomes.h5").exists()
    assert planned(run) == DOWNSTREAM
    start(run)
    assert edges(run) != before
    assert planned(run) == set()


@pytest.mark.parametrize(
    ("output", "rules"),
    [
        ("results/fmri/connectomes.h5", DOWNSTREAM),
        ("results/fmri/regions.tsv", {"fmri_table", *DOWNSTREAM}),
        ("results/fmri/table_qc.tsv", {"fmri_table", *DOWNSTREAM}),
        ("results/fmri/qc_fc.tsv", {"fmri_qc", "report"}),
        ("results/report/methods.md", {"report"}),
    ],
)
def test_every_kept_output_is_a_target(run, output, rules):
    (run / output).unlink()
    assert planned(run) == rules


ALTERED = [
    ("results/fmri/timeseries.h5", "truncated"),
    *(
        pytest.param(output, kind, marks=pytest.mark.slow)
        for output, kind in (
            ("results/report/methods.md", "changed"),
            ("results/fmri/timeseries.h5", "emptied"),
            ("results/fmri/timeseries.h5", "changed"),
            ("results/fmri/qc_fc.tsv", "truncated"),
            ("results/fmri/qc_fc.tsv", "emptied"),
            ("results/report/methods.md", "truncated"),
        )
    ),
]


@pytest.mark.parametrize(("output", "kind"), ALTERED)
def test_an_output_that_was_altered_stops_the_start(run, output, kind):
    path = run / output
    content = path.read_bytes()
    half = len(content) // 2
    new = {
        "truncated": content[:half],
        "emptied": b"",
        "changed": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
    }
    path.write_bytes(new[kind])
    for _ in range(2):
        result = start(run, check=False)
        assert result.returncode == 1
        line = next(line for line in result.stderr.split("\n") if output in line)
        assert "altered since" in line and f"delete {output} and start again" in line
        assert "Traceback" not in result.stderr
    path.unlink()
    start(run)
    assert path.stat().st_size
    assert planned(run) == set()


@pytest.mark.parametrize("lost", [False, True])
def test_a_sidecar_that_was_altered_or_lost_names_the_output_to_delete(run, lost):
    path = run / "results/fmri/connectomes.json"
    path.unlink() if lost else path.write_text("{}")
    result = start(run, check=False)
    assert result.returncode == 1
    state = "missing" if lost else "altered"
    line = f"results/fmri/connectomes.json: {state} since its job wrote it; "
    assert f"{line}delete results/fmri/connectomes.h5 and start again" in result.stderr
    (run / "results/fmri/connectomes.h5").unlink()
    assert planned(run) == DOWNSTREAM
    if lost:
        start(run)
        assert len(path.read_text()) > 100
        assert planned(run) == set()


def test_an_output_with_a_new_time_and_the_same_content_is_taken(run):
    for path in (run / "results").rglob("*"):
        if path.is_file():
            os.utime(path)
    assert planned(run) <= DOWNSTREAM | {"fmri_table", "fmri_index"}


def test_a_copy_of_the_whole_folder_runs_nothing(run, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(run, copy, copy_function=shutil.copy2)
    assert planned(copy) == set()


@pytest.mark.parametrize("hours", [-48, 0])
def test_an_input_with_other_content_is_noticed_whatever_its_time(run, hours):
    path = run / TABLE
    stat = path.stat()
    change(path)
    when = stat.st_mtime_ns + hours * 3_600_000_000_000
    os.utime(path, ns=(when, when))
    assert planned(run) == {"fmri_table", *DOWNSTREAM}


def test_participants_and_a_table_with_older_times_are_noticed(run):
    path = run / "input/participants.tsv"
    when = path.stat().st_mtime_ns - 10**15
    path.write_text(path.read_text().replace("\t9\t", "\t8\t"))
    os.utime(path, ns=(when, when))
    assert planned(run) >= {"fmri_index", "fmri_qc", "report"}
    change(run / TABLE)
    os.utime(run / TABLE, ns=(when, when))
    before = edges(run)
    start(run)
    assert "\t8\t" in (run / "results/participants.tsv").read_text()
    assert edges(run) != before
    assert planned(run) == set()


def nested(folder):
    """The study with its tables in BIDS folders, and a sidecar for each."""
    for path in sorted((folder / "input").glob("sub-*.tsv")):
        func = folder / "input" / path.name.split("_")[0] / "ses-1/func"
        func.mkdir(parents=True)
        moved = func / path.name.replace("_task", "_ses-1_task")
        path.rename(moved)
        moved.with_suffix(".json").write_text(json.dumps({"RepetitionTime": 2.0}))
    settings = only({**TABLES, "data": {"kind": "table", "root": "input"}})
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))


def test_a_corrected_sidecar_of_a_nested_table_is_noticed(tmp_path):
    small_tables(tmp_path / "input")
    nested(tmp_path)
    start(tmp_path, "results/fmri/timeseries.h5")
    assert planned(tmp_path, targets=["results/fmri/timeseries.h5"]) == set()
    for path in (tmp_path / "input").rglob("*.json"):
        stat = path.stat()
        with open(path, "r+") as stream:
            stream.write(json.dumps({"RepetitionTime": 3.0}))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    start(tmp_path, "results/fmri/timeseries.h5")
    assert "\t3\t" in (tmp_path / "results/fmri/runs.tsv").read_text()


def test_a_missing_output_never_ends_with_status_0(run, monkeypatch):
    """Even one that the list of targets forgets: what was planned is looked at in the end."""
    settings = yaml.safe_load((run / "mine.yaml").read_text())
    settings["report"] = {"title": "another"}
    (run / "mine.yaml").write_text(yaml.safe_dump(settings))
    with monkeypatch.context() as patch:
        patch.setenv("NEURO_FAULT", f"report:lose:{run / 'results/fmri/qc_fc.tsv'}")
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{FAULTS}")
        result = start(run, check=False)
    assert result.returncode == 1
    assert "results/fmri/qc_fc.tsv: missing although its job ended" in result.stderr
    assert "Traceback" not in result.stderr


def test_temporary_files_are_no_targets(tmp_path):
    """Else a second start of a finished study would make them, and what follows, again."""
    settings = jobs_alone.only({"data": {"kind": "none"}, "fmri": {"enabled": False}})
    settings |= {"adhd": {"enabled": False}, "ntf": {"enabled": True, "sources": ["simulated"]}}
    (tmp_path / "results/ntf/simulated").mkdir(parents=True)
    jobs = jobs_alone.plan(tmp_path, settings, ["all"], "")
    (wanted,) = [set(job.input) for job in jobs if job.rule == "all"]
    assert {"results/ntf/simulated/axes.npz", "results/ntf/simulated/null_0.npz"} <= wanted
    assert "results/ntf/simulated/tensor.npy" not in wanted
