"""Page of the run itself: time and memory, seeds, software and the settings of the run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

import neuro
from neuro.base import provenance
from neuro.report.site import model
from neuro.report.site.labels import Labels

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "nilearn", "nibabel", "numba", "snakemake")


def section(results: Path, config: dict, stages, labels: Labels) -> model.Section:
    """Benchmarks, seeds, versions and the resolved settings.

    Parameters
    ----------
    results : pathlib.Path
    config : dict
    stages : sequence of str
        Enabled stages.
    labels : Labels

    Returns
    -------
    neuro.report.site.model.Section
    """
    blocks = [*_costs(results, stages), *_seeds(config, stages), *_software()]
    path = results / "provenance" / "config.yaml"
    if path.is_file():
        text = "\n".join(labels.text(line) for line in path.read_text("utf-8").splitlines())
        blocks.append(model.Heading("Settings"))
        blocks.append(
            model.Details("All settings of this run, with their origin", [model.Code(text)])
        )
    return model.Section("record", "Run times and provenance", blocks)


def rule_name(path: Path, stage: str) -> str:
    """The rule of a benchmark file `.../<what>_<stage>_<rule>.tsv`."""
    match = re.search(rf"(?:^|_)({re.escape(stage)}(?:_[A-Za-z0-9]+)*)$", path.stem)
    return match[1] if match else path.stem


def read_benchmarks(results: Path) -> pd.DataFrame:
    """All benchmark tables: one row per measured job.

    Parameters
    ----------
    results : pathlib.Path

    Returns
    -------
    pandas.DataFrame
        Columns `stage`, `rule`, `wall_s`, `cpu_s`, `rss_mb`; NaN where Snakemake measured
        nothing because the job was too short.
    """
    root = results / "benchmarks"
    rows = []
    for path in sorted(root.rglob("*.tsv")):
        stage = path.relative_to(root).parts[0]
        if path.stat().st_size == 0:
            continue
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        for row in table.to_dict("records"):
            rows.append(
                {
                    "stage": stage,
                    "rule": rule_name(path, stage),
                    "wall_s": row.get("s", np.nan),
                    "cpu_s": row.get("cpu_time", np.nan),
                    "rss_mb": row.get("max_rss", np.nan),
                }
            )
    return pd.DataFrame(rows, columns=["stage", "rule", "wall_s", "cpu_s", "rss_mb"])


def _costs(results: Path, stages) -> list:
    table = read_benchmarks(results)
    if table.empty:
        return []
    # What ran, in the order of the chain; simulation comes first, the report last.
    order = {name: number for number, name in enumerate(("simulate", *stages, "report"))}
    table = table[table["stage"].isin(order)]
    rows = []
    for (stage, rule), group in sorted(
        table.groupby(["stage", "rule"]), key=lambda entry: (order[entry[0][0]], entry[0][1])
    ):
        rows.append(
            {
                "stage": stage,
                "rule": rule,
                "jobs": len(group),
                "median": float(group["wall_s"].median()),
                "wall": float(group["wall_s"].sum()),
                "cpu": float(group["cpu_s"].sum()) if group["cpu_s"].notna().any() else np.nan,
                "rss": float(group["rss_mb"].max()),
            }
        )
    if not rows:
        return []
    cpu = [row["cpu"] for row in rows if np.isfinite(row["cpu"])]
    rows.append(
        {
            "stage": "All",
            "rule": "",
            "jobs": sum(row["jobs"] for row in rows),
            "median": None,
            "wall": sum(row["wall"] for row in rows),
            "cpu": sum(cpu) if cpu else np.nan,
            "rss": float(np.nanmax([row["rss"] for row in rows] + [0.0])),
            "strong": True,
        }
    )
    columns = [
        model.Column("stage", "Stage"),
        model.Column("rule", "Rule"),
        model.Column("jobs", "Jobs", 0),
        model.Column("median", "Median time per job, s", 1),
        model.Column("wall", "Time of all jobs, s", 1),
        model.Column("cpu", "CPU time, s", 1),
        model.Column("rss", "Largest memory, MB", 0),
    ]
    caption = (
        "Time and memory as Snakemake measured them. Jobs run side by side, so the whole run took "
        "less than the sum; very short jobs have no CPU time or memory of their own."
    )
    return [model.Heading("Time and memory"), model.Table(caption, columns, rows)]


def _seeds(config: dict, stages) -> list:
    rows = [
        {"section": name, "seed": config[name]["seed"]}
        for name in ("execution", *stages)
        if isinstance(config.get(name), dict) and config[name].get("seed") is not None
    ]
    if not rows:
        return []
    columns = [model.Column("section", "Section"), model.Column("seed", "Seed", 0)]
    caption = "Seeds: the same seed on the same machine gives the same results."
    return [model.Heading("Seeds"), model.Table(caption, columns, rows)]


def _software() -> list:
    installed = provenance.versions(*_PACKAGES)
    state = provenance.git_state()
    rows = [{"name": name, "version": version} for name, version in installed.items()]
    if state:
        commit = state["Commit"][:12] + (" with local changes" if state["Dirty"] else "")
        rows[0]["version"] = f"{neuro.__version__} (commit {commit})"
    columns = [model.Column("name", "Package"), model.Column("version", "Version")]
    return [
        model.Heading("Software"),
        model.Details("Versions", [model.Table("Versions of the main packages.", columns, rows)]),
    ]
