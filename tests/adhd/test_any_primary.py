"""Any input can be the declared result: edges, their tangent space, or maps taken together."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from neuro import config
from neuro.adhd import final
from neuro.adhd.diagnosis.baselines import LinearReference
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.pipeline import FoldPipeline
from neuro.adhd.features.graph_features import covariance_table, edge_table
from neuro.adhd.features.table import join_features

REGIONS = ("a", "b", "c", "d", "e")
SETTINGS = {
    "features": ["degree", "cycle3", "fc", "tangent"],
    "log1p": True,
    "mask": {"rule": "top", "cut": 0.4},
    "pca": [3],
    "shrinkage": "auto",
    "inner_folds": 3,
    "deconfound": [],
    "harmonise": "none",
    "transductive": False,
    "protect": [],
}


@pytest.fixture(scope="module")
def cohort():
    """40 people; in cases a and b go together."""
    rng = np.random.default_rng(0)
    n = 40
    dx = np.arange(n) % 2
    series = rng.standard_normal((n, 60, len(REGIONS)))
    series[dx == 1, :, 1] += 1.2 * series[dx == 1, :, 0]
    who = [f"{row:02d}" for row in range(n)]
    people = pd.DataFrame({"participant_id": who, "site": ["x", "y", "y", "x"] * 10, "dx": dx})
    people["age"] = rng.uniform(8, 12, n)
    row, column = np.triu_indices(len(REGIONS), 1)
    edges = np.array([np.corrcoef(one.T)[row, column] for one in series])
    table = edge_table(edges, who, regions=REGIONS)
    counts = rng.poisson(9, (n, 2 * len(REGIONS))).astype(np.float32)
    maps = dataclasses.replace(
        table,
        X=counts,
        feature=np.repeat(["degree", "cycle3"], len(REGIONS)),
        region=np.tile(REGIONS, 2),
        node=np.tile(np.arange(len(REGIONS)), 2),
        bin=np.zeros(len(counts.T), int),
        density=np.full(len(counts.T), np.nan),
    )
    return join_features([maps, table, covariance_table(series, who, regions=REGIONS)]), people


@pytest.mark.parametrize(
    ("primary", "kind"),
    [
        ("fc", LinearReference),
        ("tangent", FoldPipeline),
        ("degree", GraphDiagnosis),
        ("degree+cycle3", GraphDiagnosis),
        ("degree+cycle3+mask", GraphDiagnosis),
    ],
)
def test_the_declared_variant_is_fitted_saved_and_read(cohort, primary, kind, tmp_path):
    features, people = cohort
    analyses, _, _ = final.analyses(features, people, SETTINGS | {"primary": primary}, 0)
    (declared,) = [item for item in analyses if item.primary]
    assert declared.input == primary.removesuffix("+mask")
    assert (declared.mask == "mask") == primary.endswith("+mask")
    assert f"{declared.input}+phenotype" in [item.input for item in analyses]
    model, pattern = final.fit(declared, features, people)
    assert isinstance(model, kind)
    loaded = kind.load(model.save(tmp_path / "model.npz"))
    np.testing.assert_array_equal(
        loaded.decision_function(declared.X), model.decision_function(declared.X)
    )
    assert len(pattern) == len(model.pattern_)
    if primary in ("fc", "tangent"):
        # cases differ in the edge a|b, and the pattern says so by name
        assert pattern.loc[pattern["pattern"].abs().idxmax(), "region"] == "a|b"
        assert len(pattern) == 10 and "a|a" not in set(pattern["region"])


def test_a_pipeline_with_another_step_is_not_written(cohort, tmp_path):
    from sklearn.preprocessing import StandardScaler

    features, people = cohort
    pipeline = FoldPipeline(StandardScaler(), LinearReference())
    pipeline.fit(features.select("fc").X, people["dx"].to_numpy(), strata=people["site"])
    with pytest.raises(ValueError, match="pipeline with StandardScaler, expected TangentSpace"):
        pipeline.save(tmp_path / "model.npz")


def mapping(adhd):
    return {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}, "adhd": adhd}


@pytest.mark.parametrize(
    ("adhd", "message"),
    [
        ({"primary": "fc"}, "got 'fc', but adhd.features has no 'fc'"),
        ({"primary": "fc+mask", "features": ["fc"]}, "'fc' are edges; declare 'fc'"),
        (
            {"primary": "degree+tangent", "features": ["degree", "tangent"]},
            "'tangent' has a classifier of its own; declare 'tangent' or graph maps",
        ),
    ],
)
def test_what_cannot_be_declared_is_one_line(adhd, message):
    found = [line for line in config.resolve(mapping(adhd)) if "adhd.primary" in line]
    assert len(found) == 1 and message in found[0]


@pytest.mark.parametrize("primary", ["fc", "tangent", "cycle3+degree"])
def test_other_inputs_can_be_declared(primary):
    adhd = {"primary": primary, "features": ["cycle3", "degree", "fc", "tangent"]}
    assert not [line for line in config.resolve(mapping(adhd)) if "adhd.primary" in line]


class SiteMeans(TransformerMixin, BaseEstimator):
    """Takes off what the training rows of a site have in common."""

    def fit(self, X, y=None, site=None):
        self.means_ = {one: X[site == one].mean(axis=0) for one in np.unique(site)}
        return self

    def transform(self, X, site=None):
        return X - np.array([self.means_[one] for one in site])


def test_a_step_that_knows_sites_knows_them_of_new_rows_too():
    rng = np.random.default_rng(0)
    site, y = np.array(["a", "b"] * 30), rng.permutation(60) % 2
    X = rng.standard_normal((60, 5)) + 4.0 * (site == "b")[:, None]
    X[:, 0] += y
    pipeline = FoldPipeline(SiteMeans(), LinearReference()).fit(X[:40], y[:40], site=site[:40])
    step = SiteMeans().fit(X[:40], site=site[:40])
    alone = LinearReference().fit(step.transform(X[:40], site[:40]), y[:40], site=site[:40])
    np.testing.assert_allclose(
        pipeline.decision_function(X[40:], site=site[40:]),
        alone.decision_function(step.transform(X[40:], site[40:]), site=site[40:]),
    )
