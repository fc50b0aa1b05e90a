"""Communities and explained energy beside each null: how often nothing is called, what is seen.

    python benchmarks/ntf_nulls.py [--store FILE] [--minutes N] [--out table.md]

A recording is analysed with its surrogates of either kind, with no fewer than 20 surrogate motifs.
A motif is called at p <= .05, which needs a statistic above those of all surrogate motifs;
explained energy where it is above that of all surrogates. Kinds are gone through seed by seed, so
that `--minutes` leaves as many of each as there was time for; `--store` keeps the statistics, and
a later run goes on from there. One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from page import heading, table

LEAST = 20
"""Surrogate motifs at least: p of 1 in 21."""
FRAMES = 800
EXCESS = {"kind": "excess", "sign": "signed", "window_s": 20.0, "bin_s": 10.0}
SHORT = {"kind": "excess", "sign": "signed", "window_s": 10.0, "bin_s": 5.0}
EVERY = {
    "burst, 24 neurons": 1,
    "red, 24 neurons": 1,
    "stimuli, 30 neurons": 10,
    "stimuli, 30 neurons, differential": 5,
    "groups, 30 neurons": 10,
    "stimuli, 12 neurons": 5,
    "burst, 12 neurons": 5,
    "groups, 60 neurons": 10,
    "burst, 60 neurons": 20,
}
"""Of 20 rounds each kind is made in every so many; what nothing interacts in needs most."""
REAL = (("worms", 0, 3), ("worms", 1, 2), ("worms", 2, 3), ("zebrafish", 0, 5))
"""Ready settings, recording, components as they were chosen."""
N_REAL, ROOT = 9, Path(__file__).resolve().parents[1]
ROUNDS, FIRST_SEED = 20, 100
TOYS, TOY_SEEDS = (12, 18, 24, 36), (0, 1, 2)
WITHOUT_BLOCKS = ("12 neurons", "60 neurons")


def analysis(kind, seed):
    """Recordings of a kind, how a tensor is made of them, a fresh model, its components."""
    from neuro.io.recordings.reader import Recording
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
    from neuro.simulate.motifs import planted_epochs
    from neuro.simulate.pair_cases import FS, pair_case

    name, neurons, *affinity = kind.split(", ")
    n = int(neurons.split()[0])
    if name == "stimuli":
        planted = planted_epochs(6, n, 3, epoch_s=20, rest_s=10, random_state=seed)
        options = {"kind": "differential"} if affinity else SHORT

        def stimulus(items):
            return build_tensor(items, planted.events, "stimulus", **options)

        return planted.recordings, stimulus, lambda: NonNegativeCP(3, n_starts=2, random_state=0), 3
    rng, rank = np.random.default_rng([seed, 7]), 2
    if name == "groups":
        rank = 3
        traces = pair_case("cliques", n, 1000, n_cliques=3, amplitude=0.4, rng=rng)
    else:
        traces = pair_case(name, n, FRAMES, rng=rng)
    items = [Recording("w", traces.astype(np.float32), FS)]

    def model():
        return ConcatenatedNMF(rank, n_starts=1, max_iter=100, random_state=0)

    return items, lambda items: build_tensor(items, **EXCESS), model, rank


def statistics(kind, seed):
    """Explained energy and statistics of the motifs, own and of surrogates, by null."""
    from neuro.ntf.communities.detect import motifs, statistic
    from neuro.ntf.communities.nulls import null_motifs
    from neuro.ntf.communities.surrogates import NULLS

    searches = ["networkx", "sbm"]
    if any(word in kind for word in WITHOUT_BLOCKS):
        searches = searches[:1]

    def values(many):
        return {
            search: [statistic(motif, search, random_state=k) for k, motif in enumerate(many)]
            for search in searches
        }

    items, build, model, rank = analysis(kind, seed)
    fitted = model().fit(build(items))
    row = {"own": values(motifs(fitted)) | {"explained": [fitted.explained_]}}
    for null in NULLS:
        seeds = range(-(-LEAST // rank))
        got = null_motifs(items, build, lambda tensor: model().fit(tensor), seeds, null=null)
        row[null] = values(got.motifs) | {"explained": got.explained.tolist()}
    return row


def measured(store, minutes):
    """All rows that are there, those of this call included."""
    end = time.time() + 60 * minutes
    rows = [json.loads(line) for line in store.read_text().splitlines()] if store.is_file() else []
    done = {(row["kind"], row["seed"]) for row in rows}
    for k in range(ROUNDS):
        for kind, every in EVERY.items():
            seed = FIRST_SEED + k
            if k % every or (kind, seed) in done or time.time() > end:
                continue
            begin = time.process_time()
            row = {"kind": kind, "seed": seed, **statistics(kind, seed)}
            rows.append(row | {"cpu_s": time.process_time() - begin})
            with store.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    for n_neurons in TOYS:
        for seed in TOY_SEEDS:
            if (f"toy, {n_neurons} neurons", seed) in done or time.time() > end:
                continue
            rows.append(left_out(n_neurons, seed))
            with store.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    return rows


def left_out(n_neurons, seed):
    """Share of neurons that are background in a planted motif, and explained energy, by null.

    Toys of 3 animals and 2 stimuli: members of the planted groups first, then the other neurons.
    """
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.ntf.communities.detect import active_scale, motifs, strength
    from neuro.ntf.communities.nulls import null_motifs
    from neuro.ntf.communities.surrogates import NULLS
    from neuro.ntf.factors.models import NonNegativeCP
    from neuro.simulate.motifs import planted_epochs

    planted = planted_epochs(3, n_neurons, 2, epoch_s=20, rest_s=10, random_state=seed)

    def build(items):
        return build_tensor(items, planted.events, "stimulus", **SHORT)

    def fit(tensor):
        return NonNegativeCP(2, n_starts=2, max_iter=100, random_state=0).fit(tensor)

    tensor = build(planted.recordings)
    model = fit(tensor)
    scale = active_scale(model.time_, model.animals_, model.lambda_)
    own = np.array([strength(m * s) for m, s in zip(motifs(model), scale)])
    order = [int(name[1:]) - 1 for name in tensor.names]
    member = planted.communities[:, order] >= 0
    # the stimulus of a motif: the one whose members are the stronger half
    best = [int(np.argmax([row[m].mean() - row[~m].mean() for m in member])) for row in own]
    out = {"kind": f"toy, {n_neurons} neurons", "seed": seed, "explained": model.explained_}
    for null in NULLS:
        got = null_motifs(planted.recordings, build, fit, range(5), null=null)
        weak = own < got.strength_limit()
        inside = np.array([weak[r][member[b]].mean() for r, b in enumerate(best)])
        outside = np.array([weak[r][~member[b]].mean() for r, b in enumerate(best)])
        out[null] = [*map(float, (inside.mean(), outside.mean(), got.explained.max()))]
    return out


def real(folder, name, k, rank, null="rate"):
    """A ready recording beside the default null: explained energy and Louvain's statistic."""
    import yaml

    from neuro.config import resolve
    from neuro.ntf import stage
    from neuro.ntf.communities.detect import motifs, statistic
    from neuro.ntf.communities.nulls import null_motifs

    begin = time.process_time()
    mapping = yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text("utf-8"))
    given = mapping["ntf"]["recordings"]
    for key in ("files", "assemblies"):
        if key in given:
            paths = [given[key]] if isinstance(given[key], str) else given[key]
            moved = [str(folder / Path(path).relative_to("recordings")) for path in paths]
            given[key] = moved if key == "files" else moved[0]
    problems = resolve(mapping)
    if problems:
        raise SystemExit("\n".join(problems))
    settings = mapping["ntf"] | {"n_starts": 2}
    path = sorted(Path("/").glob(given["files"][0].lstrip("/")))[k]
    items = stage.load("recordings", [path], mapping["ntf"]["recordings"])

    def build(some):
        return stage.make_tensor("recordings", some, settings)

    def fit(tensor):
        return stage.make_model(tensor, rank, settings, 0).fit(tensor)

    model = fit(build(items))
    got = null_motifs(items, build, fit, range(N_REAL), null=null)
    own, others = (
        [statistic(motif, random_state=j) for j, motif in enumerate(many)]
        for many in (motifs(model), got.motifs)
    )
    row = {"own": {"networkx": own, "explained": [model.explained_]}}
    row[null] = {"networkx": others, "explained": got.explained.tolist()}
    row["cpu_s"] = time.process_time() - begin
    return {"kind": f"real, {name} {k + 1}", "seed": 0, **row}


