"""How the cost of a fit grows with the number of units, bins and states.

    python benchmarks/hmmglm_curves.py [--out FILE]

Planted spike trains in three sequences, one start, 15 iterations, one thread, CPU seconds; a first
fit compiles. One of the three numbers changes at a time, the others stay at 20 units, 3 x 2,000
bins and 2 states. The exponent is the slope of the logarithms between the two largest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from hmmglm_masks import timed
from page import heading, table

from neuro.simulate.switching import switching_glm

CURVES = {
    "units": (10, 20, 40, 80),
    "bins": (3_000, 6_000, 12_000, 24_000),
    "states": (2, 4, 8),
}


def cost(prior: str, units: int, bins: int, states: int) -> float:
    """CPU seconds of one fit."""
    counts = list(switching_glm(3, bins // 3, units, 2, random_state=0).counts)
    return timed(counts, prior, states)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for prior in ("gaussian", "onehot"):
        cost(prior, 10, 600, 2)
        for name, values in CURVES.items():
            size = {"units": 20, "bins": 6_000, "states": 2}
            spent = [cost(prior, **(size | {name: value})) for value in values]
            slope = np.log(spent[-1] / spent[-2]) / np.log(values[-1] / values[-2])
            told = ", ".join(f"{value:,}: {t:.2f}" for value, t in zip(values, spent))
            rows.append([prior, name, told, f"{slope:.1f}"])
            print(rows[-1], flush=True)
    command = "python benchmarks/hmmglm_curves.py --out benchmarks/results/hmmglm_curves.md"
    lines = [
        *heading("Cost of a fit against its size", command, ("numpy", "numba")),
        "One start of 15 iterations; 20 units, 6,000 bins and 2 states but for what is named.",
        "",
        *table(["model", "grows", "CPU s", "exponent at the end"], rows),
    ]
    if given.out:
        given.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
