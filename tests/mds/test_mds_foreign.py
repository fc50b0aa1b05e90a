"""Twins of others: what weights do not say is found by predictions, and liars are refused."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neuro.mds import CheckpointTwin, ModuleTwin
from neuro.mds.twin import candidates, files, inferred

SIDE, UNITS = 16, 7


class Shift(nn.Module):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def forward(self, values):
        return F.elu(values - self.x) + self.y


class Foreign(nn.Module):
    """A stacked core and point readouts in plain torch, with the names that others use."""

    def __init__(
        self,
        seed=0,
        pad=True,
        hidden=1,
        stride=1,
        dilation=1,
        separable=False,
        norm=True,
        linear=False,
        last=True,
        shift=(0.0, 0.0),
        stack=(2,),
        align=True,
        pool=0,
        predictor=False,
        shifter=False,
        output="elu",
        sessions=("a",),
    ):
        super().__init__()
        torch.manual_seed(seed)
        self.stack, self.align, self.pool, self.output = stack, align, pool, output
        self.sessions, width = sessions, 5
        blocks = nn.Sequential()
        for k in range(3):
            block = nn.Sequential()
            more = {"padding": hidden, "stride": stride, "dilation": dilation}
            if k == 0:
                block.add_module("conv", nn.Conv2d(1, width, 5, padding=2 if pad else 0))
            elif separable:
                parts = nn.Sequential()
                parts.add_module("in_depth_conv", nn.Conv2d(width, width, 1))
                parts.add_module("spatial_conv", nn.Conv2d(width, width, 3, groups=width, **more))
                parts.add_module("out_depth_conv", nn.Conv2d(width, width, 1))
                block.add_module("ds_conv", parts)
            else:
                block.add_module("conv", nn.Conv2d(width, width, 3, **more))
            if norm:
                layer = nn.BatchNorm2d(width)
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 1.5)
                block.add_module("norm", layer)
            if not linear and (k < 2 or last):
                block.add_module("nonlin", Shift(*shift))
            blocks.add_module(f"layer{k}", block)
        self.core = nn.Module()
        self.core.features = blocks
        self.readout = nn.ModuleDict({name: nn.Module() for name in sessions})
        features = width * len(stack) * (2 if pool else 1)
        for head in self.readout.values():
            place = nn.Parameter(torch.rand(1, UNITS, 1, 2) * 1.2 - 0.6)
            weights = nn.Parameter(torch.randn(1, features, 1, UNITS))
            head.bias = nn.Parameter(torch.randn(UNITS) * 0.3)
            if pool:
                head.grid, head.features = place, weights
            elif predictor:
                head.mu_transform = nn.Sequential(nn.Linear(2, 6), nn.ELU(), nn.Linear(6, 2))
                head.register_buffer("source_grid", torch.randn(UNITS, 2))
                head._features = weights
            else:
                head._mu, head._features = place, weights
        if shifter:
            self.shifter = nn.ModuleDict({name: nn.Module() for name in sessions})
            for item in self.shifter.values():
                item.mlp = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2), nn.Tanh())
        self.eval()

    def forward(self, x):
        name = self.sessions[-1]
        head, outputs = self.readout[name], []
        for block in self.core.features:
            x = block(x)
            outputs.append(x)
        x = torch.cat([outputs[k] for k in self.stack], dim=1)
        if hasattr(head, "mu_transform"):
            place = torch.tanh(head.mu_transform(head.source_grid))[None, :, None]
        else:
            place = head.grid if self.pool else head._mu
        if hasattr(self, "shifter"):
            place = place + self.shifter[name].mlp(torch.zeros(1, 2))
        maps = [x, F.avg_pool2d(x, self.pool, self.pool)] if self.pool else [x]
        grid = place.expand(len(x), -1, -1, -1)
        seen = torch.cat([F.grid_sample(m, grid, align_corners=self.align) for m in maps], dim=1)
        weights = head.features if self.pool else head._features
        y = (seen * weights.transpose(2, 3)).sum(dim=1)[..., 0] + head.bias
        return {"elu": F.elu(y) + 1, "none": y, "softplus": F.softplus(y)}[self.output]


VARIANTS = {
    "corners counted inside": {"align": False},
    "depth-separable": {"separable": True},
    "no input padding": {"pad": False},
    "linear": {"linear": True},
    "last layer without nonlinearity": {"last": False},
    "shifted": {"shift": (0.5, 0.5)},
    "all layers stacked": {"stack": (0, 1, 2)},
    "first layer": {"stack": (0,)},
    "no hidden padding": {"hidden": 0},
    "stride 2": {"stride": 2},
    "dilation 2": {"dilation": 2, "hidden": 2},
    "pooled": {"pool": 2},
    "predicted positions": {"predictor": True},
    "shifter": {"shifter": True},
    "two sessions": {"sessions": ("a", "b")},
    "no normalisation": {"norm": False},
    "softplus": {"output": "softplus"},
    "no output": {"output": "none"},
}
FEW = ("corners counted inside", "depth-separable", "pooled", "two sessions")


def images(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 1, SIDE, SIDE)).astype(np.float32)


def answers(model, x):
    with torch.no_grad():
        return model(torch.as_tensor(x)).numpy()


def stored(folder, model, n=20):
    weights, check = folder / "w.pt", folder / "check.npz"
    torch.save(model.state_dict(), weights)
    x = images(n)
    np.savez(check, images=x, predictions=answers(model, x))
    return weights, check


@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS],
)
def test_every_variant_is_found_by_twenty_predictions(name, tmp_path):
    model = Foreign(1, **VARIANTS[name])
    weights, check = stored(tmp_path, model)
    twin = CheckpointTwin(weights, (1, SIDE, SIDE), UNITS, check)
    new = images(100, 9)
    assert candidates.difference(twin.predict(new), answers(model, new)) < 1e-6
    twin.fit(new, answers(model, new))
    back, _ = files.load(files.save(tmp_path / "t.pt", twin))
    assert back.options_ == twin.options_
    np.testing.assert_array_equal(back.predict(new[:5]), twin.predict(new[:5]))
    centre = twin.centred()
    x = torch.as_tensor(new[:3])
    if centre.cut is None:
        same = inferred.read(
            twin.network_,
            inferred.features(twin.network_, x, twin.options_),
            twin.options_,
            torch.zeros(UNITS, 2),
        )
        with torch.no_grad():
            np.testing.assert_allclose(centre(x), same, atol=1e-5)


def test_a_wrong_guess_runs_and_predicts_otherwise():
    """Why predictions are asked for: corners alone change the answers and raise no error."""
    model = Foreign(1)
    network = inferred.Network(model.state_dict())
    good = candidates.infer(network, images(20), answers(model, images(20)))
    bad = dataclasses.replace(good, align_corners=False)
    with torch.no_grad():
        wrong = inferred.respond(network, torch.as_tensor(images(50, 3)), bad).numpy()
    assert candidates.difference(wrong, answers(model, images(50, 3))) > 0.01


def test_none_or_several_matches_are_asked_about(tmp_path):
    model = Foreign(1)
    weights, check = stored(tmp_path, model)
    np.savez(check, images=images(20), predictions=1.01 * answers(model, images(20)))
    with pytest.raises(ValueError, match="no combination of padding") as error:
        CheckpointTwin(weights, (1, SIDE, SIDE), UNITS, check)
    assert "\n" not in str(error.value)
    # Positive weights and positive images: an ELU in the core never bends.
    model = Foreign(1, norm=False)
    with torch.no_grad():
        for parameter in model.core.parameters():
            parameter.abs_()
    bright = np.abs(images(20))
    with pytest.raises(ValueError, match=r"do not tell apart .*linear"):
        candidates.infer(inferred.Network(model.state_dict()), bright, answers(model, bright))


MODULE = """
import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, way="", scale=1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.w = nn.Parameter(scale * torch.randn(256, 7, generator=generator))
        self.way = way

    def forward(self, x):
        flat = x.flatten(1)
        if self.way == "random":
            flat = flat + torch.randn_like(flat)
        if self.way == "batch":
            flat = flat - flat.mean(dim=0)
        if self.way == "flat":
            flat = flat.detach()
        return nn.functional.softplus(flat @ self.w / 16)


