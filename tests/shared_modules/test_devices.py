"""Each job of one machine has a GPU of its own; no GPU is needed to see it."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from neuro.base import devices, job

CLAIM = "from neuro.base import devices; print(devices.claim(%r), flush=True); input()"


@pytest.fixture
def jobs(tmp_path):
    """Start a job that claims a device and holds it; give the process and the device."""
    started = []

    def start(visible):
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIM % str(tmp_path / "locks")],
            env={**os.environ, devices.VARIABLE: visible},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_jobs_take_different_devices_and_a_killed_one_gives_its_own_back(jobs):
    names = "0,GPU-8f/1,2"
    made = [jobs(names) for _ in range(3)]
    assert sorted(name for _, name in made) == ["0", "2", "GPU-8f/1"]
    assert jobs(names)[1] in names.split(","), "more jobs than devices share them"
    first, name = made[1]
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert jobs(names)[1] == name


def test_one_device_or_none_is_left_as_it_is(jobs, monkeypatch):
    assert jobs("3")[1] == "None" and jobs("")[1] == "None"
    monkeypatch.setenv(devices.VARIABLE, "1, 0")
    assert devices.visible() == ["1", "0"]


def test_a_job_that_asks_for_a_gpu_claims_one_and_no_other_does(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(devices, "claim", lambda: asked.append(1))
    monkeypatch.chdir(tmp_path)
    for gpu in (0, 1):
        task = SimpleNamespace(
            threads=1,
            log=[],
            rule="braindive_sample",
            wildcards={},
            params={},
            input=[],
            output=[],
            config={},
            resources={"gpu": gpu},
        )
        with job.run(task):
            pass
        assert len(asked) == gpu
