"""Stimuli and the responses of many units to them, as laboratories keep them.

The common layout, in `.npz` and HDF5 files alike:

- `stimuli`: images `(n_trials, c, h, w)`, movies `(n_trials, t, c, h, w)`, one-dimensional clips
  `(n_trials, t, c)` or a continuous recording `(n_samples, c)`; float in [0, 1] or uint8. Channels
  that stand last, a missing channel, 0 to 255 and -1 to 1 are turned with a note
  (:mod:`neuro.io.responses.images`). Files of condition means have none, they need `condition`;
- `responses` `(n_trials, n_units)`;
- optional `tier`, `stimulus_id`, `condition` `(n_trials,)`; `unit`, `roi`, `session`,
  `known_type` `(n_units,)`; `fs` in Hz.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.responses import parts
from neuro.io.responses.images import layout
from neuro.io.responses.parts import TRIAL_KEYS, UNIT_KEYS, LazyStimuli, usable
from neuro.stats import splits

__all__ = [
    "LazyStimuli",
    "StimulusResponses",
    "build",
    "finite",
    "read_stimulus_response",
]
TIERS = ("train", "validation", "test", "unused")
BLOCK = 1000
"""Trials that are looked at together."""


@dataclasses.dataclass(frozen=True)
class StimulusResponses:
    """One stimulus-response data set.

    Attributes
    ----------
    stimuli : ndarray of float32, or LazyStimuli, or None
        `(n_trials, [t,] c, h, w)`, `(n_trials, t, c)` or `(n_samples, c)`; uint8 of a file is
        divided by 255. None for a discrete set.
    responses : ndarray of float32, shape (n_trials, n_units)
        Units that cannot be used are gone, see `excluded`. NaN only in discrete sets, where a
        unit lacks a repeat.
    tier : ndarray of str, shape (n_trials,)
        `train`, `validation`, `test` or `unused`.
    units : dict of str to list
        `unit` (names, unique) and, where known, `roi`, `session`, `known_type`.
    kind : {"image", "movie", "clips", "temporal", "discrete"}
    stimulus_id, condition : ndarray or None
        Per trial.
    family : ndarray of int or None, shape (n_trials,)
        Trials whose stimuli have the same name or the same content; none for continuous
        recordings and discrete sets. No family is in training and test.
    fs : float or None
        Samples per second of temporal stimuli and movies.
    excluded : list of (unit, reason)
    notes : list of str
        What a reader of the results must know about the data.
    path : str
    """

    stimuli: object
    responses: np.ndarray
    tier: np.ndarray
    units: dict
    kind: str
    stimulus_id: np.ndarray | None = None
    condition: np.ndarray | None = None
    family: np.ndarray | None = None
    fs: float | None = None
    excluded: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    path: str = ""

    def shared(self) -> int:
        """Stimuli that are both in training or validation and in test; 0 unless they leak."""
        if self.family is None:
            return 0
        return splits.shared_groups(
            self.family, np.isin(self.tier, ("train", "validation")), self.tier == "test"
        )

    @property
    def unit(self) -> list[str]:
        """Names of the units."""
        return self.units["unit"]

    def select(self, *tiers):
        """Stimuli and responses of the trials of some tiers, as arrays.

        Parameters
        ----------
        *tiers : str

        Returns
        -------
        stimuli : ndarray of float32
        responses : ndarray of float32
        """
        rows = np.flatnonzero(np.isin(self.tier, tiers))
        return self.stimuli[rows], self.responses[rows]


def read_stimulus_response(path, *, variable=None, discrete=False) -> StimulusResponses:
    """Read a stimulus-response data set.

    Parameters
    ----------
    path : path-like
        A `.npz` or HDF5 file of the common layout (see the module); an HDF5 file with groups
        `train` and `test` that hold a stimulus and a response array with one time axis; an
        `.nwb` file (stimulus template, trial table, rates or spike times); a folder with
        `images/*.npy`, `responses/*.npy` and `tiers.npy`, or with `stimuli.npy` and
        `responses.npy`; or one of three public archives, unpacked or as `.tar.gz`: bipolar-cell
        chirps, IT rasters, digits with fMRI.
    variable : str, optional
        Which of several recordings: `green` (default) or `uv` for the bipolar cells.
    discrete : bool, default False
        Whether only the condition of a trial counts; stimuli are not read then.

    Returns
    -------
    StimulusResponses

    Raises
    ------
    InputProblem
        All problems at once: missing file, parts of different length, unknown tiers, no
        condition labels in a discrete set, repeated unit names, no unit that can be used.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file or folder")
    content = _load(path, variable, discrete)
    return build(content, path, discrete=discrete)


