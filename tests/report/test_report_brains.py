"""Brains of the report: left is left, what is drawn is what is there, pages need no network."""

import io
import re

import matplotlib.image
import nibabel
import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import write_tsv
from neuro.report.figures import brains, draw, fmri_edges, maps
from neuro.report.site import menu as site
from neuro.report.site import model

MNI = np.array([[-8.0, 0, 0, 88], [0, 8.0, 0, -120], [0, 0, 8.0, -64], [0, 0, 0, 1]])
SHAPE = (22, 26, 21)


def brain(affine=MNI):
    """Voxels of an ellipsoid where the template's brain is."""
    places = np.argwhere(np.ones(SHAPE)) @ MNI[:3, :3].T + MNI[:3, 3]
    inside = (((places - [0, -18, 8]) / [60, 80, 62]) ** 2).sum(axis=1) < 1
    return inside.reshape(SHAPE), places[:, 0].reshape(SHAPE)


def pixels(figure):
    return matplotlib.image.imread(io.BytesIO(figure.png))[..., :3]


def red(shown):
    return (shown[..., 0] > 0.35) & (shown[..., 1] < 0.25) & (shown[..., 2] < 0.3)


def left_positive(affine):
    """A map that is 1 on the left and -1 on the right, stored in some orientation."""
    seen, x = brain()
    data = np.where(seen, np.where(x < 0, 1.0, -1.0), 0.0)
    if affine[0, 0] > 0:
        data = data[::-1]
    return data


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("template", [False, True])
def test_left_is_left_in_slices(tmp_path, flip, template):
    affine = MNI.copy()
    if flip:
        affine[0] = [8.0, 0, 0, 88 - 8 * (SHAPE[0] - 1)]
    path = tmp_path / "map.nii.gz"
    nibabel.save(nibabel.Nifti1Image(left_positive(affine).astype(np.float32), affine), path)
    data, upright = maps._read_volume(path)
    seen = data != 0
    assert brains.place_of(seen, upright)
    figure = draw.figure(
        "x",
        lambda picture: brains.slices(
            picture, [("Map", data, 1.0, True)], seen, upright, template, n_slices=1
        ),
        size=(4, 4),
        layout=None,
        caption="",
        how_to_read="",
        alt="",
    )
    # The colour bar on the right is not part of the slice.
    shown = pixels(figure)[:, :490]
    blue = (shown[..., 2] > 0.3) & (shown[..., 0] < 0.2) & (shown[..., 1] < 0.4)
    reds, blues = np.argwhere(red(shown))[:, 1], np.argwhere(blue)[:, 1]
    assert len(reds) > 500 and len(blues) > 500
    assert np.percentile(reds, 98) <= np.percentile(blues, 2)


def test_the_background_is_white_without_a_template_and_zero_is_drawn_inside():
    seen, _ = brain()
    data = np.zeros(SHAPE)
    figure = draw.figure(
        "x",
        lambda picture: brains.slices(
            picture, [("Map", data, 1.0, False)], seen, MNI, False, n_slices=1
        ),
        size=(4, 4),
        layout=None,
        caption="",
        how_to_read="",
        alt="",
    )
    shown = pixels(figure)[40:360, 60:480]
    assert (shown[0] == 1).all() and (shown == 1).all(axis=2).mean() > 0.25
    lowest = matplotlib.colormaps["viridis"](0.0)[:3]
    assert (np.abs(shown[160, 210] - lowest) < 0.02).all()


@pytest.mark.parametrize("side", [-1, 1])
def test_a_region_is_drawn_on_its_side_and_rings_change_the_picture(side):
    coords = np.array([[side * 40.0, -20, 20], [side * -40.0, -60, 30], [0.0, 40, 10]])
    values = np.array([1.0, 0.01, 0.02])

    def drawn(marked):
        return pixels(
            draw.figure(
                "x",
                lambda picture: brains.points(picture, values, coords, np.array(marked), 1.0),
                size=(9.4, 2.9),
                layout=None,
                caption="",
                how_to_read="",
                alt="",
            )
        )

    plain, ringed = drawn([False] * 3), drawn([True, False, False])
    width = plain.shape[1]
    # The view from above is the last one, left is left; lateral views show one hemisphere each.
    above = red(plain)[:, int(0.68 * width) : int(0.9 * width)]
    centre = np.argwhere(above)[:, 1].mean() / above.shape[1]
    assert (centre > 0.55) if side > 0 else (centre < 0.45)
    from_left = red(plain)[:, : int(0.25 * width)].any()
    assert from_left == (side < 0)
    changed = np.abs(plain - ringed).sum(axis=2) > 0.3
    assert 50 < changed.sum() < 0.02 * changed.size


