"""Public downloads, small and true in structure: from `neuro init` to a verdict per region."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from common import report_text, snakemake

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
import of_downloads as made

from neuro.braindive.objectives import is_early
from neuro.command import init
from neuro.simulate.scenes import CATEGORIES, scene_world

REGIONS = {"EBA": ("floc-bodies", 1), "FFA-1": ("floc-faces", 2), "PPA": ("floc-places", 2)}
"""Mask and number of the regions of the small subject."""
LIKES = {"EBA": "body", "FFA-1": "face", "PPA": "place"}
SMALL = {
    "encoder": {"backbone": "pixels"},
    "independent": {"backbone": "gabor"},
    "generator": {
        "vae_channels": [8, 8, 16],
        "vae_steps": 20,
        "unet_channels": [16, 32],
        "unet_steps": 20,
    },
    "n_seeds": 6,
    "seed_block": 6,
    "best_of": 2,
    "steps": 4,
    "min_r2": -1,
    "device": "cpu",
}
"""What makes the stage small: nothing about the data."""


def scenes_subject(root, n=120, n_vertices=12, n_outside=6):
    """A subject of Algonauts 2023 who sees scenes; vertices of a region like its category."""
    world, rng = scene_world(n, 5), np.random.default_rng(5)
    pixels = np.round(255 * world.images).astype(np.uint8).transpose(0, 2, 3, 1)
    for k, picture in enumerate(pixels):
        name = f"train-{k + 1:04d}_nsd-{3 * k:05d}.png"
        made.save_picture(root / "training_split/training_images" / name, picture)
    (root / "training_split/training_fmri").mkdir()
    (root / "roi_masks").mkdir()
    for side in ("lh", "rh"):
        shape = (n, n_vertices)
        parts = []
        for region in REGIONS:
            seen = world.category == CATEGORIES.index(LIKES[region])
            liked = (seen * (0.5 + world.size))[:, None] * rng.uniform(0.6, 1.4, n_vertices)
            parts.append(liked + rng.normal(0, 0.3, shape))
        parts.append(rng.normal(size=(n, n_outside)))
        place = root / "training_split/training_fmri" / f"{side}_training_fmri.npy"
        np.save(place, np.concatenate(parts, axis=1).astype(np.float32))
        for own, (kind, number) in REGIONS.items():
            mask = [number * (region == own) for region in REGIONS for _ in range(n_vertices)]
            np.save(root / f"roi_masks/{side}.{kind}_challenge_space.npy", mask + [0] * n_outside)


def settled(folder, **changes):
    """`neuro init`, with further keys of the stage; the settings and what they name."""
    mapping = yaml.safe_load(init.settings([folder / "subj01"]))
    mapping["braindive"] |= changes
    (folder / "mine.yaml").write_text(yaml.safe_dump(mapping))
    return mapping["braindive"]


def planned(folder):
    """Jobs of the stage in a dry run, by rule."""
    words = ("braindive", "-n", "--cores", "1", "--configfile", "mine.yaml")
    text = snakemake(folder, *words).stdout
    return {
        name: int(n) for name, n in re.findall(r"^braindive_(\w+)\s+(\d+)$", text, re.MULTILINE)
    }


DOWNLOADS = {
    "algonauts": (made.algonauts(masks=made.LEFT), ["EBA", "FFA-1", "OFA", "floc-faces-9"]),
    "nsd": (made.nsd(), ["FFA-1"]),
    "bold5000": (made.bold5000(), ["LHPPA", "RHLOC"]),
    "things": (made.things(), ["lFFA"]),
}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_is_planned_as_it_lies_there(name, tmp_path):
    make, regions = DOWNLOADS[name]
    make(tmp_path)
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    section = settled(folder.rename(tmp_path / "subj01").parent)
    assert sorted(section["objectives"]) == regions
    # no labels of the pictures: no judge of categories; two blocks per region
    roles = 2 if section.get("judge", {}).get("type") == "none" else 3
    assert roles == (3 if name == "things" else 2)
    assert planned(tmp_path) == {
        "generator": 1,
        "encode": roles,
        "sample": 2 * len(regions),
        "judge": 1,
    }


def test_early_areas_are_known_by_the_names_of_data_sets():
    names = ["V1", "V2d", "hV4", "V3A", "lV1", "LHEarlyVis", "early", "rh_V2"]
    assert all(map(is_early, names))
    assert not any(
        map(
            is_early, ["VO1", "FFA-1", "lFFA", "LHLOC", "VWFA-1", "midventral", "V6", "all", "RV10"]
        )
    )


@pytest.mark.slow
def test_a_subject_of_algonauts_goes_from_init_to_a_verdict_per_region(tmp_path):
    scenes_subject(tmp_path / "subj01")
    section = settled(tmp_path, **SMALL)
    assert section["objectives"] == list(REGIONS)
    start = "import sys; from neuro.command.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "run", "subj01", "out", "group"]
    command += ["--config", "mine.yaml", "--cores", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = pd.read_csv(tmp_path / "out/results/braindive/summary.tsv", sep="\t")
    assert sorted(found["objective"]) == list(REGIONS) and found["refused"].isna().all()
    assert set(found["verdict"]) <= {"supported", "refuted", "cannot tell"}
    assert np.isfinite(found[["gain", "gain_low", "gain_high", "claim"]].to_numpy()).all()
    page = report_text(tmp_path / "out")
    for row in found.itertuples():
        assert row.objective in page and row.verdict in page
