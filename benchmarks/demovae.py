"""Removal of demographics beside its peers: time per epoch, what is left in new people, error.

    python benchmarks/demovae.py [--peers .venv-peers/bin/python] [--out table.md]

Three planted data sets in one run. `full` (1000 people, half to fit and half to judge, 264 regions,
34,716 edges) has the cost; the two methods that train on edges would need hours there, so they run
a few epochs for their time and are not judged. `small` (400 people, 32 regions, 496 edges, effects
four times as strong) is where every method, these two included, trains to its end. `large` (7,158
people) shows what our rows cost in a large cohort.

Every row runs in a process of its own, on one thread. Times are CPU seconds of the call without
imports; memory is the largest of the process, data included. What is left is read out of the
held-out people by readouts that are fitted and tested among them (5 folds), because readouts fitted
on the training people are blind by construction.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from page import heading

warnings.simplefilter("ignore", UserWarning)  # ages of new people outside the training range

COLUMNS = [
    {"name": "age", "type": "continuous"},
    {"name": "sex", "type": "categorical"},
    {"name": "site", "type": "categorical"},
]
EPOCHS = 3000
"""Epochs of the released package, and of our preset `paper`."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A planted data set; `complete` is whether training on edges goes to its end.

    `rows` names the methods that are run; all when empty.
    """

    subjects: int
    regions: int
    effect: float
    complete: bool
    rows: tuple = ()


PARTS = {
    "full": Part(1000, 264, 1.0, False),
    "small": Part(400, 32, 4.0, True),
    "large": Part(7158, 264, 1.0, True, ("pca", "linear", "network")),
}
TIMED = (1, 4)
"""Where it does not, the time of an epoch is the difference between these two."""
OURS = {
    "raw": "raw connectomes",
    "pca": "principal components, 60",
    "residual": "linear residuals (age cubic, sex, site)",
    "linear": "neuro, linear mode, 60",
    "network": "neuro, network (default), 60",
    "k100": "neuro, network, 100 coordinates, 500 epochs",
    "edges": "neuro, preset paper in edge space",
}
PEERS = {
    "harmonize": "neuroHarmonize 2.5.2, then linear residuals (age, sex)",
    "package": "package demovae 0.0.6",
}


def peak_mb():
    """Largest resident memory of this process in MB; getrusage would count the parent's, too."""
    with open("/proc/self/status") as stream:
        line = next(line for line in stream if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def planted(part):
    """The data: edges and demographics of both halves, and the planted factors."""
    from neuro.simulate.connectomes import planted_connectomes

    made = planted_connectomes(part.subjects, part.regions, effect=part.effect)
    half = part.subjects // 2
    people = made.participants
    tables = people[:half].reset_index(drop=True), people[half:].reset_index(drop=True)
    factors = made.truth["factors"][:half], made.truth["factors"][half:]
    return (made.edges[:half], made.edges[half:]), tables, factors


def estimator(method, latents):
    """What a row fits; None for raw connectomes."""
    from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
    from neuro.demovae.model import DemoVAE

    own = {"columns": COLUMNS, "random_state": 0, "latent_dim": latents}
    return {
        "raw": lambda: None,
        "pca": lambda: PCALatents(latents),
        "residual": lambda: ConfoundResidualizer(COLUMNS),
        "linear": lambda: DemoVAE(mode="linear", **own),
        "network": lambda: DemoVAE(**own),
        "k100": lambda: DemoVAE(pc_components=100, n_epochs=500, patience=0, **own),
        "edges": lambda: DemoVAE("paper", n_epochs=EPOCHS, **own),
    }[method]()


def measure(method, part, latents, out):
    """One of our rows, in this process."""
    (train, test), (known, new), _ = planted(part)
    model = estimator(method, latents)
    numbers = {}
    found = [train, test]
    if model is not None:
        if method not in ("pca", "residual"):
            import neuro.demovae.training.fitting
            import neuro.demovae.training.guidance
            import neuro.demovae.training.train  # noqa: F401
        # a first small fit loads what is loaded late
        estimator(method, latents).set_params(
            **({"n_epochs": 1} if hasattr(model, "n_epochs") else {})
        ).fit(train[:160], demographics=known[:160])
    if method == "edges" and not part.complete:
        numbers["epoch_s"] = epoch_seconds(model, train, known, TIMED)
    elif model is not None:
        start = time.process_time()
        model.fit(train, demographics=known)
        numbers["cpu_s"] = time.process_time() - start
        if hasattr(model, "history_") and len(model.history_):
            numbers["epochs"] = len(model.history_) - 1
            if method == "edges":
                numbers["epoch_s"] = numbers["cpu_s"] / EPOCHS
            else:
                numbers["epoch_s"] = epoch_seconds(model, train, known, (10, 60))
        told = (known, new) if method == "residual" else (None, None)
        found = [
            model.transform(rows, demographics=table)
            if method == "residual"
            else model.transform(rows)
            for rows, table in zip((train, test), told)
        ]
        if hasattr(model, "score"):
            numbers["rmse"] = -model.score(test, demographics=new)
    numbers["peak_mb"] = peak_mb()
    np.savez(out, train=found[0], test=found[1], **numbers)


def epoch_seconds(model, train, known, epochs):
    """Seconds of one epoch: the difference between two fits, none of which stops early."""
    seconds = []
    for n_epochs in epochs:
        again = type(model)(**{**model.get_params(), "n_epochs": n_epochs, "patience": 0})
        start = time.process_time()
        again.fit(train, demographics=known)
        seconds.append(time.process_time() - start)
    return (seconds[1] - seconds[0]) / (epochs[1] - epochs[0])


def numbers_of(found):
    """What was measured about a row, without its features."""
    return {name: float(found[name]) for name in found if name not in ("train", "test")}


def judge(found, tables, factors):
    """What is left in the features of new people, and what is kept."""
    from neuro.demovae.evaluation import evaluate
    from neuro.demovae.evaluation.readouts import _ridge, metric, readouts

    known, new = tables
    train, test = found["train"], found["test"]
    table = readouts(train, test, known, new, columns=COLUMNS, fit_on="fresh")
    scores = {(row.target, row.model): row.heldout for row in table.itertuples()}
    largest = evaluate.correlations(test, new, COLUMNS)
    kept = [
        metric(factors[1][:, i], _ridge(train, factors[0][:, i], test)[1], "continuous")
        for i in range(5)
    ]
    row = {
        "age": scores["age", "linear"],
        "age2": scores["age^2", "linear"],
        "sex": scores["sex", "linear"],
        "site": scores["site", "linear"],
        "site_rbf": scores["site", "rbf"],
        "kept": float(np.mean(kept)),
    }
    if train.shape[1] <= 300:
        row["largest"] = float(max(np.abs(value).max() for value in largest.values()))
    return row


def peers_row(method, python, folder, halves, tables, epochs):
    """A peer's row, in the peers' environment."""
    given, out = folder / "data.npz", folder / f"{method}.npz"
    if not given.exists():
        arrays = dict(zip(("train", "test"), halves))
        for name, table in zip(("train", "test"), tables):
            arrays |= {f"age_{name}": table["age"].to_numpy(np.float32)}
            for key in ("sex", "site"):
                arrays[f"{key}_{name}"] = table[key].to_numpy().astype(str)
        np.savez(given, **arrays)
    script = Path(__file__).with_name("demovae_peers.py")
    # -P: the folder of this file has a demovae.py of its own
    command = [python, "-P", str(script), method, str(given), str(out), str(epochs)]
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    with np.load(out) as file:
        found = dict(file)
    if method == "harmonize":
        from neuro.demovae.evaluation.baselines import ConfoundResidualizer

        start = time.process_time()
        model = ConfoundResidualizer(COLUMNS[:2], basis="linear")
        model.fit(found["train"], demographics=tables[0])
        for name, table in zip(("train", "test"), tables):
            found[name] = model.transform(found[name], demographics=table)
        found["cpu_s"] = found["cpu_s"] + time.process_time() - start
    return found


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def run(name, part, options):
    """All rows of one data set."""
    halves, tables, factors = planted(part)
    rows = {}
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        for method in options.rows or part.rows or [*OURS, *PEERS]:
            if method in PEERS and not options.peers:
                print(f"{PEERS[method]}: left out; --peers names an environment that has it")
                continue
            on_edges = method in ("edges", "package")
            if method in PEERS:
                epochs = EPOCHS if part.complete else TIMED[1]
                found = peers_row(method, options.peers, folder, halves, tables, epochs)
            else:
                out = folder / f"{method}.npz"
                command = [sys.executable, __file__, "--row", name, method, str(out)]
                command += ["--latents", str(options.latents)]
                subprocess.run(command, check=True, env=environment())
                with np.load(out) as file:
                    found = dict(file)
            row = numbers_of(found)
            if on_edges and not part.complete:
                row = {key: row[key] for key in ("epoch_s", "peak_mb")}
            else:
                row |= judge(found, tables, factors)
                if on_edges:
                    row["epochs"] = EPOCHS
            rows[method] = row
            print(f"{name}, {method}: {row}", flush=True)
    return rows


HEAD = (
    "| method | CPU s per epoch | times faster | epochs | CPU s of the fit | peak MB | RMSE "
    "| largest r | age R2 | age^2 R2 | sex | site | site rbf | factors R2 |"
)


def table(rows, part, latents):
    """The rows of one data set as Markdown."""
    from neuro.demovae.evaluation.evaluate import null_bound

    half = part.subjects // 2
    n_edges = part.regions * (part.regions - 1) // 2
    bound = null_bound(half, half, latents * 5)
    words = f"{half} planted people to fit, {half} to judge, {part.regions} regions, {n_edges:,} "
    words += f"edges, effects x {part.effect:g}. "
    if part.rows:
        words += "Only methods that can be run at this size."
    elif part.complete:
        words += "Every method trained to its end."
    else:
        words += (
            "The two methods that train on edges ran "
            f"{TIMED[1]} epochs for their time; {EPOCHS} are extrapolated (~) and not judged."
        )
    words += f" Largest r: {bound:.3f} is what unrelated latents stay below in 95 % of the cases."
    base = rows.get("package", rows.get("edges", {})).get("epoch_s")
    lines = [words, "", HEAD, "|---|" + "---:|" * 13]

    def cell(row, key, digits):
        return f"{row[key]:.{digits}f}" if key in row else ""

    for method, row in rows.items():
        faster = f"{base / row['epoch_s']:.0f}" if base and "epoch_s" in row else ""
        fit = cell(row, "cpu_s", 2)
        if not fit and "epoch_s" in row:
            fit = f"~{EPOCHS * row['epoch_s']:.0f}"
        cells = [
            {**OURS, **PEERS}[method],
            cell(row, "epoch_s", 4),
            faster,
            cell(row, "epochs", 0),
            fit,
            cell(row, "peak_mb", 0),
            cell(row, "rmse", 4),
            cell(row, "largest", 3),
            *(cell(row, key, 3) for key in ("age", "age2", "sex", "site", "site_rbf", "kept")),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=int, default=60)
    parser.add_argument("--peers", help="Python of an environment with demovae_peers.txt")
    parser.add_argument("--rows", nargs="+", choices=[*OURS, *PEERS], help="default: all")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--out", type=Path, help="write the tables to this file as well")
    parser.add_argument("--row", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.row:
        name, method, out = options.row
        measure(method, PARTS[name], options.latents, out)
        return
    command = f"python benchmarks/demovae.py{' --peers PYTHON' * bool(options.peers)}"
    packages = ("numpy", "scipy", "scikit-learn", "torch")
    found = "\n".join(heading("Connectomes without their demographics", command, packages))
    found += (
        "\nOne thread, CPU seconds, each row in a process of its own. Readouts are fresh (fitted "
        "and tested among the new people). RMSE is that of the new people's edges.\n"
    )
    for name in options.parts:
        rows = run(name, PARTS[name], options)
        found += f"\n## {name}\n\n{table(rows, PARTS[name], options.latents)}"
    print(found)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(found, "utf-8")


if __name__ == "__main__":
    main()
