"""Typing with the outcome "untyped": calibrated, free of units, honest about foreign cells."""

import numpy as np
import pytest

from neuro.mds.clusters.on_the_fly import assign_typed
from neuro.mds.clusters.typing import (
    Typing,
    _pairs,
    counts,
    dispersion,
    log_multinomial,
    reliability,
    shares,
)
from neuro.mds.stimuli.objective import Ascender
from neuro.simulate import ln8


@pytest.fixture(scope="module")
def planted():
    """Training cells of eight types, one good stimulus per type, and rates of new cells."""
    train, new = ln8.ln8_population(15, 5), ln8.ln8_population(40, 77)
    space = Ascender(train, train.stimulus_shape, norm=3, low=-2, high=2)
    from neuro.mds.clusters.grouped import one_step
    from neuro.mds.stimuli.objective import membership

    stimuli, _ = one_step(space, membership(train.types, len(train.types)), 40, 0)
    rates = new.rates(stimuli)
    typing = Typing(shares(train.rates(stimuli)), train.types)
    return typing, 2.8 * rates / rates.max(axis=0), new.types


def typed(planted, n_repeats, seed=0):
    typing, rates, types = planted
    rng = np.random.default_rng(seed)
    responses = rng.poisson(rates, (n_repeats, *rates.shape)).astype(float)
    unit = 1.0 if n_repeats == 1 else None
    events, _ = counts(responses, unit)
    model = typing.calibrated(events[rng.permutation(len(events))[:40]])
    return model, responses, model.table(responses, unit=unit), types


@pytest.mark.parametrize(
    ("n_repeats", "least", "error"), [(1, 0.8, 0.06), (3, 0.96, 0.03), (9, 0.99, 0.03)]
)
def test_cells_are_typed_with_a_posterior_that_means_what_it_says(planted, n_repeats, least, error):
    _, responses, table, types = typed(planted, n_repeats)
    right = table["best"].to_numpy() - 1 == types
    largest = responses.mean(axis=0).argmax(axis=0) == types
    assert right.mean() >= least and right.mean() >= largest.mean()
    assert reliability(table["probability"], right)[1] <= error
    sure = table["cluster"] > 0
    assert right[sure].mean() >= 0.96 and (table.loc[~sure, "why"] != "").all()


def test_units_change_nothing(planted):
    model, responses, table, _ = typed(planted, 3)
    for factor in (5.0, 0.1):
        other = model.table(factor * responses)
        np.testing.assert_array_equal(other["cluster"], table["cluster"])
        np.testing.assert_allclose(other["probability"], table["probability"], atol=1e-9)
    assert dispersion(5 * responses) == pytest.approx(5 * dispersion(responses), rel=1e-12)


def test_foreign_flat_silent_and_equal_cells_stay_untyped(planted):
    model, responses, _, types = typed(planted, 9)
    k, rng = responses.shape[1], np.random.default_rng(1)
    flat = model.table(rng.poisson(1.2, (9, k, 200)).astype(float))
    assert (flat["cluster"] > 0).mean() <= 0.03
    profiles = rng.dirichlet(np.ones(k), 200).T
    strange = rng.poisson(2.8 * profiles / profiles.max(axis=0), (9, k, 200)).astype(float)
    assert (model.table(strange)["cluster"] > 0).mean() <= 0.06
    some = responses[:, :, :3].copy()
    some[:, :, 0], some[:, :, 1] = 0.0, 2.0
    table = model.table(some, unit=1.0)
    assert list(table["why"][:2]) == ["silent", "equal answers"] and table["cluster"][2] > 0
    left = types == 7
    without = Typing(model.profiles[model.labels < 7], model.labels[model.labels < 7], model.kappa)
    assert (without.table(responses)["cluster"][left] > 0).mean() <= 0.05


def test_cells_of_no_type_are_counted_in_the_recording(planted):
    """Without any the posterior is not held down; with many they are typed less."""
    typing, rates, _ = planted
    rng = np.random.default_rng(3)
    own = rng.poisson(rates).T.astype(float)
    flat = rng.poisson(1.2, (100, len(rates))).astype(float)
    alone, mixed = typing.calibrated(own), typing.calibrated(np.concatenate([own[::4], flat]))
    assert sum(alone.outside) < 0.03 and mixed.outside[1] > 0.3
    for model in (alone, mixed):
        assert model.prior().sum() == pytest.approx(1)
    typed = [(model.posterior(flat)[:, :-2].max(axis=1) >= 0.8).mean() for model in (alone, mixed)]
    assert typed[1] <= 0.03 and typed[1] <= typed[0]
    # fewer than ten cells tell nothing
    assert typing.calibrated(own[:9]) is typing


def test_a_session_without_foreign_cells_does_not_rule_them_out(planted):
    """Three repeats; the shares that make the posterior calibrated type flat cells too often."""
    typing, rates, _ = planted
    rng = np.random.default_rng(4)
    model = typing.calibrated(rng.poisson(3 * rates).T.astype(float))
    flat = rng.poisson(0.7, (3, len(rates), 1000)).astype(float)
    table = model.table(flat, unit=1.0)
    reached = (table["probability"] >= 0.8).mean()
    assert (table["cluster"] > 0).mean() <= 0.03 and reached > 2 * (table["cluster"] > 0).mean()
    assert set(table["why"][table["cluster"] == 0]) <= {
        *("no class is certain", "of no type", "silent", "equal answers")
    }


