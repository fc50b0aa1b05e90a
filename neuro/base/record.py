"""The record of a job: what it read and wrote, with checksums, settings, packages and seed.

One JSON file per job in `results/provenance/jobs`, the sidecar of every file that the job wrote.
It is taken away when the job starts and written when it has ended, so a half-written result has
none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from neuro.base import provenance
from neuro.base.beside import beside

FOLDER = Path("results/provenance/jobs")
SEEN = Path("results/provenance/outputs.json")
"""Record, checksum, size and time of every output when the last run ended."""
SMALL = 1 << 20
"""Bytes; a file up to this size is read again when the run ends."""
PATIENCE = 600_000_000_000
"""Nanoseconds until Snakemake has seen that a job ended; a cluster is asked every few minutes."""
PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "sklearn": "scikit-learn",
    "h5py": "h5py",
    "nibabel": "nibabel",
    "nilearn": "nilearn",
    "numba": "numba",
    "torch": "torch",
    "tensorly": "tensorly",
    "networkx": "networkx",
    "pynwb": "pynwb",
    "matplotlib": "matplotlib",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "safetensors": "safetensors",
}
"""Modules whose distribution's version is recorded where a job has imported them."""
_KEYS = ("Name", "SHA256", "Size", "Time", "Of")
_TIMESTAMP = ".snakemake_timestamp"


class RecordProblem(ValueError):
    """A record that cannot be read or written; `problems` holds one line for people."""

    def __init__(self, line: str):
        self.problems = [line]
        super().__init__(line)


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a record.

    Attributes
    ----------
    name : str
        Path as the job was given it.
    checksum : str
        SHA-256.
    size : int
        Bytes.
    time : int
        Time of the last change in ns.
    of : str
        The declared output that it belongs to: itself, or a folder, or what it is a sidecar of.
    """

    name: str
    checksum: str
    size: int
    time: int
    of: str

    def untouched(self, seen) -> bool:
        """Whether size and time on the disk are as they were.

        Parameters
        ----------
        seen : dict
            From :func:`seen`. Snakemake touches what a job wrote after the record was taken;
            before the run has ended, a later time of the same size is taken for that.
        """
        now = stamp(self.name)
        if now is None or now[0] != self.size:
            return False
        stamped = seen.get(self.name)
        if stamped and stamped[1] == self.checksum:
            return list(now) == stamped[2:]
        return 0 <= now[1] - self.time <= PATIENCE

    def same(self) -> bool:
        """Whether the content on the disk is that of the record."""
        try:
            return provenance.content_checksum(self.name) == self.checksum
        except OSError:
            return False


@dataclasses.dataclass(frozen=True)
class Record:
    """What one job left about itself, see :func:`read`."""

    path: Path
    rule: str
    settings: str
    inputs: tuple[File, ...]
    outputs: tuple[File, ...]
    versions: dict


def path_of(log) -> Path:
    """Where the record of the job with this log lies."""
    below = str(log).removeprefix("results/logs/").removesuffix(".log")
    return FOLDER / f"{below}.json"


def stamp(path) -> tuple[int, int] | None:
    """Size and time (ns) of a file; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def files(paths: Iterable) -> Iterator[str]:
    """The files behind paths of files and folders, sorted within a folder."""
    for path in map(str, paths):
        if not os.path.isdir(path):
            yield path
            continue
        for folder, below, names in os.walk(path):
            below.sort()
            yield from (os.path.join(folder, n) for n in sorted(names) if n != _TIMESTAMP)


def settings_digest(params) -> str:
    """Digest of a rule's parameters: equal where the settings and the code are."""
    return provenance.config_hash({"params": dict(params)})


