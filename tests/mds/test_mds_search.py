"""The search on planted populations: known answers, negative controls, bad input, going on."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone

from neuro.mds import DiscreteSpace, MostDiscriminativeStimuli
from neuro.mds.clusters import checkpoint
from neuro.simulate.ln8 import UNEVEN, ln8_population, one_type, orientation_continuum
from neuro.stats.agreement import adjusted_rand

RANGE = {"norm": 3, "clip": (-2, 2), "grouping": "objective"}


class OnOff:
    """Cells that respond with the mean of the image or its negative."""

    stimulus_shape = (1, 6, 6)

    def __init__(self, n=42, gain=None):
        self.sign = torch.tensor([1.0, -1.0]).repeat(n // 2)
        self.gain = torch.ones(n) if gain is None else torch.as_tensor(gain, dtype=torch.float32)

    def __call__(self, x):
        mean = x.mean(dim=(1, 2, 3))
        return mean[:, None] * self.sign.to(x) * self.gain.to(x)


@pytest.mark.parametrize("seed", range(6))
def test_on_and_off_are_two_clusters(seed):
    found = MostDiscriminativeStimuli(
        norm=30, clip=None, grouping="objective", random_state=seed
    ).fit(OnOff())
    assert sorted(np.bincount(found.labels_)) == [21, 21]
    assert adjusted_rand(found.labels_, np.arange(42) % 2) == 1


def test_gains_change_no_label():
    stimuli = np.random.default_rng(0).standard_normal((200, 1, 6, 6)).astype(np.float32)
    gains = np.exp(np.random.default_rng(1).normal(0, 1, 42))
    plain, loud = (
        MostDiscriminativeStimuli(norm=30, clip=None, n_restarts=2).fit(
            OnOff(gain=g), stimuli=stimuli
        )
        for g in (None, gains)
    )
    np.testing.assert_array_equal(plain.labels_, loud.labels_)


@pytest.mark.parametrize("step", ["relative", "absolute"])
@pytest.mark.parametrize("counts", [30, UNEVEN], ids=["even", "uneven"])
def test_eight_planted_types_without_their_number(step, counts):
    population = ln8_population(counts, random_state=0)
    size = 0.1 if step == "relative" else 100
    found = MostDiscriminativeStimuli(step=step, step_size=size, **RANGE).fit(population)
    single = [adjusted_rand(population.types, run.labels) for run in found.restarts_]
    assert found.n_clusters_ == 8
    assert adjusted_rand(population.types, found.labels_) >= 0.95
    assert np.median(single) >= 0.85
    assert found.verdict_ == "stable types"


@pytest.mark.parametrize(
    "population",
    [orientation_continuum(120, 0), one_type(0, 120, 0), one_type(4, 120, 0)],
    ids=["continuum", "one type", "one oriented type"],
)
def test_no_types_are_called_none(population):
    found = MostDiscriminativeStimuli(**RANGE).fit(population)
    told = found.stability()
    assert found.verdict_ in ("no stable types", "single type")
    assert told["restart_ari_min"] <= told["restart_ari"] <= told["restart_ari_max"]


def test_the_released_rule_over_splits():
    population = ln8_population(6, random_state=0)
    found = MostDiscriminativeStimuli("paper", **RANGE).fit(population)
    assert 8 <= found.n_clusters_ <= 21
    with pytest.raises(ValueError, match="stability needs at least 2"):
        found.stability()


def test_held_out_cells_are_typed_and_their_diagonal_stands_out():
    population = ln8_population(60, random_state=0)
    held = np.arange(480) % 2 == 1
    found = MostDiscriminativeStimuli(n_restarts=1, **RANGE).fit(population, unit_mask=~held)
    assert adjusted_rand(population.types[held], found.labels_[held]) >= 0.95
    matrix = found.response_matrix(held)
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    assert (matrix.argmax(axis=0) == np.arange(8)).all()
    assert (matrix.argmax(axis=1) == np.arange(8)).all()
    assert off.mean() <= 0.35


def test_a_held_out_cell_changes_nothing_in_the_search():
    held = np.arange(64) % 2 == 1
    quiet, loud = (ln8_population(8, random_state=0) for _ in range(2))
    loud.even[held] = 0
    one, other = (
        MostDiscriminativeStimuli(n_restarts=1, **RANGE).fit(cells, unit_mask=~held)
        for cells in (quiet, loud)
    )
    assert not np.array_equal(one.responses_[:, held], other.responses_[:, held])
    np.testing.assert_array_equal(one.stimuli_, other.stimuli_)


def test_same_seed_same_result_other_seed_other_start():
    population = ln8_population(6)
    a, b, c = (
        MostDiscriminativeStimuli(n_restarts=1, random_state=seed, **RANGE).fit(population)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(a.stimuli_, b.stimuli_)
    assert not np.array_equal(a.restarts_[0].stimuli, c.restarts_[0].stimuli)


def test_a_killed_run_goes_on_to_the_same_end(tmp_path, monkeypatch):
    population = ln8_population(8)
    model = MostDiscriminativeStimuli(n_restarts=1, **RANGE)
    want = model.run(population)[0]
    path = tmp_path / "c.npz"
    write, calls = checkpoint.write, []

    def killed(*args):
        write(*args)
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        clone(model).run(population, path=path)
    monkeypatch.setattr(checkpoint, "write", write)
    lines = []
    got = clone(model).run(population, path=path, log=lines.append)[0]
    np.testing.assert_array_equal(got.labels, want.labels)
    np.testing.assert_array_equal(got.stimuli, want.stimuli)
    assert got.history == want.history and 0 < len(lines) < len(want.history)


def test_a_rejected_split_leaves_no_trace():
    from neuro.mds.clusters.search import Rules, Search

    population = ln8_population((20, 20), random_state=0)
    model = MostDiscriminativeStimuli(n_clusters_init=2, **RANGE)
    model._setup(population, None, None)
    labels = population.types.copy()
    search = Search(model._space, np.arange(40), 40, Rules(eta=5.0, n_clusters_init=2), 0)
    search.state.labels, search.state.stimuli = labels.copy(), model._space.noise(2, 9)
    search.state.phase = "split"
    before = search.state.stimuli.clone()
    generator = search._split_pass()

    def only_this_pass():
        return (yield from generator)

    (accepted,) = model._space.run([only_this_pass()])
    assert accepted == 0
    np.testing.assert_array_equal(search.state.labels, labels)
    assert torch.equal(search.state.stimuli, before)


def test_a_ladder_agrees_on_types_and_not_on_one():
    model = MostDiscriminativeStimuli(k_ladder=(2,), n_restarts=2, norm=30, clip=None)
    (row,) = model.fit(OnOff()).ladder()
    assert row["restart_ari"] == 1.0 and row["n_clusters"] == 2
    model = MostDiscriminativeStimuli(k_ladder=(3,), n_restarts=1, split=False, **RANGE)
    (row,) = model.fit(one_type(0, 60)).ladder()
    assert row["restart_ari"] < 0.8 and model.n_clusters_init == 5


def test_discrete_space_takes_the_best_condition():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.2, (9, 60))
    types = np.arange(60) % 3
    for kind in range(3):
        values[kind * 2][types == kind] += 3
    space = DiscreteSpace(values)
    weights = np.eye(3)[types].T / 20
    got, level = space.best(weights)
    for c in range(3):
        every = [
            np.log(np.exp(weights[c] @ v / 1.6) / np.mean([np.exp(w @ v / 1.6) for w in weights]))
            for v in values
        ]
        assert got[c] == int(np.argmax(every)) and level[c] == pytest.approx(max(every))
    found = MostDiscriminativeStimuli().fit(space)
    assert adjusted_rand(found.labels_, types) == 1 and sorted(found.stimuli_) == [0, 2, 4]
    assert found.verdict_ in ("stable types", "saturated")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 0}, "norm: got 0, expected a number > 0"),
        ({"norm": -1}, "norm: got -1, expected a number > 0"),
        ({"norm": 3, "clip": (2, -2)}, r"clip: got \[2, -2\], expected low < high"),
        ({"norm": 3, "temperature": 0}, "temperature: got 0"),
        ({"norm": 3, "n_clusters_init": 50}, "n_clusters_init: got 50, expected 1 to 42"),
        ({"norm": 3, "preset": "both"}, "preset: got 'both'"),
        ({}, "'auto' needs the training stimuli"),
    ],
)
def test_bad_settings_are_one_line(options, message):
    options = {"clip": None} | options
    with pytest.raises(ValueError, match=message) as error:
        MostDiscriminativeStimuli(**options).fit(OnOff())
    assert "\n" not in str(error.value) and len(str(error.value)) <= 160


def test_bad_units_are_one_line():
    model = MostDiscriminativeStimuli(norm=3, clip=None)
    with pytest.raises(ValueError, match="all units are excluded"):
        model.fit(OnOff(), unit_mask=np.zeros(42, bool))
    with pytest.raises(ValueError, match="unit_mask: 3 values for 42 units"):
        model.fit(OnOff(), unit_mask=np.ones(3, bool))
    with pytest.raises(ValueError, match="not fitted yet"):
        model.predict(np.ones((2, 3)))


def test_units_that_never_respond_are_left_out():
    stimuli = np.random.default_rng(0).standard_normal((50, 1, 6, 6)).astype(np.float32)
    gain = np.ones(42)
    gain[7] = 0
    found = MostDiscriminativeStimuli(norm=30, clip=None, n_restarts=2).fit(
        OnOff(gain=gain), stimuli=stimuli
    )
    assert found.labels_[7] == -1 and (np.delete(found.labels_, 7) >= 0).all()
    assert found.messages_ == ["1 units whose twin does not respond are left out"]


def test_video_twins_are_averaged_over_the_window():
    def twin(x):
        mean = x.mean(dim=(1, 2, 3))[:, None, None]
        trace = torch.zeros((len(x), 10, 4))
        trace[:, 5:] = mean * torch.tensor([1.0, 1.0, -1.0, -1.0])
        return trace

    twin.stimulus_shape = (1, 4, 4)
    found = MostDiscriminativeStimuli(
        norm=40,
        clip=None,
        window=(5, 10),
        n_clusters_init=2,
        n_restarts=2,
        grouping="objective",
    ).fit(twin)
    assert found.labels_[0] == found.labels_[1] != found.labels_[2] == found.labels_[3]


def test_estimator_contract():
    model = MostDiscriminativeStimuli(n_restarts=2, norm=30, clip=None)
    assert clone(model).get_params() == model.get_params()
    model.fit(OnOff())
    again = pickle.loads(pickle.dumps(model))
    assert again.score(OnOff()) == pytest.approx(model.objective_, abs=1e-5)
    assert again.consensus().shape == (42, 42)


def test_import_is_light():
    code = (
        "import sys, neuro.mds, neuro.mds.clusters.estimator, neuro.mds.twin.image;"
        "print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "False", result.stderr
