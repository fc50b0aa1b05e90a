"""Figures of the stage `demovae`: synthetic connectomes, and planted ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.demovae import COLOURS, SYNTHETIC, features_name, kind, target_name
from neuro.report.site import model


def group_maps_table(arrays: dict, comparison: pd.DataFrame, regions: int) -> pd.DataFrame:
    """Group differences of real and synthetic people, one row per map and edge.

    Parameters
    ----------
    arrays : dict of str to ndarray, shape (n_edges,)
        `real_<map>` and `synthetic_<map>`, edges in the order of `numpy.triu_indices(regions, 1)`.
    comparison : pandas.DataFrame
        `map_comparison.tsv`.
    regions : int

    Returns
    -------
    pandas.DataFrame
        Columns `map`, `i`, `j`, `real`, `synthetic`, `scale` (end of the map's colours), and
        `r` and `amplitude` of the map. At most eight maps, levels of a column last.
    """
    names = [name for name in comparison["map"] if f"synthetic_{name}" in arrays]
    # every level of a many-levelled column would fill pages
    names = sorted(names, key=lambda name: "=" in name)[:8]
    agreement = comparison.set_index("map")
    i, j = np.triu_indices(regions, 1)
    parts = [
        pd.DataFrame(
            {
                "map": name,
                "i": i,
                "j": j,
                "real": arrays[f"real_{name}"],
                "synthetic": arrays[f"synthetic_{name}"],
                "scale": float(np.quantile(np.abs(arrays[f"real_{name}"]), 0.99)) or 1.0,
                "r": agreement.loc[name, "r"],
                "amplitude": agreement.loc[name, "amplitude"],
            }
        )
        for name in names
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def group_maps_paint(picture, table: pd.DataFrame) -> None:
    """Maps of :func:`group_maps_table`: real above the diagonal, synthetic below."""
    maps = list(table.groupby("map", sort=False))
    n_columns = min(len(maps), 4)
    several = picture.subplots(-(-len(maps) // n_columns), n_columns, squeeze=False).ravel()
    for axes in several[len(maps) :]:
        axes.set_visible(False)
    regions = int(table["j"].max()) + 1
    for axes, (name, of_map) in zip(several, maps):
        both = np.full((regions, regions), np.nan)
        both[of_map["i"], of_map["j"]] = of_map["real"]
        both[of_map["j"], of_map["i"]] = of_map["synthetic"]
        first = of_map.iloc[0]
        image = axes.imshow(both, cmap="RdBu_r", vmin=-first["scale"], vmax=first["scale"])
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(target_name(name.replace("=", " = ")))
        axes.set_xlabel(f"r {first['r']:.2f}, amplitude {first['amplitude']:.2f}", fontsize=8)
        bar = picture.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)


def group_maps(arrays: dict, comparison: pd.DataFrame, regions: int) -> list:
    """The figure of :func:`group_maps_table`."""
    table = group_maps_table(arrays, comparison, regions)
    if table.empty:
        return []
    rows = -(-table["map"].nunique() // 4)
    return [
        draw.figure(
            "group_maps",
            group_maps_paint,
            data=table,
            size=(9.4, 2.55 * rows),
            wide=True,
            caption="Group differences of edges, each given all other columns: held-out real "
            "people above the diagonal, synthetic people below. Per standard deviation of a "
            "number and of its square, last minus first of two levels, a level minus the mean of "
            "all.",
            how_to_read="The two triangles should mirror each other. r is the correlation of the "
            "two maps over edges, amplitude the factor of the synthetic on the real map; one half "
            "of the real people against the other half (table) is the best that can be expected.",
            alt="Maps of group differences, real and synthetic",
        )
    ]


def edges_table(arrays: dict) -> pd.DataFrame:
    """Mean and standard deviation (`panel`) of every edge: real people `x`, synthetic `y`.

    The other columns are those of :func:`neuro.report.figures.draw.cloud`.
    """
    parts = [
        draw.cloud(arrays[f"{name}_real"], arrays[f"{name}_synthetic"]).assign(panel=name)
        for name in ("mean", "sd")
    ]
    return pd.concat(parts, ignore_index=True)


def edges_paint(picture, table: pd.DataFrame) -> None:
    """Dots of :func:`edges_table` and the line on which they should lie."""
    several = picture.subplots(1, 2)
    for axes, name, word in zip(several, ("mean", "sd"), ("Mean", "Standard deviation")):
        chosen = table[table["panel"] == name]
        draw.cloud_paint(axes, chosen, cmap="Blues", s=7, color=draw.CONTROL, alpha=0.5)
        ends = [chosen[["x", "y"]].min().min(), chosen[["x", "y"]].max().max()]
        axes.plot(ends, ends, color=draw.INK, lw=0.9, ls=(0, (3, 2)))
        axes.set_xlabel(f"{word} of an edge, held-out real")
        axes.set_ylabel("Synthetic")
        axes.set_title(f"{word}s")


def edge_statistics(arrays: dict) -> list:
    """The figure of :func:`edges_table`."""
    if "mean_synthetic" not in arrays:
        return []
    return [
        draw.figure(
            "edges",
            edges_paint,
            data=edges_table(arrays),
            size=(8.2, 3.5),
            wide=True,
            caption="Distribution of every edge over people: mean and standard deviation, "
            "synthetic against held-out real people. Darker: more edges.",
            how_to_read="Points on the dashed line agree. Standard deviations below the line are "
            "what a decoder without residual noise gives: synthetic people too much alike.",
            alt="Edge means and standard deviations, synthetic against real",
        )
    ]


def eigenvalues_table(arrays: dict) -> pd.DataFrame:
    """Histograms of the smallest eigenvalue of each matrix, `real` and `synthetic`."""
    values = {name: arrays[f"eigenvalue_{name}"] for name in ("real", "synthetic")}
    everything = np.concatenate(list(values.values()))
    room = 0.02 * max(float(np.ptp(everything)), 1e-6)
    return draw.counts(values, np.linspace(everything.min() - room, everything.max() + room, 31))


def eigenvalues_paint(picture, table: pd.DataFrame) -> None:
    """Bars of :func:`eigenvalues_table`."""
    axes = picture.subplots()
    for name, colour in (("real", draw.CONTROL), ("synthetic", SYNTHETIC)):
        draw.steps(axes, table[table["series"] == name], color=colour, alpha=0.6, label=name)
    axes.axvline(0, color=draw.INK, lw=0.9, ls=(0, (3, 2)))
    axes.set_xlabel("Smallest eigenvalue")
    axes.set_ylabel("Matrices")
    axes.legend()


def eigenvalues(arrays: dict) -> list:
    """The figure of :func:`eigenvalues_table`."""
    if "eigenvalue_synthetic" not in arrays:
        return []
    low = float(arrays["eigenvalue_synthetic"].min())
    return [
        draw.figure(
            "eigenvalues",
            eigenvalues_paint,
            data=eigenvalues_table(arrays),
            caption=f"Smallest eigenvalue of each matrix. The smallest of all synthetic ones is "
            f"{model.compact(low)}.",
            how_to_read="A matrix with a negative eigenvalue is no correlation matrix of any "
            "signals; every decoded matrix is one until it is repaired. Real matrices of more "
            "regions than volumes have zeros, give or take rounding.",
            alt="Smallest eigenvalues of real and synthetic matrices",
        )
    ]


def privacy_table(arrays: dict) -> pd.DataFrame:
    """Distances of each synthetic connectome.

    Parameters
    ----------
    arrays : dict of str to ndarray, shape (n_samples,)
        `nearest_train` and `nearest_heldout`.

    Returns
    -------
    pandas.DataFrame
        `series` (`training` or `others`, whoever is nearer), `label` with the share of the
        series, `x` (nearest held-out person) and `y` (nearest training person).
    """
    near, far = arrays["nearest_train"], arrays["nearest_heldout"]
    closer = near < far
    share = {"training": closer.mean(), "others": 1 - closer.mean()}
    series = pd.Series(np.where(closer, "training", "others"))
    words = {name: f"nearer to {name}: {100 * value:.0f} %" for name, value in share.items()}
    return pd.DataFrame({"series": series, "label": series.map(words), "x": far, "y": near})


def privacy_paint(picture, table: pd.DataFrame) -> None:
    """Dots of :func:`privacy_table` beside the line of equal distances."""
    axes = picture.subplots()
    ends = np.array([table[["x", "y"]].min().min(), table[["x", "y"]].max().max()])
    ends += 0.04 * (np.ptp(ends) or 1) * np.array([-1, 1])
    axes.plot(ends, ends, color=draw.INK, lw=0.9, ls=(0, (3, 2)))
    for name, colour in (("training", SYNTHETIC), ("others", draw.CONTROL)):
        chosen = table[table["series"] == name]
        label = chosen["label"].iloc[0] if len(chosen) else f"nearer to {name}: 0 %"
        axes.scatter(chosen["x"], chosen["y"], s=9, color=colour, alpha=0.7, lw=0, label=label)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_xlabel("Distance to the nearest held-out person")
    axes.set_ylabel("Distance to the nearest training person")
    axes.legend(loc="upper left")


def privacy(arrays: dict, generation: pd.Series) -> list:
    """The figure of :func:`privacy_table`; `generation` holds values by name."""
    if "nearest_train" not in arrays:
        return []
    auc = generation.get("membership_auc", np.nan)
    return [
        draw.figure(
            "privacy",
            privacy_paint,
            data=privacy_table(arrays),
            size=(4.6, 3.9),
            caption=f"Nearest neighbours of synthetic connectomes (RMS difference per edge), "
            f"training against as many held-out people. The reconstruction error tells training "
            f"from other people with an AUC of {model.number(float(auc), 2)}.",
            how_to_read="Most samples below the line: they lean towards the people behind them. "
            "Half on each side is no protection: attacks on the samples can succeed there, too. "
            "An AUC far above 0.5 means that whoever holds the weights can tell who was in the "
            "training set: released weights identify participants.",
            alt="Distances of synthetic connectomes to training and to held-out people",
        )
    ]


def planted_table(table: pd.DataFrame) -> pd.DataFrame:
    """Bars of a planted cohort: what is left in the features, and how well maps come back.

    Parameters
    ----------
    table : pandas.DataFrame
        `planted.tsv`.

    Returns
    -------
    pandas.DataFrame
        One row per bar: `panel` (`removed` or `maps`), `series` (kind of features; `real` or
        `samples`), `label` of the series, `name` of the effect, `tick` (its height), `y`,
        `thickness` and `value`. Empty without removed effects.
    """
    removed = table[table["group"] == "removed"]
    maps = table[(table["group"] == "maps") & (table["unit"] == "r")]
    features = list(dict.fromkeys(removed["features"]))
    targets = list(dict.fromkeys(removed["name"]))
    rows = []
    for row in removed.itertuples():
        bar, tick = features.index(row.features), targets.index(row.name)
        y = tick + (bar - (len(features) - 1) / 2) * 0.8 / len(features)
        one = ("removed", kind(row.features), features_name(row.features), target_name(row.name))
        rows.append((*one, tick, y, 0.9 * 0.8 / len(features), row.error))
    for tick, row in enumerate(maps.itertuples()):
        name = target_name(row.name.replace("=", " = "))
        rows.append(("maps", "real", "real", name, tick, tick - 0.19, 0.34, row.baseline))
        rows.append(("maps", "samples", "samples", name, tick, tick + 0.19, 0.34, row.recovered))
    keys = ["panel", "series", "label", "name", "tick", "y", "thickness", "value"]
    return pd.DataFrame(rows if targets else [], columns=keys)


def planted_paint(picture, table: pd.DataFrame) -> None:
    """Bars of :func:`planted_table`."""
    colours = COLOURS | {"real": draw.OTHER, "samples": SYNTHETIC}
    several = picture.subplots(1, 2, width_ratios=(3, 2))
    words = ("Score above chance in new subjects", "Correlation with the planted map")
    for axes, panel, word in zip(several, ("removed", "maps"), words):
        bars = table[table["panel"] == panel]
        for (series, label), chosen in bars.groupby(["series", "label"], sort=False):
            colour = colours.get(series, draw.OTHER)
            height = chosen["thickness"]
            axes.barh(chosen["y"], chosen["value"], height=height, color=colour, label=label)
        ticks = bars.drop_duplicates("tick")
        axes.set_yticks(ticks["tick"], ticks["name"])
        axes.set_ylim(len(ticks) - 0.5, -0.5)
        axes.set_xlabel(word)
        if len(bars):
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    several[0].axvline(0, color=draw.INK, lw=0.8)
    several[1].set_xlim(0, 1)


def planted(table: pd.DataFrame) -> list:
    """The figure of :func:`planted_table`."""
    table = planted_table(table)
    if table.empty:
        return []
    return [
        draw.figure(
            "planted",
            planted_paint,
            data=table,
            size=(9.4, 3.4),
            wide=True,
            caption="Planted cohort. Left: age, its square, sex and site in the features of new "
            "subjects, as score above chance (R² or balanced accuracy). Right: group maps of "
            "synthetic subjects against the planted ones, beside a regression on the real "
            "subjects that the network learned from.",
            how_to_read="Left, deconfounded features should be near zero where raw connectomes "
            "are not. Right, samples cannot know more of a map than the people behind them.",
            alt="What is left of planted demographics, and how well planted maps come back",
        )
    ]
