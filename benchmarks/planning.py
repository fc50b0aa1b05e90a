"""What planning costs: dry-runs over generated trees of empty files, 10 to 5000 subjects.

CPU seconds (user and system) and peak memory of the whole command, first with a cold list of
runs, then from the cache. Nothing is compared with a peer: Snakemake itself is the yardstick. One
row is a Snakefile of nothing but patterns with the jobs, files and messages of the fMRIPrep
study, without any code of ours; the last row is its start with no workflow at all.

    python benchmarks/planning.py [--subjects 10 100 1000] [--out benchmarks/results/planning.md]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from page import heading

ROOT = Path(__file__).parents[1]
TABLES = "region tables"
SHAPES = {
    "raw BIDS": ("_bold.nii.gz", "_bold.json"),
    "fMRIPrep": (
        "_space-MNI_desc-preproc_bold.nii.gz",
        "_space-MNI_desc-preproc_bold.json",
        "_space-MNI_desc-brain_mask.nii.gz",
        "_desc-confounds_timeseries.tsv",
    ),
    TABLES: ("_timeseries.tsv",),
}
KINDS = {"raw BIDS": "bids", "fMRIPrep": "fmriprep", TABLES: "table"}


def make_tree(folder: Path, shape: str, n_subjects: int) -> dict:
    """Empty files of a study with one run per subject, and the settings that read it.

    Parameters
    ----------
    folder : pathlib.Path
    shape : str
        A key of :data:`SHAPES`.
    n_subjects : int

    Returns
    -------
    dict
        Settings; stages other than `fmri` and `adhd` are off.
    """
    from neuro.config import STAGES

    root = folder / "input"
    root.mkdir(parents=True)
    (root / "labels.nii.gz").write_bytes(b"x")
    rows = ["participant_id\tsite\tage\tsex\tdx"]
    for number in range(1, n_subjects + 1):
        label = f"{number:05d}"
        func = root / f"sub-{label}" / "func"
        func.mkdir(parents=True)
        for ending in SHAPES[shape]:
            text = '{"RepetitionTime": 2.0}' if ending.endswith(".json") else "x"
            (func / f"sub-{label}_task-rest{ending}").write_text(text)
        rows.append(f"sub-{label}\tA\t10\tF\t{number % 2}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    off = {name: {"enabled": False} for name in STAGES if name not in ("fmri", "adhd")}
    atlas = {} if shape == TABLES else {"atlas": "input/labels.nii.gz"}
    data = {"kind": KINDS[shape], "root": "input", "tr": 2.0}
    return {"data": data, "fmri": atlas, "adhd": {"permutations": 100}, **off}


def command_of(folder: Path, *arguments) -> list[str]:
    """A dry-run in a folder."""
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return [*start, "--directory", str(folder), "-n", "--cores", "2", *arguments]


def measure(command, folder: Path) -> tuple[float, float, str]:
    """CPU seconds, peak memory (MB) and output of a command."""
    output = folder / "output.txt"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with output.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
    text = output.read_text()
    if status:
        raise RuntimeError(f"{' '.join(command)}: status {status}\n{text[-2000:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


PER_SUBJECT = (
    ("clean", "bold mask confounds", "denoised smooth brain conf out qc figures exclusions"),
    ("parcellate", "bold denoised brain", "series coverage preproc regionfigures"),
    ("graph", "smooth", "degree weighted distance cycle clustering graph"),
)
"""Rules of the bare Snakefile: what each reads and writes for a subject."""
GROUP = (
    ("gather", "series coverage", ""),
    ("connectome", "", "relmat"),
    ("quality", "qc coverage preproc exclusions", ""),
    ("features", "graph brain degree distance cycle", ""),
)
"""Rules about everybody: what they read and write of every subject."""


def bare_snakefile(folder: Path, n_subjects: int) -> Path:
    """A Snakefile with as many jobs and files as an fMRIPrep study, all of them patterns.

    Parameters
    ----------
    folder : pathlib.Path
        Holds the tree of :func:`make_tree`.
    n_subjects : int
    """
    given = dict(zip(("bold", "sidecar", "mask", "confounds"), SHAPES["fMRIPrep"]))
    name = "sub-{sub}_task-rest"

    def path(what):
        if what in given:
            return f"input/sub-{{sub}}/func/{name}{given[what]}"
        return f"results/work/fmri/sub-{{sub}}/func/{name}_desc-{what}_bold.nii.gz"

    (folder / "script.py").write_text("")
    ends = [f"results/{rule}.tsv" for rule, _, _ in GROUP]
    lines = [f"SUBJECTS = [f'{{n:05d}}' for n in range(1, {n_subjects} + 1)]"]
    lines.append(f"rule all:\n    input: {ends}")
    for rule, reads, writes in (*PER_SUBJECT, *GROUP):
        one = (rule, reads, writes) in PER_SUBJECT
        listed = [
            ", ".join(
                f"{what}={path(what)!r}" if one else f"{what}=expand({path(what)!r}, sub=SUBJECTS)"
                for what in files.split()
            )
            for files in (reads, writes)
        ]
        own = f"{rule}_{{sub}}" if one else rule
        if not one:
            listed[1] = ", ".join(filter(None, (f"end='results/{rule}.tsv'", listed[1])))
        lines.append(
            f"rule {rule}:\n    input: {listed[0]}\n    output: {listed[1]}\n"
            f"    log: 'results/logs/{own}.log'\n    benchmark: 'results/benchmarks/{own}.tsv'\n"
            f"    threads: 1\n    resources: mem_mb=1000, runtime=60\n    params: code='x'\n"
            f"    message: 'Working on {'{wildcards.sub}' if one else 'all'}'\n"
            "    script: 'script.py'"
        )
    target = folder / "bare.smk"
    target.write_text("\n".join(lines) + "\n")
    return target


def bare(n_subjects: int) -> tuple[int, float, float]:
    """Jobs, CPU seconds and peak memory (MB) of Snakemake with :func:`bare_snakefile`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tree(folder, "fMRIPrep", n_subjects)
        profile = ["--workflow-profile", str(ROOT / "profiles/default")]
        start = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", *profile]
        command = [*start, "--snakefile", str(bare_snakefile(folder, n_subjects))]
        cpu, peak, text = measure(command, folder)
    return count_jobs(text)["total"], cpu, peak


