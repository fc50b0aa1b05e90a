"""Region tables of HALFpipe, C-PAC, PCP and HCP: which run, which atlas, which names."""

import json

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, ParcelsAxis, SeriesAxis

from neuro.io.problems import InputProblem
from neuro.io.regions.roi import read_roi_table
from neuro.io.regions.roi_scan import scan_roi_tables, varieties

SERIES = np.random.default_rng(0).standard_normal((30, 2)).astype(np.float32)


def text(path, header="", values=SERIES):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join("\t".join(f"{cell:.5f}" for cell in row) for row in values)
    path.write_text((header + "\n" if header else "") + rows + "\n")


def parcels(path, series=SERIES, step=0.72, unit="SECOND", turned=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    models = [
        (f"P{n}", BrainModelAxis.from_mask(np.ones((1, 1, 1)), name="thalamus_left"))
        for n in range(series.shape[1])
    ]
    axes = (SeriesAxis(0, step, len(series), unit), ParcelsAxis.from_brain_models(models))
    values = series
    if turned:
        axes, values = axes[::-1], series.T
    nibabel.save(Cifti2Image(values, Cifti2Header.from_axes(axes)), path)


@pytest.mark.parametrize("turned", [False, True])
def test_parcels_have_their_names_and_the_interval_of_the_header(tmp_path, turned):
    path = tmp_path / "sub-01_task-rest_space-fsLR_timeseries.ptseries.nii"
    parcels(path, turned=turned)
    run = read_roi_table(path)
    np.testing.assert_allclose(run.series, SERIES, rtol=1e-6)
    assert (run.regions, run.tr, run.run_key) == (["P0", "P1"], 0.72, "sub-01_task-rest")
    table = scan_roi_tables(tmp_path)
    assert table["tr"].tolist() == [0.72] and table["status"].tolist() == ["ok"]


def test_a_file_of_parcels_without_time_is_refused(tmp_path):
    path = tmp_path / "sub-01_timeseries.ptseries.nii"
    parcels(path, unit="HERTZ")
    with pytest.raises(InputProblem, match=r"no sampling interval .* set data\.tr"):
        read_roi_table(path)
    assert read_roi_table(path, tr=2.0).tr == 2.0
    for content in (b"", b"not cifti"):
        path.write_bytes(content)
        with pytest.raises(InputProblem) as caught:
            read_roi_table(path, tr=2.0)
        assert len(caught.value.problems) == 1


def test_parcels_beside_a_text_table_are_not_a_second_run(tmp_path):
    base = tmp_path / "sub-01/func/sub-01_task-rest_space-fsLR_atlas-4S_stat-mean_timeseries"
    text(base.with_suffix(".tsv"), "a\tb")
    parcels(base.parent / (base.name + ".ptseries.nii"))
    table = scan_roi_tables(tmp_path, tr=2.0)
    assert table["path"].tolist() == [f"sub-01/func/{base.name}.tsv"]


def test_halfpipe(tmp_path):
    for feature in ("corr1", "corr2"):
        for atlas in ("power", "schaefer"):
            name = f"sub-01_task-rest_feature-{feature}_atlas-{atlas}_timeseries"
            path = tmp_path / "sub-01/func/task-rest" / f"{name}.tsv"
            text(path)
            path.with_suffix(".json").write_text(json.dumps({"SamplingFrequency": 0.5}))
    words = [f"corr{n}/{atlas}" for n in (1, 2) for atlas in ("power", "schaefer")]
    assert sorted(varieties(tmp_path)) == words
    with pytest.raises(InputProblem, match="choose one: corr1/power, corr1/schaefer"):
        scan_roi_tables(tmp_path)
    table = scan_roi_tables(tmp_path, atlas="corr2/power")
    assert table["run_key"].tolist() == ["sub-01_task-rest"]
    assert table["tr"].tolist() == [2.0]
    with pytest.raises(InputProblem, match="did you mean 'corr2/power'"):
        scan_roi_tables(tmp_path, atlas="corr2/powr")


def test_tables_of_abide_name_their_atlas_at_the_end(tmp_path):
    import pandas as pd

    for subject in ("Pitt_0050003", "Pitt_0050004"):
        for atlas in ("aal", "cc200"):
            text(tmp_path / f"{subject}_rois_{atlas}.1D", "#2001\t#2002")
    people = pd.DataFrame({"participant_id": ["0050003", "0050004"]})
    assert dict(varieties(tmp_path)) == {"aal": 2, "cc200": 2}
    with pytest.raises(InputProblem, match="the tables come from several"):
        scan_roi_tables(tmp_path, people, tr=2.0)
    table = scan_roi_tables(tmp_path, people, tr=2.0, atlas="cc200")
    assert table["participant_id"].tolist() == ["0050003", "0050004"]
    run = read_roi_table(tmp_path / table["path"][0], tr=2.0)
    assert run.regions == ["2001", "2002"]


def test_two_regressions_of_cpac_are_two_versions_of_one_run(tmp_path):
    for word in ("36parameter", "aCompCor"):
        name = f"sub-01_ses-1_task-rest_reg-{word}_atlas-CC200_desc-Mean-1_timeseries.1D"
        text(tmp_path / "sub-01/ses-1/func" / name, "#1\t#2")
    assert sorted(varieties(tmp_path)) == ["36parameter/CC200", "aCompCor/CC200"]
    table = scan_roi_tables(tmp_path, tr=2.0, atlas="aCompCor/CC200")
    assert table["run_key"].tolist() == ["sub-01_ses-1_task-rest"]
