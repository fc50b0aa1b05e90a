"""Tensors that the tests of the factor models share."""

import pytest

from neuro.simulate.motifs import planted_motifs, planted_tensor

SMALL = (60, 8, 120)


@pytest.fixture(scope="session")
def small():
    """A small planted tensor of rank 4 and its factors."""
    return planted_tensor(SMALL, rank=4, noise=0.1, random_state=1)


@pytest.fixture(scope="session")
def middle():
    """The tensor of two-block motifs, 240 x 12 x 1770."""
    return planted_motifs(random_state=0)
