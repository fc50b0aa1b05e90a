"""Both signs in one motif: exact parts, one component per assembly, and what the defaults mean."""

import numpy as np
import pandas as pd
import pytest

from neuro.config import resolve
from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import PairKernels, Recording
from neuro.ntf import files, stage
from neuro.ntf.affinity.tensor import build_tensor
from neuro.ntf.communities.detect import communities, edges, motif_graph, motif_matrices, motifs
from neuro.ntf.communities.shape import leading_share, negative_share
from neuro.ntf.factors.heldout import animal_folds
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import as_operator
from neuro.ntf.factors.rank import _fold
from neuro.report.figures.ntf_communities import signed_motifs
from neuro.simulate.motifs import planted_epochs
from neuro.stats.agreement import ami

EXCESS = {"kind": "excess", "window_s": 10.0, "bin_s": 5.0}


@pytest.fixture(scope="module")
def planted():
    return planted_epochs(
        6, 24, 2, 2, epoch_s=30, rest_s=15, missing=0.1, counterbalanced=True, random_state=0
    )


@pytest.fixture(scope="module")
def tensor(planted):
    return build_tensor(planted.recordings, planted.events, "stimulus", sign="signed", **EXCESS)


def test_halves_of_a_signed_tensor_are_its_two_signs(planted, tensor):
    split = build_tensor(planted.recordings, planted.events, "stimulus", sign="split", **EXCESS)
    half = tensor.values.shape[2] // 2
    assert tensor.signed and not split.signed and half == 24 * 23 // 2
    np.testing.assert_array_equal(tensor.values[..., :half], split.values[:, ::2])
    np.testing.assert_array_equal(tensor.values[..., half:], split.values[:, 1::2])
    np.testing.assert_array_equal(tensor.pair_mask[:, :half], split.pair_mask[::2])
    np.testing.assert_array_equal(tensor.pair_mask[:, half:], tensor.pair_mask[:, :half])
    assert tensor.animals == [item.name for item in planted.recordings]


def test_signs_of_other_kinds_are_their_own_parts(planted):
    given = {"kind": "edge_ts", "bin_s": 5.0, "time_alignment": "none"}
    whole = build_tensor(planted.recordings, sign="signed", **given)
    half = whole.values.shape[2] // 2
    for which, part in (("positive", whole.values[..., :half]), ("negative", None)):
        one = build_tensor(planted.recordings, sign=which, **given).values
        np.testing.assert_array_equal(
            one, whole.values[..., half:] if part is None else part, err_msg=which
        )


def agreement(planted, tensor, model):
    """Matched communities of the stimuli, and how right the signs of their edges are."""
    time = model.time_ - model.time_.mean(axis=0)
    found, signs = [], []
    for k, name in enumerate(planted.conditions):
        on = tensor.time_map["on"] & (tensor.time_map["condition"] == name)
        matrix = motifs(model)[(time * (on - on.mean())[:, None]).sum(axis=0).argmax()]
        places = [int(neuron[1:]) - 1 for neuron in tensor.names]
        truth = planted.communities[k][places]
        taking = truth >= 0
        found.append(ami(truth[taking], communities(matrix, n_seeds=10).labels[taking]))
        same = (truth[:, None] == truth) & taking & taking[:, None]
        signs.append((matrix, same))
    return float(np.mean(found)), signs


def test_an_assembly_with_neurons_upside_down_is_one_motif_with_a_sign_per_edge(planted, tensor):
    """The positive part alone falls apart into those that stand upright and those that do not."""
    model = NonNegativeCP(2, n_starts=4, random_state=0).fit(tensor)
    found, parts = agreement(planted, tensor, model)
    assert model.signed_ and model.pairs_.shape[0] == 2 * 24 * 23 // 2
    assert found > 0.95
    # pairs of a community that correlate below 0 in an animal have edges below 0
    item = planted.recordings[0]
    place = {name: k for k, name in enumerate(tensor.names)}
    columns = np.array([place[name] for name in item.names])
    own = planted.events[planted.events["animal"] == item.name].set_index("condition")
    for (matrix, same), name in zip(parts, planted.conditions):
        event = own.loc[name]
        first, last = (round(t * item.fs) for t in (event.onset_s, event.onset_s + 30))
        r = np.corrcoef(item.traces[first:last].T)
        inside = same[np.ix_(columns, columns)] & ~np.eye(len(columns), dtype=bool)
        edge = matrix[np.ix_(columns, columns)][inside]
        strong = np.abs(r[inside]) > 0.3
        assert strong.sum() > 50 and (edge < 0).any()
        assert (np.sign(edge[strong]) == np.sign(r[inside][strong])).mean() > 0.98
    alone = build_tensor(planted.recordings, planted.events, "stimulus", sign="positive", **EXCESS)
    weaker, _ = agreement(planted, alone, NonNegativeCP(2, n_starts=4, random_state=0).fit(alone))
    assert weaker < found - 0.1


def test_joined_edges_keep_signs_and_what_was_not_observed():
    pairs = np.array([[0.5], [0.1], [0.2], [0.1], [0.4], [0.2]])
    support = np.ones((6, 1))
    support[[2, 5]] = 0
    matrix = motif_matrices(pairs, support, signed=True)[0]
    np.testing.assert_allclose(edges(pairs, True)[:, 0], [0.4, -0.3, 0], atol=1e-12)
    np.testing.assert_allclose(matrix[0], [0, 0.4, -0.3], atol=1e-6)
    assert np.isnan(matrix[1, 2])
    assert motif_graph(matrix).edges[0, 2]["sign"] == -1
    assert negative_share(matrix) == pytest.approx(0.09 / 0.25)


