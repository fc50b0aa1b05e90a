"""Flow models: the same pictures as the pipelines of diffusers, and the formula of guidance."""

import itertools
import json

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler
from neuro.braindive.diffusion import flow, flow_folder
from neuro.io.problems import InputProblem

STEPS = 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory, make_flow):
    top = tmp_path_factory.mktemp("flow")
    return {
        "sd3": make_flow(top / "sd3", "sd3", shards=True),
        "flux": make_flow(top / "flux", "flux", dynamic=True),
    }


def sampler(folders, kind, encoder, objective, **changes):
    own = {"steps": STEPS, "device": "cpu", "value": 0.0, "random_state": 4, **changes}
    return BrainGuidedSampler(flow.FlowGenerator(folders[kind], kind), encoder, objective, **own)


def pipeline(folders, kind, noise):
    """The unguided picture as the pipeline of diffusers draws it."""
    import diffusers

    generator = flow.FlowGenerator(folders[kind], kind)
    parts = {"scheduler": diffusers.FlowMatchEulerDiscreteScheduler(**plain(generator.schedule))}
    parts |= {"transformer": generator.unet, "vae": generator.vae}
    texts = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
    texts += ("text_encoder_3", "tokenizer_3") if kind == "sd3" else ()
    name = {"sd3": "StableDiffusion3Pipeline", "flux": "FluxPipeline"}[kind]
    pipe = getattr(diffusers, name)(**parts, **dict.fromkeys(texts))
    pipe.set_progress_bar_config(disable=True)
    own = {"prompt_embeds": generator.condition, "pooled_prompt_embeds": generator.pooled}
    own |= {"height": 16, "width": 16, "num_inference_steps": STEPS, "output_type": "np"}
    if kind == "sd3":
        own |= {"guidance_scale": 0.0, "latents": noise}
    else:
        own |= {"guidance_scale": 3.5, "latents": flow.packed(noise)}
    return pipe(**own).images.transpose(0, 3, 1, 2)


def plain(schedule):
    return {key: value for key, value in schedule.items() if key[0] != "_"}


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_an_unguided_picture_is_the_pipelines(folders, kind, encoder, objective):
    own = sampler(folders, kind, encoder, objective)
    found = own.sample([3])
    told = pipeline(folders, kind, own.noise([3]))
    assert np.abs(found.images - told).max() < 1e-5
    assert np.array_equal(found.images, found.unguided)
    assert np.ptp(found.images) > 0.05


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_a_guided_picture_is_the_formulas(folders, kind, encoder, objective):
    gamma = 3.0
    own = sampler(folders, kind, encoder, objective, strength="gamma", value=gamma)
    found = own.sample([3, 5])
    generator, value_of = own.generator, objective.folded(encoder)
    z = own.noise([3, 5])
    steps = generator.steps("", STEPS)
    sigmas, guided = steps.sigmas.tolist(), 0
    for s, after in itertools.pairwise(sigmas):
        leaf = z.clone().requires_grad_(True)
        v = generator.raw(leaf, 1000 * s)
        x0 = leaf - s * v
        image = (generator.decode(s * x0 + (1 - s) * leaf) / 2 + 0.5).clamp(0, 1)
        (g,) = torch.autograd.grad(value_of(image).sum(), leaf)
        noise = (z + (1 - s) * v).detach()
        x0 = x0.detach()
        if 1 - s >= 0.05:
            # the noise is changed; the picture follows from z = (1 - s) x0 + s noise
            noise = noise - s * gamma * g
            x0 = (z - s * noise) / (1 - s)
            guided += 1
        z = z + (after - s) * (noise - x0)
    with torch.no_grad():
        told = (generator.decode(z) / 2 + 0.5).clamp(0, 1).numpy()
    assert guided == STEPS - 1, "the first step is noise alone"
    assert np.abs(found.images - told).max() < 1e-4
    assert np.abs(found.images - found.unguided).max() > 1e-3
    assert all(len(rows) == guided for rows in found.trace)


def test_levels_hold_the_identities_of_a_straight_flow(folders, encoder, objective):
    generator = flow.FlowGenerator(folders["sd3"], "sd3")
    x0, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    for t in (50.0, 500.0, 990.0):
        a, b = generator.levels(t)
        z, v = a * x0 + b * noise, noise - x0
        assert torch.allclose(generator.picture_in(z, t, v), x0, atol=1e-5)
        assert torch.allclose(generator.noise_in(z, t, v), noise, atol=1e-5)
        taken = 0.1 * torch.randn_like(z)
        new = generator.corrected(v, taken, t)
        assert torch.allclose(generator.noise_in(z, t, new), noise - taken, atol=1e-5)
    packed = flow.packed(z)
    assert packed.shape == (2, 16, 16) and torch.equal(flow.unpacked(packed, 8, 8), z)
    assert torch.equal(packed[0, 1, 4:8], z[0, 1, :2, 2:4].flatten())


