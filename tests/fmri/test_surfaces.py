"""Series on surfaces: read, smooth on the mesh, average over parcels; against slow versions."""

import nibabel
import numpy as np
import pytest
import surfaces
from scipy.linalg import expm

from neuro.base.beside import other_hemisphere
from neuro.fmri.clean import mesh
from neuro.fmri.clean.smooth import FWHM_TO_SIGMA, smooth_series
from neuro.fmri.regions.surface import SurfaceAtlas, SurfaceParcellator
from neuro.io.images import grayordinates as gray
from neuro.io.images.meshes import GraySpace, meshes_for, read_mesh
from neuro.io.problems import InputProblem
from neuro.io.regions.cifti import read_parcels

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def models():
    return surfaces.axis()


@pytest.fixture(scope="module")
def series(models):
    values = RNG.normal(100, 5, (9, len(models))).astype(np.float32)
    values[:, 4] = 7.0
    return values


def test_cifti_comes_back_as_it_was_written(tmp_path, models, series):
    path = gray.write_series(tmp_path / "x_bold.dtseries.nii", series, models, 0.72)
    image = gray.load_series(path)
    assert image.axis == models and image.n_volumes == 9
    assert image.tr == pytest.approx(0.72) and image.tr_source == "header"
    assert np.array_equal(image.read(), series)
    # nibabel on its own sees the same
    assert np.array_equal(np.asarray(nibabel.load(path).dataobj), series)


def test_missing_values_make_a_grayordinate_constant(tmp_path, models, series):
    broken = series.copy()
    broken[3, 10], broken[0, 11] = np.nan, np.inf
    path = gray.write_series(tmp_path / "x_bold.dtseries.nii", broken, models, 1.0)
    found = gray.load_series(path).read()
    assert not found[:, [10, 11]].any()
    assert np.array_equal(np.delete(found, [10, 11], axis=1), np.delete(series, [10, 11], axis=1))


def test_blocks_do_not_matter(tmp_path, models, series, monkeypatch):
    path = gray.write_series(tmp_path / "x_bold.dtseries.nii", series, models, 1.0)
    monkeypatch.setattr(gray, "_COLUMNS", 7)
    assert np.array_equal(gray.load_series(path).read(), series)


def test_gifti_hemispheres_stand_one_after_the_other(tmp_path):
    values = RNG.normal(size=(6, 30)).astype(np.float32)
    left, right = (tmp_path / f"s_hemi-{side}_space-x_bold.func.gii" for side in "LR")
    surfaces.gifti_series(left, values[:, :12], tr=1.5)
    with pytest.raises(InputProblem, match=r"hemi-R.*no such file"):
        gray.load_series(left)
    surfaces.gifti_series(right, values[:, 12:], tr=1.5)
    image = gray.load_series(left)
    assert image.tr == 1.5 and np.array_equal(image.read(), values)
    parts = {name: (place, model) for name, place, model in gray.structures(image.axis)}
    assert parts["CORTEX_LEFT"][0] == slice(0, 12) and parts["CORTEX_RIGHT"][0] == slice(12, 30)
    surfaces.gifti_series(right, values[:5, 12:], tr=1.5)
    with pytest.raises(InputProblem, match=r"6 volumes, .* has 5"):
        gray.load_series(left)


def test_wrong_files_are_one_line(tmp_path, models, series):
    path = tmp_path / "x_bold.dtseries.nii"
    path.write_bytes(b"")
    with pytest.raises(InputProblem, match="0 bytes"):
        gray.load_series(path)
    path.write_bytes(b"no cifti")
    with pytest.raises(InputProblem, match="not a readable CIFTI"):
        gray.load_series(path)
    gray.write_scalars(path, {"a": series[0]}, models)
    with pytest.raises(InputProblem, match="holds scalar by brainmodel, expected series"):
        gray.load_series(path)
    whole = gray.write_series(path, series, models, 1.0).read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(InputProblem, match=str(path)):
        gray.load_series(path).read()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sub-1_hemi-L_bold.func.gii", "sub-1_hemi-R_bold.func.gii"),
        ("lh.aparc.annot", "rh.aparc.annot"),
        ("S.L.midthickness.32k_fs_LR.surf.gii", "S.R.midthickness.32k_fs_LR.surf.gii"),
        ("sulc_left.gii.gz", "sulc_right.gii.gz"),
        ("Ledalab.gii", ""),
    ],
)
def test_the_other_hemisphere_by_name(name, other):
    assert other_hemisphere(name) == other


