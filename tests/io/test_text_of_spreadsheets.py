"""Text as spreadsheets of other countries write it: decimal commas, UTF-16, cp1252, semicolons."""

import numpy as np
import pytest

from neuro.command.init import glance
from neuro.io.formats.tables import read_participants
from neuro.io.formats.text_tables import with_points
from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import read_recording
from neuro.io.regions.roi import read_roi_table
from neuro.io.spikes.reader import read_spikes

RNG = np.random.default_rng(0)
TRACES = np.round(np.abs(RNG.standard_normal((60, 3))), 4)
TIMES = np.arange(60) / 10


def comma(value, digits=4):
    return f"{value:.{digits}f}".replace(".", ",")


def german(names=("Zeit (s)", "Zelle_ä", "Zelle_ö", "Zelle_ü")):
    rows = [";".join(map(comma, (t, *row))) for t, row in zip(TIMES, TRACES, strict=True)]
    return "\r\n".join([";".join(names), *rows]) + "\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_traces_with_decimal_commas(encoding, tmp_path):
    path = tmp_path / "Maus Übung.csv"
    path.write_bytes(german().encode(encoding))
    assert glance.kinds_of(path) == {"recordings"}
    found = read_recording(path)
    np.testing.assert_allclose(found.traces, TRACES, rtol=1e-6)
    assert found.names == ["Zelle_ä", "Zelle_ö", "Zelle_ü"] and found.fs == pytest.approx(10)
    assert "commas between digits were read as decimal points" in found.notes


def test_regions_with_decimal_commas(tmp_path):
    rows = [";".join(map(comma, row)) for row in TRACES]
    (tmp_path / "a.csv").write_text("\ufeffA;B;C\n" + "\n".join(rows))
    with pytest.warns(UserWarning, match="decimal points"):
        found = read_roi_table(tmp_path / "a.csv", tr=2.0)
    np.testing.assert_allclose(found.series, TRACES, rtol=1e-6)
    assert found.regions == ["A", "B", "C"]


@pytest.mark.parametrize(
    "text",
    [
        "1.5;2,25\n2.5;3,5\n",  # points and commas: one of them is something else
        "1,5\t2,5\n3,5\t4,5\n",  # a tab says nothing about commas
        "1,5 2,5\n",
        "a,b;c\n1;2\n",
        "",
    ],
)
def test_other_commas_stay(text):
    assert with_points(text) == (text, False)


def test_header_words_and_missing_cells_stay():
    found, replaced = with_points("t;N 1,5 mm;b\n0,1;;-1,5e-3\n0,2;n/a;2\n")
    assert replaced and found == "t;N 1,5 mm;b\n0.1;;-1.5e-3\n0.2;n/a;2\n"


SPIKES = sorted((round(float(t), 3), u) for u in (1, 2, 3) for t in RNG.uniform(0, 90, 40))


@pytest.mark.parametrize(
    ("mark", "number", "encoding"),
    [
        (" ", str, "utf-8"),
        (", ", str, "utf-8"),
        ("\t", str, "utf-16"),
        (";", str, "utf-8"),
        (";", lambda t: comma(t, 3), "cp1252"),
    ],
)
def test_spikes(mark, number, encoding, tmp_path):
    text = "\n".join(f"{number(t)}{mark}{u}" for t, u in SPIKES) + "\n"
    (tmp_path / "spikes.txt").write_text(text, encoding)
    data = read_spikes(tmp_path / "spikes.txt")
    for unit, train in enumerate(data.times, 1):
        np.testing.assert_array_equal(train, [t for t, u in SPIKES if u == unit])


@pytest.mark.parametrize("mark", ["\t", " "])
def test_a_decimal_comma_beside_another_mark_is_never_a_column(mark, tmp_path):
    """`0,123<TAB>4` is no spike of unit 123 at time 0."""
    text = "\n".join(f"{comma(t, 3)}{mark}{u}" for t, u in SPIKES) + "\n"
    (tmp_path / "spikes.txt").write_text(text)
    with pytest.raises(InputProblem, match="expected 2 numbers"):
        read_spikes(tmp_path / "spikes.txt")


@pytest.mark.parametrize(
    ("text", "encoding", "line"),
    [
        ("participant_id,age,dx\n1,20,0\n", "utf-8", "separated by commas, expected tabs"),
        ("participant_id;age;dx\n1;20;0\n", "utf-8", "separated by semicolons, expected tabs"),
        ("participant_id\tsite\n1\tTübingen\n", "cp1252", "not UTF-8; save it as text in UTF-8"),
    ],
)
def test_participants_say_what_to_do(text, encoding, line, tmp_path):
    (tmp_path / "participants.tsv").write_text(text, encoding)
    with pytest.raises(InputProblem, match=line) as caught:
        read_participants(tmp_path / "participants.tsv")
    assert len(caught.value.problems) == 1


def test_values_that_are_no_counts_are_a_problem_unless_they_are_gaussian(tmp_path):
    from neuro import config
    from neuro.command.check import spikes

    counts = RNG.poisson(1.0, (200, 4))
    counts[5:9, 1] = -1
    np.savez(tmp_path / "counts.npz", counts=counts, bin_s=0.05)
    for emission, n in (("auto", 1), ("poisson", 1), ("gaussian", 0)):
        own = {"input": ["spikes"], "sets": {"a": str(tmp_path / "counts.npz")}}
        settings = {"data": {"kind": "none"}, "hmmglm": own | {"emission": emission}}
        assert config.resolve(settings) == []
        _, problems = spikes.recordings(settings["hmmglm"])
        assert len(problems) == n and all("write NaN for missing bins" in x for x in problems)
