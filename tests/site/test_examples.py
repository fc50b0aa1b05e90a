"""The gallery: two examples per stage, public names alone, each ends with what not to conclude."""

import ast
import importlib
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import neuro.config

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").rglob("plot_*.py"))
SECONDS = 60
"""CPU time of an example, at most."""


@pytest.mark.parametrize("stage", neuro.config.STAGES)
def test_every_stage_has_two_examples(stage):
    names = [path.name for path in EXAMPLES if path.parent.name == stage]
    assert [name[:7] for name in names[:2]] == ["plot_1_", "plot_2_"]
    assert (ROOT / "examples" / stage / "GALLERY_HEADER.rst").is_file()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_an_example_uses_public_names_and_ends_with_what_not_to_conclude(path):
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neuro"):
            modules.append(node.module)
            public = importlib.import_module(node.module).__all__
            assert {alias.name for alias in node.names} <= set(public), node.module
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("neuro") for alias in node.names)
    assert f"neuro.{path.parent.name}" in modules and "neuro.simulate" in modules
    assert ast.get_docstring(tree).splitlines()[1].startswith("===")
    last = text.split("# %%\n")[-1]
    assert last.startswith("# **What not to conclude.**") and len(last.split()) > 30
    assert all(line.startswith("#") for line in last.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_an_example_runs_within_its_time_and_draws(path, tmp_path):
    code = (
        "import runpy, sys; import matplotlib; matplotlib.use('Agg');"
        "runpy.run_path(sys.argv[1], run_name='__main__');"
        "from matplotlib import pyplot; print('figures', len(pyplot.get_fignums()))"
    )
    quiet = {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        env=os.environ | quiet,
        cwd=tmp_path,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(re.search(r"figures (\d+)", done.stdout)[1]) >= 1
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert spent < SECONDS, f"{spent:.0f} CPU s"
