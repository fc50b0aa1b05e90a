"""One small picture per recording, run and stimulus set: what a reader took for what."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

MOST_ROWS, MOST_COLUMNS = 120, 240
"""Of a matrix; more are thinned (rows) or averaged (columns)."""
LINES = 8
"""Traces drawn one above the other."""
SHOWN = 6
"""Stimuli that are drawn."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A part of a picture.

    Attributes
    ----------
    name, kind : str
        Title; `matrix`, `slice` (a matrix with square pixels), `lines` or `pixels`.
    values : ndarray
        `(n_rows, n_columns)`, or pixels `(h, w, c)`.
    extent : float
        Where the last column ends, in units of `across`.
    n_rows : int
        Before rows were thinned.
    down, across : str
        What rows and columns are.
    """

    name: str
    kind: str
    values: np.ndarray
    extent: float = 1.0
    n_rows: int = 0
    down: str = ""
    across: str = ""

    def table(self):
        """One row per mark: `panel`, `row`, `column`, `channel`, `value`."""
        from neuro.report.figures import draw

        cube = np.atleast_3d(self.values)
        axes = dict(zip(("row", "column", "channel"), map(range, cube.shape)))
        return draw.long(cube, **axes).assign(panel=self.name)


class Pictures:
    """Draws what the check reads into a folder; called with a name and what was read.

    Parameters
    ----------
    folder : path-like
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.written: list[Path] = []

    def __call__(self, path, data, *more) -> None:
        path = self._path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(figure(panels(data, *more), path.stem).png)
        self.written.append(path)

    def _path(self, path) -> Path:
        parts = [re.sub(r"[^\w.-]+", "_", component) for component in Path(path).parts]
        for depth in range(1, len(parts) + 1):
            target = self.folder / ("-".join(parts[-depth:]) + ".png")
            if target not in self.written:
                return target
        return self.folder / f"{parts[-1]}-{len(self.written) + 1}.png"


