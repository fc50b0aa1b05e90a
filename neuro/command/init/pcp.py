"""Phenotypes of the Preprocessed Connectomes Project (ABIDE) beside its region tables."""

from __future__ import annotations

from pathlib import Path

from neuro.command.init.found import quoted
from neuro.io.problems import InputProblem

COLUMNS = {
    "participant_id": "SUB_ID",
    "site": "SITE_ID",
    "age": "AGE_AT_SCAN",
    "sex": "SEX",
    "dx": "DX_GROUP",
    "iq": "FIQ",
    "mean_fd": "func_mean_fd",
}
"""Columns of the table by their names here."""
CODES = {"cases": ["1"], "controls": ["2"]}
"""Values of `DX_GROUP`: 1 autism, 2 control."""
NEEDED = ("participant_id", "site", "dx")
ABOVE = 4
"""Folders above the tables in which the phenotypes are looked for."""
INTERVALS = {
    **{"CALTECH": 2.0, "CMU": 2.0, "KKI": 2.5, "LEUVEN_1": 1.667, "LEUVEN_2": 1.667},
    **{"MAX_MUN": 3.0, "NYU": 2.0, "OHSU": 2.5, "OLIN": 1.5, "PITT": 1.5, "SBL": 2.2},
    **{"SDSU": 2.0, "STANFORD": 2.0, "TRINITY": 2.0, "UCLA_1": 3.0, "UCLA_2": 3.0},
    **{"UM_1": 2.0, "UM_2": 2.0, "USM": 2.0, "YALE": 2.0},
}
"""Sampling intervals (s) of ABIDE I by site: general knowledge, to be checked by the user."""


def phenotypes(folder) -> tuple[Path, dict] | None:
    """The table of phenotypes in a folder or above it, and its columns for `data.columns`.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    path : pathlib.Path
    columns : dict
    """
    from neuro.io.formats.tables import read_tsv

    level = Path(folder)
    for _ in range(ABOVE + 1):
        for path in sorted(level.glob("[Pp]henotypic*.csv")):
            try:
                names = set(read_tsv(path, dtype=str).columns)
            except InputProblem:
                continue
            columns = {name: own for name, own in COLUMNS.items() if own in names}
            if all(name in columns for name in NEEDED):
                return path, {**columns, **CODES}
        if level == level.parent or str(level) == ".":
            break
        level = level.parent
    return None


def lines(path, columns) -> list[str]:
    """Lines of the section `data` that name table and columns."""
    words = ", ".join(
        f"{name}: [{', '.join(map(quoted, own))}]" if isinstance(own, list) else f"{name}: {own}"
        for name, own in columns.items()
    )
    return [f"  participants: {quoted(path.as_posix())}", f"  columns: {{{words}}}"]


def intervals(sites) -> dict:
    """Sampling intervals of sites by their names, 2 s for one that is not known."""
    return {site: INTERVALS.get(site.upper(), 2.0) for site in sorted(sites)}
