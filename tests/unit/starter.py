"""Snakemake starts without its imports: one process imports once and forks for every start.

A start is what `python -m snakemake` does, in a process of its own with the caller's folder and
variables; only the second or two of imports are saved. Hundreds of tests start Snakemake.
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

    def run(self, arguments, folder, environment, timeout):
        """Same as `subprocess.run` of `python -m snakemake` with captured texts."""
        with tempfile.TemporaryDirectory() as top:
            files = [str(Path(top) / name) for name in ("out", "err")]
            wanted = [arguments, str(folder), environment, files, timeout]
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


def _child(arguments, folder, environment, files):
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

    main(arguments)


def _start(arguments, folder, environment, files, timeout):
    """Exit status of one start; None when it took too long."""
    child = os.fork()
    if not child:
        code = 1
        try:
            _child(arguments, folder, environment, files)
            code = 0
        except SystemExit as end:
            code = end.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
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


def _serve():
    import jsonschema  # noqa: F401
    import pandas  # noqa: F401
    import snakemake.cli  # noqa: F401

    answers = os.dup(1)
    for line in sys.stdin:
        os.write(answers, (json.dumps(_start(*json.loads(line))) + "\n").encode())


if __name__ == "__main__":
    _serve()
