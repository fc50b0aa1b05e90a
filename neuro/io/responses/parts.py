"""Parts that the readers of stimulus-response data share: ranges, labels, groups, `.npz`."""

from __future__ import annotations

import contextlib
import csv
import itertools
import math

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

TRIAL_KEYS = ("tier", "stimulus_id", "condition")
UNIT_KEYS = ("unit", "roi", "session", "known_type")
KEYS = ("stimuli", "responses", *TRIAL_KEYS, *UNIT_KEYS, "fs")
STIMULUS = ("stimulus", "stimuli", "images")
RESPONSE = ("response", "responses")
RATES = ("firing_rate_10ms", "firing_rate", "rates", "responses")


BLOCK = 1 << 22
"""Values of stimuli that are looked at together."""


class LazyStimuli:
    """Stimuli that stay in their file (HDF5 or `.npy`) until some are asked for.

    Parameters
    ----------
    path : path-like
    name : str
        Data set of an HDF5 file, trials first.
    layout : neuro.io.responses.images.Layout, optional
        How stored values become stimuli; none leaves them as they are.
    """

    def __init__(self, path, name="stimuli", layout=None):
        self.path, self.name, self.layout = str(path), name, layout
        with self._open() as stored:
            self.shape, self.dtype = tuple(stored.shape), np.dtype(stored.dtype)
        if layout is not None:
            self.shape, self.dtype = layout.shape(self.shape), np.dtype(np.float32)
        self.ndim = len(self.shape)

    @contextlib.contextmanager
    def _open(self):
        if self.path.endswith(".npy"):
            yield mapped(self.path)
            return
        import h5py

        with h5py.File(self.path, "r") as file:
            yield file[self.name]

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Trials in the order asked for."""
        with self._open() as stored:
            if isinstance(rows, (int, np.integer)):
                return self._made(stored[rows][None])[0]
            if isinstance(rows, slice):
                return self._made(stored[rows])
            rows = np.asarray(rows)
            rows = np.flatnonzero(rows) if rows.dtype == bool else rows
            order, back = np.unique(rows, return_inverse=True)
            return self._made(stored[order])[back]

    def _made(self, stored):
        return stored if self.layout is None else self.layout.apply(np.asarray(stored))

    def laid(self, layout):
        """The same stimuli under another layout."""
        return type(self)(self.path, self.name, layout)

    def __array__(self, dtype=None, copy=None):
        values = self[:]
        return values if dtype is None else values.astype(dtype)


class HeldPictures(LazyStimuli):
    """Pictures that are held as bytes, each of them once; trials repeat them.

    As float32 and once per trial they would take twelve times the memory of a study that shows
    every picture three times.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n_pictures, c, h, w)
    shown : array of int, shape (n_trials,)
        The picture of each trial.
    layout : neuro.io.responses.images.Layout, optional
        As for :class:`LazyStimuli`.
    """

    def __init__(self, pictures, shown, layout=None):
        self.pictures, self.shown = pictures, np.asarray(shown)
        super().__init__("", layout=layout)

    @contextlib.contextmanager
    def _open(self):
        yield _Repeated(self.pictures, self.shown)

    def laid(self, layout):
        """The same pictures under another layout."""
        return HeldPictures(self.pictures, self.shown, layout)


class _Repeated:
    """Rows of an array by their numbers, made when they are asked for."""

    def __init__(self, array, rows):
        self.array, self.rows = array, rows
        self.shape, self.dtype = (len(rows), *array.shape[1:]), array.dtype

    def __getitem__(self, rows):
        return self.array[self.rows[rows]]


def finite(stimuli, where) -> list[str]:
    """A line for stimuli with values that are not finite, read in blocks; empty without.

    Parameters
    ----------
    stimuli : array or LazyStimuli, trials or samples first, or None
    where : str
        File that is named.

    Returns
    -------
    list of str
    """
    bad: list[int] = []
    n = 0 if stimuli is None else len(stimuli)
    step = max(1, BLOCK // max(1, math.prod(stimuli.shape[1:]))) if n else 1
    for first in range(0, n, step):
        wrong = ~np.isfinite(stimuli[first : first + step])
        rows = wrong.reshape(len(wrong), -1).any(axis=1)
        bad += (first + np.flatnonzero(rows)).tolist()
    if not bad:
        return []
    return [
        f"{where}: {len(bad):,} stimuli hold NaN or infinity (first: trial {bad[0]}); repair or "
        "remove them"
    ]


def mapped(path) -> np.ndarray:
    """A `.npy` file of plain values, left on the disk.

    Raises
    ------
    InputProblem
        When it is cut off, pickled or no numpy file.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise InputProblem(f"{path}: not a readable numpy file of plain values") from None