def begin(snakemake) -> dict[str, tuple[int, int] | None]:
    """Forget what an earlier job left; gives size and time of everything that will be read.

    Raises
    ------
    RecordProblem
        When an input vanished after the job was planned.
    """
    if len(snakemake.log):
        path_of(snakemake.log[0]).unlink(missing_ok=True)
    stamps = {path: stamp(path) for path in files(snakemake.input)}
    for path in [path for path in stamps if not path.startswith("results/")]:
        stamps |= {name: stamp(name) for name in beside(path)}
    lost = [path for path, seen in stamps.items() if seen is None]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise RecordProblem(
            f"{lost[0]}{more}: vanished before the job read it; see to it and start again"
        )
    return stamps


def end(snakemake, before, beside=()) -> None:
    """Write the record of a job that has ended well.

    Parameters
    ----------
    snakemake : object
    before : dict
        From :func:`begin`.
    beside : iterable of path
        What it wrote beside its first output, undeclared.

    Raises
    ------
    RecordProblem
        When an input vanished or changed while the job read it.
    """
    changed = [path for path, stamped in before.items() if stamp(path) != stamped]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        what = "changed" if os.path.exists(changed[0]) else "vanished"
        raise RecordProblem(
            f"{changed[0]}{more}: {what} while the job read it; see to it and start again"
        )
    if not len(snakemake.log):
        return
    params = dict(snakemake.params.items())
    content = {
        "Rule": snakemake.rule,
        "Settings": settings_digest(params),
        "Parameters": params,
        "Seed": snakemake.config.get("execution", {}).get("seed"),
        "Inputs": [_row(path, path) for path in before if os.path.isfile(path)],
        "Outputs": [_row(*pair) for pair in _written(snakemake.output, beside).items()],
        "Versions": provenance.versions(*(d for m, d in PACKAGES.items() if m in sys.modules)),
    }
    provenance.write_json(path_of(snakemake.log[0]), sealed(content))


def _written(outputs, beside=()) -> dict[str, str]:
    """Outputs and what belongs to them (sidecars, what a description is with), each with whose."""
    sources = {path: str(output) for output in outputs for path in files([output])}
    sources |= {str(path): str(outputs[0]) for path in beside}
    for path, output in list(sources.items()):
        own = [provenance.sidecar_path(path)]
        if path.endswith("dataset_description.json"):
            own.append(Path(path).with_name(".bidsignore"))
        for companion in own:
            sources.setdefault(str(companion), output)
    return {path: output for path, output in sources.items() if os.path.isfile(path)}


def _row(path, of) -> dict:
    size, time = stamp(path) or (0, 0)
    checksum = provenance.checksum(path)
    return {"Name": path, "SHA256": checksum, "Size": size, "Time": time, "Of": of}


def sealed(content: dict) -> dict:
    """A record with the checksum of itself, by which a change of any byte is found."""
    plain = provenance.plain({**content, "Seal": None})
    return {**plain, "Seal": provenance.config_hash(plain)}


def read(path) -> Record:
    """Read a record.

    Raises
    ------
    RecordProblem
        When it is no record, or was altered.
    """
    try:
        content = json.loads(Path(path).read_text("utf-8"))
        if sealed(content) != content:
            raise ValueError
        inputs, outputs = (
            tuple(File(*(row[key] for key in _KEYS)) for row in content[name])
            for name in ("Inputs", "Outputs")
        )
        settings, versions = content["Settings"], content["Versions"]
        return Record(Path(path), content["Rule"], settings, inputs, outputs, versions)
    except (OSError, ValueError, KeyError, TypeError):
        raise RecordProblem(
            f"{path}: no record of a job, or altered; delete {path} and start again"
        ) from None


def records(folder=FOLDER) -> Iterator[Path]:
    """Paths of all records, sorted."""
    yield from sorted(Path(folder).rglob("*.json"))


