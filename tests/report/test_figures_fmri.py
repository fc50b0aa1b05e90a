"""Figures of the stage fmri: tables against other code, drawings against their tables."""

import statistics
from functools import partial

import numpy as np
import pandas as pd
import pytest
from artists import bars, dots, drawn, hex_of, legend, line, lines
from scipy import stats

from neuro.io.formats.tables import write_tsv
from neuro.io.regions.connectomes import write_connectomes
from neuro.report.figures import brains, draw, fmri_edges, fmri_runs, fmri_slices
from neuro.report.pages import fmri
from neuro.report.site import model


@pytest.fixture
def qc():
    rng = np.random.default_rng(0)
    n = 30
    table = pd.DataFrame(
        {
            "run_key": [f"r{k}" for k in range(n)],
            "site": ["beta", "alpha", None] * 10,
            "dx": [0.0, 0.0, 1.0, 1.0, np.nan] * 6,
            "minutes_kept": rng.uniform(3, 9, n),
            "dof_left": rng.uniform(20, 60, n),
            "in_band_power": rng.uniform(0.9, 1, n),
        }
    )
    # skewed, so that a mean is no median; cases move more
    table["mean_fd"] = rng.gamma(0.5, 0.1, n) + 0.3 * (table["dx"] == 1)
    return table


NAMES = {0.0: "Control", 1.0: "Case"}


def test_every_run_stands_at_its_site_and_group_with_the_median(qc):
    settings = {"fd_mm": 0.2, "min_seconds": 240}
    figures = {figure.name: figure.data for figure in fmri._qc_figures(qc, settings)}
    assert set(figures) == {"mean_fd", "minutes_kept", "dof_left", "in_band_power"}
    sites = {"alpha": 0, "beta": 1, "n/a": 2}
    for key, table in figures.items():
        runs = table[table["kind"] == "run"]
        for (site, dx), part in qc.groupby([qc["site"].fillna("n/a"), "dx"], dropna=False):
            name = NAMES.get(dx, "Not known")
            own = runs[(runs["site"] == site) & (runs["series"] == name)]
            assert sorted(own["y"]) == sorted(part[key])
            assert (abs(own["x"] - sites[site]) < 0.5).all()
            middle = table[(table["kind"] == "median") & (table["site"] == site)]
            middle = middle.set_index("series").loc[name, "y"]
            assert middle == pytest.approx(statistics.median(part[key]))
        assert len(runs) == len(qc)
        shown = runs.groupby("series")["x"].mean()
        assert shown["Control"] < shown["Case"]
    limits = {
        key: dict(part.loc[part["kind"] == "limit", ["series", "y"]].to_numpy())
        for key, part in figures.items()
    }
    assert limits == {
        "mean_fd": {"censoring limit": 0.2},
        "minutes_kept": {"least time": 4.0},
        "dof_left": {"few": 10.0},
        "in_band_power": {},
    }
    # without censoring there is no limit, and one far above all values is not drawn
    motion = qc[["site", "dx", "mean_fd"]]
    for other in ({"fd_mm": 0.2, "scrub": False}, {"fd_mm": 2.6 * qc["mean_fd"].max()}):
        (figure,) = fmri._qc_figures(motion, other)
        assert "limit" not in set(figure.data["kind"])


def test_sites_are_drawn_as_their_table_says():
    table = pd.DataFrame(
        {
            "kind": ["run", "run", "run", "median", "median", "limit"],
            "series": ["Control", "Case", "Not known", "Control", "Case", "much"],
            "site": ["a", "a", "b", "a", "a", None],
            "x": [-0.1, 0.2, 1.3, -0.15, 0.15, np.nan],
            "y": [1.0, 2.0, 3.0, 1.5, 2.5, 4.0],
        }
    )
    (axes,) = drawn(partial(draw.by_site, label="Unit"), table)
    colours = [hex_of(name) for name in (draw.CONTROL, draw.CASE, draw.OTHER)]
    assert dots(axes) == list(zip([-0.1, 0.2, 1.3], [1.0, 2.0, 3.0], colours))
    assert legend(axes) == dict(zip(["Control", "Case", "Not known"], colours))
    flat = [(x.mean(), y[0]) for x, y, colour, _ in lines(axes) if colour == hex_of(draw.INK)]
    assert np.allclose(flat, [(-0.15, 1.5), (0.15, 2.5)])
    assert [y[0] for x, y, *_ in lines(axes) if list(x) == [0, 1]] == [4.0]
    assert [text.get_text() for text in axes.texts] == ["much"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]
    assert axes.get_ylabel() == "Unit"


