"""Speed of the batched search against a one-by-one loop, and what it finds.

    python benchmarks/mds.py [--out table.md] [--twin]

The peer is the textbook loop: one stimulus, one call of the model, one backward pass, on the full
canvas, as one would write it from the paper. Both climb the same stimuli on the same model in the
same run, one thread, CPU seconds. `--twin` also trains a twin on planted responses.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from neuro.mds import MostDiscriminativeStimuli, Twin
from neuro.mds.agreement import adjusted_rand
from neuro.mds.core import CentredTwin
from neuro.mds.objective import Ascender, Ask, membership
from neuro.mds.twin import unit_correlation
from neuro.simulate.ln8 import UNEVEN, ln8_population, ln8_twin_data


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


def speed_rows():
    """Rows of the table of speed."""
    population = ln8_population(30)
    rows = []
    for k in (8,):
        labels = population.types
        peer = loop(population, torch.randn(k, 1, 24, 24), labels, 20, 3)
        for n in (1, 4):
            ours = batched(population, population.stimulus_shape, k, labels, 200, 3, n)
            rows.append((f"LN8, 240 cells, {n} restart{'s' * (n > 1)}", k, peer, ours))
    full, crop = twin_of(160)
    for k in (16, 32):
        labels = np.arange(160) % k
        peer = loop(full, torch.randn(4, 1, 24, 24), labels, 10, 12)
        for name, model in (("full canvas", full), ("crop", crop)):
            ours = batched(model, model.stimulus_shape, k, labels, 20, 12)
            rows.append((f"3-layer twin, 160 cells, {name}", k, peer, ours))
    return rows


def found_rows():
    """Rows of the table of what is found."""
    rows = []
    for name, counts in (("30 each", 30), ("uneven", UNEVEN)):
        for preset, step, size in (
            ("robust", "relative", 0.1),
            ("robust", "absolute", 100.0),
            ("paper", "absolute", 100.0),
        ):
            for seed in range(3):
                population = ln8_population(counts, random_state=seed)
                model = MostDiscriminativeStimuli(
                    preset, norm=3, clip=(-2, 2), step=step, step_size=size
                )
                start = time.process_time()
                model.fit(population)
                spent = time.process_time() - start
                told = model.stability() if len(model.restarts_) > 1 else {}
                rows.append(
                    (
                        f"LN8 {name}, {preset}, {step}",
                        seed,
                        spent / len(model.restarts_),
                        model.n_clusters_,
                        adjusted_rand(population.types, model.labels_),
                        told.get("restart_ari", float("nan")),
                        model.verdict_ if told else "one restart",
                    )
                )
    return rows


def twin_line():
    """One sentence on a twin that is trained on noisy planted responses."""
    data, truth = ln8_twin_data()
    start = time.process_time()
    twin = Twin(epochs=30).fit(data["stimuli"], data["responses"], data["tier"])
    spent = time.process_time() - start
    test = data["tier"] == "test"
    corr = unit_correlation(
        twin.predict(data["stimuli"][test]), truth.rates(data["stimuli"][test])
    ).mean()
    off = np.median(np.hypot(*(twin.position_ * 12 - truth.position).T))
    start = time.process_time()
    model = MostDiscriminativeStimuli(norm=12, clip=(-3, 3))
    model.fit(twin, data["stimuli"][data["tier"] == "train"])
    search = time.process_time() - start
    return (
        f"Trained twin (4,000 images, one Poisson trial each, 160 cells): {spent:.0f} s, "
        f"correlation with the true rate {corr:.3f}, median position error {off:.2f} px; search "
        f"{search:.1f} s for 4 restarts, K {model.n_clusters_}, ARI with the planted types "
        f"{adjusted_rand(truth.types, model.labels_):.2f}, {model.verdict_}."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    parser.add_argument("--twin", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Most discriminative stimuli",
        "",
        "`python benchmarks/mds.py --twin`; one thread, CPU time. Peer: one stimulus at a time on "
        "the full canvas, same model, same run.",
        "",
        "| model | K | one by one, ms per stimulus step | batched, ms | ratio |",
        "|---|---|---|---|---|",
    ]
    for name, k, peer, ours in speed_rows():
        lines.append(f"| {name} | {k} | {1e3 * peer:.2f} | {1e3 * ours:.3f} | {peer / ours:.0f} |")
    lines += [
        "",
        "| planted 8 types, K unknown | population | s per restart | K | ARI | restarts agree | "
        "verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, seed, spent, k, ari, agree, told in found_rows():
        lines.append(
            f"| {name} | {seed} | {spent:.2f} | {k} | {ari:.2f} | "
            f"{'n/a' if agree != agree else f'{agree:.2f}'} | {told} |"
        )
    if args.twin:
        lines += ["", twin_line()]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
