"""`neuro run`: the workflow as an application with the habits of BIDS-Apps.

A thin layer over Snakemake: it writes the settings, checks all input, starts Snakemake, says what
happens, and looks at the results.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from neuro.command.progress import Progress
from neuro.io.problems import InputProblem
from neuro.run.home import home

DONE, PROBLEMS, USAGE, FAILED, UNVERIFIED = 0, 1, 2, 3, 4
"""Exit codes; 130 and 143 are an interrupt and a termination."""
SETTINGS = "settings.yaml"
CHOSEN = "settings_chosen.yaml"
"""The settings with what the command line chooses, which holds for one run."""
ORIGIN = "# neuro run of "
"""First line of the settings, and the INPUT they were made for."""
LABELS = (
    ("participant_label", "subjects", "sub-"),
    ("session_id", "sessions", "ses-"),
    ("task_id", "tasks", "task-"),
)
"""Options of the command line, the keys of the section `data` that they set, and what may stand
before a label."""


def run(arguments, neuro) -> int:
    """Check, run, and look at the results.

    Parameters
    ----------
    arguments : argparse.Namespace
        Of `neuro run`.
    neuro : callable
        Another command of `neuro` by its words; gives its status.

    Returns
    -------
    int
        One of the exit codes above.

    Raises
    ------
    InputProblem
        When settings or input cannot be used; nothing was run then.
    """
    output = Path(arguments.output).absolute()
    work = work_folder(output, arguments.work_dir)
    settings = prepare(arguments, work)
    os.chdir(work)
    unlock(work)
    # every file is looked at once, all problems at once
    words = ["check", "--config", str(settings)]
    if neuro(words + ["--skip-bad-subjects"] * arguments.skip_bad_subjects):
        return PROBLEMS
    command = snakemake(settings, work, arguments)
    if arguments.dry_run:
        return PROBLEMS if subprocess.run([*command, "--dry-run"], cwd=work).returncode else DONE
    status = start(command, output, work)
    # sizes and times: the checksums were taken when the files were written, a moment ago
    if status == DONE and neuro(["verify", str(work), "--fast"]):
        status = UNVERIFIED
    page = work / "results" / "report" / "index.html"
    if status == DONE and arguments.level == "group":
        print(f"report: {page}")
    return status


def work_folder(output: Path, chosen) -> Path:
    """The folder Snakemake works in; its `results` are those of the output folder."""
    try:
        (output / "results").mkdir(parents=True, exist_ok=True)
        if chosen is None:
            return output
        work = Path(chosen).absolute()
        work.mkdir(parents=True, exist_ok=True)
        link = work / "results"
        if not link.exists():
            link.symlink_to(output / "results", target_is_directory=True)
    except OSError as error:
        raise InputProblem(f"{error.filename}: cannot be made ({error.strerror})") from None
    if link.resolve() != (output / "results").resolve():
        raise InputProblem(f"{link}: results of another output folder; give another --work-dir")
    return work


def prepare(arguments, work: Path) -> Path:
    """Write the settings of the run and give their path."""
    path, chosen = work / SETTINGS, work / CHOSEN
    if not arguments.demo and not arguments.config and path.exists():
        _same_input(path, arguments.input)
    mapping = _settings(arguments, path)
    if arguments.config and arguments.input:
        _same_root(mapping, Path(arguments.input).absolute(), arguments.config)
    given = Path(arguments.input).absolute() if arguments.input else ""
    _write(path, mapping, f"{ORIGIN}{given}\n" if given else "")
    # a choice of one run does not rule the next: `group` after some participants is about all
    base = copy.deepcopy(mapping)
    _choose(mapping, arguments)
    if arguments.resume and chosen.exists() and mapping == base:
        print(f"{chosen}: choices of the last run, used again")
        return chosen
    if mapping == base:
        chosen.unlink(missing_ok=True)
        return path
    _write(chosen, mapping)
    return chosen


def _settings(arguments, path: Path) -> dict:
    """Settings from where the command says, without its choices."""
    import yaml

    from neuro.run.settings import read

    if arguments.demo:
        return read(home() / "config.yaml")
    if arguments.config:
        return anchored(read(arguments.config), Path.cwd())
    if path.exists():
        print(f"{path}: settings of the last run, used again; delete the file to look anew")
        return read(path)
    if arguments.resume:
        raise InputProblem(f"{path}: no such file, so there is no run to resume; drop --resume")
    from neuro.command import init

    wishes = {"hint": "", "atlas": arguments.atlas}
    text = init.settings([Path(arguments.input).absolute()], **wishes)
    return anchored(yaml.safe_load(text), Path.cwd())


def _write(path: Path, mapping: dict, head: str = "") -> None:
    import yaml

    text = head + yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)
    if path.exists() and path.read_bytes() == text.encode():
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputProblem(f"{path}: cannot be written ({error.strerror})") from None


def _same_input(path: Path, given) -> None:
    """Refuse settings that were made for another INPUT: the results would be of that one."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        first = path.read_text("utf-8").partition("\n")[0]
        before = first.removeprefix(ORIGIN)
        if given and before != first and before != str(Path(given).absolute()):
            raise InputProblem(
                f"{path}: settings for {before}, the command says {Path(given).absolute()}; give "
                "another OUTPUT, or delete the file to look anew"
            )


def anchored(mapping: dict, folder: Path) -> dict:
    """Settings whose relative paths, seen from `folder`, are made absolute."""
    from neuro.config.model import walk
    from neuro.config.sections import SECTIONS, section_class

    for name in SECTIONS:
        section = section_class(name)
        for key, option in walk(section):
            *outer, last = key.split(".")
            if option.kind != "path" and last not in ("input", "files"):
                continue
            holder = mapping.get(name)
            for step in outer:
                holder = holder.get(step) if isinstance(holder, dict) else None
            if isinstance(holder, dict) and last in holder:
                holder[last] = _absolute(holder[last], folder)
    return mapping


