"""Fingerprints of files that come from outside, cheap enough to be taken at every start.

A stamp is among the parameters of the rule that reads the file, so a rule runs again when the
content changes, whichever way the time goes: backups and `rsync -a` bring files with older times.
Only the main process looks at the files; jobs read what it found.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from neuro.base.beside import beside

STATE = Path("results/provenance/stamps.json")
SMALL = 1 << 20
"""Bytes; of a file up to this size the content counts, of a larger one size and time (as in
Snakemake, which looks into files of up to 1 MB), and the content at :data:`PLACES` places."""
PLACES, BLOCK = 16, 4096
"""How many blocks of a large file are looked at, spread evenly, and their size in bytes. Uniform
times are usual in archives and data stores, uniform sizes among images that are not compressed."""
RESULTS = "results/"
DEPTH = 6
"""Levels of folders that hold runs: data set, subject, session, kind, task."""
_ELSEWHERE = {"figures", "log", "logs", "sourcedata", "derivatives", "code", "dwi", "fmap"}


class Stamps:
    """Stamps of files by path.

    Parameters
    ----------
    refresh : bool
        Whether files are looked at; False in jobs, which take what the main process saw.
    """

    def __init__(self, refresh: bool = True):
        self.refresh = refresh
        # an atlas is asked for by every run
        self._beside = functools.lru_cache(maxsize=1000)(beside)
        try:
            self.known = json.loads(STATE.read_text("utf-8"))
        except (OSError, ValueError):
            self.known = {}

    def of(self, items) -> str:
        """Digest of files and folders; whatever lies among the results does not count.

        What readers look for beside a file counts with it (:mod:`neuro.base.beside`).

        Parameters
        ----------
        items : path, or nested lists and mappings of paths
        """
        digest = hashlib.sha256()
        for path in flat(items):
            if not path.startswith(RESULTS):
                for name in (path, *self._beside(path)):
                    digest.update(f"{os.path.basename(name)} {self._one(name)}\n".encode())
        return digest.hexdigest()[:12]

    def _one(self, path: str) -> str:
        # results may be handed on: they name no folder of the machine
        key = hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()[:16]
        record = self.known.get(key)
        if record and not self.refresh:
            return record[-1]
        try:
            stat = os.stat(path)
        except OSError:
            return "absent"
        if os.path.isdir(path):
            inside = sorted(os.scandir(path), key=lambda entry: entry.name)
            return self.of([entry.path for entry in inside if not entry.name.startswith(".")])
        # the time of the last change of the inode betrays a file whose time was set back
        seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        if not record or record[:-1] != seen:
            self.known[key] = record = [*seen, _stamp(path, stat)]
        return record[-1]

    def save(self) -> None:
        """Write what was seen, for the jobs and for the next start."""
        STATE.parent.mkdir(parents=True, exist_ok=True)
        STATE.write_text(json.dumps(self.known, indent=0, sort_keys=True) + "\n", "utf-8")


def _stamp(path, stat) -> str:
    try:
        if stat.st_size <= SMALL:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        digest = hashlib.sha256()
        with open(path, "rb") as stream:
            for number in range(PLACES):
                stream.seek((stat.st_size - BLOCK) * number // (PLACES - 1))
                digest.update(stream.read(BLOCK))
        return f"{stat.st_size}-{stat.st_mtime_ns}-{digest.hexdigest()[:8]}"
    except OSError:
        return "unreadable"


def flat(items) -> Iterable[str]:
    """Paths in nested lists and mappings."""
    if isinstance(items, dict):
        items = list(items.values())
    if isinstance(items, (list, tuple, set)):
        for entry in items:
            yield from flat(entry)
    elif items:
        yield str(items)


def tree(root) -> str:
    """Digest of names, sizes and times of all files that a scan of a data set may look at."""
    stamps = []
    stack = [(str(root), 0)]
    while stack:
        folder, level = stack.pop()
        if not os.path.isdir(folder):
            stamps.append(f"{folder} {look(folder)}")
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    stamps.append(entry.path)
                    if level < DEPTH and entry.name not in _ELSEWHERE:
                        stack.append((entry.path, level + 1))
                else:
                    stamps.append(f"{entry.path} {look(entry.path)}")
    return hashlib.sha256("\n".join(sorted(stamps)).encode("utf-8", "replace")).hexdigest()[:16]


def look(path):
    """Size and times of a file; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
