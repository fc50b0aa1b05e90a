"""Planted populations with known functional types: linear-nonlinear cells of eight kinds.

Types 0/1 are ON and OFF centre-surround, 2/3 ON and OFF blobs without surround, 4-7 oriented
energy cells at 0, 45, 90 and 135 degrees. All values are ours; they match no recording.
"""

from __future__ import annotations

import dataclasses

import numpy as np

SIZE = 24
"""Pixels along a side."""
N_TYPES = 8
UNEVEN = (60, 45, 30, 30, 25, 20, 15, 15)
"""Cells per type of the uneven population."""
N_SCALE = 2000
"""Normal images over which the scale of a cell is measured."""


@dataclasses.dataclass
class Population:
    """Cells with known filters; called like a twin.

    Attributes
    ----------
    even, odd : ndarray of float32, shape (n_cells, size * size)
        Filters; `odd` is zero for cells of types 0 to 3.
    energy : ndarray of bool, shape (n_cells,)
        Whether a cell adds the energies of both filters.
    gain : ndarray of float32, shape (n_cells,)
        Factor of the response, normalisation included.
    types : ndarray of int, shape (n_cells,)
    position : ndarray, shape (n_cells, 2)
        Shift of the receptive field in pixels, x first.
    angle : ndarray, shape (n_cells,)
        Degrees; NaN for cells without orientation.
    size : int
    """

    even: np.ndarray
    odd: np.ndarray
    energy: np.ndarray
    gain: np.ndarray
    types: np.ndarray
    position: np.ndarray
    angle: np.ndarray
    size: int = SIZE

    @property
    def stimulus_shape(self) -> tuple[int, int, int]:
        """Shape of one stimulus."""
        return (1, self.size, self.size)

    def __call__(self, stimuli):
        """Responses to a tensor (n, 1, size, size), as a tensor (n, n_cells)."""
        import torch

        if getattr(self, "_torch", None) is None or self._torch[0].dtype != stimuli.dtype:
            self._torch = tuple(
                torch.as_tensor(drive, device=stimuli.device).to(stimuli.dtype)
                for drive in (self.even.T, self.odd.T, self.energy, self.gain)
            )
        even, odd, energy, gain = self._torch
        flat = stimuli.reshape(len(stimuli), -1)
        a, b = flat @ even, flat @ odd
        simple = torch.nn.functional.softplus(4 * a) / 4
        return torch.where(energy > 0, (a * a + b * b + 1e-4).sqrt(), simple) * gain

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key != "_torch"}

    def rates(self, stimuli) -> np.ndarray:
        """Responses to an array (n, 1, size, size), as an array (n, n_cells)."""
        flat = np.asarray(stimuli, np.float64).reshape(len(stimuli), -1)
        return _respond(flat, self.even, self.odd, self.energy) * self.gain


def _respond(flat, even, odd, energy):
    a, b = flat @ even.T, flat @ odd.T
    simple = np.logaddexp(0, 4 * a) / 4
    return np.where(energy, np.sqrt(a * a + b * b + 1e-4), simple)


def _gaussian(x, y, q):
    return np.exp(-(x**2 + y**2) / (2 * q**2)) / (2 * np.pi * q**2)


def _cell(kind, x, y, s, angle, shape):
    """Even and odd filter of one cell, not scaled."""
    if kind in (0, 1):
        f = _gaussian(x, y, shape["centre"] * s) - 0.9 * _gaussian(x, y, shape["surround"] * s)
        return (f if kind == 0 else -f), np.zeros_like(f)
    if kind in (2, 3):
        f = _gaussian(x, y, shape["blob"] * s)
        return (f if kind == 2 else -f), np.zeros_like(f)
    along = np.deg2rad(angle)
    u = x * np.cos(along) + y * np.sin(along)
    envelope = np.exp(-(x**2 + y**2) / (2 * (shape["envelope"] * s) ** 2))
    phase = 2 * np.pi * u / (shape["period"] * s)
    even = envelope * np.cos(phase)
    return even - even.mean(), envelope * np.sin(phase)


_CENTRED = {"centre": 1.5, "surround": 4.0, "blob": 5.0, "envelope": 3.5, "period": 6.0}
_SCATTERED = {"centre": 1.0, "surround": 2.6, "blob": 3.0, "envelope": 2.3, "period": 4.2}


