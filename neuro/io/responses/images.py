"""Images as every stage takes them: which axis is what, which range the values have."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.problems import InputProblem

CHANNELS = 4
"""More than this is no number of channels."""
SLACK = 1e-6
BYTE = 255
HEAD = 256
"""Stimuli of a file that are looked at for their range."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How stored stimuli become `(n, [t,] c, h, w)` in [0, 1].

    Attributes
    ----------
    kind : {'temporal', 'clips', 'image', 'movie'}
    axes : tuple of int or None
        Order of the stored axes; None leaves them.
    grey : bool
        Whether an axis for the one channel is added.
    scale, shift : float
        Values become `value * scale + shift`.
    notes : tuple of str
        What was turned, for people.
    """

    kind: str
    axes: tuple[int, ...] | None = None
    grey: bool = False
    scale: float = 1.0
    shift: float = 0.0
    notes: tuple[str, ...] = ()

    def shape(self, shape) -> tuple[int, ...]:
        """Shape of the stimuli after turning."""
        shape = tuple(shape) if self.axes is None else tuple(shape[k] for k in self.axes)
        return (shape[0], 1, *shape[1:]) if self.grey else shape

    def apply(self, stored) -> np.ndarray:
        """Stored stimuli, all axes present, as float32."""
        values = stored if self.axes is None else np.transpose(stored, self.axes)
        values = values[:, None] if self.grey else values
        if values.dtype == np.uint8:
            values = values.astype(np.float32) / np.float32(BYTE)
        values = np.ascontiguousarray(values, dtype=np.float32)
        if (self.scale, self.shift) == (1.0, 0.0):
            return values
        return values * np.float32(self.scale) + np.float32(self.shift)


def layout(stimuli, where="stimuli", *, fs=None) -> Layout:
    """Which axis of stored stimuli is what, and how their values reach [0, 1].

    Parameters
    ----------
    stimuli : array, or anything with shape and dtype that is sliced along its first axis
    where : str
        File or argument that messages name.
    fs : float, optional
        Sampling rate: three axes are clips then, whatever their size.

    Returns
    -------
    Layout

    Raises
    ------
    InputProblem
        When no axis can be the channels, or the values are none of 0 to 1, 0 to 255, -1 to 1,
        standardised.
    """
    shape = tuple(stimuli.shape)
    kind, axes, grey, note = _axes(shape, where, fs)
    notes = (f"{where}: {note}",) if note else ()
    if kind not in ("image", "movie") or stimuli.dtype == np.uint8 or 0 in shape:
        return Layout(kind, axes, grey, notes=notes)
    head = stimuli if isinstance(stimuli, np.ndarray) else np.asarray(stimuli[:HEAD])
    # one pass for each bound; fmin and fmax pass over NaN, which is named elsewhere
    low, high = float(np.fmin.reduce(head, axis=None)), float(np.fmax.reduce(head, axis=None))
    if not (np.isfinite(low) and np.isfinite(high)) or (low >= -SLACK and high <= 1 + SLACK):
        return Layout(kind, axes, grey, notes=notes)
    said = f"{where}: values from {low:.4g} to {high:.4g}"
    if low >= 0 and 2 <= high <= BYTE:
        said += " were taken for the range 0 to 255 and divided by 255"
        return Layout(kind, axes, grey, 1 / BYTE, notes=(*notes, said))
    if low >= -1 - SLACK and high <= 1 + SLACK:
        said += " were taken for the range -1 to 1 and brought to 0 to 1"
        return Layout(kind, axes, grey, 0.5, 0.5, notes=(*notes, said))
    if low < 0 and abs(float(np.nanmean(head))) < 0.2 and 0.5 < float(np.nanstd(head)) < 1.5:
        said += " were taken for standardised stimuli, without any range"
        return Layout(kind, axes, grey, notes=(*notes, said))
    raise InputProblem(
        f"{said}, expected the range 0 to 1 (or 0 to 255, or -1 to 1, or mean 0 and SD 1); rescale "
        "the stimuli"
    )


def _axes(shape, where, fs):
    """Kind, order of axes, whether a channel is added, and what to say about it."""
    last = "channels stood last and were turned to (n, c, h, w)"
    if len(shape) == 2:
        if shape[1] > CHANNELS and fs is None:
            raise InputProblem(
                f"{where}: shape {shape} may be images that were made flat, or samples of "
                f"{shape[1]} channels; give images as (n, c, h, w), or say with 'fs' (samples per "
                "s) that a row is a sample"
            )
        return "temporal", None, False, ""
    if len(shape) == 3:
        if fs is not None or shape[2] <= CHANNELS:
            return "clips", None, False, ""
        note = (
            f"shape {shape} was taken for grey images (n, h, w) and got one channel; clips of one "
            "dimension need their sampling rate 'fs'"
        )
        return "image", None, True, note
    if len(shape) == 4:
        if shape[1] <= CHANNELS:
            return "image", None, False, ""
        if shape[3] <= CHANNELS:
            return "image", (0, 3, 1, 2), False, last
    if len(shape) == 5:
        if shape[2] <= CHANNELS:
            return "movie", None, False, ""
        if shape[4] <= CHANNELS:
            return "movie", (0, 1, 4, 2, 3), False, last.replace("(n, c", "(n, t, c")
        if shape[1] <= CHANNELS:
            return "movie", (0, 2, 1, 3, 4), False, "channels stood before time and were turned"
    raise InputProblem(
        f"{where}: stimuli of shape {shape}, none of whose axes can be 1 to {CHANNELS} channels; "
        "expected (n, c, h, w), (n, t, c, h, w), (n, t, c) or (n, c)"
    )
