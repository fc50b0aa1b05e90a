"""The five terms: closed-form values, and a float64 numpy version written from the publication."""

import numpy as np
import pytest
import torch

from neuro.base import seeds
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.training import guidance, losses, network, train
from neuro.demovae.training.weights import initial


def orthonormal(n, size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, size)))[0]


@pytest.mark.parametrize(("n", "size", "c"), [(500, 60, 0.0), (100, 7, 0.6), (64, 3, 1.7)])
def test_covariance_of_scaled_orthonormal_latents(n, size, c):
    z = torch.tensor(c * np.sqrt(n) * orthonormal(n, size))
    expected = abs(c**2 - 1) * n / np.sqrt(size)
    assert float(losses.covariance(z)) == pytest.approx(expected, abs=1e-6 * n)
    # the robust form starts at the same value, whatever the batch
    centred = z - z.mean(dim=0)
    if c == 0:
        assert float(losses.centred_covariance(centred, n)) == pytest.approx(n / np.sqrt(size))


def test_covariance_at_zero_is_the_published_start():
    assert float(losses.covariance(torch.zeros(500, 60))) == pytest.approx(64.55, abs=0.01)


@pytest.mark.parametrize("s", [0.3, 1.0, 2.5])
def test_decorrelation_is_the_correlation_over_the_spread(s):
    d = torch.tensor(np.tile([1.0, -1.0], 50))[:, None]
    found = float(losses.decorrelation(s * d, d))
    assert found == pytest.approx(0.99499 / s, abs=1e-5 / s)


def test_decorrelation_ignores_a_column_without_spread():
    rng = np.random.default_rng(0)
    z, d = torch.tensor(rng.standard_normal((20, 4))), torch.tensor(rng.standard_normal((20, 1)))
    flat = torch.full((20, 1), 3.0, dtype=torch.float64)
    both = losses.decorrelation(z, torch.cat([d, flat], dim=1))
    assert float(both) == pytest.approx(float(losses.decorrelation(z, d)))
    assert float(losses.decorrelation(z[:1], d[:1])) == 0.0
    assert float(losses.decorrelation(z, d[:, :0])) == 0.0


def test_guidance_of_levels_and_its_three_reductions():
    s = torch.tensor([[0.4, -1.2, 2.0], [1.0, 0.0, -0.5]])
    y = torch.tensor([[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]])
    by_hand = np.log1p(np.exp(-2 * s.numpy() * y.numpy())).mean(axis=0)
    total = float(losses.guidance_levels(s, y, "sum"))
    assert total == pytest.approx(by_hand.sum(), abs=1e-6)
    assert float(losses.guidance_levels(s, y, "package")) == pytest.approx(3 * total, rel=1e-6)
    assert float(losses.guidance_levels(s, y, "package")) == pytest.approx(
        9 * float(losses.guidance_levels(s, y, "mean")), rel=1e-6
    )
    with pytest.raises(ValueError, match="guide_reduction: got 'all'"):
        losses.guidance_levels(s, y, "all")


@pytest.mark.parametrize("term", ["covariance", "means", "reconstruction", "decorrelation"])
def test_gradients_at_the_optimum_are_finite(term):
    z = torch.zeros(16, 3, requires_grad=True)
    d = torch.ones(16, 2)
    value = {
        "covariance": lambda: losses.rmse(z),
        "means": lambda: losses.means(z),
        "reconstruction": lambda: losses.reconstruction(z, torch.zeros(16, 3)),
        "decorrelation": lambda: losses.decorrelation(z, d),
    }[term]()
    value.backward()
    assert torch.isfinite(z.grad).all()


