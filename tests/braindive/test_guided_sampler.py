"""The sampler against a plain transcription of the equations, its gradient, its invariances."""

import numpy as np
import pytest
import torch

from neuro.base.seeds import STREAMS
from neuro.braindive import BrainGuidedSampler, DiffusersSD, Objective
from neuro.braindive.diffusion.generator import to_eps
from neuro.io.problems import InputProblem

STEPS = 8


def transcription(folder, encoder, weights, seed, *, gamma, sag, target):
    """One image, step by step as the paper's project page and released code say; three UNet calls.

    Nothing of the sampler is used: diffusers' modules, the readout's numbers, torch.
    """
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor
    from safetensors.torch import load_file
    from torch.nn import functional

    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae").eval()
    condition = load_file(folder / "null_condition.safetensors")["condition"]
    scheduler = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )
    scheduler.set_timesteps(STEPS)
    coef = torch.as_tensor(weights @ encoder.coef_.astype(np.float64)).float()
    maps = []

    class Store(AttnProcessor):
        def __call__(self, attn, hidden_states, encoder_hidden_states=None, **kwargs):
            query = attn.head_to_batch_dim(attn.to_q(hidden_states))
            key = attn.head_to_batch_dim(attn.to_k(hidden_states))
            maps.append(attn.get_attention_scores(query, key).detach())
            return super().__call__(attn, hidden_states, encoder_hidden_states, **kwargs)

    layer = unet.mid_block.attentions[-1].transformer_blocks[-1].attn1
    layer.set_processor(Store())
    rng = np.random.default_rng([0, STREAMS["image"], seed])
    z = torch.from_numpy(rng.standard_normal((4, 8, 8), dtype=np.float32))[None]
    for t in scheduler.timesteps:
        abar = scheduler.alphas_cumprod[t].double().item()
        sb = (1 - abar) ** 0.5
        with torch.no_grad():
            eps = unet(z, t, encoder_hidden_states=condition).sample
            base = eps
            if sag:
                x0 = (z - sb * eps) / abar**0.5
                received = maps[-1].mean(dim=0).sum(dim=0)
                mask = (received > 1.0).float().view(1, 1, 4, 4)
                mask = functional.interpolate(mask, (8, 8))
                grid = torch.arange(-4.0, 5.0)
                kernel = torch.exp(-0.5 * grid**2)
                kernel = (kernel / kernel.sum())[None]
                kernel = (kernel.T @ kernel).repeat(4, 1, 1, 1)
                blur = functional.conv2d(
                    functional.pad(x0, (4, 4, 4, 4), mode="reflect"), kernel, groups=4
                )
                worse = mask * blur + (1 - mask) * x0
                worse = scheduler.add_noise(worse, eps, t[None])
                base = eps + sag * (eps - unet(worse, t, encoder_hidden_states=condition).sample)
        leaf = z.clone().requires_grad_(True)
        again = unet(leaf, t, encoder_hidden_states=condition).sample
        x0 = (leaf - sb * again) / abar**0.5
        x = sb * x0 + (1 - sb) * leaf if target == "blend" else x0
        image = (vae.decode(x / 0.7).sample / 2 + 0.5).clamp(0, 1)
        loss = (encoder.backbone_.features(image) @ coef.T).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        z = scheduler.step(base - sb * gamma * gradient, t, z).prev_sample
    with torch.no_grad():
        return (vae.decode(z / 0.7).sample / 2 + 0.5).clamp(0, 1)[0].numpy()


@pytest.mark.parametrize("sag", [0.0, 0.75])
@pytest.mark.parametrize("target", ["blend", "x0"])
def test_one_forward_sampler_equals_the_transcription(
    sd_folder, generator, encoder, objective, sag, target
):
    weights = objective.matrix(encoder.unit_)
    expected = transcription(sd_folder, encoder, weights, 5, gamma=20.0, sag=sag, target=target)
    sampler = BrainGuidedSampler(
        generator,
        encoder,
        objective,
        strength="gamma",
        value=20.0,
        sag_scale=sag,
        guidance_target=target,
        steps=STEPS,
        device="cpu",
    )
    batch = sampler.sample([5])
    assert np.abs(batch.images[0] - expected).max() <= 1e-5
    assert np.abs(batch.images - batch.unguided).max() > 1e-3, "guidance must do something"


