"""The ADHD-200 reader on small made-up copies: every oddity of the real one, folder or archive."""

import io
import tarfile

import numpy as np
import pytest

from neuro.io.adhd200.cohort import iter_adhd200, looks_like_adhd200, read_adhd200, scan_adhd200
from neuro.io.problems import InputProblem

CODES = ("2001", "2002", "2101")
COLUMNS = (
    '"ScanDir ID","Site","Gender","Age","Handedness","DX","Secondary Dx ","Full2 IQ","Full4 IQ",'
    '"QC_Rest_1","QC_Rest_2"'
)
FAILED = "s*rest*_aal_TCs.1D"


def values(subject, run=1, n_volumes=24):
    rng = np.random.default_rng([int(subject), int(run)])
    return np.round(rng.standard_normal((n_volumes, len(CODES))), 6)


def header():
    return "\t".join(["File", "Sub-brick", *(f"Mean_{code}  " for code in CODES)]) + "\n"


def table(subject, run=1, session=1, prefix="sfnwmrda", series=None):
    """Text as 3dROIstats wrote it: question marks for brick labels, blanks in the header."""
    series = values(subject, run) if series is None else series
    name = f"{prefix}{subject}_session_{session}_rest_{run}.nii.gz"
    rows = [
        "\t".join([name, f"{number}[?]", *(f"{cell:.6f}" for cell in row)])
        for number, row in enumerate(series)
    ]
    return header() + "\n".join(rows) + "\n"


def path(site, subject, run=1, session=1, prefix="sfnwmrda"):
    return f"{site}/{subject}/{prefix}{subject}_session_{session}_rest_{run}_aal_TCs.1D"


def good_copy():
    """Two sites as {path: text}, with every oddity that a loader has to survive."""
    files = {
        path("NYU", "0010001"): table("0010001"),
        path("NYU", "0010001", 2): table("0010001", 2),
        path("NYU", "1000804"): table("1000804"),
        path("NYU", "1000804", 1, 1, "snwmrda"): table("1000804", prefix="snwmrda"),
        f"NYU/0010016/{FAILED}": header(),
        f"NYU/0010027/{FAILED}": header(),
        path("NYU", "0010027", 2): table("0010027", 2),
        path("NYU", "0099999"): table("0099999"),
        "NYU/0010050/README.txt": "empty folder",
        "NYU/NYU_phenotypic.csv": "\n".join(
            [
                COLUMNS,
                '10001,5,1,9.5,0.83,3,,"N/A",109,1,0',
                "1000804,5,0,7.29,-999,0,,104,-999,1,N/A",
                '10016,5,1,8,0.5,1," ",N/A,100,1,N/A',
                "10027,5,,12.25,0.5,2,,N/A,-999,N/A,1",
                "10050,5,1,8,0.5,1,,N/A,100,1,N/A",
                "10077,5,1,8,0.5,pending,,N/A,100,1,N/A",
            ]
        ),
        path("WashU", "0015002"): table("0015002"),
        "WashU/WashU_phenotypic.csv": "\n".join(
            [
                '"ScanDirID","Site","Gender","Age","Handedness","DX","Secondary Dx ","Full4 IQ",'
                '"QC_S1_Rest_1","QC_S2_Rest_1"',
                "15002,8,0,7.17,1,0,,136,0,1",
                "15001,8,1,9.94,1,0,,140,1,N/A",
            ]
        ),
        "WashU/WashU_motion.csv": "File,Max Motion (mm), Max Rotation (degree) \n"
        "rp_15002_session_1_rest_1.1D , 1.214,0.566 \nrubbish,1,2\n",
        "templates/aal.nii.gz": "x",
    }
    return files


