"""Pages of the stage `ntf`: motifs, when and in whom they are active, their communities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from neuro.report.figures import ntf as ntf_figures
from neuro.report.figures import ntf_communities
from neuro.report.pages import sets
from neuro.report.site import model
from neuro.report.site.labels import Labels
from neuro.report.site.tables import read_table

TITLES = {"simulated": "planted recordings", "fmri": "region series", "recordings": "recordings"}
STATISTICS = {
    "networkx": "Modularity",
    "igraph": "Modularity",
    "sbm": "Nats gained over one block",
    "graph_tool": "Nats gained over one block",
}
MIN_SUPPORT = 0.1
"""As in the stage: motif entries with less support count as not observed."""


KNOWN = {
    "condition": (
        "What was planted: the component of each stimulus, the correlation of its time course "
        "with the epochs, and the adjusted mutual information of its communities with the planted "
        "ones (1: equal, 0: chance).",
        [
            model.Column("condition", "Stimulus"),
            model.Column("component", "Component", 0),
            model.Column("correlation", "Correlation", 2),
            model.Column("ami", "Agreement", 2),
        ],
    ),
    "assembly": (
        "Published assemblies: how well a motif, and plain correlation of the traces, tell pairs "
        "inside an assembly from all other pairs (area under the ROC curve, chance 0.5). Matched: "
        "every assembly has a component of its own.",
        [
            model.Column("assembly", "Assembly", 0),
            model.Column("n_neurons", "Neurons", 0),
            model.Column("component", "Matched component", 0),
            model.Column("auroc", "AUROC", 2),
            model.Column("best_component", "Best component", 0),
            model.Column("best_auroc", "AUROC", 2),
            model.Column("correlation_auroc", "Correlation", 2),
        ],
    ),
    "null_95": (
        "Left and right neurons of a class in one community: share of the pairs, and the mean and "
        "95 % quantile after permuting the communities over the neurons.",
        [
            model.Column("component", "Component", 0),
            model.Column("share", "Share", 2),
            model.Column("null_mean", "Permuted", 2),
            model.Column("null_95", "95 %", 2),
            model.Column("n_pairs", "Pairs", 0),
        ],
    ),
}
"""Tables of `known.tsv` by a column that only one of them has."""


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, one per set, as `neuro.report.site.page.SECTIONS` says."""
    return sets.sections(
        results / "ntf",
        "Motifs of interaction",
        TITLES,
        lambda folder, name: _set_blocks(folder, name, labels),
    )


def _set_blocks(folder: Path, name: str, labels: Labels) -> list:
    data = sets.arrays(folder / "factors.npz")
    components = read_table(folder / "components.tsv", backend=str)
    if data is None or components is None:
        return [model.Text("The factorisation of this set has no results.", "note")]
    facts = json.loads(str(data["text"]))
    animals = [labels.text(animal) for animal in data["animal_names"]]
    first = components[components["backend"] == components["backend"].iloc[0]]
    blocks: list = [_introduction(facts, data)]
    recurrence = read_table(folder / "recurrence.tsv", reason=str)
    if recurrence is not None:
        blocks.append(_recurs(recurrence))
    blocks.append(_verdict(first))
    if components["backend"].nunique() > 1 and components["p_adjusted"].notna().all():
        blocks.append(_agreement(components))
    sweep = read_table(folder / "rank_sweep.tsv")
    if sweep is not None and len(sweep) > 1:
        blocks.append(ntf_figures.rank_sweep(sweep, _rank(folder, data), name))
    blocks.append(ntf_figures.time_factors(data, animals, name))
    if len(animals) > 1:
        if len(animals) <= 24:
            blocks.append(ntf_figures.animal_bars(data, animals, name))
        if len(animals) > 12:
            blocks.append(ntf_figures.presence_map(data, animals, name))
    blocks += _community_blocks(folder, data, components, first, name)
    nulls = read_table(folder / "nulls.tsv", backend=str)
    if recurrence is not None and recurrence["p_value"].notna().any():
        blocks.append(_recurrence_table(recurrence))
    blocks.append(_table(components, len(animals), nulls))
    known = read_table(folder / "known.tsv", condition=str)
    if known is not None and len(known):
        blocks.append(_known(known))
    return blocks


def _known(table):
    """Results beside what is known from elsewhere."""
    for key, (caption, columns) in KNOWN.items():
        if key in table.columns:
            shown = [column for column in columns if column.key in table.columns]
            keys = [column.key for column in shown]
            return model.Table(caption, shown, table[keys].to_dict("records"))
    raise ValueError(f"known.tsv: unknown columns {', '.join(table.columns)}")


def _introduction(facts, data):
    concatenated = facts["model"] == "concatenated"
    one = len(data["animal_names"]) == 1
    text = (
        f"Affinity '{facts['kind']}' of {len(data['names'])} neurons or regions in "
        f"{len(data['animal_names'])} {'recording' if one else 'animals or subjects'}. "
    )
    if one:
        text += "With one recording the model is matrix factorisation; there are no loadings."
    elif concatenated:
        text += "They share no clock: the motifs are common, every animal has its own time courses."
    else:
        text += (
            f"They share a clock ({facts['time_alignment']}): time courses and motifs are common, "
            "every animal has a loading."
        )
    return model.Text(text)


