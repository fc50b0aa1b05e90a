"""A toy workflow for the cluster tests, and how it and the project's own are started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

from slurm_cluster import ClusterError

ROOT = Path(__file__).parents[2]
QUICK = ("--slurm-init-seconds-before-status-checks", "4")
"""The plugin waits 40 s before it looks at a job for the first time."""

SNAKEFILE = (
    f"include: '{ROOT}/workflow/rules/leaving.smk'\n"
    + """
import sys

onstart:
    leave_promptly(workflow.scheduler)

# Jobs wait for a file that the test writes, never for a time that a busy machine stretches.
WAIT = "until test -e go; do sleep 0.2; done"

rule both:
    input: "good.txt", "bad.txt"

rule good:
    output: "good.txt"
    log: "logs/good.log"
    shell: "sleep 3; echo done > {output}"

rule bad:
    output: "bad.txt"
    log: "logs/bad.log"
    shell: "echo half > {output}; echo reason > {log}; exit 1"

rule endless:
    output: "endless.txt"
    resources: runtime=1
    shell: "echo half > {output}; sleep 600"

rule greedy:
    output: "greedy.txt"
    resources: mem_mb=lambda wildcards, attempt: 700 * 3 ** (attempt - 1)
    shell:
        "echo half > {output}; {sys.executable} -c 'import time; x = b\\"1\\" * (900 << 20); "
        "time.sleep(60 if {resources.mem_mb} == 700 else 4)'; echo $SLURM_JOB_ID > {output}"

rule longer:
    output: "longer.txt"
    shell: "echo half > {output}; {WAIT}; echo $SLURMD_NODENAME > {output}"

rule three:
    input: expand("sleeper-{n}.txt", n=range(3))

rule sleeper:
    output: "sleeper-{n}.txt"
    shell: "echo half > {output}; sleep 600; echo done > {output}"

rule first:
    output: "first.txt"
    shell: "echo half > {output}; {WAIT}; echo done > {output}"

rule second:
    input: "first.txt"
    output: "second.txt"
    shell: "touch {output}"

rule huge:
    output: "huge.txt"
    resources: mem_mb=900000
    shell: "touch {output}"

rule devices:
    input: "device-1.txt", "device-2.txt"

# On the cluster a job stays until the other one is there as well; here it stays a moment.
rule device:
    output: "device-{n}.txt"
    resources: gpu=1
    shell:
        "date +%s.%N > {output}; echo ${{SLURM_JOB_PARTITION:-here}}.${{SLURMD_NODENAME:-}}."
        "${{CUDA_VISIBLE_DEVICES:-}} >> {output}; limit=${{SLURM_JOB_PARTITION:+60}}; "
        "for i in $(seq ${{limit:-3}}); do test $(ls device-?.txt | wc -l) = 2 && break; "
        "sleep 1; done; date +%s.%N >> {output}"
"""
)


class Run:
    """A Snakemake process on the toy workflow, or on the project's own.

    Parameters
    ----------
    folder : pathlib.Path
        Working directory; the Snakefile is written into it.
    *arguments : str
    cluster : Cluster, optional
        Where the jobs go; None runs them here.
    profile : bool
        Whether the project's Slurm profile is used, or only what the plugin needs.
    own : bool
        The project's workflow in place of the toy.
    """

    started: ClassVar[list[Run]] = []
    """Every run of this process; what a failed test left behind is ended after it."""

    def __init__(self, folder, *arguments, cluster=None, profile=True, own=False):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "snakemake", *arguments]
        if own:
            command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
        else:
            (self.folder / "Snakefile").write_text(SNAKEFILE)
        self.environment = dict(os.environ)
        if cluster:
            self.environment = cluster.environment
            command += slurm_options(cluster, profile)
        self.output = self.folder / "output.txt"
        # A process of its own group: signals of the test reach it and not pytest.
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        Run.started.append(self)

    def wait(self, timeout: float) -> tuple[int, str]:
        """Exit status and everything that was printed."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there after {timeout} s:\n{self.text()}") from None
        return status, self.text()

    def text(self) -> str:
        """What was printed so far."""
        return self.output.read_text()

    def kill(self) -> None:
        """End the process if it is still there, without a word to its jobs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def let_go(self) -> None:
        """Let jobs that wait for a sign finish."""
        (self.folder / "go").touch()

    def present(self, name: str) -> bool:
        """Whether a file of the run exists."""
        return (self.folder / name).exists()

    def locked(self) -> bool:
        """Whether the working directory is locked."""
        return any((self.folder / ".snakemake" / "locks").glob("*"))


def slurm_options(cluster, profile=True) -> list[str]:
    """Options of a run on the test cluster."""
    options = ["--slurm-partition-config", str(cluster.partitions), *QUICK]
    if profile:
        # nodes of the test cluster are smaller than the profile's defaults assume
        return [*options, "--profile", str(ROOT / "profiles" / "slurm")]
    options += ["--executor", "slurm", "--jobs", "50", "--latency-wait", "20"]
    options += ["--slurm-status-command", "squeue"]
    return [*options, "--default-resources", "mem_mb=1000", "runtime=5"]


def until(condition, what: str, timeout: float = 120):
    """Poll until a condition holds; its value. A controller that is busy is asked again."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(ClusterError, subprocess.TimeoutExpired):
            if value := condition():
                return value
        time.sleep(0.3)
    raise AssertionError(f"not within {timeout} s: {what}")
