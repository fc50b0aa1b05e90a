"""Figures of the stage demovae: tables against other code, drawings against their tables."""

import numpy as np
import pandas as pd
import pytest
from artists import bars, dots, drawn, hex_of, legend, line, lines, y_labels

from neuro.report.figures import demovae, demovae_samples, draw

FEATURES = ("raw", "pca-4", "network-4")
NAMES = ("Raw connectomes", "Principal components, 4", "Network, 4")
COLOURS = dict(zip(NAMES, (draw.OTHER, "#e69f00", draw.CONTROL)))


def test_loss_terms_and_reconstruction_keep_their_rows():
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 2, 3],
            "rec": [9.0, 3.0, 2.0, 1.0],
            "cov": [9.0, 0.3, 0.2, 0.1],
            "mean": 0.0,
            "decor": [9.0, 0.7, 0.6, 0.5],
            "guide": [9.0, 30.0, 20.0, 10.0],
            "val_rec": [8.0, np.nan, 4.0, 5.0],
        }
    )
    table = demovae.losses_table(history, 2)
    told = {
        key: dict(zip(part["epoch"], part["value"]))
        for key, part in table.groupby(["panel", "series"])
    }
    assert told == {
        ("terms", "reconstruction"): {1: 3, 2: 2, 3: 1},
        ("terms", "covariance"): {1: 0.3, 2: 0.2, 3: 0.1},
        ("terms", "decorrelation"): {1: 0.7, 2: 0.6, 3: 0.5},
        ("terms", "guide"): {1: 30, 2: 20, 3: 10},
        ("reconstruction", "training rows"): {1: 3, 2: 2, 3: 1},
        ("reconstruction", "held-out subjects"): {0: 8, 2: 4, 3: 5},
    }
    assert table.loc[table["panel"] == "used", "epoch"].tolist() == [2]
    left, right = drawn(demovae.losses_paint, table, (9, 3))
    for axes, panel in ((left, "terms"), (right, "reconstruction")):
        for (name, series), values in told.items():
            if name == panel:
                x, y, _ = line(axes, series)
                assert dict(zip(x, y)) == values
        assert [list(x) for x, *_ in lines(axes) if x[0] == x[1]] == [[2, 2]]
        assert axes.get_xlabel() == "Epoch"
    assert line(right, "held-out subjects")[2] == hex_of(draw.CASE)
    assert line(right, "training rows")[2] == hex_of(draw.CONTROL)
    assert right.get_title() == "Weights of epoch 2 are used"
    assert right.get_ylabel() == "Reconstruction, RMSE per edge" and left.get_yscale() == "log"
    assert "used" not in set(demovae.losses_table(history, None)["panel"])


def associations():
    rows = [
        (scheme, features, column, 0.1 * f + 0.01 * c, 0.5 - 0.1 * f + 0.02 * c, 0.2 + 0.1 * c + t)
        for scheme in ("folds", "halves")
        for f, (features, t) in enumerate(zip(FEATURES, (0, 0.02, 0.07)))
        for c, column in enumerate(("age", "sex", "site"))
    ]
    names = ["scheme", "features", "column", "max_abs_r_train", "max_abs_r_heldout", "null_bound"]
    table = pd.DataFrame(rows, columns=names)
    table.loc[table["scheme"] == "halves", names[3:]] = 0.99
    return table


def test_training_and_held_out_correlations_are_not_exchanged():
    source = associations()
    (figure,) = demovae.associations(source)
    assert len(figure.data) == 9
    for row in figure.data.itertuples():
        own = source.query(
            "scheme == 'folds' and features == @row.features and column == @row.column"
        ).iloc[0]
        assert (row.train, row.heldout) == (own["max_abs_r_train"], own["max_abs_r_heldout"])
        bound = {"age": 0.23, "sex": 0.33, "site": 0.43}[row.column]
        assert row.band == pytest.approx(bound), "mean over features"
        assert NAMES[row.y] == row.label and FEATURES[row.y] == row.features
    panels = drawn(demovae.associations_paint, figure.data, (9, 3))
    assert [axes.get_title() for axes in panels] == ["age", "sex", "site"]
    for axes in panels:
        part = figure.data[figure.data["column"] == axes.get_title()]
        expected = []
        for row in part.itertuples():
            expected.append((row.train, row.y, "#ffffff"))
            expected.append((row.heldout, row.y, hex_of(COLOURS[row.label])))
        assert dots(axes) == expected
        ((left, right, *_),) = bars(axes)
        assert (left, right) == (0, pytest.approx(part["band"].iloc[0]))
        assert axes.get_xlabel() == "Largest |r|"
    assert y_labels(panels[0]) == dict(enumerate(NAMES))
    assert panels[0].get_ylim()[0] > panels[0].get_ylim()[1]


