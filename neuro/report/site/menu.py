"""The pages of a report, how they hang together, and their menu."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from neuro.report.site import html, model

SUBPAGES = "pages"
"""Folder of the pages that are not in the menu."""
VIEWS = "views"
"""Folder of the pages that stand for themselves."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes
    ----------
    path : str
        File seen from the report's folder.
    title : str
    sections : list of neuro.report.site.model.Section
    group : str
        Heading in the menu; pages of a group follow one another.
    parent : str
        Page that a page outside the menu belongs to; empty for pages of the menu.
    """

    path: str
    title: str
    sections: list = field(default_factory=list)
    group: str = ""
    parent: str = ""


def with_subpages(pages: list[Page]) -> list[Page]:
    """The pages and, each behind its parent, those of their sub-pages.

    Parameters
    ----------
    pages : list of Page

    Returns
    -------
    list of Page

    Raises
    ------
    ValueError
        When two pages would have the same file.
    """
    out: list[Page] = []
    for page in pages:
        out.append(page)
        for section in page.sections:
            for subpage in section.subpages():
                inner = model.Section(section.slug, subpage.title, subpage.blocks)
                path = subpage.path(section.slug)
                out.append(Page(path, subpage.title, [inner], parent=page.path))
    paths = [page.path for page in out]
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"report: page '{path}' is made twice")
    return out


def write(out: Path, title: str, subtitle: str, pages: list[Page], footer: str, last=str) -> None:
    """Write all pages of the menu with their sub-pages; pages of an earlier report are removed.

    Parameters
    ----------
    out : pathlib.Path
    title, subtitle, footer : str
        Of the whole report, plain text.
    pages : list of Page
        The pages of the menu; the first is `index.html`.
    last : callable, optional
        Gets every page as text before it is written.
    """
    everything = with_subpages(pages)
    for folder in (out / SUBPAGES, out / VIEWS):
        for path in folder.glob("*.html"):
            path.unlink()
        folder.mkdir(parents=True, exist_ok=True)
    for section in (section for page in pages for section in page.sections):
        for view in section.views():
            (out / view.path(section.slug)).write_text(view.html, "utf-8")
    for page in everything:
        line = _siblings(page, pages if not page.parent else everything)
        text = html.page(
            title,
            subtitle,
            page,
            menu=[(p.path, p.title, p.group) for p in pages],
            before=line[0],
            after=line[1],
            footer=footer,
        )
        (out / page.path).write_text(last(text), "utf-8")


def _siblings(page: Page, pages: list[Page]) -> tuple:
    """The pages before and after one in the menu, or among the sub-pages of its parent."""
    line = [other for other in pages if other.parent == page.parent]
    index = line.index(page)
    before = line[index - 1] if index else None
    after = line[index + 1] if index + 1 < len(line) else None
    return before, after
