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

from neuro.io.formats.codes import same_columns, twice, without_codes
from neuro.io.formats.damaged import readable
from neuro.io.formats.zarr_folders import types_of
from neuro.io.problems import InputProblem
from neuro.io.responses import parts, tiers
from neuro.io.responses.images import layout
from neuro.io.responses.parts import TRIAL_KEYS, UNIT_KEYS, LazyStimuli, finite, usable
from neuro.stats import splits

__all__ = [
    "LazyStimuli",
    "StimulusResponses",
    "build",
    "finite",
    "read_stimulus_response",
]
TIERS = tiers.TIERS


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
    place : ndarray of int or None, shape (n_trials,)
        First frame of each trial, where trials are windows of one movie that overlap.
    window : int
        Their length in frames.
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
    place: np.ndarray | None = None
    window: int = 0
    fs: float | None = None
    excluded: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    path: str = ""

    def shared(self) -> int:
        """Stimuli that are both in training or validation and in test; 0 unless they leak."""
        used, held = np.isin(self.tier, ("train", "validation")), self.tier == "test"
        if self.place is not None:
            return splits.shared_windows(self.place, used, held, self.window)
        return 0 if self.family is None else splits.shared_groups(self.family, used, held)

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
        `responses.npy`; a subject of Algonauts 2023, NSD, BOLD5000 or THINGS-fMRI as downloaded
        (:mod:`neuro.io.responses.downloads`); a folder of pictures with a table that names one
        per trial (:mod:`neuro.io.responses.picture_table`); or one of three public
        archives, unpacked or as `.tar.gz`: bipolar-cell chirps, IT rasters, digits with fMRI.
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
    from neuro.io.responses import downloads
    from neuro.io.responses import folder as responses_folder

    name = path.name
    archive = responses_archives.recognise(path)
    if archive:
        return archive(path, variable)
    if name.endswith(".nwb") or types_of(path):
        from neuro.io.responses.nwb import load_nwb

        return load_nwb(path, variable)
    if path.is_dir():
        download = downloads.recognise(path)
        if download:
            return download(path)
        return responses_folder.load_folder(path, discrete)
    if name.endswith(".npz"):
        return parts.load_npz(path)
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
    names, problems = content.get("names", {}), []
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
    if n_trials == n_units and content.get("unit") is None and not discrete:
        problems.append(
            f"{path}: as many trials as units ({n_units}): nothing says which axis of the "
            "responses is which; name the columns in 'unit', one name per unit"
        )
    units, wrong = _units(content, n_units, path)
    problems += wrong
    trials, wrong = _trials(content, n_trials, path)
    problems += wrong
    tier, renamed = tiers.in_our_words(trials.pop("tier"), responses)
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
    notes, kind = [*content.get("notes", []), *renamed], "discrete"
    family, place, window = None, None, 0
    if not discrete and stimuli is not None:
        where = names.get("stimuli", str(path))
        stimuli, how, family, place, window = _shown(
            stimuli, trials["stimulus_id"], where, content.get("fs")
        )
        kind = how.kind
        notes += how.notes
    tier, said = (
        tiers.of_trials(tier, kind, family, n_trials)
        if place is None
        else tiers.of_windows(tier, place, window, path)
    )
    notes += said
    responses, coded = without_codes(responses, units["unit"], "unit")
    responses = responses.astype(np.float32)
    notes += [*coded, *twice(same_columns(responses), units["unit"], "units")]
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
        place=place,
        window=window,
        fs=_rate(content.get("fs"), path),
        excluded=excluded,
        notes=notes,
        path=str(path),
        **trials,
    )


def _shown(stimuli, stimulus_id, where, fs):
    """How stimuli lie in the file, which repeat each other, and which windows overlap."""
    how = layout(stimuli, where, fs=fs)
    family, place, window = None, None, 0
    if how.kind != "temporal":
        family = splits.content_ids(stimuli)
        if how.kind in ("movie", "clips"):
            place, window = splits.window_places(stimuli), stimuli.shape[1]
        if stimulus_id is not None:
            family = splits.families(stimulus_id, family)
    if isinstance(stimuli, LazyStimuli):
        return stimuli.laid(how), how, family, place, window
    return how.apply(np.asarray(stimuli)), how, family, place, window


def _trials(content, n_trials, path):
    """What the file says of each trial, by key; None where it says nothing."""
    trials, problems = {}, []
    for key in TRIAL_KEYS:
        values = content.get(key)
        with readable(path, f"the values of '{key}' are no labels"):
            given = None if values is None else parts.labels(values)
        trials[key] = given
        if given is not None and len(given) != n_trials:
            problems.append(f"{path}: {len(given):,} values of '{key}' for {n_trials:,} trials")
    return trials, problems


def _rate(fs, path):
    """Samples per second, where the file says them."""
    with readable(path, "its sampling rate 'fs' is no number"):
        return None if fs is None else float(np.asarray(fs).item())


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
