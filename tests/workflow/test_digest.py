"""The digest of a stage changes with what the stage can reach, and with nothing else."""

import ast
import shutil
import sys

import pytest

from neuro.config import STAGES
from neuro.run import digest


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store of parses for all copies of the package: files that are equal are parsed once."""
    return tmp_path_factory.mktemp("cache") / "digest.json"


@pytest.fixture
def package(tmp_path, monkeypatch, store):
    copy = tmp_path / "neuro"
    shutil.copytree(digest.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "PACKAGE", copy)
    monkeypatch.setattr(digest, "_store", lambda package: store)

    def fresh(*names):
        digest.forget()
        return digest.stage_digest(*names)

    yield copy, fresh
    digest.forget()


def append(path):
    path.write_text(path.read_text() + "\nchanged = 1\n")


@pytest.mark.parametrize(
    ("changed", "stages"),
    [
        ("adhd/__init__.py", {"adhd"}),
        ("fmri/regions/connectome.py", {"fmri"}),
        ("io/formats/tables.py", {"adhd", "fmri"}),
        ("io/__init__.py", {"adhd", "fmri"}),
        ("report/__init__.py", set()),
        ("command/cli.py", set()),
    ],
)
def test_digest_follows_the_imports(package, changed, stages):
    copy, fresh = package
    before = {name: fresh(name) for name in ("adhd", "fmri")}
    append(copy / changed)
    after = {name: fresh(name) for name in ("adhd", "fmri")}
    assert {name for name in before if before[name] != after[name]} == stages


def test_a_stage_changes_itself_only_and_the_readers_change_all(package):
    copy, fresh = package
    names = [name for name in STAGES if (copy / name).is_dir()]
    assert len(names) >= 2
    before = {name: fresh(name) for name in names}
    for changed in names:
        path = copy / changed / "__init__.py"
        text = path.read_text()
        append(path)
        after = {name: fresh(name) for name in names}
        assert {name for name in names if before[name] != after[name]} == {changed}
        path.write_text(text)
    append(copy / "io" / "problems.py")
    assert all(fresh(name) != before[name] for name in names)


def test_a_shared_module_changes_the_stages_that_import_it(package):
    copy, fresh = package
    users = {
        name
        for name in STAGES
        if any("neuro.encoding" in path.read_text() for path in (copy / name).rglob("*.py"))
    }
    names = [name for name in STAGES if (copy / name).is_dir()]
    before = {name: fresh(name) for name in names}
    append(copy / "encoding" / "__init__.py")
    assert {name for name in names if fresh(name) != before[name]} == users


def test_function_level_and_relative_imports_count(package):
    copy, fresh = package
    (copy / "adhd" / "extra.py").write_text(
        "def f():\n    from ..fresh_module import (\n        a,\n        b,\n    )\n"
    )
    (copy / "fresh_module.py").write_text("a = b = 1\n")
    before = fresh("adhd")
    append(copy / "fresh_module.py")
    assert fresh("adhd") != before


SOURCE = '''"""What it is for."""

LIMIT = 3
"""Of something."""


class A:
    """A class."""

    def f(self, x):
        """A method."""
        # why
        return x + LIMIT
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# why not"),
        ("        # why\n", ""),
        ("return x + LIMIT", "return x + LIMIT  # done"),
        ("What it is for.", "What it is really for."),
        ("A class.", "Another class."),
        ("A method.", "Another method."),
        ("Of something.", "Of something else."),
        ('        """A method."""\n', ""),
        ("LIMIT = 3", "LIMIT = (\n    3\n)"),
        ("\n\n\nclass", "\n\nclass"),
    ],
)
def test_comments_docstrings_and_layout_are_no_change(package, old, new):
    copy, fresh = package
    path = copy / "adhd" / "extra.py"
    path.write_text(SOURCE)
    before = fresh("adhd")
    assert old in SOURCE
    path.write_text(SOURCE.replace(old, new))
    assert fresh("adhd") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("LIMIT = 3", "LIMIT = '3'"),
        ("x + LIMIT", "x - LIMIT"),
        ("x + LIMIT", 'x + f"{LIMIT}"'),
        ("def f(self, x)", "def f(self, x=1)"),
        ("class A:", "class B:"),
        ("return x", "return 'a text' + x"),
        ("return x + LIMIT", "return x + LIMIT, 'why'"),
    ],
)
def test_what_the_code_does_is_a_change(package, old, new):
    copy, fresh = package
    path = copy / "adhd" / "extra.py"
    path.write_text(SOURCE)
    before = fresh("adhd")
    assert old in SOURCE
    path.write_text(SOURCE.replace(old, new))
    assert fresh("adhd") != before


@pytest.mark.parametrize(
    "statement",
    [
        "from . import target",
        "from . import other, target as t",
        "from .target import value",
        "from .. import fresh",
        "from ..fresh import value",
        "from ..deep.below import target",
        "from ..deep.below.target import value",
        "import neuro.deep.below.target as short",
        "import os, neuro.deep.below.target",
        "from neuro.deep.below import (\n    other,\n    target,\n)",
        "def f():\n    from ..fresh import value",
        "class A:\n    def f(self):\n        import neuro.fresh",
        "if TYPE_CHECKING:\n    from neuro import fresh",
        "try:\n    from neuro.fresh import value\nexcept ImportError:\n    value = 0",
        "from neuro.lazy_room import Thing",
        "from neuro.lazy_room import *",
        "import neuro.lazy_room",
        "from neuro import lazy_room",
        "from ..lazy_room import Thing as T",
        "from ..lazy_room.inner import part",
    ],
)
def test_every_import_is_followed(package, statement):
    """Of a file with one import: what it imports changes, and what it does not import does not."""
    copy, fresh = package
    attach = "from neuro.base.lazy import attach\n"
    files = {
        "alone/user.py": statement + "\n",
        "alone/target.py": "value = 1\n",
        "alone/other.py": "value = 1\n",
        "fresh.py": "value = 1\n",
        "deep/__init__.py": "",
        "deep/below/__init__.py": "",
        "deep/below/target.py": "value = 1\n",
        "deep/below/other.py": "",
        "lazy_room/__init__.py": attach
        + '_HOMES = {"Thing": "inner.part", "Other": "apart"}\n'
        + "__getattr__, __dir__ = attach(__name__, _HOMES)\n",
        "lazy_room/inner/__init__.py": "",
        "lazy_room/inner/part.py": "Thing = 1\n",
        "lazy_room/apart.py": "Other = 1\n",
    }
    for name, text in files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    inside = "from . import" in statement or "from .target" in statement
    wanted = {
        "alone/target.py": inside,
        "fresh.py": "fresh" in statement,
        "deep/below/target.py": "below" in statement,
        "lazy_room/inner/part.py": "lazy_room" in statement,
        "lazy_room/apart.py": "lazy_room" in statement
        and "Thing" not in statement
        and "inner" not in statement,
    }
    for name, follows in wanted.items():
        text = (copy / name).read_text()
        before = fresh("alone/user")
        (copy / name).write_text(text + "changed = 1\n")
        assert (fresh("alone/user") != before) == follows, name
        (copy / name).write_text(text)


def test_lazy_lists_are_read_as_they_stand():
    for path in digest.PACKAGE.rglob("__init__.py"):
        text = path.read_text()
        homes = digest.parse(text, path.relative_to(digest.PACKAGE).as_posix())["homes"]
        assert bool(homes) == ("attach(" in text), path
        for home in homes.values():
            assert (path.parent / (home.replace(".", "/") + ".py")).is_file(), (path, home)


def test_parses_are_stored_and_a_broken_store_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    digest.forget()
    value = digest.stage_digest("stats")
    (stored,) = (tmp_path / "cache/neuro").iterdir()
    digest.forget()
    with monkeypatch.context() as patched:
        patched.setattr(digest, "parse", lambda *_: pytest.fail("parsed again"))
        assert digest.stage_digest("stats") == value
    for text in ("{", "[1]", ""):
        stored.write_text(text)
        digest.forget()
        assert digest.stage_digest("stats") == value
    assert "stats/splits.py|" in stored.read_text(), "stored again"
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    digest.forget()
    assert digest.stage_digest("stats") == value
    digest.forget()


def test_a_file_that_python_cannot_read_counts_as_it_is(package):
    copy, fresh = package
    path = copy / "adhd" / "extra.py"
    seen = set()
    for text in ("def f(:\n", "def f(:  # why\n", "def f():\n    pass\n"):
        path.write_text(text)
        seen.add(fresh("adhd"))
    assert len(seen) == 3


def imported(text, name):
    """Dotted names below neuro that a file imports, as the digest found them."""
    return {
        dotted
        for base, taken in digest.parse(text, name)["imports"]
        for dotted in (base, f"{base}.{taken}".rstrip("."))
    }


def parsed(path):
    """Names below neuro that a file imports, by the parser of Python."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        else:
            continue
        yield from (name for name in names if name.startswith("neuro."))


