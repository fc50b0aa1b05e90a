"""Who is judged and in which fold: balance, subjects kept together, exclusions, messages."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.io.problems import InputProblem
from neuro.stats.splits import stratified_group_folds
from neuro.stats.subjects import (
    iterate_folds,
    make_folds,
    merged_sites,
    possible_schemes,
    select_subjects,
)

PEKING = {"Peking": ["Peking_1", "Peking_2"]}


def people(n=60, sites=("NYU", "KKI", "Peking_1", "Peking_2")):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "participant_id": [f"{i:04d}" for i in range(n)],
            "site": np.asarray(sites, dtype=object)[np.arange(n) % len(sites)],
            "dx": (rng.random(n) < 0.4).astype(float),
            "age": 10.0,
        }
    )


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 3)), min_size=12, max_size=80),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
)
def test_no_subject_is_on_both_sides_for_any_table_of_runs(runs, n_folds, seed):
    groups = np.array([subject for subject, _ in runs])
    strata = np.array([subject % 3 for subject, _ in runs])
    subjects = np.unique(groups)
    if len(subjects) < n_folds:
        with pytest.raises(ValueError, match=f"got {n_folds} for {len(subjects)} subjects"):
            stratified_group_folds(groups, strata, n_folds, seed)
        return
    fold = stratified_group_folds(groups, strata, n_folds, seed)
    for part in range(n_folds):
        assert not set(groups[fold == part]) & set(groups[fold != part])
    size = [len(set(groups[fold == part])) for part in range(n_folds)]
    assert max(size) - min(size) <= 1
    of = {subject: fold[groups == subject][0] for subject in subjects}
    for stratum in range(3):
        inside = [of[subject] for subject in subjects if subject % 3 == stratum]
        counts = np.bincount(inside, minlength=n_folds)
        assert counts.max() - counts.min() <= 1


def test_folds_do_not_depend_on_the_order_of_rows_but_on_the_seed():
    groups = np.arange(40)
    strata = groups % 2
    fold = stratified_group_folds(groups, strata, 5, 3)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(
        stratified_group_folds(groups[order], strata[order], 5, 3), fold[order]
    )
    assert not np.array_equal(fold, stratified_group_folds(groups, strata, 5, 4))


def test_fold_table_is_balanced_for_site_and_diagnosis():
    chosen, _ = select_subjects(people(120), site_groups=PEKING)
    folds = make_folds(chosen, repeats=3)
    assert list(folds.columns) == ["participant_id", "scheme", "repeat", "fold"]
    pooled = folds[folds["scheme"] == "pooled"].merge(chosen, on="participant_id")
    assert set(pooled["repeat"]) == {1, 2, 3}
    assert not pooled.duplicated(["participant_id", "repeat"]).any()
    counts = pooled.groupby(["repeat", "site", "dx", "fold"]).size().unstack(fill_value=0)
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1
    out = folds[folds["scheme"] == "leave_site_out"].merge(chosen, on="participant_id")
    assert (out["fold"] == out["site_group"]).all()
    assert set(out["fold"]) == {"NYU", "KKI", "Peking"}
    first = pooled[pooled["repeat"] == 1]["fold"].to_numpy()
    assert not np.array_equal(first, pooled[pooled["repeat"] == 2]["fold"].to_numpy())


def test_iterating_covers_every_row_once_and_keeps_runs_together():
    chosen, _ = select_subjects(people())
    folds = make_folds(chosen, repeats=2)
    groups = np.repeat(chosen["participant_id"].to_numpy(), 2)
    seen = {}
    for scheme, repeat, _, train, test in iterate_folds(folds, groups):
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == len(groups)
        seen.setdefault((scheme, repeat), []).extend(test.tolist())
    assert len(seen) == 3
    for rows in seen.values():
        assert sorted(rows) == list(range(len(groups)))


def test_a_subject_in_two_folds_or_in_none_is_an_error():
    chosen, _ = select_subjects(people())
    folds = make_folds(chosen, repeats=1, schemes=("pooled",))
    twice = pd.concat([folds, folds.iloc[[7]].assign(fold="9")])
    with pytest.raises(ValueError, match="subject '0007' is in two folds of pooled, repeat 1"):
        list(iterate_folds(twice, chosen["participant_id"]))
    with pytest.raises(ValueError, match="subject '0000' is in no fold"):
        list(iterate_folds(folds.iloc[1:], chosen["participant_id"]))


def test_single_class_sites_and_missing_diagnoses_are_listed():
    table = people(80, ("NYU", "KKI", "Pitt", "Peking_1"))
    table.loc[table["site"] == "Pitt", "dx"] = 0.0
    table.loc[4, "dx"] = np.nan
    chosen, rows = select_subjects(table)
    assert "Pitt" not in set(chosen["site"]) and "0004" not in set(chosen["participant_id"])
    reasons = {row["what"]: row["reason"] for row in rows}
    assert reasons["0004"] == "no diagnosis"
    assert reasons["0002"] == ("site with controls only, used for maps but not for classification")
    assert len(rows) + len(chosen) == 80
    assert {row["value"] for row in rows} == {None, "Pitt"}
    kept, rows = select_subjects(table, keep_single_class_sites=True)
    assert "Pitt" in set(kept["site"]) and len(rows) == 1


def test_merged_sites_count_as_one():
    table = people(40, ("Peking_1", "Peking_2", "NYU"))
    table.loc[table["site"] == "Peking_1", "dx"] = 0.0
    chosen, rows = select_subjects(table, site_groups=PEKING)
    assert not rows
    assert set(chosen["site_group"]) == {"Peking", "NYU"}
    assert list(merged_sites(["Peking_2", "X"], PEKING)) == ["Peking", "X"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="site"), "no column 'site'; found participant_id"),
        (lambda t: t.drop(columns=["site", "dx"]), "no column 'dx'"),
        (lambda t: t.assign(dx=t["dx"].replace(1.0, -999)), "is -999.0; expected 0"),
        (lambda t: t.assign(dx=0), r"only one class is left .* sites: NYU \(15\)"),
        (lambda t: t.assign(site=None), "no site for 60 subjects, first '0000'"),
        (
            lambda t: pd.concat([t, t.iloc[[3]].assign(dx=1 - t["dx"].iloc[3])]),
            "'0003' has 2 values of 'dx'",
        ),
        (
            lambda t: t.assign(site=t["participant_id"], dx=t["dx"]),
            "only one class is left",
        ),
    ],
)
def test_bad_participants_tables(change, message):
    with pytest.raises(InputProblem, match=message) as caught:
        select_subjects(change(people()))
    assert all("\n" not in line for line in caught.value.problems)


def test_of_a_wide_table_twelve_columns_are_named():
    table = people().drop(columns="site")
    table = table.reindex(columns=[*table.columns, *"abcdefghijklm"])
    with pytest.raises(InputProblem, match="no column 'site'; found") as caught:
        select_subjects(table)
    assert caught.value.problems[0].split("found ")[1].split(", ") == list(table.columns[:12])


def test_all_problems_come_at_once():
    table = people().assign(site=None)
    table.loc[5, "dx"] = 2
    with pytest.raises(InputProblem) as caught:
        select_subjects(table)
    assert len(caught.value.problems) == 2


def test_who_has_no_site_is_left_out_and_listed():
    table = people()
    whole, _ = select_subjects(table)
    table.loc[[0, 7], "site"] = None
    chosen, rows = select_subjects(table)
    assert [row["what"] for row in rows if row["reason"] == "no site"] == ["0000", "0007"]
    assert set(whole["participant_id"]) - set(chosen["participant_id"]) == {"0000", "0007"}


def test_one_site_leaves_a_scheme_out_unless_it_is_the_only_one():
    one, _ = select_subjects(people(40, ("NYU",)))
    schemes, rows = possible_schemes(one, ["pooled", "leave_site_out"])
    assert schemes == ["pooled"] and [row["what"] for row in rows] == ["scheme leave_site_out"]
    assert possible_schemes(one, ["leave_site_out"]) == (["leave_site_out"], [])
    several, _ = select_subjects(people())
    assert possible_schemes(several, ["pooled", "leave_site_out"])[1] == []


def test_one_site_cannot_be_left_out():
    chosen, _ = select_subjects(people(40, ("NYU",)))
    with pytest.raises(ValueError, match=r"found 1 \(NYU\); use schemes: \[pooled\]") as caught:
        make_folds(chosen)
    assert "\n" not in str(caught.value)
    assert set(make_folds(chosen, schemes=["pooled"])["fold"]) == set("12345")


def test_other_bad_fold_settings():
    chosen, _ = select_subjects(people(12, ("NYU", "KKI")))
    few = chosen[(chosen["dx"] == 0) | (chosen.index < 6)]
    smallest = few["dx"].value_counts().min()
    with pytest.raises(ValueError, match=f"a class has only {smallest} subjects"):
        make_folds(few, outer_folds=6)
    with pytest.raises(ValueError, match="schemes: got 'random'"):
        make_folds(chosen, schemes=["random"], outer_folds=2)


@pytest.mark.parametrize("n", [4, 5, 6, 8])
@pytest.mark.parametrize("outer", [2, 3, 5])
def test_a_cohort_of_a_handful_is_judged_or_refused_in_one_line(n, outer):
    """Inner folds of a few subjects may lack a class or a subject; a job must not show a stack."""
    rng = np.random.default_rng(n)
    X, who = rng.standard_normal((n, 6)), [f"{number:02d}" for number in range(n)]
    told = []
    for cases in range(1, n):
        y = (np.arange(n) < cases).astype(int)
        for model in (GraphDiagnosis(mask_rule="none"), GraphDiagnosis(regions=list("aabbcc"))):
            try:
                nested_cv(model, X, y, who, np.resize(["a", "b"], n), outer_folds=outer, repeats=1)
            except InputProblem as problem:
                assert len(str(problem).splitlines()) == 1
                assert "use " in str(problem)
                told.append(str(problem))
    assert told
