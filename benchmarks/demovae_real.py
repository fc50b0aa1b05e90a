"""Samples, attacks on them and protected removal, on real children and on planted people.

    python benchmarks/demovae_real.py [samples attacks removal] [--out table.md]

Real: AAL-116 series of ADHD-200 under `adhd200_aal` of NEURO_TEST_DATA (default ../shared/data),
first run of each child. Everything is judged on the half of the people that no fit has seen, each
half in turn. Runs on one thread.
"""

from __future__ import annotations

import argparse
import functools
import time
import warnings
from pathlib import Path

import numpy as np
from children import COLUMNS, children, halves, planted
from page import circumstances, table
from referee import settings
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from neuro.demovae.evaluation import attacks
from neuro.demovae.evaluation import methods as ways
from neuro.demovae.evaluation.compare_figures import Judge
from neuro.demovae.evaluation.fold_features import estimator, fit_cohort
from neuro.demovae.sampling import makers, spectra

SEEDS, PEOPLE = 24, 80
"""Batches of samples whose group difference is looked at, and people in each."""
LATENTS, SPLITS, SPLITS_NETWORK = 60, 4, 2
Z95 = 1.645
"""An upper bound lies so many standard errors above its figure."""


def autoencoder(train, size, mode="linear"):
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
    return f"{ratio(np.arange(SEEDS)):.2f} ± {np.sqrt((SEEDS - 1) * np.var(left)):.2f}"


def likeness(edges, rows, test):
    """Figures of one set of connectomes beside the held-out people."""
    n_regions = len(test.region)
    apart = spectra.told_apart(test.edges, edges, n_regions)
    values = spectra.eigenvalues(edges, n_regions)
    figures = [apart[name] for name in ("linear", "rbf", "eigenvalues")]
    figures += [spectra.tiny_eigenvalues(edges, n_regions), (values < spectra.TINY).mean()]
    figures.append(np.corrcoef(edges.mean(axis=0), test.edges.mean(axis=0))[0, 1])
    pair = site_variances(edges, rows), site_variances(test.edges, test.demographics)
    return [*figures, np.corrcoef(*pair)[0, 1] if len(pair[0]) > 2 else np.nan]


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
                draws["model"] = drawer(train, "model", autoencoder(train, LATENTS), LATENTS)
            made = {kind: (draw(told, 1), told) for kind, draw in draws.items()}
            made |= {"people of the fit (null)": (train.edges, train.demographics)}
            for kind, (edges, rows) in made.items():
                own = found.setdefault(kind, {"figures": [], "spread": "-"})
                own["figures"].append(likeness(edges, rows, test))
                if kind in draws and own["spread"] == "-":
                    own["spread"] = spread_of_a_difference(draws[kind], told)
        for kind, own in found.items():
            lines.append([words, kind, *both(own["figures"]), own["spread"]])
    head = ["data", "connectomes", "linear", "rbf", "eigenvalues", "tiny eigenvalues"]
    head += ["share of tiny ones", "r of mean edges", "r of the sites' variances"]
    note = "AUC of classifiers that tell them from held-out people (.5: not told); tiny: below 1e-4"
    note += ", median per person; both halves, in brackets one by one; spread of a group "
    note += f"difference over {SEEDS} seeds by what a t-test assumes, with its standard error."
    return [note, "", *table([*head, "spread of a difference"], lines)]


def both(figures):
    """Mean over the halves and each of them."""
    return [
        "-" if np.isnan(own).any() else f"{own.mean():.3g} ({own[0]:.3g}, {own[1]:.3g})"
        for own in np.array(figures).T
    ]


def released(draw, train, n_most):
    """Samples for people like those of the fit; drawn once for all attacks."""
    rows = train.demographics.sample(n_most, replace=True, random_state=1).reset_index(drop=True)
    return functools.cache(lambda n, seed: (draw(rows.iloc[:n], seed), rows.iloc[:n]))


def attacked(train, others, strangers, size, n_released):
    """Lines of all attacks; `strangers` are two groups of people who were in no fit."""
    lines = []
    parties = (train, others, *strangers)
    groups = [(people.edges, people.demographics) for people in parties]
    model = autoencoder(train, size)
    for sampler in ("full_rank", "model"):
        kept = released(drawer(train, sampler, model, size), train, max(n_released, 10 * size))
        arguments = (kept, n_released, size)
        curve = attacks.attack_curve(*arguments, model, *groups[:2], train.columns)
        null = attacks.attack_curve(*arguments, model, *groups[2:], train.columns)
        key = ["attack", "n_released"]
        empty = attacks.strongest(null).set_index(key)["auc"]
        for row in attacks.strongest(curve).itertuples():
            if row.attack == "weights" and sampler == "full_rank":
                continue
            what = "weights of the closed form" if row.attack == "weights" else sampler
            chance = empty[row.attack, row.n_released]
            lines.append([what, row.n_released or "-", *interval(row._asdict()), f"{chance:.3f}"])
    model = autoencoder(train, size, "network")
    rows = [attacks.attack_weights(model, *pair) for pair in (groups[:2], groups[2:])]
    last = ["weights of the network", "-", *interval(rows[0]), f"{rows[1]['auc']:.3f}"]
    return [*lines, last]


def interval(row):
    """Area with its 95 % interval, and the one-sided upper bound."""
    auc, error = row["auc"], (row["upper"] - row["auc"]) / Z95
    low, high = auc - 1.96 * error, min(auc + 1.96 * error, 1.0)
    return [f"{auc:.3f} [{low:.3f}, {high:.3f}]", f"{row['upper']:.3f}"]


def attack():
    """Attacks on what is released, by how much is released."""
    people = planted(1500)
    third = np.arange(len(people.edges)) % 3
    parts = [people.rows(third == k) for k in range(3)]
    found = attacked(parts[0], parts[1], parts[1:], 20, 500)
    lines = [["planted, 500 people, 20 latents", *row] for row in found]
    train, test = halves(children(), 0)[0]
    found = attacked(train, test, halves(test, 1)[0], LATENTS, 200)
    words = f"ADHD-200, {len(train.edges)} children, {LATENTS} latents"
    lines += [[words, *row] for row in found]
    head = ["data", "attack on", "samples released", "AUC, 95 % interval", "upper bound"]
    note = "Best of seven ranks; people of the fit against others like them. `null`: the same "
    note += "attack on two groups of which neither was in the fit."
    return [note, "", *table([*head, "null"], lines)]


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
    names = ("residual", "combat_residual", "linear", "network")
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
    title = "Removal without protection: latents beside ComBat and residuals, 631 children:"
    return [note, "", *first, title, "", *table(head, lines)]


PARTS = {"samples": samples, "attacks": attack, "removal": removal}
TITLE = "# Samples, attacks and protected removal on real children"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")


def main():
    """Print the tables; a file keeps the sections of the parts that are not run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    # ages of new people may lie outside the range of the others
    warnings.simplefilter("ignore", UserWarning)
    old = options.out.read_text("utf-8") if options.out and options.out.is_file() else ""
    sections = {text.split("\n")[0]: text.rstrip() for text in old.split("\n## ")[1:]}
    for name in options.parts or PARTS:
        begin = time.process_time()
        lines = PARTS[name]()
        spent = f"{time.process_time() - begin:.0f} CPU s"
        head = circumstances(f"python benchmarks/demovae_real.py {name}", PACKAGES, spent)
        sections[name] = "\n".join([name, "", *head, "", *lines]).rstrip()
    text = "\n\n## ".join([TITLE, *(sections[name] for name in PARTS if name in sections)]) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
