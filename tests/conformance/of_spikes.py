"""Spikes: sorters, laboratories, packages; right, odd, broken."""

from __future__ import annotations

import numpy as np
import scipy.io
from conformance_cases import Case, spikes, tree

GROUP = "Spikes"
TRAINS = [np.array([0.5, 1.25, 3.0]), np.array([0.75, 2.0, 2.5, 3.5])]
IDS = np.repeat([1, 2], [3, 4])


def generators():
    """The module of the readers' tests, with its generator of random numbers as new."""
    import test_spikes_formats as module

    module.RNG = np.random.default_rng(11)
    return module


def phy(change=None, clusters=(2, 9), **options):
    def make(folder):
        samples, ids = generators().phy(folder / "a", **options)
        if change:
            change(folder / "a")
        truth = {"times": [samples[ids == k] / 30000.0 for k in clusters]}
        return spikes(folder / "a"), truth

    return make


def alf(change=None, n=4, **options):
    def make(folder):
        times, ids = generators().alf(folder / "a")
        if change:
            change(folder / "a")
        kept = range(n) if isinstance(n, int) else n
        return spikes(folder / "a", **options), {"times": [times[ids == k] for k in kept]}

    return make


def group(folder):
    times = generators().group(folder / "a.npz")
    return spikes(folder / "a.npz"), {"times": list(times.values())}


def frame(jitter=0.0):
    def make(folder):
        counts = generators().frame(folder / "a.npz", jitter=jitter)
        return spikes(folder / "a.npz"), {"counts": [counts[:40], counts[40:]]}

    return make


def mat(content, times=TRAINS, name="a.mat", **options):
    def make(folder):
        scipy.io.savemat(folder / name, content)
        return spikes(folder / name, **options), {"times": list(times)}

    return make


def mat73(folder):
    import h5py

    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        refs = [file.create_dataset(f"#refs#/{k}", data=t[None]).ref for k, t in enumerate(TRAINS)]
        file.create_dataset("unit_t", data=np.array(refs, dtype=h5py.ref_dtype)[:, None])
    return spikes(folder / "a.mat"), {"times": TRAINS}


def cells(values):
    out = np.empty((1, len(values)), object)
    for place, value in enumerate(values):
        out[0, place] = value
    return out


def text(content, name="a.txt", times=TRAINS, **options):
    def make(folder):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        return spikes(folder / name, **options), {"times": list(times)} if times else None

    return make


def lines(mark=" ", factor=1.0, head="", order=1):
    rows = sorted((t * factor, k + 1) for k, train in enumerate(TRAINS) for t in train)[::order]
    return head + "".join(f"{t:.6f}{mark}{k}\n" for t, k in rows)


def counts(shape=(50, 3), name="a.npy", truth=None, **more):
    """Counts of one array; `turned` is what must come out."""
    values = np.random.default_rng(1).poisson(1.0, shape)

    def make(folder):
        if name.endswith(".npz"):
            np.savez(folder / name, counts=values, **more)
        else:
            np.save(folder / name, values)
        turned = values.T if truth == "turned" else values
        return spikes(folder / name), {"counts": list(turned) if turned.ndim == 3 else [turned]}

    return make


def sequences(folder):
    arrays = [np.full((5, 2), k) for k in range(12)]
    np.savez(folder / "a.npz", **{f"seq_{k}": item for k, item in enumerate(arrays)}, bin_s=0.02)
    return spikes(folder / "a.npz"), {"counts": arrays}


def maze(folder):
    where = folder / "150628"
    where.mkdir()
    rows = [(30_500, 1), (31_000, 2), (61_250, 1)]
    (where / "150628_SpikeData.dat").write_text("".join(f"{t} {k}\n" for t, k in rows))
    (where / "150628_Behavior.dat").write_text("30000 35000 1 1 1 0\n60000 66000 4 0 0 1\n")
    return spikes(where), {"times": [np.array([30.5, 61.25]), np.array([31.0])]}


