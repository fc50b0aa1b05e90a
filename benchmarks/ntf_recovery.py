"""What `ntf` finds of what was planted: components, blocks (graph-tool beside it), weak motifs.

    python benchmarks/ntf_recovery.py [PART ...] [--graph-tool PYTHON] [--out table.md]

PART is `components` (how many are chosen), `blocks` (block model; Louvain and Leiden on benchmark
graphs), `zero` (absent neurons masked or filled with zeros), `chance` (pairs that the affinity
`excess` calls where nothing interacts), `recurs` (whether a motif recurs: false positives and
power), `bursts` (explained energy above surrogates, by null and affinity) or `graphtool` (blocks
and benchmark graphs by graph-tool); without one all run. graph-tool is not on PyPI: install the
Debian package python3-graph-tool, or the environment envs/graphtool.yaml, and name its Python; this
script runs itself there. Tables on standard output,
one thread; the same seeds give the same figures. With `--out` the parts that were run replace those
of the page, each under its own date.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from page import circumstances, table

# the Python that has graph-tool may have little else: all of neuro is imported where it is used
ROOT = Path(__file__).resolve().parents[1]
PARTS = ("components", "blocks", "zero", "chance", "recurs", "bursts", "graphtool")
NO_GRAPH_TOOL = (
    "Left out: `--graph-tool PYTHON` names a Python with graph-tool (Debian package "
    "python3-graph-tool, or envs/graphtool.yaml)."
)
SEEDS = (0, 1, 2, 3)
CHOICE_SEEDS = {"differential": range(7), "excess": range(7, 14)}
"""The rule of the choice was made on seeds 0 to 6 of `excess`."""
AFFINITIES = {
    "differential": {},
    "excess": {"kind": "excess", "sign": "signed", "window_s": 10.0, "bin_s": 5.0},
}
GRAPH_SEEDS = (0, 1, 2, 3, 4)
CASE_SEEDS = range(16)
RECUR_SEEDS = range(3000, 3040)
BURST_SEEDS, N_SURROGATES = range(20, 32), 9
PLANTED = {
    "3 groups, .2": {"n_cliques": 3, "amplitude": 0.2},
    "3 groups, .4": {"n_cliques": 3, "amplitude": 0.4},
    "1 group, .8": {"n_cliques": 1, "amplitude": 0.8},
    "3 groups, .8, and bursts": {"n_cliques": 3, "amplitude": 0.8},
}
"""Groups of eight among 30 neurons; the size of their events as in `pair_case`."""
EXPLAINED = {
    "excess": {"kind": "excess", "sign": "signed", "window_s": 20.0, "bin_s": 10.0},
    "differential": {"kind": "differential", "snr_min": 0},
}
STIMULI, ANIMALS, NEURONS = (2, 3, 4), 8, 36
HEAVIER = (3.0, 8.0)
"""Weights inside planted blocks, in parts of those between them."""
FAMILIES = {"exponential": "exponential", "lognormal": "log-normal"}
TENSOR, RANK, NOISE = (240, 20, 1770), 6, 0.1
ABSENT = ((0.3, 3), (0.5, 5))
"""Share of absent neurons and starts of the factorisation."""
GRAPHS = {"net2": 8, "net3": 8, "net8": 10, "net9": 8}
"""Seeds per net; net 5 has the settings of net 3."""
SEARCHES, SAME_NATS = 10, 0.01
"""graph-tool searches as often as our block model starts."""


def listed(values, form="{}"):
    """Values of the seeds in one cell."""
    return ", ".join(form.format(value) for value in values)


def planted_stimuli(n, seed, affinity="differential"):
    """Tensor of recordings in which each of `n` stimuli has a motif of its own."""
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.simulate.motifs import planted_epochs

    planted = planted_epochs(
        *(ANIMALS, NEURONS, n),
        epoch_s=30,
        rest_s=15,
        missing=0.1,
        counterbalanced=True,
        random_state=seed,
    )
    return build_tensor(planted.recordings, planted.events, "stimulus", **AFFINITIES[affinity])


def components():
    """Chosen number of components: by left-out animals, and by held-out fibres alone."""
    from neuro.ntf.factors.rank import _robust, select_rank
    from neuro.simulate.motifs import planted_tensor

    def choose(values, ranks, seed):
        sweep = select_rank(values, ranks, n_starts=4, random_state=seed)
        none = np.full(len(sweep.table["rank"]), np.nan)
        fibres, _ = _robust(sweep.table | {"animal_error": none, "animal_se": none})
        return sweep, fibres

    rows, totals = [], []
    for affinity, own in CHOICE_SEEDS.items():
        hits = np.zeros(2, int)
        for n in STIMULI:
            chosen = []
            for seed in own:
                sweep, fibres = choose(planted_stimuli(n, seed, affinity), range(2, 7), seed)
                chosen.append((sweep.rank, fibres))
            hits += (np.array(chosen) == n).sum(axis=0)
            columns = (listed(x) for x in zip(*chosen))
            rows.append([f"{affinity}, {n} stimuli", f"{own[0]} to {own[-1]}", *columns, ""])
        totals.append(
            f"`{affinity}`: left-out animals {hits[0]}, fibres alone {hits[1]} of "
            f"{len(STIMULI) * len(own)}"
        )
    for weakest in (1.0, 0.3):
        shape, chosen, background = (60, 8, 200), [], []
        for seed in SEEDS:
            values, _ = planted_tensor(shape, RANK, 0.3, weakest=weakest, random_state=seed)
            sweep, fibres = choose(values, range(4, 9), seed)
            chosen.append((sweep.rank, fibres))
            here = list(sweep.table["rank"]).index(sweep.rank)
            background.append(sweep.table["n_background"][here])
        what = f"tensor {' x '.join(map(str, shape))}, {RANK} components, weakest {weakest:g}"
        columns = (listed(x) for x in zip(*chosen))
        rows.append([what, f"{SEEDS[0]} to {SEEDS[-1]}", *columns, listed(background)])
    head = ["planted", "seeds", "left-out animals", "fibres alone", "flagged as background"]
    return [
        f"Recordings of {ANIMALS} animals and {NEURONS} neurons, 10 % of the neurons absent, "
        "counterbalanced, ranks 2 to 6 (`differential` in bins of 1 s; `excess` with both signs in "
        "windows of 10 s, the default for stimuli of 30 s); tensors: half-normal noise 0.3, ranks "
        "4 to 8. Chosen numbers, seed by seed.",
        "",
        *table(head, rows),
        f"Planted number of stimuli chosen: {'; '.join(totals)}.",
    ]


def planted_graph(n, heavier, seed, family="exponential", sparse=False):
    """Three blocks with heavier weights inside; in sparse graphs also with more edges."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    same = labels[:, None] == labels
    mean = np.where(same, heavier, 1.0)
    draw = rng.exponential(mean) if family == "exponential" else rng.lognormal(np.log(mean), 1)
    if sparse:
        draw = draw * (rng.random((n, n)) < np.where(same, 0.8, 0.4))
    weights = np.triu(draw, 1)
    return weights + weights.T, labels


