"""`neuro check`: every file is looked at once, everything that is wrong is told at once."""

import gzip
import os
import shutil
import tarfile
from pathlib import Path

import datasets
import pytest
import yaml

from neuro.command.cli import main
from neuro.run import inputs

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
LABELS = [f"{number:02d}" for number in range(1, 11)]


def realdata(test):
    """Only where the recordings are."""
    absent = not (DATA / "bold").exists()
    skip = pytest.mark.skipif(absent, reason="no recordings; set NEURO_TEST_DATA to their folder")
    return pytest.mark.realdata(skip(test))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(**sections):
    mapping = {
        "data": {"kind": "auto", "root": "prep"},
        "fmri": {"atlas": "prep/atlas.nii.gz"},
        "adhd": {"enabled": False},
        "demovae": {"enabled": False},
    }
    for name, keys in sections.items():
        mapping[name] = mapping.get(name, {}) | keys
    Path("mine.yaml").write_text(yaml.safe_dump(mapping))


def check(capsys, *arguments):
    """Exit code, printed lines, problem lines."""
    capsys.readouterr()
    code = main(["check", "--config", "mine.yaml", *arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out.splitlines(), err.splitlines()


def test_a_good_data_set_is_a_table_with_verdicts(here, capsys):
    datasets.tiny(here / "prep")
    settings()
    code, out, err = check(capsys)
    assert (code, err) == (0, [])
    assert out[0].startswith("data.kind: auto is fmriprep (2 images named")
    assert out[1] == (
        "fmri.strategy: auto is 36P (confounds tables hold motion and tissue signals)"
    )
    assert out[2].split() == (
        ["participant_id", "run_key", "site", "volumes", "tr", "mask", "confounds", "verdict"]
    )
    assert out[3].split() == ["01", "sub-01_task-rest", "260", "2", "yes", "yes", "ok"]


def test_everything_that_is_wrong_is_told_at_once(here, capsys):
    datasets.tiny(here / "prep", LABELS)
    told = datasets.spoil(here / "prep")
    settings()
    code, out, err = check(capsys)
    assert code == 1
    assert err[-1] == f"{len(told)} problem(s)"
    for label, words in told.items():
        lines = [line for line in err if f"sub-{label}" in line]
        assert len(lines) == 1 and words in lines[0], (label, lines)
    verdicts = {line.split()[0]: line for line in out if line[:2] in LABELS}
    assert verdicts["01"].endswith(" ok") and verdicts["02"].endswith(" ok")
    assert all(words in verdicts[label] for label, words in told.items())


def test_bad_runs_can_be_listed_and_left_out(here, capsys):
    datasets.tiny(here / "prep", LABELS)
    told = datasets.spoil(here / "prep")
    settings()
    code, out, _ = check(capsys, "--skip-bad-subjects")
    assert code == 0
    assert out[-1] == "8 exclusion(s) written to results/check_exclusions.tsv"
    table = Path("results/check_exclusions.tsv").read_text()
    assert all(words in table for words in told.values())
    settings(data={"subjects": ["03", "04"]})
    assert check(capsys, "--skip-bad-subjects")[0] == 1, "nothing would be left"


def test_several_problems_of_one_run_are_all_told(here, capsys):
    datasets.tiny(here / "prep", ["01"])
    for ending in ("_bold.nii.gz", "_mask.nii.gz", "_timeseries.tsv"):
        datasets.file_of(here / "prep", "01", ending).write_bytes(b"")
    settings()
    code, out, err = check(capsys)
    assert code == 1 and err[-1] == "3 problem(s)"
    assert all("the file is empty (0 bytes)" in line for line in err[:3])
    assert out[-1].endswith("(and 2 more)")


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"data": {"tr": 3.0}}, "sampling interval is 2 s in the sidecar but 3 s in the config"),
        ({"fmri": {"min_seconds": 521}}, "520 s left after censoring, less than fmri.min_seconds"),
        ({"fmri": {"drop_volumes": 260}}, "260 volumes to drop, the run has 260"),
        ({"fmri": {"band": [0.01, 0.02]}}, "no degrees of freedom left"),
        ({"data": {"space": "MNI152"}}, "no image in 'MNI152'; found MNI (1)"),
        ({"fmri": {"atlas": "prep/sub-01/func/mask.nii.gz"}}, "no such file"),
        ({"fmri": {"strategy": "acompcor"}}, "no WM component for strategy 'acompcor'"),
        (
            {"fmri": {"strategy": "custom", "confound_columns": ["trans_*", "gsr"]}},
            "no column matches 'gsr'",
        ),
    ],
)
def test_settings_that_spoil_a_run_are_found_without_reading_a_voxel(here, capsys, sections, line):
    datasets.tiny(here / "prep", ["01"])
    settings(**sections)
    code, _, err = check(capsys)
    assert code == 1
    assert any(line in found for found in err), err


