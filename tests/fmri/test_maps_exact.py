"""ALFF, fALFF, ReHo and seed maps against slow obvious versions and scipy."""

import itertools

import numpy as np
import pytest
from scipy import signal, stats

from neuro.fmri.clean.filters import interpolation_matrix
from neuro.fmri.maps import reho as module
from neuro.fmri.maps.amplitude import alff, falff
from neuro.fmri.maps.reho import grid_neighbours, reho
from neuro.fmri.maps.seeds import seed_maps

TR = 2.0
BAND = (0.01, 0.08)


def noise(n, n_voxels, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n_voxels))


def with_dead(x):
    """Series in which voxel 1 is constant and voxel 3 is not finite."""
    x = x.copy()
    x[:, 1] = 7.0
    x[4, 3] = np.nan
    return x


def brain(shape=(6, 5, 4), seed=1):
    """A mask with ragged edges, a hole and a voxel on its own."""
    mask = np.random.default_rng(seed).random(shape) > 0.3
    mask[0, 0, 0], mask[0, 1, :2], mask[1, :2, :2], mask[0, 0, 1] = True, False, False, False
    return mask


@pytest.mark.parametrize("n", [60, 61])
def test_without_censoring_alff_is_that_of_the_periodogram(n):
    x = with_dead(noise(n, 7) + 100)
    frequency, power = signal.periodogram(x, 1 / TR, scaling="spectrum", axis=0)
    inside = (frequency >= BAND[0]) & (frequency <= BAND[1])
    size = np.sqrt(power)
    mean, total = size[inside].mean(axis=0), size[1:].sum(axis=0)
    share = size[inside].sum(axis=0) / np.where(total > 0, total, 1)
    mean[[1, 3]] = share[[1, 3]] = np.nan
    np.testing.assert_allclose(alff(x, TR, BAND), mean, rtol=1e-9)
    np.testing.assert_allclose(falff(x, TR, BAND), share, rtol=1e-9)


def test_with_censoring_it_is_the_lomb_scargle_periodogram():
    kept = np.random.default_rng(3).random(90) > 0.25
    x = noise(90, 5)[kept] + 20
    frequency = np.arange(1, 46) / (90 * TR)
    time = np.flatnonzero(kept) * TR
    inside = (frequency >= BAND[0]) & (frequency <= BAND[1])
    for voxel, found, share in zip(x.T, alff(x, TR, BAND, kept), falff(x, TR, BAND, kept)):
        centred = voxel - voxel.mean()
        power = signal.lombscargle(time, centred, 2 * np.pi * frequency, normalize=True)
        size = np.sqrt(np.clip(power, 0, None)) * centred.std()
        assert found == pytest.approx(size[inside].mean(), rel=1e-9)
        assert share == pytest.approx(size[inside].sum() / size.sum(), rel=1e-6)


def test_a_sine_has_its_amplitude_wherever_volumes_are_missing():
    n, at = 200, 16 / (200 * TR)
    time = np.arange(n) * TR
    x = 3.0 * np.sin(2 * np.pi * at * time + 0.4)[:, None]
    for share in (0.0, 0.3):
        kept = np.random.default_rng(5).random(n) >= share
        found = alff(x[kept], TR, (at, at), kept)[0]
        assert found == pytest.approx(3 / np.sqrt(2), rel=0.02)


def test_filled_gaps_would_add_slow_power_and_this_does_not():
    kept = np.ones(200, dtype=bool)
    for start in range(5, 195, 12):
        kept[start : start + 5] = False
    x = noise(200, 400, seed=8)
    whole = alff(x, TR, BAND).mean()
    filled = alff(interpolation_matrix(kept) @ x[kept], TR, BAND).mean()
    ours = alff(x[kept], TR, BAND, kept).mean()
    spread = np.sqrt(200 / kept.sum())  # white noise in fewer volumes has more power in each
    assert ours == pytest.approx(whole * spread, rel=0.03)
    assert filled > 1.3 * whole


def test_amplitudes_scale_and_shares_do_not():
    x = noise(80, 30)
    np.testing.assert_allclose(alff(5 * x + 9, TR), 5 * alff(x, TR))
    np.testing.assert_allclose(falff(5 * x + 9, TR), falff(x, TR))
    np.testing.assert_allclose(alff(x.astype(np.float32), TR), alff(x, TR), rtol=1e-5)
    inside, outside = (
        np.sin(2 * np.pi * k / 80 * np.arange(80))[:, None] + 1e-6 * x for k in (8, 30)
    )
    assert falff(inside, TR)[0] > 0.99 and falff(outside, TR)[0] < 0.01


def test_bands_and_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"no Fourier frequency of 20 volumes"):
        alff(noise(20, 2), TR, (0.001, 0.002))
    with pytest.raises(ValueError, match="for 18 kept volumes"):
        alff(noise(20, 2), TR, BAND, np.arange(20) > 1)


def slow_neighbours(mask, n_neighbours):
    """For each voxel the set of voxels of the mask around it."""
    reach = {7: 1, 19: 2, 27: 3}[n_neighbours]
    places = [tuple(place) for place in np.argwhere(mask)]
    index = {place: number for number, place in enumerate(places)}
    found = []
    for place in places:
        around = set()
        for step in itertools.product((-1, 0, 1), repeat=3):
            other = tuple(np.add(place, step))
            if np.abs(step).sum() <= reach and other in index:
                around.add(index[other])
        found.append(around)
    return found


