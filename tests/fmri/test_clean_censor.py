"""Which volumes and runs censoring takes out."""

import numpy as np
import pandas as pd
import pytest

from neuro.fmri.clean.censor import censor, drop_short_segments, n_steady_state
from neuro.io.formats.tables import EXCLUSION_COLUMNS


def naive_short_segments(keep, least):
    out = list(keep)
    start = 0
    while start < len(keep):
        stop = start
        while stop < len(keep) and keep[stop] == keep[start]:
            stop += 1
        if keep[start] and stop - start < least:
            out[start:stop] = [False] * (stop - start)
        start = stop
    return np.array(out)


@pytest.mark.parametrize("seed", range(10))
def test_short_segments_against_a_loop(seed):
    keep = np.random.default_rng(seed).random(60) > 0.25
    for least in (1, 2, 5):
        np.testing.assert_array_equal(
            drop_short_segments(keep, least), naive_short_segments(keep, least)
        )


def test_a_short_but_uncensored_run_is_left_alone():
    assert drop_short_segments(np.ones(3, dtype=bool), 5).all()


def test_each_rule_takes_its_volumes():
    fd = np.full(60, 0.1)
    fd[[0, 20]] = [np.nan, 0.6]
    jumps = np.ones(60)
    jumps[[24, 40]] = 1.6
    result = censor(60, 2.0, fd=fd, std_dvars=jumps, drop=2, min_seconds=60)
    expected = np.ones(60, dtype=bool)
    expected[[0, 1, 20, 21, 22, 23, 24, 40]] = False
    np.testing.assert_array_equal(result.kept, expected)
    table = result.table()
    assert table[["dropped", "fd", "std_dvars", "short_segment"]].sum().to_list() == [2, 1, 2, 3]
    assert result.seconds_kept == 2.0 * 52
    assert result.excluded is None
    assert result.rows == []


def test_thresholds_are_exclusive_and_missing_values_keep():
    fd = np.array([np.nan, 0.5, 0.5, 0.500001, 0.1])
    result = censor(5, 2.0, fd=fd, min_segment=1, min_seconds=0)
    np.testing.assert_array_equal(result.kept, [True, True, True, False, True])


def test_without_scrubbing_only_the_start_goes():
    result = censor(30, 2.0, fd=np.full(30, 9.0), drop=4, scrub=False, min_seconds=0)
    assert result.kept.sum() == 26
    assert not result.kept[:4].any()


def test_a_run_with_too_little_time_is_excluded_with_its_reason():
    fd = np.zeros(200)
    fd[::2] = 1.0
    fd[150:] = 0
    result = censor(200, 2.0, fd=fd, what="sub-01_task-rest")
    assert result.kept.sum() == 51
    assert "102 s kept, fewer than 240 s" in result.excluded
    (row,) = result.rows
    assert tuple(row) == EXCLUSION_COLUMNS
    assert row["what"] == "sub-01_task-rest"
    assert row["value"] == 102
    assert row["threshold"] == 240


def test_nothing_left_is_excluded():
    result = censor(50, 2.0, fd=np.full(50, 2.0))
    assert result.excluded == "no volume left after censoring"
    assert len(result.rows) == 1


def test_bad_input_is_one_line():
    with pytest.raises(ValueError, match="fd: 9 values for 10 volumes"):
        censor(10, 2.0, fd=np.zeros(9))
    with pytest.raises(ValueError, match="nothing would be left"):
        censor(10, 2.0, drop=10)


def test_steady_state_counts_up_to_the_last_flag():
    table = pd.DataFrame(np.zeros((6, 3)), columns=["csf", *NON_STEADY])
    assert n_steady_state(table) == 0
    table.loc[0, NON_STEADY[0]] = 1
    table.loc[1, NON_STEADY[1]] = 1
    assert n_steady_state(table) == 2
    assert n_steady_state(table[["csf"]]) == 0


NON_STEADY = ["non_steady_state_outlier00", "non_steady_state_outlier01"]
