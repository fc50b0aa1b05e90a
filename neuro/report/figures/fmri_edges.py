"""Figures of the stage `fmri` about edges: QC-FC, and the mean connectome."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import brains, draw
from neuro.report.pages.overview import read_table
from neuro.report.site import model
from neuro.stats.fisher import fisher_z

_MAX_BEFORE = 60
"""Runs whose series before cleaning are read for the mean connectome; reading text is slow."""


def qc_fc(folder: Path) -> list:
    """QC-FC before and after confound removal, against distance where that is known.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.

    Returns
    -------
    list
        Empty without `qc_fc.tsv`.
    """
    table = read_table(folder / "qc_fc.tsv")
    if table is None or "r" not in table or not table["r"].notna().any():
        return []
    stages = [name for name in ("before", "after") if (table["stage"] == name).any()]
    rows = [_qc_fc_row(name, table[table["stage"] == name]) for name in stages]
    out: list = [model.Heading("QC-FC: does motion shape the connectome?")]
    out.append(
        draw.figure(
            "qc_fc",
            qc_fc_paint,
            data=qc_fc_table(table, rows),
            caption="QC-FC: correlation over participants between the strength of each edge and "
            "mean framewise displacement, " + " and ".join(stages) + " confound removal.",
            how_to_read="Cleaning should make the distribution narrow and centred at zero; 5 % of "
            "edges below p = .05 is what chance gives.",
            alt="Histogram of QC-FC correlations " + " and ".join(stages) + " cleaning",
        )
    )
    if "distance_mm" in table and table["distance_mm"].notna().sum() > 3:
        limit = 1.1 * float(np.nanpercentile(np.abs(table["r"]), 99.5))
        for name in stages:
            chosen = table[table["stage"] == name].dropna(subset=["distance_mm", "r"])
            out.append(_distance_figure(name, distance_table(chosen), limit))
    columns = [
        model.Column("stage", "Confound removal"),
        model.Column("n", "Edges", 0),
        model.Column("share", "Share with p < .05", 3),
        model.Column("median", "Median |r|", 3),
        model.Column("slope", "Slope, r per 100 mm", 4),
    ]
    caption = "QC-FC before and after confound removal." if len(stages) > 1 else "QC-FC."
    out.append(model.Table(caption, columns, rows))
    return out


COLOURS = {"before": draw.OTHER, "after": draw.CONTROL}


def qc_fc_table(table: pd.DataFrame, rows: list[dict]) -> pd.DataFrame:
    """Histograms of QC-FC correlations.

    Parameters
    ----------
    table : pandas.DataFrame
        `qc_fc.tsv`.
    rows : list of dict
        `stage` and `share` of edges with p < .05.

    Returns
    -------
    pandas.DataFrame
        Bars of each `series` (`before`, `after`) from `low` to `high`, their `height` (density)
        and `label`; the bins reach as far as 99.8 % of all edges and a quarter more.
    """
    low, high = np.nanpercentile(table["r"], [0.1, 99.9])
    reach = min(1.0, 1.25 * max(abs(low), abs(high)))
    values = {row["stage"]: table.loc[table["stage"] == row["stage"], "r"].dropna() for row in rows}
    out = draw.counts(values, np.linspace(-1, 1, 61), density=True)
    words = {row["stage"]: f"{row['stage']}: {100 * row['share']:.0f} %" for row in rows}
    out["label"] = out["series"].map(words) + " of edges p < .05"
    return out[(out["low"] < reach) & (out["high"] > -reach)].reset_index(drop=True)


def qc_fc_paint(picture, table: pd.DataFrame) -> None:
    """Bars of :func:`qc_fc_table`."""
    axes = picture.subplots()
    for (name, label), points in table.groupby(["series", "label"], sort=False):
        shade = 0.35 if name == "before" else 0.6
        draw.steps(axes, points, color=COLOURS[name], alpha=shade, label=label)
    axes.axvline(0, color=draw.INK, lw=0.8)
    axes.set_xlabel("Correlation of edge strength with mean FD")
    axes.set_ylabel("Density of edges")
    axes.set_xlim(table["low"].min(), table["high"].max())
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def _qc_fc_row(name: str, points) -> dict:
    live = points.dropna(subset=["r"])
    line = _line(live.dropna(subset=["distance_mm"])) if "distance_mm" in live else None
    return {
        "stage": name,
        "n": len(live),
        "share": float((live["p"] < 0.05).mean()),
        "median": float(live["r"].abs().median()),
        "slope": np.nan if line is None else 100 * float(line[0]),
    }


def _line(far):
    """Slope (r per mm) and height of the straight line through r over distance."""
    if len(far) < 3 or np.ptp(far["distance_mm"]) == 0:
        return None
    return np.polyfit(far["distance_mm"], far["r"], 1)


def distance_table(points: pd.DataFrame) -> pd.DataFrame:
    """QC-FC over distance, and the line through it.

    Parameters
    ----------
    points : pandas.DataFrame
        Rows of `qc_fc.tsv` with `distance_mm` and `r`.

    Returns
    -------
    pandas.DataFrame
        Rows of `series` `edges` as of :func:`neuro.report.figures.draw.cloud` (`x` in mm, `y` is
        r), then both ends of the `slope`, whose words are `label`.
    """
    out = draw.cloud(points["distance_mm"], points["r"]).assign(series="edges")
    line = _line(points)
    if line is None:
        return out
    ends = np.array([points["distance_mm"].min(), points["distance_mm"].max()])
    text = f"slope {model.number(100 * float(line[0]), 3)} per 100 mm"
    slope = {"series": "slope", "x": ends, "y": np.polyval(line, ends), "label": text}
    return pd.concat([out, pd.DataFrame(slope)], ignore_index=True)


def distance_paint(picture, table: pd.DataFrame, limit: float) -> None:
    """Edges and line of :func:`distance_table`; `limit` is the end of the axis."""
    axes = picture.subplots()
    edges, slope = (table[table["series"] == name] for name in ("edges", "slope"))
    draw.cloud_paint(axes, edges, cmap="Greys", s=5, color=draw.OTHER, alpha=0.4)
    if len(slope):
        axes.plot(slope["x"], slope["y"], color=draw.CASE, lw=2, label=slope["label"].iloc[0])
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    axes.axhline(0, color=draw.INK, lw=0.8)
    axes.set_ylim(-limit, limit)
    axes.set_xlabel("Distance between the regions (mm)")
    axes.set_ylabel("Correlation with mean FD")


def _distance_figure(name: str, table: pd.DataFrame, limit: float) -> model.Figure:
    return draw.figure(
        f"qc_fc_distance_{name}",
        partial(distance_paint, limit=limit),
        data=table,
        caption=f"QC-FC against the distance between the two regions of an edge, {name} confound "
        "removal.",
        how_to_read="A falling line is the trace of motion: it makes neighbours look more alike "
        "than distant regions. A flat line at zero is the aim.",
        alt=f"QC-FC against distance {name} cleaning",
    )


def connectomes(folder: Path, template: bool = False) -> list:
    """Mean connectome after, and where its series were kept before, confound removal.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.
    template : bool, default False
        Whether the images are in template space, so that edges can be drawn in a brain.

    Returns
    -------
    list
        Empty without `connectomes.h5`.
    """
    path = folder / "connectomes.h5"
    if not path.is_file() or not path.stat().st_size:
        return []
    from neuro.io.regions.connectomes import read_connectomes

    content = read_connectomes(path)
    n_regions = len(content.region)
    after = draw.from_edges(_mean_over_people(content.edges, content.participant_id), n_regions)
    label = {"fisher_z": "Fisher z", "pearson": "r"}.get(content.kind, content.kind)
    before, n_before = (None, 0)
    if content.kind in ("fisher_z", "pearson"):
        before, n_before = _before(folder, content.run_key, n_regions, content.kind)
    # One scale for both, so that the two matrices can be compared.
    both = np.concatenate([np.ravel(values) for values in (before, after) if values is not None])
    limit = float(np.nanpercentile(np.abs(both), 98)) if np.isfinite(both).any() else 1.0
    out: list = [model.Heading("Mean connectome")]
    n_people = len(set(content.participant_id))
    how = (
        "Red pairs rise and fall together, blue ones in turn. Blocks are networks; a matrix that "
        "is red all over still holds a global signal; grey regions lack data."
    )
    for name, values, words in (
        ("connectome_before", before, f"before confound removal ({n_before} runs"),
        ("connectome", after, f"after confound removal ({n_people} participants"),
    ):
        if values is None:
            continue
        words = words if before is not None else f"({n_people} participants"
        out.append(
            draw.figure(
                name,
                partial(draw.matrix, limit=max(limit, 1e-6), label=label),
                data=matrix_table(values, content.region),
                size=(4.6, 3.9),
                caption=f"Mean connectome {words}, {n_regions} regions in the order of the atlas).",
                how_to_read=how,
                alt=f"Matrix of the mean connectome {words})",
            )
        )
    centres = centres_of(folder, content.region) if template else None
    if centres is not None:
        out += _in_the_brain(after, centres, content.region, label)
    return out


def centres_of(folder: Path, regions):
    """Centres (mm) of the regions, where all are known and lie in the template's brain."""
    table = read_table(folder / "regions.tsv", region=str, label=str)
    if table is None or not {"x", "y", "z"} <= set(table):
        return None
    name = "region" if "region" in table else table.columns[0]
    table = table.drop_duplicates(name).set_index(name).reindex([str(word) for word in regions])
    coords = table[["x", "y", "z"]].to_numpy(float)
    return coords if np.isfinite(coords).all() and brains.inside_template(coords) else None