def _population(rng, types, angles, shift, sizes, gains, shape, scale_on=None, size=SIZE):
    grid = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(grid, grid)
    even = np.empty((len(types), size * size))
    odd = np.empty_like(even)
    for k, kind in enumerate(types):
        one, two = _cell(kind, x - shift[k, 0], y - shift[k, 1], sizes[k], angles[k], shape)
        length = np.linalg.norm(one)
        even[k], odd[k] = one.ravel() / length, two.ravel() / length
    energy = np.asarray(types) >= 4
    if scale_on is None:
        images = rng.standard_normal((N_SCALE, size * size))
        gains = gains / _respond(images, even, odd, energy).std(axis=0)
    else:
        length = (scale_on.reshape(len(scale_on), -1) @ even.T).std(axis=0)[:, None]
        even, odd = even / length, odd / length
    return Population(
        even.astype(np.float32),
        odd.astype(np.float32),
        energy,
        np.asarray(gains, np.float32),
        np.asarray(types),
        shift,
        np.asarray(angles, float),
        size,
    )


def _counts(n_per_type, n_types=N_TYPES):
    counts = [n_per_type] * n_types if np.isscalar(n_per_type) else list(n_per_type)
    if len(counts) > N_TYPES or min(counts) < 1:
        raise ValueError(f"n_per_type: got {n_per_type}, expected 1 to {N_TYPES} counts >= 1")
    return counts


def ln8_population(n_per_type=30, random_state=0, normalise=True) -> Population:
    """Eight types of cells at one position, with jitter within types.

    Parameters
    ----------
    n_per_type : int or sequence of int, default 30
        Cells per type; fewer than eight counts leave the last types out.
    random_state : int, default 0
    normalise : bool, default True
        Whether the response, gain included, is divided by its standard deviation over 2,000
        normal images; False leaves the gains in, for tests of what loud cells do.

    Returns
    -------
    Population

    Raises
    ------
    ValueError
        For no cell or more than eight types.
    """
    rng = np.random.default_rng(random_state)
    types = np.repeat(np.arange(len(_counts(n_per_type))), _counts(n_per_type))
    n = len(types)
    shift = rng.normal(0, 0.4, (n, 2))
    sizes = 1 + rng.normal(0, 0.08, n)
    gains = np.exp(rng.normal(0, 0.3, n))
    angles = np.where(types >= 4, (types - 4) * 45.0 + rng.normal(0, 5, n), np.nan)
    population = _population(rng, types, angles, shift, sizes, np.ones(n), _CENTRED)
    if not normalise:
        population.gain *= gains.astype(np.float32)
    return population


def orientation_continuum(n_cells=240, random_state=0) -> Population:
    """Energy cells whose preferred angle is uniform: no types, though the cells differ.

    Parameters
    ----------
    n_cells : int, default 240
    random_state : int, default 0

    Returns
    -------
    Population
        With jitter of position, none of gain and size.
    """
    rng = np.random.default_rng(random_state)
    angles = rng.uniform(0, 180, n_cells)
    shift = rng.normal(0, 0.4, (n_cells, 2))
    ones = np.ones(n_cells)
    return _population(rng, np.full(n_cells, 4), angles, shift, ones, ones, _CENTRED)


def one_type(kind=0, n_cells=240, random_state=0) -> Population:
    """Cells of a single type with the jitter of :func:`ln8_population`.

    Parameters
    ----------
    kind : int, default 0
        Type, 0 to 7.
    n_cells : int, default 240
    random_state : int, default 0

    Returns
    -------
    Population
    """
    rng = np.random.default_rng(random_state)
    shift = rng.normal(0, 0.4, (n_cells, 2))
    sizes = 1 + rng.normal(0, 0.08, n_cells)
    angles = (
        (kind - 4) * 45.0 + rng.normal(0, 5, n_cells) if kind >= 4 else np.full(n_cells, np.nan)
    )
    kinds = np.full(n_cells, kind)
    return _population(rng, kinds, angles, shift, sizes, np.ones(n_cells), _CENTRED)


def natural_images(n, size=SIZE, exponent=0.7, rng=None) -> np.ndarray:
    """Images whose amplitude spectrum falls as 1/f^exponent, each z-scored.

    Parameters
    ----------
    n, size : int
    exponent : float, default 0.7
    rng : numpy.random.Generator, optional

    Returns
    -------
    ndarray of float32, shape (n, 1, size, size)
    """
    rng = rng or np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    f[0, 0] = 1.0 / size
    spectrum = np.fft.rfft2(rng.standard_normal((n, size, size))) / f**exponent
    images = np.fft.irfft2(spectrum, s=(size, size))
    images -= images.mean(axis=(1, 2), keepdims=True)
    images /= images.std(axis=(1, 2), keepdims=True)
    return images[:, None].astype(np.float32)


