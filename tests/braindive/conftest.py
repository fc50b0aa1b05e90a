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


def random_xl(folder):
    """UNet and VAE of SDXL's kind; the empty text is zeros, as in the base model."""
    from diffusers import UNet2DConditionModel

    random_sd(folder)
    unet = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=32,
        attention_head_dim=(2, 4),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=12 + 6 * 8,
    )
    unet.save_pretrained(folder / "unet")
    (folder / "null_condition.safetensors").unlink()
    (folder / "model_index.json").write_text(json.dumps({"force_zeros_for_empty_prompt": True}))
    return folder


def random_tower(kind, folder):
    """A folder of random weights in the structure of a published network."""
    import torch
    import transformers as tf

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    if kind == "clip":
        model = tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**sizes, projection_dim=12))
    elif kind == "dinov2":
        model = tf.Dinov2Model(tf.Dinov2Config(**sizes))
    elif kind == "siglip":
        model = tf.SiglipVisionModel(tf.SiglipVisionConfig(**sizes))
    else:
        model = tf.ConvNextModel(
            tf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
        )
    model.save_pretrained(folder)
    crop = {"crop_size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(crop))
    return folder


def random_flow(folder, kind, *, dynamic=False, shards=False):
    """A folder of random weights in the structure of Stable Diffusion 3.5 or Flux."""
    import diffusers
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    if kind == "sd3":
        network = diffusers.SD3Transformer2DModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=24,
            pos_embed_max_size=8,
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        )
    else:
        network = diffusers.FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=24,
            axes_dims_rope=(2, 2, 4),
            guidance_embeds=True,
        )
    for value in network.parameters():
        # layers that start at zero would hide what they get
        value.data += 0.05 * torch.randn_like(value)
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=1.5,
        shift_factor=0.06,
        sample_size=16,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    size = {"max_shard_size": "20KB"} if shards else {}
    network.save_pretrained(folder / "transformer", **size)
    vae.save_pretrained(folder / "vae")
    own = {"use_dynamic_shifting": True} if dynamic else {"shift": 3.0}
    diffusers.FlowMatchEulerDiscreteScheduler(**own).save_pretrained(folder / "scheduler")
    condition, pooled = torch.randn(1, 5, 32), torch.randn(1, 24)
    save_file({"condition": condition, "pooled": pooled}, folder / "null_condition.safetensors")
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
def make_xl():
    """The maker of random folders of SDXL's kind."""
    return random_xl


@pytest.fixture(scope="session")
def make_encoder():
    """The maker of random encoders."""
    return random_encoder


@pytest.fixture(scope="session")
def make_tower():
    """The maker of folders of image networks."""
    return random_tower


@pytest.fixture(scope="session")
def make_flow():
    """The maker of random folders of flow models."""
    return random_flow