def readouts():
    rows = []
    targets = (("age", "linear", "r2", 0.0), ("sex", "linear", "balanced_accuracy", 0.5))
    targets += (("sex", "rbf", "balanced_accuracy", 0.5), ("site", "linear", "r2", 0.25))
    targets += (("age^2", "linear", "r2", -0.5),)
    for scheme, fit_on, shift in (
        ("folds", "train", 5),
        ("halves", "fresh", 0),
        ("halves", "train", 7),
    ):
        for t, (target, method, metric, chance) in enumerate(targets):
            for f, features in enumerate(FEATURES):
                heldout = shift + chance + 0.3 - 0.1 * f + 0.01 * t
                low, high = chance - 0.05 - 0.01 * f, chance + 0.06 + 0.02 * t
                row = (scheme, fit_on, target, method, features, metric, heldout, low, high, chance)
                rows.append((*row, 0.9))
    names = ["scheme", "fit_on", "target", "model", "features", "metric", "heldout"]
    return pd.DataFrame(rows, columns=[*names, "null_lo", "null_hi", "chance", "train"])


def test_a_panel_of_one_readout_is_named_as_well():
    source = readouts()
    one = source[(source["target"] == "age") & (source["features"] == FEATURES[0])]
    (figure,) = demovae.readout_dots(one)
    (axes,) = drawn(demovae.readouts_paint, figure.data, (9, 5))
    assert axes.get_title() == "age" and axes.get_xlabel() == "R²"


def test_readouts_of_every_target_are_fresh_and_held_out():
    source = readouts()
    (figure,) = demovae.readout_dots(source)
    table = figure.data
    words = {("age", "linear"): "age", ("sex", "linear"): "sex", ("sex", "rbf"): "sex (rbf)"}
    words |= {("site", "linear"): "site", ("age^2", "linear"): "age²"}
    assert list(dict.fromkeys(table["panel"])) == list(words.values())
    fresh = source[(source["scheme"] == "halves") & (source["fit_on"] == "fresh")]
    assert len(table) == len(fresh) == 15
    told = table.set_index(["panel", "features"])
    for row in fresh.itertuples():
        got = told.loc[words[row.target, row.model], row.features]
        assert got["heldout"] == row.heldout and got["metric"] == row.metric
        assert (got["null_low"], got["null_high"]) == (row.null_lo, row.null_hi)
        assert got["chance"] == row.chance and got["label"] == NAMES[got["y"]]
    panels = drawn(demovae.readouts_paint, table, (9, 5))
    assert [axes.get_title() for axes in panels] == list(words.values())
    for axes in panels:
        part = table[table["panel"] == axes.get_title()]
        assert dots(axes) == [
            (row.heldout, row.y, hex_of(COLOURS[row.label])) for row in part.itertuples()
        ]
        ends = [(left, right, (low + high) / 2) for left, right, low, high, _ in bars(axes)]
        assert np.allclose(ends, part[["null_low", "null_high", "y"]])
        flat = [tuple(x) for x, y, *_ in lines(axes) if y[0] == y[1]]
        assert flat == list(zip(part["chance"], part["heldout"]))
        r2 = axes.get_title() in ("age", "site", "age²")
        assert axes.get_xlabel() == ("R²" if r2 else "Balanced accuracy")
        chance = part["chance"].iloc[0]
        assert [list(x) for x, y, *_ in lines(axes) if x[0] == x[1] and y[0] != y[1]] == [
            [chance, chance]
        ]
    assert y_labels(panels[0]) == dict(enumerate(NAMES))


def test_the_diagnosis_keeps_its_rows():
    part = pd.DataFrame(
        {
            "input": ["demographics", "raw", "network-4"],
            "value": [0.6, 0.7, 0.65],
            "ci_low": [0.5, 0.64, 0.52],
            "ci_high": [0.66, 0.71, 0.8],
            "null_mean": [0.51, 0.53, np.nan],
            "null_sd": [0.01, 0.04, np.nan],
            "primary": [False, False, True],
        },
        index=[5, 9, 2],
    )
    table = demovae.diagnosis(part, "pooled").data
    assert table["label"].tolist() == ["Demographics alone", "Raw connectomes", "Network, 4"]
    assert table["series"].tolist() == ["demographics", "raw", "primary"]
    for key, source in (("value", "value"), ("low", "ci_low"), ("high", "ci_high")):
        assert table[key].tolist() == part[source].tolist()
    assert np.allclose(table["null_high"][:2], [0.51 + 0.0196, 0.53 + 0.0784])
    assert np.allclose(table["null_low"][:2], [0.51 - 0.0196, 0.53 - 0.0784])


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    names = ["site=a", "age", "age^2", "sex"]
    arrays = {}
    for number, name in enumerate(names):
        arrays[f"real_{name}"] = (number + 1) * rng.standard_normal(6)
        if name != "sex":
            arrays[f"synthetic_{name}"] = -10 - rng.uniform(0, 1, 6)
    comparison = pd.DataFrame(
        {"map": names, "r": [0.1, 0.2, 0.3, 0.4], "amplitude": [1.1, 1.2, 1.3, 1.4]}
    )
    return arrays, comparison


