"""The panel: encoders of different kinds, fitted on images that the guide never saw."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from neuro.braindive.verdict.panel import Seen
from neuro.io.problems import InputProblem

if TYPE_CHECKING:
    from neuro.encoding.encoder import VoxelEncoder

CATEGORY = "category"
"""Features of the category judge; it knows labels and no responses."""


@dataclasses.dataclass(frozen=True)
class Judge:
    """An encoder of the panel.

    Attributes
    ----------
    name : str
    encoder : neuro.encoding.VoxelEncoder
    """

    name: str
    encoder: VoxelEncoder

    def values(self, objective, images) -> np.ndarray:
        """Predicted value of an objective, image by image.

        Parameters
        ----------
        objective : neuro.braindive.Objective
        images : sequence of ndarray, shape (n, c, h, w)

        Returns
        -------
        ndarray, shape (n,)
        """
        return objective.value(self.encoder.predict(images), self.encoder.unit_)

    def sees(self, objective, natural, guided, unguided) -> Seen:
        """Its predictions for a verdict, see :class:`Seen`."""
        parts = (self.values(objective, images) for images in (natural, guided, unguided))
        return Seen(self.name, *parts)


def fit_judges(wanted, data, rows, guide, independent, category=None, *, random_state=0, log=None):
    """Fit readouts of further backbones beside the independent encoder.

    Parameters
    ----------
    wanted : sequence of str
        `pixels`, `gabor`, `category` (features of the category judge, where there is one), or a
        network of transformers and its folder: `dinov2:FOLDER`.
    data : neuro.braindive.dataset.ImageData
    rows : array of int
        Training images of the independent encoder: the guide was fitted on others.
    guide, independent : neuro.encoding.VoxelEncoder
        A judge with the guide's backbone is left out, and so is a second one of a kind.
    category : neuro.encoding.CategoryJudge, optional
    random_state : int
    log : callable, optional

    Returns
    -------
    list of Judge
        The independent encoder first.

    Raises
    ------
    InputProblem
        When a name is unknown, or weights are missing.
    """
    from neuro.encoding import VoxelEncoder
    from neuro.encoding.backbones import ALIASES, NAMES

    made = [Judge("independent", independent)]
    seen = {guide.backbone_.name, independent.backbone_.name}
    for label in wanted:
        name, _, path = label.partition(":")
        kind = ALIASES.get(name, name)
        if kind == CATEGORY:
            # CLIP's reading of words has no seat where CLIP guides or judges already.
            if category is None or category.backbone.name in seen:
                continue
            backbone = category.backbone
        elif kind not in NAMES or (kind.startswith("tiny") and not path):
            raise InputProblem(
                f"braindive.panel: got '{label}', expected category, pixels, gabor, or a network "
                "and its folder, such as dinov2:FOLDER"
            )
        else:
            backbone = kind
        if kind in seen:
            continue
        seen.add(kind)
        encoder = VoxelEncoder(backbone, path or None, random_state=random_state)
        encoder.fit(data.images[rows], data.betas[rows], unit=data.unit, roi=data.roi)
        made.append(Judge(label if not path else name, encoder))
        if log:
            log(f"judge {made[-1].name}: median r held out {np.median(encoder.r_cv_):.3f}")
    return made
