"""Thousands of units: some at a time, with the same numbers and bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from neuro.mds import EncoderTwin, TemporalTwin, Twin
from neuro.mds.twin import ridges, training
from neuro.simulate.ln8 import ln8_twin_data


@pytest.mark.parametrize("kind", ["clips", "images"])
def test_ridges_of_some_units_at_a_time_are_those_of_all(kind, monkeypatch):
    rng = np.random.default_rng(0)
    shape = (90, 4, 3) if kind == "clips" else (90, 1, 6, 6)
    x, y = rng.random(shape).astype(np.float32), rng.normal(size=(90, 11)).astype(np.float32)
    tier = np.array(["train"] * 60 + ["validation"] * 15 + ["test"] * 15)

    def fit():
        twin = TemporalTwin(4) if kind == "clips" else EncoderTwin("pixels")
        twin.fit(x, y, tier)
        return twin, (twin.filters_ if kind == "clips" else twin.weights_)

    whole, weights = fit()
    monkeypatch.setattr(ridges, "UNITS", 3)
    parts, again = fit()
    assert parts.penalty_ == whole.penalty_
    np.testing.assert_allclose(again, weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.bias_, whole.bias_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(parts.test_correlation_, whole.test_correlation_, rtol=1e-9)
    assert parts.validation_ == pytest.approx(whole.validation_, rel=1e-9)


def test_gradients_of_some_units_at_a_time_are_those_of_all():
    data, _ = ln8_twin_data(4, 100, 20, n_types=2)
    x, y = data["stimuli"][:50], data["responses"][:50]
    grads = []
    for unit_batch in (1000, 3):
        twin = Twin(1, channels=4, unit_batch=unit_batch)
        twin.offset, twin.shape_ = np.zeros((1, 1, 1), np.float32), x.shape[1:]
        torch.manual_seed(0)
        twin.state_ = twin._initial(x, y)
        learned = [key for key in twin.state_ if "running" not in key]
        for key in learned:
            twin.state_[key].requires_grad_()
        torch.manual_seed(1)
        loss = training._step(twin, torch.as_tensor(x), torch.as_tensor(y))
        grads.append([loss] + [twin.state_[key].grad for key in learned])
    for one, other in zip(*grads):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    # and the plain gradient of the whole loss, for a weight of the readout
    state = {key: value.detach().clone() for key, value in twin.state_.items()}
    twin.state_ = state
    state["readout.weights"].requires_grad_()
    torch.manual_seed(1)
    rate = twin._readout(*twin._core(torch.as_tensor(x), training=True))
    plain = (rate - torch.as_tensor(y) * (rate + 1e-8).log()).sum(dim=1).mean()
    plain = plain + twin.l1 * state["readout.weights"].abs().sum()
    plain.backward()
    torch.testing.assert_close(
        state["readout.weights"].grad,
        grads[0][learned.index("readout.weights") + 1],
        rtol=1e-4,
        atol=1e-5,
    )


def test_training_does_not_hang_on_the_part():
    data, _ = ln8_twin_data(4, 200, 40, n_types=2)
    found = [
        Twin(2, channels=4, unit_batch=size).fit(data["stimuli"], data["responses"], data["tier"])
        for size in (1000, 3)
    ]
    np.testing.assert_allclose(
        found[1].predict(data["stimuli"][:20]), found[0].predict(data["stimuli"][:20]), atol=2e-3
    )


MEMORY = """
import resource, sys, numpy as np, torch
from neuro.mds import TemporalTwin, Twin
kind, n_trials, n_units = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
responses = np.empty((n_trials, n_units), np.float32)
for k in range(0, n_units, 500):
    responses[:, k : k + 500] = rng.random((n_trials, responses[:, k : k + 500].shape[1]))
if kind == "clips":
    stimuli, twin = rng.random((n_trials, 60, 2)).astype(np.float32), TemporalTwin(60)
else:
    stimuli = rng.random((n_trials, 1, 24, 24)).astype(np.float32)
    twin = Twin(1, unit_batch=int(sys.argv[4]))
np.linalg.eigh(np.eye(50))
torch.nn.functional.conv2d(torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 3, 3))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
twin.fit(stimuli, responses, np.array(["train"] * (n_trials - 200) + ["test"] * 200))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def rise(*words):
    """Rise of the peak memory by a fit, in MB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, words)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.slow
def test_ridges_of_many_units_need_no_double_copy_of_all_responses():
    """Clips of two seconds; a copy of these responses in double precision takes 458 MB."""
    assert rise("clips", 6000, 10000) < 458


@pytest.mark.slow
def test_training_on_many_units_is_bounded_by_the_part():
    many, few = rise("images", 500, 6000, 6000), rise("images", 500, 6000, 500)
    assert few < 0.75 * many
