"""Twins whose units answer a stimulus at its best rotation and position."""

from __future__ import annotations

import numpy as np


def turned(x, angle):
    """Images turned about their centre, counter-clockwise, zero beyond the border.

    Parameters
    ----------
    x : tensor, shape (n, c, h, w)
        Deviations from the mean image: zero is grey.
    angle : float
        Degrees. Quarter turns of squares are exact, others bilinear.

    Returns
    -------
    tensor, shape (n, c, h, w)
    """
    import torch
    from torch.nn import functional as F

    quarters, rest = divmod(float(angle) % 360, 90)
    if rest == 0 and (x.shape[-1] == x.shape[-2] or quarters % 2 == 0):
        return torch.rot90(x, int(quarters), (2, 3))
    height, width = x.shape[-2:]
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    # grid_sample asks where each pixel of the result comes from; pixels are square
    matrix = [[cos, -sin * height / width, 0], [sin * width / height, cos, 0]]
    theta = torch.as_tensor(matrix, dtype=x.dtype, device=x.device)[None].expand(len(x), -1, -1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def moved(x, down, right):
    """Images moved by whole pixels, zero where nothing is left."""
    from torch.nn import functional as F

    height, width = x.shape[-2:]
    padded = F.pad(x, (abs(right),) * 2 + (abs(down),) * 2)
    top, left = abs(down) - down, abs(right) - right
    return padded[..., top : top + height, left : left + width]


class InvariantTwin:
    """A twin of images whose units answer the best of several rotations and positions.

    Parameters
    ----------
    twin : callable or twin
        Of images (n, c, h, w); a method `centred` is used where there is one.
    rotations : int, default 1
        Angles, evenly over the full turn; 1 leaves images as they are.
    shift : int, default 0
        Pixels, up, down, left and right; all positions of the square of that half side are tried.
    step : int, default 1
        Pixels between positions.

    Notes
    -----
    The released code shows rotated versions of a finished stimulus and takes every unit's largest
    answer; here the search itself sees that answer, and so does the M step by its gradient. Types
    that differ in orientation or place alone become one.
    """

    def __init__(self, twin, rotations=1, shift=0, step=1):
        if rotations < 1 or shift < 0 or step < 1:
            raise ValueError(
                f"rotations {rotations}, shift {shift}, step {step}: expected at least 1, 0 and 1"
            )
        self.twin, self.rotations, self.shift, self.step = twin, rotations, shift, step
        self.offset = getattr(twin, "offset", 0.0)

    def centred(self, crop=True):
        """The twin at one position, made invariant."""
        model = self.twin.centred(crop=crop) if hasattr(self.twin, "centred") else self.twin
        return _Best(model, self.versions())

    def versions(self) -> list:
        """(angle, down, right) of every version of a stimulus."""
        angles = np.arange(self.rotations) * 360 / self.rotations
        places = range(-(self.shift // self.step) * self.step, self.shift + 1, self.step)
        return [(float(a), d, r) for a in angles for d in places for r in places]


class _Best:
    def __init__(self, model, versions):
        self.model, self.versions = model, versions
        self.stimulus_shape = model.stimulus_shape
        self.cut = getattr(model, "cut", None)
        self.messages = [
            *getattr(model, "messages", []),
            f"every unit answers the best of {len(versions)} rotations and positions",
        ]

    def __call__(self, x):
        """Largest response of every unit over all versions, (n, n_units)."""
        best = None
        for angle, down, right in self.versions:
            seen = turned(x, angle) if angle else x
            seen = moved(seen, down, right) if down or right else seen
            answer = self.model(seen)
            best = answer if best is None else best.maximum(answer)
        return best
