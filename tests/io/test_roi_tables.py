"""Region tables in every shape laboratories write them, and what is wrong with bad ones."""

import json

import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.regions.region_series import RegionSeries
from neuro.io.regions.roi import check_tables, looks_transposed, read_roi_table


def smooth(n_timepoints=120, n_regions=6, seed=0):
    """Series that are correlated from volume to volume, not from region to region."""
    noise = np.random.default_rng(seed).standard_normal((n_timepoints + 8, n_regions))
    window = np.hanning(9)
    return np.stack([np.convolve(column, window, "valid") for column in noise.T], axis=1)


def as_text(values, mark="\t"):
    return "\n".join(mark.join(f"{cell:.6f}" for cell in row) for row in values) + "\n"


SERIES = smooth()


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("plain.1D", as_text(SERIES, "  "), None),
        ("comment.1D", "# made by hand\n" + as_text(SERIES, " "), None),
        ("indented.txt", as_text(SERIES, "  ").replace("\n", "\n  "), None),
        ("header.tsv", "a\tb\tc\td\te\tf\n" + as_text(SERIES), list("abcdef")),
        ("codes.tsv", "2001\t2002\t3\t4\t5\t6\n" + as_text(SERIES), ["2001", "2002", *"3456"]),
        ("commas.csv", '"a", "b", c,d,e,f\n' + as_text(SERIES, ","), list("abcdef")),
        ("semicolons.csv", "a;b;c;d;e;f\n" + as_text(SERIES, ";"), list("abcdef")),
        ("bom.csv", "\ufeffa,b,c,d,e,f\n" + as_text(SERIES, ","), list("abcdef")),
        (
            "windows.tsv",
            ("a\tb\tc\td\te\tf\n" + as_text(SERIES)).replace("\n", "\r\n"),
            list("abcdef"),
        ),
        ("trailing.1D", as_text(SERIES).replace("\n", "\t\n"), None),
    ],
)
def test_text_tables(tmp_path, name, text, labels):
    path = tmp_path / name
    path.write_bytes(text.encode())
    run = read_roi_table(path, tr=2.0)
    np.testing.assert_allclose(run.series, SERIES, atol=1e-6)
    assert run.series.dtype == np.float32
    assert run.regions == (labels or ["1", "2", "3", "4", "5", "6"])


@pytest.mark.parametrize("first", ["", "index", "Unnamed: 0"])
@pytest.mark.parametrize("labels", [list("abcdef"), ["1", "2", "3", "4", "5", "6"]])
def test_a_counter_column_is_left_out(tmp_path, first, labels):
    rows = [f"{number},{line}" for number, line in enumerate(as_text(SERIES, ",").splitlines())]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([",".join([first, *labels]), *rows]))
    run = read_roi_table(path, tr=2.0)
    assert run.regions == labels
    np.testing.assert_allclose(run.series, SERIES, atol=1e-6)


def test_columns_of_3droistats_are_left_out(tmp_path):
    lines = as_text(SERIES).splitlines()
    header = "File\tSub-brick\t" + "\t".join(f"Mean_{code}  " for code in range(2001, 2007))
    rows = [f"run.nii.gz\t{number}[?]\t{line}" for number, line in enumerate(lines)]
    path = tmp_path / "x.1D"
    path.write_text("\n".join([header, *rows]))
    run = read_roi_table(path, tr=2.0)
    assert run.regions == [str(code) for code in range(2001, 2007)]
    np.testing.assert_allclose(run.series, SERIES, atol=1e-6)


def test_numpy_tables(tmp_path):
    np.save(tmp_path / "a.npy", SERIES)
    np.savez(tmp_path / "b.npz", timeseries=SERIES, regions=list("abcdef"), tr=1.5)
    np.savez(tmp_path / "c.npz", anything=SERIES)
    np.testing.assert_array_equal(
        read_roi_table(tmp_path / "a.npy", tr=2.0).series, SERIES.astype(np.float32)
    )
    run = read_roi_table(tmp_path / "b.npz")
    assert (run.regions, run.tr) == (list("abcdef"), 1.5)
    np.testing.assert_array_equal(
        read_roi_table(tmp_path / "c.npz", tr=2.0).series, SERIES.astype(np.float32)
    )


def test_a_pickled_array_is_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"run": "code"}], dtype=object), allow_pickle=True)
    with pytest.raises(InputProblem, match="not a readable numpy file of plain numbers"):
        read_roi_table(tmp_path / "a.npy", tr=2.0)
    np.savez(tmp_path / "b.npz", one=SERIES, two=SERIES)
    with pytest.raises(InputProblem, match="expected the series under one of"):
        read_roi_table(tmp_path / "b.npz", tr=2.0)
    np.save(tmp_path / "c.npy", SERIES[:, 0])
    with pytest.raises(InputProblem, match=r"shape \(120,\)"):
        read_roi_table(tmp_path / "c.npy", tr=2.0)


def test_sampling_interval_from_the_sidecar(tmp_path):
    path = tmp_path / "sub-1_timeseries.tsv"
    path.write_text(as_text(SERIES))
    with pytest.raises(InputProblem, match="no sampling interval"):
        read_roi_table(path)
    side = tmp_path / "sub-1_timeseries.json"
    side.write_text(json.dumps({"SamplingFrequency": 0.4}))
    assert read_roi_table(path).tr == 2.5
    side.write_text(json.dumps({"RepetitionTime": 2.0, "SamplingFrequency": 0.4}))
    assert read_roi_table(path).tr == 2.0
    assert read_roi_table(path, tr=2.01).tr == 2.0
    with pytest.raises(InputProblem, match=r"2 s in the sidecar but 2\.5 s in the config"):
        read_roi_table(path, tr=2.5)
    side.write_text("{broken")
    with pytest.raises(InputProblem, match="not readable as JSON"):
        read_roi_table(path, tr=2.0)


