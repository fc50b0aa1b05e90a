"""Figures of `braindive`: tables against the planted values, pictures against the tables."""

import numpy as np
import pandas as pd
import pytest
from drawn import bars, dots, image, lines, only, redrawn, texts, ticks
from PIL import Image

from neuro.report.figures import braindive, draw
from neuro.report.figures.cohort import verdicts

GUIDED, UNGUIDED = draw.CASE.lower(), draw.OTHER.lower()


def one(monkeypatch, make, *arguments):
    (found,) = redrawn(monkeypatch, lambda: make(*arguments)).values()
    monkeypatch.undo()
    return found


@pytest.fixture
def summary():
    return pd.DataFrame(
        {
            "objective": ["place", "face", "table 1"],
            "folder": ["place", "face", "table-1"],
            "gain_A": [1.5, 2.5, 0.7],
            "gain_B": [0.4, -0.3, 0.2],
            "ci_low": [0.1, -0.6, 0.15],
            "ci_high": [0.6, 0.2, 0.35],
            "J": [0.75, 0.5, np.nan],
            "J_twin": [0.25, 0.125, np.nan],
            "preferred": ["house", "face", ""],
            "natural_B": [0.9, 1.1, 0.3],
            "t": [2.0, -1.0, 3.0],
            "adversarial": [False, True, False],
            "mds_verdict": ["", "", "no stable types"],
        }
    )


@pytest.fixture
def scores():
    """Three seeds; guide and judge, guided and unguided, rank and seed all differ in order."""
    return pd.DataFrame(
        {
            "seed": [0, 1, 2],
            "A": [3.0, 2.0, 1.0],
            "A_twin": [-3.0, -2.0, -1.0],
            "B": [0.1, 0.8, 0.5],
            "B_twin": [0.3, 0.2, -0.4],
            "rank_B": [3.0, 1.0, 2.0],
        }
    )


def test_gains_of_guide_and_judge_keep_their_marks(summary, monkeypatch):
    figure = one(monkeypatch, braindive.effects, summary)
    for row in summary.itertuples():
        guide = only(figure.table, objective=row.objective, encoder="guide")
        assert guide["value"].item() == row.gain_A and guide["low"].isna().all()
        judge = only(figure.table, objective=row.objective, encoder="independent")
        assert judge[["value", "low", "high"]].values.tolist() == [
            [row.gain_B, row.ci_low, row.ci_high]
        ]
    (axes,) = figure.axes
    places = ticks(axes, "y")
    assert places == {"place": 2, "face": 1, "table 1": 0}
    squares = dots(axes)
    assert set(squares["colour"]) == {UNGUIDED}
    assert dict(zip(squares["y"].round(2), squares["x"])) == {2.12: 1.5, 1.12: 2.5, 0.12: 0.7}
    group = axes.containers[0]
    x, y = group[0].get_data()
    assert dict(zip(np.round(y, 2), x)) == {1.88: 0.4, 0.88: -0.3, -0.12: 0.2}
    for segment, row in zip(group[2][0].get_segments(), summary.itertuples()):
        assert segment[:, 0].tolist() == pytest.approx([row.ci_low, row.ci_high])
    assert [group.get_label(), axes.collections[0].get_label()] == [
        "independent (95 % interval)",
        "guide",
    ]


def test_guided_bars_show_guided_images(summary, monkeypatch):
    figure = one(monkeypatch, braindive.categories, summary)
    assert figure.table.values.tolist() == [
        ["place", "house", "guided", 75],
        ["face", "face", "guided", 50],
        ["place", "house", "unguided", 25],
        ["face", "face", "unguided", 12.5],
    ]
    (axes,) = figure.axes
    got = bars(axes)
    assert got["width"].tolist() == [75, 50, 25, 12.5]
    assert got["colour"].tolist() == [GUIDED] * 2 + [UNGUIDED] * 2
    assert (got["y"] + got["height"] / 2).tolist() == pytest.approx([1.19, 0.19, 0.81, -0.19])
    assert ticks(axes, "y") == {"place (house)": 1, "face (face)": 0}
    assert axes.get_ylim() == pytest.approx((-0.6, 1.6))
    labels = [group.get_label() for group in axes.containers]
    assert labels == ["guided", "unguided"]
    assert braindive.categories(summary.assign(J=np.nan)) == []
    many = summary.loc[summary.index.repeat(20)].reset_index(drop=True)
    many["objective"] = [f"region {k}" for k in range(len(many))]
    # a line of text needs a sixth of an inch
    assert (
        one(monkeypatch, braindive.categories, many).axes[0].figure.get_figheight() > len(many) / 6
    )


