"""Per-rule cases and one seeded result per stage, under the kernels of other processors.

`python tests/kernels/kernels.py [KERNEL ...] [--jobs N]` prints a table. Linear algebra, torch and
numpy choose their kernels by what the processor can do; variables make them choose otherwise. A
kernel whose instructions this processor lacks is skipped and said so.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
REFERENCE = "NEURO_KERNEL_REFERENCE"
TESTS = ("tests/unit/test_rules.py", "tests/kernels/test_same_seed.py")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """Variables that choose kernels, and the processor features that these need."""

    variables: dict[str, str]
    needs: tuple[str, ...] = ()


_AVX512 = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")


def kernels() -> dict[str, Kernel]:
    """Name to kernel; numpy's list depends on what its build and this processor have."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    wide = " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])
    found = {
        "blas-nehalem": Kernel({"OPENBLAS_CORETYPE": "Nehalem"}, ("sse4_2",)),
        "blas-haswell": Kernel({"OPENBLAS_CORETYPE": "Haswell"}, ("avx2", "fma")),
        "blas-skylakex": Kernel({"OPENBLAS_CORETYPE": "SkylakeX"}, _AVX512),
        "torch-default": Kernel({"ATEN_CPU_CAPABILITY": "default"}),
        "torch-avx2": Kernel({"ATEN_CPU_CAPABILITY": "avx2"}, ("avx2", "fma")),
        "numpy-baseline": Kernel({"NPY_DISABLE_CPU_FEATURES": wide}, () if wide else ("avx2",)),
    }
    oldest = {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41", "NUMBA_CPU_NAME": "generic"}
    for name in ("blas-nehalem", "torch-default", "numpy-baseline"):
        oldest |= found[name].variables
    found["oldest"] = Kernel(oldest, found["numpy-baseline"].needs)
    return found


def features() -> set[str]:
    """What the processor can do, as Linux names it; empty where that is not told."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    line = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(line[1].split()) if line else set()


def clean_environment() -> dict[str, str]:
    """The environment with the kernels of this processor, one thread."""
    chosen = {name for kernel in kernels().values() for name in kernel.variables}
    kept = {name: value for name, value in os.environ.items() if name not in chosen}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def run(kernel: Kernel, environment, jobs: int, log: Path) -> tuple[int, int, list[str]]:
    """Passed and failed tests of one kernel, and the names of those that failed."""
    # without loadfile the cases of the one file go to all workers
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(jobs), "--dist=load", "-rf"]
    command += [*TESTS, "-k", "test_rule or same_seed", "-p", "no:cacheprovider"]
    with log.open("w") as stream:
        code = subprocess.run(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environment | kernel.variables,
        ).returncode
    text = log.read_text()
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", text)}
    failed = re.findall(r"^(?:FAILED|ERROR) \S*::(\S+)", text, re.MULTILINE)
    if code and not failed:
        failed = [f"pytest ended with {code}, see {log}"]
    return counts.get("passed", 0), len(failed), failed


def main(arguments=None) -> int:
    """Run the kernels and print a table; 1 where a test failed."""
    known = kernels()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kernels", nargs="*", choices=[*known, []], metavar="KERNEL", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(arguments)
    able, environment, rows = features(), clean_environment(), []
    with tempfile.TemporaryDirectory() as top:
        reference = Path(top) / "reference.npz"
        command = [sys.executable, str(HERE / "fits.py"), str(reference)]
        subprocess.run(command, check=True, env=environment, cwd=ROOT)
        environment[REFERENCE] = str(reference)
        for name in given.kernels or known:
            lacks = [need for need in known[name].needs if able and need not in able]
            if lacks:
                rows.append((name, "", "", "", f"skipped: the processor lacks {lacks[0]}"))
                continue
            start = time.monotonic()
            log = Path(top) / f"{name}.txt"
            passed, failed, names = run(known[name], environment, given.jobs, log)
            if failed:
                print(log.read_text(), file=sys.stderr)
            seconds = f"{time.monotonic() - start:.0f}"
            rows.append((name, str(passed), str(failed), seconds, ", ".join(names)))
            print(f"{name}: {passed} passed, {failed} failed in {seconds} s", flush=True)
    print(f"\n{'kernel':<16}{'passed':>7}{'failed':>7}{'s':>6}  note")
    for name, passed, failed, seconds, note in rows:
        print(f"{name:<16}{passed:>7}{failed:>7}{seconds:>6}  {note}".rstrip())
    return int(any(row[2] not in ("", "0") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
