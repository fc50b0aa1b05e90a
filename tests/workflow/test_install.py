"""`make` installs once and only after success; CI reports what failed and what it skipped.

The package index and the commands are stand-ins, so these tests take seconds: what is tested are
the recipes of the Makefile and the script `.ci/run`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from common import ROOT

PIP = """#!/bin/sh
echo "$@" >> calls.txt
[ -f slow ] && sleep 60
[ -f broken ] && exit 1
exit 0
"""
PYTHON = f"""#!/bin/sh
if [ "$2" = venv ]; then
    mkdir -p .venv/bin
    cp pip.sh .venv/bin/python
    exit 0
fi
exec {sys.executable} -c 'import sys; sys.version_info = (3, MINOR, 0); exec(sys.argv[1])' "$2"
"""


@pytest.fixture
def checkout(tmp_path):
    """The files that an installation depends on, and a Python that installs nothing."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    script(tmp_path / "pip.sh", PIP)
    script(tmp_path / "py", PYTHON.replace("MINOR", "11"))
    script(tmp_path / "old", PYTHON.replace("MINOR", "10"))
    return tmp_path


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def make(folder, *arguments):
    """Status, output and error lines of make."""
    result = subprocess.run(
        ["make", "-s", ".venv/.installed", *arguments], cwd=folder, capture_output=True, text=True
    )
    return result.returncode, result.stderr.splitlines()


def installs(folder):
    """Number of calls of pip."""
    path = folder / "calls.txt"
    return path.read_text().count("pip install") if path.exists() else 0


def test_a_second_call_does_not_install_again_and_new_pins_do(checkout):
    assert make(checkout, "PYTHON=./py") == (0, [])
    once = installs(checkout)
    assert once >= 1 and (checkout / ".venv/.installed").exists()
    assert make(checkout, "PYTHON=./py")[0] == 0
    assert installs(checkout) == once
    later = time.time() + 5
    os.utime(checkout / "constraints.txt", (later, later))
    assert make(checkout, "PYTHON=./py")[0] == 0
    assert installs(checkout) == 2 * once


def test_a_failed_installation_leaves_no_stamp_and_is_repeated(checkout):
    (checkout / "broken").touch()
    assert make(checkout, "PYTHON=./py")[0] != 0
    assert not (checkout / ".venv/.installed").exists()
    (checkout / "broken").unlink()
    assert make(checkout, "PYTHON=./py")[0] == 0
    assert (checkout / ".venv/.installed").exists()


def test_a_killed_installation_leaves_no_stamp(checkout):
    (checkout / "slow").touch()
    process = subprocess.Popen(
        ["make", "-s", ".venv/.installed", "PYTHON=./py"], cwd=checkout, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while not installs(checkout) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert installs(checkout) == 1
    assert not (checkout / ".venv/.installed").exists()


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("./old", "./old is Python 3.10; neuro needs >= 3.11: make PYTHON=/path/to/python3.11"),
        ("nopython", "nopython: not found; install Python >= 3.11 or say make PYTHON="),
    ],
)
def test_a_wrong_python_is_one_line(checkout, python, line):
    status, lines = make(checkout, f"PYTHON={python}")
    assert status != 0
    own = [text for text in lines if not re.match(r"make(\[\d+\])?:", text)]
    assert len(own) == 1 and own[0].startswith(line)
    assert not (checkout / ".venv").exists()


CI_MAKE = """#!/bin/sh
echo "$1" >> made.txt
[ "$1" = "$(cat fails 2>/dev/null)" ] && exit 1
exit 0
"""


def ci(folder, user, fails=""):
    """Run `.ci/run` with a stand-in for make, as a user with a number."""
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    (folder / "bin").mkdir()
    script(folder / "bin/make", CI_MAKE)
    script(folder / "bin/id", f"#!/bin/sh\necho {user}\n")
    script(folder / "bin/apt-get", "#!/bin/sh\n")
    (folder / ".venv/bin").mkdir(parents=True)
    script(folder / ".venv/bin/python", "#!/bin/sh\nexit 0\n")
    (folder / "fails").write_text(fails)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "NEURO_TEST_DATA": "nowhere",
    }
    result = subprocess.run(
        [folder / ".ci/run"], capture_output=True, text=True, env=environment, cwd="/"
    )
    return result.returncode, result.stdout, (folder / "made.txt").read_text().split()


def test_ci_of_an_ordinary_user_skips_the_cluster_with_the_reason(tmp_path):
    status, out, made = ci(tmp_path, 1000)
    assert status == 0
    assert made == [".venv/.installed", "check", "test", "test-kernels", "docs", "demo", "chaos"]
    tail = out[out.index("== skipped") :]
    assert "cluster: Slurm daemons of the tests need root" in tail
    assert "container: its root file system needs root" in tail
    assert "real data: no folder nowhere" in tail
    for part in ("install", "format and lint", "tests", "kernels", "demo", "chaos"):
        assert f"{part}: " in out[out.index("== times") :]


def test_ci_with_a_failing_test_fails_and_runs_the_rest(tmp_path):
    status, out, made = ci(tmp_path, 1000, fails="test")
    assert status != 0
    assert made == [".venv/.installed", "check", "test", "test-kernels", "docs", "demo", "chaos"]
    assert "tests: make test" in out[out.index("== failed") :]


def test_ci_stops_when_nothing_could_be_installed(tmp_path):
    status, out, made = ci(tmp_path, 1000, fails=".venv/.installed")
    assert status != 0 and made == [".venv/.installed"]
    assert "the installation failed" in out


def test_ci_of_root_runs_the_cluster_and_the_container(tmp_path):
    _, _, made = ci(tmp_path, 0)
    assert made[-3:] == ["cluster-test", "chaos", "container-test"]


def test_ci_on_a_slow_machine_skips_the_last_parts_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CI_MINUTES", "-1")
    status, out, made = ci(tmp_path, 0)
    assert status == 0 and made[-1] == "demo"
    tail = out[out.index("== skipped") :]
    for name in ("cluster", "chaos", "container"):
        assert f"{name}: -1 minutes are over" in tail
