"""File names of the simulated image cohort, known from the parameters alone.

Only the standard library is used, so a workflow can ask for the names at parse time.
"""

from __future__ import annotations

TASK = "rest"
SPACE = "MNI152NLin2009aSym"
"""Space of the template that nilearn bundles (`mni_icbm152_*_nlin_sym_09a`)."""

COHORT_FILES = (
    "dataset_description.json",
    "participants.tsv",
    "participants.json",
    "atlas.nii.gz",
    "atlas.tsv",
    "truth.json",
)
"""Files about all subjects, in the top folder."""


def subject_labels(n_subjects: int) -> list[str]:
    """Labels of the simulated subjects without `sub-`: `01`, `02`, ...

    Parameters
    ----------
    n_subjects : int

    Returns
    -------
    list of str
        Zero padded to two digits, or to as many as the last label needs.
    """
    width = max(2, len(str(int(n_subjects))))
    return [f"{number:0{width}d}" for number in range(1, int(n_subjects) + 1)]


def run_key(label: str) -> str:
    """All entities of a subject's one run joined: `sub-01_task-rest`."""
    return f"sub-{label}_task-{TASK}"


def run_files(label: str) -> dict[str, str]:
    """Relative paths of one subject's files, in the names fMRIPrep uses.

    Parameters
    ----------
    label : str
        Subject label without `sub-`.

    Returns
    -------
    dict
        Keys `bold`, `bold_json`, `mask`, `mask_json`, `confounds`, `confounds_json`.
    """
    folder = f"sub-{label}/func/{run_key(label)}"
    bold = f"{folder}_space-{SPACE}_desc-preproc_bold"
    mask = f"{folder}_space-{SPACE}_desc-brain_mask"
    confounds = f"{folder}_desc-confounds_timeseries"
    return {
        "bold": f"{bold}.nii.gz",
        "bold_json": f"{bold}.json",
        "mask": f"{mask}.nii.gz",
        "mask_json": f"{mask}.json",
        "confounds": f"{confounds}.tsv",
        "confounds_json": f"{confounds}.json",
    }


def cohort_files(n_subjects: int) -> list[str]:
    """Every file that :func:`neuro.simulate.mni.write_cohort` writes, as relative paths.

    Parameters
    ----------
    n_subjects : int

    Returns
    -------
    list of str
        Files about all subjects first, then subject by subject; `/` separates folders.
    """
    files = list(COHORT_FILES)
    for label in subject_labels(n_subjects):
        files.extend(run_files(label).values())
    return files
