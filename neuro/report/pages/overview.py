"""First page: what was planted or found, who took part, and what was left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neuro.report.pages import exclusions, headline
from neuro.report.site import model
from neuro.report.site.tables import participants, read_table, usable

__all__ = ["participants", "read_table", "section", "usable"]


def section(results: Path, config: dict, stages, cards=(), contents=()) -> model.Section:
    """The overview section.

    Parameters
    ----------
    results : pathlib.Path
    config : dict
    stages : sequence of str
        Enabled stages, in the order of the chain.
    cards : sequence of blocks
        What comes first: a card per stage.
    contents : sequence of blocks
        What stands between the first tables and the sample: the list of pages.

    Returns
    -------
    neuro.report.site.model.Section
    """
    simulated = config.get("data", {}).get("kind") == "simulated"
    entries = headline.read(results, stages)
    planted = headline.planted(entries) if simulated else []
    groups = headline.found(entries)
    blocks = list(cards)
    if simulated:
        blocks.insert(
            0,
            model.Text(
                "These data are simulated and what is planted in them is known. The figures show "
                "that the methods work, not anything about people.",
                "note",
            ),
        )
    blocks += contents
    # On planted data what was recovered comes before what was found.
    blocks += planted or groups
    blocks += _sample(results)
    blocks += groups if planted else []
    blocks += exclusions.summary(results, stages)
    return model.Section("overview", "Overview", blocks)


def _sample(results: Path) -> list:
    table = participants(results)
    if table is None or table.empty:
        return []
    used = usable(results)
    table = table.assign(site=table["site"].fillna("n/a").astype(str))
    rows = [_sample_row(site, group, used) for site, group in table.groupby("site")]
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


def _sample_row(site: str, rows: pd.DataFrame, used: set | None) -> dict:
    age = rows["age"].dropna()
    sex = rows["sex"].dropna().astype(str).str.upper().str[0]
    n_female = int((sex == "F").sum())
    return {
        "site": site,
        "control": int((rows["dx"] == 0).sum()),
        "case": int((rows["dx"] == 1).sum()),
        "unknown": int(rows["dx"].isna().sum()),
        "total": len(rows),
        "used": None if used is None else int(rows["participant_id"].isin(used).sum()),
        "age": f"{age.mean():.1f} ({age.std():.1f})" if len(age) > 1 else _one(age),
        "range": f"{age.min():.0f}–{age.max():.0f}" if len(age) else "n/a",
        "female": f"{n_female} ({100 * n_female / len(sex):.0f} %)" if len(sex) else "n/a",
    }


def _one(age) -> str:
    return f"{age.iloc[0]:.1f}" if len(age) else "n/a"
