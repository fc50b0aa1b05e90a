"""Figures of `hmmglm`: tables against the planted values, pictures against the tables."""

import numpy as np
import pandas as pd
import pytest
from drawn import bars, dots, image, lines, only, redrawn, shade, texts, ticks
from matplotlib.colors import to_hex

from neuro.report.figures import draw, hmmglm, hmmglm_graphs, hmmglm_time
from neuro.report.figures.states import covariates
from neuro.report.pages import hmmglm as page

UNITS = ["b", "d", "a", "c"]  # not in the order of the alphabet
K, N, BIN = 3, 4, 0.05
STATE_COLOURS = ["#0072b2", "#e69f00", "#009e73"]


class Planted:
    """Values of a set, no two alike, and the tables that hold them."""

    def __init__(self, **change):
        rng = np.random.default_rng(5)
        self.w = rng.normal(0, 1, (K, N, N))
        self.q = rng.dirichlet([1, 1, 1], (K, N, N))  # inhibitory, none, excitatory
        self.p = rng.dirichlet([1, 1, 1], (N, N))
        self.sign = self.q.argmax(axis=-1) - 1
        self.shared = self.p.argmax(axis=-1) - 1
        self.chance = np.array([[0.9, 0.07, 0.03], [0.2, 0.75, 0.05], [0.01, 0.29, 0.7]])
        self.rate, self.overall = rng.uniform(1, 9, (K, N)), rng.uniform(2, 5, N)
        self.counts = [rng.poisson(0.4, (20, N)) for _ in range(2)]
        self.mask = [np.ones(20, bool), np.arange(20) != 4]
        self.posterior = [rng.dirichlet([1, 1, 1], 20) for _ in range(2)]
        self.posterior[0] = np.repeat(rng.dirichlet([1, 1, 1], 2), 10, axis=0)
        self.dwell = [(1, 0.1, 0), (1, 0.35, 0), (1, 5.0, 1), (2, 0.05, 0), (3, 0.6, 0)]
        self.data = page.Set(
            **{
                "name": "set",
                "source": "spikes",
                "banner": "",
                "bin_s": BIN,
                "kind": "onehot",
                "tables": self.tables(),
                "counts": {f"seq_{s}": self.counts[s] for s in (0, 1)}
                | {f"mask_{s}": self.mask[s] for s in (0, 1)},
                "facts": {"Parameters": {"model": "onehot"}},
                "switch_s": 1.5,
                **change,
            }
        )

    def tables(self):
        pairs = [(t, s) for t in range(N) for s in range(N)]
        triples = [(k, t, s) for k in range(K) for t, s in pairs]
        names = lambda t, s: {"target": UNITS[t], "source": UNITS[s]}  # noqa: E731
        weights = [
            {"state": k + 1, **names(t, s), "w": self.w[k, t, s]}
            | dict(zip(("q_inh", "q_none", "q_exc"), self.q[k, t, s]))
            | {"sign": self.sign[k, t, s]}
            for k, t, s in triples
        ]
        prior = [
            names(t, s)
            | dict(zip(("p_inh", "p_none", "p_exc"), self.p[t, s]))
            | {"sign": self.shared[t, s]}
            for t, s in pairs
        ]
        states = [
            {"sequence": s, "bin": b, "time_s": s + b * BIN, "state": p.argmax() + 1}
            | {f"p_{k + 1}": p[k] for k in range(K)}
            | {"planted": (p.argmax() + 1) % K + 1}
            for s in (0, 1)
            for b, p in enumerate(self.posterior[s])
        ]
        curve = [("gaussian", 1, 0.1), ("gaussian", 2, 0.3), ("onehot", 1, 0.15)]
        curve += [("onehot", 2, 0.45), ("onehot", 3, 0.5), ("homogeneous", 1, 0.0)]
        curve = pd.DataFrame(curve, columns=["model", "k", "bits_per_spike"])
        step = np.arange(len(curve))
        curve = curve.assign(bits_se=0.01 + 0.01 * step, score=-5.0 + step, se=0.7)
        curve = curve.assign(loss=0.9 - 0.1 * step, loss_se=0.03 * step)
        curve = curve.assign(bic=9000.0 - 500 * step, aic=8000.0 - 300 * step**2)
        # training and held-out objectives run against each other
        sweep = pd.DataFrame(
            [("onehot", k, f, s) for k in (1, 2, 3) for f in (0, 1) for s in (0, 1)],
            columns=["model", "k", "fold", "start"],
        )
        sweep["objective"] = -100.0 + 10 * sweep["k"] - 3 * sweep["start"] * (1 + sweep["fold"])
        sweep["test_bits_per_spike"] = 1.0 - 0.1 * sweep["k"] + 0.05 * sweep["start"]
        return {
            "weights": pd.DataFrame(weights),
            "prior": pd.DataFrame(prior),
            "states": pd.DataFrame(states),
            "transitions": pd.DataFrame(
                [(i + 1, j + 1, self.chance[i, j]) for i in range(K) for j in range(K)],
                columns=["from", "to", "p"],
            ),
            "rates": pd.DataFrame(
                [
                    (k + 1, UNITS[n], self.rate[k, n], self.overall[n])
                    for k in range(K)
                    for n in range(N)
                ],
                columns=["state", "unit", "rate_hz", "overall_hz"],
            ),
            "dwell": pd.DataFrame(self.dwell, columns=["state", "duration_s", "cut"]),
            "events_aligned": pd.DataFrame(
                [("go", lag, k, 0.1 * k + 0.2 * lag, 7) for k in (1, 2, 3) for lag in (-1.0, 1.0)],
                columns=["event", "lag_s", "state", "p", "n"],
            ),
            "units": pd.DataFrame({"unit": UNITS}),
            "sequences": pd.DataFrame(
                {"label": ["x", "y"], "start_s": [0.0, 1.0], "event_s": [np.nan, 0.25]}
            ).assign(n_observed=[20, 19]),
            "curve": curve,
            "sweep": sweep,
            "restarts": pd.DataFrame({"k": [1, 2, 3], "share": [1.0, 0.5, 0.25]}),
            "ladder": pd.DataFrame(
                {
                    "rung": ["rates", "glm", "history", "rate_states", "coupling_states"],
                    "bits_per_spike": [0.0, 0.4, 0.65, 0.9, 0.88],
                    "low": [0.0, 0.3, 0.6, 0.8, 0.7],
                    "high": [0.0, 0.45, 0.75, 1.1, 0.95],
                    "gain": [np.nan, 0.4, 0.25, 0.25, -0.02],
                    "gain_low": [np.nan, 0.3, 0.2, -0.01, -0.05],
                    "gain_high": [np.nan, 0.45, 0.35, 0.4, 0.005],
                    "verdict": [np.nan, "supported", "supported", "cannot tell", "not supported"],
                    "n": 12,
                }
            ),
            "convergence": pd.DataFrame(
                {
                    "what": ["start", "iteration", "iteration"],
                    "number": [1, 1, 2],
                    "objective": [-999.0, -80.0, -70.0],
                }
            ),
        }


