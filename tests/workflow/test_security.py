"""Files of users are data: nothing in them is run, unpacked or sent, and no shell is built."""

import ast
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml
from cases.fmri import TABLES, small_tables
from common import ROOT, only

from neuro.io.problems import InputProblem

SOURCES = sorted(
    path
    for folder in ("neuro", "workflow/scripts", "docs", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
ARRAYS_ONLY = {"neuro/encoding/berg.py": ["imports pickle"]}
"""Readers whose unpickler knows arrays alone; tests/encoding/test_fitted.py tries code."""
RUNNING_FORMATS = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}
NETWORK = {"urllib", "requests", "http", "httpx", "aiohttp", "ftplib", "socket", "huggingface_hub"}
REFUSED_CALLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "shutil.unpack_archive",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pd.read_pickle",
    "pandas.read_pickle",
    "eval",
    "exec",
    "compile",
    "__import__",
}
REFUSED_METHODS = {"extractall", "extract"}
"""Of archives; a member is read in memory, never written by its own name."""


def dotted(node):
    """`a.b.c` of a chain of attributes, as far as it is one."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def keyword(call, name):
    """Value of a constant keyword argument; None where it is absent."""
    for item in call.keywords:
        if item.arg == name:
            return getattr(item.value, "value", item.value)
    return None


def faults(text):
    """What a source text does that files of users must never reach."""
    found = []
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if top in RUNNING_FORMATS or (top in NETWORK and name != "socket"):
                found.append(f"imports {name}")
        if isinstance(node, ast.Attribute) and re.fullmatch(
            r"socket\.(?!gethostname$)\w+", dotted(node)
        ):
            found.append(f"uses {dotted(node)}")
        if isinstance(node, ast.Call):
            found += call_faults(node)
    return found


def call_faults(call):
    """What one call does wrong."""
    name = dotted(call.func)
    last = name.rpartition(".")[2]
    if name in REFUSED_CALLS:
        return [f"calls {name}"]
    if last in REFUSED_METHODS and isinstance(call.func, ast.Attribute):
        return [f"calls .{last}()"]
    if keyword(call, "shell") not in (None, False):
        return ["runs a shell"]
    if keyword(call, "allow_pickle") not in (None, False):
        return [f"{name} with allow_pickle"]
    if name in ("torch.load", "torch.hub.load") and keyword(call, "weights_only") is not True:
        return [f"{name} without weights_only=True"]
    if last == "from_pretrained" and keyword(call, "local_files_only") is not True:
        return [f"{name} without local_files_only=True"]
    return []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_source_runs_what_users_bring(path):
    known = ARRAYS_ONLY.get(path.relative_to(ROOT).as_posix(), [])
    assert faults(path.read_text("utf-8")) == known


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "import urllib.request",
        "import socket\nsocket.create_connection(('a', 1))",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "subprocess.run(command, shell=True)",
        "os.system('ls ' + path)",
        "archive.extractall(folder)",
        "yaml.load(text)",
        "eval(text)",
        "Model.from_pretrained(path)",
    ],
)
def test_the_check_sees_a_planted_fault(text):
    assert len(faults(text)) == 1


def test_the_check_accepts_what_is_safe():
    text = "np.load(p)\ntorch.load(p, weights_only=True)\nsubprocess.run([a], check=True)\n"
    assert faults(text + "yaml.safe_load(t)\nimport socket\nsocket.gethostname()\n") == []


def test_rules_build_no_shell_command():
    """Every rule runs a script: a path or label of a user never becomes part of a command."""
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        text = path.read_text("utf-8")
        assert not re.search(r"^\s*(shell|run|notebook|wrapper|cwl):", text, re.MULTILINE), path
        assert not re.search(r"\bshell\(|os\.system|subprocess", text), path


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def bombs(folder):
    """Files of every suffix that numpy and torch would unpickle if they were let."""
    trace = folder / "ran"
    array = np.empty((2, 2), dtype=object)
    array[:] = [[Bomb(trace), 1], [2, 3]]
    np.save(folder / "x.npy", array, allow_pickle=True)
    np.savez(folder / "x.npz", series=array, traces=array, counts=array, meta=array)
    for suffix in (".pt", ".pth", ".pkl"):
        (folder / f"x{suffix}").write_bytes(pickle.dumps(Bomb(trace)))
    return trace


def readers():
    """Every function that reads an array file of a user, by name."""
    from neuro.adhd.diagnosis.model import GraphDiagnosis
    from neuro.demovae.model import DemoVAE
    from neuro.io.recordings.reader import read_recording
    from neuro.io.regions.roi import read_roi_table
    from neuro.io.responses.reader import read_stimulus_response
    from neuro.io.spikes.counts import read_counts
    from neuro.io.spikes.reader import read_spikes

    found = {
        "region table": read_roi_table,
        "counts": read_counts,
        "spikes": read_spikes,
        "recording": lambda path: read_recording(path, fs=1.0),
        "responses": read_stimulus_response,
        "diagnosis model": GraphDiagnosis.load,
        "demovae model": DemoVAE.load,
    }
    try:
        from neuro.mds.twin.files import read_twin
    except ImportError:
        return found
    return found | {"digital twin": read_twin}


def test_no_reader_runs_a_pickle(tmp_path):
    trace = bombs(tmp_path)
    refused = 0
    for name, read in readers().items():
        for path in sorted(tmp_path.glob("x.*")):
            with pytest.raises((InputProblem, ValueError)) as caught:
                read(path)
            assert "\n" not in str(caught.value), (name, path.name)
            assert not trace.exists(), (name, path.name)
            refused += 1
    assert refused >= 35
    with pytest.raises(FileExistsError):
        # the bomb itself works: two arrays of it make the folder twice
        for _ in range(2):
            np.load(tmp_path / "x.npy", allow_pickle=True)


def run_without_network(folder, *arguments):
    """Run Snakemake in a process tree in which every socket to another machine is refused."""
    block = folder / "block"
    block.mkdir()
    (block / "sitecustomize.py").write_text(
        "import socket, os\n"
        "def refuse(*a, **k):\n"
        f"    open({str(folder / 'tried')!r}, 'a').write(repr(a) + '\\n')\n"
        "    raise OSError('no network in this test')\n"
        "class Closed(socket.socket):\n"
        "    def connect(self, address):\n"
        "        if self.family == getattr(socket, 'AF_UNIX', None):\n"
        "            return super().connect(address)\n"
        "        refuse(address)\n"
        "    connect_ex = connect\n"
        "    def sendto(self, data, *address):\n"
        "        refuse(address)\n"
        "socket.socket = Closed\n"
        "socket.create_connection = refuse\n"
        "socket.getaddrinfo = refuse\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(block), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--workflow-profile", "none", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run without network on a folder that is named from the root of the machine."""
    folder = tmp_path_factory.mktemp("run")
    small_tables(folder / "input")
    settings = only(TABLES)
    settings["data"] = settings["data"] | {"root": str(folder / "input")}
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    result = run_without_network(folder, "--configfile", "mine.yaml", "--cores", "1")
    assert result.returncode == 0, result.stderr
    return folder


