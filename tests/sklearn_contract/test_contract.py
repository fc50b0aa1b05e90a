"""scikit-learn's contract: its own checks on all estimators, and what its tools do with them."""

import ast
import importlib
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

sys.path.insert(0, str(Path(__file__).parent))

import estimators as known

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "VoxelGraph": {
        "check_estimators_empty_data_messages": "a mask without voxels has a graph without nodes",
        "check_fit2d_1sample": "rows are time points, and the error says so",
    },
}
"""Checks that fail, by class, with the reason."""
MORE = (
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
)
"""Checks of scikit-learn that its suite for others leaves out: names and order of columns."""
FREE = (
    *("check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types"),
    *("check_estimator_repr", "check_no_attributes_set_in_init", "check_mixin_order"),
    *("check_do_not_raise_errors_in_init_or_set_params", "check_get_params_invariance"),
    *("check_parameters_default_constructible", "check_set_params"),
)
"""Checks that need no data."""
FREE_EXPECTED = {
    ("CheckpointTwin", "check_no_attributes_set_in_init"): "its constructor reads the file",
    ("CheckpointTwin", "check_do_not_raise_errors_in_init_or_set_params"): "-1 is no file",
    ("ModuleTwin", "check_no_attributes_set_in_init"): "its constructor loads the module",
    ("ModuleTwin", "check_parameters_default_constructible"): "refused without predictions",
    ("ModuleTwin", "check_do_not_raise_errors_in_init_or_set_params"): "-1 is no module",
}
PARTS = {
    "ContinuousTerm": "one column of DemographicCoder",
    "LevelTerm": "one column of DemographicCoder",
    "DemographicCoder": "numbers for the decoder, inside DemoVAE",
    "SurfaceParcellator": "Parcellator of another geometry; tests/fmri/test_surfaces.py",
}
"""Classes with a `fit` that are parts of an estimator and not for users."""
BASES = {"_FactorModel", "Foreign"}

natives = pytest.mark.parametrize("native", known.NATIVE, ids=list(known.NAMED))


