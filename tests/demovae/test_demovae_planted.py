"""500 planted subjects to fit, 500 others to judge, 264 regions: what the method promises."""

import numpy as np
import pytest
from demovae_recovery import COLUMNS, DX, true_maps
from sklearn.linear_model import LogisticRegression

from neuro.demovae.evaluation import evaluate
from neuro.demovae.evaluation import readouts as read
from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
from neuro.demovae.model import DemoVAE
from neuro.demovae.sampling.generate import minimum_eigenvalues
from neuro.demovae.sampling.transfer import transfer
from neuro.demovae.training.constraints import moments
from neuro.simulate.connectomes import planted_connectomes

pytestmark = pytest.mark.slow
TR, TE = slice(0, 500), slice(500, 1000)
N_SAMPLES = {"forward": 1000, "backward": 400}


class Planted:
    """Data, and everything that is fitted once and used by several tests."""

    def __init__(self):
        cohort = planted_connectomes()
        self.X, self.d, self.truth = cohort.edges, cohort.participants, cohort.truth
        self.known, self.new = self.d[TR], self.d[TE].reset_index(drop=True)
        self.models, self.scores = {}, {}

    def model(self, name):
        if name not in self.models:
            mode, size = name.split("-")
            self.models[name] = DemoVAE(
                mode=mode, latent_dim=int(size), columns=COLUMNS, random_state=0
            ).fit(self.X[TR], demographics=self.known)
        return self.models[name]

    def features(self, name):
        if name == "raw":
            return self.X[TR], self.X[TE]
        if name == "residual":
            model = ConfoundResidualizer(COLUMNS).fit(self.X[TR], demographics=self.known)
            return (
                model.transform(self.X[TR], demographics=self.known),
                model.transform(self.X[TE], demographics=self.new),
            )
        model = PCALatents(60).fit(self.X[TR]) if name == "pca" else self.model(name)
        return model.transform(self.X[TR]), model.transform(self.X[TE])

    def read(self, Z, Z_new, fit_on="train", columns=(*COLUMNS, DX), models=("linear",)):
        table = read.readouts(
            Z, Z_new, self.known, self.new, columns=columns, fit_on=fit_on, models=models
        )
        return {(row.target, row.model): row.heldout for row in table.itertuples()}

    def readout(self, name, fit_on="train", models=("linear",)):
        key = (name, fit_on, models)
        if key not in self.scores:
            self.scores[key] = self.read(*self.features(name), fit_on, models=models)
        return self.scores[key]


@pytest.fixture(scope="module")
def planted():
    return Planted()


def linear(scores):
    return {target: value for (target, model), value in scores.items() if model == "linear"}


def test_raw_connectomes_are_as_hard_as_real_ones(planted):
    found = linear(planted.readout("raw"))
    expected = {"age": 0.665, "age^2": 0.636, "sex": 0.864, "dx": 0.758}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.05), name
    # three sites: the reference value is of plain logistic regression, which a discriminant beats
    a, b = read.compact(*read.isometric(planted.X[TR], planted.X[TE]))
    guess = LogisticRegression(C=1.0, max_iter=300).fit(a, planted.known["site"]).predict(b)
    site = read.metric(planted.new["site"].to_numpy(), guess, "categorical")
    assert site == pytest.approx(0.882, abs=0.05)
    assert found["site"] >= site


@pytest.mark.parametrize("mode", ["network", "linear"])
def test_constraints_hold_on_training_subjects(planted, mode):
    Z, _ = planted.features(f"{mode}-60")
    error, mean = moments(Z)
    assert error <= 0.02
    assert mean <= 0.15
    inside = evaluate.correlations(Z, planted.known, COLUMNS)
    assert max(np.abs(value).max() for value in inside.values()) <= 0.01
    assert planted.model(f"{mode}-60").converged_


@pytest.mark.parametrize("mode", ["network", "linear"])
def test_held_out_correlations_stay_within_the_null(planted, mode):
    _, Z = planted.features(f"{mode}-60")
    outside = evaluate.correlations(Z, planted.new, COLUMNS)
    assert evaluate.null_bound(500, 500, 60) == pytest.approx(0.211, abs=0.001)
    for name, value in outside.items():
        assert np.abs(value).max() <= 0.23, name


@pytest.mark.parametrize("mode", ["network", "linear"])
def test_readouts_fitted_on_training_subjects_find_nothing(planted, mode):
    found = linear(planted.readout(f"{mode}-60"))
    assert found["age"] <= 0.02
    assert found["age^2"] <= 0.05
    assert found["sex"] <= 0.58
    assert found["site"] <= 0.40


def test_fresh_readouts_find_at_most_half_of_what_raw_connectomes_hold(planted):
    raw = linear(planted.readout("raw", "fresh"))
    network = linear(planted.readout("network-60", "fresh"))
    closed = linear(planted.readout("linear-60", "fresh"))
    for name, chance in {"age": 0, "age^2": 0, "sex": 1 / 2, "site": 1 / 3}.items():
        assert network[name] - chance <= (raw[name] - chance) / 2, name
        assert network[name] <= closed[name] + 0.05, name


def test_compression_alone_does_not_remove_site(planted):
    assert linear(planted.readout("pca", "fresh"))["site"] >= 0.7


def test_linear_residuals_hide_demographics_from_training_fits_only(planted):
    blind = linear(planted.readout("residual"))
    fresh = linear(planted.readout("residual", "fresh"))
    assert blind["age"] <= 0.02
    assert fresh["age"] >= 0.3, "over-fitted coefficients write age into new connectomes"


