"""Group inference beside a plain network-based statistic: time, false positives, power.

The plain one fits every permutation of the residuals by `numpy.linalg.lstsq`, edge by edge sums of
squares, and walks components with networkx; both get the same permutations and must agree.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import networkx
import numpy as np
import pandas as pd
from page import heading, table
from threadpoolctl import threadpool_limits

from neuro.adhd.features.table import FeatureTable
from neuro.adhd.group import analysis, people
from neuro.stats.permuted.model import PermutedModel
from neuro.stats.permuted.networks import components, enhance

SETTINGS = {
    "target": "dx",
    "kind": "auto",
    "covariates": ["age", "sex", "mean_fd", "site"],
    "permutations": 199,
    "component_p": 0.01,
    "tfce_extent": 0.4,
    "tfce_height": 3.0,
    "tfce_step": 0.1,
    "log1p": True,
}
FAMILIES = ("edges alone", "enhanced (TFCE)", "extent", "intensity", "nodes")


def cohort(n, seed, classes=2):
    """Participants of three sites that differ in age and in the share of cases."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 3, n)
    chance = np.array([0.3, 0.5, 0.7])[site]
    dx = (rng.random(n) < chance) if classes == 2 else rng.integers(0, classes, n)
    return pd.DataFrame(
        {
            "participant_id": [f"{k:04d}" for k in range(n)],
            "site": [f"s{k}" for k in site],
            "dx": dx.astype(float),
            "age": rng.uniform(8, 14, n) + site,
            "sex": np.where(rng.random(n) < 0.5, "F", "M"),
            "mean_fd": rng.gamma(3, 0.05, n),
            "index": rng.gamma(2, 10, n) + 5 * site,
        }
    )


def noise(frame, regions, rng):
    """Edges of region profiles with heavy tails; site, age and motion in all of them, dx in none.

    Edges that share a region are correlated; sites differ in mean and in spread.
    """
    n = len(frame)
    pairs = np.column_stack(np.triu_indices(regions, 1))
    site = np.unique(frame["site"], return_inverse=True)[1]
    profile = rng.standard_normal((n, regions))
    Y = rng.standard_t(5, (n, len(pairs))) + profile[:, pairs[:, 0]] + profile[:, pairs[:, 1]]
    Y *= np.array([0.8, 1.0, 1.3])[site][:, None]
    Y += rng.standard_normal((3, len(pairs)))[site]
    Y += 0.3 * (frame["age"].to_numpy()[:, None] - 11) * rng.standard_normal(len(pairs))
    return Y + 5 * frame["mean_fd"].to_numpy()[:, None] * rng.standard_normal(len(pairs))


def tested(frame, Y, regions, **changes):
    """p of every family; `held` of every edge by edge alone, enhanced and component."""
    settings = {**SETTINGS, **changes}
    compared = people.compare(frame, settings)
    text, empty = np.array([], str), np.array([])
    maps = FeatureTable(np.zeros((len(frame), 0)), text, text, text, empty, empty, empty)
    return analysis.run(Y, [f"r{k}" for k in range(regions)], maps, compared, settings, 0)


def smallest(found):
    """Smallest family-wise p of each of :data:`FAMILIES`."""
    parts = found.parts
    return [
        found.edges["p_fwe"].min(),
        found.edges["p_tfce"].min(),
        parts["p_extent"].min() if len(parts) else 1.0,
        parts["p_intensity"].min() if len(parts) else 1.0,
        found.nodes["p_fwe"].min(),
    ]


def false_positives(n_cohorts) -> list[list[str]]:
    """Share of cohorts without effect that have a family-wise p of at most .05."""
    lines = []
    for target, words, gaps in (
        ("dx", "two classes", False),
        ("dx", "three classes", False),
        ("index", "a number", False),
        ("dx", "two classes, a region dead in 5 %", True),
    ):
        hits = []
        for number in range(n_cohorts):
            frame = cohort(60, number, 3 if words == "three classes" else 2)
            Y = noise(frame, 16, np.random.default_rng(100_000 + number))
            if gaps:
                pairs = np.column_stack(np.triu_indices(16, 1))
                dead = np.random.default_rng(200_000 + number).choice(60, 3, replace=False)
                Y[np.ix_(dead, np.flatnonzero((pairs == number % 16).any(axis=1)))] = np.nan
            found = tested(frame, Y, 16, target=target, permutations=99, component_p=0.02)
            hits.append(np.array(smallest(found)) <= 0.05 + 1e-9)
        lines.append([words, *(f"{share:.3f}" for share in np.mean(hits, axis=0))])
    return lines


