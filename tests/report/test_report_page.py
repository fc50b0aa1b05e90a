"""The whole page: self-contained, anonymous, complete, and the same at every build."""

import json
import re
import shutil
import socket
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from neuro.io.problems import InputProblem
from neuro.io.tables import exclusion, write_exclusions
from neuro.report import build


class Page(HTMLParser):
    """Collects tags, links, images and visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.images, self.ids, self.words = [], [], [], [], []
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self._style = tag == "style"
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def built(planted_results, report_config, report_methods, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    page = build(
        planted_results,
        out,
        report_config,
        title="Planted <results>",
        anonymous=False,
        methods=report_methods,
    )
    return page, Page(page.read_text("utf-8"))


@pytest.fixture
def bare(planted_results, tmp_path):
    """Results without anything to draw: quick to build."""
    root = tmp_path / "results"
    for name in ("participants.tsv", "fmri/exclusions.tsv", "fmri/report.json", "adhd/report.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(planted_results / name, root / name)
    return root


def test_page_needs_no_other_file_and_no_network(built):
    path, page = built
    loaded = {"script", "iframe", "object", "embed", "video", "audio", "source", "base"}
    assert not loaded & {tag for tag, _ in page.tags}
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.images)
    assert [a["href"] for tag, a in page.tags if tag == "link"] == ["data:,"]
    style = re.search(r"<style>(.*?)</style>", path.read_text(), re.S)[1]
    assert "url(" not in style and "@import" not in style
    outside = [link for link in page.links if not link.startswith("#")]
    assert all(link.startswith("https://") for link in outside)
    # Only references point outside.
    assert len(outside) == len([t for t, _ in page.tags if t == "li"]) - len(
        [link for link in page.links if link.startswith("#")][1:]
    )


def test_every_link_inside_the_page_has_its_target(built):
    _, page = built
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_every_figure_is_explained_and_none_is_empty(built):
    import io

    from matplotlib.image import imread

    path, page = built
    html = path.read_text("utf-8")
    figures = re.findall(r"<figure.*?</figure>", html, re.S)
    assert len(figures) == len(page.images) >= 15
    for figure in figures:
        assert "How to read this:" in figure
        assert re.search(r'alt="[^"]{15,}"', figure)
        assert re.search(r"<b>Figure S?\d+\.</b> [A-Z0-9]", figure)
    files = sorted((path.parent / "figures").rglob("*.png"))
    assert len(files) == len(figures)
    assert {file.parent.name for file in files} == {"fmri", "adhd"}
    for file in files:
        image = imread(io.BytesIO(file.read_bytes()))
        assert image.shape[0] > 150 and image.shape[1] > 300
        assert image[..., :3].std() > 0.01, file.name


def test_figures_the_stages_promise_are_there(built):
    path, _ = built
    names = {file.relative_to(path.parent).as_posix() for file in path.parent.rglob("*.png")}
    for name in (
        "fmri/mean_fd",
        "fmri/minutes_kept",
        "fmri/dof_left",
        "fmri/in_band_power",
        "fmri/qc_fc",
        "fmri/qc_fc_distance_before",
        "fmri/qc_fc_distance_after",
        "fmri/connectome",
        "fmri/connectome_before",
        "fmri/sub-01_task-rest_carpet",
        "fmri/sub-01_task-rest_slices",
        "adhd/scores_pooled",
        "adhd/scores_leave_site_out",
        "adhd/roc_pooled",
        "adhd/permutations_pooled",
        "adhd/mask_frequency",
        "adhd/threshold_length",
        "adhd/regions_cycle3",
        "adhd/pattern",
    ):
        assert f"figures/{name}.png" in names


def test_sample_headline_and_exclusions_come_first(built):
    _, page = built
    text = page.text
    assert text.index("Sample") < text.index("Headline figures") < text.index("Exclusions")
    assert text.index("Exclusions") < text.index("Images, motion and connectomes", 400)
    assert "less than 240 s kept after censoring" in text
    assert "one class only: 12 controls, no case" in text
    assert "site 0.610; phenotype 0.660" in text
    assert "[0.710, 0.850]" in text


def test_no_path_user_or_host_is_named(bare, report_config, tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "planted-node17.lab.example")
    write_exclusions(
        bare / "fmri" / "exclusions.tsv",
        [
            exclusion("sub-02", "read", "/scratch/ann/x.nii.gz: truncated on planted-node17"),
            exclusion("sub-03", "read", "C:\\Users\\ann\\bids\\y.nii.gz: empty"),
            exclusion("sub-04", "read", "ann@planted-node17.lab.example: permission denied"),
        ],
    )
    page = build(bare, tmp_path / "out", report_config, anonymous=False)
    for file in page.parent.rglob("*"):
        if file.suffix in (".html", ".md", ".bib"):
            text = file.read_text("utf-8")
            assert "planted-node17" not in text
            assert not re.search(r"\bann\b", text)
            assert "/home/" not in text and "/scratch" not in text and "Users" not in text
            assert str(tmp_path) not in text
    assert "x.nii.gz: truncated" in page.read_text("utf-8")


def test_title_is_shown_as_text(built):
    path, page = built
    assert "Planted <results>" in page.text
    assert "<results>" not in path.read_text("utf-8")


def test_disabled_stage_leaves_no_trace(planted_results, report_config, report_methods, tmp_path):
    config = {**report_config, "adhd": {"enabled": False}}
    page = build(
        planted_results, tmp_path, config, methods=report_methods[:1], max_subject_figures=0
    )
    text = Page(page.read_text("utf-8")).text
    for word in ("Graph maps", "3-cycle", "adhd", "Balanced accuracy", "one class only"):
        assert word.lower() not in text.lower()
    assert not (tmp_path / "figures" / "adhd").exists()
    assert "dey2012" not in (tmp_path / "references.bib").read_text()


def test_same_results_same_bytes(built, planted_results, report_config, report_methods, tmp_path):
    first, _ = built
    again = build(
        planted_results,
        tmp_path,
        report_config,
        title="Planted <results>",
        anonymous=False,
        methods=report_methods,
    )
    assert again.read_bytes() == first.read_bytes()


def test_anonymous_report_shows_numbers_and_the_runs_that_moved_most(
    planted_results, report_config, tmp_path
):
    config = {**report_config, "adhd": {"enabled": False}}
    page = build(planted_results, tmp_path, config, anonymous=True, max_subject_figures=1)
    html = page.read_text("utf-8")
    assert not re.search(r"sub-\d", html)
    assert "sub-P001_task-rest" in html and "sub-P012_task-rest" in html
    text = Page(html).text
    assert "Pictures of 1 of 3 runs" in text and "largest mean FD" in text
    shown = sorted(file.name for file in (tmp_path / "figures" / "fmri").glob("*_carpet.png"))
    qc = pd.read_csv(planted_results / "fmri" / "group_qc.tsv", sep="\t")
    # Pictures exist of the first three; their numbers are those of the sorted labels.
    assert shown == [f"sub-P00{qc['mean_fd'][:3].argmax() + 1}_task-rest_carpet.png"]


def test_pictures_of_an_earlier_report_do_not_stay(bare, report_config, tmp_path):
    stale = tmp_path / "out" / "figures" / "fmri" / "sub-99_task-rest_carpet.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    own = tmp_path / "out" / "figures" / "notes" / "mine.png"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    build(bare, tmp_path / "out", report_config)
    assert not stale.exists() and own.exists()


def test_report_is_written_from_almost_nothing(report_config, tmp_path):
    root = tmp_path / "results"
    root.mkdir()
    page = build(root, tmp_path / "out", report_config)
    text = Page(page.read_text("utf-8")).text
    assert "Nothing was excluded." in text
    assert "The diagnosis has no scores." in text


def test_long_list_of_exclusions_is_summed_up(bare, report_config, tmp_path):
    rows = [exclusion(f"sub-{n:02d}", "clean", "too much motion", n, 40) for n in range(60)]
    rows += [exclusion("sub-77", "read", "the file is empty")]
    write_exclusions(bare / "fmri" / "exclusions.tsv", rows)
    config = {**report_config, "adhd": {"enabled": False}}
    page = Page(build(bare, tmp_path / "out", config, anonymous=False).read_text("utf-8"))
    assert "All 61 exclusions" in page.text
    assert "fmri clean too much motion 60" in page.text


def test_exclusions_of_the_input_check_are_joined(bare, report_config, tmp_path):
    (bare / "exclusions.tsv").write_text(
        "subject\trun\tstage\treason\tvalue\tlimit\n"
        "05\trun-1\tcheck\tno confounds table\tn/a\tn/a\n"
    )
    page = Page(build(bare, tmp_path / "out", report_config, anonymous=False).read_text("utf-8"))
    assert "sub-05 run-1 input check no confounds table" in page.text


@pytest.mark.parametrize("content", ["{not json", '{"name": "x"}', '["x"]'])
def test_broken_headline_file_is_one_line(bare, report_config, tmp_path, content):
    (bare / "adhd" / "report.json").write_text(content)
    with pytest.raises(InputProblem, match=r"report\.json") as caught:
        build(bare, tmp_path / "out", report_config)
    assert len(caught.value.problems) == 1 and "\n" not in str(caught.value)


def test_missing_results_are_one_line(report_config, tmp_path):
    with pytest.raises(InputProblem, match="no such folder; run the workflow first"):
        build(tmp_path / "nothing", tmp_path / "out", report_config)


def test_simulated_data_are_named_as_such(bare, report_config, tmp_path):
    config = {**report_config, "data": {"kind": "simulated"}}
    page = Page(build(bare, tmp_path, config).read_text("utf-8"))
    assert "These data are simulated" in page.text


def test_headline_values_are_those_of_the_stage(planted_results, built):
    _, page = built
    for entry in json.loads((planted_results / "fmri" / "report.json").read_text()):
        assert entry["name"] in page.text
        if isinstance(entry["value"], int):
            assert f"{entry['value']} {entry['unit']}" in page.text
        else:
            assert f"{np.round(entry['value'], 3):.3f} {entry['unit']}" in page.text


def test_importing_the_report_is_light():
    code = (
        "import sys, neuro.report, neuro.report.methods;"
        "print([m for m in ('numpy', 'pandas', 'matplotlib', 'nibabel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
