"""NWB in Zarr is read as NWB in HDF5 is; pickles in it are never loaded, other folders not read."""

import json
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from neuro.command.init import glance
from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import read_recording
from neuro.io.spikes.reader import read_spikes

MARKED = {"neurodata_type": "NWBFile"}


def nwb():
    from pynwb import NWBFile
    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    rng = np.random.default_rng(0)
    file = NWBFile("s", "day1", datetime(2024, 1, 1, tzinfo=UTC))
    device = file.create_device("d")
    group = file.create_electrode_group("g", "x", "loc", device)
    for k in range(3):
        file.add_electrode(location=("CA1", "CA3", "CA1")[k], group=group)
    file.add_unit_column("quality", "q")
    for unit in range(3):
        file.add_unit(
            spike_times=np.sort(rng.uniform(0, 100, 40 + unit)),
            obs_intervals=[[0.0, 60.0], [70.0, 100.0]][: 1 + unit % 2],
            electrodes=[unit],
            quality="good" if unit else "mua",
            id=10 + unit,
        )
    file.add_trial(start_time=0.0, stop_time=5.0)
    file.add_trial(start_time=8.0, stop_time=9.0)
    plane = file.create_imaging_plane(
        name="p",
        optical_channel=OpticalChannel(name="c", description="c", emission_lambda=500.0),
        description="x",
        device=device,
        excitation_lambda=600.0,
        indicator="GCaMP",
        location="V1",
    )
    segments = ImageSegmentation()
    table = segments.create_plane_segmentation("rois", plane, "ps")
    for _ in range(4):
        table.add_roi(image_mask=rng.random((3, 3)))
    ophys = file.create_processing_module("ophys", "x")
    ophys.add(segments)
    region = table.create_roi_table_region("all", region=list(range(4)))
    traces = rng.random((50, 4))
    series = RoiResponseSeries(
        name="RoiResponseSeries", data=traces, unit="a", rois=region, rate=7.5
    )
    ophys.add(Fluorescence(roi_response_series=[series]))
    return file


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same content as a file of HDF5 and as a folder of Zarr."""
    zarr = pytest.importorskip("hdmf_zarr.nwb")
    from pynwb import NWBHDF5IO

    folder = tmp_path_factory.mktemp("nwb")
    with NWBHDF5IO(str(folder / "day.nwb"), "w") as io:
        io.write(nwb())
    with zarr.NWBZarrIO(str(folder / "day.nwb.zarr"), mode="w") as io:
        io.write(nwb())
    return folder / "day.nwb", folder / "day.nwb.zarr"


def test_spikes_and_traces_are_those_of_the_file(pair):
    one, other = (read_spikes(path) for path in pair)
    assert len(one.times) == len(other.times) == 3
    for a, b in zip(one.times, other.times, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.units.to_dict() == other.units.to_dict()
    assert other.units["region"].tolist() == ["CA1", "CA3", "CA1"]
    assert [len(spans) for spans in other.observed] == [1, 2, 1]
    assert one.trials.equals(other.trials)
    one, other = (read_recording(path) for path in pair)
    np.testing.assert_array_equal(one.traces, other.traces)
    assert one.fs == other.fs == 7.5
    assert glance.kinds_of(pair[1]) == glance.kinds_of(pair[0]) == {"spikes", "recordings"}


def test_a_pickled_column_is_refused_when_it_is_wanted(pair):
    """The groups of the electrodes are references, pickled by default; nothing needs them."""
    from neuro.io.formats.nwb import open_nwb

    pickled = [
        path.parent.name
        for path in pair[1].rglob(".zarray")
        if '"pickle"' in path.read_text("utf-8")
    ]
    assert "group" in pickled
    with (
        pytest.raises(InputProblem, match="pickled objects are never loaded"),
        open_nwb(pair[1]) as file,
    ):
        file.electrodes["group"].data[0]
    import numcodecs

    assert numcodecs.get_codec({"id": "pickle"}).__class__.__module__ == "numcodecs.pickles"


def test_links_to_other_folders_and_damage_are_one_line(pair, tmp_path):
    import shutil

    folder = shutil.copytree(pair[1], tmp_path / "linked.nwb.zarr")
    attributes = json.loads((folder / "units" / ".zattrs").read_text())
    attributes["zarr_link"] = [{"name": "x", "source": "../../else.zarr", "path": "/x"}]
    (folder / "units" / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(InputProblem, match="'units' lies in another folder"):
        read_spikes(folder)
    folder = shutil.copytree(pair[1], tmp_path / "cut.nwb.zarr")
    for path in (folder / "units" / "spike_times").iterdir():
        path.write_bytes(path.read_bytes()[:7])
    with pytest.raises(InputProblem) as caught:
        read_spikes(folder)
    assert len(caught.value.problems) == 1


def bare(folder, **attributes):
    folder.mkdir()
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(MARKED | attributes))
    return folder


def test_without_the_extra_it_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdmf_zarr", None)
    monkeypatch.setitem(sys.modules, "hdmf_zarr.nwb", None)
    folder = bare(tmp_path / "day.nwb.zarr")
    for read in (read_spikes, lambda path: read_recording(path, fs=1.0)):
        with pytest.raises(InputProblem) as caught:
            read(folder)
        (line,) = caught.value.problems
        assert "needs the extra zarr" in line and "hdmf-zarr" in line
    assert glance.kinds_of(folder) == {"spikes"}


def test_the_newer_format_and_arrays_that_inflate_are_one_line(tmp_path):
    from neuro.io.formats.zarr_folders import check

    folder = bare(tmp_path / "new.nwb.zarr")
    (folder / "zarr.json").write_text("{}")
    with pytest.raises(InputProblem, match="Zarr 3"):
        read_spikes(folder)
    folder = bare(tmp_path / "bomb.nwb.zarr")
    (folder / "x").mkdir()
    (folder / "x" / ".zarray").write_text(json.dumps({"shape": [10**6, 10**6]}))
    with pytest.raises(InputProblem, match="'x' would inflate"):
        check(folder)
