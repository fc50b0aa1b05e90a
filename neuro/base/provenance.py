"""Sidecars and data set descriptions: what a result was made from, and with what."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import subprocess
import time
from importlib import metadata
from pathlib import Path, PurePosixPath

import neuro

DISTRIBUTION = "neuro-chain"
"""Name under which the package is installed; `neuro` alone is anybody's word."""
_START = time.perf_counter()


def content_checksum(path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read anew."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.lru_cache(maxsize=4096)
def _checksum(path: str, size: int, mtime: int) -> str:
    return content_checksum(path)


def checksum(path) -> str:
    """SHA-256 of a file's bytes; remembered as long as its size and time stay."""
    stat = os.stat(path)
    # a file that was just written may change again within one tick of its time stamp
    if abs(time.time_ns() - stat.st_mtime_ns) < 2e9:
        return content_checksum(path)
    return _checksum(str(path), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=1)
def git_state() -> dict:
    """Commit and dirty flag of the source checkout; empty where there is none."""
    here = Path(neuro.__file__).parent
    if not (here.parent / ".git").exists():
        return {}
    try:
        run = functools.partial(
            subprocess.run, cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        dirty = bool(run(["git", "status", "--porcelain", "-uno"]).stdout.strip())
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"Commit": commit, "Dirty": dirty}


@functools.lru_cache(maxsize=1)
def code_url() -> str:
    """Public address of the source, as the installed package states it; else `n/a`."""
    try:
        urls = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    return urls[0].split(",", 1)[1].strip() if urls else "n/a"


def versions(*packages: str) -> dict:
    """Versions of neuro and of the named distributions that are installed."""
    versions_of = {"neuro": neuro.__version__}
    for name in packages:
        try:
            versions_of[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions_of


def plain(value):
    """A copy of `value` that JSON can hold; NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return str(value)


def write_json(path, content) -> Path:
    """Write indented JSON with sorted keys; numbers that JSON cannot hold become null."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(content), indent=2, sort_keys=True) + "\n", "utf-8")
    return path


_DOUBLE = (
    ".nii.gz",
    *(f".{kind}.nii" for kind in ("dtseries", "ptseries", "dscalar", "pscalar", "dlabel")),
    *(f".{kind}.gii" for kind in ("func", "surf", "label", "shape")),
)
"""Suffixes of two parts."""


def sidecar_path(path) -> Path:
    """`x.nii.gz` -> `x.json`, and so for other suffixes of two parts, as `.dtseries.nii`."""
    path = Path(path)
    double = next((suffix for suffix in _DOUBLE if path.name.endswith(suffix)), path.suffix)
    return path.with_name(path.name.removesuffix(double) + ".json")


def sidecar(
    path,
    *,
    parameters=None,
    inputs=(),
    seed=None,
    packages=(),
    threads=1,
    device="cpu",
    **fields,
) -> Path:
    """Write the JSON sidecar of a result file.

    Parameters
    ----------
    path : path-like
        The result file; the sidecar stands beside it with the suffix `.json`.
    parameters : dict, optional
        Every setting that shaped the result.
    inputs : iterable of path-like
        Files that were read; each is listed in `Inputs` by its name with SHA-256 and size, and
        in `Sources` as BIDS names it.
    seed : int, optional
    packages : iterable of str
        Distributions whose versions matter.
    threads : int
    device : str
    **fields
        Further keys, e.g. `RepetitionTime=2.0` (s).

    Returns
    -------
    pathlib.Path
    """
    files = [source for source in inputs if Path(source).is_file()]
    content = {
        **_without_folders(fields),
        "GeneratedBy": [{"Name": "neuro", "Version": neuro.__version__, **git_state()}],
        "Parameters": _without_folders(parameters or {}),
        "Sources": [bids_uri(source, path) for source in files],
        "Inputs": [
            {"Name": _portable(source), "SHA256": checksum(source), "Size": os.path.getsize(source)}
            for source in files
        ],
        "Versions": versions(*packages),
        "Seed": seed,
        "Threads": threads,
        "Device": device,
        "WallSeconds": round(time.perf_counter() - _START, 3),
    }
    return write_json(sidecar_path(path), content)


def _portable(path) -> str:
    """A relative path, never one that names a machine's folders."""
    path = Path(path)
    if path.is_absolute():
        try:
            return path.relative_to(Path.cwd()).as_posix()
        except ValueError:
            return path.name
    components = [component for component in path.parts if component != ".."]
    return "/".join(components)


def _without_folders(value):
    """A copy in which absolute paths have become portable ones."""
    if isinstance(value, dict):
        return {key: _without_folders(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(entry) for entry in value]
    if isinstance(value, (str, Path)) and os.path.isabs(value):
        return _portable(value)
    return value


def bids_uri(path, of=None) -> str:
    """Name of a file that was read, as BIDS writes it.

    Parameters
    ----------
    path : path-like
    of : path-like, optional
        What was made from it.

    Returns
    -------
    str
        `bids::x` for a file of the data set (stage) that `of` belongs to, `bids:study:x` for
        another one of the study's folder, `bids:input:x` for one of a data set elsewhere;
        :func:`dataset_description` tells where these are.
    """
    inside = _in_study(path)
    if inside is not None:
        own = None if of is None else _in_study(of)
        if own is not None and inside.parts[:2] == own.parts[:2] and inside.parts[0] == "results":
            return f"bids::{_quoted('/'.join(inside.parts[2:]))}"
        return f"bids:study:{_quoted(inside.as_posix())}"
    for folder in Path(path).parents:
        if (folder / "dataset_description.json").is_file():
            return f"bids:input:{_quoted(Path(path).relative_to(folder).as_posix())}"
    return f"bids:input:{_quoted(_portable(path))}"


def _quoted(path) -> str:
    """A relative path as it stands in a URI."""
    return PurePosixPath("/", path).as_uri().removeprefix("file:///")


def _in_study(path) -> Path | None:
    """A path below the working folder; where jobs leave files stands where these are published."""
    path = Path(path)
    if path.is_absolute():
        if not path.is_relative_to(Path.cwd()):
            return None
        path = path.relative_to(Path.cwd())
    if ".." in path.parts:
        return None
    if path.parts[:2] == ("results", "work"):
        path = Path("results", *path.parts[2:])
    return path


def config_hash(config) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a configuration, keys sorted."""
    text = json.dumps(plain(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dataset_description(folder, *, name: str, config=None, sources=()) -> Path:
    """Write `dataset_description.json` and `.bidsignore` of a derivative data set."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # what BIDS has no name for, as CIFTI among derivatives, maps of a run and of a group
    cifti = ("dtseries.nii", "ptseries.nii", "dscalar.nii", "pscalar.nii")
    ignored = ("h5", "tsv", "json", "png", "npz", *cifti)
    text = "".join(f"*.{suffix}\n" for suffix in ignored)
    text += "*_boldmap.nii.gz\ngroup_*.nii.gz\nfigures/\n"
    (folder / ".bidsignore").write_text(text, "utf-8")
    return write_json(
        folder / "dataset_description.json",
        {
            "Name": name,
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [
                {
                    "Name": "neuro",
                    "Version": neuro.__version__,
                    "CodeURL": code_url(),
                    "ConfigurationHash": config_hash(config or {}),
                }
            ],
            "SourceDatasets": [{"URL": _portable(source)} for source in sources],
            "DatasetLinks": {"study": os.path.relpath(".", folder)}
            | ({"input": _portable(sources[0])} if sources else {}),
            "HowToAcknowledge": "Cite the papers listed in results/report/references.bib.",
        },
    )
