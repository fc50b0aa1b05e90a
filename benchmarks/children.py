"""Children of ADHD-200 and planted people as cohorts, and halves of them, for benchmarks.

AAL-116 series of ADHD-200 lie under `adhd200_aal` of NEURO_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.cohort import Cohort, columns_from_text, evaluation_folds, gather
from neuro.demovae.evaluation import judge
from neuro.io.adhd200.cohort import read_adhd200
from neuro.io.regions.connectomes import Connectomes, pearson_connectomes
from neuro.simulate.connectomes import planted_connectomes

ROOT = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
COLUMNS = columns_from_text(
    {"age": "continuous remove", "sex": "categorical remove", "site": "categorical remove"}
)
MERGED = {"Peking": ["Peking_1", "Peking_2", "Peking_3"]}


@functools.cache
def recordings(filtered: bool):
    """All usable runs: band-passed ones of every site, or unfiltered ones of KKI."""
    sites = None if filtered else ["KKI"]
    return read_adhd200(ROOT / "adhd200_aal", filtered=filtered, sites=sites)


@functools.cache
def children(filtered=True, merged=True) -> Cohort:
    """First run of each child; unmerged: six sites without WashU, as in the recipe's table."""
    everything = recordings(filtered)
    first: dict = {}
    for run in everything.series:
        if merged or run.site != "WashU":
            first.setdefault(run.participant_id, run)
    runs = list(first.values())
    data = pearson_connectomes(runs)
    lengths = [len(run.series) for run in runs]
    qc = pd.DataFrame({"run_key": data.run_key, "mean_fd": np.nan, "n_kept": lengths})
    groups = MERGED if merged else None
    people = everything.participants
    return gather(data, people, COLUMNS, missing_rule="drop", site_groups=groups, qc=qc)


@functools.cache
def planted(n=1000, regions=64) -> Cohort:
    """Planted people with effects as in real cohorts."""
    made = planted_connectomes(n, regions, effect=1.0, random_state=0)
    who = list(made.participants["participant_id"])
    pairs = np.column_stack(np.triu_indices(regions, 1))
    keys = [f"sub-{name}" for name in who]
    data = Connectomes(made.edges, pairs, who, keys, made.region, "pearson")
    return gather(data, made.participants, COLUMNS)


def halves(people, number):
    """Both ways to fit on one half and judge on the other."""
    stream = seeds.stream(number, "halves")
    fold = evaluation_folds(people.participant_id, judge.split_strata(people), 2, stream)
    return [(people.rows(fold == part), people.rows(fold != part)) for part in (0, 1)]
