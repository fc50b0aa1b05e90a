"""Guided images per minute and peak memory on a GPU, and how far they are from the CPU's.

`python benchmarks/braindive_gpu.py [--out FILE]`. Modules of the size of Stable Diffusion 2.1 with
random weights (time and memory do not depend on their values), 512 px, and a small model for the
comparison with the CPU. Without a CUDA device it says so and ends. `--device cpu --small` runs the
same lines on the small model.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from braindive import parts
from page import heading

STEPS, SMALL_STEPS = 10, 4
LEVERS = {
    "exact": {},
    "no gradient through the UNet": {"unet_backprop": False},
}
BATCHES = (1, 8)


def large():
    """Modules of the size of Stable Diffusion 2.1, and an encoder of pixels."""
    import numpy as np

    from neuro.braindive import Objective, RandomSD21
    from neuro.encoding import VoxelEncoder
    from neuro.encoding.backbones import make

    encoder = VoxelEncoder("pixels")
    encoder.backbone_ = make("pixels", (3, 512, 512))
    width = encoder.features(np.zeros((1, 3, 512, 512), np.float32)).shape[1]
    encoder.coef_ = np.random.default_rng(0).normal(0, 0.1, (40, width)).astype(np.float32)
    encoder.intercept_ = np.zeros(40, np.float32)
    encoder.unit_ = [str(k) for k in range(40)]
    return RandomSD21(), encoder, Objective.from_rois({"x": 1}, encoder.unit_, ["x"] * 40)


def speed(device, small):
    """Rows: lever, dtype, batch, seconds per image and step, images of 25 steps per minute, GiB."""
    import torch

    from neuro.braindive import BrainGuidedSampler

    rows = []
    generator, encoder, objective = parts() if small else large()
    dtype = "float32" if device == "cpu" else "bfloat16"
    for lever, options in LEVERS.items():
        for batch in BATCHES:
            own = {"steps": STEPS, "dtype": dtype, "device": device, **options}
            sampler = BrainGuidedSampler(generator, encoder, objective, **own)
            sampler.sample(range(batch), unguided=False)
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            sampler.sample(range(batch), unguided=False)
            seconds = (time.perf_counter() - start) / (batch * STEPS)
            peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else float("nan")
            rows.append((lever, dtype, batch, seconds, 60 / (25 * seconds), peak))
    return rows


def equality(device):
    """Largest difference of the small model's images to those of the CPU, in float32."""
    import numpy as np
    import torch

    from neuro.braindive import BrainGuidedSampler

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    images = []
    for where in ("cpu", device):
        own = {"steps": SMALL_STEPS, "dtype": "float32", "device": where}
        images.append(BrainGuidedSampler(*parts(), **own).sample(range(4)).images)
    return float(np.abs(images[0] - images[1]).max())


def main():
    """Measure and write the table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("braindive_gpu: no CUDA device is visible; nothing measured")
        sys.exit(0)
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    what = "A small model" if arguments.small else "Modules of the size of Stable Diffusion 2.1"
    lines = [
        *heading(
            "braindive: guided images on a GPU", "python benchmarks/braindive_gpu.py", ("torch",)
        ),
        f"Device: {name}. {what} with random weights, {STEPS} steps, without twins; images per "
        "minute for 25 steps.",
        "",
        "| gradient | numbers | batch | s per image and step | images per minute | peak GiB |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for lever, dtype, batch, seconds, rate, peak in speed(arguments.device, arguments.small):
        lines.append(f"| {lever} | {dtype} | {batch} | {seconds:.4f} | {rate:.1f} | {peak:.1f} |")
    error = equality(arguments.device)
    lines += ["", f"Largest difference to the CPU's images in float32: {error:.1e} (bound 1e-2)."]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")
    sys.exit(int(error > 1e-2))


if __name__ == "__main__":
    main()
