"""One job's images: made once, named by their number, and only trusted with a matching sidecar."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.braindive.content_filter import NONE

BLOCK = [
    *("objective", "seed", "correction_ratio", "finite", "filter", "filter_twin"),
    *("A_best", "verdict", "n_voxels"),
]
"""Columns of a block's table; `refused` holds the reason where no image was made."""


def job_hash(*parts) -> str:
    """SHA-256 of everything that shapes an image.

    Parameters
    ----------
    *parts
        Plain values.

    Returns
    -------
    str
    """
    text = json.dumps(provenance.plain(parts), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def image_path(folder, seed: int, twin: bool = False) -> Path:
    """`seed-7.png`, or `seed-7_unguided.png` for its twin."""
    return Path(folder) / f"seed-{seed}{'_unguided' if twin else ''}.png"


def best_path(folder, seed: int) -> Path:
    """`seed-7_best.png`: the guide's favourite of several unguided images."""
    return Path(folder) / f"seed-{seed}_best.png"


def is_done(folder, seed: int, wanted: str) -> bool:
    """Whether a seed's images are whole and were made with the same settings.

    Parameters
    ----------
    folder : path-like
    seed : int
    wanted : str
        :func:`job_hash` of the settings.

    Returns
    -------
    bool
        False when a file is missing, the sidecar says other settings, or an image's bytes are
        not those the sidecar names: then the seed is made again.
    """
    sidecar = image_path(folder, seed).with_suffix(".json")
    try:
        content = json.loads(sidecar.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if content.get("hash") != wanted:
        return False
    checksums = content.get("images", {})
    paths = [image_path(folder, seed, twin) for twin in (False, True)]
    if best_path(folder, seed).name in checksums:
        paths.append(best_path(folder, seed))
    return all(
        path.is_file() and provenance.checksum(path) == checksums.get(path.name) for path in paths
    )


def write_png(path, image) -> str:
    """Write an image as 8-bit PNG that says it is synthetic; whole or not at all.

    Parameters
    ----------
    path : path-like
    image : ndarray, shape (3, h, w)
        In [0, 1], finite.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    ValueError
        When a value is not finite: such an image is never written.
    """
    from PIL import Image, PngImagePlugin

    image = np.asarray(image)
    if not np.isfinite(image).all():
        raise ValueError(f"{path}: image holds values that are not finite; it is not written")
    pixels = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    note = PngImagePlugin.PngInfo()
    note.add_text("synthetic", "made by neuro braindive; not a photograph")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        temporary, format="PNG", pnginfo=note
    )
    os.replace(temporary, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_png(path) -> np.ndarray:
    """An image as float32 (3, h, w) in [0, 1]."""
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    return pixels.transpose(2, 0, 1) / 255


def make_block(
    sampler, folder, seeds, *, batch_size=8, best_of=1, facts=None, content_filter=None, log=None
) -> list[dict]:
    """Make the missing images of a block of seeds.

    Parameters
    ----------
    sampler : BrainGuidedSampler
    folder : path-like
    seeds : sequence of int
        Numbers of the images under the sampler's `random_state`.
    batch_size : int
        Seeds per pass; images do not depend on it beyond rounding.
    best_of : int
        Unguided images per seed of which the guide picks one, as a control; 1 makes none.
    facts : dict, optional
        More for the sidecars, e.g. hashes and versions.
    content_filter : neuro.braindive.content_filter.ContentFilter, optional
        Its verdicts go to the sidecars; no image is changed or left out.
    log : callable, optional

    Returns
    -------
    list of dict
        Per seed: objective, seed, correction_ratio, finite, filter and filter_twin (`none` where
        no filter ran), A_best (NaN without a control), made (False where it was there already).
    """
    from neuro.braindive.diffusion.candidates import best_of as favourite

    log = log or (lambda line: None)
    generator, objective = sampler.generator, sampler.objective
    shared = {
        **sampler.settings(),
        **generator.describe(),
        "encoder": sampler.encoder.fingerprint(),
        "objective": objective.name,
        "objective_hash": objective.fingerprint(),
        "n_voxels": len(objective.own_units),
        "verdict": objective.verdict,
        "content_filter": content_filter.sha256 if content_filter else NONE,
        "best_of": best_of,
    }
    wanted = job_hash(shared)
    missing = [seed for seed in seeds if not is_done(folder, seed, wanted)]
    log(f"{objective.name}: {len(seeds) - len(missing)} of {len(seeds)} images are there")
    for start in range(0, len(missing), batch_size):
        chunk = missing[start : start + batch_size]
        batch = sampler.sample(chunk)
        for k, seed in enumerate(chunk):
            content = {
                **(facts or {}),
                **shared,
                "seed": seed,
                "hash": wanted,
                "synthetic": True,
                "correction_ratio": float(batch.correction_ratio[k]),
                "finite": bool(batch.finite[k]),
                "trace": batch.trace[k],
                "filter": NONE,
                "filter_twin": NONE,
                "images": {},
            }
            if batch.finite[k]:
                if content_filter:
                    pair = np.stack([batch.images[k], batch.unguided[k]])
                    content["filter"], content["filter_twin"] = content_filter.verdicts(pair)
                for twin, image in ((False, batch.images[k]), (True, batch.unguided[k])):
                    path = image_path(folder, seed, twin)
                    content["images"][path.name] = write_png(path, image)
                content |= _activations(sampler, batch, k)
                if best_of > 1:
                    twin = batch.unguided[k]
                    image, value = favourite(sampler, seed, best_of, twin, batch_size)
                    path = best_path(folder, seed)
                    content["images"][path.name] = write_png(path, image)
                    content["A_best"] = value
            else:
                image_path(folder, seed).unlink(missing_ok=True)
                log(f"seed {seed}: not finite, no image")
            # The sidecar comes last: a seed without it is not done.
            provenance.write_json(image_path(folder, seed).with_suffix(".json"), content)
        log(f"{objective.name}: seeds {chunk[0]}-{chunk[-1]} made")
    rows = []
    for seed in seeds:
        content = json.loads(image_path(folder, seed).with_suffix(".json").read_text("utf-8"))
        rows.append(
            {
                "objective": objective.name,
                "seed": seed,
                "correction_ratio": content["correction_ratio"],
                "finite": content["finite"],
                "filter": content["filter"],
                "filter_twin": content["filter_twin"],
                "A_best": content.get("A_best", np.nan),
                "made": seed in missing,
            }
        )
    return rows


def _activations(sampler, batch, k):
    import torch

    pair = np.stack([batch.images[k], batch.unguided[k]])
    with torch.no_grad():
        values = sampler._value_of(torch.as_tensor(pair).to(sampler.device)).cpu().tolist()
    return {"A": values[0], "A_twin": values[1]}


def write_refusal(out, name, reason) -> None:
    """Table of a block whose objective is refused: one row without a seed.

    Parameters
    ----------
    out : path-like
    name, reason : str
    """
    import pandas as pd

    from neuro.io.formats.tables import write_tsv

    row = dict.fromkeys(BLOCK) | {"objective": name, "finite": False, "n_voxels": 0}
    write_tsv(out, pd.DataFrame([{**row, "refused": reason}]))
