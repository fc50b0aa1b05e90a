"""Folders as people have them: half precision, hub caches, single files, few steps, other sizes."""

import json
import os
import shutil
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from neuro.braindive import BrainGuidedSampler, DiffusersSD, DiffusersSDXL
from neuro.braindive.diffusion import few_steps
from neuro.braindive.diffusion.folder import check_model, loaded_bytes, offline, weights_hash
from neuro.braindive.diffusion.generator import GUIDANCE, guidance_embedding
from neuro.io.formats.hub import snapshot
from neuro.io.problems import InputProblem

STEPS = (1, 2, 4)


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture
def copy(sd_folder, tmp_path):
    return shutil.copytree(sd_folder, tmp_path / "copy")


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_half_precision_variants_of_every_part_are_read(kind, tmp_path, make_sd, make_xl):
    folder = (make_sd if kind == "sd" else make_xl)(tmp_path / "model")
    made = DiffusersSD if kind == "sd" else DiffusersSDXL
    whole = made(folder)
    for part in ("unet", "vae"):
        file = folder / part / "diffusion_pytorch_model.safetensors"
        state = {name: value.half() for name, value in load_file(file).items()}
        save_file(state, file.with_name("diffusion_pytorch_model.fp16.safetensors"))
        file.unlink()
    check_model(folder, kind)
    half = made(folder)
    for part in ("unet", "vae"):
        rounded = getattr(half, part).state_dict()
        for name, value in getattr(whole, part).state_dict().items():
            assert torch.equal(rounded[name], value.half().float())
    assert half.sha256 != whole.sha256 and loaded_bytes(folder) > 0


def test_half_precision_networks_filters_and_decoders_are_read(tmp_path):
    import transformers as tf
    from diffusers import AutoencoderTiny

    from neuro.braindive.diffusion.light import SmallDecoder
    from neuro.encoding import towers

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    clip = tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**sizes, projection_dim=12))
    clip.half().save_pretrained(tmp_path / "clip", variant="fp16")
    assert towers.load("clip", tmp_path / "clip").features(torch.rand(2, 3, 32, 32)).shape == (
        2,
        12,
    )
    small = AutoencoderTiny(encoder_block_out_channels=(8,), decoder_block_out_channels=(8,),
                            num_encoder_blocks=(1,), num_decoder_blocks=(1,))  # fmt: skip
    small.half().save_pretrained(tmp_path / "taesd", variant="fp16")
    decoder = SmallDecoder(tmp_path / "taesd")
    assert {p.dtype for p in decoder.model.parameters()} == {torch.float32}


def hub(folder, model, *names, main=None):
    """A root of the hub's cache with snapshots of a model."""
    for name in names:
        shutil.copytree(model, folder / "snapshots" / name)
    (folder / "refs").mkdir(parents=True)
    if main:
        (folder / "refs/main").write_text(main)
    return folder


def test_a_root_of_the_hub_is_its_snapshot(sd_folder, tmp_path):
    root = hub(tmp_path / "models--a--b", sd_folder, "0f", "1e", main="1e")
    change(root / "snapshots/0f/scheduler/scheduler_config.json", prediction_type="v_prediction")
    model, plain = DiffusersSD(root), DiffusersSD(sd_folder)
    assert model.prediction_type == "epsilon" and model.sha256 == plain.sha256
    assert model.name == "models--a--b"
    check_model(root, "sd")
    assert weights_hash(root) == weights_hash(sd_folder)
    assert loaded_bytes(root) == loaded_bytes(sd_folder) > 0
    assert snapshot(hub(tmp_path / "one", sd_folder, "2d")).name == "2d"
    with pytest.raises(InputProblem, match=r"2 snapshots \(0f, 1e\); give one of the folders"):
        DiffusersSD(hub(tmp_path / "two", sd_folder, "0f", "1e"))


