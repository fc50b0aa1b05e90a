"""Twins answer on the device of the stimuli: trained ones, checkpoints, modules of the user's own.

The comparison with a graphics card is marked `gpu` (`make test-gpu`); `NEURO_TEST_DEVICE=cpu` runs
its lines on the CPU, to see that they run.
"""

import copy
import os

import numpy as np
import pytest
import torch

from neuro.mds import CheckpointTwin, EnergyTwin, ModuleTwin, MostDiscriminativeStimuli, Twin
from neuro.simulate.ln8 import ln8_twin_data

DEVICE = os.environ.get("NEURO_TEST_DEVICE", "cuda")
on_card = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device"
    ),
]
CODE = """
import torch


def load():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(576, 24), torch.nn.Softplus())
"""


@pytest.fixture(scope="module")
def data():
    return ln8_twin_data(3, 220, 20)[0]


@pytest.fixture(scope="module", params=["trained", "checkpoint", "plain checkpoint", "module"])
def twin(request, data, tmp_path_factory):
    """A twin of 24 units and images of 24 pixels."""
    folder = tmp_path_factory.mktemp("twin")
    x = np.random.default_rng(0).standard_normal((20, 1, 24, 24)).astype(np.float32)
    if request.param == "module":
        path, scope = folder / "mine.py", {}
        path.write_text(CODE)
        exec(CODE, scope)  # the same code, as a reference
        with torch.no_grad():
            known = scope["load"]().eval()(torch.as_tensor(x)).numpy()
        np.savez(folder / "check.npz", images=x, predictions=known)
        return ModuleTwin(f"{path}:load", (1, 24, 24), 24, folder / "check.npz")
    trained = Twin(1, channels=4).fit(data["stimuli"], data["responses"], data["tier"])
    if request.param == "trained":
        return trained
    torch.save(trained.state_, folder / "w.pt")
    given = CheckpointTwin(folder / "w.pt", (1, 24, 24), 24)
    if request.param == "checkpoint":
        from neuro.mds.twin.foreign import _Centred

        given.centred = lambda crop=True: _Centred(given)
    return given


def test_the_weights_follow_the_stimuli(twin):
    """On a device without values: weights that stay behind make an error there or on a card."""
    twin = copy.deepcopy(twin)
    model = twin.centred()
    x = torch.zeros((3, *model.stimulus_shape), device="meta")
    assert model(x).shape == (3, 24)
    kept = {
        "CentredTwin": lambda: [model.bias, model.weights, *model.convolutions[0]],
        "_Centred": lambda: [
            model.network.layers[0]["conv.weight"],
            *[
                v
                for v in model.network.readouts[twin.options_.session].values()
                if hasattr(v, "to")
            ],
        ],
        "_AsItIs": lambda: list(twin.model_.parameters()),
    }[type(model).__name__]()
    assert {value.device.type for value in kept} == {"meta"}
    if twin.__class__ is CheckpointTwin:
        # the twin itself stays where it is: a prediction is asked for on the CPU
        assert np.isfinite(twin.predict(np.zeros((2, 1, 24, 24), np.float32))).all()


@pytest.mark.parametrize("name", ["answers", "search"])
class TestCard:
    pytestmark = on_card

    def test_numbers_are_those_of_the_cpu(self, name, twin, data):
        x = data["stimuli"][:40]
        if name == "answers":
            model = twin.centred()
            cut = x if model.cut is None else x[model.cut]
            with torch.no_grad():
                pair = [
                    model(torch.as_tensor(cut, device=device)).cpu().numpy()
                    for device in ("cpu", DEVICE)
                ]
            np.testing.assert_allclose(pair[1], pair[0], rtol=1e-4, atol=1e-5)
            return
        pair = [
            MostDiscriminativeStimuli(
                norm=8, n_restarts=1, max_iter=1, n_steps=5, split=False, device=device
            ).fit(twin, stimuli=x)
            for device in ("cpu", DEVICE)
        ]
        np.testing.assert_array_equal(pair[1].labels_, pair[0].labels_)
        np.testing.assert_allclose(pair[1].stimuli_, pair[0].stimuli_, atol=1e-2)


@pytest.mark.gpu
@pytest.mark.skipif(on_card[1].args[0], reason="there is no CUDA device")
def test_a_ridge_of_energies_answers_there_too(data):
    model = EnergyTwin(0).fit(data["stimuli"], data["responses"], data["tier"]).centred()
    x = np.random.default_rng(1).standard_normal((9, *model.stimulus_shape)).astype(np.float32)
    with torch.no_grad():
        pair = [model(torch.as_tensor(x, device=d)).cpu().numpy() for d in ("cpu", DEVICE)]
    np.testing.assert_allclose(pair[1], pair[0], rtol=1e-4, atol=1e-5)
