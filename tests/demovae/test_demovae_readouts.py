"""Readouts: exact short cuts, honest scores, and the difference between blind and fresh."""

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.svm import SVC

from neuro.demovae.evaluation import readouts as read
from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
from neuro.stats.splits import sorted_folds


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((40, 300)), rng.standard_normal((25, 300))
    return A + 1, B + 1


def test_isometric_rows_keep_every_distance(wide):
    A, B = wide
    a, b = read.isometric(A, B)
    assert a.shape[1] <= 65
    every = np.vstack([a, b])
    np.testing.assert_allclose(
        euclidean_distances(every), euclidean_distances(np.vstack([A, B])), atol=1e-8
    )
    same, _ = read.isometric(A[:, :10], B[:, :10])
    np.testing.assert_array_equal(same, A[:, :10])


def test_compact_rows_keep_ridge_predictions_and_distances(wide):
    A, B = wide
    a, b = read.compact(A, B)
    assert a.shape[1] <= 41
    y = A[:, 0] + np.random.default_rng(1).standard_normal(40)
    unit = np.sqrt(((A - A.mean(axis=0)) ** 2).sum() / (40 * (a.shape[1] - 1)))
    slow = Ridge(alpha=3.0 * unit**2).fit(A, y).predict(B)
    np.testing.assert_allclose(Ridge(alpha=3.0).fit(a, y).predict(b), slow, atol=1e-8)
    np.testing.assert_allclose(
        euclidean_distances(b, a) * unit, euclidean_distances(B, A), atol=1e-6
    )


def test_ridge_path_equals_ridge_for_each_penalty():
    rng = np.random.default_rng(2)
    Z, y, new = rng.standard_normal((50, 6)), rng.standard_normal(50), rng.standard_normal((9, 6))
    found = read._ridge_path(Z, y[:, None], new, [0.1, 2.0], np.full(50, 1 / 50))
    for place, penalty in enumerate((0.1, 2.0)):
        slow = Ridge(alpha=penalty * 50).fit(Z, y).predict(new)
        np.testing.assert_allclose(found[place, :, 0], slow, atol=1e-10)


def test_discriminant_equals_linear_discriminant_analysis_without_penalty():
    rng = np.random.default_rng(3)
    code = np.repeat([0, 1, 2], 60)
    centres = np.array([[0, 0, 0], [2, 1, 0], [4, 2, 0.5]])
    Z, new = (rng.standard_normal((180, 3)) + centres[code] for _ in range(2))
    hot, weight = np.eye(3)[code], np.full(180, 1 / 180)
    fitted = read._ridge_path(Z, hot, np.vstack([Z, new]), [1e-10], weight)
    found = read._nearest_level(fitted, code, weight)[0]
    lda = LinearDiscriminantAnalysis(priors=[1 / 3] * 3).fit(Z, code).predict(new)
    assert (found == lda).mean() >= 0.99
    assert (fitted[0, 180:].argmax(axis=1) == lda).mean() < 0.9, "the middle level would be hidden"


def test_nearest_level_does_not_depend_on_where_and_how_large_fitted_values_are():
    rng = np.random.default_rng(5)
    code = np.repeat([0, 1], 40)
    hot, weight = np.eye(2)[code], np.full(80, 1 / 80)
    Z, new = (rng.standard_normal((80, 6)) + code[:, None] for _ in range(2))
    path = read._ridge_path(Z, hot, np.vstack([Z, new]), [1.0, 1e3], weight)
    moved = 1e3 * (path - path.mean(axis=1, keepdims=True))
    found = read._nearest_level(path, code, weight)
    np.testing.assert_array_equal(read._nearest_level(moved, code, weight), found)
    assert (found == code).mean(axis=1).min() > 0.8, "a large penalty changes sizes, not sides"


def test_rounding_is_not_read_as_a_level():
    """Features without any correlation with the levels: the same answer on every machine."""
    rng = np.random.default_rng(8)
    code = np.repeat([0, 1, 2], 30)
    hot, weight = np.eye(3)[code], np.full(90, 1 / 90)
    Z = rng.standard_normal((90, 8))
    Z = (Z - hot @ np.linalg.lstsq(hot, Z, rcond=None)[0]).astype(np.float32).astype(float)
    path = read._ridge_path(Z, hot, np.vstack([Z, Z]), [1e-6, 1.0], weight)
    assert (read._nearest_level(path, code, weight) == 0).all()


def test_rbf_machine_is_that_of_sklearn():
    rng = np.random.default_rng(6)
    y = np.repeat(["a", "b", "c"], [20, 30, 40])
    Z, new = (rng.standard_normal((90, 4)) + 2 * (y == "b")[:, None] for _ in range(2))
    gamma = 1 / ((Z**2).sum() / len(Z))
    slow = [
        SVC(C=cost, gamma=gamma, class_weight="balanced").fit(Z, y).predict(new)
        for cost in read.SVM_C
    ]
    found = read._machine(Z, y, new)[1]
    assert any((found == guess).all() for guess in slow)