def test_no_import_of_the_package_is_overlooked():
    count = 0
    for path in digest.PACKAGE.rglob("*.py"):
        name = path.relative_to(digest.PACKAGE).as_posix()
        wanted = set(parsed(path))
        assert wanted <= imported(path.read_text(), name), name
        count += len(wanted)
    assert count > 500


@pytest.mark.parametrize(
    "text",
    [
        "from neuro.io import nifti as t, problems",
        "from neuro.io import (  # why\n    nifti as t,  # first, of two\n    problems,\n)",
        "if True:\n    from ..io import nifti, problems  # noqa",
        "import neuro.io.nifti, os, neuro.io.problems as s  # both",
        "try:\n\timport neuro.io.nifti\n\timport neuro.io.problems\nexcept ImportError: pass",
    ],
)
def test_every_form_of_an_import_is_read(text):
    assert {"neuro.io.nifti", "neuro.io.problems"} <= imported(text, "adhd/x.py")


def test_data_files_count(package):
    copy, fresh = package
    before = fresh("adhd")
    (copy / "adhd" / "table.json").write_text("{}")
    assert fresh("adhd") != before


def test_nothing_heavy_is_imported_and_the_form_is_short():
    value = digest.stage_digest("adhd")
    assert len(value) == 16 and int(value, 16) >= 0
    code = "from neuro.run.digest import stage_digest as d; d('adhd', 'fmri'); import sys; "
    code += "print('numpy' in sys.modules)"
    import subprocess

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "False"


def test_unknown_stage_is_one_line():
    with pytest.raises(ValueError, match="stage 'nothing': no such folder or module"):
        digest.stage_digest("nothing")
