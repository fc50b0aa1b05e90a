"""The estimator: contract with scikit-learn, leaks, bad input, files."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from neuro.demovae.evaluation import evaluate
from neuro.demovae.model import DemoVAE
from neuro.io.problems import InputProblem

FAST = {"latent_dim": 6, "hidden": 60, "n_epochs": 30, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(small, columns):
    return DemoVAE(columns=columns, **FAST).fit(
        small.edges[:120], demographics=small.participants[:120]
    )


def table(small, rows):
    return small.participants[rows].reset_index(drop=True)


def test_clone_and_set_params_keep_everything_else(columns):
    model = DemoVAE(columns=columns, latent_dim=7, weights={"rec": 5.0}, random_state=3)
    assert clone(model).get_params() == model.get_params()
    model.set_params(latent_dim=9)
    assert model.latent_dim == 9
    assert model.weights == {"rec": 5.0}
    with pytest.raises(ValueError, match="Invalid parameter 'latent_dims'"):
        model.set_params(latent_dims=3)


def test_presets_and_what_is_given_on_top(small, columns):
    model = DemoVAE(
        "paper", columns=columns, weights={"rec": 7.0}, n_epochs=1, latent_dim=4, hidden=20
    ).fit(small.edges[:60], demographics=table(small, slice(0, 60)))
    assert model.settings_["space"] == "edges"
    assert model.settings_["age_basis"] == "raw"
    assert model.settings_["weights"] == {
        "rec": 7.0,
        "cov": 1.0,
        "mean": 1.0,
        "decor": 10.0,
        "guide": 0.001,
    }
    notebook = DemoVAE("paper_notebook", columns=columns, n_epochs=1, hidden=20, latent_dim=4)
    notebook.fit(small.edges[:60], demographics=table(small, slice(0, 60)))
    assert notebook.settings_["target"] == 0.1
    assert notebook.history_["total"].notna().all()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"preset": "best"}, "preset: got 'best'"),
        ({"mode": "vae"}, "mode: got 'vae', expected network, linear"),
        ({"weights": {"kl": 1}}, "weights: unknown term 'kl'"),
        ({"latent_dim": 0}, "latent_dim: got 0, expected a whole number >= 1"),
        ({"lr": -1}, "lr: got -1"),
        ({"validation": 1.5}, "validation: got 1.5"),
    ],
)
def test_bad_arguments_are_one_line(small, columns, options, line):
    with pytest.raises(ValueError) as caught:
        DemoVAE(**({"columns": columns} | options)).fit(
            small.edges, demographics=small.participants
        )
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_history_starts_at_the_linear_model_and_ends_where_it_stopped(fitted):
    history = fitted.history_
    assert history["epoch"].tolist() == list(range(31))
    best = history.set_index("epoch")["val_rec"].idxmin()
    assert fitted.n_epochs_ == best
    assert fitted.converged_
    assert fitted.levels_ == {"sex": ["F", "M"], "site": ["alpha", "beta", "gamma"]}
    assert fitted.ranges_["age"][0] >= 8


def test_training_from_random_weights_reaches_the_constraints_too(small, columns):
    rows = table(small, slice(0, 120))
    model = DemoVAE(columns=columns, init="random", **FAST | {"hidden": 120}).fit(
        small.edges[:120], demographics=rows
    )
    Z = model.transform(small.edges[:120])
    assert model.moment_error_ <= 0.02
    inside = evaluate.correlations(Z, rows, columns)
    assert max(np.abs(value).max() for value in inside.values()) <= 0.01


def test_edges_and_coordinates_are_the_same_model_at_the_start(small, columns):
    rows = table(small, slice(0, 60))
    options = FAST | {"n_epochs": 1, "lr": 1e-12, "validation": 0.0}
    Z = [
        DemoVAE(columns=columns, space=space, **options)
        .fit(small.edges[:60], demographics=rows)
        .transform(small.edges[60:])
        for space in ("pc", "edges")
    ]
    np.testing.assert_allclose(Z[0], Z[1], atol=1e-3)


def test_transform_does_not_know_the_demographics_of_new_rows(fitted, small):
    Z = fitted.transform(small.edges[120:])
    mixed = small.participants[120:].sample(frac=1, random_state=0)
    fitted.score(small.edges[120:], demographics=mixed.reset_index(drop=True))
    np.testing.assert_array_equal(fitted.transform(small.edges[120:]), Z)


def test_new_rows_leave_no_trace_in_a_fit(small, columns):
    rows = table(small, slice(0, 120))
    changed = small.edges.copy()
    changed[120:] *= -1
    models = [
        DemoVAE(columns=columns, **FAST).fit(edges[:120], demographics=rows)
        for edges in (small.edges, changed)
    ]
    np.testing.assert_array_equal(models[0].codec_.enc1, models[1].codec_.enc1)


def test_same_seed_same_bits_and_another_seed_another_model(small, columns):
    rows = table(small, slice(0, 120))
    Z = [
        DemoVAE(columns=columns, **FAST | {"random_state": seed})
        .fit(small.edges[:120], demographics=rows)
        .transform(small.edges[120:])
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(Z[0], Z[1])
    assert not np.array_equal(Z[0], Z[2])


def test_runs_of_a_subject_stay_together(small, columns):
    from neuro.demovae.training.fitting import held_out

    groups = np.repeat([f"s{i}" for i in range(40)], 3)
    out = held_out(groups, 0.1, 0)
    assert out.sum() == 12
    assert {len(set(out[groups == name])) for name in set(groups)} == {1}
    assert not held_out(groups, 0.0, 0).any()
    assert not held_out(groups[:9], 0.5, 0).any(), "too few subjects to spare any"


@pytest.mark.parametrize("suffix", ["network", "linear", "paper"])
def test_save_and_load_in_a_fresh_process(small, columns, tmp_path, suffix):
    kind = {"network": {}, "linear": {"mode": "linear"}, "paper": {"preset": "paper"}}[suffix]
    rows = table(small, slice(0, 120))
    model = DemoVAE(columns=columns, **FAST, **kind).fit(small.edges[:120], demographics=rows)
    path = model.save(tmp_path / "model.npz")
    np.save(tmp_path / "x.npy", small.edges[120:])
    code = (
        "import sys, numpy as np; from neuro.demovae.model import DemoVAE; "
        f"m = DemoVAE.load({str(path)!r}); x = np.load({str(tmp_path / 'x.npy')!r}); "
        f"np.save({str(tmp_path / 'z.npy')!r}, m.transform(x)); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
    z = model.transform(small.edges[120:])
    # sums of hundreds of single precision products, in the order of that process' kernels
    rounding = 50 * np.finfo(np.float32).eps * np.abs(z).max()
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), z, rtol=0, atol=rounding)
    back = DemoVAE.load(path)
    assert back.get_params()["latent_dim"] == 6
    new = table(small, slice(120, 160))
    np.testing.assert_allclose(
        back.reconstruct(small.edges[120:], new, {"age": 12.0}),
        model.reconstruct(small.edges[120:], new, {"age": 12.0}),
        atol=1e-6,
    )
    same = [item.sample(5, new[:1], random_state=1) for item in (model, back)]
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    pd.testing.assert_frame_equal(back.history_, model.history_, check_dtype=False)
    clone(back).fit(small.edges[:120], demographics=rows)


def test_pickle_works_and_damaged_files_are_refused(fitted, small, tmp_path):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(small.edges), fitted.transform(small.edges))
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"PK nothing")
    with pytest.raises(InputProblem, match="not a saved model, or damaged"):
        DemoVAE.load(bad)
    np.savez(tmp_path / "other.npz", meta=np.array('{"format": "x", "version": 9}'))
    with pytest.raises(InputProblem, match="is x version 9"):
        DemoVAE.load(tmp_path / "other.npz")
    with pytest.raises(InputProblem, match="no such file"):
        DemoVAE.load(tmp_path / "none.npz")


def test_grid_search_with_demographics_that_follow_the_folds(small, columns):
    with sklearn.config_context(enable_metadata_routing=True):
        model = DemoVAE(columns=columns, mode="linear", random_state=0)
        model.set_fit_request(demographics=True, groups=True)
        model.set_score_request(demographics=True)
        search = GridSearchCV(model, {"latent_dim": [3, 12]}, cv=3)
        search.fit(small.edges, demographics=small.participants)
    assert search.best_params_ == {"latent_dim": 12}


def test_reconstruction_with_some_columns_set(fitted, small):
    X, new = small.edges[120:], table(small, slice(120, 160))
    everything = fitted.reconstruct(X)
    assert everything.shape == X.shape
    by_hand = fitted.reconstruct(X, set={"age": None, "sex": None, "site": None})
    np.testing.assert_array_equal(everything, by_hand)
    partly = fitted.reconstruct(X, new, {"site": "alpha"})
    told = new.assign(site="alpha")
    np.testing.assert_allclose(
        partly, fitted.inverse_transform(fitted.transform(X), told), atol=1e-6
    )
    own = fitted.inverse_transform(fitted.transform(X), new)
    added = fitted.reconstruct(X, new, {"site": "alpha"}, add_back=True)
    np.testing.assert_allclose(added, X - own + partly, atol=1e-5)
    with pytest.raises(ValueError, match=r"columns that keep their values \(age, sex\) needs"):
        fitted.reconstruct(X, set={"site": "alpha"})
    with pytest.raises(ValueError, match="add_back needs them"):
        fitted.reconstruct(X, add_back=True)
    with pytest.raises(ValueError, match="set: no column 'iq' in the model"):
        fitted.reconstruct(X, new, {"iq": 100})
    with pytest.raises(ValueError, match="unknown level 'delta' of 'site'"):
        fitted.reconstruct(X, new, {"site": "delta"})


def test_score_is_the_rmse_over_edges(fitted, small):
    X, new = small.edges[120:], table(small, slice(120, 160))
    decoded = fitted.inverse_transform(fitted.transform(X), new)
    expected = -np.sqrt(((X - decoded) ** 2).mean())
    assert fitted.score(X, demographics=new) == pytest.approx(expected, rel=1e-4)


def test_a_table_of_edges_is_matched_by_index(small, columns):
    people = small.participants.set_index("participant_id")
    X = pd.DataFrame(small.edges, index=people.index)
    a = DemoVAE(columns=columns, mode="linear", latent_dim=4, random_state=0)
    b = clone(a)
    a.fit(X, demographics=people)
    b.fit(X, demographics=people.sample(frac=1, random_state=1))
    np.testing.assert_array_equal(a.transform(X), b.transform(X))


def test_more_latents_than_directions(small, columns):
    with pytest.raises(ValueError, match=r"latent_dim 60 > rank \d+ after projection"):
        DemoVAE(columns=columns, mode="linear", latent_dim=60).fit(
            small.edges[:40], demographics=table(small, slice(0, 40))
        )
