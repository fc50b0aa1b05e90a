"""`neuro init` on spikes, traces, stimuli, images: what was taken for what, questions, mixtures."""

from pathlib import Path

import numpy as np
import pytest
import test_recordings_facts as traces
import test_spikes_formats as spikes
import test_stimulus_responses as stimuli
import yaml

from neuro import config
from neuro.command import init
from neuro.command.check import recordings, responses
from neuro.command.check import spikes as check_spikes
from neuro.io.problems import InputProblem


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def settings(*paths):
    """Text, and the resolved settings."""
    text = init.settings(paths)
    mapping = yaml.safe_load(text)
    assert config.resolve(mapping) == []
    return " ".join(text.replace("#", " ").split()), mapping


def answered(*paths, question):
    """Settings after a commented line was taken as the answer."""
    text = init.settings(paths)
    (line,) = [line for line in text.splitlines() if line.strip() == f"# {question}"]
    mapping = yaml.safe_load(text.replace(line, line.replace("# ", "", 1)))
    assert config.resolve(mapping) == []
    return mapping


def test_what_was_taken_for_time_units_trials_and_intervals():
    spikes.group(Path("rat.npz"))
    text, found = settings("rat.npz")
    assert found["hmmglm"]["sets"] == {"rat": "rat.npz"} and found["data"]["kind"] == "none"
    for words in (
        "rat.npz: 2 units, 70 spikes",
        "units: 0 7",
        "time: in s, ",
        "trials: 2; observed intervals: as stated",
        "segment_s: null",
    ):
        assert words in text, words
    assert check_spikes.recordings(found["hmmglm"])[1] == []


def test_a_sampling_rate_that_nothing_states_is_a_question_whose_answer_works():
    spikes.phy(Path("probe"), params=False)
    assert "set hmmglm.sampling_hz" in settings("probe")[0]
    found = answered("probe", question="sampling_hz: 30000")
    lines, problems = check_spikes.recordings(found["hmmglm"])
    assert problems == [] and "2 units" in lines[0]


@pytest.mark.parametrize(
    ("question", "right"), [("time_axis: 0", (5, 40)), ('variable: "F/x"', None)]
)
def test_questions_about_traces_have_answers_that_work(question, right):
    if right:
        np.save("m.npy", traces.WIDE)
        np.savez("n.npz", traces=traces.TALL, fs=4.0)
        found = answered("m.npy", question=question)
        assert found["ntf"]["recordings"]["time_axis"] == 0
        return
    traces.nwb(Path("o.nwb"), [("F", "x"), ("G", "x")])
    found = answered("o.nwb", question=question)
    lines, problems = recordings.recordings(found["ntf"])
    assert problems == [] and "6 neurons" in lines[0]


def test_recordings_without_names_are_a_set_each_and_differing_rates_are_told():
    for name, rate in (("a", 4.0), ("b", 8.0)):
        np.savez(f"{name}.npz", traces=traces.TALL, fs=rate)
    text, found = settings("a.npz", "b.npz")
    given = found["ntf"]["recordings"]
    assert given["files"] == ["a.npz", "b.npz"] and given["stack"] is False
    assert "sampling rates differ (4, 8 Hz)" in text
    assert recordings.recordings(found["ntf"])[1] == []


def test_files_of_the_same_units_are_one_set():
    for name in ("a", "b", "c"):
        units = ["x", "y"] if name == "c" else ["1", "2"]
        np.savez(f"{name}.npz", counts=np.ones((9, 2), int), unit=np.array(units), bin_s=0.1)
    found = settings("a.npz", "b.npz", "c.npz")[1]
    assert found["hmmglm"]["sets"] == {"a": ["a.npz", "b.npz"], "c": "c.npz"}


def test_stimuli_are_for_mds_and_images_are_offered_to_braindive():
    np.savez("x.npz", stimuli=stimuli.STIMULI, responses=stimuli.RESPONSES, tier=stimuli.TIER)
    text, found = settings("x.npz")
    assert found["mds"]["input"] == ["x.npz"]
    assert found["braindive"]["enabled"] is False
    assert "3 units, 12 trials (test (2), train (8), validation (2)), image" in text
    assert 'images: "x.npz"' in text
    assert responses.recordings(found["mds"])[0]


def test_everything_at_once_and_what_cannot_be_read_is_told():
    Path("d").mkdir()
    spikes.alf(Path("d/probe"))
    traces.suite2p(Path("d/m1/suite2p/plane0"), fs=7.5)
    np.savez("d/x.npz", stimuli=stimuli.STIMULI, responses=stimuli.RESPONSES)
    Path("d/bad.nwb").write_text("no nwb")
    text, found = settings("d")
    on = [name for name in config.STAGES if found[name]["enabled"]]
    assert on == ["ntf", "hmmglm", "mds"]
    assert "left out: d/bad.nwb: not a readable NWB file" in text


