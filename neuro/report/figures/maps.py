"""Brain maps of the stage `adhd`: group means, differences and the classifier's pattern."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.pages.adhd_scores import input_name
from neuro.report.pages.overview import read_table
from neuro.report.site import model

_TOP = 20
_N_SLICES = 7
_VALUES = ("pattern", "value", "weight", "mean")
# Centre and half axes (mm) of an ellipsoid about as large as the brain in MNI space.
_BRAIN = {"x": (0, 70), "y": (-18, 90), "z": (8, 72)}
_VIEWS = (("y", "z", "Side"), ("x", "z", "Front"), ("x", "y", "Top"))


def blocks(folder: Path, primary) -> list:
    """Group maps and the pattern, at voxel or region level, whatever there is.

    Parameters
    ----------
    folder : pathlib.Path
        `results/adhd`.
    primary : tuple of str or None
        Input and mask of the primary variant; its map is shown open, the others folded.

    Returns
    -------
    list
    """
    first = primary[0] if primary else "cycle3"
    out: list = []
    volumes = _volumes(folder)
    table = read_table(folder / "group_maps.tsv", region=str, map=str)
    names = sorted({*volumes, *(table["map"].dropna() if table is not None else ())})
    names.sort(key=lambda name: name != first)
    for name in names:
        shown = []
        if name in volumes:
            shown.append(_volume_figure(name, volumes[name]))
        if table is not None:
            part = table[table["map"] == name].dropna(subset=["difference"])
            if len(part):
                shown += _region_blocks(name, part)
        if not shown:
            continue
        if name == names[0]:
            out += [model.Heading(f"Group maps: {input_name(name)}"), *shown]
        else:
            out.append(model.Details(f"Group maps: {input_name(name)}", shown))
    out += _pattern(folder, primary)
    return out


def _volumes(folder: Path) -> dict[str, dict[str, Path]]:
    """Group images `group_<map>_<case|control|difference>.nii.gz` by map, complete sets only."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("group_*.nii.gz")):
        match = re.fullmatch(r"group_(\w+?)_(case|control|difference)\.nii\.gz", path.name)
        if match and path.stat().st_size:
            found.setdefault(match[1], {})[match[2]] = path
    return {name: kinds for name, kinds in found.items() if "difference" in kinds}


def _read_volume(path: Path):
    """A 3D map in RAS+ order and the size of its voxels in mm."""
    import nibabel
    from nibabel.affines import voxel_sizes

    image = nibabel.as_closest_canonical(nibabel.load(path))
    data = np.asarray(image.dataobj, dtype=np.float32)
    if data.ndim == 4:
        data = data.sum(axis=3)
    return data, voxel_sizes(image.affine), image.affine


def _volume_figure(name: str, kinds: dict[str, Path]) -> model.Figure:
    maps = {
        kind: _read_volume(kinds[kind])
        for kind in ("case", "control", "difference")
        if kind in kinds
    }
    reference, size, affine = maps["difference"]
    inside = np.isfinite(reference)
    for data, _, _ in maps.values():
        inside &= np.isfinite(data)
    seen = np.any([np.nan_to_num(data) != 0 for data, _, _ in maps.values()], axis=0) & inside
    levels = np.flatnonzero(seen.any(axis=(0, 1)))
    if not len(levels):
        levels = np.arange(reference.shape[2])
    chosen = levels[(np.linspace(0.12, 0.88, _N_SLICES) * (len(levels) - 1)).round().astype(int)]
    common = [np.abs(maps[kind][0][seen]) for kind in maps if kind != "difference"]
    top = float(np.percentile(np.concatenate(common), 99)) if common and seen.any() else 1.0
    reach = float(np.percentile(np.abs(reference[seen]), 99)) if seen.any() else 1.0
    labels = {"case": "Cases", "control": "Controls", "difference": "Difference"}

    def paint(picture):
        rows = picture.subplots(len(maps), 1, squeeze=False)[:, 0]
        for axes, (kind, (data, _, _)) in zip(rows, maps.items()):
            row = np.concatenate(
                [np.where(seen, data, np.nan)[:, :, z].T[::-1] for z in chosen], axis=1
            )
            if kind == "difference":
                scale = {"cmap": "RdBu_r", "vmin": -(reach or 1), "vmax": reach or 1}
            else:
                scale = {"cmap": "viridis", "vmin": 0, "vmax": top or 1}
            image = axes.imshow(np.ma.masked_invalid(row), aspect=size[1] / size[0], **scale)
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_visible(False)
            axes.set_ylabel(labels[kind], fontsize=8)
            bar = picture.colorbar(image, ax=axes, pad=0.01, aspect=12)
            bar.ax.tick_params(labelsize=7)
            bar.outline.set_visible(False)
        heights = [model.number(float(affine[2, 2] * z + affine[2, 3]), 0) for z in chosen]
        width = reference.shape[0]
        rows[-1].set_xticks([(k + 0.5) * width for k in range(len(chosen))], heights, fontsize=7)
        rows[-1].set_xlabel("z (mm)", fontsize=8)
        rows[-1].tick_params(length=0)

    return draw.figure(
        f"group_{name}",
        paint,
        size=(8.2, 1.55 * len(maps) + 0.4),
        dpi=130,
        wide=True,
        caption=f"{input_name(name)}: mean map of cases, of controls, and their difference "
        "(case − control), axial slices from low to high. Left is left.",
        how_to_read="Red: more in cases; blue: more in controls. A difference in the mean is no "
        "proof: the table gives p-values from permutations within sites where there are any.",
        alt=f"Axial slices of the group maps of {input_name(name)}",
    )


