"""Settings of mds and braindive."""

from __future__ import annotations

import shutil

from common import ROOT

from every_key.entry import UNSET, Key

UNIT = ROOT / "tests/unit"


def flicker(name="input/flicker.npz", **changes):
    """The recording with other arrays; None removes one."""

    def prepare(folder):
        import numpy as np

        with np.load(folder / "input/flicker.npz") as arrays:
            found = {key: arrays[key] for key in arrays.files} | changes
        np.savez(folder / name, **{key: item for key, item in found.items() if item is not None})

    return prepare


def two_colours(folder):
    """The two flickers of the archive of bipolar cells."""
    import numpy as np

    with np.load(folder / "input/flicker.npz") as arrays:
        stimuli, responses = arrays["stimuli"], arrays["responses"]
    (folder / "bipolar").mkdir()
    np.save(folder / "bipolar/bc_cluster_locations.npy", np.array(["a"] * responses.shape[1]))
    for light, part in (("green", slice(None)), ("uv", slice(None, None, -1))):
        np.save(folder / f"bipolar/{light}_flicker_64Hz.npy", np.hstack([stimuli, stimuli]))
        np.save(folder / f"bipolar/{light}_avrg_resp_64Hz_norm.npy", responses[part].T)
        np.save(folder / f"bipolar/types_{light}_center.npy", np.ones(responses.shape[1]))


def new_cells(folder):
    """Another recording of three cells."""
    import numpy as np

    np.savez(folder / "other.npz", responses=np.array([[0.5, 2.0, 1.0], [3.0, 0.2, 1.0]]))


def types(folder):
    (folder / "types.tsv").write_text("unit\tknown_type\nu01\tOFF\nu02\tON\n")


def twin(value, **under):
    return Key("mds_twin", value, under)


PICTURES = {"mds.input": ["planted"], "mds.new_recording": None, "mds.twin.min_test_corr": -1}


def pictures(value, **under):
    """A key of twins that see images."""
    return Key(
        "mds_twin",
        value,
        {**PICTURES, "mds.twin.epochs": 1, **under},
        prepare=planted_cells,
        target="results/mds/planted/twin.pt",
    )


def planted_cells(folder):
    """Six planted cells that see a hundred images."""
    from neuro.io.responses.writer import write_stimulus_response
    from neuro.simulate import ln8

    data, _ = ln8.ln8_twin_data(3, 100, n_test=20, random_state=0, n_types=2)
    (folder / "results/simulated/mds").mkdir(parents=True)
    write_stimulus_response(folder / "results/simulated/mds/planted.h5", **data)


def energy_twin(folder):
    """The twin of those cells, on which types are sought."""
    import numpy as np

    from neuro.mds import EnergyTwin
    from neuro.mds.stimuli.space import write_twin
    from neuro.simulate import ln8

    data, _ = ln8.ln8_twin_data(3, 100, n_test=20, random_state=0, n_types=2)
    twin = EnergyTwin().fit(data["stimuli"], data["responses"], data["tier"])
    n = data["responses"].shape[1]
    table = {"unit": [f"u{k}" for k in range(n)], "source": list(range(n))}
    table |= {"held_out": [False] * n, "known_type": [""] * n, "session": [""] * n}
    path = folder / "results/mds/planted/twin.pt"
    path.parent.mkdir(parents=True)
    write_twin(path, twin, table, np.asarray(data["stimuli"][:60]), [])


def images(value):
    """A key of the search for stimuli that are images."""
    return Key(
        "mds_cluster",
        value,
        PICTURES,
        prepare=energy_twin,
        target="results/mds/planted/runs/part_0.npz",
    )


ONE_TYPE = {"mds.n_clusters_init": 1}


def many_cells(folder):
    """A twin of 28 cells, made from the stored one's seven."""
    import tempfile
    from pathlib import Path

    import jobs_alone

    stored = jobs_alone.case_settings("mds_twin")
    settings = jobs_alone.merged(stored, {"mds.made_cells.per_unit": 4})
    with tempfile.TemporaryDirectory() as top:
        other = Path(top)
        jobs_alone.fill("mds_twin", other)
        (job,) = jobs_alone.plan(other, settings, jobs_alone.stored_targets("mds_twin"), "mds_twin")
        jobs_alone.run(job, other)
        shutil.copy(other / "results/mds/flicker/twin.pt", folder / "results/mds/flicker/twin.pt")


def cluster(value, **under):
    return Key("mds_cluster", value, under)


def planted(value):
    return Key("mds_simulate", value)