def test_the_degree_of_athenas_polynomials_needs_no_more_than_the_run(here, capsys):
    datasets.tiny(here / "prep", ["01"])
    settings(fmri={"strategy": "athena"})
    code, _, err = check(capsys)
    assert (code, err) == (0, [])


def test_volumes_of_large_dvars_count_as_lost(here, capsys):
    import pandas as pd

    datasets.tiny(here / "prep", ["01"])
    path = datasets.file_of(here / "prep", "01", "_timeseries.tsv")
    table = pd.read_csv(path, sep="\t").assign(std_dvars=1.0)
    table.loc[5:250, "std_dvars"] = 3.0
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    settings(fmri={"std_dvars": 4.0, "scrub": True})
    assert check(capsys)[0] == 0
    settings(fmri={"std_dvars": 2.0, "scrub": True})
    code, _, err = check(capsys)
    assert code == 1 and "sub-01" in err[0]


def test_region_tables_of_xcpd_come_before_its_surfaces(here, capsys):
    datasets.xcpd(here / "prep", n_subjects=1, images=False)
    table = datasets.file_of(here / "prep", "01", "_timeseries.tsv")
    # not even opened
    (table.parent / "sub-01_task-rest_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii").touch()
    settings(data={"kind": "xcpd"})
    code, out, err = check(capsys)
    assert (code, err) == (0, [])
    assert any("sub-01_task-rest" in line and line.endswith("ok") for line in out), out


def test_headers_without_interval_or_voxel_size_are_told_together(here, capsys):
    import nibabel
    import numpy as np

    datasets.tiny(here / "prep", ["01", "02", "03"])
    for label in ("02", "03"):
        datasets.file_of(here / "prep", label, "_bold.json").unlink()
        path = datasets.file_of(here / "prep", label, "_bold.nii.gz")
        image = nibabel.load(path)
        data = np.asarray(image.dataobj)
        image = nibabel.Nifti1Image(data, image.affine if label == "02" else None)
        image.header["pixdim"][4] = 0
        nibabel.save(image, path)
    settings()
    code, _, err = check(capsys)
    assert code == 1
    assert (
        sum("no sampling interval in sidecar or header; set data.tr" in line for line in err) == 2
    )
    settings(data={"tr": 2.0})
    code, _, err = check(capsys)
    assert code == 1
    assert sum("the header holds no voxel size (all 1, no affine)" in line for line in err) == 1
    assert all("sub-03" in line for line in err[:-1])


def test_a_space_or_strategy_with_a_slip_is_one_line(here, capsys):
    datasets.tiny(here / "prep", ["01"])
    settings(data={"space": "MN1"}, fmri={"strategy": "36p"})
    assert "did you mean '36P'?" in check(capsys)[2][0]
    settings(data={"space": "MN1"})
    assert (
        "data.space: no image in 'MN1'; found MNI (1); did you mean 'MNI'?" in check(capsys)[2][0]
    )


def test_raw_runs_are_checked_for_slice_times(here, capsys):
    import json

    from neuro.simulate.raw import write_raw

    write_raw(here / "prep", n_subjects=2, n_volumes=130, voxel_mm=12)
    settings()
    code, out, err = check(capsys)
    assert (code, err) == (0, [])
    assert "fmri.strategy: auto is 24P (raw BIDS has no tissue signals)" in out
    side = here / "prep" / "sub-01" / "func" / "sub-01_task-rest_bold.json"
    side.write_text(json.dumps({"SliceTiming": [0, 500, 1000, 1500] * 5}))
    settings(data={"kind": "bids"})
    code, _, err = check(capsys)
    assert code == 1 and len(err) == 2 and "they look like milliseconds" in err[0]
    settings(fmri={"slice_timing": "off"})
    assert check(capsys)[0] == 0
    settings(fmri={"atlas": "power264"})
    code, _, err = check(capsys)
    assert code == 1 and "holds template coordinates, raw BIDS stays native" in err[0]


