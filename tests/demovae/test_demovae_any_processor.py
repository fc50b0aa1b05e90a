"""Signs of eigenvectors differ between processors: no latent and no draw depends on them."""

import numpy as np
import pytest
import scipy.linalg

from neuro.demovae.coding.row_space import row_space
from neuro.demovae.model import DemoVAE


def flipped(eigh, rng):
    """The decomposition with other signs, as right as the first."""

    def other(*args, **kwargs):
        values, vectors = eigh(*args, **kwargs)
        return values, vectors * rng.choice([-1.0, 1.0], vectors.shape[-1])

    return other


@pytest.fixture
def other_processor(monkeypatch):
    def change(seed):
        rng = np.random.default_rng(seed)
        for module in (np.linalg, scipy.linalg):
            monkeypatch.setattr(module, "eigh", flipped(module.eigh, rng))

    return change


@pytest.mark.parametrize("mode", ["linear", "network"])
def test_latents_and_samples_do_not_follow_the_signs(small, columns, other_processor, mode):
    found = []
    for seed in range(3):
        if seed:
            other_processor(seed)
        model = DemoVAE(
            columns=columns, mode=mode, latent_dim=4, hidden=30, n_epochs=12, random_state=0
        ).fit(small.edges[:80], demographics=small.participants[:80])
        rows = small.participants[:30]
        found.append(
            [model.transform(small.edges[80:])]
            + [
                model.sample(30, rows, random_state=1, residual_noise=noise, latent_draw=draw)
                for noise, draw in (("sampling", "normal"), ("gaussian", "empirical"))
            ]
        )
    for other in found[1:]:
        for first, second in zip(found[0], other):
            # single precision: 1e-7 of a value, after training and a square root
            np.testing.assert_allclose(second, first, atol=1e-3 * np.abs(first).max())


def test_axes_face_the_same_way(small, other_processor):
    first, P = row_space(small.edges[:40])
    other_processor(4)
    second, Q = row_space(small.edges[:40])
    np.testing.assert_array_equal(first.axes, second.axes)
    np.testing.assert_array_equal(P, Q)
