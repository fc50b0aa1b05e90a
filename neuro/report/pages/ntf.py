"""Pages of the stage `ntf`: motifs, when and in whom they are active, their communities."""

from __future__ import annotations

import json
from pathlib import Path

from neuro.report.figures import ntf as ntf_figures
from neuro.report.figures import ntf_communities
from neuro.report.pages import sets
from neuro.report.pages.motifs import tables as motif_tables
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

STRICT = (
    " Neurons called background stand beside the same null. It keeps what large groups share, so "
    "members of a group can be among them; ntf.surrogate: shift keeps no common rate."
)


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
        blocks.append(_recurs(recurrence, name == "fmri"))
    nulls = read_table(folder / "nulls.tsv", backend=str, null=str)
    blocks.append(_verdict(first, nulls))
    if components["backend"].nunique() > 1 and components["p_adjusted"].notna().all():
        blocks.append(_agreement(components))
    sweep = read_table(folder / "rank_sweep.tsv")
    if sweep is not None and len(sweep) > 1:
        blocks.append(ntf_figures.rank_sweep(sweep, _rank(folder, data), name))
        if _rank(folder, data) == sweep["rank"].max():
            blocks.append(
                model.Text(
                    "The chosen number of components is the largest that was tried; more may be "
                    "better (ntf.ranks).",
                    "warning",
                )
            )
    blocks.append(ntf_figures.time_factors(data, animals, name))
    if len(animals) > 1:
        if len(animals) <= 24:
            blocks.append(ntf_figures.animal_bars(data, animals, name))
        if len(animals) > 12:
            blocks.append(ntf_figures.presence_map(data, animals, name))
    blocks += _community_blocks(folder, data, components, first, name)
    if recurrence is not None and recurrence["p_value"].notna().any():
        blocks.append(motif_tables.recurrence_table(recurrence, name == "fmri"))
    blocks.append(motif_tables.table(components, len(animals), nulls))
    states = read_table(folder / "states.tsv", animal=str)
    if states is not None and len(states):
        blocks.append(motif_tables.states(states, read_table(folder / "transitions.tsv")))
    groups = read_table(folder / "groups.tsv")
    if groups is not None and len(groups):
        blocks.append(motif_tables.groups(groups))
    beside = read_table(folder / "baselines.tsv", method=str, reason=str, reference=str)
    if beside is not None and len(beside) > 1:
        blocks.append(motif_tables.beside(beside))
    matches = read_table(folder / "known.tsv", condition=str)
    if matches is not None and len(matches):
        blocks.append(motif_tables.known(matches))
    return blocks


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


def _verdict(first, nulls):
    backend = first["backend"].iloc[0]
    tested = first["p_adjusted"].notna().any()
    if not tested:
        return model.Text("No surrogates were run; communities stand without a null.", "warning")
    n_significant = int(first["significant"].sum())
    return model.Text(
        f"{n_significant} of {len(first)} components have more community structure ({backend}) "
        f"than surrogates, in which {ntf_figures.NULLS[nulls['null'].iloc[0]]}; chance gives "
        f"{model.number(0.05 * len(first), 2)}. A motif that is one "
        "group of neurons has none beyond the strengths of its members, so this says nothing about "
        "whether a motif is real." + (STRICT if nulls["null"].iloc[0] == "rate" else ""),
        "note",
    )


def _recurs(table, bold):
    """What the test of held-out time says, or why there was none."""
    p_values = table["p_value"].dropna()
    if not len(p_values):
        reason = table["reason"].fillna("").iloc[0] or "no component had a counterpart"
        return model.Text(f"Whether the motifs recur was not tested: {reason}.", "note")
    n_recurring = int((p_values <= 0.05).sum())
    where = (
        "subjects they were not fitted on: they come and go more than in stationary series with "
        "the same connectome"
        if bold
        else "time they were not fitted on, more than where every neuron is moved by 4 s at most"
    )
    return model.Text(
        f"{n_recurring} of {len(p_values)} motifs recur in {where} (p at most .05; chance gives "
        f"{model.number(0.05 * len(p_values), 2)}). The test says recurs, not that a motif is a "
        "separate one, and a weak or rare motif can be missed.",
        "note",
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
        chosen = components.loc[components["backend"] == search, "modularity"]
        text += (
            f" Modularity of the blocks that {search} found: {model.number(chosen.min(), 2)} to "
            f"{model.number(chosen.max(), 2)}; near 0 they are no communities."
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
    matrices, shared = ntf_communities.signed_motifs(data), data["time"].ndim == 2
    if table is not None:
        labels, weak = ntf_communities.finest_labels(table, backend, len(matrices))
        weak[(~weak).sum(axis=1) < ntf_communities.MIN_ACTIVE] = False
        blocks.append(
            ntf_communities.motif_maps(matrices, labels, weak, first, data["names"], name)
        )
        nested = ntf_communities.nested_levels(table, len(matrices))
        figure = ntf_communities.hierarchy(nested, name) if nested else None
        if figure is not None:
            blocks.append(figure)
        together = sets.arrays(folder / "membership.npz")
        if together is not None and backend in together:
            curves, names = ntf_communities.together(data, together[backend], labels, weak)
            if len(curves):
                bin_s = 1.0 / float(data["fs"])
                blocks.append(ntf_communities.co_membership(curves, names, bin_s, name, shared))
    projection = sets.arrays(folder / "back_projection.npz")
    if projection is not None and len(projection["values"]):
        blocks.append(ntf_communities.back_projection(projection, float(data["fs"]), name, shared))
    nulls = read_table(folder / "nulls.tsv", backend=str, null=str)
    if nulls is not None:
        for other, of_backend in components.groupby("backend", sort=False):
            values = nulls.loc[nulls["backend"] == other, "statistic"].dropna().to_numpy(float)
            if len(values):
                label = f"{STATISTICS.get(other, 'Statistic')} ({other})"
                kind = nulls["null"].iloc[0]
                blocks.append(ntf_figures.nulls(of_backend, values, label, f"{name}_{other}", kind))
    return blocks
