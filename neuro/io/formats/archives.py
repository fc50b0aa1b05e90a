"""Folders and `.tar.gz` archives read alike; an archive is streamed and never unpacked."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from neuro.io.problems import InputProblem

LARGEST = 64 << 20
"""Bytes; a member that is larger is no table and is refused."""

_DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes
    ----------
    path : str
        Relative to the root, or name of the member; `/` between folders.
    parts : tuple of str
        Below the source's top folder.
    size : int
        Bytes.
    read : callable
        `read(n)` gives the first n bytes, `read()` all. Of an archive only while the entry is
        the current one.
    checksum : callable
        SHA-256 of the content, at any time.
    """

    path: str
    parts: tuple[str, ...]
    size: int
    read: Callable
    checksum: Callable


class Folder:
    """The files of a folder and its subfolders, one level deep, sorted."""

    archive = ""

    def __init__(self, root, name: str):
        self.root, self.name = str(root), name

    def entries(self) -> Iterator[Entry]:
        """Files of the folder, then those of each subfolder."""
        folders = [""]
        while folders:
            below = folders.pop(0)
            here = os.path.join(self.root, self.name, below)
            for name in sorted(os.listdir(here)):
                path = os.path.join(here, name)
                if os.path.isdir(path):
                    if not below:
                        folders.append(name)
                elif os.path.isfile(path):
                    parts = (below, name) if below else (name,)
                    yield Entry(
                        path="/".join((self.name, *parts)),
                        parts=parts,
                        size=os.path.getsize(path),
                        read=_reader(path),
                        checksum=_summer(path),
                    )


def _reader(path):
    def read(count: int = -1) -> bytes:
        with open(path, "rb") as stream:
            return stream.read(count)

    return read


def _summer(path):
    def checksum() -> str:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    return checksum


class Archive:
    """The members of a `.tar.gz` in their order, read in one pass."""

    def __init__(self, root, archive: str):
        self.root, self.archive = str(root), archive
        self.name = archive.removesuffix(".tar.gz")

    def entries(self) -> Iterator[Entry]:
        """Plain files of the archive.

        Raises
        ------
        InputProblem
            When the archive is cut off or damaged, or a member is absolute, leaves the
            archive's folder, is a link or device, or is too large.
        """
        last = "its start"
        try:
            with (
                gzip.open(os.path.join(self.root, self.archive)) as stream,
                tarfile.open(fileobj=stream, mode="r|") as members,
            ):
                for member in members:
                    if member.isdir():
                        continue
                    self._refuse(member)
                    parts = tuple(
                        component for component in member.name.split("/") if component != "."
                    )
                    if len(parts) > 1 and not parts[0].isdigit():
                        parts = parts[1:]
                    yield Entry(
                        path=member.name,
                        parts=parts,
                        size=member.size,
                        read=self._reader(members, member),
                        checksum=self._summer(member.name),
                    )
                    last = f"'{member.name}'"
                # gzip compares its checksum only when the end is reached
                while stream.read(1 << 20):
                    continue
        except _DAMAGE as error:
            raise self._damaged(f"after {last}", error) from None

    def _damaged(self, where: str, error) -> InputProblem:
        reason = str(error).splitlines()[0][:50] if str(error) else type(error).__name__
        return InputProblem(f"{self.archive}: cut off or damaged {where} ({reason}); copy it again")

    def _reader(self, members, member):
        def read(count: int = -1) -> bytes:
            wanted = None if count < 0 else count
            try:
                return members.extractfile(member).read(wanted)
            except _DAMAGE as error:
                raise self._damaged(f"in '{member.name}'", error) from None

        return read

    def _refuse(self, member):
        name = member.name
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise InputProblem(
                f"{self.archive}: member '{name}' points outside of the archive; not read"
            )
        if not member.isreg():
            raise InputProblem(
                f"{self.archive}: member '{name}' is a link or device, expected plain files; "
                "not read"
            )
        if member.size > LARGEST:
            raise InputProblem(
                f"{self.archive}: member '{name}' has {member.size >> 20} MiB, at most "
                f"{LARGEST >> 20} are read"
            )

    def _summer(self, name):
        def checksum() -> str:
            for entry in self.entries():
                if entry.path == name:
                    return hashlib.sha256(entry.read()).hexdigest()
            return ""

        return checksum


def open_sources(root) -> tuple[dict[str, Folder | Archive], list[str]]:
    """Folders and archives of a root by name; a folder goes before an archive of its name.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    sources : dict
        Sorted by name.
    notes : list of str
        One line per archive that stands beside a folder of the same name.

    Raises
    ------
    InputProblem
        When there is no such folder.
    """
    if not os.path.isdir(root):
        raise InputProblem(f"{root}: no such folder")
    sources: dict[str, Folder | Archive] = {}
    notes = []
    names = sorted(os.listdir(root))
    for name in names:
        if os.path.isdir(os.path.join(root, name)) and not name.startswith("."):
            sources[name] = Folder(root, name)
    for name in names:
        if name.endswith(".tar.gz") and os.path.isfile(os.path.join(root, name)):
            site = name.removesuffix(".tar.gz")
            if site in sources:
                notes.append(f"{name}: stands beside the folder {site}/, which is read instead")
            else:
                sources[site] = Archive(root, name)
    return dict(sorted(sources.items())), notes
