"""The referee: the same bottleneck, folds and readouts for every way of removing demographics."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.coding.cohort import gather
from neuro.demovae.coding.schema import Column
from neuro.demovae.evaluation import compare_figures, methods
from neuro.demovae.evaluation.baselines import PCALatents
from neuro.demovae.evaluation.compare import compare, summary
from neuro.demovae.evaluation.confound_test import partial_confound_test
from neuro.demovae.evaluation.readouts import readouts
from neuro.demovae.training.protected import ProtectedLatents
from neuro.io.regions.connectomes import Connectomes

COLUMNS = (
    Column("age", "continuous"),
    Column("sex", "categorical"),
    Column("site", "categorical"),
    Column("dx", "categorical", "condition"),
)
LIGHT = {"n_epochs": 30, "hidden": 40, "validation": 0.1, "patience": 20}


@dataclasses.dataclass
class Study:
    edges: np.ndarray
    participants: pd.DataFrame
    region: list


@pytest.fixture(scope="module")
def cohort():
    """Strong maps of age, sex and site, sites of unequal noise, and people's own factors."""
    rng = np.random.default_rng(2)
    n, n_edges = 200, 276
    people = pd.DataFrame(
        {
            "participant_id": [f"{k:04d}" for k in range(n)],
            "age": rng.uniform(8, 22, n),
            "sex": rng.choice(["F", "M"], n),
            "site": rng.choice(["alpha", "beta", "gamma"], n),
            "dx": rng.integers(0, 2, n),
        }
    )
    place = people["site"].map({"alpha": 0, "beta": 1, "gamma": 2}).to_numpy()
    rows = rng.normal(size=(n, 10)) @ rng.normal(size=(10, n_edges))
    rows += ((people["age"] - 15) / 4).to_numpy()[:, None] * rng.normal(size=n_edges) * 1.5
    rows += (people["sex"] == "M").to_numpy()[:, None] * rng.normal(size=n_edges) * 1.5
    rows += rng.normal(size=(3, n_edges))[place] * 1.5
    rows += rng.normal(size=(n, n_edges)) * np.array([0.5, 1.0, 1.5])[place][:, None]
    return Study((0.05 * rows).astype(np.float32), people, [f"R{k}" for k in range(24)])


@pytest.fixture(scope="module")
def table(cohort):
    return compare(
        cohort.edges,
        cohort.participants,
        COLUMNS,
        latent_dim=12,
        folds=3,
        settings=LIGHT,
        models=("linear",),
    )


def value(table, **key):
    hit = np.ones(len(table), dtype=bool)
    for name, wanted in key.items():
        hit &= (table[name] == wanted).to_numpy()
    assert hit.sum() == 1, key
    return table.loc[hit, "value"].iloc[0]


def test_every_method_stands_with_and_without_the_same_bottleneck(table):
    pairs = table[table["bottleneck"] >= 0].groupby("method")["bottleneck"].agg(set)
    assert set(pairs.index) == set(methods.METHODS)
    assert all(sizes == {0, 12} for name, sizes in pairs.items() if name != "protected")
    for fit_on in ("train", "fresh"):
        part = table[(table["fit_on"] == fit_on) & table["measure"].isin(("left", "kept"))]
        counts = part.groupby(["method", "bottleneck"])["target"].nunique()
        assert set(counts) == {4}
    shared = table[table["measure"].str.startswith("shared")]
    assert len(shared) == 2
    assert (shared["value"] == 0).all()
    costs = table[table["measure"] == "cost"]
    assert set(costs["method"]) == set(methods.METHODS)
    assert (costs["value"] > 0).all()


