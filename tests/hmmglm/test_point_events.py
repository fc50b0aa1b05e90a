"""Point events of region series: crossings, censoring, null data, warnings."""

import numpy as np
import pytest

from neuro.hmmglm.design import events
from neuro.io.problems import InputProblem


def test_an_event_is_the_first_volume_above_the_threshold():
    z = np.array([[0.0], [1.2], [1.5], [0.2], [1.0], [0.9], [2.0]])
    assert events.upward_crossings(z, 1.0)[:, 0].tolist() == [0, 1, 0, 0, 1, 0, 1]
    # a series that starts above the threshold has not crossed it
    assert events.upward_crossings(z + 5, 1.0).sum() == 0


def test_a_crossing_across_a_censored_volume_is_unknown():
    z = np.array([[0.0], [0.0], [1.5], [0.0], [1.5]])
    kept = np.array([True, False, True, True, True])
    assert events.upward_crossings(z, 1.0, kept)[:, 0].tolist() == [0, 0, 0, 0, 1]


def cohort(n_runs=3, n_volumes=60, n_regions=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n_volumes, n_regions)).cumsum(axis=0) for _ in range(n_runs)]


def test_runs_become_sequences_with_missing_volumes():
    series = cohort()
    kept = [np.ones(60, bool), np.ones(64, bool), np.ones(60, bool)]
    kept[1][[10, 11, 30, 63]] = False
    binned, rows, _ = events.bin_series(
        series, kept, ["a", "b", "c"], [2.0, 2.0, 2.0], list("wxyz")
    )
    assert [len(item) for item in binned.sequences] == [60, 64, 60] and not rows
    assert binned.bin_s == 2.0 and binned.masks[1].sum() == 60
    assert set(np.unique(binned.sequences[1])) <= {0, 1}
    assert not binned.sequences[1][[10, 11, 12, 30, 31, 63]].any()


def test_runs_of_another_repetition_time_are_left_out():
    binned, rows, _ = events.bin_series(cohort(), None, list("abc"), [2.0, 2.5, 2.0], list("wxyz"))
    assert binned.table["label"].tolist() == ["a", "c"]
    assert rows[0]["what"] == "b" and rows[0]["value"] == 2.5 and rows[0]["threshold"] == 2.0


def test_constant_regions_are_left_out_and_alike_ones_reported():
    series = cohort()
    series[2][:, 1] = 7.0
    for item in series:
        item[:, 3] = 2 * item[:, 0] + 1
    binned, rows, notes = events.bin_series(series, None, list("abc"), [2.0] * 3, list("wxyz"))
    assert binned.units["unit"].tolist() == ["w", "y", "z"]
    assert rows[0]["what"] == "region x"
    assert notes == ["regions w and z: r = 1.000"]


def test_series_for_a_gaussian_emission_are_z_scores():
    binned, _, _ = events.bin_series(
        cohort(), None, list("abc"), [2.0] * 3, list("wxyz"), kind="gaussian"
    )
    np.testing.assert_allclose(binned.sequences[0].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(binned.sequences[0].std(axis=0), 1)


def test_volumes_must_match_the_marks():
    with pytest.raises(InputProblem, match="60 volumes in the series, but 59 are marked as kept"):
        kept = [np.r_[np.ones(59, bool), False]] * 3
        events.bin_series(cohort(), kept, list("abc"), [2.0] * 3, list("wxyz"))


def test_null_data_keep_rates_and_lose_timing():
    rng = np.random.default_rng(0)
    shared = (rng.uniform(size=(400, 1)) < 0.2).astype(int)
    data = [np.repeat(shared, 5, axis=1)]
    mask = [np.ones(400, bool)]
    mask[0][100:120] = False
    null = events.shifted(data, mask, 3)
    np.testing.assert_array_equal(null[0][mask[0]].sum(axis=0), data[0][mask[0]].sum(axis=0))
    np.testing.assert_array_equal(null[0][~mask[0]], data[0][~mask[0]])
    assert np.corrcoef(null[0], rowvar=False)[np.triu_indices(5, 1)].max() < 0.5
    np.testing.assert_array_equal(null[0], events.shifted(data, mask, 3)[0])
    assert not np.array_equal(null[0], events.shifted(data, mask, 4)[0])
