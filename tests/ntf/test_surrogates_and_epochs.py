"""Surrogates, planted epochs, tensors that are never built, the connectome at one moment."""

import numpy as np
import pytest
from ntf_nulls import left_out

from neuro.io.recordings.reader import PairKernels, Recording
from neuro.ntf.affinity.separable import SeparableTensor
from neuro.ntf.affinity.tensor import build_tensor
from neuro.ntf.communities import nulls, surrogates
from neuro.ntf.communities.detect import communities, motifs, statistic
from neuro.ntf.communities.dynamic import activity, co_membership, dynamic_connectome
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import DenseRows
from neuro.simulate.motifs import planted_epochs, planted_motifs
from neuro.simulate.pair_cases import EMPTY, FS, pair_case
from neuro.stats.agreement import ami

# --- surrogates -------------------------------------------------------------------------------


def test_a_surrogate_keeps_each_trace_and_breaks_what_they_share():
    rng = np.random.default_rng(0)
    shared = np.convolve(rng.standard_normal(700), np.ones(8) / 8, "valid")[:600]
    traces = (shared[:, None] + 0.1 * rng.standard_normal((600, 6))).astype(np.float32)
    item = surrogates.shifted(Recording("w", traces, 4.0), np.random.default_rng(1))
    upper = np.triu_indices(6, 1)
    assert np.corrcoef(traces.T)[upper].min() > 0.8
    assert np.abs(np.corrcoef(item.traces.T)[upper]).mean() < 0.4
    for old, new in zip(traces.T, item.traces.T):
        drift = surrogates.slow_drift(old, 4.0)
        first, piece = surrogates.joined(old - drift, 4.0)
        # frame by frame the same beyond the drift, which stays in place; some seconds twice
        assert 0 <= first < 20 and 560 < len(piece) <= 600
        rolls = [np.abs(np.roll(piece, k) - (new - drift)[: len(piece)]).max() for k in range(600)]
        lag = int(np.argmin(rolls))
        assert min(rolls) < 1e-5 and 20 < (lag + first) % len(piece) < len(piece) - 20


@pytest.mark.parametrize("kind", EMPTY)
def test_a_shift_has_no_step_at_its_seam(kind):
    """Where an end meets a beginning a trace changes as it does from frame to frame."""
    steps, usual, largest = [], [], []
    for seed in range(3):
        x = pair_case(kind, rng=np.random.default_rng(seed))
        for trace in x.T:
            _, piece = surrogates.joined(trace - surrogates.slow_drift(trace, FS), FS)
            changes = np.abs(np.diff(piece))
            steps.append(abs(piece[0] - piece[-1]))
            usual.append(np.quantile(changes, 0.9))
            largest.append(changes.max())
    steps = np.array(steps)
    assert (steps <= usual).mean() > 0.95 and (steps <= largest).all()


def test_bleaching_stays_where_it_is():
    """Drift is common and no interaction: a surrogate without it would be too easy to exceed."""
    time = np.linspace(0, 1, 800)[:, None]
    bleach = np.linspace(5, 20, 6) * np.exp(-2 * time)
    noise = 0.1 * np.random.default_rng(0).standard_normal((800, 6))
    item = surrogates.shifted(Recording("w", bleach + noise, FS), np.random.default_rng(1))
    assert np.abs(item.traces - bleach).max() < 0.6


def test_the_common_rate_stays_and_groups_go():
    """A burst of all neurons stays frame by frame; a group of a third is no common rate."""
    rng = np.random.default_rng(3)
    burst = np.zeros(1200)
    burst[500:700] = 3
    events = (rng.random(1200) < 0.05) * 3.0
    group = np.convolve(events, np.exp(-np.arange(30) / 6))[:1200]
    traces = burst[:, None] + 0.3 * rng.standard_normal((1200, 24))
    traces[:, :8] += group[:, None]
    item = surrogates.surrogate(Recording("w", traces, FS), np.random.default_rng(1), "rate")
    inside = np.zeros(1200, bool)
    inside[500:700] = True
    step = item.traces[500:520].mean() - item.traces[480:500].mean()
    assert 2.5 < step < 3.5
    quiet = ~inside
    quiet[480:720] = False
    apart = np.corrcoef(item.traces[quiet][:, :8].T)[np.triu_indices(8, 1)]
    together = np.corrcoef(traces[quiet][:, :8].T)[np.triu_indices(8, 1)]
    assert together.mean() > 0.8 and apart.mean() < 0.5
    # nothing is moved by more than 4 s: events are found again that near
    for column in range(8):
        moved = item.traces[:480, column] - item.traces[:480, 12]
        lags = [np.corrcoef(moved[40:440], group[40 + k : 440 + k])[0, 1] for k in range(-20, 21)]
        assert max(lags) > 0.8 and abs(int(np.argmax(lags)) - 20) <= 16


