"""Time and memory of exact voxel graph maps beside networkx, igraph and scipy.sparse.

    python benchmarks/voxel_graphs.py [--sizes 5000 10000 ...] [--volumes 172] [--out table.md]

One run, one thread, the same data for every row: synthetic BOLD of 24 latents with smooth maps
plus noise blurred by 6 mm on a 4 mm grid, T = 172 by default, mixed so that about 1.73 % of the
pairs have r > 0.8. Every row runs in a process of its own, so that its peak memory is its own.
Seconds are CPU seconds of the process, just-in-time compilation and imports excluded:

- from X: everything from the series to 3-cycles per voxel. neuro also computes weighted degree
  and distance degree in this time; the peers compute degree and 3-cycles.
- kernel: only the count of 3-cycles, given the structure that the method needs.

The peers share one blocked float32 correlation with near-threshold pairs settled in float64, so
that all methods see the same graph; equal counts are asserted. networkx is run up to
`--networkx-limit` voxels and extrapolated beyond by edges times mean degree (marked ~).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from page import features, heading

N_TIMES = 172
THRESHOLD = 0.8
DENSITY = 0.0173
TARGETS = {
    10_000: (2.0, None),
    20_000: (5.0, 1.0),
    29_398: (8.0, 1.2),
    69_765: (60.0, 2.5),
    91_282: (120.0, 3.0),
}
"""CPU seconds and peak GB that a neuro row must keep, by number of voxels; 91,282 are the
grayordinates of the Human Connectome Project, with 490 volumes."""


def make_data(n, path, n_times=N_TIMES, seed=0):
    """Write series (n_times, n) float32 and coordinates (n, 3) in mm to an .npz file."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    reach = int(np.ceil((n * 0.75 / np.pi) ** (1 / 3) * 1.25)) + 2
    axis = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    radius = ((grid / [0.85, 1.05, 0.9]) ** 2).sum(axis=1)
    inside = np.sort(np.argsort(radius, kind="stable")[:n])
    shape = (len(axis),) * 3
    # map width in proportion to the brain: the same density at every size
    width = 0.23 * n ** (1 / 3)
    maps = [gaussian_filter(rng.standard_normal(shape), width).ravel()[inside] for _ in range(24)]
    maps = np.stack(maps)
    maps = np.maximum(maps / maps.std(), 0)
    latents = gaussian_filter(rng.standard_normal((n_times, 24)), (1.5, 0))
    signal = ((latents / latents.std(axis=0)) @ maps).astype(np.float32)
    noise = np.empty_like(signal)
    for t in range(n_times):
        blurred = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 6 / 2.3548 / 4)
        noise[t] = blurred.ravel()[inside]
    noise /= noise.std()
    some = rng.choice(n, min(n, 1500), replace=False)
    pairs = np.triu_indices(len(some), 1)
    low, high = 0.1, 10.0
    for _ in range(20):
        level = (low * high) ** 0.5
        corr = np.corrcoef((signal[:, some] + level * noise[:, some]).T)[pairs]
        low, high = (level, high) if (corr > THRESHOLD).mean() > DENSITY else (low, level)
    np.savez(path, series=signal + np.float32(level) * noise, coords=4.0 * grid[inside])


def edges_of(series):
    """Edges i < j with r > THRESHOLD: blocked float32 products, close calls in float64."""
    import numpy as np

    z = series.T.astype(np.float64)
    z -= z.mean(axis=1, keepdims=True)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    single = z.astype(np.float32)
    found = []
    for start in range(0, len(z), 1024):
        corr = single[start : start + 1024] @ single[start:].T
        i, j = np.nonzero(corr > THRESHOLD - 1e-5)
        later = j > i
        i, j = i[later], j[later]
        keep = corr[i, j] > THRESHOLD
        near = np.flatnonzero(np.abs(corr[i, j] - THRESHOLD) <= 1e-5)
        keep[near] = np.einsum("et,et->e", z[start + i[near]], z[start + j[near]]) > THRESHOLD
        found.append(np.stack([i[keep] + start, j[keep] + start], axis=1).astype(np.int32))
    return np.concatenate(found)


