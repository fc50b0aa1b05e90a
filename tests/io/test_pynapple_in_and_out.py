"""Spike trains, counts, traces and states to and from pynapple."""

import sys

import numpy as np
import pandas as pd
import pytest

from neuro import hmmglm
from neuro import io as nio
from neuro.io import InputProblem
from neuro.simulate.switching import switching_glm

nap = pytest.importorskip("pynapple", reason="the extra pynapple is not installed")
BIN = 0.02
# trials that touch are wanted here
pytestmark = pytest.mark.filterwarnings("ignore:Some starts and ends are equal")


@pytest.fixture(scope="module")
def planted():
    """Counts of 4 trials with a gap between two of them, and a TsGroup with just these counts."""
    truth = switching_glm(4, 400, 5, 2, random_state=2)
    starts = [10.0, 18.0, 30.0, 38.0]
    rng = np.random.default_rng(0)
    trains = []
    for unit in range(5):
        times = [
            start + (np.repeat(np.arange(400), counts[:, unit]) + rng.uniform(0.01, 0.99, n)) * BIN
            for start, counts in zip(starts, truth.counts)
            if (n := int(counts[:, unit].sum())) >= 0
        ]
        trains.append(nap.Ts(np.sort(np.concatenate(times))))
    support = nap.IntervalSet(starts, np.add(starts, 400 * BIN))
    areas = ["CA1", "CA3", "CA1", "EC", "EC"]
    group = nap.TsGroup(
        dict(enumerate(trains, start=3)), time_support=support, metadata={"area": areas}
    )
    return truth, group, starts


def group_of(*trains):
    support = nap.IntervalSet(0, 9)
    return nap.TsGroup({k: nap.Ts(t) for k, t in enumerate(trains)}, time_support=support)


def test_a_group_is_binned_as_it_was_made(planted):
    truth, group, starts = planted
    binned = hmmglm.bin_pynapple(group, BIN)
    assert len(binned.sequences) == 4, "touching intervals stay apart and lose no bin"
    for counts, mask, want in zip(binned.sequences, binned.masks, truth.counts):
        np.testing.assert_array_equal(counts, want)
        assert mask.all()
    np.testing.assert_allclose(binned.table["start_s"], starts)
    assert binned.units["unit"].tolist() == ["3", "4", "5", "6", "7"]
    assert binned.units["area"].tolist() == ["CA1", "CA3", "CA1", "EC", "EC"]


