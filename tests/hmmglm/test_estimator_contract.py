"""The estimator: determinism, missing data, emissions, files, criteria, messages."""

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from neuro.hmmglm.baselines.compare import match_states
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.io.problems import InputProblem
from neuro.simulate.switching import switching_glm


@pytest.fixture(scope="module")
def truth():
    return switching_glm(8, 600, 6, 2, random_state=3)


def small(model="onehot", **settings):
    settings = {"n_starts": 2, "random_state": 0, "link": "sigmoid", "bias": "shared", **settings}
    return OneHotHMMGLM(settings.pop("n_states", 2), model, **settings)


def test_contract_of_scikit_learn(truth):
    model = small(alpha=(0.3, 1.0, 0.3))
    copy = clone(model)
    assert copy.get_params() == model.get_params() and copy is not model
    model.fit(list(truth.counts[:3]))
    again = pickle.loads(pickle.dumps(model))
    assert again.score(list(truth.counts[3:4])) == model.score(list(truth.counts[3:4]))
    with pytest.raises(ValueError, match="no parameter 'n_sates'"):
        model.set_params(n_sates=3)


@pytest.mark.parametrize("model", ["plain", "gaussian", "onehot"])
def test_same_seed_same_numbers_and_threads_agree(truth, model):
    data = list(truth.counts[:4])
    a, b = small(model).fit(data), small(model).fit(data)
    np.testing.assert_array_equal(a.theta_, b.theta_)
    np.testing.assert_array_equal(a.transitions_, b.transitions_)
    threaded = small(model, n_threads=2).fit(data)
    same = np.concatenate(threaded.predict(data)) == np.concatenate(a.predict(data))
    assert same.mean() > 0.999
    assert [s["seed"] for s in threaded.starts_] == [s["seed"] for s in a.starts_]


def test_a_start_in_a_batch_equals_the_start_alone(truth):
    from neuro.hmmglm.em.starts import fit_models, fit_starts

    model = small()
    problem = model.problem(list(truth.counts[:4]))
    seeds = [[0, 0], [0, 1], [0, 2]]
    batch = fit_starts(problem, model.recipe(), ["gaussian", "onehot"], seeds)
    for seed, got in zip(seeds, batch):
        alone = fit_models(problem, model.recipe(), ["onehot"], seed)
        np.testing.assert_array_equal(
            got["onehot"][0].parameters.theta, alone["onehot"][0].parameters.theta
        )


def test_screened_starts_are_the_same_starts_and_keep_the_best(truth):
    """Starts that get stuck are dropped before they are finished; the others change no number."""
    from neuro.hmmglm.em.starts import choose_penalties, fit_starts, screen

    model = small("gaussian", n_states=3, n_finish=2)
    problem = model.problem(list(truth.counts[:6]))
    seeds = [[5, number] for number in range(6)]
    penalty = choose_penalties(problem, model.recipe(), ["gaussian"], [5])["gaussian"]
    kept = screen(penalty.of(problem), model.recipe(), seeds)
    assert len(kept) == 2 and kept == sorted(kept)
    every = fit_starts(problem, small("gaussian", n_states=3).recipe(), ["gaussian"], seeds)
    chosen = fit_starts(problem, model.recipe(), ["gaussian"], seeds)
    assert [item["number"] for item in chosen] == kept
    for item in chosen:
        np.testing.assert_array_equal(
            item["gaussian"][0].parameters.theta,
            every[item["number"]]["gaussian"][0].parameters.theta,
        )
    fitted = small("gaussian", n_states=3, n_starts=6, n_finish=2, random_state=5)
    fitted.fit(list(truth.counts[:6]))
    assert [start["seed"] for start in fitted.starts_] == [seeds[number] for number in kept]


def test_numbers_of_steps_that_an_inner_split_chose_are_those_used(truth, monkeypatch):
    from neuro.hmmglm.em import starts

    chosen = iter([3, 5, 7])
    monkeypatch.setattr(starts.tuning, "best_stop", lambda problem, fit: next(chosen))
    model = small(stop="tuned", max_iter=40)
    problem = model.problem(list(truth.counts[:4]))
    found = starts.choose_penalties(problem, model.recipe(), ["plain", "gaussian", "onehot"], [0])
    used = {name: penalty.of(problem).max_iter for name, penalty in found.items()}
    assert used == {"plain": 3, "gaussian": 5, "onehot": 7}


