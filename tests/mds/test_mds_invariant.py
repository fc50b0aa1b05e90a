"""Rotation and position invariance: exact against plain loops, and what it does to types."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from neuro.mds import InvariantTwin, MostDiscriminativeStimuli
from neuro.mds.stimuli.invariant import moved, turned
from neuro.simulate.ln8 import ln8_population
from neuro.stats.agreement import adjusted_rand

IMAGES = torch.randn((5, 2, 12, 12), generator=torch.Generator().manual_seed(0)).double()


class Cells:
    """Units that multiply the image with a filter."""

    def __init__(self, filters):
        self.filters = torch.as_tensor(filters).double()
        self.stimulus_shape = tuple(filters.shape[1:])

    def __call__(self, x):
        return torch.einsum("nchw,uchw->nu", x.double(), self.filters)


def test_the_largest_answer_equals_a_plain_loop_over_all_versions():
    filters = np.random.default_rng(0).standard_normal((7, 2, 12, 12))
    found = InvariantTwin(Cells(filters), rotations=4, shift=4, step=2).centred()(IMAGES).numpy()
    slow = np.full((5, 7), -np.inf)
    for n, image in enumerate(IMAGES.numpy()):
        for quarter in range(4):
            turn = np.rot90(image, quarter, (1, 2))
            for down in (-4, -2, 0, 2, 4):
                for right in (-4, -2, 0, 2, 4):
                    seen = np.zeros_like(turn)
                    for row in range(12):
                        for column in range(12):
                            if 0 <= row + down < 12 and 0 <= column + right < 12:
                                seen[:, row + down, column + right] = turn[:, row, column]
                    slow[n] = np.maximum(slow[n], (filters * seen).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(found, slow, rtol=1e-12)


@pytest.mark.parametrize("shape", [(12, 12), (12, 17), (9, 14)])
@pytest.mark.parametrize("angle", [17.0, 45.0, 90.0, 133.0, 180.0, 270.0])
def test_rotation_equals_scipy_inside(shape, angle):
    image = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 1)
    got = turned(torch.as_tensor(image)[None, None], angle)[0, 0].numpy()
    want = ndimage.rotate(image, angle, reshape=False, order=1)
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.hypot(y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2) < min(shape) / 2 - 1
    np.testing.assert_allclose(got[inside], want[inside], atol=1e-8)


def test_nothing_is_changed_by_one_rotation_and_no_shift_and_moves_are_undone():
    filters = np.random.default_rng(1).standard_normal((3, 2, 12, 12))
    cells = Cells(filters)
    assert torch.equal(InvariantTwin(cells).centred()(IMAGES), cells(IMAGES))
    inner = torch.nn.functional.pad(IMAGES[..., 3:-3, 3:-3], (3,) * 4)
    assert torch.equal(moved(moved(inner, 2, -3), -2, 3), inner)
    # answers do not depend on the quarter turn of the stimulus
    model = InvariantTwin(cells, rotations=4).centred()
    assert torch.allclose(model(IMAGES), model(torch.rot90(IMAGES, 1, (2, 3))))


def test_a_gradient_goes_through_the_best_version():
    filters = np.random.default_rng(2).standard_normal((1, 2, 12, 12))
    x = IMAGES[:1].clone().requires_grad_()
    model = InvariantTwin(Cells(filters), rotations=4).centred()
    (slope,) = torch.autograd.grad(model(x).sum(), x)
    turns = [(np.rot90(IMAGES[0].numpy(), q, (1, 2)) * filters[0]).sum() for q in range(4)]
    best = int(np.argmax(turns))
    np.testing.assert_allclose(slope[0].numpy(), np.rot90(filters[0], -best, (1, 2)))


def test_types_that_differ_in_orientation_alone_become_one():
    """Eight planted types, four of them the same at four angles: five are left."""
    population = ln8_population([20] * 8, 0)
    images = np.random.default_rng(1).standard_normal((200, 1, 24, 24)).astype(np.float32)
    settings = {"norm": 3, "clip": (-2, 2), "n_restarts": 1, "max_iter": 1, "split": False}
    settings |= {"n_steps": 5, "n_clusters_init": 2}
    twin = InvariantTwin(population, rotations=8)
    found = MostDiscriminativeStimuli(**settings).fit(twin, stimuli=images)
    merged = np.minimum(population.types, 4)
    assert found.n_clusters_ == 5 and adjusted_rand(merged, found.labels_) >= 0.98
    plain = MostDiscriminativeStimuli(**settings).fit(population, stimuli=images)
    assert plain.n_clusters_ == 8


def test_bad_numbers_are_one_line():
    for bad in ({"rotations": 0}, {"shift": -1}, {"step": 0}):
        with pytest.raises(ValueError, match="expected at least 1, 0 and 1"):
            InvariantTwin(None, **bad)
