"""Options of guidance beside plain guidance, under the same panel, on planted scenes.

`python benchmarks/braindive_options.py RUN [--out FILE]` takes the models and scenes of a run
(`RUN/results/braindive/scenes`, `RUN/results/simulated/scenes.h5`; `make demo` leaves one), makes
32 images per objective and option, and asks the panel.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

OBJECTIVES = ("face", "place")
N_BEST = 8


def options(target):
    """Name and settings of every run; `target` is the guide's mean for natural top images."""
    ddim = {"scheduler": "ddim"}
    yield "plain", {}
    yield "plain, 50 steps", {"steps": 50}
    yield "plain, ddim", ddim
    yield "recurrence 2, ddim", {**ddim, "recurrence": 2}
    yield "4 copies for the gradient", {"guide_augment": 4}
    yield "Polyak, half steps", {"strength": "polyak", "value": 0.5, "polyak_target": target}
    yield "Polyak, tenth steps", {"strength": "polyak", "value": 0.1, "polyak_target": target}


def measure(run, n_seeds=32, n_natural=400):
    """A row per objective and option.

    Parameters
    ----------
    run : pathlib.Path
    n_seeds, n_natural : int
    """
    import torch

    from neuro.braindive import BrainGuidedSampler, Objective, TinyLDM
    from neuro.braindive.dataset import read_data
    from neuro.braindive.diffusion.candidates import best_of
    from neuro.braindive.verdict.judges import Judge, fit_judges
    from neuro.braindive.verdict.panel import assess, n_top
    from neuro.encoding import CategoryJudge, VoxelEncoder

    torch.set_num_threads(1)
    folder = run / "results/braindive/scenes"
    data = read_data(run / "results/simulated/scenes.h5")
    generator = TinyLDM.load(folder / "generator")
    guide = VoxelEncoder.load(folder / "encoder.safetensors")
    other = VoxelEncoder.load(folder / "independent.safetensors")
    category = CategoryJudge.load(folder / "category.safetensors")
    wanted = ("category", "pixels", "gabor")
    judges = fit_judges(wanted, data, data.share("independent"), guide, other, category)
    rows = np.flatnonzero(data.test)[:n_natural]
    for name in OBJECTIVES:
        objective = Objective.from_rois({name: 1}, guide.unit_, guide.roi_)
        response = objective.value(data.betas[rows], data.unit)
        natural = objective.value(guide.predict(data.images[rows]), guide.unit_)
        best = np.argsort(-response)[: n_top(len(rows))]
        target = float(natural[best].mean())

        def judged(images, twins, name=name, objective=objective, response=response):
            seen = [
                judge.sees(objective, data.images[rows], images, twins)
                for judge in (Judge("guide", guide), *judges)
            ]
            share = category.predict_proba(images).argmax(axis=1)
            named = float((share == category.classes.index(name)).mean())
            return assess(seen[1:], seen[0], response), named

        for label, changes in options(target):
            sampler = BrainGuidedSampler(
                generator, guide, objective, **{"value": 0.2, "device": "cpu", **changes}
            )
            start, made = time.process_time(), []
            for first in range(0, n_seeds, 8):
                made.append(sampler.sample(range(first, first + 8)))
            spent = time.process_time() - start
            images, twins = (
                np.concatenate([getattr(batch, key) for batch in made])
                for key in ("images", "unguided")
            )
            ratio = float(np.mean([batch.correction_ratio.mean() for batch in made]))
            yield name, label, *judged(images, twins), ratio, spent / n_seeds
            if label == "plain":
                start = time.process_time()
                picked = [
                    best_of(sampler, seed, N_BEST, twin)[0] for seed, twin in enumerate(twins)
                ]
                spent = time.process_time() - start
                said = judged(np.stack(picked), twins)
                yield name, f"best of {N_BEST}, no gradient", *said, 0.0, spent / n_seeds


def main():
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "results/braindive_options.md",
    )
    given = parser.parse_args()
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [
        "# Options of guidance, under the same panel",
        "",
        f"{today}, one CPU thread, the demo's models, 32 seeds, 25 steps, ratio 0.2 where nothing "
        "else stands; gains in units of natural top images (90 % interval).",
        "",
        "| objective | option | guide's claim | gain, panel | transfer | verdict | seen as it | "
        "correction | CPU s per image and twin |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for name, label, found, named, ratio, spent in measure(given.run):
        lines.append(
            f"| {name} | {label} | {found.claim:.2f} | {found.gain:.2f} [{found.low:.2f}, "
            f"{found.high:.2f}] | {found.transfer:.2f} | {found.verdict} | {100 * named:.0f} % | "
            f"{ratio:.2f} | {spent:.2f} |"
        )
        print(lines[-1], flush=True)
    given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
