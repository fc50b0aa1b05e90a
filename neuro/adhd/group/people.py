"""Who is compared, on what, and what is taken out: the design of the group comparison."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.adhd.targets.judge import Target, read_target
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.stats.covariate_code import CovariateCode
from neuro.stats.permuted.design import Design, arrangements

STEP = "adhd_group"
KEY = "adhd.group"
FEWEST_DF = 5
"""Residual degrees of freedom below which nothing is tested (ours)."""
FEWEST_ARRANGEMENTS = 20
"""With fewer arrangements no p reaches .05."""
FEWEST_OF_A_CLASS = 5
"""Smaller classes are left out: single people would decide (ours)."""


@dataclasses.dataclass(frozen=True)
class Compared:
    """The people of the comparison.

    Attributes
    ----------
    people : pandas.DataFrame
        Their rows.
    design : Design
    target : Target
    exclusions : list of dict
        People, classes and covariates that were left out.
    """

    people: pd.DataFrame
    design: Design
    target: Target
    exclusions: list


def compare(people: pd.DataFrame, settings, site_groups=None) -> Compared:
    """The design from the participants table.

    Parameters
    ----------
    people : pandas.DataFrame
        One row per person with features: participant_id, site, the target and the covariates.
    settings : dict
        Section `adhd.group`: target, kind, covariates.
    site_groups : mapping of str to sequence of str, optional
        Sites that count as one.

    Returns
    -------
    Compared

    Raises
    ------
    InputProblem
        When the target is absent or does not vary, a covariate or the target is a combination of
        others (named), or too few degrees of freedom or arrangements within sites are left.
    """
    merged = {old: name for name, members in (site_groups or {}).items() for old in members}
    site = people["site"].astype(object).where(people["site"].notna(), "n/a").astype(str)
    people = people.assign(site=[merged.get(name, name) for name in site])
    left_out: list[dict] = []
    names = _covariates(people, settings, left_out)
    complete = people[names].notna().all(axis=1) if names else np.ones(len(people), dtype=bool)
    for row in people[~complete].itertuples():
        gaps = [name for name in names if pd.isna(getattr(people.loc[row.Index], name))]
        left_out.append(exclusion(row.participant_id, STEP, f"no {', '.join(gaps)}"))
    people = people[complete].reset_index(drop=True)
    try:
        target, more = read_target(
            people, settings["target"], settings["kind"], FEWEST_OF_A_CLASS, STEP, f"{KEY}.target"
        )
    except InputProblem as error:
        raise InputProblem(f"{error} (of {len(people)} people with all covariates)") from None
    left_out += more
    people = people.iloc[target.rows].reset_index(drop=True)
    design = _design(people, target, names, left_out)
    _check(design, len(people), settings["target"])
    return Compared(people, design, target, left_out)


def _covariates(people, settings, left_out) -> list[str]:
    """Covariates that the table has and that vary; the others are listed."""
    columns = []
    for name in dict.fromkeys(settings["covariates"]):
        if name == settings["target"]:
            why = "it is the target"
        elif name not in people:
            why = "not in the participants table"
        elif people[name].notna().sum() == 0:
            why = "no value"
        elif people[name].nunique() < 2:
            why = f"one value only ({people[name].dropna().iloc[0]})"
        else:
            columns.append(name)
            continue
        left_out.append(exclusion(f"covariate {name}", STEP, why))
    return columns


def _design(people, target: Target, names, left_out) -> Design:
    numbers = [name for name in names if people[name].nunique() > 1]
    for name in set(names) - set(numbers):
        left_out.append(exclusion(f"covariate {name}", STEP, "one value only among these people"))
    table = people[numbers]
    code = CovariateCode().learn(table, len(people))
    if target.kind == "number":
        effect = target.y[:, None] - target.y.mean()
        effects = [target.name]
    else:
        effect = (target.y[:, None] == np.arange(1, len(target.classes))).astype(float)
        effects = [f"{target.name}={name}" for name in target.classes[1:]]
    blocks = np.unique(people["site"].to_numpy(str), return_inverse=True)[1]
    nuisance = code.transform(table, len(people))
    return Design(effect, nuisance, np.ravel(blocks), tuple(effects), tuple(code.names_))


def _check(design: Design, n: int, target: str) -> None:
    df = n - 1 - design.nuisance.shape[1] - design.effect.shape[1]
    if df < FEWEST_DF:
        raise InputProblem(
            f"{KEY}: {n} people and {design.nuisance.shape[1]} covariate columns leave {df} "
            f"degrees of freedom, expected {FEWEST_DF} at least; name fewer covariates"
        )
    try:
        design.check()
    except ValueError as error:
        raise InputProblem(f"{KEY}.covariates: {error}") from None
    ways = arrangements(design.effect, design.blocks)
    if ways < np.log(FEWEST_ARRANGEMENTS) - 1e-9:
        raise InputProblem(
            f"{KEY}: values of '{target}' can be arranged in {round(np.exp(ways))} ways within "
            f"sites, so no p can reach .05; {FEWEST_ARRANGEMENTS} are needed"
        )
