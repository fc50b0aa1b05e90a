"""What the stage `mds` finds: planted movie cells, its rules one by one, voxels, IT neurons.

    python benchmarks/mds_recovery.py [PART ...] [--data it.tar.gz] [--out table.md]

PART is `movies` (planted types in space and time), `steps` (what each rule that differs from the
paper does on planted cells), `voxels` (the demo's voxels, stimuli made or picked) or `it` (typing
of recorded IT neurons; `--data` is the archive that configs/it.yaml names). Without a PART all
run that need no recording. Tables on standard output; in the file of `--out` a part replaces its
own section only. The same seeds give the same figures. Runs on one thread.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from page import circumstances, table
from threadpoolctl import threadpool_limits

from neuro import config
from neuro.io.problems import InputProblem
from neuro.mds import DiscreteSpace, MostDiscriminativeStimuli, TemporalTwin, stage
from neuro.mds.stimuli.objective import Ascender, Ask, membership
from neuro.simulate.ln8 import ln8_population, orientation_continuum
from neuro.stats.agreement import adjusted_rand

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
RANGE = {"norm": 3, "clip": (-2, 2)}
"""Of the planted cells' stimuli, as in benchmarks/mds.py."""
LOOKS = (1, 2, 10, 50, 500)
"""Steps after which an ascent is looked at; an M step has 50."""


def number(value):
    """A whole number, or two decimals without a negative zero."""
    if isinstance(value, int):
        return str(value)
    return f"{round(value, 2) + 0.0:.2f}" if np.isfinite(value) else "n/a"


def cells_of(results, *keys):
    """Cells of a row with the values of all seeds; equal words once."""
    texts = []
    for key in keys:
        values = [result[key] for result in results]
        if isinstance(values[0], str):
            values = values[:1] if len(set(values)) == 1 else values
        else:
            values = [number(value) for value in values]
        texts.append(", ".join(values))
    return texts


def told(model, types=None):
    """Clusters, agreement with the truth and of the restarts, verdict of a fitted search."""
    result = {"k": model.n_clusters_, "agree": float("nan"), "verdict": model.verdict_}
    if len(model.restarts_) > 1:
        result["agree"] = model.stability()["restart_ari"]
    if types is not None:
        known = model.labels_ >= 0
        result["ari"] = adjusted_rand(np.asarray(types)[known], model.labels_[known])
    return result


# Types in space and time.


def moving_cells(n_per_type, size=8, n_frames=10, seed=0):
    """Filters in space and time: ON and OFF, slow and fast, and two directions of a grating."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2)
    age = np.arange(n_frames)[::-1, None, None]
    types, filters = np.repeat(np.arange(6), n_per_type), []
    for kind in types:
        (dx, dy), scale = rng.normal(0, 0.3, 2), 1 + rng.normal(0, 0.08)
        blob = np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / (2 * (1.6 * scale) ** 2))
        slow = np.exp(-((age - 4) ** 2) / (2 * (1.8 * scale) ** 2))
        fast = np.exp(-((age - 2) ** 2) / 1.6) - np.exp(-((age - 4.5) ** 2) / 1.6)
        sign = 1 - 2 * (kind % 2)
        if kind < 4:
            f = sign * blob * (slow, fast)[kind // 2]
        else:
            phase = 2 * np.pi * ((x - dx) / (5 * scale) + sign * age / 6)
            f = blob * np.exp(-((age - 4) ** 2) / 8) * np.cos(phase)
        filters.append(f.reshape(n_frames, -1) / np.linalg.norm(f))
    return np.array(filters), types


def moving_twin(n_clips, seed):
    """A twin of one Poisson trial per clip of noise; also clips, true filters and types."""
    filters, types = moving_cells(15, seed=seed)
    rng = np.random.default_rng(seed + 10)
    clips = rng.standard_normal((n_clips, *filters.shape[1:])).astype(np.float32)
    drive = clips.reshape(n_clips, -1) @ filters.reshape(len(filters), -1).T
    counts = rng.poisson(np.logaddexp(0, 4 * drive) / 2)
    twin = TemporalTwin().fit(clips, counts, np.array(["train"] * (n_clips - 500) + ["test"] * 500))
    return twin, clips, filters, types


def movies():
    """Filters and types that the temporal twin finds, by number of clips and norm."""
    rows, levels = [], []
    shown = {(2, (-2, 2)): "2", (3, (-2, 2)): "3", ("auto", (-2, 2)): "null"}
    shown["auto", "auto"] = "null, `mds.clip` null too"
    for n_clips in (3000, 8000):
        corr, found = [], {key: [] for key in shown}
        for seed in SEEDS:
            twin, clips, filters, types = moving_twin(n_clips, seed)
            corr.append(
                np.mean([np.corrcoef(a.flat, b.flat)[0, 1] for a, b in zip(twin.filters_, filters)])
            )
            for (norm, clip), results in found.items():
                model = MostDiscriminativeStimuli(norm=norm, clip=clip, grouping="objective").fit(
                    twin, stimuli=clips[:400]
                )
                results.append(told(model, types))
            levels.append(model.norm_)
        filters_found = ", ".join(map(number, corr))
        for key, results in found.items():
            cells = cells_of(results, "k", "ari", "agree", "verdict")
            rows.append([f"{n_clips:,}", filters_found, shown[key], *cells])
    head = ("clips", "r of the filters", "`mds.norm`", "K", "ARI", "restarts agree", "verdict")
    return [
        "Six planted types of 15 cells, 8 x 8 pixels, 10 frames, one Poisson trial per clip; "
        "seeds 0, 1, 2; preset `robust`, range -2 to 2 unless said otherwise.",
        "",
        *table(head, rows),
        f"`null` is the norm of whole clips of noise, {min(levels):.1f} to {max(levels):.1f}.",
    ]


# Rules that differ from the paper.


def ascent(population, step, step_size, seed=5):
    """Objective after every step of the stimuli of the true types."""
    labels = population.types
    space = Ascender(
        population,
        population.stimulus_shape,
        step=step,
        step_size=step_size,
        low=-2,
        high=2,
        norm=3,
    )
    weights, levels = membership(labels, len(labels)), []

    def climb():
        stimuli = space.noise(int(labels.max()) + 1, seed)
        for _ in range(LOOKS[-1]):
            (answer,) = yield Ask([(stimuli, weights)], 1)
            stimuli = answer.stimuli
            levels.append(answer.objective)

    space.run([climb()])
    return np.array(levels)


class AnyGain(MostDiscriminativeStimuli):
    """The preset's search, but every gain of the objective accepts a split."""

    def rules(self, **changes):
        """As of the preset, apart from the acceptance."""
        return super().rules(**{"any_gain": True} | changes)


