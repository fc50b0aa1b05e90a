"""What a job would refuse, refused before anything runs: empty lists, ranges, odd pairs of keys."""

from __future__ import annotations

from neuro.config.mds import NAMED
from neuro.config.model import walk
from neuro.config.sections import SECTIONS, section_class

MAY_BE_EMPTY = ("ntf.communities.beside",)
"""Lists whose default has items and that work without any."""
MOST_BINS = 249
"""Distance bins at most: their numbers are kept in 8 bits."""
GROUPS = {"vae_channels": 8, "unet_channels": 16}
"""Channels that a norm of the small generator takes together."""
LINKS = {
    "poisson": ("softplus", "sigmoid", "exp"),
    "bernoulli": ("sigmoid",),
    "gaussian": ("linear",),
}
"""Links that an emission has a likelihood for."""


def problems(config) -> list[str]:
    """What a job would refuse, one line each.

    Parameters
    ----------
    config : dict
        The resolved configuration; sections that are off are not looked at.

    Returns
    -------
    list of str
    """
    lines = []
    for section in SECTIONS:
        if config[section].get("enabled", True):
            lines += _empty(section, config[section])
            lines += _CHECKS.get(section, lambda own: [])(config[section])
    return lines


def _empty(section, own):
    """Lists without an item, where the default has some."""
    for key, entry in walk(section_class(section)):
        value = own
        for name in key.split("."):
            value = value[name]
        if value == [] and entry.default and f"{section}.{key}" not in MAY_BE_EMPTY:
            names = f"one of {', '.join(entry.choices)}" if entry.choices else "at least one"
            yield f"{section}.{key}: empty; name {names}"


def _adhd(own):
    lines = []
    if len(own["distance_bins"]) > MOST_BINS:
        lines.append(
            f"adhd.distance_bins: {len(own['distance_bins'])} bins, expected at most {MOST_BINS}"
        )
    names: dict[str, str] = {}
    for name, sites in own["site_groups"].items():
        key = f"adhd.site_groups.{name}"
        if not isinstance(sites, list) or not all(isinstance(site, str) for site in sites):
            lines.append(f"{key}: got {sites!r}, expected a list of quoted sites")
            continue
        lines += [
            f"{key}: site '{site}' is in group '{names[site]}' as well; name it once"
            for site in sites
            if names.setdefault(site, name) != name
        ]
    return lines


def _hmmglm(own):
    lines = []
    window = own["trial_window"]
    if window and window[0] + window[1] <= 0:
        lines.append(f"hmmglm.trial_window: got {window}, expected before + after > 0 in s")
    lines += _days(own) if own["days"] else []
    for source in own["input"]:
        lines += [line for line in _of_source(own, source) if line not in lines]
    return lines


def _days(own):
    """What the comparison of days needs."""
    if not own["ladder"]:
        yield "hmmglm.days: needs hmmglm.ladder: true, whose rungs it adds to"
    if own["fold_order"] != "interleaved":
        yield (
            f"hmmglm.days: needs hmmglm.fold_order: interleaved, got '{own['fold_order']}': a fold "
            "must not hold a whole day"
        )
    if own["n_basis"] != 1:
        yield f"hmmglm.days: needs hmmglm.n_basis: 1, got {own['n_basis']}"
    if not any(isinstance(paths, list) and len(paths) > 1 for paths in own["sets"].values()):
        yield "hmmglm.days: no set under hmmglm.sets names several recordings, one per day"


def _of_source(own, source):
    """Pairs of keys that the model refuses for an input; 'auto' means what it means there."""
    series, solver = source == "fmri", own["solver"]
    emission, link, bias, diagonal = (own[key] for key in ("emission", "link", "bias", "diagonal"))
    if emission == "auto":
        emission = "poisson"
        if series:
            emission = "bernoulli" if own["events"]["kind"] == "counts" else "gaussian"
    if link != "auto" and link not in LINKS[emission]:
        yield (
            f"hmmglm.link: got '{link}', but emission '{emission}' of input '{source}' needs "
            f"{' or '.join(LINKS[emission])}"
        )
    if link == "auto" and source == "simulated" and "sigmoid" not in LINKS[emission]:
        yield f"hmmglm.emission: got '{emission}', but planted data are counts; use auto"
    if solver == "paper" and (emission != "poisson" or diagonal not in ("auto", "free")):
        yield (
            f"hmmglm.solver: 'paper' needs emission poisson and diagonal free, input '{source}' "
            f"has {emission} and {diagonal}; use cavi"
        )
    shared = bias == "shared" or (bias == "auto" and (source == "simulated" or solver == "paper"))
    if own["start"] == "hmm" and (shared or emission == "gaussian"):
        yield (
            f"hmmglm.start: 'hmm' needs a bias in every state and counts, input '{source}' has "
            f"bias {'shared' if shared else bias} and {emission}; use bias: per_state or noise"
        )
    n_basis, n_history = own["n_basis"], own["n_history"] or (3 if series else 5)
    if own["basis"] == "exponential" and n_basis != 1:
        yield f"hmmglm.n_basis: got {n_basis}, but basis 'exponential' has 1; use raised_cosine"
    elif n_basis > n_history:
        yield (
            f"hmmglm.n_basis: got {n_basis}, expected at most the {n_history} bins of history of "
            f"input '{source}' (hmmglm.n_history)"
        )


def _mds(own):
    planted = [name for name in own["input"] if name in NAMED]
    if planted and own["twin"]["type"] in ("temporal", "checkpoint"):
        yield (
            f"mds.twin.type: '{own['twin']['type']}' does not take the images of input "
            f"'{planted[0]}'; use auto, or remove it from mds.input"
        )


def _braindive(own):
    generator = own["generator"]
    if generator["type"] != "tiny" or generator["path"]:
        return
    for key, size in GROUPS.items():
        wrong = [width for width in generator[key] if width % size]
        if wrong:
            yield f"braindive.generator.{key}: got {wrong[0]}, expected multiples of {size}"


_CHECKS = {"adhd": _adhd, "hmmglm": _hmmglm, "mds": _mds, "braindive": _braindive}