def test_the_rows_are_what_a_slow_version_gives(cohort, table):
    """Principal components and fresh readouts of age in both halves, done by hand."""
    from neuro.base import seeds
    from neuro.demovae.coding.cohort import evaluation_folds
    from neuro.demovae.coding.schema import level_names

    people = cohort.participants
    strata = np.array(
        [f"{a}|{b}" for a, b in zip(level_names(people["site"]), level_names(people["dx"]))]
    )
    who = np.arange(200)
    fold = evaluation_folds(who, strata, 2, seeds.stream(0, "compared folds", 2))
    found = []
    for part in (0, 1):
        small = PCALatents(12).fit(cohort.edges[fold != part])
        Z, new = (small.transform(cohort.edges[fold != k]) for k in (part, 1 - part))
        rows = [people[fold != part].reset_index(drop=True), people[fold == part]]
        rows[1] = rows[1].reset_index(drop=True)
        one = readouts(
            Z, new, *rows, columns=COLUMNS[:1], fit_on="fresh", squares=False, models=("linear",)
        )
        found.append(one["heldout"].iloc[0])
    ours = value(table, method="none", bottleneck=12, target="age", fit_on="fresh", measure="left")
    assert ours == pytest.approx(np.mean(found), abs=1e-6)


def test_removal_is_seen_and_blind_readouts_are_called_train(table):
    def left(method, target, fit_on="fresh", size=12, measure="left"):
        return value(
            table, method=method, bottleneck=size, target=target, fit_on=fit_on, measure=measure
        )

    assert left("none", "site") > 0.5
    assert left("none", "age") > 0.3
    for method in ("linear", "network", "combat_residual"):
        assert left(method, "age") < 0.15
        assert left(method, "site") < left("none", "site") - 0.15
    # ComBat and the protecting form keep age; residuals look perfect to a readout of their rows
    assert left("combat", "age") > 0.25
    assert left("protected", "age") > 0.25
    assert left("residual", "age", fit_on="train", size=0) < 0.05
    assert left("residual", "age", size=0) > left("residual", "age", fit_on="train", size=0)
    scale = {
        name: value(table, method=name, bottleneck=0, measure="scale")
        for name in ("none", "combat")
    }
    assert scale["combat"] < scale["none"]
    lines = summary(table)
    assert list(lines["method"].unique()) == list(methods.METHODS)
    assert lines["explained"].notna().sum() == len(methods.METHODS)


def test_a_protected_latent_needs_no_biology_and_adapts_to_a_new_site():
    rng = np.random.default_rng(3)
    place = np.repeat(np.arange(9), 60)
    age = rng.normal(size=540)
    X = 0.3 * rng.normal(size=(540, 6)) @ rng.normal(size=(6, 66))
    X += 0.3 * age[:, None] * rng.normal(size=66) + rng.normal(size=(9, 66))[place] * 2
    X += rng.normal(size=(540, 66)) * 0.3
    people = pd.DataFrame({"site": np.array(list("abcdefghi"))[place], "age": age})
    seen = place < 8
    protect = [{"name": "age", "type": "continuous"}]
    model = ProtectedLatents(8, protect=protect).fit(X[seen], demographics=people[seen])
    assert model.transform(X[seen], demographics=people[seen][["site"]]).shape == (480, 8)
    rows, new = X[~seen], people[~seen].reset_index(drop=True)
    with pytest.raises(ValueError, match="call adapt"):
        model.transform(rows, demographics=new)
    raw = (rows - model.mean_) @ model.axes_
    for told in (new[["site"]], new):
        other = ProtectedLatents(8, protect=protect).fit(X[seen], demographics=people[seen])
        other.adapt(rows[:20], demographics=told[:20])
        found = other.transform(rows[20:], demographics=new[20:])
        assert np.linalg.norm(found.mean(axis=0)) < 0.5 * np.linalg.norm(raw[20:].mean(axis=0))
    with pytest.raises(ValueError, match="its biology is needed"):
        model.adapt(X[seen][:5], demographics=people[seen][["site"]][:5])


def test_offsets_of_sites_that_do_not_differ_are_shrunk_to_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 45))
    people = pd.DataFrame({"site": np.repeat(list("abcdef"), 50), "age": rng.normal(size=300)})
    model = ProtectedLatents(5, protect=[{"name": "age", "type": "continuous"}])
    model.fit(X, demographics=people)
    offsets = np.array([term.offset for term in model.sites_.values()])
    plain = np.array(
        [((X - X.mean(0)) @ model.axes_)[people["site"] == s].mean(0) for s in "abcdef"]
    )
    assert (offsets**2).mean() < 0.3 * (plain**2).mean()


