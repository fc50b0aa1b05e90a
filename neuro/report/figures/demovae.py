"""Figures of the stage `demovae`: training, what is left in the features, the diagnosis."""

from __future__ import annotations

from functools import partial

import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.scores import BAND, scores_paint, scores_table
from neuro.report.pages.adhd_scores import scheme_name
from neuro.report.site import model

NAMES = {
    "raw": "Raw connectomes",
    "pca": "Principal components",
    "residual": "Linear residuals",
    "linear": "Linear relative",
    "network": "Network",
    "demographics": "Demographics alone",
}
COLOURS = {
    "raw": draw.OTHER,
    "pca": "#E69F00",
    "residual": "#CC79A7",
    "linear": "#56B4E9",
    "network": draw.CONTROL,
    "demographics": draw.INK,
}
SYNTHETIC = draw.CASE


def kind(features: str) -> str:
    """`network-60` is of kind `network`."""
    return str(features).partition("-")[0]


def features_name(features: str) -> str:
    """Features in words: `network-60` becomes `Network, 60`."""
    size = str(features).partition("-")[2]
    name = NAMES.get(kind(features), str(features))
    return f"{name}, {size}" if size else name


def target_name(target: str, method: str = "linear") -> str:
    """A target in words: `age^2` becomes `age²`, rbf machines are named."""
    return str(target).replace("^2", "²") + (" (rbf)" if method == "rbf" else "")


def losses_table(history: pd.DataFrame, epoch: int | None) -> pd.DataFrame:
    """Loss terms and reconstruction over epochs.

    Parameters
    ----------
    history : pandas.DataFrame
        `history.tsv`.
    epoch : int or None
        Whose weights are used.

    Returns
    -------
    pandas.DataFrame
        One row per point: `panel` (`terms` or `reconstruction`), `series`, `epoch` and `value`;
        last, where known, a row of the panel `used` with the epoch. Empty without a step.
    """
    words = {"rec": "reconstruction", "cov": "covariance", "decor": "decorrelation"}
    # the first row looks before any step
    after = history[history["epoch"] > 0]
    lines = [
        ("terms", words.get(name, name), after, name)
        for name in ("rec", "cov", "mean", "decor", "guide")
        if name in after and after[name].max() > 0
    ]
    lines.append(("reconstruction", "training rows", after, "rec"))
    if "val_rec" in history:
        looked = history.dropna(subset=["val_rec"])
        lines.append(("reconstruction", "held-out subjects", looked, "val_rec"))
    parts = [
        pd.DataFrame(
            {"panel": panel, "series": series, "epoch": rows["epoch"], "value": rows[name]}
        )
        for panel, series, rows, name in lines
    ]
    if epoch is not None:
        parts.append(pd.DataFrame({"panel": ["used"], "epoch": epoch}))
    return pd.concat(parts, ignore_index=True) if len(after) else pd.DataFrame()


def losses_paint(picture, table: pd.DataFrame) -> None:
    """Lines of :func:`losses_table`."""
    left, right = picture.subplots(1, 2)
    terms, rec = (table[table["panel"] == panel] for panel in ("terms", "reconstruction"))
    for (name, line), colour in zip(terms.groupby("series", sort=False), draw.CYCLE):
        left.plot(line["epoch"], line["value"], color=colour, lw=1.2, label=name)
    left.set_yscale("log")
    left.set_ylabel("Loss term, unweighted")
    for name, line in rec.groupby("series", sort=False):
        held = name == "held-out subjects"
        look = {"color": draw.CASE, "marker": "o", "ms": 2.5, "lw": 1.2}
        look = look if held else {"color": draw.CONTROL, "lw": 1.4}
        right.plot(line["epoch"], line["value"], label=name, **look)
    right.set_ylabel("Reconstruction, RMSE per edge")
    used = table.loc[table["panel"] == "used", "epoch"]
    for axes in (left, right):
        for epoch in used:
            axes.axvline(epoch, color=draw.INK, lw=1, ls=(0, (3, 2)))
        axes.set_xlabel("Epoch")
        axes.legend(loc="best")
    for epoch in used:
        right.set_title(f"Weights of epoch {epoch:.0f} are used")


