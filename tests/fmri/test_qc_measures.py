"""Quality measures by their formulas, on planted noise and motion."""

import nibabel as nib
import numpy as np
import pytest

from neuro.fmri.clean.filters import filter_columns
from neuro.fmri.quality.measures import carpet, dvars, framewise_displacement, in_band_power, tsnr
from neuro.fmri.quality.run import QC_COLUMNS, figure_data, orthogonal_slices, run_qc
from neuro.fmri.raw.rigid import rigid_matrix, rigid_params, rotation_angles, rotation_matrix


def test_power_displacement_by_hand():
    motion = np.zeros((3, 6))
    motion[1] = [0.1, -0.2, 0.3, 0.001, -0.002, 0.004]
    fd = framewise_displacement(motion)
    assert np.isnan(fd[0])
    np.testing.assert_allclose(fd[1:], 0.6 + 50 * 0.007)
    np.testing.assert_allclose(framewise_displacement(motion, radius=80)[1], 0.6 + 80 * 0.007)


def test_jenkinson_is_the_rms_displacement_over_a_sphere():
    rng = np.random.default_rng(0)
    motion = rng.normal(0, [1, 1, 1, 0.02, 0.02, 0.02], (4, 6))
    points = rng.normal(size=(200_000, 3))
    points *= (
        80 * (rng.random((200_000, 1)) ** (1 / 3)) / np.linalg.norm(points, axis=1, keepdims=True)
    )
    fd = framewise_displacement(motion, radius=80, kind="jenkinson")
    for t in (1, 2, 3):
        change = rigid_matrix(motion[t]) @ np.linalg.inv(rigid_matrix(motion[t - 1]))
        moved = points @ change[:3, :3].T + change[:3, 3]
        rms = np.sqrt(((moved - points) ** 2).sum(axis=1).mean())
        assert fd[t] == pytest.approx(rms, rel=0.01)


def test_displacement_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"expected \(n_volumes, 6\)"):
        framewise_displacement(np.zeros((10, 7)))
    with pytest.raises(ValueError, match="'power' or 'jenkinson'"):
        framewise_displacement(np.zeros((10, 6)), kind="fsl")


def test_rotations_and_their_inverse():
    rng = np.random.default_rng(1)
    for _ in range(20):
        angles = rng.uniform(-1.2, 1.2, 3)
        np.testing.assert_allclose(rotation_angles(rotation_matrix(angles)), angles, atol=1e-12)
        params, center = np.concatenate([rng.normal(size=3), angles]), rng.normal(size=3) * 30
        matrix = rigid_matrix(params, center)
        np.testing.assert_allclose(rigid_params(matrix, center), params, atol=1e-10)
        np.testing.assert_allclose(matrix[:3] @ [*center, 1], center + params[:3])
    quarter = rotation_matrix([0, 0, np.pi / 2])
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    both = rotation_matrix([np.pi / 2, 0, np.pi / 2])  # about x first, then about z
    np.testing.assert_allclose(both @ [0, 1, 0], [0, 0, 1], atol=1e-12)


def slow_dvars(series):
    rms = np.sqrt((np.diff(series, axis=0) ** 2).mean(axis=1))
    expected = []
    for x in series.T:
        sd = (np.percentile(x, 75) - np.percentile(x, 25)) / 1.349
        d = x - x.mean()
        expected.append(sd * np.sqrt(2 * (1 - (d[1:] @ d[:-1]) / (d @ d))))
    return rms, rms / np.mean(expected)


