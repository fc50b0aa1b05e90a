"""Who may import whom, and what a light import may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "neuro"
STAGES = ("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive")
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Every module a file imports, relative ones made absolute."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = path.relative_to(ROOT).with_suffix("").parts[: -node.level]
                base = ".".join((*parts, base)).strip(".")
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def rooms(path):
    """Rooms of neuro that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("neuro.")}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_walls(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    known = rooms(path)
    assert "snakemake" not in {name.split(".")[0] for name in imported(path)}
    if room in STAGES:
        assert not known & (set(STAGES) - {room}), "a stage knows no other stage"
        assert not known & {"config", "report", "simulate"}
    if room == "io":
        assert not known & (set(STAGES) | {"config", "report", "simulate"}), "io knows no stage"
    if room == "report":
        assert not known & set(STAGES), "the report reads result files only"
    if room == "config":
        assert known <= {"config"}, "the configuration imports no stage"


def test_the_wall_test_sees_a_breach(tmp_path):
    breach = tmp_path / "x.py"
    breach.write_text("def f():\n    from neuro.adhd import graph\n")
    assert rooms(breach) == {"adhd"}


def test_there_is_no_utils():
    assert not [path for path in FILES if path.stem in ("utils", "helpers", "misc")]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_stay_readable_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize(
    "command", ["import neuro", "import neuro.command.cli; neuro.command.cli.build_parser()"]
)
def test_light_import(command):
    heavy = "['numpy', 'pandas', 'scipy', 'sklearn', 'nilearn', 'torch', 'matplotlib', 'numba']"
    code = f"import sys; {command}; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
