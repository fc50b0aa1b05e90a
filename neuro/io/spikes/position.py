"""Tracked positions beside spike recordings (`*.videoPositionTracking`)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.problems import InputProblem

END = b"<End settings>\n"
_RECORD = np.dtype([("time", "<u4"), ("x", "<u2"), ("y", "<u2"), ("x2", "<u2"), ("y2", "<u2")])


def read_position(path) -> pd.DataFrame:
    """Read a video tracking file: text header, then 12-byte records.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    pandas.DataFrame
        `time` (s, on the clock of the recording), `x`, `y`, `x2`, `y2` (pixels).

    Raises
    ------
    InputProblem
        When the header has no end, or no clock rate.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError:
        raise InputProblem(f"{path}: no such file, or not readable") from None
    header_end = content.find(END)
    if header_end < 0:
        raise InputProblem(f"{path}: no '<End settings>' in the header; not a tracking file")
    match = re.search(rb"clockrate:\s*(\d+)", content[:header_end])
    if not match or not int(match[1]):
        raise InputProblem(f"{path}: the header states no clockrate")
    body = content[header_end + len(END) :]
    records = np.frombuffer(body[: len(body) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
    table = pd.DataFrame({name: records[name].astype(np.int64) for name in _RECORD.names or ()})
    table["time"] = records["time"] / int(match[1])
    return table
