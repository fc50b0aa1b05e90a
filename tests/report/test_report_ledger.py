"""The ledger of strategies in the report: its table against the files, its drawing against it."""

import numpy as np
import pandas as pd
import pytest
from artists import dots, drawn

from neuro.fmri.compare.ledger import COLUMNS
from neuro.io.formats.tables import write_tsv
from neuro.report.figures.cohort import ledger
from neuro.report.site import model

STRATEGIES = ["none", "24P", "36P"]


@pytest.fixture
def results(tmp_path):
    """Three strategies, the last without any run; no repeated runs, no known networks."""
    table = pd.DataFrame({name: [np.nan] * 3 for name in COLUMNS})
    table["strategy"], table["used"], table["runs_lost"] = STRATEGIES, [0, 1, 0], [0, 2, 40]
    table["qc_fc_share"], table["dof_lost"] = [0.4, 0.07, np.nan], [20.0, 44.0, 90.0]
    table["distance_slope"], table["n_people"] = [-0.002, -0.0001, np.nan], [38, 38, np.nan]
    table["communities"] = ["found", "found", np.nan]
    write_tsv(tmp_path / "fmri" / "compare.tsv", table)
    rows = [
        {
            **{"strategy": name, "scheme": scheme, "metric": metric, "value": 0.5 + 0.1 * place},
            **{"ci_low": 0.45, "ci_high": 0.8, "null_mean": 0.52, "null_sd": 0.05},
            **{"p": 0.04, "n": 38},
        }
        for place, name in enumerate(STRATEGIES[:2])
        for scheme in ("pooled", "leave_site_out")
        for metric in ("balanced_accuracy", "auc")
    ]
    write_tsv(tmp_path / "adhd" / "compare.tsv", pd.DataFrame(rows))
    return tmp_path


def test_every_measure_with_a_value_has_a_panel_and_every_value_a_dot(results):
    blocks = ledger.blocks(results)
    (figure,) = [block for block in blocks if isinstance(block, model.Figure)]
    table = figure.data
    words = list(dict.fromkeys(table["measure"]))
    assert [word.split("\n")[0] for word in words] == [
        *("Edges that follow", "Slope with distance,", "Degrees of", "Runs lost"),
        *("Balanced accuracy,", "Balanced accuracy,"),
    ]
    assert len(table) == 4 * 3 + 2 * 2
    part = table.set_index(["measure", "strategy"])
    assert part["value"][words[0], "24P"] == 0.07 and part["mark"][words[0], "none"] == 0.05
    assert part["value"][words[1], "none"] == pytest.approx(-0.2)
    assert part["null_high"][words[4], "24P"] == pytest.approx(0.52 + 1.96 * 0.05)
    assert set(table.loc[table["used"] == 1, "strategy"]) == {"24P"}
    axes = [axes for axes in drawn(ledger.ledger_paint, table) if axes.axison]
    assert len(axes) == 6
    for word, own in zip(words, axes):
        values = table[table["measure"] == word].dropna(subset=["value"])
        shown = sorted(x for x, _, _ in dots(own) if np.isfinite(x))
        assert shown == pytest.approx(sorted(values["value"]))
    assert [tick.get_text() for tick in axes[0].get_yticklabels()] == STRATEGIES
    assert "Do not choose the strategy by" in figure.how_to_read


def test_the_table_says_what_the_files_say(results):
    (shown,) = [b for b in ledger.blocks(results) if isinstance(b, model.Table)]
    rows = {row["strategy"]: row for row in shown.rows}
    assert rows["24P"]["strong"] and not rows["none"]["strong"]
    assert rows["36P"]["runs_lost"] == 40 and np.isnan(rows["36P"]["pooled_value"])
    assert rows["24P"]["pooled_value"] == pytest.approx(0.6) and rows["24P"]["pooled_null"] == 0.52
    assert "communities found" in shown.caption


def test_without_a_ledger_nothing_and_without_the_diagnosis_no_warning(results, tmp_path):
    assert ledger.blocks(tmp_path / "elsewhere") == []
    (results / "adhd" / "compare.tsv").unlink()
    (figure,) = [b for b in ledger.blocks(results) if isinstance(b, model.Figure)]
    assert "diagnosis" not in figure.how_to_read
