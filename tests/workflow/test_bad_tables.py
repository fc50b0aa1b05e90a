"""Mistakes in region tables and participants: one clear line each."""

import copy
from pathlib import Path

import pytest
import yaml
from cases.fmri import TABLES, small_tables
from common import only, snakemake

ADHD = {
    "features": ["degree", "cycle3"],
    "permutations": 2,
    "bootstrap": 100,
    "pca": [2],
    "repeats": 1,
    "outer_folds": 2,
    "inner_folds": 2,
}


@pytest.fixture
def study(tmp_path):
    """Three usable-looking tables and a participants table."""
    small_tables(tmp_path / "input")
    return tmp_path


def lines(folder: Path, adhd=False, target="all", **sections):
    """What a run that must fail prints; no traceback is among it."""
    config = copy.deepcopy(TABLES) | sections
    config["adhd"] = {"enabled": True, **ADHD} if adhd else {"enabled": False}
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(config)))
    result = snakemake(folder, target, "--configfile", "mine.yaml", "--cores", "1", check=False)
    assert result.returncode == 1
    text = result.stderr + result.stdout
    assert "Traceback" not in text
    return text


def exclusions(folder: Path, table="results/fmri/exclusions_table.tsv"):
    """The table of what was left out after a run that must succeed: that of the reader."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(TABLES)))
    snakemake(folder, table, "--configfile", "mine.yaml", "--cores", "1")
    return (folder / table).read_text()


def table(folder, label):
    return folder / f"input/sub-{label}_task-rest_timeseries.tsv"


def edit(path, change):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("\n".join("\t".join(row) for row in change(rows)) + "\n")


def test_a_scan_that_is_too_short_is_excluded_with_both_numbers(study):
    # as the user finds it: the table of the whole stage
    found = exclusions(study, "results/fmri/exclusions.tsv")
    assert "scan too short (s)\t44\t60" in found


def test_a_constant_region_costs_the_region_and_not_the_run(study):
    edit(table(study, "01"), lambda rows: [rows[0]] + [[*row[:2], "5", row[3]] for row in rows[1:]])
    found = exclusions(study)
    assert "region c\tcoverage\tconstant or without values in 1 of 2 runs of A" in found
    assert "sub-01" not in found
    # the other way, as the settings offer it; the advice of its line leads back
    fmri = {**TABLES.get("fmri", {}), "constant_regions": "exclude_run"}
    (study / "mine.yaml").write_text(yaml.safe_dump(only({**TABLES, "fmri": fmri})))
    path = "results/fmri/exclusions_table.tsv"
    snakemake(study, path, "--configfile", "mine.yaml", "--cores", "1")
    found = (study / path).read_text()
    assert "constant region 'c'; set fmri.constant_regions: missing" in found


def test_a_missing_value_is_named(study):
    edit(table(study, "02"), lambda rows: [*rows[:5], ["nan", *rows[5][1:]], *rows[6:]])
    assert "sub-02_task-rest\tread\tmissing or infinite values in region" in exclusions(study)


def test_another_number_of_columns_is_named(study):
    edit(table(study, "02"), lambda rows: [row[:3] for row in rows])
    assert "3 regions, the runs before have 4" in exclusions(study)


def test_a_ragged_table_is_named(study):
    edit(table(study, "02"), lambda rows: [*rows[:7], rows[7][:2], *rows[8:]])
    assert "sub-02_task-rest" in exclusions(study)


def test_no_usable_table_is_an_error_with_the_reasons(study):
    for label in ("01", "02"):
        table(study, label).write_text("a\tb\n")
    assert "sub-01_task-rest" in lines(study)


def test_a_missing_folder_is_an_error(study):
    text = lines(study, data={"kind": "table", "root": "nowhere", "tr": 2.0})
    assert "data.root: no such folder: nowhere" in text


def test_a_missing_participants_file_is_an_error(study):
    data = {**TABLES["data"], "participants": "input/people.tsv"}
    assert "data.participants: no such file: input/people.tsv" in lines(study, data=data)


def test_ids_that_do_not_match_are_an_error_that_shows_one_of_each(study):
    people = study / "input/participants.tsv"
    people.write_text(people.read_text().replace("sub-0", "sub-9"))
    text = lines(study, adhd=True, target="adhd")
    assert "none of 2 subjects with features is listed; first '01', in the table '91'" in text


def test_one_class_only_is_an_error(study):
    people = study / "input/participants.tsv"
    people.write_text(people.read_text().replace("\t1\n", "\t0\n"))
    text = lines(study, adhd=True, target="adhd")
    assert "only one class is left" in text


def test_a_wrong_diagnosis_code_is_an_error(study):
    people = study / "input/participants.tsv"
    people.write_text(people.read_text().replace("\t1\n", "\t3\n"))
    assert "column 'dx' holds 3; expected 0 (control), 1 (case) or n/a" in lines(study)


def test_distances_without_coordinates_are_an_error(study):
    config = {
        **TABLES,
        "adhd": {"enabled": True, **ADHD, "features": ["distdegree"], "primary": "distdegree"},
    }
    (study / "mine.yaml").write_text(yaml.safe_dump(only(config)))
    result = snakemake(study, "adhd", "--configfile", "mine.yaml", "--cores", "1", check=False)
    assert "adhd.primary: 'distdegree' needs to know where the regions lie; give" in result.stderr
