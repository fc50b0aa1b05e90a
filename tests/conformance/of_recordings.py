"""Traces: calcium pipelines, arrays, tables, NWB; right, odd, broken."""

from __future__ import annotations

import json

import numpy as np
from conformance_cases import Case, recording, tree

GROUP = "Traces"
WIDE = np.random.default_rng(3).random((5, 40)).astype(np.float32)
TALL = np.ascontiguousarray(WIDE.T)
NAMES = ["AVA", "AVB", "AVD", "RIM", "RIB"]
HALF = TALL[:, :2]


def generators():
    import test_recordings_facts as module

    module.RNG = np.random.default_rng(3)
    return module


def npy(values, **options):
    def make(folder):
        np.save(folder / "m1.npy", values)
        return recording(folder / "m1.npy", **options), {"traces": TALL}

    return make


def npz(truth=TALL, options=None, **arrays):
    def make(folder):
        np.savez(folder / "m1.npz", **arrays)
        return recording(folder / "m1.npz", **(options or {})), {"traces": truth}

    return make


def mat(options=None, truth=TALL, name="m1.mat", **content):
    def make(folder):
        from scipy.io import savemat

        savemat(folder / name, content)
        return recording(folder / name, **(options or {})), {"traces": truth}

    return make


def mat73(folder):
    import h5py

    with h5py.File(folder / "m1.mat", "w") as file:
        file["traces"], file["fs"] = TALL.T, np.array([[4.0]])
    return recording(folder / "m1.mat"), {"traces": TALL}


def csv(head, *columns, truth=HALF, mark=",", beside=None, **options):
    def make(folder):
        generators().table(folder / "m1.csv", head, list(columns), mark)
        if beside:
            (folder / "m1.json").write_text(json.dumps(beside))
        return recording(folder / "m1.csv", **options), {"traces": truth}

    return make


def suite2p(*planes, keep=None, change=None, variable=None, **options):
    """Planes by name with their own options; regions that are kept, for the truth."""

    def make(folder):
        module = generators()
        arrays = [module.suite2p(folder / "m1" / name, **own) for name, own in planes]
        if change:
            change(folder / "m1")
        columns = [row for item in arrays for row in item[variable or "F"]]
        truth = [row for place, row in enumerate(columns) if keep is None or place in keep]
        return recording(folder / "m1", variable=variable, **options), {"columns": truth}

    return make


def caiman(keep=(0, 2, 3), factor=1, idx=(0, 2, 3), **options):
    def make(folder):
        values = generators().caiman(folder / "m1.hdf5", idx=idx)
        truth = factor * values[list(keep)].T
        return recording(folder / "m1.hdf5", **options), {"traces": truth}

    return make


def nwb(boxes, choice=None, keep=None, **options):
    def make(folder):
        written = generators().nwb(folder / "m1.nwb", boxes, **options)
        values = written[choice or "/".join(boxes[0])]
        values = values if values.shape[0] == 40 else values.T
        truth = values if keep is None else values[:, keep]
        return recording(folder / "m1.nwb", variable=choice), {"traces": truth}

    return make


def file(content, name, **options):
    def make(folder):
        (folder / name).write_bytes(content)
        return recording(folder / name, **options), None

    return make


def zarr(folder):
    (folder / "minian.zarr").mkdir()
    return recording(folder / "minian.zarr", fs=1.0), None


def iscell(values):
    return lambda folder: np.save(folder / "iscell.npy", values)


def init(maker):
    def make(folder):
        maker(folder)
        return tree(folder), None

    return make


