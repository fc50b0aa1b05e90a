"""Objectives, judging, resuming, refusals: what would be wrong if the code were wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from neuro.braindive import BrainGuidedSampler, Objective, judge_images
from neuro.braindive.contrasts import parse
from neuro.braindive.judging import preferred_category, sub_regions
from neuro.braindive.objectives import check_quality
from neuro.braindive.seeds import image_path, is_done, make_block, read_png, write_png
from neuro.io.problems import InputProblem

UNIT = [f"v{k}" for k in range(6)]
ROI = ["FFA", "FFA", "EBA", "EBA", "V1", "V1"]


def test_region_mean_contrast_and_single_voxel():
    guess = np.arange(12.0).reshape(2, 6)
    assert np.allclose(Objective.from_rois({"FFA": 1}, UNIT, ROI).value(guess, UNIT), [0.5, 6.5])
    contrast = Objective.from_rois({"FFA": 1, "EBA": -0.5}, UNIT, ROI)
    assert np.allclose(contrast.value(guess, UNIT), [0.5 - 1.25, 6.5 - 4.25])
    assert np.allclose(Objective.from_rois({"v3": 1}, UNIT, ROI).value(guess, UNIT), [3, 9])
    joined = Objective.from_rois({"FFA+EBA": 1}, UNIT, ROI)
    assert np.allclose(joined.value(guess, UNIT), [1.5, 7.5])
    legacy = Objective.from_rois({"FFA": 1}, ["v0", "", *UNIT[2:]], ROI, legacy_mask=True)
    assert np.allclose(legacy.weights, 0.5), "all voxels of the mask divide, valid or not"


def test_overlapping_regions_are_masks_and_their_weights_are_exact():
    """Against boolean masks: `sum_r w_r m_r / |m_r|`, and no voxel is lost to the last row."""
    roi = ["FFA|EBA", "FFA", "EBA", "EBA|PPA", "PPA", "none", "FFA|EBA|PPA"]
    unit = [f"v{k}" for k in range(7)]
    masks = {
        name: np.array([name in entry.split("|") for entry in roi])
        for name in ("FFA", "EBA", "PPA")
    }

    def weights(text):
        return Objective.from_rois(parse(text), unit, roi).matrix(unit)[0]

    def mean(mask):
        return mask / mask.sum()

    FFA, EBA, PPA = masks.values()
    assert np.allclose(weights("FFA"), mean(FFA))
    assert np.allclose(weights("FFA+EBA"), mean(FFA | EBA)), "union"
    assert np.allclose(weights("FFA&EBA"), mean(FFA & EBA)), "intersection"
    assert np.allclose(weights("FFA&EBA&PPA"), mean(FFA & EBA & PPA))
    assert np.allclose(weights("FFA - EBA"), mean(FFA) - mean(EBA))
    others = mean(FFA) - (mean(EBA) + mean(PPA)) / 2
    assert np.allclose(weights("over:FFA"), others), "preferred over other regions"
    assert np.allclose(weights("over:FFA+EBA"), mean(FFA | EBA) - mean(PPA))
    with pytest.raises(InputProblem, match="no voxel lies in all of these regions"):
        Objective.from_rois(parse("V1&FFA"), ["a", "b"], ["V1", "FFA"])
    with pytest.raises(InputProblem, match="there is no other region"):
        Objective.from_rois(parse("over:FFA"), ["a", "b"], ["FFA", "none"])
    early = ["V1", "V1", "FFA"]
    assert Objective.from_rois(parse("over:FFA"), unit[:3], early).name
    with pytest.raises(InputProblem, match="early visual areas only"):
        Objective.from_rois(parse("over:V1"), unit[:3], early)


def test_words_become_contrasts():
    assert parse("face") == {"face": 1.0}
    assert parse("face - body") == {"face": 1.0, "body": -1.0}
    assert parse("face-0.4*body") == {"face": 1.0, "body": -0.4}
    assert parse("FFA-1+FFA-2") == {"FFA-1+FFA-2": 1.0}


def table(kind, weights=(0.5, 0.5, 1.0)):
    return pd.DataFrame(
        {
            "objective": ["c1", "c1", "c2"],
            "unit": ["v0", "v1", "v2"],
            "weight": weights,
            "kind": kind,
            "temperature": 1.6,
            "verdict": "no stable types",
        }
    )


def test_mds_energy_of_a_table():
    found = Objective.from_table(table("mds"), "c1", UNIT)
    guess = np.array([[2.0, 4.0, 1.0, 0, 0, 0]])
    m = np.array([3.0, 1.0]) / 1.6
    expected = m[0] - np.log(np.exp(m).sum()) + np.log(2)
    assert np.allclose(found.value(guess, UNIT), expected)
    assert found.own_units == ["v0", "v1"] and found.verdict == "no stable types"
    equal = found.value(np.ones((1, 6)), UNIT)
    assert np.allclose(equal, 0), "clusters driven alike: zero"


def test_table_by_rank_and_both_kinds_side_by_side():
    both = pd.concat([table("mean"), table("mds").replace({"c1": "m1", "c2": "m2"})])
    assert Objective.from_table(both, "table-1", UNIT).name == "c1"
    found = Objective.from_table(both, "m2", UNIT)
    assert found.kind == "mds" and found.weights.shape == (2, 3)
    by_roi = pd.DataFrame({"voxel": ["v0", "v4"], "roi": ["x", "x"]})
    assert np.allclose(Objective.from_table(by_roi, "x", UNIT).weights, 0.5)


def test_unknown_units_are_listed_and_the_mean_is_over_the_others():
    found = Objective.from_table(table("mean"), "c1", ["v0", "v5"])
    assert found.missing == ["v1"]
    assert np.allclose(found.value(np.array([[3.0, 9.0]]), ["v0", "v5"]), 3.0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Objective.from_rois({"FFB": 1}, UNIT, ROI), "objective 'FFB': no such region"),
        (lambda: Objective.from_rois({"V1": 1}, UNIT, ROI), "early visual areas only"),
        (lambda: Objective.from_table(table("mean"), "c9", UNIT), "objective 'c9': not in"),
        (lambda: Objective.from_table(table("mean"), "table-7", UNIT), "has 2 objectives"),
        (lambda: Objective.from_table(table("sum"), "c1", UNIT), "has kind"),
        (lambda: Objective.from_table(table("mean"), "c1", ["w"]), "none of its 2 units"),
        (
            lambda: Objective.from_table(table("mean").drop(columns="weight"), "c1", UNIT),
            "no column weight",
        ),
    ],
)
def test_bad_objectives_are_one_line(make, message):
    with pytest.raises(InputProblem, match=message) as error:
        make()
    assert all(len(line) <= 160 for line in error.value.problems)


def test_objectives_that_cannot_be_predicted_are_refused():
    objective = Objective.from_rois({"FFA": 1}, UNIT, ROI)
    card = pd.DataFrame({"voxel": UNIT, "r2": 0.2})
    check_quality(objective, card, min_voxels=2, min_r2=0.05)
    with pytest.raises(InputProblem, match="2 voxels, at least 20 expected"):
        check_quality(objective, card)
    with pytest.raises(InputProblem, match=r"median R2 on test images is -0\.010, at least 0\.05"):
        check_quality(objective, card.assign(r2=-0.01), min_voxels=2)


class Fixed:
    """An encoder that reads its predictions off the first pixels of an image."""

    unit_ = UNIT

    def __init__(self, channel):
        self.channel = channel

    def predict(self, images):
        return np.repeat(np.asarray(images)[:, self.channel, 0, :1], 6, axis=1)

    def features(self, images):
        return np.asarray(images).reshape(len(images), -1)


class Names:
    classes = ("face", "word")

    def predict_proba(self, images):
        face = np.asarray(images)[:, 2, 0, 0]
        return np.stack([face, 1 - face], axis=1)


def pictures(a, b, face, n=24):
    rng = np.random.default_rng(0)
    images = rng.random((n, 3, 2, 2)) * 0.2
    images[:, 0, 0, 0] += a
    images[:, 1, 0, 0] += b
    images[:, 2, 0, 0] = (np.arange(n) < face * n).astype(float)
    return images


@pytest.mark.parametrize(
    "a, b, face, flagged",
    [
        (0.6, 0.4, 0.7, False),
        (0.6, 0.1, 0.7, True),  # the independent encoder does not follow
        (0.6, 0.4, 0.2, True),  # the category moves away
        (0.0, 0.0, 0.7, True),  # nothing is gained at all
    ],
)
def test_adversary_flag(a, b, face, flagged):
    objective = Objective.from_rois({"FFA": 1}, UNIT, ROI)
    twins = pictures(0, 0, 0.3)
    images = twins.copy()
    images += pictures(a, b, face) * 0
    images[:, 0, 0, 0] += a
    images[:, 1, 0, 0] += b
    images[:, 2, 0, 0] = pictures(0, 0, face)[:, 2, 0, 0]
    found, summary = judge_images(
        images, twins, Fixed(0), Fixed(1), objective, Names(), "face", n_bootstrap=200
    )
    assert summary["adversarial"] is flagged
    assert np.isclose(summary["gain_A"], a) and np.isclose(summary["gain_B"], b)
    assert found["rank_B"].isna().all() == flagged
    assert np.isclose(summary["J"], np.ceil(24 * face) / 24, atol=0.05)


def test_ranking_is_by_the_independent_encoder_and_collapse_is_seen():
    objective = Objective.from_rois({"FFA": 1}, UNIT, ROI)
    twins = pictures(0, 0, 0.5)
    images = np.repeat(twins[:1], 24, axis=0)
    images[:, 0, 0, 0] = 1.0
    images[:, 1, 0, 0] = np.linspace(0.9, 0.95, 24)
    found, summary = judge_images(images, twins, Fixed(0), Fixed(1), objective)
    assert found["rank_B"].iloc[-1] == 1 and found["rank_B"].iloc[0] == 24
    assert summary["collapsed"] and np.isnan(summary["J"]) and not summary["adversarial"]


def test_preferred_category_is_that_of_the_measured_responses():
    objective = Objective.from_rois({"EBA": 1}, UNIT, ROI)
    betas = np.zeros((6, 6))
    betas[2:4, 2:4] = 1
    condition = ["a", "a", "b", "b", "c", "c"]
    assert preferred_category(objective, betas, UNIT, condition) == "b"


def test_sub_regions_find_planted_directions():
    rng = np.random.default_rng(0)
    centres = np.eye(8)[:2]
    coef = centres[np.repeat([0, 1], 20)] * rng.uniform(0.5, 3, (40, 1))
    labels = sub_regions(coef + 0.05 * rng.standard_normal((40, 8)), 2)
    assert len(set(labels[:20])) == 1 and len(set(labels)) == 2 and labels[0] != labels[-1]


@pytest.fixture
def block(generator, encoder, objective, tmp_path):
    def run(folder=tmp_path, seeds=range(3), **options):
        sampler = BrainGuidedSampler(
            generator, encoder, objective, steps=2, device="cpu", **options
        )
        return make_block(sampler, folder, seeds, batch_size=2)

    return run


def test_a_second_run_makes_only_what_is_missing(block, tmp_path):
    assert [row["made"] for row in block()] == [True] * 3
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert len(times) == 6
    image_path(tmp_path, 1).unlink()
    assert [row["made"] for row in block(seeds=range(4))] == [False, True, False, True]
    for name, time in times.items():
        if not name.startswith("seed-1"):
            assert (tmp_path / name).stat().st_mtime_ns == time


def test_other_settings_half_written_and_foreign_images_are_made_again(block, tmp_path):
    block()
    assert all(row["made"] for row in block(value=0.3)), "another strength"
    good = image_path(tmp_path, 0).read_bytes()
    image_path(tmp_path, 0).write_bytes(good[: len(good) // 2])
    image_path(tmp_path, 1).write_bytes(good)
    image_path(tmp_path, 2).with_suffix(".json").write_text("{")
    assert all(row["made"] for row in block(value=0.3))
    assert image_path(tmp_path, 0).read_bytes() == good, "same seed, same bytes"
    assert not list(tmp_path.glob("*.part"))


def test_judges_ask_for_images_in_batches_and_never_for_all(make_encoder, objective, tmp_path):
    from neuro.braindive.verdict.court import Stored
    from neuro.braindive.verdict.judges import Judge

    pictures = np.random.default_rng(3).random((22, 3, 32, 32)).astype(np.float32)
    paths = [tmp_path / f"{number}.png" for number in range(22)]
    for path, picture in zip(paths, pictures):
        write_png(path, picture)
    asked = []

    class Counted(Stored):
        def __getitem__(self, part):
            images = super().__getitem__(part)
            asked.append(len(images))
            return images

    encoder = make_encoder()
    encoder.batch = 8
    values = Judge("one", encoder).values(objective, Counted(paths))
    assert asked == [8, 8, 6]
    held = objective.value(encoder.predict(np.round(255 * pictures) / 255), encoder.unit_)
    np.testing.assert_allclose(values, held, atol=1e-5)


def test_sidecar_and_png_say_what_they_are(block, tmp_path):
    from PIL import Image

    block()
    content = json.loads(image_path(tmp_path, 0).with_suffix(".json").read_text())
    for key in ("seed", "preset", "strength", "value", "steps", "scheduler", "prediction_type"):
        assert key in content
    for key in ("sha256", "licence", "encoder", "objective_hash", "n_voxels", "trace", "finite"):
        assert key in content
    assert is_done(tmp_path, 0, content["hash"]) and not is_done(tmp_path, 0, "x")
    assert "synthetic" in Image.open(image_path(tmp_path, 0)).text


def test_pngs_round_to_eight_bits_and_refuse_what_is_not_finite(tmp_path):
    image = np.random.default_rng(0).random((3, 8, 8))
    write_png(tmp_path / "a.png", image)
    assert np.abs(read_png(tmp_path / "a.png") - image).max() <= 0.5 / 255 + 1e-6
    image[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite; it is not written"):
        write_png(tmp_path / "b.png", image)
    assert not (tmp_path / "b.png").exists()


def test_folded_objective_equals_the_value_of_predictions(make_encoder):
    import torch

    encoder = make_encoder()
    rng = np.random.default_rng(1)
    weights = rng.random((3, 24))
    for kind in ("mean", "mds"):
        rows = weights if kind == "mds" else weights[:1]
        objective = Objective("x", kind, encoder.unit_, rows, temperature=0.5)
        images = rng.random((4, 3, 32, 32)).astype(np.float32)
        folded = objective.folded(encoder)(torch.as_tensor(images)).numpy()
        assert np.allclose(
            folded, objective.value(encoder.predict(images), encoder.unit_), atol=1e-4
        )


def test_voxels_that_prefer_a_condition():
    card = pd.DataFrame({"voxel": UNIT, "t_six": [3.0, -2, 5, 1, 0.5, -1], "t_nine": -1.0})
    keep = np.array([True, True, True, False, True, True])
    found = Objective.from_preference("prefers:six", card, keep, n_top=2)
    assert found.units == ["v0", "v2"] and np.allclose(found.weights, 0.5)
    with pytest.raises(InputProblem, match="no such condition; known: six, nine"):
        Objective.from_preference("prefers:ten", card, keep)
    with pytest.raises(InputProblem, match="no voxel prefers this condition"):
        Objective.from_preference("prefers:nine", card, keep)
