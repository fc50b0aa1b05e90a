"""Smoothing on the cortical surface by diffusion of heat.

Heat that starts at a point has spread, after the time t, as a Gaussian of variance 2 t does on
a plane; on a curved sheet it follows the sheet. The Laplace operator of a mesh of triangles has
the cotangent weights; vertices that do not take part (the medial wall) are cut out with their
triangles, so nothing flows over that edge.
"""

from __future__ import annotations

import numpy as np

from neuro.fmri.clean.smooth import FWHM_TO_SIGMA, MaskedGaussian, smooth_series
from neuro.io.images.grayordinates import structures
from neuro.io.images.meshes import GraySpace

ACCURACY = 1e-7
"""Size of the Chebyshev terms that are left out."""
_COLUMNS = 64


def cotangent_laplacian(coords, faces, use=None):
    """Laplace operator of a mesh, as stiffness and mass.

    Parameters
    ----------
    coords : ndarray, shape (n_vertices, 3)
        In mm.
    faces : ndarray of int, shape (n_faces, 3)
    use : ndarray of bool, shape (n_vertices,), optional
        Vertices that take part; a triangle does if its corners do.

    Returns
    -------
    stiffness : scipy.sparse.csr_array, shape (n_vertices, n_vertices)
        Symmetric, rows sum to 0; -cot weights off the diagonal.
    mass : ndarray, shape (n_vertices,)
        A third of the area (mm^2) of the triangles around a vertex; 0 for one without any.

    References
    ----------
    Meyer, Desbrun, Schroeder, Barr (2003), Visualization and Mathematics III:35-57.
    """
    from scipy import sparse

    coords, faces = np.asarray(coords, dtype=np.float64), np.asarray(faces)
    if use is not None:
        faces = faces[np.asarray(use)[faces].all(axis=1)]
    n = len(coords)
    rows, columns, weights = [], [], []
    area = np.zeros(len(faces))
    for corner in range(3):
        a, b, c = (faces[:, (corner + turn) % 3] for turn in range(3))
        first, second = coords[b] - coords[a], coords[c] - coords[a]
        twice = np.linalg.norm(np.cross(first, second), axis=1)
        area = twice / 2
        # half the cotangent of the angle at a belongs to the edge opposite
        half = 0.5 * (first * second).sum(axis=1) / np.maximum(twice, 1e-12)
        rows += [b, c]
        columns += [c, b]
        weights += [half, half]
    shape = (n, n)
    w = sparse.csr_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=shape
    )
    stiffness = sparse.csr_array(sparse.diags_array(np.asarray(w.sum(axis=1)).ravel()) - w)
    mass = np.bincount(faces.ravel(), weights=np.repeat(area / 3, 3), minlength=n)
    return stiffness, mass


class HeatKernel:
    """Smooths values on a mesh; set up once per mesh, width and set of vertices.

    Parameters
    ----------
    coords : ndarray, shape (n_vertices, 3)
        In mm.
    faces : ndarray of int, shape (n_faces, 3)
    fwhm : float
        Full width at half maximum (mm) of the Gaussian that the kernel is on a plane.
    use : ndarray of bool, shape (n_vertices,), optional
        Vertices that take part; the others stay as they are.

    Notes
    -----
    `exp(-t M^-1 S)` with `t = sigma^2 / 2`, as a Chebyshev series of the symmetric
    `M^-1/2 S M^-1/2`. A constant stays the same, and so does the sum weighted by area.

    Raises
    ------
    ValueError
        When the width is no number above 0.
    """

    def __init__(self, coords, faces, fwhm, use=None):
        from scipy import sparse

        if not (np.isfinite(fwhm) and fwhm > 0):
            raise ValueError(f"fwhm: got {fwhm}, expected millimetres > 0")
        stiffness, mass = cotangent_laplacian(coords, faces, use)
        self.inside = mass > 0
        self._root = np.sqrt(mass[self.inside])
        scale = sparse.diags_array(1.0 / self._root)
        laplacian = sparse.csr_array(stiffness[self.inside][:, self.inside])
        self._operator = sparse.csr_array(scale @ laplacian @ scale)
        # no row of a symmetric matrix sums to less than its largest eigenvalue
        bound = float(abs(self._operator).sum(axis=1).max()) if self._root.size else 0.0
        self._half = max(bound / 2, 1e-12)
        self.time = (fwhm * FWHM_TO_SIGMA) ** 2 / 2
        self._terms = _chebyshev(self.time * self._half)

    def __call__(self, values) -> np.ndarray:
        """Smooth maps.

        Parameters
        ----------
        values : ndarray, shape (n_maps, n_vertices)

        Returns
        -------
        ndarray of float32, shape (n_maps, n_vertices)
        """
        out = np.array(values, dtype=np.float32)
        for start in range(0, len(out), _COLUMNS):
            block = np.asarray(out[start : start + _COLUMNS, self.inside], dtype=np.float64).T
            block = self._applied(block * self._root[:, None]) / self._root[:, None]
            out[start : start + _COLUMNS, self.inside] = block.T
        return out

    def _applied(self, block):
        """The series in polynomials of the operator, moved to [-1, 1]."""
        if not block.size:
            return block
        before, now = block, self._moved(block)
        total = self._terms[0] * before
        for number, weight in enumerate(self._terms[1:], start=1):
            total += weight * now
            if number < len(self._terms) - 1:
                before, now = now, 2 * self._moved(now) - before
        return total

    def _moved(self, block):
        return self._operator @ block / self._half - block


