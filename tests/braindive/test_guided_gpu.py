"""What only a GPU can show; `make test-gpu`. Elsewhere all of it is skipped.

`NEURO_TEST_DEVICE=cpu` runs the same lines on the CPU, to see that they run.
"""

import os

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler, DiffusersSD, DiffusersSDXL
from neuro.braindive.diffusion.candidates import best_of
from neuro.braindive.diffusion.light import make_light

DEVICE = os.environ.get("NEURO_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device"
    ),
]
SAME = 1e-2
"""Largest difference to the CPU, in [0, 1]."""
WAYS = {
    "plain": {},
    "gamma": {"strength": "gamma", "value": 20.0},
    "decoder": {"unet_backprop": False},
    "attention": {"sag_scale": 0.75},
    "ddim": {"scheduler": "ddim"},
}


@pytest.fixture(scope="module", autouse=True)
def exact():
    """Products in full precision: TF32 keeps three digits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module", params=["sd", "sd v", "sdxl"])
def load(request, tmp_path_factory, make_sd, make_xl):
    """A loader of a small random model, anew for each device."""
    folder = tmp_path_factory.mktemp("gpu") / "model"
    if request.param == "sdxl":
        make_xl(folder)
        return lambda: DiffusersSDXL(folder)
    make_sd(folder, "v_prediction" if request.param == "sd v" else "epsilon")
    return lambda: DiffusersSD(folder)


@pytest.mark.parametrize("way", WAYS)
def test_images_are_those_of_the_cpu(load, way, make_encoder, objective):
    made = []
    for device in ("cpu", DEVICE):
        own = {"steps": 4, "dtype": "float32", **WAYS[way]}
        sampler = BrainGuidedSampler(load(), make_encoder(), objective, device=device, **own)
        made.append(sampler.sample([0, 1, 2]))
    for name in ("images", "unguided"):
        assert np.abs(getattr(made[0], name) - getattr(made[1], name)).max() <= SAME, name
    assert made[1].finite.all()
    np.testing.assert_allclose(made[0].correction_ratio, made[1].correction_ratio, rtol=SAME)


def test_small_numbers_draw_finite_images(load, make_encoder, objective):
    sampler = BrainGuidedSampler(
        load(), make_encoder(), objective, device=DEVICE, dtype="bfloat16", steps=4
    )
    batch = sampler.sample(range(8))
    assert batch.finite.all() and (batch.correction_ratio > 0).all()
    exact = BrainGuidedSampler(
        load(), make_encoder(), objective, device=DEVICE, dtype="float32", steps=4, value=0.0
    )
    twins = exact.sample(range(8), unguided=False).images
    assert np.corrcoef(twins.ravel(), batch.unguided.ravel())[0, 1] > 0.98


def test_the_control_and_a_light_decoder_run_there(load, make_encoder, objective):
    encoder = make_encoder()
    generator = load()
    light = make_light("pooled", generator)
    sampler = BrainGuidedSampler(
        generator, encoder, objective, device=DEVICE, dtype="float32", steps=2, light=light
    )
    batch = sampler.sample([0])
    image, value = best_of(sampler, 0, 3, batch.unguided[0])
    assert image.shape == batch.images[0].shape and np.isfinite(value)


@pytest.mark.parametrize("kind", ["clip", "dinov2", "siglip", "convnext"])
def test_features_are_those_of_the_cpu(kind, tmp_path, make_tower):
    from neuro.encoding import VoxelEncoder

    rng = np.random.default_rng(0)
    images = rng.random((24, 3, 32, 32)).astype(np.float32)
    betas = rng.normal(size=(24, 3)).astype(np.float32)
    folder = make_tower(kind, tmp_path / kind)
    made = [
        VoxelEncoder(kind, folder, device=device).fit(images, betas).predict(images)
        for device in ("cpu", DEVICE)
    ]
    np.testing.assert_allclose(made[0], made[1], atol=SAME)


@pytest.mark.skipif(DEVICE != "cuda", reason="memory is counted on a CUDA device")
def test_memory_does_not_grow_from_image_to_image(load, make_encoder, objective):
    sampler = BrainGuidedSampler(load(), make_encoder(), objective, device="cuda", steps=2)
    sampler.sample([0])
    before = torch.cuda.memory_allocated()
    for number in range(1, 21):
        sampler.sample([number])
    assert torch.cuda.memory_allocated() - before <= 50 << 20
