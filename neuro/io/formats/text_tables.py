"""Text tables of numbers: separators, headers, names in comments, leading columns, gaps."""

from __future__ import annotations

import re
import warnings

import numpy as np

from neuro.io.problems import InputProblem

SUFFIXES = (".1D", ".tsv", ".csv", ".txt", ".npy", ".npz", ".ptseries.nii")
"""Kinds of region tables."""

_LEADING = {"file", "sub-brick"}
_COUNTERS = {"", "index", "unnamed: 0", "time", "volume", "frame", "tr"}
_LABELS = re.compile(r'ColumnLabels\s*=\s*"([^"]*)"')
"""How AFNI names the columns of a `.1D` file with a NIML header."""
_MISSING = re.compile(r"(?<![^\t,; ])(?:n/a|N/A|NA|)(?=[\t,;]|$)", re.MULTILINE)


_POINT = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")
_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_COMMAS = re.compile(
    r"((?:^|;)[ \t\"]*[-+]?\d*),(\d+(?:[eE][-+]?\d+)?)(?=[ \t\r\"]*(?:;|$))", re.MULTILINE
)


def parse_table(text: str, path, header: bool | None = None):
    """Parse a text table of region series.

    Parameters
    ----------
    text : str
    path : path-like
        For the messages.
    header : bool, optional
        Whether the first line holds labels; found out by default. A first line of whole numbers
        is data, unless an empty first cell, the values below it or a comment say that it is not.
        Comment lines (`#10<TAB>#11`, `# a b`, AFNI's `ColumnLabels`) above the data name the
        columns where their number fits.

    Returns
    -------
    values : ndarray of float64, shape (n_rows, n_columns)
    labels : list of str or None
    turned : bool
        True when the labels stand in the first column.

    Raises
    ------
    InputProblem
        When rows differ in length or a cell is no number; the first place is named. When a
        comment names another number of columns.

    Warns
    -----
    UserWarning
        When a first line of distinct whole numbers was read as data.
    """
    text, replaced = with_points(text)
    if replaced:
        warnings.warn(f"{path}: {POINTS}", stacklevel=2)
    everything = [line for line in text.splitlines() if line.strip()]
    lines = [line for line in everything if not line.startswith("#")]
    if not lines:
        raise InputProblem(f"{path}: no line of data")
    first = lines[0]
    mark = next((mark for mark in ("\t", ",", ";") if mark in first), None)
    cells = [_clean(cell) for cell in first.split(mark)]
    names = None
    comments = everything[: everything.index(first)]
    commented = _commented(comments, cells, mark, path) if header is not True else None
    if header or (
        header is None and commented is None and _is_header(cells, lines[1:], mark, path)
    ):
        names, lines = cells, lines[1:]
        if not lines:
            raise InputProblem(f"{path}: a header but no line of data")
    names = commented or names
    if mark is None:
        lines = [line.strip() for line in lines]
    elif (names is None or names[-1] == "") and all(line.endswith(mark) for line in lines):
        lines = [line[:-1] for line in lines]
        names = names[:-1] if names else None
    skip, labels = _leading(names, lines, mark)
    body = lines
    if skip:
        body = [line.split(mark, skip)[-1] for line in lines]
        names = [_plain(name) for name in names[skip:]] if names else None
    values = _numbers(body, mark, path, skip)
    if labels:
        return values, labels, True
    if names is not None and len(names) != values.shape[1]:
        raise InputProblem(
            f"{path}: {len(names)} names in the header, {values.shape[1]} values in each row"
        )
    return values, names, False


def _plain(name: str) -> str:
    """A label without what 3dROIstats puts before it; the leading columns stay as they are."""
    return name.removeprefix("Mean_")


