"""Every generator with every encoder and every judge: it runs, or `check` says why not."""

import itertools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from whole_clip import whole_clip

from neuro.braindive import final, seeds, stage
from neuro.braindive.verdict import court
from neuro.config import braindive as config
from neuro.config.resolve import resolve
from neuro.encoding import VoxelEncoder
from neuro.io.problems import InputProblem
from neuro.simulate.scenes import write_scenes

GENERATORS = ("tiny", "sd", "sd v", "sdxl", "sd3", "flux")
TOWERS = ("clip", "dinov2", "siglip", "convnext")
BACKBONES = (*TOWERS, "tiny", "tiny_cnn", "pixels", "gabor")
JUDGES = ("cnn", "file", "clip", "none")


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_sd, make_xl, make_tower, make_flow):
    """Scenes, folders of all kinds, and jobs that are run once each."""
    top = tmp_path_factory.mktemp("matrix")
    write_scenes(top / "scenes.h5", 30, 12, 2, n_repeats=1, random_state=3)
    paths = {kind: str(make_tower(kind, top / kind)) for kind in TOWERS}
    paths["sd"] = str(make_sd(top / "sd"))
    paths["sd v"] = str(make_sd(top / "sdv", "v_prediction"))
    paths["sdxl"] = str(make_xl(top / "xl"))
    paths["words"] = str(whole_clip(top / "words"))
    paths |= {kind: str(make_flow(top / kind, kind)) for kind in ("sd3", "flux")}
    return SimpleNamespace(top=top, paths=paths, done={})


def settings(world, generator="sd", encoder="pixels", independent="gabor", judge="none"):
    section = {
        "enabled": True,
        "images": str(world.top / "scenes.h5"),
        "objectives": ["face"],
        "encoder": {"backbone": encoder, "path": world.paths.get(encoder), "epochs": 1},
        "independent": {"backbone": independent, "path": world.paths.get(independent), "epochs": 1},
        "judge": {"type": judge, "epochs": 1},
        "generator": {
            "type": generator.partition(" ")[0],
            "path": world.paths.get(generator),
            "vae_channels": [8, 8, 16],
            "vae_steps": 2,
            "unet_channels": [16, 16],
            "unet_steps": 2,
        },
        "n_seeds": 2,
        "best_of": 2,
        "seed_block": 2,
        "steps": 3 if generator in ("sd3", "flux") else 2,
        "min_voxels": 2,
        "min_r2": -1e9,
        "device": "cpu",
    }
    if judge == "clip":
        section["judge"] |= {"path": world.paths["words"], "words": ["a face", "a place"]}
    if judge == "file":
        section["judge"]["path"] = str(world.top / "tiny-category.safetensors")
    return section


def resolved(section):
    config = {"data": {"kind": "none"}, "braindive": section}
    assert resolve(config) == []
    return config["braindive"]


def once(world, name, call):
    if name not in world.done:
        world.done[name] = call()
    return world.done[name]


def generator(world, kind):
    """Folder of the generator rule."""

    def call():
        out = world.top / f"generator-{kind}"
        own = world.paths.get(kind, world.top / "scenes.h5")
        stage.make_generator([str(own)], out, resolved(settings(world, kind)), 0, print)
        return out

    return once(world, f"generator {kind}", call)


def model(world, role, backbone, drawn="tiny"):
    """Files of the rule that fits a guide or a judge; `drawn` is the generator beside it."""

    def call():
        own = {} if role == "category" else {role: backbone}
        if role == "encoder" and backbone == "gabor":
            own["independent"] = "pixels"
        if role == "independent" and backbone == "pixels":
            own["encoder"] = "gabor"
        judge = "cnn" if role == "category" else "none"
        out = SimpleNamespace(
            model=world.top / f"{backbone}-{role}.safetensors",
            card=world.top / f"{backbone}-{role}.tsv",
        )
        needs = backbone.startswith("tiny") and drawn == "tiny"
        given = SimpleNamespace(
            data=str(world.top / "scenes.h5"),
            generator=[str(generator(world, "tiny"))] if needs else [],
        )
        stage.encode(
            role, given, out, resolved(settings(world, drawn, **own, judge=judge)), 0, print
        )
        return out

    return once(world, f"{role} {backbone} {drawn}", call)


