"""Does a motif of BOLD come and go in subjects it was not fitted on."""

import numpy as np
import pandas as pd
import pytest

from neuro.io.recordings.reader import Recording
from neuro.ntf.beside import subjects_of
from neuro.ntf.communities import recur_subjects as recur
from neuro.ntf.factors.models import ConcatenatedNMF

TR, N_REGIONS, BLOCK = 2.0, 18, 6


def red(shape, rng, keep=0.7):
    """AR(1) noise of unit variance."""
    from scipy.signal import lfilter

    noise = rng.normal(size=shape)
    noise[0] /= np.sqrt(1 - keep**2)
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], noise, axis=0)


def resting(size, comes_and_goes, seed, n_subjects=6, n_frames=172):
    """Regions in blocks of six that share a signal, always or in two stretches of a minute."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n_subjects):
        x = red((n_frames, N_REGIONS), rng)
        for first in range(0, N_REGIONS, BLOCK):
            on = np.full(n_frames, not comes_and_goes, float)
            if comes_and_goes:
                for start in rng.integers(0, n_frames - 30, 2):
                    on[start : start + 30] = 1
            x[:, first : first + BLOCK] += size * on[:, None] * red((n_frames, 1), rng)
        out.append(x)
    return out


def p_values(series, seed=0, **options):
    """Of the components of all subjects."""
    values = np.concatenate([recur._values(x, 1 / TR) for x in series])[:, None]
    motifs = ConcatenatedNMF(3, n_starts=2, random_state=0).fit(values).pairs_
    return recur.subjects_recurrence(series, 1 / TR, motifs, random_state=seed, **options).p


def test_blocks_that_come_and_go_recur_and_a_stable_connectome_does_not():
    p = p_values(resting(1.5, True, 1), n_null=39)
    assert (p <= 0.05).all()
    stable = [p_values(resting(0.9, False, seed), n_null=39) for seed in (1, 2)]
    # the connectome is as strong, yet nothing varies: more than one of six would be no chance
    assert (np.concatenate(stable) <= 0.05).sum() <= 1


@pytest.mark.slow
def test_false_positives_are_those_of_chance():
    p = np.concatenate([p_values(resting(0.9, False, 50 + k), k, n_null=99) for k in range(40)])
    assert len(p) == 120 and (p <= 0.05).mean() <= 0.10


def test_new_phases_keep_connectome_and_spectra():
    for n_frames in (172, 173):
        x = resting(0.9, False, 0, n_subjects=1, n_frames=n_frames)[0]
        y = recur.new_phases(x, np.random.default_rng(1))
        np.testing.assert_allclose(np.cov(x.T), np.cov(y.T), atol=1e-9)
        np.testing.assert_allclose(x.mean(axis=0), y.mean(axis=0), atol=1e-12)
        size = [np.abs(np.fft.rfft(one, axis=0)) for one in (x, y)]
        np.testing.assert_allclose(*size, atol=1e-8)
        assert np.abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]) < 0.5


def test_strength_is_the_sum_over_pairs_of_weight_times_correlation():
    """Against a loop; a region with a gap takes no part in its windows."""
    x = resting(0.9, False, 0, n_subjects=1)[0][:100]
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(N_REGIONS, N_REGIONS))
    weight = weight + weight.T
    np.fill_diagonal(weight, 0)
    seen = np.ones(x.shape, bool)
    seen[40, 3] = False
    expected = []
    for start in (0, 15, 30, 45, 60):
        r = np.corrcoef(x[start : start + 30].T)
        if start <= 40 < start + 30:
            r[3] = r[:, 3] = 0
        expected.append((weight * r).sum())
    np.testing.assert_allclose(
        recur.fluctuation(weight[None], x, seen, 0.5), [np.var(expected)], rtol=1e-4
    )


def test_few_copies_of_many_subjects_stand_for_many():
    """Sums of one of 19 of each have the mean and the spread of as many new ones."""
    rng = np.random.default_rng(0)
    total = np.zeros((1, 4000))
    for size in rng.uniform(1, 3, 200):
        total += recur._drawn(size * rng.normal(1, 1, (1, 19)), 4000, rng)
    sizes = np.random.default_rng(0).uniform(1, 3, 200)
    assert total.std() == pytest.approx(np.sqrt((sizes**2).sum()), rel=0.1)
    copies = rng.normal(size=(2, 9))
    np.testing.assert_array_equal(recur._drawn(copies, 9, rng), copies)


def test_runs_of_a_subject_stay_on_one_side(monkeypatch):
    series = resting(1.5, True, 1)
    series[1] = series[0]
    names = ["sub-1_run-1", "sub-1_run-2", "sub-2", "sub-3", "sub-4", "sub-5"]
    items = [Recording(name, x, 0.5) for name, x in zip(names, series)]
    family = subjects_of(items)
    assert family.tolist() == [0, 0, 1, 2, 3, 4]
    sides = []
    whole = recur.fitted

    def fitted(blocks, *rest):
        sides.append([block.tobytes() for block in blocks])
        return whole(blocks, *rest)

    monkeypatch.setattr(recur, "fitted", fitted)
    p_values(series, family=family, n_null=3)
    one, other = map(set, sides)
    assert not one & other and sum(map(len, sides)) == 6


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([np.zeros((172, 4))] * 3, "3 subjects are too few for two halves of two"),
        ([np.zeros((80, 4))] * 4, "160 s are too short for three windows of 60 s"),
    ],
)
def test_what_cannot_be_tested_is_said(series, message):
    with pytest.raises(ValueError, match=message):
        recur.subjects_recurrence(series, 0.5, np.ones((6, 2)))


def test_the_table_says_why_there_was_no_test():
    from neuro.ntf.communities.recur import recurrence_table

    table = recurrence_table(2, 0, "3 subjects are too few for two halves of two")
    assert isinstance(table, pd.DataFrame) and table["p_value"].isna().all()
    assert set(table["reason"]) == {"3 subjects are too few for two halves of two"}
