"""Protected removal under another split and other readouts: what the figures of a claim hang on.

    python benchmarks/demovae_readouts.py [--out table.md]

Halves by `StratifiedKFold(2, shuffle=True)` on site and diagnosis instead of ours; ridge and plain
logistic regression of scikit-learn instead of our ridge and penalised discriminant, trained in the
people of the fit, or fresh (5 shuffled folds inside the half that no fit has seen); site as
balanced accuracy and as share of people that is right; norm ratio in new people and in those of
the fit. Data as in `benchmarks/demovae_real.py`. Runs on
one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from children import children, planted
from page import heading, table
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from neuro.demovae.training.protected import ProtectedLatents

LATENTS, SPLITS = 60, (1, 2)
PENALTIES = np.logspace(-1, 5, 13)
PROTECTED = [{"name": "age", "type": "continuous"}, {"name": "sex", "type": "categorical"}]
HEAD = [
    *("data", "split", "readouts", "method", "age", "age within site", "site, balanced"),
    *("site, right", "given biology, balanced", "given biology, right", "norm ratio"),
]


def guessed(Z, y, model, splits, biology=None):
    """Predictions for rows outside; biology is regressed out of the features inside."""
    guess = np.empty(len(y), dtype=y.dtype)
    for inside, out in splits:
        rows, new = Z[inside], Z[out]
        if biology is not None:
            slope = np.linalg.lstsq(biology[inside], rows, rcond=None)[0]
            rows, new = rows - biology[inside] @ slope, new - biology[out] @ slope
        guess[out] = make_pipeline(StandardScaler(), model).fit(rows, y[inside]).predict(new)
    return guess


def norm_ratio(Z, site) -> float:
    """Largest over smallest median of the squared norm of a site."""
    size = ((Z - Z.mean(axis=0)) ** 2).sum(axis=1)
    medians = [np.median(size[site == name]) for name in np.unique(site)]
    return max(medians) / min(medians)


def described(rows):
    """Age, age minus its site's mean, site and biology of people."""
    age, site = rows["age"].to_numpy(float), rows["site"].to_numpy(str)
    mean = rows.groupby("site")["age"].transform("mean").to_numpy(float)
    away = age - age.mean()
    male = (rows["sex"].astype(str) == "M").to_numpy(float)
    biology = np.column_stack([np.ones(len(away)), away, np.minimum(away, 0) ** 2, male])
    return age, age - mean, site, biology


def figures(Z, rows, first) -> list[float]:
    """All figures of new people.

    `first` of the rows are those of the fit, on whom readouts are trained; where there are none,
    readouts are fresh.
    """
    age, within, site, biology = described(rows)
    new = np.arange(first, len(Z))
    halves = [(np.arange(first), new)] if first else None
    folds = halves or list(KFold(5, shuffle=True, random_state=0).split(Z))
    scores = [
        r2_score(y[new], guessed(Z, y, RidgeCV(PENALTIES), folds)[new]) for y in (age, within)
    ]
    folds = halves or list(StratifiedKFold(5, shuffle=True, random_state=0).split(Z, site))
    for given in (None, biology):
        guess = guessed(Z, site, LogisticRegression(max_iter=2000), folds, given)[new]
        scores += [score(site[new], guess) for score in (balanced_accuracy_score, accuracy_score)]
    return scores


def lines(words, people) -> list[list]:
    """Lines of the table for one cohort: mean of both halves, per split and method."""
    told = people.demographics.assign(site=people.demographics["site"].astype(str))
    dx = told["dx"].astype(str) if "dx" in told else ""
    strata = (told["site"] + dx).to_numpy()
    out = []
    for split in SPLITS:
        scores: dict = {}
        halves = StratifiedKFold(2, shuffle=True, random_state=split)
        for fit, new in halves.split(strata, strata):
            X, X_new = people.edges[fit], people.edges[new]
            rows = [told.iloc[which].reset_index(drop=True) for which in (fit, new)]
            small = PCA(LATENTS, svd_solver="full").fit(X)
            shield = ProtectedLatents(LATENTS, protect=PROTECTED).fit(X, demographics=rows[0])
            features = {
                "principal components": (small.transform(X), small.transform(X_new)),
                "protected": (
                    shield.transform(X, demographics=rows[0]),
                    shield.transform(X_new, demographics=rows[1]),
                ),
            }
            for name, (Z, Z_new) in features.items():
                both = np.vstack([Z, Z_new]).astype(np.float64)
                trained = figures(both, pd.concat(rows, ignore_index=True), len(Z))
                fresh = figures(Z_new.astype(np.float64), rows[1], 0)
                sites = [part["site"].to_numpy(str) for part in rows]
                trained.append(norm_ratio(Z, sites[0]))
                fresh.append(norm_ratio(Z_new, sites[1]))
                scores.setdefault(("people of the fit", name), []).append(trained)
                scores.setdefault(("fresh", name), []).append(fresh)
        for names, own in scores.items():
            out.append([words, split, *names, *(f"{x:.3f}" for x in np.mean(own, axis=0))])
    return out


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    begin = time.process_time()
    rows = [
        *lines("ADHD-200, six sites", children(merged=False)),
        *lines("planted, three sites", planted()),
    ]
    note = "Norm ratio: of the people whom the readouts are trained in. "
    note += f"{time.process_time() - begin:.0f} CPU s"
    command = "python benchmarks/demovae_readouts.py"
    packages = ("numpy", "scipy", "scikit-learn")
    head = heading("Protected removal under other readouts", command, packages, note)
    text = "\n".join([*head, *table(HEAD, rows)]).rstrip() + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
