"""Which keys act: for every key that other settings can silence, when and why.

One table, :data:`ROWS`; `neuro check` and `neuro explain` read it.
"""

from __future__ import annotations

import copy

from neuro.config import kinds
from neuro.config.checks import braindive_effects, scans, states
from neuro.config.checks.conditions import (
    CLEAN,
    DISCRETE,
    NO_COHORT,
    TABLES,
    When,
    affinity,
    given,
    lacks,
    no_clock,
    no_filter,
    no_positions,
    no_tower,
    none_of,
    off,
    one_of,
    one_recording,
    scenes_unseen,
    search,
    value_of,
)
from neuro.config.mds import NAMED
from neuro.config.model import walk
from neuro.config.ntf_affinity import SIGNED
from neuro.config.resolve import _resolve, _short
from neuro.config.sections import STAGES, presets, section_class

SHARED = ("adhd.site_groups",)
"""Keys of a stage that other stages read as well: they act while it is off."""


ROWS: tuple[tuple[str, When, str], ...] = (
    # keys (one that ends in a dot is a group), when they are idle, why
    ("data.motion_order data.motion_units", CLEAN, "such input has no bare motion files"),
    ("data.voxel_size data.res", TABLES, "such input has no voxels"),
    ("data.use_qc", none_of("data.kind", "adhd200", "auto"), "only adhd200 has such flags"),
    ("data.filtered", none_of("data.kind", "adhd200", "auto"), "only adhd200 has both series"),
    (
        "data.atlas data.site_tr",
        one_of("data.kind", "nifti", "fmriprep", "bids", "simulated", "none"),
        "only region tables are chosen by it",
    ),
    (
        "data.tr",
        one_of("data.kind", "simulated", "adhd200", "none"),
        "such input brings its own sampling interval",
    ),
    (
        "simulate.n_subjects simulate.n_volumes simulate.tr simulate.voxel_mm simulate.sites "
        "simulate.effect simulate.motion",
        NO_COHORT,
        "only kind simulated makes a cohort",
    ),
    (
        "simulate.scenes.",
        When("braindive.images", scenes_unseen),
        "neither stage mds (input 'voxels') nor braindive (images 'planted') shows scenes",
    ),
    (
        "fmri.slice_timing fmri.slice_reference fmri.realign.",
        none_of("data.kind", kinds.NATIVE, "auto"),
        "only raw BIDS goes through it",
    ),
    ("fmri.slice_reference", one_of("fmri.slice_timing", "off"), "slices are left as they are"),
    (
        "fmri.confound_columns",
        none_of("fmri.strategy", "custom") & lacks("fmri.compare", "custom"),
        "only strategy custom reads it",
    ),
    (
        "fmri.fd_mm",
        off("fmri.scrub"),
        "nothing is censored, only a count in the quality table follows it",
    ),
    ("fmri.std_dvars fmri.min_segment", off("fmri.scrub"), "nothing is censored"),
    (
        "fmri.strategy fmri.confound_columns fmri.scrub fmri.std_dvars fmri.min_segment "
        "fmri.compare",
        CLEAN,
        "such input is not denoised again",
    ),
    (
        "fmri.fd_mm fmri.smooth_mm fmri.sphere_mm fmri.min_coverage",
        TABLES,
        "only images are treated so",
    ),
    ("fmri.filter", off("fmri.clean_tables") & TABLES, "region tables are not filtered"),
    (
        "fmri.clean_tables",
        none_of("data.kind", *kinds.TABLES, "auto"),
        "only region tables are concerned",
    ),
    (
        "fmri.sphere_mm",
        none_of("fmri.atlas", *kinds.COORDINATES) & lacks("fmri.maps", "seed"),
        "only atlases of coordinates and seeds have spheres",
    ),
    ("fmri.maps fmri.reho_neighbours fmri.seeds", TABLES, "region tables have no voxels"),
    ("fmri.reho_neighbours", lacks("fmri.maps", "reho"), "reho is not among the maps"),
    ("fmri.seeds", lacks("fmri.maps", "seed"), "seed is not among the maps"),
    (
        "fmri.surfaces.left fmri.surfaces.right",
        When("fmri.atlas", lambda config: not kinds.on_surfaces(config["fmri"])),
        "only series on surfaces, with an atlas of theirs, lie on meshes",
    ),
    (
        "adhd.distance_bins",
        no_positions("fmri.atlas"),
        "it is not known where the regions lie (label image, fmri.surfaces)",
    ),
    (
        "fmri.atlas",
        no_positions("data.kind"),
        "tables bring their regions, only a label image says where they lie",
    ),
    ("adhd.mask.cut", none_of("adhd.mask.rule", "top"), "only rule top cuts"),
    ("adhd.protect", none_of("adhd.harmonise", "combat"), "only ComBat protects columns"),
    ("adhd.transductive", one_of("adhd.harmonise", "none"), "nothing is harmonised"),
    scans.GROUP,
    (
        "adhd.outer_folds adhd.repeats",
        lacks("adhd.schemes", "pooled"),
        "only scheme pooled has such folds",
    ),
    (
        "adhd.block adhd.mask.scope adhd.mask.regions",
        one_of("adhd.level", "roi") | TABLES,
        "only graphs of voxels read it",
    ),
    (
        "demovae.weights. demovae.space demovae.hidden demovae.n_epochs demovae.lr "
        "demovae.patience demovae.guide_reduction demovae.device",
        one_of("demovae.mode", "linear"),
        "only mode network is trained",
    ),
    ("demovae.patience", off("demovae.validation"), "no subjects decide when to stop"),
    (
        "demovae.latent_dims demovae.permutations",
        off("adhd.enabled"),
        "the diagnosis is repeated only where stage adhd runs",
    ),
    scans.PHENOTYPES,
    (
        "demovae.unseen",
        When("demovae.grid", lambda config: not config["demovae"]["grid"]),
        "only a grid may name levels that nobody has",
    ),
    ("demovae.planted.", NO_COHORT, "connectomes are planted beside simulated data only"),
    (
        "demovae.psd",
        none_of("fmri.connectome", "pearson", "fisher_z"),
        "only Pearson connectomes are made correlation matrices",
    ),
    (
        "ntf.recordings.content ntf.recordings.stack ntf.recordings.fs_hz ntf.recordings.variable "
        "ntf.recordings.variables ntf.recordings.time_axis ntf.recordings.events "
        "ntf.recordings.assemblies ntf.recordings.groups "
        "ntf.affinity.scale",
        lacks("ntf.sources", "recordings"),
        "no recordings are read",
    ),
    ("ntf.simulated.", lacks("ntf.sources", "simulated"), "nothing is planted"),
    ("ntf.fmri_runs", lacks("ntf.sources", "fmri"), "no region series are read"),
    (
        "ntf.affinity.window_s",
        affinity("sliding_window", "excess"),
        "only excess and sliding_window have a window",
    ),
    (
        "ntf.affinity.signal ntf.affinity.lags_s ntf.affinity.common",
        affinity("excess"),
        "only excess compares with lags",
    ),
    ("ntf.affinity.floor", affinity("differential"), "only differential has joint runs"),
    (
        "ntf.affinity.smooth_s",
        affinity("differential", "product", "root", "excess"),
        "this kind takes no derivative",
    ),
    (
        "ntf.affinity.snr_min",
        affinity("differential", "product", "root"),
        "this kind has no gate of silent traces",
    ),
    ("ntf.affinity.sign", affinity(*SIGNED), "this kind has no sign"),
    (
        "ntf.epoch.",
        one_of("ntf.time_alignment", "task", "none") | one_of("ntf.sources", ["fmri"]),
        "only epochs around stimuli are cut so",
    ),
    ("ntf.ranks ntf.rank_rule", given("ntf.rank"), "the rank is given, there is no sweep"),
    (
        "ntf.solver",
        When("ntf.time_alignment", no_clock),
        "without a clock that animals share there is one solver",
    ),
    ("ntf.communities.weights", search("sbm"), "our block model is not among the searches"),
    (
        "ntf.communities.transform",
        search("networkx", "igraph"),
        "only a modularity search transforms weights",
    ),
    *states.ROWS,
    ("mds.planted.", lacks("mds.input", "planted"), "nothing is planted"),
    (
        "mds.variable",
        When("mds.input", one_recording),
        "files of arrays hold one recording",
    ),
    (
        "mds.variable mds.frame_rate_hz",
        When("mds.input", lambda config: not set(config["mds"]["input"]) - set(NAMED)),
        "no file is read",
    ),
    (
        "mds.made_cells.filter_noise",
        off("mds.made_cells.per_unit"),
        "no cells are made",
    ),
    ("mds.twin.", DISCRETE, "recorded conditions need no twin"),
    ("mds.twin.epochs", none_of("mds.twin.type", "conv", "auto"), "only conv is trained in epochs"),
    ("mds.twin.n_lags", none_of("mds.twin.type", "temporal", "auto"), "only temporal has a window"),
    (
        "mds.twin.backbone",
        none_of("mds.twin.type", "encoder", "auto"),
        "only type encoder has image features",
    ),
    (
        "mds.rotations mds.shift",
        one_of("mds.twin.type", "temporal", "encoder")
        | one_of("mds.stimulus_space", "shown")
        | DISCRETE,
        "only images that are made are turned and moved",
    ),
    (
        "mds.norm mds.clip",
        one_of("mds.stimulus_space", "shown") | DISCRETE,
        "stimuli are picked, not made",
    ),
    *(
        row
        for role, kind in (
            ("braindive.encoder", "braindive.encoder.type"),
            ("braindive.independent", "braindive.independent.backbone"),
        )
        for row in (
            (
                f"{role}.epochs",
                none_of(f"{role}.backbone", "tiny", "tiny_cnn") | given(f"{role}.path"),
                "only a small network that is trained here has epochs",
            ),
            (
                f"{role}.path",
                one_of(f"{role}.backbone", "pixels", "gabor") & none_of(kind, "checkpoint", "berg"),
                "this backbone has no weights",
            ),
        )
    ),
    *braindive_effects.ROWS,
    (
        "braindive.encoder.antialias",
        one_of("braindive.encoder.backbone", "tiny", "tiny_cnn"),
        "small networks take images in their own size",
    ),
    (
        "braindive.encode_device",
        When("braindive.encoder.backbone", no_tower),
        "only networks from a folder compute features on a GPU",
    ),
    (
        "braindive.judge.path",
        none_of("braindive.judge.type", "file", "clip"),
        "only types file and clip are read",
    ),
    ("braindive.judge.epochs", none_of("braindive.judge.type", "cnn"), "only type cnn is trained"),
    (
        "braindive.generator.images braindive.generator.vae_channels "
        "braindive.generator.vae_steps braindive.generator.unet_channels "
        "braindive.generator.unet_steps",
        none_of("braindive.generator.type", "tiny") | given("braindive.generator.path"),
        "only a tiny generator without a path is trained",
    ),
    (
        "braindive.generator.size",
        one_of("braindive.generator.type", "tiny"),
        "tiny draws images of the size of those it learns",
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
        none_of("braindive.guide_decoder", "small"),
        "only the small decoder is read",
    ),
    (
        "braindive.content_filter",
        When("braindive.content_filter_path", no_filter),
        "it has no weights",
    ),
    ("braindive.content_filter_path", one_of("braindive.content_filter", "off"), "no filter runs"),
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
