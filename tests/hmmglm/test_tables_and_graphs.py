"""What is written about a fitted model."""

import copy

import networkx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neuro.hmmglm import export, sets, tables
from neuro.hmmglm.baselines import sweep
from neuro.hmmglm.design.bins import Binned
from neuro.hmmglm.design.folds import fold_of
from neuro.hmmglm.edges import graphml
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.simulate.switching import switching_glm, truth_log_likelihood


@pytest.fixture(scope="module")
def fitted():
    truth = switching_glm(6, 500, 6, 2, random_state=2)
    masks = [np.ones(500, bool) for _ in truth.counts]
    masks[1][200:220] = False
    table = pd.DataFrame(
        {
            "sequence": range(6),
            "label": "x",
            "source": "x",
            "start_s": 10.0 + 100 * np.arange(6),
            "n_bins": 500,
            "n_observed": [int(mask.sum()) for mask in masks],
            "event_s": [5.0, 5.0, np.nan, 4.0, 5.0, np.nan],
        }
    )
    units = pd.DataFrame({"unit": [f"a&{k}" for k in range(6)]})
    binned = Binned(list(truth.counts), masks, table, units, 0.1)
    model = OneHotHMMGLM(
        2, "onehot", link="sigmoid", bias="shared", n_starts=2, random_state=0
    ).fit(binned.sequences, mask=masks, dt=0.1)
    return truth, binned, model


def test_states_have_a_row_per_bin_and_missing_bins_say_so(fitted):
    _, binned, model = fitted
    table = tables.states_table(model, binned)
    assert len(table) == 3000 and list(table.columns[:4]) == ["sequence", "bin", "time_s", "state"]
    gap = table[(table["sequence"] == 1) & table["bin"].between(200, 219)]
    assert (gap["state"] == 0).all() and gap["p_1"].isna().all()
    rest = table[table["state"] > 0]
    np.testing.assert_allclose(rest["p_1"] + rest["p_2"], 1, atol=1e-6)
    assert table["time_s"].iloc[501] == pytest.approx(110.1)


def test_visits_fill_the_time_and_cuts_are_marked(fitted):
    _, binned, model = fitted
    states = tables.states_table(model, binned)
    visits = tables.dwell_table(states, 0.1)
    assert visits["duration_s"].sum() == pytest.approx(298.0)
    assert visits.groupby("sequence")["cut"].first().eq(1).all()
    inner = visits[visits["cut"] == 0]
    assert len(inner) and (inner["duration_s"] > 0).all()


def test_a_visit_by_hand():
    states = pd.DataFrame({"sequence": 0, "time_s": np.arange(7.0), "state": [1, 1, 2, 2, 2, 1, 0]})
    visits = tables.dwell_table(states, 1.0)
    assert visits[["state", "duration_s", "cut"]].to_numpy().tolist() == [
        [1, 2, 1],
        [2, 3, 0],
        [1, 1, 1],
    ]


def test_couplings_keep_their_direction(fitted):
    _, binned, model = fitted
    table = tables.weights_table(model, binned.units["unit"].tolist())
    row = table[(table["state"] == 2) & (table["target"] == "a&3") & (table["source"] == "a&1")]
    assert row["w"].item() == pytest.approx(model.weights_[1, 3, 1])
    assert row["sign"].item() == model.adjacency_[1, 3, 1]
    np.testing.assert_allclose(table[["q_inh", "q_none", "q_exc"]].sum(axis=1), 1, atol=1e-6)
    prior = tables.prior_table(model, binned.units["unit"].tolist())
    np.testing.assert_array_equal(prior["sign"], model.to_signed().ravel())


def test_graph_files_read_back(fitted, tmp_path):
    _, binned, model = fitted
    names = binned.units["unit"].tolist()
    paths = graphml.write_graphs(tmp_path, model, names, note="events, not spikes & more")
    assert [path.name for path in paths] == [
        "coupling_state-1.graphml",
        "coupling_state-2.graphml",
        "signed.graphml",
    ]
    graph = networkx.read_graphml(paths[1])
    assert graph.is_directed() and set(graph.nodes) == set(names)
    assert graph.number_of_edges() == np.count_nonzero(model.adjacency_[1])
    for source, target, data in graph.edges(data=True):
        place = 1, names.index(target), names.index(source)
        assert data["sign"] == model.adjacency_[place]
        assert data["weight"] == pytest.approx(model.weights_[place], rel=1e-4)
        assert 0 < data["probability"] <= 1
    assert graph.graph["note"] == "events, not spikes & more"


