"""Peers of benchmarks/ntf.py in an environment of their own: tensortools and pyttb.

    python benchmarks/ntf_peers.py ROW tensor.npy factors.npz RANK

Writes the factors, weights folded into the last mode, and prints one line of JSON: iterations and
CPU seconds of the fit (imports and the compilation of a small fit excluded).
"""

from __future__ import annotations

import json
import sys
import time

SEED = 0


def tensortools(values, rank, name):
    """`ncp_hals` or `ncp_bcd`; both compute in double precision."""
    import tensortools

    found = getattr(tensortools, name)(values, rank, random_state=SEED, verbose=False)
    return list(found.factors), len(found.obj_hist)


def pyttb(values, rank, name):
    """`cp_als`, which knows no bound, or `gcp_opt` with a Gaussian loss and a lower bound of 0."""
    import numpy as np
    import pyttb as ttb

    np.random.seed(SEED)
    tensor = ttb.tensor(np.asarray(values, np.float64))
    if name == "cp_als":
        found, _, info = ttb.cp_als(tensor, rank, printitn=0, maxiters=100)
        n = int(info["iters"])
    else:
        solver = ttb.gcp.optimizers.LBFGSB(maxiter=100, iprint=-1)
        handles = ttb.gcp.handles
        loss = (handles.gaussian, handles.gaussian_grad, 0.0)
        found, _, info = ttb.gcp_opt(tensor, rank, loss, solver, printitn=0)
        n = int(info["final"]["nit"] if "final" in info else info.get("nit", 0))
    factors = [np.array(factor) for factor in found.factor_matrices]
    return [factors[0] * found.weights, factors[1], factors[2]], n


def main():
    """Fit once to compile on a corner of the tensor, then for the clock."""
    import numpy as np

    row, path, out, rank = sys.argv[1:]
    library, name = row.split()
    fit = {"tensortools": tensortools, "pyttb": pyttb}[library]
    values = np.load(path)
    fit(np.ascontiguousarray(values[:12, :6, :30]), 2, name)
    start = time.process_time()
    factors, n = fit(values, int(rank), name)
    spent = time.process_time() - start
    np.savez(out, *factors)
    print(json.dumps({"iterations": n, "cpu": spent}))


if __name__ == "__main__":
    main()
