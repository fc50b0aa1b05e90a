"""The documentation site: sections in order, links, names; the whole build is a slow test."""

import importlib
import importlib.util
import inspect
import itertools
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import neuro.config

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "generated" not in path.parts]
SECTIONS = [
    *("What it does", "When not", "Input", "Output", "Options", "Figures"),
    *("Departures from the paper", "Limits", "Measured"),
]
ROOMS = (
    *neuro.config.STAGES,
    *("encoding", "stats", "simulate", "io", "config", "report"),
)


def outside_code(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def headings(text: str, level: str = "#+") -> list[str]:
    return re.findall(rf"^{level} (.*)$", outside_code(text), re.M)


def anchor(heading: str) -> str:
    """The name that a heading has on the site and in the repository."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def links(path: Path) -> list[tuple[Path, str]]:
    """Files and anchors that a page leads to."""
    found = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", outside_code(path.read_text("utf-8")))
    return [(path.parent / file if file else path, to) for file, to in found if "://" not in file]


@pytest.mark.parametrize("stage", neuro.config.STAGES)
def test_the_page_of_a_stage_has_the_sections_of_all_in_their_order(stage):
    text = (DOCS / f"{stage}.md").read_text("utf-8")
    assert headings(text, "##") == SECTIONS
    for section in SECTIONS:
        body = outside_code(text).split(f"\n## {section}\n")[1].split("\n## ")[0]
        assert len(body.split()) > 5, f"{section} says nothing"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_links_lead_to_files_and_headings(page):
    for file, to in links(page):
        assert file.exists(), file
        if to:
            known = {anchor(heading) for heading in headings(file.read_text("utf-8"))}
            assert to in known, f"{file.name}#{to}"


def test_links_of_the_readme_lead_to_headings():
    for file, to in links(ROOT / "README.md"):
        if to:
            known = {anchor(heading) for heading in headings(file.read_text("utf-8"))}
            assert to in known, f"{file.name}#{to}"


def test_every_page_stands_in_one_table_of_contents():
    listed = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", text, re.M | re.S):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            names = [re.sub(r"^.*<(.*)>$", r"\1", name) for name in names]
            listed += [(page.parent / name).relative_to(DOCS).as_posix() for name in names]
    here = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES} - {"index"}
    assert sorted(name for name in listed if not name.startswith("generated")) == sorted(here)
    made = {"generated/gallery/index", "generated/results/index", "generated/README"}
    assert set(listed) - here == made | {"generated/CHANGELOG"}


def test_the_api_page_lists_every_room_with_public_names():
    page = (DOCS / "python.md").read_text("utf-8")
    assert re.findall(r"^   neuro\.(\w+)$", page, re.M) == list(ROOMS)
    public = {
        path.parent.name
        for path in ROOT.glob("neuro/*/__init__.py")
        if "__all__" in path.read_text("utf-8")
    }
    assert public == set(ROOMS)


def test_settings_of_the_site_are_read_without_sphinx():
    settings = runpy.run_path(str(DOCS / "conf.py"))
    assert settings["release"] == "0.1.0"
    assert "intersphinx" not in " ".join(settings["extensions"]), "the site is built offline"
    names = [Path(name).name for name in settings["sphinx_gallery_conf"]["subsection_order"]]
    assert names == list(neuro.config.STAGES)


@pytest.fixture
def charts(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("charts")


CHART = """flowchart LR
  in([some words]) --> a
  a["a: first"]
  a --> b
  b --> c
  a --> c
  c --> b
"""


def test_a_chart_is_read(charts):
    direction, labels, edges = charts.parse(CHART)
    assert direction == "LR"
    assert labels == {"in": "some words", "a": "a: first", "b": "b", "c": "c"}
    assert edges == [("in", "a"), ("a", "b"), ("b", "c"), ("a", "c"), ("c", "b")]
    assert charts.layers(list(labels), edges) == {"in": 0, "a": 1, "b": 2, "c": 3}


def test_arrows_that_longer_ways_imply_are_left_out(charts):
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d"), ("e", "d")]
    assert charts.reduced(edges) == [("a", "b"), ("b", "c"), ("c", "d"), ("e", "d")]


def test_boxes_of_a_chart_do_not_overlap(charts):
    for page in ("index.md", "rules.md", "architecture.md"):
        chart = re.search(r"^```mermaid\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.M | re.S)
        _, labels, edges = charts.parse(chart[1])
        places, ways = charts.placed(list(labels), edges)
        assert len(ways) == len(edges)
        rows = {}
        for name in labels:
            depth, high = places[name]
            rows.setdefault(depth, []).append(high)
        for row in rows.values():
            row.sort()
            assert all(b - a > 0.99 for a, b in itertools.pairwise(row)), page


class Found(HTMLParser):
    """Anchors and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.pictures = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in ("img", "script") and values.get("src"):
            self.pictures.append(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, its examples shown and not run."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("the extra docs is not installed: pip install -c constraints.txt -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-E", "-q", "-b", "html"]
    command += ["-D", "plot_gallery=0", "-d", str(out / "trees"), str(DOCS), str(out / "html")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return out / "html"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_shows_every_public_name(site):
    for room in ROOMS:
        module = importlib.import_module(f"neuro.{room}")
        for name in module.__all__:
            page = site / f"generated/api/neuro.{room}.{name}.html"
            assert page.is_file(), f"neuro.{room}.{name}"
            item = getattr(module, name)
            if callable(item):
                first = re.sub(r":\w+:`", "", inspect.getdoc(item).splitlines()[0])
                shown = re.sub(r"<[^>]*>|&#?\w+;", "", page.read_text("utf-8"))
                assert letters(first) in letters(shown), f"{name}: docstring is not shown"


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


@pytest.mark.slow
def test_every_link_and_picture_of_the_site_is_there(site):
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Found(path.read_text("utf-8")) for path in files}
    assert len(pages) > 200
    for path, found in pages.items():
        for link in found.links + found.pictures:
            if re.match(r"[a-z]+:", link):
                assert link in found.links, f"{path.name} fetches {link}"
                continue
            file, _, to = link.partition("#")
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            assert target.exists(), f"{path.relative_to(site)}: {link}"
            if to and target in pages:
                assert to in pages[target].ids, f"{path.relative_to(site)}: {link}"