def test_unknown_content_is_one_line_that_says_what_was_seen_and_what_is_known():
    for name in ("a.docx", "b.docx", "c.png", "sub/x.py"):
        Path("d", name).parent.mkdir(parents=True, exist_ok=True)
        Path("d", name).write_text("x")
    with pytest.raises(InputProblem) as error:
        init.settings(["d", "nowhere"])
    first, second = error.value.problems
    assert "no such file or folder" in first
    assert "d: nothing in it was recognised; seen: 2 .docx, 1 .png, folders sub; known" in second
    assert "spikes, traces, stimuli with responses, images.npy with betas.npy" in second


def test_too_many_recordings_are_refused(monkeypatch):
    monkeypatch.setattr(init.glance, "MOST", 2)
    for number in range(3):
        np.savez(f"{number}.npz", traces=traces.TALL, fs=4.0)
    with pytest.raises(InputProblem, match="more than 2 recordings; give its folders one by one"):
        init.settings(["."])


@pytest.mark.parametrize("seed", range(40))
def test_any_bytes_under_any_name_are_settings_or_one_line(seed):
    rng = np.random.default_rng(seed)
    names = ("x.nwb", "x.npz", "x.npy", "x.mat", "x.h5", "x.csv", "x.txt", "x.tar.gz", "F.npy")
    heads = (
        b"",
        b"\x93NUMPY\x01\x00",
        b"PK\x03\x04",
        b"\x89HDF\r\n\x1a\n",
        b"MATLAB 5.0",
        b"1,2\n",
    )
    Path("d").mkdir()
    for name in rng.choice(names, 3, replace=False):
        head = heads[rng.integers(len(heads))]
        Path("d", name).write_bytes(head + rng.bytes(int(rng.integers(0, 300))))
    try:
        assert isinstance(init.settings(["d"]), str)
    except InputProblem as problem:
        assert all("\n" not in line for line in problem.problems)


def test_a_folder_above_the_one_with_subjects_is_looked_into(tmp_path):
    import datasets

    datasets.tiny(tmp_path / "derivatives" / "fmriprep-25")
    text = init.settings([tmp_path / "derivatives"])
    assert f'root: "{tmp_path / "derivatives" / "fmriprep-25"}"' in text
    datasets.tiny(tmp_path / "derivatives" / "other")
    with pytest.raises(InputProblem) as caught:
        init.settings([tmp_path / "derivatives"])
    assert "several folders hold subjects; give one of" in caught.value.problems[0]
    # the advice
    assert "other" in init.settings([tmp_path / "derivatives" / "other"])


def test_images_responses_and_regions_are_named_file_by_file(tmp_path):

    rng = np.random.default_rng(0)
    files = [tmp_path / name for name in ("pics.npy", "resp.npy", "areas.tsv")]
    np.save(files[0], rng.random((40, 3, 16, 16)).astype(np.float32))
    np.save(files[1], rng.random((40, 6)).astype(np.float32))
    files[2].write_text("voxel\troi\n" + "".join(f"{k}\tV{k // 3}\n" for k in range(6)))
    text = init.settings(files)
    read = yaml.safe_load(text)["braindive"]
    assert [read[key] for key in ("images", "betas", "rois")] == list(map(str, files))
    assert "V0 (3), V1 (3)" in text
    files[2].write_text("voxel\troi\n" + "".join(f"{k + 1}\tV\n" for k in range(6)))
    with pytest.raises(InputProblem, match=r"numbered 1 to 6; number .* from 0 \(0 to 5\)"):
        init.settings(files)


def test_events_beside_the_recordings_are_used_where_they_fit(tmp_path):

    rng = np.random.default_rng(0)
    for name in ("w1", "w2"):
        traces = rng.random((50, 3))
        table = np.column_stack([np.arange(50) / 5, traces])
        np.savetxt(tmp_path / f"{name}.csv", table, "%.3f", ",", header="time,a,b,c", comments="")
    events = "animal\tonset_s\tduration_s\tcondition\nw1\t2\t1\tx\n%s\t2\t1\tx\n"
    (tmp_path / "events.tsv").write_text(events % "w2")
    read = yaml.safe_load(init.settings([tmp_path]))["ntf"]["recordings"]
    assert read["events"] == str(tmp_path / "events.tsv") and len(read["files"]) == 2
    (tmp_path / "events.tsv").write_text(events % "stranger")
    text = init.settings([tmp_path])
    assert "events" not in yaml.safe_load(text)["ntf"]["recordings"]
    assert "# not used: " in text and "stranger" in text
