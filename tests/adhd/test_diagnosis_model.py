"""The whole chain against a slow and obvious one, and the estimator's contract."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuro.adhd.diagnosis.mask import RegionMask, Rows, inner_folds
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.io.problems import InputProblem

SIZES = (2, 4)


def cohort(n=48, n_regions=8, width=(3,), seed=0, effect=1.2):
    rng = np.random.default_rng(seed)
    sizes = [width[r % len(width)] for r in range(n_regions)]
    regions = np.repeat([f"r{r:02d}" for r in range(n_regions)], sizes)
    y = np.arange(n) % 2
    X = rng.poisson(30, (n, len(regions))).astype(float)
    X[:, regions == "r03"] += effect * 6 * y[:, None]
    site = np.array(["a", "b", "c"])[np.arange(n) // 2 % 3]
    return X, y, regions, site


def plain_chain(X, y, X_new, k, shrinkage):
    """log1p, impute, z-score, PCA, LDA with scikit-learn's own parts."""
    scale = make_pipeline(SimpleImputer(strategy="mean"), StandardScaler())
    Z = scale.fit_transform(np.log1p(X))
    Z_new = scale.transform(np.log1p(X_new))
    pca = PCA(min(k, len(X) - 2, X.shape[1]), svd_solver="full").fit(Z)
    scores, new = pca.transform(Z), pca.transform(Z_new)
    case = y == 1
    m1, m0 = scores[case].mean(0), scores[~case].mean(0)
    within = np.where(case[:, None], scores - m1, scores - m0)
    covariance = (
        LedoitWolf(assume_centered=True).fit(within).covariance_
        if shrinkage
        else within.T @ within / len(within)
    )
    return (new - (m1 + m0) / 2) @ np.linalg.solve(covariance, m1 - m0)


def plain_mask(X, y, groups, site, regions, cut, shrinkage, k=10):
    labels = np.unique(regions)
    fold = inner_folds(Rows(X, groups, site), 5, 0)
    score = []
    for label in labels:
        guess = np.empty(len(y))
        for part in range(5):
            tr, te = fold != part, fold == part
            cols = regions == label
            guess[te] = plain_chain(X[tr][:, cols], y[tr], X[te][:, cols], k, shrinkage) > 0
        score.append(((guess[y == 1] == 1).mean() + (guess[y == 0] == 0).mean()) / 2)
    order = sorted(range(len(labels)), key=lambda r: (-score[r], r))
    kept = labels[sorted(order[: max(1, round(cut * len(labels)))])]
    return np.array(score), kept


def plain_diagnosis(X, y, groups, site, X_new, regions, cut, shrinkage):
    fold = inner_folds(Rows(X, groups, site), 5, 0)
    guess = {k: np.empty(len(y)) for k in SIZES}
    for part in range(5):
        tr, te = fold != part, fold == part
        _, kept = plain_mask(X[tr], y[tr], groups[tr], site[tr], regions, cut, shrinkage)
        cols = np.isin(regions, kept)
        for k in SIZES:
            guess[k][te] = plain_chain(X[tr][:, cols], y[tr], X[te][:, cols], k, shrinkage) > 0
    accuracy = [
        ((guess[k][y == 1] == 1).mean() + (guess[k][y == 0] == 0).mean()) / 2 for k in SIZES
    ]
    k = SIZES[int(np.argmax(accuracy))]
    score, kept = plain_mask(X, y, groups, site, regions, cut, shrinkage)
    cols = np.isin(regions, kept)
    return plain_chain(X[:, cols], y, X_new[:, cols], k, shrinkage), score, kept, accuracy


@pytest.mark.parametrize(
    ("width", "shrinkage"), [((1,), None), ((3,), "auto"), ((2, 5), None), ((14,), "auto")]
)
def test_chain_equals_the_obvious_one(width, shrinkage):
    X, y, regions, site = cohort(n_regions=5, width=width)
    X[5, 0] = np.nan
    groups = np.array([f"s{i}" for i in range(len(y))])
    train, test = np.arange(36), np.arange(36, 48)
    model = GraphDiagnosis(
        regions, True, mask_cut=0.4, n_components=SIZES, shrinkage=shrinkage, coverage=0.5
    )
    model.fit(X[train], y[train], groups=groups[train], strata=site[train])
    decision, score, kept, accuracy = plain_diagnosis(
        X[train], y[train], groups[train], site[train], X[test], regions, 0.4, shrinkage
    )
    np.testing.assert_allclose(model.region_scores_, score)
    np.testing.assert_array_equal(model.region_labels_[model.region_mask_], kept)
    np.testing.assert_allclose(model.inner_accuracy_, accuracy)
    np.testing.assert_allclose(model.decision_function(X[test]), decision, rtol=1e-7, atol=1e-9)


