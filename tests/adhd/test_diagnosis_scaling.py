"""Label-free steps: imputation, logarithm, harmonisation, deconfounding, z-score."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.scaling import FeatureScaler


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(20, (30, 6)).astype(float)


def test_chain_of_log_and_z_score(counts):
    train, test = counts[:20], counts[20:]
    log1p = np.array([True] * 4 + [False] * 2)
    scaler = FeatureScaler(log1p=log1p)
    Z = scaler.fit_transform(train)
    logged = np.where(log1p, np.log1p(train), train)
    np.testing.assert_allclose(Z, (logged - logged.mean(0)) / logged.std(0), atol=1e-12)
    new = np.where(log1p, np.log1p(test), test)
    expected = (new - logged.mean(0)) / logged.std(0)
    np.testing.assert_allclose(scaler.transform(test), expected, atol=1e-12)


def test_input_is_not_changed(counts):
    before = counts.copy()
    FeatureScaler(log1p=True).fit(counts).transform(counts)
    np.testing.assert_array_equal(counts, before)


def test_missing_values_become_the_training_mean_after_the_logarithm(counts):
    counts[0, 1] = counts[25, 1] = counts[26, 4] = np.nan
    scaler = FeatureScaler(log1p=True, coverage=0.5).fit(counts[:20])
    np.testing.assert_allclose(scaler.fill_, np.nanmean(np.log1p(counts[:20]), axis=0))
    filled = np.where(np.isnan(counts), np.expm1(scaler.fill_), counts)
    expected = FeatureScaler(log1p=True).fit(filled[:20]).transform(filled)
    found = scaler.transform(counts)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # complete in training, missing in a new subject
    np.testing.assert_allclose(found[[0, 25, 26], [1, 1, 4]], 0, atol=1e-12)


def test_poorly_covered_and_constant_features_are_zero_everywhere(counts):
    counts[:3, 0] = np.nan
    counts[:, 2] = 0.1 + 0.2
    scaler = FeatureScaler(coverage=0.9).fit(counts[:20])
    assert not scaler.used_[0] and scaler.used_[1]
    new = counts[20:].copy()
    new[:, 2] = 5.0
    Z = scaler.transform(new)
    assert (Z[:, [0, 2]] == 0).all() and np.isfinite(Z).all()


def test_negative_counts_are_refused(counts):
    counts[4, 3] = -1
    with pytest.raises(ValueError, match="column 3 is a count but holds -1; log1p is for counts"):
        FeatureScaler(log1p=True).fit(counts)


def test_location_scale_removes_known_sites(counts):
    site = np.array(["a", "b"] * 15)
    counts[site == "b"] = 100 + 7 * counts[site == "b"]
    scaler = FeatureScaler(harmonise="location_scale")
    Z = scaler.fit_transform(counts, site=site)
    for name in "ab":
        np.testing.assert_allclose(Z[site == name].mean(0), 0, atol=1e-10)
        np.testing.assert_allclose(Z[site == name].std(0), 1, atol=1e-10)
    # a test subject is moved by its site's training values
    one = scaler.transform(counts[:1], site=site[:1])
    np.testing.assert_allclose(one, Z[:1], atol=1e-10)


def test_an_unseen_site_needs_transductive(counts):
    site = np.array(["a", "b", "c"] * 10)
    known = site != "c"
    plain = FeatureScaler(harmonise="location_scale").fit(counts[known], site=site[known])
    with pytest.raises(ValueError, match="site 'c' was not in training; set transductive"):
        plain.transform(counts[~known], site=site[~known])
    scaler = FeatureScaler(harmonise="location_scale", transductive=True)
    scaler.fit(counts[known], site=site[known])
    Z = scaler.transform(counts[~known], site=site[~known])
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-10)


def test_deconfounding_removes_a_planted_slope_and_survives_new_levels(counts):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {"age": rng.uniform(7, 18, 30), "sex": rng.choice(["F", "M"], 30), "x": 1.0}
    )
    X = (
        counts
        + 5 * table["age"].to_numpy()[:, None]
        + 9 * (table["sex"] == "M").to_numpy()[:, None]
    )
    scaler = FeatureScaler(deconfound=("age", "sex"))
    Z = scaler.fit_transform(X[:20], covariates=table[:20])
    design = np.column_stack([table["age"], table["sex"] == "M"])[:20].astype(float)
    np.testing.assert_allclose((design - design.mean(0)).T @ Z, 0, atol=1e-9)
    new = table[20:].copy()
    new.loc[new.index[0], "sex"] = "X"
    new.loc[new.index[1], "age"] = np.nan
    Z_new = scaler.transform(X[20:], covariates=new)
    assert np.isfinite(Z_new).all()
    # unaffected rows do not notice their neighbours
    np.testing.assert_allclose(
        Z_new[2:], scaler.transform(X[22:], covariates=table[22:]), atol=1e-10
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"harmonise": "median"}, "got 'median'"),
        ({"harmonise": "combat"}, "pass site="),
        ({"harmonise": "location_scale"}, "pass site="),
        ({"deconfound": ("age",)}, "pass covariates="),
    ],
)
def test_bad_options(counts, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        FeatureScaler(**options).fit(counts)
    assert "\n" not in str(caught.value)


def test_encoder_numbers_levels_and_gaps():
    train = pd.DataFrame(
        {"age": [8.0, 10.0, np.nan, 14.0], "sex": ["F", "M", "M", None], "iq": [np.nan] * 4}
    )
    encoder = CovariateEncoder(["age", "sex", "iq"]).fit(train)
    A = encoder.transform(train)
    assert A.shape == (4, 3)  # iq is unknown to all and is left out
    filled = np.array([8, 10, 10, 14.0])
    np.testing.assert_allclose(A[:, 0], (filled - filled.mean()) / filled.std())
    np.testing.assert_allclose(A[:3, 1], [2 / 3, -1 / 3, -1 / 3])
    np.testing.assert_array_equal(A[3, 1:], 0)
    new = pd.DataFrame({"age": [12.0], "sex": ["other"], "iq": [100.0]})
    np.testing.assert_array_equal(encoder.transform(new)[0, 1:], 0)


def test_encoder_treats_numbered_sites_as_labels():
    table = pd.DataFrame({"site": [1, 1, 5, 5]})
    assert CovariateEncoder(["site"]).fit(table).transform(table).shape == (4, 2)


def test_encoder_names_the_missing_column():
    with pytest.raises(ValueError, match="no column 'iq' in the participants table; found age"):
        CovariateEncoder(["iq"]).fit(pd.DataFrame({"age": [1.0]}))


def sites_and_people(n=120, n_features=20, seed=0):
    rng = np.random.default_rng(seed)
    site = rng.choice(["a", "b", "c"], n)
    people = pd.DataFrame(
        {"age": rng.uniform(8, 18, n), "sex": rng.choice(["F", "M"], n), "site": site}
    )
    shift = {name: rng.normal(size=n_features) for name in "abc"}
    X = rng.normal(size=(n, n_features)) + np.array([shift[name] for name in site])
    return X + 0.1 * people["age"].to_numpy()[:, None], site, people


def test_combat_is_learned_on_training_rows_and_test_rows_play_no_part():
    from neuro.stats.combat import ComBat

    X, site, people = sites_and_people()
    known = np.arange(len(X)) % 3 > 0
    scaler = FeatureScaler(harmonise="combat", protect=("age", "sex"))
    scaler.fit(X[known], site=site[known], covariates=people[known])
    # both levels of sex stand in the code; one follows from the sites and the other
    design = scaler.protected_.transform(people)[:, [0, 1]]
    alone = ComBat().fit(X[known], site=site[known], covariates=design[known])
    expected = alone.transform(X, site=site, covariates=design)
    centre, scale = expected[known].mean(axis=0), expected[known].std(axis=0)
    found = scaler.transform(X, site=site, covariates=people)
    np.testing.assert_allclose(found, (expected - centre) / scale, rtol=1e-7, atol=1e-8)
    # a test row is transformed alone as among others
    one = scaler.transform(X[:1], site=site[:1], covariates=people[:1])
    np.testing.assert_allclose(one, found[:1], rtol=1e-10)
    with pytest.raises(ValueError, match="protect: a table with age, sex"):
        scaler.fit(X, site=site)


def test_a_site_that_combat_never_saw_is_refused_or_corrected_by_its_own_rows():
    X, site, _ = sites_and_people()
    known = site != "c"
    scaler = FeatureScaler(harmonise="combat").fit(X[known], site=site[known])
    with pytest.raises(ValueError, match="site 'c' was not in training"):
        scaler.transform(X, site=site)
    own = FeatureScaler(harmonise="combat", transductive=True).fit(X[known], site=site[known])
    found = own.transform(X, site=site)
    np.testing.assert_allclose(found[known], scaler.transform(X[known], site=site[known]))
    assert np.abs(found[~known].mean()) < 0.1


def test_protected_columns_that_sites_determine_are_left_out():
    """In a fold a column may be constant or follow the site; that must not end the run."""
    X, site, people = sites_and_people()
    people = people.assign(scanner=(site == "a").astype(float), empty=1.0)
    scaler = FeatureScaler(harmonise="combat", protect=("age", "scanner", "empty"))
    found = scaler.fit_transform(X, site=site, covariates=people)
    plain = FeatureScaler(harmonise="combat", protect=("age",))
    np.testing.assert_allclose(found, plain.fit_transform(X, site=site, covariates=people))


@pytest.mark.parametrize("protect", [(), ("age", "sex")])
def test_a_model_with_combat_is_the_same_from_its_file(tmp_path, protect):
    X, site, people = sites_and_people()
    y = (np.arange(len(X)) % 2).astype(int)
    model = GraphDiagnosis(
        mask_rule="none", n_components=5, harmonise="combat", protect=protect, transductive=True
    )
    model.fit(X, y, site=site, covariates=people)
    back = GraphDiagnosis.load(model.save(tmp_path / "m.npz"))
    new = np.where(np.arange(len(X)) < 40, "new", site)
    np.testing.assert_allclose(
        back.decision_function(X, site=new, covariates=people),
        model.decision_function(X, site=new, covariates=people),
    )
