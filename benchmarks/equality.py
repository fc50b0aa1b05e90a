"""The table of equality: every hand-written block beside its library.

    python benchmarks/equality.py [--out docs/equality.md]

Writes the page and ends with an error where a bound is exceeded. One thread; times are medians of
CPU seconds of both in this run. Rows whose peer is not installed (`pip install '.[bench]'`) say
so. Cases stand in `equality_images.py` and `equality_models.py`; tests run the same code.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import equality_images
import equality_models
from equality_case import Case, measure
from page import heading, table
from threadpoolctl import threadpool_limits

CASES: tuple[Case, ...] = equality_images.CASES + equality_models.CASES
PACKAGES = ("numpy", "scipy", "scikit-learn", "nilearn", "tensorly")
EXTRA = ("diffusers", "hmmlearn", "statsmodels")

ABOUT = """Blocks that `neuro` has of its own, because they are faster, accept missing regions or
refuse bad input in one line, beside the library that users know. Both get the same data and the
arguments in the third column; the difference is the largest one, as a share of the library's
largest value. Times are medians of CPU seconds of both in one run and one thread; above 1 ours is
faster. Ours is slower where it does more: the ridge chooses its penalty on held-out folds besides,
the one-state model is the switching one. Tests assert every bound."""

DIFFERS = """Here ours as it is used gives something else than the library by default, and why. The
last column shows by how much, again as a share of the library's largest value."""


def sized(value: float) -> str:
    """A difference in two digits; 0 only where both are the same to the last bit."""
    return "0" if value == 0 else f"{value:.1e}"


def page(cases=CASES):
    """Measure all cases.

    Returns
    -------
    lines : list of str
    exceeded : list of str
        A line per bound that does not hold.
    """
    rows, shown, exceeded = [], [], []
    for case in cases:
        if case.missing:
            reason = f"not run: {', '.join(case.missing)} not installed"
            rows.append((f"`{case.block}`", case.library, case.equal, reason, "-", "-"))
            continue
        found = measure(case)
        print(case.block, sized(found.difference), f"{found.ratio:.1f}", flush=True)
        ratio = f"{found.ratio:.1f}" if found.ratio < 10 else f"{found.ratio:.0f}"
        figures = sized(found.difference), f"{case.bound:.0e}", ratio
        rows.append((f"`{case.block}`", case.library, case.equal, *figures))
        if not found.difference <= case.bound:
            exceeded.append(f"{case.block}: {found.difference:.2e}, at most {case.bound:.0e}")
        if found.shown is not None:
            shown.append((f"`{case.block}`", case.why, f"{found.shown:.2g}"))
    installed = [name for name in EXTRA if find_spec(name)]
    lines = heading(
        "Equality with the libraries", "python benchmarks/equality.py", (*PACKAGES, *installed)
    )
    head = ("block", "library", "equal with", "largest difference", "bound", "times as fast")
    lines += [ABOUT, "", *table(head, rows)]
    lines += ["## Where ours differs on purpose", "", DIFFERS, ""]
    lines += table(("block", "why", "difference"), shown)
    return lines[:-1], exceeded


def main() -> int:
    """Measure, write the page, and say which bounds do not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/equality.md"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        lines, exceeded = page()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", "utf-8")
    for line in exceeded:
        print(f"exceeded: {line}", file=sys.stderr)
    return int(bool(exceeded))


if __name__ == "__main__":
    sys.exit(main())
