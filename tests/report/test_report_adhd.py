"""Pages of the stage adhd: curves, tables and maps against planted values."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import write_tsv
from neuro.report.figures import adhd as adhd_figures
from neuro.report.figures import adhd_roc, maps
from neuro.report.pages import adhd, adhd_scores
from neuro.report.site import model
from neuro.report.site.labels import Labels


@pytest.fixture(scope="module")
def section(planted_results):
    return adhd.sections(planted_results, {"adhd": {"enabled": True}}, Labels())[0]


def _auc(y, score):
    """Share of pairs in the right order, ties counted half."""
    case, control = score[y == 1], score[y == 0]
    return np.mean([(c > k) + 0.5 * (c == k) for c in case for k in control])


@pytest.mark.parametrize("seed", range(5))
def test_roc_curve_is_that_of_all_cut_points(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 40)
    score = rng.integers(0, 8, 40) / 4.0  # many ties
    false, true = adhd_roc.curve(y, score)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    slow = {(0.0, 0.0)} | {
        (np.mean(score[y == 0] >= cut), np.mean(score[y == 1] >= cut)) for cut in np.unique(score)
    }
    assert {(round(a, 12), round(b, 12)) for a, b in zip(false, true)} == {
        (round(a, 12), round(b, 12)) for a, b in slow
    }
    assert np.trapezoid(true, false) == pytest.approx(_auc(y, score))


def test_curve_over_repeats_has_the_mean_area():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 31)
    parts = [
        pd.DataFrame({"y": y, "score": y * effect + rng.standard_normal(31), "repeat": repeat})
        for repeat, effect in enumerate((0.3, 1.0, 2.0))
    ]
    false, true = adhd_roc.mean_curve(pd.concat(parts))
    areas = [_auc(part["y"].to_numpy(), part["score"].to_numpy()) for part in parts]
    assert np.trapezoid(true, false) == pytest.approx(np.mean(areas), abs=1e-12)
    assert (np.diff(false) >= 0).all() and (np.diff(true) >= -1e-12).all()


def test_inputs_in_words():
    assert adhd_scores.input_name("cycle3", "top") == "3-cycles + mask"
    assert adhd_scores.input_name("cycle3+phenotype", "none") == "3-cycles + phenotype"
    assert adhd_scores.input_name("phenotype+site") == "Phenotype + site"
    assert adhd_scores.input_name("something") == "something"


def test_totals_leave_out_folds_and_sites(planted_results):
    scores = adhd_scores.read_scores(planted_results / "adhd")
    assert set(scores["fold"]) == {"all", "alpha", "beta"}
    totals = scores[scores["site"] == ""]
    # 13 variants x 6 metrics x 2 schemes, once each.
    assert len(totals) == 13 * 6 * 2
    assert set(scores[scores["site"] != ""]["scheme"]) == {"leave_site_out"}
    assert set(scores[~scores["imaging"]]["input"]) == set(adhd_scores.BASELINES)
    assert set(scores[scores["primary"]]["input"]) == {"cycle3"}


def test_tables_show_every_variant_baselines_first_and_mark_the_primary(section):
    tables = [block for block in section.blocks if isinstance(block, model.Table)]
    pooled = tables[0]
    assert len(pooled.rows) == 13
    assert [row["name"] for row in pooled.rows[:5]] == [
        "Majority class",
        "Site",
        "Phenotype",
        "Phenotype + site",
        "Head motion",
    ]
    strong = [row for row in pooled.rows if row["strong"]]
    assert [row["name"] for row in strong] == ["3-cycles + mask"]
    assert strong[0]["balanced_accuracy"] == pytest.approx(0.78)
    assert strong[0]["youden_j"] == pytest.approx(0.56)
    assert strong[0]["null"] == "0.530 (0.030)" and strong[0]["p"] == "0.004"
    assert pooled.rows[0]["null"] == ""
    # A baseline that could not be computed keeps its row.
    assert np.isnan(pooled.rows[4]["balanced_accuracy"])
    assert "of 11 participants" in pooled.caption
    names = [row["name"] for row in pooled.rows]
    assert names.index("3-cycles") + 1 == names.index("3-cycles + mask")
    assert pooled.rows[-1]["name"] == "3-cycles + phenotype + mask"


@pytest.mark.parametrize("fold", ["all", "alpha"])
def test_rows_of_a_site_are_told_from_totals_in_either_layout(tmp_path, fold):
    rows = [
        {
            "scheme": "leave_site_out",
            "fold": f,
            "site": place,
            "input": "fc",
            "mask": "none",
            "metric": "auc",
            "value": value,
        }
        for f, place, value in (("all", "all", 0.6), (fold, "alpha", 0.7), ("3", "alpha", 0.1))
    ]
    write_tsv(tmp_path / "scores.tsv", pd.DataFrame(rows))
    scores = adhd_scores.read_scores(tmp_path)
    assert scores.set_index("site")["value"].to_dict() == {"": 0.6, "alpha": 0.7}


def test_sentence_names_the_null_and_the_best_baseline(section):
    words = [b.text for b in section.blocks if isinstance(b, model.Text) and b.kind == "note"]
    assert len(words) == 2
    assert "0.780 (95 % interval [0.710, 0.850])" in words[0]
    assert "0.530 on average (p = 0.004)" in words[0]
    assert "phenotype, reaches 0.660" in words[0]


def test_site_table_compares_the_primary_with_baselines_only(section):
    tables = [block for block in section.blocks if isinstance(block, model.Table)]
    table = next(t for t in tables if t.caption.startswith("Leave one site out, site"))
    names = {row["name"] for row in table.rows}
    assert "3-cycles + mask" in names and "Phenotype" in names
    assert "Degree" not in names
    assert [row["site"] for row in table.rows] == sorted(row["site"] for row in table.rows)


def test_scores_without_a_primary_or_null_are_drawn(tmp_path):
    folder = tmp_path / "adhd"
    rows = [
        {
            "scheme": "pooled",
            "fold": "all",
            "site": None,
            "input": name,
            "mask": "none",
            "metric": metric,
            "value": 0.6,
        }
        for name in ("site", "degree")
        for metric in ("balanced_accuracy", "auc")
    ]
    write_tsv(folder / "scores.tsv", pd.DataFrame(rows))
    section = adhd.sections(tmp_path, {}, Labels())[0]
    assert [figure.name for figure in section.figures()] == ["scores_pooled"]


def test_mask_that_keeps_nothing_is_a_sentence():
    table = pd.DataFrame(
        {
            "scheme": "pooled",
            "repeat": 0,
            "fold": [0, 1],
            "input": "degree",
            "region": "A",
            "kept": False,
        }
    )
    blocks = adhd_figures.mask_frequency(table, None)
    assert [type(block) for block in blocks] == [model.Text]


@pytest.mark.parametrize(
    ("density", "expected"),
    [
        (np.full(20, 0.02), ["threshold_length", "threshold_dof"]),
        (np.linspace(0.01, 0.05, 20), ["density_length", "density_dof"]),
    ],
)
def test_what_moves_is_drawn_against_length(density, expected):
    rng = np.random.default_rng(0)
    graphs = pd.DataFrame(
        {
            "site": ["a", "b"] * 10,
            "n_volumes": rng.integers(70, 200, 20),
            "dof": rng.uniform(20, 60, 20),
            "density": density,
            "threshold": rng.uniform(0.4, 0.6, 20),
        }
    )
    assert [figure.name for figure in adhd_figures.density(graphs)] == expected
    graphs["n_volumes"] = 172
    assert [figure.name for figure in adhd_figures.density(graphs)] == expected[1:]


def _image(path, data, flip=False):
    affine = np.diag([-4.0 if flip else 4.0, 4, 4, 1])
    nibabel.save(nibabel.Nifti1Image(data.astype(np.float32), affine), path)


def test_voxel_maps_are_drawn_from_images_in_either_orientation(tmp_path):
    rng = np.random.default_rng(0)
    data = rng.uniform(1, 5, (12, 14, 12))
    data[:3] = 0
    for kind in ("case", "control"):
        _image(tmp_path / f"group_cycle3_{kind}.nii.gz", data)
    _image(tmp_path / "group_cycle3_difference.nii.gz", data - 3)
    _image(tmp_path / "group_degree_case.nii.gz", data)  # no difference: not a set
    _image(tmp_path / "pattern.nii.gz", data - 3)
    assert set(maps._volumes(tmp_path)) == {"cycle3"}
    blocks = maps.blocks(tmp_path, ("cycle3", "top"))
    names = [figure.name for figure in model.Section("adhd", "", blocks).figures()]
    assert names == ["group_cycle3", "pattern"]
    _image(tmp_path / "flipped.nii.gz", data[::-1], flip=True)
    turned, affine = maps._read_volume(tmp_path / "flipped.nii.gz")
    assert np.allclose(turned, data, atol=1e-6)
    assert np.allclose(np.abs(np.diag(affine)[:3]), 4) and affine[0, 0] > 0


def test_region_maps_without_places_become_bars(tmp_path):
    table = pd.DataFrame(
        {
            "region": ["A", "B", "C"],
            "map": "degree",
            "case": [2.0, 3.0, 4.0],
            "control": [2.5, 3.0, 1.0],
            "difference": [-0.5, 0.0, 3.0],
        }
    )
    write_tsv(tmp_path / "group_maps.tsv", table)
    blocks = maps.blocks(tmp_path, None)
    assert [b.name for b in blocks if isinstance(b, model.Figure)] == ["regions_degree"]
    shown = next(b for b in blocks if isinstance(b, model.Table))
    assert [row["region"] for row in shown.rows] == ["C", "A", "B"]
    assert "p" not in {column.key for column in shown.columns}


def test_maps_of_the_primary_stand_open_and_others_are_folded(planted_results):
    blocks = maps.blocks(planted_results / "adhd", ("cycle3", "top"))
    assert [b.name for b in blocks if isinstance(b, model.Figure)] == ["regions_cycle3", "pattern"]
    folded = [b for b in blocks if isinstance(b, model.Details)]
    assert [block.summary for block in folded] == ["Group maps: Degree"]
    table = next(b for b in blocks if isinstance(b, model.Table))
    assert table.rows[0]["region"] == "R03" and table.rows[0]["strong"]
    assert table.rows[0]["p"] == "< 0.001"


def test_nothing_at_all_is_no_error(tmp_path):
    (tmp_path / "adhd").mkdir()
    section = adhd.sections(tmp_path, {}, Labels())[0]
    assert not section.figures()
