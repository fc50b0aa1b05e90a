"""Find the runs of a BIDS data set or derivative by looking at file names only."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from neuro.io.bids import variants
from neuro.io.bids.names import Name, bad_labels
from neuro.io.bids.series import fits, missing_hemisphere, series_of
from neuro.io.bids.tree import Intervals, Tree, sidecars, unknown_labels
from neuro.io.formats import sampling
from neuro.io.images import grayordinates as gray
from neuro.io.images.header import header_tr
from neuro.io.problems import InputProblem

BETWEEN = " | "
"""Between the problems of one run in the column `reason`."""

LAYOUTS = ("xcpd", "fmriprep", "nifti", "bids")
"""In the order of detection."""

COLUMNS = (
    "run_key",
    "participant_id",
    "session",
    "task",
    "run",
    "kind",
    "space",
    "res",
    "bold",
    "mask",
    "confounds",
    "motion",
    "outliers",
    "json",
    "tr",
    "tr_source",
    "status",
    "reason",
)

_PATTERNS = {
    "xcpd": "*_desc-denoised_bold.nii.gz",
    "fmriprep": "*_desc-preproc_bold.nii.gz",
    "nifti": "sub-*_bold.nii.gz with a *mask.nii.gz",
    "bids": "*_bold.nii.gz",
}


def scan(
    root,
    *,
    layout: str = "auto",
    space: str | None = None,
    res: str | None = None,
    tasks: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    sessions: Sequence[str] | None = None,
    tr: float | None = None,
    echo: str | None = None,
    surfaces: bool = True,
) -> pd.DataFrame:
    """Find the BOLD runs of a data set.

    Only names, sizes and JSON sidecars are looked at (and the header of an image without a
    sidecar). Folders: `sub-*/[ses-*/]func`; for `nifti` also `sub-*`, `sub-*/ses-*` and the
    root itself; `anat` only for the mask of an XCP-D run.

    Parameters
    ----------
    root : path-like
    layout : {'auto', 'xcpd', 'fmriprep', 'nifti', 'bids'}
        `auto` takes the first of these that the images fit.
    space, res : str, optional
        Needed where the data set holds several.
    tasks, subjects, sessions : sequence of str, optional
        Labels to keep, without `task-`, `sub-`, `ses-`; all by default.
    tr : float, optional
        Sampling interval in s where neither sidecar nor header states it.
    echo : str, optional
        Of multi-echo runs; by default the combined image is the run.
    surfaces : bool
        Whether series on surfaces (`.dtseries.nii`, `.func.gii`) are runs where there are no
        volumes. Where there are, `space` decides.

    Returns
    -------
    pandas.DataFrame
        One row per run with the columns :data:`COLUMNS`, sorted; paths relative to the root
        with `/`, empty where there is none; `tr` in s. `status` is `ok`, `empty` (a file of 0
        bytes, otherwise complete) or `problem`; `reason` says why, see :func:`problem_lines`.
        `attrs` holds `root`, `layout` and `why` (how the layout was found).

    Raises
    ------
    InputProblem
        No folder, no image, unknown labels, several spaces without a choice; all at once.
    """
    if layout not in ("auto", *LAYOUTS):
        raise ValueError(f"layout: got '{layout}', expected auto, {', '.join(LAYOUTS)}")
    tree = Tree(root)
    wanted = tree.choose_subjects(subjects)
    files = {label: tree.files(label) for label in wanted}
    images = series_of(files, space, surfaces)
    layout, why = _layout(root, layout, images, files, tree)
    images = variants.runs_only([n for n in images if fits(n, layout)], echo, layout, root)
    problems = []
    everything = images
    for entity, labels in (("task", tasks), ("ses", sessions)):
        if labels is not None:
            present = {name.entities.get(entity) for name in everything}
            problems += unknown_labels(entity, labels, present)
            allowed = {str(label).removeprefix(f"{entity}-") for label in labels}
            images = [name for name in images if name.entities.get(entity) in allowed]
    if problems:
        raise InputProblem(problems)
    chosen, others = _one_grid(images, space, res)
    reader = Intervals(root, tree)
    rows = [_row(name, files, tree, layout, reader, tr, echo) for name in chosen]
    rows = _one_row_per_run(rows) + _left_over(chosen, others, layout)
    rows.sort(key=lambda row: _order(row))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs.update(root=str(root), layout=layout, why=why)
    return table


def grids(root, space: str | None = None, echo: str | None = None) -> dict[str, Counter]:
    """Spaces and resolutions of the images, with their numbers.

    Parameters
    ----------
    root : path-like
    space : str, optional
        Count the resolutions in this space only.
    echo : str, optional
        As for :func:`scan`.

    Returns
    -------
    dict
        Keys `space` and `res`.

    Raises
    ------
    InputProblem
        When there is no image.
    """
    tree = Tree(root)
    files = {label: tree.files(label) for label in tree.choose_subjects(None)}
    images = series_of(files, space, True)
    layout, _ = _layout(root, "auto", images, files, tree)
    images = variants.runs_only([n for n in images if fits(n, layout)], echo, layout, root)
    inside = Counter(name.res or "none" for name in images if space in (None, name.space))
    return {"space": Counter(name.space for name in images), "res": inside}


def problem_lines(table: pd.DataFrame) -> list[str]:
    """What :func:`scan` found wrong, one line per problem.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    list of str
    """
    reasons = table.loc[table["status"] != "ok", "reason"]
    return [line for reason in reasons for line in str(reason).split(BETWEEN)]


def metadata(root, bold: str) -> dict:
    """Sidecar of an image, with what it inherits from the folders above it.

    Parameters
    ----------
    root : path-like
    bold : str
        Relative path, as in the table.

    Returns
    -------
    dict
        Nearer files win over those further up, more specific names over general ones.

    Raises
    ------
    InputProblem
        When a sidecar is not readable.
    """
    tree = Tree(root)
    folder = os.path.dirname(bold)
    names = tree.listed(folder)[0] if os.path.isdir(os.path.join(root, folder)) else []
    image = next((name for name in names if name.path == bold), None)
    if image is None:
        raise InputProblem(f"{bold}: no such file in {root}")
    merged: dict = {}
    problems = []
    for name in reversed(sidecars(image, tree)):
        content, problem = sampling.read_json(os.path.join(root, name.path))
        problems += [problem] if problem else []
        merged.update(content)
    if problems:
        raise InputProblem(problems)
    return merged


def _layout(root, layout, images, files, tree) -> tuple[str, str]:
    counts = {kind: sum(fits(name, kind) for name in images) for kind in LAYOUTS}
    listings = (tree.top, *files.values())
    masks = any(_is_mask(name, "nifti") for names in listings for name in names)
    raw = counts["bids"] == len(images)
    if layout == "auto":
        if raw and not masks:
            counts["nifti"] = 0
        layout = next((kind for kind in LAYOUTS if counts[kind]), "")
        if not layout:
            raise InputProblem(
                f"{root}: no BOLD image in {len(files)} sub-* folders; looked for *_bold.nii.gz"
                f"{variants.instead(name for n in files.values() for name in n) or tree.hint()}"
            )
    if not counts[layout]:
        seen = [f"{kind} ({count})" for kind, count in counts.items() if count and images]
        other = f"; the images fit {' or '.join(seen)}" if seen else tree.hint()
        raise InputProblem(f"{root}: no image {_PATTERNS[layout]} for kind '{layout}'{other}")
    pattern = _PATTERNS[layout]
    if next(name for name in images if fits(name, layout)).is_surface:
        return layout, f"{counts[layout]} series on surfaces (*.dtseries.nii, *.func.gii)"
    return layout, f"{counts[layout]} images named {pattern}"


def _one_grid(images: list[Name], space, res) -> tuple[list[Name], list[Name]]:
    """The images in the wanted space and resolution, and the others."""
    chosen = images
    for key, wanted, value in (
        ("data.space", space, lambda name: name.space),
        ("data.res", res, lambda name: name.res or "none"),
    ):
        counts = Counter(value(name) for name in chosen)
        listed = ", ".join(f"{label} ({counts[label]})" for label in sorted(counts))
        if wanted is not None:
            wanted = str(wanted)
            if wanted not in counts:
                near = difflib.get_close_matches(wanted, list(counts), 1, 0.6)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                raise InputProblem(f"{key}: no image in '{wanted}'; found {listed}{hint}")
            chosen = [name for name in chosen if value(name) == wanted]
        elif len(counts) > 1:
            raise InputProblem(f"{key}: the images come in several, choose one: {listed}")
    kept = {id(name) for name in chosen}
    return chosen, [name for name in images if id(name) not in kept]


def _is_mask(name: Name, layout: str) -> bool:
    if not (name.suffix.endswith("mask") and name.is_image and "label" not in name.entities):
        return False
    return layout == "nifti" or name.desc in ("brain", "")


def _nearest(image: Name, candidates: Iterable[Name], same_grid: bool) -> Name | None:
    """The candidate that shares most entities and contradicts none."""
    best, score = None, -1
    for name in candidates:
        entities = {key: value for key, value in name.entities.items() if key != "desc"}
        if any(image.entities.get(key) != value for key, value in entities.items()):
            continue
        if same_grid and (name.space, name.res) != (image.space, image.res):
            continue
        if len(entities) > score:
            best, score = name, len(entities)
    return best


def _row(image: Name, files, tree: Tree, layout: str, reader: Intervals, tr, echo) -> dict:
    label = image.entities["sub"]
    names = files.get(label, [])
    problems = [
        f"{image.path}: label '{bad}' is not letters and digits" for bad in bad_labels(image)
    ]
    folder = image.path.partition("/")[0]
    if "/" in image.path and folder != f"sub-{label}":
        problems.append(f"{image.path}: a file of sub-{label} in the folder {folder}")
    problems += variants.problem(image, echo)
    named: dict[str, Name | None] = {"bold": image}
    masks = [name for name in names if _is_mask(name, layout)]
    if layout == "nifti":
        masks += [name for name in tree.flat.get("", ()) if _is_mask(name, layout)]
    named["mask"] = _nearest(image, masks, same_grid=layout != "nifti")
    if named["mask"] is None and layout == "xcpd":
        anatomy = [name for name in tree.anatomy(label) if _is_mask(name, layout)]
        named["mask"] = _nearest(image, anatomy, same_grid=True)
    tables = [name for name in names if name.suffix in ("timeseries", "regressors")]
    tables = [name for name in tables if name.desc == "confounds" and name.extension == ".tsv"]
    named["confounds"] = _nearest(image, tables, same_grid=False)
    for kind, endings in (
        ("motion", (".tsv", ".txt", ".par", ".1D")),
        ("outliers", (".tsv",)),
    ):
        listed = [name for name in names if name.suffix == kind and name.extension in endings]
        named[kind] = _nearest(image, listed, same_grid=False)
    needed = {"fmriprep": ("mask", "confounds"), "xcpd": ("mask",), "nifti": ("mask",), "bids": ()}
    needs = [kind for kind in needed[layout] if not (image.is_surface and kind == "mask")]
    if image.is_surface:
        named["mask"] = None
        problems += missing_hemisphere(image, names)
    problems += [
        f"{image.path}: {variants.MISSING[kind]}" + variants.ADVICE.get((layout, kind), "")
        for kind in needs
        if named[kind] is None
    ]
    present = [name for name in named.values() if name is not None]
    problems += [
        f"{n.path}: a link that leads nowhere; get the file" for n in present if n.size < 0
    ]
    empty = [f"{name.path}: the file is empty (0 bytes)" for name in present if name.size == 0]
    stated, source, json_path, lines = reader.interval(image)
    problems += lines
    header = None
    if stated is None and image.size > 0:
        read = gray.header_tr if image.is_surface else header_tr
        header = read(os.path.join(reader.root, image.path))
    seconds, source, problem = sampling.decide(
        image.path, sidecar=stated, header=header, config=tr, source=source
    )
    problems += [problem] if problem else []
    status = "problem" if problems else "empty" if empty else "ok"
    return {
        **_identity(image, layout),
        **{kind: name.path if name is not None else "" for kind, name in named.items()},
        "json": json_path,
        "tr": seconds,
        "tr_source": source,
        "status": status,
        "reason": BETWEEN.join(problems + empty),
    }


def _identity(image: Name, layout: str) -> dict:
    entities = image.entities
    return {
        "run_key": image.run_key,
        "participant_id": entities["sub"],
        "session": entities.get("ses", ""),
        "task": entities.get("task", ""),
        "run": entities.get("run", ""),
        "kind": layout,
        "space": image.space,
        "res": image.res,
    }


def _one_row_per_run(rows: list[dict]) -> list[dict]:
    """Several images of one run are a problem of that run."""
    by_key: dict = {}
    for row in rows:
        by_key.setdefault(row["run_key"], []).append(row)
    for group in by_key.values():
        if len(group) > 1:
            listed = ", ".join(Path(row["bold"]).name for row in group)
            line = f"{group[0]['bold']}: {len(group)} images of one run ({listed}); keep one"
            group[0].update(status="problem", reason=line)
    return [group[0] for group in by_key.values()]


def _left_over(chosen: list[Name], others: list[Name], layout: str) -> list[dict]:
    """Runs that exist in another space or resolution only."""
    if not others:
        return []
    have = {name.run_key for name in chosen}
    grid = f"{chosen[0].space} {f'res-{chosen[0].res}' if chosen[0].res else ''}".strip()
    missing: dict = {}
    for name in others:
        if name.run_key not in have:
            missing.setdefault(name.run_key, []).append(name)
    rows = []
    for names in missing.values():
        grids = ", ".join(sorted({f"{n.space} {n.res}".strip() for n in names}))
        row = dict.fromkeys(COLUMNS, "") | _identity(names[0], layout)
        row.update(tr=float("nan"), tr_source="missing", status="problem")
        row["space"], row["res"] = chosen[0].space, chosen[0].res
        row["reason"] = f"{names[0].run_key}: no image in {grid}; found {grids}"
        rows.append(row)
    return rows


def _order(row: dict) -> tuple:
    run = row["run"]
    number = (0, int(run), "") if run.isdigit() else (1, 0, run)
    return (row["participant_id"], row["session"], row["task"], number, row["run_key"])
