"""Figures of the stage `fmri` about edges: QC-FC, and the mean connectome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import brains, draw
from neuro.report.pages.overview import read_table
from neuro.report.site import model

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
    colours = {"before": draw.OTHER, "after": draw.CONTROL}
    rows = [_qc_fc_row(name, table[table["stage"] == name]) for name in stages]

    def histogram(picture):
        axes = picture.subplots()
        bins = np.linspace(-1, 1, 61)
        for name, row in zip(stages, rows):
            values = table.loc[table["stage"] == name, "r"].dropna()
            axes.hist(
                values,
                bins,
                histtype="stepfilled",
                density=True,
                color=colours[name],
                alpha=0.35 if name == "before" else 0.6,
                label=f"{name}: {100 * row['share']:.0f} % of edges p < .05",
            )
        axes.axvline(0, color=draw.INK, lw=0.8)
        axes.set_xlabel("Correlation of edge strength with mean FD")
        axes.set_ylabel("Density of edges")
        low, high = np.nanpercentile(table["r"], [0.1, 99.9])
        reach = min(1.0, 1.25 * max(abs(low), abs(high)))
        axes.set_xlim(-reach, reach)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)

    out: list = [model.Heading("QC-FC: does motion shape the connectome?")]
    out.append(
        draw.figure(
            "qc_fc",
            histogram,
            caption="QC-FC: correlation over participants between the strength of each edge and "
            "mean framewise displacement, " + " and ".join(stages) + " confound removal.",
            how_to_read="Cleaning should make the distribution narrow and centred at zero; 5 % of "
            "edges below p = .05 is what chance gives.",
            alt="Histogram of QC-FC correlations " + " and ".join(stages) + " cleaning",
        )
    )
    if "distance_mm" in table and table["distance_mm"].notna().sum() > 3:
        for name, row in zip(stages, rows):
            part = table[(table["stage"] == name) & table["distance_mm"].notna()]
            out.append(_distance_figure(name, part.dropna(subset=["r"]), row, table))
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


def _qc_fc_row(name: str, part) -> dict:
    live = part.dropna(subset=["r"])
    slope = np.nan
    if "distance_mm" in live:
        far = live.dropna(subset=["distance_mm"])
        if len(far) > 2 and np.ptp(far["distance_mm"]) > 0:
            slope = 100 * float(np.polyfit(far["distance_mm"], far["r"], 1)[0])
    return {
        "stage": name,
        "n": len(live),
        "share": float((live["p"] < 0.05).mean()),
        "median": float(live["r"].abs().median()),
        "slope": slope,
    }


def _distance_figure(name: str, part, row, everything):
    def paint(picture):
        axes = picture.subplots()
        high = np.nanpercentile(np.abs(everything["r"]), 99.5)
        many = len(part) > 3000
        if many:
            axes.hexbin(
                part["distance_mm"],
                part["r"],
                gridsize=45,
                extent=(0, part["distance_mm"].max(), -high, high),
                cmap="Greys",
                bins="log",
                mincnt=1,
                linewidths=0.1,
            )
        else:
            axes.scatter(part["distance_mm"], part["r"], s=5, color=draw.OTHER, alpha=0.4, lw=0)
        if np.isfinite(row["slope"]):
            line = np.polyfit(part["distance_mm"], part["r"], 1)
            ends = np.array([part["distance_mm"].min(), part["distance_mm"].max()])
            text = f"slope {model.number(row['slope'], 3)} per 100 mm"
            axes.plot(ends, np.polyval(line, ends), color=draw.CASE, lw=2, label=text)
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
        axes.axhline(0, color=draw.INK, lw=0.8)
        axes.set_ylim(-1.1 * high, 1.1 * high)
        axes.set_xlabel("Distance between the regions (mm)")
        axes.set_ylabel("Correlation with mean FD")

    return draw.figure(
        f"qc_fc_distance_{name}",
        paint,
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

    found = read_connectomes(path)
    n_regions = len(found.region)
    after = draw.from_edges(_mean_over_people(found.edges, found.participant_id), n_regions)
    label = {"fisher_z": "Fisher z", "pearson": "r"}.get(found.kind, found.kind)
    before, n_before = (None, 0)
    if found.kind in ("fisher_z", "pearson"):
        before, n_before = _before(folder, found.run_key, n_regions, found.kind)
    # One scale for both, so that the two matrices can be compared.
    both = np.concatenate([np.ravel(values) for values in (before, after) if values is not None])
    limit = float(np.nanpercentile(np.abs(both), 98)) if np.isfinite(both).any() else 1.0
    out: list = [model.Heading("Mean connectome")]
    n_people = len(set(found.participant_id))
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
        scale = max(limit, 1e-6)
        out.append(
            draw.figure(
                name,
                lambda picture, values=values, scale=scale: draw.matrix(
                    picture, values, limit=scale, label=label
                ),
                size=(4.6, 3.9),
                caption=f"Mean connectome {words}, {n_regions} regions in the order of the atlas).",
                how_to_read=how,
                alt=f"Matrix of the mean connectome {words})",
            )
        )
    centres = _centres(folder, found.region) if template else None
    if centres is not None:
        out += _in_the_brain(after, centres, label)
    return out


def _centres(folder: Path, regions):
    """Centres (mm) of the regions, where all are known and lie in the template's brain."""
    table = read_table(folder / "regions.tsv", region=str, label=str)
    if table is None or not {"x", "y", "z"} <= set(table):
        return None
    name = "region" if "region" in table else table.columns[0]
    table = table.drop_duplicates(name).set_index(name).reindex([str(word) for word in regions])
    coords = table[["x", "y", "z"]].to_numpy(float)
    return coords if np.isfinite(coords).all() and brains.inside_template(coords) else None


def _in_the_brain(matrix, centres, label: str) -> list:
    kept = brains.strongest(matrix)
    n_edges = int(np.count_nonzero(kept)) // 2
    if not n_edges:
        return []
    reach = float(np.abs(kept).max())
    return [
        draw.figure(
            "connectome_brain",
            lambda picture: brains.connectome(picture, kept, centres, reach, label),
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
        z = np.arctanh(np.clip(r, -1 + 1e-7, 1 - 1e-7)) if kind == "fisher_z" else r
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
