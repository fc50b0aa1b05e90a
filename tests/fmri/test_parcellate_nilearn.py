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


def soft_maps(kind):
    """Maps like DiFuMo's (dense, all overlap) or MSDL's (sparse, neighbours overlap a little)."""
    rng = np.random.default_rng(3)
    n_maps, width, cut = {"difumo": (48, 3.0, 1e-3), "msdl": (24, 1.6, 0.08)}[kind]
    grid = np.moveaxis(np.indices(SHAPE), 0, -1).reshape(-1, 3)
    centres = grid[rng.choice(len(grid), n_maps, replace=False)]
    away = ((grid[:, None] - centres) ** 2).sum(axis=-1)
    maps = np.exp(-away / (2 * width**2)) * rng.uniform(0.5, 1.5, n_maps)
    maps[maps < cut] = 0
    if kind == "difumo":
        maps /= maps.sum(axis=0)
    return image(maps.reshape(*SHAPE, n_maps))


@pytest.mark.parametrize("kind", ["difumo", "msdl"])
def test_sets_of_overlapping_maps_equal_nilearn_with_and_without_lost_voxels(kind, mask):
    maps = soft_maps(kind)
    overlap = np.asarray(maps.dataobj) > 0
    assert overlap.sum(axis=-1).max() > (4 if kind == "difumo" else 2)
    values = 100 + np.random.default_rng(4).standard_normal((*SHAPE, 12))
    values[:, :, :2] = np.nan  # the field of view ends here
    values[5:8, 9] = 250.0  # and here is no signal
    inside = (np.asarray(mask.dataobj) > 0) & np.isfinite(values[..., 0])
    inside[5:8, 9] = False
    for data, where in (
        (np.nan_to_num(values, nan=100) + np.arange(12), mask),
        (values, image(inside.astype(np.uint8))),
    ):
        data = data.astype(np.float32).astype(np.float64)  # what both sides read
        masker = NiftiMapsMasker(maps, mask_img=where, standardize=None, dtype=None)
        theirs = quiet(masker.fit_transform, image(np.nan_to_num(data)))
        ours = Parcellator(maps, mask, min_coverage=0)
        found = ours.fit_transform(image(data))
        scale = np.abs(theirs).max(axis=0)
        assert (np.abs(found - theirs) / scale).max() < 1e-6
    assert 0 < ours.coverage_.min() < 0.99
    weight = np.abs(np.asarray(maps.dataobj))
    expected = weight[inside].sum(axis=0) / weight.sum(axis=(0, 1, 2))
    np.testing.assert_allclose(ours.coverage_, expected, rtol=1e-6)


def test_connectivity_of_overlapping_maps_is_that_of_their_series():
    """Three overlapping bumps with planted series; a weighted mean joins them with r > .6."""
    maps = np.asarray(maps_image().dataobj, dtype=np.float64)
    truth = np.random.default_rng(5).standard_normal((200, 3))
    noise = np.random.default_rng(6).standard_normal((*SHAPE, 200))
    data = np.einsum("xyzr,tr->xyzt", maps, truth) + 0.1 * noise
    found = Parcellator(image(maps), image(np.ones(SHAPE, np.uint8))).transform(image(data))
    upper = np.triu_indices(3, 1)
    planted = np.corrcoef(truth.T)[upper]
    np.testing.assert_allclose(np.corrcoef(found.T)[upper], planted, atol=0.02)
    means = np.einsum("xyzr,xyzt->tr", maps, data)
    assert np.abs(np.corrcoef(means.T)[upper] - planted).max() > 0.5


def test_maps_that_others_nearly_make_up_are_named():
    """The spread of a fitted map grows with what it shares with all others together."""
    maps = np.asarray(maps_image().dataobj, dtype=np.float64)
    near = maps[..., :1] ** 1.1
    p = Parcellator(image(np.concatenate([maps, near], axis=-1)), image(np.ones(SHAPE, np.uint8)))
    p.fit()
    design = np.concatenate([maps, near], axis=-1).reshape(-1, 4)
    for one in range(4):
        others = np.delete(design, one, axis=1)
        left = design[:, one] - others @ np.linalg.lstsq(others, design[:, one], rcond=None)[0]
        expected = (design[:, one] ** 2).sum() / (left**2).sum()
        assert p.inflation_[one] == pytest.approx(expected, rel=1e-6)
    named = [p.labels_[one] for one in np.flatnonzero(p.inflation_ > 10)]
    assert p.describe()["CollinearRegions"] == named and len(named) >= 2
    plain = Parcellator(maps_image(), image(np.ones(SHAPE, np.uint8))).fit()
    assert plain.describe()["CollinearRegions"] == []
    labels = Parcellator(labels_image(), image(np.ones(SHAPE, np.uint8))).fit()
    assert (labels.inflation_ == 1).all() and "CollinearRegions" not in labels.describe()


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
