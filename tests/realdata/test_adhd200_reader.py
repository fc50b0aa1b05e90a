"""The real ADHD-200 tables, read where they are: counts, lengths, content."""

import os
from pathlib import Path

import numpy as np
import pytest

from neuro.io.adhd200.cohort import read_adhd200, scan_adhd200
from neuro.io.regions.roi import check_tables, looks_transposed

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
ROOT = DATA / "adhd200_aal"
SITES = ("KKI", "NYU", "Peking_1", "Peking_2", "Peking_3", "Pittsburgh", "WashU")

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ROOT.exists(), reason="no recordings adhd200_aal/"),
]


@pytest.fixture(scope="module")
def everything():
    return read_adhd200(ROOT)


def in_band(series, tr, low=0.009, high=0.08):
    """Share of the power between two frequencies in Hz, mean over regions."""
    power = np.abs(np.fft.rfft(series - series.mean(axis=0), axis=0)) ** 2
    frequency = np.fft.rfftfreq(len(series), tr)
    inside = (frequency >= low) & (frequency <= high)
    return (power[inside].sum(axis=0) / power[1:].sum(axis=0)).mean()


def by_site(found, measure):
    values = {site: [] for site in SITES}
    for run in found.series:
        values[run.site].append(measure(run))
    return values


def test_counts(everything):
    runs, people = everything.runs, everything.participants
    assert (len(people), len(runs), len(everything.series)) == (632, 812, 812)
    assert runs.groupby("site").size().to_dict() == dict(zip(SITES, (83, 396, 85, 67, 42, 89, 50)))
    assert people.groupby("site").size().to_dict() == dict(
        zip(SITES, (83, 216, 85, 67, 42, 89, 50))
    )
    assert people["participant_id"].str.fullmatch(r"\d{7}").all()
    assert runs["run_key"].is_unique
    assert runs.groupby("site")["tr"].unique().map(list).to_dict() == dict(
        zip(SITES, ([2.5], [2.0], [2.0], [2.0], [2.0], [1.5], [2.5]))
    )


def test_every_series_has_116_regions_that_vary(everything):
    for run in everything.series:
        assert run.series.shape[1] == 116
        assert np.isfinite(run.series).all()
        assert (np.ptp(run.series, axis=0) > 0).all()
    assert check_tables(everything.series) == []
    assert everything.series[0].regions[:2] == ["2001", "2002"]


def test_lengths(everything):
    lengths = by_site(everything, lambda run: len(run.series))
    ends = {site: (min(found), max(found)) for site, found in lengths.items()}
    assert ends == {
        "KKI": (120, 148),
        "NYU": (172, 172),
        "Peking_1": (232, 232),
        "Peking_2": (232, 232),
        "Peking_3": (232, 232),
        "Pittsburgh": (192, 192),
        "WashU": (72, 129),
    }


def test_diagnoses_in_the_tables(everything):
    counts = everything.phenotypes.groupby(["site", "dx"]).size().to_dict()
    assert counts == {
        ("KKI", 0): 61,
        ("KKI", 1): 22,
        ("NYU", 0): 99,
        ("NYU", 1): 123,
        ("Peking_1", 0): 61,
        ("Peking_1", 1): 24,
        ("Peking_2", 0): 32,
        ("Peking_2", 1): 35,
        ("Peking_3", 0): 23,
        ("Peking_3", 1): 19,
        ("Pittsburgh", 0): 89,
        ("WashU", 0): 61,
    }
    assert sum(value for (_, dx), value in counts.items() if dx == 0) == 426
    assert everything.participants["age"].between(6, 25).all()
    assert set(everything.participants["sex"].dropna()) == {"F", "M"}


def test_what_was_left_out(everything):
    told = [(row["what"], row["reason"]) for row in everything.exclusions]
    failed = [what for what, reason in told if reason.startswith("failed export")]
    assert len(failed) == 8
    assert (
        sum(what.startswith("sub-001500") or what.startswith("sub-00150") for what in failed) == 2
    )
    assert sum("has no folder" in reason for _, reason in told) == 9
    assert len(told) == 17


def test_motion_maxima_of_kki(everything):
    known = everything.runs[everything.runs["max_motion_mm"].notna()]
    assert set(known["site"]) == {"KKI"}
    assert len(known) == 83


def test_band_power_says_what_is_filtered(everything):
    share = by_site(everything, lambda run: in_band(run.series, run.tr))
    assert all(np.mean(values) >= 0.95 for values in share.values())
    assert min(min(values) for values in share.values()) >= 0.88
    raw = read_adhd200(ROOT, filtered=False)
    assert raw.runs["site"].unique().tolist() == ["KKI"]
    assert len(raw.series) == 83
    assert 0.55 <= np.mean([in_band(run.series, run.tr) for run in raw.series]) <= 0.62


def test_no_real_table_looks_transposed(everything):
    assert not any(looks_transposed(run.series.astype(float)) for run in everything.series[::4])


def test_a_scan_parses_nothing_and_says_the_same(everything):
    index = scan_adhd200(ROOT)
    assert index.series == []
    assert index.runs.equals(everything.runs)
    assert index.participants.equals(everything.participants)
