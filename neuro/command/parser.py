"""The words of the command line."""

from __future__ import annotations

import argparse

HELP = """\
Published neuroscience methods, chained: from BOLD, spikes, traces and images to a report.

commands:
  demo      run everything on simulated data and end with the report
  init      look at files or folders and write a settings file with what was found
  check     open every file of the settings once and list all problems
  run       check, run and look at the results: INPUT OUTPUT participant|group
  status    how far a run is: jobs per stage, failures, time left
  verify    what is stale, missing, altered or of an unknown origin
  report    the headline figures of a run and the path of its report
  explain   what a setting means, which rules read it, whether it acts
  methods   the methods text and the references for the settings
  scan      write results/inputs.tsv, the list of runs
  referee   what each way of removing age, sex and site leaves: TABLE PARTICIPANTS

neuro COMMAND --help says more. In a clone, snakemake --cores N does the same as neuro run."""
SETTINGS = "settings (default config.yaml)"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """The commands stand in the description, one line each, so they are not listed again."""

    def add_argument(self, action):
        if not isinstance(action, argparse._SubParsersAction):
            super().add_argument(action)


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(
        prog="neuro",
        usage="neuro [-h] [--version] [--print-completion SHELL] COMMAND ...",
        description=HELP,
        formatter_class=_Formatter,
    )
    parser.add_argument(
        "--version", action="store_true", help="versions of neuro and of what it computes with"
    )
    parser.add_argument(
        "--print-completion",
        choices=("bash", "zsh", "tcsh"),
        metavar="SHELL",
        help="code for completion in bash, zsh or tcsh",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for add in (
        _run,
        _demo,
        _init,
        _check,
        _status,
        _verify,
        _report,
        _explain,
        _methods,
        _scan,
        _referee,
    ):
        add(commands)
    return parser


def _command(commands, name, text):
    return commands.add_parser(name, help=text, description=text)


def _config(command):
    return command.add_argument("--config", default="config.yaml", metavar="FILE", help=SETTINGS)


def _run(commands):
    run = commands.add_parser(
        "run",
        help="check, run and look at the results",
        description="Looks at INPUT, writes OUTPUT/settings.yaml, checks every file, runs the "
        "stages that INPUT allows, and ends with OUTPUT/results/report/index.html. Started "
        "again it goes on where it ended.",
        epilog="status: 0 done, 1 problems with data or settings (nothing was run), 2 wrong "
        "command line, 3 failed jobs (OUTPUT/logs/crash-*.txt), 4 results that do not belong to "
        "their inputs, 130 interrupted, 143 terminated",
    )
    run.add_argument("input", nargs="?", metavar="INPUT", help="folder or file, as for neuro init")
    run.add_argument("output", nargs="?", metavar="OUTPUT", help="folder of the results")
    run.add_argument(
        "level",
        nargs="?",
        choices=("participant", "group"),
        default="group",
        help="participant: only the files that each participant has of its own; group: everything",
    )
    run.add_argument("--demo", action="store_true", help="simulated data in place of INPUT")
    for option, text in (
        ("--participant-label", "participants to use, with or without sub-"),
        ("--session-id", "sessions to use, with or without ses-"),
        ("--task-id", "tasks to use, with or without task-"),
        ("--stages", "stages to run; the others are off"),
    ):
        run.add_argument(option, nargs="+", metavar="LABEL", help=text)
    run.add_argument("--atlas", metavar="NAME", help="as for neuro init")
    run.add_argument("--config", metavar="FILE", help="settings of your own, in place of a look")
    _ways(run)
    run.add_argument("--profile", metavar="NAME", help="profile of Snakemake, such as slurm")
    run.add_argument(
        "--stop-on-first-crash", action="store_true", help="do not go on with other jobs"
    )
    run.add_argument(
        "--skip-bad-subjects", action="store_true", help="leave out, and list, what check refuses"
    )
    run.add_argument(
        "--resume", action="store_true", help="only go on with a run; refuse to begin one"
    )


def _ways(command):
    command.add_argument("--cores", type=int, metavar="N", help="cores (default all)")
    command.add_argument("--memory-mb", type=int, metavar="MB", help="memory of all jobs together")
    command.add_argument(
        "--work-dir", metavar="DIR", help="folder Snakemake works in (default OUTPUT)"
    )
    command.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )


