"""Settings files as editors leave them: read, or refused in one line by every command."""

import pytest

from neuro import config
from neuro.command.cli import main
from neuro.io.problems import InputProblem
from neuro.run import settings

TEXT = "data: {kind: simulated}\nfmri: {fd_mm: 0.4} # größer\n"
DOUBLED = "\ndata:\n  kind: simulated\n  tr: 2\n  tr: 3\nfmri: {}\n\nfmri: {fd_mm: 1}\n"


def laughs(levels):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


BROKEN = {
    "cp1252": (TEXT.encode("cp1252"), "line 2 is not UTF-8"),
    "utf-16": (TEXT.encode("utf-16"), "save it as UTF-8"),
    "utf-16 without its mark": (TEXT.encode("utf-16-le"), "save it as UTF-8"),
    "a key twice": (DOUBLED.encode(), "data.tr: given twice, in lines 4 and 5"),
    "a section twice": (DOUBLED.encode(), "fmri: given twice, in lines 6 and 8"),
    "endless nesting": (b"data: " + b"[" * 5000 + b"]" * 5000, "nested without end"),
    "deep nesting": (b"data: " + b"[" * 60 + b"]" * 60, "nested without end"),
    "a circle": (b"data: &a\n  root: *a\n", "nested without end"),
    "aliases that multiply": (laughs(9).encode(), "nested without end"),
    "a date that is none": (b"data: {tr: 2024-99-99}", "a value that is none"),
    "a list": (b"- data", "holds a list"),
    "a sentence": (b"my settings", "holds a str"),
    "a tab": (b"data:\n\tkind: simulated", "not YAML"),
    "a number without end": (b"data: {tr: " + b"9" * 5000 + b"}", "a value that is none"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", ["check", "scan", "methods"])
def test_one_line_for_what_cannot_be_meant(tmp_path, capsys, name, command):
    content, words = BROKEN[name]
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    assert main([command, "--config", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith(str(path)) and words in line for line in lines), lines
    assert lines[-1].endswith("problem(s)")


@pytest.mark.parametrize("command", ["check", "scan", "methods"])
def test_a_folder_is_no_settings_file(tmp_path, capsys, command):
    assert main([command, "--config", str(tmp_path)]) == 1
    assert "a folder, expected a settings file" in capsys.readouterr().err


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_and_without_its_mark(tmp_path, code):
    path = tmp_path / "mine.yaml"
    path.write_bytes(TEXT.encode(code))
    assert settings.read(path) == {"data": {"kind": "simulated"}, "fmri": {"fd_mm": 0.4}}


def test_aliases_and_merges_stay_allowed(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n")
    assert settings.read(path) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}


def test_an_empty_file_is_no_settings(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("# nothing\n")
    assert settings.read(path) == {}


def test_all_files_are_looked_at(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text("x: 1\nx: 2\n")
    assert len(settings.problems([tmp_path / "a", tmp_path / "b"])) == 2
    with pytest.raises(InputProblem):
        settings.read(tmp_path / "a")


def lines(**sections):
    base = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}}
    off = {name: {"enabled": False} for name in ("ntf", "hmmglm", "mds", "braindive")}
    return config.resolve({**base, **off, **sections}, source="x")


def test_leaving_out_all_is_refused():
    (line,) = lines(data={"kind": "simulated", "exclude": "all"})
    assert "data.exclude: got 'all', expected a list of quoted labels (default [])" in line
    assert lines(data={"kind": "simulated", "subjects": "all"}) == []


@pytest.mark.parametrize("tr", [2000, 0.002, 0, -2, 61])
def test_an_interval_that_no_scanner_has_is_refused(tmp_path, tr):
    (line,) = lines(data={"kind": "table", "root": str(tmp_path), "tr": tr}, fmri={})
    assert "data.tr: got" in line and "in s" in line
    found = lines(data={"kind": "table", "root": str(tmp_path), "site_tr": {"A": tr}}, fmri={})
    assert ["data.site_tr.A" in line for line in found] == [True]


@pytest.mark.parametrize("letter", ["{", "}", "\n", "\x07"])
def test_a_letter_that_the_workflow_cannot_carry_is_named(tmp_path, letter):
    folder = tmp_path / f"a{letter}b"
    folder.mkdir()
    (line,) = lines(data={"kind": "table", "root": str(folder)}, fmri={})
    assert f"data.root: the path holds the character {letter!r}; rename" in line
    atlas = {"atlas": f"{folder}/a.nii.gz"}
    (folder / "a.nii.gz").write_text("x")
    found = lines(data={"kind": "table", "root": str(tmp_path)}, fmri=atlas)
    assert any("fmri.atlas: the path holds" in line for line in found)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"diagnosis": "dx"}, "data.columns.diagnosis: unknown"),
        ({"age": 3}, "data.columns.age: got 3"),
        ({"cases": []}, "data.columns.cases: expected a list"),
        ({"controls": [0]}, "data.columns.controls: expected a list"),
    ],
)
def test_columns_that_cannot_be_meant(tmp_path, columns, words):
    found = lines(data={"kind": "table", "root": str(tmp_path), "columns": columns}, fmri={})
    assert any(words in line for line in found), found
