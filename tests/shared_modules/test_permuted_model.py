"""Permuted residuals of many measures, against ordinary least squares one by one."""

import numpy as np
import pytest
from scipy import stats

from neuro.stats.permuted.design import Design, arrangements, places, places_within
from neuro.stats.permuted.model import PermutedModel, ZScale, permuted_p


def cohort(n=60, n_measures=7, classes=2, seed=0, sites=3):
    rng = np.random.default_rng(seed)
    site = rng.integers(0, sites, n)
    age = rng.normal(10, 2, n) + site
    motion = rng.gamma(2, 0.1, n)
    group = (rng.random(n) * classes).astype(int)
    hot = (site[:, None] == np.arange(1, sites)).astype(float)
    effect = (group[:, None] == np.arange(1, classes)).astype(float)
    design = Design(
        effect,
        np.column_stack([age, hot, motion]),
        site,
        tuple(f"group={k}" for k in range(1, classes)),
        ("age", *(f"site={k}" for k in range(1, sites)), "mean_fd"),
    )
    Y = rng.standard_normal((n, n_measures)) @ rng.standard_normal((n_measures,) * 2)
    Y += 0.3 * age[:, None] + site[:, None] * rng.standard_normal(n_measures)
    return design, Y, rng


def slow(Y, design, moves):
    """t or F of every measure: least squares on the full and on the nuisance model, one by one."""
    n = len(Y)
    Z = np.column_stack([np.ones(n), design.nuisance])
    X = np.column_stack([Z, design.effect])
    q = design.effect.shape[1]
    found = np.full((1 + len(moves), Y.shape[1]), np.nan)
    effects = np.full((Y.shape[1], q), np.nan)
    for k in range(Y.shape[1]):
        rows = np.flatnonzero(np.isfinite(Y[:, k]))
        use = [c for c in range(Z.shape[1]) if Z[rows, c].any()]
        z, x = Z[np.ix_(rows, use)], X[np.ix_(rows, [*use, *range(Z.shape[1], X.shape[1])])]
        y = Y[rows, k]
        fit = z @ np.linalg.lstsq(z, y, rcond=None)[0]
        for number in range(1 + len(moves)):
            data = y
            if number:
                place = {row: rank for rank, row in enumerate(rows)}
                data = fit.copy()
                for rank, row in enumerate(rows):
                    at = moves[number - 1][row]
                    while at not in place:
                        at = moves[number - 1][at]
                    data[place[at]] += (y - fit)[rank]
            beta = np.linalg.lstsq(x, data, rcond=None)[0]
            rss = ((data - x @ beta) ** 2).sum()
            df = len(rows) - x.shape[1]
            if q == 1:
                cov = np.linalg.inv(x.T @ x)[-1, -1] * rss / df
                found[number, k] = beta[-1] / np.sqrt(cov)
            else:
                less = ((data - z @ np.linalg.lstsq(z, data, rcond=None)[0]) ** 2).sum()
                found[number, k] = (less - rss) / q / (rss / df)
            if not number:
                effects[k] = beta[-q:]
    return found, effects


@pytest.mark.parametrize("classes", [2, 3])
def test_statistics_are_those_of_least_squares(classes):
    design, Y, _ = cohort(classes=classes)
    Y[:2, 3] = np.nan
    Y[[5, 17, 30], 4] = np.nan
    model = PermutedModel(Y, design, 12, random_state=3)
    expected, effects = slow(Y, design, model.moves)
    np.testing.assert_allclose(model.statistic, expected[0], rtol=1e-9)
    np.testing.assert_allclose(model.effect, effects, rtol=1e-9)
    df = len(Y) - 5 - (classes - 1) - np.isnan(Y).sum(axis=0)
    assert (model.df == df).all() and (model.n == np.isfinite(Y).sum(axis=0)).all()
    if classes == 2:
        p = 2 * stats.t.sf(np.abs(expected), df)
        z = np.sign(expected) * stats.norm.isf(p / 2)
    else:
        p = stats.f.sf(expected, 2, df)
        z = stats.norm.isf(p / 2)
    np.testing.assert_allclose(model.p, p[0], rtol=1e-9)
    found = np.concatenate(list(model.batches()))
    np.testing.assert_allclose(model.z, z[0], atol=1e-5)
    np.testing.assert_allclose(found, z[1:], atol=1e-5)
    share = model.statistic**2 if classes == 2 else 2 * model.statistic
    np.testing.assert_allclose(model.explained, share / (share + df), rtol=1e-9)


def test_statistics_are_those_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    design, Y, _ = cohort()
    model = PermutedModel(Y, design, 1)
    X = api.add_constant(np.column_stack([design.nuisance, design.effect]))
    for k, y in enumerate(Y.T):
        fit = api.OLS(y, X).fit()
        assert model.statistic[k] == pytest.approx(fit.tvalues[-1])
        assert model.p[k] == pytest.approx(fit.pvalues[-1])


def test_batches_of_any_size_are_the_same(monkeypatch):
    design, Y, _ = cohort()
    Y[3, 2] = np.nan
    whole = np.concatenate(list(PermutedModel(Y, design, 40, random_state=1).batches()))
    monkeypatch.setattr("neuro.stats.permuted.model._MEMORY", 8 * 7 * 5 * 3)
    parts = list(PermutedModel(Y, design, 40, random_state=1).batches())
    assert len(parts) == 14
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12, atol=1e-12)