def _demo(commands):
    demo = _command(commands, "demo", "run all stages on simulated data, end with the report")
    demo.add_argument(
        "output",
        nargs="?",
        default="neuro_demo",
        metavar="OUTPUT",
        help="folder of the results (default neuro_demo)",
    )
    _ways(demo)
    demo.set_defaults(
        demo=True,
        input=None,
        level="group",
        **dict.fromkeys(("participant_label", "session_id", "task_id", "stages")),
        **dict.fromkeys(("atlas", "config", "profile")),
        **dict.fromkeys(("stop_on_first_crash", "skip_bad_subjects", "resume"), False),
    )


def _init(commands):
    text = "look at a data set and write a settings file with what was found"
    command = _command(commands, "init", text)
    command.add_argument("paths", nargs="*", metavar="PATH", help="files or folders to look at")
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--bids", metavar="DIR", help="raw BIDS, fMRIPrep or XCP-D derivatives, or template images"
    )
    source.add_argument(
        "--table",
        metavar="PATH",
        help="folder of region tables, or a table with participant_id and path of each",
    )
    command.add_argument(
        "--atlas",
        metavar="NAME",
        help="of several atlases of region tables the one to use; of images, the atlas",
    )
    command.add_argument(
        "-o",
        "--output",
        default="config.yaml",
        metavar="FILE",
        help="where the settings go (default %(default)s)",
    )
    command.add_argument("--force", action="store_true", help="replace an existing file")


def _check(commands):
    text = "check settings and data; print a table of all runs with a verdict"
    command = _command(commands, "check", text)
    _config(command)
    command.add_argument(
        "--skip-bad-subjects",
        action="store_true",
        help="list bad runs in results/check_exclusions.tsv and go on without them",
    )
    command.add_argument(
        "--figures",
        metavar="DIR",
        help="draw a small picture of every recording, run and stimulus set into DIR",
    )


def _status(commands):
    command = _command(commands, "status", "say how far a run is: jobs per stage, failures, time")
    command.add_argument("--watch", action="store_true", help="look again until the run ends")
    command.add_argument(
        "--directory", default=".", metavar="DIR", help="working directory of the run (default .)"
    )


def _verify(commands):
    text = "say what is stale, missing, altered or of an unknown origin"
    command = _command(commands, "verify", text)
    command.add_argument(
        "results", nargs="?", default="results", metavar="RESULTS", help="default %(default)s"
    )
    command.add_argument(
        "--fast", action="store_true", help="take files of the recorded size and time as they are"
    )


def _report(commands):
    text = "print the headline figures of a run and the path of its report"
    command = _command(commands, "report", text)
    command.add_argument(
        "--directory", default=".", metavar="DIR", help="working directory of the run (default .)"
    )


def _explain(commands):
    text = "say what a setting means, which rules read it, and whether it acts"
    command = _command(commands, "explain", text)
    command.add_argument("key", metavar="KEY", help="such as fmri.fd_mm, or its end where unique")
    command.add_argument("--config", metavar="FILE", help="settings (config.yaml if it is there)")


def _methods(commands):
    _config(_command(commands, "methods", "print the methods text and the references"))


def _scan(commands):
    command = _command(commands, "scan", "write results/inputs.tsv, the list of runs")
    _config(command)
    command.add_argument(
        "--refresh", action="store_true", help="scan again even if nothing seems to change"
    )


def _referee(commands):
    command = _command(
        commands,
        "referee",
        "compare ways of removing demographics from any table of connectomes, in folds, "
        " with and without the same bottleneck, read out in people whom no fit has seen",
    )
    command.add_argument(
        "table", metavar="TABLE", help=".tsv or .csv with participant_id and edges, .npy, .npz, .h5"
    )
    command.add_argument("participants", metavar="PARTICIPANTS", help="participants.tsv")
    command.add_argument(
        "-o", "--output", default="referee", metavar="DIR", help="default %(default)s"
    )
    for option, text in (
        ("--remove", "columns to remove (default age, sex and site where they are known)"),
        ("--protect", "columns that the removal must leave alone"),
        (
            "--methods",
            "none, residual, combat, combat_residual, covbat, covbat_residual, "
            "protected, linear, network (default all)",
        ),
    ):
        command.add_argument(option, nargs="+", metavar="NAME", help=text)
    for option, default, text in (
        ("--latents", 60, "numbers that are kept under the bottleneck"),
        ("--folds", 5, "folds over people"),
        ("--seed", 0, "of folds and of the network"),
    ):
        command.add_argument(
            option, type=int, default=default, metavar="N", help=f"{text} (default %(default)s)"
        )