def slow_w(x, members):
    """Kendall's W from the chi-squared of Friedman's test, which corrects for ties."""
    members = [j for j in members if np.isfinite(x[:, j]).all() and np.ptp(x[:, j]) > 0]
    if len(members) < 2:
        return np.nan
    if len(members) == 2:  # scipy wants three samples: the textbook's formula
        n, ranks = len(x), stats.rankdata(x[:, members], axis=0)
        tied = sum((np.unique(r, return_counts=True)[1] ** 3.0).sum() - n for r in ranks.T)
        square = (ranks.sum(axis=1) ** 2).sum()
        return (12 * square - 12 * n * (n + 1) ** 2) / (4 * n * (n**2 - 1) - 2 * tied)
    chi2 = stats.friedmanchisquare(*x[:, members])[0]
    return chi2 / (len(members) * (len(x) - 1))


@pytest.fixture(params=["numpy", "numba"])
def engine(request, monkeypatch):
    """Small images are done by numpy, others by compiled loops."""
    monkeypatch.setattr(module, "SMALL", np.inf if request.param == "numpy" else 0)


@pytest.mark.parametrize("n_neighbours", [7, 19, 27])
@pytest.mark.parametrize("ties", [False, True])
def test_reho_is_kendalls_w_of_the_neighbours_inside_the_mask(n_neighbours, ties, engine):
    mask = brain()
    x = noise(25, int(mask.sum())) + noise(25, 1, seed=4)
    if ties:
        x = np.round(2 * x)
    x = with_dead(x)
    table = grid_neighbours(mask, n_neighbours)
    around = slow_neighbours(mask, n_neighbours)
    assert [set(row[row >= 0]) for row in table] == around
    assert (table[:, 0] == np.arange(len(table))).all()
    expected = np.array([slow_w(x, members) for members in around])
    expected[[1, 3]] = np.nan
    found = reho(x, table)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert np.isnan(found[0])  # alone
    assert np.isfinite(found).sum() > 30


def test_both_engines_give_the_same_bits(monkeypatch):
    mask = brain((9, 8, 7), seed=5)
    x = with_dead(np.round(3 * noise(60, int(mask.sum()), seed=6)).astype(np.float32))
    found = []
    for limit in (0, np.inf):
        monkeypatch.setattr(module, "SMALL", limit)
        found.append(reho(x, grid_neighbours(mask, 27)))
    np.testing.assert_array_equal(*found)


def test_reho_sees_ranks_only_and_takes_any_neighbours(engine):
    mask = np.ones((3, 3, 3), dtype=bool)
    x = noise(40, 27) + 0.8 * noise(40, 1, seed=2)
    table = grid_neighbours(mask, 27)
    np.testing.assert_array_equal(reho(np.exp(3 * x), table), reho(x, table))
    same = np.repeat(noise(30, 1), 4, axis=1)
    ring = np.array([[0, 1, 3], [1, 0, 2], [2, 1, 3], [3, 2, 0]])
    np.testing.assert_allclose(reho(same, ring), 1.0)
    assert reho(np.array([[0, 2], [1, 1], [2, 0.0]]), np.array([[0, 1], [1, 0]]))[0] == 0.0
    # unrelated series: 1 / K
    apart = reho(noise(300, 27 * 40), np.arange(27 * 40).reshape(40, 27).repeat(27, axis=0))
    assert apart.mean() == pytest.approx(1 / 27, abs=0.003)


def test_wrong_neighbours_are_refused():
    x = noise(10, 8)
    with pytest.raises(ValueError, match="got 8, expected one of"):
        grid_neighbours(np.ones((2, 2, 2)), 8)
    with pytest.raises(ValueError, match="for series of"):
        reho(x, np.zeros((3, 2), int))
    with pytest.raises(ValueError, match="8 is no voxel"):
        reho(x, np.full((8, 2), 8))
    with pytest.raises(ValueError, match="at least 3"):
        reho(x[:2], np.zeros((8, 1), int))


def test_seed_maps_are_correlations_with_the_mean_of_the_sphere():
    coords = np.argwhere(np.ones((5, 4, 3))) * 4.0
    x = with_dead(noise(50, len(coords)) + noise(50, 1, seed=6))
    seeds = {"one": (8, 4, 4), "off": (500, 0, 0), "corner": (0, 0, 0)}
    found = seed_maps(x, coords, seeds, radius_mm=4.5)
    assert found.shape == (len(coords), 3)
    for column, centre in enumerate(seeds.values()):
        members = [
            j
            for j in range(len(coords))
            if np.linalg.norm(coords[j] - centre) <= 4.5 and j not in (1, 3)
        ]
        for j in range(len(coords)):
            if j in (1, 3) or not members:
                assert np.isnan(found[j, column])
                continue
            r = np.corrcoef(x[:, j], x[:, members].mean(axis=1))[0, 1]
            assert found[j, column] == pytest.approx(np.arctanh(r), rel=1e-9)