def load(**kwargs):
    return Small(**kwargs)


def text():
    return "model"


def broken():
    raise RuntimeError("no weights here")
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "my.py"
    path.write_text(MODULE)
    scope: dict = {}
    exec(MODULE, scope)  # the same code, as a reference
    x = images(20)
    np.savez(tmp_path / "check.npz", images=x, predictions=answers(scope["Small"](), x))
    return f"{path}:load", tmp_path / "check.npz", scope["Small"]


def test_a_module_of_the_users_own(own, tmp_path):
    module, check, small = own
    twin = ModuleTwin(module, (1, SIDE, SIDE), 7, check)
    new = images(30, 4)
    np.testing.assert_allclose(twin.predict(new), answers(small(), new), rtol=1e-6)
    twin.fit(new, answers(small(), new))
    assert twin.test_correlation_ == pytest.approx(np.ones(7))
    back, _ = files.load(files.save(tmp_path / "t.pt", twin))
    np.testing.assert_array_equal(back.predict(new), twin.predict(new))
    assert "positions" in twin.centred().messages[0]
    script = tmp_path / "s.pt"
    torch.jit.trace(small(), torch.as_tensor(new[:2])).save(str(script))
    again = ModuleTwin(str(script), (1, SIDE, SIDE), 7, check)
    np.testing.assert_allclose(again.predict(new), twin.predict(new), rtol=1e-6)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"way": "random"}, "two calls with the same images differ"),
        ({"way": "batch"}, "depends on the others of its batch"),
        ({"scale": 1.01}, "differs from the stored predictions by"),
        ({"way": "flat"}, "no gradient"),
    ],
)
def test_modules_that_are_refused(own, kwargs, message):
    module, check, _ = own
    with pytest.raises(ValueError, match=message) as error:
        ModuleTwin(module, (1, SIDE, SIDE), 7, check, kwargs)
    assert "\n" not in str(error.value)


def test_more_refusals_of_modules(own, tmp_path):
    module, check, _ = own
    path = module.removesuffix(":load")
    shape = (1, SIDE, SIDE)
    np.savez(tmp_path / "less.npz", images=images(20))
    np.savez(tmp_path / "few.npz", images=images(2), predictions=np.ones((2, 7)))
    np.savez(tmp_path / "other.npz", images=images(20), predictions=np.ones((20, 3)))
    for given, want in (
        ((module, shape, 7, None), "no stored predictions"),
        ((module, shape, 9, check), "gives 7 units, the recording has 9"),
        ((module, shape, 7, tmp_path / "less.npz"), "no array 'predictions'"),
        ((module, shape, 7, tmp_path / "few.npz"), "expected at least 5"),
        ((module, shape, 7, tmp_path / "other.npz"), r"stored predictions are \(20, 3\)"),
        ((f"{path}:text", shape, 7, check), "gave str, expected a torch.nn.Module"),
        ((f"{path}:broken", shape, 7, check), "no weights here"),
        (("none.py:load", shape, 7, check), "no such file"),
    ):
        with pytest.raises(ValueError, match=want) as error:
            ModuleTwin(*given)
        assert "\n" not in str(error.value)