def test_mask_estimator_agrees_with_the_model():
    X, y, regions, site = cohort()
    model = GraphDiagnosis(regions, n_components=4).fit(X, y, strata=site)
    mask = RegionMask().fit(X, y, regions, strata=site)
    np.testing.assert_array_equal(mask.scores_, model.region_scores_)
    np.testing.assert_array_equal(mask.kept_, model.region_mask_)
    assert mask.transform(X).shape == (48, 3 * mask.kept_.sum())
    assert "r03" in mask.regions_[mask.kept_]


def test_rule_se_keeps_regions_above_chance_and_all_when_none_is():
    X, y, regions, _ = cohort(effect=3)
    mask = RegionMask("se").fit(X, y, regions)
    assert mask.kept_[3] and not mask.kept_.all()
    s = mask.scores_
    assert s[mask.kept_].min() > 0.5
    # labels against which every region fails
    worst = RegionMask("se", inner_cv=2)
    with pytest.warns(UserWarning, match="no region passed, all are kept"):
        worst.fit(np.ones((12, 4)), np.arange(12) % 2, np.array(list("abcd")))
    assert worst.kept_.all()


def test_rule_none_needs_no_regions():
    X, y, _, _ = cohort()
    model = GraphDiagnosis(mask_rule="none", n_components=5).fit(X, y)
    assert model.region_mask_.all() and np.isnan(model.region_scores_).all()
    assert model.predict_proba(X).shape == (48, 2)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), (model.predict_proba(X)[:, 1] > 0.5))


def test_several_densities_and_cuts_are_chosen_inside():
    X, y, regions, site = cohort(effect=0)
    good = X.copy()
    good[:, regions == "r03"] += 15 * y[:, None]
    both = np.hstack([X, good])
    density = np.repeat([0.1, 0.2], X.shape[1])
    model = GraphDiagnosis(
        np.tile(regions, 2), mask_cut=(0.2, 0.6), n_components=(1, 3), density=density
    ).fit(both, y, strata=site)
    assert model.density_ == 0.2
    assert len(model.candidates_) == len(model.inner_accuracy_) == 8
    assert not model.columns_[: X.shape[1]].any()
    best = model.candidates_[int(np.argmax(model.inner_accuracy_))]
    assert (best["density"], best["mask_cut"]) == (model.density_, model.mask_cut_)


@pytest.mark.parametrize("width", [(1,), (3,), (2, 5), (14,)])
@pytest.mark.parametrize("rule", ["top", "se", "none"])
@pytest.mark.filterwarnings("ignore:region mask")
def test_many_labels_equal_one_fit_each(width, rule):
    X, y, regions, site = cohort(width=width)
    rng = np.random.default_rng(1)
    groups = np.arange(48)
    rows = Rows(X, groups, site)
    train, test = rows.take(np.arange(36)), rows.take(np.arange(36, 48))
    labels = np.column_stack([y[:36]] + [rng.permutation(y[:36]) for _ in range(6)]).astype(bool)
    model = GraphDiagnosis(regions, True, mask_rule=rule, mask_cut=(0.3, 0.5), n_components=SIZES)
    many, inside = model.decide_many(train, labels, test, inner=True)
    for one in range(7):
        single = clone(model).fit(train.X, labels[:, one], groups=train.groups, strata=train.strata)
        np.testing.assert_allclose(single.decision_function(test.X), many[:, one], atol=1e-9)
        np.testing.assert_allclose(single.inner_decision_, inside[:, one], atol=1e-9)


def test_forward_pattern_finds_the_signal_and_not_the_noise_canceller():
    """A channel with noise only gets a large weight and no pattern (Haufe et al. 2014)."""
    rng = np.random.default_rng(0)
    n = 400
    y = np.arange(n) % 2
    noise = rng.standard_normal(n)
    X = np.column_stack([y + noise, noise]) + 0.01 * rng.standard_normal((n, 2))
    model = GraphDiagnosis(mask_rule="none", n_components=2, shrinkage=None).fit(X, y)
    assert abs(model.coef_[1]) > 0.5 * abs(model.coef_[0])
    assert abs(model.pattern_[1]) < 0.15 * abs(model.pattern_[0])
    Z = model.scaler_.transform(X)
    np.testing.assert_allclose(model.pattern_, np.cov(Z.T, bias=True) @ model.coef_)


