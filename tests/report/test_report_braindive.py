"""Pages of the stage `braindive` from its result files: banners, grids, tables."""

import json

import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import write_tsv
from neuro.report.pages import braindive
from neuro.report.site.labels import Labels


@pytest.fixture
def results(tmp_path):
    """Result files of two objectives, one of them flagged."""
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = tmp_path / "braindive"
    rows, scores = [], []
    for name, slug, bad in (("face", "face", False), ("table-1", "table-1", True)):
        place = folder / "scenes" / slug
        place.mkdir(parents=True)
        for seed in range(4):
            for ending in ("", "_unguided"):
                pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"seed-{seed}{ending}.png")
            trace = [{"t": 9 - k, "activation": 0.1 * k, "ratio": 0.1} for k in range(5)]
            (place / f"seed-{seed}.json").write_text(json.dumps({"trace": trace}))
            scores.append(
                {
                    "objective": name,
                    "seed": seed,
                    "correction_ratio": 0.1,
                    "finite": True,
                    "A": 1.0,
                    "A_twin": 0.0,
                    "B": 0.5 + 0.1 * seed,
                    "B_twin": 0.1,
                    "J": 1.0,
                    "J_twin": 0.0,
                    "rank_B": np.nan if bad else 4.0 - seed,
                }
            )
        rows.append(
            {
                "objective": name,
                "folder": slug,
                "n": 4,
                "gain_A": 1.0,
                "gain_B": 0.4,
                "ci_low": 0.3,
                "ci_high": 0.5,
                "t": 5.0,
                "p": 0.01,
                "J": 0.8,
                "J_twin": 0.2,
                "diversity": 0.9,
                "diversity_twin": 1.0,
                "collapsed": False,
                "adversarial": bad,
                "reason": "independent gain is 0.10 of the guide's" if bad else "",
                "preferred": "face",
                "correction_ratio": 0.1,
                "n_voxels": 24,
                "natural_A": 1.2,
                "natural_B": 1.0,
                "natural_beta_B": 0.9,
                "n_flagged": 0,
                "filtered": False,
                "mds_verdict": "no stable types" if bad else "",
            }
        )
    write_tsv(folder / "summary.tsv", pd.DataFrame(rows))
    write_tsv(folder / "scores.tsv", pd.DataFrame(scores))
    card = pd.DataFrame(
        {"voxel": ["a", "b"], "roi": "face", "r2": [0.2, 0.3], "r2_ceiling": [0.5, 0.6]}
    )
    for role in ("encoder", "independent"):
        write_tsv(folder / "scenes" / f"{role}_card.tsv", card)
    return tmp_path


def words(sections):
    return " ".join(
        block.text for section in sections for block in section.blocks if hasattr(block, "text")
    )


def test_banners_grids_and_tables(results):
    config = {"braindive": {"generator": {"type": "tiny"}}}
    sections = braindive.sections(results, config, Labels(set(), True))
    assert [section.slug for section in sections] == [
        "braindive",
        "braindive-face",
        "braindive-table-1",
        "braindive-encoders",
    ]
    text = words(sections)
    assert "1 of 2 objectives gain under the independent encoder" in text
    assert "table-1: flagged as adversarial (independent gain is 0.10 of the guide's)" in text
    assert "whose verdict is 'no stable types'" in text
    names = {figure.name for section in sections for figure in section.figures()}
    assert {"effects", "categories", "grid_face", "pairs_face", "traces_face", "card"} <= names


def test_the_table_keeps_guide_judge_and_category_apart(results):
    summary = pd.read_csv(results / "braindive/summary.tsv", sep="\t", na_values="n/a")
    table = braindive._table(summary)
    first, second = table.rows
    assert (first["gain_A"], first["gain_B"], first["ci"]) == (1.0, 0.4, "[0.30, 0.50]")
    assert (first["J"], first["J_twin"]) == (80, 20)
    assert first["shape"] == "0.90" and first["natural_B"] == 1.0
    assert (first["flag"], second["flag"]) == ("", "adversarial")
    labels = {column.key: column.label for column in table.columns}
    assert labels["gain_A"] == "Gain, guide" and labels["gain_B"] == "Gain, independent"
    assert labels["J"] == "Category, %" and labels["J_twin"] == "Unguided, %"


