"""Look at images, voxel responses and regions once before anything runs."""

from __future__ import annotations

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
    if not section["enabled"] or images == "planted":
        return [], []
    from neuro.braindive.dataset import BETWEEN, read_data

    try:
        data = read_data(images, section["betas"], section["rois"])
    except InputProblem as problem:
        return [], problem.problems
    if show:
        show(images, data)
    regions = sorted({name for entry in data.roi for name in entry.split(BETWEEN)})
    lines = [
        f"{images}: {len(data.images)} images ({' x '.join(map(str, data.images.shape[1:]))}) in "
        f"{len(data.trial_image)} trials, {int(data.test.sum())} of them for tests, "
        f"{len(data.unit)} voxels, regions {', '.join(regions[:8])}"
    ]
    return lines + [f"note: {note}" for note in data.notes], []