def test_nuisance_units_and_shifts_change_nothing():
    design, Y, rng = cohort()
    model = PermutedModel(Y, design, 20)
    other = Design(
        3 * design.effect + 1,
        design.nuisance * [100, 1, 1, 1e-3] + [5, 0, 0, 2],
        design.blocks + 7,
        design.effect_names,
        design.nuisance_names,
    )
    moved = PermutedModel(Y * 10 + 4 + design.nuisance @ rng.normal(size=(4, 7)), other, 20)
    np.testing.assert_allclose(moved.z, model.z, atol=1e-7)
    np.testing.assert_allclose(
        np.concatenate(list(moved.batches())), np.concatenate(list(model.batches())), atol=1e-6
    )


def test_residuals_change_places_within_blocks_only():
    blocks = np.array([0, 1, 0, 1, 1, 2])
    moves = places(blocks, 200, np.random.default_rng(0))
    assert (np.sort(moves, axis=1) == np.arange(6)).all()
    assert (blocks[moves] == blocks).all()
    assert len(np.unique(moves, axis=0)) == 2 * 6


def test_first_return_to_the_rows_that_are_there():
    moves = places(np.zeros(5, int), 4000, np.random.default_rng(0))
    rows = np.array([0, 2, 3])
    found = places_within(moves, rows)
    assert (np.sort(found, axis=1) == np.arange(3)).all()
    kinds, counts = np.unique(found, axis=0, return_counts=True)
    assert len(kinds) == 6
    assert stats.chisquare(counts).pvalue > 1e-3
    kept = np.isin(moves[:, rows], rows)
    assert (rows[found][kept] == moves[:, rows][kept]).all()
    assert places_within(moves, np.arange(5)) is moves


def test_measures_that_cannot_be_tested_are_left_out():
    design, Y, _ = cohort()
    Y[:, 0] = 4.0
    Y[:10, 1] = np.nan
    Y[:, 2] = design.nuisance @ [1, 2, 3, 4]
    model = PermutedModel(Y, design, 5)
    assert not model.tested[:3].any() and model.tested[3:].all()
    assert np.isnan(model.z[:3]).all() and (model.df[:3] == 0).all()
    for batch in model.batches():
        assert (batch[:, :3] == 0).all() and (batch[:, 3:] != 0).all()


def test_a_site_without_a_measure_costs_its_column():
    design, Y, _ = cohort(n=80)
    few = np.flatnonzero(design.blocks == 2)
    keep = np.setdiff1d(np.arange(80), few[4:])
    design = Design(
        *(part[keep] for part in (design.effect, design.nuisance, design.blocks)),
        design.effect_names,
        design.nuisance_names,
    )
    Y = Y[keep]
    Y[design.blocks == 2, 0] = np.nan
    model = PermutedModel(Y, design, 6)
    expected, _ = slow(Y, design, model.moves)
    np.testing.assert_allclose(model.statistic, expected[0], rtol=1e-9)
    assert model.tested.all() and model.df[0] == model.df[1] - 3


def test_combinations_are_named():
    design, _, _ = cohort()
    double = np.column_stack([design.nuisance, 2 * design.nuisance[:, 0] + 1])
    wrong = Design(
        design.effect, double, design.blocks, design.effect_names, (*design.nuisance_names, "twice")
    )
    with pytest.raises(ValueError, match="'twice' is a combination of age; remove one of them"):
        wrong.check()
    design.check()
    hot = Design(
        design.nuisance[:, [1]] * 1.0,
        design.nuisance[:, 1:],
        design.blocks,
        ("dx",),
        design.nuisance_names[1:],
    )
    with pytest.raises(ValueError, match="'dx' is a combination of site=1; remove"):
        hot.check()
    flat = Design(
        design.effect, np.ones((60, 1)), design.blocks, design.effect_names, ("handedness",)
    )
    with pytest.raises(ValueError, match="'handedness' is a combination of the constant"):
        flat.check()


@pytest.mark.parametrize("n_effects, df", [(1, 4), (1, 30), (1, 600), (2, 25), (4, 300)])
def test_z_has_the_same_p(n_effects, df):
    scale = ZScale(n_effects, df)
    root = np.linspace(0, 25, 1237)
    p = 2 * stats.t.sf(root, df) if n_effects == 1 else stats.f.sf(root**2, n_effects, df)
    some = p > 1e-280
    expected = stats.norm.isf(p / 2)
    error = np.abs(scale(root) - expected)[some]
    assert error[root[some] <= 8].max() < 2e-6
    assert error.max() < 1e-3
    assert (np.diff(scale(np.geomspace(1e-3, 1e6, 300))) >= 0).all()


def test_permuted_p_counts_what_is_reached():
    null = np.array([1.0, 2.0, 2.0, 3.0])
    found = permuted_p([3.5, 3.0, 2.0 + 1e-12, 0.5, np.nan], null)
    np.testing.assert_allclose(found, [1 / 5, 2 / 5, 4 / 5, 1, np.nan])


def test_arrangements():
    effect = np.array([[0], [0], [1], [0], [1]])
    assert np.exp(arrangements(effect, np.zeros(5, int))) == pytest.approx(10)
    assert np.exp(arrangements(effect, [0, 0, 0, 1, 1])) == pytest.approx(6)
