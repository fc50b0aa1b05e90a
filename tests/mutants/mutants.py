"""Seeded faults in `neuro/`, one at a time, and how many of them the tests notice.

`python tests/mutants/mutants.py --n 300 --seed 1` draws the same number for every room, runs the
narrowest tests first and prints a table with the survivors. Kept mutation tools rewrite each
function into a dispatcher, which numba cannot compile; hence these lines.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
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
HEAVY = "pytest numpy scipy.optimize pandas torch sklearn.decomposition numba nibabel matplotlib"
HEAVY += " nilearn.maskers networkx h5py statistics"


def narrowest(mutant: Mutant, root: Path) -> list[str]:
    """Test files that may notice a mutant, the likeliest first."""
    room = mutant.path.split("/")[1]
    module = mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    tree = ast.parse((root / mutant.path).read_text())
    public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    names = {name: 2 for name in public if not name.startswith("_")}
    names |= dict.fromkeys(mutant.scope, 6)
    names |= {module: 3, module.rsplit(".", 1)[-1]: 1}
    near = {f"tests/{folder}" for folder in NEAR.get(room, [room])}
    ranked = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        name = str(path.relative_to(root))
        if name.startswith(("tests/mutants", "tests/cluster", "tests/realdata", "tests/kernels")):
            continue
        text = path.read_text()
        score = sum(w for word, w in names.items() if re.search(rf"\b{re.escape(word)}\b", text))
        own = any(name.startswith(f"{folder}/") for folder in near)
        if own or score >= 2 or name.startswith("tests/unit/"):
            ranked.append((-score - 2 * own, len(text), name))
    return [name for _, _, name in sorted(ranked)]


def arguments_of(mutant: Mutant) -> list[str]:
    """Per-rule cases of other stages are left out: they take minutes and cannot notice."""
    room = mutant.path.split("/")[1]
    rules = [path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir()]
    stages = {rule.split("_")[0] for rule in rules}
    if room not in stages:
        return []
    other = [r for r in rules if r.split("_")[0] not in (room, "simulate", "report")]
    return [
        part
        for rule in other
        for part in ("--deselect", f"tests/unit/test_rules.py::test_rule[{rule}]")
    ]


def child(copy: Path, mutant: Mutant) -> None:
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
    os._exit(int(pytest.main([*given, *arguments_of(mutant), *narrowest(mutant, copy)])))


MARKS = "not slow and not realdata and not cluster and not gpu"


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def judge(copy: Path, mutant: Mutant, limit: int) -> str:
    """`noticed by ...`, `survived` or `survived: time` of one mutant."""
    target = copy / mutant.path
    source, stamp = target.read_text(), target.stat()
    target.write_text(mutant.apply(source))
    process = multiprocessing.get_context("fork").Process(target=child, args=(copy, mutant))
    process.start()
    while process.is_alive() and cpu_seconds(process.pid) < limit:
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


def worker(number: int, todo, done, limit: int) -> None:
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
            done.put((mutant, judge(copy, mutant, limit), time.monotonic() - start))


def table(results) -> str:
    """Kill rates per room, then the survivors."""
    drawn, killed = Counter(), Counter()
    for mutant, verdict, _ in results:
        room = mutant.path.split("/")[1]
        drawn[room] += 1
        killed[room] += verdict.startswith("noticed")
    lines = ["| room | mutants | noticed | share |", "|---|---|---|---|"]
    for room in sorted(drawn):
        share = f"{100 * killed[room] / drawn[room]:.0f} %"
        lines.append(f"| `{room}` | {drawn[room]} | {killed[room]} | {share} |")
    total = f"{100 * sum(killed.values()) / max(1, len(results)):.0f} %"
    lines.append(f"| all | {len(results)} | {sum(killed.values())} | {total} |")
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
    given = parser.parse_args()
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
        context.Process(target=worker, args=(k, todo, done, given.limit)) for k in range(given.jobs)
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
