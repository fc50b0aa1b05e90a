"""Real recordings: rat hippocampus on a linear track, Aplysia, a hippocampal tetrode set."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from neuro.hmmglm.baselines.poisson import PoissonHMM, homogeneous
from neuro.hmmglm.design import bins, units
from neuro.hmmglm.design import folds as folding
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.io.spikes.position import read_position
from neuro.io.spikes.reader import read_spikes
from neuro.stats.agreement import ami

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
SPIKES = DATA / "spikes"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SPIKES.exists(), reason=f"no recordings in {SPIKES.name}"),
]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Extracts an archive once."""
    done = {}

    def get(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            with tarfile.open(SPIKES / f"{name}.tar.gz") as archive:
                archive.extractall(folder, filter="data")
            done[name] = folder
        return done[name]

    return get


@pytest.fixture(scope="module")
def track(unpacked):
    folder = unpacked("hippocampus_linear_track") / "linear-track"
    return read_spikes(folder / "spikes.mat"), read_position(
        folder / "trajectory.videoPositionTracking"
    )


def test_linear_track_is_read_on_its_own_clock(track):
    data, position = track
    assert len(data.times) == 31 and data.n_spikes == 28_829
    assert data.first == pytest.approx(4397.0, abs=0.01)
    binned = bins.bin_recording(data, 0.05)
    assert binned.sequences[0].shape == (39_362, 31)
    assert binned.table["start_s"].iloc[0] == pytest.approx(4397.0, abs=0.01)
    assert binned.sequences[0].mean() == pytest.approx(0.0236, abs=1e-4)
    assert position["time"].iloc[0] == pytest.approx(4397.03, abs=0.01)
    assert (position["time"].diff().dropna() >= 0).mean() > 0.999


@pytest.mark.slow
def test_linear_track_held_out(track):
    data, _ = track
    binned = bins.bin_recording(data, 0.05, segment_s=30.0)
    train, test = binned.sequences[0::2], binned.sequences[1::2]
    flat, _, spikes = homogeneous(train, test)
    bits = {}
    for k in (2, 3, 4):
        hmm = PoissonHMM(k, n_starts=3).fit(train)
        bits["hmm", k] = (hmm.log_likelihood(test)[0] - flat) / spikes / np.log(2)
        for name in ("plain", "gaussian", "onehot"):
            model = OneHotHMMGLM(k, name, n_starts=3, random_state=0).fit(train, dt=0.05)
            bits[name, k] = model.bits_per_spike(test)
    assert bits["onehot", 3] >= 0.90 and bits["onehot", 2] >= 0.78 and bits["gaussian", 3] >= 0.86
    for k in (2, 3, 4):
        # converged and with chosen penalties, the priors of the couplings differ little
        three = [bits[name, k] for name in ("plain", "gaussian", "onehot")]
        assert max(three) - min(three) < 0.03
        assert min(three) > bits["hmm", k] + 0.05


def aplysia(folder, preparation):
    parts = [
        bins.bin_recording(read_spikes(folder / f"{preparation}da0{n}.mat"), 0.25, label=str(n))
        for n in (1, 2, 3)
    ]
    binned = bins.join(parts)
    seconds = sum(len(item) for item in binned.sequences) * 0.25
    rate = sum(item.sum(axis=0) for item in binned.sequences) / seconds
    return binned.keep(rate >= 0.2)


def test_aplysia_bouts_share_their_neurons(unpacked):
    folder = unpacked("aplysia") / "Data" / "Spikes"
    sizes = {}
    for preparation in ("May2214", "Jun0214", "Jun0514", "Jun0914", "Jun1114"):
        binned = aplysia(folder, preparation)
        sizes[preparation] = binned.sequences[0].shape[1]
        assert [len(item) for item in binned.sequences] == [490, 490, 490]
    assert sizes["May2214"] == 121 and sizes["Jun0214"] == 135
    assert min(sizes.values()) >= 60


@pytest.mark.slow
def test_aplysia_held_out_bout(unpacked):
    """One preparation; benchmarks/hmmglm_recovery.py does all five."""
    binned = aplysia(unpacked("aplysia") / "Data" / "Spikes", "May2214")
    train, test = binned.sequences[:2], binned.sequences[2:]
    flat, _, spikes = homogeneous(train, test)
    hmm = PoissonHMM(3, n_starts=5).fit(train)
    without = (hmm.log_likelihood(test)[0] - flat) / spikes / np.log(2)
    model = OneHotHMMGLM(3, start="hmm", n_starts=1, alpha=(0.02, 1.96, 0.02), random_state=0)
    model.fit(train, dt=0.25)
    assert model.bits_per_spike(test) > without + 0.1
    states = model.predict(train[:1])[0]
    after = (np.arange(len(states)) * 0.25 + binned.table["start_s"].iloc[0] >= 30).astype(int)
    assert ami(states, after) >= 0.25


def test_tetrode_set_end_to_end(unpacked):
    path = unpacked("synapticonn") / "examples" / "analyses" / "data" / "all_unit.mat"
    data = read_spikes(path)
    assert len(data.times) == 16 and data.n_spikes == 35_112
    assert data.last == pytest.approx(998.176, abs=1e-3)
    binned = bins.bin_recording(data, 0.05, segment_s=30.0)
    folds = folding.fold_of(len(binned.sequences), 3)
    kept, rows = units.select_units(binned, 0.02, folds)
    assert len(kept.units) + len(rows) == 16
    test = [item for item, fold in zip(kept.sequences, folds) if fold == 2]
    train = [item for item, fold in zip(kept.sequences, folds) if fold != 2]
    model = OneHotHMMGLM(2, n_starts=2, random_state=0).fit(train, dt=0.05)
    assert model.bits_per_spike(test) > 0.1


def test_the_optimum_of_the_track_is_reached(track):
    """Figures of an independent fit; the Gaussian prior says nothing where there is one state."""
    train = bins.bin_recording(track[0], 0.05, segment_s=30.0).sequences[0::2]
    options = {"n_starts": 1, "random_state": 0, "ridge": 0.0, "prior_sd": 1 / 3}
    ends = [
        OneHotHMMGLM(1, name, **options).fit(train).starts_[0] for name in ("plain", "gaussian")
    ]
    assert all(end["status"] == "converged" and end["iterations"] <= 20 for end in ends)
    assert ends[0]["objective"] == pytest.approx(-56_846.67, abs=0.06)
    assert ends[1]["objective"] == pytest.approx(ends[0]["objective"], rel=1e-6)
    two = OneHotHMMGLM(2, "gaussian", **options).fit(train)
    assert two.starts_[0]["objective"] >= -53_510 and two.starts_[0]["status"] == "converged"
    assert np.diff(two.history_).min() > -1e-6 * abs(two.history_[-1])


def test_a_chosen_ridge_predicts_few_bins(track):
    """Converged without a ridge, 2,400 bins of 31 units predict worse than constant rates."""
    sequences = bins.bin_recording(track[0], 0.05, segment_s=30.0).sequences
    train, test = sequences[0::2], sequences[1::2]
    few = [train[k] for k in np.linspace(0, len(train) - 1, 4).round().astype(int)]
    bits = {}
    for name, options in {"none": {"ridge": 0.0}, "ridge": {}, "early": {"stop": "tuned"}}.items():
        model = OneHotHMMGLM(1, "plain", n_starts=1, random_state=0, **options).fit(few)
        bits[name] = model.bits_per_spike(test)
    assert bits["none"] < 0 and min(bits["ridge"], bits["early"]) > 0.4
