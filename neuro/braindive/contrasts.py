"""Objectives in words: regions joined, shared, set against each other."""

from __future__ import annotations

import re

import numpy as np

from neuro.braindive.dataset import BETWEEN, in_region
from neuro.io.problems import InputProblem


def region_voxels(label, roi):
    """Voxels of a union of regions, or of an intersection; and the regions' names."""
    both = "&" in label
    parts = [region.strip() for region in label.split("&" if both else "+")]
    masks = [in_region(roi, region) for region in parts]
    return np.all(masks, axis=0) if both else np.any(masks, axis=0), parts


def written_out(wanted, roi) -> dict:
    """`over:A` written out: A less the mean of the means of all regions that are not part of it."""
    objectives: dict = {}
    for label, weight in wanted.items():
        if not str(label).startswith("over:"):
            objectives[label] = objectives.get(label, 0.0) + float(weight)
            continue
        own = str(label).partition(":")[2].strip()
        names = dict.fromkeys(area for entry in roi for area in entry.split(BETWEEN))
        parts = {region.strip() for region in own.replace("&", "+").split("+")}
        others = [name for name in names if name not in parts | {"none", "", "n/a"}]
        if not others:
            raise InputProblem(f"objective '{label}': there is no other region")
        objectives[own] = objectives.get(own, 0.0) + float(weight)
        for name in others:
            objectives[name] = objectives.get(name, 0.0) - float(weight) / len(others)
    return objectives


def parse(text: str) -> dict:
    """A contrast in words: `face`, `face-0.4*body`, `FFA-1+FFA-2` as regions and weights.

    A minus between blanks, or one followed by a number and `*`, separates terms; a plus joins
    regions into one.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict of str to float
    """
    terms = re.split(r"\s+-\s+|-(?=[0-9.]+\*)", text.strip())
    wanted = {}
    for position, term in enumerate(terms):
        weight, star, label = term.partition("*")
        if not star:
            weight, label = "1", term
        wanted[label.strip()] = float(weight) * (1 if position == 0 else -1)
    return wanted
