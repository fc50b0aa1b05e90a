"""Numeric core of the simulated images: head motion, BOLD of one run, confound columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro.simulate.template import Template

BASELINE = 10_000.0
"""Mean intensity of grey matter in a template image (arbitrary units)."""

HEAD_RADIUS = 50.0
"""mm; turns rotations into displacements (Power et al. 2012)."""

MOTION_NAMES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TISSUE_NAMES = ("csf", "white_matter", "global_signal")


@dataclass(frozen=True)
class Brain:
    """What all subjects share: voxels of the mask, their tissue, parcels and edges.

    Attributes
    ----------
    template : Template
    parcel : ndarray of int, shape (n_voxels,)
        0 outside grey matter.
    network : ndarray of int, shape (n_voxels,)
        0-based planted network, -1 outside grey matter.
    gm, wm, csf : ndarray of float32, shape (n_voxels,)
    baseline : ndarray of float32, shape (n_voxels,)
    motion_weights : ndarray of float32, shape (6, n_voxels)
        Intensity change per mm or rad of head motion.
    """

    template: Template
    parcel: np.ndarray
    network: np.ndarray
    gm: np.ndarray
    wm: np.ndarray
    csf: np.ndarray
    baseline: np.ndarray
    motion_weights: np.ndarray


def make_brain(template: Template, labels: np.ndarray, table: list[dict]) -> Brain:
    """Collect what :func:`simulate_run` needs from the template and its parcels."""
    inside = template.mask
    volume = BASELINE * (template.gm + 0.8 * template.wm + 1.2 * template.csf)
    spacing = float(template.affine[0, 0])
    # A moving edge changes a voxel by minus (gradient . displacement).
    gradient = np.stack([np.gradient(volume, spacing, axis=axis)[inside] for axis in range(3)])
    arm = template.coords_mm.T - template.coords_mm.mean(axis=0)[:, None]
    turn = np.stack(
        [
            arm[1] * gradient[2] - arm[2] * gradient[1],
            arm[2] * gradient[0] - arm[0] * gradient[2],
            arm[0] * gradient[1] - arm[1] * gradient[0],
        ]
    )
    networks = np.array([-1] + [row["network"] - 1 for row in table])
    parcel = labels[inside].astype(int)
    return Brain(
        template=template,
        parcel=parcel,
        network=networks[parcel],
        gm=template.gm[inside],
        wm=template.wm[inside],
        csf=template.csf[inside],
        baseline=volume[inside].astype(np.float32),
        motion_weights=-np.concatenate([gradient, turn]).astype(np.float32),
    )


def slow_noise(rng, n_volumes: int, n_series: int, tr: float, exponent: float = 1.0) -> np.ndarray:
    """Noise whose power falls as 1/f, strongest in the BOLD band, unit variance per series.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_volumes, n_series : int
    tr : float
        Sampling interval in s.
    exponent : float, default 1
        Power is proportional to 1/f**exponent above 0.01 Hz and flat below (ours).

    Returns
    -------
    ndarray of float32, shape (n_volumes, n_series)
    """
    white = rng.standard_normal((n_volumes, n_series), dtype=np.float32)
    frequency = np.fft.rfftfreq(n_volumes, tr)
    gain = np.maximum(frequency, 0.01) ** (-exponent / 2)
    gain[0] = 0
    series = np.fft.irfft(np.fft.rfft(white, axis=0) * gain[:, None], n_volumes, axis=0)
    return (series / series.std(axis=0)).astype(np.float32)


def head_motion(rng, n_volumes: int, level: float, n_spikes: int) -> tuple[np.ndarray, np.ndarray]:
    """Six realignment parameters: a slow drift, a jitter and sudden nods.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_volumes : int
    level : float
        Factor on drift and jitter; 1 gives a mean framewise displacement near 0.1 mm.
    n_spikes : int
        Volumes in which the head is somewhere else by 0.6 to 1.5 mm.

    Returns
    -------
    motion : ndarray of float, shape (n_volumes, 6)
        Translations (mm), then rotations (rad).
    spikes : ndarray of int
        Volumes of the nods, sorted, never the first.
    """
    scale = np.array([0.02] * 3 + [0.02 / HEAD_RADIUS] * 3) * level
    jitter = rng.standard_normal((n_volumes, 6)) * scale
    drift = np.cumsum(rng.standard_normal((n_volumes, 6)), axis=0) * scale * 0.6
    motion = jitter + drift
    spikes = np.sort(rng.choice(np.arange(1, n_volumes), size=n_spikes, replace=False))
    size = rng.uniform(0.6, 1.5, n_spikes) * rng.choice([-1, 1], n_spikes)
    motion[spikes, 2] += size
    motion[spikes, 3] += 0.3 * size / HEAD_RADIUS
    return motion - motion[0], spikes


def framewise_displacement(motion: np.ndarray) -> np.ndarray:
    """Sum of absolute backward differences in mm, NaN for the first volume."""
    step = np.abs(np.diff(motion, axis=0))
    fd = step[:, :3].sum(axis=1) + HEAD_RADIUS * step[:, 3:].sum(axis=1)
    return np.concatenate([[np.nan], fd])


@dataclass(frozen=True)
class Person:
    """What is planted in one subject.

    Attributes
    ----------
    extra : float
        Share of variance that the planted regions have in common (0 in controls).
    age : float
        Years.
    female : bool
    intensity, noise : float
        Factors of the scanner site.
    """

    extra: float
    age: float
    female: bool
    intensity: float
    noise: float


AGE_SLOPE = -0.03
"""Change per year (around 13 years) of the correlation between planted networks 1 and 2."""

SEX_STEP = 0.24
"""Correlation between planted networks 3 and 4: +half in women, -half in men."""

REGION_SHARE = 0.22
NETWORK_SHARE = 0.12
"""Shares of a grey matter voxel's BOLD variance that its region and network have in common."""


