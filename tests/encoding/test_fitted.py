"""Encoders that others fitted: exact against a readout made by hand, refused in one line."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from neuro.encoding import VoxelEncoder, assembled, berg, fitted, vit
from neuro.encoding.backbones import make
from neuro.io.problems import InputProblem

N_VOXELS, EDGE = 5, 16


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((6, 3, EDGE, EDGE)).astype(np.float32)


def readout(path, header=None, **tensors):
    """A readout of pixels with random weights."""
    rng = np.random.default_rng(1)
    width = make("pixels", (3, EDGE, EDGE)).features(torch.zeros(1, 3, EDGE, EDGE)).shape[1]
    own = {"weight": rng.normal(size=(N_VOXELS, width)), "bias": rng.normal(size=N_VOXELS)}
    own = {key: torch.as_tensor(value, dtype=torch.float32) for key, value in own.items()}
    own = {key: value for key, value in (own | tensors).items() if value is not None}
    words = {"backbone": "pixels", "size": str(EDGE)}
    words |= {"unit": json.dumps([f"a{k}" for k in range(N_VOXELS)])}
    words |= {"roi": json.dumps(["FFA", "FFA", "FFA|OFA", "EBA", "EBA"])}
    words = {key: value for key, value in (words | (header or {})).items() if value is not None}
    save_file(own, path, words)
    return own


def test_a_readout_predicts_what_its_weights_say(tmp_path, images):
    own = readout(tmp_path / "r.safetensors")
    encoder = fitted.from_readout(tmp_path / "r.safetensors", backbone="pixels")
    # by hand: means over 2 x 2 pixels less a half, then the sum over pixels
    small = images.reshape(6, 3, EDGE // 2, 2, EDGE // 2, 2).mean(axis=(3, 5)) - 0.5
    told = small.reshape(6, -1) @ own["weight"].numpy().T + own["bias"].numpy()
    assert np.abs(encoder.predict(images) - told).max() < 1e-5
    assert encoder.unit_ == ["a0", "a1", "a2", "a3", "a4"] and encoder.roi_[2] == "FFA|OFA"
    encoder.save(tmp_path / "again.safetensors")
    again = VoxelEncoder.load(tmp_path / "again.safetensors")
    assert np.array_equal(again.predict(images), encoder.predict(images))
    assert again.fingerprint() == encoder.fingerprint()
    # what neuro wrote is a readout as well
    third = fitted.from_readout(tmp_path / "again.safetensors", backbone="pixels")
    assert np.array_equal(third.predict(images), encoder.predict(images))


def test_without_names_and_bias(tmp_path, images):
    own = readout(tmp_path / "r.safetensors", {"unit": None, "roi": None}, bias=None)
    encoder = fitted.from_readout(tmp_path / "r.safetensors")
    assert encoder.unit_[:2] == ["v00000", "v00001"] and set(encoder.roi_) == {"all"}
    assert np.abs(encoder.intercept_).max() == 0 and len(own) == 1
    assembled.keep(encoder, [3, 1])
    assert encoder.unit_ == ["v00003", "v00001"] and encoder.predict(images).shape == (6, 2)


@pytest.mark.parametrize(
    "header, tensors, words",
    [
        ({"backbone": None}, {}, "no 'backbone' in the header"),
        ({}, {"weight": None}, "no tensor 'weight'"),
        ({"backbone": "gabor"}, {}, "fitted on backbone 'gabor'"),
        ({"size": None}, {}, "no 'size'"),
        ({}, {"weight": torch.zeros(5, 7)}, "weights for 7 features, pixels gives"),
        ({}, {"bias": torch.zeros(4)}, "bias of shape"),
        ({}, {"bias": torch.full((5,), torch.nan)}, "not finite"),
        ({"unit": json.dumps(["a"] * 5)}, {}, "two voxels of one name"),
        ({"roi": json.dumps(["FFA"])}, {}, "1 names in 'roi', 5 voxels"),
        ({"sha256": "0" * 64}, {}, "fitted with other weights"),
    ],
)
def test_a_readout_that_does_not_fit_is_refused(tmp_path, header, tensors, words):
    readout(tmp_path / "r.safetensors", header, **tensors)
    with pytest.raises(InputProblem, match=words) as told:
        fitted.from_readout(tmp_path / "r.safetensors", backbone="pixels")
    assert "\n" not in str(told.value)
    (tmp_path / "no.safetensors").write_text("no tensors")
    with pytest.raises(InputProblem, match="not a safetensors file"):
        fitted.from_readout(tmp_path / "no.safetensors")


def clip_folder(folder):
    import transformers as tf

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8, "projection_dim": 12}
    tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**sizes)).save_pretrained(folder)
    return folder


def test_a_released_checkpoint_is_linear_in_the_unit_embedding(tmp_path, images):
    folder = clip_folder(tmp_path / "clip")
    weight, bias = torch.randn(7, 12), torch.randn(7)
    network = {"final_1_higher.weight": weight, "final_1_higher.bias": bias}
    torch.save({"network": network}, tmp_path / "00100.chkpt")
    encoder = fitted.from_checkpoint(tmp_path / "00100.chkpt", folder)
    import transformers as tf

    model = tf.CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    from neuro.encoding.towers import CLIP_MEAN, CLIP_STD

    x = torch.nn.functional.interpolate(
        torch.as_tensor(images), size=(32, 32), mode="bilinear", align_corners=False
    )
    x = (x - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
    with torch.no_grad():
        seen = torch.nn.functional.normalize(model(pixel_values=x).image_embeds, dim=1)
        told = torch.nn.functional.linear(seen, weight, bias).numpy()
    assert np.abs(encoder.predict(images) - told).max() < 1e-5
    network |= {key.replace("_1_", "_2_"): value for key, value in network.items()}
    torch.save({"network": network}, tmp_path / "two.chkpt")
    with pytest.raises(InputProblem, match="2 readouts named final_<subject>_higher"):
        fitted.from_checkpoint(tmp_path / "two.chkpt", folder)
    torch.save({"network": {"final_1_higher.weight": torch.zeros(3, 2048)}}, tmp_path / "w")
    with pytest.raises(InputProblem, match="weights for 2048 features, clip gives 12"):
        fitted.from_checkpoint(tmp_path / "w", folder)


class Block(torch.nn.Module):
    """A layer of torchvision's transformer, from torch's own parts."""

    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = torch.nn.LayerNorm(width, eps=1e-6)
        self.self_attention = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = torch.nn.LayerNorm(width, eps=1e-6)
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(width, 2 * width),
            torch.nn.GELU(),
            torch.nn.Dropout(0),
            torch.nn.Linear(2 * width, width),
        )

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


def transformer(width=128, n_layers=2, edge=32, patch=8):
    torch.manual_seed(2)
    blocks = [Block(width, width // 64) for _ in range(n_layers)]
    conv = torch.nn.Conv2d(3, width, patch, patch)
    first, place = torch.randn(1, 1, width), torch.randn(1, 1 + (edge // patch) ** 2, width)
    state = {"class_token": first, "encoder.pos_embedding": place}
    state |= {f"conv_proj.{key}": value for key, value in conv.state_dict().items()}
    for k, block in enumerate(blocks):
        name = f"encoder.layers.encoder_layer_{k}."
        state |= {name + key: value for key, value in block.state_dict().items()}

    def layers(x):
        tokens = torch.cat([first.expand(len(x), -1, -1), conv(x).flatten(2).transpose(1, 2)], 1)
        tokens, found = tokens + place, []
        for block in blocks:
            tokens = block(tokens)
            found.append(tokens)
        return found

    return state, layers


def berg_file(path, width, n_units=3, one=False, rng=None):
    rng = rng or np.random.default_rng(3)
    scaler = {"mean_": rng.normal(size=width), "scale_": rng.uniform(1, 2, width)}
    scaler |= {"n_features_in_": width, "n_samples_seen_": np.int64(9)}
    parts = {"components_": rng.normal(size=(4, width)), "mean_": rng.normal(size=width)}
    content = {"scaler_param": scaler, "pca_param": parts}
    for key in ("reg_param",) if one else ("lh_reg_param", "rh_reg_param"):
        content[key] = {
            "coef_": rng.normal(size=(n_units, 4)),
            "intercept_": rng.normal(size=n_units),
        }
    np.save(path, content)
    return content


def test_a_berg_encoder_is_scaler_components_and_regression(tmp_path, images, monkeypatch):
    state, layers = transformer()
    torch.save(state, tmp_path / "vit.pth")
    width = 2 * 17 * 128
    content = berg_file(tmp_path / "weights.npy", width)
    original = vit.LayerFeatures.__init__
    monkeypatch.setattr(
        vit.LayerFeatures,
        "__init__",
        lambda self, network, projection, edge=36, crop=32, sha256="": original(
            self, network, projection, edge, crop, sha256
        ),
    )
    encoder = berg.from_berg(tmp_path / "weights.npy", tmp_path / "vit.pth")
    x = torch.nn.functional.interpolate(
        torch.as_tensor(images), size=(36, 36), mode="bilinear", antialias=True
    )[..., 2:34, 2:34]
    from neuro.encoding.towers import IMAGENET_MEAN, IMAGENET_STD

    x = (x - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    with torch.no_grad():
        row = torch.cat([tokens.flatten(1) for tokens in layers(x)], dim=1).numpy()
    scaled = (row - content["scaler_param"]["mean_"]) / content["scaler_param"]["scale_"]
    low = (scaled - content["pca_param"]["mean_"]) @ content["pca_param"]["components_"].T
    told = np.hstack(
        [
            low @ content[h]["coef_"].T + content[h]["intercept_"]
            for h in ("lh_reg_param", "rh_reg_param")
        ]
    )
    assert np.abs(encoder.predict(images) - told).max() < 1e-3 * np.ptp(told)
    assert encoder.unit_[0] == "lh-00000" and encoder.unit_[-1] == "rh-00002"
    # the projection travels with the encoder, the transformer comes from the settings
    assembled.keep(encoder, [0, 4])
    encoder.save(tmp_path / "e.safetensors")
    again = VoxelEncoder.load(tmp_path / "e.safetensors", tmp_path / "vit.pth")
    assert np.allclose(again.predict(images), told[:, [0, 4]], atol=1e-3 * np.ptp(told))
    with pytest.raises(InputProblem, match="name it again"):
        VoxelEncoder.load(tmp_path / "e.safetensors")
    berg_file(tmp_path / "one.npy", width, one=True)
    assert berg.from_berg(tmp_path / "one.npy", tmp_path / "vit.pth").unit_[0] == "v00000"


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch was-here",)


def test_code_in_a_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("evil.npy", {"scaler_param": Evil()})
    with pytest.raises(InputProblem, match="not only arrays"):
        berg.only_arrays("evil.npy")
    assert not (tmp_path / "was-here").exists()
    np.save("plain.npy", np.zeros(3))
    with pytest.raises(InputProblem, match="not a dictionary"):
        berg.only_arrays("plain.npy")
    np.save("gnet.npy", {"fwrf": np.zeros(2)})
    with pytest.raises(InputProblem, match="not an encoder on ViT-B/32"):
        berg.from_berg("gnet.npy", "vit.pth")


CODE = """
import torch

