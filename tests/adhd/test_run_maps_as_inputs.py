"""ALFF, ReHo and seed maps beside graph maps: features of voxels and regions, judged alike."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neuro.adhd.diagnosis import variants
from neuro.adhd.features import gather
from neuro.adhd.features.graph_features import GraphFeatures
from neuro.config.resolve import resolve
from neuro.io.formats import tables
from neuro.io.images import graph_maps, nifti
from neuro.io.problems import InputProblem
from neuro.stats.subjects import make_folds
from neuro.stats.zscore import map_z

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def image(values):
    return nib.Nifti1Image(np.asarray(values, np.uint8), AFFINE)


def test_voxels_are_z_scores_inside_the_mask_of_their_run(tmp_path):
    rng = np.random.default_rng(0)
    inside = np.ones((4, 3, 2), bool)
    nib.save(image(inside), tmp_path / "group.nii.gz")
    nib.save(image(1 + np.arange(24).reshape(4, 3, 2) // 12), tmp_path / "regions.nii.gz")
    tables.write_tsv(tmp_path / "labels.tsv", pd.DataFrame({"index": [1, 2], "region": ["a", "b"]}))
    files = {"reho": {}, "seed": {}, "degree": {}}
    graphs, masks, own, raw = {}, {}, {}, {}
    for key in ("r1", "r2"):
        mask = rng.random(inside.shape) > 0.2
        own[key] = mask.ravel()
        maps = {"reho": 10 * rng.random(24) + 5, "degree": rng.integers(0, 9, 24).astype(float)}
        raw[key] = np.float32(maps["reho"]).astype(float)
        for name, values in maps.items():
            files[name][key] = tmp_path / f"{name}{key}.nii.gz"
            nifti.write_map(files[name][key], values, image(inside))
        files["seed"][key] = tmp_path / f"seed{key}.nii.gz"
        nifti.write_series(files["seed"][key], rng.random((2, 24)), image(inside), 1.0)
        graphs[key] = tmp_path / f"{key}.json"
        graphs[key].write_text(json.dumps({"n_nodes": 24}))
        masks[key] = tmp_path / f"mask{key}.nii.gz"
        nib.save(image(mask), masks[key])
    paths = (tmp_path / f"{name}" for name in ("group.nii.gz", "regions.nii.gz", "labels.tsv"))
    people = {"r1": "p", "r2": "q"}
    table, _ = gather.voxel_features(files, graphs, masks, *paths, people, "mean")
    for row, key in enumerate(("r1", "r2")):
        expected = map_z(np.where(own[key], raw[key], np.nan))
        np.testing.assert_allclose(table.select("reho").X[row], expected, rtol=1e-5)
        assert np.isnan(table.select("degree").X[row][~own[key]]).all()
        assert set(table.select("degree").X[row][own[key]]) <= set(range(9))
    assert table.select("seed").X.shape == (2, 48)
    assert not table.select("reho").counts.any() and table.select("degree").counts.all()
    assert table.select("reho").region.tolist() == ["a"] * 12 + ["b"] * 12


def stored(path, keys, regions, **maps):
    content = graph_maps.GraphMaps(maps, list(keys), [key[:2] for key in keys], list(regions))
    return graph_maps.write_graph_maps(path, content)


def test_regions_are_joined_run_by_run(tmp_path):
    rng = np.random.default_rng(1)
    degree, reho = rng.random((3, 4)), rng.standard_normal((4, 4))
    seed = rng.standard_normal((4, 4, 2))
    stored(tmp_path / "roi.h5", ("p1a", "p2a", "p3a"), "abcd", degree=degree)
    stored(tmp_path / "maps.h5", ("p3a", "p2a", "px", "p1a"), "abcd", reho=reho, seed=seed)
    tables.write_tsv(
        tmp_path / "graphs.tsv",
        pd.DataFrame({"run_key": ["p1a", "p2a", "p3a"], "participant_id": ["p1", "p2", "p3"]}),
    )
    files = tmp_path / "roi.h5", tmp_path / "graphs.tsv"
    names = ["degree", "reho", "seed"]
    table, _, left_out = gather.region_features(*files, names, "mean", tmp_path / "maps.h5")
    np.testing.assert_allclose(table.select("reho").X, reho[[3, 1, 0]], rtol=1e-6)
    np.testing.assert_allclose(table.select("seed").X, seed[[3, 1, 0]].reshape(3, -1), rtol=1e-6)
    assert not left_out and table.select("seed").bin.tolist() == [0, 1] * 4
    stored(tmp_path / "less.h5", ("p3a", "p2a"), "abcd", reho=reho[:2])
    with pytest.raises(InputProblem, match="no run 'p1a'"):
        gather.region_features(*files, names, "mean", tmp_path / "less.h5")
    stored(tmp_path / "other.h5", ("p3a", "p2a", "p1a"), "abce", reho=reho[:3])
    with pytest.raises(InputProblem, match="its regions are not those"):
        gather.region_features(*files, names, "mean", tmp_path / "other.h5")


def test_a_planted_map_is_found_with_mask_nulls_and_folds_of_the_others():
    rng = np.random.default_rng(2)
    n = 60
    y = np.arange(n) % 2
    reho = rng.standard_normal((n, 40))
    reho[:, :8] += 1.2 * y[:, None]
    maps = {"degree": rng.poisson(5, (n, 40)).astype(float), "reho": reho}
    ids = [f"s{number:02d}" for number in range(n)]
    regions = np.repeat([f"r{number}" for number in range(10)], 4)
    features = GraphFeatures(["degree", "reho"], regions).table(maps, ids)
    people = pd.DataFrame(
        {"participant_id": ids, "dx": y, "site": np.where(np.arange(n) < 30, "a", "b")}
    )
    people["site_group"] = people["site"]
    folds = make_folds(people, schemes=["pooled"], outer_folds=3, repeats=1, random_state=0)
    found = variants.imaging_variants(
        features, inputs=["degree", "reho"], primary="reho+mask", n_components=[4], inner_folds=2
    )
    assert [(item.input, item.mask) for item in found if item.primary] == [("reho", "mask")]
    predictions, mask = variants.judge(found, people, folds)
    null = variants.permute(found, people, folds, n_permutations=19)
    scores = variants.summarise(predictions, null, primary="reho+mask", n_bootstrap=100)
    rows = scores[scores["metric"] == "balanced_accuracy"].drop_duplicates(["input", "mask"])
    value = rows.set_index(["input", "mask"])["value"]
    assert value["reho", "mask"] > 0.8 > 0.7 > value["degree", "mask"]
    assert rows.set_index(["input", "mask"])["p"]["reho", "mask"] == pytest.approx(0.05)
    kept = mask[(mask["input"] == "reho") & (mask["kept"] == 1)]["region"].value_counts()
    assert set(kept.index[:2]) == {"r0", "r1"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"adhd": {"features": ["reho"], "primary": "reho"}},
            "adhd.features: 'reho' is not among fmri.maps; add it there",
        ),
        ({"fmri": {"maps": ["seed"]}}, "fmri.maps: names seed, but fmri.seeds is empty"),
        (
            {"fmri": {"maps": ["seed"], "seeds": {"pcc": [0, 1]}}},
            "fmri.seeds.pcc: got [0, 1], expected three numbers in mm",
        ),
        (
            {"fmri": {"reho_neighbours": 9}},
            "fmri.reho_neighbours: got 9, expected one of 7, 19, 27",
        ),
        ({"fmri": {"maps": ["alf"]}}, "did you mean 'alff'"),
        (
            {"data": {"kind": "xcpd", "root": "."}, "fmri": {"maps": ["falff"]}},
            "fmri.maps: 'falff' needs series from before the filter",
        ),
        (
            {
                "data": {"kind": "table", "root": "."},
                "fmri": {"maps": ["alff"]},
                "adhd": {"features": ["alff"], "primary": "alff"},
            },
            "adhd.features: 'alff' is computed from voxels, region tables have none",
        ),
        (
            {
                "data": {"kind": "bids", "root": "."},
                "fmri": {"maps": ["seed"], "seeds": {"a": [0, 0, 0]}},
            },
            "fmri.maps: 'seed' needs images in template space",
        ),
    ],
)
def test_settings_that_cannot_be_are_told_in_one_line(change, line):
    found = resolve({"data": {"kind": "simulated"}, **change})
    assert any(line in problem for problem in found), found
