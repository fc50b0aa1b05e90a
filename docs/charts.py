"""Draw the flow charts of the pages as pictures: the site needs no script from elsewhere."""

import itertools
import re
from pathlib import Path

COLOURS = {
    "fmri": "#cfe3f5",
    "adhd": "#fbe0c8",
    "demovae": "#d8ecd2",
    "ntf": "#ead9f0",
    "hmmglm": "#f7d4d8",
    "mds": "#f3ebc5",
    "braindive": "#cdeae8",
}
"""A tint for each stage; everything else is grey."""

EDGE = re.compile(r"^\s*(\w+)(?:[\[(]+(.*?)[\])]+)? --> (\w+)\s*$")
NODE = re.compile(r'^\s*(\w+)(?:\["(.*)"\])?\s*$')


def parse(text: str) -> tuple[str, dict[str, str], list[tuple[str, str]]]:
    """Direction, labels of the boxes by name, and arrows of a flow chart."""
    lines = text.strip().splitlines()
    direction = lines[0].split()[1]
    labels: dict[str, str] = {}
    edges = []
    for line in lines[1:]:
        edge, node = EDGE.match(line), NODE.match(line)
        if edge:
            start, label, end = edge.groups()
            edges.append((start, end))
            labels.setdefault(start, label or start)
            labels.setdefault(end, end)
            if label:
                labels[start] = label
        elif node and node[1] != "end":
            labels[node[1]] = node[2] or node[1]
    return direction, labels, edges


def layers(names, edges) -> dict[str, int]:
    """Layer of every box, one behind the last that leads to it; circles are cut."""
    ahead = {name: {b for a, b in edges if a == name} for name in names}
    depth = dict.fromkeys(names, 0)
    for start, end in _open(edges, ahead):
        depth[end] = max(depth[end], depth[start] + 1)
    for _ in names:
        for start, end in _open(edges, ahead):
            depth[end] = max(depth[end], depth[start] + 1)
    for name in names:  # what nothing leads to stands right before what it feeds
        ends = [depth[b] for a, b in edges if a == name]
        if ends and all(b != name for _, b in edges):
            depth[name] = min(ends) - 1
    return depth


def reduced(edges) -> list[tuple[str, str]]:
    """The arrows that no longer way implies."""
    ahead: dict[str, set] = {}
    for a, b in edges:
        ahead.setdefault(a, set()).add(b)

    def beyond(name) -> set:
        nexts = ahead.get(name, set())
        return nexts.union(*map(beyond, nexts))

    return [(a, b) for a, b in edges if not any(b in beyond(c) for c in ahead[a] - {b})]


def _open(edges, ahead) -> list[tuple[str, str]]:
    """The arrows without those whose head leads back to their foot and comes first by name."""

    def reaches(start, end, seen=frozenset()):
        nexts = ahead[start] - seen
        return end in nexts or any(reaches(name, end, seen | nexts) for name in nexts)

    return [(a, b) for a, b in edges if not (b < a and reaches(b, a))]


def placed(names, edges) -> tuple[dict, list[list]]:
    """Places as (layer, height), and the way of every arrow; long ones get lanes of their own."""
    depth = layers(names, edges)
    ways = []
    for start, end in edges:
        between = range(depth[start] + 1, depth[end])
        ways.append([start, *((start, end, n) for n in between), end])
    layer = dict(depth) | {item: item[2] for way in ways for item in way[1:-1]}
    pairs = [pair for way in ways for pair in itertools.pairwise(way)]
    rows = [[item for item in layer if layer[item] == n] for n in range(max(layer.values()) + 1)]
    at = {item: height for row in rows for item, height in _heights(row)}
    for sweep in range(30):
        side = sweep % 2
        for row in rows[::1] if side else rows[::-1]:
            pull = {
                item: [at[pair[1 - side]] for pair in pairs if pair[side] == item] or [at[item]]
                for item in row
            }
            row.sort(key=lambda item: sum(pull[item]) / len(pull[item]))
            at |= dict(_heights(row))
    return {item: (layer[item], at[item]) for item in layer}, ways


