"""The full recipe on the planted scenes: what guidance gains under judges that took no part.

Trains all four models (about nine CPU minutes) unless NEURO_TEST_MODELS names a folder that holds
them already; there they stay for the next run.
"""

import os
from pathlib import Path

import pytest

from neuro.simulate.scenes import CATEGORIES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    from braindive_efficacy import measure, train

    folder = Path(os.environ.get("NEURO_TEST_MODELS") or tmp_path_factory.mktemp("models"))
    train(folder)
    runs = dict(measure(folder))
    for label, run in runs.items():
        print(label, {key: run[key] for key in ("gain_A", "gain_B", "t", "J", "J_twin", "reason")})
    return runs


def test_regions_gain_under_the_independent_encoder_and_the_category_judge(found):
    regions = [found[f"{name}, gamma 20"] for name in CATEGORIES]
    assert sum(run["gain_B"] >= 0.20 and run["t"] >= 3 for run in regions) >= 4
    assert sum(run["J"] >= 2 * run["J_twin"] for run in regions) >= 4


def test_the_default_strength_works_for_faces(found):
    assert found["face, ratio 0.2 (default)"]["gain_B"] >= 0.20


def test_the_flag_is_silent_on_guided_faces(found):
    for gamma in (3, 10, 20, 30):
        assert not found[f"face, gamma {gamma}"]["adversarial"]


def test_the_flag_is_raised_on_pictures_that_only_please_the_guide(found):
    assert found["face, pixel ascent, 60 Adam steps"]["adversarial"]


def test_without_the_gradient_through_the_unet_a_large_correction_gains_less(found):
    skip, full = found["face, gamma 30, without UNet gradient"], found["face, gamma 30"]
    assert skip["gain_A"] < full["gain_A"] and skip["gain_B"] < full["gain_B"]


def test_a_contrast_lowers_the_other_region(found):
    assert found["face - body, gamma 20"]["body"] < found["face, gamma 20"]["body"]
