"""Series beside spikes from NWB and tables, and states written back as NWB intervals."""

import datetime

import numpy as np
import pandas as pd
import pynwb
import pytest
from pynwb.behavior import Position, SpatialSeries

from neuro.io.covariates import read_series
from neuro.io.nwb_states import states_to_nwb, visits_table
from neuro.io.problems import InputProblem

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A session with position, licks, LFP, a stimulus, and trials."""
    path = tmp_path_factory.mktemp("nwb") / "day.nwb"
    file = pynwb.NWBFile(
        "A planted session of one rat.",
        "day",
        START,
        experimenter=["Doe, Jane"],
        institution="Nowhere",
        keywords=["rat"],
        subject=pynwb.file.Subject(
            subject_id="r1", species="Rattus norvegicus", sex="M", age="P90D"
        ),
    )
    behavior = file.create_processing_module("behavior", "What the rat did.")
    track = SpatialSeries(
        name="track",
        data=np.column_stack([np.arange(20.0), np.arange(20.0) ** 2]),
        timestamps=np.arange(20.0) + 0.5,
        reference_frame="corner",
        unit="centimeters",
        conversion=0.01,
        description="Position.",
    )
    behavior.add(Position(spatial_series=track, name="Position"))
    behavior.add(
        pynwb.TimeSeries(
            name="licks", data=np.ones(3), timestamps=[1.0, 2.0, 7.0], unit="n.a.", description="L."
        )
    )
    lfp = pynwb.TimeSeries(
        name="lfp", data=np.arange(200.0), rate=10.0, starting_time=2.0, unit="volts", offset=1.0
    )
    file.add_acquisition(lfp)
    file.add_stimulus(
        pynwb.TimeSeries(
            name="lamp", data=[0.0, 1.0], timestamps=[0.0, 5.0], unit="n.a.", description="L."
        )
    )
    file.add_trial_column("side", "Rewarded side.")
    for start, side in ((0.0, "left"), (5.0, "right"), (12.0, "left")):
        file.add_trial(start_time=start, stop_time=start + 5.0, side=side)
    for _ in range(2):
        file.add_unit(spike_times=np.sort(np.random.default_rng(0).uniform(0, 20, 30)))
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


@pytest.mark.parametrize(
    "name", ["behavior/Position/track", "processing/behavior/Position/track", "track"]
)
def test_any_series_by_its_path(recording, name):
    found = read_series(recording, name)
    assert found.names == ["track_0", "track_1"]
    np.testing.assert_allclose(found.time, np.arange(20) + 0.5)
    np.testing.assert_allclose(found.values[:, 1], 0.01 * np.arange(20) ** 2)


def test_series_with_a_rate_events_stimuli_and_trials(recording):
    lfp = read_series(recording, "acquisition/lfp")
    np.testing.assert_allclose(lfp.time[:3], [2.0, 2.1, 2.2])
    np.testing.assert_allclose(lfp.values[:3, 0], [1, 2, 3])
    assert read_series(recording, "behavior/licks").time.tolist() == [1, 2, 7]
    assert read_series(recording, "stimulus/presentation/lamp").values[:, 0].tolist() == [0, 1]
    side = read_series(recording, "trials/side")
    assert side.time.tolist() == [0, 5, 5, 10, 12, 17]
    # where a trial follows at once, its value holds; after the others there is none
    assert side.values[:, 0].tolist() == ["left", "", "right", "", "left", ""]


@pytest.mark.parametrize(
    ("column", "line"),
    [
        ("behavior/speed", "no series 'behavior/speed'; found: .*behavior/Position/track"),
        (["track", "lfp"], "track and lfp have different times"),
        ("trials/reward", "no column 'reward'; found: .*side"),
        (None, "which series"),
    ],
)
def test_what_is_not_in_the_file(recording, column, line):
    with pytest.raises(InputProblem, match=line):
        read_series(recording, column)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("time\tx\n1\t2\n0\t3\n", "times decrease at sample 1; sort the rows"),
        ("time\tx\nlate\t2\n", "times that are not numbers"),
        ("x\ty\n1\t2\n", r"no column of time \(time, time_s.*; found: x, y"),
        ("time\tx\n", "no samples"),
    ],
)
def test_tables_that_cannot_be_meant(tmp_path, text, line):
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(InputProblem, match=line):
        read_series(path, None)
    with pytest.raises(InputProblem, match="no such file"):
        read_series(tmp_path / "b.tsv")
    (tmp_path / "c.xlsx").write_text("x")
    with pytest.raises(InputProblem, match="unknown suffix"):
        read_series(tmp_path / "c.xlsx")


def test_missing_cells_and_texts_of_a_table(tmp_path):
    (tmp_path / "a.csv").write_text("Onset,x,side\n0,1.5,left\n1,n/a,\n2,2,right\n")
    found = read_series(tmp_path / "a.csv", "x")
    np.testing.assert_array_equal(found.values[:, 0], [1.5, np.nan, 2])
    assert read_series(tmp_path / "a.csv", "side").values[:, 0].tolist() == ["left", "", "right"]


def states(n=10, gap=3):
    """Two sequences; the second begins later; one bin is missing."""
    state = np.array([1, 1, 2, 2, 2, 0, 1, 1, 1, 1])
    one = pd.DataFrame({"bin": np.arange(n), "state": state})
    one["p_1"], one["p_2"] = np.where(state == 1, 0.9, 0.2), np.where(state == 1, 0.1, 0.8)
    parts = [one.assign(sequence=k, time_s=k * (1.0 + gap) + 0.1 * one["bin"]) for k in (0, 1)]
    return pd.concat(parts, ignore_index=True)


def test_visits_are_runs_of_bins():
    table = visits_table(states(), 0.1)
    np.testing.assert_allclose(table["start_time"], [0, 0.2, 0.6, 4, 4.2, 4.6])
    np.testing.assert_allclose(table["stop_time"], [0.2, 0.5, 1.0, 4.2, 4.5, 5.0])
    assert table["state"].tolist() == [1, 2, 1] * 2
    np.testing.assert_allclose(table["probability"], [0.9, 0.8, 0.9] * 2)
    # observed time, no more and no less
    assert (table["stop_time"] - table["start_time"]).sum() == pytest.approx(18 * 0.1)


def test_states_stand_in_a_copy_of_the_recording(recording, tmp_path):
    path = states_to_nwb(states(), 0.1, tmp_path / "states.nwb", recording)
    with pynwb.NWBHDF5IO(path, "r") as io:
        file = io.read()
        back = file.intervals["states"].to_dataframe()
        assert len(file.units) == 2 and file.session_start_time == START
    pd.testing.assert_frame_equal(
        back.reset_index(drop=True), visits_table(states(), 0.1), check_dtype=False
    )
    with pytest.raises(InputProblem, match="has intervals 'states' already"):
        states_to_nwb(states(), 0.1, tmp_path / "again.nwb", path)
    assert not (tmp_path / "again.nwb").exists()
    assert pynwb.validate(path=path) in ([], ([], 0)) or not pynwb.validate(path=path)


def test_states_alone_and_what_cannot_be_written(tmp_path):
    alone = states_to_nwb(states(), 0.1, tmp_path / "new/states.nwb")
    with pynwb.NWBHDF5IO(alone, "r") as io:
        assert len(io.read().intervals["states"]) == 6
    with pytest.raises(InputProblem, match="sequences overlap in time"):
        states_to_nwb(states(gap=-0.8), 0.1, tmp_path / "x.nwb")
    with pytest.raises(InputProblem, match="no observed bin"):
        states_to_nwb(states().assign(state=0), 0.1, tmp_path / "x.nwb")
    with pytest.raises(InputProblem, match="no such file"):
        states_to_nwb(states(), 0.1, tmp_path / "x.nwb", tmp_path / "no.nwb")


def test_the_inspector_finds_no_error(recording, tmp_path):
    inspector = pytest.importorskip("nwbinspector", reason="the nwbinspector is not installed")
    worst = (inspector.Importance.ERROR, inspector.Importance.PYNWB_VALIDATION)
    for name, source in (("a.nwb", recording), ("b.nwb", None)):
        path = states_to_nwb(states(), 0.1, tmp_path / name, source)
        found = list(inspector.inspect_nwbfile(nwbfile_path=path))
        assert [item.message for item in found if item.importance in worst] == []
        critical = [x for x in found if x.importance == inspector.Importance.CRITICAL]
        if source is not None:
            assert [item.message for item in critical if "states" in item.location] == []
