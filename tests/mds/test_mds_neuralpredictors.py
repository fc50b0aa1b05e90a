"""Checkpoints of the library neuralpredictors 0.3.0 itself, variant by variant.

The library is unpacked into a folder of its own, without what it depends on:
`NEURO_NEURALPREDICTORS` names one, otherwise pip makes one for the run. Where neither works the
tests are skipped with the reason.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuro.mds import CheckpointTwin
from neuro.mds.twin.candidates import difference

MAKER = Path(__file__).parent / "neuralpredictors_models.py"
VARIANTS = [
    *("default", "no padding", "corners", "no final nonlinearity", "shifted elu", "linear"),
    *("all layers", "last two layers", "depth separable", "no normalisation"),
    *("normalisation without scale", "scale and bias", "hidden padding", "kernels", "stride"),
    *("dilation", "Gaussian2d", "PointPooled2d", "skip", "predicted positions"),
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Folder that holds the package."""
    given = os.environ.get("NEURO_NEURALPREDICTORS")
    if given:
        return given
    folder = tmp_path_factory.mktemp("library")
    wanted = ["--no-deps", "--target", str(folder), "neuralpredictors==0.3.0"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip() or "pip failed").splitlines()[-1][:120]
        pytest.skip(f"neuralpredictors 0.3.0 could not be unpacked: {reason}")
    return str(folder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_checkpoint_gives_what_the_library_gives(variant, library, tmp_path):
    path = os.pathsep.join([library, os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, str(MAKER), str(tmp_path), variant],
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    twin = CheckpointTwin(tmp_path / "state.pt", (1, 24, 24), 9, tmp_path / "check.npz")
    with np.load(tmp_path / "new.npz") as new:
        assert difference(twin.predict(new["images"]), new["predictions"]) <= 1e-6


def test_the_list_of_variants_is_that_of_the_maker():
    sys.path.insert(0, str(MAKER.parent))
    try:
        from neuralpredictors_models import VARIANTS as made
    finally:
        sys.path.pop(0)
    assert list(made) == VARIANTS
