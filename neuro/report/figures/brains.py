"""Brains of the report, drawn by nilearn: slices, glass brain, surface, connectome and pages.

Everything comes from files that nilearn carries (MNI152 template, fsaverage5); the import costs
seconds, so it waits until there is a brain to draw.
"""

from __future__ import annotations

import functools
import gc
import warnings

import numpy as np

from neuro.io.images.grayordinates import HEMISPHERES, structures
from neuro.report.figures import draw
from neuro.report.pages import fmri_input
from neuro.report.pages.overview import read_table
from neuro.report.site import model

DIVERGING = "RdBu_r"
N_EDGES = 120
"""Edges shown of a connectome, the strongest."""
_BOX = np.array([[-92.0, -128.0, -74.0], [92.0, 94.0, 112.0]])
"""Corners (mm) of a box around the MNI152 template."""
_TINY = 1e-5


def in_template(results, config) -> bool:
    """Whether the run's images are in MNI-like space, as its run table and settings say.

    Parameters
    ----------
    results : pathlib.Path
    config : dict

    Returns
    -------
    bool
    """
    runs = read_table(results / "fmri" / "runs.tsv", space=str)
    return not fmri_input.is_native(
        config.get("data", {}).get("kind"), runs, config.get("fmri", {})
    )


def inside_template(coords_mm) -> bool:
    """Whether nearly all places lie where the template's brain is.

    Parameters
    ----------
    coords_mm : ndarray, shape (n_places, 3)
        RAS+.

    Returns
    -------
    bool
    """
    coords = np.asarray(coords_mm, dtype=float)
    within = ((coords >= _BOX[0]) & (coords <= _BOX[1])).all(axis=1)
    # Native coordinates count from a corner or the scanner's centre: they fill one side only.
    return bool(within.mean() > 0.95 and np.ptp(coords[:, 0]) > 40 and coords[:, 0].min() < 0)


def place_of(seen, affine) -> bool:
    """The same for the voxels of an image."""
    return bool(seen.any()) and inside_template(
        np.argwhere(seen) @ affine[:3, :3].T + affine[:3, 3]
    )


def _quietly(paint):
    """Run without nilearn's remarks, which are no business of a report's reader."""

    @functools.wraps(paint)
    def wrapped(*args, **kwargs):
        # nilearn collects garbage at every look at an image; what lives already stays aside.
        gc.freeze()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return paint(*args, **kwargs)
        finally:
            gc.unfreeze()

    return wrapped


def _image(data, seen, affine):
    """An image whose voxels without a value are 0, and no other."""
    import nibabel

    data = np.where(seen & (data == 0), _TINY * (np.abs(data[seen]).max() or 1.0), data)
    return nibabel.Nifti1Image(np.where(seen, data, 0).astype(np.float32), affine)


@functools.cache
def _template():
    from nilearn.datasets import load_mni152_template

    return load_mni152_template(resolution=3)


@_quietly
def slices(picture, rows, seen, affine, template: bool, n_slices: int = 7) -> None:
    """One row of axial slices per map, on the template where the map is in its space.

    Parameters
    ----------
    picture : matplotlib.figure.Figure
        Without a layout engine.
    rows : list of (str, ndarray, float, bool)
        Label, map, end of the colour scale, and whether the map has a sign.
    seen : ndarray of bool
        Voxels with a value.
    affine : ndarray, shape (4, 4)
        RAS+.
    template : bool
    n_slices : int
    """
    from nilearn.plotting import plot_stat_map

    levels = np.flatnonzero(seen.any(axis=(0, 1)))
    chosen = levels[(np.linspace(0.12, 0.88, n_slices) * (len(levels) - 1)).round().astype(int)]
    cuts = sorted({float(affine[2, 2] * z + affine[2, 3]) for z in chosen})
    height = 1 / len(rows)
    for number, (label, data, reach, signed) in enumerate(rows):
        bottom = 1 - (number + 1) * height
        display = plot_stat_map(
            _image(data, seen, affine),
            display_mode="z",
            cut_coords=cuts,
            figure=picture,
            axes=(0.03, bottom, 0.97, height),
            threshold=_TINY * 1e-3,
            cmap=DIVERGING if signed else "viridis",
            vmin=-reach if signed else 0,
            vmax=reach,
            symmetric_cbar=signed,
            resampling_interpolation="nearest",
            annotate=False,
            black_bg=False,
            bg_img=_template() if template else None,
        )
        for cut in display.axes.values():
            # Room for the letters and heights in the corners.
            for ends, grow in (
                (cut.ax.get_xlim(), cut.ax.set_xlim),
                (cut.ax.get_ylim(), cut.ax.set_ylim),
            ):
                room = 0.09 * (ends[1] - ends[0])
                grow(ends[0] - room, ends[1] + room)
        display.annotate(left_right=number == 0, size=8, positions=number == len(rows) - 1)
        picture.text(0.012, bottom + height / 2, label, rotation=90, va="center", fontsize=8)


