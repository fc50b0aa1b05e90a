"""Options of the sampler: exact against obvious versions, and no change where they are off."""

import numpy as np
import pytest
import torch

from neuro.braindive import BrainGuidedSampler
from neuro.braindive.diffusion import guidance
from neuro.braindive.diffusion.edit import Edit
from neuro.braindive.diffusion.schedulers import make_scheduler
from neuro.io.problems import InputProblem

STEPS = 4


def sampler(generator, encoder, objective, **changes):
    own = {"steps": STEPS, "scheduler": "ddim", "device": "cpu", "random_state": 1, "value": 0.3}
    return BrainGuidedSampler(generator, encoder, objective, **{**own, **changes})


def picture_of(generator, z):
    with torch.no_grad():
        return (generator.decode(z) / 2 + 0.5).clamp(0, 1).numpy()


def test_options_that_are_off_leave_no_trace(generator, encoder, objective):
    plain = sampler(generator, encoder, objective)
    off = sampler(
        generator, encoder, objective, recurrence=1, guide_augment=0, edit=None, polyak_target=2.0
    )
    assert plain.settings() == off.settings(), "images made before keep their hash"
    assert not {"recurrence", "guide_augment", "edit", "polyak_target"} & plain.settings().keys()
    first, second = plain.sample([0, 1]), off.sample([0, 1])
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.unguided, second.unguided)


def test_polyak_reaches_its_target_where_the_objective_is_linear():
    rng = torch.Generator().manual_seed(0)
    z, eps, w = (torch.randn(3, 4, 6, 6, generator=rng, dtype=torch.float64) for _ in range(3))
    w, abar = 0.3 * w[:1], 0.4
    signal, noise = abar**0.5, (1 - abar) ** 0.5
    x0 = (z - noise * eps) / signal
    values = (w * x0).sum(dim=(1, 2, 3))
    target = float(values.max()) + 1
    # eps counts as a constant: the gradient with respect to z is w / signal
    g = (w / signal).expand_as(z)
    for value in (1.0, 0.5):
        own = {"values": values, "target": target}
        taken = guidance.correction("polyak", value, g, eps, noise, **own)
        moved = (z - noise * (eps - taken)) / signal
        reached = (w * moved).sum(dim=(1, 2, 3))
        assert torch.allclose(reached, values + value * (target - values), rtol=1e-10)
    beyond = guidance.correction(
        "polyak", 1.0, g, eps, noise, values=values, target=float(values.min()) - 1
    )
    assert beyond.abs().max() == 0, "what is above the target is left alone"
    far = guidance.correction("polyak", 1.0, g, eps, noise, values=values, target=1e6)
    assert torch.allclose(guidance.rms(far), guidance.rms(eps))


def test_polyak_needs_a_target(generator, encoder, objective):
    with pytest.raises(InputProblem, match="polyak_target: missing"):
        sampler(generator, encoder, objective, strength="polyak")
    own = sampler(generator, encoder, objective, strength="polyak", value=1, polyak_target=5.0)
    found = own.sample([0])
    assert found.finite.all() and (found.correction_ratio <= 1 + 1e-6).all()
    assert own.settings()["polyak_target"] == 5.0
    assert np.abs(found.images - found.unguided).max() > 1e-3


def test_noise_put_back_gives_the_level_before():
    a, b = 0.3, (1 - 0.09) ** 0.5
    for after in ((0.8, 0.6), (1.0, 0.0), (0.3, b)):
        x0, old = torch.full((1, 1, 200, 200), 2.0), torch.randn(1, 1, 200, 200)
        fresh = torch.randn(1, 1, 200, 200)
        back = guidance.noised_back(after[0] * x0 + after[1] * old, (a, b), after, fresh)
        assert float(back.mean()) == pytest.approx(2 * a, abs=0.03)
        assert float(back.std()) == pytest.approx(b, rel=0.02)
    # a step of a diffusion, as it was trained
    abar, before = 0.5, 0.2
    z, fresh = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3)
    levels = [(x**0.5, (1 - x) ** 0.5) for x in (before, abar)]
    told = (before / abar) ** 0.5 * z + (1 - before / abar) ** 0.5 * fresh
    assert torch.allclose(guidance.noised_back(z, *levels, fresh), told, atol=1e-6)


def test_recurrence_is_the_obvious_loop(generator, encoder, objective):
    own = sampler(generator, encoder, objective, recurrence=3, guide_interval=(0, 0.5))
    found = own.sample([2, 7])
    scheduler = make_scheduler("ddim", generator, STEPS)
    z = own.noise([2, 7])
    keys, times = [(0, 2, 0), (0, 7, 0)], [int(t) for t in scheduler.timesteps]
    for number, t in enumerate(times):
        for repeat in range(3 if number < 2 else 1):
            if number < 2:
                eps = own.guided_eps(z, t, 0.3)[0]
            else:
                with torch.no_grad():
                    eps = generator.eps(z, t)
            z = scheduler.step(eps, t, z).prev_sample
            if number < 2 and repeat < 2:
                abar, later = (
                    generator.alphas_cumprod[t],
                    generator.alphas_cumprod[times[number + 1]],
                )
                rngs = guidance.streams(1, "noise put back", keys, number, repeat)
                fresh = torch.stack(
                    [
                        torch.from_numpy(r.standard_normal(z.shape[1:], dtype=np.float32))
                        for r in rngs
                    ]
                )
                z = (abar / later) ** 0.5 * z + (1 - abar / later) ** 0.5 * fresh
    assert np.abs(found.images - picture_of(generator, z)).max() < 1e-5
    assert len(found.trace[0]) == 6
    plain = sampler(generator, encoder, objective, guide_interval=(0, 0.5)).sample([2, 7])
    assert np.array_equal(plain.unguided, found.unguided), "twins are not repeated"
    assert np.abs(plain.images - found.images).max() > 1e-3
    alone = own.sample([7])
    assert np.abs(alone.images[0] - found.images[1]).max() < 1e-4


