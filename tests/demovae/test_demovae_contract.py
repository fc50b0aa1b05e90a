"""What scikit-learn's tools and a user of `sample` may take for granted."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
from neuro.demovae.evaluation.evaluate import compare_maps
from neuro.demovae.evaluation.fold_features import FoldFeatures
from neuro.demovae.evaluation.left_over import removal_score
from neuro.demovae.model import DemoVAE


@pytest.fixture(scope="module")
def tables(small):
    names = [f"e{i}" for i in range(small.edges.shape[1])]
    return pd.DataFrame(small.edges, columns=names), small.participants


@pytest.fixture(scope="module")
def model(tables, columns):
    X, people = tables
    return DemoVAE(mode="linear", latent_dim=10, columns=columns, random_state=0).fit(
        X[:120], demographics=people[:120]
    )


def test_columns_in_another_order_are_refused_by_every_method(model, tables):
    X, people = tables
    turned, rows = X[X.columns[::-1]], people
    for use in (
        lambda: model.transform(turned),
        lambda: model.reconstruct(turned),
        lambda: model.score(turned, demographics=rows),
        lambda: PCALatents(3).fit(X).transform(turned),
        lambda: (
            ConfoundResidualizer(columns=model.columns_)
            .fit(X, demographics=rows)
            .transform(turned, demographics=rows)
        ),
        lambda: FoldFeatures(PCALatents(3)).fit(X, demographics=rows).transform(turned),
    ):
        with pytest.raises(ValueError, match="feature names"):
            use()
    assert list(model.feature_names_in_) == list(X.columns)


def test_every_method_of_an_unfitted_model_says_so(tables, tmp_path):
    X, people = tables
    model = DemoVAE()
    for use in (
        lambda: model.transform(X),
        lambda: model.reconstruct(X),
        lambda: model.inverse_transform(np.zeros((2, 60)), people[:2]),
        lambda: model.sample(2, people[:2]),
        lambda: model.score(X, demographics=people),
        lambda: model.save(tmp_path / "model.npz"),
        lambda: model.get_feature_names_out(),
        lambda: PCALatents(2).get_feature_names_out(),
        lambda: ConfoundResidualizer().transform(X, demographics=people),
        lambda: ConfoundResidualizer().get_feature_names_out(),
    ):
        with pytest.raises(NotFittedError):
            use()


def test_features_have_names_and_come_as_a_table(model, tables):
    X, people = tables
    assert list(model.get_feature_names_out()[:2]) == ["demovae0", "demovae1"]
    again = DemoVAE(mode="linear", latent_dim=4, columns=model.columns_, random_state=0)
    found = again.set_output(transform="pandas").fit(X, demographics=people).transform(X)
    assert list(found.columns) == [f"demovae{i}" for i in range(4)]
    assert found.index.equals(X.index)
    residual = ConfoundResidualizer(columns=model.columns_).set_output(transform="pandas")
    rows = residual.fit(X, demographics=people).transform(X, demographics=people)
    assert list(rows.columns) == list(X.columns)


def test_linear_residuals_stand_in_a_pipeline_that_routes_demographics(tables, columns):
    X, people = tables
    with config_context(enable_metadata_routing=True):
        step = ConfoundResidualizer(columns=columns)
        step.set_fit_request(demographics=True).set_transform_request(demographics=True)
        line = make_pipeline(step, PCALatents(5), Ridge())
        line.fit(X[:120], people["iq"][:120], demographics=people[:120])
        guess = line.predict(X[120:], demographics=people[120:])
    alone = ConfoundResidualizer(columns=columns).fit(X[:120], demographics=people[:120])
    both = [alone.transform(X[part], demographics=people[part]) for part in PARTS]
    components = PCALatents(5).fit(both[0])
    by_hand = Ridge().fit(components.transform(both[0]), people["iq"][:120])
    np.testing.assert_allclose(guess, by_hand.predict(components.transform(both[1])), rtol=1e-4)


PARTS = (slice(0, 120), slice(120, 160))


def test_a_score_that_measures_removal_is_what_a_grid_search_sees(tables, columns):
    X, people = tables
    X = X.to_numpy()
    model = DemoVAE(mode="linear", columns=columns, random_state=0, scoring="removal")
    folds = list(KFold(2, shuffle=True, random_state=0).split(X))
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {"latent_dim": [6, 40]}, cv=folds, refit=False)
        search.fit(X, demographics=people)
    seen = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(2)]).T
    for row, size in zip(seen, (6, 40)):
        for value, (train, test) in zip(row, folds):
            one = DemoVAE(mode="linear", columns=columns, latent_dim=size, random_state=0)
            one.fit(X[train], demographics=people.iloc[train])
            assert value == one.removal_score(X[test], demographics=people.iloc[test])
            # principal components keep the site, and score worse
            kept = PCALatents(size).fit(X[train]).transform(X[test])
            assert size == 6 or removal_score(kept, people.iloc[test], columns) < value - 0.02
            both = one.set_params(scoring="both").score(X[test], demographics=people.iloc[test])
            error = one.set_params(scoring="reconstruction").score(
                X[test], demographics=people.iloc[test]
            )
            spread = np.sqrt(((X[test] - X[train].mean(axis=0)) ** 2).mean())
            assert both == pytest.approx(value + error / spread, abs=1e-4)
    with pytest.raises(ValueError, match="scoring"):
        DemoVAE(scoring="both ways").fit(X, demographics=people)


def test_removal_is_scored_on_folds_of_the_seed(tables, columns):
    X, people = tables
    scores = [
        removal_score(X.to_numpy()[:80, :8], people[:80], columns, None, k) for k in (0, 1, 1)
    ]
    assert scores[0] != scores[1] == scores[2]


def test_the_kind_of_a_connectome_is_learned_at_fit(small, columns):
    people = small.participants
    given = {
        "pearson": small.edges,
        "fisher_z": np.arctanh(small.edges * 0.999),
        "covariance": small.edges * 40.0,
    }
    for kind, edges in given.items():
        model = DemoVAE(mode="linear", latent_dim=10, columns=columns, random_state=0)
        model.fit(edges, demographics=people)
        assert model.kind_ == kind
        made = model.sample(40, people, random_state=0)
        assert made.std() == pytest.approx(edges.std(), rel=0.15)
        if kind == "fisher_z":
            assert made.max() > 1.05
    told = DemoVAE(mode="linear", latent_dim=10, columns=columns, kind="partial", random_state=0)
    assert told.fit(small.edges, demographics=people).kind_ == "partial"


def test_no_schema_never_removes_the_diagnosis_nor_takes_names_for_levels(small):
    people = small.participants
    found = {column.name: column for column in parse_columns(None, people)}
    assert found["dx"].role == "condition"
    assert "participant_id" not in found
    assert found["age"].role == found["site"].role == "remove"
    model = DemoVAE(mode="linear", latent_dim=5, random_state=0)
    model.fit(small.edges, people["dx"].to_numpy(), demographics=people)
    assert not model.coder_.remove_[model.coder_.fields()["dx"]].any()
    renamed = people.rename(columns={"dx": "DX_GROUP"})
    assert {c.name: c.role for c in parse_columns(None, renamed)}["DX_GROUP"] == "condition"


def test_the_variance_of_latents_in_new_people_is_reported(small, columns):
    model = DemoVAE(mode="linear", latent_dim=20, columns=columns, random_state=0)
    model.fit(small.edges[:100], demographics=small.participants[:100])
    fresh = model.transform(small.edges[100:]).var(axis=0).mean()
    assert 0.3 < fresh < 0.95
    assert model.heldout_variance_ == pytest.approx(fresh, abs=0.2)


def test_amplitudes_of_maps_have_a_reference():
    rng = np.random.default_rng(0)
    true = rng.normal(size=500)
    half = {"age": true + rng.normal(size=500)}
    other = {"age": true + rng.normal(size=500)}
    found = compare_maps(half, {"age": 0.9 * true}, other)
    row = found.set_index("map").loc["age"]
    # noise in the judge shrinks every amplitude: the other half of real people says how much
    assert row["amplitude"] == pytest.approx(0.45, abs=0.06)
    assert row["amplitude_halves"] == pytest.approx(0.5, abs=0.06)
    assert row["r_halves"] == pytest.approx(0.5, abs=0.06)


def test_runs_of_one_person_are_one_person_of_their_site():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((46, 6)).astype(np.float32)
    table = pd.DataFrame({"site": np.repeat(["A", "B", "C"], [20, 20, 6])})
    people = np.r_[np.arange(40), np.full(6, 40)]
    columns = [{"name": "site", "type": "categorical", "role": "remove"}]
    rare = "fewer than 5 subjects, kept as they are: C"
    with pytest.warns(UserWarning, match=rare):
        ConfoundResidualizer(columns).fit(X, demographics=table, groups=people)
    with pytest.warns(UserWarning, match=rare):
        ConfoundResidualizer(columns).fit_transform(X, demographics=table, groups=people)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ConfoundResidualizer(columns).fit_transform(X, demographics=table)
