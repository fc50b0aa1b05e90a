"""The subjects of the diagnosis: features, participants and folds brought together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.adhd.features.table import FeatureTable
from neuro.io.formats.tables import read_tsv
from neuro.io.problems import InputProblem
from neuro.stats.subjects import make_folds, possible_schemes, select_subjects


@dataclasses.dataclass(frozen=True)
class Subjects:
    """Who has features, and who of them is diagnosed.

    Attributes
    ----------
    table : pandas.DataFrame
        Everybody with features: participants columns, `mean_fd` (mm), `site_group`,
        `diagnosed`.
    folds : pandas.DataFrame
        participant_id, scheme, repeat, fold.
    exclusions : list of dict
    """

    table: pd.DataFrame
    folds: pd.DataFrame
    exclusions: list


def gather(participant_ids, participants, qc, settings, seed) -> Subjects:
    """Choose who is diagnosed and make the folds.

    Parameters
    ----------
    participant_ids : sequence of str
        Subjects with features.
    participants : pandas.DataFrame
    qc : pandas.DataFrame
        Group quality table; its `mean_fd` is averaged over a subject's runs.
    settings : dict
        Keys site_groups, keep_single_class_sites, schemes, outer_folds, repeats.
    seed : int

    Returns
    -------
    Subjects

    Raises
    ------
    InputProblem
        When no subject with features is in the participants table, or one class is left.
    """
    people = participants[participants["participant_id"].isin(set(participant_ids))]
    if people.empty:
        raise InputProblem(
            f"participants: none of {len(participant_ids)} subjects with features is listed; "
            f"first '{next(iter(participant_ids))}', in the table "
            f"'{participants['participant_id'].iloc[0]}'"
        )
    fd = qc[qc["status"] == "used"].groupby("participant_id")["mean_fd"].mean()
    people = people.assign(
        mean_fd=people["participant_id"].map(fd).fillna(people.get("mean_fd", np.nan))
    )
    chosen, left_out = select_subjects(
        people,
        site_groups=settings["site_groups"],
        keep_single_class_sites=settings["keep_single_class_sites"],
    )
    schemes, impossible = possible_schemes(chosen, settings["schemes"])
    left_out += impossible
    folds = make_folds(
        chosen,
        schemes=schemes,
        outer_folds=settings["outer_folds"],
        repeats=settings["repeats"],
        random_state=seed,
    )
    groups = chosen.set_index("participant_id")["site_group"]
    table = people.assign(
        site_group=people["participant_id"].map(groups),
        diagnosed=people["participant_id"].isin(set(chosen["participant_id"])).astype(int),
    )
    return Subjects(table.sort_values("participant_id", ignore_index=True), folds, left_out)


def load(features_path, subjects_path) -> tuple[FeatureTable, pd.DataFrame]:
    """Features and table of the diagnosed subjects, in the same order."""
    table = read_subjects(subjects_path)
    chosen = table[table["diagnosed"] == 1].reset_index(drop=True)
    return FeatureTable.load(features_path).rows(chosen["participant_id"]), chosen


def read_subjects(path) -> pd.DataFrame:
    """Read `subjects.tsv`; labels stay text."""
    text = dict.fromkeys(("participant_id", "site", "site_group", "sex"), str)
    return read_tsv(path, dtype=text)


def read_folds(path) -> pd.DataFrame:
    """Read `folds.tsv`; names of folds stay text."""
    return read_tsv(path, dtype={"participant_id": str, "scheme": str, "fold": str})
