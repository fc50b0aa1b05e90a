"""GPU jobs on a cluster with two devices, and on one machine with the default profile."""

import shutil

import pytest
from cases import CASES
from common import ROOT, OutputChecker, files
from toys import Run

pytestmark = pytest.mark.cluster
DEFAULT = str(ROOT / "profiles" / "default")


def intervals(folder):
    """Start, place and end of the two device jobs."""
    found = []
    for n in (1, 2):
        start, place, end = (folder / f"device-{n}.txt").read_text().split()
        found.append((float(start), place, float(end)))
    return sorted(found)


def test_two_gpu_jobs_run_at_once_on_different_devices(cluster, tmp_path):
    # both profiles, as in a real run: the limit of the default profile must stay local
    run = Run(tmp_path, "devices", "--workflow-profile", DEFAULT, cluster=cluster)
    status, text = run.wait(300)
    assert status == 0, text
    first, second = intervals(tmp_path)
    assert first[2] > second[0], "they overlap in time"
    assert {first[1], second[1]} == {"gpu.g1.0", "gpu.g1.1"}, "partition, node and one device each"


def test_two_gpu_jobs_take_turns_on_one_machine(tmp_path):
    status, text = Run(tmp_path, "devices", "--cores", "2", "--profile", DEFAULT).wait(300)
    assert status == 0, text
    first, second = intervals(tmp_path)
    assert first[2] <= second[0]


@pytest.mark.parametrize(
    # the encoder of the stored case reads pixels, which no device makes quicker
    ("rule", "partition"),
    [("braindive_sample", "gpu"), ("braindive_encode", "cpu")],
)
def test_a_rule_that_needs_a_gpu_lands_in_its_partition(cluster, tmp_path, rule, partition):
    case = ROOT / "tests" / "unit" / rule
    folder = tmp_path / "run"
    shutil.copytree(case / "data", folder)
    targets = (case / "targets.txt").read_text().split()
    given = files(folder)
    run = Run(
        folder,
        *targets,
        "--configfile",
        str(case / "config.yaml"),
        "--force",
        "--notemp",
        "--target-files-omit-workdir-adjustment",
        "--allowed-rules",
        rule,
        # the stored case runs on the CPU; the rule falls back to it where it sees no device
        "--config",
        'braindive={"device": "auto"}',
        # the partitions of the test cluster end after an hour
        "--set-resources",
        f"{rule}:runtime=5",
        cluster=cluster,
        own=True,
    )
    status, text = run.wait(400)
    assert status == 0, text
    jobs = [job for job in cluster.jobs() if job.get("Comment", "").startswith(f"rule_{rule}")]
    assert {job["Partition"] for job in jobs} == {partition}
    asked = partition == "gpu"
    assert all(
        asked == ("gpu" in job.get("TresPerJob", "") + job.get("TresPerNode", "")) for job in jobs
    )
    (folder / "output.txt").unlink()
    OutputChecker(given, case / "expected", folder, CASES[rule].present).check()
