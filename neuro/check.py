"""Look at every input once before anything runs, and say all that is wrong."""

from __future__ import annotations

from pathlib import Path

from neuro.io.problems import InputProblem

COLUMNS = ("participant_id", "run_key", "site", "volumes", "tr", "mask", "confounds", "verdict")
EXCLUSIONS = Path("results/check_exclusions.tsv")


def inputs(config, rows):
    """Check the runs of the input.

    Parameters
    ----------
    config : dict
        Resolved configuration.
    rows : list of dict
        Run table as :func:`neuro.inputs.read` returns it.

    Returns
    -------
    table : list of dict
        One row per run with :data:`COLUMNS`; the verdict is `ok` or the first problem.
    exclusions : list of dict
        Rows of an exclusions table for what is wrong.
    problems : list of str
        All problems, one line each.
    """
    from neuro.io import tables

    kind = rows[0]["kind"] if rows else config["data"]["kind"]
    table, exclusions, problems = [], [], []
    series = _series(kind, config, rows) if kind in ("adhd200", "table") else {}
    for row in rows:
        line = {name: row.get(name, "") for name in COLUMNS}
        line |= {"mask": bool(row["mask"]), "confounds": bool(row["confounds"] or row["motion"])}
        if row["status"] != "ok":
            found = [f"{row['run_key']}: {row['reason']}"]
        elif kind == "simulated":
            line["volumes"], found = config["simulate"]["n_volumes"], []
        elif row["run_key"] in series:
            line["volumes"], line["tr"], found = series[row["run_key"]]
        else:
            line["volumes"], line["tr"], found = _image(row, config)
        line["verdict"] = "ok" if not found else found[0]
        table.append(line)
        problems += found
        exclusions += [tables.exclusion(row["run_key"], "check", text) for text in found]
    if kind != "simulated":
        problems += _people(config, kind, table)
    return table, exclusions, problems


def _image(row, config):
    """Volumes, sampling interval and problems of one image run."""
    from neuro.fmri.confounds import select
    from neuro.io import nifti
    from neuro.io.confounds import read_confounds

    data, fmri = config["data"], config["fmri"]
    problems = []
    try:
        tr = float(row["tr"]) if row["tr"] else data["tr"]
        bold = nifti.load_bold(row["bold"], tr=tr, voxel_size=data["voxel_size"])
    except InputProblem as problem:
        return "", row["tr"], problem.problems
    if not row["mask"]:
        problems.append(f"{row['bold']}: no brain mask beside it")
    else:
        try:
            nifti.load_mask(row["mask"], like=bold.img)
        except InputProblem as problem:
            problems += problem.problems
    if row["confounds"]:
        try:
            table, meta = read_confounds(row["confounds"])
            if len(table) != bold.n_volumes:
                problems.append(
                    f"{row['confounds']}: {len(table)} rows, but the image has "
                    f"{bold.n_volumes} volumes"
                )
            select(table, meta, fmri["strategy"], tr=bold.tr, columns=fmri["confound_columns"])
        except InputProblem as problem:
            problems += problem.problems
    elif not row["motion"] and fmri["strategy"] != "none":
        problems.append(
            f"{row['bold']}: no confounds beside it, but fmri.strategy is '{fmri['strategy']}'"
        )
    seconds = (bold.n_volumes - fmri["drop_volumes"]) * bold.tr
    if fmri["scrub"] and seconds < fmri["min_seconds"]:
        problems.append(
            f"{row['bold']}: {seconds:g} s is less than fmri.min_seconds ({fmri['min_seconds']:g})"
        )
    return bold.n_volumes, bold.tr, problems


def _series(kind, config, rows):
    """Volumes, sampling interval and problems of every region table, by run key."""
    from neuro.io.roi import check_tables
    from neuro.layouts import read_series

    left_out: list[dict] = []
    usable = [row for row in rows if row["status"] == "ok"]
    runs = list(read_series(kind, config["data"], usable, left_out))
    found = {run.run_key: (len(run.series), run.tr, []) for run in runs}
    for row in left_out:
        found.setdefault(row["what"], ("", "", []))[2].append(row["reason"])
    for line in check_tables(runs) if runs else []:
        for run in runs:
            if line.startswith((f"{run.path}:", f"{run.run_key}:")):
                found[run.run_key][2].append(line)
    return found


def _people(config, kind, table):
    """Problems of the participants table: ids on one side only, classes that are missing."""
    from neuro import layouts
    from neuro.io.tables import unmatched

    try:
        people = layouts.participants(config, kind, table)
    except InputProblem as problem:
        return problem.problems
    runs = [row for row in table if row["verdict"] == "ok"]
    problems = [f"{row['what']}: {row['reason']}" for row in unmatched(people, runs)]
    if not config["adhd"]["enabled"]:
        return problems
    used = people[people["participant_id"].isin({row["participant_id"] for row in runs})]
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
    return problems


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
    from neuro.io.tables import write_exclusions as write

    return write(EXCLUSIONS, rows)