def test_unfiltered_weights_of_a_user_carry_a_warning(results):
    config = {"braindive": {"generator": {"type": "sd"}}}
    assert "No content filter was applied" in words(
        braindive.sections(results, config, Labels(set(), True))
    )


def test_verdicts_of_a_content_filter_are_counted(results):
    path = results / "braindive" / "summary.tsv"
    table = pd.read_csv(path, sep="\t").assign(filtered=True, n_flagged=[3, 0])
    write_tsv(path, table)
    found = words(braindive.sections(results, {}, Labels(set(), True)))
    assert "would black out 3 of 8; none is changed or left out" in found


def test_without_results_the_page_says_so(tmp_path):
    sections = braindive.sections(tmp_path, {}, Labels(set(), True))
    assert "There are no judged images." in words(sections)


@pytest.fixture
def judged(results):
    """The same two objectives with verdicts, a refused one, and a second data set."""
    folder = results / "braindive"
    summary = pd.read_csv(folder / "summary.tsv", sep="\t").assign(
        verdict=["supported", "refuted"],
        why="",
        claim=[1.0, 2.0],
        gain=[0.7, 0.1],
        gain_low=[0.5, 0.0],
        gain_high=[0.9, 0.2],
        transfer=[0.7, 0.05],
        smallest=0.2,
        n_judges=3,
        best_gain=[0.8, -0.4],
        best_low=[0.6, -0.5],
        best_high=[1.0, -0.3],
        best_claim=[0.9, 0.5],
        refused="",
    )
    scores = pd.read_csv(folder / "scores.tsv", sep="\t")
    other = summary.iloc[:1].assign(verdict="cannot tell", why="power: gains within 0.20")
    refused = pd.DataFrame(
        [{"objective": "V1", "folder": "V1", "refused": "objective 'V1': early visual areas only"}]
    )
    summary = pd.concat(
        [
            summary.assign(dataset="scenes"),
            refused.assign(dataset="scenes"),
            other.assign(dataset="own"),
        ]
    )
    (folder / "own").symlink_to(folder / "scenes")
    write_tsv(folder / "summary.tsv", summary)
    both = [scores.assign(dataset=name, seed=scores["seed"]) for name in ("scenes", "own")]
    write_tsv(folder / "scores.tsv", pd.concat(both))
    judges = pd.DataFrame(
        {
            "dataset": "scenes",
            "objective": ["face", "face"],
            "images": "guided",
            "judge": ["independent", "gabor"],
            "r": [0.4, 0.1],
            "unit": 0.3,
            "quality": [9.0, 1.0],
            "gated": [True, False],
            "gain": [0.7, np.nan],
            "low": [0.5, np.nan],
            "high": [0.9, np.nan],
            "transfer": [0.7, np.nan],
            "refutes": False,
        }
    )
    write_tsv(folder / "panel.tsv", judges)
    return results


def test_a_page_of_verdicts_names_outcomes_judges_refusals_and_data_sets(judged):
    sections = braindive.sections(judged, {}, Labels(set(), True))
    assert [section.slug for section in sections] == [
        "braindive",
        *(f"braindive-scenes-{name}" for name in ("face", "table-1", "encoders")),
        *(f"braindive-own-{name}" for name in ("face", "encoders")),
    ]
    text = words(sections)
    assert "Of 3 objectives (4 seeds each): 1 supported, 1 refuted, 1 cannot tell." in text
    assert "V1: no images were made: objective 'V1': early visual areas only." in text
    assert "table-1 (scenes): refuted. The images please the encoder that made them" in text
    assert "flagged as adversarial" not in text
    assert "unguided images is as good for the panel as guidance: face (scenes)" in text
    tables = [block for block in sections[0].blocks if hasattr(block, "columns")]
    verdicts, judges = tables[0], tables[1]
    assert [row["verdict"] for row in verdicts.rows] == ["supported", "refuted", "cannot tell"]
    assert verdicts.rows[0]["ci"] == "[0.50, 0.90]" and verdicts.rows[0]["gain"] == 0.7
    assert [row["part"] for row in judges.rows] == ["yes", "abstains"]
    names = {figure.name for section in sections for figure in section.figures()}
    assert "verdicts" in names
    assert {"grid_face", "pairs_face"} <= names
