"""Peak memory of drawing samples (rule `demovae_sample`) against people and regions.

Made-up connectomes (region series of five shared signals and noise) are written as stage `fmri`
writes them; a process of its own reads them, fits the sampler of full rank and draws 200 samples.
Beside it stands what the rule asks for at its first attempt.

    python benchmarks/demovae_memory.py [--sizes 500x116 2000x116] [--out table.md]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from page import heading, table

ROOT = Path(__file__).parents[1]
N_VOLUMES = 150


def write_cohort(path: Path, n_people: int, n_regions: int) -> None:
    """Connectomes and sites of people who do not exist."""
    import numpy as np

    from neuro.io.regions.connectomes import write_connectomes

    rng = np.random.default_rng(0)
    upper = np.triu_indices(n_regions, 1)
    loading = rng.normal(size=(5, n_regions))
    edges = np.empty((n_people, len(upper[0])), dtype=np.float32)
    for row in edges:
        series = rng.normal(size=(N_VOLUMES, 5)) @ loading
        row[:] = np.corrcoef(series + rng.normal(size=series.shape), rowvar=False)[upper]
    names = [f"{number:05d}" for number in range(n_people)]
    regions = [f"r{number}" for number in range(n_regions)]
    write_connectomes(path, edges, names, names, regions, "pearson")


def draw(path: str) -> None:
    """What the rule does with the connectomes; prints CPU seconds and peak memory in MB."""
    import resource

    import numpy as np
    import pandas as pd

    from neuro.demovae.coding.cohort import columns_from_text, gather
    from neuro.demovae.sampling.makers import full_rank_sampler
    from neuro.io.regions.connectomes import read_connectomes

    connectomes = read_connectomes(path)
    rng = np.random.default_rng(1)
    n_people = len(connectomes.participant_id)
    people = pd.DataFrame(
        {
            "participant_id": connectomes.participant_id,
            "age": rng.uniform(7, 18, n_people),
            "site": rng.choice(list("ABCD"), n_people),
        }
    )
    columns = columns_from_text({"age": "continuous remove", "site": "categorical remove"})
    cohort = gather(connectomes, people, columns)
    own = {"latent_dim": 60, "unseen": "mean", "missing": "error", "min_level_count": 5}
    sampler = full_rank_sampler(cohort, cohort.columns, own, 0)
    sampler.sample(200, cohort.demographics, random_state=0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def measure(n_people: int, n_regions: int) -> tuple[float, float, float]:
    """CPU seconds, peak memory and size of the connectomes, both in MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "connectomes.h5"
        write_cohort(path, n_people, n_regions)
        command = [sys.executable, __file__, "--draw", str(path)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, capture_output=True, env=environment, text=True)
        cpu, peak = map(float, done.stdout.split())
        return cpu, peak, path.stat().st_size / 2**20


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["500x116", "2000x116"])
    parser.add_argument("--draw", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.draw:
        draw(options.draw)
        return
    lines = []
    for size in options.sizes:
        n_people, n_regions = map(int, size.split("x"))
        cpu, peak, stored = measure(n_people, n_regions)
        lines.append([n_people, n_regions, f"{stored:.0f}", f"{peak:.0f}", f"{cpu:.0f}"])
        print(lines[-1], flush=True)
    head = ["people", "regions", "connectomes, MB", "peak, MB", "CPU s"]
    command = f"python benchmarks/demovae_memory.py --sizes {' '.join(options.sizes)}"
    title = heading("Memory of synthetic connectomes", command, ("numpy", "scipy"))
    text = "\n".join([*title, *table(head, lines)]).rstrip() + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
