"""Voxel encoders: exact ridge, planted truth, checks of what comes in, files."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from neuro.base import seeds
from neuro.encoding import VoxelEncoder, average_repeats, noise_ceiling, tiny, zscore_within
from neuro.encoding.adamw import fit_adamw
from neuro.encoding.ridge import fit_ridge, fold_numbers
from neuro.io.problems import InputProblem
from neuro.simulate.scenes import clip_like_features, scene_voxels, scene_world


@pytest.fixture(scope="module")
def scenes():
    return scene_world(700, 3)


@pytest.fixture(scope="module")
def voxels(scenes):
    return scene_voxels(scenes, n_per_roi=4, seed=3)


@pytest.mark.parametrize("shape", [(60, 8), (30, 70)])
def test_ridge_equals_plain_loop_over_folds_voxels_and_penalties(shape):
    n, d = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) + 3
    Y = X @ rng.standard_normal((d, 3)) + 4 * rng.standard_normal((n, 3))
    groups = np.arange(n) // 2
    alphas = np.logspace(-2, 2, 5)
    found = fit_ridge(X, Y, groups, alphas=alphas, cv=3, random_state=1)
    fold = fold_numbers(groups, 3, 1)

    def solve(x, y, alpha):
        centred = x - x.mean(axis=0)
        scatter = centred.T @ centred
        unit = np.trace(scatter) / min(len(x) - 1, d)
        coef = np.linalg.solve(scatter + alpha * unit * np.eye(d), centred.T @ (y - y.mean(axis=0)))
        return coef, y.mean(axis=0) - x.mean(axis=0) @ coef

    for voxel in range(3):
        y = Y[:, [voxel]]
        errors = []
        for alpha in alphas:
            error = 0
            for number in range(3):
                coef, shift = solve(X[fold != number], y[fold != number], alpha)
                error += ((y[fold == number] - X[fold == number] @ coef - shift) ** 2).sum()
            errors.append(error)
        best = int(np.argmin(errors))
        assert found.alpha[voxel] == alphas[best]
        coef, shift = solve(X, y, alphas[best])
        assert np.allclose(found.coef[voxel], coef[:, 0], atol=1e-4)
        assert np.allclose(found.intercept[voxel], shift, atol=1e-3)


def test_repeats_of_an_image_share_a_fold():
    groups = np.repeat(np.arange(20), 3)
    fold = fold_numbers(groups, 5)
    assert all(len(set(fold[groups == image])) == 1 for image in range(20))
    assert np.ptp(np.bincount(fold)) == 0


def test_ridge_reaches_the_ceiling_of_clip_like_features_and_adamw_does_not():
    data = clip_like_features(n=3300, dim=128, n_voxels=60, n_test=300)
    X, Y, test = data["features"], data["betas"], data["test"]

    def r2(readout):
        error = ((Y[test] - X[test] @ readout.coef.T - readout.intercept) ** 2).sum(axis=0)
        return 1 - error / ((Y[test] - Y[test].mean(axis=0)) ** 2).sum(axis=0)

    ridge = r2(fit_ridge(X[~test], Y[~test])).mean()
    reference = r2(fit_adamw(X[~test], Y[~test], epochs=20)).mean()
    assert ridge >= 0.88 * data["r2_signal"].mean()
    assert reference <= ridge + 0.01


def test_shuffled_betas_are_not_predicted():
    data = clip_like_features(n=1300, dim=64, n_voxels=40, n_test=300)
    X, test = data["features"], data["test"]
    Y = np.random.default_rng(0).permutation(data["betas"])
    readout = fit_ridge(X[~test], Y[~test])
    guess = X[test] @ readout.coef.T + readout.intercept
    r2 = 1 - ((Y[test] - guess) ** 2).sum(axis=0) / ((Y[test] - Y[test].mean(axis=0)) ** 2).sum(
        axis=0
    )
    assert np.median(r2) <= 0


@pytest.mark.parametrize("name", ["pixels", "gabor"])
def test_features_without_training_predict_planted_voxels(scenes, voxels, name):
    encoder = VoxelEncoder(name).fit(scenes.images[:500], voxels.responses[:500])
    r2 = encoder.r2(scenes.images[500:], voxels.responses[500:])
    assert np.median(r2) > 0.03
    assert np.isfinite(encoder.r_cv_).all() and (encoder.r_cv_ > 0).mean() > 0.9


def test_features_have_gradients_to_the_pixels(scenes, voxels):
    import torch

    for name in ("pixels", "gabor"):
        encoder = VoxelEncoder(name).fit(scenes.images[:60], voxels.responses[:60])
        x = torch.as_tensor(scenes.images[:2]).double().requires_grad_(True)
        weight = torch.as_tensor(encoder.coef_[0]).double()

        def value(x, encoder=encoder, weight=weight):
            return (encoder.backbone_.features(x) @ weight).sum()

        (gradient,) = torch.autograd.grad(value(x), x)
        step = torch.randn(x.shape, dtype=torch.float64, generator=torch.manual_seed(0))
        with torch.no_grad():
            slope = (value(x + 1e-5 * step) - value(x - 1e-5 * step)) / 2e-5
        assert abs(float(slope - (gradient * step).sum())) <= 1e-5 * abs(float(slope)) + 1e-9


def test_a_small_network_is_trained_saved_and_read(scenes, voxels, tmp_path):
    from neuro.encoding.tiny import Recipe

    encoder = VoxelEncoder("tiny_cnn", random_state=1).fit(
        scenes.images[:500],
        voxels.responses[:500],
        labels=scenes.category[:500],
        sizes=scenes.size[:500],
        recipe=Recipe(epochs=10),
        unit=voxels.unit,
        roi=voxels.roi,
    )
    assert np.median(encoder.r2(scenes.images[500:], voxels.responses[500:])) > 0.05
    encoder.save(tmp_path / "e.safetensors", note="x")
    again = VoxelEncoder.load(tmp_path / "e.safetensors")
    # Weights read from a file lie elsewhere in memory: the last bit of a convolution may differ.
    guess = encoder.predict(scenes.images[:9])
    assert np.allclose(again.predict(scenes.images[:9]), guess, atol=1e-6)
    assert again.unit_ == voxels.unit and again.header_["note"] == "x"
    assert again.fingerprint() == encoder.fingerprint()
    norm = np.linalg.norm(encoder.features(scenes.images[:5]), axis=1)
    assert np.allclose(norm, 1, atol=1e-5)


def test_the_same_seed_trains_the_same_network(scenes, voxels):
    from neuro.encoding.tiny import Recipe

    made = [
        VoxelEncoder("tiny_cnn", random_state=5)
        .fit(scenes.images[:64], voxels.responses[:64], recipe=Recipe(epochs=1))
        .fingerprint()
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_the_reference_recipe_fits_on_augmented_images(scenes, voxels, tmp_path):
    encoder = VoxelEncoder("pixels", readout="adamw_reference")
    encoder.fit(scenes.images[:64], voxels.responses[:64])
    assert np.isnan(encoder.alpha_).all() and np.isfinite(encoder.coef_).all()
    read = VoxelEncoder.load(encoder.save(tmp_path / "e.safetensors"))
    assert np.array_equal(read.coef_, encoder.coef_) and np.isnan(read.alpha_).all()


def test_kept_copies_spare_a_pass_of_the_network_per_epoch(scenes, voxels):
    """100 epochs of CLIP on 9,000 images are 54 hours; ten kept copies are ten passes."""
    from neuro.encoding.backbones import make

    n, passes, score = 96, {}, {}
    for copies in (0, 4):
        backbone = make("pixels", scenes.images.shape)
        seen, inner = [], backbone._features

        def counted(x, seen=seen, inner=inner):
            seen.append(len(x))
            return inner(x)

        backbone._features = counted
        encoder = VoxelEncoder(backbone, readout="adamw_reference", n_augment=copies)
        encoder.fit(scenes.images[:n], voxels.responses[:n])
        passes[copies] = sum(seen)
        guess = encoder.predict(scenes.images[500:])
        score[copies] = guess
        again = VoxelEncoder(backbone, readout="adamw_reference", n_augment=copies)
        again.fit(scenes.images[:n], voxels.responses[:n])
        assert np.array_equal(again.coef_, encoder.coef_), "same seed, same copies"
    assert passes == {0: 100 * n + 1, 4: 4 * n}
    r = np.corrcoef(score[0].ravel(), score[4].ravel())[0, 1]
    assert r > 0.95, "the same readout but for its noise"


@pytest.mark.parametrize("readout", ["adamw_reference", "ridge"])
def test_the_seed_reaches_every_random_step_of_the_fit(readout, scenes, voxels, monkeypatch):
    from neuro.encoding import adamw, augment, ridge

    seen = {}
    homes = {"fit_adamw": adamw, "fit_ridge": ridge, "augmented_features": augment}
    for name, module in homes.items():
        whole = getattr(module, name)

        def noted(*args, name=name, whole=whole, **options):
            seen[name] = options.get("random_state", args[-1])
            return whole(*args, **options)

        monkeypatch.setattr(module, name, noted)
    model = VoxelEncoder("pixels", readout=readout, n_augment=2, random_state=5)
    model.fit(scenes.images[:64], voxels.responses[:64])
    used = {"adamw_reference": {"fit_adamw"}, "ridge": {"fit_ridge", "augmented_features"}}
    assert seen == dict.fromkeys(used[readout], 5)


def test_ceiling_of_planted_repeats():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((400, 30))
    image = np.repeat(np.arange(400), 3)
    betas = signal[image] + 1.5 * rng.standard_normal((1200, 30))
    expected = 1 / (1 + 1.5**2 / 3)
    assert abs(np.median(noise_ceiling(betas, image)) - expected) < 0.03
    assert np.isnan(noise_ceiling(betas[::3], np.arange(400))).all()
    mean, first, count = average_repeats(betas, image)
    assert np.allclose(mean[7], betas[21:24].mean(axis=0), atol=1e-5)
    assert first[7] == 21 and set(count) == {3}


def test_zscores_are_made_within_sessions():
    betas = np.random.default_rng(0).normal(5, 2, (40, 3))
    betas[20:] += 10
    z = zscore_within(betas, np.repeat([0, 1], 20))
    for part in (z[:20], z[20:]):
        assert np.allclose(part.mean(axis=0), 0, atol=1e-5)
        assert np.allclose(part.std(axis=0), 1, atol=1e-5)


def test_card_holds_test_r2_and_its_share_of_the_ceiling(scenes, voxels):
    encoder = VoxelEncoder("pixels").fit(
        scenes.images[:500], voxels.responses[:500], unit=voxels.unit, roi=voxels.roi
    )
    twice = np.repeat(np.arange(500, 700), 2)
    noise = 0.1 * np.random.default_rng(0).standard_normal((400, 20)).astype(np.float32)
    card = encoder.card(scenes.images[twice], voxels.responses[twice] + noise, twice)
    assert list(card.columns) == ["voxel", "roi", "r2", "r2_ceiling", "ncsnr", "alpha"]
    # a published ratio is taken in place of the repeats: the mean of two trials can reach 2/3
    told = encoder.card(scenes.images[twice], voxels.responses[twice] + noise, twice, np.ones(20))
    assert np.allclose(told["r2_ceiling"], told["r2"] / (2 / 3)) and (told["ncsnr"] == 1).all()
    # Averages of two nearly equal trials: the ceiling is just below 1.
    assert np.allclose(card["r2_ceiling"], card["r2"], atol=0.02)
    assert (card["r2_ceiling"].abs() >= card["r2"].abs()).all()


@pytest.mark.parametrize(
    "images, betas, message",
    [
        (np.zeros((5, 3, 8, 8)), np.zeros((4, 2)), "betas: 4 rows for 5 images"),
        (np.full((5, 3, 8, 8), 2.0), np.zeros((5, 2)), "images: values from 2 to 2, expected 0"),
        (np.zeros((5, 8)), np.zeros((5, 2)), r"images: shape \(5, 8\), expected"),
        (np.full((5, 1, 8, 8), np.nan), np.zeros((5, 2)), "images: holds values that are not"),
        (np.zeros((5, 3, 8, 8)), np.full((5, 2), np.nan), "betas: 2 voxels hold values"),
        (np.zeros((50, 3, 8, 8)), np.zeros((50, 2)), "features: constant over all images"),
        (np.zeros((3, 3, 8, 8)), np.zeros((3, 2)), "cv: 5 folds for 3 different images"),
    ],
)
def test_bad_input_is_one_line(images, betas, message):
    with pytest.raises(InputProblem, match=message) as error:
        VoxelEncoder("pixels").fit(images, betas)
    assert all(len(line) <= 160 for line in error.value.problems)


def test_missing_weights_name_the_layout(tmp_path):
    images, betas = np.zeros((9, 3, 8, 8)), np.zeros((9, 2))
    for path in (None, tmp_path / "none"):
        with pytest.raises(InputProblem, match=r"config\.json and model\.safetensors"):
            VoxelEncoder("clip", path).fit(images, betas)
    with pytest.raises(InputProblem, match="got 'resnet', expected one of clip, tiny"):
        VoxelEncoder("resnet").fit(images, betas)


def test_estimator_contract():
    encoder = VoxelEncoder("pixels", cv=3, random_state=4)
    copy = clone(encoder)
    assert copy is not encoder and copy.get_params() == encoder.get_params()
    with pytest.raises(ValueError, match="no parameter 'folds'"):
        encoder.set_params(folds=2)


def test_a_backbone_trained_here_starts_by_the_seed():
    rng = np.random.default_rng(0)
    images = rng.random((24, 1, 16, 16), dtype=np.float32)
    betas = rng.standard_normal((24, 3)).astype(np.float32)
    recipe = tiny.Recipe(epochs=1)
    features = [
        VoxelEncoder("tiny", random_state=seed, cv=3)
        .fit(images, betas, recipe=recipe)
        .features(images)
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(features[0], features[1])
    assert not np.allclose(features[0], features[2])


def test_the_rate_of_the_published_readout_halves_in_a_hundred_epochs():
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    found = fit_adamw(X, Y, epochs=150, batch=20, rate=0.01, decay=0.02, random_state=6)
    start = seeds.generator(6, "readout optimiser")
    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        first = start.uniform(-0.5 / 3**0.5, 0.5 / 3**0.5, (2, 3))
        layer.weight.copy_(torch.from_numpy(first.astype(np.float32)))
        layer.bias.zero_()
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.01, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5**0.01)
    x, y = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(Y.astype(np.float32))
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(layer(x), y).backward()
        optimiser.step()
        schedule.step()
    np.testing.assert_allclose(found.coef, layer.weight.detach().numpy(), atol=1e-5)
