"""Each kind of fault is planted where it belongs, and the draw repeats with its seed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import mutants as gate
import pytest
from operators import Mutant, Sites, mutants

SOURCE = '''"""Text with a < b stays."""
def score(train, test, seed, weight=None):
    """Also a - b here."""
    total = train[0] - test.mean(axis=0)
    if len(train) < 3:
        raise ValueError(f"{len(train) + 1} rows")
    total += gain(train, weight=weight, random_state=seed)
    if total > weight and "é" != seed:
        total[2] = -total
    check(total)
    return total, test
'''
EXPECTED = {
    ("off by one", 4, "0", "1"),
    ("sign", 4, "-", "+"),
    ("axis", 4, "0", "1"),
    ("training for test", 4, "train", "test"),
    ("training for test", 4, "test", "train"),
    ("comparison", 5, "<", "<="),
    ("training for test", 5, "train", "test"),
    ("dropped line", 7, "total += gain(train, weight=weight, random_state=seed)", "pass"),
    ("training for test", 7, "train", "test"),
    ("ignored setting", 7, "weight=weight, ", ""),
    ("constant seed", 7, "seed", "0"),
    ("comparison", 8, ">", "<"),
    ("comparison", 8, "!=", "=="),
    ("off by one", 9, "2", "3"),
    ("dropped line", 9, "total[2] = -total", "pass"),
    ("sign", 9, "-", ""),
    ("dropped line", 10, "check(total)", "pass"),
    ("training for test", 11, "test", "train"),
}


def test_every_kind_is_found_and_nothing_else():
    found = Sites("neuro/x/y.py", SOURCE).found
    assert {(m.kind, m.line, m.old, m.new) for m in found} == EXPECTED
    assert len(found) == len(EXPECTED)
    assert all(m.scope == ("score",) for m in found)


def test_a_mutant_changes_its_line_alone_and_can_be_read():
    for mutant in Sites("neuro/x/y.py", SOURCE).found:
        before, after = SOURCE.splitlines(), mutant.apply(SOURCE).splitlines()
        changed = [
            k + 1 for k, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1
        ]
        assert changed == [mutant.line], mutant
        ast.parse(mutant.apply(SOURCE))


def test_the_draw_repeats_with_its_seed_and_is_even_over_rooms():
    first = mutants(gate.ROOT, 3, 32)
    assert first == mutants(gate.ROOT, 3, 32) != mutants(gate.ROOT, 4, 32)
    rooms = [mutant.path.split("/")[1] for mutant in first]
    faces = (gate.ROOT / "neuro").glob("*/__init__.py")
    assert sorted(rooms) == sorted(2 * [face.parent.name for face in faces])
    assert len({(m.path, m.start, m.new) for m in first}) == 32


def test_tests_that_reach_little_else_come_first(tmp_path):
    from coverage import CoverageData

    path = "/somewhere/neuro/stats/middle.py"
    reached = {
        "tests/a.py::all|run": {path: [1, 2, 3], "/somewhere/neuro/base/x.py": range(1, 90)},
        "tests/b.py::own|run": {path: [1, 2, 3]},
        "tests/b.py::late|run": {path: [2]},
        "tests/c.py::none|run": {path: [1]},
    }
    data = CoverageData(str(tmp_path / "lines"))
    for context, lines in reached.items():
        data.set_context(context)
        data.add_lines(lines)
    data.write()
    times = (
        "0.01s call tests/a.py::all",
        "0.30s setup tests/b.py::own",
        "9s call tests/b.py::late",
    )
    (tmp_path / "log").write_text("\n".join(times))
    mutant = Mutant("neuro/stats/middle.py", 2, "sign", 0, 1, "/", "*", ("mean",))
    order = [["tests/b.py::own"], ["tests/a.py::all"], ["tests/b.py::late"]]
    measured = gate.Reached(tmp_path)
    assert measured.batches(mutant) == order
    # workers are forks
    child = os.fork()
    if not child:
        os._exit(measured.batches(mutant) != order)
    assert os.waitpid(child, 0)[1] == 0
    assert gate.Reached(tmp_path).batches(mutant) == order


JUDGE = """
import sys, mutants
from pathlib import Path
mutants.ROOT = Path(sys.argv[1])
from operators import Mutant
at = (mutants.ROOT / "neuro/stats/middle.py").read_text().index("/")
mutant = Mutant("neuro/stats/middle.py", 2, "sign", at, at + 1, "/", "*", ("mean",))
print(mutants.judge(mutants.ROOT, mutant, 6))
"""


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("assert mean([1, 3]) == 2", "noticed by tests/stats/test_it.py::test_it"),
        ("mean([1, 3])", "survived"),
        ("while True: mean([1])", "survived: time"),
    ],
)
def test_a_noticed_a_survived_and_a_late_mutant(tmp_path, body, verdict):
    source = "def mean(values):\n    return sum(values) / len(values)\n"
    test = f"from neuro.stats.middle import mean\n\ndef test_it():\n    {body}\n"
    for name, content in (
        ("neuro/__init__.py", ""),
        ("neuro/stats/__init__.py", ""),
        ("neuro/stats/middle.py", source),
        ("tests/stats/test_it.py", test),
        ("tests/unit/README", ""),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\nmarkers = ['slow', 'gpu', 'realdata', 'cluster']\n",
        ),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    # a new process: here the real package is loaded already
    result = subprocess.run(
        [sys.executable, "-c", JUDGE, str(tmp_path)],
        cwd=Path(gate.__file__).parent,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.returncode, result.stderr
    assert result.stdout.splitlines()[-1].startswith(verdict)
    assert (tmp_path / "neuro/stats/middle.py").read_text() == source


def test_the_table_counts_rooms_and_names_survivors():
    one = Mutant("neuro/mds/a.py", 2, "sign", 0, 1, "+", "-", ())
    two = Mutant("neuro/mds/a.py", 3, "sign", 0, 1, "+", "-", ())
    text = gate.table([(one, "noticed by x", 1.0), (two, "survived", 1.0)])
    assert "| `mds` | 2 | 1 | 50 % |" in text
    assert text.count("neuro/mds/a.py") == 1 and "neuro/mds/a.py:3" in text