def test_independent_neurons_have_nothing_in_common_in_surrogates():
    """A neuron shares something with any median that it is in; that is no common rate."""
    upper = np.triu_indices(24, 1)
    before, after = [], []
    for seed in range(4):
        x = pair_case("independent", 24, 800, rng=np.random.default_rng(seed))
        item = surrogates.paced(Recording("w", x, FS), np.random.default_rng(seed))
        before.append(np.corrcoef(x.T)[upper].mean())
        after.append(np.corrcoef(item.traces.T)[upper].mean())
    assert np.mean(after) - np.mean(before) < 0.01


def test_the_common_rate_is_the_median_of_the_others():
    """Against numpy, with gaps, ties, a lonely value and frames without any."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 7))
    x[:, 3] = np.round(x[:, 3])
    known = rng.random(x.shape) > 0.3
    known[5], known[6] = False, np.arange(7) == 2
    given = np.where(known, x, np.nan)
    scaled = (given - np.nanmean(given, axis=0)) / np.nanstd(given, axis=0)
    got = surrogates._common(given, known)
    for column in range(7):
        others = np.delete(scaled, column, axis=1)
        some = np.isfinite(others).any(axis=1)
        np.testing.assert_allclose(got[some, column], np.nanmedian(others[some], axis=1))
        assert not got[~some, column].any()


def test_common_bursts_are_not_beyond_the_default_null():
    """Independent neurons that burst together explain more than shifted, not than at a rate."""
    options = {"kind": "excess", "sign": "signed", "window_s": 20.0, "bin_s": 10.0}

    def build(items):
        return build_tensor(items, **options)

    def fit(tensor):
        return ConcatenatedNMF(2, n_starts=1, max_iter=60, random_state=0).fit(tensor)

    gain = {null: [] for null in surrogates.NULLS}
    for seed in range(20, 24):
        x = pair_case("burst", 24, 800, rng=np.random.default_rng(seed)).astype(np.float32)
        items = [Recording("w", x, FS)]
        own = fit(build(items)).explained_
        for null, values in gain.items():
            values.append(own - nulls.null_motifs(items, build, fit, range(3), null=null).explained)
    assert np.mean(gain["shift"]) > 0.005 > np.mean(gain["rate"])
    assert nulls.null_motifs(items, build, fit, range(1)).null == "rate"


@pytest.mark.parametrize("n_neurons", [12, 24])
def test_members_of_groups_are_background_beside_the_common_rate_alone(n_neurons):
    """Why background neurons are read beside shifted traces; it is no matter of few neurons."""
    rows = [left_out(n_neurons, seed) for seed in (0, 2)]
    rate, shift = (np.array([row[null] for row in rows]) for null in ("rate", "shift"))
    assert (rate[:, 0] >= 0.4).all() and (shift[:, 0] <= 0.1).all()
    assert (shift[:, 1] >= 0.5).all(), "neurons outside of the groups"
    assert all(row["explained"] > row[null][2] for row in rows for null in surrogates.NULLS)


@pytest.mark.parametrize("null", surrogates.NULLS)
def test_surrogates_repeat_under_a_seed_and_keep_gaps_and_short_traces(null):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5))
    x[50:80, 1], x[:, 2], x[:, 3] = np.nan, 1.0, np.nan
    made = [
        surrogates.surrogate(Recording("w", x, 4.0), np.random.default_rng(s), null).traces
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2], equal_nan=True)
    np.testing.assert_array_equal(np.isnan(made[0]), np.isnan(x))
    np.testing.assert_allclose(made[0][:, 2], 1.0)
    few = surrogates.surrogate(Recording("w", x[:5], 4.0), rng, null).traces
    assert few.shape == (5, 5)


def test_an_unknown_null_is_refused():
    with pytest.raises(ValueError, match="null: got 'turn', expected one of rate, shift"):
        surrogates.surrogate(Recording("w", np.zeros((9, 2)), 4.0), None, "turn")


def test_a_surrogate_leaves_masked_frames_in_place():
    traces = np.arange(200, dtype=np.float32).reshape(100, 2)
    mask = np.ones(100, bool)
    mask[40:50] = False
    spoiled = traces.copy()
    spoiled[~mask] = np.nan
    item = surrogates.surrogate(Recording("w", spoiled, 4.0, None, mask), np.random.default_rng(0))
    assert np.isnan(item.traces[~mask]).all() and np.isfinite(item.traces[mask]).all()


def test_dealt_kernels_stay_kernels_and_holes_stay_holes():
    rng = np.random.default_rng(0)
    kernels = rng.random((8, 8, 5)).astype(np.float32)
    kernels[2, 3] = kernels[5, 1] = np.nan
    names = [f"N{k}" for k in range(8)]
    item = surrogates.surrogate(PairKernels("a", kernels, 2.0, names), np.random.default_rng(1))
    assert np.array_equal(np.isnan(item.kernels), np.isnan(kernels))
    assert not np.array_equal(item.kernels, kernels, equal_nan=True)
    upper = np.triu_indices(8, 1)
    a, b = (np.sort(np.nan_to_num(x[upper]).sum(axis=1)) for x in (item.kernels, kernels))
    np.testing.assert_allclose(a, b)

    def fit(tensor):
        return ConcatenatedNMF(2, n_starts=1, random_state=0).fit(tensor)

    given = [PairKernels("a", kernels, 2.0, names)]
    assert nulls.null_motifs(given, build_tensor, fit, [0]).null == "dealt"


def analysed(planted, n_null=20, seed=0, backend="networkx", surrogate=None):
    """p values of the components of recordings (or of one of their surrogates)."""
    recordings = planted.recordings
    if surrogate is not None:
        rng = np.random.default_rng([surrogate, 5])
        recordings = [surrogates.shifted(item, rng) for item in recordings]

    def build(items):
        return build_tensor(items, planted.events, "stimulus", snr_min=0 if surrogate else 1.5)

    def fit(tensor):
        return NonNegativeCP(3, n_starts=2, random_state=seed).fit(tensor)

    model = fit(build(recordings))
    null = nulls.null_motifs(recordings, build, fit, range(n_null), null="shift")
    values = [statistic(m, backend, random_state=k) for k, m in enumerate(null.motifs)]
    return [
        communities(m, backend, n_seeds=5, null=values, random_state=seed).p_value
        for m in motifs(model)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["networkx", "sbm"])
def test_surrogates_of_surrogates_are_not_significant(backend):
    """Acceptance 9: at most one component of twenty."""
    planted = planted_epochs(4, 18, 2, epoch_s=20, rest_s=10, random_state=3)
    p = [analysed(planted, 7, backend=backend, surrogate=seed) for seed in range(1, 21)]
    first = np.array([row[0] for row in p])
    assert (first < 0.05).sum() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["networkx", "sbm"])
def test_planted_motifs_are_significant(backend):
    """Acceptance 9: in at least eight of ten seeds."""
    found = 0
    for seed in range(10):
        planted = planted_epochs(6, 30, 3, epoch_s=20, rest_s=10, random_state=seed)
        found += max(analysed(planted, 7, seed, backend)) < 0.05
    assert found >= 8


# --- planted epochs ---------------------------------------------------------------------------


def recovered(planted, alignment, differ=False, **options):
    """Correlation of the matched time factors with the epochs, and AMI of the communities.

    `differ` says whether animals saw the stimuli in different orders.
    """
    from scipy.optimize import linear_sum_assignment

    tensor = build_tensor(planted.recordings, planted.events, alignment, **options)
    model = NonNegativeCP(3, n_starts=5, random_state=0).fit(tensor)
    condition, on = tensor.time_map["condition"], tensor.time_map["on"]
    noted = any("events differ" in note for note in tensor.notes)
    assert (set(condition) == {""}) == noted == differ
    if differ:
        # no condition is marked where animals differ: take the clock of the first one
        condition, on = condition.astype(object), on.copy()
        first = planted.events[planted.events["animal"] == planted.recordings[0].name]
        for row in first.itertuples():
            start = tensor.time_map["offset_s"] + 0.5
            inside = (start >= row.onset_s) & (start < row.onset_s + row.duration_s)
            condition[inside], on[inside] = row.condition, True
    epochs = np.array([on & (condition == name) for name in planted.conditions], float)
    correlation = np.corrcoef(epochs, model.time_.T)[:3, 3:]
    rows, columns = linear_sum_assignment(-correlation)
    scores = []
    for row, column in zip(rows, columns):
        truth = planted.communities[row]
        found = communities(motifs(model)[column], n_seeds=10).labels
        order = [int(name[1:]) - 1 for name in tensor.names]
        active = truth[order] >= 0
        scores.append(ami(truth[order][active], found[active]))
    return correlation[rows, columns], np.array(scores)


@pytest.mark.parametrize(
    ("kind", "least", "options"),
    [
        ("differential", 0.8, {}),
        ("product", 0.8, {}),
        ("sliding_window", 0.8, {"sign": "blind", "window_s": 20.0}),
        ("edge_ts", 0.55, {"sign": "blind"}),
    ],
)
def test_planted_epochs_and_communities_are_found(kind, least, options):
    """Acceptance 7: three communities x three epochs, ten animals, sixty neurons."""
    planted = planted_epochs(random_state=0)
    correlation, agreement = recovered(planted, "task", kind=kind, **options)
    assert correlation.min() >= least
    if kind != "edge_ts":
        assert agreement.min() >= 0.9


def test_counterbalanced_stimuli_are_aligned_by_identity_not_by_slot():
    """Acceptance 8: three orders, nine animals; the clock alone mixes the stimuli."""
    planted = planted_epochs(9, counterbalanced=True, random_state=0)
    correlation, agreement = recovered(planted, "stimulus")
    assert correlation.min() >= 0.8 and agreement.min() >= 0.9
    mixed, wrong = recovered(planted, "task", differ=True)
    assert mixed.mean() < correlation.mean() - 0.1
    assert wrong.mean() < agreement.mean() - 0.1


# --- matrix-free ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["product", "root", "edge_ts"])
def test_the_tensor_that_never_exists_gives_the_same_products(kind):
    """Acceptance 15: sixty neurons, 1e-5."""
    planted = planted_epochs(3, 60, 2, epoch_s=15, rest_s=10, random_state=0)
    traces = [item.traces for item in planted.recordings]
    free = SeparableTensor.from_traces(traces, 4.0, kind)
    dense = DenseRows(build_tensor(planted.recordings, None, "none", kind=kind).values)
    assert free.shape == dense.shape
    assert free.sq_norm == pytest.approx(dense.sq_norm, rel=1e-5)
    rng = np.random.default_rng(0)
    right = rng.random((dense.shape[2], 4), np.float32)
    left = rng.random((dense.n_rows, 4), np.float32)
    for got, expected in ((free.dot(right), dense.dot(right)), (free.tdot(left), dense.tdot(left))):
        assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()
    rows, pairs = slice(1, None, 3), np.arange(0, 1770, 7)
    np.testing.assert_allclose(free.gather(rows, pairs), dense.gather(rows, pairs), atol=1e-5)
    for animal in range(3):
        np.testing.assert_allclose(free.animal(animal), dense.animal(animal), atol=1e-5)
    a, b = (ConcatenatedNMF(3, n_starts=2, random_state=0).fit(x) for x in (free, dense))
    np.testing.assert_allclose(a.errors_, b.errors_, rtol=1e-3)


# --- one moment -------------------------------------------------------------------------------


def test_the_dynamic_connectome_is_the_sum_of_active_motifs():
    values, _, _ = planted_motifs(30, 4, 12, 3, random_state=0)
    for model in (NonNegativeCP(3, n_starts=2, random_state=0), ConcatenatedNMF(3, random_state=0)):
        model.fit(values)
        connectome = dynamic_connectome(model, 2)
        assert connectome.shape == (30, 12, 12) and len(connectome) == 30
        left, right = np.triu_indices(12, 1)
        fitted = model.reconstruct()[:, 2]
        np.testing.assert_allclose(connectome[:][:, left, right], fitted, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(connectome[7], connectome[7].T)
        np.testing.assert_allclose(connectome[5:8][1], connectome[6], rtol=1e-5)


def test_co_membership_is_a_weighted_mean_of_memberships():
    values, _, _ = planted_motifs(30, 4, 12, 3, random_state=0)
    model = NonNegativeCP(3, n_starts=2, random_state=0).fit(values)
    found = [communities(m, n_seeds=5) for m in motifs(model)]
    together = co_membership(model, found, 1)
    weight = activity(model, 1)
    frame = int(weight.sum(axis=1).argmax())
    share = weight[frame] / weight[frame].sum()
    expected = sum(q * item.membership for q, item in zip(share, found))
    np.testing.assert_allclose(together[frame], expected, rtol=1e-4, atol=1e-6)
    assert np.nanmax(together[:]) <= 1 + 1e-6 and np.nanmin(together[:]) >= 0