def by_networkx(n, edges):
    import networkx as nx
    import numpy as np

    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(edges.tolist())
    start = time.process_time()
    triangles = nx.triangles(graph)
    kernel = time.process_time() - start
    return np.array([triangles[i] for i in range(n)]), kernel


def by_igraph(n, edges):
    import igraph
    import numpy as np

    graph = igraph.Graph(n=n, edges=edges)
    start = time.process_time()
    clustering = np.array(graph.transitivity_local_undirected(mode="zero"))
    kernel = time.process_time() - start
    degree = np.array(graph.degree())
    return np.rint(clustering * degree * (degree - 1) / 2).astype(np.int64), kernel


def by_scipy(n, edges):
    import numpy as np
    from scipy import sparse

    ones = np.ones(len(edges), np.int32)
    upper = sparse.csr_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(n, n))
    S = (upper + upper.T).tocsr()
    start = time.process_time()
    counts = np.zeros(n, np.int64)
    for a in range(0, n, 2048):  # in row blocks, or the product would not fit
        rows = S[a : a + 2048]
        counts[a : a + 2048] = (rows @ S).multiply(rows).sum(axis=1, dtype=np.int64).ravel()
    return counts // 2, time.process_time() - start


PEERS = {"networkx": by_networkx, "igraph": by_igraph, "scipy.sparse (S@S).multiply(S)": by_scipy}
OURS = {
    "neuro threshold=0.8": {"threshold": THRESHOLD},
    "neuro density=0.0173": {"density": DENSITY},
}


def run_row(method, path):
    """One method on one file, in this process; prints one line of JSON."""
    import numpy as np

    with np.load(path) as data:
        series, coords = data["series"], data["coords"]
    n = series.shape[1]
    if method in OURS:
        from neuro.adhd.graph.voxel_graph import VoxelGraph, cycles3

        VoxelGraph(**OURS[method]).fit(series[:, :600], coords_mm=coords[:600])  # compiles
        cycles3(np.zeros((64, 1), np.uint64))
        start = time.process_time()
        graph = VoxelGraph(**OURS[method]).fit(series, coords_mm=coords)
        total = time.process_time() - start
        # peak memory before the packed graph is asked for again
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bits = VoxelGraph(**OURS[method], keep_bits=True).fit(series).bits_
        start = time.process_time()
        again = cycles3(bits)
        kernel = time.process_time() - start
        assert np.array_equal(again, graph.cycles3_)
        counts, n_edges = graph.cycles3_, graph.n_edges_
    else:
        PEERS[method](5, np.array([[0, 1], [1, 2], [0, 2]], np.int32))  # imports
        start = time.process_time()
        edges = edges_of(series)
        counts, kernel = PEERS[method](n, edges)
        total = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        n_edges = len(edges)
    row = {
        "total": total,
        "kernel": kernel,
        "peak_gb": peak * 1024 / 1e9,
        "n_edges": int(n_edges),
        "n_triangles": int(counts.sum()) // 3,
        "hash": hashlib.sha256(np.ascontiguousarray(counts, dtype="<i8").tobytes()).hexdigest(),
    }
    print(json.dumps(row))


