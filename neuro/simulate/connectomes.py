"""Planted connectomes of a cohort: age, sex, site, diagnosis and subject factors, all known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

AGE_MEAN, AGE_SD = 15.0, 4.04
"""Years; ages are uniform between 8 and 22, whose standard deviation is 4.04."""
SITES = ("alpha", "beta", "gamma")
NOISE = (0.7, 1.0, 1.3)
"""Standard deviation of the measurement noise at each site (the signal's is about 1)."""

# Chosen so that edges vary and readouts succeed about as in real cohorts: edge SD 0.19, 60
# components leave 0.094, and age is read out of the edges with R2 0.66, sex with 0.86.
_NETWORK, _GLOBAL, _SCATTER, _COMMON = 1.45, 1.3, 0.10, 0.6
_FACTOR_SCALE, _FACTOR_DECAY = 0.172, 0.92
_AGE_SCALE, _SEX_SCALE, _SITE_SCALE, _DX_SCALE = 0.0188, 0.035, 0.020, 0.024
_AVERAGED = 48
"""Subjects over which true effects are averaged."""


@dataclasses.dataclass(frozen=True)
class PlantedConnectomes:
    """Connectomes with everything that made them.

    Attributes
    ----------
    edges : ndarray of float32, shape (n_subjects, n_edges)
        Pearson correlations in the order of `numpy.triu_indices(n_regions, 1)`.
    participants : pandas.DataFrame
        `participant_id`, `site`, `age` (years), `sex`, `dx` (0 or 1), `handedness`, `iq`.
    region : list of str
    truth : dict
        `factors` (n_subjects, n_factors); `maps`, the mean change of a subject's expected
        connectome by name (`age` per standard deviation, `age2` per unit of a^2 - 1, `sex` male -
        female, `dx` case - control, `site` (n_sites, n_edges) minus their mean); `noise` by site;
        `random_state`.
    """

    edges: np.ndarray
    participants: pd.DataFrame
    region: list[str]
    truth: dict


def planted_connectomes(
    n_subjects: int = 1000,
    n_regions: int = 264,
    n_timepoints: int = 124,
    n_factors: int = 40,
    random_state: int = 0,
    *,
    sites=SITES,
    noise=NOISE,
    age_scale: float = _AGE_SCALE,
    dx_scale: float = _DX_SCALE,
    effect: float = 1.0,
) -> PlantedConnectomes:
    """Make correlation matrices whose causes are known.

    Regions load on 11 networks and one global signal. The loadings of a subject are the common
    ones plus subject factors, a linear and a U-shaped age effect, a sex map, a map of the site and
    a weak map of the diagnosis; the series are the loadings times white signals plus noise whose
    size depends on the site. The diagnosis depends on age and sex.

    Parameters
    ----------
    n_subjects : int, default 1000
    n_regions : int, default 264
    n_timepoints : int, default 124
    n_factors : int, default 40
        Their strength falls with their number.
    random_state : int, default 0
    sites : sequence of str, default ('alpha', 'beta', 'gamma')
    noise : sequence of float, default (0.7, 1.0, 1.3)
        One standard deviation per site; repeated when there are more sites.
    age_scale : float, default 0.0188
        Change of a loading per standard deviation of age, and per unit of its square.
    dx_scale : float, default 0.024
        Change of a loading in cases.
    effect : float, default 1.0
        Factor on the effects of age, sex, site and diagnosis; small cohorts need more to show.

    Returns
    -------
    PlantedConnectomes

    Raises
    ------
    ValueError
        When a size is too small to correlate anything.
    """
    if n_subjects < 4 or n_regions < 4 or n_timepoints < 10:
        raise ValueError(
            f"sizes: got {n_subjects} subjects, {n_regions} regions, {n_timepoints} volumes; "
            "need at least 4, 4 and 10"
        )
    rng = np.random.default_rng([random_state, 7])
    people = _participants(n_subjects, sites, rng)
    n_signals = 12
    shape = (n_regions, n_signals)
    network = np.arange(n_regions) * (n_signals - 1) // n_regions
    base = np.zeros(shape)
    base[np.arange(n_regions), network] = _NETWORK
    base[:, -1] = _GLOBAL
    base += _SCATTER * rng.standard_normal(shape)
    strength = _FACTOR_SCALE * _FACTOR_DECAY ** np.arange(n_factors)
    patterns = strength[:, None, None] * _smooth(rng, (n_factors, *shape), network)
    maps = {
        "age": effect * age_scale * _smooth(rng, shape, network),
        "age2": effect * age_scale * _smooth(rng, shape, network),
        "sex": effect * _SEX_SCALE * _smooth(rng, shape, network),
        "dx": effect * dx_scale * _smooth(rng, shape, network),
    }
    site_maps = effect * _SITE_SCALE * _smooth(rng, (len(sites), *shape), network)

    factors = rng.standard_normal((n_subjects, n_factors))
    age = ((people["age"] - AGE_MEAN) / AGE_SD).to_numpy()
    weights = {
        "age": age,
        "age2": age**2 - 1,
        "sex": (people["sex"] == "M").to_numpy(float),
        "dx": people["dx"].to_numpy(float),
    }
    site_of = people["site"].map({name: i for i, name in enumerate(sites)}).to_numpy()
    sigma = np.resize(np.asarray(noise, dtype=float), len(sites))
    upper = np.triu_indices(n_regions, 1)
    edges = np.empty((n_subjects, len(upper[0])), dtype=np.float32)
    loadings = np.tensordot(factors, patterns, 1) + base + site_maps[site_of]
    for name, value in weights.items():
        loadings += value[:, None, None] * maps[name]
    for i, loading in enumerate(loadings):
        # a stream of its own, so that a subject does not depend on how many there are before it
        own = np.random.default_rng([random_state, 8, i])
        signals = own.standard_normal((n_timepoints, n_signals), dtype=np.float32)
        series = signals @ loading.T.astype(np.float32)
        series += sigma[site_of[i]] * own.standard_normal(series.shape, dtype=np.float32)
        series -= series.mean(axis=0)
        series /= np.sqrt((series**2).sum(axis=0))
        edges[i] = (series.T @ series)[upper]
    truth = {
        "factors": factors,
        "maps": _effects(loadings[:_AVERAGED], site_of[:_AVERAGED], maps, site_maps, sigma, upper),
        "noise": dict(zip(sites, sigma.tolist())),
        "random_state": random_state,
    }
    return PlantedConnectomes(edges, people, [f"R{i + 1:03d}" for i in range(n_regions)], truth)


def _effects(loadings, site_of, maps, site_maps, sigma, upper):
    """What each cause changes in the expected correlations, averaged over some subjects.

    Sites: shape (n_sites, n_edges), deviations from their mean.
    """
    effects = {}
    for name, change in maps.items():
        differences = [
            _expected(loading + 0.5 * change, sigma[site])
            - _expected(loading - 0.5 * change, sigma[site])
            for loading, site in zip(loadings, site_of)
        ]
        effects[name] = np.mean(differences, axis=0)[upper].astype(np.float32)
    levels = []
    for own, noise_sd in zip(site_maps, sigma):
        moved = [
            _expected(loading - site_maps[site] + own, noise_sd)
            for loading, site in zip(loadings, site_of)
        ]
        levels.append(np.mean(moved, axis=0)[upper])
    effects["site"] = (np.stack(levels) - np.mean(levels, axis=0)).astype(np.float32)
    return effects


def _smooth(rng, shape, network):
    """Random maps: 60 % of their variance is common to a network."""
    own = rng.standard_normal(shape)
    common = rng.standard_normal((*shape[:-2], int(network.max()) + 1, shape[-1]))
    return np.sqrt(1 - _COMMON) * own + np.sqrt(_COMMON) * common[..., network, :]


def _expected(loading, sigma):
    """Correlation matrix of the model for one loading matrix."""
    covariance = loading @ loading.T
    scale = np.sqrt(np.diag(covariance) + sigma**2)
    return covariance / np.outer(scale, scale)


def _participants(n_subjects, sites, rng):
    age = rng.uniform(8, 22, n_subjects)
    male = rng.random(n_subjects) < 0.5
    logit = 0.8 * (male - 0.5) * 2 - 0.5 * (age - AGE_MEAN) / AGE_SD
    dx = rng.random(n_subjects) < 1 / (1 + np.exp(-logit))
    width = max(4, len(str(n_subjects)))
    return pd.DataFrame(
        {
            "participant_id": [f"{i + 1:0{width}d}" for i in range(n_subjects)],
            "site": np.asarray(sites, dtype=object)[rng.permutation(n_subjects) % len(sites)],
            "age": np.round(age, 2),
            "sex": np.where(male, "M", "F"),
            "dx": dx.astype(int),
            "handedness": (rng.random(n_subjects) < 0.9).astype(float),
            "iq": np.round(rng.normal(105, 13, n_subjects)),
        }
    )
