"""Synthetic connectomes: correlation matrices, the right spread, the requested demographics."""

import warnings

import numpy as np
import pytest

from neuro.demovae.evaluation import evaluate
from neuro.demovae.model import DemoVAE
from neuro.demovae.sampling.generate import (
    draw_latents,
    draw_rows,
    latent_moments,
    minimum_eigenvalues,
    nearest_correlations,
)
from neuro.simulate.connectomes import planted_connectomes


@pytest.fixture(scope="module")
def model(small, columns):
    return DemoVAE(mode="linear", latent_dim=10, columns=columns, random_state=0).fit(
        small.edges[:120], demographics=small.participants[:120]
    )


def full(row, size):
    matrix = np.eye(size)
    matrix[np.triu_indices(size, 1)] = row
    matrix.T[np.triu_indices(size, 1)] = row
    return matrix


def indefinite(n=20, size=24, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 1.3, (n, size * (size - 1) // 2))


def test_repaired_rows_are_correlation_matrices():
    edges = indefinite()
    assert minimum_eigenvalues(np.clip(edges, -1, 1), 24).max() < -0.5
    repaired = nearest_correlations(edges, 24)
    assert minimum_eigenvalues(repaired, 24).min() >= -1e-6
    assert np.abs(repaired).max() <= 1


def test_repair_is_nearer_than_one_projection():
    edges = np.clip(indefinite(), -1, 1)
    repaired = nearest_correlations(edges, 24)
    for row, found in zip(edges, repaired):
        values, vectors = np.linalg.eigh(full(row, 24))
        plain = (vectors * np.maximum(values, 0)) @ vectors.T
        scale = np.sqrt(np.diag(plain))
        plain = (plain / np.outer(scale, scale))[np.triu_indices(24, 1)]
        assert np.linalg.norm(found - row) < np.linalg.norm(plain - row)


def test_correlation_matrices_pass_unchanged(small):
    np.testing.assert_allclose(
        nearest_correlations(small.edges[:9], 24), small.edges[:9], atol=5e-5
    )


def test_sampling_noise_has_the_spread_of_so_many_volumes():
    truth = full(np.full(6, 0.4), 4)[np.triu_indices(4, 1)]
    rng = np.random.RandomState(0)
    noisy = nearest_correlations(np.repeat(truth[None], 3000, axis=0), 4, lambda row: 60, rng)
    assert noisy.std(axis=0).mean() == pytest.approx((1 - 0.4**2) / np.sqrt(60), rel=0.06)
    assert noisy.mean(axis=0) == pytest.approx(truth, abs=0.01)
    assert minimum_eigenvalues(noisy[:50], 4).min() >= -1e-6


def test_one_row_serves_all_and_rows_are_drawn(model, small):
    one = small.participants[:1]
    assert model.sample(7, one, random_state=0).shape == (7, 276)
    assert model.sample(demographics=small.participants[:3], random_state=0).shape == (3, 276)
    assert model.sample(9, small.participants[:3], random_state=0).shape == (9, 276)
    with pytest.raises(ValueError, match="demographics: missing"):
        model.sample(9)


def test_same_seed_same_samples(model, small):
    a, b, c = (model.sample(5, small.participants[:5], random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_samples_obey_the_bounds_and_keep_the_spread(model, small):
    rows = small.participants[:120].sample(300, replace=True, random_state=0)
    made = model.sample(demographics=rows.reset_index(drop=True), random_state=0)
    assert minimum_eigenvalues(made, 24).min() >= -1e-6
    assert np.abs(made).max() <= 1
    held_out = small.edges[120:]
    assert 0.85 <= evaluate.edge_stats(held_out, made)["sd_ratio"] <= 1.15
    bare = model.sample(
        demographics=rows.reset_index(drop=True), residual_noise=False, random_state=0
    )
    gaussian = model.sample(
        demographics=rows.reset_index(drop=True),
        residual_noise="gaussian",
        psd=False,
        random_state=0,
    )
    spread = [item.std(axis=0).mean() for item in (bare, made, gaussian)]
    assert spread[0] < min(spread[1:])


@pytest.mark.parametrize("part", ["along the coordinates", "per edge outside them", "both"])
def test_gaussian_noise_has_both_of_its_parts(model, small, monkeypatch, part):
    """The same seed with and without noise: the difference is the noise, and nothing else."""
    rng = np.random.default_rng(0)
    along = rng.uniform(0.01, 0.05, len(model.noise_sd_)).astype(np.float32)
    outside = rng.uniform(0.02, 0.1, len(model.noise_edge_)).astype(np.float32)
    along *= part != "per edge outside them"
    outside *= part != "along the coordinates"
    monkeypatch.setattr(model, "noise_sd_", along)
    monkeypatch.setattr(model, "noise_edge_", outside)
    rows = small.participants[:1]
    made, bare = (
        model.sample(3000, rows, kind="covariance", residual_noise=noise, random_state=0)
        for noise in ("gaussian", False)
    )
    noise = (made - bare).astype(np.float64)
    axes = model.space_.axes.astype(np.float64)
    for found, want in (
        ((noise @ axes).var(axis=0), along**2 + (axes**2).T @ outside**2),
        (noise.var(axis=0), axes**2 @ along**2 + outside**2),
    ):
        np.testing.assert_allclose(found, want, rtol=0.2, atol=1e-9)
        assert found.sum() == pytest.approx(want.sum(), rel=0.02)
    assert np.abs(noise.mean(axis=0)).max() < 0.01


def test_draws_are_white_and_free_of_the_demographics(model, small):
    told = model.coder_.transform(small.participants)
    Z = draw_latents(model, 160, np.random.RandomState(0), "normal", told, True)
    np.testing.assert_allclose(Z.T @ Z / 160, np.eye(10), atol=1e-4)
    inside = evaluate.correlations(Z, small.participants, model.columns_)
    assert max(np.abs(value).max() for value in inside.values()) <= 1e-4
    few = draw_latents(model, 5, np.random.RandomState(0), "normal", told[:5])
    assert np.isfinite(few).all()


def test_latents_that_did_not_converge_are_drawn_from_their_moments(small, columns):
    paper = DemoVAE("paper", latent_dim=4, hidden=20, n_epochs=2, columns=columns, random_state=0)
    paper.fit(small.edges, demographics=small.participants)
    assert not paper.converged_
    with pytest.warns(UserWarning, match="latents had not converged"):
        Z = draw_latents(paper, 4000, np.random.RandomState(0), balanced=True)
    np.testing.assert_allclose(np.cov(Z.T), paper.latent_cov_, rtol=1e-2, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = draw_latents(paper, 4000, np.random.RandomState(0), "normal", balanced=True)
    np.testing.assert_allclose(np.cov(Z.T), np.eye(4), atol=1e-2)


def test_paper_samples_are_the_raw_decoder_output(small, columns):
    paper = DemoVAE("paper", latent_dim=4, hidden=20, n_epochs=2, columns=columns, random_state=0)
    paper.fit(small.edges, demographics=small.participants)
    rows = small.participants[:6]
    made = paper.sample(6, rows, random_state=0, latent_draw="normal")
    Z = draw_latents(paper, 6, np.random.RandomState(0), "normal", paper.coder_.transform(rows))
    np.testing.assert_allclose(made, np.minimum(paper.inverse_transform(Z, rows), 1), atol=1e-6)


def test_other_kinds_are_not_clipped(small, columns):
    model = DemoVAE(mode="linear", latent_dim=10, columns=columns, random_state=0)
    model.fit(np.arctanh(small.edges), demographics=small.participants)
    rows = small.participants[:40]
    z = model.sample(40, rows, random_state=0, kind="fisher_z")
    assert minimum_eigenvalues(np.tanh(z), 24).min() >= -2e-6
    assert z.max() > 1 or np.tanh(z).max() <= 1
    raw = model.sample(40, rows, random_state=0, kind="covariance", residual_noise=False)
    Z = draw_latents(model, 40, np.random.RandomState(0), "auto", model.coder_.transform(rows))
    np.testing.assert_allclose(raw, model.inverse_transform(Z, rows), atol=1e-5)
    with pytest.raises(ValueError, match="kind: got 'tangent'"):
        model.sample(4, rows, kind="tangent")
    with pytest.raises(ValueError, match="latent_draw: got 'uniform'"):
        model.sample(4, rows, latent_draw="uniform")
    with pytest.raises(ValueError, match="residual_noise: got 'pink'"):
        model.sample(4, rows, residual_noise="pink")


def test_rows_of_a_table_are_kept_and_others_drawn(small):
    assert draw_rows(small.participants[:5], 3, 0, keep=True).equals(small.participants[:5])
    drawn = draw_rows(small.participants, 50, 0)
    assert len(drawn) == 50
    assert set(drawn["participant_id"]) <= set(small.participants["participant_id"])


def test_samples_carry_the_map_of_a_column_that_is_not_removed(columns):
    """Its map passes through the latents; drawing them independently would lose it."""
    made = planted_connectomes(400, 24, 120, 6, random_state=5, effect=3)
    both = [*columns, {"name": "dx", "type": "categorical", "role": "condition"}]
    model = DemoVAE(mode="linear", latent_dim=15, columns=both, random_state=0)
    model.fit(made.edges, demographics=made.participants)
    Z = model.transform(made.edges)
    case = made.participants["dx"].to_numpy() == 1
    assert np.abs(Z[case].mean(axis=0) - Z[~case].mean(axis=0)).max() > 0.3
    rows = made.participants.sample(2000, replace=True, random_state=0).reset_index(drop=True)
    told = model._told(rows)
    drawn = draw_latents(model, 2000, np.random.RandomState(0), told=told, balanced=True)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(15), atol=0.12)
    ill = rows["dx"].to_numpy() == 1
    np.testing.assert_allclose(
        drawn[ill].mean(axis=0) - drawn[~ill].mean(axis=0),
        Z[case].mean(axis=0) - Z[~case].mean(axis=0),
        atol=0.12,
    )
    edges = model.sample(demographics=rows, psd=False, residual_noise=False, random_state=0)
    found = evaluate.group_maps(edges, rows, both)["dx"]
    real = evaluate.group_maps(made.edges, made.participants, both)["dx"]
    assert np.corrcoef(found, real)[0, 1] >= 0.95
    assert 0.85 <= found @ real / (real @ real) <= 1.15
    # without such a column latents are drawn as before
    plain = DemoVAE(mode="linear", latent_dim=15, columns=columns, random_state=0)
    plain.fit(made.edges, demographics=made.participants)
    assert not plain.latent_slope_.any()


@pytest.mark.parametrize("n_latents", [1, 3])
def test_moments_of_latents_have_the_shapes_of_any_number(n_latents):
    rng = np.random.default_rng(0)
    D = rng.standard_normal((50, 2))
    Z = rng.standard_normal((50, n_latents)) + D[:, :1]
    found = latent_moments(Z, D, True)
    assert found["latent_cov_"].shape == (n_latents, n_latents)
    np.testing.assert_allclose(found["latent_cov_"].diagonal(), Z.var(axis=0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(found["told_cov_"], np.cov(D.T, ddof=0), rtol=1e-4, atol=1e-6)
    residual = Z - Z.mean(axis=0) - (D - D.mean(axis=0)) @ found["latent_slope_"]
    np.testing.assert_allclose(D.T @ residual, 0, atol=1e-3)
    assert not latent_moments(Z, D, False)["latent_slope_"].any()