def matrix_table(values, regions) -> pd.DataFrame:
    """A matrix as a table: a row per `region`, a column for each of them."""
    table = pd.DataFrame(values, columns=[str(name) for name in regions])
    table.insert(0, "region", list(table.columns), allow_duplicates=True)
    return table


def brain_table(kept, centres, regions) -> pd.DataFrame:
    """Edges between places.

    Parameters
    ----------
    kept : ndarray, shape (n_regions, n_regions)
        Symmetric; 0 where no edge is drawn.
    centres : ndarray, shape (n_regions, 3)
        mm.
    regions : sequence of str

    Returns
    -------
    pandas.DataFrame
        A row of `kind` `region` per region with its name as `a` and its `x`, `y` and `z`, then a
        row of `kind` `edge` per edge, from region `a` to region `b`, with its `value`.
    """
    names = np.array([str(name) for name in regions], dtype=object)
    places = pd.DataFrame(centres, columns=["x", "y", "z"])
    places.insert(0, "kind", "region")
    places.insert(1, "a", names)
    i, j = np.nonzero(np.triu(kept, 1))
    edges = pd.DataFrame({"kind": "edge", "a": names[i], "b": names[j], "value": kept[i, j]})
    return pd.concat([places, edges], ignore_index=True)


def brain_paint(picture, table: pd.DataFrame, label: str) -> None:
    """Edges of :func:`brain_table` in a glass brain."""
    places = table[table["kind"] == "region"]
    edges = table[table["kind"] == "edge"]
    order = {name: number for number, name in enumerate(places["a"])}
    i, j = edges["a"].map(order).to_numpy(), edges["b"].map(order).to_numpy()
    matrix = np.zeros((len(places), len(places)))
    matrix[i, j] = matrix[j, i] = edges["value"]
    centres = places[["x", "y", "z"]].to_numpy(float)
    brains.connectome(picture, matrix, centres, float(edges["value"].abs().max()), label)


