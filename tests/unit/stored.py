"""Reading the stored cases of the rules."""

import itertools
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd

HERE = Path(__file__).parent
RUN = "sub-01/func/sub-01_task-rest"


def at(case, side, path):
    """Path of a stored result."""
    return HERE / case / side / "results" / path


def table(case, side, path, **options):
    return pd.read_csv(at(case, side, path), sep="\t", na_values=["n/a"], **options)


def arrays(case, side, path):
    with np.load(at(case, side, path)) as content:
        return {name: content[name] for name in content.files}


def image(path):
    return np.asarray(nibabel.load(path).dataobj)


def data_sets(path):
    """Data sets of an HDF5 file by path."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def texts(values):
    return [value.decode() for value in values]


def pairs(n):
    """Both numbers of every pair, the first one slowest."""
    return itertools.combinations(range(n), 2)