def nwb(change=None, n=3, seconds=100.0, **options):
    """Units with spikes over so many seconds; `change` gets the file before it is written."""

    def make(folder):
        module = generators()
        file = module.new()
        trains = [module.spikes(0.0, seconds) for _ in range(n)]
        if change:
            trains = change(file, trains)
        else:
            for train in trains:
                file.add_unit(spike_times=train)
        module.save(file, folder / "a.nwb")
        return spikes(folder / "a.nwb", **options), {"times": trains}

    return make


def observed(*intervals):
    def change(file, trains):
        for train, spans in zip(trains, intervals):
            file.add_unit(spike_times=train, obs_intervals=np.reshape(spans, (-1, 2)))
        return trains

    return change


def unsorted(file, trains):
    for train in trains:
        file.add_unit(spike_times=train[::-1])
    return trains


def with_trials(file, trains):
    for train in trains:
        file.add_unit(spike_times=train)
    for start in (0.0, 40.0):
        file.add_trial(start_time=start, stop_time=start + 30.0)
    return trains


def nested_epochs(file, trains):
    for train in trains:
        file.add_unit(spike_times=train)
    file.add_epoch(0.0, 100.0, ["session"])
    file.add_epoch(10.0, 20.0, ["stimulus"])
    return trains


def milliseconds(file, trains):
    trains = [1000 * np.round(train, 3) for train in trains]
    for train in trains:
        file.add_unit(spike_times=train)
    return trains


def quality(file, trains):
    file.add_unit_column("quality", "x")
    for train, word in zip(trains, ("good", "mua", "good")):
        file.add_unit(spike_times=train, quality=word)
    return [trains[0], trains[2]]


def module_units(names):
    def change(file, trains):
        from pynwb.misc import Units

        module = file.create_processing_module("ecephys", "x")
        for name in names:
            table = Units(name=name, description="x")
            for train in trains:
                table.add_unit(spike_times=train)
            module.add(table)
        return trains

    return change


def no_units(file, trains):
    file.add_trial(start_time=0.0, stop_time=1.0)
    return trains


def file(content, name):
    def make(folder):
        (folder / name).write_bytes(content)
        return spikes(folder / name), None

    return make


def with_file(name, value):
    def change(folder):
        if value is None:
            (folder / name).unlink()
        elif isinstance(value, str):
            (folder / name).write_text(value)
        else:
            np.save(folder / name, value)

    return change


def init(maker):
    """The same input through `neuro init`."""

    def make(folder):
        maker(folder)
        return tree(folder), None

    return make


