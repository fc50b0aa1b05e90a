"""Parcellation: exact means, coverage at its boundary, grids, and no download ever."""

import pickle
import socket
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from neuro.fmri.regions.atlases import BUNDLED, DOWNLOADED, load_atlas
from neuro.fmri.regions.owners import region_of_voxel
from neuro.fmri.regions.parcellate import Parcellator
from neuro.io.images.nifti import mask_coords_mm
from neuro.io.problems import InputProblem

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3.0, 0, -30], [0, 0, 3.0, -30], [0, 0, 0, 1]])
SHAPE = (20, 20, 20)


def image(data, affine=AFFINE):
    return nib.Nifti1Image(np.asarray(data), affine)


def full_mask(shape=SHAPE, affine=AFFINE):
    return image(np.ones(shape, np.uint8), affine)


def three_boxes():
    labels = np.zeros(SHAPE, np.int16)
    labels[2:6, 2:6, 2:6] = 7
    labels[8:12, 2:6, 2:6] = 3
    labels[2:6, 10:20, 10:20] = 2001
    return labels


def series(mask, n_timepoints=70, seed=0):
    n_voxels = int(np.count_nonzero(np.asarray(mask.dataobj)))
    rng = np.random.default_rng(seed)
    return (1e4 + rng.standard_normal((n_timepoints, n_voxels))).astype(np.float32)


def slow_means(values, mask, owner_of_voxel, n_regions):
    """Region by region, volume by volume."""
    inside = np.asarray(mask.dataobj) > 0
    owner = owner_of_voxel[inside]
    found = np.full((len(values), n_regions), np.nan)
    for t, volume in enumerate(values):
        for region in range(n_regions):
            if (owner == region).any():
                found[t, region] = np.mean(volume[owner == region].astype(np.float64))
    return found


def test_boxes_with_known_means():
    data = np.zeros((*SHAPE, 4), np.float32)
    labels = three_boxes()
    for value, code in ((1.5, 3), (-2.0, 7), (40.0, 2001)):
        data[labels == code] = value * np.arange(1, 5)
    p = Parcellator(image(labels), full_mask())
    found = p.transform(image(data))
    assert p.labels_ == ["3", "7", "2001"], "codes in ascending order"
    np.testing.assert_array_equal(found, np.outer(np.arange(1, 5), [1.5, -2.0, 40.0]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(p.coverage_, [1, 1, 1])
    np.testing.assert_array_equal(p.n_voxels_, [64, 64, 400])
    np.testing.assert_allclose(p.coords_[0], AFFINE[:3] @ [9.5, 3.5, 3.5, 1])


def test_means_equal_the_slow_version_and_do_not_depend_on_the_input_form():
    labels = three_boxes()
    rng = np.random.default_rng(1)
    mask = image((rng.random(SHAPE) < 0.8).astype(np.uint8))
    values = series(mask)
    owner = np.full(SHAPE, -1)
    for place, code in enumerate((3, 7, 2001)):
        owner[labels == code] = place
    p = Parcellator(image(labels), mask)
    found = p.transform(values)
    np.testing.assert_allclose(found, slow_means(values, mask, owner, 3), rtol=1e-7)
    data = np.zeros((*SHAPE, len(values)), np.float32)
    data[np.asarray(mask.dataobj) > 0] = values.T
    np.testing.assert_array_equal(p.transform(image(data)), found)
    np.testing.assert_array_equal(region_of_voxel(p), owner[np.asarray(mask.dataobj) > 0])


@pytest.mark.parametrize(("lost", "kept"), [(200, True), (204, False), (0, True), (400, False)])
def test_coverage_boundary(lost, kept):
    labels = three_boxes()
    inside = np.ones(SHAPE, np.uint8)
    voxels = np.argwhere(labels == 2001)[:lost]
    inside[tuple(voxels.T)] = 0
    p = Parcellator(image(labels), image(inside))
    found = p.fit_transform(series(image(inside)))
    assert p.coverage_[2] == pytest.approx(1 - lost / 400)
    assert bool(p.kept_[2]) is kept
    assert np.isfinite(found[:, :2]).all()
    assert np.isfinite(found[:, 2]).all() == kept
    assert p.describe()["MissingRegions"] == ([] if kept else ["2001"])
    table = p.coverage_table()
    assert table["kept"].tolist() == [1, 1, int(kept)]
    assert table["index"].tolist() == [3, 7, 2001]


def test_no_coverage_is_missing_even_when_none_is_asked_for():
    labels = three_boxes()
    inside = (labels != 3).astype(np.uint8)
    p = Parcellator(image(labels), image(inside), min_coverage=0.0)
    found = p.transform(series(image(inside)))
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1:]).all()


