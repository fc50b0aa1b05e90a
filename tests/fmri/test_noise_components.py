"""Components of nilearn's `load_confounds` by name: the columns that nilearn itself selects."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro.fmri.clean.confounds import TISSUE, expand, select
from neuro.fmri.clean.noise_components import FOUR_TERMS, parse
from neuro.io.bids.confounds import MOTION, read_confounds
from neuro.io.problems import InputProblem

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FORMS = ("basic", "power2", "derivatives", "full")
PLAIN = [
    *[(("motion",), {"motion": form}) for form in FORMS],
    *[(("wm_csf", "motion"), {"wm_csf": form, "motion": "basic"}) for form in FORMS],
    *[(("global_signal",), {"global_signal": form}) for form in FORMS],
    (("motion", "high_pass", "wm_csf"), {}),
    (("motion", "high_pass", "scrub"), {"motion": "full"}),
    (("scrub", "wm_csf"), {"scrub": 0, "fd_threshold": 0.2, "std_dvars_threshold": 1.2}),
    (("scrub", "wm_csf"), {"scrub": 3, "fd_threshold": 0.3, "std_dvars_threshold": 2.0}),
]
AROMA = (("high_pass", "ica_aroma"), {"ica_aroma": "basic"})
COMPCOR = [
    (("high_pass", "compcor"), {"compcor": kind, "n_compcor": count})
    for kind in (
        "anat_combined",
        "anat_separated",
        "temporal",
        "temporal_anat_combined",
        "temporal_anat_separated",
    )
    for count in ("all", 2)
]


def same_as_nilearn(table_path, folder, strategy, options):
    """Select with both and compare names, values and kept volumes."""
    from nilearn.interfaces.fmriprep import load_confounds

    stem = "sub-01_task-rest"
    shutil.copy(table_path, folder / f"{stem}_desc-confounds_timeseries.tsv")
    beside = table_path.with_suffix(".json")
    if beside.exists():
        shutil.copy(beside, folder / f"{stem}_desc-confounds_timeseries.json")
    image = folder / f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    image.touch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, sample_mask = load_confounds(str(image), strategy, demean=False, **options)
    table, meta = read_confounds(table_path)
    ours = select(table, meta, strategy, **options)
    columns = ours.table()
    assert sorted(columns) == sorted(theirs.columns)
    # The first difference, which does not exist, is 0 here and a copy of the second one there.
    expected = theirs[list(columns)].to_numpy(float, copy=True)
    first = np.array([name.endswith(("derivative1", "derivative1_power2")) for name in columns])
    assert not ours.values[0, first].any()
    expected[0, first] = 0
    np.testing.assert_array_equal(ours.values, expected)
    kept = np.arange(len(table)) if sample_mask is None else sample_mask
    np.testing.assert_array_equal(np.flatnonzero(ours.sample_mask), kept)
    return ours


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A table as fMRIPrep 20 writes it, masks of the components in the JSON alone."""
    rng = np.random.default_rng(5)
    n = 60
    base = rng.standard_normal((n, 9))
    values, names = expand(base, MOTION + TISSUE, FOUR_TERMS)
    table = pd.DataFrame(values, columns=names)
    for name in names:
        if name.endswith(("derivative1", "derivative1_power2")):
            table.loc[0, name] = np.nan
    table["framewise_displacement"] = [np.nan, *rng.exponential(0.25, n - 1)]
    table["std_dvars"] = [np.nan, *rng.normal(1, 0.3, n - 1)]
    meta = {}
    masks = ["combined"] * 4 + ["CSF"] * 3 + ["WM"] * 5
    for prefix, tags in (("a", masks), ("t", [None] * 4)):
        for k, mask in enumerate(tags):
            name = f"{prefix}_comp_cor_{k:02d}"
            table[name] = rng.standard_normal(n)
            meta[name] = {"Retained": True, **({"Mask": mask} if mask else {})}
    for name in ("cosine00", "cosine01", "aroma_motion_01", "aroma_motion_17", "motion_outlier00"):
        table[name] = rng.standard_normal(n)
    table["non_steady_state_outlier00"] = np.eye(n)[0]
    path = tmp_path_factory.mktemp("table") / "made_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.17g")
    path.with_suffix(".json").write_text(json.dumps(meta))
    return path


