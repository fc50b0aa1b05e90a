"""Twins: exact crop, folded normalisation, checkpoints, ridge, made cells, bad input."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from neuro.mds import CheckpointTwin, EncoderTwin, MeanTwin, TemporalTwin, Twin
from neuro.mds.stimuli.prepare import prepare
from neuro.mds.twin import files as twin_files
from neuro.mds.twin.core import (
    CentredTwin,
    core,
    receptive_field,
    start_positions,
    unit_correlation,
)
from neuro.mds.twin.image import split_validation
from neuro.mds.twin.linear import lagged
from neuro.mds.twin.ridges import ridge
from neuro.simulate.ln8 import ln8_twin_data

DATA, TRUTH = ln8_twin_data(3, 300, 60, n_types=2)


@pytest.fixture(scope="module")
def twin():
    return Twin(epochs=2, channels=4).fit(DATA["stimuli"], DATA["responses"], DATA["tier"])


def other_norms(twin, seed=0):
    """The core with batch statistics far from their start."""
    generator = torch.Generator().manual_seed(seed)
    state = {k: v.clone() for k, v in twin.state_.items() if k.startswith("core.")}
    for key in state:
        if "norm" in key:
            state[key] = state[key] + 0.5 * torch.rand(state[key].shape, generator=generator)
    return state


@pytest.mark.parametrize("size", [(24, 24), (23, 23), (24, 31)])
def test_the_crop_equals_the_full_canvas(twin, size):
    state = other_norms(twin)
    weights, bias = twin.state_["readout.weights"], twin.state_["readout.bias"]
    model = CentredTwin(state, weights, bias, (1, *size))
    assert model.stimulus_shape == (1, *(13 + 1 - side % 2 for side in size))
    images = torch.randn((4, 1, *size), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        full, crop = model.on_canvas(images), model(images[model.cut])
    assert float((full - crop).abs().max()) <= 1e-5 * float(full.abs().max())
    # pixels outside the crop do not count
    images[:, :, 0] += 100
    with torch.no_grad():
        assert torch.allclose(model.on_canvas(images), full, atol=1e-5)


def test_a_small_canvas_is_used_as_a_whole(twin):
    weights, bias = twin.state_["readout.weights"], twin.state_["readout.bias"]
    model = CentredTwin(other_norms(twin), weights, bias, (1, 13, 12))
    assert receptive_field(model.state) == 13
    assert model.cut is None and model.stimulus_shape == (1, 13, 12)
    assert len(model.messages) == 1 and "the full canvas is used" in model.messages[0]
    assert model(torch.zeros((2, 1, 13, 12))).shape == (2, 6)


def test_a_centred_unit_is_the_unit_seen_at_its_place(twin):
    """Shifting the image by a unit's place gives its response at the centre."""
    state = twin.state_
    pixels = torch.tensor([3.0, -2.0])
    mu = (pixels / 12).repeat(6, 1)
    images = torch.randn((5, 1, 24, 24), generator=torch.Generator().manual_seed(2))
    from neuro.mds.twin.core import readout

    with torch.no_grad():
        placed = readout(core(state, images), state["readout.weights"], state["readout.bias"], mu)
        moved = torch.roll(images, (2, -3), (2, 3))
        centred = twin.centred(crop=True)
        np.testing.assert_allclose(placed, centred(moved[centred.cut]), rtol=1e-4, atol=1e-5)


def test_positions_start_at_the_receptive_fields():
    data, truth = ln8_twin_data(4, 1500, 20, n_types=4)
    rows = data["tier"] == "train"
    start = 12 * start_positions(data["stimuli"][rows], data["responses"][rows])
    off = np.hypot(*(start - truth.position).T)
    assert np.median(off) < 1.5 < np.median(np.hypot(*truth.position.T))


def test_training_beats_its_start(twin):
    assert twin.history_[-1]["loss"] < twin.history_[0]["loss"]
    assert twin.test_correlation_.shape == (6,)
    assert twin.predict(DATA["stimuli"][:3]).shape == (3, 6)


