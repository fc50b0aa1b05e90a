"""Without a GPU: everything ends on one device, in its final number type, and asks for its size."""

import json
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler, DiffusersSD, DiffusersSDXL
from neuro.braindive.diffusion import memory
from neuro.braindive.diffusion.candidates import best_of
from neuro.braindive.diffusion.folder import loaded_bytes, numbers_in, weights_hash
from neuro.io.problems import InputProblem

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def xl_folder(tmp_path_factory, make_xl):
    return make_xl(tmp_path_factory.mktemp("xl") / "model")


@pytest.fixture(params=["sd", "sdxl"])
def model(request, sd_folder, xl_folder):
    kind = {"sd": DiffusersSD, "sdxl": DiffusersSDXL}[request.param]
    return request.param, kind, {"sd": sd_folder, "sdxl": xl_folder}[request.param]


def tensors(generator):
    for part in (generator.unet, generator.vae):
        yield from part.parameters()
        yield from part.buffers()
    yield from generator._texts()


def test_models_and_tensors_end_on_one_device(model, make_encoder):
    """On `meta` a tensor that was left on the CPU is an error, as it would be on a GPU."""
    from neuro.braindive import Objective

    _, kind, folder = model
    generator, encoder = kind(folder), make_encoder(name="pixels")
    objective = Objective.from_rois({"FFA": 1.0}, encoder.unit_, encoder.roi_)
    sampler = BrainGuidedSampler(generator, encoder, objective, device="cpu", steps=2)
    generator.to("meta", torch.bfloat16)
    assert {tensor.device.type for tensor in tensors(generator)} == {"meta"}
    z = torch.empty(2, *generator.latent_shape, device="meta")
    eps, values, gradient = sampler.gradient(z, 500, generator)
    assert {eps.device.type, values.device.type, gradient.device.type} == {"meta"}
    assert eps.shape == gradient.shape == z.shape and values.shape == (2,)
    gabor = make_encoder()
    value = Objective.from_rois({"EBA": 1.0}, gabor.unit_, gabor.roi_).folded(gabor)
    assert value(torch.empty(2, 3, 32, 32, device="meta")).device.type == "meta"


@pytest.mark.parametrize(
    "options",
    [
        {"sag_scale": 0.75},
        {"guide_augment": 2},
        {"strength": "polyak", "polyak_target": 1.0},
        {"unet_backprop": False, "guidance_target": "x0"},
    ],
)
def test_every_option_of_guidance_stays_on_one_device(sd_folder, make_encoder, options):
    from neuro.braindive import DiffusersSD, Objective
    from neuro.braindive.diffusion.guidance import correction, fresh, noised_back, streams

    encoder = make_encoder(name="pixels")
    objective = Objective.from_rois({"FFA": 1.0}, encoder.unit_, encoder.roi_)
    generator = DiffusersSD(sd_folder)
    sampler = BrainGuidedSampler(generator, encoder, objective, device="cpu", steps=2, **options)
    generator.to("meta", torch.bfloat16)
    z = torch.empty(2, *generator.latent_shape, device="meta")
    keys = [(0,), (1,)]
    with sampler._attention() as kept:
        out, values, gradient = sampler.gradient(z, 500, generator, (keys, 0, 0))
        base = sampler._attended(z, 500, out, kept)
    eps = generator.noise_in(z, 500, out)
    told = {"values": values, "target": sampler.polyak_target}
    taken = correction(sampler.strength, 0.2, gradient, eps, 0.5, **told)
    noise = fresh(streams(0, "copies for the gradient", keys, 0), z)
    again = noised_back(z, (0.5, 0.5), (0.6, 0.4), noise)
    made = (out, values, gradient, base, taken, again, generator.corrected(base, taken, 500))
    assert {tensor.device.type for tensor in made} == {"meta"}


