"""`neuro referee`: what each way of removing demographics leaves, for a table of connectomes."""

from __future__ import annotations

import sys
from pathlib import Path

from neuro.io.problems import InputProblem


def run(connectomes, participants, output, *, options, log=print) -> Path:
    """Compare the ways of removal on one table, and write tables and the figure.

    Parameters
    ----------
    connectomes : path-like
        See :func:`neuro.io.regions.connectome_tables.read_connectome_table`.
    participants : path-like
        `participants.tsv`.
    output : path-like
        Folder of `compare.tsv`, `summary.tsv`, `referee.png` and `referee.tsv`.
    options : mapping
        `remove`, `protect`, `methods` (lists of names, or None), `latents`, `folds`, `seed`.
    log : callable

    Returns
    -------
    pathlib.Path
        `summary.tsv`.

    Raises
    ------
    InputProblem
        When files do not fit together, or a column is absent or constant.
    """
    from neuro.demovae.evaluation import compare
    from neuro.io.formats.tables import write_tsv
    from neuro.report.figures.cohort import removal

    settings = _settings(options)
    people = gather(connectomes, participants, options)
    log(
        f"{len(people.edges)} people, {people.edges.shape[1]} edges; removed: "
        f"{_named(people, 'remove')}; protected: {_named(people, 'protect') or 'none'}"
    )
    for row in people.exclusions:
        log(f"left out: {row['what']}: {row['reason']}")
    quiet = lambda line: print(line, file=sys.stderr)  # noqa: E731
    table = compare.compare_cohort(people, settings, options["seed"], quiet)
    summary = compare.summary(table)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    write_tsv(output / "compare.tsv", table)
    write_tsv(output / "summary.tsv", summary)
    for figure in removal.referee(table):
        (output / f"{figure.name}.png").write_bytes(figure.png)
        write_tsv(output / f"{figure.name}.tsv", figure.data)
    log(summary.to_string(index=False, float_format=lambda value: f"{value:.3f}", na_rep="-"))
    log(f"Written to {output}")
    return output / "summary.tsv"


def gather(connectomes, participants, options):
    """The connectomes as a cohort, one row per participant.

    Returns
    -------
    neuro.demovae.coding.cohort.Cohort
        With the columns that go and those that are protected; a diagnosis is read, never removed.
    """
    from neuro.demovae.coding import cohort
    from neuro.demovae.coding.schema import Column, guessed_type
    from neuro.io.formats.tables import read_participants
    from neuro.io.regions.connectome_tables import read_connectome_table

    people = read_participants(participants)
    edges = read_connectome_table(connectomes, people["participant_id"])
    if not set(edges.participant_id) & set(people["participant_id"]):
        raise InputProblem(
            f"{connectomes}: nobody is in {participants}; first '{edges.participant_id[0]}', there "
            f"'{people['participant_id'].iloc[0]}'"
        )
    roles = dict.fromkeys(options["protect"] or (), "protect")
    given = options["remove"] or [name for name in ("age", "sex", "site") if _known(people, name)]
    both = sorted(set(given) & set(roles))
    if both:
        raise InputProblem(f"--remove and --protect both name '{both[0]}'; choose one")
    roles = dict.fromkeys(given, "remove") | roles
    absent = [name for name in roles if not _known(people, name)]
    if absent:
        raise InputProblem(f"{participants}: no values in a column '{absent[0]}'")
    if _known(people, "dx"):
        roles.setdefault("dx", "report")
    columns = [Column(name, guessed_type(people[name]), role) for name, role in roles.items()]
    sample = cohort.gather(edges, people, columns, missing_rule="drop")
    return sample.per_subject()


def _known(people, name) -> bool:
    return name in people and people[name].notna().any()


def _settings(options) -> dict:
    from neuro.config import resolve

    own = {"latent_dim": options["latents"], "folds": options["folds"]}
    if options["methods"]:
        own["compare"] = list(options["methods"])
    config: dict = {"demovae": own}
    problems = [line for line in resolve(config, source="neuro referee") if "demovae." in line]
    if problems:
        raise InputProblem(problems)
    return config["demovae"]


def _named(people, role) -> str:
    return ", ".join(f"{c.name} ({c.type})" for c in people.columns if c.role == role)
