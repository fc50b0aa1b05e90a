"""Time of several strategies on one run: region series, voxels, and nilearn on region series.

    python benchmarks/strategies.py [--side 31] [--volumes 240] [--regions 264] [--out table.md]

The same five strategies and kept volumes everywhere. Voxels are cleaned strategy by strategy and
averaged over regions afterwards, as the study does it once; the ledger averages once and cleans
region series. nilearn's `signal.clean` cleans region series with a filter of its own (a recursion
rather than a gain on cosines), so its correlations differ. CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import nibabel as nib
import numpy as np
import pandas as pd
from page import heading

from neuro.fmri.clean.confounds import select
from neuro.fmri.clean.run import denoise_run
from neuro.fmri.compare.run import cleaned, region_series
from neuro.fmri.regions.parcellate import Parcellator

TR = 2.0
STRATEGIES = ("none", "6P", "24P", "36P_nogsr", "36P")
SETTINGS = {"min_seconds": 0, "smooth_mm": 0, "band": [0.01, 0.1]}


def made(side, n_volumes, n_regions):
    """A run with drift and motion, its confounds, a mask and an atlas of equal parts."""
    rng = np.random.default_rng(0)
    n_voxels = side**3
    motion = 0.01 * rng.standard_normal((n_volumes, 6)).cumsum(axis=0)
    motion[:, 3:] /= 50
    motion[60:63, 0] += 0.8
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = pd.DataFrame(motion, columns=names)
    for name in ("white_matter", "csf", "global_signal"):
        table[name] = rng.standard_normal(n_volumes).cumsum()
    series = 1000 + 10 * rng.standard_normal((n_volumes, n_voxels), dtype=np.float32)
    series += (table[["csf"]].to_numpy() * rng.random(n_voxels)).astype(np.float32)
    labels = (np.arange(n_voxels) * n_regions // n_voxels + 1).reshape((side,) * 3)
    mask = nib.Nifti1Image(np.ones((side,) * 3, np.uint8), np.eye(4))
    parcels = Parcellator(nib.Nifti1Image(labels.astype(np.int16), np.eye(4)), mask).fit()
    return series, table, mask, parcels


def voxels(series, table, mask, parcels):
    """Clean all voxels with each strategy, then average."""
    found = {}
    for name in STRATEGIES:
        settings = {**SETTINGS, "strategy": name}
        result = denoise_run(series, mask, tr=TR, confounds=table, settings=settings)
        found[name] = parcels.transform(result.denoised)
    return found


def regions(series, table, parcels, kept, std_dvars):
    """Average, then clean with each strategy."""
    means = region_series(series, kept, parcels)
    items = cleaned(means, TR, STRATEGIES, SETTINGS, confounds=table, std_dvars=std_dvars)
    return {item.strategy: item.series for item in items}


def nilearn(series, table, parcels, kept):
    """Average, then `signal.clean` with the columns of each strategy."""
    from nilearn.signal import clean

    means = region_series(series, kept, parcels)
    found = {}
    for name in STRATEGIES:
        columns = None if name == "none" else select(table, None, name, tr=TR).values
        found[name] = clean(
            means,
            confounds=columns,
            sample_mask=np.flatnonzero(kept),
            standardize=None,
            standardize_confounds=True,
            filter="butterworth",
            low_pass=0.1,
            high_pass=0.01,
            t_r=TR,
        )
    return found


def timed(call, *arguments):
    start = time.process_time()
    found = call(*arguments)
    return time.process_time() - start, found


def difference(found, other) -> str:
    """Mean and largest difference of a correlation over all strategies."""
    apart = np.stack(
        [np.abs(np.corrcoef(found[k].T) - np.corrcoef(other[k].T)) for k in STRATEGIES]
    )
    return f"{apart.mean():.0e} | {apart.max():.0e}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=31, help="voxels along each edge of the box")
    parser.add_argument("--volumes", type=int, default=240)
    parser.add_argument("--regions", type=int, default=264)
    parser.add_argument("--out", type=Path, help="write the table to this file as well")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    series, table, mask, parcels = made(options.side, options.volumes, options.regions)
    once = denoise_run(
        series, mask, tr=TR, confounds=table, settings={**SETTINGS, "strategy": "none"}
    )
    traces = once.traces["std_dvars"].to_numpy()
    ours, found = timed(regions, series, table, parcels, once.kept, traces)
    slow, whole = timed(voxels, series, table, mask, parcels)
    peer, other = timed(nilearn, series, table, parcels, once.kept)
    lines = [
        *heading(
            "Strategies side by side",
            "python benchmarks/strategies.py",
            ("numpy", "scipy", "nilearn"),
        ),
        f"{options.volumes} volumes ({int(once.kept.sum())} kept) x {series.shape[1]} voxels, "
        f"{options.regions} regions, strategies {', '.join(STRATEGIES)}, one thread.",
        "",
        "| method | CPU s | times ours | difference of correlations, mean | largest |",
        "|---|---:|---:|---:|---:|",
        f"| region series (`fmri.compare`) | {ours:.2f} | 1.0 | 0 | 0 |",
        f"| voxels, strategy by strategy | {slow:.2f} | {slow / ours:.1f} | "
        f"{difference(found, whole)} |",
        f"| nilearn signal.clean, region series | {peer:.2f} | {peer / ours:.1f} | "
        f"{difference(found, other)} |",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
