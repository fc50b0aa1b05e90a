"""First page of a report: planted truth or headline figures, exclusions by reason."""

import json
import re

import numpy as np
import pytest
from report_pages import Page, pages, words

from neuro.io.formats.tables import exclusion, write_exclusions
from neuro.io.problems import InputProblem
from neuro.report import build


@pytest.fixture(scope="module")
def built(built_report):
    return built_report, pages(built_report)


def test_real_data_start_with_the_headline_figures(built):
    _, found = built
    text = found["index.html"].text
    # The first mention is the menu's.
    assert text.index("Headline figures", text.index("Headline figures") + 1) < text.index(
        "The sample by site"
    )
    assert "Planted truth" not in text
    assert "site 0.610; phenotype 0.660" in text
    assert "[0.710, 0.850]" in text
    assert "less than 240 s kept after censoring" in text
    assert "one class only: 12 controls, no case" in text
    assert "sub-12_task-rest clean less than 240 s kept" in found["exclusions.html"].text


def test_simulated_data_start_with_planted_truth_and_what_was_recovered(
    bare, report_config, tmp_path
):
    entries = [
        {"name": "region", "value": "A", "planted": "A", "recovered": "B", "error": "1 of 1"},
        {
            "name": "number of states",
            "value": 3,
            "planted": 4,
            "recovered": 3,
            "error": -1,
            "unit": "states",
        },
        {"name": "speed", "value": 9.0, "unit": "s"},
    ]
    (bare / "adhd" / "report.json").write_text(json.dumps(entries))
    config = {**report_config, "data": {"kind": "simulated"}}
    index = build(bare, tmp_path, config)
    html = index.read_text("utf-8")
    first = re.search(r"<table.*?</table>", html, re.S)[0]
    rows = [re.findall(r"<t[hd][^>]*>(?:<a[^>]*>)?([^<]*)", row) for row in first.split("<tr")[1:]]
    assert rows == [
        ["Stage", "What", "Planted", "Recovered", "Error"],
        ["adhd", "region", "A", "B", "1 of 1"],
        ["adhd", "number of states", "4", "3", "−1"],
    ]
    assert (
        html.index("<main")
        < html.index("These data are simulated")
        < html.index("Planted truth, and what was recovered</h2>")
    )
    assert "speed" in Page(html).text
    # Without a truth the headline figures come first, as for real data.
    (bare / "adhd" / "report.json").write_text(json.dumps(entries[2:]))
    assert "Planted truth" not in build(bare, tmp_path, config).read_text("utf-8")


def test_long_list_of_exclusions_is_summed_up(bare, report_config, tmp_path):
    rows = [exclusion(f"sub-{n:02d}", "clean", "too much motion", n, 40) for n in range(60)]
    rows += [exclusion("sub-77", "read", "the file is empty")]
    write_exclusions(bare / "fmri" / "exclusions.tsv", rows)
    config = {**report_config, "adhd": {"enabled": False}}
    page = build(bare, tmp_path / "out", config, anonymous=False)
    first = Page(page.read_text("utf-8")).text
    assert "All 61 exclusions, one by one" in first
    assert "fmri clean too much motion 60" in first and "sub-59" not in first
    assert "sub-59 clean too much motion 59 40" in words(page)


def test_same_reason_about_other_files_is_counted_once(bare, report_config, tmp_path):
    rows = [exclusion(f"sub-{n:02d}", "scan", f"func/sub-{n:02d}_bold.json: empty") for n in (1, 2)]
    write_exclusions(bare / "fmri" / "exclusions.tsv", rows)
    config = {**report_config, "adhd": {"enabled": False}}
    page = build(bare, tmp_path / "out", config, anonymous=False)
    assert "fmri scan a file: empty 2" in Page(page.read_text("utf-8")).text
    assert "sub-02_bold.json: empty" in words(page)


def test_exclusions_of_the_input_check_are_joined(bare, report_config, tmp_path):
    (bare / "exclusions.tsv").write_text(
        "subject\trun\tstage\treason\tvalue\tlimit\n"
        "05\trun-1\tcheck\tno confounds table\tn/a\tn/a\n"
    )
    page = build(bare, tmp_path / "out", report_config, anonymous=False)
    assert "Stage input" in words(page)
    assert "sub-05 run-1 check no confounds table" in words(page)


@pytest.mark.parametrize("content", ["{not json", '{"name": "x"}', '["x"]'])
def test_broken_headline_file_is_one_line(bare, report_config, tmp_path, content):
    (bare / "adhd" / "report.json").write_text(content)
    with pytest.raises(InputProblem, match=r"report\.json") as caught:
        build(bare, tmp_path / "out", report_config)
    assert len(caught.value.problems) == 1 and "\n" not in str(caught.value)


def test_simulated_data_are_named_as_such(bare, report_config, tmp_path):
    config = {**report_config, "data": {"kind": "simulated"}}
    page = Page(build(bare, tmp_path, config).read_text("utf-8"))
    assert "These data are simulated" in page.text


def test_headline_values_are_those_of_the_stage(planted_results, built):
    page = built[1]["index.html"]
    for entry in json.loads((planted_results / "fmri" / "report.json").read_text()):
        assert entry["name"] in page.text
        if isinstance(entry["value"], int):
            assert f"{entry['value']} {entry['unit']}" in page.text
        else:
            assert f"{np.round(entry['value'], 3):.3f} {entry['unit']}" in page.text
