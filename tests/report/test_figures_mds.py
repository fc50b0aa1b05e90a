"""Figures of `mds`: tables against the planted values, pictures against the tables."""

import numpy as np
import pandas as pd
import pytest
from drawn import bars, dots, image, lines, only, redrawn, texts, ticks
from matplotlib.colors import to_hex

from neuro.report.figures import draw, mds, mds_restarts, mds_stimuli

CASE, CONTROL, OTHER, PALE = (
    shade.lower() for shade in (draw.CASE, draw.CONTROL, draw.OTHER, draw.PALE)
)


def one(monkeypatch, make, *arguments):
    (found,) = redrawn(monkeypatch, lambda: make(*arguments)).values()
    monkeypatch.undo()
    return found


@pytest.fixture
def clusters():
    """Eight units, one of them in no cluster; what can be confused differs."""
    return pd.DataFrame(
        {
            "unit": list("abcdefgh"),
            "cluster": [2, 2, 1, 3, 3, 3, 0, 1],
            "held_out": [0, 1, 0, 0, 1, 1, 1, 0],
            "known_type": ["OFF", "OFF", "ON", "ON", "OFF", None, "ON", "ON"],
            "twin_corr": [0.9, 0.5, 0.3, 0.8, 0.1, 0.2, 0.7, 0.6],
        }
    )


def test_responses_have_clusters_in_rows_and_held_out_units_where_known(monkeypatch):
    held = np.array([[1.0, 0.1, 0.6], [0.2, 1.0, 0.3], [0.7, 0.4, 1.0]])
    matrices = {"response_matrix": held + 0.05, "response_matrix_held_out": held}
    for use in (True, False):
        if not use:
            held = held + 0.05
            matrices["response_matrix_held_out"] = np.full((3, 3), np.nan)
        figure = one(monkeypatch, mds.response_matrix, matrices, "set")
        assert set(figure.table["units"]) == {"held out" if use else "all"}
        assert ("held out" in figure.block.caption) is use
        for row in figure.table.itertuples():
            assert row.value == held[row.cluster - 1, row.stimulus - 1]
        axes = figure.axes[0]
        order = [int(label) - 1 for label in ticks(axes, "y")]
        assert sorted(order) == [0, 1, 2] and list(ticks(axes, "x")) == list(ticks(axes, "y"))
        # the two that answer alike stand side by side
        assert abs(order.index(0) - order.index(2)) == 1
        np.testing.assert_array_equal(image(axes), held[np.ix_(order, order)])
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("Stimulus", "Cluster")
        for x, y, text in texts(axes):
            assert text == f"{held[order[y], order[x]]:.2f}"


def test_sizes_count_searched_and_held_out_units(clusters, monkeypatch):
    figure = one(monkeypatch, mds.sizes, clusters, "set")
    assert figure.table.values.tolist() == [
        [1, "in the search", 2],
        [2, "in the search", 1],
        [3, "in the search", 1],
        [1, "held out", 0],
        [2, "held out", 1],
        [3, "held out", 2],
    ]
    (axes,) = figure.axes
    got = bars(axes)
    assert got["height"].tolist() == [2, 1, 1, 0, 1, 2]
    assert got["y"].tolist() == [0, 0, 0, 2, 1, 1]
    assert got["colour"].tolist() == [CONTROL] * 3 + [PALE] * 3
    np.testing.assert_allclose(got["x"] + got["width"] / 2, [1, 2, 3, 1, 2, 3])
    assert axes.get_ylabel() == "Units"


def test_agreement_is_likeness_and_not_distance(monkeypatch):
    ari = np.array([[1.0, 0.9, 0.2], [0.9, 1.0, 0.4], [0.2, 0.4, 1.0]])
    figure = one(monkeypatch, mds_restarts.agreement, {"ari": ari}, {"restart_ari": 0.5}, "set")
    for row in figure.table.itertuples():
        assert row.value == ari[row.restart - 1, row.other_restart - 1]
    axes, bar = figure.axes
    np.testing.assert_array_equal(image(axes), ari)
    assert bar.get_ylabel() == "Adjusted Rand index" and axes.images[0].get_clim() == (0, 1)
    for x, y, text in texts(axes):
        assert text == f"{ari[y, x]:.2f}"


