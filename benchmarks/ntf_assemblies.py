"""Published assemblies of a zebrafish: motifs of several affinities beside simple methods.

    python benchmarks/ntf_assemblies.py FOLDER [--out benchmarks/results/ntf_assemblies.md]

FOLDER holds the recording as `configs/zebrafish.yaml` names it (`recordings/data/...`). Every
published assembly is matched with a network of its own (Hungarian method); the figure is the mean
area under the ROC curve of its pairs against all others. One thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from page import heading, table

NAME = "zf_20151104-f1"
FS, STARTS = 2.0, 4
NETWORKS = (5, 6, 8, 10)
WINDOWS = {"kind": "excess", "window_s": 20.0, "bin_s": 10.0}
MOTIFS = {
    "default": {"sign": "signed"},
    "`signal: level`": {"sign": "signed", "signal": "level"},
    "level, `sign: positive`": {"sign": "positive", "signal": "level"},
    "the same, `common: false`": {"sign": "positive", "signal": "level", "common": False},
}


def scores(item, groups):
    """Mean AUROC by method, one value for each number of networks."""
    from neuro.ntf.affinity.excess import excess
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.ntf.beside import references
    from neuro.ntf.communities import baselines
    from neuro.ntf.communities.detect import motifs
    from neuro.ntf.factors.models import ConcatenatedNMF

    n = item.traces.shape[1]
    inside = references("recordings", SimpleNamespace(names=range(n)), groups)
    tensors = {name: build_tensor([item], **WINDOWS, **given) for name, given in MOTIFS.items()}
    # windows of the recipe begin with the first frame, not half a window before it
    z = excess(item.traces, FS, signal="level", common=False)
    tensors["the same, windows from the first frame"] = np.maximum(z, 0)[:, None]
    found: dict = {name: [] for name in tensors}
    for rank in NETWORKS:
        for name, tensor in tensors.items():
            model = ConcatenatedNMF(rank, n_starts=STARTS, random_state=0).fit(tensor)
            found[name].append(baselines.one_to_one(motifs(model), inside).mean())
        for name, matrices in baselines.networks([item.traces], FS, rank).items():
            found.setdefault(name, []).append(baselines.one_to_one(matrices, inside).mean())
    return found


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ntf_assemblies.md"))
    options = parser.parse_args()
    from threadpoolctl import threadpool_limits

    from neuro.io.recordings.reader import read_assemblies, read_recording

    place = options.folder / "data" / NAME
    item = read_recording(place / f"{NAME}_activity_matrix.csv", fs=FS, time_axis=1)
    groups = read_assemblies(place / f"{NAME}_assembly_assignments.csv")
    begin = time.process_time()
    with threadpool_limits(1):
        found = scores(item, groups)
    seconds = time.process_time() - begin
    rows = [[name, *(f"{value:.3f}" for value in values)] for name, values in found.items()]
    lines = [
        *heading(
            "Published assemblies of a zebrafish, one network each",
            "python benchmarks/ntf_assemblies.py recordings",
            ("numpy", "scipy", "scikit-learn"),
        ),
        f"One thread, {seconds:.0f} CPU s. {item.traces.shape[1]} cells, {len(item.traces):,} "
        f"frames, {len(groups)} assemblies; mean AUROC of their pairs. States have one network "
        "more.",
        "",
        *table(["networks", *map(str, NETWORKS)], rows),
    ]
    options.out.write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
