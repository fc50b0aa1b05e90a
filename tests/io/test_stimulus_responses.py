"""Stimulus-response readers: every layout gives the same data, every mistake one line."""

import tarfile
from datetime import UTC

import h5py
import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.responses.reader import LazyStimuli, read_stimulus_response
from neuro.io.responses.writer import write_stimulus_response
from neuro.stats.splits import draw_tiers, time_tiers

RNG = np.random.default_rng(0)
STIMULI = RNG.random((12, 1, 4, 5)).astype(np.float32)
RESPONSES = RNG.random((12, 3)).astype(np.float32)
TIER = np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2)
UNITS = ["a", "b", "c"]


def same(data):
    np.testing.assert_allclose(data.stimuli[:], STIMULI, rtol=1e-6)
    np.testing.assert_allclose(data.responses, RESPONSES)
    assert data.tier.tolist() == TIER.tolist()
    assert data.unit == UNITS and data.kind == "image" and not data.excluded


def problem(call):
    with pytest.raises(InputProblem) as error:
        call()
    assert all("\n" not in line and len(line) <= 160 for line in error.value.problems)
    return error.value.problems


def tree(folder, images=12):
    for name in ("images", "responses"):
        (folder / "data" / name).mkdir(parents=True)
    for k in range(12):
        np.save(folder / "data/responses" / f"{k}.npy", RESPONSES[k])
    for k in range(images):
        np.save(folder / "data/images" / f"{k}.npy", STIMULI[k])
    (folder / "meta/trials").mkdir(parents=True)
    (folder / "meta/neurons").mkdir()
    np.save(folder / "meta/trials/tiers.npy", TIER)
    np.save(folder / "meta/neurons/unit_ids.npy", np.array(UNITS))
    return folder


def test_npz(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, stimuli=STIMULI, responses=RESPONSES, tier=TIER, unit=UNITS)
    same(read_stimulus_response(path))


def test_hdf5_stays_lazy_and_gives_trials_in_the_order_asked_for(tmp_path):
    path = write_stimulus_response(tmp_path / "x.h5", STIMULI, RESPONSES, TIER, unit=UNITS)
    data = read_stimulus_response(path)
    same(data)
    assert isinstance(data.stimuli, LazyStimuli)
    np.testing.assert_array_equal(data.stimuli[[7, 2, 2, 0]], STIMULI[[7, 2, 2, 0]])
    stimuli, responses = data.select("test")
    np.testing.assert_array_equal(stimuli, STIMULI[10:])
    np.testing.assert_array_equal(responses, RESPONSES[10:])


def test_hdf5_keeps_every_optional_part(tmp_path):
    path = write_stimulus_response(
        tmp_path / "x.h5",
        STIMULI,
        RESPONSES,
        TIER,
        unit=UNITS,
        roi=["V1", "V1", "V4"],
        known_type=["x", "y", "x"],
        stimulus_id=np.arange(12),
        condition=["p", "q"] * 6,
        fs=30.0,
        notes="planted",
    )
    data = read_stimulus_response(path)
    assert data.units["roi"] == ["V1", "V1", "V4"] and data.units["known_type"] == ["x", "y", "x"]
    assert data.stimulus_id.tolist() == list(range(12)) and data.condition[1] == "q"
    assert data.fs == 30.0 and data.notes == ["planted"]


def test_bytes_become_the_unit_range(tmp_path):
    whole = (STIMULI * 255).astype(np.uint8)
    for name in ("x.npz", "x.h5"):
        if name.endswith("h5"):
            write_stimulus_response(tmp_path / name, whole, RESPONSES, TIER)
        else:
            np.savez(tmp_path / name, stimuli=whole, responses=RESPONSES, tier=TIER)
        got = read_stimulus_response(tmp_path / name).stimuli[:]
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, whole / 255, rtol=1e-6)


