"""The whole report: self-contained, anonymous, complete, and the same at every build."""

import itertools
import re
import socket
import subprocess
import sys

import pandas as pd
import pytest
from report_pages import pages, words

from neuro.io.formats.tables import exclusion, write_exclusions
from neuro.io.problems import InputProblem
from neuro.report import build


@pytest.fixture(scope="module")
def built(built_report):
    return built_report, pages(built_report)


def test_every_page_is_there(built):
    _, found = built
    assert set(found) == {
        *(f"{name}.html" for name in ("index", "fmri", "adhd", "exclusions", "methods", "record")),
        *(f"pages/fmri_sub-{number:02d}.html" for number in (1, 2, 3)),
    }


def test_pages_need_no_other_file_and_no_network(built):
    index, found = built
    loaded = {"script", "iframe", "object", "embed", "video", "audio", "source", "base"}
    for name, page in found.items():
        assert not loaded & {tag for tag, _ in page.tags}
        assert all(image["src"].startswith("data:image/png;base64,") for image in page.images)
        assert [a["href"] for tag, a in page.tags if tag == "link"] == ["data:,"]
        style = re.search(r"<style>(.*?)</style>", (index.parent / name).read_text(), re.S)[1]
        assert "url(" not in style and "@import" not in style
        outside = [link for link in page.links if "//" in link]
        # Only references point outside.
        assert len(outside) == (5 if name == "methods.html" else 0)
        assert all(link.startswith("https://") for link in outside)


def test_every_link_has_its_target(built):
    index, found = built
    for name, page in found.items():
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            if "//" in link:
                continue
            path, _, anchor = link.partition("#")
            target = (index.parent / name).parent / path if path else index.parent / name
            target = target.resolve().relative_to(index.parent.resolve()).as_posix()
            if target.endswith(".tsv"):
                assert (index.parent / target).is_file(), f"{name}: {link}"
                continue
            assert target in found, f"{name}: {link}"
            assert not anchor or anchor in found[target].ids, f"{name}: {link}"


def test_every_page_is_reached_from_the_first(built):
    index, found = built
    seen, todo = set(), ["index.html"]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for link in found[name].links:
            if not link.startswith(("#", "https://")) and not link.endswith(".tsv"):
                target = ((index.parent / name).parent / link.partition("#")[0]).resolve()
                todo.append(target.relative_to(index.parent.resolve()).as_posix())
    assert seen == set(found)


def test_headings_go_down_one_level_at_a_time(built):
    index, found = built
    for name in found:
        levels = [int(n) for n in re.findall(r"<h([1-6])", (index.parent / name).read_text())]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), name


def test_every_figure_is_explained_and_none_is_empty(built):
    import io

    from matplotlib.image import imread

    path, found = built
    html = "".join((path.parent / name).read_text("utf-8") for name in found)
    figures = re.findall(r"<figure.*?</figure>", html, re.S)
    cards = html.count('class="picture"')
    assert len(figures) == sum(len(page.images) for page in found.values()) - cards >= 15
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
    assert "x.nii.gz: truncated" in (page.parent / "exclusions.html").read_text("utf-8")


def test_title_is_shown_as_text(built):
    path, found = built
    for name, page in found.items():
        assert "Planted <results>" in page.text
        assert "<results>" not in (path.parent / name).read_text("utf-8")


def test_disabled_stage_leaves_no_trace(planted_results, report_config, report_methods, tmp_path):
    config = {**report_config, "adhd": {"enabled": False}}
    (tmp_path / "adhd.html").write_text("of an earlier run")
    page = build(
        planted_results, tmp_path, config, methods=report_methods[:1], max_subject_figures=0
    )
    text = words(page)
    assert not (tmp_path / "adhd.html").exists()
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
    files = [path for path in first.parent.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        other = again.parent / path.relative_to(first.parent)
        assert other.read_bytes() == path.read_bytes(), path.name


def test_anonymous_report_shows_numbers_and_the_runs_that_moved_most(
    planted_results, report_config, tmp_path
):
    config = {**report_config, "adhd": {"enabled": False}}
    page = build(planted_results, tmp_path, config, anonymous=True, max_subject_figures=1)
    for path in page.parent.rglob("*"):
        assert not re.search(r"sub-\d", path.name)
        if path.suffix == ".html":
            assert not re.search(r"sub-\d", path.read_text("utf-8"))
    text = words(page)
    assert "sub-P001_task-rest" in text and "sub-P012_task-rest" in text
    assert "Pictures of 1 of 3 runs" in text and "largest mean FD" in text
    shown = sorted(file.name for file in (tmp_path / "figures" / "fmri").glob("*_carpet.png"))
    qc = pd.read_csv(planted_results / "fmri" / "group_qc.tsv", sep="\t")
    # Pictures exist of the first three; their numbers are those of the sorted labels.
    assert shown == [f"sub-P00{qc['mean_fd'][:3].argmax() + 1}_task-rest_carpet.png"]


def test_pictures_and_pages_of_an_earlier_report_do_not_stay(bare, report_config, tmp_path):
    stale = tmp_path / "out" / "figures" / "fmri" / "sub-99_task-rest_carpet.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    own = tmp_path / "out" / "figures" / "notes" / "mine.png"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    page = tmp_path / "out" / "pages" / "fmri_sub-99.html"
    page.parent.mkdir()
    page.write_text("old")
    build(bare, tmp_path / "out", report_config)
    assert not stale.exists() and own.exists() and not page.exists()


def test_report_is_written_from_almost_nothing(report_config, tmp_path):
    root = tmp_path / "results"
    root.mkdir()
    page = build(root, tmp_path / "out", report_config)
    text = words(page)
    assert "Nothing was excluded." in text
    assert "The diagnosis has no scores." in text


def test_missing_results_are_one_line(report_config, tmp_path):
    with pytest.raises(InputProblem, match="no such folder; run the workflow first"):
        build(tmp_path / "nothing", tmp_path / "out", report_config)


def test_importing_the_report_is_light():
    code = (
        "import sys, neuro.report, neuro.report.pages.methods;"
        "print([m for m in ('numpy', 'pandas', 'matplotlib', 'nibabel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
