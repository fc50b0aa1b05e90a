"""Group inference on its page: tables first, figures that draw their tables."""

import json

import numpy as np
import pandas as pd
import pytest
from artists import drawn, hex_of, lines

from neuro.adhd.features.table import FeatureTable
from neuro.adhd.group import analysis, people
from neuro.io.formats import tables
from neuro.report.figures import draw
from neuro.report.figures.cohort import group_tests as figures
from neuro.report.pages import group_tests
from neuro.report.site import model

SETTINGS = {
    "target": "dx",
    "kind": "auto",
    "covariates": ["age"],
    "permutations": 99,
    "component_p": 0.01,
    "tfce_extent": 0.4,
    "tfce_height": 3.0,
    "tfce_step": 0.1,
    "log1p": True,
}
PAIRS = np.column_stack(np.triu_indices(7, 1))
PLANTED = (PAIRS < 3).all(axis=1)


def write(folder, effect):
    """Result files of a comparison of 60 people."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "participant_id": [f"{k:02d}" for k in range(60)],
            "site": np.repeat(["a", "b"], 30),
            "dx": np.tile([0.0, 1.0], 30),
            "age": rng.uniform(8, 12, 60),
        }
    )
    Y = rng.standard_normal((60, 21)) + effect * np.outer(frame["dx"], PLANTED)
    Y[:30, (PAIRS == 6).any(axis=1)] = np.nan
    text, empty = np.array([], str), np.array([])
    maps = FeatureTable(np.zeros((60, 0)), text, text, text, empty, empty, empty)
    names = [f"region {k}" for k in range(7)]
    compared = people.compare(frame, SETTINGS)
    found = analysis.run(Y, names, maps, compared, SETTINGS, 0)
    place = folder / "adhd"
    (place / "group").mkdir(parents=True)
    parts = {"edges": found.edges, "components": found.parts, "nodes": found.nodes}
    for name, table in {**parts, "null": found.null}.items():
        tables.write_tsv(place / f"group/{name}.tsv", table)
    (place / "group/model.json").write_text(json.dumps(found.facts))
    (folder / "fmri").mkdir()
    regions = pd.DataFrame({"region": names, "x": 10.0 * np.arange(7) - 30, "y": 0.0, "z": 20.0})
    tables.write_tsv(folder / "fmri/regions.tsv", regions)
    return place, found


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return write(tmp_path_factory.mktemp("planted"), 2.0)


def kinds(blocks):
    return [type(block).__name__ for block in blocks]


def test_page_has_tables_before_figures(planted):
    folder, found = planted
    blocks = group_tests.blocks(folder)
    names = kinds(blocks)
    assert names[:4] == ["Heading", "Text", "Table", "Table"]
    assert names.index("Figure") > max(k for k, n in enumerate(names[:-1]) if n == "Table")
    family, best, parts = [block for block in blocks if isinstance(block, model.Table)][:3]
    rows = {row["name"]: row for row in family.rows}
    assert rows["Largest |z| of an edge"]["edges"] == (found.edges["p_fwe"] < 0.05).sum()
    assert rows["Largest |z| of an edge"]["null"] == pytest.approx(found.null["max_z"].mean())
    assert rows["Largest component"]["value"] == found.parts["n_edges"].max()
    assert {row["name"] for row in best.rows[:3]} == {
        f"region {a} - region {b}" for a, b in PAIRS[PLANTED]
    }
    assert all(row["strong"] for row in best.rows[:3])
    assert len(best.rows) == found.edges["z"].notna().sum() == 15
    assert parts.rows[0]["strong"] and parts.rows[0]["sign"] == "more"
    assert "80 % of such studies" in blocks[1].text


def test_nothing_found_is_said_and_no_brain_drawn(tmp_path):
    folder, found = write(tmp_path, 0.0)
    assert found.edges[["p_fwe", "p_tfce"]].min(axis=None) > 0.05
    blocks = group_tests.blocks(folder, template=True)
    assert "0 edges are held" in blocks[1].text
    figure_names = [block.name for block in blocks if isinstance(block, model.Figure)]
    assert figure_names == ["group_nulls", "group_matrix"]
    (folder / "group/null.tsv").unlink()
    assert group_tests.blocks(folder) == []


def test_survivors_are_in_the_brain(planted):
    folder, found = planted
    blocks = group_tests.blocks(folder, template=True)
    brain = next(b for b in blocks if isinstance(b, model.Figure) and b.name == "group_brain")
    edges = brain.data[brain.data["kind"] == "edge"]
    kept = figures.survivors(found.edges, found.parts)
    shown = {frozenset(pair) for pair in zip(edges["a"], edges["b"])}
    expected = found.edges[kept]
    assert shown == {frozenset(pair) for pair in zip(expected["region_a"], expected["region_b"])}
    assert sorted(edges["value"]) == pytest.approx(sorted(expected["z"]), rel=1e-6)


def test_matrix_shows_all_edges_below_and_survivors_above(planted):
    _, found = planted
    kept = figures.survivors(found.edges, found.parts)
    table = figures.matrix_table(found.edges, kept)
    square = table.iloc[:, 1:].to_numpy(float)
    for (i, j), z, keep in zip(PAIRS, found.edges["z"], kept):
        if np.isnan(z):
            assert np.isnan(square[i, j]) and np.isnan(square[j, i])
        else:
            assert square[j, i] == z and square[i, j] == (z if keep else 0)
    assert PLANTED[kept].sum() == 3


def test_nulls_are_histograms_with_marks(planted):
    _, found = planted
    table = figures.nulls_table(found.null, found.edges, found.parts)
    axes = drawn(figures.nulls_paint, table)
    assert [one.get_title() for one in axes] == [words for words, _ in figures.FAMILIES.values()]
    for one, (name, value) in zip(axes, figures.observed(found.edges, found.parts).items()):
        part = table[(table["series"] == name) & (table["kind"] == "null")]
        assert part["height"].sum() == 99
        at = {colour: x[0] for x, _, colour, _ in lines(one)}
        assert at[hex_of(draw.CASE)] == pytest.approx(value)
        assert at[hex_of(draw.OTHER)] == pytest.approx(np.quantile(found.null[name], 0.95))
