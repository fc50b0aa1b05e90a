"""Arrays of MATLAB files, the old format and the one that is HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable


def load_mat(path) -> dict:
    """All arrays of a MATLAB file by name; fields of structures as `structure.field`.

    Parameters
    ----------
    path : path-like
        Version 5 to 7 (read with scipy) or 7.3 (HDF5, read with h5py and turned round, because
        MATLAB stores columns first).

    Returns
    -------
    dict of str to ndarray
        Cell arrays of text become arrays of str.

    Raises
    ------
    InputProblem
        When the file is neither.
    """
    import h5py

    path = Path(path)
    if h5py.is_hdf5(path):
        with readable(path, "not a readable MATLAB file"), h5py.File(path, "r") as file:
            return dict(_walk_hdf5(file, file))
    from scipy.io import loadmat

    with readable(path, "not a readable MATLAB file"):
        content = loadmat(path, squeeze_me=False, struct_as_record=True)
    return {
        name: array
        for key, value in content.items()
        if not key.startswith("__")
        for name, array in _walk_struct(key, value)
    }


def _walk_struct(name, value):
    """Arrays of a variable, structures opened one level after the other."""
    value = np.asarray(value)
    if value.dtype.names:
        if value.size == 1:
            for field in value.dtype.names:
                yield from _walk_struct(f"{name}.{field}", value.ravel()[0][field])
        return
    if value.dtype.kind == "O":
        cells = [np.asarray(cell) for cell in value.ravel()]
        if cells and all(cell.dtype.kind in "US" for cell in cells):
            yield name, np.array(["".join(map(str, cell.ravel())) for cell in cells])
        return
    yield name, value


def _walk_hdf5(file, group, prefix=""):
    import h5py

    for key, node in group.items():
        if key.startswith("#"):
            continue
        name = f"{prefix}{key}"
        if isinstance(node, h5py.Group):
            yield from _walk_hdf5(file, node, f"{name}.")
        elif node.dtype.kind == "O":
            cells = [file[reference] for reference in np.ravel(node[()])]
            if cells and all(cell.dtype.kind in "u" for cell in cells):
                yield name, np.array(["".join(map(chr, np.ravel(cell[()]))) for cell in cells])
        elif node.attrs.get("MATLAB_class") == b"char":
            yield name, np.array(["".join(map(chr, np.ravel(node[()].T)))])
        else:
            yield name, np.asarray(node[()]).T
