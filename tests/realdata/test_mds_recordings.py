"""Functional types on three public recordings: what is known of them comes out."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from common import ROOT

from neuro.io.responses.reader import read_stimulus_response
from neuro.mds import DiscreteSpace, EncoderTwin, MostDiscriminativeStimuli, TemporalTwin
from neuro.mds.clusters.agreement import homogeneity_completeness
from neuro.mds.clusters.components import Components, ward, zscore
from neuro.mds.stage import discrete_twin
from neuro.mds.twin.core import unit_correlation
from neuro.stats.agreement import adjusted_rand

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FOLDER = DATA / "responses"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no recordings in responses/"),
]


@pytest.fixture(scope="module")
def bipolar():
    data = read_stimulus_response(FOLDER / "retina_bipolar_chirp.tar.gz", variable="green")
    return data, TemporalTwin(64).fit(data.stimuli, data.responses, data.tier)


def test_flicker_predicts_bipolar_cells_in_both_lights(bipolar):
    _, twin = bipolar
    assert twin.test_correlation_.mean() >= 0.75
    uv = read_stimulus_response(FOLDER / "retina_bipolar_chirp.tar.gz", variable="uv")
    other = TemporalTwin(64).fit(uv.stimuli, uv.responses, uv.tier)
    assert other.test_correlation_.mean() >= 0.70


def test_the_centre_has_the_published_sign_in_every_type(bipolar):
    data, twin = bipolar
    centre = twin.filters_[:, :, 0]
    largest = centre[np.arange(24), np.abs(centre).argmax(axis=1)]
    assert (np.where(largest > 0, "ON", "OFF") == np.array(data.units["known_type"])).all()


@pytest.mark.parametrize(("noise", "least"), [(0.5, 0.90), (2.0, 0.75)])
def test_cells_made_from_bipolar_types_need_whitened_components(bipolar, noise, least):
    """24 types of ten cells: gain, a tenth of all types mixed in, white noise."""
    data, _ = bipolar
    types, rng = np.repeat(np.arange(24), 10), np.random.default_rng(0)
    means = ((data.responses - data.responses.mean(axis=0)) / data.responses.std(axis=0)).T
    mixed = 0.1 * rng.standard_normal((240, 24)) @ means
    gain = np.exp(rng.normal(0, 0.3, (240, 1)))
    cells = gain * (means[types] + mixed + noise * rng.standard_normal((240, means.shape[1])))
    values = zscore(cells.T)
    found = [
        adjusted_rand(types, ward(Components(values, 20, whiten)(values), 24))
        for whiten in (False, True)
    ]
    assert found[1] >= least and found[1] > found[0] + 0.1


def test_bipolar_cells_are_on_or_off_and_nothing_stable_below(bipolar):
    data, twin = bipolar
    cells, source = twin.make_cells(10)
    types = np.array(data.units["known_type"])[source]
    stimuli = twin.training_stimuli(data.stimuli[data.tier == "train"], 400)
    search = {"clip": (-0.5, 0.5), "grouping": "objective"}
    two = MostDiscriminativeStimuli(n_clusters_init=2, split=False, subsample=1.0, **search)
    two.fit(cells, stimuli=stimuli)
    assert two.norm_ == pytest.approx(5.66, abs=0.02)
    assert adjusted_rand(types, two.labels_) == 1.0
    assert two.stability()["restart_ari"] == 1.0
    free = MostDiscriminativeStimuli(**search).fit(cells, stimuli=stimuli)
    assert homogeneity_completeness(types, free.labels_)[0] == pytest.approx(1.0)
    assert free.n_clusters_ > 2 and free.verdict_ == "no stable types"


def test_it_neurons_have_no_types_but_can_be_typed():
    data = read_stimulus_response(FOLDER / "it_zhang_desimone.tar.gz", discrete=True)
    assert data.responses.shape == (420, 132) and np.isnan(data.responses).sum() == 7
    twin = discrete_twin(data)
    for k in (2, 4, 7):
        model = MostDiscriminativeStimuli(
            n_clusters_init=k, split=False, n_restarts=10, subsample=1.0, grouping="objective"
        ).fit(DiscreteSpace(twin.values))
        assert model.verdict_ == "no stable types"
        assert model.stability()["restart_ari"] < 0.5
        typed = adjusted_rand(twin.other[model.stimuli_].argmax(axis=0), model.labels_)
        rng = np.random.default_rng(0)
        shuffled = rng.permuted(twin.other, axis=0)[model.stimuli_].argmax(axis=0)
        assert typed > 0.1 > adjusted_rand(shuffled, model.labels_)


def test_digits_predict_voxels_and_more_than_their_label():
    data = read_stimulus_response(FOLDER / "fmri_digits69.tar.gz")
    rows = np.flatnonzero(data.tier == "train")
    x, y, label = data.stimuli[rows], data.responses[rows], data.condition[rows]
    fold = np.random.default_rng(0).permutation(90) % 10
    guess, by_label = np.empty_like(y), np.empty_like(y)
    for k in range(10):
        out = fold == k
        tier = np.where(out, "test", "train")
        twin = EncoderTwin("pool2").fit(x, y, tier)
        guess[out] = twin.predict(x[out]) * twin.scale_ + twin.mean_
        for name in np.unique(label):
            by_label[out & (label == name)] = y[~out & (label == name)].mean(axis=0)
    inside = np.mean(
        [unit_correlation(guess[label == n], y[label == n]).mean() for n in ("6", "9")]
    )
    blind = np.mean(
        [
            np.nan_to_num(unit_correlation(by_label[label == n], y[label == n])).mean()
            for n in ("6", "9")
        ]
    )
    print(unit_correlation(guess, y).mean(), inside, blind)
    assert unit_correlation(guess, y).mean() >= 0.10
    assert inside >= 0.05 > blind


@pytest.mark.parametrize("name", ["retina", "it", "digits"])
def test_ready_settings_resolve_and_name_their_recording(name, monkeypatch):
    import neuro.config

    text = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    file = Path(text["mds"]["input"][0]).name
    assert (FOLDER / file).is_file()
    text["mds"]["input"] = [str(FOLDER / file)]
    assert neuro.config.resolve(text) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "verdict"),
    [("retina", "stable types"), ("it", "none found by this search"), ("digits", None)],
)
def test_settings_run_to_the_report(name, verdict, tmp_path):
    import json

    from common import snakemake

    text = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    text["mds"]["input"] = [str(FOLDER / Path(text["mds"]["input"][0]).name)]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(text))
    snakemake(tmp_path, "mds", "report", "--configfile", "mine.yaml", "--cores", "2")
    (summary,) = (tmp_path / "results" / "mds").glob("*/summary.json")
    found = json.loads(summary.read_text())
    assert verdict in (None, found["verdict"])
    page = (tmp_path / "results" / "report" / "mds.html").read_text()
    assert "Plain clustering finds" in page and "published search" in page
    if name == "retina":
        # Ten cells made from each of 24 units: gaps give the units back, ON and OFF above them.
        assert found["K"] == 24 and found["branch_ari"] == 1.0
    if name == "digits":
        assert "spatial clusters" in page
    if name == "it":
        assert "recorded one by one" in page
