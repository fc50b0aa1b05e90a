"""Figures of the stage `fmri` about maps: amplitudes, homogeneity and seeds, means over people."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import brains, draw
from neuro.report.pages.adhd_scores import input_name
from neuro.report.pages.overview import read_table
from neuro.report.site import model

_TEXT = {"map": str, "seed": str, "region": str, "site": str, "run_key": str}
_MAX_ROWS = 8
"""Maps in one figure."""
RANKS = 10
"""Regions in the table of each map."""


def blocks(folder: Path, template: bool = True) -> list:
    """Group maps as slices, how sites differ, and the regions with the largest values.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.
    template : bool, default True
        Whether the images are in template space.

    Returns
    -------
    list
        Empty where no maps were made.
    """
    runs = read_table(folder / "maps.tsv", **_TEXT)
    regions = read_table(folder / "group_maps.tsv", **_TEXT)
    if runs is None or regions is None or not len(runs):
        return []
    out: list = [
        model.Heading("Maps: amplitude, homogeneity, seeds"),
        model.Text(
            "ALFF is the mean amplitude inside the pass band, fALFF its share of the amplitudes of "
            "all frequencies, ReHo Kendall's concordance of a voxel with its neighbours; seed "
            "maps are correlations with a small sphere (Fisher z). Group maps are means over "
            "people, of z-scores inside each brain for all but the seeds."
        ),
    ]
    out += _figure(folder, regions, template)
    out += [_site_table(runs), _region_table(regions)]
    return out


def _names(table: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Map, seed, and the volume that it is, of every map in a table."""
    names = []
    for name, of_map in table.groupby("map", sort=False):
        seeds = of_map["seed"].fillna("n/a").unique()
        names += [(str(name), str(seed), number) for number, seed in enumerate(seeds)]
    return names


def label_of(name: str, seed: str) -> str:
    """What a map is called in the report."""
    return input_name(name) if name != "seed" else f"Seed {seed}"


def slices_table(folder: Path, names) -> tuple[pd.DataFrame, dict]:
    """What the slices show: scales and peaks of the group maps.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.
    names : sequence of (str, str, int)
        Map, seed and volume.

    Returns
    -------
    table : pandas.DataFrame
        One row per map: `series`, `label`, `image`, `volume`, end of the colour `scale` (99 % of
        the voxels; amplitudes and homogeneity share it, seeds another), number of `people` in the
        median voxel, and the largest and smallest value with their places (mm).
    maps : dict of str to tuple
        `series` to data, voxels with a value, and affine.
    """
    import nibabel

    rows, maps = [], {}
    for name, seed, volume in names:
        path = folder / f"group_{name}_mean.nii.gz"
        if not path.exists() or not path.stat().st_size:
            continue
        images = [
            nibabel.as_closest_canonical(nibabel.load(folder / f"group_{name}_{what}.nii.gz"))
            for what in ("mean", "n")
        ]
        data, count = (np.asarray(image.dataobj, dtype=np.float32) for image in images)
        if data.ndim == 4:
            data, count = data[..., volume], count[..., volume]
        seen = count > 0
        if not seen.any():
            continue
        key = name if name != "seed" else f"seed_{seed}"
        maps[key] = data, seen, images[0].affine
        places = np.argwhere(seen) @ images[0].affine[:3, :3].T + images[0].affine[:3, 3]
        values = data[seen]
        row = {"series": key, "label": label_of(name, seed), "image": f"fmri/{path.name}"}
        row |= {"volume": volume, "scale": float(np.percentile(np.abs(values), 99))}
        row["people"] = float(np.median(count[seen]))
        for end, at in (("high", np.argmax(values)), ("low", np.argmin(values))):
            row |= {end: float(values[at])}
            row |= {f"{end}_{axis}": float(mm) for axis, mm in zip("xyz", places[at])}
        rows.append(row)
    table = pd.DataFrame(rows)
    if len(table):
        seeds = table["series"].str.startswith("seed_")
        table["scale"] = table.groupby(seeds)["scale"].transform("max").clip(lower=1e-6)
    return table, maps


def slices_paint(picture, table: pd.DataFrame, maps, template: bool) -> None:
    """The images of :func:`slices_table`, on its scales."""
    first = maps[table["series"].iloc[0]]
    rows = [(row.label, maps[row.series][0], float(row.scale), True) for row in table.itertuples()]
    brains.slices(picture, rows, first[1], first[2], template)


def _figure(folder: Path, regions: pd.DataFrame, template: bool) -> list:
    table, maps = slices_table(folder, _names(regions)[:_MAX_ROWS])
    if not len(table):
        return [model.Text("The images are in native space, so there are no group images.")]
    _, seen, affine = maps[table["series"].iloc[0]]
    template = template and brains.place_of(seen, affine)
    words = ", ".join(table["label"])
    return [
        draw.figure(
            "group_run_maps",
            partial(slices_paint, maps=maps, template=template),
            data=table,
            size=(9.4, 1.5 * len(table)),
            dpi=110,
            layout=None,
            wide=True,
            caption=f"{words}: mean over people, axial slices with their height z in mm"
            + (" on the MNI152 template." if template else "."),
            how_to_read="Red: above the mean of the brain (seeds: positive correlation); blue: "
            "below. Voxels at the edge of the mask have fewer neighbours, and so a larger ReHo.",
            alt=f"Axial slices of the group means of {words}",
        )
    ]


def _site_table(runs: pd.DataFrame) -> model.Table:
    """Mean value of the maps' voxels by site, median over runs."""
    names = _names(runs)
    rows = []
    for site, of_site in runs.groupby(runs["site"].fillna("n/a").astype(str)):
        row = {"site": site, "runs": int(of_site["run_key"].nunique())}
        for name, seed, _ in names:
            own = of_site[(of_site["map"] == name) & (of_site["seed"].fillna("n/a") == seed)]
            row[f"{name} {seed}"] = float(own["mean"].median())
        rows.append(row)
    columns = [
        model.Column("site", "Site"),
        model.Column("runs", "Runs", 0),
        *(model.Column(f"{name} {seed}", label_of(name, seed), 3) for name, seed, _ in names),
    ]
    caption = (
        "Mean of the maps over the voxels of a run, median over runs, as measured: ALFF has the "
        "units of the images, so scanners differ in it. Unrelated neighbours would have a ReHo of "
        "one divided by their number (.037 with 27)."
    )
    return model.Table(caption, columns, rows)


def _region_table(regions: pd.DataFrame) -> model.Details:
    tables = []
    for name, seed, _ in _names(regions):
        chosen = regions[(regions["map"] == name) & (regions["seed"].fillna("n/a") == seed)]
        chosen = chosen.dropna(subset=["mean"])
        chosen = chosen.reindex(chosen["mean"].sort_values(ascending=False, kind="stable").index)
        columns = [
            model.Column("region", "Region"),
            model.Column("mean", "Mean", 3),
            model.Column("sd", "SD over people", 3),
            model.Column("n", "People", 0),
        ]
        caption = f"{label_of(name, seed)}: the {min(RANKS, len(chosen))} regions with the most."
        tables.append(model.Table(caption, columns, chosen.head(RANKS).to_dict("records")))
    return model.Details("Regions with the largest values", tables)
