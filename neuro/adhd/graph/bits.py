"""Compiled kernels on bit-packed graphs.

A graph of N nodes is a C-ordered ``uint64`` array: bit ``j % 64`` of word ``[i, j // 64]`` is edge
(i, j). Inside the package rows are padded to whole groups of eight words (512 bits, one vector
register), and the padding is zero. Every sum is an integer, so no result depends on the order in
which tiles or threads are worked through.

All kernels live in this one file because numba refreshes its cache by the age of the file that
holds the outermost function: a kernel imported from elsewhere would go stale unseen.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

GROUP = 8
"""Words per group: 512 bits."""

ROWS = 256
"""Rows of one work item of the cycle kernels; with 512 partner rows they stay in the L2 cache."""

FIXED_POINT = np.float32(2.0**30)
"""Scale of summed correlations: a float32 of at least 2^-7 times this is a whole number."""

HISTOGRAM_BINS = 65536

ONE = np.uint64(1)
_WORD = ir.IntType(64)


def _vector_function(builder, name, returns, argument):
    """The LLVM vector intrinsic `name`, declared once per module."""
    declared = builder.module.globals.get(name)
    return declared or ir.Function(builder.module, ir.FunctionType(returns, [argument]), name)


@intrinsic
def _popcount(typing, word):
    def code(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


@intrinsic
def _lowest_bit(typing, word):
    # the word is never zero where this is used, so zero may be undefined
    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), code


@intrinsic
def _above(typing, values, start, cut):
    """One word: which of the 64 float32 values from flat index `start` exceed `cut`."""

    def code(context, builder, signature, args):
        vector = ir.VectorType(ir.FloatType(), 64)
        data = make_array(signature.args[0])(context, builder, args[0]).data
        loaded = builder.load(builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer()))
        loaded.align = 4
        empty = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(empty, args[2], ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        mask = builder.fcmp_ordered(">", loaded, builder.shuffle_vector(first, empty, lanes))
        return builder.bitcast(mask, _WORD)

    return types.uint64(values, types.intp, types.float32), code


@intrinsic
def _common(typing, x, x_start, y, y_start, groups, start, stop):
    """Common bits of two rows within the 512-bit groups ``groups[start:stop]``.

    The rows are the words of the flat arrays `x` and `y` from `x_start` and `y_start` on. Views
    of rows would cost more than the sum: each one counts references, atomically.
    """

    def code(context, builder, signature, args):
        vector = ir.VectorType(_WORD, GROUP)
        arrays = [make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 2, 4)]
        rows = [builder.gep(arrays[0], [args[1]]), builder.gep(arrays[1], [args[3]])]
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, [0] * GROUP))
        count = _vector_function(builder, "llvm.ctpop.v8i64", vector, vector)
        step = ir.Constant(_WORD, 1)
        with cgutils.for_range_slice(builder, args[5], args[6], step) as (k, _):
            group = builder.zext(builder.load(builder.gep(arrays[2], [k])), _WORD)
            offset = builder.mul(group, ir.Constant(_WORD, GROUP))
            words = []
            for row in rows:
                address = builder.bitcast(builder.gep(row, [offset]), vector.as_pointer())
                words.append(builder.load(address))
                words[-1].align = 8
            ones = builder.call(count, [builder.and_(*words)])
            # the total lives on the stack only in name: LLVM keeps it in a register
            builder.store(builder.add(builder.load(total), ones), total)
        add = _vector_function(builder, "llvm.vector.reduce.add.v8i64", _WORD, vector)
        return builder.call(add, [builder.load(total)])

    index = types.intp
    return types.int64(x, index, y, index, groups, index, index), code


@njit(nogil=True, cache=True)
def degrees(bits):
    """Number of set bits of each row, int64 (n_rows,)."""
    out = np.zeros(bits.shape[0], np.int64)
    for i in range(bits.shape[0]):
        total = np.int64(0)
        for k in range(bits.shape[1]):
            total += _popcount(bits[i, k])
        out[i] = total
    return out


@njit(nogil=True, cache=True)
def _transpose(block):
    """Transpose 64 words as a 64 x 64 bit matrix, in place, by halving blocks."""
    width = 32
    mask = np.uint64(0x00000000FFFFFFFF)
    while width:
        row = 0
        while row < 64:
            shift = np.uint64(width)
            swap = ((block[row] >> shift) ^ block[row + width]) & mask
            block[row] ^= swap << shift
            block[row + width] ^= swap
            row = (row + width + 1) & ~width
        width >>= 1
        mask ^= mask << np.uint64(width)


@njit(nogil=True, cache=True)
def mirror(bits, i0, j0, size):
    """Copy tile (i0, j0) of `size` rows and columns, transposed, to tile (j0, i0).

    On the diagonal only the upper triangle is filled; it is OR-ed into the lower one.
    """
    block = np.empty(64, np.uint64)
    n_words = size // 64
    for b in range(n_words):
        for a in range(b + 1 if i0 == j0 else n_words):
            seen = np.uint64(0)
            for r in range(64):
                block[r] = bits[i0 + 64 * a + r, j0 // 64 + b]
                seen |= block[r]
            if seen:
                _transpose(block)
                for r in range(64):
                    bits[j0 + 64 * b + r, i0 // 64 + a] |= block[r]


@njit(nogil=True, cache=True)
def is_symmetric(bits):
    """True where bit (i, j) equals bit (j, i); square, padded to whole groups of words."""
    block = np.empty(64, np.uint64)
    n_words = bits.shape[1]
    # partner rows are read a group of words at a time: that is one cache line
    for start in range(0, n_words, GROUP):
        for b in range(start, n_words):
            for a in range(start, min(start + GROUP, b + 1)):
                seen = np.uint64(0)
                for r in range(64):
                    block[r] = bits[64 * a + r, b]
                    seen |= block[r] | bits[64 * b + r, a]
                if not seen:
                    continue
                _transpose(block)
                for r in range(64):
                    if bits[64 * b + r, a] != block[r]:
                        return False
    return True


@njit(nogil=True, cache=True)
def scan_tile(
    corr, i0, j0, low, high, usable, bits, edge_i, edge_j, edge_r, pair_i, pair_j, pair_r, n_pairs
):
    """Turn one tile of correlations into edges.

    Values above `high` are edges: their bits are set and they are listed from the start of the
    edge lists. Values above `low` up to `high` are undecided and appended to the pair lists. Both
    lists must have room for a whole tile. `usable` is the bit mask of the nodes that may have
    edges; on a diagonal tile only pairs i < j are taken. Returns the two numbers of entries.
    """
    size = corr.shape[0]
    flat = corr.reshape(-1)
    n_edges = 0
    for r in range(size):
        i = i0 + r
        if not (usable[i >> 6] >> np.uint64(i & 63)) & ONE:
            continue
        first = r >> 6 if i0 == j0 else 0
        for k in range(first, size // 64):
            start = r * size + 64 * k
            reach = _above(flat, start, low)
            if not reach:
                continue
            word = (j0 >> 6) + k
            reach &= usable[word]
            if i0 == j0 and k == first:
                reach &= ~((np.uint64(2) << np.uint64(i & 63)) - ONE)
            edges = reach & _above(flat, start, high)
            reach ^= edges
            bits[i, word] = edges
            while edges:
                b = _lowest_bit(edges)
                edges &= edges - ONE
                edge_i[n_edges] = i
                edge_j[n_edges] = 64 * word + b
                edge_r[n_edges] = flat[start + b]
                n_edges += 1
            while reach:
                b = _lowest_bit(reach)
                reach &= reach - ONE
                pair_i[n_pairs] = i
                pair_j[n_pairs] = 64 * word + b
                pair_r[n_pairs] = flat[start + b]
                n_pairs += 1
    return n_edges, n_pairs


@njit(nogil=True, cache=True)
def count_edges(n_edges, edge_i, edge_j, edge_r, weight, counts, places, table, coords, cuts):
    """Add listed edges to the fixed-point weighted degree and to the distance counts.

    Both ends of an edge are credited. `counts` is empty without coordinates, `table` where the
    coordinates have no grid; see :class:`neuro.adhd.graph.distance.DistanceBins`.
    """
    for e in range(n_edges):
        i, j = edge_i[e], edge_j[e]
        value = np.int64(edge_r[e] * FIXED_POINT)
        weight[i] += value
        weight[j] += value
        if not counts.size:
            continue
        if table.size:
            x = abs(places[i, 0] - places[j, 0])
            y = abs(places[i, 1] - places[j, 1])
            z = abs(places[i, 2] - places[j, 2])
            which = np.int64(table[x, y, z])
        else:
            x = coords[i, 0] - coords[j, 0]
            y = coords[i, 1] - coords[j, 1]
            z = coords[i, 2] - coords[j, 2]
            squared = x * x + y * y + z * z
            which = np.int64(0)
            while which < cuts.size and squared >= cuts[which]:
                which += 1
        counts[i, which] += 1
        counts[j, which] += 1


@njit(nogil=True, cache=True)
def set_edges(edge_i, edge_j, bits):
    """Set the bits of listed edges, both directions."""
    for e in range(edge_i.size):
        i, j = edge_i[e], edge_j[e]
        bits[i, j >> 6] |= ONE << np.uint64(j & 63)
        bits[j, i >> 6] |= ONE << np.uint64(i & 63)


@njit(nogil=True, cache=True)
def histogram_tile(corr, i0, j0, usable, out):
    """Add the positive correlations of a tile to a histogram of equal bins over (0, 1]."""
    size = corr.shape[0]
    scale = np.float32(HISTOGRAM_BINS)
    for r in range(size):
        i = i0 + r
        if not (usable[i >> 6] >> np.uint64(i & 63)) & ONE:
            continue
        for c in range(r + 1 if i0 == j0 else 0, size):
            j = j0 + c
            if corr[r, c] > 0 and (usable[j >> 6] >> np.uint64(j & 63)) & ONE:
                out[min(np.int64(corr[r, c] * scale), HISTOGRAM_BINS - 1)] += 1


@njit(nogil=True, cache=True)
def pair_correlations(z, pair_i, pair_j):
    """Float64 products of the listed rows, summed in time order: the same on every machine."""
    out = np.empty(pair_i.size, np.float64)
    for p in range(pair_i.size):
        x, y = z[pair_i[p]], z[pair_j[p]]
        total = 0.0
        for t in range(x.size):
            total += x[t] * y[t]
        out[p] = total
    return out


@njit(nogil=True, cache=True, fastmath=True)
def rough_correlations(z, pair_i, pair_j):
    """Float32 products of the listed rows, in whatever order is fastest."""
    out = np.empty(pair_i.size, np.float32)
    for p in range(pair_i.size):
        x, y = z[pair_i[p]], z[pair_j[p]]
        total = np.float32(0)
        for t in range(x.size):
            total += x[t] * y[t]
        out[p] = total
    return out


@njit(nogil=True, cache=True)
def cycles3_rows(bits, i0, i1, out):
    """Add the 3-cycles whose first node is one of the rows i0..i1-1.

    A 3-cycle i < j < k is seen twice: on edge (i, j), where k is a common neighbour after j and
    the cycle is credited to i and j; and on edge (i, k), where j is a common neighbour between
    the two and the cycle is credited to k. Words before i are never touched, empty groups of
    row i are skipped, and partner rows are taken 512 at a time so that they stay in cache.
    """
    n_words = bits.shape[1]
    flat = bits.reshape(-1)
    n_rows = i1 - i0
    rows = np.zeros(n_rows * n_words, np.uint64)
    groups = np.zeros(n_rows * n_words // GROUP + 1, np.uint32)
    n_groups = np.zeros(n_rows, np.int64)
    done = np.zeros(n_rows, np.int64)
    for r in range(n_rows):
        # row i without the bits up to i, and the list of its groups that are not empty
        i, row, listed = i0 + r, r * n_words, r * n_words // GROUP
        for k in range(i >> 6, n_words):
            rows[row + k] = bits[i, k]
        rows[row + (i >> 6)] &= ~((np.uint64(2) << np.uint64(i & 63)) - ONE)
        for g in range((i >> 6) // GROUP, n_words // GROUP):
            seen = np.uint64(0)
            for q in range(row + GROUP * g, row + GROUP * (g + 1)):
                seen |= rows[q]
            groups[listed + n_groups[r]] = g
            n_groups[r] += seen != 0
    for g in range((i0 >> 6) // GROUP, n_words // GROUP):
        for r in range(n_rows):
            row, listed = r * n_words, r * n_words // GROUP
            here, stop = listed + done[r], listed + n_groups[r]
            if here == stop or groups[here] != g:
                continue
            own = np.int64(0)
            for k in range(GROUP * g, GROUP * (g + 1)):
                word = rows[row + k]
                while word:
                    b = _lowest_bit(word)
                    word &= word - ONE
                    j = 64 * k + b
                    partner = j * n_words
                    between = _common(rows, row, flat, partner, groups, listed, here)
                    after = _common(rows, row, flat, partner, groups, here + 1, stop)
                    for q in range(GROUP * g, k):
                        between += _popcount(rows[row + q] & flat[partner + q])
                    for q in range(k + 1, GROUP * (g + 1)):
                        after += _popcount(rows[row + q] & flat[partner + q])
                    both = rows[row + k] & flat[partner + k]
                    before_j = (ONE << np.uint64(b)) - ONE
                    between += _popcount(both & before_j)
                    after += _popcount(both & ~before_j)
                    own += after
                    out[j] += between + after
            out[i0 + r] += own
            done[r] += 1


@njit(nogil=True, cache=True)
def cycles4_rows(bits, i0, i1, out):
    """Add the 4-cycles of which one of the rows i0..i1-1 and a later row are opposite corners.

    Two nodes with s common neighbours are opposite corners of s (s - 1) / 2 cycles.
    """
    n, n_words = bits.shape
    flat = bits.reshape(-1)
    n_rows = i1 - i0
    groups = np.zeros(n_rows * n_words // GROUP + 1, np.uint32)
    n_groups = np.zeros(n_rows, np.int64)
    for r in range(n_rows):
        listed = r * n_words // GROUP
        for g in range(n_words // GROUP):
            seen = np.uint64(0)
            for q in range(GROUP * g, GROUP * (g + 1)):
                seen |= bits[i0 + r, q]
            groups[listed + n_groups[r]] = g
            n_groups[r] += seen != 0
    for j0 in range(i0, n, ROWS):
        for r in range(n_rows):
            i, own = i0 + r, np.int64(0)
            start = r * n_words // GROUP
            stop = start + n_groups[r]
            for j in range(max(j0, i + 1), min(j0 + ROWS, n)):
                s = _common(flat, i * n_words, flat, j * n_words, groups, start, stop)
                cycles = s * (s - 1) // 2
                own += cycles
                out[j] += cycles
            out[i] += own