def test_groups_share_the_axis_of_time_in_either_orientation(tmp_path):
    movie = RNG.random((20, 4, 5)).astype(np.float32)
    rates = RNG.random((3, 20)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["train/stimulus"], file["train/response/firing_rate_10ms"] = movie[:15], rates[:, :15]
        file["test/stimulus"], file["test/response/firing_rate_10ms"] = movie[15:], rates[:, 15:]
    data = read_stimulus_response(tmp_path / "x.h5")
    np.testing.assert_allclose(data.responses, rates.T)
    assert data.stimuli.shape == (20, 1, 4, 5)
    assert (data.tier == "test").sum() == 5


def test_folder_of_trials_and_folder_of_arrays(tmp_path):
    same(read_stimulus_response(tree(tmp_path / "tree")))
    flat = tmp_path / "flat"
    flat.mkdir()
    for name, values in (("stimuli", STIMULI), ("responses", RESPONSES), ("tiers", TIER)):
        np.save(flat / f"{name}.npy", values)
    np.save(flat / "units.npy", np.array(UNITS))
    same(read_stimulus_response(flat))


def nwb(path, *, spikes):
    pynwb = pytest.importorskip("pynwb")
    from datetime import datetime

    file = pynwb.NWBFile("x", "x", datetime(2020, 1, 1, tzinfo=UTC))
    images = np.unique(STIMULI, axis=0)
    file.add_stimulus_template(
        pynwb.image.ImageSeries(
            name="scenes",
            data=STIMULI[:, 0],
            unit="n/a",
            rate=1.0,
            format="raw",
        )
    )
    assert len(images) == 12
    file.add_trial_column("stimulus_id", "row of the template")
    file.add_trial_column("tier", "part")
    order = np.arange(12)[::-1]
    for k, row in enumerate(order):
        file.add_trial(
            start_time=float(k), stop_time=k + 0.5, stimulus_id=int(row), tier=str(TIER[row])
        )
    if spikes:
        for unit in range(2):
            file.add_unit(spike_times=np.arange(0, 12, 0.25) + 0.01 if unit else [5.1, 5.2, 8.4])
    else:
        module = file.create_processing_module("ophys", "x")
        module.add(pynwb.TimeSeries(name="responses", data=RESPONSES[order], unit="a.u.", rate=1.0))
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return order


def test_nwb_orders_images_by_the_trial_table(tmp_path):
    order = nwb(tmp_path / "x.nwb", spikes=False)
    data = read_stimulus_response(tmp_path / "x.nwb")
    np.testing.assert_allclose(data.stimuli, STIMULI[order])
    np.testing.assert_allclose(data.responses, RESPONSES[order])
    assert data.tier.tolist() == TIER[order].tolist()


def test_nwb_counts_spikes_in_the_trials(tmp_path):
    nwb(tmp_path / "x.nwb", spikes=True)
    problems = problem(lambda: read_stimulus_response(tmp_path / "x.nwb", variable="none"))
    assert "no stimuli and no condition labels" in problems[0]
    data = read_stimulus_response(tmp_path / "x.nwb")
    # the second unit fires 4 spikes/s without end: constant, so it is left out
    np.testing.assert_allclose(data.responses[:, 0], np.bincount([5, 5, 8], minlength=12) / 0.5)
    assert data.excluded == [("u1", "constant in training (4)")]


def test_discrete_sets_keep_missing_repeats(tmp_path):
    responses = RNG.random((12, 3))
    responses[3, 0] = np.nan
    responses[[0, 4, 8], 1] = np.nan
    condition = np.tile(np.arange(4), 3)
    np.savez(tmp_path / "x.npz", responses=responses, condition=condition)
    data = read_stimulus_response(tmp_path / "x.npz")
    assert data.kind == "discrete" and data.stimuli is None
    assert data.excluded == [("u2", "no finite response to condition 0")]
    assert np.isnan(data.responses).sum() == 1


def test_constant_and_non_finite_units_are_listed(tmp_path):
    responses = RNG.random((12, 4)).astype(np.float32)
    responses[:, 1] = 2.5
    responses[5, 3] = np.inf
    np.savez(tmp_path / "x.npz", stimuli=STIMULI, responses=responses, tier=TIER)
    data = read_stimulus_response(tmp_path / "x.npz")
    assert data.unit == ["u1", "u3"]
    assert data.excluded == [
        ("u2", "constant in training (2.5)"),
        ("u4", "1 responses are not finite"),
    ]


def test_tiers_of_a_recording_without_any_leave_a_guard():
    tier = time_tiers(1000)
    assert (tier[:800] == "train").all() and (tier[800:864] == "unused").all()
    assert (tier[864:] == "test").all()
    tier = draw_tiers(np.arange(50))
    counts = {name: int((tier == name).sum()) for name in ("train", "test")}
    assert counts == {"train": 40, "test": 5}


def test_the_three_archives_are_known_by_their_files(tmp_path):
    folder = tmp_path / "Model Input Normalized - BCs"
    folder.mkdir()
    np.save(folder / "green_flicker_64Hz.npy", RNG.integers(0, 2, (400, 2)).astype(float))
    np.save(folder / "green_avrg_resp_64Hz_norm.npy", RNG.random((24, 400)))
    np.save(folder / "types_green_center.npy", np.r_[np.ones(10), -np.ones(14)])
    np.save(folder / "bc_cluster_locations.npy", np.array(["dorsal"] * 24))
    with tarfile.open(tmp_path / "r.tar.gz", "w:gz") as file:
        file.add(folder, arcname=folder.name)
    for path in (tmp_path / "r.tar.gz", folder, tmp_path):
        data = read_stimulus_response(path)
        assert data.kind == "temporal" and data.fs == 64 and data.responses.shape == (400, 24)
        assert data.units["known_type"].count("ON") == 10
    assert "no file uv_flicker" in problem(lambda: read_stimulus_response(folder, variable="uv"))[0]


def test_lengths_that_differ_name_both_files(tmp_path):
    for name, values in (("stimuli", STIMULI), ("responses", RESPONSES[:10]), ("tiers", TIER[:10])):
        np.save(tmp_path / f"{name}.npy", values)
    assert problem(lambda: read_stimulus_response(tmp_path)) == [
        "responses.npy has 10 trials, stimuli.npy 12: same first axis expected"
    ]
    with pytest.raises(InputProblem, match=r"responses/ has 12 trials, images/ 9: same first axis"):
        read_stimulus_response(tree(tmp_path / "tree", images=9))


def test_all_problems_at_once(tmp_path):
    path = tmp_path / "x.npz"
    tier = TIER.copy()
    tier[0], tier[1] = "live", "later"
    bad = STIMULI.copy()
    bad[4] = np.nan
    np.savez(path, stimuli=bad, responses=RESPONSES, tier=tier, unit=["a", "a", "b"])
    lines = problem(lambda: read_stimulus_response(path))
    assert [line.split(": ", 1)[1] for line in lines] == [
        "1 stimuli hold NaN or infinity (first: trial 4); repair or remove them",
        "unit name 'a' is repeated; names must differ",
        "unknown tier 'later', 'live'; expected train, validation, test, unused",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"responses": np.ones((12, 3)), "stimuli": STIMULI}, "all 3 units are excluded"),
        ({"stimuli": STIMULI}, "no array 'responses'"),
        ({"responses": RESPONSES}, "no stimuli and no condition labels"),
        ({"responses": RESPONSES[0]}, "expected (n_trials, n_units) numbers"),
    ],
)
def test_bad_content(tmp_path, content, message):
    np.savez(tmp_path / "x.npz", **content)
    assert message in problem(lambda: read_stimulus_response(tmp_path / "x.npz"))[0]


