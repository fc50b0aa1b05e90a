"""What was left out, stage by stage, with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from neuro.report.site import model
from neuro.report.site.labels import Labels, without_machine
from neuro.report.site.tables import read_table

PAGE = "exclusions.html"

_EXCLUSION_COLUMNS = ["stage", "what", "step", "reason", "value", "threshold"]
# The table of the input check names some columns in other words.
_ALIASES = {"limit": "threshold"}
_MANY = 25
_SUFFIXES = "1D|tsv|csv|txt|json|npy|npz|h5|nii|gii|par|mat"
_FILES = re.compile(
    r"[\w/.-]*sub-[\w-]+[_.][\w.-]+"
    rf"|'[^']*\.(?:{_SUFFIXES})(?:\.gz)?'|[\w/.*-]+\.(?:{_SUFFIXES})(?:\.gz)?\b"
)


def read_exclusions(results: Path, stages) -> pd.DataFrame:
    """All exclusions in one table: those of the input check, then stage by stage."""
    parts = []
    for stage, path in [
        ("input", results / "exclusions.tsv"),
        *((stage, results / stage / "exclusions.tsv") for stage in stages),
    ]:
        table = read_table(path, what=str, value=str, threshold=str, limit=str, subject=str)
        if table is None or table.empty:
            continue
        table = table.rename(columns=_ALIASES)
        if "what" not in table and "subject" in table:
            run = table["run"].fillna("").astype(str) if "run" in table else ""
            table["what"] = ("sub-" + table["subject"].str.removeprefix("sub-")) + (
                " " + run if isinstance(run, pd.Series) else ""
            )
            table["what"] = table["what"].str.strip()
        if "step" not in table and "stage" in table:
            table["step"] = table["stage"]
        table["stage"] = stage
        parts.append(table.reindex(columns=_EXCLUSION_COLUMNS))
    if not parts:
        return pd.DataFrame(columns=_EXCLUSION_COLUMNS)
    joined = pd.concat(parts, ignore_index=True)
    # A stage passes on what it was told; the first stage that says so is named.
    return joined.drop_duplicates(["what", "step", "reason"], ignore_index=True)


def summary(results: Path, stages) -> list:
    """What the first page says: how many, by reason.

    Parameters
    ----------
    results : pathlib.Path
    stages : sequence of str
        Enabled stages.

    Returns
    -------
    list
        Blocks of the report.
    """
    table = read_exclusions(results, stages)
    heading = model.Heading("Exclusions")
    if table.empty:
        return [heading, model.Text("Nothing was excluded.")]
    link = model.Link(f"All {len(table)} exclusions, one by one", PAGE)
    return [heading, _by_reason(table), model.Links([(link, "")])]


def section(results: Path, stages, labels: Labels) -> model.Section:
    """The page of all exclusions.

    Parameters
    ----------
    results : pathlib.Path
    stages : sequence of str
    labels : Labels

    Returns
    -------
    neuro.report.site.model.Section
    """
    table = read_exclusions(results, stages)
    title = "Exclusions"
    if table.empty:
        return model.Section("exclusions", title, [model.Text("Nothing was excluded.")])
    blocks: list = [
        model.Text(
            "Nothing is dropped silently: every participant, run, site, neuron or edge that a "
            "stage left out stands here, with the step, the reason, the value and the limit."
        )
    ]
    blocks.append(_by_reason(table))
    for stage, group in table.groupby("stage", sort=False):
        blocks += [model.Heading(f"Stage {stage}"), _one_by_one(group, labels)]
    return model.Section("exclusions", title, blocks)


def _one_by_one(table: pd.DataFrame, labels: Labels) -> model.Table:
    table = table.astype(object).where(table.notna(), None)
    rows = [
        {
            "what": labels.text(row["what"] or ""),
            "step": row["step"],
            "reason": labels.text(row["reason"] or ""),
            "value": _short(row["value"], labels),
            "threshold": _short(row["threshold"], labels),
        }
        for row in table.to_dict("records")
    ]
    columns = [
        model.Column("what", "What"),
        model.Column("step", "Step"),
        model.Column("reason", "Reason"),
        model.Column("value", "Value", 0),
        model.Column("threshold", "Limit", 0),
    ]
    return model.Table("Everything that this stage left out, with the reason.", columns, rows)


def _by_reason(table: pd.DataFrame) -> model.Table:
    counts = (
        table.assign(reason=table["reason"].map(_general))
        .groupby(["stage", "step", "reason"], sort=False, dropna=False)["what"]
        .nunique()
        .reset_index(name="n")
        .sort_values("n", ascending=False, kind="stable")
    )
    rows = counts.astype(object).where(counts.notna(), None).to_dict("records")
    caption = "Exclusions by reason"
    caption += f": the {_MANY} most frequent of {len(rows)}." if len(rows) > _MANY else "."
    columns = [
        model.Column("stage", "Stage"),
        model.Column("step", "Step"),
        model.Column("reason", "Reason"),
        model.Column("n", "Number", 0),
    ]
    return model.Table(caption, columns, [{**row, "n": int(row["n"])} for row in rows[:_MANY]])


def _general(reason) -> str:
    """A reason without the file it names, so that the same reasons are counted together."""
    return _FILES.sub("a file", without_machine(reason or ""))


def _short(value, labels: Labels) -> str:
    if value is None:
        return ""
    try:
        return model.compact(float(value))
    except ValueError:
        return labels.text(value)