@pytest.fixture
def told(summary):
    """The same objectives with verdicts; nobody could judge the last one."""
    return summary.assign(
        verdict=["supported", "refuted", "cannot tell"],
        why=["", "", "there is no judge"],
        claim=[1.2, 2.0, 0.4],
        gain=[0.9, 0.1, np.nan],
        gain_low=[0.6, -0.1, np.nan],
        gain_high=[1.3, 0.2, np.nan],
        best_claim=[0.8, 0.7, 0.3],
        best_gain=[0.7, 0.5, np.nan],
        best_low=[0.5, 0.3, np.nan],
        best_high=[0.8, 0.9, np.nan],
    )


@pytest.fixture
def panel():
    return pd.DataFrame(
        {
            "objective": ["place", "place", "place", "face"],
            "images": ["guided", "guided", "best", "guided"],
            "judge": ["independent", "gabor", "independent", "pixels"],
            "gated": [True, False, True, True],
            "gain": [0.85, 9.0, 0.65, 0.15],
            "low": [0.5, 8.0, 0.4, 0.0],
            "high": [1.2, 10.0, 0.9, 0.3],
        }
    )


def test_verdicts_show_panel_judges_and_claims_of_both_sets(told, panel, monkeypatch):
    figure = one(monkeypatch, verdicts.verdicts, told, panel)
    table = figure.table
    assert only(table, objective="place", images="guided", who="panel")[
        ["value", "low", "high"]
    ].values.tolist() == [[0.9, 0.6, 1.3]]
    assert only(table, objective="face", images="best", who="guide")["value"].item() == 0.7
    assert "gabor" not in set(table["who"]), "a judge that abstains has no say"
    assert only(table, objective="table 1")["who"].tolist() == ["guide", "guide"]
    (axes,) = figure.axes
    assert ticks(axes, "y") == {"place": 2, "face": 1, "table 1": 0}
    guided, best = axes.containers
    x, y = guided[0].get_data()
    assert dict(zip(np.round(y, 2), x)) == {2.16: 0.9, 1.16: 0.1}
    x, y = best[0].get_data()
    assert dict(zip(np.round(y, 2), x)) == {1.84: 0.7, 0.84: 0.5}
    for segment, ends in zip(guided[2][0].get_segments(), ([0.6, 1.3], [-0.1, 0.2])):
        assert segment[:, 0].tolist() == pytest.approx(ends)
    got = dots(axes)
    assert {(0.85, 2.16), (0.15, 1.16), (1.2, 2.16), (0.3, -0.16)} <= {
        (x, round(y, 2)) for x, y in zip(got["x"], got["y"])
    }


def test_the_title_of_images_is_their_verdict(told):
    rows = told.to_dict("records")
    assert verdicts.verdict_words(rows[0]) == (
        "supported: gain 0.90 [0.60, 1.30], the guide says 1.20"
    )
    assert verdicts.verdict_words(rows[2]) == "cannot tell (there is no judge)"


def test_pairs_are_of_the_judge_and_not_of_the_guide(summary, scores, monkeypatch):
    row = summary.to_dict("records")[0]
    figure = one(monkeypatch, braindive.pairs, row, scores)
    seeds = only(figure.table, mark="seed").set_index("seed")
    for score in scores.itertuples():
        assert seeds.loc[score.seed, ["unguided", "guided"]].tolist() == [score.B_twin, score.B]
    (mean,) = only(figure.table, mark="mean").itertuples()
    assert (mean.unguided, mean.guided) == pytest.approx((0.1 / 3, 1.4 / 3))
    (axes,) = figure.axes
    got = dots(axes)
    assert got[got["x"] == 0]["y"].tolist() == scores["B_twin"].tolist()
    assert got[got["x"] == 1]["y"].tolist() == scores["B"].tolist()
    assert set(got[got["x"] == 1]["colour"]) == {GUIDED}
    assert set(got[got["x"] == 0]["colour"]) == {UNGUIDED}
    thin = [y.tolist() for _, y, shade in lines(axes) if shade == draw.PALE.lower()]
    assert thin == scores[["B_twin", "B"]].values.tolist()
    (thick,) = [y for _, y, shade in lines(axes) if shade == draw.INK.lower()]
    assert thick.tolist() == pytest.approx([0.1 / 3, 1.4 / 3])
    (dashed,) = [y for _, y, shade in lines(axes) if shade == draw.CONTROL.lower()]
    assert set(dashed) == {0.9}
    assert ticks(axes, "x") == {"unguided": 0, "guided": 1}


