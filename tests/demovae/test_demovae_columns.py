"""The schema of the demographics and their coding."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.coding.demographics import ContinuousTerm, DemographicCoder
from neuro.demovae.coding.schema import (
    POOLED,
    Column,
    check_demographics,
    check_target,
    level_names,
    match_rows,
    missing_rows,
    parse_columns,
)


def coder(table, columns, **options):
    return DemographicCoder(parse_columns(columns), **options).fit(table)


@pytest.mark.parametrize("basis", ["spline", "poly"])
def test_smooth_terms_are_standardised_uncorrelated_and_span_the_cubics(basis):
    age = np.random.default_rng(0).uniform(8, 22, 200)
    term = ContinuousTerm(basis).fit(age)
    B = term.transform(age)
    assert B.shape == (200, {"spline": 4, "poly": 3}[basis])
    np.testing.assert_allclose(B.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.corrcoef(B.T), np.eye(B.shape[1]), atol=1e-8)
    np.testing.assert_allclose(B.std(axis=0, ddof=1), 1, atol=1e-8)
    np.testing.assert_allclose(B[:, 0], (age - age.mean()) / age.std(ddof=1))
    for power in (1, 2, 3):
        target = age**power - (age**power).mean()
        left = target - B @ np.linalg.lstsq(B, target, rcond=None)[0]
        assert np.abs(left).max() <= 1e-6 * np.abs(target).max()


def test_values_outside_the_training_range_are_coded_as_its_ends():
    term = ContinuousTerm("spline").fit(np.linspace(8, 22, 50))
    np.testing.assert_allclose(term.transform(np.array([2.0, 90.0])), term.transform([8.0, 22.0]))
    plain = ContinuousTerm("linear").fit(np.linspace(8, 22, 50))
    assert plain.transform(np.array([90.0]))[0, 0] > plain.transform(np.array([22.0]))[0, 0]
    raw = ContinuousTerm("raw").fit(np.linspace(8, 22, 50))
    assert raw.transform(np.array([90.0]))[0, 0] == 90


def test_a_column_with_two_values_has_one_term():
    term = ContinuousTerm("spline").fit(np.array([0.0, 1.0] * 10))
    assert term.transform(np.array([0.0, 1.0])).shape == (2, 1)


def test_missing_numbers_are_the_mean_and_missing_levels_the_frequencies():
    table = pd.DataFrame({"age": [8.0, 12, 16, np.nan], "site": ["a", "a", "b", None]})
    columns = [Column("age", "continuous"), Column("site", "categorical")]
    D = coder(table, columns, basis="linear", min_level_count=1).transform(table)
    assert D[3, 0] == 0
    np.testing.assert_allclose(D[3, 1:], [2 / 3, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (["b", "a", "b "], ["a", "b"]),
        ([2, 1, 2], ["1", "2"]),
        ([2.0, 1.0, np.nan], ["1", "2"]),
        ([True, False, True], ["False", "True"]),
        (["1", 1, 1.0], ["1"]),
    ],
)
def test_levels_of_any_type(values, levels):
    assert sorted(set(level_names(values)) - {""}) == levels


def test_rare_levels_are_pooled_and_said():
    table = pd.DataFrame({"site": ["a"] * 10 + ["b"] * 8 + ["c"] * 2 + ["d"]})
    with pytest.warns(UserWarning, match="fewer than 5 subjects, pooled: c, d"):
        found = coder(table, [Column("site", "categorical")])
    assert found.terms_["site"].levels_ == ["a", "b", POOLED]
    D = found.transform(pd.DataFrame({"site": ["d", "a"]}))
    np.testing.assert_array_equal(D, [[0, 0, 1], [1, 0, 0]])


def test_one_rare_level_and_all_rare_levels_stay():
    with pytest.warns(UserWarning, match="kept as they are: c"):
        one = coder(
            pd.DataFrame({"site": ["a"] * 9 + ["b"] * 9 + ["c"]}), [Column("site", "categorical")]
        )
    assert one.terms_["site"].levels_ == ["a", "b", "c"]
    with pytest.warns(UserWarning, match="kept as they are: a, b"):
        every = coder(pd.DataFrame({"sex": ["a", "b"]}), [Column("sex", "categorical")])
    assert every.terms_["sex"].levels_ == ["a", "b"]


def test_counts_are_of_subjects_not_of_runs():
    table = pd.DataFrame({"site": ["a"] * 6 + ["b"] * 12 + ["c"] * 6})
    groups = [*range(6), *[90, 91] * 6, *[95] * 6]
    with pytest.warns(UserWarning, match="pooled: b, c"):
        DemographicCoder([Column("site", "categorical")]).fit(table, groups)


def test_unseen_levels():
    table = pd.DataFrame({"site": ["KKI"] * 6 + ["NYU"] * 6})
    new = pd.DataFrame({"site": ["OX"]})
    columns = [Column("site", "categorical")]
    with pytest.raises(ValueError, match=r"unknown level 'OX' in 'site' \(known: KKI, NYU\)"):
        coder(table, columns).transform(new)
    assert not coder(table, columns, unseen="ignore").transform(new).any()
    np.testing.assert_allclose(coder(table, columns, unseen="mean").transform(new), 0.5)


def test_two_levels_as_one_scalar():
    table = pd.DataFrame({"sex": ["F", "M"] * 6, "site": list("abc") * 4})
    found = coder(
        table,
        [Column("sex", "categorical"), Column("site", "categorical")],
        coding="scalar",
        min_level_count=1,
    )
    assert found.transform(table).shape == (12, 4)
    assert found.names_ == ["sex[M]", "site[a]", "site[b]", "site[c]"]


def test_schema_problems_come_together():
    with pytest.raises(ValueError) as caught:
        parse_columns(
            [
                {"name": "age", "type": "number"},
                {"name": "sex", "type": "categorical", "role": "drop"},
                {"name": "site", "typ": "categorical"},
                {"type": "continuous"},
            ]
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "'age' has type 'number'" in lines[0]
    assert "role 'drop'" in lines[1]
    assert "unknown key 'typ'" in lines[2]


def test_columns_are_guessed_without_a_schema(demographics):
    found = {column.name: column.type for column in parse_columns(None, demographics)}
    assert found == {"age": "continuous", "sex": "categorical", "site": "categorical"}


def test_missing_and_constant_columns_are_named(demographics):
    table = demographics.assign(handedness=1.0)
    table.loc[[2, 5, 9], "age"] = np.nan
    columns = parse_columns(
        [
            {"name": "age", "type": "continuous"},
            {"name": "handedness", "type": "continuous"},
            {"name": "weight", "type": "continuous"},
        ]
    )
    lines = check_demographics(table, columns)
    assert lines[0] == (
        "demographics: column 'age' has 3 missing values (rows: 2, 5, 9); set missing='impute' "
        "or 'drop'"
    )
    assert lines[1] == "columns: 'handedness' is constant (1.0)"
    assert lines[2].startswith("demographics: no column 'weight'")
    assert missing_rows(table, columns[:1]).sum() == 3


def test_the_target_cannot_be_removed(demographics):
    y = (demographics["sex"] == "M").to_numpy(int)
    columns = parse_columns(None, demographics)
    assert check_target(y, demographics, columns) == [
        "columns: 'sex' is the prediction target and cannot have role remove"
    ]
    assert check_target(np.roll(y, 1), demographics, columns) == []
    condition = [Column("sex", "categorical", "condition")]
    assert check_target(y, demographics, condition) == []


def test_rows_are_matched_by_index_or_by_length(demographics):
    table = demographics.set_axis([f"s{i}" for i in range(60)])
    X = pd.DataFrame(np.zeros((3, 2)), index=["s7", "s0", "s3"])
    assert match_rows(X, table).index.tolist() == ["s7", "s0", "s3"]
    with pytest.raises(ValueError, match="no row for 1 of 2 rows of X, first 'zz'"):
        match_rows(pd.DataFrame(np.zeros((2, 2)), index=["s1", "zz"]), table)
    with pytest.raises(ValueError, match="60 rows for 3 rows of X"):
        match_rows(np.zeros((3, 2)), table)
    with pytest.raises(ValueError, match=r"expected a pandas\.DataFrame"):
        match_rows(np.zeros((3, 2)), [[1, 2, 3]])
    with pytest.raises(ValueError, match="index labels repeat"):
        match_rows(X, pd.concat([table, table]))
