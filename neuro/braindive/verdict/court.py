"""Everybody who has a say about a set of images, and what they say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.braindive import judging, stage
from neuro.braindive.content_filter import FLAGGED, NONE
from neuro.braindive.seeds import best_path, image_path, read_png
from neuro.braindive.verdict.judges import Judge, fit_judges
from neuro.braindive.verdict.panel import REFUTED, Seen, assess, unjudged
from neuro.io.formats import tables

FILTERS = ("filter", "filter_twin")
"""Verdicts of the content filter on an image and its twin."""
TEXTS = [
    *(*FILTERS, "refused", "verdict", "why", "mds_verdict", "reason", "preferred", "folder"),
    *("objective", "judge", "images", "best_verdict", "what"),
]
MANY_TEST = 60
"""Fewer test images are too few to know a judge by."""
CONTROL = ("verdict", "claim", "gain", "low", "high", "transfer")
BEST = [f"best_{key}" for key in CONTROL]
PANEL = ["objective", "images", "judge", "r", "unit", "quality", "gated", "gain", "low", "high"]
PANEL += ["transfer", "refutes"]
N_NATURAL = 8
"""Natural images shown per objective and way of choosing them."""


@dataclasses.dataclass
class Found:
    """Rows of all tables."""

    scores: list = dataclasses.field(default_factory=list)
    summaries: list = dataclasses.field(default_factory=list)
    naturals: list = dataclasses.field(default_factory=list)
    judges: list = dataclasses.field(default_factory=list)
    exclusions: list = dataclasses.field(default_factory=list)
    refused: list = dataclasses.field(default_factory=list)


class Court:
    """Everybody who has a say, and the natural images that they never saw."""

    def __init__(self, given, params, log):
        from neuro.encoding.zero_shot import category_judge

        self.settings, self.seed, self.log = params.settings, params.seed, log
        self.data = stage._data(self.settings, next(iter(stage._inputs(given.data)), None))
        self.guide = stage.load_encoder(given.encoder, self.settings)
        self.category = category_judge(
            self.settings.get("judge", {}), stage._inputs(given.category)
        )
        self.table = stage._inputs(given.table)
        self.card = tables.read_tsv(given.card, dtype={"voxel": str, "roi": str})
        self.other, self.judges, self.rows, self.seen = None, [], {}, {}
        self.words = None
        if self.data is None:
            log("no responses were measured: there is no judge, no verdict")
            return
        independent = stage._inputs(given.independent)[0]
        self.other = stage.load_encoder(independent, self.settings, "independent")
        # With few test images the other's training images are as new to an encoder.
        test = np.flatnonzero(self.data.test)
        self.rows = {"judges": test, "guide": test}
        if len(test) < MANY_TEST:
            self.rows = {
                "judges": np.concatenate([test, self.data.share("encoder")]),
                "guide": np.concatenate([test, self.data.share("independent")]),
            }
        # One that was trained here learned the labels of all training images; one from a file came
        # from elsewhere.
        foreign = self.settings.get("judge", {}).get("type") == "file"
        with_labels = self.category if foreign or len(test) >= MANY_TEST else None
        self.judges = fit_judges(
            self.settings["panel"],
            self.data,
            self.data.share("independent"),
            self.guide,
            self.other,
            with_labels,
            random_state=self.seed,
            log=log,
        )
        self.seen = {
            judge.name: judge.encoder.predict(self.data.images[self.rows["judges"]])
            for judge in self.judges
        }
        self.seen["guide"] = self.guide.predict(self.data.images[self.rows["guide"]])

    def judge(self, name, slug, paths, own, judged):
        """One objective: its images and the control without gradients."""
        rows = pd.concat(
            [tables.read_tsv(path, dtype=dict.fromkeys(TEXTS, str)) for path in paths],
            ignore_index=True,
        )
        refused = rows["refused"].dropna().tolist() if "refused" in rows else []
        if refused:
            judged.exclusions.append(tables.exclusion(name, "objective", refused[0]))
            judged.summaries.append({"objective": name, "folder": slug, "refused": refused[0]})
            judged.refused.append(refused[0])
            self.log(f"{name}: refused: {refused[0]}")
            return
        folder = paths[0].parent
        objective = stage.objective_of(name, self.guide, self.settings, self.table, self.card)
        judged.exclusions += [
            tables.exclusion(f"{name} seed {seed}", "sample", "not finite")
            for seed in rows.loc[~rows["finite"], "seed"]
        ] + [
            tables.exclusion(unit, "objective", f"{name}: encoder lacks it")
            for unit in objective.missing
        ]
        rows = rows[rows["finite"]].drop(columns="refused", errors="ignore").reset_index(drop=True)
        channels = self.guide.channels_ if self.data is None else self.data.images.shape[1]
        images, twins = (
            Stored([image_path(folder, seed, twin) for seed in rows["seed"]], channels)
            for twin in (False, True)
        )
        preferred = self._preferred(objective)
        scores, summary = judging.judge_images(
            images,
            twins,
            self.guide,
            self.other,
            objective,
            self.category,
            preferred,
            random_state=self.seed,
        )
        guided = self.assess(objective, images, twins)
        summary |= _of_verdict(guided)
        judged.judges += _lines(name, "guided", guided)
        summary |= dict.fromkeys(BEST, np.nan) | {"best_verdict": ""}
        best = [best_path(folder, seed) for seed in rows["seed"]]
        if all(path.is_file() for path in best):
            control = self.assess(objective, Stored(best, channels), twins)
            summary |= {f"best_{key}": getattr(control, key) for key in CONTROL}
            judged.judges += _lines(name, "best", control)
        # A refuted set keeps its images and loses its ranks.
        ranks = pd.Series(-scores["B"]).rank(method="first")
        scores["rank_B"] = np.nan if guided.verdict == REFUTED else ranks
        scores = pd.concat(
            [rows[["seed", "correction_ratio", "finite", *FILTERS, "A_best"]], scores], axis=1
        )
        scores.insert(0, "objective", name)
        judged.scores.append(scores)
        natural = []
        if self.data is not None:
            natural = _natural(
                self.data, self.guide, self.other, objective, self.category, preferred, own, slug
            )
        judged.naturals += [{"objective": name, **row} for row in natural]
        summary = {"objective": name, "folder": slug, "refused": "", **summary}
        judged.summaries.append(summary | _about(rows, natural, objective))
        self.log(_line(name, guided, summary))

    def _preferred(self, objective):
        if self.category is None:
            return None
        if self.data is None:
            return judging.named_category(objective.name, self.category.classes)
        train = np.flatnonzero(~self.data.test)
        condition = self._condition(train)
        if condition is None:
            return None
        return judging.preferred_category(
            objective, self.data.betas[train], self.data.unit, condition
        )

    def _condition(self, rows):
        """What natural images show: their labels, or the words that CLIP finds in them."""
        if hasattr(self.category, "names"):
            if self.words is None:
                self.words = self.category.names(self.data.images[rows])
            return self.words
        return None if self.data.condition is None else self.data.condition[rows]

    def assess(self, objective, images, twins):
        """Verdict of the panel on images and their twins."""
        if self.data is None:
            return unjudged(np.nan, [], "no judge: no responses were measured")
        unit, responses = self.data.unit, {}
        for who, rows in self.rows.items():
            responses[who] = objective.value(self.data.betas[rows], unit)
        seen = []
        for own in (Judge("guide", self.guide), *self.judges):
            natural = objective.value(self.seen[own.name], own.encoder.unit_)
            parts = (own.values(objective, pictures) for pictures in (images, twins))
            seen.append(Seen(own.name, natural, *parts))
        return assess(
            seen[1:],
            seen[0],
            responses["judges"],
            guide_response=responses["guide"],
            random_state=self.seed,
        )


def _of_verdict(verdict) -> dict:
    """Columns of the summary."""
    return {
        "verdict": verdict.verdict,
        "why": verdict.reason,
        "claim": verdict.claim,
        "gain": verdict.gain,
        "gain_low": verdict.low,
        "gain_high": verdict.high,
        "transfer": verdict.transfer,
        "smallest": verdict.smallest,
        "n_judges": verdict.n_judges,
    }


def _lines(name, images, verdict) -> list[dict]:
    return [{"objective": name, "images": images, **row} for row in verdict.judges]


def _line(name, verdict, summary) -> str:
    why = f" ({verdict.reason})" if verdict.reason else ""
    return (
        f"{name}: {verdict.verdict}{why}: gain {verdict.gain:.2f} [{verdict.low:.2f}, "
        f"{verdict.high:.2f}] of natural top images, the guide says {verdict.claim:.2f}; best-of-N "
        f"{summary['best_gain']:.2f}; category {100 * summary['J']:.0f} % against "
        f"{100 * summary['J_twin']:.0f} %"
    )


class Stored:
    """Images that stay in their files until some are asked for.

    Parameters
    ----------
    paths : sequence of path-like
    channels : int
        1 gives grey images.
    """

    def __init__(self, paths, channels=3):
        self.paths, self.channels = list(paths), channels

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, rows):
        """Images of a slice, float32 (n, c, h, w) in [0, 1]."""
        images = np.stack([read_png(path) for path in self.paths[rows]])
        return images if self.channels == 3 else images.mean(axis=1, keepdims=True)


def _about(rows, natural, objective):
    """What an objective's images and the natural ones beside them sum up to."""
    columns = ["chosen_by", "A", "B", "J"]
    means = pd.DataFrame(natural, columns=None if natural else columns).groupby("chosen_by")
    means = means[columns[1:]].mean().reindex(["prediction", "response"])
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
        for rank, index in enumerate(best):
            path = Path(out) / "natural" / slug / f"{chosen_by}-{rank + 1}.png"
            _plain_png(path, images[index])
            rows.append(
                {
                    "chosen_by": chosen_by,
                    "rank": rank + 1,
                    "A": guess[index],
                    "B": B[rank],
                    "J": J[rank],
                    "response": real[index],
                }
            )
    return rows


def _plain_png(path, image):
    """A natural image, pixels as they are; it is not marked as synthetic."""
    from PIL import Image

    pixels = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)
