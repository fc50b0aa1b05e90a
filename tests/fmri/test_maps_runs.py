"""Maps of runs and of the group: files, censored and dropped volumes, people and their runs."""

import dataclasses
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neuro.fmri.clean.run import denoise_run
from neuro.fmri.maps import group, run
from neuro.fmri.maps.amplitude import alff, falff
from neuro.fmri.maps.reho import grid_neighbours, reho
from neuro.io.formats import tables
from neuro.io.images import nifti
from neuro.io.problems import InputProblem
from neuro.stats.zscore import map_z

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
SETTINGS = {"band": [0.01, 0.08], "reho_neighbours": 19, "seeds": {"a": [4, 4, 4]}}
SETTINGS |= {"sphere_mm": 4.5, "strategy": "6P"}
MASK = np.ones((4, 4, 3), bool)
MASK[0, 0] = False


def mask_image(mask=MASK):
    return nib.Nifti1Image(mask.astype(np.uint8), AFFINE)


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    """A run of 120 volumes, 4 dropped and some censored, cleaned and written as files."""
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    n, n_voxels = 120, int(MASK.sum())
    motion = np.cumsum(rng.standard_normal((n, 6)) * [0.02] * 1, axis=0)
    motion[:, 3:] /= 50
    motion[60:62] += 0.6
    series = (
        1000 + rng.standard_normal((n, n_voxels)).cumsum(axis=0) + 4 * motion @ np.ones(6)[:, None]
    )
    series = (series + rng.standard_normal(series.shape)).astype(np.float32)
    series[:, 5] = 900
    settings = {"strategy": "6P", "drop_volumes": 4, "min_seconds": 0, "smooth_mm": 0}
    result = denoise_run(series, mask_image(), tr=2.0, motion=motion, settings=settings)
    nifti.write_series(folder / "bold.nii.gz", result.denoised, mask_image(), 2.0)
    nifti.write_series(folder / "preproc.nii.gz", series, mask_image(), 2.0)
    nib.save(mask_image(), folder / "mask.nii.gz")
    tables.write_tsv(folder / "outliers.tsv", result.outliers)
    tables.write_tsv(folder / "confounds.tsv", result.confounds.table())
    return folder, series, motion, result


def maps_of(folder, names, **changes):
    more = {"preproc": folder / "preproc.nii.gz", "confounds": folder / "confounds.tsv"}
    files = [folder / name for name in ("bold.nii.gz", "mask.nii.gz", "outliers.tsv")]
    return run.maps_of_files(*files, names, SETTINGS, **(more | changes))


def test_maps_of_files_are_those_of_the_series(cleaned):
    folder, series, _, result = cleaned
    assert 80 < result.kept.sum() < 116
    maps, _ = maps_of(folder, ["alff", "falff", "reho", "seed"])
    kept = result.kept[4:]
    np.testing.assert_allclose(maps["alff"], alff(result.denoised, 2.0, (0.01, 0.08), kept))
    around = grid_neighbours(MASK, 19)
    np.testing.assert_allclose(maps["reho"], reho(result.denoised, around))
    assert np.isnan(maps["alff"][5]) and np.isnan(maps["reho"][5]) and np.isnan(maps["falff"][5])
    assert maps["seed"].shape == (len(around), 1)
    # the series before the filter: the regressors and a line, by least squares on kept volumes
    rows = result.kept
    x = np.column_stack([np.ones(rows.sum()), np.arange(120)[rows], result.confounds.values[kept]])
    y = series[rows].astype(float)
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    expected = falff(rest, 2.0, (0.01, 0.08), kept)
    live = np.arange(rest.shape[1]) != 5
    np.testing.assert_allclose(maps["falff"][live], expected[live], rtol=1e-4)


def test_without_confounds_nothing_is_regressed(cleaned):
    folder, *_ = cleaned
    (folder / "none.tsv").write_text("none\n")
    maps, _ = maps_of(folder, ["falff"], confounds=folder / "none.tsv")
    other, _ = maps_of(folder, ["falff"])
    assert np.nanmean(np.abs(maps["falff"] - other["falff"])) > 0.01


def test_tables_that_do_not_fit_and_unknown_maps_are_refused(cleaned, tmp_path):
    folder, *_ = cleaned
    table = pd.read_csv(folder / "outliers.tsv", sep="\t")
    table.loc[:9, "kept"] = 0
    tables.write_tsv(tmp_path / "outliers.tsv", table)
    with pytest.raises(InputProblem, match=r"outliers.tsv: \d+ volumes kept"):
        run.maps_of_files(
            folder / "bold.nii.gz", folder / "mask.nii.gz", tmp_path / "outliers.tsv", ["alff"], {}
        )
    with pytest.raises(ValueError, match="got 'degree'"):
        run.run_maps(np.zeros((5, 2)), mask_image(), ["degree"], tr=2)
    with pytest.raises(ValueError, match="needs series that were not filtered"):
        run.run_maps(np.zeros((5, 2)), mask_image(), ["falff"], tr=2)


