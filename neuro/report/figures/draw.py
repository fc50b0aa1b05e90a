"""Drawing: one look for all figures, and the few chart types that several pages share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from neuro.report.site import model

if TYPE_CHECKING:
    import pandas as pd

CONTROL, CASE, OTHER = "#0072B2", "#D55E00", "#6B7280"
MORE, LESS = "#B2182B", "#2166AC"
INK, PALE = "#1F2328", "#D0D7DE"
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#8C6D31")
"""Colours that differ for colour-blind readers too (Okabe and Ito 2008)."""

GROUPS = ((0, "Control", CONTROL, "o"), (1, "Case", CASE, "^"), (None, "Not known", OTHER, "s"))

HALF, WIDE = (4.6, 3.2), (9.4, 3.2)
"""Inches; the page scales pictures to the width of its columns."""

_MANY = 3000
"""Points of a cloud that are still drawn one by one."""

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": "#57606A",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "image.interpolation": "nearest",
}


def figure(
    name, paint, *, data=None, size=HALF, dpi=150, layout="constrained", **texts
) -> model.Figure:
    """Paint a picture of a table and keep both.

    Parameters
    ----------
    name : str
    paint : callable
        Gets an empty :class:`matplotlib.figure.Figure` and `data`; draws nothing else.
    data : pandas.DataFrame
        One row per mark that is drawn.
    size : tuple of float
        Inches.
    dpi : int
    layout : str or None
        Layout engine; None leaves the axes where `paint` puts them, which is faster.
    **texts
        `caption`, `how_to_read`, `alt` and `wide` of :class:`neuro.report.site.model.Figure`.

    Returns
    -------
    neuro.report.site.model.Figure
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        picture = Figure(figsize=size, dpi=dpi, layout=layout)
        FigureCanvasAgg(picture)
        if data is None:
            paint(picture)
        else:
            paint(picture, data)
        stream = io.BytesIO()
        # No program name or date in the file: same data, same bytes.
        picture.savefig(stream, format="png", metadata={"Software": None})
    return model.Figure(name=name, png=stream.getvalue(), data=data, **texts)


def long(values, **axes) -> pd.DataFrame:
    """An array as a tidy table: one row per entry, named by its labels.

    Parameters
    ----------
    values : array-like
    **axes
        Name and labels of each dimension, in their order.

    Returns
    -------
    pandas.DataFrame
        A column per dimension, and `value`.
    """
    import pandas as pd

    index = pd.MultiIndex.from_product(axes.values(), names=axes)
    return pd.Series(np.asarray(values).ravel(), index, name="value").reset_index()


def wide(table, rows: str, columns: str, value: str = "value") -> pd.DataFrame:
    """The matrix of a tidy table; rows and columns in the order of their first mention."""
    matrix = table.pivot(index=rows, columns=columns, values=value)
    return matrix.loc[table[rows].unique(), table[columns].unique()]


def spread(count: int, width: float = 0.22) -> np.ndarray:
    """Horizontal offsets that keep `count` dots apart; the same at every call."""
    return ((np.arange(count) * 0.618034) % 1 - 0.5) * width


def site_table(table, value: str, lines=()) -> pd.DataFrame:
    """One value per run, by site, controls beside cases, with their medians.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `site`, `dx` and `value`.
    value : str
    lines : sequence of (float, str)
        Limits to mark: where, and what they are.

    Returns
    -------
    pandas.DataFrame
        Columns `kind` (`run`, `median` or `limit`), `series` (group, or what the limit is),
        `site`, `x` and `y`.
    """
    import pandas as pd

    site = table["site"].fillna("n/a").astype(str)
    groups = [group for group in GROUPS if _members(table, group[0]).any()]
    parts = []
    for number, (group, name, *_) in enumerate(groups):
        member = _members(table, group)
        offset = (number - (len(groups) - 1) / 2) * 0.32
        for x, wanted in enumerate(sorted(site.unique())):
            values = np.sort(table.loc[member & (site == wanted), value].to_numpy(float))
            if not len(values):
                continue
            one = {"series": name, "site": wanted}
            dots = {"x": x + offset + spread(len(values)), "y": values}
            parts.append(pd.DataFrame({"kind": "run", **one, **dots}))
            if np.isfinite(values).any():
                middle = {"x": [x + offset], "y": np.nanmedian(values)}
                parts.append(pd.DataFrame({"kind": "median", **one, **middle}))
    limit = {"series": [text for _, text in lines], "y": [float(at) for at, _ in lines]}
    parts.append(pd.DataFrame({"kind": "limit", "site": None, "x": np.nan, **limit}))
    return pd.concat([frame for frame in parts if len(frame)], ignore_index=True)


