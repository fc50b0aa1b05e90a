"""Both recipes of containers do the same, as an ordinary user, from what the wheel build leaves."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def docker():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [line.split(" ", 1) for line in lines if line and line[0] != "#"]


def apptainer(section):
    text = (ROOT / "neuro.def").read_text()
    block = text.split(f"%{section}\n", 1)[1].split("\n\n", 1)[0]
    return [line.strip() for line in block.splitlines()]


def test_both_install_the_same():
    runs = [text for word, text in docker() if word == "RUN"]
    assert runs[:2] == apptainer("post")
    assert "-c /opt/build/constraints.txt /opt/build/neuro_chain-*.whl" in runs[1]
    (environment,) = [text for word, text in docker() if word == "ENV"]
    assert apptainer("environment") == [f"export {environment}"]


def test_it_runs_as_an_ordinary_user_and_starts_neuro_run():
    words = [word for word, _ in docker()]
    assert words.index("USER") > max(k for k, word in enumerate(words) if word == "RUN")
    assert dict(docker())["USER"] == "neuro"
    assert dict(docker())["ENTRYPOINT"] == '["neuro", "run"]'
    assert apptainer("runscript") == ['exec neuro run "$@"']


def test_what_is_copied_is_what_a_build_leaves():
    (copied,) = [text for word, text in docker() if word == "COPY"]
    *sources, target = copied.split()
    assert target == "/opt/build/"
    assert apptainer("files") == [f"{source} {target}" for source in sources]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored == ["*", *(f"!{source}" for source in sources)]
    name = re.search(r'^name = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert sources[1] == f"dist/{name.replace('-', '_')}-*.whl"
    assert (ROOT / sources[0]).is_file()
