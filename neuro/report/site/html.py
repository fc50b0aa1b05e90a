"""From sections to self-contained HTML pages."""

from __future__ import annotations

import base64
import html
import itertools
import posixpath
import re
from functools import singledispatchmethod
from importlib import resources

from neuro.report.site import model

_SHELL = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{window}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<div class="page">
<header>
<a class="to-menu" href="#menu">Menu</a>
{above}<h1>{heading}</h1>
<p>{subtitle}</p>
</header>
<div class="columns">
<nav id="menu" aria-label="Pages">
{menu}</nav>
<main id="content">
{body}{line}</main>
</div>
<footer>{footer}</footer>
</div>
</body>
</html>
"""


def page(title, subtitle, page, *, menu=(), before=None, after=None, footer="") -> str:
    """A whole page as text; nothing in it is loaded from elsewhere.

    Parameters
    ----------
    title, subtitle, footer : str
        Of the report, plain text.
    page : neuro.report.site.menu.Page
        A page with one section shows no second title.
    menu : sequence of (str, str, str)
        Path, title and group of the pages in the menu.
    before, after : neuro.report.site.menu.Page, optional
        Neighbours in reading order.
    footer : str

    Returns
    -------
    str
    """
    style = resources.files("neuro.report").joinpath("report.css").read_text("utf-8")
    writer = _Writer(page.path, alone=len(page.sections) == 1)
    body = "".join(writer.section(section) for section in page.sections)
    first = menu[0][0] if menu else page.path
    heading = title
    above = ""
    if page.path != first:
        heading = page.title
        path = [writer.anchor(first, title)]
        path += [writer.anchor(p, t) for p, t, _ in menu if p == page.parent]
        above = f'<p class="above">{" › ".join(path)}</p>\n'
    return _SHELL.format(
        window=escape(title if heading == title else f"{heading} · {title}"),
        above=above,
        heading=escape(heading),
        subtitle=escape(subtitle),
        style=style,
        menu=_menu(menu, page, writer),
        body=body,
        line=_line(before, after, writer),
        footer=escape(footer),
    )


def relative(target: str, here: str) -> str:
    """Link from one page to another, both seen from the report's folder."""
    return posixpath.relpath(target, posixpath.dirname(here) or ".")


def _menu(menu, page, writer) -> str:
    """Pages by group; the parts of the page that is shown stand below its name."""
    parts = []
    for group, entries in itertools.groupby(menu, key=lambda entry: entry[2]):
        parts.append(f'<p class="group">{escape(group)}</p>\n' if group else "")
        items = []
        for path, title, _ in entries:
            here = path in (page.path, page.parent)
            mark = f' aria-current="{"page" if path == page.path else "true"}"' if here else ""
            inner = ""
            if path == page.path and len(writer.contents) > 1:
                links = "".join(
                    f'<li><a href="#{slug}">{escape(text)}</a></li>\n'
                    for slug, text in writer.contents
                )
                inner = f'\n<ul class="parts">\n{links}</ul>\n'
            href = escape(relative(path, page.path))
            items.append(f'<li><a href="{href}"{mark}>{escape(title)}</a>{inner}</li>\n')
        parts.append(f"<ul>\n{''.join(items)}</ul>\n")
    return "".join(parts)


def _line(before, after, writer) -> str:
    """Links to the pages before and after."""
    parts = []
    if before is not None:
        parts.append(writer.anchor(before.path, f"← {before.title}", ' rel="prev"'))
    if after is not None:
        parts.append(writer.anchor(after.path, f"{after.title} →", ' rel="next"'))
    return f'<p class="line">{"".join(parts)}</p>\n' if parts else ""


def escape(text) -> str:
    """Text that HTML shows as it is."""
    return html.escape(str(text), quote=True)


