"""Maps of stage fmri in the report: tables against the images, drawings against their tables."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.tables import write_tsv
from neuro.report.figures.cohort import run_maps
from neuro.report.site import model

AFFINE = np.diag([-8.0, 8.0, 8.0, 1.0])
AFFINE[:3, 3] = [72, -100, -60]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Group maps with one known peak each, two seeds, two sites."""
    place, rng = tmp_path_factory.mktemp("fmri"), np.random.default_rng(0)
    shape = (19, 22, 20)
    seen = np.zeros(shape, bool)
    seen[2:-2, 2:-2, 2:-2] = True
    rows, regions = [], []
    for name, width in (("reho", 1), ("seed", 2)):
        data = rng.standard_normal((*shape, width)).clip(-2, 2) * seen[..., None]
        data[5, 6, 7, 0] = 9.0
        if name == "seed":
            data[8, 9, 10, 1] = -4.0
        count = np.where(seen, 11, 0)[..., None].repeat(width, axis=3)
        count[5, 6, 7] = 3
        for what, values in (("mean", data.astype("f4")), ("n", count.astype("i2"))):
            values = values[..., 0] if name == "reho" else values
            nib.save(nib.Nifti1Image(values, AFFINE), place / f"group_{name}_{what}.nii.gz")
        for number in range(width):
            seed = ("pcc", "m1")[number] if name == "seed" else "n/a"
            for run in range(6):
                row = {"run_key": f"r{run}", "participant_id": run, "site": "ab"[run % 2]}
                row |= {"map": name, "seed": seed, "n": 9, "mean": run + number, "sd": 1.0}
                rows.append(row)
            for region in range(15):
                row = {"map": name, "seed": seed, "region": f"{region:03d}", "sd": 0.1, "n": 6}
                regions.append(row | {"mean": region * (1 if number else -1)})
    write_tsv(place / "maps.tsv", pd.DataFrame(rows))
    write_tsv(place / "group_maps.tsv", pd.DataFrame(regions))
    return place


def test_tables_hold_what_the_images_hold(folder):
    blocks = run_maps.blocks(folder)
    (figure,) = [block for block in blocks if isinstance(block, model.Figure)]
    table = figure.data.set_index("series")
    assert list(table.index) == ["reho", "seed_pcc", "seed_m1"]
    assert list(table["label"]) == ["ReHo", "Seed pcc", "Seed m1"]
    peak = AFFINE @ [5, 6, 7, 1]
    for name in ("reho", "seed_pcc"):
        assert table.loc[name, ["high", "high_x", "high_y", "high_z"]].tolist() == [9, *peak[:3]]
    assert table.loc["seed_m1", "low"] == -4 and (table["people"] == 11).all()
    image = np.asarray(nib.load(folder / "group_reho_mean.nii.gz").dataobj)
    seen = np.asarray(nib.load(folder / "group_reho_n.nii.gz").dataobj) > 0
    assert table.loc["reho", "scale"] == pytest.approx(np.percentile(np.abs(image[seen]), 99))
    assert table.loc["seed_pcc", "scale"] == table.loc["seed_m1", "scale"]
    sites = next(block for block in blocks if isinstance(block, model.Table))
    assert [row["site"] for row in sites.rows] == ["a", "b"]
    assert sites.rows[0]["reho n/a"] == 2 and sites.rows[1]["seed m1"] == 4
    details = next(block for block in blocks if isinstance(block, model.Details))
    assert [row["region"] for row in details.blocks[0].rows][:2] == ["000", "001"]
    assert [row["region"] for row in details.blocks[2].rows][:2] == ["014", "013"]
    assert all(len(block.rows) == run_maps.RANKS for block in details.blocks)


def test_without_maps_or_images_nothing_is_drawn(folder, tmp_path):
    assert run_maps.blocks(tmp_path) == []
    for name in ("maps.tsv", "group_maps.tsv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    blocks = run_maps.blocks(tmp_path)
    assert not any(isinstance(block, model.Figure) for block in blocks)
    assert any("native space" in block.text for block in blocks if isinstance(block, model.Text))
