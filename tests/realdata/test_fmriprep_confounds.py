"""Real confound tables of older and newer fMRIPrep releases."""

import os
from pathlib import Path

import numpy as np
import pytest

from neuro.fmri.clean.censor import n_steady_state
from neuro.fmri.clean.confounds import select
from neuro.fmri.clean.denoiser import Denoiser
from neuro.io.bids.confounds import MOTION, read_confounds
from neuro.io.problems import InputProblem

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FOLDER = DATA / "bold" / "fmriprep_confounds"
TABLES = {
    "new": "test-v21_desc-confounds_timeseries.tsv",
    "old": "test_desc-confounds_regressors.tsv",
    "steady": "no_nonsteady_desc-confounds_regressors.tsv",
}

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.exists(), reason=f"no folder {FOLDER.name} of real tables"),
]


@pytest.fixture(params=sorted(TABLES))
def table(request):
    return read_confounds(FOLDER / TABLES[request.param])[0]


@pytest.mark.parametrize(("strategy", "count"), [("6P", 6), ("24P", 24), ("36P", 36)])
def test_same_names_in_the_same_order(table, strategy, count):
    names = select(table, strategy=strategy, n_volumes=30).names
    assert len(names) == count
    reference = read_confounds(FOLDER / TABLES["new"])[0]
    assert names == select(reference, strategy=strategy).names


def test_computed_terms_equal_the_files(table):
    built = select(table, strategy="36P").table()
    # One table had the motion of its first volume set to 0 after the differences were taken.
    edited = (table.loc[0, list(MOTION)] == 0).all()
    for name in built.columns:
        start = 2 if edited and "derivative1" in name else 1
        np.testing.assert_allclose(
            built[name][start:], table[name][start:], rtol=1e-5, atol=1e-9, err_msg=name
        )
    assert (built.filter(like="derivative1").iloc[0] == 0).all()


def test_thirty_volumes_do_not_carry_36_regressors(table):
    bold = np.random.default_rng(0).standard_normal((30, 4))
    with pytest.raises(InputProblem, match="no degrees of freedom left"):
        Denoiser().fit_transform(bold, confounds=select(table, strategy="36P"), tr=2.0)


def test_missing_tissue_signal_names_file_and_column(table):
    path = table.attrs["path"]
    poorer = table.drop(columns="csf")
    with pytest.raises(InputProblem) as caught:
        select(poorer, strategy="36P")
    assert caught.value.problems == [f"{path}: no column 'csf', needed by strategy '36P'"]


def test_json_drives_the_choice_of_components():
    table, meta = read_confounds(FOLDER / TABLES["new"])
    chosen = select(table, meta, "acompcor")
    white = [f"w_comp_cor_{k:02d}" for k in range(4)]
    csf = [f"c_comp_cor_{k:02d}" for k in range(3)]
    assert list(chosen.names[12:]) == [*white, *csf, "cosine00"]
    assert len(chosen.notes) == 2
    assert "4 WM components, 5 asked for" in chosen.notes[0]
    assert "3 CSF components, 5 asked for" in chosen.notes[1]


def test_components_without_json_cannot_be_told_apart():
    table, meta = read_confounds(FOLDER / TABLES["old"])
    assert meta == {}
    with pytest.raises(InputProblem, match="no JSON that tells their masks apart"):
        select(table, meta, "acompcor")


@pytest.mark.parametrize(("which", "count"), [("new", 3), ("old", 1), ("steady", 0)])
def test_volumes_before_steady_state(which, count):
    assert n_steady_state(read_confounds(FOLDER / TABLES[which])[0]) == count


def test_custom_glob_reaches_aroma_columns():
    table, _ = read_confounds(FOLDER / TABLES["old"])
    assert len(select(table, strategy="custom", columns=["aroma_motion_*"]).names) == 13


def test_synthetic_legacy_table_gives_the_same_six(tmp_path):
    table, _ = read_confounds(FOLDER / TABLES["new"])
    old = table[list(MOTION)].set_axis(["X", "Y", "Z", "RotX", "RotY", "RotZ"], axis=1)
    old["FramewiseDisplacement"] = table["framewise_displacement"]
    old["CSF"], old["WhiteMatter"] = table["csf"], table["white_matter"]
    old["GlobalSignal"] = table["global_signal"]
    path = tmp_path / "sub-01_task-rest_bold_confounds.tsv"
    old.to_csv(path, sep="\t", index=False, na_rep="n/a")
    legacy, _ = read_confounds(path)
    for strategy in ("6P", "36P"):
        expected = select(table, strategy=strategy)
        found = select(legacy, strategy=strategy)
        assert found.names == expected.names
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
