"""The same seed gives the same numbers, and nearly the same on another processor."""

import os

import numpy as np
import pytest
from fits import FITS, TOLERANCE
from kernels import REFERENCE


@pytest.mark.slow
@pytest.mark.parametrize("stage", FITS)
def test_same_seed(stage):
    once, again = FITS[stage](), FITS[stage]()
    for name, value in once.items():
        np.testing.assert_array_equal(value, again[name], err_msg=name)
    reference = os.environ.get(REFERENCE)
    if reference:
        with np.load(reference) as stored:
            for name, value in once.items():
                wanted = stored[f"{stage}.{name}"]
                limit = TOLERANCE[stage] * np.abs(wanted).max()
                np.testing.assert_allclose(value, wanted, rtol=0, atol=limit, err_msg=name)
