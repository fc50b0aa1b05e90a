"""Memory and time of the jobs about everybody, as the cohort grows, and a large run on paper.

Made-up region tables of growing numbers of people go through the stages `fmri`, `adhd` and
`demovae`; peak memory and CPU time of each group job come from Snakemake's own benchmark files.
Their curves are carried on to a large cohort beside what the rule asks Slurm for there, and a
queue of 200 slots is played through with the seconds of single jobs.

    python benchmarks/sizes.py [--subjects 250 500 1000] [--out benchmarks/results/sizes.md]
    python benchmarks/sizes.py --queue     only plays the queue: seconds
"""

from __future__ import annotations

import argparse
import heapq
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from page import heading, table

ROOT = Path(__file__).parents[1]
N_VOLUMES, TR = 100, 3.0
FEW_REGIONS, MORE_REGIONS = 20, 80
LARGE, LARGE_REGIONS = 10_000, 200
STAGES_USED = ("fmri", "adhd", "demovae")
# few epochs and permutations: memory does not depend on their number, time is linear in it
SETTINGS = {
    "adhd": {"permutations": 20, "repeats": 1, "group": {"permutations": 20}},
    "demovae": {
        "n_epochs": 5,
        "patience": 0,
        "latent_dim": 20,
        "latent_dims": [20],
        "hidden": 1000,
        "permutations": 0,
        "phenotypes": {"enabled": False},
        "compare": ["none", "residual", "combat", "network"],
        "planted": {"n_subjects": 40, "n_regions": 8, "latent_dim": 4},
    },
}
SECONDS = {"fmri_clean": 60.0, "fmri_parcellate": 20.0, "adhd_graph": 60.0}
"""Wall seconds of a job of one run of usual size, for the play of the queue."""
MEASURED = {"fmri_clean": 4.2, "fmri_parcellate": 0.9, "adhd_graph": 2.7}
"""The same where disks cost nothing: CPU seconds of `memory.md` and `voxel_graphs.md`."""
START, LOOK, LONGEST_LOOK = 6.0, 30.0, 180.0
"""Seconds of the starts of Snakemake in a job, and until the queue is looked at again."""


def write_study(folder: Path, n_subjects: int, n_regions: int) -> None:
    """Region tables of correlated noise, participants of four sites, and the settings.

    Parameters
    ----------
    folder : pathlib.Path
    n_subjects, n_regions : int
    """
    import numpy as np
    import pandas as pd
    import yaml

    from neuro.config import STAGES

    rng = np.random.default_rng(n_subjects)
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:05d}" for number in range(n_subjects)],
            "site": rng.choice(list("ABCD"), n_subjects),
            "age": rng.uniform(7, 18, n_subjects).round(1),
            "sex": rng.choice(["F", "M"], n_subjects),
            "dx": rng.integers(0, 2, n_subjects),
        }
    )
    (folder / "input").mkdir(parents=True)
    people.to_csv(folder / "input/participants.tsv", sep="\t", index=False)
    loading = rng.normal(size=(5, n_regions))
    header = "\t".join(f"r{number:03d}" for number in range(n_regions))
    for label, age in zip(people["participant_id"], people["age"]):
        shared = rng.normal(size=(N_VOLUMES, 5)) @ loading * (1 + 0.02 * (age - 12))
        func = folder / "input" / label / "func"
        func.mkdir(parents=True)
        np.savetxt(
            func / f"{label}_task-rest_timeseries.tsv",
            shared + rng.normal(size=shared.shape),
            fmt="%.3f",
            delimiter="\t",
            header=header,
            comments="",
        )
    data = {"kind": "table", "root": "input", "tr": TR}
    off = {name: {"enabled": False} for name in STAGES if name not in STAGES_USED}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"data": data, **SETTINGS, **off}))


def run(folder: Path, targets) -> dict[str, dict]:
    """CPU seconds, peak memory (MB) and size of the input (MB) of each group job of a study.

    Parameters
    ----------
    folder : pathlib.Path
        Holds what :func:`write_study` writes.
    targets : sequence of str
        Rules.
    """
    from neuro.report.pages.record import read_benchmarks

    start = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    profile = ["--workflow-profile", str(ROOT / "profiles/default")]
    command = [*start, *profile, "--cores", "1", "--configfile", "mine.yaml", "--", *targets]
    with (folder / "output.txt").open("w") as stream:
        status = subprocess.run(command, cwd=folder, stdout=stream, stderr=stream).returncode
    if status:
        raise RuntimeError(f"{folder}: status {status}, see output.txt")
    sizes = {}
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            inputs = [folder / name for name in record["input"]]
            sizes[record["rule"]] = sum(p.stat().st_size for p in inputs if p.is_file()) / 2**20
    rows = read_benchmarks(folder / "results")
    jobs = {}
    for rule, group in rows.groupby("rule"):
        jobs[rule] = {"cpu": group["cpu_s"].max(), "peak": group["rss_mb"].max()}
        jobs[rule]["input"] = sizes.get(rule, float("nan"))
    return jobs


def asked() -> dict[str, tuple[float, float, float]]:
    """What each rule asks of memory: times the input, at least (MB), and minutes."""
    requests = {}
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        text = file.read_text("utf-8")
        for name, block in re.findall(r"\n *rule (\w+):(.*?)(?=\n *rule |\Z)", text, re.DOTALL):
            memory = re.search(r"mem_mb=memory\((\d*)[^)]*?(?:floor=(\d+))?\)", block)
            minutes = re.search(r"runtime=(?:minutes\()?(\d+)", block)
            if memory and minutes:
                need, floor = float(memory[1] or 0), float(memory[2] or 1000)
                requests[name] = need, floor, float(minutes[1])
    return requests