def test_no_strength_equals_the_plain_scheduler_loop(sd_folder, generator, encoder, objective):
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )
    scheduler.set_timesteps(STEPS)
    sampler = BrainGuidedSampler(
        generator, encoder, objective, value=0.0, steps=STEPS, device="cpu"
    )
    z = sampler.noise([3, 4])
    with torch.no_grad():
        for t in scheduler.timesteps:
            eps = generator.unet(
                z, t, encoder_hidden_states=generator.condition.expand(2, -1, -1)
            ).sample
            z = scheduler.step(eps, t, z).prev_sample
        image = (generator.vae.decode(z / 0.7).sample / 2 + 0.5).clamp(0, 1).numpy()
    batch = sampler.sample([3, 4])
    assert np.array_equal(batch.images, image)
    assert np.array_equal(batch.unguided, image)


@pytest.mark.parametrize("target", ["blend", "x0"])
@pytest.mark.parametrize("kind", ["mean", "mds"])
def test_gradient_equals_the_directional_derivative(generator, encoder, target, kind):
    rng = np.random.default_rng(0)
    weights = rng.random((3, len(encoder.unit_))) / len(encoder.unit_)
    weights = weights if kind == "mds" else weights[:1]
    chosen = Objective("c", kind, encoder.unit_, weights, temperature=0.7)
    sampler = BrainGuidedSampler(
        generator,
        encoder,
        chosen,
        strength="gamma",
        value=1.0,
        guidance_target=target,
        device="cpu",
    )
    for part in (generator.unet, generator.vae):
        part.double()
    generator.condition = generator.condition.double()
    z = sampler.noise([1]).double()
    t, abar = 400, generator.alphas_cumprod[400]
    sb = (1 - abar) ** 0.5

    def value(z):
        eps = generator.eps(z, t)
        x0 = (z - sb * eps) / abar**0.5
        x = sb * x0 + (1 - sb) * z if target == "blend" else x0
        return sampler._value_of((generator.decode(x) / 2 + 0.5).clamp(0, 1))[0]

    with torch.no_grad():
        eps = generator.eps(z, t)
        found, activation, _, good = sampler.guided_eps(z, t, 1.0)
        gradient = (eps - found) / sb
        step = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(2))
        h = 1e-6
        slope = float((value(z + h * step) - value(z - h * step)) / (2 * h))
        assert good.all() and np.isclose(activation[0], float(value(z)), rtol=1e-5)
    assert abs(slope - float((gradient * step).sum())) <= 1e-5 * abs(slope)


def test_the_three_predictions_give_the_same_x0():
    rng = torch.Generator().manual_seed(0)
    z, eps = torch.randn((2, 1, 4, 8, 8), generator=rng, dtype=torch.float64)
    for abar in (0.02, 0.5, 0.98):
        x0 = (z - (1 - abar) ** 0.5 * eps) / abar**0.5
        v = abar**0.5 * eps - (1 - abar) ** 0.5 * x0
        for output, kind in ((eps, "epsilon"), (v, "v_prediction"), (x0, "sample")):
            again = to_eps(output, z, abar, kind)
            assert torch.allclose((z - (1 - abar) ** 0.5 * again) / abar**0.5, x0, atol=1e-6)


def test_images_do_not_depend_on_the_batch_and_repeat_exactly(generator, encoder, objective):
    sampler = BrainGuidedSampler(
        generator, encoder, objective, strength="ratio", value=0.2, steps=STEPS, device="cpu"
    )
    four = sampler.sample([1, 2, 3, 4])
    assert np.array_equal(sampler.sample([1, 2, 3, 4]).images, four.images)
    for k, seed in enumerate([1, 2, 3, 4]):
        one = sampler.sample([seed])
        assert np.abs(one.images[0] - four.images[k]).max() <= 1e-4
        levels = np.abs(np.round(255 * one.images[0]) - np.round(255 * four.images[k]))
        assert levels.max() <= 1 and (levels > 0).mean() <= 1e-3


