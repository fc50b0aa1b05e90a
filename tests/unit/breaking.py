"""Ways to break a file: bytes, cells of text, fields of a NIfTI header, arrays of a container.

Every function takes hypothesis' `draw` and a sound file, and gives a broken one.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

CELLS = (
    *("", "n/a", "nan", "-inf", "1e999", "-1", "0", "1e18", "99999999999999999999", "x", "0x1f"),
    *(
        "1,5",
        "\u00e4",
        '"',
        "'",
        "#",
        "1 2",
        "True",
        "1e-320",
        "-0",
        "--",
        "\x00",
        "\ufeff",
        "None",
    ),
)
TEXTS = (
    "",
    "\n",
    "\t\n",
    "a",
    "\x00",
    "#\n",
    "{}",
    "[]",
    "1",
    "1\n2\n",
    "a\tb\n",
    "\ufeffa\tb\n1\t2\n",
)
ARRAYS = {
    "empty": np.empty(0),
    "no rows": np.empty((0, 3)),
    "number": np.float64(3),
    "missing": np.full((6, 3), np.nan),
    "infinite": np.full((30, 4), np.inf),
    "text": np.array(["a", "b", "c"]),
    "bytes": np.array([b"a", b"\xff"]),
    "complex": np.ones((4, 4)) * 1j,
    "huge": np.array([[1e18, 1.0], [2.0, 2.0], [1.0, 3.0]]),
    "negative": -np.arange(12.0).reshape(4, 3),
    "bool": np.zeros((5, 5), bool),
    "five axes": np.zeros((2, 1, 2, 1, 2)),
    "one row": np.arange(4.0)[None],
    "whole numbers": np.arange(60, dtype=np.int64).reshape(20, 3),
    "bytes of an image": np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4),
    "record": np.zeros(3, dtype=[("time", "f8"), ("unit", "i4")]),
    "half": np.ones((6, 2), np.float16),
    "many": np.arange(300.0).reshape(100, 3),
}
# where a NIfTI-1 header keeps its fields, and how
FIELDS = {
    "sizeof_hdr": ("i", 0, 1),
    "dim": ("h", 40, 8),
    "datatype": ("h", 70, 1),
    "bitpix": ("h", 72, 1),
    "pixdim": ("f", 76, 8),
    "vox_offset": ("f", 108, 1),
    "scl_slope": ("f", 112, 2),
    "xyzt_units": ("b", 123, 1),
    "codes": ("h", 252, 2),
    "quatern": ("f", 256, 6),
    "srow": ("f", 280, 12),
    "magic": ("i", 344, 1),
}
NUMBERS = {
    "h": (-32768, -1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 512, 2304, 32767),
    "i": (-1, 0, 1, 348, 540, 2**31 - 1),
    "b": (-128, 0, 1, 8, 16, 24, 127),
    "f": (float("nan"), float("inf"), -1.0, 0.0, 1.0, 2.5, 1e-30, 1e30, 352.0, 1e9),
}


def raw(draw, content: bytes) -> bytes:
    """Cut off, turn, lose, repeat or insert bytes."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(("cut", "turn", "lose", "repeat", "insert")))
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(1, 64))
        if kind == "cut":
            del content[place:]
        elif kind == "turn" and content:
            content[place] ^= draw(st.integers(1, 255))
        elif kind == "lose":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = content[place : place + length]
        elif kind == "insert":
            content[place:place] = draw(st.binary(min_size=1, max_size=16))
    return bytes(content)


