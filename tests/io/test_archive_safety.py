"""An archive is streamed, never unpacked, and a hostile or damaged one is refused."""

import io
import tarfile

import pytest

from neuro.io.formats.archives import Archive, open_sources
from neuro.io.problems import InputProblem


def build(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("/etc/shadow", tarfile.REGTYPE, "points outside of the archive"),
        ("NYU/../../x.1D", tarfile.REGTYPE, "points outside of the archive"),
        ("NYU\\..\\x.1D", tarfile.REGTYPE, "points outside of the archive"),
        ("NYU/link", tarfile.SYMTYPE, "is a link or device"),
        ("NYU/hard", tarfile.LNKTYPE, "is a link or device"),
        ("NYU/pipe", tarfile.FIFOTYPE, "is a link or device"),
        ("NYU/device", tarfile.CHRTYPE, "is a link or device"),
    ],
)
def test_unsafe_members_are_refused(tmp_path, name, kind, message):
    build(tmp_path / "NYU.tar.gz", [("NYU/a", b"1", tarfile.REGTYPE), (name, b"2", kind)])
    with pytest.raises(InputProblem, match=message) as caught:
        list(Archive(tmp_path, "NYU.tar.gz").entries())
    assert name in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["NYU.tar.gz"]


def test_a_huge_member_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("neuro.io.formats.archives.LARGEST", 1 << 20)
    build(tmp_path / "NYU.tar.gz", [("NYU/a", bytes(2 << 20), tarfile.REGTYPE)])
    with pytest.raises(InputProblem, match="has 2 MiB, at most 1 are read"):
        list(Archive(tmp_path, "NYU.tar.gz").entries())


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_archive_says_where(tmp_path, share):
    import random

    noise = random.Random(0).randbytes(50_000)
    members = [(f"NYU/{n}", noise, tarfile.REGTYPE) for n in range(4)]
    build(tmp_path / "NYU.tar.gz", members)
    content = (tmp_path / "NYU.tar.gz").read_bytes()
    (tmp_path / "NYU.tar.gz").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputProblem, match=r"NYU\.tar\.gz: cut off or damaged") as caught:
        for entry in Archive(tmp_path, "NYU.tar.gz").entries():
            entry.read()
    assert "\n" not in str(caught.value)


def test_a_flipped_byte_is_found(tmp_path):
    build(tmp_path / "NYU.tar.gz", [("NYU/a", b"12345678" * 999, tarfile.REGTYPE)])
    content = bytearray((tmp_path / "NYU.tar.gz").read_bytes())
    content[-8] ^= 1
    (tmp_path / "NYU.tar.gz").write_bytes(content)
    with pytest.raises(InputProblem, match=r"cut off or damaged after 'NYU/a' \(CRC"):
        list(Archive(tmp_path, "NYU.tar.gz").entries())


def test_no_archive_at_all(tmp_path):
    (tmp_path / "NYU.tar.gz").write_text("<html>")
    with pytest.raises(InputProblem, match="cut off or damaged after its start"):
        list(Archive(tmp_path, "NYU.tar.gz").entries())


def test_entries_of_folder_and_archive_are_alike(tmp_path):
    (tmp_path / "a" / "S" / "001").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "S" / "t.csv").write_bytes(b"table")
    (tmp_path / "a" / "S" / "001" / "x.1D").write_bytes(b"series")
    build(
        tmp_path / "b" / "S.tar.gz",
        [("./S/t.csv", b"table", tarfile.REGTYPE), ("./S/001/x.1D", b"series", tarfile.REGTYPE)],
    )
    (left,), (right,) = (open_sources(tmp_path / side)[0].values() for side in "ab")
    for source in (left, right):
        seen = [(entry.parts, entry.size, entry.read(3)) for entry in source.entries()]
        assert seen == [(("t.csv",), 5, b"tab"), (("001", "x.1D"), 6, b"ser")]
    sums = [[entry.checksum for entry in source.entries()] for source in (left, right)]
    assert [call() for call in sums[0]] == [call() for call in sums[1]]
