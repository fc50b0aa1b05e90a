"""Peak memory of the voxel jobs of stage `fmri` against the size of the image they read.

Each job runs in a process of its own on an image of a usual size (61 x 73 x 61 voxels, 200
volumes, a brain of a quarter of them). The yardstick is the float32 size of the 4D image.

    python benchmarks/memory.py [--shape 61 73 61 200] [--out benchmarks/results/memory.md]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from page import heading

JOBS = ("fmri_slicetime", "fmri_realign", "fmri_clean", "fmri_parcellate")
TR = 2.0
LIMIT = 3
"""Sizes of the float32 image that a job may take at most."""


def make_data(folder: Path, shape) -> None:
    """A run with an ellipsoid brain, a mask, a confounds table and a label image."""
    import nibabel
    import numpy as np

    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:3]), indexing="ij"))
    brain = (grid**2).sum(axis=0) < 0.6
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = -1.5 * (np.array(shape[:3]) - 1)
    volumes = np.zeros(shape, dtype=np.int16)
    shade = 6000 + 3000 * np.sin(5 * grid).sum(axis=0)
    for t in range(shape[3]):
        volumes[..., t] = np.where(brain, shade + rng.normal(0, 60, shape[:3]), 0)
    image = nibabel.Nifti1Image(volumes, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = TR
    nibabel.save(image, folder / "bold.nii.gz")
    nibabel.save(nibabel.Nifti1Image(brain.astype(np.uint8), affine), folder / "mask.nii.gz")
    labels = np.where(brain, 1 + (grid[0] > 0) + 2 * (grid[1] > 0), 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "atlas.nii.gz")
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    names += ["csf", "white_matter", "global_signal"]
    values = rng.normal(0, 1, (shape[3], 9)) * np.array([0.02] * 3 + [4e-4] * 3 + [20] * 3)
    lines = ["\t".join(names), *("\t".join(f"{v:.6g}" for v in row) for row in values)]
    (folder / "confounds.tsv").write_text("\n".join(lines) + "\n")


def run_job(name: str, folder: Path) -> None:
    """What the rule's script does."""
    from neuro.fmri.clean.image import RunFiles, clean_image
    from neuro.fmri.raw import realign_run as raw_realign
    from neuro.fmri.raw import slices_run as raw_slices

    bold, mask = folder / "bold.nii.gz", folder / "mask.nii.gz"
    if name == "fmri_slicetime":
        import nibabel

        times = [TR * (k % 4) / 4 for k in range(nibabel.load(bold).shape[2])]
        raw_slices.shift_run(bold, folder / "shifted.nii.gz", metadata={"SliceTiming": times})
    elif name == "fmri_realign":
        files = [
            folder / f"realigned{end}" for end in (".nii.gz", ".tsv", "_mask.nii.gz", "_e.tsv")
        ]
        raw_realign.realign_run(bold, raw_realign.RealignFiles(*map(str, files)))
    elif name == "fmri_clean":
        names = ("denoised", "smoothed", "mask", "confounds", "outliers", "qc", "figures")
        ends = (".nii.gz", ".nii.gz", ".nii.gz", ".tsv", ".tsv", ".tsv", ".npz")
        out = {n: str(folder / f"clean_{n}{end}") for n, end in zip(names, ends)}
        files = RunFiles(**out, exclusions=str(folder / "clean_exclusions.tsv"))
        clean_image(bold, mask, files, run_key="sub-01", confounds=folder / "confounds.tsv")
    else:
        from neuro.fmri.regions.parcellate import Parcellator
        from neuro.io.images import nifti

        mask_img = nifti.load_mask(mask)
        Parcellator(folder / "atlas.nii.gz", mask_img).transform(nifti.load_bold(bold))


def measure(name: str, folder: Path) -> tuple[float, float]:
    """Peak memory (MB) and CPU seconds of a job in a process of its own."""
    code = f"import memory, pathlib; memory.report({name!r}, pathlib.Path({str(folder)!r}))"
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")},
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    peak, cpu = done.stdout.split()[-2:]
    return float(peak), float(cpu)


def report(name: str, folder: Path) -> None:
    """Run a job and print its peak memory and CPU time."""
    if name != "nothing":
        run_job(name, folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)


def table(shape, folder: Path) -> str:
    """Measure all jobs; a markdown table."""
    size = 4 * shape[0] * shape[1] * shape[2] * shape[3] / 2**20
    lines = [
        *heading(
            "Memory of the voxel jobs", "python benchmarks/memory.py", ("numpy", "scipy", "nibabel")
        ),
        f"Image {' x '.join(map(str, shape))}, a quarter of it brain: {size:.0f} MB as float32. "
        "Peak memory of a job in a process of its own, Python and its packages included.",
        "",
        "| job | peak MB | x float32 image | CPU s |",
        "|---|---|---|---|",
    ]
    for name in JOBS:
        peak, cpu = measure(name, folder)
        lines.append(f"| `{name}` | {peak:.0f} | {peak / size:.2f} | {cpu:.1f} |")
        if peak > LIMIT * size:
            raise SystemExit(f"{name}: {peak:.0f} MB, more than {LIMIT} x {size:.0f} MB")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=4, default=(61, 73, 61, 200))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        make_data(Path(top), tuple(arguments.shape))
        text = table(arguments.shape, Path(top))
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
