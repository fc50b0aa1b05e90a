"""The stage's jobs on their files: what they refuse is one line, and nothing is left behind."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from neuro.braindive import stage
from neuro.config.resolve import resolve
from neuro.io.problems import InputProblem

ROOT = Path(__file__).parents[2]


class Recorder(dict):
    """A mapping that notes the dotted keys that are read."""

    def __init__(self, values, seen, prefix=""):
        super().__init__(values)
        self.seen, self.prefix = seen, prefix

    def __getitem__(self, key):
        value, name = super().__getitem__(key), self.prefix + key
        if isinstance(value, dict):
            return Recorder(value, self.seen, f"{name}.")
        self.seen.add(name)
        return value


def settings(**changes):
    config = {
        "data": {"kind": "none"},
        "braindive": {
            "enabled": True,
            "n_seeds": 2,
            "steps": 3,
            "min_voxels": 2,
            "device": "cpu",
            "seed_block": 2,
            **changes,
        },
    }
    assert resolve(config) == []
    return config["braindive"]


@pytest.fixture
def job(sd_folder, make_encoder, tmp_path):
    """Run the sampling job on a random encoder and a random folder of weights."""

    def run(spoil=None, seen=None, **changes):
        encoder = make_encoder()
        if spoil:
            spoil(encoder)
        encoder.save(tmp_path / "encoder.safetensors")
        card = pd.DataFrame({"voxel": encoder.unit_, "roi": encoder.roi_, "r2": 0.2})
        card.to_csv(tmp_path / "card.tsv", sep="\t", index=False)
        weights = {"type": "sd", "path": str(sd_folder)}
        chosen = settings(generator=weights, **changes)
        lines = []
        stage.make_generator([str(sd_folder)], tmp_path / "generator", chosen, 0, lines.append)
        given = SimpleNamespace(
            encoder=tmp_path / "encoder.safetensors",
            card=tmp_path / "card.tsv",
            generator=tmp_path / "generator",
            table=[],
        )
        names = {"FFA": "FFA"}
        out = tmp_path / "FFA" / "block-0.tsv"
        out.parent.mkdir(exist_ok=True)
        stage.sample(
            SimpleNamespace(objective="FFA", block="0"),
            given,
            out,
            SimpleNamespace(
                settings=chosen if seen is None else Recorder(chosen, seen), names=names, seed=0
            ),
            lines.append,
        )
        return pd.read_csv(out, sep="\t", keep_default_na=False), lines

    return run


def test_a_block_names_its_filter_and_its_device(job, tmp_path):
    table, lines = job()
    assert list(table["filter"]) == list(table["filter_twin"]) == ["none", "none"]
    assert table["finite"].all() and list(table["seed"]) == [0, 1]
    assert "content filter: off, or no weights of one; images are not looked at" in lines
    content = json.loads((tmp_path / "FFA" / "seed-0.json").read_text())
    assert content["guide_decoder"] == "exact" and content["content_filter"] == "none"


def test_a_gradient_that_is_never_finite_is_one_line_and_writes_no_picture(job, tmp_path):
    def spoil(encoder):
        encoder.coef_[:] = np.inf

    with pytest.raises(InputProblem) as error:
        job(spoil)
    text = str(error.value)
    assert text.startswith("objective 'FFA': no seed gave a finite image; use dtype float32 or")
    assert len(text) <= 160 and not list((tmp_path / "FFA").glob("*.png"))


def test_a_light_decoder_is_refused_or_noted(job, tmp_path, sd_folder):
    with pytest.raises(InputProblem, match=r"guide_decoder: its gradient has cosine 0\.\d\d"):
        job(guide_decoder="pooled")
    copy = str(sd_folder / "vae")
    _, lines = job(guide_decoder="small", guide_decoder_path=copy)
    assert "light decoder: cosine 1.000 with the exact gradient" in lines
    content = json.loads((tmp_path / "FFA" / "seed-1.json").read_text())
    assert content["guide_decoder"].startswith("small ")
    assert content["guide_decoder_cosine"] > 0.999


def test_pictures_of_a_wrong_size_are_one_line(tmp_path):
    from neuro.encoding.tiny import network

    np.save(tmp_path / "images.npy", np.random.default_rng(1).random((20, 3, 130, 130)))
    np.save(tmp_path / "betas.npy", np.random.default_rng(0).standard_normal((20, 2)))
    chosen = settings(
        images=str(tmp_path / "images.npy"),
        betas=str(tmp_path / "betas.npy"),
        objectives=["all"],
    )
    with pytest.raises(InputProblem, match=r"images of 136 x 136 px; expected squares of 16 to"):
        stage.make_generator([chosen["images"]], tmp_path / "out", chosen, 0, print)
    with pytest.raises(InputProblem, match="backbone tiny: images of 136 px; expected a multiple"):
        network("tiny", size=136)
    np.save(tmp_path / "images.npy", np.random.default_rng(2).random((20, 4, 32, 32)))
    with pytest.raises(InputProblem, match=r"shape \(20, 4, 32, 32\), expected \(n, channels"):
        stage.make_generator([chosen["images"]], tmp_path / "out", chosen, 0, print)


def test_weights_that_changed_since_the_start_are_refused(tmp_path, make_sd):
    folder = make_sd(tmp_path / "sd", seed=1)
    chosen = settings(generator={"type": "sd", "path": str(folder)})
    stage.make_generator([str(folder)], tmp_path / "out", chosen, 0, print)
    make_sd(folder, seed=2)
    with pytest.raises(InputProblem, match="the weights changed; run again from the start"):
        stage.load_generator(tmp_path / "out", chosen)


NESTED = ("encoder", "generator", "edit")


def test_the_rule_gives_the_sampling_job_the_keys_it_reads_and_no_other(job, make_encoder):
    space = {"config": {"braindive": settings()}}
    space["settings"] = lambda stage, *keys: {key: space["config"][stage][key] for key in keys}
    exec((ROOT / "workflow/rules/braindive_helpers.smk").read_text(), space)
    given = space["braindive_sample_settings"]()
    keys = {key for key, value in given.items() if not isinstance(value, dict)}
    keys |= {f"{name}.{key}" for name in NESTED for key in given[name]}

    seen = set()
    job(seen=seen)
    encoder = make_encoder()
    encoder.r_cv_ = np.ones(len(encoder.unit_))
    card = pd.DataFrame({"voxel": encoder.unit_, "t_6": 3.0})
    stage.objective_of("prefers:6", encoder, Recorder(settings(), seen), card=card)
    assert seen == keys


def test_an_objective_is_called_what_the_settings_call_it(make_encoder):
    encoder = make_encoder()
    encoder.r_cv_ = np.ones(len(encoder.unit_))
    region = encoder.roi_[0].split("|")[0]
    name = f"{region} - 0.5 * {region}"
    for wanted in (region, name):
        assert stage.objective_of(wanted, encoder, settings()).name == wanted