def test_xcpd_runs_are_checked_for_what_was_left_out(here, capsys):
    datasets.xcpd(here / "prep", n_subjects=2)
    settings()
    assert check(capsys)[0] == 0
    path = datasets.file_of(here / "prep", "01", "_outliers.tsv")
    path.write_text("framewise_displacement\n" + "0\n" * 12)
    code, _, err = check(capsys)
    assert code == 1 and "12 volumes, 12 of them kept, but" in err[0]


def test_ids_are_compared_in_both_directions(here, capsys):
    datasets.tiny(here / "prep")
    (here / "prep" / "participants.tsv").write_text("participant_id\tdx\nsub-02\t0\nsub-77\t1\n")
    settings()
    code, _, err = check(capsys)
    assert code == 1
    assert err[:2] == [
        "sub-77: in the participants table, but has no usable run",
        "sub-01: has data, but is not in the participants table",
    ]
    settings(data={"subjects": ["02"]})
    assert check(capsys)[0] == 0, "a choice of subjects is no mistake"
    settings(data={"subjects": ["02"]}, adhd={"enabled": True})
    assert "dx holds only one class" in check(capsys)[2][0]


def test_nothing_to_remove_for_demovae_is_one_line(here, capsys):
    datasets.tiny(here / "prep", ["01", "02"])
    table = here / "prep" / "participants.tsv"
    head = "participant_id\tage\tsite\n"
    table.write_text(f"{head}sub-01\t9\tA\nsub-02\t9\tB\nsub-03\t12\tC\n")
    merged = {"site_groups": {"one": ["A", "B"]}}
    settings(data={"subjects": ["01", "02"]}, adhd=merged, demovae={"enabled": True})
    code, _, err = check(capsys)
    assert code == 1
    assert err[0] == (
        "participants: none of age, sex, site, log_mean_fd has two values; demovae has nothing to "
        "remove: change demovae.columns or set demovae.enabled to false"
    )
    assert len(err[0]) <= 160
    settings(data={"subjects": ["01", "02"]}, demovae={"enabled": True})
    code, _, err = check(capsys)
    # two sites are two values; two runs are too few all the same
    assert code == 1 and len(err) == 2 and err[0].startswith("demovae.latent_dim: 60, but half")


def test_a_wrong_command_line_is_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["check", "--nonsense"])
    assert stop.value.code == 2


@realdata
def test_empty_files_of_a_real_tree_are_one_line_each(here, capsys):
    with tarfile.open(DATA / "bold" / "ds000001-fmriprep_layout.tar.gz") as archive:
        archive.extractall(here, filter="data")
    settings(data={"root": "ds000001-fmriprep"}, fmri={"atlas": "power264"})
    code, _, err = check(capsys)
    assert code == 1 and len(err) == 37 == len(set(err))
    assert sum("the file is empty (0 bytes)" in line for line in err) == 36


@pytest.mark.slow
@realdata
def test_the_oddities_of_adhd200_are_listed_in_one_pass(here, capsys):
    root = {"kind": "adhd200", "root": str(DATA / "adhd200_aal")}
    settings(data=root, fmri={"atlas": "power264", "min_seconds": 150}, adhd={"enabled": True})
    code, out, err = check(capsys)
    assert (code, err) == (0, [])
    text = "\n".join(out)
    for words in (
        "failed export: a file named 's*rest*_aal_TCs.1D', nothing else",
        "in the phenotypic table, but has no folder",
        "note: WashU_phenotypic.csv: the ids stand in 'ScanDirID', elsewhere in 'ScanDir ID'",
        "note: NYU_phenotypic.csv: 904 cells hold -999, N/A or the like; read as missing",
        "note: Pittsburgh_phenotypic.csv: 89 ids have fewer than 7 digits; zeros were added",
    ):
        assert words in text, words
    assert text.count("failed export") == 8
    assert text.count("has no folder") == 9
    settings(
        data=root | {"sites": ["Pittsburgh", "WashU"]},
        fmri={"atlas": "power264", "min_seconds": 150},
        adhd={"enabled": True},
    )
    code, _, err = check(capsys)
    assert code == 1 and any("dx holds only one class" in line for line in err)