@pytest.mark.parametrize("kind", ["clip", "dinov2", "siglip", "convnext", "tiny", "tiny_cnn"])
def test_every_network_of_a_guide_ends_on_one_device(kind, tmp_path, make_tower, make_encoder):
    from neuro.braindive import Objective
    from neuro.encoding import tiny, towers

    encoder = make_encoder(name="pixels")
    if kind.startswith("tiny"):
        pictures = np.random.default_rng(0).random((8, 3, 32, 32)).astype(np.float32)
        recipe = tiny.Recipe(epochs=1, batch=8)
        encoder.backbone_, _ = tiny.train(kind, pictures, labels=np.arange(8) % 2, recipe=recipe)
    else:
        encoder.backbone_ = towers.load(kind, make_tower(kind, tmp_path / kind))
    width = encoder.features(np.zeros((1, 3, 32, 32), np.float32)).shape[1]
    encoder.coef_ = np.ones((24, width), np.float32)
    value = Objective.from_rois({"FFA": 1.0}, encoder.unit_, encoder.roi_).folded(encoder)
    encoder.backbone_.to("meta")
    assert encoder.backbone_.device.type == "meta"
    assert value(torch.empty(2, 3, 32, 32, device="meta")).device.type == "meta"


def test_weights_are_loaded_in_the_type_they_run_in(model):
    name, kind, folder = model
    exact, small = kind(folder), kind(folder, "bfloat16")
    assert small.unet.dtype == torch.bfloat16
    expected = torch.float32 if name == "sdxl" else torch.bfloat16
    assert {p.dtype for p in small.vae.parameters()} == {expected}
    for key, value in exact.unet.state_dict().items():
        assert torch.equal(small.unet.state_dict()[key], value.to(torch.bfloat16))
    # moved to the smaller type afterwards: the same model, and the VAE of SDXL is not rounded
    moved = kind(folder).to("cpu", torch.bfloat16)
    for key, value in exact.vae.state_dict().items():
        assert torch.equal(moved.vae.state_dict()[key], value.to(expected))
        assert torch.equal(small.vae.state_dict()[key], value.to(expected))
    assert moved.describe() == small.to("cpu", torch.bfloat16).describe()
    assert loaded_bytes(folder, "bfloat16", xl=name == "sdxl") == sum(
        p.numel() * p.element_size() for part in (small.unet, small.vae) for p in part.parameters()
    )