def test_same_seed_same_twin(twin):
    again = Twin(epochs=2, channels=4).fit(DATA["stimuli"], DATA["responses"], DATA["tier"])
    for key, value in twin.state_.items():
        assert torch.equal(value, again.state_[key])


def test_twins_come_back_from_disk(twin, tmp_path):
    rng = np.random.default_rng(0)
    flicker = rng.random((300, 2)).astype(np.float32)
    tier = np.array(["train"] * 240 + ["test"] * 60)
    temporal = TemporalTwin(5).fit(flicker, rng.random((300, 3)), tier)
    images = rng.random((60, 1, 6, 6)).astype(np.float32)
    encoder = EncoderTwin().fit(
        images, rng.normal(size=(60, 3)), np.array(["train"] * 50 + ["test"] * 10)
    )
    for item, x in ((twin, DATA["stimuli"][:9]), (temporal, flicker[:9]), (encoder, images[:9])):
        path = twin_files.save(tmp_path / "t.pt", item, unit=["a"])
        back, facts = twin_files.load(path)
        assert facts == {"unit": ["a"]} and type(back) is type(item)
        np.testing.assert_allclose(back.predict(x), item.predict(x), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(back.test_correlation_, item.test_correlation_)
    (tmp_path / "bad.pt").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a twin of this stage"):
        twin_files.load(tmp_path / "bad.pt")


def foreign(twin):
    """The twin's weights under the names of a stacked core with a full Gaussian readout."""
    state = {f"model.{k}": v for k, v in twin.state_.items() if k.startswith("core.")}
    return state | {
        "model.readout.data._mu": twin.state_["readout.mu"].clamp(-1, 1)[None, :, None],
        "model.readout.data._features": twin.state_["readout.weights"][None, :, None],
        "model.readout.data.bias": twin.state_["readout.bias"],
    }


def test_a_checkpoint_of_others_gives_the_same_numbers(twin, tmp_path):
    path = tmp_path / "c.pt"
    torch.save(foreign(twin), path)
    # Below a rate of 1 exp and elu + 1 are the same: contrast that drives units is needed.
    shown = 6 * (DATA["stimuli"][:40] - twin.offset)
    check = tmp_path / "check.npz"
    np.savez(check, images=shown, predictions=twin.predict(shown + twin.offset))
    with pytest.raises(ValueError, match=r"give mds\.twin\.predictions"):
        CheckpointTwin(path, (1, 24, 24), 6)
    other = CheckpointTwin(path, (1, 24, 24), 6, check)
    x = DATA["stimuli"][:7] - twin.offset
    want = twin.predict(DATA["stimuli"][:7])
    np.testing.assert_allclose(other.predict(x), want, rtol=1e-5, atol=1e-6)
    other.fit(DATA["stimuli"], DATA["responses"], DATA["tier"])
    training = DATA["responses"][DATA["tier"] == "train"]
    np.testing.assert_allclose(other.scale_, [np.std(unit) for unit in training.T], rtol=1e-6)
    back, _ = twin_files.load(twin_files.save(tmp_path / "d.pt", other))
    np.testing.assert_allclose(back.predict(x), other.predict(x))


@pytest.mark.parametrize(
    ("change", "shape", "n_units", "message"),
    [
        ({}, (3, 24, 24), 6, "takes 1 channels, the stimuli have 3"),
        ({}, (1, 24, 24), 9, "readout of 6 units, the recording has 9"),
        ({"model.readout.data._features": torch.ones(1, 7, 1, 6)}, (1, 24, 24), 6, "7 features"),
        ({"model.readout.data._mu": torch.ones(1, 5, 1, 2)}, (1, 24, 24), 6, "5 positions for 6"),
        ({"core.layer0.attention_conv.w": torch.ones(1)}, (1, 24, 24), 6, "not covered"),
    ],
)
def test_checkpoints_of_other_shapes(twin, tmp_path, change, shape, n_units, message):
    torch.save(foreign(twin) | change, tmp_path / "c.pt")
    with pytest.raises(ValueError, match=message) as error:
        CheckpointTwin(tmp_path / "c.pt", shape, n_units)
    assert "\n" not in str(error.value)


def test_checkpoints_that_are_none(tmp_path):
    torch.save([1, 2], tmp_path / "a.pt")
    torch.save({"x": torch.ones(1)}, tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(b"x")
    for name, word in (("a", "state dict"), ("b", "no stacked core"), ("c", "readable")):
        with pytest.raises(ValueError, match=word):
            CheckpointTwin(tmp_path / f"{name}.pt", (1, 8, 8))


def test_several_twins_are_averaged(twin):
    pair = MeanTwin(
        [
            twin,
            Twin(epochs=1, channels=4, random_state=1).fit(
                DATA["stimuli"], DATA["responses"], DATA["tier"]
            ),
        ]
    )
    x = torch.as_tensor(DATA["stimuli"][:4] - twin.offset)
    parts = [item.centred() for item in pair.twins]
    with torch.no_grad():
        want = sum(part(x[part.cut]) for part in parts) / 2
        np.testing.assert_allclose(pair.centred()(x[parts[0].cut]), want, rtol=1e-6)


def test_ridge_equals_scikit_learn_both_ways():
    rng = np.random.default_rng(0)
    for n, p in ((80, 6), (20, 40)):
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, 3))
        xc, yc = rng.normal(size=(15, p)), rng.normal(size=(15, 3))
        weights, bias, penalty, seen = ridge(x, y, xc, yc, penalties=(0.5,))
        every, target = np.r_[x, xc], np.r_[y, yc]
        unit = ((every - every.mean(axis=0)) ** 2).sum() / p
        want = Ridge(alpha=penalty * unit).fit(every, target)
        np.testing.assert_allclose(weights.T, want.coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(bias, want.intercept_, rtol=1e-6, atol=1e-9)
        apart = Ridge(alpha=penalty * ((x - x.mean(axis=0)) ** 2).sum() / p).fit(x, y)
        np.testing.assert_allclose(seen, unit_correlation(apart.predict(xc), yc), rtol=1e-6)


def test_temporal_filters_are_found_oldest_first():
    rng = np.random.default_rng(0)
    flicker = rng.integers(0, 2, (3000, 2)).astype(np.float32)
    truth = rng.normal(size=(4, 6, 2))
    responses = lagged(flicker - 0.5, 6).reshape(3000, -1) @ truth.reshape(4, -1).T
    tier = np.array(["train"] * 2400 + ["unused"] * 6 + ["test"] * 594)
    twin = TemporalTwin(6).fit(flicker, responses + rng.normal(0, 0.1, responses.shape), tier)
    assert twin.test_correlation_.min() > 0.99
    scaled = twin.filters_ * twin.scale_[:, None, None]
    # The penalty shrinks all filters alike, by a few per cent; their shape is exact.
    for got, want in zip(scaled.reshape(4, -1), truth.reshape(4, -1)):
        assert np.corrcoef(got, want)[0, 1] > 0.999
        assert 0.9 < (got @ want) / (want @ want) < 1.01
    cells, source = twin.make_cells(3, noise=0.1)
    assert source.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    noise = (cells.filters_ - twin.filters_[source]).std() / np.sqrt((twin.filters_**2).mean())
    assert 0.05 < noise < 0.2


def test_types_that_differ_in_space_and_time():
    """Clips whose channels are pixels, one Poisson trial each, as in the benchmark."""
    from mds_recovery import moving_twin

    from neuro.mds import MostDiscriminativeStimuli
    from neuro.stats.agreement import adjusted_rand

    twin, clips, filters, types = moving_twin(3000, seed=1)
    found = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(twin.filters_, filters)]
    assert min(found) > 0.7
    model = MostDiscriminativeStimuli(norm=2, clip=(-2, 2)).fit(twin, stimuli=clips[:400])
    assert model.stimuli_.shape == (model.n_clusters_, 10, 64)
    assert adjusted_rand(types, model.labels_) >= 0.9
    assert model.verdict_ == "stable types"
    # the two directions of one grating have a stimulus each
    left, right = (np.bincount(model.labels_[types == kind]).argmax() for kind in (4, 5))
    assert left != right and model.response_matrix()[left, right] < 0.5


