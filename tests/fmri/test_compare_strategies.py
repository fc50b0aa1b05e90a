"""The ledger of strategies: cleaned means are means of cleaned voxels; its figures are right."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neuro.fmri.clean.run import denoise_run
from neuro.fmri.compare import ledger, run
from neuro.fmri.regions.connectome import to_matrix
from neuro.fmri.regions.parcellate import Parcellator
from neuro.io.problems import InputProblem
from neuro.io.regions import compared

SHAPE, N = (6, 5, 4), 150
MASK = nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.diag([4.0, 4, 4, 1]))
STRATEGIES = ("none", "6P", "24P", "36P_nogsr", "36P", "athena", "motion=full+wm_csf=basic")


def labels():
    """Six regions of 20 voxels."""
    data = np.repeat(np.arange(1, 7), 20).reshape(SHAPE).astype(np.int16)
    return nib.Nifti1Image(data, MASK.affine)


def overlapping():
    """Three smooth maps that overlap."""
    place = np.argwhere(np.ones(SHAPE)).reshape(*SHAPE, 3)
    centres = np.array([[1, 1, 1], [3, 2, 2], [4, 4, 3]])
    maps = np.stack([np.exp(-((place - c) ** 2).sum(-1) / 4) for c in centres], axis=-1)
    return nib.Nifti1Image(maps.astype(np.float32), MASK.affine)


@pytest.fixture(scope="module")
def raw():
    """Voxels with drift, motion and dead places, and a confounds table; motion jumps twice."""
    rng = np.random.default_rng(0)
    motion = 0.01 * rng.standard_normal((N, 6)).cumsum(axis=0)
    motion[:, 3:] /= 50
    motion[40:43, 0] += 0.9
    motion[100, 1] += 1.2
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = pd.DataFrame(motion, columns=names)
    for name in ("white_matter", "csf", "global_signal"):
        table[name] = rng.standard_normal(N).cumsum()
    series = 1000 + rng.standard_normal((N, 120)).cumsum(axis=0) + 30 * motion[:, :1]
    series += table[["csf"]].to_numpy() * rng.random(120)
    series = (series + rng.standard_normal(series.shape)).astype(np.float32)
    series[:, [3, 25]] = 500
    series[:41, 50] = 800  # constant at first, not later
    return series, table


SETTINGS = {"drop_volumes": 3, "min_seconds": 0, "smooth_mm": 0, "band": [0.01, 0.2]}


@pytest.mark.parametrize("atlas", [labels, overlapping])
@pytest.mark.parametrize("options", [{}, {"filter": "fourier"}, {"scrub": False, "filter": "none"}])
def test_means_of_cleaned_voxels_are_cleaned_means(raw, atlas, options):
    series, table = raw
    parcels = Parcellator(atlas(), MASK, 0.5).fit()
    settings = {**SETTINGS, **options}
    kept, traces = None, None
    for strategy in STRATEGIES:
        voxels = denoise_run(
            series, MASK, tr=2.0, confounds=table, settings={**settings, "strategy": strategy}
        )
        if kept is None:
            kept, traces = voxels.kept, voxels.traces["std_dvars"].to_numpy()
            assert (N - kept.sum() > 8) == settings.get("scrub", True)
            means = run.region_series(series, kept, parcels)
        (own,) = run.cleaned(means, 2.0, [strategy], settings, confounds=table, std_dvars=traces)
        expected = parcels.transform(voxels.denoised)
        assert own.row["n_kept"] == kept.sum() == len(expected)
        assert own.row["dof_left"] == pytest.approx(voxels.parameters["dof_left"])
        scale = np.nanstd(expected, axis=0)
        np.testing.assert_allclose(own.series / scale, expected / scale, atol=2e-5)
        np.testing.assert_allclose(np.corrcoef(own.series.T), np.corrcoef(expected.T), atol=1e-6)


def test_a_run_without_columns_or_freedom_is_lost_and_says_why(raw):
    series, table = raw
    means = series[:70, :6]
    found = run.cleaned(
        means,
        2.0,
        ["6P", "36P", "24P"],
        {"min_seconds": 0, "band": [0.01, 0.08]},
        confounds=table.iloc[:70].drop(columns="csf"),
        run_key="r",
    )
    rows = {item.strategy: item.row for item in found}
    assert (rows["6P"]["status"], rows["6P"]["n_parameters"]) == ("used", 6)
    assert "csf" in rows["36P"]["reason"] and rows["36P"]["n_kept"] is None
    assert "no degrees of freedom left" in rows["24P"]["reason"]
    assert rows["24P"]["dof_left"] < 0 < rows["24P"]["dof_lost"]
    assert rows["6P"]["dof_lost"] == pytest.approx(70 - rows["6P"]["dof_left"])
    assert [item.series is None for item in found] == [False, True, True]
    short = run.cleaned(means, 2.0, ["6P"], {"min_seconds": 300}, confounds=table.iloc[:70])
    assert "fewer than 300 s" in short[0].row["reason"]


def cohort(n=40, n_regions=12, seed=1):
    """Two runs per person: edges with networks and a person's own part, and mean FD."""
    rng = np.random.default_rng(seed)
    people = [f"p{number // 2:02d}" for number in range(n)]
    keys = [f"{who}_run-{number % 2}" for number, who in enumerate(people)]
    network = np.arange(n_regions) // 4
    i, j = np.triu_indices(n_regions, 1)
    base = 0.5 * (network[i] == network[j])
    own = 0.2 * rng.standard_normal((n // 2, len(base))).repeat(2, axis=0)
    fd = rng.gamma(2, 0.1, n // 2).repeat(2)
    edges = base + own + 0.05 * rng.standard_normal((n, len(base)))
    return edges, people, keys, network, fd


def table_of(keys, strategies, fd, lost=()):
    rows = [
        {
            "run_key": key,
            "strategy": name,
            "status": "lost" if (name, key) in lost else "used",
            "reason": None,
            "n_volumes": 100,
            "n_kept": 90,
            "mean_fd": fd[number],
            "n_parameters": 6 * place,
            "dof_left": 40.0 - 6 * place,
            "dof_lost": 60.0 + 6 * place,
        }
        for place, name in enumerate(strategies)
        for number, key in enumerate(keys)
    ]
    return pd.DataFrame(rows)


def test_planted_motion_networks_and_people_are_found_under_the_right_strategy():
    clean, people, keys, network, fd = cohort()
    rng = np.random.default_rng(2)
    i, j = np.triu_indices(12, 1)
    apart = np.abs(i - j) * 10.0
    moved = clean + (2.0 * (fd - fd.mean()))[:, None] * (1 - apart / 60)
    blurred = 0.3 * clean + 0.4 * rng.standard_normal(clean.shape)
    strategies = ["clean", "moved", "blurred"]
    lost = {("moved", keys[0]), ("blurred", keys[5])}
    edges = np.stack([clean, moved, blurred]).astype(np.float32)
    for name, key in lost:
        edges[strategies.index(name), keys.index(key)] = np.nan
    table = ledger.ledger(
        edges,
        table_of(keys, strategies, fd, lost),
        strategies,
        run_keys=keys,
        people=people,
        kind="fisher_z",
        apart=apart,
        network=network,
        used="moved",
    ).set_index("strategy")
    assert list(table.reset_index().columns) == list(ledger.COLUMNS)
    assert table["runs_lost"].tolist() == [0, 1, 1] and table["used"].tolist() == [0, 1, 0]
    assert table["dof_lost"].tolist() == [60, 66, 72]
    assert table["qc_fc_share"]["moved"] > 0.5 > 0.15 > table["qc_fc_share"]["clean"]
    assert table["distance_slope"]["moved"] < -0.002 < table["distance_slope"]["clean"]
    assert table["network_contrast"]["clean"] == pytest.approx(0.5, abs=0.05)
    assert table["network_contrast"]["blurred"] == pytest.approx(0.15, abs=0.07)
    assert table["identified"]["clean"] == 1.0 > table["identified"]["blurred"] + 0.3
    # two runs were lost under some strategy: their people have one common run, the others two
    assert (table["n_repeated"] == 18).all() and (table["n_people"] == 20).all()
    assert table["identified_by_chance"]["clean"] == pytest.approx(1 / 18)
    # everything is judged on the runs that all strategies keep
    common = [n for n, key in enumerate(keys) if not any(key == other for _, other in lost)]
    rows = table_of(keys, ["clean"], fd)
    runs = rows.iloc[common].assign(participant_id=np.asarray(people)[common])
    alone = ledger.judged(clean[common], runs, "fisher_z", apart, network)
    for name, value in alone.items():
        if isinstance(value, float):
            assert table[name]["clean"] == pytest.approx(value, rel=1e-4), name


def test_a_strategy_that_loses_everybody_has_a_row_and_costs_the_others_nothing():
    clean, people, keys, _, fd = cohort(12)
    strategies = ["a", "b"]
    edges = np.stack([clean, np.full_like(clean, np.nan)])
    lost = {("b", key) for key in keys}
    options = {"run_keys": keys, "people": people, "kind": "fisher_z"}
    table = ledger.ledger(edges, table_of(keys, strategies, fd, lost), strategies, **options)
    assert table["runs_lost"].tolist() == [0, 12] and table["dof_left"].tolist() == [40, 34]
    assert np.isfinite(table["qc_fc_share"][0]) and np.isnan(table["qc_fc_share"][1])
    assert table["communities"].tolist()[0] == "found" and np.isnan(table["network_contrast"][0])
    nothing = ledger.ledger(
        edges,
        table_of(keys, strategies, fd, lost | {("a", key) for key in keys}),
        strategies,
        **options,
    )
    assert nothing["qc_fc_share"].isna().all()


def test_modularity_is_that_of_networkx_and_contrast_a_difference_of_means():
    import networkx

    rng = np.random.default_rng(3)
    z = rng.standard_normal((3, 45))
    parts = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    values = []
    for row in z:
        graph = networkx.from_numpy_array(to_matrix(np.clip(row, 0, None)))
        groups = [set(np.flatnonzero(parts == k)) for k in range(3)]
        values.append(networkx.community.modularity(graph, groups))
    assert ledger.modularity(z, parts) == pytest.approx(np.median(values))
    network = parts.copy()
    network[0] = -1
    differences = []
    for row in z:
        full = to_matrix(row)
        within, between = [], []
        for i in range(1, 10):
            for j in range(i + 1, 10):
                (within if network[i] == network[j] else between).append(full[i, j])
        differences.append(np.mean(within) - np.mean(between))
    assert ledger.contrast(z, network) == pytest.approx(np.median(differences))
    assert np.isnan(ledger.contrast(z, np.zeros(10, int)))
    planted = np.where(
        np.equal.outer(parts, parts)[np.triu_indices(10, 1)], 1.0, 0.05
    ) + 0.01 * rng.random((4, 45))
    found = ledger.communities(planted)
    assert all(len(set(found[parts == k])) == 1 for k in range(3)) and len(set(found)) == 3
    # without structure the search ends where its seed leads it
    noise = rng.random((4, 45))
    ends = [tuple(ledger.communities(noise, seed)) for seed in range(12)]
    assert len(set(ends)) > 1 and ends[3] == tuple(ledger.communities(noise, 3))


def test_networks_are_read_from_names_or_the_truth():
    names = ["7Networks_LH_Vis_1", "7Networks_RH_Default_PFC_2", "7Networks_RH_Vis_2", "Amygdala"]
    assert ledger.known_networks(names).tolist() == [1, 0, 1, -1]
    assert ledger.known_networks(["a", "b"]) is None
    truth = {"networks": {"a": 3}}
    assert ledger.known_networks(["a", "b"], truth).tolist() == [3, -1]
    assert ledger.known_networks(["c"], truth) is None


def test_the_file_comes_back_and_a_damaged_one_is_refused(tmp_path):
    edges = np.arange(2 * 3 * 6, dtype=np.float32).reshape(2, 3, 6)
    content = compared.Compared(
        edges, ["x", "y"], list("abc"), list("ppq"), list("ABCD"), "fisher_z"
    )
    compared.write_compared(tmp_path / "c.h5", content)
    found = compared.read_compared(tmp_path / "c.h5")
    np.testing.assert_array_equal(found.edges, edges)
    assert (found.strategy, found.participant_id, found.kind) == (
        ["x", "y"],
        list("ppq"),
        "fisher_z",
    )
    wrong = compared.Compared(edges[:1], ["x", "y"], list("abc"), list("ppq"), list("ABCD"), "z")
    compared.write_compared(tmp_path / "w.h5", wrong)
    with pytest.raises(InputProblem, match="expected"):
        compared.read_compared(tmp_path / "w.h5")