def test_the_confound_test_is_calibrated_and_sees_a_confound():
    rng = np.random.default_rng(1)
    null, power = [], []
    for _ in range(60):
        y = rng.integers(0, 2, 120)
        confound = y + rng.normal(size=120)
        score = y + rng.normal(size=120)
        null.append(partial_confound_test(score, y, confound, n_permutations=99)["p"])
        leaning = score + 0.6 * confound
        power.append(partial_confound_test(leaning, y, confound, n_permutations=99)["p"])
    assert 0.3 < np.mean(null) < 0.7
    assert np.mean(np.array(null) <= 0.05) < 0.15
    assert np.mean(np.array(power) <= 0.05) > 0.9
    levels = np.array(["a", "b", "c"])[rng.integers(0, 3, 120)]
    found = partial_confound_test(score + 2 * (levels == "a"), y, levels, "categorical")
    assert found["p"] == pytest.approx(0.001)


def test_the_confound_test_draws_by_the_seed(cohort, monkeypatch):
    given = []

    def confound_test(*arguments, random_state, **more):
        given.append(random_state)
        return {"p": 0.5, "n": 60}

    monkeypatch.setattr(compare_figures, "partial_confound_test", confound_test)
    columns = (Column("age", "continuous"), Column("dx", "categorical", "condition"))
    edges, people = cohort.edges[:60], cohort.participants[:60]
    compare(edges, people, columns, methods=("none",), latent_dim=4, random_state=7)
    assert given and set(given) == {7}


def test_bad_comparisons_are_said(cohort):
    with pytest.raises(ValueError, match="unknown method 'combatt'"):
        compare(cohort.edges, cohort.participants, COLUMNS, methods=("combatt",))
    with pytest.raises(ValueError, match="need a column 'site'"):
        compare(cohort.edges, cohort.participants, COLUMNS[:2], methods=("combat",))
    with pytest.raises(ValueError, match="no column has the role remove"):
        compare(cohort.edges, cohort.participants, COLUMNS[3:], methods=("none",))


def test_motion_of_the_quality_control_is_removed_where_it_is_known(cohort):
    people = cohort.participants[:60]
    keys = [f"sub-{who}_run-1" for who in people["participant_id"]]
    data = Connectomes(
        cohort.edges[:60].copy(),
        np.column_stack(np.triu_indices(24, 1)),
        list(people["participant_id"]),
        keys,
        cohort.region,
        "pearson",
    )
    wanted = [*COLUMNS, Column("log_mean_fd", "continuous")]
    fd = np.linspace(0.05, 0.6, 60)
    qc = pd.DataFrame({"run_key": keys, "mean_fd": fd, "n_kept": 80})
    found = gather(data, people, wanted, qc=qc.sample(frac=1, random_state=0))
    assert "log_mean_fd" in [column.name for column in found.columns]
    np.testing.assert_allclose(found.demographics["log_mean_fd"], np.log(fd + 0.01))
    assert (found.demographics["n_kept"] == 80).all()
    bare = gather(data, people, wanted)
    assert "log_mean_fd" not in [column.name for column in bare.columns]
    reasons = {row["what"]: row["reason"] for row in bare.exclusions}
    assert reasons["column log_mean_fd"] == "no motion is known"
    own = gather(data, people.assign(mean_fd=fd), wanted, qc=qc.assign(mean_fd=np.nan))
    np.testing.assert_allclose(own.demographics["log_mean_fd"], np.log(fd + 0.01))


def test_runs_of_a_person_are_on_one_side_of_every_readout():
    """Two runs that are nearly alike tell the sex of their own person, and of nobody else."""
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(80), 2)
    edges = rng.normal(size=(80, 120))[who] + 0.01 * rng.normal(size=(160, 120))
    people = pd.DataFrame({"participant_id": who, "sex": rng.permutation(["F", "M"] * 40)[who]})
    columns = [Column("sex", "categorical")]
    made = compare(edges, people, columns, methods=("none",), latent_dim=8, groups=who)
    for fit_on in ("fresh", "train"):
        read = value(made, method="none", bottleneck=0, target="sex", fit_on=fit_on)
        assert 0.3 <= read <= 0.7, fit_on
    leaky = compare(edges, people, columns, methods=("none",), latent_dim=8)
    assert value(leaky, method="none", bottleneck=0, target="sex", fit_on="train") > 0.85
