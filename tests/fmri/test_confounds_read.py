"""Confound tables of any age come back under one set of names, and bad ones say what is wrong."""

import json

import numpy as np
import pytest

from neuro.io.bids.confounds import MOTION, canonical_name, metadata_path, read_confounds
from neuro.io.problems import InputProblem


def write(path, header, rows):
    lines = ["\t".join(header)] + ["\t".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_legacy_names_become_todays(tmp_path):
    old = [
        "X",
        "Y",
        "Z",
        "RotX",
        "RotY",
        "RotZ",
        "FramewiseDisplacement",
        "CSF",
        "WhiteMatter",
        "GlobalSignal",
        "stdDVARS",
    ]
    old += ["aCompCor00", "tCompCor05", "Cosine00", "NonSteadyStateOutlier00", "AROMAAggrComp01"]
    path = write(tmp_path / "confounds.tsv", old, [range(16), range(16)])
    table, meta = read_confounds(path)
    assert tuple(table.columns[:6]) == MOTION
    assert list(table.columns[6:]) == [
        "framewise_displacement",
        "csf",
        "white_matter",
        "global_signal",
        "std_dvars",
        "a_comp_cor_00",
        "t_comp_cor_05",
        "cosine00",
        "non_steady_state_outlier00",
        "aroma_motion_01",
    ]
    assert meta == {}
    assert table.attrs["path"] == str(path)


def test_current_and_unknown_names_stay():
    for name in ("trans_x_derivative1", "w_comp_cor_03", "rmsd", "my_own"):
        assert canonical_name(name) == name


def test_missing_is_nan_and_the_json_beside_is_read(tmp_path):
    path = write(
        tmp_path / "sub-1_desc-confounds_timeseries.tsv",
        ["csf", "framewise_displacement"],
        [(1.5, "n/a"), (-999, 0.25)],
    )
    metadata_path(path).write_text(json.dumps({"csf": {"Method": "Mean"}}))
    table, meta = read_confounds(path)
    assert np.isnan(table["framewise_displacement"][0])
    assert table["csf"][1] == -999  # a value like any other in a signal
    assert meta == {"csf": {"Method": "Mean"}}
    assert metadata_path(path).name == "sub-1_desc-confounds_timeseries.json"


def test_all_problems_come_at_once(tmp_path):
    path = write(
        tmp_path / "bad.tsv", ["X", "trans_x", "csf", "gs"], [(1, 1, "high", 2), (1, 1, 3, "low")]
    )
    (tmp_path / "bad.json").write_text("{not json")
    with pytest.raises(InputProblem) as caught:
        read_confounds(path)
    lines = caught.value.problems
    assert len(lines) == 4
    assert "column 'trans_x' occurs twice" in lines[0]
    assert "column 'csf', row 1: 'high' is not a number" in lines[1]
    assert "column 'gs', row 2: 'low'" in lines[2]
    assert "bad.json: not readable as JSON" in lines[3]
    assert all(str(tmp_path) in line and "\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), ("", "empty"), ("csf\tgs\n", "no rows below the header")],
)
def test_unusable_files(tmp_path, content, words):
    path = tmp_path / "confounds.tsv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputProblem, match=words):
        read_confounds(path)


def test_a_named_json_must_exist(tmp_path):
    path = write(tmp_path / "a.tsv", ["csf"], [(1,)])
    with pytest.raises(InputProblem, match=r"b\.json: no such file"):
        read_confounds(path, tmp_path / "b.json")
