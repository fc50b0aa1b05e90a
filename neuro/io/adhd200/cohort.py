"""ADHD-200 region series of the Athena pipeline, from site folders or from their archives."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from neuro.io.adhd200.phenotypes import COLUMNS, Phenotypes
from neuro.io.adhd200.site import STEP, Site, parse_table, repeated
from neuro.io.formats.archives import open_sources
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.io.regions.region_series import RegionSeries

TR_BY_SITE = {
    "NYU": 2.0,
    "Peking": 2.0,
    "Peking_1": 2.0,
    "Peking_2": 2.0,
    "Peking_3": 2.0,
    "KKI": 2.5,
    "Pittsburgh": 1.5,
    "WashU": 2.5,
}
"""Sampling interval in s; the tables do not carry it (general knowledge, to be checked)."""

RUN_COLUMNS = (
    "run_key",
    "participant_id",
    "session",
    "task",
    "run",
    "site",
    "kind",
    "archive",
    "path",
    "tr",
    "tr_source",
    "qc",
    "max_motion_mm",
    "max_rotation_deg",
    "status",
    "reason",
)

PARTICIPANT_COLUMNS = (*COLUMNS, "qc")


@dataclasses.dataclass(frozen=True)
class Adhd200:
    """What a copy of the data set holds.

    Attributes
    ----------
    root : str
    runs : pandas.DataFrame
        One row per usable run, columns :data:`RUN_COLUMNS`, sorted by site, subject, session
        and run. `path` is relative to the root, or the member of `archive`. `qc` is 1 where the
        site passed the run, 0 where it did not. `max_motion_mm` and `max_rotation_deg` are
        maxima over the run that only KKI publishes; framewise displacement cannot be had.
    participants : pandas.DataFrame
        Subjects with at least one run, columns :data:`PARTICIPANT_COLUMNS`: `participant_id`
        with 7 digits, `age` in years, `sex` F or M, `dx` 0 (control) or 1 (ADHD), `subtype` the
        DX code of the table (1 combined, 2 hyperactive/impulsive, 3 inattentive), `iq` the full
        scale IQ from four subtests, else from two, `adhd_index` the site's own rating scale (scales
        differ between sites: compare within a site), `qc` that of the subject's first run.
    phenotypes : pandas.DataFrame
        The same columns for every row of the phenotypic tables.
    exclusions : list of dict
        Rows of an exclusions table.
    notes : list of str
        Oddities that were dealt with, one line each.
    series : list of RegionSeries
        In the order of `runs`; empty after :func:`scan_adhd200`.
    """

    root: str
    runs: pd.DataFrame
    participants: pd.DataFrame
    phenotypes: pd.DataFrame
    exclusions: list[dict]
    notes: list[str]
    series: list[RegionSeries] = dataclasses.field(default_factory=list)


def read_adhd200(
    root,
    filtered: bool = True,
    sites: Sequence[str] | None = None,
    tr_by_site: Mapping[str, float] | None = None,
    atlas: str = "aal",
) -> Adhd200:
    """Read the region series of every run.

    Parameters
    ----------
    root : path-like
        Holds `<SITE>/` folders or `<SITE>.tar.gz` archives; an archive is read where it is.
    filtered : bool
        True: band-passed series (`sfnwmrda`, default); False: unfiltered ones (`snwmrda`).
    sites : sequence of str, optional
        Names of folders or archives; all by default.
    tr_by_site : mapping, optional
        Sampling intervals in s, added to :data:`TR_BY_SITE`.
    atlas : str
        Word before `_TCs.1D` in the file names.

    Returns
    -------
    Adhd200
        Damaged tables are left out of `runs`, `participants` and `series` and listed in
        `exclusions`.

    Raises
    ------
    InputProblem
        See :func:`scan_adhd200`.

    References
    ----------
    The ADHD-200 Consortium 2012, Front. Syst. Neurosci. 6:62. Bellec et al. 2017, NeuroImage
    144:275 (Athena pipeline).
    """
    index = scan_adhd200(root, filtered, sites, tr_by_site, atlas)
    exclusions = list(index.exclusions)
    series = list(iter_adhd200(index, exclusions))
    kept = [run.run_key for run in series]
    runs = index.runs[index.runs["run_key"].isin(kept)].reset_index(drop=True)
    people = index.participants
    people = people[people["participant_id"].isin(runs["participant_id"])].reset_index(drop=True)
    return dataclasses.replace(
        index, runs=runs, participants=people, exclusions=exclusions, series=series
    )


def scan_adhd200(
    root,
    filtered: bool = True,
    sites: Sequence[str] | None = None,
    tr_by_site: Mapping[str, float] | None = None,
    atlas: str = "aal",
) -> Adhd200:
    """List the runs and subjects without parsing a table.

    Parameters
    ----------
    root, filtered, sites, tr_by_site, atlas
        As for :func:`read_adhd200`.

    Returns
    -------
    Adhd200
        With empty `series`; :func:`iter_adhd200` loads them.

    Raises
    ------
    InputProblem
        All problems at once: no site, an unknown site, a damaged or unsafe archive, a site
        without a known sampling interval, the same table in two folders, a repeated id.
    """
    intervals = {**TR_BY_SITE, **(tr_by_site or {})}
    sources, notes = open_sources(root)
    sources = _chosen(root, sources, sites)
    problems: list[str] = []
    exclusions: list[dict] = []
    records: list[dict] = []
    phenotypes: list[Phenotypes] = []
    for site, source in sources.items():
        folder = Site(site, source, atlas)
        problems += folder.problems
        if not folder.is_site:
            continue
        phenotypes.append(folder.phenotypes)
        notes += folder.phenotypes.notes
        rows, excluded, lines = folder.runs(filtered)
        exclusions += excluded
        notes += lines
        if rows and site not in intervals:
            problems.append(f"{site}: no sampling interval is known for the site; set data.site_tr")
        records += [{**row, "tr": float(intervals.get(site, np.nan))} for row in rows]
    if not phenotypes and not problems:
        raise InputProblem(
            f"{root}: no ADHD-200 site found; expected <SITE>/ folders or <SITE>.tar.gz with "
            "*_TCs.1D tables"
        )
    problems += repeated(records, exclusions)
    if problems:
        raise InputProblem(problems)
    runs = pd.DataFrame(records)
    if len(runs):
        keys = ["site", "participant_id", "session", "run"]
        runs = runs.sort_values(keys, key=_numeric, ignore_index=True)
    runs = runs.reindex(columns=list(RUN_COLUMNS))
    everyone = pd.concat([folder.table for folder in phenotypes], ignore_index=True)
    everyone["qc"] = everyone["participant_id"].map(
        runs.drop_duplicates("participant_id").set_index("participant_id")["qc"]
    )
    everyone = everyone.reindex(columns=list(PARTICIPANT_COLUMNS))
    people = _participants(runs, everyone)
    return Adhd200(str(root), runs, people, everyone, exclusions, notes)


def _numeric(column: pd.Series) -> pd.Series:
    return column.astype(int) if column.name in ("session", "run") else column


def _participants(runs: pd.DataFrame, everyone: pd.DataFrame) -> pd.DataFrame:
    """One row per subject with a run, in the order of the runs."""
    people = runs.drop_duplicates("participant_id")[["participant_id", "site", "qc"]]
    phenotypes = everyone.drop(columns=["site", "qc"])
    merged = people.merge(phenotypes, on="participant_id", how="left")
    return merged.reindex(columns=list(PARTICIPANT_COLUMNS))


def looks_like_adhd200(root) -> bool:
    """Whether a folder holds ADHD-200 sites; looks at names only.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    bool
        True when a subfolder holds `*_phenotypic.csv`, or a folder or `.tar.gz` is named like
        one of the sites of :data:`TR_BY_SITE`.
    """
    if not os.path.isdir(root):
        return False
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.removesuffix(".tar.gz") in TR_BY_SITE:
                return True
            if entry.is_dir() and not entry.name.startswith("sub-"):
                names = os.listdir(entry.path)
                if any(name.endswith("_phenotypic.csv") for name in names):
                    return True
    return False


def iter_adhd200(
    index: Adhd200,
    exclusions: list[dict] | None = None,
    run_keys: Sequence[str] | None = None,
    constant: str = "nan",
) -> Iterator[RegionSeries]:
    """Load the series that a scan has listed, one site after the other.

    Parameters
    ----------
    index : Adhd200
    exclusions : list of dict, optional
        Damaged tables are added here as rows and left out. Without it they are a problem.
    run_keys : sequence of str, optional
        Only these runs.
    constant : {'nan', 'raise'}
        Whether a constant region is missing (default) or makes its table a damaged one.

    Yields
    ------
    RegionSeries
        In the order of `index.runs`; `regions` are the codes of the atlas, e.g. `2001`.

    Raises
    ------
    InputProblem
        After the last good series, all damaged tables at once, when no list was given.
    """
    runs = index.runs
    if run_keys is not None:
        runs = runs[runs["run_key"].isin(set(run_keys))]
    sources, _ = open_sources(index.root)
    problems = []
    for site, rows in runs.groupby("site", sort=False):
        wanted = {row.path: row for row in rows.itertuples()}
        loaded = {}
        for entry in sources[site].entries():
            row = wanted.get(entry.path)
            if row is None:
                continue
            try:
                values, regions = parse_table(entry.read(), row, constant)
            except InputProblem as error:
                problems += error.problems
                if exclusions is not None:
                    reason = "; ".join(_without_path(line) for line in error.problems)
                    exclusions.append(exclusion(row.run_key, STEP, reason))
                continue
            loaded[row.path] = RegionSeries(
                run_key=row.run_key,
                series=values,
                regions=regions,
                tr=row.tr,
                participant_id=row.participant_id,
                site=site,
                path=row.path,
            )
        yield from (loaded[path] for path in wanted if path in loaded)
    if problems and exclusions is None:
        raise InputProblem(problems)


def _without_path(line: str) -> str:
    return line.split(": ", 1)[-1]


def _chosen(root, sources, sites):
    if sites is None:
        return sources
    problems = []
    for site in sites:
        if site not in sources:
            near = difflib.get_close_matches(site, list(sources), 1, 0.6)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            listed = ", ".join(sorted(sources)) or "none"
            problems.append(f"data.sites: '{site}' not found in {root}; found {listed}{hint}")
    if problems:
        raise InputProblem(problems)
    return {site: sources[site] for site in sorted(set(sites))}