def by_site(picture, table, label: str) -> None:
    """Dots and medians of :func:`site_table`; `label` is that of the axis, with unit."""
    axes = picture.subplots()
    runs, medians = (table[table["kind"] == kind] for kind in ("run", "median"))
    for _, name, colour, marker in GROUPS:
        chosen = runs[runs["series"] == name]
        if chosen.empty:
            continue
        axes.scatter(
            *(chosen["x"], chosen["y"]),
            s=16 if len(runs) < 200 else 7,
            color=colour,
            marker=marker,
            alpha=0.75,
            linewidths=0,
        )
        axes.scatter([], [], s=18, color=colour, marker=marker, label=name)
    for x, y in zip(medians["x"], medians["y"]):
        axes.plot([x - 0.13, x + 0.13], [y, y], color=INK, lw=1.4)
    sites = sorted(runs["site"].unique())
    axes.set_xticks(range(len(sites)), sites, rotation=0 if len(sites) <= 4 else 35)
    axes.set_xlim(-0.6, len(sites) - 0.4)
    axes.set_ylabel(label)
    lines = table[table["kind"] == "limit"]
    limits(axes, zip(lines["y"], lines["series"]))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)


def _members(table, group):
    return table["dx"].isna() if group is None else table["dx"] == group


def limits(axes, lines) -> None:
    """Dashed horizontal lines with their names at the right end."""
    for height, text in lines:
        axes.axhline(height, color=OTHER, lw=1, ls=(0, (4, 3)), zorder=0)
        axes.annotate(
            text,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=7.5,
            color=OTHER,
        )


def bars(picture, table, label: str, *, signed: bool = False) -> None:
    """Horizontal bars of `region` and `value`, the first on top; signed ones red and blue."""
    axes = picture.subplots()
    heights, values = np.arange(len(table)), table["value"].to_numpy(float)
    colour = np.where(values > 0, MORE, LESS) if signed else CONTROL
    axes.barh(heights, values, color=colour, height=0.72)
    axes.set_yticks(heights, table["region"], fontsize=7.5)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.axvline(0, color=INK, lw=0.8)


def counts(series, edges, density: bool = False) -> pd.DataFrame:
    """Histograms with common bins: columns `series`, `low`, `high` and `height`.

    Parameters
    ----------
    series : dict of str to array
    edges : ndarray, shape (n_bins + 1,)
    density : bool
        Heights are densities instead of counts.
    """
    import pandas as pd

    bins = {"low": edges[:-1], "high": edges[1:]}
    return pd.concat(
        [
            pd.DataFrame(
                {"series": name, **bins, "height": np.histogram(values, edges, density=density)[0]}
            )
            for name, values in series.items()
        ],
        ignore_index=True,
    )


def steps(axes, table, **look) -> None:
    """The bars of one series of :func:`counts`."""
    width = table["high"] - table["low"]
    axes.bar(table["low"], table["height"], width, align="edge", lw=0, **look)


def cloud(x, y, n_bins: int = 50) -> pd.DataFrame:
    """Points, or the counts of a grid where they are too many to be told apart.

    Returns
    -------
    pandas.DataFrame
        Columns `x`, `y`, `width`, `height` (0 for a point) and `count`.
    """
    import pandas as pd

    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= _MANY:
        return pd.DataFrame({"x": x, "y": y, "width": 0.0, "height": 0.0, "count": 1})
    count, left, low = np.histogram2d(x, y, n_bins)
    i, j = np.nonzero(count)
    return pd.DataFrame(
        {
            "x": (left[i] + left[i + 1]) / 2,
            "y": (low[j] + low[j + 1]) / 2,
            "width": left[i + 1] - left[i],
            "height": low[j + 1] - low[j],
            "count": count[i, j].astype(int),
        }
    )


def cloud_paint(axes, table, *, cmap: str, **look) -> None:
    """Draw :func:`cloud`: dots, or the boxes of the grid, darker with more points."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import LogNorm

    if not table["width"].any():
        axes.scatter(table["x"], table["y"], lw=0, **look)
        return
    x, y, width, height = (table[name].to_numpy() for name in ("x", "y", "width", "height"))
    turn = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    corners = np.stack([x, y], 1)[:, None] + turn * np.stack([width, height], 1)[:, None]
    boxes = PolyCollection(corners, array=table["count"], cmap=cmap, norm=LogNorm())
    axes.add_collection(boxes)
    axes.autoscale_view()


def matrix(picture, table, *, limit: float, label: str) -> None:
    """A symmetric matrix with a diverging colour scale; missing entries are grey.

    The table has a row per region, its name in the first column and its values in the others.
    """
    import matplotlib

    axes = picture.subplots()
    values = table.iloc[:, 1:].to_numpy(float)
    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="#C8CDD3")
    ends = (0.5, len(values) + 0.5)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap=colours,
        vmin=-limit,
        vmax=limit,
        extent=(*ends, *ends[::-1]),
    )
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel("Region")
    axes.set_ylabel("Region")
    bar = picture.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)


def from_edges(edges, n_regions: int) -> np.ndarray:
    """A full symmetric matrix from the edges in `numpy.triu_indices(n, 1)` order."""
    full = np.full((n_regions, n_regions), np.nan)
    rows, columns = np.triu_indices(n_regions, 1)
    full[rows, columns] = edges
    full[columns, rows] = edges
    return full
