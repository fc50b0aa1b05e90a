"""CLIP's reading of words: the whole model's own answer, and folders that cannot give one."""

import shutil

import numpy as np
import pytest
import torch
from whole_clip import whole_clip

from neuro.encoding.zero_shot import ZeroShotJudge, category_judge, check_folder
from neuro.io.problems import InputProblem

WORDS = ["a face", "a bad cafe", "ice"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return whole_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((5, 3, 32, 32)).astype(np.float32)


def test_probabilities_are_the_whole_models(folder, images):
    import transformers as tf

    from neuro.encoding.towers import CLIP_MEAN, CLIP_STD

    judge = ZeroShotJudge(folder, WORDS)
    model = tf.CLIPModel.from_pretrained(folder).eval()
    tokens = tf.CLIPTokenizer.from_pretrained(folder)(
        WORDS, padding="max_length", max_length=24, return_tensors="pt"
    )
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    with torch.no_grad():
        told = model(**tokens, pixel_values=(torch.as_tensor(images) - mean) / std)
    told = told.logits_per_image.softmax(dim=1).numpy()
    assert np.abs(judge.predict_proba(images) - told).max() < 1e-5
    assert np.ptp(told) > 0.01, "texts differ"
    assert judge.names(images).tolist() == [WORDS[k] for k in told.argmax(axis=1)]
    assert np.array_equal(judge.predict_proba(images, batch=2).argmax(1), told.argmax(1))
    made = category_judge({"type": "clip", "path": folder, "words": WORDS}, [])
    assert made.classes == WORDS and category_judge({"type": "none"}, []) is None


def test_a_folder_without_words_is_refused(folder, tmp_path):
    import transformers as tf

    check_folder(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        (copy / name).unlink(missing_ok=True)
    with pytest.raises(InputProblem, match="no tokenizer"):
        check_folder(copy)
    half = tmp_path / "half"
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**sizes)).save_pretrained(half)
    with pytest.raises(InputProblem, match="the image half of CLIP alone"):
        ZeroShotJudge(half, WORDS)
    from safetensors.torch import load_file, save_file

    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    tensors = load_file(cut / "model.safetensors")
    tensors.pop("text_projection.weight")
    save_file(tensors, cut / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputProblem, match="lack text_projection"):
        ZeroShotJudge(cut, WORDS)
