"""Snakemake starts without its imports: one process imports once and forks for every start.

A start is what `python -m snakemake` does, in a process of its own with the caller's folder and
variables; only imports and parsing are saved. Hundreds of tests start Snakemake.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cheaper


class Starter:
    """Client of one serving process."""

    def __init__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        atexit.register(self.close)

    def close(self):
        """End the serving process."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()

    def run(self, arguments, folder, environment, timeout, fresh=False):
        """Same as `subprocess.run` of `python -m snakemake` with captured texts.

        Jobs are forks as well (see `cheaper`), unless processes of their own are asked for.
        """
        with tempfile.TemporaryDirectory() as top:
            files = [str(Path(top) / name) for name in ("out", "err")]
            wanted = [arguments, str(folder), environment, files, timeout, fresh]
            self.process.stdin.write(json.dumps(wanted) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            if not answer:
                raise RuntimeError("the process that starts Snakemake has ended")
            texts = [Path(name).read_text() for name in files]
        code = json.loads(answer)
        if code is None:
            raise subprocess.TimeoutExpired(arguments, timeout, *texts)
        return subprocess.CompletedProcess(arguments, code, *texts)


@functools.cache
def starter() -> Starter | None:
    """The starter of this process; None where processes cannot fork safely."""
    return Starter() if sys.platform == "linux" else None


def _child(arguments, folder, environment, files, forks):
    os.setsid()
    for number, name in zip((1, 2), files):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # as `python -m` has it
    sys.path[0] = str(folder)
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    if forks:
        cheaper.fork_jobs()
    parsed = len(cheaper.PARSED)
    try:
        main(arguments)
    finally:
        cheaper.keep_parsed(f"{files[0]}.parsed", parsed)


def _start(arguments, folder, environment, files, timeout, forks):
    """Exit status of one start; None when it took too long."""
    child = os.fork()
    if not child:
        cheaper.leave(_child, arguments, folder, environment, files, forks)
    end = time.monotonic() + timeout
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.02)


DRY = {"-n", "--dry-run", "--lint", "--list-rules", "--summary", "--dag", "--rulegraph"}


def _serve():
    answers = os.dup(1)
    # what a library says while it is loaded is no answer
    os.dup2(2, 1)
    cheaper.load_planning()
    runs = 0
    for line in sys.stdin:
        arguments, folder, environment, files, timeout, fresh = json.loads(line)
        runs += not (fresh or DRY & set(arguments))
        # a single run would not win back what loading costs
        forks = runs > 1 and not fresh
        if forks:
            cheaper.load_libraries()
        code = _start(arguments, folder, environment, files, timeout, forks)
        cheaper.take_parsed(f"{files[0]}.parsed")
        os.write(answers, (json.dumps(code) + "\n").encode())


if __name__ == "__main__":
    _serve()
