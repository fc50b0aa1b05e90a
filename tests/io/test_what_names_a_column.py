"""First lines and comments of text tables: names where something says so, data otherwise."""

import warnings

import numpy as np
import pytest

from neuro.io.formats.text_tables import parse_table
from neuro.io.problems import InputProblem
from neuro.io.regions.roi import check_tables, read_roi_table

RNG = np.random.default_rng(3)


def body(values, mark="\t"):
    return "\n".join(mark.join(f"{cell:.4f}" for cell in row) for row in values) + "\n"


VALUES = RNG.standard_normal((30, 3))


@pytest.mark.parametrize(
    ("comment", "names"),
    [
        ("#10\t#11\t#2001", ["10", "11", "2001"]),
        ("# 10\t# 11\t# 2001", ["10", "11", "2001"]),
        ("#Mean_10\tMean_11\tMean_2001", ["10", "11", "2001"]),
        ("# a b c", list("abc")),
        ("# CPAC version 1.8\n#10\t#11\t#12", ["10", "11", "12"]),
        ("# made by hand, twice checked", None),
        ('# <matrix\n#  ni_type = "3*double"\n#  ColumnLabels = "L V1 ; R V1 ; MT"\n# >', "afni"),
        ("#a\ta\ta", None),
    ],
)
@pytest.mark.parametrize("mark", ["\t", " "])
def test_a_comment_names_the_columns(comment, names, mark):
    names = ["L V1", "R V1", "MT"] if names == "afni" else names
    if mark == " " and "Mean_" not in comment and comment.startswith("# 10"):
        comment = comment.replace("# ", "#")
    values, found, _ = parse_table(comment + "\n" + body(VALUES, mark), "x.1D")
    assert found == names
    assert values.shape == VALUES.shape


def test_a_comment_of_3droistats_keeps_its_leading_columns_out():
    rows = [f"run.nii\t{n}[?]\t{a:.4f}\t{b:.4f}" for n, (a, b, _) in enumerate(VALUES)]
    text = "#File\tSub-brick\tMean_10\tMean_11\n" + "\n".join(rows)
    values, names, _ = parse_table(text, "x.1D")
    assert names == ["10", "11"]
    np.testing.assert_allclose(values, VALUES[:, :2], atol=1e-4)


def test_a_comment_that_names_another_number_is_refused():
    with pytest.raises(InputProblem, match="comment line names 4 columns, the data have 3"):
        parse_table("#1\t#2\t#3\t#4\n" + body(VALUES), "x.1D")


def test_regions_in_another_order_are_not_taken_for_the_same(tmp_path):
    for name, order in (("a", "#10\t#11\t#12"), ("b", "#12\t#11\t#10"), ("c", "#10\t#11\t#12")):
        (tmp_path / f"{name}.1D").write_text(order + "\n" + body(VALUES))
    tables = [read_roi_table(tmp_path / f"{name}.1D", tr=2.0) for name in "abc"]
    (line,) = check_tables(tables)
    assert "b.1D: column 1 is '12', in most tables it is '10'" in line


@pytest.mark.parametrize(
    "first", ["100\t101\t103", "0\t1\t2", "1\t2\t3", "5\t4\t9"], ids=["hundreds", "0", "1", "any"]
)
def test_whole_numbers_are_data_and_said_to_be(first):
    number = float(first.split("\t")[0])
    rows = number + np.abs(RNG.standard_normal((4, 3)))
    with pytest.warns(UserWarning, match="read as data; if they are labels, put a # before them"):
        values, names, _ = parse_table(first + "\n" + body(rows), "x.txt")
    assert names is None
    assert values.shape == (5, 3)
    # what the line says works
    values, names, _ = parse_table("#" + first + "\n" + body(rows), "x.txt")
    assert names == first.split("\t")
    assert values.shape == (4, 3)


def test_a_bright_first_volume_is_data():
    rows = 1000 + RNG.standard_normal((20, 3))
    with pytest.warns(UserWarning, match="read as data"):
        values, _, _ = parse_table("1500\t1620\t1710\n" + body(rows), "x.txt")
    assert len(values) == 21


@pytest.mark.parametrize(
    ("first", "mean", "scale"),
    [("2001\t2002\t2101", 0, 1.0), ("1\t2\t3", 0, 0.01), ("1\t2\t3", 1e4, 20.0)],
)
def test_numbers_of_another_order_are_labels(first, mean, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values, names, _ = parse_table(first + "\n" + body(mean + VALUES * scale), "x.txt")
    assert names == first.split("\t")
    assert len(values) == 30


def test_a_dead_region_costs_the_region(tmp_path):
    values = VALUES.copy()
    values[:, 1] = 7
    path = tmp_path / "x.1D"
    path.write_text("#a\t#b\t#c\n" + body(values))
    run = read_roi_table(path, tr=2.0)
    assert run.missing == ["b"]
    np.testing.assert_allclose(run.series[:, [0, 2]], values[:, [0, 2]], atol=1e-3)
    path.write_text("#a\t#b\t#c\n" + body(np.ones((30, 3))))
    with pytest.raises(InputProblem, match="no region varies"):
        read_roi_table(path, tr=2.0)
