"""Images and voxel responses of one data set, and who may see which images."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np

from neuro.braindive.tiers import known_ratio, names_of, own_test
from neuro.io.formats.codes import same_columns, twice, without_codes
from neuro.io.problems import InputProblem
from neuro.io.responses.images import layout
from neuro.io.responses.parts import LazyStimuli, mapped
from neuro.stats.splits import content_ids, shared_groups

BETWEEN = "|"
"""Between the regions of a voxel that belongs to several."""
SHARES = ("encoder", "independent")
"""The guide is fitted on every second training image, the independent encoder on the others."""


@dataclasses.dataclass(frozen=True)
class ImageData:
    """Images with mean responses.

    Attributes
    ----------
    images : ndarray of float32, or Pictures, shape (n_images, c, h, w)
    betas : ndarray of float32, shape (n_images, n_voxels)
        Mean over the repeats of an image.
    trial_image : ndarray of int, shape (n_trials,)
        Image of each trial.
    trial_betas : ndarray of float32, shape (n_trials, n_voxels)
    test : ndarray of bool, shape (n_images,)
        Never fitted.
    unit, roi : list of str
    condition : ndarray of str or None
    excluded : list of tuple
        Unit, reason.
    notes : list of str
        What was turned or left out, for people.
    sizes : ndarray of float32 or None, shape (n_images,)
        Size of what an image shows, in a file that holds it; small networks learn it as well.
    ncsnr : ndarray or None, shape (n_voxels,)
        Published signal-to-noise ratio of each voxel; NaN where none is known.
    """

    images: np.ndarray | Pictures
    betas: np.ndarray
    trial_image: np.ndarray
    trial_betas: np.ndarray
    test: np.ndarray
    unit: list
    roi: list
    condition: np.ndarray | None
    excluded: list
    notes: list = dataclasses.field(default_factory=list)
    sizes: np.ndarray | None = None
    ncsnr: np.ndarray | None = None

    def shared(self) -> int:
        """Pictures that leak: in training and test, or seen by both encoders; 0 is right."""
        content = content_ids(self.images)
        both = shared_groups(content, self.share(SHARES[0]), self.share(SHARES[1]))
        return shared_groups(content, ~self.test, self.test) + both

    def share(self, role: str) -> np.ndarray:
        """Rows of the training images that one encoder is fitted on.

        Parameters
        ----------
        role : {'encoder', 'independent', 'category'}
            The category judge sees all training images.

        Returns
        -------
        ndarray of int
        """
        rows = np.flatnonzero(~self.test)
        return rows[SHARES.index(role) :: 2] if role in SHARES else rows


def read_data(images, betas=None, rois=None, *, test=None, zscore=True) -> ImageData:
    """Read images, responses and regions.

    Parameters
    ----------
    images : path-like
        Stimulus-response data (see :func:`neuro.io.read_stimulus_response`), or images
        `.npy` (n, c, h, w) with values in [0, 1] or uint8.
    betas : path-like, optional
        `.npy` (n, n_voxels) for images in a `.npy`, one row per image.
    rois : path-like, optional
        Table with columns `voxel` and `roi`, and perhaps `t`: then voxels with t <= 2 belong to
        no region. A column `ncsnr` is kept.
    test : path-like, optional
        Text file with the test images, one per line: stimulus names, or row numbers from 0.
        Every repeat of such an image is a test trial, all others are training trials.
    zscore : bool
        z-score the responses of each voxel over all training trials.

    Returns
    -------
    ImageData

    Raises
    ------
    InputProblem
        When files are missing or do not fit together.
    """
    from neuro.encoding.preprocess import check_betas, check_images
    from neuro.encoding.targets import average_repeats

    path = Path(images)
    if path.suffix == ".npy":
        content: dict = _two_files(path, betas)
    else:
        from neuro.io.responses.reader import read_stimulus_response

        stored = read_stimulus_response(path)
        if stored.kind != "image":
            raise InputProblem(f"{path}: holds {stored.kind} stimuli; braindive needs images")
        keep = np.flatnonzero(stored.tier != "unused")
        content = {
            "images": stored.stimuli,
            "rows": keep,
            "betas": stored.responses[keep],
            "tier": stored.tier[keep],
            "stimulus": names_of(stored.stimulus_id, keep),
            "family": np.asarray(stored.family)[keep],
            "condition": None if stored.condition is None else np.asarray(stored.condition)[keep],
            "unit": list(stored.unit),
            "roi": stored.units.get("roi"),
            "excluded": stored.excluded,
            "notes": stored.notes,
            "size": _sizes(path, keep),
        }
    pictures, rows = content["images"], content["rows"]
    for block in _blocks(pictures):
        check_images(block, str(path))
    values = check_betas(content["betas"], len(rows), str(betas or path))
    name = content["family"]
    chosen = content["tier"] == "test"
    if test is not None:
        chosen = own_test(test, name, content["stimulus"], rows)
    test = chosen
    # Before anything is averaged: an image is on one side with all its repeats.
    both = sorted(set(name[test]) & set(name[~test]))
    if both:
        raise InputProblem(
            f"{path}: {len(both)} images are repeated in training and test (first: {both[0]}); "
            "give all repeats one tier, or a list braindive.test_images"
        )
    if not test.any() or test.all():
        raise InputProblem(f"{path}: no test images; mark at least some trials with tier 'test'")
    if zscore:
        # Test data are scaled with the statistics of the training trials.
        mean, sd = values[~test].mean(axis=0), values[~test].std(axis=0)
        values = ((values - mean) / np.where(sd > 0, sd, 1)).astype(np.float32)
    mean, first, _ = average_repeats(values, name)
    _, start, number = np.unique(name, return_index=True, return_inverse=True)
    condition = content["condition"]
    return ImageData(
        _at(pictures, rows[first]),
        mean,
        np.argsort(np.argsort(start))[number],
        values,
        test[first],
        content["unit"],
        regions(rois, content["unit"], content["roi"], [name for name, _ in content["excluded"]]),
        None if condition is None else np.asarray(condition)[first].astype(str),
        content["excluded"],
        content["notes"],
        None if content["size"] is None else content["size"][first],
        known_ratio(rois, content["unit"]),
    )


class Pictures:
    """Images that stay in their file until some are asked for, as float32 in [0, 1], padded.

    Parameters
    ----------
    source : LazyStimuli
    rows : ndarray of int, shape (n_images,)
        Which of its images.
    """

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, source, rows):
        self.source, self.rows = source, np.asarray(rows)
        self.shape = (len(self.rows), *_edge(source.shape[1:]))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, wanted):
        """Images in the order asked for."""
        rows = self.rows[wanted]
        if np.ndim(rows) == 0:
            return padded(self.source[[rows]])[0]
        return padded(self.source[rows])

    def __array__(self, dtype=None, copy=None):
        values = self[:]
        return values if dtype is None else values.astype(dtype)


def _at(images, rows):
    """Padded images of these rows; those of a file stay there."""
    if isinstance(images, LazyStimuli):
        return Pictures(images, rows)
    whole = len(rows) == len(images) and np.array_equal(rows, np.arange(len(rows)))
    return padded(images if whole else images[rows])


def _blocks(images, size=1 << 25):
    """The images piece by piece, in so many bytes; at least one piece."""
    step = max(1, size // (4 * max(1, math.prod(images.shape[1:]))))
    for first in range(0, max(len(images), 1), step):
        yield images[first : first + step]


def _sizes(path, keep):
    """Data set `size` of a stimulus-response file: a number per trial, where there is one."""
    if path.suffix not in (".h5", ".hdf5"):
        return None
    import h5py

    with h5py.File(path) as file:
        if "size" not in file or file["size"].ndim != 1 or file["size"].dtype.kind not in "fiu":
            return None
        values = file["size"][:].astype(np.float32)
    return values[keep] if len(values) > keep.max() and np.isfinite(values).all() else None


def padded(images, multiple=8):
    """Square images whose edge is a multiple of 8, framed by the colour of each image's corner.

    Parameters
    ----------
    images : ndarray, shape (n, c, h, w)
    multiple : int

    Returns
    -------
    ndarray
        The images themselves where their shape fits.
    """
    height, width = images.shape[-2:]
    size = _edge(images.shape[1:], multiple)[-1]
    if (height, width) == (size, size):
        return images
    out = np.empty((*images.shape[:2], size, size), images.dtype)
    out[:] = images[..., :1, :1]
    top, left = (size - height) // 2, (size - width) // 2
    out[..., top : top + height, left : left + width] = images
    return out


def _edge(shape, multiple=8):
    """Shape (c, h, w) of a padded image."""
    size = -(-max(shape[-2:]) // multiple) * multiple
    return (shape[0], size, size)


def preferences(betas, condition) -> dict:
    """t value of every voxel for each condition against all others.

    Parameters
    ----------
    betas : array, shape (n_images, n_voxels)
    condition : sequence of str, length n_images

    Returns
    -------
    dict of str to ndarray, shape (n_voxels,)
    """
    from scipy import stats

    condition = np.asarray(condition).astype(str)
    names = {}
    for name in np.unique(condition):
        own = condition == name
        if 1 < own.sum() < len(own) - 1:
            names[str(name)] = np.nan_to_num(stats.ttest_ind(betas[own], betas[~own]).statistic)
    return names


def _two_files(path, betas):
    if betas is None:
        raise InputProblem(f"{path}: braindive.betas is missing; a .npy of images needs one")
    for given in (path, Path(betas)):
        if not given.is_file():
            raise InputProblem(f"{given}: no such file")
    stored, values = mapped(path), mapped(betas)
    if len(stored) != len(values):
        raise InputProblem(
            f"{betas}: {len(values)} rows, {path.name} has {len(stored)} images; same first axis "
            "expected"
        )
    family = content_ids(stored)
    how = layout(stored, str(path))
    values = np.asarray(values)
    unit = [f"v{k:05d}" for k in range(values.shape[1] if values.ndim == 2 else 0)]
    values, notes = without_codes(values, unit, "voxel")
    notes += twice(same_columns(values), unit, "voxels")
    return {
        "images": LazyStimuli(path, layout=how),
        "rows": np.arange(len(stored)),
        "betas": values,
        "family": family,
        # Every tenth image is a test image, with all its repeats.
        "tier": np.where(family % 10 == 9, "test", "train"),
        "stimulus": np.array([f"image-{k:05d}" for k in family]),
        "unit": unit,
        "excluded": [],
        "notes": [*how.notes, *notes],
        **dict.fromkeys(("condition", "roi", "size")),
    }


def in_region(roi, name) -> np.ndarray:
    """Which voxels belong to a region; a voxel may belong to several, joined by `|`.

    Parameters
    ----------
    roi : sequence of str, length n_voxels
    name : str

    Returns
    -------
    ndarray of bool, shape (n_voxels,)
    """
    return np.array([name in entry.split(BETWEEN) for entry in roi], dtype=bool)


def regions(path, unit, roi, excluded=()) -> list[str]:
    """Regions of each voxel, joined by `|`, from a table where there is one.

    The table may name voxels that were left out (`excluded`).

    Raises
    ------
    InputProblem
        When the table knows other voxels than the responses.
    """
    if path is None:
        return [str(region) for region in roi] if roi is not None else ["all"] * len(unit)
    from neuro.io.formats.tables import read_tsv

    table = read_tsv(path, dtype={"voxel": str, "roi": str})
    lacking = [name for name in ("voxel", "roi") if name not in table]
    if lacking:
        raise InputProblem(f"{path}: no column '{lacking[0]}'; expected voxel and roi")
    if "t" in table:
        table = table[table["t"] > 2]
    table = table.assign(roi=table["roi"].fillna("none")).drop_duplicates(["voxel", "roi"])
    digits = table["voxel"].str.fullmatch(r"v?\d+").all()
    if digits and all(re.fullmatch(r"v\d{5,}", name) for name in unit):
        # columns have no names of their own: their number, from 0, is one
        number = table["voxel"].str.lstrip("v").astype(int)
        n_voxels = len(unit) + len(excluded)
        if number.max() == n_voxels and number.min() > 0:
            raise InputProblem(
                f"{path}: voxels are numbered 1 to {number.max()}; number the columns of the "
                f"responses from 0 (0 to {n_voxels - 1})"
            )
        table = table.assign(voxel=[f"v{k:05d}" for k in number])
    region_of = table.groupby("voxel", sort=False)["roi"].agg(BETWEEN.join).to_dict()
    inside = {*unit, *excluded}
    strangers = [name for name in region_of if name not in inside]
    if strangers:
        raise InputProblem(
            f"{path}: {len(strangers)} voxels are not among the {len(unit)} of the responses "
            f"(first: {strangers[0]}); expected names such as {', '.join(list(unit)[:2])}"
        )
    return [region_of.get(name, "none") for name in unit]
