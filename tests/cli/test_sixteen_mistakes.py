"""Sixteen mistakes that users make: status 1, one short line with key and fix, no traceback."""

from pathlib import Path

import datasets
import pandas as pd
import pytest
import yaml
from common import only, snakemake

from neuro.command.cli import main

LABELS = [f"{number:02d}" for number in range(1, 11)]
GOOD = {
    "data": {"kind": "fmriprep", "root": "prep"},
    "fmri": {"atlas": "prep/atlas.nii.gz"},
    "adhd": {"enabled": False},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Ten subjects, eight of them spoilt in known ways."""
    folder = tmp_path_factory.mktemp("study")
    datasets.tiny(folder / "prep", LABELS)
    datasets.spoil(folder / "prep")
    return folder


@pytest.fixture
def check(study, monkeypatch, capsys):
    """Run `neuro check` on settings: lines of the error stream."""
    monkeypatch.chdir(study)

    def run(text):
        if not isinstance(text, str):
            text = yaml.safe_dump(only(text))
        Path("mine.yaml").write_text(text)
        capsys.readouterr()
        assert main(["check", "--config", "mine.yaml"]) == 1
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        lines = err.splitlines()
        assert all(len(line) <= 160 for line in lines), lines
        return lines

    return run


def with_keys(**sections):
    """The good settings with some keys changed; they name the healthy subjects only."""
    mapping = {name: dict(keys) for name, keys in GOOD.items()}
    mapping["data"]["subjects"] = ["01", "02"]
    for name, keys in sections.items():
        mapping[name] = mapping.get(name, {}) | keys
    return mapping


@pytest.mark.parametrize(
    ("mistake", "key", "fix"),
    [
        ({"fmri": {"fd_m": 1}}, "fmri.fd_m: unknown key", "did you mean 'fd_mm'?"),
        ({"fmri": {"permutations": 1}}, "fmri.permutations: unknown key", "belongs under 'adhd'"),
        ({"fmri": {"fd_mm": "high"}}, "fmri.fd_mm: got 'high'", "a number > 0 in mm (default 0.5)"),
        ({"fmri": {"min_coverage": 2}}, "fmri.min_coverage: got 2", ">= 0 and <= 1"),
        ({"data": {"subjects": [1]}}, "data.subjects: item 0: got integer 1", "labels: '01'"),
        ({"data": {"tasks": False}}, "data.tasks: got boolean False", "quote labels: 'no'"),
        ({"fmri": {"atlas": "no.nii.gz"}}, "fmri.atlas: no such file: no.nii.gz", ""),
        ({"data": {"subjects": ["99"]}}, "data.subjects: '99' not found in prep", "found 01 02"),
        (
            {"adhd": {"enabled": True}, "fmri": {"enabled": False}},
            "fmri.enabled: false, but adhd needs its results",
            "disable adhd as well",
        ),
        ({"fmri": {"preset": "papper"}}, "fmri.preset: got 'papper'", "did you mean 'paper'?"),
    ],
)
def test_settings(check, mistake, key, fix):
    lines = check(with_keys(**mistake))
    assert len(lines) == 2 and lines[1] == "1 problem(s)", lines
    assert key in lines[0] and fix in lines[0]


def test_an_empty_file(check):
    lines = check("")
    assert "the file is empty; start from config.yaml or configs/" in lines[0]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("05", "sampling interval is 2 s in the sidecar but 3 s in the header"),
        ("06", "no column 'csf', needed by strategy '36P'"),
        ("08", "grid 5x6x6 differs from 6x6x6"),
        ("07", "no volume left after censoring"),
    ],
)
def test_data(check, label, told):
    """Interval, confound column, mask on another grid, too few volumes."""
    lines = check(with_keys(data={"subjects": [label]}))
    found = [line for line in lines if told in line]
    assert len(found) == 1 and f"sub-{label}" in found[0], lines


def test_one_class_only(study, check):
    table = pd.DataFrame(
        {"participant_id": ["sub-01", "sub-02"], "site": "A", "age": 9, "sex": "F", "dx": 0}
    )
    table.to_csv(study / "people.tsv", sep="\t", index=False)
    lines = check(with_keys(data={"participants": "people.tsv"}, adhd={"enabled": True}))
    found = [line for line in lines if "only one class" in line]
    assert len(found) == 1 and "controls (0) and cases (1)" in found[0]


def test_five_mistakes_are_five_lines_of_the_workflow(study, monkeypatch):
    mistakes = {
        "fmri": {"fd_m": 1, "fd_mm": "high", "min_coverage": 2},
        "data": {"tasks": False},
        "adhd": {"pca": [0]},
    }
    (study / "five.yaml").write_text(yaml.safe_dump(with_keys(**mistakes)))
    result = snakemake(study, "-n", "--cores", "1", "--configfile", "five.yaml", check=False)
    assert result.returncode == 1
    text = result.stderr + result.stdout
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("config: ")]
    assert len(lines) == 5 and lines == sorted(lines)
    assert all(len(line) <= 160 for line in lines)
    assert "5 problem(s)" in text
