"""Head motion of eight real runs: framewise displacement to the fourth digit."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from neuro.fmri.quality.measures import framewise_displacement

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
ARCHIVE = DATA / "bold" / "haxby_runs1-8.tar.gz"
MEANS = (0.1292, 0.1066, 0.1152, 0.1073, 0.1175, 0.1112, 0.0888, 0.1320)

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"no recording {ARCHIVE.name}"),
]


@pytest.fixture(scope="module")
def parameters():
    """Motion parameters per run as the file has them: rotations (rad) first."""
    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if member.name.endswith("bold_moest.txt"):
                found[member.name] = np.loadtxt(archive.extractfile(member))
    return [found[name] for name in sorted(found)]


def test_mean_displacement_of_each_run(parameters):
    assert len(parameters) == 8
    means = [np.nanmean(framewise_displacement(np.roll(p, 3, axis=1))) for p in parameters]
    np.testing.assert_allclose(means, MEANS, atol=0.0002)


def test_frames_over_threshold_in_run_one(parameters):
    fd = framewise_displacement(np.roll(parameters[0], 3, axis=1))
    assert (fd > 0.2).sum() == 12
    assert (fd > 0.5).sum() == 0


def test_reading_the_columns_wrongly_shows_in_the_numbers(parameters):
    as_written = framewise_displacement(parameters[0])
    assert np.nanmean(as_written) == pytest.approx(2.04, abs=0.01)
    turned = np.roll(parameters[0], 3, axis=1)
    turned[:, 3:] = np.deg2rad(turned[:, 3:])
    assert np.nanmean(framewise_displacement(turned)) == pytest.approx(0.042, abs=0.001)
