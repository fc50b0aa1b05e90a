"""Broken files: whatever is wrong with one, a reader answers with lines for people or with data.

NEURO_FUZZ=500 tries more of them.
"""

import io
import os
import shutil
import tarfile
import tempfile
import warnings
from pathlib import Path

import breaking
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sound_files import ARRAYS, CONTAINERS, FILES, nwb

from neuro.io.problems import InputProblem

EXAMPLES = int(os.environ.get("NEURO_FUZZ", 24))
LONGEST = 200
FUZZED = settings(
    max_examples=EXAMPLES,
    # no search for the smallest broken file: it takes minutes
    phases=(Phase.generate,),
    deadline=None,
    derandomize="NEURO_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(read, path):
    """What a reader says of a file: data, or lines for people; nothing else may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(path)
        except InputProblem as problem:
            assert problem.problems
            for line in problem.problems:
                assert line.strip() and "\n" not in line and "Traceback" not in line, line
                assert len(line) <= LONGEST, line


@pytest.mark.parametrize("name", sorted(FILES))
def test_broken_bytes_and_cells(here, name):
    place, sound, breaks, read = FILES[name]
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == "confounds json":
        path.with_suffix(".tsv").write_bytes(FILES["confounds"][1])
    if name == "bids sidecar":
        path.with_name("sub-01_task-rest_bold.nii.gz").write_bytes(FILES["bold"][1])
    path.write_bytes(sound)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(path)  # the sound file is read

    @FUZZED
    @given(st.data())
    def check(data):
        path.write_bytes(breaks(data.draw, sound))
        answer(read, path)

    check()


@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_other_arrays_than_expected(here, name):
    place, sound, read = ARRAYS[name]
    path = Path(place)

    def write(content):
        if path.suffix == ".mat":
            import scipy.io

            scipy.io.savemat(path, content)
        else:
            np.savez(path, **content)

    write(sound)
    read(path)

    @FUZZED
    @given(st.data())
    def check(data):
        write(breaking.arrays(data.draw, sound))
        if data.draw(st.integers(0, 3)) == 0:
            path.write_bytes(breaking.raw(data.draw, path.read_bytes()))
        answer(read, path)

    check()


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_containers_with_lost_and_other_parts(here, name):
    write, place, read = CONTAINERS[name]
    path = Path(place)
    sound = path.with_stem("sound")
    write(sound)
    shutil.copyfile(sound, path)
    read(path)

    @FUZZED
    @given(st.data())
    def check(data):
        shutil.copyfile(sound, path)
        if data.draw(st.integers(0, 4)):
            breaking.hdf5(data.draw, path)
        else:
            path.write_bytes(breaking.raw(data.draw, path.read_bytes()))
        answer(read, path)

    check()


def test_broken_archives(here):
    from neuro.io.formats.archives import open_sources

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("a/1.txt", "a/2.txt"):
            member = tarfile.TarInfo(name)
            member.size = 600
            archive.addfile(member, io.BytesIO(b"x" * 600))

    def read(path):
        sources, _ = open_sources(path.parent)
        return [entry.read() for entry in sources["site"].entries()]

    folder = Path(tempfile.mkdtemp(dir=here))
    path = folder / "site.tar.gz"

    @FUZZED
    @given(st.data())
    def check(data):
        path.write_bytes(breaking.raw(data.draw, stream.getvalue()))
        answer(read, path)

    check()


def test_enough_broken_files_are_tried():
    assert (len(FILES) + len(ARRAYS) + len(CONTAINERS) + 1) * EXAMPLES >= 500


def test_rows_longer_than_the_header_are_refused_and_never_shifted(here):
    from neuro.io.bids.confounds import read_confounds
    from neuro.io.formats.tables import read_tsv

    Path("x.tsv").write_text("csf\twhite_matter\n1\t2\t3\n4\t5\t6\n")
    for read in (read_tsv, read_confounds):
        with pytest.raises(InputProblem, match="rows hold more values than the header has names"):
            read("x.tsv")
    # a mark at the end of every row names no further column
    Path("x.tsv").write_text("csf\twhite_matter\n1\t2\t\n4\t5\t\n")
    assert read_tsv("x.tsv").to_numpy().tolist() == [[1, 2], [4, 5]]
    assert read_confounds("x.tsv")[0]["csf"].tolist() == [1, 4]


def test_a_damaged_nwb_file_is_closed_again(here):
    from neuro.io.spikes.reader import read_spikes

    path = Path("x.nwb")
    nwb(path)
    import h5py

    with h5py.File(path, "r+") as file:
        del file["units/spike_times"]
    for _ in range(2):
        with pytest.raises(InputProblem, match=r"x\.nwb: "):
            read_spikes(path)
        with h5py.File(path, "r+") as file:
            assert "units" in file


def test_an_id_that_is_no_unit_is_one_line(here):
    import scipy.io

    from neuro.io.spikes.reader import read_spikes

    scipy.io.savemat("x.mat", {"spks": np.array([[1e18, 1.0], [2.0, 2.0], [1.0, 3.0]])})
    Path("x.txt").write_text("0.5 1\n0.7 3000000\n0.9 2\n")
    for name in ("x.mat", "x.txt"):
        with pytest.raises(InputProblem, match="at most 100,000 is plausible"):
            read_spikes(name)
    Path("x.txt").write_text("0.5 1\n0.7 4\n0.9 1\n1.5 nan\n")
    with pytest.raises(InputProblem, match="must be unit ids"):
        read_spikes("x.txt")
