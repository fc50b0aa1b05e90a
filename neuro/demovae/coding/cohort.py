"""From the connectomes and participants of a study to rows that a model can be fitted on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.demovae.coding.edges import usable_regions
from neuro.demovae.coding.schema import Column, check_demographics, level_names, missing, numbers
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.stats.fisher import fisher_z
from neuro.stats.splits import stratified_group_folds

STEP = "demovae_fit"
MOTION = "log_mean_fd"
"""Column that the stage makes of the mean framewise displacement."""


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs with complete connectomes and known demographics.

    Attributes
    ----------
    edges : ndarray of float32, shape (n_runs, n_edges)
    demographics : pandas.DataFrame
        One row per run: `participant_id` and the columns of the participants table.
    run_key : list of str
    region : list of str
    kind : str
    columns : tuple of Column
        Columns that can be used: those without values or with one value are left out.
    exclusions : list of dict
        Runs, regions and columns that were left out, and why.
    """

    edges: np.ndarray
    demographics: pd.DataFrame
    run_key: list[str]
    region: list[str]
    kind: str
    columns: tuple[Column, ...]
    exclusions: list[dict]

    @property
    def participant_id(self) -> np.ndarray:
        """Subject of each run."""
        return self.demographics["participant_id"].to_numpy(dtype=str)

    def rows(self, which) -> Cohort:
        """The same for some of the runs."""
        which = np.arange(len(self.edges))[which]
        return dataclasses.replace(
            self,
            edges=self.edges[which],
            demographics=self.demographics.iloc[which].reset_index(drop=True),
            run_key=[self.run_key[i] for i in which],
        )

    def per_subject(self) -> Cohort:
        """One row per subject: runs are averaged, correlations as Fisher's z."""
        subjects, first, inverse = np.unique(
            self.participant_id, return_index=True, return_inverse=True
        )
        if len(subjects) == len(self.edges):
            return self
        values = self.edges.astype(np.float64)
        if self.kind == "pearson":
            values = fisher_z(values)
        mean = np.zeros((len(subjects), values.shape[1]))
        np.add.at(mean, inverse, values)
        mean /= np.bincount(inverse)[:, None]
        if self.kind == "pearson":
            mean = np.tanh(mean)
        return dataclasses.replace(self.rows(first), edges=mean.astype(np.float32))


def columns_from_text(mapping) -> list[Column]:
    """Columns from the configuration's short form, `{"age": "continuous remove"}`.

    Parameters
    ----------
    mapping : dict of str to str
        Type, role and, if wanted, the reference value, separated by blanks.

    Raises
    ------
    InputProblem
        One line per entry that cannot be read.
    """
    from neuro.demovae.coding.schema import parse_columns

    entries, problems = [], []
    for name, text in mapping.items():
        words = str(text).split(None, 2)
        entry = dict(zip(("type", "role", "reference"), words), name=name)
        if entry.get("type") == "continuous" and "reference" in entry:
            try:
                entry["reference"] = float(entry["reference"])
            except ValueError:
                problems.append(
                    f"demovae.columns.{name}: reference '{entry['reference']}' is not a number"
                )
        entries.append(entry)
    try:
        columns = list(parse_columns(entries))
    except ValueError as error:
        problems += [f"demovae.{line}" for line in str(error).splitlines()]
        columns = []
    if problems:
        raise InputProblem(problems)
    return columns


