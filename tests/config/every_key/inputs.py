"""Settings of what is read, of the run, of the simulations and of the report."""

from __future__ import annotations

import json
import shutil

from every_key.entry import Key

INDEX = "results/fmri/index"


def _series(folder, names, space="", tr=2.0):
    """Empty images with their sidecars, in the names that fMRIPrep uses."""
    for name in names:
        label = name.split("_")[0]
        session = next((part for part in name.split("_") if part.startswith("ses-")), "")
        place = folder / "input" / label / session / "func"
        place.mkdir(parents=True, exist_ok=True)
        for middle in ("desc-preproc_bold", "desc-brain_mask"):
            (place / f"{name}{space}_{middle}.nii.gz").write_text("x")
            (place / f"{name}{space}_{middle}.json").write_text(json.dumps({"RepetitionTime": tr}))
        (place / f"{name}_desc-confounds_timeseries.tsv").write_text("x")


def _empty(folder):
    shutil.rmtree(folder / "input", ignore_errors=True)
    (folder / "input").mkdir()
    (folder / "input/atlas.nii.gz").write_text("x")


MNI, OTHER = "_space-MNI152NLin2009cAsym", "_space-MNI152NLin6Asym"


def sessions(folder):
    """One subject, two sessions, two tasks."""
    _empty(folder)
    names = [f"sub-01_ses-{session}_task-{task}" for session in "12" for task in ("rest", "nback")]
    _series(folder, names, MNI)


def spaces(folder):
    """Two template spaces, one of them at two resolutions."""
    _empty(folder)
    _series(folder, ["sub-01_task-rest"], f"{MNI}_res-1")
    _series(folder, ["sub-01_task-rest"], f"{MNI}_res-2")
    _series(folder, ["sub-01_task-rest"], f"{OTHER}_res-1")


def echoes(folder):
    """A combined image and one of its echoes."""
    _empty(folder)
    _series(folder, ["sub-01_task-rest", "sub-01_task-rest_echo-2"], MNI)


def sites(folder):
    """A second table of participants, with another site and its columns named otherwise."""
    lines = ["participant_id\tsite\tcentre\tage\tsex\tdx"]
    for number in range(1, 11):
        site = "one" if number < 6 else "two"
        row = (site, f"{site}!", 8 + number, "F", number % 2)
        lines.append("\t".join(map(str, (f"sub-{number:02d}", *row))))
    (folder / "other.tsv").write_text("\n".join(lines) + "\n")


def atlases(folder):
    """Region tables of two atlases, without a sampling interval."""
    for path in (folder / "input").glob("sub-*_timeseries.tsv"):
        for name in ("A", "B"):
            shutil.copy(
                path, path.with_name(path.name.replace("_task-rest", f"_task-rest_atlas-{name}"))
            )
        path.unlink()


def athena(folder):
    """Filtered and unfiltered series of ADHD-200."""
    shutil.rmtree(folder / "input")
    place = folder / "input/NYU/0010001"
    place.mkdir(parents=True)
    rows = "\n".join(
        "\t".join(["0010001", str(k), *(f"{(k * j) % 7}" for j in range(1, 4))])
        for k in range(1, 90)
    )
    head = "File\tSub-brick\tMean_2001\tMean_2002\tMean_2101\n"
    for name in ("sfnwmrda", "snwmrda"):
        (place / f"{name}0010001_session_1_rest_1_aal_TCs.1D").write_text(head + rows + "\n")
    (folder / "input/phenotypic.tsv").write_text(
        "ScanDir ID\tSite\tGender\tAge\tDX\n0010001\t5\t1\t10\t1\n"
    )


def bare_motion(folder):
    """Six columns of motion without a header in place of the table of confounds."""
    import numpy as np

    place = folder / "input/sub-01/func"
    for path in place.glob("*confounds_timeseries.*"):
        path.unlink()
    for other in (folder / "input").glob("sub-*"):
        if other.name != "sub-01":
            shutil.rmtree(other)
    motion = np.random.default_rng(0).normal(0, 0.01, (60, 6)).cumsum(axis=0)
    np.savetxt(place / "sub-01_task-rest_motion.txt", motion)


def short_table(folder):
    """A table of confounds with fewer rows than volumes."""
    path = next(folder.glob("input/sub-01/func/*confounds_timeseries.tsv"))
    path.write_text("\n".join(path.read_text().splitlines()[:11]) + "\n")


def headerless(folder):
    """An image whose header lacks the voxel size."""
    import nibabel
    import numpy as np

    for path in (folder / "input/sub-01").rglob("*.nii.gz"):
        image = nibabel.load(path)
        header = image.header.copy()
        data = np.asarray(image.dataobj)
        made = nibabel.Nifti1Image(data, None, header)
        made.header.set_zooms([0.0, 0, 0, 2.0][: data.ndim])
        made.header.set_sform(None, 0)
        made.header.set_qform(None, 0)
        nibabel.save(made, path)


