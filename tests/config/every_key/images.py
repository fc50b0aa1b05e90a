"""Settings of mds and braindive."""

from __future__ import annotations

import shutil

from common import ROOT

from every_key.entry import Key

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
    np.save(folder / "bipolar/bc_cluster_locations.npy", np.array(["a"] * 8))
    for light, part in (("green", slice(None)), ("uv", slice(None, None, -1))):
        np.save(folder / f"bipolar/{light}_flicker_64Hz.npy", np.hstack([stimuli, stimuli]))
        np.save(folder / f"bipolar/{light}_avrg_resp_64Hz_norm.npy", responses[part].T)
        np.save(folder / f"bipolar/types_{light}_center.npy", np.ones(8))


def new_cells(folder):
    """Another recording of three cells."""
    import numpy as np

    np.savez(folder / "other.npz", responses=np.array([[0.5, 2.0, 1.0], [3.0, 0.2, 1.0]]))


def types(folder):
    (folder / "types.tsv").write_text("unit\tknown_type\nu1\tOFF\nu2\tON\n")


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
    "mds.twin.min_test_corr": twin(0.9),
    "mds.twin.n_lags": twin(5),
    "mds.twin.backbone": pictures("pixels", **{"mds.twin.type": "encoder"}),
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


def sample(value, prepare=None, **under):
    return Key("braindive_sample", value, under, prepare=prepare)


def generator(value):
    return Key("braindive_generator", value)


JUDGED = "results/braindive/scenes/category_card.tsv"
ENCODER = "results/braindive/scenes/encoder_card.tsv"
INDEPENDENT = "results/braindive/scenes/independent_card.tsv"
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
    for name in ("rois", "other"):
        (folder / f"{name}.tsv").write_text("voxel\troi\nv1\tface\nv2\tface\n")


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
        refused="early visual areas only",
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
    "braindive.judge.epochs": trained(4, JUDGED, **{"braindive.judge.type": "cnn"}),
    "braindive.generator.type": Key(
        "braindive_generator", "sd", refused="missing; give the folder"
    ),
    "braindive.generator.path": Key("braindive_generator", "model", prepare=model),
    "braindive.generator.images": Key("braindive_generator", "im.npy", prepare=own_images),
    "braindive.generator.vae_channels": generator([8, 8, 16]),
    "braindive.generator.vae_steps": generator(4),
    "braindive.generator.unet_channels": generator([16, 32]),
    "braindive.generator.unet_steps": generator(4),
    "braindive.n_seeds": Key("braindive_judge", 3, plan=True),
    "braindive.seed_block": Key("braindive_judge", 1, plan=True),
    "braindive.batch_size": Key("braindive_sample", 1, given=True),
    "braindive.steps": sample(3),
    "braindive.scheduler": sample("ddim"),
    "braindive.strength": sample("gamma"),
    "braindive.value": sample(0.5),
    "braindive.guidance_target": sample("x0"),
    "braindive.unet_backprop": sample(False),
    "braindive.sag_scale": sample(1.0),
    "braindive.guide_interval": sample([0.5, 1]),
    "braindive.min_voxels": Key("braindive_sample", 2000, refused="at least 2000"),
    "braindive.min_r2": Key("braindive_sample", 0.99, refused="median R2"),
    "braindive.min_cv_r": Key("braindive_sample", 0.0, refused="1 voxels"),
    "braindive.device": Key("braindive_sample", "cuda", plan=True),
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
