"""Damaged runs: one line each; with skip_bad_subjects the others go on and the table says why."""

import html

import datasets
import pandas as pd
import pytest
import yaml
from common import only, report_text, snakemake

LABELS = [f"{number:02d}" for number in range(1, 11)]


def settings(folder, **sections):
    mapping = {
        "data": {"kind": "fmriprep", "root": "prep"},
        "fmri": {"atlas": "prep/atlas.nii.gz"},
        "adhd": {"enabled": False},
    }
    for name, keys in sections.items():
        mapping[name] = mapping.get(name, {}) | keys
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(mapping)))


def run(folder, *targets):
    """Status and everything that was printed."""
    result = snakemake(
        folder, *targets, "--configfile", "mine.yaml", "--cores", "2", "--keep-going", check=False
    )
    text = result.stderr + result.stdout
    assert "Traceback" not in text
    return result.returncode, text


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """Ten subjects, eight of them damaged each in its own way, run to the end."""
    folder = tmp_path_factory.mktemp("spoiled")
    datasets.tiny(folder / "prep", LABELS)
    told = datasets.spoil(folder / "prep")
    settings(folder, execution={"skip_bad_subjects": True})
    code, text = run(folder)
    assert code == 0, text
    return folder, told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "words"),
    [
        pytest.param("03", "the file is cut off", id="truncated NIfTI"),
        pytest.param("04", "3D image of shape (6, 6, 6), expected 4D", id="3D instead of 4D"),
        pytest.param(
            "05",
            "sampling interval is 2 s in the sidecar but 3 s in the header",
            id="TR mismatch",
        ),
        pytest.param("06", "no column 'csf', needed by strategy '36P'", id="missing column"),
        pytest.param("07", "no volume left after censoring", id="all volumes censored"),
        pytest.param("08", "grid 5x6x6 differs from 6x6x6", id="mask on another grid"),
        pytest.param("09", "not readable as JSON", id="unreadable JSON"),
        pytest.param("10", "253 rows", id="rows and volumes differ"),
    ],
)
def test_a_bad_run_is_left_out_with_its_reason(spoiled, label, words):
    folder, told = spoiled
    assert told[label] in words or words in told[label]
    table = pd.read_csv(folder / "results/fmri/exclusions.tsv", sep="\t", dtype=str)
    rows = table[table["what"].str.startswith(f"sub-{label}")]
    assert len(rows) == 1, rows
    reason = rows["reason"].iloc[0]
    assert words in reason and "\n" not in reason and len(reason) <= 200
    assert rows["step"].notna().all()
    # the report says the same, and nothing of the run goes further
    page = report_text(folder)
    assert f"sub-{label}" in page and html.escape(words, quote=False) in html.unescape(page)
    image = (
        folder
        / f"results/work/fmri/sub-{label}/func/sub-{label}_task-rest_desc-denoised_bold.nii.gz"
    )
    # a run that the scan refused is not planned at all
    assert not image.exists() if label == "09" else image.stat().st_size == 0


@pytest.mark.slow
def test_the_others_go_on(spoiled):
    folder, told = spoiled
    table = pd.read_csv(folder / "results/fmri/exclusions.tsv", sep="\t", dtype=str)
    assert set(table["what"].str[4:6]) == set(told)
    qc = pd.read_csv(folder / "results/fmri/group_qc.tsv", sep="\t", na_values="n/a")
    used = qc[qc["status"] == "used"]["run_key"].tolist()
    assert used == ["sub-01_task-rest", "sub-02_task-rest"]
    from neuro.io.regions.connectomes import read_connectomes

    assert read_connectomes(folder / "results/fmri/connectomes.h5").run_key == used


def test_without_the_setting_a_bad_run_fails_alone(tmp_path):
    datasets.tiny(tmp_path / "prep", ["01", "03"])
    path = datasets.file_of(tmp_path / "prep", "03", "_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:1000])
    settings(tmp_path)
    base = "results/work/fmri/sub-{0}/func/sub-{0}_task-rest_desc-denoised_bold.nii.gz"
    code, text = run(tmp_path, base.format("01"), base.format("03"))
    assert code == 1
    lines = [line for line in text.splitlines() if "fmri_clean: " in line]
    assert len([line for line in lines if "the file is cut off" in line]) == 1
    assert (tmp_path / base.format("01")).stat().st_size > 0
    assert not (tmp_path / base.format("03")).exists()


def test_what_the_scan_finds_stops_the_start_or_is_left_out(tmp_path):
    datasets.tiny(tmp_path / "prep", ["01", "02", "09"])
    datasets.file_of(tmp_path / "prep", "09", "_bold.json").write_text("{not json")
    datasets.file_of(tmp_path / "prep", "02", "_mask.nii.gz").unlink()
    settings(tmp_path)
    code, text = run(tmp_path, "-n")
    assert code == 1
    lines = [line for line in text.splitlines() if line.startswith("sub-")]
    assert len(lines) == 2
    assert "no brain mask on the same grid found" in lines[0]
    assert "not readable as JSON" in lines[1]
    assert "2 of 3 runs cannot be used; mend them, or set execution.skip_bad_subjects" in text
    settings(tmp_path, execution={"skip_bad_subjects": True})
    code, text = run(tmp_path, "-n")
    assert code == 0 and "fmri_clean             1" in " ".join(text.split("\n"))


def test_when_no_run_is_left_the_reasons_are_told(tmp_path):
    datasets.tiny(tmp_path / "prep", ["01"])
    datasets.file_of(tmp_path / "prep", "01", "_mask.nii.gz").unlink()
    settings(tmp_path, execution={"skip_bad_subjects": True})
    code, text = run(tmp_path, "-n")
    assert code == 1
    assert "no brain mask on the same grid found" in text
    assert "data.root: none of 1 runs in prep is usable" in text
