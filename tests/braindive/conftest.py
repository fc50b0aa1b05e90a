"""A random generator of Stable Diffusion's layout, small enough for seconds, and its encoder."""

import json

import numpy as np
import pytest


def random_sd(folder, prediction="epsilon", seed=0):
    """Write unet/, vae/, scheduler/ and null_condition.safetensors with random weights."""
    import torch
    from safetensors.torch import save_file

    from neuro.braindive.diffusion.schedulers import SCHEDULE
    from neuro.braindive.diffusion.tiny_ldm import TinyLDM, TinyRecipe

    torch.manual_seed(seed)
    recipe = TinyRecipe(vae_channels=(8, 8, 16), unet_channels=(16, 32))
    unet, vae = TinyLDM.networks(recipe)
    vae.register_to_config(scaling_factor=0.7)
    model = TinyLDM._made(unet, vae, SCHEDULE, {})
    model.save(folder)
    schedule = {**SCHEDULE, "prediction_type": prediction}
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(schedule))
    condition = torch.randn(1, 2, 32, generator=torch.Generator().manual_seed(seed))
    save_file({"condition": condition}, folder / "null_condition.safetensors")
    return folder


def random_encoder(n_voxels=24, seed=0, name="gabor", size=32):
    """An encoder with random readout weights on features that need no training."""
    from neuro.encoding import VoxelEncoder
    from neuro.encoding.backbones import make

    rng = np.random.default_rng(seed)
    encoder = VoxelEncoder(name)
    encoder.backbone_ = make(name, (3, size, size))
    n_features = encoder.features(np.zeros((1, 3, size, size), np.float32)).shape[1]
    encoder.coef_ = rng.normal(0, 0.1, (n_voxels, n_features)).astype(np.float32)
    encoder.intercept_ = rng.normal(0, 1, n_voxels).astype(np.float32)
    encoder.alpha_ = encoder.r2_cv_ = encoder.r_cv_ = np.zeros(n_voxels)
    encoder.unit_ = [f"v{k}" for k in range(n_voxels)]
    encoder.roi_ = ["FFA" if k < n_voxels // 2 else "EBA" for k in range(n_voxels)]
    encoder.channels_ = 3
    return encoder


@pytest.fixture(scope="session")
def sd_folder(tmp_path_factory):
    return random_sd(tmp_path_factory.mktemp("sd") / "model")


@pytest.fixture
def generator(sd_folder):
    from neuro.braindive import DiffusersSD

    return DiffusersSD(sd_folder)


@pytest.fixture(scope="session")
def encoder():
    return random_encoder()


@pytest.fixture(scope="session")
def objective(encoder):
    from neuro.braindive import Objective

    return Objective.from_rois({"FFA": 1.0}, encoder.unit_, encoder.roi_)


@pytest.fixture(scope="session")
def make_sd():
    """The maker of random folders."""
    return random_sd


@pytest.fixture(scope="session")
def make_encoder():
    """The maker of random encoders."""
    return random_encoder
