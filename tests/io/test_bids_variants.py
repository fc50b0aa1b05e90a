"""Echoes, phases, cohorts, times: what a name or sidecar says about a run, and what it does not."""

import json
from contextlib import nullcontext

import pytest

from neuro.io.bids.scanner import grids, problem_lines, scan
from neuro.io.problems import InputProblem

MNI = "space-MNI152NLin2009cAsym"


def put(root, *paths, text="x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def prep(root, *names, label="01", tr=2.0):
    """fMRIPrep images with these names between task and desc; masks beside them."""
    base = f"sub-{label}/func/sub-{label}_task-rest"
    put(root, f"{base}_desc-confounds_timeseries.tsv")
    for name in names:
        place = "_".join(part for part in (base, name) if part)
        put(root, f"{place}_desc-preproc_bold.nii.gz", f"{place}_desc-brain_mask.nii.gz")
        put(root, f"{place}_desc-preproc_bold.json", text=json.dumps({"RepetitionTime": tr}))


def test_echoes_beside_a_combined_image_are_no_runs(tmp_path):
    prep(tmp_path, MNI, "echo-1", "echo-2", "echo-3")
    table = scan(tmp_path)
    assert table["run_key"].tolist() == ["sub-01_task-rest"]
    assert "echo" not in table["bold"][0] and table["status"].tolist() == ["ok"]
    assert dict(grids(tmp_path)["space"]) == {"MNI152NLin2009cAsym": 1}


@pytest.mark.parametrize("echo", ["2", "02", "echo-2"])
def test_an_echo_can_be_chosen(tmp_path, echo):
    prep(tmp_path, "", "echo-1", "echo-2")
    prep(tmp_path, "", label="02")  # measured with one echo
    table = scan(tmp_path, echo=echo)
    assert table["run_key"].tolist() == ["sub-01_task-rest_echo-2", "sub-02_task-rest"]
    assert table["status"].tolist() == ["ok", "ok"]


def test_an_echo_that_does_not_exist_is_refused(tmp_path):
    prep(tmp_path, "echo-1", "echo-2")
    with pytest.raises(InputProblem, match=r"data\.echo: no image of echo '4'; found 1, 2"):
        scan(tmp_path, echo="4")


def test_raw_echoes_say_what_to_do_and_doing_it_helps(tmp_path):
    base = "sub-01/func/sub-01_task-rest"
    put(tmp_path, *(f"{base}_echo-{k}_bold.nii.gz" for k in (1, 2, 3)))
    put(tmp_path, "task-rest_bold.json", text='{"RepetitionTime": 2}')
    table = scan(tmp_path)
    (line,) = problem_lines(table)
    assert len(table) == 1 and "choose one with data.echo" in line
    chosen = scan(tmp_path, echo="2")
    assert chosen["status"].tolist() == ["ok"]
    assert chosen["bold"].tolist() == [f"{base}_echo-2_bold.nii.gz"]


@pytest.mark.parametrize("others", [("part-phase",), ("part-phase", "part-real", "part-imag")])
def test_only_the_magnitude_is_a_run(tmp_path, others):
    base = "sub-01/func/sub-01_task-rest"
    put(tmp_path, *(f"{base}_{part}_bold.nii.gz" for part in ("part-mag", *others)))
    put(tmp_path, "task-rest_bold.json", text='{"RepetitionTime": 2}')
    assert scan(tmp_path)["bold"].tolist() == [f"{base}_part-mag_bold.nii.gz"]
    (tmp_path / f"{base}_part-mag_bold.nii.gz").unlink()
    assert "not a magnitude image" in problem_lines(scan(tmp_path))[0]


def test_a_cohort_belongs_to_the_space(tmp_path):
    prep(tmp_path, "space-MNIInfant_cohort-1", label="01")
    prep(tmp_path, "space-MNIInfant_cohort-2", label="02")
    with pytest.raises(InputProblem, match="choose one: MNIInfant_cohort-1"):
        scan(tmp_path)
    table = scan(tmp_path, space="MNIInfant_cohort-1")
    assert table["status"].tolist() == ["ok", "problem"]
    assert "found MNIInfant_cohort-2" in problem_lines(table)[0]


@pytest.mark.parametrize(("tr", "meant"), [(2000, "2 s"), (0.002, "2 s"), (720, "0.72 s")])
def test_an_interval_in_another_unit_is_refused(tmp_path, tr, meant):
    prep(tmp_path, MNI, tr=tr)
    (line,) = problem_lines(scan(tmp_path))
    assert f"sampling interval is {tr:g} s in the sidecar" in line and meant in line
    # what the line says: correct it there
    prep(tmp_path, MNI, tr=float(meant.split()[0]))
    assert scan(tmp_path)["status"].tolist() == ["ok"]


@pytest.mark.parametrize(
    ("times", "tr"), [([0, 2, 4, 6], 2.0), ([0, 0.8, 1.6], 0.8), ([0, 2, 6, 8], None)]
)
def test_times_of_volumes_are_an_interval_only_where_they_are_regular(tmp_path, times, tr):
    put(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    put(tmp_path, "task-rest_bold.json", text=json.dumps({"VolumeTiming": times}))
    table = scan(tmp_path, tr=tr)
    if tr is None:
        table = scan(tmp_path, tr=2.0)  # no setting makes irregular times regular
        assert "VolumeTiming has steps of 2 to 4 s" in problem_lines(table)[0]
    else:
        assert table["tr"].tolist() == pytest.approx([tr])
        assert table["status"].tolist() == ["ok"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("space-fsLR_seg-Tian_stat-mean_timeseries.ptseries.nii", "data.kind: table"),
        ("hemi-L_space-fsaverage_desc-mine_bold.func.gii", "set data.space to one"),
        ("desc-coreg_boldref.nii.gz", "--level full"),
    ],
)
def test_what_stands_in_place_of_volumes_is_told(tmp_path, name, words):
    put(tmp_path, f"sub-01/func/sub-01_task-rest_{name}")
    with pytest.raises(InputProblem) as caught:
        scan(tmp_path)
    (line,) = caught.value.problems
    assert words in line and "no BOLD image" in line


def test_the_advice_for_xcpd_without_masks_works(tmp_path):
    base = f"sub-01/func/sub-01_task-rest_{MNI}_res-2"
    put(tmp_path, f"{base}_desc-denoised_bold.nii.gz")
    put(tmp_path, f"{base}_desc-denoised_bold.json", text='{"RepetitionTime": 2}')
    (line,) = problem_lines(scan(tmp_path))
    assert "put fMRIPrep's *_desc-brain_mask.nii.gz" in line
    put(tmp_path, f"{base}_desc-brain_mask.nii.gz")
    assert scan(tmp_path)["status"].tolist() == ["ok"]


def denoised(root, run, n_volumes):
    """An image of XCP-D of so many volumes."""
    import nibabel
    import numpy as np

    base = f"sub-01/func/sub-01_task-rest{run}_{MNI}_desc-"
    put(root, f"{base}denoised_bold.json", text='{"RepetitionTime": 2}')
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, n_volumes), "f4"), np.eye(4))
    nibabel.save(image, root / f"{base}denoised_bold.nii.gz")
    put(root, f"{base}brain_mask.nii.gz")


@pytest.mark.parametrize(
    ("n_whole", "keys"), [(12, ["_run-1", "_run-2"]), (9, ["", "_run-1", "_run-2"])]
)
def test_runs_in_a_row_beside_the_runs_count_once(tmp_path, n_whole, keys):
    """XCP-D writes them without `run`; another number of volumes is a run of its own."""
    for run, n_volumes in (("_run-1", 5), ("_run-2", 7), ("", n_whole)):
        denoised(tmp_path, run, n_volumes)
    expected = pytest.warns(UserWarning, match="in a row") if len(keys) == 2 else nullcontext()
    with expected:
        found = scan(tmp_path)["run_key"]
    assert sorted(found) == [f"sub-01_task-rest{key}" for key in keys]