class Own(torch.nn.Module):
    def forward(self, x):
        return torch.stack([x.mean(dim=(1, 2, 3)), (x[:, 0] ** 2).mean(dim=(1, 2))], dim=1)

def load():
    return Own()
"""


def test_a_module_of_ones_own(tmp_path, images):
    (tmp_path / "own.py").write_text(CODE)
    told = np.stack([images.mean(axis=(1, 2, 3)), (images[:, 0] ** 2).mean(axis=(1, 2))], axis=1)
    np.savez(tmp_path / "p.npz", images=images, predictions=told)
    name = f"{tmp_path / 'own.py'}:load"
    encoder = fitted.from_module(name, tmp_path / "p.npz")
    assert np.abs(encoder.predict(images) - told).max() < 1e-6
    encoder.save(tmp_path / "e.safetensors")
    again = VoxelEncoder.load(tmp_path / "e.safetensors", name)
    assert np.array_equal(again.predict(images), encoder.predict(images))
    np.savez(tmp_path / "wrong.npz", images=images, predictions=told + 0.1)
    with pytest.raises(InputProblem, match="differs from the stored predictions"):
        fitted.from_module(name, tmp_path / "wrong.npz")
    np.savez(tmp_path / "large.npz", images=255 * images, predictions=told)
    with pytest.raises(InputProblem, match=r"in \[0, 1\]"):
        fitted.from_module(name, tmp_path / "large.npz")
    np.savez(tmp_path / "oblong.npz", images=images[..., 1:], predictions=told)
    with pytest.raises(InputProblem, match="expected squares"):
        fitted.from_module(name, tmp_path / "oblong.npz")
    (tmp_path / "own.py").write_text(CODE + "\n")
    with pytest.raises(InputProblem, match="it changed since"):
        VoxelEncoder.load(tmp_path / "e.safetensors", name)
