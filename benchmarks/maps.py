"""Time of ALFF and ReHo maps beside the usual formulas, voxel by voxel and as whole arrays.

    python benchmarks/maps.py [--side 42] [--volumes 200] [--out table.md]

The formulas of XCP-D (periodogram or Lomb-Scargle of scipy, ranks of scipy) run voxel by voxel on
a part of the voxels, and their time is multiplied; the other versions run on all. Each is compared
with ours on the same voxels before it is timed. CPU seconds of one thread, without imports and
compilation.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from page import heading
from scipy import signal, stats

from neuro.fmri.maps.amplitude import alff
from neuro.fmri.maps.reho import grid_neighbours, reho

TR, BAND = 2.0, (0.01, 0.08)
LOOP = "scipy, voxel by voxel (XCP-D's formula)"
PART = 2000
"""Voxels on which the loops run."""


def timed(call):
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def alff_by_voxel(x, kept):
    """Mean root of the periodogram inside the band; Lomb-Scargle where volumes are missing."""
    n, out = kept.size, []
    frequency = np.arange(1, n // 2 + 1) / (n * TR)
    inside = (frequency >= BAND[0] - 1e-12) & (frequency <= BAND[1] + 1e-12)
    for voxel in x.T.astype(float):
        voxel = voxel - voxel.mean()
        if kept.all():
            power = signal.periodogram(voxel, 1 / TR, scaling="spectrum")[1][1:]
        else:
            hertz = 2 * np.pi * frequency
            power = signal.lombscargle(np.flatnonzero(kept) * TR, voxel, hertz, normalize=True)
            power = np.clip(power, 0, None) * voxel.var()
        out.append(np.sqrt(power)[inside].mean())
    return np.array(out)


def alff_whole(x):
    """The same of all voxels with one Fourier transform."""
    frequency, power = signal.periodogram(x.astype(float), 1 / TR, scaling="spectrum", axis=0)
    inside = (frequency >= BAND[0] - 1e-12) & (frequency <= BAND[1] + 1e-12)
    return np.sqrt(power[inside]).mean(axis=0)


def reho_by_voxel(x, neighbours):
    """Kendall's W, ranking every member of every neighbourhood."""
    out = []
    for row in neighbours:
        members = row[row >= 0]
        total = stats.rankdata(x[:, members], axis=0).sum(axis=1)
        k, n = len(members), len(x)
        out.append(12 * ((total - total.mean()) ** 2).sum() / (k**2 * (n**3 - n)))
    return np.array(out)


def reho_whole(x, neighbours):
    """Ranks once, then sums over the columns of the table of neighbours, by numpy."""
    n = len(x)
    ranks = np.vstack([stats.rankdata(x, axis=0).T, np.zeros((1, n))])
    total = np.zeros((len(neighbours), n))
    for column in neighbours.T:
        total += ranks[column]
    k = (neighbours >= 0).sum(axis=1)
    total -= total.mean(axis=1, keepdims=True)
    return 12 * (total**2).sum(axis=1) / (k**2 * (n**3 - n))


def row(what, name, seconds, ours, other, values):
    """A peer beside ours."""
    return what, name, seconds, seconds / ours, np.abs(other / values - 1).max()


def rows(side, n_volumes):
    """Table rows: what, method, CPU seconds, times ours, largest difference."""
    rng = np.random.default_rng(0)
    mask = np.ones((side, side, side), dtype=bool)
    n_voxels = mask.sum()
    x = rng.standard_normal((n_volumes, n_voxels), dtype=np.float32)
    x += rng.standard_normal((n_volumes, 1), dtype=np.float32)
    every = np.ones(n_volumes, dtype=bool)
    some = rng.random(n_volumes) > 0.2
    around = grid_neighbours(mask, 27)
    reho(x[:, :27], grid_neighbours(np.ones((3, 3, 3)), 27))
    part = np.sort(rng.permutation(n_voxels)[:PART])
    found = []
    for what, kept in (("ALFF", every), ("ALFF, 20 % censored", some)):
        ours, values = timed(partial(alff, x[kept], TR, BAND, kept))
        found.append((what, "neuro", ours, 1.0, 0.0))
        own, all_of = x[kept][:, part], x[kept]
        seconds, other = timed(partial(alff_by_voxel, own, kept))
        found.append(row(what, LOOP, seconds * n_voxels / PART, ours, other, values[part]))
        if kept.all():
            seconds, other = timed(partial(alff_whole, all_of))
            found.append(row(what, "scipy, whole array", seconds, ours, other, values))
    what = "ReHo, 27 voxels"
    ours, values = timed(lambda: reho(x, grid_neighbours(mask, 27)))
    found.append((what, "neuro", ours, 1.0, 0.0))
    seconds, other = timed(partial(reho_by_voxel, x, around[part]))
    found.append(row(what, LOOP, seconds * n_voxels / PART, ours, other, values[part]))
    seconds, other = timed(partial(reho_whole, x, around))
    found.append(row(what, "numpy, whole array", seconds, ours, other, values))
    return n_voxels, found


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=42, help="voxels along each edge of the box")
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--out", type=Path, help="write the table to this file as well")
    options = parser.parse_args(arguments)
    n_voxels, found = rows(options.side, options.volumes)
    lines = [
        *heading("Maps of single runs", "python benchmarks/maps.py", ("numpy", "scipy", "numba")),
        f"{options.volumes} volumes x {n_voxels} voxels float32, one thread. Loops over voxels ran "
        f"on {PART} of them, times {n_voxels / PART:.0f}.",
        "",
        "| map | method | CPU s | times ours | largest relative difference to ours |",
        "|---|---|---:|---:|---:|",
    ]
    for what, name, seconds, ratio, off in found:
        lines.append(f"| {what} | {name} | {seconds:.2f} | {ratio:.1f} | {off:.0e} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