def test_other_grayordinates_are_refused(models):
    gray.check_same(models, surfaces.axis())
    with pytest.raises(InputProblem, match="use one space"):
        gray.check_same(models, surfaces.axis(n_voxels=19))
    other = surfaces.axis(wall=11)[: len(models)]
    with pytest.raises(InputProblem, match="other grayordinates than first in CORTEX_LEFT"):
        gray.check_same(models, other)


# smoothing


def dense(coords, faces, fwhm, inside):
    """exp(-t M^-1 S) from loops over triangles and a dense matrix exponential."""
    n = len(coords)
    stiffness, mass = np.zeros((n, n)), np.zeros(n)
    for face in faces:
        if not inside[face].all():
            continue
        for corner in range(3):
            a, b, c = np.roll(face, -corner)
            u, v = coords[b] - coords[a], coords[c] - coords[a]
            half = 0.5 * (u @ v) / np.linalg.norm(np.cross(u, v))
            for i, j in ((b, c), (c, b)):
                stiffness[i, j] -= half
                stiffness[i, i] += half
        u, v = coords[face[1]] - coords[face[0]], coords[face[2]] - coords[face[0]]
        mass[face] += np.linalg.norm(np.cross(u, v)) / 6
    held = mass > 0
    time = (fwhm * FWHM_TO_SIGMA) ** 2 / 2
    kernel = np.eye(n)
    part = stiffness[np.ix_(held, held)] / mass[held][:, None]
    kernel[np.ix_(held, held)] = expm(-time * part)
    return kernel, mass


def test_heat_is_the_matrix_exponential():
    coords, faces = surfaces.sphere(2)
    inside = np.ones(len(coords), dtype=bool)
    inside[:20] = False
    kernel, mass = dense(coords, faces, 25.0, inside)
    values = RNG.normal(size=(70, len(coords)))
    found = mesh.HeatKernel(coords, faces, 25.0, inside)(values)
    assert np.allclose(found, values @ kernel.T, atol=2e-5)
    # nothing flows out of what takes part, and a constant stays
    assert np.allclose(found @ mass, values @ mass, rtol=1e-5, atol=1e-3)
    ones = mesh.HeatKernel(coords, faces, 25.0, inside)(np.ones((1, len(coords))))
    assert np.allclose(ones, 1, atol=1e-5)