def test_images_stand_in_the_order_of_the_judge(summary, scores, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pixels = {}

    def save(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels[name] = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels[name]).save(path)

    for seed in (0, 1, 2):
        save(f"set/place/seed-{seed}.png")
        save(f"set/place/seed-{seed}_unguided.png")
    save("natural/place/prediction-1.png")
    save("natural/place/response-1.png")
    natural = pd.DataFrame(
        {
            "objective": ["face", "place", "place"],
            "chosen_by": ["prediction", "prediction", "response"],
            "rank": [1, 1, 1],
            "A": [5.0, 6.0, 7.0],
            "B": [0.55, 0.66, 0.77],
        }
    )
    row = summary.to_dict("records")[0]
    folder = tmp_path / "set/place"
    figure = one(monkeypatch, braindive.grid, tmp_path, folder, row, scores, natural)
    assert figure.table.drop(columns="file").astype(object).fillna("").values.tolist() == [
        ["place", "guided", 1, 1, 0.8],
        ["place", "guided", 2, 2, 0.5],
        ["place", "guided", 3, 0, 0.1],
        ["place", "unguided", 1, 1, 0.2],
        ["place", "unguided", 2, 2, -0.4],
        ["place", "unguided", 3, 0, 0.3],
        ["place", "prediction", 1, "", 0.66],
        ["place", "response", 1, "", 0.77],
    ]
    axes = np.array(figure.axes).reshape(4, braindive.N_SHOWN)
    for line, name in enumerate(("guided", "unguided", "prediction", "response")):
        for row in only(figure.table, line=name).itertuples():
            np.testing.assert_array_equal(image(axes[line, row.place - 1]), pixels[row.file])
        ending = "_unguided" if name == "unguided" else ""
        if line < 2:
            files = only(figure.table, line=name)["file"].tolist()
            assert files == [f"set/place/seed-{seed}{ending}.png" for seed in (1, 2, 0)]
    told = [texts(line[0])[0][2] for line in axes]
    assert told == ["guided", "unguided", "natural,\npredicted", "natural,\nmeasured"]
    assert figure.picture.get_suptitle() == ""
    for number, words in ((1, "adversarial"), (2, "no stable types")):
        row = {**summary.to_dict("records")[number], "folder": "place"}
        figure = one(monkeypatch, braindive.grid, tmp_path, folder, row, scores)
        assert figure.picture.get_suptitle() == words


def test_steps_of_each_seed_are_one_line(summary, monkeypatch):
    sidecars = {
        4: {"trace": [{"activation": 0.1, "ratio": 0.5}, {"activation": 0.7, "ratio": 0.3}]},
        2: {"trace": [{"activation": -0.2, "ratio": 0.4}]},
        9: {},
    }
    figure = one(monkeypatch, braindive.traces, summary.to_dict("records")[1], sidecars)
    assert figure.table.values.tolist() == [[4, 1, 0.1, 0.5], [4, 2, 0.7, 0.3], [2, 1, -0.2, 0.4]]
    left, right = figure.axes
    assert [y.tolist() for _, y, _ in lines(left)] == [[0.1, 0.7], [-0.2]]
    assert [y.tolist() for _, y, _ in lines(right)] == [[0.5, 0.3], [0.4]]
    assert [x.tolist() for x, _, _ in lines(left)] == [[1, 2], [1]]
    assert (left.get_ylabel(), right.get_ylabel()) == ("Objective, guide", "Correction / noise")


def test_the_card_pairs_the_encoders_by_voxel(monkeypatch):
    guide = pd.DataFrame(
        {"voxel": ["a", "b", "c"], "roi": ["V1", "V1", "FFA"], "r2": [0.1, 0.2, 0.6]}
    )
    other = pd.DataFrame(
        {"voxel": ["c", "a", "b"], "roi": ["FFA", "V1", "V1"], "r2": [0.3, 0.4, 0.5]}
    )
    figure = one(monkeypatch, braindive.card, guide, other)
    assert figure.table.values.tolist() == [
        ["a", "V1", 0.1, 0.4],
        ["b", "V1", 0.2, 0.5],
        ["c", "FFA", 0.6, 0.3],
    ]
    (axes,) = figure.axes
    got = dots(axes)
    assert got[["x", "y"]].values.tolist() == [[0.1, 0.4], [0.2, 0.5], [0.6, 0.3]]
    assert [group.get_label() for group in axes.collections] == ["V1", "FFA"]
    assert axes.get_xlabel() == "R² of the guide"
    assert axes.get_ylabel() == "R² of the independent encoder"
