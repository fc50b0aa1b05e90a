"""Look at every input once before anything runs, and say all that is wrong."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from pathlib import Path

from neuro.command.check import images as check_images
from neuro.config import kinds
from neuro.io.problems import InputProblem
from neuro.run.inputs import BETWEEN

COLUMNS = ("participant_id", "run_key", "site", "volumes", "tr", "mask", "confounds", "verdict")
EXCLUSIONS = Path("results/check_exclusions.tsv")


def inputs(config, rows, notes=None, show=None):
    """Check the runs of the input.

    Parameters
    ----------
    config : dict
        Resolved configuration.
    rows : list of dict
        Run table as :func:`neuro.run.inputs.read` returns it.
    notes : list of str, optional
        What was taken for what, and is in doubt, is added.
    show : callable, optional
        Called with the path and content of every run that is read.

    Returns
    -------
    table : list of dict
        One row per run with :data:`COLUMNS`; the verdict is `ok` or the first problem.
    exclusions : list of dict
        Rows of an exclusions table for what is wrong.
    problems : list of str
        All problems, one line each.
    """
    from neuro.io.formats import tables

    kind = config["data"]["kind"]
    table, exclusions, problems = [], [], []
    notes = [] if notes is None else notes
    series = _series(kind, config, rows, notes, show) if kind in kinds.TABLES else {}
    few: list = []
    for row in rows:
        line = {name: row.get(name, "") for name in COLUMNS}
        line |= {"mask": bool(row["mask"]), "confounds": bool(row["confounds"] or row["motion"])}
        if row["status"] == "ok":
            line["volumes"], line["tr"], reasons = _run(row, config, series, show, few)
        else:
            reasons = row["reason"].split(BETWEEN)
        line["verdict"] = "ok" if not reasons else reasons[0]
        if len(reasons) > 1:
            line["verdict"] += f" (and {len(reasons) - 1} more)"
        table.append(line)
        exclusions += [tables.exclusion(row["run_key"], "check", text) for text in reasons]
        # What was left out on purpose, or is known to be missing, needs no mending.
        if row["status"] != "excluded":
            problems += reasons
    if kind not in ("simulated", "none"):
        problems += check_images.check_settings(config)
        problems += _people(config, kind, table, notes)
        if kind not in kinds.TABLES:
            notes += check_images.copies(rows)
    notes += _few(few, len(rows), config["fmri"]["strategy"])
    return table, exclusions, once(problems, rows)


FEW = 3
"""So many equal lines are told one by one."""


def once(problems, rows) -> list[str]:
    """What one setting mends in more than three runs as one line.

    Parameters
    ----------
    problems : list of str
    rows : list of dict
        Runs; a problem of one starts with its key or one of its paths.

    Returns
    -------
    list of str
        In the same order.
    """
    own = {str(value) for row in rows for value in row.values() if value}
    texts = Counter(line.partition(": ")[2] for line in problems if _of_setting(line, own))
    lines_once = []
    for line in problems:
        where, _, text = line.partition(": ")
        n = texts[text] if _of_setting(line, own) else 0
        if n > FEW:
            line = f"{where} and {n - 1} other runs: {text}"
            texts[text] = -1
        if n >= 0:
            lines_once.append(line)
    return lines_once


def _of_setting(line: str, own) -> bool:
    where, _, text = line.partition(": ")
    return "set data." in text and where in own


def _few(few, n_runs, strategy) -> list[str]:
    """One line about runs that keep few degrees of freedom."""
    from neuro.fmri.clean.denoiser import FEW_DOF

    if not few:
        return []
    left, where = min(few)
    return [
        f"{len(few)} of {n_runs} runs keep fewer than {FEW_DOF} degrees of freedom with "
        f"fmri.strategy '{strategy}', the fewest {left:.0f} ({where}); fewer regressors or a wider "
        "fmri.band leave more"
    ]


def _run(row, config, series, show=None, few=None):
    """Volumes, sampling interval and problems of one run."""
    if config["data"]["kind"] == "simulated":
        return config["simulate"]["n_volumes"], row["tr"], []
    if row["run_key"] in series:
        return series[row["run_key"]]
    return check_images.check_run(row, config, show, few)


@contextlib.contextmanager
def _noted(notes):
    """Turn warnings into notes, each once."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in seen:
        line = str(warning.message)
        if issubclass(warning.category, UserWarning) and line not in notes:
            notes.append(line)