@pytest.mark.parametrize(("strategy", "options"), [*PLAIN, *COMPCOR, AROMA])
def test_a_made_table_gives_nilearns_columns(generated, tmp_path, strategy, options):
    ours = same_as_nilearn(generated, tmp_path, strategy, options)
    assert ours.names or strategy == ("scrub",)


def real_path(name):
    path = DATA / "bold" / "fmriprep_confounds" / name
    if not path.is_file():
        pytest.skip(f"{path}: not there; set NEURO_TEST_DATA to the folder of real test inputs")
    return path


@pytest.mark.realdata
@pytest.mark.parametrize(("strategy", "options"), [*PLAIN, *COMPCOR])
def test_a_real_table_gives_nilearns_columns(tmp_path, strategy, options):
    path = real_path("test-v21_desc-confounds_timeseries.tsv")
    same_as_nilearn(path, tmp_path, strategy, options)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["test", "no_nonsteady"])
@pytest.mark.parametrize(("strategy", "options"), [*PLAIN, AROMA])
def test_older_real_tables_give_nilearns_columns(tmp_path, name, strategy, options):
    path = real_path(f"{name}_desc-confounds_regressors.tsv")
    same_as_nilearn(path, tmp_path, strategy, options)


def test_one_text_says_what_names_and_keywords_say(generated):
    table, meta = read_confounds(generated)
    text = "motion=power2 + high_pass + compcor=temporal:2"
    a = select(table, meta, text)
    b = select(
        table,
        meta,
        ("motion", "high_pass", "compcor"),
        motion="power2",
        compcor="temporal",
        n_compcor=2,
    )
    assert a.names == b.names and a.strategy == b.strategy == text.replace(" ", "")
    np.testing.assert_array_equal(a.values, b.values)


def test_problems_come_all_at_once():
    with pytest.raises(InputProblem) as caught:
        parse("motion=fast+ica_aroma+tedana+wmcsf+compcor=temporal:few")
    assert [line.split(":")[1].split(",")[0] for line in caught.value.problems] == [
        " got motion=fast",
        " ica_aroma=full stands for another image (desc-smoothAROMAnonaggr)",
        " 'tedana' reads other tables than fMRIPrep's; leave it out",
        " got 'wmcsf'",
        " got compcor=temporal",
    ]
    assert parse("36P") is None and parse("acompcor_lite") is None


def test_terms_that_a_table_lacks_are_computed(generated):
    table, _ = read_confounds(generated)
    short = table[[*MOTION, *TISSUE]]
    for strategy in ("motion=full+wm_csf=power2", "global_signal=derivatives"):
        a, b = select(table, {}, strategy), select(short, {}, strategy)
        assert a.names == b.names
        np.testing.assert_allclose(a.values, b.values, rtol=1e-12, atol=1e-15)


def test_missing_columns_are_named():
    table = pd.DataFrame({name: np.arange(9.0) for name in MOTION[:5]})
    with pytest.raises(InputProblem) as caught:
        select(table, {}, "motion=basic+wm_csf+compcor+ica_aroma=basic")
    assert [line.split(": ")[1] for line in caught.value.problems] == [
        "no column 'rot_z', needed by motion",
        "no column 'csf', needed by wm_csf",
        "no column 'white_matter', needed by wm_csf",
        "no combined component for compcor=anat_combined",
        "no column with 'aroma', needed by ica_aroma",
    ]
    with pytest.raises(InputProblem, match="no column 'std_dvars', needed by scrub"):
        select(table.assign(framewise_displacement=0.0), {}, "scrub")
