"""The closed form, its start of the network, and the exact constraints after training."""

import numpy as np
import pytest

from neuro.demovae.training import weights
from neuro.demovae.training.constraints import constrain, moments
from neuro.demovae.training.linear import linear_codec, span


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    D = rng.standard_normal((80, 5))
    P = rng.standard_normal((80, 30)) * np.linspace(3, 0.3, 30) + D @ rng.standard_normal((5, 30))
    P -= P.mean(axis=0)
    remove = np.array([True, True, True, False, True])
    return P.astype(np.float32), D.astype(np.float32), remove


def correlation(Z, D):
    Z, D = Z - Z.mean(axis=0), D - D.mean(axis=0)
    return np.abs(Z.T @ D / np.outer(np.linalg.norm(Z, axis=0), np.linalg.norm(D, axis=0))).max()


@pytest.mark.parametrize("columns", [30, 20])
def test_mean_covariance_and_correlation_are_exact_on_training_rows(data, columns):
    P, D, remove = data
    P = P[:, :columns]
    Z = linear_codec(P, D, remove, 8).encode(P).astype(float)
    error, mean = moments(Z)
    assert error <= 1e-5
    assert mean <= 1e-5
    assert correlation(Z, D[:, remove]) <= 1e-5
    assert correlation(Z, D[:, ~remove]) > 0.05, "a condition column is left alone"


def test_latents_are_the_leading_directions_of_the_projected_rows(data):
    P, D, remove = data
    H, C = P - P.mean(axis=0), D[:, remove] - D[:, remove].mean(axis=0)
    basis = span(H.T @ C)
    left = np.linalg.svd(H - H @ basis @ basis.T)[0][:, :8]
    Z = linear_codec(P, D, remove, 8).encode(P)
    # the same 8-dimensional space of subjects, whitened
    overlap = np.linalg.svd(left.T @ Z / np.sqrt(len(Z)), compute_uv=False)
    np.testing.assert_allclose(overlap, 1, atol=1e-4)


def test_decoder_is_the_least_squares_fit(data):
    P, D, remove = data
    codec = linear_codec(P, D, remove, 8)
    Z = codec.encode(P)
    design = np.c_[Z, D, np.ones(len(D))]
    best = design @ np.linalg.lstsq(design, P, rcond=None)[0]
    np.testing.assert_allclose(codec.decode(Z, D), best, atol=1e-4)


def test_nothing_to_remove_gives_whitened_principal_components(data):
    P, D, remove = data
    codec = linear_codec(P, D[:, :0], remove[:0], 4)
    left = np.linalg.svd(P - P.mean(axis=0), full_matrices=False)[0][:, :4]
    overlap = np.linalg.svd(left.T @ codec.encode(P) / np.sqrt(80), compute_uv=False)
    np.testing.assert_allclose(overlap, 1, atol=1e-5)


def test_too_many_latents_are_refused(data):
    P, D, remove = data
    with pytest.raises(ValueError, match="latent_dim 27 > rank 26 after projection"):
        linear_codec(P, D, remove, 27)
    linear_codec(P, D, remove, 26)


def test_network_can_start_as_the_linear_codec(data):
    P, D, remove = data
    linear = linear_codec(P, D, remove, 6)
    codec = weights.linear_start(weights.initial(30, 5, 6, 40, seed=0), linear)
    np.testing.assert_allclose(codec.encode(P), linear.encode(P), atol=1e-5)
    Z = linear.encode(P)
    np.testing.assert_allclose(codec.decode(Z, D), linear.decode(Z, D), atol=1e-4)
    assert weights.linear_start(weights.initial(30, 5, 6, 21, seed=0), linear) is None


def test_constraints_hold_for_any_network_and_the_decoder_follows(data):
    P, D, remove = data
    codec = weights.initial(30, 5, 6, 90, seed=3)
    done, lost = constrain(codec, P, D[:, remove])
    Z = done.encode(P).astype(float)
    error, mean = moments(Z)
    assert error <= 1e-3
    assert mean <= 1e-3
    assert correlation(Z, D[:, remove]) <= 1e-3
    assert 0 < lost < 1
    # without anything to remove the whole change is a change of coordinates: nothing is lost
    done, lost = constrain(codec, P, D[:, :0])
    assert lost <= 1e-9
    before = codec.decode(codec.encode(P), D)
    np.testing.assert_allclose(done.decode(done.encode(P), D), before, atol=2e-4)


def test_collapsed_latents_are_given_new_directions(data):
    P, D, remove = data
    codec = weights.initial(30, 5, 6, 90, seed=3)
    codec.enc2[3:] = codec.enc2[:3]
    done, _ = constrain(codec, P, D[:, remove])
    error, _ = moments(done.encode(P))
    assert error <= 1e-3
    assert correlation(done.encode(P).astype(float), D[:, remove]) <= 1e-3


def test_a_hidden_layer_without_enough_directions_is_refused(data):
    P, D, remove = data
    codec = weights.initial(30, 5, 12, 10, seed=0)
    with pytest.raises(ValueError, match="latent_dim 12 > rank"):
        constrain(codec, P, D[:, remove])
