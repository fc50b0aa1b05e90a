"""One run from series to cleaned series, quality row and figure arrays."""

import json
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neuro.base.provenance import plain
from neuro.fmri.clean import confounds as strategies
from neuro.fmri.clean.denoiser import Denoiser
from neuro.fmri.clean.run import PRESETS, denoise_run, settings_of
from neuro.fmri.clean.smooth import smooth_series
from neuro.fmri.quality.run import QC_COLUMNS
from neuro.io.bids.confounds import MOTION
from neuro.io.problems import InputProblem

TR = 2.0
N = 260


def planted_run(n=N, seed=0, spikes=(60, 61, 150)):
    """A head with slow networks, motion with spikes, and nuisance in every voxel."""
    rng = np.random.default_rng(seed)
    shape = (9, 10, 8)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, k) for k in shape], indexing="ij"))
    mask = (grid**2).sum(axis=0) < 1
    mask_img = nib.Nifti1Image(mask.astype(np.uint8), np.diag([4.0, 4.0, 4.0, 1.0]))
    n_voxels = int(mask.sum())
    motion = 0.01 * rng.standard_normal((n, 6)).cumsum(axis=0) * [1, 1, 1, 0.02, 0.02, 0.02]
    for t in spikes:
        motion[t:, 0] += 0.8 * (-1) ** t
    tissue = rng.standard_normal((n, 3))
    table = pd.DataFrame(
        np.hstack([motion, tissue]), columns=[*MOTION, "white_matter", "csf", "global_signal"]
    )
    time = np.arange(n) * TR
    source = np.sin(2 * np.pi * 0.04 * time + 1.0)
    weight = np.zeros(n_voxels)
    weight[: n_voxels // 4] = 5.0
    series = 1000 + np.outer(source, weight) + 4 * rng.standard_normal((n, n_voxels))
    series += tissue @ rng.normal(0, 10, (3, n_voxels))
    series += 30 * np.array([t in spikes for t in range(n)])[:, None]
    return series.astype(np.float32), mask_img, table, source, weight


def test_robust_preset_censors_cleans_and_smooths():
    series, mask_img, table, source, weight = planted_run(n=600)
    copy = series.copy()
    result = denoise_run(
        series, mask_img, tr=TR, confounds=table, run_key="sub-01_task-rest", site="alpha"
    )
    np.testing.assert_array_equal(series, copy)
    assert not result.kept[[60, 61, 150]].any()
    assert result.denoised.shape == (result.kept.sum(), series.shape[1])
    assert result.denoised.dtype == np.float32
    r = [np.corrcoef(column, source[result.kept])[0, 1] for column in result.denoised.T]
    assert np.median(np.abs(np.array(r)[weight > 0])) > 0.7
    assert np.median(np.abs(np.array(r)[weight == 0])) < 0.2
    raw = [np.corrcoef(column, source)[0, 1] for column in series.T]
    assert np.median(np.abs(np.array(raw)[weight > 0])) < 0.4
    np.testing.assert_array_equal(result.smoothed, smooth_series(result.denoised, mask_img, 6.0))
    assert result.excluded is None
    assert result.exclusions == []
    assert tuple(result.qc) == QC_COLUMNS
    assert result.qc["site"] == "alpha"
    assert result.qc["in_band_power"] > 0.8
    assert result.qc["dof_left"] == pytest.approx(result.kept.sum() * 0.28 - 36)
    assert result.outliers["fd"].sum() == 3
    assert len(result.traces) == 600
    assert np.isnan(result.traces["framewise_displacement"][0])
    assert result.parameters["traces_from"]["std_dvars"] == "series inside the mask"
    json.dumps(plain(result.parameters))


def test_values_of_censored_volumes_do_not_reach_the_result():
    series, mask_img, table, *_ = planted_run()
    table["std_dvars"] = 1.0  # the table decides, so the spoiled image cannot change censoring
    first = denoise_run(series, mask_img, tr=TR, confounds=table)
    series[~first.kept] = 1e6
    second = denoise_run(series, mask_img, tr=TR, confounds=table)
    np.testing.assert_array_equal(second.kept, first.kept)
    np.testing.assert_allclose(second.denoised, first.denoised, atol=1e-6)
    np.testing.assert_allclose(second.smoothed, first.smoothed, atol=1e-6)


def test_differences_are_taken_before_censoring():
    series, mask_img, table, *_ = planted_run()
    result = denoise_run(series, mask_img, tr=TR, confounds=table)
    change = np.r_[0, np.diff(table["trans_x"])]
    np.testing.assert_allclose(result.confounds.table()["trans_x_derivative1"], change)


def test_paper_preset_is_athenas_order():
    series, mask_img, table, *_ = planted_run(spikes=())
    result = denoise_run(series, mask_img, tr=TR, confounds=table, settings={"preset": "paper"})
    assert result.n_dropped == 4
    assert result.kept.sum() == N - 4
    chosen = strategies.select(table.iloc[4:].reset_index(drop=True), strategy="athena", tr=TR)
    assert chosen.names[-1] == "legendre_4"
    expected = Denoiser(
        0.009, 0.08, "fft", sequential=True, detrend=False, min_segment=1
    ).fit_transform(series[4:], confounds=chosen, tr=TR)
    np.testing.assert_array_equal(result.denoised, expected)
    assert result.parameters["steps"] == "regress, then filter"
    assert result.parameters["collinear_columns"] == []
    # Endpoint 1 of the pipeline: regressed, not filtered.
    unfiltered = denoise_run(
        series,
        mask_img,
        tr=TR,
        confounds=table,
        settings={"preset": "paper", "filter": "none"},
    )
    x = np.column_stack([np.ones(N - 4), chosen.values])
    y = series[4:].astype(float)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(unfiltered.denoised, residual, atol=1e-3)


def test_volumes_before_steady_state_go_first():
    series, mask_img, table, *_ = planted_run()
    table["non_steady_state_outlier00"] = (np.arange(N) == 0).astype(float)
    table["non_steady_state_outlier01"] = (np.arange(N) == 2).astype(float)
    series[:3] *= 3
    result = denoise_run(series, mask_img, tr=TR, confounds=table)
    assert result.n_dropped == 3
    assert np.isnan(result.traces["framewise_displacement"][:4]).all()
    assert len(result.confounds.values) == N - 3
    assert result.confounds.table()["csf_derivative1"][0] == 0
    assert result.outliers["dropped"].sum() == 3
    assert result.qc["n_volumes"] == N
    assert result.qc["n_kept"] == result.kept.sum() == len(result.denoised)


def test_motion_alone_and_no_confounds_at_all():
    series, mask_img, table, *_ = planted_run()
    motion = table[list(MOTION)].to_numpy()
    by_motion = denoise_run(
        series, mask_img, tr=TR, motion=motion, settings={"strategy": "24P", "smooth_mm": 0}
    )
    assert len(by_motion.confounds.names) == 24
    assert by_motion.smoothed is None
    lite = denoise_run(
        series, mask_img, tr=TR, motion=motion, settings={"strategy": "acompcor_lite"}
    )
    assert len(lite.confounds.names) == 29
    nothing = denoise_run(series, mask_img, tr=TR, settings={"strategy": "none", "std_dvars": 9.0})
    assert nothing.qc["mean_fd"] is None
    assert nothing.kept.all()
    assert any("no head motion" in note for note in nothing.notes)
    with pytest.raises(InputProblem, match="sub-7: strategy '36P' needs a confounds table"):
        denoise_run(series, mask_img, tr=TR, run_key="sub-7")


def test_region_tables_need_no_mask():
    rng = np.random.default_rng(1)
    series = rng.standard_normal((200, 30)).astype(np.float32)
    result = denoise_run(series, tr=TR, settings={"strategy": "none", "scrub": False})
    np.testing.assert_array_equal(result.denoised, Denoiser().fit_transform(series, tr=TR))
    assert result.smoothed is None
    assert "mean_x" not in result.figures
    assert result.qc["median_tsnr"] is None


def test_too_little_time_is_cleaned_but_excluded():
    series, mask_img, table, *_ = planted_run()
    result = denoise_run(
        series, mask_img, tr=TR, confounds=table, settings={"min_seconds": 900}, run_key="sub-9"
    )
    assert "fewer than 900 s" in result.excluded
    assert result.exclusions[0]["what"] == "sub-9"
    assert len(result.denoised) == result.kept.sum() > 0


def test_no_degrees_of_freedom_excludes_the_run_and_says_why():
    series, mask_img, table, *_ = planted_run(n=100, spikes=())
    result = denoise_run(
        series, mask_img, tr=TR, confounds=table, settings={"min_seconds": 0}, run_key="sub-9"
    )
    assert "no degrees of freedom left" in result.excluded
    (row,) = result.exclusions
    assert (row["what"], row["step"]) == ("sub-9", "clean")
    assert row["value"] == pytest.approx(result.kept.sum() * 0.28 - 36)
    assert result.denoised.shape == (0, series.shape[1])
    assert result.qc["dof_left"] < 0
    assert np.isnan(result.figures["carpet_after"]).all()


def test_a_run_of_spikes_loses_everything_without_a_traceback():
    series, mask_img, table, *_ = planted_run(spikes=())
    table["trans_x"] = np.tile([0.0, 2.0], N // 2)
    result = denoise_run(series, mask_img, tr=TR, confounds=table, run_key="sub-9")
    assert result.excluded
    assert len(result.exclusions) == 1
    assert result.kept.sum() == 0
    assert result.qc["n_kept"] == 0


def test_filtered_input_is_noticed():
    rng = np.random.default_rng(2)
    series = Denoiser(filter="fft").fit_transform(rng.standard_normal((200, 50)), tr=TR)
    with pytest.warns(UserWarning, match="it seems filtered"):
        result = denoise_run(series, tr=TR, settings={"strategy": "none", "scrub": False})
    assert any("seems filtered" in note for note in result.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        denoise_run(series, tr=TR, settings={"strategy": "none", "filter": "none"})


def test_constant_voxels_are_counted_and_kept_out_of_the_smoothing():
    series, mask_img, table, *_ = planted_run()
    series[:, 100:110] = 0
    result = denoise_run(series, mask_img, tr=TR, confounds=table)
    assert result.qc["n_constant"] == result.constant.sum() == 10
    assert (result.smoothed[:, 100:110] == 0).all()
    assert (result.smoothed[:, :100].std(axis=0) > 0).all()


def test_wrong_tables_are_one_line():
    series, mask_img, table, *_ = planted_run()
    table.attrs["path"] = "sub-01_confounds.tsv"
    with pytest.raises(InputProblem, match=r"sub-01_confounds.tsv: 250 rows .* 260 volumes"):
        denoise_run(series, mask_img, tr=TR, confounds=table.iloc[:250])
    with pytest.raises(InputProblem, match="262 volumes to drop"):
        denoise_run(series, mask_img, tr=TR, confounds=table, settings={"drop_volumes": 262})


def test_settings_pass_over_keys_of_other_steps():
    settings = settings_of({"preset": "paper", "atlas": "power264", "fd_mm": 0.2})
    assert settings["strategy"] == "athena"
    assert settings["fd_mm"] == 0.2
    assert "atlas" not in settings
    assert settings_of() == {"preset": "robust", **PRESETS["robust"]}
    with pytest.raises(ValueError, match="expected one of robust, paper"):
        settings_of({"preset": "best"})
