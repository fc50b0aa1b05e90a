"""What guidance gains under independent judges, on the planted world of scenes.

`python benchmarks/braindive_efficacy.py MODELS [--out FILE]` trains generator, guide, independent
encoder and category judge on 12,000 scenes with the default settings, into the folder MODELS
unless they are there already (a run's `results/braindive/scenes` serves too). It samples 32 seeds
of all five regions with gamma 20, then faces at other strengths, without the gradient through the
UNet, as a contrast, and by gradient ascent on pixels.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

SIZE = {"n_train": 12000, "n_test": 2000}
CATEGORIES = ("face", "place", "body", "word", "food")


def pixel_ascent(objective, encoder, images, steps=60, rate=0.05):
    """Adam on the pixels of images: what an encoder likes when no generator restrains it."""
    import torch

    value_of = objective.folded(encoder)
    x = torch.as_tensor(images).clone().requires_grad_(True)
    optimiser = torch.optim.Adam([x], lr=rate)
    for _ in range(steps):
        loss = -value_of(x.clamp(0, 1)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return x.detach().clamp(0, 1).numpy()


def train(folder, log=print):
    """Make what is missing of the four models, with the settings outside the demo.

    Parameters
    ----------
    folder : pathlib.Path
    log : callable

    Returns
    -------
    float
        CPU seconds.
    """
    from neuro.braindive import stage
    from neuro.config.resolve import resolve
    from neuro.simulate.scenes import write_scenes

    start = time.process_time()
    config = {"data": {"kind": "none"}, "braindive": {"enabled": True}}
    if problems := resolve(config):
        raise SystemExit("\n".join(problems))
    settings, scenes = config["braindive"], folder / "scenes.h5"
    if not (folder / "generator" / "manifest.json").is_file():
        write_scenes(scenes, **SIZE)
        stage.make_generator([str(scenes)], folder / "generator", settings, 0, log)
        log(f"generator: {time.process_time() - start:.0f} CPU s")
    given = SimpleNamespace(data=[str(scenes)], generator=[str(folder / "generator")])
    for role in ("encoder", "independent", "category"):
        model, card = folder / f"{role}.safetensors", folder / f"{role}_card.tsv"
        if not model.is_file():
            out = SimpleNamespace(model=model, card=card)
            stage.encode(role, given, out, settings, 0, log)
            log(f"{role}: {time.process_time() - start:.0f} CPU s")
    return time.process_time() - start


def runs():
    """Name, objective in words, preferred category, settings of the sampler."""
    for name in CATEGORIES:
        yield f"{name}, gamma 20", name, name, {"strength": "gamma", "value": 20}
    for value in (3, 10, 30):
        yield f"face, gamma {value}", "face", "face", {"strength": "gamma", "value": value}
    yield "face, ratio 0.2 (default)", "face", "face", {"strength": "ratio", "value": 0.2}
    skip = {"strength": "gamma", "value": 30, "unet_backprop": False}
    yield "face, gamma 30, without UNet gradient", "face", "face", skip
    yield "face - body, gamma 20", "face - body", "face", {"strength": "gamma", "value": 20}


def measure(folder, n_seeds=32):
    """Sample and judge every run.

    Parameters
    ----------
    folder : pathlib.Path
        The four models, see :func:`train`.
    n_seeds : int

    Yields
    ------
    label : str
    summary : dict
        Of :func:`neuro.braindive.judge_images`, with the correction ratio and the mean response
        of the body region under the independent encoder.
    """
    import torch

    from neuro.braindive import BrainGuidedSampler, Objective, TinyLDM, judge_images
    from neuro.braindive.contrasts import parse
    from neuro.encoding import CategoryJudge, VoxelEncoder

    torch.set_num_threads(1)
    generator = TinyLDM.load(folder / "generator")
    guide = VoxelEncoder.load(folder / "encoder.safetensors")
    other = VoxelEncoder.load(folder / "independent.safetensors")
    judge = CategoryJudge.load(folder / "category.safetensors")
    body = Objective.from_rois({"body": 1}, guide.unit_, guide.roi_)

    def judged(images, objective, category, ratio):
        _, summary = judge_images(
            images, twins, guide, other, objective, judge, category, n_bootstrap=1000
        )
        b = float(body.value(other.predict(images), other.unit_).mean())
        return {**summary, "ratio": ratio, "body": b}

    twins = None
    for name, words, category, options in runs():
        objective = Objective.from_rois(parse(words), guide.unit_, guide.roi_)
        sampler = BrainGuidedSampler(generator, guide, objective, device="cpu", **options)
        batch = sampler.sample(range(n_seeds), unguided=twins is None)
        twins = batch.unguided if twins is None else twins
        yield name, judged(batch.images, objective, category, batch.correction_ratio.mean())
        if name == "face, gamma 20":
            images = pixel_ascent(objective, guide, twins)
            yield "face, pixel ascent, 60 Adam steps", judged(images, objective, category, np.nan)


def main():
    """Train what is missing, sample, judge, write the table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--date", default=str(datetime.date.today()))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.models)
    head = (
        "| run | gain A | gain B | 95 % | t | gain B/A | J % | unguided J % | ratio | B of body |"
    )
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for label, summary in measure(arguments.models, arguments.seeds):
        lines.append(_line(label, summary))
        print(lines[-1], flush=True)
    text = (
        f"# braindive: efficacy on the planted scenes\n\n{arguments.date}, `python "
        f"benchmarks/braindive_efficacy.py MODELS`: the settings outside the demo, 12,000 scenes; "
        f"{arguments.seeds} seeds, 25 steps, one CPU thread. Gains over unguided images from the "
        "same noise, in SD of the response; A is the guide, B the independent encoder, J the "
        "category judge; `flag` marks adversarial runs.\n\n" + "\n".join(lines) + "\n"
    )
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


def _line(label, s):
    flag = ", flag" if s["adversarial"] else ""
    return (
        f"| {label}{flag} | {s['gain_A']:.3f} | {s['gain_B']:.3f} | {s['ci_low']:.2f}, "
        f"{s['ci_high']:.2f} | {s['t']:.1f} | {s['gain_B'] / s['gain_A']:.2f} | {100 * s['J']:.0f} "
        f"| {100 * s['J_twin']:.0f} | {s['ratio']:.3f} | {s['body']:.3f} |"
    )


if __name__ == "__main__":
    main()
