"""What a painter has drawn, read back from matplotlib's artists."""

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def drawn(figure_or_paint, table=None, size=(4, 3)):
    """The axes of a picture that a painter makes of a table."""
    picture = Figure(figsize=size, dpi=40, layout="constrained")
    figure_or_paint(picture, table)
    check_legends(picture)
    return [axes for axes in picture.axes if axes.get_visible()]


def check_legends(picture, name=""):
    """Where marks have two names or more, a legend of the picture or of any axes says them."""
    boxes = [*picture.legends, *(axes.get_legend() for axes in picture.axes)]
    shown = {text.get_text() for box in boxes if box for text in box.get_texts()}
    for axes in picture.axes:
        named = set(axes.get_legend_handles_labels()[1])
        assert len(named) < 2 or named <= shown, f"{name}: no legend of {named - shown}"


def hex_of(colour):
    """A colour as `#rrggbb`, small letters."""
    return to_hex(colour)


def lines(axes):
    """Joined lines in drawing order: x, y, colour, label. Markers alone are no line."""
    out = []
    for found in axes.get_lines():
        x, y = np.asarray(found.get_xdata(), float), np.asarray(found.get_ydata(), float)
        if found.get_linestyle() != "None" and len(x) > 1:
            out.append((x, y, to_hex(found.get_color()), found.get_label()))
    return out


def line(axes, label):
    """The one line with a label: x, y, colour."""
    (found,) = [one[:3] for one in lines(axes) if one[3] == label]
    return found


def dots(axes):
    """Single markers and scatter points in drawing order: x, y, face colour."""
    out = []
    for mark in axes.get_lines():
        if mark.get_marker() not in ("None", None, "") and len(mark.get_xdata()) == 1:
            at = (float(mark.get_xdata()[0]), float(mark.get_ydata()[0]))
            out.append((*at, to_hex(mark.get_markerfacecolor())))
    for cloud in axes.collections:
        if isinstance(cloud, PathCollection):
            faces = cloud.get_facecolor()
            for number, (x, y) in enumerate(np.ma.getdata(cloud.get_offsets())):
                out.append((float(x), float(y), to_hex(faces[number % len(faces)])))
    return out


def bars(axes):
    """Rectangles in drawing order: left, right, bottom, top, colour."""
    out = []
    for patch in axes.patches:
        if isinstance(patch, Rectangle):
            x, y, width, height = *patch.get_xy(), patch.get_width(), patch.get_height()
            out.append((x, x + width, y, y + height, to_hex(patch.get_facecolor())))
    return out


def y_labels(axes):
    """Labels of the vertical axis by their height."""
    texts = [text.get_text() for text in axes.get_yticklabels()]
    return dict(zip(axes.get_yticks(), texts))


def legend(axes):
    """Colour of each entry of a legend by its label."""
    handles, labels = axes.get_legend_handles_labels()
    faces = []
    for handle in handles:
        if hasattr(handle, "patches"):
            handle = handle.patches[0]
        get = getattr(handle, "get_facecolor", None) or handle.get_color
        colour = get()
        faces.append(to_hex(colour[0] if np.ndim(colour) == 2 else colour))
    return dict(zip(labels, faces))
