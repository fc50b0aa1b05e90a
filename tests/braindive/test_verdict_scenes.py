"""The verdict on planted scenes: six judges, images that are right, attacks, and decoys."""

import numpy as np
import pytest

from neuro.braindive.objectives import Objective
from neuro.braindive.verdict.judges import Judge
from neuro.braindive.verdict.panel import REFUTED, SUPPORTED, Seen, assess
from neuro.simulate.scenes import CATEGORIES, scene_voxels, scene_world

pytestmark = pytest.mark.slow
N = 32
PANEL = ("tiny_cnn", "judge", "pixels")
WEAK = ("gabor", "pixels", "few")


def ascent(encoder, objective, images, steps=60, edge=8 / 255):
    """Gradient ascent on pixels, each at most `edge` away from where it was."""
    import torch

    value = objective.folded(encoder)
    start = torch.as_tensor(images)
    x = start.clone()
    for _ in range(steps):
        x.requires_grad_(True)
        (slope,) = torch.autograd.grad(value(x).sum(), x)
        x = x.detach() + edge / 10 * slope.sign()
        x = torch.minimum(torch.maximum(x, start - edge), start + edge).clamp(0, 1)
    return x.detach().numpy()


@pytest.fixture(scope="module")
def scenes():
    from neuro.encoding import VoxelEncoder, tiny

    world = scene_world(4500, 21)
    voxels = scene_voxels(world, n_per_roi=24, seed=0)
    fit, natural, rest = slice(0, 2000), slice(2000, 3500), slice(3500, 4500)
    common = {"unit": voxels.unit, "roi": voxels.roi}
    recipe = tiny.Recipe(epochs=6)

    def fitted(kind, rows):
        if kind in ("pixels", "gabor"):
            backbone = kind
        else:
            backbone, _ = tiny.train(
                kind, world.images[rows], labels=world.category[rows], recipe=recipe
            )
        return VoxelEncoder(backbone).fit(world.images[rows], voxels.responses[rows], **common)

    encoders = {kind: fitted(kind, fit) for kind in ("tiny_cnn", "judge", "pixels", "gabor")}
    encoders["few"] = fitted("tiny_cnn", slice(0, 300))
    return world, voxels, natural, rest, fitted("tiny", fit), encoders


