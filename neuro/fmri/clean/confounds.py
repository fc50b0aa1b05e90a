"""Choose and build confound regressors from a table of head motion and tissue signals.

Every value of every strategy is written here; nothing is taken from a library's default.
Derivatives and squares are always computed from the base columns, so tables that carry only
the six motion columns serve as well as complete ones.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch

import numpy as np
import pandas as pd

from neuro.fmri.clean.noise_components import (
    FOUR_TERMS,
    columns_of,
    component_names,
    parse,
    scrubbed,
)
from neuro.io.bids.confounds import MOTION
from neuro.io.problems import InputProblem

TISSUE = ("white_matter", "csf", "global_signal")
STRATEGIES = (
    "athena",
    "6P",
    "24P",
    "36P",
    "36P_nogsr",
    "acompcor",
    "acompcor_lite",
    "custom",
    "none",
)
N_COMPONENTS = 5
"""Components per tissue in `acompcor` (5, Behzadi et al. 2007)."""
POLYNOMIAL_SECONDS = 150
"""`athena` adds one polynomial degree per 150 s of scan (AFNI)."""


@dataclasses.dataclass(frozen=True)
class Confounds:
    """Regressors of one run.

    Attributes
    ----------
    values : ndarray, shape (n_volumes, n_columns), float64
        Finite. Intercept and line are not among them; the denoiser adds them.
    names : tuple of str
    sample_mask : ndarray of bool, shape (n_volumes,)
        False where the table marks a volume as not in steady state, or component `scrub` of
        a strategy takes it out.
    strategy : str
    notes : tuple of str
        What a report should say, e.g. fewer components than asked for.
    """

    values: np.ndarray
    names: tuple
    sample_mask: np.ndarray
    strategy: str
    notes: tuple = ()

    def table(self) -> pd.DataFrame:
        """The regressors as a table, one row per volume."""
        return pd.DataFrame(self.values, columns=list(self.names))


def motion_table(motion) -> pd.DataFrame:
    """A confounds table from six motion parameters.

    Parameters
    ----------
    motion : ndarray, shape (n_volumes, 6)
        Translations (mm), then rotations (rad).

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ValueError
        When there are not six columns.
    """
    motion = np.asarray(motion, dtype=float)
    if motion.ndim != 2 or motion.shape[1] != 6:
        raise ValueError(f"motion: shape {motion.shape}, expected (n_volumes, 6)")
    return pd.DataFrame(motion, columns=list(MOTION))


def backward_difference(values) -> np.ndarray:
    """Difference to the previous row; 0 in the first row, where there is none."""
    out = np.zeros_like(values, dtype=np.float64)
    out[1:] = np.diff(values, axis=0)
    return out


def expand(values, names, terms) -> tuple[np.ndarray, list[str]]:
    """Base columns with derivatives and squares, grouped by base column.

    Parameters
    ----------
    values : ndarray, shape (n_volumes, n_bases)
    names : sequence of str
    terms : sequence of {"", "derivative1", "power2", "derivative1_power2"}
        "" is the column itself.

    Returns
    -------
    ndarray, shape (n_volumes, n_bases * n_terms)
    list of str

    References
    ----------
    Satterthwaite et al. (2013), NeuroImage 64:240-256 (36 parameters).
    """
    difference = backward_difference(values)
    forms = {
        "": values,
        "derivative1": difference,
        "power2": values**2,
        "derivative1_power2": difference**2,
    }
    columns, labels = [], []
    for j, name in enumerate(names):
        for term in terms:
            columns.append(forms[term][:, j])
            labels.append(f"{name}_{term}" if term else name)
    return np.stack(columns, axis=1), labels


def legendre(n_volumes, tr) -> tuple[np.ndarray, list[str]]:
    """Legendre polynomials of degree 1 to 1 + floor(duration / 150 s), without the constant.

    Parameters
    ----------
    n_volumes : int
    tr : float
        Sampling interval (s).

    Returns
    -------
    ndarray, shape (n_volumes, degree)
    list of str
    """
    degree = 1 + int(n_volumes * tr // POLYNOMIAL_SECONDS)
    columns = np.polynomial.legendre.legvander(np.linspace(-1, 1, n_volumes), degree)[:, 1:]
    return columns, [f"legendre_{d}" for d in range(1, degree + 1)]


def select(
    table,
    meta=None,
    strategy="36P",
    *,
    tr=None,
    columns=(),
    components=None,
    n_volumes=None,
    n_components=N_COMPONENTS,
    **options,
) -> Confounds:
    """Build the regressors of a strategy.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`neuro.io.bids.confounds.read_confounds` or :func:`motion_table` returns it. Rows
        are the volumes that will be cleaned: remove dropped ones before.
    meta : dict, optional
        Description of the columns; `acompcor` reads `Mask` and `Retained` from it.
    strategy : str or sequence of str
        Components of nilearn's `load_confounds` joined by `+`, each with its value or nilearn's
        default (`motion=full+high_pass+wm_csf=basic`, `compcor=anat_combined:5`, ...), or the
        sequence of names that nilearn takes; or one of

        - `6P`: motion values;
        - `24P`: motion values, differences, squares, squared differences;
        - `36P`: the same four terms of motion, white matter, CSF and global signal;
        - `36P_nogsr`: `36P` without the four global signal columns;
        - `acompcor`: motion values and differences, the first 5 white-matter and 5 CSF
          components, and all cosine columns, without which the components are wrong;
        - `acompcor_lite`: `24P` and the given `components`, for data without tissue maps;
        - `athena`: motion values, white matter, CSF and Legendre polynomials;
        - `custom`: the columns named in `columns`;
        - `none`: nothing.

        Columns that nilearn's names or `custom` ask for are the table's own where it has them.
    tr : float, optional
        Sampling interval (s); `athena` needs it.
    columns : sequence of str
        Names or globs for `custom`. Names such as `trans_x_derivative1` are computed where
        the table lacks them.
    components : pandas.DataFrame, optional
        For `acompcor_lite`, see :mod:`neuro.fmri.clean.components`.
    n_volumes : int, optional
        Number of volumes of the image, checked against the rows.
    n_components : int
        Components per tissue (5).
    **options
        Values of nilearn's components by keyword: `motion`, `wm_csf`, `global_signal`,
        `compcor`, `n_compcor`, `ica_aroma`, `scrub`, `fd_threshold`, `std_dvars_threshold`.

    Returns
    -------
    Confounds

    Raises
    ------
    InputProblem
        All problems at once: unknown strategy, missing columns (file and column are named),
        rows that do not match the image, missing values.
    """
    where = table.attrs.get("path", "confounds")
    terms = None if strategy in STRATEGIES else parse(strategy, options)
    if terms is None and strategy not in STRATEGIES:
        close = difflib.get_close_matches(str(strategy), STRATEGIES, 1, 0.4)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise InputProblem(
            f"strategy: got '{strategy}', expected one of {', '.join(STRATEGIES)}{hint}, "
            "or nilearn's names joined by '+'"
        )
    problems = []
    if n_volumes is not None and len(table) != n_volumes:
        problems.append(f"{where}: {len(table)} rows for an image of {n_volumes} volumes")
    if strategy == "athena" and tr is None:
        problems.append("tr: strategy 'athena' needs the sampling interval in seconds")
    bases = {
        "6P": MOTION,
        "24P": MOTION,
        "36P": MOTION + TISSUE,
        "36P_nogsr": MOTION + TISSUE[:2],
        "athena": MOTION + TISSUE[:2],
        "acompcor": MOTION,
        "acompcor_lite": MOTION,
    }.get(strategy, ())
    problems += [
        f"{where}: no column '{name}', needed by strategy '{strategy}'"
        for name in bases
        if name not in table.columns
    ]
    if problems:
        raise InputProblem(problems)
    parts: list = []
    notes: list[str] = []
    if strategy in ("24P", "36P", "36P_nogsr", "acompcor_lite"):
        parts.append(expand(_base_values(table, bases, where), bases, FOUR_TERMS))
    elif strategy in ("6P", "athena"):
        parts.append((_base_values(table, bases, where), list(bases)))
    elif strategy == "acompcor":
        parts.append(expand(_base_values(table, bases, where), bases, FOUR_TERMS[:2]))
        chosen, notes = compcor_columns(table, meta or {}, n_components, where)
        parts.append((_plain_values(table, chosen, where), chosen))
    elif strategy == "custom":
        parts.append(_custom(table, columns, where))
    elif terms:
        chosen = columns_of(terms, table, meta or {}, where)
        # Components such as `scrub` have no column.
        parts += [_custom(table, chosen, where)] if chosen else []
    if strategy == "athena":
        parts.append(legendre(len(table), tr))
    if strategy == "acompcor_lite":
        if components is None or len(components) != len(table):
            raise InputProblem(
                f"{where}: strategy 'acompcor_lite' needs components computed from the image, "
                f"one row for each of {len(table)} volumes"
            )
        parts.append((components.to_numpy(dtype=float), list(components.columns)))
    values = np.hstack([columns for columns, _ in parts]) if parts else np.empty((len(table), 0))
    names = tuple(name for _, labels in parts for name in labels)
    kept = _steady(table)
    if terms and "scrub" in terms:
        kept &= scrubbed(table, options, where)
    if terms:
        strategy = "+".join(f"{name}={value}" if value else name for name, value in terms.items())
    return Confounds(values, names, kept, strategy, tuple(notes))


def compcor_columns(table, meta, n_components, where="confounds") -> tuple[list[str], list[str]]:
    """Names of the first components of white matter and CSF, and of all cosines.

    The mask of a component stands in the JSON; only the newer names `w_comp_cor_*` and
    `c_comp_cor_*` tell it themselves. Components that were not retained are passed over.

    Parameters
    ----------
    table : pandas.DataFrame
    meta : dict
    n_components : int
    where : str
        File name for messages.

    Returns
    -------
    names, notes : list of str

    Raises
    ------
    InputProblem
        When a tissue has no component at all or there is no cosine column.
    """
    names, notes, problems = [], [], []
    for tissue in ("WM", "CSF"):
        components = component_names(table, meta, tissue)
        if not components:
            reason = (
                "the JSON names none" if meta else "there is no JSON that tells their masks apart"
            )
            problems.append(f"{where}: no {tissue} component for strategy 'acompcor': {reason}")
        elif len(components) < n_components:
            notes.append(
                f"{where}: {len(components)} {tissue} components, {n_components} asked for"
            )
        names += components[:n_components]
    cosines = sorted(name for name in table.columns if name.startswith("cosine"))
    if not cosines:
        problems.append(
            f"{where}: no column 'cosine*'; CompCor components come from high-passed data "
            "and are wrong without them"
        )
    if problems:
        raise InputProblem(problems)
    return names + cosines, notes


def _steady(table) -> np.ndarray:
    from neuro.fmri.clean.censor import n_steady_state

    return np.arange(len(table)) >= n_steady_state(table)


def _base_values(table, names, where) -> np.ndarray:
    """Base columns; they must be complete, the first row included."""
    values = table[list(names)].to_numpy(dtype=np.float64)
    _check_complete(values, names, where, "in")
    return values


def _plain_values(table, names, where) -> np.ndarray:
    """Columns as they stand; a missing first row (differences) becomes 0."""
    values = table[list(names)].to_numpy(dtype=np.float64).copy()
    if len(values):
        values[0] = np.where(np.isnan(values[0]), 0.0, values[0])
    _check_complete(values, names, where, "after the first row of")
    return values


def _check_complete(values, names, where, place):
    missing = (~np.isfinite(values)).sum(axis=0)
    problems = [
        f"{where}: {count} missing values {place} column '{name}', expected a number per volume"
        for name, count in zip(names, missing)
        if count
    ]
    if problems:
        raise InputProblem(problems)


def _custom(table, patterns, where) -> tuple[np.ndarray, list[str]]:
    """Columns that match names or globs, in the order of the patterns."""
    if isinstance(patterns, str):
        patterns = [patterns]
    if not patterns:
        raise InputProblem("confound_columns: strategy 'custom' needs at least one name or glob")
    bases = [name for name in MOTION + TISSUE if name in table.columns]
    computed = {}
    if bases:
        raw = table[bases].to_numpy(dtype=np.float64)
        values, names = expand(raw, bases, FOUR_TERMS[1:])
        computed = {
            name: column for name, column in zip(names, values.T) if name not in table.columns
        }
    offered = [*map(str, table.columns), *computed]
    chosen, problems = [], []
    for pattern in patterns:
        hits = [name for name in offered if fnmatch.fnmatchcase(name, pattern)]
        if not hits:
            close = difflib.get_close_matches(pattern, offered, 1, 0.6)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            problems.append(f"{where}: no column matches '{pattern}'{hint}")
        chosen += [name for name in hits if name not in chosen]
    if problems:
        raise InputProblem(problems)
    full = table.assign(**computed) if computed else table
    return _plain_values(full, chosen, where), chosen