def _region_blocks(name: str, part: pd.DataFrame) -> list:
    words = input_name(name)
    has_place = {"x", "y", "z"} <= set(part) and part[["x", "y", "z"]].notna().all(axis=1).any()
    ranked = part.reindex(part["difference"].abs().sort_values(ascending=False).index)
    if has_place:
        figure = _glass_figure(name, part.dropna(subset=["x", "y", "z"]))
    else:
        shown = ranked.head(_TOP)
        figure = draw.figure(
            f"regions_{name}",
            lambda picture: draw.bars(
                picture.subplots(),
                list(shown["region"]),
                shown["difference"].to_numpy(),
                label="Case − control",
                signed=True,
            ),
            size=(4.6, 0.8 + 0.19 * max(len(shown), 6)),
            caption=f"{words}: difference of the group means, the {len(shown)} largest.",
            how_to_read="Red bars to the right: more in cases; the table says how often chance "
            "alone does as much.",
            alt=f"Bars of the group difference of {words} by region",
        )
    columns = [
        model.Column("region", "Region"),
        model.Column("control", "Controls", 3),
        model.Column("case", "Cases", 3),
        model.Column("difference", "Difference", 3),
    ]
    rows = ranked
    if "p" in part and part["p"].notna().any():
        columns.append(model.Column("p", "p", 0))
        rows = part.sort_values(["p", "region"], kind="stable")
    if "q" in part and part["q"].notna().any():
        columns.append(model.Column("q", "q (FDR)", 0))
    records = [
        {
            **row,
            "p": model.p_value(row.get("p", np.nan)),
            "q": model.p_value(row.get("q", np.nan)),
            "strong": bool(row.get("q", np.nan) < 0.05),
        }
        for row in rows.head(10).to_dict("records")
    ]
    caption = (
        f"{words}: the ten regions with the "
        + ("smallest p" if any(c.key == "p" for c in columns) else "largest difference")
        + f" of {len(part)}. p from permutations within sites, q corrects for the number of "
        "regions (false discovery rate); bold: q < .05."
    )
    return [figure, model.Table(caption, columns, records)]


def _glass_figure(name: str, part: pd.DataFrame) -> model.Figure:
    reach = float(part["difference"].abs().max()) or 1.0
    marked = part["q"] < 0.05 if "q" in part else pd.Series(False, index=part.index)

    def paint(picture):
        views = picture.subplots(1, 3)
        points = None
        for axes, (across, up, title) in zip(views, _VIEWS):
            _outline(axes, across, up)
            order = part["difference"].abs().sort_values().index
            shown = part.loc[order]
            points = axes.scatter(
                shown[across],
                shown[up],
                s=12 + 70 * (shown["difference"].abs() / reach),
                c=shown["difference"],
                cmap="RdBu_r",
                vmin=-reach,
                vmax=reach,
                linewidths=np.where(marked.loc[order], 1.5, 0.25),
                edgecolors=draw.INK,
            )
            axes.set_title(title)
            axes.set_xlabel(f"{across} (mm)")
            axes.set_ylabel(f"{up} (mm)")
            axes.set_aspect("equal")
        bar = picture.colorbar(points, ax=views, shrink=0.75, pad=0.01)
        bar.set_label("Case − control")
        bar.outline.set_visible(False)

    words = input_name(name)
    return draw.figure(
        f"regions_{name}",
        paint,
        size=draw.WIDE,
        wide=True,
        caption=f"{words}: difference of the group means (case − control) at the centre of each "
        "region, seen from the side, the front and above; thick rings mark q < .05. The "
        "outline is only a guide to the eye.",
        how_to_read="Red and large: more in cases; blue and large: more in controls. Without "
        "rings the picture is compatible with chance.",
        alt=f"Group difference of {words} by region in three views",
    )


