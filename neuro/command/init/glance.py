"""What kind a file or folder is, by its name and a short look inside; nothing is read whole."""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections import Counter
from pathlib import Path

from neuro.io.formats.damaged import readable
from neuro.io.formats.text_tables import decoded, with_points
from neuro.io.formats.zarr_folders import types_of
from neuro.io.problems import InputProblem

KINDS = ("spikes", "recordings", "responses", "voxels")
DEEP = 2
"""Folders below a path that are looked into."""
MOST = 2000
"""So many recordings are looked at."""
HDF5 = (".h5", ".hdf5")
MOST_SPIKES = 50.0
"""More than so many spikes in a mean bin are no counts."""
HEAD = 1 << 18
"""Bytes of a text that are looked at."""
TEXT = (".csv", ".tsv", ".txt", ".dat")


def sort(path) -> dict[str, list[Path]]:
    """Files and folders by kind: the path itself, or what lies in it.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    dict of str to list of pathlib.Path
        The kinds that were found, of :data:`KINDS`.

    Raises
    ------
    InputProblem
        When there are more files than a person would have named.
    """
    places: dict[str, list[Path]] = {}
    recordings = ((entry, kinds) for entry, kinds in _walk(path, DEEP) if kinds)
    for number, (entry, kinds) in enumerate(recordings):
        if number == MOST:
            raise InputProblem(
                f"{path}: more than {MOST:,} recordings; give its folders one by one"
            )
        for kind in kinds:
            places.setdefault(kind, []).append(entry)
    return places


def with_subjects(path) -> list[Path]:
    """Folders below one that has no sub-* itself, such as `fmriprep` in `derivatives`.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    list of pathlib.Path
        The nearest ones; within :data:`DEEP` folders.
    """
    level = [path] if path.is_dir() else []
    for _ in range(DEEP):
        level = [entry for folder in level for entry in _inside(folder) if entry.is_dir()]
        kept = [folder for folder in level if any(sub.is_dir() for sub in folder.glob("sub-*"))]
        if kept or len(level) > MOST:
            return kept
    return []


def voxel_sets(paths):
    """Images, responses and regions that were named file by file.

    Parameters
    ----------
    paths : sequence of pathlib.Path

    Returns
    -------
    rest : list of pathlib.Path
        What belongs to no such set.
    sets : list of (images, betas, rois or None)
        At most one: `.npy` with four axes, one with as many rows, a table (voxel, roi).
    """
    import numpy as np

    shapes = {}
    for path in paths:
        if path.suffix == ".npy" and path.is_file():
            with contextlib.suppress(OSError, ValueError):
                shapes[path] = np.load(path, mmap_mode="r", allow_pickle=False).shape
    images = [path for path, shape in shapes.items() if len(shape) == 4]
    betas = [
        path
        for path, shape in shapes.items()
        if len(images) == 1 and len(shape) == 2 and shape[0] == shapes[images[0]][0]
    ]
    if len(betas) != 1:
        return list(paths), []
    rois = [path for path in paths if path.is_file() and _of_rois(path)]
    used = (images[0], betas[0], rois[0] if rois else None)
    return [path for path in paths if path not in used], [used]


def _of_rois(path) -> bool:
    if path.suffix.lower() not in TEXT:
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return {"voxel", "roi"} <= set(stream.readline().replace(",", "\t").strip().split("\t"))


def _walk(path, depth):
    kinds = kinds_of(path)
    if kinds or not path.is_dir():
        yield path, kinds
    elif depth >= 0:
        for inside in _inside(path):
            yield from _walk(inside, depth - 1)


