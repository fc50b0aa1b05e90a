"""ALFF, fALFF and ReHo of a real EPI run: whole numbers with ties, a ragged brain, real noise."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import signal, stats

from neuro.fmri.maps.amplitude import alff, falff
from neuro.fmri.maps.reho import grid_neighbours, reho

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
EPI = DATA / "bold/oro_filtered_func.nii.gz"
TR, BAND = 2.0, (0.01, 0.08)
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not EPI.exists(), reason=f"no folder bold in {DATA}"),
]


@pytest.fixture(scope="module")
def run():
    """Series inside a rough brain, rounded as scanners store them, and the brain."""
    data = np.asarray(nib.load(EPI).dataobj)
    mean = data.mean(axis=3)
    mask = mean > 0.5 * np.percentile(mean, 98)
    return np.rint(data[mask].T / 20.0), mask


def test_amplitudes_are_those_of_scipy(run):
    x, _ = run
    x = x[:, ::37]
    frequency, power = signal.periodogram(x, 1 / TR, scaling="spectrum", axis=0)
    inside = (frequency >= BAND[0] - 1e-9) & (frequency <= BAND[1] + 1e-9)
    size = np.sqrt(power)
    live = np.ptp(x, axis=0) > 0
    np.testing.assert_allclose(alff(x, TR, BAND)[live], size[inside].mean(axis=0)[live])
    share = size[inside].sum(axis=0)[live] / size[1:].sum(axis=0)[live]
    np.testing.assert_allclose(falff(x, TR, BAND)[live], share)
    assert np.isnan(alff(x, TR, BAND)[~live]).all()


def test_reho_is_kendalls_w_with_ties_and_neighbours_are_alike(run):
    x, mask = run
    around = grid_neighbours(mask, 27)
    found = reho(x, around)
    ties = 0
    for voxel in range(0, x.shape[1], 211):
        members = [j for j in around[voxel] if j >= 0 and np.ptp(x[:, j]) > 0]
        if len(members) < 3 or np.ptp(x[:, voxel]) == 0:
            continue
        chi2 = stats.friedmanchisquare(*x[:, members])[0]
        assert found[voxel] == pytest.approx(chi2 / (len(members) * (len(x) - 1)), rel=1e-9)
        ties += len(np.unique(x[:, voxel])) < len(x)
    assert ties > 10
    shuffled = np.random.default_rng(0).permuted(x, axis=0)
    assert np.nanmedian(found) > 1.5 * np.nanmedian(reho(shuffled, around))