def images(world, kind, backbone):
    """Table of the sampling rule."""

    def call():
        other = "pixels" if backbone == "gabor" else "gabor"
        fitted = model(world, "encoder", backbone, kind)
        out = world.top / f"{kind}-{backbone}" / "face" / "block-0.tsv"
        given = SimpleNamespace(
            encoder=fitted.model, card=fitted.card, generator=generator(world, kind), table=[]
        )
        chosen = resolved(settings(world, kind, backbone, other))
        out.parent.mkdir(parents=True)
        params = SimpleNamespace(settings=chosen, names={"face": "face"}, seed=0)
        stage.sample(SimpleNamespace(objective="face", block="0"), given, out, params, print)
        return out

    return once(world, f"images {kind} {backbone}", call)


# a flow is the same for every encoder: two of them stand for all
TRIED = [(kind, name) for kind in GENERATORS[:4] for name in BACKBONES]
TRIED += [(kind, name) for kind in GENERATORS[4:] for name in ("pixels", "clip")]


@pytest.mark.parametrize("kind, backbone", TRIED)
def test_every_generator_is_guided_by_every_encoder(world, kind, backbone):
    table = pd.read_csv(images(world, kind, backbone), sep="\t")
    assert table["finite"].all() and len(table) == 2
    assert (table["correction_ratio"] > 0).all()


def verdicts(world, guide, other, judge, monkeypatch, blocks=None, seed=0):
    """Run the judging rule."""
    fitted = {role: model(world, role, name, "sd") for role, name in (("encoder", guide),)}
    fitted["independent"] = model(world, "independent", other, "sd")
    category = [model(world, "category", "tiny", "sd").model] if judge in ("cnn", "file") else []
    out = world.top / f"judged-{guide}-{other}-{judge}"
    out.mkdir(exist_ok=True)
    monkeypatch.chdir(out)
    names = ("scores.tsv", "summary.tsv", "natural.tsv", "exclusions.tsv", "report.json")
    paths = {name.partition(".")[0]: out / name for name in (*names, "panel.tsv")}
    paths["own"] = out / "scenes/judged"
    given = SimpleNamespace(
        blocks=[str(path) for path in blocks or [images(world, "sd", guide)]],
        data=str(world.top / "scenes.h5"),
        encoder=fitted["encoder"].model,
        card=fitted["encoder"].card,
        independent=fitted["independent"].model,
        independent_card=fitted["independent"].card,
        category=[str(path) for path in category],
        table=[],
    )
    chosen = resolved(settings(world, "sd", guide, other, judge))
    folders = {path.parent.name for path in (blocks or [images(world, "sd", guide)])}
    params = SimpleNamespace(settings=chosen, names={name: name for name in folders}, seed=seed)
    final.judge(given, SimpleNamespace(**paths), params, print)
    return pd.read_csv(out / "summary.tsv", sep="\t", keep_default_na=False, na_values="n/a")


PAIRS = [(guide, BACKBONES[(k + 1) % len(BACKBONES)]) for k, guide in enumerate(BACKBONES)]


@pytest.mark.parametrize("judge", JUDGES)
def test_every_kind_of_category_judge_judges(world, judge, monkeypatch):
    found = verdicts(world, "pixels", "gabor", judge, monkeypatch)
    assert found["objective"].tolist() == ["face"]
    assert found["J"].notna().all() == (judge != "none")
    # with few test images, one that knows the training labels has no seat
    seats = pd.read_csv("panel.tsv", sep="\t")["judge"]
    assert seats.str.contains("category").any() == (judge == "file")


