"""Break every rule of every stage in every way, start again as a user would, and look.

    python tests/chaos/chaos.py [--seed N] [--all] [--only STUDY] [--out docs/chaos.md]

A case is a small finished study, one rule of it and one fault. It passes when the next starts give
what the undisturbed study gives, or end with a status other than 0 and a line that names a file and
what to do; when that is done, the results must be the same again. Without `--all` some studies and
cases of theirs are drawn with the seed until the time is over.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "unit")]
from cases import braindive, fmri, hmmglm, mds, ntf  # noqa: E402
from common import ROOT, Difference, compare, files, only  # noqa: E402

from neuro.base import record  # noqa: E402
from neuro.simulate.raw import write_raw  # noqa: E402

DEMOVAE = {
    **{"latent_dim": 3, "latent_dims": [3], "hidden": 20, "n_epochs": 5},
    **{"n_samples": 12, "permutations": 3, "folds": 3, "compare": ["none", "linear"]},
    "planted": {"n_subjects": 60, "n_regions": 8, "latent_dim": 4},
}
STUDIES = {
    "tables": fmri.TABLES,
    "images": {
        **fmri.MAPPED,
        "fmri": {**fmri.MAPPED["fmri"], "compare": ["none", "6P"]},
        "adhd": {**fmri.IMAGES["adhd"], "outer_folds": 2},
    },
    "simulated": {
        **fmri.SIMULATED,
        "simulate": {"n_subjects": 20, "voxel_mm": 12, "n_volumes": 60},
        "fmri": {"atlas": "simulated", "min_seconds": 60, "strategy": "6P", "scrub": False},
        "demovae": {**DEMOVAE, "columns": {"sex": "categorical remove"}, "age_basis": "linear"},
    },
    "raw": {
        **fmri.RAW,
        "fmri": {**fmri.RAW["fmri"], "min_seconds": 30, "strategy": "6P", "scrub": False},
    },
    "region graphs": {
        "data": {"kind": "table", "root": "input", "tr": 2.0},
        "fmri": {"min_seconds": 60},
        "adhd": {
            **fmri.IMAGES["adhd"],
            **{"level": "roi", "features": ["degree", "cycle3", "fc"]},
            "targets": {"age": "number"},
            "group": {"enabled": True, "permutations": 99},
        },
        "demovae": DEMOVAE,
    },
    "motifs": ntf.MOTIFS,
    "states": {**hmmglm.SWITCHING, "hmmglm": {**hmmglm.SWITCHING["hmmglm"], "grid": "jobs"}},
    "cells": mds.PLANTED_CELLS,
    "scenes": braindive.IMAGINED,
}
FAULTS = (
    *("kill", "memory", "truncate", "empty", "unreadable"),
    *("vanish", "full disk", "SIGTERM", "SIGINT"),
)
REMEDY = re.compile(
    r"delete|start again|free space|make it|let fewer|copy it|get the file|mend|set (?!-)"
)
SKIPPED = ("results/inputs.json",)
DRAWN = 4
"""Studies of a run without `--all`; each costs a minute before its first case."""


class Failure(AssertionError):
    """A case that did not pass."""


def make_study(name: str, folder: Path) -> Path:
    """A finished study; made once, copied for every case."""
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = STUDIES[name]
    kind = settings["data"]["kind"]
    if name == "region graphs":
        grown_tables(folder / "input")
    elif kind == "table":
        fmri.small_tables(folder / "input")
    elif kind == "bids":
        write_raw(folder / "input", n_subjects=1, voxel_mm=12, n_volumes=40, noise=0.5)
    elif kind not in ("simulated", "none"):
        fmri.crop_cohort(folder / "input", n_subjects=8)
    text = yaml.safe_dump(only({"adhd": {"enabled": False}} | settings))
    (folder / "mine.yaml").write_text(text)
    status, output = Start(folder).wait()
    if status:
        raise Failure(f"{name}: the undisturbed study fails\n{output[-3000:]}")
    (folder / "done").touch()
    return folder


def grown_tables(folder: Path, n_subjects: int = 40) -> None:
    """Region tables of a group that is large enough for demographics to be taken out."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    rows = ["participant_id\tsite\tage\tsex\tdx"]
    for number in range(n_subjects):
        age = 8 + number % 7
        series = rng.standard_normal((60, 6)) + age / 10 * rng.standard_normal((60, 1))
        lines = ["\t".join("abcdef"), *("\t".join(map("{:.4f}".format, row)) for row in series)]
        (folder / f"sub-{number:02d}_task-rest_timeseries.tsv").write_text("\n".join(lines) + "\n")
        site, sex = "AB"[number % 2], "FM"[number // 2 % 2]
        rows.append(f"sub-{number:02d}\t{site}\t{age}\t{sex}\t{number // 4 % 2}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


class Start:
    """`snakemake --cores 1` in a folder, with a fault for one of its jobs."""

    def __init__(self, folder: Path, fault: str = ""):
        path = os.pathsep.join([str(ROOT), str(HERE / "faults")])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        environment |= {"PYTHONPATH": path, "NEURO_FAULT": fault}
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(folder), "--configfile", str(folder / "mine.yaml")]
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, "--cores", "1"],
            cwd=folder,
            env=environment,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self, timeout: float = 900) -> tuple[int, str]:
        """Status and everything that was printed."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise Failure("the start does not end") from None
        self.output.seek(0)
        return status, self.output.read()


def jobs(folder: Path) -> list[dict]:
    """Rows of the study's plan."""
    with open(folder / "results/provenance/plan.tsv", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


class Case:
    """One job of a copy of a study, and what happens to it."""

    def __init__(self, study: Path, folder: Path, rule: str, fault: str, seed: str):
        self.study, self.folder, self.rule, self.fault = study, folder, rule, fault
        self.random = random.Random(seed)
        shutil.copytree(study, folder, copy_function=shutil.copy2, dirs_exist_ok=True)
        row = self.random.choice([row for row in jobs(folder) if row["rule"] == rule])
        self.record = record.read(folder / record.path_of(row["log"]))
        self.log = row["log"]
        self.seconds, self.space = self._measured(row)
        temporary = row["temporary"].split(" ")
        names = [f.name for f in self.record.outputs if f.name not in temporary and f.size]
        self.output = self.random.choice(names)

    def _measured(self, row):
        """Wall seconds and address space (MB) of the undisturbed job."""
        with open(self.folder / row["benchmark"], newline="") as stream:
            found = next(csv.DictReader(stream, delimiter="\t"))
        return float(found["s"]), float(found["max_vms"])

    def undo(self):
        """Take away what the job wrote, so that the next start does it again."""
        for file in self.record.outputs:
            (self.folder / file.name).unlink(missing_ok=True)

    def change(self, how):
        path = self.folder / self.output
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if how == "truncate" else b"")

    def signalled(self, number):
        self.undo()
        log = self.folder / self.log
        log.unlink(missing_ok=True)
        start = Start(self.folder)
        while not log.exists() and start.process.poll() is None:
            time.sleep(0.02)
        time.sleep(self.random.uniform(0, self.seconds))
        if start.process.poll() is None:
            start.process.send_signal(number)
        return start.wait()

    def full(self):
        """The same on a file system of its own that has some KB left."""
        self.undo()
        filler = self.folder / "filler"
        left = self.random.choice([0, 8, 32]) << 10
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        with open(filler, "wb") as stream:
            stream.write(bytes(max(free - left, 0)))
        found = Start(self.folder).wait()
        filler.unlink()
        return found

    def disturb(self) -> tuple[int, str]:
        """Let the fault happen; status and output of the start in which it does."""
        if self.fault == "kill":
            self.undo()
            fault = f"{self.rule}:kill:{self.random.uniform(0, 1.1 * self.seconds):.3f}"
        elif self.fault == "memory":
            self.undo()
            fault = f"{self.rule}:memory:{self.random.uniform(0.3, 0.9) * self.space:.0f}"
        elif self.fault in ("truncate", "empty"):
            self.change(self.fault)
            fault = ""
        elif self.fault == "unreadable":
            (self.folder / self.output).chmod(0)
            fault = f"*:deny:{self.output}"
        elif self.fault == "vanish":
            names = [file.name for file in self.record.inputs] or [""]
            self.output = self.random.choice(names)
            self.undo()
            fault = f"{self.rule}:lose:{self.output}" if self.output else ""
        elif self.fault == "full disk":
            return self.full()
        else:
            return self.signalled(getattr(signal, self.fault))
        return Start(self.folder, fault).wait()

    def mend(self, text: str = ""):
        """Do what the lines say: delete what they name; bring back an input that is lost."""
        lost = self.folder / self.output
        if not lost.exists() and not self.output.startswith("results/") and self.output:
            shutil.copy2(self.study / self.output, lost)
        for name in re.findall(r"delete (results/\S+) and", text):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if self.fault == "unreadable" and lost.exists():
            lost.chmod(0o644)

    def run(self) -> str:
        """`equal`, or `line, then equal`.

        Raises
        ------
        Failure
            When the case does not pass.
        """
        status, text = self.disturb()
        verdict = "equal"
        if status:
            # a log that Snakemake shows may hold a stack, what it prints itself may not
            shown = re.sub(r"(?ms)^Logfile .*?^={20,}$.*?^={20,}$", "", text)
            if "Traceback" in shown and not self.starved_before_it_began(shown):
                raise Failure(f"a traceback: {shown[shown.index('Traceback') :][:1500]}")
            verdict = "line, then equal"
            self.told(text)
        self.mend(text)
        for _ in range(2):
            status, text = Start(self.folder).wait()
            if not status:
                break
            self.told(text)
            self.mend(text)
        if status:
            raise Failure(f"still fails after what it says was done: {text[-1500:]}")
        self.same()
        return verdict

    def starved_before_it_began(self, text) -> bool:
        """Whether memory was too small for Python and Snakemake, so that no code of ours ran."""
        log = self.folder / self.log
        began = log.exists() and log.stat().st_size
        said = "MemoryError" in text or "failed to map segment" in text
        return self.fault == "memory" and said and not began

    def told(self, text):
        if self.fault.startswith("SIG"):
            return  # who stops a run knows why it ended
        lines = [line for line in text.split("\n") if REMEDY.search(line)]
        named = any(name in text for name in (self.rule, self.output, f"{self.folder}: "))
        if not named or not (lines or self.log in text):
            raise Failure(f"status without a line that says what to do: {text[-1500:]}")

    def same(self):
        """Compare with the undisturbed study; a temporary left behind by a signal is no result."""
        passing = {name for row in jobs(self.study) for name in row["temporary"].split(" ")}
        odd = sorted((files(self.study) ^ files(self.folder)) - passing)
        if odd:
            raise Failure(f"other files than undisturbed: {odd[:5]}")
        for name in sorted(files(self.study) - passing):
            ours, theirs = self.folder / name, self.study / name
            if not name.startswith("results/") or name in SKIPPED:
                continue
            if ours.read_bytes() != theirs.read_bytes():
                try:
                    compare(ours, theirs)
                except Difference as found:
                    raise Failure(f"other results than undisturbed: {name}: {found}") from None