def test_a_run_needs_no_network(run):
    assert not (run / "tried").exists(), (run / "tried").read_text()
    assert (run / "results/report/index.html").exists()


@pytest.mark.slow
def test_the_demo_needs_no_network(tmp_path):
    result = run_without_network(tmp_path, "--cores", "2")
    assert result.returncode == 0, result.stderr[-3000:]
    assert not (tmp_path / "tried").exists(), (tmp_path / "tried").read_text()


def test_the_block_works(tmp_path):
    (tmp_path / "block").mkdir()
    result = subprocess.run(
        [sys.executable, "-c", "import urllib.request as u; u.urlopen('http://localhost:9')"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_block(tmp_path))},
    )
    assert result.returncode == 1 and "no network in this test" in result.stderr


def _block(folder):
    """The folder with the block, as the runs above get it."""
    other = folder / "other"
    other.mkdir()
    run_without_network(other, "--version")
    return other / "block"


def test_labels_of_users_cannot_become_paths_or_commands(tmp_path):
    """A hostile label in a table is refused or kept as data; nothing is written outside."""
    small_tables(tmp_path / "input")
    bad = tmp_path / "input" / "sub-$(touch x)_task-rest_timeseries.tsv"
    bad.write_text((tmp_path / "input/sub-01_task-rest_timeseries.tsv").read_text())
    people = tmp_path / "input/participants.tsv"
    people.write_text(people.read_text() + "sub-../../x\tA\t9\tF\t0\n")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(only(TABLES)))
    result = run_without_network(tmp_path, "--configfile", "mine.yaml", "--cores", "1")
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("x"))
    assert not (tmp_path.parent / "x").exists()


def test_sidecars_and_pages_name_no_folder_of_the_machine(run):
    results = run / "results"
    # what a run was given, paths included, is kept in these two alone
    given = {results / "inputs.json", *(results / "provenance").rglob("*")}
    for path in [*results.rglob("*.json"), *(results / "report").rglob("*.html")]:
        if path not in given:
            assert str(run) not in path.read_text("utf-8"), path
    assert json.loads((results / "fmri/dataset_description.json").read_text())