def seen() -> dict[str, list]:
    """What :func:`remember` wrote; empty before the first run has ended."""
    try:
        return json.loads(SEEN.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def remember() -> list[str]:
    """Write size and time of all outputs when a run ends; gives what is wrong already."""
    before, now = seen(), {}
    jobs, lines = _readable()
    for job in jobs:
        for file in job.outputs:
            earlier, disk = before.get(file.name), stamp(file.name)
            if earlier and earlier[1] == file.checksum:
                now[file.name] = earlier
            elif disk and _settled(file):
                now[file.name] = [str(job.path), file.checksum, *disk]
            elif disk and file.name not in now:
                lines.append(_line(file, "altered"))
    _write(now)
    age(jobs)
    return lines


def reread(logs) -> list[str]:
    """Inputs from outside that changed after a job had read them, one line each.

    Parameters
    ----------
    logs : iterable of path
        Of the jobs that this run did: another one may have read the file as it is now.
    """
    lines = {}
    for log in logs:
        with contextlib.suppress(RecordProblem):
            job = read(path_of(log))
            for file in job.inputs:
                stamped = stamp(file.name)
                if file.name.startswith("results/") or stamped in (None, (file.size, file.time)):
                    continue
                if file.size > SMALL or not file.same():
                    lines[file.name] = f"{file.name}: changed since {job.rule} read it; start again"
    return list(lines.values())


def _readable() -> tuple[list[Record], list[str]]:
    """All records, and a line for each that cannot be read."""
    jobs, lines = [], []
    for path in records():
        try:
            jobs.append(read(path))
        except RecordProblem as problem:
            lines += problem.problems
    return jobs, lines


def _settled(file) -> bool:
    """Whether an output is still what its job wrote; a later hand may have kept its size."""
    now = stamp(file.name)
    if now == (file.size, file.time):
        return True
    return file.untouched({}) if file.size > SMALL else file.same()


def age(jobs) -> None:
    """Give outputs that were made from another version of their input a time before that input.

    Snakemake compares times. Where a clock was set back, a run that remade the input and did not
    come to what follows leaves outputs that look newer than it.

    Parameters
    ----------
    jobs : list of Record
    """
    made: dict[str, set[str]] = {}
    for job in jobs:
        for file in job.outputs:
            made.setdefault(file.name, set()).add(file.checksum)
    for job in jobs:
        for file in job.inputs:
            now = stamp(file.name)
            if not now or file.name not in made or file.checksum in made[file.name]:
                continue
            for output in job.outputs:
                own = stamp(output.name)
                if own and own[1] >= now[1]:
                    with contextlib.suppress(OSError):
                        os.utime(output.name, ns=(now[1] - 10**9,) * 2)


def altered() -> list[str]:
    """Outputs that are not what their job wrote, one line each.

    A file with another time is looked into; one with the size and time of the last run is not. A
    missing output is no matter here, for it is a target; a missing sidecar is.
    """
    stamps = seen()
    lines, confirmed, again = [], {}, False
    for name, (path, checksum, size, time) in stamps.items():
        disk = stamp(name)
        # without a record the job was started and did not end: Snakemake knows
        if disk == (size, time) or not os.path.exists(path):
            continue
        try:
            file = next(file for file in read(path).outputs if file.name == name)
        except (RecordProblem, StopIteration):
            lines.append(f"{path}: no record of a job, or altered; delete {path} and start again")
            continue
        if not os.path.exists(file.of):
            continue  # a target: its job writes what lies beside it, too
        if disk is None:
            lines += [_line(file, "missing")] if file.of != name else []
        elif file.checksum != checksum and file.untouched(stamps):
            again = True  # by a run that did not end
        elif file.same():
            confirmed[name] = [path, file.checksum, *disk]
        else:
            lines.append(_line(file, "altered"))
    if confirmed:
        _write(stamps | confirmed)
    if again:
        age(_readable()[0])
    return lines


def _line(file, what) -> str:
    return f"{file.name}: {what} since its job wrote it; delete {file.of} and start again"


def _write(rows) -> None:
    SEEN.parent.mkdir(parents=True, exist_ok=True)
    SEEN.write_text(json.dumps(rows, indent=0, sort_keys=True) + "\n", "utf-8")
