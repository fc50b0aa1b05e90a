"""What the stage `demovae` finds in planted connectomes: maps, weak effects, samples, privacy.

    python benchmarks/demovae_recovery.py [--out table.md]

500 planted people to fit and 500 others to judge, 264 regions (`neuro.simulate.connectomes`, seed
0). The slow tests of `tests/demovae/test_demovae_planted.py` assert limits on the same figures;
`benchmarks/demovae.py` measures what a fit costs, and what is left in new people beside peers. Runs
on one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from page import heading, table
from threadpoolctl import threadpool_limits

from neuro.demovae.evaluation import evaluate, readouts
from neuro.demovae.model import DemoVAE
from neuro.demovae.sampling.generate import draw_latents, minimum_eigenvalues, nearest_correlations
from neuro.demovae.sampling.transfer import transfer
from neuro.simulate.connectomes import SITES, planted_connectomes

COLUMNS = [
    {"name": "age", "type": "continuous"},
    {"name": "sex", "type": "categorical"},
    {"name": "site", "type": "categorical"},
]
DX = {"name": "dx", "type": "categorical", "role": "condition"}
FIT, NEW = slice(0, 500), slice(500, 1000)
N_SAMPLES, N_LOOKED_AT = 1000, 60


def sampled(model, known, n, seed):
    """Synthetic people with the demographics of the real ones, drawn with replacement."""
    rows = known.sample(n, replace=True, random_state=seed).reset_index(drop=True)
    return model.sample(demographics=rows, random_state=seed + 2), rows


def true_maps(truth):
    """Planted group maps, by the names of those that are estimated."""
    maps = truth["maps"]
    found = {"age": maps["age"], "age^2": maps["age2"], "sex": maps["sex"]}
    return found | {f"site={name}": maps["site"][i] for i, name in enumerate(SITES)}


def heldout(Z, Z_new, known, new, columns):
    """Score of each column's linear readout, fitted on some people and tested on new ones."""
    found = readouts.readouts(
        Z, Z_new, known, new, columns=columns, models=("linear",), squares=False
    )
    return found.set_index("target")["heldout"]


def maps(made, rows, X, known, truth):
    """Group maps of samples and of the people behind them, against the true ones."""
    true = true_maps(truth)
    found = {
        name: evaluate.compare_maps(true, evaluate.group_maps(*data, COLUMNS)).set_index("map")
        for name, data in (("made", (made, rows)), ("real", (X, known)))
    }
    rows = [
        [name, *(f"{found[who].loc[name, key]:.2f}" for key in ("r", "amplitude") for who in found)]
        for name in true
    ]
    head = ["map", "r: 1000 samples", "regression on 500 people", "amplitude: samples"]
    return table([*head, "regression"], rows)


def readouts_from(made, rows, X, known, X_new, new):
    """Readouts trained on samples, tested on new people, beside those trained on real people."""
    found = transfer(made, rows, X, known, X_new, new, COLUMNS)
    cells = [
        [
            row.target,
            f"{row.synthetic:.3f}",
            f"{row.real:.3f}",
            *(
                f"{value:.2f}" if np.isfinite(value) else ""
                for value in (row.rmse_synthetic, row.rmse_real, row.rmse_mean)
            ),
        ]
        for row in found.itertuples()
    ]
    head = ["column", "from samples", "from real people", "RMSE: samples", "real", "mean"]
    return table(head, cells)


