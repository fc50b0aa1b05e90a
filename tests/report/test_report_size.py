"""A report about a thousand people is still a page that a browser opens at once."""

import pytest

from neuro.report import build

N_PEOPLE, LIMIT = 1000, 5_000_000
"""People, and bytes of a page."""


@pytest.fixture(scope="module")
def large(make_planted_results, tmp_path_factory, report_config):
    """Pages of a study; runs have pages of their own, so one of them is enough."""
    root = make_planted_results(tmp_path_factory.mktemp("many"), N_PEOPLE, n_figures=1)
    out = tmp_path_factory.mktemp("report")
    index = build(root, out, report_config, title="Many", anonymous=False, methods=[])
    return {path.relative_to(out).as_posix(): path for path in index.parent.rglob("*.html")}


def test_no_page_of_a_thousand_people_exceeds_five_megabytes(large):
    sizes = {name: path.stat().st_size for name, path in large.items()}
    assert {"index.html", "fmri.html", "adhd.html", "exclusions.html", "record.html"} <= set(sizes)
    assert {name: size for name, size in sizes.items() if size >= LIMIT} == {}


def test_the_pages_are_about_all_of_them(large):
    assert str(N_PEOPLE - 1) in large["index.html"].read_text("utf-8")