def test_both_signs_of_a_pair_are_held_out_together(tensor):
    """One sign tells where the other is 0."""
    operator = as_operator(tensor)
    assert operator.signed
    half = tensor.values.shape[2] // 2
    fold = _fold(operator, NonNegativeCP, [2], 1, np.random.SeedSequence(0))
    for pairs in fold[2][0].holdout.pairs:
        held = np.zeros(2 * half, bool)
        held[pairs] = True
        np.testing.assert_array_equal(held[:half], held[half:])
    for fold in animal_folds(operator, [2], 1, np.random.SeedSequence(0)):
        side = fold[2][0].holdout.half
        np.testing.assert_array_equal(side[:half], side[half:])


def test_files_and_pages_keep_the_signs(tensor, tmp_path):
    model = NonNegativeCP(2, n_starts=2, random_state=0).fit(tensor)
    files.write_axes(tmp_path / "axes.npz", tensor)
    files.write_factors(tmp_path / "factors.npz", model, tensor)
    factors = files.read_factors(tmp_path / "factors.npz")
    assert files.read_axes(tmp_path / "axes.npz").signed and factors.signed_
    np.testing.assert_array_equal(motifs(factors), motifs(model))
    with np.load(tmp_path / "factors.npz") as data:
        np.testing.assert_array_equal(signed_motifs(data), motifs(model))


def test_gaps_of_one_neuron_are_masked_in_both_signs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 6)).cumsum(axis=0).astype(np.float32)
    x[200:400, 2] = np.nan
    items = [Recording("w1", x, 4.0, list("ABCDEF"), None, "")]
    tensor = build_tensor(items, sign="signed", **EXCESS)
    half = tensor.values.shape[2] // 2
    assert not tensor.observed.all()
    np.testing.assert_array_equal(tensor.observed[..., :half], tensor.observed[..., half:])
    model = ConcatenatedNMF(2, n_starts=2, random_state=0).fit(tensor)
    assert np.isfinite(motifs(model)).all()


def settings(**ntf):
    mapping = {"data": {"kind": "none"}, "ntf": {"sources": ["simulated"], **ntf}}
    assert resolve(mapping) == []
    return mapping["ntf"]


ITEM = [Recording("w1", np.zeros((400, 3), np.float32), 4.0, list("ABC"), None, "")]


@pytest.mark.parametrize(
    ("source", "given", "kind", "sign"),
    [
        ("recordings", {}, "excess", "signed"),
        ("fmri", {}, "excess", "positive"),
        ("recordings", {"preset": "paper"}, "differential", "positive"),
        ("fmri", {"preset": "paper"}, "edge_ts", "positive"),
        ("recordings", {"affinity": {"kind": "product"}}, "product", "positive"),
        ("recordings", {"affinity": {"sign": "positive"}}, "excess", "positive"),
    ],
)
def test_what_the_defaults_compute(source, given, kind, sign):
    options = stage.tensor_options(source, settings(**given), ITEM)
    assert (options["kind"], options["sign"]) == (kind, sign)
    if kind == "excess":
        bold = source == "fmri"
        assert options["window_s"] == (60.0 if bold else 20.0)
        assert options["bin_s"] == options["window_s"] / 2
        assert options["signal"] == ("level" if bold else "derivative")
        assert options["global_mean"] == bold


@pytest.mark.parametrize(("duration", "window"), [(5.0, 10.0), (45.0, 15.0), (300.0, 20.0)])
def test_windows_are_short_where_stimuli_are(duration, window):
    events = pd.DataFrame({"duration_s": [400.0, duration]})
    assert stage.tensor_options("recordings", settings(), ITEM, events)["window_s"] == window
    own = settings(affinity={"window_s": 33.0})
    assert stage.tensor_options("recordings", own, ITEM, events)["window_s"] == 33.0


def test_kernels_have_no_sign():
    kernels = np.abs(np.random.default_rng(0).normal(size=(5, 5, 8))).astype(np.float32)
    items = [PairKernels("atlas", kernels, 2.0, list("ABCDE"), "")]
    tensor = build_tensor(items, kind="excess", sign="signed")
    assert not tensor.signed and tensor.values.shape == (8, 1, 10)


def test_a_recording_that_is_shorter_than_window_and_lag_is_one_line():
    x = np.random.default_rng(0).normal(size=(88, 3)).astype(np.float32)
    items = [Recording("w1", x, 4.0, list("ABC"), None, "")]
    with pytest.raises(InputProblem, match=r"w1: 22 s .* affinity\.window_s"):
        build_tensor(items, kind="excess", sign="signed", bin_s=10.0, window_s=20.0)


def clique(n, members, weight=1.0):
    matrix = np.zeros((n, n))
    matrix[np.ix_(members, members)] = weight
    np.fill_diagonal(matrix, 0)
    return matrix


def test_the_leading_share_tells_outer_products_from_networks():
    rng = np.random.default_rng(0)
    strengths = rng.random(20) * rng.choice([-1, 1], 20)
    outer = np.outer(strengths, strengths)
    assert leading_share(outer) == pytest.approx(1, abs=1e-4), "whatever the signs"
    assert leading_share(clique(20, range(5))) == pytest.approx(1, abs=1e-4)
    two = clique(20, range(8)) + clique(20, range(8, 16))
    assert leading_share(two) < 0.7
    noise = rng.normal(size=(40, 40))
    assert leading_share(noise + noise.T) < 0.3
    gaps = outer.copy()
    gaps[3, 7] = gaps[7, 3] = np.nan
    assert leading_share(gaps) == pytest.approx(1, abs=1e-3), "unobserved pairs do not count"
    order = rng.permutation(20)
    assert leading_share(two[np.ix_(order, order)]) == pytest.approx(leading_share(two))
    assert np.isnan(leading_share(np.zeros((4, 4))))
