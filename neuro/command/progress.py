"""What Snakemake says, told to people: one line per job, a file per crash."""

from __future__ import annotations

import re
import shlex
import sys
import time
from pathlib import Path

from neuro.command.status import duration

BEGINS = re.compile(r"^Job (\d+): (.+)$")
FIELD = re.compile(r"^    (\w+): (.*?)(?: \(check log file\(s\) for error details\))?$")
FINISHED = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)")
STEPS = re.compile(r"^(\d+) of (\d+) steps")
TARGETS = ("all", "participant")
EVERY = 10.0
"""Seconds between two looks at the files of all subjects; a hundred subjects take some 10 ms."""
FAILS = re.compile(r"^Error in (?:rule|group) (\w+)(?:, jobid: (\d+))?:$")
SAID = re.compile(r"^(?:\w*(?:Error|Exception|Exit)\b|Nothing to be done|\S+: .*|\d+ problem)")


class Progress:
    """Reads Snakemake's lines, prints a line per job and writes a file per failure.

    Parameters
    ----------
    work : pathlib.Path
        Working directory of the run.
    logs : pathlib.Path
        Where crash files go.
    command : list of str
        What was started; part of the advice how to repeat a job.
    out : file, optional
        Default standard output; where that is a terminal the state stands in one line.
    """

    def __init__(self, work: Path, logs: Path, command, out=None):
        self.work, self.logs, self.command = work, logs, list(command)
        self.out = out or sys.stdout
        self.terminal = self.out.isatty()
        self.start = time.monotonic()
        self.done = self.total = 0
        self.names: dict[str, str] = {}
        self.begun: dict[str, float] = {}
        self.crashes: list[Path] = []
        self._subjects = ""
        self._looked = -EVERY
        self._failure: dict[str, str] = {}
        self._ended = ""
        self._before: list[str] = []

    def take(self, line: str) -> None:
        """One line of Snakemake."""
        line = line.rstrip("\n")
        field = FIELD.match(line)
        if field and self._failure:
            self._failure[field[1]] = field[2]
            return
        self._close()
        if match := BEGINS.match(line):
            self.names[match[1]] = match[2]
            self.begun[match[1]] = time.monotonic()
        elif match := FAILS.match(line):
            self._failure = {"rule": match[1], "jobid": match[2] or ""}
        elif match := FINISHED.match(line):
            if match[2] not in TARGETS:
                seconds = time.monotonic() - self.begun.get(match[1], time.monotonic())
                name = self.names.get(match[1], match[2])
                self._ended = f"{name}: done in {duration(seconds)}"
        elif match := STEPS.match(line):
            self.done, self.total = int(match[1]), int(match[2])
            if self._ended:
                self._line(self._ended)
            self._ended = ""
            self._state()
        elif not self.total and line and not line.startswith(("[", " ")):
            self._before.append(line)

    def finish(self) -> None:
        """The end of Snakemake's lines."""
        self._close()
        if self.terminal:
            self.out.write("\r\x1b[K")
        if not self.done and not self.crashes:
            for line in self._before:
                if SAID.match(line):
                    print(line, file=self.out)

    def ending(self) -> str:
        """How the run ended, in a few words."""
        seconds = time.monotonic() - self.start
        words = f"{self.done} of {self.total} jobs done in {duration(seconds)}"
        if self.crashes:
            words += f", {len(self.crashes)} failed: {self.logs}/crash-*.txt"
        return words if self.total or self.crashes else "nothing to be done"

    def _close(self) -> None:
        """The description of a failed job ends."""
        failure, self._failure = self._failure, {}
        if failure:
            self._crash(failure)

    def _crash(self, block: dict[str, str]) -> None:
        name = self.names.get(block["jobid"], block["rule"])
        log = block.get("log", "").split(", ")[0]
        tail = self._tail(log)
        last = next((line for line in reversed(tail) if line.strip()), "ended without a word")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path = self.logs / f"crash-{stamp}-{block['rule']}-{block['jobid']}.txt"
        target = block.get("output", "").split(", ")[0].split(" (")[0]
        configured = self.command.index("--configfile")
        repeat = [
            *self.command[: self.command.index("--workflow-profile")],
            *("--cores", "1", "--force", target),
            *self.command[configured:],
        ]
        text = [name, *(f"{key}: {value}" for key, value in block.items() if key != "message")]
        text += ["", "To repeat the job alone:", shlex.join(repeat), "", f"End of {log}:", *tail]
        path.write_text("\n".join(text) + "\n", "utf-8")
        self.crashes.append(path)
        self._line(f"{name}: FAILED, {last.strip()} ({path})")

    def _tail(self, log: str, lines: int = 60) -> list[str]:
        try:
            return (self.work / log).read_text("utf-8", "replace").splitlines()[-lines:]
        except OSError:
            return []

    def _line(self, text: str) -> None:
        count = f"[{self.done}/{self.total}] " if self.total else ""
        self.out.write(("\r\x1b[K" if self.terminal else "") + f"{count}{text}\n")
        self.out.flush()

    def _state(self) -> None:
        """In a terminal the last line says how far the run is, and how long it may take."""
        if not self.terminal or not self.done:
            return
        seconds = time.monotonic() - self.start
        left = seconds / self.done * (self.total - self.done)
        if seconds - self._looked >= EVERY:
            self._looked, self._subjects = seconds, self._look()
        text = f"{self.done} of {self.total} jobs{self._subjects}, about {duration(left)} left"
        if self.crashes:
            text += f", {len(self.crashes)} failed"
        self.out.write(f"\r\x1b[K{text}")
        self.out.flush()

    def _look(self) -> str:
        """How many subjects are done."""
        from neuro.command import status
        from neuro.io.problems import InputProblem

        try:
            of_subjects = [job for job in status.jobs(self.work) if job.subject]
        except (InputProblem, OSError):
            return ""
        everyone = {job.subject for job in of_subjects}
        missing = {job.subject for job in of_subjects if job.state != "done"}
        return f", {len(everyone - missing)} of {len(everyone)} subjects" if everyone else ""
