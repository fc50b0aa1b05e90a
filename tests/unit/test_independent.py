"""Beside each stored case a check that is not the code's own: stages fmri and adhd.

Stored outputs are compared with a slow obvious version, a planted truth or a library; no rule runs.
:data:`CHECKS` names the check of every rule, here or where the rule's function is tested.
"""

import ast
import json

import numpy as np
import pytest
from cases import CASES
from stored import HERE, RUN, at, data_sets, image, pairs, table, texts

TESTS = HERE.parent
STAGES = "unit/test_independent_stages.py"
OWN = "unit/test_independent.py"
HEADLINES = "unit/test_headlines.py"
CHECKS = {
    "simulate_fmri": ("simulate/test_cohort.py", ""),
    "simulate_scenes": (STAGES, "test_scenes_drive_the_voxels_of_their_region"),
    "fmri_index": (OWN, "test_index_lists_every_run_and_participant_once"),
    "fmri_slicetime": ("fmri/test_slice_timing_shift.py", ""),
    "fmri_realign": (OWN, "test_realignment_recovers_the_planted_motion"),
    "fmri_clean": (OWN, "test_framewise_displacement_is_the_sum_of_its_parts"),
    "fmri_parcellate": (OWN, "test_a_region_is_the_mean_of_its_voxels"),
    "fmri_maps": (OWN, "test_maps_are_those_of_scipy_and_of_the_textbook"),
    "fmri_maps_group": (OWN, "test_group_maps_are_means_of_z_scores"),
    "fmri_compare_run": (OWN, "test_edges_without_regressors_are_correlations_of_filtered_means"),
    "fmri_compare": (OWN, "test_ledger_counts_runs_and_correlates_with_motion"),
    "fmri_series": (OWN, "test_gathered_series_are_those_of_the_runs"),
    "fmri_table": (OWN, "test_tables_are_read_as_they_stand"),
    "fmri_connectome": (OWN, "test_connectomes_are_those_of_nilearn"),
    "fmri_publish": ("workflow/test_bids_validator.py", ""),
    "fmri_qc": (OWN, "test_quality_of_runs_is_gathered_unchanged"),
    "adhd_mask": (OWN, "test_coverage_is_the_mean_of_the_masks"),
    "adhd_graph": (OWN, "test_voxel_graph_is_that_of_networkx"),
    "adhd_graph_roi": (OWN, "test_region_graphs_are_those_of_networkx"),
    "adhd_features": (OWN, "test_features_are_the_voxels_of_the_maps"),
    "adhd_diagnose": (OWN, "test_held_out_scores_are_those_of_scikit_learn"),
    "adhd_group": (OWN, "test_tests_of_edges_and_nodes_are_least_squares"),
    "adhd_compare": ("adhd/test_compared.py", ""),
    "adhd_permute": (OWN, "test_permuted_scores_are_possible_ones"),
    "adhd_targets": (OWN, "test_scores_of_targets_are_those_of_their_predictions"),
    "adhd_summary": (HEADLINES, "test_adhd"),
    "demovae_fit": ("demovae/test_demovae_planted.py", ""),
    "demovae_features": ("demovae/test_demovae_linear.py", ""),
    "demovae_sample": (STAGES, "test_samples_are_correlation_matrices_of_the_asked_people"),
    "demovae_evaluate": (STAGES, "test_reconstruction_from_components_is_that_of_scikit_learn"),
    "demovae_compare": ("demovae/test_demovae_compare.py", ""),
    "demovae_phenotypes": ("demovae/test_demovae_phenotypes.py", ""),
    "demovae_generation": (STAGES, "test_generation_compares_the_real_connectomes"),
    "demovae_diagnosis": (HEADLINES, "test_demovae"),
    "demovae_planted": (HEADLINES, "test_demovae"),
    "demovae_summary": (HEADLINES, "test_demovae"),
    "ntf_simulate": (STAGES, "test_planted_neurons_follow_their_epochs"),
    "ntf_tensor": ("ntf/test_pair_tensor.py", ""),
    "ntf_rank": (STAGES, "test_errors_of_the_sweep_fall_with_the_rank"),
    "ntf_factorize": (STAGES, "test_error_of_the_factors_is_that_of_tensorly"),
    "ntf_null": (STAGES, "test_surrogates_explain_less_than_the_recordings"),
    "ntf_communities": (HEADLINES, "test_ntf"),
    "ntf_summary": (HEADLINES, "test_ntf"),
    "hmmglm_simulate": (STAGES, "test_log_likelihood_of_planted_spikes_is_the_forward_sum"),
    "hmmglm_bin": (STAGES, "test_counts_are_those_of_a_histogram"),
    "hmmglm_fit": (STAGES, "test_held_out_log_likelihood_is_the_forward_sum"),
    "hmmglm_fit_one": (STAGES, "test_one_start_is_that_of_the_batch"),
    "hmmglm_select": (STAGES, "test_curve_is_the_mean_over_folds"),
    "hmmglm_ladder": (STAGES, "test_rungs_without_states_are_what_scipy_finds"),
    "hmmglm_export": (HEADLINES, "test_hmmglm"),
    "hmmglm_summary": (HEADLINES, "test_hmmglm"),
    "mds_simulate": ("mds/test_mds_typing.py", ""),
    "mds_twin": (STAGES, "test_twin_predicts_as_ridge_regression_does"),
    "mds_cluster": (STAGES, "test_units_join_the_stimulus_that_drives_them_most"),
    "mds_select": (HEADLINES, "test_mds"),
    "mds_present": (STAGES, "test_new_cells_respond_most_to_the_stimulus_that_fits_their_type"),
    "mds_assign": (STAGES, "test_new_cells_are_typed_by_their_largest_response"),
    "mds_summary": (HEADLINES, "test_mds"),
    "braindive_generator": ("braindive/test_guided_parts.py", ""),
    "braindive_encode": (STAGES, "test_r2_of_the_readout_is_that_of_its_weights"),
    "braindive_sample": (STAGES, "test_guided_images_differ_from_their_twins_by_little"),
    "braindive_judge": (HEADLINES, "test_braindive"),
    "report": ("report/test_pages_fmri_to_demovae.py", ""),
}
"""Rule to the file and test that checks it independently; no name where the whole file does."""


