"""ComBat: equal to a slow version and to neuroHarmonize, with what it must not do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.diagnosis.scaling import FeatureScaler
from neuro.stats.combat import CLOSE, fit_combat

ORACLE = Path(__file__).parent / "neuroharmonize_0.csv"


def cohort(n=40, n_features=12, seed=0):
    """Three sites that differ in location and scale; age and sex have effects that stay."""
    rng = np.random.default_rng(seed)
    site = np.array(["a", "b", "c"])[np.sort(rng.integers(0, 3, n))]
    age, sex = rng.uniform(8, 18, n).round(2), rng.integers(0, 2, n)
    size = {"a": (0.0, 1.0), "b": (0.7, 1.6), "c": (-0.5, 0.6)}
    shift, spread = np.array([size[name] for name in site]).T
    X = rng.standard_normal((n, n_features)) * spread[:, None] + shift[:, None]
    X += np.outer(age - 13, rng.normal(0.1, 0.05, n_features)) + np.outer(sex, np.ones(n_features))
    return (5 + X).round(4), site, age, sex


def slow(X, site, age, sex):
    """The same feature by feature and site by site, with its own least squares and loop."""
    p = X.shape[1]
    names = sorted(set(site))
    design = np.column_stack([*(site == name for name in names), age, sex]).astype(float)
    normal = np.linalg.inv(design.T @ design) @ design.T
    standing, sd = np.empty_like(X), np.empty(p)
    for one in range(p):
        weights = normal @ X[:, one]
        share = [np.mean(site == name) for name in names]
        standing[:, one] = (
            np.dot(share, weights[: len(names)]) + design[:, len(names) :] @ (weights[len(names) :])
        )
        sd[one] = np.sqrt(np.mean((X[:, one] - design @ weights) ** 2))
    z = (X - standing) / sd
    out = np.empty_like(X)
    for name in names:
        rows = z[site == name]
        m = len(rows)
        g, d = rows.mean(axis=0), rows.var(axis=0, ddof=1)
        g_bar, t2 = g.mean(), g.var(ddof=1)
        mean, var = d.mean(), d.var(ddof=1)
        a, b = (2 * var + mean**2) / var, (mean * var + mean**3) / var
        now, wide = g.copy(), d.copy()
        while True:
            new, new_wide = np.empty(p), np.empty(p)
            for one in range(p):
                new[one] = (m * t2 * g[one] + wide[one] * g_bar) / (m * t2 + wide[one])
                total = sum((value - new[one]) ** 2 for value in rows[:, one])
                new_wide[one] = (b + total / 2) / (a + m / 2 - 1)
            change = max((abs(new - now) / now).max(), (abs(new_wide - wide) / wide).max())
            now, wide = new, new_wide
            if change <= CLOSE:
                break
        out[site == name] = (rows - now) / np.sqrt(wide)
    return out * sd + standing


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equal_to_a_slow_version(seed):
    X, site, age, sex = cohort(seed=seed)
    design = np.column_stack([age, sex])
    model = fit_combat(X, site, design)
    np.testing.assert_allclose(model.apply(X, site, design), slow(X, site, age, sex), rtol=1e-9)
    # how a protected column is coded changes nothing
    coded = np.column_stack([(age - 3) / 7, sex == 0, sex == 1])
    again = fit_combat(X, site, coded).apply(X, site, coded)
    np.testing.assert_allclose(again, model.apply(X, site, design), rtol=1e-6)


def test_equal_to_neuroharmonize_on_its_training_rows():
    """Values of neuroHarmonize's `harmonizationLearn` for the first cohort, empirical Bayes."""
    X, site, age, sex = cohort()
    expected = np.loadtxt(ORACLE, delimiter=",")
    design = np.column_stack([age, sex])
    found = fit_combat(X, site, design).apply(X, site, design)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_sites_go_and_protected_effects_stay():
    X, site, age, sex = cohort(900, 60)
    design = np.column_stack([age, sex])
    kept = fit_combat(X, site, design).apply(X, site, design)
    means, before = (
        [(part - (design @ [0.1, 1])[:, None])[site == name] for name in "abc"]
        for part in (kept, X)
    )
    assert np.ptp([part.mean() for part in before]) > 1
    assert np.ptp([part.mean() for part in means]) < 0.03
    assert np.ptp([part.std(axis=0).mean() for part in means]) < 0.05
    slope = np.polyfit(age, kept.mean(axis=1), 1)[0]
    assert slope == pytest.approx(np.polyfit(age, X.mean(axis=1), 1)[0], abs=0.02)
    # where sites differ in age, the effect of age stays between them only if it is protected
    old = 6 * (site == "b")
    X, age = X + 0.1 * old[:, None], age + old
    lost = fit_combat(X, site).apply(X, site).mean(axis=1)
    design = np.column_stack([age, sex])
    held = fit_combat(X, site, design).apply(X, site, design).mean(axis=1)
    gaps = [part[site == "b"].mean() - part[site == "a"].mean() for part in (lost, held)]
    assert abs(gaps[0]) < 0.03 and gaps[1] == pytest.approx(0.6, abs=0.12)


def test_an_unseen_site_is_refused_or_corrected_by_its_own_rows():
    X, site, age, sex = cohort(300, 40)
    design = np.column_stack([age, sex])
    known = site != "c"
    model = fit_combat(X[known], site[known], design[known])
    with pytest.raises(ValueError, match="site 'c' was not in training"):
        model.apply(X, site, design)
    found = model.apply(X, site, design, transductive=True)
    np.testing.assert_array_equal(found[known], model.apply(X[known], site[known], design[known]))
    rest = [(found - design @ model.slope)[site == name] for name in "abc"]
    assert np.ptp([part.mean() for part in rest]) < 0.1
    assert np.ptp([part.std(axis=0).mean() for part in rest]) < 0.1
    # the rows of another site say nothing about it
    other = X.copy()
    other[site == "a"] += 9
    again = model.apply(other, site, design, transductive=True)
    np.testing.assert_array_equal(again[site == "c"], found[site == "c"])


def test_few_rows_constant_features_and_one_feature():
    X, site, age, sex = cohort()
    X = X.copy()
    X[:, 3] = 2.0
    X[site == "b", 4] = 1.0
    site = site.copy()
    site[0] = "lone"
    design = np.column_stack([age, sex])
    found = fit_combat(X, site, design).apply(X, site, design)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 3], 2.0)
    one = fit_combat(X[:, :1], site, design).apply(X[:, :1], site, design)
    assert np.isfinite(one).all()


def test_the_scaler_learns_it_on_training_rows_and_test_labels_play_no_part():
    X, site, age, sex = cohort(120, 20)
    people = pd.DataFrame({"age": age, "sex": np.where(sex, "F", "M")})
    known = np.arange(120) % 3 > 0
    scaler = FeatureScaler(harmonise="combat", protect=("age", "sex"))
    scaler.fit(X[known], site=site[known], covariates=people[known])
    design = scaler.protected_.transform(people)
    expected = fit_combat(X[known], site[known], design[known]).apply(X, site, design)
    centre, scale = expected[known].mean(axis=0), expected[known].std(axis=0)
    found = scaler.transform(X, site=site, covariates=people)
    np.testing.assert_allclose(found, (expected - centre) / scale, rtol=1e-9, atol=1e-9)
    # a test row is transformed alone as among others
    alone = scaler.transform(X[:1], site=site[:1], covariates=people[:1])
    np.testing.assert_allclose(alone, found[:1], rtol=1e-12)
    with pytest.raises(ValueError, match="protect: a table with age, sex"):
        scaler.fit(X, site=site)