TIME = np.arange(40) / 4.0
GAP = TIME + 5.0 * (np.arange(40) >= 20)
HOLES = TALL.copy()
HOLES[3:9, 1] = np.nan
INF = TALL.copy()
INF[0, 0] = np.inf
OK = {"frames": 40, "neurons": 5, "hz": 4.0}
NAMED = OK | {"names": NAMES}
PAIR = {"frames": 40, "neurons": 2, "hz": 4.0, "names": ["A", "B"]}
CELLS = [1, 0, 1, 1, 0, 1]
BOXES = [("Fluorescence", "plane0"), ("Neuropil", "plane0"), ("Deconvolved", "plane0")]
PLANE = ("suite2p/plane0", {"fs": 7.5, "cells": CELLS})
OBJECTS = np.array(NAMES, dtype=object)
ROWS = [
    ("right", "numpy array, rate in the settings", npy(TALL, fs=4.0), OK | {"animal": "m1"}),
    ("odd", "numpy array without a rate", npy(TALL), "set recordings.fs_hz"),
    ("odd", "short and wide numpy array", npy(WIDE, fs=4.0), "set recordings.time_axis: 0"),
    ("odd", "short and wide, axis in the settings", npy(WIDE, fs=4.0, time_axis=1), OK),
    (
        "broken",
        "numpy array of three axes",
        npy(np.zeros((2, 3, 4)), fs=4.0),
        "expected numbers of shape",
    ),
    ("broken", "numpy, cut off", file(b"\x93NUMPY", "m1.npy", fs=4.0), "not a readable numpy file"),
    ("right", "npz, names and rate", npz(traces=TALL, names=np.array(NAMES), fs=4.0), NAMED),
    ("odd", "npz, names turn the array", npz(traces=WIDE, names=np.array(NAMES), fs=4.0), NAMED),
    ("odd", "npz, times turn the array", npz(traces=WIDE, t=TIME), OK),
    (
        "odd",
        "npz, times and names contradict",
        npz(traces=WIDE, names=np.array(NAMES), t=np.arange(5.0)),
        "says a row is a frame",
    ),
    (
        "odd",
        "npz, the user contradicts the names",
        npz(traces=WIDE, names=np.array(NAMES), fs=4.0, options={"time_axis": 0}),
        "set recordings.time_axis: 1",
    ),
    ("odd", "npz, NaN in one neuron", npz(HOLES, traces=HOLES, fs=4.0), OK | {"missing": 6}),
    ("broken", "npz, infinite values", npz(traces=INF, fs=4.0), "infinite values in 1 traces"),
    (
        "broken",
        "npz, two arrays",
        npz(a=TALL, b=TALL, options={"fs": 4.0}),
        "set recordings.variable",
    ),
    (
        "broken",
        "npz, too few names",
        npz(traces=TALL, names=np.array(["A"]), fs=4.0),
        "1 neuron names for 5",
    ),
    (
        "broken",
        "npz, a name twice",
        npz(traces=TALL, names=np.array(["A", "A", *NAMES[2:]]), fs=4.0),
        "neuron name 'A' is repeated",
    ),
    (
        "broken",
        "npz, two rates",
        npz(traces=TALL, fs=4.0, options={"fs": 5.0}),
        "remove the wrong one",
    ),
    ("right", "MAT, NeuronNames and fps", mat(traces=TALL, NeuronNames=OBJECTS, fps=4.0), NAMED),
    ("odd", "MAT, a row per neuron", mat(traces=WIDE, NeuronNames=OBJECTS, fps=4.0), NAMED),
    ("right", "MAT 7.3", mat73, OK),
    ("broken", "MAT, text", file(b"no matlab", "m1.mat", fs=4.0), "not a readable MATLAB file"),
    (
        "right",
        "Fall.mat of suite2p",
        mat(
            truth=TALL[:, [0, 2, 3, 4]],
            name="Fall.mat",
            F=WIDE,
            ops={"fs": 4.0},
            iscell=np.c_[[1, 0, 1, 1, 1], np.ones(5)],
        ),
        {"frames": 40, "neurons": 4, "hz": 4.0},
    ),
    ("right", "CSV, header and clock", csv("time,A,B", TIME, HALF), PAIR),
    ("right", "CSV, Time (s)", csv("Time (s),A,B", TIME, HALF), PAIR),
    ("odd", "CSV, time in ms", csv("Time (ms),A,B", 1000 * TIME, HALF), PAIR),
    ("odd", "CSV, time in minutes", csv("time_min,A,B", TIME / 60, HALF), PAIR | {"hz": 4.0}),
    ("odd", "CSV, a clock of any name", csv("x,A,B", TIME, HALF), PAIR),
    ("odd", "CSV, index of pandas", csv(",A,B", np.arange(40), HALF, fs=4.0), PAIR),
    ("odd", "CSV, frame number and clock", csv("frame,time,A,B", np.arange(40), TIME, HALF), PAIR),
    ("odd", "CSV, semicolons", csv("time;A;B", TIME, HALF, mark=";"), PAIR),
    ("odd", "CSV, names in a comment", csv("# A,B", HALF, fs=4.0), PAIR),
    ("odd", "CSV, rate in the sidecar", csv("A,B", HALF, beside={"SamplingFrequency": 4.0}), PAIR),
    (
        "odd",
        "CSV, clock and settings contradict",
        csv("time,A,B", TIME, HALF, fs=30.0),
        "30 Hz is stated",
    ),
    ("odd", "CSV, no rate at all", csv("A,B", HALF), "set recordings.fs_hz"),
    (
        "odd",
        "CSV, first row of whole numbers is data",
        csv(None, np.r_[[[7.0, 3.0]], HALF], truth=np.r_[[[7.0, 3.0]], HALF], fs=4.0),
        {"frames": 41, "neurons": 2, "names": None},
    ),
    ("broken", "CSV, a clock with a gap", csv("time_s,A,B", GAP, HALF, fs=4.0), "are not regular"),
    (
        "broken",
        "CSV, a clock backwards",
        csv("time_s,A,B", TIME[::-1], HALF, fs=4.0),
        "do not increase",
    ),
    ("broken", "CSV of no bytes", file(b"", "m1.csv", fs=4.0), "the file is empty (0 bytes)"),
    (
        "right",
        "suite2p folder, iscell and ops",
        suite2p(PLANE, keep=[0, 2, 3, 5]),
        {"frames": 40, "neurons": 4, "hz": 7.5, "animal": "m1"},
    ),
    (
        "right",
        "suite2p, spks",
        suite2p(PLANE, keep=[0, 2, 3, 5], variable="spks"),
        {"frames": 40, "neurons": 4},
    ),
    (
        "odd",
        "suite2p, two planes",
        suite2p(
            ("suite2p/plane0", {"fs": 5.0}), ("suite2p/plane1", {"fs": 5.0, "n": 3, "seed": 1})
        ),
        {"frames": 40, "neurons": 9, "hz": 5.0},
    ),
    (
        "odd",
        "suite2p, more regions than frames",
        suite2p(("", {"n": 50, "frames": 20, "fs": 3.0})),
        {"frames": 20, "neurons": 50},
    ),
    (
        "odd",
        "suite2p without ops",
        suite2p(("", {}), fs=3.0),
        {"frames": 40, "neurons": 6, "hz": 3.0},
    ),
    (
        "broken",
        "suite2p, planes of other lengths",
        suite2p(("plane0", {"fs": 5.0}), ("plane1", {"fs": 5.0, "frames": 39})),
        "planes have 39 to 40 frames",
    ),
    (
        "broken",
        "suite2p, iscell of another run",
        suite2p(("", {"fs": 5.0}), change=iscell(np.ones((7, 2)))),
        "iscell.npy beside it has 7 rows",
    ),
    (
        "broken",
        "suite2p, nothing is a cell",
        suite2p(("", {"fs": 5.0}), change=iscell(np.zeros((6, 2)))),
        "no region is marked as a cell",
    ),
    ("right", "CaImAn, accepted components", caiman(), {"frames": 40, "neurons": 3, "hz": 10.0}),
    ("right", "CaImAn, F_dff", caiman(factor=2, variable="F_dff"), {"frames": 40, "neurons": 3}),
    ("odd", "CaImAn, no classification", caiman(range(5), idx=None), {"frames": 40, "neurons": 5}),
    (
        "odd",
        "CaImAn, an array it lacks",
        caiman(variable="YrA"),
        "set recordings.variable to one of: C, F_dff, S",
    ),
    ("broken", "CaImAn, no HDF5", file(b"no hdf5", "m1.hdf5"), "not a readable HDF5 file"),
    ("odd", "minian Zarr", zarr, "a Zarr folder (minian), which is not read"),
    ("right", "NWB, one series", nwb([("F", "x")]), {"frames": 40, "neurons": 6, "hz": 4.0}),
    ("odd", "NWB, three series of a name", nwb(BOXES), "set recordings.variable to one of"),
    (
        "odd",
        "NWB, a series by its path",
        nwb(BOXES, "Deconvolved/plane0"),
        {"frames": 40, "neurons": 6},
    ),
    (
        "odd",
        "NWB, a row per region",
        nwb([("F", "x")], data=np.random.default_rng(0).random((6, 40))),
        {"frames": 40, "neurons": 6},
    ),
    (
        "odd",
        "NWB, iscell in the table of regions",
        nwb([("F", "x")], keep=[0, 2, 3, 4], column="iscell", values=[1, 0, 1, 1, 1, 0]),
        {"frames": 40, "neurons": 4},
    ),
    (
        "broken",
        "NWB, series and regions do not fit",
        nwb([("F", "x")], data=np.random.default_rng(0).random((9, 40))),
        "has shape (9, 40), but 6 regions",
    ),
    (
        "broken",
        "NWB, time stamps backwards",
        nwb([("F", "x")], timestamps=np.arange(40)[::-1] / 4.0),
        "are not regular",
    ),
    ("broken", "NWB, text", file(b"no nwb", "m1.nwb"), "not a readable NWB file"),
    ("broken", "a movie", file(b"x", "m1.avi"), "unknown kind of recording"),
]
STAGES = {"kind": "none", "stages": ["ntf"]}
INIT = [
    ("right", "suite2p folder", init(suite2p(PLANE)), STAGES),
    ("right", "CaImAn", init(caiman()), STAGES),
    ("right", "NWB, one series", init(nwb([("F", "x")])), STAGES),
    ("odd", "NWB, three series of a name", init(nwb(BOXES)), STAGES),
    ("odd", "numpy array without a rate", init(npy(TALL)), STAGES | {"asks": ["fs_hz"]}),
    ("right", "CSV, header and clock", init(csv("time,A,B", TIME, HALF)), STAGES),
    ("right", "npz, names and rate", init(npz(traces=TALL, fs=4.0)), STAGES),
    (
        "right",
        "MAT, NeuronNames and fps",
        init(mat(traces=TALL, NeuronNames=OBJECTS, fps=4.0)),
        STAGES,
    ),
    (
        "broken",
        "npz, infinite values",
        init(npz(traces=INF, fs=4.0)),
        "infinite values in 1 traces",
    ),
    ("broken", "CSV of no bytes", init(file(b"", "m1.csv")), "nothing in it was recognised"),
]
CASES = [Case(GROUP, *row) for row in ROWS]
CASES += [Case("neuro init: traces", *row) for row in INIT]
