"""Cost of the stage `mds` against the number of units: clips of two seconds at 30 Hz.

    python benchmarks/mds_scale.py [n_units ...]

Every number of units runs in a process of its own: planted linear cells of eight types, a twin
(ridge on 60 frames of 2 channels, 2,000 clips), types by gaps with their stimuli, and two restarts
of the published search. CPU seconds and peak memory; medians of nothing, one run each.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

N_CLIPS, N_FRAMES, N_CHANNELS, N_TYPES = 2000, 60, 2, 8
SIZES = (250, 1000, 4000, 10000)


def recording(n_units, seed=0):
    """Clips and Poisson responses of cells whose filters are those of their type, with jitter."""
    import numpy as np

    rng = np.random.default_rng(seed)
    clips = rng.standard_normal((N_CLIPS, N_FRAMES, N_CHANNELS)).astype(np.float32)
    time_s = np.arange(N_FRAMES)[::-1] / 30
    shapes = [
        np.exp(-time_s / tau)[:, None] * np.array([[a, b]])
        for tau, a, b in ((0.1, 1, 0), (0.1, -1, 0), (0.5, 1, 0), (0.5, -1, 0))
    ] + [
        np.exp(-time_s / tau)[:, None] * np.array([[a, b]])
        for tau, a, b in ((0.1, 0, 1), (0.1, 0, -1), (0.5, 0, 1), (0.5, 0, -1))
    ]
    means = np.stack([shape.ravel() / np.linalg.norm(shape) for shape in shapes])
    types = np.arange(n_units) % N_TYPES
    filters = means[types] + 0.02 * rng.standard_normal((n_units, means.shape[1]))
    responses = np.empty((N_CLIPS, n_units), np.float32)
    flat = clips.reshape(N_CLIPS, -1)
    for first in range(0, n_units, 1000):
        part = slice(first, first + 1000)
        drive = flat @ filters[part].T.astype(np.float32)
        responses[:, part] = rng.poisson(2 * np.log1p(np.exp(2 * drive)))
    return clips, responses, types


def one(n_units) -> dict:
    """Cost of one recording."""
    import numpy as np

    from neuro.mds import MostDiscriminativeStimuli, TemporalTwin
    from neuro.stats.agreement import adjusted_rand

    clips, responses, types = recording(n_units)
    tier = np.array(["train"] * (N_CLIPS - 200) + ["test"] * 200)
    start = time.process_time()
    twin = TemporalTwin(N_FRAMES).fit(clips, responses, tier)
    fitted = time.process_time()
    model = MostDiscriminativeStimuli(n_restarts=2, norm=5, clip=(-3, 3))
    model.fit(twin, stimuli=clips[:500])
    end = time.process_time()
    return {
        "n_units": n_units,
        "twin_s": fitted - start,
        "types_s": end - fitted,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "corr": float(twin.test_correlation_.mean()),
        "k": model.n_clusters_,
        "ari": adjusted_rand(types, model.labels_),
        "search_k": len(model.restarts_[model.kept_].stimuli),
    }


def main(sizes):
    print("| units | twin, CPU s | types and search, CPU s | peak memory, MB | groups, ARI |")
    print("|---|---|---|---|---|")
    for n_units in sizes:
        code = f"import json, mds_scale; print(json.dumps(mds_scale.one({n_units})))"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
        )
        row = json.loads(done.stdout)
        print(
            f"| {n_units:,} | {row['twin_s']:.1f} | {row['types_s']:.1f} | {row['peak_mb']:.0f} | "
            f"{row['k']}, {row['ari']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SIZES)