def test_an_atlas_on_another_grid_is_moved_to_the_data():
    labels = three_boxes()
    # same space at 1.5 mm, turned to RAS
    fine = np.kron(labels, np.ones((2, 2, 2), np.int16))[::-1]
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = [-27.75, -30.75, -30.75]
    mask = full_mask()
    values = series(mask)
    same = Parcellator(image(labels), mask)
    moved = Parcellator(image(fine, affine), mask)
    np.testing.assert_array_equal(moved.transform(values), same.transform(values))
    assert not same.resampled_
    assert moved.resampled_
    np.testing.assert_allclose(moved.coverage_, 1.0)
    np.testing.assert_allclose(moved.coords_, same.fit().coords_, atol=1e-9)
    told = moved.describe()
    assert told["AtlasResampled"] is True
    assert told["AtlasShape"] == [40, 40, 40]
    assert told["ImageShape"] == [20, 20, 20]
    assert told["Interpolation"] == "nearest"


def test_what_lies_outside_of_the_field_of_view_is_not_covered():
    labels = three_boxes()
    # the box 2001 fills j = 10 ... 19; a field of view that ends at j = 14 holds half of it
    cut = full_mask((20, 15, 20))
    p = Parcellator(image(labels), cut).fit()
    assert p.coverage_.tolist() == [1.0, 1.0, 0.5]
    assert p.kept_.all()
    p = Parcellator(image(labels), full_mask((20, 14, 20))).fit()
    assert p.coverage_[2] == pytest.approx(0.4)
    assert not p.kept_[2]


def overlapping_maps(seed=0, sign=1.0):
    rng = np.random.default_rng(seed)
    maps = np.zeros((*SHAPE, 3), np.float32)
    maps[4:9, 4:9, 4:9, 0] = rng.random((5, 5, 5))
    maps[6:12, 6:12, 6:12, 1] = rng.random((6, 6, 6))
    maps[5:11, 3:10, 5:9, 2] = rng.random((6, 7, 4)) - (sign < 0) * 0.5
    return maps


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_maps_are_fitted_jointly(sign):
    maps = overlapping_maps(sign=sign)
    mask = image((np.random.default_rng(1).random(SHAPE) < 0.9).astype(np.uint8))
    values = series(mask)
    p = Parcellator(image(maps), mask)
    found = p.transform(values)
    inside = np.asarray(mask.dataobj) > 0
    design = maps[inside].astype(np.float64)
    for t in range(0, len(values), 17):
        expected = np.linalg.lstsq(design, values[t].astype(np.float64), rcond=None)[0]
        np.testing.assert_allclose(found[t], expected, rtol=2e-7)
    np.testing.assert_allclose(
        p.coverage_, abs(design).sum(axis=0) / abs(maps).sum(axis=(0, 1, 2)), rtol=1e-6
    )
    size = np.abs(design)
    owner = np.where(size.max(axis=1) > 0, size.argmax(axis=1), -1)
    np.testing.assert_array_equal(region_of_voxel(p), owner)
    coarse = full_mask((10, 10, 10), AFFINE @ np.diag([2, 2, 2, 1]))
    moved = Parcellator(image(maps), coarse).fit()
    assert moved.describe()["Interpolation"] == "linear"
    assert moved.kept_.all()