def test_discrete_without_condition_labels(tmp_path):
    np.savez(tmp_path / "x.npz", responses=RESPONSES, stimuli=STIMULI)
    line = problem(lambda: read_stimulus_response(tmp_path / "x.npz", discrete=True))[0]
    assert line.endswith(
        "a discrete stimulus space needs condition labels; add 'condition', one per trial"
    )


def test_files_that_are_no_data(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    (tmp_path / "x.h5").write_bytes(b"nothing")
    (tmp_path / "x.tar.gz").write_bytes(b"nothing")
    (tmp_path / "x.csv").write_text("1")
    (tmp_path / "empty").mkdir()
    for name, word in (
        ("x.npz", "not a readable .npz"),
        ("x.h5", "not an HDF5 file"),
        ("x.tar.gz", "cut off or damaged"),
        ("x.csv", "unknown kind"),
        ("empty", "no responses.npy"),
        ("gone", "no such file"),
    ):
        assert word in problem(lambda name=name: read_stimulus_response(tmp_path / name))[0]


def stored(path, stimuli, **more):
    np.savez(path, stimuli=stimuli, responses=RNG.random((len(stimuli), 6)), **more)
    return path


FLAT = RNG.random((60, 1, 36, 64)).astype(np.float32)
COLOUR = RNG.random((60, 3, 36, 40)).astype(np.float32)


@pytest.mark.parametrize(
    ("stimuli", "right", "note"),
    [
        (FLAT[:, 0], FLAT, "one channel"),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR, "channels stood last"),
        (COLOUR * 255, COLOUR, "divided by 255"),
        (np.round(COLOUR * 255).astype(np.int64), np.round(COLOUR * 255) / 255, "divided by 255"),
        (COLOUR * 2 - 1, COLOUR, "range -1 to 1"),
        (np.round(COLOUR * 255).astype(np.uint8), np.round(COLOUR * 255) / 255, None),
        (COLOUR, COLOUR, None),
    ],
)
def test_images_are_turned_with_a_note_and_read_right(tmp_path, stimuli, right, note):
    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(folder / "stimuli.npy", stimuli)
    np.save(folder / "responses.npy", RNG.random((60, 6)))
    for path in (stored(tmp_path / "x.npz", stimuli), folder):
        data = read_stimulus_response(path)
        assert data.kind == "image" and data.stimuli.shape == right.shape
        rows = np.array([59, 3, 3])
        np.testing.assert_allclose(data.stimuli[rows], right[rows], atol=1e-6)
        said = [line for line in data.notes if "tiers" not in line]
        assert len(said) == (note is not None) and (not said or note in said[0])


