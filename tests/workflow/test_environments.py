"""Pins of envs/ equal those of constraints.txt; the declared versions admit the lock."""

import re
import tomllib
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
    for text in [*project["dependencies"], *extras["dev"], *extras["bench"]]:
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