def ln8_twin_data(n_per_type=20, n_train=4000, n_test=500, random_state=0, n_types=N_TYPES):
    """One noisy trial per image of cells at scattered positions, to train a twin on.

    Parameters
    ----------
    n_per_type : int or sequence of int, default 20
    n_train, n_test : int, default 4000 and 500
        Images; one in ten of the training images is for validation.
    random_state : int, default 0
    n_types : int, default 8

    Returns
    -------
    data : dict
        `stimuli` (n, 1, 24, 24), `responses` (n, n_cells) Poisson counts over 2, `tier`, `unit`,
        `known_type`.
    population : Population
        The truth; positions within 4 pixels of the centre.
    """
    rng = np.random.default_rng(random_state)
    counts = _counts(n_per_type, n_types)
    types = np.repeat(np.arange(len(counts)), counts)
    n = len(types)
    shift = rng.uniform(-4, 4, (n, 2))
    sizes = 1 + rng.normal(0, 0.08, n)
    gains = np.exp(rng.normal(0, 0.3, n))
    angles = np.where(types >= 4, (types - 4) * 45.0 + rng.normal(0, 5, n), np.nan)
    images = natural_images(n_train + n_test, rng=rng)
    population = _population(
        rng, types, angles, shift, sizes, gains, _SCATTERED, scale_on=images[:N_SCALE]
    )
    responses = rng.poisson(2 * population.rates(images)) / 2
    tier = np.array(["train"] * n_train + ["test"] * n_test, dtype="<U10")
    tier[: n_train // 10] = "validation"
    data = {
        "stimuli": images,
        "responses": responses.astype(np.float32),
        "tier": tier,
        "unit": [f"n{k:03d}" for k in range(1, n + 1)],
        "known_type": [f"type {kind}" for kind in types],
    }
    return data, population


def write_truth(path, population) -> None:
    """Write a population as plain arrays."""
    np.savez(path, **{key: np.asarray(value) for key, value in population.__getstate__().items()})  # type: ignore[arg-type]


def read_truth(path) -> Population:
    """Read a population that :func:`write_truth` wrote."""
    with np.load(path, allow_pickle=False) as file:
        content = {key: file[key] for key in file.files}
    return Population(**content | {"size": int(content["size"])})


def present(population, stimuli, n_new=10, n_repeats=9, peak=2.8, random_state=0) -> dict:
    """Poisson responses of new cells to most discriminative stimuli.

    Every new cell has the filters of a planted one, moved to the centre of the stimulus, as on
    the rig where the stimulus is put onto the receptive field.

    Parameters
    ----------
    population : Population
    stimuli : array, shape (K, 1, side, side)
        Smaller than or as large as the population's images.
    n_new : int, default 10
        Cells per type.
    n_repeats : int, default 9
    peak : float, default 2.8
        Expected spikes of a cell to its best stimulus.
    random_state : int, default 0

    Returns
    -------
    dict
        `responses` (n_repeats, K, n_cells), `unit`, `known_type`.
    """
    rng = np.random.default_rng([random_state, 23])
    stimuli = np.asarray(stimuli, np.float64)
    side = stimuli.shape[-1]
    canvas = np.zeros((len(stimuli), 1, population.size, population.size))
    start = (population.size - side) // 2
    # half a pixel, where one of both sides is odd
    centre = start + (side - population.size) / 2
    canvas[:, :, start : start + side, start : start + side] = stimuli
    chosen = np.concatenate(
        [
            rng.choice(np.flatnonzero(population.types == kind), n_new)
            for kind in np.unique(population.types)
        ]
    )
    types = population.types[chosen]
    centred = _population(
        rng,
        types,
        population.angle[chosen],
        rng.normal(centre, 0.2, (len(chosen), 2)),
        1 + rng.normal(0, 0.08, len(chosen)),
        np.ones(len(chosen)),
        _SCATTERED,
        scale_on=natural_images(200, population.size, rng=rng),
        size=population.size,
    )
    rates = centred.rates(canvas)
    rates = peak * rates / rates.max(axis=0)
    return {
        "responses": rng.poisson(rates, (n_repeats, *rates.shape)).astype(np.float32),
        "unit": np.array([f"new{k:03d}" for k in range(1, len(chosen) + 1)]),
        "known_type": np.array([f"type {kind}" for kind in types]),
    }