def test_standardised_images_stay_as_they_are_with_a_note(tmp_path):
    values = RNG.standard_normal((60, 1, 12, 12)).astype(np.float32)
    data = read_stimulus_response(stored(tmp_path / "x.npz", values))
    np.testing.assert_array_equal(data.stimuli, values)
    assert any("standardised stimuli" in note for note in data.notes)


def test_movies_with_channels_elsewhere_are_turned(tmp_path):
    movie = RNG.random((30, 9, 2, 12, 14)).astype(np.float32)
    for axes in ((0, 1, 3, 4, 2), (0, 2, 1, 3, 4)):
        data = read_stimulus_response(stored(tmp_path / "m.npz", movie.transpose(axes)))
        assert data.kind == "movie"
        np.testing.assert_allclose(data.stimuli, movie, atol=1e-6)


def test_what_cannot_be_an_image_is_refused(tmp_path):
    with pytest.raises(InputProblem, match="none of whose axes can be 1 to 4 channels"):
        read_stimulus_response(stored(tmp_path / "a.npz", RNG.random((30, 9, 36, 64))))
    with pytest.raises(InputProblem, match=r"values from -[\d.]+ to .*expected the range 0 to 1"):
        read_stimulus_response(stored(tmp_path / "b.npz", RNG.normal(0, 2, (30, 1, 12, 12))))


def test_three_axes_with_a_sampling_rate_are_clips(tmp_path):
    clips = RNG.random((40, 50, 16))
    assert read_stimulus_response(stored(tmp_path / "a.npz", clips, fs=50.0)).kind == "clips"
    assert read_stimulus_response(stored(tmp_path / "b.npz", clips[..., :2])).kind == "clips"


def test_repeats_stay_in_one_tier_by_name_or_by_content(tmp_path):
    pictures = RNG.random((60, 1, 8, 8)).astype(np.float32)
    rows = RNG.permutation(np.repeat(np.arange(60), 5))
    for more in ({"stimulus_id": rows}, {}):
        data = read_stimulus_response(stored(tmp_path / "x.npz", pictures[rows], **more))
        assert set(data.tier) == {"train", "validation", "test"}
        sides = [set(rows[data.tier == name]) for name in ("train", "validation", "test")]
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
        assert data.shared() == 0


def test_training_on_a_test_stimulus_is_undone_whatever_the_file_says(tmp_path):
    pictures = RNG.random((40, 1, 8, 8)).astype(np.float32)
    pictures[3] = pictures[39]
    tier = np.array(["train"] * 30 + ["test"] * 10)
    data = read_stimulus_response(stored(tmp_path / "x.npz", pictures, tier=tier))
    assert data.tier[3] == "unused" and (data.tier == "train").sum() == 29
    assert data.shared() == 0
    assert any("1 trials repeat a stimulus" in note for note in data.notes)


def test_responses_that_know_the_picture_by_number_only_are_not_predicted(tmp_path):
    """A linear readout of the pixels learns 48 pictures by heart, and not one of the test."""
    pictures = RNG.random((60, 1, 8, 8)).astype(np.float32)
    rows = np.repeat(np.arange(60), 5)
    np.savez(tmp_path / "x.npz", stimuli=pictures[rows], responses=RNG.normal(size=(60, 20))[rows])
    data = read_stimulus_response(tmp_path / "x.npz")
    (x, y), (x_new, y_new) = data.select("train"), data.select("test")
    weights = np.linalg.pinv(x.reshape(len(x), -1)) @ y
    known = np.corrcoef((x.reshape(len(x), -1) @ weights).ravel(), y.ravel())[0, 1]
    new = np.corrcoef((x_new.reshape(len(x_new), -1) @ weights).ravel(), y_new.ravel())[0, 1]
    assert known > 0.99 and abs(new) < 0.3