@pytest.mark.parametrize("n", [50, 51, 52, 53])
def test_dvars_by_its_formula(n):
    rng = np.random.default_rng(2)
    series = 900 + rng.standard_normal((n, 3000)) * rng.uniform(5, 15, 3000)
    raw, standard = dvars(series)
    rms, expected = slow_dvars(series)
    assert np.isnan(raw[0])
    assert np.isnan(standard[0])
    np.testing.assert_allclose(standard[1:], expected, rtol=1e-10)
    np.testing.assert_allclose(raw[1:], rms * 1000 / np.median(series), rtol=2e-3)
    np.testing.assert_allclose(dvars(series, scale=False)[0][1:], rms, rtol=1e-10)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_standardised_dvars_of_noise_averages_one(rho):
    rng = np.random.default_rng(3)
    series = rng.standard_normal((200, 2000))
    for t in range(1, 200):
        series[t] = rho * series[t - 1] + np.sqrt(1 - rho**2) * series[t]
    assert np.nanmean(dvars(1000 + 10 * series)[1]) == pytest.approx(1, abs=0.05)


def test_standardised_dvars_ignores_scale_and_flat_voxels():
    rng = np.random.default_rng(4)
    series = 500 + rng.standard_normal((60, 100)).astype(np.float32)
    expected = dvars(series)[1]
    np.testing.assert_allclose(dvars(series * 7)[1], expected, rtol=1e-4)
    flat = np.hstack([series, np.full((60, 3), 20.0), np.full((60, 1), np.nan)])
    np.testing.assert_allclose(dvars(flat)[1], expected, rtol=1e-12)
    spike = series.copy()
    spike[30] += 10
    assert np.nanargmax(dvars(spike)[1]) in (30, 31)
    assert np.isnan(dvars(np.ones((5, 4)))[1]).all()


def test_tsnr_is_mean_over_sd():
    rng = np.random.default_rng(5)
    series = (800 + 8 * rng.standard_normal((400, 20))).astype(np.float32)
    series[:, 3] = 5
    series[7, 4] = np.nan
    found = tsnr(series)
    live = np.ones(20, dtype=bool)
    live[[3, 4]] = False
    mean, sd = (getattr(series[:, live], name)(axis=0, dtype=float) for name in ("mean", "std"))
    np.testing.assert_allclose(found[live], mean / sd, rtol=1e-6)
    assert (found[~live] == 0).all()


@pytest.mark.parametrize("n", [200, 201])
def test_in_band_power_of_noise_and_of_filtered_noise(n):
    rng = np.random.default_rng(6)
    noise = rng.standard_normal((n, 400)) + 100
    assert in_band_power(noise, 2.0, 0.01, 0.08).mean() == pytest.approx(0.28, abs=0.02)
    ideal = filter_columns(noise, 2.0, low=0.01, high=0.08, kind="fft")
    np.testing.assert_allclose(in_band_power(ideal, 2.0, 0.01, 0.08), 1)
    np.testing.assert_allclose(in_band_power(noise, 2.0, None, None), 1)
    assert np.isnan(in_band_power(np.full((50, 1), 3.3), 2.0, 0.01, 0.08)).all()


def test_in_band_power_with_gaps_uses_kept_volumes_only():
    time = np.arange(150) * 2.0
    tone = np.sin(2 * np.pi * 0.03 * time)[:, None]
    kept = np.random.default_rng(7).random(150) > 0.1
    spoiled = np.where(kept[:, None], tone, 1e5)
    share = in_band_power(spoiled, 2.0, 0.01, 0.08, kept)
    assert share > 0.97
    np.testing.assert_array_equal(in_band_power(tone[kept], 2.0, 0.01, 0.08, kept), share)


def test_carpet_is_small_and_scaled():
    rng = np.random.default_rng(8)
    series = (rng.standard_normal((80, 5000)) * 30 + 700).astype(np.float32)
    series += np.linspace(0, 500, 80, dtype=np.float32)[:, None]
    series[:, 0] = 1.0
    image = carpet(series)
    assert image.shape == (600, 80)
    assert image.dtype == np.float16
    assert (image[0] == 0).all()
    np.testing.assert_allclose(image[1:].astype(float).std(axis=1), 1, atol=0.01)
    assert carpet(series[:, :40]).shape == (40, 80)


