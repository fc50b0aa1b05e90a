"""Result files of the stage adhd with planted values."""

import json

import numpy as np
import pandas as pd

from neuro.io.formats.tables import exclusion, write_exclusions, write_tsv

METRICS = ("balanced_accuracy", "auc", "sensitivity", "specificity", "youden_j", "accuracy")
BASELINES = ("majority", "site", "phenotype", "phenotype+site", "motion")
IMAGING = (
    ("degree", "none"),
    ("degree", "top"),
    ("distdegree", "none"),
    ("distdegree", "top"),
    ("cycle3", "none"),
    ("cycle3", "top"),
    ("fc", "none"),
    ("cycle3+phenotype", "top"),
)


def adhd_tables(folder, table, keys, regions, rng):
    labels = table["participant_id"].str.removeprefix("sub-").to_numpy()[:-1]
    site, y = table["site"].to_numpy()[:-1], table["dx"].to_numpy()[:-1]
    rows, predictions, permutations = [], [], []
    variants = [(name, "none") for name in BASELINES] + list(IMAGING)
    for scheme in ("pooled", "leave_site_out"):
        for name, mask in variants:
            level = {"majority": 0.5, "site": 0.61, "phenotype": 0.66}.get(name, 0.58)
            level = 0.78 if (name, mask) == ("cycle3", "top") else level
            imaging = (name, mask) in IMAGING
            for metric in METRICS:
                value = level if metric != "youden_j" else 2 * level - 1
                value = np.nan if name == "motion" else value
                for fold, place in [("all", "all")] + (
                    [("alpha", "alpha"), ("beta", "beta")]
                    if scheme == "leave_site_out"
                    else [("0", "all")]
                ):
                    rows.append(
                        {
                            "scheme": scheme,
                            "fold": fold,
                            "site": place,
                            "input": name,
                            "mask": mask,
                            "metric": metric,
                            "value": value,
                            "ci_low": value - 0.07,
                            "ci_high": value + 0.07,
                            "null_mean": 0.53 if imaging and fold == "all" else np.nan,
                            "null_sd": 0.03 if imaging and fold == "all" else np.nan,
                            "p": 0.004 if imaging and fold == "all" else np.nan,
                            "n": len(y),
                            "primary": (name, mask) == ("cycle3", "top"),
                        }
                    )
            for repeat in range(2 if scheme == "pooled" else 1):
                score = (level - 0.5) * 4 * (2 * y - 1) + rng.standard_normal(len(y))
                predictions.append(
                    pd.DataFrame(
                        {
                            "participant_id": labels,
                            "scheme": scheme,
                            "repeat": repeat,
                            "fold": np.arange(len(y)) % 5,
                            "site": site,
                            "input": name,
                            "mask": mask,
                            "y": y,
                            "score": score,
                            "subtype": y,
                        }
                    )
                )
            if imaging:
                permutations.append(
                    pd.DataFrame(
                        {
                            "scheme": scheme,
                            "input": name,
                            "mask": mask,
                            "metric": "balanced_accuracy",
                            "permutation": np.arange(200),
                            "value": 0.53 + 0.03 * rng.standard_normal(200),
                        }
                    )
                )
    write_tsv(folder / "scores.tsv", pd.DataFrame(rows))
    write_tsv(folder / "predictions.tsv", pd.concat(predictions))
    write_tsv(folder / "permutations.tsv", pd.concat(permutations))
    kept = [
        {
            "scheme": "pooled",
            "repeat": 0,
            "fold": fold,
            "input": "cycle3",
            "region": region,
            "score": 0.5,
            "kept": region == "R03" or (number + fold) % 5 == 0,
        }
        for fold in range(5)
        for number, region in enumerate(regions)
    ]
    write_tsv(folder / "mask.tsv", pd.DataFrame(kept))
    n = len(labels)
    write_tsv(
        folder / "graphs.tsv",
        pd.DataFrame(
            {
                "run_key": keys[:-1],
                "participant_id": labels,
                "site": site,
                "n_volumes": rng.integers(60, 90, n),
                "dof": rng.uniform(12, 40, n),
                "n_nodes": 3683,
                "density": 0.02,
                "threshold": rng.uniform(0.4, 0.7, n),
                "n_edges": 135614,
                "n_triangles": rng.integers(10**6, 10**7, n),
                "n_constant": 0,
                "seconds": 0.4,
            }
        ),
    )
    maps = []
    for name in ("cycle3", "degree"):
        control = rng.uniform(3, 5, len(regions))
        shift = 0.1 * rng.standard_normal(len(regions))
        shift[3] = 0.9
        p = np.where(np.arange(len(regions)) == 3, 0.0005, rng.uniform(0.05, 1, len(regions)))
        maps.append(
            pd.DataFrame(
                {
                    "region": regions,
                    "map": name,
                    "case": control + shift,
                    "control": control,
                    "difference": shift,
                    "p": p,
                    "q": np.minimum(p * 20, 1),
                    "x": rng.uniform(-60, 60, len(regions)),
                    "y": rng.uniform(-90, 60, len(regions)),
                    "z": rng.uniform(-40, 70, len(regions)),
                }
            )
        )
    write_tsv(folder / "group_maps.tsv", pd.concat(maps))
    write_tsv(
        folder / "pattern.tsv",
        pd.DataFrame({"region": regions, "pattern": rng.standard_normal(len(regions))}),
    )
    write_exclusions(
        folder / "exclusions.tsv",
        [exclusion("gamma", "sites", "one class only: 12 controls, no case", 0, 1)],
    )
    (folder / "report.json").write_text(
        json.dumps(
            [
                {
                    "name": "balanced accuracy, pooled",
                    "value": 0.78,
                    "unit": "",
                    "null": 0.53,
                    "baseline": {"site": 0.61, "phenotype": 0.66},
                    "n": n,
                    "ci_low": 0.71,
                    "ci_high": 0.85,
                }
            ]
        )
    )
