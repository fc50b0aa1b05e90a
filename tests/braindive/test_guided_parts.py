"""Content filter, compiled models, light decoders, memory estimate."""

import json
import re

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler, DiffusersSD
from neuro.braindive.content_filter import ContentFilter, make_filter
from neuro.braindive.diffusion.light import (
    PooledDecoder,
    SmallDecoder,
    check_light,
    gradient_cosines,
    make_light,
)
from neuro.braindive.seeds import image_path, make_block, read_png
from neuro.io.problems import InputProblem


def varied(n=12, size=16, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((n, 3, 1, 1)) * rng.random((n, 3, size, size)) ** 3).astype(np.float32)


def standardised(images):
    from neuro.encoding.towers import CLIP_MEAN, CLIP_STD

    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return (torch.as_tensor(images) - mean) / std


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    """A safety checker with random weights; thresholds that half of the images pass."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    torch.manual_seed(0)
    config = CLIPConfig(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 16,
            "patch_size": 8,
        },
        text_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        projection_dim=8,
    )
    model = StableDiffusionSafetyChecker(config)
    for name in ("concept_embeds", "special_care_embeds"):
        getattr(model, name).data = torch.randn_like(getattr(model, name))
    with torch.no_grad():
        seen = model.visual_projection(model.vision_model(standardised(varied()))[1])
        for name in ("concept_embeds", "special_care_embeds"):
            near = torch.nn.functional.cosine_similarity(seen[:, None], getattr(model, name), dim=2)
            getattr(model, f"{name}_weights").data.fill_(near.amax(dim=1).median().item())
    folder = tmp_path_factory.mktemp("sd") / "safety_checker"
    model.save_pretrained(folder)
    return folder, model.eval()


def test_verdicts_are_those_of_the_released_checker_and_no_image_is_changed(checker):
    folder, reference = checker
    images = varied()
    before = images.copy()
    found = ContentFilter(folder)
    # The released class blackens what it flags: it gets a copy of its own.
    _, flagged = reference(standardised(images), images.transpose(0, 2, 3, 1) + 0)
    assert 0 < sum(flagged) < len(images), "the thresholds must part the images"
    assert [v == "flagged" for v in found.verdicts(images)] == list(map(bool, flagged))
    assert np.array_equal(images, before)
    assert found.scores(images).shape == (12, 17)


def test_verdicts_stand_in_sidecars_and_rows(checker, generator, encoder, objective, tmp_path):
    content_filter = ContentFilter(checker[0])
    sampler = BrainGuidedSampler(generator, encoder, objective, steps=2, device="cpu")
    rows = make_block(sampler, tmp_path, range(3), content_filter=content_filter)
    for row in rows:
        path = image_path(tmp_path, row["seed"])
        content = json.loads(path.with_suffix(".json").read_text())
        assert content["content_filter"] == content_filter.sha256
        assert row["filter"] == content["filter"] in ("clear", "flagged")
        assert row["filter_twin"] == content["filter_twin"] in ("clear", "flagged")
        assert read_png(path).max() > 0
    # Another filter is another job; without one the verdict is `none`.
    again = make_block(sampler, tmp_path, range(3))
    assert all(row["made"] and row["filter"] == "none" for row in again)


def test_which_filter_the_settings_mean(checker, tmp_path):
    settings = {
        "content_filter": "report",
        "content_filter_path": None,
        "generator": {"type": "sd", "path": str(checker[0].parent)},
    }
    assert make_filter(settings).sha256 == ContentFilter(checker[0]).sha256
    assert make_filter({**settings, "content_filter": "off"}) is None
    assert make_filter({**settings, "generator": {"type": "tiny", "path": None}}) is None
    assert make_filter({**settings, "generator": {"type": "sd", "path": str(tmp_path)}}) is None
    with pytest.raises(InputProblem, match=r"no content filter there; expected config\.json"):
        make_filter({**settings, "content_filter_path": str(tmp_path)})


def test_compiled_models_give_the_same_images_with_one_size_of_batch(sd_folder, encoder, objective):
    graphs = []

    def backend(graph, inputs):
        graphs.append(inputs)
        return graph.forward

    torch._dynamo.reset()
    options = {"steps": 3, "device": "cpu", "strength": "gamma", "value": 10.0}
    plain = BrainGuidedSampler(DiffusersSD(sd_folder), encoder, objective, **options)
    expected = plain.sample([1, 2, 3])
    compiled = BrainGuidedSampler(
        DiffusersSD(sd_folder), encoder, objective, compile=backend, **options
    )
    first = compiled.sample([1, 2])
    n = len(graphs)
    last = compiled.sample([3])
    assert last.images.shape[0] == 1 and len(last.trace) == 1 and last.finite.shape == (1,)
    assert 0 < n == len(graphs), "neither a step nor the last, smaller batch compiles anew"
    images = np.concatenate([first.images, last.images])
    assert np.abs(images - expected.images).max() <= 1e-5
    twins = np.concatenate([first.unguided, last.unguided])
    assert np.abs(twins - expected.unguided).max() <= 1e-5


def test_a_compiler_that_fails_is_one_line(sd_folder, encoder, objective):
    def backend(graph, inputs):
        raise RuntimeError("no compiler on this machine")

    torch._dynamo.reset()
    sampler = BrainGuidedSampler(
        DiffusersSD(sd_folder), encoder, objective, compile=backend, steps=2, device="cpu"
    )
    with pytest.raises(InputProblem, match=r"^braindive\.compile: torch cannot compile") as error:
        sampler.sample([0])
    assert "set it to false" in str(error.value) and len(str(error.value)) <= 160
    with pytest.raises(InputProblem, match=r"braindive\.compile: not with sag_scale"):
        BrainGuidedSampler(
            DiffusersSD(sd_folder), encoder, objective, compile=True, sag_scale=0.75, device="cpu"
        )


@pytest.fixture
def sampler(generator, encoder, objective):
    return BrainGuidedSampler(generator, encoder, objective, steps=4, device="cpu")


def test_a_copy_of_the_decoder_agrees_and_a_random_one_is_refused(sampler, sd_folder, tmp_path):
    copy = SmallDecoder(sd_folder / "vae")
    cosines = gradient_cosines(sampler, copy, range(3), n_times=2, batch_size=2)
    assert cosines.shape == (3, 2) and np.allclose(cosines, 1, atol=1e-5)
    assert check_light(sampler, copy, seeds=range(2)) > 0.999
    from diffusers import AutoencoderTiny

    torch.manual_seed(1)
    widths = {"encoder_block_out_channels": (8, 8, 8), "decoder_block_out_channels": (8, 8, 8)}
    blocks = {"num_encoder_blocks": (1, 1, 1), "num_decoder_blocks": (1, 1, 1)}
    AutoencoderTiny(**widths, **blocks).save_pretrained(tmp_path / "small")
    other = SmallDecoder(tmp_path / "small")
    with pytest.raises(InputProblem, match=r"gradient has cosine -?0\.\d\d with the exact"):
        check_light(sampler, other, seeds=range(2))
    pooled = PooledDecoder(sampler.generator)
    z = torch.randn(1, 4, 8, 8)
    assert pooled.decode(z).shape == (1, 3, 16, 16)
    means = z.reshape(1, 4, 4, 2, 4, 2).mean(dim=(3, 5))
    assert torch.allclose(pooled.decode(z), sampler.generator.decode(means), atol=1e-5)


def test_a_light_decoder_steers_but_never_draws(sampler, sd_folder):
    exact = sampler.sample([0, 1])
    sampler.light = SmallDecoder(sd_folder / "vae")
    calls = []
    decode = sampler.light.decode
    sampler.light.decode = lambda z: calls.append(1) or decode(z)
    same = sampler.sample([0, 1])
    assert np.array_equal(exact.images, same.images) and len(calls) == 4, "one call per step"
    assert sampler.settings()["guide_decoder"].startswith("small ")
    sampler.light = PooledDecoder(sampler.generator)
    other = sampler.sample([0, 1])
    assert other.images.shape == exact.images.shape, "images come from the generator's decoder"
    assert np.array_equal(other.unguided, exact.unguided)
    assert np.abs(other.images - exact.images).max() > 1e-3


@pytest.mark.parametrize(
    "kind, path, message",
    [
        ("fast", None, "guide_decoder: got 'fast', expected exact, pooled, small"),
        ("small", None, r"guide_decoder_path: missing; give a folder with config\.json"),
        ("small", "here", r"no small autoencoder there; expected config\.json"),
    ],
)
def test_wrong_light_decoders_are_one_line(generator, tmp_path, kind, path, message):
    with pytest.raises(InputProblem, match=message):
        make_light(kind, generator, tmp_path if path else None)
    assert make_light("exact", generator) is None


def test_memory_is_counted_without_weights_as_it_is_with_them():
    from neuro.braindive import TinyLDM
    from neuro.braindive.diffusion.memory import count

    found = []
    for device in ("meta", "cpu"):
        with torch.device(device):
            unet, vae = TinyLDM.networks()
            condition = torch.zeros(1, 1, 32)
        found.append(count(unet, vae, condition, 3, "float32"))
    assert found[0].unet == found[1].unet
    assert abs(found[0].decoder / found[1].decoder - 1) < 0.05
    with torch.device("meta"):
        networks = TinyLDM.networks()
        condition = torch.zeros(1, 1, 32)
    skip = count(*networks, condition, 6, "float32", unet_backprop=False)
    assert skip.unet == 0
    assert abs(skip.decoder / (2 * found[0].decoder) - 1) < 0.02, "twice the batch"
    half = count(*networks, condition, 6, "bfloat16")
    assert half.weights * 2 == found[0].weights


def test_a_dry_run_says_its_memory_and_makes_nothing(sd_folder, tmp_path):
    from neuro.braindive.stage import make_generator

    settings = {
        "dry": True,
        "generator": {"type": "sd", "path": str(sd_folder)},
        "batch_size": 2,
        "dtype": "bfloat16",
        "device": "cpu",
        "unet_backprop": True,
    }
    lines = []
    with pytest.raises(InputProblem) as error:
        make_generator([str(sd_folder)], tmp_path / "out", settings, 0, lines.append)
    text = str(error.value)
    assert re.match(r"braindive\.dry: about \S+ GiB at batch 2 in bfloat16", text)
    assert len(text) <= 160 and len(lines) == 1 and not (tmp_path / "out").exists()
    settings["generator"]["path"] = str(tmp_path)
    with pytest.raises(InputProblem, match=r"missing unet/config\.json"):
        make_generator([], tmp_path / "out", settings, 0, lines.append)