@pytest.fixture
def qc_fc():
    rng = np.random.default_rng(1)
    n = 200
    distance = rng.uniform(10, 150, n)
    before = 0.35 - 0.002 * distance + 0.1 * rng.standard_normal(n)
    after = -0.05 + 0.001 * distance + 0.02 * rng.standard_normal(n)
    after[3] = np.nan
    p = {"before": rng.uniform(0, 0.2, n), "after": rng.uniform(0.03, 1, n)}
    return pd.concat(
        pd.DataFrame({"stage": name, "r": r, "p": p[name], "distance_mm": distance})
        for name, r in (("after", after), ("before", before))
    ).reset_index(drop=True)


def _figures(folder, table):
    write_tsv(folder / "qc_fc.tsv", table)
    blocks = fmri_edges.qc_fc(folder)
    return {block.name: block for block in blocks if isinstance(block, model.Figure)}


def test_qc_fc_keeps_its_sign_and_its_stage(tmp_path, qc_fc):
    table = _figures(tmp_path, qc_fc)["qc_fc"].data
    for name in ("before", "after"):
        own = qc_fc[qc_fc["stage"] == name].dropna(subset=["r"])
        part = table[table["series"] == name]
        for row in part.itertuples():
            share = ((own["r"] >= row.low) & (own["r"] < row.high)).mean()
            assert row.height == pytest.approx(share / (row.high - row.low))
        centre = np.average((part["low"] + part["high"]) / 2, weights=part["height"])
        assert centre == pytest.approx(own["r"].mean(), abs=0.02)
        (label,) = set(part["label"])
        assert label == f"{name}: {100 * (own['p'] < 0.05).mean():.0f} % of edges p < .05"
    reach = 1.25 * np.abs(np.percentile(qc_fc["r"].dropna(), [0.1, 99.9])).max()
    assert table["high"].max() == pytest.approx(reach, abs=1 / 30)
    assert table["low"].min() == pytest.approx(-reach, abs=1 / 30)


def test_qc_fc_is_drawn_as_its_table_says():
    table = pd.DataFrame(
        {
            "series": ["before", "before", "after", "after"],
            "low": [-0.2, 0.0, -0.2, 0.0],
            "high": [0.0, 0.2, 0.0, 0.2],
            "height": [1.0, 4.0, 3.0, 2.0],
            "label": ["B", "B", "A", "A"],
        }
    )
    (axes,) = drawn(fmri_edges.qc_fc_paint, table)
    colours = [hex_of(draw.OTHER)] * 2 + [hex_of(draw.CONTROL)] * 2
    expected = zip(table["low"], table["high"], [0] * 4, table["height"], colours)
    assert [b[4] for b in bars(axes)] == colours
    assert np.allclose([b[:4] for b in bars(axes)], [e[:4] for e in expected])
    assert legend(axes) == {"B": colours[0], "A": colours[2]}
    assert axes.get_xlim() == (-0.2, 0.2)
    assert axes.get_xlabel() == "Correlation of edge strength with mean FD"
    assert axes.get_ylabel() == "Density of edges"