def text(draw, content: bytes) -> bytes:
    """Other cells, rows, separators and ends of line; sometimes other bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(TEXTS)).encode()
    lines = content.decode().splitlines()
    mark = next((m for m in ("\t", ",", " ") if m in lines[0]), "\t")
    table = [line.split(mark) for line in lines]
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.sampled_from((0, 1, draw(st.integers(0, len(table) - 1)))))
        row = min(row, len(table) - 1)
        column = draw(st.integers(0, max(len(table[row]) - 1, 0)))
        kind = draw(st.sampled_from(("cell", "cell", "lose", "more", "no row", "twice", "column")))
        if kind == "cell" and table[row]:
            table[row][column] = draw(st.sampled_from(CELLS))
        elif kind == "lose":
            del table[row][column : column + 1]
        elif kind == "more":
            table[row].append(draw(st.sampled_from(CELLS)))
        elif kind == "no row" and len(table) > 1:
            del table[row]
        elif kind == "twice":
            table.insert(row, list(table[row]))
        elif kind == "column":
            cell = draw(st.sampled_from(CELLS))
            for line in table[1:]:
                line[column : column + 1] = [cell]
    between = draw(st.sampled_from((mark, mark, mark, ";", "  ")))
    end = draw(st.sampled_from(("\n", "\n", "\r\n", "\r")))
    out = end.join(between.join(line) for line in table).encode("utf-8", "surrogatepass")
    return raw(draw, out) if draw(st.integers(0, 3)) == 0 else out


def nifti(draw, content: bytes) -> bytes:
    """Other values in the header, before compression; sometimes other bytes."""
    packed = content[:2] == b"\x1f\x8b"
    plain = bytearray(gzip.decompress(content) if packed else content)
    for _ in range(draw(st.integers(0, 3))):
        letter, place, count = FIELDS[draw(st.sampled_from(sorted(FIELDS)))]
        place += struct.calcsize(letter) * draw(st.integers(0, count - 1))
        struct.pack_into("<" + letter, plain, place, draw(st.sampled_from(NUMBERS[letter])))
    if draw(st.booleans()):
        plain = bytearray(raw(draw, bytes(plain)))
    out = gzip.compress(bytes(plain), 1) if packed else bytes(plain)
    return raw(draw, out) if draw(st.integers(0, 3)) == 0 else out


def arrays(draw, content: dict) -> dict:
    """Lose, replace, turn round or add arrays."""
    content = dict(content)
    for _ in range(draw(st.integers(1, 2))):
        key = draw(st.sampled_from(sorted(content)))
        kind = draw(st.sampled_from(("lose", "other", "other", "turn", "cut", "add", "deeper")))
        value = np.asarray(content[key])
        if kind == "lose" and len(content) > 1:
            del content[key]
        elif kind == "other":
            content[key] = ARRAYS[draw(st.sampled_from(sorted(ARRAYS)))]
        elif kind == "turn":
            content[key] = value.T
        elif kind == "cut" and value.ndim:
            content[key] = value[: draw(st.integers(0, 3))]
        elif kind == "add":
            name = draw(st.sampled_from(("data", "traces", "seq_0", "fs", "bin_s", "extra")))
            content[name] = ARRAYS[draw(st.sampled_from(sorted(ARRAYS)))]
        elif kind == "deeper":
            content[key] = value[None]
    return content


def hdf5(draw, path: Path) -> None:
    """Lose, replace or empty data sets, groups and attributes of an HDF5 file in place."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(draw(st.integers(1, 2))):
            name = draw(st.sampled_from([n for n in sorted(names) if not n.startswith("spec")]))
            if name not in file:
                continue
            kind = draw(st.sampled_from(("lose", "other", "other", "group", "attribute", "cut")))
            if kind == "attribute":
                there = sorted(file[name].attrs)
                if there:
                    del file[name].attrs[draw(st.sampled_from(there))]
                continue
            kept = dict(file[name].attrs)
            value = file[name][()] if isinstance(file[name], h5py.Dataset) else None
            del file[name]
            if kind == "group":
                file.create_group(name)
            elif kind == "other":
                other = ARRAYS[draw(st.sampled_from(sorted(ARRAYS)))]
                file[name] = other.astype("S4") if other.dtype.kind == "U" else other
            elif kind == "cut" and value is not None and np.ndim(value):
                file[name] = value[: draw(st.integers(0, 2))]
            if name in file:
                for key, item in kept.items():
                    if draw(st.integers(0, 3)):
                        file[name].attrs[key] = item
