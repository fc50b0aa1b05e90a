"""Maps of grayordinates on the inflated cortex: the tables, and that pictures show them."""

import io

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import surfaces

from neuro.fmri.clean.mesh import cotangent_laplacian
from neuro.io.images import grayordinates as gray
from neuro.io.images.meshes import bundled, inflated
from neuro.report.figures import brains
from neuro.report.pages import cortex
from neuro.report.site import model

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Results of two runs, group maps, and the meshes."""
    folder = tmp_path_factory.mktemp("study")
    models = surfaces.axis(subdivisions=2)
    for side, mesh in zip("LR", surfaces.meshes(2).values()):
        surfaces.gifti_mesh(folder / f"{side}.surf.gii", *mesh)
    fmri, adhd = folder / "results/fmri", folder / "results/adhd"
    files, atlas = {}, {}
    owner = RNG.integers(0, 4, len(models))
    for number, key in enumerate(("sub-1_task-rest", "sub-2_task-rest"), start=1):
        func = fmri / f"sub-{number}/func"
        func.mkdir(parents=True)
        gray.write_scalars(
            func / f"{key}_desc-brain_mask.dscalar.nii", {"brain": np.ones(len(models))}, models
        )
        tsnr = (owner * 10.0 + number).astype(np.float32)
        tsnr[owner == 3] = 0 if number == 1 else 7
        files[key], atlas[key] = func / f"{key}_c.npz", func / f"{key}_a.npz"
        np.savez(files[key], tsnr_gray=tsnr)
        np.savez(atlas[key], atlas_gray=owner)
    table = pd.DataFrame({"region": ["a", "b", "c"]})
    table.to_csv(fmri / "regions.tsv", sep="\t", index=False)
    adhd.mkdir()
    maps = {kind: RNG.normal(size=len(models)) for kind in ("case", "control", "difference")}
    for kind, values in maps.items():
        gray.write_scalars(adhd / f"group_degree_{kind}.dscalar.nii", {"map": values}, models)
    config = {"fmri": {"surfaces": {s: str(folder / f"{s[0].upper()}.surf.gii") for s in SIDES}}}
    return folder, config, models, maps, (files, atlas)


SIDES = ("left", "right")


def test_signal_to_noise_of_a_region_is_the_mean_over_its_live_nodes_and_runs(study):
    files, atlas = study[-1]
    table = cortex.quality_table(files, atlas, ["a", "b", "c"])
    assert table["tsnr"].tolist() == pytest.approx([11.5, 21.5, 7.0])
    assert table["n_runs"].tolist() == [2, 2, 1]


def test_the_table_of_maps_names_scales_and_peaks(study):
    _, _, models, maps, _ = study
    table = cortex.map_table(maps, models, dict.fromkeys(maps, "x")).set_index("series")
    both = np.abs(np.concatenate([maps["case"], maps["control"]]))
    assert table.loc["case", "scale"] == table.loc["control", "scale"] == np.percentile(both, 99)
    for kind, values in maps.items():
        row, at = table.loc[kind], int(np.argmax(values))
        assert row["high"] == values[at]
        name, place, part = next(
            item for item in gray.structures(models) if item[1].start <= at < item[1].stop
        )
        own = at - place.start
        assert row["high_in"] == name
        assert row["high_at"] == (own if name == "THALAMUS_LEFT" else part.vertex[own])


def test_values_stand_at_their_vertices_and_nowhere_else(study):
    _, _, models, maps, _ = study
    shown = brains.on_vertices(maps["case"], models)
    assert set(shown) == set(surfaces.NAMES)
    for name, place, part in gray.structures(models):
        if name in shown:
            assert np.array_equal(shown[name][part.vertex], maps["case"][place])
            assert np.isnan(np.delete(shown[name], part.vertex)).all()


def image(figure):
    return matplotlib.image.imread(io.BytesIO(figure.png))


def test_pictures_show_the_maps(study):
    folder, config, *_, arrays = study
    blocks = cortex.group_maps(folder / "results/adhd", config, str)
    (figure,) = [block for block in blocks if isinstance(block, model.Figure)]
    assert figure.name == "cortex_degree" and len(figure.data) == 3
    (quality,) = cortex.quality(folder / "results/fmri", *arrays, config)
    for shown in (figure, quality):
        assert image(shown)[..., :3].std() > 0.05
    assert quality.data["region"].tolist() == ["a", "b", "c"]


def test_without_meshes_a_line_says_so(study):
    folder, *_, arrays = study
    (note,) = cortex.group_maps(folder / "results/adhd", {}, str)
    assert "fmri.surfaces gives one" in note.text
    (note,) = cortex.quality(folder / "results/fmri", *arrays, {})
    assert "fmri.surfaces gives one" in note.text
    assert cortex.group_maps(folder / "results/fmri", {}, str) == []


def test_inflation_takes_the_folds_and_keeps_the_area():
    coords, faces = bundled("midthickness")["CORTEX_LEFT"]
    smooth = inflated(coords, faces)

    def area(points):
        return cotangent_laplacian(points, faces)[1].sum()

    def folding(points):
        """Mean curvature normal: how far vertices stand out from their neighbours."""
        stiffness, mass = cotangent_laplacian(points, faces)
        return np.median(np.linalg.norm(stiffness @ points, axis=1) / mass)

    assert area(smooth) == pytest.approx(area(coords), rel=1e-6)
    assert folding(smooth) < 0.3 * folding(coords)
    assert np.allclose(smooth.mean(axis=0), coords.mean(axis=0))
