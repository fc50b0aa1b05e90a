"""The noise components of `nilearn.interfaces.fmriprep.load_confounds`, by their names there."""

from __future__ import annotations

import re

import numpy as np

from neuro.fmri.clean.censor import drop_short_segments
from neuro.io.bids.confounds import MOTION
from neuro.io.problems import InputProblem

FOUR_TERMS = ("", "derivative1", "power2", "derivative1_power2")
FORMS = {
    "basic": FOUR_TERMS[:1],
    "power2": ("", "power2"),
    "derivatives": FOUR_TERMS[:2],
    "full": FOUR_TERMS,
}
"""Value of `motion`, `wm_csf` and `global_signal` to the terms of each base column."""
BASES = {
    "motion": MOTION,
    "wm_csf": ("csf", "white_matter"),
    "global_signal": ("global_signal",),
}
MASKS = {
    "temporal": ("temporal",),
    "anat_combined": ("combined",),
    "anat_separated": ("WM", "CSF"),
    "temporal_anat_combined": ("temporal", "combined"),
    "temporal_anat_separated": ("temporal", "WM", "CSF"),
}
"""Value of `compcor` to the masks whose components it takes."""
DEFAULTS = {
    "motion": "full",
    "wm_csf": "basic",
    "global_signal": "basic",
    "high_pass": "",
    "compcor": "anat_combined",
    "ica_aroma": "full",
    "scrub": "",
    "non_steady_state": "",
}
"""Components and what they are without a value (nilearn 0.13)."""
_ALLOWED = {**dict.fromkeys(BASES, tuple(FORMS)), "compcor": tuple(MASKS), "ica_aroma": ("basic",)}


def parse(strategy, options=None) -> dict[str, str] | None:
    """Components of a strategy and their values.

    Parameters
    ----------
    strategy : str or sequence of str
        Names joined by `+`, or a sequence of them as nilearn takes it; a name may carry its
        value: `motion=power2+compcor=temporal:5`.
    options : dict, optional
        Values by component, and `n_compcor`, as keywords of `load_confounds`.

    Returns
    -------
    dict or None
        None where no name is one of nilearn's.

    Raises
    ------
    InputProblem
        All problems at once: a name or value that is not known, or `ica_aroma=full` and
        `tedana`, which need other images than those that are read.
    """
    words = strategy.split("+") if isinstance(strategy, str) else list(strategy)
    pairs = [str(word).replace(" ", "").partition("=") for word in words]
    if not any(name in (*DEFAULTS, "tedana") for name, _, _ in pairs):
        return None
    options, terms, problems = dict(options or {}), {}, []
    count = options.pop("n_compcor", "all")
    for name, sign, value in pairs:
        if name == "tedana":
            problems.append("strategy: 'tedana' reads other tables than fMRIPrep's; leave it out")
            continue
        if name not in DEFAULTS:
            problems.append(f"strategy: got '{name}', expected one of {', '.join(DEFAULTS)}")
            continue
        if not sign:
            value = str(DEFAULTS[name] if name == "scrub" else options.get(name, DEFAULTS[name]))
        if name == "compcor" and ":" not in value and count != "all":
            value = f"{value}:{count}"
        kind, _, number = value.partition(":")
        allowed = _ALLOWED.get(name, ("",))
        if name == "ica_aroma" and kind == "full":
            problems.append(
                "strategy: ica_aroma=full stands for another image (desc-smoothAROMAnonaggr), "
                "which is not read; use ica_aroma=basic"
            )
        elif kind not in allowed or (number and not re.fullmatch("[1-9][0-9]*", number)):
            expected = ", ".join(allowed) or "no value"
            expected += " and :number" if name == "compcor" else ""
            problems.append(f"strategy: got {name}={value}, expected {expected}")
        terms[name] = value
    if problems:
        raise InputProblem(problems)
    return terms


def columns_of(terms, table, meta, where="confounds") -> list[str]:
    """Columns that the components of a strategy name.

    Parameters
    ----------
    terms : dict
        As of :func:`parse`.
    table : pandas.DataFrame
    meta : dict
        Description of the columns; anatomical CompCor reads `Mask` from it.
    where : str
        File name for messages.

    Returns
    -------
    list of str
        Differences and squares are among them whether or not the table has them: they can be
        computed from the base columns.

    Raises
    ------
    InputProblem
        All missing columns at once.
    """
    columns: list = []
    problems = []
    for name, value in terms.items():
        if name in BASES:
            columns += [
                f"{base}_{form}" if form else base for base in BASES[name] for form in FORMS[value]
            ]
            problems += [
                f"{where}: no column '{base}', needed by {name}"
                for base in BASES[name]
                if base not in table
            ]
        elif name == "compcor":
            kind, _, count = value.partition(":")
            for mask in MASKS[kind]:
                names = component_names(table, meta, mask)[: int(count) if count else None]
                columns += names
                if not names:
                    problems.append(f"{where}: no {mask} component for compcor={kind}")
        elif name in ("high_pass", "ica_aroma"):
            prefix = "cosine" if name == "high_pass" else "aroma"
            names = [column for column in table if prefix in column]
            # A short run has no cosine, which is no fault.
            if not names and name == "ica_aroma":
                problems.append(f"{where}: no column with '{prefix}', needed by {name}")
            columns += names
    if problems:
        raise InputProblem(problems)
    return columns


def component_names(table, meta, mask) -> list[str]:
    """CompCor columns of one mask in their order, those that were not retained left out.

    Parameters
    ----------
    table : pandas.DataFrame
    meta : dict
    mask : {"WM", "CSF", "combined", "temporal"}

    Returns
    -------
    list of str
    """
    own = {"WM": "w", "CSF": "c", "temporal": "t"}.get(mask, "-")
    names = []
    for name in table.columns:
        match = re.fullmatch(r"([a-z])_comp_cor_\d+", name)
        entry = meta.get(name, {})
        if not match or not isinstance(entry, dict) or not entry.get("Retained", True):
            continue
        given = entry.get("Mask", mask if match[1] == own else None)
        if match[1] == "t":
            given = "temporal"
        if given == mask:
            names.append(name)
    return sorted(names, key=lambda name: int("".join(filter(str.isdigit, name))))


def scrubbed(table, options=None, where="confounds") -> np.ndarray:
    """Volumes that component `scrub` keeps, as nilearn does from the table's own traces.

    Parameters
    ----------
    table : pandas.DataFrame
        With `framewise_displacement` (mm) and `std_dvars`.
    options : dict, optional
        `fd_threshold` (0.5 mm), `std_dvars_threshold` (1.5), `scrub` (5 volumes).
    where : str
        File name for messages.

    Returns
    -------
    ndarray of bool, shape (n_volumes,)

    Raises
    ------
    InputProblem
        When a trace is missing.

    References
    ----------
    Power et al. (2014), NeuroImage 84:320-341.
    """
    options = options or {}
    limits = {
        "framewise_displacement": options.get("fd_threshold", 0.5),
        "std_dvars": options.get("std_dvars_threshold", 1.5),
    }
    if problems := [
        f"{where}: no column '{name}', needed by scrub" for name in limits if name not in table
    ]:
        raise InputProblem(problems)
    keep = ~np.any([table[name].to_numpy() > limit for name, limit in limits.items()], axis=0)
    return drop_short_segments(keep, int(options.get("scrub", 5)))
