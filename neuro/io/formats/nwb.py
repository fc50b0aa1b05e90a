"""Opening NWB files: one message for whatever is wrong with them."""

from __future__ import annotations

import contextlib
import warnings

from neuro.io.formats.damaged import readable
from neuro.io.formats.zarr_folders import is_zarr, open_zarr
from neuro.io.problems import InputProblem


@contextlib.contextmanager
def open_nwb(path):
    """Read an NWB file, in HDF5 or Zarr; its data stay on disk until they are asked for.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    pynwb.NWBFile

    Raises
    ------
    InputProblem
        When pynwb is not installed, or the file cannot be read as NWB.
    """
    import h5py

    if is_zarr(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with readable(path, "not a readable NWB folder"), open_zarr(path) as nwb:
                yield nwb
        return
    try:
        from pynwb import NWBHDF5IO
    except ImportError:
        raise InputProblem(
            f"{path}: NWB files need pynwb; install it or save a .npz file"
        ) from None
    with warnings.catch_warnings():
        # Old files name outdated extensions; what is read from them is checked by the caller.
        warnings.simplefilter("ignore")
        # Data are read when they are asked for: damage inside the file shows only then. The file
        # is opened here, so that it is closed whatever happens.
        with (
            readable(path, "not a readable NWB file"),
            h5py.File(path, "r") as content,
            NWBHDF5IO(file=content, mode="r", load_namespaces=True) as io,
        ):
            yield io.read()


def tables_of(nwb, kind: str) -> dict:
    """Objects of a type anywhere in an NWB file, by their path without the outermost folder.

    Parameters
    ----------
    nwb : pynwb.NWBFile
    kind : str
        Name of the type, e.g. `'Units'` or `'RoiResponseSeries'`.

    Returns
    -------
    dict of str to object
        Series of the same name lie in several containers; paths such as
        `ophys/Fluorescence/plane0` tell them apart.
    """
    return {
        path_of(nwb, table): table
        for table in nwb.objects.values()
        if getattr(table, "neurodata_type", None) == kind
    }


def path_of(nwb, held) -> str:
    """Where an object lies in an NWB file, without the outermost folder."""
    parts, above = [held.name], held.parent
    while above is not None and above is not nwb:
        parts.append(above.name)
        above = above.parent
    return "/".join(reversed(parts))