def test_weights_of_another_shape_are_one_line(make_sd, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = make_sd(tmp_path / "sd")
    file = folder / "unet/diffusion_pytorch_model.safetensors"
    state = load_file(file)
    name = sorted(state)[0]
    for change in (lambda: state.pop(name), lambda: state.update({name: torch.zeros(3)})):
        change()
        save_file(state, file)
        with pytest.raises(InputProblem, match=r"unet: weights do not fit config\.json"):
            DiffusersSD(folder)
    file.write_bytes(struct.pack("<Q", 1 << 60))
    with pytest.raises(InputProblem, match="not a safetensors file"):
        numbers_in(file)


def test_the_fingerprint_covers_weights_settings_and_the_empty_text(make_sd, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = make_sd(tmp_path / "sd")
    first = DiffusersSD(folder).describe()
    assert DiffusersSD(folder).describe() == first
    state = load_file(folder / "null_condition.safetensors")
    state["condition"][0, 0, 0] += 1
    save_file(state, folder / "null_condition.safetensors")
    second = DiffusersSD(folder).describe()
    assert second["sha256"] == first["sha256"]
    assert second["condition_sha256"] != first["condition_sha256"]
    path = folder / "scheduler/scheduler_config.json"
    before = weights_hash(folder)
    path.write_text(json.dumps({**json.loads(path.read_text()), "beta_end": 0.011}))
    assert weights_hash(folder) != before


def helpers(**section):
    """The functions of the rules under settings of the stage."""
    from neuro.config.resolve import resolve

    config = {"data": {"kind": "none"}, "braindive": {"enabled": True, **section}}
    assert resolve(config) == []
    space = {"config": config, "settings": lambda *_: {}, "ONCE": None}
    exec((ROOT / "workflow/rules/braindive_helpers.smk").read_text(), space)
    return space


def test_only_a_network_from_a_folder_asks_for_a_gpu_to_fit(tmp_path):
    def asks(**section):
        space = helpers(**section)
        roles = ("encoder", "independent", "category")
        return [space["braindive_encode_gpu"](SimpleNamespace(role=role)) for role in roles]

    clip = {"encoder": {"backbone": "clip", "path": str(tmp_path)}}
    assert asks(device="auto") == [0, 0, 0]
    assert asks(device="auto", **clip) == asks(encode_device="cuda", device="cpu", **clip)
    assert asks(device="auto", **clip) == [1, 0, 0]
    assert asks(device="cpu", **clip) == asks(encode_device="cpu", **clip) == [0, 0, 0]


def asked(folder, **changes):
    """What the rule asks for at its first attempts, in MB."""
    section = {"generator": {"type": "sd", "path": str(folder)}, "device": "cpu"}
    space = helpers(**section | changes)
    return [space["braindive_sample_memory"](None, None, attempt) for attempt in (1, 2, 3)]


def sized(folder, numbers):
    """The folder with headers of a large model; a header is all that is read."""
    for part, count in numbers.items():
        header = {"w": {"dtype": "F16", "shape": [count], "data_offsets": [0, 2 * count]}}
        text = json.dumps(header).encode()
        path = folder / part / "diffusion_pytorch_model.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text)
    return folder


def test_the_request_follows_the_folder_and_grows(make_sd, tmp_path):
    small = asked(make_sd(tmp_path / "small"))
    sdxl = sized(make_sd(tmp_path / "large"), {"unet": 2_567_000_000, "vae": 83_000_000})
    large = asked(sdxl)
    # float32 on a CPU: 10.6 GB of weights; a GPU run in bfloat16 needs half for the UNet
    assert large[0] > 10_100 * 1.1 and large[0] > small[0] + 10_000
    assert large[1] >= 2 * large[0] and large[2] >= 3 * large[0]
    half = asked(sdxl, dtype="bfloat16")
    # told that it is SDXL, its VAE of 83 million numbers stays in float32
    xl = asked(sdxl, dtype="bfloat16", generator={"type": "sdxl", "path": str(sdxl)})
    assert 150 < xl[0] - half[0] < 250 and xl[1] >= 2 * xl[0]
    assert small[0] + 4_000 < half[0] < large[0] - 4_000


def test_a_dry_run_counts_the_decoder_of_sdxl_in_float32(xl_folder):
    section = {
        "generator": {"type": "sdxl", "path": str(xl_folder)},
        "dtype": "bfloat16",
        "device": "cpu",
        "batch_size": 1,
        "unet_backprop": True,
    }
    found = memory.estimate(section)
    model = DiffusersSDXL(xl_folder, "bfloat16")
    parts = [model.unet, model.vae.decoder, model.vae.post_quant_conv]
    assert found.weights == sum(
        p.numel() * p.element_size() for part in parts for p in part.parameters()
    )


def test_a_model_that_cannot_be_built_is_one_short_line(make_sd, tmp_path, monkeypatch):
    from diffusers import UNet2DConditionModel

    def refused(*arguments, **more):
        raise ValueError("x" * 200 + "\nsecond line")

    folder = make_sd(tmp_path / "sd")
    monkeypatch.setattr(UNet2DConditionModel, "from_config", refused)
    section = {"generator": {"type": "sd", "path": str(folder)}, "dtype": "auto", "device": "cpu"}
    with pytest.raises(InputProblem) as caught:
        memory.estimate(section)
    assert str(caught.value).endswith(f"config.json cannot be used ({'x' * 60})")


def test_best_of_takes_the_guides_favourite_and_needs_no_gradient(generator, encoder, objective):
    sampler = BrainGuidedSampler(generator, encoder, objective, steps=2, device="cpu").ready()
    twin = sampler.sample([4]).unguided[0]
    image, value = best_of(sampler, 4, 5, twin)
    again, same = best_of(sampler, 4, 5, twin, batch_size=2)
    assert np.allclose(image, again, atol=1e-5) and same == pytest.approx(value, abs=1e-5)

    def told(picture):
        return float(objective.value(encoder.predict(picture[None]), encoder.unit_)[0])

    assert value == pytest.approx(told(image), abs=1e-4) and value >= told(twin) - 1e-4
    assert best_of(sampler, 4, 1, twin)[0] is not None
    assert np.array_equal(best_of(sampler, 4, 1, twin)[0], twin)
    values = [best_of(sampler, 4, n, twin)[1] for n in (1, 2, 5)]
    assert values == sorted(values)
