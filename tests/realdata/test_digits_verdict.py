"""The verdict on real voxels: right digits, an attack, and judges that know nothing."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("NEURO_TEST_DATA", ROOT / "../shared/data"))
ARCHIVE = DATA / "responses/fmri_digits69.tar.gz"
N, MIN_R, N_VOXELS = 32, 0.1, 200

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"{ARCHIVE}: not there"),
]


@pytest.fixture(scope="module")
def world():
    """Guide on pixels, judges on Gabor energies and on features of digits of another source."""
    from neuro.braindive.dataset import preferences, read_data
    from neuro.encoding import VoxelEncoder, tiny
    from neuro.simulate.digits import enlarged_digits

    data = read_data(ARCHIVE)
    own, other = data.share("encoder"), data.share("independent")

    def fitted(backbone, rows, order=None):
        betas = data.betas[rows] if order is None else data.betas[rows][order]
        encoder = VoxelEncoder(backbone)
        return encoder.fit(data.images[rows], betas, unit=data.unit, roi=data.roi)

    foreign, label = enlarged_digits(4)
    features, _ = tiny.train("judge", foreign, labels=(label == 9).astype(int), random_state=0,
                             recipe=tiny.Recipe(epochs=3))  # fmt: skip
    guide = fitted("pixels", own)
    card = pd.DataFrame({"voxel": data.unit})
    for name, t in preferences(data.betas[own], data.condition[own]).items():
        card[f"t_{name}"] = t
    shuffled = np.random.default_rng(0).permutation(len(other))
    return SimpleNamespace(
        data=data,
        guide=guide,
        card=card,
        panel=[fitted("gabor", other), fitted(features, other)],
        weak=[fitted("gabor", other, shuffled), fitted(features, other, shuffled)],
        new=enlarged_digits(1, seed=9),
    )


def verdict(world, digit, images, twins, judges):
    """What a panel says of images for the voxels that prefer a digit."""
    from neuro.braindive.objectives import Objective
    from neuro.braindive.verdict.judges import Judge
    from neuro.braindive.verdict.panel import assess

    data, keep = world.data, np.asarray(world.guide.r_cv_) >= MIN_R
    objective = Objective.from_preference(f"prefers:{digit}", world.card, keep, N_VOXELS)
    test = np.flatnonzero(data.test)
    # what one side was fitted on is new to the other
    rows = {
        "guide": np.concatenate([test, data.share("independent")]),
        "judge": np.concatenate([test, data.share("encoder")]),
    }
    y = {name: objective.value(data.betas[chosen], data.unit) for name, chosen in rows.items()}
    seen = [
        Judge(name, encoder).sees(objective, data.images[rows[side]], images, twins)
        for name, encoder, side in (
            ("guide", world.guide, "guide"),
            *((f"judge {k}", judge, "judge") for k, judge in enumerate(judges)),
        )
    ]
    found = assess(seen[1:], seen[0], y["judge"], guide_response=y["guide"], random_state=0)
    return found, objective


def sets(world, digit):
    """New digits of the right kind, and as many of both kinds."""
    images, label = world.new
    rng = np.random.default_rng(1)
    right = rng.choice(np.flatnonzero(label == digit), N, replace=False)
    return images[right], images[rng.choice(len(images), N, replace=False)]


@pytest.mark.parametrize("digit", [6, 9])
def test_digits_of_the_right_kind_gain_and_are_never_refuted(world, digit):
    found, _ = verdict(world, digit, *sets(world, digit), world.panel)
    print(f"{digit}: {found.verdict} {found.reason} gain {found.gain:.2f} T {found.transfer:.2f}")
    assert found.verdict != "refuted" and found.gain > 0.25 and found.n_judges == 2
    assert found.transfer > 0.5


@pytest.mark.parametrize("digit", [6, 9])
def test_ascent_on_pixels_is_not_supported(world, digit):
    import torch

    twins = sets(world, digit)[1]
    _, objective = verdict(world, digit, twins, twins, world.panel)
    value, start = objective.folded(world.guide), torch.as_tensor(twins)
    x = start.clone()
    for _ in range(60):
        x.requires_grad_(True)
        (slope,) = torch.autograd.grad(value(x).sum(), x)
        x = x.detach() + 0.01 * slope.sign()
        x = torch.minimum(torch.maximum(x, start - 32 / 255), start + 32 / 255).clamp(0, 1)
    found, _ = verdict(world, digit, x.detach().numpy(), twins, world.panel)
    print(f"{digit}: {found.verdict} {found.reason} gain {found.gain:.2f} T {found.transfer:.2f}")
    assert found.claim > 0.25, "the attack raises the guide's prediction"
    assert found.verdict != "supported" and found.transfer < 0.5


@pytest.mark.parametrize("digit", [6, 9])
def test_judges_fitted_on_shuffled_pairs_cannot_tell(world, digit):
    found, _ = verdict(world, digit, *sets(world, digit), world.weak)
    print(f"{digit}: {found.verdict} {found.reason}")
    assert found.verdict == "cannot tell" and found.reason
