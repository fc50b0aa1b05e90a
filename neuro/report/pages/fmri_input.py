"""What the kind of input means for the results: native space, slice timing, earlier denoising."""

from __future__ import annotations

import json
from pathlib import Path

from neuro.report.site import model

_NATIVE = ("native", "T1w", "func", "scanner")


def blocks(folder: Path, runs, config: dict) -> list:
    """Texts that stand before the quality measures.

    Parameters
    ----------
    folder : pathlib.Path
        `results/fmri`.
    runs : pandas.DataFrame or None
        Run table.
    config : dict

    Returns
    -------
    list of neuro.report.site.model.Text
    """
    kind = config.get("data", {}).get("kind")
    out = []
    if is_native(kind, runs, config.get("fmri", {})):
        out.append(
            model.Text(
                "Images are in native space: no normalisation was applied, so voxels of "
                "different participants do not correspond.",
                "warning",
            )
        )
    if kind == "bids":
        out += _raw(folder)
    if kind == "xcpd":
        out.append(
            model.Text(
                "The images were denoised with XCP-D and taken as they are: no filter and no "
                "regression was applied again, and there is no state before cleaning to "
                "compare with.",
                "note",
            )
        )
    return out


def is_native(kind, runs, fmri: dict) -> bool:
    """Whether the images of a run table stayed in native space."""
    if kind == "bids":
        return not (fmri.get("normalise") or {}).get("affine")
    with_space = runs is not None and "space" in runs and kind in ("fmriprep", "xcpd")
    return bool(with_space and runs["space"].astype(str).isin(_NATIVE).any())


def _raw(folder: Path) -> list:
    """How many runs had their slices corrected, and which volumes could not be realigned."""
    done = total = failed = 0
    for pattern in ("sub-*/func", "sub-*/ses-*/func"):
        for path in sorted(folder.glob(f"{pattern}/*_desc-preproc_bold.json")):
            image = path.with_name(path.name.replace(".json", ".nii.gz"))
            if not image.exists() or not image.stat().st_size:
                continue
            content = json.loads(path.read_text("utf-8"))
            total += 1
            done += bool(content.get("SliceTimingCorrected"))
            failed += len(content.get("FailedVolumes", ()))
    if not total:
        return []
    words = f"Slice timing was corrected in {done} of {total} runs"
    words += "." if done == total else "; the others do not say when their slices were acquired, "
    words += "" if done == total else "or the step is switched off."
    if failed:
        words += f" {failed} volume{'s' * (failed > 1)} could not be realigned and left out."
    return [
        model.Text(
            "Raw images went through the light path: slice timing, rigid realignment, a mask from "
            f"the mean image. No susceptibility correction was applied. {words}",
            "note",
        )
    ]
