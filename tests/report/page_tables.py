"""Tables of a page as its reader sees them."""

from html.parser import HTMLParser

import numpy as np


class _Tables(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self._caption, self._row, self._cell = [], None, None, None

    def handle_starttag(self, tag, attrs):
        if tag == "p" and ("class", "caption") in attrs:
            self._caption = ""
        elif tag == "table":
            self.found.append((self._caption, []))
            self._caption = None
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._row.append(self._cell)
            self._cell = None
        elif tag == "tr":
            self.found[-1][1].append(self._row)

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data
        elif self._caption is not None:
            self._caption += data


def tables(html):
    """Tables in reading order: caption, and rows as dictionaries from heading to text."""
    parser = _Tables()
    parser.feed(html)
    return [
        (caption, [dict(zip(rows[0], row, strict=True)) for row in rows[1:]])
        for caption, rows in parser.found
    ]


def table(html, words):
    """The rows of the one table whose caption holds some words."""
    (rows,) = [rows for caption, rows in tables(html) if words in caption]
    return rows


def shows(text, value):
    """Whether a cell or word shows a number, rounded to the digits it has."""
    if value is None or not np.isfinite(value):
        return text in ("n/a", "")
    text = text.replace("\u202f", "").replace("−", "-")
    if text.startswith("< "):
        return value < float(text[2:])
    digits = len(text.partition(".")[2].partition("e")[0])
    power = int(text.partition("e")[2] or 0)
    return abs(float(text) - value) <= 0.5001 * 10.0 ** (power - digits)
