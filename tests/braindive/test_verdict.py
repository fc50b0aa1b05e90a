"""The verdict: formulas against loops over resamples, and planted judges of known quality."""

import numpy as np
import pytest

from neuro.base import seeds
from neuro.braindive.verdict.panel import (
    RANGE,
    REFUTED,
    SUPPORTED,
    UNKNOWN,
    Seen,
    assess,
    clipped,
    n_top,
    unit,
)
from neuro.io.problems import InputProblem


def world(quality, *, n=600, n_pairs=32, truth=2.0, claim=2.0, seed=0, guide=0.4):
    """Judges with the given R2 of the true signal; guided images that lie `truth` SD higher.

    `claim` is what the guide says where its images are no attack; an attack has truth 0.
    """
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    response = signal + 0.5 * rng.normal(size=n)
    real, twin = truth + 0.5 * rng.normal(size=n_pairs), rng.normal(size=n_pairs)

    def seen(name, r2, own=None):
        slope, noise = r2, np.sqrt(r2 * (1 - r2))
        parts = (signal, real if own is None else own + 0 * real, twin)
        return Seen(name, *(slope * part + noise * rng.normal(size=len(part)) for part in parts))

    judges = [seen(f"judge {k}", r2) for k, r2 in enumerate(quality)]
    return judges, seen("guide", guide, claim), response


def slow_unit(p, y):
    n = len(y)
    k = min(n, max(8, round(n / 10)))
    best = sorted(range(n), key=lambda i: -y[i])[:k]
    mean = sum(y) / n
    slope = sum((p[i] - np.mean(p)) * (y[i] - mean) for i in range(n))
    slope /= sum((y[i] - mean) ** 2 for i in range(n))
    return slope * (sum(y[i] for i in best) / k - mean)