def test_encoding_is_undone_by_the_decoder_scale(folders):
    generator = flow.FlowGenerator(folders["sd3"], "sd3")
    images = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        latent = generator.vae.encode(images).latent_dist.mode()
        told = generator.vae.decode(latent).sample
        assert torch.allclose(generator.decode(generator.encode(images)), told, atol=1e-5)


def test_folders_of_another_kind_are_refused(folders, tmp_path):
    import shutil

    with pytest.raises(InputProblem, match="type to flux"):
        flow_folder.check_flow(folders["flux"], "sd3")
    with pytest.raises(InputProblem, match="no such folder"):
        flow_folder.check_flow(tmp_path / "none", "sd3")
    copy = tmp_path / "copy"
    shutil.copytree(folders["sd3"], copy)
    (copy / "null_condition.safetensors").unlink()
    with pytest.raises(InputProblem, match="encode_prompt"):
        flow_folder.check_flow(copy, "sd3")
    shutil.copy(folders["sd3"] / "null_condition.safetensors", copy)
    config = json.loads((copy / "vae/config.json").read_text())
    (copy / "vae/config.json").write_text(json.dumps({**config, "latent_channels": 16}))
    with pytest.raises(InputProblem, match="takes 4 channels, the VAE makes 16"):
        flow_folder.check_flow(copy, "sd3")
    (copy / "vae/config.json").write_text(json.dumps(config))
    file = copy / "scheduler/scheduler_config.json"
    file.write_text(json.dumps({"_class_name": "DDIMScheduler"}))
    with pytest.raises(InputProblem, match="scheduler DDIMScheduler, expected FlowMatch"):
        flow_folder.check_flow(copy, "sd3")
    sorted((copy / "transformer").glob("*-of-*.safetensors"))[0].unlink()
    with pytest.raises(InputProblem, match="weights do not fit"):
        flow_folder.load_flow(copy, "sd3", "float32")


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_models_and_tensors_of_a_flow_end_on_one_device(folders, kind, make_encoder):
    """On `meta` a tensor that was left on the CPU is an error, as it would be on a GPU."""
    from neuro.braindive import Objective

    encoder = make_encoder(name="pixels")
    objective = Objective.from_rois({"FFA": 1.0}, encoder.unit_, encoder.roi_)
    own = sampler(folders, kind, encoder, objective)
    generator = own.generator.to("meta", torch.bfloat16)
    parts = [*generator.unet.parameters(), *generator.vae.parameters(), *generator._texts()]
    assert {tensor.device.type for tensor in parts} == {"meta"}
    z = torch.empty(2, *generator.latent_shape, device="meta")
    out, values, gradient = own.gradient(z, 500.0, generator)
    new = generator.corrected(out, generator.noise_in(z, 500.0, out), 500.0)
    assert {x.device.type for x in (out, values, gradient, new)} == {"meta"}
    assert out.shape == gradient.shape == z.shape and values.shape == (2,)


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_memory_is_counted_without_weights(folders, kind):
    from neuro.braindive.diffusion import kinds

    own = {"generator": {"type": kind, "path": str(folders[kind])}, "dtype": "float32"}
    own |= {"device": "cpu", "batch_size": 1, "unet_backprop": True}
    one = kinds.estimate(own)
    two = kinds.estimate({**own, "batch_size": 2})
    generator = flow.FlowGenerator(folders[kind], kind)
    parts = (generator.unet, generator.vae)
    size = 4 * sum(p.numel() for part in parts for p in part.parameters())
    encoder = 4 * sum(p.numel() for p in generator.vae.encoder.parameters())
    assert one.weights == size - encoder
    assert two.unet > 1.5 * one.unet > 0 and two.decoder > 1.5 * one.decoder
    stored = kinds.size(folders[kind], kind, "float32")
    assert size <= stored <= 1.05 * size, "places of the tokens are stored as well"
    assert kinds.size(folders[kind], kind, "bfloat16") * 2 == stored
    assert kinds.estimate({**own, "unet_backprop": False}).unet == 0