def measure(method, path):
    """Run one row in its own single-threaded process."""
    threads = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    env = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in threads}}
    command = [sys.executable, __file__, "--row", method, "--data", str(path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{method} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def extrapolate(known, n, n_edges):
    """networkx at `n` from its largest measured size: time grows with edges x mean degree."""
    base = max(known)
    row = known[base]
    work = (n_edges**2 / n) / (row["n_edges"] ** 2 / base)
    return {"total": row["total"] * work, "kernel": row["kernel"] * work, "estimated": True}


def run_all(arguments, folder):
    """All rows: {n: {method: row}}, counts compared."""
    results, known = {}, {}
    for n in sorted(arguments.sizes):
        path = Path(folder) / f"bold_{n}.npz"
        make_data(n, path, arguments.volumes)
        rows = results[n] = {}
        for method in [*OURS, *PEERS]:
            limit = arguments.networkx_limit if method == "networkx" else arguments.peer_limit
            if method in PEERS and n > limit:
                continue
            rows[method] = measure(method, path)
            print(f"{n} {method}: {rows[method]['total']:.2f} s", file=sys.stderr, flush=True)
        path.unlink()
        reference = rows["neuro threshold=0.8"]
        for method, row in rows.items():
            if method != "neuro density=0.0173":
                same = all(row[key] == reference[key] for key in ("n_edges", "hash"))
                assert same, f"{method} and neuro disagree at {n} voxels"
        if "networkx" in rows:
            known[n] = rows["networkx"]
        elif known and n <= arguments.peer_limit:
            rows["networkx"] = extrapolate(known, n, reference["n_edges"])
    return results


def table(results):
    """Markdown table; ratios are against the row of neuro with a threshold."""
    lines = [
        "| voxels | method | edges | triangles | from X (s) | x neuro | kernel (s) | x neuro "
        "| peak (GB) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for n, rows in results.items():
        ours = rows["neuro threshold=0.8"]
        for method, row in rows.items():
            mark = "~" if row.get("estimated") else ""
            numbers = [f"{row[key]:,}" if key in row else "" for key in ("n_edges", "n_triangles")]
            ratios = [row[key] / ours[key] for key in ("total", "kernel")]
            peak = f"{row['peak_gb']:.2f}" if "peak_gb" in row else ""
            lines.append(
                f"| {n:,} | {method} | {numbers[0]} | {numbers[1]} "
                f"| {mark}{row['total']:.2f} | {mark}{ratios[0]:.1f} "
                f"| {mark}{row['kernel']:.3f} | {mark}{ratios[1]:.1f} | {peak} |"
            )
    return lines


def checks(results):
    """One line per target: kept or missed."""
    lines = []

    def check(text, kept):
        lines.append(f"- {'kept' if kept else 'MISSED'}: {text}")

    for n, rows in results.items():
        seconds, gigabytes = TARGETS.get(n, (None, None))
        for method in OURS:
            row = rows[method]
            if seconds:
                text = f"{n:,} voxels, {method}: {row['total']:.2f} s (at most {seconds:g})"
                check(text, row["total"] <= seconds)
            if gigabytes:
                text = f"{n:,} voxels, {method}: {row['peak_gb']:.2f} GB (at most {gigabytes:g})"
                check(text, row["peak_gb"] <= gigabytes)
        ours = rows["neuro threshold=0.8"]["total"]
        if n == 29_398 and "networkx" in rows:
            ratio = rows["networkx"]["total"] / ours
            check(f"{n:,} voxels: {ratio:.0f} x networkx, extrapolated (at least 40)", ratio >= 40)
        others = [rows[name]["total"] for name in PEERS if name in rows and name != "networkx"]
        if others and n >= 29_398:
            ratio = min(others) / ours
            check(
                f"{n:,} voxels: {ratio:.1f} x the best of igraph and scipy (at least 3)", ratio >= 3
            )
    return lines


FEATURES = ("popcnt", "avx2", "avx512f", "avx512_vpopcntdq")
"""Of the processor; they decide about the bit counts."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 10000, 20000, 29398, 69765])
    parser.add_argument("--volumes", type=int, default=N_TIMES)
    parser.add_argument("--networkx-limit", type=int, default=10_000, metavar="VOXELS")
    parser.add_argument("--peer-limit", type=int, default=30_000, metavar="VOXELS")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--row", choices=[*OURS, *PEERS], help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        run_row(arguments.row, arguments.data)
        return
    sizes = " ".join(map(str, arguments.sizes))
    command = (
        f"python benchmarks/voxel_graphs.py --sizes {sizes} --volumes {arguments.volumes} "
        f"--networkx-limit {arguments.networkx_limit} --peer-limit {arguments.peer_limit}"
    )
    peers = min(arguments.sizes) <= max(arguments.networkx_limit, arguments.peer_limit)
    with tempfile.TemporaryDirectory() as folder:
        results = run_all(arguments, folder)
    text = "\n".join(
        [
            *heading(
                "Voxel graphs: degree, distance degree and 3-cycles",
                command,
                ("numpy", "numba", "scipy", *(("networkx", "igraph") if peers else ())),
                f"Vector features: {' '.join(features(FEATURES)) or 'unknown'}",
            ),
            f"T = {arguments.volumes}, one thread, CPU seconds; `~` is extrapolated from the "
            "largest size measured, by edges x mean degree. All measured methods gave identical "
            "counts.",
            "",
            *table(results),
            "",
            *checks(results),
            "",
        ]
    )
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
