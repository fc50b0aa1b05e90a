"""Input 'tangent': covariances as features, the tangent space learned in every training fold."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.diagnosis.baselines import LinearReference
from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.pipeline import FoldPipeline
from neuro.adhd.diagnosis.variants import imaging_variants
from neuro.adhd.features.graph_features import covariance_table
from neuro.stats.tangent import TangentSpace, pack, shrunk_correlation


@pytest.fixture
def planted():
    """40 subjects, 6 regions; cases have one stronger link."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    series = []
    for case in y:
        values = rng.normal(size=(150, 6))
        values[:, 1] += (0.2 + 0.5 * case) * values[:, 0]
        series.append(values)
    names = [f"{k:02d}" for k in range(40)]
    folds = pd.DataFrame(
        {
            "participant_id": names,
            "scheme": "pooled",
            "repeat": 1,
            "fold": [str(k // 2 % 4) for k in range(40)],
        }
    )
    return series, names, y, folds


def test_covariances_are_averaged_and_lose_regions_that_a_run_lacks(planted):
    series, names, _, _ = planted
    series = [values.copy() for values in series[:4]]
    series[2][:, 3] = np.nan
    table = covariance_table(series, [*names[:3], names[2]])
    assert table.X.shape == (3, 15) and set(table.feature) == {"tangent"}
    kept = [0, 1, 2, 4, 5]
    each = [pack(shrunk_correlation(values[:, kept])) for values in series]
    np.testing.assert_allclose(table.X[0], each[0], rtol=1e-6)
    np.testing.assert_allclose(table.X[2], (each[2] + each[3]) / 2, rtol=1e-6)
    for values in series:
        values[:, :5] = np.nan
    with pytest.raises(ValueError, match="'tangent' needs regions that every run covers; 1 of 6"):
        covariance_table(series, names[:4])


def decisions(X, y, names, folds):
    pipeline = FoldPipeline(TangentSpace(), LinearReference())
    found = nested_cv(pipeline, X, y, groups=names, site=np.array(["a"] * len(y)), folds=folds)
    table = found.predictions.set_index("participant_id")
    return table["score"].reindex(names).to_numpy(float)


def test_every_fold_learns_its_own_space_and_sees_no_test_subject(planted):
    series, names, y, folds = planted
    X = covariance_table(series, names).X
    names = np.array(names)
    found = decisions(X, y, names, folds)
    # by hand
    for fold, part in folds.groupby("fold"):
        test = np.isin(names, part["participant_id"])
        space = TangentSpace().fit(X[~test])
        model = LinearReference().fit(
            space.transform(X[~test]), y[~test], groups=names[~test], site=np.array(["a"] * 30)
        )
        by_hand = model.decision_function(space.transform(X[test]), site=np.array(["a"] * 10))
        np.testing.assert_allclose(found[test], by_hand, rtol=1e-4, atol=1e-5, err_msg=fold)
    # another test subject changes nothing for the others of its fold
    changed = X.copy()
    changed[0] = pack(np.diag(np.arange(1.0, 7)))
    again = decisions(changed, y, names, folds)
    same = (folds["fold"] == folds["fold"][0]).to_numpy() & (np.arange(40) > 0)
    np.testing.assert_array_equal(again[same], found[same])
    # chance reaches 30 of 40 with p < .001
    assert ((found > 0) == y).sum() >= 30


def test_the_variant_is_the_linear_reference_behind_a_tangent_space(planted):
    series, names, _, _ = planted
    table = covariance_table(series, names)
    degree = type(table)(
        X=np.ones((40, 2), np.float32),
        participant_id=table.participant_id,
        feature=np.array(["degree"] * 2),
        region=np.array(["a", "b"]),
        node=np.arange(2),
        bin=np.zeros(2, int),
        density=np.full(2, 0.1),
    )
    from neuro.adhd.features.table import join_features

    both = join_features([degree, table])
    found = {
        v.input: v for v in imaging_variants(both, inputs=("degree", "tangent"), primary="degree")
    }
    assert isinstance(found["tangent"].estimator, FoldPipeline)
    assert isinstance(found["tangent"].estimator.transformer, TangentSpace)
    assert found["tangent"].X.shape == (40, 21)
