"""Time and memory of the jobs of stage `fmri` on grayordinates, beside nilearn on the same data.

    python benchmarks/surfaces.py [--volumes 490] [--vertices 32492] [--voxels 31870] [--out x.md]

Grayordinates as those of the Human Connectome Project: two hemispheres without their medial wall
and 31,870 voxels, 91,282 in all at the default sizes. Meshes are spheres of as many vertices.
Every row runs in a process of its own; CPU seconds of the call, one thread, and the peak memory
of the process, imports included, in units of the float32 size of the series.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from page import heading, table

TR = 0.72
N_PARCELS = 400
OURS = ("neuro fmri_clean, 36P, 6 mm on the mesh", "neuro fmri_parcellate, 400 regions")
PEERS = ("nilearn signal.clean, Butterworth, 36 regressors", "nilearn SurfaceLabelsMasker, 400")
LIMIT = 4
"""Sizes of the series that our jobs may take at most."""


def sphere(n):
    """A sphere of `n` points and its triangles."""
    import numpy as np
    from scipy.spatial import ConvexHull

    number = np.arange(n) + 0.5
    height, turn = 1 - 2 * number / n, np.pi * (1 + 5**0.5) * number
    flat = np.sqrt(1 - height**2)
    points = 90 * np.column_stack([flat * np.cos(turn), flat * np.sin(turn), height])
    return points, ConvexHull(points).simplices


def make_data(folder: Path, arguments) -> None:
    """Series, confounds, atlas and meshes."""
    import nibabel
    import numpy as np
    from nibabel.cifti2 import BrainModelAxis, LabelAxis
    from nibabel.gifti import GiftiDataArray, GiftiImage

    from neuro.io.images import grayordinates as gray

    rng = np.random.default_rng(0)
    n = arguments.vertices
    wall = round(n * 2786 / 32492)
    models = None
    for name in ("CORTEX_LEFT", "CORTEX_RIGHT"):
        part = BrainModelAxis.from_surface(np.arange(wall, n), n, name=name)
        models = part if models is None else models + part
    inside = np.zeros((91, 109, 91), dtype=bool)
    inside.ravel()[400_000 : 400_000 + arguments.voxels] = True
    models = models + BrainModelAxis.from_mask(inside, "THALAMUS_LEFT", np.diag([2.0, 2, 2, 1]))
    series = rng.standard_normal((arguments.volumes, len(models)), dtype=np.float32)
    series *= 10
    series += 1000
    gray.write_series(folder / "bold.dtseries.nii", series, models, TR)
    labels = rng.integers(0, N_PARCELS + 1, len(models)).astype(np.int32)
    names = {code: (f"area{code}" if code else "???", (1, 0, 0, 1)) for code in range(401)}
    image = nibabel.Cifti2Image(labels[None], (LabelAxis(["parcels"], [names]), models))
    nibabel.save(image, folder / "atlas.dlabel.nii")
    coords, faces = sphere(n)
    for side in "LR":
        arrays = [
            GiftiDataArray(coords.astype(np.float32), intent="NIFTI_INTENT_POINTSET"),
            GiftiDataArray(faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE"),
        ]
        nibabel.save(GiftiImage(darrays=arrays), folder / f"{side}.surf.gii")
    columns = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    columns += ["csf", "white_matter", "global_signal"]
    scale = np.array([0.02] * 3 + [4e-4] * 3 + [20] * 3)
    values = rng.normal(0, 1, (arguments.volumes, 9)) * scale
    lines = ["\t".join(columns), *("\t".join(f"{v:.6g}" for v in row) for row in values)]
    (folder / "confounds.tsv").write_text("\n".join(lines) + "\n")


def run_row(method: str, folder: Path) -> dict:
    """One job or its peer; what it took."""
    import numpy as np

    from neuro.io.images import grayordinates as gray

    meshes = [folder / f"{side}.surf.gii" for side in "LR"]
    bold = folder / "bold.dtseries.nii"
    if method == OURS[0]:
        from neuro.fmri.clean.image import RunFiles, clean_image

        ends = {"denoised": "dtseries.nii", "smoothed": "dtseries.nii", "mask": "dscalar.nii"}
        names = (*ends, "confounds", "outliers", "qc", "figures", "exclusions")
        files = RunFiles(**{n: str(folder / f"{n}.{ends.get(n, 'tsv')}") for n in names})
        start = time.process_time()
        clean_image(
            bold,
            None,
            files,
            run_key="sub-01",
            confounds=folder / "confounds.tsv",
            surfaces=meshes,
            settings={"strategy": "36P", "scrub": False},
        )
    elif method == OURS[1]:
        from neuro.fmri.regions.surface import parcellator
        from neuro.io.images.runs import load_run

        start = time.process_time()
        image, where = load_run(bold, surfaces=meshes)
        parcellator(folder / "atlas.dlabel.nii", where).fit().transform(image.read())
    elif method == PEERS[0]:
        from nilearn.signal import clean

        series = gray.load_series(bold).read()
        confounds = np.random.default_rng(1).standard_normal((len(series), 36))
        start = time.process_time()
        clean(
            series,
            confounds=confounds,
            t_r=TR,
            low_pass=0.08,
            high_pass=0.01,
            standardize=False,
        )
    else:
        from nilearn.maskers import SurfaceLabelsMasker
        from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

        from neuro.fmri.regions.surface import SurfaceAtlas
        from neuro.io.images.meshes import read_mesh
        from neuro.report.figures.brains import on_vertices

        image = gray.load_series(bold)
        values = image.read()
        poly = PolyMesh(*(InMemoryMesh(*read_mesh(path)) for path in meshes))
        sides = dict(zip(("CORTEX_LEFT", "CORTEX_RIGHT"), ("left", "right")))
        data = {side: [] for side in sides.values()}
        for row in values:
            shown = on_vertices(row, image.axis)
            for name, side in sides.items():
                data[side].append(np.nan_to_num(shown[name]).astype(np.float32))
        codes = SurfaceAtlas(folder / "atlas.dlabel.nii").codes
        labels = {side: (codes[name] + 1).astype(np.int32) for name, side in sides.items()}
        start = time.process_time()
        masker = SurfaceLabelsMasker(SurfaceImage(poly, labels), standardize=False)
        stacked = {side: np.stack(rows, axis=1) for side, rows in data.items()}
        masker.fit_transform(SurfaceImage(poly, stacked))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": time.process_time() - start, "peak": peak}


def measure(method: str, folder: Path) -> dict:
    """A row in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__, "--row", method, "--data", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=int, default=490)
    parser.add_argument("--vertices", type=int, default=32492)
    parser.add_argument("--voxels", type=int, default=31870)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(run_row(arguments.row, arguments.data)))
        return
    rows, lines = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, arguments)
        n = 2 * (arguments.vertices - round(arguments.vertices * 2786 / 32492)) + arguments.voxels
        size = 4.0 * n * arguments.volumes
        for method in (*OURS, *PEERS):
            found = measure(method, folder)
            share = found["peak"] / size
            peak = f"{found['peak'] / 1e6:.0f}"
            rows.append([method, f"{found['seconds']:.2f}", peak, f"{share:.2f}"])
            if method in OURS:
                kept = "kept" if share <= LIMIT else "MISSED"
                lines.append(f"- {kept}: {method}: {share:.2f} x the series (at most {LIMIT})")
    text = "\n".join(
        [
            *heading(
                "Grayordinates: cleaning, smoothing on the mesh, parcels",
                f"python benchmarks/surfaces.py --volumes {arguments.volumes} "
                f"--vertices {arguments.vertices} --voxels {arguments.voxels}",
                ("numpy", "scipy", "nibabel", "nilearn"),
            ),
            f"{n:,} grayordinates, T = {arguments.volumes}: {size / 1e6:.0f} MB in float32. "
            "`fmri_clean` reads, cleans, smooths, measures and writes; the row of nilearn cleans "
            "only. Its masker takes the cortex only.",
            "",
            *table(["row", "CPU s", "peak MB", "x series"], rows),
            *lines,
            "",
        ]
    )
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
