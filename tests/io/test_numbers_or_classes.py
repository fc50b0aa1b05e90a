"""One rule says what is a number and what are classes, and every entrance follows it."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.targets.judge import read_target
from neuro.command import referee
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.evaluation.phenotypes import phenotypes
from neuro.io.formats.column_kinds import MANY, column_kind

N = 240
COLUMNS = {
    "age": ("number", np.linspace(8, 18, N)),
    "grade": ("classes", np.arange(N) % 8 + 1),
    "ten": ("classes", np.arange(N) % MANY),
    "eleven": ("number", np.arange(N) % (MANY + 1)),
    "written": ("number", (np.arange(N) % 40).astype(str)),
    "words": ("classes", np.array(["low", "high"])[np.arange(N) % 2]),
    "mixed": ("classes", np.array([*map(str, range(11)), "none"])[np.arange(N) % 12]),
    "answer": ("classes", np.arange(N) % 2 == 0),
    "site": ("classes", (np.arange(N) % 12 + 1).astype(str)),
}


@pytest.fixture(scope="module")
def people():
    table = pd.DataFrame({name: values for name, (_, values) in COLUMNS.items()})
    table.insert(0, "participant_id", [f"{k:04d}" for k in range(N)])
    table.loc[3, "age"] = np.nan
    return table


@pytest.mark.parametrize("name", COLUMNS)
def test_the_rule(people, name):
    assert column_kind(people[name]) == COLUMNS[name][0]


def test_missing_values_say_nothing():
    values = pd.Series([*range(11), None, np.nan], dtype=object)
    assert column_kind(values) == "number"
    assert column_kind(values[1:]) == "classes"
    assert column_kind([None, None]) == "classes"


def test_the_referee_and_a_fit_without_a_schema_agree(people, tmp_path):
    right = {
        name: {"number": "continuous", "classes": "categorical"}[kind]
        for name, (kind, _) in COLUMNS.items()
    }
    guessed = {column.name: column.type for column in parse_columns(None, people)}
    assert guessed == right
    people.to_csv(tmp_path / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    edges = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 6)))
    edges.insert(0, "participant_id", people["participant_id"])
    edges.to_csv(tmp_path / "edges.csv", index=False)
    options = {"remove": list(COLUMNS), "protect": None}
    cohort = referee.gather(tmp_path / "edges.csv", tmp_path / "participants.tsv", options)
    assert {column.name: column.type for column in cohort.columns} == right


def test_the_scan_and_the_targets_of_the_diagnosis_agree(people):
    scanned = {one.name: one.kind for one in phenotypes(people)[0]}
    assert scanned == {name: kind for name, (kind, _) in COLUMNS.items()}
    for name, (kind, _) in COLUMNS.items():
        assert read_target(people, name, "auto", 5, "step")[0].kind == kind