def _outline(axes, across: str, up: str) -> None:
    angle = np.linspace(0, 2 * np.pi, 121)
    (x, width), (y, height) = _BRAIN[across], _BRAIN[up]
    axes.fill(x + width * np.cos(angle), y + height * np.sin(angle), color="#F1F3F5", zorder=0)
    axes.set_xlim(x - 1.12 * width, x + 1.12 * width)
    axes.set_ylim(y - 1.12 * height, y + 1.12 * height)


def _pattern(folder: Path, primary) -> list:
    """Forward pattern of the classifier, as image or by region."""
    name = input_name(*primary) if primary else "the classifier"
    how = (
        "It says how the maps change with the classifier's decision; unlike raw weights, large "
        "values here do mean signal. Signs: red goes with a decision for case."
    )
    images = [path for path in sorted(folder.glob("pattern*.nii.gz")) if path.stat().st_size]
    if images:
        shown = []
        for path in images:
            data, size, _ = _read_volume(path)
            stem = path.name.removesuffix(".nii.gz")
            shown.append(_pattern_volume(data, size, name, how, stem))
        return [model.Heading("What the classifier uses"), *shown]
    table = read_table(folder / "pattern.tsv", region=str)
    if table is None or "region" not in table:
        return []
    key = next((key for key in _VALUES if key in table and table[key].notna().any()), None)
    if key is None:
        return []
    if primary and "input" in table and (table["input"] == primary[0]).any():
        table = table[table["input"] == primary[0]]
    by_region = table.groupby("region")[key].mean()
    shown = by_region.reindex(by_region.abs().sort_values(ascending=False).index).head(_TOP)
    shown = shown[shown != 0]
    if shown.empty:
        return []
    figure = draw.figure(
        "pattern",
        lambda picture: draw.bars(
            picture.subplots(),
            list(shown.index),
            shown.to_numpy(),
            label="Forward pattern",
            signed=True,
        ),
        size=(4.6, 0.8 + 0.19 * max(len(shown), 6)),
        caption=f"Pattern of {name}, trained on everybody: forward transform of its weights, "
        f"mean per region, the {len(shown)} largest.",
        how_to_read=how,
        alt=f"Bars of the forward pattern of {name} by region",
    )
    return [model.Heading("What the classifier uses"), figure]


def _pattern_volume(data, size, name: str, how: str, stem: str):
    seen = np.isfinite(data) & (data != 0)
    levels = np.flatnonzero(seen.any(axis=(0, 1)))
    if not len(levels):
        return model.Text(f"The image {stem} is empty.")
    chosen = np.unique(levels[np.linspace(0, len(levels) - 1, _N_SLICES).round().astype(int)])
    reach = float(np.percentile(np.abs(data[seen]), 99)) or 1.0

    def paint(picture):
        axes = picture.subplots()
        row = np.concatenate(
            [np.where(seen, data, np.nan)[:, :, z].T[::-1] for z in chosen], axis=1
        )
        image = axes.imshow(
            np.ma.masked_invalid(row),
            cmap="RdBu_r",
            vmin=-reach,
            vmax=reach,
            aspect=size[1] / size[0],
        )
        axes.axis("off")
        picture.colorbar(image, ax=axes, pad=0.01, aspect=12).outline.set_visible(False)

    return draw.figure(
        stem,
        paint,
        size=(8.2, 1.9),
        dpi=130,
        wide=True,
        caption=f"Pattern of {name}, trained on everybody: forward transform of its weights, "
        "axial slices from low to high. Left is left.",
        how_to_read=how,
        alt=f"Axial slices of the forward pattern of {name}",
    )