def _in_the_brain(matrix, centres, regions, label: str) -> list:
    kept = brains.strongest(matrix)
    n_edges = int(np.count_nonzero(kept)) // 2
    if not n_edges:
        return []
    return [
        draw.figure(
            "connectome_brain",
            partial(brain_paint, label=label),
            data=brain_table(kept, centres, regions),
            size=(9.4, 2.9),
            dpi=110,
            layout=None,
            wide=True,
            caption=f"The {n_edges} strongest edges of the mean connectome at the centres of their "
            "regions, in a glass brain: from the left, the back, the right and above.",
            how_to_read="Lines join regions that rise and fall together (red) or in turn (blue). "
            "Only the strongest edges are shown: a missing line is no missing connection.",
            alt="Strongest edges of the mean connectome in a glass brain",
        ),
        brains.connectome_page(
            kept, centres, "The strongest edges, to turn", "in three dimensions, with the mouse"
        ),
    ]


def _mean_over_people(edges, participant_id) -> np.ndarray:
    """Mean over participants of the means over their runs, missing edges left out."""
    table = pd.DataFrame(np.asarray(edges, float)).groupby(np.asarray(participant_id)).mean()
    return table.mean().to_numpy()


def _before(folder: Path, run_keys, n_regions: int, kind: str):
    """Mean connectome of the series before cleaning, where the stage kept them."""
    total, count, n_runs = np.zeros((n_regions, n_regions)), np.zeros((n_regions, n_regions)), 0
    files = {path.name.split("_atlas-")[0]: path for path in _preproc_series(folder)}
    for key in [key for key in run_keys if key in files][:_MAX_BEFORE]:
        table = read_table(files[key])
        if table is None or table.shape[1] != n_regions or len(table) < 4:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            r = np.corrcoef(table.to_numpy(float), rowvar=False)
        z = fisher_z(r) if kind == "fisher_z" else r
        live = np.isfinite(z)
        total[live] += z[live]
        count += live
        n_runs += 1
    if not n_runs:
        return None, 0
    with np.errstate(invalid="ignore"):
        mean = total / np.where(count, count, np.nan)
    np.fill_diagonal(mean, np.nan)
    return mean, n_runs


def _preproc_series(folder: Path):
    pattern = "func/*_atlas-*_desc-preproc_timeseries.tsv"
    return [*folder.glob(f"sub-*/{pattern}"), *folder.glob(f"sub-*/ses-*/{pattern}")]
