"""Studies of 1000 and 5000 subjects are planned with the counts that were written down."""

import planning
import pytest

GROUP = {
    "fmri_index": 1,
    "fmri_connectome": 1,
    "fmri_qc": 1,
    "adhd_graph_roi": 1,
    "adhd_features": 1,
    "adhd_diagnose": 1,
    "adhd_permute": 2,
    "adhd_summary": 1,
    "report": 1,
    "all": 1,
}


def expected(shape, n):
    """Jobs by rule; work on regions is one job however many subjects there are."""
    if shape == planning.TABLES:
        return GROUP | {"fmri_table": 1}
    per_run = {"fmri_clean": n, "fmri_parcellate": n}
    counts = GROUP | {"fmri_series": 1, "fmri_publish": 1} | per_run
    if shape == "raw BIDS":
        return counts | {"fmri_slicetime": n, "fmri_realign": n}
    del counts["adhd_graph_roi"]
    return counts | {"adhd_graph": n, "adhd_mask": 1}


@pytest.mark.parametrize("shape", planning.SHAPES)
@pytest.mark.parametrize(
    "n_subjects",
    [20, pytest.param(1000, marks=pytest.mark.slow), pytest.param(5000, marks=pytest.mark.slow)],
)
def test_counts(shape, n_subjects):
    found = planning.plan(shape, n_subjects)
    assert found["counts"] == expected(shape, n_subjects)
    assert found["jobs"] == sum(found["counts"].values())
