"""Time and accuracy of rigid realignment on planted and real motion.

    python benchmarks/realign.py [IMAGE.nii.gz --voxel-size 3.75 3.75 6] [--out table.md]

Without an image a synthetic head of 64x64x21 voxels and 64 volumes is used. Planted: 20 moves
of the first volume, uniform +-2 mm and +-0.03 rad. CPU seconds are those of a second call; the
first compiles. The peer is a plain Gauss-Newton in numpy and scipy on the same points, with the
same smoothing: what one would write in an afternoon.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from page import heading
from scipy import ndimage
from threadpoolctl import threadpool_limits

from neuro.fmri.clean.smooth import FWHM_TO_SIGMA
from neuro.fmri.raw.realign import RigidRealign, sampling_mask
from neuro.fmri.raw.rigid import rigid_matrix

SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "bold" / "oro_filtered_func.nii.gz"
"""A real run that is measured where it is at hand; else a synthetic head."""


def synthetic(n_volumes=64, shape=(64, 64, 21), seed=0):
    """A head with a smooth inside and noise, not moving."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = ((grid / np.array([0.7, 0.85, 1.2]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), (2, 2, 1))
    head = ndimage.gaussian_filter(inside * (800 + 150 * texture / texture.std()), 0.6)
    noise = rng.normal(0, 8, (*shape, n_volumes))
    return (head[..., None] + noise).astype(np.float32)


def planted(volume, affine, center, n=20, seed=0):
    """The volume and `n` moved copies of it, with the movements."""
    rng = np.random.default_rng(seed)
    params = np.column_stack([rng.uniform(-2, 2, (n, 3)), rng.uniform(-0.03, 0.03, (n, 3))])
    volumes = [volume]
    for p in params:
        back = np.linalg.inv(np.linalg.inv(affine) @ rigid_matrix(p, center) @ affine)
        volumes.append(ndimage.affine_transform(volume, back[:3, :3], back[:3, 3], order=3))
    return nib.Nifti1Image(np.stack(volumes, axis=3).astype(np.float32), affine), params


def plain(img, model):
    """Forward Gauss-Newton with numerical derivatives; returns parameters."""
    data, affine = np.asarray(img.dataobj), img.affine
    size = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    sigma = model.fwhm * FWHM_TO_SIGMA / size
    index = np.argwhere(sampling_mask(model.mask_, size, model.fwhm))[:: model.step]
    world = index @ affine[:3, :3].T + affine[:3, 3]
    target = ndimage.gaussian_filter(data[..., 0].astype(float), sigma, mode="mirror")
    target = target[tuple(index.T)]
    inverse = np.linalg.inv(affine)
    step = np.array([0.1] * 3 + [0.002] * 3)
    out = np.zeros((data.shape[3], 6))
    params = np.zeros(6)
    for t in range(data.shape[3]):
        smooth = ndimage.gaussian_filter(data[..., t].astype(float), sigma, mode="mirror")
        spline = ndimage.spline_filter(smooth, order=3, mode="mirror")

        def value(p, spline=spline):
            m = inverse @ rigid_matrix(p, model.center_)
            place = world @ m[:3, :3].T + m[:3, 3]
            return ndimage.map_coordinates(spline, place.T, order=3, mode="mirror", prefilter=False)

        for _ in range(model.max_iter):
            now = value(params)
            columns = [
                (value(params + h) - value(params - h)) / (2 * h.sum()) for h in np.diag(step)
            ]
            jacobian = np.column_stack([*columns, -target])
            scale = (now @ target) / (target @ target)
            move = np.linalg.lstsq(jacobian, scale * target - now, rcond=None)[0][:6]
            params = params + move
            if np.abs(move[:3]).max() < 1e-3 and np.abs(move[3:]).max() < 2e-5:
                break
        out[t] = params
    return out


def timed(call):
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def errors(params, truth):
    miss = np.abs(params[1:] - truth)
    return f"{np.nanmax(miss[:, :3]):.3f}", f"{np.nanmax(miss[:, 3:]):.4f}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path)
    parser.add_argument("--voxel-size", nargs=3, type=float, default=(3.75, 3.75, 6.0))
    parser.add_argument("--out", type=Path, help="write the table to this file as well")
    options = parser.parse_args(arguments)
    with threadpool_limits(1):
        text = table(options)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")


def table(options) -> str:
    """Run everything and return the markdown table."""
    affine = np.diag([*options.voxel_size, 1.0])
    image = options.image or (SAMPLE if SAMPLE.exists() else None)
    data = np.asarray(nib.load(image).dataobj, dtype=np.float32) if image else synthetic()
    run = nib.Nifti1Image(data, affine)
    RigidRealign().fit(nib.Nifti1Image(data[..., :2], affine)).transform(
        nib.Nifti1Image(data[..., :2], affine)
    )
    model, fit_s = timed(lambda: RigidRealign().fit(run))
    _, reslice_s = timed(lambda: model.transform(run))
    img, truth = planted(data[..., 0], affine, model.center_)
    ours, ours_s = timed(lambda: RigidRealign().fit(img, mask=model.mask_))
    peer, peer_s = timed(lambda: plain(img, model))
    name = image.name if image else "synthetic head"
    shape = "x".join(map(str, data.shape[:3]))
    lines = [
        *heading("Rigid realignment", "python benchmarks/realign.py", ("numpy", "scipy", "numba")),
        f"{name}, {shape} voxels, {data.shape[3]} volumes; one thread.",
        "",
        "| what | CPU s | max error mm | max error rad |",
        "|---|---:|---:|---:|",
        f"| estimate, whole run | {fit_s:.2f} | | |",
        f"| reslice, whole run | {reslice_s:.2f} | | |",
        f"| estimate, 20 moves | {ours_s:.2f} | {' | '.join(errors(ours.params_, truth))} |",
        f"| plain Gauss-Newton, 20 moves | {peer_s:.2f} | {' | '.join(errors(peer, truth))} |",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
