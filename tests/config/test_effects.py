"""Keys without effect: every row of the table fires when it should, and not otherwise."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from neuro import config
from neuro.config.checks import effects
from neuro.config.model import walk
from neuro.config.sections import section_class

ROOT = Path(__file__).parents[2]
KEYS = {
    f"{section}.{key}": option
    for section in config.SECTIONS
    for key, option in walk(section_class(section))
}
IMAGES = {"data.kind": "fmriprep", "data.root": "."}
TABLES = {"data.kind": "table", "data.root": "."}
NONE = {"data.kind": "none"}
SCENES = {"mds.enabled": False, "braindive.enabled": True, "braindive.images": "planted"}
FILE = str(ROOT / "config.yaml")
ARRAYS = str(ROOT / "tests/unit/mds_twin/data/input/flicker.npz")
OWN = {"mds.input": [FILE], "mds.stimulus_space": "discrete"}
RAW = {"data.kind": "bids", "data.root": ".", "fmri.normalise.affine": "affine.txt"}
PAPER = {"hmmglm.solver": "paper", "hmmglm.input": ["simulated"]}
PATH = {"braindive.generator.path": "model"}
READOUT = {"braindive.encoder.type": "readout", "braindive.encoder.weights": FILE}
READOUT |= {"braindive.encoder.backbone": "clip", "braindive.encoder.path": "clip"}
MODULE = {"braindive.encoder.type": "module", "braindive.encoder.module": f"{FILE}:load"}
MODULE |= {"braindive.encoder.predictions": FILE}
NO_DATA = {"braindive.images": "none", "braindive.judge.type": "none", **PATH}
NO_DATA |= {"braindive.objectives": ["FFA"]}
WORDS = {"braindive.judge.type": "clip", "braindive.judge.path": "clip"}

HELD = tempfile.TemporaryDirectory()
LABELS = f"{HELD.name}/a.dlabel.nii"
Path(LABELS).touch()

# first key of the row, settings that silence it, settings under which it acts; in the order of ROWS
CASES = [
    ("data.motion_order", TABLES, IMAGES),
    ("data.voxel_size", TABLES, IMAGES),
    ("data.use_qc", TABLES, {"data.kind": "adhd200", "data.root": "."}),
    ("data.filtered", TABLES, {"data.kind": "adhd200", "data.root": "."}),
    ("data.atlas", IMAGES, TABLES),
    ("data.tr", {}, IMAGES),
    ("simulate.n_subjects", IMAGES, {}),
    ("simulate.scenes.", {"mds.input": ["planted"], "braindive.enabled": False}, SCENES),
    ("fmri.slice_timing", IMAGES, RAW),
    (
        "fmri.slice_reference",
        {**RAW, "fmri.slice_timing": "off"},
        RAW,
    ),
    (
        "fmri.confound_columns",
        {"fmri.strategy": "36P"},
        {"fmri.strategy": "custom", "fmri.confound_columns": ["a"]},
    ),
    ("fmri.fd_mm", {"fmri.scrub": False}, {"fmri.scrub": True}),
    ("fmri.std_dvars", {"fmri.scrub": False}, {"fmri.scrub": True}),
    (
        "fmri.strategy",
        {"data.kind": "xcpd", "data.root": "."},
        {"fmri.strategy": "custom", "fmri.confound_columns": ["a"]},
    ),
    ("fmri.fd_mm", TABLES, {**IMAGES, "fmri.atlas": "power264"}),
    ("fmri.filter", TABLES, {**TABLES, "fmri.clean_tables": True}),
    ("fmri.clean_tables", IMAGES, TABLES),
    ("fmri.sphere_mm", {"fmri.atlas": "simulated"}, {"fmri.atlas": "power264"}),
    ("fmri.maps", TABLES, {"fmri.maps": ["reho"]}),
    ("fmri.reho_neighbours", {"fmri.maps": ["alff"]}, {"fmri.maps": ["reho"]}),
    (
        "fmri.seeds",
        {"fmri.maps": ["alff"]},
        {"fmri.maps": ["seed"], "fmri.seeds": {"a": [0, 0, 0]}},
    ),
    ("fmri.surfaces.left", IMAGES, {**IMAGES, "fmri.atlas": LABELS}),
    ("adhd.distance_bins", TABLES, {"adhd.level": "roi"}),
    ("fmri.atlas", TABLES, IMAGES),
    (
        "adhd.mask.cut",
        {"adhd.mask.rule": "none", "adhd.primary": "cycle3"},
        {"adhd.mask.rule": "top"},
    ),
    ("adhd.protect", {}, {"adhd.harmonise": "combat", "adhd.transductive": True}),
    ("adhd.transductive", {}, {"adhd.harmonise": "location_scale", "adhd.transductive": True}),
    ("adhd.group.target", {}, {"adhd.group.enabled": True}),
    ("adhd.outer_folds", {"adhd.schemes": ["leave_site_out"]}, {"adhd.schemes": ["pooled"]}),
    ("adhd.block", {"adhd.level": "roi"}, {"adhd.level": "voxel"}),
    ("demovae.weights.", {"demovae.mode": "linear"}, {"demovae.mode": "network"}),
    ("demovae.patience", {"demovae.validation": 0}, {"demovae.validation": 0.2}),
    ("demovae.latent_dims", {"adhd.enabled": False}, {}),
    ("demovae.phenotypes.permutations", {"demovae.phenotypes.enabled": False}, {}),
    ("demovae.unseen", {}, {"demovae.grid": FILE}),
    ("demovae.planted.", IMAGES, {}),
    ("demovae.psd", {"fmri.connectome": "partial"}, {"fmri.connectome": "pearson"}),
    (
        "ntf.recordings.content",
        {"ntf.sources": ["fmri"]},
        {"ntf.sources": ["recordings"], "ntf.recordings.files": ["."]},
    ),
    ("ntf.simulated.", {"ntf.sources": ["fmri"]}, {"ntf.sources": ["simulated"]}),
    ("ntf.fmri_runs", {"ntf.sources": ["simulated"]}, {"ntf.sources": ["fmri", "simulated"]}),
    ("ntf.affinity.window_s", {"ntf.affinity.kind": "root"}, {}),
    ("ntf.affinity.signal", {"ntf.affinity.kind": "phase"}, {"ntf.affinity.kind": "excess"}),
    ("ntf.affinity.floor", {}, {"ntf.preset": "paper", "ntf.sources": ["simulated"]}),
    ("ntf.affinity.smooth_s", {"ntf.affinity.kind": "phase"}, {"ntf.affinity.kind": "excess"}),
    ("ntf.affinity.snr_min", {"ntf.affinity.kind": "excess"}, {"ntf.affinity.kind": "root"}),
    ("ntf.affinity.sign", {"ntf.affinity.kind": "root"}, {}),
    (
        "ntf.epoch.",
        {"ntf.sources": ["simulated"], "ntf.time_alignment": "task"},
        {"ntf.sources": ["simulated"]},
    ),
    ("ntf.ranks", {"ntf.rank": 3}, {"ntf.rank": None}),
    ("ntf.solver", {"ntf.sources": ["fmri"]}, {"ntf.sources": ["simulated"]}),
    ("ntf.communities.weights", {"ntf.communities.beside": []}, {}),
    (
        "ntf.communities.transform",
        {"ntf.communities.backend": "sbm"},
        {"ntf.communities.backend": "igraph"},
    ),
    (
        "hmmglm.kind",
        {"hmmglm.input": ["fmri", "simulated"]},
        {"hmmglm.input": ["spikes"], "hmmglm.sets": {"one": "."}},
    ),
    ("hmmglm.bin_s", {"hmmglm.input": ["fmri"]}, {"hmmglm.input": ["simulated"]}),
    (
        "hmmglm.covariate_weights",
        {"hmmglm.covariates": {}},
        {
            "hmmglm.input": ["spikes"],
            "hmmglm.sets": {"one": "."},
            "hmmglm.covariates": {"x": {"column": "x"}},
        },
    ),
    ("hmmglm.events.", {"hmmglm.input": ["simulated"]}, {"hmmglm.input": ["fmri"]}),
    ("hmmglm.events.threshold_z", {"hmmglm.events.kind": "gaussian"}, {}),
    ("hmmglm.simulated.", {"hmmglm.input": ["fmri"]}, {"hmmglm.input": ["simulated"]}),
    ("hmmglm.tau", {"hmmglm.solver": "cavi"}, {"hmmglm.solver": "relaxed"}),
    (
        "hmmglm.tau",
        {"hmmglm.solver": "relaxed", "hmmglm.model": ["plain"]},
        {"hmmglm.solver": "relaxed", "hmmglm.model": ["plain", "onehot"]},
    ),
    ("hmmglm.alpha", {"hmmglm.solver": "relaxed"}, {"hmmglm.solver": "cavi"}),
    ("hmmglm.max_iter", PAPER, {"hmmglm.solver": "relaxed"}),
    ("hmmglm.prior_sd", {"hmmglm.model": ["plain"]}, {"hmmglm.model": ["plain", "onehot"]}),
    ("hmmglm.decay", {"hmmglm.basis": "raised_cosine"}, {"hmmglm.basis": "exponential"}),
    ("hmmglm.rule", {"hmmglm.n_states": [3, 3]}, {"hmmglm.n_states": [3, 4]}),
    ("mds.planted.", {"mds.input": ["voxels"]}, {"mds.input": ["planted"]}),
    ("mds.variable", {"mds.input": [ARRAYS]}, {"mds.input": [ARRAYS, FILE]}),
    ("mds.variable", {"mds.input": ["planted"]}, {"mds.input": ["planted", FILE]}),
    (
        "mds.made_cells.filter_noise",
        {"mds.made_cells.per_unit": 0},
        {"mds.made_cells.per_unit": 2},
    ),
    ("mds.twin.", OWN, {**OWN, "mds.input": [FILE, "planted"]}),
    ("mds.twin.epochs", {"mds.twin.type": "encoder"}, {"mds.twin.type": "conv"}),
    (
        "mds.twin.n_lags",
        {"mds.twin.type": "encoder"},
        {"mds.twin.type": "temporal", "mds.input": [FILE]},
    ),
    ("mds.twin.backbone", {"mds.twin.type": "conv"}, {"mds.twin.type": "encoder"}),
    ("mds.rotations", {"mds.stimulus_space": "shown"}, {"mds.twin.type": "energy"}),
    ("mds.norm", {"mds.stimulus_space": "shown"}, {**OWN, "mds.input": [FILE, "planted"]}),
    *(
        (f"braindive.{role}.{key}", {f"braindive.{role}.backbone": silent}, acting)
        for role, mate in (("encoder", "independent"), ("independent", "encoder"))
        for acting in (
            {f"braindive.{role}.backbone": "tiny", f"braindive.{mate}.backbone": "pixels"},
        )
        for key, silent in (("epochs", "gabor"), ("path", "gabor"))
    ),
    ("braindive.encoder.readout", READOUT, {}),
    ("braindive.encoder.backbone", MODULE, READOUT),
    ("braindive.encoder.antialias", MODULE, READOUT),
    ("braindive.encoder.path", MODULE, READOUT),
    ("braindive.independent.", {**READOUT, **NO_DATA}, READOUT),
    ("braindive.judge.words", {"braindive.judge.type": "none"}, WORDS),
    ("braindive.edit.strength", {}, {"braindive.edit.image": FILE}),
    (
        "braindive.polyak_target",
        {},
        {"braindive.strength": "polyak", "braindive.polyak_target": 2.0},
    ),
    ("braindive.n_sub_regions", {}, {"braindive.objectives": ["sub:face:1"]}),
    ("braindive.scheduler", {"braindive.generator.type": "flux", **PATH}, {}),
    (
        "braindive.encoder.antialias",
        {},
        {"braindive.encoder.backbone": "pixels"},
    ),
    (
        "braindive.encode_device",
        {"braindive.encoder.backbone": "pixels"},
        {"braindive.independent.backbone": "clip", "braindive.independent.path": "clip"},
    ),
    (
        "braindive.judge.path",
        {"braindive.judge.type": "none"},
        {"braindive.judge.type": "file", "braindive.judge.path": "judge"},
    ),
    ("braindive.judge.epochs", {"braindive.judge.type": "none"}, {"braindive.judge.type": "cnn"}),
    ("braindive.generator.images", PATH, {}),
    ("braindive.generator.size", {}, {"braindive.generator.type": "sd", **PATH}),
    (
        "braindive.n_prefer",
        {"braindive.objectives": ["face"]},
        {"braindive.objectives": ["prefers:6"]},
    ),
    (
        "braindive.guide_decoder_path",
        {"braindive.guide_decoder": "pooled"},
        {"braindive.guide_decoder": "small", "braindive.guide_decoder_path": "."},
    ),
    ("braindive.content_filter", {}, {"braindive.content_filter_path": str(ROOT / "tests")}),
    ("braindive.content_filter_path", {"braindive.content_filter": "off"}, {}),
]


def mapping(dotted):
    """Sections of dotted keys, on top of a simulated cohort with every stage on."""
    sections = {name: {} for name in config.SECTIONS}
    base = {"data.kind": "simulated", "braindive.enabled": True}
    for key, value in {**base, "fmri.atlas": "power264", **dotted}.items():
        place = sections
        *parents, leaf = key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    if sections["data"]["kind"] not in ("simulated", "none") and "input" not in sections["mds"]:
        sections["mds"]["input"] = ["planted"]
    return sections


def resolved(dotted):
    settings = mapping(dotted)
    assert config.resolve(settings) == []
    return settings


def expand(names):
    """Keys of a row, groups opened."""
    found = [key for key in KEYS if effects.covers(names, key)]
    assert found
    assert all(any(effects.covers(name, key) for key in KEYS) for name in names.split())
    return found


def test_every_row_has_a_case():
    assert [names.split()[0] for names, _, _ in effects.ROWS] == [first for first, _, _ in CASES]


@pytest.mark.parametrize(
    ("row", "case"),
    list(zip(effects.ROWS, CASES, strict=False)),
    ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)],
)
def test_a_row_fires_when_it_should_and_not_otherwise(row, case):
    names, when, reason = row
    _, silent, acting = case
    silent, acting = resolved(silent), resolved(acting)
    assert when.holds(silent)
    assert not when.holds(acting)
    assert when.key in KEYS
    for key in expand(names):
        assert effects.idle(key, silent), key
        assert reason not in effects.idle(key, acting), key
    assert any(
        effects.idle(key, silent).startswith(f"{reason} ({when.key}: ") for key in expand(names)
    )
    assert any(effects.idle(key, acting) == "" for key in expand(names))


@pytest.mark.parametrize(
    ("dotted", "line"),
    [
        (
            {"fmri.strategy": "36P", "fmri.confound_columns": ["csf"]},
            "fmri.confound_columns: no effect, only strategy custom reads it (fmri.strategy: 36P)",
        ),
        (
            {"fmri.scrub": False, "fmri.fd_mm": 0.3},
            "fmri.fd_mm: no effect, nothing is censored, only a count in the quality table "
            "follows it (fmri.scrub: false)",
        ),
        (
            {"adhd.mask.rule": "none", "adhd.primary": "cycle3", "adhd.mask.cut": 0.5},
            "adhd.mask.cut: no effect, only rule top cuts (adhd.mask.rule: none)",
        ),
        (
            {"demovae.mode": "linear", "demovae.weights.rec": 3},
            "demovae.weights.rec: no effect, only mode network is trained (demovae.mode: linear)",
        ),
        (
            {"hmmglm.tau": 0.5},
            "hmmglm.tau: no effect, solver cavi relaxes nothing (hmmglm.solver: cavi)",
        ),
        (
            {"ntf.affinity.kind": "root", "ntf.affinity.window_s": 10},
            "ntf.affinity.window_s: no effect, only excess and sliding_window have a window "
            "(ntf.affinity.kind: root)",
        ),
        (
            {"ntf.enabled": False, "ntf.rank": 3, "ntf.epoch.pre_s": 1},
            "ntf: the stage is off, no effect of epoch.pre_s, rank",
        ),
    ],
)
def test_a_given_key_without_effect_is_noted_in_one_line(dotted, line):
    settings = mapping(dotted)
    before = copy.deepcopy(settings)
    assert effects.notes(settings, resolved(dotted)) == [line]
    assert settings == before


@pytest.mark.parametrize(
    "dotted",
    [
        {"fmri.scrub": False, "fmri.fd_mm": 0.5},  # the default
        {"fmri.preset": "paper", "fmri.drop_volumes": 4, "fmri.scrub": False},  # the preset's
        {"adhd.enabled": False, "adhd.site_groups": {"a": ["b"]}},  # demovae reads it
        {"fmri.fd_mm": 0.3, "hmmglm.solver": "relaxed", "hmmglm.tau": 0.5},
    ],
)
def test_no_note_of_a_key_that_acts_or_changes_nothing(dotted):
    assert effects.notes(mapping(dotted), resolved(dotted)) == []


def test_a_value_of_the_preset_is_what_a_given_key_is_compared_with():
    dotted = {"fmri.preset": "paper", "fmri.slice_reference": "half_span"}
    assert [line.split(":")[0] for line in effects.notes(mapping(dotted), resolved(dotted))] == [
        "fmri.slice_reference"
    ]


@pytest.mark.parametrize(
    "path",
    [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))],
    ids=lambda path: path.stem,
)
def test_ready_settings_hold_no_key_without_effect(path):
    given = yaml.safe_load(path.read_text())
    settings = copy.deepcopy(given)
    config.resolve(settings)
    assert effects.notes(given, settings) == []


@pytest.mark.parametrize(
    ("key", "values", "silent", "acting"),
    [
        ("tau", (0.2, 0.9), {"solver": "cavi"}, {"solver": "relaxed"}),
        ("tau", (0.2, 0.9), {"solver": "paper", "model": "gaussian"}, {"solver": "paper"}),
        ("alpha", ((0.2, 1.6, 0.2), (2, 2, 2)), {"solver": "relaxed"}, {"solver": "cavi"}),
        ("alpha", ((0.2, 1.6, 0.2), (2, 2, 2)), {"model": "gaussian"}, {"solver": "cavi"}),
        ("pi_kappa", (0.0, 50.0), {"solver": "paper"}, {"solver": "cavi"}),
        ("max_iter", (1, 4), {"solver": "paper"}, {"solver": "cavi"}),
        ("ridge", (1.0, 30.0), {"solver": "paper"}, {"solver": "cavi"}),
        ("stop", ("converged", "tuned"), {"solver": "paper"}, {"solver": "cavi"}),
        ("prior_sd", (0.1, 1.0), {"model": "plain"}, {"model": "gaussian"}),
        ("decay", (1.0, 0.1), {"basis": "raised_cosine"}, {"basis": "exponential"}),
    ],
)
def test_hmmglm_gives_the_same_fit_where_the_table_says_so(key, values, silent, acting):
    from neuro.hmmglm import OneHotHMMGLM

    rng = np.random.default_rng(0)
    counts = [rng.poisson(0.5 + np.arange(80)[:, None] // 40, (80, 3)) for _ in range(2)]

    def fit(value, settings):
        options = {"n_states": 2, "n_starts": 1, "max_iter": 3, "n_epochs": 1, "n_sub": 3}
        options |= {"random_state": 0, **settings, key: value}
        model = OneHotHMMGLM(**options).fit(counts)
        return np.concatenate([table.ravel() for table in model.predict_proba(counts)])

    same, other = ([fit(value, settings) for value in values] for settings in (silent, acting))
    assert np.array_equal(*same)
    assert not np.allclose(*other, rtol=1e-6)


@pytest.mark.parametrize(
    "kind", ["excess", "differential", "product", "root", "edge_ts", "sliding_window", "phase"]
)
def test_affinities_change_with_a_key_where_the_table_says_it_acts(kind):
    from neuro.ntf.affinity.pairs import affinity

    traces = np.random.default_rng(0).normal(size=(400, 3)).cumsum(axis=0)
    other = {"smooth_s": 3.0, "floor": 0.6, "snr_min": 500.0, "window_s": 8.0, "sign": "blind"}
    other |= {"signal": "level", "lags_s": (3.0,), "common": False}
    usual = {"smooth_s": 0.75, "floor": 0.1, "snr_min": 0.0, "window_s": 30.0, "sign": "positive"}
    config = resolved({"ntf.affinity.kind": kind})
    before = affinity(traces, 4.0, kind, **usual)
    for key, value in other.items():
        after = affinity(traces, 4.0, kind, **{**usual, key: value})
        same = np.array_equal(np.asarray(before), np.asarray(after))
        assert same == bool(effects.idle(f"ntf.affinity.{key}", config)), key


def test_demovae_linear_ignores_what_the_table_says_and_nothing_else():
    import pandas as pd

    from neuro.demovae import DemoVAE
    from neuro.demovae.coding.schema import Column

    rng = np.random.default_rng(0)
    X = np.tanh(rng.normal(size=(30, 28)))
    people = pd.DataFrame({"age": rng.uniform(8, 18, 30)})
    columns = (Column("age", "continuous", "remove"),)
    usual = {"latent_dim": 3, "mode": "linear", "random_state": 0, "hidden": 20, "n_epochs": 2}
    other = {
        "weights": {"rec": 5.0},
        "space": "edges",
        "hidden": 9,
        "n_epochs": 4,
        "lr": 0.1,
        "patience": 1,
        "guide_reduction": "sum",
        "device": "auto",
        "latent_dim": 4,
        "pc_components": 8,
        "age_basis": "linear",
    }
    config = resolved({"demovae.mode": "linear"})

    def fit(**changes):
        return DemoVAE(columns=columns, **usual | changes).fit(X, demographics=people).transform(X)

    before = fit()
    for key, value in other.items():
        why = effects.idle("demovae.weights.rec" if key == "weights" else f"demovae.{key}", config)
        assert np.array_equal(before, fit(**{key: value})) == bool(why), key
