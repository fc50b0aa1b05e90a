"""ComBat and CovBat: equal to the programs of their authors, and fit for folds."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from neuro.stats.combat import ComBat, CovBat

REFERENCE = json.loads((Path(__file__).parent / "combat_reference.json").read_text())
N_TRAIN = 26


@pytest.fixture(scope="module")
def stored():
    people = pd.DataFrame({"age": REFERENCE["age"], "sex": REFERENCE["sex"]})
    return np.array(REFERENCE["X"]), np.array(REFERENCE["site"]), people


@pytest.fixture(scope="module")
def planted():
    """Sites differ in mean, scale and covariance; age has a map of its own and differs by site."""
    rng = np.random.default_rng(0)
    place = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    age = rng.normal(14 + place, 3)
    true = rng.normal(size=60) * 0.05
    shared = rng.normal(size=(3, 60))
    rows = (age - 14)[:, None] * true + (rng.normal(size=(3, 60)) * 1.5)[place]
    rows += np.array([0.5, 1.0, 1.5])[place][:, None] * rng.normal(size=(300, 60))
    rows += rng.normal(size=(300, 1)) * shared[place]
    return rows, np.array(["A", "B", "C"])[place], pd.DataFrame({"age": age}), true


def fitted(kind, X, site, people, **more):
    return kind(**more).fit(X[:N_TRAIN], site=site[:N_TRAIN], covariates=people[:N_TRAIN])


def test_combat_equals_neuroharmonize_on_its_rows_and_on_new_ones(stored):
    X, site, people = stored
    model = fitted(ComBat, *stored)
    found = model.transform(X, site=site, covariates=people)
    np.testing.assert_allclose(found[:N_TRAIN], REFERENCE["harmonize"], atol=1e-6)
    np.testing.assert_allclose(found[N_TRAIN:], REFERENCE["applied"], atol=1e-6)


def test_covbat_equals_the_published_program(stored):
    X, site, people = stored
    model = fitted(CovBat, *stored, variance=0.8)
    found = model.transform(X[:N_TRAIN], site=site[:N_TRAIN], covariates=people[:N_TRAIN])
    np.testing.assert_allclose(found, REFERENCE["covbat"], atol=1e-6)


def slow(X, site, age):
    """ComBat without vectors, from the formulas of Johnson et al. (2007)."""
    levels = sorted(set(site))
    out = np.empty_like(X)
    design = np.column_stack([*(site == level for level in levels), age]).astype(float)
    coef = np.linalg.solve(design.T @ design, design.T @ X)
    share = np.array([np.mean(site == level) for level in levels])
    level = share @ coef[:-1]
    expected = level + np.outer(age, coef[-1])
    sigma = np.sqrt(((X - design @ coef) ** 2).mean(axis=0))
    Z = (X - expected) / sigma
    for name in levels:
        rows = Z[site == name]
        n, mean, var = len(rows), rows.mean(axis=0), rows.var(axis=0, ddof=1)
        tau2, bar = mean.var(ddof=1), mean.mean()
        m, v = var.mean(), var.var(ddof=1)
        a, b = (2 * v + m * m) / v, (m * v + m**3) / v
        for edge in range(X.shape[1]):
            g, d = mean[edge], var[edge]
            for _ in range(500):
                g = (n * tau2 * mean[edge] + d * bar) / (n * tau2 + d)
                d = (b + 0.5 * ((rows[:, edge] - g) ** 2).sum()) / (n / 2 + a - 1)
            rows[:, edge] = (rows[:, edge] - g) / np.sqrt(d)
        out[site == name] = rows * sigma + expected[site == name]
    return out


def test_combat_equals_a_slow_version_that_converges(planted):
    X, site, people, _ = planted
    model = ComBat(tol=1e-12).fit(X, site=site, covariates=people)
    found = model.transform(X, site=site, covariates=people)
    np.testing.assert_allclose(found, slow(X, site, people["age"].to_numpy()), atol=1e-8)


@pytest.mark.parametrize("kind", [ComBat, CovBat])
def test_site_goes_and_age_stays_in_rows_of_the_fit_and_in_new_ones(kind, planted):
    X, site, people, true = planted
    train = np.arange(len(X)) % 2 == 0
    model = kind().fit(X[train], site=site[train], covariates=people[train])
    for part in (train, ~train):
        found = model.transform(X[part], site=site[part], covariates=people[part])
        age = people["age"][part].to_numpy()
        rest = found - np.outer(age - 14, true)

        def apart(rows, here=site[part]):
            middle = np.array([rows[here == s].mean(axis=0) for s in "ABC"])
            width = [rows[here == s].std(axis=0).mean() for s in "ABC"]
            return middle.std(axis=0).mean(), max(width) / min(width)

        before = apart(X[part] - np.outer(age - 14, true))
        after = apart(rest)
        assert after[0] < 0.5 * before[0]
        assert before[1] > 1.4
        assert after[1] - 1 < 0.6 * (before[1] - 1)
        slope = np.polyfit(age, found, 1)[0]
        assert np.corrcoef(slope, true)[0, 1] > 0.6


def test_covbat_makes_covariances_alike_where_combat_leaves_them(planted):
    X, site, people, _ = planted

    def apart(model):
        found = model.fit_transform(X, site=site, covariates=people)
        parts = [np.cov(found[site == s].T) for s in "AC"]
        return np.linalg.norm(parts[0] - parts[1])

    assert apart(CovBat()) < 0.8 * apart(ComBat())


@pytest.mark.parametrize("kind", [ComBat, CovBat])
def test_a_row_of_a_known_site_does_not_depend_on_the_others(kind, planted):
    X, site, people, _ = planted
    model = kind().fit(X[:200], site=site[:200], covariates=people[:200])
    together = model.transform(X[200:], site=site[200:], covariates=people[200:])
    alone = model.transform(X[250:251], site=site[250:251], covariates=people[250:251])
    np.testing.assert_allclose(together[50], alone[0], atol=1e-10)


@pytest.mark.parametrize("kind", [ComBat, CovBat])
def test_a_new_site_is_refused_kept_or_estimated(kind, planted):
    X, site, people, _ = planted
    seen = site != "C"
    known = {"site": site[seen], "covariates": people[seen]}
    new = {"site": site[~seen], "covariates": people[~seen]}
    with pytest.raises(ValueError, match=r"site: C not in the fit \(known: A, B\)"):
        kind().fit(X[seen], **known).transform(X[~seen], **new)
    kept = kind(unseen="keep").fit(X[seen], **known).transform(X[~seen], **new)
    np.testing.assert_allclose(kept, X[~seen], atol=1e-10)
    model = kind(unseen="estimate").fit(X[seen], **known)
    found = model.transform(X[~seen], **new)
    rest = (
        found
        - model.level_
        - model.covariates_.transform(people[~seen], len(found)) @ (model.slope_)
    )
    assert np.abs(rest.mean(axis=0)).mean() < 0.1
    assert 0.9 < (rest.std(axis=0) / model.scale_).mean() < 1.1
    with pytest.warns(UserWarning, match="one row of the new site C"):
        one = model.transform(X[~seen][:1], site=site[~seen][:1], covariates=people[~seen].iloc[:1])
    np.testing.assert_allclose(one, X[~seen][:1], atol=1e-10)


def test_a_site_of_one_row_and_a_constant_feature_give_no_gaps(planted):
    X, site, people, _ = planted
    X, site = X[:50].copy(), site[:50].astype(object)
    X[:, 3] = 0.25
    site[0] = "alone"
    for kind in (ComBat, CovBat):
        with pytest.warns(UserWarning, match="site: one row in alone"):
            found = kind().fit_transform(X, site=site, covariates=people[:50])
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found[:, 3], 0.25, atol=1e-9)


def test_levels_are_coded_and_columns_go_by_name(planted):
    X, site, people, _ = planted
    table = people.assign(sex=np.where(np.arange(len(X)) % 3, "F", "M"))
    coded = people.assign(sex=(table["sex"] == "M").astype(float))
    ours = ComBat().fit_transform(X, site=site, covariates=table)
    np.testing.assert_allclose(ours, ComBat().fit_transform(X, site=site, covariates=coded))
    model = ComBat().fit(X, site=site, covariates=table)
    turned = model.transform(X, site=site, covariates=table[["sex", "age"]])
    np.testing.assert_array_equal(turned, ours)
    with pytest.raises(ValueError, match="level 'X' of 'sex' was not in the fit"):
        model.transform(X, site=site, covariates=table.assign(sex="X"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"site": None}, "site: missing"),
        ({"site": np.full(300, np.nan)}, "site: 300 missing values"),
        ({"site": ["A"] * 3}, r"site: shape \(3,\) for 300 rows"),
        ({"covariates": pd.DataFrame({"age": [np.nan] * 300})}, "missing values in age"),
        ({"covariates": np.zeros((2, 1))}, "covariates: 2 rows for 300"),
    ],
)
def test_bad_input_is_one_line(planted, change, line):
    X, site, people, _ = planted
    with pytest.raises(ValueError, match=line):
        ComBat().fit(X, **{"site": site, "covariates": people, **change})


def test_covariates_that_name_the_site_are_refused(planted):
    X, site, _, _ = planted
    scanner = pd.DataFrame({"field": np.where(site == "A", 3.0, 1.5)})
    with pytest.raises(ValueError, match="combination of field and the sites"):
        ComBat().fit(X, site=site, covariates=scanner)


def test_the_contract_of_scikit_learn(planted):
    X, site, people, _ = planted
    table = pd.DataFrame(X, columns=[f"edge{i}" for i in range(60)])
    known = {"site": site, "covariates": people}
    with pytest.raises(NotFittedError):
        ComBat().transform(X, **known)
    model = clone(CovBat(variance=0.5)).set_output(transform="pandas").fit(table, **known)
    found = model.transform(table, **known)
    assert list(found.columns) == list(table.columns) == list(model.get_feature_names_out())
    with pytest.raises(ValueError, match="feature names"):
        model.transform(table[table.columns[::-1]], **known)
    again = pickle.loads(pickle.dumps(model)).transform(table, **known)
    np.testing.assert_allclose(found, again)
    assert ComBat().fit_transform(X.astype(np.float32), **known).dtype == np.float32


def test_it_stands_in_a_pipeline_that_routes_sites(planted):
    X, site, people, _ = planted
    with config_context(enable_metadata_routing=True):
        step = ComBat().set_fit_request(site=True, covariates=True)
        step.set_transform_request(site=True, covariates=True)
        line = make_pipeline(step, Ridge(10.0))
        known = {"site": site, "covariates": people}
        line.fit(X, people["age"], **known)
        by_hand = Ridge(10.0).fit(ComBat().fit_transform(X, **known), people["age"])
        np.testing.assert_allclose(
            line.predict(X, **known), by_hand.predict(ComBat().fit_transform(X, **known))
        )