def test_qc_fc_over_distance_has_the_line_of_least_squares(tmp_path, qc_fc):
    figures = _figures(tmp_path, qc_fc)
    for name in ("before", "after"):
        table = figures[f"qc_fc_distance_{name}"].data
        own = qc_fc[qc_fc["stage"] == name].dropna()
        edges, slope = (table[table["series"] == series] for series in ("edges", "slope"))
        assert np.allclose(edges[["x", "y"]], own[["distance_mm", "r"]])
        fit = stats.linregress(own["distance_mm"], own["r"])
        ends = np.array([own["distance_mm"].min(), own["distance_mm"].max()])
        assert np.allclose(slope["x"], ends)
        assert np.allclose(slope["y"], fit.intercept + fit.slope * ends)
        told = f"{100 * fit.slope:.3f}".replace("-", "−")
        assert set(slope["label"]) == {f"slope {told} per 100 mm"}


def test_qc_fc_over_distance_is_drawn_as_its_table_says():
    table = fmri_edges.distance_table(
        pd.DataFrame({"distance_mm": [10.0, 20, 40, 90], "r": [0.3, 0.2, -0.1, 0.0]})
    )
    (axes,) = drawn(partial(fmri_edges.distance_paint, limit=0.5), table)
    points = [(x, y) for x, y, _ in dots(axes)]
    assert points == [(10, 0.3), (20, 0.2), (40, -0.1), (90, 0.0)]
    slope = table[table["series"] == "slope"]
    x, y, colour = line(axes, slope["label"].iloc[0])
    assert (list(x), list(y)) == (slope["x"].tolist(), slope["y"].tolist())
    assert colour == hex_of(draw.CASE) and axes.get_ylim() == (-0.5, 0.5)
    assert axes.get_xlabel() == "Distance between the regions (mm)"
    assert axes.get_ylabel() == "Correlation with mean FD"


def test_a_cloud_of_many_points_is_counted_in_boxes():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100, 4000), rng.normal(0, 0.1, 4000) ** 2
    table = draw.cloud(x, y)
    assert table["count"].sum() == 4000 and len(table) < 2500
    for row in table.sample(20, random_state=0).itertuples():
        inside = (abs(x - row.x) <= row.width / 2) & (abs(y - row.y) <= row.height / 2)
        # `count` is a method of tuples
        assert inside.sum() == table.loc[row.Index, "count"]
    (axes,) = drawn(
        lambda picture, table: draw.cloud_paint(picture.subplots(), table, cmap="Greys"), table
    )
    (boxes,) = axes.collections
    assert np.array_equal(boxes.get_array(), table["count"])
    corners = np.array([path.vertices[:4] for path in boxes.get_paths()])
    assert np.allclose(corners.mean(axis=1), table[["x", "y"]])
    assert np.allclose(np.ptp(corners, axis=1), table[["width", "height"]])


def test_the_mean_connectome_is_drawn_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    edges = rng.normal(0.2, 1, (4, 6))
    edges[:, 2] = np.nan
    people, keys = ["a", "a", "a", "b"], ["1", "2", "3", "4"]
    write_connectomes(tmp_path / "connectomes.h5", edges, people, keys, list("WXYZ"), "fisher_z")
    (figure,) = [b for b in fmri_edges.connectomes(tmp_path) if isinstance(b, model.Figure)]
    table = figure.data
    assert table["region"].tolist() == list("WXYZ") == table.columns[1:].tolist()
    stored = np.asarray(edges, np.float32)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    for number, (i, j) in enumerate(pairs):
        mean = (stored[:3, number].mean() + stored[3, number]) / 2
        got = table.loc[i, "WXYZ"[j]], table.loc[j, "WXYZ"[i]]
        assert np.allclose(got, mean, atol=1e-6, equal_nan=True)
    axes, _ = drawn(partial(draw.matrix, limit=2.0, label="z"), table)
    (image,) = axes.images
    shown = image.get_array().filled(np.nan)
    assert np.array_equal(shown, table.iloc[:, 1:], equal_nan=True)
    assert image.get_clim() == (-2, 2)
    assert image.get_extent() == [0.5, 4.5, 4.5, 0.5]


