"""Results of a run that was left out: empty files, so that the other runs can go on.

A workflow needs every declared file. A run that cannot be used leaves files of 0 bytes and a
row in the exclusions table; readers ask here before they open a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def mark(paths: Iterable) -> None:
    """Make empty files in place of a run's results."""
    for path in paths:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def is_excluded(path) -> bool:
    """Whether a result file says that its run was left out."""
    return Path(path).stat().st_size == 0


def mark_with_reasons(paths: Iterable, table, rows) -> None:
    """Make empty files in place of a run's results, and say why in its exclusions table.

    Parameters
    ----------
    paths : iterable of path-like
    table : path-like
        Exclusions table of the run.
    rows : list of dict
        See :func:`neuro.io.formats.tables.exclusion`.
    """
    from neuro.io.formats.tables import write_exclusions

    mark(paths)
    write_exclusions(table, rows)


def reasons(table) -> list[dict]:
    """Rows with which an earlier step left a run out; none without a table.

    Parameters
    ----------
    table : path-like or None

    Returns
    -------
    list of dict
    """
    from neuro.io.formats.tables import read_tsv

    return read_tsv(table, dtype=str).to_dict("records") if table else []
