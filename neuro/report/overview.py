"""First page: who took part, the headline figures, and what was left out."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from neuro.io.problems import InputProblem
from neuro.io.tables import read_participants, read_tsv
from neuro.report import model
from neuro.report.labels import Labels

_COUNT = model.Column

_EXCLUSION_COLUMNS = ["stage", "what", "step", "reason", "value", "threshold"]
# The table of the input check names some columns in other words.
_ALIASES = {"limit": "threshold"}
_MANY = 25


def read_table(path: Path, **dtype) -> pd.DataFrame | None:
    """A result table, or None where the file is missing or holds nothing."""
    if not path.is_file() or path.stat().st_size == 0:
        return None
    table = read_tsv(path, dtype=dtype or None)
    return table if len(table.columns) else None


def participants(results: Path) -> pd.DataFrame | None:
    """`results/participants.tsv`, or None where there is none."""
    path = results / "participants.tsv"
    return read_participants(path) if path.is_file() and path.stat().st_size else None


def usable(results: Path) -> set[str] | None:
    """Participants of whom at least one run was used; None where that is not known."""
    path = results / "fmri" / "connectomes.h5"
    if path.is_file() and path.stat().st_size:
        from neuro.io.connectomes import read_connectomes

        return {str(label).removeprefix("sub-") for label in read_connectomes(path).participant_id}
    qc = read_table(results / "fmri" / "group_qc.tsv", participant_id=str, run_key=str)
    return None if qc is None else set(qc["participant_id"].str.removeprefix("sub-"))


def section(results: Path, config: dict, stages, labels: Labels) -> model.Section:
    """The overview section.

    Parameters
    ----------
    results : pathlib.Path
    config : dict
    stages : sequence of str
        Enabled stages, in the order of the chain.
    labels : Labels

    Returns
    -------
    neuro.report.model.Section
    """
    blocks = []
    if config.get("data", {}).get("kind") == "simulated":
        blocks.append(
            model.Text(
                "These data are simulated and what is planted in them is known. The figures show "
                "that the methods work, not anything about people.",
                "note",
            )
        )
    blocks += _sample(results)
    blocks += _headline(results, stages)
    blocks += _exclusions(results, stages, labels)
    return model.Section("overview", "Overview", blocks)


def _sample(results: Path) -> list:
    table = participants(results)
    if table is None or table.empty:
        return []
    used = usable(results)
    table = table.assign(site=table["site"].fillna("n/a").astype(str))
    rows = [_sample_row(site, part, used) for site, part in table.groupby("site")]
    if len(rows) > 1:
        rows.append({**_sample_row("All sites", table, used), "strong": True})
    columns = [
        model.Column("site", "Site"),
        _COUNT("control", "Controls", 0),
        _COUNT("case", "Cases", 0),
    ]
    if table["dx"].isna().any():
        columns.append(_COUNT("unknown", "Not known", 0))
    columns.append(_COUNT("total", "Total", 0))
    if used is not None:
        columns.append(_COUNT("used", "With usable runs", 0))
    if table["age"].notna().any():
        columns.append(model.Column("age", "Age, years: mean (SD)", 0))
        columns.append(model.Column("range", "Age range", 0))
    if table["sex"].notna().any():
        columns.append(model.Column("female", "Female", 0))
    caption = "The sample by site and diagnosis."
    return [model.Heading("Sample"), model.Table(caption, columns, rows)]


def _sample_row(site: str, part: pd.DataFrame, used: set | None) -> dict:
    age = part["age"].dropna()
    sex = part["sex"].dropna().astype(str).str.upper().str[0]
    n_female = int((sex == "F").sum())
    return {
        "site": site,
        "control": int((part["dx"] == 0).sum()),
        "case": int((part["dx"] == 1).sum()),
        "unknown": int(part["dx"].isna().sum()),
        "total": len(part),
        "used": None if used is None else int(part["participant_id"].isin(used).sum()),
        "age": f"{age.mean():.1f} ({age.std():.1f})" if len(age) > 1 else _one(age),
        "range": f"{age.min():.0f}–{age.max():.0f}" if len(age) else "n/a",
        "female": f"{n_female} ({100 * n_female / len(sex):.0f} %)" if len(sex) else "n/a",
    }


def _one(age) -> str:
    return f"{age.iloc[0]:.1f}" if len(age) else "n/a"


def _headline(results: Path, stages) -> list:
    rows = []
    for stage in stages:
        path = results / stage / "report.json"
        if not path.is_file() or path.stat().st_size == 0:
            continue
        rows += [_headline_row(stage, entry) for entry in _entries(path)]
    if not rows:
        return []
    columns = [
        model.Column("stage", "Stage"),
        model.Column("name", "Figure"),
        model.Column("value", "Value", 0),
        model.Column("ci", "95 % interval", 0),
        model.Column("null", "Null", 0),
        model.Column("p", "p", 0),
        model.Column("baseline", "Baseline", 0),
        model.Column("n", "n", 0),
    ]
    present = [c for c in columns if c.key in ("stage", "name", "value") or _any(rows, c.key)]
    caption = (
        "Headline figures of each stage. “Null” is what the same analysis gives when the labels "
        "mean nothing; “Baseline” is what is reached without the brain, or before confounds are "
        "removed."
    )
    if not (_any(rows, "null") or _any(rows, "baseline")):
        caption = "Headline figures of each stage."
    return [model.Heading("Headline figures"), model.Table(caption, present, rows)]


def _entries(path: Path) -> list[dict]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise InputProblem(f"{path}: no valid JSON ({error.msg}, line {error.lineno})") from None
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise InputProblem(f"{path}: expected a list of entries with 'name' and 'value'")
    return content


def _headline_row(stage: str, entry: dict) -> dict:
    unit = entry.get("unit") or ""
    value = model.compact(entry.get("value"))
    low, high = entry.get("ci_low"), entry.get("ci_high")
    return {
        "stage": stage,
        "name": entry.get("name", "n/a"),
        "value": f"{value} {unit}".strip(),
        "ci": model.interval(low, high),
        "null": _reference(entry.get("null")),
        "p": "" if entry.get("p") is None else model.p_value(entry["p"]),
        "baseline": _reference(entry.get("baseline")),
        "n": "" if entry.get("n") is None else model.compact(entry["n"]),
        "strong": bool(entry.get("primary")),
    }


def _reference(value) -> str:
    """A null or baseline: a number, a text, or a mapping of names to numbers."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "; ".join(f"{name} {model.compact(item)}" for name, item in value.items())
    return model.compact(value)


