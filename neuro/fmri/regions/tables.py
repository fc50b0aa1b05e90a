"""Region tables: checked against each other, filtered if asked for, with a row of quality."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd

from neuro.fmri.clean.run import denoise_run
from neuro.fmri.quality.run import run_qc
from neuro.io.bids import xcpd
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.io.regions.region_series import RegionSeries


def prepare(run: RegionSeries, settings, regions=None, beside=("", "")):
    """Drop volumes, filter, and describe one run that came as a table.

    Parameters
    ----------
    run : RegionSeries
    settings : dict
        Keys `clean_tables`, `band` (Hz), `filter`, `drop_volumes`, `min_seconds` (s).
    regions : list of str, optional
        Labels that the runs before had; others exclude the run.
    beside : tuple of path-like
        `*_outliers.tsv` and `*_motion.tsv` of XCP-D, empty where there are none.

    Returns
    -------
    run : RegionSeries or None
        None when the run is excluded.
    qc : dict or None
        Row of the quality table.
    exclusions : list of dict
    """
    if regions is not None and run.regions != regions:
        reason = f"{len(run.regions)} regions, the runs before have {len(regions)}"
        if len(run.regions) == len(regions):
            reason = "regions differ in name or order from the runs before"
        return None, None, [exclusion(run.run_key, "read", reason)]
    fd, places = None, None
    if any(beside):
        try:
            places, rows, fd = xcpd.whole_run(len(run.series), run.path, *beside)
        except InputProblem as problem:
            return None, None, [exclusion(run.run_key, "read", "; ".join(problem.problems))]
        run = dataclasses.replace(run, series=run.series[rows])
    series = run.series[settings["drop_volumes"] :]
    seconds = len(series) * run.tr
    if seconds < settings["min_seconds"]:
        row = exclusion(
            run.run_key, "length", "scan too short (s)", round(seconds, 1), settings["min_seconds"]
        )
        return None, None, [row]
    if not settings["clean_tables"]:
        if places is None:
            places = [True] * len(series)
        else:
            places[np.flatnonzero(places)[: settings["drop_volumes"]]] = False
        qc = run_qc(
            run_key=run.run_key,
            kept=places,
            tr=run.tr,
            fd=fd,
            after=series,
            band=settings["band"],
        )
        return dataclasses.replace(run, series=series), qc, []
    try:
        result = denoise_run(
            series,
            tr=run.tr,
            run_key=run.run_key,
            settings={
                "strategy": "none",
                "scrub": False,
                "band": settings["band"],
                "filter": settings["filter"],
                "min_seconds": settings["min_seconds"],
            },
        )
    except InputProblem as problem:
        return None, None, [exclusion(run.run_key, "clean", "; ".join(problem.problems))]
    if result.excluded:
        return None, result.qc, result.exclusions
    return dataclasses.replace(run, series=result.denoised), result.qc, result.exclusions


UNFILTERED = 0.8
"""Tables with a smaller median share of power in the band count as not filtered (ours: filtered
ADHD-200 tables have .89 to 1, unfiltered ones .43 to .71)."""


def unfiltered(qc, settings) -> list[str]:
    """One line per site whose tables seem to be used without a filter.

    Parameters
    ----------
    qc : pandas.DataFrame
        `site` and `in_band_power` of each run.
    settings : dict
        Keys `clean_tables`, `band` (Hz).

    Returns
    -------
    list of str
        Empty where the tables are filtered here.
    """
    if settings["clean_tables"] or not {"site", "in_band_power"} <= set(qc):
        return []
    lines = []
    for site, of_site in qc.dropna(subset=["in_band_power"]).groupby(
        qc["site"].fillna("").astype(str)
    ):
        share = of_site["in_band_power"].median()
        if share < UNFILTERED:
            low, high = settings["band"]
            lines.append(
                f"{site + ': ' if site else ''}{len(of_site)} tables seem not to be filtered: the "
                f"median share of power in {low:g}-{high:g} Hz is {share:.2f}; fmri.clean_tables: "
                "true filters them, or say in your report that they are not"
            )
    return lines


def remarks(quality: pd.DataFrame, rows, settings) -> list[dict]:
    """Rows of the exclusions table that leave nothing out: :func:`unfiltered`, site by site.

    Parameters
    ----------
    quality : pandas.DataFrame
        `run_key`, `in_band_power`, `status`.
    rows : list of dict
        Runs, with `site`.
    settings : dict

    Returns
    -------
    list of dict
    """
    site = {row["run_key"]: row.get("site") for row in rows}
    used = quality[quality["status"] == "used"]
    lines = unfiltered(used.assign(site=used["run_key"].map(site)), settings)
    return [exclusion("series", "remark", line, threshold=UNFILTERED) for line in lines]


def region_coordinates(regions, atlas=None) -> pd.DataFrame:
    """Names and centres of the regions of a table.

    Parameters
    ----------
    regions : list of str
        Labels, for instance the codes of the atlas.
    atlas : path-like, optional
        Label image whose values are the labels.

    Returns
    -------
    pandas.DataFrame
        Columns region, x, y, z (mm, RAS+); missing without an atlas.

    Raises
    ------
    InputProblem
        When the atlas lacks one of the labels.
    """
    table = pd.DataFrame({"region": list(regions)}).reindex(columns=["region", "x", "y", "z"])
    if atlas is None:
        return table
    from neuro.io.images.header import open_image
    from neuro.io.regions.atlas import label_centroids_mm

    labels, coords, _ = label_centroids_mm(open_image(atlas))
    centres = dict(zip(map(str, labels), coords))
    absent = [name for name in regions if name not in centres]
    if absent:
        raise InputProblem(
            f"fmri.atlas: {atlas} has no label '{absent[0]}' ({len(absent)} of {len(regions)} "
            "regions of the tables are missing in it)"
        )
    coords = pd.DataFrame([centres[name] for name in regions], columns=["x", "y", "z"])
    return pd.concat([table[["region"]], coords.round(3)], axis=1)


def usable(runs, settings, quality: list, exclusions: list, beside=None):
    """Prepared runs one after the other; what they leave behind goes to the lists.

    Parameters
    ----------
    runs : iterable of RegionSeries
    settings : dict
        See :func:`prepare`.
    quality : list
        Rows of the quality table are added.
    exclusions : list
        Rows of the exclusions table are added; in the end one per region and site with the
        number of runs in which the region is missing.
    beside : dict, optional
        Run key to the paths of `*_outliers.tsv` and `*_motion.tsv`.

    Yields
    ------
    RegionSeries

    Raises
    ------
    InputProblem
        When no run is left; the reasons, at most 20.
    """
    regions = None
    missing: Counter = Counter()
    n_runs: Counter = Counter()
    for run in runs:
        files = (beside or {}).get(run.run_key, ("", ""))
        result, qc, reasons = prepare(run, settings, regions, files)
        exclusions += reasons
        if qc:
            quality.append(qc | {"status": "used" if result else "excluded"})
        if result is not None:
            regions = regions or result.regions
            n_runs[result.site] += 1
            missing.update((name, result.site) for name in result.missing)
            yield result
    exclusions += [
        exclusion(
            f"region {name}",
            "coverage",
            f"constant or without values in {count} of {n_runs[site]} runs"
            + (f" of {site}" if site else "")
            + "; missing there",
            count,
        )
        for (name, site), count in sorted(missing.items())
    ]
    if regions is None:
        lines = [f"{row['what']}: {row['reason']}" for row in exclusions[:20]]
        raise InputProblem(lines or ["data.root: no region table could be read"])