MDS = {
    "mds.enabled": Key(
        "all",
        False,
        {"data.kind": "none", "mds.input": ["planted"]},
        base=True,
        plan=True,
        target="all",
    ),
    "mds.preset": cluster("paper"),
    "mds.input": Key(
        "mds_select", ["input/flicker.npz", "planted"], plan=True, target="results/mds/report.json"
    ),
    "mds.variable": Key(
        "mds_twin",
        "uv",
        {"mds.input": ["bipolar"]},
        prepare=two_colours,
        target="results/mds/bipolar/twin.pt",
    ),
    "mds.stimulus_space": cluster("shown"),
    "mds.frame_rate_hz": Key("mds_twin", 25.0, prepare=flicker(fs=None)),
    "mds.known_types": Key("mds_twin", "types.tsv", prepare=types),
    "mds.new_recording": Key("mds_assign", "other.npz", prepare=new_cells),
    "mds.twin.type": Key("mds_twin", "conv", refused="mds.twin.type is 'conv'"),
    "mds.twin.epochs": pictures(2),
    "mds.twin.path": Key("mds_twin", "input/new.npz", refused="mds.twin.type is not 'checkpoint'"),
    "mds.twin.module": Key("mds_twin", "my.py:load", refused="mds.twin.type is not 'module'"),
    "mds.twin.kwargs": Key("mds_twin", {"seed": 1}, refused="mds.twin.type is not 'module'"),
    "mds.twin.predictions": Key(
        "mds_twin", "input/new.npz", refused="mds.twin.type is not 'checkpoint' or 'module'"
    ),
    "mds.twin.min_test_corr": twin(0.9),
    "mds.twin.n_lags": twin(5),
    "mds.twin.backbone": pictures("pixels", **{"mds.twin.type": "encoder"}),
    "mds.rotations": images(3),
    "mds.shift": images(1),
    "mds.n_clusters_init": cluster(3),
    "mds.temperature": cluster(0.5),
    "mds.norm": cluster(0.5),
    "mds.clip": cluster([0.2, 0.8]),
    "mds.n_restarts": cluster(3),
    "mds.restarts_per_job": cluster(1),
    "mds.k_ladder": Key("mds_select", [3]),
    "mds.eta": cluster(1.0, **ONE_TYPE),
    "mds.min_size": cluster(4, **ONE_TYPE),
    "mds.subsample": Key("mds_cluster", 1.0, ONE_TYPE, prepare=many_cells),
    "mds.held_out_fraction": twin(0.5, **{"mds.made_cells.per_unit": 3}),
    "mds.made_cells.per_unit": twin(1),
    "mds.made_cells.filter_noise": twin(0.5, **{"mds.made_cells.per_unit": 1}),
    "mds.planted.n_per_type": planted(4),
    "mds.planted.n_types": planted(3),
    "mds.planted.n_images": planted(101),
    "mds.planted.n_new": Key("mds_present", 3),
    "mds.planted.n_repeats": Key("mds_present", 3),
    "mds.device": Key("mds_twin", "cuda", plan=True),
}


def encode(value, **under):
    return Key("braindive_encode", value, under)


def sample(value, prepare=None, base=UNSET, **under):
    return Key("braindive_sample", value, under, base, prepare=prepare)


def generator(value):
    return Key("braindive_generator", value)


JUDGED = "results/braindive/scenes/category_card.tsv"
ENCODER = "results/braindive/scenes/encoder_card.tsv"
INDEPENDENT = "results/braindive/scenes/independent_card.tsv"
REPORT = "results/braindive/report.json"
FILES = {
    "braindive.images": "im.npy",
    "braindive.betas": "a.npy",
    "braindive.rois": "rois.tsv",
}


def own_images(folder):
    """Eight of the scenes as a user's own, with responses and tables of regions."""
    import h5py
    import numpy as np

    with h5py.File(folder / "results/simulated/scenes.h5") as file:
        images = file["stimuli"][:8]
    np.save(folder / "im.npy", images[::-1])
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", np.zeros((8, 2), np.float32))
    np.savez(folder / "own.npz", stimuli=images, responses=np.zeros((8, 2)))
    (folder / "test.txt").write_text("1\n2\n")
    for name in ("rois", "other"):
        (folder / f"{name}.tsv").write_text("voxel\troi\nv1\tface\nv2\tface\n")


