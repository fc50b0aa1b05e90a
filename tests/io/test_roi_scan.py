"""Finding region tables: BIDS-like trees, plain folders, tables that list paths."""

import json

import numpy as np
import pandas as pd
import pytest

from neuro.io.problems import InputProblem
from neuro.io.regions.roi import read_roi_table, scan_roi_tables

TEXT = "a\tb\n" + "\n".join(f"{i / 3:.3f}\t{i / 7:.3f}" for i in range(30))


def put(root, *paths, text=TEXT):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_derivative_tree(tmp_path):
    put(
        tmp_path,
        "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-1_space-MNI_atlas-aal_timeseries.tsv",
        "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-1_desc-confounds_timeseries.tsv",
        "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-1_motion.tsv",
        "sub-01/func/sub-01_task-rest_atlas-aal_timeseries.tsv",
        "sub-01/anat/sub-01_task-rest_atlas-aal_timeseries.tsv",
        "participants.tsv",
    )
    people = pd.DataFrame({"participant_id": ["01", "02"], "site": ["a", None]})
    table = scan_roi_tables(tmp_path, people, tr=2.0)
    assert table["run_key"].tolist() == ["sub-01_task-rest", "sub-02_ses-1_task-rest_run-1"]
    assert table["participant_id"].tolist() == ["01", "02"]
    assert table["site"].tolist() == ["a", ""]
    assert table["status"].tolist() == ["ok", "ok"]
    assert set(table["tr_source"]) == {"config"}
    run = read_roi_table(tmp_path / table["path"][1], tr=2.0)
    assert run.run_key == table["run_key"][1]


def test_sidecars_and_settings_of_the_interval(tmp_path):
    put(tmp_path, *(f"sub-{n}_timeseries.tsv" for n in range(4)))
    (tmp_path / "sub-0_timeseries.json").write_text(json.dumps({"RepetitionTime": 1.5}))
    (tmp_path / "sub-1_timeseries.json").write_text(json.dumps({"RepetitionTime": 3.0}))
    (tmp_path / "sub-3_timeseries.tsv").write_text("")
    people = pd.DataFrame({"participant_id": list("0123"), "site": list("wxyy")})
    table = scan_roi_tables(tmp_path, people, site_tr={"x": 2.0, "y": 2.5})
    assert table["tr_source"].tolist() == ["sidecar", "sidecar", "config", "config"]
    assert table["tr"].tolist() == [1.5, 3.0, 2.5, 2.5]
    assert table["status"].tolist() == ["ok", "problem", "ok", "empty"]
    assert "3 s in the sidecar but 2 s in the config" in table["reason"][1]
    assert table["reason"][3] == "sub-3_timeseries.tsv: the file is empty (0 bytes)"
    lost = scan_roi_tables(tmp_path, people)
    assert lost["status"].tolist() == ["ok", "ok", "problem", "problem"]
    assert "set data.tr" in lost["reason"][2]


def test_several_atlases_need_a_choice(tmp_path):
    put(
        tmp_path,
        "sub-01/func/sub-01_task-rest_atlas-aal_timeseries.tsv",
        "sub-01/func/sub-01_task-rest_atlas-cc200_timeseries.tsv",
        "sub-01/func/sub-01_task-rest_seg-Glasser_timeseries.tsv",
    )
    with pytest.raises(InputProblem, match="choose one: Glasser, aal, cc200"):
        scan_roi_tables(tmp_path, tr=2.0)
    with pytest.raises(InputProblem, match="no table of 'power'"):
        scan_roi_tables(tmp_path, tr=2.0, atlas="power")
    table = scan_roi_tables(tmp_path, tr=2.0, atlas="cc200")
    assert table["path"].tolist() == ["sub-01/func/sub-01_task-rest_atlas-cc200_timeseries.tsv"]


def test_free_names_are_matched_with_the_participants(tmp_path):
    put(tmp_path, "rois_12.1D", "rois_123_a.1D", "rois_123_b.1D", "rois_99.1D", "participants.tsv")
    people = pd.DataFrame({"participant_id": ["12", "123"]})
    table = scan_roi_tables(tmp_path, people, tr=2.0)
    ok = table[table["status"] == "ok"]
    assert ok["run_key"].tolist() == ["sub-12", "sub-123_run-1", "sub-123_run-2"]
    assert ok["path"].tolist() == ["rois_12.1D", "rois_123_a.1D", "rois_123_b.1D"]
    lost = table[table["status"] == "problem"]
    assert lost["reason"].tolist() == ["rois_99.1D: no participant_id stands in the name"]
    alone = scan_roi_tables(tmp_path, tr=2.0)
    assert len(alone) == 4
    assert alone["run_key"].str.fullmatch(r"sub-[A-Za-z0-9]+").all()