TWO = {"units": ["1", "2"], "spikes": 7}
ALF = ["0", "1", "2", "3"]
ROWS = [
    ("right", "Phy folder", phy(), {"units": ["2", "9"], "columns": ["quality"], "notes": 1}),
    (
        "odd",
        "Phy folder without cluster table",
        phy(groups=False, clusters=(2, 5, 9)),
        {"units": ["2", "5", "9"], "notes": 0},
    ),
    ("odd", "Phy folder without params.py", phy(params=False), "set hmmglm.sampling_hz"),
    (
        "broken",
        "Phy folder, clusters of another sorting",
        phy(with_file("spike_clusters.npy", np.zeros(7, int))),
        "300 spike times, but 7 clusters",
    ),
    (
        "broken",
        "Phy folder, no clusters",
        phy(with_file("spike_clusters.npy", None)),
        "no such file",
    ),
    ("right", "ALF folder", alf(), {"units": ALF, "spikes": 200, "columns": ["region", "label"]}),
    (
        "odd",
        "ALF folder, good units only",
        alf(n=(0, 2), unit_filter="label >= 1"),
        {"units": ["0", "2"]},
    ),
    (
        "broken",
        "ALF folder, regions of other clusters",
        alf(with_file("clusters.acronym.npy", np.array(["CA1", "CA3"]))),
        "have 2 rows",
    ),
    (
        "broken",
        "ALF folder without clusters",
        alf(with_file("spikes.clusters.npy", None)),
        "found: none",
    ),
    ("right", "pynapple TsGroup", group, {"units": ["0", "7"], "spikes": 70, "observed_s": 90.0}),
    (
        "odd",
        "pynapple TsdFrame of counts",
        frame(),
        {"units": ["1", "2", "3"], "bins": [40, 20], "bin_s": 0.05},
    ),
    ("broken", "pynapple TsdFrame, uneven", frame(0.02), "not evenly spaced"),
    (
        "right",
        "MAT, table (unit, time)",
        mat({"spks": np.column_stack([IDS, np.concatenate(TRAINS)])}),
        TWO,
    ),
    ("right", "MAT, cell of times", mat({"unit_t": cells([t[:, None] for t in TRAINS])}), TWO),
    ("right", "MAT 7.3, cell of times", mat73, TWO),
    (
        "odd",
        "MAT, times not in order",
        mat({"unit_t": cells([t[::-1] for t in TRAINS])}),
        TWO | {"notes": 1},
    ),
    (
        "odd",
        "MAT, times in ms that are said",
        mat({"unit_t": cells([1000 * t for t in TRAINS])}, time_unit="ms"),
        TWO,
    ),
    (
        "odd",
        "MAT, times in ms that are not said",
        mat({"unit_t": cells([np.arange(0, 60_000.0, 50 + k) for k in range(2)])}),
        "set hmmglm.time_unit: ms",
    ),
    ("odd", "MAT, unknown variable", mat({"a": np.eye(3), "b": cells(TRAINS)}), "set mat_key"),
    ("odd", "MAT, unknown variable that is named", mat({"b": cells(TRAINS)}, mat_key="b"), TWO),
    (
        "right",
        "CellExplorer, spikes.cellinfo.mat",
        mat(
            {"spikes": {"times": cells([t[:, None] for t in TRAINS]), "UID": np.array([[4, 7]])}},
            name="s.spikes.cellinfo.mat",
        ),
        {"units": ["4", "7"], "spikes": 7},
    ),
    (
        "broken",
        "CellExplorer, a repeated UID",
        mat({"spikes": {"times": cells([t[:, None] for t in TRAINS]), "UID": np.array([[4, 4]])}}),
        "unit '4' is repeated",
    ),
    ("broken", "MAT, one unit", mat({"unit_t": cells(TRAINS[:1])}), "couplings need at least 2"),
    ("broken", "MAT of no bytes", file(b"", "a.mat"), "a.mat"),
    ("broken", "MAT, text", file(b"no matlab", "a.mat"), "a.mat"),
    ("right", "text (time unit), blanks", text(lines()), TWO),
    ("right", "text, tabs and a header", text(lines("\t", head="time\tunit\n"), "a.tsv"), TWO),
    ("odd", "text, commas and a comment", text("# by hand\n" + lines(","), "a.csv"), TWO),
    ("odd", "text, last spike first", text(lines(order=-1)), TWO | {"notes": 1}),
    (
        "broken",
        "text, columns swapped",
        text("1 0.5\n1 0.75\n", times=None),
        "are the columns swapped",
    ),
    (
        "broken",
        "text, a word among numbers",
        text("0.5 1\n0.7 x\n", times=None),
        "expected 2 numbers",
    ),
    ("broken", "text of no bytes", text("", times=None), "no rows"),
    (
        "odd",
        "text in UTF-16",
        text(lines().encode("utf-16")),
        {"units": ["1", "2"], "spikes": 7},
    ),
    ("right", "maze folder", maze, {"units": ["1", "2"], "spikes": 3, "trials": 2}),
    (
        "right",
        "counts .npy (T, N)",
        counts(),
        {"units": ["1", "2", "3"], "bins": [50], "bin_s": 1.0},
    ),
    (
        "right",
        "counts .npy (n, T, N)",
        counts((4, 50, 3)),
        {"units": ["1", "2", "3"], "bins": [50] * 4},
    ),
    ("right", "counts .npz, 12 sequences", sequences, {"bins": [5] * 12, "bin_s": 0.02}),
    ("odd", "counts .npy (N, T)", counts((3, 50)), "bins or units?"),
    (
        "odd",
        "counts .npz (N, T) with labels",
        counts((3, 50), "a.npz", "turned", unit=np.array(list("abc")), bin_s=0.05),
        {"units": ["a", "b", "c"], "bins": [50], "bin_s": 0.05, "notes": 1},
    ),
    (
        "broken",
        "counts .npz, a label twice",
        counts((50, 3), "a.npz", unit=np.array(list("aba"))),
        "unit labels are repeated",
    ),
    (
        "broken",
        "counts .npz, bins of no length",
        counts((50, 3), "a.npz", bin_s=0.0),
        "expected seconds > 0",
    ),
    ("broken", "counts .npy, cut off", file(b"\x93NUMPY\x01", "a.npy"), "not a plain"),
    ("right", "NWB", nwb(), {"units": ["0", "1", "2"], "spikes": 300, "observed_s": None}),
    (
        "right",
        "NWB with observed intervals",
        nwb(observed([0, 100], [0, 60], [30, 100])),
        {"units": ["0", "1", "2"], "observed_s": 230.0},
    ),
    (
        "odd",
        "NWB, a unit that was never observed",
        nwb(observed([0, 100], [0, 100], [])),
        {"observed_s": 200.0},
    ),
    (
        "odd",
        "NWB, nobody observed",
        nwb(observed([], [], [])),
        "obs_intervals is empty for every unit",
    ),
    ("odd", "NWB, times not in order", nwb(unsorted), {"spikes": 300, "notes": 1}),
    ("right", "NWB with trials", nwb(with_trials), {"trials": 2, "spikes": 300}),
    ("odd", "NWB, nested epochs", nwb(nested_epochs), {"spikes": 300}),
    ("odd", "NWB, times in ms", nwb(milliseconds), "set hmmglm.time_unit: ms"),
    (
        "odd",
        "NWB, good units only",
        nwb(quality, unit_filter="quality == 'good'"),
        {"units": ["0", "2"]},
    ),
    ("odd", "NWB, units in a module", nwb(module_units(["sorted"])), {"units": ["0", "1", "2"]}),
    ("odd", "NWB, two tables of units", nwb(module_units(["a", "b"])), "set mat_key to one of"),
    ("broken", "NWB without units", nwb(no_units), "no units table"),
    ("broken", "NWB of no bytes", file(b"", "a.nwb"), "a.nwb"),
    ("broken", "NWB, text", file(b"not hdf5", "a.nwb"), "not a readable NWB file"),
    ("broken", "unknown suffix", file(b"x", "a.plx"), "unknown suffix '.plx'"),
]
STAGES = {"kind": "none", "stages": ["hmmglm"]}
INIT = [
    ("right", "Phy folder", init(phy()), STAGES),
    (
        "odd",
        "Phy folder without params.py",
        init(phy(params=False)),
        STAGES | {"asks": ["sampling_hz"]},
    ),
    ("right", "ALF folder", init(alf()), STAGES),
    ("right", "pynapple TsGroup", init(group), STAGES),
    ("right", "MAT, cell of times", init(ROWS[13][2]), STAGES),
    ("right", "text (time unit)", init(text(lines())), STAGES),
    ("right", "counts .npz, 12 sequences", init(sequences), STAGES),
    ("right", "NWB with trials", init(nwb(with_trials)), STAGES),
    ("odd", "NWB, times in ms", init(nwb(milliseconds)), STAGES | {"asks": ["time_unit"]}),
    ("broken", "NWB without units", init(nwb(no_units)), "no units table"),
]
CASES = [Case(GROUP, *row) for row in ROWS]
CASES += [Case("neuro init: spikes", *row) for row in INIT]
