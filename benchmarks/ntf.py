"""Non-negative tensor factorisation beside tensorly, tensortools and pyttb.

    python benchmarks/ntf.py [--peers PYTHON] [--out benchmarks/results/ntf.md]

`--peers` names an interpreter with tensortools and pyttb (`benchmarks/ntf_peers.txt`); without it
their rows are left out. One thread, CPU seconds (user and system), median of three runs; peers
that take more than 5 s, and those in the other interpreter, run once. Every solver starts at
random and stops by its own rule; time to the same error is read off our sweeps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from page import heading
from threadpoolctl import threadpool_limits

from neuro.ntf.factors import compare, hals
from neuro.ntf.factors.models import NonNegativeCP
from neuro.ntf.factors.operators import DenseRows
from neuro.simulate.motifs import planted_tensor

SEED = 0


def measured(function, repeats=3, limit=5.0):
    """Result and median CPU seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
        if seconds[-1] > limit:
            break
    return result, float(np.median(seconds))


def relative_error(values, factors):
    """Relative error of factors whose weights are folded into the last mode, in blocks."""
    time_, animals, pairs = (np.asarray(factor, np.float32) for factor in factors)
    total = 0.0
    for first in range(0, len(values), 16):
        rows = time_[first : first + 16, None] * animals
        block = values[first : first + 16] - rows @ pairs.T
        total += float(np.vdot(block, block))
    return float(np.sqrt(total / float(np.vdot(values, values))))


def ours(values, rank, n_starts):
    model = NonNegativeCP(rank, n_starts=n_starts, random_state=SEED).fit(values)
    return [model.time_, model.animals_, model.pairs_ * model.lambda_], int(model.n_iter_.max())


def tensorly(values, rank, name):
    import tensorly.decomposition as decomposition

    function = {
        "HALS": decomposition.non_negative_parafac_hals,
        "MU": decomposition.non_negative_parafac,
    }[name]
    found, errors = function(
        values, rank, init="random", random_state=SEED, n_iter_max=100, return_errors=True
    )
    weights, factors = found
    return [factors[0] * weights, factors[1], factors[2]], len(errors)


def peer(values, rank, name, python):
    """Factors of a peer in the other interpreter; returns its own clock."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "tensor.npy", values)
        script = Path(__file__).with_name("ntf_peers.py")
        arguments = [name, f"{folder}/tensor.npy", f"{folder}/factors.npz", rank]
        found = child([python, script, *arguments])
        with np.load(f"{folder}/factors.npz") as file:
            return [file[key] for key in file.files], found["iterations"], found["cpu"]


def child(command):
    """The last line of a one-threaded process of its own, as JSON."""
    threads = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    env = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in threads}}
    done = subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def seconds_to(values, rank, target):
    """CPU seconds and sweeps until our first start is as good as a target error."""
    start_time = time.process_time()
    operator = DenseRows(values)
    start = NonNegativeCP.starts(operator, rank, 1, SEED)[0]
    for sweep in range(1, 201):
        hals._sweep(operator, [start], 2)
        if np.sqrt(max(start.history[-1], 0) / operator.sq_norm) <= target:
            return time.process_time() - start_time, sweep
    return None, None


def row(values, truth, rank, label, function):
    """One line of the table; a peer that is not there or fails says why."""
    try:
        (factors, n, *own), seconds = measured(lambda: function(values, rank))
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:60] if str(error) else ''}"
        print(f"{label}: not run ({reason})", flush=True)
        return None, f"| {label} | - | - | - | - | not run ({reason.replace('|', '/')}) |"
    seconds = own[0] if own else seconds
    error = relative_error(values, factors)
    similarity = compare.similarity(truth, factors)
    print(label, n, f"{seconds:.2f} s", f"{error:.4f}", f"{similarity:.3f}", flush=True)
    return (error, seconds), (
        f"| {label} | {n} | {seconds:.2f} | {1000 * seconds / max(n, 1):.0f} | {error:.5f} | "
        f"{similarity:.3f} |"
    )


PEERS = {
    "tensortools ncp_hals": "tensortools ncp_hals",
    "tensortools ncp_bcd": "tensortools ncp_bcd",
    "pyttb cp_als": "pyttb cp_als (no bound)",
    "pyttb gcp_opt": "pyttb gcp_opt (L-BFGS-B, 100 iterations)",
}


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="interpreter with tensortools and pyttb")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ntf.md"))
    parser.add_argument("--quick", action="store_true", help="a small tensor, to try the script")
    options = parser.parse_args()
    shape = (60, 8, 400) if options.quick else (240, 20, 4950)
    values, truth = planted_tensor(shape, 6, 0.3)
    ours(values[:10], 2, 1)  # compiled code is loaded before the clock runs
    peers = [
        ("tensorly HALS", lambda x, r: tensorly(x, r, "HALS")),
        ("tensorly MU", lambda x, r: tensorly(x, r, "MU")),
    ]
    if options.peers:
        peers += [
            (label, partial(peer, name=name, python=options.peers)) for name, label in PEERS.items()
        ]
    lines = ["| solver | iterations | CPU s | ms per iteration | relative error | similarity |"]
    lines.append("|---|---|---|---|---|---|")
    one, text = row(values, truth, 6, "neuro HALS, 1 start", lambda x, r: ours(x, r, 1))
    lines.append(text)
    ten, text = row(values, truth, 6, "neuro HALS, 10 starts", lambda x, r: ours(x, r, 10))
    lines.append(text)
    same = []
    for label, function in peers:
        result, text = row(values, truth, 6, label, function)
        lines.append(text)
        if result:
            runs = [seconds_to(values, 6, result[0] + 1e-5) for _ in range(3)]
            if runs[0][0] is not None:
                seconds = float(np.median([run[0] for run in runs]))
                same.append(
                    f"| {label} | {result[0]:.5f} | {result[1]:.2f} | {seconds:.2f} | "
                    f"{result[1] / seconds:.1f} |"
                )
    if same:
        columns = "| peer | its error | its CPU s | neuro, CPU s to its error | peer / neuro |"
        same = [
            "",
            "Time to the same error (within 1e-5), one start each:",
            "",
            columns,
            "|---|---|---|---|---|",
            *same,
        ]
    text = [
        *heading(
            "Non-negative tensor factorisation",
            "python benchmarks/ntf.py --peers PYTHON",
            ("numpy", "tensorly", *versions_of(options.peers)),
        ),
        f"One thread, float32, tensor {' x '.join(map(str, shape))}, planted rank 6, half-normal "
        "noise 0.3 of the signal's standard deviation. CPU seconds, median of three runs; peers "
        "above 5 s, tensortools and pyttb ran once.",
        "",
        *lines,
        "",
        f"Ten starts in one pass take {ten[1] / one[1]:.1f} times the CPU time of one.",
        *same,
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(text) + "\n", "utf-8")


def versions_of(peers):
    """Versions of the peers in an environment of their own."""
    if not peers:
        return []
    code = (
        "from importlib.metadata import version as v\n"
        "print(', '.join(f'{n} {v(n)}' for n in ('tensortools', 'pyttb')))"
    )
    return [subprocess.run([peers, "-c", code], capture_output=True, text=True).stdout.strip()]


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
