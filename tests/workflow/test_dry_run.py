"""What the workflow plans, for many shapes of input; expected job counts are written down."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from common import ROOT, only, snakemake

N = 32
"""Subjects of the demo."""

DEMO = {
    "simulate_fmri": 1,
    "fmri_index": 1,
    "fmri_clean": N,
    "fmri_parcellate": N,
    "fmri_maps": N,
    "fmri_maps_group": 1,
    "fmri_series": 1,
    "fmri_connectome": 1,
    "fmri_publish": 1,
    "fmri_qc": 1,
    "adhd_mask": 1,
    "adhd_graph": N,
    "adhd_features": 1,
    "adhd_diagnose": 1,
    "adhd_permute": 2,
    "adhd_group": 1,
    "adhd_summary": 1,
    "demovae_fit": 1,
    "demovae_features": 1,
    "demovae_sample": 1,
    "demovae_evaluate": 1,
    "demovae_compare": 1,
    "demovae_phenotypes": 1,
    "demovae_generation": 1,
    "demovae_diagnosis": 1,
    "demovae_planted": 1,
    "demovae_summary": 1,
    "ntf_simulate": 1,
    "ntf_tensor": 2,
    "ntf_rank": 2,
    "ntf_factorize": 2,
    "ntf_null": 2,
    "ntf_communities": 2,
    "ntf_summary": 1,
    "hmmglm_simulate": 1,
    "hmmglm_bin": 2,
    "hmmglm_fit": 6,
    "hmmglm_select": 2,
    "hmmglm_ladder": 2,
    "hmmglm_export": 2,
    "hmmglm_summary": 1,
    "simulate_scenes": 1,
    "mds_simulate": 1,
    "mds_twin": 2,
    "mds_cluster": 2,
    "mds_select": 2,
    "mds_present": 1,
    "mds_assign": 1,
    "mds_summary": 1,
    "braindive_generator": 1,
    "braindive_encode": 3,
    "braindive_sample": 2,
    "braindive_judge": 1,
    "report": 1,
    "all": 1,
}


def planned(workdir, *arguments, config=None):
    """Job counts of a dry-run by rule."""
    if config is not None:
        path = Path(workdir) / "mine.yaml"
        path.write_text(yaml.safe_dump(only(config)))
        arguments = (*arguments, "--configfile", str(path))
    result = snakemake(workdir, "-n", "--cores", "2", *arguments)
    table = result.stdout.split("job", 1)[1] if "job" in result.stdout else ""
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE))
    counts.pop("total", None)
    return {rule: int(number) for rule, number in counts.items()}


def refused(workdir, config, *arguments):
    """Lines of a refusal: status 1, no traceback."""
    path = Path(workdir) / "mine.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(only(config)))
    result = snakemake(
        workdir, "-n", "--cores", "2", "--configfile", str(path), *arguments, check=False
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    return result.stderr


def test_the_demo_plans_every_stage(tmp_path):
    assert planned(tmp_path) == DEMO


def test_the_demo_without_diagnosis(tmp_path):
    config = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}}
    counts = planned(tmp_path, config={**config, "adhd": {"enabled": False}})
    bold = ("simulate_fmri", "fmri", "report", "all")
    # a file of one's own asks for no maps
    assert counts == {
        name: n
        for name, n in DEMO.items()
        if name.startswith(bold) and not name.startswith("fmri_maps")
    }


def test_maps_are_planned_run_by_run(tmp_path):
    fmri = {"atlas": "simulated", "maps": ["falff", "seed"], "seeds": {"pcc": [0, -52, 26]}}
    config = {"data": {"kind": "simulated"}, "fmri": fmri, "adhd": {"enabled": False}}
    counts = planned(tmp_path, config=config)
    assert (counts["fmri_maps"], counts["fmri_maps_group"]) == (N, 1)
    target = "results/work/fmri/sub-03/func/sub-03_task-rest_stat-seed_boldmap.nii.gz"
    assert planned(tmp_path, target, config=config) == {
        "simulate_fmri": 1,
        "fmri_clean": 1,
        "fmri_maps": 1,
    }


def test_compared_strategies_are_planned_run_by_run_and_diagnosed(tmp_path):
    fmri = {"atlas": "simulated", "compare": ["6P", "36P", "motion+high_pass"]}
    config = {"data": {"kind": "simulated"}, "fmri": fmri}
    counts = planned(tmp_path, config=config)
    assert (counts["fmri_compare_run"], counts["fmri_compare"]) == (N, 1)
    assert counts["adhd_compare"] == 1
    counts = planned(tmp_path, "fmri", config=config)
    assert counts["fmri_compare"] == 1 and "adhd_compare" not in counts


@pytest.mark.parametrize("level", ["roi", "voxel"])
def test_maps_of_runs_are_inputs_of_the_diagnosis(tmp_path, level):
    config = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated", "maps": ["reho"]}}
    own = {"level": level, "features": ["reho"], "primary": "reho+mask"}
    target = "results/adhd/features.h5"
    counts = planned(tmp_path, target, config={**config, "adhd": own})
    assert counts["fmri_maps"] == N and counts["fmri_maps_group"] == 1
    # the quality table, which holds everybody's motion, joins the exclusions of the maps
    assert counts["fmri_qc"] == 1


def test_region_level_graphs_of_images(tmp_path):
    config = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}}
    counts = planned(tmp_path, config={**config, "adhd": {"level": "roi"}})
    assert counts["adhd_graph_roi"] == 1
    assert "adhd_graph" not in counts and "adhd_mask" not in counts


@pytest.mark.parametrize("stage", ["fmri", "adhd", "report"])
def test_each_stage_is_a_target(tmp_path, stage):
    counts = planned(tmp_path, stage)
    assert counts["fmri_qc"] == 1
    assert ("adhd_summary" in counts) == (stage != "fmri")
    assert ("report" in counts) == (stage == "report")


def test_one_subject_is_a_target(tmp_path):
    target = (
        "results/work/fmri/sub-03/func/sub-03_task-rest_atlas-simulated_stat-mean_timeseries.tsv"
    )
    counts = planned(tmp_path, target)
    assert counts == {"simulate_fmri": 1, "fmri_clean": 1, "fmri_parcellate": 1}


@pytest.fixture
def adhd200(tmp_path):
    """Empty ADHD-200 folders: two sites, five subjects, seven runs."""
    for site, subjects in (
        ("NYU", {"0010001": 2, "0010002": 2, "0010003": 1}),
        ("KKI", {"0020001": 1, "0020002": 1}),
    ):
        for label, runs in subjects.items():
            folder = tmp_path / "tables" / site / label
            folder.mkdir(parents=True)
            for run in range(1, runs + 1):
                name = f"sfnwmrda{label}_session_1_rest_{run}_aal_TCs.1D"
                (folder / name).write_text(f"{label} {run}")
        rows = "".join(
            f"{int(label)},{site},{number % 2},10.5,0.5,{number % 2}\n"
            for number, label in enumerate(subjects)
        )
        (tmp_path / "tables" / site / f"{site}_phenotypic.csv").write_text(
            "ScanDir ID,Site,Gender,Age,Handedness,DX\n" + rows
        )
    return tmp_path


def test_region_tables_are_one_job_for_all(adhd200):
    config = {"data": {"kind": "adhd200", "root": "tables"}}
    counts = planned(adhd200, config=config)
    assert counts == {
        "fmri_index": 1,
        "fmri_table": 1,
        "fmri_connectome": 1,
        "fmri_qc": 1,
        "adhd_graph_roi": 1,
        "adhd_features": 1,
        "adhd_diagnose": 1,
        "adhd_permute": 10,
        "adhd_summary": 1,
        "report": 1,
        "all": 1,
    }


def test_detection_finds_the_same_layout(adhd200):
    config = {"data": {"kind": "auto", "root": "tables"}}
    assert planned(adhd200, config=config)["fmri_table"] == 1


def bids_tree(root, subjects, sessions=(None,), runs=(None,), masks=True):
    """Empty images in the names of fMRIPrep."""
    for subject in subjects:
        for session in sessions:
            folder = root / f"sub-{subject}" / (f"ses-{session}" if session else "") / "func"
            folder.mkdir(parents=True, exist_ok=True)
            for run in runs:
                name = f"sub-{subject}" + (f"_ses-{session}" if session else "") + "_task-rest"
                name += f"_run-{run}" if run else ""
                space = f"{name}_space-MNI152NLin2009cAsym"
                (folder / f"{space}_desc-preproc_bold.nii.gz").write_bytes(b"x")
                (folder / f"{space}_desc-preproc_bold.json").write_text('{"RepetitionTime": 2.0}')
                if masks:
                    (folder / f"{space}_desc-brain_mask.nii.gz").write_bytes(b"x")
                (folder / f"{name}_desc-confounds_timeseries.tsv").write_text("trans_x\n0\n")


@pytest.mark.parametrize(
    ("shape", "n_runs"),
    [
        ({"subjects": ["01"]}, 1),
        ({"subjects": ["01", "02", "03"]}, 3),
        ({"subjects": ["01", "02"], "sessions": ["a", "b"]}, 4),
        ({"subjects": ["01", "02"], "runs": ["1", "2", "3"]}, 6),
        ({"subjects": ["01", "02"], "sessions": ["1", "2"], "runs": ["1", "2"]}, 8),
    ],
)
def test_image_trees(tmp_path, shape, n_runs):
    bids_tree(tmp_path / "derivatives", **shape)
    config = {"data": {"kind": "fmriprep", "root": "derivatives"}, "adhd": {"enabled": False}}
    counts = planned(tmp_path, config=config)
    assert counts["fmri_clean"] == counts["fmri_parcellate"] == n_runs
    assert counts["fmri_connectome"] == counts["report"] == 1


def test_session_folders_show_in_the_results(tmp_path):
    bids_tree(tmp_path / "derivatives", ["01"], sessions=["pre"])
    config = {"data": {"kind": "fmriprep", "root": "derivatives"}, "adhd": {"enabled": False}}
    target = (
        "results/work/fmri/sub-01/ses-pre/func/sub-01_ses-pre_task-rest_desc-denoised_bold.nii.gz"
    )
    assert planned(tmp_path, target, config=config) == {"fmri_clean": 1}


def test_unknown_subject_is_one_line_that_lists_some(tmp_path):
    bids_tree(tmp_path / "derivatives", ["01", "02"])
    config = {"data": {"kind": "fmriprep", "root": "derivatives", "subjects": ["99"]}}
    assert "data.subjects: '99' not found in derivatives; found 01 02 (2)" in refused(
        tmp_path, config
    )


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"data": {"kind": "nifti"}}, "data.root: missing"),
        ({"data": {"kind": "nifti", "root": "no"}}, "data.root: no such folder: no"),
        ({"data": {"kind": "simulated"}, "fmri": {"fd_m": 1}}, "did you mean 'fd_mm'?"),
        ("data: {kind: simulated, tasks: [no]}\n", "quote labels: 'no'"),
    ],
)
def test_a_bad_configuration_is_refused_in_one_line(tmp_path, config, line):
    assert line in refused(tmp_path, config)


def test_an_empty_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    config = {"data": {"kind": "fmriprep", "root": "empty"}}
    assert "empty" in refused(tmp_path, config)


def test_a_users_file_never_gets_the_demo(tmp_path):
    shutil.copy(ROOT / "config.yaml", tmp_path / "config.yaml")
    bids_tree(tmp_path / "derivatives", ["01"])
    config = {"data": {"kind": "fmriprep", "root": "derivatives"}, "adhd": {"enabled": False}}
    result = snakemake(
        tmp_path,
        "-n",
        "--cores",
        "1",
        "--config",
        'data={"kind": "simulated"}',
        'adhd={"enabled": false}',
        'fmri={"atlas": "simulated"}',
    )
    assert "simulate_fmri" in result.stdout
    assert "simulate_fmri" not in planned(tmp_path, config=config)


def test_a_single_key_on_the_command_line_extends_the_demo(tmp_path):
    result = snakemake(tmp_path, "-n", "--cores", "1", "--config", 'simulate={"n_subjects": "5"}')
    assert re.search(r"fmri_clean\s+5", result.stdout)


IMAGE_RULES = {
    "fmri_index": 1,
    "fmri_clean": 2,
    "fmri_parcellate": 2,
    "fmri_series": 1,
    "fmri_connectome": 1,
    "fmri_publish": 1,
    "fmri_qc": 1,
    "report": 1,
    "all": 1,
}
TABLE_RULES = {
    "fmri_index": 1,
    "fmri_table": 1,
    "fmri_connectome": 1,
    "fmri_qc": 1,
    "report": 1,
    "all": 1,
}


def empty_tree(root, kind):
    """Empty files of two subjects in the names of each kind of input."""
    root.mkdir()
    (root / "labels.nii.gz").write_bytes(b"x")
    for label in ("01", "02"):
        base = f"sub-{label}/func/sub-{label}_task-rest"
        names = {
            "bids": ["_bold.nii.gz"],
            "fmriprep": [
                "_space-MNI_desc-preproc_bold.nii.gz",
                "_space-MNI_desc-brain_mask.nii.gz",
                "_desc-confounds_regressors.tsv",
            ],
            "xcpd": [
                "_space-MNI_desc-denoised_bold.nii.gz",
                "_space-MNI_desc-brain_mask.nii.gz",
                "_outliers.tsv",
                "_motion.tsv",
            ],
            "xcpd tables": ["_space-MNI_seg-Gordon_stat-mean_timeseries.tsv", "_outliers.tsv"],
            "nifti": ["_bold.nii.gz", "_mask.nii.gz", "_motion.txt"],
            "table": ["_timeseries.tsv"],
        }[kind]
        for name in names:
            path = root / f"{base}{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("fmriprep", IMAGE_RULES),
        ("nifti", IMAGE_RULES),
        ("xcpd", IMAGE_RULES),
        ("xcpd tables", TABLE_RULES),
        ("table", TABLE_RULES),
        ("bids", IMAGE_RULES | {"fmri_slicetime": 2, "fmri_realign": 2}),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_every_kind_of_input_named_or_detected(tmp_path, kind, counts, named):
    empty_tree(tmp_path / "input", kind)
    config = {
        "data": {"kind": kind.split()[0] if named else "auto", "root": "input", "tr": 2.0},
        "fmri": {"atlas": "input/labels.nii.gz"},
        "adhd": {"enabled": False},
    }
    if counts is TABLE_RULES:
        del config["fmri"]
    assert planned(tmp_path, config=config) == counts


def test_raw_images_without_slice_timing_skip_the_rule(tmp_path):
    empty_tree(tmp_path / "input", "bids")
    config = {
        "data": {"kind": "bids", "root": "input", "tr": 2.0},
        "fmri": {"atlas": "input/labels.nii.gz", "slice_timing": "off"},
        "adhd": {"enabled": False},
    }
    assert planned(tmp_path, config=config) == IMAGE_RULES | {"fmri_realign": 2}


def test_native_images_join_regions_and_template_images_voxels(tmp_path):
    empty_tree(tmp_path / "input", "bids")
    config = {
        "data": {"kind": "bids", "root": "input", "tr": 2.0},
        "fmri": {"atlas": "input/labels.nii.gz"},
    }
    counts = planned(tmp_path, config=config)
    assert "adhd_graph_roi" in counts and "adhd_graph" not in counts
    for label in ("01", "02"):
        (tmp_path / f"{label}.txt").write_text("x")
    config["fmri"] = {"normalise": {"affine": "{participant_id}.txt"}}
    counts = planned(tmp_path, config=config)
    assert counts["adhd_graph"] == counts["fmri_realign"] == 2
    (tmp_path / "02.txt").unlink()
    assert "02.txt: no such file; fmri.normalise.affine names it" in refused(tmp_path, config)


def test_without_bold_only_stages_with_recordings_of_their_own_run(tmp_path):
    assert planned(tmp_path, config={"data": {"kind": "none"}}) == {"report": 1, "all": 1}


@pytest.mark.parametrize("kind", ["bids", "auto"])
def test_native_images_refuse_template_coordinates(tmp_path, kind):
    empty_tree(tmp_path / "input", "bids")
    config = {"data": {"kind": kind, "root": "input", "tr": 2.0}, "adhd": {"enabled": False}}
    assert "power264 holds template coordinates, raw BIDS stays native" in refused(tmp_path, config)


def test_several_atlases_of_region_tables_need_a_choice(tmp_path):
    empty_tree(tmp_path / "input", "xcpd tables")
    for label in ("01", "02"):
        name = f"sub-{label}_task-rest_space-MNI_seg-Tian_stat-mean_timeseries.tsv"
        (tmp_path / "input" / f"sub-{label}" / "func" / name).write_text("x")
    config = {"data": {"kind": "xcpd", "root": "input", "tr": 2.0}, "adhd": {"enabled": False}}
    assert "data.atlas: the tables come from several, choose one: Gordon, Tian" in refused(
        tmp_path, config
    )
    config["data"]["atlas"] = "Tian"
    assert planned(tmp_path, config=config) == TABLE_RULES