class Halves:
    """Regions: first and second half of the voxels."""

    labels_ = ("one", "two")

    def transform(self, rows):
        half = rows.shape[1] // 2
        return np.column_stack([np.nanmean(rows[:, :half], 1), np.nanmean(rows[:, half:], 1)])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three people, the first with two runs, with one ragged mask each and known maps."""
    folder, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(4)
    files = {"reho": [], "seed": []}
    known = []
    for number, who in enumerate(("p", "p", "q", "r")):
        mask = rng.random((5, 4, 3)) > 0.2
        values = {"reho": rng.random(mask.sum()) * 3 + who.count("q") * 50}
        values["seed"] = rng.standard_normal((mask.sum(), 2))
        values["reho"][2] = np.nan
        if who == "r":
            values["seed"][:, 1] = np.nan
        image = mask_image(mask)
        nib.save(image, folder / f"mask{number}.nii.gz")
        nifti.write_map(folder / f"reho{number}.nii.gz", values["reho"], image)
        nifti.write_series(folder / f"seed{number}.nii.gz", values["seed"].T, image, 1.0)
        for name, found in run.region_means(values, Halves()).items():
            tables.write_tsv(folder / f"{name}{number}.tsv", found)
            files[name].append(
                group.RunMaps(
                    f"run{number}",
                    who,
                    "s",
                    folder / f"{name}{number}.nii.gz",
                    folder / f"{name}{number}.tsv",
                    folder / f"mask{number}.nii.gz",
                )
            )
        known.append((who, mask, values))
    return files, known


def test_group_means_are_over_people_and_z_scored(cohort):
    files, known = cohort
    for name, width in (("reho", 1), ("seed", 2)):
        people = {}
        for who, mask, values in known:
            whole = np.full((*mask.shape, width), np.nan)
            one = np.float32(values[name]).astype(float).reshape(-1, width)
            whole[mask] = map_z(one) if name == "reho" else one
            people.setdefault(who, []).append(whole)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            own = [np.nanmean(runs, axis=0) for runs in people.values()]
            expected = np.nanmean(own, axis=0)
        mean, n, affine = group.group_volume(name, files[name])
        np.testing.assert_allclose(mean, expected, rtol=1e-6)
        np.testing.assert_array_equal(n, np.isfinite(own).sum(axis=0))
        np.testing.assert_array_equal(affine, AFFINE)


def test_tables_of_runs_and_regions(cohort):
    files, known = cohort
    runs, regions, content, left_out, _ = group.gather(files, {"a": [0, 0, 0], "b": [1, 1, 1]})
    assert list(runs.columns) == list(group.RUN_COLUMNS) and len(runs) == 4 + 8
    first = runs.iloc[0]
    values = known[0][2]["reho"]
    assert (first["n"], first["seed"]) == (len(values) - 1, "n/a")
    assert first["mean"] == pytest.approx(np.nanmean(values), rel=1e-5)
    assert [row["what"] for row in left_out] == ["run3"]
    assert left_out[0]["reason"] == "seed 'b': no voxel with signal"
    assert content.maps["reho"].shape == (4, 2) and content.maps["seed"].shape == (4, 2, 2)
    # a region's mean z is the mean of the z-scores of its voxels
    z = map_z(values)
    assert content.maps["reho"][0, 0] == pytest.approx(np.nanmean(z[: len(z) // 2]), rel=1e-5)
    row = regions[(regions["map"] == "reho") & (regions["region"] == "one")].iloc[0]
    per_run = content.maps["reho"][:, 0]
    people = [per_run[:2].mean(), per_run[2], per_run[3]]
    assert (row["n"], row["mean"]) == (3, pytest.approx(np.mean(people)))
    assert row["sd"] == pytest.approx(np.std(people, ddof=1))
    rows = regions[(regions["map"] == "seed") & (regions["seed"] == "b")]
    assert rows["n"].tolist() == [2, 2]


def test_runs_left_out_grids_and_regions_are_looked_at(cohort, tmp_path):
    files, _ = cohort
    empty = tmp_path / "empty.nii.gz"
    empty.write_bytes(b"")
    gone = [dataclasses.replace(item, image=empty) for item in files["reho"]]
    with pytest.raises(InputProblem, match="every run was excluded"):
        group.gather({"reho": gone}, {})
    some = group.gather({"reho": [gone[0], *files["reho"][1:]]}, {})
    assert some[2].run_key == ["run1", "run2", "run3"]
    other = pd.DataFrame({"one": [1.0], "three": [2.0]})
    tables.write_tsv(tmp_path / "other.tsv", other)
    changed = dataclasses.replace(files["reho"][1], table=tmp_path / "other.tsv")
    with pytest.raises(InputProblem, match="its regions are not those"):
        group.gather({"reho": [files["reho"][0], changed]}, {})
    nib.save(mask_image(np.ones((3, 3, 3), bool)), tmp_path / "mask.nii.gz")
    changed = dataclasses.replace(files["reho"][1], mask=tmp_path / "mask.nii.gz")
    with pytest.raises(InputProblem):
        group.group_volume("reho", [files["reho"][0], changed])


def test_z_scores_of_maps():
    z = map_z([1.0, np.nan, 3.0])
    np.testing.assert_allclose(z, [-1, np.nan, 1])
    np.testing.assert_array_equal(map_z([2.0, 2.0]), [0, 0])
    assert np.isnan(map_z([np.nan, np.nan])).all()
