"""Motion and connectivity over subjects: planted edges, planted distance, missing values."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neuro.fmri.quality.qcfc import qc_fc
from neuro.fmri.regions.group import by_participant


def planted(seed=0, n_subjects=100, n_edges=1000, share=0.2):
    rng = np.random.default_rng(seed)
    mean_fd = rng.uniform(0.05, 0.5, n_subjects)
    hit = np.zeros(n_edges, dtype=bool)
    hit[rng.permutation(n_edges)[: int(share * n_edges)]] = True
    edges = 0.3 + 0.1 * rng.standard_normal((n_subjects, n_edges))
    edges[:, hit] += 0.5 * mean_fd[:, None]
    return edges, mean_fd, hit


def test_planted_edges_are_the_ones_reported():
    edges, mean_fd, hit = planted()
    result = qc_fc(edges, mean_fd)
    assert result.significant[hit].mean() > 0.97
    assert result.share_fdr == pytest.approx(0.2, abs=0.03)
    # Uncorrected, chance adds 5 % of the clean edges.
    assert result.share == pytest.approx(0.2 + 0.05 * 0.8, abs=0.03)
    assert result.n_subjects == 100
    assert result.n_edges == 1000


def test_r_and_p_equal_scipys():
    edges, mean_fd, _ = planted(1, 30, 20)
    result = qc_fc(edges, mean_fd)
    for j in range(20):
        r, p = stats.pearsonr(edges[:, j], mean_fd)
        assert result.r[j] == pytest.approx(r, abs=1e-12)
        assert result.p[j] == pytest.approx(p, rel=1e-9)
    assert result.median_abs_r == pytest.approx(np.median(np.abs(result.r)))


def test_distance_dependence_has_the_planted_sign():
    rng = np.random.default_rng(2)
    mean_fd = rng.uniform(0.05, 0.5, 80)
    distance = rng.uniform(10, 150, 600)
    edges = 0.1 * rng.standard_normal((80, 600)) + mean_fd[:, None] * (0.4 - 0.004 * distance)
    result = qc_fc(edges, mean_fd, distance)
    assert result.slope < 0
    assert result.distance_r < -0.5
    assert result.slope == pytest.approx(np.polyfit(distance, result.r, 1)[0])
    assert qc_fc(edges, mean_fd, 160 - distance).slope > 0


def test_missing_edges_and_subjects_are_left_out_one_by_one():
    edges, mean_fd, _ = planted(3, 25, 8)
    edges[3:9, 0] = np.nan
    edges[:, 1] = np.nan
    edges[:, 2] = 0.5
    edges[4:, 3] = np.nan
    edges[3, 3] = np.nan
    mean_fd[20] = np.nan
    result = qc_fc(edges, mean_fd)
    have = np.isfinite(edges[:, 0]) & np.isfinite(mean_fd)
    assert result.r[0] == pytest.approx(stats.pearsonr(edges[have, 0], mean_fd[have])[0])
    assert np.isnan(result.r[[1, 2, 3]]).all()
    assert not result.significant[[1, 2, 3]].any()
    assert result.n_edges == 5
    assert result.n_subjects == 24


def test_edges_that_pass_the_false_discovery_rate_are_those_of_scipy():
    edges, mean_fd, _ = planted(4, 60, 200)
    edges[:, 3] = np.nan
    result = qc_fc(edges, mean_fd)
    live = np.isfinite(result.p)
    expected = stats.false_discovery_control(result.p[live]) <= 0.05
    np.testing.assert_array_equal(result.significant[live], expected)
    assert not result.significant[3] and 0 < expected.sum() < len(expected)


def test_table_has_a_row_per_edge():
    edges, mean_fd, _ = planted(5, 20, 6)
    table = qc_fc(edges, mean_fd).table(np.column_stack(np.triu_indices(4, 1)), "before")
    assert list(table.columns) == ["stage", "edge", "i", "j", "r", "p", "distance_mm"]
    assert table["j"].to_list() == [1, 2, 3, 2, 3, 3]


def test_bad_shapes_are_one_line():
    edges, mean_fd, _ = planted(6, 20, 6)
    with pytest.raises(ValueError, match="for 19 values of mean_fd"):
        qc_fc(edges, mean_fd[:19])
    with pytest.raises(ValueError, match="5 values for 6 edges"):
        qc_fc(edges, mean_fd, np.ones(5))
    with pytest.raises(ValueError, match="at least 4"):
        qc_fc(edges, np.full(20, np.nan))


def test_runs_of_a_person_are_averaged_and_do_not_count_twice():
    edges, mean_fd, _ = planted(4, 30, 40)
    once = qc_fc(edges, mean_fd)
    runs = pd.DataFrame(
        {
            "participant_id": [f"{k:02d}" for k in range(30)] * 2,
            "n_kept": [103] * 30 + [53] * 30,
            "mean_fd": np.r_[mean_fd - 0.01, mean_fd + 0.01],
        }
    )
    shift = np.full((30, 1), 0.03)
    values, fd = by_participant(np.r_[edges - shift, edges + 2 * shift], runs, "fisher_z")
    np.testing.assert_allclose(values, edges, atol=1e-6)
    np.testing.assert_allclose(fd, mean_fd)
    again = qc_fc(values, fd)
    assert again.n_subjects == 30
    np.testing.assert_allclose(again.p, once.p, rtol=1e-3)


def test_participants_without_motion_or_with_one_run_less():
    runs = pd.DataFrame(
        {
            "participant_id": ["b", "a", "b", "c"],
            "n_kept": [100, 100, np.nan, np.nan],
            "mean_fd": [0.1, np.nan, 0.3, np.nan],
        }
    )
    edges = np.array([[1.0, np.nan], [2, 2], [3, 4], [5, 5]])
    values, fd = by_participant(edges, runs.assign(n_kept=np.nan), "fisher_z")
    np.testing.assert_allclose(values, [[2, 4], [2, 2], [5, 5]])
    np.testing.assert_allclose(fd, [0.2, np.nan, np.nan])
    weighted = by_participant(edges, runs, "fisher_z")[0]
    assert weighted[0, 0] == pytest.approx((97 * 1 + 1 * 3) / 98)