def network_correlation(age: float, female: bool, n_networks: int) -> np.ndarray:
    """Planted correlation matrix of the network latents of one subject."""
    matrix = np.eye(n_networks)
    matrix[0, 1] = matrix[1, 0] = np.clip(0.3 + AGE_SLOPE * (age - 13), -0.6, 0.6)
    matrix[2, 3] = matrix[3, 2] = SEX_STEP / 2 if female else -SEX_STEP / 2
    return matrix


def simulate_run(rng, brain: Brain, person: Person, case_parcels, motion, spikes, tr: float):
    """BOLD of one run before it is rounded to whole numbers.

    Parameters
    ----------
    rng : numpy.random.Generator
    brain : Brain
    person : Person
    case_parcels : sequence of int
        Parcels in which `person.extra` of the variance is one common signal.
    motion : ndarray of float, shape (n_volumes, 6)
    spikes : ndarray of int
    tr : float
        s.

    Returns
    -------
    ndarray of float32, shape (n_volumes, n_voxels)
        In the C order of the template mask.
    """
    n_volumes, n_voxels = len(motion), len(brain.gm)
    n_networks = int(brain.network.max()) + 1
    n_parcels = int(brain.parcel.max())

    mixing = np.linalg.cholesky(network_correlation(person.age, person.female, n_networks))
    networks = slow_noise(rng, n_volumes, n_networks, tr) @ mixing.T.astype(np.float32)
    regions = slow_noise(rng, n_volumes, n_parcels, tr)
    common = slow_noise(rng, n_volumes, 1, tr)
    share_region = np.clip(REGION_SHARE * np.exp(0.15 * rng.standard_normal(n_parcels)), 0.05, 0.4)

    # Column 0 stands for voxels outside the grey matter, which share nothing.
    region_share = np.concatenate([[0], share_region])[brain.parcel].astype(np.float32)
    network_share = np.where(brain.network >= 0, NETWORK_SHARE, 0).astype(np.float32)
    extra_share = np.where(np.isin(brain.parcel, case_parcels), person.extra, 0).astype(np.float32)
    own_share = 1 - region_share - network_share - extra_share
    region_series = np.pad(regions, ((0, 0), (1, 0)))[:, brain.parcel]
    network_series = np.pad(networks, ((0, 0), (0, 1)))[:, brain.network]

    bold = slow_noise(rng, n_volumes, n_voxels, tr) * np.sqrt(own_share)
    bold += region_series * np.sqrt(region_share)
    bold += network_series * np.sqrt(network_share)
    bold += common * np.sqrt(extra_share)
    bold *= 0.010 * (0.2 + 0.8 * brain.gm)

    # Nuisance: breathing everywhere, a drift of white matter, pulsating CSF, scanner drift.
    breath = slow_noise(rng, n_volumes, 1, tr, exponent=0.5)
    white = slow_noise(rng, n_volumes, 1, tr, exponent=1.5)
    pulse = slow_noise(rng, n_volumes, 1, tr, exponent=0)
    ramp = np.linspace(-1, 1, n_volumes, dtype=np.float32)[:, None]
    bold += 0.002 * breath * (0.4 + 0.6 * brain.gm)
    bold += 0.002 * white * brain.wm
    bold += 0.010 * pulse * brain.csf
    bold += 0.002 * ramp * rng.uniform(-1, 1)
    bold += person.noise * 0.006 * rng.standard_normal((n_volumes, n_voxels), dtype=np.float32)

    series = brain.baseline * (1 + bold)
    series += 0.3 * motion.astype(np.float32) @ brain.motion_weights
    if len(spikes):
        # Spin history: a smooth loss of signal that no realignment undoes.
        coords = brain.template.coords_mm.astype(np.float32) / 60
        tilt = rng.standard_normal((len(spikes), 3), dtype=np.float32) @ coords.T
        series[spikes] -= brain.baseline * (0.01 + 0.01 * tilt)
    return person.intensity * series


