"""The last job: every image judged, ranked, and summed up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.base import provenance
from neuro.braindive import judging, stage
from neuro.braindive.content_filter import FLAGGED, NONE
from neuro.braindive.seeds import image_path, read_png
from neuro.io.formats import tables

FILTERS = ("filter", "filter_twin")
"""Verdicts of the content filter on an image and its twin."""
N_NATURAL = 8
"""Natural images shown per objective and way of choosing them."""


def judge(given, out, params, log) -> None:
    """Judge the images of all objectives.

    Parameters
    ----------
    given : object
        `blocks`, `data`, `encoder`, `card`, `independent`, `independent_card`, `category`,
        `table`.
    out : object
        `scores`, `summary`, `natural`, `pictures`, `exclusions`, `report`.
    params : object
        `settings`, `names`, `seed`.
    log : callable
    """
    from neuro.encoding import CategoryJudge

    settings = params.settings
    data = stage._data(settings, stage._inputs(given.data)[0])
    guide = stage.load_encoder(given.encoder, settings)
    other = stage.load_encoder(given.independent, settings, "independent")
    judges = [CategoryJudge.load(path) for path in stage._inputs(given.category)]
    category = judges[0] if judges else None
    table = stage._inputs(given.table)
    guide_card = tables.read_tsv(given.card, dtype={"voxel": str, "roi": str})
    blocks: dict[str, list] = {}
    for path in stage._inputs(given.blocks):
        blocks.setdefault(Path(path).parent.name, []).append(Path(path))
    scores, summaries, naturals, exclusions = [], [], [], []
    for row in data.excluded:
        exclusions.append(tables.exclusion(row[0], "read", row[1]))
    for slug, paths in blocks.items():
        name, folder = params.names[slug], paths[0].parent
        objective = stage.objective_of(name, guide, settings, table, guide_card)
        rows = pd.concat(
            [tables.read_tsv(path, dtype=dict.fromkeys(FILTERS, str)) for path in paths],
            ignore_index=True,
        )
        lost = rows.loc[~rows["finite"], "seed"]
        exclusions += [
            tables.exclusion(f"{name} seed {seed}", "sample", "not finite") for seed in lost
        ]
        for unit in objective.missing:
            exclusions.append(tables.exclusion(unit, "objective", f"{name}: encoder lacks it"))
        rows = rows[rows["finite"]].reset_index(drop=True)
        images, twins = (
            np.stack([_read(image_path(folder, seed, twin), data) for seed in rows["seed"]])
            for twin in (False, True)
        )
        preferred = None
        if category is not None and data.condition is not None:
            train = ~data.test
            preferred = judging.preferred_category(
                objective, data.betas[train], data.unit, data.condition[train]
            )
        found, summary = judging.judge_images(
            images, twins, guide, other, objective, category, preferred, random_state=params.seed
        )
        part = pd.concat([rows[["seed", "correction_ratio", "finite", *FILTERS]], found], axis=1)
        part.insert(0, "objective", name)
        scores.append(part)
        natural = _natural(data, guide, other, objective, category, preferred, out, slug)
        naturals += [{"objective": name, **row} for row in natural]
        summary = {"objective": name, "folder": slug, **summary}
        summaries.append(summary | _about(rows, natural, objective))
        log(
            f"{name}: gain A {summary['gain_A']:.3f}, B {summary['gain_B']:.3f} (t "
            f"{summary['t']:.1f}), category {100 * summary['J']:.0f} % against "
            f"{100 * summary['J_twin']:.0f} %{', adversarial' if summary['adversarial'] else ''}"
        )
    summary = pd.DataFrame(summaries)
    tables.write_tsv(out.scores, pd.concat(scores, ignore_index=True))
    tables.write_tsv(out.summary, summary)
    tables.write_tsv(out.natural, pd.DataFrame(naturals))
    tables.write_exclusions(out.exclusions, exclusions)
    cards = [tables.read_tsv(path) for path in (given.card, given.independent_card)]
    planted = settings["images"] == "planted"
    provenance.write_json(
        out.report, headline(summary, *cards, planted=planted, shared=data.shared())
    )
    provenance.dataset_description(
        "results/braindive", name="neuro braindive: preferred images", config=settings
    )


def _about(rows, natural, objective):
    """What an objective's images and the natural ones beside them sum up to."""
    means = pd.DataFrame(natural).groupby("chosen_by")[["A", "B", "J"]].mean()
    return {
        "correction_ratio": rows["correction_ratio"].mean(),
        "n_voxels": len(objective.own_units),
        "natural_A": means.loc["prediction", "A"],
        "natural_B": means.loc["prediction", "B"],
        "natural_beta_B": means.loc["response", "B"],
        "n_flagged": int((rows["filter"] == FLAGGED).sum()),
        "filtered": bool((rows["filter"] != NONE).any()),
        "mds_verdict": objective.verdict,
    }