@pytest.fixture(scope="module")
def planted():
    return Planted()


@pytest.fixture(scope="module")
def drawn(planted):
    with pytest.MonkeyPatch.context() as patch:
        return redrawn(patch, lambda: page._blocks(planted.data))


def test_all_figures_are_there(drawn):
    names = (
        "ladder selection restarts raster course dwell transitions aligned rates couplings signed"
    )
    assert set(drawn) == {f"set_{name}" for name in [*names.split(), "confidence"]}


def test_couplings_run_from_source_to_target(planted, drawn):
    table = drawn["set_couplings"].table
    for k in range(K):
        for t, s in ((0, 1), (1, 0), (2, 3), (3, 2), (1, 1)):
            row = only(table, panel=f"State {k + 1}", target=UNITS[t], source=UNITS[s])
            assert row["value"].item() == planted.w[k, t, s]
    axes = drawn["set_couplings"].axes
    for k in range(K):
        np.testing.assert_array_equal(image(axes[k]), planted.w[k])
        assert axes[k].title.get_text() == f"State {k + 1}"
        assert to_hex(axes[k].title.get_color()) == STATE_COLOURS[k]
    np.testing.assert_allclose(image(axes[K]), planted.p[..., 2] - planted.p[..., 0])
    assert axes[K].title.get_text() == "Shared prior"
    assert (axes[0].get_ylabel(), axes[0].get_xlabel()) == ("Target", "Source unit")


