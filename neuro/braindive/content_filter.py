"""The safety checker of Stable Diffusion as a report: a verdict per image, no image is changed."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem

CLEAR, FLAGGED, NONE = "clear", "flagged", "none"
LAYOUT = "config.json and model.safetensors of a safety checker (diffusers layout)"


class ContentFilter:
    """Says which images the safety checker of Stable Diffusion would black out.

    Parameters
    ----------
    path : path-like
        Local folder of its weights, `safety_checker/` of a Stable Diffusion folder.

    Raises
    ------
    InputProblem
        When the weights are missing or of another kind.
    """

    def __init__(self, path):
        from neuro.base.provenance import checksum
        from neuro.braindive.diffusion.folder import offline
        from neuro.io.formats.hub import snapshot

        path = snapshot(path)
        names = ("model.safetensors", "model.fp16.safetensors")
        weights = next((path / n for n in names if (path / n).is_file()), None)
        if weights is None or not (path / "config.json").is_file():
            raise InputProblem(f"{path}: no content filter there; expected {LAYOUT}")
        with offline():
            from diffusers.pipelines.stable_diffusion.safety_checker import (
                StableDiffusionSafetyChecker,
            )
            from safetensors.torch import load_file
            from transformers import CLIPConfig

            try:
                config = CLIPConfig.from_pretrained(path, local_files_only=True)
                model = StableDiffusionSafetyChecker(config)
                state = {key: value.float() for key, value in load_file(weights).items()}
                # Old copies hold the positions of the patches, which newer classes compute.
                model.load_state_dict(state, strict=False)
                lost = sorted(set(dict(model.named_parameters())) - set(state))
                if lost:
                    raise ValueError(f"no weights for {lost[0]}")
            except Exception as error:
                text = str(error).splitlines()[0][:60]
                raise InputProblem(f"{path}: not a safety checker ({text})") from None
        self.model = model.eval().requires_grad_(False)
        self.size = int(config.vision_config.image_size)
        self.sha256 = checksum(weights)

    def verdicts(self, images) -> list[str]:
        """Verdict per image.

        Parameters
        ----------
        images : array, shape (n, 3, h, w)
            In [0, 1].

        Returns
        -------
        list of {'clear', 'flagged'}
        """
        return [FLAGGED if row.max() > 0 else CLEAR for row in self.scores(images)]

    def scores(self, images) -> np.ndarray:
        """Similarity to each unwanted concept beyond its threshold; above 0 flags an image.

        An image close to a concept of special care is judged 0.01 more strictly.

        Parameters
        ----------
        images : array, shape (n, 3, h, w)

        Returns
        -------
        ndarray, shape (n, n_concepts)
        """
        import torch

        from neuro.encoding.preprocess import prepare
        from neuro.encoding.towers import CLIP_MEAN, CLIP_STD

        x = torch.as_tensor(np.asarray(images, np.float32))
        x = prepare(x, self.size, torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD))
        return self.scores_of_prepared(x)

    def scores_of_prepared(self, x) -> np.ndarray:
        """As :meth:`scores`, of images as the network wants them.

        Parameters
        ----------
        x : torch.Tensor, shape (n, 3, size, size)

        Returns
        -------
        ndarray, shape (n, n_concepts)
        """
        import torch
        from torch.nn import functional

        model = self.model
        with torch.no_grad():
            seen = model.visual_projection(model.vision_model(x)[1])
            seen = functional.normalize(seen)
            care = seen @ functional.normalize(model.special_care_embeds).T
            unwanted = seen @ functional.normalize(model.concept_embeds).T
        # Three decimals, as the released checker rounds.
        care = np.round(care.numpy() - model.special_care_embeds_weights.numpy(), 3)
        stricter = 0.01 * (care > 0).any(axis=1, keepdims=True)
        return np.round(unwanted.numpy() - model.concept_embeds_weights.numpy() + stricter, 3)


def make_filter(settings):
    """The content filter of the settings, or None.

    Parameters
    ----------
    settings : dict
        Section `braindive`. Without `content_filter_path` the folder `safety_checker/` beside
        the generator's weights is used if it is there.

    Returns
    -------
    ContentFilter or None

    Raises
    ------
    InputProblem
        When the folder that the settings name holds none.
    """
    if settings["content_filter"] == "off":
        return None
    from neuro.io.formats.hub import snapshot

    if settings["content_filter_path"]:
        return ContentFilter(settings["content_filter_path"])
    generator = settings["generator"]
    if generator["type"] == "tiny" or not generator["path"]:
        return None
    beside = snapshot(generator["path"]) / "safety_checker"
    return ContentFilter(beside) if beside.is_dir() else None
