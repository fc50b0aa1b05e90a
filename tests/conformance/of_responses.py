"""Stimuli with responses, images with voxels; right, odd, broken."""

from __future__ import annotations

import numpy as np
from conformance_cases import Case, responses, tree, voxels

GROUP = "Stimuli and responses"
UNITS = ["a", "b", "c"]
PICTURES = np.random.default_rng(5).random((60, 3, 12, 14)).astype(np.float32)
RATES = np.random.default_rng(6).random((60, 3))
TIER = np.array(["train"] * 40 + ["validation"] * 10 + ["test"] * 10)


def generators():
    import test_stimulus_responses as module

    module.RNG = np.random.default_rng(0)
    return module


def npz(stimuli=PICTURES, want=PICTURES, options=None, **arrays):
    """A file of the common layout; `want` are the stimuli that must come out."""

    def make(folder):
        given = {"stimuli": stimuli, "responses": RATES, "tier": TIER, "unit": UNITS} | arrays
        np.savez(
            folder / "x.npz", **{key: value for key, value in given.items() if value is not None}
        )
        truth = None if want is None else {"stimuli": want}
        return responses(folder / "x.npz", **(options or {})), truth

    return make


def hdf5(stimuli=PICTURES, want=PICTURES, **parts):
    def make(folder):
        from neuro.io.responses.writer import write_stimulus_response

        path = write_stimulus_response(folder / "x.h5", stimuli, RATES, TIER, unit=UNITS, **parts)
        return responses(path), {"stimuli": want, "responses": RATES}

    return make


def groups(turned):
    """Deep-retina and its kin: groups train and test that share the axis of time."""

    def make(folder):
        import h5py

        movie = np.random.default_rng(1).random((40, 4, 5)).astype(np.float32)
        rates = np.random.default_rng(2).random((3, 40)).astype(np.float32)
        with h5py.File(folder / "x.h5", "w") as file:
            for name, part in (("train", slice(0, 30)), ("test", slice(30, 40))):
                file[f"{name}/stimulus"] = movie[part]
                own = rates[:, part]
                file[f"{name}/response/firing_rate_10ms"] = own if turned else own.T
        return responses(folder / "x.h5"), {"responses": rates.T, "stimuli": movie[:, None]}

    return make


def flat(**change):
    """A folder of whole arrays."""

    def make(folder):
        parts = {"stimuli": PICTURES, "responses": RATES, "tiers": TIER, "units": np.array(UNITS)}
        (folder / "d").mkdir()
        for name, values in (parts | change).items():
            if values is not None:
                np.save(folder / "d" / f"{name}.npy", values)
        return responses(folder / "d"), {"responses": RATES}

    return make


def trials(images=12):
    """Sensorium's folder: a file per trial, tiers and units below meta."""

    def make(folder):
        module = generators()
        path = module.tree(folder / "mouse", images)
        return responses(path), {"stimuli": module.STIMULI, "responses": module.RESPONSES}

    return make


def nwb(spikes, **options):
    def make(folder):
        module = generators()
        order = module.nwb(folder / "x.nwb", spikes=spikes)
        truth = {"stimuli": module.STIMULI[order]}
        if not spikes:
            truth["responses"] = module.RESPONSES[order]
        return responses(folder / "x.nwb", **options), truth

    return make


def bipolar(variable=None):
    def make(folder):
        where, rng = folder / "Model Input Normalized - BCs", np.random.default_rng(0)
        where.mkdir()
        rates = rng.random((24, 400))
        np.save(where / "green_flicker_64Hz.npy", rng.integers(0, 2, (400, 2)).astype(float))
        np.save(where / "green_avrg_resp_64Hz_norm.npy", rates)
        np.save(where / "types_green_center.npy", np.r_[np.ones(10), -np.ones(14)])
        np.save(where / "bc_cluster_locations.npy", np.array(["dorsal"] * 24))
        return responses(where, variable=variable), {"responses": rates.T}

    return make


def file(content, name):
    def make(folder):
        (folder / name).write_bytes(content)
        return responses(folder / name), None

    return make