def _heights(row):
    """Items of a layer with their heights; a lane takes less room than a box."""
    room = [0.4 if isinstance(item, tuple) else 1.0 for item in row]
    total, high = sum(room), 0.0
    for item, own in zip(row, room):
        yield item, high + own / 2 - total / 2
        high += own


def draw(text: str, path: Path, reduce: bool = False) -> None:
    """Write a flow chart as SVG.

    Parameters
    ----------
    text : str
        A mermaid flow chart: `flowchart LR` or `flowchart TD`, boxes and arrows.
    path : pathlib.Path
    reduce : bool, default False
        Leave out arrows that a longer way implies.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    direction, labels, edges = parse(text)
    places, ways = placed(list(labels), reduced(edges) if reduce else edges)
    across = direction == "LR"
    words = {name: _wrapped(label) for name, label in labels.items()}
    wide = max(len(line) for label in words.values() for line in label.splitlines()) * 0.085 + 0.3
    tall = max(label.count("\n") + 1 for label in words.values()) * 0.17 + 0.16
    step = (wide + 0.55, tall + 0.16) if across else (tall + 0.6, wide + 0.25)
    at = {
        item: (depth * step[0], -high * step[1]) if across else (high * step[1], -depth * step[0])
        for item, (depth, high) in places.items()
    }
    xs, ys = zip(*at.values())
    low = (min(xs) - wide / 2 - 0.1, min(ys) - tall / 2 - 0.1)
    top = (max(xs) + wide / 2 + 0.1, max(ys) + tall / 2 + 0.1)
    with plt.rc_context({"svg.hashsalt": "neuro", "font.size": 9, "svg.fonttype": "path"}):
        figure = plt.figure(figsize=(top[0] - low[0], top[1] - low[1]))
        axes = figure.add_axes((0, 0, 1, 1))
        for way in ways:
            _arrow(axes, [at[item] for item in way], (wide, tall), across)
        for name, label in words.items():
            _box(axes, *at[name], wide, tall, label, _colour(name))
        axes.set_xlim(low[0], top[0])
        axes.set_ylim(low[1], top[1])
        axes.axis("off")
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)


def _wrapped(label: str, width: int = 24) -> str:
    lines: list[str] = []
    for word in label.strip('"').split():
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _colour(name: str) -> str:
    return COLOURS.get(name.partition("_")[0], "#e9ecef")


def _box(axes, x, y, wide, tall, words, colour) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x - wide / 2 + 0.05, y - tall / 2 + 0.05)
    axes.add_patch(
        FancyBboxPatch(
            corner,
            *(wide - 0.1, tall - 0.1),
            boxstyle="round,pad=0.05,rounding_size=0.08",
            facecolor=colour,
            edgecolor="#6c757d",
            linewidth=0.8,
            zorder=2,
        )
    )
    axes.text(x, y, words, ha="center", va="center", color="#1c1f23", zorder=3)


def _arrow(axes, points, size, across) -> None:
    """A curve from the edge of one box to the edge of another, through the lanes between them."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    main, half = (0, size[0] / 2) if across else (1, size[1] / 2)
    stops = [list(point) for point in points]
    ahead = 1 if stops[-1][main] > stops[0][main] else -1
    stops[0][main] += ahead * half
    stops[-1][main] -= ahead * (half + 0.02)
    vertices, codes = [tuple(stops[0])], [Curve.MOVETO]
    for number, (start, end) in enumerate(itertools.pairwise(stops)):
        start, end = list(start), list(end)
        if number:  # along the lane as far as the boxes beside it reach
            start[main] += ahead * half
            vertices.append(tuple(start))
            codes.append(Curve.LINETO)
        if number < len(stops) - 2:
            end[main] -= ahead * half
        middle = (start[main] + end[main]) / 2
        bends = [list(start), list(end)]
        bends[0][main] = bends[1][main] = middle
        vertices += [tuple(bends[0]), tuple(bends[1]), tuple(end)]
        codes += [Curve.CURVE4] * 3
    curve = FancyArrowPatch(path=Curve(vertices, codes), arrowstyle="-|>", mutation_scale=8)
    curve.set(color="#868e96", linewidth=0.9, zorder=1)
    axes.add_patch(curve)