def gather(
    connectomes, participants, columns, *, missing_rule="error", site_groups=None, qc=None
) -> Cohort:
    """Choose regions, runs and columns.

    Parameters
    ----------
    connectomes : neuro.io.regions.connectomes.Connectomes
    participants : pandas.DataFrame
        See :func:`neuro.io.formats.tables.read_participants`.
    columns : sequence of Column
    missing_rule : {'error', 'drop', 'impute'}
        What becomes of runs with missing demographics.
    site_groups : mapping of str to sequence of str, optional
        Sites that count as one.
    qc : pandas.DataFrame, optional
        Quality control per run: `run_key`, `mean_fd` (mm) and `n_kept` (volumes), where known.
        They become columns of the demographics, and so does `log_mean_fd`, the logarithm of
        `mean_fd` + 0.01 mm; mean_fd of the participants table serves runs that lack it.

    Returns
    -------
    Cohort

    Raises
    ------
    InputProblem
        All problems at once: demographics are missing and `missing_rule` is 'error', or fewer
        than 4 runs are left.
    """
    left_out: list[dict] = []
    table = participants.set_index("participant_id", drop=False)
    known = np.array([who in table.index for who in connectomes.participant_id])
    for key in np.array(connectomes.run_key)[~known]:
        left_out.append(exclusion(key, STEP, "no row in the participants table"))
    people = table.reindex(np.array(connectomes.participant_id)[known]).reset_index(drop=True)
    if site_groups and "site" in people:
        new = {old: name for name, members in site_groups.items() for old in members}
        people["site"] = people["site"].map(lambda site: new.get(site, site))
    edges, keys = connectomes.edges[known], list(np.array(connectomes.run_key)[known])
    people = _with_motion(people, keys, qc)

    regions, complete = usable_regions(edges, connectomes.region)
    for name in np.array(connectomes.region)[~regions]:
        left_out.append(exclusion(f"region {name}", STEP, "no signal in too many runs"))
    for key in np.array(keys)[~complete]:
        left_out.append(exclusion(key, STEP, "a region of the others has no signal"))

    used = usable_columns(columns, people, left_out)
    if not any(column.role == "remove" for column in used):
        names = ", ".join(column.name for column in columns if column.role == "remove")
        raise InputProblem(
            f"participants.tsv: no column to remove ({names}) has two values or more; change "
            "demovae.columns or set demovae.enabled to false"
        )
    table_problems = []
    absent = np.zeros(len(people), dtype=bool)
    if missing_rule == "error":
        table_problems = lacking(people[complete], used)
    elif missing_rule == "drop":
        for column in used:
            gone = missing(people[column.name], column.type) & complete & ~absent
            for place in np.flatnonzero(gone):
                left_out.append(exclusion(keys[place], STEP, f"no {column.name}"))
            absent |= gone
    if table_problems:
        raise InputProblem(table_problems)
    keep = complete & ~absent
    if keep.sum() < 4:
        raise InputProblem(
            f"demovae: {int(keep.sum())} of {len(connectomes.run_key)} runs have a complete "
            "connectome and demographics; a fit needs at least 4"
        )
    first, second = np.triu_indices(len(connectomes.region), 1)
    inside = regions[first] & regions[second]
    people = people[keep].reset_index(drop=True)
    return Cohort(
        np.ascontiguousarray(edges[keep][:, inside]),
        people,
        [key for key, ok in zip(keys, keep) if ok],
        [name for name, ok in zip(connectomes.region, regions) if ok],
        connectomes.kind,
        # rows that went may have held the only other value
        tuple(usable_columns(used, people, left_out)),
        left_out,
    )


def with_usual_motion(rows, people, names):
    """Wanted people with a head motion: their own, or the median of the cohort.

    Parameters
    ----------
    rows : pandas.DataFrame
        As a user asks for them; who wants a person of an age rarely says how much it moved.
    people : pandas.DataFrame
        The cohort.
    names : list of str
        Columns that the model knows.

    Returns
    -------
    pandas.DataFrame
    """
    if MOTION not in names or MOTION in rows:
        return rows
    usual = float(np.nanmedian(numbers(people[MOTION])))
    if "mean_fd" not in rows:
        return rows.assign(**{MOTION: usual})
    own = np.log(np.maximum(numbers(rows["mean_fd"]), 0) + 0.01)
    return rows.assign(**{MOTION: np.where(np.isfinite(own), own, usual)})


def _with_motion(people, keys, qc):
    """Head motion and length of each run beside the demographics, where known."""
    if qc is not None:
        runs = qc.drop_duplicates("run_key").set_index("run_key").reindex(keys)
        for name in ("mean_fd", "n_kept"):
            if name in runs and pd.to_numeric(runs[name], errors="coerce").notna().any():
                values = pd.to_numeric(runs[name], errors="coerce").to_numpy(float)
                old = numbers(people[name]) if name in people else np.full(len(people), np.nan)
                people[name] = np.where(np.isfinite(values), values, old)
    if "mean_fd" in people and MOTION not in people:
        motion = numbers(people["mean_fd"])
        if np.isfinite(motion).any():
            people[MOTION] = np.log(np.maximum(motion, 0) + 0.01)
    return people


