"""Tables of the page of the stage `ntf`."""

from __future__ import annotations

import numpy as np

from neuro.report.site import model

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


def recurrence_table(table, bold=False):
    """Whether motifs recur, one row each; those of BOLD in held-out subjects."""
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
    what = (
        "Variance of its strength over windows in the half of the subjects it was not fitted on, "
        f"in standard deviations of {n} stationary surrogates with the same connectomes, summed "
        "over halves"
        if bold
        else "Covariance of its pairs in the half of the time it was not fitted on, in standard "
        f"deviations of {n} surrogates in which every neuron was moved by up to 4 s, summed over "
        "halves and recordings"
    )
    return model.Table(
        f"Does a motif recur? {what}; 95 %: quantile of the surrogates in the same unit. "
        "Overlap: largest cosine with another motif; pieces of one group recur each. Bold: p at "
        "most .05.",
        [
            model.Column("component", "Component"),
            model.Column("z", "Held-out variance" if bold else "Held-out covariance", 2),
            model.Column("null", "Surrogates, 95 %", 2),
            model.Column("p", "p"),
            model.Column("adjusted", "p, adjusted"),
            model.Column("overlap", "Overlap", 2),
        ],
        rows,
    )


def _successor(transitions, component):
    """What follows a motif most often, and what would if nothing depended on what was before."""
    if transitions is None:
        return ""
    own = transitions[(transitions["before"] == component) & (transitions["count"] > 0)]
    if not len(own):
        return "not seen"
    most = own.loc[own["probability"].idxmax()]
    share, chance = model.number(most["probability"], 2), model.number(most["chance"], 2)
    return f"{int(most['after'])} ({share}; chance {chance}; n = {int(own['count'].sum())})"


def states(table, transitions=None):
    """How long motifs dominate, mean over the animals, and what follows."""
    rows = [
        {
            "component": str(int(component)),
            "share": of_component["share"].mean(),
            "visits": of_component["visits"].mean(),
            "dwell": of_component["dwell_s"].mean(),
            "longest": of_component["longest_s"].max(),
            "then": _successor(transitions, component),
        }
        for component, of_component in table.groupby("component")
    ]
    return model.Table(
        "When a motif is the strongest: share of the time, visits and their mean length (means "
        "over animals or subjects), and the longest visit. Lengths are multiples of a time bin. "
        "Then: the motif that follows most often without a gap, its share of the changes beside "
        "the share where what follows does not depend on what was before, and the number of "
        "changes; transitions.tsv has all.",
        [
            model.Column("component", "Component"),
            model.Column("share", "Share of time", 2),
            model.Column("visits", "Visits", 1),
            model.Column("dwell", "Length (s)", 1),
            model.Column("longest", "Longest (s)", 0),
            model.Column("then", "Then"),
        ],
        rows,
    )


def groups(table):
    """Loadings of groups of animals."""
    means = [name for name in table.columns if name.startswith("mean_")]
    keys = ["component", *means, "statistic", "p_value", "p_corrected"]
    return model.Table(
        "Groups of animals: mean loadings, and how often rearranged labels "
        f"({int(table['n_animals'][0])} animals, {int(table['n_permutations'][0])} arrangements) "
        "differ as much; corrected: over all components together.",
        [
            model.Column("component", "Component", 0),
            *(model.Column(name, name.removeprefix("mean_"), 3) for name in means),
            model.Column("statistic", "F", 2),
            model.Column("p_value", "p", 3),
            model.Column("p_corrected", "p, corrected", 3),
        ],
        table[keys].to_dict("records"),
    )


def beside(table):
    """Motifs beside simple ways to the same answer."""
    columns = [model.Column("method", "Method"), model.Column("n_networks", "Networks", 0)]
    text = (
        "Simple ways to the same answer: assemblies by PCA and ICA, plain correlation, k-means of "
    )
    text += "correlations in windows and a hidden Markov chain, one state more than motifs. "
    if table["auroc"].notna().any():
        text += (
            f"Known: area under the ROC curve of the pairs of {int(table['n_groups'].max())} "
            f"{table['reference'].dropna().iloc[0]} groups, each with a network of its own (chance "
            "0.5; correlation is one network for all). "
        )
        columns += [
            model.Column("auroc", "Known, mean", 2),
            model.Column("auroc_least", "Known, least", 2),
        ]
    if table["held_out_z"].notna().any():
        text += (
            "Held-out: networks of one half of the time in the other half, covariance of their "
            "pairs in standard deviations of moved neurons; recur: with p at most .05."
        )
        columns += [
            model.Column("held_out_z", "Held-out", 1),
            model.Column("n_recur", "Recur", 0),
            model.Column("n_tested", "Tested", 0),
        ]
    return model.Table(text, columns, _rows(table, columns))


def table(components, n_animals, nulls=None):
    """Components with their flags, one row per search."""
    limits, signed = {}, bool((components["negative_share"] > 0).any())
    if nulls is not None and len(nulls):
        limits = nulls.groupby("backend")["statistic"].quantile(0.95).to_dict()
    rows = [
        {
            "component": str(row.component),
            "backend": row.backend,
            "share": row.share,
            "leading": row.leading_share,
            "negative": row.negative_share,
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
                    ("co-activation pattern", row.is_co_activation),
                )
                if flag
            ),
            "strong": bool(row.significant),
        }
        for row in components.itertuples()
    ]
    return model.Table(
        "Components. Share: of the sum of squared weights; one product: share of the motif that "
        "the strengths of its neurons alone explain (at 0.8 and more it is called a co-activation "
        "pattern: who is active together, not who interacts with whom); "
        + ("against: share in pairs that run against each other; " if signed else "")
        + ("animals: effective number that carries the component; " if n_animals > 1 else "")
        + "groups: communities; "
        + ("surrogates: the 95 % quantile of their motifs; " if limits else "")
        + "p: adjusted over the components; bold: beyond chance.",
        [
            model.Column("component", "Component"),
            model.Column("backend", "Search"),
            model.Column("share", "Share", 3),
            model.Column("leading", "One product", 2),
            *([model.Column("negative", "Against", 2)] if signed else []),
            *([model.Column("participation", "Animals", 1)] if n_animals > 1 else []),
            model.Column("n", "Groups", 0),
            model.Column("statistic", "Statistic", 3),
            *([model.Column("null", "Surrogates, 95 %", 3)] if limits else []),
            model.Column("p", "p"),
            model.Column("flags", "Flags"),
        ],
        rows,
    )


def known(table):
    """Results beside what is known from elsewhere."""
    for key, (caption, columns) in KNOWN.items():
        if key in table.columns:
            shown = [column for column in columns if column.key in table.columns]
            return model.Table(caption, shown, _rows(table, shown))
    raise ValueError(f"known.tsv: unknown columns {', '.join(table.columns)}")


def _rows(table, columns):
    """Rows of a table; what has decimals keeps them where a file holds whole numbers only."""
    shown = table[[column.key for column in columns]].copy()
    for column in columns:
        if column.digits:
            shown[column.key] = shown[column.key].astype(float)
    return shown.to_dict("records")
