"""Every rule, alone, on small stored data."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from common import CONVERGED, ROOT, SINGLE, Difference, compare, run_rule

HERE = Path(__file__).parent


def rules_with_a_body():
    """Names of the workflow's rules that run a script."""
    names = set()
    for name in re.findall(r'include: "(.+)"', (ROOT / "Snakefile").read_text()):
        path = ROOT / name
        for block in re.split(r"^\s*rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in block:
                names.add(block.split(":")[0])
    return names


def test_every_rule_has_a_case():
    assert rules_with_a_body() == set(CASES)
    assert all((HERE / name / "targets.txt").exists() for name in CASES)


def test_stored_data_stay_small():
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    assert size < 3_950_000


@pytest.mark.parametrize("rule", sorted(CASES))
def test_rule(rule, tmp_path, monkeypatch):
    # The rule must run where there is no python on PATH, and from any folder.
    monkeypatch.chdir(tmp_path)
    run_rule(rule, tmp_path, CASES[rule].present, CASES[rule].noise)


@pytest.fixture
def pair(tmp_path):
    def copy(path):
        a, b = tmp_path / "a" / path.name, tmp_path / "b" / path.name
        for target in (a, b):
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
        return a, b

    return copy


def test_comparators_accept_equal_files(pair):
    for rule in ("fmri_clean", "fmri_connectome", "fmri_qc", "adhd_diagnose"):
        for path in (HERE / rule / "expected").rglob("*"):
            if path.is_file():
                compare(*pair(path))


def test_seconds_may_differ_and_other_figures_not(pair):
    import pandas as pd

    a, b = pair(HERE / "demovae_compare/expected/results/demovae/compare.tsv")
    table = pd.read_csv(b, sep="\t", na_values=["n/a"], keep_default_na=False)
    spent = table["metric"] == "cpu_s"
    assert 0 < spent.sum() < len(table)
    for rows, same in ((spent, True), (~spent, False)):
        other = table.copy()
        other.loc[rows, "value"] = other.loc[rows, "value"] * 1.3 + 0.1
        other.to_csv(a, sep="\t", index=False, na_rep="n/a")
        if same:
            compare(a, b)
        else:
            with pytest.raises(Difference):
                compare(a, b)


def test_table_comparator_sees_a_value_a_swap_and_a_type(pair):
    source = HERE / "fmri_qc/expected/results/fmri/group_qc.tsv"
    import pandas as pd

    table = pd.read_csv(source, sep="\t", na_values=["n/a"])
    for change in ("value", "swap", "type"):
        a, b = pair(source)
        other = table.copy()
        if change == "value":
            other.loc[0, "mean_fd"] *= 1 + 1e-2
        elif change == "swap":
            columns = list(other.columns)
            columns[5], columns[6] = columns[6], columns[5]
            other = other[columns]
        else:
            other["n_kept"] = other["n_kept"] + 0.5
        other.to_csv(a, sep="\t", index=False, na_rep="n/a")
        with pytest.raises(Difference):
            compare(a, b)


def test_image_comparator_sees_a_shifted_affine_and_a_value(pair):
    import nibabel

    source = next((HERE / "fmri_clean/expected").rglob("*_desc-denoised_bold.nii.gz"))
    image = nibabel.load(source)
    data = np.asarray(image.dataobj)
    a, b = pair(source)
    affine = image.affine.copy()
    affine[0, 3] += 1
    nibabel.save(nibabel.Nifti1Image(data, affine, image.header), a)
    with pytest.raises(Difference):
        compare(a, b)
    a, b = pair(source)
    changed = data.copy()
    changed[np.unravel_index(np.argmax(np.abs(data)), data.shape)] *= 1.01
    nibabel.save(nibabel.Nifti1Image(changed, image.affine, image.header), a)
    with pytest.raises(Difference):
        compare(a, b)


def test_array_comparator_sees_a_value_a_type_and_a_name(pair):
    import h5py

    source = next((HERE / "fmri_connectome/expected").rglob("connectomes.h5"))
    for change in ("value", "type", "name"):
        a, b = pair(source)
        with h5py.File(a, "r+") as file:
            edges = file["edges"][()]
            if change == "value":
                edges[0, 0] += 0.05
                file["edges"][...] = edges
            elif change == "type":
                del file["edges"]
                file["edges"] = edges.astype(np.float64)
            else:
                file.move("edges", "other")
        with pytest.raises(Difference):
            compare(a, b)


def test_an_unknown_kind_of_file_is_a_failure(tmp_path):
    for name in ("a.xyz", "b.xyz"):
        (tmp_path / name).write_text("1")
    with pytest.raises(Difference):
        compare(tmp_path / "a.xyz", tmp_path / "b.xyz")


def test_the_slack_of_a_stage_hides_neither_a_result_nor_a_setting(tmp_path):
    sound = {"Parameters": {"lr": 1e-4}, "MomentError": 2e-8, "auc": 0.6, "values": [0.5, 0.0]}
    (tmp_path / "b.json").write_text(json.dumps(sound))
    for change, same in (
        ({"MomentError": 9e-8, "values": [0.5, 5e-5]}, True),
        ({"MomentError": 2e-6}, False),
        ({"Parameters": {"lr": 1.5e-4}}, False),
        ({"auc": 0.601}, False),
        ({"values": [0.5, 3e-4]}, False),
    ):
        (tmp_path / "a.json").write_text(json.dumps(sound | change))
        if same:
            compare(tmp_path / "a.json", tmp_path / "b.json", SINGLE)
        else:
            with pytest.raises(Difference):
                compare(tmp_path / "a.json", tmp_path / "b.json", SINGLE)


def test_fits_may_end_some_sweeps_apart_but_not_elsewhere(tmp_path):
    history = 1 + 0.5 ** np.arange(12)
    np.savez(tmp_path / "b.npz", history=history, n_iter=[12], time=[0.5, 1.0])
    for arrays, same in (
        ({"history": history[:10], "n_iter": [10], "time": [0.501, 1.0]}, True),
        ({"history": history[:8], "n_iter": [8], "time": [0.5, 1.0]}, False),
        ({"history": history[:11] + 0.05, "n_iter": [11], "time": [0.5, 1.0]}, False),
        ({"history": history, "n_iter": [12], "time": [0.49, 1.0]}, False),
    ):
        np.savez(tmp_path / "a.npz", **arrays)
        if same:
            compare(tmp_path / "a.npz", tmp_path / "b.npz", CONVERGED)
        else:
            with pytest.raises(Difference):
                compare(tmp_path / "a.npz", tmp_path / "b.npz", CONVERGED)
