"""Samples that can be counted as people: independent draws, of full rank, as long as real scans."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from neuro.demovae.coding.cohort import Cohort
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.model import DemoVAE
from neuro.demovae.sampling import makers
from neuro.demovae.sampling.full_rank import FullRankSampler
from neuro.demovae.sampling.spectra import (
    eigenvalues,
    matrices,
    packed,
    spectrum_table,
    tiny_eigenvalues,
    told_apart,
    unpacked,
)
from neuro.simulate.connectomes import planted_connectomes

N, R, T = 240, 24, 80


@pytest.fixture(scope="module")
def cohort():
    return planted_connectomes(2 * N, R, T, 8, random_state=5)


@pytest.fixture(scope="module")
def fitted(cohort, columns):
    model = FullRankSampler(columns=columns, latent_dim=20, random_state=0)
    return model.fit(
        cohort.edges[:N], demographics=cohort.participants[:N], n_volumes=np.full(N, T)
    )


@pytest.fixture(scope="module")
def decoder(cohort, columns):
    model = DemoVAE(mode="linear", latent_dim=20, columns=columns, random_state=0)
    return model.fit(cohort.edges[:N], demographics=cohort.participants[:N])


def se_ratio(draw, people, seeds=24):
    """Spread of a group difference over seeds, relative to what a t-test takes it for."""
    male = (people["sex"] == "M").to_numpy()
    found, assumed = [], []
    for seed in range(seeds):
        rows = draw(people, seed)
        a, b = rows[male], rows[~male]
        found.append(a.mean(axis=0) - b.mean(axis=0))
        assumed.append(np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b)))
    return (np.std(found, axis=0, ddof=1) / np.mean(assumed, axis=0)).mean()


def test_samples_are_independent_draws_unless_a_balanced_batch_is_asked_for(
    fitted, decoder, cohort
):
    people = cohort.participants[:80]
    assert 0.9 < se_ratio(lambda rows, s: fitted.sample(None, rows, s), people) < 1.1
    plain = se_ratio(lambda rows, s: decoder.sample(demographics=rows, random_state=s), people)
    assert 0.9 < plain < 1.1
    balanced = se_ratio(
        lambda rows, s: decoder.sample(demographics=rows, random_state=s, batch="balanced"), people
    )
    assert balanced < 0.85
    with pytest.raises(ValueError, match="batch"):
        decoder.sample(demographics=people, batch="exact")


def test_samples_have_the_spectrum_of_real_people(fitted, decoder, cohort):
    new, people = cohort.edges[N:], cohort.participants[N:]
    made = fitted.sample(demographics=people, random_state=1)
    old = decoder.sample(demographics=people, random_state=1)
    assert made.dtype == np.float32
    assert np.abs(made).max() <= 1
    assert tiny_eigenvalues(new, R) == tiny_eigenvalues(made, R) == 0
    assert tiny_eigenvalues(old, R) >= 2
    apart, before = told_apart(new, made, R), told_apart(new, old, R)
    assert before["eigenvalues"] > 0.9
    assert apart["eigenvalues"] < 0.7
    table = spectrum_table(new, made, R)
    assert np.abs(np.log(table["synthetic"] / table["real"])).max() < 0.25
    for site in people["site"].unique():
        here = (people["site"] == site).to_numpy()
        assert made[here].var() == pytest.approx(new[here].var(), rel=0.15)
    edges = made.mean(axis=0), new.mean(axis=0)
    assert np.corrcoef(*edges)[0, 1] > 0.98


def test_short_scans_give_samples_of_the_same_rank(columns):
    cohort = planted_connectomes(120, R, 16, 8, random_state=5)
    model = FullRankSampler(columns=columns, latent_dim=10, passes=2, random_state=0)
    model.fit(cohort.edges, demographics=cohort.participants)
    assert set(np.concatenate(list(model.volumes_.values()))) == {16}
    made = model.sample(demographics=cohort.participants[:40], random_state=0)
    assert tiny_eigenvalues(made, R) == tiny_eigenvalues(cohort.edges[:40], R) == R - 15
    # a filtered run shows fewer independent volumes than it is told to have
    told = FullRankSampler(columns=columns, latent_dim=10, passes=0, random_state=0)
    told.fit(cohort.edges, demographics=cohort.participants, n_volumes=np.full(120, 19))
    assert set(told.volumes_["alpha"]) == {16}
    again = told.sample(demographics=cohort.participants[:20], random_state=0)
    assert tiny_eigenvalues(again, R) == R - 15


def test_coloured_scans_vary_as_much_as_shorter_ones(fitted, cohort):
    people = cohort.participants[:60].assign(site="alpha")
    slow = clone(fitted).set_params(passes=0)
    power = {"alpha": np.where(np.arange(64) < 16, 1.0, 1e-3)}
    slow.fit(
        cohort.edges[:N],
        demographics=cohort.participants[:N],
        n_volumes=np.full(N, T),
        spectrum=power,
    )
    white = clone(slow).fit(
        cohort.edges[:N], demographics=cohort.participants[:N], n_volumes=np.full(N, T)
    )
    wide = [m.sample(demographics=people, random_state=0).var(axis=0).mean() for m in (slow, white)]
    assert wide[0] > 1.2 * wide[1]


def test_a_row_does_not_depend_on_the_rows_after_it(fitted, cohort):
    people = cohort.participants[:6]
    both = [fitted.sample(demographics=people[:k], random_state=3) for k in (6, 4)]
    np.testing.assert_array_equal(both[0][:4], both[1])
    other = fitted.sample(demographics=people, random_state=4)
    assert np.abs(other - both[0]).max() > 0.1
    assert fitted.sample(9, people[:1], 0).shape == (9, R * (R - 1) // 2)


def test_bad_input_is_said(fitted, cohort, columns):
    people = cohort.participants[:N]
    with pytest.raises(NotFittedError):
        FullRankSampler().sample(3, people)
    with pytest.raises(ValueError, match="demographics: missing"):
        fitted.sample(3)
    with pytest.raises(ValueError, match="unknown level 'omega'"):
        fitted.sample(demographics=people[:2].assign(site="omega"))
    with pytest.raises(ValueError, match="values beyond 1"):
        FullRankSampler(columns=columns).fit(2 * cohort.edges[:N], demographics=people)
    with pytest.raises(ValueError, match="n_volumes"):
        FullRankSampler(columns=columns).fit(
            cohort.edges[:N], demographics=people, n_volumes=[80, 80]
        )


def test_matrices_are_packed_without_loss():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(3, 5, 5))
    A = A + A.transpose(0, 2, 1)
    rows = packed(A)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(A, axis=(1, 2)))
    np.testing.assert_allclose(unpacked(rows[1], 5), A[1])
    edges = rng.uniform(-0.3, 0.3, (2, 10))
    full = matrices(edges, 5)
    np.testing.assert_allclose(eigenvalues(edges, 5)[0], np.linalg.eigvalsh(full[0])[::-1])


def test_real_people_are_not_told_from_other_real_people(cohort):
    apart = told_apart(cohort.edges[:N], cohort.edges[N:], R)
    assert all(abs(value - 0.5) < 0.12 for value in apart.values())


def test_gaps_close_during_the_calibration(fitted):
    assert fitted.gaps_[-1] < 0.3 * fitted.gaps_[0]
    assert isinstance(pd.Series(fitted.noise_), pd.Series)


def test_the_sampler_of_the_stage_has_its_settings(cohort, columns):
    people = Cohort(
        cohort.edges[:60],
        cohort.participants[:60].assign(n_kept=T),
        [f"{k:02d}" for k in range(60)],
        [f"R{k}" for k in range(R)],
        "pearson",
        parse_columns(columns, cohort.participants),
        [],
    )
    settings = {"latent_dim": 9, "unseen": "mean", "missing": "impute", "min_level_count": 3}
    made = makers.full_rank_sampler(people, people.columns, settings, 23)
    given = made.get_params()
    assert {name: given[name] for name in settings} == settings and given["random_state"] == 23


def test_a_fit_holds_the_rows_in_double_precision_once_and_their_products_once():
    """Memory, traced: ten thousand people of 200 regions must fit a node."""
    n, n_regions = 800, 80
    rng = np.random.default_rng(0)
    upper = np.triu_indices(n_regions, 1)
    scans = rng.normal(size=(n, n_regions, 100))
    rows = np.array([np.corrcoef(scan)[upper] for scan in scans], dtype=np.float32)
    people = pd.DataFrame({"age": rng.uniform(7, 18, n)})
    age = [{"name": "age", "type": "continuous"}]
    model = FullRankSampler(columns=age, passes=1, n_simulated=10, random_state=0)
    tracemalloc.start()
    try:
        model.fit(rows, demographics=people)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    double, products = 2 * rows.nbytes, 8 * n**2
    few = 6 * 8 * 128 * n_regions**2
    """Matrices of the people that are held at once, and what is made of them."""
    assert peak < 1.3 * (double + products) + few
