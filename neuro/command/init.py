"""Write a settings file for a data set: what was found in it, and nothing else."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from pathlib import Path

from neuro.io.problems import InputProblem
from neuro.run.inputs import BETWEEN

PREFERRED_SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym")
"""Spaces that are chosen first where a data set holds several; then the most frequent one."""
ALIASES = ("dx", "diagnosis", "group", "case", "patient")
"""Columns that may hold what the column `dx` should hold."""
OWN_INPUT = ("fmri", "adhd", "mds", "braindive")
"""Stages that are written about above, or that are off until their own input is named."""


def of_bids(root) -> str:
    """Settings for a BIDS data set or derivative.

    Parameters
    ----------
    root : path-like
        Raw BIDS, fMRIPrep or XCP-D derivatives, or images in template space.

    Returns
    -------
    str
        The text of the file.

    Raises
    ------
    InputProblem
        When no run is found.
    """
    from neuro.config import kinds

    root = Path(root)
    if not root.is_dir():
        raise InputProblem(f"{root}: no such folder; give the folder that holds sub-*")
    data = {"root": root.as_posix()}
    notes, found = _scan(data)
    kind = found.kind
    rows = found.rows
    lines = _head(f"{root.as_posix()}: {kind} ({found.why})", rows)
    short = None
    if kind not in kinds.TABLES:
        lines += _wrap(f"confounds: {_confounds(kind, rows)}")
        short, line = _duration(rows)
        lines += _wrap(line) if line else []
    lines += ["data:", f"  kind: {kind}", f"  root: {_quoted(data['root'])}"]
    lines += notes
    lines += _tasks(rows)
    lines += _motion(kind, rows)
    table = _table_of(root)
    adhd, people = _participants(table, rows)
    lines += people
    if table.exists() and table.parent != root:
        lines.append(f"  participants: {_quoted(table.as_posix())}")
    lines += _stages(kind, root, adhd, short)
    return "\n".join(lines) + "\n"


def of_table(path) -> str:
    """Settings for region tables: a folder of them, or a table that lists them.

    Parameters
    ----------
    path : path-like
        A folder, or a table with the columns `participant_id` and `path` (relative to the
        table) and what else is known: session, task, run, site, tr, age, sex, dx.

    Returns
    -------
    str

    Raises
    ------
    InputProblem
        When the table cannot be read or lists nothing.
    """
    from neuro.io.formats.tables import read_participants
    from neuro.io.regions.roi_scan import scan_roi_tables

    path = Path(path)
    beside = (path if path.is_dir() else path.parent) / "participants.tsv"
    known = read_participants(beside) if path.is_dir() and beside.exists() else None
    table = scan_roi_tables(path, known)
    rows = table.to_dict("records")
    absent = [row for row in rows if row["tr_source"] == "missing"]
    # A missing interval is asked for below, once for all.
    for row in absent:
        row["reason"] = BETWEEN.join(
            line for line in row["reason"].split(BETWEEN) if "data.tr" not in line
        )
        row["status"] = "problem" if row["reason"] else "ok"
    lines = _head(f"{path.as_posix()}: {len(table)} region tables", rows)
    lines += ["data:", "  kind: table", f"  root: {_quoted(path.as_posix())}"]
    if absent:
        text = f"{len(absent)} tables do not state their sampling interval (s): put it here"
        lines += [_comment(text, 2), "  # tr: 2.0"]
    people = path if path.is_file() and not beside.exists() else beside
    adhd, notes = _participants(people, rows)
    lines += notes
    if any("repeated" in line for line in notes):
        lines.append(_comment("give a table with one row per subject under `participants`", 2))
    elif people.exists() and people.parent != path:
        lines.append(f"  participants: {_quoted(people.as_posix())}")
    lines += _stages("table", path.parent, adhd, None)
    return "\n".join(lines) + "\n"


def write(text, path, *, force=False) -> Path:
    """Write settings; an existing file is kept unless `force` is given.

    Parameters
    ----------
    text : str
    path : path-like
    force : bool

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputProblem
        When the file exists.
    """
    path = refuse_existing(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def refuse_existing(path, *, force=False) -> Path:
    """The path, unless a file is there that must not be replaced.

    Raises
    ------
    InputProblem
        When the file exists and `force` is not given.
    """
    path = Path(path)
    if path.exists() and not force:
        raise InputProblem(f"{path}: exists already; choose another name with -o, or add --force")
    return path


def _scan(data):
    """The runs, after a space and a resolution were chosen where there are several."""
    from neuro import config
    from neuro.io.bids import scanner as bids
    from neuro.run import layouts

    given = {"kind": "auto", **data}
    notes = []
    for key in ("space", "res"):
        try:
            found = bids.grids(data["root"], space=given.get("space"))[key]
        except InputProblem:
            break  # no images: region tables, or nothing, which the scan below tells apart
        if len(found) > 1:
            first = [name for name in PREFERRED_SPACES if name in found]
            best = first[0] if first else found.most_common(1)[0][0]
            others = [f"{name} ({count})" for name, count in sorted(found.items()) if name != best]
            given[key] = best
            notes += [_comment(f"others: {', '.join(others)}", 2), f"  {key}: {_quoted(best)}"]
    settings = {"data": given, "adhd": {"enabled": False}}
    problems = config.resolve(settings, source="neuro init")
    if problems:
        raise InputProblem(problems)
    found = layouts.scan(settings)
    if not found.rows:
        raise InputProblem(f"{data['root']}: no run found")
    spaces = sorted({row["space"] for row in found.rows if row.get("space")})
    if not notes and spaces and spaces != ["native"]:
        res = sorted({row["res"] for row in found.rows if row.get("res")})
        notes = [_comment(f"space {spaces[0]}" + (f", res {res[0]}" if res else ""), 2)]
    return notes, found


def _head(title, rows, tr=True) -> list[str]:
    subjects = sorted({row["participant_id"] for row in rows})
    lines = ["# Written by: neuro init. Only what differs from the defaults is set here; all keys:"]
    lines += ["# docs/configuration.md", "#", *_wrap(title)]
    lines += _wrap(f"{len(subjects)} subjects: {_few(subjects)}; {len(rows)} runs")
    for column, word in (("session", "sessions"), ("task", "tasks"), ("run", "runs")):
        found = Counter(row.get(column) for row in rows if row.get(column))
        lines += _wrap(f"{word}: {_counts(found) if found else 'none in the names'}")
    if tr:
        lines += _wrap(f"sampling interval: {_values([r['tr'] for r in rows], ' s')}")
    bad = [row for row in rows if row.get("status") == "problem"]
    if bad:
        lines += _wrap(
            f"{len(bad)} runs cannot be used, see neuro check; first: {bad[0]['reason']}"
        )
    empty = sum(row.get("status") == "ok" and bool(row.get("reason")) for row in rows)
    if empty:
        lines += _wrap(f"{empty} runs hold files of 0 bytes; neuro check lists them")
    return lines


def _confounds(kind, rows) -> str:
    """Which tables there are, under which names, with which signals."""
    if kind == "bids":
        return "none; motion comes from the realignment (strategy 24P)"
    if kind == "xcpd":
        return "none needed, the images are denoised"
    paths = [row["confounds"] for row in rows if row.get("confounds")]
    if not paths:
        motion = sum(bool(row.get("motion")) for row in rows)
        return f"no tables; {motion} motion files (strategy 24P)" if motion else "none found"
    names = Counter(path.rpartition("_")[2] for path in paths)
    named = f"{len(paths)} tables named *_{' and *_'.join(sorted(names))}"
    columns = next((found for found in map(_columns, paths) if found), None)
    if columns is None:
        return f"{named}, all of them empty"
    from neuro.io.bids.confounds import MOTION, canonical_name

    today = {canonical_name(name) for name in columns}
    style = "current column names" if set(MOTION) <= set(columns) else "older column names"
    tissue = {"csf", "white_matter", "global_signal"} <= today
    compcor = any("a_comp_cor" in name or "w_comp_cor" in name for name in today)
    strategy = "36P" if tissue else "24P"
    has = [
        word
        for word, there in (
            ("motion", set(MOTION) <= today),
            ("tissue signals", tissue),
            ("CompCor components", compcor),
            ("cosines", any(name.startswith("cosine") for name in today)),
        )
        if there
    ]
    return f"{named}, {style}, {len(columns)} columns: {', '.join(has)} (strategy {strategy})"


def _columns(path) -> list[str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return [name for name in stream.readline().rstrip("\n").split("\t") if name]
    except (OSError, UnicodeDecodeError):
        return []


def _duration(rows):
    """Length of the runs from the header of the first readable image of each subject."""
    from neuro.io.images.header import n_volumes

    seconds = []
    for row in {row["participant_id"]: row for row in rows if row.get("bold")}.values():
        count = n_volumes(row["bold"])
        if count and row["tr"]:
            seconds.append(count * float(row["tr"]))
    if not seconds:
        return None, ""
    low, high = min(seconds), max(seconds)
    span = f"{low:g} s" if low == high else f"{low:g} to {high:g} s"
    return low, f"length: {span} (one run per subject looked at)"


def _tasks(rows) -> list[str]:
    found = Counter(row.get("task") for row in rows if row.get("task"))
    if len(found) < 2:
        return []
    best = "rest" if "rest" in found else None
    if best is None:
        return [_comment("to use one task only: tasks: [...]", 2)]
    others = Counter({name: count for name, count in found.items() if name != best})
    return [_comment(f"others: {_counts(others)}", 2), f"  tasks: [{_quoted(best)}]"]


def _motion(kind, rows) -> list[str]:
    """What bare motion text does not tell about itself."""
    bare = [row["motion"] for row in rows if row.get("motion") and not row.get("confounds")]
    if kind != "nifti" or not any(path.endswith((".txt", ".par", ".1D")) for path in bare):
        return []
    return [
        _comment("Motion files do not say what they hold. Order: afni, fsl or spm (which bring", 2),
        _comment("their units along), translations_first or rotations_first with motion_units:", 2),
        "  # motion_order: spm",
        "  # motion_units: radians",
    ]


def _table_of(root) -> Path:
    """The participants table of a data set; derivatives mostly leave it to the raw data."""
    own = root / "participants.tsv"
    above = [own, root.parent / own.name]
    if root.parent.name == "derivatives":
        above.append(root.parent.parent / own.name)
    return next((path for path in above if path.exists()), own)


def _participants(path, rows):
    """Whether a diagnosis can be learned, and lines about the table."""
    from neuro.config.adhd import Adhd
    from neuro.io.formats.tables import read_participants, read_tsv

    if not Path(path).exists():
        text = "no participants.tsv: age, sex, site and dx are not known"
        return False, [_comment(text, 2)]
    try:
        names = [str(name) for name in read_tsv(path, dtype=str).columns]
        people = read_participants(path)
    except InputProblem as problem:
        return False, [_comment(line, 2) for line in problem.problems]
    lines = [_comment(f"participants: {len(people)} rows, columns {', '.join(names)}", 2)]
    have = {row["participant_id"] for row in rows}
    ids = set(people["participant_id"])
    for left, text in ((have - ids, "have data, but no row"), (ids - have, "have no data")):
        if left:
            lines.append(_comment(f"{len(left)} subjects {text}: {_few(sorted(left))}", 2))
    if "dx" not in names:
        near = [name for name in names if name.lower() in ALIASES]
        hint = f"; make it from the column '{near[0]}'" if near else ""
        lines.append(
            _comment(f"no column dx (0 control, 1 case), so no diagnosis is learned{hint}", 2)
        )
        return False, lines
    counts = people[people["participant_id"].isin(have)]["dx"].value_counts()
    needed = Adhd().outer_folds
    enough = len(counts) == 2 and counts.min() >= needed
    words = ", ".join(f"{int(counts.get(code, 0))} with dx {code}" for code in (0, 1))
    lines.append(_comment(words + ("" if enough else f"; a diagnosis needs {needed} of each"), 2))
    return enough, lines


def _stages(kind, root, adhd, short) -> list[str]:
    from neuro.config import STAGES
    from neuro.config.fmri import Fmri

    fmri, lines = [], []
    least = Fmri().min_seconds
    if kind == "bids":
        images = sorted([*root.glob("*dseg.nii.gz"), *root.glob("atlas*.nii.gz")])
        fmri += [
            _comment(
                "Raw images stay in native space, where template coordinates have no meaning:", 2
            ),
            _comment("a label image in that space is needed, or fmri.normalise.affine.", 2),
            f"  atlas: {_quoted(images[0].as_posix())}" if images else "  # atlas: labels.nii.gz",
        ]
    if short is not None and short < least:
        fmri += [
            _comment(
                f"The shortest run that was looked at has {short:g} s; runs with less than", 2
            ),
            _comment("this many seconds left after censoring are excluded:", 2),
            f"  # min_seconds: {least:g}",
        ]
    if any(not line.lstrip().startswith("#") for line in fmri):
        lines = ["fmri:", *fmri]
    elif fmri:
        lines = ["# fmri:", *(f"# {line.replace('# ', '', 1)}" for line in fmri)]
    if not adhd:
        lines += ["adhd:", "  enabled: false"]
    further = [name for name in STAGES if name not in OWN_INPUT]
    if further:
        lines += _wrap("Further stages; without their line they run with their defaults.")
        lines += [f"{name}: {{enabled: false}}" for name in further]
    return lines


def _wrap(text) -> list[str]:
    return textwrap.wrap(
        text, 96, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )


def _comment(text, indent=0) -> str:
    return f"{' ' * indent}# {text}"


def _few(labels, limit=8) -> str:
    labels = [str(label) for label in labels]
    return " ".join(labels[:limit]) + (" ..." if len(labels) > limit else "")


def _counts(found) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(found.items()))


def _values(values, unit) -> str:
    found = Counter(f"{float(v):g}{unit}" for v in values if v not in ("", None) and v == v)
    return _counts(found) if found else "not stated; set data.tr"


def _quoted(text) -> str:
    return json.dumps(str(text), ensure_ascii=False)
