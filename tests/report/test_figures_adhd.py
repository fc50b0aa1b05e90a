"""Figures of the stage adhd: tables against other code, drawings against their tables."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from artists import bars, dots, drawn, hex_of, line, lines, y_labels
from sklearn.metrics import roc_auc_score, roc_curve

from neuro.report.figures import adhd, adhd_roc, brains, draw, maps
from neuro.report.figures.scores import scores_paint, scores_table
from neuro.report.pages.adhd_scores import input_name

VARIANTS = (
    # input, mask, value, low, high, null mean, null sd, primary
    ("cycle3", "top", 0.71, 0.63, 0.76, 0.53, 0.02, True),
    ("degree", "none", 0.62, 0.50, 0.70, 0.55, 0.04, False),
    ("phenotype", "none", 0.66, 0.64, 0.69, np.nan, np.nan, False),
    ("cycle3+phenotype", "top", 0.74, 0.61, 0.83, 0.57, 0.03, False),
    ("motion", "none", np.nan, np.nan, np.nan, np.nan, np.nan, False),
)


@pytest.fixture
def scores():
    names = ("input", "mask", "value", "ci_low", "ci_high", "null_mean", "null_sd", "primary")
    table = pd.DataFrame(VARIANTS, columns=names)
    table["imaging"] = ~table["input"].isin(["phenotype", "motion"])
    table["p"], table["n"] = 0.01, 30
    return table.assign(scheme="pooled", metric="balanced_accuracy", site="")


def test_every_variant_keeps_its_own_interval_and_null(scores):
    table = adhd.score_dots(scores, "pooled").data.set_index("label")
    assert list(table.index) == [
        *("Phenotype", "Head motion", "3-cycles + mask", "Degree", "3-cycles + phenotype + mask")
    ]
    assert list(table["y"]) == [0, 1, 2, 3, 4]
    for name, mask, value, low, high, middle, sd, primary in VARIANTS:
        row = table.loc[input_name(name, mask)]
        expected = (value, low, high, middle, middle - 1.96 * sd, middle + 1.96 * sd)
        got = row[["value", "low", "high", "null_mean", "null_low", "null_high"]]
        assert np.allclose(got.astype(float), expected, equal_nan=True), name
        kind = "baseline" if name in ("phenotype", "motion") else "imaging"
        assert row["series"] == ("primary" if primary else kind)


def test_scores_are_drawn_where_their_table_says():
    table = pd.DataFrame(
        {
            "series": ["baseline", "primary", "imaging"],
            "label": ["A", "B", "C"],
            "y": [0, 1, 2],
            "value": [0.5, 0.7, 0.64],
            "low": [0.41, 0.6, 0.57],
            "high": [0.58, 0.81, 0.7],
            "null_mean": [np.nan, 0.52, 0.55],
            "null_low": [np.nan, 0.45, 0.51],
            "null_high": [np.nan, 0.6, 0.59],
        }
    )
    (axes,) = drawn(partial(scores_paint, colours={"imaging": draw.CONTROL}), table)
    assert y_labels(axes) == {0: "A", 1: "B", 2: "C"}
    low, high = axes.get_ylim()
    assert low > 2 > 0 > high, "the first row is on top"
    assert axes.get_xlabel() == "Balanced accuracy"
    colours = [hex_of(name) for name in (draw.OTHER, draw.CASE, draw.CONTROL)]
    assert dots(axes) == list(zip(table["value"], table["y"], colours))
    across = {y[0]: (*x, colour) for x, y, colour, _ in lines(axes) if y[0] == y[1]}
    assert across == {
        y: (low, high, colour)
        for y, low, high, colour in zip(table["y"], table["low"], table["high"], colours)
    }
    bands = {round((b + t) / 2): (left, right) for left, right, b, t, _ in bars(axes)}
    assert set(bands) == {1, 2}
    assert np.allclose([bands[1], bands[2]], [(0.45, 0.6), (0.51, 0.59)])
    upright = [(x[0], y.mean()) for x, y, _, _ in lines(axes) if x[0] == x[1] and x[0] != 0.5]
    assert np.allclose(upright, [(0.52, 1), (0.55, 2)])
    bold = [text.get_fontweight() for text in axes.get_yticklabels()]
    assert bold == ["normal", "bold", "normal"]


def test_a_score_table_does_not_mix_rows_of_another_index(scores):
    part = scores.iloc[[3, 0]]
    table = scores_table(part, ["imaging", "imaging"], ["last", "first"])
    assert table["value"].tolist() == [0.74, 0.71] and table["low"].tolist() == [0.61, 0.63]
    assert table["series"].tolist() == ["imaging", "primary"]


@pytest.fixture
def predictions():
    rng = np.random.default_rng(3)
    parts = []
    y = np.r_[np.zeros(17, int), np.ones(9, int)]
    inputs = (("cycle3", "top", 1.5), ("cycle3", "none", -1), ("phenotype", "none", 0.4))
    for scheme, shift in (("pooled", 0.0), ("leave_site_out", -0.8)):
        for name, mask, effect in inputs:
            score = (effect + shift) * y + rng.standard_normal(len(y))
            part = pd.DataFrame({"y": y, "score": score.round(1), "repeat": "0"})
            parts.append(part.assign(scheme=scheme, input=name, mask=mask))
    return pd.concat(parts, ignore_index=True)


def test_roc_curves_are_those_of_scikit_learn(predictions, scores):
    auc = scores.assign(metric="auc", value=[0.91, 0.42, 0.33, 0.77, np.nan])
    totals = pd.concat([auc.assign(scheme="leave_site_out", value=0.1), scores, auc])
    table = adhd_roc.roc_table(predictions, totals, "pooled")
    assert list(dict.fromkeys(table["series"])) == ["primary", "phenotype"]
    told = {"3-cycles + mask": 0.91, "Phenotype": 0.33}
    for name, label in (("cycle3", "3-cycles + mask"), ("phenotype", "Phenotype")):
        one = predictions[predictions["scheme"] == "pooled"]
        one = one[(one["input"] == name) & (one["mask"] == {"cycle3": "top"}.get(name, "none"))]
        false, true, _ = roc_curve(one["y"], one["score"], drop_intermediate=False)
        part = table[table["label"] == label]
        assert np.allclose(part["false_positive_rate"], false)
        assert np.allclose(part["true_positive_rate"], true)
        assert set(part["auc"]) == {told[label]}
        assert not np.allclose(false, true, atol=0.1)


def test_roc_over_repeats_is_the_mean_sensitivity(predictions, scores):
    again = predictions.assign(repeat="1", score=-predictions["score"])
    both = pd.concat([predictions, again])
    table = adhd_roc.roc_table(both, scores, "pooled")
    part = table[table["series"] == "primary"]
    area, wanted = np.trapezoid(part["true_positive_rate"], part["false_positive_rate"]), []
    for repeats in (predictions, again):
        one = repeats.query("scheme == 'pooled' and input == 'cycle3' and mask == 'top'")
        wanted.append(roc_auc_score(one["y"], one["score"]))
    assert wanted[0] > 0.8 > 0.2 > wanted[1]
    # without an AUC in the score table the legend has that of the curve
    assert area == pytest.approx(np.mean(wanted)) == part["auc"].iloc[0]


def test_an_input_is_drawn_once_and_a_scheme_without_scores_not_at_all(predictions, scores):
    main = scores[scores["input"] == "cycle3"].assign(input="fc", mask="none")
    other = predictions.assign(input="fc", mask="none").iloc[:26]
    assert set(adhd_roc.roc_table(other, main, "pooled")["series"]) == {"primary"}
    assert adhd_roc.roc(predictions, scores, "nothing") == []


def test_roc_is_drawn_as_its_table_says():
    table = pd.DataFrame(
        {
            "series": ["primary"] * 3 + ["site"] * 3,
            "label": ["P"] * 3 + ["S"] * 3,
            "auc": [0.875] * 3 + [0.25] * 3,
            "false_positive_rate": [0, 0.25, 1, 0, 0.5, 1],
            "true_positive_rate": [0, 1, 1, 0, 0, 1],
        }
    )
    (axes,) = drawn(adhd_roc.roc_paint, table, (5, 5))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("1 − specificity", "Sensitivity")
    x, y, colour = line(axes, "P (0.88)")
    assert (list(x), list(y), colour) == ([0, 0.25, 1], [0, 1, 1], hex_of(draw.CASE))
    x, y, colour = line(axes, "S (0.25)")
    assert (list(x), list(y), colour) == ([0, 0.5, 1], [0, 0, 1], hex_of(draw.OTHER))
    assert len(lines(axes)) == 3


@pytest.fixture
def permutations():
    rng = np.random.default_rng(0)
    parts = []
    variants = (("cycle3", "top"), ("cycle3", "none"), ("degree", "top"))
    for number, (name, mask) in enumerate(variants):
        for shift, scheme in enumerate(("pooled", "leave_site_out")):
            for place, metric in enumerate(("balanced_accuracy", "auc")):
                values = 0.1 * number + 0.4 * shift + 0.8 * place + 0.02 * rng.gamma(1, 1, 40)
                part = pd.DataFrame({"input": name, "mask": mask, "value": values})
                parts.append(part.assign(scheme=scheme, metric=metric))
    return pd.concat(parts)


def test_the_null_is_that_of_the_variant_scheme_and_metric(permutations, scores):
    (figure,) = adhd.null_histogram(permutations, scores, "pooled", "balanced_accuracy")
    table = figure.data
    own = permutations["value"].to_numpy()[:40]
    bins = table[table["series"] == "null"]
    assert bins["low"].min() == own.min() and bins["high"].max() == own.max()
    for row in bins.itertuples():
        last = row.high == own.max()
        inside = (own >= row.low) & ((own < row.high) | (last & (own <= row.high)))
        assert row.height == inside.sum()
    at = table.dropna(subset=["label"]).set_index("series")
    assert at["low"].to_dict() == pytest.approx(
        {"null mean": own.mean(), "0.5": 0.5, "observed": 0.71}
    )
    assert abs(own.mean() - np.median(own)) > 1e-3
    assert at.loc["observed", "label"] == "observed 0.710, p = 0.010"
    assert "in 40 permutations" in figure.caption
    assert adhd.null_histogram(permutations[:4], scores, "pooled", "balanced_accuracy") == []


def test_the_null_is_drawn_as_its_table_says():
    table = pd.DataFrame(
        {
            "series": ["null", "null", "null mean", "0.5", "observed"],
            "low": [0.3, 0.4, 0.41, 0.5, 0.66],
            "high": [0.4, 0.5, np.nan, np.nan, np.nan],
            "height": [3, 7, np.nan, np.nan, np.nan],
            "label": [None, None, "mean", "half", "seen"],
        }
    )
    (axes,) = drawn(adhd.null_paint, table)
    assert np.allclose([b[:4] for b in bars(axes)], [(0.3, 0.4, 0, 3), (0.4, 0.5, 0, 7)])
    for label, x, colour in (("mean", 0.41, draw.INK), ("seen", 0.66, draw.CASE)):
        found = line(axes, label)
        assert list(found[0]) == [x, x] and found[2] == hex_of(colour)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Balanced accuracy", "Permutations")


def test_mask_frequency_is_the_share_of_folds_most_frequent_first():
    kept = {"A": "TFFF", "B": "TTTF", "C": "TTTT", "D": "FFFF", "E": "FTFT"}
    rows = [
        (("pooled", fold, "cycle3", region, sign == "T"))
        for region, signs in kept.items()
        for fold, sign in enumerate(signs)
    ]
    rows += [("pooled", fold, "degree", "D", True) for fold in range(4)]
    table = pd.DataFrame(rows, columns=["scheme", "fold", "input", "region", "kept"])
    for spell in (lambda kept: kept, lambda kept: kept.map({True: "True", False: "False"}), int):
        own = table.assign(repeat=0)
        own["kept"] = own["kept"].map(int) if spell is int else spell(own["kept"])
        _, figure = adhd.mask_frequency(own, ("cycle3", "top"))
        assert figure.data["region"].tolist() == ["C", "B", "E", "A"]
        assert figure.data["value"].tolist() == [100, 75, 50, 25]
        assert "over 4 training folds (4 of 5 regions" in figure.caption


@pytest.mark.parametrize("signed", [False, True])
def test_bars_are_drawn_as_their_table_says(signed):
    table = pd.DataFrame({"region": ["X", "Y", "Z"], "value": [0.5, -2.0, 1.0]}, index=[7, 3, 5])
    (axes,) = drawn(partial(draw.bars, label="Unit", signed=signed), table)
    assert y_labels(axes) == {0: "X", 1: "Y", 2: "Z"}
    assert axes.get_ylim()[0] > 2 > 0 > axes.get_ylim()[1]
    assert axes.get_xlabel() == "Unit"
    ends = [(right if left == 0 else left) for left, right, *_ in bars(axes)]
    places = [(low + high) / 2 for _, _, low, high, _ in bars(axes)]
    assert np.allclose(ends, table["value"]) and np.allclose(places, [0, 1, 2])
    colours = [colour for *_, colour in bars(axes)]
    red, blue = hex_of(draw.MORE), hex_of(draw.LESS)
    assert colours == ([red, blue, red] if signed else [hex_of(draw.CONTROL)] * 3)


def test_graphs_are_drawn_run_by_run_at_their_site():
    graphs = pd.DataFrame(
        {
            "site": ["b", "a", None, "a", "b"],
            "n_volumes": [70, 90, 120, 150, 200],
            "dof": [60.0, 20.0, 30.0, 50.0, 40.0],
            "density": [0.011, 0.022, 0.033, 0.044, 0.055],
            "threshold": [0.1, 0.2, 0.3, 0.4, 0.5],
        }
    )
    by_name = {figure.name: figure.data for figure in adhd.density(graphs)}
    for name, across in (("density_length", "n_volumes"), ("density_dof", "dof")):
        got = by_name[name].sort_values("y")
        assert got["y"].tolist() == pytest.approx([1.1, 2.2, 3.3, 4.4, 5.5]), "percent"
        assert got[across].tolist() == graphs[across].tolist()
        assert (abs(got["x"] - got[across]) < 0.01 * np.ptp(graphs[across])).all()
        assert got["site"].tolist() == ["b", "a", "n/a", "a", "b"]
    graphs["density"] = 0.02
    table = adhd.density(graphs)[0].data
    assert sorted(table["y"]) == graphs["threshold"].tolist()
    (axes,) = drawn(partial(adhd.density_paint, name="across", label="up"), table)
    shown = {
        site: hex_of(draw.CYCLE[number]) for number, site in enumerate(sorted(set(table["site"])))
    }
    assert sorted(dots(axes)) == sorted(
        (row.x, row.y, shown[row.site]) for row in table.itertuples()
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("across", "up")


def test_region_differences_are_ranked_by_size_and_keep_their_sign():
    part = pd.DataFrame(
        {
            "region": ["A", "B", "C"],
            "map": "degree",
            "case": [2.0, 3.0, 1.0],
            "control": [2.5, 3.1, -2.0],
            "difference": [-0.5, -0.1, 3.0],
        }
    )
    figure, _ = maps._region_blocks("degree", part, template=False)
    assert figure.data.to_dict("list") == {"region": ["C", "A", "B"], "value": [3.0, -0.5, -0.1]}


def test_the_pattern_is_the_mean_over_nodes_of_a_region():
    table = pd.DataFrame(
        {"region": list("AABBBCD"), "pattern": [1.0, 2.0, -9.0, 0.0, 0.0, 0.0, 0.4]}
    )
    shown = maps.pattern_table(table, "pattern")
    assert shown.to_dict("list") == {"region": ["B", "A", "D"], "value": [-3.0, 1.5, 0.4]}


def test_glass_brain_shows_every_region_at_its_place(monkeypatch):
    part = pd.DataFrame(
        {
            "region": ["A", "B", "C"],
            "difference": [-0.5, 2.0, 1.0],
            "q": [0.01, 0.2, 0.04],
            "x": [-60.0, 50.0, 1.0],
            "y": [5.0, 6.0, 7.0],
            "z": [8.0, 9.0, 10.0],
        }
    )
    table = maps.glass_table(part)
    assert table.to_dict("list") == {
        "region": ["A", "B", "C"],
        "value": [-0.5, 2.0, 1.0],
        **part[["x", "y", "z"]].to_dict("list"),
        "marked": [True, False, True],
    }
    seen = []
    monkeypatch.setattr(brains, "points", lambda picture, *rest: seen.append(rest))
    maps.glass_paint(None, table)
    ((values, places, marked, reach),) = seen
    assert values.tolist() == [-0.5, 2.0, 1.0] and marked.tolist() == [True, False, True]
    assert places.tolist() == part[["x", "y", "z"]].to_numpy().tolist() and reach == 2.0


def test_slices_share_the_scale_of_the_groups_and_tell_the_peaks(monkeypatch):
    rng = np.random.default_rng(0)
    shape = (4, 5, 6)
    case, control = rng.uniform(1, 2, shape), rng.uniform(1, 4, shape)
    seen = rng.random(shape) > 0.2
    affine = np.array([[3.0, 0, 0, -5], [0, 3, 0, -7], [0, 0, 3, 2], [0, 0, 0, 1]])
    images = {"case": case, "control": control, "difference": case - control}
    files = {kind: f"group_degree_{kind}.nii.gz" for kind in images}
    table = maps.volume_table(images, seen, affine, files).set_index("series", drop=False)
    top = np.percentile(np.abs(np.r_[case[seen], control[seen]]), 99)
    reach = np.percentile(np.abs((case - control)[seen]), 99)
    assert table["scale"].tolist() == pytest.approx([top, top, reach])
    assert table["signed"].tolist() == [False, False, True]
    assert table["label"].tolist() == ["Cases", "Controls", "Difference"]
    assert table.loc["case", "image"] == "adhd/group_degree_case.nii.gz"
    for kind, data in images.items():
        best = max(zip(*np.nonzero(seen)), key=lambda at, data=data: data[at])
        least = min(zip(*np.nonzero(seen)), key=lambda at, data=data: data[at])
        for end, at in (("high", best), ("low", least)):
            assert table.loc[kind, end] == data[at]
            place = [3 * at[0] - 5, 3 * at[1] - 7, 3 * at[2] + 2]
            assert table.loc[kind, [f"{end}_{a}" for a in "xyz"]].tolist() == place
    painted = []
    monkeypatch.setattr(brains, "slices", lambda picture, rows, *rest: painted.extend(rows))
    maps.slices_paint(None, table, images, seen, affine, False)
    assert [(label, scale, sign) for label, _, scale, sign in painted] == [
        ("Cases", pytest.approx(top), False),
        ("Controls", pytest.approx(top), False),
        ("Difference", pytest.approx(reach), True),
    ]
    assert all(data is images[kind] for (_, data, *_), kind in zip(painted, images))
