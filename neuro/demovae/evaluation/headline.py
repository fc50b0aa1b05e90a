"""The figures that the stage is quoted with."""

from __future__ import annotations

import numpy as np

_UNITS = {"r2": "R2", "balanced_accuracy": "balanced accuracy"}


def main_features(settings) -> str:
    """Name of the configured features in the tables."""
    return f"{settings['mode']}-{settings['latent_dim']}"


def figure(name, value, unit="", null=None, baseline=None, n=None, ci_low=None, ci_high=None):
    """One entry of `report.json`; numbers that are not finite become None."""

    def plain(number):
        return float(number) if number is not None and np.isfinite(number) else None

    return {
        "name": name,
        "value": plain(value),
        "unit": unit,
        "null": plain(null),
        "baseline": plain(baseline),
        "n": None if n is None else int(n),
        "ci_low": plain(ci_low),
        "ci_high": plain(ci_high),
    }


def figures(
    readouts, associations, reconstruction, generation, scores, *, main, planted=None
) -> list[dict]:
    """Headline figures of the stage.

    Parameters
    ----------
    readouts, associations, reconstruction, generation : pandas.DataFrame
        Tables of :mod:`neuro.demovae.evaluation.judge`.
    scores : pandas.DataFrame or None
        Scores of the diagnosis.
    main : str
        Name of the features that are reported, e.g. 'network-60'.
    planted : pandas.DataFrame, optional
        Table of :func:`neuro.demovae.evaluation.recovery.recover`.

    Returns
    -------
    list of dict
        `name`, `value`, `unit`, `null`, `baseline`, `n`, `ci_low`, `ci_high`; of planted effects
        also `planted`, `recovered`, `error`. The baseline of a readout is the raw connectome, of
        the reconstruction the principal components.
    """
    rows = []
    fresh = readouts[(readouts["scheme"] == "halves") & (readouts["fit_on"] == "fresh")]
    raw = fresh[fresh["features"] == "raw"].set_index(["target", "model"])["heldout"]
    for _, row in fresh[fresh["features"] == main].iterrows():
        rows.append(
            figure(
                f"{row['target']} read out of {main} ({row['model']}, fresh)",
                row["heldout"],
                _UNITS[row["metric"]],
                row["chance"],
                raw.get((row["target"], row["model"])),
                row["n"],
            )
        )
    held_out = associations[
        (associations["scheme"] == "folds") & (associations["features"] == main)
    ]
    for _, row in held_out.iterrows():
        rows.append(
            figure(
                f"largest held-out correlation of {main} with {row['column']}",
                row["max_abs_r_heldout"],
                "|r|",
                row["null_bound"],
                n=row["n_test"],
            )
        )
    rows.append(
        figure(
            "people shared by training and test",
            reconstruction["n_shared"].max(),
            "people",
            0,
            n=held_out["n_train"].add(held_out["n_test"]).max() if len(held_out) else None,
        )
    )
    held_out = reconstruction[reconstruction["scheme"] == "folds"].set_index("features")
    if main in held_out.index:
        size = main.rpartition("-")[2]
        rows.append(
            figure(
                f"held-out reconstruction of {main}",
                held_out.loc[main, "rmse_heldout"],
                "RMSE per edge",
                baseline=held_out["rmse_heldout"].get(f"pca-{size}"),
            )
        )
    names = {
        "privacy_ratio": "samples nearer to a training subject than to any other",
        "membership_auc": "membership recognised from the reconstruction error",
        "attack_samples": "people behind the samples told by an attack on the samples alone",
        "attack_weights": "people behind the model told by an attack on its weights",
        "sd_ratio": "edge standard deviation, synthetic over real",
        "told_apart_eigenvalues": "samples told from real people by their eigenvalues",
        "told_apart_linear": "samples told from real people by a linear machine",
        "told_apart_rbf": "samples told from real people by an RBF machine",
    }
    values = generation.set_index("name")
    for key, name in names.items():
        if key in values.index:
            row = values.loc[key]
            rows.append(figure(name, row["value"], "", row["reference"]))
    return rows + _diagnosis(scores, main) + _planted(planted)


def scanned(table) -> list[dict]:
    """How many columns of the participants table each kind of features tells.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`neuro.demovae.evaluation.phenotypes.scan`.

    Returns
    -------
    list of dict
        The baseline is the number that raw connectomes tell.
    """
    whole = table[(table["fit"] == "all") & (table["test"] == "all")]
    told = whole.assign(told=whole["q"] < 0.05).groupby(["features", "bottleneck"], sort=False)
    counts = told["told"].sum()
    raw = counts.get(("none", 0))
    return [
        figure(
            f"columns of {whole['column'].nunique()} that {_told_by(name, size)} tell (q < .05)",
            count,
            "columns",
            null=0,
            baseline=raw if (name, size) != ("none", 0) else None,
            n=whole["n"].max(),
        )
        for (name, size), count in counts.items()
    ]


def _told_by(name, size) -> str:
    """Kind of features in words."""
    if name == "none":
        return f"{size} principal components" if size else "raw connectomes"
    removed = {
        "combat_residual": "ComBat and linear residuals",
        "residual": "linear residuals",
    }.get(name)
    if removed:
        return f"{size} principal components after {removed}"
    return f"{size} latents of the {'network' if name == 'network' else 'linear relative'}"


_LEFT = ("age", "sex", "site")


def _planted(table) -> list[dict]:
    """What should come back, what did: few rows, of the deconfounded features only.

    The square of age and the single maps are in `planted.tsv` and on the page of the stage.
    """
    if table is None:
        return []
    ours = table["features"].str.startswith(("network", "linear"))
    rows = table[table["features"] == table.loc[ours, "features"].iloc[-1]]
    removed, maps = rows[rows["group"] == "removed"], rows[rows["group"] == "maps"]
    entries = [
        _truth(f"{row['name']} left in new people's latents", row, row["planted"])
        for _, row in removed[removed["name"].isin(_LEFT)].iterrows()
    ]
    for _, row in rows[rows["group"] == "kept"].iterrows():
        entries.append(_truth("people's own factors, kept in latents", row))
    maps = maps[maps["unit"] == "r"]
    mean = maps[["planted", "recovered", "error", "baseline"]].mean()
    row = {**mean, "unit": "r", "n": maps["n"].iloc[0]}
    entries.append(_truth(f"maps of samples, mean of {len(maps)}", row))
    return entries


def _truth(name, row, null=0.0) -> dict:
    unit = _UNITS.get(row["unit"], row["unit"])
    entry = figure(name, row["recovered"], unit, null, row["baseline"], row["n"])
    return entry | {key: round(float(row[key]), 4) for key in ("planted", "recovered", "error")}


def _diagnosis(scores, main) -> list[dict]:
    if scores is None:
        return []
    chosen = scores[(scores["metric"] == "balanced_accuracy") & (scores["fold"] == "all")]
    rows = []
    for scheme, group in chosen.groupby("scheme", sort=False):
        alone = group.loc[group["input"] == "demographics", "value"]
        shown = group["primary"].astype(bool) | group["input"].isin(("raw", "demographics"))
        for _, row in group[shown].iterrows():
            rows.append(
                figure(
                    f"diagnosis from {row['input']}, {scheme.replace('_', ' ')}",
                    row["value"],
                    "balanced accuracy",
                    row["null_mean"],
                    alone.iloc[0] if len(alone) and row["input"] != "demographics" else None,
                    row["n"],
                    row["ci_low"],
                    row["ci_high"],
                )
            )
    return rows
