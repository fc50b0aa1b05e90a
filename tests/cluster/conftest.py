"""One cluster per test process; skipped with the reason where none can be started."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
import slurm_cluster
import yaml
from toys import Run, until


@pytest.fixture(scope="session")
def plugin(tmp_path_factory, request):
    """Folder with the Slurm plugin, shared by the test processes of one run."""
    top = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        top = top.parent
    folder = top / "plugin"
    with open(top / "plugin.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            slurm_cluster.plugin(folder)
    return folder


@pytest.fixture(scope="session")
def cluster(plugin):
    """A running cluster whose environment holds the plugin and the file of partitions."""
    if reason := slurm_cluster.missing():
        pytest.skip(reason)
    with slurm_cluster.Cluster() as running:
        running.environment["PYTHONPATH"] = str(plugin)
        running.environment.pop("PYTEST_CURRENT_TEST", None)
        running.partitions = Path(running.folder) / "part.yaml"
        # the command of the documentation, which is a script of the plugin
        command = [sys.executable, plugin / "bin/generate-slurm-partition-config"]
        subprocess.run(
            [*command, "-o", running.partitions], env=running.environment, check=True, timeout=60
        )
        # without accounting Slurm does not tell partitions' GPUs: docs/cluster.md says to add them
        limits = yaml.safe_load(running.partitions.read_text())
        limits["partitions"]["gpu"]["max_gpu"] = 2
        running.partitions.write_text(yaml.safe_dump(limits))
        yield running


@pytest.fixture(autouse=True)
def nothing_left(request):
    """What a failed test left running or in the queue does not disturb the next one."""
    yield
    while Run.started:
        Run.started.pop().kill()
    if cluster := request.node.funcargs.get("cluster"):
        cluster.run("scancel", "--user=root", check=False)
        until(lambda: not cluster.queue(), "an empty queue after the test")
