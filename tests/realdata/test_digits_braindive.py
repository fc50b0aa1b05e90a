"""The digit images and voxels of van Gerven 2010: does the encoder predict what was measured?"""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("NEURO_TEST_DATA", ROOT / "../shared/data"))
ARCHIVE = DATA / "responses/fmri_digits69.tar.gz"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"{ARCHIVE}: not there"),
]


@pytest.fixture(scope="module")
def digits():
    from neuro.braindive.dataset import read_data

    return read_data(ARCHIVE)


def held_out(images, betas, digit, folds=10):
    """Ten-fold predictions by image, from 2 x 2 means, and the responses they should meet.

    Both are taken from the mean of the images that were fitted: a prediction that knows nothing
    is that mean, which correlates negatively with what was held out. Within a digit both are
    taken from their mean over the held-out images of the same fold and digit.

    Returns
    -------
    overall, within : tuple of ndarray
        (prediction, response) each.
    """
    from neuro.encoding import VoxelEncoder
    from neuro.encoding.ridge import fold_numbers

    fold = fold_numbers(np.arange(len(images)), folds)
    overall, within = np.empty((2, *betas.shape)), np.empty((2, *betas.shape))
    for k in range(folds):
        train = fold != k
        encoder = VoxelEncoder("pixels").fit(images[train], betas[train])
        both = np.stack([encoder.predict(images), betas])
        overall[:, ~train] = both[:, ~train] - both[:, train].mean(axis=1, keepdims=True)
        for d in np.unique(digit):
            rows = ~train & (digit == d)
            within[:, rows] = both[:, rows] - both[:, rows].mean(axis=1, keepdims=True)
    return overall, within


def correlations(x, y):
    scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return (x * y).sum(axis=0) / np.where(scale > 0, scale, np.inf)


def median_rank(guess, real, r):
    """Median rank of the right image among all, by the 500 best predicted voxels."""
    best = np.argsort(-r)[:500]
    z = [(x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9) for x in (guess[:, best], real[:, best])]
    n = len(guess)
    match = np.corrcoef(*z)[:n, n:]
    return np.median((match >= np.diag(match)[:, None]).sum(axis=1))


def test_pixels_predict_voxels_also_within_a_digit(digits):
    train = ~digits.test
    images, betas = digits.images[train], digits.betas[train]
    assert images.shape == (90, 1, 32, 32) and betas.shape[1] > 3000
    (guess, real), same = held_out(images, betas, digits.condition[train])
    r = correlations(guess, real)
    print(f"mean r {r.mean():.3f}, 90th percentile {np.percentile(r, 90):.2f}")
    assert r.mean() >= 0.10
    within = correlations(*same).mean()
    print(f"within {within:.3f}")
    assert within >= 0.05
    rank = median_rank(guess, real, r)
    print(f"median rank {rank:.0f}")
    assert rank <= 10


def test_shuffled_pairs_do_not_find_their_image(digits):
    # Not the mean correlation: voxels go together, so one shuffle moves it by 0.1 either way.
    train = ~digits.test
    betas = np.random.default_rng(0).permutation(digits.betas[train])
    guess, real = held_out(digits.images[train], betas, digits.condition[train])[0]
    rank = median_rank(guess, real, correlations(guess, real))
    print(f"shuffled: median rank {rank:.0f}")
    assert rank > 20
