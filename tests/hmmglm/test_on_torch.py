"""The way through torch gives the numbers of the kernels."""

import numpy as np
import pytest

from neuro.hmmglm.design.history import exponential_basis, make_design
from neuro.hmmglm.em.chain import smooth
from neuro.hmmglm.em.drive import driven
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.em.on_torch import TorchLikelihood
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.io.problems import InputProblem
from neuro.simulate.switching import switching_glm

torch = pytest.importorskip("torch")
CASES = [
    ("poisson", "softplus"),
    ("poisson", "sigmoid"),
    ("poisson", "exp"),
    ("bernoulli", "sigmoid"),
    ("gaussian", "linear"),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("emission", "link"), CASES)
def test_log_likelihood_and_statistics(emission, link, masked, monkeypatch):
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.6, size=(2, 90, 4)).astype(float)
    counts = np.minimum(counts, 1) if emission == "bernoulli" else counts
    if masked:
        counts[rng.random(counts.shape) < 0.2] = np.nan
        counts[0, 30:33] = np.nan
    design = make_design(
        list(counts), exponential_basis(), dtype=np.float64, poisson=emission == "poisson"
    )
    theta, gamma = 0.5 * rng.normal(size=(3, 4, 5)), rng.dirichlet(np.ones(3), size=180)
    monkeypatch.setattr("neuro.hmmglm.em.on_torch.CHUNK", 20_000)  # in several chunks
    here, there = Likelihood(emission, link), TorchLikelihood(emission, link, "cpu")
    np.testing.assert_allclose(
        there.log_b(design, theta, 0.7), here.log_b(design, theta, 0.7), rtol=1e-9, atol=1e-9
    )
    for block in (None, slice(1, 3)):
        for got, want in zip(
            there.statistics(design, theta, gamma, 0.7, block),
            here.statistics(design, theta, gamma, 0.7, block),
        ):
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)
    (up, w), (want_up, want_w) = (one.weights(design, theta, gamma, 0.7) for one in (there, here))
    np.testing.assert_allclose(up, want_up, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(w.numpy(), want_w, rtol=1e-8, atol=1e-10)
    v = rng.normal(size=(12, 5))
    np.testing.assert_allclose(
        there.product(design, w, v), here.product(design, want_w, v), rtol=1e-8, atol=1e-8
    )
    for got, want in zip(there.moments(design, w), here.moments(design, want_w)):
        np.testing.assert_allclose(got, want, rtol=1e-8)
    for got, want in zip(there.shapes(design, w, 3), here.shapes(design, want_w, 3)):
        np.testing.assert_allclose(got, want, rtol=1e-8)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_forward_backward_of_sequences_of_any_length(many, scale):
    rng = np.random.default_rng(1)
    starts = np.array([0, 1, 40, 47, 200])
    log_b = scale * rng.normal(size=(200, 3)) - 3 * scale
    matrix = rng.dirichlet(np.ones(3), size=3)
    if many:
        matrix = driven(matrix, rng.normal(size=(3, 1)), rng.normal(size=(200, 1)))
    got = TorchLikelihood("poisson", "softplus", "cpu").smooth(log_b, starts, matrix)
    for one, want in zip(got, smooth(log_b, starts, matrix)):
        np.testing.assert_allclose(one, want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("plain", {}),
        ("gaussian", {}),
        ("gaussian", {"newton": "truncated", "tol": 1e-9}),
        ("onehot", {}),
        ("onehot", {"newton": "truncated"}),
    ],
)
def test_a_whole_fit_is_the_same(model, more):
    truth = switching_glm(3, 200, 5, 2, random_state=0)
    counts = [np.asarray(item, float) for item in truth.counts]
    given = {"n_starts": 1, "random_state": 0, "ridge": 1.0, "prior_sd": 0.3, **more}
    # rare events of a hundred counts make the kernels work in double precision, too
    counts[0][5, 0] = 80
    here = OneHotHMMGLM(2, model, **given).fit(counts)
    there = OneHotHMMGLM(2, model, device="cpu", **given).fit(counts)
    assert there.starts_[0]["status"] == here.starts_[0]["status"] == "converged"
    assert there.starts_[0]["objective"] == pytest.approx(here.starts_[0]["objective"], rel=1e-8)
    if not more:  # an inexact step ends where rounding lets it, at the same objective
        np.testing.assert_allclose(there.theta_, here.theta_, atol=1e-6)
    np.testing.assert_allclose(there.transitions_, here.transitions_, atol=1e-4 if more else 1e-6)


def test_a_device_that_is_not_there():
    counts = [np.random.default_rng(0).poisson(0.5, size=(300, 3))]
    if not torch.cuda.is_available():
        with pytest.raises(InputProblem, match="torch sees no GPU; use device 'cpu'"):
            OneHotHMMGLM(1, "plain", device="cuda").fit(counts)
    with pytest.raises(ValueError, match="device: got 'tpu'"):
        OneHotHMMGLM(1, "plain", device="tpu").fit(counts)
    with pytest.raises(ValueError, match="runs in numpy only"):
        OneHotHMMGLM(1, "plain", solver="paper", device="cpu").fit(counts)