def _absolute(value, folder: Path):
    if isinstance(value, list):
        return [_absolute(entry, folder) for entry in value]
    if isinstance(value, dict):
        return {key: _absolute(entry, folder) for key, entry in value.items()}
    # patterns and names that are no file stay as they are, unless their folder is there
    if isinstance(value, str) and value and not os.path.isabs(value):
        fixed = value.split("*")[0].rpartition("/")[0] if "*" in value else value
        if fixed and (folder / fixed).exists():
            return str(folder / value)
    return value


def _same_root(mapping, root: Path, config) -> None:
    data = mapping.setdefault("data", {})
    if data.get("kind") == "none":
        return  # the input stands in a stage's own section
    stated = data.setdefault("root", str(root))
    if Path(stated).absolute() != root:
        raise InputProblem(
            f"{config}: data.root is {stated}, the command says {root}; drop one of them"
        )


def _choose(mapping, arguments) -> None:
    """What the command line wishes, on top of the settings."""
    from neuro.config import STAGES

    for name, key, prefix in LABELS:
        labels = getattr(arguments, name)
        if labels:
            section = mapping.setdefault("data", {})
            section[key] = [label.removeprefix(prefix) for label in labels]
    if arguments.stages:
        unknown = sorted(set(arguments.stages) - set(STAGES))
        if unknown:
            raise InputProblem(
                f"--stages: {', '.join(unknown)}, expected some of {', '.join(STAGES)}"
            )
        for stage in STAGES:
            section = mapping.get(stage)
            section = mapping[stage] = section if isinstance(section, dict) else {}
            section["enabled"] = stage in arguments.stages
    if arguments.skip_bad_subjects:
        mapping.setdefault("execution", {})["skip_bad_subjects"] = True


def snakemake(settings: Path, work: Path, arguments) -> list[str]:
    """The command that runs the workflow."""
    top = home()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(top / "Snakefile")]
    command += ["--directory", str(work), "--workflow-profile", str(_profile(top, work, arguments))]
    if arguments.profile:
        own = top / "profiles" / arguments.profile
        command += ["--profile", str(own) if own.is_dir() else arguments.profile]
    if arguments.cores or not arguments.profile:
        command += ["--cores", str(arguments.cores or "all")]
    if arguments.memory_mb:
        command += ["--resources", f"mem_mb={arguments.memory_mb}"]
    if arguments.level == "participant":
        command += ["participant"]
    return [*command, "--configfile", str(settings)]


def _profile(top: Path, work: Path, arguments) -> Path:
    """The default profile, or a copy that stops at the first failure."""
    folder = top / "profiles" / "default"
    if not arguments.stop_on_first_crash:
        return folder
    import yaml

    content = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    content.pop("keep-going", None)
    copy = work / ".snakemake" / "stop_on_first_crash"
    copy.mkdir(parents=True, exist_ok=True)
    (copy / "config.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return copy


def unlock(work: Path) -> None:
    """Remove the lock of a run whose process is dead; refuse where it may be alive.

    Raises
    ------
    InputProblem
        When the run is alive, or was started elsewhere.
    """
    folder = work / ".snakemake"
    locks = list((folder / "locks").glob("*"))
    if not locks:
        return
    try:
        holder = json.loads((folder / "neuro_run.json").read_text("utf-8"))
    except (OSError, ValueError):
        holder = {}
    here = holder.get("host") == socket.gethostname()
    if here and not _alive(holder):
        for lock in locks:
            lock.unlink(missing_ok=True)
        print(f"{folder / 'locks'}: a run that ended without a word had locked it; unlocked")
        return
    who = f"process {holder['pid']} on {holder['host']}" if holder else "another Snakemake"
    raise InputProblem(
        f"{work}: in use by {who}; wait for it, or if it is dead: "
        f"snakemake --unlock --snakefile {home() / 'Snakefile'} --directory {work} "
        f"--configfile {work / SETTINGS}"
    )


def _alive(holder) -> bool:
    """Whether the process still runs; another one with its number started at another time."""
    if _started("self"):
        return _started(holder["pid"]) == holder["started"]
    with contextlib.suppress(ProcessLookupError):
        os.kill(holder["pid"], 0)
        return True
    return False


def _started(pid) -> str:
    """When a process started, in ticks since the machine did; empty where nothing says."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _hold(work: Path, pid: int) -> None:
    content = {"host": socket.gethostname(), "pid": pid, "started": _started(pid)}
    (work / ".snakemake").mkdir(exist_ok=True)
    (work / ".snakemake" / "neuro_run.json").write_text(json.dumps(content), "utf-8")


def start(command: list[str], output: Path, work: Path) -> int:
    """Run Snakemake, show what it does, keep a crash file per failure."""
    logs = output / "logs"
    logs.mkdir(exist_ok=True)
    log = logs / f"run-{time.strftime('%Y%m%d-%H%M%S')}.log"
    # a session of its own: a signal reaches it once, through the handler below
    process = subprocess.Popen(
        command,
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    _hold(work, process.pid)
    caught: list[int] = []

    def forward(number, frame):
        caught.append(number)
        print("stopping: jobs that run are ended and their outputs removed", file=sys.stderr)
        process.send_signal(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    before = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
    progress = Progress(work, logs, command)
    try:
        with log.open("w", encoding="utf-8") as stream:
            for line in process.stdout or ():
                stream.write(line)
                progress.take(line)
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        return 128 + caught[0]
    progress.finish()
    if process.returncode:
        print(f"{progress.ending()}; whole log: {log}", file=sys.stderr)
        return FAILED
    print(progress.ending())
    return DONE