def _load(path: Path, variable, discrete) -> dict:
    from neuro.io.responses import archives as responses_archives
    from neuro.io.responses import folder as responses_folder

    name = path.name
    known = responses_archives.recognise(path)
    if known:
        return known(path, variable)
    if path.is_dir():
        return responses_folder.load_folder(path, discrete)
    if name.endswith(".npz"):
        return parts.load_npz(path)
    if name.endswith(".nwb"):
        from neuro.io.responses.nwb import load_nwb

        return load_nwb(path, variable)
    if name.endswith((".h5", ".hdf5")):
        return _load_h5(path, discrete)
    raise InputProblem(
        f"{path}: unknown kind of stimulus-response data; expected .npz, .h5, .nwb or a folder"
    )


def _load_h5(path: Path, discrete) -> dict:
    from neuro.io.regions.series import open_h5

    with open_h5(path, ()) as file, readable(path, "not a stimulus-response file"):
        if "responses" not in file:
            if "train" in file and hasattr(file["train"], "keys"):
                return parts.load_groups(file, path)
            raise InputProblem(
                f"{path}: no data set 'responses' and no group 'train'; found "
                f"{', '.join(list(file)[:8]) or 'nothing'}"
            )
        content = {"responses": file["responses"][()], "fs": file.attrs.get("fs")}
        for key in (*TRIAL_KEYS, *UNIT_KEYS):
            if key in file:
                content[key] = parts.plain(file[key])
        if "notes" in file.attrs:
            content["notes"] = [str(file.attrs["notes"])]
        present = "stimuli" in file
        if present and not hasattr(file["stimuli"], "shape"):
            raise InputProblem(f"{path}: 'stimuli' is a group, expected one array")
    if present and not discrete:
        content["stimuli"] = LazyStimuli(path)
    return content


def build(content: dict, path="", *, discrete=False) -> StimulusResponses:
    """Check the parts of a data set against each other and put them together.

    Parameters
    ----------
    content : dict
        `stimuli`, `responses` and the optional parts of the common layout; `names` maps a part
        to the file it came from, for messages.
    path : path-like
    discrete : bool

    Returns
    -------
    StimulusResponses

    Raises
    ------
    InputProblem
    """
    names = content.get("names", {})
    problems = []
    responses = np.asarray(content.get("responses"))
    if responses.ndim != 2 or responses.dtype.kind not in "fiub":
        raise InputProblem(
            f"{path}: responses of shape {responses.shape}, expected (n_trials, n_units) numbers"
        )
    n_trials, n_units = responses.shape
    stimuli = content.get("stimuli")
    if stimuli is None and not discrete:
        discrete = content.get("condition") is not None
        if not discrete:
            raise InputProblem(
                f"{path}: no stimuli and no condition labels; add 'stimuli' or 'condition'"
            )
    if stimuli is not None and not discrete:
        problems += _stimulus_problems(stimuli, n_trials, names, path)
    units, wrong = _units(content, n_units, path)
    problems += wrong
    trials = {}
    for key in TRIAL_KEYS:
        values = content.get(key)
        with readable(path, f"the values of '{key}' are no labels"):
            given = None if values is None else parts.labels(values)
        trials[key] = given
        if given is not None and len(given) != n_trials:
            problems.append(f"{path}: {len(given):,} values of '{key}' for {n_trials:,} trials")
    tier = trials.pop("tier")
    unknown = sorted(set() if tier is None else set(tier.tolist()) - set(TIERS))
    if unknown:
        problems.append(
            f"{names.get('tier', path)}: unknown tier {', '.join(map(repr, unknown[:6]))}; expected"
            f" {', '.join(TIERS)}"
        )
    if discrete and trials["condition"] is None:
        problems.append(
            f"{path}: a discrete stimulus space needs condition labels; add 'condition', one per "
            "trial"
        )
    if problems:
        raise InputProblem(problems)
    notes = list(content.get("notes", []))
    family, kind = None, "discrete"
    if not discrete and stimuli is not None:
        how = layout(stimuli, names.get("stimuli", str(path)), fs=content.get("fs"))
        kind = how.kind
        notes += how.notes
        if kind != "temporal":
            family = splits.content_ids(stimuli)
            if trials["stimulus_id"] is not None:
                family = splits.families(trials["stimulus_id"], family)
        stimuli = (
            LazyStimuli(stimuli.path, stimuli.name, how)
            if isinstance(stimuli, LazyStimuli)
            else how.apply(np.asarray(stimuli))
        )
    tier, said = _tiers(tier, kind, family, n_trials)
    notes += said
    responses = responses.astype(np.float32)
    keep, excluded = usable(responses, units["unit"], tier, trials["condition"], kind)
    if not keep.any():
        raise InputProblem(
            f"{path}: all {n_units} units are excluded ({excluded[0][1]}); nothing to type"
        )
    return StimulusResponses(
        stimuli=None if kind == "discrete" else stimuli,
        responses=np.ascontiguousarray(responses[:, keep]),
        tier=tier,
        units={key: [v for v, k in zip(values, keep) if k] for key, values in units.items()},
        kind=kind,
        family=family,
        fs=_rate(content.get("fs"), path),
        excluded=excluded,
        notes=notes,
        path=str(path),
        **trials,
    )


