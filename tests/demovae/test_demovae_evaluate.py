"""Maps, correlations, privacy and membership against what was planted."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.evaluation import evaluate
from neuro.demovae.evaluation.fold_features import estimator
from neuro.demovae.evaluation.readouts import readouts
from neuro.demovae.model import DemoVAE
from neuro.demovae.sampling.transfer import transfer


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.uniform(8, 22, 400),
            "sex": rng.choice(["F", "M"], 400),
            "site": rng.choice(list("abc"), 400),
        }
    )


def test_group_maps_are_the_planted_effects(people):
    rng = np.random.default_rng(1)
    maps = rng.standard_normal((4, 30))
    a = ((people["age"] - people["age"].mean()) / people["age"].std(ddof=0)).to_numpy()
    X = np.outer(a, maps[0]) + np.outer(a**2 - 1, maps[1])
    X += np.outer(people["sex"] == "M", maps[2]) + np.outer(people["site"] == "b", maps[3]) + 0.3
    found = evaluate.group_maps(X, people)
    np.testing.assert_allclose(found["age"], maps[0], atol=1e-4)
    np.testing.assert_allclose(found["age^2"], maps[1], atol=1e-4)
    np.testing.assert_allclose(found["sex"], maps[2], atol=1e-4)
    np.testing.assert_allclose(found["site=b"], maps[3] * 2 / 3, atol=1e-4)
    np.testing.assert_allclose(found["site=a"], -maps[3] / 3, atol=1e-4)
    same = evaluate.compare_maps(found, {name: 0.5 * value for name, value in found.items()})
    np.testing.assert_allclose(same["amplitude"], 0.5, atol=1e-6)
    np.testing.assert_allclose(same["r"], 1, atol=1e-6)
    np.testing.assert_allclose(same["rmse"], same["rms_real"] / 2, rtol=1e-5)


def test_correlations_equal_those_of_numpy(people):
    Z = np.random.default_rng(2).standard_normal((400, 5))
    Z[:, 4] = 1.0
    found = evaluate.correlations(Z, people)
    assert found["sex"].shape == (1, 5)
    assert found["site"].shape == (3, 5)
    assert found["age"][0, 2] == pytest.approx(np.corrcoef(people["age"], Z[:, 2])[0, 1])
    assert found["site"][1, 0] == pytest.approx(np.corrcoef(people["site"] == "b", Z[:, 0])[0, 1])
    assert (found["age"][:, 4] == 0).all(), "a latent without spread has no correlation"


def test_no_bound_of_a_correlation_exceeds_one():
    assert evaluate.null_bound(15, 15, 60) == 1.0
    assert evaluate.null_bound(500, 500, 60) < 0.22


def test_null_bound_holds_for_latents_that_were_decorrelated_on_others():
    rng = np.random.default_rng(3)
    largest = []
    for _ in range(200):
        z, d = rng.standard_normal((2, 10, 200)), rng.standard_normal((2, 200))
        # the correlation of the first 100 rows is taken out everywhere, as a fit does
        slope = z[0, :, :100] @ d[0, :100] / (d[0, :100] @ d[0, :100])
        new = z[0, :, 100:] - slope[:, None] * d[0, 100:]
        largest.append(np.abs(np.corrcoef(np.vstack([d[0, 100:], new]))[0, 1:]).max())
    assert np.mean(np.array(largest) > evaluate.null_bound(100, 100, 10)) == pytest.approx(
        0.05, abs=0.05
    )


def test_privacy_ratio_of_copies_of_strangers_and_of_others():
    rng = np.random.default_rng(4)
    train, other, fresh = (rng.standard_normal((200, 50)) for _ in range(3))
    copies = train[:100] + 0.01 * rng.standard_normal((100, 50))
    assert evaluate.privacy_ratio(copies, train, other) == 1.0
    assert evaluate.privacy_ratio(copies, other, train) == 0.0
    assert evaluate.privacy_ratio(fresh, train, other) == pytest.approx(0.5, abs=0.12)
    slow = np.linalg.norm(fresh[:, None] - train[None], axis=2).min(axis=1) ** 2
    np.testing.assert_allclose(evaluate._nearest(fresh, train), slow, rtol=1e-4)


def test_membership_of_a_model_that_learned_nothing_about_its_people(small, columns):
    model = DemoVAE(mode="linear", latent_dim=30, columns=columns, random_state=0)
    model.fit(small.edges[:60], demographics=small.participants[:60])
    parts = small.edges[:60], small.edges[60:120]
    tables = [
        small.participants[rows].reset_index(drop=True) for rows in (slice(60), slice(60, 120))
    ]
    assert evaluate.membership_auc(model, *parts, *tables) > 0.8
    half = evaluate.membership_auc(
        model, parts[1][:30], parts[1][30:], tables[1][:30], tables[1][30:].reset_index(drop=True)
    )
    assert 0.3 < half < 0.7


def test_edge_statistics(people):
    rng = np.random.default_rng(5)
    scale = rng.uniform(0.5, 2, 40)
    a = rng.standard_normal((3000, 40)) * scale + 1
    b = 1 + (a - 1) * 1.3
    found = evaluate.edge_stats(a, b)
    assert found["sd_ratio"] == pytest.approx(1.3, rel=1e-3)
    assert found["mean_rmse"] == pytest.approx(0.3 * np.abs(a.mean(axis=0) - 1).mean(), rel=0.5)


def test_readouts_of_synthetic_people_are_tested_on_real_ones(small, columns):
    X, people = small.edges, small.participants
    train, test = np.arange(100), np.arange(100, 160)
    known, new = people.iloc[train].reset_index(drop=True), people.iloc[test]
    told = [*columns, {"name": "dx", "type": "categorical", "role": "report"}]
    one = known.assign(dx=0)
    same = transfer(X[train], one, X[train], known, X[test], new, told, 3).set_index("target")
    assert list(same.index) == ["age", "sex", "site"], "dx has one value among the synthetic"
    np.testing.assert_array_equal(same["synthetic"], same["real"])
    direct = readouts(
        *(X[train], X[test], known, new),
        columns=columns,
        models=("linear",),
        squares=False,
        random_state=3,
    ).set_index("target")
    np.testing.assert_allclose(same["real"], direct["heldout"])
    spread = np.std(new["age"])
    assert same.loc["age", "rmse_mean"] == pytest.approx(spread)
    assert same.loc["age", "rmse_real"] == pytest.approx(
        spread * np.sqrt(1 - direct.loc["age", "heldout"])
    )
    assert np.isnan(same.loc["sex", "rmse_real"])
    # synthetic people whose demographics mean nothing teach nothing
    wrong = known.sample(frac=1, random_state=0).reset_index(drop=True)
    none = transfer(X[train], wrong, X[train], known, X[test], new, columns, 3).set_index("target")
    assert none.loc["site", "synthetic"] <= 0.5 < same.loc["site", "synthetic"]
    assert none.loc["age", "rmse_synthetic"] > same.loc["age", "rmse_synthetic"]


def test_settings_and_seed_reach_the_model_of_a_fold():
    given = {
        **{"preset": "paper", "mode": "linear", "space": "edges", "latent_dim": 7, "hidden": 33},
        **{"pc_components": 9, "age_basis": "spline", "n_epochs": 11, "lr": 0.02},
        **{"validation": 0.3, "patience": 4, "guide_reduction": "mean", "unseen": "error"},
        **{"missing": "error", "min_level_count": 3, "device": "cpu"},
    }
    weights = {"kl": 0.4, "mmd": None}
    model = estimator({**given, "weights": weights, "folds": 5}, ["a", "b"], 17, n_threads=2)
    found = model.get_params(deep=False)
    assert {name: found[name] for name in given} == given
    assert found["weights"] == {"kl": 0.4}
    assert found["columns"] == ("a", "b") and found["n_threads"] == 2
    assert found["random_state"] == 17
