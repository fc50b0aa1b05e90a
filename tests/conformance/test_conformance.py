"""Every entry of the conformance set is read as its line says; the page and README quote it."""

from collections import Counter

import pytest
import table
from conformance_cases import DATA, outcome


def _entry(case):
    marks = []
    if case.listed:
        absent = not (DATA / "layouts").exists()
        marks += [pytest.mark.realdata, pytest.mark.skipif(absent, reason="no recorded trees")]
    if case.wrong:
        marks.append(pytest.mark.xfail(strict=True, reason=case.wrong))
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_entry(case) for case in table.CASES])
def test_an_input_is_read_right_or_refused_in_one_line(case, tmp_path):
    verdict, detail = outcome(case, tmp_path)
    assert verdict == ("refused" if isinstance(case.want, str) else "right"), detail


def test_the_set_is_as_large_and_as_broad_as_it_says():
    ids = [case.id for case in table.CASES]
    assert len(ids) == len(set(ids)) >= 150
    trees = [case for case in table.CASES if case.group == "Trees of fMRIPrep"]
    assert len(trees) >= 50 and sum(case.listed for case in table.CASES) == 19
    ways = Counter((case.group, case.way) for case in table.CASES)
    for group in (
        "Spikes",
        "Traces",
        "Stimuli and responses",
        "Region tables",
        "Images and voxels",
    ):
        assert all(ways[group, way] >= 2 for way in ("right", "odd", "broken")), group


def test_a_wrong_reading_would_be_seen(tmp_path):
    """The judge itself: other numbers, a reading in place of a refusal, another reason."""
    from dataclasses import replace

    case = next(case for case in table.CASES if case.id == "Spikes: text (time unit), blanks")
    for number, (want, words) in enumerate(
        (
            ({"units": ["1", "2"], "spikes": 8}, "spikes: got 7"),
            ({"units": ["2", "1"]}, "units: got"),
            ("no rows", "read: "),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        verdict, detail = outcome(replace(case, want=want), folder)
        assert verdict == "wrong" and words in detail
    broken = next(case for case in table.CASES if case.id == "Spikes: text of no bytes")
    assert outcome(replace(broken, want="other words"), tmp_path)[0] == "wrong"
    assert outcome(replace(broken, want={"spikes": 0}), tmp_path)[0] == "wrong"


def test_the_page_and_the_readme_say_what_is_measured():
    good, n = table.rate()
    assert table.PAGE.read_text("utf-8") == table.page(), (
        "run: python tests/conformance/table.py --docs"
    )
    assert f"{good} of {n} inputs" in (table.ROOT / "README.md").read_text("utf-8")
