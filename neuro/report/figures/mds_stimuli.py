"""Pictures of most discriminative stimuli: images, traces, movies, conditions by name."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.site import model

MAX_DRAWN = 24
"""Stimuli in the figure; the file has all."""
FEW = 3
"""So many images fit into half the width of the page."""


def _colour(channel):
    return draw.CYCLE[(int(channel) - 1) % len(draw.CYCLE)]


def stimuli(arrays, facts, name) -> list:
    """One stimulus per cluster on a shared scale; conditions by name where there are no pixels."""
    if "shown" not in arrays:
        names = facts.get("conditions") or []
        listed = ", ".join(
            f"{k}: {names[int(row)] if names else int(row)}"
            for k, row in enumerate(arrays["stimuli"], start=1)
        )
        return [model.Text(f"Best condition of each cluster: {listed}.")]
    shown = arrays["shown"][:MAX_DRAWN]
    many = len(arrays["shown"]) > MAX_DRAWN
    if shown.ndim == 3:
        seconds = bool(facts.get("fs"))
        table = traces_table(shown, facts.get("fs"))
        paint = partial(traces_paint, seconds=seconds)
        size = (9.4, 1.9 * -(-len(shown) // 4) + 0.3)
    elif shown.ndim == 5:
        table, paint, size = movies_table(shown), partial(movies_paint, shown=shown), (9.4, 3.0)
    else:
        table, paint = images_table(shown), partial(images_paint, shown=shown)
        size = (9.4, 1.35 * -(-len(shown) // 8) + 0.35) if len(shown) > FEW else (4.6, 1.9)
    first = "Most discriminative stimulus of each cluster, all on one scale"
    if arrays["stimuli"].ndim == 1:
        first = "Stimulus of the recording that sets each cluster apart most"
    return [
        draw.figure(
            f"{name}_stimuli",
            paint,
            data=table,
            size=size,
            caption=first
            + (f"; the first {MAX_DRAWN} of {len(arrays['stimuli'])}." if many else "."),
            how_to_read="Each picture drives its own cluster and none of the others. It shows "
            "what tells the cluster apart, which need not be what its units like best.",
            alt="One stimulus per cluster",
            # a few images in a wide figure stand far apart
            wide=shown.ndim != 4 or len(shown) > FEW,
        )
    ]


def _grid(picture, n, columns):
    axes = picture.subplots(-(-n // columns), columns, squeeze=False).ravel()
    for spare in axes[n:]:
        spare.set_axis_off()
    return axes[:n]


def images_table(shown):
    """A row per image: `cluster`, its entry in `shown` of the file, and the shared scale.

    Returns
    -------
    pandas.DataFrame
        `cluster`, `file`, `entry` (from 0), `low` and `high` (ends of the grey scale; around zero
        where both signs occur).
    """
    low, high = float(shown.min()), float(shown.max())
    if low < 0 < high:
        low, high = -max(-low, high), max(-low, high)
    ends = {"low": low, "high": max(high, low + 2e-9)}
    entries = np.arange(len(shown))
    file = "mds_stimuli.npz"
    return pd.DataFrame({"cluster": entries + 1, "file": file, "entry": entries, **ends})


def images_paint(picture, table, shown):
    """The images that the table names, `shown` of shape (n, channels, height, width)."""
    last = None
    axes = _grid(picture, len(table), min(len(table), 8))
    for ax, row in zip(axes, table.itertuples()):
        image = shown[row.entry]
        if len(image) == 3:
            ax.imshow(np.clip(np.moveaxis(image, 0, -1), 0, 1))
        else:
            last = ax.imshow(image.mean(axis=0), cmap="gray", vmin=row.low, vmax=row.high)
        ax.set_title(str(row.cluster), loc="center")
        ax.set_xticks([])
        ax.set_yticks([])
    if last is not None:
        picture.colorbar(last, ax=list(axes), shrink=0.7, label="Stimulus", pad=0.01)


def movies_table(shown):
    """Course of each movie by its first singular vectors.

    Returns
    -------
    pandas.DataFrame
        `cluster`, `entry` (in `shown` of the file, from 0), `frame`, `value`.
    """
    courses = []
    for movie in shown:
        left, size, _ = _separated(movie)
        courses.append(left[:, 0] * size[0])
    numbers, frames = range(1, len(shown) + 1), range(shown.shape[1])
    table = draw.long(courses, cluster=numbers, frame=frames)
    return table.assign(entry=table["cluster"] - 1)[["cluster", "entry", "frame", "value"]]


def _separated(movie):
    flat = movie.reshape(len(movie), -1)
    return np.linalg.svd(flat - flat.mean(), full_matrices=False)


def movies_paint(picture, table, shown):
    """Space above, time below; `shown` of shape (n, frames, channels, height, width)."""
    movies = list(table.groupby("cluster"))
    grid = picture.subplots(2, len(movies), squeeze=False)
    for column, (cluster, of_cluster) in zip(grid.T, movies):
        movie = shown[of_cluster["entry"].iloc[0]]
        image = _separated(movie)[2][0].reshape(movie.shape[1:]).mean(axis=0)
        reach = np.abs(image).max()
        column[0].imshow(image, cmap="gray", vmin=-reach, vmax=reach)
        column[0].set_title(str(cluster), loc="center")
        column[0].set_xticks([])
        column[0].set_yticks([])
        column[1].plot(of_cluster["frame"], of_cluster["value"], color=draw.CONTROL, lw=1)
        column[1].set_xlabel("Frame")


def traces_table(shown, fs=None):
    """Stimuli in time: `cluster`, `channel`, `time` (s, or samples without `fs`; 0: last), `value`.

    Parameters
    ----------
    shown : array, shape (n_clusters, n_lags, n_channels)
    fs : float, optional
        Samples per second.
    """
    time = (np.arange(shown.shape[1]) - shown.shape[1] + 1) / (fs or 1)
    clusters, channels = range(1, len(shown) + 1), range(1, shown.shape[2] + 1)
    return draw.long(shown.transpose(0, 2, 1), cluster=clusters, channel=channels, time=time)


def traces_paint(picture, table, seconds=True):
    """A panel per cluster, a line per channel."""
    panels = list(table.groupby("cluster"))
    columns = min(len(panels), 4)
    axes = _grid(picture, len(panels), columns)
    low, high = table["value"].min(), table["value"].max()
    room = 0.05 * max(high - low, 1e-9)
    for k, (ax, (cluster, of_cluster)) in enumerate(zip(axes, panels)):
        for channel, line in of_cluster.groupby("channel"):
            label, shade = f"channel {channel}", _colour(channel)
            ax.plot(line["time"], line["value"], color=shade, lw=1.2, label=label)
        ax.set_title(str(cluster), loc="center")
        ax.set_ylim(low - room, high + room)
        if k % columns == 0:
            ax.set_ylabel("Stimulus")
        if k >= len(panels) - columns:
            ax.set_xlabel("Time before the response (s)" if seconds else "Samples before")
    if table["channel"].nunique() > 1:
        handles, names = axes[0].get_legend_handles_labels()
        picture.legend(handles, names, loc="outside upper right", ncols=len(names))
