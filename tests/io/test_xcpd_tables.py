"""Outliers and motion of XCP-D: which volumes a denoised image or table holds."""

import numpy as np
import pytest

from neuro.io.bids import xcpd
from neuro.io.problems import InputProblem

FLAGS = [0, 1, 0, 0, 1, 0]


def table(path, **columns):
    names = list(columns)
    lines = ["\t".join(names)]
    lines += ["\t".join(map(str, row)) for row in zip(*columns.values())]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def outliers(tmp_path):
    return table(tmp_path / "sub-1_outliers.tsv", framewise_displacement=FLAGS)


def test_newer_tables_name_what_was_left_out(tmp_path):
    path = table(
        tmp_path / "o.tsv",
        framewise_displacement=[0, 0, 0, 1],
        dvars=[1, 0, 0, 0],
        denoising=[1, 0, 0, 1],
        interpolation=[0, 0, 1, 1],
        exact_100=[1, 1, 1, 1],
    )
    assert xcpd.read_outliers(path).tolist() == [False, False, True, True]


def test_censored_results_hold_the_kept_volumes(outliers):
    kept, rows, fd = xcpd.whole_run(4, "x.nii.gz", outliers)
    assert kept.tolist() == [True, False, True, True, False, True]
    assert rows.tolist() == [0, 1, 2, 3]
    assert fd is None


def test_filled_in_results_lose_the_made_up_volumes(outliers):
    kept, rows, _ = xcpd.whole_run(6, "x.nii.gz", outliers)
    assert rows.tolist() == [0, 2, 3, 5]
    assert kept.sum() == 4


def test_without_outliers_everything_is_kept():
    kept, rows, fd = xcpd.whole_run(3, "x.nii.gz")
    assert kept.all() and rows.tolist() == [0, 1, 2] and fd is None


def test_displacement_from_its_column_or_from_the_parameters(tmp_path):
    path = table(tmp_path / "m.tsv", framewise_displacement=["n/a", 0.5, 0.25])
    fd = xcpd.read_displacement(path)
    assert np.isnan(fd[0]) and fd[1:].tolist() == [0.5, 0.25]
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    motion = np.array([[0.0] * 6, [0.1, -0.2, 0.3, 0.01, 0, -0.02], [0.1, -0.2, 0.3, 0.01, 0, 0]])
    path = table(tmp_path / "p.tsv", **dict(zip(names, motion.T)))
    assert np.allclose(xcpd.read_displacement(path)[1:], [0.6 + 1.5, 1.0])


@pytest.mark.parametrize(
    ("n_found", "line"),
    [(5, "6 volumes, 4 of them kept, but x.nii.gz has 5"), (3, "x.nii.gz has 3")],
)
def test_numbers_that_do_not_fit_are_one_line(outliers, n_found, line):
    with pytest.raises(InputProblem, match=line) as caught:
        xcpd.whole_run(n_found, "x.nii.gz", outliers)
    assert len(caught.value.problems) == 1


def test_bad_tables_are_one_line(tmp_path, outliers):
    motion = table(tmp_path / "m.tsv", framewise_displacement=[0, 0.1])
    with pytest.raises(InputProblem, match=r"2 rows, .*outliers.tsv has 6"):
        xcpd.whole_run(4, "x", outliers, motion)
    with pytest.raises(InputProblem, match=r"missing"):
        xcpd.whole_run(4, "x", None, motion)
    with pytest.raises(InputProblem, match="no column 'framewise_displacement'; found a"):
        xcpd.read_outliers(table(tmp_path / "a.tsv", a=[0, 1]))
    with pytest.raises(InputProblem, match="other values than 0 and 1"):
        xcpd.read_outliers(table(tmp_path / "b.tsv", framewise_displacement=[0, 0.3]))
    with pytest.raises(InputProblem, match="no six motion parameters"):
        xcpd.read_displacement(table(tmp_path / "c.tsv", trans_x=[0, 1]))
