"""Repeats of a stimulus stay on one side of every split: twins, halves of stimuli, what is kept."""

import numpy as np
import pytest

from neuro.io.responses.reader import build
from neuro.mds import stage
from neuro.mds.clusters import baselines, gap
from neuro.mds.twin import split
from neuro.mds.twin.linear import EncoderTwin

SETTINGS = {
    "stimulus_space": "auto",
    "device": "cpu",
    "twin": {
        **{"type": "encoder", "backbone": "pixels", "epochs": 1, "n_lags": 4},
        **{"min_test_corr": -1, "path": None, "module": None, "predictions": None, "kwargs": {}},
    },
}


def repeated(tier=None, n=50, times=4):
    """Stimuli shown several times with a little jitter, and answers that no image predicts.

    The name of the stimulus alone tells that trials are repeats. A twin that sees a repeat of
    what it is tested on remembers the answer.
    """
    rng = np.random.default_rng(0)
    shown = rng.random((n, 1, 12, 12)).astype(np.float32).repeat(times, axis=0)
    shown = np.clip(shown + 0.001 * rng.standard_normal(shown.shape), 0, 1).astype(np.float32)
    answer = rng.gamma(2, 1, (n, 6)).repeat(times, axis=0) + 0.01 * rng.random((n * times, 6))
    name = np.repeat([f"s{k}" for k in range(n)], times)
    content = {"stimuli": shown, "responses": answer.astype(np.float32), "stimulus_id": name}
    if tier is not None:
        content["tier"] = np.resize(tier, n * times)
    return build(content)


@pytest.mark.parametrize(
    "tier",
    [
        None,
        ["train"],
        ["train"] * 160 + ["test"] * 40,
        ["train"] * 160 + ["validation"] * 40,
        ["train"] * 3 + ["validation"],
    ],
    ids=["drawn", "train only", "test", "validation only", "validation repeats training"],
)
@pytest.mark.parametrize("kind", ["encoder", "conv"])
def test_no_repeat_crosses_between_training_validation_and_test(tier, kind):
    data = repeated(tier)
    if (data.tier == "train").sum() < 10:
        return  # every training trial repeats a validation stimulus and is unused
    planned = split.planned(data, 0)
    assert set(planned) >= {"train", "validation", "test"}
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not set(data.family[planned == a]) & set(data.family[planned == b])
    assert split.shared(data, planned) == 0
    settings = SETTINGS | {"twin": SETTINGS["twin"] | {"type": kind}}
    twin = stage.make_twin(data, settings, 0)
    # the answers have nothing to do with the images
    assert np.abs(twin.test_correlation_.mean()) < 0.5
    assert twin.validation_ < 0.5


def test_a_crossing_repeat_is_counted():
    data = repeated()
    crossed = np.resize(["train", "train", "validation", "test"], len(data.tier))
    assert split.shared(data, crossed) == 50
    twin = EncoderTwin("pixels").fit(data.stimuli, data.responses, crossed)
    assert twin.test_correlation_.mean() > 0.9  # what a crossing would look like


def test_without_a_test_tier_the_fit_is_judged_before_the_validation_is_learned():
    """The last fit takes the validation part in: judged on it, memory looked like skill."""
    rng = np.random.default_rng(0)
    images = rng.random((80, 1, 12, 12)).astype(np.float32)
    twin = EncoderTwin("pixels").fit(images, rng.normal(size=(80, 9)))
    assert abs(twin.test_correlation_.mean()) < 0.4


def test_windows_of_one_movie_that_overlap_are_on_one_side():
    rng = np.random.default_rng(0)
    film = rng.random((300, 4)).astype(np.float32)
    clips = np.stack([film[k : k + 20] for k in range(0, 280, 2)])
    data = build({"stimuli": clips, "responses": rng.random((140, 5)).astype(np.float32)})
    assert data.place is not None
    planned = split.planned(data, 0)
    places = {tier: data.place[planned == tier] for tier in ("train", "validation", "test")}
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        apart = np.abs(places[a][:, None] - places[b][None])
        assert apart.size and apart.min() >= 20
    assert split.shared(data, planned) == 0


def test_one_trial_of_a_stimulus_is_kept_beside_the_twin():
    data = repeated()
    kept = stage.kept_stimuli(data, EncoderTwin())
    rows = np.flatnonzero(data.tier == "train")
    assert len(kept) == len(np.unique(data.family[rows]))
    # one from each family
    near = np.abs(kept[:, None] - data.stimuli[rows][None]).max(axis=(2, 3, 4)).argmin(axis=1)
    assert len(np.unique(data.family[rows][near])) == len(kept)


def test_halves_of_stimuli_keep_equal_rows_together(monkeypatch):
    """Rows twice in a table would stand on both sides of a search that holds out stimuli."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((60, 24)), 2, axis=0)
    seen = []
    first = gap.first_half(rows, np.random.default_rng(1))
    assert first[::2].tolist() == first[1::2].tolist() and 0 < first.sum() < len(rows)
    real = gap.partition

    def spy(values, is_first, half, *rest):
        seen.append(half)
        return real(values, is_first, half, *rest)

    monkeypatch.setattr(gap, "partition", spy)
    gap.find_types(rows)
    assert seen and all(half[::2].tolist() == half[1::2].tolist() for half in seen)
    values = gap.zscore(rows)
    a, b = baselines.stimulus_halves(values, np.random.default_rng(0))
    assert not {tuple(c) for c in values[:, a].T} & {tuple(c) for c in values[:, b].T}
