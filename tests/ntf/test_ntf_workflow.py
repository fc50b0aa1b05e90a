"""The stage as a workflow: a toy run, what it plans, settings that do not fit together."""

import json
import re
import time

import numpy as np
import pandas as pd
import pytest
import yaml
from common import only, snakemake

from neuro import config

TOY = {
    "data": {"kind": "none"},
    "ntf": {
        "sources": ["simulated"],
        "simulated": {"n_animals": 3, "n_neurons": 12, "n_conditions": 2, "epoch_s": 10.0},
        "rank": 2,
        "n_starts": 3,
        "n_null": 2,
    },
}
FILES = (
    "rank_sweep.tsv",
    "rank.json",
    "axes.npz",
    "axes.json",
    "factors.npz",
    "factors.json",
    "presence.tsv",
    "time_map.tsv",
    "null_0.npz",
    "nulls.tsv",
    "communities.tsv",
    "components.tsv",
    "membership.npz",
    "back_projection.npz",
    "known.tsv",
    "exclusions.tsv",
    "report.json",
    "motifs/motif_01.tsv",
    "motifs/motif_02.graphml",
)


def write(folder, settings):
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(settings)))


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A finished toy run: 12 neurons, 3 animals, 2 components, 2 surrogates."""
    folder = tmp_path_factory.mktemp("toy")
    write(folder, TOY)
    snakemake(folder, "ntf", "--configfile", "mine.yaml", "--cores", "2")
    return folder


def planned(folder, *arguments):
    result = snakemake(folder, "-n", "--configfile", "mine.yaml", "--cores", "1", *arguments)
    table = result.stdout.split("job", 1)[1] if "count" in result.stdout else ""
    return set(re.findall(r"^(\w+)\s+\d+$", table, re.MULTILINE)) - {"total", "all", "ntf"}


def test_a_toy_run_leaves_all_files(toy):
    for name in FILES:
        path = toy / "results/ntf/simulated" / name
        assert path.is_file() and path.stat().st_size, name
    assert not (toy / "results/ntf/simulated/tensor.npy").exists(), "the tensor is temporary"
    assert (toy / "results/ntf/dataset_description.json").is_file()


def test_a_second_run_does_nothing(toy):
    assert planned(toy, "ntf") == set()


def test_a_changed_key_runs_only_the_rules_that_read_it(toy, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(toy, folder, copy_function=shutil.copy2)
    settings = {**TOY, "ntf": {**TOY["ntf"], "communities": {"n_seeds": 7}}}
    write(folder, settings)
    assert planned(folder, "ntf") == {"ntf_communities", "ntf_summary"}


def test_the_sidecars_name_kind_and_alignment(toy):
    sidecar = json.loads((toy / "results/ntf/simulated/axes.json").read_text())
    assert sidecar["AffinityKind"] == "excess" and sidecar["AffinitySign"] == "signed"
    assert sidecar["TimeAlignment"] == "stimulus" and sidecar["BinsPerSecond"] == 0.2
    factors = json.loads((toy / "results/ntf/simulated/factors.json").read_text())
    assert factors["Model"] == "tensor"


def test_the_headline_compares_with_the_planted_truth(toy):
    rows = json.loads((toy / "results/ntf/report.json").read_text())
    planted = {row["name"]: row for row in rows if "planted" in row}
    assert planted["simulated: motifs"]["planted"] == 2
    for row in planted.values():
        assert {"planted", "recovered", "error"} <= set(row)
    known = pd.read_csv(toy / "results/ntf/simulated/known.tsv", sep="\t")
    assert list(known["condition"]) == ["stimulus1", "stimulus2"]
    with np.load(toy / "results/ntf/simulated/factors.npz") as file:
        # both signs of every pair
        assert file["pairs"].shape == (132, len(file["lambda"]))
        assert file["pair_index"].shape == (66, 2)


def test_motif_tables_hold_every_pair_once(toy):
    table = pd.read_csv(toy / "results/ntf/simulated/motifs/motif_01.tsv", sep="\t")
    assert len(table) == 66 and not table.duplicated(["neuron_a", "neuron_b"]).any()
    import networkx

    graph = networkx.read_graphml(toy / "results/ntf/simulated/motifs/motif_01.graphml")
    assert set(graph.nodes) == set(table["neuron_a"]) | set(table["neuron_b"])
    assert graph.number_of_edges() == table["weight"].fillna(0).ne(0).sum()
    _, _, data = next(iter(graph.edges(data=True)))
    assert data["sign"] == np.sign(data["weight"]), "edges have a sign"


def recordings(folder, names=("w1", "w2")):
    rng = np.random.default_rng(0)
    for name in names:
        traces = rng.standard_normal((80, 4)).cumsum(axis=0).astype(np.float32)
        np.savez(folder / f"{name}.npz", traces=traces, fs=4.0)


def test_recordings_without_names_are_refused_by_the_workflow_in_one_line(tmp_path):
    recordings(tmp_path)
    settings = {
        "data": {"kind": "none"},
        "ntf": {"sources": ["recordings"], "recordings": {"files": ["w*.npz"]}},
    }
    write(tmp_path, settings)
    result = snakemake(tmp_path, "ntf", "--configfile", "mine.yaml", "--cores", "1", check=False)
    assert result.returncode == 1
    assert (
        "ntf: 2 recordings without neuron names cannot be stacked; give names or use one tensor "
        "per recording"
    ) in result.stderr
    assert "Traceback" not in result.stderr
    settings["ntf"]["recordings"]["stack"] = False
    write(tmp_path, settings)
    text = snakemake(tmp_path, "-n", "ntf", "--configfile", "mine.yaml", "--cores", "1").stdout
    assert re.search(r"ntf_tensor\s+2\n", text) and re.search(r"ntf_null\s+4\n", text)


def test_the_stage_alone_needs_no_fmri(tmp_path):
    write(tmp_path, TOY)
    start = time.process_time()
    assert "fmri_index" not in planned(tmp_path, "ntf")
    assert time.process_time() - start < 60


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"sources": []}, "ntf.sources: empty; name one of simulated, recordings, fmri"),
        (
            {"sources": ["fmri"]},
            "ntf.enabled: true, but data.kind is 'none'; disable ntf or name the input in data",
        ),
        (
            {"sources": ["recordings"]},
            "ntf.recordings.files: empty, but ntf.sources has 'recordings'; name the files",
        ),
        (
            {"sources": ["recordings"], "recordings": {"files": ["no*.npz"]}},
            "ntf.recordings.files: no such file: no*.npz",
        ),
        (
            {"sources": ["simulated"], "recordings": {"files": ["x.npz"]}},
            "ntf.recordings.files: given, but ntf.sources has no 'recordings'",
        ),
        (
            {"sources": ["recordings"], "recordings": {"files": ["a.npz"], "events": "no.tsv"}},
            "ntf.recordings.events: no such file: no.tsv",
        ),
        (
            {
                "sources": ["recordings"],
                "recordings": {"files": ["a.npz", "b.npz"], "assemblies": "a.npz"},
            },
            "ntf.recordings.assemblies: given with 2 recordings; expected one",
        ),
        (
            {"sources": ["recordings"], "recordings": {"files": ["a.npz"]}, "ranks": [5, 2]},
            "ntf.ranks: got [5, 2], expected first <= last",
        ),
        (
            {
                "sources": ["recordings"],
                "recordings": {"files": ["a.npz"]},
                "time_alignment": "stimulus",
            },
            "ntf.recordings.events: missing, but ntf.time_alignment is 'stimulus'",
        ),
        (
            {"sources": ["simulated"], "affinity": {"kind": "product", "sign": "split"}},
            "ntf.affinity.sign: 'split' needs a signed kind (excess, edge_ts, sliding_window, "
            "phase), got 'product'",
        ),
        ({"rank": "many"}, "ntf.rank: got 'many', expected a whole number >= 1 or null"),
        ({"time_alignement": "task"}, "unknown key; did you mean 'time_alignment'?"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(tmp_path, monkeypatch, settings, line):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "b.npz"):
        (tmp_path / name).write_bytes(b"x")
    found = config.resolve(
        {"data": {"kind": "none"}, "ntf": {"enabled": True, **settings}}, source="mine.yaml"
    )
    assert any(line in problem for problem in found), found
    assert all(len(problem) <= 160 for problem in found)


def test_the_methods_text_names_what_is_used():
    mapping = {"data": {"kind": "none"}, "ntf": {"sources": ["simulated"], "n_null": 0}}
    assert config.resolve(mapping) == []
    from neuro.config.ntf import describe

    sentences, keys = describe(mapping)
    text = " ".join(sentences)
    assert "our definition" in text and "against 199 surrogates" in text
    assert "was repeated on" not in text
    assert "dyballa2024" in keys and "cichocki2009" in keys
    mapping["ntf"] |= {"n_null": 20, "rank": 4}
    text = " ".join(describe(mapping)[0])
    assert "20 surrogates" in text and "4 components were fitted" in text
    mapping["ntf"] |= {"n_null": 0, "n_moves": 0}
    assert "surrogates" not in " ".join(describe(mapping)[0])
