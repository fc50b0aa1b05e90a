"""The variables choose the kernels they name; the table says what was skipped and what failed."""

import json
import platform
import re
import subprocess
import sys

import kernels
import pytest
from kernels import Kernel

KERNELS = [
    "blas-nehalem",
    "blas-haswell",
    "blas-skylakex",
    "torch-default",
    "torch-avx2",
    "numpy-baseline",
    "oldest",
]
CHOSEN = """
import json, numpy, scipy.linalg, threadpoolctl, torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(json.dumps({
    "blas": sorted({p["architecture"] for p in threadpoolctl.threadpool_info()
                    if p["internal_api"] == "openblas"}),
    "torch": torch.backends.cpu.get_cpu_capability(),
    "numpy": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
}))
"""


@pytest.mark.skipif(
    platform.machine() != "x86_64" or "sse4_2" not in kernels.features(),
    reason="kernels of x86 processors",
)
def test_the_oldest_kernels_are_really_those():
    assert list(kernels.kernels()) == KERNELS
    environment = kernels.clean_environment() | kernels.kernels()["oldest"].variables
    command = [sys.executable, "-c", CHOSEN]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(result.stdout) == {"blas": ["Nehalem"], "torch": "DEFAULT", "numpy": []}


def test_the_reference_is_computed_by_the_processors_own_kernels(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert not {"OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY"} & set(kernels.clean_environment())


@pytest.fixture
def table(monkeypatch, capsys):
    """Status and rows of a run in which pytest is replaced by given counts."""

    def run(failures, *names):
        monkeypatch.setattr(kernels, "features", lambda: {"sse4_2", "avx2", "fma"})
        monkeypatch.setattr(kernels.subprocess, "run", lambda *a, **k: None)

        def counts(kernel: Kernel, environment, jobs, log):
            log.write_text("what pytest said")
            failed = failures.get(next(iter(kernel.variables)), [])
            return 5, len(failed), failed

        monkeypatch.setattr(kernels, "run", counts)
        status = kernels.main(list(names))
        out = capsys.readouterr().out
        return status, dict(re.findall(r"^(\S+?)(?: +(.*))?$", out.split("\nkernel", 1)[1], re.M))

    return run


def test_a_processor_that_lacks_instructions_skips_with_the_reason(table):
    status, rows = table({})
    assert status == 0
    assert rows["blas-skylakex"] == "skipped: the processor lacks avx512f"
    assert rows["blas-nehalem"].split()[:2] == ["5", "0"]


def test_a_failure_is_named_and_ends_with_one(table):
    status, rows = table({"ATEN_CPU_CAPABILITY": ["test_rule[x]"]}, "torch-default", "blas-haswell")
    assert status == 1
    assert rows["torch-default"].split()[1] == "1" and "test_rule[x]" in rows["torch-default"]
    assert rows["blas-haswell"].split()[:2] == ["5", "0"]
