"""Units that are absent from a day, or observed in part, must not turn states into days."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from neuro.hmmglm.baselines.compare import match_states
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.simulate.switching import switching_glm

DAYS, SEGMENTS, BINS = 2, 10, 600


def stationary(seed):
    """Independent units of 2 to 8 Hz in bins of 50 ms; three are lost on the second day."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(2, 8, 8) * 0.05
    counts = [rng.poisson(rates, (BINS, 8)) for _ in range(DAYS * SEGMENTS)]
    seen = np.ones((DAYS * SEGMENTS, BINS, 8), bool)
    seen[SEGMENTS:, :, :3] = False
    return counts, list(seen)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4))]
)
def test_units_lost_on_a_day_are_no_state(seed):
    counts, seen = stationary(seed)
    train, test = np.arange(20) % 2 == 0, np.arange(20) % 2 == 1
    day = np.repeat(np.arange(20)[test] // SEGMENTS, BINS)

    def take(items, side):
        return [item for item, chosen in zip(items, side) if chosen]

    bits, agreement = [], 0.0
    for k in (1, 2):
        model = OneHotHMMGLM(k, "gaussian", n_starts=2, random_state=seed)
        model.fit(take(counts, train), mask=take(seen, train))
        bits.append(model.bits_per_spike(take(counts, test), mask=take(seen, test)))
        path = np.concatenate(model.predict(take(counts, test), mask=take(seen, test)))
        agreement = adjusted_mutual_info_score(path, day)
    assert bits[1] - bits[0] <= 0.002 and agreement <= 0.05
    if seed == 0:  # read as silence, the same data have two states, and they are the days
        silent = [np.where(known, item, 0) for item, known in zip(counts, seen)]
        model = OneHotHMMGLM(2, "gaussian", n_starts=2, random_state=seed)
        model.fit(take(silent, train))
        path = np.concatenate(model.predict(take(silent, test)))
        assert adjusted_mutual_info_score(path, day) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [100, 101, 102])
def test_planted_states_are_found_though_units_come_and_go(seed):
    truth = switching_glm(20, 600, 12, 2, random_state=seed)
    seen = np.ones((20, 600, 12), bool)
    seen[:10, :, :3] = False
    seen[10:, :, 7:] = False
    day = np.repeat(np.arange(20) // 10, 600)
    # some starts end in a local optimum, with and without masks
    options = {"n_starts": 6, "random_state": 0, "link": "sigmoid", "bias": "shared"}
    counts, states = list(truth.counts), list(truth.states)
    model = OneHotHMMGLM(2, "gaussian", **options).fit(counts, mask=list(seen))
    found = model.predict(counts, mask=list(seen))
    complete = OneHotHMMGLM(2, "gaussian", **options).fit(counts).predict(counts)
    assert match_states(found, states)[1] >= match_states(complete, states)[1] - 0.05
    assert adjusted_mutual_info_score(np.concatenate(found), day) <= 0.02


def test_values_that_were_not_observed_change_nothing():
    """Whatever stands at an unobserved entry, the model and what it says are the same."""
    counts, seen = stationary(5)
    rng = np.random.default_rng(0)
    other = [
        np.where(known, item, rng.integers(0, 50, item.shape)) for item, known in zip(counts, seen)
    ]
    holed = [np.where(known, item, np.nan) for item, known in zip(counts, seen)]
    fits = []
    for items, mask in ((counts, seen), (other, seen), (holed, None)):
        model = OneHotHMMGLM(2, "plain", n_starts=1, random_state=0, ridge=3.0)
        model.fit(items[8:12], mask=None if mask is None else mask[8:12])
        fits.append((model.theta_, model.bits_per_spike(items, mask=mask), model.rates_))
    for found in fits[1:]:
        for one, first in zip(found, fits[0]):
            np.testing.assert_array_equal(one, first)
