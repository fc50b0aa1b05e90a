"""Section `ntf`: dynamic connectomes by non-negative tensor factorisation."""

from __future__ import annotations

import dataclasses

from neuro.config.model import enabled, group, option, preset
from neuro.config.ntf_affinity import Affinity

SOURCES = ("simulated", "recordings", "fmri")
BACKENDS = ("networkx", "igraph", "sbm", "graph_tool")


@dataclasses.dataclass(frozen=True)
class Simulated:
    """Planted calcium recordings (source 'simulated')."""

    n_animals: int = option(8, "integer", "Number of animals.", low=3)
    n_neurons: int = option(36, "integer", "Neurons that can be told apart.", low=12)
    n_conditions: int = option(3, "integer", "Stimuli; each calls up its own communities.", low=1)
    epoch_s: float = option(30.0, "number", "Length of a stimulus.", unit="s", above=0)
    missing: float = option(
        0.1, "number", "Share of neurons that each animal lacks.", low=0, high=0.6
    )


@dataclasses.dataclass(frozen=True)
class Recordings:
    """The user's own recordings (source 'recordings')."""

    files: list = option([], "strings", "Files or patterns of files, one per animal.")
    content: str = option(
        "traces",
        "string",
        "What a file holds: traces of neurons, or response kernels of a perturbation atlas "
        "(responder x stimulated x time).",
        choices=("traces", "kernels"),
    )
    stack: bool = option(
        True,
        "boolean",
        "Whether the animals make one tensor, which needs neuron names; false makes one per file.",
    )
    fs_hz: float | None = option(
        None,
        "number",
        "Sampling rate of files that do not state it.",
        unit="Hz",
        above=0,
        nullable=True,
    )
    resample_hz: float | None = option(
        None,
        "number",
        "Common sampling rate, where the recordings differ.",
        unit="Hz",
        above=0,
        nullable=True,
    )
    variables: dict = option(
        {},
        "mapping",
        "The same file by file, where they differ: {w01.mat: dff}; the others use 'variable'.",
    )
    variable: str | None = option(
        None,
        "string",
        "Name of the array in files that hold several; in .nwb "
        "with its container, such as Fluorescence/plane0.",
        nullable=True,
    )
    time_axis: int | None = option(
        None,
        "integer",
        "Axis of time where the files do not say it: 0 is one row per frame, 1 one row per neuron.",
        low=0,
        high=1,
        nullable=True,
    )
    events: str | None = option(
        None,
        "path",
        "Table of stimuli: animal, onset_s, duration_s, condition.",
        nullable=True,
    )
    groups: str | None = option(
        None,
        "path",
        "Table of groups of animals, such as strains: animal, group. Loadings are compared by "
        "permutation.",
        nullable=True,
    )
    assemblies: str | None = option(
        None,
        "path",
        "Published groups to compare with (one recording): a line per group, neurons counted "
        "from 1.",
        nullable=True,
    )


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Time around a stimulus that enters the tensor (time_alignment 'stimulus')."""

    pre_s: float = option(5.0, "number", "Before the onset.", unit="s", low=0)
    post_s: float | None = option(
        None,
        "number",
        "After the onset; null is the longest stimulus plus pre_s.",
        unit="s",
        above=0,
        nullable=True,
    )
    order: list = option([], "strings", "Order of the conditions; empty is by name.")


@dataclasses.dataclass(frozen=True)
class Identity:
    """Matching neurons across animals by name."""

    rename: dict = option({}, "mapping", "Other spellings or classes of names: {AVAL: AVA}.")
    merge_lr: bool = option(
        False, "boolean", "Whether XL and XR become the class X where both occur."
    )
    complete: bool = option(
        False,
        "boolean",
        "Whether only neurons that every animal has are kept.",
        source="paper: true",
    )


@dataclasses.dataclass(frozen=True)
class Communities:
    """From motifs to communities."""

    backend: str = option(
        "networkx",
        "string",
        "Search that decides: Louvain, Leiden, our weighted block model, or graph-tool's.",
        choices=BACKENDS,
        source="paper: graph_tool",
    )
    beside: list = option(
        ["sbm"], "strings", "Searches that are shown beside it.", choices=BACKENDS
    )
    fallback: bool = option(
        False,
        "boolean",
        "Whether 'sbm' takes the place of a search that is not installed, with a notice.",
    )
    n_seeds: int = option(50, "integer", "Seeds of the consensus.", low=2)
    transform: str = option(
        "none",
        "string",
        "Weights of a modularity search: as they are, or log(1 + w).",
        choices=("none", "log1p"),
    )
    weights: str = option(
        "exponential",
        "string",
        "Distribution of the weights in our block model.",
        choices=("exponential", "lognormal"),
        source="Dyballa et al. 2024",
    )
    alpha: float = option(
        0.05, "number", "False discovery rate over the components.", above=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class Ntf:
    """Motifs of interaction, when and in whom they are active, and their communities."""

    enabled: bool = enabled()
    preset: str = preset()
    sources: list = option(
        ["fmri"],
        "strings",
        "Where series come from: the stage fmri, the user's recordings, planted ones.",
        choices=SOURCES,
    )
    fmri_runs: str = option(
        "first",
        "string",
        "Runs of a subject that are used (source 'fmri').",
        choices=("first", "all"),
    )
    recordings: Recordings = group(Recordings)
    simulated: Simulated = group(Simulated)
    affinity: Affinity = group(Affinity)
    time_alignment: str = option(
        "auto",
        "string",
        "'stimulus' brings epochs into one order of conditions, 'task' takes the clock as "
        "shared, 'none' shares motifs only; 'auto' is stimulus where there are events.",
        choices=("auto", "stimulus", "task", "none"),
    )
    epoch: Epoch = group(Epoch)
    identity: Identity = group(Identity)
    ranks: list = option([2, 20], "integers", "First and last rank of the sweep.", low=1, length=2)
    rank: int | None = option(
        None,
        "integer",
        "Number of components; null lets the sweep decide.",
        low=1,
        nullable=True,
    )
    rank_rule: str = option(
        "robust",
        "string",
        "'robust': prediction of left-out animals (held-out pairs where there is no common clock) "
        "among ranks with reproducible restarts; 'paper': where the "
        "variance of the motifs stops growing.",
        choices=("robust", "paper"),
    )
    solver: str = option(
        "hals",
        "string",
        "Masked coordinate descent; without masks all factors at once by L-BFGS, or tensorly's "
        "coordinate descent.",
        choices=("hals", "lbfgs", "tensorly"),
        source="paper: lbfgs (authors' related code)",
    )
    n_starts: int = option(
        10, "integer", "Random starts per rank.", low=2, source="paper: 30 (authors' related code)"
    )
    max_iter: int = option(200, "integer", "Sweeps of a start at most.", low=1)
    tol: float = option(
        1e-5, "number", "Relative change of the objective that ends a start.", above=0
    )
    communities: Communities = group(Communities)
    n_null: int = option(
        20,
        "integer",
        "Surrogates: the whole analysis again on traces without what they have in common.",
        low=0,
    )
    surrogate: str = option(
        "rate",
        "string",
        "What surrogates keep: 'rate' keeps what each trace shares with the median of the other "
        "neurons, and moves the rest by 4 s at most (30 s for BOLD); 'shift' turns every trace "
        "round by a lag of its own, about its slow drift, and keeps no common rate.",
        choices=("rate", "shift"),
    )
    n_moves: int = option(
        199,
        "integer",
        "Surrogates of the test whether a motif recurs in time it was not fitted on: every neuron "
        "moved by a lag of its own, 4 s at most; 0 leaves the test out. For BOLD, in subjects it "
        "was not fitted on: series with the same connectome and spectra, phases drawn anew.",
        low=0,
    )
    device: str = option(
        "cpu", "string", "Where the large products are computed.", choices=("cpu", "cuda")
    )


_NULL_TEXT = {
    "shift": "was shifted by a lag of its own",
    "rate": "kept what it shares with the median of the others and was otherwise moved by a short "
    "lag of its own",
}

PRESETS = {
    "robust": {},
    "paper": {
        "affinity.kind": "published",
        "solver": "lbfgs",
        "n_starts": 30,
        "max_iter": 1000,
        "rank_rule": "paper",
        "identity.complete": True,
        "communities.backend": "graph_tool",
        "communities.beside": [],
        "communities.fallback": True,
    },
}


def _window_text(ntf):
    """Length of the windows of `excess` in words."""
    if ntf["affinity"]["window_s"]:
        return f"{ntf['affinity']['window_s']:g} s"
    bold = "fmri" in ntf["sources"]
    calcium = "20 s (a third of the shortest stimulus where that is less)"
    if set(ntf["sources"]) == {"fmri"}:
        return "60 s"
    return calcium + " and 60 s for BOLD" * bold


def _affinity_text(ntf):
    """What the affinity was, in words."""
    affinity = ntf["affinity"]
    kinds = {
        "differential": "the agreement of their scaled derivatives on intervals in which both "
        "keep their sign (our definition; the publication gives no formula)",
        "product": "the product of their absolute scaled derivatives",
        "root": "the root of the product of their absolute scaled derivatives",
        "edge_ts": "the product of their z-scores (edge time series)",
        "excess": f"their correlation in windows of {_window_text(ntf)} beyond that of "
        "windows some seconds apart, in standard deviations over these lags (our definition)",
        "sliding_window": "their correlation in tapered windows of "
        f"{affinity['window_s'] or 30:g} s",
        "phase": "the cosine of the difference of their phases",
    }
    wanted = [affinity["kind"]]
    if wanted == ["auto"]:
        wanted = ["excess"]
    if wanted == ["published"]:
        calcium = any(source != "fmri" for source in ntf["sources"])
        wanted = ["differential"] * calcium + ["edge_ts"] * ("fmri" in ntf["sources"])
    calcium = (
        affinity["sign"] == "auto" and wanted == ["excess"] and set(ntf["sources"]) != {"fmri"}
    )
    signs = "; both signs were kept, so that every edge of a motif has a sign"
    signs *= calcium or affinity["sign"] == "signed"
    return "; for BOLD ".join(kinds[kind] for kind in wanted) + signs


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    ntf = config["ntf"]
    solver = {
        "hals": "hierarchical alternating least squares with exact masks for neurons that an "
        "animal lacks [@cichocki2009]",
        "lbfgs": "L-BFGS-B on all factors jointly",
        "tensorly": "the hierarchical alternating least squares of tensorly [@kossaifi2019]",
    }[ntf["solver"]]
    rank = (
        f"{ntf['rank']} components were fitted"
        if ntf["rank"] is not None
        else f"the number of components was chosen between {ntf['ranks'][0]} and "
        f"{ntf['ranks'][1]} by "
        + (
            "cross-validation (left-out animals, or held-out pairs where animals share no clock) "
            "among ranks with reproducible restarts"
            if ntf["rank_rule"] == "robust"
            else "the growth of the motifs' variance"
        )
    )
    search = {
        "networkx": f"Louvain's method, as consensus over {ntf['communities']['n_seeds']} seeds "
        "[@blondel2008]",
        "igraph": f"the Leiden method, as consensus over {ntf['communities']['n_seeds']} seeds "
        "[@traag2019]",
        "sbm": "a weighted stochastic block model of our own [@peixoto2018]",
        "graph_tool": "a nested weighted stochastic block model [@peixoto2018]",
    }[ntf["communities"]["backend"]]
    sentences = [
        f"The affinity of two traces over time was {_affinity_text(ntf)}; it was stacked into a "
        "tensor of time, animals and pairs [@dyballa2024].",
        f"Non-negative components were fitted by {solver} from {ntf['n_starts']} random starts; "
        f"{rank}. Where animals share no clock, motifs were shared and time courses were not.",
        f"Communities of each motif were found by {search}.",
    ]
    keys = ["dyballa2024"]
    keys += {"hals": ["cichocki2009"], "tensorly": ["kossaifi2019"]}.get(ntf["solver"], [])
    keys += {
        "networkx": ["blondel2008"],
        "igraph": ["traag2019"],
        "sbm": ["peixoto2018"],
        "graph_tool": ["peixoto2018"],
    }[ntf["communities"]["backend"]]
    if ntf["n_null"]:
        sentences.append(
            f"The whole analysis was repeated on {ntf['n_null']} surrogates in which every trace "
            f"{_NULL_TEXT[ntf['surrogate']]}; p values of the communities come from all "
            f"surrogate motifs, at a false discovery rate of {ntf['communities']['alpha']:g}."
        )
    if ntf["n_moves"] and "fmri" in ntf["sources"]:
        sentences.append(
            "Whether a motif of BOLD recurs was tested by fitting halves of the subjects and "
            "asking whether its strength varies over windows in the others more than in "
            f"{ntf['n_moves']} stationary copies of each with the same connectome."
        )
    if ntf["n_moves"] and set(ntf["sources"]) - {"fmri"}:
        sentences.append(
            "Whether a motif recurs was tested by fitting halves of the time and looking for the "
            "covariance of its pairs in the other half, against "
            f"{ntf['n_moves']} surrogates in which every neuron was moved by a lag of its own, 4 s "
            "at most."
        )
    return sentences, keys


def needs_runs(section) -> bool:
    """Whether the stage reads what the stage `fmri` leaves."""
    return "fmri" in section["sources"]
