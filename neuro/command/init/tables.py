"""Region tables: a folder of them, or a table that lists them."""

from __future__ import annotations

from neuro.command.init import bold, pcp, people
from neuro.command.init.found import Found, comment, quoted
from neuro.io.problems import InputProblem

_PLAIN = (".1D", ".ptseries.nii")
"""Plain names that are nothing but region tables."""


def recognise(path, *, hint="", atlas=None, **wishes) -> Found | None:
    """A folder of region tables, or a table with the columns `participant_id` and `path`.

    Parameters
    ----------
    path : pathlib.Path
    hint : {'', 'bids', 'table'}
        What the user says it is. Without it, tables whose names tell nothing are taken for
        region tables only where a participants table stands beside them.
    atlas : str, optional
        Of several atlases the one to use.

    Returns
    -------
    Found or None

    Raises
    ------
    InputProblem
        When the tables cannot be told apart.
    """
    from neuro.io.formats.tables import read_participants
    from neuro.io.regions.roi_scan import scan_roi_tables

    if hint != "table" and not _are_tables(path):
        return None
    beside = (path if path.is_dir() else path.parent) / "participants.tsv"
    columns: dict = {}
    if path.is_dir() and not beside.exists() and (project := pcp.phenotypes(path)):
        beside, columns = project
    participants = read_participants(beside, columns) if path.is_dir() and beside.exists() else None
    given: dict = {}
    notes = bold.choose_atlas(path, atlas, given) if path.is_dir() else []
    table = scan_roi_tables(path, participants, atlas=given.get("atlas"))
    lacking = table[table["tr_source"] == "missing"] if columns else table[:0]
    by_site = pcp.intervals(set(lacking["site"]) - {""})
    if by_site:
        # Asked for below; what is known of the sites lets the scan go on.
        table = scan_roi_tables(path, participants, atlas=given.get("atlas"), site_tr=by_site)
    rows = table.to_dict("records")
    data = ["  kind: table", f"  root: {quoted(path.as_posix())}", *notes]
    data += bold.ask_interval(rows, by_site)
    listed = path if path.is_file() and not beside.exists() else beside
    adhd, lines = people.lines(listed, rows, columns)
    if any("repeated" in line for line in lines):
        lines.append(comment("give a table with one row per subject under `participants`", 2))
    elif columns:
        lines += pcp.lines(listed, columns)
    elif listed.exists() and listed.parent != path:
        lines.append(f"  participants: {quoted(listed.as_posix())}")
    about = bold.title(f"{path.as_posix()}: {len(table)} region tables", rows)
    return Found(path, about, bold.sections(data + lines, adhd))


def _are_tables(path) -> bool:
    from neuro.io.formats.tables import read_tsv
    from neuro.io.formats.text_tables import SUFFIXES

    if path.is_dir():
        names = [inside.name for inside in path.iterdir()]
        if any(name.endswith(_PLAIN) for name in names):
            return True
        return "participants.tsv" in names and any(name.endswith(SUFFIXES) for name in names)
    if path.suffix not in (".tsv", ".csv"):
        return False
    try:
        return {"participant_id", "path"} <= set(read_tsv(path, dtype=str).columns)
    except InputProblem:
        return False
