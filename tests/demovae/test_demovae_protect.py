"""The role `protect`: what the removed columns share with named biology is left alone."""

import numpy as np
import pandas as pd
import pytest

from neuro.config import demovae as section
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.evaluation.readouts import readouts
from neuro.demovae.model import DemoVAE

SITE = {"name": "site", "type": "categorical", "role": "remove"}
AGE = {"name": "age", "type": "continuous", "role": "protect"}


@pytest.fixture(scope="module")
def cohort():
    """Sites differ in age, and age has a strong map: removing site alone takes age with it."""
    rng = np.random.default_rng(1)
    n, k, n_edges = 400, 12, 190
    place = rng.integers(0, 3, n)
    age = 14 + 3.0 * (place - 1) + rng.normal(0, 2, n)
    rows = rng.normal(size=(n, k)) @ rng.normal(size=(k, n_edges)) * 0.05
    rows += (age - 14)[:, None] * rng.normal(size=n_edges) * 0.02
    rows += rng.normal(size=(3, n_edges))[place] * 0.05
    rows += rng.normal(size=(n, n_edges)) * 0.05
    return rows, pd.DataFrame({"age": age, "site": np.array(["A", "B", "C"])[place]})


def read(model, rows, people):
    table = readouts(
        model.transform(rows[:200]),
        model.transform(rows[200:]),
        people[:200],
        people[200:],
        columns=[dict(AGE, role="report"), SITE],
        fit_on="fresh",
        squares=False,
        models=("linear",),
    )
    return table.set_index("target")["heldout"]


@pytest.mark.parametrize("mode", ["linear", "network"])
def test_protected_age_survives_the_removal_of_site(cohort, mode):
    rows, people = cohort
    shared = {"mode": mode, "latent_dim": 8, "n_epochs": 60, "hidden": 64, "random_state": 0}

    def fitted(columns):
        model = DemoVAE(columns=columns, age_basis="linear", **shared)
        return model.fit(rows[:200], demographics=people[:200])

    plain, shielded = (fitted(columns) for columns in ([SITE], [SITE, AGE]))
    before, after = read(plain, rows, people), read(shielded, rows, people)
    assert after["age"] > before["age"] + 0.1
    # on the training rows: no correlation with what site says beyond age, exactly
    D = shielded.coder_.transform(people[:200]).astype(float)
    Z = shielded.transform(rows[:200]).astype(float)
    fields = shielded.coder_.fields()
    site, age = D[:, fields["site"]], D[:, fields["age"]]
    design = np.column_stack([np.ones(200), age])
    rest = site - design @ np.linalg.lstsq(design, site, rcond=None)[0]
    assert np.abs(rest.T @ (Z - Z.mean(axis=0)) / 200).max() < 1e-3
    # site, given age, is removed as far as without protection
    assert np.abs(np.corrcoef(Z.T, D[:, fields["age"]][:, 0])[:-1, -1]).max() > 0.2


def test_a_column_that_the_protected_ones_name_cannot_be_removed(cohort):
    rows, people = cohort
    twin = people.assign(scanner=people["site"])
    columns = [SITE, {"name": "scanner", "type": "categorical", "role": "protect"}]
    with pytest.raises(ValueError, match="protected columns say all of 'site"):
        DemoVAE(mode="linear", latent_dim=4, columns=columns).fit(rows, demographics=twin)


def test_a_protecting_model_is_the_same_after_saving(cohort, tmp_path):
    rows, people = cohort
    model = DemoVAE(mode="linear", latent_dim=4, columns=[SITE, AGE]).fit(rows, demographics=people)
    again = DemoVAE.load(model.save(tmp_path / "model.npz"))
    np.testing.assert_allclose(again.coder_.removal_, model.coder_.removal_)
    np.testing.assert_array_equal(again.transform(rows), model.transform(rows))


def test_keep_is_refused_with_its_new_name():
    with pytest.raises(ValueError, match=r"now called 'report'.*'protect' shields"):
        parse_columns([dict(AGE, role="keep")])
    own = {"enabled": True, "grid": None, "columns": {"age": "continuous keep"}}
    lines = section.problems({"demovae": own})
    assert "now called 'report'" in lines[0]
