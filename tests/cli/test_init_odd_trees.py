"""`neuro init` on what people have: a settings file with open questions, or one line why not."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from neuro import config
from neuro.command.cli import main
from neuro.command.init import RECOGNISERS
from neuro.command.init.found import Found, compose
from neuro.io.problems import InputProblem

MNI = "space-MNI152NLin2009cAsym"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(*paths, text="x"):
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def prep(*names, label="01", tr=2.0, desc="preproc"):
    base = f"d/sub-{label}/func/sub-{label}_task-rest"
    put(f"{base}_desc-confounds_timeseries.tsv", text="trans_x\n")
    for name in names:
        put(f"{base}_{name}_desc-{desc}_bold.nii.gz", f"{base}_{name}_desc-brain_mask.nii.gz")
        side = json.dumps({"RepetitionTime": tr} if tr else {})
        put(f"{base}_{name}_desc-{desc}_bold.json", text=side)


def table(path, header="a\tb\tc", n_volumes=30):
    rng = np.random.default_rng(len(str(path)))
    rows = ["\t".join(f"{cell:.4f}" for cell in row) for row in rng.standard_normal((n_volumes, 3))]
    put(path, text="\n".join([header, *rows]) + "\n")


def init(*arguments):
    """Text and content of the file that is written."""
    assert main(["init", *arguments, "-o", "mine.yaml", "--force"]) == 0
    text = Path("mine.yaml").read_text()
    found = yaml.safe_load(text)
    assert config.resolve(yaml.safe_load(text)) == []
    return text, found


def refused(capsys, *arguments):
    assert main(["init", *arguments, "-o", "mine.yaml"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"{len(lines) - 1} problem(s)"
    assert not Path("mine.yaml").exists()
    return "\n".join(lines)


def answered(text, line):
    """The settings after a commented line was taken as the answer."""
    assert f"  # {line}" in text
    return yaml.safe_load(text.replace(f"  # {line}", f"  {line}"))


def test_a_path_is_enough(here):
    prep(MNI)
    assert init("d")[1]["data"] == {"kind": "fmriprep", "root": "d"}


def test_an_unknown_interval_is_a_question(here):
    prep(MNI)
    prep(MNI, label="02", tr=None)
    text, _ = init("d")
    assert "1 runs do not state their sampling interval (s): put it here" in text
    assert "cannot be used" not in text
    assert answered(text, "tr: 2.0")["data"]["tr"] == 2.0


def test_no_interval_at_all(here):
    prep(MNI, tr=None)
    text, _ = init("d")
    assert "# sampling interval: not stated; set data.tr" in text
    assert "  # tr: 2.0" in text


def test_a_run_in_another_space_only(here):
    prep(MNI)
    prep("space-T1w", label="02")
    text, found = init("d")
    assert found["data"]["space"] == "MNI152NLin2009cAsym"
    assert "sub-02_task-rest: no image in" in " ".join(text.replace("#", "").split())


def test_a_run_in_another_resolution_only(here):
    prep(f"{MNI}_res-1", f"{MNI}_res-2")
    prep(f"{MNI}_res-2", label="02")
    text, found = init("d")
    assert found["data"]["res"] == "2" and "others: 1 (1)" in text


def test_echoes_beside_the_combined_image(here):
    prep(MNI, "echo-1", "echo-2")
    text, found = init("d")
    assert found["data"] == {"kind": "fmriprep", "root": "d"}
    assert "1 runs" in text


def test_raw_echoes_are_a_question(here):
    put(*(f"d/sub-01/func/sub-01_task-rest_echo-{k}_bold.nii.gz" for k in (1, 2)))
    put("d/task-rest_bold.json", text='{"RepetitionTime": 2}')
    put("d/a_dseg.nii.gz")
    text, _ = init("d")
    settings = answered(text, 'echo: "1"')
    assert settings["data"]["echo"] == "1"
    assert config.resolve(settings) == []
    from neuro.run import layouts

    (row,) = layouts.scan(settings).rows
    assert row["status"] == "ok" and "echo-1" in row["bold"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["sub-01_task-rest_space-fsLR_desc-mine_bold.dtseries.nii"], "series on surfaces"),
        (["sub-01_task-rest_desc-coreg_boldref.nii.gz"], "--level full"),
        (["sub-01_T1w.nii.gz"], "no"),
    ],
)
def test_a_tree_without_volumes_is_one_line(here, capsys, names, words):
    put(*(f"d/sub-01/func/{name}" for name in names))
    assert words in refused(capsys, "d")


def test_one_of_several_atlases_is_a_line_or_a_wish(here, capsys):
    for label in ("01", "02"):
        for atlas in ("4S156Parcels", "4S256Parcels", "Tian"):
            base = f"d/sub-{label}/func/sub-{label}_task-rest_space-fsLR_seg-{atlas}_timeseries"
            table(f"{base}.tsv")
            put(f"{base}.json", text='{"RepetitionTime": 2}')
    (Path("d") / "sub-02/func/sub-02_task-rest_space-fsLR_seg-4S156Parcels_timeseries.tsv").unlink()
    text, found = init("d")
    assert found["data"]["atlas"] == "4S256Parcels"  # the first that everybody has
    assert "others: 4S156Parcels (1), Tian (2)" in text
    assert init("d", "--atlas", "Tian")[1]["data"]["atlas"] == "Tian"
    Path("mine.yaml").unlink()
    line = refused(capsys, "d", "--atlas", "Tain")
    assert "--atlas: no table of 'Tain'" in line and "did you mean 'Tian'?" in line


def test_the_atlas_of_images(here, capsys):
    prep(MNI)
    assert init("d", "--atlas", "dosenbach160")[1]["fmri"] == {"atlas": "dosenbach160"}
    Path("mine.yaml").unlink()
    assert "did you mean 'power264'?" in refused(capsys, "d", "--atlas", "power246")


def test_several_segmentations_of_raw_images(here):
    put("d/sub-01/func/sub-01_task-rest_bold.nii.gz", "d/a_dseg.nii.gz", "d/b_dseg.nii.gz")
    put("d/task-rest_bold.json", text='{"RepetitionTime": 2}')
    text, found = init("d")
    assert found["fmri"]["atlas"] == "d/a_dseg.nii.gz"
    assert "others: d/b_dseg.nii.gz (1)" in text


def test_xcpd_without_masks_is_read_from_its_tables(here):
    base = "d/sub-01/func/sub-01_task-rest_space-MNI152NLin6Asym"
    put(f"{base}_res-2_desc-denoised_bold.nii.gz")
    put(f"{base}_res-2_desc-denoised_bold.json", text='{"RepetitionTime": 2}')
    table(f"{base}_seg-Tian_stat-mean_timeseries.tsv")
    put(f"{base}_seg-Tian_stat-mean_timeseries.json", text='{"RepetitionTime": 2}')
    text, found = init("d")
    assert found["data"]["kind"] == "table"
    assert "XCP-D wrote no brain masks" in text


def test_a_diagnosis_in_words_is_a_question_that_can_be_answered(here):
    for number in range(10):
        table(f"d/sub-{number}_task-rest_timeseries.tsv")
    rows = [f"{n}\t{'ADHD' if n % 2 else 'CONTROL'}\t{'f' if n < 5 else 'm'}" for n in range(10)]
    put("d/participants.tsv", text="\n".join(["participant_id\tdiagnosis\tsex", *rows]) + "\n")
    text, found = init("d")
    assert found["adhd"] == {"enabled": False}
    assert "column 'sex': f is F (5), m is M (5)" in text
    asked = '# columns: {dx: "diagnosis", cases: [...], controls: [...]}'
    assert f"  {asked}" in text and 'Its words are "ADHD", "CONTROL"' in text
    columns = "columns: {dx: diagnosis, cases: [ADHD], controls: [CONTROL]}"
    settings = yaml.safe_load(text.replace(asked, columns))
    settings["data"]["tr"] = 2.0
    assert config.resolve(settings) == []
    from neuro.run import layouts

    people = layouts.participants(settings, "table", layouts.scan(settings).rows)
    assert people["dx"].tolist() == [0, 1] * 5


def test_adhd200_sites_without_a_known_interval(here):
    header = "\t".join(["File", "Sub-brick", "Mean_1", "Mean_2"])
    for subject in ("0001001", "0001002"):
        name = f"sfnwmrda{subject}_session_1_rest_1_aal_TCs.1D"
        put(f"d/Mine/{subject}/{name}", text=f"{header}\n{subject}\n")
    phenotypes = "ScanDir ID,Site,Gender,Age,DX\n1001,9,0,10,1\n1002,9,1,11,0\n"
    put("d/Mine/Mine_phenotypic.csv", text=phenotypes)
    text, found = init("d")
    assert found["data"]["kind"] == "adhd200"
    assert answered(text, 'site_tr: {"Mine": 2.0}')["data"]["site_tr"] == {"Mine": 2.0}
    assert "2 from the phenotypic tables; 1 with dx 0, 1 with dx 1" in text


def test_files_of_no_bytes(here):
    prep(MNI)
    for path in Path("d").rglob("*.nii.gz"):
        path.write_text("")
    assert "1 runs hold files of 0 bytes" in init("d")[0]


def test_tables_with_names_of_their_own(here):
    for name in ("Pitt_1", "Pitt_2"):
        table(f"d/{name}_rois_aal.1D", "#2001\t#2002\t#2101")
        table(f"d/{name}_rois_ho.1D", "#2001\t#2002\t#2101")
    put("d/participants.tsv", text="participant_id\tage\n1\t9\n2\t8\n")
    text, found = init("d")
    assert found["data"] == {"kind": "table", "root": "d", "atlas": "aal"}
    assert "2 tables do not state" in text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"participant_id\tpath\n"])
def test_what_nobody_recognises_is_one_line(here, capsys, content):
    Path("x.tsv").write_bytes(content)
    refused(capsys, "x.tsv")
    put("empty/note.txt")
    assert "empty: nothing in it was recognised" in refused(capsys, "empty")
    assert "nowhere: no such file or folder" in refused(capsys, "nowhere", "empty")


def test_the_settings_go_into_a_file(here, capsys):
    prep(MNI)
    put("mine.yaml/x")
    assert main(["init", "d", "-o", "mine.yaml", "--force"]) == 1
    assert "mine.yaml: a folder; give the name of a file" in capsys.readouterr().err
    put("file")
    assert main(["init", "d", "-o", "file/mine.yaml"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_two_inputs_of_one_section_are_told_apart(here, capsys):
    prep(MNI)
    put("e/sub-01/func/sub-01_task-rest_bold.nii.gz")
    line = refused(capsys, "d", "e")
    assert "d and e: both are input of 'data'" in line


def test_other_kinds_join_with_a_section_of_their_own(here):
    other = Found(Path("x"), ["# x: spikes"], {"hmmglm": ['  input: ["x"]']})
    text = compose([other])
    assert yaml.safe_load(text) == {"data": {"kind": "none"}, "hmmglm": {"input": ["x"]}}
    prep(MNI)
    bold = RECOGNISERS[0](Path("d"))
    found = yaml.safe_load(compose([bold, other]))
    assert found["data"]["kind"] == "fmriprep" and found["hmmglm"] == {"input": ["x"]}
    assert found["ntf"] == {"enabled": False}
    with pytest.raises(InputProblem, match="both are input of 'hmmglm'"):
        compose([other, other])
