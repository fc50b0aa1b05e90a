"""Parcellation beside nilearn: its atlases, its look-up tables and its maskers."""

import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiSpheresMasker

from neuro.fmri.regions.atlases import load_atlas
from neuro.fmri.regions.parcellate import Parcellator
from neuro.io.problems import InputProblem

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
AFFINE[:3, 3] = -38
SHAPE = (20, 20, 20)
CENTRES = [(-10.0, 2.0, 6.0), (18.0, -6.0, 0.0), (2.0, 22.0, -14.0)]


def image(data, affine=AFFINE):
    return nib.Nifti1Image(np.asarray(data), affine)


@pytest.fixture(scope="module")
def bold():
    rng = np.random.default_rng(0)
    return image((100 + rng.standard_normal((*SHAPE, 15))).astype(np.float32))


@pytest.fixture(scope="module")
def mask():
    return image((np.random.default_rng(1).random(SHAPE) < 0.85).astype(np.uint8))


def labels_image():
    labels = np.zeros(SHAPE, np.int32)
    labels[2:8, 2:8, 2:8] = 7
    labels[10:14, 2:8, 2:8] = 3
    labels[2:8, 10:18, 10:18] = 41
    return image(labels)


def maps_image():
    """Three smooth bumps that overlap."""
    grid = np.moveaxis(np.indices(SHAPE), 0, -1)
    centres = np.array([(7, 7, 8), (10, 9, 9), (12, 12, 8)])
    away = ((grid[..., None, :] - centres) ** 2).sum(axis=-1)
    return image((np.exp(-away / 18) * (away < 40)).astype(np.float32))


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def test_label_means_equal_those_of_nilearn(bold, mask):
    theirs = quiet(
        NiftiLabelsMasker(labels_image(), mask_img=mask, standardize=None).fit_transform, bold
    )
    ours = Parcellator(labels_image(), mask, min_coverage=0).fit_transform(bold)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_map_weights_equal_those_of_nilearn(bold, mask, masked):
    where = mask if masked else image(np.ones(SHAPE, np.uint8))
    # Double precision on both sides: nilearn solves in the precision of the images.
    maps, bold = (image(np.asarray(img.dataobj, dtype=np.float64)) for img in (maps_image(), bold))
    masker = NiftiMapsMasker(maps, mask_img=where, standardize=None, dtype=None)
    theirs = quiet(masker.fit_transform, bold)
    ours = Parcellator(maps, where, min_coverage=0).fit_transform(bold)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_sphere_means_equal_those_of_nilearn(bold, mask):
    masker = NiftiSpheresMasker(CENTRES, radius=9, mask_img=mask, standardize=None)
    theirs = quiet(masker.fit_transform, bold)
    for centres in (
        CENTRES,
        np.array(CENTRES),
        pd.DataFrame(CENTRES, columns=["x", "y", "z"]),
        {"rois": pd.DataFrame(CENTRES, columns=["x", "y", "z"]), "labels": ["a", "b", "c"]},
    ):
        p = Parcellator(centres, mask, min_coverage=0, radius_mm=9)
        np.testing.assert_allclose(p.fit_transform(bold), theirs, rtol=1e-6)
    assert p.labels_ == ["a", "b", "c"]


def maskers(mask):
    lut = pd.DataFrame({"index": [0, 3, 7, 41], "name": ["Background", "b", "a", "c"]})
    return {
        "labels": NiftiLabelsMasker(labels_image(), lut=lut, mask_img=mask, standardize=None),
        "labels_clean": NiftiLabelsMasker(
            labels_image(), standardize="zscore_sample", detrend=True, strategy="median"
        ),
        "maps": NiftiMapsMasker(maps_image(), mask_img=mask, standardize=None),
        "maps_clean": NiftiMapsMasker(maps_image(), smoothing_fwhm=6, standardize="psc"),
        "spheres": NiftiSpheresMasker(CENTRES, radius=8, allow_overlap=True, standardize=None),
        "voxels": NiftiSpheresMasker(CENTRES, mask_img=mask, standardize=None),
    }


