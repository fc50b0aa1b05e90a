"""Movies through a module of one's own: a core in space and time, shared by two sessions."""

import numpy as np
import pytest
import torch

from neuro.io.responses.reader import build
from neuro.mds import MostDiscriminativeStimuli, stage
from neuro.stats.agreement import adjusted_rand

SHAPE, TYPES = (8, 1, 7, 7), np.tile([0, 1, 2], 8)
"""Frames, channels, height, width; cells that see the rise, the fall and the mean of brightness."""
CODE = """
import torch


class Movies(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.core = torch.nn.Conv3d(1, 3, (3, 5, 5), bias=False)
        in_time = torch.tensor([[-1.0, 0, 1], [1, 0, -1], [1, 1, 1]])[:, None, :, None, None]
        self.core.weight.data = in_time * torch.ones(3, 1, 3, 5, 5) / 5
        self.gain = torch.nn.Parameter(torch.linspace(0.8, 1.2, 24))

    def forward(self, x):  # (n, frames, channels, height, width)
        seen = torch.nn.functional.elu(self.core(x.transpose(1, 2))).mean(dim=(3, 4)) + 1
        sessions = [seen.transpose(1, 2)[:, :, [0, 1, 2] * 4] for _ in range(2)]
        return torch.cat(sessions, dim=2) * self.gain  # traces of all units of both sessions


def load():
    return Movies()
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Movies, responses of the module with noise, and settings that name it."""
    folder = tmp_path_factory.mktemp("movies")
    (folder / "mine.py").write_text(CODE)
    scope: dict = {}
    exec(CODE, scope)  # the same code, as a reference
    rng = np.random.default_rng(0)
    x = rng.standard_normal((160, *SHAPE)).astype(np.float32)
    with torch.no_grad():
        y = scope["load"]().eval()(torch.as_tensor(x)).mean(dim=1).numpy()
    np.savez(folder / "check.npz", images=x[:20], predictions=y[:20])
    noisy = np.maximum(y + 0.02 * rng.standard_normal(y.shape), 0).astype(np.float32)
    content = {"stimuli": x, "responses": noisy, "session": np.repeat(["a", "b"], 12)}
    own = {
        **{"type": "module", "module": f"{folder / 'mine.py'}:load", "kwargs": {}, "path": None},
        **{"predictions": folder / "check.npz", "min_test_corr": 0.1},
    }
    return build(content), {"twin": own, "stimulus_space": "auto", "device": "cpu"}


def test_a_core_in_space_and_time_gives_types_of_two_sessions_and_their_movies(planted):
    data, settings = planted
    assert data.kind == "movie"
    twin = stage.make_twin(data, settings, 0)
    assert twin.test_correlation_.min() > 0.5 and twin.shared_ == 0
    model = MostDiscriminativeStimuli(
        norm=10, n_restarts=1, n_clusters_init=2, max_iter=1, n_steps=30, split=False
    ).fit(twin, stimuli=data.stimuli)
    assert model.n_clusters_ == 3 and adjusted_rand(TYPES, model.labels_) == 1
    assert model.stimuli_.shape == (3, *SHAPE)
    assert (model.response_matrix().argmax(axis=0) == np.arange(3)).all()
    # brightness rises in the movie of the cells that see it rise, and falls in the other
    in_time = model.stimuli_[:, :, 0, 1:6, 1:6].mean(axis=(2, 3))
    slope = [np.polyfit(np.arange(SHAPE[0]), in_time[model.labels_[k]], 1)[0] for k in (0, 1)]
    assert slope[0] > 0.01 and slope[1] < -0.01


def test_a_movie_without_a_module_is_told_what_it_needs(planted):
    data, settings = planted
    with pytest.raises(ValueError, match="movies need a twin of your own"):
        stage.make_twin(data, settings | {"twin": settings["twin"] | {"type": "auto"}}, 0)
