"""Cases of braindive and the scenes it reads."""

from __future__ import annotations

from common import SINGLE

from cases.case import Case

SCENES = {
    "data": {"kind": "none"},
    "simulate": {"scenes": {"n_train": 10, "n_test": 3, "n_per_roi": 2}},
}

IMAGINED = {
    "data": {"kind": "none"},
    "hmmglm": {"enabled": False},
    "simulate": {"scenes": {"n_train": 16, "n_test": 3, "n_per_roi": 2, "noise": 0.2}},
    "braindive": {
        "enabled": True,
        "objectives": ["face"],
        "encoder": {"backbone": "pixels"},
        "independent": {"backbone": "gabor"},
        "judge": {"type": "none"},
        "generator": {
            "vae_channels": [8, 8, 8],
            "vae_steps": 3,
            "unet_channels": [16, 16],
            "unet_steps": 3,
        },
        "n_seeds": 2,
        "seed_block": 2,
        "best_of": 2,
        "steps": 2,
        "min_voxels": 2,
        "min_r2": -1000000,
        "device": "cpu",
    },
}
"""Networks of no quality in a few milliseconds: the rules are tested, not the pictures."""


def braindive(*names):
    """Result files of the stage's planted data set."""
    return tuple(f"results/braindive/scenes/{name}" for name in names)


CASES: dict[str, Case] = {
    "braindive_generator": Case(
        IMAGINED,
        ("results/simulated/scenes.h5",),
        braindive("generator/recipe.json", "generator/*/*.json"),
        braindive("generator"),
        "results/braindive/report.json",
        braindive("generator/manifest.json", "generator/*.npy", "generator/*/*.safetensors"),
    ),
    "braindive_encode": Case(
        IMAGINED,
        ("results/simulated/scenes.h5",),
        braindive("encoder_card.tsv", "independent_card.tsv"),
        braindive("encoder_card.tsv", "independent_card.tsv"),
        "results/braindive/report.json",
        braindive("encoder.safetensors", "independent.safetensors"),
    ),
    "braindive_sample": Case(
        IMAGINED,
        braindive(
            "encoder.safetensors",
            "encoder_card.tsv",
            "generator/*.json",
            "generator/*/*",
        ),
        braindive("face/block-0.tsv", "face/*.png"),
        braindive("face/block-0.tsv"),
        "results/braindive/report.json",
        braindive("face/*.json"),
        noise=SINGLE,
    ),
    "braindive_judge": Case(
        IMAGINED,
        (
            "results/simulated/scenes.h5",
            *braindive("*.safetensors", "*_card.tsv", "face/*.png", "face/*.tsv"),
        ),
        (
            "results/braindive/*.tsv",
            "results/braindive/report.json",
            "results/braindive/dataset_description.json",
            "results/braindive/.bidsignore",
            *braindive("judged/*.tsv", "judged/report.json"),
        ),
        ("results/braindive/report.json",),
        "results/braindive/report.json",
        braindive("judged/natural/face/*.png"),
        # a bound of the interval lies near 0, the difference of means 50 times as large
        noise=50 * SINGLE,
    ),
    "simulate_scenes": Case(
        SCENES,
        (),
        ("results/simulated/scenes.*",),
        ("results/simulated/scenes.h5",),
        "results/simulated/scenes.h5",
    ),
}
