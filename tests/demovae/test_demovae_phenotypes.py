"""Every column predicted before and after removal, with nulls and false discovery rates."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from neuro.demovae.coding.cohort import Cohort
from neuro.demovae.coding.schema import Column
from neuro.demovae.evaluation import phenotypes as scan_of
from neuro.demovae.evaluation.read_many import PENALTIES, Targets, read_many, score
from neuro.demovae.evaluation.readouts import compact
from neuro.stats.false_discovery import adjusted_p
from neuro.stats.splits import sorted_folds

SETTINGS = {
    "mode": "linear",
    "latent_dim": 12,
    "validation": 0.1,
    "age_basis": "linear",
    "min_level_count": 5,
    "phenotypes": {"permutations": 39},
}
COLUMNS = (
    Column("age", "continuous"),
    Column("sex", "categorical"),
    Column("site", "categorical"),
    Column("dx", "categorical", "condition"),
)


def make(n=240, sessions=("",), seed=0):
    """Strong maps of age, sex, site, reading and a class of three; noise has none."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({"participant_id": [f"{k:04d}" for k in range(n)]})
    people["age"] = rng.uniform(8, 22, n)
    people["sex"] = rng.choice(["F", "M"], n)
    people["site"] = rng.choice(["alpha", "beta"], n)
    people["dx"] = rng.integers(0, 2, n)
    people["reading"] = rng.normal(100, 15, n)
    people["type"] = rng.choice(["a", "b", "c"], n)
    people["noise"] = rng.normal(size=n)
    people["coin"] = rng.integers(0, 2, n)
    maps = rng.standard_normal((8, 190))
    code = [
        (people["age"] - 15) / 4,
        people["sex"] == "M",
        people["site"] == "beta",
        (people["reading"] - 100) / 10,
        people["type"] == "a",
        people["type"] == "b",
    ]
    clean = 1.5 * np.column_stack([np.asarray(one, float) for one in code]) @ maps[:6]
    clean += rng.standard_normal((n, 6)) @ rng.standard_normal((6, 190))
    edges = np.concatenate([clean + rng.standard_normal((n, 190)) for _ in sessions])
    keys = [f"sub-{who}{s}_task-rest" for s in sessions for who in people["participant_id"]]
    rows = pd.concat([people] * len(sessions), ignore_index=True)
    names = [f"R{k}" for k in range(20)]
    return Cohort((0.03 * edges).astype(np.float32), rows, keys, names, "pearson", COLUMNS, [])


@pytest.fixture(scope="module")
def table():
    return scan_of.scan(make(), SETTINGS, 0, lambda line: None)[0]


def test_ridge_of_every_permutation_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    n = 60
    Z = rng.standard_normal((n, 15)) * np.linspace(1, 3, 15)
    y = Z[:, 0] + rng.standard_normal(n)
    phenotype = scan_of.Phenotype("y", "number", y, [])
    targets = Targets.permuted(phenotype, np.arange(n) % 3, 4, rng)
    person, fold = np.arange(n), np.arange(n) % 5
    found = read_many(Z, person, person, person, fold, targets)[:, 0]
    for number, values in enumerate(targets.values.T):
        expected = np.empty(n)
        for part in range(5):
            learn, new = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
            A, B = compact(Z[learn], Z[new])
            penalties = PENALTIES * (A**2).mean() * A.shape[1] * len(A)
            inner = sorted_folds(np.zeros(len(A)), 3, learn)
            errors = [
                sum(
                    (
                        (
                            Ridge(alpha=penalty * (inner != k).mean())
                            .fit(A[inner != k], values[learn][inner != k])
                            .predict(A[inner == k])
                            - values[learn][inner == k]
                        )
                        ** 2
                    ).sum()
                    for k in range(3)
                )
                for penalty in penalties
            ]
            best = penalties[int(np.argmin(errors))]
            expected[new] = Ridge(alpha=best).fit(A, values[learn]).predict(B)
        np.testing.assert_allclose(found[:, number], expected, rtol=1e-6, atol=1e-8)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 3, 90).astype(float)
    phenotype = scan_of.Phenotype("k", "classes", codes, ["a", "b", "c"])
    targets = Targets.permuted(phenotype, np.zeros(90, int), 3, rng)
    guess = rng.standard_normal((90, 3, 4)).round(1)
    found = score(targets, np.arange(90), guess)
    for number, values in enumerate(targets.values.T):
        areas = [roc_auc_score(values == code, guess[:, code, number]) for code in range(3)]
        assert found[number] == pytest.approx(np.mean(areas))


def test_values_change_places_within_cells_only_and_gaps_stay():
    values = np.array([1.0, 2, np.nan, 3, 4, np.nan])
    phenotype = scan_of.Phenotype("v", "number", values, [])
    cells = np.array([0, 0, 0, 1, 1, 1])
    found = Targets.permuted(phenotype, cells, 20, np.random.default_rng(0)).values
    assert (np.isnan(found) == np.isnan(values)[:, None]).all()
    assert {tuple(sorted(one[:2])) for one in found.T} == {(1, 2)}
    assert len(np.unique(found[3])) == 2


def test_what_is_removed_goes_and_what_is_not_stays(table):
    keys = ["features", "bottleneck", "column"]
    got = table.sort_values(keys).set_index(keys)["value"]
    raw, control, latent = (
        got[one] for one in (("none", 0), ("combat_residual", 12), ("linear", 12))
    )
    assert raw["age"] > 0.6 and raw["sex"] > 0.9 and raw["site"] > 0.9
    assert latent["site"] < 0.75
    for left in (control, latent):
        assert left["age"] < 0.2 and left["sex"] < 0.7
        assert left["reading"] > 0.5 * raw["reading"] > 0.3
        assert left["type"] > 0.75
    assert (table["shared_people"] == 0).all()
    assert set(table["features"]) == {"none", "combat_residual", "linear"}
    assert set(table.loc[table["features"] == "none", "bottleneck"]) == {0, 12}


