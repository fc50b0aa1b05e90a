"""A planted cohort is diagnosed, its regions are found, and a leak shows in the null."""

import numpy as np
import pytest

from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.mask import RegionMask
from neuro.adhd.diagnosis.metrics import score_metrics
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.permutation import permute_labels, permute_within_site
from neuro.adhd.diagnosis.scaling import FeatureScaler
from neuro.adhd.diagnosis.scores import score_predictions
from neuro.adhd.features.graph_features import GraphFeatures
from neuro.adhd.graph.voxel_graph import VoxelGraph
from neuro.simulate.cohort import planted_cohort

TOLERANCE = 0.03
"""How far the mean of permuted runs may be from chance; a leak exceeds it."""


@pytest.fixture(scope="module")
def planted():
    """80 subjects, 3,000 voxels, 20 regions; cases share 5 % more variance in 2 of them."""
    cohort = planted_cohort()
    graphs = [{"cycle3": VoxelGraph(density=0.02).fit(series).cycles3_} for series in cohort]
    people = cohort.participants
    table = GraphFeatures(("cycle3",), cohort.regions).table(graphs, people["participant_id"])
    named = {
        "X": table.X,
        "y": people["dx"].to_numpy(),
        "groups": table.participant_id,
        "site": people["site"].to_numpy(),
    }
    return cohort, table, named


@pytest.fixture(scope="module")
def judged(planted):
    _, table, named = planted
    model = GraphDiagnosis(table.region, table.counts)
    return model, nested_cv(model, **named, repeats=1)


def test_planted_diagnosis_is_found_in_the_planted_regions(planted, judged):
    cohort, _, _ = planted
    found = judged[1]
    scores = score_predictions(found.predictions, n_bootstrap=100)
    scores = scores[(scores["metric"] == "balanced_accuracy") & (scores["fold"] == "all")]
    value = scores.set_index("scheme")["value"]
    assert value["pooled"] >= 0.85
    assert value["leave_site_out"] >= 0.80
    kept = found.mask[found.mask["scheme"] == "pooled"].groupby("region")["kept"].sum()
    assert (kept[cohort.truth["case_regions"]] >= 4).all()


def test_pattern_is_strongest_in_the_planted_regions(planted):
    cohort, table, named = planted
    model = GraphDiagnosis(table.region, table.counts).fit(
        named["X"], named["y"], strata=named["site"]
    )
    size = {
        label: np.abs(model.pattern_[table.region == label]).mean()
        for label in cohort.truth["region"]
    }
    assert set(sorted(size, key=size.get)[-2:]) == set(cohort.truth["case_regions"])


def test_permuted_labels_give_chance(planted, judged):
    """The spread of one permutation is .07, so 100 of them pin the mean down to .007."""
    _, _, named = planted
    model, found = judged
    null = permute_within_site(model, **named, folds=found.folds, n_permutations=100)
    null = null[null["metric"] == "balanced_accuracy"].groupby("scheme")["value"].mean()
    assert null["pooled"] == pytest.approx(0.5, abs=TOLERANCE)
    assert null["leave_site_out"] == pytest.approx(0.5, abs=TOLERANCE)


def test_a_mask_chosen_on_all_subjects_shows_in_the_null(planted, judged):
    """The control that must fail: with the leak, meaningless labels look diagnosable."""
    _, table, named = planted
    folds = judged[1].folds
    folds = folds[folds["scheme"] == "pooled"]
    values = []
    for number in range(20):
        y = permute_labels(named["y"], named["groups"], named["site"], number)
        leak = RegionMask(cut=0.1, scaler=FeatureScaler(log1p=True))
        leak.fit(named["X"], y, table.region, strata=named["site"])
        model = GraphDiagnosis(log1p=True, mask_rule="none", n_components=10)
        found = nested_cv(model, leak.transform(named["X"]), y, *_who(named), folds=folds)
        part = found.predictions
        values.append(score_metrics(part["y"], part["score"])["balanced_accuracy"][0])
    assert np.mean(values) > 0.5 + TOLERANCE


def _who(named):
    return named["groups"], named["site"]
