"""Files whose data lie elsewhere, or that inflate without end, are refused before they are read."""

import io
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from neuro.io.formats import contained
from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem


@pytest.fixture
def places(tmp_path):
    """A folder with a secret beside the folder that a file comes from."""
    (tmp_path / "own").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = np.arange(4.0)
    with h5py.File(tmp_path / "own/part.h5", "w") as file:
        file["values"] = np.arange(4.0)
    (tmp_path / "raw.bin").write_bytes(np.arange(4.0).tobytes())
    (tmp_path / "own/raw.bin").write_bytes(np.arange(4.0).tobytes())
    return tmp_path


def build(path, kind, place):
    with h5py.File(path, "w") as file:
        group = file.create_group("deep/er")
        if kind == "link":
            group["x"] = h5py.ExternalLink(f"{place}.h5", "values")
        elif kind == "storage":
            raw = f"{place}.bin"
            group.create_dataset("x", shape=(4,), dtype=float, external=[(raw, 0, 32)])
        else:
            layout = h5py.VirtualLayout(shape=(4,), dtype=float)
            layout[:] = h5py.VirtualSource(f"{place}.h5", "values", shape=(4,))
            group.create_virtual_dataset("x", layout)


@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
@pytest.mark.parametrize("absolute", [False, True])
def test_data_outside_of_the_folder_are_refused(places, kind, absolute):
    name = "raw" if kind == "storage" else "secret"
    path = places / "own/recording.h5"
    build(path, kind, places / name if absolute else f"../{name}")
    for open_it in (contained.check, lambda path: readable(path, "no").__enter__()):
        with pytest.raises(InputProblem, match="lies in another file") as caught:
            open_it(path)
        assert "deep/er/x" in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
def test_data_beside_the_file_are_read(places, monkeypatch, kind):
    monkeypatch.chdir(places / "own")
    build("recording.h5", kind, "raw" if kind == "storage" else "part")
    contained.check("recording.h5")


def test_circles_of_links_end(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a/b"] = np.zeros(3)
        file["a/again"] = file["a"]
        file["a/soft"] = h5py.SoftLink("/a")
    contained.check(path)


def bomb_npz(path, size):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as out:
        header = io.BytesIO()
        shape = {"descr": "<f8", "fortran_order": False, "shape": (size // 8,)}
        np.lib.format.write_array_header_1_0(header, shape)
        out.write(header.getvalue())
        for _ in range(size >> 20):
            out.write(bytes(1 << 20))


def test_what_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(contained, "LARGEST", 4 << 20)
    bomb_npz(tmp_path / "a.npz", 8 << 20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", shape=(1 << 20,), dtype=float, chunks=(1024,), fillvalue=0)
    for name in ("a.npz", "a.h5"):
        with pytest.raises(InputProblem, match=r"would inflate from .* to 8 MiB"):
            contained.check(tmp_path / name)


def test_large_data_that_are_there_and_small_data_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(contained, "LARGEST", 5 << 18)
    noise = np.random.default_rng(0).standard_normal(1 << 18)
    np.savez_compressed(tmp_path / "a.npz", x=noise)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=noise, compression="gzip")
    bomb_npz(tmp_path / "b.npz", 1 << 20)
    for name in ("a.npz", "a.h5", "b.npz"):
        contained.check(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" + bytes(40)])
def test_damage_is_left_to_the_reader(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    contained.check(tmp_path / "a")
    contained.check(tmp_path)
    contained.check(tmp_path / "absent")


def test_a_large_member_of_an_archive_is_refused(tmp_path, monkeypatch):
    from neuro.io.responses import archives

    monkeypatch.setattr(contained, "LARGEST", 1 << 10)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        info = tarfile.TarInfo("x/a.npy")
        info.size = 1 << 12
        file.addfile(info, io.BytesIO(bytes(1 << 12)))
    with pytest.raises(InputProblem, match=r"member 'x/a\.npy' has"):
        archives._files(tmp_path / "a.tar.gz", ".npy")