@pytest.mark.parametrize("peak", [1.4, 2.8, 5.6])
def test_flat_cells_are_not_typed_even_at_one_repeat(planted, peak):
    """A few events fall on few stimuli by chance; how often is known, given their number."""
    typing, rates, types = planted
    rng = np.random.default_rng(1)
    own = rng.poisson(rates * peak / 2.8).astype(float)
    model = typing.calibrated(own.T)
    flat = rng.poisson(own.mean(), (1, len(rates), 2000)).astype(float)
    assert (model.table(flat, unit=1.0)["cluster"] > 0).mean() <= 0.03
    # what is typed is right still, and it is not much less
    table = model.table(own[None], unit=1.0)
    sure, right = table["cluster"].to_numpy() > 0, table["best"].to_numpy() - 1 == types
    before = table["probability"].to_numpy() >= 0.8
    assert right[sure].mean() >= right[before].mean() - 0.005
    assert sure.sum() > (0.7 if peak > 2 else 0.4) * before.sum()


def test_the_odds_that_are_needed_are_those_of_flat_cells(planted):
    typing, *_ = planted
    model = typing.calibrated(np.random.default_rng(0).poisson(planted[1]).T.astype(float))
    counted = np.eye(8)[:3] * np.array([[3.0], [8.0], [400.0]])
    levels = model.needed(counted)
    assert np.isfinite(levels[1]) and levels[2] == -np.inf
    # others that were recorded beside a cell change nothing for it
    np.testing.assert_array_equal(levels[1:2], model.needed(counted[1:2]))
    # fresh flat cells with eight events: no more than the share that is allowed pass
    rng = np.random.default_rng(1)
    p = model.posterior(rng.multinomial(8, np.full(8, 1 / 8), 4000).astype(float))
    odds = np.log(p[:, :-2].sum(axis=1) / p[:, -1])
    sure = p[:, :-2].max(axis=1) >= 0.8
    assert sure.mean() > 0.05 > 0.03 >= (sure & (odds > levels[1])).mean()


def test_likelihoods_of_all_pairs_are_those_of_single_ones(planted):
    typing, rates, _ = planted
    events = np.random.default_rng(0).gamma(1.0, 2.0, (7, len(rates)))
    one_by_one = log_multinomial(events[:, None], 30.0 * typing.profiles[None])
    np.testing.assert_allclose(_pairs(events, 30.0 * typing.profiles), one_by_one, atol=1e-10)


def test_one_repeat_needs_its_unit_and_a_recording_with_nothing_is_refused():
    with pytest.raises(ValueError, match="one repeat does not tell the unit"):
        dispersion(np.ones((1, 3, 4)))
    with pytest.raises(ValueError, match="nothing varies"):
        dispersion(np.ones((5, 3, 4)))
    with pytest.raises(ValueError, match="unit: got 0"):
        counts(np.ones((2, 3, 4)), 0.0)
    with pytest.raises(ValueError, match="cell 0 has no repeat of stimulus 1"):
        counts(np.full((2, 3, 4), np.nan), 1.0)
    with pytest.raises(ValueError, match="3 stimuli, the profiles have 2"):
        Typing(np.full((4, 2), 0.5), np.array([0, 0, 1, 1])).table(np.ones((2, 3, 4)), unit=1.0)


def test_the_likelihood_is_the_urn_of_polya():
    """Drawn event by event: each adds one to its own weight."""
    alpha, order = np.array([0.7, 2.0, 1.3]), [0, 1, 1, 2, 0]
    weights, level = alpha.copy(), 0.0
    for stimulus in order:
        level += np.log(weights[stimulus] / weights.sum())
        weights[stimulus] += 1
    assert log_multinomial(np.bincount(order, minlength=3).astype(float), alpha) == pytest.approx(
        level
    )


def test_the_next_stimulus_is_one_that_tells_types_apart():
    profiles = np.array([[0.6, 0.2, 0.19, 0.01], [0.6, 0.2, 0.01, 0.19]])
    model = Typing(np.repeat(profiles, 3, axis=0), np.repeat([0, 1], 3), 300.0)
    picks = {model.next_stimulus(np.array([3.0, 1, 0, 0]), np.ones(4), seed) for seed in range(3)}
    assert picks <= {2, 3}


def test_stimuli_shown_more_often_are_no_evidence_by_themselves():
    profiles = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]])
    model = Typing(np.repeat(profiles, 3, axis=0), np.repeat([0, 1], 3), 300.0)
    # A cell of type 1; the stimulus of type 0 was shown ten times as often.
    events = np.array([[10.0, 7, 1, 1]])
    assert model.posterior(events)[0, 0] > model.posterior(events)[0, 1]
    told = model.posterior(events, np.array([10.0, 1, 1, 1]))[0]
    assert told[1] > 0.8


def test_enough_repeats_are_two_and_a_sure_class(planted):
    model, *_ = typed(planted, 3)
    one = 3 * np.eye(model.profiles.shape[1])[:1]
    sure = model.table(np.repeat(one, 3, axis=0)[:, :, None], unit=1.0)
    once = model.table(3 * one[:, :, None], unit=1.0)
    assert sure["enough"][0] == 1 and once["enough"][0] == 0


def test_without_profiles_or_unit_there_is_no_probability():
    table, kappa = assign_typed(np.array([[3.0, 1.0], [0.0, 1.0]]), None, None, 1.6)
    assert list(table["cluster"]) == [1, 0] and table["probability"].isna().all()
    assert list(table["why"]) == ["", "equal answers"] and np.isnan(kappa)
