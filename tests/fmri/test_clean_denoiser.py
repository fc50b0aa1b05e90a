"""The denoiser against a slow obvious version, planted nuisance and censored volumes."""

import pickle

import numpy as np
import pytest
from scipy import signal
from sklearn.base import clone

from neuro.fmri.clean import filters
from neuro.fmri.clean.confounds import Confounds
from neuro.fmri.clean.denoiser import Denoiser, NoDegreesOfFreedom, orthonormal_basis
from neuro.io.problems import InputProblem

TR = 2.0


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def by_steps(y, x, keep, low, high, kind):
    """Interpolate, detrend and filter data and confounds, then least squares on kept rows."""

    def prepare(z):
        filled = filters.interpolation_matrix(keep) @ z[keep]
        filled = signal.detrend(filled, axis=0)
        return filters.filter_columns(filled, TR, low=low, high=high, kind=kind)[keep]

    fy, fx = prepare(y), prepare(x)
    return fy - fx @ np.linalg.lstsq(fx, fy, rcond=None)[0]


@pytest.mark.parametrize("kind", ["butterworth", "fft"])
@pytest.mark.parametrize("censored", [False, True])
def test_joint_cleaning_equals_the_steps_done_one_by_one(kind, censored):
    y, x = noise(150, 40), noise(150, 6, seed=1)
    keep = np.ones(150, dtype=bool)
    if censored:
        keep[[0, 1, 40, 41, 90]] = False
    found = Denoiser(filter=kind).fit_transform(y, confounds=x, tr=TR, keep=keep)
    np.testing.assert_allclose(found, by_steps(y, x, keep, 0.01, 0.08, kind), atol=1e-9)


def test_sequential_cleaning_regresses_first():
    y, x = noise(150, 20), noise(150, 4, seed=1)
    full = np.column_stack([np.ones(150), np.arange(150), x])
    residual = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    expected = filters.filter_columns(residual, TR, low=0.009, high=0.08, kind="fft")
    found = Denoiser(0.009, 0.08, "fft", sequential=True).fit_transform(y, confounds=x, tr=TR)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_without_filter_it_is_ordinary_least_squares():
    y, x = noise(80, 10) + 100, noise(80, 5, seed=1)
    keep = np.ones(80, dtype=bool)
    keep[30:33] = False
    full = np.column_stack([np.ones(80), np.arange(80), x])[keep]
    expected = y[keep] - full @ np.linalg.lstsq(full, y[keep], rcond=None)[0]
    denoiser = Denoiser(filter="none")
    np.testing.assert_allclose(
        denoiser.fit_transform(y, confounds=x, tr=TR, keep=keep), expected, atol=1e-9
    )
    assert denoiser.dof_left_ == 77 - 7


def test_fourier_filter_is_one_regression_on_kept_rows():
    y, x = noise(120, 6), noise(120, 3, seed=1)
    keep = np.ones(120, dtype=bool)
    keep[50:55] = False
    columns, _ = filters.out_of_band_columns(120, TR, 0.01, 0.08)
    full = np.column_stack([np.ones(120), np.arange(120), columns, x])[keep]
    expected = y[keep] - full @ np.linalg.lstsq(full, y[keep], rcond=None)[0]
    denoiser = Denoiser(filter="fourier")
    np.testing.assert_allclose(
        denoiser.fit_transform(y, confounds=x, tr=TR, keep=keep), expected, atol=1e-8
    )
    assert denoiser.dof_left_ == keep.sum() - np.linalg.matrix_rank(full)