def test_every_rule_has_an_independent_check():
    assert set(CHECKS) == set(CASES)
    for path, name in set(CHECKS.values()):
        tree = ast.parse((TESTS / path).read_text())
        names = {item.name for item in tree.body if isinstance(item, ast.FunctionDef)}
        assert name in names if name else any(item.startswith("test_") for item in names), name


def test_index_lists_every_run_and_participant_once():
    runs = table("fmri_index", "expected", "fmri/runs.tsv", dtype=str)
    people = table("fmri_index", "expected", "participants.tsv", dtype=str)
    given = (HERE / "fmri_index/data/input/participants.tsv").read_text().split("\n")[1:]
    labels = [line.split("\t")[0].removeprefix("sub-") for line in given if line]
    assert people.participant_id.tolist() == sorted(labels)
    assert runs.participant_id.tolist() == sorted(labels)
    assert (runs.run_key == "sub-" + runs.participant_id + "_task-rest").all()
    ages = {line.split("\t")[0][4:]: line.split("\t")[2] for line in given if line}
    assert all(float(ages[row.participant_id]) == float(row.age) for row in people.itertuples())


def test_realignment_recovers_the_planted_motion():
    truth = json.loads((HERE / "fmri_realign/data/input/truth.json").read_text())
    planted = np.array(truth["motion"]["sub-01_task-rest"])
    motion = table("fmri_realign", "expected", f"work/fmri/{RUN}_desc-motion_timeseries.tsv")
    found = motion.iloc[:, :6].to_numpy()
    assert np.abs(found[:, :3] - planted[:, :3]).max() < 0.1 * np.abs(planted[:, :3]).max() + 0.05
    assert np.corrcoef(found.ravel(), planted.ravel())[0, 1] > 0.99
    steps = np.abs(np.diff(found, axis=0))
    fd = steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1)
    assert np.allclose(motion.framewise_displacement[1:], fd, rtol=1e-5)


