"""Energies at one place, ridges beside every twin, and the fraction of explainable variance."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from neuro.encoding.targets import average_repeats
from neuro.io.responses.reader import build
from neuro.mds import EnergyTwin, MostDiscriminativeStimuli, Twin
from neuro.mds.files import profiles_of
from neuro.mds.twin import beside, energy, files, split
from neuro.mds.twin.core import unit_correlation
from neuro.mds.twin.linear import EncoderTwin
from neuro.simulate import ln8
from neuro.simulate.ln8 import ln8_twin_data
from neuro.stats.agreement import adjusted_rand
from neuro.stats.ridge import RidgePath

DATA, TRUTH = ln8_twin_data(3, 700, 200)


@pytest.fixture(scope="module")
def twin():
    return EnergyTwin().fit(DATA["stimuli"], DATA["responses"], DATA["tier"])


def true_correlation(model):
    test = DATA["tier"] == "test"
    rates = TRUTH.rates(DATA["stimuli"][test])
    return unit_correlation(model.predict(DATA["stimuli"][test]), rates)


def test_complex_cells_are_predicted_from_few_images(twin):
    found, complex_ = true_correlation(twin), TRUTH.types >= 4
    pixels = EncoderTwin("pixels").fit(DATA["stimuli"], DATA["responses"], DATA["tier"])
    plain = true_correlation(pixels)
    assert np.median(found[complex_]) > 0.65 and np.median(found[~complex_]) > 0.85
    assert plain[complex_].mean() < 0.2 and plain[~complex_].mean() > 0.6
    off = np.hypot(*((twin.place_[:, ::-1] - 11.5) - TRUTH.position).T)
    assert np.median(off) < 1


@pytest.mark.slow
def test_a_network_misses_them_at_a_thousand_images_and_the_stage_takes_the_better():
    data, truth = ln8_twin_data(5, 1000, 200)
    recording = build(data)
    tier = split.planned(recording, 0)
    test, complex_ = tier == "test", truth.types >= 4
    network = Twin(20).fit(recording.stimuli, recording.responses, tier)
    taken, rows, why = beside.compare(network, recording, tier, 0)
    rates = truth.rates(recording.stimuli[test])
    levels = [
        unit_correlation(model.predict(recording.stimuli[test]), rates)[complex_].mean()
        for model in (network, taken)
    ]
    assert taken.kind == "energy" and levels[0] < 0.3 < 0.7 < levels[1]
    assert rows[1]["chosen"] == 1 and rows[1]["validation"] > rows[0]["validation"]
    assert why.startswith("Taken: energies at one place.")


def test_filters_have_length_one_and_pairs_see_no_mean():
    for side in (17, 9, 5):
        even, odd, blob = energy.bank(side)
        for part in (even, odd, blob):
            np.testing.assert_allclose(np.linalg.norm(part, axis=0), 1)
        np.testing.assert_allclose(even.sum(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(odd.sum(axis=0), 0, atol=1e-9)
        assert even.shape[1] == 8 * sum(wave <= side for wave in energy.WAVES)


def test_a_centred_unit_is_the_unit_seen_at_its_place(twin):
    model = twin.centred()
    assert model.stimulus_shape == (1, 17, 17)
    images = DATA["stimuli"][:6]
    want = twin.predict(images)
    half = twin.side_ // 2
    wide = np.pad(images - twin.offset, ((0, 0), (0, 0), (half, half), (half, half)))
    for unit, (row, column) in enumerate(twin.place_):
        seen = wide[:, :, row : row + 17, column : column + 17]
        with torch.no_grad():
            got = model(torch.as_tensor(seen))[:, unit]
        np.testing.assert_allclose(got, want[:, unit], rtol=1e-4, atol=1e-4)
    x = torch.zeros((1, 1, 17, 17), requires_grad=True)
    (slope,) = torch.autograd.grad(model(x).sum(), x)
    assert torch.isfinite(slope).all()


def test_it_comes_back_from_disk(twin, tmp_path):
    back, _ = files.load(files.save(tmp_path / "t.pt", twin))
    np.testing.assert_allclose(back.predict(DATA["stimuli"][:5]), twin.predict(DATA["stimuli"][:5]))
    x = torch.randn(3, 1, 17, 17, generator=torch.Generator().manual_seed(0))
    assert torch.equal(back.centred()(x), twin.centred()(x))


def test_planted_types_are_found_through_it_from_few_images():
    data, truth = ln8_twin_data(12, 800, 100, n_types=4)
    model = EnergyTwin().fit(data["stimuli"], data["responses"], data["tier"])
    kept = data["stimuli"][data["tier"] == "train"][:300]
    search = MostDiscriminativeStimuli(n_restarts=1, max_iter=1, n_steps=20, split=False)
    found = search.fit(model, stimuli=kept)
    assert found.stimuli_.shape == (4, 1, 17, 17) and found.verdict_ == "stable types"
    # rates stay rates, so that new cells can be compared with profiles
    assert model.rates_ and found.responses_.min() >= 0 and profiles_of(found) is not None
    assert adjusted_rand(truth.types, found.labels_) >= 0.95


def test_signed_responses_and_several_channels_are_taken():
    rng = np.random.default_rng(0)
    images = rng.random((120, 2, 9, 11)).astype(np.float32)
    drive = images[:, 1, 3:6, 4:7].mean(axis=(1, 2)) - 0.5
    y = np.stack([drive, -drive], axis=1) + 0.01 * rng.standard_normal((120, 2))
    twin = EnergyTwin().fit(images, y)
    assert twin.test_correlation_.min() > 0.5 and twin.centred().stimulus_shape == (2, 9, 9)
    assert twin.predict(images).min() < 0 and not twin.rates_
    with pytest.raises(ValueError, match="NaN or infinity"):
        EnergyTwin().fit(images, np.where(y > 0, np.nan, y))


def test_trials_of_one_image_are_left_out_together():
    rng = np.random.default_rng(0)
    number = rng.permutation(np.repeat(np.arange(25), rng.integers(1, 5, 25)))
    images = rng.random((25, 1, 9, 9)).astype(np.float32)[number]
    y = rng.standard_normal((len(number), 3)) + images[:, 0, 4, 4, None]
    model = EnergyTwin()
    model.shape_ = images.shape[1:]
    model._bank()
    x = model._features(images)
    mean, first, count = average_repeats(y, number)
    mean = mean.astype(float)
    path = RidgePath(x[first], mean, count)
    for penalty, error in model._left_out(path, x[first], mean, count):
        level = penalty * path.values.sum() / x.shape[1]
        slow = np.zeros(3)
        for image in range(25):
            seen, new = number != image, number == image
            centre, rise = x[seen].mean(axis=0), y[seen].mean(axis=0)
            scatter = (x[seen] - centre).T @ (x[seen] - centre)
            towards = (x[seen] - centre).T @ (y[seen] - rise)
            weights = np.linalg.solve(scatter + level * np.eye(x.shape[1]), towards)
            guess = (x[new][0] - centre) @ weights + rise
            slow += new.sum() * (y[new].mean(axis=0) - guess) ** 2
        np.testing.assert_allclose(error, slow / len(number), rtol=1e-5)


def repeats(n=60, times=6, units=200, seed=0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(2, 2, (n, units))
    number = np.repeat(np.arange(n), times)
    order = rng.permutation(len(number))
    return rate, number[order], rng.poisson(rate[number[order]]).astype(float)


def test_the_truth_explains_all_that_can_be_explained_and_the_mean_nothing():
    rate, number, responses = repeats()
    fev, ceiling = beside.explained(rate[number], responses, number)
    assert fev.mean() == pytest.approx(1, abs=0.01)
    flat, _ = beside.explained(np.tile(rate.mean(axis=0), (360, 1)), responses, number)
    assert flat.mean() == pytest.approx(0, abs=0.05)
    # half of the way: 1 - 1/4
    half, _ = beside.explained((rate[number] + rate.mean(axis=0)) / 2, responses, number)
    assert half.mean() == pytest.approx(0.75, abs=0.03)
    level = unit_correlation(rate[number], responses)
    assert ceiling.mean() == pytest.approx(level.mean(), abs=0.01)
    np.testing.assert_allclose(ceiling, level, atol=0.08)


def test_noise_without_a_signal_and_sets_without_repeats_have_no_fraction():
    _, number, responses = repeats()
    noise = np.random.default_rng(1).poisson(4, responses.shape).astype(float)
    fev, _ = beside.explained(np.zeros_like(noise), noise, number)
    assert np.isnan(fev).mean() > 0.95
    for few in (np.arange(360), np.zeros(360)):
        fev, ceiling = beside.explained(responses, responses, few)
        assert np.isnan(fev).all() and np.isnan(ceiling).all()


def test_ridges_stand_beside_on_the_same_trials_and_the_choice_is_told():
    few = np.flatnonzero(DATA["tier"] != "unused")[-500:]
    recording = build(
        {key: DATA[key][few] for key in ("stimuli", "tier")}
        | {"responses": DATA["responses"][few][:, ::3]}
    )
    tier = split.planned(recording, 0)
    network = Twin(1, channels=2).fit(recording.stimuli, recording.responses, tier)
    taken, rows, why = beside.compare(network, recording, tier, 0)
    assert [row["twin"] for row in rows] == [beside.NAMES[k] for k in ("conv", "energy", "pixels")]
    assert taken.kind == "energy" and [row["chosen"] for row in rows] == [0, 1, 0]
    assert all(set(row) == set(beside.COLUMNS) for row in rows)
    again = EnergyTwin(0).fit(recording.stimuli, recording.responses, tier)
    assert rows[1]["validation"] == pytest.approx(again.validation_)
    kept, rows, why = beside.compare(network, recording, tier, 0, asked=True)
    assert kept is network and rows[0]["chosen"] == 1
    assert "set mds.twin.type: energy" in why and "names 'conv'" in why


def test_ridges_beside_a_network_learn_from_no_more_trials_than_it():
    """Validation trials without any sense: they stop a network and choose a penalty, no more."""
    few = np.flatnonzero(DATA["tier"] != "unused")[-500:]
    given = {key: DATA[key][few] for key in ("stimuli", "tier")}
    recording = build(given | {"responses": DATA["responses"][few][:, ::3]})
    tier = split.planned(recording, 0)
    network = Twin(1, channels=2).fit(recording.stimuli, recording.responses, tier)
    _, rows, _ = beside.compare(network, recording, tier, 0)
    train, test = tier == "train", tier == "test"
    images = recording.stimuli[:].astype(np.float64).reshape(len(tier), -1)
    y = recording.responses / recording.responses[train].std(axis=0)
    pixels = EncoderTwin("pixels", random_state=0).fit(recording.stimuli, recording.responses, tier)
    level = pixels.penalty_ * ((images[train] - images[train].mean(axis=0)) ** 2).sum()
    slow = Ridge(level / images.shape[1], solver="svd").fit(images[train], y[train])
    want = unit_correlation(slow.predict(images[test]), y[test]).mean()
    assert rows[2]["test"] == pytest.approx(want, abs=1e-4)
    # energies choose by training trials alone, so nothing of theirs hangs on validation trials
    check = tier == "validation"
    changed = recording.responses.copy()
    changed[check] = np.random.default_rng(0).poisson(3.0, changed[check].shape)
    noisy = dataclasses.replace(recording, responses=changed)
    _, more, _ = beside.compare(network, noisy, tier, 0)
    assert more[1]["test"] == pytest.approx(rows[1]["test"], abs=1e-12)
    assert more[1]["validation"] != pytest.approx(rows[1]["validation"], abs=0.01)
    # beside a ridge of features, which is fitted again with the validation trials, so are they
    features = EncoderTwin("pool2").fit(recording.stimuli, recording.responses, tier)
    _, both, _ = beside.compare(features, recording, tier, 0, asked=True)
    again = EnergyTwin(0).fit(recording.stimuli, recording.responses, tier)
    assert both[1]["test"] == pytest.approx(again.test_correlation_.mean())


@pytest.mark.parametrize(
    ("kind", "levels", "asked", "taken", "word"),
    [
        ("conv", {"conv": 0.5, "energy": 0.4, "pixels": 0.3}, False, "conv", "network"),
        ("conv", {"conv": 0.3, "energy": 0.2, "pixels": 0.5}, False, "conv", "would be places"),
        ("conv", {"conv": 0.3, "energy": 0.4, "pixels": 0.5}, False, "energy", "would be places"),
        ("encoder", {"encoder": 0.3, "energy": 0.4, "pixels": 0.2}, False, "encoder", "are signed"),
        ("encoder", {"encoder": 0.3, "energy": 0.4}, True, "encoder", "names 'encoder'"),
        ("module", {"module": np.nan, "energy": 0.4, "pixels": 0.2}, True, "module", "verified"),
        ("temporal", {"temporal": 0.4}, False, "temporal", "itself a ridge"),
    ],
)
def test_the_better_twin_is_taken_or_it_is_said_why_not(kind, levels, asked, taken, word):
    found, why = beside._choice(kind, levels, asked)
    assert found == taken and word in why


@pytest.mark.parametrize("side", [16, 17])
def test_new_cells_look_at_the_centre_of_what_is_shown(side, monkeypatch):
    """A stimulus of odd side on a canvas of even side: once half a pixel beside the cells."""
    seen, real = [], ln8._population

    def spy(*args, **more):
        seen.append(real(*args, **more))
        return seen[-1]

    monkeypatch.setattr(ln8, "_population", spy)
    ln8.present(TRUTH, np.ones((2, 1, side, side)), n_new=40, n_repeats=1)
    middle = (24 - side) // 2 + (side - 1) / 2
    np.testing.assert_allclose(seen[0].position.mean(axis=0) + 11.5, middle, atol=0.05)
