"""From sections to one self-contained HTML page."""

from __future__ import annotations

import base64
import html
from functools import singledispatchmethod
from importlib import resources

from neuro.report import model

_SHELL = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#{first}">Skip to the content</a>
<div class="page">
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
</header>
<div class="columns">
{nav}<main>
{body}</main>
</div>
<footer>{footer}</footer>
</div>
</body>
</html>
"""


def page(title: str, subtitle: str, sections, footer: str = "") -> str:
    """The whole page as text; nothing in it is loaded from elsewhere.

    Parameters
    ----------
    title, subtitle, footer : str
        Plain text.
    sections : sequence of neuro.report.model.Section

    Returns
    -------
    str
    """
    style = resources.files("neuro.report").joinpath("report.css").read_text("utf-8")
    writer = _Writer()
    body = "".join(writer.section(section) for section in sections)
    links = "".join(
        f'<li><a href="#{escape(section.slug)}">{escape(section.title)}</a></li>\n'
        for section in sections
    )
    nav = f'<nav aria-label="Contents">\n<ul>\n{links}</ul>\n</nav>\n' if len(sections) > 1 else ""
    return _SHELL.format(
        title=escape(title),
        subtitle=escape(subtitle),
        style=style,
        first=escape(sections[0].slug) if sections else "",
        nav=nav,
        body=body,
        footer=escape(footer),
    )


def escape(text) -> str:
    """Text that HTML shows as it is."""
    return html.escape(str(text), quote=True)


class _Writer:
    """Renders blocks and numbers figures and tables; folded ones count apart, as S1, S2, ..."""

    def __init__(self):
        self._counts = {}
        self._depth = 0

    def number(self, kind: str) -> str:
        key = (kind, self._depth > 0)
        self._counts[key] = self._counts.get(key, 0) + 1
        return f"{'S' if self._depth else ''}{self._counts[key]}"

    def section(self, section) -> str:
        slug = escape(section.slug)
        return (
            f'<section id="{slug}" aria-labelledby="{slug}-title">\n'
            f'<h2 id="{slug}-title">{escape(section.title)}</h2>\n'
            f"{self.blocks(section.blocks)}</section>\n"
        )

    def blocks(self, blocks) -> str:
        parts, row = [], []
        for block in blocks:
            if isinstance(block, model.Figure):
                row.append(self.block(block))
                continue
            parts.append(_grid(row))
            row = []
            parts.append(self.block(block))
        parts.append(_grid(row))
        return "".join(parts)

    @singledispatchmethod
    def block(self, block) -> str:
        raise TypeError(f"report block: got {type(block).__name__}")

    @block.register
    def _(self, block: model.Text) -> str:
        kind = "" if block.kind == "plain" else f' class="{block.kind}"'
        return f"<p{kind}>{escape(block.text)}</p>\n"

    @block.register
    def _(self, block: model.Heading) -> str:
        return f"<h3>{escape(block.text)}</h3>\n"

    @block.register
    def _(self, block: model.Code) -> str:
        return f"<pre>{escape(block.text)}</pre>\n"

    @block.register
    def _(self, block: model.Details) -> str:
        self._depth += 1
        body = self.blocks(block.blocks)
        self._depth -= 1
        return (
            f"<details>\n<summary>{escape(block.summary)}</summary>\n"
            f'<div class="body">\n{body}</div>\n</details>\n'
        )

    @block.register
    def _(self, block: model.References) -> str:
        items = "".join(
            f"<li>{escape(text)}"
            + (f' <a href="{escape(link)}">{escape(link)}</a>' if link else "")
            + "</li>\n"
            for text, link in block.items
        )
        return f'<ol class="references">\n{items}</ol>\n'

    @block.register
    def _(self, block: model.Figure) -> str:
        name = f"Figure {self.number('figure')}."
        data = base64.b64encode(block.png).decode("ascii")
        width, height = _png_size(block.png)
        wide = ' class="wide"' if block.wide else ""
        return (
            f'<figure{wide}>\n<img src="data:image/png;base64,{data}" alt="{escape(block.alt)}" '
            f'width="{width}" height="{height}" loading="lazy">\n'
            f"<figcaption><b>{name}</b> {escape(block.caption)} "
            f'<span class="how"><b>How to read this:</b> {escape(block.how_to_read)}</span>'
            "</figcaption>\n</figure>\n"
        )

    @block.register
    def _(self, block: model.Table) -> str:
        name = f"Table {self.number('table')}."
        head = "".join(
            f'<th scope="col"{_numeric(column)}>{escape(column.label)}</th>'
            for column in block.columns
        )
        rows = "".join(_row(block.columns, row) for row in block.rows)
        slug = name.lower().replace(" ", "-").rstrip(".")
        # The caption stands outside the scrolling part, so that it wraps on narrow screens.
        return (
            f'<div class="table">\n<p class="caption" id="{slug}"><b>{name}</b> '
            f"{escape(block.caption)}</p>\n"
            f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{slug}">\n'
            f'<table aria-labelledby="{slug}">\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n</div>\n"
        )


def _grid(figures: list[str]) -> str:
    return f'<div class="figures">\n{"".join(figures)}</div>\n' if figures else ""


def _numeric(column) -> str:
    return "" if column.digits is None else ' class="num"'


def _row(columns, row) -> str:
    strong = ' class="strong"' if row.get("strong") else ""
    cells = []
    for place, column in enumerate(columns):
        value = row.get(column.key)
        # None is an empty cell, NaN a value that is missing.
        text = "" if value is None else model.number(value, column.digits or 0)
        if column.digits is None:
            text = "" if value is None or value != value else str(value)
        tag = 'th scope="row"' if place == 0 else "td"
        cells.append(f"<{tag}{_numeric(column)}>{escape(text)}</{tag.split()[0]}>")
    return f"<tr{strong}>{''.join(cells)}</tr>\n"


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header chunk."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