def steps():
    """Length of a step, acceptance and groups of a split, units that a restart sees."""
    rows = []
    for seed in SEEDS:
        population = ln8_population(30, random_state=seed)
        for step, size in (("absolute", 100.0), ("relative", 0.1)):
            levels = ascent(population, step, size)
            cells = [f"{levels[n - 1]:.2f}" for n in LOOKS]
            highest = f"{levels.max():.2f} (step {int(levels.argmax()) + 1})"
            rows.append([seed, f"{step}, {size:g}", *cells, highest])
    head = ("seed", "step", f"J after {LOOKS[0]}", *map(str, LOOKS[1:]), "highest")
    lines = [
        "Stimuli of the eight true types (240 cells, norm 3, range -2 to 2) from noise:",
        "",
        *table(head, rows),
    ]
    rows = []
    for name, make in (
        ("`paper`", lambda **given: MostDiscriminativeStimuli("paper", **given)),
        ("`robust`", lambda **given: MostDiscriminativeStimuli(grouping="objective", **given)),
        (
            "`robust`, any gain accepts a split",
            lambda **given: AnyGain(grouping="objective", **given),
        ),
        (
            "`robust`, 5 groups per split",
            lambda **given: MostDiscriminativeStimuli(n_sub=5, grouping="objective", **given),
        ),
    ):
        results = []
        for seed in SEEDS:
            population = ln8_population(30, random_state=seed)
            results.append(told(make(**RANGE).fit(population), population.types))
        rows.append([name, *cells_of(results, "k", "ari", "agree")])
    lines += [
        "Search on the same cells, seeds 0, 1, 2:",
        "",
        *table(("rules", "K", "ARI with the types", "restarts agree"), rows),
    ]
    rows = []
    for share in (0.5, 1.0):
        results = [
            told(
                MostDiscriminativeStimuli(subsample=share, grouping="objective", **RANGE).fit(
                    orientation_continuum(random_state=seed)
                )
            )
            for seed in SEEDS
        ]
        name = "a random half of the units" if share < 1 else "all units"
        rows.append([name, *cells_of(results, "k", "agree", "verdict")])
    lines += [
        "Orientation continuum of 240 cells, seeds 0, 1, 2, preset `robust`:",
        "",
        *table(("a restart sees", "K", "restarts agree", "verdict"), rows),
    ]
    return lines


# Voxels and recorded neurons, as the workflow treats them.


def settings_of(path):
    """All settings of a configuration file, defaults filled in."""
    settings = yaml.safe_load(path.read_text("utf-8"))
    problems = config.resolve(settings, source=path.name)
    if problems:
        raise InputProblem(problems)
    return settings