def test_encoders_are_fitted_by_the_seed(world, monkeypatch):
    given = {}

    def fit(self, *arguments, **more):
        given.update(self.get_params())
        raise KeyboardInterrupt

    monkeypatch.setattr(VoxelEncoder, "fit", fit)
    chosen = resolved(settings(world, "sd", "pixels", "gabor"))
    files = SimpleNamespace(data=str(world.top / "scenes.h5"), generator=[])
    with pytest.raises(KeyboardInterrupt):
        stage.encode("encoder", files, SimpleNamespace(), chosen, 11, print)
    assert given["random_state"] == 11 and given["backbone"] == "pixels"
    assert given["n_augment"] == chosen["encoder"]["n_augment"]


def test_judges_are_fitted_by_the_seed(world, monkeypatch):
    fit, given = court.fit_judges, []

    def noted(*arguments, random_state, **more):
        given.append(random_state)
        return fit(*arguments, random_state=random_state, **more)

    monkeypatch.setattr(court, "fit_judges", noted)
    verdicts(world, "pixels", "gabor", "none", monkeypatch, seed=7)
    assert given == [7]


@pytest.mark.parametrize("guide, other", PAIRS)
def test_every_backbone_guides_and_judges(world, guide, other, monkeypatch):
    found = verdicts(world, guide, other, "none", monkeypatch)
    assert np.isfinite(found[["gain_A", "gain_B"]].to_numpy(float)).all()
    assert set(found["verdict"]) <= {"supported", "refuted", "cannot tell"}


def test_a_refused_region_is_a_row_and_all_refused_is_one_line(world, monkeypatch):
    good = images(world, "sd", "pixels")
    other = world.top / "refused" / "body" / "block-0.tsv"
    other.parent.mkdir(parents=True)
    seeds.write_refusal(other, "body", "objective 'body': 2 voxels, at least 20 expected")
    found = verdicts(world, "pixels", "gabor", "none", monkeypatch, [good, other])
    assert found["objective"].tolist() == ["face", "body"]
    assert found["refused"].fillna("").tolist() == [
        "",
        "objective 'body': 2 voxels, at least 20 expected",
    ]
    out = pd.read_csv("exclusions.tsv", sep="\t", keep_default_na=False)
    assert out["reason"].str.contains("2 voxels, at least 20").sum() == 1
    with pytest.raises(InputProblem, match="no images were made: objective 'body': 2 voxels"):
        verdicts(world, "pixels", "gabor", "none", monkeypatch, [other])


def test_data_sets_stand_beside_each_other(world, monkeypatch):
    found = verdicts(world, "pixels", "gabor", "none", monkeypatch)
    shutil.copytree("scenes/judged", "second/judged")
    found = verdicts(world, "pixels", "gabor", "none", monkeypatch)
    assert found["dataset"].tolist() == ["scenes", "second"]
    scores = pd.read_csv("scores.tsv", sep="\t")
    assert scores.groupby("dataset").size().to_dict() == {"scenes": 2, "second": 2}
    names = [row["name"] for row in json.loads(Path("report.json").read_text())]
    assert len(set(names)) == len(names) and any(name.startswith("second: ") for name in names)
    shutil.rmtree("second")


def test_every_combination_is_accepted_or_refused_in_one_line(world):
    model(world, "category", "tiny", "sd")
    for kind, guide, other, judge in itertools.product(GENERATORS, BACKBONES, BACKBONES, JUDGES):
        section = {
            "enabled": True,
            "objectives": ["face"],
            "encoder": {**FIT, "backbone": guide, "path": world.paths.get(guide)},
            "independent": {"backbone": other, "path": world.paths.get(other)},
            "judge": {"type": judge, "path": "x" if judge in ("file", "clip") else None}
            | {"words": ["a", "b"]},
            "generator": {
                "type": kind.partition(" ")[0],
                "path": world.paths.get(kind),
                "images": None,
            },
        }
        found = config.problems({"braindive": {**BASE, **section}})
        assert len(found) == (guide == other), (kind, guide, other, judge, found)
        assert all("same backbone" in line for line in found)