def dvars(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DVARS after scaling to a median of 1000, and DVARS over its expected value.

    The expectation is the mean over voxels of sd * sqrt(2 (1 - rho)), with the robust
    standard deviation IQR / 1.349 and the lag-1 autocorrelation rho. First value NaN.
    """
    scaled = series * (1000 / np.median(series))
    step = np.diff(scaled, axis=0)
    raw = np.sqrt((step**2).mean(axis=1))
    low, high = np.percentile(scaled, [25, 75], axis=0)
    spread = (high - low) / 1.349
    centred = scaled - scaled.mean(axis=0)
    power = np.maximum((centred**2).sum(axis=0), 1e-12)
    rho = (centred[1:] * centred[:-1]).sum(axis=0) / power
    expected = (spread * np.sqrt(2 * (1 - rho))).mean()
    nan = [np.nan]
    return np.concatenate([nan, raw]), np.concatenate([nan, raw / expected])


def confound_table(series: np.ndarray, motion: np.ndarray, brain: Brain) -> dict[str, np.ndarray]:
    """Confound columns in fMRIPrep's names and order of expansion.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
    motion : ndarray, shape (n_volumes, 6)
    brain : Brain

    Returns
    -------
    dict of ndarray
        Signals with their `_derivative1`, `_power2` and `_derivative1_power2`, then
        `framewise_displacement` (mm), `dvars` and `std_dvars`. The first value of a
        difference is NaN.
    """
    base = {
        "csf": series[:, brain.csf > 0.6].mean(axis=1, dtype=float),
        "white_matter": series[:, brain.wm > 0.8].mean(axis=1, dtype=float),
        "global_signal": series.mean(axis=1, dtype=float),
        **dict(zip(MOTION_NAMES, motion.T)),
    }
    table = {}
    for name, column in base.items():
        change = np.concatenate([[np.nan], np.diff(column)])
        table[name] = column
        table[f"{name}_derivative1"] = change
        table[f"{name}_power2"] = column**2
        table[f"{name}_derivative1_power2"] = change**2
    table["dvars"], table["std_dvars"] = dvars(series)
    table["framewise_displacement"] = framewise_displacement(motion)
    return table
