"""Real images from the files to the report: a raw EPI run, and the Haxby runs with their motion."""

import json
import os
import re
import tarfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from common import ROOT, only, report_text, snakemake
from scipy import ndimage

from neuro.fmri.raw.rigid import rigid_matrix
from neuro.io.regions.connectomes import read_connectomes

DATA = Path(os.environ.get("NEURO_TEST_DATA", ROOT / "../shared/data")).resolve()
EPI = DATA / "bold" / "oro_filtered_func.nii.gz"
HAXBY = DATA / "bold" / "haxby_runs1-8.tar.gz"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not EPI.exists(), reason=f"no folder bold in {DATA}"),
]
ZOOMS = [3.75, 3.75, 6.0]


def ready(name, **sections):
    """Settings of `configs/`, with the places of the data filled in."""
    config = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    for section, keys in sections.items():
        config.setdefault(section, {}).update(keys)
    return config


def run(folder, config):
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(config)))
    result = snakemake(folder, "--configfile", "mine.yaml", "--cores", "2", timeout=900)
    assert "Traceback" not in result.stderr
    return result.stderr + result.stdout


def octants(shape, inside):
    """A label per octant of a box, inside a mask."""
    half = [np.arange(n) >= n // 2 for n in shape]
    labels = 1 + 4 * half[0][:, None, None] + 2 * half[1][None, :, None] + half[2][None, None]
    return (labels * inside).astype(np.int16)


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """The real EPI run as one subject, and the same run with planted head motion as another."""
    folder = tmp_path_factory.mktemp("raw")
    source = nib.load(EPI)
    data = np.asarray(source.dataobj, dtype=np.float32)
    affine = np.diag([*ZOOMS, 1.0])
    affine[:3, 3] = -(np.array(data.shape[:3]) - 1) / 2 * ZOOMS
    rng = np.random.default_rng(0)
    sway = np.cumsum(rng.normal(0, 1, (data.shape[3], 6)), axis=0) * [*[0.06] * 3, *[8e-4] * 3]
    sway -= sway[0]
    turned = np.empty_like(data)
    for t, params in enumerate(sway):
        step = np.linalg.inv(affine) @ np.linalg.inv(rigid_matrix(params, np.zeros(3))) @ affine
        turned[..., t] = ndimage.affine_transform(
            data[..., t], step[:3, :3], step[:3, 3], order=3, mode="nearest"
        )
    for label, volumes in (("still", data), ("moved", turned)):
        func = folder / f"raw/sub-{label}/func"
        func.mkdir(parents=True)
        # the header stays what it is: no voxel size, no interval, no affine
        image = nib.Nifti1Image(np.round(volumes).astype(np.int16), source.affine, source.header)
        nib.save(image, func / f"sub-{label}_task-rest_bold.nii.gz")
    (folder / "raw/dataset_description.json").write_text(
        json.dumps({"Name": "EPI", "BIDSVersion": "1.9.0"})
    )
    mean = data.mean(axis=3)
    labels = octants(mean.shape, mean > 0.4 * np.percentile(mean, 98))
    nib.save(nib.Nifti1Image(labels, affine), folder / "labels.nii.gz")
    config = ready(
        "raw_bids",
        data={"root": "raw", "voxel_size": ZOOMS, "tr": 3.0},
        fmri={"atlas": "labels.nii.gz", "min_seconds": 120, "strategy": "6P"},
    )
    return folder, run(folder, config), sway


def table(folder, label):
    name = f"results/work/fmri/sub-{label}/func/sub-{label}_task-rest_desc-motion_timeseries"
    with open(folder / f"{name}.json") as stream:
        side = json.load(stream)
    return pd.read_csv(folder / f"{name}.tsv", sep="\t", na_values="n/a"), side


def test_motion_planted_in_a_real_run_is_found_by_the_workflow(moved):
    folder, _, sway = moved
    still, _ = table(folder, "still")
    found, side = table(folder, "moved")
    assert still["realign_failed"].sum() == found["realign_failed"].sum() == 0
    centre = np.array(side["CenterOfRotation"])
    own_centre = np.array(table(folder, "still")[1]["CenterOfRotation"])
    corners = np.array([[x, y, z, 1] for x in (-60, 60) for y in (-70, 70) for z in (-40, 40)])
    errors = []
    for t in range(len(sway)):
        # what was there already comes on top of what was planted
        own = rigid_matrix(still.iloc[t, :6].to_numpy(float), own_centre)
        whole = rigid_matrix(sway[t], np.zeros(3)) @ own
        guess = rigid_matrix(found.iloc[t, :6].to_numpy(float), centre)
        errors.append(np.linalg.norm(((whole - guess) @ corners.T)[:3], axis=0).mean())
    assert np.mean(errors) < 0.06
    assert np.max(errors) < 0.15


def test_a_real_raw_run_reaches_the_report(moved):
    folder = moved[0]
    qc = pd.read_csv(folder / "results/fmri/group_qc.tsv", sep="\t", na_values="n/a")
    qc = qc.set_index("participant_id")
    assert set(qc["status"]) == {"used"}
    assert (qc["n_volumes"] == 64).all()
    # published as motion corrected: only the planted motion moves a head here
    assert 0.05 < qc.loc["still", "mean_fd"] < 0.10
    assert qc.loc["moved", "mean_fd"] > 1.5 * qc.loc["still", "mean_fd"]
    assert qc["median_tsnr"].between(20, 500).all()
    edges = read_connectomes(folder / "results/fmri/connectomes.h5").edges
    assert edges.shape == (2, 28) and np.isfinite(edges).all()
    page = report_text(folder)
    assert "no normalisation was applied" in page
    assert "Slice timing was corrected in 0 of 2 runs" in page


def test_haxby_runs_with_their_motion_reach_the_report(tmp_path):
    """Kind `nifti`: masks, and six bare motion columns, rotations (rad) first."""
    with tarfile.open(HAXBY) as archive:
        archive.extractall(tmp_path, filter="data")
    for number in range(1, 9):
        source = tmp_path / f"haxby2001/sub001/BOLD/task001_run{number:03d}"
        place = tmp_path / "images/sub-01"
        place.mkdir(parents=True, exist_ok=True)
        key = f"sub-01_task-objects_run-{number}"
        image = nib.load(source / "bold_25mm.nii.gz")
        (place / f"{key}_bold.nii.gz").write_bytes((source / "bold_25mm.nii.gz").read_bytes())
        (place / f"{key}_motion.txt").write_bytes((source / "bold_moest.txt").read_bytes())
        mean = np.asarray(image.dataobj).mean(axis=3)
        inside = (mean > 0.3 * mean.max()).astype(np.uint8)
        nib.save(nib.Nifti1Image(inside, image.affine), place / f"{key}_mask.nii.gz")
    nib.save(
        nib.Nifti1Image(octants(mean.shape, np.ones(mean.shape)), image.affine),
        tmp_path / "labels.nii.gz",
    )
    data = {"kind": "nifti", "root": "images", "motion_order": "rotations_first"}
    data["motion_units"] = "radians"
    config = {"data": data, "adhd": {"enabled": False}}
    config["fmri"] = {"atlas": "labels.nii.gz", "min_coverage": 0.1, "min_seconds": 120}
    text = run(tmp_path, config)
    assert "fmri.strategy: auto is 24P" in text
    qc = pd.read_csv(tmp_path / "results/fmri/group_qc.tsv", sep="\t", na_values="n/a")
    # known means of the 120 steps; in the table the first of the 121 volumes counts as 0
    wanted = np.array([0.1292, 0.1066, 0.1152, 0.1073, 0.1175, 0.1112, 0.0888, 0.1320])
    np.testing.assert_allclose(qc["mean_fd"], wanted * 120 / 121, atol=2e-4)
    # 24 regressors leave the run with most motion nothing; that is said, and the others go on
    assert (qc["status"] == "used").tolist() == (qc["dof_left"] > 0).tolist()
    assert (qc["status"] == "used").sum() == 7
    left_out = pd.read_csv(tmp_path / "results/fmri/exclusions.tsv", sep="\t")
    assert left_out["what"].tolist() == ["sub-01_task-objects_run-8"]
    assert left_out["reason"].tolist() == ["no degrees of freedom left"]
    assert "sub-01_task-objects_run-8" in report_text(tmp_path)


def test_the_settings_for_fmriprep_fit_the_real_layout(tmp_path):
    """The real names are planned; without a voxel in them every file is named."""
    with tarfile.open(DATA / "bold/ds000001-fmriprep_layout.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    config = ready("fmriprep", data={"root": "ds000001-fmriprep"})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(only(config)))
    result = snakemake(tmp_path, "-n", "--configfile", "mine.yaml", "--cores", "1", check=False)
    assert re.search(r"^fmri_clean\s+12$", result.stdout, re.MULTILINE), result.stderr
