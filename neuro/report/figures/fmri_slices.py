"""Slices of single runs: mean image with mask and atlas, and signal to noise."""

from __future__ import annotations

import numpy as np
import pandas as pd

_AXES = ("x", "y", "z")
_PANEL = 220
"""Height of a slice panel in pixels."""
_RIM = 2
"""Width of the line around the mask in pixels."""
_LAYERS = ("mean", "tsnr", "mask", "atlas")


def slices_table(arrays: dict) -> pd.DataFrame:
    """Three slices of a run, one row per pixel.

    Parameters
    ----------
    arrays : dict of str to ndarray, shape (n_across, n_up)
        `mean_x` ... `atlas_z`, what there is of them, and `voxel_mm`.

    Returns
    -------
    pandas.DataFrame
        `plane` (the axis that is cut), place `across` and `up` (from left and bottom), their
        sizes `across_mm` and `up_mm`, and a column per layer: `mean`, `tsnr`, `mask`, `atlas`.
    """
    size = np.asarray(arrays.get("voxel_mm", (1, 1, 1)), float)
    layers = [name for name in _LAYERS if f"{name}_x" in arrays]
    parts = []
    for number, plane in enumerate(_AXES):
        first = np.asarray(arrays[f"{layers[0]}_{plane}"])
        across, up = np.indices(first.shape).reshape(2, -1)
        across_mm, up_mm = np.delete(size, number)
        table = {"plane": plane, "across": across, "up": up}
        table |= {"across_mm": across_mm, "up_mm": up_mm}
        table |= {name: np.ravel(arrays[f"{name}_{plane}"]) for name in layers}
        parts.append(pd.DataFrame(table))
    return pd.concat(parts, ignore_index=True)


def slices_paint(picture, table: pd.DataFrame) -> None:
    """Mean image and tSNR of :func:`slices_table`, what there is of them, one above the other."""
    arrays = {
        f"{name}_{plane}": of_plane.pivot(index="across", columns="up", values=name).to_numpy()
        for plane, of_plane in table.groupby("plane")
        for name in _LAYERS
        if name in table
    }
    size = table.groupby("plane")[["across_mm", "up_mm"]].first()
    rows = [name for name in ("mean", "tsnr") if name in table]
    height = 1 / len(rows)
    for number, row in enumerate(rows):
        image = _mosaic(arrays, row, {plane: tuple(mm) for plane, *mm in size.itertuples()})
        axes = picture.add_axes((0.0, 1 - (number + 1) * height, 0.9, height * 0.88))
        axes.imshow(image)
        axes.axis("off")
        title = {"mean": "Mean image, mask and atlas", "tsnr": "tSNR"}[row]
        if row == "mean" and "atlas" not in table:
            title = "Mean image and mask"
        axes.set_title(title, fontsize=8)
        if row == "tsnr":
            _scale(picture, (0.915, 1 - (number + 1) * height + 0.06, 0.02, height * 0.7), arrays)


def _scale(picture, rectangle, arrays: dict) -> None:
    axes = picture.add_axes(rectangle)
    top = _top(arrays, "tsnr")
    axes.imshow(
        np.linspace(0, 1, 64)[:, None],
        origin="lower",
        aspect="auto",
        extent=(0, 1, 0, top),
        cmap="viridis",
    )
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(labelsize=7)
    for side in axes.spines.values():
        side.set_visible(False)


def _top(arrays: dict, row: str) -> float:
    inside = np.concatenate([np.ravel(arrays[f"{row}_{axis}"]) for axis in _AXES]).astype(float)
    inside = inside[np.isfinite(inside) & (inside > 0)]
    return float(np.percentile(inside, 98)) if inside.size else 1.0


def _mosaic(arrays: dict, row: str, size: dict) -> np.ndarray:
    """Three slices side by side as RGB, pixels of `size` (across, up; mm) in true proportions."""
    import matplotlib

    top = _top(arrays, row)
    map_ = matplotlib.colormaps["gray" if row == "mean" else "viridis"]
    panels = []
    for axis in _AXES:
        across, up = size[axis]
        values = np.asarray(arrays[f"{row}_{axis}"], float)
        mask = np.asarray(arrays.get(f"mask_{axis}", np.ones(values.shape)), bool)
        colour = map_(np.clip(np.nan_to_num(values) / top, 0, 1))[..., :3]
        if row == "tsnr":
            colour[~mask] = 0.94
        elif f"atlas_{axis}" in arrays:
            colour = _tinted(colour, np.asarray(arrays[f"atlas_{axis}"]))
        scale = _PANEL / (values.shape[1] * up)
        big, edge = _enlarge(colour, mask, across * scale, up * scale)
        if row == "mean":
            big[edge] = (0.90, 0.62, 0.0)
        panels.append(np.pad(big, ((0, 0), (4, 4), (0, 0)), constant_values=1))
    tallest = max(len(panel) for panel in panels)
    return np.concatenate(
        [
            np.pad(panel, ((0, tallest - len(panel)), (0, 0), (0, 0)), constant_values=1)
            for panel in panels
        ],
        axis=1,
    )


def _enlarge(colour, mask, across: float, up: float):
    """Nearest-neighbour enlargement of a slice, first axis across, second axis up."""
    columns = _pick(colour.shape[0], across)
    rows = _pick(colour.shape[1], up)[::-1]
    big = colour[columns][:, rows].swapaxes(0, 1)
    inside = mask[columns][:, rows].T
    core = inside
    for _ in range(_RIM):
        padded = np.pad(core, 1)
        core = padded[1:-1, :-2] & padded[1:-1, 2:] & padded[:-2, 1:-1] & padded[2:, 1:-1]
    return big.copy(), inside & ~core


def _pick(count: int, pixels: float) -> np.ndarray:
    n = max(1, round(count * pixels))
    return np.minimum((np.arange(n) + 0.5) * count / n, count - 1).astype(int)


def _tinted(colour, labels):
    """Atlas regions over grey values: neighbours in number get colours far apart."""
    import matplotlib

    hue = (labels.astype(float) * 0.618034) % 1
    tint = matplotlib.colormaps["turbo"](0.1 + 0.8 * hue)[..., :3]
    return np.where((labels > 0)[..., None], 0.6 * colour + 0.4 * tint, colour)