@_quietly
def surface(picture, data, seen, affine, reach: float) -> None:
    """A map on the inflated fsaverage5 surface: both hemispheres from both sides."""
    from nilearn.datasets import load_fsaverage, load_fsaverage_data
    from nilearn.plotting import plot_surf_stat_map
    from nilearn.surface import SurfaceImage

    image = _image(data, seen, affine)
    on_surface = SurfaceImage.from_volume(load_fsaverage("fsaverage5")["pial"], image)
    meshes = load_fsaverage("fsaverage5")["inflated"]
    sulci = load_fsaverage_data("fsaverage5", data_type="sulcal")
    views = [(side, view) for side in ("left", "right") for view in ("lateral", "medial")]
    for number, (side, view) in enumerate(views):
        axes = picture.add_axes((number * 0.225, 0, 0.225, 1), projection="3d")
        plot_surf_stat_map(
            stat_map=on_surface,
            surf_mesh=meshes,
            hemi=side,
            view=view,
            bg_map=sulci,
            cmap=DIVERGING,
            vmin=-reach,
            vmax=reach,
            threshold=_TINY * 1e-3,
            colorbar=False,
            axes=axes,
            figure=picture,
        )
        axes.text2D(0.5, 0.02, f"{side}, {view}", transform=axes.transAxes, ha="center", fontsize=8)
    _bar(picture, (0.915, 0.15, 0.012, 0.7), reach)


