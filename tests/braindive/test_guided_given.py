"""Guides that others fitted, with and without measured responses; parts of regions."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from neuro.braindive import final, given, stage
from neuro.config.resolve import resolve
from neuro.io.problems import InputProblem
from neuro.simulate.scenes import write_scenes


@pytest.fixture(scope="module")
def world(tmp_path_factory, make_sd, make_encoder):
    """Scenes, a readout of Gabor energies with their voxels' names, a random generator."""
    top = tmp_path_factory.mktemp("given")
    write_scenes(top / "scenes.h5", 30, 12, 4, n_repeats=1, random_state=3)
    from neuro.braindive.dataset import read_data

    data = read_data(top / "scenes.h5")
    encoder = make_encoder(len(data.unit))
    encoder.unit_, encoder.roi_ = list(data.unit), list(data.roi)
    encoder.save(top / "fitted.safetensors")
    return SimpleNamespace(top=top, sd=str(make_sd(top / "sd")), data=data, encoder=encoder)


def settings(world, images="none", **changes):
    section = {
        "enabled": True,
        "images": images,
        "objectives": ["face"],
        "encoder": {
            "type": "readout",
            "weights": str(world.top / "fitted.safetensors"),
            "backbone": "gabor",
        },
        "independent": {"backbone": "pixels"},
        "judge": {"type": "none"},
        "generator": {"type": "sd", "path": world.sd},
        **{"n_seeds": 2, "seed_block": 2, "best_of": 2, "steps": 2, "min_voxels": 2},
        **{"min_r2": -1e9, "device": "cpu"},
    }
    config = {"data": {"kind": "none"}, "braindive": {**section, **changes}}
    assert resolve(config) == []
    return config["braindive"]


def run(world, folder, chosen, names=("face",)):
    """All rules after one another, as the workflow runs them."""
    seen = [str(world.top / "scenes.h5")] if chosen["images"] != "none" else []
    top = folder / "results/braindive/set"
    stage.make_generator([world.sd], top / "generator", chosen, 0, print)
    files = {}
    for role in ("encoder", "independent") if seen else ("encoder",):
        files[role] = SimpleNamespace(
            model=top / f"{role}.safetensors", card=top / f"{role}_card.tsv"
        )
        stage.encode(role, SimpleNamespace(data=seen, generator=[]), files[role], chosen, 0, print)
    guide = files["encoder"]
    params = SimpleNamespace(settings=chosen, names={name: name for name in names}, seed=0)
    blocks = []
    for name in names:
        out = top / name / "block-0.tsv"
        out.parent.mkdir(parents=True)
        inputs = SimpleNamespace(
            encoder=guide.model, card=guide.card, generator=top / "generator", table=[]
        )
        stage.sample(SimpleNamespace(objective=name, block="0"), inputs, out, params, print)
        blocks.append(str(out))
    other = files.get("independent")
    inputs = SimpleNamespace(
        blocks=blocks,
        data=seen,
        encoder=guide.model,
        card=guide.card,
        independent=[str(other.model)] if other else [],
        independent_card=[str(other.card)] if other else [],
        category=[],
        table=[],
    )
    names = ("scores.tsv", "summary.tsv", "natural.tsv", "panel.tsv", "exclusions.tsv")
    out = {name.partition(".")[0]: top.parent / name for name in (*names, "report.json")}
    final.judge(inputs, SimpleNamespace(own=top / "judged", **out), params, print)
    return top.parent