def voxels():
    """The demo's voxels: stimuli made by gradient, or picked among the training images."""
    from neuro.simulate.scenes import write_scenes

    settings = settings_of(ROOT / "config.yaml")
    own, found, counts = settings["mds"], {}, []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scenes.h5"
            write_scenes(path, **settings["simulate"]["scenes"], random_state=seed)
            data = stage.load(path, own, "voxels")
            twin = stage.make_twin(data, own, seed)
            units, _, twin = stage.unit_table(data, twin, own, seed)
            facts = {"table": units, "stimuli": stage.kept_stimuli(data, twin)}
        counts.append(len(units["unit"]))
        deviations = (facts["stimuli"] - twin.offset).reshape(len(facts["stimuli"]), -1)
        whole = float(np.median(np.linalg.norm(deviations, axis=1)))
        for name, given in (
            ("picked (default)", {}),
            ("made, `mds.norm` null", {"stimulus_space": "continuous"}),
            ("made, norm of whole images", {"stimulus_space": "continuous", "norm": whole}),
        ):
            given = own | given
            model = stage.model(given, seed).fit(
                stage.search_space(twin, facts, given),
                stimuli=facts["stimuli"],
                unit_mask=stage.fit_mask(facts),
            )
            found.setdefault(name, []).append(
                told(model, units["roi"]) | {"norm": float(model.norm_)}
            )
    keys = ("norm", "k", "ari", "agree", "verdict")
    rows = [[name, *cells_of(results, *keys)] for name, results in found.items()]
    n_regions = len(set(units["roi"]))
    return [
        f"{', '.join(map(str, counts))} voxels of {n_regions} planted regions (`config.yaml`), "
        "seeds 0, 1, 2 of scenes, voxels and search; seed 0 is the demo's.",
        "",
        *table(("stimuli", "norm", "K", "ARI with the regions", "restarts agree", "verdict"), rows),
    ]


def it(path):
    """Typing of IT neurons on even repeats, with conditions picked on odd ones."""
    own = settings_of(ROOT / "configs" / "it.yaml")["mds"]
    data = stage.load(path, own, "it")
    twin = stage.discrete_twin(data)
    units = {"source": list(range(len(data.unit)))}

    def judged(model):
        typing = stage.even_typing(twin, units, model.stimuli_, model.labels_)
        return told(model) | {
            "typed": typing["even_typing_ari"],
            "shuffled": typing["even_typing_shuffled"],
        }

    rows, keys = [], ("k", "typed", "shuffled", "agree", "verdict")
    results = [
        judged(
            stage.model(own, seed).set_params(grouping="objective").fit(DiscreteSpace(twin.values))
        )
        for seed in SEEDS
    ]
    rows.append(["free K, halves of the neurons", *cells_of(results, *keys)])
    for k in own["k_ladder"]:
        results = [
            judged(
                MostDiscriminativeStimuli(
                    n_clusters_init=k,
                    split=False,
                    n_restarts=own["n_restarts"],
                    subsample=1.0,
                    grouping="objective",
                    random_state=seed,
                ).fit(DiscreteSpace(twin.values))
            )
            for seed in SEEDS
        ]
        rows.append([f"plain EM at {k}, all neurons", *cells_of(results, *keys)])
    head = ("search", "K", "ARI of the typing", "shuffled", "restarts agree", "verdict")
    return [
        f"{twin.values.shape[1]} neurons, {len(twin.values)} conditions, {own['n_restarts']} "
        "restarts, search seeds 0, 1, 2.",
        "",
        *table(head, rows),
    ]


PARTS = {"movies": movies, "steps": steps, "voxels": voxels, "it": it}
TITLE = "# Most discriminative stimuli: what is found"


def section(part, lines, spent):
    """A part's text, with when, where and by what it was measured."""
    command = f"python benchmarks/mds_recovery.py {part}"
    head = circumstances(command, ("numpy", "torch"), f"One thread, {spent:.0f} CPU s")
    return "\n".join([f"## {part}", "", *head, "", *lines]).rstrip()


def main():
    """Run the parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("../shared/data/responses/it_zhang_desimone.tar.gz"),
    )
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    parts = arguments.part or [name for name in PARTS if name != "it"]
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"{unknown[0]}: no such part; expected {', '.join(PARTS)}")
    if "it" in parts and not arguments.data.exists():
        parser.error(f"{arguments.data}: no such file; see the head of configs/it.yaml")
    torch.set_num_threads(1)
    # Parts that do not run now stay as they were measured: `it` needs a recording.
    known = {}
    if arguments.out and arguments.out.is_file():
        texts = re.split(r"^(?=## )", arguments.out.read_text("utf-8"), flags=re.MULTILINE)[1:]
        known = {text.split(maxsplit=2)[1]: text.rstrip() for text in texts}
    for part in parts:
        begin = time.process_time()
        lines = it(arguments.data) if part == "it" else PARTS[part]()
        known[part] = section(part, lines, time.process_time() - begin)
        print(known[part], end="\n\n", flush=True)
    if arguments.out:
        texts = [TITLE, *(known[part] for part in PARTS if part in known)]
        arguments.out.write_text("\n\n".join(texts) + "\n", "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
