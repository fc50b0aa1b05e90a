"""Who is judged, and in which fold: subjects are the unit of every split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.stats.splits import stratified_group_folds

SCHEMES = ("pooled", "leave_site_out")


FOLD_COLUMNS = ("participant_id", "scheme", "repeat", "fold")


def merged_sites(site, site_groups=None) -> np.ndarray:
    """Site names after merging.

    Parameters
    ----------
    site : array of str
    site_groups : mapping of str to sequence of str, optional
        Name of the merged site and the sites it stands for, e.g.
        `{"Peking": ["Peking_1", "Peking_2", "Peking_3"]}`.

    Returns
    -------
    ndarray of str
    """
    new = {old: name for name, members in (site_groups or {}).items() for old in members}
    return np.array([new.get(str(name), str(name)) for name in site], dtype=object)


def select_subjects(
    participants: pd.DataFrame,
    *,
    site_groups=None,
    keep_single_class_sites: bool = False,
    step: str = "adhd_diagnose",
) -> tuple[pd.DataFrame, list[dict]]:
    """Choose the subjects of the classification and list who is left out, and why.

    Parameters
    ----------
    participants : pandas.DataFrame
        `participant_id`, `site`, `dx` (0, 1 or missing) and whatever else is known.
    site_groups : mapping, optional
        See :func:`merged_sites`.
    keep_single_class_sites : bool, default False
        Whether sites with cases or controls only stay.
    step : str
        Name of the step in the exclusion rows.

    Returns
    -------
    selected : pandas.DataFrame
        With a new index, `dx` as integer and the column `site_group`.
    exclusions : list of dict
        Rows made by :func:`neuro.io.formats.tables.exclusion`.

    Raises
    ------
    InputProblem
        All problems at once: a column is missing, a subject has two rows that disagree, a `dx`
        that is neither 0 nor 1, nobody has a site, or one class only.
    """
    problems = [
        f"participants: no column '{name}'; found {', '.join(map(str, participants.columns[:12]))}"
        for name in ("participant_id", "site", "dx")
        if name not in participants.columns
    ]
    if problems:
        raise InputProblem(problems)
    participants = participants.reset_index(drop=True)
    dx = pd.to_numeric(participants["dx"], errors="coerce")
    odd = participants["dx"][participants["dx"].notna() & ~dx.isin((0, 1))]
    if len(odd):
        who = participants.loc[odd.index[0], "participant_id"]
        problems.append(
            f"participants: dx of '{who}' is {odd.iloc[0]}; expected 0 (control), 1 (case) or n/a"
        )
    rows = []
    for who in participants["participant_id"][dx.isna() & participants["dx"].isna()]:
        rows.append(exclusion(who, step, "no diagnosis"))
    diagnosed = participants[dx.isin((0, 1))].copy()
    diagnosed["dx"] = dx[diagnosed.index].astype(int)
    nowhere = diagnosed["site"].isna()
    if len(diagnosed) and nowhere.all():
        problems.append(
            f"participants: no site for {len(diagnosed)} subjects, first "
            f"'{diagnosed['participant_id'].iloc[0]}'; give every subject a site (one name for all "
            "is fine)"
        )
    else:
        rows += [exclusion(who, step, "no site") for who in diagnosed["participant_id"][nowhere]]
        diagnosed = diagnosed[~nowhere]
    for name in ("site", "dx"):
        several = diagnosed.groupby("participant_id")[name].nunique()
        if (several > 1).any():
            problems.append(
                f"participants: '{several.idxmax()}' has {several.max()} values of '{name}'"
            )
    if problems:
        raise InputProblem(problems)
    diagnosed["site_group"] = merged_sites(diagnosed["site"], site_groups)
    classes = diagnosed.groupby("site_group")["dx"].agg(["nunique", "size", "max"])
    for name, row in classes[classes["nunique"] < 2].iterrows():
        if not keep_single_class_sites:
            kind = "cases" if row["max"] else "controls"
            reason = f"site with {kind} only, used for maps but not for classification"
            for who in diagnosed["participant_id"][diagnosed["site_group"] == name]:
                rows.append(exclusion(who, step, reason, name))
            diagnosed = diagnosed[diagnosed["site_group"] != name]
    if diagnosed["dx"].nunique() < 2:
        counts = participants["site"].astype(str)[dx.notna()].value_counts()
        levels = ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"
        raise InputProblem(
            "participants: only one class is left for the diagnosis; it needs cases (dx 1) and "
            f"controls (dx 0) within a site; sites: {levels}"
        )
    return diagnosed.reset_index(drop=True), rows


def possible_schemes(selected, schemes, step: str = "adhd_features"):
    """Schemes that the selected subjects allow: one site cannot be left out.

    Parameters
    ----------
    selected : pandas.DataFrame
        See :func:`select_subjects`.
    schemes : sequence of str
    step : str

    Returns
    -------
    schemes : list of str
        All that were asked for where it is one only, which is then refused by its own line.
    exclusions : list of dict
    """
    n_sites = selected["site_group"].nunique()
    if n_sites > 1 or "leave_site_out" not in schemes or len(schemes) < 2:
        return list(schemes), []
    reason = "needs 2 sites with cases and controls, there is one"
    kept = [name for name in schemes if name != "leave_site_out"]
    return kept, [exclusion("scheme leave_site_out", step, reason, n_sites, 2)]


def make_folds(
    participants: pd.DataFrame,
    *,
    schemes=SCHEMES,
    outer_folds: int = 5,
    repeats: int = 5,
    random_state: int = 0,
) -> pd.DataFrame:
    """Draw the outer folds; every stage that judges a diagnosis uses this one table.

    Parameters
    ----------
    participants : pandas.DataFrame
        As returned by :func:`select_subjects` (`participant_id`, `site`, `site_group`, `dx`).
    schemes : sequence of {'pooled', 'leave_site_out'}
    outer_folds, repeats : int, default 5 and 5
        Of the pooled scheme, stratified by site and diagnosis.
    random_state : int, default 0

    Returns
    -------
    pandas.DataFrame
        `participant_id`, `scheme`, `repeat` (from 1), `fold`: the test fold, '1' to '5' in the
        pooled scheme, the name of the site that is left out in the other.

    Raises
    ------
    InputProblem
        When a scheme is unknown, a class has fewer subjects than folds, or there are fewer than
        2 sites to leave out.
    """
    people = participants.drop_duplicates("participant_id")
    tables = []
    for scheme in schemes:
        if scheme == "pooled":
            smallest = int(people["dx"].value_counts().reindex([0, 1], fill_value=0).min())
            if smallest < outer_folds:
                raise InputProblem(
                    f"outer_folds: {outer_folds} folds, but a class has only {smallest} subjects; "
                    "use fewer folds"
                )
            strata = people["site"].astype(str) + "|" + people["dx"].astype(str)
            for repeat in range(repeats):
                fold = stratified_group_folds(
                    people["participant_id"],
                    strata,
                    outer_folds,
                    seeds.stream(random_state, "outer folds", repeat),
                )
                tables.append((scheme, repeat + 1, (fold + 1).astype(str)))
        elif scheme == "leave_site_out":
            sites = sorted(people["site_group"].unique())
            if len(sites) < 2:
                raise InputProblem(
                    "leave_site_out: needs at least 2 sites with cases and controls, found "
                    f"{len(sites)} ({', '.join(sites)}); use schemes: [pooled]"
                )
            tables.append((scheme, 1, people["site_group"].to_numpy().astype(str)))
        else:
            raise InputProblem(f"schemes: got '{scheme}', expected {' or '.join(SCHEMES)}")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "participant_id": people["participant_id"].to_numpy(),
                    "scheme": scheme,
                    "repeat": repeat,
                    "fold": fold,
                }
            )
            for scheme, repeat, fold in tables
        ],
        ignore_index=True,
    )[list(FOLD_COLUMNS)]


def iterate_folds(folds: pd.DataFrame, groups):
    """Go through a fold table: `(scheme, repeat, fold, train_rows, test_rows)`.

    Parameters
    ----------
    folds : pandas.DataFrame
        As made by :func:`make_folds`.
    groups : array of str, shape (n_rows,)
        Subject of each row of the features.

    Raises
    ------
    ValueError
        When a subject is in two folds of one repeat, or is in the features but in no fold.
    """
    groups = np.asarray(groups).astype(str)
    for (scheme, repeat), group in folds.groupby(["scheme", "repeat"], sort=False):
        doubled = group["participant_id"][group["participant_id"].duplicated()]
        if len(doubled):
            raise ValueError(
                f"folds: subject '{doubled.iloc[0]}' is in two folds of {scheme}, repeat {repeat}"
            )
        where = group.set_index("participant_id")["fold"].reindex(groups)
        if where.isna().any():
            who = groups[where.isna().to_numpy()][0]
            raise ValueError(f"folds: subject '{who}' is in no fold of {scheme}, repeat {repeat}")
        where = where.to_numpy().astype(str)
        for fold in sorted(set(where)):
            test = where == fold
            yield scheme, int(repeat), fold, np.flatnonzero(~test), np.flatnonzero(test)
