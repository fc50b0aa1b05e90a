"""Regressors of every strategy, spelled out by hand."""

import numpy as np
import pandas as pd
import pytest

from neuro.fmri.clean.components import high_variance, principal_components, tissue_components
from neuro.fmri.clean.confounds import STRATEGIES, legendre, motion_table, select
from neuro.io.bids.confounds import MOTION
from neuro.io.problems import InputProblem

TISSUE = ("white_matter", "csf", "global_signal")


def full_table(n=40, seed=0):
    rng = np.random.default_rng(seed)
    names = [*MOTION, *TISSUE, "framewise_displacement"]
    table = pd.DataFrame(rng.standard_normal((n, len(names))), columns=names)
    table.loc[0, "framewise_displacement"] = np.nan
    table.attrs["path"] = "sub-01_confounds.tsv"
    return table


def compcor_table(n_wm=7, n_csf=6, n=40):
    table = full_table(n)
    rng = np.random.default_rng(1)
    meta = {}
    masks = ["combined"] * 3 + ["CSF"] * n_csf + ["WM"] * n_wm
    for k, mask in enumerate(masks):
        name = f"a_comp_cor_{k:02d}"
        table[name] = rng.standard_normal(n)
        meta[name] = {"Method": "aCompCor", "Mask": mask, "Retained": True}
    table["cosine00"], table["cosine01"] = rng.standard_normal((2, n))
    return table, meta


@pytest.mark.parametrize(
    ("strategy", "count"), [("6P", 6), ("24P", 24), ("36P", 36), ("36P_nogsr", 32), ("none", 0)]
)
def test_number_of_columns(strategy, count):
    chosen = select(full_table(), strategy=strategy)
    assert chosen.values.shape == (40, count)
    assert len(chosen.names) == len(set(chosen.names)) == count
    assert chosen.values.dtype == np.float64


def test_terms_by_hand():
    table = full_table()
    columns = select(table, strategy="36P").table()
    for name in MOTION + TISSUE:
        x = table[name].to_numpy()
        change = np.array([0.0] + [x[t] - x[t - 1] for t in range(1, len(x))])
        np.testing.assert_array_equal(columns[name], x)
        np.testing.assert_allclose(columns[f"{name}_derivative1"], change)
        np.testing.assert_allclose(columns[f"{name}_power2"], x * x)
        np.testing.assert_allclose(columns[f"{name}_derivative1_power2"], change * change)


def test_without_global_signal_only_those_four_columns_are_missing():
    with_gs, without = (select(full_table(), strategy=s).names for s in ("36P", "36P_nogsr"))
    assert [name for name in with_gs if name not in without] == [
        "global_signal",
        "global_signal_derivative1",
        "global_signal_power2",
        "global_signal_derivative1_power2",
    ]


def test_motion_alone_supports_24p():
    motion = np.random.default_rng(2).standard_normal((30, 6))
    chosen = select(motion_table(motion), strategy="24P")
    np.testing.assert_array_equal(chosen.table()[list(MOTION)], motion)
    with pytest.raises(ValueError, match=r"expected \(n_volumes, 6\)"):
        motion_table(motion[:, :5])


@pytest.mark.parametrize(("n", "tr", "degree"), [(74, 2.0, 1), (75, 2.0, 2), (172, 2.0, 3)])
def test_athena_polynomials_follow_the_duration(n, tr, degree):
    chosen = select(full_table(n), strategy="athena", tr=tr)
    assert chosen.names == (
        *MOTION,
        "white_matter",
        "csf",
        *[f"legendre_{d}" for d in range(1, degree + 1)],
    )
    columns, _ = legendre(n, tr)
    x = np.linspace(-1, 1, n)
    np.testing.assert_allclose(columns[:, 0], x)
    if degree > 1:
        np.testing.assert_allclose(columns[:, 1], (3 * x**2 - 1) / 2, atol=1e-12)


def test_acompcor_takes_five_of_each_tissue_and_every_cosine():
    table, meta = compcor_table()
    chosen = select(table, meta, "acompcor")
    motion = [name for name in chosen.names if name[:5] in ("trans", "rot_x", "rot_y", "rot_z")]
    assert len(motion) == 12
    assert list(chosen.names[12:]) == [
        *[f"a_comp_cor_{k:02d}" for k in range(9, 14)],
        *[f"a_comp_cor_{k:02d}" for k in range(3, 8)],
        "cosine00",
        "cosine01",
    ]
    assert chosen.notes == ()


def test_acompcor_passes_over_dropped_components_and_counts_what_is_there():
    table, meta = compcor_table(n_wm=4, n_csf=6)
    meta["a_comp_cor_04"]["Retained"] = False
    chosen = select(table, meta, "acompcor")
    assert "a_comp_cor_04" not in chosen.names
    assert "a_comp_cor_08" in chosen.names
    assert [note for note in chosen.notes if "4 WM components, 5 asked for" in note]
    assert len(chosen.notes) == 1


