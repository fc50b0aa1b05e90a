"""Pages of the stage `fmri`: motion, quality control, QC-FC and connectomes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import brains, draw, fmri_edges, fmri_runs
from neuro.report.figures.cohort import ledger, run_maps
from neuro.report.pages import cortex, fmri_input
from neuro.report.pages.overview import participants, read_table
from neuro.report.site import model
from neuro.report.site.labels import Labels

_TEXT = {"run_key": str, "participant_id": str, "site": str, "session": str, "run": str}


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, from its result files.

    Parameters
    ----------
    results : pathlib.Path
    config : dict
    labels : Labels
    max_subject_figures : int, default 40

    Returns
    -------
    list of neuro.report.site.model.Section
    """
    folder = results / "fmri"
    runs = read_table(folder / "runs.tsv", **_TEXT)
    qc = read_table(folder / "group_qc.tsv", **_TEXT)
    if qc is not None:
        qc = _with_group(qc, participants(results))
    settings = config.get("fmri", {})
    blocks: list = [_intro(runs, qc, config)]
    blocks += fmri_input.blocks(folder, runs, config)
    if qc is not None and len(qc):
        blocks += [_site_table(qc), *_qc_figures(qc, settings)]
    blocks += fmri_edges.qc_fc(folder)
    blocks += ledger.blocks(results)
    blocks += fmri_edges.connectomes(folder, brains.in_template(results, config))
    blocks += run_maps.blocks(folder, brains.in_template(results, config))
    if qc is not None and len(qc):
        blocks += [
            model.Heading("Run by run"),
            model.Details(f"Quality measures of all {len(qc)} runs", [_run_table(qc, labels)]),
        ]
    blocks += cortex.quality(folder, *fmri_runs.find(folder), config)
    blocks += fmri_runs.blocks(folder, qc, settings, labels, max_subject_figures)
    return [model.Section("fmri", "Images, motion and connectomes", blocks)]


def _with_group(qc: pd.DataFrame, people: pd.DataFrame | None) -> pd.DataFrame:
    """The table with the diagnosis of each run, and its site where the table lacks it."""
    qc = qc.copy()
    qc["participant_id"] = qc["participant_id"].astype(str).str.removeprefix("sub-")
    if people is None:
        qc["dx"] = np.nan
        return qc
    people = people.set_index("participant_id")
    qc["dx"] = qc["participant_id"].map(people["dx"])
    if "site" not in qc:
        qc["site"] = np.nan
    qc["site"] = qc["site"].fillna(qc["participant_id"].map(people["site"]))
    return qc


def _intro(runs, qc, config: dict) -> model.Text:
    kind = config.get("data", {}).get("kind")
    words = "Denoised BOLD, region series and connectomes, with what there is to know about them."
    if runs is not None:
        n_runs = len(runs)
        n_people = runs["participant_id"].nunique() if "participant_id" in runs else n_runs
        words = f"{n_runs} runs of {n_people} participants were found. " + words
    if kind in ("table", "adhd200"):
        words += " The input are region tables, so there are no images to look at."
    return model.Text(words)


_MEASURES = (
    ("n_volumes", "Volumes", 0),
    ("n_kept", "Kept", 0),
    ("minutes_kept", "Minutes kept", 1),
    ("mean_fd", "Mean FD, mm", 3),
    ("max_fd", "Largest FD, mm", 2),
    ("frac_fd_over", "Share above FD limit", 2),
    ("mean_std_dvars", "Mean std DVARS", 2),
    ("median_tsnr", "Median tSNR", 0),
    ("n_constant", "Constant voxels", 0),
    ("min_coverage", "Smallest coverage", 2),
    ("dof_left", "Dof left", 0),
    ("in_band_power", "Power in band", 2),
)


_BY_RUN_ONLY = ("n_kept", "max_fd", "frac_fd_over", "n_constant")


