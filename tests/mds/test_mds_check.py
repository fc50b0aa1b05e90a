"""`neuro check` on stimulus-response data: one line per mistake, all at once."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

from neuro.command import cli
from neuro.io.problems import InputProblem
from neuro.io.responses.writer import write_stimulus_response
from neuro.mds import stage

RNG = np.random.default_rng(0)
GOOD = {
    "stimuli": RNG.random((40, 1, 6, 6)).astype(np.float32),
    "responses": RNG.random((40, 8)).astype(np.float32),
}


def checked(capsys, files=None, **section):
    """Exit status, what is said and what is wrong for some arrays and settings of the stage."""
    np.savez("cells.npz", **GOOD | (files or {}))
    settings = {"data": {"kind": "none"}, "mds": {"input": ["cells.npz"]} | section}
    Path("mine.yaml").write_text(yaml.safe_dump(settings))
    status = cli.main(["check", "--config", "mine.yaml"])
    said = capsys.readouterr()
    wrong = said.err.splitlines()
    assert all(len(line) <= 160 for line in wrong)
    assert status == bool(wrong)
    if wrong:
        assert wrong[-1] == f"{len(wrong) - 1} problem(s)"
    return said.out, wrong[:-1]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_good_data_are_described(capsys):
    constant = GOOD["responses"].copy()
    constant[:, 3] = 1
    np.savez("new.npz", responses=np.ones((9, 4, 25)))
    said, wrong = checked(capsys, {"responses": constant}, new_recording="new.npz")
    assert not wrong
    assert (
        "cells: cells.npz: 7 units, 40 trials (32 train, 4 validation, 4 test), image 1 x 6 x 6, "
        "1 units left out" in said
    )
    assert "new.npz: 25 new cells, 4 stimuli, 9 repeats" in said


NAN = np.where(np.arange(40)[:, None, None, None] == 7, np.nan, GOOD["stimuli"])
DATA = {
    "length": (
        {"stimuli": GOOD["stimuli"][:39]},
        {},
        ["responses has 40 trials, stimuli 39: same first axis expected"],
    ),
    "no stimuli": (
        {"stimuli": 1.0},
        {},
        ["cells.npz: stimuli of shape (); expected (n, c, h, w), (n, t, c, h, w), (n, t, c) or"],
    ),
    "not finite": (
        {"stimuli": NAN},
        {},
        ["cells.npz: 1 stimuli hold NaN or infinity (first: trial 7); repair or remove them"],
    ),
    "movie": (
        {"stimuli": RNG.random((40, 5, 1, 6, 6))},
        {},
        ["cells.npz: movies need a twin of your own: mds.twin.type 'module'"],
    ),
    "other kind": (
        {},
        {"twin": {"type": "temporal"}},
        ["cells.npz: stimuli of kind 'image', but mds.twin.type is 'temporal'; expected temporal"],
    ),
    "few trials": (
        {"tier": ["train"] * 5 + ["test"] * 35},
        {},
        ["cells.npz: 5 training trials, expected at least 10 to train a twin"],
    ),
    "signed": (
        {"responses": GOOD["responses"] - 0.5},
        {"twin": {"type": "conv"}},
        ["cells.npz: responses as low as -0."],
    ),
    "few units": (
        {},
        {"n_clusters_init": 9},
        ["cells.npz: 8 units that can be used, fewer than mds.n_clusters_init (9)"],
    ),
    "discrete": (
        {},
        {"stimulus_space": "discrete"},
        ["cells.npz: a discrete stimulus space needs condition labels; add 'condition'"],
    ),
    "several": (
        {"tier": ["trian"] * 40, "unit": ["a"] * 8, "roi": ["x"] * 3},
        {},
        [
            "cells.npz: 3 values of 'roi' for 8 columns of the responses",
            "cells.npz: unit name 'a' is repeated; names must differ",
            "cells.npz: unknown tier 'trian'; expected train, validation, test, unused",
        ],
    ),
}


@pytest.mark.parametrize("name", DATA)
def test_one_line_per_mistake_in_the_data(name, capsys):
    files, section, want = DATA[name]
    _, wrong = checked(capsys, files, **section)
    assert len(wrong) == len(want), wrong
    assert all(got.startswith(line) for got, line in zip(sorted(wrong), want)), wrong


def test_a_file_without_responses_names_what_it_holds(capsys):
    np.savez("other.npz", images=GOOD["stimuli"])
    _, wrong = checked(capsys, input=["cells.npz", "other.npz"])
    assert wrong == ["other.npz: no array 'responses'; found images"]


def test_stimuli_that_stay_in_their_file_are_looked_at_too(capsys):
    bad = np.repeat(NAN, 60, axis=0)
    write_stimulus_response("big.h5", bad, np.repeat(GOOD["responses"], 60, axis=0))
    _, wrong = checked(capsys, input=["big.h5"])
    assert wrong == [
        "big.h5: 60 stimuli hold NaN or infinity (first: trial 420); repair or remove them"
    ]
    # the job that trains the twin says the same
    settings = {"variable": None, "stimulus_space": "auto", "twin": {"type": "auto", "epochs": 1}}
    data = stage.load("big.h5", settings, "big")
    with pytest.raises(InputProblem, match="60 stimuli hold NaN"):
        stage.make_twin(data, settings | {"device": "cpu"}, 0)
    with h5py.File("big.h5") as file:
        assert file["stimuli"].shape == (2400, 1, 6, 6)


def test_known_types_and_checkpoints_are_looked_at(capsys):
    Path("types.tsv").write_text("cell\tknown_type\nu1\tON\n")
    _, wrong = checked(capsys, known_types="types.tsv")
    assert wrong == ["types.tsv: no column 'unit'; found cell, known_type"]
    Path("types.tsv").write_text("unit\tknown_type\nn1\tON\n")
    _, wrong = checked(capsys, known_types="types.tsv")
    assert len(wrong) == 1 and wrong[0].startswith("types.tsv: names none of the units")
    torch.save({"x": torch.ones(1)}, "core.pt")
    _, wrong = checked(capsys, twin={"type": "checkpoint", "path": "core.pt"})
    assert len(wrong) == 1 and "core.pt" in wrong[0] and "no stacked core" in wrong[0]


@pytest.mark.parametrize(
    ("arrays", "want"),
    [
        ({"rates": np.ones(3)}, ["new.npz: no array 'responses'; found rates"]),
        (
            {"responses": np.ones(3)},
            ["new.npz: responses of shape (3,), expected (n_repeats, n_stimuli, n_cells)"],
        ),
        (
            {"responses": np.full((2, 3, 4), np.nan), "unit": ["a", "b"]},
            [
                "new.npz: cell 0 has no repeat of stimulus 1; remove it",
                "new.npz: 2 values of 'unit' for 4 cells",
            ],
        ),
        (
            {"responses": np.full((3, 4), np.inf)},
            [
                "new.npz: responses hold infinity; mark missing repeats with NaN",
                "new.npz: cell 0 has no repeat of stimulus 1; remove it",
            ],
        ),
    ],
)
def test_new_cells_are_looked_at(arrays, want, capsys):
    np.savez("new.npz", **arrays)
    _, wrong = checked(capsys, new_recording="new.npz")
    assert wrong == want


def test_a_damaged_file_of_new_cells(capsys):
    Path("new.npz").write_bytes(b"PK no")
    _, wrong = checked(capsys, new_recording="new.npz")
    assert len(wrong) == 1 and wrong[0].startswith("new.npz: not a readable .npz file of plain")


def test_a_repeat_that_a_cell_lacks_is_no_problem_a_stimulus_without_any_is(tmp_path):
    from neuro.mds.files import read_new_recording

    responses = np.ones((2, 4, 3))
    responses[0, :, 1] = np.nan
    np.savez(tmp_path / "new.npz", responses=responses)
    assert read_new_recording(tmp_path / "new.npz")["responses"].shape == (2, 4, 3)
    responses[:, 2, 1] = np.nan
    np.savez(tmp_path / "new.npz", responses=responses)
    with pytest.raises(InputProblem, match="cell 1 has no repeat of stimulus 3"):
        read_new_recording(tmp_path / "new.npz")
