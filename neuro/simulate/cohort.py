"""A planted resting-state cohort as arrays: cases share extra variance in a few regions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd

GRID = (20, 15, 10)
"""Voxels per axis of the default grid: 3,000 voxels."""
VOXEL_MM = 4.0


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Subjects whose series are made on demand, so that a cohort needs little memory.

    Attributes
    ----------
    coords_mm : ndarray, shape (n_voxels, 3)
        Voxel centres in mm.
    regions : ndarray of str, shape (n_voxels,)
        Region label of each voxel.
    participants : pandas.DataFrame
        `participant_id`, `site`, `age` (years), `sex`, `dx` (0 or 1), `handedness`, `iq`,
        `mean_fd` (mm).
    truth : dict
        `case_regions` (labels), `effect`, `shared` (n_subjects, n_regions), `region` (labels in
        the order of `shared`), `latent_share`, `random_state`.
    n_timepoints : int
    tr : float
        Sampling interval in s; a label only, the series are made per volume.
    autocorrelation : float
        Lag-one correlation of every component.
    """

    coords_mm: np.ndarray
    regions: np.ndarray
    participants: pd.DataFrame
    truth: dict
    n_timepoints: int
    tr: float
    autocorrelation: float

    def __len__(self) -> int:
        return len(self.participants)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.series(subject) for subject in range(len(self)))

    def series(self, subject: int) -> np.ndarray:
        """Series of one subject, float32, shape (n_timepoints, n_voxels), unit variance.

        The same subject gives the same numbers whatever was made before.

        Raises
        ------
        IndexError
            When there is no such subject.
        """
        if not 0 <= subject < len(self):
            raise IndexError(f"subject {subject}: the cohort has {len(self)}")
        rng = np.random.default_rng([self.truth["random_state"], 1, subject])
        labels = self.truth["region"]
        column = np.searchsorted(labels, self.regions)
        shared = self.truth["shared"][subject][column]
        own = self._noise(rng, len(labels))
        common = self._noise(rng, self.truth["n_networks"])
        network = np.arange(len(labels)) % self.truth["n_networks"]
        share = self.truth["latent_share"]
        latent = _standardise(np.sqrt(1 - share) * own + np.sqrt(share) * common[:, network])
        noise = self._noise(rng, len(self.regions))
        return (np.sqrt(shared) * latent[:, column] + np.sqrt(1 - shared) * noise).astype(
            np.float32
        )

    def _noise(self, rng, n_columns: int) -> np.ndarray:
        """AR(1) noise with columns of exactly zero mean and unit variance."""
        from scipy.signal import lfilter

        burn = 20
        white = rng.standard_normal((self.n_timepoints + burn, n_columns))
        if self.autocorrelation:
            white = lfilter([1.0], [1.0, -self.autocorrelation], white, axis=0)
        return _standardise(white[burn:])


def _standardise(series: np.ndarray) -> np.ndarray:
    series = series - series.mean(axis=0)
    return series / np.sqrt((series**2).mean(axis=0))


