"""How often the 95 % intervals of the diagnosis hold the score that they are about.

    python benchmarks/intervals.py [--replicates 400] [--out benchmarks/results/intervals.md]

Planted cohorts of 80 and 300 people from four sites, 60 features, with and without a difference
between cases and controls, with and without sites that differ in their features and in their share
of cases. Every replicate is a new cohort, judged as the stage `adhd` judges it: 3 x 5 pooled folds
and one site left out, 40 components and a shrunken discriminant, labels permuted within sites. The
score that an interval is about is the mean over all replicates, 0.5 where nothing is planted.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from page import heading, table
from threadpoolctl import threadpool_limits

from neuro.adhd.diagnosis.intervals import null_interval
from neuro.adhd.diagnosis.mask import Rows
from neuro.adhd.diagnosis.metrics import bootstrap_metrics, interval, score_metrics
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.permutation import permute_labels
from neuro.stats.subjects import iterate_folds, make_folds

N_FEATURES, N_SITES, REPEATS = 60, 4, 3
PERMUTATIONS = (20, 50)
SETTINGS = tuple(
    (n, signal, sites)
    for n in (80, 300)
    for signal in (0.0, 1.5)
    for sites in ("alike", "different", "drawn")
)
"""People, distance of the means in SD, sites: `different` fixes the counts of cases at a site,
`drawn` draws them anew in every cohort."""


def cohort(n, signal, sites, seed):
    """Features (n, 60), labels and sites of one planted cohort."""
    rng = np.random.default_rng([seed, n, int(10 * signal), len(sites)])
    fixed = np.random.default_rng(99)
    direction = fixed.standard_normal(N_FEATURES)
    shift = 0.5 * fixed.standard_normal((N_SITES, N_FEATURES)) * (sites != "alike")
    share = np.full(N_SITES, 0.45) if sites == "alike" else np.linspace(0.25, 0.65, N_SITES)
    site = np.arange(n) % N_SITES
    y = rng.random(n) < share[site]
    if sites != "drawn":
        for one in range(N_SITES):
            rows = rng.permutation(np.flatnonzero(site == one))
            y[rows] = np.arange(len(rows)) < round(share[one] * len(rows))
    X = rng.standard_normal((n, N_FEATURES)) + shift[site]
    return X + signal * np.outer(y - 0.45, direction / np.linalg.norm(direction)), y, site


def replicate(n, signal, sites, seed) -> list[dict]:
    """Balanced accuracy of one cohort, and each interval, by scheme."""
    X, y, site = cohort(n, signal, sites, seed)
    who = np.array([f"{row:04d}" for row in range(n)])
    place = np.array([f"site {one}" for one in site])
    people = pd.DataFrame({"participant_id": who, "site": place, "site_group": place})
    people["dx"] = y.astype(int)
    folds = make_folds(people, repeats=REPEATS, random_state=seed)
    rows = Rows(X, who, place, place, None)
    model = GraphDiagnosis(mask_rule="none", n_components=40)
    found = []
    for scheme, part in folds.groupby("scheme", sort=False):
        splits = list(iterate_folds(part, who))
        cells = place.astype(object)
        if scheme == "pooled":
            for _, repeat, fold, _, test in splits:
                if repeat == 1:
                    cells[test] = cells[test] + fold
        key = 0 if scheme == "pooled" else 1
        turned = [permute_labels(y, who, cells, k, seed, key) for k in range(max(PERMUTATIONS))]
        labels = np.column_stack([y, *turned])
        decisions = np.empty((n, REPEATS if scheme == "pooled" else 1))
        null = np.empty(labels.shape)
        for _, repeat, _, train, test in splits:
            some = labels if repeat == 1 else labels[:, :1]
            out = model.decide_many(rows.take(train), some[train], rows.take(test))
            decisions[test, repeat - 1] = out[:, 0]
            if repeat == 1:
                null[test] = out
        value = score_metrics(y, decisions)["balanced_accuracy"].mean()
        null = score_metrics(labels, null)["balanced_accuracy"][1:]
        again = bootstrap_metrics(y, decisions, who, 200, seed)["balanced_accuracy"]
        bounds = {"bootstrap over subjects": interval(again)}
        other = float(np.ptp(bounds["bootstrap over subjects"])) / 2
        for m in PERMUTATIONS:
            bounds[f"permutation, {m}"] = null_interval(
                value, null[:m], "balanced_accuracy", at_least=other
            )
        for name, (low, high) in bounds.items():
            found.append({"scheme": scheme, "interval": name, "value": value})
            found[-1] |= {"low": low, "high": high}
    return found


def coverage(n, signal, sites, n_replicates) -> pd.DataFrame:
    """Share of replicates whose interval holds the expected score, by scheme and interval."""
    rows = [row for seed in range(n_replicates) for row in replicate(n, signal, sites, seed)]
    rows = pd.DataFrame(rows)
    mean = rows.groupby("scheme")["value"].transform("mean")
    nothing = signal == 0 and (sites == "alike")
    truth = np.where(nothing, 0.5, mean)
    rows["held"] = (rows["low"] <= truth) & (truth <= rows["high"])
    rows["half"] = (rows["high"] - rows["low"]) / 2
    found = rows.groupby(["scheme", "interval"])[["held", "half", "value"]].mean()
    return found.reset_index().assign(n=n, signal=signal, sites=sites)


def main():
    """Measure every setting and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the settings")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    start, parts = time.process_time(), []
    chosen = range(len(SETTINGS)) if arguments.only is None else arguments.only
    for setting in (SETTINGS[number] for number in chosen):
        parts.append(coverage(*setting, arguments.replicates))
        print(parts[-1].round(3).to_string(), f"{time.process_time() - start:.0f} s", flush=True)
    found = pd.concat(parts)
    names = list(dict.fromkeys(found["interval"]))
    lines = []
    keys = ["n", "signal", "sites", "scheme"]
    for key, part in found.groupby(keys, sort=False):
        part = part.set_index("interval")
        cells = [f"{part.loc[name, 'held']:.3f} ({part.loc[name, 'half']:.3f})" for name in names]
        lines.append([*key, f"{part['value'].iloc[0]:.3f}", *cells])
    spent = f"One thread, {time.process_time() - start:.0f} CPU s"
    text = heading(
        "Coverage of the intervals of the diagnosis",
        f"python benchmarks/intervals.py --replicates {arguments.replicates}",
        ("numpy", "scipy", "scikit-learn"),
        f"{spent}; share of {arguments.replicates} cohorts whose 95 % interval holds the expected "
        "balanced accuracy, in brackets its mean half width",
    )
    text += table(["n", "signal, SD", "sites", "scheme", "score", *names], lines)
    if arguments.out:
        arguments.out.write_text("\n".join(text).rstrip() + "\n", "utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
