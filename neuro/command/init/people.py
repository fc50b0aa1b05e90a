"""What a participants table says about the people, and whether a diagnosis can be learned."""

from __future__ import annotations

from pathlib import Path

from neuro.command.init.found import comment, few, quoted
from neuro.io.problems import InputProblem

ALIASES = ("dx", "diagnosis", "group", "case", "patient")
"""Columns that may hold what the column `dx` should hold."""
MAX_WORDS = 8


def beside(root) -> Path:
    """The participants table of a data set; derivatives mostly leave it to the raw data."""
    own = root / "participants.tsv"
    above = [own, root.parent / own.name]
    if root.parent.name == "derivatives":
        above.append(root.parent.parent / own.name)
    return next((path for path in above if path.exists()), own)


def lines(path, rows, columns=None) -> tuple[bool, list[str]]:
    """Whether a diagnosis can be learned, and lines about the table at a path.

    Parameters
    ----------
    path : path-like
    rows : list of dict
        Runs.
    columns : mapping, optional
        Names of the table's columns, as `data.columns` has them.

    Returns
    -------
    bool
    list of str
    """
    from neuro.io.formats.tables import read_participants, read_tsv

    if not Path(path).exists():
        text = "no participants.tsv: age, sex, site and dx are not known"
        return False, [comment(text, 2)]
    try:
        raw = read_tsv(path, dtype=str)
        people = read_participants(path, columns)
    except InputProblem as problem:
        return False, [comment(line, 2) for line in problem.problems]
    written = [comment(f"participants: {len(people)} rows, columns {', '.join(raw.columns)}", 2)]
    written += [comment(note.removeprefix(f"{path}: "), 2) for note in people.attrs["notes"]]
    if people["dx"].isna().all() and (columns or {}).get("dx", "dx") not in raw.columns:
        return False, [*written, *_matched(people, rows), *_diagnosis(raw)]
    enough, text = classes(people, rows)
    return enough, [*written, *_matched(people, rows), comment(text, 2)]


def _matched(people, rows) -> list[str]:
    have = {row["participant_id"] for row in rows}
    ids = set(people["participant_id"])
    return [
        comment(f"{len(left)} subjects {text}: {few(sorted(left))}", 2)
        for left, text in ((have - ids, "have data, but no row"), (ids - have, "have no data"))
        if left
    ]


def classes(people, rows) -> tuple[bool, str]:
    """Whether there are enough of both classes among the people with data, and their numbers."""
    from neuro.config.adhd import Adhd

    have = {row["participant_id"] for row in rows}
    sizes = people[people["participant_id"].isin(have)]["dx"].value_counts()
    needed = Adhd().outer_folds
    enough = len(sizes) == 2 and sizes.min() >= needed
    words = ", ".join(f"{int(sizes.get(code, 0))} with dx {code}" for code in (0, 1))
    return enough, words + ("" if enough else f"; a diagnosis needs {needed} of each")


def _diagnosis(raw) -> list[str]:
    """The question which column and which words are the diagnosis."""
    near = [name for name in raw.columns if str(name).lower() in ALIASES]
    hint = f"; make it from the column '{near[0]}'" if near else ""
    text = [comment(f"no column dx (0 control, 1 case), so no diagnosis is learned{hint}", 2)]
    words = sorted(raw[near[0]].dropna().unique()) if near else []
    if 1 < len(words) <= MAX_WORDS:
        listed = ", ".join(quoted(word) for word in words)
        text += [
            comment(f"Its words are {listed}; sort them:", 2),
            f"  # columns: {{dx: {quoted(near[0])}, cases: [...], controls: [...]}}",
        ]
    return text
