"""Figures of `ntf`: tables against the planted values, pictures against the tables."""

import numpy as np
import pandas as pd
import pytest
from drawn import bars, image, lines, only, redrawn, texts, ticks
from matplotlib.colors import to_hex

from neuro.report.figures import draw, ntf, ntf_communities

COLOURS = [shade.lower() for shade in draw.CYCLE]
ANIMALS = ["w2", "w1", "w3"]
NEURONS = ["AVA", "RIM", "AIB", "ASE", "RIA", "AFD"]


@pytest.fixture
def data():
    """A factorisation with a common clock; no two components are alike."""
    rng = np.random.default_rng(3)
    return {
        "time": rng.uniform(0.1, 2, (12, 2)),
        "animals": rng.uniform(0.1, 1, (3, 2)),
        "fs": np.array(4.0),
        "epoch": np.repeat([0, 1, -1], 4),
        "on": np.tile([False, True, True, False], 3),
        "condition": np.repeat(["salt", "heat", ""], 4),
        "frame_mask": rng.random((12, 3)) > 0.2,
    }


def one(monkeypatch, make, *arguments, **more):
    (found,) = redrawn(monkeypatch, lambda: make(*arguments, **more)).values()
    return found


def test_held_out_and_training_error_stand_in_their_own_panels(monkeypatch):
    sweep = pd.DataFrame(
        {
            "rank": [2, 3, 5],
            "error": [0.5, 0.4, 0.3],
            "cv_error": [0.6, 0.55, 0.7],
            "cv_se": [0.01, 0.02, 0.03],
            "animal_error": [0.8, 0.7, 0.9],
            "animal_se": [0.04, 0.05, 0.06],
            "similarity": [0.99, 0.95, 0.6],
        }
    )
    labels = {
        "Relative error": ("error", None),
        "Error on held-out fibres": ("cv_error", "cv_se"),
        "Error on left-out animals": ("animal_error", "animal_se"),
        "Agreement of restarts": ("similarity", None),
    }
    figure = one(monkeypatch, ntf.rank_sweep, sweep, 3, "set")
    assert len(figure.axes) == 4
    for axes in figure.axes:
        column, error = labels.pop(axes.get_ylabel())
        part = only(figure.table, panel=axes.get_ylabel())
        assert part["value"].tolist() == sweep[column].tolist()
        x, y, _ = lines(axes)[0]
        assert (x.tolist(), y.tolist()) == ([2, 3, 5], sweep[column].tolist())
        assert [3, 3] in [x.tolist() for x, _, shade in lines(axes) if shade == COLOURS[5]]
        if error:
            spans = axes.containers[0][2][0].get_segments()
            for span, value, width in zip(spans, sweep[column], sweep[error]):
                assert span[:, 1] == pytest.approx([value - width, value + width])
        else:
            assert not axes.containers
    assert not labels
    alone = sweep.assign(animal_error=np.nan)
    assert "Error on left-out animals" not in set(ntf.rank_table(alone, 3)["panel"])


def test_each_component_has_its_own_time_course(data, monkeypatch):
    figure = one(monkeypatch, ntf.time_factors, data, ANIMALS, "set")
    for r in (0, 1):
        part = only(figure.table, mark="course", component=r + 1)
        np.testing.assert_allclose(part["value"], data["time"][:, r] / data["time"][:, r].max())
        np.testing.assert_allclose(part["start_s"], np.arange(12) / 4)
    stimuli = only(figure.table, mark="stimulus")
    assert stimuli[["start_s", "end_s", "label"]].values.tolist() == [
        [0.25, 0.75, "salt"],
        [1.25, 1.75, "heat"],
    ]
    (axes,) = figure.axes
    for r, area in enumerate(axes.collections):
        assert to_hex(area.get_facecolor()[0]) == COLOURS[r]
        heights = area.get_paths()[0].vertices
        floor = 1 - r
        for x, value in zip(np.arange(12) / 4, data["time"][:, r] / data["time"][:, r].max()):
            at = heights[np.isclose(heights[:, 0], x), 1]
            assert at.min() == pytest.approx(floor) and at.max() == pytest.approx(
                floor + 0.85 * value
            )
    assert ticks(axes, "y") == pytest.approx({"1": 1.4, "2": 0.4})
    spans = [(span.get_x(), span.get_width()) for span in axes.patches]
    assert spans == [(0.25, 0.5), (1.25, 0.5)]
    assert [(x, text) for x, _, text in texts(axes)] == [(0.5, "salt"), (1.5, "heat")]
    assert axes.get_xlabel() == "Time axis of the tensor (s)"