def table_rows(path, most=None) -> list[dict]:
    """Rows of a `.csv` or `.tsv` file by the names in its first line, `most` at the most.

    Raises
    ------
    InputProblem
        When it cannot be read as a table.
    """
    dialect = "excel-tab" if path.suffix == ".tsv" else "excel"
    with (
        readable(path, "not a readable table"),
        path.open(newline="", encoding="utf-8-sig") as text,
    ):
        return list(itertools.islice(csv.DictReader(text, dialect=dialect), most))


def plain(dataset) -> np.ndarray:
    """Values of an HDF5 data set; text as str."""
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is not None:
        return np.asarray(dataset.asstr()[()])
    return dataset[()]


def labels(values) -> np.ndarray:
    """A flat array of whole numbers or str."""
    values = np.ravel(np.asarray(values))
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind in "SO":
        return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values])
    return values.astype(str)


def load_npz(path) -> dict:
    """Parts of a `.npz` file.

    Raises
    ------
    InputProblem
        When it cannot be read or has no responses.
    """
    with (
        readable(path, "not a readable .npz file of plain arrays"),
        np.load(path, allow_pickle=False) as file,
    ):
        content = {key: file[key] for key in KEYS if key in file.files}
        members = list(file.files)
    if "responses" not in content:
        raise InputProblem(
            f"{path}: no array 'responses'; found {', '.join(members[:8]) or 'nothing'}"
        )
    return content


def load_groups(file, path) -> dict:
    """Groups `train`, `test` (and `validation`) with a stimulus and a response array each.

    The axis of time is shared; responses may stand as (n_units, n_samples). Stimuli with two
    axes are (n_samples, channels); with three (n_samples, h, w), which get one channel.

    Raises
    ------
    InputProblem
        When an array is missing or the lengths differ.
    """
    stimuli, responses, tier = [], [], []
    for name in ("train", "validation", "test"):
        if name not in file:
            continue
        x = _first(file[name], STIMULUS, path, name)
        y = _first(file[name], RESPONSE, path, name)
        if y.ndim != 2 or len(x) not in y.shape:
            raise InputProblem(
                f"{path}: group '{name}': responses {y.shape} and stimuli {x.shape} share no axis "
                "of time"
            )
        y = y if len(y) == len(x) else y.T
        stimuli.append(x[:, None] if x.ndim == 3 else x)
        responses.append(y)
        tier += [name] * len(x)
    if len({matrix.shape[1] for matrix in responses}) > 1:
        counts = ", ".join(str(matrix.shape[1]) for matrix in responses)
        raise InputProblem(f"{path}: groups hold different numbers of units: {counts}")
    return {
        "stimuli": np.concatenate(stimuli),
        "responses": np.concatenate(responses),
        "tier": np.array(tier),
    }


def _first(group, names, path, where):
    for name in names:
        if name not in group:
            continue
        node = group[name]
        if hasattr(node, "keys"):
            inner = next((key for key in RATES if key in node), None)
            if inner is None:
                raise InputProblem(
                    f"{path}: group '{where}/{name}' has none of {', '.join(RATES)}; found "
                    f"{', '.join(list(node)[:5])}"
                )
            node = node[inner]
        return node[()]
    raise InputProblem(f"{path}: group '{where}' has no '{names[0]}'; found {', '.join(group)}")


def usable(responses, names, tier, condition, kind):
    """Units that can be used, and why the others cannot.

    Parameters
    ----------
    responses : ndarray, shape (n_trials, n_units)
    names : list of str
    tier : ndarray of str
    condition : ndarray or None
    kind : str

    Returns
    -------
    keep : ndarray of bool
    excluded : list of (unit, reason)
    """
    used = tier != "unused"
    values = responses[used]
    reasons = {}
    bad = ~np.isfinite(values)
    if kind == "discrete":
        finite = np.isfinite(values)
        for label in np.unique(condition[used]):
            absent = ~finite[condition[used] == label].any(axis=0)
            for column in np.flatnonzero(absent):
                reasons.setdefault(column, f"no finite response to condition {label}")
        bad = np.isinf(values)
    for column in np.flatnonzero(bad.any(axis=0)):
        reasons.setdefault(column, f"{int(bad[:, column].sum())} responses are not finite")
    train = np.where(np.isfinite(responses), responses, np.nan)[tier == "train"]
    if len(train):
        with np.errstate(invalid="ignore"):
            low = np.fmin.reduce(train, axis=0)
            flat = low == np.fmax.reduce(train, axis=0)
        for column in np.flatnonzero(flat):
            reasons.setdefault(column, f"constant in training ({low[column]:g})")
    keep = np.ones(responses.shape[1], bool)
    keep[list(reasons)] = False
    return keep, [(names[column], reasons[column]) for column in sorted(reasons)]
