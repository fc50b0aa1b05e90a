"""Region series in CIFTI-2: one column per parcel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

_SECONDS = {"SECOND": 1.0}
"""What nibabel turns every unit of time into."""


def read_parcels(path) -> tuple[np.ndarray, list[str], float | None]:
    """Read a `.ptseries.nii`.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    values : ndarray of float64, shape (n_timepoints, n_parcels)
    names : list of str
        Of the parcels.
    tr : float or None
        Sampling interval of the header in s; None where it is no time.

    Raises
    ------
    InputProblem
        When the file is missing, damaged, or holds something else than series of parcels.
    """
    import nibabel
    from nibabel.cifti2 import ParcelsAxis, SeriesAxis

    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    with readable(path, "not a readable CIFTI file"):
        image = nibabel.load(path)
        axes = [image.header.get_axis(dimension) for dimension in range(image.ndim)]
        values = np.asarray(image.dataobj, dtype=np.float64)
    kinds = [type(axis).__name__.removesuffix("Axis").lower() for axis in axes]
    if sorted(kinds) != ["parcels", "series"]:
        raise InputProblem(f"{path}: holds {' by '.join(kinds)}, expected series by parcels")
    if isinstance(axes[0], ParcelsAxis):
        axes, values = axes[::-1], np.ascontiguousarray(values.T)
    series, parcels = axes
    if not isinstance(series, SeriesAxis):
        raise InputProblem(f"{path}: no axis of time")
    scale = _SECONDS.get(str(series.unit).upper())
    step = float(series.step) * scale if scale and series.step > 0 else None
    return values, [str(name) for name in parcels.name], step
