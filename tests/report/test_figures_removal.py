"""Figures of the ways of removal: tables against their sources, marks against tables."""

import numpy as np
import pandas as pd
import pytest
from artists import bars, dots, drawn, hex_of

from neuro.report.figures import draw
from neuro.report.figures.cohort import removal
from neuro.report.pages import demovae_compared
from neuro.report.site import model


@pytest.fixture
def compare():
    rows = []
    for m, method in enumerate(("none", "combat_residual", "network")):
        for size in (0, 60):
            for target, readout, metric, chance in (
                ("age", "linear", "r2", 0.0),
                ("site", "linear", "balanced_accuracy", 0.2),
                ("site", "rbf", "balanced_accuracy", 0.2),
            ):
                for fit_on in ("fresh", "train"):
                    value = 0.1 * m + 0.01 * (size > 0) + (0.5 if readout == "rbf" else 0.3)
                    rows.append(
                        (
                            method,
                            size,
                            "left",
                            target,
                            readout,
                            fit_on,
                            metric,
                            value,
                            chance,
                            100,
                            2,
                        )
                    )
        rows.append((method, -1, "cost", "", "", "", "cpu_s", 3.0, np.nan, 80, 5))
    names = ["method", "bottleneck", "measure", "target", "readout", "fit_on", "metric", "value"]
    return pd.DataFrame(rows, columns=[*names, "chance", "n", "n_parts"])


@pytest.fixture
def scan():
    rows = []
    for k, (name, size) in enumerate((("none", 0), ("combat_residual", 60), ("network", 60))):
        for column, role, metric in (
            ("age", "remove", "r2"),
            ("reading", "not named", "r2"),
            ("dx", "report", "auc"),
        ):
            for fit, test in (("all", "all"), ("ses-1", "ses-2")):
                value = 0.6 - 0.1 * k
                found = 0.01 if column == "reading" else 0.2
                rows.append(
                    (
                        name,
                        size,
                        column,
                        role,
                        "number",
                        0,
                        metric,
                        fit,
                        test,
                        value,
                        0.02,
                        0.03,
                        found / 2,
                        found,
                        50 + k,
                        0,
                    )
                )
    names = ["features", "bottleneck", "column", "role", "kind", "classes", "metric", "fit", "test"]
    more = ["value", "null_mean", "null_sd", "p", "q", "n", "shared_people"]
    return pd.DataFrame(rows, columns=names + more)


def test_referee_draws_fresh_readouts_in_words(compare):
    table = removal.referee_table(compare)
    assert len(table) == 3 * 2 * 3
    assert list(dict.fromkeys(table["panel"])) == ["age", "site", "site (rbf)"]
    assert set(table["label"]) == {"Nothing removed", "ComBat, then linear residuals", "Network"}
    axes = drawn(removal.referee_paint, table, (9, 3))
    assert [one.get_title() for one in axes] == ["age", "site", "site (rbf)"]
    assert [one.get_xlabel() for one in axes] == ["R²", "Balanced accuracy", "Balanced accuracy"]
    for one, (_, part) in zip(axes, table.groupby("panel", sort=False)):
        colour = {0: hex_of(removal.NONE), 60: hex_of(removal.SMALL)}
        expected = {(row.value, row.y, colour[row.bottleneck]) for row in part.itertuples()}
        assert set(dots(one)) == expected
    assert removal.referee(compare.assign(fit_on="train")) == []


def test_scan_draws_every_column_once_and_fills_what_is_found(scan):
    table = removal.scan_table(scan)
    assert len(table) == 9 and set(table["panel"]) == {"r2", "auc"}
    assert set(table["label"]) == {"age (removed)", "reading", "dx"}
    names = {"Raw connectomes", "ComBat, then linear residuals, 60", "Network, 60"}
    assert set(table["series"]) == names
    assert np.allclose(table["null_high"] - table["null_low"], 2 * 1.96 * 0.03)
    left, right = drawn(removal.scan_paint, table, (9, 3))
    part = table[table["panel"] == "r2"]
    marks = [mark for mark in dots(left) if np.isfinite(mark[0])]
    assert {(x, round(y, 9)) for x, y, _ in marks} == {
        (row.value, round(row.y, 9)) for row in part.itertuples()
    }
    white = hex_of("white")
    filled = {(round(y, 9)) for _, y, face in marks if face != white}
    assert filled == {round(y, 9) for y in part.loc[part["column"] == "reading", "y"]}
    assert len(bars(left)) == 6 and len(bars(right)) == 3
    # no two marks of a panel lie on each other
    assert part["y"].nunique() == len(part)


def test_tables_stand_before_figures_with_plain_names(tmp_path, compare, scan):
    compare.to_csv(tmp_path / "compare.tsv", sep="\t", index=False, na_rep="n/a")
    summary = pd.DataFrame(
        {"method": ["none", "network"], "bottleneck": [0, 60], "age": [0.4, 0.1], "cpu_s": [1, 2]}
    )
    summary.to_csv(tmp_path / "compare_summary.tsv", sep="\t", index=False)
    scan.to_csv(tmp_path / "phenotypes.tsv", sep="\t", index=False, na_rep="n/a")
    _, table, figure = demovae_compared.compared(tmp_path)
    assert [row["method"] for row in table.rows] == ["Nothing removed", "Network"]
    assert isinstance(figure, model.Figure) and figure.name == "referee"
    blocks = demovae_compared.scanned(tmp_path)
    kinds = [type(block).__name__ for block in blocks]
    assert kinds == ["Heading", "Table", "Details", "Figure"]
    rows = {row["name"]: row for row in blocks[1].rows}
    assert rows["reading"]["strong"] and not rows["age"]["strong"]
    assert rows["age"]["role"] == "removed" and rows["reading"]["role"] == ""
    assert rows["reading"]["network|60"] == "0.400 (q 0.010)"
    assert "Learned from ses-1, tested on ses-2" in blocks[2].blocks[0].caption
    (tmp_path / "phenotypes.tsv").unlink()
    assert demovae_compared.scanned(tmp_path) == []
    assert hex_of(draw.CONTROL) == hex_of(removal.SMALL)
