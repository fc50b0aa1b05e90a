"""Dwell times, transitions, and groups of animals: planted values, and silence under the null."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neuro.io.problems import InputProblem
from neuro.ntf import states


def factors(sequences, rank=3, fs=0.5, epoch=None, alignment="none"):
    """Factors in which one motif is active at a time, as listed per animal; -1: no data."""
    cube = np.zeros((len(sequences[0]), len(sequences), rank))
    mask = np.ones(cube.shape[:2], bool)
    for w, sequence in enumerate(sequences):
        for t, state in enumerate(sequence):
            if state < 0:
                mask[t, w] = False
            else:
                cube[t, w, state] = 1
    return SimpleNamespace(
        time_=cube,
        animals_=np.ones((len(sequences), rank)),
        lambda_=np.ones(rank),
        frame_mask=mask,
        animals=[f"w{k + 1}" for k in range(len(sequences))],
        fs=fs,
        time_map={"epoch": np.zeros(len(cube), int) if epoch is None else np.asarray(epoch)},
        time_alignment=alignment,
    )


def test_dwell_times_and_shares_are_those_of_the_sequence():
    table = states.state_table(factors([[0, 0, 1, 0, 0, 0, -1, 2], [1] * 8]))
    first = table[table["animal"] == "w1"].set_index("component")
    assert first.loc[1, ["visits", "dwell_s", "longest_s"]].tolist() == [2, 5.0, 6.0]
    assert first["share"].tolist() == pytest.approx([5 / 7, 1 / 7, 1 / 7])
    second = table[table["animal"] == "w2"].set_index("component")
    assert second.loc[2, ["share", "visits", "dwell_s"]].tolist() == [1, 1, 16.0]
    assert second.loc[1, "visits"] == 0 and np.isnan(second.loc[1, "dwell_s"])


def test_transitions_are_counted_where_one_follows_the_other():
    table = states.transition_table(factors([[0, 0, 1, 0, 1, -1, 2, 0], [2, 0, 0, 0, 0, 0, 0, 0]]))
    found = table.set_index(["before", "after"])
    assert found.loc[(1, 2), "count"] == 2 and found.loc[(2, 1), "count"] == 1
    assert found.loc[(3, 1), "count"] == 2 and found.loc[(2, 3), "count"] == 0, "a gap is between"
    assert found.loc[(1, 2), "probability"] == 1
    # visits: motif 1 four times, 2 twice, 3 twice
    assert found.loc[(1, 2), "chance"] == pytest.approx(2 / 4)
    assert found.loc[(3, 1), "chance"] == pytest.approx(4 / 6)


def test_nothing_follows_across_the_end_of_an_epoch():
    epoch = [0, 0, 0, 0, 1, 1, 1, 1]
    apart = factors([[0, 0, 0, 0, 1, 1, 1, 1]], epoch=epoch, alignment="stimulus")
    assert not states.transition_table(apart)["count"].any()
    same = factors([[0] * 8], epoch=epoch, alignment="stimulus")
    assert states.state_table(same)["visits"].max() == 2
    assert states.transition_table(factors([[0, 0, 0, 0, 1, 1, 1, 1]]))["count"].sum() == 1


def test_two_groups_agree_with_students_t_on_all_rearrangements():
    rng = np.random.default_rng(0)
    x, groups = rng.random((8, 3)), ["a"] * 4 + ["b"] * 4
    table = states.group_table(x, groups)
    t = stats.ttest_ind(x[:4], x[4:])
    np.testing.assert_allclose(table["statistic"], t.statistic**2)
    np.testing.assert_allclose(table["mean_a"], x[:4].mean(axis=0))
    assert (table["n_permutations"] == 70).all()
    want = stats.permutation_test(
        (x[:4, 0], x[4:, 0]),
        lambda a, b: stats.ttest_ind(a, b).statistic ** 2,
        alternative="greater",
        n_resamples=np.inf,
    ).pvalue
    assert table["p_value"].iloc[0] == pytest.approx(want)


def test_three_groups_are_an_analysis_of_variance():
    rng = np.random.default_rng(1)
    x, groups = rng.random((15, 2)), np.repeat(["a", "b", "c"], 5)
    table = states.group_table(x, groups, n_permutations=199)
    want = stats.f_oneway(x[:5], x[5:10], x[10:]).statistic
    np.testing.assert_allclose(table["statistic"], want)


def test_a_planted_difference_is_found_and_chance_is_kept():
    """Rate of the corrected p over 200 draws without a difference; its upper limit is binomial."""
    rng = np.random.default_rng(2)
    groups = ["a"] * 6 + ["b"] * 6
    x = rng.normal(1, 0.2, (12, 4))
    x[6:, 2] += 1
    table = states.group_table(x, groups, n_permutations=499)
    assert table["p_corrected"].iloc[2] <= 0.01 and (table["p_corrected"].drop(2) > 0.05).all()
    false = [
        (states.group_table(rng.gamma(2, 1, (12, 4)), groups, n_permutations=99, seed=k))[
            "p_corrected"
        ].min()
        <= 0.05
        for k in range(200)
    ]
    assert stats.binom.cdf(sum(false) - 1, 200, 0.05) < 0.999


def test_animals_without_a_group_are_left_out():
    rng = np.random.default_rng(3)
    x = rng.random((8, 2))
    groups = ["a", "a", "a", "", "b", "b", "b", ""]
    kept = [0, 1, 2, 4, 5, 6]
    got = states.group_table(x, groups)
    pd.testing.assert_frame_equal(got, states.group_table(x[kept], [groups[k] for k in kept]))
    assert (got["n_animals"] == 6).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("animal\tstrain\nw1\ta\n", "no column 'group'"),
        ("animal\tgroup\nw1\ta\nw1\tb\n", "'w1' stands 2 times"),
        ("animal\tgroup\nx\ta\n", "'x' has a group but no recording"),
        ("animal\tgroup\nw1\ta\nw2\ta\nw3\ta\nw4\tb\n", "groups are a 3, b 1; expected two"),
    ],
)
def test_tables_of_groups_that_do_not_fit_are_one_line(tmp_path, rows, message):
    (tmp_path / "groups.tsv").write_text(rows)
    with pytest.raises(InputProblem, match=message):
        states.read_groups(tmp_path / "groups.tsv", [f"w{k}" for k in range(1, 7)])


def test_groups_are_read_in_the_order_of_the_animals(tmp_path):
    rows = "".join(f"w{k}\t{'ab'[k % 2]}\n" for k in range(6, 0, -1))
    (tmp_path / "groups.tsv").write_text("animal\tgroup\n" + rows)
    animals = [f"w{k}" for k in range(1, 8)]
    assert states.read_groups(tmp_path / "groups.tsv", animals) == [*"bababa", ""]