@contextlib.contextmanager
def place(fault: str, study: Path):
    """A new folder; for a full disk a small file system of its own."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "run"
        folder.mkdir()
        if fault != "full disk":
            yield folder
            return
        used = sum(path.stat().st_size + 8192 for path in study.rglob("*") if path.is_file())
        size = f"size={used // 1024 * 2 + 4096}k"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def all_cases(studies) -> list[tuple[str, str, str]]:
    """Every rule of each study with every fault."""
    return [
        (name, rule, fault) for name in studies for rule in sorted(RULES[name]) for fault in FAULTS
    ]


RULES = {
    "tables": {"fmri_table", "fmri_index", "fmri_connectome", "fmri_qc", "report"},
    "images": {
        *("fmri_clean", "fmri_parcellate", "fmri_series", "fmri_maps", "fmri_maps_group"),
        *("fmri_compare_run", "fmri_compare", "fmri_publish", "adhd_compare"),
        *("adhd_mask", "adhd_graph"),
        *("adhd_features", "adhd_diagnose", "adhd_permute", "adhd_summary"),
    },
    "raw": {"fmri_slicetime", "fmri_realign"},
    "simulated": {"simulate_fmri", "demovae_planted"},
    "region graphs": {
        *("adhd_graph_roi", "adhd_targets", "adhd_group"),
        *(
            f"demovae_{name}"
            for name in (
                *("fit", "features", "sample", "evaluate", "compare", "generation"),
                *("phenotypes", "diagnosis", "summary"),
            )
        ),
    },
    "motifs": {
        f"ntf_{name}"
        for name in (
            *("simulate", "tensor", "rank", "factorize", "null", "communities", "summary"),
        )
    },
    "states": {
        f"hmmglm_{name}"
        for name in ("simulate", "bin", "fit_one", "fit", "select", "ladder", "export", "summary")
    },
    "cells": {
        f"mds_{name}"
        for name in ("simulate", "twin", "cluster", "select", "present", "assign", "summary")
    },
    "scenes": {
        "simulate_scenes",
        *(f"braindive_{name}" for name in ("generator", "encode", "sample", "judge")),
    },
}
"""Rules that are broken in each study; every rule of the workflow stands in one."""


def old_cells(text) -> dict[str, dict[str, str]]:
    """Cells of a table that was written before."""
    rows = [line.strip("|").split("|") for line in text.split("\n") if line.startswith("| `")]
    return {
        row[0].strip(" `"): dict(zip(FAULTS, (cell.strip() for cell in row[1:]))) for row in rows
    }


def table(results, before="") -> str:
    """Markdown: a row per rule, a column per fault; cells of `before` that were not run stay."""
    cells = old_cells(before)
    for (_, rule, fault), verdict in results.items():
        cells.setdefault(rule, {})[fault] = verdict
    lines = [f"| rule | {' | '.join(FAULTS)} |", "|---" * (len(FAULTS) + 1) + "|"]
    for rule, row in sorted(cells.items()):
        lines.append(f"| `{rule}` | {' | '.join(row.get(fault, '') for fault in FAULTS)} |")
    return "\n".join(lines)


def chosen(options) -> list[tuple[str, str, str]]:
    """Cases in the order in which they are run, the same for a seed."""
    rng = random.Random(options.seed)
    studies = options.only or sorted(STUDIES)
    if not (options.all or options.only or options.rule):
        studies = rng.sample(studies, DRAWN)
    cases = all_cases(studies)
    cases = [case for case in cases if not options.rule or case[1] in options.rule]
    cases = [case for case in cases if not options.fault or case[2] in options.fault]
    cases = [case for case in cases if case[2] not in (options.without or ())]
    if os.geteuid() != 0:
        cases = [case for case in cases if case[2] != "full disk"]
        print("full disk: left out, a file system of its own needs root")
    rng.shuffle(cases)
    return cases


class Gate:
    """Runs cases, several at once; each study is made once, before its first case."""

    def __init__(self, work: Path, seed: int, end: float):
        self.work, self.seed, self.end = work, seed, end
        self.locks = {name: threading.Lock() for name in STUDIES}

    def __call__(self, case) -> str:
        """What became of a case; empty where the time was over."""
        if time.monotonic() > self.end:
            return ""
        name, rule, fault = case
        told = f"{name}, {rule}, {fault}"
        try:
            with self.locks[name]:
                study = make_study(name, self.work / name.replace(" ", "_"))
            began = time.monotonic()
            with place(fault, study) as folder:
                verdict = Case(study, folder, rule, fault, f"{self.seed} {case}").run()
        except Failure as failure:
            print(f"{told} (seed {self.seed}): FAILED: {failure}", flush=True)
            return "FAILED"
        print(f"{told}: {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
        return verdict


def main(arguments=None) -> int:
    """Run cases; 1 when one did not pass."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--all", action="store_true", help="every combination, for hours")
    parser.add_argument("--only", choices=STUDIES, action="append", help="cases of these studies")
    parser.add_argument("--rule", action="append", help="cases of these rules")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    parser.add_argument("--without", choices=FAULTS, action="append", help="faults to leave out")
    parser.add_argument("--workers", type=int, default=2, help="cases at once")
    parser.add_argument("--work", type=Path, help="folder that keeps the finished studies")
    parser.add_argument("--out", type=Path, help="write the table there")
    options = parser.parse_args(arguments)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # as in a job of a shell in the background; what is started would be deaf to it, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cases = chosen(options)
    end = float("inf") if options.all else time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as top:
        gate = Gate(options.work or Path(top), options.seed, end)
        with ThreadPoolExecutor(options.workers) as pool:
            verdicts = list(pool.map(gate, cases))
    results = {case: verdict for case, verdict in zip(cases, verdicts) if verdict}
    failed = sum(verdict == "FAILED" for verdict in results.values())
    print(f"{len(results)} of {len(cases)} cases, {failed} failed, seed {options.seed}")
    if options.out:
        text = options.out.read_text("utf-8") if options.out.exists() else ""
        head, _, before = text.partition("<!-- table -->")
        head = head or "# Chaos\n\n"
        options.out.write_text(f"{head}<!-- table -->\n\n{table(results, before)}\n", "utf-8")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
