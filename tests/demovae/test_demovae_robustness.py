"""Awkward tables: each has one documented behaviour, and none gives a silent NaN."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.model import DemoVAE
from neuro.demovae.training import train

FAST = {"latent_dim": 5, "hidden": 40, "n_epochs": 12, "random_state": 0}


def fit(small, people, columns, n=90, **options):
    return DemoVAE(**{"columns": columns, **FAST, **options}).fit(
        small.edges[:n], demographics=people[:n].reset_index(drop=True)
    )


def sound(model, small):
    assert np.isfinite(model.transform(small.edges)).all()
    assert np.isfinite(model.history_.drop(columns="val_rec").to_numpy()).all()


@pytest.mark.parametrize("rest", [0, 1, 2])
@pytest.mark.parametrize("preset", ["robust", "paper"])
def test_any_remainder_of_a_batch(small, columns, preset, rest):
    model = fit(small, small.participants, columns, 80 + rest, preset=preset, batch_size=40)
    sound(model, small)


def test_shuffled_batches_never_end_small_and_slices_keep_their_order():
    rng = np.random.default_rng(0)
    parts = train.batches(101, 40, True, rng)
    assert [len(part) for part in parts] == [40, 61]
    assert sorted(np.concatenate(parts)) == list(range(101))
    assert [len(part) for part in train.batches(112, 40, True, rng)] == [40, 40, 32]
    parts = train.batches(81, 40, False, rng)
    assert [len(part) for part in parts] == [40, 40, 1]
    assert parts[0].tolist() == list(range(40))
    assert len(train.batches(4000, None, True, rng)) == 1
    assert len(train.batches(4100, None, True, rng)) == 5


def test_rows_sorted_by_site_in_slices_of_one_site(small, columns):
    people = small.participants[:90].reset_index(drop=True)
    order = people["site"].argsort(kind="stable").to_numpy()
    model = DemoVAE("paper", columns=columns, batch_size=30, **FAST).fit(
        small.edges[:90][order], demographics=people.iloc[order].reset_index(drop=True)
    )
    sound(model, small)


def test_a_constant_column_is_refused(small, columns):
    people = small.participants.assign(handedness=1.0)
    with pytest.raises(ValueError, match=r"^columns: 'handedness' is constant \(1.0\)$"):
        fit(small, people, [*columns, {"name": "handedness", "type": "continuous"}])


def test_a_site_with_one_subject(small, columns):
    people = small.participants.copy()
    people.loc[4, "site"] = "delta"
    with pytest.warns(UserWarning, match="kept as they are: delta"):
        model = fit(small, people, columns)
    sound(model, small)


def test_missing_demographics(small, columns):
    people = small.participants.copy()
    people.loc[[3, 8], "age"] = np.nan
    people.loc[[8], "site"] = None
    with pytest.raises(ValueError) as caught:
        fit(small, people, columns)
    assert len(str(caught.value).splitlines()) == 2
    dropped = fit(small, people, columns, missing="drop")
    sound(dropped, small)
    imputed = fit(small, people, columns, missing="impute")
    sound(imputed, small)
    assert imputed.score(small.edges[:90], demographics=people[:90]) < 0
    with pytest.raises(ValueError, match="has 2 missing values"):
        dropped.score(small.edges[:90], demographics=people[:90])


def test_unseen_levels_matter_only_where_demographics_are_needed(small, columns):
    model = fit(small, small.participants, columns)
    new = small.participants[90:].assign(site="OX").reset_index(drop=True)
    assert np.isfinite(model.transform(small.edges[90:])).all()
    with pytest.raises(ValueError, match="unknown level 'OX' in 'site'"):
        model.score(small.edges[90:], demographics=new)
    for rule in ("mean", "ignore"):
        model = fit(small, small.participants, columns, unseen=rule)
        assert np.isfinite(model.score(small.edges[90:], demographics=new))


@pytest.mark.parametrize(
    "make", [lambda s: s == "M", lambda s: (s == "M").astype(int), lambda s: s.astype("category")]
)
def test_levels_of_other_types_give_the_same_model(small, columns, make):
    plain = fit(small, small.participants, columns, mode="linear")
    other = fit(
        small,
        small.participants.assign(sex=make(small.participants["sex"])),
        columns,
        mode="linear",
    )
    np.testing.assert_allclose(
        plain.transform(small.edges), other.transform(small.edges), atol=1e-4
    )


def test_bad_edges_are_described(small, columns):
    def message(edges):
        with pytest.raises(ValueError) as caught:
            DemoVAE(columns=columns).fit(edges, demographics=small.participants)
        return str(caught.value)

    assert message(small.edges[:, :-1]) == (
        "X: 275 edges is not R(R-1)/2; expected the upper triangle of a matrix"
    )
    dead = small.edges.copy()
    rows, cols = np.triu_indices(24, 1)
    dead[5, (rows == 7) | (cols == 7)] = np.nan
    assert message(dead) == ("X: NaN in 23 edges (ROI 7 dead, counted from 0); mask it first")
    assert "X: shape (160, 276) of <U3" in message(np.full((160, 276), "abc"))


def test_problems_of_edges_and_demographics_come_together(small, columns):
    people = small.participants.copy()
    people.loc[0, "age"] = np.nan
    with pytest.raises(ValueError) as caught:
        DemoVAE(columns=[*columns, {"name": "weight", "type": "continuous"}]).fit(
            small.edges[:, :-1], demographics=people
        )
    assert len(str(caught.value).splitlines()) == 3


def test_the_target_among_the_removed_columns_is_refused(small, columns):
    with pytest.raises(ValueError, match="'dx' is the prediction target"):
        DemoVAE(columns=[*columns, {"name": "dx", "type": "categorical"}]).fit(
            small.edges, small.participants["dx"], demographics=small.participants
        )


def test_ages_outside_the_range_are_said(small, columns):
    model = fit(small, small.participants, columns)
    old = small.participants[:3].assign(age=70.0).reset_index(drop=True)
    with pytest.warns(UserWarning, match="3 values of 'age' are outside the training range"):
        model.sample(demographics=old, random_state=0)


def test_a_diverging_training_says_so(small, columns):
    with pytest.raises(FloatingPointError, match="no longer finite in epoch"):
        fit(small, small.participants, columns, lr=1e30, init="random")


def test_many_columns_of_which_one_has_gaps(small):
    rng = np.random.default_rng(0)
    people = small.participants.assign(
        site=rng.permutation(np.repeat(list("abcde"), 32)),
        iq=np.where(rng.random(160) < 0.1, np.nan, rng.normal(100, 15, 160)),
    )
    columns = [
        {"name": "age", "type": "continuous"},
        {"name": "iq", "type": "continuous"},
        {"name": "sex", "type": "categorical"},
        {"name": "site", "type": "categorical"},
        {"name": "handedness", "type": "categorical"},
    ]
    model = fit(small, people, columns, 140, missing="impute")
    sound(model, small)
    assert len(model.coder_.names_) > 12
    assert model.moment_error_ <= 0.02


def test_all_rows_alike(columns):
    people = pd.DataFrame(
        {"age": np.arange(10.0), "sex": list("FM") * 5, "site": ["alpha", "beta"] * 5}
    )
    with pytest.raises(ValueError, match="all rows are equal"):
        DemoVAE(columns=columns, mode="linear", latent_dim=2, min_level_count=1).fit(
            np.full((10, 276), 0.3), demographics=people
        )