def test_a_table_of_paths(tmp_path):
    put(tmp_path, "data/x.1D", "data/y.1D")
    np.savez(tmp_path / "data" / "z.npz", series=np.zeros((30, 2)), tr=0.8)
    listing = tmp_path / "runs.tsv"
    listing.write_text(
        "participant_id\tpath\trun\ttr\tsite\n"
        "sub-007\tdata/x.1D\t1\t2.5\tKKI\n"
        "007\tdata/y.1D\trun-2\tn/a\tn/a\n"
        "008\tdata/z.npz\tn/a\tn/a\tn/a\n"
        "009\tdata/absent.1D\tn/a\t2\tn/a\n"
    )
    table = scan_roi_tables(listing, site_tr={"KKI": 2.5})
    assert table["run_key"].tolist() == ["sub-007_run-1", "sub-007_run-2", "sub-008", "sub-009"]
    assert table["status"].tolist() == ["ok", "problem", "ok", "problem"]
    assert table["tr_source"].tolist() == ["table", "missing", "file", "table"]
    assert table["tr"].tolist()[2] == 0.8
    assert table["reason"][3] == "data/absent.1D: no such file"
    assert table.attrs["root"] == str(tmp_path)


def test_repeated_runs_and_labels(tmp_path):
    listing = tmp_path / "runs.csv"
    put(tmp_path, "x.1D", "y.1D")
    listing.write_text("participant_id,path\n1,x.1D\n1,y.1D\n")
    table = scan_roi_tables(listing, tr=2.0)
    assert table["status"].tolist() == ["ok", "problem"]
    assert table["reason"][1] == "y.1D: same run (sub-1) as x.1D; keep one"
    put(tmp_path / "tree", "sub-0.1_task-rest_timeseries.tsv", "sub-ok_task-rest_timeseries.tsv")
    table = scan_roi_tables(tmp_path / "tree", tr=2.0)
    assert table["status"].tolist() == ["problem", "ok"]
    assert "label 'sub-0.1' is not alphanumeric" in table["reason"][0]


def test_filters_name_what_is_unknown(tmp_path):
    put(
        tmp_path, *(f"sub-{n:02d}_task-{t}_timeseries.tsv" for n in range(5) for t in ("rest", "n"))
    )
    table = scan_roi_tables(tmp_path, tr=2.0, subjects=["sub-03"], tasks=["rest"])
    assert table["run_key"].tolist() == ["sub-03_task-rest"]
    with pytest.raises(InputProblem) as caught:
        scan_roi_tables(tmp_path, tr=2.0, subjects=["3", "04"], tasks=["ret"], sessions=["1"])
    assert caught.value.problems == [
        f"data.subjects: '3' not found in {tmp_path}; found 00 01 02 ... (5); did you mean '03'?",
        f"data.tasks: 'ret' not found in {tmp_path}; found n rest; did you mean 'rest'?",
        f"data.sessions: '1' not found in {tmp_path}; found none",
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("runs.tsv", "subject\tfile\nx\ty\n", "no column 'participant_id' and 'path'"),
        ("runs.tsv", "participant_id\tpath\n", "a header and no line"),
        ("runs.tsv", "participant_id\tpath\n1\tn/a\n", "line 2 has no participant_id or no path"),
        ("runs.tsv", "participant_id\tpath\ttr\n1\tx.1D\t0\n", "line 2: tr is '0'"),
    ],
)
def test_bad_listings(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputProblem, match=message):
        scan_roi_tables(tmp_path / name, tr=2.0)


def test_nothing_there(tmp_path):
    with pytest.raises(InputProblem, match="no region table; looked for"):
        scan_roi_tables(tmp_path)
    with pytest.raises(InputProblem, match="no such file or folder"):
        scan_roi_tables(tmp_path / "absent")


@pytest.mark.parametrize(("n_whole", "n_runs"), [(60, 2), (30, 3)])
def test_tables_of_runs_in_a_row_beside_the_runs_count_once(tmp_path, n_whole, n_runs):
    base = "sub-01/func/sub-01_task-rest{}_space-MNI_seg-Tian_stat-mean_timeseries.tsv"
    put(tmp_path, base.format("_run-1"), base.format("_run-2"), text=TEXT + "\n")
    rows = "\n".join(TEXT.splitlines()[1:])
    whole = TEXT + "\n" + (rows + "\n" if n_whole == 60 else "")
    put(tmp_path, base.format(""), text=whole)
    table = scan_roi_tables(tmp_path, tr=2.0)
    assert len(table) == n_runs
    assert (base.format("") in table["path"].tolist()) == (n_runs == 3)
