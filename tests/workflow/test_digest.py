"""The digest of a stage changes with what the stage can reach, and with nothing else."""

import ast
import shutil
import sys

import pytest

from neuro.config import STAGES
from neuro.run import digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    copy = tmp_path / "neuro"
    shutil.copytree(digest.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "PACKAGE", copy)

    def fresh(*names):
        digest.forget()
        return digest.stage_digest(*names)

    yield copy, fresh
    digest.forget()


def append(path):
    path.write_text(path.read_text() + "\n# changed\n")


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
        assert wanted <= digest._imports(path.read_text(), name), name
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
    assert {"neuro.io.nifti", "neuro.io.problems"} <= digest._imports(text, "adhd/x.py")


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
