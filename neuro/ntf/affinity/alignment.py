"""One time axis for several animals: by the identity of stimuli, by the clock, or none."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.problems import InputProblem
from neuro.ntf.affinity.pairs import bin_mask, frame_bins

ALIGNMENTS = ("stimulus", "task", "none")
EVENT_COLUMNS = ("animal", "onset_s", "duration_s", "condition")


@dataclasses.dataclass(frozen=True)
class Bins:
    """Frames of every bin of one animal.

    Attributes
    ----------
    starts, stops : ndarray of int64, shape (n_bins,)
        First frame and frame after the last; 0 and 0 where the animal has nothing.
    seen : ndarray of bool, shape (n_bins,)
    start_s : ndarray of float64, shape (n_bins,)
        Where the bin starts on the animal's own clock in s; NaN where not seen.
    """

    starts: np.ndarray
    stops: np.ndarray
    seen: np.ndarray
    start_s: np.ndarray


@dataclasses.dataclass(frozen=True)
class Axis:
    """The common time axis.

    Attributes
    ----------
    bins : list of Bins
        One per animal.
    condition : list of str, length n_bins
        Empty outside epochs.
    epoch : ndarray of int64, shape (n_bins,)
        Number of the epoch on the common axis, -1 outside.
    offset_s : ndarray of float64, shape (n_bins,)
        Start of the bin relative to the onset of its stimulus; without stimuli since the start.
    on : ndarray of bool, shape (n_bins,)
        Whether the stimulus is on.
    own : ndarray of str, shape (n_bins, n_animals), or None
        Condition by each animal's own events, where animals were not aligned by them; they differ
        in a counterbalanced design.
    """

    bins: list[Bins]
    condition: list[str]
    epoch: np.ndarray
    offset_s: np.ndarray
    on: np.ndarray
    own: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.epoch)


def clock_axis(recordings, bin_s) -> Axis:
    """Bins from the start of each recording; shorter ones end in bins that are not seen.

    Parameters
    ----------
    recordings : list of Recording
    bin_s : float

    Returns
    -------
    Axis
    """
    plans = [frame_bins(len(one.traces), one.fs, bin_s) for one in recordings]
    n_bins = max(len(starts) for starts, _ in plans)
    bins = []
    for one, (starts, stops) in zip(recordings, plans):
        seen = np.zeros(n_bins, bool)
        seen[: len(starts)] = _seen(one, starts, stops)
        pad = (0, n_bins - len(starts))
        start_s = np.where(seen, np.arange(n_bins) * bin_s, np.nan)
        bins.append(Bins(np.pad(starts, pad), np.pad(stops, pad), seen, start_s))
    return Axis(
        bins,
        [""] * n_bins,
        np.full(n_bins, -1),
        np.arange(n_bins) * bin_s,
        np.zeros(n_bins, bool),
    )


def mark_events(axis: Axis, events, bin_s, animals=()) -> Axis:
    """Write conditions onto a clock axis, for a task that all animals share.

    Parameters
    ----------
    axis : Axis
    events : pandas.DataFrame
        All animals share their rows.
    bin_s : float
    animals : sequence of str
        Names of the recordings, for the labels of each.

    Returns
    -------
    Axis
        A condition stands where all animals have the same one; `own` has those of each.
    """
    own = np.full((len(axis), len(animals)), "", dtype=object)
    for column, animal in enumerate(animals):
        rows = events[events["animal"] == animal].sort_values("onset_s")
        own[:, column] = np.where(axis.bins[column].seen, _marks(axis, rows, bin_s)[0], "")
    tables = [rows.sort_values("onset_s") for _, rows in events.groupby("animal", sort=False)]
    marked = [_marks(axis, rows, bin_s) for rows in tables]
    alike = np.ones(len(axis), bool)
    for condition, _ in marked[1:]:
        alike &= condition == marked[0][0]
    condition, epoch = marked[0]
    inside = alike & (condition != "")
    return dataclasses.replace(
        axis,
        condition=[str(name) for name in np.where(alike, condition, "")],
        epoch=np.where(inside, epoch, axis.epoch),
        on=axis.on | inside,
        own=own.astype(str) if len(animals) else None,
    )


def _marks(axis, rows, bin_s):
    """Condition and number of the event of every bin, for one animal."""
    condition, epoch = np.array(axis.condition, dtype=object), axis.epoch.copy()
    middle = axis.offset_s + bin_s / 2
    for number, row in enumerate(rows.itertuples()):
        inside = (middle >= row.onset_s) & (middle < row.onset_s + row.duration_s)
        condition[inside], epoch[inside] = str(row.condition), number
    return condition, epoch


def shared_events(events) -> bool:
    """Whether all animals saw the same conditions at the same times."""
    tables = [
        rows.sort_values("onset_s")[["onset_s", "duration_s", "condition"]].to_numpy().tolist()
        for _, rows in events.groupby("animal", sort=False)
    ]
    return all(rows == tables[0] for rows in tables)


def stimulus_axis(recordings, events, bin_s, *, pre_s=5.0, post_s=None, order=()) -> Axis:
    """Epochs around stimuli, brought to one order of conditions by their identity.

    Animals that saw the stimuli in different orders are re-ordered condition by condition; the
    n-th presentation of a condition meets the n-th of the other animals.

    Parameters
    ----------
    recordings : list of Recording
    events : pandas.DataFrame
        Columns `animal`, `onset_s`, `duration_s`, `condition`; seconds from the first frame.
    bin_s : float
    pre_s : float
        Seconds before the onset (5, ours).
    post_s : float, optional
        Seconds after the onset; default is the longest stimulus plus `pre_s`.
    order : sequence of str
        Conditions in the order of the common axis; by name by default.

    Returns
    -------
    Axis

    Raises
    ------
    InputProblem
        Animals without events, and conditions that an animal lacks, all at once.
    """
    events = events.assign(condition=events["condition"].astype(str))
    conditions = [str(name) for name in order] or sorted(set(events["condition"]))
    by_animal = dict(list(events.sort_values("onset_s").groupby("animal")))
    problems = []
    for recording in recordings:
        own = set(by_animal[recording.name]["condition"]) if recording.name in by_animal else None
        if own is None:
            problems.append(f"events: no event of animal {recording.name}; add its rows")
            continue
        problems += [
            f"events: condition '{name}' missing in animal {recording.name}"
            for name in conditions
            if name not in own
        ]
    if problems:
        raise InputProblem(problems)
    longest = float(events["duration_s"].max())
    post_s = longest + pre_s if post_s is None else float(post_s)
    per_epoch = int(np.floor((pre_s + post_s) / bin_s + 1e-9))
    if per_epoch < 1:
        raise InputProblem(
            f"events: epochs of {pre_s + post_s:g} s are shorter than one bin of {bin_s:g} s"
        )
    onsets = {
        recording.name: {
            name: rows["onset_s"].to_numpy(float)
            for name, rows in by_animal[recording.name].groupby("condition")
        }
        for recording in recordings
    }
    slots = [
        (name, repeat)
        for name in conditions
        for repeat in range(max(len(own[name]) for own in onsets.values()))
    ]
    offset = np.tile(np.arange(per_epoch) * bin_s - pre_s, len(slots))
    durations = events.groupby("condition")["duration_s"].max()
    length = np.repeat([durations[name] for name, _ in slots], per_epoch)
    bins = [
        _epoch_bins(recording, onsets[recording.name], slots, offset, per_epoch, bin_s)
        for recording in recordings
    ]
    return Axis(
        bins,
        [name for name, _ in slots for _ in range(per_epoch)],
        np.repeat(np.arange(len(slots)), per_epoch),
        offset,
        (offset + bin_s / 2 >= 0) & (offset + bin_s / 2 < length),
    )


def _epoch_bins(recording, onsets, slots, offset, per_epoch, bin_s) -> Bins:
    onset = np.array([onsets[name][k] if k < len(onsets[name]) else np.nan for name, k in slots])
    start_s = np.repeat(onset, per_epoch) + offset
    there = np.isfinite(start_s)
    clean = np.where(there, start_s, 0.0)
    starts = np.ceil(clean * recording.fs - 1e-9).astype(np.int64)
    stops = np.ceil((clean + bin_s) * recording.fs - 1e-9).astype(np.int64)
    there &= (starts >= 0) & (stops <= len(recording.traces)) & (stops > starts)
    starts, stops = np.where(there, starts, 0), np.where(there, stops, 0)
    seen = there & _seen(recording, starts, stops)
    return Bins(starts, stops, seen, np.where(seen, start_s, np.nan))


def _seen(recording, starts, stops):
    if recording.frame_mask is None:
        return np.ones(len(starts), bool)
    return bin_mask(recording.frame_mask, starts, stops)


def read_events(path, animals):
    """Read a table of stimuli: `animal`, `onset_s`, `duration_s`, `condition`.

    Parameters
    ----------
    path : path-like
        Tabs, or commas where the name ends in `.csv`.
    animals : sequence of str
        Names of the recordings.

    Returns
    -------
    pandas.DataFrame
        A table without the column `animal` holds for all animals and is repeated.

    Raises
    ------
    InputProblem
        Missing columns, text where a number belongs, unknown animals, all at once.
    """
    import pandas as pd

    from neuro.io.formats.tables import read_tsv

    table = read_tsv(path, dtype={"animal": str, "condition": str})
    if "animal" not in table.columns:
        table = pd.concat([table.assign(animal=name) for name in animals], ignore_index=True)
    absent = [name for name in EVENT_COLUMNS if name not in table.columns]
    if absent:
        raise InputProblem(f"{path}: no column '{absent[0]}'; expected {', '.join(EVENT_COLUMNS)}")
    problems = []
    for name in ("onset_s", "duration_s"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.isna().any():
            row = int(numbers.isna().idxmax()) + 2
            problems.append(f"{path}: column '{name}', line {row}: expected a number of seconds")
        table[name] = numbers
    unknown = sorted(set(table["animal"].dropna()) - set(animals))
    if unknown:
        problems.append(
            f"{path}: animal '{unknown[0]}' has events but no recording; recordings are "
            f"{', '.join(list(animals)[:4])}"
        )
    if problems:
        raise InputProblem(problems)
    return table