PREP = {"data.kind": "fmriprep", "data.root": "input", "fmri.atlas": "input/atlas.nii.gz"}


def fmri_only(**changes):
    return {"adhd.enabled": False, **changes}


def read(value, prepare=None, **under):
    """A key that decides which files are planned with."""
    return Key(
        "fmri_index", value, under, plan=True, prepare=prepare, target="results/fmri/report.json"
    )


def listed(value, **under):
    """A key that decides the list of runs of region tables."""
    return Key("fmri_index", value, under, case="fmri_table", target="results/fmri/runs.tsv")


def moved(value):
    """A key that says what a bare table of motion holds."""
    motion = {"data.motion_order": "translations_first", "data.motion_units": "radians"}
    under = {**motion, "data.kind": "nifti", "fmri.strategy": "24P"}
    return Key("fmri_clean", value, under, prepare=bare_motion)


SIM = "results/simulated/truth.json"
SMALL = {"simulate.n_subjects": 4, "simulate.n_volumes": 40, "simulate.voxel_mm": 12}
ONE_STAGE = {
    f"{stage}.enabled": False for stage in ("adhd", "demovae", "ntf", "hmmglm", "mds", "braindive")
}
KEYS = {
    "data.kind": Key(
        "all",
        "simulated",
        {"data.kind": "none", "fmri.atlas": "simulated"},
        plan=True,
        target="all",
    ),
    "data.root": read(
        "elsewhere", lambda folder: shutil.copytree(folder / "input", folder / "elsewhere")
    ),
    "data.participants": Key("fmri_index", "other.tsv", prepare=sites),
    "data.subjects": read(["01", "02"]),
    "data.exclude": read(["01"]),
    "data.sites": read(["one"], sites, **{"data.participants": "other.tsv"}),
    "data.sessions": read(["1"], sessions),
    "data.tasks": read(["rest"], sessions),
    "data.space": read(
        "MNI152NLin6Asym", spaces, **{"data.space": "MNI152NLin2009cAsym", "data.res": "1"}
    ),
    "data.res": read("2", spaces, **{"data.space": "MNI152NLin2009cAsym", "data.res": "1"}),
    "data.atlas": Key("fmri_table", "B", {"data.atlas": "A"}, plan=True, prepare=atlases),
    "data.echo": read("2", echoes),
    "data.columns": Key(
        "fmri_index", {"site": "centre"}, {"data.participants": "other.tsv"}, prepare=sites
    ),
    "data.tr": listed(3.0),
    "data.site_tr": listed({"A": 3.0}, **{"data.tr": None, "data.site_tr": {"A": 2.0}}),
    "data.voxel_size": Key("fmri_realign", [3.0, 3, 3], base=[4.0, 4, 4], prepare=headerless),
    "data.motion_order": moved("rotations_first"),
    "data.motion_units": moved("degrees"),
    "data.use_qc": Key(
        "all",
        True,
        elsewhere="io/test_adhd200_folders.py::test_questionable_runs_are_noted_or_left_out",
    ),
    "data.filtered": Key("fmri_table", False, {"data.kind": "adhd200"}, plan=True, prepare=athena),
    "execution.seed": Key("simulate_fmri", 1),
    "execution.rerun_on_code_change": Key("simulate_scenes", False, given=True),
    "execution.skip_bad_subjects": Key(
        "fmri_clean", False, base=True, prepare=short_table, refused="confounds_timeseries"
    ),
    "execution.shared_results": Key(
        "all", True, elsewhere="workflow/test_job.py::test_results_are_not_for_everybody"
    ),
    "simulate.n_subjects": Key("simulate_fmri", 5),
    "simulate.n_volumes": Key("simulate_fmri", 41),
    "simulate.tr": Key("simulate_fmri", 2.5),
    "simulate.voxel_mm": Key("simulate_fmri", 11),
    "simulate.sites": Key("simulate_fmri", ["alpha", "gamma"]),
    "simulate.effect": Key("simulate_fmri", 0.1),
    "simulate.motion": Key("simulate_fmri", 2.0),
    "simulate.scenes.n_train": Key("simulate_scenes", 11),
    "simulate.scenes.n_test": Key("simulate_scenes", 4),
    "simulate.scenes.n_repeats": Key("simulate_scenes", 3),
    "simulate.scenes.n_per_roi": Key("simulate_scenes", 3),
    "simulate.scenes.noise": Key("simulate_scenes", 0.5),
    "report.title": Key("report", "another title", ONE_STAGE),
    "report.anonymous": Key("report", True, ONE_STAGE),
    "report.max_subject_figures": Key("report", 0, ONE_STAGE),
}
