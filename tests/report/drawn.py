"""Figures as tests look at them: drawn once more, and their marks read back."""

import dataclasses

import numpy as np
import pandas as pd
from artists import check_legends
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from neuro.report.figures import draw
from neuro.report.site import model


@dataclasses.dataclass
class Drawn:
    """A figure of a page: the painted picture, its table, and the page's block."""

    picture: Figure
    table: pd.DataFrame
    block: model.Figure

    @property
    def axes(self):
        return self.picture.axes


def redrawn(monkeypatch, make):
    """Figures by name that `make` draws; its result is not looked at."""
    found = {}

    def figure(name, paint, *, data=None, size=(4, 3), dpi=None, layout=None, **texts):
        assert isinstance(data, pd.DataFrame) and len(data), f"{name} has no table"
        picture = Figure(figsize=size, dpi=30)
        FigureCanvasAgg(picture)
        before = data.copy()
        paint(picture, data)
        pd.testing.assert_frame_equal(data, before)
        check_legends(picture, name)
        block = model.Figure(name=name, png=b"", data=data, **texts)
        assert name not in found
        found[name] = Drawn(picture, data, block)
        return block

    monkeypatch.setattr(draw, "figure", figure)
    make()
    return found


def image(axes, number=0):
    """Values of a picture of a matrix; missing ones are NaN."""
    return np.ma.filled(np.ma.asarray(axes.images[number].get_array(), float), np.nan)


def shade(axes, value, number=0):
    """Red, green and blue that a picture of a matrix gives to a value."""
    shown = axes.images[number]
    return np.array(shown.cmap(shown.norm(value))[:3])


def lines(axes):
    """Lines with more than one point or with marks: x, y and colour of each."""
    return [
        (np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float), _hex(line))
        for line in axes.lines
    ]


def _hex(line):
    return to_hex(line.get_color())


def bars(axes):
    """Bars in the order of drawing: x, y, width, height, colour."""
    found = [
        (*bar.get_xy(), bar.get_width(), bar.get_height(), to_hex(bar.get_facecolor()))
        for group in axes.containers
        for bar in group
        if hasattr(bar, "get_width")
    ]
    return pd.DataFrame(found, columns=["x", "y", "width", "height", "colour"])


def dots(axes):
    """Dots in the order of drawing: x, y, colour."""
    parts = []
    for group in axes.collections:
        if hasattr(group, "get_offsets") and hasattr(group, "get_sizes"):
            place = np.ma.filled(np.ma.asarray(group.get_offsets(), float), np.nan)
            colour = to_hex(group.get_facecolor()[0]) if len(group.get_facecolor()) else ""
            parts.append(pd.DataFrame(place, columns=["x", "y"]).assign(colour=colour))
    return pd.concat(parts, ignore_index=True)


def texts(axes):
    """Words and numbers that stand in the axes: (x, y, text)."""
    return [(*item.get_position(), item.get_text()) for item in axes.texts]


def ticks(axes, side):
    """Labels along an axis with their places."""
    axis = getattr(axes, f"{side}axis")
    return dict(
        zip([label.get_text() for label in axis.get_ticklabels()], axis.get_ticklocs().tolist())
    )


def only(table, **wanted):
    """The rows with the given values."""
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table
