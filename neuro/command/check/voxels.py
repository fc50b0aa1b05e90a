"""Look at images, voxel responses and regions once before anything runs."""

from __future__ import annotations

from neuro.config.braindive import NO_DATA
from neuro.io.problems import InputProblem


def recordings(section, show=None) -> tuple[list[str], list[str]]:
    """Check the files named in `braindive`, and that they belong together.

    Parameters
    ----------
    section : dict
        Resolved section `braindive`.
    show : callable, optional
        Called with the path and content of everything that is read.

    Returns
    -------
    lines : list of str
        What the data set holds.
    problems : list of str
        All problems, one line each.
    """
    images = section["images"]
    if not section["enabled"]:
        return [], []
    problems = networks(section)
    if images == "planted":
        return [], problems
    if images == NO_DATA:
        return ["braindive: no responses; images are made and nobody judges them"], problems
    from neuro.braindive.dataset import BETWEEN, read_data

    try:
        data = read_data(images, section["betas"], section["rois"], test=section["test_images"])
    except InputProblem as problem:
        return [], problems + problem.problems
    if show:
        show(images, data)
    regions = sorted({name for entry in data.roi for name in entry.split(BETWEEN)})
    lines = [
        f"{images}: {len(data.images)} images ({' x '.join(map(str, data.images.shape[1:]))}) in "
        f"{len(data.trial_image)} trials, {int(data.test.sum())} of them for tests, "
        f"{len(data.unit)} voxels, regions {', '.join(regions[:8])}"
    ]
    problems += _fitting(section, data)
    return lines + [f"note: {note}" for note in data.notes], problems


def networks(section) -> list[str]:
    """Whether the folders of weights hold what the settings say; only their settings are read.

    Parameters
    ----------
    section : dict
        Resolved section `braindive`.

    Returns
    -------
    list of str
        One line per problem.
    """
    from neuro.braindive.diffusion import kinds
    from neuro.braindive.diffusion.folder import check_layout
    from neuro.encoding import backbones, fitted, tiny, towers, zero_shot

    def look(key, call, *arguments):
        try:
            call(*arguments)
        except InputProblem as problem:
            lines.extend(f"braindive.{key}: {line}" for line in problem.problems)

    lines: list[str] = []
    choice = section["generator"]
    if choice["path"] and choice["type"] == "tiny":
        look("generator.path", check_layout, choice["path"])
    elif choice["path"]:
        look("generator.path", kinds.check, choice["path"], choice["type"], choice["size"])
    if section["encoder"]["type"] != "fit":
        look("encoder", fitted.fitted_encoder, section["encoder"])
    for role in ("encoder", "independent"):
        if section["encoder"]["type"] != "fit" and role == "encoder":
            continue
        if section["images"] == NO_DATA:
            continue
        kind = backbones.ALIASES.get(section[role]["backbone"], section[role]["backbone"])
        path = section[role]["path"]
        if path and kind in towers.TOWERS:
            look(f"{role}.path", towers.config_of, kind, path)
        elif path and kind.startswith("tiny"):
            look(f"{role}.path", tiny.load, path)
    if section["judge"]["type"] == "file" and section["judge"]["path"]:
        look("judge.path", tiny.CategoryJudge.load, section["judge"]["path"])
    if section["judge"]["type"] == "clip" and section["judge"]["path"]:
        look("judge.path", zero_shot.check_folder, section["judge"]["path"])
    return lines


def _fitting(section, data) -> list[str]:
    """What the images cannot be used for."""
    from neuro.encoding.tiny import MAX_SIZE

    problems, edge, choice = [], data.images.shape[-1], section["generator"]
    own = choice["path"] or choice["images"]
    if choice["type"] == "tiny" and not own and not 16 <= edge <= MAX_SIZE:
        problems.append(
            f"braindive.generator.type: tiny learns squares of 16 to {MAX_SIZE} px, the images "
            f"have {edge}; resize them, give generator.images, or use sd"
        )
    if section["judge"]["type"] == "cnn" and data.condition is None:
        problems.append(
            "braindive.judge.type: cnn needs condition labels, the data have none; set it to none"
        )
    return problems
