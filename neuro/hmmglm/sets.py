"""A set of recordings through the stage: binning, fitting, choosing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.hmmglm.baselines import day_rungs, ladder, sweep
from neuro.hmmglm.design import bins, covariates, events, units
from neuro.hmmglm.design import folds as folding
from neuro.hmmglm.design.files import column_settings, estimator_settings
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.io.formats import excluded
from neuro.io.formats.tables import read_tsv
from neuro.io.problems import InputProblem
from neuro.io.regions.series import read_timeseries_h5
from neuro.io.spikes.data import CountData
from neuro.io.spikes.reader import read_spikes

COMPARED_TOL = 1e-5
"""Relative tolerance of the fits of the sweep."""


def bin_spikes(paths, settings: dict, log=None):
    """Read the recordings of a set and count their spikes.

    Parameters
    ----------
    paths : list of path-like
        Files or folders of the same units.
    settings : dict
        Section `hmmglm` of the configuration.
    log : callable, optional
        Gets one line per recording.

    Returns
    -------
    binned : neuro.hmmglm.design.bins.Binned
    exclusions : list of dict
    folds : ndarray of int, shape (n_sequences,)

    Raises
    ------
    InputProblem
        All problems of all recordings at once.
    """
    wanted = covariates.entries(settings.get("covariates", {}))
    parts, beside, problems = [], [], []
    names = [Path(path).name for path in paths]
    if len(set(names)) < len(names):
        # a folder per day with the same file in each: the name alone says not which
        names = [Path(*Path(path).parts[-2:]).as_posix() for path in paths]
    for number, (path, label) in enumerate(zip(paths, names)):
        try:
            counts = _bin_one(path, label, settings, log)
            starts, lengths = counts.table["start_s"].tolist(), counts.table["n_bins"].tolist()
            parts.append(counts)
            beside.append(
                covariates.binned(wanted, paths, number, path, starts, lengths, counts.bin_s)
            )
        except InputProblem as problem:
            problems += problem.problems
    if problems:
        raise InputProblem(problems)
    binned = bins.join(parts)
    if wanted:
        _add_covariates(binned, wanted, beside, log)
    folds = _folds(binned, settings)
    binned, exclusions = units.select_units(binned, settings["min_rate_hz"], folds)
    return binned, exclusions, folds


def _add_covariates(binned, wanted, beside, log):
    """Columns of the covariates of all recordings of a set, in place."""
    values = {one.name: [block for own in beside for block in own[one.name]] for one in wanted}
    binned.covariates, binned.covariate_table = covariates.expand(wanted, values)
    for one in wanted:
        note = covariates.gaps(values[one.name], one, binned.bin_s)
        if note and log:
            log(note)


def _folds(binned, settings):
    return folding.fold_of(
        len(binned.sequences),
        settings["folds"],
        settings["fold_order"],
        folding.repeats(binned),
        [int(mask.sum()) for mask in binned.recorded],
    )


def _bin_one(path, label, settings, log):
    data = read_spikes(
        path,
        kind=settings["kind"],
        time_unit=settings["time_unit"],
        sampling_hz=settings["sampling_hz"],
        mat_key=settings["mat_key"],
        unit_filter=settings["unit_filter"],
        trial_window=settings["trial_window"],
    )
    if log:
        for note in data.notes:
            log(f"{label}: {note}")
    if isinstance(data, CountData):
        planted = settings["input"] == "simulated"
        return from_counts(data, label, None if planted else settings["segment_s"])
    if log:
        log(
            f"{label}: {len(data.times)} units, {data.n_spikes} spikes, {data.first:.3f} to "
            f"{data.last:.3f} s on its own clock"
        )
    return bins.bin_recording(data, settings["bin_s"], segment_s=settings["segment_s"], label=label)


def from_counts(data, label: str = "", segment_s: float | None = None):
    """Sequences of counts that were binned elsewhere.

    Parameters
    ----------
    data : neuro.io.spikes.data.CountData
    label : str
    segment_s : float, optional
        Longer sequences are cut into pieces of this length (s).

    Returns
    -------
    neuro.hmmglm.design.bins.Binned
    """
    sequences: list = []
    rows: list[tuple] = []
    for number, array in enumerate(data.sequences):
        spans = bins.pieces(len(array), data.bin_s, segment_s)
        for trial, (first, n_bins) in enumerate(spans):
            sequences.append(array[first : first + n_bins])
            text = f"sequence {number}" + (f" part {trial}" if len(spans) > 1 else "")
            rows.append((len(rows), text, label, first * data.bin_s, n_bins, 0, np.nan))
    table = pd.DataFrame(rows, columns=bins.COLUMNS)
    return bins.counted(sequences, table, data.units.copy(), data.bin_s)


def read_runs(path, run_keys, outliers=()):
    """Region series of some runs, and which volumes of the scan they are.

    Parameters
    ----------
    path : path-like
        `timeseries.h5` of the stage fmri.
    run_keys : list of str
        Runs of the set; those that were excluded before are not in the file.
    outliers : sequence of path-like
        `*_outliers.tsv` in the order of `run_keys`, with a column `kept`; none for tables.

    Returns
    -------
    series : neuro.io.regions.series.Timeseries
    kept : dict of str to ndarray of bool
    """
    kept = {
        key: read_tsv(table)["kept"].to_numpy() == 1
        for key, table in zip(run_keys, outliers)
        if not excluded.is_excluded(table)
    }
    wanted = set(run_keys)
    series = read_timeseries_h5(path)
    chosen = [key for key in series.run_key if key in wanted]
    return read_timeseries_h5(path, chosen), kept


def bin_series(series, outliers, settings: dict):
    """Point events (or z-scores) of the region series of a cohort.

    Parameters
    ----------
    series : neuro.io.regions.series.Timeseries
        Kept volumes of every run.
    outliers : dict of str to ndarray of bool
        By run key, which volumes of the scan were kept; runs without an entry kept all.
    settings : dict

    Returns
    -------
    binned, exclusions, folds, notes
        As :func:`bin_spikes`, and pairs of regions that are nearly the same.
    """
    who = dict(zip(series.run_key, series.participant_id))
    kept = [
        outliers.get(key, np.ones(len(sequence), bool))
        for key, sequence in zip(series.run_key, series.series)
    ]
    binned, rows, notes = events.bin_series(
        series.series,
        kept,
        series.run_key,
        series.tr,
        series.region,
        kind=settings["events"]["kind"],
        threshold_z=settings["events"]["threshold_z"],
    )
    # runs of one person are one source, on one clock: they stay together, unless nobody else is
    if len({who[label] for label in binned.table["label"]}) > 1:
        binned.table["source"] = [who[label] or label for label in binned.table["label"]]
    folds = _folds(binned, settings)
    if settings["events"]["kind"] == "counts":
        binned, more = units.select_units(binned, 0.0, folds)
        rows += more
    return binned, rows, folds, notes


def fit_size(binned, folds, settings: dict, k: int, *, seed=0, n_threads=1, only=None):
    """All folds, starts and models of one number of states, with baselines and null data.

    Parameters
    ----------
    binned : neuro.hmmglm.design.bins.Binned
    folds : ndarray of int, shape (n_sequences,)
    settings : dict
        Section `hmmglm` of the configuration.
    k : int
        Number of states.
    seed : int
    n_threads : int
        Starts fitted at the same time.
    only : (int, int), optional
        One fold and one start; baselines go with start 0.

    Returns
    -------
    table : pandas.DataFrame
        See :data:`neuro.hmmglm.baselines.sweep.COLUMNS`.
    best : dict of (str, int) to OneHotHMMGLM
        Best start by model and fold.
    """
    # what only compares need not end at the last digit; the exported fit does
    arguments = {
        **estimator_settings(settings),
        **column_settings(binned),
        "n_threads": n_threads,
        "tol": COMPARED_TOL,
    }
    n_starts = settings["n_starts"]
    chosen = range(settings["folds"]) if only is None else [only[0]]
    starts = range(n_starts) if only is None else [only[1]]
    models = settings["model"]
    before = folding.followed(binned.table, binned.bin_s)
    rows: list[dict] = []
    best: dict[tuple[str, int], OneHotHMMGLM] = {}
    for fold in chosen:
        masks = folding.guarded(binned.entries, folds, fold, before, arguments["n_history"])
        rounds = [(binned.sequences, models, "")]
        if settings["input"] == "fmri":
            rounds += [
                (
                    events.shifted(binned.sequences, binned.masks, [seed, number, 7]),
                    models[-1:],
                    tag,
                )
                for number in range(settings["events"]["n_null"])
                for tag in [f":null-{number}"]
            ]
        chosen_penalties = None
        for sequences, wanted, tag in rounds:
            new, fitted = sweep.fit_fold(
                arguments,
                wanted,
                sequences,
                masks,
                folds,
                fold,
                k,
                starts,
                seed=seed,
                dt=binned.bin_s,
                tag=tag,
                penalties=chosen_penalties if tag else None,
                covariates=binned.covariates,
            )
            rows += new
            if not tag:
                chosen_penalties = _penalties(fitted)
            for (name, _), model in fitted.items():
                key = (name + tag, fold)
                if key not in best or _objective(model) > _objective(best[key]):
                    best[key] = model
        if 0 in starts:
            rows += sweep.baseline_rows(
                binned.sequences,
                masks,
                folds,
                fold,
                k,
                emission=arguments["emission"],
                n_history=arguments["n_history"],
                n_starts=n_starts,
                seed=seed,
            )
    return sweep.as_table(rows), best


def _penalties(fitted):
    """What was chosen for the data of a fold, for its null data.

    A one-hot fit begins from a Gaussian one, whose penalties stand with its own.
    """
    chosen: dict = {}
    for model in fitted.values():
        chosen |= model.warm_penalties_
    return chosen


def _objective(model):
    return model.starts_[0]["objective"]


def refit(binned, settings: dict, k: int, *, seed: int = 0, n_threads: int = 1) -> OneHotHMMGLM:
    """The model that is exported: the last of the wanted ones, on all data.

    Parameters
    ----------
    binned : neuro.hmmglm.design.bins.Binned
    settings : dict
    k : int
    seed : int
    n_threads : int

    Returns
    -------
    OneHotHMMGLM
    """
    model = OneHotHMMGLM(
        **estimator_settings(settings),
        **column_settings(binned),
        n_states=k,
        model=settings["model"][-1],
        n_threads=n_threads,
        random_state=int(np.random.SeedSequence([seed, k]).generate_state(1)[0]),
    )
    model.fit(binned.sequences, mask=binned.entries, covariates=binned.covariates, dt=binned.bin_s)
    # changes no result, so the files do not depend on it
    model.set_params(n_threads=1)
    return model


def climb_ladder(binned, folds, settings: dict, k: int, *, seed: int = 0) -> pd.DataFrame:
    """What couplings, history and states add, see :mod:`neuro.hmmglm.baselines.ladder`.

    Parameters
    ----------
    binned : neuro.hmmglm.design.bins.Binned
    folds : ndarray of int, shape (n_sequences,)
    settings : dict
        Section `hmmglm` of the configuration.
    k : int
        The chosen number of states; the rungs with states have at least two.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Empty for a Gaussian emission, which has no spikes to predict.
    """
    base = {**estimator_settings(settings), **column_settings(binned)}
    if base["emission"] == "gaussian":
        return pd.DataFrame(columns=ladder.COLUMNS)
    before = folding.followed(binned.table, binned.bin_s)

    def guard(fold, n_bins):
        return folding.guarded(binned.entries, folds, fold, before, n_bins)

    return ladder.ladder(
        binned.sequences,
        binned.entries,
        folds,
        base,
        max(k, 2),
        bin_s=binned.bin_s,
        seed=seed,
        covariates=binned.covariates,
        guard=guard,
        days=day_rungs.wanted(binned, folds, settings),
    )


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a sweep in an order that does not depend on how the jobs were cut."""
    names = list(dict.fromkeys(sorted(table["model"], key=lambda name: (":" in name, name))))
    rank = table["model"].map({name: number for number, name in enumerate(names)})
    order = table.assign(rank=rank).sort_values(["k", "fold", "rank", "start"], kind="stable").index
    return table.loc[order].reset_index(drop=True)