def numpy_objective(x, d, weights, codec, frozen, request, latents):
    """The released objective, term by term, in double precision."""
    relu = lambda a: np.maximum(a, 0)  # noqa: E731
    h = relu(x @ codec.enc1.T.astype(float) + codec.enc1_bias)
    z = h @ codec.enc2.T.astype(float) + codec.enc2_bias
    n, size = z.shape

    def decode(latent, told):
        a = relu(np.c_[latent, told] @ codec.dec1.T.astype(float) + codec.dec1_bias)
        return a @ codec.dec2.T.astype(float) + codec.dec2_bias

    def rmse(a):
        return np.sqrt(np.mean(a**2))

    rec = rmse(x - decode(z, d))
    cov = rmse(z.T @ z - n * np.eye(size))
    mean = rmse(z.mean(axis=0))
    decor = 0.0
    for column in d.T:
        c = column - column.mean()
        decor += rmse(c @ z / (column.std(ddof=1) * (z**2).sum(axis=0)))
    told, wanted = request
    made = decode(latents, told)
    guide = 0.0
    for item in frozen:
        found = made @ item.weights.astype(float) + item.intercept
        if not item.levels:
            guide += rmse(found - wanted[item.name])
            continue
        terms = [
            np.log1p(np.exp(-2 * found[:, j] * wanted[item.name][:, j])).mean()
            for j in range(len(item.levels))
        ]
        for _ in item.levels:
            guide += sum(terms)
    parts = {"rec": rec, "cov": cov, "mean": mean, "decor": decor, "guide": guide}
    return parts, sum(weights[name] * value for name, value in parts.items())


def test_the_paper_objective_equals_a_plain_numpy_version(demographics):
    rng = np.random.default_rng(3)
    n, n_edges = len(demographics), 190
    x = rng.normal(0, 0.3, (n, n_edges)).astype(np.float32)
    coder = DemographicCoder(parse_columns(None, demographics), "raw").fit(demographics)
    d = coder.transform(demographics)
    frozen = guidance.fit_readouts(x - x.mean(axis=0), demographics, coder)
    model = network.from_codec(initial(n_edges, d.shape[1], 8, 40, seed=1))
    weights = {"rec": 100.0, "cov": 1.0, "mean": 1.0, "decor": 10.0, "guide": 0.001}
    recipe = train.Recipe(
        weights=weights,
        n_epochs=1,
        lr=1e-30,
        lr_outer=1e-30,
        batch_size=1000,
        shuffle=False,
        patience=None,
        centred=False,
        guide_reduction="package",
        guide_average=False,
    )
    requests = guidance.Requests(coder, demographics, d, "package")
    # the same random numbers as the first step of the training draws
    draw = seeds.generator(5, "training order")
    request = requests(draw)
    latents = draw.standard_normal((100, 8), dtype=np.float32).astype(float)
    expected, total = numpy_objective(
        x.astype(float), d.astype(float), weights, model.codec(), frozen, request, latents
    )
    rows = train.Rows(x, d, np.zeros(n))
    history, _ = train.train(
        model, rows, None, coder.remove_, frozen, requests, recipe, n_edges=n_edges, seed=5
    )
    for name, value in expected.items():
        assert history[1][name] == pytest.approx(value, rel=1e-5), name
    assert history[1]["total"] == pytest.approx(total, rel=1e-5)


def test_guidance_draws_of_the_presets(demographics):
    coder = DemographicCoder(parse_columns(None, demographics), "raw").fit(demographics)
    d = coder.transform(demographics)
    fields = coder.fields()
    rng = np.random.default_rng(0)
    told, wanted = guidance.Requests(coder, demographics, d, "package")(rng)
    assert told.shape == (100, d.shape[1])
    assert len(np.unique(told[:, fields["age"]])) > 90, "a number of its own per row"
    assert len(np.unique(told[:, fields["site"]], axis=0)) == 1, "one level for all rows"
    assert (wanted["site"].sum(axis=1) == -1).all(), "one level of three is asked for"
    told, _ = guidance.Requests(coder, demographics, d, "shared")(rng)
    assert len(np.unique(told, axis=0)) == 1
    told, wanted = guidance.Requests(coder, demographics, d, "rows")(rng)
    known = {tuple(row) for row in d.tolist()}
    assert all(tuple(row) in known for row in told.tolist()), "whole training rows"
    np.testing.assert_array_equal(wanted["age"][:, 0], told[:, fields["age"]][:, 0])
