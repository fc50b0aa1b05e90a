"""Brain maps of the stage `adhd`: group means, differences and the classifier's pattern."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import brains, draw
from neuro.report.pages.adhd_scores import input_name
from neuro.report.pages.overview import read_table
from neuro.report.site import model

_TOP = 20
_VALUES = ("pattern", "value", "weight", "mean")
_ON = {
    True: " on the MNI152 template",
    False: "; the map is not in template space, so there is no brain behind it",
}


def blocks(folder: Path, primary, template: bool = True) -> list:
    """Group maps and the pattern, at voxel or region level, whatever there is.

    Parameters
    ----------
    folder : pathlib.Path
        `results/adhd`.
    primary : tuple of str or None
        Input and mask of the primary variant; its map is shown open, the others folded.
    template : bool, default True
        Whether the images are in template space; others are drawn without a template.

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
            shown += _volume_blocks(name, volumes[name], template, whole=name == names[0])
        if table is not None:
            chosen = table[table["map"] == name].dropna(subset=["difference"])
            if len(chosen):
                shown += _region_blocks(name, chosen, template)
        if not shown:
            continue
        if name == names[0]:
            out += [model.Heading(f"Group maps: {input_name(name)}"), *shown]
        else:
            out.append(model.Details(f"Group maps: {input_name(name)}", shown))
    out += _pattern(folder, primary, template)
    return out


def _volumes(folder: Path) -> dict[str, dict[str, Path]]:
    """Group images `group_<map>_<case|control|difference>.nii.gz` by map, complete sets only."""
    volumes: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("group_*.nii.gz")):
        match = re.fullmatch(r"group_(\w+?)_(case|control|difference)\.nii\.gz", path.name)
        if match and path.stat().st_size:
            volumes.setdefault(match[1], {})[match[2]] = path
    return {name: kinds for name, kinds in volumes.items() if "difference" in kinds}


def _read_volume(path: Path):
    """A 3D map in RAS+ order and its affine."""
    import nibabel

    image = nibabel.as_closest_canonical(nibabel.load(path))
    data = np.asarray(image.dataobj, dtype=np.float32)
    if data.ndim == 4:
        data = data.sum(axis=3)
    return data, image.affine


_LABELS = {"case": "Cases", "control": "Controls", "difference": "Difference"}


def volume_table(maps: dict, seen, affine, files: dict) -> pd.DataFrame:
    """What slices show of images that lie in the results: scales and peaks.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (nx, ny, nz)
        By kind: `case`, `control`, `difference` or `pattern`.
    seen : ndarray of bool
        Voxels with a value.
    affine : ndarray, shape (4, 4)
    files : dict of str to str
        File of each map in `results/adhd`.

    Returns
    -------
    pandas.DataFrame
        One row per map: `series`, `label`, `image`, `signed`, end of the colour `scale` (99 % of
        the voxels; cases and controls share it), largest and smallest value with their places
        (mm): `high`, `high_x` ... `low_z`.
    """
    means = [np.abs(maps[kind][seen]) for kind in ("case", "control") if kind in maps]
    common = float(np.percentile(np.concatenate(means), 99)) if means else 1.0
    places = np.argwhere(seen) @ affine[:3, :3].T + affine[:3, 3]
    rows = []
    for kind, data in maps.items():
        signed = kind not in ("case", "control")
        values = data[seen]
        scale = float(np.percentile(np.abs(values), 99)) if signed else common
        row = {"series": kind, "label": _LABELS.get(kind, "Pattern")}
        row |= {"image": f"adhd/{files[kind]}", "signed": signed, "scale": scale or 1.0}
        for end, at in (("high", np.argmax(values)), ("low", np.argmin(values))):
            row |= {end: float(values[at])}
            row |= {f"{end}_{axis}": float(mm) for axis, mm in zip("xyz", places[at])}
        rows.append(row)
    return pd.DataFrame(rows)


