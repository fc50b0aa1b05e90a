"""Discriminants for many label vectors against scikit-learn and an explicit covariance."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from neuro.adhd.diagnosis.lda import discriminant, principal_components, project_stack


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    Z = rng.standard_normal((40, 7)) @ rng.standard_normal((7, 7))
    Z -= Z.mean(axis=0)
    new = rng.standard_normal((9, 7))
    labels = rng.random((40, 6)) < 0.35
    labels[:, 0] = np.arange(40) % 2 == 0
    return Z, new, labels


@pytest.mark.parametrize("shape", [(30, 6), (12, 50), (20, 20)])
def test_components_equal_the_full_decomposition(shape):
    Z = np.random.default_rng(0).standard_normal(shape)
    Z -= Z.mean(axis=0)
    k = 5
    loadings, scatter = principal_components(Z, k)
    expected = PCA(k, svd_solver="full").fit(Z)
    np.testing.assert_allclose(scatter, expected.singular_values_**2, rtol=1e-9)
    sign = np.sign((loadings.T * expected.components_).sum(axis=1))
    np.testing.assert_allclose(loadings.T * sign[:, None], expected.components_, atol=1e-9)
    largest = np.abs(loadings).argmax(axis=0)
    assert (loadings[largest, range(k)] > 0).all()


def test_components_leave_out_what_is_empty():
    Z = np.zeros((10, 4))
    Z[:, 1] = np.arange(10) - 4.5
    loadings, scatter = principal_components(Z, 4)
    assert loadings.shape == (4, 1)
    assert principal_components(np.zeros((10, 4)), 3)[0].shape == (4, 0)
    assert scatter[0] == pytest.approx((Z**2).sum())


def test_plain_discriminant_is_that_of_scikit_learn(data):
    Z, new, labels = data
    loadings, scatter = principal_components(Z, 5)
    scores, new_scores = Z @ loadings, new @ loadings
    weights, threshold = discriminant(scores, scatter, labels.astype(float), None)
    for one in range(labels.shape[1]):
        plain = LinearDiscriminantAnalysis(solver="svd", priors=[0.5, 0.5])
        plain.fit(scores, labels[:, one])
        found = new_scores @ weights[:, one] - threshold[one]
        np.testing.assert_allclose(found, plain.decision_function(new_scores), rtol=1e-8)


def test_shrunk_discriminant_is_that_of_an_explicit_covariance(data):
    Z, new, labels = data
    loadings, scatter = principal_components(Z, 5)
    scores, new_scores = Z @ loadings, new @ loadings
    weights, threshold = discriminant(scores, scatter, labels.astype(float), "auto")
    for one in range(labels.shape[1]):
        case = labels[:, one]
        mean1, mean0 = scores[case].mean(axis=0), scores[~case].mean(axis=0)
        within = np.where(case[:, None], scores - mean1, scores - mean0)
        covariance = LedoitWolf(assume_centered=True).fit(within).covariance_
        w = np.linalg.solve(covariance, mean1 - mean0)
        expected = (new_scores - (mean1 + mean0) / 2) @ w
        found = new_scores @ weights[:, one] - threshold[one]
        np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("shrinkage", [None, "auto"])
def test_unscaled_discriminant_decides_the_same(data, shrinkage):
    Z, new, labels = data
    loadings, scatter = principal_components(Z, 5)
    decisions = []
    for scaled in (True, False):
        weights, threshold = discriminant(
            Z @ loadings, scatter, labels.astype(float), shrinkage, scaled=scaled
        )
        decisions.append(new @ loadings @ weights - threshold)
    ratio = decisions[0] / decisions[1]
    assert (ratio > 0).all()
    np.testing.assert_allclose(ratio, ratio[:1].repeat(9, axis=0), rtol=1e-8)


def test_labels_of_one_class_decide_nothing(data):
    Z, new, labels = data
    labels = labels.astype(float)
    labels[:, 1] = 1
    labels[:, 2] = 0
    loadings, scatter = principal_components(Z, 4)
    weights, threshold = discriminant(Z @ loadings, scatter, labels, "auto")
    assert np.isfinite(weights).all()
    np.testing.assert_array_equal((new @ loadings @ weights - threshold)[:, 1:3], 0)


@pytest.mark.parametrize(
    "columns",
    [
        [[0], [3], [5]],
        [[0, 2], [1, 3], [4, 6]],
        [[0], [1, 2, 3, 4, 5, 6]],
    ],
)
def test_stacked_projections_equal_single_ones(data, columns):
    Z, new, labels = data
    columns = [np.array(cols) for cols in columns]
    scores, new_scores, scatter = project_stack(Z, new, columns, 3)
    weights, threshold = discriminant(scores, scatter, labels.astype(float), "auto")
    stacked = new_scores @ weights - threshold[:, None, :]
    for row, cols in enumerate(columns):
        loadings, values = principal_components(Z[:, cols], 3)
        w, t = discriminant(Z[:, cols] @ loadings, values, labels.astype(float), "auto")
        np.testing.assert_allclose(stacked[row], new[:, cols] @ loadings @ w - t, atol=1e-9)


def test_a_constant_region_decides_nothing(data):
    Z, new, labels = data
    Z[:, 2] = 0
    stack = project_stack(Z, new, [np.array([2]), np.array([0])], 10)
    weights, threshold = discriminant(
        stack[0], stack[2], labels.astype(float), "auto", scaled=False
    )
    assert (weights[0] == 0).all() and (threshold[0] == 0).all()