def _rate(fs, path):
    """Samples per second, where the file says them."""
    with readable(path, "its sampling rate 'fs' is no number"):
        return None if fs is None else float(np.asarray(fs).item())


def _tiers(tier, kind, family, n_trials):
    """Tiers of the trials, drawn where the file has none, and what to say about them."""
    if tier is None and kind == "discrete":
        return np.full(n_trials, "train"), []
    if tier is None and kind == "temporal":
        note = "The file names no tiers: the first 80 % train, the last 20 % test."
        return splits.time_tiers(n_trials), [note]
    if tier is None:
        note = "The file names no tiers; they were drawn with a fixed seed, repeats together."
        return splits.draw_tiers(family), [note]
    if family is None:
        return tier, []
    # what a stimulus is tested on must not have been seen, whatever the file says
    out = tier.astype("<U10")
    for held, seen in (("test", ("train", "validation")), ("validation", ("train",))):
        known = np.isin(family, family[out == held]) & np.isin(out, seen)
        out[known] = "unused"
    n_unused = int((out != tier).sum())
    note = (
        f"{n_unused} trials repeat a stimulus of a tier they are not in (a test or validation "
        "stimulus); they are not used."
    )
    return out, [note] if n_unused else []


def _stimulus_problems(stimuli, n_trials, names, path):
    if stimuli.dtype.kind not in "fiub":
        return [f"{path}: stimuli of type {str(stimuli.dtype)[:40]}, expected numbers"]
    if len(stimuli.shape) not in (2, 3, 4, 5):
        return [
            f"{path}: stimuli of shape {tuple(stimuli.shape)}; expected (n, c, h, w), "
            "(n, t, c, h, w), (n, t, c) or (n, c)"
        ]
    if len(stimuli) != n_trials:
        # The spec of the message: both files, both counts, what was expected.
        return [
            f"{names.get('responses', 'responses')} has {n_trials:,} trials, "
            f"{names.get('stimuli', 'stimuli')} {len(stimuli):,}: same first axis expected"
        ]
    # Those that stay in their file are looked at where they are read.
    return [] if isinstance(stimuli, LazyStimuli) else finite(stimuli, names.get("stimuli", path))


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
    for first in range(0, 0 if stimuli is None else len(stimuli), BLOCK):
        wrong = ~np.isfinite(stimuli[first : first + BLOCK])
        rows = wrong.reshape(len(wrong), -1).any(axis=1)
        bad += (first + np.flatnonzero(rows)).tolist()
    if not bad:
        return []
    return [
        f"{where}: {len(bad):,} stimuli hold NaN or infinity (first: trial {bad[0]}); repair or "
        "remove them"
    ]


def _units(content, n_units, path):
    problems, units = [], {}
    for key in UNIT_KEYS:
        if content.get(key) is None:
            continue
        with readable(path, f"the values of '{key}' are no labels"):
            units[key] = [str(value) for value in parts.labels(content[key])]
        if len(units[key]) != n_units:
            problems.append(
                f"{path}: {len(units[key]):,} values of '{key}' for {n_units:,} columns of the "
                "responses"
            )
    if "unit" not in units:
        width = len(str(n_units))
        units = {"unit": [f"u{k:0{width}d}" for k in range(1, n_units + 1)]} | units
    repeated = (
        sorted({name for name in units["unit"] if units["unit"].count(name) > 1})[:3]
        if (len(set(units["unit"])) < len(units["unit"]))
        else []
    )
    if repeated:
        problems.append(f"{path}: unit name '{repeated[0]}' is repeated; names must differ")
    return units, problems
