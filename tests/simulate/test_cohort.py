"""The planted cohort holds what its truth says."""

import numpy as np
import pytest

from neuro.simulate.cohort import planted_cohort

SMALL = {"n_subjects": 12, "n_regions": 6, "n_timepoints": 150}


def grid(shape=(8, 6, 5), step=4.0):
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return step * index.reshape(-1, 3)


def region_correlation(series, regions, label):
    corr = np.corrcoef(series[:, regions == label].T)
    return corr[np.triu_indices(len(corr), 1)].mean()


def test_default_is_the_cohort_of_the_acceptance_check():
    cohort = planted_cohort()
    assert len(cohort) == 80
    assert cohort.coords_mm.shape == (3000, 3)
    assert len(np.unique(cohort.regions)) == 20
    assert cohort.series(0).shape == (150, 3000)
    assert cohort.participants["dx"].sum() == 40
    counts = cohort.participants.groupby("site")["dx"].mean()
    assert list(counts) == [0.5, 0.5]


def test_series_have_unit_variance_and_do_not_depend_on_the_order():
    cohort = planted_cohort(coords_mm=grid(), **SMALL)
    first = cohort.series(5)
    listed = list(cohort)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, listed[5])
    np.testing.assert_allclose((first.astype(float) ** 2).mean(axis=0).mean(), 1, atol=0.05)
    again = planted_cohort(coords_mm=grid(), **SMALL)
    np.testing.assert_array_equal(first, again.series(5))
    other = planted_cohort(coords_mm=grid(), random_state=1, **SMALL)
    assert not np.array_equal(first, other.series(5))


def test_correlation_within_a_region_is_the_planted_share():
    cohort = planted_cohort(coords_mm=grid(), n_subjects=4, n_regions=5, n_timepoints=600)
    for subject in range(4):
        series = cohort.series(subject)
        for column, label in enumerate(cohort.truth["region"]):
            found = region_correlation(series, cohort.regions, label)
            assert found == pytest.approx(cohort.truth["shared"][subject, column], abs=0.02)


def test_cases_differ_in_the_planted_regions_only():
    cohort = planted_cohort(
        coords_mm=grid(), n_subjects=40, n_regions=6, effect=0.2, subject_sd=0.005, site_sd=0.0
    )
    planted = cohort.truth["case_regions"]
    assert len(planted) == 2
    found = np.array(
        [
            [region_correlation(series, cohort.regions, label) for label in cohort.truth["region"]]
            for series in cohort
        ]
    )
    case = cohort.participants["dx"].to_numpy() == 1
    gap = found[case].mean(axis=0) - found[~case].mean(axis=0)
    inside = np.isin(cohort.truth["region"], planted)
    np.testing.assert_allclose(gap[inside], 0.2, atol=0.03)
    np.testing.assert_allclose(gap[~inside], 0.0, atol=0.03)


def test_own_coordinates_regions_and_choice_of_planted_regions():
    coords = grid((5, 4, 3), 8.0)
    regions = np.where(coords[:, 0] < 16, "left", "right")
    cohort = planted_cohort(
        6, coords, regions=regions, case_regions=["right"], sites=("a", "b", "c")
    )
    assert cohort.truth["case_regions"] == ["right"]
    assert set(cohort.participants["site"]) == {"a", "b", "c"}
    assert cohort.series(0).shape[1] == len(coords)
    raised = cohort.truth["shared"].mean(axis=0)
    assert list(cohort.truth["region"]) == ["left", "right"]
    assert raised[1] > raised[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coords_mm": np.zeros((5, 2))}, r"coords_mm: shape \(5, 2\)"),
        ({"coords_mm": grid(), "regions": ["a"]}, "1 labels for 240 voxels"),
        ({"coords_mm": grid(), "n_regions": 4, "case_regions": 5}, "there are 4 regions"),
        ({"coords_mm": grid(), "n_regions": 4, "case_regions": ["x"]}, "no region 'x'"),
        ({"coords_mm": grid(), "n_regions": 4, "effect": 0.8}, "within 0 and 1"),
        ({"n_subjects": 1}, "at least 2"),
    ],
)
def test_bad_arguments_are_named_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        planted_cohort(**arguments)
    assert "\n" not in str(caught.value)


def test_unknown_subject():
    with pytest.raises(IndexError, match="the cohort has 4"):
        planted_cohort(4, grid(), n_regions=3).series(4)