def brain():
    mask = np.zeros((5, 7, 9), dtype=np.uint8)
    mask[1:4, 2:6, 3:8] = 1
    # Voxel axes run along z, -x, y of the world; sizes 4, 2, 3 mm.
    affine = np.array([[0, -2.0, 0, 10], [0, 0, 3.0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]])
    return mask, nib.Nifti1Image(mask, affine)


def test_slices_come_upright_through_the_centre_of_mass():
    mask, mask_img = brain()
    values = np.arange(mask.sum(), dtype=float)
    out = orthogonal_slices(mask_img, mean=values)
    assert out["mean_x"].shape == (9, 5)
    assert out["mean_y"].shape == (7, 5)
    assert out["mean_z"].shape == (7, 9)
    np.testing.assert_allclose(out["voxel_mm"], [2, 3, 4])
    volume = np.zeros(mask.shape)
    volume[mask > 0] = values
    i, j, k = out["slice_index"]
    assert out["mean_x"][k - 2, 2] == volume[2, 6 - i, k - 2]
    assert out["mean_z"][i, j] == volume[k, 6 - i, j]
    assert out["mask_x"].dtype == bool


def test_figure_arrays_are_aligned_with_the_input_run():
    mask, mask_img = brain()
    rng = np.random.default_rng(9)
    before = (rng.standard_normal((26, int(mask.sum()))) + 50).astype(np.float32)
    kept = np.ones(30, dtype=bool)
    kept[[0, 1, 2, 3, 12]] = False
    after = before[kept[4:]] - 50
    fd = np.r_[[np.nan] * 5, np.full(25, 0.1)]
    data = figure_data(before, after, fd, None, kept, mask_img, 2.0, drop=4)
    assert data["carpet_before"].shape == data["carpet_after"].shape == (int(mask.sum()), 30)
    assert np.isnan(data["carpet_before"][:, :4]).all()
    assert np.isfinite(data["carpet_before"][:, 4:]).all()
    assert np.isnan(data["carpet_after"][:, ~kept]).all()
    assert np.isfinite(data["carpet_after"][:, kept]).all()
    assert data["fd"].shape == data["std_dvars"].shape == (30,)
    assert {f"{name}_{axis}" for name in ("mean", "mask", "tsnr") for axis in "xyz"} <= set(data)
    table_only = figure_data(before, after[:0], None, None, kept, None, 2.0, drop=4)
    assert "mean_x" not in table_only
    assert np.isnan(table_only["carpet_after"]).all()


def test_quality_row():
    fd = np.array([np.nan, np.nan, np.nan, 0.2, 0.7, 0.1])
    kept = np.array([False, False, True, True, False, True])
    row = run_qc(run_key="sub-1", kept=kept, tr=2.0, fd=fd, std_dvars=fd, fd_mm=0.5, dof_left=3.0)
    assert tuple(row) == QC_COLUMNS
    assert row["mean_fd"] == pytest.approx(1.0 / 4)  # two dropped, the first of the rest is 0
    assert row["max_fd"] == 0.7
    assert row["frac_fd_over"] == 0.25
    assert row["minutes_kept"] == pytest.approx(0.1)
    assert row["median_tsnr"] is None
    assert row["mean_std_dvars"] == pytest.approx(1.0 / 3)


def test_what_a_quality_row_is_told_stands_in_it():
    told = {
        "participant_id": "07",
        "site": "north",
        "n_constant": 3,
        "min_coverage": 0.4,
        "dof_left": 12.5,
    }
    row = run_qc(run_key="sub-07", kept=np.ones(4, bool), tr=1.5, realign_failed=True, **told)
    assert {name: row[name] for name in told} == told
    assert row["realign_failed"] == 1 and row["n_volumes"] == row["n_kept"] == 4
    assert row["run_key"] == "sub-07" and row["minutes_kept"] == pytest.approx(0.1)
    plain = run_qc(run_key="sub-07", kept=np.ones(4, bool), tr=1.5)
    assert plain["realign_failed"] == 0 and plain["site"] is None