@pytest.mark.parametrize("fit_first", [False, True])
@pytest.mark.parametrize("name", list(maskers(None)))
def test_a_masker_gives_what_it_gives(bold, mask, name, fit_first):
    expected = quiet(maskers(mask)[name].fit_transform, bold)
    masker = maskers(mask)[name]
    if fit_first:
        quiet(masker.fit)
    p = quiet(Parcellator(masker, mask).fit)
    np.testing.assert_array_equal(quiet(p.transform, bold), expected.astype(np.float32))
    assert masker.__sklearn_is_fitted__() is fit_first, "the given masker is not changed"
    assert p.describe()["Masker"] == type(masker).__name__
    assert p.kept_.all() and len(p.labels_) == expected.shape[1]
    if name == "labels":
        assert p.labels_ == ["b", "a", "c"]
        np.testing.assert_allclose(p.coords_, load_atlas(labels_image()).coords_mm)
    # As series, in the masker's own mask nothing is lost.
    inside = np.asarray(mask.dataobj) > 0
    if name in ("labels", "maps", "voxels"):
        found = quiet(p.transform, np.asarray(bold.dataobj)[inside].T)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_region_that_a_masker_drops_keeps_its_place(bold):
    without = np.asarray(labels_image().dataobj) != 7
    mask = image(without.astype(np.uint8))
    masker = NiftiLabelsMasker(labels_image(), mask_img=mask, standardize=None)
    p = quiet(Parcellator(masker, mask).fit)
    found = quiet(p.transform, bold)
    assert np.isnan(found[:, 1]).all() and np.isfinite(found[:, [0, 2]]).all()
    assert p.kept_.tolist() == [True, False, True] and p.coverage_[1] == 0


@pytest.mark.parametrize(
    "names",
    [
        ["b", "a", "c"],
        ["Background", "b", "a", "c"],
        [b"Background", b"b", b"a", b"c"],
        pd.DataFrame({"index": [41, 3, 7, 99], "name": ["c", "b", "a", "unused"]}),
        [{3: "b", 7: "a", 41: "c"}.get(code, f"no{code}") for code in range(60)],
    ],
)
def test_names_as_nilearn_gives_them(mask, names):
    assert Parcellator(labels_image(), mask, labels=names).fit().labels_ == ["b", "a", "c"]
    key = "lut" if hasattr(names, "columns") else "labels"
    assert load_atlas({"maps": labels_image(), key: names}).labels == ["b", "a", "c"]


def test_names_of_maps_and_from_a_path(tmp_path):
    path = tmp_path / "maps.nii.gz"
    nib.save(maps_image(), path)
    atlas = load_atlas({"maps": str(path), "labels": ["x", "y", "z"], "description": ""})
    assert atlas.kind == "maps" and atlas.labels == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("atlas", "names", "message"),
    [
        ("labels", ["a", "b"], "2 names for 3 regions"),
        ("labels", ["a", "a", "b"], "one name is given to two regions"),
        ("labels", pd.DataFrame({"id": [1]}), "no column 'index'"),
        ([1.0, 2.0], None, "centres of shape"),
        ([[1.0, 2.0, np.nan]], None, "centres of shape"),
        (object(), None, "got object"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(atlas, names, message):
    with pytest.raises(InputProblem, match=message) as caught:
        load_atlas(labels_image() if atlas == "labels" else atlas, names)
    assert "\n" not in str(caught.value)


def test_nilearns_bundled_coordinates_as_it_returns_them(mask):
    from nilearn.datasets import fetch_coords_dosenbach_2010, fetch_coords_power_2011

    power = quiet(fetch_coords_power_2011)
    np.testing.assert_allclose(load_atlas(power).coords_mm, load_atlas("power264").coords_mm)
    dosenbach = load_atlas(quiet(fetch_coords_dosenbach_2010))
    assert len(dosenbach.labels) == 160 == len(set(dosenbach.labels))
