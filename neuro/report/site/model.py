"""What a report is made of: sections that hold texts, figures, tables, folded and linked parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text.

    Attributes
    ----------
    text : str
    kind : {"plain", "note", "warning"}
        Notes and warnings stand in a box.
    """

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A picture with everything a reader needs beside it.

    Attributes
    ----------
    name : str
        File name without suffix; unique in its section.
    png : bytes
    caption : str
        What is shown.
    how_to_read : str
        One or two sentences for a reader who sees such a figure for the first time.
    alt : str
        For readers who cannot see the picture.
    wide : bool, default False
        Takes the whole width; other figures stand in pairs where the screen allows.
    data : pandas.DataFrame, optional
        What is drawn, one row per mark; written beside the picture and linked under it.
    """

    name: str
    png: bytes
    caption: str
    how_to_read: str
    alt: str
    wide: bool = False
    data: pd.DataFrame | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Link:
    """A link to a page of the report; stands in a cell of a table or in :class:`Links`.

    Attributes
    ----------
    text : str
    page : str
        File of the page, seen from the report's folder: `fmri.html`, `pages/fmri_sub-01.html`.
    """

    text: str
    page: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key : str
        Key of the row's value.
    label : str
    digits : int or None
        Digits after the point; None shows the value as text, left-aligned.
    """

    key: str
    label: str
    digits: int | None = None


@dataclass(frozen=True)
class Table:
    """A table; every row is a mapping.

    Attributes
    ----------
    caption : str
    columns : list of Column
    rows : list of dict
        Values may be numbers (NaN shows as `n/a`), texts, :class:`Link` or None (an empty
        cell); a key `strong` that is true sets a row in bold.
    """

    caption: str
    columns: list[Column]
    rows: list[dict]


@dataclass(frozen=True)
class Details:
    """A part that starts folded."""

    summary: str
    blocks: list


@dataclass(frozen=True)
class SubPage:
    """A part with a page of its own, such as a participant; its place shows a link.

    Attributes
    ----------
    slug : str
        File name without suffix; unique in its section. Other signs than letters, digits,
        `.`, `_` and `-` become `-`.
    title : str
    summary : str
        One line beside the link.
    blocks : list
        As of :class:`Section`.
    """

    slug: str
    title: str
    summary: str
    blocks: list

    def path(self, section: str) -> str:
        """File of the page, seen from the report's folder."""
        return f"pages/{re.sub(r'[^A-Za-z0-9._-]+', '-', f'{section}_{self.slug}')}.html"


@dataclass(frozen=True)
class View:
    """A page that stands for itself, such as a brain to turn; its place shows a link.

    Attributes
    ----------
    slug : str
        File name without suffix; unique in its section.
    title : str
    summary : str
        Words beside the link.
    html : str
        The whole page; nothing in it may be loaded from elsewhere.
    """

    slug: str
    title: str
    summary: str
    html: str

    def path(self, section: str) -> str:
        """File of the page, seen from the report's folder."""
        return f"views/{section}_{self.slug}.html"


@dataclass(frozen=True)
class Links:
    """A list of links, each `(link, words beside it)`."""

    items: list[tuple[Link, str]]


@dataclass(frozen=True)
class Card:
    """A stage at a glance.

    Attributes
    ----------
    link : Link
        To the page; its text is the title.
    picture : Figure or None
    claims : list of (str, str)
        A verdict, `supported`, `not supported` or `cannot tell`, and the sentence behind it.
    more : str
        Words below the claims.
    """

    link: Link
    picture: Figure | None
    claims: list[tuple[str, str]]
    more: str = ""


@dataclass(frozen=True)
class Cards:
    """Cards side by side."""

    cards: list[Card]


@dataclass(frozen=True)
class Code:
    """Text that keeps its line breaks."""

    text: str


@dataclass(frozen=True)
class References:
    """A numbered list of references, each `(text, link or "")`."""

    items: list[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A chapter of the report.

    Attributes
    ----------
    slug : str
        Anchor, and folder of the figure files.
    title : str
    blocks : list
        :class:`Text`, :class:`Heading`, :class:`Figure`, :class:`Table`, :class:`Details`,
        :class:`SubPage`, :class:`View`, :class:`Links`, :class:`Cards`, :class:`Code` and
        :class:`References` in reading order.
    """

    slug: str
    title: str
    blocks: list = field(default_factory=list)

    def figures(self):
        """All figures of the section, those of folded parts and sub-pages included."""
        return list(_of_kind(self.blocks, Figure))

    def views(self):
        """All pages of the section that stand for themselves."""
        return list(_of_kind(self.blocks, View))

    def subpages(self):
        """All sub-pages of the section."""
        return list(_of_kind(self.blocks, SubPage))


def _of_kind(blocks, kind):
    for block in blocks:
        if isinstance(block, kind):
            yield block
        if isinstance(block, (Details, SubPage)):
            yield from _of_kind(block.blocks, kind)


def number(value, digits: int = 3) -> str:
    """A number for a table: fixed digits, thin groups, a real minus sign, `n/a` if missing.

    Parameters
    ----------
    value : float, int, str or None
    digits : int
        Digits after the point; whole numbers of type int never get any.

    Returns
    -------
    str
        Text is returned as it is.
    """
    if value is None:
        return "n/a"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value != value:
        return "n/a"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f").replace("-", "−")
    text = f"{float(value):,.{digits}f}".replace(",", "\u202f")
    # A value that rounds to zero has no sign.
    if text.startswith("-") and not text.strip("-0.\u202f"):
        text = text[1:]
    return text.replace("-", "−")


def compact(value) -> str:
    """A number without a fixed number of digits: three significant ones, integers whole."""
    if isinstance(value, (int, str, bool)) or value is None or value != value:
        return number(value)
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return number(int(value))
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.2e}".replace("-", "−")
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return number(value, digits)


def interval(low, high, digits: int = 3) -> str:
    """A confidence interval as text, empty where it is not known."""
    if low is None or high is None or low != low or high != high:
        return ""
    return f"[{number(float(low), digits)}, {number(float(high), digits)}]"


def p_value(value) -> str:
    """A p-value as text; small ones as a bound, never as zero."""
    if value is None or value != value:
        return "n/a"
    return "< 0.001" if value < 0.001 else number(float(value), 3)