def losses(history: pd.DataFrame, epoch: int | None) -> list:
    """Loss terms over epochs, and the epoch whose weights are used."""
    table = losses_table(history, epoch)
    if table.empty:
        return []
    return [
        draw.figure(
            "losses",
            losses_paint,
            data=table,
            size=draw.WIDE,
            wide=True,
            caption="Training of the network on all subjects: the five terms of the loss, and the "
            "reconstruction of the rows it learns from and of subjects it does not see. Dashed: "
            "the epoch whose weights are used.",
            how_to_read="Training starts at the closed-form relative. Where the held-out curve "
            "turns up the network begins to memorise its subjects; weights from then on are not "
            "used.",
            alt="Loss terms over epochs, with the epoch that is used",
        )
    ]


def associations_table(table: pd.DataFrame) -> pd.DataFrame:
    """Largest correlation of a latent with each column, on training and on held-out rows.

    Parameters
    ----------
    table : pandas.DataFrame
        `associations.tsv`.

    Returns
    -------
    pandas.DataFrame
        One row per `column` and `features`: `series` (kind of features), `label`, `y`, `train`,
        `heldout`, and `band`, the mean null bound of the column.
    """
    table = table[table["scheme"] == "folds"]
    names = list(dict.fromkeys(table["features"]))
    return pd.DataFrame(
        {
            "column": table["column"],
            "features": table["features"],
            "series": table["features"].map(kind),
            "label": table["features"].map(features_name),
            "y": table["features"].map(names.index),
            "train": table["max_abs_r_train"],
            "heldout": table["max_abs_r_heldout"],
            "band": table.groupby("column")["null_bound"].transform("mean"),
        }
    ).reset_index(drop=True)


def associations_paint(picture, table: pd.DataFrame) -> None:
    """Pairs of dots of :func:`associations_table`, a panel per column."""
    columns = list(dict.fromkeys(table["column"]))
    labels = table.drop_duplicates("y").sort_values("y")
    several = picture.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(several, columns):
        chosen = table[table["column"] == column]
        bound = chosen["band"].iloc[0]
        axes.barh((len(labels) - 1) / 2, bound, height=len(labels), color=BAND, lw=0)
        for row in chosen.itertuples():
            colour = COLOURS.get(row.series, draw.OTHER)
            axes.plot([row.train, row.heldout], [row.y, row.y], color=colour, lw=1, zorder=2)
            axes.plot(row.train, row.y, "o", color="white", mec=colour, ms=5.5, zorder=3)
            axes.plot(row.heldout, row.y, "o", color=colour, ms=6, zorder=3)
        axes.set_title(column)
        axes.set_xlim(-0.03, 1.08 * max(float(table["heldout"].max()), bound, 0.1))
        axes.set_xlabel("Largest |r|")
    several[0].set_yticks(labels["y"], labels["label"])
    several[0].set_ylim(len(labels) - 0.5, -0.5)


def associations(table: pd.DataFrame) -> list:
    """The figure of :func:`associations_table`."""
    table = associations_table(table)
    if table.empty:
        return []
    return [
        draw.figure(
            "associations",
            associations_paint,
            data=table,
            size=(9.4, 1.1 + 0.34 * max(table["features"].nunique(), 3)),
            wide=True,
            caption="Largest correlation of any latent with a column: open, on the subjects of the "
            "fit; filled, on held-out subjects (mean over folds). Grey: what latents without any "
            "relation reach in 95 % of the cases.",
            how_to_read="Open dots at 0 are no success: decorrelation on the training subjects "
            "holds by construction. A filled dot right of the band is a trace that is left in new "
            "subjects. Principal components are the control: compression without removal.",
            alt="Largest correlation of latents with demographics, train and held-out",
        )
    ]