def pair(images=None, betas=None, rois=None):
    """images.npy, betas.npy and a table of regions."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 3, 16, 16), dtype=np.uint8) if images is None else images
    betas = rng.standard_normal((30, 3)) if betas is None else betas

    def make(folder):
        np.save(folder / "images.npy", images)
        np.save(folder / "betas.npy", betas)
        paths = [folder / "images.npy", folder / "betas.npy"]
        if rois:
            (folder / "rois.tsv").write_text("voxel\troi\n" + rois)
            paths.append(folder / "rois.tsv")
        return voxels(*paths), None

    return make


def init(maker):
    def make(folder):
        maker(folder)
        return tree(folder), None

    return make


WHOLE = np.round(PICTURES * 255)
GREY = PICTURES[:, :1]
BAD = PICTURES.copy()
BAD[4] = np.nan
ODD_TIER = np.array(["live", *TIER[1:]])
LEAK = PICTURES.copy()
LEAK[3] = LEAK[59]
CONSTANT = np.column_stack([RATES[:, 0], np.full(60, 2.5), RATES[:, 2]])
MISSING = np.random.default_rng(1).random((60, 3))
MISSING[[0, 4, 8], 1] = np.nan
IMAGE = {"kind": "image", "trials": 60, "units": UNITS, "stimulus": (3, 12, 14), "shared": 0}
ONE = IMAGE | {"stimulus": (1, 12, 14)}
MOVIE = np.random.default_rng(2).random((60, 9, 2, 12, 14)).astype(np.float32)
LONG = np.random.default_rng(7).random((60, 50, 16))
ROWS = [
    ("right", "npz, images (n, c, h, w)", npz(), IMAGE),
    ("right", "npz, bytes", npz(WHOLE.astype(np.uint8), WHOLE / 255), IMAGE),
    ("odd", "npz, colour last", npz(PICTURES.transpose(0, 2, 3, 1)), IMAGE),
    ("odd", "npz, no axis of colour", npz(GREY[:, 0], GREY), ONE),
    ("odd", "npz, floats to 255", npz(PICTURES * 255), IMAGE),
    ("odd", "npz, whole numbers to 255", npz(WHOLE.astype(np.int64), WHOLE / 255), IMAGE),
    ("odd", "npz, -1 to 1", npz(PICTURES * 2 - 1), IMAGE),
    (
        "odd",
        "npz, values of a z-score",
        npz(np.random.default_rng(0).normal(0, 2, GREY.shape), None),
        "expected the range 0 to 1",
    ),
    (
        "odd",
        "npz, nine channels",
        npz(np.random.default_rng(0).random((60, 9, 36, 64)), None),
        "can be 1 to 4 channels",
    ),
    ("odd", "npz, no tiers", npz(tier=None), IMAGE | {"tiers": ["test", "train", "validation"]}),
    (
        "odd",
        "npz, a test image in training",
        npz(LEAK, LEAK),
        IMAGE | {"tiers": ["test", "train", "unused", "validation"]},
    ),
    (
        "odd",
        "npz, a constant unit",
        npz(responses=CONSTANT),
        IMAGE | {"units": ["a", "c"], "excluded": ["b"]},
    ),
    ("right", "npz, movies", npz(MOVIE, MOVIE), {"kind": "movie", "stimulus": (9, 2, 12, 14)}),
    (
        "odd",
        "npz, movies with colour last",
        npz(MOVIE.transpose(0, 1, 3, 4, 2), MOVIE),
        {"kind": "movie", "stimulus": (9, 2, 12, 14)},
    ),
    (
        "right",
        "npz, clips with a rate",
        npz(LONG, LONG, fs=50.0),
        {"kind": "clips", "stimulus": (50, 16)},
    ),
    (
        "right",
        "npz, conditions without stimuli",
        npz(None, None, condition=np.tile(np.arange(4), 15), responses=MISSING, tier=None),
        {"kind": "discrete", "units": UNITS, "stimulus": None},
    ),
    ("broken", "npz, NaN in a stimulus", npz(BAD, None), "1 stimuli hold NaN or infinity"),
    ("broken", "npz, unknown tier", npz(tier=ODD_TIER, want=None), "unknown tier 'live'"),
    (
        "broken",
        "npz, a unit twice",
        npz(unit=["a", "a", "b"], want=None),
        "unit name 'a' is repeated",
    ),
    (
        "broken",
        "npz, other numbers of trials",
        npz(PICTURES[:50], None),
        "same first axis expected",
    ),
    ("broken", "npz without responses", npz(responses=None, want=None), "no array 'responses'"),
    (
        "broken",
        "npz, responses of one axis",
        npz(responses=RATES[:, 0], want=None),
        "expected (n_trials, n_units)",
    ),
    (
        "broken",
        "npz, nothing varies",
        npz(responses=np.ones((60, 3)), want=None),
        "all 3 units are excluded",
    ),
    (
        "broken",
        "npz, stimuli and conditions missing",
        npz(None, None),
        "no stimuli and no condition labels",
    ),
    ("broken", "npz, text", file(b"nothing", "x.npz"), "not a readable .npz"),
    ("right", "HDF5, images", hdf5(), IMAGE),
    ("right", "HDF5, bytes", hdf5(WHOLE.astype(np.uint8), WHOLE / 255), IMAGE),
    ("odd", "HDF5, colour last", hdf5(PICTURES.transpose(0, 2, 3, 1)), IMAGE),
    (
        "right",
        "HDF5, groups train and test (deep retina)",
        groups(True),
        {"trials": 40, "tiers": ["test", "train"]},
    ),
    ("odd", "HDF5, groups, time first", groups(False), {"trials": 40, "tiers": ["test", "train"]}),
    ("broken", "HDF5, text", file(b"nothing", "x.h5"), "not an HDF5 file"),
    ("right", "folder of arrays", flat(), IMAGE),
    ("odd", "folder of arrays, colour last", flat(stimuli=PICTURES.transpose(0, 2, 3, 1)), IMAGE),
    ("broken", "folder of arrays, responses missing", flat(responses=None), "no responses.npy"),
    (
        "broken",
        "folder of arrays, other numbers of trials",
        flat(stimuli=PICTURES[:50]),
        "responses.npy has 60 trials, stimuli.npy 50",
    ),
    (
        "right",
        "folder of trials (Sensorium)",
        trials(),
        {"kind": "image", "trials": 12, "units": UNITS, "stimulus": (1, 4, 5)},
    ),
    (
        "broken",
        "folder of trials, images missing",
        trials(9),
        "responses/ has 12 trials, images/ 9",
    ),
    (
        "right",
        "NWB, template, trials, rates",
        nwb(False),
        {"kind": "image", "trials": 12, "stimulus": (1, 4, 5)},
    ),
    (
        "right",
        "NWB, template, trials, spikes",
        nwb(True),
        {"kind": "image", "units": ["u0"], "excluded": ["u1"]},
    ),
    (
        "odd",
        "NWB, a template it lacks",
        nwb(True, variable="none"),
        "no stimuli and no condition labels",
    ),
    ("right", "bipolar cells, unpacked", bipolar(), {"kind": "temporal", "trials": 400}),
    ("odd", "bipolar cells, a stimulus that is absent", bipolar("uv"), "no file uv_flicker"),
    ("broken", "archive, cut off", file(b"nothing", "x.tar.gz"), "cut off or damaged"),
    ("broken", "unknown suffix", file(b"1", "x.csv"), "unknown kind"),
]


def competition(words, kind="images", withheld=0):
    """Sensorium's folder with the tiers of a competition, or its videos."""

    def make(folder):
        rng = np.random.default_rng(7)
        root = folder / "mouse"
        for k in range(12):
            shape = (1, 9, 16) if kind == "images" else (9, 16, 30)
            parts = {kind: rng.random(shape)}
            parts["responses"] = rng.random(5) * (k < 12 - withheld)
            for name, values in parts.items():
                (root / "data" / name).mkdir(parents=True, exist_ok=True)
                np.save(root / "data" / name / f"{k}.npy", values)
        (root / "meta" / "trials").mkdir(parents=True)
        np.save(root / "meta" / "trials" / "tiers.npy", np.array(words))
        return responses(root), None

    return make


