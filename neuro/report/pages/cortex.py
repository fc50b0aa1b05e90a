"""Maps of grayordinates on the inflated cortex: group maps, and signal to noise by region."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.images import grayordinates as gray
from neuro.io.images.meshes import drawing_meshes
from neuro.io.problems import InputProblem
from neuro.report.figures import brains, draw
from neuro.report.pages.overview import read_table
from neuro.report.site import model

ENDING = ".dscalar.nii"
_LABELS = {"case": "Cases", "control": "Controls", "difference": "Difference"}
_NO_MESH = "No mesh of the cortex is known, so {} are not drawn; fmri.surfaces gives one."
_HOW = "Grey: no value there (the medial wall). Subcortical voxels are in the file, not drawn."


def meshes(axis, config: dict) -> dict:
    """Inflated meshes for pictures; empty where none is known or they do not fit."""
    both = config.get("fmri", {}).get("surfaces") or {}
    try:
        return drawing_meshes(axis, both.get("left"), both.get("right"))
    except InputProblem:
        return {}


def map_table(maps: dict, axis, files: dict) -> pd.DataFrame:
    """What a picture shows of maps that lie in the results: scales and peaks.

    Parameters
    ----------
    maps : dict of str to ndarray, shape (n_grayordinates,)
        By kind: `case`, `control`, `difference` or `pattern`.
    axis : nibabel.cifti2.BrainModelAxis
    files : dict of str to str
        File of each map in `results/adhd`.

    Returns
    -------
    pandas.DataFrame
        One row per map: `series`, `label`, `image`, `signed`, end of the colour `scale` (99 % of
        the grayordinates; cases and controls share it), largest and smallest value, `high` and
        `low`, with structure and vertex (or place among its voxels): `high_in`, `high_at` ...
    """
    means = [np.abs(maps[kind]) for kind in ("case", "control") if kind in maps]
    common = float(np.nanpercentile(np.concatenate(means), 99)) if means else 1.0
    names = np.empty(len(axis), dtype=object)
    places = np.zeros(len(axis), dtype=int)
    for name, block, columns in gray.structures(axis):
        names[block] = name
        cortex = not columns.volume_mask.all()
        places[block] = columns.vertex if cortex else np.arange(len(columns))
    rows = []
    for kind, values in maps.items():
        signed = kind not in ("case", "control")
        scale = float(np.nanpercentile(np.abs(values), 99)) if signed else common
        row = {"series": kind, "label": _LABELS.get(kind, "Pattern")}
        row |= {"image": f"adhd/{files[kind]}", "signed": signed, "scale": scale or 1.0}
        for end, at in (("high", np.nanargmax(values)), ("low", np.nanargmin(values))):
            row |= {end: float(values[at]), f"{end}_in": names[at], f"{end}_at": int(places[at])}
        rows.append(row)
    return pd.DataFrame(rows)


def map_paint(picture, table: pd.DataFrame, maps: dict, axis, cortex: dict) -> None:
    """The maps of :func:`map_table`, on its scales."""
    rows = [
        (row.label, maps[row.series], -row.scale if row.signed else 0.0, float(row.scale))
        for row in table.itertuples()
    ]
    brains.cortex(picture, rows, axis, cortex)


def group_maps(folder: Path, config: dict, words) -> list:
    """Figures of `group_<map>_<kind>.dscalar.nii` and `pattern_<map>.dscalar.nii`.

    Parameters
    ----------
    folder : pathlib.Path
        `results/adhd`.
    config : dict
    words : callable
        Name of a map for readers.

    Returns
    -------
    list
        Empty for graphs of voxels or regions.
    """
    files: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob(f"*_*{ENDING}")):
        match = re.fullmatch(r"group_(\w+?)_(case|control|difference)", path.name[: -len(ENDING)])
        if match:
            files.setdefault(match[1], {})[match[2]] = path
        elif path.name.startswith("pattern_"):
            name = path.name[len("pattern_") : -len(ENDING)]
            files[f"pattern_{name}"] = {"pattern": path}
    out: list = []
    for name, kinds in files.items():
        maps = {}
        for kind in ("case", "control", "difference", "pattern"):
            if kind in kinds:
                content, axis = gray.read_scalars(kinds[kind])
                maps[kind] = np.sum(list(content.values()), axis=0)
        cortex = meshes(axis, config)
        if not cortex:
            return [model.Text(_NO_MESH.format("the maps of grayordinates"), "note")]
        table = map_table(maps, axis, {kind: path.name for kind, path in kinds.items()})
        title = words(name.removeprefix("pattern_"))
        what = "mean map of cases, of controls, and their difference (case − control)"
        if "pattern" in maps:
            what = "pattern of the classifier, trained on everybody"
        out.append(
            draw.figure(
                f"cortex_{name}",
                partial(map_paint, maps=maps, axis=axis, cortex=cortex),
                data=table,
                size=(9.4, 2.2 * len(table)),
                dpi=110,
                layout=None,
                wide=True,
                caption=f"{title}: {what}, on the inflated cortex.",
                how_to_read=f"Red: more in cases; blue: more in controls. {_HOW}",
                alt=f"Maps of {title} on the inflated cortex",
            )
        )
    return [model.Heading("Maps on the cortex"), *out] if out else []


def quality_table(files: dict, atlas: dict, names) -> pd.DataFrame:
    """Temporal signal to noise by region, mean over runs.

    Parameters
    ----------
    files, atlas : dict of str to path-like
        Figure arrays by run key, of the cleaning and of the regions.
    names : sequence of str
        Of the regions.

    Returns
    -------
    pandas.DataFrame
        `code` (place among the regions, from 1), `region`, `tsnr` (NaN without any run) and
        `n_runs`.
    """
    total, count = np.zeros(len(names)), np.zeros(len(names), dtype=int)
    for key, path in files.items():
        if key not in atlas:
            continue
        with np.load(path, allow_pickle=False) as arrays:
            if "tsnr_gray" not in arrays.files:
                continue
            values = arrays["tsnr_gray"].astype(float)
        with np.load(atlas[key], allow_pickle=False) as arrays:
            owner = arrays["atlas_gray"].astype(int)
        live = (values > 0) & (owner > 0)
        size = np.bincount(owner[live] - 1, minlength=len(names))
        mean = np.bincount(owner[live] - 1, weights=values[live], minlength=len(names))
        total += mean / np.maximum(size, 1)
        count += size > 0
    tsnr = np.divide(total, count, out=np.full(len(names), np.nan), where=count > 0)
    codes = np.arange(1, len(names) + 1)
    return pd.DataFrame({"code": codes, "region": names, "tsnr": tsnr, "n_runs": count})


def quality_paint(picture, table: pd.DataFrame, owner, axis, cortex: dict) -> None:
    """Regions of :func:`quality_table`, each in the colour of its value."""
    by_code = np.concatenate([[np.nan], table["tsnr"].to_numpy(float)])
    values = by_code[owner]
    top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    brains.cortex(picture, [("tSNR", values, 0.0, top)], axis, cortex, label="tSNR")


def quality(folder: Path, files: dict, atlas: dict, config: dict) -> list:
    """The figure of signal to noise on the cortex, for series on surfaces.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.
    files, atlas : dict of str to path-like
        See :func:`quality_table`.
    config : dict
    """
    masks = sorted(folder.glob(f"sub-*/**/*_desc-brain_mask{ENDING}"))
    regions = read_table(folder / "regions.tsv", region=str)
    shared = [key for key in files if key in atlas]
    if not masks or regions is None or not shared:
        return []
    _, axis = gray.read_scalars(masks[0])
    cortex = meshes(axis, config)
    if not cortex:
        return [model.Text(_NO_MESH.format("regions"), "note")]
    table = quality_table(files, atlas, regions["region"].tolist())
    if table["tsnr"].isna().all():
        return []
    with np.load(atlas[shared[0]], allow_pickle=False) as arrays:
        owner = arrays["atlas_gray"].astype(int)
    return [
        draw.figure(
            "cortex_tsnr",
            partial(quality_paint, owner=owner, axis=axis, cortex=cortex),
            data=table,
            size=(9.4, 2.2),
            dpi=110,
            layout=None,
            wide=True,
            caption="Temporal signal to noise of the regions on the inflated cortex, mean over "
            f"{int(table['n_runs'].max())} runs.",
            how_to_read="Dark regions lose signal, as near the ear canals and above the nose they "
            f"do; all regions alike dark speak for noise. {_HOW}",
            alt="Signal to noise by region on the inflated cortex",
        )
    ]
