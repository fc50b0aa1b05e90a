"""Letters in paths: those that a shell or YAML may trip over work, braces are named by check."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from common import only, snakemake

from neuro.command.cli import main
from neuro.run import inputs

ODD = "a b'c\"d$HOME é中 (1) [x] #%&;~"


def tables(folder, name="sub-{}_task-rest_timeseries.tsv"):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for label in ("01", "02"):
        values = rng.standard_normal((150, 3))
        path = folder / name.format(label)
        np.savetxt(path, values, delimiter="\t", header="a\tb\tc", comments="")


def settings(root):
    data = {"kind": "table", "root": root, "tr": 2.0}
    config = only({"data": data, "fmri": {}, "adhd": {"enabled": False}})
    text = yaml.safe_dump(config, allow_unicode=True)
    Path("mine.yaml").write_text(text, "utf-8")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_odd_letters_work(here):
    tables(here / ODD)
    settings(ODD)
    assert main(["check", "--config", "mine.yaml"]) == 0
    target = "results/fmri/timeseries.h5"
    snakemake(here, target, "--configfile", "mine.yaml", "--cores", "1")
    assert (here / target).stat().st_size


@pytest.mark.parametrize("folder", ["brace{v1}", "open{", "close}"])
def test_a_brace_in_a_folder_is_named_by_both(here, capsys, folder):
    tables(here / folder)
    settings(folder)
    assert main(["check", "--config", "mine.yaml"]) == 1
    letter = "}" if folder == "close}" else "{"
    assert f"data.root: the path holds the character '{letter}'" in capsys.readouterr().err


def test_a_brace_in_a_file_is_named(here, capsys):
    tables(here / "d")
    Path("d/sub-02_task-rest_timeseries.tsv").rename("d/P{2}.tsv")
    Path("d/sub-01_task-rest_timeseries.tsv").rename("d/P1.tsv")
    settings("d")
    assert main(["check", "--config", "mine.yaml"]) == 1
    assert "d/P{2}.tsv: the path holds the character '{'; rename" in capsys.readouterr().err
    # what the line says
    Path("d/P{2}.tsv").rename("d/P2.tsv")
    assert main(["check", "--config", "mine.yaml"]) == 0
    assert len(inputs.read()) == 2


def test_check_says_what_is_in_doubt(here, capsys):
    tables(here / "d")
    path = Path("d/sub-01_task-rest_timeseries.tsv")
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text(
        "\n".join("\t".join([a, "5", c] if n else [a, b, c]) for n, (a, b, c) in enumerate(rows))
    )
    Path("d/participants.tsv").write_text("participant_id\tsex\tsite\n1\tf\tA\n02\tm\tA\n")
    settings("d")
    assert main(["check", "--config", "mine.yaml"]) == 1
    text = capsys.readouterr()
    assert "note: 1 regions constant or without values in some of" in text.out
    assert "f is F (1), m is M (1)" in text.out
    assert "did you mean '01' by its '1'?" in text.err
