"""The project's own workflow through profiles/slurm gives what it gives on one machine."""

import os
import re
from pathlib import Path

import pytest
import yaml
from common import Difference, compare, files, report_text
from slurm_cluster import Cluster, ClusterError
from toys import Run

from neuro.command import verify
from neuro.config import STAGES

pytestmark = pytest.mark.cluster
SMALL = {
    "data": {"kind": "simulated"},
    "simulate": {"n_subjects": 4, "voxel_mm": 12, "n_volumes": 60},
    "fmri": {"atlas": "simulated", "min_seconds": 60, "strategy": "6P", "scrub": False},
    "report": {"title": "cluster"},
    **{name: {"enabled": False} for name in STAGES if name != "fmri"},
}
"""Images of four subjects to the report: 14 jobs."""


def same_results(local, remote):
    """Compare all results of two runs; the number of files that were compared.

    Numbers within the tolerance of the stored cases, texts exactly, pages by their headings;
    what has no comparator must be equal byte for byte. Logs, run times and provenance are left out.
    """
    local, remote = local / "results", remote / "results"
    assert files(local) == files(remote)
    different, compared = [], 0
    for name in sorted(files(local)):
        if name.startswith(("logs/", "benchmarks/", "provenance/")) or name == "inputs.json":
            continue
        compared += 1
        if (remote / name).read_bytes() == (local / name).read_bytes():
            continue
        try:
            compare(remote / name, local / name)
        except Difference as error:
            different.append(f"{name}: {error}")
    assert different == []
    return compared


def found_by_verify(folder):
    """What `neuro verify` finds, by checksum and by size and time."""
    lines = []
    for fast in (False, True):
        verify.show(folder, fast=fast, out=lines.append)
    assert len(lines) >= 2
    return [line for line in lines if "no problem(s)" not in line]


def test_the_results_of_a_cluster_equal_the_local_ones(cluster, tmp_path):
    runs = []
    for name in ("local", "cluster"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mine.yaml").write_text(yaml.safe_dump(SMALL))
        where = {"cluster": cluster} if name == "cluster" else {}
        cores = [] if where else ["--cores", "2"]
        runs.append(Run(folder, "--configfile", "mine.yaml", *cores, own=True, **where))
    for run in runs:
        status, text = run.wait(500)
        assert status == 0, text
    assert same_results(tmp_path / "local", tmp_path / "cluster") > 60
    for name in ("local", "cluster"):
        assert re.search(r"Verified on \d{4}-\d\d-\d\d .*: \d+ files", report_text(tmp_path / name))
        assert found_by_verify(tmp_path / name) == [], name
    jobs = [job for job in cluster.jobs() if "fmri_" in job.get("Comment", "")]
    assert {job["Partition"] for job in jobs} == {"cpu"}
    # an index of a second is not worth a job
    assert not [job for job in jobs if "fmri_index" in job["Comment"]]
    # nobody waits in vain for resources: each job asks for what its rule says
    assert {job["NumCPUs"] for job in jobs} == {"1"}


@pytest.mark.slow
def test_the_results_of_the_whole_demo_equal_the_local_ones(cluster, tmp_path):
    """Half an hour on 2 cores; NEURO_DEMO may name a folder with a finished local demo."""
    run = Run(tmp_path / "cluster", own=True, cluster=cluster)
    local = Path(os.environ.get("NEURO_DEMO") or tmp_path / "local")
    if local == tmp_path / "local":
        status, text = Run(local, "--cores", "2", own=True).wait(3600)
        assert status == 0, text
    status, text = run.wait(3600)
    assert status == 0, text
    assert same_results(local, tmp_path / "cluster") > 500


def test_the_demo_is_planned_alike_with_the_cluster_profile(cluster, tmp_path):
    plans = []
    for name in ("local", "cluster"):
        (tmp_path / name).mkdir()
        where = {"cluster": cluster} if name == "cluster" else {}
        cores = [] if where else ["--cores", "2"]
        status, text = Run(tmp_path / name, "-n", *cores, own=True, **where).wait(200)
        assert status == 0, text
        plans.append(dict(re.findall(r"^(\w+)\s+(\d+)$", text, re.MULTILINE)))
    assert plans[0] == plans[1]
    assert int(plans[0]["total"]) > 100


def test_nothing_is_left_when_a_test_fails(cluster):
    other = Cluster()
    with pytest.raises(ZeroDivisionError), other:
        assert len(other.pids()) >= 4
        other.run("sbatch", "--wrap", "sleep 100")
        raise ZeroDivisionError
    assert not other.folder.exists()
    assert other.pids() == []


def test_a_cluster_that_does_not_come_up_says_why_and_leaves_nothing(monkeypatch):
    import slurm_cluster

    monkeypatch.setattr(slurm_cluster, "READY_WITHIN", 2)
    monkeypatch.setattr(slurm_cluster, "CONF", slurm_cluster.CONF + "NodeName=c1\n")
    broken = Cluster()
    with pytest.raises(ClusterError, match="slurm"):
        broken.start()
    assert not broken.folder.exists()
