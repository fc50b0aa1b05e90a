"""A real fMRIPrep tree with empty images: who is found, and that emptiness is told once."""

import os
import tarfile
from pathlib import Path

import pytest

from neuro.io.bids.scanner import metadata, problem_lines, scan
from neuro.io.images.nifti import load_bold
from neuro.io.problems import InputProblem

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
ARCHIVE = DATA / "bold" / "ds000001-fmriprep_layout.tar.gz"
OLD = DATA / "bold" / "fmriprep_confounds"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"no recording {ARCHIVE.name}"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layout")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "ds000001-fmriprep"


def test_twelve_runs_of_four_subjects(root):
    table = scan(root)
    assert table.groupby("participant_id").size().to_dict() == {"10": 3, "11": 3, "13": 3, "16": 3}
    assert set(table["space"]) == {"MNI152NLin2009cAsym"}
    assert set(table["res"]) == {"2"}
    assert set(table["task"]) == {"balloonanalogrisktask"}
    assert table["tr"].tolist() == [2.0] * 12
    assert set(table["tr_source"]) == {"sidecar"}
    assert table.attrs["layout"] == "fmriprep"
    for row in table.to_dict("records"):
        assert row["bold"].endswith("_res-2_desc-preproc_bold.nii.gz")
        assert row["mask"] == row["bold"].replace("preproc_bold", "brain_mask")
        assert row["confounds"].endswith(f"run-{row['run']}_desc-confounds_timeseries.tsv")
        for name in ("bold", "mask", "confounds", "json"):
            assert (root / row[name]).exists()
        assert metadata(root, row["bold"])["SkullStripped"] is False


def test_empty_files_are_told_in_one_list(root):
    table = scan(root)
    assert set(table["status"]) == {"empty"}
    lines = problem_lines(table)
    assert len(lines) == len(set(lines)) == 36
    assert all(line.endswith(": the file is empty (0 bytes)") for line in lines)
    with pytest.raises(InputProblem, match=r"the file is empty \(0 bytes\)"):
        load_bold(root / table["bold"][0])


def test_one_subject(root):
    assert len(scan(root, subjects=["13"])) == 3
    with pytest.raises(InputProblem, match=r"'99' not found in .*; found 10 11 13 \.\.\. \(4\)"):
        scan(root, subjects=["99"])


@pytest.mark.parametrize(
    "name",
    [
        "test_desc-confounds_regressors.tsv",
        "no_nonsteady_desc-confounds_regressors.tsv",
        "test-v21_desc-confounds_timeseries.tsv",
    ],
)
def test_old_and_new_confound_names_are_matched(tmp_path, name):
    func = tmp_path / "sub-01" / "func"
    func.mkdir(parents=True)
    suffix = name[name.index("desc-") :]
    (func / f"sub-01_task-rest_{suffix}").write_bytes((OLD / name).read_bytes())
    for ending in ("desc-preproc_bold.nii.gz", "desc-brain_mask.nii.gz"):
        (func / f"sub-01_task-rest_space-MNI_{ending}").write_text("x")
    table = scan(tmp_path, tr=2.0)
    assert table["status"].tolist() == ["ok"]
    assert table["confounds"].tolist() == [f"sub-01/func/sub-01_task-rest_{suffix}"]
