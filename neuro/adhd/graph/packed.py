"""Packed graphs: one bit per pair of nodes, and cycle counts on them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from neuro.adhd.graph import bits as kernels


def pack(A) -> np.ndarray:
    """Pack an adjacency matrix, one bit per pair.

    Parameters
    ----------
    A : array-like, (n, n)
        Symmetric, zero diagonal; non-zero entries are edges.

    Returns
    -------
    ndarray, uint64, (n, ceil(n / 64))
        Bit ``j % 64`` of word ``[i, j // 64]`` is edge (i, j); bits beyond n are zero.

    Raises
    ------
    ValueError
        When `A` is not square or not symmetric, or has an entry on the diagonal.
    """
    A = np.asarray(A)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"A: got shape {A.shape}, expected a square adjacency matrix")
    n = len(A)
    out = np.zeros((n, -(-n // 64)), np.uint64)
    for start in range(0, n, 1024):
        rows = A[start : start + 1024] != 0
        octets = np.zeros((len(rows), out.shape[1] * 8), np.uint8)
        packed = np.packbits(rows, axis=1, bitorder="little")
        octets[:, : packed.shape[1]] = packed
        out[start : start + 1024] = octets.view(np.uint64)
    _checked(out)
    return out


def unpack(bits) -> np.ndarray:
    """Adjacency matrix of a packed graph, bool (n, n); the inverse of :func:`pack`."""
    bits = np.ascontiguousarray(bits)
    octets = bits.view(np.uint8)
    return np.unpackbits(octets, axis=1, count=len(bits), bitorder="little").view(bool)


def cycles3(bits, n_threads: int = 1) -> np.ndarray:
    """Number of 3-cycles (triangles) through each node.

    Parameters
    ----------
    bits : ndarray, uint64, (n, ceil(n / 64))
        Packed graph, see :func:`pack`.
    n_threads : int, default 1

    Returns
    -------
    ndarray, int64, (n,)

    Raises
    ------
    ValueError
        When `bits` is no packed undirected graph without self-loops.
    """
    return count_cycles(kernels.cycles3_rows, _checked(bits), len(bits), n_threads)


def cycles4(bits, n_threads: int = 1) -> np.ndarray:
    """Number of 4-cycles through each node, chords allowed.

    Every pair of nodes is visited, so time grows with n^3 / 64.

    Parameters
    ----------
    bits : ndarray, uint64, (n, ceil(n / 64))
        Packed graph, see :func:`pack`.
    n_threads : int, default 1

    Returns
    -------
    ndarray, int64, (n,)

    Raises
    ------
    ValueError
        When `bits` is no packed undirected graph without self-loops.
    """
    return count_cycles(kernels.cycles4_rows, _checked(bits), len(bits), n_threads)


def _checked(bits) -> np.ndarray:
    """The packed graph on rows and words padded for the kernels."""
    bits = np.asarray(bits)
    n = len(bits) if bits.ndim else 0
    if bits.dtype != np.uint64 or bits.shape != (n, -(-n // 64)):
        raise ValueError(
            f"bits: got shape {bits.shape} of type {bits.dtype}, expected uint64 "
            f"({n}, {-(-n // 64)}) as graph.pack returns it"
        )
    n_words = kernels.GROUP * -(-bits.shape[1] // kernels.GROUP)
    padded = np.zeros((64 * n_words, n_words), np.uint64)
    padded[:n, : bits.shape[1]] = bits
    nodes = np.arange(n)
    loops = (padded[nodes, nodes // 64] >> (nodes % 64).astype(np.uint64)) & kernels.ONE
    if loops.any():
        raise ValueError(
            f"bits: {int(loops.sum())} nodes are joined to themselves, "
            f"the first is node {int(np.argmax(loops))}; clear the diagonal"
        )
    # bits beyond the last node have no mirror image, so this finds them too
    if not kernels.is_symmetric(padded):
        raise ValueError("bits: the graph is not symmetric; edges have no direction here")
    return padded


def count_cycles(kernel, bits: np.ndarray, n: int, n_threads: int) -> np.ndarray:
    """Sum a kernel over items of rows, dealt out to threads that each have their own total.

    Parameters
    ----------
    kernel : callable
        `cycles3_rows` or `cycles4_rows` of :mod:`neuro.adhd.graph.bits`.
    bits : ndarray, uint64
        Packed graph, padded to whole groups of words.
    n : int
        Number of nodes.
    n_threads : int

    Returns
    -------
    ndarray, int64, (n,)
    """
    queue = iter(range(0, n, kernels.ROWS))  # next() on a range iterator is atomic

    def work():
        out = np.zeros(n, np.int64)
        for start in queue:
            kernel(bits[:n], start, min(start + kernels.ROWS, n), out)
        return out

    n_items = -(-n // kernels.ROWS)
    return np.sum(run_threads(work, max(min(n_threads, n_items), 1)), axis=0)


def run_threads(work, n_threads: int) -> list:
    """Call `work()` once per thread; the kernels inside it release the interpreter lock."""
    if n_threads == 1:
        return [work()]
    with ThreadPoolExecutor(n_threads) as pool:
        return [future.result() for future in [pool.submit(work) for _ in range(n_threads)]]