def _any(rows, key) -> bool:
    return any(row.get(key) not in (None, "") for row in rows)


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


def _exclusions(results: Path, stages, labels: Labels) -> list:
    table = read_exclusions(results, stages)
    heading = model.Heading("Exclusions")
    if table.empty:
        return [heading, model.Text("Nothing was excluded.")]
    table = table.astype(object).where(table.notna(), None)
    rows = [
        {
            "stage": row["stage"],
            "what": labels.text(row["what"] or ""),
            "step": row["step"],
            "reason": labels.text(row["reason"] or ""),
            "value": _short(row["value"], labels),
            "threshold": _short(row["threshold"], labels),
        }
        for row in table.to_dict("records")
    ]
    every = model.Table(
        "Everything that was left out, with the reason.",
        [
            model.Column("what", "What"),
            model.Column("stage", "Stage"),
            model.Column("step", "Step"),
            model.Column("reason", "Reason"),
            model.Column("value", "Value", 0),
            model.Column("threshold", "Limit", 0),
        ],
        rows,
    )
    if len(rows) <= _MANY:
        return [heading, every]
    counts = (
        pd.DataFrame(rows)
        .groupby(["stage", "step", "reason"], sort=False, dropna=False)["what"]
        .nunique()
        .reset_index(name="n")
        .sort_values("n", ascending=False, kind="stable")
    )
    summary = model.Table(
        "Exclusions by reason; the full list is folded below.",
        [
            model.Column("stage", "Stage"),
            model.Column("step", "Step"),
            model.Column("reason", "Reason"),
            model.Column("n", "Number", 0),
        ],
        [
            {**row, "n": int(row["n"])}
            for row in counts.astype(object).where(counts.notna(), None).to_dict("records")
        ][:_MANY],
    )
    return [heading, summary, model.Details(f"All {len(rows)} exclusions", [every])]


def _short(value, labels: Labels) -> str:
    if value is None:
        return ""
    try:
        return model.compact(float(value))
    except ValueError:
        return labels.text(value)