def thinned(values, rows=MOST_ROWS, columns=MOST_COLUMNS) -> np.ndarray:
    """A matrix of at most so many rows (evenly chosen) and columns (means of neighbours).

    Parameters
    ----------
    values : array, shape (n_rows, n_columns)

    Returns
    -------
    ndarray of float64
    """
    n_rows, n_columns = np.shape(values)
    chosen = np.unique(np.linspace(0, n_rows - 1, min(rows, n_rows)).astype(int))
    sample = np.asarray(values[chosen], float)
    edges = np.unique(np.linspace(0, n_columns, min(columns, n_columns) + 1).astype(int))[:-1]
    finite = np.isfinite(sample)
    total = np.add.reduceat(np.where(finite, sample, 0), edges, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / np.add.reduceat(finite, edges, axis=1)


def panels(data, *more) -> list[Panel]:
    """Panels of anything that a reader gives back.

    Parameters
    ----------
    data : SpikeData, CountData, Recording, PairKernels, StimulusResponses, ImageData, region
        series or Bold
    *more
        For Bold: path of its mask, or None.

    Returns
    -------
    list of Panel
    """
    for name, draw in (
        ("times", _spikes),
        ("sequences", _counts),
        ("traces", _traces),
        ("kernels", _kernels),
        ("betas", _voxels),
        ("responses", _responses),
        ("series", _series),
    ):
        if hasattr(data, name):
            return draw(data)
    return _bold(data, *more)


def _spikes(data):
    edges = np.linspace(data.first, max(data.last, data.first + 1e-9), MOST_COLUMNS + 1)
    counts = np.stack([np.histogram(train, edges)[0] for train in data.times])
    return _matrix(f"{len(counts)} units, {data.n_spikes} spikes", counts, "unit", data.last, "s")


def _counts(data):
    bins = np.concatenate([np.asarray(sequence, float) for sequence in data.sequences])
    title = f"{bins.shape[1]} units, {len(bins)} bins in {len(data.sequences)} sequences"
    return _matrix(title, bins.T, "unit", len(bins) * data.bin_s, "s")


def _traces(recording):
    n_frames, n_neurons = recording.traces.shape
    title = f"{n_neurons} neurons, {n_frames} frames at {recording.fs:g} Hz"
    first = thinned(recording.traces[:, :LINES].T, LINES)
    seconds = n_frames / recording.fs
    return [
        Panel(f"first {len(first)}", "lines", first, seconds, len(first), "neuron", "time (s)"),
        *_matrix(title, _scaled(recording.traces).T, "neuron", seconds, "s"),
    ]


def _kernels(recording):
    mean = np.nanmean(recording.kernels, axis=2)
    return _matrix(f"kernels of {len(mean)} neurons", mean, "responder", mean.shape[1], "neuron")


def _voxels(data):
    return _stimuli(data.images) + _matrix(
        f"{data.betas.shape[1]} voxels, {len(data.betas)} images",
        _scaled(data.betas).T,
        "voxel",
        len(data.betas),
        "image",
    )


def _responses(data):
    n_trials, n_units = data.responses.shape
    mean = thinned(np.nanmean(data.responses, axis=1)[None])
    return [
        *_stimuli(data.stimuli),
        Panel("mean response of all units", "lines", mean, n_trials, 1, "", "trial"),
        *_matrix(
            f"{n_units} units, {n_trials} trials",
            _scaled(data.responses).T,
            "unit",
            n_trials,
            "trial",
        ),
    ]


def _series(run):
    values = np.asarray(run.series)
    title = f"{values.shape[1]} regions, {len(values)} volumes of {run.tr:g} s"
    return _matrix(title, _scaled(values).T, "region", len(values) * run.tr, "s")


def _bold(bold, mask=None):
    values = np.asanyarray(bold.img.dataobj)
    middle = values.shape[2] // 2
    plane = values[..., middle, :].astype(float)
    inside = plane.std(axis=2) > 0
    if mask:
        import nibabel

        image = nibabel.load(mask)
        if image.shape[:3] == values.shape[:3]:
            inside = np.asanyarray(image.dataobj)[:, :, middle].reshape(inside.shape) > 0
    mean = plane.mean(axis=2)
    title = f"slice {middle + 1} of {values.shape[2]}, mean"
    carpet = f"{values.shape[3]} volumes of {bold.tr:g} s"
    return [
        Panel(title, "slice", mean.T[::-1], values.shape[0], values.shape[1], "y", "x"),
        *_matrix(carpet, _scaled(plane[inside].T).T, "voxel", values.shape[3] * bold.tr, "s"),
    ]


def _stimuli(stimuli):
    if stimuli is None:
        return []
    first = np.asarray(stimuli[:SHOWN], float)
    if first.ndim <= 3:
        lines = stimuli[: min(len(stimuli), 2000)] if first.ndim == 2 else first[0]
        lines = thinned(np.asarray(lines, float).T[:LINES], LINES)
        name = "first samples" if first.ndim == 2 else "first stimulus"
        return [Panel(name, "lines", lines, lines.shape[1], len(lines), "channel", "sample")]
    if first.ndim == 5:
        first = first[:, 0]
    step = max(1, -(-max(first.shape[-2:]) // 96))
    small = first[:, :, ::step, ::step].transpose(0, 2, 3, 1)
    low, high = small.min(), max(small.max(), small.min() + 1e-9)
    small = (small - low) / (high - low)
    if small.shape[3] not in (1, 3):
        small = small[..., :1]
    shape = " x ".join(map(str, stimuli.shape[1:]))
    return [
        Panel(f"stimuli {shape}" if k == 0 else f"{k + 1}", "pixels", picture)
        for k, picture in enumerate(small)
    ]


def _scaled(values):
    """Columns with mean 0 and standard deviation 1, those that are missing or constant NaN or 0."""
    import warnings

    values = np.asarray(values, float)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        # a column without any value
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, sd = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return (values - mean) / np.where(sd > 0, sd, 1)


def _matrix(title, values, down, extent, unit):
    across = "time (s)" if unit == "s" else unit
    return [Panel(title, "matrix", thinned(values), float(extent), len(values), down, across)]


def figure(parts, name="check"):
    """The picture of a list of panels, drawn from their table.

    Parameters
    ----------
    parts : list of Panel
    name : str

    Returns
    -------
    neuro.report.site.model.Figure
    """
    from functools import partial

    import pandas as pd

    from neuro.report.figures import draw

    table = pd.concat([panel.table() for panel in parts], ignore_index=True)
    small = sum(panel.kind == "pixels" for panel in parts)
    size = (1.2 * small + 4.2 * (len(parts) - small), 2.6)
    return draw.figure(
        name,
        partial(_paint, parts=parts),
        data=table,
        size=size,
        dpi=80,
        caption="What was read.",
        how_to_read="",
        alt=name,
    )


def _paint(picture, table, parts):
    from matplotlib.ticker import MaxNLocator

    ratios = [1 if shown.kind == "pixels" else 3.5 for shown in parts]
    axes = picture.subplots(1, len(parts), squeeze=False, width_ratios=ratios)[0]
    for ax, shown in zip(axes, parts):
        rows = table[table["panel"] == shown.name]
        shape = tuple(int(rows[key].max()) + 1 for key in ("row", "column", "channel"))
        values = rows["value"].to_numpy().reshape(shape)
        ax.set_title(shown.name, fontsize=7)
        if shown.kind == "pixels":
            ax.imshow(values if shape[2] == 3 else values[..., 0], cmap="gray", vmin=0, vmax=1)
            ax.set_axis_off()
            continue
        matrix = values[..., 0]
        if shown.kind == "lines":
            _lines(ax, matrix, shown.extent)
        else:
            low, high = (
                np.nanquantile(matrix, [0.02, 0.98]) if np.isfinite(matrix).any() else (0, 1)
            )
            extent = (0, shown.extent, shown.n_rows + 0.5, 0.5)
            options = {"vmin": low, "vmax": max(high, low + 1e-9), "interpolation": "nearest"}
            ax.imshow(
                matrix,
                cmap="viridis",
                aspect="equal" if shown.kind == "slice" else "auto",
                extent=extent,
                **options,
            )
            ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set_xlabel(shown.across, fontsize=7)
        ax.set_ylabel(shown.down, fontsize=7)
        ax.tick_params(labelsize=6)


def _lines(ax, matrix, extent):
    from neuro.report.figures import draw

    x = (np.arange(matrix.shape[1]) + 0.5) * extent / matrix.shape[1]
    for k, line in enumerate(matrix):
        spread = np.nanmax(line) - np.nanmin(line) if np.isfinite(line).any() else 0
        scaled = (line - np.nanmin(line)) / spread if spread > 0 else line * 0
        ax.plot(x, scaled * 0.9 - k, color=draw.CYCLE[k % len(draw.CYCLE)], linewidth=0.7)
    if len(matrix) > 1:
        ax.set_yticks(-np.arange(len(matrix)) + 0.45, np.arange(len(matrix)) + 1)
    else:
        ax.set_yticks([])