def test_framewise_displacement_is_the_sum_of_its_parts():
    motion = table("fmri_clean", "expected", f"work/fmri/{RUN}_desc-confounds_timeseries.tsv")
    given = HERE / f"fmri_clean/data/input/{RUN}_desc-confounds_timeseries.tsv"
    quality = table("fmri_clean", "expected", f"work/fmri/{RUN}_desc-qc.tsv").iloc[0]
    columns = dict(
        zip(given.read_text().split("\n")[0].split("\t"), np.genfromtxt(given, skip_header=1).T)
    )
    fd = np.zeros(len(motion))
    for time in range(1, len(motion)):
        for axis in "xyz":
            fd[time] += abs(columns[f"trans_{axis}"][time] - columns[f"trans_{axis}"][time - 1])
            fd[time] += 50 * abs(columns[f"rot_{axis}"][time] - columns[f"rot_{axis}"][time - 1])
    assert quality.mean_fd == pytest.approx(fd.mean(), rel=1e-4)
    assert quality.max_fd == pytest.approx(fd.max(), rel=1e-4)
    # what six columns of motion explain is gone from every voxel
    mask = image(at("fmri_clean", "expected", f"work/fmri/{RUN}_desc-brain_mask.nii.gz")) > 0
    bold = image(at("fmri_clean", "expected", f"work/fmri/{RUN}_desc-denoised_bold.nii.gz"))[mask]
    assert bold.shape[1] == len(motion)
    spectrum = np.abs(np.fft.rfft(bold - bold.mean(axis=1, keepdims=True), axis=1)) ** 2
    hertz = np.fft.rfftfreq(len(motion), 2.0)
    inside = (hertz >= 0.01) & (hertz <= 0.15)
    assert spectrum[:, inside].sum() > 0.8 * spectrum.sum()


def test_a_region_is_the_mean_of_its_voxels():
    case = "fmri_parcellate"
    bold = image(at(case, "data", f"work/fmri/{RUN}_desc-denoised_bold.nii.gz"))
    mask = image(at(case, "data", f"work/fmri/{RUN}_desc-brain_mask.nii.gz")) > 0
    labels = image(HERE / case / "data/input/atlas.nii.gz")
    series = table(case, "expected", f"work/fmri/{RUN}_atlas-atlas_stat-mean_timeseries.tsv")
    numbers = sorted(set(labels[labels > 0].ravel().tolist()))
    assert len(numbers) == series.shape[1]
    for column, number in zip(series, numbers):
        voxels = [bold[tuple(at_)] for at_ in np.argwhere((labels == number) & mask)]
        mean = [sum(values) / len(values) for values in zip(*voxels)]
        assert np.allclose(series[column], mean, rtol=1e-4, atol=1e-4 * np.ptp(mean))


def _maps(case, side, key):
    """Voxels of a run's maps in C order of its mask, by name."""
    folder = at(case, "data", f"work/fmri/{key[:6]}/func")
    inside = image(folder / f"{key}_desc-brain_mask.nii.gz") > 0
    folder = at(case, side, f"work/fmri/{key[:6]}/func")
    names = ("alff", "falff", "reho", "seed")
    return {name: image(folder / f"{key}_stat-{name}_boldmap.nii.gz")[inside] for name in names}