def header(path, *names):
    """A safetensors file with a header alone."""
    entries = {name: {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for name in names}
    text = json.dumps(entries).encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    return path


def test_single_files_are_told_the_command_for_their_kind(tmp_path):
    import diffusers

    old = header(tmp_path / "a/v1-5.safetensors", "model.diffusion_model.x")
    xl = header(tmp_path / "b/base.safetensors", "conditioner.embedders.1.model.x")
    (tmp_path / "c").mkdir()
    pickle = tmp_path / "c/sd_xl.ckpt"
    pickle.write_bytes(b"\x80")
    for given, pipeline in (
        (old, "StableDiffusionPipeline"),
        (old.parent, "StableDiffusionPipeline"),
        (xl, "StableDiffusionXLPipeline"),
        (pickle, "StableDiffusionXLPipeline"),
    ):
        with pytest.raises(InputProblem) as caught:
            check_model(given, "sd")
        (line,) = caught.value.problems
        assert f"from diffusers import {pipeline} as P; P.from_single_file('" in line
        assert callable(getattr(diffusers, pipeline).from_single_file)
        assert "a single file" in line and ".save_pretrained('" in line


def test_inpainting_and_the_refiner_are_refused(copy):
    (copy / "model_index.json").write_text(json.dumps({"requires_aesthetics_score": True}))
    with pytest.raises(InputProblem, match="refiner of SDXL draws no images; give the base"):
        check_model(copy, "sd")
    (copy / "model_index.json").unlink()
    change(copy / "unet/config.json", in_channels=9)
    with pytest.raises(InputProblem, match="inpainting and depth models cannot be guided"):
        check_model(copy, "sd")


def test_the_size_of_images_can_be_set(sd_folder, tmp_path, make_xl, encoder, objective):
    plain = DiffusersSD(sd_folder)
    small = DiffusersSD(sd_folder, size=16)
    assert plain.latent_shape == (4, 8, 8) and small.latent_shape == (4, 4, 4)
    assert small.describe() != plain.describe()
    sampler = BrainGuidedSampler(small, encoder, objective, steps=2, device="cpu")
    assert sampler.sample([0]).images.shape == (1, 3, 16, 16)
    check_model(sd_folder, "sd", 48)
    with pytest.raises(InputProblem, match=r"generator\.size: got 20, expected a multiple of 8"):
        check_model(sd_folder, "sd", 20)
    xl = DiffusersSDXL(make_xl(tmp_path / "xl"), size=48)
    told = []
    xl._predict = lambda z, t, condition, added_cond_kwargs: told.append(added_cond_kwargs)
    xl.raw(torch.zeros(1, *xl.latent_shape), 0)
    assert told[0]["time_ids"][0].tolist() == [48, 48, 0, 0, 48, 48]


TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    "name, schedule, unet, kind, most",
    [
        ("sdxl-turbo", {"_class_name": "EulerAncestralDiscreteScheduler", **TRAILING}, {},
         "euler_ancestral", 4),
        ("sd-turbo", {"_class_name": "EulerDiscreteScheduler", **TRAILING}, {}, "euler", 4),
        ("SDXL-Lightning", {"_class_name": "EulerDiscreteScheduler", **TRAILING}, {}, "euler", 8),
        ("lcm-sdxl", {"_class_name": "LCMScheduler"}, {}, "lcm", 8),
        ("dream", {"_class_name": "PNDMScheduler"}, {"time_cond_proj_dim": 16}, "lcm", 8),
        ("base", {"_class_name": "EulerDiscreteScheduler", **TRAILING}, {}, None, 0),
        ("turbo", {"_class_name": "PNDMScheduler"}, {}, None, 0),
    ],
)  # fmt: skip
def test_models_of_few_steps_are_recognised(copy, name, schedule, unet, kind, most):
    change(copy / "scheduler/scheduler_config.json", **schedule)
    change(copy / "unet/config.json", **unet)
    known = few_steps.few_steps(copy.rename(copy.with_name(name)))
    assert (known.kind, known.most) == (kind, most) if kind else known is None
    if kind:
        assert [known.steps(n) for n in (1, most, 25)] == [1, most, known.own]


SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
THEIRS = {
    "lcm": ("LCMScheduler", {"original_inference_steps": 50}),
    "euler": ("EulerDiscreteScheduler", TRAILING),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", TRAILING),
}


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("kind", THEIRS)
def test_steps_are_those_of_diffusers(kind, steps, monkeypatch):
    import diffusers

    name, own = THEIRS[kind]
    more = {"clip_sample": False} if kind == "lcm" else {}
    theirs = getattr(diffusers, name)(**SCHEDULE, **own, **more)
    theirs.set_timesteps(steps)
    from neuro.braindive.diffusion.generator import alphas_cumprod

    abar = alphas_cumprod(SCHEDULE)
    few = few_steps.FewSteps(kind, 4, 8, {**SCHEDULE, **own})
    ours = few_steps.FewStepScheduler(few, abar, steps)
    assert ours.timesteps == [int(t) for t in theirs.timesteps]
    rng = np.random.default_rng(0)
    shape = (2, 4, 3, 3)
    draws = [torch.from_numpy(rng.standard_normal(shape).astype(np.float32)) for _ in range(9)]
    start, noises, told = draws[0], iter(draws[5:]), iter(draws[5:])
    monkeypatch.setattr(ours, "noise", lambda like: next(noises))
    module = __import__(type(theirs).__module__, fromlist=["randn_tensor"])
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: next(told))
    z, x = start * ours.init_noise_sigma, start * theirs.init_noise_sigma
    for number, t in enumerate(theirs.timesteps):
        eps = draws[1 + number]
        theirs.scale_model_input(x, t)
        x = theirs.step(eps, t, x).prev_sample
        z = ours.step(eps, int(t), z).prev_sample
        # theirs of Euler is larger by sqrt(1 + sigma^2)
        sigma = 0.0 if kind == "lcm" else float(theirs.sigmas[number + 1])
        torch.testing.assert_close(z, x / (1 + sigma**2) ** 0.5, rtol=1e-4, atol=1e-4)


def test_the_guidance_embedding_is_that_of_the_pipeline():
    from diffusers import LatentConsistencyModelPipeline as Pipeline

    w = torch.tensor([GUIDANCE])
    want = Pipeline.get_guidance_scale_embedding(None, w, embedding_dim=16)
    torch.testing.assert_close(guidance_embedding(16), want, rtol=1e-5, atol=1e-3)


def consistency(folder, make_sd):
    """A random latent consistency model: its UNet is told of guidance."""
    from diffusers import UNet2DConditionModel

    make_sd(folder)
    config = json.loads((folder / "unet/config.json").read_text())
    torch.manual_seed(1)
    unet = UNet2DConditionModel.from_config({**config, "time_cond_proj_dim": 16})
    unet.save_pretrained(folder / "unet")
    change(folder / "scheduler/scheduler_config.json", _class_name="LCMScheduler")
    return folder


@pytest.mark.parametrize("kind", ["lcm", "turbo"])
def test_models_of_few_steps_are_guided_with_their_own(kind, tmp_path, make_sd, encoder, objective):
    if kind == "lcm":
        folder = consistency(tmp_path / "lcm", make_sd)
    else:
        folder = make_sd(tmp_path / "sd-turbo")
        own = {"_class_name": "EulerAncestralDiscreteScheduler", **TRAILING}
        change(folder / "scheduler/scheduler_config.json", **own)
    check_model(folder, "sd")
    model = DiffusersSD(folder)
    sampler = BrainGuidedSampler(model, encoder, objective, steps=25, device="cpu")
    assert sampler.settings()["steps"] == 4
    assert sampler.settings()["scheduler"] == model.few_steps.kind
    batch = sampler.sample([3, 5])
    assert batch.finite.all() and (batch.correction_ratio > 0).all()
    assert len(batch.trace[0]) == 4
    alone = sampler.sample([5])
    np.testing.assert_allclose(alone.images[0], batch.images[1], atol=1e-4)
    assert np.abs(batch.images[0] - batch.unguided[0]).max() > 1e-4
    assert np.array_equal(sampler.sample([5]).images, alone.images)


def test_libraries_are_offline_only_while_weights_are_read(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("DIFFUSERS_OFFLINE", raising=False)
    with pytest.raises(ZeroDivisionError), offline():
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["DIFFUSERS_OFFLINE"] == "1"
        raise ZeroDivisionError
    assert os.environ["HF_HUB_OFFLINE"] == "0" and "DIFFUSERS_OFFLINE" not in os.environ