def benchmark_graphs(net):
    """Graphs of a net; those of one community are skipped, as in the publication's table."""
    from neuro.simulate.lfr import NETS, lfr_graph

    made = (lfr_graph(random_state=seed, **NETS[net]) for seed in range(GRAPHS[net]))
    return [(weights, labels) for weights, labels in made if labels.max() > 0]


def blocks():
    """Our block model on planted weights; modularity searches on benchmark graphs."""
    from neuro.ntf.communities.backends import require
    from neuro.ntf.communities.detect import communities
    from neuro.ntf.communities.sbm import BlockData, fit_sbm
    from neuro.stats.agreement import ami, nmi

    rows = []
    for heavier in HEAVIER:
        for family, name in FAMILIES.items():
            for model, model_name in FAMILIES.items():
                found, shorter = 0, []
                for seed in GRAPH_SEEDS:
                    weights, labels = planted_graph(45, heavier, seed, family)
                    fit = fit_sbm(weights, model, random_state=seed)
                    found += ami(labels, fit.labels) > 1 - 1e-9
                    shorter.append(BlockData(weights, model).length(labels) - fit.dl)
                found = f"{found} of {len(GRAPH_SEEDS)}"
                rows.append([f"x{heavier:g}", name, model_name, found, listed(shorter, "{:.1f}")])
    head = ["inside", "weights", "model", "planted blocks found", "nats below the planted blocks"]
    lines = [
        f"Three blocks of 15 neurons, complete graphs, seeds {listed(GRAPH_SEEDS)}.",
        "",
        *table(head, rows),
    ]
    rows = []
    for net in GRAPHS:
        graphs = benchmark_graphs(net)
        cells = []
        for backend in ("networkx", "igraph"):
            try:
                require(backend)
            except ValueError:
                cells.append("not installed")
                continue
            scores = [
                nmi(labels, communities(weights, backend, n_seeds=10).labels)
                for weights, labels in graphs
            ]
            cells.append(f"{np.mean(scores):.3f}")
        rows.append([net, len(graphs), *cells])
    return [
        *lines,
        "LFR graphs of 125 nodes, mean NMI with the planted communities.",
        "",
        *table(["net", "graphs", "Louvain", "Leiden"], rows),
    ]


