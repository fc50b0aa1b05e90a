"""Stimuli with responses, and images with voxels."""

from __future__ import annotations

from collections import Counter

from neuro.command.init import asked
from neuro.command.init.found import Found, comment, counts, few, quoted

LEAST = 20
"""Regions of fewer voxels are no objectives; default of braindive.min_voxels."""
ANSWERS = {"set mds.variable": "variable: {choice}"}


def recognise(places) -> Found:
    """Stimulus-response data as input of stage mds.

    Parameters
    ----------
    places : sequence of pathlib.Path

    Returns
    -------
    Found
        Sets of images are offered to braindive in comment lines.

    Raises
    ------
    InputProblem
        When none can be read.
    """
    from neuro.io.responses.reader import read_stimulus_response

    contents, questions = asked.read_all(places, read_stimulus_response, ANSWERS)
    lines = [f"  input: [{', '.join(quoted(path.as_posix()) for path, _ in contents)}]"]
    readable = [data for _, data in contents if data is not None]
    if any(data.kind in ("temporal", "movie") and not data.fs for data in readable):
        lines += [comment("A file does not state its samples per second:", 2)]
        lines += ["  # frame_rate_hz: 30.0"]
    sections = {"mds": lines + questions}
    images = [path for path, data in contents if data is not None and data.kind == "image"]
    if images:
        sections["braindive"] = [
            comment("to make images that voxels prefer, with regions as objectives:", 2),
            *(f"  # {line}" for line in ("enabled: true", f"images: {quoted(images[0])}")),
            "  # objectives: [rois]",
        ]
    title = f"{len(contents)} sets of stimuli and responses"
    return Found(places[0], asked.about(contents, _describe, title), sections)


def recognise_voxels(places) -> Found:
    """Images with voxels as input of stage braindive.

    Parameters
    ----------
    places : sequence of pathlib.Path or of tuple
        Folders with images.npy, betas.npy and perhaps rois.tsv, or these three files, or
        downloads that hold all.

    Returns
    -------
    Found

    Raises
    ------
    InputProblem
        When the files do not belong together.
    """
    from neuro.braindive.dataset import BETWEEN, read_data
    from neuro.io.responses import downloads

    def three(source):
        if isinstance(source, tuple):
            return source
        if downloads.recognise(source):
            return source, None, None
        rois = source / "rois.tsv"
        return source / "images.npy", source / "betas.npy", rois if rois.is_file() else None

    def read(files):
        return read_data(*files)

    def describe(data):
        names = Counter(name for entry in data.roi for name in entry.split(BETWEEN))
        size = " x ".join(map(str, data.images.shape[1:]))
        first = f"{len(data.images)} images ({size}), {len(data.unit)} voxels"
        trials = f"trials: {len(data.trial_image)}, {int(data.test.sum())} images for tests"
        return first, [f"regions: {counts(names)}", f"{trials}; a row per trial", *data.notes]

    contents, questions = asked.read_all([three(source) for source in places], read, {})
    images, betas, rois = contents[0][0]
    lines = ["  enabled: true", f"  images: {quoted(images)}"]
    lines += [f"  betas: {quoted(betas)}"] if betas else []
    if rois:
        lines.append(f"  rois: {quoted(rois)}")
    elif not betas:
        areas = Counter(name for entry in contents[0][1].roi for name in entry.split(BETWEEN))
        areas.pop("none", None)
        lines += _regions(areas)
    else:
        lines += [comment("no rois.tsv (voxel, roi): all voxels together", 2)]
        lines += ["  objectives: [all]"]
    if contents[0][1].condition is None:
        lines.append(comment("no labels of the images: no judge of categories", 2))
        lines.append("  judge: {type: none}")
    lines += [comment(f"another set: {files[0]}", 2) for files, _ in contents[1:]]
    title = f"{len(contents)} sets of images and voxels"
    contents = [(files[0], data) for files, data in contents]
    return Found(
        images, asked.about(contents, describe, title), {"braindive": [*lines, *questions]}
    )


def _regions(areas) -> list[str]:
    """Higher areas as objectives, large ones where there are some."""
    from neuro.braindive.objectives import is_early

    early = sorted(filter(is_early, areas))
    higher = [name for name in sorted(areas) if name not in early]
    names = [name for name in higher if areas[name] >= LEAST] or higher
    if not names and early:
        return [f"  objectives: [{', '.join(map(quoted, early))}]", "  early_areas: true"]
    lines = [f"  objectives: [{', '.join(map(quoted, names or ['all']))}]"]
    if early:
        lines.append(comment(f"early visual areas are no objectives: {few(early, 8)}", 2))
    return lines


def _describe(data):
    tiers = counts(Counter(data.tier.tolist()))
    shape = "none" if data.stimuli is None else " x ".join(map(str, data.stimuli.shape[1:]))
    first = f"{len(data.unit)} units, {len(data.tier)} trials ({tiers}), {data.kind}"
    rate = f"{data.fs:g} samples per s" if data.fs else "not stated"
    properties = [name for name in data.units if name != "unit"]
    label = f"units: {few(data.unit, 4)}; label: {', '.join(properties) or 'none'}"
    notes = [*data.notes, *(f"{unit} left out: {why}" for unit, why in data.excluded[:3])]
    return first, [
        f"time: {rate}; a trial is a row; stimulus: {shape}",
        label,
        *(f"in doubt: {note}" for note in notes),
    ]
