"""Runs are found by their names, in every layout, and what is missing is said at once."""

import json
import os

import pytest

from neuro.io.bids.scanner import metadata, problem_lines, scan
from neuro.io.problems import InputProblem

TR = json.dumps({"RepetitionTime": 2.0})
FMRIPREP = (
    "space-MNI_res-2_desc-preproc_bold.nii.gz",
    "space-MNI_res-2_desc-brain_mask.nii.gz",
    "desc-confounds_timeseries.tsv",
    "space-MNI_res-2_boldref.nii.gz",
    "space-MNI_desc-smoothAROMAnonaggr_bold.nii.gz",
    "space-fsaverage5_hemi-L_bold.func.gii",
    "space-fsLR_den-91k_bold.dtseries.nii",
)


def put(root, *paths, text="x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def fmriprep(root, key, files=FMRIPREP, tr=TR):
    """One run of a derivative tree under its run key."""
    parts = key.split("_")
    session = f"{parts[1]}/" if parts[1].startswith("ses-") else ""
    base = f"{parts[0]}/{session}func/{key}"
    put(root, *(f"{base}_{name}" for name in files))
    if tr:
        put(root, f"{base}_space-MNI_res-2_desc-preproc_bold.json", text=tr)


@pytest.mark.parametrize(
    "keys",
    [
        ["sub-01_task-rest"],
        ["sub-01_task-rest", "sub-02_task-rest"],
        ["sub-01_task-rest_run-1", "sub-01_task-rest_run-2", "sub-01_task-rest_run-10"],
        ["sub-01_ses-a_task-rest", "sub-01_ses-b_task-rest", "sub-02_ses-a_task-rest"],
        ["sub-01_ses-a_task-rest_run-1", "sub-01_ses-a_task-rest_run-2"],
        ["sub-01_task-nback", "sub-01_task-rest"],
        ["sub-01_task-rest_acq-fast_dir-AP_run-1", "sub-01_task-rest_acq-slow_dir-AP_run-1"],
    ],
)
def test_fmriprep_trees(tmp_path, keys):
    for key in keys:
        fmriprep(tmp_path, key)
    put(tmp_path, "sub-01/anat/sub-01_space-MNI_res-2_desc-brain_mask.nii.gz", "sub-01.html")
    table = scan(tmp_path)
    assert table["run_key"].tolist() == keys
    assert set(table["status"]) == {"ok"}
    assert table.attrs["layout"] == "fmriprep"
    for key, row in zip(keys, table.to_dict("records")):
        assert row["participant_id"] == key.split("_")[0].removeprefix("sub-")
        folder = os.path.dirname(row["bold"])
        assert row["bold"] == f"{folder}/{key}_space-MNI_res-2_desc-preproc_bold.nii.gz"
        assert row["mask"] == f"{folder}/{key}_space-MNI_res-2_desc-brain_mask.nii.gz"
        assert row["confounds"] == f"{folder}/{key}_desc-confounds_timeseries.tsv"
        assert row["json"] == row["bold"].replace(".nii.gz", ".json")
        assert (row["tr"], row["tr_source"]) == (2.0, "sidecar")
        assert (row["space"], row["res"], row["kind"]) == ("MNI", "2", "fmriprep")


def test_old_names(tmp_path):
    base = "sub-01/func/sub-01_task-rest"
    put(
        tmp_path,
        f"{base}_space-MNI_desc-preproc_bold.nii.gz",
        f"{base}_space-MNI_desc-brain_mask.nii.gz",
        f"{base}_desc-confounds_regressors.tsv",
    )
    older = "sub-02/func/sub-02_task-rest_bold"
    put(
        tmp_path,
        f"{older}_space-MNI_preproc.nii.gz",
        f"{older}_space-MNI_brainmask.nii.gz",
        f"{older}_confounds.tsv",
    )
    table = scan(tmp_path, tr=2.0)
    assert table["status"].tolist() == ["ok", "ok"]
    assert table["run_key"].tolist() == ["sub-01_task-rest", "sub-02_task-rest"]
    assert table["confounds"].tolist() == [
        f"{base}_desc-confounds_regressors.tsv",
        f"{older}_confounds.tsv",
    ]
    assert table["mask"][1] == f"{older}_space-MNI_brainmask.nii.gz"


def test_mask_and_confounds_of_other_runs_are_not_taken(tmp_path):
    fmriprep(tmp_path, "sub-01_task-rest_run-1")
    fmriprep(tmp_path, "sub-01_task-rest_run-2", FMRIPREP[:1])
    fmriprep(tmp_path, "sub-01_task-rest_run-3", FMRIPREP[:1] + FMRIPREP[2:3])
    # other resolution, unknown resolution, native space
    for grid in ("space-MNI_res-1_", "space-MNI_", ""):
        put(tmp_path, f"sub-01/func/sub-01_task-rest_run-3_{grid}desc-brain_mask.nii.gz")
    table = scan(tmp_path)
    assert table["status"].tolist() == ["ok", "problem", "problem"]
    bold = table["bold"]
    assert problem_lines(table) == [
        f"{bold[1]}: no brain mask on the same grid found",
        f"{bold[1]}: no confounds table found",
        f"{bold[2]}: no brain mask on the same grid found",
    ]
    assert table["mask"].tolist()[1:] == ["", ""]


def test_several_spaces_need_a_choice(tmp_path):
    fmriprep(tmp_path, "sub-01_task-rest")
    t1w = ("space-T1w_desc-preproc_bold.nii.gz", "space-T1w_desc-brain_mask.nii.gz")
    fmriprep(tmp_path, "sub-01_task-rest", t1w)
    fmriprep(tmp_path, "sub-02_task-rest", (*t1w, FMRIPREP[2]), tr=None)
    put(tmp_path, "sub-02/func/sub-02_task-rest_space-T1w_desc-preproc_bold.json", text=TR)
    with pytest.raises(InputProblem) as caught:
        scan(tmp_path)
    assert caught.value.problems == [
        "data.space: the images come in several, choose one: MNI (1), T1w (2)"
    ]
    with pytest.raises(InputProblem, match=r"no image in 'MNI2009'; found MNI \(1\), T1w \(2\);"):
        scan(tmp_path, space="MNI2009")
    table = scan(tmp_path, space="MNI")
    assert table["status"].tolist() == ["ok", "problem"]
    assert table["reason"][1] == "sub-02_task-rest: no image in MNI res-2; found T1w"
    assert scan(tmp_path, space="T1w", tr=2.0)["status"].tolist() == ["ok", "ok"]
    with pytest.raises(InputProblem, match=r"data\.res: no image in '3'; found 2 \(1\)"):
        scan(tmp_path, space="MNI", res="3")


def test_several_resolutions_and_cohorts_need_a_choice(tmp_path):
    for grid in ("space-MNI_res-1", "space-MNI_res-2", "space-Ped_cohort-1", "space-Ped_cohort-2"):
        files = (f"{grid}_desc-preproc_bold.nii.gz", f"{grid}_desc-brain_mask.nii.gz")
        fmriprep(tmp_path, "sub-01_task-rest", (*files, FMRIPREP[2]))
    with pytest.raises(InputProblem, match=r"choose one: 1 \(1\), 2 \(1\)"):
        scan(tmp_path, space="MNI")
    assert scan(tmp_path, space="MNI", res=1)["res"].tolist() == ["1"]
    table = scan(tmp_path, space="Ped_cohort-2", tr=2.0)
    assert table["run_key"].tolist() == ["sub-01_task-rest"]
    assert "cohort-2" in table["mask"][0]


def test_space_without_entity_is_native(tmp_path):
    for grid in ("", "space-MNI_"):
        files = (f"{grid}desc-preproc_bold.nii.gz", f"{grid}desc-brain_mask.nii.gz")
        fmriprep(tmp_path, "sub-01_task-rest", (*files, FMRIPREP[2]), tr=None)
    with pytest.raises(InputProblem, match=r"MNI \(1\), native \(1\)"):
        scan(tmp_path, tr=2.0)
    row = scan(tmp_path, tr=2.0, space="native").iloc[0]
    assert row["bold"].endswith("sub-01_task-rest_desc-preproc_bold.nii.gz")
    assert row["mask"].endswith("sub-01_task-rest_desc-brain_mask.nii.gz")


def test_xcpd(tmp_path):
    base = "sub-01/func/sub-01_task-rest_run-1"
    put(
        tmp_path,
        f"{base}_space-MNI_res-2_desc-denoised_bold.nii.gz",
        f"{base}_space-MNI_res-2_desc-denoisedSmoothed_bold.nii.gz",
        f"{base}_space-MNI_res-2_atlas-Gordon_timeseries.tsv",
        f"{base}_outliers.tsv",
        f"{base}_motion.tsv",
        "sub-01/anat/sub-01_space-MNI_res-2_desc-brain_mask.nii.gz",
        "sub-01/anat/sub-01_space-MNI_res-1_desc-brain_mask.nii.gz",
        "sub-01/anat/sub-01_space-MNI_res-2_label-GM_mask.nii.gz",
    )
    put(tmp_path, f"{base}_space-MNI_res-2_desc-denoised_bold.json", text=TR)
    row = scan(tmp_path).iloc[0]
    assert (row["kind"], row["status"], row["confounds"]) == ("xcpd", "ok", "")
    assert row["outliers"] == f"{base}_outliers.tsv"
    assert row["motion"] == f"{base}_motion.tsv"
    assert row["mask"] == "sub-01/anat/sub-01_space-MNI_res-2_desc-brain_mask.nii.gz"


def test_raw_bids_inherits_sidecars(tmp_path):
    put(
        tmp_path,
        "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii.gz",
        "sub-01/ses-1/func/sub-01_ses-1_task-rest_sbref.nii.gz",
        "sub-01/ses-2/func/sub-01_ses-2_task-rest_bold.nii.gz",
        "sub-02/func/sub-02_task-rest_bold.nii",
        "sub-02/func/sub-02_task-story_bold.nii.gz",
    )
    put(tmp_path, "task-rest_bold.json", text='{"RepetitionTime": 2, "SliceTiming": [0, 1]}')
    put(tmp_path, "task-rest_events.json", text='{"RepetitionTime": 9}')
    put(tmp_path, "sub-01/sub-01_task-rest_bold.json", text='{"RepetitionTime": 2.2}')
    put(tmp_path, "sub-01/ses-1/sub-01_ses-1_bold.json", text='{"EchoTime": 0.03}')
    put(tmp_path, "bold.json", text='{"RepetitionTime": 3, "Manufacturer": "S"}')
    table = scan(tmp_path)
    assert table.attrs["layout"] == "bids"
    assert table["tr"].tolist() == [2.2, 2.2, 2.0, 3.0]
    assert set(table["tr_source"]) == {"inherited"}
    assert set(table["status"]) == {"ok"}
    assert metadata(tmp_path, table["bold"][0]) == {
        "RepetitionTime": 2.2,
        "SliceTiming": [0, 1],
        "EchoTime": 0.03,
        "Manufacturer": "S",
    }
    with pytest.raises(InputProblem, match="no such file"):
        metadata(tmp_path, "sub-09/func/sub-09_bold.nii.gz")


def test_raw_images_that_cannot_be_used(tmp_path):
    base = "sub-01/func/sub-01_task-rest"
    put(
        tmp_path,
        f"{base}_echo-1_bold.nii.gz",
        f"{base}_echo-2_bold.nii.gz",
        f"{base}_run-1_part-phase_bold.nii.gz",
        f"{base}_run-2_bold.nii",
        f"{base}_run-2_bold.nii.gz",
        "sub-01/func/sub-02_task-rest_bold.nii.gz",
    )
    table = scan(tmp_path, tr=2.0).set_index("run_key")
    reasons = table["reason"].to_dict()
    assert set(table["status"]) == {"problem"}
    assert "one echo of a multi-echo run" in reasons["sub-01_task-rest_echo-1"]
    assert "not a magnitude image" in reasons["sub-01_task-rest_run-1_part-phase"]
    assert "2 images of one run" in reasons["sub-01_task-rest_run-2"]
    assert "a file of sub-02 in the folder sub-01" in reasons["sub-02_task-rest"]


@pytest.mark.parametrize("folder", ["", "sub-01/", "sub-01/func/", "sub-01/ses-1/"])
def test_template_space_folders(tmp_path, folder):
    put(
        tmp_path,
        f"{folder}sub-01_task-rest_space-Athena_bold.nii.gz",
        f"{folder}sub-01_task-rest_motion.1D",
        f"{folder}sub-01_mask.nii.gz",
        "group_mask.nii.gz",
        "participants.tsv",
    )
    table = scan(tmp_path, tr=2.0)
    row = table.iloc[0]
    assert (row["kind"], row["status"], row["tr_source"]) == ("nifti", "ok", "config")
    assert row["mask"] == f"{folder}sub-01_mask.nii.gz"
    assert row["motion"] == f"{folder}sub-01_task-rest_motion.1D"
    (tmp_path / folder / "sub-01_mask.nii.gz").unlink()
    assert scan(tmp_path, tr=2.0)["mask"].tolist() == ["group_mask.nii.gz"]
    (tmp_path / "group_mask.nii.gz").unlink()
    table = scan(tmp_path, tr=2.0)
    assert table["kind"].tolist() == ["nifti"], "a space in the name means a template"
    assert "no brain mask" in table["reason"][0]


def test_empty_files_and_dead_links_are_listed_together(tmp_path):
    for number in range(3):
        fmriprep(tmp_path, f"sub-0{number}_task-rest")
    base = "sub-00/func/sub-00_task-rest"
    put(tmp_path, f"{base}_{FMRIPREP[0]}", f"{base}_{FMRIPREP[2]}", text="")
    link = tmp_path / "sub-01/func/sub-01_task-rest_space-MNI_res-2_desc-brain_mask.nii.gz"
    link.unlink()
    link.symlink_to(tmp_path / ".git" / "annex" / "absent")
    table = scan(tmp_path)
    assert table["status"].tolist() == ["empty", "problem", "ok"]
    lines = problem_lines(table)
    assert [line.split(": ")[1] for line in lines] == [
        "the file is empty (0 bytes)",
        "the file is empty (0 bytes)",
        "a link that leads nowhere; get the file",
    ]


def test_sampling_intervals(tmp_path):
    for number, text in enumerate(
        ['{"RepetitionTime": 2.0}', "{}", "{broken", '{"RepetitionTime": 0}']
    ):
        fmriprep(tmp_path, f"sub-0{number}_task-rest", tr=text)
    table = scan(tmp_path)
    assert table["status"].tolist() == ["ok", "problem", "problem", "problem"]
    assert "no sampling interval in sidecar or header; set data.tr" in table["reason"][1]
    assert "not readable as JSON" in table["reason"][2]
    table = scan(tmp_path, tr=2.5)
    assert table["tr_source"].tolist() == ["sidecar", "config", "config", "config"]
    assert "2 s in the sidecar but 2.5 s in the config" in table["reason"][0]
    assert table["status"].tolist() == ["problem", "ok", "problem", "ok"]


def test_filters(tmp_path):
    for label in ("01", "02", "10"):
        for task in ("rest", "nback"):
            fmriprep(tmp_path, f"sub-{label}_ses-a_task-{task}")
    table = scan(tmp_path, subjects=["sub-02", "10"], tasks=["rest"], sessions=["a"])
    assert table["run_key"].tolist() == ["sub-02_ses-a_task-rest", "sub-10_ses-a_task-rest"]
    with pytest.raises(InputProblem) as caught:
        scan(tmp_path, subjects=["99", "1"])
    assert (
        caught.value.problems[0] == f"data.subjects: '99' not found in {tmp_path}; found 01 02 10"
    )
    assert len(caught.value.problems) == 2
    with pytest.raises(InputProblem) as caught:
        scan(tmp_path, tasks=["ret"], sessions=["b"])
    assert caught.value.problems == [
        "data.tasks: 'ret' not found; found nback rest; did you mean 'rest'?",
        "data.sessions: 'b' not found; found a",
    ]


def test_nothing_usable(tmp_path):
    with pytest.raises(InputProblem, match="no such folder"):
        scan(tmp_path / "absent")
    with pytest.raises(InputProblem, match=r"no folder or file named sub-\*$"):
        scan(tmp_path)
    fmriprep(tmp_path / "derivatives" / "fmriprep", "sub-01_task-rest")
    with pytest.raises(InputProblem, match=r"in derivatives/fmriprep: set data\.root to it"):
        scan(tmp_path)
    put(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    with pytest.raises(InputProblem, match=r"no BOLD image in 1 sub-\* folders"):
        scan(tmp_path)
    put(tmp_path, "sub-01/func/sub-01_task-rest_bold.nii.gz")
    with pytest.raises(InputProblem, match=r"kind 'fmriprep'; the images fit nifti \(1\) or bids"):
        scan(tmp_path, layout="fmriprep")
    with pytest.raises(ValueError, match="layout: got 'spm'"):
        scan(tmp_path, layout="spm")


def test_other_folders_are_not_entered(tmp_path, monkeypatch):
    fmriprep(tmp_path, "sub-01_task-rest")
    put(
        tmp_path, "sub-01/figures/sub-01_x.svg", "sub-01/log/a.toml", "logs/x", "sourcedata/sub-1/x"
    )
    entered = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: entered.append(str(path)) or real(path))
    scan(tmp_path)
    below = sorted(os.path.relpath(path, tmp_path) for path in entered)
    assert below == [".", "sub-01", "sub-01/func"]


def test_the_scan_loads_no_image_library():
    import subprocess
    import sys

    code = (
        "import sys; import neuro.io.bids.scanner as b; "
        "print([m for m in ('nibabel', 'nilearn', 'bids', 'sklearn') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