def test_pairs_of_units_are_mirrored_and_clusters_parted(monkeypatch):
    rng = np.random.default_rng(0)
    together = rng.random((5, 5))
    together = (together + together.T) / 2
    matrices = {"co_assignment": together, "co_assignment_cluster": np.array([1, 1, 2, 4, 4])}
    figure = one(monkeypatch, mds_restarts.co_assignment, matrices, "set")
    assert len(figure.table) == 15
    for row in figure.table.itertuples():
        assert row.value == together[row.row - 1, row.column - 1]
        assert row.cluster == [1, 1, 2, 4, 4][row.row - 1]
    axes = figure.axes[0]
    np.testing.assert_array_equal(image(axes), together)
    assert {float(y[0]) for x, y, _ in lines(axes) if set(x) == {0, 1}} == {1.5, 2.5}
    assert figure.axes[1].get_ylabel() == "Share of restarts together"


def test_the_kept_restart_stands_out(monkeypatch):
    table = pd.DataFrame(
        {
            "restart": [1, 1, 1, 2, 2],
            "iteration": [1, 2, 3, 1, 2],
            "phase": ["em", "split", "split", "em", "split"],
            "moved": [3, 0, 2, 4, 5],
            "objective": [0.1, 0.2, 0.4, 0.3, 0.6],
        }
    )
    restarts = pd.DataFrame({"restart": [1, 2], "kept": [0, 1]})
    figure = one(monkeypatch, mds_restarts.history, table, restarts, "set")
    assert figure.table["kept"].tolist() == [0, 0, 0, 1, 1]
    assert figure.table["split"].tolist() == [0, 0, 1, 0, 1]
    (axes,) = figure.axes
    got = [(x.tolist(), y.tolist(), shade) for x, y, shade in lines(axes)]
    assert got == [
        ([1, 2, 3], [0.1, 0.2, 0.4], OTHER),
        ([3], [0.4], OTHER),
        ([1, 2], [0.3, 0.6], CASE),
        ([2], [0.6], CASE),
    ]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Iteration", "Objective J")


def test_the_ladder_tells_its_curves_apart(monkeypatch):
    table = pd.DataFrame(
        {
            "n_clusters_init": [2, 4],
            "restart_ari": [0.9, 0.5],
            "restart_ari_min": [0.8, 0.3],
            "restart_ari_max": [1.0, 0.6],
            "saturation": [0.7, 0.95],
            "even_typing_ari": [0.65, 0.35],
        }
    )
    figure = one(monkeypatch, mds_restarts.ladder, table, "set")
    for series in ("restart_ari", "saturation", "even_typing_ari"):
        assert only(figure.table, series=series)["value"].tolist() == table[series].tolist()
    band = only(figure.table, series="restart_ari")
    assert band[["low", "high"]].values.tolist() == [[0.8, 1.0], [0.3, 0.6]]
    (axes,) = figure.axes
    got = {line.get_label(): (line.get_ydata(), to_hex(line.get_color())) for line in axes.lines}
    for label, column, shade in (
        ("agreement of restarts", "restart_ari", CONTROL),
        ("exp(J)/K", "saturation", CASE),
        ("typing", "even_typing_ari", OTHER),
    ):
        assert got[label][0].tolist() == table[column].tolist() and got[label][1] == shade
    (area,) = axes.collections
    assert {tuple(point) for point in area.get_paths()[0].vertices} == {
        (2, 0.8),
        (2, 1.0),
        (4, 0.3),
        (4, 0.6),
    }
    never = table.assign(even_typing_ari=np.nan)
    assert "even_typing_ari" not in set(mds_restarts.ladder_table(never)["series"])


