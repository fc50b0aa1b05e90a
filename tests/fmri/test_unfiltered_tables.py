"""Tables that are not filtered and will not be are said so, once per site; as are other things."""

import numpy as np
import pandas as pd
import pytest

from neuro.command.check.study import once
from neuro.fmri.regions import tables
from neuro.report.pages.exclusions import _by_reason

SETTINGS = {"clean_tables": False, "band": [0.01, 0.08]}


@pytest.mark.parametrize(("clean", "told"), [(False, ["B"]), (True, [])])
def test_unfiltered_sites_are_named_once(clean, told):
    shares = np.r_[np.linspace(0.89, 1, 9), np.linspace(0.43, 0.71, 9), np.nan]
    quality = pd.DataFrame({"run_key": [f"r{n}" for n in range(19)], "in_band_power": shares})
    quality["status"] = "used"
    rows = [{"run_key": f"r{n}", "site": "A" if n < 9 else "B"} for n in range(19)]
    found = tables.remarks(quality, rows, SETTINGS | {"clean_tables": clean})
    assert [row["reason"].split(":")[0] for row in found] == told
    for row in found:
        assert "9 tables seem not to be filtered: the median share" in row["reason"]
        assert "0.01-0.08 Hz is 0.57; fmri.clean_tables: true filters" in row["reason"]


def test_runs_that_are_excluded_do_not_count():
    quality = pd.DataFrame(
        {"run_key": ["a", "b"], "in_band_power": [0.2, 0.95], "status": ["excluded", "used"]}
    )
    rows = [{"run_key": "a", "site": ""}, {"run_key": "b", "site": ""}]
    assert tables.remarks(quality, rows, SETTINGS) == []


def test_what_one_setting_mends_is_one_line():
    rows = [{"run_key": f"r{n}", "table": f"t/{n}.tsv"} for n in range(871)]
    text = "no sampling interval in sidecar or header; set data.tr"
    lines = [f"t/{n}.tsv: {text}" for n in range(871)]
    other = ["t/5.tsv: the file is empty", "participants: dx holds only one class"]
    found = once([*lines[:400], *other, *lines[400:]], rows)
    assert found == [f"t/0.tsv and 870 other runs: {text}", *other]
    assert once(lines[:3], rows) == lines[:3]
    # files are mended one by one, so each is named
    empty = [f"t/{n}.tsv: the file is empty" for n in range(9)]
    assert once(empty, rows) == empty


def test_reasons_that_differ_in_the_file_are_counted_together():
    reasons = [
        *(f"failed export: a file named 's{n}_rest_aal_TCs.1D'" for n in range(3)),
        "failed export: a file named 's*rest*_aal_TCs.1D'",
        *(f"tables/sub-{n}.tsv: 3 infinite values" for n in range(4)),
        "tables/own_9.csv: 3 infinite values",
        "scan too short (s)",
    ]
    table = pd.DataFrame({"stage": "fmri", "what": range(len(reasons)), "step": "read"})
    counts = {row["reason"]: row["n"] for row in _by_reason(table.assign(reason=reasons)).rows}
    assert counts == {
        "a file: 3 infinite values": 5,
        "failed export: a file named a file": 4,
        "scan too short (s)": 1,
    }
