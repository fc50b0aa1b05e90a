"""Pages of the stage fmri: numbers and pictures against slow or planted versions."""

import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import write_tsv
from neuro.io.regions.connectomes import write_connectomes
from neuro.report.figures import draw, fmri_edges, fmri_runs, fmri_slices
from neuro.report.pages import fmri, record
from neuro.report.site import model
from neuro.report.site.labels import Labels


def test_edges_fill_a_symmetric_matrix():
    edges = np.arange(6.0)
    full = draw.from_edges(edges, 4)
    assert np.allclose(full[np.triu_indices(4, 1)], edges)
    assert np.array_equal(full, full.T, equal_nan=True)
    assert np.isnan(np.diag(full)).all()


def test_mean_connectome_counts_people_not_runs():
    edges = np.array([[1.0, 4.0], [3.0, np.nan], [10.0, 0.0]])
    mean = fmri_edges._mean_over_people(edges, ["a", "a", "b"])
    assert np.allclose(mean, [(2 + 10) / 2, (4 + 0) / 2])


def test_connectome_before_cleaning_is_the_mean_of_fisher_z(tmp_path):
    rng = np.random.default_rng(0)
    keys, expected = [], []
    for number in range(3):
        key = f"sub-0{number}_task-rest"
        series = rng.standard_normal((60, 5)) + rng.standard_normal((60, 1))
        series[:, 4] = np.nan if number == 0 else series[:, 4]
        place = tmp_path / f"sub-0{number}" / "func"
        place.mkdir(parents=True)
        table = pd.DataFrame(series, columns=list("ABCDE"))
        write_tsv(place / f"{key}_atlas-x_desc-preproc_timeseries.tsv", table)
        keys.append(key)
        z = np.full((5, 5), np.nan)
        for i in range(5):
            for j in range(5):
                if i != j and not np.isnan(series[:, [i, j]]).any():
                    z[i, j] = np.arctanh(np.corrcoef(series[:, i], series[:, j])[0, 1])
        expected.append(z)
    mean, n_runs = fmri_edges._before(tmp_path, [*keys, "sub-99_task-rest"], 5, "fisher_z")
    assert n_runs == 3
    slow = np.full((5, 5), np.nan)
    for i, j in np.argwhere(~np.eye(5, dtype=bool)):
        slow[i, j] = np.mean([z[i, j] for z in expected if np.isfinite(z[i, j])])
    assert np.allclose(mean, slow, atol=1e-6, equal_nan=True)


@pytest.fixture(scope="module")
def qc_fc_blocks(planted_results):
    return fmri_edges.qc_fc(planted_results / "fmri")


def test_qc_fc_numbers_are_those_of_the_table(planted_results, qc_fc_blocks):
    table = pd.read_csv(planted_results / "fmri" / "qc_fc.tsv", sep="\t")
    shown = next(block for block in qc_fc_blocks if isinstance(block, model.Table)).rows
    for row in shown:
        part = table[table["stage"] == row["stage"]]
        x, y = part["distance_mm"] / 100, part["r"]
        slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
        assert row["slope"] == pytest.approx(slope)
        assert row["share"] == pytest.approx((part["p"] < 0.05).mean())
        assert row["median"] == pytest.approx(part["r"].abs().median())


def test_qc_fc_without_distances_or_before_is_drawn_all_the_same(tmp_path):
    rng = np.random.default_rng(0)
    write_tsv(
        tmp_path / "qc_fc.tsv",
        pd.DataFrame({"stage": "after", "r": rng.uniform(-0.3, 0.3, 50), "p": 0.5}),
    )
    blocks = fmri_edges.qc_fc(tmp_path)
    assert [b.name for b in blocks if isinstance(b, model.Figure)] == ["qc_fc"]


def test_connectome_of_many_edges_is_binned(tmp_path):
    rng = np.random.default_rng(0)
    n = 5000
    distance = rng.uniform(5, 150, n)
    r = 0.1 * rng.standard_normal(n) - 0.001 * distance
    table = pd.DataFrame({"stage": "after", "r": r, "p": 0.5, "distance_mm": distance})
    write_tsv(tmp_path / "qc_fc.tsv", table)
    blocks = fmri_edges.qc_fc(tmp_path)
    row = next(block for block in blocks if isinstance(block, model.Table)).rows[0]
    assert row["slope"] == pytest.approx(-0.1, abs=0.02)


def test_excluded_runs_do_not_count_in_the_site_table(planted_results):
    qc = pd.read_csv(planted_results / "fmri" / "group_qc.tsv", sep="\t", dtype={"run_key": str})
    table = fmri._site_table(qc)
    rows = {row["site"]: row for row in table.rows}
    used = qc[(qc["site"] == "beta") & (qc["status"] == "used")]
    assert rows["beta"]["runs"] == len(used) == 5
    assert rows["beta"]["out"] == 1 and rows["alpha"]["out"] == 0
    assert rows["beta"]["mean_fd"] == pytest.approx(used["mean_fd"].median())


