"""Speed of the batched search against a one-by-one loop, and what it finds.

    python benchmarks/mds.py [--out table.md] [--twin] [--peer FOLDER]

The peer is the textbook loop: one stimulus, one call of the model, one backward pass, on the full
canvas, as one would write it from the paper. Both climb the same stimuli on the same model in the
same run, one thread, CPU seconds. `--twin` also trains a twin on planted responses, and searches on
it; `--peer` names a folder with the package neuralpredictors (`pip install --no-deps --target
FOLDER neuralpredictors==0.3.0`): its network is trained on the same images until its authors' rule
ends it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from page import heading

from neuro.mds import MostDiscriminativeStimuli, Twin
from neuro.mds.stimuli.objective import Ascender, Ask, membership
from neuro.mds.twin.core import CentredTwin, unit_correlation
from neuro.simulate.ln8 import (
    UNEVEN,
    ln8_population,
    ln8_twin_data,
    one_type,
    orientation_continuum,
)
from neuro.stats.agreement import adjusted_rand

REPEATS = 5
"""Timings of each kind, in turns; the median counts."""


def loop(model, stimuli, labels, n_steps, norm, size=0.1, temperature=1.6):
    """Seconds per stimulus step of the textbook loop."""
    k = int(labels.max()) + 1
    start = time.process_time()
    for c in range(len(stimuli)):
        s = stimuli[c : c + 1].clone()
        for _ in range(n_steps):
            s = s.detach().requires_grad_()
            response = model(s)[0]
            means = torch.stack([response[labels == j].mean() for j in range(k)])
            value = means[c] / temperature - torch.logsumexp(means / temperature, 0) + np.log(k)
            (gradient,) = torch.autograd.grad(value, s)
            s = s + size * norm * gradient / gradient.norm()
            s = (s * norm / s.norm()).clamp(-2, 2)
    return (time.process_time() - start) / (n_steps * len(stimuli))


def batched(model, shape, k, labels, n_steps, norm, n_restarts=1):
    """Seconds per stimulus step of the batch, restarts side by side as in a search."""
    space = Ascender(model, shape, norm=norm, low=-2, high=2)
    weights = membership(labels, len(labels))

    def wish(seed):
        yield Ask([(space.noise(k, seed), weights)], n_steps)

    space.run([wish(seed) for seed in range(n_restarts)])
    start = time.process_time()
    space.run([wish(seed) for seed in range(n_restarts)])
    return (time.process_time() - start) / (n_steps * k * n_restarts)


def twin_of(n_units, size=24, seed=0):
    """An untrained twin: speed does not depend on its weights."""
    torch.manual_seed(seed)
    twin = Twin()
    x = np.random.default_rng(0).standard_normal((50, 1, size, size)).astype(np.float32)
    y = np.random.default_rng(1).random((50, n_units)).astype(np.float32)
    state = twin._initial(x, y)
    core = {key: value for key, value in state.items() if key.startswith("core.")}
    return [
        CentredTwin(
            core, state["readout.weights"], state["readout.bias"], (1, size, size), crop=crop
        )
        for crop in (False, True)
    ]


def in_turns(*calls):
    """Median of several timings of each call, taken in turns: others use the machine too."""
    return np.median([[call() for call in calls] for _ in range(REPEATS)], axis=0)


def speed_rows():
    """Rows of the table of speed."""
    population, k = ln8_population(30), 8
    shape, labels = population.stimulus_shape, population.types
    start = torch.randn(k, *shape)
    peer, *ours = in_turns(
        lambda: loop(population, start, labels, 20, 3),
        lambda: batched(population, shape, k, labels, 200, 3),
        lambda: batched(population, shape, k, labels, 50, 3, 4),
    )
    rows = [("LN8, 240 cells, 8 clusters", "one by one", peer, peer)]
    rows += [
        ("LN8, 240 cells, 8 clusters", text, peer, time)
        for text, time in zip(("batch of 1 restart", "batch of 4 restarts"), ours)
    ]
    full, crop = twin_of(160)
    for k in (16, 32):
        labels, start = np.arange(160) % k, torch.randn(2, 1, 24, 24)
        calls = [
            lambda model=model, k=k, labels=labels: batched(
                model, model.stimulus_shape, k, labels, 10, 12
            )
            for model in (full, crop)
        ]
        peer, *ours = in_turns(
            lambda start=start, labels=labels: loop(full, start, labels, 10, 12), *calls
        )
        rows += [
            (f"3-layer twin, 160 cells, {k} clusters", text, peer, time)
            for text, time in zip(
                ("one by one", "batch on the full canvas", "batch on the crop"), (peer, *ours)
            )
        ]
    return rows


def searched(name, seed, population, types=None, **options):
    """A row of the table of what is found."""
    model = MostDiscriminativeStimuli(norm=3, clip=(-2, 2), **{"grouping": "objective"} | options)
    start = time.process_time()
    model.fit(population)
    spent = (time.process_time() - start) / len(model.restarts_)
    told = model.stability() if len(model.restarts_) > 1 else {}
    ari = single = float("nan")
    if types is not None:
        ari = adjusted_rand(types, model.labels_)
        single = np.median([adjusted_rand(types, run.labels) for run in model.restarts_])
    return (
        name,
        seed,
        spent,
        model.n_clusters_,
        ari,
        single,
        told.get("restart_ari", float("nan")),
        model.verdict_ if told else "one restart",
    )


def found_rows():
    """Rows of the table of what is found, and of populations without types."""
    rows = []
    for name, counts in (("30 each", 30), ("uneven", UNEVEN)):
        for preset, step, size in (
            ("robust", "relative", 0.1),
            ("robust", "absolute", 100.0),
            ("paper", "absolute", 100.0),
        ):
            for seed in range(3 if preset == "robust" or counts == 30 else 0):
                population = ln8_population(counts, random_state=seed)
                options = {"preset": preset, "step": step, "step_size": size}
                text = f"8 types, {name}, {preset}, {step}"
                rows.append(searched(text, seed, population, population.types, **options))
    for text, make in (
        ("orientation continuum", orientation_continuum),
        ("one type (centre-surround)", lambda **given: one_type(0, **given)),
        ("one type (oriented)", lambda **given: one_type(4, **given)),
    ):
        rows += [searched(text, seed, make(random_state=seed)) for seed in range(3)]
    return rows


class Course:
    """Twin's correlation with the true rates after every epoch, beside the seconds so far."""

    def __init__(self, twin, x, rates):
        self.twin, self.x, self.rates = twin, x, rates
        self.rows: list = []
        self.spent, self.since = 0.0, time.process_time()

    def __call__(self, line):
        self.spent += time.process_time() - self.since
        level = unit_correlation(self.twin.predict(self.x), self.rates).mean()
        self.rows.append((self.spent, level))
        self.since = time.process_time()


