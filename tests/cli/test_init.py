"""`neuro init`: a settings file with what was found, that the workflow accepts."""

import json
import os
import tarfile
from pathlib import Path

import pytest
import yaml
from common import snakemake

from neuro.command.cli import main
from neuro.config import STAGES, resolve

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
COLUMNS = "trans_x trans_y trans_z rot_x rot_y rot_z csf white_matter global_signal cosine00"


def put(root, *paths, text="x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def tree(root, subjects=("01", "02"), tasks=("rest",), grids=("space-MNI152NLin2009cAsym_res-2",)):
    """Empty fMRIPrep images in one or several grids."""
    for subject in subjects:
        for task in tasks:
            base = f"sub-{subject}/func/sub-{subject}_task-{task}"
            for grid in grids:
                put(root, f"{base}_{grid}_desc-preproc_bold.nii.gz")
                put(root, f"{base}_{grid}_desc-brain_mask.nii.gz")
                side = f"{base}_{grid}_desc-preproc_bold.json"
                put(root, side, text=json.dumps({"RepetitionTime": 2.5}))
            put(root, f"{base}_desc-confounds_timeseries.tsv", text="\t".join(COLUMNS.split()))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments):
    """Exit code, text and content of the file."""
    code = main(["init", *arguments])
    path = Path(arguments[arguments.index("-o") + 1] if "-o" in arguments else "config.yaml")
    text = path.read_text() if path.exists() else ""
    return code, text, yaml.safe_load(text) if text else {}


