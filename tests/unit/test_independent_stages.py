"""Beside each stored case a check that is not the code's own: demovae to braindive."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from stored import HERE, arrays, at, data_sets, pairs, table, texts

SPIKES = "hmmglm/planted"
FLICKER = "mds/flicker"
SCENES = "braindive/scenes"


def test_samples_are_correlation_matrices_of_the_asked_people():
    made = arrays("demovae_sample", "expected", "demovae/synthetic.npz")
    people = table("demovae_sample", "expected", "demovae/synthetic_demographics.tsv")
    assert len(made["edges"]) == len(people) == 12
    for edges in made["edges"]:
        matrix = np.eye(len(made["region"]))
        for value, (i, j) in zip(edges, pairs(len(matrix))):
            matrix[i, j] = matrix[j, i] = value
        assert np.linalg.eigvalsh(matrix)[0] > -1e-5
    known = table("demovae_sample", "data", "participants.tsv")
    for column in ("sex", "site", "dx"):
        assert set(people[column]) <= set(known[column])


def test_reconstruction_from_components_is_that_of_scikit_learn():
    from sklearn.decomposition import PCA

    case = "demovae_evaluate"
    X = data_sets(at(case, "data", "fmri/connectomes.h5"))["edges"].astype(float)
    folds = table(case, "data", "adhd/folds.tsv", dtype={"participant_id": str})
    people = texts(data_sets(at(case, "data", "fmri/connectomes.h5"))["participant_id"])
    stored = table(case, "expected", "demovae/reconstruction.tsv").set_index(["scheme", "features"])
    pooled = folds[folds.scheme == "pooled"].set_index("participant_id").fold
    fold = pooled[people].to_numpy()
    errors = []
    for number in np.unique(fold):
        model = PCA(3).fit(X[fold != number])
        rest = X[fold == number]
        left = rest - model.inverse_transform(model.transform(rest))
        errors.append(np.sqrt((left**2).mean()))
    assert stored.loc[("folds", "pca-3")].rmse_heldout == pytest.approx(np.mean(errors), rel=0.02)


def test_generation_compares_the_real_connectomes():
    case = "demovae_generation"
    h5 = data_sets(at(case, "data", "fmri/connectomes.h5"))
    X, who = h5["edges"].astype(float), texts(h5["participant_id"])
    made = arrays(case, "expected", "demovae/generation.npz")
    rows = table(case, "expected", "demovae/generation.tsv").set_index("name")
    # which half is the real one follows from its means and squares: one solution, of zeros and ones
    n = len(made["eigenvalue_real"])
    sums = n * np.r_[made["mean_real"], made["sd_real"] ** 2 + made["mean_real"] ** 2]
    member = np.linalg.lstsq(np.vstack([X.T, (X**2).T]), sums, rcond=None)[0]
    half = member > 0.5
    assert np.abs(member - half).max() < 0.01 and half.sum() == n == len(X) // 2
    lowest = []
    for edges in X[half]:
        matrix = np.eye(len(made["region"]))
        for value, (i, j) in zip(edges, pairs(len(matrix))):
            matrix[i, j] = matrix[j, i] = value
        lowest.append(np.linalg.eigvalsh(matrix)[0])
    assert np.allclose(np.sort(made["eigenvalue_real"]), np.sort(lowest), atol=1e-5)
    # maps of the real half by least squares on dummies
    people = table(case, "data", "participants.tsv").set_index("participant_id")
    fd = table(case, "data", "fmri/group_qc.tsv").set_index("run_key").mean_fd
    runs = [f"sub-{name:04d}_task-rest" for name in people.index]
    people = people.assign(motion=np.log(fd.loc[runs].to_numpy() + 0.01))
    people = people.loc[[int(name) for name, inside in zip(who, half) if inside]]
    numbers = [(v - v.mean()) / v.std(ddof=0) for v in (people.age, people.motion)]
    design = [np.ones(n), *numbers, *(v**2 - 1 for v in numbers)]
    design += [people.sex == "M", people.dx == 1, people.site == "beta", people.site == "gamma"]
    slopes = np.linalg.lstsq(np.column_stack(design).astype(float), X[half], rcond=None)[0]
    for name, row in (("age", 1), ("log_mean_fd", 2), ("age^2", 3), ("sex", 5), ("dx", 6)):
        assert np.allclose(made[f"real_{name}"], slopes[row], atol=1e-4), name
    nearer = made["nearest_train"] < made["nearest_heldout"]
    assert rows.value["privacy_ratio"] == pytest.approx(nearer.mean())


def test_planted_neurons_follow_their_epochs():
    case, folder = "ntf_simulate", "simulated/calcium"
    truth = table(case, "expected", f"{folder}/truth.tsv").set_index("neuron")
    events = table(case, "expected", f"{folder}/events.tsv")
    gains = []
    for animal, rows in events.groupby("animal"):
        record = arrays(case, "expected", f"{folder}/{animal}.npz")
        time = np.arange(len(record["traces"])) / float(record["fs"])
        for row in rows.itertuples():
            inside = (time >= row.onset_s) & (time < row.onset_s + row.duration_s)
            spread = np.abs(np.diff(record["traces"], axis=0, prepend=record["traces"][:1]))
            change = spread[inside].mean(axis=0) / spread[~inside].mean(axis=0)
            called = truth[row.condition].reindex(record["names"]).to_numpy() >= 0
            if called.any() and not called.all():
                gains.append(change[called].mean() - change[~called].mean())
    assert gains and np.mean(gains) > 0


def model_of(factors):
    return np.einsum(
        "r,tr,ar,pr->tap", *(factors[key] for key in ("lambda", "time", "animals", "pairs"))
    )


def test_error_of_the_factors_is_that_of_tensorly():
    import tensorly

    case, folder = "ntf_factorize", "ntf/simulated"
    factors = arrays(case, "expected", f"{folder}/factors.npz")
    axes = arrays(case, "data", f"{folder}/axes.npz")
    tensor = np.load(at(case, "data", f"{folder}/tensor.npy")).astype(float)
    rebuilt = tensorly.cp_to_tensor(
        (factors["lambda"], [factors["time"], factors["animals"], factors["pairs"]])
    )
    assert np.allclose(rebuilt, model_of(factors))
    seen = axes["frame_mask"][:, :, None] & axes["pair_mask"][None]
    assert not tensor[~seen].any()
    error = tensorly.norm((tensor - rebuilt) * seen) / tensorly.norm(tensor)
    assert factors["errors"].min() == pytest.approx(error, rel=1e-4)
    assert all((factors[key] >= 0).all() for key in ("time", "animals", "pairs", "lambda"))


def test_errors_of_the_sweep_fall_with_the_rank():
    case, folder = "ntf_rank", "ntf/simulated"
    sweep = table(case, "expected", f"{folder}/rank_sweep.tsv").set_index("rank")
    chosen = json.loads(at(case, "expected", f"{folder}/rank.json").read_text())["rank"]
    assert np.allclose(sweep.explained, 1 - sweep.error**2)
    assert (np.diff(sweep.error) < 0).all()
    best = sweep.cv_error.idxmin()
    close = sweep.cv_error <= sweep.cv_error[best] + sweep.cv_se[best]
    assert chosen == min(sweep.index[close & (sweep.similarity >= 0.9)])
    # the fit of that rank has the error of the sweep
    factors = arrays("ntf_factorize", "expected", f"{folder}/factors.npz")
    assert factors["errors"].min() == pytest.approx(sweep.error[chosen], rel=1e-3)


def test_surrogates_explain_less_than_the_recordings():
    null = arrays("ntf_null", "expected", "ntf/simulated/null_0.npz")
    sweep = table("ntf_rank", "expected", "ntf/simulated/rank_sweep.tsv").set_index("rank")
    rank = json.loads(at("ntf_null", "data", "ntf/simulated/rank.json").read_text())["rank"]
    assert len(null["explained"]) == 2 and len(set(null["explained"])) == 2
    assert ((null["explained"] > 0) & (null["explained"] < sweep.explained[rank])).all()
    assert np.bincount(null["run"]).tolist() == [rank, rank]
    assert np.array_equal(null["motifs"], null["motifs"].transpose(0, 2, 1), equal_nan=True)


def log_forward(rates, counts, transitions, start):
    """Log likelihood of counts, shape (n_bins, n_neurons), state by state in log space."""
    from scipy.special import logsumexp
    from scipy.stats import poisson

    terms = [poisson.logpmf(counts, rates[:, state]).sum(axis=1) for state in range(len(start))]
    alpha = [np.log(start[state]) + terms[state][0] for state in range(len(start))]
    for t in range(1, len(counts)):
        alpha = [
            terms[now][t]
            + logsumexp(
                [alpha[then] + np.log(transitions[then, now]) for then in range(len(start))]
            )
            for now in range(len(start))
        ]
    return logsumexp(alpha)


def rates_of(counts, theta, kernel):
    """Sigmoid of bias and weighted history, shape (n_bins, n_states, n_neurons)."""
    history = np.zeros(counts.shape)
    for t in range(len(counts)):
        for lag, weight in enumerate(kernel, 1):
            if t >= lag:
                history[t] += weight * counts[t - lag]
    drive = theta[..., 0][None] + np.einsum("knm,tm->tkn", theta[..., 1:], history)
    return 1 / (1 + np.exp(-drive))


def truth_of_spikes():
    return arrays("hmmglm_simulate", "expected", "simulated/spikes_truth.npz")


def test_log_likelihood_of_planted_spikes_is_the_forward_sum():
    truth = truth_of_spikes()
    spikes = arrays("hmmglm_simulate", "expected", "simulated/spikes.npz")
    bias = np.broadcast_to(truth["bias"][None, :, None], (*truth["weights"].shape[:2], 1))
    theta = np.concatenate([bias, truth["weights"]], axis=-1)
    start = np.full(len(theta), 1 / len(theta))
    for number, stored in enumerate(truth["log_likelihood"]):
        counts = spikes[f"seq_{number}"]
        rates = rates_of(counts, theta, truth["kernel"])
        assert log_forward(rates, counts, truth["transitions"], start) == pytest.approx(
            stored, rel=1e-6
        )


def test_held_out_log_likelihood_is_the_forward_sum():
    fits = arrays("hmmglm_fit", "expected", f"{SPIKES}/fits/K-2.npz")
    rows = table("hmmglm_fit", "expected", f"{SPIKES}/fits/K-2.tsv")
    data = arrays("hmmglm_fit", "data", f"{SPIKES}/counts.npz")
    kernel = truth_of_spikes()["kernel"]
    for model in ("gaussian", "onehot"):
        for fold in (0, 1):
            theta, transitions = (
                fits[f"{model}_fold-{fold}_{name}"].astype(float)
                for name in ("theta", "transitions")
            )
            tested = np.flatnonzero(data["fold"] == fold)
            total, n_bins = 0.0, 0
            for number in tested:
                counts = data[f"seq_{number}"]
                rates = rates_of(counts, theta, kernel)
                total += log_forward(rates, counts, transitions, np.full(2, 0.5))
                n_bins += len(counts)
            here = rows[(rows.model == model) & (rows.fold == fold)]
            stored = here.sort_values("objective").test_ll_per_bin.iloc[-1]
            assert total / n_bins == pytest.approx(stored, abs=2e-3)


def test_one_start_is_that_of_the_batch():
    one = table("hmmglm_fit_one", "expected", f"{SPIKES}/fits/K-2_fold-1_start-0.tsv")
    batch = table("hmmglm_fit", "expected", f"{SPIKES}/fits/K-2.tsv")
    batch = batch[(batch.fold == 1) & (batch.start == 0)].set_index("model")
    assert set(one.model) == set(batch.index)
    for row in one.itertuples():
        assert row.test_ll_per_bin == pytest.approx(batch.test_ll_per_bin[row.model], rel=1e-5)


def test_curve_is_the_mean_over_folds():
    curve = table("hmmglm_select", "expected", f"{SPIKES}/curve.tsv").set_index(["model", "k"])
    sweep = table("hmmglm_select", "expected", f"{SPIKES}/sweep.tsv")
    for (model, k), row in curve.iterrows():
        own = sweep[(sweep.model == model) & (sweep.k == k)]
        scores = [
            rows.sort_values("objective").test_ll_per_bin.iloc[-1]
            for _, rows in own.groupby("fold")
        ]
        assert row.score == pytest.approx(sum(scores) / len(scores), rel=1e-6)
        assert row.se == pytest.approx(np.std(scores, ddof=1) / np.sqrt(len(scores)), rel=1e-5)


def test_rungs_without_states_are_what_scipy_finds():
    """A one-state model fitted by another optimiser, with one of the ridges on offer per fold."""
    from scipy import optimize, stats

    rungs = table("hmmglm_ladder", "expected", f"{SPIKES}/ladder.tsv").set_index("rung")
    data = arrays("hmmglm_ladder", "data", f"{SPIKES}/counts.npz")
    kernel, fold = truth_of_spikes()["kernel"], data["fold"]
    counts = [data[f"seq_{k}"].astype(float) for k in range(len(fold))]

    def past(item):
        rows = np.zeros(item.shape)
        for t in range(len(item)):
            for lag, weight in enumerate(kernel, 1):
                rows[t] += weight * item[t - lag] if t >= lag else 0
        return np.column_stack([np.ones(len(item)), rows])

    # the planted data of the demo have a sigmoid as link
    def rate(x, w):
        return 1 / (1 + np.exp(-x @ w)) + 1e-8

    gains: dict = {}
    for held in (0, 1):
        train = np.concatenate([c for c, f in zip(counts, fold) if f != held])
        x = np.concatenate([past(c) for c, f in zip(counts, fold) if f != held])
        test = np.concatenate([c for c, f in zip(counts, fold) if f == held])
        z = np.concatenate([past(c) for c, f in zip(counts, fold) if f == held])
        flat = stats.poisson.logpmf(test, train.mean(axis=0)).sum()
        for ridge in (1, 3, 10, 30, 100, 300):
            total = 0.0
            for n in range(train.shape[1]):

                def loss(w, n=n, ridge=ridge, x=x, train=train):
                    penalty = ridge / 2 * (w[1:] @ w[1:]) + 1e-4 / 2 * (w @ w)
                    return penalty - stats.poisson.logpmf(train[:, n], rate(x, w)).sum()

                w = optimize.minimize(loss, np.zeros(x.shape[1]), tol=1e-8).x
                total += stats.poisson.logpmf(test[:, n], rate(z, w)).sum()
            gains[held, ridge] = (total - flat, test.sum())
    near = [
        (gains[0, a][0] + gains[1, b][0]) / (gains[0, a][1] + gains[1, b][1]) / np.log(2)
        for a in (1, 3, 10, 30, 100, 300)
        for b in (1, 3, 10, 30, 100, 300)
        if (a + b) / 2 == rungs.ridge["glm"]
    ]
    assert min(abs(value - rungs.bits_per_spike["glm"]) for value in near) < 1e-4
    assert rungs.bits_per_spike["rates"] == 0
    for rung, row in rungs.iterrows():
        if rung != "rates":
            gain = row.bits_per_spike - rungs.bits_per_spike[row.below]
            assert (
                row.gain == pytest.approx(gain, abs=1e-6) and row.gain_low <= gain <= row.gain_high
            )


def test_counts_are_those_of_a_histogram():
    case, folder = "hmmglm_bin", "hmmglm/one"
    found = arrays(case, "expected", f"{folder}/counts.npz")
    sequences = table(case, "expected", f"{folder}/sequences.tsv")
    units = table(case, "expected", f"{folder}/units.tsv").unit.astype(int).tolist()
    times, ids = np.loadtxt(HERE / case / "data/input/spikes.txt").T
    width = float(found["bin_s"])
    for row in sequences.itertuples():
        counts = found[f"seq_{row.sequence}"]
        edges = row.start_s + width * np.arange(row.n_bins + 1)
        for column, unit in enumerate(units):
            expected, _ = np.histogram(times[ids == unit], edges)
            # a spike on an edge may fall to either side of it
            assert np.abs(np.cumsum(counts[:, column]) - np.cumsum(expected)).max() <= 1
            assert abs(int(counts[:, column].sum()) - int(expected.sum())) <= 1
    assert 4 not in units


def test_covariates_are_those_of_the_table_and_of_scipy():
    from scipy.interpolate import BSpline

    case, folder = "hmmglm_bin", "hmmglm/one"
    found = arrays(case, "expected", f"{folder}/counts.npz")
    names = [str(name) for name in found["of_covariates_column"]]
    assert names[:2] == ["lamp dark", "lamp light"]
    room = pd.read_csv(HERE / case / "data/input/room.tsv", sep="\t")
    sequences = table(case, "expected", f"{folder}/sequences.tsv")
    every = []
    for row in sequences.itertuples():
        start = row.start_s + found["bin_s"] * np.arange(row.n_bins)
        centre = start + found["bin_s"] / 2
        # where a row of the table lies in the bin it is the value, else the line between rows
        x = np.interp(centre, room.time, room.x)
        last = np.searchsorted(room.time, start + 1e-9, side="right") - 1
        lamp = (room.lamp.to_numpy()[last] == "light").astype(float)
        every.append((x, lamp, found[f"covariates_{row.sequence}"]))
    x, lamp, columns = (np.concatenate(part) for part in zip(*every))
    np.testing.assert_array_equal(columns[:, :2], np.column_stack([1 - lamp, lamp]))
    low, high = np.percentile(x, [1, 99])
    inner = np.linspace(low, high, 2)
    knots = np.r_[
        inner[0] + (inner[1] - inner[0]) * np.arange(-3, 0),
        inner,
        inner[1] + (inner[1] - inner[0]) * np.arange(1, 4),
    ]
    splines = BSpline(knots, np.eye(4), 3)(np.clip(x, low, high))
    np.testing.assert_allclose(columns[:, 2:], splines[:, :3], atol=0.03)


def test_twin_predicts_as_ridge_regression_does():
    from sklearn.linear_model import Ridge

    with np.load(HERE / "mds_twin/data/input/flicker.npz") as file:
        stimuli, responses = file["stimuli"][:, 0], file["responses"]
    metrics = json.loads(at("mds_twin", "expected", f"{FLICKER}/twin_metrics.json").read_text())
    lags = 6
    windows = np.stack([stimuli[t - lags + 1 : t + 1] for t in range(lags - 1, len(stimuli))])
    y = responses[lags - 1 :]
    cut = int(0.8 * len(stimuli)) - lags + 1
    model = Ridge(1.0).fit(windows[:cut], y[:cut])
    guess = model.predict(windows[cut:])
    corr = [np.corrcoef(a, b)[0, 1] for a, b in zip(guess.T, y[cut:].T) if b.std() > 0]
    assert metrics["n_used"] == len(corr) > 5
    assert metrics["test_corr_mean"] == pytest.approx(np.mean(corr), abs=0.01)
    (row,) = table("mds_twin", "expected", f"{FLICKER}/twins.tsv").to_dict("records")
    assert row["chosen"] == 1 and row["test"] == pytest.approx(np.mean(corr), abs=0.01)


def test_units_join_the_stimulus_that_drives_them_most():
    import torch

    twin = torch.load(at("mds_cluster", "data", f"{FLICKER}/twin.pt"), weights_only=True)
    filters = twin["tensors"]["filters_"].numpy()
    filters = filters.reshape(len(filters), -1)
    runs = arrays("mds_cluster", "expected", f"{FLICKER}/runs/part_0.npz")
    filters /= np.linalg.norm(filters, axis=1, keepdims=True)
    for run in (0, 1):
        stimuli = runs[f"stimuli_{run}"].reshape(2, -1)
        driven = np.log1p(np.exp(4 * filters @ stimuli.T)) / 4
        assert np.array_equal(driven.argmax(axis=1), runs[f"labels_{run}"])


def test_new_cells_respond_most_to_the_stimulus_that_fits_their_type():
    """Cells of linear types: the shown picture with the larger product with their filter."""
    found = arrays("mds_present", "expected", "simulated/mds/new_cells.npz")
    truth = arrays("mds_present", "data", "simulated/mds/truth.npz")
    stimuli = arrays("mds_present", "data", "mds/planted/mds_stimuli.npz")["stimuli"][:, 0]
    counts = found["responses"]
    assert counts.shape == (2, len(stimuli), 4)
    assert (counts == np.round(counts)).all() and (counts >= 0).all()
    # repeats are draws of their own
    assert not np.array_equal(counts[0], counts[1])
    size, side = int(truth["size"]), stimuli.shape[-1]
    start = (size - side) // 2
    best = {}
    for kind in np.unique(truth["types"]):
        rows = np.flatnonzero(truth["types"] == kind)
        assert not truth["energy"][rows].any()
        filters = []
        for row in rows:
            image = truth["even"][row].reshape(size, size)
            # a filter of these types is largest at its centre
            row_at, column_at = np.unravel_index(np.abs(image).argmax(), image.shape)
            centred = np.roll(image, (size // 2 - row_at, size // 2 - column_at), (0, 1))
            filters.append(centred[start : start + side, start : start + side])
        best[f"type {kind}"] = int(np.argmax(np.tensordot(stimuli, np.mean(filters, axis=0))))
    assert len(set(best.values())) == 2
    for cell, kind in enumerate(found["known_type"]):
        assert counts.sum(axis=0)[:, cell].argmax() == best[kind]


def test_new_cells_are_typed_by_their_largest_response():
    rows = table("mds_assign", "expected", f"{FLICKER}/assignments.tsv")
    with np.load(HERE / "mds_assign/data/input/new.npz") as file:
        responses = file["responses"]
    for cell, row in enumerate(rows.itertuples()):
        values = sorted(responses[:, cell])
        if values[-1] == values[-2]:
            assert row.tie == 1
            continue
        assert row.cluster == 1 + int(responses[0, cell] < responses[1, cell])
        assert row.margin == pytest.approx(values[-1] - values[-2])
        # one repeat says nothing about noise, so no probability is told
        assert row.n_repeats == 1 and np.isnan(row.probability)


def scenes(case):
    """Images in 0 to 1, responses, tiers and names of the planted scenes."""
    with h5py.File(HERE / case / "data/results/simulated/scenes.h5") as file:
        return (
            file["stimuli"][()] / 255.0,
            file["responses"][()],
            file["tier"].asstr()[:],
            file["stimulus_id"].asstr()[:],
        )


def test_scenes_drive_the_voxels_of_their_region():
    with h5py.File(at("simulate_scenes", "expected", "simulated/scenes.h5")) as file:
        signal, roi = file["signal"][()], file["roi"].asstr()[:]
        condition = file["condition"].asstr()[:]
    for region in sorted(set(roi) & set(condition)):
        own = signal[:, roi == region].mean(axis=1)
        assert own[condition == region].mean() > own[condition != region].mean()


def test_r2_of_the_readout_is_that_of_its_weights():
    from safetensors.numpy import load_file

    weights = load_file(at("braindive_sample", "data", f"{SCENES}/encoder.safetensors"))
    card = table("braindive_encode", "expected", f"{SCENES}/encoder_card.tsv")
    assert np.allclose(card.alpha, weights["alpha"])
    images, responses, tier, stimulus = scenes("braindive_judge")
    tested = images[tier == "test"]
    pooled = tested.reshape(len(tested), 3, 16, 2, 16, 2).mean(axis=(3, 5))
    features = (pooled - 0.5).reshape(len(tested), -1)
    guess = features @ weights["coef"].T + weights["intercept"]
    names, training = stimulus[tier == "test"], responses[tier != "test"]
    responses = (responses - training.mean(axis=0)) / training.std(axis=0)
    real, hat = (
        np.stack([values[names == name].mean(axis=0) for name in sorted(set(names))])
        for values in (responses[tier == "test"], guess)
    )
    r2 = 1 - ((real - hat) ** 2).sum(axis=0) / ((real - real.mean(axis=0)) ** 2).sum(axis=0)
    assert np.allclose(card.r2, r2, rtol=1e-3, atol=1e-4)


def test_guided_images_differ_from_their_twins_by_little():
    from matplotlib.image import imread

    rows = table("braindive_sample", "expected", f"{SCENES}/face/block-0.tsv")
    assert rows.finite.all() and rows.seed.tolist() == [0, 1]
    # guided by a fifth of the noise prediction at most
    assert ((rows.correction_ratio > 0) & (rows.correction_ratio <= 0.2 + 1e-6)).all()
    folder = at("braindive_sample", "expected", f"{SCENES}/face")
    guided, twins = (
        [imread(folder / f"seed-{seed}{end}.png") for seed in rows.seed]
        for end in ("", "_unguided")
    )
    for image, twin in zip(guided, twins):
        assert image.shape == twin.shape and 0 < np.abs(image - twin).mean() < 0.25
    assert np.abs(twins[0] - twins[1]).mean() > np.abs(guided[0] - twins[0]).mean() / 10
