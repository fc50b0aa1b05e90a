"""What comes back of a simulated cohort, told beside what was planted."""

import numpy as np
import pandas as pd
import pytest

from neuro.fmri.regions import group

NETWORKS = {"a": 1, "b": 2, "c": 1, "d": 2}
SAME = np.array([False, True, False, False, True, False])
"""Pairs of one network in edge order."""


def truth(*restless):
    people = {label: {"restless": label in restless} for label in ("01", "02", "03", "04")}
    return {"subjects": people, "networks": NETWORKS}


def qc(used):
    return pd.DataFrame({"participant_id": used, "status": "used"})


def entries(used, edges, restless=("04",)):
    found = group.planted(qc(used), edges, list(NETWORKS), truth(*restless))
    return {entry["name"]: entry for entry in found}


def test_a_restless_subject_that_stayed_and_a_calm_one_that_went_are_both_errors():
    found = entries(["01", "02", "03"], np.ones((3, 6)))["restless subjects left out"]
    assert (found["planted"], found["recovered"]) == (1, 1)
    assert found["error"].startswith("0 ")
    found = entries(["01", "02", "04"], np.ones((3, 6)))["restless subjects left out"]
    assert (found["planted"], found["recovered"]) == (1, 0)
    assert found["error"].startswith("2 ")


@pytest.mark.parametrize("sign, area", [(1, 1.0), (-1, 0.0), (0, 0.5)])
def test_networks_are_told_by_the_mean_connectome(sign, area):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4, 6))
    edges = sign * SAME + noise - noise.mean(axis=0)
    found = entries(["01", "02", "03", "04"], np.round(edges, 9), restless=())
    entry = found["pairs of one network told from others"]
    if sign:
        assert entry["value"] == area and entry["error"] == 1 - area
    else:
        flat = entries(["01"], np.ones((1, 6)))["pairs of one network told from others"]
        assert flat["value"] == area == flat["null"]


def test_regions_without_a_planted_network_give_no_figure():
    found = group.planted(qc(["01"]), np.ones((1, 6)), ["a", "b", "c", "z"], truth())
    assert [entry["name"] for entry in found] == ["restless subjects left out"]