def test_animals_without_a_common_clock_keep_their_rows(data, monkeypatch):
    data["time"] = np.random.default_rng(4).uniform(0.1, 2, (12, 3, 2))
    figure = one(monkeypatch, ntf.time_factors, data, ANIMALS, "set")
    for r, axes in enumerate(figure.axes):
        want = data["time"][:, :, r] * data["animals"][:, r]
        want[~data["frame_mask"]] = np.nan
        np.testing.assert_allclose(image(axes), want.T)
        assert axes.get_title() == f"Component {r + 1}"
        assert axes.images[0].get_extent() == [0, 3.0, 3, 0]
    for place, animal in enumerate(ANIMALS):
        part = only(figure.table, animal=animal, component=2)
        kept = data["frame_mask"][:, place]
        assert part["value"].isna().tolist() == (~kept).tolist()
        assert figure.table["animal"].unique()[place] == animal


def test_loadings_belong_to_their_animal_and_component(data, monkeypatch):
    figure = one(monkeypatch, ntf.animal_bars, data, ANIMALS, "set")
    for r, axes in enumerate(figure.axes):
        for a, animal in enumerate(ANIMALS):
            row = only(figure.table, component=r + 1, animal=animal)
            assert row["value"].item() == data["animals"][a, r]
        got = bars(axes)
        np.testing.assert_array_equal(got["width"], data["animals"][:, r])
        np.testing.assert_allclose(got["y"] + got["height"] / 2, [0, 1, 2])
        assert set(got["colour"]) == {COLOURS[r]}
        assert axes.get_title() == str(r + 1)
        assert axes.yaxis_inverted()
    assert ticks(figure.axes[0], "y") == {"w2": 0, "w1": 1, "w3": 2}
    monkeypatch.undo()
    figure = one(monkeypatch, ntf.presence_map, data, ANIMALS, "set")
    axes = figure.axes[0]
    np.testing.assert_array_equal(image(axes), data["animals"].T)
    assert list(ticks(axes, "x")) == ANIMALS and list(ticks(axes, "y")) == ["1", "2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Animals or subjects", "Component")


def test_surrogates_are_bars_and_components_lines(monkeypatch):
    null = np.random.default_rng(0).normal(0, 1, 60)
    components = pd.DataFrame(
        {"component": [1, 2], "statistic": [0.3, 4.0], "significant": [0, 1]}, index=[7, 8]
    )
    figure = one(monkeypatch, ntf.nulls, components, null, "Modularity (networkx)", "set")
    table, (axes,) = figure.table, figure.axes
    under = only(table, mark="surrogates")
    for row in under.itertuples():
        last = row.high == under["high"].max()
        assert row.count == ((null >= row.low) & ((null < row.high) | last)).sum()
    assert under["count"].sum() == 60
    got = bars(axes)
    np.testing.assert_allclose(got[["x", "height"]], under[["low", "count"]])
    for r, (x, _, shade) in enumerate(lines(axes)):
        assert set(x) == {components["statistic"].iloc[r]} and shade == COLOURS[r]
    assert [(x, text) for x, _, text in texts(axes)] == [(0.3, "1"), (4.0, "2*")]
    assert axes.get_xlabel() == "Modularity (networkx)"


@pytest.fixture
def motifs():
    """Two motifs with different communities, one with background and an unseen pair."""
    rng = np.random.default_rng(2)
    matrices = rng.uniform(0.1, 1, (2, 6, 6))
    matrices += matrices.transpose(0, 2, 1)
    matrices[1, 0, 4] = matrices[1, 4, 0] = np.nan
    labels = np.array([[1, 0, 1, 0, 2, 2], [0, 0, 1, 1, 1, 1]], float)
    background = np.zeros((2, 6), bool)
    background[0, 1] = True
    components = pd.DataFrame({"n_active": [5, 2], "significant": [1, 0]})
    return matrices, labels, background, components, NEURONS


def test_motifs_are_ordered_by_their_own_communities(motifs, monkeypatch):
    matrices, labels, background, *_ = motifs
    figure = one(monkeypatch, ntf_communities.motif_maps, *motifs, "set")
    orders = [["ASE", "AVA", "AIB", "RIA", "AFD", "RIM"], NEURONS]
    for r, axes in enumerate(figure.axes[:2]):
        order = [NEURONS.index(neuron) for neuron in orders[r]]
        want = matrices[r][order][:, order]
        want[np.eye(6, dtype=bool)] = np.nan
        np.testing.assert_allclose(image(axes), want)
        part = only(figure.table, component=r + 1)
        own = part[part["row"] == part["column"]].sort_values("row")
        assert own["a"].tolist() == orders[r]
        for row in part[part["row"] < part["column"]].itertuples():
            value = matrices[r, NEURONS.index(row.a), NEURONS.index(row.b)]
            assert row.value == pytest.approx(value, nan_ok=True)
        for row in own.itertuples():
            place = NEURONS.index(row.a)
            community = np.nan if background[r, place] else labels[r, place] + 1
            assert row.community == pytest.approx(community, nan_ok=True)
    edges = [
        sorted({float(y[0]) for x, y, _ in lines(axes) if set(x) == {0, 1}})
        for axes in figure.axes[:2]
    ]
    assert edges == [[0.5, 2.5, 4.5], [1.5]]
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert titles == ["1: 3 communities *", "2: 2 weak communities"]
    bar = figure.axes[2]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0", "strongest"]


