"""NWB in Zarr: a folder in place of a file. Nothing in it is run, nothing outside of it read."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path

from neuro.io.formats import contained
from neuro.io.problems import InputProblem

MARKS = (".zgroup", ".zarray", "zarr.json")
"""What marks a folder of Zarr."""
EXTRA = "zarr"


def is_zarr(path) -> bool:
    """Whether a folder is a Zarr store.

    Parameters
    ----------
    path : path-like
    """
    path = Path(path)
    return path.is_dir() and any((path / mark).exists() for mark in MARKS)


def types_of(path) -> set[str]:
    """Types of what an NWB folder holds, such as `Units`; empty for any other folder.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    set of str
        With `NWBFile` for every NWB file.
    """
    path = Path(path)
    if not is_zarr(path) or _attributes(path / ".zattrs").get("neurodata_type") != "NWBFile":
        return set()
    types = {
        str(_attributes(attributes).get("neurodata_type")) for attributes in path.rglob(".zattrs")
    }
    return types - {"None"}


@contextlib.contextmanager
def open_zarr(path):
    """Read an NWB folder; its data stay on disk until they are asked for.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    pynwb.NWBFile

    Raises
    ------
    InputProblem
        When the extra is not installed; the folder is of Zarr 3, links to others or would inflate
        without end.
    """
    path = Path(path)
    if (path / "zarr.json").exists():
        raise InputProblem(f"{path}: Zarr 3, which no reader of NWB takes yet; save it as HDF5")
    try:
        from hdmf_zarr.nwb import NWBZarrIO
    except ImportError:
        raise InputProblem(
            f"{path}: NWB in Zarr needs the extra {EXTRA}: pip install 'neuro-chain[{EXTRA}]', or "
            "hdmf-zarr; NWB in HDF5 does not"
        ) from None
    check(path)
    with _no_pickle(), NWBZarrIO(str(path), mode="r") as io:
        yield io.read()


def check(path) -> None:
    """Refuse folders whose arrays lie elsewhere or would inflate without end.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputProblem
    """
    path = Path(path)
    for meta in path.rglob(".zattrs"):
        for link in _attributes(meta).get("zarr_link") or []:
            source = str(link.get("source", ".")) if isinstance(link, dict) else str(link)
            if not (path / source).resolve().is_relative_to(path.resolve()):
                raise InputProblem(
                    f"{path}: '{meta.parent.relative_to(path)}' lies in another folder, {source}; "
                    "not read; save the data in one"
                )
    for meta in path.rglob(".zarray"):
        shape = _attributes(meta).get("shape")
        if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape):
            continue
        size = math.prod(shape) * 8
        if size > contained.LARGEST:
            stored = sum(entry.stat().st_size for entry in os.scandir(meta.parent))
            name = str(meta.parent.relative_to(path))
            contained.refuse_inflated(path, name, size, stored)


def _attributes(path) -> dict:
    try:
        content = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


@contextlib.contextmanager
def _no_pickle():
    """Columns of objects may be pickled, and a pickle runs what it likes: none is decoded."""
    import numcodecs
    from numcodecs.registry import codec_registry

    class Refused(numcodecs.abc.Codec):
        codec_id = "pickle"

        def __init__(self, *args, **more):
            pass

        def encode(self, buf):
            raise ValueError("pickle")

        def decode(self, buf, out=None):
            raise ValueError("pickle")

    before = codec_registry.get("pickle")
    numcodecs.register_codec(Refused)
    try:
        yield
    finally:
        if before is not None:
            codec_registry["pickle"] = before
