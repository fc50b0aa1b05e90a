"""CLIP's reading of a list of words: a category judge that was never trained on the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.encoding import towers
from neuro.encoding.categories import Categories
from neuro.encoding.tiny import CategoryJudge
from neuro.io.problems import InputProblem

LAYOUT = "a folder of CLIP with config.json, model.safetensors, vocab.json and merges.txt"


class ZeroShotJudge(Categories):
    """Names the category of images by the nearest of several texts (Radford et al. 2021).

    Parameters
    ----------
    path : path-like
        Folder of the whole model in the layout of transformers, with its tokenizer.
    words : sequence of str
        Texts to choose from.

    Attributes
    ----------
    backbone : neuro.encoding.network.Network
        The image half.
    classes : list of str
        The texts.
    texts_ : ndarray of float32, shape (n_words, n_features)
        Their embeddings, of length 1.
    scale_ : float
        What similarities are multiplied with, as it was trained.

    Raises
    ------
    InputProblem
        When the folder holds the image half alone, lacks its tokenizer, or a tensor is missing.

    References
    ----------
    Radford et al. (2021). Learning Transferable Visual Models From Natural Language Supervision.
    """

    def __init__(self, path, words):
        self.path, self.classes = Path(path), [str(word) for word in words]
        check_folder(path)
        self.backbone = towers.load("clip", path)
        self.texts_, self.scale_ = _texts(self.path, self.classes)

    def _logits(self, features):
        import torch

        return self.scale_ * features.cpu() @ torch.as_tensor(self.texts_).T

    def names(self, images) -> np.ndarray:
        """The most probable word of each image.

        Parameters
        ----------
        images : array, shape (n, c, h, w)

        Returns
        -------
        ndarray of str, shape (n,)
        """
        return np.array(self.classes)[self.predict_proba(images).argmax(axis=1)]


def check_folder(path) -> None:
    """Whether a folder holds both halves of CLIP and its tokenizer; no weight is read.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputProblem
    """
    config = towers.config_of("clip", path)
    if config["model_type"] != "clip" or "text_config" not in config:
        raise InputProblem(f"{path}: the image half of CLIP alone; expected {LAYOUT}")
    plain = all((Path(path) / name).is_file() for name in ("vocab.json", "merges.txt"))
    if not plain and not (Path(path) / "tokenizer.json").is_file():
        raise InputProblem(f"{path}: no tokenizer; expected {LAYOUT}")


def _texts(path, words):
    """Embeddings of texts and the scale of similarities."""
    import torch
    import transformers

    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(path, local_files_only=True)
        model, loading_info = transformers.CLIPModel.from_pretrained(
            path,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            **towers.pretrained(path)[1],
        )
    except Exception as error:
        # transformers raises whatever its readers do
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:60]
        raise InputProblem(
            f"{path}: no text half or no tokenizer ({line}); expected {LAYOUT}"
        ) from None
    finally:
        transformers.logging.set_verbosity(level)
    lost = sorted(loading_info["missing_keys"])
    if lost:
        raise InputProblem(f"{path}: the weights lack {lost[0]}; expected {LAYOUT}")
    if not len(tokenizer("a").input_ids) > 2:
        raise InputProblem(f"{path}: its tokenizer knows no words; expected {LAYOUT}")
    # Texts of the training were filled up to the full length; the end marks where to read.
    length = model.config.text_config.max_position_embeddings
    tokens = tokenizer(
        words, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        hidden = model.text_model(tokens.input_ids, attention_mask=tokens.attention_mask)
        texts = model.text_projection(hidden.pooler_output)
    texts = texts / texts.norm(dim=1, keepdim=True)
    return texts.numpy(), float(model.logit_scale.detach().exp())


def category_judge(choice, files):
    """The category judge of the settings.

    Parameters
    ----------
    choice : dict
        Section `braindive.judge`.
    files : sequence of path-like
        Of a judge that was trained or given; empty for others.

    Returns
    -------
    CategoryJudge, ZeroShotJudge or None
    """
    if choice.get("type") == "clip":
        return ZeroShotJudge(choice["path"], choice["words"])
    return CategoryJudge.load(files[0]) if len(files) else None
