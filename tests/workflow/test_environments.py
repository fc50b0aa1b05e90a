"""Pins of envs/ equal those of constraints.txt; the declared versions admit the lock."""

import ast
import functools
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
CONDA_ONLY = {"graph-tool"}
"""Not on PyPI, so not in the lock; an optional back end with an environment of its own."""
CONDA_NAMES = {"pytorch": "torch", "python-igraph": "igraph"}


def lock():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(
        re.split("==", line.lower(), maxsplit=1) for line in lines if line and line[0] != "#"
    )


def differences(environment, pins):
    """Packages of a conda environment whose version is not the locked one."""
    wrong = []
    for entry in environment["dependencies"]:
        name, _, version = entry.partition("=")
        if name in CONDA_ONLY:
            continue
        if name != "python" and pins.get(CONDA_NAMES.get(name, name)) != version:
            wrong.append(entry)
    return wrong


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_conda_pins_equal_the_lock(path):
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert differences(environment, lock()) == []


def test_a_planted_difference_is_found():
    environment = {"dependencies": ["python=3.11", "numpy=1.0.0"]}
    assert differences(environment, lock()) == ["numpy=1.0.0"]


def test_the_lock_satisfies_the_declared_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = lock()
    for text in [*project["dependencies"], *extras["dev"], *extras["bench"], *extras["docs"]]:
        requirement = Requirement(text)
        version = pins[requirement.name.lower()]
        assert requirement.specifier.contains(version), f"{text} against {version}"


def test_the_lock_holds_the_known_traps_apart():
    pins = lock()
    assert pins["torch"] == "2.13.0"
    assert pins["packaging"].startswith("25.")
    assert not any("slurm" in name for name in pins)
    assert "--hash" not in (ROOT / "constraints.txt").read_text()


def test_every_environment_file_is_used_by_a_rule():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    named = set(re.findall(r"envs/(\w+)\.yaml", rules))
    present = {path.stem for path in (ROOT / "envs").glob("*.yaml")}
    assert present - {"neuro"} == named


OPTIONAL = {
    "graph_tool": "a back end with an environment file of its own",
    "igraph": "one back end of communities, in envs/ntf.yaml",
    "pynapple": "an extra, for notebooks",
    "hdmf_zarr": "an extra, for NWB in Zarr",
    "numcodecs": "comes with hdmf_zarr",
    "diffusers": "an extra, in envs/braindive.yaml",
    "transformers": "an extra, in envs/braindive.yaml",
    "safetensors": "an extra; weights of networks alone",
    "shtab": "the command line alone",
}
"""Imports that a job meets only where the user chose what needs them."""
SCRIPT = re.compile(r'script:\s+"\.\./scripts/(\w+)\.py"')


@functools.cache
def third_party(path):
    """Names of the packages that a source file imports, here or there."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"neuro", "__future__", "snakemake"}


def importable(entries):
    """Names that can be imported where these packages and what they need are installed."""
    queue = [CONDA_NAMES.get(name, name) for name in entries]
    seen = set()
    while queue:
        name = queue.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        requirements = [Requirement(text) for text in needs]
        queue += [r.name for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})]
    return {
        name
        for name, owners in provides().items()
        if {owner.lower().replace("_", "-") for owner in owners} & seen
    }


@functools.cache
def provides():
    return metadata.packages_distributions()


def environment(path):
    return {
        re.split("[=<>]", entry)[0] for entry in yaml.safe_load(path.read_text())["dependencies"]
    }


@functools.cache
def needs_of_rules():
    """Environment of each rule -> what its code may import, the file that does as the value."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for block in re.split(r"^\s*rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            env, script = re.search(r"envs/(\w+)\.yaml", block), SCRIPT.search(block)
            if not env or not script:
                continue
            source = ROOT / f"workflow/scripts/{script[1]}.py"
            sources = [source, *imported_by(source)]
            needs = found.setdefault(env[1], {})
            for file in sources:
                needs |= {name: str(file.relative_to(ROOT)) for name in third_party(file)}
    return found


def imported_by(source):
    """Files of neuro that a script's own imports load, those inside functions aside."""
    seen, queue = set(), [source]
    while queue:
        file = queue.pop()
        top = file == source
        tree = ast.parse(file.read_text())
        nodes = ast.walk(tree) if top else tree.body
        for node in nodes:
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("neuro"):
                continue
            for name in ("", *(alias.name for alias in node.names)):
                path = ROOT / f"{node.module.replace('.', '/')}/{name}"
                for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                    if candidate.is_file() and candidate not in seen:
                        seen.add(candidate)
                        queue.append(candidate)
    return sorted(seen)


@pytest.mark.parametrize("name", sorted(needs_of_rules()))
def test_an_environment_holds_what_its_rules_import(name):
    there = importable(environment(ROOT / f"envs/{name}.yaml"))
    lacking = {
        package: file
        for package, file in needs_of_rules()[name].items()
        if package not in there and package not in OPTIONAL
    }
    assert lacking == {}


def test_the_whole_environment_holds_everything():
    there = importable(environment(ROOT / "envs/neuro.yaml"))
    needed = set()
    for path in (ROOT / "neuro").rglob("*.py"):
        needed |= third_party(path)
    assert needed - there - {"graph_tool", "igraph", "pynapple", "hdmf_zarr", "numcodecs"} == set()


def test_a_package_that_is_lacking_is_found():
    there = importable({"numpy", "pandas"})
    assert {"numpy", "pandas", "dateutil"} <= there
    assert not there & {"scipy", "torch", "sklearn"}
    assert "threadpoolctl" in importable({"scikit-learn"})