def test_excitation_is_red_and_inhibition_blue(planted, drawn):
    for axes in drawn["set_couplings"].axes[: K + 1]:
        low, high = axes.images[0].get_clim()
        assert low == -high
        red, _, blue = shade(axes, 0.8 * high)
        assert red > 2 * blue
        red, _, blue = shade(axes, -0.8 * high)
        assert blue > 2 * red
    apart = planted.w[:, ~np.eye(N, dtype=bool)]
    limit = drawn["set_couplings"].axes[0].images[0].get_clim()[1]
    assert limit == pytest.approx(np.quantile(np.abs(apart), 0.995))


def test_the_graph_points_from_source_to_target_in_the_colour_of_its_sign(planted, drawn):
    figure = drawn["set_signed"]
    want = {
        (UNITS[s], UNITS[t]): planted.shared[t, s] * (1 - planted.p[t, s, 1])
        for t in range(N)
        for s in range(N)
        if t != s and planted.shared[t, s]
    }
    edges = only(figure.table, mark="edge")
    got = {(row.source, row.target): row.sign * row.certainty for row in edges.itertuples()}
    assert got == pytest.approx(want)
    assert edges["certainty"].is_monotonic_decreasing
    place = {UNITS[n]: (np.sin(n * np.pi / 2), np.cos(n * np.pi / 2)) for n in range(N)}
    (axes,) = figure.axes
    where = {text: (x, y) for x, y, text in texts(axes)}
    for unit, (x, y) in place.items():
        assert where[unit] == pytest.approx((1.09 * x, 1.09 * y), abs=1e-9)
    seen = {}
    for arrow in axes.patches:
        ends = [
            min(place, key=lambda unit: np.hypot(*np.subtract(place[unit], end)))
            for end in arrow._posA_posB
        ]
        seen[tuple(ends)] = to_hex(arrow.get_edgecolor())
    assert seen == {pair: "#b2182b" if sign > 0 else "#2166ac" for pair, sign in want.items()}


def test_confidence_counts_edges_by_their_class(planted, drawn):
    table, (axes,) = drawn["set_confidence"].table, drawn["set_confidence"].axes
    surest = planted.q.max(axis=-1)
    for value, name in ((0, "none"), (1, "excitatory"), (-1, "inhibitory")):
        for row in only(table, **{"class": name}).itertuples():
            inside = (surest >= row.low) & (surest < row.high) & (planted.sign == value)
            assert row.count == inside.sum()
    got = bars(axes)
    colours = {"none": "#c8cdd3", "excitatory": "#b2182b", "inhibitory": "#2166ac"}
    assert got["colour"].tolist() == [colours[name] for name in table["class"]]
    np.testing.assert_array_equal(got["height"], table["count"])
    np.testing.assert_allclose(got["x"], table["low"])
    # on top of each other
    below = table.groupby("low")["count"].cumsum() - table["count"]
    np.testing.assert_array_equal(got["y"], below)
    assert axes.get_xlabel() == "Posterior of the chosen class"


def test_rates_are_ratios_to_the_own_mean(planted, drawn):
    table, axes = drawn["set_rates"].table, drawn["set_rates"].axes[0]
    ratio = np.log2(planted.rate / planted.overall)
    for k in range(K):
        for n in range(N):
            row = only(table, state=k + 1, unit=UNITS[n])
            assert row["value"].item() == pytest.approx(ratio[k, n])
    order = table["unit"].unique()
    preferred = [ratio[:, UNITS.index(unit)].argmax() for unit in order]
    assert preferred == sorted(preferred)
    np.testing.assert_allclose(image(axes), ratio[:, [UNITS.index(unit) for unit in order]])
    assert list(ticks(axes, "y")) == ["1", "2", "3"]
    red, _, blue = shade(axes, axes.images[0].get_clim()[1])
    assert red > blue


def test_transitions_lead_from_row_to_column(planted, drawn):
    (axes,) = drawn["set_transitions"].axes
    np.testing.assert_array_equal(image(axes), planted.chance)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("To state", "From state")
    assert ticks(axes, "x") == ticks(axes, "y") == {"1": 0, "2": 1, "3": 2}
    for x, y, text in texts(axes):
        assert float(text) == pytest.approx(planted.chance[y, x], abs=5e-4)
    row = only(drawn["set_transitions"].table, **{"from": 2, "to": 1})
    assert row["p"].item() == 0.2