def test_maps_are_those_of_scipy_and_of_the_textbook():
    from scipy import signal, stats

    case, key = "fmri_maps", RUN.split("/")[-1]
    mask = image(at(case, "data", f"work/fmri/{RUN}_desc-brain_mask.nii.gz")) > 0
    bold = image(at(case, "data", f"work/fmri/{RUN}_desc-denoised_bold.nii.gz"))
    maps = _maps(case, "expected", key)
    # nothing was censored; the band is .01-.15 Hz, an interval 2 s
    hertz, power = signal.periodogram(bold[mask], 0.5, scaling="spectrum", axis=1)
    size = np.sqrt(power)[:, (hertz >= 0.01) & (hertz <= 0.15)].mean(axis=1)
    assert np.allclose(maps["alff"], size, rtol=1e-4)
    for voxel, place in list(enumerate(np.argwhere(mask)))[::7]:
        around = [
            stats.rankdata(bold[tuple(other)])
            for other in np.argwhere(mask)
            if np.abs(other - place).max() <= 1
        ]
        total = np.sum(around, axis=0)
        k, n = len(around), len(total)
        w = 12 * ((total - total.mean()) ** 2).sum() / (k**2 * (n**3 - n))
        assert maps["reho"][voxel] == pytest.approx(w, rel=1e-4)
    table_ = table(case, "data", f"work/fmri/{RUN}_desc-confounds_timeseries.tsv").to_numpy(float)
    raw = next((HERE / case / "data/input/sub-01/func").glob("*_bold.nii.gz"))
    series = image(raw)[mask].T.astype(float)
    x = np.column_stack([np.ones(len(series)), np.arange(len(series)), table_])
    rest = series - x @ np.linalg.lstsq(x, series, rcond=None)[0]
    _, power = signal.periodogram(rest, 0.5, scaling="spectrum", axis=0)
    size = np.sqrt(power)
    share = size[(hertz >= 0.01) & (hertz <= 0.15)].sum(axis=0) / size[1:].sum(axis=0)
    assert np.allclose(maps["falff"], share, rtol=1e-3)
    assert np.isnan(maps["seed"][:, 1]).all() and np.isfinite(maps["seed"][:, 0]).all()


def test_group_maps_are_means_of_z_scores():
    case = "fmri_maps_group"
    found = data_sets(at(case, "expected", "fmri/maps.h5"))
    keys = texts(found["run_key"])
    for name in ("alff", "falff", "reho"):
        maps = np.array([_maps(case, "data", key)[name] for key in keys], dtype=float)
        z = (maps - maps.mean(axis=1, keepdims=True)) / maps.std(axis=1, keepdims=True)
        group = image(at(case, "expected", f"fmri/group_{name}_mean.nii.gz"))
        assert np.allclose(group.ravel(), z.mean(axis=0), rtol=1e-4, atol=1e-6)
        assert (image(at(case, "expected", f"fmri/group_{name}_n.nii.gz")) == 10).all()
        rows = table(case, "expected", "fmri/maps.tsv")
        rows = rows[rows["map"] == name]
        assert np.allclose(rows["mean"], maps.mean(axis=1)) and (rows["n"] == 64).all()
        for number, key in enumerate(keys):
            path = f"work/fmri/{key[:6]}/func/{key}_atlas-atlas_stat-{name}_bold.tsv"
            means = table(case, "data", path).to_numpy(float)[0]
            own = (means - maps[number].mean()) / maps[number].std()
            assert np.allclose(found[f"maps/{name}"][number], own, rtol=1e-4, atol=1e-5)