def readouts_table(table: pd.DataFrame) -> pd.DataFrame:
    """Fresh readouts of every target from every kind of features.

    Parameters
    ----------
    table : pandas.DataFrame
        `readouts.tsv`.

    Returns
    -------
    pandas.DataFrame
        One row per `panel` (target and machine in words) and `features`: `series` (kind of
        features), `label`, `y`, `metric`, `heldout`, `null_low`, `null_high` and `chance`.
    """
    table = table[(table["scheme"] == "halves") & (table["fit_on"] == "fresh")]
    names = list(dict.fromkeys(table["features"]))
    panels = [target_name(*pair) for pair in zip(table["target"], table["model"])]
    return pd.DataFrame(
        {
            "panel": panels,
            "features": table["features"],
            "series": table["features"].map(kind),
            "label": table["features"].map(features_name),
            "y": table["features"].map(names.index),
            "metric": table["metric"],
            "heldout": table["heldout"],
            "null_low": table["null_lo"],
            "null_high": table["null_hi"],
            "chance": table["chance"],
        }
    ).reset_index(drop=True)


def readouts_paint(picture, table: pd.DataFrame) -> None:
    """Dots of :func:`readouts_table` on the bands of their nulls, a panel per target."""
    panels = list(dict.fromkeys(table["panel"]))
    labels = table.drop_duplicates("y").sort_values("y")
    n_columns = min(len(panels), 4)
    several = picture.subplots(-(-len(panels) // n_columns), n_columns, sharey=True, squeeze=False)
    for axes in several.ravel()[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(several.ravel(), panels):
        chosen = table[table["panel"] == panel]
        for row in chosen.itertuples():
            colour = COLOURS.get(row.series, draw.OTHER)
            width = row.null_high - row.null_low
            axes.barh(row.y, width, left=row.null_low, height=0.66, color=BAND, lw=0)
            axes.plot([row.chance, row.heldout], [row.y, row.y], color=colour, lw=1.2)
            axes.plot(row.heldout, row.y, "o", color=colour, ms=5.5)
        chance = float(chosen["chance"].iloc[0])
        axes.axvline(chance, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
        # a readout far below chance would squeeze the others
        low = max(float(chosen[["heldout", "null_low"]].min().min()), chance - 1.0)
        high = max(float(chosen[["heldout", "null_high"]].max().max()), chance)
        axes.set_xlim(min(low, chance) - 0.05, high + 0.05)
        axes.set_title(panel)
        axes.set_xlabel("R²" if chosen["metric"].iloc[0] == "r2" else "Balanced accuracy")
    for axes in several[:, 0]:
        axes.set_yticks(labels["y"], labels["label"])
        axes.set_ylim(len(labels) - 0.5, -0.5)


def readout_dots(table: pd.DataFrame) -> list:
    """The figure of :func:`readouts_table`."""
    table = readouts_table(table)
    if table.empty:
        return []
    rows = -(-table["panel"].nunique() // 4)
    return [
        draw.figure(
            "readouts",
            readouts_paint,
            data=table,
            size=(9.4, rows * (0.9 + 0.27 * max(table["features"].nunique(), 3))),
            wide=True,
            caption="How well demographics can be read out of the features of subjects that no fit "
            "has seen; the readouts are fitted by cross-validation among these subjects. Grey: 95 "
            "% of scores with shuffled labels; dashed: chance.",
            how_to_read="Compare each row with the raw connectomes (how much was there) and with "
            "the principal components (how much compression alone removes). Linear residuals show "
            "why fresh readouts are needed: over-fitted coefficients write demographics into new "
            "subjects.",
            alt="Readout scores of demographics from every kind of features",
        )
    ]


def diagnosis(rows: pd.DataFrame, scheme: str) -> model.Figure:
    """Balanced accuracy of the diagnosis from every kind of features, with nulls."""
    inputs = rows["input"]
    table = scores_table(rows, inputs.map(kind), inputs.map(features_name))
    return draw.figure(
        f"diagnosis_{scheme}",
        partial(scores_paint, colours=COLOURS),
        data=table,
        size=(4.9, 0.9 + 0.27 * max(len(table), 5)),
        caption=f"{scheme_name(scheme)}: the diagnosis again, every step fitted inside each fold "
        "without the diagnosis among the demographics. Orange diamond: declared in advance. Grey "
        "bands: labels permuted within sites.",
        how_to_read="What raw connectomes reach above deconfounded features is what demographics "
        "and compression explain; principal components tell the two apart. Demographics alone "
        "stand beside them.",
        alt=f"Diagnosis from deconfounded features, {scheme_name(scheme).lower()}",
    )