def absent(n_animals, n_neurons, share, seed):
    """Pairs that are observed where every animal lacks a share of its neurons."""
    rng = np.random.default_rng(seed)
    there = np.ones((n_animals, n_neurons), bool)
    for row in there:
        row[rng.permutation(n_neurons)[: round(share * n_neurons)]] = False
    left, right = np.triu_indices(n_neurons, 1)
    return there[:, left] & there[:, right]


def zero():
    """Similarity to the planted factors, absent neurons masked and filled with zeros."""
    from neuro.ntf.factors import compare
    from neuro.ntf.factors.models import NonNegativeCP
    from neuro.simulate.motifs import planted_tensor

    rows = []
    for name, weakest in (("1 to 0.3", 0.3), ("equal", 1.0)):
        for share, n_starts in ABSENT:
            cells = []
            for seed in SEEDS:
                values, truth = planted_tensor(
                    TENSOR, RANK, NOISE, weakest=weakest, random_state=seed
                )
                mask = absent(TENSOR[1], 60, share, seed)
                pair = []
                for data, known in ((values, mask), (values * mask, None)):
                    model = NonNegativeCP(RANK, n_starts=n_starts, random_state=seed)
                    model.fit(data, mask=known)
                    found = (model.time_, model.animals_, model.pairs_)
                    pair.append(compare.similarity(found, truth))
                cells.append(pair)
            rows.append(
                [
                    name,
                    f"{100 * share:.0f} %",
                    n_starts,
                    *(listed(x, "{:.3f}") for x in zip(*cells)),
                ]
            )
    return [
        f"Tensors {' x '.join(map(str, TENSOR))} (60 neurons), {RANK} motifs, half-normal noise "
        f"{NOISE:g}; similarity to the planted factors, seeds {listed(SEEDS)}.",
        "",
        *table(["strengths", "neurons absent", "starts", "masked", "filled with zeros"], rows),
    ]


def chance():
    """Share of pairs that are called at 5 % where nothing interacts."""
    from neuro.ntf.affinity.excess import excess
    from neuro.simulate.pair_cases import EMPTY, FS, pair_case

    centres = np.arange(40.0, 761.0, 80.0)
    rows = []
    for common in (True, False):
        shares = []
        for kind in EMPTY:
            own = []
            for seed in CASE_SEEDS:
                x = pair_case(kind, rng=np.random.default_rng(seed))
                z = excess(x, FS, centres=centres, common=common)
                own.append((np.abs(z.mean(axis=0) * np.sqrt(len(z))) > 1.96).mean())
            shares.append(f"{np.mean(own):.3f}")
        rows.append(["yes" if common else "no", *shares])
    lines = ["20 neurons, 800 frames, windows of 20 s side by side, 16 recordings a kind:", ""]
    return lines + table(["mean over pairs taken off", *EMPTY], rows)


def recurs():
    """False positives and power of the test whether a motif recurs."""
    from neuro.ntf.communities.recur import pair_values, recurrence
    from neuro.ntf.factors.models import ConcatenatedNMF
    from neuro.simulate.pair_cases import EMPTY, FS, pair_case

    def found(kind, rank, n_neurons, n_frames, seeds, **given):
        values = []
        for seed in seeds:
            x = pair_case(kind, n_neurons, n_frames, rng=np.random.default_rng(seed), **given)
            model = ConcatenatedNMF(rank, n_starts=3, random_state=0)
            motifs = model.fit(pair_values(x, FS)[:, None]).pairs_
            values.append(recurrence([x], FS, motifs, random_state=seed).p)
        return np.concatenate(values)

    rows = []
    for kind in EMPTY:
        p = found(kind, 2, 20, 800, RECUR_SEEDS)
        rows.append([kind, "2", f"{(p <= 0.05).mean():.3f}", str(len(p))])
    for amplitude in (0.1, 0.2, 0.4):
        p = found("cliques", 3, 30, 1000, RECUR_SEEDS[:20], amplitude=amplitude)
        rows.append([f"3 cliques, {amplitude:g}", "3", f"{(p <= 0.05).mean():.3f}", str(len(p))])
    return table(["traces", "components", "p <= .05", "n"], rows)