def test_counts_are_those_of_pynapple():
    rng = np.random.default_rng(1)
    epochs = nap.IntervalSet([0, 7], [5, 9])
    trains = {k: nap.Ts(np.sort(rng.uniform(0, 10, 200))) for k in range(3)}
    group = nap.TsGroup(trains, time_support=nap.IntervalSet(0, 10)).restrict(epochs)
    frame = group.count(0.25)
    binned = hmmglm.bin_pynapple(group, 0.25)
    np.testing.assert_array_equal(np.concatenate(binned.sequences), frame.values)
    framed = hmmglm.bin_pynapple(frame)
    assert framed.bin_s == pytest.approx(0.25)
    for a, b in zip(binned.sequences, framed.sequences, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(framed.table["start_s"], binned.table["start_s"])


def test_the_model_takes_groups_frames_and_arrays_alike(planted):
    truth, group, _ = planted
    options = {"link": "sigmoid", "bias": "shared", "n_starts": 1, "max_iter": 5, "random_state": 0}
    plain = hmmglm.OneHotHMMGLM(2, **options).fit(list(truth.counts), dt=BIN)
    grouped = hmmglm.OneHotHMMGLM(2, **options).fit(group, dt=BIN)
    np.testing.assert_array_equal(grouped.weights_, plain.weights_)
    np.testing.assert_array_equal(
        np.concatenate(grouped.predict(group)), np.concatenate(plain.predict(list(truth.counts)))
    )
    assert grouped.score(group) == plain.score(list(truth.counts))
    apart = group.restrict(nap.IntervalSet([10, 30], [18, 38]))
    framed = hmmglm.OneHotHMMGLM(2, **options).fit(apart.count(BIN))
    assert framed.dt_ == pytest.approx(BIN)
    expected = hmmglm.OneHotHMMGLM(2, **options).fit([truth.counts[0], truth.counts[2]], dt=BIN)
    np.testing.assert_array_equal(framed.weights_, expected.weights_)
    assert hmmglm.PoissonHMM(1, n_starts=1).fit(apart.count(BIN)).rates_.shape == (1, 5)


def test_states_come_out_on_the_clock_of_the_spikes(planted):
    from neuro.hmmglm.tables import states_table

    _, group, _ = planted
    model = hmmglm.OneHotHMMGLM(
        2, link="sigmoid", bias="shared", n_starts=1, max_iter=5, random_state=0
    )
    binned = hmmglm.bin_pynapple(group, BIN)
    binned.masks[2][50:60] = False
    model.fit(binned.sequences, binned.masks, dt=BIN)
    table = states_table(model, binned)
    path, probability, visits = nio.states_to_pynapple(table, BIN)
    known = table[table["state"] > 0]
    np.testing.assert_array_equal(path.values, known["state"])
    np.testing.assert_allclose(path.t, known["time_s"] + BIN / 2, atol=1e-6)
    np.testing.assert_allclose(probability.values, known[["p_1", "p_2"]], atol=1e-6)
    assert probability.columns.tolist() == [1, 2]
    # the missing 0.2 s belong to no interval
    assert path.time_support.tot_length() == pytest.approx(1600 * BIN - 10 * BIN, abs=1e-4)
    for state, epochs in visits.items():
        inside = path.restrict(epochs)
        assert set(inside.values) == {state} and len(inside) == (path.values == state).sum()
    total = sum(epochs.tot_length() for epochs in visits.values())
    assert total == pytest.approx(1590 * BIN, abs=1e-4)
    # spikes inside a state: what one wants the intervals for
    assert sum(len(group.restrict(e)[3]) for e in visits.values()) <= len(group[3])


def test_spike_trains_there_and_back(planted):
    _, group, _ = planted
    data = nio.spikes_from_pynapple(group)
    back = nio.spikes_to_pynapple(data)
    assert back.metadata["area"].tolist() == ["CA1", "CA3", "CA1", "EC", "EC"]
    assert back.metadata["unit"].tolist() == ["3", "4", "5", "6", "7"]
    for number, train in enumerate(data.times):
        np.testing.assert_allclose(back[number].t, train, atol=1e-9)


def test_traces_become_a_recording_and_a_tensor():
    from neuro.ntf import build_tensor

    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=(600, 5)), axis=0)
    frame = nio.frame_to_pynapple(values, 2.0, 0.1, list("abcde"))
    found = nio.recording_from_pynapple(frame, "worm")
    np.testing.assert_allclose(found.traces, values, rtol=1e-6)
    assert found.fs == pytest.approx(10) and found.names == list("abcde")
    assert found.frame_mask is None
    parts = frame.restrict(nap.IntervalSet([2, 40], [20, 62]))
    masked = nio.recording_from_pynapple(parts)
    inside = (frame.t <= 20 + 1e-6) | (frame.t >= 40 - 1e-6)
    np.testing.assert_array_equal(masked.frame_mask, inside)
    np.testing.assert_allclose(masked.traces[inside], values[inside], rtol=1e-6)
    np.testing.assert_array_equal(
        build_tensor([frame]).values, build_tensor([found]).values, "taken as it is"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hmmglm.bin_pynapple(group_of([1.0], [2.0])), "give bin_s"),
        (
            lambda: nio.recording_from_pynapple(nap.TsdFrame(t=[0, 1, 2, 3.5], d=np.ones((4, 2)))),
            "samples are 1 s apart, but somewhere 1.5 s",
        ),
        (
            lambda: nio.recording_from_pynapple(
                nap.TsdFrame(t=[1.0], d=np.ones((1, 2)), time_support=nap.IntervalSet(0, 9))
            ),
            "1 samples in 1 intervals give no step",
        ),
        (lambda: nio.spikes_from_pynapple(group_of([1.0])), "at least 2"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(make, message):
    with pytest.raises(InputProblem, match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_without_the_package_the_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynapple", None)
    with pytest.raises(InputProblem, match=r"pip install 'neuro\[pynapple\]'"):
        nio.frame_to_pynapple(np.ones((3, 2)), 0.0, 1.0)
    states = pd.DataFrame({"sequence": [0], "time_s": [0.0], "state": [1], "p_1": [1.0]})
    with pytest.raises(InputProblem, match="pynapple is not installed"):
        nio.states_to_pynapple(states, 1.0)
