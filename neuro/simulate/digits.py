"""Digits of another source than the experiment's: images for a generator, a category judge.

`python -m neuro.simulate.digits FOLDER [NAME NAME]` writes `images.npy` and `judge.safetensors`
from the 8 x 8 digits that come with scikit-learn, enlarged to 28 x 28 and framed to 32 x 32.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

DIGITS = (6, 9)


def enlarged_digits(n_copies=8, seed=0, digits=DIGITS):
    """scikit-learn's digits, enlarged, a little turned and shifted.

    Parameters
    ----------
    n_copies : int
        Variants of each digit.
    seed : int
    digits : sequence of int

    Returns
    -------
    images : ndarray of float32, shape (n, 1, 32, 32)
        In [0, 1], bright on dark.
    label : ndarray of int, shape (n,)
    """
    from scipy import ndimage
    from sklearn.datasets import load_digits

    rng = np.random.default_rng([seed, 75])
    originals = load_digits()
    chosen = np.isin(originals.target, digits)
    images, labels = [], []
    for picture, label in zip(originals.images[chosen] / 16, originals.target[chosen]):
        for _ in range(n_copies):
            big = ndimage.zoom(picture, 24 / 8, order=1)
            big = ndimage.rotate(big, rng.uniform(-15, 15), reshape=False, order=1)
            # Steeper edges, as in pen strokes at the larger size.
            big = np.clip(1.6 * (big - 0.5) + 0.5, 0, 1)
            frame = np.zeros((32, 32), np.float32)
            top, left = rng.integers(2, 7, 2)
            frame[top : top + 24, left : left + 24] = big
            images.append(frame)
            labels.append(label)
    return np.stack(images)[:, None], np.array(labels)


def main(arguments=None) -> None:
    """Write images and judge.

    Parameters
    ----------
    arguments : list of str, optional
        Folder, then the names of the two classes in the order of :data:`DIGITS`.
    """
    from neuro.encoding import CategoryJudge, tiny

    arguments = sys.argv[1:] if arguments is None else arguments
    folder, *names = arguments or ["digits"]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images, label = enlarged_digits()
    np.save(folder / "images.npy", np.round(255 * images).astype(np.uint8))
    codes = (label == DIGITS[1]).astype(int)
    backbone, head = tiny.train("judge", images, labels=codes, recipe=tiny.Recipe(epochs=4))
    names = names or [str(digit) for digit in DIGITS]
    CategoryJudge(backbone, head, names).save(folder / "judge.safetensors")
    print(f"{len(images)} images and a judge of {' and '.join(names)} in {folder}")


if __name__ == "__main__":
    main()
