"""Stable Diffusion XL: small random modules of its classes beside the pipeline of diffusers."""

import json
import shutil

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler, DiffusersSDXL
from neuro.io.problems import InputProblem

STEPS = 3


def small_xl(folder):
    """All parts of SDXL with random weights, written by diffusers' own pipeline."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPTokenizer,
    )

    torch.manual_seed(0)
    words = folder / "words"
    words.mkdir(parents=True)
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    (words / "vocab.json").write_text(json.dumps(vocabulary))
    (words / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(words / "vocab.json"), str(words / "merges.txt"), model_max_length=77
    )
    sizes = {
        "vocab_size": 3,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 12,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    unet = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=32,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=12 + 6 * 8,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 16),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=32,
        scaling_factor=0.13025,
    )
    schedule = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
    )
    pipeline = StableDiffusionXLPipeline(
        vae,
        CLIPTextModel(CLIPTextConfig(**sizes)),
        CLIPTextModelWithProjection(CLIPTextConfig(**sizes)),
        tokenizer,
        tokenizer,
        unet,
        schedule,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder / "xl")
    return folder / "xl", pipeline


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small_xl(tmp_path_factory.mktemp("xl"))


@pytest.fixture
def copy(made, tmp_path):
    ignore = shutil.ignore_patterns("null_condition*")
    return shutil.copytree(made[0], tmp_path / "xl", ignore=ignore)


@pytest.mark.parametrize("zeros", [False, True])
def test_unguided_run_equals_the_pipeline_of_diffusers(copy, made, encoder, objective, zeros):
    pipeline = made[1]
    pipeline.set_progress_bar_config(disable=True)
    index = copy / "model_index.json"
    index.write_text(
        json.dumps({**json.loads(index.read_text()), "force_zeros_for_empty_prompt": zeros})
    )
    generator = DiffusersSDXL(copy)
    # From zeros as from the text encoders: what their pipeline takes for the empty text.
    texts = {"prompt": ""}
    if zeros:
        texts = {
            "prompt_embeds": torch.zeros(1, 77, 32),
            "pooled_prompt_embeds": torch.zeros(1, 12),
        }
    else:
        assert (copy / "null_condition.safetensors").is_file()
    sampler = BrainGuidedSampler(
        generator, encoder, objective, value=0.0, steps=STEPS, scheduler="ddim", device="cpu"
    )
    z = sampler.noise([5])
    expected = pipeline(
        **texts,
        latents=z.clone(),
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        original_size=(32, 32),
        target_size=(32, 32),
        height=32,
        width=32,
        output_type="np",
    ).images[0]
    found = sampler.sample([5]).images[0].transpose(1, 2, 0)
    assert np.abs(found - expected).max() <= 1e-5


def test_guidance_moves_the_objective_and_the_decoder_stays_float32(copy, encoder, objective):
    generator = DiffusersSDXL(copy)
    sampler = BrainGuidedSampler(
        generator, encoder, objective, value=0.3, steps=STEPS, dtype="bfloat16", device="cpu"
    )
    batch = sampler.sample([0, 1, 2])
    assert generator.unet.dtype == torch.bfloat16 and generator.vae.dtype == torch.float32
    values = [
        objective.value(encoder.predict(x), encoder.unit_) for x in (batch.images, batch.unguided)
    ]
    assert batch.finite.all() and (values[0] > values[1]).all()


def test_sizes_and_pooled_text_reach_the_unet(copy):
    generator = DiffusersSDXL(copy)
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = generator.raw(z, 400)
        generator._scale *= 4
        assert not torch.allclose(before, generator.raw(z, 400), atol=1e-5), "sizes are read"
        generator._scale //= 4
        generator.pooled = generator.pooled + 1
        assert not torch.allclose(before, generator.raw(z, 400), atol=1e-5), "pooled text is read"


def test_missing_and_foreign_texts_are_one_line(copy):
    from safetensors.torch import save_file

    shutil.rmtree(copy / "text_encoder_2")
    with pytest.raises(
        InputProblem, match=r"neither null_condition\.safetensors .* text_encoder_2/"
    ):
        DiffusersSDXL(copy)
    path = copy / "null_condition.safetensors"
    save_file({"condition": torch.zeros(1, 77, 32)}, path)
    with pytest.raises(InputProblem, match="no tensor 'pooled'"):
        DiffusersSDXL(copy)
    save_file({"condition": torch.zeros(1, 77, 32), "pooled": torch.zeros(1, 9)}, path)
    with pytest.raises(InputProblem, match="32 and 9 features, the UNet expects 32 and 12"):
        DiffusersSDXL(copy)
