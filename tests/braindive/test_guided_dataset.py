"""Images and responses as they come in: shares, repeats, regions, one-line refusals."""

import numpy as np
import pytest

from neuro.braindive.dataset import padded, preferences, read_data, regions
from neuro.io.problems import InputProblem
from neuro.simulate.scenes import write_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "scenes.h5", 40, 6, n_per_roi=2)


def test_guide_and_judge_share_no_image_and_nobody_sees_the_test(scenes):
    data = read_data(scenes)
    first, second = data.share("encoder"), data.share("independent")
    assert not set(first) & set(second)
    assert (
        set(first) | set(second) == set(data.share("category")) == set(np.flatnonzero(~data.test))
    )
    assert len(data.images) == 46 and len(data.trial_image) == 52
    repeated = np.flatnonzero(np.bincount(data.trial_image) == 2)
    assert set(repeated) == set(np.flatnonzero(data.test))
    rows = data.trial_image == repeated[0]
    assert np.allclose(data.betas[repeated[0]], data.trial_betas[rows].mean(axis=0), atol=1e-6)


def test_test_trials_are_scaled_by_training_statistics(scenes):
    data = read_data(scenes)
    train = data.trial_betas[~data.test[data.trial_image]]
    assert np.allclose(train.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(train.std(axis=0), 1, atol=1e-4)
    assert not np.allclose(data.trial_betas[data.test[data.trial_image]].mean(axis=0), 0, atol=1e-3)


def test_two_files_and_a_table_of_regions(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", rng.integers(0, 256, (30, 28, 28), dtype=np.uint8))
    np.save(tmp_path / "betas.npy", rng.standard_normal((30, 3)))
    (tmp_path / "rois.tsv").write_text("voxel\troi\tt\nv00000\tFFA\t3\nv00001\tFFA\t1\n")
    data = read_data(tmp_path / "images.npy", tmp_path / "betas.npy", tmp_path / "rois.tsv")
    assert data.images.shape == (30, 1, 32, 32) and data.test.sum() == 3
    assert data.roi == ["FFA", "none", "none"], "t <= 2 belongs to no region"
    with pytest.raises(InputProblem, match=r"braindive\.betas is missing"):
        read_data(tmp_path / "images.npy")
    np.save(tmp_path / "short.npy", np.zeros((29, 3)))
    with pytest.raises(InputProblem, match=r"29 rows, images\.npy has 30 images; same first axis"):
        read_data(tmp_path / "images.npy", tmp_path / "short.npy")
    np.save(tmp_path / "images.npy", rng.uniform(0, 300, (30, 3, 8, 8)))
    with pytest.raises(InputProblem, match="expected the range 0 to 1"):
        read_data(tmp_path / "images.npy", tmp_path / "betas.npy")
    with pytest.raises(InputProblem, match="no such file"):
        read_data(tmp_path / "none.npy", tmp_path / "betas.npy")


def test_voxel_table_and_mask_that_disagree(tmp_path):
    (tmp_path / "rois.tsv").write_text("voxel\troi\nv9\tFFA\n")
    with pytest.raises(InputProblem, match=r"1 voxels are not among the 2 .*\(first: v9\)"):
        regions(tmp_path / "rois.tsv", ["v0", "v1"], None)
    (tmp_path / "rois.tsv").write_text("voxel\tarea\nv0\tFFA\n")
    with pytest.raises(InputProblem, match="no column 'roi'"):
        regions(tmp_path / "rois.tsv", ["v0", "v1"], None)


def test_an_image_of_the_test_is_never_trained_on(tmp_path):
    from neuro.io.responses.writer import write_stimulus_response

    rng = np.random.default_rng(0)
    path = write_stimulus_response(
        tmp_path / "x.h5",
        rng.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8),
        rng.standard_normal((20, 4)),
        ["train"] * 15 + ["test"] * 5,
        stimulus_id=[f"s{k % 15}" for k in range(20)],
    )
    data = read_data(path)
    # five names are in both tiers: their training trials are left out
    assert len(data.images) == 15 and data.test.sum() == 5 and data.shared() == 0
    assert len(data.trial_image) == 15
    assert any("5 trials repeat a stimulus" in note for note in data.notes)


def test_frames_have_the_colour_of_the_corner():
    images = np.full((2, 1, 28, 28), 0.3, np.float32)
    images[:, :, 5, 5] = 1
    out = padded(images)
    assert out.shape == (2, 1, 32, 32) and np.isclose(out[0, 0, 0, 0], 0.3)
    assert np.array_equal(out[..., 2:30, 2:30], images)
    assert padded(out) is out


def test_preferences_are_two_sample_t_values():
    rng = np.random.default_rng(0)
    condition = np.repeat(["a", "b"], 30)
    betas = rng.standard_normal((60, 5))
    betas[:30, 2] += 2
    t = preferences(betas, condition)
    assert np.argmax(t["a"]) == 2 and np.allclose(t["a"], -t["b"])


def test_an_own_list_of_test_images_takes_all_their_repeats(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
    shown = np.concatenate([np.arange(12), np.arange(12)])
    np.save(tmp_path / "images.npy", pictures[shown])
    betas = rng.standard_normal((24, 3))
    np.save(tmp_path / "betas.npy", betas)
    files = tmp_path / "images.npy", tmp_path / "betas.npy"
    # row 15 shows image 3 again: its other trial is a test trial as well
    (tmp_path / "test.txt").write_text("# my images\n15\n\n7\n8\n")
    data = read_data(*files, test=tmp_path / "test.txt")
    assert data.shared() == 0 and set(np.flatnonzero(data.test)) == {3, 7, 8}
    tested = data.test[data.trial_image]
    assert tested.sum() == 6, "two trials each"
    # averaged after the split, scaled by what is trained on
    train = betas[~np.isin(shown, [3, 7, 8])]
    scaled = (betas - train.mean(axis=0)) / train.std(axis=0)
    assert np.allclose(data.betas[3], scaled[[3, 15]].mean(axis=0), atol=1e-5)
    (tmp_path / "test.txt").write_text("image-00002\n")
    assert set(np.flatnonzero(read_data(*files, test=tmp_path / "test.txt").test)) == {2}
    for text, words in (
        ("99\n", r"1 of 1 test images are not among .*\(first: 99\)"),
        ("", "0 of 0"),
    ):
        (tmp_path / "test.txt").write_text(text)
        with pytest.raises(InputProblem, match=words):
            read_data(*files, test=tmp_path / "test.txt")
    with pytest.raises(InputProblem, match="no such file; expected test images"):
        read_data(*files, test=tmp_path / "none.txt")


def test_names_of_a_file_choose_its_test_images(scenes, tmp_path):
    (tmp_path / "test.txt").write_text("scene-00003\ntest-00001\n")
    data = read_data(scenes, test=tmp_path / "test.txt")
    assert data.test.sum() == 2 and data.shared() == 0
    assert data.test[data.trial_image].sum() == 3, "the test scene was shown twice"


def test_ratios_of_a_table_are_kept_by_voxel(tmp_path):
    from neuro.braindive.dataset import known_ratio

    (tmp_path / "rois.tsv").write_text("voxel\troi\tncsnr\n2\tFFA\t0.5\n0\tEBA\t0.25\n")
    found = known_ratio(tmp_path / "rois.tsv", ["v00000", "v00001", "v00002"])
    assert found[[0, 2]].tolist() == [0.25, 0.5] and np.isnan(found[1])
    (tmp_path / "rois.tsv").write_text("voxel\troi\n2\tFFA\n")
    assert known_ratio(tmp_path / "rois.tsv", ["v00002"]) is None


def test_the_ratio_of_signal_and_noise_is_recovered_and_gives_the_ceiling():
    from neuro.encoding.targets import ceiling_of, noise_ceiling, signal_to_noise

    rng = np.random.default_rng(1)
    image = np.repeat(np.arange(3000), 3)
    planted = np.array([0.0, 0.3, 1.0, 2.0])
    signal = rng.standard_normal((3000, 4)) * planted
    betas = signal[image] + rng.standard_normal((9000, 4))
    found = signal_to_noise(betas, image)
    assert np.allclose(found, planted, atol=0.12) and np.allclose(found[1:], planted[1:], rtol=0.06)
    # its ceiling is that of the repeats, and what the mean of three trials really has
    assert np.allclose(ceiling_of(found, np.full(3000, 3)), noise_ceiling(betas, image), atol=1e-9)
    assert np.allclose(ceiling_of(planted, [3]), planted**2 / (planted**2 + 1 / 3))
    assert np.isnan(signal_to_noise(betas[::3], image[::3])).all()


@pytest.mark.parametrize(
    ("first", "message"),
    [(1, "numbered 1 to 4; number the columns"), (0, "1 voxels are not among")],
)
def test_columns_without_names_are_numbered_from_0(tmp_path, first, message):
    unit = [f"v{k:05d}" for k in range(4)]
    rows = [f"{k}\tface\n" for k in range(first, 5)]
    (tmp_path / "rois.tsv").write_text("voxel\troi\n" + "".join(rows))
    with pytest.raises(InputProblem, match=message):
        regions(tmp_path / "rois.tsv", unit, None)
    (tmp_path / "rois.tsv").write_text("voxel\troi\n0\tface\n3\tbody\n")
    assert regions(tmp_path / "rois.tsv", unit, None)[::3] == ["face", "body"]