FIT = {"type": "fit", **dict.fromkeys(("weights", "module", "predictions"))}
FIT |= {"readout": "ridge", "n_augment": 1}
BASE = {
    **dict.fromkeys(("betas", "rois", "objective_table", "content_filter_path")),
    **dict.fromkeys(("guide_decoder_path", "test_images")),
    "images": "planted",
    "guide_decoder": "exact",
    "panel": ["category", "pixels", "gabor"],
    "compile": False,
    "sag_scale": 0,
    "guide_interval": [0, 1],
    "min_cv_r": -1,
    "strength": "ratio",
    "scheduler": "ddim",
    "recurrence": 1,
    "edit": {"image": None},
}


def test_check_names_what_does_not_fit(world, tmp_path, make_sd):
    from neuro.command.check.voxels import recordings

    def told(**changes):
        section = settings(world)
        for key, value in changes.items():
            if isinstance(value, dict):
                section[key] = {**section[key], **value}
            else:
                section[key] = value
        return recordings(resolved(section))[1]

    assert told() == []
    paths = world.paths
    (line,) = told(generator={"type": "sdxl"})
    assert "this is not SDXL; set braindive.generator.type to sd" in line
    (line,) = told(generator={"path": paths["sdxl"]})
    assert "this is SDXL; set braindive.generator.type to sdxl" in line
    (line,) = told(encoder={"backbone": "clip", "path": paths["dinov2"]})
    assert line.startswith("braindive.encoder.path") and "model_type 'dinov2'" in line
    folder = make_sd(tmp_path / "inpainting")
    unet = folder / "unet/config.json"
    unet.write_text(json.dumps({**json.loads(unet.read_text()), "in_channels": 9}))
    (line,) = told(generator={"path": str(folder)})
    assert "inpainting and depth models cannot be guided" in line
    (tmp_path / "hub/snapshots/abc").mkdir(parents=True)
    (line,) = told(generator={"path": str(tmp_path / "hub")})
    assert "snapshots/abc" in line
    (tmp_path / "model.safetensors").write_bytes(b"")
    (line,) = told(generator={"path": str(tmp_path / "model.safetensors")})
    assert "from_single_file" in line
    np.save(tmp_path / "images.npy", np.random.default_rng(0).random((20, 3, 136, 136)))
    np.save(tmp_path / "betas.npy", np.random.default_rng(1).normal(size=(20, 2)))
    large = {"images": str(tmp_path / "images.npy"), "betas": str(tmp_path / "betas.npy")}
    assert told(**large, objectives=["all"]) == []
    found = told(**large, objectives=["all"], generator={"type": "tiny", "path": None})
    assert len(found) == 1 and "squares of 16 to 128 px" in found[0]
    found = told(**large, objectives=["all"], judge={"type": "cnn"})
    assert len(found) == 1 and "cnn needs condition labels" in found[0]


@pytest.mark.parametrize("kind", ["tiny", "tiny_cnn", "judge"])
def test_small_networks_see_large_images_smaller(kind):
    from neuro.encoding import tiny

    rng = np.random.default_rng(0)
    pictures = rng.random((8, 3, 136, 136)).astype(np.float32)
    recipe = tiny.Recipe(epochs=1, batch=4)
    backbone, _ = tiny.train(kind, pictures, labels=np.arange(8) % 2, recipe=recipe)
    assert backbone.size == tiny.REDUCED
    import torch

    own = backbone.features(torch.as_tensor(pictures))
    less = backbone.features(torch.as_tensor(tiny.reduced(pictures, tiny.REDUCED)))
    assert torch.allclose(own, less, atol=1e-5), "trained on what it sees later"