def test_ratio_mode_makes_the_correction_that_was_asked_for(generator, encoder, objective):
    sampler = BrainGuidedSampler(
        generator, encoder, objective, strength="ratio", value=0.3, steps=4, device="cpu"
    )
    batch = sampler.sample([0, 1])
    for rows in batch.trace:
        for row in rows:
            sb = (1 - generator.alphas_cumprod[row["t"]]) ** 0.5
            assert np.isclose(row["ratio"], 0.3 * sb, rtol=1e-4)
    assert np.allclose(
        batch.correction_ratio, [np.mean([r["ratio"] for r in rows]) for rows in batch.trace]
    )


def test_guidance_only_in_the_interval_and_every_nth_step(generator, encoder, objective):
    options = {"steps": 8, "device": "cpu"}
    half = BrainGuidedSampler(generator, encoder, objective, guide_interval=(0, 0.5), **options)
    assert len(half.sample([0]).trace[0]) == 4
    some = BrainGuidedSampler(generator, encoder, objective, guide_every=4, **options)
    assert len(some.sample([0]).trace[0]) == 2


def test_without_unet_backprop_the_gradient_is_that_of_constant_noise(
    generator, encoder, objective
):
    sampler = BrainGuidedSampler(
        generator,
        encoder,
        objective,
        strength="gamma",
        value=1.0,
        unet_backprop=False,
        device="cpu",
    )
    z, t = sampler.noise([7]), 500
    abar = generator.alphas_cumprod[t]
    sb = (1 - abar) ** 0.5
    with torch.no_grad():
        eps = generator.eps(z, t)
    leaf = z.clone().requires_grad_(True)
    x = sb * (leaf - sb * eps) / abar**0.5 + (1 - sb) * leaf
    value = sampler._value_of((generator.decode(x) / 2 + 0.5).clamp(0, 1)).sum()
    (gradient,) = torch.autograd.grad(value, leaf)
    found = sampler.guided_eps(z, t, 1.0)[0]
    assert torch.allclose(found, eps - sb * gradient, atol=1e-6)


def test_attention_is_left_as_it_was(generator, encoder, objective):
    layer = generator.unet.mid_block.attentions[-1].transformer_blocks[-1].attn1
    before = layer.processor
    BrainGuidedSampler(generator, encoder, objective, sag_scale=0.75, steps=2, device="cpu").sample(
        [0]
    )
    assert layer.processor is before


def test_a_gradient_that_is_not_finite_is_skipped_once_then_fails_the_seed(
    generator, encoder, objective
):
    lines = []
    sampler = BrainGuidedSampler(
        generator, encoder, objective, steps=4, device="cpu", log=lines.append
    )
    good = sampler._value_of
    calls = {"n": 0, "until": 1}

    def broken(images):
        calls["n"] += 1
        values = good(images)
        factor = torch.ones(len(images))
        factor[0] = float("nan") if calls["n"] <= calls["until"] else 1.0
        return values * factor

    sampler._value_of = broken
    assert sampler.sample([0, 1]).finite.all()
    assert lines == ["t 999: gradient not finite for 1 images, step skipped"]
    calls |= {"n": 0, "until": 2}
    batch = sampler.sample([0, 1])
    assert list(batch.finite) == [False, True]
    assert np.isfinite(batch.images[1]).all()


def test_v_prediction_folder_is_converted(tmp_path, make_sd):
    folder = make_sd(tmp_path / "v", "v_prediction")
    generator = DiffusersSD(folder)
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    abar = generator.alphas_cumprod[300]
    with torch.no_grad():
        v = generator.raw(z, 300)
        eps = generator.eps(z, 300)
    assert torch.allclose(eps, abar**0.5 * v + (1 - abar) ** 0.5 * z, atol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"preset": "bold"}, "preset: got 'bold'"),
        ({"strength": "big"}, "strength: got 'big', expected ratio, gamma, polyak"),
        ({"guidance_target": "z"}, "guidance_target: got 'z', expected blend or x0"),
        ({"scheduler": "euler"}, "scheduler: got 'euler', expected dpmsolver"),
    ],
)
def test_wrong_options_are_one_line(generator, encoder, objective, change, message):
    with pytest.raises(InputProblem, match=message):
        BrainGuidedSampler(generator, encoder, objective, **{"device": "cpu", **change})


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_one_line(generator, encoder, objective):
    with pytest.raises(InputProblem, match=r"braindive\.device: 'cuda', but no CUDA device"):
        BrainGuidedSampler(generator, encoder, objective, device="cuda")
