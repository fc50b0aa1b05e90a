"""Group maps, group mask and the check that all subjects share one grid."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.maps import check_same_grid, group_maps, group_mask
from neuro.io.problems import InputProblem


@pytest.fixture
def planted():
    rng = np.random.default_rng(0)
    n = 60
    site = np.array(["a", "b", "c"])[np.arange(n) % 3]
    y = (rng.random(n) < np.where(site == "a", 0.7, 0.3)).astype(int)
    y[site == "c"] = 0
    X = rng.standard_normal((n, 200)) + np.where(site == "a", 3.0, 0.0)[:, None]
    X[:, :20] += 2.2 * y[:, None]
    return X, y, np.arange(n), site


def test_difference_is_the_regression_coefficient_beside_site(planted):
    X, y, groups, site = planted
    found = group_maps(X, y, groups, site, n_permutations=0)
    design = np.column_stack([y, *[site == name for name in "abc"]]).astype(float)
    slope = np.linalg.lstsq(design, X, rcond=None)[0][0]
    np.testing.assert_allclose(found["difference"], slope, atol=1e-10)
    np.testing.assert_allclose(found["case"], X[y == 1].mean(0))
    np.testing.assert_allclose(found["control"], X[y == 0].mean(0))
    assert found["p"].isna().all()


def test_planted_nodes_are_found_and_site_differences_are_not(planted):
    X, y, groups, site = planted
    found = group_maps(X, y, groups, site, n_permutations=400)
    assert (found["q"][:20] < 0.05).sum() >= 18
    assert (found["q"][20:] < 0.05).sum() <= 3
    # p of the rest is uniform although cases sit at the site with the larger values
    assert abs(found["p"][20:].mean() - 0.5) < 0.06
    assert found["p"].min() >= 1 / 401
    again = group_maps(X, y, groups, site, n_permutations=400)
    pd.testing.assert_frame_equal(found, again)


def test_a_node_is_compared_in_the_subjects_that_have_it(planted):
    X, y, groups, site = planted
    whole = group_maps(X, y, groups, site, n_permutations=20)
    X[[4, 11, 30], 7] = np.nan
    X[:7, 9] = np.nan
    found = group_maps(X, y, groups, site, n_permutations=20)
    pd.testing.assert_frame_equal(
        found.drop(index=[7, 9], columns="q"), whole.drop(index=[7, 9], columns="q")
    )
    rows = np.isfinite(X[:, 7])
    design = np.column_stack([y, *[site == name for name in "abc"]]).astype(float)
    slope = np.linalg.lstsq(design[rows], X[rows, 7], rcond=None)[0][0]
    np.testing.assert_allclose(found["difference"][7], slope, atol=1e-10)
    assert found.loc[7].notna().all() and found["p"][7] < 0.1
    # too few have it: the means stay, nothing is compared
    assert np.isfinite(found.loc[9, ["case", "control"]]).all()
    assert found.loc[9, ["difference", "p", "q"]].isna().all()


def test_sites_of_one_class_have_no_difference(planted):
    X, _, groups, _ = planted
    y = np.r_[np.ones(30, int), np.zeros(30, int)]
    found = group_maps(X, y, groups, np.where(y, "a", "b"), n_permutations=20)
    assert found["difference"].isna().all() and found["p"].isna().all()


def test_group_mask_of_training_subjects_or_of_all():
    masks = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 1]], dtype=bool)
    np.testing.assert_array_equal(group_mask(masks), [True, False, False, False])
    np.testing.assert_array_equal(
        group_mask(masks, scope="train", train=[0, 1]), [True, True, False, False]
    )
    np.testing.assert_array_equal(group_mask(masks, coverage=0.6), [True, True, True, False])
    with pytest.raises(ValueError, match="pass train="):
        group_mask(masks, scope="train")
    with pytest.raises(ValueError, match="scope: got 'test'"):
        group_mask(masks, scope="test")
    with pytest.raises(ValueError, match="no voxel is covered by 100 % of 2 subjects"):
        group_mask(~np.eye(2, dtype=bool) & np.array([[0, 1], [0, 0]], dtype=bool))


def test_voxel_order_and_affine_must_agree():
    voxel = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    swapped = voxel.copy()
    swapped[[5, 6]] = voxel[[6, 5]]
    affine = np.diag([4.0, 4, 4, 1])
    moved = affine.copy()
    moved[0, 3] = 2.0
    check_same_grid([("sub-1", voxel, affine), ("sub-2", voxel.copy(), affine + 1e-5)])
    with pytest.raises(InputProblem) as caught:
        check_same_grid(
            [
                ("sub-1", voxel, affine),
                ("sub-2", swapped, affine),
                ("sub-3", voxel[:-1], affine),
                ("sub-4", voxel, moved),
                ("sub-5", voxel, affine),
            ]
        )
    first, second, third = caught.value.problems
    assert "sub-2: voxel order differs from sub-1, first at index 5 ([0, 2, 0]" in first
    assert "first at index 26 (nothing instead of [2, 2, 2]; 26 and 27 voxels)" in second
    assert "sub-4: the affine differs" in third
