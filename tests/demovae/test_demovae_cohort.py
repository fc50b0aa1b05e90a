"""From files to rows: who and what is left out, folds, and features inside the folds of others."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.diagnosis.baselines import LinearReference
from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.pipeline import FoldPipeline
from neuro.config import demovae as section
from neuro.demovae.coding.cohort import Cohort, columns_from_text, evaluation_folds, gather, load
from neuro.demovae.coding.schema import Column
from neuro.demovae.evaluation import fold_features
from neuro.demovae.evaluation.fold_features import FoldFeatures, transformers
from neuro.demovae.evaluation.judge import split_strata
from neuro.demovae.model import DemoVAE
from neuro.io.formats.tables import write_tsv
from neuro.io.problems import InputProblem
from neuro.io.regions.connectomes import Connectomes, write_connectomes
from neuro.stats.subjects import make_folds

SETTINGS = {
    "preset": "robust",
    "mode": "network",
    "min_level_count": 5,
    "n_epochs": 5,
    "hidden": 40,
    "validation": 0.1,
    "latent_dim": 4,
}


def stored(small, rows=slice(0, 60)):
    who = small.participants["participant_id"][rows].tolist()
    return Connectomes(
        small.edges[rows].copy(),
        np.column_stack(np.triu_indices(24, 1)),
        who,
        [f"sub-{name}_run-1" for name in who],
        small.region,
        "pearson",
    )


def test_short_form_of_columns():
    found = columns_from_text({"age": "continuous remove 12.5", "dx": "categorical condition"})
    assert found == [
        Column("age", "continuous", "remove", 12.5),
        Column("dx", "categorical", "condition", None),
    ]
    with pytest.raises(InputProblem) as caught:
        columns_from_text({"age": "number", "sex": "categorical drop", "iq": "continuous report x"})
    assert len(caught.value.problems) == 3


def test_dead_regions_go_for_everybody_and_single_gaps_cost_a_run(small):
    data = stored(small)
    rows, cols = np.triu_indices(24, 1)
    data.edges[:10, (rows == 3) | (cols == 3)] = np.nan
    data.edges[20, (rows == 5) | (cols == 5)] = np.nan
    columns = columns_from_text({"age": "continuous remove", "iq": "continuous report"})
    found = gather(data, small.participants, columns)
    assert found.edges.shape == (59, 23 * 22 // 2)
    assert np.isfinite(found.edges).all()
    assert "R004" not in found.region
    assert [row["what"] for row in found.exclusions] == ["region R004", "sub-0021_run-1"]


def test_people_without_row_value_or_variation(small):
    people = small.participants.drop(index=[2]).assign(scanner="x", weight=np.nan)
    people.loc[4, "age"] = np.nan
    text = {
        "age": "continuous remove",
        "scanner": "categorical remove",
        "weight": "continuous remove",
        "hair": "categorical remove",
    }
    columns = columns_from_text(text)
    with pytest.raises(InputProblem, match=r"participants\.tsv: column 'age' has 1 missing"):
        gather(stored(small), people, columns)
    found = gather(stored(small), people, columns, missing_rule="drop")
    reasons = {row["what"]: row["reason"] for row in found.exclusions}
    assert reasons == {
        "sub-0003_run-1": "no row in the participants table",
        "sub-0005_run-1": "no age",
        "column scanner": "one value only (x)",
        "column weight": "no value",
        "column hair": "not in participants.tsv",
    }
    assert [column.name for column in found.columns] == ["age"]
    assert len(gather(stored(small), people, columns, missing_rule="impute").edges) == 59


def test_nothing_to_remove_is_one_line(small):
    people = small.participants.drop(columns="sex").assign(site="x")
    columns = columns_from_text({"sex": "categorical remove", "site": "categorical remove"})
    with pytest.raises(InputProblem, match=r"no column to remove \(sex, site\) has two values"):
        gather(stored(small), people, columns)


def test_sites_can_count_as_one(small):
    columns = columns_from_text({"site": "categorical remove"})
    groups = {"north": ["alpha", "beta"]}
    found = gather(stored(small), small.participants, columns, site_groups=groups)
    assert set(found.demographics["site"]) == {"north", "gamma"}


def test_fisher_z_becomes_correlations(small, tmp_path):
    data = stored(small, slice(0, 10))
    write_tsv(tmp_path / "people.tsv", small.participants.assign(mean_fd=0.1))
    settings = {"columns": {"age": "continuous remove"}, "missing": "error", "site_groups": {}}
    found = {}
    for kind, edges in (("pearson", data.edges), ("fisher_z", np.arctanh(data.edges))):
        path = tmp_path / f"{kind}.h5"
        write_connectomes(path, edges, data.participant_id, data.run_key, data.region, kind)
        found[kind] = load(path, tmp_path / "people.tsv", settings)
    assert found["fisher_z"].kind == "pearson"
    np.testing.assert_allclose(found["fisher_z"].edges, found["pearson"].edges, atol=1e-6)


def test_runs_of_a_subject_are_averaged(small):
    data = stored(small, slice(0, 10))
    data = dataclasses.replace(data, participant_id=[f"{i // 2 + 1:04d}" for i in range(10)])
    columns = columns_from_text({"age": "continuous remove"})
    whole = gather(data, small.participants, columns)
    found = whole.per_subject()
    assert len(found.edges) == 5
    slow = np.tanh(np.arctanh(data.edges[:2].astype(float)).mean(axis=0))
    np.testing.assert_allclose(found.edges[0], slow, atol=1e-6)


def test_folds_keep_subjects_together_and_strata_even():
    who = np.repeat([f"s{i}" for i in range(50)], 2)
    strata = np.repeat(["a"] * 30 + ["b"] * 20, 2)
    fold = evaluation_folds(who, strata, 5, 0)
    assert all(len(set(fold[who == name])) == 1 for name in set(who))
    counts = pd.crosstab(fold, strata)
    assert (counts["a"] == 12).all()
    assert (counts["b"] == 8).all()
    np.testing.assert_array_equal(fold, evaluation_folds(who, strata, 5, 0))
    assert (fold != evaluation_folds(who, strata, 5, 1)).any()


def test_people_of_unknown_site_or_diagnosis_are_a_stratum_of_their_own():
    table = pd.DataFrame(
        {"participant_id": list("abc"), "site": ["X", None, "X"], "dx": [0.0, 1.0, np.nan]}
    )
    cohort = Cohort(np.zeros((3, 1), np.float32), table, list("abc"), ["r", "s"], "pearson", (), [])
    assert split_strata(cohort).tolist() == ["X|0.0", "n/a|1.0", "X|n/a"]


def test_folds_of_the_diagnosis_are_kept():
    who = [f"s{i}" for i in range(30)]
    people = pd.DataFrame(
        {"participant_id": who[:20], "site": "x", "site_group": "x", "dx": [0, 1] * 10}
    )
    table = make_folds(people, schemes=["pooled"], outer_folds=5, repeats=2)
    fold = evaluation_folds(who, ["x"] * 30, 5, 0, table)
    first = table[table["repeat"] == 1].set_index("participant_id")["fold"]
    assert [str(value + 1) for value in fold[:20]] == [first[name] for name in who[:20]]
    assert np.bincount(fold).tolist() == [6] * 5
    other = evaluation_folds(who, ["x"] * 30, 3, 0, table)
    assert set(other) == {0, 1, 2}


def cases(small):
    people = small.participants[:90].reset_index(drop=True)
    return small.edges[:90], people


def test_features_in_a_fold_never_see_its_test_subjects(small, columns, monkeypatch):
    """A spy in place of the estimator: who is fitted, and with which columns."""
    X, people = cases(small)
    seen = []
    original = DemoVAE.fit

    def spy(self, rows, y=None, *, demographics=None, groups=None):
        seen.append((set(groups), {column.name for column in self.columns}, y))
        return original(self, rows, y, demographics=demographics, groups=groups)

    monkeypatch.setattr(DemoVAE, "fit", spy)
    step = FoldFeatures(DemoVAE(mode="linear", latent_dim=4, columns=columns, random_state=0), {})
    folds = make_folds(
        people.assign(site_group=people["site"]), schemes=["pooled"], outer_folds=3, repeats=1
    )
    pipeline = FoldPipeline(step, LinearReference(C=0.1))
    arguments = {
        "y": people["dx"].to_numpy(),
        "groups": people["participant_id"].to_numpy(),
        "site": people["site"].to_numpy(),
        "covariates": people,
        "folds": folds,
    }
    found = nested_cv(pipeline, X, **arguments)
    by_fold = folds.groupby("fold")["participant_id"].agg(set)
    assert len(seen) == 3
    for (fitted, names, y), test in zip(seen, by_fold):
        assert not fitted & test
        assert len(fitted | test) == 90
        assert names == {"age", "sex", "site"}
        assert y is None
    # features do not depend on labels, so a second evaluation fits nothing
    again = nested_cv(pipeline, X, **arguments)
    assert len(seen) == 3
    pd.testing.assert_frame_equal(found.predictions, again.predictions)


def test_a_column_without_variation_in_a_fold_is_left_out_there(small, columns):
    X, people = cases(small)
    one = people["site"] == "alpha"
    step = FoldFeatures(DemoVAE(mode="linear", latent_dim=3, columns=columns, random_state=0))
    step.fit(X[one], demographics=people[one])
    assert step.transform(X[~one]).shape == (int((~one).sum()), 3)
    assert list(step.fitted_.coder_.terms_) == ["age", "sex"]


def test_rows_of_the_comparison(columns):
    found = transformers([Column(**entry) for entry in columns], SETTINGS, [4, 8], 0)
    assert list(found) == [
        "pca-4",
        "pca-8",
        "residual",
        "linear-4",
        "linear-8",
        "network-4",
        "network-8",
    ]
    linear = {**SETTINGS, "mode": "linear"}
    assert "network-4" not in transformers([Column(**columns[0])], linear, [4], 0)
    assert fold_features.n_features("network-60", 6670) == 60
    assert fold_features.n_features("residual", 6670) == 6670


def test_the_diagnosis_is_no_column_of_its_own_features(small):
    columns = columns_from_text(
        {"age": "continuous remove", "dx": "categorical condition", "iq": "continuous report"}
    )
    people = gather(stored(small), small.participants, columns)
    folds = pd.DataFrame(
        {
            "participant_id": [*people.participant_id[:20], "9999"],
            "scheme": "pooled",
            "repeat": 1,
            "fold": "1",
        }
    )
    found, removed, left_out = fold_features.diagnosed(people, folds)
    assert [column.name for column in removed] == ["age"]
    assert len(found.edges) == 20
    assert left_out[0]["what"] == "9999"


def test_numbers_of_latents_that_do_not_fit_are_listed(small):
    columns = columns_from_text({"age": "continuous remove"})
    people = gather(stored(small), small.participants, columns)
    folds = pd.DataFrame(
        {
            "participant_id": people.participant_id,
            "scheme": "pooled",
            "repeat": 1,
            "fold": [str(i % 3) for i in range(60)],
        }
    )
    settings = {"latent_dims": [10, 20, 300], "validation": 0.1, "age_basis": "spline"}
    dims, left_out = fold_features.fitting_dims(people, folds, list(people.columns), settings)
    assert dims == {10: ("pooled",), 20: ("pooled",)}
    assert left_out[0]["what"] == "latent_dim 300"
    assert left_out[0]["threshold"] == 31
    settings = {"latent_dims": [300], "validation": 0.1, "age_basis": "spline"}
    dims, _ = fold_features.fitting_dims(people, folds, list(people.columns), settings)
    assert dims == {31: ("pooled",)}
    # a number taken as it is has one coded column, not four
    dims, _ = fold_features.fitting_dims(
        people, folds, list(people.columns), settings | {"age_basis": "linear"}
    )
    assert dims == {34: ("pooled",)}
    # a large site leaves few people to fit; the other scheme keeps its numbers
    site = folds.assign(scheme="leave_site_out", fold=["1"] * 45 + ["2"] * 15)
    both = pd.concat([folds, site])
    settings = {"latent_dims": [5, 20], "validation": 0.1, "age_basis": "spline"}
    dims, left_out = fold_features.fitting_dims(people, both, list(people.columns), settings)
    assert dims == {5: ("leave_site_out", "pooled"), 20: ("pooled",)}
    assert [row["what"] for row in left_out] == ["latent_dim 20, leave_site_out"]
    assert left_out[0]["threshold"] == 8
    assert fold_features.primary_name({"latent_dim": 60, "mode": "linear"}, dims) == "linear-5"


def test_section_problems(tmp_path):
    def problems(grid=None, **keys):
        own = {"enabled": True, "grid": grid, "columns": section.Demovae().columns, **keys}
        return section.problems({"demovae": own})

    assert problems() == problems(enabled=False, grid="absent.tsv") == []
    assert problems(grid="absent.tsv") == ["demovae.grid: no such file: absent.tsv"]
    columns = {
        "age": "contineous remove",
        "sex": "categorical drop",
        "dx": "categorical remove",
        "iq": "continuous report high",
    }
    lines = problems(columns=columns)
    assert len(lines) == 4
    assert "'dx' is the prediction target" in lines[2]
    assert problems(columns={"age": "continuous report"}) == [
        "demovae.columns: no column has role remove; disable demovae or name one"
    ]


@pytest.mark.parametrize("name", section.PRESETS)
def test_every_preset_describes_itself(name):
    from neuro.config.model import walk

    own = {key: entry.default for key, entry in walk(section.Demovae)} | section.PRESETS[name]
    sentences, keys = section.describe({"demovae": own, "adhd": {"enabled": True}})
    assert "age, sex, site and log_mean_fd" in sentences[0]
    assert "orlichenko2024" in keys


def test_wanted_people_move_as_usual_unless_they_say_otherwise():
    import pandas as pd

    from neuro.demovae.coding.cohort import MOTION, with_usual_motion

    people = pd.DataFrame({MOTION: [-3.0, -2.0, -1.0, np.nan]})
    rows = pd.DataFrame({"age": [10.0, 12.0]})
    assert with_usual_motion(rows, people, ["age"]) is rows
    assert with_usual_motion(rows, people, ["age", MOTION])[MOTION].tolist() == [-2.0, -2.0]
    told = with_usual_motion(rows.assign(mean_fd=[0.09, np.nan]), people, ["age", MOTION])
    np.testing.assert_allclose(told[MOTION], [np.log(0.1), -2.0])
    given = rows.assign(**{MOTION: [0.0, 1.0]})
    assert with_usual_motion(given, people, ["age", MOTION]) is given
