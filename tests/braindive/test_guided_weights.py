"""Weights from local folders: layouts, refusals, no network."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from neuro.braindive import DiffusersSD, DiffusersSDXL, TinyLDM, TinyRecipe
from neuro.braindive.diffusion.generator import alphas_cumprod
from neuro.io.problems import InputProblem
from neuro.simulate.scenes import scene_world


@pytest.fixture
def copy(sd_folder, tmp_path):
    return shutil.copytree(sd_folder, tmp_path / "copy")


@pytest.mark.parametrize(
    "gone, message",
    [
        ("unet", r"missing unet/config\.json; expected unet/, vae/ and scheduler/"),
        ("vae/diffusion_pytorch_model.safetensors", "missing vae/diffusion_pytorch_model"),
        ("scheduler", r"missing scheduler/scheduler_config\.json"),
        ("null_condition.safetensors", "neither null_condition"),
    ],
)
def test_missing_parts_name_the_layout(copy, gone, message):
    path = copy / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputProblem, match=message):
        DiffusersSD(copy)
    with pytest.raises(InputProblem, match="no such folder; expected unet/"):
        DiffusersSD(copy / "nothing")


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_xl_given_as_sd_and_the_reverse(copy):
    with pytest.raises(InputProblem, match=r"not SDXL; set braindive\.generator\.type to sd"):
        DiffusersSDXL(copy)
    change(copy / "unet/config.json", addition_embed_type="text_time")
    with pytest.raises(InputProblem, match=r"this is SDXL; set braindive\.generator\.type to sdxl"):
        DiffusersSD(copy)


def test_unknown_prediction_type_and_schedulers_without_alphas(copy):
    path = copy / "scheduler/scheduler_config.json"
    change(path, prediction_type="flow")
    with pytest.raises(InputProblem, match="prediction_type 'flow', expected one of epsilon"):
        DiffusersSD(copy)
    change(path, prediction_type="epsilon", _class_name="FlowMatchEulerDiscreteScheduler")
    with pytest.raises(InputProblem, match="FlowMatchEulerDiscreteScheduler has no alphas_cumprod"):
        DiffusersSD(copy)
    path.write_text("{")
    with pytest.raises(InputProblem, match="not a readable JSON file"):
        DiffusersSD(copy)


def test_weights_of_another_shape(copy):
    change(copy / "unet/config.json", block_out_channels=[16, 48])
    with pytest.raises(InputProblem, match=r"unet: weights do not fit config\.json"):
        DiffusersSD(copy)


def test_schedule_equals_that_of_diffusers():
    from diffusers import DDIMScheduler

    for kind in ("linear", "scaled_linear"):
        settings = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": kind}
        theirs = DDIMScheduler(**settings).alphas_cumprod.numpy()
        assert np.allclose(alphas_cumprod(settings), theirs, rtol=1e-5)


def test_a_trained_model_is_saved_read_and_repeats_with_its_seed(tmp_path):
    recipe = TinyRecipe((8, 8, 16), 6, unet_channels=(16, 32), unet_steps=4, unet_batch=8)
    images = scene_world(40, 0).images
    first = TinyLDM.train(images, 3, recipe)
    second = TinyLDM.train(images, 3, recipe)
    a, b = (model.save(tmp_path / name) for model, name in ((first, "a"), (second, "b")))
    read = TinyLDM.load(a)
    assert read.sha256 == TinyLDM.load(b).sha256
    assert np.allclose(read.reconstruct(images[:4]), first.reconstruct(images[:4]), atol=2e-3)
    assert read.latent_shape == (4, 8, 8) and read.scaling_factor == first.scaling_factor
    with pytest.raises(InputProblem, match="images of 30 x 30 px"):
        TinyLDM.train(images[:, :, :30, :30], 0, recipe)


def test_the_package_is_light_and_needs_no_vision_packages():
    code = (
        "import sys\n"
        "for name in ('torchvision', 'timm', 'open_clip'): sys.modules[name] = None\n"
        "import neuro.braindive, neuro.encoding\n"
        "print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])\n"
        "from neuro.braindive import BrainGuidedSampler, TinyLDM, DiffusersSD\n"
        "TinyLDM.networks()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.splitlines()[0] == "[]"


def test_loading_asks_no_network_and_leaves_the_environment(tmp_path, monkeypatch, make_sd):
    import socket

    def refuse(*_, **__):
        raise AssertionError("network")

    folder = make_sd(tmp_path / "x")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = dict(os.environ)
    DiffusersSD(folder)
    assert dict(os.environ) == before