@parametrize_with_checks(
    known.ARRAYS,
    expected_failed_checks=lambda estimator: EXPECTED.get(type(estimator).__name__, {}),
    xfail_strict=True,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", known.ARRAYS, ids=lambda item: type(item).__name__)
@pytest.mark.parametrize("check", MORE)
def test_columns_have_names(estimator, check):
    if check != MORE[0] and not hasattr(estimator, "get_feature_names_out"):
        assert not hasattr(estimator, "transform")
        return
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


@natives
@pytest.mark.parametrize("check", FREE)
def test_checks_without_data(native, check):
    estimator = native.make()
    name = type(estimator).__name__
    assert len(native.why) > 10
    if (name, check) in FREE_EXPECTED:
        with pytest.raises(Exception):  # noqa: B017  the kind of failure is scikit-learn's
            getattr(estimator_checks, check)(name, estimator)
        return
    getattr(estimator_checks, check)(name, estimator)


def public(estimator):
    return {name for name in vars(estimator) if not name.startswith("_")}


def fitted(native, estimator=None):
    estimator = native.make() if estimator is None else estimator
    assert estimator.fit(*native.rows, **native.known) is estimator
    return estimator


@natives
def test_fit_keeps_parameters_and_marks_what_it_learned(native):
    estimator = native.make()
    before, rows = estimator.get_params(), pickle.dumps(native.rows)
    given = public(estimator)
    fitted(native, estimator)
    assert pickle.dumps(native.rows) == rows
    after = estimator.get_params()
    assert all(after[name] is value for name, value in before.items())
    # `offset` is the word by which the search reads twins, those of users too
    new = public(estimator) - given - {"offset"}
    assert {name for name in new if not name.endswith("_")} == set()
    check_is_fitted(estimator)


@natives
def test_unfitted_estimators_say_so(native):
    estimator = native.make()
    if not get_tags(estimator).requires_fit:
        np.testing.assert_array_equal(native.use(estimator), native.use(fitted(native)))
        return
    if native.kind not in (known.CheckpointTwin, known.ModuleTwin):  # others have fitted it
        with pytest.raises(NotFittedError):
            native.use(estimator)


@natives
def test_the_same_rows_give_the_same_fit_after_pickle_and_clone(native):
    estimator = fitted(native)
    want = native.use(estimator)
    np.testing.assert_array_equal(native.use(pickle.loads(pickle.dumps(estimator))), want)
    np.testing.assert_array_equal(native.use(fitted(native, estimator)), want)
    np.testing.assert_array_equal(native.use(fitted(native, clone(estimator))), want)


SEEDLESS = {
    "DemoVAE": "the linear mode trains no network",
    "MostDiscriminativeStimuli": "the groups of the example are told apart by every start",
    "TemporalTwin": "the seed draws the validation rows of data without tiers alone",
}
"""Estimators whose example has one result, whatever the seed."""


@natives
def test_another_seed_is_another_fit(native):
    if "random_state" not in native.make().get_params():
        pytest.skip("nothing random")
    results = [native.use(fitted(native, native.make().set_params(random_state=k))) for k in (1, 2)]
    assert np.array_equal(*results) == (native.kind.__name__ in SEEDLESS)


@natives
def test_rows_come_first_and_the_target_second(native):
    estimator = native.make()
    for method in ("fit", "fit_transform", "score"):
        if not hasattr(estimator, method):
            continue
        words = [
            (name, word.kind)
            for name, word in inspect.signature(getattr(estimator, method)).parameters.items()
        ]
        assert words[1][0] in ("y", "betas", "responses"), (method, words)
    if hasattr(estimator, "transform"):
        words = list(inspect.signature(estimator.transform).parameters.values())
        assert all(word.kind in (word.KEYWORD_ONLY, word.VAR_KEYWORD) for word in words[1:])


TABLES = ("CovariateBaseline", "ImagingAndCovariates", "DemoVAE", "ConfoundResidualizer")


@pytest.mark.parametrize("name", (*TABLES, "TangentSpace"))
def test_rows_beside_a_table_are_checked_as_well(name):
    native = known.NAMED[name]
    X, *rest = native.rows
    columns = [f"c{number}" for number in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=columns)
    estimator = native.make().fit(frame, *rest, **native.known)
    assert estimator.feature_names_in_.tolist() == columns
    assert estimator.n_features_in_ == X.shape[1]
    method = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    known_of = {key: value for key, value in native.known.items() if name != "DemoVAE"}
    np.testing.assert_array_equal(method(frame, **known_of), native.use(fitted(native)))
    with pytest.raises(ValueError, match="feature names should match"):
        method(frame[columns[::-1]], **known_of)
    with pytest.raises(ValueError, match=r"6 (features|edges)"):
        method(X[:, :6], **known_of)
    wrong = [sparse.csr_array(X), X.astype(complex), np.full(X.shape, "a"), X[0]]
    if not get_tags(estimator).input_tags.allow_nan:
        wrong.append(np.where(X[0, 0] < X, np.nan, X))
    for bad in wrong:
        with pytest.raises((TypeError, ValueError)):
            native.make().fit(bad, *rest, **native.known)


@natives
def test_a_notebook_shows_it(native):
    estimator = native.make()
    shown = estimator._repr_mimebundle_()
    assert type(estimator).__name__ in shown["text/html"]
    assert type(estimator).__name__ in shown["text/plain"]


@natives
def test_tables_have_named_columns(native):
    estimator = native.make()
    if not hasattr(estimator, "get_feature_names_out"):
        return
    estimator.set_output(transform="pandas")
    table = native.use(fitted(native, estimator))
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == estimator.get_feature_names_out().tolist()
    assert table.columns.is_unique
    np.testing.assert_array_equal(table.to_numpy(), native.use(fitted(native)))
    with config_context(transform_output="pandas"):
        # what estimators do inside does not follow the user's setting
        np.testing.assert_array_equal(native.use(fitted(native)).to_numpy(), table.to_numpy())


@pytest.mark.parametrize("labels", [["control", "case"], [False, True], [3, 7]])
@pytest.mark.parametrize("position", [1, 3, 4, 5])
def test_classifiers_map_any_two_classes(labels, position):
    estimator = known.ARRAYS[position]
    labels = np.array(labels)
    plain = clone(estimator).fit(known.ROWS, np.searchsorted(np.sort(labels), labels[known.Y]))
    named = clone(estimator).fit(known.ROWS, labels[known.Y])
    assert named.classes_.tolist() == sorted(labels.tolist())
    np.testing.assert_array_equal(
        named.predict(known.ROWS), named.classes_[plain.predict(known.ROWS)]
    )
    np.testing.assert_array_equal(
        named.decision_function(known.ROWS), plain.decision_function(known.ROWS)
    )
    assert named.score(known.ROWS, labels[known.Y]) == plain.score(
        known.ROWS, np.searchsorted(np.sort(labels), labels[known.Y])
    )


def test_what_estimators_do_inside_does_not_follow_the_users_output():
    for estimator in (known.ARRAYS[1], known.ARRAYS[2], known.ARRAYS[4], known.ARRAYS[5]):
        method = "predict" if hasattr(estimator, "predict") else "transform"
        want = getattr(clone(estimator).fit(known.ROWS, known.Y), method)(known.ROWS)
        with config_context(transform_output="pandas"):
            found = getattr(clone(estimator).fit(known.ROWS, known.Y), method)(known.ROWS)
        np.testing.assert_array_equal(np.asarray(found), want)


def test_coordinates_are_no_target():
    series = known.ROWS
    graph = known.VoxelGraph(density=0.2)
    assert graph.fit(series, known.Y).distance_degree_ is None
    with pytest.raises(TypeError):
        graph.fit(series, None, np.zeros((10, 3)))
    frame = pd.DataFrame(series, columns=list("abcdefghij"))
    assert graph.fit(frame).feature_names_in_.tolist() == list("abcdefghij")
    assert not hasattr(graph.fit(series), "feature_names_in_")
    # a pipeline may end with it
    ended = make_pipeline(StandardScaler(), known.VoxelGraph(density=0.2)).fit(series, known.Y)
    np.testing.assert_array_equal(ended[-1].degree_, graph.degree_)


def test_a_grid_over_mask_and_classifier():
    pipe = Pipeline([("mask", known.RegionMask(inner_cv=2)), ("svm", known.LinearReference())])
    names = np.repeat(list("abcde"), 2)
    grid = GridSearchCV(pipe, {"mask__cut": [0.2, 1.0], "svm__C": [1e-4, 1.0]}, cv=3)
    grid.fit(known.ROWS, np.array(["no", "yes"])[known.Y], mask__regions=names)
    assert grid.best_score_ > 0.8 and set(grid.predict(known.ROWS)) == {"no", "yes"}
    assert grid.best_estimator_[0].regions_.tolist() == list("abcde")
    assert grid.best_estimator_[0].kept_.sum() == round(5 * grid.best_params_["mask__cut"])


def test_runs_go_through_a_pipeline():
    rng = np.random.default_rng(1)
    y = np.tile([0, 1], 15)
    runs = []
    for case in y:
        run = rng.standard_normal((80, 5))
        run[:, 1] += 1.2 * case * run[:, 0]
        runs.append(run)
    for first in (known.Connectome(), known.TangentConnectome()):
        pipe = make_pipeline(first, known.FeatureScaler(), known.LinearReference(C=0.1))
        assert cross_val_score(pipe, runs, y, cv=3).mean() > 0.9
        again = first.fit(runs)
        with pytest.raises(ValueError, match="series"):
            again.transform([run[:, :4] for run in runs])


def test_cleaning_in_front_of_a_parcellation():
    (series,) = known.NAMED["Parcellator"].rows
    series = np.tile(series, (12, 1)) + np.random.default_rng(0).standard_normal((120, 64))
    pipe = Pipeline([("clean", known.Denoiser()), ("parcels", known.NAMED["Parcellator"].make())])
    found = pipe.fit_transform(series, clean__tr=2.0)
    cleaned = known.Denoiser().fit(tr=2.0, keep=np.ones(120, bool)).transform(series)
    np.testing.assert_allclose(found[:, 0], cleaned[:, :32].mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("name", ["OneHotHMMGLM", "EncoderTwin", "VoxelEncoder"])
def test_cross_validation_of_what_is_no_table(name):
    native = known.NAMED[name]
    estimator = native.make()
    scores = cross_val_score(estimator, *native.rows, cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    if name != "OneHotHMMGLM":
        return
    one, other = native.rows[0][:2], native.rows[0][2:]
    assert scores[0] == clone(estimator).fit(other).score(one)
    grid = GridSearchCV(estimator, {"n_states": [1, 2]}, cv=2).fit(native.rows[0])
    assert grid.best_params_["n_states"] in (1, 2)


def classes():
    """Names of all classes of the package that have a `fit`, of their own or by a base."""
    own, bases = set(), {}
    for path in sorted((ROOT / "neuro").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
                own |= {node.name} if "fit" in methods else set()
                found = {base.id for base in node.bases if isinstance(base, ast.Name)}
                bases.setdefault(node.name, set()).update(found)

    def fits(name):
        return name in own or any(fits(base) for base in bases.get(name, ()))

    return {name for name in bases if fits(name)}


def test_the_list_is_complete():
    listed = {type(item).__name__ for item in known.ARRAYS} | set(known.NAMED)
    assert classes() - BASES - set(PARTS) == listed
    for stage in ("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive", "encoding"):
        package = importlib.import_module(f"neuro.{stage}")
        for name in getattr(package, "__all__", dir(package)):
            item = getattr(package, name)
            if inspect.isclass(item) and hasattr(item, "fit"):
                assert item.__name__ in listed, f"neuro.{stage}.{name}"


def test_jobs_of_one_run_do_not_load_scikit_learn():
    names = (
        *("fmri.clean.run", "fmri.regions.connectome", "fmri.regions.parcellate"),
        *("fmri.raw.realign", "adhd.graph.runs", "ntf.factors.models", "hmmglm.model"),
        *("mds.clusters.estimator", "mds.twin.linear"),
    )
    code = "import sys\n" + "\n".join(f"import neuro.{name}" for name in names)
    code += "\nimport numpy as np; from neuro.adhd.graph.voxel_graph import VoxelGraph\n"
    code += "VoxelGraph(density=.2).fit(np.random.rand(20, 9))\nassert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_light_estimator_has_what_scikit_learns_base_has():
    theirs = {name for name in vars(BaseEstimator) if not name.startswith("_")}
    theirs |= {"__sklearn_tags__", "__repr__", "_repr_mimebundle_"}
    assert {name for name in theirs if not hasattr(known.VoxelGraph, name)} == set()
    model = known.Guard(known.VoxelGraph(density=0.2)).set_params(estimator__density=0.4)
    assert model.estimator.density == 0.4 and model.get_params()["estimator__density"] == 0.4