def called(row, null, search):
    """Which motifs of a recording are called beside a null."""
    own, others = np.array(row["own"][search]), np.array(row[null][search])
    return (1 + (others >= own[:, None]).sum(axis=1)) / (1 + len(others)) <= 0.05


def lines(rows):
    """A line per kind: shares of motifs, recordings in which all are called, explained energy."""
    out = []
    for kind in EVERY:
        here = [row for row in rows if row["kind"] == kind]
        if not here:
            continue
        cells = [kind, str(len(here))]
        for null in ("rate", "shift"):
            for search in ("networkx", "sbm"):
                if search not in here[0]["own"]:
                    cells.append("-")
                    continue
                marks = [called(row, null, search) for row in here]
                total = np.concatenate(marks)
                every = sum(bool(mark.all()) for mark in marks)
                cells.append(f"{total.mean():.2f} of {len(total)}; all in {every}")
            above = sum(row["own"]["explained"][0] > max(row[null]["explained"]) for row in here)
            cells.append(str(above))
        out.append(cells)
    return out


def toy_lines(rows):
    """A line per toy size: how many neurons of either side are background."""
    out = []
    for n_neurons in TOYS:
        here = [row for row in rows if row["kind"] == f"toy, {n_neurons} neurons"]
        if here:
            cells = [str(n_neurons), ", ".join(f"{row['explained']:.2f}" for row in here)]
            for null in ("rate", "shift"):
                for column in range(3):
                    cells.append(", ".join(f"{row[null][column]:.2f}" for row in here))
            out.append(cells)
    return out