def test_known_types_stand_in_rows_and_clusters_in_columns(clusters, monkeypatch):
    found = {"known_type_ari": 0.4, "homogeneity": 0.7, "completeness": 0.6, "held_out_ari": 0.1}
    figure = one(monkeypatch, mds.confusion, clusters, found, "set")
    want = {("OFF", 1): 0, ("OFF", 2): 2, ("OFF", 3): 1, ("ON", 1): 2, ("ON", 2): 0, ("ON", 3): 1}
    got = {
        (row.known_type, row.cluster): (row.count, row.share) for row in figure.table.itertuples()
    }
    assert {key: count for key, (count, _) in got.items()} == want
    assert got["OFF", 2][1] == pytest.approx(2 / 3)
    (axes,) = figure.axes
    np.testing.assert_allclose(image(axes), np.array([[0, 2, 1], [2, 0, 1]]) / 3)
    assert list(ticks(axes, "x")) == ["1", "2", "3"] and list(ticks(axes, "y")) == ["OFF", "ON"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Cluster", "Known type")
    assert {(x, y): text for x, y, text in texts(axes) if text} == {
        (1, 0): "2",
        (2, 0): "1",
        (0, 1): "2",
        (2, 1): "1",
    }
    assert "index 0.40 (held-out units 0.10)" in figure.block.caption


def test_the_twin_is_shown_by_cluster_with_its_median(clusters, monkeypatch):
    figure = one(monkeypatch, mds.twin_quality, clusters, "set")
    units = only(figure.table, mark="unit").set_index("unit")
    for row in clusters[clusters["cluster"] > 0].itertuples():
        assert units.loc[row.unit, ["cluster", "value"]].tolist() == [row.cluster, row.twin_corr]
    assert "g" not in units.index
    medians = only(figure.table, mark="median").set_index("cluster")["value"]
    assert medians.to_dict() == pytest.approx({1: 0.45, 2: 0.7, 3: 0.2})
    (axes,) = figure.axes
    got = dots(axes)
    near = got.groupby(got["x"].round())["y"].apply(sorted).to_dict()
    assert near == {0: [0.3, 0.6], 1: [0.5, 0.9], 2: [0.1, 0.2, 0.8]}
    bar = [group.get_segments()[0] for group in axes.collections if hasattr(group, "get_segments")]
    assert [segment[0, 1] for segment in bar] == pytest.approx([0.45, 0.7, 0.2])
    assert list(ticks(axes, "x")) == ["1", "2", "3"]


TWINS = pd.DataFrame(
    {
        "twin": ["network trained here", "energies at one place", "ridge on pixels"],
        "validation": [0.3, 0.6, 0.2],
        "test": [0.35, 0.55, 0.25],
        "ceiling": [0.7, 0.7, np.nan],
        "chosen": [0, 1, 0],
    }
)


def test_twins_stand_side_by_side_with_the_ceiling_of_the_trials(monkeypatch):
    figure = one(monkeypatch, mds.twins, TWINS, "set")
    assert len(figure.table) == 8
    for row in TWINS.itertuples():
        part = only(figure.table, twin=row.twin).set_index("part")["value"]
        assert part["validation"] == row.validation and part["test"] == row.test
        assert ("ceiling" in part) == (row.ceiling == row.ceiling)
    (axes,) = figure.axes
    got = dots(axes)
    assert got["x"].tolist() == [0.3, 0.6, 0.2, 0.35, 0.55, 0.25, 0.7, 0.7]
    assert got["y"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert list(ticks(axes, "y")) == [
        TWINS["twin"][0],
        f"{TWINS['twin'][1]} (taken)",
        "ridge on pixels",
    ]


def test_the_posterior_is_drawn_against_what_was_right(monkeypatch):
    rows = [
        {"low": 0.5, "high": 0.6, "n": 4, "probability": 0.55, "accuracy": 0.5},
        {"low": 0.9, "high": 1.0, "n": 16, "probability": 0.97, "accuracy": 1.0},
    ]
    facts = {"reliability": rows, "calibration_error": 0.034}
    figure = one(monkeypatch, mds.reliability, facts, "set")
    assert figure.table.to_dict("records") == rows
    assert "Calibration error 0.034" in figure.block.caption
    got = dots(figure.axes[0])
    assert got[["x", "y"]].to_numpy().tolist() == [[0.55, 0.5], [0.97, 1.0]]


def test_untyped_cells_have_no_confidence(monkeypatch):
    table = pd.DataFrame({"cluster": [1, 2, 0, 1], "probability": [0.97, 0.52, 0.99, 1.0]})
    figure = one(monkeypatch, mds.margins, table, "set")
    count = dict(zip(figure.table["low"].round(2), figure.table["count"]))
    assert count[0.95] == 2 and count[0.5] == 1 and sum(count.values()) == 3
    (axes,) = figure.axes
    got = bars(axes)
    np.testing.assert_allclose(got[["x", "height"]], figure.table[["low", "count"]])
    assert axes.get_ylabel() == "New cells"


def test_traces_of_clusters_and_channels_keep_their_place(monkeypatch):
    shown = np.random.default_rng(0).normal(size=(2, 5, 2))
    arrays = {"shown": shown, "stimuli": shown}
    figure = one(monkeypatch, mds_stimuli.stimuli, arrays, {"fs": 50.0}, "set")
    time = [-0.08, -0.06, -0.04, -0.02, 0.0]
    for k in (0, 1):
        for channel in (0, 1):
            part = only(figure.table, cluster=k + 1, channel=channel + 1)
            assert part["value"].tolist() == shown[k, :, channel].tolist()
            assert part["time"].tolist() == pytest.approx(time)
            x, y, shade = lines(figure.axes[k])[channel]
            assert y.tolist() == shown[k, :, channel].tolist()
            assert x.tolist() == pytest.approx(time) and shade == draw.CYCLE[channel].lower()
        assert figure.axes[k].get_title() == str(k + 1)
    assert figure.axes[0].get_xlabel() == "Time before the response (s)"


def test_images_share_one_scale_around_zero(monkeypatch):
    shown = np.random.default_rng(0).normal(size=(3, 1, 4, 6))
    arrays = {"shown": shown, "stimuli": shown}
    figure = one(monkeypatch, mds_stimuli.stimuli, arrays, {}, "set")
    reach = np.abs(shown).max()
    assert figure.table["entry"].tolist() == [0, 1, 2]
    assert figure.table["cluster"].tolist() == [1, 2, 3]
    for k, axes in enumerate(figure.axes[:3]):
        np.testing.assert_array_equal(image(axes), shown[k, 0])
        assert axes.images[0].get_clim() == pytest.approx((-reach, reach))
        assert axes.get_title() == str(k + 1)


def test_movies_are_split_into_space_and_time(monkeypatch):
    rng = np.random.default_rng(0)
    space, time = rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 7))
    space -= space.mean(axis=(1, 2), keepdims=True)
    movies = time[:, :, None, None] * space[:, None]
    shown = movies[:, :, None]
    figure = one(monkeypatch, mds_stimuli.stimuli, {"shown": shown, "stimuli": shown}, {}, "set")
    for k in (0, 1):
        above, below = figure.axes[k], figure.axes[2 + k]
        ((_, course, _),) = lines(below)
        assert course.tolist() == only(figure.table, cluster=k + 1)["value"].tolist()
        product = course[:, None, None] * image(above)
        np.testing.assert_allclose(product, movies[k], atol=1e-10)
        assert above.get_title() == str(k + 1)


def test_conditions_are_named(monkeypatch):
    arrays = {"stimuli": np.array([2, 0])}
    (text,) = mds_stimuli.stimuli(arrays, {"conditions": ["up", "down", "left"]}, "set")
    assert text.text == "Best condition of each cluster: 1: left, 2: up."
