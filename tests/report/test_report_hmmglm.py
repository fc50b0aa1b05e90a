"""Sections of the stage hmmglm, from the result files that its rules leave."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro.report.figures import hmmglm_time
from neuro.report.pages import hmmglm
from neuro.report.site import model
from neuro.report.site.labels import Labels

CASES = Path(__file__).parents[1] / "unit"
CONFIG = {"hmmglm": {"enabled": True, "switch_s": None}}
BANNER = "point events of ROI series, not spikes"


@pytest.fixture
def results(tmp_path):
    """Results of the planted set: stored cases of the rules, put together."""
    folder = tmp_path / "results/hmmglm"
    for part in ("hmmglm_select/expected", "hmmglm_export/expected", "hmmglm_export/data"):
        source = CASES / part / "results/hmmglm"
        shutil.copytree(source, folder, dirs_exist_ok=True)
    (folder / "sets.tsv").write_text("set\tinput\nplanted\tsimulated\n")
    return tmp_path / "results"


def made(results, config=CONFIG):
    return hmmglm.sections(results, config, Labels(set(), False))


def names(section):
    return {figure.name for figure in section.figures()}


def test_every_figure_is_there_with_sizes_and_a_hint(results):
    (section,) = made(results)
    want = ("selection", "restarts", "raster", "dwell", "transitions", "rates", "couplings")
    assert names(section) >= {f"planted_{name}" for name in (*want, "confidence")}
    for figure in section.figures():
        assert "K = 2, 4 units, 600 bins of 0.05 s" in figure.caption
        assert figure.how_to_read and figure.alt
        assert figure.png.startswith(b"\x89PNG") and len(figure.png) > 4000


def test_the_table_of_states_adds_up(results):
    (section,) = made(results)
    table = next(block for block in section.blocks if isinstance(block, model.Table))
    assert [row["state"] for row in table.rows] == ["1", "2"]
    assert sum(row["share"] for row in table.rows) == pytest.approx(100)
    weights = pd.read_csv(results / "hmmglm/planted/weights.tsv", sep="\t")
    assert sum(row["exc"] for row in table.rows) == (weights["sign"] > 0).sum()


def test_the_table_of_states_tells_states_signs_and_cut_visits_apart(results):
    folder = results / "hmmglm/planted"
    weights = pd.read_csv(folder / "weights.tsv", sep="\t")
    weights["sign"] = [1] * 5 + [-1] * 2 + [0] * 9 + [1] * 3 + [-1] * 4 + [0] * 9
    weights.to_csv(folder / "weights.tsv", sep="\t", index=False)
    visits = [(0, 1, 0.5, 0), (0, 1, 0.7, 0), (0, 1, 9.0, 1), (0, 2, 0.2, 0), (0, 2, 8.0, 1)]
    columns = ["sequence", "state", "duration_s", "cut"]
    pd.DataFrame(visits, columns=columns).to_csv(folder / "dwell.tsv", sep="\t", index=False)
    rows = hmmglm._states_table(hmmglm._read(folder, "planted", "simulated", {})).rows
    assert [(row["exc"], row["inh"]) for row in rows] == [(5, 2), (3, 4)]
    assert [row["visits"] for row in rows] == [3, 2]
    assert [row["dwell"] for row in rows] == pytest.approx([0.6, 0.2])


def test_planted_states_stand_below_the_posterior(results):
    states = pd.read_csv(results / "hmmglm/planted/states.tsv", sep="\t")
    assert set(states["planted"]) == {1, 2}
    (section,) = made(results)
    raster = next(figure for figure in section.figures() if figure.name == "planted_raster")
    assert "planted states" in raster.caption


def test_region_series_carry_their_banner_and_show_what_exceeds_the_null(results):
    folder = results / "hmmglm/planted"
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**facts, "Note": BANNER}))
    sweep = pd.read_csv(folder / "sweep.tsv", sep="\t", na_values="n/a")
    null = sweep[sweep["model"] == "onehot"].assign(model="onehot:null-0")
    null["test_bits_per_spike"] -= 0.25
    pd.concat([sweep, null]).to_csv(folder / "sweep.tsv", sep="\t", index=False, na_rep="n/a")
    (results / "hmmglm/sets.tsv").write_text("set\tinput\nplanted\tfmri\n")
    (section,) = made(results)
    assert all(figure.caption.lower().startswith(BANNER.lower()) for figure in section.figures())
    assert "must not be read as neural" in section.blocks[0].text
    from neuro.report.figures.hmmglm import _beyond_null

    data = hmmglm._read(folder, "planted", "fmri", {})
    beyond = _beyond_null(data, "bits_per_spike")
    np.testing.assert_allclose(beyond["value"], 0.25)
    np.testing.assert_allclose(beyond["error"], 0, atol=1e-12)


def test_a_switch_draws_the_course_of_the_states(results):
    (results / "hmmglm/sets.tsv").write_text("set\tinput\nplanted\tspikes\n")
    config = {"hmmglm": {"enabled": True, "switch_s": 4.0}}
    (section,) = made(results, config)
    assert "planted_course" in names(section)
    (section,) = made(results)
    assert "planted_course" not in names(section)


def test_the_raster_shows_the_stretch_with_most_changes(results):
    data = hmmglm._read(results / "hmmglm/planted", "planted", "simulated", {})
    sequence, first, end = hmmglm_time._stretch(data)
    states = data.tables["states"]
    changes = states.groupby("sequence")["state"].apply(lambda part: (part.diff() != 0).sum())
    assert (first, end) == (0, 150) and changes[sequence] == changes.max()


def test_warnings_of_the_model_are_told(results):
    folder = results / "hmmglm/planted"
    facts = json.loads((folder / "model.json").read_text())
    facts |= {"MostlyOneSign": True, "EmptyStates": [1]}
    (folder / "model.json").write_text(json.dumps(facts))
    (section,) = made(results)
    told = [block.text for block in section.blocks if getattr(block, "kind", "") == "warning"]
    assert len(told) == 2 and "one sign" in told[0] and "1 %" in told[1]


def test_a_set_without_results_says_so(results):
    (results / "hmmglm/planted/states.tsv").unlink()
    (section,) = made(results)
    assert section.blocks[0].text == "This set has no results."
    (results / "hmmglm/sets.tsv").unlink()
    assert made(results) == []
