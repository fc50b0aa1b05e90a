"""Cost of entrywise observation masks: one fit with every unit observed, and with gaps of units.

    python benchmarks/hmmglm_masks.py [--out FILE]

Planted spike trains, the same starts and number of iterations, one thread, CPU seconds of
alternating runs; compilation is left out by a first fit of each kind.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from page import heading, table

from neuro.hmmglm import OneHotHMMGLM
from neuro.simulate.switching import switching_glm

REPEATS = 5


def timed(counts, prior: str, n_states: int, mask=None) -> float:
    """CPU seconds of one start of 15 iterations, whatever they gain."""
    model = OneHotHMMGLM(
        n_states,
        prior,
        ridge=1.0,
        prior_sd=0.3,
        max_iter=15,
        tol=1e-12,
        n_starts=1,
        random_state=0,
    )
    start = time.process_time()
    model.fit(counts, mask=mask)
    return time.process_time() - start


def fits(n_units: int, n_bins: int, prior: str) -> dict[str, list[float]]:
    """CPU seconds of each fit, by kind of mask."""
    counts = list(switching_glm(3, n_bins, n_units, 2, random_state=0).counts)
    rng = np.random.default_rng(0)
    missing = [np.ones(one.shape, bool) for one in counts]
    for mask in missing:
        for unit in rng.choice(n_units, n_units // 4, replace=False):
            start = rng.integers(n_bins // 2)
            mask[start : start + n_bins // 3, unit] = False
    masks = {"all observed": [np.ones(len(one), bool) for one in counts], "missing": missing}
    spent: dict[str, list[float]] = {name: [] for name in masks}
    for repeat in range(REPEATS + 1):
        for name, mask in masks.items():
            seconds = timed(counts, prior, 2, mask)
            if repeat:
                spent[name].append(seconds)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for n_units, n_bins in ((12, 2000), (40, 2000)):
        for prior in ("gaussian", "onehot"):
            spent = fits(n_units, n_bins, prior)
            full, part = (float(np.median(spent[name])) for name in ("all observed", "missing"))
            ratio = float(np.median(np.divide(spent["missing"], spent["all observed"])))
            figures = (f"{value:.2f}" for value in (full, part, ratio))
            rows.append([str(n_units), f"3 x {n_bins:,}", prior, *figures])
            print(rows[-1], flush=True)
    command = "python benchmarks/hmmglm_masks.py --out benchmarks/results/hmmglm_masks.md"
    head = ["units", "bins", "model", "all observed, CPU s", "missing, CPU s", "ratio"]
    lines = [
        *heading("Cost of entrywise observation masks", command, ("numpy", "numba")),
        "Fits of 15 iterations to the same counts; a quarter of the units is missing for a third",
        f"of each sequence. Medians of {REPEATS} alternating runs, the ratio of pairs.",
        "",
        *table(head, rows),
    ]
    if given.out:
        given.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