def test_real_maps_stand_above_the_diagonal_and_synthetic_below(maps):
    arrays, comparison = maps
    table = demovae_samples.group_maps_table(arrays, comparison, 4)
    assert list(dict.fromkeys(table["map"])) == ["age", "age^2", "site=a"]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    known = comparison.set_index("map")
    for name, part in table.groupby("map"):
        assert list(zip(part["i"], part["j"])) == pairs
        assert part["real"].tolist() == arrays[f"real_{name}"].tolist()
        assert part["synthetic"].tolist() == arrays[f"synthetic_{name}"].tolist()
        assert set(part["scale"]) == {np.quantile(np.abs(arrays[f"real_{name}"]), 0.99)}
        assert set(part["r"]) == {known.loc[name, "r"]}
        assert set(part["amplitude"]) == {known.loc[name, "amplitude"]}
    axes = drawn(demovae_samples.group_maps_paint, table, (9, 3))
    panels = [one for one in axes if one.images and one.get_title()]
    assert [one.get_title() for one in panels] == ["age", "age²", "site = a"]
    for one, name in zip(panels, ("age", "age^2", "site=a")):
        image = np.ma.filled(one.images[0].get_array(), np.nan)
        assert np.isnan(np.diag(image)).all()
        assert image[np.triu_indices(4, 1)].tolist() == arrays[f"real_{name}"].tolist()
        assert [image[j, i] for i, j in pairs] == arrays[f"synthetic_{name}"].tolist()
        scale = table.loc[table["map"] == name, "scale"].iloc[0]
        assert one.images[0].get_clim() == (-scale, scale)
        row = known.loc[name]
        assert one.get_xlabel() == f"r {row['r']:.2f}, amplitude {row['amplitude']:.2f}"


def test_real_edges_lie_across_and_synthetic_ones_up():
    rng = np.random.default_rng(0)
    arrays = {
        "mean_real": rng.uniform(0, 1, 20),
        "mean_synthetic": rng.uniform(2, 3, 20),
        "sd_real": rng.uniform(4, 5, 20),
        "sd_synthetic": rng.uniform(6, 7, 20),
    }
    (figure,) = demovae_samples.edge_statistics(arrays)
    panels = drawn(demovae_samples.edges_paint, figure.data, (8, 3))
    assert [axes.get_title() for axes in panels] == ["Means", "Standard deviations"]
    for axes, name, ends in zip(panels, ("mean", "sd"), ((0, 3), (4, 7))):
        part = figure.data[figure.data["panel"] == name]
        assert part["x"].tolist() == arrays[f"{name}_real"].tolist()
        assert part["y"].tolist() == arrays[f"{name}_synthetic"].tolist()
        assert [(x, y) for x, y, _ in dots(axes)] == list(zip(part["x"], part["y"]))
        ((x, y, *_),) = lines(axes)
        assert list(x) == list(y) == pytest.approx([part["x"].min(), part["y"].max()])
        assert x[0] >= ends[0] and x[1] <= ends[1]
        assert "held-out real" in axes.get_xlabel() and axes.get_ylabel() == "Synthetic"


def test_eigenvalues_of_real_and_synthetic_matrices_are_told_apart():
    rng = np.random.default_rng(0)
    arrays = {
        "eigenvalue_real": rng.uniform(-0.1, 0.02, 50),
        "eigenvalue_synthetic": rng.uniform(0.01, 0.2, 30),
    }
    (figure,) = demovae_samples.eigenvalues(arrays)
    for name in ("real", "synthetic"):
        values = arrays[f"eigenvalue_{name}"]
        part = figure.data[figure.data["series"] == name]
        assert part["height"].tolist() == [
            ((values >= low) & (values < high)).sum()
            for low, high in zip(part["low"], part["high"])
        ]
        assert part["height"].sum() == len(values)
    (axes,) = drawn(demovae_samples.eigenvalues_paint, figure.data)
    expected = figure.data[["low", "high"]].assign(bottom=0.0, top=figure.data["height"])
    assert np.allclose([bar[:4] for bar in bars(axes)], expected)
    colours = {"real": hex_of(draw.CONTROL), "synthetic": hex_of(draw.CASE)}
    assert [bar[4] for bar in bars(axes)] == figure.data["series"].map(colours).tolist()
    assert legend(axes) == colours
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Smallest eigenvalue", "Matrices")
    low = arrays["eigenvalue_synthetic"].min()
    assert f"{low:.3f}" in figure.caption


