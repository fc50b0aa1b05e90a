"""Series on surfaces through all jobs of the stage fmri: planted regions come back."""

import json

import jobs_alone
import numpy as np
import pandas as pd
import pytest
import surfaces
from test_bids_validator import finish, issues

from neuro.io.images import grayordinates as gray
from neuro.io.regions.cifti import read_parcels
from neuro.io.regions.connectomes import read_connectomes

FEW = {"min_seconds": 60, "strategy": "24P"}
"""Short runs keep enough degrees of freedom."""


def settings(folder, gifti=False, meshes=True, **fmri):
    surfaces.fmriprep(folder / "prep", gifti=gifti)
    sides = {"left": "L", "right": "R"}
    paths = {side: f"prep/hemi-{letter}_midthickness.surf.gii" for side, letter in sides.items()}
    chosen = {"atlas": "prep/atlas.dlabel.nii", **FEW, **fmri}
    if meshes:
        chosen["surfaces"] = paths
    return {
        "data": {"kind": "fmriprep", "root": "prep"},
        "fmri": chosen,
        "adhd": {"enabled": False},
    }


@pytest.fixture(scope="module", params=["CIFTI", "GIFTI"])
def study(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    finish(folder, settings(folder, gifti=request.param == "GIFTI"))
    return folder


def one(folder, pattern, label="01"):
    (path,) = folder.glob(f"results/fmri/sub-{label}/func/sub-{label}_task-rest_{pattern}")
    return path


def test_cleaned_series_keep_their_grayordinates(study):
    image = gray.load_series(one(study, "desc-denoised_bold.dtseries.nii"))
    raw = next(study.glob("prep/sub-01/func/*bold.dtseries.nii"), None)
    raw = raw or next(study.glob("prep/sub-01/func/*hemi-L*bold.func.gii"))
    given = gray.load_series(raw)
    gray.check_same(given.axis, image.axis)
    side = json.loads(one(study, "desc-denoised_bold.json").read_text())
    assert image.n_volumes == len(side["VolumesKept"]) and image.tr == given.tr == 2.0
    # the region's mean stays what it is, cleaned as a series of its own
    assert np.abs(image.read().mean(axis=0)).max() < 1.0
    smoothed = gray.load_series(one(study, "desc-denoisedSmoothed_bold.dtseries.nii")).read()
    assert smoothed.shape == image.read().shape and not np.array_equal(smoothed, image.read())


def test_region_series_are_means_and_the_same_in_both_files(study):
    table = pd.read_csv(one(study, "atlas-atlas_stat-mean_timeseries.tsv"), sep="\t")
    values, names, tr = read_parcels(one(study, "atlas-atlas_stat-mean_timeseries.ptseries.nii"))
    assert list(table.columns) == names == [f"area{number}" for number in range(1, 5)]
    assert tr == 2.0 and np.allclose(table.to_numpy(), values, rtol=1e-6)
    cleaned = gray.load_series(one(study, "desc-denoised_bold.dtseries.nii"))
    gray_axis = surfaces.axis(wall=0, n_voxels=0) if "GIFTI" in str(study) else surfaces.axis()
    labels = surfaces.dlabel(study / "again.dlabel.nii", gray_axis)
    for number in range(1, 5):
        wanted = cleaned.read()[:, labels == number].mean(axis=1)
        assert np.allclose(table[f"area{number}"], wanted, atol=1e-4)


def test_the_cohort_has_connectomes_and_a_valid_data_set(study):
    group = read_connectomes(study / "results/fmri/connectomes.h5")
    assert group.edges.shape == (2, 6) and np.isfinite(group.edges).all()
    # planted regions are independent of each other
    assert np.abs(group.edges).mean() < 0.3
    assert issues(study / "results/fmri") == []
    places = pd.read_csv(study / "results/fmri/regions.tsv", sep="\t")
    assert np.isfinite(places[["x", "y", "z"]].to_numpy()).all()


def test_without_meshes_cortex_is_not_smoothed_and_this_is_said(tmp_path):
    finish(tmp_path, settings(tmp_path, meshes=False))
    side = json.loads(one(tmp_path, "desc-denoisedSmoothed_bold.json").read_text())
    assert any("not smoothed: no mesh is known" in note for note in side["Notes"])
    plain, smoothed = (
        gray.load_series(one(tmp_path, f"desc-{name}_bold.dtseries.nii"))
        for name in ("denoised", "denoisedSmoothed")
    )
    cortex = plain.axis.surface_mask
    assert np.array_equal(plain.read()[:, cortex], smoothed.read()[:, cortex])
    assert not np.array_equal(plain.read()[:, ~cortex], smoothed.read()[:, ~cortex])
    places = pd.read_csv(tmp_path / "results/fmri/regions.tsv", sep="\t", na_values="n/a")
    assert places[["x", "y", "z"]].isna().all().all()


def test_series_that_xcpd_denoised_are_taken_as_they_are(tmp_path):
    config = settings(tmp_path, smooth_mm=0)
    for path in list(tmp_path.glob("prep/sub-*/func/*_bold.*")):
        path.rename(path.with_name(path.name.replace("91k_bold", "91k_desc-denoised_bold")))
    config["data"] |= {"kind": "xcpd", "space": "fsLR"}
    del config["fmri"]["strategy"]
    finish(tmp_path, config)
    given = gray.load_series(next(tmp_path.glob("prep/sub-01/func/*.dtseries.nii")))
    found = gray.load_series(one(tmp_path, "desc-denoised_bold.dtseries.nii"))
    assert np.array_equal(given.read(), found.read())
    labels = surfaces.dlabel(tmp_path / "again.dlabel.nii", surfaces.axis())
    table = pd.read_csv(one(tmp_path, "atlas-atlas_stat-mean_timeseries.tsv"), sep="\t")
    wanted = given.read()[:, labels == 2].mean(axis=1)
    assert np.allclose(table["area2"], wanted, rtol=1e-5)


def test_a_damaged_series_is_left_out_on_request(tmp_path):
    config = settings(tmp_path)
    path = next(tmp_path.glob("prep/sub-02/func/*.dtseries.nii"))
    path.write_bytes(path.read_bytes()[:-5000])
    config["execution"] = {"skip_bad_subjects": True}
    finish(tmp_path, config)
    table = pd.read_csv(tmp_path / "results/fmri/published.tsv", sep="\t").set_index("run_key")
    assert "cut off" in table.loc["sub-02_task-rest", "reason"]
    assert not list(tmp_path.glob("results/fmri/sub-02/func/*.nii"))
    assert issues(tmp_path / "results/fmri") == []


@pytest.mark.parametrize(
    ("fmri", "words"),
    [
        ({"atlas": "power264"}, "'power264' is in the volume, the series are on surfaces"),
        ({"surfaces": {"left": "no.surf.gii", "right": None}}, "no such file: no.surf.gii"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, fmri, words):
    config = settings(tmp_path, **{"meshes": False, **fmri})
    with pytest.raises(jobs_alone.Refused, match=words):
        finish(tmp_path, config)
