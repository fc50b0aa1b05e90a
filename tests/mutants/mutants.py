"""Seeded faults in `neuro/`, one at a time, and how many of them the tests notice.

`python tests/mutants/mutants.py --n 300 --seed 1` draws the same number for every room, runs the
tests that reach the changed line (measured once by coverage; first those that reach little else),
then those that only start programs, and prints a table with the survivors. Kept mutation tools
rewrite each function into a dispatcher, which numba cannot compile; hence these lines.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from operators import Mutant, mutants

ROOT = Path(__file__).parents[2]
NEAR = {
    "base": ["shared_modules", "workflow", "sklearn_contract"],
    "stats": ["shared_modules"],
    "command": ["cli", "conformance", "workflow"],
    "run": ["workflow", "cli"],
    "config": ["config", "workflow", "cli"],
    "io": ["io", "conformance"],
}
"""Folders of tests of a room where they do not carry its name alone."""
MARKS = "not slow and not realdata and not cluster and not gpu"
PROGRAMS = re.compile(r"subprocess|run_rule|snakemake")
"""Tests that start programs reach lines that coverage does not see."""
SLOW = 3.0
"""Seconds; tests that take longer come after all others."""
MOST = 400
"""Tests of a batch."""
HEAVY = "pytest numpy scipy.optimize pandas torch sklearn.decomposition numba nibabel matplotlib"
HEAVY += " nilearn.maskers networkx h5py statistics"


def programs(mutant: Mutant, root: Path) -> list[str]:
    """Test files of the mutant's room that start programs; per-rule cases of its stage alone."""
    room = mutant.path.split("/")[1]
    rules = [path.parent.name for path in root.glob("tests/unit/*/targets.txt")]
    own = [rule for rule in rules if rule.split("_")[0] in (room, "simulate", "report")]
    if room not in {rule.split("_")[0] for rule in rules}:
        own = rules
    cases = "tests/unit/test_rules.py"
    names = [f"{cases}::test_rule[{rule}]" for rule in sorted(own)]
    for folder in [*NEAR.get(room, [room]), "unit"]:
        for path in sorted((root / "tests" / folder).glob("test_*.py")):
            name = str(path.relative_to(root))
            if name != cases and PROGRAMS.search(path.read_text()):
                names.append(name)
    return names


def measure(folder: Path) -> None:
    """Run all tests once; which of them reaches which line, and how long each takes."""
    folder.mkdir(parents=True)
    (folder / "rc").write_text(f"[run]\ndata_file = {folder}/lines\n")
    command = [sys.executable, "-m", "pytest", "-n", "auto", "-q", "-m", MARKS, "--cov=neuro"]
    command += ["--cov-context=test", f"--cov-config={folder}/rc", "--cov-report="]
    # rules run in processes of their own, which coverage does not see
    command += ["--ignore=tests/unit/test_rules.py", "--ignore=tests/mutants"]
    command += ["--durations=0", "--durations-min=0"]
    with (folder / "log").open("w") as log:
        subprocess.run(command, cwd=ROOT, stdout=log, check=False)


