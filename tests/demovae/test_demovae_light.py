"""Training in numpy: the same start, gradients and results as torch, and no torch."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.model import DemoVAE
from neuro.demovae.training import fitting, guidance, network, presets, train, weights
from neuro.demovae.training.light import LightNetwork, LightSteps
from neuro.demovae.training.torch_steps import TorchSteps

N_COLUMNS, HIDDEN, LATENTS = 23, 40, 5


def recipe(preset, **more):
    names = {field.name for field in dataclasses.fields(train.Recipe)}
    own = {name: value for name, value in presets.PRESETS[preset].items() if name in names}
    # every term counts, so that none can hide behind the reconstruction
    own["weights"] = {"rec": 1.0, "cov": 0.7, "mean": 0.9, "decor": 1.3, "guide": 1.1}
    return train.Recipe(**{**own, "lr_outer": 3e-3, "lr": 1e-3, **more})


@pytest.fixture
def data(demographics):
    rng = np.random.default_rng(0)
    coder = DemographicCoder(parse_columns(None, demographics), "spline").fit(demographics)
    D = coder.transform(demographics)
    x = rng.normal(0, 0.3, (len(D), N_COLUMNS)).astype(np.float32)
    x += (D @ rng.normal(0, 0.1, (D.shape[1], N_COLUMNS))).astype(np.float32)
    rows = train.Rows(x, D, rng.uniform(0, 0.1, len(D)))
    readouts = guidance.fit_readouts(x - x.mean(axis=0), demographics, coder)
    start = weights.initial(N_COLUMNS, D.shape[1], LATENTS, HIDDEN, 3)
    return coder, demographics, rows, readouts, start


def test_the_start_is_that_of_torch():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        plain = network.Network(N_COLUMNS, 7, LATENTS, HIDDEN).codec()
    made = weights.initial(N_COLUMNS, 7, LATENTS, HIDDEN, 11)
    for name, values in vars(plain).items():
        np.testing.assert_allclose(getattr(made, name), values, atol=3e-8, err_msg=name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        first = torch.empty(HIDDEN, N_COLUMNS).uniform_(-0.1, 0.1).numpy()
    np.testing.assert_allclose(weights.shrunk_first_layer(made, 100, 12).enc1, first, atol=3e-8)


@pytest.mark.parametrize("part", [None, slice(3, 40)])
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_terms_and_gradients_are_those_of_torch(data, preset, part):
    coder, table, rows, readouts, start = data
    how = recipe(preset)
    rng = np.random.default_rng(4)
    draw = presets.PRESETS[preset]["guide_draw"]
    told, wanted = guidance.Requests(coder, table, rows.told, draw)(rng)
    z = rng.standard_normal((len(told), LATENTS), dtype=np.float32)
    index = None if part is None else np.arange(len(rows))[part]
    removed = rows.told[:, coder.remove_]
    given = rows, removed, None, readouts, how, 60, "cpu"
    light = LightSteps(LightNetwork(start), *given)
    model = network.from_codec(start)
    heavy = TorchSteps(model, *given)
    heavy.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    terms = light.gradient(index, 90.0, told, wanted, z)
    expected = heavy.step(index, 90.0, told, wanted, z)
    assert terms == pytest.approx(expected, rel=2e-5)
    for name in ("enc1", "enc2", "dec1", "dec2"):
        layer = getattr(model, name)
        for own, grad in ((name, layer.weight.grad), (f"{name}_bias", layer.bias.grad)):
            right = grad.numpy()
            error = np.abs(light.into[own] - right).max()
            assert error < 2e-5 * np.abs(right).max(), own


@pytest.mark.parametrize("batch_size", [None, 40])
def test_whole_trainings_end_alike(data, batch_size):
    coder, table, rows, readouts, start = data
    how = recipe("robust", n_epochs=60, batch_size=batch_size, weight_decay=1e-3)
    cut = len(rows) - 30
    parts = [
        train.Rows(rows.x[which], rows.told[which], rows.outside[which])
        for which in (slice(None, cut), slice(cut, None))
    ]
    requests = guidance.Requests(coder, table[:cut], parts[0].told, "rows")
    codecs, histories = [], []
    for model in (LightNetwork(start), network.from_codec(start)):
        history, _ = train.train(
            model, *parts, coder.remove_, readouts, requests, how, n_edges=60, seed=2
        )
        z = model.codec().encode(parts[0].x), model.codec().encode(parts[1].x)
        told = parts[0], (z[1], parts[1])
        model.refine_decoder(z[0], *told, n_edges=60, epochs=12, lr=1e-3, lr_outer=3e-3)
        codecs.append(model.codec())
        histories.append([[row[name] for name in presets.HISTORY] for row in history])
    np.testing.assert_allclose(*histories, rtol=2e-3)
    for name, values in vars(codecs[1]).items():
        np.testing.assert_allclose(getattr(codecs[0], name), values, atol=2e-3, err_msg=name)
    moved = np.abs(codecs[0].dec2 - start.dec2).max()
    assert moved > 0.02, "else nothing was compared"


def test_small_fits_need_no_torch_and_large_ones_have_it(small, columns):
    code = (
        "import numpy as np, pandas as pd, sys\n"
        "from neuro.demovae.model import DemoVAE\n"
        "rng = np.random.default_rng(0)\n"
        "table = pd.DataFrame({'age': rng.uniform(8, 20, 40), 'sex': ['F', 'M'] * 20})\n"
        "model = DemoVAE(latent_dim=3, hidden=30, n_epochs=20, device='cpu', random_state=0)\n"
        "model.fit(rng.normal(0, .2, (40, 45)).astype('f4'), demographics=table)\n"
        "print('torch' in sys.modules, model.n_epochs_ <= 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
    start = weights.initial(500, 7, 60, 1000, 0)
    assert isinstance(fitting._network(start, 500, "cpu"), network.Network)
    assert isinstance(fitting._network(start, 30, "cpu"), LightNetwork)


def test_both_ways_fit_the_same_model(small, columns, monkeypatch):
    def fitted():
        model = DemoVAE(latent_dim=4, hidden=60, n_epochs=40, columns=columns, random_state=1)
        model.fit(small.edges, demographics=small.participants)
        return model.transform(small.edges), model.history_["total"].to_numpy()

    light = fitted()
    monkeypatch.setattr("neuro.demovae.training.light.MOST_WORK", -1.0)
    heavy = fitted()
    np.testing.assert_allclose(light[1], heavy[1], rtol=1e-3)
    # Adam's first steps have the size of the rate whatever the gradient: rounding shows there
    assert np.sqrt(((light[0] - heavy[0]) ** 2).mean()) < 0.01
