"""BOLD data sets: raw BIDS, derivatives, template images, their region tables, ADHD-200."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from neuro.base.beside import is_series, other_hemisphere
from neuro.command.init import people
from neuro.command.init.found import Found, comment, counts, few, quoted, wrap
from neuro.io.problems import InputProblem
from neuro.run.inputs import BETWEEN

PREFERRED_SPACES = ("MNI152NLin2009cAsym", "MNI152NLin6Asym")
"""Spaces that are chosen first where a data set holds several; then the most frequent one."""
_NO_SITE = re.compile(r"(.+): no sampling interval is known for the site.*")


def recognise(path, *, hint="", atlas=None, **wishes) -> Found | None:
    """A folder with subjects, or with ADHD-200 sites.

    Parameters
    ----------
    path : pathlib.Path
    hint : {'', 'bids', 'table'}
        What the user says it is.
    atlas : str, optional
        Of several atlases of region tables the one to use; of images, the atlas.

    Returns
    -------
    Found or None

    Raises
    ------
    InputProblem
        When there are subjects, but no run that could be used.
    """
    if hint == "table" or not (hint == "bids" or _is_study(path)):
        return None
    if not path.is_dir():
        raise InputProblem(f"{path}: no such folder; give the folder that holds sub-*")
    from neuro.config import kinds

    scanned, notes, asked = _scan(path, atlas)
    kind, rows = scanned.kind, scanned.rows
    about = title(f"{path.as_posix()}: {kind} ({scanned.why})", rows)
    short = None
    if kind not in kinds.TABLES:
        about += wrap(f"confounds: {_confounds(kind, rows)}")
        short, line = _duration(rows)
        about += wrap(line) if line else []
    data = [f"  kind: {kind}", f"  root: {quoted(path.as_posix())}", *notes, *asked]
    data += _tasks(rows) + _motion(kind, rows)
    if kind == "adhd200":
        adhd, lines = _sample(path, rows, asked)
    else:
        table = people.beside(path)
        adhd, lines = people.lines(table, rows)
        if table.exists() and table.parent != path:
            lines.append(f"  participants: {quoted(table.as_posix())}")
    surface = any(is_series(row.get("bold") or "") for row in rows)
    fmri = _fmri(kind, path, short, atlas if kind not in kinds.TABLES else None, surface)
    return Found(path, about, sections(data + lines, adhd, fmri))


def _is_study(path) -> bool:
    """Whether a folder holds subjects (or BOLD images in its top), or ADHD-200 sites."""
    from neuro.io.adhd200.cohort import looks_like_adhd200

    if not path.is_dir():
        return False
    if any(inside.name.startswith("sub-") for inside in path.iterdir()):
        return True
    return looks_like_adhd200(path) or any(path.glob("derivatives/*/sub-*"))


def sections(data, adhd, fmri=()) -> dict:
    """Sections of a BOLD input."""
    settings = {"data": data, "fmri": list(fmri)}
    return settings if adhd else {**settings, "adhd": ["  enabled: false"]}


def _scan(root, atlas):
    """The runs, lines with the choices that were made, and lines with open questions."""
    from neuro import config
    from neuro.io.bids import scanner as bids
    from neuro.run import layouts

    given = {"kind": "auto", "root": root.as_posix()}
    notes = []
    for key in ("space", "res"):
        try:
            values = bids.grids(root, space=given.get("space"))[key]
        except InputProblem:
            break  # no images: region tables, or nothing, which the scan below tells apart
        if len(values) > 1:
            first = [name for name in PREFERRED_SPACES if name in values]
            best = first[0] if first else values.most_common(1)[0][0]
            notes += choice(key, best, values)
            given[key] = best
    notes += choose_atlas(root, atlas, given)
    while True:
        settings = {"data": given, "adhd": {"enabled": False}}
        problems = config.resolve(settings, source="neuro init")
        if problems:
            raise InputProblem(problems)
        try:
            scanned = layouts.scan(settings)
            break
        except InputProblem as problem:
            sites = [_NO_SITE.fullmatch(line) for line in problem.problems]
            if not all(sites) or "site_tr" in given:
                raise
            # Asked for below; any number lets the scan go on.
            given["site_tr"] = {match[1]: 2.0 for match in sites}
    if not scanned.rows:
        raise InputProblem(f"{root}: no run found")
    if scanned.kind == "xcpd" and given["kind"] == "auto" and _without_masks(root, scanned.rows):
        # Versions of XCP-D since 0.10 write no mask; their region tables need none.
        given["kind"] = "table"
        notes = choose_atlas(root, atlas, given)
        settings = {"data": given, "adhd": {"enabled": False}}
        config.resolve(settings, source="neuro init")
        scanned = layouts.scan(settings)
        text = "XCP-D wrote no brain masks, so its region tables are read. For the images put"
        notes += [
            comment(text, 2),
            comment("fMRIPrep's *_desc-brain_mask.nii.gz beside them and set kind: xcpd.", 2),
        ]
    asked = ask_interval(scanned.rows, given.get("site_tr"))
    if any("data.echo" in row.get("reason", "") for row in scanned.rows):
        text = "Multi-echo runs without a combined image: combine them, or choose an echo:"
        asked += [comment(text, 2), '  # echo: "1"']
    spaces = sorted({row["space"] for row in scanned.rows if row.get("space")})
    if not notes and spaces and spaces != ["native"]:
        res = sorted({row["res"] for row in scanned.rows if row.get("res")})
        notes = [comment(f"space {spaces[0]}" + (f", res {res[0]}" if res else ""), 2)]
    return scanned, notes, asked


def _without_masks(root, rows) -> bool:
    from neuro.io.regions.roi_scan import varieties

    return not any(row.get("mask") for row in rows) and bool(varieties(root))


def choice(key, best, values) -> list[str]:
    """A setting with the other possible values in a comment."""
    others = Counter({name: count for name, count in values.items() if name != best})
    return [comment(f"others: {counts(others)}", 2), f"  {key}: {quoted(best)}"]


def choose_atlas(root, wanted, given) -> list[str]:
    """Choose one of several atlases of region tables; lines for the settings."""
    from neuro.io.formats.people import nearest
    from neuro.io.regions.roi_scan import varieties
    from neuro.run.layouts import detect

    if given.get("kind") != "table" and detect(root) != "table":
        return []
    kinds = varieties(root)
    if wanted is not None and wanted not in kinds:
        raise InputProblem(
            f"--atlas: no table of '{wanted}' in {root}; found {counts(kinds) or 'none'}"
            f"{nearest(wanted, kinds)}"
        )
    if len(kinds) < 2:
        return []
    # Of the most complete ones the first by name.
    best = wanted or min(kinds, key=lambda name: (-kinds[name], name))
    given["atlas"] = best
    return choice("atlas", best, kinds)


def ask_interval(rows, site_tr=None) -> list[str]:
    """Lines that ask for sampling intervals that nothing states, once for all runs."""
    if site_tr:
        listed = ", ".join(f"{quoted(site)}: {float(tr)}" for site, tr in sorted(site_tr.items()))
        for row in rows:
            if row.get("site") in site_tr:
                row["tr"] = ""
        text = f"No sampling interval (s) is known for {len(site_tr)} sites: correct it here"
        return [comment(text, 2), f"  # site_tr: {{{listed}}}"]
    absent = [row for row in rows if row.get("tr_source") == "missing" and _asks(row)]
    for row in absent:
        lines = row["reason"].split(BETWEEN)
        row["reason"] = BETWEEN.join(line for line in lines if "set data.tr" not in line)
        left = [line for line in lines if "set data.tr" not in line]
        row["status"] = "ok" if all("(0 bytes)" in line for line in left) else "problem"
    if not absent:
        return []
    what = "tables" if absent[0].get("table") or absent[0].get("path") else "runs"
    text = f"{len(absent)} {what} do not state their sampling interval (s): put it here"
    return [comment(text, 2), "  # tr: 2.0"]


def _asks(row) -> bool:
    return "set data.tr" in row.get("reason", "")


def title(text, rows) -> list[str]:
    """What was found, as comment lines."""
    subjects = sorted({row["participant_id"] for row in rows})
    lines = [*wrap(text), *wrap(f"{len(subjects)} subjects: {few(subjects)}; {len(rows)} runs")]
    for column, word in (("session", "sessions"), ("task", "tasks"), ("run", "runs")):
        values = Counter(row.get(column) for row in rows if row.get(column))
        lines += wrap(f"{word}: {counts(values) if values else 'none in the names'}")
    lines += wrap(f"sampling interval: {_intervals(rows)}")
    bad = [row for row in rows if row.get("status") == "problem"]
    if bad:
        lines += wrap(f"{len(bad)} runs cannot be used, see neuro check; first: {bad[0]['reason']}")
    empty = sum(row.get("status") == "ok" and bool(row.get("reason")) for row in rows)
    if empty:
        lines += wrap(f"{empty} runs hold files of 0 bytes; neuro check lists them")
    return lines


def _intervals(rows) -> str:
    intervals = [row.get("tr") for row in rows]
    values = Counter(f"{float(tr):g} s" for tr in intervals if tr not in ("", None) and tr == tr)
    return counts(values) if values else "not stated; set data.tr"


def _sample(root, rows, asked) -> tuple[bool, list[str]]:
    """The people of ADHD-200, from its phenotypic tables."""
    from neuro.io.adhd200.cohort import scan_adhd200

    try:
        sites = {row["site"]: 2.0 for row in rows if row.get("site")}
        table = scan_adhd200(root, tr_by_site=sites if asked else None).participants
    except InputProblem as problem:
        return False, [comment(line, 2) for line in problem.problems]
    enough, text = people.classes(table, rows)
    return enough, [comment(f"participants: {len(table)} from the phenotypic tables; {text}", 2)]


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
    columns = next(
        (columns_of_file for columns_of_file in map(_columns, paths) if columns_of_file), None
    )
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
        if count and row.get("tr"):
            seconds.append(count * float(row.get("tr")))
    if not seconds:
        return None, ""
    low, high = min(seconds), max(seconds)
    span = f"{low:g} s" if low == high else f"{low:g} to {high:g} s"
    return low, f"length: {span} (one run per subject looked at)"


def _tasks(rows) -> list[str]:
    values = Counter(row.get("task") for row in rows if row.get("task"))
    if len(values) < 2:
        return []
    best = "rest" if "rest" in values else None
    if best is None:
        return [comment("to use one task only: tasks: [...]", 2)]
    others = Counter({name: count for name, count in values.items() if name != best})
    return [comment(f"others: {counts(others)}", 2), f"  tasks: [{quoted(best)}]"]


def _motion(kind, rows) -> list[str]:
    """What bare motion text does not tell about itself."""
    bare = [row["motion"] for row in rows if row.get("motion") and not row.get("confounds")]
    if kind != "nifti" or not any(path.endswith((".txt", ".par", ".1D")) for path in bare):
        return []
    return [
        comment("Motion files do not say what they hold. Order: afni, fsl or spm (which bring", 2),
        comment("their units along), translations_first or rotations_first with motion_units:", 2),
        "  # motion_order: spm",
        "  # motion_units: radians",
    ]


def _on_surface(root, atlas) -> tuple[str | None, list[str]]:
    """Atlas and meshes of series on surfaces."""
    labels = sorted(root.glob("*.dlabel.nii")) + sorted(root.glob("lh.*.annot"))
    labels += sorted(root.glob("*hemi-L*.label.gii"))
    lines = [
        comment("Series on surfaces need an atlas in their space, as Schaefer's or Glasser's", 2),
        comment("(.dlabel.nii, lh.*.annot, or hemi-L .label.gii).", 2),
    ]
    if atlas is None and labels:
        atlas = labels[0].as_posix()
    if atlas is None:
        lines.append("  # atlas: parcels.dlabel.nii")
    meshes = sorted(root.glob("*midthickness.surf.gii"))
    left = next((path.as_posix() for path in meshes if other_hemisphere(path)), None)
    if left and Path(other_hemisphere(left)).is_file():
        right = other_hemisphere(left)
        lines.append(f"  surfaces: {{left: {quoted(left)}, right: {quoted(right)}}}")
    else:
        text = "Smoothing, distances and pictures need meshes of their space:"
        lines += [comment(text, 2), "  # surfaces: {left: L.surf.gii, right: R.surf.gii}"]
    return atlas, lines


def _fmri(kind, root, short, atlas, surface=False) -> list[str]:
    from neuro.config.fmri import Fmri

    lines = []
    least = Fmri().min_seconds
    if kind == "bids":
        images = sorted([*root.glob("*dseg.nii.gz"), *root.glob("atlas*.nii.gz")])
        text = "Raw images stay in native space, where template coordinates have no meaning:"
        lines += [
            comment(text, 2),
            comment("a label image in that space is needed, or fmri.normalise.affine.", 2),
        ]
        if atlas is None and not images:
            lines.append("  # atlas: labels.nii.gz")
        elif atlas is None:
            atlas = images[0].as_posix()
            others = Counter(image.as_posix() for image in images[1:])
            lines += [comment(f"others: {counts(others)}", 2)] if others else []
    if surface:
        atlas, more = _on_surface(root, atlas)
        lines += more
    if atlas is not None:
        lines.append(f"  atlas: {quoted(_known_atlas(atlas))}")
    if short is not None and short < least:
        text = f"The shortest run that was looked at has {short:g} s; runs with less than"
        lines += [
            comment(text, 2),
            comment("this many seconds left after censoring are excluded:", 2),
            f"  # min_seconds: {least:g}",
        ]
    return lines


def _known_atlas(atlas) -> str:
    from neuro.config.kinds import COORDINATES
    from neuro.io.formats.people import nearest

    if atlas not in COORDINATES and not Path(atlas).is_file():
        raise InputProblem(
            f"--atlas: '{atlas}' is no file and none of {', '.join(COORDINATES)}"
            f"{nearest(atlas, COORDINATES)}"
        )
    return str(atlas)
