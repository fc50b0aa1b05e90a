"""What several stages need stands once: folds, ridge, softmax, adjusted Rand index, Fisher's z."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from neuro.stats import splits
from neuro.stats.ridge import RidgePath

PACKAGE = Path(__file__).parents[2] / "neuro"
# What a second one would look like in the source, and the one file that may.
SIGNS = {
    "folds": (
        r"%\s*(n_folds|folds|cv|FRESH|INNER)\b|::\s*(n_folds|min\(N)",
        "splits",
    ),
    "folds of a library": (r"\b\w*(KFold|ShuffleSplit|train_test_split)\b", None),
    "ridge": (r"/ \([^\n]*(values|\*\* ?2)[^\n]* \+ [^\n]*(alpha|penalt|ridge)", "ridge"),
    "ridge by solving": (r"linalg\.(solve|inv)\([^\n]*(alpha|penalt|ridge)", None),
    "softmax": (r"np\.exp\((\w+) - \1\.max|np\.exp\((np\.maximum\()?shifted", None),
    "rand index": (r"def \w*rand(_index)?\(", "agreement"),
    "Fisher z": (r"np\.arctanh\(np\.clip", "fisher"),
}


@pytest.fixture(scope="module")
def sources():
    return {
        path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")
    }


@pytest.mark.parametrize("what", SIGNS)
def test_there_is_no_second_one(what, sources):
    sign, home = SIGNS[what]
    found = {name for name, text in sources.items() if re.search(sign, text)}
    assert found - {f"stats/{home}.py"} == set()


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("folds", "fold = np.arange(n) % n_folds"),
        ("folds", "held = np.sort(order[fold::n_folds])"),
        ("folds of a library", "from sklearn.model_selection import StratifiedGroupKFold"),
        ("ridge", "weights = (target / (values + alpha * unit)[:, None])"),
        ("ridge", "gain = scale / (scale ** 2 + np.asarray(penalties)[:, None])"),
        ("ridge by solving", "w = np.linalg.solve(X.T @ X + alpha * np.eye(3), X.T @ y)"),
        ("softmax", "scaled = np.exp(scaled - scaled.max(axis=0))"),
        ("rand index", "def adjusted_rand(a, b):"),
        ("Fisher z", "z = np.arctanh(np.clip(r, -1, 1))"),
    ],
)
def test_a_second_one_would_be_noticed(what, line):
    assert re.search(SIGNS[what][0], line)


@pytest.mark.parametrize(("n", "p"), [(60, 7), (20, 45), (30, 30)])
def test_ridge_path_equals_scikit_learn_for_every_penalty_and_weight(n, p):
    rng = np.random.default_rng(0)
    X, Y, new = rng.normal(size=(n, p)) + 2, rng.normal(size=(n, 3)) - 1, rng.normal(size=(9, p))
    X[:, -1] = X[:, 0]
    for weight in (None, rng.uniform(0.1, 3, n)):
        path = RidgePath(X, Y, weight)
        each = np.array([0.01, 1.0, 100.0])
        for penalty in (1e-3, 5.0, each):
            alpha = penalty if np.ndim(penalty) == 0 else each
            slow = Ridge(alpha=alpha, solver="cholesky").fit(X, Y, sample_weight=weight)
            coef, intercept = path.solve(penalty)
            np.testing.assert_allclose(coef.T, slow.coef_, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(intercept, slow.intercept_, rtol=1e-6, atol=1e-8)
            guess = path.project(new) @ path.weights(penalty) + path.y_mean
            np.testing.assert_allclose(guess, slow.predict(new), rtol=1e-6, atol=1e-8)


def test_constant_features_have_no_weights():
    path = RidgePath(np.ones((6, 3)), np.arange(6.0)[:, None])
    coef, intercept = path.solve(0.1)
    assert (coef == 0).all() and intercept == pytest.approx(2.5)


def test_the_users_of_ridge_have_no_other(monkeypatch):
    from neuro.demovae.evaluation import readouts
    from neuro.encoding import ridge as voxels
    from neuro.mds.twin import ridges

    X, Y = np.random.default_rng(0).normal(size=(2, 40, 5))
    calls = {
        readouts: lambda: readouts._ridge(X, Y[:, 0], X),
        voxels: lambda: voxels.fit_ridge(X, Y),
        ridges: lambda: ridges.ridge(X, Y, X, Y),
    }
    for module, call in calls.items():
        call()
        monkeypatch.setattr(module, "RidgePath", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            call()


def in_turn(groups, strata, n_folds, seed):
    """Dealing in turn, the slow obvious way: stratum by stratum, name by name."""
    names = sorted(set(groups))
    first = {name: strata[list(groups).index(name)] for name in names}
    rng, fold, turn = np.random.default_rng(seed), {}, 0
    for stratum in sorted(set(first.values())):
        inside = np.array([k for k, name in enumerate(names) if first[name] == stratum])
        for k in rng.permutation(inside):
            fold[names[k]] = turn % n_folds
            turn += 1
    return np.array([fold[name] for name in groups])


def test_dealing_is_in_turn_and_goes_around_what_was_dealt():
    rng = np.random.default_rng(0)
    for seed in range(20):
        n = int(rng.integers(8, 40))
        groups = rng.permutation(np.repeat([f"s{k:02d}" for k in range(n)], 2))
        strata = np.array([f"{int(name[1:]) % 3}" for name in groups])
        found = splits.stratified_group_folds(groups, strata, 4, seed)
        np.testing.assert_array_equal(found, in_turn(groups, strata, 4, seed))
        dealt = np.where(np.isin(groups, ["s00", "s01", "s02"]), 3, -1)
        around = splits.stratified_group_folds(groups, strata, 4, seed, dealt)
        assert (around[dealt >= 0] == 3).all()
        sizes = np.bincount([around[groups == name][0] for name in sorted(set(groups))])
        assert np.ptp(sizes) <= 2


def test_images_of_one_number_are_one_group_and_numbers_sort_as_numbers():
    groups = np.repeat(np.arange(12), 3)
    found = splits.stratified_group_folds(groups, np.zeros(36), 4, 5)
    order = np.random.default_rng(5).permutation(12)
    assert [found[groups == k][0] for k in order] == [k % 4 for k in range(12)]


def test_held_out_groups_are_whole_and_as_many_as_asked():
    groups = np.repeat([f"s{k}" for k in range(10)], 3)
    held = splits.hold_out(groups, 4, 0)
    assert len(set(groups[held])) == 4 and not set(groups[held]) & set(groups[~held])
    assert not splits.hold_out(groups, 0, 0).any()
    assert (held != splits.hold_out(groups, 4, 1)).any()


def test_folds_along_sorted_values_and_in_time():
    values = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.0])
    assert splits.sorted_folds(values, 3).tolist() == [2, 1, 1, 2, 0, 0]
    whole = splits.sorted_folds(values, 2, groups=list("aabbcc"))
    assert whole.tolist() == [0, 0, 1, 1, 0, 0]
    assert splits.ordered_folds(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert splits.ordered_folds(7, 3, "interleaved").tolist() == [0, 1, 2, 0, 1, 2, 0]
