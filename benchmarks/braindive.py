"""One guided step against the published scheme in its own form, on a small model and one thread.

`python benchmarks/braindive.py [--out FILE]`. The published scheme makes three UNet calls per step
(noise without gradient, degraded noise, noise with gradient) and one image at a time; ours shares
the forward pass and takes seeds in batches. Both give the same images (checked here).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from page import heading

os.environ.setdefault("OMP_NUM_THREADS", "1")


def parts():
    """A small latent diffusion model with random weights and an encoder on Gabor energies."""
    import numpy as np
    import torch

    from neuro.braindive import Objective, TinyLDM, TinyRecipe
    from neuro.braindive.diffusion.schedulers import SCHEDULE
    from neuro.encoding import VoxelEncoder
    from neuro.encoding.backbones import make

    torch.manual_seed(0)
    unet, vae = TinyLDM.networks(TinyRecipe())
    vae.register_to_config(scaling_factor=0.7)
    generator = TinyLDM._made(unet, vae, SCHEDULE, {})
    encoder = VoxelEncoder("gabor")
    encoder.backbone_ = make("gabor", (3, 32, 32))
    rng = np.random.default_rng(0)
    encoder.coef_ = rng.normal(0, 0.1, (40, 192)).astype(np.float32)
    encoder.intercept_ = np.zeros(40, np.float32)
    encoder.unit_ = [str(k) for k in range(40)]
    objective = Objective.from_rois({"x": 1}, encoder.unit_, ["x"] * 40)
    return generator, encoder, objective


def published(generator, value_of, z, steps, gamma, sag):
    """The published scheme: one image, noise predicted anew for the gradient."""
    import torch

    from neuro.braindive.diffusion.attention import degraded, kept_attention
    from neuro.braindive.diffusion.batch import picture
    from neuro.braindive.diffusion.schedulers import make_scheduler

    scheduler = make_scheduler("dpmsolver++", generator, steps)
    for t in (int(t) for t in scheduler.timesteps):
        abar = generator.alphas_cumprod[t]
        sb = (1 - abar) ** 0.5
        with kept_attention(generator.unet) as kept, torch.no_grad():
            eps = generator.eps(z, t)
            base = eps
            if sag:
                x0 = (z - sb * eps) / abar**0.5
                worse = degraded(x0, kept.received, eps, abar)
                base = eps + sag * (eps - generator.eps(worse, t))
        leaf = z.detach().requires_grad_(True)
        again = generator.eps(leaf, t)
        x = sb * (leaf - sb * again) / abar**0.5 + (1 - sb) * leaf
        value = value_of(picture(generator.decode(x))).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        z = scheduler.step(base - sb * gamma * gradient, t, z).prev_sample
    with torch.no_grad():
        return picture(generator.decode(z))


def measure(steps=5, n=8):
    """Rows of the table: name, CPU seconds per image and step, difference to the published one."""
    import numpy as np
    import torch

    from neuro.braindive import BrainGuidedSampler

    torch.set_num_threads(1)
    generator, encoder, objective = parts()
    rows = []
    for sag in (0.75, 0.0):
        options = {"strength": "gamma", "value": 20.0, "steps": steps, "device": "cpu"}
        sampler = BrainGuidedSampler(generator, encoder, objective, sag_scale=sag, **options)
        noise = sampler.noise(range(n))
        value_of = objective.folded(encoder)
        published(generator, value_of, noise[:1], 1, 20.0, sag)
        start = time.process_time()
        images = [
            published(generator, value_of, noise[k : k + 1], steps, 20.0, sag) for k in range(n)
        ]
        peer = time.process_time() - start
        reference = torch.cat(images).numpy()
        rows.append((f"published scheme, SAG {sag:g}, one by one", peer, peer, 0.0))
        for name, batch in (("shared forward, one by one", 1), (f"shared forward, batch {n}", n)):
            start = time.process_time()
            found = [
                sampler.sample(range(k, k + batch), unguided=False).images
                for k in range(0, n, batch)
            ]
            seconds = time.process_time() - start
            error = float(np.abs(np.concatenate(found) - reference).max())
            rows.append((f"{name}, SAG {sag:g}", seconds, peer, error))
    return [(name, 1000 * s / (steps * n), p / s, e) for name, s, p, e in rows]


def main():
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = [
        *heading("braindive: one guided step", "python benchmarks/braindive.py", ("torch",)),
        "One thread of a CPU. Tiny model of the full recipe's size with random weights, 8 seeds "
        "x 5 steps, gamma 20.",
        "",
        "| method | CPU ms per image and step | times faster | max pixel difference |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {n} | {ms:.1f} | {ratio:.2f} | {error:.1e} |" for n, ms, ratio, error in measure()
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
