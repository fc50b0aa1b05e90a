"""What strangers bring: spreadsheets of other countries, codes for missing, doubles."""

from __future__ import annotations

import numpy as np
import scipy.io
from conformance_cases import Case, recording, responses, spikes, table, tree, voxels

RNG = np.random.default_rng(17)
TRACES = np.round(np.abs(RNG.standard_normal((80, 3))), 4)
TIMES = np.arange(80) / 10
GAP = TRACES.copy()
GAP[7, 1] = np.nan
SPIKES = sorted((round(float(t), 3), u) for u in (1, 2, 3) for t in RNG.uniform(0, 90, 40))
TRAINS = [np.array([t for t, unit in SPIKES if unit == k]) for k in (1, 2, 3)]
SERIES = np.round(RNG.standard_normal((60, 4)), 4)
PICTURES = RNG.random((60, 3, 8, 8)).astype(np.float32)
FAR = 1.7e9
"""A clock of seconds since 1970."""


def comma(value) -> str:
    return f"{value:.4f}".replace(".", ",")


def csv(
    values=TRACES, names="time_s,N1,N2,N3", mark=",", number="{:.4f}".format, encoding="utf-8", t=0
):
    """A clock and three neurons; `truth` must come out."""

    def make(folder):
        rows = [mark.join(map(number, (a + t, *row))) for a, row in zip(TIMES, values, strict=True)]
        text = "\r\n".join([names, *rows]) + "\r\n"
        (folder / "Maus Übung 1.csv").write_bytes(text.encode(encoding))
        truth = np.where(values == -999, np.nan, values)
        return recording(folder / "Maus Übung 1.csv"), {"traces": truth}

    return make


def bare(text, name="a.csv"):
    def make(folder):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return recording(folder / name), None

    return make


def long_format(folder):
    rows = [f"{t:.1f},N{k},{v:.4f}" for t, row in zip(TIMES, TRACES) for k, v in enumerate(row)]
    (folder / "a.csv").write_text("time,neuron,value\n" + "\n".join(rows))
    return tree(folder), None


def summary(folder):
    rows = [",".join(f"{v:.4f}" for v in row) for row in TRACES]
    (folder / "a.csv").write_text("N1,N2,N3\n" + "\n".join(rows) + "\nmean,0.8,0.8\n")
    return recording(folder / "a.csv", fs=4.0), None


def coded(values, code=-999.0, place=(7, 1)):
    out = values.copy()
    out[place] = code
    return out


def spike_text(mark=" ", number=str, encoding="utf-8", more=()):
    def make(folder):
        rows = [*((number(t), u) for t, u in SPIKES), *more]
        text = "\n".join(f"{t}{mark}{u}" for t, u in rows) + "\n"
        (folder / "spikes.txt").write_text(text, encoding)
        return spikes(folder / "spikes.txt"), {"times": TRAINS}

    return make


def mat(matrix, name="spikes"):
    def make(folder):
        scipy.io.savemat(folder / "a.mat", {name: matrix})
        return spikes(folder / "a.mat"), None

    return make


def cells():
    out = np.empty((5, 8), object)
    for k in np.ndindex(5, 8):
        out[k] = np.sort(np.random.default_rng(k).uniform(-1, 2, 20))
    return out


def padded():
    out = np.full((4, 60), np.nan)
    out[:, :50] = np.sort(np.random.default_rng(3).uniform(0, 90, (4, 50)))
    return out


def counts(value, truth=np.nan):
    values = np.random.default_rng(4).poisson(1.0, (90, 3))
    values[5, 1] = value
    out = values.astype(float)
    out[5, 1] = truth

    def make(folder):
        np.savez(folder / "c.npz", counts=values, bin_s=0.1)
        return spikes(folder / "c.npz"), {"counts": [out]}

    return make


def probes(folder):
    for name in ("probe00", "probe01"):
        rng = np.random.default_rng(len(name) + int(name[-1]))
        (folder / "alf" / name).mkdir(parents=True)
        np.save(folder / "alf" / name / "spikes.times.npy", np.sort(rng.uniform(0, 90, 200)))
        np.save(folder / "alf" / name / "spikes.clusters.npy", rng.integers(0, 5, 200))
    return tree(folder), None


def camera(folder):
    np.save(folder / "maus.npy", np.random.default_rng(5).integers(200, 2000, (300, 6), np.int16))
    return tree(folder), None


def regions(values=SERIES, names="A\tB\tC\tD", mark="\t", number="{:.4f}".format, truth=None):
    def make(folder):
        text = "\n".join(mark.join(map(number, row)) for row in values)
        (folder / "x.csv").write_text(names.replace("\t", mark) + "\n" + text, "utf-8-sig")
        return table(folder / "x.csv", tr=2.0), {"series": values if truth is None else truth}

    return make


def cells_of(change, **more):
    """Responses to pictures; one unit cannot be used where a response is a code."""
    values = np.random.default_rng(6).poisson(3.0, (60, 5)).astype(np.float32)
    change(values)

    def make(folder):
        np.savez(folder / "c.npz", stimuli=PICTURES, responses=values, **more)
        return responses(folder / "c.npz"), None

    return make


