"""The planted world of scenes: what is drawn, how voxels respond, the file that is written."""

import numpy as np
import pytest

from neuro.io.responses.reader import read_stimulus_response
from neuro.simulate.scenes import (
    CATEGORIES,
    clip_like_features,
    scene_voxels,
    scene_world,
    write_scenes,
)


def test_scenes_are_pictures_of_five_categories_and_repeat_with_the_seed():
    scenes = scene_world(400, 1)
    assert scenes.images.shape == (400, 3, 32, 32) and scenes.images.dtype == np.float32
    assert scenes.images.min() >= 0 and scenes.images.max() <= 1
    assert set(scenes.category) == set(range(5))
    assert scenes.size.min() >= 0.35 and scenes.size.max() <= 1
    assert np.array_equal(scene_world(400, 1).images, scenes.images)
    assert not np.array_equal(scene_world(400, 2).images, scenes.images)


def test_one_category_alone_and_an_unknown_one():
    assert set(scene_world(20, 0, categories=("word",)).category) == {CATEGORIES.index("word")}
    with pytest.raises(ValueError, match="categories: unknown tree; known are face"):
        scene_world(20, 0, categories=("tree",))


def test_voxels_prefer_their_category_and_carry_the_stated_noise():
    scenes = scene_world(4000, 0)
    voxels = scene_voxels(scenes, n_per_roi=10)
    for code, name in enumerate(CATEGORIES):
        own = np.array(voxels.roi) == name
        means = [voxels.signal[scenes.category == k][:, own].mean() for k in range(5)]
        assert int(np.argmax(means)) == code
    error = ((voxels.responses - voxels.signal) ** 2).sum(axis=0)
    r2 = 1 - error / (voxels.responses**2).sum(axis=0)
    assert 0.12 < r2.mean() < 0.26
    assert np.allclose(voxels.responses.std(axis=0), 1, atol=1e-4)


def test_file_is_read_by_the_stimulus_response_reader(tmp_path):
    path = write_scenes(tmp_path / "scenes.h5", 40, 6, n_per_roi=3, random_state=2)
    data = read_stimulus_response(path)
    assert data.kind == "image"
    assert data.responses.shape == (52, 15)
    assert np.asarray(data.stimuli[[0, 51]]).max() <= 1
    assert list(data.tier).count("test") == 12 and list(data.tier).count("validation") == 4
    assert data.units["roi"][:3] == ["face"] * 3 and data.unit[0] == "face-000"
    test = data.tier == "test"
    names, counts = np.unique(data.stimulus_id[test], return_counts=True)
    assert len(names) == 6 and set(counts) == {2}
    first, second = np.flatnonzero(data.stimulus_id == names[0])
    assert np.array_equal(data.stimuli[[first]], data.stimuli[[second]])
    assert set(data.condition) <= set(CATEGORIES)


def test_features_like_those_of_clip():
    data = clip_like_features(n=400, dim=64, n_voxels=30, n_test=100)
    assert np.allclose(np.linalg.norm(data["features"], axis=1), 1, atol=1e-5)
    # a strong common mean: any two images look alike
    assert (data["features"] @ data["features"].T).mean() > 0.3
    assert 0.1 < data["r2_signal"].mean() < 0.6 and data["test"].sum() == 100