def slow(judges, guide, y, n_bootstrap, seed):
    """The recipe, one resample at a time."""
    rng = seeds.generator(seed, "bootstrap of judges")
    natural = rng.integers(len(y), size=(n_bootstrap, len(y)), dtype=np.int32)
    pairs = rng.integers(len(guide.guided), size=(n_bootstrap, len(guide.guided)))
    clip = []
    for judge in judges:
        low, high = np.quantile(judge.natural, RANGE)
        clip.append([np.clip(v, low, high) for v in (judge.natural, judge.guided, judge.unguided)])
    weights, keep = [], []
    for p, _, _ in clip:
        spread = np.std([slow_unit(p[rows], y[rows]) for rows in natural], ddof=1)
        keep.append(slow_unit(p, y) / spread > (2 if len(y) < 100 else 3))
        weights.append(slow_unit(p, y) / np.var(p))
    G = C = 0
    for (p, g, t), w, used in zip(clip, weights, keep):
        if used:
            G, C = G + w * np.mean(g - t), C + w * slow_unit(p, y)
    of_gain, of_transfer, deviation = [], [], []
    for rows, some in zip(natural, pairs):
        g_star = c_star = 0
        for (p, g, t), w, used in zip(clip, weights, keep):
            if used:
                g_star += w * np.mean((g - t)[some])
                c_star += w * slow_unit(p[rows], y[rows])
        claim = np.mean((guide.guided - guide.unguided)[some])
        claim /= slow_unit(guide.natural[rows], y[rows])
        of_gain.append(g_star - 0.25 * c_star)
        of_transfer.append(g_star - 0.5 * claim * c_star)
        deviation.append((g_star - G / C * c_star) / C)
    told = np.mean(guide.guided - guide.unguided) / slow_unit(guide.natural, y)
    low, high = (np.quantile(values, [0.05, 0.95]) for values in (of_gain, of_transfer))
    return G / C, told, keep, low, high, 2.49 * np.std(deviation, ddof=1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_panel_is_the_recipe_worked_out_resample_by_resample(seed):
    judges, guide, y = world([0.3, 0.05, 0.001], n=90, n_pairs=9, seed=seed)
    found = assess(judges, guide, y, n_bootstrap=60, random_state=seed)
    gain, claim, keep, of_gain, of_transfer, smallest = slow(judges, guide, y, 60, seed)
    assert found.gain == pytest.approx(gain) and found.claim == pytest.approx(claim)
    assert [row["gated"] for row in found.judges] == keep and found.n_judges == sum(keep)
    assert found.smallest == pytest.approx(smallest)
    assert found.transfer == pytest.approx(gain / claim)
    if of_gain[1] < 0 and of_transfer[1] < 0:
        assert found.verdict == REFUTED
    if found.verdict == SUPPORTED:
        assert of_gain[0] > 0 and of_transfer[0] > 0


def test_the_unit_is_the_mean_prediction_of_the_natural_top_images():
    rng = np.random.default_rng(3)
    y = rng.normal(size=4000)
    p = 0.2 * y + 0.5 * rng.normal(size=4000)
    best = np.argsort(-y)[: n_top(4000)]
    assert unit(p, y) == pytest.approx(slow_unit(p, y))
    assert unit(p, y) == pytest.approx(p[best].mean() - p.mean(), rel=0.15)
    assert unit(p, np.ones(4000)) == 0 and n_top(30) == 8 and n_top(5) == 5


def test_a_judge_in_other_units_says_the_same():
    judges, guide, y = world([0.3, 0.2, 0.1], seed=4)
    scaled = [Seen(j.name, *(7 * v - 3 for v in (j.natural, j.guided, j.unguided))) for j in judges]
    a, b = assess(judges, guide, y), assess(scaled, guide, y)
    assert a.gain == pytest.approx(b.gain) and a.verdict == b.verdict
    assert a.low == pytest.approx(b.low) and a.transfer == pytest.approx(b.transfer)
    # responses in other units: the slope falls as the height of the top rises
    c = assess(judges, guide, 5 * y + 1)
    assert c.gain == pytest.approx(a.gain)


def test_planted_gains_are_supported_and_attacks_are_not():
    found = [assess(*world([0.35, 0.2, 0.15], seed=seed), n_bootstrap=300) for seed in range(20)]
    assert sum(item.verdict == SUPPORTED for item in found) >= 18
    assert all(item.verdict != REFUTED for item in found)
    assert np.mean([item.gain for item in found]) == pytest.approx(2 / 1.57, rel=0.15)
    # ascent on pixels claims more than twice what natural top images have
    attacks = [
        assess(*world([0.35, 0.2, 0.15], truth=0, claim=4.0, seed=seed), n_bootstrap=300)
        for seed in range(20)
    ]
    assert sum(item.on_transfer == "below" for item in attacks) >= 19
    assert sum(item.verdict == REFUTED for item in attacks) >= 5
    assert all(item.verdict != SUPPORTED for item in attacks)
    assert all(item.reason.startswith(("", "the guide overclaims")) for item in attacks)


@pytest.mark.parametrize("quality", [0.35, 0.12, 0.05])
def test_weak_judges_do_not_refute_a_true_gain(quality):
    found = [
        assess(
            *world([quality] * 3, truth=1.0, claim=1.0, n=400, seed=seed), n_bootstrap=200
        ).verdict
        for seed in range(100)
    ]
    assert found.count(REFUTED) <= 2


def test_judges_that_know_nothing_abstain():
    judges, guide, y = world([1e-6, 1e-6], seed=5)
    found = assess(judges, guide, y)
    assert found.verdict == UNKNOWN and found.n_judges == 0 and np.isnan(found.gain)
    assert found.reason == "no judge predicts this region well enough"
    assert assess([], guide, y).reason == "there is no judge"
    mixed = assess([*judges, *world([0.4], seed=5)[0]], guide, y)
    assert mixed.n_judges == 1 and mixed.verdict == UNKNOWN
    assert mixed.reason == "only one judge predicts this region well enough"


def test_a_guide_that_says_too_much_is_told_how_much():
    found = assess(*world([0.5, 0.5, 0.5], truth=2.0, claim=9.0, seed=6, n=2000))
    assert found.verdict == UNKNOWN and found.reason.startswith("the guide overclaims")
    assert float(found.reason.split()[3]) == pytest.approx(1 / found.transfer, abs=0.06)
    nothing = assess(*world([0.5, 0.5], truth=2.0, claim=-1.0, seed=6))
    assert nothing.reason == "the guide itself claims no gain"
    weak = assess(*world([0.5, 0.5], seed=6, guide=1e-6))
    assert weak.reason.startswith("the guide itself does not predict")


def test_a_judge_who_stands_alone_against_the_others_stops_the_verdict():
    judges, guide, y = world([0.5, 0.5, 0.5], seed=7, n=1000)
    enemy = Seen("enemy", judges[0].natural, judges[0].unguided - 0.1, judges[0].unguided)
    found = assess([*judges, enemy], guide, y)
    assert found.verdict == UNKNOWN and found.reason == "judge enemy alone refutes it"


def test_the_guide_may_have_natural_images_of_its_own():
    judges, guide, y = world([0.3, 0.2], seed=10)
    rows = np.random.default_rng(0).permutation(len(y))[:300]
    own = Seen("guide", guide.natural[rows], guide.guided, guide.unguided)
    found, whole = assess(judges, own, y, guide_response=y[rows]), assess(judges, guide, y)
    assert found.gain == whole.gain and found.low == whole.low
    told = np.mean(guide.guided - guide.unguided) / slow_unit(guide.natural[rows], y[rows])
    assert found.claim == pytest.approx(told)


def test_predictions_far_outside_count_as_the_edge():
    judges, _, _ = world([0.3], seed=8)
    wild = Seen("wild", judges[0].natural, judges[0].guided + 1e6, judges[0].unguided)
    edge = np.quantile(wild.natural, RANGE[1])
    assert np.all(clipped(wild).guided == edge)


def test_one_seed_gives_one_verdict_and_bad_input_is_one_line():
    judges, guide, y = world([0.3, 0.2], seed=9)
    assert assess(judges, guide, y, random_state=1) == assess(judges, guide, y, random_state=1)
    few = assess(judges, guide, y[:3])
    assert few.verdict == UNKNOWN and few.reason.startswith("3 natural images, at least 20")
    with pytest.raises(InputProblem, match="0 images"):
        assess([], Seen("g", guide.natural, np.empty(0), np.empty(0)), y)