def test_an_encoder_predicts_and_its_norm_is_natural():
    rng = np.random.default_rng(0)
    images = rng.random((500, 1, 6, 6)).astype(np.float32)
    truth = rng.normal(size=(9, 5))
    pooled = images.reshape(500, 3, 2, 3, 2).mean(axis=(2, 4)).reshape(500, 9)
    responses = pooled @ truth + 7 + rng.normal(0, 0.01, (500, 5))
    tier = np.array(["train"] * 400 + ["test"] * 100)
    twin = EncoderTwin().fit(images, responses, tier)
    assert twin.test_correlation_.min() > 0.99
    ready = prepare(twin, images[:300])
    stimuli = images[:300] - twin.offset
    usual = np.median(np.linalg.norm(stimuli.reshape(300, -1), axis=1))
    assert 0 < ready.norm < usual
    # at that norm the best stimulus of a unit drives it like the best image
    best = twin.weights_[:, 0].reshape(3, 1, 3, 1).repeat(2, 1).repeat(2, 3).reshape(1, 1, 6, 6)
    best = torch.as_tensor(best / np.linalg.norm(best) * ready.norm).float()
    level, base = ready.model(best)[0, 0], ready.model(torch.zeros_like(best))[0, 0]
    shown = ready.model(torch.as_tensor(stimuli))[:, 0]
    assert float(level - base) == pytest.approx(float(shown.max() - shown.mean()), rel=0.5)


