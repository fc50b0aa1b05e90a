"""The referee beside neuroHarmonize and CovBat of combatlearn: same halves, same bottleneck.

    python benchmarks/referee.py [--peers .venv-peers/sites/bin/python] [--out table.md]

All learn site effects on one half of a planted cohort and are applied to the other, age and sex
kept; readouts are fitted and tested among the people of the other half.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from page import heading, table
from threadpoolctl import threadpool_limits

N, REGIONS, LATENTS = 1000, 64, 60
COLUMNS = (("age", "continuous"), ("sex", "categorical"), ("site", "categorical"))
OURS = {
    "none": "nothing removed",
    "combat": "neuro ComBat",
    "covbat": "neuro CovBat",
    "combat_residual": "neuro ComBat, then linear residuals",
    "protected": "neuro closed form that protects biology",
    "linear": "neuro linear relative",
}
PEERS = {
    "harmonize": ("neuroHarmonize 2.5.2", "combat"),
    "covbat": ("combatlearn 2.3.0, CovBat", "covbat"),
}
"""Name of each peer, and the way of ours that does the same."""
FIGURES = (
    ("left", "age", "linear"),
    ("within site", "age", "linear"),
    ("left", "sex", "linear"),
    ("left", "site", "linear"),
    ("left", "site", "rbf"),
    ("given biology", "site", "linear"),
)


def columns():
    """Columns as the stage describes them."""
    from neuro.demovae.coding.schema import Column

    return [Column(name, kind) for name, kind in COLUMNS]


def settings():
    """Defaults of the section `demovae`."""
    from neuro.config.demovae import Demovae
    from neuro.config.model import walk

    found: dict = {}
    for key, entry in walk(Demovae):
        group, _, leaf = key.rpartition(".")
        (found.setdefault(group, {}) if group else found)[leaf] = entry.default
    return {key: value for key, value in found.items() if key != "latent_dim"}


def judged(judge, Z, Z_new, raw) -> list[str]:
    """Figures of one set of features."""
    found = {
        (row["measure"], row["target"], row["readout"]): row["value"]
        for row in judge(Z, Z_new, *raw, 0)
    }
    return [f"{found[key]:.3f}" if key in found else "-" for key in FIGURES]


def peers(python, folder, halves, tables) -> dict:
    """What the peers make of both halves, in their own environment."""
    given = folder / "data.npz"
    arrays = dict(zip(("train", "test"), halves))
    for name, people in zip(("train", "test"), tables):
        arrays[f"age_{name}"] = people["age"].to_numpy(float)
        arrays[f"sex_{name}"] = (people["sex"] == "M").to_numpy(int)
        arrays[f"site_{name}"] = people["site"].to_numpy(str)
    np.savez(given, **arrays)
    found = {}
    for name in PEERS:
        out = folder / f"{name}.npz"
        script = str(Path(__file__).with_name("referee_peers.py"))
        own = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        own.pop("PYTHONPATH", None)
        subprocess.run([python, "-P", script, name, str(given), str(out)], check=True, env=own)
        with np.load(out) as file:
            found[name] = dict(file)
    return found


def main():
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="Python of an environment with referee_peers.txt")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    from neuro.demovae.evaluation import methods as ways
    from neuro.demovae.evaluation.baselines import PCALatents
    from neuro.demovae.evaluation.compare_figures import Judge
    from neuro.simulate.connectomes import planted_connectomes

    made = planted_connectomes(N, REGIONS, effect=1.0, random_state=0)
    half = np.arange(N) % 2 == 0
    halves = made.edges[half], made.edges[~half]
    tables = [made.participants[part].reset_index(drop=True) for part in (half, ~half)]
    who = [people["participant_id"].to_numpy() for people in tables]
    judge = Judge("halves", *tables, columns(), *who, ("linear", "rbf"), 0)
    lines, whole = [], {}
    for name, words in OURS.items():
        start = time.process_time()
        found = ways.features(name, *halves, *tables, columns(), LATENTS, settings(), who[0], 0)
        spent = time.process_time() - start
        whole[name] = found.get(0)
        lines.append([words, *judged(judge, *found[LATENTS], halves), f"{spent:.2f}", "-"])
    if options.peers:
        with tempfile.TemporaryDirectory() as top:
            other = peers(options.peers, Path(top), halves, tables)
        for name, (words, same) in PEERS.items():
            start = time.process_time()
            small = PCALatents(LATENTS).fit(other[name]["train"].astype(np.float32))
            Z = [
                small.transform(other[name][part].astype(np.float32)) for part in ("train", "test")
            ]
            spent = float(other[name]["cpu_s"]) + time.process_time() - start
            apart = max(
                float(np.abs(ours - other[name][part]).max())
                for ours, part in zip(whole[same], ("train", "test"))
            )
            lines.append([words, *judged(judge, *Z, halves), f"{spent:.2f}", f"{apart:.1e}"])
    text = heading(
        "The referee beside neuroHarmonize and CovBat",
        f"python benchmarks/referee.py{' --peers PYTHON' * bool(options.peers)}",
        ("numpy", "scipy", "scikit-learn"),
        f"{N} planted people, {REGIONS} regions ({made.edges.shape[1]:,} edges), fitted on one "
        f"half and applied to the other, cut to {LATENTS} principal components; fresh readouts: R² "
        "for age, balanced accuracy else; CPU s of fit and transform, one thread; `apart`: largest "
        "difference of an edge from the same way of ours",
    )
    head = ["method", "age", "age within site", "sex", "site", "site, rbf", "site given biology"]
    text += table([*head, "CPU s", "apart"], lines)
    if options.out:
        options.out.write_text("\n".join(text).rstrip() + "\n", "utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