def curve(points, key) -> tuple[float, float, float]:
    """Constant, share per people x edges, share per people squared; none below zero.

    Parameters
    ----------
    points : dict
        (people, regions) to the jobs of a study.
    key : callable
        What is carried on, of the jobs of a study; NaN is left out.
    """
    import numpy as np
    from scipy.optimize import nnls

    rows = [(terms(*size), key(jobs)) for size, jobs in points.items()]
    rows = [row for row in rows if np.isfinite(row[1])]
    weights, _ = nnls(np.array([terms for terms, _ in rows]), np.array([y for _, y in rows]))
    return tuple(weights)


def terms(n_people: int, n_regions: int) -> tuple[float, float, float]:
    """What a job may grow with: nothing, people x edges and people squared (both in millions)."""
    edges = n_regions * (n_regions - 1) / 2
    return 1.0, n_people * edges / 1e6, n_people**2 / 1e6


def carried(weights, size) -> float:
    """Value of a curve at a size."""
    return sum(weight * term for weight, term in zip(weights, terms(*size)))


def queue(n_runs: int, slots: int = 200, seconds=None, look: float = LOOK) -> tuple[float, int]:
    """Hours until every run went through its three jobs, and the jobs, by playing the queue.

    A job starts when a slot is free and what it needs is done; the end of a job is seen at the
    next look at the queue.

    Parameters
    ----------
    n_runs, slots : int
    seconds : dict, optional
        Of a job by rule; default :data:`SECONDS`.
    look : float
        Seconds between two looks.
    """
    seconds = seconds or SECONDS
    busy: list[tuple[float, str]] = []
    waiting = ["fmri_clean"] * n_runs
    then = {"fmri_clean": ["fmri_parcellate", "adhd_graph"]}
    now, done = 0.0, 0
    while waiting or busy:
        while waiting and len(busy) < slots:
            rule = waiting.pop()
            heapq.heappush(busy, (now + START + seconds[rule], rule))
        # nothing is seen before the next look
        now = max(now + look, -(-busy[0][0] // look) * look)
        while busy and busy[0][0] <= now:
            _, rule = heapq.heappop(busy)
            waiting += then.get(rule, [])
            done += 1
    return now / 3600, done


def played() -> list[str]:
    """Hours of a large cohort by seconds of a job, slots and looks."""
    rows = []
    for words, seconds in (("60, 20, 60 s", SECONDS), ("4.2, 0.9, 2.7 s", MEASURED)):
        for slots in (50, 200, 800):
            hours = [queue(LARGE, slots, seconds, look)[0] for look in (LOOK, LONGEST_LOOK)]
            rows.append([words, slots, *(f"{hour:.1f}" for hour in hours)])
    looks = [f"hours, looks every {look:.0f} s" for look in (LOOK, LONGEST_LOOK)]
    return table(["a job takes", "slots", *looks], rows)


def report(points: dict) -> list[str]:
    """Lines of the table: every group job as measured, and at the large cohort."""
    requests, large = asked(), (LARGE, LARGE_REGIONS)
    rows = []
    for rule in sorted(set.intersection(*(set(jobs) for jobs in points.values()))):
        need, floor, minutes = requests[rule]
        own = {point: jobs[rule] for point, jobs in points.items()}
        peak = curve(own, lambda job: job["peak"])
        cpu = curve(own, lambda job: job["cpu"])
        size = carried(curve(own, lambda job: job["input"]), large)
        memory, request = carried(peak, large), max(floor, 300 + need * size)
        measured = [f"{job['peak']:.0f}, {job['cpu']:.0f}" for job in own.values()]
        verdict = "enough" if memory < request else f"at attempt {-(-memory // request):.0f}"
        sizes = (f"{memory:,.0f}", f"{request:,.0f}", verdict)
        took = (f"{carried(cpu, large) / 60:,.0f}", f"{minutes:.0f}")
        rows.append((f"`{rule}`", *measured, *sizes, *took))
    head = ["rule", *(f"{n:,} x {r}: MB, CPU s" for n, r in points)]
    head += [f"{LARGE:,} x {LARGE_REGIONS}: MB", "asked, MB", "memory", "CPU min", "asked, min"]
    return table(head, rows)


def main(arguments=None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subjects", nargs="+", type=int, default=[250, 500, 1000])
    parser.add_argument("--rules", nargs="+", default=list(STAGES_USED))
    parser.add_argument("--queue", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.queue:
        print("\n".join(played()))
        return
    middle = sorted(options.subjects)[len(options.subjects) // 2]
    points = {}
    for n_subjects in options.subjects:
        n_regions = MORE_REGIONS if n_subjects == middle else FEW_REGIONS
        with tempfile.TemporaryDirectory() as name:
            write_study(Path(name), n_subjects, n_regions)
            points[n_subjects, n_regions] = run(Path(name), options.rules)
    hours, jobs = queue(LARGE)
    lines = [
        *heading("Sizes", "python benchmarks/sizes.py", ("snakemake", "numpy", "scikit-learn")),
        "Made-up region tables (people x regions), few epochs and permutations; the last columns",
        "carry the curves (constant, people x edges, people squared) on to a large cohort.",
        "",
        *report(points),
        f"{LARGE:,} runs of images with 200 slots: {jobs:,} jobs, {hours:.1f} h, where a job takes "
        + ", ".join(f"{seconds:.0f} s (`{rule}`)" for rule, seconds in SECONDS.items())
        + f", starts within {START:.0f} s and is seen every {LOOK:.0f} s.",
    ]
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