def test_nearness_to_training_people_is_counted_and_coloured():
    near, far = np.array([1.0, 2.0, 3.0, 4.5, 1.0]), np.array([2.0, 3.0, 1.0, 4.5, 7.0])
    arrays = {"nearest_train": near, "nearest_heldout": far}
    (figure,) = demovae_samples.privacy(arrays, pd.Series({"membership_auc": 0.83}))
    table = figure.data
    assert table["x"].tolist() == far.tolist() and table["y"].tolist() == near.tolist()
    assert table["series"].tolist() == ["training"] * 2 + ["others"] * 2 + ["training"]
    assert set(table["label"]) == {"nearer to training: 60 %", "nearer to others: 40 %"}
    (axes,) = drawn(demovae_samples.privacy_paint, table)
    colours = {"training": hex_of(draw.CASE), "others": hex_of(draw.CONTROL)}
    expected = [(row.x, row.y, colours[row.series]) for row in table.itertuples()]
    assert sorted(dots(axes)) == sorted(expected)
    assert axes.get_xlabel() == "Distance to the nearest held-out person"
    assert axes.get_ylabel() == "Distance to the nearest training person"
    assert legend(axes) == {
        "nearer to training: 60 %": colours["training"],
        "nearer to others: 40 %": colours["others"],
    }
    assert axes.get_xlim() == axes.get_ylim()
    assert "AUC of 0.83" in figure.caption


def test_the_planted_cohort_is_drawn_bar_by_bar():
    rows = [
        ("removed", name, features, unit, 0.9, 0.1 * f + 0.01 * t, 0.8)
        for f, features in enumerate(FEATURES)
        for t, (name, unit) in enumerate((("age", "r2"), ("age^2", "r2"), ("sex", "ba")))
    ]
    rows += [("kept", "factors", "network-4", "r2", 0.5, 0.5, 0.5)]
    rows += [
        ("maps", name, "network-4", unit, recovered, 0.3, baseline)
        for name, recovered, baseline in (("age", 0.7, 0.8), ("site=a", 0.2, 0.6))
        for unit, recovered in (("r", recovered), ("amplitude", 9.0))
    ]
    names = ["group", "name", "features", "unit", "recovered", "error", "baseline"]
    (figure,) = demovae_samples.planted(pd.DataFrame(rows, columns=names))
    table = figure.data
    removed = table[table["panel"] == "removed"]
    told = {(row.label, row.name): row.value for row in removed.itertuples()}
    assert told == {
        (NAMES[f], name): pytest.approx(0.1 * f + 0.01 * t)
        for f in range(3)
        for t, name in enumerate(("age", "age²", "sex"))
    }
    back = table[table["panel"] == "maps"]
    assert {(row.series, row.name): row.value for row in back.itertuples()} == {
        ("real", "age"): 0.8,
        ("real", "site = a"): 0.6,
        ("samples", "age"): 0.7,
        ("samples", "site = a"): 0.2,
    }
    panels = drawn(demovae_samples.planted_paint, table, (9, 3))
    colours = COLOURS | {"real": draw.OTHER, "samples": draw.CASE}
    for axes, part in zip(panels, (removed, back)):
        assert y_labels(axes) == dict(zip(part["tick"], part["name"]))
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        got = sorted(bars(axes), key=lambda bar: bar[2])
        want = part.sort_values("y")
        assert np.allclose([bar[1] for bar in got], want["value"])
        assert [bar[4] for bar in got] == [hex_of(colours[label]) for label in want["label"]]
        for low, (_, _, _, high, _) in zip(got[1:], got):
            assert low[2] >= high - 1e-9, "bars do not hide each other"
        for bar, tick in zip(got, want["tick"]):
            assert abs((bar[2] + bar[3]) / 2 - tick) < 0.5
    assert panels[0].get_xlabel() == "Score above chance in new subjects"
    assert panels[1].get_xlabel() == "Correlation with the planted map"