def test_noise_is_not_found_and_planted_columns_are(table):
    q = table.set_index(["features", "bottleneck", "column"])["q"]
    for features in (("none", 0), ("none", 12), ("linear", 12), ("combat_residual", 12)):
        assert q[features]["reading"] < 0.1 and q[features]["type"] < 0.1
        assert q[features]["noise"] > 0.05 and q[features]["coin"] > 0.05
    for _, part in table.groupby(["features", "bottleneck"]):
        np.testing.assert_allclose(part["q"], adjusted_p(part["p"]))
        assert (part["p"] >= 1 / 40 - 1e-12).all()
        rest = part[part["column"].isin(("noise", "coin"))]
        assert (np.abs(rest["value"] - rest["null_mean"]) < 4.5 * rest["null_sd"]).all()
    roles = table.drop_duplicates("column").set_index("column")["role"].to_dict()
    assert roles["age"] == "remove" and roles["reading"] == "not named"
    kinds = table.drop_duplicates("column").set_index("column")["metric"].to_dict()
    assert kinds["reading"] == "r2" and kinds["type"] == kinds["dx"] == "auc"


def test_sessions_are_learned_from_and_tested_on_each_other():
    cohort = make(120, ("_ses-1", "_ses-2"))
    kinds = scan_of.run_kinds(cohort)
    assert list(kinds) == ["ses-1_task-rest", "ses-2_task-rest"]
    light = {**SETTINGS, "phenotypes": {"permutations": 3}}
    table, _ = scan_of.scan(cohort, light, 0, lambda line: None)
    raw = table[(table["features"] == "none") & (table["bottleneck"] == 0)]
    values = raw[raw["column"] == "reading"].set_index(["fit", "test"])["value"]
    assert len(values) == 5 and (values > 0.3).all()
    noise = raw[raw["column"] == "noise"].set_index(["fit", "test"])["value"]
    assert (noise < 0.1).all()
    assert (raw["n"] == 120).all()


def test_people_in_any_order_keep_their_values():
    """The dealing follows names, so the scores of reordered rows are the same but for ties."""
    cohort = make(120)
    order = np.random.default_rng(1).permutation(120)
    light = {**SETTINGS, "phenotypes": {"permutations": 3}}
    table, _ = scan_of.scan(cohort.rows(order), light, 0, lambda line: None)
    raw = table[table["bottleneck"] == 0].set_index("column")["value"]
    assert raw["reading"] > 0.9 and raw["age"] > 0.9 and raw["type"] > 0.95
    assert raw["noise"] < 0.1


def test_a_fingerprint_of_the_person_is_no_transfer():
    """Rows of the same people in two sessions, a column that nothing tells: nobody is learned."""
    cohort = make(120, ("_ses-1", "_ses-2"), seed=3)
    rng = np.random.default_rng(0)
    own = rng.standard_normal((120, 190)) * 0.3
    cohort.edges[:] = np.concatenate([own, own]).astype(np.float32)
    light = {**SETTINGS, "phenotypes": {"permutations": 3}}
    table, _ = scan_of.scan(cohort, light, 0, lambda line: None)
    values = table[(table["column"] == "noise") & (table["bottleneck"] == 0)]["value"]
    assert (values < 0.1).all()


def test_what_a_half_lacks_is_listed_and_leaves_no_row(monkeypatch):
    cohort = make(60)
    cohort.demographics.loc[8:, "reading"] = np.nan
    cohort.demographics.loc[:12, "noise"] = np.nan
    monkeypatch.setattr(scan_of, "_FEWEST_IN_A_HALF", 28)
    light = {**SETTINGS, "phenotypes": {"permutations": 3}}
    table, left_out = scan_of.scan(cohort, light, 0, lambda line: None)
    assert not {"reading", "noise"} & set(table["column"]) and table["value"].notna().all()
    reasons = {row["what"]: row["reason"] for row in left_out}
    assert reasons == {
        "column reading": "fewer people with a value than are needed",
        "column noise": "too few people with a value in a half",
    }


def test_a_study_without_a_column_to_read_has_an_empty_table(monkeypatch):
    monkeypatch.setattr(scan_of, "FEWEST", 1000)
    table, left_out = scan_of.scan(make(60), SETTINGS, 0, lambda line: None)
    assert table.empty and list(table.columns) == list(scan_of.COLUMNS)
    assert len(left_out) == 8


def test_columns_that_cannot_be_read_are_listed():
    people = make(60).demographics.assign(
        hand="R", free=[f"text {k}" for k in range(60)], rare=["x"] * 55 + ["y"] * 5
    )
    people["few"] = [1.0] * 10 + [np.nan] * 50
    people["log_mean_fd"], people["mean_fd"], people["n_kept"] = 0.1 * people["noise"], 0.1, 60
    found, left_out = scan_of.phenotypes(people)
    names = [one.name for one in found]
    assert "log_mean_fd" in names and not {"mean_fd", "n_kept", "participant_id"} & set(names)
    reasons = {row["what"]: row["reason"] for row in left_out}
    assert reasons == {
        "column hand": "one value only",
        "column free": "texts of more classes than are read",
        "column rare": "fewer than two classes of enough people",
        "column few": "fewer people with a value than are needed",
    }