def test_copies_average_the_gradient_of_each(generator, encoder, objective):
    own = sampler(generator, encoder, objective, guide_augment=3)
    z, t = own.noise([4, 9]), 400
    keys = [(0, 4, 0), (0, 9, 0)]
    _, values, gradient = own.gradient(z, t, generator, (keys, 1, 0))
    parts, seen = [], []
    for copy in range(3):
        leaf = z.clone().requires_grad_(True)
        a, b = generator.levels(t)
        x0 = (leaf - b * generator.eps(leaf, t)) / a
        image = (generator.decode(b * x0 + (1 - b) * leaf) / 2 + 0.5).clamp(0, 1)
        shown = []
        for k, number in enumerate((4, 9)):
            rng = guidance.seeds.generator(1, "copies for the gradient", 0, number, 0, 1, 0, copy)
            gain, (down, right) = rng.uniform(0.95, 1.05), rng.integers(0, 3, 2)
            # one pixel of 32: rows and columns of the edge are repeated
            rows = (torch.arange(32) + int(down) - 1).clamp(0, 31)
            columns = (torch.arange(32) + int(right) - 1).clamp(0, 31)
            shown.append((gain * image[k])[:, rows][:, :, columns].clamp(0, 1))
        value = objective.folded(encoder)(torch.stack(shown))
        parts.append(torch.autograd.grad(value.sum(), leaf)[0])
        seen.append(value.detach())
    assert torch.allclose(values, torch.stack(seen).mean(dim=0), atol=1e-5)
    assert torch.allclose(gradient, torch.stack(parts).mean(dim=0), atol=1e-6, rtol=1e-3)
    both, alone = own.sample([4, 9]), own.sample([9])
    assert np.abs(both.images[1] - alone.images[0]).max() < 1e-4


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    from PIL import Image

    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("edit") / "picture.png"
    Image.fromarray(rng.integers(0, 255, (40, 32, 3), dtype=np.uint8)).save(path)
    return path


def test_an_edit_starts_from_the_noised_picture(generator, encoder, objective, given):
    edit = Edit.of_settings({"image": str(given), "strength": 0.5}, generator)
    assert edit.picture.shape == (3, 32, 32)
    own = sampler(generator, encoder, objective, edit=edit)
    found = own.sample([3])
    scheduler = make_scheduler("ddim", generator, STEPS)
    times = [int(t) for t in scheduler.timesteps][2:]
    with torch.no_grad():
        latent = generator.vae.encode(
            torch.as_tensor(edit.picture)[None] * 2 - 1
        ).latent_dist.mode()
    abar = generator.alphas_cumprod[times[0]]
    start = abar**0.5 * 0.7 * latent + (1 - abar) ** 0.5 * own.noise([3])
    for value, images in ((0.3, found.images), (0.0, found.unguided)):
        z = start
        for t in times:
            with torch.no_grad():
                eps = generator.eps(z, t)
            eps = own.guided_eps(z, t, value)[0] if value else eps
            z = scheduler.step(eps, t, z).prev_sample
        assert np.abs(images - picture_of(generator, z)).max() < 1e-5
    assert own.settings()["edit"]["strength"] == 0.5
    # less strength, nearer to what the autoencoder makes of the picture
    kept = picture_of(generator, generator.encode(torch.as_tensor(edit.picture)[None] * 2 - 1))
    apart = [
        np.abs(
            sampler(generator, encoder, objective, edit=Edit(edit.picture, share), value=0)
            .sample([3])
            .images
            - kept
        ).mean()
        for share in (0.25, 1.0)
    ]
    assert apart[0] < apart[1]
    assert Edit.of_settings({"image": None, "strength": 0.5}, generator) is None
    assert [Edit(edit.picture, share).first(4) for share in (1, 0.5, 0.01)] == [0, 2, 3]


def test_a_picture_that_cannot_be_read_is_one_line(tmp_path, generator):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(InputProblem, match="not a readable picture"):
        Edit.of_settings({"image": str(tmp_path / "x.png"), "strength": 0.5}, generator)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"strength": "polyak"}, "polyak_target: missing"),
        ({"recurrence": 2}, "needs scheduler ddim"),
        ({"edit": {"image": "none.png"}}, "edit.image: no such file"),
        ({"generator": {"type": "sd3"}, "sag_scale": 0.7}, "sag_scale: not with sd3"),
        ({"generator": {"type": "flux"}, "compile": True}, "compile: not with flux"),
        (
            {"generator": {"type": "flux"}, "guide_decoder": "pooled"},
            "guide_decoder: not with flux",
        ),
        ({"judge": {"type": "clip"}}, "judge.path: missing"),
        ({"judge": {"type": "clip", "words": ["a"]}}, "two words or more"),
    ],
)
def test_what_does_not_go_together_is_said(changes, words):
    from neuro.config.resolve import resolve

    config = {"data": {"kind": "none"}, "braindive": {"enabled": True, **changes}}
    assert any(words in line for line in resolve(config)), resolve(config)
