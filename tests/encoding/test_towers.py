"""Folders of transformers: only whole networks of the kind asked for are taken."""

import json
import shutil

import numpy as np
import pytest

from neuro.encoding import VoxelEncoder, backbones, towers
from neuro.io.problems import InputProblem

SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
SIZES |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
WORDS = {**SIZES, "vocab_size": 8, "max_position_embeddings": 4, "bos_token_id": 0}


def small(kind):
    """A model with random weights, in the structure of its published ones."""
    import torch
    import transformers as tf

    torch.manual_seed(0)
    vision = {**SIZES, "projection_dim": 12}
    if kind == "clip":
        return tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**vision))
    if kind == "clip, whole":
        text = {**WORDS, "projection_dim": 12, "eos_token_id": 1}
        return tf.CLIPModel(
            tf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
        )
    if kind == "clip, no projection":
        return tf.CLIPVisionModel(tf.CLIPVisionConfig(**vision))
    if kind == "dinov2":
        return tf.Dinov2Model(tf.Dinov2Config(**{**SIZES, "mlp_ratio": 2}))
    if kind == "dinov2, classifier":
        return tf.Dinov2ForImageClassification(tf.Dinov2Config(**{**SIZES, "mlp_ratio": 2}))
    if kind == "siglip":
        return tf.SiglipVisionModel(tf.SiglipVisionConfig(**SIZES))
    if kind == "siglip, whole":
        text = {key: WORDS[key] for key in WORDS if key not in ("image_size", "patch_size")}
        return tf.SiglipModel(tf.SiglipConfig(text_config=text, vision_config=SIZES))
    sizes = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "image_size": 32}
    if kind == "convnext":
        return tf.ConvNextModel(tf.ConvNextConfig(**sizes))
    return tf.ConvNextForImageClassification(tf.ConvNextConfig(**sizes))


KINDS = ("clip", "clip, whole", "dinov2", "dinov2, classifier", "siglip", "siglip, whole")
KINDS += ("convnext", "convnext, classifier")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    top, made = tmp_path_factory.mktemp("towers"), {}
    for kind in (*KINDS, "clip, no projection"):
        made[kind] = top / kind.replace(", ", "-").replace(" ", "-")
        small(kind).save_pretrained(made[kind])
        if kind.startswith(("dinov2", "convnext")):
            (made[kind] / "preprocessor_config.json").write_text(
                json.dumps({"crop_size": {"height": 32, "width": 32}})
            )
    return made


@pytest.fixture
def copy(folders, tmp_path):
    return lambda kind: shutil.copytree(folders[kind], tmp_path / "copy")


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_model_in_the_folder(folders, kind):
    import torch

    name = kind.partition(",")[0]
    found = backbones.make(name, (3, 32, 32), folders[kind])
    assert found.size == 32
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (found.mean, found.std))
    model = small(kind).eval()
    with torch.no_grad():
        x = (images - mean) / std
        if kind == "clip, whole":
            own = model.visual_projection(model.vision_model(pixel_values=x).pooler_output)
        else:
            inner = {"dinov2, classifier": "dinov2", "convnext, classifier": "convnext"}.get(kind)
            inner = "vision_model" if kind == "siglip, whole" else inner
            out = (getattr(model, inner) if inner else model)(pixel_values=x)
            own = out.image_embeds if name == "clip" else out.pooler_output
        expected = own / own.norm(dim=1, keepdim=True)
        assert torch.allclose(found.features(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    "asked, given, words",
    [
        ("clip", "dinov2", "not a CLIP model (model_type 'dinov2', expected clip or clip_vision"),
        ("clip", "siglip", "set the backbone to siglip"),
        ("dinov2", "clip", "set the backbone to clip"),
        ("clip", "clip, no projection", "the weights lack visual_projection.weight"),
    ],
)
def test_another_network_is_refused_in_one_line(folders, asked, given, words):
    with pytest.raises(InputProblem) as error:
        backbones.make(asked, (3, 32, 32), folders[given])
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("change", ["lost", "shape", "strange", "type"])
def test_weights_that_are_not_whole_are_refused(copy, change):
    from safetensors.torch import load_file, save_file

    folder = copy("clip")
    state = load_file(folder / "model.safetensors")
    name = next(key for key in sorted(state) if key.endswith("mlp.fc1.weight"))
    words = {"lost": f"lack {name}", "shape": f"another shape of {name}"}
    if change == "lost":
        del state[name]
    if change == "shape":
        state[name] = state[name][:, :-1].contiguous()
    if change == "strange":
        state["vision_model.head.weight"] = state[name].clone()
    if change == "type":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "model_type": "vit"}))
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    words |= {"strange": "also hold vision_model.head.weight", "type": "model_type 'vit'"}
    with pytest.raises(InputProblem) as error:
        backbones.make("clip", (3, 32, 32), folder)
    assert words[change] in str(error.value) and "\n" not in str(error.value)


def test_the_fingerprint_covers_every_tensor_and_what_shapes_the_network(copy, folders):
    from safetensors.torch import load_file, save_file

    folder = copy("clip")
    before = backbones.make("clip", (3, 32, 32), folders["clip"]).sha256
    assert backbones.make("clip", (3, 32, 32), folder).sha256 == before, "a copy is the same"
    state = load_file(folder / "model.safetensors")
    found = {before}
    # the other file is the one that used to be hashed; the tensor decides, not the file
    names = sorted(state)
    for name in (names[0], names[len(names) // 2], names[-1]):
        changed = {key: value.clone() for key, value in state.items()}
        changed[name].view(-1)[0] += 0.5
        save_file(changed, folder / "model.safetensors", {"format": "pt"})
        found.add(backbones.make("clip", (3, 32, 32), folder).sha256)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    found.add(backbones.make("clip", (3, 32, 32), folder).sha256)
    assert len(found) == 5


def test_an_encoder_comes_back_only_with_the_weights_it_was_fitted_with(copy, folders, tmp_path):
    from safetensors.torch import load_file, save_file

    rng = np.random.default_rng(0)
    images, betas = rng.random((20, 3, 32, 32)).astype(np.float32), rng.normal(size=(20, 2))
    folder = copy("dinov2")
    encoder = VoxelEncoder("dinov2", folder).fit(images, betas)
    path = encoder.save(tmp_path / "encoder.safetensors")
    again = VoxelEncoder.load(path, folder)
    assert np.allclose(again.predict(images), encoder.predict(images))
    state = load_file(folder / "model.safetensors")
    state["layernorm.bias"] += 1
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputProblem, match="other weights than those the encoder was fitted"):
        VoxelEncoder.load(path, folder)


def test_weights_of_open_clip_say_how_to_convert_them(tmp_path):
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(InputProblem, match="weights of open_clip; convert them"):
        towers.config_of("clip", tmp_path)