def test_acompcor_needs_json_and_cosines():
    table, _meta = compcor_table()
    with pytest.raises(InputProblem) as caught:
        select(table.drop(columns=["cosine00", "cosine01"]), {}, "acompcor")
    assert len(caught.value.problems) == 3
    assert "no JSON" in caught.value.problems[0]
    assert "cosine" in caught.value.problems[2]
    newer = table.rename(columns={f"a_comp_cor_{k:02d}": f"c_comp_cor_{k:02d}" for k in range(3)})
    newer = newer.rename(columns={f"a_comp_cor_{k:02d}": f"w_comp_cor_{k:02d}" for k in (3, 4)})
    notes = select(newer, {}, "acompcor").notes
    assert len(notes) == 2  # 3 CSF and 2 WM, told by their names


def test_missing_columns_are_named_with_the_file_all_at_once():
    table = full_table().drop(columns=["csf", "rot_y"])
    with pytest.raises(InputProblem) as caught:
        select(table, strategy="36P", n_volumes=41)
    assert caught.value.problems == [
        "sub-01_confounds.tsv: 40 rows for an image of 41 volumes",
        "sub-01_confounds.tsv: no column 'rot_y', needed by strategy '36P'",
        "sub-01_confounds.tsv: no column 'csf', needed by strategy '36P'",
    ]


def test_missing_values_in_a_base_column_are_counted():
    table = full_table()
    table.loc[[0, 7], "csf"] = np.nan
    with pytest.raises(InputProblem, match="2 missing values in column 'csf'"):
        select(table, strategy="36P")


def test_custom_globs_first_row_and_computed_names():
    table = full_table()
    table["rmsd"] = np.arange(40.0)
    table.loc[0, "rmsd"] = np.nan
    chosen = select(table, strategy="custom", columns=["rmsd", "trans_?", "csf_derivative1"])
    assert chosen.names == ("rmsd", "trans_x", "trans_y", "trans_z", "csf_derivative1")
    assert chosen.values[0, 0] == 0
    table.loc[5, "rmsd"] = np.nan
    with pytest.raises(InputProblem, match="after the first row of column 'rmsd'"):
        select(table, strategy="custom", columns=["rmsd"])


def test_custom_without_a_match_suggests_a_name():
    with pytest.raises(InputProblem) as caught:
        select(full_table(), strategy="custom", columns=["trans_xx", "aroma_*"])
    assert len(caught.value.problems) == 2
    assert "did you mean 'trans_x'" in caught.value.problems[0]
    with pytest.raises(InputProblem, match="at least one name"):
        select(full_table(), strategy="custom")


def test_unknown_strategy_suggests_one():
    with pytest.raises(InputProblem, match="did you mean '36P'") as caught:
        select(full_table(), strategy="36p")
    assert all(name in str(caught.value) for name in STRATEGIES)


def test_non_steady_volumes_are_masked():
    table = full_table()
    table["non_steady_state_outlier00"] = np.eye(40)[0]
    mask = select(table, strategy="6P").sample_mask
    np.testing.assert_array_equal(np.flatnonzero(~mask), [0])


def test_lite_components_stand_beside_24p():
    series = np.random.default_rng(3).standard_normal((40, 300))
    chosen = select(
        full_table(), strategy="acompcor_lite", components=high_variance(series, n_components=5)
    )
    assert chosen.values.shape == (40, 29)
    assert chosen.names[-1] == "high_variance_04"
    with pytest.raises(InputProblem, match="needs components"):
        select(full_table(), strategy="acompcor_lite")


def test_high_variance_finds_a_planted_source():
    rng = np.random.default_rng(4)
    source = rng.standard_normal(100)
    series = rng.standard_normal((100, 1000)) + 500
    series[:, 200:220] += 20 * source[:, None]
    first = high_variance(series).iloc[:, 0]
    assert abs(np.corrcoef(first, source)[0, 1]) > 0.99


def test_tissue_components_use_the_eroded_core():
    import nibabel as nib

    rng = np.random.default_rng(5)
    brain = np.ones((9, 9, 9), dtype=np.uint8)
    tissue = np.zeros((9, 9, 9), dtype=bool)
    tissue[2:7, 2:7, 2:7] = True
    core = np.zeros_like(tissue)
    core[3:6, 3:6, 3:6] = True
    inner, shell = rng.standard_normal((2, 60))
    series = rng.standard_normal((60, 729))
    series[:, core.ravel()] += 10 * inner[:, None]
    series[:, (tissue & ~core).ravel()] += 50 * shell[:, None]
    mask_img = nib.Nifti1Image(brain, np.eye(4))
    first = tissue_components(series, mask_img, {"csf": tissue})["csf_comp_00"]
    assert abs(np.corrcoef(first, inner)[0, 1]) > 0.98


def test_principal_components_match_the_singular_vectors():
    x = np.random.default_rng(6).standard_normal((30, 50))
    time = np.arange(30)
    x = x - np.column_stack([np.polyval(np.polyfit(time, c, 1), time) for c in x.T])
    u = np.linalg.svd(x / np.linalg.norm(x, axis=0), full_matrices=False)[0]
    found = principal_components(x, 3, "c").to_numpy()
    np.testing.assert_allclose(np.abs(u[:, :3].T @ found), np.eye(3), atol=1e-8)
