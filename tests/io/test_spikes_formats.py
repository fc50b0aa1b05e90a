"""Spikes as sorters, laboratories and packages write them: right, odd, broken."""

import datetime

import numpy as np
import pandas as pd
import pytest

from neuro.command.check.spikes import count_doubts, spike_doubts
from neuro.hmmglm.design.bins import bin_recording
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import CountData, SpikeData
from neuro.io.spikes.reader import detect, read_spikes

RNG = np.random.default_rng(11)
HZ = 30000.0


def refused(*arguments, **options):
    with pytest.raises(InputProblem) as error:
        read_spikes(*arguments, **options)
    assert len(error.value.problems) == 1 and "\n" not in error.value.problems[0]
    return error.value.problems[0]


def same(data, times, units):
    assert data.units["unit"].tolist() == units
    for got, want in zip(data.times, times, strict=True):
        np.testing.assert_allclose(got, want)


# --- Kilosort and Phy -------------------------------------------------------------------------


def phy(folder, *, params=True, groups=True):
    """Clusters 2 (good), 5 (noise) and 9 (mua); returns samples and ids."""
    folder.mkdir()
    samples = np.sort(RNG.integers(0, 60 * 30000, 300))
    ids = RNG.choice([2, 5, 9], 300)
    np.save(folder / "spike_times.npy", samples[:, None].astype(np.uint64))
    np.save(folder / "spike_clusters.npy", ids.astype(np.int32))
    if params:
        (folder / "params.py").write_text("dat_path = r'x.dat'\nsample_rate = 30000.\n")
    if groups:
        (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tgood\n5\tnoise\n9\tmua\n")
    return samples, ids


def test_phy_reads_samples_and_what_a_cluster_is(tmp_path):
    samples, ids = phy(tmp_path / "a")
    assert detect(tmp_path / "a") == "phy"
    data = read_spikes(tmp_path / "a")
    same(data, [samples[ids == k] / HZ for k in (2, 9)], ["2", "9"])
    assert data.units["quality"].tolist() == ["good", "mua"]
    assert data.notes == ["1 clusters are noise; left out"]
    # whatever unit of time is set for other files
    same(read_spikes(tmp_path / "a", time_unit="ms"), data.times, ["2", "9"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cluster_info.tsv", "cluster_id\tamp\tgroup\n2\t1.5\tgood\n5\t2\tnoise\n9\t3\tmua\n"),
        ("cluster_KSLabel.tsv", "cluster_id\tKSLabel\n2\tgood\n5\tnoise\n9\tmua\n"),
        ("cluster_group.csv", "cluster_id,group\n2,good\n5,noise\n9,mua\n"),
    ],
)
def test_tables_of_clusters_by_any_of_their_names(tmp_path, name, text):
    phy(tmp_path / "a", groups=False)
    (tmp_path / "a" / name).write_text(text)
    assert read_spikes(tmp_path / "a").units["quality"].tolist() == ["good", "mua"]


def test_phy_without_a_rate_says_what_to_do_and_that_works(tmp_path):
    samples, ids = phy(tmp_path / "a", params=False, groups=False)
    assert "params.py states no sample_rate; set hmmglm.sampling_hz" in refused(tmp_path / "a")
    data = read_spikes(tmp_path / "a", sampling_hz=HZ)
    same(data, [samples[ids == k] / HZ for k in (2, 5, 9)], ["2", "5", "9"])
    (tmp_path / "a/params.py").write_text("sample_rate = 25000\n")
    assert "sample_rate 25000, but hmmglm.sampling_hz is 30000" in refused(
        tmp_path / "a", sampling_hz=HZ
    )


def test_params_are_read_and_never_run(tmp_path):
    phy(tmp_path / "a")
    mark = tmp_path / "ran"
    (tmp_path / "a/params.py").write_text(f"open({str(mark)!r}, 'w')\nsample_rate = 3e4\n")
    assert read_spikes(tmp_path / "a").last < 61 and not mark.exists()


def test_phy_that_does_not_belong_together_is_refused(tmp_path):
    phy(tmp_path / "a")
    np.save(tmp_path / "a/spike_clusters.npy", np.zeros(7, int))
    assert "300 spike times, but 7 clusters of spikes" in refused(tmp_path / "a")
    (tmp_path / "a/spike_clusters.npy").unlink()
    assert "spike_clusters.npy: no such file" in refused(tmp_path / "a")


# --- ALF --------------------------------------------------------------------------------------


def alf(folder, n=3):
    folder.mkdir()
    times, ids = np.sort(RNG.uniform(0, 60, 200)), RNG.integers(0, n, 200)
    np.save(folder / "spikes.times.npy", times)
    np.save(folder / "spikes.clusters.npy", ids)
    np.save(folder / "clusters.acronym.npy", np.array(["CA1", "CA3", "DG", "VISp"][: n + 1]))
    pd.DataFrame({"cluster_id": [0, 1, 2], "label": [1.0, 0.5, 1.0]}).to_csv(
        folder / "clusters.metrics.csv", index=False
    )
    return times, ids


def test_alf_keeps_regions_metrics_and_silent_clusters(tmp_path):
    times, ids = alf(tmp_path / "a")
    data = read_spikes(tmp_path / "a")
    same(data, [times[ids == k] for k in range(4)], ["0", "1", "2", "3"])
    assert data.units["region"].tolist() == ["CA1", "CA3", "DG", "VISp"]
    kept = read_spikes(tmp_path / "a", unit_filter="label >= 1")
    assert kept.units["unit"].tolist() == ["0", "2"]
    assert spike_doubts(data) == ["no spike in unit 3"]


def test_alf_that_does_not_belong_together_is_refused(tmp_path):
    alf(tmp_path / "a")
    np.save(tmp_path / "a/clusters.acronym.npy", np.array(["CA1", "CA3"]))
    assert "a spike is of cluster 2, but clusters.*.npy have 2 rows" in refused(tmp_path / "a")
    np.save(tmp_path / "a/spikes.clusters.npy", np.zeros(3, int))
    assert "200 spike times, but 3 clusters" in refused(tmp_path / "a")
    (tmp_path / "a/spikes.clusters.npy").unlink()
    assert "expected one file spikes.clusters*.npy; found: none" in refused(tmp_path / "a")


# --- pynapple ---------------------------------------------------------------------------------


def group(path):
    """What `TsGroup.save` writes, metadata as a pickle that must not be loaded."""
    times = {0: np.sort(RNG.uniform(0, 50, 40)), 7: np.sort(RNG.uniform(60, 100, 30))}
    t = np.concatenate(list(times.values()))
    index = np.repeat(list(times), [len(train) for train in times.values()])
    order = np.argsort(t)
    np.savez(
        path,
        t=t[order],
        index=index[order],
        keys=np.array([0, 7]),
        start=np.array([0.0, 60.0]),
        end=np.array([50.0, 100.0]),
        type=np.array(["TsGroup"]),
        _metadata=np.array({"q": [1, 2]}, dtype=object),
    )
    return times


def test_a_group_of_pynapple(tmp_path):
    times = group(tmp_path / "a.npz")
    data = read_spikes(tmp_path / "a.npz")
    same(data, times.values(), ["0", "7"])
    assert data.intervals.tolist() == [[0, 50], [60, 100]]
    masks = np.concatenate(bin_recording(data, 1.0, segment_s=20.0).masks)
    assert masks.sum() == 90 and len(masks) == 100
    assert [len(item) for item in bin_recording(data, 1.0).sequences] == [50, 40]


def test_a_group_that_pynapple_itself_saved(tmp_path):
    nap = pytest.importorskip("pynapple")
    trains = {3: nap.Ts(np.sort(RNG.uniform(0, 9, 30))), 4: nap.Ts(np.sort(RNG.uniform(0, 9, 30)))}
    saved = nap.TsGroup(trains, time_support=nap.IntervalSet(0, 9), metadata={"q": ["a", "b"]})
    saved.save(str(tmp_path / "a.npz"))
    same(read_spikes(tmp_path / "a.npz"), [train.t for train in trains.values()], ["3", "4"])


def frame(path, step=0.05, jitter=0.0):
    counts = RNG.poisson(1.0, (60, 3))
    t = np.concatenate([np.arange(40), 100 + np.arange(20)]) * step + step / 2
    t[5] += jitter
    np.savez(
        path,
        t=t,
        d=counts,
        start=np.array([0.0, 100 * step]),
        type=np.array(["TsdFrame"]),
        end=np.array([40 * step, 120 * step]),
        columns=np.array(["a", "b", "c"], dtype=object),
    )
    return counts


def test_a_frame_of_counts_of_pynapple(tmp_path):
    counts = frame(tmp_path / "a.npz")
    data = read_spikes(tmp_path / "a.npz")
    assert isinstance(data, CountData) and data.bin_s == pytest.approx(0.05)
    assert [len(item) for item in data.sequences] == [40, 20]
    np.testing.assert_array_equal(np.concatenate(data.sequences), counts)
    frame(tmp_path / "b.npz", jitter=0.02)
    assert "not evenly spaced; use its bin_average" in refused(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", t=np.arange(5.0), start=np.zeros(1), end=np.full(1, 5.0))
    assert "holds one series, expected a TsGroup" in refused(tmp_path / "c.npz")


# --- CellExplorer and buzcode -----------------------------------------------------------------


def test_cellinfo_of_buzcode(tmp_path):
    from scipy.io import savemat

    def cells(values):
        out = np.empty((1, len(values)), object)
        out[0, :] = values
        return out

    times = [np.sort(RNG.uniform(0, 60, n)) for n in (20, 1, 30)]
    cell = np.empty((1, 3), object)
    for k, train in enumerate(times):
        cell[0, k] = train[:, None]
    content = {"times": cell, "UID": np.array([[4, 7, 9]]), "region": cells(["CA1", "CA1", "DG"])}
    savemat(tmp_path / "s.spikes.cellinfo.mat", {"spikes": content})
    data = read_spikes(tmp_path / "s.spikes.cellinfo.mat")
    same(data, times, ["4", "7", "9"])
    assert data.units["region"].tolist() == ["CA1", "CA1", "DG"]
    content["UID"] = np.array([[4, 7, 4]])
    savemat(tmp_path / "s.mat", {"spikes": content})
    assert "unit '4' is repeated (1 such names)" in refused(tmp_path / "s.mat")


def test_cellinfo_of_version_73(tmp_path):
    import h5py

    times = [np.sort(RNG.uniform(0, 60, n)) for n in (20, 30)]
    with h5py.File(tmp_path / "s.mat", "w", userblock_size=512) as file:
        spikes = file.create_group("spikes")
        references = [
            file.create_dataset(f"#refs#/{k}", data=t[None]).ref for k, t in enumerate(times)
        ]
        spikes.create_dataset("times", data=np.array(references, dtype=h5py.ref_dtype)[:, None])
        spikes["UID"] = np.array([[3.0], [5.0]])
    same(read_spikes(tmp_path / "s.mat"), times, ["3", "5"])


# --- counts -----------------------------------------------------------------------------------


def test_short_and_wide_counts_are_a_question_and_labels_answer_it(tmp_path):
    counts = RNG.poisson(1.0, (3, 500))
    np.save(tmp_path / "a.npy", counts)
    line = refused(tmp_path / "a.npy")
    assert "bins or units? Save it as (T, N), with an array 'unit' of N labels" in line
    np.save(tmp_path / "a.npy", counts.T)
    assert read_spikes(tmp_path / "a.npy").sequences[0].shape == (500, 3)
    np.savez(tmp_path / "a.npz", counts=counts, unit=np.array(list("abc")), bin_s=0.05)
    data = read_spikes(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.sequences[0], counts.T)
    assert data.notes == ["units are rows, as the labels say; turned"]
    wide = {"counts": counts, "unit": np.arange(500), "bin_s": 0.05}
    np.savez(tmp_path / "a.npz", **wide)
    assert read_spikes(tmp_path / "a.npz").sequences[0].shape == (3, 500)
    np.savez(tmp_path / "a.npz", counts=counts.T, unit=np.array(["a", "b", "a"]))
    assert "unit labels are repeated" in refused(tmp_path / "a.npz")


# --- NWB --------------------------------------------------------------------------------------


def new():
    from pynwb import NWBFile

    return NWBFile("x", "id", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))


def save(file, path):
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def spikes(low=0.0, high=100.0, n=100):
    return np.sort(RNG.uniform(low, high, n))


def test_units_in_a_module_and_in_several(tmp_path):
    from pynwb.misc import Units

    file, times = new(), {}
    module = file.create_processing_module("ecephys", "x")
    for name in ("sorted", "curated"):
        table = Units(name=name, description="x")
        times[name] = [spikes(), spikes()]
        for train in times[name]:
            table.add_unit(spike_times=train)
        module.add(table)
    path = save(file, tmp_path / "a.nwb")
    line = refused(path)
    listed = line.split("set mat_key to one of: ")[1].split(", ")
    assert listed == ["ecephys/curated", "ecephys/sorted"]
    for name in listed:
        same(read_spikes(path, mat_key=name), times[name.split("/")[1]], ["0", "1"])


def test_invalid_times_and_observed_times_together(tmp_path):
    file = new()
    trains = [np.r_[0.0, spikes(), 100.0] for _ in range(3)]
    for train, stop in zip(trains, (100.0, 100.0, 80.0)):
        file.add_unit(spike_times=train, obs_intervals=[[0.0, stop]])
    file.add_invalid_time_interval(start_time=40.0, stop_time=50.0)
    file.add_invalid_time_interval(start_time=45.0, stop_time=60.0)
    data = read_spikes(save(file, tmp_path / "a.nwb"))
    binned = bin_recording(data, 1.0, segment_s=10.0)
    assert np.concatenate(binned.observed).sum(axis=0).tolist() == [80, 80, 60]
    assert np.concatenate(binned.masks).sum() == 60
    # the spike at 100 s is after the last bin
    want = [np.histogram(t[:-1], np.arange(101))[0] for t in trains]
    seen = np.concatenate(binned.observed)
    np.testing.assert_array_equal(
        np.concatenate(binned.sequences), np.where(seen, np.transpose(want), 0)
    )
    assert any("lie outside of the observed time" in line for line in spike_doubts(data))


def test_a_column_of_observed_times_that_is_empty_is_refused(tmp_path):
    file = new()
    for _ in range(2):
        file.add_unit(spike_times=spikes(), obs_intervals=np.empty((0, 2)))
    line = refused(save(file, tmp_path / "a.nwb"))
    assert "obs_intervals is empty for every unit" in line


def test_a_unit_without_observed_times_costs_the_others_nothing(tmp_path):
    file = new()
    for intervals in ([[0.0, 100.0]], [[0.0, 100.0]], np.empty((0, 2))):
        file.add_unit(spike_times=spikes(), obs_intervals=intervals)
    data = read_spikes(save(file, tmp_path / "a.nwb"))
    assert np.concatenate(bin_recording(data, 1.0, segment_s=10.0).masks).sum() == 100
    assert "no observed time in unit 2: left out" in spike_doubts(data)


def test_trials_are_checked_where_they_are_used(tmp_path):
    file = new()
    for _ in range(2):
        file.add_unit(spike_times=spikes())
    file.add_epoch(0.0, 100.0, ["session"])
    file.add_epoch(10.0, 20.0, ["stimulus"])
    data = read_spikes(save(file, tmp_path / "a.nwb"))
    assert len(bin_recording(data, 0.05, segment_s=30.0).sequences) == 3
    with pytest.raises(InputProblem, match=r"trials 0 and 1 overlap .* or set hmmglm.segment_s"):
        bin_recording(data, 0.05)
    # windows around the starts of trials whose stop is not known
    assert len(read_spikes(tmp_path / "a.nwb", trial_window=(1.0, 2.0)).trials) == 2


@pytest.mark.slow
def test_many_units_with_many_intervals_are_read_as_a_whole(tmp_path):
    """As the rows one by one say, which pynwb reads with a call each."""
    file = new()
    wanted = []
    for _ in range(30):
        edges = np.sort(RNG.uniform(0, 1000, 200)).reshape(-1, 2)
        file.add_unit(spike_times=spikes(0, 1000), obs_intervals=edges)
        wanted.append(edges)
    data = read_spikes(save(file, tmp_path / "a.nwb"))
    for got, want in zip(data.observed, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


# --- what check lists -------------------------------------------------------------------------


def test_doubtful_units_are_listed():
    steady = np.arange(0, 60, 0.05)
    burst = np.sort(np.r_[np.arange(0, 30, 0.1), np.arange(0, 30, 0.1) + 0.001])
    units = pd.DataFrame({"unit": ["a", "b", "c", "d"]})
    lines = spike_doubts(
        SpikeData([steady, burst, steady[:0], steady[::2]], units, None, None, "x")
    )
    assert lines[0] == "no spike in unit c"
    assert "2 ms (refractory) in unit b" in lines[1] and len(lines) == 2
    lines = spike_doubts(
        SpikeData([steady, steady[:3], steady[:5], steady[:9]], units, None, None, "x")
    )
    assert lines == ["unit a holds 99% of all spikes"]
    others = [steady + 0.003 * k for k in range(4)]
    assert spike_doubts(SpikeData(others, units, None, None, "x")) == []
    others[3] = steady
    (line,) = spike_doubts(SpikeData(others, units, None, None, "x"))
    assert line == "units that hold the same values, given twice: a = d"
    counts = CountData([np.array([[1.0, 0, np.nan]] * 9)], 0.1, units[:3], "x")
    assert count_doubts(counts)[0] == "no spike in unit b, c"
