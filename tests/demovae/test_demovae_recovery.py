"""The planted check of the demo: its numbers must follow what is planted."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.coding.cohort import columns_from_text
from neuro.demovae.evaluation import evaluate, headline, recovery
from neuro.simulate.connectomes import planted_connectomes

SETTINGS = {
    "preset": "robust",
    "mode": "network",
    "min_level_count": 5,
    "n_epochs": 60,
    "hidden": 120,
    "latent_dim": 10,
    "n_samples": 200,
}


@pytest.fixture(scope="module")
def columns():
    return columns_from_text(recovery.REMOVED)


def found(effect, columns, truth=None):
    made = planted_connectomes(200, 24, 80, 8, random_state=4, effect=effect)
    table, arrays = recovery.recover(
        made.edges, made.participants, truth or made.truth, columns, SETTINGS, 0
    )
    return table, arrays, made


@pytest.fixture(scope="module")
def strong(columns):
    return found(4.0, columns)


def part(table, group, unit=None):
    rows = table[table["group"] == group]
    return rows if unit is None else rows[rows["unit"] == unit]


def test_planted_demographics_are_in_raw_connectomes_and_not_in_latents(strong):
    table = part(strong[0], "removed")
    for name in ("age", "age^2", "sex", "site"):
        scores = table[table["name"] == name].set_index("features")["error"]
        assert scores["raw"] >= 0.25, name
        assert scores["network-10"] <= scores["raw"] / 2, name
    assert set(table["baseline"]) <= set(table.loc[table["features"] == "raw", "recovered"])


def test_error_is_the_distance_from_what_was_planted(strong):
    table = strong[0]
    left = part(table, "removed")
    np.testing.assert_allclose(left["error"], left["recovered"] - left["planted"])
    assert set(left["planted"].round(4)) == {0.0, 0.5, 0.3333}
    kept = part(table, "kept")
    np.testing.assert_allclose(kept["error"], 1 - kept["recovered"])
    assert (kept["recovered"] >= 0.5).all()


def test_maps_are_compared_with_the_true_ones(strong, columns):
    table, arrays, made = strong
    rows = part(table, "maps", "r").set_index("name")
    slow = np.corrcoef(arrays["true_age"], arrays["synthetic_age"])[0, 1]
    assert rows.loc["age", "recovered"] == pytest.approx(slow, abs=1e-5)
    np.testing.assert_array_equal(arrays["true_age"], made.truth["maps"]["age"])
    np.testing.assert_array_equal(arrays["true_site=beta"], made.truth["maps"]["site"][1])
    assert (rows["recovered"] >= 0.3).all()
    # a wrong truth must not be recovered
    wrong = {key: -value for key, value in made.truth["maps"].items()}
    other = found(4.0, columns, {**made.truth, "maps": wrong})[0]
    assert (part(other, "maps", "r")["recovered"] < 0).all()


def test_without_effects_nothing_is_there_to_remove(columns):
    table = part(found(0.0, columns)[0], "removed")
    raw = table[(table["features"] == "raw") & table["name"].isin(["age", "age^2", "sex"])]
    assert (raw["error"] <= 0.12).all()


def test_headline_entries_of_the_planted_cohort(strong):
    entries = headline._planted(strong[0])
    assert [entry["name"] for entry in entries] == [
        "age left in new people's latents",
        "sex left in new people's latents",
        "site left in new people's latents",
        "people's own factors, kept in latents",
        "maps of samples, mean of 6",
    ]
    keys = {"planted", "recovered", "error"}
    assert all(keys <= set(entry) and entry["value"] is not None for entry in entries)
    ours = strong[0][strong[0]["features"] == "network-10"]
    assert entries[0]["recovered"] == round(part(ours, "removed")["recovered"].iloc[0], 4)
    assert entries[-1]["value"] == pytest.approx(part(ours, "maps", "r")["recovered"].mean())
    assert headline._planted(None) == []


def test_nearest_distances_are_those_of_a_slow_search():
    rng = np.random.default_rng(0)
    made, train, other = (rng.standard_normal((n, 30)) for n in (12, 20, 20))
    near, far = evaluate.nearest_distances(made, train, other)
    for row, a, b in zip(made, near, far):
        assert a == pytest.approx(np.sqrt(((train - row) ** 2).mean(axis=1)).min(), rel=1e-4)
        assert b == pytest.approx(np.sqrt(((other - row) ** 2).mean(axis=1)).min(), rel=1e-4)
    assert evaluate.privacy_ratio(made, train, other) == (near < far).mean()
    # the larger set is cut: more people would be nearer by chance
    near, _ = evaluate.nearest_distances(made, np.vstack([train, made]), other)
    assert (near > 1e-3).any()


def test_two_levels_and_one_factor(columns):
    made = planted_connectomes(120, 16, 60, 1, random_state=1, effect=2, sites=("a", "b"))
    settings = {**SETTINGS, "latent_dim": 4, "n_epochs": 5, "mode": "linear"}
    table, _ = recovery.recover(made.edges, made.participants, made.truth, columns, settings, 0)
    assert isinstance(table, pd.DataFrame)
    assert table[["recovered", "error"]].notna().all().all()
    assert set(part(table, "kept")["name"]) == {"the 1 strongest factors"}
