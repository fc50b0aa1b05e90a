"""The batched ascent against a one-by-one textbook loop; the objective's known values."""

import numpy as np
import pytest
import torch

from neuro.mds.stimuli.objective import Ascender, Ask, membership, objective
from neuro.simulate.ln8 import ln8_population


def textbook(model, stimuli, labels, temperature, norm, low, high, n_steps, step, size):
    """One cluster after the other, one stimulus at a time, written as the method is told."""
    k = int(labels.max()) + 1
    out, values = [], []
    for c in range(k):
        s = stimuli[c : c + 1].clone()
        for turn in range(n_steps + 1):
            s = s.detach().requires_grad_()
            response = model(s)[0]
            means = [response[labels == j].mean() for j in range(k)]
            total = sum(torch.exp(m / temperature) for m in means)
            value = means[c] / temperature - torch.log(total) + np.log(k)
            if turn == n_steps:
                break
            (gradient,) = torch.autograd.grad(value, s)
            if step == "absolute":
                s = s + size * gradient
            else:
                s = s + size * norm * gradient / gradient.norm()
            s = (s * norm / s.norm()).clamp(low, high)
        out.append(s.detach())
        values.append(float(value.detach()))
    return torch.cat(out), np.array(values)


def one(ask):
    return (yield ask)


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-4), ("float64", 1e-9)])
@pytest.mark.parametrize(("step", "size"), [("relative", 0.1), ("absolute", 3.0)])
def test_batch_equals_one_by_one(dtype, close, step, size):
    population = ln8_population((8, 8, 8, 8, 8, 8), random_state=0)
    labels = np.random.default_rng(1).permutation(population.types)
    space = Ascender(
        population,
        population.stimulus_shape,
        norm=3,
        low=-0.4,
        high=0.4,
        step=step,
        step_size=size,
        dtype=dtype,
    )
    start = space.noise(6, 5)
    want, values = textbook(population, start, labels, 1.6, 3, -0.4, 0.4, 50, step, size)
    weights = membership(labels, len(labels))
    ((got,),) = space.run([one(Ask([(start, weights)], 50))])
    assert float((got.stimuli - want).abs().max()) <= close
    assert abs(got.objective - values.mean()) <= (1e-6 if dtype == "float64" else 1e-5)


def test_searches_and_chunks_do_not_meddle():
    population = ln8_population(5)
    weights = [membership(np.arange(40) % k, 40) for k in (3, 5)]
    results = []
    for max_batch in (256, 3):
        space = Ascender(
            population, population.stimulus_shape, norm=3, dtype="float64", max_batch=max_batch
        )
        asks = [one(Ask([(space.noise(len(w), n), w)], 7 + n)) for n, w in enumerate(weights)]
        results.append([answer[0].stimuli for answer in space.run(asks)])
    alone = [
        space.run([one(Ask([(space.noise(len(w), n), w)], 7 + n))])[0][0].stimuli
        for n, w in enumerate(weights)
    ]
    for a, b, c in zip(*results, alone):
        assert float((a - b).abs().max()) < 1e-10 and float((a - c).abs().max()) < 1e-10


def test_objective_is_zero_without_and_log_k_with_separation():
    assert np.allclose(objective(np.full((7, 7), 3.3), 1.6), 0)
    assert np.allclose(objective(1000 * np.eye(7), 1.6), np.log(7))
    means = np.random.default_rng(0).random((4, 4))
    want = [
        np.log(np.exp(row[c] / 0.5) / np.mean(np.exp(row / 0.5))) for c, row in enumerate(means)
    ]
    assert np.allclose(objective(means, 0.5), want, atol=1e-12)


def test_membership_gives_every_cluster_the_same_weight():
    weights = membership([0, 1, 1, 1], 6, [5, 0, 2, 3])
    assert weights.sum(axis=1).tolist() == [1, 1]
    assert weights[0, 5] == 1 and weights[1, 0] == pytest.approx(1 / 3)


def test_norm_comes_before_the_range():
    low, high = np.full((2, 1, 1), -0.5), np.ones((2, 1, 1))
    space = Ascender(None, (2, 3, 3), norm=10, low=low, high=high)
    signs = torch.tensor([1.0, -1.0])[None, :, None, None]
    stimuli = space.project(signs.expand(1, 2, 3, 3))
    # 18 pixels of size 10/sqrt(18) = 2.36, cut to 1 and -0.5 afterwards
    assert float(stimuli[0, 0].min()) == 1.0 and float(stimuli[0, 1].max()) == -0.5
    assert float(stimuli.norm()) < 10


def test_smoothing_runs_along_time_and_keeps_a_constant():
    space = Ascender(None, (9, 2), norm=1e3, low=-1, high=1, smooth=0.5)
    pulse = torch.zeros((1, 9, 2))
    pulse[0, 4, 1] = 1
    out = space.project(pulse)[0]
    assert float(out[:, 0].abs().max()) == 0
    kernel = np.exp(-0.5 * (np.arange(-2, 3) / 0.5) ** 2)
    np.testing.assert_allclose(out[2:7, 1].numpy(), kernel / kernel.sum(), atol=1e-6)
    np.testing.assert_allclose(space.project(torch.ones((1, 9, 2))).numpy(), 1, atol=1e-6)


def test_keep_best_never_ends_below_a_step_it_has_seen():
    population = ln8_population(10)
    weights = membership(population.types, 80)
    levels = {}
    for keep in (False, True):
        space = Ascender(
            population,
            population.stimulus_shape,
            norm=3,
            low=-2,
            high=2,
            step="absolute",
            step_size=100,
            keep_best=keep,
        )
        start = space.noise(8, 5)
        levels[keep] = [
            space.run([one(Ask([(start, weights)], n))])[0][0].objective for n in (1, 2, 4, 8, 20)
        ]
    assert (np.diff(levels[True]) >= -1e-6).all()
    assert (np.diff(levels[False]) < -1e-3).any(), "the planted overshoot is gone"
    assert levels[True][-1] >= max(levels[False]) - 1e-6


def test_an_early_end_only_where_the_gain_is_small():
    population = ln8_population(6)
    space = Ascender(population, population.stimulus_shape, norm=3)
    weights = membership(population.types, 48)
    calls = []
    inner = space.model
    space.model = lambda x: (calls.append(1), inner(x))[1]
    space.run([one(Ask([(space.noise(8, 0), weights)], 400, tol=1e-3))])
    early = len(calls)
    calls.clear()
    space.run([one(Ask([(space.noise(8, 0), weights)], 400, tol=0))])
    assert early < 200 < len(calls)


def test_non_finite_responses_are_told():
    space = Ascender(lambda x: x.sum(dim=(1, 2, 3))[:, None] / 0 * torch.ones(3), (1, 4, 4))
    with pytest.raises(ValueError, match="twin returns non-finite responses"):
        space.respond(space.noise(2, 0))