def slices_paint(picture, table: pd.DataFrame, maps, seen, affine, template: bool) -> None:
    """The images of :func:`volume_table`, on its scales."""
    rows = [
        (row.label, maps[row.series], float(row.scale), bool(row.signed))
        for row in table.itertuples()
    ]
    brains.slices(picture, rows, seen, affine, template)


def surface_paint(picture, table: pd.DataFrame, data, seen, affine) -> None:
    """One image of :func:`volume_table` on the cortex, on its scale."""
    brains.surface(picture, data, seen, affine, float(table["scale"].iloc[0]))


def _volume_blocks(name: str, kinds: dict[str, Path], template: bool, whole: bool) -> list:
    """Slices of a map; its difference on the surface too, and a page, where `whole`."""
    maps = {
        kind: _read_volume(kinds[kind])[0]
        for kind in ("case", "control", "difference")
        if kind in kinds
    }
    _, affine = _read_volume(kinds["difference"])
    inside = np.all([np.isfinite(data) for data in maps.values()], axis=0)
    seen = np.any([np.nan_to_num(data) != 0 for data in maps.values()], axis=0) & inside
    words = input_name(name)
    if not seen.any():
        return [model.Text(f"The group maps of {words} are empty.")]
    template = template and brains.place_of(seen, affine)
    table = volume_table(maps, seen, affine, {kind: path.name for kind, path in kinds.items()})
    reach = float(table["scale"].iloc[-1])
    out: list = [
        draw.figure(
            f"group_{name}",
            partial(slices_paint, maps=maps, seen=seen, affine=affine, template=template),
            data=table,
            size=(9.4, 1.5 * len(table)),
            dpi=110,
            layout=None,
            wide=True,
            caption=f"{words}: mean map of cases, of controls, and their difference "
            f"(case − control), axial slices with their height z in mm{_ON[template]}.",
            how_to_read="Red: more in cases; blue: more in controls. A difference in the mean is "
            "no proof: the table gives p-values from permutations within sites, where it has any.",
            alt=f"Axial slices of the group maps of {words}",
        )
    ]
    if template and whole:
        difference = maps["difference"]
        out.append(
            draw.figure(
                f"surface_{name}",
                partial(surface_paint, data=difference, seen=seen, affine=affine),
                data=table.tail(1),
                size=(9.4, 2.2),
                dpi=110,
                layout=None,
                wide=True,
                caption=f"{words}: the difference on the cortex (fsaverage5, inflated; sampled "
                "around the pial surface).",
                how_to_read="Light and dark grey are gyri and sulci where the map has no value. "
                "The surface shows the cortex only; the slices show everything.",
                alt=f"Group difference of {words} on the cortical surface",
            )
        )
        title = f"{words}: the difference, to walk through"
        hint = "slices at any place of the template, with the mouse"
        out.append(brains.image_page(f"group_{name}", difference, seen, affine, reach, title, hint))
    return out


def _region_blocks(name: str, of_map: pd.DataFrame, template: bool) -> list:
    words = input_name(name)
    placed = of_map.dropna(subset=["x", "y", "z"]) if {"x", "y", "z"} <= set(of_map) else of_map[:0]
    has_place = template and len(placed) > 0
    has_place = has_place and brains.inside_template(placed[["x", "y", "z"]])
    ranked = of_map.reindex(of_map["difference"].abs().sort_values(ascending=False).index)
    if has_place:
        figure = _glass_figure(name, placed)
    else:
        shown = ranked.head(_TOP)
        figure = draw.figure(
            f"regions_{name}",
            partial(draw.bars, label="Case − control", signed=True),
            data=shown[["region", "difference"]].rename(columns={"difference": "value"}),
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
    if "p" in of_map and of_map["p"].notna().any():
        columns.append(model.Column("p", "p", 0))
        rows = of_map.sort_values(["p", "region"], kind="stable")
    if "q" in of_map and of_map["q"].notna().any():
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
        + f" of {len(of_map)}. p from permutations within sites, q corrects for the number of "
        "regions (false discovery rate); bold: q < .05."
    )
    return [figure, model.Table(caption, columns, records)]