def test_a_file_that_was_mended_in_place_is_looked_at_again(here, capsys):
    datasets.tiny(here / "prep", ["01", "02"])
    side = datasets.file_of(here / "prep", "01", "_bold.json")
    good = side.read_text()
    side.write_text("{not json")
    settings()
    code, _, err = check(capsys)
    assert code == 1 and "not readable as JSON" in err[0]
    # writing over a file changes nothing that the folder shows
    side.write_text(good)
    assert check(capsys)[0] == 0
    side.write_text(good.replace("2.0", "2.1"))
    code, _, err = check(capsys)
    assert code == 1 and "2.1 s in the sidecar but 2 s in the header" in err[0]


def test_a_scan_is_cached_until_a_file_changes_or_it_is_asked_for(here, capsys, monkeypatch):
    datasets.tiny(here / "prep", ["01", "02"])
    settings()
    assert main(["scan", "--config", "mine.yaml"]) == 0
    assert capsys.readouterr().out == "results/inputs.tsv: 2 runs of 2 subjects (fmriprep)\n"
    table = Path("results/inputs.tsv")
    first = table.read_text()
    scans, scan = [], inputs.scan
    monkeypatch.setattr(inputs, "scan", lambda config: scans.append(1) or scan(config))
    assert main(["scan", "--config", "mine.yaml"]) == 0
    assert not scans, "from the cache"
    assert main(["scan", "--config", "mine.yaml", "--refresh"]) == 0
    assert len(scans) == 1 and table.read_text() == first
    side = datasets.file_of(here / "prep", "01", "_bold.json")
    side.write_text(side.read_text().replace("2.0", "2.001"))
    assert main(["scan", "--config", "mine.yaml"]) == 0
    assert "2.001" in table.read_text(), "a sidecar that was corrected in place"
    func = here / "prep/sub-03/func"
    func.mkdir(parents=True)
    for path in (here / "prep/sub-02/func").iterdir():
        (func / path.name.replace("sub-02", "sub-03")).write_bytes(path.read_bytes())
    capsys.readouterr()
    assert main(["scan", "--config", "mine.yaml"]) == 0
    assert "3 runs of 3 subjects" in capsys.readouterr().out
    for path in func.iterdir():
        path.unlink()
    func.rmdir()
    func.parent.rmdir()
    assert main(["scan", "--config", "mine.yaml"]) == 0
    assert "2 runs of 2 subjects" in capsys.readouterr().out


def test_a_given_key_without_effect_is_a_note_and_no_problem(here, capsys):
    datasets.tiny(here / "prep")
    settings(fmri={"confound_columns": ["csf"]}, ntf={"affinity": {"kind": "root", "window_s": 12}})
    code, out, err = check(capsys)
    assert (code, err) == (0, [])
    assert [line for line in out if line.startswith("note: ") and "no effect" in line] == [
        "note: fmri.confound_columns: no effect, only strategy custom reads it "
        "(fmri.strategy: 36P)",
        "note: ntf.affinity.window_s: no effect, only excess and sliding_window have a window "
        "(ntf.affinity.kind: root)",
    ]


def test_runs_that_the_workflow_makes_are_one_line(capsys):
    Path("mine.yaml").write_text(yaml.safe_dump({"data": {"kind": "simulated"}}))
    assert main(["check", "--config", "mine.yaml"]) == 0
    out = capsys.readouterr().out
    assert "data.kind is simulated: 32 runs that the workflow makes itself" in out
    assert "sub-01_task-rest" not in out


def test_copies_of_an_image_under_other_names_are_told(here, capsys):
    datasets.fmriprep(here / "prep", sessions=("1",), runs=("1",), n_volumes=40)
    first, second, third, _ = sorted((here / "prep").rglob("*_bold.nii.gz"))
    shutil.copyfile(first, second)
    # packed anew: other bytes on the disk, the same image
    third.write_bytes(gzip.compress(gzip.decompress(first.read_bytes()), 9))
    assert third.stat().st_size != first.stat().st_size
    settings()
    main(["check", "--config", "mine.yaml"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "the same image" in line]
    assert len(lines) == 1 and "given 3 times" in lines[0]
    assert all(f"sub-0{n}" in lines[0] for n in (1, 2, 3)) and "sub-04" not in lines[0]
