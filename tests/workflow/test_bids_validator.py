"""What the stage fmri publishes is a valid BIDS derivative, by the official validator.

The validator is `bids-validator-deno` (extra `dev`); its schema comes with it, nothing is
downloaded.
"""

import json
import shutil
import subprocess
from pathlib import Path

import datasets
import jobs_alone
import pandas as pd
import pytest
from cases.fmri import RAW, raw_run

ORDER = (
    *("fmri_index", "fmri_slicetime", "fmri_realign", "fmri_clean", "fmri_parcellate"),
    *("fmri_series", "fmri_connectome", "fmri_maps", "fmri_maps_group"),
    *("fmri_compare_run", "fmri_compare", "fmri_publish", "fmri_qc"),
)


def finish(folder, config):
    """All jobs of the stage, each as its script does it."""
    jobs = jobs_alone.plan(folder, jobs_alone.only(config), ["results/fmri/report.json"])
    jobs = [job for job in jobs if job.rule.startswith("fmri_")]
    assert {job.rule for job in jobs} <= set(ORDER)
    for job in sorted(jobs, key=lambda job: ORDER.index(job.rule)):
        jobs_alone.run(job, folder)


def issues(folder):
    """What the validator says, as (severity, code, key, place)."""
    program = shutil.which("bids-validator-deno")
    if program is None:
        pytest.skip("bids-validator-deno is not installed (extra dev)")
    result = subprocess.run(
        [program, str(folder), "--format", "json"], capture_output=True, text=True, timeout=120
    )
    found = json.loads(result.stdout)["issues"]["issues"]
    return [
        (item["severity"], item["code"], item.get("subCode"), item.get("location"))
        for item in found
    ]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two subjects of fMRIPrep; the second one moved all the time and is left out."""
    folder = tmp_path_factory.mktemp("images")
    datasets.tiny(folder / "prep")
    path = datasets.file_of(folder / "prep", "02", "confounds_timeseries.tsv")
    table = pd.read_csv(path, sep="\t")
    table["trans_x"] += [3.0 * (row % 2) for row in range(len(table))]
    table.to_csv(path, sep="\t", index=False)
    fmri = {"atlas": "prep/atlas.nii.gz", "maps": ["alff", "reho"], "compare": ["none", "6P"]}
    finish(folder, {"data": {"kind": "fmriprep", "root": "prep"}, "fmri": fmri})
    return folder


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    raw_run(folder / "input")
    few = {"min_seconds": 0, "strategy": "none", "filter": "none", "scrub": False}
    finish(folder, {**RAW, "fmri": {**RAW["fmri"], **few}})
    return folder


@pytest.mark.parametrize("study", ["images", "raw"])
def test_the_validator_finds_nothing(study, request):
    folder = request.getfixturevalue(study)
    assert issues(folder / "results/fmri") == []


def test_a_run_that_was_left_out_leaves_a_row_and_no_image(images):
    top = images / "results/fmri"
    assert all(path.stat().st_size for path in top.rglob("*") if path.is_file())
    assert list(top.glob("sub-01/func/*_desc-denoised_bold.nii.gz"))
    assert not list(top.glob("sub-02/func/*.nii.gz"))
    assert list(top.glob("sub-02/func/*_desc-qc.tsv"))
    table = pd.read_csv(top / "published.tsv", sep="\t", na_values="n/a").set_index("run_key")
    assert pd.isna(table.loc["sub-01_task-rest", "reason"])
    assert table.loc["sub-01_task-rest", "n_left_out"] == 0
    assert "no volume left after censoring" in table.loc["sub-02_task-rest", "reason"]
    assert "desc-denoised_bold.nii.gz" in table.loc["sub-02_task-rest", "left_out"]


def test_sources_lie_where_the_description_says(images):
    top = images / "results/fmri"
    links = json.loads((top / "dataset_description.json").read_text())["DatasetLinks"]
    places = {"": top, "study": top / links["study"], "input": images / links["input"]}
    checked = set()
    for path in top.glob("sub-01/func/*.json"):
        for uri in json.loads(path.read_text())["Sources"]:
            word, name, inside = uri.split(":", 2)
            assert word == "bids" and (places[name] / inside).is_file(), (path.name, uri)
            checked.add(name)
    assert checked == {"", "study"}


def test_what_is_published_is_what_the_jobs_left_and_no_more(images):
    top, work = images / "results/fmri", images / "results/work/fmri"
    shown = {path.relative_to(top): path for path in top.glob("sub-*/**/*.*")}
    left = {
        path.relative_to(work): path for path in work.glob("sub-*/**/*.*") if path.stat().st_size
    }
    assert set(shown) == set(left)
    assert all(shown[name].read_bytes() == left[name].read_bytes() for name in shown)


def test_what_stood_there_before_is_gone(tmp_path):
    from neuro.io.bids.publish import publish

    work, top = tmp_path / "work", tmp_path / "top"
    for name, content in (("sub-1/func/a.tsv", "x"), ("sub-2/func/b.tsv", "")):
        (work / name).parent.mkdir(parents=True)
        (work / name).write_text(content)
    (work / "sub-1/func/a.json").write_text("{}")
    (top / "sub-9/func").mkdir(parents=True)
    (top / "group.tsv").write_text("kept")
    names = ["sub-1/func/a.tsv", "sub-2/func/b.tsv"]
    for _ in range(2):  # the second time over the first
        found = publish([work / name for name in names], work, top)
    assert {path.relative_to(top).as_posix() for path in found} == {
        "sub-1/func/a.tsv",
        "sub-1/func/a.json",
    }
    assert sorted(path.name for path in top.iterdir()) == ["group.tsv", "sub-1"]


def test_without_links_a_copy_serves(tmp_path, monkeypatch):
    import os

    from neuro.io.bids import publish

    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("x")
    publish.link(tmp_path / "a", tmp_path / "b")
    assert Path(tmp_path / "b").read_text() == "x"