def test_the_two_signs_have_colours_of_their_own_and_a_legend(motifs, monkeypatch):
    matrices = motifs[0]
    matrices[0, 2, 3] = matrices[0, 3, 2] = -0.5
    figure = one(monkeypatch, ntf_communities.motif_maps, *motifs, "set")
    shown = figure.axes[0].images[0]
    assert shown.get_clim()[0] == -shown.get_clim()[1] and shown.get_cmap().name == "RdBu_r"
    red, _, blue, _ = shown.to_rgba(0.9 * shown.get_clim()[1])
    assert red > blue
    red, _, blue, _ = shown.to_rgba(-0.9 * shown.get_clim()[1])
    assert red < blue
    words = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert words == ["against", "0", "together"]
    assert "red: they rise together, blue: they run against each other" in figure.block.caption


def test_labels_of_close_lines_stand_above_each_other(monkeypatch):
    components = pd.DataFrame(
        {"component": [1, 2, 3], "statistic": [3.0, 3.01, 1.0], "significant": [True] * 3}
    )
    figure = one(monkeypatch, ntf.nulls, components, np.linspace(0, 0.5, 40), "M", "set", "rate")
    heights = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    assert heights["2*"] > 1.05 * heights["1*"] and heights["1*"] == heights["3*"]
    assert "kept the common rate" in figure.block.caption


def test_states_say_what_follows_them():
    from neuro.report.pages.motifs import tables

    states = pd.DataFrame(
        {"component": [1, 1, 2, 3], "share": [0.4, 0.6, 0.3, 0.2], "visits": [2, 4, 1, 1]}
    ).assign(dwell_s=10.0, longest_s=20.0)
    follows = pd.DataFrame(
        {
            "before": [1, 1, 2, 2, 3, 3],
            "after": [2, 3, 1, 3, 1, 2],
            "count": [1, 3, 2, 0, 0, 0],
            "probability": [0.25, 0.75, 1.0, 0.0, np.nan, np.nan],
            "chance": [0.5, 0.5, 0.8, 0.2, 0.6, 0.4],
        }
    )
    rows = tables.states(states, follows).rows
    said = [row["then"] for row in rows]
    assert said == ["3 (0.75; chance 0.50; n = 4)", "1 (1.00; chance 0.80; n = 2)", "not seen"]
    assert [row["share"] for row in rows] == pytest.approx([0.5, 0.3, 0.2])
    assert [row["then"] for row in tables.states(states).rows] == [""] * 3


def test_motifs_of_bold_recur_in_subjects_not_in_time():
    from neuro.report.pages.motifs import tables

    given = {"component": [1], "z": [3.0], "null_95": [1.9], "p_value": [0.005]}
    table = pd.DataFrame(given | {"p_adjusted": [0.005], "overlap": [0.1], "surrogates": [199]})
    bold, calcium = (tables.recurrence_table(table, one).caption for one in (True, False))
    assert "half of the subjects" in bold and "same connectomes" in bold and "4 s" not in bold
    assert "half of the time" in calcium and "moved by up to 4 s" in calcium


def test_background_is_told_to_be_strict_beside_the_common_rate_alone():
    """Members of planted groups are background beside 'rate', not beside 'shift'."""
    from neuro.report.pages.ntf import STRICT, _verdict

    first = pd.DataFrame({"backend": ["networkx"], "p_adjusted": [0.2], "significant": [0]})
    rate, shift = (_verdict(first, pd.DataFrame({"null": [x]})).text for x in ("rate", "shift"))
    assert STRICT in rate and "background" not in shift
    assert "every trace was shifted on its own" in shift


def test_agreement_of_restarts_is_drawn_against_one(monkeypatch):
    sweep = pd.DataFrame({"rank": [2, 3], "error": [0.5, 0.4], "similarity": [0.999999, 0.9999985]})
    figure = one(monkeypatch, ntf.rank_sweep, sweep, 2, "set")
    low, high = figure.axes[1].get_ylim()
    assert low <= 0.5 and high > 1
    assert all(tick == round(tick) for tick in figure.axes[0].get_xticks())