def images(stored, betas):
    def make(folder):
        np.save(folder / "images.npy", stored)
        np.save(folder / "betas.npy", betas)
        return voxels(folder / "images.npy", folder / "betas.npy"), None

    return make


def one_code(values):
    values[3, 2] = -9999


def nothing(values):
    pass


GERMAN = "Zeit (s);Zelle_ä;Zelle_ö;Zelle_ü"
COMMAS = {"names": GERMAN, "mark": ";", "number": comma}
SEEN = {"frames": 80, "neurons": 3, "hz": 10.0}
BETAS = np.random.default_rng(7).random((60, 4))
NAMES = {"names": ["Zelle_ä", "Zelle_ö", "Zelle_ü"]}
COLUMN = SERIES.copy()
COLUMN[:, 2] = np.nan
TRACE_ROWS = [
    ("odd", "CSV, decimal commas between semicolons", csv(**COMMAS), SEEN | NAMES),
    ("odd", "CSV, the same in cp1252", csv(**COMMAS, encoding="cp1252"), SEEN | NAMES),
    ("odd", "CSV, the same in UTF-16", csv(**COMMAS, encoding="utf-16"), SEEN | NAMES),
    ("odd", "CSV, -999 in one cell", csv(coded(TRACES)), SEEN | {"missing": 1}),
    ("odd", "CSV, seconds since 1970", csv(t=FAR), SEEN | {"missing": 0}),
    ("broken", "CSV, a row of means below", summary, "'mean' is not a number"),
    ("broken", "CSV of NUL bytes", bare(b"\0" * 1024), "a header but no line of data"),
]
SPIKE_ROWS = [
    ("odd", "text, decimal commas between semicolons", spike_text(";", comma), {"spikes": 120}),
    ("odd", "text in UTF-16, tabs", spike_text("\t", encoding="utf-16"), {"spikes": 120}),
    (
        "odd",
        "text, decimal commas and tabs",
        spike_text("\t", lambda t: f"{t:.3f}".replace(".", ",")),
        "expected 2 numbers",
    ),
    (
        "odd",
        "text, -999 for no spike",
        spike_text(more=[(-999, 1), (-999, 3)]),
        {"spikes": 120, "notes": 1},
    ),
    ("odd", "counts, -999 in one bin", counts(-999), {"bins": [90], "notes": 1}),
    (
        "odd",
        "counts, -1 in one bin",
        counts(-1, -1.0),
        {
            "doubts": [
                "values below 0 or between whole numbers are no counts: emission gaussian only"
            ]
        },
    ),
    ("broken", "MAT, cells of units by trials", mat(cells()), "units by trials?"),
    ("broken", "MAT, a matrix padded with NaN", mat(padded()), "1 unit; couplings need at least 2"),
]
REGION_ROWS = [
    (
        "odd",
        "CSV, decimal commas between semicolons",
        regions(mark=";", number=comma),
        {"volumes": 60, "regions": list("ABCD"), "missing": []},
    ),
    (
        "odd",
        "a region of -999",
        regions(np.where(np.isnan(COLUMN), -999.0, COLUMN), truth=COLUMN),
        {"volumes": 60, "missing": ["C"]},
    ),
    ("broken", "-999 in one volume", regions(coded(SERIES)), "-999 read as missing in 1 values"),
]
RESPONSE_ROWS = [
    (
        "odd",
        "npz, -9999 in one trial of a unit",
        cells_of(one_code),
        {"trials": 60, "units": ["u1", "u2", "u4", "u5"], "excluded": ["u3"]},
    ),
    (
        "broken",
        "npz, a unit named twice",
        cells_of(nothing, unit=np.array([1, 2, 3, 3, 4])),
        "unit name '3' is repeated",
    ),
]
VOXEL_ROWS = [
    (
        "broken",
        "images with an alpha channel",
        images(np.zeros((60, 8, 8, 4), np.uint8), BETAS),
        "with 1 or 3 channels",
    ),
    (
        "broken",
        "images of 16 bits",
        images((PICTURES * 65535).astype(np.uint16), BETAS),
        "expected the range 0 to 1",
    ),
    ("broken", "betas, a row per voxel", images(PICTURES, BETAS.T), "same first axis expected"),
    ("broken", "betas, -999 in one trial", images(PICTURES, coded(BETAS)), "not finite"),
]
INIT_ROWS = [
    ("odd", "two probes of a session", probes, {"kind": "none", "stages": ["hmmglm"]}),
    ("odd", "numbers of a camera", camera, {"stages": ["ntf"], "asks": ["fs_hz"]}),
    ("odd", "CSV, a row per frame and neuron", long_format, "nothing in it was recognised"),
]
CASES = [
    Case(group, *row)
    for group, rows in (
        ("Spikes", SPIKE_ROWS),
        ("Traces", TRACE_ROWS),
        ("Region tables", REGION_ROWS),
        ("Stimuli and responses", RESPONSE_ROWS),
        ("Images and voxels", VOXEL_ROWS),
        ("neuro init: what strangers bring", INIT_ROWS),
    )
    for row in rows
]