def accepted(path, *more):
    result = snakemake(Path.cwd(), "-n", "--cores", "1", "--configfile", path, *more, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_only_what_was_found_is_written(here):
    tree(here / "prep")
    code, text, config = init("--bids", "prep", "-o", "mine.yaml")
    assert code == 0
    # stages that would run on these images are switched off by name, the others are off
    assert config == {"data": {"kind": "fmriprep", "root": "prep"}} | {
        name: {"enabled": False} for name in ("adhd", "demovae", "ntf", "hmmglm")
    }
    assert resolve(config) == []
    assert [name for name in STAGES if config[name]["enabled"]] == ["fmri"]
    for words in (
        "2 subjects: 01 02; 2 runs",
        "tasks: rest (2)",
        "sampling interval: 2.5 s (2)",
        "2 tables named *_timeseries.tsv, current column names, 10 columns",
        "motion, tissue signals, cosines",
        "strategy 36P",
        "space MNI152NLin2009cAsym, res 2",
        "no participants.tsv",
    ):
        assert words in " ".join(text.replace("#", " ").split()), words
    assert str(here) not in text
    assert "fmri_clean" in accepted("mine.yaml")


def test_one_of_several_spaces_and_tasks_is_chosen_and_the_others_listed(here):
    grids = (
        "space-T1w",
        "space-MNI152NLin6Asym_res-2",
        "space-MNI152NLin2009cAsym_res-1",
        "space-MNI152NLin2009cAsym_res-2",
    )
    tree(here / "prep", subjects=("01", "02", "03"), grids=grids, tasks=("nback", "rest"))
    _, text, config = init("--bids", "prep", "-o", "mine.yaml")
    assert config["data"]["space"] == "MNI152NLin2009cAsym"
    assert config["data"]["res"] == "1"
    assert config["data"]["tasks"] == ["rest"]
    assert "others: MNI152NLin6Asym (6), T1w (6)" in text
    assert "others: 2 (6)" in text
    assert "others: nback (3)" in text
    assert "fmri_clean" in accepted("mine.yaml")


def test_a_file_is_replaced_only_by_force(here, capsys):
    tree(here / "prep")
    Path("config.yaml").write_text("data: {}\n")
    assert main(["init", "--bids", "prep"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("config.yaml: exists already; choose another name with -o")
    assert Path("config.yaml").read_text() == "data: {}\n"
    assert main(["init", "--bids", "prep", "--force"]) == 0
    assert "fmriprep" in Path("config.yaml").read_text()


@pytest.mark.parametrize(
    ("rows", "enabled", "words"),
    [
        ([f"sub-{k}\t{k % 2}" for k in range(10, 20)], True, "5 with dx 0, 5 with dx 1"),
        ([f"sub-{k}\t0" for k in range(10, 20)], False, "a diagnosis needs 5 of each"),
        ([f"sub-{k}\t{k % 2}" for k in range(10, 21)], True, "have no data: 20"),
    ],
)
def test_a_diagnosis_is_learned_where_there_are_enough_of_both(here, rows, enabled, words):
    tree(here / "prep", subjects=[str(k) for k in range(10, 20)])
    put(here / "prep", "participants.tsv", text="\n".join(["participant_id\tdx", *rows, ""]))
    _, text, config = init("--bids", "prep", "-o", "mine.yaml")
    assert ("adhd" not in config) == enabled
    assert words in text


def test_a_column_that_may_hold_the_diagnosis_is_named(here):
    tree(here / "study" / "derivatives" / "prep")
    people = "participant_id\tage\tgroup\nsub-01\t9\tpatient\nsub-02\t8\tcontrol\n"
    put(here / "study", "participants.tsv", text=people)
    _, text, config = init("--bids", "study/derivatives/prep", "-o", "mine.yaml")
    assert "make it from the column 'group'" in text
    # derivatives leave the table to the raw data
    assert config["data"]["participants"] == "study/participants.tsv"
    assert "columns participant_id, age, group" in text
    accepted("mine.yaml")


def test_raw_images_ask_for_an_atlas_unless_there_is_one(here):
    put(here / "raw", "sub-01/func/sub-01_task-rest_bold.nii.gz")
    put(here / "raw", "task-rest_bold.json", text='{"RepetitionTime": 2}')
    _, text, config = init("--bids", "raw", "-o", "mine.yaml")
    assert config["data"]["kind"] == "bids" and "fmri" not in config
    assert "label image in that space" in text or "label image" in text
    put(here / "raw", "my_dseg.nii.gz")
    _, _, config = init("--bids", "raw", "-o", "mine.yaml", "--force")
    assert config["fmri"]["atlas"] == "raw/my_dseg.nii.gz"
    assert "fmri_realign" in accepted("mine.yaml")


def test_runs_that_cannot_be_used_are_told(here):
    tree(here / "prep")
    next((here / "prep").rglob("*brain_mask*")).unlink()
    _, text, _ = init("--bids", "prep", "-o", "mine.yaml")
    assert "1 runs cannot be used, see neuro check" in text


def test_a_table_of_tables(here, capsys):
    put(here, "t/a.tsv", "t/b.tsv", text="r1\tr2\n1\t2\n")
    listed = "participant_id\tpath\tdx\tage\n01\tt/a.tsv\t0\t9\n02\tt/b.tsv\t1\t8\n"
    put(here, "list.tsv", text=listed)
    code, text, config = init("--table", "list.tsv", "-o", "mine.yaml")
    assert code == 0
    assert config["data"] == {"kind": "table", "root": "list.tsv", "participants": "list.tsv"}
    assert "2 tables do not state their sampling interval" in text
    with_tr = yaml.safe_load(text)
    with_tr["data"]["tr"] = 2.0
    Path("mine.yaml").write_text(yaml.safe_dump(with_tr))
    assert "fmri_table" in accepted("mine.yaml")
    # with an interval in the table, nothing is asked for
    rows = [line + tail for line, tail in zip(listed.split("\n"), ("\ttr", "\t2.5", "\t2.5"))]
    put(here, "list.tsv", text="\n".join([*rows, ""]))
    _, text, config = init("--table", "list.tsv", "-o", "mine.yaml", "--force")
    assert "tr:" not in text and "sampling interval: 2.5 s (2)" in text
    assert "fmri_table" in accepted("mine.yaml")


def test_a_folder_of_tables(here):
    put(here / "t", "sub-01_task-rest_timeseries.tsv", text="r1\tr2\n1\t2\n")
    put(here / "t", "participants.tsv", text="participant_id\tage\nsub-01\t9\n")
    code, text, config = init("--table", "t", "-o", "mine.yaml")
    assert code == 0
    assert config["data"] == {"kind": "table", "root": "t"}
    assert "columns participant_id, age" in text
    with_tr = yaml.safe_load(text)
    with_tr["data"]["tr"] = 2.0
    Path("mine.yaml").write_text(yaml.safe_dump(with_tr))
    assert "fmri_table" in accepted("mine.yaml")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--bids", "nowhere"], 1, "nowhere: no such folder"),
        (["--bids", "."], 1, "no region table"),
        (["--table", "nowhere.tsv"], 1, "nowhere.tsv: no such file"),
        (["--table", "."], 1, "no region table"),
        ([], 2, "give a PATH to look at"),
        (["--bids", ".", "--table", "x"], 2, "not allowed with"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, arguments, code, line):
    try:
        found = main(["init", *arguments])
    except SystemExit as stop:
        found = stop.code
    assert found == code
    error = capsys.readouterr().err
    assert line in error and "Traceback" not in error
    assert not Path("config.yaml").exists()


@pytest.mark.realdata
@pytest.mark.skipif(
    not (DATA / "bold").exists(), reason="no recordings; set NEURO_TEST_DATA to their folder"
)
def test_the_real_fmriprep_tree_gives_settings_that_are_accepted(here):
    with tarfile.open(DATA / "bold" / "ds000001-fmriprep_layout.tar.gz") as archive:
        archive.extractall(here, filter="data")
    code, text, config = init("--bids", "ds000001-fmriprep", "-o", "mine.yaml")
    assert code == 0
    assert config["data"] == {"kind": "fmriprep", "root": "ds000001-fmriprep"}
    assert "4 subjects: 10 11 13 16; 12 runs" in text
    assert "sampling interval: 2 s (12)" in text
    assert "12 tables named *_timeseries.tsv, all of them empty" in text
    assert "space MNI152NLin2009cAsym, res 2" in text
    assert "fmri_clean" in accepted("mine.yaml")
