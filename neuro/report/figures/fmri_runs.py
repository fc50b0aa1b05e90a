"""Pictures of single runs, and their carpet plots with traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import draw, fmri_slices
from neuro.report.site import model
from neuro.report.site.labels import Labels

_SUFFIX = "_desc-figures_bold.npz"
_CARPET_ROWS = 200
"""Voxels of a carpet that are drawn; its panel has fewer lines of pixels."""


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
                carpet_paint,
                data=carpet_table(arrays, settings),
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
                carpet_paint,
                data=carpet_table(arrays, settings),
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
                fmri_slices.slices_paint,
                data=fmri_slices.slices_table(arrays),
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


def carpet_table(arrays: dict, settings: dict) -> pd.DataFrame:
    """What a carpet plot draws, one row per volume.

    Parameters
    ----------
    arrays : dict of str to ndarray
        `carpet_before` and `carpet_after`, shape (n_voxels, n_volumes), `fd` (mm), `std_dvars`,
        `kept` and `tr` (s), what there is of them.
    settings : dict
        Limits `fd_mm` and `std_dvars`.

    Returns
    -------
    pandas.DataFrame
        `start` and `end` (s), `kept`, `fd`, `fd_limit`, `std_dvars`, `std_dvars_limit`, and a
        column per drawn voxel: `before_<k>`, `after_<k>` (z-scores, two digits).
    """
    shown = {
        name: np.asarray(arrays[f"carpet_{name}"], np.float64)
        for name in ("before", "after")
        if np.size(arrays.get(f"carpet_{name}", ()))
    }
    n_volumes = next(iter(shown.values())).shape[1]
    kept = np.asarray(arrays.get("kept", np.ones(n_volumes, bool)), bool)
    tr = float(arrays.get("tr", 1.0))
    start = np.arange(len(kept)) * tr
    table: dict = {"start": start, "end": start + tr, "kept": kept}
    for name, limit in (("fd", "fd_mm"), ("std_dvars", "std_dvars")):
        values = arrays.get(name)
        table[name] = np.full(len(kept), np.nan) if values is None else np.asarray(values, float)
        table[f"{name}_limit"] = float(settings.get(limit) or np.nan)
    for name, values in shown.items():
        values = _in_place(values, kept)
        for voxel in np.unique(np.linspace(0, len(values) - 1, _CARPET_ROWS).round().astype(int)):
            table[f"{name}_{voxel}"] = values[voxel].round(2)
    return pd.DataFrame(table)


def carpet_paint(picture, table: pd.DataFrame) -> None:
    """Traces and carpets of :func:`carpet_table`."""
    panels = {name: table.filter(regex=f"^{name}_").to_numpy().T for name in ("before", "after")}
    panels = {name: values for name, values in panels.items() if len(values)}
    heights = [0.11, 0.11, 0.33, 0.33] if len(panels) > 1 else [0.16, 0.16, 0.46]
    end, top = float(table["end"].iloc[-1]), 0.985
    for number, height in enumerate(heights):
        top -= height
        axes = picture.add_axes((0.125, top, 0.855, height - 0.02))
        top -= 0.005
        if number < 2:
            _trace(axes, table, *(("fd", "FD (mm)"), ("std_dvars", "DVARS"))[number])
        else:
            name, values = list(panels.items())[number - 2]
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
            axes.set_ylabel(name.capitalize(), fontsize=8)
        axes.set_xlim(0, end)
        axes.tick_params(labelsize=7)
        if number < len(heights) - 1:
            axes.tick_params(labelbottom=False)
    axes.set_xlabel("Time (s)", fontsize=8)


def _in_place(after, kept) -> np.ndarray:
    """The carpet of kept volumes with gaps where volumes were censored."""
    if after.shape[1] == kept.size or after.shape[1] != kept.sum():
        return after
    full = np.full((len(after), kept.size), np.nan)
    full[:, kept] = after
    return full


def _trace(axes, table: pd.DataFrame, key: str, label: str) -> None:
    axes.set_ylabel(label, fontsize=7)
    for first, last in _stretches(np.flatnonzero(~table["kept"])):
        axes.axvspan(table["start"][first], table["end"][last], color="#F2D6C8", lw=0)
    values, limit = table[key].to_numpy(float), table[f"{key}_limit"].iloc[0]
    if not np.isfinite(values).any():
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", va="center")
        axes.set_yticks([])
        return
    axes.plot((table["start"] + table["end"]) / 2, values, color=draw.INK, lw=0.8)
    top = np.nanmax(values)
    if limit < 3 * top:
        axes.axhline(limit, color=draw.OTHER, lw=0.8, ls=(0, (4, 3)))
        top = max(top, limit)
    axes.set_ylim(0, 1.08 * top if top > 0 else 1)
    axes.locator_params(axis="y", nbins=3)


def _stretches(index):
    """First and last of each run of consecutive numbers."""
    if not len(index):
        return []
    breaks = np.flatnonzero(np.diff(index) > 1)
    return list(zip(index[np.r_[0, breaks + 1]], index[np.r_[breaks, len(index) - 1]]))
