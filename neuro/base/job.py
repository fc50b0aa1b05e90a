"""What every script of the workflow shares: threads, log, one-line errors."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import sys
import time
import traceback
import warnings
from pathlib import Path

import neuro
from neuro.base import devices, record, threads


class Log:
    """The log of one job; also shown on stderr when the job fails.

    Attributes
    ----------
    beside : list of path
        Files that the job wrote beside its first output; its record lists them, too.
    """

    def __init__(self, path):
        self.beside: list[Path] = []
        self.path = Path(path) if path else None
        self.lines: list[str] = []
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text("", "utf-8")

    def __call__(self, line: str):
        """Add one line."""
        self.lines.append(str(line))
        # a full disk is told on stderr, not by a second error about the log
        with contextlib.suppress(OSError):
            if self.path:
                with self.path.open("a", encoding="utf-8") as stream:
                    stream.write(f"{line}\n")


@contextlib.contextmanager
def run(snakemake):
    """Run a script's body: limit threads, open the log, turn input problems into lines.

    Parameters
    ----------
    snakemake : object
        What Snakemake hands to a script, or a stand-in with the same attributes.

    The record of the job (:mod:`neuro.base.record`) is written when the body has ended well.

    Yields
    ------
    Log
        Call it with a line; the last line should sum up the result.

    Raises
    ------
    SystemExit
        With status 1. The lines of an :class:`~neuro.io.problems.InputProblem` are in the log and
        on stderr as they are, so is a full disk or too little memory; any other error is one line
        that names it. The log holds the stack of all.
    """
    threads.limit(snakemake.threads)
    if not snakemake.config.get("execution", {}).get("shared_results", False):
        # tables of people are for their owner and group; what the umask forbids stays forbidden
        os.umask(os.umask(0o077) | 0o007)
    log = Log(snakemake.log[0] if len(snakemake.log) else None)
    start = time.perf_counter()
    if getattr(snakemake, "resources", {}).get("gpu", 0):
        devices.claim()
    log(f"neuro {neuro.__version__}, rule {snakemake.rule}")
    wildcards = dict(snakemake.wildcards.items()) if hasattr(snakemake.wildcards, "items") else {}
    for name, value in (
        ("wildcards", wildcards),
        ("parameters", dict(snakemake.params.items())),
        ("inputs", _head([str(path) for path in snakemake.input])),
        ("seed", snakemake.config.get("execution", {}).get("seed")),
        ("threads", snakemake.threads),
        ("host", platform.node()),
        ("device", os.environ.get("CUDA_VISIBLE_DEVICES") or "cpu"),
    ):
        log(f"{name}: {value}")
    try:
        before = record.begin(snakemake)
        with _warnings_to(log):
            yield log
        record.end(snakemake, before, log.beside)
    except Exception as error:
        log(traceback.format_exc())
        text = " ".join(str(error).split())
        # Only an InputProblem is a mistake of the user; all else is ours until shown otherwise.
        lines = getattr(error, "problems", None) or [
            outer(error)
            or f"{type(error).__name__}: {text}; unexpected, the stack is in {log.path or 'no log'}"
        ]
        for line in lines:
            log(f"error: {line}")
            print(f"{snakemake.rule}: {line}", file=sys.stderr)
        sys.exit(1)
    log(f"done in {time.perf_counter() - start:.1f} s")


_REMEDIES = {
    errno.ENOSPC: "free space there",
    errno.EDQUOT: "free space there or ask for a larger quota",
    errno.EROFS: "make it writable or work in another folder",
    errno.EACCES: "make it readable and writable for you",
    errno.EPERM: "make it readable and writable for you",
}


_STARVED = re.compile(
    r"failed to map segment|cannot allocate|can't allocate|unable to allocate|out of memory"
    r"|can't start new thread",
    re.IGNORECASE,
)
"""How the loader, HDF5, torch, LLVM and threads say that memory is too small."""


def _starved(error: BaseException | None) -> bool:
    """Whether an error, or one that it follows from, says that memory is too small."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        # the words alone mean little in an error of ours, which may quote a file
        if isinstance(error, ImportError | OSError | RuntimeError) and _STARVED.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def outer(error: BaseException) -> str:
    """One line for a disk or a memory that is too small, or closed; empty for other errors.

    Parameters
    ----------
    error : BaseException
        Libraries wrap what the system says; then its words are looked for.
    """
    if _starved(error):
        return (
            "not enough memory; let fewer jobs run at once (--cores), or give the rule more with "
            "--set-resources RULE:mem_mb=MB"
        )
    text = str(error)
    for number, remedy in _REMEDIES.items():
        said = os.strerror(number)
        if getattr(error, "errno", None) == number or (isinstance(error, OSError) and said in text):
            where = getattr(error, "filename", None) or f"{os.getcwd()} or the temporary folder"
            return f"{where}: {said}; {remedy} and start again"
    return ""


@contextlib.contextmanager
def _warnings_to(log: Log):
    """Warnings become lines of the log, each text once, without the place in the library."""
    seen: set[str] = set()

    def show(message, category, *_place, **_more):
        text = " ".join(str(message).split())
        if text not in seen:
            seen.add(text)
            log(f"warning: {text}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _head(items, n=20):
    return items if len(items) <= n else [*items[:n], f"... {len(items) - n} more"]
