"""Every bound of the table of equality; the code of the cases is that of `docs/equality.md`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import equality
import numpy as np
import pytest
from equality_case import Case, compare, difference, measure

ROOT = Path(__file__).parents[2]


def named(cases):
    return [pytest.param(case, id=case.block) for case in cases]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", named(equality.CASES))
def test_ours_equals_the_library(case):
    if case.missing:
        pytest.skip(f"{', '.join(case.missing)} not installed (an extra)")
    assert compare(case) <= case.bound


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", named(case for case in equality.CASES if case.as_used))
def test_what_differs_on_purpose_does_differ(case):
    assert case.why
    assert compare(case, case.as_used) > 100 * case.bound


def test_every_block_has_a_row():
    """A fixed list: a hand-written block that loses its row fails here."""
    blocks = {re.split(r"[(,]", case.block)[0] for case in equality.CASES}
    assert blocks == {
        "fmri.Connectome",
        "fmri.TangentConnectome",
        "fmri.Parcellator",
        "fmri.smooth",
        "fmri.Denoiser",
        "fmri.framewise_displacement",
        "fmri.dvars",
        "shrinkage.ledoit_wolf",
        "false_discovery.adjusted_p",
        "adhd.lda.discriminant",
        "adhd.linear.svm_dual",
        "adhd.linear.logistic_weights",
        "encoding.ridge.fit_ridge",
        "ntf.NonNegativeCP",
        "stats.agreement.ami",
        "stats.agreement.adjusted_rand",
        "hmmglm.PoissonHMM",
        "hmmglm.OneHotHMMGLM",
        "braindive.generator.alphas_cumprod",
        "braindive.generator.to_eps",
    }
    page = (ROOT / "docs/equality.md").read_text("utf-8")
    for case in equality.CASES:
        assert f"| `{case.block}` | {case.library} | {case.equal} |" in page, (
            "run: python benchmarks/equality.py"
        )


def test_only_rows_of_extras_may_be_left_out():
    assert {name for case in equality.CASES for name in case.needs} == set(equality.EXTRA)


def test_the_difference_sees_one_wrong_value_and_lost_ones():
    values = np.arange(1.0, 11.0)
    assert difference([values, values], [values, values]) == 0
    wrong = values.copy()
    wrong[3] += 0.5
    assert difference(wrong, values) == pytest.approx(0.05)
    wrong[3] = np.nan
    assert difference(wrong, values) == np.inf
    assert difference(values[:9], values) == np.inf
    assert difference(np.full(2, np.nan), np.full(2, np.nan)) == np.inf, "nothing was compared"


def test_a_bound_that_does_not_hold_is_named():
    off = Case("x", "y", "-", lambda: (lambda: np.ones(3), lambda: np.ones(3) * 1.1), 1e-3)
    gone = Case("z", "y", "-", lambda: None, 1e-3, needs=("no_such_module",))
    lines, exceeded = equality.page((off, gone))
    assert exceeded == ["x: 9.09e-02, at most 1e-03"]
    assert "| `z` | y | - | not run: no_such_module not installed | - | - |" in lines
    assert measure(off).ratio > 0


@pytest.mark.slow
def test_the_page_is_made_by_one_command(tmp_path):
    """The whole table, on one thread, in a process of its own; it fails where a bound does."""
    out = tmp_path / "equality.md"
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/equality.py", "--out", out],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page = out.read_text("utf-8")
    assert page.count("\n| `") == len(equality.CASES) + sum(
        case.as_used is not None for case in equality.CASES
    )
