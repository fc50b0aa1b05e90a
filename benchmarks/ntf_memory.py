"""CPU time and peak memory of a sweep over large tensors: in memory, streamed, and never built.

    python benchmarks/ntf_memory.py [--out benchmarks/results/ntf_memory.md]

Each line is a process of its own on one thread; its peak memory (VmHWM, Linux) stands beside the
size of the tensor in float32 and that of a process that has only imported the code.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from page import heading

SHAPE, RANK = (960, 21, 5995), 10
NEURONS, ANIMALS, BINS, FREE_RANK = 400, 20, 352, 8
JOBS = {
    "nothing": "none: imports only",
    "memory 1": "in memory, 1 start",
    "memory 10": "in memory, 10 starts at once",
    "stream 1": "streamed from disk, 1 start",
    "stream 10": "streamed from disk, 10 starts at once",
    "free 1": f"never built: {NEURONS} neurons, {ANIMALS * BINS} rows, rank {FREE_RANK}, 1 start",
}


def job(name, path):
    """Print CPU seconds per sweep, bytes of the tensor and peak memory of this process."""
    import numpy as np

    from neuro.ntf.affinity.separable import SeparableTensor
    from neuro.ntf.factors import hals
    from neuro.ntf.factors.models import NonNegativeCP
    from neuro.ntf.factors.operators import DenseRows

    kind, _, n_starts = name.partition(" ")
    seconds, size = [], 0
    if kind != "nothing":
        rank = RANK
        if kind == "free":
            rng, rank = np.random.default_rng(0), FREE_RANK
            traces = [
                rng.standard_normal((BINS, NEURONS)).astype(np.float32) for _ in range(ANIMALS)
            ]
            operator = SeparableTensor.from_traces(traces, 1.0, "edge_ts", bin_s=1.0)
        else:
            operator = DenseRows(np.load(path, mmap_mode="r" if kind == "stream" else None))
        size = 4 * int(np.prod([int(n) for n in operator.shape]))
        starts = NonNegativeCP.starts(operator, rank, int(n_starts), 0)
        for _ in range(4):
            begin = time.process_time()
            hals._sweep(operator, starts, 2)
            seconds.append(time.process_time() - begin)
    # the first sweep loads compiled code
    sweep = float(np.median(seconds[1:])) if seconds else 0.0
    status = Path("/proc/self/status").read_text()
    peak = 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    print(json.dumps({"sweep": sweep, "peak": peak, "size": size}))


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ntf_memory.md"))
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job(options.job, options.data)
        return
    import numpy as np

    from neuro.simulate.motifs import planted_tensor

    threads = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    env = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in threads}}
    lines = [
        *heading(
            "Memory of non-negative tensor factorisation",
            "python benchmarks/ntf_memory.py",
            ("numpy", "numba"),
        ),
        f"One thread, float32, tensor {' x '.join(map(str, SHAPE))} at rank {RANK} where nothing "
        "else is said. CPU seconds of a sweep, median of three.",
        "",
        "| tensor | size, MB | CPU s per sweep | peak memory, MB |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tensor.npy"
        np.save(path, planted_tensor(SHAPE, 6, 0.3)[0])
        for name, text in JOBS.items():
            command = [sys.executable, __file__, "--job", name, "--data", str(path)]
            done = subprocess.run(command, env=env, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
            got = json.loads(done.stdout.splitlines()[-1])
            print(name, got, flush=True)
            size, peak = got["size"] / 1e6, got["peak"] / 1e6
            sweep = f"{got['sweep']:.2f}" if size else "-"
            lines.append(f"| {text} | {size:.0f} | {sweep} | {peak:.0f} |")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
