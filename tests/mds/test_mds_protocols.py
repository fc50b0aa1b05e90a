"""Ways to type new cells, side by side: planted cases with known order."""

import numpy as np
import pytest

from neuro.mds.clusters import protocols


def planted(n=20, k=4, gap=1.0, seed=0):
    """Types that answer one stimulus each, and ordinary stimuli that tell them apart by `gap`."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(k), n)
    own = 0.2 + 2.0 * (labels[None] == np.arange(k)[:, None])
    means = np.exp(gap * rng.standard_normal((60, k)))
    return own, means[:, labels], rng.permutation(labels.size), labels


def level(rows, protocol, stimuli, n):
    (row,) = [
        row
        for row in rows
        if (row["protocol"], row["stimuli"], row["n_repeats"]) == (protocol, stimuli, n)
    ]
    return row["accuracy"]


def test_stimuli_that_tell_nothing_are_at_chance_and_good_ones_are_not():
    own, _, order, labels = planted()
    flat = np.ones((60, 80))
    rows = protocols.protocols(own[:, order], flat, labels[order])
    assert set(rows[0]) == set(protocols.COLUMNS) and len(rows) == 8
    assert level(rows, "linear discriminant", "ordinary", 9) == pytest.approx(0.25, abs=0.12)
    for protocol in ("largest response", "posterior", "linear discriminant"):
        assert level(rows, protocol, "discriminative", 9) > 0.95
        assert level(rows, protocol, "discriminative", 1) < level(
            rows, protocol, "discriminative", 9
        )
    assert all(row["chance"] == 0.25 and row["n_cells"] == 80 for row in rows)
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in rows)


def test_ordinary_stimuli_win_where_the_largest_response_misleads():
    """Cells of one type answer the stimulus of another more: their profile tells them still."""
    own, other, _, labels = planted(gap=1.5)
    own[1, labels == 0] = 2.6  # type 0 likes the stimulus of type 1 better than its own
    rows = protocols.protocols(own, other, labels)
    assert level(rows, "largest response", "discriminative", 9) < 0.85
    assert level(rows, "posterior", "discriminative", 9) > 0.9
    assert level(rows, "linear discriminant", "ordinary", 9) > 0.9


def test_a_cell_is_never_typed_by_its_own_profile(monkeypatch):
    own, other, _, labels = planted(n=5)
    seen = []
    real = protocols.shares

    def spy(rates):
        seen.append(rates.shape[1])
        return real(rates)

    monkeypatch.setattr(protocols, "shares", spy)
    protocols.protocols(own, other, labels)
    assert set(seen) == {16}


def test_neither_gain_nor_order_of_the_types_matters_and_what_is_no_rate_is_left():
    own, other, _, labels = planted(n=6)
    rows = protocols.protocols(own, other, labels)
    loud = 2.0 ** np.random.default_rng(0).integers(-3, 4, 24)
    again = protocols.protocols(own * loud, other * loud, labels)
    assert [row["accuracy"] for row in rows] == [row["accuracy"] for row in again]
    assert protocols.protocols(own - 1, other, labels) == []
    assert protocols.protocols(own[:1], other, np.zeros(24, int)) == []
    assert protocols.protocols(own, other, np.r_[3, labels[1:] % 3]) == []