@pytest.fixture(scope="module")
def verdicts(scenes):
    """Every set of images under the panel, the weak panel, and each judge alone."""
    world, voxels, natural, rest, guide, encoders = scenes
    judges = {name: Judge(name, encoder) for name, encoder in encoders.items()}
    pool, rng = world.images[rest], np.random.default_rng(0)
    truth_of = voxels.signal[rest]
    found = []
    for roi in CATEGORIES:
        objective = Objective.from_rois({roi: 1.0}, voxels.unit, voxels.roi)
        truth = objective.value(truth_of, voxels.unit)
        liked = objective.value(guide.predict(pool), guide.unit_)
        twins = rng.permutation(len(pool))[:N]
        best = np.array(
            [max(rng.integers(len(pool), size=8), key=lambda k: liked[k]) for _ in twins]
        )
        top = np.argsort(-truth)[:N]
        mixed = np.concatenate([top[: N // 2], rng.permutation(len(pool))[: N // 2]])
        own = world.category[rest] == CATEGORIES.index(roi)
        wrong = np.flatnonzero(~own)
        decoys = wrong[np.argsort(-liked[wrong])[:N]]
        noise = rng.random((N, *pool.shape[1:])).astype(np.float32)
        sets = {
            ("genuine", "top"): pool[top],
            ("genuine", "best"): pool[best],
            ("genuine", "mixed"): pool[mixed],
            ("attack", "pixels"): ascent(guide, objective, pool[twins]),
            ("attack", "noise"): ascent(guide, objective, noise, edge=1.0),
            ("attack", "small"): ascent(guide, objective, pool[twins], edge=4 / 255),
            ("decoy", "wrong"): pool[decoys],
        }
        y = objective.value(voxels.responses[natural], voxels.unit)
        seen = {
            name: (
                judge.values(objective, world.images[natural]),
                judge.values(objective, pool[twins]),
            )
            for name, judge in {**judges, "guide": Judge("guide", guide)}.items()
        }
        for (kind, name), images in sets.items():
            start = noise if name == "noise" else None
            parts = {}
            for who, judge in {**judges, "guide": Judge("guide", guide)}.items():
                own_natural, own_twins = seen[who]
                if start is not None:
                    own_twins = judge.values(objective, start)
                parts[who] = Seen(who, own_natural, judge.values(objective, images), own_twins)
            for panel in (PANEL, WEAK, *((one,) for one in judges)):
                told = assess([parts[who] for who in panel], parts["guide"], y)
                found.append((roi, kind, name, panel, told))
    return found


def of(verdicts, kind, panel):
    return [told for _, k, _, p, told in verdicts if k == kind and p == panel]


def test_genuine_images_are_never_refuted(verdicts):
    alone = [told for _, kind, _, p, told in verdicts if kind == "genuine" and len(p) == 1]
    assert len(alone) == 5 * 3 * 5
    assert not any(told.verdict == REFUTED for told in alone)
    for panel in (PANEL, WEAK):
        assert not any(told.verdict == REFUTED for told in of(verdicts, "genuine", panel))
    strong = of(verdicts, "genuine", PANEL)
    assert sum(told.verdict == SUPPORTED for told in strong) >= 13


def test_attacks_are_never_supported_and_their_transfer_is_refuted(verdicts):
    found = of(verdicts, "attack", PANEL)
    assert len(found) == 15
    assert not any(told.verdict == SUPPORTED for told in found)
    assert sum(told.on_transfer == "below" for told in found) >= 14


def test_decoys_are_not_supported(verdicts):
    found = of(verdicts, "decoy", PANEL)
    assert not any(told.verdict == SUPPORTED for told in found)


def area(verdicts, other, panel):
    """Area under the ROC curve of the transfer: genuine images against others.

    Also the share of genuine sets above every one of the others.
    """
    genuine, others = (
        np.array([told.transfer for told in of(verdicts, kind, panel)])
        for kind in ("genuine", other)
    )
    above = genuine[:, None] > others
    ties = genuine[:, None] == others
    return float((above + 0.5 * ties).mean()), float(above.all(axis=1).mean())


@pytest.mark.parametrize("panel", [PANEL, WEAK])
def test_the_transfer_ranks_genuine_images_above_attacks(verdicts, panel):
    assert area(verdicts, "attack", panel)[0] > 0.99
    assert area(verdicts, "decoy", panel)[0] > 0.9


def test_print_the_table(verdicts, capsys):
    with capsys.disabled():
        for panel in (PANEL, WEAK, *((one,) for one in (*PANEL, "gabor", "few"))):
            areas = {other: area(verdicts, other, panel) for other in ("attack", "decoy")}
            words = ", ".join(f"{k} {a:.3f} ({top:.2f})" for k, (a, top) in areas.items())
            print(f"\n{'+'.join(panel)}: area under the curve (share above all others): {words}")
        for panel in (PANEL, WEAK, ("tiny_cnn",), ("gabor",), ("pixels",)):
            for kind in ("genuine", "attack", "decoy"):
                found = of(verdicts, kind, panel)
                counts = [sum(t.verdict == word for t in found) for word in (SUPPORTED, REFUTED)]
                below = sum(t.on_transfer == "below" for t in found)
                gains = " ".join(f"{t.gain:.2f}/{t.claim:.2f}" for t in found)
                print(
                    f"\n{'+'.join(panel)} {kind}: supported {counts[0]}, refuted {counts[1]}, "
                    f"transfer below {below} of {len(found)}: {gains}"
                )
