"""Labels of the settings are matched with what exists; an unknown one is a line, never silence."""

import numpy as np
import pytest

from neuro import config
from neuro.io.problems import InputProblem
from neuro.run import layouts

OFF = {name: {"enabled": False} for name in ("adhd", "demovae", "ntf", "hmmglm")}


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number, site in enumerate(("Leipzig", "Leuven", "Leuven"), start=1):
        name = f"sub-{number:02d}_ses-a_task-rest_timeseries.tsv"
        np.savetxt(tmp_path / name, rng.standard_normal((30, 3)), delimiter="\t", header="a\tb\tc")
        rows.append(f"{number:02d}\t{site}")
    table = "\n".join(["participant_id\tsite", *rows, "09\tLeuven"]) + "\n"
    (tmp_path / "participants.tsv").write_text(table)
    return tmp_path


def found(root, adhd=None, **data):
    settings = {"data": {"kind": "table", "root": str(root), "tr": 2.0, **data}, **OFF}
    settings["adhd"] = adhd or OFF["adhd"]
    if adhd:
        settings["adhd"] = {"enabled": True, **adhd}
    assert config.resolve(settings) == []
    return layouts.scan(settings)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"exclude": ["3"]}, "data.exclude: '3' not found"),
        ({"exclude": ["sub-04"]}, "data.exclude: '04' not found"),
        ({"subjects": ["04"]}, "data.subjects: '04' not found"),
        ({"sites": ["Leipsig"]}, "did you mean 'Leipzig'?"),
        ({"sites": ["leuven"]}, "did you mean 'Leuven'?"),
        ({"sessions": ["b"]}, "data.sessions: 'b' not found"),
        ({"tasks": ["task-rset"]}, "did you mean 'rest'?"),
        ({"site_tr": {"Leuve": 2.0}}, "data.site_tr: 'Leuve' not found"),
    ],
)
def test_a_label_that_does_not_occur_is_a_line(root, data, line):
    with pytest.raises(InputProblem) as caught:
        found(root, **data)
    (problem,) = caught.value.problems
    assert line in problem


def test_several_labels_are_told_at_once(root):
    with pytest.raises(InputProblem) as caught:
        found(root, {"site_groups": {"L": ["Leuven", "Liege"]}}, exclude=["7"], tasks=["x"])
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "adhd.site_groups: 'Liege' not found" in text


def test_labels_that_occur_act(root):
    rows = found(root, exclude=["sub-01", "09"], sites=["Leuven", "Leipzig"]).rows
    assert [row["status"] for row in rows] == ["excluded", "ok", "ok"]
    rows = found(root, {"site_groups": {"L": ["Leuven", "Leipzig"]}}, sessions=["ses-a"]).rows
    assert len(rows) == 3
    assert [row["participant_id"] for row in found(root, sites=["Leuven"]).rows] == ["02", "03"]


def test_whom_nobody_can_use_may_be_left_out(root):
    next(root.glob("sub-02*")).write_text("")
    next(root.glob("sub-03*")).rename(root / "sub-03_ses-a_task-re.st_timeseries.tsv")
    rows = found(root, exclude=["03"]).rows
    assert [row["status"] for row in rows] == ["ok", "ok", "excluded"]


def test_what_was_mapped_is_a_note(root):
    (root / "participants.tsv").write_text("participant_id\tsex\n01\tf\n02\tM\n03\tmale\n")
    (note,) = found(root).notes
    assert "f is F (1), male is M (1)" in note


def test_sites_of_image_studies_come_from_the_participants(tmp_path):
    for label in ("01", "02"):
        path = tmp_path / f"sub-{label}/func/sub-{label}_task-rest_bold.nii.gz"
        path.parent.mkdir(parents=True)
        path.write_text("")
    (tmp_path / "participants.tsv").write_text("participant_id\tsite\n01\tA\n02\tB\n")
    settings = {"data": {"kind": "bids", "root": str(tmp_path), "tr": 2.0, "sites": ["B"]}, **OFF}
    settings["fmri"] = {"strategy": "24P"}
    config.resolve(settings)
    assert [row["participant_id"] for row in layouts.scan(settings).rows] == ["02"]
