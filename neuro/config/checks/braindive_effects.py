"""Which keys of section `braindive` act under the newer choices; part of :data:`effects.ROWS`."""

from __future__ import annotations

from neuro.config.checks.conditions import When, none_of, off, one_of


def _nowhere(word):
    return lambda config: word not in " ".join(config["braindive"]["objectives"])


ROWS = (
    (
        "braindive.encoder.readout braindive.encoder.n_augment braindive.encoder.epochs",
        none_of("braindive.encoder.type", "fit"),
        "the encoder is fitted already",
    ),
    (
        "braindive.encoder.backbone",
        none_of("braindive.encoder.type", "fit", "readout"),
        "this type brings its own",
    ),
    (
        "braindive.encoder.antialias",
        one_of("braindive.encoder.type", "berg", "module"),
        "it sees images as it was fitted",
    ),
    ("braindive.encoder.path", one_of("braindive.encoder.type", "module"), "the module has all"),
    (
        "braindive.independent. braindive.panel braindive.min_r2",
        one_of("braindive.images", "none"),
        "no responses were measured, nobody judges",
    ),
    (
        "braindive.judge.words",
        none_of("braindive.judge.type", "clip"),
        "only type clip reads words",
    ),
    ("braindive.edit.strength", off("braindive.edit.image"), "images start from noise"),
    (
        "braindive.polyak_target",
        none_of("braindive.strength", "polyak"),
        "only strength polyak has a target",
    ),
    (
        "braindive.n_sub_regions",
        When("braindive.objectives", _nowhere("sub:")),
        "no objective is of the form 'sub:A:1'",
    ),
    (
        "braindive.scheduler",
        one_of("braindive.generator.type", "sd3", "flux"),
        "a flow is followed by Euler's steps",
    ),
)
