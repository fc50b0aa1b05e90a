"""Files that reach outside of their folder, or inflate without end, are refused unread.

HDF5 can name other files as the place of its data, and compressed files can claim to hold far
more than they do: a stranger's recording then shows the reader's own files, or fills the memory.
"""

from __future__ import annotations

import functools
import os
import zipfile
from pathlib import Path

from neuro.io.problems import InputProblem

LARGEST = 1 << 30
"""Bytes; an array up to this size is read however well it is compressed."""
RATIO = 100
"""A larger one may not be stored in less than this part of it; recordings reach a tenth."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


def check(path) -> None:
    """Refuse a `.npz` or HDF5 file (NWB, MAT 7.3) that is not contained; others pass.

    Parameters
    ----------
    path : path-like
        What is no file passes, too: its reader says so.

    Raises
    ------
    InputProblem
        When data lie in files outside of the file's own folder, or an array would inflate to
        more than :data:`LARGEST` from less than one :data:`RATIO` th of it.
    """
    try:
        stat = os.stat(path)
        with open(path, "rb") as stream:
            start = stream.read(8)
    except (OSError, TypeError, ValueError):
        return
    if start == _HDF5:
        _hdf5(str(path), stat.st_size, stat.st_mtime_ns)
    elif start[:2] == b"PK":
        _zip(path)


def refuse_large(path, name: str, size: int) -> None:
    """Refuse a member of an archive that is larger than :data:`LARGEST` bytes."""
    if size > LARGEST:
        raise InputProblem(f"{path}: member '{name}' has {size} bytes, at most {LARGEST} are read")


def refuse_inflated(path, name, size, stored):
    """Refuse an array of :data:`LARGEST` bytes and more that is stored in next to nothing."""
    if size > LARGEST and size > RATIO * stored:
        raise InputProblem(
            f"{path}: '{name}' would inflate from {max(stored, 1) >> 10} KiB to {size >> 20} MiB, "
            f"over {LARGEST >> 20} MiB and {RATIO} times its size; not read"
        )


def _zip(path):
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # damage is told by the reader
    for member in members:
        refuse_inflated(path, member.filename, member.file_size, member.compress_size)
    stored = os.path.getsize(path)
    refuse_inflated(path, "all arrays", sum(member.file_size for member in members), stored)


@functools.lru_cache(maxsize=256)
def _hdf5(path: str, size: int, time: int) -> None:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _group(path, file, set())
    except InputProblem:
        raise
    except Exception:
        return  # damage is told by the reader, whatever the library raises


def _group(path, group, visited):
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            _refuse_outside(path, f"{group.name}/{name}", link.filename)
            continue
        if isinstance(link, h5py.SoftLink):
            continue
        node = group[name]
        # hard links can make circles
        address = h5py.h5o.get_info(node.id).addr
        if address in visited:
            continue
        visited.add(address)
        if isinstance(node, h5py.Group):
            _group(path, node, visited)
        elif isinstance(node, h5py.Dataset):
            _dataset(path, node)


def _dataset(path, dataset):
    files = [name for name, *_ in dataset.external or ()]
    if dataset.is_virtual:
        files += [source.file_name for source in dataset.virtual_sources()]
    for name in files:
        if name != ".":
            _refuse_outside(path, dataset.name, name)
    if not files:
        stored = dataset.id.get_storage_size()
        refuse_inflated(path, dataset.name, dataset.size * dataset.dtype.itemsize, stored)


def _refuse_outside(path, what, name):
    folder = Path(path).resolve().parent
    if not (folder / os.fsdecode(name)).resolve().is_relative_to(folder):
        raise InputProblem(
            f"{path}: '{what.lstrip('/')}' lies in another file, {os.fsdecode(name)}, outside of "
            "the folder; not read; save the data in one file"
        )