def test_edges_without_regressors_are_correlations_of_filtered_means():
    case = "fmri_compare_run"
    folder = HERE / case / "data/input/sub-01/func"
    inside = image(next(folder.glob("*mask.nii.gz"))) > 0
    bold = image(next(folder.glob("*_bold.nii.gz"))).astype(float)
    labels = image(HERE / case / "data/input/atlas.nii.gz")
    means = [bold[(labels == k) & inside].mean(axis=0) for k in np.unique(labels[labels > 0])]
    x = np.column_stack([np.ones(60), np.arange(60)])
    rest = np.array(means).T
    rest = rest - x @ np.linalg.lstsq(x, rest, rcond=None)[0]
    path = next(at(case, "expected", "work/fmri/sub-01/func").glob("*relmat.npz"))
    with np.load(path) as content:
        edges = content["edges"]
    # .01-.15 Hz as a gain on cosines: an ideal filter comes close
    hertz = np.arange(60) / 240
    basis = np.cos(np.pi / 60 * (np.arange(60)[:, None] + 0.5) * np.arange(60))
    basis /= np.linalg.norm(basis, axis=0)
    inside = basis[:, (hertz >= 0.01) & (hertz <= 0.15)]
    r = np.corrcoef((inside @ (inside.T @ rest)).T)
    expected = np.arctanh(r[np.triu_indices(4, 1)])
    assert np.allclose(edges[0], expected, atol=0.08)
    rows = table(case, "expected", f"work/fmri/{RUN}_desc-compare_qc.tsv")
    assert rows["status"].tolist() == ["used", "used", "lost"]
    assert np.allclose(rows["dof_left"], 60 * 4 * 0.14 - np.array([0, 6, 36]))
    assert np.isnan(edges[2]).all()
    # with the confounds of the study: the edges of its own connectome
    study = data_sets(at("fmri_connectome", "expected", "fmri/connectomes.h5"))
    assert np.allclose(edges[1], study["edges"][0], atol=1e-4)


def test_ledger_counts_runs_and_correlates_with_motion():
    case = "fmri_compare"
    found = table(case, "expected", "fmri/compare.tsv").set_index("strategy")
    rows = table(case, "expected", "fmri/compare_runs.tsv")
    lost = rows[rows["status"] == "lost"].groupby("strategy").size()
    assert found["runs_lost"].to_dict() == {"none": 0, "6P": 0, **lost.to_dict()}
    assert found["dof_left"].to_dict() == rows.groupby("strategy")["dof_left"].median().to_dict()
    edges = data_sets(at(case, "expected", "fmri/compare.h5"))["edges"]
    for number, name in enumerate(("none", "6P")):
        fd = rows[rows["strategy"] == name]["mean_fd"]
        r = [np.corrcoef(column, fd)[0, 1] for column in edges[number].T]
        assert found["qc_fc_median_abs_r"][name] == pytest.approx(np.median(np.abs(r)), rel=1e-4)


def test_gathered_series_are_those_of_the_runs():
    found = data_sets(at("fmri_series", "expected", "fmri/timeseries.h5"))
    assert len(found["run_key"]) == 10
    for number, key in enumerate(texts(found["run_key"])):
        path = f"work/fmri/{key[:6]}/func/{key}_atlas-atlas_stat-mean_timeseries.tsv"
        run = table("fmri_series", "data", path)
        assert list(run) == texts(found["region"])
        assert np.allclose(found[f"series/{key}"], run, rtol=1e-5, equal_nan=True)
        assert found["n_volumes"][number] == len(run)


def test_tables_are_read_as_they_stand():
    found = data_sets(at("fmri_table", "expected", "fmri/timeseries.h5"))
    # the third run is 44 s long, 60 s are needed
    assert texts(found["participant_id"]) == ["01", "02"]
    for key in texts(found["run_key"]):
        given = HERE / f"fmri_table/data/input/{key}_timeseries.tsv"
        values = np.genfromtxt(given, skip_header=1)
        assert np.allclose(found[f"series/{key}"], values, rtol=1e-6)
    left_out = table("fmri_table", "expected", "fmri/exclusions_table.tsv", dtype=str)
    # and a remark: whole tables look unfiltered
    assert left_out.iloc[:, 0].tolist() == ["sub-03_task-rest", "series"]


def test_connectomes_are_those_of_nilearn():
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import EmpiricalCovariance

    given = data_sets(at("fmri_connectome", "data", "fmri/timeseries.h5"))
    found = data_sets(at("fmri_connectome", "expected", "fmri/connectomes.h5"))
    series = [given[f"series/{key}"].astype(float) for key in texts(found["run_key"])]
    measure = ConnectivityMeasure(EmpiricalCovariance(), kind="correlation")
    for edges, matrix in zip(found["edges"], measure.fit_transform(series)):
        expected = [np.arctanh(matrix[i, j]) for i, j in pairs(len(matrix))]
        assert np.allclose(edges, expected, rtol=1e-4, atol=1e-6)