def test_the_held_out_score_is_drawn_with_its_own_error(planted, drawn):
    table, axes = drawn["set_selection"].table, drawn["set_selection"].axes
    curve = planted.data.tables["curve"]
    for panel, columns in (("score", ("bits_per_spike", "bits_se")), ("loss", ("loss", "loss_se"))):
        for name in ("gaussian", "onehot")[panel == "loss" :]:
            got = only(table, panel=panel, series=name)
            want = only(curve, model=name)
            assert got["k"].tolist() == want["k"].tolist()
            for column, key in zip(("value", "error"), columns):
                assert got[column].tolist() == want[key].tolist()
    assert "homogeneous" not in set(table["series"])
    own = only(curve, model="onehot")
    for name in ("bic", "aic"):
        got = only(table, panel="criterion", series=name)["value"].to_numpy()
        np.testing.assert_allclose(1000 * got, own[name] - own[name].min())
    colours = {"gaussian": "#e69f00", "onehot": "#0072b2", "bic": "#1f2328", "aic": "#6b7280"}
    for panel, place in zip(axes, ("score", "loss", "criterion")):
        drawn_lines = {tuple(y): (tuple(x), shade) for x, y, shade in lines(panel)}
        for name, part in only(table, panel=place).groupby("series"):
            assert drawn_lines[tuple(part["value"])] == (tuple(part["k"]), colours[name])
        dashed = [x for x, y, shade in lines(panel) if shade == draw.CASE.lower()]
        assert [set(x) for x in dashed] == [{K}]
        assert panel.get_xlabel() == "States K"
    assert axes[0].get_ylabel() == "Held-out bits per spike"
    for panel, name in ((axes[0], "gaussian"), (axes[1], "onehot")):
        group = panel.containers[0]
        part = only(table, panel="score" if panel is axes[0] else "loss", series=name)
        spans = [segment[:, 1] for segment in group[2][0].get_segments()]
        for span, row in zip(spans, part.itertuples()):
            assert span == pytest.approx([row.value - row.error, row.value + row.error])


def test_the_ladder_draws_every_rung_with_its_interval_and_verdict(planted, drawn):
    table, (left, right) = drawn["set_ladder"].table, drawn["set_ladder"].axes
    want = planted.data.tables["ladder"]
    for ours, theirs in (("value", "bits_per_spike"), ("low", "low"), ("gain", "gain")):
        np.testing.assert_array_equal(table[ours], want[theirs])
    names = ["constant rates", "one state, couplings", "+ longer history, if it helps"]
    names += ["+ states of rates", "+ states of couplings"]
    assert [text.get_text() for text in left.get_yticklabels()] == names
    verdict = {"supported": "#0072b2", "not supported": "#d55e00"}
    for axes, columns in (
        (left, ("bits_per_spike", "low", "high")),
        (right, ("gain", "gain_low", "gain_high")),
    ):
        marks = {tuple(y): (tuple(x), shade) for x, y, shade in lines(axes) if len(set(y)) == 1}
        for place, row in enumerate(want.itertuples()):
            value, low, high = (getattr(row, name) for name in columns)
            if np.isnan(value):
                assert (place,) not in marks
                continue
            shade = verdict.get(row.verdict, "#6b7280")
            assert marks[(place, place)] == ((low, high), shade)
            assert marks[(place,)] == ((value,), shade)


def test_the_verdicts_stand_in_the_text(planted):
    said = page._ladder(planted.data)[0].text
    assert "what history does not: cannot tell (+0.250 bits per spike" in said
    assert "than rates that do: not supported (-0.020 bits" in said
    assert "interval -0.050 to 0.005, 12 held-out" in said


def test_fits_that_did_not_converge_are_counted(planted):
    sweep = planted.data.tables["sweep"].assign(status="converged")
    sweep.loc[[1, 4], "status"] = ["max_iter", "line_search_failed"]
    facts = {"Parameters": {"model": "onehot", "solver": "cavi"}}
    data = Planted(facts=facts).data
    data.tables["sweep"] = sweep
    assert "2 of 12 fits did not converge" in page._warnings(data)[0].text
    data.tables["sweep"] = sweep.assign(status="converged")
    assert page._warnings(data) == []