class Reached:
    """The tests that reach a line, from the folder that `measure` filled."""

    def __init__(self, folder: Path):
        # read whole and at once: the library empties the file when a fork of it looks in
        self.seconds: Counter = Counter()
        for took, test in re.findall(
            r"^ *([\d.]+)s \w+ +(tests/.*)$", (folder / "log").read_text(), re.MULTILINE
        ):
            self.seconds[test] += float(took)
        in_file: dict[str, list[str]] = defaultdict(list)
        for test in self.seconds:
            in_file[test.split("::")[0]].append(test)
        # lines of each file and of all files that a test reaches
        self.lines: Counter = Counter()
        self.of_file: dict[str, dict[str, int]] = defaultdict(dict)
        query = "select path, context, numbits from line_bits join file on file.id = file_id"
        query += " join context on context.id = context_id where context like 'tests/%'"
        with contextlib.closing(sqlite3.connect(folder / "lines")) as rows:
            for path, context, packed in rows.execute(query):
                test, phase = context.rsplit("|", 1)
                bits, name = int.from_bytes(packed, "little"), path[path.rindex("/neuro/") + 1 :]
                # what a fixture made for the first test of a file serves the others as well
                others = in_file[test.split("::")[0]] if phase == "setup" else []
                for user in others or [test]:
                    self.of_file[name][user] = self.of_file[name].get(user, 0) | bits
        for name, tests in self.of_file.items():
            for test, bits in tests.items():
                self.lines[test] += bits.bit_count()
                self.lines[test, name] = bits.bit_count()
        if not self.lines:
            raise SystemExit(f"{folder / 'lines'}: no test reaches any line; measure anew")

    def reaching(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """Tests that reach the line, and its file; of compiled lines the tests of the folder."""
        folder = mutant.path.rpartition("/")[0]
        near = [name for name in self.of_file if name.rpartition("/")[0] == folder]
        own = self.of_file.get(mutant.path, {})
        on_line = [test for test, bits in own.items() if bits >> mutant.line & 1]
        in_folder = {test for name in near for test in self.of_file[name]}
        return ([mutant.path], sorted(on_line)) if on_line else (near, sorted(in_folder))

    def batches(self, mutant: Mutant) -> list[list[str]]:
        """Node names: files that are about the mutant's file first, then more, slow tests last.

        A test is about a file when much of what it reaches lies there.
        """
        paths, names = self.reaching(mutant)
        cost = {
            name: (0.02 + self.seconds[name])
            * self.lines[name]
            / max(1, sum(self.lines[name, path] for path in paths))
            for name in names
        }
        files: dict[str, list[str]] = {}
        for name in sorted(names, key=cost.__getitem__):
            if self.seconds[name] <= SLOW:
                files.setdefault(name.split("::")[0], []).append(name)
        quick = list(files.values())
        slow = [name for name in sorted(names, key=cost.__getitem__) if self.seconds[name] > SLOW]
        shares = (quick[:1], quick[1:5], quick[5:])
        groups = [[name for own in share for name in own][:MOST] for share in shares]
        return [group for group in (*groups, slow) if group]


def child(copy: Path, batches: list[list[str]]) -> None:
    """Run the tests in a fork of the loaded interpreter; its status tells what happened."""
    log = os.open(copy / "mutant.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(copy)
    os.setsid()
    os.environ["PYTHONPATH"] = str(copy)
    sys.path.insert(0, str(copy))
    import pytest

    given = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", MARKS, "-o", "addopts="]
    given += ["--strict-markers", "--import-mode=importlib", f"--basetemp={copy}-tests"]
    for tests in batches:
        status = int(pytest.main([*given, *tests]))
        if status not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            os._exit(status)
    os._exit(0)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def judge(copy: Path, mutant: Mutant, limit: int, reached: Reached | None = None) -> str:
    """`noticed by ...`, `survived` or `survived: time` of one mutant."""
    batches = [*(reached.batches(mutant) if reached else []), programs(mutant, copy)]
    target = copy / mutant.path
    source, stamp = target.read_text(), target.stat()
    target.write_text(mutant.apply(source))
    process = multiprocessing.get_context("fork").Process(target=child, args=(copy, batches))
    process.start()
    end = time.monotonic() + 4 * limit  # programs that still run are not counted above
    while process.is_alive() and cpu_seconds(process.pid) < limit and time.monotonic() < end:
        process.join(1)
    late = process.is_alive()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.join()
    target.write_text(source)
    os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    shutil.rmtree(f"{copy}-tests", ignore_errors=True)
    text = (copy / "mutant.log").read_text(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    if late:
        return "survived: time"
    if process.exitcode == 0:
        return "survived"
    why = re.search(r"^E +(.*)$", text, re.MULTILINE)
    if not failed:
        return f"broken: status {process.exitcode}, {text[-200:]}"
    return f"noticed by {failed[1]}: {why[1][:100] if why else ''}"


def worker(number: int, todo, done, limit: int, reached: Reached) -> None:
    """Take mutants until none is left, each in this worker's own copy of the tree."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in HEAVY.split():
        __import__(name)
    with tempfile.TemporaryDirectory(prefix=f"mutants{number}-") as top:
        copy = Path(top) / ROOT.name
        files = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        for name in filter(None, files):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        if (ROOT.parent / "shared").exists():
            (Path(top) / "shared").symlink_to(ROOT.parent / "shared")
        # some tests ask git which files there are
        for command in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", *command], cwd=copy, check=True)
        for mutant in iter(todo.get, None):
            start = time.monotonic()
            done.put((mutant, judge(copy, mutant, limit, reached), time.monotonic() - start))


def table(results) -> str:
    """Kill rates per room, then the survivors."""
    drawn, killed, late = Counter(), Counter(), Counter()
    for mutant, verdict, _ in results:
        for room in (f"`{mutant.path.split('/')[1]}`", "all"):
            drawn[room] += 1
            killed[room] += verdict.startswith("noticed")
            late[room] += verdict == "survived: time"
    lines = ["| room | mutants | noticed | share | beyond the limit |", "|---|---|---|---|---|"]
    for room in sorted(drawn, key=lambda name: (name == "all", name)):
        share = f"{100 * killed[room] / drawn[room]:.0f} %"
        lines.append(f"| {room} | {drawn[room]} | {killed[room]} | {share} | {late[room]} |")
    lines += ["", "Survivors:", ""]
    lines += [
        f"- {m} ({verdict})" for m, verdict, _ in results if not verdict.startswith("noticed")
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=int, default=120, help="CPU seconds for one mutant")
    parser.add_argument("--only", default="", help="paths that start with this, e.g. neuro/mds")
    parser.add_argument("--out", type=Path, help="results as JSON lines; those in it are not rerun")
    parser.add_argument("--lines", type=Path, help="folder of what each test reaches; kept")
    given = parser.parse_args()
    folder = given.lines or Path(tempfile.mkdtemp(prefix="mutants-")) / "lines"
    if not folder.exists():
        measure(folder)
    reached = Reached(folder)
    chosen = [m for m in mutants(ROOT, given.seed, given.n) if m.path.startswith(given.only)]
    random.Random(given.seed).shuffle(chosen)
    earlier = {}
    if given.out and given.out.exists():
        rows = [json.loads(line) for line in given.out.read_text().splitlines()]
        earlier = {r["mutant"]: (r["verdict"], r["seconds"]) for r in rows}
    results = [(m, *earlier[str(m)]) for m in chosen if str(m) in earlier]
    context = multiprocessing.get_context("fork")
    todo, done = context.Queue(), context.Queue()
    left = [m for m in chosen if str(m) not in earlier]
    for mutant in [*left, *[None] * given.jobs]:
        todo.put(mutant)
    workers = [
        context.Process(target=worker, args=(k, todo, done, given.limit, reached))
        for k in range(given.jobs)
    ]
    for process in workers:
        process.start()
    for _ in left:
        mutant, verdict, seconds = done.get()
        results.append((mutant, verdict, seconds))
        print(f"{seconds:5.0f} s  {mutant}: {verdict}", flush=True)
        if given.out:
            row = {"mutant": str(mutant), "verdict": verdict, "seconds": round(seconds)}
            with given.out.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