def test_without_data_there_are_images_and_no_verdict(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = run(world, tmp_path, settings(world))
    summary = pd.read_csv(folder / "summary.tsv", sep="\t").iloc[0]
    assert summary["verdict"] == "cannot tell" and summary["why"].startswith("no judge")
    assert np.isnan(summary["gain"]) and np.isfinite(summary["gain_A"])
    card = pd.read_csv(folder / "set/encoder_card.tsv", sep="\t")
    assert card["r2"].isna().all() and card["voxel"].tolist() == world.encoder.unit_
    rows = json.loads((folder / "report.json").read_text())
    assert len(rows) == 1 and "cannot tell" in rows[0]["name"]
    # the guide's word is the readout's own prediction of the stored pictures
    from neuro.braindive.seeds import read_png

    pictures = np.stack([read_png(folder / f"set/face/seed-{k}.png") for k in (0, 1)])
    own = [roi == "face" for roi in world.encoder.roi_]
    told = world.encoder.predict(pictures)[:, own].mean(axis=1)
    scores = pd.read_csv(folder / "scores.tsv", sep="\t")
    assert np.allclose(scores["A"], told, atol=1e-4)
    from neuro.report.pages.braindive import sections

    pages = sections(folder.parent, {"braindive": settings(world)}, None)
    assert [page.title for page in pages] == ["Preferred images", "Images for face"]
    from neuro.report.pages.verdicts import _braindive

    (claim,) = _braindive([], folder.parent)
    assert "no judge" in str(claim)


def test_with_data_the_fitted_guide_is_judged_as_any_other(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("face", "sub:face:1 - sub:face:2")
    chosen = settings(world, str(world.top / "scenes.h5"), objectives=list(names), min_voxels=1)
    folder = run(world, tmp_path, chosen, names)
    summary = pd.read_csv(folder / "summary.tsv", sep="\t")
    assert np.isfinite(summary["gain_B"]).all() and (summary["n_voxels"] == 4).all()
    card = pd.read_csv(folder / "set/encoder_card.tsv", sep="\t")
    test = world.data.test
    told = 1 - ((world.data.betas[test] - world.encoder.predict(world.data.images[test])) ** 2).sum(
        axis=0
    ) / ((world.data.betas[test] - world.data.betas[test].mean(axis=0)) ** 2).sum(axis=0)
    assert np.allclose(card["r2"], told, rtol=1e-4)


def test_voxels_without_responses_are_left_out_or_refused(world, tmp_path, make_encoder):
    encoder = make_encoder(3)
    encoder.unit_ = ["x", world.data.unit[4], world.data.unit[0]]
    encoder.save(tmp_path / "few.safetensors")
    own = {"type": "readout", "weights": str(tmp_path / "few.safetensors"), "backbone": "gabor"}
    chosen = settings(world, str(world.top / "scenes.h5"), encoder=own)
    out = SimpleNamespace(model=tmp_path / "e.safetensors", card=tmp_path / "card.tsv")
    said = []
    given.write_encoder(world.data, out, chosen, said.append)
    assert pd.read_csv(out.card, sep="\t")["voxel"].tolist() == encoder.unit_[1:]
    assert any("1 voxels have no measured responses" in line for line in said)
    nameless = make_encoder(len(world.data.unit))
    nameless.unit_ = [f"v{k:05d}" for k in range(len(world.data.unit))]
    nameless.save(tmp_path / "all.safetensors")
    other = {**chosen["encoder"], "weights": str(tmp_path / "all.safetensors")}
    given.write_encoder(world.data, out, {**chosen, "encoder": other}, said.append)
    table = pd.read_csv(out.card, sep="\t")
    assert table["voxel"].tolist() == world.data.unit and table["roi"].tolist() == world.data.roi
    assert any("in the order of the responses" in line for line in said)
    encoder.unit_ = ["x", "y", "z"]
    encoder.save(tmp_path / "few.safetensors")
    with pytest.raises(InputProblem, match="none of its 3 voxels"):
        given.write_encoder(world.data, out, chosen, print)


def test_parts_of_a_region_are_planted_directions(make_encoder):
    encoder = make_encoder(30)
    rng = np.random.default_rng(0)
    width = encoder.coef_.shape[1]
    axes = rng.normal(size=(2, width))
    own = np.r_[np.zeros(12, int), np.ones(8, int)]
    encoder.roi_ = ["OPA"] * 20 + ["EBA"] * 10
    # two directions, lengths from 1 to 5: only the direction counts
    scale = rng.uniform(1, 5, (20, 1))
    encoder.coef_[:20] = scale * (axes[own] + 0.05 * rng.normal(size=(20, width)))
    roi = given.with_parts("sub:OPA:1 - sub:OPA:2", encoder, 2)
    assert [entry.endswith("sub:OPA:1") for entry in roi[:20]] == (own == 0).tolist()
    assert [entry.endswith("sub:OPA:2") for entry in roi[:20]] == (own == 1).tolist()
    assert roi[20:] == ["EBA"] * 10
    plain = {"objectives": [], "min_cv_r": -1, "early_areas": False, "n_sub_regions": 2}
    made = stage.objective_of("sub:OPA:2 - 0.5*EBA", encoder, plain)
    assert made.own_units == [f"v{k}" for k in range(12, 30)]
    assert np.allclose(made.weights[0], [1 / 8] * 8 + [-0.05] * 10)
    with pytest.raises(InputProblem, match="no region 'RSC'"):
        given.with_parts("sub:RSC:1", encoder, 2)
    with pytest.raises(InputProblem, match="parts 1 to 2"):
        given.with_parts("sub:OPA:3", encoder, 2)
    encoder.roi_ = ["V1d"] * 30
    with pytest.raises(InputProblem, match="early visual areas only"):
        stage.objective_of("sub:V1d:1", encoder, plain)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"encoder": {"type": "readout"}}, "encoder.weights: missing"),
        ({"encoder": {"weights": "x"}}, "encoder.weights: given, but encoder.type is 'fit'"),
        ({"encoder": {"type": "module"}}, "encoder.module: missing"),
        ({"images": "none"}, "'none', but encoder.type is 'fit'"),
        ({"images": "none", "judge": {"type": "cnn"}}, "cnn learns from images"),
        ({"images": "none", "betas": "b.npy"}, "braindive.betas: given, but"),
        ({"images": "none", "objectives": ["prefers:6"]}, "'prefers:' needs images"),
        ({"encoder": {"type": "berg", "weights": "w"}}, "berg needs torchvision's"),
        ({"encoder": {"type": "checkpoint", "weights": "w"}}, "encoder.path: missing; the folder"),
        ({"encoder": {"type": "readout", "weights": "w"}, "min_cv_r": 0.1}, "min_cv_r: not known"),
    ],
)
def test_what_does_not_go_together_is_said(changes, words):
    config = {"data": {"kind": "none"}, "braindive": {"enabled": True, **changes}}
    assert any(words in line for line in resolve(config)), resolve(config)