class _Writer:
    """Renders blocks and numbers figures and tables; folded ones count apart, as S1, S2, ..."""

    def __init__(self, here: str, alone: bool):
        self.here = here
        self.alone = alone
        self.contents: list[tuple[str, str]] = []
        self._counts: dict[tuple[str, bool], int] = {}
        self._depth = 0
        self._section = ""

    def anchor(self, path: str, text: str, more: str = "") -> str:
        """A link to a page of the report."""
        return f'<a href="{escape(relative(path, self.here))}"{more}>{escape(text)}</a>'

    def _place(self, text: str) -> str:
        """Remember a heading for the menu; returns its anchor."""
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        slug = f"{escape(self._section)}-{slug or 'part'}"
        taken = {anchor for anchor, _ in self.contents}
        name, number = slug, 2
        while name in taken:
            name, number = f"{slug}-{number}", number + 1
        self.contents.append((name, text))
        return name

    def number(self, kind: str) -> str:
        key = (kind, self._depth > 0)
        self._counts[key] = self._counts.get(key, 0) + 1
        return f"{'S' if self._depth else ''}{self._counts[key]}"

    def section(self, section) -> str:
        self._section, slug = section.slug, escape(section.slug)
        if self.alone:
            return f'<section id="{slug}">\n{self.blocks(section.blocks)}</section>\n'
        self.contents.append((slug, section.title))
        return (
            f'<section id="{slug}" aria-labelledby="{slug}-title">\n'
            f'<h2 id="{slug}-title">{escape(section.title)}</h2>\n'
            f"{self.blocks(section.blocks)}</section>\n"
        )

    def blocks(self, blocks) -> str:
        parts = []
        # Neighbouring figures share a grid, neighbouring sub-pages a list.
        for kind, group in itertools.groupby(blocks, key=type):
            if kind is model.Figure:
                figures = "".join(self.block(block) for block in group)
                parts.append(f'<div class="figures">\n{figures}</div>\n')
            elif kind in (model.SubPage, model.View):
                links = [
                    (model.Link(one.title, one.path(self._section)), one.summary) for one in group
                ]
                parts.append(self.block(model.Links(links)))
            else:
                parts += [self.block(block) for block in group]
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
        if self._depth:
            return f"<h4>{escape(block.text)}</h4>\n"
        # A page with one section has no second level of its own.
        tag = "h2" if self.alone else "h3"
        return f'<{tag} class="part" id="{self._place(block.text)}">{escape(block.text)}</{tag}>\n'

    @block.register
    def _(self, block: model.Links) -> str:
        items = "".join(
            f"<li>{self.anchor(link.page, link.text)}{f' {escape(words)}' if words else ''}</li>\n"
            for link, words in block.items
        )
        return f'<ul class="links">\n{items}</ul>\n'

    @block.register
    def _(self, block: model.Cards) -> str:
        return f'<div class="cards">\n{"".join(map(self._card, block.cards))}</div>\n'

    def _card(self, card) -> str:
        picture = ""
        if card.picture is not None:
            png = base64.b64encode(card.picture.png).decode("ascii")
            width, height = _png_size(card.picture.png)
            image = f'<img src="data:image/png;base64,{png}" alt="{escape(card.picture.alt)}" '
            image += f'width="{width}" height="{height}">'
            href = escape(relative(card.link.page, self.here))
            picture = f'<a class="picture" href="{href}">{image}</a>\n'
        claims = "".join(
            f'<p><b class="verdict {word.replace(" ", "-")}">{escape(word)}</b> '
            f"{escape(sentence)}</p>\n"
            for word, sentence in card.claims
        )
        more = f'<p class="more">{escape(card.more)}</p>\n' if card.more else ""
        title, tag = self.anchor(card.link.page, card.link.text), "h3" if self.alone else "h4"
        title = f"<{tag}>{title}</{tag}>"
        return f'<article class="card">\n{title}\n{picture}{claims}{more}</article>\n'

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
        png = base64.b64encode(block.png).decode("ascii")
        table = f"figures/{self._section}/{block.name}.tsv"
        data = "" if block.data is None else f" {self.anchor(table, 'Data')}"
        width, height = _png_size(block.png)
        wide = ' class="wide"' if block.wide else ""
        return (
            f'<figure{wide}>\n<img src="data:image/png;base64,{png}" alt="{escape(block.alt)}" '
            f'width="{width}" height="{height}">\n'
            f"<figcaption><b>{name}</b> {escape(block.caption)} "
            f'<span class="how"><b>How to read this:</b> {escape(block.how_to_read)}</span>'
            f"{data}</figcaption>\n</figure>\n"
        )

    @block.register
    def _(self, block: model.Table) -> str:
        name = f"Table {self.number('table')}."
        head = "".join(
            f'<th scope="col"{_numeric(column)}>{escape(column.label)}</th>'
            for column in block.columns
        )
        rows = "".join(self._row(block.columns, row) for row in block.rows)
        slug = name.lower().replace(" ", "-").rstrip(".")
        # The caption stands outside the scrolling part, so that it wraps on narrow screens.
        return (
            f'<div class="table">\n<p class="caption" id="{slug}"><b>{name}</b> '
            f"{escape(block.caption)}</p>\n"
            f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{slug}">\n'
            f'<table aria-labelledby="{slug}">\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n</div>\n"
        )

    def _row(self, columns, row) -> str:
        strong = ' class="strong"' if row.get("strong") else ""
        cells = []
        for number, column in enumerate(columns):
            tag = 'th scope="row"' if number == 0 else "td"
            text = self._cell(row.get(column.key), column)
            cells.append(f"<{tag}{_numeric(column)}>{text}</{tag.split()[0]}>")
        return f"<tr{strong}>{''.join(cells)}</tr>\n"

    def _cell(self, value, column) -> str:
        if isinstance(value, model.Link):
            return self.anchor(value.page, value.text)
        # None is an empty cell, NaN a value that is missing.
        if value is None or (column.digits is None and value != value):
            return ""
        return escape(value if column.digits is None else model.number(value, column.digits))


def _numeric(column) -> str:
    return "" if column.digits is None else ' class="num"'


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header chunk."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
