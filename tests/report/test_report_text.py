"""Numbers, names and the methods text."""

import re
import socket

import pytest

from neuro.report.pages import methods
from neuro.report.site import model
from neuro.report.site.labels import Labels, without_machine


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.12345, 3, "0.123"),
        (-0.5, 2, "−0.50"),
        (-0.0001, 2, "0.00"),
        (1234567, 0, "1\u202f234\u202f567"),
        (1234.5, 1, "1\u202f234.5"),
        (float("nan"), 2, "n/a"),
        (None, 2, "n/a"),
        (True, 0, "yes"),
        ("text", 3, "text"),
        (float("inf"), 1, "∞"),
    ],
)
def test_numbers_for_tables(value, digits, expected):
    assert model.number(value, digits) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (31, "31"),
        (31.0, "31"),
        (0.23456, "0.235"),
        (12.345, "12.3"),
        (345.6, "346"),
        (1e-6, "1.00e−06"),
    ],
)
def test_numbers_without_fixed_digits(value, expected):
    assert model.compact(value) == expected


def test_p_values_are_never_zero():
    assert model.p_value(0.0) == "< 0.001"
    assert model.p_value(0.0312) == "0.031"
    assert model.p_value(float("nan")) == "n/a"


def test_intervals():
    assert model.interval(0.1, 0.25, 2) == "[0.10, 0.25]"
    assert model.interval(None, 0.25) == "" == model.interval(0.1, float("nan"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ann/bids/sub-01_bold.json: TR 0", "sub-01_bold.json: TR 0"),
        ("root: /home/ann", "root: ~"),
        ("~/study/x.tsv", "x.tsv"),
        ("see /data/lab/bids/", "see bids"),
        ("'/data/a.nii.gz' and (/data/b.nii.gz)", "'a.nii.gz' and (b.nii.gz)"),
        ("C:\\Users\\ann\\x.nii", "x.nii"),
        ("file:///data/x.tsv", "x.tsv"),
        ("results/fmri/qc.tsv", "results/fmri/qc.tsv"),
        ("../shared/x.tsv", "../shared/x.tsv"),
        ("n/a", "n/a"),
        ("3/4 of mm/s and and/or", "3/4 of mm/s and and/or"),
        ("https://doi.org/10.1/x", "https://doi.org/10.1/x"),
        ("a / b", "a / b"),
        ("ann@node7: no", "user@host: no"),
        ("as in [@dey2012]", "as in [@dey2012]"),
    ],
)
def test_paths_become_file_names_and_nothing_else_changes(text, expected):
    assert without_machine(text) == expected


def test_host_names_are_taken_out_as_words_only(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "cortex.lab")
    assert without_machine("cortex: full") == "host: full"
    assert without_machine("neocortex is cortex-like") == "neocortex is cortex-like"


def test_labels_are_numbered_in_order_and_consistently():
    labels = Labels(["0010021", "02", "0010003"], anonymous=True)
    assert labels.subject("0010003") == "P001"
    assert labels.subject("sub-0010021") == "P002"
    assert labels.text("sub-02_task-rest") == "sub-P003_task-rest"
    # Long ids are replaced wherever they stand, short ones after `sub-` or alone only.
    assert labels.text("no scan of 0010021 (02 volumes)") == "no scan of P002 (02 volumes)"
    assert labels.text("02") == "P003"
    assert labels.text("sub-unheard") == "sub-P004"
    plain = Labels(["0010021"], anonymous=False)
    assert plain.text("sub-0010021") == "sub-0010021"


def test_bundled_bibliography_is_complete():
    known = methods.bibliography()
    assert len(known) > 25
    for key, fields in known.items():
        assert {"author", "title", "year"} <= set(fields), key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        assert ("doi" in fields) != ("url" in fields), key
        assert "doi.org" not in fields.get("doi", ""), key
        words, link = methods.reference(fields)
        assert link.startswith("https://") and "{" not in words and "\\" not in words
    for key in ("nilearn", "nibabel", "snakemake", "sklearn", "numba", "adhd200", "bellec2017"):
        assert key in known


def test_bib_parser_keeps_nested_braces_and_finds_open_ones():
    text = (
        "@article{a1,\n author = {Doe, J.},\n title = {The {BOLD} and\n {fMRI}},\n year={2020}\n}"
    )
    assert methods.parse_bib(text) == {
        "a1": {
            "type": "article",
            "author": "Doe, J.",
            "title": "The {BOLD} and {fMRI}",
            "year": "2020",
        }
    }
    with pytest.raises(ValueError, match="entry 'a1' has an open brace"):
        methods.parse_bib("@article{a1,\n title = {The {BOLD}")
    with pytest.raises(ValueError, match="key 'a1' is repeated"):
        methods.parse_bib(text + text)


def test_citations_are_numbered_by_first_use(report_methods):
    section = methods.section(report_methods)
    texts = [block.text for block in section.blocks if isinstance(block, model.Text)]
    assert texts[0] == "Volumes with much motion were censored [1]. Runs were short."
    assert texts[1] == "Cycles were counted [1, 2]."
    assert texts[2] == "Computations used nilearn [3], NiBabel [4] and Numba [5]."
    references = section.blocks[-1].items
    assert references[0][0].startswith("Power JD, Mitra A, Laumann TO")
    assert references[1][1] == "https://doi.org/10.3389/fnsys.2012.00075"
    assert len(references) == 5


def test_markdown_and_bib_hold_what_is_cited_and_no_more(report_methods, tmp_path):
    methods.write(report_methods, tmp_path)
    text = (tmp_path / "methods.md").read_text("utf-8")
    assert "(Power et al., 2014)" in text and "(Dey et al., 2012; Power et al., 2014)" in text
    assert "[@" not in text
    bib = methods.parse_bib((tmp_path / "references.bib").read_text("utf-8"))
    assert list(bib) == ["power2014", "dey2012", "nilearn", "nibabel", "numba"]
    whole = methods.bibliography()
    for key, fields in bib.items():
        assert fields == {name: v for name, v in whole[key].items() if name != "shorttitle"}


def test_unknown_key_names_the_nearest():
    with pytest.raises(ValueError, match="no entry 'powr2014'; did you mean 'power2014'") as caught:
        methods.text([("fmri", ["Text [@powr2014]."], [])])
    assert "\n" not in str(caught.value)


def test_methods_without_a_stage_and_as_one_text():
    section = methods.section([("All was [@numpy].", ["numpy"])])
    assert section.blocks[0].text == "All was [1]."


def test_no_methods_write_empty_files(tmp_path):
    methods.write([], tmp_path)
    assert (tmp_path / "references.bib").read_text() == ""


def test_citation_keys_of_the_configuration_are_all_known():
    from neuro import config

    settings = {}
    assert config.resolve(settings | {"data": {"kind": "simulated"}}) == []
    for preset in ("robust", "paper"):
        for kind in ("fmriprep", "adhd200"):
            mapping = {
                "data": {"kind": kind, "root": "bids"},
                "fmri": {"preset": preset},
                "adhd": {"preset": preset},
            }
            config.resolve(mapping)
            text = methods.text(config.methods(mapping))
            assert "## References" in text and "[@" not in text


def test_a_finished_page_names_no_known_participant():
    labels = Labels(["01", "24"], anonymous=True)
    page = "<p>sequence sub-24_task-rest, sub-P001, sub-99</p>"
    assert labels.without_names(page) == "<p>sequence sub-P002_task-rest, sub-P001, sub-99</p>"
    assert Labels(["24"]).without_names(page) == page
    assert Labels(["P001", "24"], anonymous=True).without_names(page) == page