def test_screening_drops_what_gets_stuck():
    from neuro.hmmglm.em.starts import fit_starts, screen

    truth = switching_glm(8, 800, 12, 4, random_state=1)
    model = small("gaussian", n_states=4, n_finish=2)
    problem = model.problem(list(truth.counts))
    seeds = [[1, number] for number in range(8)]
    found = fit_starts(problem, small("gaussian", n_states=4).recipe(), ["gaussian"], seeds)
    reached = np.array([item["gaussian"][0].objective[-1] for item in found])
    near = reached >= reached.max() - 1e-4 * abs(reached.max())
    assert near[screen(problem, model.recipe(), seeds)].all() and not near.all()


def test_part_of_the_sequences_for_screening(truth):
    """Whole sequences, evenly spaced; history does not leak into them."""
    from neuro.hmmglm.design.history import exponential_basis, make_design

    design = make_design(list(truth.counts), exponential_basis())
    part = design.part(1300)
    want = make_design([truth.counts[k] for k in (0, 4, 7)], exponential_basis())
    for name in ("x", "counts", "usable", "starts", "log_factorial"):
        np.testing.assert_array_equal(getattr(part, name), getattr(want, name))
    assert design.part(10**6) is design


def test_states_of_rates_are_a_start_for_many_neurons():
    """30 neurons that switch between two sets of rates, few bins: the one-hot fit keeps states."""
    rng = np.random.default_rng(8)
    states = np.repeat(np.arange(8) % 2, 50)
    rates = rng.uniform(0.1, 1.2, size=(2, 30))
    counts = rng.poisson(rates[states])
    model = OneHotHMMGLM(2, start="hmm", n_starts=1, random_state=0)
    assert match_states(model.fit([counts]).predict([counts]), [states])[1] > 0.98
    assert np.mean(model.adjacency_ != 0) < 0.03
    with pytest.raises(ValueError, match="start 'hmm' needs bias 'per_state'"):
        OneHotHMMGLM(2, start="hmm", bias="shared").fit([counts])


def test_states_are_sorted_by_occupancy(truth):
    model = small("gaussian", n_states=3).fit(list(truth.counts))
    assert (np.diff(model.occupancy_) <= 0).all()
    assert sorted(model.order_) == [0, 1, 2]
    shares = np.concatenate(model.predict_proba(list(truth.counts))).mean(axis=0)
    np.testing.assert_allclose(shares, model.occupancy_, atol=1e-2)


def test_missing_bins_carry_no_information(truth):
    """A masked bin may hold anything; what it holds changes neither fit nor score."""
    counts = [item.astype(float) for item in truth.counts[:3]]
    mask = [np.ones(600, bool) for _ in counts]
    mask[1][100:160] = False
    spoiled = [item.copy() for item in counts]
    spoiled[1][100:160] = 9
    holed = [item.copy() for item in counts]
    holed[1][100:160] = np.nan
    models = [
        small("gaussian").fit(counts, mask=mask),
        small("gaussian").fit(spoiled, mask=mask),
        small("gaussian").fit(holed),
    ]
    for other in models[1:]:
        np.testing.assert_array_equal(models[0].theta_, other.theta_)
    assert models[0].score(counts, mask=mask) == models[0].score(spoiled, mask=mask)
    assert models[0].log_likelihood(counts, mask)[1] == 1800 - 60 - 5
    assert models[0].predict(counts, mask)[1].shape == (600,)


def test_sequences_of_different_length_and_independence(truth):
    model = small("gaussian").fit([truth.counts[0], truth.counts[1][:250], truth.counts[2][:90]])
    parts = [truth.counts[3], truth.counts[4][:77]]
    together = model.log_likelihood(parts)[0]
    alone = [model.log_likelihood([part])[0][0] for part in parts]
    np.testing.assert_allclose(together, alone, rtol=1e-6)
    gammas = model.predict_proba(parts)
    assert [len(gamma) for gamma in gammas] == [600, 77]
    stacked = model.log_likelihood(truth.counts[5:7])[0]
    np.testing.assert_allclose(stacked, model.log_likelihood(list(truth.counts[5:7]))[0])