def test_metric_is_that_of_sklearn():
    rng = np.random.default_rng(4)
    y, guess = rng.choice(list("abc"), 80), rng.choice(list("abcd"), 80)
    assert read.metric(y, guess, "categorical") == pytest.approx(
        np.mean([(guess[y == level] == level).mean() for level in "abc"])
    )
    keep = guess != "d"
    assert read.metric(y[keep], guess[keep], "categorical") == pytest.approx(
        balanced_accuracy_score(y[keep], guess[keep])
    )
    a, b = rng.standard_normal(50), rng.standard_normal(50)
    assert read.metric(a, b, "continuous") == pytest.approx(r2_score(a, b))


@pytest.mark.parametrize("kind", ["continuous", "categorical"])
def test_null_band_equals_one_permutation_at_a_time(kind):
    rng = np.random.default_rng(5)
    if kind == "continuous":
        y, guess = rng.standard_normal(30), rng.standard_normal(30)
    else:
        y, guess = rng.choice(list("abc"), 30), rng.choice(list("abz"), 30)
        y, guess = y.astype(object), guess.astype(object)
    fast = read._null(y, guess, kind, np.random.default_rng(9))
    order = np.random.default_rng(9).permuted(np.tile(np.arange(30), (200, 1)), axis=1)
    slow = [read.metric(y[row], guess, kind) for row in order]
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_planted_signal_is_read_and_noise_is_not():
    rng = np.random.default_rng(6)
    people = pd.DataFrame({"age": rng.uniform(8, 22, 300), "site": rng.choice(list("abc"), 300)})
    Z = rng.standard_normal((300, 10))
    Z[:, 0] += (people["age"] - 15) / 2
    Z[:, 1] += 2.0 * (people["site"] == "b")
    found = read.readouts(Z[:200], Z[200:], people[:200], people[200:]).set_index(
        ["target", "model"]
    )
    assert found.loc[("age", "linear"), "heldout"] > 0.6
    assert found.loc[("age^2", "linear"), "heldout"] < 0.1
    assert found.loc[("site", "linear"), "heldout"] > found.loc[("site", "linear"), "null_hi"]
    assert found.loc[("site", "linear"), "chance"] == pytest.approx(1 / 3)
    fresh = read.readouts(Z[:200], Z[200:], people[:200], people[200:], fit_on="fresh")
    assert (fresh["n"] == 100).all()
    with pytest.raises(ValueError, match="fit_on: got 'test'"):
        read.readouts(Z, Z, people, people, fit_on="test")


def test_fresh_readouts_keep_runs_of_a_subject_together():
    rng = np.random.default_rng(7)
    code = rng.standard_normal((40, 30))
    Z = np.repeat(code, 2, axis=0) + 0.01 * rng.standard_normal((80, 30))
    people = pd.DataFrame({"sex": np.repeat(rng.choice(["F", "M"], 40), 2)})
    columns = [{"name": "sex", "type": "categorical"}]
    options = {"columns": columns, "fit_on": "fresh", "models": ("rbf",)}
    apart = read.readouts(Z, Z, people, people, **options, groups_te=np.repeat(range(40), 2))
    leaky = read.readouts(Z, Z, people, people, **options)
    assert leaky["heldout"][0] > 0.85
    assert apart["heldout"][0] < 0.75


def test_residuals_are_blind_to_training_fits_and_open_to_fresh_ones(small, columns):
    known, new = small.participants[:80], small.participants[80:].reset_index(drop=True)
    model = ConfoundResidualizer(columns).fit(small.edges[:80], demographics=known)
    Z = model.transform(small.edges[:80], demographics=known)
    Z_new = model.transform(small.edges[80:], demographics=new)
    D = model.coder_.transform(known)
    inside = np.abs((D - D.mean(axis=0)).T @ (Z - Z.mean(axis=0))).max()
    assert inside <= 1e-3
    # the slow way: an ordinary regression of every edge
    design = np.c_[np.ones(80), D]
    slow = small.edges[:80] - design @ np.linalg.lstsq(design, small.edges[:80], rcond=None)[0]
    np.testing.assert_allclose(Z - Z.mean(axis=0), slow, atol=1e-4)
    blind = read.readouts(Z, Z_new, known, new, columns=columns, models=("linear",))
    blind = blind.set_index("target")["heldout"]
    assert blind["age"] <= 0.05
    assert blind["sex"] <= 0.65
    with pytest.raises(ValueError, match="need those of new rows"):
        model.transform(small.edges)


def test_principal_components_are_the_control(small):
    model = PCALatents(8).fit(small.edges[:80])
    Z = model.transform(small.edges[80:])
    left = small.edges[80:] - model.space_.back(Z)
    assert model.score(small.edges[80:]) == pytest.approx(-np.sqrt((left**2).mean()), rel=1e-3)
    with pytest.raises(ValueError, match="latent_dim 100 > rank 79"):
        PCALatents(100).fit(small.edges[:80])


def test_inner_folds_keep_subjects_together_and_levels_even():
    y = np.repeat(np.array(["a", "b"], dtype=object), 30)
    groups = np.repeat(np.arange(30), 2)
    fold = sorted_folds(y, read.INNER, groups)
    assert all(len(set(fold[groups == who])) == 1 for who in range(30))
    assert np.bincount(fold[:30]).tolist() == [10, 10, 10]
    assert np.bincount(sorted_folds(y, read.INNER)[30:]).tolist() == [10, 10, 10]
