"""Who may import whom, what the folders hold, and what a light import may load."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "neuro"
STAGES = ("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive")
SHARED = {"base", "stats", "io", "encoding"}
# What a room may know beside itself; whatever is not listed is forbidden.
ALLOWED = {
    "base": set(),
    "io": {"base", "stats"},
    "stats": {"base", "io"},
    "encoding": {"base", "io", "stats"},
    **dict.fromkeys(STAGES, SHARED),
    "simulate": SHARED,
    "config": set(),
    "report": {"base", "stats", "io", "config"},
    "run": {*SHARED, *STAGES, "config", "simulate"},
    "command": {*SHARED, *STAGES, "config", "simulate", "report", "run"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def dotted(path):
    """Name of a file's module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


def imported(text, module):
    """Every module of a source text, relative imports made absolute."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], base]).strip(".")
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def breaches(text, module) -> list[str]:
    """Imports of a source text that its room may not have."""
    room = module.split(".")[1] if "." in module else "neuro"
    wrong = []
    for name in sorted(imported(text, module)):
        first, _, rest = name.partition(".")
        if first == "snakemake":
            wrong.append(name)
        elif first == "neuro" and rest and rest.split(".")[0] in ALLOWED:
            other = rest.split(".")[0]
            if other != room and other not in ALLOWED.get(room, {"base"}):
                wrong.append(name)
    return wrong


@pytest.mark.parametrize("module", sorted(MODULES))
def test_walls(module):
    assert breaches(MODULES[module].read_text(), module) == []


FORBIDDEN = [
    ("neuro.adhd.graph.bits", "from neuro import command"),
    ("neuro.adhd.graph.bits", "from neuro.command import cli"),
    ("neuro.adhd.graph.bits", "def f():\n    from neuro.fmri import Connectome"),
    ("neuro.adhd.graph.bits", "from ...fmri import Connectome"),
    ("neuro.mds.stage", "import neuro.run.plan"),
    ("neuro.mds.stage", "from neuro import config, io"),
    ("neuro.io.problems", "from neuro.encoding import tiny"),
    ("neuro.io.problems", "from neuro.config import kinds"),
    ("neuro.base.job", "from neuro.io.problems import InputProblem"),
    ("neuro.report.figures.adhd", "from neuro.adhd import VoxelGraph"),
    ("neuro.config.adhd", "from neuro import io"),
    ("neuro.run.plan", "from neuro.command import status"),
    ("neuro.command.cli", "import snakemake.api"),
]


@pytest.mark.parametrize(("module", "line"), FORBIDDEN)
def test_a_forbidden_import_is_seen(module, line):
    assert len(breaches(line, module)) == 1


def test_every_room_is_on_the_list_and_the_top_holds_nothing_else():
    names = {path.name for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert names == {*ALLOWED, "__init__.py", "py.typed"}


def test_no_folder_is_too_full():
    folders = {path.parent for path in FILES}
    full = {f.name: n for f in folders if (n := len(list(f.glob("[!_]*.py")))) > 20}
    assert full == {}


def test_no_circle_of_files():
    graph = networkx.DiGraph()
    for module, path in MODULES.items():
        for name in imported(path.read_text(), module):
            while name and name not in MODULES:
                name = name.rpartition(".")[0]
            # A package is light: it names its modules and imports them on first use.
            if name and name != module and MODULES[name].name != "__init__.py":
                graph.add_edge(module, name)
    assert graph.number_of_edges() > 500
    assert [c for c in networkx.strongly_connected_components(graph) if len(c) > 1] == []


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


KERNELS = ("spike_slab_sweeps",)
"""Compiled loops over arrays that only make sense together: arguments would be all there is."""


def long_functions():
    """Functions of more than 80 lines, the docstring aside."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.body[0]
                said = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
                if node.end_lineno - node.lineno + 1 - said > 80:
                    yield node.name


def test_functions_stay_readable():
    assert sorted(long_functions()) == sorted(KERNELS)


EMPTY = {"found", "part", "item"}
"""Names that fit any value: a local is called after what it holds."""


def empty_names(text) -> list[tuple[int, str]]:
    """Lines of a source text that give a variable or an argument an empty name."""
    lines = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in EMPTY:
            lines.append((node.lineno, node.id))
        elif isinstance(node, ast.arg) and node.arg in EMPTY:
            lines.append((node.lineno, node.arg))
    return sorted(lines)


def test_locals_say_what_they_hold():
    files = [*FILES, *sorted((ROOT / "workflow" / "scripts").glob("*.py"))]
    assert len(files) > 500
    lines = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in files
        for line, name in empty_names(path.read_text())
    ]
    assert lines == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    found = 1",
        "def f():\n    part, rest = 1, 2",
        "def f():\n    part += 1",
        "def f(rows):\n    for item in rows:\n        pass",
        "def f(rows):\n    return [item for item in rows]",
        "def f():\n    if found := 1:\n        pass",
        "def f():\n    with open(0) as part:\n        pass",
        "def f(found):\n    pass",
        "key = lambda item: item[0]",
    ],
)
def test_an_empty_name_is_seen(text):
    assert len(empty_names(text)) == 1


def test_attributes_keys_and_columns_keep_their_names():
    text = "def f(x):\n    x.part = x['found']\n    return x.item(), g(part=1)"
    assert empty_names(text) == []