def test_order_of_neurons_does_not_matter(truth):
    order = np.random.default_rng(0).permutation(6)
    a = small("onehot", start="zeros", n_states=1).fit(list(truth.counts))
    b = small("onehot", start="zeros", n_states=1).fit(list(truth.counts[:, :, order]))
    np.testing.assert_allclose(b.weights_[0], a.weights_[0][np.ix_(order, order)], atol=5e-3)
    np.testing.assert_array_equal(b.adjacency_[0], a.adjacency_[0][np.ix_(order, order)])


def test_identical_states_stay_identical(truth):
    """Why starts are noisy: in exact arithmetic a symmetric start never breaks."""
    model = small("plain", start="zeros", n_starts=1, max_iter=3).fit(list(truth.counts[:3]))
    np.testing.assert_allclose(model.theta_[0], model.theta_[1], atol=1e-6)


@pytest.mark.parametrize("start", ["noise", "glm"])
def test_both_starts_find_the_planted_states(start):
    truth = switching_glm(8, 800, 14, 2, random_state=1)
    model = small("gaussian", start=start, n_starts=3).fit(list(truth.counts[:6]))
    test = list(truth.counts[6:])
    assert match_states(model.predict(test), list(truth.states[6:]))[1] > 0.9


@pytest.mark.parametrize("diagonal", ["zero", "shared"])
def test_self_history(truth, diagonal):
    model = small("gaussian", diagonal=diagonal).fit(list(truth.counts[:3]))
    own = np.einsum("knn->kn", model.weights_)
    if diagonal == "zero":
        assert (own == 0).all()
    else:
        np.testing.assert_allclose(own[0], own[1])
        assert np.abs(own).max() > 0


def test_covariates_explain_a_planted_drive():
    rng = np.random.default_rng(5)
    drive = np.repeat(rng.normal(size=60), 20)
    counts = rng.poisson(np.logaddexp(0, -0.5 + 0.8 * drive)[:, None] * np.ones(4))
    covariate = [40 + 7 * drive[:, None]]
    model = OneHotHMMGLM(1, "onehot", n_starts=1, random_state=0)
    with_it = clone(model).fit([counts], covariates=covariate)
    without = clone(model).fit([counts])
    assert with_it.score([counts], covariates=covariate) > without.score([counts]) + 0.05
    np.testing.assert_allclose(with_it.covariate_weights_[0, :, 0], 0.8 * drive.std(), atol=0.15)
    with pytest.raises(ValueError, match="fitted with them"):
        with_it.score([counts])
    with pytest.raises(ValueError, match="covariates, whose course"):
        with_it.sample(10)


def test_missing_covariates_are_missing_bins():
    """The bins themselves, not those whose past they are: their spikes were seen."""
    rng = np.random.default_rng(6)
    counts, covariate = rng.poisson(1.0, size=(400, 3)), rng.normal(size=(400, 1))
    covariate[50:60] = np.nan
    model = OneHotHMMGLM(1, "gaussian", n_starts=1, random_state=0)
    model.fit([counts], covariates=[covariate])
    assert model.n_bins_ == 400 - 10


@pytest.mark.parametrize(("emission", "link"), [("bernoulli", "sigmoid"), ("gaussian", "linear")])
def test_sampled_data_are_understood_again(emission, link):
    """Draw from a model with two distinct states, fit, and find states and parameters."""
    rng = np.random.default_rng(7)
    seed = OneHotHMMGLM(
        2, "gaussian", emission=emission, n_starts=1, random_state=0, n_history=2, max_iter=1
    )
    noise = rng.normal(size=(2, 400, 4))
    seed.fit(noise if emission == "gaussian" else (noise > 0).astype(int))
    seed.theta_ = 0.3 * rng.normal(size=(2, 4, 5))
    seed.theta_[0, :, 0], seed.theta_[1, :, 0] = [1, -1, 1, -1], [-1, 1, -1, 1]
    seed.transitions_ = np.array([[0.97, 0.03], [0.03, 0.97]])
    seed.noise_ = 0.5
    counts, states = seed.sample(1500, 4, random_state=1)
    model = OneHotHMMGLM(2, "plain", emission=emission, n_starts=3, random_state=0, n_history=2)
    model.fit(list(counts))
    pairs, accuracy = match_states(model.predict(list(counts)), list(states))
    assert accuracy > 0.95
    order = pairs[np.argsort(pairs[:, 1]), 0]
    assert np.corrcoef(model.theta_[order].ravel(), seed.theta_.ravel())[0, 1] > 0.94
    assert model.resolved()["link"] == link
    if emission == "gaussian":
        assert model.noise_ == pytest.approx(0.5, abs=0.02)
        with pytest.raises(ValueError, match="has no spikes"):
            model.bits_per_spike(list(counts))
    else:
        assert model.bits_per_spike(list(counts)) > 0