def _present(qc) -> list:
    return [entry for entry in _MEASURES if entry[0] in qc and qc[entry[0]].notna().any()]


def _used(qc) -> pd.Series:
    """Whether each run is used; all are where the table does not say."""
    if "status" not in qc:
        return pd.Series(True, index=qc.index)
    return qc["status"].fillna("used").astype(str) != "excluded"


def _site_table(qc) -> model.Table:
    used = _used(qc)
    wanted = [entry for entry in _present(qc) if entry[0] not in _BY_RUN_ONLY]
    rows = []
    for name, everybody in qc.groupby(qc["site"].fillna("n/a").astype(str)):
        chosen = everybody[used.loc[everybody.index]]
        row = {
            "site": name,
            "runs": len(chosen),
            "out": len(everybody) - len(chosen),
            "people": int(chosen["participant_id"].nunique()),
        }
        rows.append(row | {key: float(chosen[key].median()) for key, _, _ in wanted})
    columns = [
        model.Column("site", "Site"),
        model.Column("people", "Participants", 0),
        model.Column("runs", "Runs used", 0),
        model.Column("out", "Runs excluded", 0),
        *(model.Column(key, label, digits) for key, label, digits in wanted),
    ]
    caption = (
        "Quality measures by site, median over the runs that are used. FD is framewise "
        "displacement; dof are the degrees of freedom that are left after filtering, censoring "
        "and confound regression."
    )
    return model.Table(caption, columns, rows)


def _run_table(qc, labels: Labels) -> model.Table:
    columns = [
        model.Column("run", "Run"),
        model.Column("site", "Site"),
        *([model.Column("status", "Status")] if "status" in qc else []),
        *(model.Column(key, label, digits) for key, label, digits in _present(qc)),
    ]
    rows = [
        {**row, "run": labels.text(row["run_key"])}
        for row in qc.sort_values("run_key").to_dict("records")
    ]
    return model.Table("Quality measures run by run.", columns, rows)


def _qc_figures(qc, settings: dict) -> list:
    charts: tuple = (
        (
            "mean_fd",
            "Mean FD (mm)",
            [(settings.get("fd_mm") if settings.get("scrub", True) else None, "censoring limit")],
            "Head motion: mean framewise displacement of each run, by site and diagnosis, "
            "excluded runs included. The short lines are medians.",
            "Lower is better. Where cases move more than controls, a difference between the "
            "groups may be motion; look at QC-FC and at the motion-only baseline.",
        ),
        (
            "minutes_kept",
            "Minutes kept",
            [(_minutes(settings), "least time")],
            "Time that is left of each run after censoring.",
            "Runs below the dashed line are excluded. Sites with shorter scans have noisier "
            "connectomes whatever the diagnosis.",
        ),
        (
            "dof_left",
            "Degrees of freedom left",
            [(10, "few")],
            "Temporal degrees of freedom that are left in each run after filtering, censoring "
            "and confound regression.",
            "A correlation from fewer than about 10 degrees of freedom is mostly chance; "
            "differences between sites here become differences between their graphs.",
        ),
        (
            "in_band_power",
            "Share of power in band",
            [],
            "Share of the signal's power inside the pass band, of each run.",
            "Close to 1 means the series are band-passed. A site that differs was filtered "
            "differently, or twice.",
        ),
    )
    out = []
    for key, label, lines, caption, how in charts:
        if key not in qc or not qc[key].notna().any():
            continue
        top = float(qc[key].max())
        # A limit far above all values would only squeeze them.
        limits = [(at, text) for at, text in lines if at is not None and at < 2.5 * top]
        out.append(
            draw.figure(
                key,
                partial(draw.by_site, label=label),
                data=draw.site_table(qc, key, limits),
                caption=caption,
                how_to_read=how,
                alt=f"{label} of every run by site and diagnosis",
            )
        )
    return out


def _minutes(settings: dict):
    seconds = settings.get("min_seconds")
    return None if not seconds else float(seconds) / 60
