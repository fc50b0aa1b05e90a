"""CPU time and peak memory of a sweep over large tensors: in memory, streamed, and never built.

    python benchmarks/ntf_memory.py [--out benchmarks/results/ntf_memory.md]
    python benchmarks/ntf_memory.py --whole [NEURONS WINDOWS] [--folder DIR] [--sweeps N]
        [--minutes N] [--repeat K]

Each line is a process of its own on one thread; its peak memory (VmHWM, Linux) stands beside the
size of the tensor in float32 and that of a process that has only imported the code. `--whole`
makes the affinities of one recording with planted groups and factorises them to the end; by
default 2,000 neurons and 1,000 windows, which take 24 GB in the folder while it runs. `--sweeps`
and `--minutes` end the fit earlier, `--repeat` fits the windows that were made K times over (what
the fit costs at that length, without the time to make it); the page says so:
benchmarks/results/ntf_whole.md.
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
SIZES = {250: 100, 500: 50, 1000: 25, 2000: 12}
"""Windows of a recording at 4 Hz by neurons."""
WHOLE = (2000, 1000)
GROUPS, GROUP_RATE, GROUP_SIZE = 5, 0.01, 0.8
"""Planted groups, each a twentieth of the neurons: their common events per frame, and the mean
size of one in parts of a neuron's own."""
WHOLE_TOL, WHOLE_SWEEPS = 1e-4, 100
JOBS = {
    "nothing": "none: imports only",
    "memory 1": "in memory, 1 start",
    "memory 10": "in memory, 10 starts at once",
    "stream 1": "streamed from disk, 1 start",
    "stream 10": "streamed from disk, 10 starts at once",
    **{
        f"excess {n}": f"`excess`, both signs, to disk: {n} neurons, {windows} windows"
        for n, windows in SIZES.items()
    },
    "free 1": f"never built: {NEURONS} neurons, {ANIMALS * BINS} rows, rank {FREE_RANK}, 1 start",
}


def affinities(n_neurons, path):
    """CPU seconds a window of the affinity, streamed to a file; the file as an operator."""
    import numpy as np

    from neuro.io.recordings.reader import Recording
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.ntf.factors.operators import as_operator
    from neuro.simulate.pair_cases import FS, pair_case

    windows = SIZES[n_neurons]
    rng = np.random.default_rng(0)
    traces = pair_case("independent", n_neurons, int((windows + 1) * 10 * FS), rng=rng)
    item = Recording("w", traces.astype(np.float32), FS)
    begin = time.process_time()
    options = {"kind": "excess", "sign": "signed", "window_s": 20.0, "bin_s": 10.0}
    tensor = build_tensor([item], out=path, **options)
    return (time.process_time() - begin) / len(tensor.values), as_operator(tensor)


def job(name, path):
    """Print CPU seconds per sweep, bytes of the tensor and peak memory of this process."""
    import numpy as np

    from neuro.ntf.affinity.separable import SeparableTensor
    from neuro.ntf.factors import hals
    from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
    from neuro.ntf.factors.operators import DenseRows

    kind, _, n_starts = name.partition(" ")
    seconds, size, window = [], 0, None
    if kind != "nothing":
        rank = RANK
        if kind == "free":
            rng, rank = np.random.default_rng(0), FREE_RANK
            traces = [
                rng.standard_normal((BINS, NEURONS)).astype(np.float32) for _ in range(ANIMALS)
            ]
            operator = SeparableTensor.from_traces(traces, 1.0, "edge_ts", bin_s=1.0)
        elif kind == "excess":
            window, operator = affinities(int(n_starts), Path(path).with_name("excess.npy"))
            n_starts = 1
        else:
            operator = DenseRows(np.load(path, mmap_mode="r" if kind == "stream" else None))
        size = 4 * int(np.prod([int(n) for n in operator.shape]))
        model = ConcatenatedNMF if kind == "excess" else NonNegativeCP
        starts = model.starts(operator, rank, int(n_starts), 0)
        for _ in range(4):
            begin = time.process_time()
            hals._sweep(operator, starts, 2)
            seconds.append(time.process_time() - begin)
    # the first sweep loads compiled code
    sweep = float(np.median(seconds[1:])) if seconds else 0.0
    status = Path("/proc/self/status").read_text()
    peak = 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    print(json.dumps({"sweep": sweep, "peak": peak, "size": size, "window": window}))


def grouped(n_neurons, n_frames):
    """Traces of independent neurons, some of which have common events; groups of pairs."""
    import numpy as np
    from scipy.signal import lfilter

    from neuro.simulate.pair_cases import DECAY_S, FS, pair_case

    rng = np.random.default_rng(0)
    traces = pair_case("independent", n_neurons, n_frames, rng=rng).astype(np.float32)
    shape = n_frames, GROUPS
    events = (rng.random(shape) < GROUP_RATE) * rng.gamma(4, 0.25 * GROUP_SIZE, shape) * 2
    common = lfilter([1.0], [1.0, -np.exp(-1 / (DECAY_S * FS))], events, axis=0)
    member = np.arange(n_neurons) // (n_neurons // 20)
    for group in range(GROUPS):
        traces[:, member == group] += common[:, [group]].astype(np.float32)
    return traces, [(member[:, None] == k) & (member == k) for k in range(GROUPS)]


