"""What the stage `hmmglm` finds: planted spike trains, rat hippocampus, Aplysia.

    python benchmarks/hmmglm_recovery.py PART [--recordings FOLDER] [--only NAME ...]
        [--states K ...] [--sizes N ...] [--models NAME ...] [--out table.md]

PART is `planted` (data of the paper's released code, `neuro.simulate.switching`, seeds 0, 1, 2),
`track`, `ladder` (the track with its covariates, two states), `days` (run and rest as two days of
one network), `aplysia` (archives extracted into the folder `recordings`, as the heads of
configs/hippocampus.yaml and configs/aplysia.yaml say) or `scale` (cost against size, simulated).
Tables on standard output; the same seeds give the same figures. `--only` names preparations of
`aplysia`, `--states` its numbers of states. Runs on one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from hmmglm_aplysia import PREPARATIONS, aplysia, bits_of
from page import heading, table
from threadpoolctl import threadpool_limits

from neuro.hmmglm.baselines.compare import edge_scores, match_states
from neuro.hmmglm.baselines.poisson import PoissonHMM
from neuro.hmmglm.design import bins
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.stats.agreement import adjusted_rand

SEEDS = (0, 1, 2)
MODELS = ("plain", "gaussian", "onehot")
NAMES = {
    "plain": "free couplings",
    "gaussian": "Gaussian prior",
    "onehot": "one-hot (spike-and-slab, ours)",
    "relaxed": "one-hot (relaxed)",
}


def fit(truth, n, model, n_starts, seed, **settings):
    """The first `n` planted sequences."""
    settings = {"n_states": 5, "link": "sigmoid", "bias": "shared", **settings}
    estimator = OneHotHMMGLM(model=model, n_starts=n_starts, random_state=seed, **settings)
    return estimator.fit(list(truth.counts[:n]))


def judge(model, truth, score):
    """Held-out loss, states, couplings and edges of a fitted model."""
    test, states = list(truth.counts[30:]), list(truth.states[30:])
    found = [gamma.argmax(axis=1) for gamma in model.predict_proba(test)]
    pairs, accuracy = match_states(found, states)
    order = pairs[np.argsort(pairs[:, 1]), 0]
    result = edge_scores(model.adjacency_[order], truth.adjacency)
    result |= {"gap": score - model.score(test), "states": accuracy}
    result["ari"] = adjusted_rand(np.concatenate(found), np.concatenate(states))
    result["r"] = np.corrcoef(model.weights_[order].ravel(), truth.weights.ravel())[0, 1]
    if model.model == "onehot":
        result["mode"] = np.mean(model.anatomical_prior_.argmax(-1) == truth.prior.argmax(-1))
    return result


def known_edges_mode(truth):
    """Share of edges whose prior mode the planted edges of five states themselves tell."""
    count = np.stack([(truth.adjacency == sign).sum(axis=0) for sign in (-1, 0, 1)], axis=-1)
    return np.mean((count + np.array([0.2, 1.6, 0.2])).argmax(-1) == truth.prior.argmax(-1))


def planted():
    """Recovery by number of sequences, the control without edges, sizes, starts."""
    from neuro.simulate.switching import switching_glm, truth_log_likelihood

    rows, modes, lines = [], [], []
    made = {}
    for seed in SEEDS:
        truth = switching_glm(random_state=seed)
        score = truth_log_likelihood(truth, truth.counts[30:]).sum() / truth.counts[30:, :, 0].size
        made[seed] = truth, score
        lines.append(f"Truth of seed {seed}: {score:.4f} nats per held-out bin.")
    plan = [(30, name, 3, {}) for name in MODELS] + [(30, "relaxed", 2, {"solver": "relaxed"})]
    plan += [(10, "onehot", 3, {}), *((3, name, 6, {}) for name in MODELS), (1, "onehot", 5, {})]
    keys = ("gap", "states", "ari", "r", "accuracy", "balanced", "macro_f1")
    for n, name, n_starts, settings in plan:
        results = []
        for seed, (truth, score) in made.items():
            model = fit(truth, n, name.replace("relaxed", "onehot"), n_starts, seed, **settings)
            results.append(judge(model, truth, score))
        cells = [", ".join(f"{item[key]:.3f}" for item in results) for key in keys]
        rows.append([n, NAMES[name], n_starts, *cells])
        if n == 10:
            modes = [
                f"{item['mode']:.3f} ({known_edges_mode(truth):.3f})"
                for item, (truth, _) in zip(results, made.values())
            ]
    head = ["sequences", "model", "starts", "below the truth", "states", "ARI", "r couplings"]
    lines += ["", *table([*head, "edge accuracy", "balanced", "macro-F1"], rows)]
    lines += [
        "Mode of the shared prior found with 10 sequences (in brackets: what the planted edges of "
        f"all states tell): {', '.join(modes)}.",
        "",
    ]
    for k in (1, 5):
        shares = []
        for seed in SEEDS:
            truth = switching_glm(n_sequences=15, edges=False, random_state=seed)
            model = fit(truth, 10, "onehot", 2, seed, n_states=k)
            edges, shared = np.mean(model.adjacency_ != 0), np.mean(model.to_signed() != 0)
            shares.append(
                f"{edges:.3f} / {shared:.3f} / {model.score(list(truth.counts[10:])):.4f}"
            )
        lines.append(
            f"No edge planted, K = {k}: edges called in the states / in the shared graph / "
            f"held-out LL per bin: {', '.join(shares)}."
        )
    truth, _ = made[0]
    test = list(truth.counts[30:])
    curve = {
        k: fit(truth, 10, "gaussian", 3, 0, n_states=k).score(test) for k in (1, 3, 4, 5, 6, 7)
    }
    values = ", ".join(f"{k}: {value:.4f}" for k, value in curve.items())
    lines += ["", f"Gaussian prior, 10 sequences, held-out LL per bin by K: {values}."]
    starts = fit(truth, 10, "gaussian", 20, 1).starts_
    reached = np.array([start["objective"] for start in starts])
    near = int(np.sum(reached >= reached.max() - 1e-4 * abs(reached.max())))
    lines.append(f"Starts within 0.01 % of the best: {near} of 20.")
    return lines


def track(folder):
    """Rat hippocampus on a linear track: even segments for training, odd ones held out."""
    from neuro.io.spikes.reader import read_spikes

    data = read_spikes(folder / "linear-track" / "spikes.mat")
    binned = bins.bin_recording(data, 0.05, segment_s=30.0)
    train, test = binned.sequences[0::2], binned.sequences[1::2]
    lines = []
    few = [train[k] for k in np.linspace(0, len(train) - 1, 4).round().astype(int)]
    for sequences in (train, few):
        rows = []
        n_bins = sum(map(len, sequences))
        for k in (1, 2, 3, 4) if sequences is train else (1, 2):
            hmm = PoissonHMM(k, n_starts=3).fit(sequences)
            cells = [f"{bits_of(hmm, sequences, test):.3f}"]
            for name, options in HELD_BACK:
                model, spent = timed(sequences, k, name, **options)
                end = "" if model.starts_[0]["status"] == "converged" else "; not converged"
                cells.append(f"{model.bits_per_spike(test):.3f} ({spent:.1f} s{end})")
            rows.append([k, *cells])
        titles = ["free, no ridge", "free, ridge", "free, early stop", "Gaussian", "one-hot"]
        lines += [f"{n_bins} training bins:", ""]
        lines += [*table(["K", "HMM without couplings", *titles], rows), ""]
    return lines


def ladder(folder, bare=False):
    """What history, position and states add on the linear track, as configs/hippocampus.yaml."""
    import yaml

    from neuro.config.resolve import resolve
    from neuro.hmmglm import sets

    text = Path(__file__).parents[1].joinpath("configs/hippocampus.yaml").read_text("utf-8")
    config = yaml.safe_load(text.replace("recordings/", f"{folder}/"))
    problems = resolve(config)
    if problems:
        raise SystemExit("\n".join(problems))
    settings = {**config["hmmglm"], "input": "spikes"}
    if bare:
        settings["covariates"] = {}
    binned, _, folds = sets.bin_spikes([settings["sets"]["lineartrack"]], settings)
    found = sets.climb_ladder(binned, folds, settings, 2)
    rows = []
    for row in found.itertuples():
        of = f" (over {row.below})" if isinstance(row.below, str) else ""
        gain = f"{row.gain:.3f}, {row.gain_low:.3f} to {row.gain_high:.3f}{of}" if of else ""
        numbers = (f"{row.bits_per_spike:.3f}", gain, row.verdict if of else "", row.ridge)
        rows.append([row.rung, row.n_history, *numbers, row.covariate_ridge, row.converged])
    titles = ["history", "bits", "gain, 95 %", "verdict", "ridge", "of covariates", "converged"]
    return table(["rung", *titles], rows)


def days(folder):
    """The track and the rest after it as two days of one network."""
    from neuro.hmmglm.days import OneHotDays, compare_days
    from neuro.io.spikes.reader import read_spikes

    data = read_spikes(folder / "linear-track" / "spikes.mat")
    sequences = bins.bin_recording(data, 0.05, segment_s=30.0).sequences
    cut = round((5422.0 - 4397.0) / 30)
    rows = []
    for every in (1, 4):
        parts = [sequences[:cut], sequences[cut:]]
        train = [part[0 :: 2 * every] for part in parts]
        test = [part[1::2] for part in parts]
        for k in (1, 2):
            found = compare_days(OneHotDays(k, n_starts=3, random_state=0), train, test, dt=0.05)
            bits = found.table
            rows.append(
                [
                    sum(map(len, train[0])),
                    k,
                    *(
                        ", ".join(f"{x:.3f}" for x in bits[n])
                        for n in ("shared", "separate", "pooled")
                    ),
                    f"{found.gain():.4f}",
                    f"{found.gain('pooled'):.4f}",
                ]
            )
    titles = ["shared graph", "separate", "pooled", "gain over separate", "over pooled"]
    return table(["training bins of a day", "K", *titles], rows)


SIZES = ((60, 12_000, 3), (150, 24_000, 3), (300, 12_000, 5), (300, 72_000, 5))
FULL_UNTIL = 100, 150
"""Most units at which whole curvatures are run: of one-hot edges, of the Gaussian prior."""


def reference():
    """CPU seconds of ten products of single-precision matrices of 1,500: how fast this is."""
    x = np.random.default_rng(0).standard_normal((1500, 1500)).astype(np.float32)
    x @ x
    begin = time.process_time()
    for _ in range(10):
        x @ x
    return time.process_time() - begin


def scale(only=None, models=None):
    """One start at given penalties: whole curvatures and none, by size (`only`: which)."""
    import resource

    from neuro.simulate.switching import _draw

    kernel = np.exp(-np.arange(1, 6))
    rows = []
    for n, n_bins, k in SIZES if only is None else [SIZES[number] for number in only]:
        rng = np.random.default_rng(0)
        signs = rng.choice([-1, 0, 1], p=[0.02, 0.96, 0.02], size=(k, n, n))
        weights = signs * np.log1p(3 * rng.uniform(size=(k, n, n)))
        stay = np.full((k, k), 0.02 / (k - 1))
        np.fill_diagonal(stay, 0.98)
        bias = rng.uniform(-3.5, -2, size=n)
        drawn = _draw(rng, 24, n_bins // 24, weights, bias, stay, kernel / kernel.sum())
        for model, largest in zip(("onehot", "gaussian"), FULL_UNTIL):
            if models and model not in models:
                continue
            for newton in ("truncated", "full")[: 2 if n <= largest else 1]:
                begin = time.process_time()
                fitted = OneHotHMMGLM(k, model, link="sigmoid", ridge=1.0, prior_sd=1 / 3)
                fitted.set_params(n_starts=1, random_state=0, newton=newton, tol=1e-5)
                start = fitted.fit(list(drawn[0])).starts_[0]
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                spent = f"{time.process_time() - begin:.1f}"
                reached = f"{start['objective']:.1f}"
                rows.append([n, n_bins, k, NAMES[model], newton, spent, f"{peak:.2f}"])
                rows[-1] += [start["iterations"], start["status"], reached]
                print(rows[-1], flush=True)
    titles = ["bins", "K", "model", "steps", "CPU s", "peak GB so far", "iterations", "end"]
    return [
        *table(["units", *titles, "objective"], rows),
        f"One-hot edges begin from a Gaussian model, whose fit is included. Ten products of "
        f"single-precision matrices of 1,500 took {reference():.2f} CPU s right after.",
    ]


HELD_BACK = (
    ("plain", {"ridge": 0.0}),
    ("plain", {}),
    ("plain", {"stop": "tuned"}),
    ("gaussian", {}),
    ("onehot", {}),
)
"""Models of the track: converged without a ridge, with one, ended early; and the two priors."""


def timed(sequences, k, name, **options):
    """A fit of the track and its CPU seconds."""
    begin = time.process_time()
    model = OneHotHMMGLM(k, name, n_starts=3, random_state=0, **options).fit(sequences, dt=0.05)
    return model, time.process_time() - begin


def asked(arguments) -> str:
    """The command of these arguments, without what differs between machines."""
    words = ["python benchmarks/hmmglm_recovery.py", arguments.part]
    for name in ("only", "states", "sizes", "models"):
        if values := getattr(arguments, name):
            words += [f"--{name}", *map(str, values)]
    return " ".join(words + ["--bare"] * arguments.bare)


def main():
    """Run one part and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("planted", "track", "ladder", "days", "scale", "aplysia"))
    parser.add_argument("--recordings", type=Path, default=Path("recordings"))
    parser.add_argument("--only", nargs="+", choices=PREPARATIONS)
    parser.add_argument("--sizes", nargs="+", type=int, help="rows of `scale`, from 0")
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, help="models of `scale` and `aplysia`"
    )
    parser.add_argument("--states", nargs="+", type=int, help="of `aplysia`")
    parser.add_argument("--bare", action="store_true", help="the ladder without covariates")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = arguments.recordings
    if arguments.part not in ("planted", "scale") and not folder.is_dir():
        parser.error(f"{folder}: no such folder; see the head of configs/*.yaml")
    begin = time.process_time()
    lines = {
        "planted": planted,
        "scale": lambda: scale(arguments.sizes, arguments.models),
        "track": lambda: track(folder),
        "days": lambda: days(folder),
        "ladder": lambda: ladder(folder, arguments.bare),
        "aplysia": lambda: aplysia(folder, arguments.only, arguments.states, arguments.models),
    }[arguments.part]()
    spent = f"{time.process_time() - begin:.0f} CPU s"
    head = heading(
        f"Switching states: {arguments.part}", asked(arguments), ("numpy", "numba", "scipy"), spent
    )
    text = "\n".join([*head, *lines, ""])
    print(text)
    if arguments.out:
        arguments.out.write_text(text, "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