EIGHT = ["train"] * 6 + ["validation"] * 2
ROWS += [
    (
        "right",
        "Sensorium, tiers of the competition",
        competition([*EIGHT, *["live_test_main"] * 2, *["final_test_bonus"] * 2]),
        {"tiers": ["test", "train", "validation"], "trials": 12, "shared": 0},
    ),
    (
        "odd",
        "Sensorium, answers of the test withheld",
        competition([*EIGHT, *["test"] * 2, *["final_test"] * 2], withheld=2),
        {"tiers": ["test", "train", "unused", "validation"], "trials": 12},
    ),
    (
        "odd",
        "Sensorium, tiers in other words",
        competition(["Training"] * 8 + ["val"] * 4),
        {"tiers": ["train", "validation"]},
    ),
    (
        "broken",
        "Sensorium, a tier nobody knows",
        competition([*EIGHT, *(["hold"] * 4)]),
        "unknown tier 'hold'",
    ),
    (
        "odd",
        "Sensorium 2023, videos",
        competition([*EIGHT, *(["oracle"] * 4)], "videos"),
        "videos with responses per frame",
    ),
]
PAIR = {"images": 30, "size": (3, 16, 16), "voxels": 3, "test": 3, "shared": 0}
BOTH = "v00000\tFFA\nv00000\tEBA\nv00001\tFFA\n"
VOXELS = [
    ("right", "images and betas .npy", pair(), PAIR | {"regions": ["all"] * 3}),
    (
        "right",
        "with a table of regions that overlap",
        pair(rois=BOTH),
        PAIR | {"regions": ["FFA|EBA", "FFA", "none"]},
    ),
    (
        "odd",
        "images with colour last",
        pair(np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)),
        PAIR,
    ),
    (
        "odd",
        "grey images without an axis of colour",
        pair(np.random.default_rng(0).random((30, 16, 16))),
        PAIR | {"size": (1, 16, 16)},
    ),
    (
        "odd",
        "edge of 28 pixels",
        pair(np.random.default_rng(0).random((30, 3, 28, 28))),
        PAIR | {"size": (3, 32, 32)},
    ),
    (
        "broken",
        "fewer betas than images",
        pair(betas=np.zeros((29, 3))),
        "29 rows, images.npy has 30 images",
    ),
    (
        "broken",
        "images of z-scores",
        pair(np.random.default_rng(0).normal(0, 2, (30, 3, 8, 8))),
        "expected the range 0 to 1",
    ),
    ("broken", "regions of other voxels", pair(rois="v9\tFFA\n"), "1 voxels are not among the 3"),
]
MDS, DIVE = {"kind": "none", "stages": ["mds"]}, {"kind": "none", "stages": ["braindive"]}
INIT = [
    ("right", "npz, images (n, c, h, w)", init(npz()), MDS),
    ("right", "HDF5, images", init(hdf5()), MDS),
    ("right", "HDF5, groups train and test (deep retina)", init(groups(True)), MDS),
    ("right", "folder of trials (Sensorium)", init(trials()), MDS),
    ("right", "folder of arrays", init(flat()), MDS),
    ("right", "NWB, template, trials, rates", init(nwb(False)), MDS),
    (
        "odd",
        "NWB, template, trials, spikes",
        init(nwb(True)),
        {"kind": "none", "stages": ["hmmglm", "mds"]},
    ),
    ("right", "bipolar cells, unpacked", init(bipolar()), MDS),
    ("broken", "npz, a unit twice", init(npz(unit=["a", "a", "b"])), "unit name 'a' is repeated"),
    ("right", "images and betas .npy", init(pair()), DIVE),
    ("right", "with a table of regions that overlap", init(pair(rois=BOTH)), DIVE),
    ("broken", "fewer betas than images", init(pair(betas=np.zeros((29, 3)))), "29 rows"),
]
CASES = [Case(GROUP, *row) for row in ROWS]
CASES += [Case("Images and voxels", *row) for row in VOXELS]
CASES += [Case("neuro init: stimuli, images, voxels", *row) for row in INIT]
