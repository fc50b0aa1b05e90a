"""Row space: everything measured on coordinates equals what edges would give."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from neuro.demovae.coding.codec import to_coordinates, to_edges
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.row_space import EdgeSpace, row_space
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.training import guidance, losses, network
from neuro.demovae.training.weights import initial


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((12, 300)) * 0.2
    data = rng.standard_normal((60, 12)) @ mixing + 0.1 * rng.standard_normal((60, 300)) + 0.3
    return data.astype(np.float32)


def test_axes_equal_those_of_a_singular_value_decomposition(rows):
    space, P = row_space(rows)
    centred = rows.astype(float) - rows.astype(float).mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)[:59]
    np.testing.assert_allclose(space.singular, singular, rtol=1e-6)
    np.testing.assert_allclose(space.axes.T @ space.axes, np.eye(59), atol=1e-5)
    np.testing.assert_allclose(space.back(P), rows, atol=1e-5)
    np.testing.assert_allclose(space.project(rows), P, atol=1e-4)
    assert space.outside == 0.0


def test_energy_outside_few_axes_is_what_reconstruction_misses(rows):
    space, P = row_space(rows, 5)
    missed = ((rows - space.back(P)).astype(float) ** 2).sum(axis=1)
    np.testing.assert_allclose(space.outside_energy(rows, P), missed, rtol=1e-3)
    assert space.outside == pytest.approx(missed.sum() / rows.size, rel=1e-3)
    new = rows[::-1] * 1.1
    P_new = space.project(new)
    missed = ((new - space.back(P_new)).astype(float) ** 2).sum(axis=1)
    np.testing.assert_allclose(space.outside_energy(new, P_new), missed, rtol=1e-3)


def test_repeated_rows_lower_the_rank_and_equal_rows_are_refused(rows):
    space, _ = row_space(np.vstack([rows[:10], rows[:10]]))
    assert space.n_columns == 9
    with pytest.raises(ValueError, match="all rows are equal"):
        row_space(np.repeat(rows[:1], 5, axis=0))


def test_network_and_losses_are_the_same_in_coordinates_and_in_edges(rows):
    space, P = row_space(rows)
    small = network.from_codec(initial(space.n_columns, 4, 6, 30, seed=2))
    codec = small.codec()
    large = to_edges(codec, space)
    told = np.random.default_rng(1).standard_normal((60, 4)).astype(np.float32)
    Z, Z_edges = codec.encode(P), large.encode(rows)
    np.testing.assert_allclose(Z_edges, Z, atol=1e-4)
    decoded = large.decode(Z_edges, told)
    np.testing.assert_allclose(decoded, space.back(codec.decode(Z, told)), atol=1e-4)
    back = to_coordinates(large, space)
    np.testing.assert_allclose(back.encode(P), Z, atol=1e-4)
    np.testing.assert_allclose(back.decode(Z, told), codec.decode(Z, told), atol=1e-4)
    tensor = torch.from_numpy
    in_edges = losses.reconstruction(tensor(rows), tensor(decoded))
    in_space = losses.reconstruction(
        tensor(P), tensor(codec.decode(Z, told)), rows.shape[1], space.outside
    )
    assert float(in_space) == pytest.approx(float(in_edges), rel=1e-5)


def test_loss_with_few_axes_counts_what_is_outside(rows):
    space, P = row_space(rows, 7)
    guess = P * 0.5
    full = losses.reconstruction(torch.from_numpy(rows), torch.from_numpy(space.back(guess)))
    part = losses.reconstruction(
        torch.from_numpy(P), torch.from_numpy(guess), rows.shape[1], space.outside
    )
    assert float(part) == pytest.approx(float(full), rel=1e-4)


def test_guidance_readouts_equal_those_fitted_on_edges(rows, demographics):
    coder = DemographicCoder(parse_columns(None, demographics), "linear").fit(demographics)
    space, P = row_space(rows)
    found = {item.name: item for item in guidance.fit_readouts(P, demographics, coder)}
    mapped = {item.name: item for item in guidance.in_edges(list(found.values()), space)}
    age = coder.terms_["age"].transform(demographics["age"].to_numpy())[:, 0]
    ridge = Ridge(alpha=100.0).fit(rows.astype(float), age)
    difference = np.linalg.norm(mapped["age"].weights[:, 0] - ridge.coef_)
    assert difference / np.linalg.norm(ridge.coef_) <= 1e-5
    guess = rows @ mapped["age"].weights[:, 0] + mapped["age"].intercept
    np.testing.assert_allclose(guess, ridge.predict(rows), atol=1e-4)
    logit = LogisticRegression(C=100.0, max_iter=20000, tol=1e-10)
    logit.fit(rows.astype(float), demographics["site"])
    both = P @ found["site"].weights + found["site"].intercept
    # the package stops after 100 steps; what counts is that the decision is the same
    agree = (both.argmax(axis=1) == logit.decision_function(rows).argmax(axis=1)).mean()
    assert agree == 1.0
    sex = mapped["sex"]
    np.testing.assert_allclose(sex.weights[:, 0], -sex.weights[:, 1])


def test_edge_space_is_the_identity(rows):
    space = EdgeSpace(300)
    assert space.project(rows) is rows or np.array_equal(space.project(rows), rows)
    np.testing.assert_array_equal(space.back(rows), rows)
    assert not space.outside_energy(rows, rows).any()