@pytest.mark.parametrize("link", ["softplus", "exp"])
def test_samples_have_the_modelled_rates(truth, link):
    model = small("gaussian", link=link, bias="per_state").fit(list(truth.counts))
    counts, states = model.sample(3000, 6, random_state=0)
    assert counts.dtype == np.int64 and set(np.unique(states)) == {0, 1}
    assert np.array_equal(model.sample(3000, 6, random_state=0)[0], counts)
    assert not np.array_equal(model.sample(3000, 6, random_state=1)[0], counts)
    np.testing.assert_allclose(counts.mean(axis=(0, 1)), model.rates_, rtol=0.15)
    share = np.bincount(states.ravel(), minlength=2) / states.size
    np.testing.assert_allclose(share, model.occupancy_, atol=0.1)


def test_several_kernels_per_source(truth):
    model = small("onehot", basis="raised_cosine", n_basis=2, n_history=6).fit(
        list(truth.counts[:4])
    )
    assert model.basis_weights_.shape == (2, 6, 6, 2)
    np.testing.assert_allclose(model.weights_, model.basis_weights_.sum(axis=-1))
    assert model.adjacency_.shape == (2, 6, 6) and model.edge_posterior_.shape == (2, 6, 6, 3)


def test_file_round_trip(truth, tmp_path):
    model = small(alpha=(0.3, 1.0, 0.3)).fit(list(truth.counts[:3]), dt=0.02)
    model.save(tmp_path / "model.npz")
    again = OneHotHMMGLM.load(tmp_path / "model.npz")
    assert again.get_params() == model.get_params() and again.dt_ == 0.02
    for name in ("weights_", "bias_", "transitions_", "adjacency_", "edge_posterior_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    assert again.score(list(truth.counts[3:5])) == model.score(list(truth.counts[3:5]))
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert json.loads(str(file["meta"]))["version"] == 1
    (tmp_path / "cut.npz").write_bytes((tmp_path / "model.npz").read_bytes()[:300])
    with pytest.raises(InputProblem, match="not a saved model, or damaged"):
        OneHotHMMGLM.load(tmp_path / "cut.npz")
    with pytest.raises(InputProblem, match="no such file"):
        OneHotHMMGLM.load(tmp_path / "none.npz")


def test_information_criteria_punish_parameters(truth):
    data = list(truth.counts)
    plain, onehot = small("plain").fit(data), small("onehot").fit(data)
    assert plain.n_parameters_ == 2 * 36 + 6 + 2
    assert onehot.n_parameters_ < plain.n_parameters_
    log_z = plain.log_likelihood(data)[0].sum()
    assert plain.bic(data) == pytest.approx(80 * np.log(4800) - 2 * log_z)
    assert plain.aic(data) == pytest.approx(2 * 80 - 2 * log_z)


def test_bits_per_spike_of_constant_rates_is_zero(truth):
    data = list(truth.counts)
    model = small("plain", n_states=1).fit(data)
    model.theta_[:, :, 1:] = 0
    rates = np.array([0.2, 0.4, 0.3, 0.5, 0.6, 0.35])
    model.theta_[0, :, 0] = np.log(rates / (1 - rates))
    assert model.bits_per_spike(data, rates) == pytest.approx(0.0, abs=1e-5)


def test_a_surplus_state_is_reported(truth):
    with pytest.warns(UserWarning, match="1 silent units"):
        counts = truth.counts.copy()
        counts[:, :, 2] = 0
        small("gaussian", n_starts=1).fit(list(counts))
    model = small("onehot", n_states=2).fit(list(truth.counts))
    model.occupancy_ = np.array([0.995, 0.005])
    model.expose()
    assert model.empty_states_ == [1]


def test_graph_that_all_states_share(truth):
    model = small("onehot").fit(list(truth.counts))
    np.testing.assert_array_equal(model.to_signed(), model.anatomical_prior_.argmax(axis=-1) - 1)
    assert model.to_signed().dtype == np.int8 and not model.mostly_one_sign_
    model.basis_posterior_[..., :] = [0.9, 0.1, 0.0]
    model.expose()
    assert model.mostly_one_sign_


def bad(sequences, **settings):
    with pytest.raises(ValueError) as error:
        OneHotHMMGLM(**{"n_states": 2, "n_starts": 1, **settings}).fit(sequences)
    lines = str(error.value).splitlines()
    assert all(len(line) <= 160 for line in lines)
    return lines


def test_every_problem_of_the_data_is_one_line(truth):
    counts = truth.counts[0].astype(float)
    negative = counts.copy()
    negative[[1, 2, 3], 0] = [-1, -2, -1]
    assert bad([negative]) == ["hmmglm: counts have 3 negative values (min -2)"]
    z = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    assert "hmmglm: counts are not integers (unit 0); for BOLD use input: fmri" in bad([z])
    fraction = counts.copy()
    fraction[5, 4] = 0.5
    assert bad([fraction]) == ["hmmglm: counts are not integers (unit 4); for BOLD use input: fmri"]
    assert bad([counts, counts[:, :5]]) == ["hmmglm: neuron counts differ between sequences (6, 5)"]
    assert bad([counts[:400]], n_states=12) == ["hmmglm: n_states 12 > observed bins / 50 (8)"]
    assert "couplings need at least 2" in bad([counts[:, :1]])[0]
    many = bad([counts], emission="bernoulli")
    assert len(many) == 1 and "hold more than one spike" in many[0]
    assert bad([counts[:0]]) == ["hmmglm: sequence 0 is empty (0 bins); leave it out"]
    assert "no sequence" in bad([])[0]


def test_one_recording_is_one_sequence(truth):
    counts = truth.counts[0].astype(float)
    mask = np.arange(len(counts)) % 200 > 3
    one = small("plain", n_starts=1).fit(counts, mask=mask)
    many = small("plain", n_starts=1).fit([counts], mask=[mask])
    np.testing.assert_array_equal(one.theta_, many.theta_)
    np.testing.assert_array_equal(one.predict(counts)[0], many.predict([counts])[0])


def test_problems_are_listed_together(truth):
    counts = truth.counts[0].astype(float)
    counts[0, 0], counts[1, 1] = -1, 0.5
    with pytest.raises(InputProblem) as error:
        small().fit([counts], mask=[np.ones(7, bool)])
    assert len(error.value.problems) == 3
    assert "mask of sequence 0 has 7 bins, the counts have 600" in error.value.problems[2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "one_hot"}, "model: got 'one_hot'"),
        ({"solver": "vi"}, "solver: got 'vi'"),
        ({"n_states": 0}, "n_states: got 0"),
        ({"tau": 0.0}, "tau: got 0.0"),
        ({"alpha": (0.1, 0.2)}, "expected three numbers > 0"),
        ({"link": "linear"}, "emission 'poisson' needs"),
        ({"preset": "paper", "diagonal": "zero"}, "solver 'paper' needs"),
        ({"start": "random"}, "start: got 'random'"),
        ({"n_finish": 0}, "n_finish: got 0"),
        ({"preset": "paper", "n_finish": 2}, "none with solver 'paper'"),
    ],
)
def test_wrong_settings_are_one_line(truth, settings, words):
    assert words in bad([truth.counts[0]], **settings)[0]


def test_a_model_refuses_other_data(truth):
    model = small("plain", n_starts=1).fit(list(truth.counts[:2]))
    with pytest.raises(InputProblem, match="5 neurons, but the model was fitted to 6"):
        model.score([truth.counts[0][:, :5]])
    with pytest.raises(ValueError, match="not fitted yet"):
        small().score([truth.counts[0]])