@_quietly
def cortex(picture, rows, axis, meshes: dict, label: str = "") -> None:
    """Maps of grayordinates on meshes: a row per map, both hemispheres from both sides.

    Parameters
    ----------
    picture : matplotlib.figure.Figure
        Without a layout engine.
    rows : list of (str, ndarray, float, float)
        Label, values of the grayordinates, and the ends of the colour scale; a map with a sign
        begins below 0.
    axis : nibabel.cifti2.BrainModelAxis
    meshes : dict of str to (coords, faces)
        By `CORTEX_LEFT`, `CORTEX_RIGHT`.
    label : str
        Of the colour bar; the map's own by default.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from nilearn.plotting import plot_surf
    from nilearn.surface import InMemoryMesh

    whole = {name: InMemoryMesh(*mesh) for name, mesh in meshes.items()}
    views = [(name, view) for name in HEMISPHERES for view in ("lateral", "medial")]
    height = 1 / len(rows)
    for number, (title, values, low, high) in enumerate(rows):
        bottom = 1 - (number + 1) * height
        colours = DIVERGING if low < 0 else "viridis"
        shown = on_vertices(values, axis)
        for column, (name, view) in enumerate(views):
            if name not in whole or name not in shown:
                continue
            side = HEMISPHERES[name]
            axes = picture.add_axes((column * 0.225, bottom, 0.225, height), projection="3d")
            plot_surf(
                surf_mesh=whole[name],
                surf_map=shown[name],
                hemi=side,
                view=view,
                cmap=colours,
                vmin=low,
                vmax=high,
                colorbar=False,
                axes=axes,
                figure=picture,
            )
            words = f"{side}, {view}"
            axes.text2D(0.5, 0.02, words, transform=axes.transAxes, ha="center", fontsize=8)
        scale = ScalarMappable(Normalize(low, high), colours)
        bar = picture.colorbar(
            scale, cax=picture.add_axes((0.915, bottom + 0.15 * height, 0.012, 0.7 * height))
        )
        bar.set_label(label or title, fontsize=8)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)


def on_vertices(values, axis) -> dict:
    """Values of grayordinates by hemisphere, one per vertex; NaN where the map has none."""
    on_mesh = {}
    for name, block, rows in structures(axis):
        if name in HEMISPHERES:
            on_mesh[name] = np.full(axis.nvertices[f"CIFTI_STRUCTURE_{name}"], np.nan)
            on_mesh[name][rows.vertex] = np.asarray(values, dtype=float)[block]
    return on_mesh


def _bar(picture, rectangle, reach: float, label: str = "Case − control") -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(-reach, reach), DIVERGING)
    bar = picture.colorbar(scale, cax=picture.add_axes(rectangle))
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


@_quietly
def points(picture, values, coords_mm, marked, reach: float) -> None:
    """Values of regions at their centres in a glass brain, some of them ringed.

    Parameters
    ----------
    picture : matplotlib.figure.Figure
    values : ndarray, shape (n_regions,)
    coords_mm : ndarray, shape (n_regions, 3)
    marked : ndarray of bool, shape (n_regions,)
    reach : float
        End of the colour scale.
    """
    from nilearn.plotting import plot_markers

    order = np.argsort(np.abs(values), kind="stable")
    values, coords, marked = values[order], coords_mm[order], marked[order]
    size = 12 + 70 * np.abs(values) / reach
    display = plot_markers(
        values,
        coords,
        node_size=size,
        node_cmap=DIVERGING,
        node_vmin=-reach,
        node_vmax=reach,
        alpha=0.9,
        display_mode="lyrz",
        figure=picture,
        axes=(0, 0, 0.9, 1),
        colorbar=False,
        node_kwargs={"edgecolors": draw.INK, "linewidths": 0.25},
    )
    for centre, area in zip(coords[marked], size[marked]):
        ring = {"facecolors": "none", "edgecolors": draw.INK, "linewidths": 1.6}
        display.add_markers([centre], marker_color="none", marker_size=area + 10, **ring)
    _bar(picture, (0.93, 0.15, 0.012, 0.7), reach)


def strongest(matrix) -> np.ndarray:
    """A connectome with all but its strongest edges set to 0.

    Parameters
    ----------
    matrix : ndarray, shape (n_regions, n_regions)
        Symmetric; missing edges are NaN.

    Returns
    -------
    ndarray
        At most :data:`N_EDGES` edges and two per region; ties are broken by their place.
    """
    rows, columns = np.triu_indices(len(matrix), 1)
    values = np.nan_to_num(matrix[rows, columns])
    order = np.argsort(-np.abs(values), kind="stable")[: min(N_EDGES, 2 * len(matrix))]
    kept = np.zeros(matrix.shape)
    kept[rows[order], columns[order]] = values[order]
    return kept + kept.T


@_quietly
def connectome(picture, matrix, coords_mm, reach: float, label: str) -> None:
    """Edges between region centres in a glass brain."""
    from nilearn.plotting import plot_connectome

    plot_connectome(
        matrix,
        coords_mm,
        node_color=draw.OTHER,
        node_size=8,
        edge_cmap=DIVERGING,
        edge_vmin=-reach,
        edge_vmax=reach,
        edge_kwargs={"linewidth": 1.2},
        display_mode="lyrz",
        figure=picture,
        axes=(0, 0, 0.9, 1),
        colorbar=False,
    )
    _bar(picture, (0.93, 0.15, 0.012, 0.7), reach, label)


@_quietly
def connectome_page(matrix, coords_mm, title: str, words: str) -> model.View:
    """A page on which the connectome can be turned."""
    from nilearn.plotting import view_connectome

    view = view_connectome(
        matrix,
        coords_mm,
        edge_cmap=DIVERGING,
        node_color=draw.OTHER,
        node_size=4,
        linewidth=4,
    )
    return model.View("connectome", title, words, view.get_standalone())


@_quietly
def image_page(slug, data, seen, affine, reach: float, title: str, words: str) -> model.View:
    """A page on which a map can be cut at any place of the template."""
    from nilearn.plotting import view_img

    view = view_img(
        _image(data, seen, affine),
        bg_img=_template(),
        threshold=_TINY * 1e-3,
        cmap=DIVERGING,
        vmax=reach,
        resampling_interpolation="nearest",
    )
    return model.View(slug, title, words, view.get_standalone())
