"""Graphs of grayordinates: nodes of a group, maps, and the whole stage on surfaces."""

import itertools

import jobs_alone
import networkx
import numpy as np
import pandas as pd
import pytest
import surfaces
from cases.fmri import IMAGES

from neuro.adhd.graph import runs as run_graphs
from neuro.adhd.graph.voxels import OUTSIDE, join_nodes
from neuro.io.images import grayordinates as gray
from neuro.io.images.nodes import load_nodes, of_surfaces
from neuro.io.problems import InputProblem

RNG = np.random.default_rng(5)
ORDER = (
    *("fmri_index", "fmri_clean", "fmri_parcellate", "fmri_series", "fmri_connectome"),
    *("fmri_publish", "fmri_qc", "adhd_mask", "adhd_graph", "adhd_features", "adhd_diagnose"),
    *("adhd_permute", "adhd_summary"),
)


@pytest.fixture(scope="module")
def models():
    return surfaces.axis(subdivisions=1, wall=5, n_voxels=6)


def mask(path, models, absent=()):
    inside = np.ones(len(models))
    inside[list(absent)] = 0
    return gray.write_scalars(path, {"brain": inside}, models)


def mesh_files(folder, subdivisions=1):
    paths = []
    for side, mesh in zip("LR", surfaces.meshes(subdivisions).values()):
        paths.append(folder / f"{side}.surf.gii")
        surfaces.gifti_mesh(paths[-1], *mesh)
    return paths


def test_nodes_are_what_the_runs_share(tmp_path, models):
    paths = [mask(tmp_path / f"{n}.dscalar.nii", models, {3, 10 + n}) for n in range(3)]
    everybody, share = join_nodes(paths, "all")
    assert np.array_equal(np.flatnonzero(~everybody.inside), [3, 10, 11, 12])
    assert everybody.n == len(models) - 4 and (share == 1).all()
    anybody, share = join_nodes(paths, "train")
    assert np.array_equal(np.flatnonzero(~anybody.inside), [3])
    assert share[anybody.inside[:10].sum()] == pytest.approx(2 / 3)
    other = mask(tmp_path / "o.dscalar.nii", surfaces.axis(subdivisions=1, wall=4, n_voxels=6))
    with pytest.raises(InputProblem, match="use one space for all"):
        join_nodes([*paths, other], "all")
    alone, share = join_nodes(paths[:1], "all")
    assert np.array_equal(np.flatnonzero(~alone.inside), [3, 10]) and (share == 1).all()
    none = mask(tmp_path / "n.dscalar.nii", models, range(len(models)))
    with pytest.raises(InputProblem, match="no grayordinate is covered by all 2 runs"):
        join_nodes([paths[0], none], "all")


def test_a_group_reads_the_same_nodes_of_every_file(tmp_path, models):
    inside = RNG.random(len(models)) > 0.3
    group = of_surfaces(models, inside, mesh_files(tmp_path))
    group.write_mask(tmp_path / "g.dscalar.nii")
    again = load_nodes(tmp_path / "g.dscalar.nii", mesh_files(tmp_path))
    assert np.array_equal(again.inside, inside) and again.where.axis == group.where.axis
    values = RNG.normal(size=(7, len(models))).astype(np.float32)
    path = gray.write_series(tmp_path / "r.dtseries.nii", values, models, 2.0)
    found, tr = again.series(path)
    assert tr == 2.0 and np.array_equal(found, values[:, inside])
    for maps in (RNG.normal(size=group.n), RNG.normal(size=(group.n, 3))):
        group.write(tmp_path / "m.dscalar.nii", maps)
        assert np.allclose(again.map(tmp_path / "m.dscalar.nii"), maps, atol=1e-6)
    whole = gray.write_scalars(tmp_path / "w.dscalar.nii", {"a": values[0]}, models)
    assert np.array_equal(again.map(whole), values[0][inside])
    assert again.coords_mm().shape == (group.n, 3)
    assert load_nodes(tmp_path / "g.dscalar.nii").coords_mm() is None