def test_of_many_neurons_some_of_every_community_are_drawn(motifs, monkeypatch):
    monkeypatch.setattr(ntf_communities, "MAX_NEURONS", 3)
    figure = one(monkeypatch, ntf_communities.motif_maps, *motifs, "set")
    own = figure.table[figure.table["row"] == figure.table["column"]]
    assert own["a"].tolist() == ["ASE", "AIB", "RIM", "AVA", "AIB", "AFD"]
    assert image(figure.axes[0]).shape == (3, 3)
    assert "3 of 6 are drawn" in figure.block.caption
    row = only(figure.table, component=1, row=1, column=2)
    assert row["value"].item() == motifs[0][0, NEURONS.index("ASE"), NEURONS.index("AIB")]


def test_the_hierarchy_stacks_levels(monkeypatch):
    flat = [np.zeros(6)]
    nested = [np.array([2.0, 2, 0, 0, 0, 1]), np.array([1.0, 1, 0, 0, 0, 1])]
    figure = one(monkeypatch, ntf_communities.hierarchy, [flat, nested], "set")
    assert figure.table.values.tolist() == [
        [2, 0, 1, 0, 1, 3],
        [2, 0, 2, 1, 4, 4],
        [2, 0, 3, 2, 5, 6],
        [2, 1, 1, 0, 1, 3],
        [2, 1, 2, 1, 4, 6],
    ]
    (axes,) = figure.axes
    got = bars(axes)
    assert got[["x", "y", "width"]].values.tolist() == [
        [0, 0, 3],
        [3, 0, 1],
        [4, 0, 2],
        [0, 1, 3],
        [3, 1, 3],
    ]
    assert got["colour"].tolist() == [COLOURS[k] for k in (0, 1, 2, 0, 1)]
    assert axes.get_title() == "Component 2"
    monkeypatch.undo()
    assert ntf_communities.hierarchy([flat], "set") is None


def test_co_membership_keeps_rows_and_seconds(monkeypatch):
    curves = np.random.default_rng(1).random((2, 5))
    names = ["2: community 1", "1: community 3"]
    figure = one(monkeypatch, ntf_communities.co_membership, curves, names, 0.5, "set")
    axes = figure.axes[0]
    np.testing.assert_array_equal(image(axes), curves)
    assert axes.images[0].get_extent() == [0, 2.5, 2, 0]
    assert axes.images[0].get_clim() == (0, 1)
    assert ticks(axes, "y") == {names[0]: 0.5, names[1]: 1.5}
    row = figure.table[(figure.table["community"] == names[1]) & (figure.table["start_s"] == 1.5)]
    assert row["value"].item() == curves[1, 3] and row["end_s"].item() == 2.0


def test_traces_stand_with_their_component(monkeypatch):
    rng = np.random.default_rng(6)
    data = {
        "values": rng.normal(size=(3, 10)),
        "component": np.array([1, 2, 2]),
        "community": np.array([0, 0, 2]),
        "active": np.array([[True] * 3 + [False] * 7, [False] * 8 + [True] * 2]),
    }
    figure = one(monkeypatch, ntf_communities.back_projection, data, 5.0, "set")
    for row, (component, community) in enumerate(((1, 1), (2, 1), (2, 3))):
        part = only(figure.table, component=component, community=community)
        np.testing.assert_array_equal(part["value"], data["values"][row])
        np.testing.assert_allclose(part["time_s"], np.arange(10) / 5)
        assert part["active"].tolist() == data["active"][component - 1].tolist()
    upper, lower = figure.axes
    assert [(y.tolist(), shade) for _, y, shade in lines(upper)] == [
        (data["values"][0].tolist(), COLOURS[0])
    ]
    assert [(y.tolist(), shade) for _, y, shade in lines(lower)] == [
        (data["values"][1].tolist(), COLOURS[0]),
        (data["values"][2].tolist(), COLOURS[2]),
    ]
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("1", "2")
    grey = [axes.collections[0].get_paths()[0].vertices[:, 0] for axes in figure.axes]
    assert [(part.min(), part.max()) for part in grey] == [(0, 0.4), (1.6, 1.8)]


def test_one_component_has_a_verdict_too():
    from neuro.report.pages import ntf as page

    first = pd.DataFrame({"backend": ["louvain"], "p_adjusted": [0.04], "significant": [True]})
    text = page._verdict(first, pd.DataFrame({"null": ["shift"]})).text
    assert text.startswith("1 of 1 components have more community structure (louvain)")
