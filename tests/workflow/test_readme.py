"""README, Makefile and CI say the same commands; the charts are up to date."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def text(name):
    return (ROOT / name).read_text("utf-8")


def pages():
    """README and every page of the documentation, made ones aside."""
    own = [page for page in (ROOT / "docs").rglob("*.md") if "generated" not in page.parts]
    return [ROOT / "README.md", *own]


def test_ci_runs_the_commands_of_the_readme():
    for command in ("make demo", "make test"):
        assert re.search(rf"^{command} ", text("README.md"), re.MULTILINE)
        assert re.search(rf"{command}$", text(".ci/run"), re.MULTILINE)


def test_the_commands_without_make_are_those_of_the_makefile():
    makefile = text("Makefile")
    pytest_line = re.search(r"^test:.*\n\t(python .*)$", makefile, re.MULTILINE)[1]
    assert f".venv/bin/{pytest_line}" in text("docs/start.md")
    assert "pip install -c constraints.txt -e '.[$(EXTRAS)]'" in makefile
    assert ".venv/bin/pip install -c constraints.txt -e '.[dev,braindive]'" in text("docs/start.md")
    assert re.search(r"^EXTRAS := dev,braindive$", makefile, re.MULTILINE)


def test_every_target_has_a_help_line():
    targets = re.findall(r"^([a-z][a-z-]*):(.*)$", text("Makefile"), re.MULTILINE)
    assert len(targets) > 8
    assert all("##" in rest for _, rest in targets)


def test_the_stamp_is_touched_last_and_depends_on_the_pins():
    recipe = re.search(r"^\$\(STAMP\): (.*)\n((?:\t.*\n)+)", text("Makefile"), re.MULTILINE)
    assert recipe[1].split() == ["constraints.txt", "pyproject.toml"]
    assert recipe[2].rstrip().splitlines()[-1].strip() == "@touch $@"


@pytest.fixture
def rulegraph(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import rulegraph

    return rulegraph


def test_the_charts_are_up_to_date(rulegraph):
    for name, wanted in rulegraph.texts().items():
        assert text(name) == wanted, f"{name}: run: make docs"


def test_the_stage_chart_names_the_stages_of_the_workflow(rulegraph):
    import neuro.config

    known = [name for name in rulegraph.STAGES if name != "report"]
    assert [name for name in known if name in neuro.config.STAGES] == list(neuro.config.STAGES)
    chart = text("docs/index.md").split("```mermaid")[1].split("```")[0]
    for name in neuro.config.STAGES:
        assert f'{name}["{name}:' in chart
        assert re.search(rf"^  {name} --> report$", chart, re.MULTILINE)


def test_the_stage_chart_joins_the_rules_of_a_stage(rulegraph):
    edges = [
        ("adhd_b", "report"),
        ("fmri_a", "adhd_b"),
        ("fmri_a", "fmri_b"),
        ("fmri_b", "adhd_b"),
        ("simulate_fmri", "fmri_a"),
    ]
    lines = rulegraph.stage_chart(edges).splitlines()
    assert lines[0] == "flowchart LR" and lines[-2:] == ["  fmri --> adhd", "  adhd --> report"]
    assert not any("simulate" in line for line in lines)


def test_the_settings_shown_are_valid():
    """Every YAML block of README and docs is a file that the configuration accepts."""
    import yaml

    from neuro import config

    sections = set(config.SECTIONS)
    blocks = []
    for page in pages():
        found = re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        blocks += [(page.name, block) for block in found]
    # Other blocks show profiles.
    blocks = [(name, block) for name, block in blocks if set(yaml.safe_load(block)) <= sections]
    assert len(blocks) >= 3
    for name, block in blocks:
        # Parts of a file say nothing of the input.
        problems = config.resolve({"data": {"kind": "simulated"}, **yaml.safe_load(block)})
        # The files of the examples do not exist here.
        assert not [line for line in problems if "no such" not in line], (name, problems)


def test_links_between_documents_lead_somewhere():
    for page in pages():
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_path_of_a_machine_in_the_project():
    import subprocess

    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    pattern = re.compile(r"(?<![\w.])/(?:(?:root|work)|(?:home|Users)(?!/ann))/\w")
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".yaml", ".smk", ".toml", ".txt", "") and path.is_file():
            found = pattern.search(path.read_text("utf-8", errors="ignore"))
            assert not found or path == Path(__file__), f"{name}: {found}"


def test_the_readme_is_two_screens_and_every_command_of_it_is_known():
    lines = text("README.md").splitlines()
    assert len(lines) <= 100 and max(map(len, lines)) <= 330
    picture = re.search(r"^!\[[^\]]{20,}\]\((\S+)\)$", text("README.md"), re.MULTILINE)[1]
    assert (ROOT / picture).stat().st_size < 300_000
    for page in ("docs/own_data.md", "docs/measured.md", "docs/start.md"):
        assert f"]({page})" in text("README.md")
