"""Default settings on plain region tables: what the tables and the people do not say is told."""

import numpy as np
import pytest
import strangers

from neuro.command.cli import main
from neuro.run import layouts

SETTINGS = """data: {kind: table, root: my_tables, tr: 2.0}
"""
FEW = "demovae: {latent_dim: 1, missing: drop}\n"
OFF = "demovae: {enabled: false}\n"
WHO = ("site", "age", "sex", "dx")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    strangers.tables(folder, n_volumes=60)
    (folder / "mine.yaml").write_text(SETTINGS)
    return folder


def checked(folder, monkeypatch, capsys, change, more=""):
    """Exit status, notes and problems of a cohort whose participants are changed."""
    import pandas as pd

    monkeypatch.chdir(folder)
    path = folder / "my_tables" / "participants.tsv"
    text = path.read_text()
    table = change(pd.read_csv(path, sep="\t", dtype=str))
    try:
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
        (folder / "mine.yaml").write_text(SETTINGS + more)
        status = main(["check", "--config", "mine.yaml"])
    finally:
        path.write_text(text)
    out, err = capsys.readouterr()
    notes = [line for line in out.splitlines() if line.startswith("note: ")]
    return status, " ".join(notes), err.splitlines()[:-1]


def without(*names):
    return lambda table: table.drop(columns=list(names))


def empty(name, rows=(3,)):
    def change(table):
        table.loc[list(rows), name] = np.nan
        return table

    return change


def set_to(name, value):
    return lambda table: table.assign(**{name: value})


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda table: table, "distdegree is left out"),
        (without("site"), "scheme leave_site_out is left out: needs 2 sites"),
        (set_to("site", "A"), "scheme leave_site_out is left out: needs 2 sites"),
        (without("sex"), "distdegree is left out"),
    ],
)
def test_defaults_go_on_without_what_is_not_known(change, note, cohort, monkeypatch, capsys):
    status, notes, problems = checked(cohort, monkeypatch, capsys, change, OFF)
    assert (status, problems) == (0, []) and note in notes


@pytest.mark.parametrize(
    ("change", "more", "note"),
    [
        (empty("site"), FEW, "1 subjects are not diagnosed: no site"),
        (empty("dx"), FEW, "1 subjects are not diagnosed: no diagnosis"),
    ],
)
def test_who_lacks_a_value_is_left_out_with_a_note(change, more, note, cohort, monkeypatch, capsys):
    status, notes, problems = checked(cohort, monkeypatch, capsys, change, more)
    assert (status, problems) == (0, []) and note in notes


@pytest.mark.parametrize(
    ("change", "more", "line"),
    [
        (empty("age"), "", "column 'age' has 1 missing values (rows: 3); set demovae.missing to"),
        (lambda table: table, "", "demovae.latent_dim: 60, but half of the 24 runs has directions"),
        (
            lambda table: table.assign(site=np.where(table["dx"] == "1", "A", "B")),
            OFF,
            "only one class is left for the diagnosis",
        ),
        (set_to("site", "A"), OFF + "adhd: {schemes: [leave_site_out]}\n", "use schemes: [pooled]"),
        (
            lambda table: table,
            OFF + "adhd: {primary: distdegree+mask}\n",
            "fmri.atlas a label image",
        ),
    ],
)
def test_what_a_job_would_refuse_is_a_problem_of_check(
    change, more, line, cohort, monkeypatch, capsys
):
    status, _, problems = checked(cohort, monkeypatch, capsys, change, more)
    assert status == 1 and len(problems) == 1 and line in problems[0]


def test_nobody_has_a_site_everybody_is_in_one(cohort, monkeypatch):
    monkeypatch.chdir(cohort)
    rows = [{"participant_id": "01"}, {"participant_id": "02"}]
    config = {"data": {"participants": None, "root": ".", "columns": {}}}
    found = layouts.participants(config, "table", rows)
    assert found["site"].tolist() == [layouts.ONE_SITE] * 2
