"""The documentation: figures are those of the results, rules and rooms those of the code.

Pages, links and public names of the site: `tests/site`.
"""

import importlib
import re
from pathlib import Path

import pytest

import neuro.config

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture
def script(monkeypatch):
    """Import a script of the folder docs."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module


def test_the_benchmark_table_is_read_from_the_result_files(script):
    benchmarks = script("benchmarks")
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    rows = [line for line in benchmarks.page().splitlines() if line.startswith("| ")]
    table = [
        line for line in rows if line.startswith(tuple(f"| {n} |" for n in neuro.config.STAGES))
    ]
    assert len(table) == len(benchmarks.COMPARISONS)
    for line in table:
        assert line in page, "run: python docs/benchmarks.py"


def test_numbers_and_rows_of_a_result_file_are_found(script):
    benchmarks = script("benchmarks")
    text = "# T\n\n| method | CPU s |\n|---|---:|\n| ours | 0.5 |\n| peer | ~1,250.0 |\n\nwords\n"
    rows = benchmarks.tables(text)
    assert rows == [{"method": "ours", "CPU s": "0.5"}, {"method": "peer", "CPU s": "~1,250.0"}]
    assert benchmarks.number(benchmarks.find(rows, ("peer",), "CPU s", "x")) == 1250
    with pytest.raises(ValueError, match="x: no row with other and a column 'CPU s'"):
        benchmarks.find(rows, ("other",), "CPU s", "x")


def test_every_command_of_make_bench_has_its_script(script):
    for command in script("benchmarks").commands().values():
        assert (ROOT / re.search(r"benchmarks/\w+\.py", command)[0]).is_file(), command
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^bench:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    assert recipe.rstrip().endswith("python docs/benchmarks.py")


STAGE_NAME = re.compile(
    r"(?<![\w/.-])((?:simulate|fmri|adhd|demovae|ntf|hmmglm|mds|braindive)_[a-z_0-9]+)\b(?![./(])"
)
NO_RULES = {"fmri_runs", "adhd_index"}
"""Names of this form that are values of keys, or columns."""


def test_rules_named_in_docs_and_profiles_exist():
    text = "".join(path.read_text("utf-8") for path in ROOT.glob("workflow/rules/*.smk"))
    rules = set(re.findall(r"^\s*rule (\w+):", text, re.MULTILINE))
    known = rules | NO_RULES | {path.stem for path in ROOT.glob("benchmarks/**/*.*")}
    pages = [page for page in DOCS.rglob("*.md") if "generated" not in page.parts]
    for path in [ROOT / "README.md", *pages, *ROOT.glob("profiles/*/config.yaml")]:
        # names inside a chart are those of its boxes
        shown = re.sub(r"```mermaid.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert set(STAGE_NAME.findall(shown)) - known == set(), path.name
    assert {"adhd_diagnose", "braindive_sample"} <= rules


BENCHMARKS = {"fmri": "clean", "adhd": "voxel_graphs"}
"""Where a stage's benchmark has another name than the stage."""


@pytest.mark.parametrize("name", neuro.config.STAGES)
def test_every_stage_has_all_that_a_stage_owes(name):
    for path in (
        *(f"neuro/{name}/__init__.py", f"neuro/config/{name}.py", f"docs/{name}.md"),
        *(f"neuro/report/pages/{name}.py", f"workflow/rules/{name}.smk"),
        *(f"workflow/rules/{name}_helpers.smk", f"tests/unit/cases/{name}.py"),
        *(f"envs/{name}.yaml", f"benchmarks/{BENCHMARKS.get(name, name)}.py"),
        f"benchmarks/results/{BENCHMARKS.get(name, name)}.md",
    ):
        assert (ROOT / path).is_file(), path
    assert list(ROOT.glob(f"neuro/report/figures/{name}*.py")), "no figures"
    assert list(ROOT.glob(f"tests/{name}/test_*.py")), "no tests"
    assert len(list(ROOT.glob(f"examples/{name}/plot_*.py"))) >= 2, "no two examples"
    assert f"]({name}.md)" in (DOCS / "stages.md").read_text("utf-8")
    assert f"](docs/{name}.md) |" in (ROOT / "README.md").read_text("utf-8"), "no row in README"


def test_the_chart_of_rooms_is_made_from_the_imports(script):
    rooms = script("rooms")
    assert rooms.page() == (DOCS / "architecture.md").read_text("utf-8"), "run: make docs"
