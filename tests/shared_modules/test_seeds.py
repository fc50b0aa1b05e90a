"""Everything random has a stream of its own: no repeat, permutation, restart or image shares one.

Whatever a stage draws for number k of seed s is compared with every other number and with the
next fifty seeds. Arithmetic on seeds (`seed + k`) is refused wherever it stands.
"""

import ast
import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro.base import seeds

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "neuro").rglob("*.py")) + sorted((ROOT / "workflow").rglob("*.py"))
SEEDS = range(51)
FAR = (1000, 2000, 1_000_003)
"""Seeds that arithmetic on seeds would take for number 1, 2, ... of seed 0."""


def all_differ(drawn):
    """Whether no two of the arrays (by seed and number) are equal."""
    seen = {}
    for key, value in drawn.items():
        value = np.ascontiguousarray(value).tobytes()
        assert value not in seen, f"{key} draws what {seen[value]} draws"
        seen[value] = key
    assert len(seen) > 1


# --- the module ---------------------------------------------------------------------------------


def test_names_numbers_and_seeds_are_kept_apart():
    assert len(set(seeds.STREAMS.values())) == len(seeds.STREAMS)
    names = list(seeds.STREAMS)
    drawn = {
        (seed, name, number): seeds.stream(seed, name, number).generate_state(4)
        for seed, name, number in itertools.product((*SEEDS, *FAR), names, range(5))
    }
    all_differ(drawn)
    numbers = {(s, n): seeds.number(s, n, 1) for s in (*SEEDS, *FAR) for n in names}
    assert len(set(numbers.values())) == len(numbers)


def test_the_same_seed_gives_the_same_and_none_gives_another():
    first, again = (seeds.generator(3, "image", 2).integers(2**60) for _ in range(2))
    assert first == again
    some = [seeds.generator(None, "image", 2).integers(2**60) for _ in range(2)]
    assert some[0] != some[1]
    with pytest.raises(KeyError, match="no such stream"):
        seeds.stream(0, "no such stream")


def test_a_restart_has_a_number_of_its_own_or_none():
    found = [seeds.restart(seed, k) for seed in range(5) for k in (0, 1, 500, 999)]
    assert len(set(found)) == len(found)
    with pytest.raises(ValueError, match="got number 1000, expected 0 to 999"):
        seeds.restart(0, 1000)


# --- the sources --------------------------------------------------------------------------------

MAKERS = {"default_rng", "SeedSequence", "RandomState", "manual_seed", "seed_rng", "Generator"}
ALONE = {
    "neuro/base/seeds.py": "the place where streams are made",
    # a whole number below 2**32 that no arithmetic made; graph-tool takes 0 for "any"
    "neuro/ntf/communities/backends.py": "seed_rng",
    # lists of seed, number of states, fold and start: their length and a fold above 0 keep them
    # apart, and the fits that the docs quote hang on them
    "neuro/hmmglm/baselines/poisson.py": "[random_state, number of the start]",
    "neuro/hmmglm/sets.py": "[seed, number of states]",
    # restarts of one search: [number by seeds.restart, purpose, draw]
    "neuro/mds/clusters/search.py": "[seed, purpose, ...]",
    "neuro/mds/clusters/restarts.py": "[seed, 4]",
}


def is_seed(node):
    """Whether an expression is a seed by its name."""
    if isinstance(node, ast.Call) and node.args:
        return is_seed(node.args[0])
    name = getattr(node, "id", getattr(node, "attr", ""))
    return bool(re.fullmatch(r"(?i)(.*_)?(seed|random_state)", name))