def _read(path, data):
    image = read_png(path)
    return image if data.images.shape[1] == 3 else image.mean(axis=0, keepdims=True)


def _natural(data, guide, other, objective, category, preferred, out, slug):
    """The best natural test images, by prediction of the guide and by measured response."""
    images, betas = data.images[data.test], data.betas[data.test]
    guess = objective.value(guide.predict(images), guide.unit_)
    real = objective.value(betas, data.unit)
    rows = []
    for chosen_by, values in (("prediction", guess), ("response", real)):
        best = judging.natural_top(images, values, N_NATURAL)
        B = objective.value(other.predict(images[best]), other.unit_)
        J = judging._seen(category, images[best], preferred)
        for rank, place in enumerate(best):
            path = Path(out.pictures) / slug / f"{chosen_by}-{rank + 1}.png"
            _plain_png(path, images[place])
            rows.append(
                {
                    "chosen_by": chosen_by,
                    "rank": rank + 1,
                    "A": guess[place],
                    "B": B[rank],
                    "J": J[rank],
                    "response": real[place],
                }
            )
    return rows


def _plain_png(path, image):
    """A natural image, pixels as they are; it is not marked as synthetic."""
    from PIL import Image

    pixels = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def headline(summary, card, independent_card, *, planted=False, shared=0) -> list[dict]:
    """Rows of report.json.

    Parameters
    ----------
    summary : pandas.DataFrame
    card, independent_card : pandas.DataFrame
    planted : bool
        Whether the category that an objective prefers is planted.
    shared : int
        Pictures that are both in training and test.

    Returns
    -------
    list of dict
        name, value, unit, null, baseline, n; for planted objectives also planted, recovered,
        error.
    """
    found = [
        {
            "name": f"median R2 of {name} on test images",
            "value": float(table["r2"].median()),
            "unit": "",
            "null": 0.0,
            "baseline": None,
            "n": len(table),
        }
        for name, table in (("the guide", card), ("the independent encoder", independent_card))
    ]
    found.append(
        {
            "name": "images shared by training and test",
            "value": shared,
            "unit": "images",
            "null": 0,
            "baseline": None,
            "n": len(summary),
        }
    )
    for row in summary.to_dict("records"):
        entry = {
            "name": f"{row['objective']}: gain under the independent encoder",
            "value": row["gain_B"],
            "unit": "SD of the response",
            "null": 0.0,
            "baseline": None,
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "n": int(row["n"]),
        }
        if planted and row["preferred"]:
            entry |= {
                "planted": f"images of category {row['preferred']}",
                "recovered": f"{100 * row['J']:.0f} % seen as {row['preferred']}",
                "error": f"{100 * (1 - row['J']):.0f} % other (unguided: "
                f"{100 * (1 - row['J_twin']):.0f} %)",
            }
        found.append(entry)
        if row["J"] == row["J"]:
            found.append(
                {
                    "name": f"{row['objective']}: share seen as {row['preferred']}",
                    "value": row["J"],
                    "unit": "",
                    "null": None,
                    "baseline": row["J_twin"],
                    "n": int(row["n"]),
                }
            )
    return found