def _verdict(first):
    backend = first["backend"].iloc[0]
    tested = first["p_adjusted"].notna().any()
    if not tested:
        return model.Text("No surrogates were run; communities stand without a null.", "warning")
    found = int(first["significant"].sum())
    return model.Text(
        f"{found} of {len(first)} components have more community structure ({backend}) than "
        f"surrogates; chance gives {model.number(0.05 * len(first), 2)}. A motif that is one group "
        "of neurons has none beyond the strengths of its members, so this says nothing about "
        "whether a motif is real.",
        "note",
    )


def _recurs(table):
    """What the test of held-out time says, or why there was none."""
    known = table["p_value"].dropna()
    if not len(known):
        reason = table["reason"].fillna("").iloc[0] or "no component had a counterpart"
        return model.Text(f"Whether the motifs recur was not tested: {reason}.", "note")
    found = int((known <= 0.05).sum())
    return model.Text(
        f"{found} of {len(known)} motifs recur in time they were not fitted on (p at most .05; "
        f"chance gives {model.number(0.05 * len(known), 2)}). In planted traces with nothing in "
        "common 5 % do. The test says recurs, not that a motif is a separate one, and a weak or "
        "rare motif can be missed.",
        "note",
    )


def _recurrence_table(table):
    rows = [
        {
            "component": str(int(row.component)),
            "z": row.z,
            "null": row.null_95,
            "p": model.p_value(row.p_value) if np.isfinite(row.p_value) else "",
            "adjusted": model.p_value(row.p_adjusted) if np.isfinite(row.p_adjusted) else "",
            "overlap": row.overlap,
            "strong": bool(row.p_value <= 0.05),
        }
        for row in table.itertuples()
    ]
    n = int(table["surrogates"].max())
    return model.Table(
        "Does a motif recur? Covariance of its pairs in the half of the time it was not fitted on, "
        f"in standard deviations of {n} surrogates in which every neuron was moved by up to 4 s, "
        "summed over halves and recordings; 95 %: quantile of the surrogates in the same unit. "
        "Overlap: largest cosine with another motif; pieces of one group recur each. Bold: p at "
        "most .05.",
        [
            model.Column("component", "Component"),
            model.Column("z", "Held-out covariance", 2),
            model.Column("null", "Surrogates, 95 %", 2),
            model.Column("p", "p"),
            model.Column("adjusted", "p, adjusted"),
            model.Column("overlap", "Overlap", 2),
        ],
        rows,
    )


def _agreement(components):
    """Where two searches say different things: which one counts, and what the other one saw."""
    names = list(dict.fromkeys(components["backend"]))
    decides, beside = names[:2]
    table = components.pivot(index="component", columns="backend", values="significant")
    first, second = table[decides].astype(bool), table[beside].astype(bool)
    alone, other = int((first & ~second).sum()), int((second & ~first).sum())
    if not alone and not other:
        return model.Text(f"{decides} and {beside} agree on all components.", "note")
    text = (
        f"The searches differ: beyond surrogates for {decides} alone {alone}, for {beside} alone "
        f"{other} of {len(table)} components. {decides} decides here."
    )
    blocks, grouping = {"sbm", "graph_tool"}, {"networkx", "igraph"}
    if {decides, beside} & blocks and {decides, beside} & grouping:
        text += (
            " A modularity search asks whether groups hold together more than the strengths of "
            "their members explain, which is what a community is; a block model also counts hubs "
            "and strong beside weak neurons, in the data and in the surrogates."
        )
        search = beside if beside in blocks else decides
        part = components.loc[components["backend"] == search, "modularity"]
        text += (
            f" Modularity of the blocks that {search} found: {model.number(part.min(), 2)} to "
            f"{model.number(part.max(), 2)}; near 0 they are no communities."
        )
    return model.Text(text, "note")


def _rank(folder: Path, data) -> int:
    path = folder / "rank.json"
    if path.is_file():
        return int(json.loads(path.read_text("utf-8"))["rank"])
    return len(data["lambda"])