def peer_course(data, rates, folder):
    """The same of a network of neuralpredictors, in a process of its own; and its last level."""
    rows = {name: data["tier"] == name for name in ("train", "validation", "test")}
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "data.npz", Path(place) / "curve.npz"
        np.savez(
            source,
            x=data["stimuli"][rows["train"]],
            y=data["responses"][rows["train"]],
            seen=data["stimuli"][rows["validation"]],
            y_seen=data["responses"][rows["validation"]],
            test=data["stimuli"][rows["test"]],
            rates=rates,
        )
        script = Path(__file__).with_name("mds_peers.py")
        command = [sys.executable, script, source, target]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(folder)})
        with np.load(target) as found:
            return found["curve"][:, [0, 2]], float(found["final"])


def training_rows(ours, level, peer, peer_level):
    """Rows of the table of training: seconds until the true rates are predicted so well."""
    rows = [("at the end", ours[-1][0], level, peer[-1][0], peer_level)]
    for wanted in (0.8, 0.9, 0.93, min(level, peer_level)):
        until = [next((t for t, r in course if r >= wanted), np.nan) for course in (ours, peer)]
        rows.append((f"correlation {wanted:.3f} reached", until[0], wanted, until[1], wanted))
    return rows


def twin_lines(folder):
    """A twin trained on noisy planted responses: its search, and its training beside the peer's."""
    data, truth = ln8_twin_data()
    test = data["tier"] == "test"
    rates = truth.rates(data["stimuli"][test])
    twin = Twin(epochs=30)
    course = Course(twin, data["stimuli"][test], rates)
    twin.fit(data["stimuli"], data["responses"], data["tier"], log=course)
    spent = course.rows[-1][0]
    corr = unit_correlation(twin.predict(data["stimuli"][test]), rates).mean()
    lines = [_searched_on(twin, data, truth, spent, corr)]
    if folder is None:
        return lines
    rows = training_rows(course.rows, corr, *peer_course(data, rates, folder))
    return [
        *lines,
        "",
        "Training on the same 3,600 images, cores of the same sizes (16 channels, kernels 7, 3, "
        "5); correlation with the true rate on 500 test images:",
        "",
        "| | `Twin`, CPU s (correlation) | neuralpredictors 0.3.0, CPU s (correlation) |",
        "|---|---|---|",
        *(
            f"| {name} | {a:.0f} ({r:.3f}) | "
            + (f"{b:.0f} ({q:.3f}) |" if np.isfinite(b) else "never |")
            for name, a, r, b, q in rows
        ),
    ]


def _searched_on(twin, data, truth, spent, corr):
    """One sentence on the twin and the searches on it."""
    off = np.median(np.hypot(*(twin.position_ * 12 - truth.position).T))
    found = []
    for norm in (12, 20):
        start = time.process_time()
        model = MostDiscriminativeStimuli(norm=norm, clip=(-3, 3), grouping="objective")
        model.fit(twin, stimuli=data["stimuli"][data["tier"] == "train"])
        found.append(
            f"norm {norm}: {time.process_time() - start:.1f} s, K {model.n_clusters_}, ARI with "
            f"the planted types {adjusted_rand(truth.types, model.labels_):.2f}, {model.verdict_}"
        )
    return (
        f"Trained twin (8 types, 4,000 images, one Poisson trial each, 160 cells, 30 epochs): "
        f"{spent:.0f} s, correlation with the true rate {corr:.3f}, median position error "
        f"{off:.2f} px; search with 4 restarts, {'; '.join(found)}."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    parser.add_argument("--twin", action="store_true")
    parser.add_argument("--peer", help="folder with neuralpredictors")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        *heading(
            "Most discriminative stimuli",
            "python benchmarks/mds.py --twin" + " --peer FOLDER" * bool(args.peer),
            ("numpy", "torch"),
            "One thread, CPU time. Peer: one stimulus at a time on the full canvas, same model, "
            f"same run; medians of {REPEATS} timings taken in turns.",
        ),
        "| model | stimuli | ms per stimulus step | times as fast |",
        "|---|---|---|---|",
    ]
    for name, how, peer, ours in speed_rows():
        lines.append(f"| {name} | {how} | {1e3 * ours:.3f} | {peer / ours:.1f} |")
    lines += [
        "",
        "| planted, K unknown | population | s per restart | K | ARI | median ARI of single "
        "restarts | restarts agree | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, seed, spent, k, *values, told in found_rows():
        shown = " | ".join("n/a" if value != value else f"{value:.2f}" for value in values)
        lines.append(f"| {name} | {seed} | {spent:.2f} | {k} | {shown} | {told} |")
    if args.twin:
        lines += ["", *twin_lines(args.peer)]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