def as_folders(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def as_archives(root, files):
    root.mkdir(exist_ok=True)
    for site in sorted({name.split("/")[0] for name in files}):
        with tarfile.open(root / f"{site}.tar.gz", "w:gz") as archive:
            for name in [name for name in files if name.startswith(f"{site}/")]:
                content = files[name].encode()
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return root


@pytest.fixture(params=[as_folders, as_archives])
def write(request):
    return request.param


def reasons(found):
    return {(row["what"], row["reason"]) for row in found.exclusions}


def test_runs_and_series(tmp_path, write):
    found = read_adhd200(write(tmp_path / "data", good_copy()))
    keys = [
        "sub-0010001_ses-1_task-rest_run-1",
        "sub-0010001_ses-1_task-rest_run-2",
        "sub-0010027_ses-1_task-rest_run-2",
        "sub-0099999_ses-1_task-rest_run-1",
        "sub-1000804_ses-1_task-rest_run-1",
        "sub-0015002_ses-1_task-rest_run-1",
    ]
    assert found.runs["run_key"].tolist() == keys
    assert [run.run_key for run in found.series] == keys
    for row, run in zip(found.runs.to_dict("records"), found.series):
        np.testing.assert_allclose(run.series, values(row["participant_id"], row["run"]), atol=1e-6)
        assert run.series.dtype == np.float32
        assert run.regions == list(CODES), "codes without the blanks of the header"
        assert (run.participant_id, run.site, run.tr) == (
            row["participant_id"],
            row["site"],
            row["tr"],
        )
    assert found.runs["site"].tolist() == ["NYU"] * 5 + ["WashU"]
    assert found.runs["tr"].tolist() == [2.0] * 5 + [2.5]
    assert set(found.runs["status"]) == {"ok"}
    assert bool(found.runs["archive"].iloc[0]) == (write is as_archives)


def test_participants(tmp_path, write):
    found = scan_adhd200(write(tmp_path / "data", good_copy()))
    people = found.participants.set_index("participant_id")
    assert list(people.index) == ["0010001", "0010027", "0099999", "1000804", "0015002"]
    assert people["dx"].tolist()[:2] == [1.0, 1.0]
    assert people.loc["1000804", "dx"] == 0.0
    assert people.loc["0010001", "subtype"] == 3.0
    assert people["sex"].fillna("n/a").tolist() == ["M", "n/a", "n/a", "F", "F"]
    assert people.loc["0010001", "iq"] == 109, "four subtests first"
    assert people.loc["1000804", "iq"] == 104, "else two"
    assert np.isnan(people.loc["0010027", "iq"])
    assert np.isnan(people.loc["1000804", "handedness"])
    assert people.loc["0099999", ["age", "dx", "iq"]].isna().all()
    assert people.loc["0099999", "site"] == "NYU"
    assert people.loc["0015002", "qc"] == 0.0
    everyone = found.phenotypes.set_index("participant_id")
    assert len(everyone) == 8
    assert np.isnan(everyone.loc["0010077", "dx"])
    assert everyone.loc[["0010016", "0010027"], "dx"].tolist() == [1.0, 1.0]
    assert everyone.loc[["0010016", "0010027"], "subtype"].tolist() == [1.0, 2.0]


def test_ids_without_leading_zeros_on_disk(tmp_path, write):
    files = {
        path("NYU", "10001"): table("10001"),
        "NYU/NYU_phenotypic.csv": f"{COLUMNS}\n10001,5,1,9.5,0.83,3,,N/A,109,1,0",
        "NYU/NYU_motion.csv": "File,Max Motion (mm)\nrp_0010001_session_1_rest_1.1D,0.5",
    }
    found = read_adhd200(write(tmp_path / "data", files))
    assert found.runs["run_key"].tolist() == ["sub-0010001_ses-1_task-rest_run-1"]
    assert found.runs["max_motion_mm"].tolist() == [0.5]
    assert found.participants["dx"].tolist() == [1.0]
    assert found.exclusions == []
    np.testing.assert_allclose(found.series[0].series, values("10001"), atol=1e-6)


def test_quality_and_motion_of_runs(tmp_path, write):
    runs = scan_adhd200(write(tmp_path / "data", good_copy())).runs.set_index("run_key")
    assert runs.loc["sub-0010001_ses-1_task-rest_run-1", "qc"] == 1.0
    assert runs.loc["sub-0010001_ses-1_task-rest_run-2", "qc"] == 0.0
    assert runs.loc["sub-0015002_ses-1_task-rest_run-1", "qc"] == 0.0, "session 1, not 2"
    assert runs.loc["sub-0015002_ses-1_task-rest_run-1", "max_motion_mm"] == 1.214
    assert runs.loc["sub-0015002_ses-1_task-rest_run-1", "max_rotation_deg"] == 0.566
    assert runs["max_motion_mm"].notna().sum() == 1


def test_questionable_runs_are_noted_or_left_out(tmp_path):
    from neuro.run import layouts

    data = {"root": str(as_folders(tmp_path / "data", good_copy())), "filtered": True}
    data |= {"sites": "all", "site_tr": {}, "use_qc": False, "kind": "adhd200"}
    found = layouts._adhd200({"data": data})
    kept = {row["run_key"] for row in found.rows if row["status"] == "ok"}
    assert "2 of 6 runs are questionable to their site (QC_Rest 0)" in found.notes[-1]
    found = layouts._adhd200({"data": data | {"use_qc": True}})
    left = {row["run_key"]: row["reason"] for row in found.rows if "QC_Rest" in row["reason"]}
    assert set(left.values()) == {layouts.QUESTIONABLE}
    assert set(left) == {
        "sub-0010001_ses-1_task-rest_run-2",
        "sub-0015002_ses-1_task-rest_run-1",
    }
    assert {row["run_key"] for row in found.rows if row["status"] == "ok"} == kept - set(left)
    assert not [line for line in found.notes if "QC_Rest" in line]


def test_what_is_left_out_and_what_is_noted(tmp_path, write):
    found = scan_adhd200(write(tmp_path / "data", good_copy()))
    assert reasons(found) == {
        ("sub-0010016", f"failed export: a file named '{FAILED}', nothing else"),
        ("sub-0010027", f"failed export: a file named '{FAILED}'"),
        ("sub-0010050", "no band-passed table (sfnwmrda*)"),
        ("sub-0010077", "in the phenotypic table, but has no folder"),
        ("sub-0015001", "in the phenotypic table, but has no folder"),
    }
    notes = "\n".join(found.notes)
    assert "NYU: sub-0099999 has a folder, but no row in the phenotypic table" in notes
    assert "WashU_phenotypic.csv: the ids stand in 'ScanDirID', elsewhere in 'ScanDir ID'" in notes
    assert "NYU_phenotypic.csv: 5 ids have fewer than 7 digits; zeros were added" in notes
    assert "cells hold -999, N/A or the like; read as missing" in notes
    assert all("\n" not in note for note in found.notes)


def test_unfiltered_series(tmp_path, write):
    found = read_adhd200(write(tmp_path / "data", good_copy()), filtered=False)
    assert found.runs["run_key"].tolist() == ["sub-1000804_ses-1_task-rest_run-1"]
    assert "snwmrda1000804" in found.runs["path"][0]
    assert ("WashU", "the site has no unfiltered table (snwmrda*)") in reasons(found)
    assert ("sub-0010001", "no unfiltered table (snwmrda*)") in reasons(found)


def test_a_name_with_a_star_is_never_a_pattern(tmp_path):
    files = good_copy()
    files[f"NYU/0010001/{FAILED}"] = table("0010001", 2)
    found = read_adhd200(as_folders(tmp_path / "data", files))
    assert len(found.runs) == 6
    assert ("sub-0010001", f"failed export: a file named '{FAILED}'") in reasons(found)


def test_sites_can_be_chosen(tmp_path, write):
    root = write(tmp_path / "data", good_copy())
    assert set(scan_adhd200(root, sites=["WashU"]).runs["site"]) == {"WashU"}
    with pytest.raises(InputProblem) as caught:
        scan_adhd200(root, sites=["NYU", "Washu", "KKI"])
    assert caught.value.problems == [
        f"data.sites: 'Washu' not found in {root}; found NYU, WashU, templates; "
        "did you mean 'WashU'?",
        f"data.sites: 'KKI' not found in {root}; found NYU, WashU, templates",
    ]


def test_an_unknown_site_needs_an_interval(tmp_path, write):
    files = {name.replace("WashU", "Utrecht"): text for name, text in good_copy().items()}
    root = write(tmp_path / "data", files)
    with pytest.raises(InputProblem, match=r"Utrecht: no sampling interval .*data\.site_tr"):
        scan_adhd200(root)
    runs = scan_adhd200(root, tr_by_site={"Utrecht": 0.7, "NYU": 1.9}).runs
    assert runs.groupby("site")["tr"].first().to_dict() == {"NYU": 1.9, "Utrecht": 0.7}


def test_the_same_tables_in_two_folders_are_an_error(tmp_path, write):
    files = good_copy()
    for name in list(files):
        if name.startswith("NYU/0010001"):
            files[name.replace("NYU/", "Peking/")] = files[name]
    with pytest.raises(InputProblem) as caught:
        scan_adhd200(write(tmp_path / "data", files))
    assert len(caught.value.problems) == 2
    assert all("same table as" in line and "keep one" in line for line in caught.value.problems)
    other = good_copy()
    other[path("Peking", "0010001")] = table("0010001", series=values("7"))
    with pytest.raises(InputProblem, match="two tables of one run as"):
        scan_adhd200(write(tmp_path / "other", other))


def test_a_copied_table_of_one_subject_is_left_out(tmp_path, write):
    files = good_copy()
    files[path("NYU", "0010001", 3)] = files[path("NYU", "0010001", 1)]
    found = scan_adhd200(write(tmp_path / "data", files))
    assert len(found.runs) == 6
    assert (
        "sub-0010001_ses-1_task-rest_run-3",
        "identical to sfnwmrda0010001_session_1_rest_1_aal_TCs.1D",
    ) in reasons(found)


def test_a_copied_table_under_another_subject_is_an_error(tmp_path, write):
    files = good_copy()
    files[path("NYU", "0010050")] = files[path("NYU", "0010001", 1)]
    with pytest.raises(InputProblem, match="same table as"):
        scan_adhd200(write(tmp_path / "data", files))


def test_damaged_tables_become_exclusions(tmp_path, write):
    files = good_copy()
    lines = table("0020004").splitlines(keepends=True)
    short = table("0020003").splitlines(keepends=True)
    broken = {
        "0020001": "",
        "0020002": header(),
        "0020003": "".join(short[:5]) + short[5].rsplit("\t", 1)[0] + "\n",
        "0020004": "".join(lines[:5]) + lines[7],
        "0020005": table("0020005").replace("3[?]\t", "3[?]\tx", 1),
        "0020006": table("0020007"),
        "0020008": table("0020008", series=np.round(values("1") * [1, 0, 1], 6)),
        "0020009": table("0020009", series=values("1", n_volumes=9)),
        "0020010": "<html>not found</html>",
        "0020011": table("0020011", series=np.where(np.eye(24, 3), np.nan, values("1"))),
    }
    for subject, text in broken.items():
        files[path("NYU", subject)] = text
    found = read_adhd200(write(tmp_path / "data", files))
    assert len(found.series) == len(found.runs) == 7
    # a dead region costs a region, not a person
    (dead,) = [run for run in found.series if run.participant_id == "0020008"]
    assert dead.missing == [dead.regions[1]] and dead.regions[1] == "2002"
    del broken["0020008"]
    assert not set(broken) & set(found.participants["participant_id"])
    told = {row["what"][4:11]: row["reason"] for row in found.exclusions}
    assert set(broken) <= set(told)
    assert told["0020001"] == "the table is empty (0 bytes)"
    assert "failed export" in told["0020002"]
    assert "has 4 columns, the header 5" in told["0020003"]
    assert "volume 4 is labelled '6[?]'" in told["0020004"]
    assert "a cell is not a number" in told["0020005"]
    assert "lines are of another run" in told["0020006"]
    assert "9 volumes, expected at least 20" in told["0020009"]
    assert "no header" in told["0020010"]
    assert "missing or infinite values" in told["0020011"]


def test_damaged_tables_are_problems_without_a_list(tmp_path):
    files = good_copy()
    files[path("NYU", "0020002")] = header()
    files[path("WashU", "0020003")] = "x"
    index = scan_adhd200(as_folders(tmp_path / "data", files))
    loaded = []
    with pytest.raises(InputProblem) as caught:
        loaded.extend(run.run_key for run in iter_adhd200(index))
    assert len(loaded) == 6, "the good ones come first"
    assert len(caught.value.problems) == 2
    some = list(iter_adhd200(index, run_keys=["sub-0010001_ses-1_task-rest_run-2"]))
    assert [run.run_key for run in some] == ["sub-0010001_ses-1_task-rest_run-2"]


def test_tables_of_others_and_unknown_names(tmp_path, write):
    files = good_copy()
    files["NYU/0010050/sfnwmrda0010001_session_1_rest_1_aal_TCs.1D"] = table("0010001", 9)
    files["NYU/0010050/mystery_aal_TCs.1D"] = table("0010050")
    found = scan_adhd200(write(tmp_path / "data", files))
    told = dict(reasons(found))
    assert told["sub-0010001_ses-1_task-rest_run-1"] == (
        "a table of 0010001 in the folder of 0010050"
    )
    assert told["sub-0010050"] == "table with an unknown name: 'mystery_aal_TCs.1D'"
    assert len(found.runs) == 6


def test_another_parcellation(tmp_path, write):
    files = good_copy()
    files[path("NYU", "0010001").replace("_aal_", "_cc200_")] = table("0010001", series=values("5"))
    root = write(tmp_path / "data", files)
    assert len(scan_adhd200(root).runs) == 6
    found = read_adhd200(root, sites=["NYU"], atlas="cc200")
    assert len(found.runs) == 1
    np.testing.assert_allclose(found.series[0].series, values("5"), atol=1e-6)


def test_phenotypic_tables_that_cannot_be_read(tmp_path, write):
    files = good_copy()
    files["NYU/NYU_phenotypic.csv"] = "id,age\n1,2\n"
    files["WashU/WashU_phenotypic.csv"] = "ScanDir ID,DX\n15002,0\n015002,1\n"
    with pytest.raises(InputProblem) as caught:
        scan_adhd200(write(tmp_path / "data", files))
    assert caught.value.problems == [
        "NYU_phenotypic.csv: no column 'ScanDir ID' or 'ScanDirID'",
        "WashU: id 0015002 stands in two rows of the phenotypic table",
    ]


def test_a_site_without_phenotypes(tmp_path, write):
    files = {name: text for name, text in good_copy().items() if "phenotypic" not in name}
    found = scan_adhd200(write(tmp_path / "data", files))
    assert len(found.runs) == 6
    assert found.participants["dx"].isna().all()
    assert found.participants["site"].tolist() == ["NYU"] * 4 + ["WashU"]
    assert "NYU: no *_phenotypic.csv; age, sex and dx are not known" in found.notes


def test_a_folder_goes_before_its_archive(tmp_path):
    root = as_archives(as_folders(tmp_path / "data", good_copy()), good_copy())
    found = scan_adhd200(root)
    assert len(found.runs) == 6
    assert set(found.runs["archive"]) == {""}
    assert "NYU.tar.gz: stands beside the folder NYU/, which is read instead" in found.notes


def test_recognition(tmp_path, write):
    root = write(tmp_path / "data", good_copy())
    assert looks_like_adhd200(root)
    (tmp_path / "bids" / "sub-01").mkdir(parents=True)
    assert not looks_like_adhd200(tmp_path / "bids")
    assert not looks_like_adhd200(tmp_path / "absent")
    with pytest.raises(InputProblem, match="no ADHD-200 site found"):
        scan_adhd200(tmp_path / "bids")
    with pytest.raises(InputProblem, match="no such folder"):
        scan_adhd200(tmp_path / "absent")


def test_folder_and_archive_give_the_same(tmp_path):
    one = read_adhd200(as_folders(tmp_path / "a", good_copy()))
    two = read_adhd200(as_archives(tmp_path / "b", good_copy()))
    columns = [name for name in one.runs.columns if name != "archive"]
    assert one.runs[columns].equals(two.runs[columns])
    assert one.participants.equals(two.participants)
    assert one.exclusions == two.exclusions
    assert one.notes == two.notes
    for left, right in zip(one.series, two.series):
        np.testing.assert_array_equal(left.series, right.series)
