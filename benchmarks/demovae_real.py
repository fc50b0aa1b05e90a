"""Samples, attacks on them and protected removal, on real children and on planted people.

    python benchmarks/demovae_real.py [samples attacks removal] [--out table.md]

Real: AAL-116 series of ADHD-200 under `adhd200_aal` of NEURO_TEST_DATA (default ../shared/data),
first run of each child. Everything is judged on the half of the people that no fit has seen, each
half in turn. Runs on one thread.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from page import heading, table
from referee import settings
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from neuro.base import seeds
from neuro.demovae.coding.cohort import Cohort, columns_from_text, evaluation_folds, gather
from neuro.demovae.evaluation import attacks, judge
from neuro.demovae.evaluation import methods as ways
from neuro.demovae.evaluation.compare_figures import Judge
from neuro.demovae.evaluation.fold_features import estimator, fit_cohort
from neuro.demovae.sampling import makers, spectra
from neuro.io.adhd200.cohort import read_adhd200
from neuro.io.regions.connectomes import Connectomes
from neuro.simulate.connectomes import planted_connectomes

ROOT = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
COLUMNS = columns_from_text(
    {"age": "continuous remove", "sex": "categorical remove", "site": "categorical remove"}
)
MERGED = {"Peking": ["Peking_1", "Peking_2", "Peking_3"]}
SEEDS, PEOPLE = 24, 80
"""Batches of samples whose group difference is looked at, and people in each."""
PARTS = ("samples", "attacks", "removal")
LATENTS, SPLITS, SPLITS_NETWORK = 60, 5, 2
Z95 = 1.645
"""An upper bound lies so many standard errors above its figure."""


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
    upper = np.triu_indices(runs[0].series.shape[1], 1)
    data = Connectomes(
        np.array([np.corrcoef(run.series.T)[upper] for run in runs], dtype=np.float32),
        np.column_stack(upper),
        [run.participant_id for run in runs],
        [run.run_key for run in runs],
        [str(name) for name in runs[0].regions],
        "pearson",
    )
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


def closed_form(train, size, mode="linear"):
    """The autoencoder of some people, by default its closed form."""
    own = {**settings(), "latent_dim": size, "mode": mode, "unseen": "mean", "missing": "impute"}
    return fit_cohort(estimator(own, train.columns, 0), train)


def drawer(train, sampler, model, size):
    """What draws samples of some people."""
    own = {**settings(), "sampler": sampler, "latent_dim": size}
    own |= {"unseen": "mean", "missing": "impute"}
    return makers.maker(train, train.columns, model, own, 0)


def site_variances(edges, people):
    """Variance over people of each site, mean over edges."""
    site = people["site"].astype(str).to_numpy()
    return np.array([edges[site == name].var(axis=0).mean() for name in sorted(set(site))])


def spread_of_a_difference(draw, people):
    """Spread of a group difference over batches by what a t-test takes it for; jackknife SE."""
    rows = people.iloc[:PEOPLE].reset_index(drop=True)
    male = (rows["sex"] == "M").to_numpy()
    gaps, assumed = [], []
    for seed in range(SEEDS):
        a, b = (lambda made: (made[male], made[~male]))(draw(rows, 100 + seed))
        gaps.append(a.mean(axis=0) - b.mean(axis=0))
        assumed.append(np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b)))
    gaps, assumed = np.array(gaps), np.array(assumed)

    def ratio(keep):
        return (gaps[keep].std(axis=0, ddof=1) / assumed[keep].mean(axis=0)).mean()

    left = [ratio(np.arange(SEEDS) != k) for k in range(SEEDS)]
    return ratio(np.arange(SEEDS)), np.sqrt((SEEDS - 1) * np.var(left))


def likeness(edges, test, judged_too=True):
    """Figures of one set of connectomes beside the held-out people."""
    n_regions = len(test.region)
    names = ("linear", "rbf", "eigenvalues")
    apart = spectra.told_apart(test.edges, edges, n_regions) if judged_too else {}
    figures = [apart.get(name, np.nan) for name in names]
    values = spectra.eigenvalues(edges, n_regions)
    figures += [spectra.tiny_eigenvalues(edges, n_regions), (values < spectra.TINY).mean()]
    return [*figures, np.corrcoef(edges.mean(axis=0), test.edges.mean(axis=0))[0, 1]]


def samples():
    """Samples beside held-out people, and people of the other half beside them."""
    cohorts = {
        f"planted, 500 to fit, {LATENTS} latents": planted(),
        "ADHD-200, band-passed, six sites": children(merged=False),
        "KKI, not filtered": children(filtered=False),
    }
    lines = []
    for words, people in cohorts.items():
        found: dict = {}
        for train, test in halves(people, 0):
            told = test.demographics
            draws = {"full_rank": drawer(train, "full_rank", None, LATENTS)}
            if "planted" in words:
                draws["model"] = drawer(train, "model", closed_form(train, LATENTS), LATENTS)
            made = {kind: (draw(told, 1), told) for kind, draw in draws.items()}
            made |= {"real": (test.edges, told)}
            made |= {"people of the fit (null)": (train.edges, train.demographics)}
            real = site_variances(test.edges, told)
            for kind, (edges, rows) in made.items():
                own = found.setdefault(kind, {"figures": [], "spread": None})
                figures = likeness(edges, test, kind != "real")
                ours = site_variances(edges, rows)
                figures.append(np.corrcoef(ours, real)[0, 1] if len(real) > 2 else np.nan)
                own["figures"].append(figures)
                if kind in draws and own["spread"] is None:
                    own["spread"] = spread_of_a_difference(draws[kind], told)
        for kind, own in found.items():
            lines.append([words, kind, *both(own["figures"]), spread(own["spread"])])
    head = ["data", "connectomes", "linear", "rbf", "eigenvalues", "tiny eigenvalues"]
    head += ["share of tiny ones", "r of mean edges", "r of the sites' variances"]
    note = "AUC of classifiers that tell them from held-out people (.5: not told); tiny: below 1e-4"
    note += ", median per person; both halves, in brackets one by one; spread of a group "
    note += f"difference over {SEEDS} seeds by what a t-test assumes, with its standard error."
    return ["## Samples", "", note, "", *table([*head, "spread of a difference"], lines)]


def both(figures):
    """Mean over the halves and each of them."""
    return [
        "-"
        if np.isnan(values).any()
        else f"{np.mean(values):.3g} ({', '.join(map(short, values))})"
        for values in np.array(figures).T
    ]


def short(value):
    return f"{value:.3g}"


def spread(value):
    return "-" if value is None else f"{value[0]:.2f} ± {value[1]:.2f}"


def released(draw, train, n_most):
    """Samples for people like those of the fit; drawn once for all attacks."""
    rows = train.demographics.sample(n_most, replace=True, random_state=1).reset_index(drop=True)
    return functools.cache(lambda n, seed: (draw(rows.iloc[:n], seed), rows.iloc[:n]))


def attacked(train, members, others, more, size, n_released):
    """Lines of all attacks on one half; `more` are further people who were in no fit."""
    lines = []
    groups = [(people.edges, people.demographics) for people in (members, others, more)]
    model = closed_form(train, size)
    for sampler in ("full_rank", "model"):
        kept = released(drawer(train, sampler, model, size), train, max(n_released, 10 * size))
        arguments = (kept, n_released, size)
        curve = attacks.attack_curve(*arguments, model, *groups[:2], train.columns)
        null = attacks.attack_curve(*arguments, model, groups[2], groups[1], train.columns)
        key = ["attack", "n_released"]
        empty = attacks.strongest(null).set_index(key)["auc"]
        for row in attacks.strongest(curve).itertuples():
            if row.attack == "weights" and sampler == "full_rank":
                continue
            what = "weights of the closed form" if row.attack == "weights" else sampler
            chance = empty[row.attack, row.n_released]
            lines.append([what, row.n_released or "-", *interval(row), f"{chance:.3f}"])
    model = closed_form(train, size, "network")
    rows = [attacks.attack_weights(model, group, groups[1]) for group in (groups[0], groups[2])]
    row = pd.DataFrame(rows[:1]).iloc[0]
    return [*lines, ["weights of the network", "-", *interval(row), f"{rows[1]['auc']:.3f}"]]


def interval(row):
    """Area with its 95 % interval, and the one-sided upper bound."""
    error = (row.upper - row.auc) / Z95
    low, high = row.auc - 1.96 * error, min(row.auc + 1.96 * error, 1.0)
    return [f"{row.auc:.3f} [{low:.3f}, {high:.3f}]", f"{row.upper:.3f}"]


def attack():
    """Attacks on what is released, by how much is released."""
    people = planted(1500)
    third = np.arange(len(people.edges)) % 3
    parts = [people.rows(third == k) for k in range(3)]
    lines = [
        ["planted, 500 people, 20 latents", *row] for row in attacked(parts[0], *parts, 20, 500)
    ]
    train, test = halves(children(merged=True), 0)[0]
    fold = evaluation_folds(
        test.participant_id, judge.split_strata(test), 2, seeds.stream(1, "halves")
    )
    rest = [test.rows(fold == part) for part in (0, 1)]
    words = f"ADHD-200, {len(train.edges)} children, {LATENTS} latents"
    lines += [[words, *row] for row in attacked(train, train, *rest, LATENTS, 200)]
    head = ["data", "attack on", "samples released", "AUC, 95 % interval", "upper bound"]
    note = "Best of seven ranks, people of the fit against others like them. `null`: the same for "
    note += "people of whom neither group was in the fit, best rank again, so it lies above .5."
    return ["## Attacks", "", note, "", *table([*head, "null"], lines)]


FIGURES = {
    "age": ("left", "age"),
    "within": ("within site", "age"),
    "site": ("left", "site"),
    "given": ("given biology", "site"),
    "scale": ("scale", "site"),
}


def judged(people, names, dealt=False, splits=SPLITS):
    """Figures of each method in every half of several splits: {method: (n_halves, n_figures)}."""
    found: dict = {name: [] for name in names}
    floor = []
    for number in range(splits):
        for train, test in halves(people, number):
            tables = [part.demographics.copy() for part in (train, test)]
            if dealt:
                for place, own in enumerate(tables):
                    rng = np.random.default_rng([number, place])
                    own["site"] = rng.permutation(own["site"].to_numpy())
            who = train.participant_id, test.participant_id
            judge_ = Judge("halves", *tables, COLUMNS, *who, ("linear",), 0)
            for name in names:
                if name == "network" and number >= SPLITS_NETWORK:
                    continue
                Z, Z_new = ways.features(
                    *(name, train.edges, test.edges, *tables, COLUMNS, LATENTS),
                    *({k: v for k, v in settings().items() if k != "latent_dim"}, who[0], 0),
                )[LATENTS]
                rows = judge_(Z, Z_new, train.edges, test.edges, LATENTS)
                values = {(row["measure"], row["target"]): row["value"] for row in rows}
                found[name].append([values[key] for key in FIGURES.values()])
                floor.append(values["biology alone", "site"])
    return {name: np.array(rows) for name, rows in found.items()}, float(np.mean(floor))


def corrected(values):
    """Mean over halves and half-width of its 95 % interval (Nadeau and Bengio 2003).

    Each half is judged on as many people as are fitted, and halves of other splits overlap.
    """
    n = len(values)
    wide = student.ppf(0.975, n - 1) * np.std(values, axis=0, ddof=1) * np.sqrt(1 / n + 1)
    return np.mean(values, axis=0), wide


def with_width(values):
    return [f"{mean:.3f} ± {wide:.3f}" for mean, wide in zip(*corrected(values))]


def removal():
    """Protected removal with sites as they are and dealt at random, and latents against ComBat."""
    lines = []
    cohorts = {"ADHD-200, six sites": children(merged=False), "planted, three sites": planted()}
    for words, people in cohorts.items():
        for dealt in (False, True):
            found, floor = judged(people, ("none", "combat", "protected"), dealt)
            kind = "dealt at random" if dealt else "as they are"
            lines += [
                [words, kind, name, *with_width(rows), f"{floor:.3f}"]
                for name, rows in found.items()
            ]
    head = ["data", "sites", "method", "age", "age within site", "site", "site given biology"]
    first = table([*head, "norm ratio", "biology alone"], lines)
    names = ("residual", "combat_residual", "covbat_residual", "linear", "network")
    found, _ = judged(children(merged=True), names)
    base = found["combat_residual"]
    lines = []
    for name, rows in found.items():
        gap = with_width(rows - base[: len(rows)])
        lines.append([name, len(rows), *with_width(rows)[:4], *(gap[k] for k in (0, 2))])
    head = ["method", "halves", "age", "age within site", "site", "site given biology"]
    head += ["age: minus combat_residual", "site: minus combat_residual"]
    note = f"{LATENTS} dimensions, fresh linear readouts (R² for age, balanced accuracy for site); "
    note += "mean over halves ± half-width of its 95 % interval (corrected for overlapping halves)."
    title = "## Removal that leaves nothing: latents and ComBat with residuals, 631 children"
    return ["## Protected removal", "", note, "", *first, title, "", *table(head, lines)]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    # ages of new people may lie outside the range of the others
    warnings.simplefilter("ignore", UserWarning)
    lines, spent = [], []
    for name in options.parts or PARTS:
        begin = time.process_time()
        lines += {"samples": samples, "attacks": attack, "removal": removal}[name]()
        spent.append(f"{name} {time.process_time() - begin:.0f} CPU s")
    head = heading(
        "Samples, attacks and protected removal on real children",
        " ".join(["python benchmarks/demovae_real.py", *options.parts]),
        ("numpy", "scipy", "scikit-learn", "torch"),
        ", ".join(spent),
    )
    text = "\n".join([*head, *lines]).rstrip() + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