def real_lines(rows):
    """A line per recording: own and surrogates' explained energy, motifs with communities."""
    out = []
    for row in rows:
        if row["kind"].startswith("real, "):
            others = row["rate"]["explained"]
            marks = called(row, "rate", "networkx")
            out.append(
                [
                    row["kind"].removeprefix("real, "),
                    f"{row['own']['explained'][0]:.3f}",
                    f"{np.mean(others):.3f} ({min(others):.3f} to {max(others):.3f})",
                    f"{marks.sum()} of {len(marks)}",
                ]
            )
    return out


def main():
    """Measure, print the table and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("ntf_nulls.jsonl"))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--recordings", type=Path, help="folder of the extracted archives")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.recordings:
        for name, k, rank in REAL:
            with options.store.open("a") as file:
                file.write(json.dumps(real(options.recordings.resolve(), name, k, rank)) + "\n")
    rows = measured(options.store, options.minutes)
    head = ["recordings", "n"]
    for null in ("rate", "shift"):
        head += [f"`{null}`: Louvain", "block model", "energy above all"]
    toy_head = ["neurons", "energy"]
    for null in ("rate", "shift"):
        toy_head += [f"`{null}`: members", "others", "energy"]
    page = [
        *heading(
            "Communities of motifs beside each null",
            "python benchmarks/ntf_nulls.py",
            ("numpy", "scipy", "numba", "networkx"),
            f"One thread, {sum(row.get('cpu_s', 0) for row in rows):.0f} CPU s without the toys; "
            f"of {ROUNDS} rounds as many as there was time for (`--minutes`, `--store`)",
        ),
        "Share of motifs with p at most .05 (1 in 21 at least), and recordings in which all motifs "
        "have it; recordings whose explained energy is above that of all surrogates. `red` and "
        "`burst`: nothing interacts, two components (chance: .05 of motifs, one recording in 11). "
        "`stimuli`: 6 animals, three stimuli, a motif of communities each; `groups`: three groups "
        "of eight, events of .4.",
        "",
        *table(head, lines(rows)),
        "Toys of 3 animals and 2 stimuli, 75 % of the neurons in the three groups of a motif: mean "
        "share of its members, and of the other neurons, that are called background (weaker than "
        "95 % of the neurons of 5 surrogates' motifs), and explained energy, own and largest of "
        "the surrogates; one figure per seed.",
        "",
        *table(toy_head, toy_lines(rows)),
    ]
    if real_lines(rows):
        real_head = ["recording", "explained energy", f"{N_REAL} surrogates `rate`", "communities"]
        page += [
            "Ready settings with two starts and the numbers of components that were chosen (mean "
            "and range of the surrogates; motifs with a modularity of p at most .05).",
            "",
            *table(real_head, real_lines(rows)),
        ]
    while not page[-1]:
        page.pop()
    print("\n".join(page))
    if options.out:
        options.out.write_text("\n".join(page) + "\n", "utf-8")


if __name__ == "__main__":
    main()