def _series(kind, config, rows, notes, show=None):
    """Volumes, sampling interval and problems of every region table, by run key."""
    from neuro.io.bids import xcpd
    from neuro.io.regions.roi import check_tables
    from neuro.run.layouts import read_series

    left_out: list[dict] = []
    usable = [row for row in rows if row["status"] == "ok"]
    with _noted(notes):
        constant = config["fmri"]["constant_regions"]
        runs = list(read_series(kind, config["data"], usable, left_out, constant))
    notes += _dead(runs)
    notes += _unfiltered(runs, config["fmri"])
    for run in runs if show else []:
        show(run.path, run)
    notes += _copies(runs)
    of_run = {run.run_key: (len(run.series), run.tr, []) for run in runs}
    for row in left_out:
        of_run.setdefault(row["what"], ("", "", []))[2].append(row["reason"])
    by_key = {row["run_key"]: row for row in usable}
    for run in runs:
        row = by_key[run.run_key]
        try:
            xcpd.whole_run(len(run.series), run.path, row.get("outliers"), row.get("motion"))
        except InputProblem as problem:
            of_run[run.run_key][2].extend(problem.problems)
    for line in check_tables(runs) if runs else []:
        for run in runs:
            if line.startswith((f"{run.path}:", f"{run.run_key}:")):
                of_run[run.run_key][2].append(line)
    return of_run


def _copies(runs) -> list[str]:
    """A line for runs that hold the same series, under whatever names."""
    alike: dict = {}
    for run in runs:
        alike.setdefault((run.series.shape, run.series.tobytes()[:4096]), []).append(run)
    groups: dict = {}
    for members in alike.values():
        for run in members if len(members) > 1 else []:
            groups.setdefault(run.series.tobytes(), []).append(run.run_key)
    return [
        f"{' = '.join(keys)}: the same series, given {len(keys)} times"
        for keys in groups.values()
        if len(keys) > 1
    ]


def _unfiltered(runs, settings) -> list[str]:
    """One line per site with tables that seem not to be filtered, and will not be."""
    import pandas as pd

    from neuro.fmri.quality.run import mean_in_band
    from neuro.fmri.regions.tables import unfiltered

    if settings["clean_tables"]:
        return []
    shares = [mean_in_band(run.series, run.tr, settings["band"]) for run in runs]
    qc = pd.DataFrame({"site": [run.site for run in runs], "in_band_power": shares})
    return unfiltered(qc, settings)


def _dead(runs) -> list[str]:
    """One line per site with regions that are missing in some of its runs."""
    sites: dict = {}
    for run in runs:
        sites.setdefault(run.site, []).append(run)
    dead = []
    for site, members in sorted(sites.items()):
        missing = Counter(name for run in members for name in run.missing)
        if missing:
            worst = ", ".join(f"{name} ({count})" for name, count in missing.most_common(5))
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            dead.append(
                f"{site + ': ' if site else ''}{len(missing)} regions constant or without values "
                f"in some of {len(members)} runs, missing there: {worst}{more}"
            )
    return dead