def test_quality_of_runs_is_gathered_unchanged():
    group = table("fmri_qc", "expected", "fmri/group_qc.tsv", dtype={"participant_id": str})
    for row in group.itertuples():
        own = table(
            "fmri_qc", "data", f"work/fmri/{row.run_key[:6]}/func/{row.run_key}_desc-qc.tsv"
        )
        for name in ("mean_fd", "n_kept", "dof_left", "median_tsnr"):
            assert getattr(row, name) == pytest.approx(own[name].iloc[0], rel=1e-6), name


def test_coverage_is_the_mean_of_the_masks():
    folder = at("adhd_mask", "data", "work/fmri")
    masks = [image(path) > 0 for path in sorted(folder.rglob("*_desc-brain_mask.nii.gz"))]
    assert len(masks) == 10
    share = sum(mask.astype(float) for mask in masks) / len(masks)
    group = image(at("adhd_mask", "expected", "adhd/group_mask.nii.gz")) > 0
    coverage = image(at("adhd_mask", "expected", "adhd/group_coverage.nii.gz"))
    assert np.allclose(coverage[group], share[group])
    assert group[share == 1].all() and not group[share == 0].any()


def graph_of(series, density):
    """The graph of the largest correlations, by networkx."""
    import networkx

    r = np.corrcoef(series.astype(np.float64).T)
    every = sorted((r[i, j] for i, j in pairs(len(r))), reverse=True)
    threshold = every[round(density * len(every)) - 1]
    graph = networkx.empty_graph(len(r))
    graph.add_edges_from((i, j) for i, j in pairs(len(r)) if r[i, j] >= threshold - 1e-12)
    return graph


def test_voxel_graph_is_that_of_networkx():
    import networkx

    mask = image(at("adhd_graph", "data", "adhd/group_mask.nii.gz")) > 0
    bold = image(at("adhd_graph", "data", f"work/fmri/{RUN}_desc-denoisedSmoothed_bold.nii.gz"))
    facts = json.loads(at("adhd_graph", "expected", f"adhd/{RUN}_desc-graph.json").read_text())
    graph = graph_of(bold[mask].T, facts["density"])
    maps = {
        name: image(at("adhd_graph", "expected", f"adhd/{RUN}_stat-{name}_boldmap.nii.gz"))[mask]
        for name in ("degree", "cycle3", "clustering", "distdegree")
    }
    assert graph.number_of_edges() == facts["n_edges"]
    assert maps["degree"].tolist() == [n for _, n in graph.degree()]
    assert maps["cycle3"].tolist() == list(networkx.triangles(graph).values())
    assert np.allclose(maps["clustering"], list(networkx.clustering(graph).values()), atol=1e-6)
    assert np.array_equal(maps["distdegree"].sum(axis=-1), maps["degree"])


def test_region_graphs_are_those_of_networkx():
    import networkx

    given = data_sets(at("adhd_graph_roi", "data", "fmri/timeseries.h5"))
    found = data_sets(at("adhd_graph_roi", "expected", "adhd/roi_maps.h5"))
    rows = table("adhd_graph_roi", "expected", "adhd/graphs_roi.tsv")
    for number, key in enumerate(texts(found["run_key"])):
        graph = graph_of(given[f"series/{key}"], rows.density[number])
        assert graph.number_of_edges() == rows.n_edges[number]
        assert found["maps/degree"][number].tolist() == [n for _, n in graph.degree()]
        triangles = list(networkx.triangles(graph).values())
        assert found["maps/cycle3"][number].tolist() == triangles