def latents_and_site(model, X, known, X_new, new):
    """Which latents samples are made of, and what that does to matrices and to the site."""
    told, Z = model._told(known), model.transform(X)
    rng = np.random.default_rng(0)
    draws = {
        "their own": Z,
        "those of another person": Z[rng.permutation(len(Z))],
        "normal": draw_latents(model, len(Z), np.random.RandomState(4), "normal", told),
    }
    cells = []
    for name, latents in draws.items():
        edges = model.space_.back(model.codec_.decode(latents, told))
        repaired = nearest_correlations(edges, model.n_regions_)
        site = heldout(repaired, X_new, known, new, COLUMNS[2:])["site"]
        low = minimum_eigenvalues(edges[:N_LOOKED_AT], model.n_regions_).mean()
        moved = np.sqrt(((repaired - edges) ** 2).mean())
        cells.append([name, f"{low:.1f}", f"{moved:.3f}", f"{site:.3f}"])
    norm = {
        who: (latents**2).sum(axis=1).std()
        for who, latents in (("fitted", Z), ("new", model.transform(X_new)))
    }
    head = ["latents of 500 decoded people", "smallest eigenvalue", "moved by the repair"]
    return [
        *table([*head, "site read in new people"], cells),
        f"Standard deviation of the squared length of the latents: {norm['fitted']:.1f} (people of "
        f"the fit), {norm['new']:.1f} (new people), {np.sqrt(2 * Z.shape[1]):.1f} for normal ones.",
    ]


def weak_map(model, X, known, X_new, new):
    """How well the diagnosis is read out with few and with many latents."""
    models = {"raw connectomes": None, f"network, {model.codec_.n_latents} latents": model}
    models |= {
        f"linear, {size} latents": DemoVAE(
            mode="linear", latent_dim=size, columns=COLUMNS, random_state=0
        ).fit(X, demographics=known)
        for size in (60, 300)
    }
    cells = []
    for name, model in models.items():
        Z, Z_new = (X, X_new) if model is None else map(model.transform, (X, X_new))
        found = heldout(Z, Z_new, known, new, [*COLUMNS, DX])
        cells.append([name, *(f"{found[key]:.2f}" for key in ("dx", "age", "sex", "site"))])
    return table(["features", "diagnosis", "age R2", "sex", "site"], cells)


def recover():
    """All tables."""
    cohort = planted_connectomes()
    people, truth = cohort.participants, cohort.truth
    X, X_new = cohort.edges[FIT], cohort.edges[NEW]
    known, new = (people[part].reset_index(drop=True) for part in (FIT, NEW))
    model = DemoVAE(columns=COLUMNS, random_state=0).fit(X, demographics=known)
    made, rows = sampled(model, known, N_SAMPLES, 1)
    spread = evaluate.edge_stats(X_new, made)
    other = DemoVAE(columns=COLUMNS, random_state=0).fit(X_new, demographics=new)
    near = [
        evaluate.privacy_ratio(made, X, X_new),
        evaluate.privacy_ratio(sampled(other, new, 400, 1)[0], X_new, X),
    ]
    told = evaluate.membership_auc(model, X, X_new, known, new)
    low = minimum_eigenvalues(made[:N_LOOKED_AT], model.n_regions_).min()
    return [
        "## Samples",
        "",
        f"Smallest eigenvalue {low:.1e}, edge SD ratio {spread['sd_ratio']:.3f}, correlation of "
        f"the mean connectomes {spread['mean_r']:.4f}. Nearer to a person of the fit than to any "
        f"other: {np.mean(near):.3f} (both halves in turn: {near[0]:.3f}, {near[1]:.3f}). The "
        f"reconstruction error tells people of the fit from others with AUC {told:.2f}.",
        "",
        *maps(made, rows, X, known, truth),
        "Readouts of new people (balanced accuracy, R2 for age; RMSE in years):",
        "",
        *readouts_from(made, rows, X, known, X_new, new),
        "## Why the site suffers",
        "",
        *latents_and_site(model, X, known, X_new, new),
        "",
        "## A weak disease map",
        "",
        "Readouts fitted on the people of the fit, tested on new ones:",
        "",
        *weak_map(model, X, known, X_new, new),
    ]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    # ages of new people may lie outside the range of the others
    warnings.simplefilter("ignore", UserWarning)
    begin = time.process_time()
    lines = recover()
    head = heading(
        "Planted connectomes without their demographics",
        "python benchmarks/demovae_recovery.py",
        ("numpy", "scikit-learn", "torch"),
        f"{time.process_time() - begin:.0f} CPU s",
    )
    text = "\n".join([*head, *lines]).rstrip() + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