def _people(config, kind, table, notes):
    """Problems of the participants table: ids on one side only, classes that are missing."""
    from neuro.io.formats.tables import unmatched
    from neuro.run import layouts

    try:
        people = layouts.participants(config, kind, table)
    except InputProblem as problem:
        return problem.problems
    runs = [row for row in table if row["verdict"] == "ok"]
    data = config["data"]
    if data["exclude"] or any(
        data[key] != "all" for key in ("subjects", "sites", "sessions", "tasks")
    ):
        # A choice was made: subjects of the table without a run are meant to be absent.
        people = people[people["participant_id"].isin({row["participant_id"] for row in table})]
    # Subjects whose runs are all bad were told about above.
    bad = {row["participant_id"] for row in table} - {row["participant_id"] for row in runs}
    expected = people[~people["participant_id"].isin(bad)]
    problems = [f"{row['what']}: {row['reason']}" for row in unmatched(expected, runs)]
    used = people[people["participant_id"].isin({row["participant_id"] for row in runs})]
    if len(used):
        problems += _removable(config, used, len(runs))
    if not config["adhd"]["enabled"]:
        return problems
    counts = used["dx"].value_counts()
    needed = config["adhd"]["outer_folds"]
    if len(counts) < 2:
        problems.append(
            "participants: dx holds only one class; a diagnosis needs controls (0) and cases (1)"
        )
    elif counts.min() < needed:
        problems.append(
            f"participants: {int(counts.min())} subjects in the smaller class, adhd.outer_folds "
            f"needs {needed}"
        )
    else:
        problems += _diagnosed(config["adhd"], used, notes)
    return problems


def _diagnosed(own, people, notes):
    """What would stop the choice of who is diagnosed; what is left out becomes a note."""
    from neuro.stats.subjects import make_folds, possible_schemes, select_subjects

    try:
        chosen, rows = select_subjects(
            people,
            site_groups=own["site_groups"],
            keep_single_class_sites=own["keep_single_class_sites"],
        )
        schemes, impossible = possible_schemes(chosen, own["schemes"])
        make_folds(chosen, schemes=schemes, outer_folds=own["outer_folds"], repeats=1)
    except InputProblem as problem:
        return [
            line if line.startswith("participants") else f"adhd.{line}" for line in problem.problems
        ]
    for reason, number in Counter(row["reason"] for row in rows).items():
        notes.append(f"adhd: {number} subjects are not diagnosed: {reason}")
    notes += [f"adhd: {row['what']} is left out: {row['reason']}" for row in impossible]
    return []


def _removable(config, people, n_runs):
    """Lines where the stage demovae finds no column to remove, gaps in one, or too few runs."""
    own = config["demovae"]
    if not own["enabled"]:
        return []
    from neuro.demovae.coding import cohort
    from neuro.demovae.evaluation.fold_features import few_runs

    groups = config["adhd"]["site_groups"]
    merged = {old: name for name, members in groups.items() for old in members}
    words = {name: str(text).split() for name, text in own["columns"].items()}
    columns = cohort.usable_columns(cohort.columns_from_text(own["columns"]), people, [])
    if own["missing"] == "error":
        lines = cohort.lacking(people, columns)
        if lines:
            return lines
    names = [name for name, text in words.items() if text[1:2] in ([], ["remove"])]
    for name in names:
        if name in people and people[name].replace(merged).nunique() > 1:
            return few_runs(own, n_runs, columns, people)
    return [
        f"participants: none of {', '.join(names)} has two values; demovae has nothing to remove: "
        "change demovae.columns or set demovae.enabled to false"
    ]


def as_text(table) -> str:
    """The run table as aligned text."""
    widths = {
        name: max(len(name), *(len(_cell(row[name])) for row in table)) if table else len(name)
        for name in COLUMNS
    }
    lines = ["  ".join(name.ljust(widths[name]) for name in COLUMNS)]
    lines += ["  ".join(_cell(row[name]).ljust(widths[name]) for name in COLUMNS) for row in table]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_exclusions(rows) -> Path:
    """Write the exclusions that the check found."""
    from neuro.io.formats.tables import write_exclusions as write

    return write(EXCLUSIONS, rows)
