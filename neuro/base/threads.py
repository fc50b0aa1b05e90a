"""One place that says how many threads a job may use."""

from __future__ import annotations

import os
import sys

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def limit(n: int) -> int:
    """Let this process use at most `n` threads; call it before numpy is imported.

    Parameters
    ----------
    n : int
        Number of threads, at least 1.

    Returns
    -------
    int
        The number that was set.

    Raises
    ------
    ValueError
        When `n` is smaller than 1.
    """
    if int(n) < 1:
        raise ValueError(f"threads: got {n}, expected a whole number >= 1")
    n = int(n)
    for name in _VARIABLES:
        os.environ[name] = str(n)
    # torch reads OMP_NUM_THREADS when it is loaded later; if it is here already, tell it.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)
    return n