def test_edges_in_the_brain_join_their_regions(monkeypatch):
    rng = np.random.default_rng(0)
    full = draw.from_edges(rng.standard_normal(15), 6)
    kept = brains.strongest(full)
    kept[0, 1] = kept[1, 0] = 0
    centres = rng.uniform(-50, 50, (6, 3))
    table = fmri_edges.brain_table(kept, centres, list("ABCDEF"))
    edges = table[table["kind"] == "edge"]
    told = {(row.a, row.b): row.value for row in edges.itertuples()}
    assert told == {
        ("ABCDEF"[i], "ABCDEF"[j]): kept[i, j] for i in range(6) for j in range(i, 6) if kept[i, j]
    }
    places = table[table["kind"] == "region"].set_index("a")[["x", "y", "z"]]
    assert np.array_equal(places.loc[list("ABCDEF")], centres)
    seen = []
    monkeypatch.setattr(brains, "connectome", lambda picture, *rest: seen.append(rest))
    fmri_edges.brain_paint(None, table, "z")
    ((matrix, coords, reach, label),) = seen
    assert np.array_equal(matrix, kept) and np.array_equal(coords, centres)
    assert reach == np.abs(kept).max() and label == "z"


@pytest.fixture
def arrays():
    rng = np.random.default_rng(2)
    kept = np.array([False, True, True, False, False, True, True, True])
    before, after = rng.standard_normal((2, 5, 8)).astype(np.float16)
    after[:, ~kept] = np.nan
    return {
        "carpet_before": before,
        "carpet_after": after,
        "fd": np.r_[np.nan, rng.uniform(0, 0.4, 7)].astype(np.float32),
        "std_dvars": rng.uniform(0.9, 1.4, 8).astype(np.float32),
        "kept": kept,
        "tr": np.float32(2.5),
    }


def test_the_carpet_table_has_a_row_per_volume(arrays):
    table = fmri_runs.carpet_table(arrays, {"fd_mm": 0.3, "std_dvars": 1.5})
    assert table["start"].tolist() == [2.5 * k for k in range(8)]
    assert table["end"].tolist() == [2.5 * (k + 1) for k in range(8)]
    assert table["kept"].tolist() == arrays["kept"].tolist()
    assert np.array_equal(table["fd"], arrays["fd"], equal_nan=True)
    assert np.array_equal(table["std_dvars"], arrays["std_dvars"])
    assert set(table["fd_limit"]) == {0.3} and set(table["std_dvars_limit"]) == {1.5}
    for name in ("before", "after"):
        for voxel in range(5):
            want = arrays[f"carpet_{name}"][voxel].astype(float)
            assert np.allclose(table[f"{name}_{voxel}"], want, atol=0.0051, equal_nan=True)
    assert fmri_runs.carpet_table(arrays, {"fd_mm": None})["fd_limit"].isna().all()


def test_a_tall_carpet_is_thinned_from_edge_to_edge_and_short_ones_are_filled(arrays):
    tall = np.arange(599.0)[:, None] + np.zeros(8)
    short = np.arange(40.0).reshape(8, 5)
    table = fmri_runs.carpet_table(arrays | {"carpet_before": tall, "carpet_after": short}, {})
    voxels = [int(name[7:]) for name in table if name.startswith("before_")]
    assert len(voxels) == 200 and (voxels[0], voxels[-1]) == (0, 598)
    assert all((table[f"before_{voxel}"] == voxel).all() for voxel in voxels)
    kept = arrays["kept"]
    assert table.loc[kept, "after_2"].tolist() == short[2].tolist()
    assert table.loc[~kept, [f"after_{k}" for k in range(8)]].isna().all(axis=None)