def _inside(path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []


def seen(path) -> str:
    """What lies at a path in a few words, for a line that says it is not known."""
    if path.is_file():
        return f"a file '{path.suffix or path.name}' of {path.stat().st_size:,} bytes"
    inside = _inside(path)
    suffixes = Counter(entry.suffix or "without suffix" for entry in inside if entry.is_file())
    words = [f"{count} {name}" for name, count in suffixes.most_common(4)]
    folders = [entry.name for entry in inside if entry.is_dir()]
    words += [f"folders {', '.join(folders[:3])}{' ...' if len(folders) > 3 else ''}"] * bool(
        folders
    )
    return ", ".join(words) or "nothing"


def kinds_of(path) -> set[str]:
    """Kinds of data that a file or folder may be; none where it is nothing that is known.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    set of {'spikes', 'recordings', 'responses', 'voxels'}
    """
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    looks = {".npz": _npz, ".npy": _npy, ".mat": _mat, ".nwb": _nwb, ".gz": _archive}
    look = _hdf5 if suffix in HDF5 else _text if suffix in TEXT else looks.get(suffix)
    try:
        if look is None or not path.is_file():
            return set()
        with readable(path, "damaged"):
            return look(path)
    except InputProblem:
        # The suffix alone tells two of them; the reader says what is wrong with the file.
        return {".nwb": {"spikes"}, ".npz": {"recordings"}}.get(suffix, set())


def _folder(path) -> set[str]:
    from neuro.io.spikes.reader import FOLDERS

    def has(*patterns):
        return any(any(path.glob(pattern)) for pattern in patterns)

    from neuro.io.responses import downloads

    types = types_of(path)
    if types:
        kinds = {kind for what in types for kind in NWB.get(what, ())}
        if (path / "stimulus" / "templates").is_dir() and (path / "intervals" / "trials").is_dir():
            # a folder that holds nothing but its mark is an empty group
            inside = _inside(path / "stimulus" / "templates")
            kinds |= {"responses"} if inside else set()
        return kinds or {"spikes"}
    try:
        if downloads.recognise(path):
            return {"voxels"}
        if has(*FOLDERS):
            return {"spikes"}
        stores = [store for store in path.glob("*.zarr") if not types_of(store)]
        if has("F.npy", "plane[0-9]*/F.npy", "suite2p") or stores or path.suffix == ".zarr":
            return {"recordings"}
        if has("responses.npy", "responses/*.npy", "data/responses", "types_green_center.npy"):
            return {"responses"}
        if has("images.npy") and has("betas.npy"):
            return {"voxels"}
    except OSError:
        pass
    return set()


def _npz(path) -> set[str]:
    from neuro.io.recordings.arrays import RATE_KEYS, TRACE_KEYS

    with zipfile.ZipFile(path) as file:
        names = {name.removesuffix(".npy") for name in file.namelist()}
    if {"t", "start", "end"} <= names or "bin_s" in names:
        return {"spikes"}
    if "responses" in names:
        return {"responses"}
    if names & {*TRACE_KEYS, *RATE_KEYS}:
        return {"recordings"}
    return {"spikes"} if "counts" in names or "seq_0" in names else {"recordings"}


def _npy(path) -> set[str]:
    import numpy as np

    values = np.load(path, mmap_mode="r", allow_pickle=False)
    whole = values.dtype.kind in "iub"
    if values.ndim == 2 and min(values.shape) > 1:
        # a camera's numbers are whole as well, and larger than any count of spikes
        counts = whole and float(np.mean(values[:1000])) < MOST_SPIKES
        return {"spikes"} if counts else {"recordings"}
    return {"spikes"} if values.ndim == 3 and whole and values.dtype != np.uint8 else set()


def _mat(path) -> set[str]:
    import h5py
    from scipy.io import whosmat

    from neuro.io.recordings.arrays import TRACE_KEYS

    if path.name == "digit69_28x28.mat":
        return {"responses"}
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            names = {name for name in file if not name.startswith("#")}
    else:
        names = {name for name, _, _ in whosmat(path)}
    if names & {"spks", "unit_t", "spikes"} and not names & {"F", "iscell"}:
        return {"spikes"}
    variables = {*TRACE_KEYS, "fs", "fps"} & names
    cells = set() if variables or h5py.is_hdf5(path) else {kind for *_, kind in whosmat(path)}
    return {"spikes"} if cells == {"cell"} else {"recordings"}


NWB = {"Units": {"spikes"}, "RoiResponseSeries": {"recordings"}}
"""Types of tables in NWB files, and what they hold."""


def _nwb(path) -> set[str]:
    import h5py

    kinds = set()

    def visit(_, node):
        what = node.attrs.get("neurodata_type", b"")
        what = what.decode() if isinstance(what, bytes) else str(what)
        kinds.update(NWB.get(what, set()))

    with h5py.File(path) as file:
        file.visititems(visit)
        if len(file.get("stimulus/templates", ())) and "intervals/trials" in file:
            kinds.add("responses")
    return kinds or {"spikes"}


def _hdf5(path) -> set[str]:
    import h5py

    with h5py.File(path) as file:
        if "responses" in file or isinstance(file.get("train"), h5py.Group):
            return {"responses"}
        arrays = [dataset for dataset in file.values() if getattr(dataset, "ndim", 0) == 2]
        return {"recordings"} if "estimates" in file or len(arrays) == len(file) == 1 else set()


def _archive(path) -> set[str]:
    from neuro.io.responses.archives import recognise

    return {"responses"} if path.name.endswith(".tar.gz") and recognise(path) else set()


def _text(path) -> set[str]:
    """A table (time, unit) holds spikes; other tables of numbers hold traces."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    # the last line may be cut
    text, _ = with_points(decoded(head if len(head) < HEAD else head[: head.rfind(b"\n")]))
    lines = [line.strip() for line in text.splitlines()[:200]]
    lines = [line for line in lines if line and not line.startswith(("#", "%"))]
    marks = next((mark for mark in "\t,;" if lines and mark in lines[0]), None)
    rows = []
    for line in lines[1:]:
        try:
            rows.append([float(cell or "nan") for cell in line.split(marks)])
        except ValueError:
            return set()
    if len(rows) < 4 or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return set()
    ids = [row[1] for row in rows]
    steps = {round(b[0] - a[0], 6) for a, b in itertools.pairwise(rows)}
    if len(rows[0]) == 2 and all(unit == int(unit) >= 0 for unit in ids) and len(steps) > 1:
        return {"spikes"}
    return {"recordings"}