def test_tables_only_and_measures_that_are_not_known(tmp_path):
    """Region tables have no motion and no images: those figures are left out, no error."""
    (tmp_path / "fmri").mkdir()
    qc = pd.DataFrame(
        {
            "run_key": ["sub-1_task-rest", "sub-2_task-rest"],
            "participant_id": ["1", "2"],
            "site": [None, None],
            "n_volumes": [172, 172],
            "minutes_kept": [5.7, 5.7],
            "mean_fd": [np.nan, np.nan],
            "in_band_power": [0.97, 0.95],
            "dof_left": [48.0, 47.0],
        }
    )
    write_tsv(tmp_path / "fmri" / "group_qc.tsv", qc)
    config = {"data": {"kind": "adhd200"}, "fmri": {"min_seconds": 240}}
    section = fmri.sections(tmp_path, config, Labels())[0]
    assert {figure.name for figure in section.figures()} == {
        "minutes_kept",
        "dof_left",
        "in_band_power",
    }


@pytest.mark.parametrize(
    ("kind", "space", "affine", "warned"),
    [
        ("bids", "native", None, True),
        ("bids", "native", "xfm.txt", False),
        ("fmriprep", "T1w", None, True),
        ("fmriprep", "MNI152NLin2009cAsym", None, False),
        ("nifti", "native", None, False),
    ],
)
def test_native_space_is_warned_about(tmp_path, kind, space, affine, warned):
    (tmp_path / "fmri").mkdir()
    runs = pd.DataFrame({"run_key": ["sub-1"], "participant_id": ["1"], "space": [space]})
    write_tsv(tmp_path / "fmri" / "runs.tsv", runs)
    config = {"data": {"kind": kind}, "fmri": {"normalise": {"affine": affine}}}
    section = fmri.sections(tmp_path, config, Labels())[0]
    texts = [b.text for b in section.blocks if isinstance(b, model.Text) and b.kind == "warning"]
    assert [("no normalisation" in text) for text in texts] == [True] * warned


def test_slice_timing_and_failed_volumes_are_told(tmp_path):
    import json

    folder = tmp_path / "fmri" / "sub-1" / "func"
    folder.mkdir(parents=True)
    for run, done in (("1", True), ("2", False), ("3", True)):
        base = folder / f"sub-1_run-{run}_desc-preproc_bold"
        base.with_suffix(".nii.gz").write_bytes(b"" if run == "3" else b"x")
        content = {"SliceTimingCorrected": done, "FailedVolumes": [4] if done else []}
        base.with_suffix(".json").write_text(json.dumps(content))
    config = {"data": {"kind": "bids"}, "fmri": {}}
    section = fmri.sections(tmp_path, config, Labels())[0]
    (text,) = [b.text for b in section.blocks if isinstance(b, model.Text) and b.kind == "note"]
    assert "corrected in 1 of 2 runs; the others do not say" in text
    assert "1 volume could not be realigned" in text


def test_stretches_of_censored_volumes():
    assert fmri_runs._stretches(np.array([], int)) == []
    found = fmri_runs._stretches(np.array([0, 1, 2, 5, 7, 8]))
    assert [(int(a), int(b)) for a, b in found] == [(0, 2), (5, 5), (7, 8)]


def test_carpet_of_kept_volumes_is_put_back_in_its_place():
    kept = np.array([True, False, True, True, False])
    after = np.arange(6.0).reshape(2, 3)
    full = fmri_runs._in_place(after, kept)
    assert np.allclose(full[:, kept], after)
    assert np.isnan(full[:, ~kept]).all()
    whole = np.zeros((2, 5))
    assert fmri_runs._in_place(whole, kept).shape == (2, 5)


def test_slices_keep_left_left_and_up_up_in_true_proportions():
    values = {f"{name}_{axis}": np.zeros((4, 6)) for name in ("mean", "mask") for axis in "xyz"}
    for axis in "xyz":
        values[f"mask_{axis}"][:] = 1
        values[f"mean_{axis}"][:] = 1.0
        # First index, last index: on the left, at the top.
        values[f"mean_{axis}"][0, -1] = 100.0
    picture = fmri_slices._mosaic(
        values, "mean", {"x": (2.0, 4.0), "y": (2.0, 4.0), "z": (2.0, 2.0)}
    )
    height = fmri_slices._PANEL
    # Panel z: 4 voxels of 2 mm across, 6 of 2 mm up.
    width = round(4 * 2 * height / (6 * 2))
    panel = picture[-height:, -(width + 4) : -4]
    inner = panel[8:20, 8:20].mean()
    assert inner > 0.95
    assert panel[-20:-8, 8:20].mean() < 0.1 and panel[8:20, -20:-8].mean() < 0.1
    # Panels x and y are 6 voxels of 4 mm high: only two thirds as wide for the same height.
    assert picture.shape[1] == 2 * (round(4 * 2 * height / (6 * 4)) + 8) + width + 8


