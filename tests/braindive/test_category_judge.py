"""The category judge that is trained on the images' own labels."""

import types

import numpy as np
import pytest

from neuro.braindive.category import fit_category


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    condition = np.array(["bar", "disc"] * 12)
    images = rng.uniform(0, 0.2, (24, 1, 16, 16)).astype(np.float32)
    images[condition == "disc", :, 4:12, 4:12] += 0.8
    return types.SimpleNamespace(
        images=images, condition=condition, sizes=None, test=np.arange(16, 24)
    )


def weights(data, drawn, folder, seed=0):
    folder.mkdir()
    out = types.SimpleNamespace(model=folder / "judge.pt", card=folder / "card.tsv")
    settings = {"judge": {"epochs": 2}}
    fit_category(data, np.arange(16), drawn, out, settings, seed, lambda line: None)
    return out


def test_it_learns_from_the_images_as_the_generator_draws_them_too(data, tmp_path):
    plain = weights(data, None, tmp_path / "a")
    again = weights(data, None, tmp_path / "b")
    drawn = weights(data, data.images[:16] ** 2, tmp_path / "c")
    assert plain.model.read_bytes() == again.model.read_bytes()
    assert plain.model.read_bytes() != drawn.model.read_bytes()


def test_the_card_counts_test_images_of_each_category(data, tmp_path):
    card = weights(data, None, tmp_path / "a").card.read_text().splitlines()
    assert card[0].split("\t") == ["category", "accuracy", "n"]
    assert [line.split("\t")[::2] for line in card[1:]] == [["bar", "4"], ["disc", "4"]]