def _chebyshev(size) -> np.ndarray:
    """Weights of `exp(-size (x + 1))` on [-1, 1], as many as matter."""
    from scipy.special import ive

    number = np.arange(int(4 * np.sqrt(size) + size + 40))
    # ive is scaled by exp(-size), which is the factor that is needed
    terms = 2 * (-1.0) ** number * ive(number, size)
    terms[0] /= 2
    last = np.flatnonzero(np.abs(terms) > ACCURACY)
    return terms[: max(int(last[-1]) + 1, 2)]


def smooth_run(series, where, fwhm, use, notes) -> np.ndarray | None:
    """Smooth a run of voxels or of grayordinates.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_nodes)
    where : nibabel image, GraySpace or None
        Brain mask, or the place of grayordinates.
    fwhm : float
        In mm.
    use : ndarray of bool, shape (n_nodes,)
        Nodes that take part.
    notes : list of str
        What could not be smoothed is added.

    Returns
    -------
    ndarray of float32, shape (n_volumes, n_nodes), or None
        None without a place, or with a width of 0.
    """
    if where is None or not fwhm > 0:
        return None
    if not isinstance(where, GraySpace):
        return smooth_series(series, where, fwhm, use=use)
    smoothed, untouched = smooth_grayordinates(series, where.axis, fwhm, where.meshes, use=use)
    if untouched:
        words = " and ".join(name.lower().replace("_", " ") for name in untouched)
        notes.append(f"{words} not smoothed: no mesh is known, give it with fmri.surfaces")
    return smoothed


def smooth_grayordinates(series, axis, fwhm, meshes, *, use=None) -> tuple[np.ndarray, list[str]]:
    """Smooth each structure for itself: cortex on its mesh, voxels in their box.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_grayordinates)
    axis : nibabel.cifti2.BrainModelAxis
    fwhm : float
        In mm.
    meshes : mapping of str to (coords, faces)
        By `CORTEX_LEFT`, `CORTEX_RIGHT`.
    use : ndarray of bool, shape (n_grayordinates,), optional
        Grayordinates that take part; the others (constant ones) neither give nor get signal and
        stay as they are.

    Returns
    -------
    smoothed : ndarray of float32, shape (n_volumes, n_grayordinates)
    untouched : list of str
        Surfaces without a mesh, which stay as they are.
    """
    out = np.array(series, dtype=np.float32)
    use = np.ones(len(axis), dtype=bool) if use is None else np.asarray(use)
    untouched = []
    for name, columns, model in structures(axis):
        live = use[columns]
        if model.volume_mask.all():
            _smooth_voxels(out[:, columns], model, axis.affine, fwhm, live)
        elif name in meshes:
            coords, faces = meshes[name]
            inside = np.zeros(len(coords), dtype=bool)
            inside[model.vertex[live]] = True
            kernel = HeatKernel(coords, faces, fwhm, inside)
            whole = np.zeros((min(len(out), _COLUMNS), len(coords)), dtype=np.float32)
            for start in range(0, len(out), _COLUMNS):
                rows = out[start : start + _COLUMNS, columns]
                block = whole[: len(rows)]
                block[:, model.vertex] = rows
                smoothed = kernel(block)[:, model.vertex]
                rows[:, live] = smoothed[:, live]
        else:
            untouched.append(name)
    return out, untouched


def _smooth_voxels(rows, model, affine, fwhm, live):
    """Smooth the voxels of one structure, in place."""
    if not live.any():
        return
    voxel = model.voxel[live]
    voxel = voxel - voxel.min(axis=0)
    mask = np.zeros(voxel.max(axis=0) + 1, dtype=bool)
    mask[tuple(voxel.T)] = True
    kernel = MaskedGaussian(mask, affine, fwhm)
    # the kernel's voxels are in C order
    order = np.argsort(np.ravel_multi_index(tuple(voxel.T), mask.shape), kind="stable")
    index = np.flatnonzero(live)[order]
    for row in rows:
        row[index] = kernel(row[index])
