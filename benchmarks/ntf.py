"""Non-negative tensor factorisation beside tensorly and, where installed, tensortools and pyttb.

`python benchmarks/ntf.py --out benchmarks/results/ntf.md`. One thread, CPU seconds (user and
system), median of three runs; peers that take more than 5 s run once. Every solver starts at
random and stops by its own rule; time to the same error is read off our sweeps.
"""

from __future__ import annotations

import argparse
import datetime
import resource
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from neuro.ntf import compare, hals
from neuro.ntf.models import NonNegativeCP
from neuro.ntf.operators import DenseRows
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


def tensortools(values, rank, name):
    import tensortools

    function = {"ncp_hals": tensortools.ncp_hals, "ncp_bcd": tensortools.ncp_bcd}[name]
    found = function(values, rank, random_state=SEED, verbose=False)
    return list(found.factors), len(found.obj_hist)


def pyttb(values, rank, name):
    import pyttb as ttb

    np.random.seed(SEED)
    # cp_apr minimises a Poisson likelihood, cp_als knows no bound: neither is the same problem
    tensor = ttb.tensor(np.asarray(values, np.float64))
    if name == "cp_als (no bound)":
        found, _, info = ttb.cp_als(tensor, rank, printitn=0, maxiters=100)
        n = int(info["iters"])
    else:
        solver = ttb.gcp.optimizers.LBFGSB(maxiter=100, iprint=-1)
        found, _, info = ttb.gcp_opt(tensor, rank, ttb.Objectives.GAUSSIAN, solver, printitn=0)
        n = int(info.get("nit", 0))
    factors = [np.array(factor) for factor in found.factor_matrices]
    return [factors[0] * found.weights, factors[1], factors[2]], n


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


def row(values, truth, rank, label, function, repeats=3):
    """One line of the table; a peer that is not there or fails says why."""
    try:
        (factors, n), seconds = measured(lambda: function(values, rank), repeats)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:60] if str(error) else ''}"
        print(f"{label}: not run ({reason})", flush=True)
        return None, f"| {label} | - | - | - | - | not run ({reason.replace('|', '/')}) |"
    error = relative_error(values, factors)
    similarity = compare.similarity(truth, factors)
    print(label, n, f"{seconds:.2f} s", f"{error:.4f}", f"{similarity:.3f}", flush=True)
    return (error, seconds), (
        f"| {label} | {n} | {seconds:.2f} | {1000 * seconds / max(n, 1):.0f} | {error:.5f} | "
        f"{similarity:.3f} |"
    )


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ntf.md"))
    parser.add_argument("--quick", action="store_true", help="a small tensor, to try the script")
    options = parser.parse_args()
    shape = (60, 8, 400) if options.quick else (240, 20, 4950)
    values, truth = planted_tensor(shape, 6, 0.3)
    ours(values[:10], 2, 1)  # compiled code is loaded before the clock runs
    peers = [
        ("tensorly HALS", lambda x, r: tensorly(x, r, "HALS")),
        ("tensorly MU", lambda x, r: tensorly(x, r, "MU")),
        ("tensortools ncp_hals", lambda x, r: tensortools(x, r, "ncp_hals")),
        ("tensortools ncp_bcd", lambda x, r: tensortools(x, r, "ncp_bcd")),
        ("pyttb cp_als (no bound)", lambda x, r: pyttb(x, r, "cp_als (no bound)")),
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
        head = ["| peer | its error | its CPU s | neuro, CPU s | ratio |", "|---|---|---|---|---|"]
        same = ["", "Time to the same error (within 1e-5), one start each:", "", *head, *same]
    large = []
    if not options.quick:
        del values
        big, _ = planted_tensor((960, 21, 5995), 6, 0.3)
        operator = DenseRows(big)
        start = NonNegativeCP.starts(operator, 10, 1, SEED)
        hals._sweep(operator, start, 2)
        _, seconds = measured(lambda: hals._sweep(operator, start, 2), 5)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        large = [
            "",
            f"A sweep of 960 x 21 x 5995 at rank 10 ({big.nbytes / 1e6:.0f} MB): {seconds:.2f} CPU "
            f"s; peak memory of the whole process {peak:.0f} MB (peers included).",
        ]
    text = [
        "# Non-negative tensor factorisation",
        "",
        f"`python benchmarks/ntf.py`, {datetime.date.today()}, one thread, float32, tensor "
        f"{' x '.join(map(str, shape))}, planted rank 6, half-normal noise 0.3 of the signal's "
        "standard deviation. CPU seconds, median of three runs.",
        "",
        *lines,
        "",
        f"Ten starts in one pass take {ten[1] / one[1]:.1f} times the CPU time of one.",
        *same,
        *large,
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(text) + "\n", "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
