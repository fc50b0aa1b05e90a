"""Runs that XCP-D has denoised: nothing changes their values, everything is measured."""

import dataclasses

import nibabel
import numpy as np
import pandas as pd
import pytest

from neuro.fmri.clean.denoised import accept_image, accept_run
from neuro.fmri.clean.image import RunFiles
from neuro.fmri.clean.smooth import smooth_series
from neuro.io.problems import InputProblem

TR = 2.0
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    inside = np.zeros((7, 7, 7), dtype=np.uint8)
    inside[1:6, 1:6, 1:6] = 1
    mask = nibabel.Nifti1Image(inside, AFFINE)
    series = rng.normal(size=(150, 125)).astype(np.float32)
    series[:, 5] = 0
    kept = np.ones(160, dtype=bool)
    kept[20:30] = False
    return series, mask, kept


def test_values_stay_and_only_the_copy_for_graphs_is_smoothed(run):
    series, mask, kept = run
    given = series.copy()
    result = accept_run(series, mask, tr=TR, kept=kept, settings={"smooth_mm": 8.0})
    assert result.denoised is series and np.array_equal(series, given)
    constant = np.arange(125) == 5
    assert np.array_equal(result.constant, constant)
    assert np.array_equal(result.smoothed, smooth_series(series, mask, 8.0, use=~constant))
    assert result.confounds is None
    assert result.outliers["kept"].tolist() == kept.astype(int).tolist()


def test_the_quality_row_holds_what_can_be_known(run):
    series, mask, kept = run
    fd = np.full(160, 0.1)
    fd[0], fd[25] = np.nan, 2.0
    result = accept_run(series, mask, tr=TR, kept=kept, fd=fd, run_key="sub-1")
    row = result.qc
    assert (row["n_volumes"], row["n_kept"], row["minutes_kept"]) == (160, 150, 5.0)
    assert row["max_fd"] == 2.0 and row["frac_fd_over"] == pytest.approx(1 / 160)
    assert row["n_constant"] == 1
    assert row["median_tsnr"] is None and row["dof_left"] is None
    # white noise: standardised DVARS averages 1, and says nothing across the gap
    assert row["mean_std_dvars"] == pytest.approx(1, abs=0.05)
    trace = result.traces["std_dvars"].to_numpy()
    assert np.isnan(trace[[0, *range(20, 31)]]).all() and np.isfinite(trace[31:]).all()


def test_too_short_runs_are_excluded_with_numbers(run):
    series, mask, kept = run
    result = accept_run(series, mask, tr=TR, kept=kept, settings={"min_seconds": 301})
    assert result.excluded == "300 s kept, fewer than 301 s"
    assert result.exclusions[0]["value"] == 300 and result.exclusions[0]["threshold"] == 301
    assert result.smoothed is None


def write(folder, series, mask, flags=None, motion_rows=None):
    data = np.zeros((*mask.shape, len(series)), dtype=np.float32)
    data[np.asarray(mask.dataobj) > 0] = series.T
    image = nibabel.Nifti1Image(data, AFFINE)
    image.header.set_zooms((4, 4, 4, TR))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, folder / "bold.nii.gz")
    nibabel.save(mask, folder / "mask.nii.gz")
    if flags is not None:
        table = pd.DataFrame({"framewise_displacement": flags})
        table.to_csv(folder / "outliers.tsv", sep="\t", index=False)
    if motion_rows:
        table = pd.DataFrame({"framewise_displacement": np.full(motion_rows, 0.2)})
        table.to_csv(folder / "motion.tsv", sep="\t", index=False)


def out_files(folder):
    names = [field.name for field in dataclasses.fields(RunFiles)]
    suffix = {"denoised": ".nii.gz", "smoothed": ".nii.gz", "mask": ".nii.gz", "figures": ".npz"}
    return RunFiles(
        **{name: str(folder / f"out_{name}{suffix.get(name, '.tsv')}") for name in names}
    )


@pytest.mark.parametrize("filled", [False, True])
def test_files_hold_the_kept_volumes_whatever_the_version(tmp_path, run, filled):
    series, mask, kept = run
    whole = np.zeros((160, 125), dtype=np.float32)
    whole[kept] = series
    write(tmp_path, whole if filled else series, mask, (~kept).astype(int), 160)
    result = accept_image(
        tmp_path / "bold.nii.gz",
        tmp_path / "mask.nii.gz",
        out_files(tmp_path),
        run_key="sub-1",
        outliers=tmp_path / "outliers.tsv",
        motion=tmp_path / "motion.tsv",
        space="MNI",
    )
    assert np.array_equal(result.denoised, series)
    written = np.asarray(nibabel.load(tmp_path / "out_denoised.nii.gz").dataobj)
    assert np.array_equal(written[np.asarray(mask.dataobj) > 0].T, series)
    import json

    side = json.loads((tmp_path / "out_denoised.json").read_text())
    assert side["VolumesKept"] == np.flatnonzero(kept).tolist()
    assert side["Space"] == "MNI"
    assert "XCP-D" in side["Notes"][0]
    with np.load(tmp_path / "out_figures.npz") as figures:
        assert "carpet_before" not in figures.files
        carpet = figures["carpet_after"].astype(float)
        assert np.isnan(carpet[:, ~kept]).all() and np.isfinite(carpet[:, kept]).all()


def test_lengths_that_do_not_fit_are_one_line(tmp_path, run):
    series, mask, kept = run
    write(tmp_path, series[:100], mask, (~kept).astype(int))
    with pytest.raises(InputProblem, match=r"150 of them kept, but .*bold.nii.gz has 100"):
        accept_image(
            tmp_path / "bold.nii.gz",
            tmp_path / "mask.nii.gz",
            out_files(tmp_path),
            run_key="sub-1",
            outliers=tmp_path / "outliers.tsv",
        )
