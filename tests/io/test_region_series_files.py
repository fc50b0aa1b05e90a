"""Region series on disk: what is written comes back bit by bit, what does not fit is refused."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.regions.region_series import RegionSeries
from neuro.io.regions.series import (
    read_series_tsv,
    read_timeseries_h5,
    write_series_tsv,
    write_timeseries_h5,
)


def awkward_series(n_timepoints=40):
    """Float32 values of every size, a missing region and a constant one."""
    rng = np.random.default_rng(3)
    series = rng.standard_normal((n_timepoints, 5)) * 10.0 ** rng.integers(-20, 20, (1, 5))
    series = series.astype(np.float32)
    series[:, 1] = np.nan
    series[:, 3] = 0.1
    return series


def runs(lengths=(30, 25, 41)):
    rng = np.random.default_rng(1)
    for number, length in enumerate(lengths):
        yield RegionSeries(
            run_key=f"sub-0{number}_task-rest",
            series=rng.standard_normal((length, 4)).astype(np.float32),
            regions=["2001", "2002", "left hippocampus", "é"],
            tr=1.5 + number,
            participant_id=f"0{number}",
            site="NYU" if number else "",
        )


def test_tsv_round_trip_is_exact(tmp_path):
    path = tmp_path / "sub-7_ses-2_task-rest_run-1_atlas-aal_stat-mean_timeseries.tsv"
    series = awkward_series()
    names = ["2001", "2002", "a b", "R:x", "é"]
    write_series_tsv(path, series, names, 2.5, parameters={"atlas": "aal"})
    back = read_series_tsv(path)
    assert back.series.dtype == np.float32
    np.testing.assert_array_equal(back.series, series)
    assert back.regions == names
    assert back.tr == 2.5
    assert back.run_key == "sub-7_ses-2_task-rest_run-1"
    assert back.participant_id == "7"
    assert back.missing == ["2002"]


def test_tsv_is_plain_text_with_named_gaps_and_a_sidecar(tmp_path):
    path = tmp_path / "x_timeseries.tsv"
    write_series_tsv(path, awkward_series(), list("abcde"), 2.0)
    lines = path.read_text().splitlines()
    assert lines[0].split("\t") == list("abcde")
    assert {line.split("\t")[1] for line in lines[1:]} == {"n/a"}
    sidecar = json.loads((tmp_path / "x_timeseries.json").read_text())
    assert sidecar["RepetitionTime"] == 2.0
    assert sidecar["SamplingFrequency"] == 0.5


def test_labels_that_are_numbers_stay_labels(tmp_path):
    path = tmp_path / "x_timeseries.tsv"
    series = np.arange(60, dtype=np.float32).reshape(20, 3)
    write_series_tsv(path, series, ["1", "2", "3"], 1.0)
    back = read_series_tsv(path)
    assert back.regions == ["1", "2", "3"]
    np.testing.assert_array_equal(back.series, series)


@pytest.mark.parametrize(
    ("series", "regions", "tr", "message"),
    [
        (np.zeros((5, 3)), ["a", "b"], 2.0, "2 labels for 3 columns"),
        (np.zeros((5, 2)), ["a", "a"], 2.0, "label 'a' is repeated"),
        (np.zeros((5, 2)), ["a", "b\tc"], 2.0, "is no label"),
        (np.zeros(5), ["a"], 2.0, r"shape \(5,\)"),
        (np.zeros((5, 1)), ["a"], 0.0, "expected seconds > 0"),
        (np.zeros((5, 1)), ["a"], np.nan, "expected seconds > 0"),
    ],
)
def test_tsv_refuses_what_does_not_fit(tmp_path, series, regions, tr, message):
    with pytest.raises(ValueError, match=message) as caught:
        write_series_tsv(tmp_path / "x.tsv", series, regions, tr)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.tsv").exists()


def test_h5_round_trip(tmp_path):
    path = write_timeseries_h5(tmp_path / "deep" / "series.h5", runs())
    back = read_timeseries_h5(path)
    assert len(back) == 3
    for expected, series in zip(runs(), back.series):
        assert series.dtype == np.float32
        np.testing.assert_array_equal(series, expected.series)
    assert back.run_key == [run.run_key for run in runs()]
    assert back.participant_id == ["00", "01", "02"]
    assert back.site == ["", "NYU", "NYU"]
    assert back.region == ["2001", "2002", "left hippocampus", "é"]
    np.testing.assert_array_equal(back.tr, [1.5, 2.5, 3.5])
    np.testing.assert_array_equal(back.n_volumes, [30, 25, 41])


def test_h5_gives_the_wanted_runs_in_the_wanted_order(tmp_path):
    path = write_timeseries_h5(tmp_path / "series.h5", runs())
    back = read_timeseries_h5(path, ["sub-02_task-rest", "sub-00_task-rest"])
    assert back.participant_id == ["02", "00"]
    np.testing.assert_array_equal(back.n_volumes, [41, 30])
    assert [len(series) for series in back.series] == [41, 30]
    with pytest.raises(InputProblem, match=r"no run 'sub-9' \(1 of 1 wanted runs are missing\)"):
        read_timeseries_h5(path, ["sub-9"])


def test_h5_bytes_depend_on_the_content_only(tmp_path):
    digests = set()
    for name in ("a.h5", "b.h5"):
        content = write_timeseries_h5(tmp_path / name, runs()).read_bytes()
        digests.add(hashlib.sha256(content).hexdigest())
    assert len(digests) == 1


def test_h5_lists_all_runs_that_do_not_fit_and_leaves_no_file(tmp_path):
    first, second, third = runs()
    renamed = dataclasses.replace(second, regions=["2001", "2003", "left hippocampus", "é"])
    shorter = dataclasses.replace(third, series=third.series[:, :3], regions=third.regions[:3])
    with pytest.raises(InputProblem) as caught:
        write_timeseries_h5(tmp_path / "series.h5", [first, renamed, shorter, first])
    assert caught.value.problems == [
        "sub-01_task-rest: region 2 is '2003', the runs before it have '2002'; "
        "all runs need the same regions in the same order",
        "sub-02_task-rest: 3 regions, the runs before it have 4",
        "sub-00_task-rest: two runs have this key; keys must differ",
    ]
    assert list(tmp_path.iterdir()) == []


def test_h5_of_nothing_and_broken_files(tmp_path):
    with pytest.raises(InputProblem, match="no run to write"):
        write_timeseries_h5(tmp_path / "none.h5", [])
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputProblem, match="not an HDF5 file"):
        read_timeseries_h5(tmp_path / "text.h5")
    with pytest.raises(InputProblem, match="no such file"):
        read_timeseries_h5(tmp_path / "absent.h5")
    path = write_timeseries_h5(tmp_path / "series.h5", runs())
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputProblem, match="cut off"):
        read_timeseries_h5(cut)