def readouts(folder):
    """Two readouts of pixels for the voxels of the scenes, and a module with its predictions."""
    import json

    import h5py
    import numpy as np
    import torch
    from safetensors.torch import save_file

    with h5py.File(folder / "results/simulated/scenes.h5") as file:
        unit = [name.decode() for name in file["unit"][()]]
        images = file["stimuli"][:6].astype(np.float32)
    images = images / (255 if images.max() > 1 else 1)
    from neuro.encoding.backbones import make

    pixels = make("pixels", images.shape)
    width = pixels.features(torch.as_tensor(images)).shape[1]
    header = {"backbone": "pixels", "size": str(images.shape[-1]), "unit": json.dumps(unit)}
    for k, name in enumerate("ab"):
        weight = torch.randn(len(unit), width, generator=torch.Generator().manual_seed(k))
        save_file({"weight": weight}, folder / f"{name}.safetensors", header)
    (folder / "b.py").write_text(
        "import torch\n\n\nclass Mean(torch.nn.Module):\n    def __init__(self, more):\n"
        "        super().__init__()\n        self.more = more\n\n    def forward(self, x):\n"
        f"        return self.more + x.mean(dim=(1, 2, 3))[:, None].expand(-1, {len(unit)})\n\n\n"
        "def same():\n    return Mean(0)\n\n\ndef load():\n    return Mean(1)\n"
    )
    told = np.repeat(images.mean(axis=(1, 2, 3))[:, None], len(unit), axis=1)
    np.savez(folder / "b.npz", images=images, predictions=told)


def scene(folder):
    """A picture to be changed."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "scene.png")


def large(folder):
    """The scenes at 96 pixels and more, which the backbones make smaller."""
    import h5py
    import numpy as np

    with h5py.File(folder / "results/simulated/scenes.h5", "r+") as file:
        images = file["stimuli"][()]
        more = -(-96 // images.shape[-1])
        del file["stimuli"]
        file["stimuli"] = np.kron(images, np.ones((more, more), images.dtype))


def model(folder):
    """A small generator that was trained before."""
    stored = UNIT / "braindive_sample/data/results/braindive/scenes/generator"
    shutil.copytree(stored, folder / "model")


def early(folder):
    """The encoder's region is an early visual area."""
    from neuro.encoding import VoxelEncoder

    path = folder / "results/braindive/scenes/encoder.safetensors"
    encoder = VoxelEncoder.load(path)
    encoder.roi_ = ["V1" for _ in encoder.roi_]
    encoder.save(path, role="encoder")


def made(value, prepare, **under):
    """A key that decides what the encoders are fitted on."""
    target = "results/braindive/report.json"
    return Key("braindive_encode", value, under, plan=True, prepare=prepare, target=target)


def needed(words, **under):
    """A path that another key needs."""
    target = "results/braindive/report.json"
    return Key(
        "braindive_encode", None, under, base="results", plan=True, refused=words, target=target
    )


def trained(value, target, **under):
    """A key of a small network, trained after the generator."""
    return Key("braindive_generator", value, under, base=1, then=("braindive_encode", target))


