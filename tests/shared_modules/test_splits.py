"""What repeats stays on one side of every split."""

import numpy as np
import pytest

from neuro.stats import splits

RNG = np.random.default_rng(0)


def test_equal_content_has_one_number_in_order_of_appearance():
    pictures = RNG.random((5, 3, 4, 4)).astype(np.float32)
    rows = np.array([3, 0, 3, 4, 0, 1])
    assert splits.content_ids(pictures[rows]).tolist() == [0, 1, 0, 2, 1, 3]
    # one bit in one pixel is another picture
    other = pictures[rows].copy()
    other[2, 1, 2, 2] = np.nextafter(other[2, 1, 2, 2], np.float32(2))
    assert splits.content_ids(other)[2] != splits.content_ids(other)[0]


def test_content_is_read_in_blocks():
    class OnDisk:
        largest = 0

        def __len__(self):
            return 200

        def __getitem__(self, rows):
            part = (np.arange(200) % 7)[rows]
            OnDisk.largest = max(OnDisk.largest, len(part))
            return part[:, None]

    assert (splits.content_ids(OnDisk()) == np.arange(200) % 7).all()
    assert OnDisk.largest <= 64


def slow_families(*labels):
    """Merge until nothing changes."""
    n = len(labels[0])
    group = list(range(n))
    changed = True
    while changed:
        changed = False
        for a in range(n):
            for b in range(n):
                if group[a] != group[b] and any(label[a] == label[b] for label in labels):
                    low, high = sorted((group[a], group[b]))
                    group = [low if g == high else g for g in group]
                    changed = True
    first = list(dict.fromkeys(group))
    return [first.index(g) for g in group]


@pytest.mark.parametrize("seed", range(6))
def test_families_are_joined_through_any_label(seed):
    rng = np.random.default_rng(seed)
    names, content = rng.integers(0, 12, 25), rng.integers(0, 15, 25).astype(str)
    assert splits.families(names, content).tolist() == slow_families(names, content)
    assert splits.families(names).tolist() == slow_families(names)


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_no_family_is_in_two_tiers(n_repeats):
    family = RNG.permutation(np.repeat(np.arange(60), n_repeats))
    tier = splits.draw_tiers(family, 4)
    assert splits.shared_groups(family, tier == "train", tier != "train") == 0
    assert splits.shared_groups(family, tier == "test", tier == "validation") == 0
    counts = {name: int((tier == name).sum()) for name in ("train", "validation", "test")}
    assert counts == {"train": 48 * n_repeats, "validation": 6 * n_repeats, "test": 6 * n_repeats}
    assert (tier == splits.draw_tiers(family, 4)).all()
    assert (tier != splits.draw_tiers(family, 5)).any()


def test_shared_groups_are_counted_not_trials():
    group = np.array(["a", "a", "b", "c", "c", "d"])
    assert splits.shared_groups(group, [0, 2, 3], [1, 4, 5]) == 2
    assert splits.shared_groups(group, np.array([1, 1, 1, 0, 0, 0], bool), [3, 4, 5]) == 0


def test_the_guard_lies_between_training_and_test():
    tier = splits.time_tiers(500, guard=30)
    train, test = np.flatnonzero(tier == "train"), np.flatnonzero(tier == "test")
    assert train.max() == 399 and test.min() == 430 and test.max() == 499
    assert (tier[400:430] == "unused").all()


def test_a_subject_in_two_folds_is_counted_once():
    group = np.array(["a", "a", "b", "b", "c", "d", "d", "d"])
    assert splits.shared_over_folds(group, [0, 0, 1, 1, 2, 2, 2, 2]) == 0
    # dealt row by row, as if each run were somebody else
    assert splits.shared_over_folds(group, np.arange(8) % 3) == 3
    dealt = splits.stratified_group_folds(group, np.zeros(8), 3, 0)
    assert splits.shared_over_folds(group, dealt) == 0


@pytest.mark.parametrize("seed", range(5))
def test_overlapping_windows_of_a_recording_are_one_family(seed):
    rng = np.random.default_rng(seed)
    source, start = rng.integers(0, 3, 30), np.round(rng.random(30) * 60, 1)
    stop = start + np.round(0.5 + rng.random(30) * 3, 1)
    touch = [
        [source[i] == source[j] and start[i] < stop[j] and start[j] < stop[i] for j in range(30)]
        for i in range(30)
    ]
    for _ in range(5):
        touch = np.array(touch) @ np.array(touch)
    found = splits.overlapping(source, start, stop)
    assert ((found[:, None] == found[None]) == touch).all()


def test_windows_that_only_touch_are_apart():
    edges = np.arange(7) * 0.1
    assert len(set(splits.overlapping(["x"] * 6, edges[:-1], edges[:-1] + 0.1))) == 6
    assert len(set(splits.overlapping(list("abcdef"), np.zeros(6), np.ones(6)))) == 6


@pytest.mark.parametrize("seed", range(4))
def test_windows_shared_by_both_sides_are_counted_by_their_samples(seed):
    rng = np.random.default_rng(seed)
    tier = rng.choice(["train", "test", "unused"], 80, p=[0.1, 0.1, 0.8])
    place, reach = np.cumsum(rng.integers(1, 4, 80)), int(rng.integers(1, 9))
    covered = {p + k for p in place[tier == "train"] for k in range(reach)}
    touched = [any(p + k in covered for k in range(reach)) for p in place]
    touched = np.array(touched) & (tier == "test")
    assert touched.sum() > 0 or reach < 3
    count = splits.shared_windows(place, tier == "train", tier == "test", reach)
    assert count == touched.sum()
    clean = splits.apart(tier, place, reach)
    assert splits.shared_windows(place, clean == "train", clean == "test", reach) == 0
    assert (np.flatnonzero(clean != tier) == np.flatnonzero(touched)).all()


@pytest.mark.parametrize("step", [1, 3])
def test_windows_cut_from_one_movie_are_recognised(step):
    movie = RNG.random((100, 2, 3)).astype(np.float32)
    movie[40:60] = movie[40]  # a still, as there are in films
    starts = np.arange(0, 80, step)
    windows = np.stack([movie[k : k + 12] for k in starts])
    np.testing.assert_array_equal(splits.window_places(windows), starts)
    assert splits.window_places(np.stack([movie[k : k + 12] for k in range(0, 80, 12)])) is None
    assert splits.window_places(windows[RNG.permutation(len(windows))]) is None
    # all trials begin alike: no windows of one recording
    alike = RNG.random((20, 12, 2))
    alike[:, :6] = 0.5
    assert splits.window_places(alike) is None