def test_estimator_contract():
    X, y, regions, site = cohort()
    model = GraphDiagnosis(regions, np.ones(len(regions), bool), n_components=SIZES)
    assert set(model.get_params()) >= {"regions", "mask_rule", "n_components", "shrinkage"}
    twin = clone(model)
    np.testing.assert_array_equal(twin.regions, regions)
    model.fit(X, y, strata=site)
    again = twin.fit(X, y, strata=site)
    np.testing.assert_array_equal(model.coef_, again.coef_)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.decision_function(X), model.decision_function(X))


@pytest.mark.parametrize("extra", [False, True])
def test_saved_model_predicts_a_new_subject(tmp_path, extra):
    X, y, regions, site = cohort()
    X[3, 2] = np.nan
    table = pd.DataFrame(
        {"age": np.linspace(7, 18, 48), "sex": np.where(np.arange(48) % 3, "F", "M"), "site": site}
    )
    options = (
        {"harmonise": "location_scale", "deconfound": ("age", "sex"), "transductive": True}
        if extra
        else {}
    )
    model = GraphDiagnosis(
        regions, np.arange(len(regions)) < 9, n_components=SIZES, coverage=0.5, **options
    )
    model.fit(X, y, strata=site, site=site, covariates=table)
    path = model.save(tmp_path / "deep" / "model.npz")
    loaded = GraphDiagnosis.load(path)
    new = X[:7] + 1
    named = {"site": np.array(["a", "b", "c", "a", "b", "c", "a"]), "covariates": table[:7]}
    np.testing.assert_array_equal(
        loaded.decision_function(new, **named), model.decision_function(new, **named)
    )
    np.testing.assert_array_equal(loaded.region_mask_, model.region_mask_)
    np.testing.assert_array_equal(loaded.pattern_, model.pattern_)
    assert loaded.n_components_ == model.n_components_
    refitted = clone(loaded).fit(X, y, strata=site, site=site, covariates=table)
    np.testing.assert_allclose(refitted.coef_, model.coef_)
    with np.load(path, allow_pickle=False) as file:
        assert "meta" in file.files


def test_damaged_and_foreign_model_files(tmp_path):
    with pytest.raises(InputProblem, match="no such file"):
        GraphDiagnosis.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputProblem, match="not a saved model"):
        GraphDiagnosis.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", meta=np.array('{"format": "x", "version": 9}'))
    with pytest.raises(InputProblem, match=r"is x version 9, expected .* fit the model again"):
        GraphDiagnosis.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(48, int)}, "one class only, 0, in 48 rows; a diagnosis needs both"),
        ({"y": np.r_[-999, np.arange(47) % 2]}, "Only binary .* multiclass, with -999, 0, 1"),
        ({"y": np.arange(5) % 2}, r"inconsistent numbers of samples: \[48, 5\]"),
        ({"groups": ["a"]}, "groups: 1 values for 48 rows"),
        ({"regions": None}, "needs the region of each feature"),
        ({"regions": ["a"]}, "regions: 1 labels for 24 features"),
        ({"mask_rule": "best"}, "mask rule: got 'best', expected one of top, se, none"),
        ({"mask_cut": 0.0}, "mask cut: got 0.0"),
        ({"n_components": (0,)}, "expected whole numbers >= 1"),
        ({"shrinkage": "oas"}, "shrinkage: got 'oas'"),
        ({"inner_cv": 1}, "inner_cv: got 1"),
    ],
)
def test_bad_arguments_are_named_in_one_line(change, message):
    X, y, regions, _ = cohort()
    fit = {"y": change.pop("y", y), "groups": change.pop("groups", None)}
    with pytest.raises(ValueError, match=message) as caught:
        GraphDiagnosis(**{"regions": regions, **change}).fit(X, **fit)
    assert "\n" not in str(caught.value)


def test_wrong_number_of_features_at_prediction():
    X, y, regions, _ = cohort()
    model = GraphDiagnosis(regions, n_components=3).fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features, but GraphDiagnosis is expecting 24"):
        model.predict(X[:, :5])
