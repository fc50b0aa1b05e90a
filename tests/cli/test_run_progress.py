"""What Snakemake says becomes a line per job, and a file per failure that repeats it."""

import io
import shlex

from neuro.command.progress import Progress

COMMAND = ["python", "-m", "snakemake", "--snakefile", "S", "--directory", "W"]
COMMAND += ["--workflow-profile", "P", "--cores", "2", "--configfile", "W/settings.yaml"]
SAID = """Building DAG of jobs...
Job stats:
job      count
total        3

[Mon Nov 30 02:37:57 2026]
Job 2: Denoising sub-01
[Mon Nov 30 02:37:58 2026]
Finished jobid: 2 (Rule: fmri_clean)
1 of 3 steps (33%) done
[Mon Nov 30 02:37:58 2026]
Job 1: Averaging sub-01
RuleException:
CalledProcessError in file "Snakefile", line 7:
[Mon Nov 30 02:37:59 2026]
Error in rule fmri_parcellate:
    message: None
    jobid: 1
    output: results/a_1.txt, results/b_1.txt
    log: results/logs/one.log (check log file(s) for error details)
Logfile results/logs/one.log:
======================
Exiting because a job execution failed. Look above for error messages
"""


def told(tmp_path, text=SAID, terminal=False):
    class Screen(io.StringIO):
        def isatty(self):
            return terminal

    (tmp_path / "results/logs").mkdir(parents=True, exist_ok=True)
    (tmp_path / "results/logs/one.log").write_text("reading\nerror: atlas.nii: no label 3\n\n")
    (tmp_path / "logs").mkdir(exist_ok=True)
    progress = Progress(tmp_path, tmp_path / "logs", COMMAND, out=Screen())
    for line in text.splitlines(keepends=True):
        progress.take(line)
    progress.finish()
    return progress, progress.out.getvalue()


def test_a_line_per_job_and_the_reason_of_a_failure(tmp_path):
    progress, text = told(tmp_path)
    done, failed = text.splitlines()
    assert done.startswith("[1/3] Denoising sub-01: done in ")
    (crash,) = progress.crashes
    assert failed == (f"[1/3] Averaging sub-01: FAILED, error: atlas.nii: no label 3 ({crash})")
    assert progress.ending().startswith("1 of 3 jobs done in ")
    assert "1 failed" in progress.ending()


def test_a_crash_file_repeats_the_job(tmp_path):
    progress, _ = told(tmp_path)
    text = progress.crashes[0].read_text()
    assert text.startswith("Averaging sub-01\nrule: fmri_parcellate\n")
    assert "error: atlas.nii: no label 3" in text
    line = next(line for line in text.splitlines() if line.startswith("python"))
    assert shlex.split(line) == [
        *("python", "-m", "snakemake", "--snakefile", "S", "--directory", "W"),
        *("--cores", "1", "--force", "results/a_1.txt", "--configfile", "W/settings.yaml"),
    ]


def test_a_failure_without_a_log_is_told_too(tmp_path):
    text = SAID.replace("    log: results/logs/one.log (check log file(s) for error details)\n", "")
    progress, said = told(tmp_path, text)
    assert "ended without a word" in said and len(progress.crashes) == 1


def test_a_terminal_shows_how_far_it_is(tmp_path):
    _, text = told(tmp_path, terminal=True)
    assert "1 of 3 jobs, about " in text and "\r\x1b[K" in text


def test_files_of_subjects_are_looked_at_now_and_then(tmp_path, monkeypatch):
    """Not after each of a thousand jobs: that reads the plan and looks for all its files."""
    looks = []
    monkeypatch.setattr(Progress, "_look", lambda self: looks.append(1) or ", 1 of 2 subjects")
    many = "".join(f"{n} of 1000 steps (0%) done\n" for n in range(1, 1000))
    _, text = told(tmp_path, many, terminal=True)
    assert len(looks) == 1
    assert "999 of 1000 jobs, 1 of 2 subjects, about " in text


def test_what_stops_a_plan_is_told(tmp_path):
    _, text = told(
        tmp_path, "Building DAG of jobs...\nconfig: fmri.fd: unknown key\n1 problem(s)\n"
    )
    assert text.splitlines() == ["config: fmri.fd: unknown key", "1 problem(s)"]