def test_missing_regions_stay_in_place(tmp_path):
    lines = [line.split("\t") for line in as_text(SERIES).splitlines()]
    for row in lines:
        row[2] = "n/a"
        row[5] = ""
    path = tmp_path / "x.tsv"
    path.write_text("a\tb\tc\td\te\tf\n" + "\n".join("\t".join(row) for row in lines))
    run = read_roi_table(path, tr=2.0)
    assert run.missing == ["c", "f"]
    np.testing.assert_allclose(run.series[:, [0, 1, 3, 4]], SERIES[:, [0, 1, 3, 4]], atol=1e-6)


def test_every_problem_at_once(tmp_path):
    values = SERIES.copy()[:12]
    values[3, 1] = np.nan
    values[5, 4] = np.inf
    values[:, 2] = 0.5
    path = tmp_path / "x.tsv"
    path.write_text("a\tb\tc\td\te\te\n" + as_text(values))
    with pytest.raises(InputProblem) as caught:
        read_roi_table(path, constant="raise")
    lines = [line.removeprefix(f"{path}: ") for line in caught.value.problems]
    assert lines == [
        "12 volumes, expected at least 20",
        "label 'e' is repeated; labels must differ",
        "missing or infinite values in region 'b', 'e', first in volume 3 (counted from 0); "
        "a region may be missing throughout, not in part",
        "constant region 'c'; set fmri.constant_regions: missing, or leave the run out",
        "no sampling interval in sidecar or header; set data.tr",
    ]


def test_what_a_constant_region_is(tmp_path):
    values = SERIES.copy()
    values[:, 2] = 0.5
    path = tmp_path / "x.tsv"
    path.write_text("a\tb\tc\td\te\tf\n" + as_text(values))
    assert read_roi_table(path, tr=2.0).missing == ["c"]
    with pytest.raises(InputProblem, match="constant region 'c'; set fmri"):
        read_roi_table(path, tr=2.0, constant="raise")
    assert (read_roi_table(path, tr=2.0, constant="keep").series[:, 2] == 0.5).all()
    with pytest.raises(ValueError, match="constant: got 'drop'"):
        read_roi_table(path, tr=2.0, constant="drop")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", b"", r"the file is empty \(0 bytes\)"),
        ("x.tsv", b"a\tb\n", "a header but no line of data"),
        ("x.1D", b"# nothing\n", "no line of data"),
        ("x.tsv", b"a\tb\n1.5\t2.5\n3.5\n", "data row 2 has 1 values, the first has 2"),
        ("x.tsv", b"a\tb\n1.5\t2.5\n3.5\tx4\n", "data row 2, column 2: 'x4' is not a number"),
        ("x.tsv", b"a\tb\tc\n1.5\t2.5\n3.5\t4.5\n", "3 names in the header, 2 values"),
        ("x.xlsx", b"PK", "unknown kind of table; expected .1D, .tsv"),
        ("x.npy", b"\x93NUMPY", "not a readable numpy file"),
    ],
)
def test_damaged_tables(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputProblem, match=message) as caught:
        read_roi_table(tmp_path / name, tr=2.0)
    assert all("\n" not in line for line in caught.value.problems)
    with pytest.raises(InputProblem, match="no such file"):
        read_roi_table(tmp_path / "absent.tsv", tr=2.0)


def test_a_turned_table_is_recognised_by_its_smoothness(tmp_path):
    turned = smooth(60, 90).T
    path = tmp_path / "x.1D"
    path.write_text(as_text(turned))
    with pytest.raises(InputProblem, match="90 x 60 looks transposed"):
        read_roi_table(path, tr=2.0)
    assert read_roi_table(path, tr=2.0, time_axis=0).series.shape == (90, 60)
    run = read_roi_table(path, tr=2.0, time_axis=1)
    np.testing.assert_allclose(run.series, turned.T, atol=1e-6)
    noise = np.random.default_rng(0).standard_normal((50, 80))
    assert not looks_transposed(noise)
    assert not looks_transposed(turned.T)


def test_a_turned_table_is_recognised_by_its_row_names(tmp_path):
    names = [f"region{number}" for number in range(6)]
    rows = [f"{name}\t{line}" for name, line in zip(names, as_text(SERIES.T).splitlines())]
    path = tmp_path / "x.tsv"
    path.write_text("\n".join(rows))
    with pytest.raises(InputProblem, match="the first column holds region names"):
        read_roi_table(path, tr=2.0)
    run = read_roi_table(path, tr=2.0, time_axis=1)
    assert run.regions == names
    np.testing.assert_allclose(run.series, SERIES, atol=1e-6)


def test_tables_of_a_cohort_are_compared():
    def table(key, regions, n_timepoints=30):
        series = np.ones((n_timepoints, len(regions)), dtype=np.float32)
        return RegionSeries(key, series, list(regions), 2.0, path=f"{key}.tsv")

    good = [table(f"sub-{number}", "abcd") for number in range(3)]
    assert check_tables(good) == []
    bad = [*good, table("sub-8", "abc"), table("sub-9", "acbd"), table("sub-7", "xyz", 4), good[0]]
    assert check_tables(bad) == [
        "sub-8.tsv: 3 regions, most tables have 4",
        "sub-9.tsv: column 2 is 'c', in most tables it is 'b'; all need the same order",
        "sub-7.tsv: 3 regions, most tables have 4 (transposed?)",
        "sub-0: 2 tables have this run key; keys must differ",
    ]
    assert check_tables([]) == ["no region table was found"]
