"""A real Slurm cluster on this machine, for the tests: three nodes, two fake GPUs, no services.

Needs root and the packages slurmctld, slurmd and slurm-client, which `install` adds by apt. No
systemd, cgroups, munge or database: the controller and the node daemons run from a private
folder with ports of their own, so that several clusters stand side by side.

    python tests/cluster/slurm_cluster.py install
    python tests/cluster/slurm_cluster.py run -- sinfo     # starts, runs a command, stops
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client")
NODES = ("c1", "c2", "g1")
PLUGINS = (
    "snakemake-executor-plugin-slurm==2.8.0",
    "snakemake-executor-plugin-slurm-jobstep==0.6.1",
    "throttler==1.2.3",
)
READY_WITHIN = 90
"""Seconds; it takes one on an idle machine."""
CONF = """\
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
AuthInfo=cred_expire=30
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,default_queue_depth=1000
DefMemPerCPU=1000
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=600
KillWait=2
SlurmdTimeout=30
GresTypes=gpu
NodeName=c[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{c1}-{c2}] CPUs=4 RealMemory=12000 \
State=UNKNOWN
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={g1} CPUs=4 RealMemory=12000 \
Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes=c[1-2] Default=YES MaxTime=2-00:00:00 DefaultTime=00:05:00 State=UP
PartitionName=gpu Nodes=g1 MaxTime=2-00:00:00 DefaultTime=00:05:00 State=UP
"""
GRES = "NodeName=g1 Name=gpu Type=fake File=/dev/zero,/dev/null\n"


class ClusterError(RuntimeError):
    """The cluster did not come up, or went away."""


def missing() -> str:
    """Why no cluster can be started here, in one line; empty when all is there."""
    if os.geteuid() != 0:
        return "a Slurm test cluster needs root"
    absent = [name for name in ("slurmctld", "slurmd", "srun", "sbatch") if not shutil.which(name)]
    if absent:
        return f"no {', '.join(absent)}; run: python tests/cluster/slurm_cluster.py install"
    return ""


def install() -> None:
    """Install Slurm by apt, where it is absent."""
    if not missing():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(missing() or "Slurm is absent and there is no apt-get")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "timeout": 300}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], env=environment, **quiet)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, env=environment, **quiet)


def free_ports(n: int) -> int:
    """First of `n` consecutive ports that nobody listens on.

    All lie below those that the system gives to outgoing connections, which could take one
    between this look and the start of a daemon.
    """
    for number in range(500):
        first = 10000 + (os.getpid() + number * 37) % 2200 * 10
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + n):
                    sock = stack.enter_context(socket.socket())
                    sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise ClusterError("no free ports")


class Cluster:
    """Three nodes: c1 and c2 in partition `cpu`, g1 with two fake devices in `gpu`.

    Attributes
    ----------
    folder : pathlib.Path
        Everything the cluster writes; removed when it stops.
    environment : dict
        What a process needs to use the cluster.
    """

    def __init__(self, folder=None):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="slurm-"))
        for name in ("state", "spool", "log", "run", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        host = socket.gethostname()
        first = free_ports(4)
        conf = self.folder / "slurm.conf"
        conf.write_text(
            CONF.format(
                folder=self.folder, host=host, port=first, c1=first + 1, c2=first + 2, g1=first + 3
            )
        )
        (self.folder / "gres.conf").write_text(GRES)
        # The jobstep plugin drops SLURM_CONF before it calls srun.
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        path = [str(srun.parent), "/usr/sbin", os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(conf),
            "PATH": os.pathsep.join(path),
        }

    def run(self, *command, timeout=60, check=True) -> str:
        """Output of a command that sees the cluster."""
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout
        )
        if check and result.returncode:
            raise ClusterError(f"{' '.join(command)}: {result.stderr.strip()[-500:]}")
        return result.stdout

    def start(self) -> Cluster:
        """Start all daemons and wait until jobs run on both partitions."""
        try:
            self.run("slurmctld", "-c")
            for node in NODES:
                self.start_node(node)
            deadline = time.monotonic() + READY_WITHIN
            while time.monotonic() < deadline:
                if self._ready():
                    return self
                time.sleep(0.2)
            raise ClusterError(f"not up within {READY_WITHIN} s")
        except Exception as error:
            tails = "\n".join(
                f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-8:])
                for path in sorted((self.folder / "log").glob("*.log"))
            )
            self.stop()
            raise ClusterError(f"the Slurm test cluster: {error}\n{tails}") from None

    def start_node(self, node: str) -> None:
        """Start the daemon of a node; ports of a dead one may stay taken for some seconds."""
        for attempt in range(30):
            try:
                self.run("slurmd", "-N", node)
                return
            except ClusterError:
                if attempt == 29:
                    raise
                time.sleep(1)

    def _ready(self) -> bool:
        try:
            nodes = self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", timeout=10)
            if len(nodes.split()) != 3:
                return False
            self.run("srun", "-Q", "-p", "cpu", "true", timeout=10)
            self.run("srun", "-Q", "-p", "gpu", "--gpus=1", "true", timeout=10)
        except (ClusterError, subprocess.TimeoutExpired):
            return False
        return True

    def pids(self) -> list[int]:
        """Processes that carry this cluster's folder in their environment or command."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            if int(path.name) == os.getpid():
                continue
            try:
                text = (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in text:
                found.append(int(path.name))
        return found

    def kill_node(self, node: str) -> None:
        """Let a node die as a machine does: its daemon, its steps and their children at once."""
        doomed = {int((self.folder / "run" / f"slurmd-{node}.pid").read_text())}
        found = doomed
        # Stopped first, so that no parent sees its child die and cleans up; those that were
        # born meanwhile come with the next look.
        while found:
            for pid in found:
                _send(pid, signal.SIGSTOP)
            doomed |= found
            found = self._of_node(node) - doomed
        for pid in doomed:
            _send(pid, signal.SIGKILL)

    def _of_node(self, node: str) -> set[int]:
        """The tasks of a node, and the daemons of steps above them."""
        parents, found = _parents(), set()
        for pid in self.pids():
            if _variables(pid).get("SLURMD_NODENAME") == node:
                found.add(pid)
                while (pid := parents.get(pid, 0)) > 1 and _name(pid) == "slurmstepd":
                    found.add(pid)
        return found

    def _ask(self, *command) -> list[str]:
        """Lines of a question to the controller, which a busy machine may have to hear twice."""
        for attempt in range(5):
            try:
                return self.run(*command).splitlines()
            except (ClusterError, subprocess.TimeoutExpired):
                if attempt == 4:
                    raise
                time.sleep(1)
        raise AssertionError

    def queue(self, *states) -> list[str]:
        """Lines of squeue: id, state, node, by state (pending and running by default)."""
        wanted = ",".join(states or ("PENDING", "RUNNING", "COMPLETING"))
        return self._ask("squeue", "-h", "-t", wanted, "-o", "%i %T %N")

    def jobs(self) -> list[dict]:
        """Every job that the controller remembers, with its fields."""
        lines = self._ask("scontrol", "-o", "show", "job")
        return [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in lines
            if line.startswith("JobId=")
        ]

    def stop(self) -> None:
        """Cancel what runs, shut the daemons down, wait until they are gone, remove the folder."""
        for command in (("scancel", "--user=root"), ("scontrol", "shutdown")):
            with contextlib.suppress(ClusterError, subprocess.TimeoutExpired):
                self.run(*command, timeout=10, check=False)
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5), (None, 5)):
            deadline = time.monotonic() + patience
            while (left := self.pids()) and time.monotonic() < deadline:
                time.sleep(0.1)
            for pid in left if number else ():
                _send(pid, number)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(self, *error) -> None:
        self.stop()


def _send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _variables(pid: int) -> dict:
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)


def _parents() -> dict[int, int]:
    """Parent of every process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (path / "stat").read_text().rpartition(")")[2]
            found[int(path.name)] = int(text.split()[1])
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def plugin(folder) -> Path:
    """A folder with the Slurm plugin; the environment itself never holds it.

    With the plugin installed and no controller reachable, every call of Snakemake waits ten
    seconds. A folder on PYTHONPATH serves for the tests alone.
    """
    folder = Path(folder)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, *PLUGINS], check=True, timeout=300)
    return folder


def main(arguments) -> int:
    """`install`, or `run -- COMMAND...`."""
    if arguments == ["install"]:
        install()
        print(missing() or "Slurm is there")
        return 1 if missing() else 0
    if len(arguments) > 2 and arguments[:2] == ["run", "--"]:
        if missing():
            print(missing(), file=sys.stderr)
            return 1
        with Cluster() as cluster:
            return subprocess.run(arguments[2:], env=cluster.environment).returncode
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