def test_strongest_edges_equal_the_slow_version():
    rng = np.random.default_rng(0)
    for n in (3, 12, 80):
        matrix = rng.standard_normal((n, n))
        matrix = matrix + matrix.T
        matrix[0, 1] = matrix[1, 0] = np.nan
        np.fill_diagonal(matrix, np.nan)
        kept = brains.strongest(matrix)
        edges = [(i, j) for i in range(n) for j in range(i + 1, n) if (i, j) != (0, 1)]
        edges.sort(key=lambda edge: -abs(matrix[edge]))
        expected = np.zeros((n, n))
        for i, j in edges[: min(brains.N_EDGES, 2 * n)]:
            expected[i, j] = expected[j, i] = matrix[i, j]
        np.testing.assert_array_equal(kept, expected)


def test_places_outside_of_the_template_are_not_drawn_in_it():
    rng = np.random.default_rng(0)
    coords = rng.uniform([-60, -90, -30], [60, 60, 70], (50, 3))
    assert brains.inside_template(coords)
    assert not brains.inside_template(coords + np.array([90, 120, 60])), "counted from a corner"
    assert not brains.inside_template(coords * [1, 1, 3])
    assert not brains.inside_template(coords * 0.1)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adhd")
    data = left_positive(MNI)
    for kind, scale in (("case", 2), ("control", 1), ("difference", 1)):
        image = nibabel.Nifti1Image((scale * data).astype(np.float32), MNI)
        nibabel.save(image, folder / f"group_cycle3_{kind}.nii.gz")
    return folder


def test_maps_in_template_space_have_surface_and_page(volumes, tmp_path):
    section = model.Section("adhd", "A", maps.blocks(volumes, ("cycle3", "top"), True))
    assert [figure.name for figure in section.figures()] == ["group_cycle3", "surface_cycle3"]
    assert "MNI152 template" in section.figures()[0].caption
    page = site.Page("index.html", "A", [section])
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "old.html").write_text("left by an earlier report")
    site.write(tmp_path, "t", "", [page], "")
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["adhd_group_cycle3.html"]
    assert 'href="views/adhd_group_cycle3.html"' in (tmp_path / "index.html").read_text()


def test_maps_in_native_space_say_so_and_have_no_template(volumes):
    section = model.Section("adhd", "A", maps.blocks(volumes, ("cycle3", "top"), False))
    assert [figure.name for figure in section.figures()] == ["group_cycle3"]
    assert "not in template space" in section.figures()[0].caption
    assert section.views() == []


def test_native_regions_become_bars(planted_results):
    blocks = maps.blocks(planted_results / "adhd", ("cycle3", "top"), False)
    figure = next(block for block in blocks if isinstance(block, model.Figure))
    assert figure.caption.endswith("largest.") and figure.alt.startswith("Bars")


def test_pages_load_nothing_and_are_the_same_twice():
    seen, _ = brain()
    data = left_positive(MNI)
    coords = np.array([[-40.0, 0, 10], [40, 0, 10], [0, -60, 20]])
    matrix = np.array([[0, 0.5, -0.2], [0.5, 0, 0.0], [-0.2, 0, 0]])
    for make in (
        lambda: brains.image_page("map", data, seen, MNI, 1.0, "A map", "words"),
        lambda: brains.connectome_page(matrix, coords, "Edges", "words"),
    ):
        text = make().html
        assert text == make().html
        assert len(text) < 4e6
        assert not re.findall(r"<script[^>]+\bsrc\s*=\s*[\"']?(?!data:)", text)
        assert not re.findall(r"<link[^>]+\bhref\s*=\s*[\"']", text)
        assert not re.findall(r"<i(?:mg|frame)[^>]+\bsrc\s*=\s*[\"'](?:https?:)?//", text)
        assert "@import" not in text and "url(http" not in text


def test_centres_follow_the_names_of_the_regions(tmp_path):
    table = pd.DataFrame(
        {
            "region": ["c", "a", "b"],
            "x": [30.0, -30.0, 0.0],
            "y": [0.0, -20.0, 40.0],
            "z": [10.0, 20.0, 30.0],
        }
    )
    write_tsv(tmp_path / "regions.tsv", table)
    found = fmri_edges.centres_of(tmp_path, ["a", "b", "c"])
    np.testing.assert_array_equal(found[:, 0], [-30, 0, 30])
    assert fmri_edges.centres_of(tmp_path, ["a", "b", "d"]) is None
    assert fmri_edges.centres_of(tmp_path / "none", ["a"]) is None


@pytest.mark.parametrize(
    ("kind", "space", "expected"),
    [
        ("simulated", "n/a", True),
        ("fmriprep", "MNI152NLin2009cAsym", True),
        ("fmriprep", "T1w", False),
        ("bids", "native", False),
    ],
)
def test_the_run_table_says_what_space_it_is(tmp_path, kind, space, expected):
    (tmp_path / "fmri").mkdir()
    write_tsv(tmp_path / "fmri" / "runs.tsv", pd.DataFrame({"run_key": ["a"], "space": [space]}))
    assert brains.in_template(tmp_path, {"data": {"kind": kind}, "fmri": {}}) is expected
