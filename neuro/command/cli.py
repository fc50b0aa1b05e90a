"""The command `neuro`: plain Python, no Snakemake."""

from __future__ import annotations

import argparse
import sys

import neuro


def build_parser() -> argparse.ArgumentParser:
    """The command line: `neuro init`, `check`, `explain`, `scan`, `status`, `verify`, `methods`."""
    parser = argparse.ArgumentParser(
        prog="neuro", description="Checks and lists the input of the workflow, prints its methods."
    )
    parser.add_argument("--version", action="version", version=f"neuro {neuro.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("check", "check settings and data; print a table of all runs with a verdict"),
        ("scan", "write results/inputs.tsv, the list of runs"),
        ("methods", "print the methods text and the references for the settings"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--config", default="config.yaml", metavar="FILE", help="settings (default %(default)s)"
        )
        if name == "check":
            command.add_argument(
                "--skip-bad-subjects",
                action="store_true",
                help="list bad runs in results/check_exclusions.tsv and go on without them",
            )
        if name == "scan":
            command.add_argument(
                "--refresh", action="store_true", help="scan again even if nothing seems to change"
            )
    text = "say what a setting means, which rules read it, and whether it acts"
    command = commands.add_parser("explain", help=text, description=text)
    command.add_argument("key", metavar="KEY", help="such as fmri.fd_mm, or its end where unique")
    command.add_argument("--config", metavar="FILE", help="settings (config.yaml if it is there)")
    text = "say how far a run is: jobs per stage, failures, time left"
    command = commands.add_parser("status", help=text, description=text)
    command.add_argument("--watch", action="store_true", help="look again until the run ends")
    command.add_argument(
        "--directory", default=".", metavar="DIR", help="working directory of the run (default .)"
    )
    text = "say what is stale, missing, altered or of an unknown origin"
    command = commands.add_parser("verify", help=text, description=text)
    command.add_argument(
        "results", nargs="?", default="results", metavar="RESULTS", help="default %(default)s"
    )
    command.add_argument(
        "--fast", action="store_true", help="take files of the recorded size and time as they are"
    )
    text = "look at a data set and write a settings file with what was found"
    command = commands.add_parser("init", help=text, description=text)
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
    return parser


def main(argv=None) -> int:
    """Entry point.

    Returns
    -------
    int
        0 good, 1 problems with data or settings, 2 wrong command line.
    """
    arguments = build_parser().parse_args(argv)
    from neuro.io.problems import InputProblem

    try:
        if arguments.command == "init":
            return _init(arguments)
        if arguments.command == "status":
            from neuro.command import status

            return status.show(arguments.directory, watch=arguments.watch)
        if arguments.command == "verify":
            from neuro.command import verify

            return verify.show(arguments.results, fast=arguments.fast)
        if arguments.command == "explain":
            return _explain(arguments)
        from neuro.run import settings

        config = settings.read_config(arguments.config)
        return _COMMANDS[arguments.command](config, arguments)
    except InputProblem as error:
        return _refuse(error.problems)


def _init(arguments):
    from neuro.command import init

    # A file that exists is refused before anything is looked at.
    init.refuse_existing(arguments.output, force=arguments.force)
    hint = "table" if arguments.table else "bids" if arguments.bids else ""
    paths = [*arguments.paths, *filter(None, (arguments.bids, arguments.table))]
    if not paths:
        print("neuro init: give a PATH to look at", file=sys.stderr)
        return 2
    text = init.settings(paths, hint=hint, atlas=arguments.atlas)
    path = init.write(text, arguments.output, force=arguments.force)
    print(text, end="")
    print(f"Written to {path}. Next: neuro check --config {path}")
    return 0


def _explain(arguments):
    from pathlib import Path

    from neuro.command import explain
    from neuro.run import settings

    path = arguments.config or "config.yaml"
    here = {}
    if arguments.config or Path(path).exists():
        here = {"mapping": settings.read(path), "config": settings.read_config(path)}
    print(explain.text(arguments.key, path, **here))
    return 0


def _check(config, arguments):
    from neuro.command.check import (
        recordings as check_recordings,
    )
    from neuro.command.check import (
        responses as check_responses,
    )
    from neuro.command.check import (
        spikes as check_spikes,
    )
    from neuro.command.check import (
        study as check,
    )
    from neuro.command.check import (
        voxels as check_voxels,
    )
    from neuro.config.checks import effects
    from neuro.run import inputs, settings

    skip = arguments.skip_bad_subjects or config["execution"]["skip_bad_subjects"]
    config["execution"]["skip_bad_subjects"] = True
    found = inputs.load(config, again=True)
    if found.problems:
        return _refuse(found.problems)
    for line in inputs.decide(config, found):
        print(line)
    table, exclusions, problems = check.inputs(config, inputs.read(), found.notes)
    if found.kind == "none":
        print("data.kind is none: there are no images or region tables to look at")
    else:
        print(check.as_text(table))
    for line in [*found.notes, *effects.notes(settings.read(arguments.config), config)]:
        print(f"note: {line}")
    looks = (
        (check_spikes, "hmmglm"),
        (check_recordings, "ntf"),
        (check_responses, "mds"),
        (check_voxels, "braindive"),
    )
    for look, stage in looks:
        recordings, wrong = look.recordings(config[stage])
        for line in recordings:
            print(line)
        problems += wrong
    for line in problems:
        print(line, file=sys.stderr)
    if skip:
        path = check.write_exclusions(exclusions)
        print(f"{len(exclusions)} exclusion(s) written to {path}")
    if problems:
        print(f"{len(problems)} problem(s)", file=sys.stderr)
    return 1 if problems and not (skip and any(row["verdict"] == "ok" for row in table)) else 0


def _refuse(problems) -> int:
    """Print problems, one line each, with their number."""
    for line in problems:
        print(line, file=sys.stderr)
    print(f"{len(problems)} problem(s)", file=sys.stderr)
    return 1


def _scan(config, arguments):
    from neuro.run import inputs

    found = inputs.load(config, again=arguments.refresh)
    for line in found.problems:
        print(line, file=sys.stderr)
    subjects = {run["participant_id"] for run in found.runs}
    print(f"{inputs.TABLE}: {len(found.runs)} runs of {len(subjects)} subjects ({found.kind})")
    return 1 if found.problems else 0


def _methods(config, arguments):
    from neuro.config import methods
    from neuro.report.pages.methods import text

    if config["data"]["kind"] == "auto":
        from neuro.run import inputs

        found = inputs.load(config)
        if found.problems:
            return _refuse(found.problems)
        inputs.decide(config, found)
    print(text(methods(config)))
    return 0


_COMMANDS = {"check": _check, "scan": _scan, "methods": _methods}