def test_white_confound_and_stop_band_leave_and_the_pass_band_stays():
    time = np.arange(300) * TR
    left, fast, slow = [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        confound = rng.standard_normal(300)
        phase = rng.uniform(0, 2 * np.pi, 2)
        tones = [np.sin(2 * np.pi * f * time + p) for f, p in zip((0.2, 0.04), phase)]
        y = np.column_stack([confound, *tones])
        out = Denoiser().fit_transform(y, confounds=confound[:, None], tr=TR)
        share = (out**2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        left.append(share[0])
        fast.append(share[1])
        slow.append(share[2])
    assert max(left) < 0.01
    assert max(fast) < 0.015
    assert np.mean(slow) > 0.95
    assert min(slow) > 0.90


def nuisance_left(denoiser, seed):
    """Share of planted in-band nuisance that survives; most of the confound is out of band."""
    rng = np.random.default_rng(seed)
    white = signal.detrend(rng.standard_normal((300, 2)), axis=0)
    inside = filters.filter_columns(white[:, 0], TR, low=0.02, high=0.07)
    outside = white[:, 1] - filters.filter_columns(white[:, 1], TR, low=0.005, high=0.09)
    inside *= np.sqrt(0.2) / inside.std()
    outside *= np.sqrt(0.8) / outside.std()
    signal_part = 0.05 * rng.standard_normal((300, 20))
    clean = denoiser.fit_transform(signal_part, confounds=(inside + outside)[:, None], tr=TR)
    dirty = denoiser.transform(signal_part + inside[:, None])
    return ((dirty - clean) ** 2).sum() / (20 * (inside**2).sum())


def test_filtering_after_regression_brings_nuisance_back():
    joint = [nuisance_left(Denoiser(), seed) for seed in range(5)]
    athena = [
        nuisance_left(Denoiser(0.009, 0.08, "fft", sequential=True), seed) for seed in range(5)
    ]
    assert max(joint) < 0.10
    assert min(athena) > 0.40


@pytest.mark.parametrize("kind", ["butterworth", "fft", "fourier", "none"])
def test_censored_rows_never_reach_the_output(kind):
    y, x = noise(160, 12).astype(np.float32), noise(160, 3, seed=1)
    keep = np.random.default_rng(3).random(160) > 0.06
    before = Denoiser(filter=kind, min_segment=1).fit_transform(y, confounds=x, tr=TR, keep=keep)
    y[~keep], x[~keep] = 1e6, np.nan
    after = Denoiser(filter=kind, min_segment=1).fit_transform(y, confounds=x, tr=TR, keep=keep)
    assert (~keep).sum() > 3
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_single_and_double_precision_agree():
    y, x = noise(172, 300) * 20 + 900, noise(172, 12, seed=1)
    double = Denoiser().fit_transform(y.astype(np.float32).astype(np.float64), confounds=x, tr=TR)
    single = Denoiser().fit_transform(y.astype(np.float32), confounds=x, tr=TR)
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    np.testing.assert_allclose(single, double, atol=1e-4)


def test_blocks_do_not_show(monkeypatch):
    y, x = noise(100, 500).astype(np.float32), noise(100, 5, seed=1)
    keep = np.ones(100, dtype=bool)
    keep[10:14] = False
    whole = Denoiser().fit_transform(y, confounds=x, tr=TR, keep=keep)
    monkeypatch.setattr("neuro.fmri.clean.denoiser.BLOCK_BYTES", 1)
    np.testing.assert_allclose(
        Denoiser().fit_transform(y, confounds=x, tr=TR, keep=keep), whole, rtol=1e-6, atol=1e-6
    )


def test_constant_and_broken_voxels_stay_in_place_as_zeros():
    y = noise(100, 6).astype(np.float32) + 50
    y[:, 1] = 700.1
    y[3, 2] = np.nan
    y[0, 4] = np.inf
    keep = np.ones(100, dtype=bool)
    keep[:3] = False
    denoiser = Denoiser()
    out = denoiser.fit_transform(y, tr=TR, keep=keep)
    np.testing.assert_array_equal(denoiser.constant_series_, [False, True, True] + [False] * 3)
    assert denoiser.n_constant_ == 2
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[:, [1, 2]], 0)
    assert (out[:, [0, 3, 4, 5]].std(axis=0) > 0).all()


def test_useless_columns_are_named_and_change_nothing():
    y, x = noise(150, 5), noise(150, 3, seed=1)
    extra = np.column_stack([x, np.full(150, 4.2), x[:, 0] - 2 * x[:, 1], np.arange(150.0)])
    names = ["a", "b", "c", "flat", "mixed", "ramp"]
    denoiser = Denoiser()
    found = denoiser.fit_transform(y, confounds=extra, tr=TR, names=names)
    assert denoiser.constant_columns_ == ["flat"]
    assert denoiser.collinear_columns_ == ["mixed"]
    assert denoiser.empty_columns_ == ["ramp"]
    assert denoiser.used_columns_ == ["a", "b", "c"]
    assert denoiser.rank_ == 3
    np.testing.assert_allclose(found, Denoiser().fit_transform(y, confounds=x, tr=TR), atol=1e-10)
    assert any("mixed" in note for note in denoiser.notes_)


def test_scaling_the_confounds_changes_nothing():
    y, x = noise(150, 5), noise(150, 4, seed=1)
    scaled = x * [1e-7, 1e5, 1.0, 3.0] + [1e3, 0, -5, 1e-3]
    np.testing.assert_allclose(
        Denoiser().fit_transform(y, confounds=scaled, tr=TR),
        Denoiser().fit_transform(y, confounds=x, tr=TR),
        atol=1e-7,
    )


def test_degrees_of_freedom_follow_band_and_rank():
    denoiser = Denoiser(0.01, 0.08)
    denoiser.fit(confounds=noise(300, 36), tr=TR)
    assert denoiser.dof_left_ == pytest.approx(300 * 0.28 - 36)
    lowpass = Denoiser(None, 0.1)
    lowpass.fit(confounds=noise(300, 4), tr=TR)
    assert lowpass.dof_left_ == pytest.approx(300 * 0.4 - 4 - 2)


def test_few_degrees_of_freedom_warn_and_none_stop():
    denoiser = Denoiser()
    with pytest.warns(UserWarning, match="only 6.0 degrees of freedom left"):
        denoiser.fit(confounds=noise(150, 36), tr=TR)
    with pytest.raises(NoDegreesOfFreedom, match="no degrees of freedom left") as caught:
        Denoiser().fit(confounds=noise(30, 36), tr=TR)
    assert isinstance(caught.value, InputProblem)
    assert "\n" not in str(caught.value)
    with pytest.raises(NoDegreesOfFreedom, match="none of 30 volumes is kept"):
        Denoiser().fit(confounds=noise(30, 2), tr=TR, keep=np.zeros(30, dtype=bool))


def test_short_segments_go():
    keep = np.ones(100, dtype=bool)
    keep[[20, 24, 60]] = False
    denoiser = Denoiser().fit(tr=TR, keep=keep)
    assert not denoiser.kept_[20:25].any()
    assert denoiser.kept_.sum() == 94


def test_named_confounds_object_is_accepted():
    x = noise(150, 2)
    bundle = Confounds(x, ("a", "b"), np.ones(150, dtype=bool), "custom")
    y = noise(150, 3, seed=2)
    denoiser = Denoiser()
    np.testing.assert_array_equal(
        denoiser.fit_transform(y, confounds=bundle, tr=TR),
        Denoiser().fit_transform(y, confounds=x, tr=TR),
    )
    assert denoiser.used_columns_ == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filter": "boxcar"}, "expected one of butterworth"),
        ({"high": 0.4}, "Nyquist"),
        ({"low": 0.2, "high": 0.1}, "low < high"),
    ],
)
def test_bad_settings_are_one_line(change, words):
    with pytest.raises(ValueError, match=words) as caught:
        Denoiser(**change).fit(confounds=noise(100, 2), tr=TR)
    assert "\n" not in str(caught.value)