def planted_or_empty(kind, seed):
    """Traces of a kind, with the number of components that is fitted."""
    from neuro.simulate.pair_cases import EMPTY, pair_case

    rng = np.random.default_rng(seed)
    if kind in EMPTY:
        return pair_case(kind, 24, 800, rng=rng), 2
    given = PLANTED[kind]
    common = pair_case("burst", 30, 1000, rng=rng) if "bursts" in kind else 0
    traces = common + pair_case("cliques", 30, 1000, rng=rng, **given)
    return traces, max(2, given["n_cliques"])


def bursts():
    """Recordings whose explained energy is above that of all surrogates, by null and affinity."""
    from neuro.io.recordings.reader import Recording
    from neuro.ntf.affinity.tensor import build_tensor
    from neuro.ntf.communities.surrogates import NULLS, surrogate
    from neuro.ntf.factors.models import ConcatenatedNMF
    from neuro.simulate.pair_cases import EMPTY, FS

    def explained(item, rank, options):
        model = ConcatenatedNMF(rank, n_starts=2, max_iter=100, random_state=0)
        return model.fit(build_tensor([item], **options)).explained_

    kinds = (*EMPTY, *PLANTED)
    rows = []
    for name, options in EXPLAINED.items():
        above = np.zeros((len(NULLS), len(kinds)), int)
        for column, kind in enumerate(kinds):
            for seed in BURST_SEEDS:
                traces, rank = planted_or_empty(kind, seed)
                item = Recording("w", traces.astype(np.float32), FS)
                own = explained(item, rank, options)
                for row, null in enumerate(NULLS):
                    rng = np.random.default_rng([seed, 1])
                    others = (
                        explained(surrogate(item, rng, null), rank, options)
                        for _ in range(N_SURROGATES)
                    )
                    above[row, column] += own > max(others)
        rows += [[name, null, *map(str, counts)] for null, counts in zip(NULLS, above)]
    return [
        f"Of {len(BURST_SEEDS)} recordings those that explain more than all of {N_SURROGATES} "
        f"surrogates; chance gives {len(BURST_SEEDS) / (N_SURROGATES + 1):g}. Nothing in common: "
        "24 neurons, 800 frames, two components; groups of eight among 30 neurons, 1,000 frames, a "
        "component each, two at least.",
        "",
        *table(["affinity", "null", *kinds], rows),
    ]


