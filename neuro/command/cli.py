"""The command `neuro`. Snakemake is started by `neuro run` alone, as a program."""

from __future__ import annotations

import sys

from neuro.command.parser import build_parser

COMPUTES = (
    *("snakemake", "numpy", "scipy", "pandas", "scikit-learn", "numba", "torch"),
    *("nibabel", "nilearn", "h5py", "pynwb", "networkx", "tensorly", "matplotlib"),
)
"""Packages whose versions matter for a result."""


def main(argv=None) -> int:
    """Entry point.

    Returns
    -------
    int
        0 good, 1 problems with data or settings, 2 wrong command line; further ones of
        `neuro run` in :mod:`neuro.command.run`.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        return _versions()
    if arguments.print_completion:
        import shtab

        print(shtab.complete(parser, arguments.print_completion))
        return 0
    if arguments.command is None:
        parser.print_help()
        return 2
    if arguments.command == "run" and arguments.demo:
        _demo_places(arguments)
    if arguments.command == "run" and not arguments.output:
        print("neuro run: give INPUT, OUTPUT and participant or group", file=sys.stderr)
        return 2
    from neuro.io.problems import InputProblem

    try:
        if arguments.command in ("run", "demo"):
            from neuro.command import run

            return run.run(arguments, main)
        if arguments.command == "report":
            from neuro.command import report

            return report.show(arguments.directory)
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
        if arguments.command == "referee":
            from neuro.command import referee

            options = vars(arguments)
            referee.run(
                options["table"], options["participants"], options["output"], options=options
            )
            return 0
        from neuro.run import settings

        config = settings.read_config(arguments.config)
        return _COMMANDS[arguments.command](config, arguments)
    except InputProblem as error:
        return _refuse(error.problems)


def _demo_places(arguments):
    """With --demo there is no INPUT: the first word is OUTPUT, the second the level."""
    words = [word for word in (arguments.input, arguments.output) if word]
    if words and words[-1] in ("participant", "group"):
        arguments.level = words.pop()
    arguments.input, arguments.output = None, (words or ["neuro_demo"])[0]


def _versions() -> int:
    import platform

    from neuro.base.provenance import versions

    packages = {**versions(*COMPUTES), "python": platform.python_version()}
    for name, version in packages.items():
        print(f"{name} {version}")
    return 0


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
    scanned = inputs.load(config, again=True)
    if scanned.problems:
        return _refuse(scanned.problems)
    for line in inputs.decide(config, scanned):
        print(line)
    show = None
    if arguments.figures:
        from neuro.command.check.pictures import Pictures

        show = Pictures(arguments.figures)
    table, exclusions, problems = check.inputs(config, inputs.read(), scanned.notes, show)
    if scanned.kind == "none":
        print("data.kind is none: there are no images or region tables to look at")
    elif scanned.kind == "simulated":
        print(f"data.kind is simulated: {len(table)} runs that the workflow makes itself")
    else:
        print(check.as_text(table))
    for line in [*scanned.notes, *effects.notes(settings.read(arguments.config), config)]:
        print(f"note: {line}")
    looks = (
        (check_spikes, "hmmglm"),
        (check_recordings, "ntf"),
        (check_responses, "mds"),
        (check_voxels, "braindive"),
    )
    for look, stage in looks:
        recordings, wrong = look.recordings(config[stage], show)
        for line in recordings:
            print(line)
        problems += wrong
    if show:
        print(f"{len(show.written)} picture(s) of what was read in {show.folder}")
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

    scanned = inputs.load(config, again=arguments.refresh)
    for line in scanned.problems:
        print(line, file=sys.stderr)
    subjects = {run["participant_id"] for run in scanned.runs}
    print(f"{inputs.TABLE}: {len(scanned.runs)} runs of {len(subjects)} subjects ({scanned.kind})")
    return 1 if scanned.problems else 0


def _methods(config, arguments):
    from neuro.config import methods
    from neuro.report.pages.methods import text

    if config["data"]["kind"] == "auto":
        from neuro.run import inputs

        scanned = inputs.load(config)
        if scanned.problems:
            return _refuse(scanned.problems)
        inputs.decide(config, scanned)
    print(text(methods(config)))
    return 0


_COMMANDS = {"check": _check, "scan": _scan, "methods": _methods}
