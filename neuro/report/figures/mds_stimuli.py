"""Pictures of most discriminative stimuli: images, traces, movies, conditions by name."""

from __future__ import annotations

import numpy as np

from neuro.report.figures import draw
from neuro.report.site import model

MAX_DRAWN = 24
"""Stimuli in the figure; the file has all."""


def _colour(k):
    return draw.CYCLE[k % len(draw.CYCLE)]


def stimuli(arrays, facts, name) -> list:
    """One stimulus per cluster on a shared scale; conditions by name where there are no pixels."""
    if "shown" not in arrays:
        names = facts.get("conditions") or []
        listed = ", ".join(
            f"{k}: {names[int(row)] if names else int(row)}"
            for k, row in enumerate(arrays["stimuli"], start=1)
        )
        return [model.Text(f"Best condition of each cluster: {listed}.")]
    shown = arrays["shown"]
    many = len(shown) > MAX_DRAWN
    shown = shown[:MAX_DRAWN]
    paint, size = (_traces if shown.ndim == 3 else _movies if shown.ndim == 5 else _images)(
        shown, facts
    )
    made = arrays["stimuli"].ndim > 1
    first = "Most discriminative stimulus of each cluster, all on one scale"
    if not made:
        first = "Stimulus of the recording that sets each cluster apart most"
    return [
        draw.figure(
            f"{name}_stimuli",
            paint,
            size=size,
            caption=first
            + (f"; the first {MAX_DRAWN} of {len(arrays['stimuli'])}." if many else "."),
            how_to_read="Each picture drives its own cluster and none of the others. It shows "
            "what tells the cluster apart, which need not be what its units like best.",
            alt="One stimulus per cluster",
            wide=True,
        )
    ]


def _grid(picture, n, columns):
    rows = -(-n // columns)
    axes = picture.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[n:]:
        spare.set_axis_off()
    return axes[:n]


def _images(shown, facts):
    columns = min(len(shown), 8)
    rows = -(-len(shown) // columns)
    colour = shown.shape[1] == 3
    low, high = float(shown.min()), float(shown.max())
    middle, reach = (low + high) / 2, max((high - low) / 2, 1e-9)
    if low < 0 < high:
        middle, reach = 0.0, max(-low, high)

    def paint(picture):
        last = None
        axes = _grid(picture, len(shown), columns)
        for k, (place, image) in enumerate(zip(axes, shown), start=1):
            if colour:
                place.imshow(np.clip(np.moveaxis(image, 0, -1), 0, 1))
            else:
                last = place.imshow(
                    image.mean(axis=0), cmap="gray", vmin=middle - reach, vmax=middle + reach
                )
            place.set_title(str(k), loc="center")
            place.set_xticks([])
            place.set_yticks([])
        if last is not None:
            picture.colorbar(last, ax=list(axes), shrink=0.7, label="Stimulus", pad=0.01)

    return paint, (9.4, 1.35 * rows + 0.35)


def _movies(shown, facts):
    """Space and time of each movie by its first singular vectors."""

    def paint(picture):
        grid = picture.subplots(2, len(shown), squeeze=False)
        for k, movie in enumerate(shown):
            flat = movie.reshape(len(movie), -1)
            left, size, right = np.linalg.svd(flat - flat.mean(), full_matrices=False)
            image = right[0].reshape(movie.shape[1:]).mean(axis=0)
            reach = np.abs(image).max()
            grid[0, k].imshow(image, cmap="gray", vmin=-reach, vmax=reach)
            grid[0, k].set_title(str(k + 1), loc="center")
            grid[0, k].set_xticks([])
            grid[0, k].set_yticks([])
            grid[1, k].plot(left[:, 0] * size[0], color=draw.CONTROL, lw=1)
            grid[1, k].set_xlabel("Frame")

    return paint, (9.4, 3.0)


def _traces(shown, facts):
    columns = min(len(shown), 4)
    rows = -(-len(shown) // columns)
    fs = facts.get("fs")
    time = np.arange(shown.shape[1]) - shown.shape[1] + 1
    time = time / fs if fs else time

    def paint(picture):
        axes = _grid(picture, len(shown), columns)
        low, high = float(shown.min()), float(shown.max())
        room = 0.05 * max(high - low, 1e-9)
        for k, (place, trace) in enumerate(zip(axes, shown)):
            for channel in range(trace.shape[1]):
                place.plot(
                    time,
                    trace[:, channel],
                    color=_colour(channel),
                    lw=1.2,
                    label=f"channel {channel + 1}",
                )
            place.set_title(str(k + 1), loc="center")
            place.set_ylim(low - room, high + room)
            if k % columns == 0:
                place.set_ylabel("Stimulus")
            if k >= len(shown) - columns:
                place.set_xlabel("Time before the response (s)" if fs else "Samples before")
        if shown.shape[2] > 1:
            handles, names = axes[0].get_legend_handles_labels()
            picture.legend(handles, names, loc="outside upper right", ncols=len(names))

    return paint, (9.4, 1.9 * rows + 0.3)
