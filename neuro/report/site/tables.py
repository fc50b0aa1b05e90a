"""Result tables as the report reads them: a missing or empty file is no table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neuro.io.formats.tables import read_participants, read_tsv


def read_table(path: Path, **dtype) -> pd.DataFrame | None:
    """A result table, or None where the file is missing or holds nothing."""
    if not path.is_file() or path.stat().st_size == 0:
        return None
    table = read_tsv(path, dtype=dtype or None)
    return table if len(table.columns) else None


def participants(results: Path) -> pd.DataFrame | None:
    """`results/participants.tsv`, or None where there is none."""
    path = results / "participants.tsv"
    return read_participants(path) if path.is_file() and path.stat().st_size else None


def usable(results: Path) -> set[str] | None:
    """Participants of whom at least one run was used; None where that is not known."""
    path = results / "fmri" / "connectomes.h5"
    if path.is_file() and path.stat().st_size:
        from neuro.io.regions.connectomes import read_connectomes

        return {str(label).removeprefix("sub-") for label in read_connectomes(path).participant_id}
    qc = read_table(results / "fmri" / "group_qc.tsv", participant_id=str, run_key=str)
    return None if qc is None else set(qc["participant_id"].str.removeprefix("sub-"))