def test_features_are_the_voxels_of_the_maps():
    found = data_sets(at("adhd_features", "expected", "adhd/features.h5"))
    mask = image(at("adhd_features", "data", "adhd/group_mask.nii.gz")) > 0
    names = np.array(texts(found["feature"]))
    for number, label in enumerate(texts(found["participant_id"])):
        for name in ("degree", "cycle3"):
            path = f"adhd/sub-{label}/func/sub-{label}_task-rest_stat-{name}_boldmap.nii.gz"
            values = image(at("adhd_features", "data", path))[mask]
            assert np.allclose(found["X"][number, names == name], values)
    edges = data_sets(at("adhd_features", "data", "fmri/connectomes.h5"))["edges"]
    assert np.allclose(found["X"][:, names == "fc"], edges, atol=1e-6)


def test_held_out_scores_are_those_of_scikit_learn():
    """Maps without mask: log1p, z-score, PCA and LDA of the other folds, by other code."""
    from sklearn.covariance import LedoitWolf
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = {"participant_id": str, "fold": str}
    seen = table("adhd_diagnose", "expected", "adhd/predictions.tsv", dtype=label)
    folds = table("adhd_diagnose", "data", "adhd/folds.tsv", dtype=label)
    people = table("adhd_diagnose", "data", "adhd/subjects.tsv", dtype=label)
    given = data_sets(at("adhd_diagnose", "data", "adhd/features.h5"))
    names = np.array(texts(given["feature"]))
    people = people.set_index("participant_id").loc[list(texts(given["participant_id"]))]
    assert not seen.duplicated(["scheme", "input", "mask", "participant_id", "repeat"]).any()
    for (scheme, fold, name), rows in seen[seen["mask"] == "none"].groupby(
        ["scheme", "fold", "input"]
    ):
        dealt = folds[(folds.scheme == scheme) & (folds.fold == fold)].participant_id
        assert set(rows.participant_id) == set(dealt), (scheme, fold, name)
        assert (rows.y.to_numpy() == people.dx[rows.participant_id].to_numpy()).all()
        if name not in ("degree", "distdegree", "cycle3"):
            continue
        X = np.log1p(given["X"][:, names == name].astype(float))
        test = people.index.isin(dealt)
        y = people.dx.to_numpy()[~test]
        distances = []
        for n in (2, 3):
            chain = make_pipeline(StandardScaler(), PCA(n)).fit(X[~test])
            Z, new = chain.transform(X[~test]), chain.transform(X[test])
            means = np.array([Z[y == k].mean(axis=0) for k in (0, 1)])
            within = LedoitWolf(assume_centered=True).fit(Z - means[y]).covariance_
            weights = np.linalg.solve(within, means[1] - means[0])
            expected = dict(zip(people.index[test], (new - means.mean(axis=0)) @ weights))
            found = rows.set_index("participant_id").score
            distances.append(max(abs(found[who] - value) for who, value in expected.items()))
        assert min(distances) < 1e-4, (scheme, fold, name, distances)


def test_scores_of_targets_are_those_of_their_predictions():
    label = {"participant_id": str, "fold": str}
    rows = table("adhd_targets", "expected", "adhd/target_predictions.tsv", dtype=label)
    folds = table("adhd_targets", "data", "adhd/folds.tsv", dtype=label)
    people = table("adhd_targets", "data", "adhd/subjects.tsv", dtype=label)
    people = people.set_index("participant_id")
    scores = table("adhd_targets", "expected", "adhd/targets.tsv")
    scores = scores.set_index(["target", "scheme", "input", "metric"]).value
    for (target, scheme, name), part in rows.groupby(["target", "scheme", "input"]):
        known = people[target][part.participant_id].to_numpy()
        found = {
            key[3]: value for key, value in scores.items() if key[:3] == (target, scheme, name)
        }
        if target == "sex":
            assert (part.y.to_numpy() == known).all()
            hit = part.predicted.to_numpy() == known
            assert found["accuracy"] == pytest.approx(hit.mean())
            shares = [hit[known == level].mean() for level in ("F", "M")]
            assert found["balanced_accuracy"] == pytest.approx(np.mean(shares))
            continue
        y, predicted = known.astype(float), part.predicted.astype(float).to_numpy()
        site = people.site[part.participant_id].to_numpy()
        inner = [
            values - np.array([values[site == one].mean() for one in site])
            for values in (y, predicted)
        ]
        expected = {
            "mae": np.abs(y - predicted).mean(),
            "r2": 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum(),
            "r": np.corrcoef(y, predicted)[0, 1],
            "r_within_site": np.corrcoef(*inner)[0, 1] if np.ptp(inner[1]) > 1e-4 else np.nan,
        }
        assert found == pytest.approx(expected, rel=1e-4, nan_ok=True), (scheme, name)
        if name == "constant":
            dealt = folds[folds.scheme == scheme].set_index("participant_id").fold
            for who, value in zip(part.participant_id, predicted):
                others = people.age[dealt.index[dealt != dealt[who]]]
                assert value == pytest.approx(others.mean(), rel=1e-6)


