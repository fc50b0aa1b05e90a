"""Every way of guidance on every kind of generator, in both number types that are used."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from neuro.braindive import BrainGuidedSampler, DiffusersSD, DiffusersSDXL, TinyLDM
from neuro.braindive.diffusion.candidates import best_of
from neuro.braindive.diffusion.light import make_light

KINDS = ("tiny", "sd", "sd v", "sd sample", "sdxl", "turbo", "lcm")
WAYS = {
    "plain": {},
    "gamma": {"strength": "gamma", "value": 20.0},
    "x0": {"guidance_target": "x0"},
    "through the decoder alone": {"unet_backprop": False},
    "attention": {"sag_scale": 0.75},
    "ddim": {"scheduler": "ddim"},
    "first half": {"guide_interval": (0, 0.5)},
}
STEPS = 2


@pytest.fixture(scope="module")
def models(tmp_path_factory, make_sd, make_xl):
    """A loader of every kind of generator, small and with random weights."""
    top = tmp_path_factory.mktemp("kinds")
    schedules = {"sd": {}, "sd v": {"prediction_type": "v_prediction"}}
    schedules["sd sample"] = {"prediction_type": "sample"}
    schedules["turbo"] = {
        "_class_name": "EulerAncestralDiscreteScheduler",
        "timestep_spacing": "trailing",
    }
    schedules["lcm"] = {"_class_name": "LCMScheduler"}
    for kind in KINDS:
        if kind == "sdxl":
            make_xl(top / kind)
            continue
        make_sd(top / kind)
        path = top / kind / "scheduler/scheduler_config.json"
        changes = schedules.get(kind, {})
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def load(kind, dtype="float32"):
        if kind == "tiny":
            return TinyLDM.load(top / kind)
        return (DiffusersSDXL if kind == "sdxl" else DiffusersSD)(top / kind, dtype)

    return load


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_runs_in_both_types(kind, dtype, models, encoder, objective):
    generator = models(kind, dtype)
    for way, options in WAYS.items():
        own = {"steps": STEPS, "dtype": dtype, "device": "cpu", **options}
        sampler = BrainGuidedSampler(generator, encoder, objective, **own)
        batch = sampler.sample([1], unguided=way == "plain")
        assert batch.finite.all() and batch.images.dtype == np.float32, way
        assert batch.correction_ratio[0] > 0, way
        if way == "plain":
            assert np.abs(batch.images - batch.unguided).max() > 0
    image, value = best_of(sampler, 1, 2, batch.unguided[0])
    assert np.isfinite(image).all() and np.isfinite(value)
    light = make_light("pooled", generator)
    sampler = BrainGuidedSampler(
        generator, encoder, objective, steps=STEPS, dtype=dtype, device="cpu", light=light
    )
    assert sampler.sample([1]).finite.all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_small_type_draws_nearly_the_same(kind, models, encoder, objective):
    """Unguided images and directions; a guided path of a random network leaves its neighbours."""
    images, slopes = [], []
    for dtype in ("float32", "bfloat16"):
        own = {"steps": STEPS, "dtype": dtype, "device": "cpu", "value": 0.0}
        sampler = BrainGuidedSampler(models(kind, dtype), encoder, objective, **own)
        images.append(sampler.sample([1, 2], unguided=False).images)
        z = sampler.noise([1, 2])
        slopes += [sampler.gradient(z, t, sampler.generator)[2].ravel() for t in (999, 300)]
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.99
    assert np.abs(images[0] - images[1]).max() > 0, "the small type was not used"
    for whole, small in zip(slopes[:2], slopes[2:]):
        assert np.corrcoef(whole, small)[0, 1] > 0.98


def test_weights_of_another_type_on_disk_run_in_the_type_asked_for(tmp_path, make_sd, objective,
                                                                   encoder):  # fmt: skip
    import torch

    folder = make_sd(tmp_path / "half")
    for part in ("unet", "vae"):
        file = folder / part / "diffusion_pytorch_model.safetensors"
        save_file({name: value.half() for name, value in load_file(file).items()}, file)
    sampler = BrainGuidedSampler(
        DiffusersSD(folder, "bfloat16"), encoder, objective, steps=1, dtype="bfloat16", device="cpu"
    )
    assert sampler.sample([0]).finite.all()
    assert {p.dtype for p in sampler.generator.unet.parameters()} == {torch.bfloat16}