def lacking(people, columns) -> list[str]:
    """Missing demographics, one line per column, where they stop the stage (`missing: error`).

    Parameters
    ----------
    people : pandas.DataFrame
    columns : sequence of Column
        Those that vary.

    Returns
    -------
    list of str
    """
    return [
        line.replace("demographics:", "participants.tsv:").replace(
            "set missing=", "set demovae.missing to "
        )
        for line in check_demographics(people, columns)
    ]


def usable_columns(columns, people, left_out) -> list[Column]:
    """Columns that vary; the others are listed."""
    kept = []
    for column in columns:
        if column.name not in people:
            where = "no motion is known" if column.name == MOTION else "not in participants.tsv"
            left_out.append(exclusion(f"column {column.name}", STEP, where))
            continue
        if varies(people[column.name], column.type):
            kept.append(column)
            continue
        values = people[column.name][~missing(people[column.name], column.type)]
        what = "no value" if values.empty else f"one value only ({values.iloc[0]})"
        left_out.append(exclusion(f"column {column.name}", STEP, what))
    return kept


def varies(values, kind: str) -> bool:
    """Whether a column has at least two different known values."""
    read = level_names if kind == "categorical" else numbers
    known = ~missing(values, kind)
    return len(set(np.asarray(read(values))[known].tolist())) > 1


def evaluation_folds(participant_id, strata, n_folds: int, seed, table=None) -> np.ndarray:
    """Fold of each row, whole subjects, evenly within strata.

    Parameters
    ----------
    participant_id : array of str, shape (n_rows,)
    strata : array, shape (n_rows,)
    n_folds : int
        No more than there are subjects.
    seed : numpy.random.SeedSequence
    table : pandas.DataFrame, optional
        Fold table of the diagnosis: subjects in its first pooled repeat keep their fold, the
        others are dealt around them. It is ignored when it has another number of folds.

    Returns
    -------
    ndarray of int, shape (n_rows,)
    """
    who = np.asarray(participant_id).astype(str)
    n_folds = min(n_folds, len(np.unique(who)))
    dealt = None
    if table is not None:
        rows = table[(table["scheme"] == "pooled") & (table["repeat"].astype(int) == 1)]
        names = sorted(rows["fold"].astype(str).unique())
        if len(names) == n_folds:
            given = dict(zip(rows["participant_id"].astype(str), rows["fold"].astype(str)))
            dealt = [names.index(given[name]) if name in given else -1 for name in who]
    return stratified_group_folds(who, strata, n_folds, seed, dealt)


def load(connectomes_path, participants_path, settings, qc_path=None) -> Cohort:
    """Read the files of a study and choose regions, runs and columns.

    Fisher's z is turned back into correlations: the paper's connectomes are correlations, and
    synthetic ones must be correlation matrices.

    Parameters
    ----------
    connectomes_path, participants_path : path-like
    settings : dict
        Keys `columns` (short form, see :func:`columns_from_text`), `missing`, `site_groups`.
    qc_path : path-like, optional
        Quality control per run, see :func:`gather`.

    Returns
    -------
    Cohort
    """
    from neuro.io.formats.tables import read_participants, read_tsv
    from neuro.io.regions.connectomes import read_connectomes

    connectomes = read_connectomes(connectomes_path)
    if connectomes.kind == "fisher_z":
        edges = np.tanh(connectomes.edges, dtype=np.float32)
        connectomes = dataclasses.replace(connectomes, edges=edges, kind="pearson")
    return gather(
        connectomes,
        read_participants(participants_path),
        columns_from_text(settings["columns"]),
        missing_rule=settings["missing"],
        site_groups=settings["site_groups"],
        qc=None if not qc_path else read_tsv(qc_path, dtype={"run_key": str}),
    )