def graphtool(python):
    """Description lengths and benchmark graphs by graph-tool, in its own Python."""
    if python is None:
        return [NO_GRAPH_TOOL]
    from neuro.ntf.communities.sbm import fit_sbm
    from neuro.stats.agreement import ami

    kinds = [(heavier, sparse) for heavier in HEAVIER for sparse in (False, True)]
    made = [planted_graph(60, *kind[:1], s, sparse=kind[1]) for kind in kinds for s in GRAPH_SEEDS]
    ours = [
        fit_sbm(weights, random_state=seed).labels
        for (weights, _), seed in zip(made, GRAPH_SEEDS * len(kinds))
    ]
    nets = {net: benchmark_graphs(net) for net in GRAPHS}
    graphs = [graph for graphs in nets.values() for graph in graphs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graphs.npz"
        np.savez(
            path,
            planted=[weights for weights, _ in made],
            ours=ours,
            graphs=[weights for weights, _ in graphs],
            truth=[labels for _, labels in graphs],
        )
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        # it warns that it cannot draw
        command = [python, "-W", "ignore", __file__, "--in-graph-tool", str(path)]
        subprocess.run(command, env=env, check=True)
        with np.load(path) as answer:
            found = dict(answer)
    rows, places = [], np.arange(len(made)).reshape(len(kinds), -1)
    longer = np.round(found["own"] - found["ours"], 2) + 0.0
    for (heavier, sparse), here in zip(kinds, places):
        cells = [listed(found["own"][here], "{:.1f}"), listed(longer[here], "{:.2f}")]
        for side in (found["labels"], ours):
            cells.append(listed((ami(made[k][1], side[k]) for k in here), "{:.2f}"))
        rows.append([f"x{heavier:g}", "sparse" if sparse else "complete", *cells])
    same = np.abs(longer) < SAME_NATS
    head = [
        "inside",
        "graph",
        "its own search, nats",
        "nats above ours",
        "AMI graph-tool",
        "AMI neuro",
    ]
    lines = [
        f"graph-tool {found['version']}. Three blocks of 20 neurons, exponential weights, seeds "
        f"{listed(GRAPH_SEEDS)}: description length, measured by graph-tool, of what its own "
        f"search finds (best of {SEARCHES}) and of our partition (best of as many starts).",
        "",
        *table(head, rows),
        f"Of {len(made)} graphs ours is as long in {same.sum()}, shorter in "
        f"{(~same & (longer > 0)).sum()} and longer in {(~same & (longer < 0)).sum()}.",
        "",
    ]
    rows, first = [], 0
    for net, graphs in nets.items():
        scores = found["scores"][first : first + len(graphs)]
        first += len(graphs)
        rows.append([net, len(graphs), *(f"{score:.3f}" for score in scores.mean(axis=0))])
    head = ["net", "graphs", "edges doubled, best level", "doubled, finest", "single, finest"]
    return [
        *lines,
        "Nested block model by graph-tool on LFR graphs of 125 nodes, mean NMI with the planted "
        "communities.",
        "",
        *table(head, rows),
    ]


def in_graph_tool(path):
    """Run by the Python that has graph-tool: read graphs, write what it finds in their place."""
    import graph_tool.all as gt

    from neuro.ntf.communities.backends import graph_tool_blocks
    from neuro.stats.agreement import nmi

    with np.load(path) as given:
        planted, ours, graphs, truth = (given[x] for x in ("planted", "ours", "graphs", "truth"))
    lengths, labels = [], []
    for weights, partition in zip(planted, ours):
        left, right = np.nonzero(np.triu(weights, 1))
        graph = gt.Graph(directed=False)
        graph.add_vertex(len(weights))
        graph.add_edge_list(np.column_stack([left, right]))
        record = graph.new_edge_property("double")
        record.a = weights[left, right]
        options = {"deg_corr": False, "recs": [record], "rec_types": ["real-exponential"]}
        gt.seed_rng(1)
        np.random.seed(1)
        trials = [gt.minimize_blockmodel_dl(graph, state_args=options) for _ in range(SEARCHES)]
        best = min(trials, key=lambda state: state.entropy())
        place = graph.new_vertex_property("int")
        place.a = partition
        lengths.append((best.entropy(), gt.BlockState(graph, b=place, **options).entropy()))
        labels.append(np.unique(best.b.a, return_inverse=True)[1])
    scores = []
    for number, (weights, communities) in enumerate(zip(graphs, truth)):
        doubled, _, _ = graph_tool_blocks(weights, seed=number, doubled=True)
        single, _, _ = graph_tool_blocks(weights, seed=number)
        best = max(nmi(communities, level) for level in doubled)
        scores.append((best, nmi(communities, doubled[0]), nmi(communities, single[0])))
    own, partitions = np.array(lengths).T
    answer = {"own": own, "ours": partitions, "labels": labels, "scores": scores}
    np.savez(path, version=gt.__version__.split()[0], **answer)


def cpu_seconds():
    """CPU time of this process and of those that it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def section(part, content, seconds):
    """A part's table under when, where and with what it was measured."""
    word = " --graph-tool PYTHON" if part == "graphtool" else ""
    packages = ("numpy", "scipy", "numba", "networkx", "igraph")
    command = f"python benchmarks/ntf_recovery.py {part}{word}"
    where = circumstances(command, packages, f"One thread, {seconds:.0f} CPU s")
    return "\n".join([f"## {part}", "", *where, "", *content, ""])


def page(sections, path=None):
    """The page; parts that were not run stay as they are in `path`."""
    kept = {}
    if path is not None and path.is_file():
        for block in path.read_text("utf-8").split("\n## ")[1:]:
            kept[block.splitlines()[0]] = f"## {block.rstrip()}\n"
    kept |= sections
    title = "# Motifs of interaction: recovery of what was planted"
    return "\n".join([title, "", *(kept[part] for part in PARTS if part in kept)])


def main():
    """Run the parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--graph-tool", metavar="PYTHON")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--in-graph-tool", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_graph_tool:
        in_graph_tool(arguments.in_graph_tool)
        return
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such part; expected {', '.join(PARTS)}")
    from threadpoolctl import threadpool_limits

    runs = {
        "components": components,
        "blocks": blocks,
        "zero": zero,
        "chance": chance,
        "recurs": recurs,
        "bursts": bursts,
        "graphtool": lambda: graphtool(arguments.graph_tool),
    }
    sections = {}
    with threadpool_limits(1):
        for part in arguments.parts or PARTS:
            begin = cpu_seconds()
            content = runs[part]()
            while content and not content[-1]:
                content.pop()
            sections[part] = section(part, content, cpu_seconds() - begin)
            print(sections[part], flush=True)
    if arguments.out:
        arguments.out.write_text(page(sections, arguments.out), "utf-8")


if __name__ == "__main__":
    main()