def test_planted_weights_of_maps_come_back_exactly():
    """Overlap mixes weighted means; the joint fit undoes it, missing voxels or not."""
    maps, mask = overlapping_maps(), full_mask()
    truth = np.random.default_rng(2).standard_normal((12, 3))
    values = (truth @ maps.reshape(-1, 3).T).astype(np.float32)
    p = Parcellator(image(maps), mask)
    np.testing.assert_allclose(p.transform(values), truth, atol=1e-5)
    lost = maps[..., 1].ravel() > 0.85
    values[3, lost] = np.nan
    np.testing.assert_allclose(p.transform(values), truth, atol=1e-5)
    values[5, maps[..., 1].ravel() > 0] = np.inf
    found = p.transform(values)
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[:, [0, 2]], truth[:, [0, 2]], atol=1e-5)


def sphere_owner(centres, mask, radius):
    """Nearest centre within the radius for every voxel, by all distances; -1 where none is."""
    coords = mask_coords_mm(mask)
    owner = np.full(len(coords), -1)
    for part in np.array_split(np.arange(len(coords)), 1 + len(coords) // 5000):
        away = cdist(coords[part], centres).round(6)
        near = away.min(axis=1) <= radius
        owner[part[near]] = away[near].argmin(axis=1)
    return owner


@pytest.mark.parametrize(
    ("atlas", "voxel"), [("power264", 3.0), *((atlas, 4.0) for atlas in BUNDLED)]
)
def test_spheres_equal_the_slow_version(atlas, voxel):
    count = [round(size / voxel) for size in (180, 216, 180)]
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    mask = full_mask(count, affine)
    p = Parcellator(atlas, mask).fit()
    owner = sphere_owner(p.coords_, mask, 5.0)
    np.testing.assert_array_equal(region_of_voxel(p), owner)
    assert len(p.labels_) == len(set(p.labels_)) == int(atlas[-3:])
    assert p.describe()["SphereRadius"] == 5.0
    # no overlap: every voxel counts once
    assert p.n_voxels_.sum() == np.count_nonzero(owner >= 0)


def test_wide_spheres_share_voxels_by_distance():
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    mask = full_mask((45, 54, 45), affine)
    p = Parcellator("power264", mask, radius_mm=12.0).fit()
    owner = sphere_owner(p.coords_, mask, 12.0)
    apart = cdist(p.coords_, p.coords_) + 1e9 * np.eye(264)
    assert (apart < 24).any(), "spheres of this size overlap"
    np.testing.assert_array_equal(region_of_voxel(p), owner)


def test_spheres_on_a_turned_and_sheared_grid():
    turn = np.array([[0, 2.5, 0.3, -60], [-3.0, 0, 0.2, 70], [0.1, 0, 2.0, -50], [0, 0, 0, 1]])
    mask = full_mask((40, 40, 40), turn)
    p = Parcellator("dosenbach160", mask, radius_mm=6.0).fit()
    np.testing.assert_array_equal(region_of_voxel(p), sphere_owner(p.coords_, mask, 6.0))


def test_coordinates_equal_those_that_nilearn_hands_out():
    from nilearn.datasets import (
        fetch_coords_dosenbach_2010,
        fetch_coords_power_2011,
        fetch_coords_seitzman_2018,
    )

    power = fetch_coords_power_2011().rois[["x", "y", "z"]]
    np.testing.assert_array_equal(load_atlas("power264").coords_mm, power)
    dosenbach = fetch_coords_dosenbach_2010(ordered_regions=False).rois
    np.testing.assert_array_equal(load_atlas("dosenbach160").coords_mm, dosenbach)
    seitzman = fetch_coords_seitzman_2018(ordered_regions=False).rois
    np.testing.assert_array_equal(load_atlas("seitzman300").coords_mm, seitzman)


@pytest.mark.parametrize("atlas", BUNDLED)
def test_bundled_atlases_need_no_network(atlas, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(load_atlas(atlas).labels) == int(atlas[-3:])


@pytest.mark.parametrize("name", [*DOWNLOADED, "schaefer", "Harvard-Oxford", "yeo", "DiFuMo64"])
def test_atlases_that_would_be_downloaded_are_refused(name, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(InputProblem) as caught:
        load_atlas(name)
    assert caught.value.problems == [
        f"fmri.atlas: '{name}' would have to be downloaded, which is never done; expected "
        "power264, dosenbach160, seitzman300 or the path of a label image (3D) or maps (4D)"
    ]


def test_unknown_names_and_images_that_are_no_atlas(tmp_path):
    with pytest.raises(InputProblem, match="did you mean 'power264'"):
        load_atlas("power246")
    with pytest.raises(InputProblem, match="is no file and no known atlas"):
        load_atlas(tmp_path / "absent.nii.gz")
    cases = {
        "fraction": (np.full((3, 3, 3), 0.5, np.float32), "the value 0.5 is no label"),
        "negative": (np.full((3, 3, 3), -1, np.int16), "the value -1 is no label"),
        "empty": (np.zeros((3, 3, 3), np.int16), "no voxel has a label above 0"),
        "five": (np.ones((3, 3, 3, 2, 2), np.int16), "5D image"),
    }
    maps = np.ones((3, 3, 3, 2), np.float32)
    maps[..., 1] = 0
    cases["lost"] = (maps, "map 2 is 0 everywhere")
    for name, (data, message) in cases.items():
        nib.save(image(data), tmp_path / f"{name}.nii.gz")
        with pytest.raises(InputProblem, match=message) as caught:
            load_atlas(tmp_path / f"{name}.nii.gz")
        assert "\n" not in str(caught.value)


def test_names_from_the_table_beside_a_label_image(tmp_path):
    path = tmp_path / "tpl-X_dseg.nii.gz"
    nib.save(image(three_boxes()), path)
    assert load_atlas(path).labels == ["3", "7", "2001"]
    table = tmp_path / "tpl-X_dseg.tsv"
    table.write_text("index\tname\n3\tleft\n2001\tfront\n9\tunused\n")
    assert load_atlas(path).labels == ["left", "7", "front"]
    assert load_atlas(path).name == "tplXdseg"
    table.write_text("index\tname\n3\tsame\n7\tsame\n")
    with pytest.raises(InputProblem, match="gives one name to two labels"):
        load_atlas(path)
    table.write_text("id\tregion\n3\tleft\n")
    with pytest.raises(InputProblem, match="expected 'index' and 'name'"):
        load_atlas(path)


def test_arguments():
    mask = full_mask()
    with pytest.raises(ValueError, match=r"min_coverage: got 1\.5"):
        Parcellator("power264", mask, min_coverage=1.5).fit()
    with pytest.raises(ValueError, match="radius_mm: got 0"):
        Parcellator("power264", mask, radius_mm=0).fit()
    p = Parcellator(image(three_boxes()), mask).fit()
    with pytest.raises(ValueError, match=r"expected \(n_timepoints, 8000\)"):
        p.transform(np.zeros((5, 7)))
    with pytest.raises(InputProblem, match="grid 20x20x20 differs from 5x5x5"):
        p.transform(image(np.zeros((5, 5, 5, 3), np.float32)))


def test_estimator_contract():
    from sklearn.base import clone

    p = Parcellator(image(three_boxes()), full_mask(), min_coverage=0.3)
    copy = clone(p)
    assert copy.min_coverage == 0.3
    values = series(full_mask(), 5)
    expected = p.transform(values)
    np.testing.assert_array_equal(copy.transform(values), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(p)).transform(values), expected)


def test_the_bundled_atlases_do_not_load_nilearn():
    import subprocess
    import sys

    code = (
        "import sys; from neuro.fmri.regions.atlases import load_atlas; load_atlas('power264'); "
        "print([m for m in ('nilearn', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert shown.stdout.strip() == "[]"