def test_bad_shapes_and_values_are_one_line():
    with pytest.raises(InputProblem, match="90 rows for 100 volumes"):
        Denoiser().fit_transform(noise(100, 2), confounds=noise(90, 2), tr=TR)
    broken = noise(100, 3)
    broken[50, 1] = np.nan
    with pytest.raises(InputProblem, match="kept volumes in csf;"):
        Denoiser().fit(confounds=broken, tr=TR, names=["wm", "csf", "gs"])
    with pytest.raises(ValueError, match="as many volumes as rows"):
        Denoiser().fit(confounds=noise(100, 2), tr=TR).transform(noise(99, 4))
    with pytest.raises(ValueError, match="2 names for 3"):
        Denoiser().fit(confounds=noise(100, 3), tr=TR, names=["a", "b"])


def test_follows_the_estimator_contract():
    denoiser = Denoiser(low=0.02, filter="fft")
    twin = clone(denoiser)
    assert twin.get_params() == denoiser.get_params()
    denoiser.fit(confounds=noise(100, 2), tr=TR)
    y = noise(100, 3, seed=1)
    again = pickle.loads(pickle.dumps(denoiser))
    np.testing.assert_array_equal(again.transform(y), denoiser.transform(y))
    with pytest.raises(ValueError, match="no parameter 'hi'"):
        denoiser.set_params(hi=0.1)


def test_orthonormal_basis_drops_later_copies_only():
    a = noise(50, 4)
    columns = np.column_stack([a[:, 0], a[:, 0] * 5, a[:, 1], a[:, 0] + a[:, 1], a[:, 2]])
    basis, used, left_out = orthonormal_basis(columns)
    assert used == [0, 2, 4]
    assert left_out == [1, 3]
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(basis @ (basis.T @ columns), columns, atol=1e-10)
