"""The planted cohort of connectomes: calibrated, reproducible, and with the truth it claims."""

import numpy as np
import pytest

from neuro.demovae.coding.row_space import row_space
from neuro.demovae.evaluation.evaluate import compare_maps, group_maps
from neuro.simulate.connectomes import SITES, planted_connectomes

COLUMNS = [
    {"name": "age", "type": "continuous"},
    {"name": "sex", "type": "categorical"},
    {"name": "site", "type": "categorical"},
    {"name": "dx", "type": "categorical"},
]


def test_edges_are_correlation_matrices():
    cohort = planted_connectomes(12, 30, 40, 5, random_state=2)
    assert cohort.edges.shape == (12, 435)
    assert cohort.edges.dtype == np.float32
    for row in cohort.edges:
        matrix = np.eye(30)
        matrix[np.triu_indices(30, 1)] = row
        matrix.T[np.triu_indices(30, 1)] = row
        assert np.linalg.eigvalsh(matrix)[0] >= -1e-5
    assert len(cohort.region) == 30


def test_same_seed_same_cohort_and_another_seed_another():
    a, b, c = (planted_connectomes(8, 12, 30, 3, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.edges, b.edges)
    assert a.participants.equals(b.participants)
    assert not np.array_equal(a.edges, c.edges)


def test_full_size_spread_and_compressibility_are_those_of_real_connectomes():
    cohort = planted_connectomes(400)
    assert np.median(cohort.edges[:200].std(axis=0)) == pytest.approx(0.18, abs=0.02)
    space, _ = row_space(cohort.edges[:300], 60)
    held_out = cohort.edges[300:]
    left = held_out - space.back(space.project(held_out))
    # 300 subjects to learn from; the band of 0.098 +- 0.01 is for 500
    assert np.sqrt((left**2).mean()) == pytest.approx(0.098, abs=0.012)


def test_group_maps_of_many_subjects_recover_the_truth():
    cohort = planted_connectomes(1500, 30, 200, 3, random_state=1, age_scale=0.06, dx_scale=0.08)
    truth = cohort.truth["maps"]
    named = {"age": truth["age"], "age^2": truth["age2"], "sex": truth["sex"], "dx": truth["dx"]}
    named |= {f"site={name}": truth["site"][i] for i, name in enumerate(SITES)}
    found = compare_maps(named, group_maps(cohort.edges, cohort.participants, COLUMNS))
    found = found.set_index("map")
    assert (found["r"] >= 0.8).all(), found
    assert found.drop("sex")["amplitude"].between(0.8, 1.25).all(), found


def test_diagnosis_depends_on_age_and_sex_and_site_on_neither():
    people = planted_connectomes(2000, 4, 10, 1).participants
    male = people["sex"] == "M"
    assert people.loc[male, "dx"].mean() > people.loc[~male, "dx"].mean() + 0.2
    assert np.corrcoef(people["age"], people["dx"])[0, 1] < -0.1
    assert people.groupby("site")["age"].mean().std() < 0.5


def test_too_small_sizes_are_refused():
    with pytest.raises(ValueError, match="need at least 4, 4 and 10"):
        planted_connectomes(2)
