"""What happens to a run on a cluster when something goes wrong: nothing is lost or falsified."""

import os
import signal
import time

import pytest
from toys import Run, until

pytestmark = pytest.mark.cluster


def running(cluster, n=1):
    """Id and node of the running jobs, when `n` of them run."""

    def find():
        lines = [line.split() for line in cluster.queue("RUNNING")]
        return [(line[0], line[2]) for line in lines if len(line) == 3]

    return until(lambda: (found := find()) and len(found) == n and found, f"{n} running jobs")


def begun(run, *names):
    """Wait until jobs have written the first line of their files."""
    paths = [run.folder / name for name in names]

    def halves():
        return all(path.exists() and path.read_text() == "half\n" for path in paths)

    until(halves, "the first line of each job")


def empty(cluster):
    """Wait until nothing is queued or running."""
    return until(lambda: not cluster.queue(), "an empty queue")


def test_a_dead_node_is_replaced_by_another(cluster, tmp_path):
    run = Run(tmp_path, "longer", cluster=cluster)
    ((job, node),) = running(cluster)
    begun(run, "longer.txt")
    cluster.kill_node(node)
    run.let_go()
    assert (tmp_path / "longer.txt").read_text() == "half\n"
    try:
        status, text = run.wait(500)
    finally:
        cluster.start_node(node)
    assert status == 0, text
    other = (tmp_path / "longer.txt").read_text().strip()
    assert {node, other} == {"c1", "c2"}
    (record,) = [record for record in cluster.jobs() if record["JobId"] == job]
    assert record["Restarts"] == "1" and record["JobState"] == "COMPLETED"


def test_too_much_memory_is_a_new_job_with_more(cluster, tmp_path):
    status, text = Run(tmp_path, "greedy", cluster=cluster).wait(200)
    assert status == 0, text
    jobs = [job for job in cluster.jobs() if job.get("Comment") == "rule_greedy"]
    assert [job["MinMemoryNode"] for job in jobs] == ["700M", "2100M"]
    assert [job["JobState"] for job in jobs] == ["FAILED", "COMPLETED"]
    assert jobs[0]["JobId"] != jobs[1]["JobId"]
    # the second job wrote the file from its start
    assert (tmp_path / "greedy.txt").read_text().strip() == jobs[1]["JobId"]
    log = next((tmp_path / ".snakemake/slurm_logs/rule_greedy").rglob(f"{jobs[0]['JobId']}.log"))
    assert "exceeded memory limit" in log.read_text()
    assert str(log) in text


def test_a_job_beyond_its_time_is_killed_and_leaves_nothing(cluster, tmp_path):
    start = time.monotonic()
    status, text = Run(tmp_path, "endless", "--retries", "0", cluster=cluster).wait(200)
    assert status == 1
    assert time.monotonic() - start > 60
    assert "TIMEOUT" in text
    assert not (tmp_path / "endless.txt").exists()


def test_a_failing_rule_names_its_logs_and_the_others_finish(cluster, tmp_path):
    run = Run(tmp_path, "both", "--retries", "0", cluster=cluster)
    status, text = run.wait(200)
    assert status == 1
    assert "logs/bad.log" in text
    assert ".snakemake/slurm_logs/rule_bad/" in text
    assert not run.present("bad.txt") and run.present("good.txt")
    assert (tmp_path / "logs/bad.log").read_text() == "reason\n"


def test_an_interrupt_cancels_all_jobs_and_leaves_no_lock(cluster, tmp_path):
    run = Run(tmp_path, "three", cluster=cluster)
    running(cluster, 3)
    begun(run, *(f"sleeper-{n}.txt" for n in range(3)))
    os.kill(run.process.pid, signal.SIGINT)
    until(lambda: not cluster.queue(), "an empty queue")
    status, text = run.wait(200)
    assert status == 1, text
    assert not list(tmp_path.glob("sleeper-*.txt"))
    assert not run.locked()


def test_a_terminated_run_lets_its_jobs_finish(cluster, tmp_path):
    run = Run(tmp_path, "second", cluster=cluster)
    running(cluster)
    begun(run, "first.txt")
    os.kill(run.process.pid, signal.SIGTERM)
    until(lambda: "Will exit after finishing" in run.text(), "an answer to the signal")
    run.let_go()
    status, text = run.wait(200)
    assert status == 1, text
    assert (tmp_path / "first.txt").read_text() == "done\n"
    assert not run.present("second.txt")
    assert not [job for job in cluster.jobs() if job.get("Comment") == "rule_second"]


def test_a_job_cancelled_by_hand_is_a_failure(cluster, tmp_path):
    run = Run(tmp_path, "sleeper-0.txt", "--retries", "0", cluster=cluster)
    ((job, _),) = running(cluster)
    begun(run, "sleeper-0.txt")
    cluster.run("scancel", job)
    status, text = run.wait(200)
    assert status == 1
    assert "CANCELLED" in text
    assert not run.present("sleeper-0.txt")


def killed(cluster, folder, target, output):
    """A run whose main process was killed while its job was under way, and the job's node."""
    run = Run(folder, target, cluster=cluster)
    ((_, node),) = running(cluster)
    begun(run, output)
    run.kill()
    assert cluster.queue("RUNNING"), "the job goes on without its main process"
    return run, node


def test_after_a_killed_main_process_its_jobs_finish_and_count(cluster, tmp_path):
    run, _ = killed(cluster, tmp_path, "first", "first.txt")
    status, text = Run(tmp_path, "first", cluster=cluster).wait(200)
    assert status == 1 and "LockException" in text, "a second run beside the jobs is refused"
    run.let_go()
    empty(cluster)
    before = len(cluster.jobs())
    status, text = Run(tmp_path, "first", cluster=cluster).wait(200)
    assert status == 0 and "Nothing to be done" in text
    assert (tmp_path / "first.txt").read_text() == "done\n"
    assert len(cluster.jobs()) == before


def test_after_a_killed_main_process_lost_jobs_are_made_again(cluster, tmp_path):
    run, node = killed(cluster, tmp_path, "second", "first.txt")
    # a power cut: the job has no time to clean up
    cluster.kill_node(node)
    cluster.run("scancel", "--user=root")
    cluster.start_node(node)
    empty(cluster)
    assert (tmp_path / "first.txt").read_text() == "half\n", "half a file is there"
    run.let_go()
    status, text = Run(tmp_path, "second", "--unlock", cluster=cluster).wait(200)
    assert status == 0, text
    status, text = Run(tmp_path, "second", cluster=cluster, profile=False).wait(200)
    assert status == 1 and "IncompleteFilesException" in text
    # the profile says rerun-incomplete
    status, text = Run(tmp_path, "second", cluster=cluster).wait(200)
    assert status == 0, text
    assert (tmp_path / "first.txt").read_text() == "done\n"


def test_a_request_that_no_node_can_serve_ends(cluster, tmp_path):
    run = Run(tmp_path, "huge", "--retries", "0", cluster=cluster)
    status, text = run.wait(200)
    assert status == 1
    assert "huge" in text and not run.present("huge.txt")
    jobs = [job for job in cluster.jobs() if job.get("Comment") == "rule_huge"]
    assert {job["JobState"] for job in jobs} <= {"FAILED"} and not cluster.queue()