def _parcels(coords_mm: np.ndarray, n_regions: int, random_state: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    model = KMeans(n_regions, n_init=1, random_state=random_state).fit(coords_mm)
    return np.char.add("region-", np.char.zfill((model.labels_ + 1).astype(str), 3))


def planted_cohort(
    n_subjects: int = 80,
    coords_mm=None,
    n_regions: int = 20,
    n_timepoints: int = 150,
    effect: float = 0.05,
    case_regions: int = 2,
    sites=("alpha", "beta"),
    random_state: int = 0,
    *,
    regions=None,
    shared: float = 0.30,
    subject_sd: float = 0.02,
    site_sd: float = 0.02,
    latent_share: float = 0.2,
    n_networks: int = 4,
    tr: float = 2.0,
    autocorrelation: float = 0.3,
) -> Cohort:
    """Make a cohort in which the diagnosis is planted in a few regions.

    Every voxel is a mixture of its region's latent series and of its own noise. The share of the
    latent (`shared`) varies a little between subjects, regions and sites; cases get `effect` more
    in `case_regions` regions, so that correlations there are larger by about the same amount.

    Parameters
    ----------
    n_subjects : int, default 80
        Half of them (rounded down) are cases, spread evenly over the sites.
    coords_mm : array, shape (n_voxels, 3), optional
        Voxel centres in mm; default a grid of 20 x 15 x 10 voxels of 4 mm.
    n_regions : int, default 20
        Number of k-means parcels of the coordinates; ignored when `regions` is given.
    n_timepoints : int, default 150
    effect : float, default 0.05
        Extra shared variance of cases (0 plants nothing).
    case_regions : int or sequence of str, default 2
        How many regions carry the effect, or which.
    sites : sequence of str, default ('alpha', 'beta')
    random_state : int, default 0
    regions : array of str, shape (n_voxels,), optional
        Region label of each voxel.
    shared : float, default 0.30
        Mean share of variance that the voxels of a region have in common.
    subject_sd, site_sd : float, default 0.02 and 0.02
        Spread of that share between subjects (for each region) and between sites.
    latent_share : float, default 0.2
        Variance that the latents of one network have in common.
    n_networks : int, default 4
    tr : float, default 2.0
        Sampling interval in s.
    autocorrelation : float, default 0.3
        Lag-one correlation of all components, so that a temporal filter keeps their proportions.

    Returns
    -------
    Cohort

    Raises
    ------
    ValueError
        When sizes do not match, or the shares leave the range from 0 to 1.
    """
    rng = np.random.default_rng([random_state, 0])
    if coords_mm is None:
        index = np.stack(np.meshgrid(*map(np.arange, GRID), indexing="ij"), axis=-1)
        coords_mm = VOXEL_MM * index.reshape(-1, 3)
    coords_mm = np.asarray(coords_mm, dtype=np.float64)
    if coords_mm.ndim != 2 or coords_mm.shape[1] != 3:
        raise ValueError(f"coords_mm: shape {coords_mm.shape}, expected (n_voxels, 3)")
    if n_subjects < 2:
        raise ValueError(f"n_subjects: got {n_subjects}, expected at least 2")
    if regions is None:
        regions = _parcels(coords_mm, n_regions, random_state)
    regions = np.asarray(regions).astype(str)
    if len(regions) != len(coords_mm):
        raise ValueError(f"regions: {len(regions)} labels for {len(coords_mm)} voxels")
    labels = np.unique(regions)
    planted = _choose(case_regions, labels, rng)
    if not 0 < shared < 1 or not 0 <= shared + effect < 1:
        raise ValueError(f"shared {shared} and effect {effect}: shares must stay within 0 and 1")

    participants = _participants(n_subjects, sites, rng)
    case = participants["dx"].to_numpy() == 1
    level = shared + rng.normal(0, subject_sd, (n_subjects, len(labels)))
    offset = dict(zip(sites, rng.normal(0, site_sd, len(sites))))
    level += participants["site"].map(offset).to_numpy()[:, None]
    level += effect * np.outer(case, np.isin(labels, planted))
    return Cohort(
        coords_mm=coords_mm,
        regions=regions,
        participants=participants,
        truth={
            "case_regions": planted,
            "effect": effect,
            "shared": np.clip(level, 0.01, 0.99),
            "region": labels,
            "latent_share": latent_share,
            "n_networks": min(n_networks, len(labels)),
            "random_state": random_state,
        },
        n_timepoints=n_timepoints,
        tr=tr,
        autocorrelation=autocorrelation,
    )


def _choose(case_regions, labels: np.ndarray, rng) -> list[str]:
    if isinstance(case_regions, (int, np.integer)):
        if not 0 <= case_regions <= len(labels):
            raise ValueError(f"case_regions: got {case_regions}, there are {len(labels)} regions")
        return sorted(rng.choice(labels, case_regions, replace=False).tolist())
    unknown = sorted(set(map(str, case_regions)) - set(labels.tolist()))
    if unknown:
        raise ValueError(f"case_regions: no region '{unknown[0]}'")
    return sorted(map(str, case_regions))


def _participants(n_subjects: int, sites, rng) -> pd.DataFrame:
    """Cases and controls alternate within each site; demographics do not depend on them."""
    order = np.arange(n_subjects)
    width = max(2, len(str(n_subjects)))
    iq = np.round(rng.normal(105, 12, n_subjects))
    # a missing value, because real tables have them
    iq[rng.integers(n_subjects)] = np.nan
    return pd.DataFrame(
        {
            "participant_id": [f"{i + 1:0{width}d}" for i in order],
            "site": np.asarray(sites, dtype=object)[(order // 2) % len(sites)],
            "age": np.round(rng.uniform(7, 18, n_subjects), 2),
            "sex": rng.choice(["F", "M"], n_subjects),
            "dx": order % 2,
            "handedness": rng.choice([0.0, 1.0], n_subjects, p=[0.1, 0.9]),
            "iq": iq,
            "mean_fd": np.round(rng.gamma(4, 0.04, n_subjects), 4),
        }
    )