def test_mask_edge_is_the_rim_of_the_mask():
    mask = np.zeros((10, 10), bool)
    mask[3:7, 3:7] = True
    _, edge = fmri_slices._enlarge(np.zeros((10, 10, 3)), mask, 4.0, 4.0)
    # A square of 16 pixels without its inner square of 12.
    assert edge.sum() == 16**2 - 12**2
    assert not edge[: 3 * 4].any() and not edge[:, : 3 * 4].any()


def test_runs_with_largest_motion_are_chosen_and_ties_are_stable():
    qc = pd.DataFrame({"run_key": ["a", "b", "c", "d"], "mean_fd": [0.1, 0.4, np.nan, 0.4]})
    assert fmri_runs._worst(["a", "b", "c", "d"], qc, 2) == ["b", "d"]
    assert fmri_runs._worst(["a", "b", "c", "d"], qc, 3) == ["a", "b", "d"]
    assert fmri_runs._worst(["b", "a"], None, 1) == ["a"]


def test_excluded_runs_leave_empty_files_that_are_not_read(planted_results):
    cleaning, atlas = fmri_runs.find(planted_results / "fmri")
    assert sorted(cleaning) == sorted(atlas) == [f"sub-0{n}_task-rest" for n in (1, 2, 3)]


def test_run_without_motion_or_images_still_has_its_carpet(tmp_path):
    place = tmp_path / "sub-1" / "ses-2" / "func"
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.savez(
        place / "sub-1_ses-2_task-rest_desc-figures_bold.npz",
        carpet_before=rng.standard_normal((50, 40)).astype(np.float16),
        carpet_after=np.full((50, 40), np.nan, np.float16),
        fd=np.full(40, np.nan, np.float32),
        std_dvars=np.full(40, np.nan, np.float32),
        kept=np.zeros(40, bool),
        tr=np.float32(2),
    )
    blocks = fmri_runs.blocks(tmp_path, None, {}, Labels(), 40)
    names = [figure.name for figure in model.Section("fmri", "", blocks).figures()]
    assert names == ["sub-1_ses-2_task-rest_carpet"]


def test_other_kinds_of_connectome_are_not_compared_with_correlations(tmp_path):
    edges = np.random.default_rng(0).standard_normal((3, 10))
    path, people = tmp_path / "connectomes.h5", ["1", "2", "3"]
    write_connectomes(path, edges, people, ["a", "b", "c"], list("ABCDE"), "partial")
    names = [b.name for b in fmri_edges.connectomes(tmp_path) if isinstance(b, model.Figure)]
    assert names == ["connectome"]


@pytest.mark.parametrize(
    ("path", "stage", "expected"),
    [
        ("fmri/sub-01/func/sub-01_task-rest_fmri_clean.tsv", "fmri", "fmri_clean"),
        ("adhd/permutations/chunk-3_adhd_permute.tsv", "adhd", "adhd_permute"),
        ("adhd/adhd_graph_roi.tsv", "adhd", "adhd_graph_roi"),
        ("report/report.tsv", "report", "report"),
        ("fmri/other.tsv", "fmri", "other"),
    ],
)
def test_rule_names_from_benchmark_files(tmp_path, path, stage, expected):
    assert record.rule_name(tmp_path / path, stage) == expected


def test_costs_are_summed_by_rule_and_short_jobs_do_not_hurt(planted_results):
    section = record.section(planted_results, {}, ["fmri", "adhd"], Labels())
    table = next(b for b in section.blocks if isinstance(b, model.Table))
    rows = {row["rule"]: row for row in table.rows}
    assert rows["fmri_clean"]["jobs"] == 12
    assert rows["fmri_clean"]["wall"] == pytest.approx(12 * 2.5)
    assert rows["fmri_clean"]["cpu"] == pytest.approx(24)
    assert np.isnan(rows["fmri_qc"]["cpu"]) and rows["fmri_qc"]["wall"] == pytest.approx(0.2)
    assert rows[""]["cpu"] == pytest.approx(24 + 28) and rows[""]["rss"] == 600
    # The stage that is switched off does not appear.
    section = record.section(planted_results, {}, ["fmri"], Labels())
    table = next(b for b in section.blocks if isinstance(b, model.Table))
    assert "adhd" not in {row["stage"] for row in table.rows}
