"""Opening NWB files: one message for whatever is wrong with them."""

from __future__ import annotations

import contextlib
import warnings

from neuro.io.problems import InputProblem


@contextlib.contextmanager
def open_nwb(path):
    """Read an NWB file; its data stay on disk until they are asked for.

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
    try:
        from pynwb import NWBHDF5IO
    except ImportError:
        raise InputProblem(
            f"{path}: NWB files need pynwb; install it or save a .npz file"
        ) from None
    with warnings.catch_warnings():
        # Old files name outdated extensions; what is read from them is checked by the caller.
        warnings.simplefilter("ignore")
        try:
            io = NWBHDF5IO(str(path), mode="r", load_namespaces=True)
            file = io.read()
        except Exception as error:
            reason = str(error).splitlines()[0][:70] if str(error) else type(error).__name__
            raise InputProblem(f"{path}: not a readable NWB file ({reason})") from None
    with io:
        yield file