def test_starts_are_compared_within_their_fold(drawn):
    table, (left, right) = drawn["set_restarts"].table, drawn["set_restarts"].axes
    starts = only(table, panel="start")
    for row in starts.itertuples():
        assert row.value in (0, 3 * (1 + row.fold))
    assert starts.groupby(["k", "fold"])["value"].min().eq(0).all()
    got = dots(left)
    for place, k in enumerate((1, 2, 3)):
        near = got[got["x"].round() == place]
        assert sorted(near["y"]) == sorted(only(starts, k=k)["value"])
    assert [text for _, _, text in texts(left)] == ["100 %", "50 %", "25 %"]
    ((x, y, _),) = lines(right)
    assert (x.tolist(), y.tolist()) == ([1, 2], [-80, -70])
    assert right.get_ylabel() == "Objective, nats"


def test_the_raster_shows_the_stretch_with_most_changes(planted, drawn):
    figure = drawn["set_raster"]
    table, (top, middle, bottom) = figure.table, figure.axes
    posterior, counts = planted.posterior[1], planted.counts[1]
    for k in range(K):
        part = only(table, mark="posterior", state=k + 1)
        np.testing.assert_allclose(part["value"], posterior[:, k])
        np.testing.assert_allclose(part["start_s"], 1 + BIN * np.arange(20))
        np.testing.assert_allclose(part["end_s"] - part["start_s"], BIN)
    spikes = only(table, mark="spike")
    got = {(round((row.start_s - 1) / BIN), row.unit): row.value for row in spikes.itertuples()}
    want = {(b, UNITS[n]): counts[b, n] for b in range(20) for n in range(N) if counts[b, n]}
    assert got == want
    missing = only(table, mark="missing")
    assert missing["start_s"].tolist() == pytest.approx([1 + 4 * BIN])
    assert sorted(only(table, mark="line")["start_s"]) == [1.25, 1.5]
    for k, area in enumerate(top.collections):
        assert to_hex(area.get_facecolor()[0]) == STATE_COLOURS[k]
        assert area.get_label() == f"state {k + 1}"
        box = area.get_paths()[0].vertices
        assert box[:, 1].min() == pytest.approx(posterior[:, :k].sum(axis=1).min())
        assert box[:, 1].max() == pytest.approx(posterior[:, : k + 1].sum(axis=1).max())
    known = [(p.argmax() + 1) % K for p in posterior]
    shown = [to_hex(pixel) for pixel in np.asarray(middle.images[0].get_array())[0]]
    assert shown == [STATE_COLOURS[state] for state in known]
    marks = {
        (round((x - 1) / BIN - 0.5), UNITS[int(y)]) for x, y in dots(bottom)[["x", "y"]].values
    }
    assert marks == set(want)
    assert list(ticks(bottom, "y")) == UNITS and bottom.yaxis_inverted()
    assert bottom.get_xlabel() == "Time on the recording's clock (s)"
    (span,) = bottom.patches
    assert span.get_x() == pytest.approx(1 + 4 * BIN) and span.get_width() == pytest.approx(BIN)


def test_the_course_is_a_mean_over_sequences(planted, drawn):
    table, (axes,) = drawn["set_course"].table, drawn["set_course"].axes
    time = np.r_[np.arange(20) * BIN, 1 + np.arange(20) * BIN]
    share = np.concatenate(planted.posterior)
    for row in only(table, mark="state").itertuples():
        inside = (time >= row.start_s - 1e-12) & (time < row.end_s - 1e-12)
        if inside.any():
            assert row.value == pytest.approx(share[inside, int(row.state) - 1].mean())
    for k, (x, y, colour) in enumerate(lines(axes)[:K]):
        part = only(table, mark="state", state=k + 1)
        np.testing.assert_allclose(x, part[["start_s", "end_s"]].mean(axis=1))
        np.testing.assert_allclose(y, part["value"])
        assert colour == STATE_COLOURS[k]
    assert set(lines(axes)[K][0]) == {1.5}


