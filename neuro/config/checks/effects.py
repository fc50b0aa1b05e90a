"""Which keys act: for every key that other settings can silence, when and why.

One table, :data:`ROWS`; `neuro check` and `neuro explain` read it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

from neuro.config import kinds
from neuro.config.mds import NAMED
from neuro.config.model import walk
from neuro.config.ntf import SIGNED
from neuro.config.resolve import _resolve, _short
from neuro.config.sections import STAGES, presets, section_class

SHARED = ("adhd.site_groups",)
"""Keys of a stage that other stages read as well: they act while it is off."""


def value_of(config, key: str):
    """Value of a dotted key."""
    for name in key.split("."):
        config = config[name]
    return config


@dataclasses.dataclass(frozen=True)
class When:
    """A condition on the resolved configuration, and the key that decides it."""

    key: str
    holds: Callable[[dict], bool]

    def __and__(self, other: When) -> When:
        return When(self.key, lambda config: self.holds(config) and other.holds(config))

    def __or__(self, other: When) -> When:
        return When(self.key, lambda config: self.holds(config) or other.holds(config))


def _is(key, *values):
    return When(key, lambda config: value_of(config, key) in values)


def _not(key, *values):
    return When(key, lambda config: value_of(config, key) not in values)


def _lacks(key, *items):
    return When(key, lambda config: not set(value_of(config, key)) & set(items))


def _off(key):
    return When(key, lambda config: not value_of(config, key))


def _given(key):
    return When(key, lambda config: value_of(config, key) is not None)


def _affinity(*wanted):
    """None of these kinds of affinity is computed."""

    def holds(config):
        kind, sources = config["ntf"]["affinity"]["kind"], set(config["ntf"]["sources"])
        auto = {"edge_ts"} if "fmri" in sources else set()
        auto |= {"differential"} if sources - {"fmri"} else set()
        return not (auto if kind == "auto" else {kind}) & set(wanted)

    return When("ntf.affinity.kind", holds)


def _search(*wanted):
    """None of these searches of communities runs."""

    def holds(config):
        own = config["ntf"]["communities"]
        used = {own["backend"], *own["beside"], *(["sbm"] if own["fallback"] else [])}
        return not used & set(wanted)

    return When("ntf.communities.backend", holds)


def _scenes_unseen(config):
    mds, dive = config["mds"], config["braindive"]
    shown = mds["enabled"] and "voxels" in mds["input"]
    return not shown and not (dive["enabled"] and dive["images"] == "planted")


_TABLES = _is("data.kind", *kinds.TABLES, "none")
_CLEAN = _is("data.kind", *kinds.TABLES, "none", kinds.DENOISED)
_NO_COHORT = _not("data.kind", "simulated")
_NO_SPIKES = _lacks("hmmglm.input", "spikes")
_ONLY_OWN = When("mds.input", lambda config: not set(config["mds"]["input"]) & set(NAMED))
_DISCRETE = _is("mds.stimulus_space", "discrete") & _ONLY_OWN

ROWS: tuple[tuple[str, When, str], ...] = (
    # keys (one that ends in a dot is a group), when they are idle, why
    ("data.motion_order data.motion_units", _CLEAN, "such input has no bare motion files"),
    ("data.voxel_size data.res", _TABLES, "such input has no voxels"),
    ("data.filtered", _not("data.kind", "adhd200", "auto"), "only adhd200 has both series"),
    (
        "data.atlas data.site_tr",
        _is("data.kind", "nifti", "fmriprep", "bids", "simulated", "none"),
        "only region tables are chosen by it",
    ),
    (
        "data.tr",
        _is("data.kind", "simulated", "adhd200", "none"),
        "such input brings its own sampling interval",
    ),
    (
        "simulate.n_subjects simulate.n_volumes simulate.tr simulate.voxel_mm simulate.sites "
        "simulate.effect simulate.motion",
        _NO_COHORT,
        "only kind simulated makes a cohort",
    ),
    (
        "simulate.scenes.",
        When("braindive.images", _scenes_unseen),
        "neither stage mds (input 'voxels') nor braindive (images 'planted') shows scenes",
    ),
    (
        "fmri.slice_timing fmri.slice_reference fmri.realign.",
        _not("data.kind", kinds.NATIVE, "auto"),
        "only raw BIDS goes through it",
    ),
    ("fmri.slice_reference", _is("fmri.slice_timing", "off"), "slices are left as they are"),
    ("fmri.confound_columns", _not("fmri.strategy", "custom"), "only strategy custom reads it"),
    (
        "fmri.fd_mm",
        _off("fmri.scrub"),
        "nothing is censored, only a count in the quality table follows it",
    ),
    ("fmri.std_dvars fmri.min_segment", _off("fmri.scrub"), "nothing is censored"),
    (
        "fmri.strategy fmri.confound_columns fmri.scrub fmri.std_dvars fmri.min_segment",
        _CLEAN,
        "such input is not denoised again",
    ),
    (
        "fmri.fd_mm fmri.smooth_mm fmri.sphere_mm fmri.min_coverage",
        _TABLES,
        "only images are treated so",
    ),
    ("fmri.filter", _off("fmri.clean_tables") & _TABLES, "region tables are not filtered"),
    (
        "fmri.clean_tables",
        _not("data.kind", *kinds.TABLES, "auto"),
        "only region tables are concerned",
    ),
    (
        "fmri.sphere_mm",
        _not("fmri.atlas", *kinds.COORDINATES),
        "only atlases of coordinates have spheres",
    ),
    ("adhd.mask.cut", _not("adhd.mask.rule", "top"), "only rule top cuts"),
    ("adhd.transductive", _is("adhd.harmonise", "none"), "nothing is harmonised"),
    (
        "adhd.outer_folds adhd.repeats",
        _lacks("adhd.schemes", "pooled"),
        "only scheme pooled has such folds",
    ),
    (
        "adhd.block adhd.mask.scope adhd.mask.regions",
        _is("adhd.level", "roi") | _TABLES,
        "only graphs of voxels read it",
    ),
    (
        "demovae.weights. demovae.space demovae.hidden demovae.n_epochs demovae.lr "
        "demovae.patience demovae.guide_reduction demovae.device",
        _is("demovae.mode", "linear"),
        "only mode network is trained",
    ),
    ("demovae.patience", _off("demovae.validation"), "no subjects decide when to stop"),
    (
        "demovae.latent_dims demovae.permutations",
        _off("adhd.enabled"),
        "the diagnosis is repeated only where stage adhd runs",
    ),
    ("demovae.planted.", _NO_COHORT, "connectomes are planted beside simulated data only"),
    (
        "demovae.psd",
        _not("fmri.connectome", "pearson", "fisher_z"),
        "only Pearson connectomes are made correlation matrices",
    ),
    (
        "ntf.recordings.content ntf.recordings.stack ntf.recordings.fs_hz ntf.recordings.variable "
        "ntf.recordings.time_axis ntf.recordings.events ntf.recordings.assemblies "
        "ntf.affinity.scale",
        _lacks("ntf.sources", "recordings"),
        "no recordings are read",
    ),
    ("ntf.simulated.", _lacks("ntf.sources", "simulated"), "nothing is planted"),
    ("ntf.fmri_runs", _lacks("ntf.sources", "fmri"), "no region series are read"),
    ("ntf.affinity.window_s", _affinity("sliding_window"), "only sliding_window has a window"),
    ("ntf.affinity.floor", _affinity("differential"), "only differential has joint runs"),
    (
        "ntf.affinity.smooth_s ntf.affinity.snr_min",
        _affinity("differential", "product", "root"),
        "this kind takes no derivative",
    ),
    ("ntf.affinity.sign", _affinity(*SIGNED), "this kind has no sign"),
    (
        "ntf.epoch.",
        _is("ntf.time_alignment", "task", "none") | _is("ntf.sources", ["fmri"]),
        "only epochs around stimuli are cut so",
    ),
    ("ntf.ranks ntf.rank_rule", _given("ntf.rank"), "the rank is given, there is no sweep"),
    ("ntf.communities.weights", _search("sbm"), "our block model is not among the searches"),
    (
        "ntf.communities.transform",
        _search("networkx", "igraph"),
        "only a modularity search transforms weights",
    ),
    (
        "hmmglm.kind hmmglm.time_unit hmmglm.mat_key hmmglm.unit_filter hmmglm.trial_window "
        "hmmglm.segment_s hmmglm.min_rate_hz",
        _NO_SPIKES,
        "no recordings are read",
    ),
    (
        "hmmglm.bin_s",
        _lacks("hmmglm.input", "spikes", "simulated"),
        "region series have one bin per volume",
    ),
    ("hmmglm.events.", _lacks("hmmglm.input", "fmri"), "no region series are read"),
    (
        "hmmglm.events.threshold_z",
        _is("hmmglm.events.kind", "gaussian"),
        "only events of kind counts cross a threshold",
    ),
    ("hmmglm.simulated.", _lacks("hmmglm.input", "simulated"), "nothing is planted"),
    ("hmmglm.tau", _is("hmmglm.solver", "cavi"), "solver cavi relaxes nothing"),
    (
        "hmmglm.tau hmmglm.alpha",
        _lacks("hmmglm.model", "onehot"),
        "only model onehot has classes of edges",
    ),
    ("hmmglm.alpha", _not("hmmglm.solver", "cavi"), "only solver cavi counts edges so"),
    (
        "hmmglm.max_iter hmmglm.pi_kappa",
        _is("hmmglm.solver", "paper"),
        "solver paper has a schedule of its own",
    ),
    ("hmmglm.decay", _is("hmmglm.basis", "raised_cosine"), "only the exponential kernel decays"),
    (
        "hmmglm.rule",
        When("hmmglm.n_states", lambda config: len(set(config["hmmglm"]["n_states"])) == 1),
        "there is one number of states to choose",
    ),
    ("mds.planted.", _lacks("mds.input", "planted"), "nothing is planted"),
    (
        "mds.variable mds.frame_rate_hz",
        When("mds.input", lambda config: not set(config["mds"]["input"]) - set(NAMED)),
        "no file is read",
    ),
    (
        "mds.made_cells.filter_noise mds.made_cells.gain_sd",
        _off("mds.made_cells.per_unit"),
        "no cells are made",
    ),
    ("mds.twin.", _DISCRETE, "recorded conditions need no twin"),
    ("mds.twin.epochs", _not("mds.twin.type", "conv", "auto"), "only conv is trained in epochs"),
    ("mds.twin.n_lags", _not("mds.twin.type", "temporal", "auto"), "only temporal has a window"),
    (
        "mds.twin.backbone",
        _not("mds.twin.type", "encoder", "auto"),
        "only type encoder has image features",
    ),
    (
        "mds.norm mds.clip",
        _is("mds.stimulus_space", "shown") | _DISCRETE,
        "stimuli are picked, not made",
    ),
    *(
        row
        for role in ("braindive.encoder", "braindive.independent")
        for row in (
            (
                f"{role}.epochs",
                _not(f"{role}.backbone", "tiny", "tiny_cnn") | _given(f"{role}.path"),
                "only a small network that is trained here has epochs",
            ),
            (
                f"{role}.path",
                _is(f"{role}.backbone", "pixels", "gabor"),
                "this backbone has no weights",
            ),
        )
    ),
    (
        "braindive.encoder.n_augment",
        _not("braindive.encoder.readout", "ridge"),
        "only readout ridge augments",
    ),
    ("braindive.judge.path", _not("braindive.judge.type", "file"), "only type file is read"),
    ("braindive.judge.epochs", _not("braindive.judge.type", "cnn"), "only type cnn is trained"),
    (
        "braindive.generator.images braindive.generator.vae_channels "
        "braindive.generator.vae_steps braindive.generator.unet_channels "
        "braindive.generator.unet_steps",
        _not("braindive.generator.type", "tiny") | _given("braindive.generator.path"),
        "only a tiny generator without a path is trained",
    ),
    (
        "braindive.n_prefer",
        When(
            "braindive.objectives",
            lambda config: "prefers:" not in " ".join(config["braindive"]["objectives"]),
        ),
        "no objective is of the form 'prefers:6'",
    ),
    (
        "braindive.guide_decoder_path",
        _not("braindive.guide_decoder", "small"),
        "only the small decoder is read",
    ),
    ("braindive.content_filter_path", _is("braindive.content_filter", "off"), "no filter runs"),
)
"""Every key that other settings can silence."""


def covers(names: str, key: str) -> bool:
    """Whether the first cell of a row is about a dotted key."""
    return any(key == name or (name[-1] == "." and key.startswith(name)) for name in names.split())


def idle(key: str, config) -> str:
    """Why a key has no effect; empty where it acts.

    Parameters
    ----------
    key : str
        Dotted key.
    config : dict
        The resolved configuration.

    Returns
    -------
    str
        With the setting that decides and its value.
    """
    stage = key.split(".")[0]
    if stage in STAGES and not config[stage]["enabled"] and key not in SHARED:
        return "" if key == f"{stage}.enabled" else f"the stage is off ({stage}.enabled: false)"
    for names, when, reason in ROWS:
        if covers(names, key) and when.holds(config):
            shown = _short(value_of(config, when.key)).strip("'")
            return f"{reason} ({when.key}: {shown})"
    return ""


def notes(mapping, config) -> list[str]:
    """Keys that the user gave and that have no effect under the other settings.

    A key that is given with the value that it has anyway is no news. Keys of a stage that is
    off share a line.

    Parameters
    ----------
    mapping : dict
        What the user's file holds.
    config : dict
        The resolved configuration; kind of data and strategy may be decided already.

    Returns
    -------
    list of str
        One line per key, in the order of the sections.
    """
    before, origin, _ = _resolve(copy.deepcopy(mapping))
    lines: list[str] = []
    off: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for key, source in origin.items():
        stage = key.split(".")[0]
        if source != "user" or value_of(before, key) == _otherwise(key, before):
            continue
        why = idle(key, config)
        if why.startswith("the stage is off"):
            off[stage].append(key.split(".", 1)[1])
        elif why:
            lines.append(f"{key}: no effect, {why}")
    return lines + [
        f"{stage}: the stage is off, no effect of {', '.join(keys)}"
        for stage, keys in off.items()
        if keys
    ]


def _otherwise(key, config):
    """Value that a key had if the user did not give it."""
    stage, name = key.split(".", 1)
    preset = presets(stage).get(config[stage].get("preset"), {})
    return preset.get(name, dict(walk(section_class(stage)))[name].default)
