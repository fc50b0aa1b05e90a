"""Pictures of single runs: carpet plots with their traces, and slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.report.figures import draw
from neuro.report.site import model
from neuro.report.site.labels import Labels

_SUFFIX = "_desc-figures_bold.npz"
_AXES = ("x", "y", "z")
_PANEL = 220
"""Height of a slice panel in pixels."""
_RIM = 2
"""Width of the line around the mask in pixels."""


def blocks(folder: Path, qc, settings: dict, labels: Labels, limit: int) -> list:
    """Pictures run by run, a page per participant, of the runs that moved most if they are many.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.
    qc : pandas.DataFrame or None
    settings : dict
        Section `fmri` of the configuration.
    labels : Labels
    limit : int
        Runs that are shown at most.

    Returns
    -------
    list
    """
    files, atlas = find(folder)
    if not files:
        return []
    keys = sorted(files)
    out, notes = [], []
    title = f"Pictures of all {len(keys)} runs"
    if len(keys) > limit:
        shown = _worst(keys, qc, limit)
        title = f"Pictures of {len(shown)} of {len(keys)} runs"
        notes.append(
            model.Text(
                f"Pictures of {len(shown)} of {len(keys)} runs are shown, those with the largest "
                "mean FD (option report.max_subject_figures).",
                "note",
            )
        )
        keys = shown
    people: dict[str, list] = {}
    for key in keys:
        arrays = _load(files[key])
        if key in atlas:
            # The atlas is drawn by the job that averaged over it, into a file of its own.
            arrays |= {k: v for k, v in _load(atlas[key]).items() if k not in arrays}
        pictures = _pictures(labels.text(key), arrays, settings)
        if pictures:
            people.setdefault(key.split("_")[0], []).append((key, pictures))
    for person, of_runs in people.items():
        name = labels.text(person)
        words = [_summary(labels.text(key), key, qc) for key, _ in of_runs]
        parts = []
        for line, (_, pictures) in zip(words, of_runs):
            parts += [model.Heading(line), *pictures]
        short = [word.partition(": ")[2] for word in words]
        out.append(model.SubPage(name, name, "; ".join(word for word in short if word), parts))
    return [*notes, model.Heading(title), *out] if out else notes


def find(folder: Path) -> tuple[dict, dict]:
    """Figure arrays by run key: of the cleaning, and of the atlas. Excluded runs are empty."""
    cleaning: dict[str, Path] = {}
    atlas: dict[str, Path] = {}
    for pattern in ("sub-*/func", "sub-*/ses-*/func"):
        for path in folder.glob(f"{pattern}/*{_SUFFIX}"):
            if not path.stat().st_size:
                continue
            key, _, extra = path.name.removesuffix(_SUFFIX).partition("_atlas-")
            (atlas if extra else cleaning)[key] = path
    return cleaning, atlas


def _worst(keys, qc, limit: int) -> list[str]:
    motion = {}
    if qc is not None and "mean_fd" in qc:
        motion = dict(zip(qc["run_key"], qc["mean_fd"].fillna(-1)))
    ranked = sorted(keys, key=lambda key: (-motion.get(key, -1), key))
    return sorted(ranked[:limit])


def _load(path: Path) -> dict:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _summary(shown: str, key: str, qc) -> str:
    if qc is None or "mean_fd" not in qc:
        return shown
    row = qc[qc["run_key"] == key]
    if row.empty or row["mean_fd"].isna().all():
        return shown
    row = row.iloc[0]
    words = f"{shown}: mean FD {model.number(float(row['mean_fd']), 2)} mm"
    if "minutes_kept" in row and row["minutes_kept"] == row["minutes_kept"]:
        words += f", {model.number(float(row['minutes_kept']), 1)} min kept"
    return words


def _pictures(name: str, arrays: dict, settings: dict) -> list:
    out = []
    if "carpet_before" in arrays and arrays["carpet_before"].size:
        out.append(
            draw.figure(
                f"{name}_carpet",
                lambda picture: _carpet(picture, arrays, settings),
                size=(5.0, 4.6),
                dpi=130,
                layout=None,
                caption=f"Carpet plot of {name}. Top: framewise displacement and standardised "
                "DVARS, censored volumes shaded. Below: voxels (rows) over time before and after "
                "cleaning, each z-scored.",
                how_to_read="Vertical stripes are moments in which the whole brain changes: "
                "motion or breathing. They should line up with the traces and be gone below.",
                alt=f"Carpet plot of {name} before and after cleaning",
            )
        )
    elif "carpet_after" in arrays and arrays["carpet_after"].size:
        out.append(
            draw.figure(
                f"{name}_carpet",
                lambda picture: _carpet(picture, arrays, settings),
                size=(5.0, 3.2),
                dpi=130,
                layout=None,
                caption=f"Carpet plot of {name}, denoised before it came here. Top: framewise "
                "displacement and standardised DVARS, volumes that were left out shaded. Below: "
                "voxels (rows) over time, each z-scored.",
                how_to_read="Vertical stripes are moments in which the whole brain still changes; "
                "next to a shaded stretch they are what motion has left behind.",
                alt=f"Carpet plot of {name} after denoising",
            )
        )
    slices = [key for key in ("mean", "tsnr") if f"{key}_x" in arrays]
    if slices:
        atlas = ", the regions of the atlas (colours)" if "atlas_x" in arrays else ""
        out.append(
            draw.figure(
                f"{name}_slices",
                lambda picture: _slices(picture, arrays, slices),
                size=(5.0, 2.05 * len(slices)),
                dpi=130,
                layout=None,
                caption=f"Slices of {name} through the centre of the mask: mean image, "
                f"edge of the mask (line){atlas} and temporal signal to noise (tSNR). Left "
                "is left.",
                how_to_read="The line should follow the edge of the brain and the regions lie in "
                "grey matter; dark holes in tSNR are dropout or lie outside the field of view.",
                alt=f"Mean image, mask and signal to noise of {name}",
            )
        )
    return out


def _carpet(picture, arrays: dict, settings: dict) -> None:
    both = (("Before", "carpet_before"), ("After", "carpet_after"))
    shown = [(label, arrays[key]) for label, key in both if np.size(arrays.get(key, ()))]
    n_volumes = np.shape(shown[0][1])[1]
    kept = np.asarray(arrays.get("kept", np.ones(n_volumes, bool)), bool)
    tr = float(arrays.get("tr", 1.0))
    panels = [(label, _in_place(values, kept)) for label, values in shown]
    left, width, top = 0.125, 0.855, 0.985
    heights = [0.11, 0.11, *([0.33] * len(panels))]
    if len(panels) == 1:
        heights = [0.16, 0.16, 0.46]
    end = n_volumes * tr
    for place, height in enumerate(heights):
        top -= height
        axes = picture.add_axes((left, top, width, height - 0.02))
        top -= 0.005
        if place < 2:
            key, label = (("fd", "FD (mm)"), ("std_dvars", "DVARS"))[place]
            limit = settings.get(("fd_mm", "std_dvars")[place])
            _trace(axes, arrays.get(key), kept, tr, label, limit)
        else:
            label, values = panels[place - 2]
            axes.imshow(
                np.ma.masked_invalid(values),
                aspect="auto",
                cmap="gray",
                vmin=-2.5,
                vmax=2.5,
                extent=(0, end, len(values), 0),
            )
            axes.set_facecolor("#F2D6C8")
            axes.set_yticks([])
            axes.set_ylabel(label, fontsize=8)
        axes.set_xlim(0, end)
        axes.tick_params(labelsize=7)
        if place < len(heights) - 1:
            axes.tick_params(labelbottom=False)
    axes.set_xlabel("Time (s)", fontsize=8)


def _in_place(after, kept) -> np.ndarray:
    """The carpet of kept volumes with gaps where volumes were censored."""
    after = np.asarray(after, np.float32)
    if after.shape[1] == kept.size or after.shape[1] != kept.sum():
        return after
    full = np.full((len(after), kept.size), np.nan, np.float32)
    full[:, kept] = after
    return full


def _trace(axes, values, kept, tr: float, label: str, limit) -> None:
    axes.set_ylabel(label, fontsize=7)
    bad = np.flatnonzero(~kept)
    for first, last in _stretches(bad):
        axes.axvspan(first * tr, (last + 1) * tr, color="#F2D6C8", lw=0)
    if values is None or not np.isfinite(values).any():
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", va="center")
        axes.set_yticks([])
        return
    values = np.asarray(values, float)
    axes.plot((np.arange(len(values)) + 0.5) * tr, values, color=draw.INK, lw=0.8)
    top = np.nanmax(values)
    if limit and limit < 3 * top:
        axes.axhline(float(limit), color=draw.OTHER, lw=0.8, ls=(0, (4, 3)))
        top = max(top, limit)
    axes.set_ylim(0, 1.08 * top if top > 0 else 1)
    axes.locator_params(axis="y", nbins=3)


def _stretches(index):
    """First and last of each run of consecutive numbers."""
    if not len(index):
        return []
    breaks = np.flatnonzero(np.diff(index) > 1)
    return list(zip(index[np.r_[0, breaks + 1]], index[np.r_[breaks, len(index) - 1]]))


def _slices(picture, arrays: dict, rows) -> None:
    size = np.asarray(arrays.get("voxel_mm", (1, 1, 1)), float)
    height = 1 / len(rows)
    for place, row in enumerate(rows):
        image = _mosaic(arrays, row, size)
        axes = picture.add_axes((0.0, 1 - (place + 1) * height, 0.9, height * 0.88))
        axes.imshow(image)
        axes.axis("off")
        title = {"mean": "Mean image, mask and atlas", "tsnr": "tSNR"}[row]
        if row == "mean" and "atlas_x" not in arrays:
            title = "Mean image and mask"
        axes.set_title(title, fontsize=8)
        if row == "tsnr":
            _scale(picture, (0.915, 1 - (place + 1) * height + 0.06, 0.02, height * 0.7), arrays)


def _scale(picture, place, arrays: dict) -> None:
    axes = picture.add_axes(place)
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


def _mosaic(arrays: dict, row: str, size) -> np.ndarray:
    """Three slices side by side as RGB, every voxel drawn in its true proportions."""
    import matplotlib

    top = _top(arrays, row)
    map_ = matplotlib.colormaps["gray" if row == "mean" else "viridis"]
    panels = []
    for number, axis in enumerate(_AXES):
        across, up = [size[k] for k in range(3) if k != number]
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