def glass_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Group difference (`value`) at the centre of each `region`, and which are `marked`."""
    table = rows[["region", "difference", "x", "y", "z"]].rename(columns={"difference": "value"})
    return table.assign(marked=rows["q"] < 0.05 if "q" in rows else False)


def glass_paint(picture, table: pd.DataFrame) -> None:
    """Regions of :func:`glass_table` in a glass brain."""
    values = table["value"].to_numpy(float)
    places, marked = table[["x", "y", "z"]].to_numpy(float), table["marked"].to_numpy(bool)
    brains.points(picture, values, places, marked, float(np.abs(values).max()) or 1.0)


def _glass_figure(name: str, rows: pd.DataFrame) -> model.Figure:
    words = input_name(name)
    return draw.figure(
        f"regions_{name}",
        glass_paint,
        data=glass_table(rows),
        size=(9.4, 2.9),
        dpi=110,
        layout=None,
        wide=True,
        caption=f"{words}: difference of the group means (case − control) at the centre of each "
        "region in a glass brain, from the left, the back, the right and above; thick rings mark "
        "q < .05.",
        how_to_read="Red and large: more in cases; blue and large: more in controls. Without "
        "rings the picture is compatible with chance.",
        alt=f"Group difference of {words} by region in a glass brain",
    )


def pattern_table(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Mean (`value`) of a column by `region`: the largest in size first, without zeros."""
    mean = table.groupby("region")[key].mean()
    mean = mean.reindex(mean.abs().sort_values(ascending=False).index).head(_TOP)
    mean = mean[mean != 0]
    return pd.DataFrame({"region": mean.index, "value": mean.to_numpy()})


def _pattern(folder: Path, primary, template: bool) -> list:
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
            stem = path.name.removesuffix(".nii.gz")
            data, affine = _read_volume(path)
            shown.append(_pattern_volume(data, affine, name, how, stem, template))
        return [model.Heading("What the classifier uses"), *shown]
    table = read_table(folder / "pattern.tsv", region=str)
    if table is None or "region" not in table:
        return []
    key = next((key for key in _VALUES if key in table and table[key].notna().any()), None)
    if key is None:
        return []
    if primary and "input" in table and (table["input"] == primary[0]).any():
        table = table[table["input"] == primary[0]]
    shown = pattern_table(table, key)
    if shown.empty:
        return []
    figure = draw.figure(
        "pattern",
        partial(draw.bars, label="Forward pattern", signed=True),
        data=shown,
        size=(4.6, 0.8 + 0.19 * max(len(shown), 6)),
        caption=f"Pattern of {name}, trained on everybody: forward transform of its weights, "
        f"mean per region, the {len(shown)} largest.",
        how_to_read=how,
        alt=f"Bars of the forward pattern of {name} by region",
    )
    return [model.Heading("What the classifier uses"), figure]


def _pattern_volume(data, affine, name: str, how: str, stem: str, template: bool):
    seen = np.isfinite(data) & (data != 0)
    if not seen.any():
        return model.Text(f"The image {stem} is empty.")
    template = template and brains.place_of(seen, affine)
    maps = {"pattern": data}
    return draw.figure(
        stem,
        partial(slices_paint, maps=maps, seen=seen, affine=affine, template=template),
        data=volume_table(maps, seen, affine, {"pattern": f"{stem}.nii.gz"}),
        size=(9.4, 1.6),
        dpi=110,
        layout=None,
        wide=True,
        caption=f"Pattern of {name}, trained on everybody: forward transform of its weights, "
        f"axial slices with their height z in mm{_ON[template]}.",
        how_to_read=how,
        alt=f"Axial slices of the forward pattern of {name}",
    )
