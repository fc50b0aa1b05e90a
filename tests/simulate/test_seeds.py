"""Planted data repeat with their seed and change with it, every random part of them."""

import numpy as np
import pytest

from neuro.simulate.digits import enlarged_digits
from neuro.simulate.lfr import lfr_graph
from neuro.simulate.ln8 import (
    ln8_population,
    ln8_twin_data,
    natural_images,
    one_type,
    orientation_continuum,
    present,
)
from neuro.simulate.mni import plan
from neuro.simulate.motifs import planted_epochs, planted_motifs, planted_tensor
from neuro.simulate.scenes import clip_like_features, scene_voxels, scene_world
from neuro.simulate.switching import switching_glm

SCENES = scene_world(30, 5)
CELLS = ln8_population(2, 5)
SMALL = np.random.default_rng(5).standard_normal((8, 1, 12, 12))


def _cells(population):
    return {"even": population.even, "odd": population.odd, "position": population.position}


def _present(seed):
    found = present(CELLS, SMALL, n_new=3, random_state=seed)
    return {"responses": found["responses"]}


MADE = {
    "digits": lambda s: {"images": enlarged_digits(2, s)[0]},
    "lfr graph": lambda s: {"weights": lfr_graph(60, 12.0, 30, random_state=s)[0]},
    "cells of eight types": lambda s: _cells(ln8_population(3, s)),
    "cells of all angles": lambda s: _cells(orientation_continuum(12, s)),
    "cells of one type": lambda s: _cells(one_type(5, 12, s)),
    "images": lambda s: {"images": natural_images(3, rng=np.random.default_rng(s))},
    "twin data": lambda s: {
        name: ln8_twin_data(1, 30, 10, s)[0][name] for name in ("stimuli", "responses")
    },
    "responses of new cells": _present,
    "people": lambda s: {
        key: [person[key] for person in plan(12, random_state=s)] for key in ("age", "motion_level")
    },
    "tensor": lambda s: dict(enumerate([planted_tensor((12, 4, 9), 2, random_state=s)[0]])),
    "noisy tensor": lambda s: {
        "noise": planted_tensor((12, 4, 9), 2, noise=0.5, random_state=s)[0]
        - planted_tensor((12, 4, 9), 2, noise=0.0, random_state=s)[0]
    },
    "motifs": lambda s: {"values": planted_motifs(20, 3, 12, 2, random_state=s)[0]},
    "epochs": lambda s: {
        "values": planted_epochs(2, 12, random_state=s).recordings[0].traces,
    },
    "scenes": lambda s: {"images": scene_world(8, s).images, "size": scene_world(8, s).size},
    "voxels": lambda s: {
        "weights": scene_voxels(SCENES, 3, seed=s).weights,
        "signal": scene_voxels(SCENES, 3, seed=s).signal,
    },
    "features": lambda s: {
        name: clip_like_features(40, 8, 5, s, 10)[name] for name in ("features", "betas", "signal")
    },
    "spikes": lambda s: {"counts": switching_glm(2, 60, 4, 2, random_state=s).counts},
}


@pytest.mark.parametrize("name", MADE)
def test_the_seed_decides_every_random_part(name):
    first, again, other = (MADE[name](seed) for seed in (3, 3, 4))
    for key, value in first.items():
        assert np.array_equal(value, again[key]), key
        assert not np.array_equal(value, other[key]), key


def test_images_of_training_and_test_are_drawn_apart():
    found = clip_like_features(40, 8, 5, 0, 10)
    assert found["test"].tolist() == [False] * 30 + [True] * 10
    # the R2 of the true signal is that of the test images, the last ones
    betas, signal = (found[key].astype(float)[found["test"]] for key in ("betas", "signal"))
    left = ((betas - signal) ** 2).sum(axis=0) / ((betas - betas.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(found["r2_signal"], 1 - left, rtol=1e-4)
    # every voxel of the signal is z-scored over images before the noise
    np.testing.assert_allclose(found["signal"].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found["signal"].std(axis=0), 1, atol=1e-5)