def power(n_cohorts) -> list[list[str]]:
    """Share of planted edges held, and of others held falsely, by each statistic."""
    regions, planted = 20, 6
    pairs = np.column_stack(np.triu_indices(regions, 1))
    inside = (pairs < planted).all(axis=1)
    lines = []
    for size in (0.4, 0.6, 0.8):
        rows = []
        for number in range(n_cohorts):
            frame = cohort(120, 50_000 + number)
            rng = np.random.default_rng(60_000 + number)
            Y = rng.standard_normal((120, len(pairs))) + size * np.outer(frame["dx"], inside)
            found = tested(frame, Y, regions)
            edges, parts = found.edges, found.parts
            big = set(parts.loc[parts["p_extent"] < 0.05, "component"])
            ways = [
                edges["p_fwe"] < 0.05,
                edges["p_tfce"] < 0.05,
                edges["component"].isin(big),
                edges["q"] < 0.05,
            ]
            rows.append([held[which].mean() for held in ways for which in (inside, ~inside)])
        mean = np.mean(rows, axis=0)
        cells = [f"{mean[2 * k]:.2f} ({mean[2 * k + 1]:.4f})" for k in range(4)]
        lines.append([f"{size:.1f}", *cells])
    return lines


def plain(Y, design, moves, pairs, threshold):
    """Largest component of every permutation, one fit and one graph after the other."""
    n = len(Y)
    Z = np.column_stack([np.ones(n), design.nuisance])
    X = np.column_stack([Z, design.effect])
    fitted = Z @ np.linalg.lstsq(Z, Y, rcond=None)[0]
    residuals = Y - fitted
    spread = np.linalg.inv(X.T @ X)[-1, -1]
    largest = []
    for move in moves:
        data = fitted.copy()
        data[move] += residuals
        beta = np.linalg.lstsq(X, data, rcond=None)[0]
        left = data - X @ beta
        t = beta[-1] / np.sqrt(spread * (left**2).sum(axis=0) / (n - X.shape[1]))
        most = 0
        for sign in (1, -1):
            graph = networkx.Graph([tuple(pair) for pair in pairs[sign * t > threshold]])
            for part in networkx.connected_components(graph):
                most = max(most, graph.subgraph(part).number_of_edges())
        largest.append(most)
    return np.array(largest)


def speed(n, regions, permutations, few) -> list[list[str]]:
    """CPU seconds of 1000 permutations; the plain one from fewer."""
    frame = cohort(n, 1)
    pairs = np.column_stack(np.triu_indices(regions, 1))
    Y = noise(frame, regions, np.random.default_rng(2))
    settings = {**SETTINGS, "permutations": permutations}
    design = people.compare(frame, settings).design
    threshold = analysis.z_threshold(0.001)
    enhance(np.ones((1, len(pairs))), pairs, regions)  # compiled before the clock starts
    start = time.process_time()
    model = PermutedModel(Y, design, permutations)
    largest, seconds, boosted = [], [], 0.0
    for z in model.batches():
        largest.append(components(z, pairs, regions, threshold).largest(len(z))[0])
        before = time.process_time()
        enhance(z, pairs, regions)
        boosted += time.process_time() - before
    whole = time.process_time() - start
    seconds = [whole - boosted, boosted]
    from scipy import stats

    start = time.process_time()
    t = stats.t.isf(0.0005, model.df.max())
    slow = plain(Y, design, model.moves[:few], pairs, t)
    other = (time.process_time() - start) * permutations / few
    same = int((slow == np.concatenate(largest)[:few]).sum())
    name = f"{n} people x {len(pairs)} edges, {permutations} permutations"
    return [
        [name, f"{seconds[0]:.1f}", f"{seconds[1]:.1f}", f"~{other:.0f}", f"{same} of {few}"],
    ]


def main():
    """Measure and print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=500)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    start = time.process_time()
    times = [*speed(200, 116, 1000, 20), *speed(632, 116, 1000, 10), *speed(200, 400, 1000, 4)]
    errors = false_positives(arguments.cohorts)
    n_power = max(arguments.cohorts // 5, 10)
    powers = power(n_power)
    note = f"One thread, {time.process_time() - start:.0f} CPU s in all"
    text = heading(
        "Group inference beside a plain network-based statistic, its false positives and power",
        f"python benchmarks/group_inference.py --cohorts {arguments.cohorts}",
        ("numpy", "scipy", "numba", "networkx"),
        note,
    )
    text += ["", "## Time, CPU s", ""]
    text += ["Plain: least squares and networkx, permutation by permutation, without enhancement."]
    head = ["cohort", "tests and components", "enhancement", "plain loop", "same largest component"]
    text += ["", *table(head, times)]
    error = 1.96 * np.sqrt(0.05 * 0.95 / arguments.cohorts)
    text += ["", "## False positives", ""]
    text += [
        f"Share of {arguments.cohorts} cohorts without effect with a family-wise p <= .05 (60 "
        "people of three sites with different shares of cases and spreads, 16 regions, heavy "
        f"tails, 99 permutations, components at p < .02); Monte-Carlo error of .05: {error:.3f}.",
        "",
    ]
    text += table(["target", *FAMILIES], errors)
    text += ["", "## Power", ""]
    text += [
        "15 edges among 6 of 20 regions differ between 120 people with and without a diagnosis; "
        f"share of them held, in brackets share of the other 175 ({n_power} cohorts, "
        "components at p < .01, by extent).",
        "",
    ]
    text += table(
        ["difference, SD", "edges alone", "enhanced (TFCE)", "component", "FDR q < .05"], powers
    )
    if arguments.out:
        arguments.out.write_text("\n".join(text).rstrip() + "\n", "utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
