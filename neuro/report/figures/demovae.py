"""Figures of the stage `demovae`: training, what is left in the features, the diagnosis."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.pages.adhd_scores import scheme_name
from neuro.report.site import model

BAND = "#E4E8EC"
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


def losses(history: pd.DataFrame, epoch: int | None) -> list:
    """Loss terms over epochs, and the epoch whose weights are used."""
    terms = [name for name in ("rec", "cov", "mean", "decor", "guide") if name in history]
    looked = history.dropna(subset=["val_rec"]) if "val_rec" in history else history[:0]
    # the first row looks before any step
    after = history[history["epoch"] > 0]
    if after.empty:
        return []

    def paint(picture):
        left, right = picture.subplots(1, 2)
        for name, colour in zip(terms, draw.CYCLE):
            values = after[name].to_numpy(float)
            if np.nanmax(values) > 0:
                label = {"rec": "reconstruction", "cov": "covariance", "decor": "decorrelation"}
                left.plot(after["epoch"], values, color=colour, lw=1.2, label=label.get(name, name))
        left.set_yscale("log")
        left.set_ylabel("Loss term, unweighted")
        right.plot(after["epoch"], after["rec"], color=draw.CONTROL, lw=1.4, label="training rows")
        if len(looked):
            right.plot(
                *(looked["epoch"], looked["val_rec"]),
                *("o-",),
                color=draw.CASE,
                ms=2.5,
                lw=1.2,
                label="held-out subjects",
            )
        right.set_ylabel("Reconstruction, RMSE per edge")
        for axes in (left, right):
            if epoch is not None:
                axes.axvline(epoch, color=draw.INK, lw=1, ls=(0, (3, 2)))
            axes.set_xlabel("Epoch")
            axes.legend(loc="best")
        if epoch is not None:
            right.set_title(f"Weights of epoch {epoch} are used")

    return [
        draw.figure(
            "losses",
            paint,
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


def associations(table: pd.DataFrame) -> list:
    """Largest correlation of a latent with each column, on training and on held-out rows."""
    table = table[table["scheme"] == "folds"]
    columns = list(dict.fromkeys(table["column"]))
    features = list(dict.fromkeys(table["features"]))
    if not columns:
        return []

    def paint(picture):
        several = picture.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        for axes, column in zip(several, columns):
            part = table[table["column"] == column].set_index("features")
            bound = float(part["null_bound"].mean())
            axes.barh((len(features) - 1) / 2, bound, height=len(features), color=BAND, lw=0)
            for y, name in enumerate(features):
                if name not in part.index:
                    continue
                row, colour = part.loc[name], COLOURS.get(kind(name), draw.OTHER)
                ends = [row["max_abs_r_train"], row["max_abs_r_heldout"]]
                axes.plot(ends, [y, y], color=colour, lw=1, zorder=2)
                axes.plot(ends[0], y, "o", color="white", mec=colour, ms=5.5, zorder=3)
                axes.plot(ends[1], y, "o", color=colour, ms=6, zorder=3)
            axes.set_title(column)
            axes.set_xlim(-0.03, 1.08 * max(float(table["max_abs_r_heldout"].max()), bound, 0.1))
            axes.set_xlabel("Largest |r|")
        several[0].set_yticks(range(len(features)), [features_name(name) for name in features])
        several[0].set_ylim(len(features) - 0.5, -0.5)

    return [
        draw.figure(
            "associations",
            paint,
            size=(9.4, 1.1 + 0.34 * max(len(features), 3)),
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


def readout_dots(table: pd.DataFrame) -> list:
    """Fresh readouts of every target from every kind of features."""
    table = table[(table["scheme"] == "halves") & (table["fit_on"] == "fresh")]
    keys = list(dict.fromkeys(zip(table["target"], table["model"])))
    features = list(dict.fromkeys(table["features"]))
    if not keys:
        return []

    def paint(picture):
        n_columns = min(len(keys), 4)
        n_rows = -(-len(keys) // n_columns)
        several = picture.subplots(n_rows, n_columns, sharey=True, squeeze=False)
        for axes in several.ravel()[len(keys) :]:
            axes.set_visible(False)
        for axes, (target, method) in zip(several.ravel(), keys):
            part = table[(table["target"] == target) & (table["model"] == method)]
            part = part.set_index("features")
            for y, name in enumerate(features):
                if name not in part.index:
                    continue
                row, colour = part.loc[name], COLOURS.get(kind(name), draw.OTHER)
                low, high = row["null_lo"], row["null_hi"]
                axes.barh(y, high - low, left=low, height=0.66, color=BAND, lw=0)
                axes.plot([row["chance"], row["heldout"]], [y, y], color=colour, lw=1.2)
                axes.plot(row["heldout"], y, "o", color=colour, ms=5.5)
            chance = float(part["chance"].iloc[0])
            axes.axvline(chance, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
            number = part["metric"].iloc[0] == "r2"
            # a readout far below chance would squeeze the others
            low = max(float(part[["heldout", "null_lo"]].min().min()), chance - 1.0)
            high = max(float(part[["heldout", "null_hi"]].max().max()), chance)
            axes.set_xlim(min(low, chance) - 0.05, high + 0.05)
            axes.set_title(target_name(target, method))
            axes.set_xlabel("R²" if number else "Balanced accuracy")
        for axes in several[:, 0]:
            axes.set_yticks(range(len(features)), [features_name(name) for name in features])
            axes.set_ylim(len(features) - 0.5, -0.5)

    rows = -(-len(keys) // 4)
    return [
        draw.figure(
            "readouts",
            paint,
            size=(9.4, rows * (0.9 + 0.27 * max(len(features), 3))),
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


def diagnosis(part: pd.DataFrame, scheme: str) -> model.Figure:
    """Balanced accuracy of the diagnosis from every kind of features, with nulls."""
    rows = part.to_dict("records")

    def paint(picture):
        axes = picture.subplots()
        for y, row in enumerate(rows):
            colour = draw.CASE if row["primary"] else COLOURS.get(kind(row["input"]), draw.OTHER)
            if np.isfinite(row["null_mean"]):
                half = 1.96 * row["null_sd"]
                axes.barh(y, 2 * half, left=row["null_mean"] - half, height=0.62, color=BAND, lw=0)
                axes.plot([row["null_mean"]] * 2, [y - 0.31, y + 0.31], color="#8A939C", lw=1.2)
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=1.6)
            marker, size = ("D", 6.5) if row["primary"] else ("o", 5)
            axes.plot(row["value"], y, marker, color=colour, ms=size)
        axes.axvline(0.5, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
        axes.set_yticks(range(len(rows)), [features_name(row["input"]) for row in rows], fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("Balanced accuracy")

    return draw.figure(
        f"diagnosis_{scheme}",
        paint,
        size=(4.9, 0.9 + 0.27 * max(len(rows), 5)),
        caption=f"{scheme_name(scheme)}: the diagnosis again, every step fitted inside each fold "
        "without the diagnosis among the demographics. Orange diamond: declared in advance. Grey "
        "bands: labels permuted within sites.",
        how_to_read="What raw connectomes reach above deconfounded features is what demographics "
        "and compression explain; principal components tell the two apart. Demographics alone "
        "stand beside them.",
        alt=f"Diagnosis from deconfounded features, {scheme_name(scheme).lower()}",
    )