def test_states_around_events(fitted):
    _, binned, model = fitted
    states = tables.states_table(model, binned)
    table = tables.aligned_table(states, binned)
    at_zero = table[np.isclose(table["lag_s"], 0.0)]
    assert (at_zero["n"] == 4).all() and at_zero["p"].sum() == pytest.approx(1.0)
    want = states[(states["sequence"] == 3) & (states["bin"] == 40)]["p_1"].item()
    others = states[states["sequence"].isin([0, 1, 4]) & (states["bin"] == 50)]["p_1"].sum()
    got = at_zero[at_zero["state"] == 1]["p"].item()
    assert got == pytest.approx((want + others) / 4, rel=1e-5)
    binned.table["event_s"], keep = np.nan, binned.table["event_s"].copy()
    assert tables.aligned_table(states, binned).empty
    binned.table["event_s"] = keep


def test_rates_by_state_average_to_the_rate(fitted):
    _, binned, model = fitted
    table = tables.rates_table(model, binned)
    kept = np.concatenate([item[mask] for item, mask in zip(binned.sequences, binned.masks)])
    np.testing.assert_allclose(table["overall_hz"][:6], kept.mean(axis=0) / 0.1)
    first = table[table["unit"] == "a&0"].set_index("state")["rate_hz"]
    low, high = sorted([first[1], first[2]])
    assert low <= kept[:, 0].mean() / 0.1 <= high


@pytest.mark.parametrize("alpha", [(0.2, 1.6, 0.2), (0.02, 1.96, 0.02), (1.0, 1.0, 1.0)])
def test_what_is_said_of_shared_edges_is_what_the_model_does(fitted, alpha):
    """Sure states, one after the other with the edge, through the model's own rule."""
    for k in (1, 2, 3, 4, 5):
        model = copy.copy(fitted[2])
        model.n_states, model.alpha = k, alpha
        said = export.shared_edge_rule(model)
        for having in range(k + 1):
            q = np.eye(3)[[2] * having + [1] * (k - having)].sum(axis=0)
            model.anatomical_prior_ = ((q + alpha) / (sum(alpha) + k))[None, None]
            if model.to_signed()[0, 0] == 1:
                assert (
                    f"if {having} of {k} states" in said and f"missed in {k - having + 1}," in said
                )
                break
        else:
            assert f"even an edge of all {k} states" in said


def test_headline_names_the_baselines(fitted):
    truth, binned, model = fitted
    rows = []
    folds = fold_of(6, 2)
    options = {"link": "sigmoid", "bias": "shared"}
    for k in (1, 2):
        for fold in range(2):
            rows += sweep.fit_fold(
                options, ["onehot"], binned.sequences, binned.masks, folds, fold, k, range(2)
            )[0]
            rows += sweep.baseline_rows(
                binned.sequences,
                binned.masks,
                folds,
                fold,
                k,
                emission="poisson",
                n_history=5,
                n_starts=1,
            )
    table = sets.in_order(sweep.as_table(rows))
    planted = {
        "states": truth.states,
        "adjacency": truth.adjacency,
        "prior": truth.prior,
        "columns": list(range(6)),
        "log_likelihood": truth_log_likelihood(truth, truth.counts),
    }
    found = export.everything(
        model,
        binned,
        folds,
        table,
        sweep.curve_of(table, "onehot"),
        name="demo",
        switch_s=300.0,
        truth=planted,
    )
    entries = {entry["name"]: entry for entry in found.headline}
    score = entries["demo: held-out log-likelihood over constant rates"]
    assert set(score["baseline"]) == {"HMM without couplings", "one state"}
    assert score["unit"] == "bits/spike" and score["n"] == 2
    # the interval of a mean over two folds, by Student's t: 12.7 standard errors, not 1.96
    best = table[(table["model"] == "onehot") & (table["k"] == model.n_states)]
    best = best.loc[best.groupby("fold")["objective"].idxmax()]
    low, high = stats.t.interval(0.95, 1, score["value"], stats.sem(best["test_bits_per_spike"]))
    assert (score["ci_low"], score["ci_high"]) == pytest.approx((low, high))
    assert entries["demo: stretches shared by training and test"]["value"] == 0
    assert entries["demo: bins in the planted state"]["value"] > 0.5
    assert entries["demo: agreement with the switch (AMI)"]["value"] < 0.2
    assert set(found.tables) == {
        "states",
        "dwell",
        "transitions",
        "weights",
        "prior",
        "rates",
        "covariates",
        "aligned",
    }
    shared = entries["demo: edges of the shared graph"]
    signed = truth.prior.argmax(axis=-1) - 1
    alike = [all(truth.adjacency[:, i, j] == signed[i, j]) for i, j in np.argwhere(signed)]
    assert shared["planted"] == f"{len(alike)} edges, {sum(alike)} of them in all 2 states"
    assert shared["recovered"] == (
        f"{np.count_nonzero(model.to_signed())} edges (one counts if 2 of 2 states have it with "
        "one sign; missed in 1, it is missed here)"
    )
    keys = {"name", "value", "unit", "null", "baseline", "n", "ci_low", "ci_high"}
    assert all(keys <= set(entry) for entry in found.headline)