def _clean(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _number(cell: str) -> float | None:
    cell = _clean(cell)
    if cell in ("", "n/a", "N/A", "NA"):
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return None


def _commented(comments, cells, mark, path) -> list[str] | None:
    """Names of the columns from the comment lines above the data; the last that fits counts."""
    n_columns = len(cells) - (cells[-1] == "")
    for line in reversed(comments):
        labels = _LABELS.search(line)
        if labels:
            names = [word.strip() for word in labels[1].split(";")]
        else:
            names = [_clean(cell.lstrip("# ")) for cell in line.strip().split(mark)]
            if len(names) != n_columns:
                names = line.lstrip("# ").split()
        fits = len(names) == n_columns
        if fits and len(set(names)) == len(names) and all(names):
            return [_plain(name) for name in names]
        # Every cell carries the mark: that is no sentence but a header.
        marked = [cell for cell in line.split(mark) if cell.lstrip().startswith("#")]
        if len(marked) > 1 and not fits:
            raise InputProblem(
                f"{path}: the comment line names {len(names)} columns, the data have {n_columns}"
            )
    return None


def _is_header(cells, following, mark, path) -> bool:
    """Text in the first line, or whole numbers that cannot be values of the columns below."""
    if any(_number(cell) is None for cell in cells[1:] or cells):
        return True
    if not following:
        return False
    below = [_clean(cell) for cell in following[0].split(mark)]
    if _number(cells[0]) is None:
        return _number(below[0]) is not None
    unnamed = cells[0] == ""
    if unnamed:
        cells, below = cells[1:], below[1:]
    if not all(cell.isdigit() for cell in cells) or len(set(cells)) < len(cells):
        return False
    if all(re.fullmatch(r"[-+]?\d+", cell) for cell in below):
        return False
    counted = [int(cell) for cell in cells]
    listed = len(cells) > 4 and counted in (list(range(len(cells))), [*range(1, len(cells) + 1)])
    if unnamed or listed or _far(cells, following, mark):
        return True
    warnings.warn(
        f"{path}: the first line of whole numbers was read as data; if they are labels, put a # "
        "before them",
        stacklevel=3,
    )
    return False


def _far(cells, following, mark, times=10) -> bool:
    """Whether the numbers are of another order than what many columns hold below them.

    A first volume before the steady state is brighter, not ten times as bright.
    """
    rows = [[_number(cell) for cell in line.split(mark)] for line in following[:200]]
    rows = [row for row in rows if len(row) == len(cells) and None not in row]
    if len(rows) < 5:
        return False
    values = np.array(rows, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns of NaN
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        least, most = np.nanmin(np.abs(values), axis=0), np.nanmax(np.abs(values), axis=0)
    room = times * (high - low)
    first = np.array(cells, dtype=float)
    outside = (first < low - room) | (first > high + room)
    other = (first > times * most) | (first < least / times)
    return bool(np.mean(outside & other) >= 0.25)


def _leading(names, lines, mark) -> tuple[int, list[str]]:
    """Number of leading columns that are no region, and row labels if there are any."""
    skip = 0
    if names:
        while skip < len(names) - 1 and names[skip].lower() in _LEADING:
            skip += 1
        if not skip and names[0].lower() in _COUNTERS:
            counts = [_number(line.split(mark, 1)[0]) for line in lines]
            numbers = [count for count in counts if count is not None]
            steps = np.diff(numbers)
            skip = int(len(numbers) == len(counts) > 1 and np.allclose(steps, steps[0]))
        if skip:
            return skip, []
    column = [_clean(line.split(mark, 1)[0]) for line in lines]
    if all(_number(cell) is None for cell in column):
        return 1, column
    return 0, []


def _numbers(lines, mark, path, skip) -> np.ndarray:
    separators = [line.count(mark) if mark else len(line.split()) - 1 for line in lines]
    odd = [row for row, count in enumerate(separators) if count != separators[0]]
    if odd:
        raise InputProblem(
            f"{path}: data row {odd[0] + 1} has {separators[odd[0]] + 1} values, the first has "
            f"{separators[0] + 1}"
        )
    try:
        return np.loadtxt(lines, delimiter=mark, ndmin=2, comments=None)
    except ValueError:
        pass
    try:
        replaced = _MISSING.sub("nan", "\n".join(lines)).split("\n")
        return np.loadtxt(replaced, delimiter=mark, ndmin=2, comments=None)
    except ValueError:
        pass
    table = [[_number(cell) for cell in line.split(mark)] for line in lines]
    for row, cells in enumerate(table):
        if None in cells:
            column = cells.index(None)
            shown = _clean(lines[row].split(mark)[column])[:20]
            raise InputProblem(
                f"{path}: data row {row + 1}, column {column + 1 + skip}: '{shown}' is not a number"
            )
    return np.array(table, dtype=np.float64)


def with_points(text: str) -> tuple[str, bool]:
    """Decimal points in place of the commas that a spreadsheet writes between semicolons.

    Only where semicolons separate and no number has a point: then a comma is one.

    Parameters
    ----------
    text : str

    Returns
    -------
    text : str
    replaced : bool
    """
    lines = [line for line in text[: 1 << 16].splitlines() if line.strip() and line[0] != "#"]
    if not lines or not all(";" in line for line in lines[:-1] or lines):
        return text, False
    cells = [_clean(cell) for line in lines[:200] for cell in line.split(";")]
    if any(_POINT.fullmatch(cell) for cell in cells) or not any(map(_COMMA.fullmatch, cells)):
        return text, False
    return _COMMAS.sub(r"\1.\2", text), True


POINTS = "commas between digits were read as decimal points"


def text_of(path) -> str:
    """Text of a file in UTF-8, in UTF-16 with its mark, or else as Windows writes it (cp1252).

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
    """
    return decoded(path.read_bytes())


def decoded(data: bytes) -> str:
    """The text that these bytes are, see :func:`text_of`."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def symmetric_ones(values) -> bool:
    """Whether a matrix is symmetric with ones on its diagonal: a connectome, and no series.

    Parameters
    ----------
    values : array, shape (n_rows, n_columns)

    Returns
    -------
    bool
    """
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 3:
        return False
    with np.errstate(invalid="ignore"):
        ones = np.allclose(np.diag(values), 1, atol=1e-4)
        return bool(ones and np.allclose(values, values.T, atol=1e-5, equal_nan=True))
