"""Edges and nodes that go with a column: planted effects found, false positives counted."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.features.table import FeatureTable
from neuro.adhd.group import analysis, people
from neuro.io.problems import InputProblem
from neuro.stats.false_discovery import adjusted_p

SETTINGS = {
    "target": "dx",
    "kind": "auto",
    "covariates": ["age", "sex", "mean_fd", "site"],
    "permutations": 199,
    "component_p": 0.01,
    "tfce_extent": 0.4,
    "tfce_height": 3.0,
    "tfce_step": 0.1,
    "log1p": True,
}
REGIONS = [f"r{k:02d}" for k in range(12)]
PAIRS = np.column_stack(np.triu_indices(12, 1))
PLANTED = (PAIRS < 4).all(axis=1)
"""All edges among the first four regions."""


def table(n=90, seed=0, classes=2):
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 3, n)
    return pd.DataFrame(
        {
            "participant_id": [f"{k:03d}" for k in range(n)],
            "site": [f"s{k}" for k in site],
            "dx": rng.integers(0, classes, n).astype(float),
            "age": rng.uniform(8, 14, n) + site,
            "sex": np.where(rng.random(n) < 0.5, "F", "M"),
            "mean_fd": rng.gamma(3, 0.05, n),
        }
    )


def no_maps(who):
    empty = np.array([])
    text = empty.astype(str)
    X = np.zeros((len(who), 0), np.float32)
    return FeatureTable(X, np.asarray(who), text, text, empty.astype(int), empty, empty)


def noise(frame, rng, regions=12):
    """Edges that follow site, age and motion, with heavy tails and shared parts, but not dx."""
    n, m = len(frame), regions * (regions - 1) // 2
    shared = rng.standard_normal((n, 3)) @ rng.standard_normal((3, m))
    site = np.unique(frame["site"], return_inverse=True)[1]
    scale = np.array([0.8, 1.0, 1.3])[site][:, None]
    Y = scale * (rng.standard_t(5, (n, m)) + 0.7 * shared)
    Y += rng.standard_normal((3, m))[site]
    Y += 0.3 * (frame["age"].to_numpy()[:, None] - 11) * rng.standard_normal(m)
    return Y + 4 * frame["mean_fd"].to_numpy()[:, None] * rng.standard_normal(m)


def run(frame, Y, regions=REGIONS, **settings):
    settings = {**SETTINGS, **settings}
    compared = people.compare(frame, settings)
    rows = frame["participant_id"].isin(compared.people["participant_id"]).to_numpy()
    maps = no_maps(compared.people["participant_id"])
    return analysis.run(Y[rows], regions, maps, compared, settings, seed=3)


@pytest.fixture(scope="module")
def planted():
    frame = table()
    rng = np.random.default_rng(1)
    Y = rng.standard_normal((len(frame), len(PAIRS))) + noise(frame, rng) * 0.3
    Y += np.outer(frame["dx"], 2.2 * PLANTED)
    # region 11 is dead in two people, region 10 in twenty
    Y[:2, (PAIRS == 11).any(axis=1)] = np.nan
    Y[:20, (PAIRS == 10).any(axis=1)] = np.nan
    return frame, Y, run(frame, Y)


def test_planted_edges_are_found_by_every_statistic(planted):
    _, _, found = planted
    edges = found.edges
    assert (edges["p_fwe"][PLANTED] < 0.05).all()
    assert (edges["p_tfce"][PLANTED] < 0.05).all()
    assert (edges["q"][PLANTED] < 0.05).all() and (edges["z"][PLANTED] > 3).all()
    rest = edges[~PLANTED & edges["z"].notna().to_numpy()]
    assert (rest["p_fwe"] < 0.05).mean() < 0.05
    assert edges["effect"][PLANTED].mean() == pytest.approx(2.2, abs=0.25)
    first = found.parts.iloc[0]
    assert first["sign"] == 1 and first["p_extent"] < 0.05 and first["p_intensity"] < 0.05
    assert {"r00", "r01", "r02", "r03"} <= set(first["regions"].split(";"))
    assert set(edges["component"][PLANTED]) == {1}
    nodes = found.nodes[found.nodes["map"] == "strength"].set_index("region")
    assert (nodes.loc[REGIONS[:4], "p_fwe"] < 0.05).all()
    # the planted regions shift every region's mean by an edge or not at all
    assert (nodes.loc[REGIONS[4:9], "p_fwe"] > 0.05).all()


def test_dead_regions_are_tested_where_they_live_or_listed(planted):
    _, _, found = planted
    edges = found.edges
    few, many = (PAIRS == 11).any(axis=1), (PAIRS == 10).any(axis=1)
    assert (edges["n"][few & ~many] == 88).all() and edges["z"][few & ~many].notna().all()
    assert edges[["z", "p", "p_fwe", "tfce", "p_tfce", "p_permuted"]][many].isna().all(axis=None)
    assert (edges["n"][many & ~few] == 70).all()
    reasons = {row["what"]: row for row in found.exclusions}
    assert set(reasons) == {"region r10"}
    assert reasons["region r10"]["value"] == 70 and reasons["region r10"]["threshold"] == 81
    df = 90 - 1 - 5 - 1
    assert found.facts["df"] == df and (edges["df"][few & ~many] == df - 2).all()


def test_columns_agree_with_each_other(planted):
    _, _, found = planted
    edges, null = found.edges, found.null
    np.testing.assert_allclose(edges["q"], adjusted_p(edges["p"]))
    known = edges["z"].notna()
    reached = [(null["max_z"] >= size).sum() for size in edges["z"][known].abs()]
    np.testing.assert_allclose(edges["p_fwe"][known], (np.array(reached) + 1) / 200)
    assert (edges["p_fwe"][known] >= edges["p_permuted"][known]).all()
    assert (np.sign(edges["tfce"][known]) == np.sign(edges["z"][known]))[
        edges["z"][known].abs() > 0.1
    ].all()
    beyond = edges["z"].abs() > found.facts["component_z"]
    assert ((edges["component"] > 0) == beyond).all()
    assert found.parts["n_edges"].sum() == beyond.sum()
    assert found.parts["n_edges"].is_monotonic_decreasing


def test_classes_and_numbers():
    frame = table(classes=3)
    rng = np.random.default_rng(4)
    Y = rng.standard_normal((len(frame), len(PAIRS)))
    Y += np.outer(frame["dx"] == 2, 1.8 * PLANTED)
    found = run(frame, Y)
    assert found.facts["statistic"] == "F" and found.facts["classes"] == ["0", "1", "2"]
    assert (found.edges["p_fwe"][PLANTED] < 0.05).all()
    assert (found.edges["z"] >= 0).all() and found.edges["effect"].isna().all()
    slope = np.outer(frame["age"] - 11, -0.5 * PLANTED)
    found = run(frame, rng.standard_normal(Y.shape) + slope, target="age")
    assert found.facts["kind"] == "number"
    assert found.edges["effect"][PLANTED].mean() == pytest.approx(-0.5, abs=0.1)
    assert (found.parts["sign"].iloc[0], found.parts["n_edges"].iloc[0]) == (-1, 6)
    assert [row["what"] for row in found.exclusions] == ["covariate age"]


def test_maps_of_nodes_are_tested_each_by_itself():
    frame = table()
    rng = np.random.default_rng(2)
    counts = rng.poisson(20, (len(frame), 12)) + 18 * np.outer(frame["dx"], np.arange(12) < 2)
    who = frame["participant_id"].to_numpy(str)
    maps = FeatureTable(
        np.hstack([counts, rng.standard_normal((len(frame), 24))]).astype(np.float32),
        who,
        np.repeat(["degree", "distdegree", "fc"], 12),
        np.tile(REGIONS, 3),
        np.tile(np.arange(12), 3),
        np.zeros(36, int),
        np.full(36, np.nan),
    )
    compared = people.compare(frame, SETTINGS)
    Y = rng.standard_normal((len(frame), len(PAIRS)))
    found = analysis.run(Y, REGIONS, maps, compared, SETTINGS, 0)
    assert list(dict.fromkeys(found.nodes["map"])) == ["strength", "degree"]
    degree = found.nodes[found.nodes["map"] == "degree"]
    assert (degree["p_fwe"] < 0.05).tolist() == [True] * 2 + [False] * 10
    assert degree["effect"].iloc[0] == pytest.approx(np.log(39 / 21), abs=0.12)
    assert {"max_z_strength", "max_z_degree"} <= set(found.null)
    names = [row["name"] for row in analysis.headline(found)]
    assert len(set(names)) == len(names) == 6


def test_people_and_covariates_that_are_left_out_are_listed():
    frame = table()
    frame["iq"], frame["hand"] = np.nan, "R"
    frame.loc[[3, 4], "age"] = np.nan
    frame.loc[5, "dx"] = np.nan
    settings = {**SETTINGS, "covariates": ["age", "iq", "hand", "years", "site"]}
    compared = people.compare(frame, settings, {"both": ["s0", "s1"]})
    assert len(compared.people) == 87
    assert set(compared.people["site"]) == {"both", "s2"}
    assert compared.design.nuisance_names == ("age", "site=s2")
    reasons = {row["what"]: row["reason"] for row in compared.exclusions}
    assert reasons == {
        "covariate iq": "no value",
        "covariate hand": "one value only (R)",
        "covariate years": "not in the participants table",
        "003": "no age",
        "004": "no age",
        "005": "no value of the target 'dx'",
    }


@pytest.mark.parametrize(
    "change, settings, message",
    [
        (
            lambda t: t.assign(months=12 * t["age"]),
            {"covariates": ["age", "months"]},
            "adhd.group.covariates: 'months' is a combination of age; remove one of them",
        ),
        (
            lambda t: t.assign(dx=(t["site"] == "s1").astype(float)),
            {"covariates": ["site"]},
            "adhd.group.covariates: 'dx=1' is a combination of site=s1; remove one of them",
        ),
        (
            lambda t: t.assign(dx=(t["site"] == "s1").astype(float)),
            {"covariates": []},
            "can be arranged in 1 ways within sites",
        ),
        (
            lambda t: t[:11].assign(dx=[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0.0]),
            {},
            "11 people and 5 covariate columns leave 4 degrees of freedom, expected 5 at least",
        ),
        (lambda t: t.assign(dx=1.0), {}, "'dx' has fewer than 2 classes"),
        (lambda t: t, {"target": "iq"}, "adhd.group.target: no column 'iq'"),
        (lambda t: t, {"target": "sex", "kind": "number"}, "which is no number"),
    ],
)
def test_refusals_are_one_line(change, settings, message):
    with pytest.raises(InputProblem) as caught:
        people.compare(change(table()), {**SETTINGS, **settings})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_class_of_few_people_is_left_out():
    frame = table()
    frame.loc[[7, 8, 9], "dx"] = 2.0
    compared = people.compare(frame, SETTINGS)
    assert compared.target.classes == ["0", "1"] and len(compared.people) == 87
    reasons = {row["what"]: row for row in compared.exclusions}
    assert reasons["008"]["reason"] == "class '2' of 'dx' has too few people"
    assert (reasons["008"]["value"], reasons["008"]["threshold"]) == (3, 5)


def test_same_seed_same_tables(planted):
    frame, Y, found = planted
    again = run(frame, Y)
    pd.testing.assert_frame_equal(again.edges, found.edges)
    pd.testing.assert_frame_equal(again.null, found.null)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dx", "age"])
def test_false_positives_are_as_many_as_stated(kind):
    """500 cohorts without effect: 5 % within Monte-Carlo error (99.7 %) for every statistic."""
    hits = []
    for number in range(500):
        frame = table(45, seed=1000 + number)
        Y = noise(frame, np.random.default_rng(9000 + number))
        if kind == "age":
            frame["age"] = np.random.default_rng(number).permutation(frame["age"])
        settings = {"target": kind, "permutations": 99, "component_p": 0.05}
        found = run(frame, Y, **settings)
        hits.append(
            [
                found.edges["p_fwe"].min() < 0.05 + 1e-9,
                found.edges["p_tfce"].min() < 0.05 + 1e-9,
                len(found.parts) > 0 and found.parts["p_extent"].min() < 0.05 + 1e-9,
                len(found.parts) > 0 and found.parts["p_intensity"].min() < 0.05 + 1e-9,
                found.nodes["p_fwe"].min() < 0.05 + 1e-9,
            ]
        )
    shares = np.mean(hits, axis=0)
    error = np.sqrt(0.05 * 0.95 / 500)
    assert (shares <= 0.05 + 3 * error).all(), shares
    assert (shares[[0, 1, 3, 4]] >= 0.05 - 3 * error).all(), shares
