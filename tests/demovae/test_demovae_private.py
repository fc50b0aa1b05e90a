"""The private closed form: its noise, its one look at people, and what it is worth."""

import numpy as np
import pytest

from neuro.demovae.sampling.private import PrivateSampler, noise_scale
from neuro.demovae.sampling.spectra import eigenvalues
from neuro.simulate.connectomes import planted_connectomes


@pytest.fixture(scope="module")
def people():
    made = planted_connectomes(300, 16, 80, 6, random_state=7, effect=4.0)
    return made.edges, made.participants


def fitted(people, columns, **keys):
    X, table = people
    model = PrivateSampler(columns=columns, n_components=4, random_state=0, **keys)
    return model.fit(X[:200], demographics=table[:200], public=(X[200:], table[200:]))


def test_the_noise_is_that_of_the_stated_loss():
    # (epsilon, delta) from rho: rho + 2 sqrt(rho ln 1/delta)
    for epsilon in (0.5, 1, 3, 10):
        rho = 1 / (2 * noise_scale(epsilon, 1e-5) ** 2)
        assert rho + 2 * np.sqrt(rho * np.log(1e5)) == pytest.approx(epsilon)
    with pytest.raises(ValueError, match="need epsilon > 0"):
        noise_scale(0, 1e-5)


def test_replacing_a_person_moves_the_moment_by_no_more_than_the_sensitivity(people, columns):
    X, table = people
    model = fitted(people, columns)
    base = model.moment(X[:200], table[:200])
    rng = np.random.default_rng(0)
    for scale in (1, 1e3):
        other = X[:200].copy()
        other[0] = scale * rng.normal(size=X.shape[1])
        changed = np.linalg.norm(model.moment(other, table[:200]) - base)
        assert 0 < changed <= model.sensitivity_ * (1 + 1e-9)


def test_nothing_else_of_the_private_people_is_kept(people, columns):
    """Two cohorts with the same noisy moment give the same samples: it is all there is."""
    X, table = people
    one = fitted(people, columns)
    two = PrivateSampler(columns=columns, n_components=4, random_state=1)
    two.fit(X[:100], demographics=table[:100], public=(X[200:], table[200:]))
    two.moment_ = one.moment_
    rows = [model.sample(demographics=table[:9], random_state=0) for model in (one, two)]
    np.testing.assert_array_equal(*rows)


def test_without_noise_group_maps_come_back_and_noise_costs_them(people, columns):
    X, table = people
    male = (table["sex"] == "M").to_numpy()[:200]
    real = X[:200][male].mean(axis=0) - X[:200][~male].mean(axis=0)

    def agreement(epsilon):
        made = fitted(people, columns, epsilon=epsilon).sample(
            demographics=table[:200], random_state=0
        )
        assert eigenvalues(made[:5], 16).min() > -1e-6
        return np.corrcoef(real, made[male].mean(axis=0) - made[~male].mean(axis=0))[0, 1]

    free, private = agreement(1e6), agreement(0.1)
    assert free > 0.7
    assert private < free - 0.1


def test_public_people_are_needed(people, columns):
    with pytest.raises(ValueError, match="public: missing"):
        PrivateSampler(columns=columns).fit(people[0], demographics=people[1])