def repeated(tensor, path, times):
    """A tensor whose windows follow each other `times` times, in a file that is only appended to.

    Pages that are written through a map would count as memory of this process.
    """
    import dataclasses

    import numpy as np

    n_bins, *rest = tensor.values.shape
    with path.open("wb") as file:
        form = {"descr": "<f4", "fortran_order": False, "shape": (times * n_bins, *rest)}
        np.lib.format.write_array_header_1_0(file, form)
        for number in range(times * n_bins):
            file.write(np.ascontiguousarray(tensor.values[number % n_bins], "<f4").data)
    mask = tensor.frame_mask
    mask = None if mask is None else np.tile(mask, (times, 1))
    return dataclasses.replace(tensor, values=np.load(path, mmap_mode="r"), frame_mask=mask)


def whole(n_neurons, windows, folder, sweeps, minutes, repeat):
    """One recording from traces to motifs: lines of a table, and what was found."""
    import numpy as np

    from neuro.io.recordings.reader import Recording
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.ntf.communities.baselines import one_to_one
    from neuro.ntf.communities.detect import motifs
    from neuro.ntf.factors import hals
    from neuro.ntf.factors.models import ConcatenatedNMF
    from neuro.ntf.factors.operators import as_operator
    from neuro.simulate.pair_cases import FS

    rows, begin = [], [time.process_time(), time.time()]
    limit = begin[1] + 60 * minutes

    def done(what):
        now = [time.process_time(), time.time()]
        peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
        cells = [f"{after - before:.0f}" for before, after in zip(begin, now)]
        rows.append(f"| {what} | {' | '.join(cells)} | {int(peak) * 1.024e-3:.0f} |")
        print(rows[-1], flush=True)
        begin[:] = time.process_time(), time.time()

    # windows of 20 s begin every 10 s
    traces, groups = grouped(n_neurons, round(10 * windows * FS))
    done(f"planted traces, {len(traces):,} frames")
    options = {"kind": "excess", "sign": "signed", "window_s": 20.0, "bin_s": 10.0}
    path = Path(folder) / "tensor.npy"
    tensor = build_tensor([Recording("w", traces, FS)], out=path, **options)
    del traces
    size = path.stat().st_size
    done(f"affinities of both signs to disk, {size / 1e9:.1f} GB")
    if repeat > 1:
        tensor = repeated(tensor, path.with_name("long.npy"), repeat)
        size *= repeat
        done(f"the same windows {repeat} times, {size / 1e9:.1f} GB")
    operator = as_operator(tensor)
    done("checked")
    end = []

    class Watched(ConcatenatedNMF):
        """A line per sweep; the end as in `hals.run`, or for want of time."""

        def _descend(self, operator, starts):
            history = starts[0].history
            while not hals._converged(history, WHOLE_TOL, np.inf):
                if history and (len(history) >= sweeps or time.time() > limit):
                    end.append("The fit was ended early, when a sweep still gained more than")
                    break
                hals._sweep(operator, starts, self.inner)
                print(f"sweep {len(history)}: {1 - history[-1] / operator.sq_norm:.5f}", flush=True)

    model = Watched(GROUPS, n_starts=1, random_state=0).fit(operator)
    done(f"{len(model.history_)} sweeps from one start, {GROUPS} components")
    assert np.prod(operator.shape) * 4 <= size
    ended = end[0] if end else "The last sweep gained less than"
    return rows, [
        f"{ended} {WHOLE_TOL:g} of the objective; explained energy "
        f"{model.explained_:.3f}. Planted groups of {n_neurons // 20} neurons, one motif each: "
        f"AUROC of pairs {', '.join(f'{x:.3f}' for x in one_to_one(motifs(model), groups))}."
    ]


def whole_page(n_neurons, windows, folder, sweeps, minutes, repeat):
    """The page of one whole run."""
    named = {"sweeps": sweeps, "minutes": minutes, "repeat": repeat}
    defaults = WHOLE_SWEEPS, float("inf"), 1
    given = [f" --{x} {n:g}" for (x, n), usual in zip(named.items(), defaults) if n != usual]
    size = "" if (n_neurons, windows) == WHOLE else f" {n_neurons} {windows}"
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        rows, words = whole(n_neurons, windows, inside, sweeps, minutes, repeat)
    return [
        *heading(
            "One large recording from traces to motifs",
            f"python benchmarks/ntf_memory.py --whole{size}{''.join(given)}",
            ("numpy", "scipy", "numba"),
        ),
        f"One thread, {n_neurons:,} neurons ({n_neurons * (n_neurons - 1) // 2:,} pairs), "
        f"{windows:,} windows of 20 s at 4 Hz"
        + (f", fitted {repeat} times over: {windows * repeat:,}." if repeat > 1 else "."),
        "",
        "| step | CPU s | wall s | peak memory so far, MB |",
        "|---|---|---|---|",
        *rows,
        "",
        *words,
    ]


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ntf_memory.md"))
    parser.add_argument("--whole", nargs="*", type=int, metavar="N")
    parser.add_argument("--folder", type=Path, default=None, help="for --whole")
    parser.add_argument("--sweeps", type=int, default=WHOLE_SWEEPS, help="at most, for --whole")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no sweep begins later")
    parser.add_argument("--repeat", type=int, default=1, help="of the windows, for --whole")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job(options.job, options.data)
        return
    if options.whole is not None:
        lines = whole_page(
            *(options.whole or WHOLE),
            options.folder,
            options.sweeps,
            options.minutes,
            options.repeat,
        )
        options.out.with_name("ntf_whole.md").write_text("\n".join(lines) + "\n", "utf-8")
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
        "| tensor | size, MB | CPU s per sweep | peak memory, MB | CPU s per window |",
        "|---|---|---|---|---|",
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
            window = "" if got["window"] is None else f"{got['window']:.3f}"
            lines.append(f"| {text} | {size:.0f} | {sweep} | {peak:.0f} | {window} |")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