BRAINDIVE = {
    "braindive.enabled": Key(
        "all", True, {"data.kind": "none"}, base=False, plan=True, target="all"
    ),
    "braindive.preset": sample("paper"),
    "braindive.images": made("own.npz", own_images),
    "braindive.betas": made("b.npy", own_images, **FILES),
    "braindive.rois": made("other.tsv", own_images, **FILES),
    "braindive.test_images": made("test.txt", own_images, **FILES),
    "braindive.objectives": Key("braindive_judge", ["face", "place"], plan=True),
    "braindive.objective_table": made("rois.tsv", own_images),
    "braindive.n_prefer": Key(
        "braindive_sample",
        1,
        {"braindive.objectives": ["prefers:face"], "braindive.min_voxels": 1},
        base=3,
        target="results/braindive/scenes/prefers-face/block-0.tsv",
    ),
    "braindive.early_areas": Key(
        "braindive_sample",
        False,
        {"braindive.objectives": ["V1"]},
        base=True,
        prepare=early,
        target="results/braindive/scenes/V1/block-0.tsv",
    ),
    "braindive.encoder.type": Key(
        "braindive_encode",
        "readout",
        {"braindive.encoder.backbone": "pixels"},
        plan=True,
        target=REPORT,
        refused="encoder.weights: missing",
    ),
    "braindive.encoder.weights": Key(
        "braindive_encode",
        "b.safetensors",
        {"braindive.encoder.type": "readout", "braindive.encoder.backbone": "pixels"},
        base="a.safetensors",
        prepare=readouts,
        target=ENCODER,
    ),
    "braindive.encoder.module": Key(
        "braindive_encode",
        "b.py:load",
        {"braindive.encoder.type": "module", "braindive.encoder.predictions": "b.npz"},
        base="b.py:same",
        prepare=readouts,
        target=ENCODER,
        refused="differs from the stored predictions",
    ),
    "braindive.encoder.predictions": Key(
        "braindive_encode",
        "none.npz",
        {"braindive.encoder.type": "module", "braindive.encoder.module": "b.py:same"},
        base="b.npz",
        prepare=readouts,
        target=ENCODER,
        refused="no such file: none.npz",
    ),
    "braindive.encoder.backbone": Key(
        "braindive_encode", "gabor", {"braindive.independent.backbone": "tiny_cnn"}, target=ENCODER
    ),
    "braindive.encoder.path": needed(
        "missing; clip reads a local folder", **{"braindive.encoder.backbone": "clip"}
    ),
    "braindive.encoder.readout": encode("adamw_reference"),
    "braindive.encoder.n_augment": encode(2),
    "braindive.encoder.antialias": Key("braindive_encode", False, prepare=large, target=ENCODER),
    "braindive.encoder.epochs": trained(4, ENCODER, **{"braindive.encoder.backbone": "tiny"}),
    "braindive.independent.backbone": Key(
        "braindive_encode", "pixels", {"braindive.encoder.backbone": "tiny"}, target=INDEPENDENT
    ),
    "braindive.independent.path": needed(
        "missing; clip reads a local folder", **{"braindive.independent.backbone": "clip"}
    ),
    "braindive.independent.epochs": trained(
        4, INDEPENDENT, **{"braindive.independent.backbone": "tiny_cnn"}
    ),
    "braindive.judge.type": Key("braindive_judge", "cnn", plan=True),
    "braindive.judge.path": needed("missing; judge.type is", **{"braindive.judge.type": "file"}),
    "braindive.judge.words": Key(
        "braindive_judge",
        ["one", "one"],
        {"braindive.judge.type": "clip", "braindive.judge.path": "results"},
        plan=True,
        refused="two words or more",
    ),
    "braindive.judge.epochs": trained(4, JUDGED, **{"braindive.judge.type": "cnn"}),
    "braindive.generator.type": Key(
        "braindive_generator", "sd", refused="missing; give the folder"
    ),
    "braindive.generator.path": Key("braindive_generator", "model", prepare=model),
    "braindive.generator.size": Key(
        "braindive_sample",
        64,
        {"braindive.generator.type": "sd", "braindive.generator.path": "results"},
        plan=False,
        given=True,
    ),
    "braindive.generator.images": Key("braindive_generator", "im.npy", prepare=own_images),
    "braindive.generator.vae_channels": generator([8, 8, 16]),
    "braindive.generator.vae_steps": generator(4),
    "braindive.generator.unet_channels": generator([16, 32]),
    "braindive.generator.unet_steps": generator(4),
    "braindive.n_seeds": Key("braindive_judge", 3, plan=True),
    "braindive.seed_block": Key("braindive_judge", 1, plan=True),
    "braindive.best_of": sample(1),
    "braindive.panel": Key("braindive_judge", ["sharp"], plan=True, refused="got 'sharp'"),
    "braindive.batch_size": Key("braindive_sample", 1, given=True),
    "braindive.steps": sample(3),
    "braindive.scheduler": sample("ddim"),
    "braindive.strength": sample("gamma"),
    "braindive.value": sample(0.5),
    "braindive.polyak_target": sample(3.0, **{"braindive.strength": "polyak"}, base=50.0),
    "braindive.recurrence": sample(2, **{"braindive.scheduler": "ddim"}),
    "braindive.guide_augment": sample(2),
    "braindive.edit.image": sample("scene.png", prepare=scene),
    "braindive.edit.strength": sample(0.5, prepare=scene, **{"braindive.edit.image": "scene.png"}),
    "braindive.n_sub_regions": Key(
        "braindive_sample",
        3,
        {"braindive.objectives": ["sub:face:1"], "braindive.min_voxels": 1},
        target="results/braindive/scenes/sub-face-1/block-0.tsv",
    ),
    "braindive.guidance_target": sample("x0"),
    "braindive.unet_backprop": sample(False),
    "braindive.sag_scale": sample(1.0),
    "braindive.guide_interval": sample([0.5, 1]),
    "braindive.min_voxels": sample(2000),
    "braindive.min_r2": sample(0.99),
    "braindive.min_cv_r": sample(0.99),
    "braindive.device": Key("braindive_sample", "cuda", plan=True),
    "braindive.encode_device": Key(
        "braindive_encode",
        "cuda",
        {"braindive.encoder.backbone": "clip", "braindive.encoder.path": "results"},
        plan=True,
        target=ENCODER,
    ),
    "braindive.dtype": sample("bfloat16"),
    "braindive.compile": Key(
        "braindive_sample", True, {"braindive.sag_scale": 0.75}, refused="not with sag_scale"
    ),
    "braindive.guide_decoder": Key("braindive_sample", "pooled", refused="cosine"),
    "braindive.guide_decoder_path": needed(
        "missing; guide_decoder is", **{"braindive.guide_decoder": "small"}
    ),
    "braindive.content_filter": Key(
        "braindive_sample",
        "report",
        {"braindive.content_filter_path": "results"},
        base="off",
        refused="results",
    ),
    "braindive.content_filter_path": Key("braindive_sample", "results", refused="results"),
    "braindive.dry": Key("braindive_generator", True, refused="GiB"),
}
KEYS = MDS | BRAINDIVE
