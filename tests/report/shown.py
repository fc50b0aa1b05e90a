"""What a page of the report shows, as texts."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd


class _Reader(HTMLParser):
    """Collects tables below their captions, and paragraphs."""

    def __init__(self):
        super().__init__()
        self.tables, self.paragraphs = [], []
        self._text, self._rows, self._strong = None, None, []

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self._rows, self._strong = [], []
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
            self._strong.append(dict(attrs).get("class") == "strong")
        elif tag in ("td", "th", "p"):
            self._text = ""

    def handle_endtag(self, tag):
        if tag == "p":
            self.paragraphs.append(" ".join((self._text or "").split()))
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append(self._text)
        elif tag == "table":
            table = pd.DataFrame(self._rows[1:], columns=self._rows[0])
            caption = self.paragraphs[-1].split(". ", 1)[1]
            self.tables.append((caption, table, self._strong[1:]))
            self._rows = None

    def handle_data(self, data):
        if self._text is not None:
            self._text += data


class Shown:
    """Tables and sentences of a page.

    Attributes
    ----------
    text : str
        All paragraphs.
    tables : list of (str, pandas.DataFrame, list of bool)
        Caption, cells as texts, and which rows are in bold.
    """

    def __init__(self, path):
        reader = _Reader()
        reader.feed(path.read_text("utf-8"))
        self.text, self.tables = " ".join(reader.paragraphs), reader.tables

    def table(self, start):
        """The one table whose caption starts so."""
        (found,) = [item for item in self.tables if item[0].startswith(start)]
        return found


def said(value, digits):
    """A number as a page writes it."""
    if value != value:
        return "n/a"
    text = f"{round(value):,}" if digits == 0 else f"{value:,.{digits}f}"
    if not float(text.replace(",", "")):
        text = text.lstrip("-")
    return text.replace(",", "\u202f").replace("-", "−")


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