def test_the_carpet_is_drawn_as_its_table_says(arrays):
    table = fmri_runs.carpet_table(arrays, {"fd_mm": 0.3, "std_dvars": 9.0})
    picture_axes = drawn(_without_layout(fmri_runs.carpet_paint), table)
    fd, dvars, before, after = picture_axes
    assert [axes.get_ylabel() for axes in picture_axes] == ["FD (mm)", "DVARS", "Before", "After"]
    middle = 2.5 * (np.arange(8) + 0.5)
    for axes, name in ((fd, "fd"), (dvars, "std_dvars")):
        trace = lines(axes)[0]
        assert np.allclose(trace[0], middle)
        assert np.array_equal(trace[1], arrays[name].astype(float), equal_nan=True)
        spans = [bar[:2] for bar in bars(axes)]
        assert np.allclose(spans, [(0, 2.5), (7.5, 12.5)])
    assert [list(y) for _, y, *_ in lines(fd)[1:]] == [[0.3, 0.3]]
    assert len(lines(dvars)) == 1, "a limit far above the trace would only squeeze it"
    for axes, name in ((before, "before"), (after, "after")):
        (image,) = axes.images
        shown = np.ma.filled(image.get_array(), np.nan)
        assert shown.shape == (5, 8)
        want = arrays[f"carpet_{name}"].astype(float)
        assert np.allclose(shown, want, atol=0.0051, equal_nan=True)
        assert image.get_extent() == [0, 20, 5, 0]
    assert after.get_xlabel() == "Time (s)"
    assert {axes.get_xlim() for axes in picture_axes} == {(0, 20)}


def test_traces_that_are_not_known_say_so(arrays):
    less = {key: arrays[key] for key in ("carpet_after", "kept", "tr")}
    fd, dvars, after = drawn(
        _without_layout(fmri_runs.carpet_paint), fmri_runs.carpet_table(less, {})
    )
    assert [text.get_text() for text in (*fd.texts, *dvars.texts)] == ["not known"] * 2
    assert after.get_ylabel() == "After"


def _without_layout(paint):
    def painted(picture, table):
        picture.set_layout_engine(None)
        paint(picture, table)

    return painted


@pytest.fixture
def slices():
    rng = np.random.default_rng(4)
    shapes = {"x": (4, 3), "y": (5, 3), "z": (5, 4)}
    out = {"voxel_mm": np.array([2.0, 3.0, 4.0], np.float32)}
    for plane, shape in shapes.items():
        out[f"mean_{plane}"] = rng.uniform(100, 900, shape)
        out[f"tsnr_{plane}"] = rng.uniform(10, 90, shape)
        out[f"mask_{plane}"] = rng.random(shape) > 0.3
        out[f"atlas_{plane}"] = rng.integers(0, 4, shape)
    return out


def test_slices_are_told_pixel_by_pixel(slices):
    table = fmri_slices.slices_table(slices)
    assert len(table) == 12 + 15 + 20
    for row in table.itertuples():
        for name in ("mean", "tsnr", "mask", "atlas"):
            assert getattr(row, name) == slices[f"{name}_{row.plane}"][row.across, row.up]
    size = table.groupby("plane")[["across_mm", "up_mm"]].first()
    assert size.to_numpy().tolist() == [[3, 4], [2, 4], [2, 3]]
    assert "tsnr" not in fmri_slices.slices_table(
        {key: value for key, value in slices.items() if "tsnr" not in key}
    )


def test_slices_are_drawn_as_their_table_says(slices):
    mean, tsnr, scale = drawn(
        _without_layout(fmri_slices.slices_paint), fmri_slices.slices_table(slices)
    )
    size = {"x": (3, 4), "y": (2, 4), "z": (2, 3)}
    for axes, name in ((mean, "mean"), (tsnr, "tsnr")):
        assert np.allclose(axes.images[0].get_array(), fmri_slices._mosaic(slices, name, size))
    assert [axes.get_title() for axes in (mean, tsnr)] == ["Mean image, mask and atlas", "tSNR"]
    values = np.concatenate([slices[f"tsnr_{plane}"].ravel() for plane in "xyz"])
    assert scale.images[0].get_extent()[3] == pytest.approx(np.percentile(values, 98))