def test_dwell_times_are_in_seconds_and_cut_visits_are_left_out(planted, drawn):
    table, axes = drawn["set_dwell"].table, drawn["set_dwell"].axes
    for k in range(K):
        part = only(table, state=k + 1)
        visits = np.array([d for s, d, cut in planted.dwell if s == k + 1 and not cut])
        assert set(part["n_visits"]) == {len(visits)}
        for row in part.itertuples():
            inside = (visits > row.low_s - BIN / 2) & (visits < row.high_s - BIN / 2)
            assert row.share == pytest.approx(inside.mean())
            first, last = round(row.low_s / BIN), round(row.high_s / BIN)
            stay = planted.chance[k, k]
            law = sum(stay ** (d - 1) * (1 - stay) for d in range(first, last))
            assert row.law == pytest.approx(law)
        got = bars(axes[k])
        np.testing.assert_allclose(got["x"], part["low_s"])
        np.testing.assert_allclose(got["x"] + got["width"], part["high_s"])
        np.testing.assert_allclose(got["height"], part["share"])
        assert set(got["colour"]) == {STATE_COLOURS[k]}
        np.testing.assert_allclose(lines(axes[k])[0][1], part["law"])
        assert axes[k].get_title(loc="center") == f"State {k + 1}: {len(visits)} visits"
    assert drawn["set_dwell"].picture.get_supxlabel() == "Dwell time (s)"


def test_curves_around_trials_keep_their_state(drawn):
    (axes,) = drawn["set_aligned"].axes
    for k, (x, y, colour) in enumerate(lines(axes)[:K]):
        assert x.tolist() == [-1, 1] and colour == STATE_COLOURS[k]
        assert y.tolist() == pytest.approx([0.1 * (k + 1) - 0.2, 0.1 * (k + 1) + 0.2])
    assert "start of 7 trials" in drawn["set_aligned"].block.caption


def test_series_are_drawn_as_heights_and_region_series_with_their_banner(monkeypatch):
    rng = np.random.default_rng(1)
    data = Planted(source="fmri", banner="events, not spikes").data
    heights = rng.normal(size=(20, N))
    data.counts["seq_1"] = heights
    table = hmmglm_time.raster_table(data)
    series = only(table, mark="series")
    for b in (0, 7):
        for n in range(N):
            got = series[(series["unit"] == UNITS[n]) & np.isclose(series["start_s"], 1 + b * BIN)]
            assert got["value"].item() == heights[b, n]
    found = redrawn(monkeypatch, lambda: (hmmglm_time.raster(data), hmmglm_graphs.rates(data)))
    np.testing.assert_array_equal(image(found["set_raster"].axes[-1]), heights.T)
    assert found["set_raster"].picture.get_suptitle() == "events, not spikes"
    assert "Regions" in found["set_rates"].axes[0].get_xlabel()


def test_beyond_shifted_series_is_a_difference_fold_by_fold():
    data = Planted().data
    sweep = data.tables["sweep"]
    null = sweep.assign(model="onehot:null-0")
    null["test_bits_per_spike"] -= 0.2 + 0.1 * null["fold"] * null["k"]
    data.tables["sweep"] = pd.concat([sweep, null], ignore_index=True)
    got = only(hmmglm.selection_table(data), panel="score")
    assert got["value"].tolist() == pytest.approx([0.25, 0.3, 0.35])
    # two folds, so the standard error is half their distance
    assert got["error"].tolist() == pytest.approx([0.05, 0.1, 0.15])
    assert got["label"].iloc[0].endswith("beyond shifted series")


def _covariates(per_state):
    """Two covariates, the second of two lags; weights that tell row, unit and state apart."""
    rng = np.random.default_rng(8)
    rows = [("x 1", "x", 0.0), ("x 2", "x", 0.0), ("y", "y", 0.0), ("y 0.1 s before", "y", 0.1)]
    made = [
        ("emissions", state, unit, covariate, lag, name, rng.normal())
        for state in ((1, 2, 3) if per_state else (0,))
        for unit in UNITS
        for name, covariate, lag in rows
    ]
    made += [
        ("transitions", state, np.nan, covariate, lag, name, 9 * rng.normal())
        for state in (1, 2, 3)
        for name, covariate, lag in rows[2:]
    ]
    columns = ["acts_on", "state", "unit", "covariate", "lag_s", "column", "weight"]
    data = Planted().data
    data.tables["covariates"] = pd.DataFrame(made, columns=columns)
    bottom, top = data.tables["ladder"].iloc[[1, 4]].to_dict("records")
    more = pd.DataFrame([bottom | {"rung": "covariates"}, top | {"rung": "driven_states"}])
    data.tables["ladder"] = pd.concat([data.tables["ladder"], more], ignore_index=True)
    return data, [name for name, *_ in rows]