def _community_blocks(folder, data, components, first, name) -> list:
    table = read_table(folder / "communities.tsv", backend=str, neuron=str)
    backend = first["backend"].iloc[0]
    blocks: list = []
    matrices, shared = _motifs(data), data["time"].ndim == 2
    if table is not None:
        labels, weak = _labels(table, backend, len(matrices))
        weak[(~weak).sum(axis=1) < ntf_communities.MIN_ACTIVE] = False
        blocks.append(
            ntf_communities.motif_maps(matrices, labels, weak, first, data["names"], name)
        )
        nested = _levels(table, len(matrices))
        figure = ntf_communities.hierarchy(nested, name) if nested else None
        if figure is not None:
            blocks.append(figure)
        together = sets.arrays(folder / "membership.npz")
        if together is not None and backend in together:
            curves, names = _together(data, together[backend], labels, weak)
            if len(curves):
                bin_s = 1.0 / float(data["fs"])
                blocks.append(ntf_communities.co_membership(curves, names, bin_s, name, shared))
    projection = sets.arrays(folder / "back_projection.npz")
    if projection is not None and len(projection["values"]):
        blocks.append(ntf_communities.back_projection(projection, float(data["fs"]), name, shared))
    nulls = read_table(folder / "nulls.tsv", backend=str)
    if nulls is not None:
        for other, part in components.groupby("backend", sort=False):
            values = nulls.loc[nulls["backend"] == other, "statistic"].dropna().to_numpy(float)
            if len(values):
                label = f"{STATISTICS.get(other, 'Statistic')} ({other})"
                blocks.append(ntf_figures.nulls(part, values, label, f"{name}_{other}"))
    return blocks


def _motifs(data) -> np.ndarray:
    n, pairs = len(data["names"]), np.array(data["pairs"], np.float32).T
    pairs[data["support"].T < MIN_SUPPORT] = np.nan
    full = np.zeros((len(pairs), n, n), np.float32)
    left, right = data["pair_index"].T
    full[:, left, right] = pairs
    full[:, right, left] = pairs
    return full


def _labels(table, backend, rank):
    """Finest labels and background of every component, (rank, n_neurons) each."""
    part = table[(table["backend"] == backend) & (table["level"] == 0)]
    groups = [part[part["component"] == r + 1] for r in range(rank)]
    return (
        np.array([group["label"].to_numpy(float) for group in groups]),
        np.array([group["background"].to_numpy(bool) for group in groups]),
    )


def _levels(table, rank):
    """Levels of the block model by component, where one was used."""
    for backend in ("graph_tool", "sbm"):
        part = table[table["backend"] == backend]
        if len(part):
            return [
                [
                    level["label"].to_numpy(float)
                    for _, level in part[part["component"] == r + 1].groupby("level")
                ]
                for r in range(rank)
            ]
    return None


def _together(data, membership, labels, weak, least=3):
    """Mean co-membership of every community's members over time, and names of the rows."""
    time = np.asarray(data["time"], float)
    weight = np.asarray(data["animals"], float) * data["lambda"]
    cube = time[:, None] * weight if time.ndim == 2 else time * weight
    if time.ndim == 3:
        # without a shared clock a mean over animals means nothing
        cube = cube[:, [int(cube.sum(axis=(0, 2)).argmax())]]
    total = cube.sum(axis=2, keepdims=True)
    share = np.divide(cube, total, out=np.full_like(cube, np.nan), where=total > 0)
    seen = np.isfinite(share[..., 0])
    share = (
        np.where(np.isfinite(share), share, 0).sum(axis=1)
        / np.maximum(seen.sum(axis=1), 1)[:, None]
    )
    share[~seen.any(axis=1)] = np.nan
    curves, names = [], []
    for r in range(min(len(labels), ntf_figures.MAX_COMPONENTS)):
        for label in np.unique(labels[r][np.isfinite(labels[r])]):
            members = np.flatnonzero((labels[r] == label) & ~weak[r])
            if len(members) < least:
                continue
            inside = membership[:, members][:, :, members]
            pairs = np.triu_indices(len(members), 1)
            held = np.nan_to_num(inside[:, pairs[0], pairs[1]]).mean(axis=1)
            curves.append(share @ held)
            names.append(f"{r + 1}: community {int(label) + 1}")
    return np.array(curves), names


def _table(components, n_animals, nulls=None):
    limits = {}
    if nulls is not None and len(nulls):
        limits = nulls.groupby("backend")["statistic"].quantile(0.95).to_dict()
    rows = [
        {
            "component": str(row.component),
            "backend": row.backend,
            "share": row.share,
            "participation": row.participation,
            "n": int(row.n_communities),
            "statistic": row.statistic,
            "null": limits.get(row.backend, float("nan")),
            "p": model.p_value(row.p_adjusted) if np.isfinite(row.p_adjusted) else "",
            "flags": "; ".join(
                word
                for word, flag in (
                    ("background", row.is_background),
                    ("few animals", row.few_animals),
                )
                if flag
            ),
            "strong": bool(row.significant),
        }
        for row in components.itertuples()
    ]
    return model.Table(
        "Components. Share: of the sum of squared weights; "
        + ("animals: effective number that carries the component; " if n_animals > 1 else "")
        + ("surrogates: the 95 % quantile of their motifs; " if limits else "")
        + "p: adjusted over the components; bold: beyond chance.",
        [
            model.Column("component", "Component"),
            model.Column("backend", "Search"),
            model.Column("share", "Share", 3),
            *([model.Column("participation", "Animals", 1)] if n_animals > 1 else []),
            model.Column("n", "Communities", 0),
            model.Column("statistic", "Statistic", 3),
            *([model.Column("null", "Surrogates, 95 %", 3)] if limits else []),
            model.Column("p", "p"),
            model.Column("flags", "Flags"),
        ],
        rows,
    )