def test_the_graph_is_that_of_networkx(tmp_path, models):
    inside = np.ones(len(models), dtype=bool)
    inside[7] = False
    group = of_surfaces(models, inside, mesh_files(tmp_path))
    labels = RNG.integers(0, 3, len(models))
    series = surfaces.planted(labels, 60, RNG)
    series[:, 20] = 5.0
    path = gray.write_series(tmp_path / "r.dtseries.nii", series, models, 2.0)
    values, _ = group.series(path)
    options = {"threshold": 0.3, "density": None, "distance_bins": (0, 20, np.inf)}
    maps, row = run_graphs.run_graph(values, group.coords_mm(), options | {"cycles4": False})
    graph = networkx.Graph()
    graph.add_nodes_from(range(group.n))
    places = gray.coordinates_mm(models, surfaces.meshes(1))[inside]
    near = np.zeros(group.n)
    for i, j in itertools.combinations(range(group.n), 2):
        a, b = values[:, i], values[:, j]
        if a.std() > 0 and b.std() > 0 and np.corrcoef(a, b)[0, 1] > 0.3:
            graph.add_edge(i, j)
            if np.linalg.norm(places[i] - places[j]) < 20:
                near[[i, j]] += 1
    dead = 19  # 20 of all grayordinates, one is not in the group
    live = np.arange(group.n) != dead
    assert np.isnan(maps["degree"][dead]) and row["n_constant"] == 1
    assert np.array_equal(maps["degree"][live], np.array(list(dict(graph.degree).values()))[live])
    triangles = networkx.triangles(graph)
    assert np.array_equal(maps["cycle3"][live], [triangles[n] for n in np.flatnonzero(live)])
    assert np.array_equal(maps["distdegree"][live, 0], near[live])


def study(folder, meshes):
    labels = [f"{number:02d}" for number in range(1, 11)]
    surfaces.fmriprep(folder / "prep", subjects=labels, n_volumes=60)
    lines = [f"sub-{name}\tA\t{9 + n}\tF\t{n % 2}" for n, name in enumerate(labels)]
    table = "participant_id\tsite\tage\tsex\tdx\n" + "\n".join(lines) + "\n"
    (folder / "prep/participants.tsv").write_text(table)
    fmri = {**IMAGES["fmri"], "atlas": "prep/atlas.dlabel.nii"}
    if meshes:
        sides = {"left": "L", "right": "R"}
        fmri["surfaces"] = {k: f"prep/hemi-{v}_midthickness.surf.gii" for k, v in sides.items()}
    config = {"data": {"kind": "fmriprep", "root": "prep"}, "fmri": fmri, "adhd": IMAGES["adhd"]}
    jobs = jobs_alone.plan(folder, jobs_alone.only(config), ["results/adhd/report.json"])
    for job in sorted(jobs, key=lambda job: ORDER.index(job.rule)):
        jobs_alone.run(job, folder)
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["meshes", "no meshes"])
def done(request, tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"), request.param), request.param


def test_maps_and_diagnosis_of_grayordinates(done):
    folder, meshes = done
    top = folder / "results/adhd"
    nodes = load_nodes(top / "group_mask.dscalar.nii")
    first = nodes.map(top / "sub-01/func/sub-01_task-rest_stat-degree_boldmap.dscalar.nii")
    series, _ = nodes.series(
        folder / "results/work/fmri/sub-01/func/sub-01_task-rest_desc-denoisedSmoothed_bold"
        ".dtseries.nii"
    )
    corr = np.corrcoef(series.T)
    np.fill_diagonal(corr, -1)
    # the strongest tenth of the pairs
    level = np.sort(corr[np.triu_indices(nodes.n, 1)])[-round(0.1 * nodes.n * (nodes.n - 1) / 2)]
    assert np.abs((corr >= level).sum(axis=1) - first).max() <= 1
    group = nodes.map(top / "group_degree_difference.dscalar.nii")
    assert np.isfinite(group).all() and group.shape == (nodes.n,)
    scores = pd.read_csv(top / "scores.tsv", sep="\t")
    assert {"degree", "cycle3", "fc"} <= set(scores["input"])
    left_out = pd.read_csv(top / "exclusions.tsv", sep="\t")
    assert ("distdegree" in set(left_out["what"])) != meshes
    regions = set(pd.read_csv(top / "regions.tsv", sep="\t")["region"])
    areas = {f"area{number}" for number in range(1, 5)}
    assert regions == (areas if meshes else areas | {OUTSIDE})
