"""Which runs the settings choose, and labels in them that do not occur."""

from __future__ import annotations

from neuro.config.checks.paths import BRACES
from neuro.io.problems import InputProblem

_PREFIXES = {"subjects": "sub-", "exclude": "sub-", "sessions": "ses-", "tasks": "task-"}


def people(data, scanned):
    """The participants table with its notes added to `scanned`; None without a readable one.

    A table that cannot be read is told about where it is needed, with all its problems.
    """
    from neuro.io.formats.tables import read_participants

    if scanned.kind in ("adhd200", "simulated", "none") or not scanned.sources:
        return None
    try:
        table = read_participants(scanned.sources[0], data["columns"])
    except InputProblem:
        return None
    scanned.notes += table.attrs["notes"]
    return table


def chosen(rows, config, kind, people):
    """The rows that the settings choose; those to leave out stay, with their reason.

    Raises
    ------
    InputProblem
        One line per label of the settings that does not occur.
    """
    data = config["data"]
    problems = _unknown(rows, config, kind, people)
    site_of = _site_of(rows, people)

    def value(row, column):
        own = row.get(column) or ""
        return own or (site_of.get(row["participant_id"], "") if column == "site" else "")

    for key, column in (
        ("subjects", "participant_id"),
        ("sites", "site"),
        ("sessions", "session"),
        ("tasks", "task"),
    ):
        wanted = data[key]
        if wanted == "all":
            continue
        wanted = [_bare(key, entry) for entry in wanted]
        rows = [row for row in rows if value(row, column) in wanted]
    for row in rows:
        _carried(row)
    unwanted = {_bare("exclude", entry) for entry in data["exclude"]}
    for row in rows:
        # Also those that cannot be used: leaving them out is how to go on without them.
        if row["participant_id"] in unwanted:
            row |= {"status": "excluded", "reason": "listed under data.exclude"}
    if problems:
        raise InputProblem(problems)
    return rows


def _carried(row):
    """Make a run a problem whose paths hold what Snakemake reads as a wildcard."""
    for key in ("bold", "mask", "confounds", "motion", "outliers", "json", "table"):
        path = str(row.get(key) or "")
        bad = [letter for letter in path if letter in BRACES or not letter.isprintable()]
        if bad and row["status"] == "ok":
            reason = f"{path}: the path holds the character {bad[0]!r}; rename that folder or file"
            row |= {"status": "problem", "reason": reason}


def _bare(key, label) -> str:
    """A label without the prefix that file names put before it."""
    return str(label).removeprefix(_PREFIXES.get(key, ""))


def _unknown(rows, config, kind, people) -> list[str]:
    """One line per label of the settings that does not occur, with the nearest that does."""
    from neuro.io.formats.people import nearest

    data = config["data"]
    subjects = {row["participant_id"] for row in rows}
    if people is not None:
        # Somebody without a run may be excluded, or stand in a list that was made elsewhere.
        subjects |= set(people["participant_id"])
    site_of = _site_of(rows, people)
    sites = {site_of.get(row["participant_id"], "") for row in rows} - {""}
    occurring = {
        "subjects": _labels(rows, "participant_id"),
        "exclude": subjects,
        "sites": sites,
        "sessions": _labels(rows, "session"),
        "tasks": _labels(rows, "task"),
    }
    asked = [
        (f"data.{key}", _bare(key, entry), labels)
        for key, labels in occurring.items()
        for entry in ([] if data[key] == "all" else data[key])
    ]
    if kind == "adhd200":
        from neuro.io.adhd200.cohort import TR_BY_SITE

        # Ready settings name all sites of the sample; a part of it is no mistake.
        sites = sites | set(TR_BY_SITE)
    if kind in ("table", "adhd200"):
        asked += [("data.site_tr", str(site), sites) for site in data["site_tr"]]
    elif data["site_tr"]:
        return ["data.site_tr: only region tables lack an interval by site; set data.tr"]
    if sites and data["sites"] == "all":
        groups = config["adhd"]["site_groups"] if config["adhd"]["enabled"] else {}
        members = [site for group in groups.values() for site in group]
        asked += [("adhd.site_groups", str(site), sites) for site in members]
    problems = []
    for key, entry, labels in asked:
        if entry not in labels:
            known_labels = sorted(labels)
            some = " ".join(known_labels[:4]) + (" ..." if len(known_labels) > 4 else "")
            problems.append(
                f"{key}: '{entry}' not found in {data['root']}; found {some or 'none'} "
                f"({len(known_labels)}){nearest(entry, known_labels)}"
            )
    return problems


def _site_of(rows, people) -> dict:
    """Site of each subject; it may stand in the participants table alone."""
    sites = {} if people is None else dict(zip(people["participant_id"], people["site"]))
    sites = {label: site for label, site in sites.items() if isinstance(site, str)}
    return sites | {row["participant_id"]: row["site"] for row in rows if row.get("site")}


def _labels(rows, column) -> set:
    return {row.get(column) or "" for row in rows} - {""}