@pytest.mark.parametrize("fwhm", [3.0, 6.0, 10.0])
def test_on_a_plane_the_kernel_is_the_gaussian_of_that_width(fwhm):
    n, step = 41, 1.5
    x, y = np.meshgrid(np.arange(n) * step, np.arange(n) * step, indexing="ij")
    coords = np.column_stack([x.ravel(), y.ravel(), np.zeros(n * n)])
    square = np.array([[0, n, 1], [1, n, n + 1]])
    starts = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    faces = (starts[:, None, None] + square).reshape(-1, 3)
    impulse = np.zeros((1, n * n))
    impulse[0, (n * n) // 2] = 1
    found = mesh.HeatKernel(coords, faces, fwhm)(impulse)[0].astype(float)
    centre = coords[(n * n) // 2]
    variance = (found * (coords - centre)[:, 0] ** 2).sum() / found.sum()
    assert np.sqrt(variance) == pytest.approx(fwhm * FWHM_TO_SIGMA, rel=1e-3)
    gauss = np.exp(-((coords - centre) ** 2).sum(axis=1) / (2 * (fwhm * FWHM_TO_SIGMA) ** 2))
    # three edges and less are too coarse for the shape; the width is right all the same
    assert fwhm < 4 * step or np.corrcoef(found, gauss)[0, 1] > 0.995


def test_structures_do_not_mix_and_constant_ones_take_no_part(models, series):
    use = (series != series[:1]).any(axis=0)
    assert not use[4]
    found, untouched = mesh.smooth_grayordinates(series, models, 20.0, surfaces.meshes(), use=use)
    assert untouched == [] and np.array_equal(found[:, 4], series[:, 4])
    other = series.copy()
    places = {name: place for name, place, _ in gray.structures(models)}
    other[:, places["CORTEX_RIGHT"]] += 50
    other[:, 4] = 1e6
    again, _ = mesh.smooth_grayordinates(other, models, 20.0, surfaces.meshes(), use=use)
    for name in ("CORTEX_LEFT", "THALAMUS_LEFT"):
        rows = np.arange(len(models))[places[name]]
        rows = rows[rows != 4]
        assert np.array_equal(found[:, rows], again[:, rows])
    assert found[:, places["CORTEX_LEFT"]].std() < series[:, places["CORTEX_LEFT"]].std()


def test_voxels_are_smoothed_as_those_of_an_image(models, series):
    found, untouched = mesh.smooth_grayordinates(series, models, 8.0, {})
    assert untouched == list(surfaces.NAMES)
    _, place, model = list(gray.structures(models))[-1]
    inside = np.zeros(surfaces.SHAPE, dtype=np.uint8)
    inside[tuple(model.voxel.T)] = 1
    wanted = smooth_series(series[:, place], nibabel.Nifti1Image(inside, surfaces.GRID), 8.0)
    assert np.allclose(found[:, place], wanted, rtol=1e-5)
    cortex = slice(0, place.start)
    assert np.array_equal(found[:, cortex], series[:, cortex])


def test_meshes_fit_or_are_refused(tmp_path, models):
    for (_, (coords, faces)), side in zip(surfaces.meshes().items(), "LR"):
        surfaces.gifti_mesh(tmp_path / f"{side}.surf.gii", coords, faces)
    left, right = tmp_path / "L.surf.gii", tmp_path / "R.surf.gii"
    found = meshes_for(models, left, right)
    assert set(found) == set(surfaces.NAMES)
    assert np.allclose(found["CORTEX_LEFT"][0], surfaces.meshes()["CORTEX_LEFT"][0], atol=1e-4)
    assert meshes_for(models) == {}
    surfaces.gifti_mesh(left, *surfaces.sphere(1))
    with pytest.raises(InputProblem, match="42 vertices, the series have 162"):
        meshes_for(models, left, right)
    left.write_bytes(b"x")
    with pytest.raises(InputProblem, match="not a readable surface"):
        read_mesh(left)


def test_fsaverage5_has_meshes_of_its_own():
    from nibabel.cifti2 import BrainModelAxis

    parts = [BrainModelAxis.from_surface(np.arange(10242), 10242, name=n) for n in surfaces.NAMES]
    found = meshes_for(parts[0] + parts[1])
    assert set(found) == set(surfaces.NAMES)
    coords, faces = found["CORTEX_LEFT"]
    assert coords.shape == (10242, 3) and faces.shape == (20480, 3) and coords[:, 0].mean() < 0


# parcels


def space(models):
    return GraySpace(models, surfaces.meshes())


def test_a_parcel_is_the_mean_of_its_grayordinates(tmp_path, models, series):
    labels = surfaces.dlabel(tmp_path / "a.dlabel.nii", models)
    parcels = SurfaceParcellator(tmp_path / "a.dlabel.nii", space(models)).fit()
    found = parcels.transform(series)
    live = (series != series[:1]).any(axis=0)
    assert parcels.labels_ == ["area1", "area2", "area3", "area4"]
    assert parcels.describe()["AtlasFile"] == "a.dlabel.nii"
    places = gray.coordinates_mm(models, surfaces.meshes())
    for number in range(4):
        members = np.flatnonzero((labels == number + 1) & live)
        wanted = np.mean([series[:, member] for member in members], axis=0)
        assert np.allclose(found[:, number], wanted, rtol=1e-6)
        every = labels == number + 1
        assert parcels.coverage_[number] == pytest.approx(live[every].mean())
        assert np.allclose(parcels.coords_[number], places[every].mean(axis=0))


def test_missing_parcels_stay_in_place(tmp_path, models, series):
    labels = surfaces.dlabel(tmp_path / "a.dlabel.nii", models)
    dead = series.copy()
    dead[:, np.flatnonzero(labels == 2)[5:]] = 3.0
    found = SurfaceParcellator(tmp_path / "a.dlabel.nii", space(models)).fit().transform(dead)
    assert np.isnan(found[:, 1]).all() and np.isfinite(found[:, [0, 2, 3]]).all()


def test_labels_of_hemispheres_are_those_of_nilearn(tmp_path):
    from nilearn.maskers import SurfaceLabelsMasker
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

    n = 162
    labels = RNG.integers(0, 4, (2, n))
    for side, values in zip("LR", labels):
        names = {0: "???", **{code: f"{side}{code}" for code in (1, 2, 3)}}
        surfaces.gifti_labels(tmp_path / f"p_hemi-{side}.label.gii", values, names)
    values = RNG.normal(size=(8, 2 * n)).astype(np.float32)
    models = surfaces.axis(wall=0, n_voxels=0)
    parcels = SurfaceParcellator(tmp_path / "p_hemi-L.label.gii", space(models)).fit()
    found = parcels.transform(values)
    assert parcels.labels_ == ["L1", "L2", "L3", "R1", "R2", "R3"]
    both = [InMemoryMesh(*mesh) for mesh in surfaces.meshes().values()]
    poly = PolyMesh(left=both[0], right=both[1])
    image = SurfaceImage(poly, {"left": values[:, :n].T, "right": values[:, n:].T})
    # one code per region of both hemispheres
    coded = {"left": labels[0], "right": np.where(labels[1] > 0, labels[1] + 3, 0)}
    masker = SurfaceLabelsMasker(
        SurfaceImage(poly, {k: v.astype(np.int32) for k, v in coded.items()}), standardize=False
    )
    assert np.allclose(found, masker.fit_transform(image), atol=1e-5)


def test_annotations_name_a_region_of_each_hemisphere(tmp_path):
    table = np.array([[25, 5, 25, 0, 0], [10, 20, 30, 0, 1], [40, 50, 60, 0, 2]])
    labels = RNG.integers(-1, 3, (2, 162))
    for side, values in zip(("lh", "rh"), labels):
        nibabel.freesurfer.write_annot(
            tmp_path / f"{side}.x.annot", values, table, ["unknown", "cuneus", "insula"]
        )
    atlas = SurfaceAtlas(tmp_path / "lh.x.annot")
    assert atlas.labels == ["lh_cuneus", "lh_insula", "rh_cuneus", "rh_insula"]
    for number, values in enumerate(labels):
        wanted = np.where(values > 0, values - 1 + 2 * number, -1)
        assert np.array_equal(atlas.codes[surfaces.NAMES[number]], wanted)
    (tmp_path / "rh.x.annot").unlink()
    with pytest.raises(InputProblem, match=r"rh\.x\.annot: no such file"):
        SurfaceAtlas(tmp_path / "lh.x.annot")


def test_an_atlas_of_another_space_is_refused(tmp_path, models):
    surfaces.dlabel(tmp_path / "a.dlabel.nii", surfaces.axis(subdivisions=1))
    with pytest.raises(InputProblem, match="42 vertices in CORTEX_LEFT, the series have 162"):
        SurfaceParcellator(tmp_path / "a.dlabel.nii", space(models)).fit()
    with pytest.raises(InputProblem, match="'power264' is in the volume"):
        SurfaceParcellator("power264", space(models)).fit()


def test_parcel_files_are_read_back(tmp_path, models, series):
    surfaces.dlabel(tmp_path / "a.dlabel.nii", models)
    parcels = SurfaceParcellator(tmp_path / "a.dlabel.nii", space(models)).fit()
    found = parcels.transform(series)
    axis = parcels.parcels_axis()
    path = gray.write_series(tmp_path / "x.ptseries.nii", found, axis, 0.8)
    values, names, tr = read_parcels(path)
    assert names == parcels.labels_ and tr == pytest.approx(0.8)
    assert np.array_equal(values.astype(np.float32), found)
    maps, again = gray.read_scalars(
        gray.write_scalars(tmp_path / "x.pscalar.nii", {"coverage": parcels.coverage_}, axis)
    )
    assert np.allclose(maps["coverage"], parcels.coverage_) and again == axis


# which runs there are


def test_the_space_chooses_between_volumes_and_surfaces(tmp_path):
    from neuro.io.bids.scanner import scan

    surfaces.fmriprep(tmp_path, subjects=["01"], n_volumes=5)
    func = tmp_path / "sub-01/func"
    base = func / "sub-01_task-rest_space-MNI"
    for name in ("preproc_bold.nii.gz", "brain_mask.nii.gz"):
        (base.with_name(f"{base.name}_desc-{name}")).write_bytes(b"x")
    base.with_name(f"{base.name}_desc-preproc_bold.json").write_text('{"RepetitionTime": 2}')
    (row,) = scan(tmp_path).to_dict("records")
    assert row["bold"].endswith(".nii.gz") and row["mask"] and row["space"] == "MNI"
    (row,) = scan(tmp_path, space="fsLR").to_dict("records")
    assert row["bold"].endswith(".dtseries.nii") and not row["mask"] and row["res"] == "91k"
    assert row["run_key"] == "sub-01_task-rest" and row["status"] == "ok"
    with pytest.raises(InputProblem, match="no image in 'fsaverage'"):
        scan(tmp_path, space="fsaverage")


def test_several_surfaces_ask_for_a_choice(tmp_path):
    from neuro.io.bids.scanner import grids, scan

    surfaces.fmriprep(tmp_path, subjects=["01"], n_volumes=5)
    path = next(tmp_path.glob("sub-01/func/*.dtseries.nii"))
    other = path.with_name(path.name.replace("space-fsLR_den-91k", "space-onavg_den-10k"))
    other.write_bytes(path.read_bytes())
    with pytest.raises(InputProblem, match=r"choose one: fsLR \(1\), onavg \(1\)"):
        scan(tmp_path)
    assert set(grids(tmp_path)["space"]) == {"fsLR", "onavg"}