@pytest.mark.parametrize("mode", ["network", "linear"])
def test_connectomes_at_fixed_demographics_are_clean(planted, mode):
    model = planted.model(f"{mode}-60")
    found = linear(planted.read(model.reconstruct(planted.X[TR]), model.reconstruct(planted.X[TE])))
    assert found["age"] <= 0.05
    assert found["sex"] <= 0.58
    assert found["site"] <= 0.40


def test_factors_survive(planted):
    Z, Z_new = planted.features("network-60")
    factors = planted.truth["factors"]
    for place in range(5):
        _, guess = read._ridge(Z, factors[TR, place], Z_new)
        assert read.metric(factors[TE, place], guess, "continuous") >= 0.85


def test_a_weak_disease_map_survives_with_more_latents(planted):
    wide = linear(planted.readout("linear-300"))
    assert wide["dx"] >= 0.62
    assert wide["age"] <= 0.02
    assert wide["sex"] <= 0.58
    model = planted.model("network-60")
    added = [
        model.reconstruct(rows, table, add_back=True)
        for rows, table in ((planted.X[TR], planted.known), (planted.X[TE], planted.new))
    ]
    found = linear(planted.read(*added))
    assert found["dx"] >= linear(planted.readout("network-60"))["dx"] + 0.03
    assert found["age"] <= 0.02
    assert found["sex"] <= 0.58


def test_held_out_reconstruction_and_early_stopping(planted):
    model = planted.model("network-60")
    assert -model.score(planted.X[TE], demographics=planted.new) <= 0.106
    looked = model.history_.dropna(subset="val_rec")
    assert looked["val_rec"].min() < looked["val_rec"].iloc[-1]
    late = DemoVAE(columns=COLUMNS, random_state=0, n_epochs=130, patience=0, validation=0.0)
    late.fit(planted.X[TR], demographics=planted.known)
    stopped = model.score(planted.X[TE], demographics=planted.new)
    assert stopped > late.score(planted.X[TE], demographics=planted.new) + 0.002


@pytest.fixture(scope="module")
def samples(planted):
    """Samples of the network, and the same with both halves exchanged."""
    out = {}
    for name, own in (("forward", TR), ("backward", TE)):
        table = planted.d[own].reset_index(drop=True)
        if name == "forward":
            model = planted.model("network-60")
        else:
            model = DemoVAE(columns=COLUMNS, random_state=0).fit(planted.X[own], demographics=table)
        rows = table.sample(N_SAMPLES[name], replace=True, random_state=1).reset_index(drop=True)
        out[name] = model.sample(demographics=rows, random_state=3), rows
    return out


def test_samples_are_correlation_matrices(samples):
    edges, _ = samples["forward"]
    assert np.abs(edges).max() <= 1
    assert minimum_eigenvalues(edges[:60], 264).min() >= -1e-6


def test_samples_have_the_spread_of_held_out_people(planted, samples):
    found = evaluate.edge_stats(planted.X[TE], samples["forward"][0])
    assert 0.9 <= found["sd_ratio"] <= 1.1


@pytest.mark.xfail(strict=True, reason="a miss: age² map .57 from samples, asked .68")
def test_samples_carry_the_group_maps(planted, samples):
    edges, rows = samples["forward"]
    truth = true_maps(planted.truth)
    made = evaluate.compare_maps(truth, evaluate.group_maps(edges, rows, COLUMNS))
    real = evaluate.compare_maps(truth, evaluate.group_maps(planted.X[TR], planted.known, COLUMNS))
    made, real = made.set_index("map"), real.set_index("map")
    for name in truth:
        allowed = 0.10 if name.startswith("site") else 0.05
        assert made.loc[name, "r"] >= real.loc[name, "r"] - allowed, name
        assert 0.7 <= made.loc[name, "amplitude"] <= 1.2, name
    assert made.loc["age^2", "amplitude"] >= 0.5, "the U-shaped age effect is learned"


def test_samples_are_hardly_nearer_to_those_they_were_learned_from(planted, samples):
    # a few central people are everybody's neighbours: both directions cancel where they are
    forward = evaluate.privacy_ratio(samples["forward"][0], planted.X[TR], planted.X[TE])
    backward = evaluate.privacy_ratio(samples["backward"][0], planted.X[TE], planted.X[TR])
    assert (forward + backward) / 2 <= 0.60


@pytest.fixture(scope="module")
def carried(planted, samples):
    """Readouts of held-out people, learned from samples and from the real people behind them."""
    return transfer(
        *samples["forward"], planted.X[TR], planted.known, planted.X[TE], planted.new, COLUMNS
    ).set_index("target")


@pytest.mark.xfail(strict=True, reason="a miss: age RMSE 2.84 from samples, 2.37 from real people")
def test_readouts_of_samples_work_on_held_out_people(carried):
    age = carried.loc["age"]
    assert age["rmse_synthetic"] <= 1.15 * age["rmse_real"]
    for name in ("sex", "site"):
        chance = {"sex": 1 / 2, "site": 1 / 3}[name]
        assert carried.loc[name, "synthetic"] - chance >= 0.8 * (carried.loc[name, "real"] - chance)
    assert abs(carried.loc["sex", "synthetic"] - carried.loc["sex", "real"]) <= 0.06


@pytest.mark.xfail(strict=True, reason="a miss: site .858 from samples, .971 from real people")
def test_site_from_samples_is_as_good_as_from_real_people(carried):
    assert abs(carried.loc["site", "synthetic"] - carried.loc["site", "real"]) <= 0.06


def test_weights_identify_their_people(planted):
    model = planted.model("network-60")
    few = slice(0, 100)
    found = evaluate.membership_auc(
        model,
        planted.X[TR][few],
        planted.X[TE][few],
        planted.known[few],
        planted.new[few],
    )
    assert found >= 0.8, "if this fell, the warning in the docs would be wrong"
