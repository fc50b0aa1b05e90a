"""A tiny visual world: small scenes of five categories, and voxels that prefer them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.base import seeds

CATEGORIES = ("face", "place", "body", "word", "food")
SIZE = 32
"""Edge of a scene in pixels."""
SOFT = 0.05
"""Width of an edge, in units of half the picture."""


@dataclasses.dataclass(frozen=True)
class Scenes:
    """Rendered scenes with what is in them.

    Attributes
    ----------
    images : ndarray of float32, shape (n, 3, 32, 32)
        RGB in [0, 1].
    category : ndarray of int, shape (n,)
        Index into :data:`CATEGORIES`.
    size : ndarray of float64, shape (n,)
        Size of the object, 0.35 to 1.
    """

    images: np.ndarray
    category: np.ndarray
    size: np.ndarray

    def __len__(self):
        return len(self.images)


def scene_world(n: int, seed: int = 0, *, categories=CATEGORIES) -> Scenes:
    """Draw random scenes.

    Pixel coordinates run from -1 to 1. Every scene has a two-colour gradient as background, one
    object of its category with soft edges, and pixel noise of SD 0.02.

    Parameters
    ----------
    n : int
        Number of scenes.
    seed : int
    categories : sequence of str
        Categories to draw from, uniformly.

    Returns
    -------
    Scenes

    Raises
    ------
    ValueError
        When a category is unknown.
    """
    unknown = sorted(set(categories) - set(CATEGORIES))
    if unknown:
        raise ValueError(f"categories: unknown {unknown[0]}; known are {', '.join(CATEGORIES)}")
    rng = np.random.default_rng([seed, 71])
    codes = np.array([CATEGORIES.index(name) for name in categories])
    category = codes[rng.integers(len(codes), size=n)]
    size = rng.uniform(0.35, 1.0, n)
    centre = rng.uniform(-0.35, 0.35, (n, 2))
    images = _background(rng, n)
    for code, name in enumerate(CATEGORIES):
        rows = np.flatnonzero(category == code)
        if len(rows):
            canvas = _Canvas(images[rows], centre[rows], size[rows])
            _PAINTERS[name](canvas, rng)
            images[rows] = canvas.images
    images += rng.normal(0.0, 0.02, images.shape)
    return Scenes(np.clip(images, 0, 1).astype(np.float32), category, size)


def _background(rng, n):
    """Linear gradient between two colours along a random direction."""
    angle = rng.uniform(0, 2 * np.pi, n)
    y, x = _grid()
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    share = (along / np.sqrt(2) + 1)[:, None] / 2
    first, second = rng.uniform(0.15, 0.75, (2, n, 3, 1, 1))
    return first * (1 - share) + second * share


def _grid():
    line = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    return np.meshgrid(line, line, indexing="ij")


def _edge(distance):
    """Soft step: 1 where `distance` is positive."""
    return 1 / (1 + np.exp(-np.clip(distance / SOFT, -30, 30)))


class _Canvas:
    """Scenes of one category while they are painted; sizes are relative to the object."""

    def __init__(self, images, centre, size):
        self.images = images
        y, x = _grid()
        self.size = size[:, None, None]
        self.x = (x - centre[:, 0, None, None]) / self.size
        self.y = (y - centre[:, 1, None, None]) / self.size
        self.page_y = y

    def __len__(self):
        return len(self.images)

    def put(self, mask, colour):
        """Blend a colour (n, 3) in where the mask (n, h, w) says."""
        mask = mask[:, None]
        self.images = self.images * (1 - mask) + np.asarray(colour)[:, :, None, None] * mask

    def ellipse(self, x, y, width, height):
        """Soft mask of an ellipse given by its centre and half axes."""
        x, y, width, height = (_column(value) for value in (x, y, width, height))
        radius = np.sqrt(((self.x - x) / width) ** 2 + ((self.y - y) / height) ** 2 + 1e-9)
        return _edge((1 - radius) * np.minimum(width, height) * self.size)

    def box(self, x, y, width, height):
        """Soft mask of a rectangle given by its centre and half sides."""
        x, y, width, height = (_column(value) for value in (x, y, width, height))
        inside = np.minimum(width - np.abs(self.x - x), height - np.abs(self.y - y))
        return _edge(inside * self.size)


def _column(value):
    value = np.asarray(value, float)
    return value[:, None, None] if value.ndim == 1 else value


def _colours(rng, n, low, high):
    return rng.uniform(low, high, (n, 3))


def _skin(rng, n):
    return np.array([0.80, 0.60, 0.47]) * rng.uniform(0.75, 1.15, (n, 1)) + rng.normal(
        0, 0.02, (n, 3)
    )


def _face(canvas, rng):
    n = len(canvas)
    canvas.put(canvas.ellipse(0, 0, 0.6, 0.8), _skin(rng, n))
    dark = _colours(rng, n, 0.02, 0.15)
    for side in (-0.25, 0.25):
        canvas.put(canvas.ellipse(side, -0.2, 0.11, 0.09), dark)
    canvas.put(canvas.box(0, 0.38, 0.24, 0.07), np.array([0.55, 0.15, 0.15]) + dark)


def _place(canvas, rng):
    n = len(canvas)
    horizon = _column(rng.uniform(-0.1, 0.45, n))
    sky = np.array([0.45, 0.65, 0.92]) + rng.normal(0, 0.05, (n, 3))
    ground = np.array([0.35, 0.45, 0.22]) + rng.normal(0, 0.06, (n, 3))
    canvas.put(_edge(horizon - canvas.page_y[None]), sky)
    canvas.put(_edge(canvas.page_y[None] - horizon), ground)
    base = (horizon - (canvas.page_y - canvas.y * canvas.size)) / canvas.size
    for x in (-0.62, 0.0, 0.62):
        height = _column(rng.uniform(0.48, 0.8, n))
        top = base - height
        box = canvas.box(x + rng.uniform(-0.1, 0.1, n), (top + base) / 2, 0.25, height / 2)
        canvas.put(box, _colours(rng, n, 0.25, 0.6) * np.ones((n, 3)))


def _body(canvas, rng):
    n = len(canvas)
    cloth, skin = _colours(rng, n, 0.05, 0.9), _skin(rng, n)
    canvas.put(canvas.ellipse(0, -0.6, 0.16, 0.18), skin)
    for side in (-1, 1):
        canvas.put(canvas.box(side * 0.10, 0.55, 0.07, 0.35), cloth * 0.6)
        reach = rng.uniform(0.22, 0.4, n)
        canvas.put(canvas.box(side * reach, -0.1, 0.06, 0.28), skin)
    canvas.put(canvas.box(0, -0.1, 0.17, 0.35), cloth)


def _word(canvas, rng):
    n = len(canvas)
    light, dark = _colours(rng, n, 0.85, 0.98), _colours(rng, n, 0.02, 0.15)
    swap = rng.random(n)[:, None] < 0.5
    paper, ink = np.where(swap, dark, light), np.where(swap, light, dark)
    canvas.put(canvas.box(0, 0, 0.85, 0.42), paper)
    for offset in np.linspace(-0.64, 0.64, 5):
        x = offset + rng.uniform(-0.04, 0.04, n)
        canvas.put(canvas.box(x, rng.uniform(-0.08, 0.08, n), 0.035, 0.24), ink)
        canvas.put(canvas.box(x + 0.05, rng.uniform(-0.2, 0.2, n), 0.09, 0.04), ink)


def _food(canvas, rng):
    n = len(canvas)
    canvas.put(canvas.ellipse(0, 0, 0.85, 0.7), _colours(rng, n, 0.85, 0.97))
    turn = rng.uniform(0, 2 * np.pi, n)
    for blob in range(4):
        angle = turn + blob * np.pi / 2
        radius = rng.uniform(0.16, 0.24, n)
        colour = np.array(
            [[0.85, 0.25, 0.15], [0.35, 0.65, 0.2], [0.95, 0.75, 0.2], [0.5, 0.28, 0.12]]
        )
        chosen = colour[rng.integers(4, size=n)] + rng.normal(0, 0.04, (n, 3))
        canvas.put(
            canvas.ellipse(0.36 * np.cos(angle), 0.3 * np.sin(angle), radius, radius), chosen
        )


_PAINTERS = {"face": _face, "place": _place, "body": _body, "word": _word, "food": _food}


@dataclasses.dataclass(frozen=True)
class SceneVoxels:
    """Responses of planted voxels to scenes.

    Attributes
    ----------
    responses : ndarray of float32, shape (n, n_units)
        One noisy trial per scene, z-scored over the scenes.
    signal : ndarray of float32, shape (n, n_units)
        The same without noise, on the scale of `responses`.
    unit, roi : list of str, length n_units
        `face-000`, ... and the preferred category.
    weights : ndarray, shape (n_units, 5)
    """

    responses: np.ndarray
    signal: np.ndarray
    unit: list[str]
    roi: list[str]
    weights: np.ndarray


def scene_voxels(scenes: Scenes, n_per_roi: int = 40, noise: float = 1.0, seed: int = 0):
    """Responses of five regions of voxels, each with its own category.

    `response = W onehot(category) * (0.5 + size) + noise`, with W normal (SD 0.15) plus
    U(0.6, 1.4) on the region's category. With noise 1 a scene explains about 17 % of the
    variance of a single trial.

    Parameters
    ----------
    scenes : Scenes
    n_per_roi : int
        Voxels per region.
    noise : float
        SD of a trial's noise before z-scoring.
    seed : int
        Voxels depend on it alone, the noise also on the number of scenes.

    Returns
    -------
    SceneVoxels
    """
    rng = np.random.default_rng([seed, 72])
    n_categories = len(CATEGORIES)
    own = np.repeat(np.arange(n_categories), n_per_roi)
    weights = 0.15 * rng.standard_normal((len(own), n_categories))
    weights[np.arange(len(own)), own] += rng.uniform(0.6, 1.4, len(own))
    signal = weights[:, scenes.category].T * (0.5 + scenes.size)[:, None]
    trials = signal + noise * np.random.default_rng([seed, 73, len(scenes)]).standard_normal(
        signal.shape
    )
    mean, sd = trials.mean(axis=0), trials.std(axis=0)
    return SceneVoxels(
        responses=((trials - mean) / sd).astype(np.float32),
        signal=((signal - mean) / sd).astype(np.float32),
        unit=[f"{CATEGORIES[k]}-{i:03d}" for k in range(n_categories) for i in range(n_per_roi)],
        roi=[CATEGORIES[k] for k in own],
        weights=weights,
    )


def clip_like_features(
    n: int = 9900, dim: int = 512, n_voxels: int = 400, seed: int = 0, n_test: int = 900
):
    """Unit-norm features with a strong common mean, and voxels with the reliability of 7 T data.

    Parameters
    ----------
    n : int
        Images, test images included (the last `n_test`).
    dim : int
        Features per image; their spectrum falls as k^-0.7 in randomly rotated directions.
    n_voxels : int
        Noise ceilings come from signal-to-noise ratios that are log-normal around 0.4; 90 % of
        the images are repeated three times, the others twice.
    seed : int
    n_test : int

    Returns
    -------
    dict
        `features` float32 (n, dim); `betas` and `signal` float32 (n, n_voxels), averaged over
        repeats; `test` bool (n,); `r2_signal` (n_voxels,): R2 of the true signal on the test
        images.
    """
    rng = np.random.default_rng([seed, 74])
    spectrum = np.arange(1, dim + 1) ** -0.7
    spectrum /= np.sqrt((spectrum**2).sum())
    rotation, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    mean = rng.standard_normal(dim)
    features = (rng.standard_normal((n, dim)) * spectrum) @ rotation.T + mean / np.linalg.norm(mean)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    signal = features @ rng.standard_normal((dim, n_voxels))
    signal = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    ratio = 0.4 * np.exp(0.4 * rng.standard_normal(n_voxels))
    repeats = np.where(rng.random(n) < 0.9, 3, 2)[:, None]
    betas = signal + rng.standard_normal(signal.shape) / (ratio * np.sqrt(repeats))
    test = np.arange(n) >= n - n_test
    error = ((betas - signal)[test] ** 2).sum(axis=0)
    total = ((betas[test] - betas[test].mean(axis=0)) ** 2).sum(axis=0)
    return {
        "features": features.astype(np.float32),
        "betas": betas.astype(np.float32),
        "signal": signal.astype(np.float32),
        "test": test,
        "r2_signal": 1 - error / total,
    }


def write_scenes(
    path,
    n_train: int = 12000,
    n_test: int = 2000,
    n_per_roi: int = 40,
    noise: float = 1.0,
    n_repeats: int = 2,
    *,
    random_state: int = 0,
) -> Path:
    """Write scenes and voxel responses in the stimulus-response layout.

    Data sets: `stimuli` uint8 (n_trials, 3, 32, 32), `responses` float32 (n_trials, n_units),
    `tier` (train, validation or test), `stimulus_id`, `condition` (category), `size`, `unit`,
    `roi`, and `signal` float32 (n_trials, n_units): the planted responses without noise.

    Parameters
    ----------
    path : path-like
    n_train, n_test : int
        Scenes. A tenth of the training scenes have tier `validation`.
    n_per_roi, noise
        See :func:`scene_voxels`.
    n_repeats : int
        Trials per test scene, so that a noise ceiling can be estimated.
    random_state : int

    Returns
    -------
    pathlib.Path
    """
    import h5py

    from neuro.io.regions.series import write_strings

    train = scene_world(n_train, random_state)
    test = scene_world(n_test, seeds.number(random_state, "unseen scenes"))
    rows = np.repeat(np.arange(n_test), n_repeats)
    scenes = Scenes(
        np.concatenate([train.images, test.images[rows]]),
        np.concatenate([train.category, test.category[rows]]),
        np.concatenate([train.size, test.size[rows]]),
    )
    voxels = scene_voxels(scenes, n_per_roi, noise, random_state)
    tier = np.array(["train"] * n_train + ["test"] * len(rows), dtype=object)
    tier[np.arange(9, n_train, 10)] = "validation"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        stimuli = np.round(255 * scenes.images).astype(np.uint8)
        file.create_dataset(
            "stimuli", data=stimuli, chunks=(min(64, len(stimuli)), *stimuli.shape[1:])
        )
        file["responses"] = voxels.responses
        file["signal"] = voxels.signal
        file["size"] = scenes.size.astype(np.float32)
        write_strings(file, "tier", tier)
        names = [f"scene-{i:05d}" for i in range(n_train)] + [f"test-{i:05d}" for i in rows]
        write_strings(file, "stimulus_id", names)
        write_strings(file, "condition", [CATEGORIES[code] for code in scenes.category])
        write_strings(file, "unit", voxels.unit)
        write_strings(file, "roi", voxels.roi)
        file.attrs["planted"] = "neuro.simulate.scenes"
        file.attrs["value_range"] = "0-255"
    return path
