"""`neuro referee`: any table of connectomes, any participants table, one command."""

import numpy as np
import pandas as pd
import pytest

from neuro.command import referee
from neuro.command.cli import main
from neuro.io.problems import InputProblem
from neuro.io.regions.connectome_tables import read_connectome_table
from neuro.io.regions.connectomes import write_connectomes

N, EDGES = 90, 28


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Edges in which age and site stand, and a participants table in another order."""
    folder, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(0)
    age, site = rng.uniform(8, 18, N).round(2), np.arange(N) % 2
    maps = rng.standard_normal((2, EDGES))
    values = np.c_[(age - 13) / 3, 1.5 * site] @ maps + rng.standard_normal((N, EDGES))
    names = [f"sub-{number:02d}" for number in range(N)]
    table = pd.DataFrame(values, columns=[f"e{k}" for k in range(EDGES)])
    table.insert(0, "participant_id", names)
    table.sample(frac=1, random_state=1).to_csv(folder / "edges.csv", index=False)
    np.save(folder / "edges.npy", values)
    people = pd.DataFrame({"participant_id": names, "age": age})
    people["site"] = np.array(["a", "b"])[site]
    people["iq"] = rng.integers(80, 120, N)
    people["constant"] = "x"
    people.to_csv(folder / "participants.tsv", sep="\t", index=False)
    return folder


def options(**given):
    return {
        **{"remove": None, "protect": None, "methods": ["none", "combat_residual"]},
        **{"latents": 5, "folds": 3, "seed": 0},
        **given,
    }


def test_what_is_planted_is_seen_before_and_gone_after(cohort, tmp_path, capsys):
    words = ["referee", str(cohort / "edges.csv"), str(cohort / "participants.tsv")]
    words += ["-o", str(tmp_path / "out"), "--methods", "none", "combat_residual"]
    assert main([*words, "--latents", "5", "--folds", "3"]) == 0
    summary = pd.read_csv(tmp_path / "out/summary.tsv", sep="\t", na_values="n/a")
    rows = summary.set_index(["method", "bottleneck"])
    assert rows.loc[("none", 0), "age"] > 0.8 and rows.loc[("none", 0), "site"] > 0.9
    assert rows.loc[("combat_residual", 5), "age"] < 0.2
    assert rows.loc[("combat_residual", 5), "site"] < 0.75
    out = capsys.readouterr().out
    assert "90 people, 28 edges; removed: age (continuous), site (categorical)" in out
    assert (tmp_path / "out/referee.png").read_bytes()[:4] == b"\x89PNG"
    drawn = pd.read_csv(tmp_path / "out/referee.tsv", sep="\t")
    assert set(drawn["method"]) == {"none", "combat_residual"}


def test_names_bring_the_rows_together_whatever_their_order(cohort):
    by_name = referee.gather(cohort / "edges.csv", cohort / "participants.tsv", options())
    by_row = referee.gather(cohort / "edges.npy", cohort / "participants.tsv", options())
    order = np.argsort(by_name.participant_id)
    assert by_name.run_key != by_row.run_key == sorted(by_name.run_key)
    assert np.allclose(by_name.edges[order], by_row.edges, atol=1e-5)
    age = by_name.demographics["age"].to_numpy()[order]
    assert np.array_equal(age, by_row.demographics["age"])


def test_columns_get_their_kind_and_role(cohort):
    found = referee.gather(
        cohort / "edges.npy",
        cohort / "participants.tsv",
        options(remove=["site"], protect=["age", "iq"]),
    )
    assert [(c.name, c.type, c.role) for c in found.columns] == [
        ("site", "categorical", "remove"),
        ("age", "continuous", "protect"),
        ("iq", "continuous", "protect"),
    ]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"remove": ["height"]}, "no values in a column 'height'"),
        ({"remove": ["constant"]}, "no column to remove (constant) has two values"),
        ({"remove": ["age"], "protect": ["age"]}, "--remove and --protect both name 'age'"),
        ({"remove": ["age"], "methods": ["magic"]}, "compare"),
    ],
)
def test_bad_words_are_one_line(cohort, tmp_path, given, line):
    with pytest.raises(InputProblem) as problem:
        referee.run(
            cohort / "edges.npy",
            cohort / "participants.tsv",
            tmp_path,
            options=options(**given),
            log=str,
        )
    assert line in str(problem.value) and len(str(problem.value).splitlines()) == 1


def written(folder, name, content):
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.txt", "x", "expected .tsv, .csv, .npy"),
        ("a.tsv", "name\tx\na\t1\n", "no column participant_id"),
        ("a.tsv", "participant_id\tx\na\tred\nb\t1\n", "column 'x' is not a number"),
        ("a.tsv", "participant_id\tx\ty\na\t1\t2\n", "2 edges are not the upper triangle"),
        ("a.npy", np.zeros(4), "expected (people, edges)"),
        ("a.npy", np.array(["a", "b"]), "expected numbers"),
        ("a.npy", "no array", "no readable array"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, name, content, line):
    with pytest.raises(InputProblem) as problem:
        read_connectome_table(written(tmp_path, name, content), [])
    assert line in str(problem.value) and str(tmp_path / name) in str(problem.value)


def test_matrices_give_their_upper_triangle(tmp_path):
    half = np.random.default_rng(2).uniform(-0.5, 0.5, (4, 5, 5))
    matrices = half + half.transpose(0, 2, 1)
    found = read_connectome_table(written(tmp_path, "a.npy", matrices), "abcd")
    expected = [[m[i, j] for i in range(5) for j in range(i + 1, 5)] for m in matrices]
    assert np.allclose(found.edges, expected)
    assert found.participant_id == list("abcd") and found.kind == "pearson"
    found = read_connectome_table(written(tmp_path, "a.npy", 9 * matrices), "abcd")
    assert found.kind == "fisher_z"


def test_runs_of_a_person_are_averaged_and_a_dead_region_costs_a_region(tmp_path):
    edges = np.random.default_rng(3).uniform(-0.9, 0.9, (8, 10)).astype(np.float32)
    edges[:, [0, 1, 2, 3]] = np.nan  # region A
    path, people = tmp_path / "c.h5", ["b", "a", "b", "c", "d", "e", "f", "g"]
    write_connectomes(path, edges, people, list("stuvwxyz"), list("ABCDE"), "pearson")
    table = pd.DataFrame({"participant_id": list("abcdefg"), "age": np.arange(7) + 8.5})
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    found = referee.gather(path, tmp_path / "p.tsv", options())
    assert found.participant_id.tolist() == list("abcdefg")
    both = np.tanh((np.arctanh(edges[0, 4:]) + np.arctanh(edges[2, 4:])) / 2)
    assert np.allclose(found.edges[:2], [edges[1, 4:], both], atol=1e-6)
    assert [row["what"] for row in found.exclusions] == ["region A"]


def test_somebody_must_be_in_both(cohort, tmp_path):
    path = written(tmp_path, "a.csv", "participant_id,x\nzz,1\n")
    with pytest.raises(InputProblem, match="nobody is in"):
        referee.gather(path, cohort / "participants.tsv", options())
    path = written(tmp_path, "a.npy", np.zeros((3, 6)))
    with pytest.raises(InputProblem, match="3 rows and no names of people"):
        referee.gather(path, cohort / "participants.tsv", options())