def made_by_hand(text):
    """Lines of a source where a seed is made by arithmetic, or a stream from a bare list."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult, ast.Sub)):
            if is_seed(node.left) or is_seed(node.right):
                found.append(node.lineno)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in MAKERS and any(isinstance(arg, ast.List) for arg in node.args):
                found.append(node.lineno)
    return found


def test_no_seed_is_made_by_arithmetic_or_from_a_bare_list():
    wrong = {}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name not in ALONE and not name.startswith("neuro/simulate/"):
            wrong[name] = made_by_hand(path.read_text())
        elif name.startswith("neuro/simulate/"):
            lines = path.read_text().splitlines()
            wrong[name] = [
                k for k in made_by_hand(path.read_text()) if "default_rng([" not in lines[k - 1]
            ]
    assert {name: lines for name, lines in wrong.items() if lines} == {}
    for path in sorted((ROOT / "workflow").rglob("*.smk")):
        assert not re.search(r"seed\"?\]? *[+*]", path.read_text()), path


@pytest.mark.parametrize(
    "text",
    [
        "f(seed + 1)",
        "f(1000 * int(self.random_state))",
        "torch.manual_seed(params.seed + k)",
        "np.random.default_rng([seed, 3])",
    ],
)
def test_the_search_for_arithmetic_finds_it(text):
    assert made_by_hand(text) == [1]


def test_every_stream_is_used_under_its_name_and_always_with_as_many_numbers():
    used = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            name = getattr(node.args[1], "value", None)
            if function in ("stream", "generator", "number", "streams") and isinstance(name, str):
                used.setdefault(name, set()).add(len(node.args) - 2)
    for path in sorted((ROOT / "workflow").rglob("*.smk")):
        used |= {
            name: {1} for name in re.findall(r'seeds\.number\(\w+, "(.*?)", .*\)', path.read_text())
        }
    assert set(used) == set(seeds.STREAMS)
    assert {name for name, counts in used.items() if len(counts) > 1} == set()


# --- the stages ---------------------------------------------------------------------------------


def test_adhd_repeats_of_the_folds():
    from neuro.stats.subjects import make_folds

    n = 40
    people = pd.DataFrame(
        {
            "participant_id": [f"s{k:02d}" for k in range(n)],
            "site": ["a", "b"] * (n // 2),
            "site_group": ["a", "b"] * (n // 2),
            "dx": [0, 0, 1, 1] * (n // 4),
        }
    )
    drawn = {}
    for seed in (*SEEDS, *FAR):
        table = make_folds(people, schemes=["pooled"], repeats=4, random_state=seed)
        for repeat, part in table.groupby("repeat"):
            drawn[seed, repeat] = part["fold"].to_numpy(dtype="U2")
    all_differ(drawn)


def test_adhd_permutations_and_bootstraps():
    from neuro.adhd.diagnosis.metrics import bootstrap_metrics
    from neuro.adhd.diagnosis.permutation import permute_labels

    y, who = np.arange(60) % 2, np.array([f"s{k:02d}" for k in range(60)])
    cells = np.repeat("a", 60)
    all_differ(
        {
            (seed, key, k): permute_labels(y, who, cells, k, seed, key)
            for seed in (*SEEDS, *FAR)
            for key in range(3)
            for k in range(6)
        }
    )
    decision = np.random.default_rng(0).standard_normal(60)
    all_differ(
        {seed: bootstrap_metrics(y, decision, who, 20, seed)["auc"] for seed in (*SEEDS, *FAR)}
    )


def test_demovae_halves_and_what_is_drawn_in_them(monkeypatch):
    from neuro.demovae.coding.cohort import Cohort
    from neuro.demovae.evaluation import judge

    n = 40
    people = pd.DataFrame({"participant_id": [f"s{k:02d}" for k in range(n)], "age": np.arange(n)})
    cohort = Cohort(
        np.zeros((n, 1), np.float32),
        people,
        list(people["participant_id"]),
        ["r", "s"],
        "pearson",
        (),
        [],
    )
    halves, inner = {}, {}
    for seed in (*SEEDS, *FAR):
        seen = []

        def one_half(train, test, settings, build, own, seen=seen):
            seen.append((list(train.participant_id), own))
            values = pd.DataFrame({"name": ["x"], "value": [0.0]})
            maps = pd.DataFrame({"map": ["x"], "r": [0.0]})
            return values, maps, {"nearest_train": np.zeros(1), "nearest_heldout": np.zeros(1)}

        monkeypatch.setattr(judge, "_one_half", one_half)
        judge.judge_generation(cohort, {}, None, seed)
        for part, (who, own) in enumerate(seen):
            halves[seed, part] = np.array(who)
            inner[seed, part] = np.array(own)
    all_differ(halves)
    all_differ(inner)


def test_demovae_seed_of_its_own_is_no_other_seed():
    numbers = {(s, k): seeds.number(s, "demovae seed", k) for s in SEEDS for k in range(1, 6)}
    assert len(set(numbers.values())) == len(numbers)


def test_ntf_tensors_of_surrogates_and_the_statistics_of_their_motifs(monkeypatch):
    from neuro.io.recordings.reader import Recording
    from neuro.ntf import stage, summary
    from neuro.ntf.communities import nulls

    # as many neurons as make two equal draws of their lags unlikely
    traces = np.random.default_rng(0).standard_normal((300, 9)).astype(np.float32)
    drawn = {}

    class Stop(Exception):
        pass

    def build(items):
        drawn[len(drawn)] = np.concatenate([item.traces for item in items])
        raise Stop

    for seed in (*SEEDS, *FAR):
        for surrogate in stage.null_seeds(seed, 0, 4, 4):
            with pytest.raises(Stop):
                nulls.null_motifs([Recording("w", traces, 4.0)], build, None, [surrogate])
    assert len(drawn) == 4 * (len(SEEDS) + len(FAR))
    all_differ(drawn)
    for value in drawn.values():
        assert not np.array_equal(value, traces)

    given = []
    monkeypatch.setattr(
        summary, "statistic", lambda *_, random_state, **__: given.append(random_state)
    )
    monkeypatch.setattr(summary, "motifs", lambda factors: [])
    monkeypatch.setattr(summary, "active_scale", lambda *_: [])
    factors = type("Factors", (), dict.fromkeys(("time_", "animals_", "lambda_")))
    null = nulls.NullMotifs(np.ones((5, 3, 3), np.float32), np.zeros(5, int), np.zeros(1))
    for seed in (*SEEDS, *FAR):
        summary.find_communities(
            factors, null, ["networkx"], {"transform": "none", "weights": "exponential"}, seed
        )
    assert len(set(given)) == len(given) == 5 * (len(SEEDS) + len(FAR))


def test_ntf_chunks_do_not_change_the_surrogates():
    from neuro.ntf import stage

    whole = stage.null_seeds(3, 0, 10, 10)
    assert [seed for chunk in range(4) for seed in stage.null_seeds(3, chunk, 3, 10)] == whole


def test_ntf_starts():
    from neuro.ntf.factors.models import NonNegativeCP
    from neuro.ntf.factors.operators import as_operator

    operator = as_operator(np.random.default_rng(0).random((4, 2, 3)).astype(np.float32))
    all_differ(
        {
            (seed, k): start.pairs
            for seed in (*SEEDS, *FAR)
            for k, start in enumerate(NonNegativeCP.starts(operator, 2, 4, seed))
        }
    )


def test_hmmglm_starts_and_shifted_runs(monkeypatch):
    from neuro.hmmglm import sets
    from neuro.hmmglm.baselines import sweep
    from neuro.hmmglm.design.bins import Binned

    rng = np.random.default_rng(0)
    sequences = [(rng.random((60, 3)) < 0.3).astype(int) for _ in range(2)]
    table = pd.DataFrame({"source": ["a", "b"], "label": ["x", "y"], "start_s": 0.0, "n_bins": 60})
    binned = Binned(sequences, [np.ones(60, bool)] * 2, table, pd.DataFrame(), 1.0, None)
    shifted, starts = {}, []

    def fit_fold(settings, models, given, *_, seed, tag, **__):
        if tag:
            shifted[seed, tag] = np.concatenate(given)
        return [], {}

    monkeypatch.setattr(sets.sweep, "fit_fold", fit_fold)
    monkeypatch.setattr(sets.sweep, "baseline_rows", lambda *_, **__: [])
    monkeypatch.setattr(sets.sweep, "as_table", lambda rows: rows)
    monkeypatch.setattr(
        sets, "estimator_settings", lambda settings: {"emission": "poisson", "n_history": 1}
    )
    settings = {
        "n_starts": 1,
        "model": ["plain"],
        "folds": 1,
        "input": "fmri",
        "events": {"n_null": 4},
    }
    for seed in (*SEEDS, *FAR):
        sets.fit_size(binned, np.zeros(2, int), settings, 2, seed=seed)
    assert len(shifted) == 4 * (len(SEEDS) + len(FAR))
    all_differ(shifted)
    for seed, k, fold, start in itertools.product((*SEEDS, *FAR), (1, 2, 3), (0, 1, 2), (0, 1, 2)):
        starts.append(np.random.SeedSequence([*sweep.cell_seed(seed, k, fold), start]))
    all_differ({k: item.generate_state(4) for k, item in enumerate(starts)})


def test_mds_restarts_and_their_noise():
    from neuro.mds.clusters.search import Rules, Search
    from neuro.mds.stimuli.discrete import DiscreteSpace

    space = DiscreteSpace(np.random.default_rng(0).random((500, 40)))
    labels, noise = {}, {}
    for seed in (*SEEDS, *FAR):
        for number in range(4):
            search = Search(space, np.arange(40), 40, Rules(), seeds.restart(seed, number))
            labels[seed, number] = search.state.labels
            for draw in range(3):
                noise[seed, number, draw] = search._fresh(6)
    all_differ(labels)
    all_differ(noise)


def test_braindive_images():
    pytest.importorskip("torch")
    from neuro.braindive.diffusion.sampler import BrainGuidedSampler

    drawn = {}
    for seed in (*SEEDS, *FAR, 2**32):
        sampler = BrainGuidedSampler.__new__(BrainGuidedSampler)
        sampler.generator = type("Latents", (), {"latent_shape": (4, 2, 2)})
        sampler.device, sampler.random_state = "cpu", seed
        noise = sampler.noise(range(8)).numpy()
        np.testing.assert_array_equal(sampler.noise([5]).numpy()[0], noise[5])
        drawn |= {(seed, k): part for k, part in enumerate(noise)}
    all_differ(drawn)


def test_encoding_folds_and_copies():
    from neuro.encoding.ridge import fold_numbers

    all_differ({seed: fold_numbers(np.arange(60), 5, seed) for seed in (*SEEDS, *FAR)})
