"""The diagnosis under several strategies: same people, folds and nulls, only the edges differ."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd import compared
from neuro.adhd.diagnosis import variants
from neuro.adhd.features.graph_features import edge_table
from neuro.io.regions.compared import Compared
from neuro.stats.subjects import make_folds

SETTINGS = {
    "runs": "mean",
    "outer_folds": 3,
    "inner_folds": 2,
    "deconfound": [],
    "harmonise": "none",
    "protect": [],
    "transductive": False,
    "permutations": 39,
    "bootstrap": 100,
}


@pytest.fixture(scope="module")
def cohort():
    """40 people, one with two runs; one strategy keeps the planted edges, one does not."""
    rng = np.random.default_rng(0)
    ids = [f"s{number:02d}" for number in range(40)]
    dx = np.arange(40) % 2
    people = pd.DataFrame(
        {"participant_id": ids, "dx": dx, "site": np.where(np.arange(40) < 20, "a", "b")}
    )
    people["site_group"] = people["site"]
    folds = make_folds(people, outer_folds=3, repeats=2, random_state=0)
    keys = [*ids, "s00_run-2"]
    who = [*ids, "s00"]
    y = np.r_[dx, dx[0]]
    noise = rng.standard_normal((2, 41, 45))
    noise[0, :, :10] += 1.5 * y[:, None]
    regions = [f"r{number}" for number in range(10)]
    content = Compared(noise.astype(np.float32), ["keeps", "loses"], keys, who, regions, "fisher_z")
    return content, people, folds


def test_the_strategy_that_keeps_the_signal_is_told_from_the_one_that_does_not(cohort):
    content, people, folds = cohort
    scores, left_out = compared.diagnosed(content, people, folds, SETTINGS, 0)
    assert left_out == [] and list(scores.columns) == list(compared.COLUMNS)
    rows = scores[scores["metric"] == "balanced_accuracy"].set_index(["strategy", "scheme"])
    assert (rows["n"] == 40).all() and len(rows) == 4
    assert rows["value"]["keeps", "pooled"] > 0.85 and rows["p"]["keeps", "pooled"] <= 1 / 40
    for scheme in ("pooled", "leave_site_out"):
        assert rows["value"]["loses", scheme] < rows["value"]["keeps", scheme] - 0.1
    assert (abs(rows["null_mean"] - 0.5) < 0.1).all()
    # exactly what the diagnosis itself says of these edges
    table = edge_table(content.edges[0], content.participant_id, "fisher_z", "mean", content.region)
    found = variants.imaging_variants(table, inputs=["fc"], primary="fc", inner_folds=2)
    predictions, _ = variants.judge(found, people, folds)
    null = variants.permute(found, people, folds, n_permutations=39)
    other = variants.permute(found, people, folds, n_permutations=39, random_state=5)
    assert not null["value"].equals(other["value"])
    own = variants.summarise(predictions, null, primary="fc", n_bootstrap=100)
    own = own[(own["fold"] == "all") & (own["metric"] == "auc")]
    mine = scores[(scores["strategy"] == "keeps") & (scores["metric"] == "auc")]
    for name in ("value", "ci_low", "ci_high", "null_mean", "p"):
        np.testing.assert_allclose(mine[name], own[name])


def test_only_people_with_edges_everywhere_are_compared_and_empty_strategies_cost_nothing(cohort):
    content, people, folds = cohort
    edges = np.concatenate([content.edges, np.full_like(content.edges[:1], np.nan)])
    edges[1, [3, 7]] = np.nan
    edges[0, 40] = np.nan  # one of two runs: the person stays
    more = Compared(
        edges,
        ["keeps", "loses", "nobody"],
        content.run_key,
        content.participant_id,
        content.region,
        "fisher_z",
    )
    scores, left_out = compared.diagnosed(more, people, folds, SETTINGS, 0)
    assert [row["what"] for row in left_out] == ["s03", "s07"]
    assert set(scores["strategy"]) == {"keeps", "loses"} and (scores["n"] == 38).all()


def test_too_few_people_are_no_reason_to_stop(cohort):
    content, people, folds = cohort
    edges = content.edges.copy()
    edges[1, :36] = np.nan
    few = Compared(
        edges, content.strategy, content.run_key, content.participant_id, content.region, "z"
    )
    scores, left_out = compared.diagnosed(few, people, folds, SETTINGS, 0)
    assert scores.empty and list(scores.columns) == list(compared.COLUMNS)
    assert left_out[-1]["reason"].startswith("not diagnosed") and left_out[-1]["value"] == 2
    nobody = Compared(
        edges * np.nan,
        content.strategy,
        content.run_key,
        content.participant_id,
        content.region,
        "z",
    )
    scores, left_out = compared.diagnosed(nobody, people, folds, SETTINGS, 0)
    assert scores.empty and len(left_out) == 41


def test_folds_of_penalties_and_permutations_follow_the_seed(cohort, monkeypatch):
    content, people, folds = cohort
    given = []
    for name in ("imaging_variants", "permute"):
        whole = getattr(variants, name)

        def noted(*arguments, random_state, whole=whole, **more):
            given.append(random_state)
            return whole(*arguments, random_state=random_state, **more)

        monkeypatch.setattr(variants, name, noted)
    compared.diagnosed(content, people, folds, SETTINGS | {"permutations": 3}, 19)
    assert len(given) == 4 and set(given) == {19}
