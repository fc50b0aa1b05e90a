"""The sections of the configuration, by name."""

from __future__ import annotations

from neuro.config import (
    adhd,
    braindive,
    data,
    demovae,
    execution,
    fmri,
    hmmglm,
    mds,
    ntf,
    report,
    simulate,
)

_CLASSES = {
    "data": data.Data,
    "execution": execution.Execution,
    "simulate": simulate.Simulate,
    "fmri": fmri.Fmri,
    "adhd": adhd.Adhd,
    "demovae": demovae.Demovae,
    "ntf": ntf.Ntf,
    "hmmglm": hmmglm.Hmmglm,
    "mds": mds.Mds,
    "braindive": braindive.Braindive,
    "report": report.Report,
}
_MODULES = {
    "fmri": fmri,
    "adhd": adhd,
    "demovae": demovae,
    "ntf": ntf,
    "hmmglm": hmmglm,
    "mds": mds,
    "braindive": braindive,
}

SECTIONS = tuple(_CLASSES)
"""Section names in the order of config.yaml."""

STAGES = tuple(_MODULES)
"""Sections that are stages of the workflow, in the order of the chain."""

RENAMED: dict[str, str] = {}
"""Old dotted keys and the keys that replaced them."""


def section_class(name):
    """The dataclass of a section."""
    return _CLASSES[name]


def presets(name) -> dict:
    """Presets of a stage: preset name -> dotted key -> value."""
    return getattr(_MODULES.get(name), "PRESETS", {})


def needs_runs(name, section) -> bool:
    """Whether a stage works on the runs of section `data`; one that may do without says so."""
    judge = getattr(_MODULES[name], "needs_runs", None)
    return judge(section) if judge else True


def methods(config) -> list[tuple[str, list[str], list[str]]]:
    """Methods text of the enabled stages: `(stage, sentences, citation keys)` each.

    Each section's `describe(config)` gives sentences and the citation keys that they need.

    Parameters
    ----------
    config : dict
        The resolved configuration.

    Returns
    -------
    list of (str, list of str, list of str)
    """
    return [
        (name, *module.describe(config))
        for name, module in _MODULES.items()
        if config[name]["enabled"]
    ]
