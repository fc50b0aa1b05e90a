"""From `neuro init` to the report with the commands of the README, on sessions and runs."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import nibabel
import numpy as np
import pandas as pd
import pytest
from common import ROOT, report_text, snakemake
from test_bids_validator import issues

from neuro.io.regions.connectomes import read_connectomes

pytestmark = pytest.mark.slow


def neuro(folder, *arguments):
    """Run the command `neuro` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "neuro.command", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Four subjects, two sessions, two runs, from nothing to the report."""
    folder = tmp_path_factory.mktemp("study")
    datasets.fmriprep(folder / "derivatives")
    found = neuro(folder, "init", "--bids", "derivatives", "-o", "mine.yaml")
    assert found.returncode == 0, found.stderr
    checked = neuro(folder, "check", "--config", "mine.yaml")
    assert checked.returncode == 0, checked.stderr
    result = snakemake(folder, "--cores", "2", "--configfile", "mine.yaml")
    return folder, result.stderr + result.stdout


def test_the_readme_says_these_commands():
    readme = (ROOT / "README.md").read_text()
    for command in ("neuro check --config mine.yaml", "--configfile mine.yaml"):
        assert command in readme


def test_every_run_is_in_the_results(done):
    folder, text = done
    assert "Traceback" not in text
    assert "fmri.strategy: auto is 36P" in text
    runs = pd.read_csv(folder / "results/fmri/runs.tsv", sep="\t", dtype=str)
    keys = [
        f"sub-{subject}_ses-{session}_task-rest_run-{run}"
        for subject in ("01", "02", "03", "04")
        for session in "12"
        for run in "12"
    ]
    assert runs["run_key"].tolist() == keys
    for key in keys:
        subject, session = key.split("_")[:2]
        base = folder / "results/fmri" / subject / session / "func" / key
        image = nibabel.load(f"{base}_desc-denoised_bold.nii.gz")
        side = json.loads(Path(f"{base}_desc-denoised_bold.json").read_text())
        assert image.shape[3] == len(side["VolumesKept"])
        assert side["Space"] == "MNI152NLin2009aSym"
        assert side["Parameters"]["strategy"] == "36P"
        assert image.get_data_dtype() == np.float32
        assert Path(f"{base}_outliers.tsv").exists()
    group = read_connectomes(folder / "results/fmri/connectomes.h5")
    assert group.run_key == keys
    assert group.edges.shape == (16, 264 * 263 // 2)
    assert np.isfinite(group.edges).any(axis=1).all()


def test_the_group_table_has_site_coverage_and_motion(done):
    qc = pd.read_csv(done[0] / "results/fmri/group_qc.tsv", sep="\t", na_values="n/a")
    assert len(qc) == 16 and set(qc["status"]) == {"used"}
    assert set(qc["site"]) == {"alpha", "beta"}
    for column in ("mean_fd", "dof_left", "median_tsnr", "min_coverage", "in_band_power"):
        assert qc[column].notna().all(), column
    assert (qc["dof_left"] > 10).all()
    # what is left after a Butterworth filter of order 2 lies mostly in the band
    assert (qc["in_band_power"] > 0.8).all()


def test_planted_networks_are_seen_in_the_connectomes(done):
    group = read_connectomes(done[0] / "results/fmri/connectomes.h5")
    regions = pd.read_csv(done[0] / "results/fmri/regions.tsv", sep="\t", na_values="n/a")
    known = np.isfinite(group.edges).all(axis=0)
    assert known.sum() > 1000
    apart = np.linalg.norm(
        regions[["x", "y", "z"]].to_numpy()[group.index[:, 0]]
        - regions[["x", "y", "z"]].to_numpy()[group.index[:, 1]],
        axis=1,
    )
    mean = group.edges[:, known].mean(axis=0)
    # neighbours lie in one planted parcel, far regions mostly do not
    assert mean[apart[known] < 20].mean() > mean[apart[known] > 60].mean() + 0.1


def test_the_report_shows_the_runs_and_names_no_path(done):
    page = report_text(done[0])
    assert "sub-04_ses-2_task-rest_run-2" in page
    assert str(done[0]) not in page
    assert "strategy 36P" in (done[0] / "results/report/methods.md").read_text()
    assert "native space" not in page


def test_results_are_a_bids_derivative_that_names_its_sources(done):
    folder = done[0]
    top = folder / "results/fmri"
    side = json.loads((top / "dataset_description.json").read_text())
    assert side["DatasetType"] == "derivative" and side["Name"] and side["HowToAcknowledge"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", side["BIDSVersion"])
    assert side["SourceDatasets"] == [{"URL": "derivatives"}]
    (made,) = side["GeneratedBy"]
    assert made["Name"] == "neuro" and set(made) == {
        "Name",
        "Version",
        "CodeURL",
        "ConfigurationHash",
    }
    assert re.fullmatch(r"[0-9a-f]{16}", made["ConfigurationHash"])
    assert (top / ".bidsignore").exists()
    assert issues(top) == []
    here = {path.name: path for path in (folder / "derivatives").rglob("*") if path.is_file()}
    images = sorted(top.glob("sub-*/ses-*/func/*_desc-denoised_bold.nii.gz"))
    assert len(images) == 16
    for image in images:
        text = image.with_name(image.name.replace(".nii.gz", ".json")).read_text()
        assert str(folder) not in text
        side = json.loads(text)
        assert {"Parameters", "Versions", "GeneratedBy", "RepetitionTime"} <= set(side)
        assert len(side["Inputs"]) == 3
        for source in side["Inputs"]:
            content = (folder / source["Name"]).read_bytes()
            assert here[Path(source["Name"]).name].read_bytes() == content
            assert source["SHA256"] == hashlib.sha256(content).hexdigest()
            assert source["Size"] == len(content)
    # every series and table of the stage says how it was made
    for path in [*top.glob("sub-*/ses-*/func/*_timeseries.tsv"), top / "group_qc.tsv"]:
        assert path.with_suffix(".json").exists(), path.name


def test_the_record_knows_every_published_file(done):
    from neuro.base import record

    job = record.read(done[0] / "results/provenance/jobs/fmri/fmri_publish.json")
    known = {file.name: file.of for file in job.outputs}
    top = done[0] / "results/fmri"
    shown = {path.relative_to(done[0]).as_posix() for path in top.glob("sub-*/**/*.*")}
    assert shown and shown <= set(known)
    assert {known[name] for name in shown} == {"results/fmri/published.tsv"}


def planned(folder):
    result = snakemake(folder, "-n", "--cores", "1", "--configfile", "mine.yaml")
    table = result.stdout.split("job", 1)[1] if "count" in result.stdout else ""
    return dict(re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE))


def test_a_second_run_does_nothing_and_a_new_session_runs_alone(done):
    folder = done[0]
    assert planned(folder) == {}
    old = folder / "derivatives/sub-01/ses-2/func"
    new = folder / "derivatives/sub-01/ses-3/func"
    new.mkdir(parents=True)
    try:
        for path in old.iterdir():
            if "run-1" in path.name:
                (new / path.name.replace("ses-2", "ses-3")).write_bytes(path.read_bytes())
        counts = planned(folder)
        assert (counts["fmri_clean"], counts["fmri_parcellate"]) == ("1", "1")
    finally:
        shutil.rmtree(new.parent)


def test_changed_content_of_one_run_runs_its_jobs_and_the_group(done):
    folder = done[0]
    (path,) = (folder / "derivatives/sub-02/ses-1/func").glob("*run-1*confounds*.tsv")
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b"0.1", b"0.2", 1))
        assert path.read_bytes() != before
        counts = planned(folder)
        for rule in ("fmri_clean", "fmri_parcellate", "fmri_series", "fmri_connectome", "fmri_qc"):
            assert counts[rule] == "1", rule
    finally:
        path.write_bytes(before)
    assert planned(folder) == {}
