"""Participants tables as people write them: read right, with a note, or refused in one line."""

import json
import math

import pytest

from neuro.io.formats.tables import read_participants
from neuro.io.problems import InputProblem


def table(folder, text, name="participants.tsv"):
    path = folder / name
    path.write_text(text.replace(" ", "\t") + "\n", "utf-8")
    return path


def lines(folder, text, **more):
    with pytest.raises(InputProblem) as caught:
        read_participants(table(folder, text), **more)
    assert all(len(line.splitlines()) == 1 for line in caught.value.problems)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("cell", "years"), [("89+", 89), (">89", 89), (">=90", 90), ("12.5", 12.5), ("n/a", math.nan)]
)
def test_one_age_at_the_top_costs_nobody(tmp_path, cell, years):
    found = read_participants(table(tmp_path, f"participant_id age\n01 {cell}\n02 70"))
    assert found["age"].tolist() == pytest.approx([years, 70], nan_ok=True)
    noted = [line for line in found.attrs["notes"] if f"'{cell}'" in line]
    assert bool(noted) == (cell not in ("12.5", "n/a"))


@pytest.mark.parametrize("cell", ["inf", "-inf", "-3", "1440", "old", "8-9"])
def test_an_impossible_age_is_refused(tmp_path, cell):
    line = lines(tmp_path, f"participant_id age\n01 {cell}\n02 70")
    assert f"'{cell}'" in line and "age" in line


def test_months_are_turned_into_years_where_the_json_says_so(tmp_path):
    path = table(tmp_path, "participant_id age\n01 18\n02 30")
    (tmp_path / "participants.json").write_text(json.dumps({"age": {"Units": "months"}}))
    found = read_participants(path)
    assert found["age"].tolist() == [1.5, 2.5]
    assert "month" in found.attrs["notes"][0]


def test_every_spelling_of_a_sex_is_one_value(tmp_path):
    cells = [
        "F",
        "f",
        "female",
        "FEMALE",
        "Female",
        "2",
        "M",
        "m",
        "male",
        "Male",
        "1",
        "o",
        "other",
        "n/a",
        "unknown",
    ]
    rows = "\n".join(f"{n:02d} {cell}" for n, cell in enumerate(cells))
    found = read_participants(table(tmp_path, f"participant_id sex\n{rows}"))
    right = ["F"] * 6 + ["M"] * 5 + ["O"] * 2
    assert found["sex"].tolist()[:13] == right
    assert found["sex"].isna().tolist()[13:] == [True, True]
    (note,) = found.attrs["notes"]
    assert all(words in note for words in ("f is F (1)", "2 is F (1)", "1 is M (1)"))


def test_clean_sexes_need_no_note(tmp_path):
    assert read_participants(table(tmp_path, "participant_id sex\n1 F\n2 M")).attrs["notes"] == []


def test_a_sex_coded_0_and_1_is_a_question(tmp_path):
    assert "does not say who is female" in lines(tmp_path, "participant_id sex\n1 0\n2 1")


def test_a_typo_is_no_third_sex(tmp_path):
    line = lines(tmp_path, "participant_id sex\n1 femal\n2 male")
    assert "'femal'" in line and "did you mean 'female'?" in line


DIAGNOSED = "participant_id diagnosis\n01 ADHD\n02 CONTROL\n03 SCHZ\n04 n/a\n05 CONTROL"


def test_diagnoses_in_the_users_words(tmp_path):
    columns = {"dx": "diagnosis", "cases": ["ADHD"], "controls": ["CONTROL"]}
    found = read_participants(table(tmp_path, DIAGNOSED), columns)
    assert found["dx"].tolist() == pytest.approx([1, 0, math.nan, math.nan, 0], nan_ok=True)
    assert "SCHZ (1)" in found.attrs["notes"][0]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"dx": "diagnosis", "cases": ["ADDH"], "controls": ["CONTROL"]}, "did you mean 'ADHD'?"),
        ({"dx": "diagnosis", "cases": ["ADHD"], "controls": ["control"]}, "mean 'CONTROL'?"),
        ({"dx": "diagnosis", "cases": ["ADHD"]}, "data.columns.controls: missing"),
        ({"dx": "diagnosis", "cases": ["ADHD"], "controls": ["ADHD"]}, "cases and under controls"),
        ({"dx": "diagnose", "cases": ["ADHD"], "controls": ["CONTROL"]}, "mean 'diagnosis'?"),
    ],
)
def test_words_that_do_not_occur_are_refused(tmp_path, columns, words):
    assert words in lines(tmp_path, DIAGNOSED, columns=columns)


def test_the_advice_for_a_diagnosis_in_words_works(tmp_path):
    text = "participant_id dx\n01 ADHD\n02 CONTROL"
    assert "set data.columns: {cases: [...], controls: [...]}" in lines(tmp_path, text)
    columns = {"cases": ["ADHD"], "controls": ["CONTROL"]}
    assert read_participants(table(tmp_path, text), columns)["dx"].tolist() == [1, 0]


def test_the_advice_for_another_name_of_the_ids_works(tmp_path):
    text = "subject age\nsub-01 3\nsub-02 4"
    assert "set data.columns: {participant_id: NAME}" in lines(tmp_path, text)
    found = read_participants(table(tmp_path, text), {"participant_id": "subject"})
    assert found["participant_id"].tolist() == ["01", "02"]


def test_case_of_a_name_is_no_difference(tmp_path):
    found = read_participants(table(tmp_path, "Participant_ID Age Sex\n01 30 f"))
    assert found["age"].tolist() == [30] and found["sex"].tolist() == ["F"]
    assert len(found.attrs["notes"]) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("participant_id age\n01 3\nsub-01 4", "participant_id repeated: 01"),
        ("participant_id age\nn/a 3\n02 4", "row 1 has no participant_id"),
        ("participant_id iq\n01 inf", "'inf' is not a number"),
        ("participant_id handedness\n01 right\n02 0.3", "words and numbers"),
    ],
)
def test_other_rows_that_cannot_be_meant(tmp_path, text, words):
    assert words in lines(tmp_path, text)


def test_hands_in_words(tmp_path):
    found = read_participants(table(tmp_path, "participant_id handedness\n1 R\n2 left\n3 n/a"))
    assert found["handedness"].tolist() == pytest.approx([1, 0, math.nan], nan_ok=True)


@pytest.mark.parametrize("code", ["cp1252", "utf-16"])
def test_another_encoding_is_one_line(tmp_path, code):
    path = tmp_path / "participants.tsv"
    path.write_bytes("participant_id\tsite\n01\tMünchen\n".encode(code))
    with pytest.raises(InputProblem, match="not UTF-8; save it as text in UTF-8"):
        read_participants(path)


def test_a_folder_is_one_line(tmp_path):
    with pytest.raises(InputProblem, match="not a readable table"):
        read_participants(tmp_path)