def count_jobs(text: str) -> dict[str, int]:
    """Jobs by rule of a dry-run's table."""
    table = text.split("job", 1)[1] if "job" in text else ""
    return {name: int(n) for name, n in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}


def plan(shape: str, n_subjects: int) -> dict:
    """Cost of planning a study, with a cold and with a warm list of runs.

    Returns
    -------
    dict
        `jobs`, `counts`, `cold`, `warm` (CPU s), `peak` (MB), `one` (CPU s for one subject).
    """
    import yaml

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "mine.yaml").write_text(yaml.safe_dump(make_tree(folder, shape, n_subjects)))
        command = command_of(folder, "--configfile", "mine.yaml")
        cold, _, text = measure(command, folder)
        warm, peak, text = measure(command, folder)
        counts = count_jobs(text)
        one = float("nan")
        if shape != TABLES:
            target = (
                "results/work/fmri/sub-00001/func/sub-00001_task-rest_desc-denoised_bold.nii.gz"
            )
            one, _, _ = measure(command_of(folder, target, "--configfile", "mine.yaml"), folder)
        return {
            "jobs": counts.pop("total"),
            "counts": counts,
            "cold": cold,
            "warm": warm,
            "peak": peak,
            "one": one,
        }


def main(arguments=None) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subjects", nargs="+", type=int, default=[10, 100, 1000, 5000])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    subjects = " ".join(map(str, options.subjects))
    lines = [
        *heading(
            "Planning", f"python benchmarks/planning.py --subjects {subjects}", ("snakemake",)
        ),
        "Dry-runs (`snakemake -n`) over trees of empty files, stages `fmri` and `adhd`; CPU",
        "seconds of the whole command, start of Python and Snakemake included.",
        "",
        "| input | subjects | jobs | first, CPU s | again, CPU s | one subject, CPU s | peak, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape in SHAPES:
        for n_subjects in options.subjects:
            found = plan(shape, n_subjects)
            one = "-" if found["one"] != found["one"] else f"{found['one']:.1f}"
            lines.append(
                f"| {shape} | {n_subjects} | {found['jobs']} | {found['cold']:.1f} | "
                f"{found['warm']:.1f} | {one} | {found['peak']:.0f} |"
            )
            print(lines[-1], flush=True)
    for n_subjects in options.subjects:
        jobs, cpu, peak = bare(n_subjects)
        lines.append(f"| bare Snakefile | {n_subjects} | {jobs} | - | {cpu:.1f} | - | {peak:.0f} |")
        print(lines[-1], flush=True)
    with tempfile.TemporaryDirectory() as name:
        cpu, peak, _ = measure([sys.executable, "-m", "snakemake", "--version"], Path(name))
    lines.append(f"| `snakemake --version` | - | - | - | {cpu:.1f} | - | {peak:.0f} |")
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