def test_bad_training_data_are_one_line():
    x, y, tier = DATA["stimuli"], DATA["responses"], DATA["tier"]
    for change, word in ((-1.0, "use type encoder"), (np.nan, "NaN or infinity")):
        bad = y.copy()
        bad[40, 2] = change
        with pytest.raises(ValueError, match=word):
            Twin(epochs=1).fit(x, bad, tier)
    with pytest.raises(ValueError, match="expected at least 10"):
        split_validation(["train"] * 5)


def test_validation_rows_are_a_tenth_of_the_training_stimuli_and_follow_the_seed():
    tier = ["train"] * 60 + ["test"] * 20
    train, held = split_validation(tier, 1)
    assert len(held) == 6 and sorted([*train, *held]) == list(range(60))
    other = split_validation(tier, 2)[1]
    assert not np.array_equal(held, other)
    assert np.array_equal(held, split_validation(tier, 1)[1])
    # each stimulus was shown three times: all of its trials or none
    shown = np.repeat(np.arange(20.0), 3)[:, None]
    train, held = split_validation(["train"] * 60, 1, shown)
    assert len(held) == 6 and not set(shown[train, 0]) & set(shown[held, 0])
    named = [*["train"] * 30, *["validation"] * 4, *["train"] * 26]
    train, held = split_validation(named, 1)
    assert held.tolist() == [30, 31, 32, 33] and len(train) == 56


def test_unit_correlation_of_a_constant_is_zero():
    a = np.array([[1.0, 1], [2, 1], [3, 1]])
    assert unit_correlation(a, a).tolist() == [1.0, 0.0]


@pytest.mark.slow
def test_types_from_noisy_responses_through_a_trained_twin():
    """Simulate, train, search: four planted types are found from one Poisson trial per image."""
    from neuro.mds import MostDiscriminativeStimuli
    from neuro.stats.agreement import adjusted_rand

    data, truth = ln8_twin_data(20, 3000, 400, n_types=4)
    twin = Twin(epochs=15).fit(data["stimuli"], data["responses"], data["tier"])
    test = data["tier"] == "test"
    rates = truth.rates(data["stimuli"][test])
    assert unit_correlation(twin.predict(data["stimuli"][test]), rates).mean() >= 0.9
    off = np.hypot(*(12 * twin.position_ - truth.position).T)
    assert np.median(off) <= 0.5
    found = MostDiscriminativeStimuli(norm=12, clip=(-3, 3)).fit(
        twin, stimuli=data["stimuli"][data["tier"] == "train"]
    )
    assert adjusted_rand(truth.types, found.labels_) >= 0.9
