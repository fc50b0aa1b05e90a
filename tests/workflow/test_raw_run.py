"""Raw BIDS end to end on planted motion, and what a changed threshold runs again."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from common import only, report_text, snakemake

from neuro.io.regions.connectomes import read_connectomes
from neuro.simulate.raw import pose, write_raw

pytestmark = pytest.mark.slow
SETTINGS = {
    "data": {"kind": "auto", "root": "raw"},
    "fmri": {"atlas": "raw/atlas.nii.gz"},
    "adhd": {"enabled": False},
}


def write_settings(folder, **fmri):
    settings = {**SETTINGS, "fmri": SETTINGS["fmri"] | fmri}
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(settings)))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two subjects at 8 mm, 280 s; the second one does not say when its slices were acquired."""
    folder = tmp_path_factory.mktemp("study")
    write_raw(folder / "raw", n_subjects=2, n_volumes=140)
    side = {"SliceTiming": None}
    path = folder / "raw/sub-02/func/sub-02_task-rest_bold.json"
    path.write_text(json.dumps(side))
    write_settings(folder)
    result = snakemake(folder, "--cores", "2", "--configfile", "mine.yaml")
    return folder, result.stderr + result.stdout


def base(folder, label):
    return f"{folder}/results/fmri/sub-{label}/func/sub-{label}_task-rest"


def test_planted_motion_comes_back_from_the_files(done):
    folder, text = done
    assert "data.kind: auto is bids" in text
    assert "fmri.strategy: auto is 24P (raw BIDS has no tissue signals)" in text
    truth = json.loads((folder / "raw/truth.json").read_text())
    corners = np.array([[x, y, z, 1] for x in (-60, 60) for y in (-80, 60) for z in (-40, 60)])
    for label in ("01", "02"):
        table = pd.read_csv(
            f"{base(folder, label)}_desc-motion_timeseries.tsv", sep="\t", na_values="n/a"
        )
        with open(f"{base(folder, label)}_desc-motion_timeseries.json") as stream:
            centre = json.load(stream)["CenterOfRotation"]
        planted = np.array(truth["motion"][f"sub-{label}_task-rest"])
        errors = []
        for wanted, found in zip(planted, table.iloc[:, :6].to_numpy(float)):
            step = pose(wanted, truth["center_mm"]) - pose(found, centre)
            errors.append(np.linalg.norm((corners @ step.T)[:, :3], axis=1).mean())
        assert np.mean(errors) < 0.2, label
        assert table["realign_failed"].sum() == 0


def test_sidecars_and_report_say_native_and_slice_timing(done):
    folder = done[0]
    for label, corrected in (("01", True), ("02", False)):
        with open(f"{base(folder, label)}_desc-preproc_bold.json") as stream:
            side = json.load(stream)
        assert side["Space"] == "native" and side["SliceTimingCorrected"] is corrected
        with open(f"{base(folder, label)}_desc-denoised_bold.json") as stream:
            side = json.load(stream)
        assert side["Space"] == "native" and side["Parameters"]["strategy"] == "24P"
    page = report_text(folder)
    assert "no normalisation was applied" in page
    assert "Slice timing was corrected in 1 of 2 runs" in page
    methods = (folder / "results/report/methods.md").read_text()
    assert "realigned rigidly to their first volume" in methods


def test_the_slice_timed_image_was_temporary_and_the_realigned_one_stays(done):
    func = done[0] / "results/work/fmri/sub-01/func"
    assert not list(func.glob("*_desc-slicetimed_bold.nii.gz"))
    assert list(func.glob("*_desc-slicetimed_bold.json"))
    assert list(func.glob("*_desc-preproc_bold.nii.gz"))


def test_cleaning_brings_runs_closer_to_the_planted_networks(done):
    """Region pairs that share a planted network correlate more than others."""
    folder = done[0]
    group = read_connectomes(folder / "results/fmri/connectomes.h5")
    assert group.run_key == ["sub-01_task-rest", "sub-02_task-rest"]
    from neuro.simulate.template import load_template, parcels

    network = [row["network"] for row in parcels(load_template(8), 30)[1]]
    same = np.array([network[i] == network[j] for i, j in group.index])
    edges = group.edges.mean(axis=0)
    assert edges[same].mean() > edges[~same].mean() + 0.05


def planned(folder):
    result = snakemake(folder, "-n", "--cores", "1", "--configfile", "mine.yaml")
    table = result.stdout.split("job", 1)[1] if "count" in result.stdout else ""
    return set(re.findall(r"^(\w+)\s+\d+$", table, re.MULTILINE)) - {"all", "total"}


def test_a_changed_threshold_runs_cleaning_and_below_but_not_realignment(done):
    folder = done[0]
    assert planned(folder) == set()
    below = {"fmri_clean", "fmri_parcellate", "fmri_series", "fmri_connectome", "fmri_publish"}
    below |= {"fmri_qc", "report"}
    write_settings(folder, fd_mm=0.3)
    assert planned(folder) == below
    write_settings(folder, realign={"reference": "mean"})
    assert planned(folder) == below | {"fmri_realign", "fmri_slicetime"}
    write_settings(folder)
    assert planned(folder) == set()


def test_with_an_affine_template_coordinates_serve(done, tmp_path):
    settings = {
        "data": {"kind": "bids", "root": f"{done[0]}/raw"},
        "fmri": {"normalise": {"affine": f"{done[0]}/raw/xfm/sub-{{participant_id}}.txt"}},
        "adhd": {"enabled": False},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(only(settings)))
    name = "sub-01_task-rest_atlas-power264_stat-mean_timeseries"
    target = f"results/work/fmri/sub-01/func/{name}.tsv"
    snakemake(tmp_path, target, "--cores", "1", "--configfile", "mine.yaml")
    table = pd.read_csv(tmp_path / target, sep="\t", na_values="n/a")
    assert table.shape[1] == 264
    # the raw brain was placed where the template's is: most regions are covered
    assert table.notna().all().mean() > 0.8
    with open(f"{tmp_path}/{target.partition('_atlas')[0]}_desc-denoised_bold.json") as stream:
        assert json.load(stream)["Space"] == "template, by the affine of the user"
