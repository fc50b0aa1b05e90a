"""Small studies on surfaces: two spheres of some hundred vertices and a few voxels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

NAMES = ("CORTEX_LEFT", "CORTEX_RIGHT")
GRID = np.array([[4.0, 0, 0, -20], [0, 4.0, 0, -20], [0, 0, 4.0, -20], [0, 0, 0, 1]])
SHAPE = (10, 10, 10)


def sphere(subdivisions=2, radius=50.0, centre=(0.0, 0.0, 0.0)):
    """A sphere of triangles: 10 * 4**n + 2 vertices."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    corners += [(0, -1, golden), (0, 1, golden), (0, -1, -golden), (0, 1, -golden)]
    corners += [(golden, 0, -1), (golden, 0, 1), (-golden, 0, -1), (-golden, 0, 1)]
    points = [np.array(corner, dtype=float) for corner in corners]
    faces = [
        *((0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4)),
        *((11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8)),
        *((3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)),
    ]
    for _ in range(subdivisions):
        middle: dict = {}
        finer = []

        def between(i, j, middle=middle):
            key = (min(i, j), max(i, j))
            if key not in middle:
                middle[key] = len(points)
                points.append((points[i] + points[j]) / 2)
            return middle[key]

        for a, b, c in faces:
            ab, bc, ca = between(a, b), between(b, c), between(c, a)
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = finer
    coords = np.array(points)
    coords *= radius / np.linalg.norm(coords, axis=1, keepdims=True)
    return coords + np.asarray(centre), np.array(faces)


def meshes(subdivisions=2):
    """Both hemispheres."""
    return {
        name: sphere(subdivisions, centre=(side * 60.0, 0, 0)) for name, side in zip(NAMES, (-1, 1))
    }


def axis(subdivisions=2, wall=12, n_voxels=20):
    """Cortex without its first vertices (the medial wall), and voxels of a thalamus."""
    from nibabel.cifti2 import BrainModelAxis

    n = 10 * 4**subdivisions + 2
    parts = [
        BrainModelAxis.from_surface(np.arange(wall, n), n, name=f"CIFTI_STRUCTURE_{name}")
        for name in NAMES
    ]
    whole = parts[0] + parts[1]
    if n_voxels:
        inside = np.zeros(SHAPE, dtype=bool)
        inside.ravel()[333 : 333 + n_voxels] = True
        whole = whole + BrainModelAxis.from_mask(inside, "THALAMUS_LEFT", GRID)
    return whole


def dlabel(path, models, n_regions=4, seed=0) -> np.ndarray:
    """Write labels: regions 1 to n, 0 where there is none; gives the label of each grayordinate."""
    import nibabel
    from nibabel.cifti2 import LabelAxis

    labels = np.random.default_rng(seed).integers(0, n_regions + 1, len(models))
    table = {0: ("???", (0, 0, 0, 0))}
    table |= {code: (f"area{code}", (1, 0, 0, 1)) for code in range(1, n_regions + 1)}
    image = nibabel.Cifti2Image(
        labels[None].astype(np.int32), (LabelAxis(["parcels"], [table]), models)
    )
    nibabel.save(image, path)
    return labels


def gifti_series(path, values, tr=None):
    """One array per volume, as fMRIPrep writes them."""
    import nibabel
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

    meta = GiftiMetaData({"TimeStep": str(1000 * tr)} if tr else {})
    arrays = [
        GiftiDataArray(
            np.asarray(row, dtype=np.float32), intent="NIFTI_INTENT_TIME_SERIES", meta=meta
        )
        for row in values
    ]
    nibabel.save(GiftiImage(darrays=arrays), path)


def gifti_labels(path, labels, names):
    """Labels of one hemisphere with a table of names."""
    import nibabel
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable

    table = GiftiLabelTable()
    for code, name in names.items():
        label = GiftiLabel(code, 1, 0, 0, 1)
        label.label = name
        table.labels.append(label)
    array = GiftiDataArray(np.asarray(labels, dtype=np.int32), intent="NIFTI_INTENT_LABEL")
    nibabel.save(GiftiImage(darrays=[array], labeltable=table), path)


def gifti_mesh(path, coords, faces):
    """A surface file."""
    import nibabel
    from nibabel.gifti import GiftiDataArray, GiftiImage

    arrays = [
        GiftiDataArray(coords.astype(np.float32), intent="NIFTI_INTENT_POINTSET"),
        GiftiDataArray(faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nibabel.save(GiftiImage(darrays=arrays), path)


def confounds(n_volumes, rng):
    """Head motion and tissue signals of a still head."""
    import pandas as pd

    names = [*(f"{kind}_{side}" for kind in ("trans", "rot") for side in "xyz")]
    names += ["csf", "white_matter", "global_signal"]
    scale = np.array([0.01] * 3 + [2e-4] * 3 + [5] * 3)
    return pd.DataFrame(rng.normal(0, 1, (n_volumes, 9)) * scale, columns=names)


def planted(labels, n_volumes, rng):
    """Series whose grayordinates share the signal of their region; no signal without a region."""
    signal = rng.normal(0, 10, (n_volumes, labels.max() + 1))
    series = 1000 + signal[:, labels] + rng.normal(0, 5, (n_volumes, len(labels)))
    series[:, labels == 0] = 1000 + rng.normal(0, 5, (n_volumes, int((labels == 0).sum())))
    return series.astype(np.float32)


def fmriprep(folder: Path, subjects=("01", "02"), n_volumes=150, gifti=False, seed=0) -> Path:
    """Derivatives of fMRIPrep on surfaces, with an atlas and meshes beside them."""
    from neuro.io.images import grayordinates as gray

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    models = axis(wall=0, n_voxels=0) if gifti else axis()
    labels = dlabel(folder / "atlas.dlabel.nii", models)
    for (name, mesh), side in zip(meshes().items(), "LR"):
        gifti_mesh(folder / f"hemi-{side}_midthickness.surf.gii", *mesh)
        assert name in NAMES
    for label in subjects:
        func = folder / f"sub-{label}" / "func"
        func.mkdir(parents=True)
        base = f"sub-{label}_task-rest"
        series = planted(labels, n_volumes, rng)
        if gifti:
            half = series.shape[1] // 2
            for side, values in (("L", series[:, :half]), ("R", series[:, half:])):
                stem = f"{base}_hemi-{side}_space-fsaverage5_bold"
                gifti_series(func / f"{stem}.func.gii", values, tr=2.0)
                (func / f"{stem}.json").write_text(json.dumps({"RepetitionTime": 2.0}))
        else:
            stem = f"{base}_space-fsLR_den-91k_bold"
            gray.write_series(func / f"{stem}.dtseries.nii", series, models, 2.0)
            (func / f"{stem}.json").write_text(json.dumps({"RepetitionTime": 2.0}))
        table = confounds(n_volumes, rng)
        table.to_csv(func / f"{base}_desc-confounds_timeseries.tsv", sep="\t", index=False)
    return folder