def test_tests_of_edges_and_nodes_are_least_squares():
    """Coefficients and t of every edge and node by the normal equations; p from their nulls."""
    import h5py
    from scipy import stats

    people = table("adhd_group", "data", "adhd/subjects.tsv", dtype={"participant_id": str})
    X = np.column_stack([np.ones(len(people)), people.mean_fd, people.dx])
    with h5py.File(HERE / "adhd_group/data/results/fmri/connectomes.h5") as file:
        kind, who = file.attrs["kind"], [name.decode() for name in file["participant_id"]]
        region, pair = [name.decode() for name in file["region"]], file["index"][()]
        Y = file["edges"][()][[who.index(name) for name in people.participant_id]].astype(float)
    Y = np.arctanh(Y) if kind == "pearson" else Y

    def least_squares(y):
        inverse = np.linalg.inv(X.T @ X)
        beta = inverse @ X.T @ y
        left = y - X @ beta
        df = len(y) - 3
        return beta[-1], beta[-1] / np.sqrt(inverse[-1, -1] * left @ left / df), df

    edges = table("adhd_group", "expected", "adhd/group/edges.tsv")
    nodes = table("adhd_group", "expected", "adhd/group/nodes.tsv")
    null = table("adhd_group", "expected", "adhd/group/null.tsv")
    strength = nodes[nodes["map"] == "strength"].set_index("region")
    found = [(edges.iloc[k], Y[:, k]) for k in range(len(pair))]
    found += [
        (strength.loc[name], Y[:, (pair == k).any(axis=1)].mean(axis=1))
        for k, name in enumerate(region)
    ]
    for row, y in found:
        beta, t, df = least_squares(y)
        assert (row.effect, row.statistic, row.df) == pytest.approx((beta, t, df), rel=2e-5)
        assert row.p == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-4)
        assert row.explained == pytest.approx(t**2 / (t**2 + df), rel=1e-4)
        largest = null.max_z if "region_a" in row else null.max_z_strength
        reached = (largest >= abs(row.z) * (1 - 1e-6)).sum()
        assert row.p_fwe == pytest.approx((reached + 1) / 61)
    parts = table("adhd_group", "expected", "adhd/group/components.tsv")
    beyond = edges.p < 0.05
    assert (edges.component > 0).equals(beyond) and parts.n_edges.sum() == beyond.sum()


def test_permuted_scores_are_possible_ones():
    """Balanced accuracies of ten subjects are means of two shares of whole people."""
    null = table("adhd_permute", "expected", "adhd/permutations/chunk-0.tsv")
    people = table("adhd_permute", "data", "adhd/subjects.tsv")
    cases, controls = (people.dx == 1).sum(), (people.dx == 0).sum()
    possible = {
        (a / cases + b / controls) / 2 for a in range(cases + 1) for b in range(controls + 1)
    }
    scores = null[null.metric == "balanced_accuracy"]
    for value in scores["value"]:
        assert min(abs(value - item) for item in possible) < 1e-6
    counted = scores.groupby(["scheme", "input", "mask"]).permutation.agg(["size", "nunique"])
    assert (counted["size"] == counted["nunique"]).all()
