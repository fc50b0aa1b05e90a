"""Time and memory of joint cleaning beside nilearn's `signal.clean`, on the same data.

    python benchmarks/clean.py [--voxels 30000] [--volumes 172] [--repeats 3] [--out table.md]

Every row runs in a process of its own, so that peak memory is that row's alone: the process
makes the data, notes its memory, cleans, and notes it again. CPU seconds are those of the call,
the median over repeats; imports and just-in-time costs before the first call are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from page import heading

BUTTERWORTH, COSINE = "nilearn signal.clean, Butterworth", "nilearn signal.clean, cosine"
METHODS = (
    *("neuro joint", "neuro joint, 20 % censored", "neuro athena", BUTTERWORTH),
    *("neuro cosine", COSINE),
)
"""Each compared with the path of nilearn that does the same: high-pass cosines are one regression
on both sides, without a filter."""


def make_data(n_voxels, n_volumes, censored):
    import numpy as np

    rng = np.random.default_rng(0)
    series = rng.standard_normal((n_volumes, n_voxels), dtype=np.float32)
    series *= 10
    series += 1000
    motion = 0.02 * rng.standard_normal((n_volumes, 9)).cumsum(axis=0)
    change = np.vstack([np.zeros(9), np.diff(motion, axis=0)])
    confounds = np.hstack([motion, change, motion**2, change**2])
    keep = np.ones(n_volumes, dtype=bool)
    if censored:
        keep[rng.permutation(n_volumes)[: n_volumes // 5]] = False
    return series, confounds, keep


class PeakMemory:
    """Largest resident memory while the block runs, sampled a thousand times a second."""

    def __enter__(self):
        import threading

        self.peak = resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.001):
            self.peak = max(self.peak, resident())

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def resident():
    """Resident bytes of this process (Linux)."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(method, n_voxels, n_volumes, repeats, tr=2.0):
    """One row, in this process."""
    import statistics

    import numpy as np

    series, confounds, keep = make_data(n_voxels, n_volumes, "censored" in method)
    if method.startswith("neuro"):
        from neuro.fmri.clean.denoiser import Denoiser

        settings = {"min_segment": 1}
        if method == "neuro athena":
            settings |= {"low": 0.009, "filter": "fft", "sequential": True}
        if method == "neuro cosine":
            from nilearn.glm.first_level.design_matrix import create_cosine_drift

            settings |= {"filter": "none", "detrend": False}
            drift = create_cosine_drift(0.01, np.arange(n_volumes) * tr)[:, :-1]
            confounds = np.hstack([confounds, drift])

        def call(x):
            return Denoiser(**settings).fit_transform(x, confounds=confounds, tr=tr, keep=keep)

    else:
        from nilearn.signal import clean

        options = {"detrend": True, "filter": "butterworth", "low_pass": 0.08}
        if method == COSINE:
            options = {"detrend": False, "filter": "cosine"}

        def call(x):
            return clean(
                x,
                confounds=confounds,
                standardize=None,
                standardize_confounds=True,
                high_pass=0.01,
                t_r=tr,
                **options,
            )

    call(series[:, :200])
    before, seconds = resident(), []
    with PeakMemory() as memory:
        for _ in range(repeats):
            start = time.process_time()
            call(series)
            seconds.append(time.process_time() - start)
    return {
        "method": method,
        "cpu_s": statistics.median(seconds),
        "extra_mib": (memory.peak - before) / 2**20,
        "input_mib": series.nbytes / 2**20,
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, default=30000)
    parser.add_argument("--volumes", type=int, default=172)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the table to this file as well")
    parser.add_argument("--row", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.row:
        print(json.dumps(measure(options.row, options.voxels, options.volumes, options.repeats)))
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    rows = []
    for method in METHODS:
        command = [sys.executable, __file__, "--row", method, "--voxels", str(options.voxels)]
        command += ["--volumes", str(options.volumes), "--repeats", str(options.repeats)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        rows.append(json.loads(run.stdout.splitlines()[-1]))
    peers = {row["method"]: row["cpu_s"] for row in rows}
    lines = [
        *heading(
            "Joint cleaning of voxel series",
            "python benchmarks/clean.py",
            ("numpy", "scipy", "nilearn"),
        ),
        f"{options.volumes} volumes x {options.voxels} voxels float32, 36 confounds, "
        "Butterworth 0.01-0.08 Hz, or cosines below 0.01 Hz, one thread; each beside the path of "
        "nilearn that does the same.",
        "",
        "| method | CPU s | nilearn / this | peak memory incl. input, in units of the input |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        ratio = peers[COSINE if "cosine" in row["method"] else BUTTERWORTH] / row["cpu_s"]
        memory = 1 + row["extra_mib"] / row["input_mib"]
        lines.append(f"| {row['method']} | {row['cpu_s']:.2f} | {ratio:.1f} | {memory:.1f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
