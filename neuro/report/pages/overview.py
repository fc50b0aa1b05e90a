"""First page: what was planted or found, who took part, and what was left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neuro.report.pages import exclusions, headline
from neuro.report.site import model
from neuro.report.site.tables import participants, read_table, usable

__all__ = ["participants", "read_table", "section", "usable"]


def section(results: Path, config: dict, stages, contents=()) -> model.Section:
    """The overview section.

    Parameters
    ----------
    results : pathlib.Path
    config : dict
    stages : sequence of str
        Enabled stages, in the order of the chain.
    contents : sequence of blocks
        What stands between the first table and the sample: the list of pages.

    Returns
    -------
    neuro.report.site.model.Section
    """
    simulated = config.get("data", {}).get("kind") == "simulated"
    entries = headline.read(results, stages)
    planted = headline.planted(entries) if simulated else []
    found = headline.found(entries)
    # The first thing on the first page: on planted data what was recovered, else what was found.
    blocks = planted or found
    if simulated:
        blocks.append(
            model.Text(
                "These data are simulated and what is planted in them is known. The figures show "
                "that the methods work, not anything about people.",
                "note",
            )
        )
    blocks += contents
    blocks += _sample(results)
    blocks += found if planted else []
    blocks += exclusions.summary(results, stages)
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
        model.Column("control", "Controls", 0),
        model.Column("case", "Cases", 0),
    ]
    if table["dx"].isna().any():
        columns.append(model.Column("unknown", "Not known", 0))
    columns.append(model.Column("total", "Total", 0))
    if used is not None:
        columns.append(model.Column("used", "With usable runs", 0))
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
