"""Networks that section `braindive` names: which need a folder, which go together."""

from __future__ import annotations

from pathlib import Path

from neuro.config.checks.braindive_parts import NO_DATA, TOWERS


def problems(section) -> list[str]:
    """What is wrong with guide, judges, generator and decoder, beyond single values.

    Parameters
    ----------
    section : dict

    Returns
    -------
    list of str
        One line each.
    """
    lines = []
    guide, judge = section["encoder"]["backbone"], section["independent"]["backbone"]
    kind, seen = section["encoder"]["type"], section["images"] != NO_DATA
    if kind == "checkpoint":
        guide = "clip"
    own = kind not in ("berg", "module")
    if seen and own and guide.removesuffix("_b16") == judge.removesuffix("_b16"):
        lines.append(
            f"braindive.independent.backbone: '{judge}' is the guide's as well; the same backbone "
            "is no independent judge"
        )
    for key in ("encoder", "independent"):
        name = section[key]["backbone"].removesuffix("_b16")
        asked = kind in ("fit", "readout") if key == "encoder" else seen
        if asked and name in TOWERS and not section[key]["path"]:
            lines.append(f"braindive.{key}.path: missing; {name} reads a local folder")
    if section["encoder"]["n_augment"] < 1 and section["encoder"]["readout"] == "ridge":
        lines.append("braindive.encoder.n_augment: 0 is for adamw_reference; the ridge needs 1")
    if section["generator"]["type"] != "tiny" and not section["generator"]["path"]:
        lines.append(
            "braindive.generator.path: missing; give the folder with unet/, vae/ and scheduler/"
        )
    for member in section["panel"]:
        name, _, path = member.partition(":")
        if name in TOWERS or name in ("tiny", "tiny_cnn"):
            if not path or not Path(path).exists():
                lines.append(f"braindive.panel: no such folder: '{member}'; expected {name}:FOLDER")
        elif path or name not in ("category", "pixels", "gabor"):
            lines.append(
                f"braindive.panel: got '{member}', expected category, pixels, gabor, or a network "
                "and its folder, such as dinov2:FOLDER"
            )
    if section["guide_decoder"] == "small" and not section["guide_decoder_path"]:
        lines.append("braindive.guide_decoder_path: missing; guide_decoder is 'small'")
    for key in ("guide_decoder_path", "content_filter_path"):
        if section[key] and not Path(section[key]).is_dir():
            lines.append(f"braindive.{key}: no such folder: {section[key]}")
    return lines
