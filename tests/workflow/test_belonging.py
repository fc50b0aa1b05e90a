"""Ways in which a finished run could pass for up to date and be of something else.

Each was tried on finished runs; what stands here was found, or is close to what was found.
"""

import json
import os
import shutil

import h5py
import jobs_alone
import pytest
import yaml
from cases.fmri import IMAGES, crop_cohort
from common import ROOT, only
from test_rerun import change, planned
from test_staleness import DOWNSTREAM, FAULTS, edges, killed, start

from neuro.base import beside, record
from neuro.run import notes, stamps


def large(path, first):
    """A file above the size up to which the whole content counts."""
    path.write_bytes(first + bytes(stamps.SMALL + 100))


def test_a_link_to_another_image_of_the_same_size_and_time_is_another_input(tmp_path):
    """Stores of data keep images under links; sizes are equal, times set to one date."""
    for name, first in (("a", b"one"), ("b", b"two")):
        large(tmp_path / name, first)
        os.utime(tmp_path / name, (10**9, 10**9))
    link = tmp_path / "bold.nii"
    found = []
    seen = stamps.Stamps()
    for name in ("a", "b", "a"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / name)
        found.append(seen.of(link))
    assert found[0] == found[2] != found[1]


def test_every_part_of_a_large_file_is_looked_at(tmp_path):
    path = tmp_path / "bold.nii"
    large(path, b"")
    size = path.stat().st_size
    before = stamps.Stamps().of(path)
    for place in (0, size // 15, size // 2, size - 1):
        content = bytearray(size)
        content[place] = 1
        path.write_bytes(content)
        os.utime(path, (10**9, 10**9))
        assert stamps.Stamps().of(path) != before, place


def test_results_without_snakemakes_notes_are_known_by_their_records(tables_run):
    shutil.rmtree(tables_run / ".snakemake")
    assert planned(tables_run) == set()
    change(tables_run, fmri={"connectome": "pearson"})
    assert planned(tables_run) == DOWNSTREAM


@pytest.mark.slow
def test_results_of_another_study_in_the_place_of_these(tables_run, tmp_path):
    """The notes say: made with these settings. They speak of what was there before."""
    other = tmp_path / "other"
    shutil.copytree(tables_run, other, copy_function=shutil.copy2)
    change(other, fmri={"connectome": "pearson"})
    start(other)
    shutil.rmtree(tables_run / "results")
    shutil.copytree(other / "results", tables_run / "results", copy_function=shutil.copy2)
    assert planned(tables_run) == DOWNSTREAM
    before = edges(tables_run)
    start(tables_run)
    assert edges(tables_run) != before
    assert planned(tables_run) == set()


@pytest.mark.slow
def test_settings_that_were_changed_and_changed_back_after_a_kill(tables_run, monkeypatch):
    before = edges(tables_run)
    change(tables_run, fmri={"connectome": "pearson"})
    assert killed(tables_run, "fmri_qc", monkeypatch).returncode == 1
    assert edges(tables_run) != before
    change(tables_run, fmri={"connectome": "fisher_z"})
    text = (tables_run / "mine.yaml").read_text()
    settings = yaml.safe_load(text)
    del settings["fmri"]["connectome"]
    (tables_run / "mine.yaml").write_text(yaml.safe_dump(settings))
    start(tables_run)
    assert edges(tables_run) == before
    assert planned(tables_run) == set()


def test_a_participant_who_withdrew_is_noticed(tables_run):
    path = tables_run / "input/participants.tsv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert planned(tables_run) >= {"fmri_index", "fmri_qc", "report"}


def remade(folder, name, log):
    """An output as a run leaves it that made it anew and was killed, by a clock set back."""
    path = folder / name
    when = path.stat().st_mtime_ns
    with h5py.File(path, "r+") as file:
        file.attrs["again"] = 1
    os.utime(path, ns=(when, when))
    place = folder / record.path_of(log)
    content = json.loads(place.read_text())
    row = next(row for row in content["Outputs"] if row["Name"] == name)
    row |= {"SHA256": record.provenance.content_checksum(path)}
    row |= {"Size": path.stat().st_size, "Time": when}
    place.write_text(json.dumps(record.sealed(content)))


def test_what_follows_runs_even_if_the_clock_was_set_back(tables_run):
    """The new series look older than the connectomes of the former ones."""
    remade(tables_run, "results/fmri/timeseries.h5", "results/logs/fmri/fmri_table.log")
    for _ in range(2):
        assert planned(tables_run) == DOWNSTREAM


def test_a_hand_that_keeps_the_size_is_seen_when_the_run_ends(tables_run, monkeypatch):
    """As long as the run goes on nothing has been remembered about its files."""
    monkeypatch.chdir(tables_run)
    record.SEEN.unlink()
    assert record.remember() == []
    record.SEEN.unlink()
    path = tables_run / "results/fmri/qc_fc.tsv"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    (line,) = record.remember()
    assert line.startswith("results/fmri/qc_fc.tsv: altered since its job wrote it; delete ")


BESIDE = {
    "people/participants.tsv": ("people/participants.json",),
    "sub-01/func/a_bold.nii.gz": ("sub-01/func/a_bold.json",),
    "func/a_desc-confounds_timeseries.tsv.gz": ("func/a_desc-confounds_timeseries.json",),
    "a_timeseries.ptseries.nii": ("a_timeseries.json",),
    "suite2p/plane0/F.npy": ("suite2p/plane0/iscell.npy", "suite2p/plane0/ops.npy"),
    "tpl-MNI_res-01_atlas-X_dseg.nii.gz": ("tpl-MNI_atlas-X_dseg.tsv",),
    "aal.nii": ("aal_LUT.txt", "aal.txt"),
    "w1.csv": ("w1.json",),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_readers_look_for_beside_a_file_counts_with_it(tmp_path, monkeypatch, name):
    """A rate in a sidecar, a unit of age, the name of a region: corrected, and nothing ran."""
    monkeypatch.chdir(tmp_path)
    for path in (name, *BESIDE[name]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    assert set(beside.beside(name)) == set(BESIDE[name])
    for path in BESIDE[name]:
        before = stamps.Stamps().of(name)
        (tmp_path / path).write_text("y")
        assert stamps.Stamps().of(name) != before


def test_the_unit_of_age_is_an_input(tables_run):
    """9 months are not 9 years; the sidecar of the participants says which they are."""
    path = tables_run / "input/participants.json"
    path.write_text(json.dumps({"age": {"Units": "months"}}))
    assert planned(tables_run) >= {"fmri_index", "fmri_qc", "report"}


@pytest.mark.slow
def test_every_file_that_a_job_opens_is_in_its_record(tmp_path, monkeypatch):
    """What is read and not recorded could change unseen: `neuro verify` looks at records."""
    folder = tmp_path / "run"
    crop_cohort(folder / "input", n_subjects=2)
    for path in folder.rglob("*confounds_timeseries.tsv"):
        path.with_suffix(".json").write_text("{}")
    (folder / "input/participants.json").write_text("{}")
    settings = only({**IMAGES, "adhd": {"enabled": False}})
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    trace = tmp_path / "trace.tsv"
    with monkeypatch.context() as patch:
        patch.setenv("NEURO_FAULT", f"*:trace:{trace}")
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{FAULTS}")
        start(folder)
    monkeypatch.chdir(folder)
    known = {}
    for path in record.records():
        job = record.read(path)
        files = known.setdefault(job.rule, set())
        files |= {file.name for file in (*job.inputs, *job.outputs)}
    opened = {tuple(line.split("\t")) for line in trace.read_text().splitlines()}
    opened = {(rule, name) for rule, name in opened if name.startswith("input/")}
    assert {rule for rule, _ in opened} >= {"fmri_index", "fmri_clean", "fmri_parcellate"}
    lost = {
        (rule, name) for rule, name in opened if os.path.isfile(name) and name not in known[rule]
    }
    assert lost == set()


def test_own_regions_of_the_graphs_are_an_input(tmp_path):
    """They were a name among the settings: another image under it was not noticed."""
    jobs_alone.fill("adhd_mask", tmp_path)
    own = tmp_path / "input/own.nii.gz"
    own.write_text("x")
    config = jobs_alone.case_settings("adhd_mask")
    config = jobs_alone.merged(config, {"adhd.mask.regions": "input/own.nii.gz"})
    found = []
    for text in ("x", "y"):
        own.write_text(text)
        targets = jobs_alone.stored_targets("adhd_mask")
        (job,) = jobs_alone.plan(tmp_path, config, targets, "adhd_mask")
        assert "input/own.nii.gz" in job.input
        found.append(job.params.inputs)
    assert found[0] != found[1]


def test_an_input_that_changed_after_its_job_read_it(tables_run, monkeypatch):
    """The next job may have read the other version: no status 0."""
    monkeypatch.chdir(tables_run)
    log = "results/logs/fmri/fmri_table.log"
    path = tables_run / "input/sub-01_task-rest_timeseries.tsv"
    os.utime(path)
    assert record.reread([log]) == []
    path.write_text(path.read_text().replace("1", "2", 1))
    (line,) = record.reread([log])
    assert line.startswith("input/sub-01_task-rest_timeseries.tsv: changed since fmri_table read")
    path.unlink()
    assert record.reread([log]) == []


def test_a_word_is_shared_by_results_and_notes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert notes.same()
    notes.renew()
    assert notes.same()
    before = [path.read_text() for path in notes.PLACES]
    notes.renew()
    assert notes.same() and before != [path.read_text() for path in notes.PLACES]
    notes.PLACES[1].unlink()
    assert not notes.same()
