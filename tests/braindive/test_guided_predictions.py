"""Models that predict noise, v or the sample: whole runs beside the schedulers of diffusers."""

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler, DiffusersSD
from neuro.braindive.diffusion.generator import alphas_cumprod
from neuro.braindive.diffusion.schedulers import make_scheduler
from neuro.io.problems import InputProblem

STEPS = 6
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture(scope="module", params=["epsilon", "v_prediction", "sample"])
def model(request, make_sd, tmp_path_factory):
    folder = make_sd(tmp_path_factory.mktemp("kind") / "m", request.param)
    return DiffusersSD(folder), request.param


def theirs(name, kind):
    """The scheduler of diffusers in the model's own terms."""
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    if name == "ddim":
        made = DDIMScheduler(
            **BETAS, prediction_type=kind, clip_sample=False, set_alpha_to_one=False
        )
    else:
        made = DPMSolverMultistepScheduler(**BETAS, prediction_type=kind)
    made.set_timesteps(STEPS)
    return made


def own_terms(z, output, slope, sb, abar, kind):
    """The model's output when its noise prediction falls by `slope`: x0 rises with it."""
    a = abar**0.5
    if kind == "epsilon":
        return output - slope
    x0 = output if kind == "sample" else a * z - sb * output
    x0 = x0 + sb * slope / a
    return x0 if kind == "sample" else (a * z - x0) / sb


@pytest.mark.parametrize("scheduler", ["ddim", "dpmsolver++"])
@pytest.mark.parametrize("gamma", [0.0, 15.0])
def test_every_step_of_a_run_equals_that_in_the_models_own_terms(
    model, encoder, objective, scheduler, gamma
):
    generator, kind = model
    sampler = BrainGuidedSampler(
        generator,
        encoder,
        objective,
        strength="gamma",
        value=gamma,
        scheduler=scheduler,
        steps=STEPS,
        device="cpu",
    )
    steps, ours = theirs(scheduler, kind), make_scheduler(scheduler, generator, STEPS)
    z = sampler.noise([3])
    for t in steps.timesteps:
        abar = float(steps.alphas_cumprod[t])
        sb = (1 - abar) ** 0.5
        leaf = z.clone().requires_grad_(True)
        output = generator.unet(leaf, t, encoder_hidden_states=generator.condition).sample
        if kind == "epsilon":
            x0 = (leaf - sb * output) / abar**0.5
        else:
            x0 = output if kind == "sample" else abar**0.5 * leaf - sb * output
        image = generator.vae.decode((sb * x0 + (1 - sb) * leaf) / 0.7).sample
        value = sampler._value_of((image / 2 + 0.5).clamp(0, 1)).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        changed = own_terms(z, output.detach(), sb * gamma * gradient, sb, abar, kind)
        expected = steps.step(changed, t, z).prev_sample
        eps = sampler.guided_eps(z, int(t), gamma)[0] if gamma else sampler.base_eps(z, int(t))
        # From the same latent: rounding is amplified along a guided path.
        z = ours.step(eps.detach(), t, z).prev_sample
        assert (z - expected).abs().max() <= 1e-5 * max(1, float(z.abs().max()))
    with torch.no_grad():
        image = (generator.vae.decode(z / 0.7).sample / 2 + 0.5).clamp(0, 1)[0].numpy()
    found = sampler.sample([3])
    assert np.array_equal(found.images[0], image), "a run is made of these steps"
    moved = np.abs(found.images - found.unguided).max()
    assert moved == 0 if gamma == 0 else moved > 1e-3


def test_schedules_that_end_without_signal_are_refused():
    with pytest.raises(InputProblem, match="m: scheduler with rescale_betas_zero_snr; guidance"):
        alphas_cumprod({**BETAS, "rescale_betas_zero_snr": True}, "DDIMScheduler", "m")