def test_days_of_one_network_stand_beside_the_ladder(monkeypatch):
    data = Planted().data
    first = data.tables["ladder"].iloc[[1, 3, 4]].to_dict("records")
    names = ["pooled_days", "each_day", "shared_days"]
    more = pd.DataFrame([row | {"rung": name} for row, name in zip(first, names)])
    data.tables["ladder"] = pd.concat([data.tables["ladder"], more], ignore_index=True)
    blocks = []
    figure = redrawn(monkeypatch, lambda: blocks.extend(page._blocks(data)))["set_ladder"]
    left, right = figure.axes
    labels = [text.get_text() for text in left.get_yticklabels()]
    assert labels[-3:] == [
        *("one-hot edges, one model of all days", "a model of each day", "one graph of all days"),
    ]
    marks = [y[0] for _, y, _ in lines(right) if len(set(y)) == 1]
    assert max(marks) == len(labels) - 1 == 7
    assert "their shared graph with them" in figure.block.caption
    texts = " ".join(block.text for block in blocks if hasattr(block, "text"))
    assert "A graph that all days share predicts better than a model of each day: not sup" in texts


@pytest.mark.parametrize("per_state", [False, True])
def test_covariates_by_column_of_their_basis_beside_what_they_gain(monkeypatch, per_state):
    data, rows = _covariates(per_state)
    figure = redrawn(monkeypatch, lambda: page._blocks(data))["set_covariates"]
    weights, table = data.tables["covariates"], figure.table
    names = [f"Rates in state {k}" for k in (1, 2, 3)] if per_state else ["Rates"]
    pictures = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="center") for axes in pictures] == [*names, "Transitions"]
    limits = []
    for number, (name, axes) in enumerate(zip(names, pictures)):
        state = number + 1 if per_state else 0
        order = only(table, panel=name)["series"].unique().tolist()
        own = only(weights, acts_on="emissions", state=state).set_index(["column", "unit"])
        want = [[own.loc[(row, unit), "weight"] for unit in order] for row in rows]
        np.testing.assert_array_equal(image(axes), want)
        mean = only(weights, acts_on="emissions").groupby(["unit", "column"])["weight"].mean()
        best = [rows.index(mean[unit].idxmax()) for unit in order]
        assert best == sorted(best)
        limits.append(axes.images[0].get_clim())
        red, _, blue = shade(axes, limits[-1][1])
        assert red > blue
    assert len(set(limits)) == 1 and limits[0][0] == -limits[0][1]
    assert list(ticks(pictures[0], "y")) == rows
    # transitions: one column per state entered, nothing where a column does not act
    driven = image(pictures[-1])
    assert np.isnan(driven[:2]).all() and np.isfinite(driven[2:]).all()
    own = only(weights, acts_on="transitions").set_index(["column", "state"])["weight"]
    assert [own[(rows[3], state)] for state in (1, 2, 3)] == driven[3].tolist()
    assert pictures[-1].images[0].get_clim()[1] > limits[0][1]
    (gain,) = (axes for axes in figure.axes if "gain" in axes.get_xlabel())
    assert list(ticks(gain, "y")) == ["on rates", "on transitions"]
    marks = [(x.tolist(), shade) for x, y, shade in lines(gain) if len(set(y)) == 1]
    assert marks == [
        ([0.3, 0.45], "#0072b2"),
        ([0.4], "#0072b2"),
        ([-0.05, 0.005], "#d55e00"),
        ([-0.02], "#d55e00"),
    ]
    assert "on rates: +0.400, supported; on transitions: -0.020, not supported" in (
        figure.block.caption
    )


def test_no_covariates_no_figure_and_no_ladder_no_gain(monkeypatch):
    data, _ = _covariates(False)
    data.tables["ladder"] = None
    figure = redrawn(monkeypatch, lambda: covariates.covariates(data))["set_covariates"]
    assert not any("gain" in axes.get_xlabel() for axes in figure.axes)
    assert "held-out" not in figure.block.caption
    data.tables["covariates"] = data.tables["covariates"].iloc[:0]
    assert covariates.covariates(data) is None
    data.tables["covariates"] = None
    assert covariates.covariates(data) is None
